"""Hot hits of several sessions, threads and processes, and what makes a call hot."""

from __future__ import annotations

import gc
import os
import sys
import threading

import pytest
from hot_module import BELOW, CODE, FILES, HotModule

import cachepy
from cachepy.calls import fast
from cachepy.core.current import enter, leave
from cachepy.core.frame import Frame
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


# ---- sessions, threads, processes


def test_another_session_and_back(world):
    m = world.define(CODE)
    world.warm(m.f, 3)
    with use_session(Session()):
        assert not world.is_hot(m.f, 3)
        world.warm(m.f, 3)
        assert len(cachepy.cache_tree_nodes()) == 1
    assert not world.is_hot(m.f, 3)
    world.warm(m.f, 3)


def test_a_reset_graph_gets_the_call_again(world):
    m = world.define(BELOW)
    world.write("g.txt"), world.write("h.txt")
    world.warm(m.f, 1)
    for _ in range(2):
        cachepy.cache_tree_reset()
        assert world.is_hot(m.f, 1)
        assert sorted(n["fname"] for n in cachepy.cache_tree_nodes().values()) == ["f", "g", "h"]


CALLS = """
    @cf
    def leaf(x): RAN.append("leaf"); return track_file("l.txt").read_text()
    @cf
    def caller(x): RAN.append("caller"); return leaf(x) + str(x)
    OTHER = cache_file(os.path.join(os.path.dirname(__file__), "other"), ignore_globals=["RAN"])
    @OTHER
    def elsewhere(x): RAN.append("elsewhere"); return leaf(1) + "elsewhere"
    def plain(x): return leaf(1)
    @cf
    def through(x): RAN.append("through"); return plain(x)
"""


@pytest.mark.parametrize("fname", ["caller", "elsewhere", "through"])
def test_a_caller_depends_on_a_call_that_was_hot(world, fname):
    m = world.define(CALLS)
    world.write("l.txt")
    world.warm(m.leaf, 1)
    fn = getattr(m, fname)
    fn(1)
    assert [fname] == m.RAN
    node = next(n for n in cachepy.cache_tree_nodes().values() if n["fname"] == fname)
    assert [c.partition(":")[0] for c in node["children"]] == ["leaf"]
    check_again = world.warm(fn, 1)
    world.write("l.txt", "2")
    assert fn(1) == check_again.replace("1", "2", 1)


def test_a_hot_call_elsewhere_in_the_file_system(world):
    """The caller changed the working directory: the files below mean other ones for it."""
    m = world.define("""
        @cf
        def leaf(x): RAN.append("leaf"); return track_file("l.txt").read_text()
        @cf
        def moves(x):
            RAN.append("moves")
            os.chdir("sub")
            try:
                return leaf(x)
            finally:
                os.chdir("..")
    """)
    os.mkdir("sub")
    world.write("sub/l.txt", "sub")
    os.chdir("sub")
    world.warm(m.leaf, 1)
    os.chdir("..")
    assert m.moves(1) == "sub"
    world.write("sub/l.txt", "new")
    assert m.moves(1) == "new"


def test_frames_of_every_kind_are_told(world):
    m = world.define(CODE)
    world.warm(m.f, 3)
    frame = Frame("c", "r", None, str(world.cache / "runs" / "r"), os.getcwd())
    token = enter(frame)
    try:
        m.f(3)
    finally:
        leave(token)
    (dep,) = frame.calls.values()
    assert dep.kind == "call" and dep.name == f"f:{m.f.key(3)}" and dep.digest
    assert not frame.deps  # of the same cache directory


