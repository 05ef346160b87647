"""A container has the digest that the digests of its parts tell."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachepy.errors import UndigestableError
from cachepy.session import Session
from cachepy.values.composed import MOST, Known
from cachepy.values.flat import SHORT, short_stream
from cachepy.values.key import make_key
from cachepy.values.references import References

DIGESTER = Session().reader.digester
LONG = [
    np.arange(5.0), pd.DataFrame({"a": [1, 2]}), "x" * (SHORT + 1), b"y" * (SHORT + 1), list(range(SHORT)),
    {"a": np.arange(3)}, (np.arange(3), [np.arange(4)]), {1, 2, 3, 4, float("nan")}, ["z" * SHORT, "z" * SHORT, 1],
    [-1.5] * 3000, {str(n): n for n in range(2000)}, [{"a": [n, str(n)]} for n in range(MOST + 1)],
]  # fmt: skip
SHORTS = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=5), st.just([1, "a"]))


def digest(value):
    return DIGESTER.digest(value)


def known(value):
    made = Known()
    made.digest = digest(value)
    return made


def values(parts):
    return st.one_of(
        parts, st.lists(parts, max_size=4), st.lists(parts, max_size=4).map(tuple),
        st.dictionaries(st.text(max_size=3), parts, max_size=4),
    )  # fmt: skip


PLACES = st.recursive(st.one_of(SHORTS, st.sampled_from(range(len(LONG))).map(lambda at: Place(at))), values, max_leaves=12)


class Place:
    """Where a long value stands."""

    def __init__(self, at):
        self.at = at


def filled(tree, fill):
    if isinstance(tree, Place):
        return fill(LONG[tree.at])
    if type(tree) is dict:
        return {key: filled(each, fill) for key, each in tree.items()}
    return type(tree)([filled(each, fill) for each in tree]) if type(tree) in (list, tuple) else tree


@settings(deadline=None)
@given(st.lists(PLACES, max_size=4).map(tuple))
def test_a_key_is_told_by_digests(tree):
    """Whether long values are there or only known."""
    assert make_key(b"f", filled(tree, known), DIGESTER)[0] == make_key(b"f", filled(tree, lambda v: v), DIGESTER)[0]


@pytest.mark.parametrize("at", range(len(LONG)))
def test_what_is_long_for_a_key(at):
    assert short_stream(LONG[at]) is None or len(short_stream(LONG[at])) > SHORT


@settings(deadline=None)
@given(PLACES, PLACES)
def test_different_values_differ(one, other):
    one, other = filled(one, lambda v: v), filled(other, lambda v: v)
    is_same = DIGESTER.stream(one) == DIGESTER.stream(other)
    assert (digest(one) == digest(other)) == is_same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([LONG[0]], (LONG[0],)),
        ([LONG[0], LONG[1]], [LONG[1], LONG[0]]),
        ([[LONG[0]], LONG[1]], [[LONG[0], LONG[1]]]),
        ([LONG[0], 1], [LONG[0], 1.0]),
        ([LONG[0], "ab", "c"], [LONG[0], "a", "bc"]),
        ({"a": LONG[0], "b": 1}, {"b": 1, "a": LONG[0]}),
        ({"a": LONG[0]}, ["a", LONG[0]]),
        ([LONG[0]], LONG[0]),
        ([LONG[0], digest(LONG[1])], [LONG[0], LONG[1]]),
    ],
    ids=str,
)
def test_what_looks_alike(one, other):
    assert digest(one) != digest(other)


def test_parts_that_are_one_object():
    """Identity leaves no mark, and takes no time."""
    part = [np.arange(3)]
    assert digest([part, part]) == digest([part, [np.arange(3)]])
    for _ in range(45):
        part = [part, part]
    digest(part)


def test_what_is_deep_or_holds_itself():
    deep = inner = [np.arange(3)]
    for _ in range(200):
        deep = [deep]
    assert digest(deep) == digest(deep) != digest(inner)
    loop = [np.arange(3)]
    loop.append(loop)
    again = [np.arange(3)]
    again.append(again)
    assert digest(loop) == digest(again)


@pytest.mark.parametrize("wrap", [lambda x: (x,), lambda x: [np.arange(3), {"a": x}], lambda x: [Path("a"), x]], ids=range(3))
def test_what_has_no_digest(wrap):
    """The error is that of a value without one, wherever it stands."""
    with pytest.raises(UndigestableError, match="lock"):
        digest(wrap(threading.Lock()))
    found = References()
    with pytest.raises(UndigestableError):
        make_key(b"f", (wrap(threading.Lock()),), DIGESTER)
    assert DIGESTER.digest(wrap(Path("b")), found)
    assert [str(each) for each in found.paths][-1] == "b"
