"""The reader of plain pickles: it gives what `pickle` gives, or says that it cannot."""

from __future__ import annotations

import pickle
from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachepy.store.short_pickle import NotPlainError, loads
from tests.programs import Project

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=300) | st.binary(max_size=300)
    | st.just("\ud800") | st.just(-(1 << 31)) | st.just(1 << 2030)
)  # fmt: skip
KEYS = st.integers() | st.text(max_size=5) | st.tuples(st.integers(), st.text(max_size=2)) | st.booleans()
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(KEYS, inner) | inner.map(lambda v: [v, v, (v,)]),
    max_leaves=30,
)


def shape(value):
    """Types, values, and which parts are one object."""
    seen, rows = {}, []

    def walk(part):
        if type(part) in (list, dict) and id(part) in seen:
            rows.append(("again", seen[id(part)]))
            return
        seen.setdefault(id(part), len(seen))
        rows.append((type(part), repr(part) if type(part) not in (list, tuple, dict) else len(part)))
        if type(part) in (list, tuple):
            list(map(walk, part))
        elif type(part) is dict:
            list(map(walk, [each for item in part.items() for each in item]))

    walk(value)
    return rows


@settings(max_examples=300, deadline=None)
@given(VALUES, st.sampled_from([4, 5]))
def test_plain_values_come_back(value, protocol):
    data = pickle.dumps(value, protocol)
    assert shape(loads(data)) == shape(pickle.loads(data))


@settings(max_examples=1000, deadline=None)
@given(VALUES, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=3), st.integers(0, 3))
def test_damage_gives_what_pickle_gives_or_is_refused(value, bytes_, cut):
    data = bytearray(pickle.dumps(value, 5))
    for at, byte in bytes_:
        data[at % len(data)] = byte
    damaged = bytes(data[: len(data) - cut])
    try:
        mine = loads(damaged)
    except NotPlainError:
        return
    assert shape(mine) == shape(pickle.loads(damaged))


@pytest.mark.parametrize("value", [{1, 2}, frozenset("a"), OrderedDict(a=1), range(3), 1j, bytearray(b"a"), len, Ellipsis], ids=repr)
def test_what_is_not_plain_is_refused(value):
    for wrapped in (value, [value], {"a": (value,)}):
        with pytest.raises(NotPlainError):
            loads(pickle.dumps(wrapped, 5))


def test_a_list_in_itself():
    value = [1]
    value.append(value)
    found = loads(pickle.dumps(value, 5))
    assert found[0] == 1 and found[1] is found


PROGRAM = """
import sys
from cachepy import cache_file

@cache_file("cache", warn_cheap=False)
def f(x):
    return {"a": [x, 2.5, None, b"c", ("é",)]} if x else {1, 2}

print(f(1), f(0), "_pickle" in sys.modules)
print(f(1) is not f(1))
"""


def test_hits_of_plain_values_need_no_pickle_and_others_load_it(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    first, second = (Project(tmp_path).run("program.py").stdout for _ in range(2))
    assert first == second == "{'a': [1, 2.5, None, b'c', ('é',)]} {1, 2} True\nTrue\n"
