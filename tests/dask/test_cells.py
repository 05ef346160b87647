"""A notebook whose cells are edited and run again, against workers that live on: each way of sending gives the new value."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.dask

HERE = Path(__file__).parent
HEAD = """
import os, sys
from functools import partial, wraps
from cachepy import cache_file
cached = cache_file(os.environ["PIPE_CACHE"], warn_cheap=False)
"""
ABOVE = "@cached\ndef g(x): return f(x) + 1"

# cells: those with NUMBER are edited; `g(10)` is ten times the number, and one
PROGRAMS = {
    "the function itself": ["@cached\ndef g(x): return x * NUMBER + 1"],
    "a helper": ["def helper(x): return x * NUMBER", "@cached\ndef g(x): return helper(x) + 1"],
    "a global": ["FACTOR = NUMBER", "@cached\ndef g(x): return x * FACTOR + 1"],
    "a call below": ["@cached\ndef f(x): return x * NUMBER", ABOVE],
    "a helper of a call below": ["def helper(x): return x * NUMBER", "@cached\ndef f(x): return helper(x)", ABOVE],
    "a global of a call below": ["FACTOR = NUMBER", "@cached\ndef f(x): return x * FACTOR", ABOVE],
    "a class of a call below": [
        "class Model:\n    def times(self, x): return x * NUMBER",
        "@cached\ndef f(x): return Model().times(x)",
        ABOVE,
    ],
    "an object of a class": [
        "class Model:\n    def __init__(self, k): self.k = k\n    def times(self, x): return x * self.k",
        "model = Model(NUMBER)",
        "@cached\ndef f(x): return model.times(x)",
        ABOVE,
    ],
    "a closure": ["def make(k): return lambda x: x * k", "helper = make(NUMBER)", "@cached\ndef f(x): return helper(x)", ABOVE],
    "a partial": ["def times(k, x): return x * k", "f = partial(cached(times), NUMBER)", ABOVE],
    "two calls down": ["@cached\ndef e(x): return x * NUMBER", "@cached\ndef f(x): return e(x)", ABOVE],
    "a plain function between": [
        "@cached\ndef f(x): return x * NUMBER",
        "def between(x): return f(x)",
        "@cached\ndef g(x): return between(x) + 1",
    ],
    "a registry": [
        "STEPS = {}",
        "@cached\ndef f(x): return x * NUMBER\nSTEPS['f'] = f",
        "@cached\ndef g(x): return STEPS['f'](x) + 1",
    ],
    "a list of steps": [
        "STEPS = [None]",
        "@cached\ndef f(x): return x * NUMBER\nSTEPS[:] = [f]",
        "@cached\ndef g(x): return [step(x) for step in STEPS][0] + 1",
    ],
    "an argument": ["@cached\ndef f(x): return x * NUMBER", "@cached\ndef h(fn, x): return fn(x) + 1", "@cached\ndef g(x): return h(f, x)"],
    "a default": ["@cached\ndef f(x): return x * NUMBER", "def again(x, fn=f): return fn(x)  # NUMBER", "@cached\ndef g(x): return again(x) + 1"],
    "a decorator without wraps": [
        "def plain(fn):\n    def both(x): return fn(x)\n    return both",
        "@plain\n@cached\ndef f(x): return x * NUMBER",
        ABOVE,
    ],
    "a decorator with wraps": [
        "def more(fn):\n    @wraps(fn)\n    def both(x): return fn(x) * NUMBER\n    return both\n@more\n@cached\ndef f(x): return x",
        ABOVE,
    ],
    "a decorator on top": [
        "def more(fn):\n    @wraps(fn)\n    def both(x): return (fn(x) - 1) * NUMBER + 1\n    return both",
        "@cached\ndef f(x): return x + 1",
        "g = more(f)  # NUMBER",
    ],
    "a cached method": [
        "class Model:\n    @cached\n    def f(self, x): return x * NUMBER",
        "@cached\ndef g(x): return Model().f(x) + 1",
    ],
    "a cached local function": [
        "def make(k):\n    @cached\n    def f(x): return x * k\n    return f",
        "f = make(NUMBER)",
        ABOVE,
    ],
    "recursion": ["@cached\ndef f(x): return NUMBER + f(x - 1) if x else 0", ABOVE],
    "a call that is equal for all": ["def helper(x): return x * NUMBER", "@cached\ndef f(x): return 1", "@cached\ndef g(x): return helper(x) + f(x)"],
    "coroutines": ["@cached\nasync def f(x): return x * NUMBER", "import asyncio\n@cached\ndef g(x): return asyncio.run(f(x)) + 1"],
}


def run(address, programs, numbers, **environ):
    """What the cells gave, in a process of their own."""
    given = {name: [HEAD, *cells] for name, cells in programs.items()}
    done = subprocess.run(
        [sys.executable, str(HERE / "cells.py"), address, json.dumps(given), json.dumps(numbers)],
        capture_output=True, text=True, timeout=300, check=False, cwd=HERE, env={**os.environ, **environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.fixture(scope="module")
def told(cluster):
    """All programs one after the other: 2, 3, back to 2; then another process with 3 and 5.

    They share the names `f` and `g`, and even the key of ``g(10)``; the workers keep all that was sent before.
    """
    runs = [run(cluster.scheduler_address, PROGRAMS, numbers) for numbers in ([2, 3, 2], [3, 5])]
    return [row for found, _ in runs for row in found], "".join(said for _, said in runs)


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_way_gives_the_value_of_the_edited_cell(program, told):
    found = [row for row in told[0] if row[0] == program]
    assert len(found) == 50
    assert [row for row in found if row[3] != 10 * row[1] + 1] == []


def test_nobody_is_warned_of_what_came_by_value(told):
    assert "OtherCodeWarning" not in told[1]
