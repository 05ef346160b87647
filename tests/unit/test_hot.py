"""A hot hit serves only what the long way would serve: each kind of dep is changed behind its back.

Every function here is made hot first, which is asserted: a test of a call that is not hot tests nothing.  What the
long way says comes from a session that knows nothing yet.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import shutil
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

import cachepy
from cachepy import hot
from cachepy.core.current import enter, leave
from cachepy.core.frame import Frame
from cachepy.core.verify import Verifier
from cachepy.digest import Digester
from cachepy.disk import files
from cachepy.engine import CachedCall
from cachepy.session import Session, use_session

PRELUDE = """
import os
from contextvars import ContextVar
from functools import lru_cache, partial
from cachepy import cache_file, track_file

RAN = []
cf = cache_file(os.path.join(os.path.dirname(__file__), "cache"), ignore_globals=["RAN", "MODE"])
MODE = ["a"]
"""


pytestmark = pytest.mark.filterwarnings("ignore:.*caching makes it slower")


class World:
    """A module of cached functions in a folder of its own."""

    def __init__(self, folder: Path, verified: list[str]) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.verified = verified
        self.name = f"hot_{folder.name}".replace("-", "_").replace("[", "_").replace("]", "_")

    def define(self, text: str):
        (self.folder / f"{self.name}.py").write_text(PRELUDE + textwrap.dedent(text))
        importlib.invalidate_caches()
        sys.modules.pop(self.name, None)
        self.m = importlib.import_module(self.name)
        return self.m

    def write(self, name: str, text: str = "1") -> str:
        """Later than whatever was done to it before, as far as the clock of the file system tells."""
        time.sleep(0.02)
        path = self.folder / name
        path.write_text(text)
        time.sleep(0.02)
        return str(path)

    def is_hot(self, fn, *args, **kwargs):
        del self.verified[:]
        fn(*args, **kwargs)
        return not self.verified

    def warm(self, fn, *args, **kwargs):
        for _ in range(3):
            value = fn(*args, **kwargs)
        assert self.is_hot(fn, *args, **kwargs), "it is not hot"
        del self.m.RAN[:]
        return value

    def entry(self, start: str) -> Path:
        (found,) = self.cache.glob(f"entries/*/{start}-*.entry")
        return found

    def as_told_by_the_long_way(self, fn, *args, **kwargs):
        """What a session says that knows nothing yet; without a look at the function's own memory."""
        call = fn.__cachepy__
        name = call.target.module, call.target.qualname
        with use_session(Session()):
            return CachedCall(call.fn, call.options, name).explain(args, kwargs).state


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
    made = World(tmp_path, verified)
    with use_session(Session()):
        yield made
    sys.modules.pop(made.name, None)


def check(world, fn, change, expected, *args):
    """Change something behind a hot call; it must do what the long way says: `expected`, run or hit."""
    world.warm(fn, *args)
    change(world)
    state = world.as_told_by_the_long_way(fn, *args)
    assert (state == "fresh") == (expected == "hit"), f"the long way says {state}"
    for turn in range(5):
        del world.m.RAN[:]
        value = fn(*args)
        ran = fn.__name__ in world.m.RAN
        assert ran == (expected == "run" and not turn), f"turn {turn}"
        assert value == fn.__wrapped__(*args)
    return value


@pytest.mark.parametrize(
    "text",
    [
        "import threading; X = threading.Lock()",
        "import threading; X = threading.RLock()",
        "from pathlib import Path; X = Path('a')",
        "from decimal import Decimal; X = Decimal('1.5')",
        "import re; X = re.compile('a')",
        "import uuid; X = uuid.UUID(int=3)",
        "from datetime import date; X = date(2020, 1, 2)",
        "import abc\nclass X(abc.ABC): pass",
        "from pandas import to_datetime as X",  # what Cython compiled in there is not the user's
    ],
)
def test_what_cannot_change_is_not_digested_again(world, monkeypatch, text):
    indented = text.replace("\n", "\n    ")
    m = world.define(f"""
    {indented}

    @cf
    def f(x):
        RAN.append("f")
        return x, X is None
    """)
    world.warm(m.f, 1)

    def unwanted(*_):
        raise AssertionError("digested again")

    monkeypatch.setattr(Digester, "digest", unwanted)
    monkeypatch.setattr(Digester, "digest_of_parts", unwanted, raising=False)
    assert world.is_hot(m.f, 1)


