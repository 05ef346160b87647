"""How far a program is: "3 of 12", where it ran before, by `progress`, `verbose=True` and `cachepy watch`."""

from __future__ import annotations

import re
import time
from types import SimpleNamespace

import pytest

from cachepy.calls import progress_line
from tests.programs import Project

PROGRAM = """
import os, sys, time
from pathlib import Path
from cachepy import cache_file

cached = cache_file("cache", warn_cheap=False, ignore_files=["go", "began"], verbose="verbose" in sys.argv)


@cached
def part(n):
    if n == 2 and os.path.exists("wait"):
        Path("began").touch()
        while not os.path.exists("go"):
            time.sleep(0.01)
    return n


@cached
def total(path):
    return sum(part(n) for n in (0, 1, 1, 2, 3)) + len(Path(path).read_text())


if __name__ == "__main__":
    for name in ("a.txt", "b.txt", "c.txt"):
        total(name)
"""


@pytest.fixture
def project(tmp_path):
    """A program that ran once, then a file that it read was changed."""
    with Project(tmp_path) as made:
        made.write("steps.py", PROGRAM)
        for name in "abc":
            made.write(f"{name}.txt", name)
        made.run("steps.py").silent()
        made.write("b.txt", "other")
        yield made


def lines_of(ran) -> list[str]:
    return [re.sub(r"\d+ ms", "T", line).partition(":")[0] for line in ran.stderr.splitlines()]


def test_verbose_says_which_call_of_its_caller_it_is(project):
    assert lines_of(project.run("steps.py", "verbose")) == [
        "hit total('a.txt')",
        "run total('b.txt')",
        "  hit part(0) [1 of 4]",
        "  hit part(1) [2 of 4]",
        "  hit part(1) [2 of 4]",
        "  hit part(2) [3 of 4]",
        "  hit part(3) [4 of 4]",
        "done total('b.txt') in T",
        "hit total('c.txt')",
    ]


def test_more_calls_than_before_have_no_number(project):
    project.edit("steps.py", "(0, 1, 1, 2, 3)", "(0, 1, 2, 3, 4)")
    lines = lines_of(project.run("steps.py", "verbose"))
    assert "  hit part(3) [4 of 4]" in lines
    assert "  run part(4)" in lines


def test_a_first_run_has_no_numbers(project):
    project.write("d.txt", "d")
    ran = project.run("-c", "import sys; sys.argv.append('verbose'); import steps; steps.total('d.txt')")
    assert not re.search(r" of \d", ran.stderr)


LOOK = """
import runpy, sys, threading, time
from cachepy.calls import progress_line
progress_line._PAUSE = progress_line._FIRST = progress_line._MOST = 0.05
runpy.run_path("steps.py", run_name="__main__")
"""


def waiting(project: Project, *args: object, **env: str):
    """The program while a body of it waits."""
    project.edit("steps.py", "return n\n", "return n + 0\n")
    project.write("wait", "")
    process = project.start(*args, **env)
    end = time.monotonic() + 60
    while not (project / "began").exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    return process


def test_progress_says_how_many_calls_are_made_of_how_many(project):
    project.write("look.py", LOOK)
    project.run("look.py")  # another program: what it made is known from its own last run
    process = waiting(project, "look.py", CACHEPY_PROGRESS="1")
    time.sleep(0.5)
    project.write("go", "")
    ran = project.finish(process)
    found = re.findall(r"; (\d) of 3 at the top; (\d) of 4 in total; part runs for", ran.stderr)
    assert ("0", "2") in found, ran.stderr
    assert ran.stderr.splitlines()[-1].endswith("3 of 3 at the top")


def test_watch_says_which_call_of_its_caller_runs(project):
    process = waiting(project, "steps.py")
    rows = {call["title"]: call for call in project.cachepy("watch", "--json", code=0).json()["calls"]}
    inner = rows["part(2)"]
    assert (inner["at"], inner["of"]) == (3, 4)
    assert inner["caller"] == rows["total('a.txt')"]["call"]
    assert rows["total('a.txt')"]["at"] is None
    assert "3 of 4 in total" in project.cachepy("watch", "--once", code=0).stdout
    project.write("go", "")
    project.finish(process)


def test_each_cell_of_a_notebook_has_its_line(monkeypatch, tmp_path):
    import IPython
    import IPython.display

    from cachepy import Session, cache_file, use_session
    from cachepy.calls.program import program

    hooks: dict[str, object] = {}
    shown: list[str] = []
    handle = SimpleNamespace(update=lambda html: shown.append(html.data))
    shell = SimpleNamespace(kernel=1, events=SimpleNamespace(register=hooks.__setitem__))
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setattr(IPython.display, "display", lambda *_, **__: handle)
    monkeypatch.setenv("CACHEPY_PROGRESS", "1")
    monkeypatch.setattr(program, "at_end", [])
    with use_session(Session()) as session:
        double = cache_file(tmp_path / "c", warn_cheap=False)(lambda x: 2 * x)
        progress_line.begin(session)
        double(1)
        hooks["post_run_cell"](None)
        assert "1 call: 1 run in" in shown[-1]
        hooks["pre_run_cell"](None)
        double(2), double(1)
        hooks["post_run_cell"](None)
        assert "2 calls: 1 hit, 1 run in" in shown[-1]
        program.at_end[0]()
