"""A project is judged by its own files, wherever it is now; and what has no file, or no function any more, says so.

The real command in fresh processes, as in test_sources: what is said is compared with what the next run does.
"""

from __future__ import annotations

import shutil

import pytest

from tests.programs import Project

LIB = "LIMIT = 3\n\ndef help(x):\n    return min(x, LIMIT)\n"
JOB = """import sys
from pathlib import Path
import cachepy
from cachepy import cache_file, track_file
from lib import help

cached = cache_file({cache}, warn_cheap=False)
HERE = Path(__file__).resolve().parent

@cached
def load(path):
    return help(len(path.read_text()))

@cached
def total(n):
    return sum(load(path) for path in sorted(Path({data}).glob("*.txt"))) + n

if __name__ == "__main__":
    total(1)
    cachepy.cache_tree_sync({cache})
    began = [node["created"] for node in cachepy.cache_tree_nodes().values()]
    print(len(began), max(began))
"""


def status(folder, *args, cache="cache"):
    done = Project(folder).cachepy("status", "--cache-dir", cache, *args)
    return done.returncode, done.lines[0]


def make(folder, cache='"cache"', data='"data"', where="."):
    (folder / "data").mkdir(parents=True)
    for name in "ab":
        (folder / f"data/{name}.txt").write_text(name)
    (folder / where).mkdir(exist_ok=True)
    (folder / where / "lib.py").write_text(LIB)
    (folder / where / "job.py").write_text(JOB.format(cache=cache, data=data))
    return folder


def run(folder, *args):
    """How many calls there are, and when the last one ran."""
    return Project(folder).run(*args or ["job.py"]).stdout.split()


def edit(path, old, new):
    Project(path.parent).edit(path.name, old, new)


FRESH = 0, "all 3 calls are fresh"
# how the first place and the next one are made, and where one goes from there
WAYS = {
    "copied": lambda old, new: shutil.copytree(old, new),
    "moved": lambda old, new: old.rename(new),
    "copied deeper": lambda old, new: shutil.copytree(old, new / "deep/er") and None,
    "by a link": lambda old, new: new.symlink_to(old),
}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("first") / "project")
    run(folder)
    assert status(folder) == FRESH
    return folder


@pytest.fixture
def places(first, tmp_path):
    """A project that ran, to be copied or moved."""
    old = tmp_path / "old"
    shutil.copytree(first, old)
    assert status(old) == FRESH
    ran = run(old)
    assert ran == run(first)  # nothing ran
    return old, tmp_path / "new"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "old", "new", "stale"),
    [
        ("data/b.txt", "b", "bb", "3 calls: 2 stale, 1 fresh"),
        ("lib.py", "return min(x, LIMIT)", "return max(x, LIMIT)", "3 calls: 3 stale"),
        ("lib.py", "LIMIT = 3", "LIMIT = 4", "3 calls: 3 stale"),
        ("job.py", "+ n", "- n", "3 calls: 1 stale, 2 fresh"),
        ("lib.py", "LIMIT = 3", "LIMIT = 3  # most", FRESH[1]),
    ],
    ids=["data", "helper", "constant", "caller", "comment"],
)
def test_the_files_of_this_place_are_looked_at(places, way, name, old, new, stale):
    before, after = places
    WAYS[way](before, after)
    here = after / "deep/er" if way == "copied deeper" else after
    assert status(here) == FRESH
    ran = run(here)
    assert run(here) == ran
    edit(here / name, old, new)
    code = 0 if stale == FRESH[1] else 1
    assert status(here) == (code, stale)
    assert status(here.parent, cache=f"{here.name}/cache") == (code, stale)
    if way.startswith("copied"):
        assert status(before) == FRESH
    assert (run(here) == ran) is (code == 0)
    assert status(here) == FRESH


@pytest.mark.parametrize("name", ["data/b.txt", "lib.py"])
def test_an_edit_of_the_first_place_is_none_of_the_copy(places, name):
    before, after = places
    shutil.copytree(before, after)
    (before / name).write_text(LIB.replace("min", "max"))
    assert status(before)[0] == 1
    assert status(after) == FRESH
    ran = run(after)
    assert run(after) == ran
    shutil.rmtree(before)
    assert status(after) == FRESH


ASK = """
import cachepy
cachepy.cache_tree_sync("cache")
print(sorted(str(p) for each in cachepy.cache_tree_changed_files().values() for p in each["changed_files"]))
print(sorted((each["node"]["fname"], each["state"]) for each in cachepy.cache_tree_stale().values()))
print(cachepy.cache_tree_plan().counts)
"""


