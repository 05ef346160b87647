"""A pipeline that declares nothing, edited: what it reads, lists, looks for and starts counts by itself.

Each row is an edit, and what must run after it; no other step may. All runs are processes of their own: the first
one, one with the cache after the edit, one without a cache in a copy of the folder, and another one with the cache,
which runs nothing. What is printed, and the files that are left behind, are those of the run without a cache.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.programs import Project
from tests.table.undeclared_pipeline import ALL, EXECUTABLE, FILES, NO_CACHE, OUTPUTS

Edit = Callable[[Path], None]
NORTH, SETTINGS, SUMMARY, WORDS = "data/stations/north.txt", "config/settings.json", "out/summary.json", "data/words.txt"


@dataclass(frozen=True)
class Row:
    """Edits, with a run after each; `runs` are the steps that must run after the last, `may` those for which both are right.

    What raises is stored nowhere: a step that does so runs in each process.
    """

    name: str
    runs: str
    edits: list[Edit] = field(default_factory=list)
    may: str = ""
    env: list[dict[str, str | None]] = field(default_factory=list)  # one for each edit, or none
    raises: bool = False

    def steps(self) -> list[tuple[Edit, dict[str, str | None]]]:
        count = max(len(self.edits), len(self.env))
        edits = self.edits or [lambda root: None] * count
        return list(zip(edits, self.env or [{}] * count, strict=True))


# -- edits


def write(name: str, text: str) -> Edit:
    def edit(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)

    return edit


def sub(name: str, old: str, new: str) -> Edit:
    """Replace what stands there once."""

    def edit(root: Path) -> None:
        text = (root / name).read_text()
        assert text.count(old) == 1, f"{name} has {text.count(old)} times {old!r}"
        (root / name).write_text(text.replace(old, new))

    return edit


def remove(name: str) -> Edit:
    return lambda root: shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()


def rename(old: str, new: str) -> Edit:
    return lambda root: (root / old).replace(root / new)


def touch(name: str) -> Edit:
    return lambda root: os.utime(root / name, (2_000_000_000, 2_000_000_000))


def replaced(name: str, text: str) -> Edit:
    """As careful writers do: another file takes the name."""

    def edit(root: Path) -> None:
        (root / "beside").write_text(text)
        (root / "beside").replace(root / name)

    return edit


def linked(name: str, to: str) -> Edit:
    """What is there moves, and a symlink to it takes its name."""

    def edit(root: Path) -> None:
        (root / to).parent.mkdir(parents=True, exist_ok=True)
        (root / name).replace(root / to)
        (root / name).symlink_to(root / to)

    return edit


def sly(name: str, text: str) -> Edit:
    """New content, with the size and the mtime of the old."""

    def edit(root: Path) -> None:
        before = (root / name).stat()
        assert len(text) == before.st_size
        (root / name).write_text(text)
        os.utime(root / name, ns=(before.st_atime_ns, before.st_mtime_ns))

    return edit


def both(*edits: Edit) -> Edit:
    def edit(root: Path) -> None:
        for each in edits:
            each(root)

    return edit


# -- the table

ON = "summary report"  # what follows where a result changes that all others are put together from
LENGTHS = "stations scaled " + ON
BACK = FILES[SETTINGS]
REWRITES = "summary"  # its result is known, but in the file that it writes stands another one
ROWS = [
    # a file whose path is constant
    Row("a config", f"settings {ON}", [sub(SETTINGS, "2", "3")]),
    Row("a config, with the same value", "settings", [sub(SETTINGS, ": ", ":   ")]),
    Row("a config that a library reads", f"settings {ON}", [sub("config/pipeline.ini", "first", "second")]),
    Row("a config of the same size and time", f"settings {ON}", [sly(SETTINGS, '{"scale": 3}')]),
    Row("a config in whose place another file is put", f"settings {ON}", [replaced(SETTINGS, '{"scale": 3}')]),
    Row("a config is touched", "", [touch(SETTINGS)]),
    Row("a config is written anew, the same", "", [write(SETTINGS, BACK)]),
    Row("another file with the same content takes the name", "", [replaced(SETTINGS, BACK)]),
    Row("the rights of a config", "", [lambda root: os.chmod(root / SETTINGS, 0o600)]),
    Row("a config and back", REWRITES, [sub(SETTINGS, "2", "3"), sub(SETTINGS, "3", "2")]),
    Row(
        "a config and back and on",
        REWRITES,
        [sub(SETTINGS, "2", "3"), sub(SETTINGS, "3", "2"), sub(SETTINGS, "2", "3")],
    ),
    Row("a config and back, with the same value", "", [sub(SETTINGS, ": ", ":   "), write(SETTINGS, BACK)]),
    Row("a config is gone", "settings summary", [remove(SETTINGS)], may="report", raises=True),
    Row("a config is gone, and comes again", "", [remove(SETTINGS), write(SETTINGS, BACK)]),
    Row("another file beside a config", "", [write("config/new.ini", "[pipeline]\nname = new\n")]),
    Row("a file beside a config that nobody reads", "", [sub("config/unused.ini", "nobody", "somebody")]),
    Row("a symlink to the config", "", [linked(SETTINGS, "elsewhere/settings.json")]),
    Row(
        "what a symlink leads to",
        f"settings {ON}",
        [linked(SETTINGS, "elsewhere/settings.json"), sub("elsewhere/settings.json", "2", "3")],
    ),
    # a file that was looked for and not found
    Row("a config that was looked for", f"settings {ON}", [write("config/local.ini", "[pipeline]\nname = mine\n")]),
    Row("a config that was looked for, and is empty", "settings", [write("config/local.ini", "")]),
    Row("a file whose existence was asked for", "report", [write("data/override.txt", "one two")]),
    Row("a file appears and goes", "", [write("data/override.txt", "one two"), remove("data/override.txt")]),
    # a computed path, a folder that is listed
    Row("an input", f"station:north {LENGTHS}", [write(NORTH, "1 2 4\n")]),
    Row("an input, with the same value", "station:north", [write(NORTH, "1 2\n3\n")]),
    Row("an input of the same size and time", f"station:north {LENGTHS}", [sly(NORTH, "1 2 4\n")]),
    Row("a new file in a folder", f"station:east {LENGTHS}", [write("data/stations/east.txt", "7\n")]),
    Row("a file of a folder is gone", LENGTHS, [remove("data/stations/south.txt")]),
    Row("a file is renamed", f"station:west {LENGTHS}", [rename("data/stations/south.txt", "data/stations/west.txt")]),
    Row("a name in a folder that is left out", "stations", [write("data/stations/new.bak", "7\n")]),
    Row("a file in a folder that nobody reads", "", [write("data/stations/README", "In miles.\n")]),
    Row("a folder is touched", "", [touch("data/stations")]),
    Row("a symlink to the folder", "", [linked("data/stations", "elsewhere/stations")]),
    # a glob
    Row("a table", f"tables {ON}", [write("data/tables/a.csv", "1,3\n")]),
    Row("a new table", f"tables {ON}", [write("data/tables/c.csv", "5,6\n")]),
    Row("a table is gone", f"tables {ON}", [remove("data/tables/b.csv")]),
    Row("a new table and back", REWRITES, [write("data/tables/c.csv", "5,6\n"), remove("data/tables/c.csv")]),
    Row("a file that the glob does not match", "", [write("data/tables/c.txt", "5,6\n")]),
    Row("another file beside the tables", "", [write("data/tables/notes.md", "Still two.\n")]),
    # programs
    Row("a file on a command line", f"ordered {ON}", [write(WORDS, "pear\nplum\n")]),
    Row("another order of what is sorted", "ordered", [write(WORDS, "fig\npear\napple\n")], may="summary"),
    Row("an executable", f"ordered {ON}", [sub("bin/order", "A-Z", "b-za")]),
    Row("a comment in an executable", "ordered", [sub("bin/order", "#!/bin/sh\n", "#!/bin/sh\n# capitals\n")]),
    Row("an executable is touched", "", [touch("bin/order")]),
    # the environment
    Row("a variable", f"scaled {ON}", env=[{"UNIT": "m"}]),
    Row("a variable that says what goes without it", "", may="scaled", env=[{"UNIT": "km"}]),
    Row("another variable", "", env=[{"UNITS": "m"}]),
    Row("a variable and back", REWRITES, env=[{"UNIT": "m"}, {}]),
    # files that steps write
    Row("an intermediate is gone", "summary", [remove(SUMMARY)]),
    Row("an intermediate is damaged", "summary", [write(SUMMARY, '{"words": []}')]),
    Row("an intermediate of the same size and time", "summary", [lambda root: sly(SUMMARY, spoilt(root))(root)]),
    Row("an intermediate is empty", "summary", [write(SUMMARY, "")]),
    Row("an intermediate is touched", "", [touch(SUMMARY)]),
    Row("what a program wrote is gone", "ordered", [remove("out/words.txt")]),
    Row("what a program wrote is damaged", "ordered", [write("out/words.txt", "x\n")]),
    Row("all intermediates are gone", "ordered summary", [remove(OUTPUTS)]),
    Row("another file beside the intermediates", "", [write("out/more.txt", "x\n")]),
    Row(
        "an input, and an intermediate is damaged",
        f"station:north {LENGTHS}",
        [both(write(NORTH, "1 2 4\n"), write(SUMMARY, ""))],
    ),
    # code
    Row("a comment", "", [sub("steps.py", '    log("settings")\n', '    # first\n    log("settings")\n')]),
    Row("a helper", f"station:north station:south {LENGTHS}", [sub("helpers.py", "int(word)", "int(word) * 2")]),
    Row("a helper, with the same value", "station:north station:south", [sub("helpers.py", "int(word)", "int(word, 10)")]),
    Row("a helper that nobody calls", "", [sub("helpers.py", "x + 1", "x + 2")]),
    Row("a step", "report", [sub("steps.py", "sorted(parts.items())", "sorted(parts.items())[::-1]")]),
]

LESS = {  # near to others, tried by `make stress`
    "a config, with the same value",
    "a config of the same size and time",
    "a config in whose place another file is put",
    "another file with the same content takes the name",
    "the rights of a config",
    "a config and back and on",
    "a config and back, with the same value",
    "a config is gone, and comes again",
    "a file beside a config that nobody reads",
    "what a symlink leads to",
    "a config that was looked for, and is empty",
    "a file appears and goes",
    "an input, with the same value",
    "an input of the same size and time",
    "a file is renamed",
    "a name in a folder that is left out",
    "a folder is touched",
    "a table is gone",
    "a new table and back",
    "another file beside the tables",
    "another order of what is sorted",
    "a comment in an executable",
    "a variable that says what goes without it",
    "a variable and back",
    "an intermediate of the same size and time",
    "an intermediate is empty",
    "what a program wrote is damaged",
    "another file beside the intermediates",
    "a helper, with the same value",
    "a helper that nobody calls",
}


def spoilt(root: Path) -> str:
    return (root / SUMMARY).read_text().replace("PEAR", "PLUM")


# -- the life of a row


@pytest.fixture
def pipeline(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    for name, text in FILES.items():
        project.write(name, text)
    for name in EXECUTABLE:
        (project / name).chmod(0o755)
    return Pipeline(project, tmp_path_factory.mktemp("copy"))


class Pipeline:
    """The user's folder, and the same program without a cache in a copy of it."""

    def __init__(self, project: Project, place: Path) -> None:
        self.project, self.place = project, place
        self.copies = 0

    def run(self, **env: str | None) -> tuple[set[str], str]:
        """Which steps ran, and what was printed: it must be what is printed without a cache, and so the files."""
        copy = self.copied()
        with Project(copy) as other:
            other.write("cachepy.py", NO_CACHE)
            without = other.start("main.py", **(env | {"CLUSTER": None}))
            done = self.project.run("main.py", **env)
            expected = other.finish(without).silent()
        assert done.stdout == expected
        assert contents(self.project / OUTPUTS) == contents(copy / OUTPUTS)
        assert not done.stderr, done.stderr
        return set(self.project.ran()), expected

    def copied(self) -> Path:
        self.copies += 1
        copy = self.place / str(self.copies)
        shutil.copytree(self.project.folder, copy, symlinks=True, ignore=shutil.ignore_patterns("cache", "log"))
        for link in copy.rglob("*"):
            if link.is_symlink():
                target = copy / link.readlink().relative_to(self.project.folder)
                link.unlink()
                link.symlink_to(target)
        return copy

    def edited(self, row: Row, **env: str | None) -> None:
        """Carry out its edits, and see that what had to run did."""
        ran, before = self.run(**env)
        assert ran == set(ALL.split())
        assert not self.run(**env | {"CLUSTER": None})[0], "the second run"
        shown = before
        for edit, variables in row.steps():
            edit(self.project.folder)
            ran, shown = self.run(**env, **variables)
        must, may = set(row.runs.split()), set(row.may.split())
        assert must <= ran <= must | may
        assert row.raises == ("failed:" in shown)
        if not row.runs and len(row.steps()) == 1:
            assert shown == before, "a fault of the row: the result is another one, and nothing is to run"
        ran, _ = self.run(**(env | row.steps()[-1][1] | {"CLUSTER": None}))
        assert ran <= (must if row.raises else set()), "the run after that"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row.name, marks=pytest.mark.stress if row.name in LESS else ()) for row in ROWS]
)
def test_an_edit_of_what_nobody_declared(pipeline: Pipeline, row: Row) -> None:
    pipeline.edited(row)


ON_A_CLUSTER = {"a config", "a new file in a folder", "an executable", "what a program wrote is gone"}


@pytest.mark.dask
@pytest.mark.parametrize("row", [row for row in ROWS if row.name in ON_A_CLUSTER], ids=lambda row: row.name)
def test_the_same_on_a_cluster(pipeline: Pipeline, row: Row) -> None:
    """The steps run in two worker processes; second runs are serial, and find all that was stored there."""
    # what workers say when they are stopped in the midst of a heartbeat is no word of this package
    pipeline.edited(row, CLUSTER="1", DASK_LOGGING__DISTRIBUTED="critical")