def test_a_class_that_is_registered_later(world):
    m = world.define("""
    import abc

    class Base(abc.ABC): pass
    class Other(abc.ABC): pass
    class Mine: pass

    @cf
    def f(x):
        RAN.append("f")
        return isinstance(x, Base)
    """)
    check(world, m.f, lambda w: w.m.Other.register(w.m.Mine), "hit", 1)
    check(world, m.f, lambda w: w.m.Base.register(w.m.Mine), "run", 1)


def test_an_object_with_a_lock_that_changes(world):
    m = world.define("""
    import threading

    class Box:
        def __init__(self):
            self.lock, self.number = threading.Lock(), 1

    BOX = Box()

    @cf
    def f(x):
        RAN.append("f")
        with BOX.lock:
            return BOX.number + x
    """)
    check(world, m.f, lambda w: vars(w.m.BOX).update(number=2), "run", 1)
    check(world, m.f, lambda w: vars(w.m.BOX).update(lock=threading.RLock()), "run", 1)


# ---- code and globals

CODE = """
    import json as library

    G, L, D, DEEP, N = 1, [1], {"a": 1}, {"a": [{"b": 1}]}, None
    CONTEXT = ContextVar("c")
    CONTEXT.set(1)

    def helper(x): return x + 1
    def helper2(x): return x + 2
    def deeper(x, k=1): return x + k
    def middle(x): return deeper(x)
    def other(x): return x + 100
    def hung(x): return x
    hung.by = 1
    PARTIAL = partial(deeper, k=2)

    class C:
        by = 1
        def m(self): return self.by
    class Sub(C): pass
    OBJ = C()

    @lru_cache
    def remembered(x): return deeper(x)

    def missing_or(x): return UNBOUND if "UNBOUND" in globals() else x

    @cf
    def f(x):
        RAN.append("f")
        parts = helper(x), middle(x), G, list(L), dict(D), DEEP["a"][0]["b"], N, CONTEXT.get(), hung(x), hung.by
        return parts, PARTIAL(x), Sub().m(), OBJ.by, remembered.__wrapped__(x), len("ab"), library.__name__

    @cf
    def uses_names(x):
        RAN.append("uses_names")
        try:
            return x + UNBOUND
        except NameError:
            return x
"""


def _set(name, value):
    return lambda w: setattr(w.m, name, value)


def _mutate(text):
    return lambda w: exec(text, vars(w.m))


OF_CODE = {
    "nothing": (lambda w: None, "hit"),
    "a file that it does not read": (lambda w: w.write("nobody.txt"), "hit"),
    "its own code in place": (_mutate("f.__wrapped__.__code__ = (lambda x: RAN.append('f') or 5).__code__"), "run"),
    "a helper is another": (_mutate("helper = helper2"), "run"),
    "a helper's code in place": (_mutate("helper.__code__ = helper2.__code__"), "run"),
    "a helper's helper in place": (_mutate("deeper.__code__ = (lambda x, k=1: x - k).__code__"), "run"),
    "a helper's default": (_mutate("deeper.__defaults__ = (5,)"), "run"),
    "what hangs on a helper": (_mutate("hung.by = 2"), "run"),
    "a global": (_mutate("G = 2"), "run"),
    "a global that is equal": (_mutate("G = True"), "run"),
    "a global by an equal float": (_mutate("G = 1.0"), "run"),
    "a global by an equal list": (_mutate("L = [1]"), "hit"),
    "a list in place": (_mutate("L.append(2)"), "run"),
    "a list in place and back": (_mutate("L.append(2); L.pop()"), "hit"),
    "a dict in place": (_mutate("D['b'] = 1"), "run"),
    "deep in a dict": (_mutate("DEEP['a'][0]['b'] = 2"), "run"),
    "a global that is gone": (_mutate("del N; N = 0"), "run"),
    "a context variable": (_mutate("CONTEXT.set(2)"), "run"),
    "a partial": (_mutate("PARTIAL = partial(deeper, k=3)"), "run"),
    "a method": (_mutate("C.m = lambda self: 7"), "run"),
    "an attribute of a base": (_mutate("C.by = 2"), "run"),
    "the bases of a class": (_mutate("class E: m = lambda self: 9\nclass F(E): pass\nSub = F"), "run"),
    "the state of an object": (_mutate("OBJ.by = 3"), "run"),
    "the code behind lru_cache": (_mutate("deeper.__code__ = (lambda x, k=1: x * k).__code__"), "run"),
    "a builtin is covered": (_mutate("len = lambda x: 77"), "run"),
    "what is ignored": (_mutate("MODE.append(1)"), "hit"),
}


