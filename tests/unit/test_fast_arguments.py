"""A hot hit serves only what the long way would serve: arguments are changed, and are others that look alike."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from hot_module import HotModule

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


# ---- arguments

ARGUMENTS = """
    @cf
    def one(x): RAN.append("one"); return type(x).__name__, repr(x)
    @cf
    def two(a, b=2, *, c=3): RAN.append("two"); return a, b, c
    @cf
    def many(a, *rest, k=1, **more): RAN.append("many"); return a, rest, k, sorted(more.items())
    @cf(ignore_args=["log"])
    def ignores(a, log=None): RAN.append("ignores"); return a
    @cf
    def own(a, _force=1, _load=2): RAN.append("own"); return a, _force, _load
    @cf
    def nothing(): RAN.append("nothing"); return 1

    class I(int): pass
    class S(str): pass
    class B(bytes): pass
    class F(float): pass
"""
ALIKE = [
    1, 1.0, True, 0, 0.0, -0.0, False, 1j, complex(0.0, 1.0), complex(-0.0, 1.0), complex(0, -0.0), "1", b"1", "a", b"a",
    Path("a"), Path("./a"), Path("b"), "", b"", None, "None", "a\0", "\ud800", "\udc80", float("nan"), float("inf"),
    -float("inf"), 2**31, 2**63, 2**64, -(2**31), 10**40, "ä", "a\u0308", (), [], (1,), [1], {1}, frozenset({1}), {1: 1},
    {"a": 1}, (1.0,), (True,), "t", "True", bytearray(b"a"), range(1), ..., os.sep,
]  # fmt: skip


def test_values_that_are_alike(world):
    """Equal or not: each is served its own value."""
    m = world.define(ARGUMENTS)
    values = [*ALIKE, m.I(1), m.S("a"), m.B(b"a"), m.F(1.0)]
    want = [(type(v).__name__, repr(v)) for v in values]
    for _ in range(4):
        assert [m.one(v) for v in values] == want
    del m.RAN[:]
    cold = [type(v).__name__ for v in values if not world.is_hot(m.one, v)]
    assert m.RAN == []
    looked_at = [type(Path()).__name__] * 3 + ["str"]  # paths that lead nowhere, the directory /
    assert cold == [*looked_at, "I", "S", "B", "F"]  # and classes of the user, which are code


def test_ways_to_pass_them(world):
    m = world.define(ARGUMENTS)
    world.warm(m.two, 1)
    for call in (lambda: m.two(a=1), lambda: m.two(1, 2), lambda: m.two(1, b=2, c=3), lambda: m.two(c=3, b=2, a=1)):
        assert world.is_hot(call) and call() == (1, 2, 3)
    for call, want in [
        (lambda: m.two(2), (2, 2, 3)), (lambda: m.two(1, 3), (1, 3, 3)), (lambda: m.two(2, 1), (2, 1, 3)),
        (lambda: m.two(1, c=2), (1, 2, 2)), (lambda: m.two(1, 2, c=1), (1, 2, 1)),
    ]:  # fmt: skip
        assert [call() for _ in range(5)] == [want] * 5
    for call, want in [
        (lambda: m.many(1), (1, (), 1, [])), (lambda: m.many(1, 2), (1, (2,), 1, [])),
        (lambda: m.many(1, k=2), (1, (), 2, [])), (lambda: m.many(1, z=2), (1, (), 1, [("z", 2)])),
        (lambda: m.many(1, 2, 3), (1, (2, 3), 1, [])), (lambda: m.many(1, y=1, z=2), (1, (), 1, [("y", 1), ("z", 2)])),
        (lambda: m.many(1, z=2, y=1), (1, (), 1, [("y", 1), ("z", 2)])), (lambda: m.many(1, (2,)), (1, ((2,),), 1, [])),
    ]:  # fmt: skip
        assert [call() for _ in range(5)] == [want] * 5
        assert world.is_hot(call)


def test_ignored_and_own_names(world):
    m = world.define(ARGUMENTS)
    world.warm(m.ignores, 1, log=[])
    assert world.is_hot(m.ignores, 1, object()) and m.ignores(2) == 2
    world.warm(m.own, 1)
    assert m.own(1, _force=5) == (1, 5, 2) and m.own(1, _load=5) == (1, 1, 5) and m.own(1, 1, 2) == (1, 1, 2)
    world.warm(m.nothing)


def test_arguments_that_change_later(world):
    m = world.define(ARGUMENTS)
    value = [1, {"a": (2, [3])}]
    want = m.one(value)
    for _ in range(3):
        m.one(value)
    value[1]["a"][1].append(4)
    assert m.one(value) != want and m.one(value)[1] == repr(value)
    value[1]["a"][1].pop()
    assert m.one(value) == want


def test_long_texts_are_not_kept(world):
    m = world.define(ARGUMENTS)
    for k in range(3):
        world.warm(m.one, f"{k}" * 1_000_000)
    hit_cache = m.one.__cachepy__.hit_cache
    assert sum(len(key) for _, rows in hit_cache._short.values() for key in rows) < 100_000


def test_closures(world):
    m = world.define("""
        def make(k, box):
            @cf
            def inner(x): RAN.append("inner"); return x, k, box[0]
            return inner
    """)
    one, two = m.make(1, [5]), m.make(2, [5])
    world.warm(one, 1), world.warm(two, 1)
    assert one(1) == (1, 1, 5) and two(1) == (1, 2, 5)
    dict(zip(one.__wrapped__.__code__.co_freevars, one.__wrapped__.__closure__, strict=True))["k"].cell_contents = 3
    assert [one(1) for _ in range(4)] == [(1, 3, 5)] * 4
    dict(zip(two.__wrapped__.__code__.co_freevars, two.__wrapped__.__closure__, strict=True))["box"].cell_contents[
        0
    ] = 6
    assert [two(1) for _ in range(4)] == [(1, 2, 6)] * 4


def test_methods(world):
    m = world.define("""
        class T:
            def __init__(self, k): self.k = k
            @cf
            def m(self, x): RAN.append("m"); return self.k, x
            @staticmethod
            @cf
            def s(x): return x
    """)
    t = m.T(1)
    assert [t.m(2) for _ in range(4)] == [(1, 2)] * 4
    t.k = 5
    assert [t.m(2) for _ in range(4)] == [(5, 2)] * 4
    assert m.T(1).m(2) == (1, 2)
    world.warm(t.s, 3)


def test_coroutines(world):
    m = world.define("""
        K = 1
        @cf
        async def a(x): RAN.append("a"); return x, K
    """)

    def call():
        return asyncio.run(m.a(1))

    world.warm(call)
    m.K = 2
    assert call() == (1, 2)