def test_every_question_looks_here(places):
    before, after = places
    shutil.copytree(before, after)
    (before / "data/a.txt").write_text("other")
    (after / "data/b.txt").write_text("bb")
    project = Project(after)
    changed, stale, counts = project.run("-c", ASK).lines
    assert changed == str([str(after / "data/b.txt")])
    assert stale == "[('load', 'stale'), ('total', 'stale')]"
    assert counts == "{'hit': 1, 'stale': 2, 'missing': 0, 'unknown': 0}"
    doc = project.cachepy("explain", "load", "--json", "--cache-dir", "cache").json()
    assert [r["name"] for c in doc["calls"] for r in c["reasons"]] == [str(after / "data/b.txt")]
    doc = project.cachepy("plan", "--json", "--cache-dir", "cache").json()
    assert sorted(c["state"] for c in doc["calls"]) == ["hit", "stale", "stale"]


def test_a_cache_that_is_elsewhere(tmp_path):
    """The old paths are right if only the cache was moved; a copy of the project shares it."""
    folder = make(tmp_path / "project", cache=repr(str(tmp_path / "far/cache")))
    run(folder)
    far = str(tmp_path / "far/cache")
    assert status(tmp_path, cache=far) == FRESH
    edit(folder / "lib.py", "min", "max")
    assert status(tmp_path, cache=far) == (1, "3 calls: 3 stale")
    edit(folder / "lib.py", "max", "min")
    shutil.move(tmp_path / "far", tmp_path / "moved")
    assert status(tmp_path, cache="moved/cache") == FRESH
    edit(folder / "data/b.txt", "b", "bb")
    assert status(tmp_path, cache="moved/cache") == (1, "3 calls: 2 stale, 1 fresh")


# how a program is started, with its folder beside the data; the helper is found in some way
STARTS = {
    "in its folder": (".", ["job.py"], "job.py"),
    "from above": ("scripts", ["scripts/job.py"], "scripts/job.py"),
    "by an absolute path": ("scripts", ["ABS/scripts/job.py"], "scripts/job.py"),
    "by a way with dots": ("scripts", ["data/../scripts/job.py"], "scripts/job.py"),
}


@pytest.mark.parametrize(("where", "start", "script"), STARTS.values(), ids=STARTS)
def test_scripts_in_folders(tmp_path, where, start, script):
    folder = make(tmp_path / "project", where=where)
    start = [part.replace("ABS", str(folder)) for part in start]
    ran = run(folder, *start)
    assert status(folder) == FRESH
    assert run(folder, *start) == ran
    helper = (folder / script).parent / "lib.py"
    edit(helper, "LIMIT = 3", "LIMIT = 2 + 1")
    assert status(folder) == FRESH
    edit(helper, "2 + 1", "2")
    assert status(folder) == (1, "3 calls: 3 stale")
    assert run(folder, *start) != ran
    assert status(folder) == FRESH


@pytest.mark.parametrize("name", ["my-job.py", "01_job.py", "job.v2.py", "job"])
def test_odd_names_of_scripts(tmp_path, name):
    folder = make(tmp_path / "project")
    (folder / "job.py").rename(folder / name)
    ran = run(folder, name)
    assert (status(folder), run(folder, name)) == (FRESH, ran)
    edit(folder / name, "+ n", "- n")
    assert status(folder) == (1, "3 calls: 1 stale, 2 fresh")
    assert run(folder, name) != ran
    assert status(folder) == FRESH


@pytest.mark.parametrize(
    "line",
    ["sys.path.insert(0, 'more')", "sys.path.append(str(Path(__file__).parent / 'more'))", "import site; site.addsitedir('more')"],
)
def test_a_path_that_the_script_adds(tmp_path, line):
    folder = make(tmp_path / "project")
    (folder / "more").mkdir()
    (folder / "lib.py").rename(folder / "more/lib.py")
    edit(folder / "job.py", "import cachepy\n", f"import cachepy\n{line}\n")
    ran = run(folder)
    assert (status(folder), run(folder)) == (FRESH, ran)
    edit(folder / "more/lib.py", "LIMIT = 3", "LIMIT = 4")
    assert status(folder) == (1, "3 calls: 3 stale")
    assert run(folder) != ran
    (folder / "lib.py").write_text(LIB.replace("min", "max"))  # found before, or after
    said, before = status(folder)[0], run(folder)
    assert said in {1, 3} or run(folder) == before


# ---------------------------------------------------------------- what is gone, and what was never in a file


