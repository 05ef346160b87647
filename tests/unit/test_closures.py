"""Functions that closures tell apart: one key in every process, however they get there; f.clear of one alone."""

from __future__ import annotations

import pytest

from cachepy import Session, cache_file, use_session
from tests.programs import Project

SCRIPT = """
import functools, pickle, sys
import cloudpickle
from cachepy import cache_file
c = cache_file(sys.argv[1], warn_cheap=False)
SHIFT = 3
def timed(fn):
    def inner(*args):
        return fn(*args)
    return inner
def plus(n, names=frozenset({"a", "b", "c"})):
    def made(x):
        return x + n + SHIFT + len(names)
    return made
class Scale:
    def __init__(self, n):
        self.n = n
        self.tags = {"one", "two", "three"}
    def __call__(self, x):
        return self.n * x
    @c
    @timed
    def method(self, x):
        return self.n * x
@c
@timed
def load(x, k={"a": 1}):
    return x + SHIFT
@c
def base(x):
    return x
def loop():
    found = []
    for n in range(2):
        class Local:
            k = n
            def run(self, x):
                return x + self.k
        found.append(timed(Local().run))
        def late(x):
            return x + n
        found.append(timed(late))
    return found
CALLS = [
    load,
    c(timed(timed(load.__wrapped__))),
    c(timed(plus(1))),
    c(timed(plus(2))),
    c(timed(Scale(2))),
    c(timed(Scale(2).__call__)),
    c(timed(functools.partial(plus(1)))),
    c(timed(lambda x: x + 1)),
    c(timed(lambda x: x + 2)),
    c(timed(base)),
    c(timed(c(timed(plus(3))))),
    c(timed(len)),
    *map(c, loop()),
]
if __name__ == "__main__":
    print([call.key(1) for call in CALLS], Scale(2).method.__func__.__cachepy__.look)
    with open(sys.argv[2], "wb") as file:
        cloudpickle.dump(CALLS, file)
"""
READER = "import pickle, sys; print([call.key(1) for call in pickle.load(open(sys.argv[2], 'rb'))], 'x')"


def _keys(tmp_path, source, seed):
    script = tmp_path / "script.py"
    script.write_text(source)
    command = ["-c", source] if source is READER else [script]
    done = Project(tmp_path).run(*command, tmp_path / "cache", tmp_path / "calls.pkl", PYTHONHASHSEED=seed)
    return done.stdout.partition("]")[0].strip("[]").split(", ")


def test_keys_are_one_in_every_process_and_by_value(tmp_path):
    first = _keys(tmp_path, SCRIPT, "1")
    assert len(first) == 16
    assert _keys(tmp_path, SCRIPT, "2") == first
    (tmp_path / "script.py").unlink()
    assert _keys(tmp_path, READER, "3") == first


def test_functions_behind_one_decorator_have_keys_of_their_own(tmp_path):
    keys = _keys(tmp_path, SCRIPT, "1")
    late = {13, 15}  # of a loop that has ended: both see its last value
    assert len(set(keys)) == len(keys) - len(late) + 1


def timed(fn):
    def inner(*args):
        return fn(*args)

    return inner


def one(x):
    return x + 1


def two(x):
    return x + 2


def test_clear_is_of_one_function(tmp_path):
    with use_session(Session()):
        cached = cache_file(tmp_path, warn_cheap=False)
        first, second = cached(timed(one)), cached(timed(two))
        assert (first(1), second(1)) == (2, 3)
        assert first.clear() == 1
        assert (first.is_cached(1), second.is_cached(1)) == (False, True)


def test_what_a_nonlocal_counts_is_another_function(tmp_path):
    def counter():
        count = 0

        def more():
            nonlocal count
            count += 1

        def seen(x):
            return x + count

        return more, seen

    with use_session(Session()):
        more, seen = counter()
        f = cache_file(tmp_path, warn_cheap=False)(timed(seen))
        values = []
        for _ in range(3):
            values += [f(1), f(1)]
            more()
        assert values == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("depth", [1, 30, 200])
def test_closures_however_deep(tmp_path, depth):
    fns = []
    for inner in (one, two):
        fn = inner
        for _ in range(depth):
            fn = timed(fn)
        fns.append(fn)
    with use_session(Session()):
        cached = cache_file(tmp_path, warn_cheap=False)
        first, second = map(cached, fns)
        assert (first(1), second(1), first(1), second(1)) == (2, 3, 2, 3)


def test_code_that_holds_itself(tmp_path):
    def make():
        def even(n):
            return n == 0 or odd(n - 1)

        def odd(n):
            return n != 0 and even(n - 1)

        return even

    with use_session(Session()):
        f = cache_file(tmp_path, warn_cheap=False)(timed(make()))
        assert (f(4), f(4), f(3)) == (True, True, False)
        assert f.is_cached(4)
