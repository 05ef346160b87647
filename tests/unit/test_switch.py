"""`CACHEPY=off`, `readonly`, `required`, `refresh`: what a whole program does with its caches."""

from __future__ import annotations

import asyncio
import os
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import pytest

from cachepy import MissingResultError, Session, UsageValueError, cache_file, cache_tree_nodes, use_session, with_caller

LIB = """
import asyncio
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from cachepy import cache_file, cache_tree_nodes, track_file, with_caller
from log import log

cached = cache_file("cache", warn_cheap=False)

@cached
def part(n):
    log("part")
    return n * 10

@cached
def total(path, count):
    log("total")
    return len(Path(path).read_text()) + sum(part(n) for n in range(count))

@cached
async def later(n):
    log("later")
    return n + 1

@cached
def fanned(count):
    log("fanned")
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return sum(pool.map(with_caller(part), range(count)))
"""
MAIN = """
from lib import *

if __name__ == "__main__":
    print(total("data.txt", 2), asyncio.run(later(1)), fanned(2), len(cache_tree_nodes()))
"""
ALL = ["fanned", "later", "part", "part", "total"]


@pytest.fixture
def program(project):
    project.write("log.py", __import__("tests.programs", fromlist=["LOG"]).LOG)
    project.write("lib.py", LIB)
    project.write("main.py", MAIN)
    project.write("data.txt", "abc")
    project.ran = partial(ran, project)
    return project


def ran(project):
    """The bodies that ran since this was asked last."""
    path = project / "log"
    lines = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return sorted(lines)


def listing(project):
    """All of the cache, with what would show that something was written."""
    found = {}
    for path in sorted((project / "cache").rglob("*")):
        st = path.stat()
        found[path] = (st.st_mtime_ns, st.st_size, st.st_ino) if path.is_file() else st.st_mtime_ns
    return found


def test_off(program):
    assert program.run("main.py", CACHEPY="off").silent() == "13 2 10 0\n"
    assert program.ran() == ["fanned", "later", "part", "part", "part", "part", "total"]
    assert not (program / "cache").exists()
    program.run("main.py")
    before = listing(program)
    program.ran()
    assert program.run("main.py", CACHEPY="off").silent() == "13 2 10 0\n"
    assert program.ran() == ["fanned", "later", "part", "part", "part", "part", "total"]
    assert listing(program) == before


def test_readonly(program):
    assert program.run("main.py", CACHEPY="readonly").silent() == "13 2 10 0\n"
    assert not (program / "cache").exists()
    program.ran()
    assert program.run("main.py").silent() == "13 2 10 5\n"
    assert program.ran() == ALL
    before = listing(program)
    assert program.run("main.py", CACHEPY="readonly").silent() == "13 2 10 5\n"
    assert program.ran() == []
    program.write("data.txt", "abcd")
    assert program.run("main.py", CACHEPY="readonly").silent() == "14 2 10 4\n"
    assert program.ran() == ["total"]
    assert listing(program) == before


def test_required(program):
    program.run("main.py")
    before = listing(program)
    program.ran()
    assert program.run("main.py", CACHEPY="required").silent() == "13 2 10 5\n"
    program.write("data.txt", "abcd")
    failed = program.run("main.py", CACHEPY="required", code=1)
    message = failed.stderr.splitlines()[-1]
    assert message.startswith("cachepy.errors.MissingResultError: total('data.txt', 2) is not stored in ")
    assert "file data.txt changed" in message
    assert "Run the program once without it" in message
    assert program.ran() == []
    assert listing(program) == before


def test_refresh(program):
    program.run("main.py")
    program.ran()
    assert program.run("main.py", CACHEPY="refresh").stdout == "13 2 10 5\n"
    assert {*program.ran()} == {*ALL}
    assert program.run("main.py", CACHEPY="required").silent() == "13 2 10 5\n"


def test_a_wrong_word(program):
    failed = program.run("main.py", CACHEPY="of", code=1)
    assert "CACHEPY='of' is none of off, readonly, required, refresh" in failed.stderr
    assert program.ran() == []
    with pytest.raises(UsageValueError, match="mode='on' is none of off"):
        Session(mode="on")


def test_a_part_of_a_program(tmp_path):
    ran = []
    cached = cache_file(tmp_path / "c", warn_cheap=False, ignore_globals=["ran"])

    @cached
    def f(x, *, y=1):
        ran.append(x)
        return x + y

    @cached
    async def g(x):
        ran.append(x)
        return x

    @cached
    def top(x):
        ran.append("top")
        with use_session(Session(mode="off")):
            return f(x) + 1

    with use_session(Session()):
        for _ in range(3):  # hot, too
            assert f(1) == 2
        assert ran == [1]
        with use_session(Session(mode="off")):
            assert (f(1), f(1, _force=True), asyncio.run(g(2)), len(cache_tree_nodes())) == (2, 2, 2, 0)
        assert ran == [1, 1, 1, 2]
        with use_session(Session(mode="required")):
            assert (f(1), f(1), f(1)) == (2, 2, 2)
            with pytest.raises(MissingResultError, match=r"f\(2, 1\) is not stored"):
                f(2)
            with pytest.raises(MissingResultError, match=r"f\(1, 1\) is not stored"):
                f(1, _force=True)
            with pytest.raises(MissingResultError, match=r"g\(2\) is not stored"):
                asyncio.run(g(2))
            with pytest.raises(TypeError, match="unexpected keyword"):
                f(2, z=3)
        with use_session(Session(mode="refresh")):
            assert (f(1), f(1)) == (2, 2)
            assert f(1, _skip_save=True) == 2
        assert ran == [1, 1, 1, 2, 1, 1, 1]
        assert f(1) == 2
        assert top(5) == 7
        assert ran == [1, 1, 1, 2, 1, 1, 1, "top", 5]


def test_what_has_no_key_is_not_stored_either(tmp_path):
    @cache_file(tmp_path / "c")
    def f(x):
        return 1

    with use_session(Session(mode="required")), warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(MissingResultError, match=r"f has no key .*, so it is never stored"):
            f(open(os.devnull))  # noqa: SIM115 - it has no digest


def test_work_that_is_sent_away(tmp_path):
    """Nothing is written for those who wait for it, either."""
    with use_session(Session(mode="readonly")), ProcessPoolExecutor(1) as pool:
        assert pool.submit(with_caller(abs), -3).result() == 3
    assert os.listdir(tmp_path) == []
