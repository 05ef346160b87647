"""The laws of digests: equal values have equal digests and others have others, whichever way a value takes."""

from __future__ import annotations

import copy
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cachepy.values import flat
from cachepy.values import pickler as module
from cachepy.values.digest import Digester, References, flat_stream
from cachepy.values.modules import Origins


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Real(float):
    pass


SINGLE = [
    None,
    True,
    False,
    0,
    1,
    -1,
    -185,
    -32953,
    0.0,
    -0.0,
    1.0,
    0j,
    -0j,
    "",
    "0",
    "1",
    b"",
    b"1",
    "\0",
    "a\0b",
    "\ud800",
]
SINGLE += [
    float("inf"),
    -float("inf"),
    2**31,
    2**63,
    -(2**70),
    Text("1"),
    Number(1),
    Real(1.0),
    bytearray(b"1"),
    "nan",
    "set a",
]
NANS = st.builds(
    lambda sign, payload: struct.unpack("<d", struct.pack("<Q", sign << 63 | 0x7FF << 52 | payload))[0],
    st.integers(0, 1),
    st.sampled_from([1 << 51, 1, (1 << 52) - 1, (1 << 51) + 0x7A2]),
)
LEAVES = st.one_of(
    st.sampled_from(SINGLE),
    NANS,
    st.integers(-300, 300),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
)
HASHABLE = st.recursive(
    LEAVES.filter(lambda x: type(x) is not bytearray),
    lambda x: st.lists(x, max_size=3).map(tuple) | st.frozensets(x, max_size=3),
    max_leaves=4,
)


def containers(part):
    few = st.lists(part, max_size=4)
    return (
        few
        | few.map(tuple)
        | st.dictionaries(HASHABLE, part, max_size=3)
        | st.sets(HASHABLE, max_size=4)
        | few.map(lambda x: x * 30)
    )


VALUES = st.recursive(LEAVES | HASHABLE, containers, max_leaves=8)


def canon(value):
    """What a body can see of a value, as text."""
    name, cls = type(value).__name__, type(value)
    if issubclass(cls, float):
        return f"{name} " + ("nan" if value != value else struct.pack("<d", value).hex())
    if cls is complex:
        return f"complex {canon(value.real)} {canon(value.imag)}"
    if cls in (list, tuple):
        return f"{name} {[canon(part) for part in value]}"
    if cls is dict:
        return f"dict {[(canon(k), canon(v)) for k, v in value.items()]}"
    if cls in (set, frozenset):
        return f"{name} {sorted(map(canon, value))}"
    return f"{name} {value!r}"


def rebuilt(value):
    """An equal value that shares nothing: not even small texts, nor the bits of a nan."""
    cls = type(value)
    if cls is str:
        return "".join(list(value))
    if cls is float and value != value:
        return struct.unpack("<d", struct.pack("<Q", 0xFFF8 << 48))[0]
    if cls is float:
        return struct.unpack("<d", struct.pack("<d", value))[0]
    if cls in (list, tuple):
        return cls([rebuilt(part) for part in value])
    if cls in (set, frozenset):
        return cls([rebuilt(part) for part in reversed(list(value))])
    if cls is dict:
        return {rebuilt(k): rebuilt(v) for k, v in value.items()}
    return copy.deepcopy(value)


def shared(value, known):
    """An equal value in which equal parts are one object."""
    cls = type(value)
    if cls in (list, tuple):
        value = cls([shared(part, known) for part in value])
    elif cls is dict:
        keys = [shared(k, known) for k in value]
        keys = keys if len({*keys}) == len(value) else list(value)  # two nans are two keys, but one object is one
        value = dict(zip(keys, [shared(v, known) for v in value.values()], strict=True))
    return known.setdefault(canon(value), value)


def digester():
    return Digester(Origins(), lambda obj: "")


def slow(value):
    """The stream of the pickler that looks at every object."""
    return module._dump(module.CanonicalPickler, value, digester(), References())