@pytest.mark.filterwarnings("ignore::cachepy.errors.ChangedGlobalWarning")
def test_threads(world):
    m = world.define("""
        G = [0]
        @cf
        def f(x): return x, G[0]
    """)
    errors, stop = [], threading.Event()

    def busy():
        try:
            while not stop.is_set():
                for x in range(5):
                    assert m.f(x)[0] == x
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=busy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(1, 20):
        m.G[0] = turn
        for x in range(5):
            assert m.f(x) == (x, turn)
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child(world):
    m = world.define(FILES)
    path = world.write("a.txt", "1")
    world.warm(m.reads, path)
    child = os.fork()
    if not child:
        ok = m.reads(path) == "1" and m.RAN == []
        world.write("a.txt", "22")
        ok = ok and m.reads(path) == "22" and m.reads(path) == "22" and m.RAN == ["reads"]
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert m.reads(path) == "22" and m.RAN == []


def test_whom_to_trust_is_learnt_later(world):
    m = world.define("""
        @cf
        def f(x): RAN.append("f"); return x
    """)
    world.warm(m.f, 1)
    key = "0123456789abcdef" * 2

    @cachepy.cache_file(world.cache, signing_key=key)
    def signs(x):
        return x

    signs(1)
    with pytest.warns(cachepy.CacheReadWarning, match="not signed"):
        m.f(1)
    assert m.RAN == ["f"]
    world.warm(m.f, 1)


def test_functions_that_are_defined_again(world):
    m = world.define("""
        @cf
        def f(x): RAN.append("f"); return x
    """)
    first = m.f
    world.warm(m.f, 1)
    exec("@cf\ndef f(x): RAN.append('f'); return -x", vars(m))
    assert [m.f(1) for _ in range(4)] == [-1] * 4
    assert [first(1) for _ in range(4)] == [1] * 4
    assert [m.f(1), first(1)] * 2 == [-1, 1] * 2


def test_what_is_kept_is_bounded(world, monkeypatch):
    monkeypatch.setattr("cachepy.calls.fast._MOST", 50)
    m = world.define("""
        @cf
        def f(x): return x
    """)
    for x in range(200):
        for _ in range(4):
            assert m.f(x) == x
    assert len(m.f.__cachepy__.hit_cache._known) <= 50
    assert [m.f(x) for x in range(200)] == list(range(200))


def test_the_bound_is_one_for_all_functions_and_what_is_not_used_goes_first(world, monkeypatch):
    monkeypatch.setattr("cachepy.calls.fast._MOST", 50)
    m = world.define("""
        @cf
        def used(x): return x
        @cf
        def idle(x): return x
        @cf
        def new(x): return x
    """)

    def fast(f):
        return len(f.__cachepy__.hit_cache._known)

    for f in (m.used, m.idle):
        for x in range(15):
            world.warm(f, x)
    m.idle.__cachepy__.hit_cache.is_used = False
    for x in range(25):
        world.warm(m.new, x)
        assert [m.used(each) for each in range(15)] == list(range(15))
    assert (fast(m.used), fast(m.idle), fast(m.new)) == (15, 0, 25)
    for x in range(200):
        world.warm(m.new, x)
        assert fast(m.used) + fast(m.idle) + fast(m.new) <= 50
    assert [m.idle(x) for x in range(15)] == list(range(15))


def test_the_room_of_functions_that_are_gone_is_free(world, monkeypatch):
    monkeypatch.setattr("cachepy.calls.fast._MOST", 50)
    m = world.define("")
    before = len(fast._room._homes)
    for number in range(20):
        exec(f"@cf\ndef f(x): return x + {number}", vars(m))
        for x in range(10):
            for _ in range(4):
                assert m.f(x) == x + number
        assert len(m.f.__cachepy__.hit_cache._known) == 10
        gc.collect()
    assert len(fast._room._homes) <= before + 2


def test_a_value_that_cannot_be_loaded_any_more(world):
    m = world.define("""
        class T: pass
        @cf
        def f(x): RAN.append("f"); t = T(); t.x = x; return t
    """)
    world.warm(m.f, 1)
    kept = m.T
    m.f.__wrapped__.__globals__["T"] = type("T", (), {"__module__": m.__name__, "__setstate__": lambda s, d: 1 / 0})
    m.f(1)
    m.T = kept
    assert m.f(1).x == 1
