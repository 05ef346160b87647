"""Which step of a call takes how long, as workers of a cluster are told (`Hooks.meter`)."""

from __future__ import annotations

import asyncio

import pytest

from cachepy import Session, cache_file, on_call, use_session
from cachepy.calls import metered, metered_run
from cachepy.core.hooks import Plugin


class Clock:
    """Goes on only when it is told to."""

    now = 0.0

    def __call__(self):
        return self.now


CLOCK = Clock()


class Meter(Plugin):
    def __init__(self):
        self.told = []
        self.meter = lambda function, seconds: self.told.append((function.rpartition(".")[2], seconds))


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(metered, "perf_counter", CLOCK)
    monkeypatch.setattr(metered_run, "perf_counter", CLOCK)
    return CLOCK


@pytest.fixture
def plugged(clock):
    with use_session(Session()) as session:
        hooks = Meter()
        session.plug(hooks)
        yield hooks, session


def slow(monkeypatch, owner, name, clock, seconds):
    """A step that takes so long."""
    plain = getattr(owner, name)

    def stepped(*args, **kwargs):
        clock.now += seconds
        return plain(*args, **kwargs)

    monkeypatch.setattr(owner, name, stepped)


def test_each_step_has_its_time_and_the_body_has_none(plugged, clock, tmp_path, monkeypatch):
    hooks, _ = plugged

    @cache_file(tmp_path / "c", warn_cheap=False, ignore_globals=["CLOCK"])
    def inner(x):
        CLOCK.now += 100
        return [x] * 30

    @cache_file(tmp_path / "c", warn_cheap=False, ignore_globals=["CLOCK"])
    def outer(x):
        CLOCK.now += 100
        return [inner(x)]

    from cachepy.calls.function import Function
    from cachepy.calls.request import Request
    from cachepy.calls.run import Run

    slow(monkeypatch, Function, "identify", clock, 1)
    slow(monkeypatch, Request, "look", clock, 2)
    slow(monkeypatch, Request, "load", clock, 4)
    slow(monkeypatch, Run, "holds", clock, 8)
    slow(monkeypatch, Run, "store", clock, 16)
    slow(monkeypatch, Run, "_result", clock, 32)
    outer(1)
    (name, seconds), (other, above) = hooks.told
    assert (name, other) == ("inner", "outer")
    assert seconds == above, "the calls below another one are theirs"
    assert seconds["digest"] == 33 and seconds["store"] == 16 and seconds.get("load", 0) == 0
    assert seconds["verify"] == 8, "no look at what cannot be stored"
    hooks.told.clear()
    outer(1)
    assert hooks.told == [("outer", {"digest": 1, "load": 4, "verify": 2})]


def test_a_body_that_raises_is_told_of_too(plugged, tmp_path):
    hooks, _ = plugged

    @cache_file(tmp_path / "c")
    def bad(x):
        raise ValueError(x)

    with pytest.raises(ValueError, match="1"):
        bad(1)
    assert [(name, "digest" in seconds) for name, seconds in hooks.told] == [("bad", True)]


def test_coroutines_and_calls_without_a_key(plugged, tmp_path):
    hooks, _ = plugged

    @cache_file(tmp_path / "c", warn_cheap=False)
    async def late(x):
        await asyncio.sleep(0)
        return [x] * 30

    @cache_file(tmp_path / "c", warn_cheap=False)
    def keyless(x):
        return [1] * 30

    assert asyncio.run(late(1)) == asyncio.run(late(1)) == [1] * 30
    with pytest.warns(Warning, match="without the cache"):
        keyless(i for i in ())
    assert [name for name, _ in hooks.told] == ["late", "late"]
    assert "store" in hooks.told[0][1] and "load" in hooks.told[1][1]


def test_who_listens_hears_the_same(plugged, tmp_path):
    hooks, _ = plugged
    heard = []

    @cache_file(tmp_path / "c", warn_cheap=False)
    def f(x):
        return [x] * 30

    with on_call(lambda called: heard.append(called.outcome)):
        assert [f(1), f(1), f(1)] == [[1] * 30] * 3
    assert heard == ["run", "hit", "hit"] and len(hooks.told) == 3


def test_unplugged_nobody_is_told(plugged, tmp_path):
    hooks, session = plugged

    @cache_file(tmp_path / "c", warn_cheap=False)
    def f(x):
        return [x] * 30

    assert session.is_special and session.meter is hooks.meter
    session.unplug(hooks)
    f(1)
    assert hooks.told == [] and not session.is_special and session.meter is None
