"""Programs that use libraries as people do, in fresh processes: the second run of the same runs nothing, an edit counts."""

from __future__ import annotations

import pytest

from cachepy.store.claims import Claims

HEAD = """
import os
from cachepy import cache_file
cached = cache_file("cache", warn_cheap=False)
def ran(name):
    os.write(2, f"RAN {name};".encode())
"""
BODY = """
@cached
def f(x):
    ran("f")
    return {}
print(f(3))
"""
WRAPT = """
import wrapt
@wrapt.decorator
def deco(wrapped, instance, args, kwargs):
    return wrapped(*args, **kwargs) + 1
"""
# library that is needed, text, and edits each of which changes what it prints
PROGRAMS = {
    "a part of numpy that is loaded by its first use": (
        "numpy", "import numpy as np" + BODY.format("float(np.random.default_rng(x).random()) + 1"), [("+ 1", "+ 2")],
    ),
    "a part of scipy, whose methods are made from a text": (
        "scipy", "import scipy" + BODY.format("float(scipy.stats.norm.pdf(0)) + 1"), [("+ 1", "+ 2")],
    ),
    "what a thread holds": (
        "threading", "import threading\nT = threading.local()\nT.v = 2\nT.lock = threading.Lock()" + BODY.format("T.v"),
        [("T.v = 2", "T.v = 3")],
    ),
    "what a thread holds, in a class of the user's": (
        "threading", "import threading\nclass T(threading.local):\n    k = 2\nT = T()" + BODY.format("T.k"),
        [("k = 2", "k = 3")],
    ),
    "a handle that a thread opens when it first needs it": (
        "threading", "import threading, sqlite3\nT = threading.local()\ndef connect():\n    if not hasattr(T, 'c'):\n"
        "        T.c = sqlite3.connect(':memory:')\n    return T.c\n" + BODY.format("connect().total_changes + 1"),
        [("+ 1", "+ 2")],
    ),
    "a memo of a library that pickles by its name": (
        "cachetools",
        "from cachetools import TTLCache, cached as kept\n@cached\ndef leaf(x):\n    return x * 2\n"
        "@kept(TTLCache(10, 60))\ndef mid(x):\n    return leaf(x) + 1\n@cached\ndef other(x):\n    return mid(x)\n"
        "other(3)" + BODY.format("mid(x)"),
        [("x * 2", "x * 3"), ("+ 1", "+ 2")],
    ),
    "a decorator of wrapt": (
        "wrapt", WRAPT + "@deco\ndef h(x):\n    return x * 2\n" + BODY.format("h(x)"),
        [("x * 2", "x * 3"), ("+ 1", "+ 2")],
    ),
    "a proxy of wrapt": (
        "wrapt", "import wrapt\nclass P(wrapt.ObjectProxy):\n    def z(self): return 5\nV = P({'a': 1})"
        + BODY.format("V['a'] + V.z()"), [("'a': 1", "'a': 2"), ("return 5", "return 6")],
    ),
}  # fmt: skip


def run(project, text: str, seed: str) -> tuple[str, str]:
    project.write("main.py", HEAD + text)
    done = project.run("main.py", PYTHONHASHSEED=seed)
    return done.stdout, done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_runs_once_and_again_after_an_edit(name, project):
    library, text, edits = PROGRAMS[name]
    pytest.importorskip(library)
    printed = set()
    for before, after in [("", ""), *edits]:
        assert before in text
        text = text.replace(before, after) if before else text
        first, said = run(project, text, "1")
        assert "RAN f" in said
        assert run(project, text, "2") == (first, "")
        printed.add(first)
    assert len(printed) == len(edits) + 1


ASKS = """
import faulthandler
from cachepy import cache_file
faulthandler.dump_traceback_later(15, exit=True)
cached = cache_file("cache", warn_cheap=False, ignore_globals=["asked"])
asked = []
class Asks:
    def __reduce__(self):
        if not asked:
            asked.append(1)
            f(1)
        return Asks, ()
@cached
def f(x):
    return Asks()
print(type(f(1)).__name__, asked)
"""


def test_what_asks_for_a_call_while_its_thread_stores_that_does_not_wait_for_ever(project):
    project.write("main.py", ASKS)
    assert project.run("main.py").stdout == "Asks [1]\n"


def test_a_claim_knows_the_thread_that_holds_it(tmp_path):
    claims = Claims()
    path = str(tmp_path / "a.claim")
    claim = claims.acquire(path)
    assert claims.is_of_this_thread(path)
    assert claims.acquire(path) is None
    assert claims.is_of_this_thread(path)
    claims.release(claim)
    assert not claims.is_of_this_thread(path)
