"""A hot hit serves only what the long way would serve: code and globals are changed behind its back.

Every function here is made hot first, which is asserted: a test of a call that is not hot tests nothing.  What the
long way says comes from a session that knows nothing yet.
"""

from __future__ import annotations

import sys
import threading

import pytest
from hot_module import CODE, HotModule, _mutate, check

from cachepy.core.verify import Verifier
from cachepy.session import Session, use_session
from cachepy.store import files
from cachepy.values.digest import Digester

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
