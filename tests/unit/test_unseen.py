"""What of a value has no digest is said in each process that relies on it, by name and type; what is harmless is not."""

from __future__ import annotations

import textwrap

import pytest

from tests.programs import Project

HEAD = """
import functools, logging, queue, sqlite3, sys, threading, warnings, weakref, concurrent.futures, enum
from cachepy import cache_file

class Box:
    def __init__(self, part):
        self.n, self.part = 1, part

def connect():
    return sqlite3.connect(":memory:", check_same_thread=False)

{source}

@cache_file("cache", warn_cheap=False, ignore_globals={ignored})
def f(x):
    return {returns}

@cache_file("cache", warn_cheap=False)
def caller(x):
    return f(x)

if __name__ == "__main__":
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(4):
            {call}(3)
    print([(w.category.__name__, str(w.message)) for w in caught])
"""


def heard(folder, source, returns, call="f", ignored="[]"):
    text = HEAD.format(source=textwrap.dedent(source), returns=returns, call=call, ignored=ignored)
    project = Project(folder)
    project.write("m.py", text)
    return eval(project.run("m.py").stdout)  # a list of texts


PLACES = {
    "global": ("BOX = Box(connect())", "BOX.n + x", "m.BOX"),
    "plain global": ("DB = connect()", "(DB and 1) + x", "m.DB"),
    "private global": ("_BOX = Box(connect())", "_BOX.n + x", "m._BOX"),
    "class attribute": ("class C:\n    _box = Box(connect())", "C._box.n + x", "C._box"),
    "closure": ("def make(box):\n    return lambda x: box.n + x\nh = make(Box(connect()))", "h(x)", "box"),
    "default": ("def h(x, box=Box(connect())):\n    return box.n + x", "h(x)", "h.default box"),
    "attribute of a function": ("def h(x):\n    return h.box.n + x\nh.box = Box(connect())", "h(x)", "m.h.box"),
    "list": ("BOX = [Box(connect())]", "BOX[0].n + x", "m.BOX"),
    "set": ("BOX = {Box(connect())}", "len(BOX) + x", "m.BOX"),
    "descriptor": ("class C:\n    box = property(lambda self: DB and 1)\nDB = connect()", "C().box + x", "m.DB"),
}


@pytest.mark.parametrize("call", ["f", "caller"])
@pytest.mark.parametrize("place", PLACES)
def test_each_process_that_relies_on_it_says_so_once(place, call, tmp_path):
    source, returns, name = PLACES[place]
    for _ in range(3):  # the first stores, the others rely on what is stored
        ((category, message),) = heard(tmp_path, source, returns, call)
        assert category == "OpaqueGlobalWarning"
        assert message.startswith("f reads ") and name in message and "sqlite3.Connection" in message


@pytest.mark.parametrize("place", sorted(PLACES.keys() - {"closure", "descriptor"}))
def test_the_way_out_that_is_named_works(place, tmp_path):
    source, returns, name = PLACES[place]
    ignored = repr([name.replace(" ", ".").rpartition(".")[2]])
    assert heard(tmp_path, source, returns, ignored=ignored) == []


@pytest.mark.parametrize(
    ("source", "returns"),
    [
        ("LOCK = threading.Lock()", "(LOCK.locked(), x)"),
        ("_LOCK = threading.RLock()", "(bool(_LOCK), x)"),
        ("LOG = logging.getLogger(__name__)", "(LOG.name, x)"),
        ("BOX = Box(logging.getLogger('a'))", "BOX.n + x"),
        ("BOX = Box(threading.Condition())", "BOX.n + x"),
        ("BOX = Box(threading.local())", "BOX.n + x"),
        ("BOX = Box(concurrent.futures.ThreadPoolExecutor(1))", "BOX.n + x"),
        ("Q = queue.Queue()", "(Q.qsize(), x)"),
        ("BOX = Box(weakref.WeakValueDictionary())", "BOX.n + x"),
        ("class C:\n    lock = threading.Lock()\n    n = 1", "C.n + x"),
        ("class E(enum.Enum):\n    A = 1\n    lock = enum.nonmember(threading.Lock())", "E.A.value + x"),
    ],
)
def test_what_nobody_can_act_on_is_not_spoken_of(source, returns, tmp_path):
    for _ in range(2):
        assert heard(tmp_path, source, returns) == []