@pytest.mark.parametrize("name", OF_CODE)
def test_code_and_globals(world, name):
    change, expected = OF_CODE[name]
    check(world, world.define(CODE).f, change, expected, 3)


def test_a_name_that_gets_bound(world):
    fn = world.define(CODE).uses_names
    assert check(world, fn, _mutate("UNBOUND = 40"), "run", 2) == 42
    assert check(world, fn, _mutate("del UNBOUND"), "hit", 2) == 2  # as it was before


def test_changed_and_back_by_identity(world):
    m = world.define(CODE)
    world.warm(m.f, 3)
    kept, m.helper = m.helper, m.helper2
    m.helper = kept
    assert world.is_hot(m.f, 3) and not m.RAN


def test_a_default_of_its_own(world):
    m = world.define("""
        @cf
        def d(x=2, *, k=1): RAN.append("d"); return x, k
    """)
    world.warm(m.d)
    world.warm(m.d, 2)
    m.d.__wrapped__.__defaults__ = (7,)
    assert m.d(2) == (2, 1)
    assert [m.d() for _ in range(5)] == [(7, 1)] * 5
    m.d.__wrapped__.__kwdefaults__["k"] = 3
    assert [m.d() for _ in range(5)] == [(7, 3)] * 5
    m.d.__wrapped__.__kwdefaults__ = {"k": 4}
    assert [m.d() for _ in range(5)] == [(7, 4)] * 5
    assert m.d(2) == (2, 4)


# ---- files and other things outside

FILES = """
    @cf
    def reads(path): RAN.append("reads"); return open(path).read()
    @cf
    def lists(path): RAN.append("lists"); return sorted(os.listdir(path))
    @cf
    def exists(path): RAN.append("exists"); return os.path.exists(path)
    @cf
    def tracks(x): RAN.append("tracks"); return track_file("t.txt").read_text()
    @cf
    def tracks_nothing(x): RAN.append("tracks_nothing"); return track_file("n.txt").exists()
    @cf(env_vars=["HOT_TEST"])
    def env(x): RAN.append("env"); return os.environ.get("HOT_TEST")
    @cf(depends_on_files=["declared.txt"])
    def declares(x): RAN.append("declares"); return open("declared.txt").read()
    VAR = 1
    @cf(depends_on_vars=["VAR"])
    def var(x): RAN.append("var"); return globals()["VAR"]
    @cf
    def all_of(paths): RAN.append("all_of"); return [open(p).read() for p in paths]
"""


def _in_place(name, text, *, keep_time=True):
    """Other content of the same size and with the old time."""

    def change(w):
        path = w.folder / name
        before = path.stat()
        w.write(name, text)
        if keep_time:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return change


def _replace(name, text):
    def change(w):
        before = (w.folder / name).stat()
        w.write(name + ".new", text)
        os.utime(w.folder / (name + ".new"), ns=(before.st_atime_ns, before.st_mtime_ns))
        os.replace(w.folder / (name + ".new"), w.folder / name)

    return change


