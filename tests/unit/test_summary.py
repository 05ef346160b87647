"""`cachepy.summary()`, `CACHEPY_SUMMARY=1`, and what `verbose=True` says."""

from __future__ import annotations

import re
import threading
import warnings
from contextlib import suppress

from cachepy import Session, cache_file, summary, use_session

PROGRAM = """
import sys, threading, time
from cachepy import cache_file, summary
cached = cache_file("cache", warn_cheap=False, verbose="verbose" in sys.argv)

@cached
def part(path, n):
    time.sleep(0.01)
    return n

@cached
def total(path):
    return sum(part(path, n) for n in range(3))

if __name__ == "__main__":
    import os
    print(total(os.path.abspath("data.txt")))
"""


def test_of_a_session(tmp_path):
    with use_session(Session()):
        assert str(summary()) == "0 calls"
        cached = cache_file(tmp_path / "c", warn_cheap=False)

        @cached
        def f(x):
            if x < 0:
                raise ValueError(x)
            return threading.Lock() if x > 100 else x

        for x in (1, 1, 1, 1, 1, 1, 2):
            f(x)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            f(101)
            f(threading.Lock()) if False else None
        with suppress(ValueError):
            f(-1)
        found = summary()
    assert (found.hits, found.runs, found.failed, found.waits) == (5, 4, 1, 0)
    assert [*found.unstored.values()] == [1] and "cannot be pickled (TypeError)" in next(iter(found.unstored))
    line = r"9 calls: 5 hits, 4 runs in \d+ ms, \d+ ms saved, 1 failed, 1 not stored \(its result cannot be pickled \(TypeError\)\)"
    assert re.fullmatch(line, found.line)
    assert str(found).splitlines()[1].startswith(f"  {__name__}:{f.__qualname__}: 5 hits, 4 runs in ")


def test_at_the_end_of_a_program(project):
    project.write("main.py", PROGRAM)
    project.write("data.txt", "a")
    ran = project.run("main.py", CACHEPY_SUMMARY="1")
    assert ran.stdout == "3\n" and re.fullmatch(r"cachepy: 4 calls: 4 runs in \d+ ms\n", ran.stderr)
    ran = project.run("main.py", CACHEPY_SUMMARY="1")
    assert re.fullmatch(r"cachepy: 1 call: 1 hit, \d+ ms saved\n", ran.stderr)
    assert project.run("main.py", CACHEPY_SUMMARY="0").stderr == ""
    ran = project.run("main.py", CACHEPY_SUMMARY="1", CACHEPY="readonly")
    assert re.fullmatch(r"cachepy: 1 call: 1 hit, \d+ ms saved\n", ran.stderr)


def test_children_of_a_program_print_none(project):
    project.write("main.py", PROGRAM.replace("    print(total", "    from multiprocessing import get_context\n    with get_context('spawn').Pool(1) as pool: pool.apply(part, (1, 2))\n    print(total"))
    project.write("data.txt", "a")
    assert project.run("main.py", CACHEPY_SUMMARY="1").stderr.count("cachepy:") == 1


def test_verbose_is_indented_short_and_timed(project):
    project.write("main.py", PROGRAM)
    project.write("data.txt", "a")
    lines = project.run("main.py", "verbose").stderr.splitlines()
    assert str(project.folder) not in "\n".join(lines)
    assert [re.sub(r"\d+ ms", "T", line) for line in lines] == [
        "run total('data.txt'): not run before",
        "  run part('data.txt', 0): not run before",
        "  done part('data.txt', 0) in T",
        "  run part('data.txt', 1): not run before",
        "  done part('data.txt', 1) in T",
        "  run part('data.txt', 2): not run before",
        "  done part('data.txt', 2) in T",
        "done total('data.txt') in T",
    ]
    assert project.run("main.py", "verbose").stderr == "hit total('data.txt')\n"