GONE = {
    "removed": ("@cached\ndef alone(x):\n    return x\n", ""),
    "renamed": ("def alone", "def other"),
    "no longer cached": ("@cached\ndef alone", "def alone"),
    "commented out": ("@cached\ndef alone(x):\n    return x\n", "# @cached\n# def alone(x):\n#     return x\n"),
    "a method of another class": ("@cached\ndef alone(x):\n    return x\n", "class A:\n    def alone(x):\n        return x\n"),
    "another thing by its name": ("@cached\ndef alone(x):\n    return x\n", "alone = 3\n"),
}


@pytest.mark.parametrize(("old", "new"), GONE.values(), ids=GONE)
def test_a_function_that_is_gone(tmp_path, old, new):
    text = (
        "from cachepy import cache_file\ncached = cache_file('cache', warn_cheap=False)\n@cached\ndef stays(x):\n    return x + 1\n"
        "@cached\ndef alone(x):\n    return x\nif __name__ == '__main__':\n    stays(1)\n    globals().get('alone', print)(7)\n"
    )
    (tmp_path / "job.py").write_text(text)
    Project(tmp_path).run("job.py")
    assert status(tmp_path) == (0, "all 2 calls are fresh")
    edit(tmp_path / "job.py", old, new)
    done = Project(tmp_path).cachepy("status", "--cache-dir", "cache")
    assert done.returncode in {1, 3}, done.stdout
    assert "alone" in done.stdout
    assert "stays" not in done.stdout
    if old.startswith("@cached\ndef alone(x)") and "alone" not in new.replace("# ", ""):
        assert (done.returncode, "job:alone no longer exists" in done.stdout) == (1, True)


TEXT = "from cachepy import cache_file\n@cache_file('cache', warn_cheap=False)\ndef f(x):\n    return x\nf(1)\n"


def test_code_of_a_text(tmp_path):
    Project(tmp_path).run("-c", TEXT)
    assert status(tmp_path) == (3, "1 call: 1 unknown")
    assert status(tmp_path, "--no-code") == (0, "the only call is fresh")


def test_code_of_a_prompt(tmp_path):
    prompt = TEXT.replace("return x\n", "return x\n\n")
    Project(tmp_path).run("-i", "-q", stdin=prompt)
    assert status(tmp_path) == (3, "1 call: 1 unknown")


CELLS = """
import linecache, sys
from types import ModuleType
def cell(number, text):
    name = f"/tmp/ipykernel_1/{{number}}.py"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), main)
main = sys.modules["__main__"].__dict__
del main["__file__"]
cell(1, "N = 1")
cell(2, '''{}''')
""".format(TEXT.replace("return x", "return x + N"))


def test_code_of_cells(tmp_path):
    (tmp_path / "cells.py").write_text(CELLS)
    Project(tmp_path).run("cells.py")
    assert status(tmp_path) == (3, "1 call: 1 unknown")


def test_a_module_that_a_text_imports_is_looked_at(tmp_path):
    (tmp_path / "steps.py").write_text(TEXT.replace("f(1)\n", ""))
    Project(tmp_path).run("-c", "import steps; steps.f(1)")
    assert status(tmp_path) == (0, "the only call is fresh")
    edit(tmp_path / "steps.py", "return x", "return -x")
    assert status(tmp_path) == (1, "1 call: 1 stale")


PLACED = """from pathlib import Path
from cachepy import cache_file

def first(text):
    return text[:1]

NAME = first(Path(__file__).name)

@cache_file("cache", warn_cheap=False)
def f(x):
    return NAME, x

if __name__ == "__main__":
    f(1)
"""
EDITED = """import sys, time
sys.path.insert(0, "")
from cachepy import cache_file
cache_file("cache")  # what knows when this process began is loaded
time.sleep(0.05)
with open("job.py", "a") as file:
    file.write("# edited meanwhile\\n")
import job
job.f(1)
"""


@pytest.mark.parametrize("how", ["copied", "edited while the program ran"])
def test_what_is_unknown_is_known_after_the_next_run(tmp_path, how):
    """Though it runs nothing, since all is as it was."""
    first, here = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    (first / "job.py").write_text(PLACED)
    if how == "copied":
        Project(first).run("job.py")
    else:
        Project(first).run("-c", EDITED)
    shutil.copytree(first, here)
    assert status(here)[0] == 3
    stored = sorted((here / "cache" / "entries").rglob("*.entry"))
    times = [path.stat().st_mtime_ns for path in stored]
    Project(here).run("job.py")
    assert [path.stat().st_mtime_ns for path in stored] == times
    assert status(here) == (0, "the only call is fresh")
