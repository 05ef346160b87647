"""A program that sets a variable of the environment itself: an edit of that is seen, whatever it is for who asks."""

from __future__ import annotations

import pytest

LIB = """
import os
from cachepy import cache_file

@cache_file("cache", env_vars=["CACHEPY_TEST_MODE"])
def f(n):
    log(os.environ.get("CACHEPY_TEST_MODE", "none"))
    return os.environ.get("CACHEPY_TEST_MODE", "none")
"""
RUN = "{}\nimport lib\nif __name__ == '__main__':\n    lib.f(1)\n"
SET = "import os\nos.environ['CACHEPY_TEST_MODE'] = {}"
FRESH, STALE, UNKNOWN = 0, 1, 3
STATUS = "status", "--cache-dir", "cache"
# the top of the script before and after, and what is said of it
EDITS = {
    "nothing": (SET.format("'a'"), SET.format("'a'"), {FRESH}),
    "its value": (SET.format("'a'"), SET.format("'b'"), {STALE}),
    "begins to": ("", SET.format("'b'"), {STALE}),
    "ceases to, where it is set": (SET.format("'a'"), "", {FRESH}),
    "by a name": ("MODE = 'a'\n" + SET.format("MODE"), "MODE = 'b'\n" + SET.format("MODE"), {STALE}),
    "by another name": (SET.format("'a'"), "MODE = 'a'\n" + SET.format("MODE"), {FRESH}),
    "in a module": ("import setter", "import setter  # again", {FRESH}),
    "in a module that is new": ("", "import setter", {STALE}),
    "to what is computed": (SET.format("'a'"), SET.format("str(len('abc'))"), {STALE, UNKNOWN}),
    "computed, a comment": (SET.format("'x'.join('ab')"), SET.format("'x'.join('ab')") + "  # so", {FRESH, UNKNOWN}),
    "from os": ("from os import environ\nenviron['CACHEPY_TEST_MODE'] = 'a'", "from os import environ\nenviron['CACHEPY_TEST_MODE'] = 'b'", {STALE}),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_what_is_said_of_an_edit(project, edit):
    before, after, expected = edit
    project.write("lib.py", "from spy import log\n" + LIB)
    project.write("spy.py", "def log(name):\n    open('ran', 'a').write(name)\n")
    project.write("setter.py", SET.format("'c'") + "\n")
    project.write("main.py", RUN.format(before))
    project.run("main.py")
    mode = (project / "ran").read_text()
    as_it_was = {"CACHEPY_TEST_MODE": None if mode == "none" else mode}  # who asks has what the program had
    assert project.cachepy(*STATUS, **as_it_was).returncode == FRESH
    project.write("main.py", RUN.format(after))
    (project / "ran").unlink()
    said = project.cachepy(*STATUS, **as_it_was).returncode
    project.run("main.py", **as_it_was)
    has_run = (project / "ran").exists()
    assert said in expected and not (has_run and said == FRESH)


def test_another_program_may_set_it_where_this_one_does_not(project):
    """Code is recorded once for both: what one of them sets says nothing of the other's calls."""
    project.write("lib.py", "from spy import log\n" + LIB)
    project.write("spy.py", "def log(name):\n    open('ran', 'a').write(name)\n")
    project.write("sets.py", RUN.format(SET.format("'a'")))
    project.write("takes.py", RUN.format("").replace("lib.f(1)", "lib.f(2)"))
    project.run("sets.py")
    project.run("takes.py", CACHEPY_TEST_MODE="a")
    assert project.cachepy(*STATUS, CACHEPY_TEST_MODE="a").returncode == FRESH
    assert project.cachepy(*STATUS).returncode == STALE
