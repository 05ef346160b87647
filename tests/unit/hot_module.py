"""A module of cached functions that are made hot, and what the long way says of them."""

from __future__ import annotations

import importlib
import sys
import textwrap
import time
from pathlib import Path

from cachepy.calls.engine import CachedCall
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


class HotModule:
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


def _mutate(text):
    return lambda w: exec(text, vars(w.m))


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