OF_FILES = {
    "touched": (lambda w: os.utime(w.folder / "a.txt"), "hit"),
    "written with the same": (lambda w: w.write("a.txt", "1"), "hit"),
    "written with another": (lambda w: w.write("a.txt", "22"), "run"),
    "the same size and time": (_in_place("a.txt", "2"), "run"),
    "replaced, same size and time": (_replace("a.txt", "2"), "run"),
    "replaced by an equal one": (_replace("a.txt", "1"), "hit"),
    "to another mode": (lambda w: os.chmod(w.folder / "a.txt", 0o600), "hit"),
    "a link to an equal one": (
        lambda w: (os.rename(w.folder / "a.txt", w.folder / "b.txt"), os.symlink("b.txt", w.folder / "a.txt")), "hit",
    ),
    "a link to another": (
        lambda w: (w.write("b.txt", "3"), os.unlink(w.folder / "a.txt"), os.symlink("b.txt", w.folder / "a.txt")), "run",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", [str, Path], ids=["str", "Path"])
@pytest.mark.parametrize("name", OF_FILES)
def test_a_file_that_an_argument_names(world, name, kind):
    change, expected = OF_FILES[name]
    path = kind(world.write("a.txt", "1"))
    check(world, world.define(FILES).reads, change, expected, path)


def test_a_file_that_is_gone_and_comes_back(world):
    m = world.define(FILES)
    path = world.write("a.txt", "1")
    world.warm(m.exists, path)
    os.unlink(path)
    assert m.exists(path) is False and m.RAN == ["exists"]
    world.warm(m.exists, path)  # hot by the name that must not exist
    world.write("a.txt", "1")
    assert m.exists(path) is True and m.RAN == []  # the older run holds again
    world.write("a.txt", "2")
    assert m.exists(path) is True and m.RAN == ["exists"]


@pytest.mark.parametrize("kind", ["file", "directory", "link", "dangling link"])
def test_a_name_that_appears(world, kind):
    m = world.define(FILES)
    target = str(world.folder / "new.txt")
    world.warm(m.exists, target)
    if kind == "directory":
        os.mkdir(target)
    elif kind == "file":
        world.write("new.txt")
    else:
        os.symlink(world.write("there.txt") if kind == "link" else "nowhere", target)
    is_there = kind != "dangling link"
    assert [m.exists(target) for _ in range(4)] == [is_there] * 4
    assert ["exists"] * is_there == m.RAN


def test_other_things_outside(world, monkeypatch):
    m = world.define(FILES)
    monkeypatch.setenv("HOT_TEST", "1")
    world.write("t.txt"), world.write("declared.txt")
    for fn, change in [
        (m.tracks, lambda w: w.write("t.txt", "2")),
        (m.declares, lambda w: w.write("declared.txt", "2")),
        (m.env, lambda w: monkeypatch.setenv("HOT_TEST", "2")),
        (m.env, lambda w: monkeypatch.delenv("HOT_TEST")),
        (m.env, lambda w: monkeypatch.setenv("HOT_TEST", "")),
        (m.var, lambda w: setattr(m, "VAR", 2)),
    ]:
        check(world, fn, change, "run", 1)


def test_what_cannot_be_hot_is_right(world):
    """Directories, and files that are tracked though they are not there."""
    m = world.define(FILES)
    os.mkdir("d")
    for _ in range(4):
        assert m.lists("d") == [] and m.tracks_nothing(1) is False
    world.write("d/x")
    world.write("n.txt")
    for _ in range(4):
        assert m.lists("d") == ["x"] and m.tracks_nothing(1) is True
    os.unlink("d/x"), os.unlink("n.txt")
    for _ in range(4):
        assert m.lists("d") == [] and m.tracks_nothing(1) is False


def test_a_tracked_file_that_appears_just_now(world, monkeypatch):
    """Between the verification and the look for what it rested on."""
    m = world.define(FILES)
    for _ in range(2):
        m.tracks_nothing(1)
    heat = sys.modules["cachepy.hot"].heat

    def late(*args):
        Path("n.txt").write_text("1")
        return heat(*args)

    monkeypatch.setattr("cachepy.calls.slow.Slow.heat", staticmethod(late))
    m.tracks_nothing(1)
    monkeypatch.undo()
    os.chdir(world.folder)
    assert m.tracks_nothing(1) is True


def test_one_of_many_files(world):
    m = world.define(FILES)
    names = [world.write(f"{i}.txt", str(i)) for i in range(30)]
    check(world, m.all_of, lambda w: w.write("17.txt", "x"), "run", names)
    check(world, m.all_of, lambda w: w.write("0.txt", "x"), "run", names)


def test_the_working_directory(world):
    """Relative names mean the files that they lead to now."""
    m = world.define(FILES)
    os.mkdir("other")
    (
        world.write("a.txt", "1"),
        world.write("other/a.txt", "2"),
        world.write("t.txt", "1"),
        world.write("other/t.txt", "2"),
    )
    world.warm(m.reads, "a.txt"), world.warm(m.tracks, 1), world.warm(m.exists, "b.txt")
    world.write("other/b.txt")
    os.chdir("other")
    assert (m.reads("a.txt"), m.tracks(1), m.exists("b.txt")) == ("2", "2", True)
    os.chdir("..")
    assert (m.reads("a.txt"), m.tracks(1), m.exists("b.txt")) == ("1", "1", False)


@pytest.mark.parametrize("back", [False, True])
def test_changed_back(world, back):
    """Several runs are stored; the older one holds again."""
    m = world.define(FILES)
    path = world.write("a.txt", "1")
    world.warm(m.reads, path)
    world.write("a.txt", "2")
    world.warm(m.reads, path)
    world.write("a.txt", "1" if back else "3")
    for _ in range(5):
        assert m.reads(path) == ("1" if back else "3")
    assert ([] if back else ["reads"]) == m.RAN
    world.write("a.txt", "2")
    for _ in range(5):
        assert m.reads(path) == "2"


def test_changed_back_and_forth_by_the_environment(world, monkeypatch):
    """The graph shows the run that holds, also if it is hot."""
    m = world.define(FILES)
    shown = []
    for value in "121212":
        monkeypatch.setenv("HOT_TEST", value)
        for _ in range(4):
            assert m.env(1) == value
        (node,) = cachepy.cache_tree_nodes().values()
        shown.append(node["created"])
    assert shown == shown[:2] * 3 and m.RAN == ["env"] * 2


# ---- calls below

BELOW = """
    def by(): return 0

    @cf
    def h(x): RAN.append("h"); return track_file("h.txt").read_text()
    @cf
    def g(x): RAN.append("g"); return track_file("g.txt").read_text() + h(x) + str(by())
    @cf
    def f(x): RAN.append("f"); return g(x) + "!"
    @cf
    def mode(x): RAN.append("mode"); return track_file("mode_" + MODE[0]).name
    @cf
    def above(x): RAN.append("above"); return track_file("above.txt").read_text()[:1] + str(len(mode(x)))
    @cf
    def top(x): RAN.append("top"); return mode(x), above(x)
    @cf
    def fact(n): RAN.append("fact"); return 1 if n == 0 else n * fact(n - 1)
    @cf
    def even(n): RAN.append("even"); return n == 0 or odd(n - 1)
    @cf
    def odd(n): RAN.append("odd"); return n > 0 and even(n - 1)
"""
REDEFINED = "@cf\ndef g(x): RAN.append('g'); return {}\n"


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
    hots = m.one.__cachepy__.hots
    assert sum(len(key) for _, rows in hots._short.values() for key in rows) < 100_000


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
    monkeypatch.setattr("cachepy.hot._MOST", 50)
    m = world.define("""
        @cf
        def f(x): return x
    """)
    for x in range(200):
        for _ in range(4):
            assert m.f(x) == x
    assert len(m.f.__cachepy__.hots._known) <= 50
    assert [m.f(x) for x in range(200)] == list(range(200))


def test_the_bound_is_one_for_all_functions_and_what_is_not_used_goes_first(world, monkeypatch):
    monkeypatch.setattr("cachepy.hot._MOST", 50)
    m = world.define("""
        @cf
        def used(x): return x
        @cf
        def idle(x): return x
        @cf
        def new(x): return x
    """)

    def hot(f):
        return len(f.__cachepy__.hots._known)

    for f in (m.used, m.idle):
        for x in range(15):
            world.warm(f, x)
    m.idle.__cachepy__.hots.is_used = False
    for x in range(25):
        world.warm(m.new, x)
        assert [m.used(each) for each in range(15)] == list(range(15))
    assert (hot(m.used), hot(m.idle), hot(m.new)) == (15, 0, 25)
    for x in range(200):
        world.warm(m.new, x)
        assert hot(m.used) + hot(m.idle) + hot(m.new) <= 50
    assert [m.idle(x) for x in range(15)] == list(range(15))


def test_the_room_of_functions_that_are_gone_is_free(world, monkeypatch):
    monkeypatch.setattr("cachepy.hot._MOST", 50)
    m = world.define("")
    before = len(hot._room._homes)
    for number in range(20):
        exec(f"@cf\ndef f(x): return x + {number}", vars(m))
        for x in range(10):
            for _ in range(4):
                assert m.f(x) == x + number
        assert len(m.f.__cachepy__.hots._known) == 10
        gc.collect()
    assert len(hot._room._homes) <= before + 2


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
