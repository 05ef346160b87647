"""A result that pickling alters says so, once for a function; one that comes back whole does not."""

from __future__ import annotations

import copyreg
import ipaddress
import sys
import threading
import warnings
from collections import Counter, OrderedDict, defaultdict, deque

import numpy as np
import pandas as pd
import pytest

from cachepy import AlteredResultWarning, Session, cache_file, use_session


class Tagged(np.ndarray):
    pass


class Kept(np.ndarray):
    def __reduce__(self):
        return rebuilt, (np.asarray(self), self.unit)


def rebuilt(array, unit):
    return with_attribute(array.view(Kept), "unit", unit)


class Forgets:
    def __init__(self, n):
        self.n = n

    def __getstate__(self):
        return {}


class Restores:
    """Drops a lock, and makes another one."""

    def __init__(self, n):
        self.n, self.lock = n, threading.Lock()

    def __getstate__(self):
        return {"n": self.n}

    def __setstate__(self, state):
        self.__init__(state["n"])


class Starts:
    def __init__(self, n=0):
        self.n = n

    def __reduce__(self):
        return Starts, ()


class Registered:
    def __init__(self, n=0):
        self.n = n


class Cached:
    """What is called a cache is made of the rest."""

    def __init__(self):
        self._cache = {"a": 1}

    def __getstate__(self):
        return {"n": 1}


copyreg.pickle(Registered, lambda _: (Registered, ()))


class Words(Counter):
    pass


class Table(defaultdict):
    pass


class Row(dict):
    pass


class Line(deque):
    pass


class Frame(pd.DataFrame):
    _metadata = ["unit"]


def with_attribute(value, name="unit", given="m"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        setattr(value, name, given)
    return value


ALTERED = {
    "array of the user's": (lambda: with_attribute(np.arange(3.0).view(Tagged)), "the attribute unit of Tagged"),
    "frame": (lambda: with_attribute(pd.DataFrame({"a": [1]})), "the attribute unit of DataFrame"),
    "series": (lambda: with_attribute(pd.Series([1])), "the attribute unit of Series"),
    "frame in a dict": (lambda: {"a": with_attribute(pd.DataFrame({"a": [1]}))}, "the attribute unit of DataFrame"),
    "memory view": (lambda: memoryview(b"ab"), "the memoryview"),
    "state that __getstate__ drops": (lambda: Forgets(1), "the attribute n of Forgets"),
    "state that __reduce__ drops": (lambda: Starts(1), "the attribute n of Starts"),
    "state that copyreg drops": (lambda: Registered(1), "the attribute n of Registered"),
    "object in a set": (lambda: {Starts(1)}, "the attribute n of Starts"),
    "counter of the user's": (lambda: with_attribute(Words("ab")), "the attribute unit of Words"),
    "default dict of the user's": (lambda: with_attribute(Table(int)), "the attribute unit of Table"),
}
WHOLE = {
    "array": lambda: np.arange(3.0),
    "array that keeps its unit": lambda: with_attribute(np.arange(3.0).view(Kept)),
    "array of the user's without attributes": lambda: np.arange(3.0).view(Tagged),
    "frame": lambda: pd.DataFrame({"a": [1]}),
    "attrs of a frame": lambda: with_attribute(pd.DataFrame({"a": [1]}), "attrs", {"unit": "m"}),
    "metadata of a frame of the user's": lambda: with_attribute(Frame({"a": [1]})),
    "what __setstate__ makes again": lambda: Restores(1),
    "state that __reduce__ need not keep": lambda: Starts(0),
    "what is called a cache": Cached,
    "dict of the user's": lambda: with_attribute(Row(a=1)),
    "deque of the user's": lambda: with_attribute(Line([1])),
    "ordered dict": lambda: with_attribute(OrderedDict(a=1)),
    "default dict with a lambda": lambda: defaultdict(lambda: 1, a=2),
    "address without a scope": lambda: ipaddress.ip_address("fe80::1"),
    **({"address with a scope": lambda: ipaddress.ip_address("fe80::1%eth0")} if sys.version_info >= (3, 11, 4) else {}),
    "number": lambda: 1,
}


def heard(make, tmp_path, times=1):
    def f(x):
        return make()

    with use_session(Session()), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cached = cache_file(tmp_path / "cache", ignore_globals=["make"], warn_cheap=False)(f)
        for each in range(times):
            cached(each)
    return [str(w.message) for w in caught if w.category is AlteredResultWarning]


@pytest.mark.parametrize("name", ALTERED)
def test_what_is_lost_is_named_once(name, tmp_path):
    make, what = ALTERED[name]
    (message,) = heard(make, tmp_path, times=3)
    assert message.startswith("the result of f loses ") and what in message


@pytest.mark.parametrize("name", WHOLE)
def test_what_comes_back_whole_is_not_spoken_of(name, tmp_path):
    assert heard(WHOLE[name], tmp_path) == []


def test_the_scope_that_python_forgot_before_3_11_4(monkeypatch, tmp_path):
    monkeypatch.setattr(ipaddress.IPv6Address, "__reduce__", lambda self: (type(self), (int(self),)))
    (message,) = heard(lambda: ipaddress.ip_address("fe80::1%eth0"), tmp_path)
    assert "loses the attribute scope_id of IPv6Address" in message
