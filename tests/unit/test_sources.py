"""Code is looked at by its source files: what `status` says after an edit, against what the next run does.

The rows (see source_rows) are packages of a few projects: each is run in a fresh process, edited, asked about by the
real command, run again in a fresh process, and asked about again.  Calls that ran then are the truth.
"""

from __future__ import annotations

import json

import pytest
from source_rows import CHANGED, OPEN, ROWS, SAME, UNTOLD

from cachepy.staleness import sources
from tests.programs import Project

# the edit makes another call of it; nobody knows that nothing makes the old one any more
OLD_CALLS = {"a default", "a cached method"}
SIZE = 24  # rows of a project
HEAD = "from cachepy import cache_file\ncached = cache_file('cache', warn_cheap=False)\n"
MAIN = "def main():\n    f(1)\n"
DRIVER = """
import importlib, json, sys
import cachepy
failed = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(f"{name}.mod").main()
    except Exception as error:
        failed[name] = repr(error)
cachepy.cache_tree_sync("cache")
calls = {call: (node["module"], node["created"]) for call, node in cachepy.cache_tree_nodes().items()}
print()
print(json.dumps({"failed": failed, "calls": calls}))
"""


def exit_code(states):
    return 1 if {"stale", "missing"} & {*states} else 3 if states else 0


def write(project, name, text):
    """The files of a row, as a package."""
    first, *others = text.split("### ")
    files = {"__init__.py": "", "mod.py": HEAD + first + ("" if "def main" in first else MAIN)}
    files |= dict(part.split("\n", 1) for part in others)
    for file, body in files.items():
        project.write(f"{name}/{file}", body.replace("ROW", name))


class Edited:
    """Some rows as packages of one folder, before and after their edits."""

    def __init__(self, project, rows):
        self.project = project
        self.rows = {f"r{i:02}": row for i, row in enumerate(rows)}
        self.names = dict(zip(rows, self.rows, strict=True))
        project.write("drive.py", DRIVER)
        for name, (text, old, _, _) in ((n, ROWS[row]) for n, row in self.rows.items()):
            assert text.count(old) == 1, self.rows[name]
            write(project, name, text)
        before = self.run()
        assert before["failed"] == {}
        self.first, self.first_why, _ = self.ask()
        for name, (text, old, new, _) in ((n, ROWS[row]) for n, row in self.rows.items()):
            write(project, name, text.replace(old, new))
        self.said, self.why, self.is_right = self.ask()
        after = self.run()
        self.failed = after["failed"]
        ran = [module for call, (module, made) in after["calls"].items() if before["calls"].get(call, (0, 0))[1] != made]
        self.ran = {module.partition(".")[0] for module in ran}
        self.last, self.last_why, _ = self.ask()

    def run(self):
        return json.loads(self.project.run("drive.py", *self.rows).lines[-1])

    def ask(self):
        """The states of calls that are not fresh, by their package, and why."""
        done = self.project.cachepy("status", "--json", "--cache-dir", "cache")
        code, found = done.returncode, done.json()
        graph = self.project.cachepy("ls", "--json", "--cache-dir", "cache").json()
        homes = {entry["id"]: entry["module"].partition(".")[0] for entry in graph["entries"]}
        states, why = {}, {}
        for call in found["calls"]:
            states.setdefault(homes[call["id"]], []).append(call["state"])
            why.setdefault(homes[call["id"]], []).append([reason["text"] for reason in call["reasons"]])
        return states, why, code == exit_code([state for each in states.values() for state in each])


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    """The rows that a row is among; made when the first of its rows is asked for."""
    names, made = list(ROWS), {}

    def of(row):
        number = names.index(row) // SIZE
        if number not in made:
            project = Project(tmp_path_factory.mktemp("sources"))
            made[number] = Edited(project, names[number * SIZE : (number + 1) * SIZE])
        return made[number], made[number].names[row]

    return of


@pytest.mark.parametrize("row", ROWS)
def test_what_is_said_is_what_runs(looked, row):
    edited, name = looked(row)
    kind = ROWS[row][3]
    assert name not in edited.failed, edited.failed
    assert edited.is_right, "the exit code"
    assert edited.first.get(name, []) == [], edited.first_why[name]
    does_run, said, why = name in edited.ran, exit_code(edited.said.get(name, [])), edited.why.get(name)
    assert does_run is (kind in (CHANGED, OPEN)), "the table is wrong"
    allowed = {CHANGED: {1}, OPEN: {1, 3}, SAME: {0}, UNTOLD: {0, 3}}[kind]
    assert said in allowed, why
    assert row in OLD_CALLS or edited.last.get(name, []) == [], edited.last_why[name]


def test_a_checkout_of_cachepy_beside_a_program_is_none_of_its_code(tmp_path):
    for name in ("cachepy", "dask_plugin", "helpers"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    find = sources._Finder({"job": str(tmp_path / "job.py")})
    found = [find(name) for name in ("cachepy", "dask_plugin", "helpers", "helpers.none")]
    assert found == [None, None, str(tmp_path / "helpers" / "__init__.py"), None]
