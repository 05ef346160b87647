"""A hot hit serves only what the long way would serve: the calls below it change, and its own entry."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import time

import pytest
from hot_module import BELOW, CODE, HotModule, _mutate

import cachepy
from cachepy.core.verify import Verifier
from cachepy.session import Session, use_session
from cachepy.store import files

pytestmark = pytest.mark.filterwarnings("ignore:.*caching makes it slower")


@pytest.fixture
def world(tmp_path, monkeypatch):
    verified, holds = [], Verifier.holds

    def noted(self, trace):
        verified.append(self.own)
        return holds(self, trace)

    monkeypatch.setattr(Verifier, "holds", noted)
    monkeypatch.setattr(files, "YOUNG", 0)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    made = HotModule(tmp_path, verified)
    with use_session(Session()):
        yield made
    sys.modules.pop(made.name, None)


def _again(w, fn, **kwargs):
    """Run a call below again, and store it."""
    fn(1, _force=True, **kwargs)


OF_CALLS_BELOW = {
    "nothing": (lambda w: None, "hit"),
    "its file": (lambda w: w.write("g.txt", "2"), "run"),
    "its file, touched": (lambda w: os.utime("g.txt"), "hit"),
    "a file two calls below": (lambda w: w.write("h.txt", "2"), "run"),
    "its code in place": (_mutate("g.__wrapped__.__code__ = (lambda x: 'new').__code__"), "run"),
    "code that it reaches": (_mutate("by.__code__ = (lambda: 1).__code__"), "run"),
    "the code two calls below": (_mutate("h.__wrapped__.__code__ = (lambda x: 'new').__code__"), "run"),
    "defined again, other": (_mutate("@cf\ndef g(x): return 'new'"), "run"),
    "its entry is gone": (lambda w: w.entry("g").unlink(), "run"),
    "the entry two calls below is gone": (lambda w: w.entry("h").unlink(), "run"),
    "it ran again": (lambda w: _again(w, w.m.g), "hit"),
    "two calls below it ran again": (lambda w: _again(w, w.m.h), "hit"),
    "its entry is damaged": (lambda w: w.entry("g").write_bytes(w.entry("g").read_bytes()[:-40]), "run"),
    "its entry is another's": (lambda w: shutil.copy(w.entry("h"), w.entry("g")), "run"),
}


@pytest.mark.filterwarnings("ignore::cachepy.errors.CacheReadWarning")
@pytest.mark.parametrize("name", OF_CALLS_BELOW)
def test_calls_below(world, name):
    change, expected = OF_CALLS_BELOW[name]
    m = world.define(BELOW)
    world.write("g.txt"), world.write("h.txt")
    world.warm(m.f, 1)
    change(world)
    state = world.as_told_by_the_long_way(m.f, 1)
    assert (state == "fresh") == (expected == "hit"), state
    del m.RAN[:]
    value = m.f(1)
    # early cutoff: a call below may be made again, and the caller be a hit after that
    assert bool(m.RAN) == (expected == "run")
    assert value == m.g.__wrapped__(1) + "!"
    world.warm(m.f, 1)


def test_the_same_definition_again(world):
    m = world.define(BELOW)
    world.write("g.txt"), world.write("h.txt")
    world.warm(m.f, 1)
    importlib.reload(m)
    del m.RAN[:]
    assert [m.f(1) for _ in range(4)] == ["110!"] * 4 and m.RAN == []
    assert world.is_hot(m.f, 1)


def test_recursion_is_hot(world):
    m = world.define(BELOW)
    world.warm(m.fact, 5), world.warm(m.even, 6)
    m.odd.__wrapped__.__code__ = (lambda n: "odd").__code__
    assert m.even(6) == "odd"
    m.fact.__wrapped__.__code__ = (lambda n: -1).__code__
    assert m.fact(5) == -1


def test_two_runs_of_one_call(world):
    """What the call rests on is not only the last of them."""
    m = world.define(BELOW)
    for name in ("mode_a", "mode_bbb", "above.txt"):
        world.write(name)
    assert m.top(1) == ("mode_a", "16")
    m.MODE[0] = "bbb"
    assert m.mode(1, _force=True) == "mode_bbb"
    world.write("above.txt", "2")
    for _ in range(4):
        m.above(1)
    for _ in range(4):
        m.top(1)
    for name in ("mode_a", "mode_bbb"):
        world.write(name, "changed " + name)
        state = world.as_told_by_the_long_way(m.top, 1)
        del m.RAN[:]
        m.top(1)
        assert (state == "fresh") == (m.RAN == []), name
        for _ in range(3):
            m.top(1)


def test_two_runs_of_one_call_that_both_hold(world):
    m = world.define("""
        @cf
        def g(x): RAN.append("g"); track_file("file_" + MODE[0]); return "result " + MODE[0]
        @cf
        def h(x): RAN.append("h"); track_file("h.txt"); return len(g(x))
        @cf
        def f(x): RAN.append("f"); return g(x), h(x)
    """)
    for name in ("file_a", "file_b", "h.txt"):
        world.write(name)
    m.f(1)
    m.MODE[0] = "b"
    m.g(1, _force=True)
    world.write("h.txt", "2")
    m.h(1)
    del m.RAN[:]
    for _ in range(4):
        assert m.f(1) == ("result a", 8) and m.RAN == []
    world.write("file_a", "2")
    assert world.as_told_by_the_long_way(m.f, 1) == "stale"
    m.f(1)
    assert m.RAN


# ---- the entry itself


@pytest.mark.filterwarnings("ignore::cachepy.errors.CacheReadWarning", "ignore::cachepy.errors.CacheWriteWarning")
@pytest.mark.parametrize("size", [1, 10_000, 300_000], ids=["small", "read", "mapped"])
@pytest.mark.parametrize("how", ["flipped", "cut", "empty", "gone", "another", "a directory", "all is gone"])
def test_damage_to_the_entry(world, how, size):
    m = world.define("""
        @cf
        def f(x): RAN.append("f"); return bytearray(x)
    """)
    world.warm(m.f, size)
    path = world.entry("f")
    data = path.read_bytes()
    time.sleep(0.02)
    if how == "flipped":
        path.write_bytes(data[:-60] + bytes([data[-60] ^ 1]) + data[-59:])
    elif how == "cut":
        os.truncate(path, len(data) - 1)
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "gone":
        path.unlink()
    elif how == "another":
        m.f(size + 1)
        shutil.copy(next(p for p in world.cache.glob("entries/*/f-*") if p != path), path)
    elif how == "a directory":
        path.unlink()
        path.mkdir()
    else:
        shutil.rmtree(world.cache)
    del m.RAN[:]
    assert [m.f(size) for _ in range(4)] == [bytearray(size)] * 4
    assert ["f"] * (4 if how == "a directory" else 1) == m.RAN


def test_the_value_is_the_callers_own(world):
    m = world.define("""
        @cf
        def f(x): return {"a": [x]}
        @cf
        def big(x): return bytearray(x)
    """)
    for fn, arg in ((m.f, 1), (m.big, 400_000)):
        world.warm(fn, arg)
        first, second = fn(arg), fn(arg)
        assert first == second and first is not second
    m.f(1)["a"].append(2)
    m.big(400_000)[:] = b"x" * 400_000
    assert m.f(1) == {"a": [1]} and m.big(400_000) == bytearray(400_000)


def test_clear_and_prune(world):
    m = world.define(CODE)
    for forget in (lambda: m.f.clear(3), m.f.clear, lambda: cachepy.cache_prune(world.cache, days_old=0)):
        world.warm(m.f, 3)
        forget()
        m.f(3)
        assert m.RAN == ["f"]


def test_the_flags_of_a_call(world):
    m = world.define(CODE)
    for flags in ({"_force": True}, {"_load": False}, {"_skip_save": True}):
        world.warm(m.f, 3)
        m.f(3, **flags)
        assert m.RAN == ["f"], flags
    world.warm(m.f, 3)
    m.f(3, _force=False, _load=True, _skip_save=False)
    assert m.RAN == []
    with pytest.raises(TypeError):
        m.f(3, 4)
    with pytest.raises(TypeError):
        m.f(y=3)
    with pytest.raises(TypeError):
        m.f()
