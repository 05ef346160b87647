"""Digests of pyarrow data: how it lies in memory leaves no mark, what it holds does."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cachepy.values.digest import Digester
from cachepy.values.modules import Origins

DAY = dt.datetime(2020, 1, 1)
KINDS = {
    "int64": (pa.int64(), [1, 2, 3, -4]),
    "int8": (pa.int8(), [1, 2, 3, -4]),
    "double": (pa.float64(), [1.5, 0.0, -0.0, 3.0]),
    "half": (pa.float16(), [np.float16(x) for x in (1, 2, 3, 4)]),
    "bool": (pa.bool_(), [True, False, True, False]),
    "timestamp": (pa.timestamp("us"), [DAY + dt.timedelta(i) for i in range(4)]),
    "zone": (pa.timestamp("ns", "UTC"), [DAY + dt.timedelta(i) for i in range(4)]),
    "date": (pa.date32(), [(DAY + dt.timedelta(i)).date() for i in range(4)]),
    "duration": (pa.duration("s"), [dt.timedelta(seconds=i) for i in range(4)]),
    "decimal": (pa.decimal128(9, 2), [Decimal(i) for i in range(4)]),
    "fixed": (pa.binary(2), [b"ab", b"cd", b"ef", b"gh"]),
    "no width": (pa.binary(0), [b"", b"", b"", b""]),
    "string": (pa.string(), ["a", "", "bcd", "e"]),
    "large string": (pa.large_string(), ["a", "", "bcd", "ä"]),
    "binary": (pa.binary(), [b"a", b"", b"bcd", b"e"]),
    "large binary": (pa.large_binary(), [b"a", b"", b"bcd", b"e"]),
    "view": (pa.string_view(), ["a", "", "bcd", "a text of more than twelve bytes"]),
    "list": (pa.list_(pa.int32()), [[1], [], [2, 3], [4]]),
    "large list": (pa.large_list(pa.string()), [["a"], [], ["b", "c"], ["d"]]),
    "fixed list": (pa.list_(pa.int32(), 2), [[1, 2], [3, 4], [5, 6], [7, 8]]),
    "struct": (pa.struct([("x", pa.int32()), ("y", pa.string())]), [{"x": i, "y": str(i)} for i in range(4)]),
    "map": (pa.map_(pa.string(), pa.int32()), [[("a", 1)], [], [("b", 2)], [("c", 3)]]),
    "dictionary": (pa.dictionary(pa.int8(), pa.string()), ["a", "b", "a", "c"]),
    "null": (pa.null(), [None] * 4),
}
NO_VIEW = sorted(KINDS.keys() - {"view", "fixed list", "map"})  # these go as an IPC stream


def digest(value):
    return Digester(Origins(), lambda obj: None).digest(value)


def made(name, values):
    return pa.array(values, KINDS[name][0])


@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("name", NO_VIEW)
def test_slices_and_chunks(name, nulls):
    values = list(KINDS[name][1])
    if nulls:
        values[1] = None
    if name == "dictionary":
        values = sorted(values, key=str)[:2] * 2  # else a slice keeps words that it does not use
    whole = made(name, values)
    inside = made(name, [*values, *values[:3], *values, *values])[7:11]
    assert inside.equals(whole) and digest(inside) == digest(whole)
    apart = pa.chunked_array([whole[:1], whole[1:1], whole[1:3], whole[3:]])
    assert digest(apart) == digest(pa.chunked_array([whole])) == digest(pa.chunked_array([inside]))
    table = pa.table({"x": apart})
    assert digest(table) == digest(pa.table({"x": whole}))


@pytest.mark.parametrize("name", KINDS)
def test_what_it_holds_counts(name):
    values = KINDS[name][1]
    seen = [
        values,
        values[:3],
        values[:2],
        values[1:],
        [None, *values[1:]],
        [*values[:3], None],
        [None] * 4,
        [None],
        [],
    ]
    seen += [values[:3] + values[:1], values[::-1]]
    arrays = {repr(made(name, each).to_pylist()): made(name, each) for each in seen}
    assert len({digest(array) for array in arrays.values()}) == len(arrays)


def test_types_differ():
    kinds = [kind for kind, _ in KINDS.values()]
    assert len({digest(pa.nulls(2, kind)) for kind in kinds}) == len(kinds)
    assert digest(pa.array([1])) != digest(pa.chunked_array([[1]])) != digest(pa.table({"": [1]}))


def test_text_does_not_move_from_one_row_to_another():
    rows = [["ab", "c"], ["a", "bc"], ["abc", ""], ["", "abc"], ["abc", None], [None, "abc"], ["abc"]]
    assert len({digest(pa.array(row, pa.large_string())) for row in rows}) == len(rows)


def buffers(kind, count, *parts):
    return pa.Array.from_buffers(kind, count, [part if part is None else pa.py_buffer(part) for part in parts])


def test_what_lies_under_a_null_does_not_count():
    mask = np.array([False, True, False])
    assert digest(pa.array(np.array([1, 2, 3]), mask=mask)) == digest(pa.array([1, None, 3]))
    ends = np.array([0, 1, 3, 8, 9])
    under = buffers(pa.large_string(), 4, b"\x0b", ends.tobytes(), b"abbXXXXXc")
    assert digest(under) == digest(pa.array(["a", "bb", None, "c"], pa.large_string()))
    marked = pd.Series([1, 2, 3], dtype="int64[pyarrow]").mask(mask)
    assert digest(marked) == digest(pd.Series([1, None, 3], dtype="int64[pyarrow]"))


def test_bits_behind_the_last_do_not_count():
    data = np.arange(3).tobytes()
    assert digest(buffers(pa.int64(), 3, b"\xfd", data)) == digest(buffers(pa.int64(), 3, b"\x05", data))
    assert digest(buffers(pa.int64(), 3, b"\xff", data)) == digest(buffers(pa.int64(), 3, None, data))
    assert digest(buffers(pa.bool_(), 3, None, b"\xfd")) == digest(buffers(pa.bool_(), 3, None, b"\x05"))


def test_dictionaries_of_several_chunks():
    parts = [pa.array(["a", "b"]).dictionary_encode(), pa.array(["b", "c"]).dictionary_encode()]
    one = pa.chunked_array([pa.array(["a", "b", "b", "c"]).dictionary_encode()])
    assert digest(pa.chunked_array(parts)) == digest(one)


def test_strings_of_pandas():
    whole = pd.Series(["z", "a", None, "b", "c"] * 5)
    inside = whole.iloc[1:9].reset_index(drop=True)
    assert digest(inside) == digest(pd.Series(list(inside)))
    assert digest(pd.concat([inside, inside], ignore_index=True)) == digest(pd.Series(list(inside) * 2))
    assert digest(inside.mask(inside == "b")) == digest(pd.Series([None if x == "b" else x for x in inside]))
    assert digest(inside) != digest(inside.astype(object))