def alike(streams, values):
    names = [canon(value) for value in values]
    for i, (stream, name) in enumerate(zip(streams, names, strict=True)):
        for j in range(i):
            assert (stream == streams[j]) == (name == names[j]), (values[i], values[j])


@settings(max_examples=120, deadline=None)
@given(VALUES)
@example([74, struct.unpack(">d", b"\xff\xf8" + b"\0" * 6)[0]])
@example([-185, -32953, 1 << 40, 0.5] * 40)
@example([-185, float("nan")] * 40)
@example({float("nan"): None, float("inf") - float("inf"): None})
def test_how_a_value_was_made_leaves_no_mark(value):
    mine = digester()
    again, one = rebuilt(value), shared(value, {})
    assert canon(again) == canon(value) == canon(one)
    assert mine.digest(value) == mine.digest(again) == mine.digest(one)
    assert mine.stream(value) == mine.stream(again) == mine.stream(one)


@settings(max_examples=120, deadline=None)
@given(st.lists(VALUES, min_size=2, max_size=6))
@example(SINGLE)
@example([(x,) for x in SINGLE])
@example([[x] * 70 for x in SINGLE])
@example([b"1", bytearray(b"1"), memoryview(b"1").tobytes(), [b"1"], (b"1",), {b"1"}, frozenset({b"1"}), {b"1": None}])
@example(
    [
        {"a\0b"},
        {"a", "b"},
        {"a", "b", ""},
        {"a\0", "b"},
        {b"a", b"b"},
        {"a": "b"},
        {Text("a"), "b"},
        frozenset({"a", "b"}),
        "set a\0b",
    ]
)
@example([{1, 2}, {1, 2.5}, {1}, {True}, {1.0}, {Number(1)}, {(1,)}, frozenset({1}), {None}, {float("nan")}])
def test_values_have_one_digest_if_and_only_if_they_are_equal(values):
    mine = digester()
    values = [*values, *([value] for value in values), *((value, value) for value in values)]
    alike([mine.stream(value) for value in values], values)
    alike([mine.digest(value) for value in values], values)


@settings(max_examples=100, deadline=None)
@given(st.lists(VALUES, min_size=2, max_size=5))
def test_the_fast_ways_tell_apart_what_the_slow_one_does(values):
    alike([slow(value) for value in values], values)


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_no_stream_of_one_way_is_one_of_another(value):
    direct = flat_stream(value)
    assert slow(value)[0] == module._LOOPED[0] == 0x80
    assert direct is None or (direct and direct[0] < 0x80)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats() | NANS | st.integers() | st.text(max_size=2), max_size=8), st.sampled_from([1, 30, 1500]))
def test_no_nan_is_overlooked(parts, times):
    """At most one of unusual bits after a byte that looks like the start of an integer."""
    for values in (parts * times, ["x", *parts] * times):
        data = module._dump(module.ValuePickler, values, digester(), References())
        if any(part != part for part in parts):
            assert not flat.has_no_nan(values) and (flat.may_have_nan(data) or b"J" in data)
            assert flat_stream(values) is None
        elif not flat.has_no_nan(values):
            assert {float("inf"), -float("inf")} <= {*parts} or max(
                map(abs, (p for p in parts if type(p) is float))
            ) > 1e300


@pytest.mark.parametrize(
    "bits", [b"\x7f\xf8" + b"\0" * 6, b"\xff\xf8" + b"\0" * 6, b"\x7f\xf0" + b"\0" * 4 + b"\x07\xa2", b"\xff" * 8]
)
@pytest.mark.parametrize("before", [0, 71, 74, 256 * 74, "J", "G", "GJ", -185, 7.5])
def test_usual_nans_are_seen_anywhere(bits, before):
    mine, nan = digester(), struct.unpack(">d", bits)[0]
    for times in (1, 40, 1500):
        assert mine.digest([before, nan, "x"] * times) == mine.digest([before, float("nan"), "x"] * times)
