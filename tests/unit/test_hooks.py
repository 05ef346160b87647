"""Hooks: a session tells and asks those who carry its calls elsewhere; they plug in, and come off in any order."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor

import pytest

from cachepy import Session, UsageError, cache_file, cache_tree_nodes, cache_tree_refresh, use_session
from cachepy.calls.pools import ProcessPools
from cachepy.core.frame import Frame
from cachepy.core.hooks import Hooks, Plugin, chain
from cachepy.core.model import Dep
from cachepy.graph.recorder import GraphRecorder, QuietRecorder
from cachepy.store.posting import RemoteFrame

METHODS = {name: method for name, method in vars(Hooks).items() if inspect.isfunction(method)}
GIVEN = {
    "on_wait": (), "on_waited": ("m:f", 1.0), "on_again": ("m:f", "f:1", "a.txt changed"), "on_failure": ("m:f", ValueError()), "on_arrival": (None, "1"),
    "on_departure": ("m:f", "1"), "refresh": (), "deps_from_elsewhere": (None,), "handed": (), "remote_frame": ("run", "box"),
    "runner": (3,), "is_heard": (),
}  # fmt: skip


class Told(Hooks):
    """Keeps what it is told, and answers by the name of what it was asked."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def __getattribute__(self, name):
        if name not in METHODS:
            return super().__getattribute__(name)
        return lambda *given: self.told.append((name, *given)) or name


@pytest.fixture
def session():
    with use_session(Session()) as mine:
        yield mine


def test_the_table_has_every_hook():
    assert list(GIVEN) == list(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_a_hook_says_what_it_is_for_and_does_nothing(name):
    assert METHODS[name].__doc__
    assert not getattr(Hooks(), name)(*GIVEN[name])


@pytest.mark.parametrize("name", METHODS)
def test_a_plugin_hands_on_what_is_not_its_own(name):
    assert list(inspect.signature(getattr(Plugin, name)).parameters) == list(inspect.signature(METHODS[name]).parameters)
    plugin = Plugin()
    plugin.below = Told()
    is_question = inspect.signature(METHODS[name]).return_annotation != "None"
    assert getattr(plugin, name)(*GIVEN[name]) == (name if is_question else None)
    assert plugin.below.told == [(name, *GIVEN[name])]


def test_a_session_begins_with_pools_of_processes(session):
    assert list(map(type, chain(session.hooks))) == [ProcessPools]
    assert isinstance(session.hooks.remote_frame("run", "box"), RemoteFrame)
    assert not session.hooks.is_heard()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_who_came_later_may_go_later(session, order):
    first, plugins = session.hooks, [Plugin(), Plugin(), Plugin()]
    for each in plugins:
        session.plug(each)
    assert list(chain(session.hooks)) == [*reversed(plugins), first]
    left = list(plugins)
    for number in order:
        left.remove(plugins[number])
        session.unplug(plugins[number])
        session.unplug(plugins[number])  # once more is once
        assert list(chain(session.hooks)) == [*reversed(left), first]
    assert session.hooks is first


def test_a_sink_goes_with_its_hooks(session):
    own, one, other, plain = session.recorder, Plugin(), Plugin(), Plugin()
    one.recorder, other.recorder = GraphRecorder(session), GraphRecorder(session)
    seen = []
    for step, hooks in ((session.plug, one), (session.plug, plain), (session.plug, other), (session.unplug, one), (session.unplug, other)):
        revision = session.revision
        step(hooks)
        seen.append((session.recorder, session.revision is not revision))
    assert seen == [(one.recorder, True), (one.recorder, False), (other.recorder, True), (other.recorder, False), (own, True)]


def test_a_session_that_was_given_a_sink_gets_it_back():
    recorder = QuietRecorder(Session())
    mine, plugin = Session(recorder), Plugin()
    plugin.recorder = GraphRecorder(mine)
    mine.plug(plugin)
    mine.unplug(plugin)
    assert mine.recorder is recorder


def test_many_threads_plug_in_and_off(session):
    first = session.hooks

    def work(_):
        plugin = Plugin()
        session.plug(plugin)
        assert plugin in chain(session.hooks)
        session.unplug(plugin)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(400)))
    assert session.hooks is first


class Far(Plugin):
    """What a cluster would do."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_failure(self, function, error):
        super().on_failure(function, error)
        self.told.append(f"{function.rpartition('.')[2]} {error}")

    def deps_from_elsewhere(self, frame):
        assert isinstance(frame, Frame)
        yield from super().deps_from_elsewhere(frame)
        yield Dep("env", "FAR", None)

    def refresh(self):
        super().refresh()
        self.told.append("refresh")

    def runner(self, client):
        if client == "mine":
            raise RuntimeError("asked")
        return super().runner(client)


def test_calls_ask_what_is_plugged_in(session, tmp_path):
    far = Far()
    session.plug(far)

    @cache_file(tmp_path)
    def fails(x):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fails(1)
    assert far.told == ["fails no"]
    assert cache_tree_nodes() == {}
    assert far.told[1:] == ["refresh"]
    with pytest.raises(RuntimeError, match="asked"):
        cache_tree_refresh("mine")
    with pytest.raises(UsageError, match="connect it first"):
        cache_tree_refresh("yours")
