"""Digests of values: what each way of writing them must not confuse, and what holds across processes and threads."""

from __future__ import annotations

import array
import functools
import os
import pickle
import subprocess
import sys
import threading
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from cachepy.errors import UndigestableError
from cachepy.values import flat
from cachepy.values.digest import Digester, References, flat_stream
from cachepy.values.modules import Origins
from cachepy.values.sharing import is_small


def digester():
    return Digester(Origins(), lambda obj: "")


def digest(value):
    return digester().digest(value)


def all_differ(values):
    return len({digest(value) for value in values}) == len(values)


class Pair(NamedTuple):
    a: int
    b: int


class Held:
    def __init__(self, value):
        self.value = value


class Asks:
    """Digests something else while it is digested itself."""

    def __init__(self, mine, value):
        self.mine, self.value = mine, value

    def __dask_tokenize__(self):
        return self.mine.digest([Held(self.value)])


# ---- values that marshal alone would confuse


def test_what_has_a_buffer_is_not_taken_for_bytes():
    data = b"12345678"
    values = [
        data,
        bytearray(data),
        memoryview(data),
        array.array("b", data),
        np.frombuffer(data, "u1"),
        np.frombuffer(data, "i8")[0],
    ]
    values += [np.str_("1234"), "1234", np.bytes_(data), np.float64(1.5), 1.5, np.bool_(1), True]
    for around in (
        lambda x: x,
        lambda x: [x],
        lambda x: (x,),
        lambda x: {"a": x},
        lambda x: [[[x]]],
        lambda x: [x] * 100,
    ):
        assert all_differ([around(value) for value in values])
    assert all_differ(
        [{data}, {np.bytes_(data)}, {"1234"}, {np.str_("1234")}, frozenset({"1234"}), {1.5}, {np.float64(1.5)}]
    )


def test_plain_containers_and_their_kin_differ():
    assert all_differ(
        [(1, 2), [1, 2], Pair(1, 2), {1, 2}, frozenset({1, 2}), {1: 2}, OrderedDict({1: 2}), defaultdict(None, {1: 2})]
    )


def test_interning_and_sharing_leave_no_mark():
    made, word = "".join(list("word")), sys.intern("word")
    assert flat_stream((made, word)) == flat_stream((word, word)) == flat_stream((made, "".join(list(made))))
    part = [1, "x"]
    assert digest([part, part]) == digest([[1, "x"], [1, "x"]])
    assert digest([part] * 200) == digest([[1, "x"] for _ in range(200)])


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 66, 99, 100, 101, 5000])
def test_any_number_of_parts(count):
    many = list(range(count))
    kinds = [
        many,
        tuple(many),
        dict.fromkeys(many),
        set(many),
        frozenset(many),
        {"x": many},
        [many],
        (set(map(str, many)),),
    ]
    other = [-1, *many[1:]] if many else [-1]
    assert all_differ(
        [*kinds, other, tuple(other), dict.fromkeys(other), set(other), many[::-1] if count > 1 else "", [*many, count]]
    )
    assert digest(set(many)) == digest({*reversed(many)})
    assert digest(set(map(str, many))) == digest(set(map(str, many[::-1])))


def test_a_list_that_holds_itself_is_not_small():
    loop: list = [1]
    loop.append(loop)
    assert flat_stream(loop) is None
    assert not is_small(loop, digester().rule_for)
    assert digest(loop) != digest([1, [1]])


def test_sets_anywhere():
    deep = [Held({"b", "a"}), {"x": {(1, frozenset({2, 3})), None, 1.5}}, defaultdict(set, {1: {2}})]
    same = [Held({"a", "b"}), {"x": {1.5, None, (1, frozenset({3, 2}))}}, defaultdict(set, {1: {2}})]
    other = [Held({"a", "c"}), {"x": {1.5, None, (1, frozenset({3, 2}))}}, defaultdict(set, {1: {2}})]
    assert digest(deep) == digest(same) != digest(other)
    assert all_differ([set, frozenset, [set], set(), frozenset(), defaultdict(set), defaultdict(frozenset)])


SEEDS = """
from cachepy.values.digest import Digester
from cachepy.values.modules import Origins
words = [f"w{i}" for i in range(30)]
small = [set(words), frozenset(words[:9]), {None, 1.5, True, 7, b"x", "y"}, {("a", 1), "b", 2}, [{"k": set(words[:7])}]]
print([Digester(Origins(), lambda obj: "").digest(value) for value in [*small, small, small * 20, tuple(map(str, small[:0]))]])
"""


def test_no_hash_seed_leaves_a_mark():
    runs = [
        subprocess.run(
            [sys.executable, "-c", SEEDS], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True
        )
        for seed in ("1", "2", "77")
    ]
    assert len({run.stdout for run in runs}) == 1 and runs[0].stdout.startswith("['"), runs[0].stderr


def test_a_text_too_long_for_marshal_is_pickled(monkeypatch):
    def refuse(value, version):
        raise ValueError("unmarshallable object")

    usual = digest(("text", 1))
    monkeypatch.setattr(flat, "dumps", refuse)
    assert flat_stream(("text", 1)) is None is flat_stream("text")
    assert digest(("text", 1)) not in {usual, digest(("texts", 1))}


# ---- picklers are used again


def test_a_pickler_is_used_again_also_after_errors_and_from_within():
    mine = digester()
    values = [
        [Held(1)],
        [Path("a")],
        Held({1}),
        [np.arange(3)],
        [lambda: None],
        [[float("nan")] * 100],
        Asks(mine, 3),
        [b"x" * 200_000],
    ]
    first = [mine.digest(value) for value in values]
    with pytest.raises(UndigestableError):
        mine.digest([[Held(1)], {"a": threading.Lock()}])
    assert first == [mine.digest(value) for value in values]
    assert len(mine.writer._idle) <= 3
    assert not any(hasattr(pickler, "found") or pickler.chunks for pickler in mine.writer._idle)


def test_threads_share_a_digester():
    mine, wrong = digester(), []
    values = [[Held(i), Path(str(i)), {str(i), Held(1)}] for i in range(50)]
    right = [digest(value) for value in values]

    def work():
        for _ in range(20):
            wrong.extend(i for i, value in enumerate(values) if mine.digest(value) != right[i])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_was_found_belongs_to_its_value():
    mine = digester()
    for name in ("a", "b"):
        found = References()
        mine.stream([Path(name), Held(1)], found)
        assert found.paths == [name]


# ---- arrays and frames as they lie in memory


@pytest.mark.parametrize("dtype", ["f8", "i2", "c16", "S3", "U2", "bool", "M8[s]"])
def test_strides_do_not_count(dtype):
    square = np.arange(600 * 700).reshape(600, 700).astype(dtype)
    for view in (square, square.T, square[::3, ::-2], square[:, 1], square[3], square[::-1], np.asfortranarray(square)):
        assert digest(view) == digest(np.ascontiguousarray(view)) != digest(np.ascontiguousarray(view)[1:])


def test_how_a_frame_is_kept_does_not_count():
    data = np.random.default_rng(0).random((5000, 4))
    whole = pd.DataFrame(data.copy(), columns=list("abcd"))
    rows = pd.DataFrame(data, columns=list("abcd"), copy=False)
    columns = pd.DataFrame({name: data[:, i].copy() for i, name in enumerate("abcd")})
    assert digest(whole) == digest(rows) == digest(columns) != digest(whole[::-1])


# ---- kinds whose form is our own


def both(make, *others):
    """Two that are made alike are equal, also after pickling; all others differ."""
    value = make()
    assert digest(value) == digest(make())
    assert all_differ([value, *others])


def test_arrays_with_names_go_by_elements_and_names():
    xr = pytest.importorskip("xarray")
    square = np.arange(9.0).reshape(3, 3)

    def array(values=square, dims=("y", "x"), **more):
        return xr.DataArray(values, dims=dims, **more)

    both(
        array,
        array(square.T),
        array(dims=("x", "y")),
        array(name="n"),
        array(attrs={"unit": "m"}),
        array(coords={"x": [1, 2, 3]}),
        array(coords={"x": [1, 2, 4]}),
        array(coords={"x": [1, 2, 3]}).drop_indexes("x"),
        array(np.array(["a-b", "c"], dtype=object), "x"),
        array(np.array(["a", "b-c"], dtype=object), "x"),
        array().variable,
        array(square.T).variable,
        xr.Dataset({"v": array()}),
        xr.Dataset({"v": array(square.T)}),
        xr.Dataset({"w": array()}),
        xr.Dataset({"v": array()}, attrs={"unit": "m"}),
        xr.Dataset({"v": array()}, coords={"x": [1, 2, 3]}),
        xr.IndexVariable("x", [1, 2, 3]),
        array().stack(z=("y", "x")),  # noqa: PD013 - of xarray, not of pandas
    )
    used = array(coords={"x": [1, 2, 3]})
    before = digest(used)
    assert used.sel(x=2).shape == (3,) and used.indexes
    assert digest(used) == before == digest(pickle.loads(pickle.dumps(used)))


@pytest.mark.parametrize("around", [lambda x: x, lambda x: pytest.importorskip("xarray").DataArray(x)])
def test_collections_of_dask_go_by_what_they_are_made_of(around):
    da = pytest.importorskip("dask.array")
    square, texts = np.arange(9.0).reshape(3, 3), (["a-b", "c"], ["a", "b-c"])
    both(
        lambda: around(da.from_array(square, chunks=2)),
        around(da.from_array(square.T, chunks=2)),
        around(da.from_array(square, chunks=3)),
        around(da.from_array(square, chunks=2) + 1),
        *(around(da.from_array(np.array(each, dtype=object), chunks=2)) for each in texts),
    )


def test_quantities_go_by_magnitude_unit_and_what_the_unit_means():
    pint = pytest.importorskip("pint")
    registry, square = pint.UnitRegistry(), np.arange(9.0).reshape(3, 3)
    others = []
    for length in (3, 4):
        other = pint.UnitRegistry()
        other.define(f"foo = {length} meter")
        others += [other.Quantity(1, "foo"), other]
    both(
        lambda: pint.UnitRegistry().Quantity(square, "m"),
        registry.Quantity(square.T, "m"),
        registry.Quantity(square, "s"),
        registry.Quantity(1, "m"),
        registry.Quantity(1.0, "m"),
        registry.Quantity(1, "km"),
        registry.Quantity(1, "degC"),
        registry.meter,
        registry.second,
        registry,
        *others,
    )
    before = digest(registry)
    assert registry.Quantity("3 kilometer/hour").to("m/s").magnitude < 1
    assert digest(registry) == before


PADDED = np.dtype([("a", "i1"), ("b", "f8")], align=True)


def padded(junk, dtype=PADDED):
    made = np.frombuffer(bytes(range(junk, junk + 4 * dtype.itemsize)), dtype=dtype).copy()
    made["a"], made["b"] = 1, 2.5
    return made


def test_bytes_between_the_fields_do_not_count():
    nested = np.dtype([("a", "i8"), ("b", "f8"), ("c", PADDED)])
    one, two = padded(0), padded(64)
    assert one.tobytes() != two.tobytes()
    assert digest(one) == digest(two) == digest(two[::-1]) == digest(np.repeat(two, 2)[::2])
    assert digest(one[0]) == digest(two[0]) and digest([one]) == digest([two])
    assert digest(one.view(np.recarray)) == digest(two.view(np.recarray)) != digest(one)
    first, second = np.zeros(2, nested), np.zeros(2, nested)
    second["c"] = two[:2]
    first["c"] = one[:2]
    assert digest(first) == digest(second) != digest(np.zeros(2, nested))
    changed = padded(0)
    changed["b"][3] = 2.75
    assert all_differ([one, changed, one["a"], one[:2], one.astype(np.dtype([("a", "i1"), ("b", "f8")]))])


class Declares:
    def __init__(self, n, rest=0):
        self.n, self.rest = n, rest

    def __cachepy_digest__(self):
        return ["n", self.n]

    def __dask_tokenize__(self):
        raise AssertionError("the other one comes first")

    def __reduce__(self):
        raise TypeError("no pickle")


class DeclaredArray(np.ndarray):
    def __cachepy_digest__(self):
        return float(np.asarray(self).sum())


class Tokens:
    def __init__(self, array):
        self.array = array

    def __dask_tokenize__(self):
        from dask.base import normalize_token

        return normalize_token(self.array)


def test_what_a_class_declares_comes_first():
    assert digest(Declares(1)) == digest(Declares(1, 2)) != digest(Declares(2))
    assert digest({Declares(1): [Declares(np.arange(3))]}) == digest({Declares(1, 5): [Declares(np.arange(3), 6)]})
    two = np.arange(2.0).view(DeclaredArray), np.arange(2.0)[::-1].view(DeclaredArray)
    assert digest(two[0]) == digest(two[1]) != digest(np.arange(2.0))


def test_a_token_that_dask_makes_of_parts_is_not_enough():
    square = np.arange(9.0).reshape(3, 3)
    assert digest(Tokens(square)) == digest(Tokens(square.copy())) != digest(Tokens(square.T))


class Drops:
    def __init__(self, n, lock=None):
        self.n, self.lock, self._cache = n, lock, {}

    def __getstate__(self):
        return {}


class Lazy:
    def __init__(self, n):
        self.n = n

    @functools.cached_property
    def double(self):
        return 2 * self.n


class Around:
    def __init__(self, n):
        self.n, self.inner = n, Drops(n)
        self.inner.back = self

    def __getstate__(self):
        return {"inner": self.inner}


class Slots:
    __slots__ = ("n",)

    def __init__(self, n):
        self.n = n

    def __getstate__(self):
        return None


def test_what_pickle_drops_counts_as_far_as_it_has_a_digest():
    assert all_differ([Drops(1), Drops(2), Drops(1, 5), [Drops(1)], Slots(1), Slots(2)])
    assert digest(Drops(1, threading.Lock())) == digest(Drops(1, threading.Lock())) != digest(Drops(1))
    filled = Drops(1)
    filled._cache["a"] = 1
    assert digest(filled) == digest(Drops(1))
    assert digest(Around(1)) == digest(Around(1)) != digest(Around(2))


def test_what_a_cached_property_found_does_not_count():
    used = Lazy(1)
    assert used.double == 2
    assert digest(used) == digest(Lazy(1)) != digest(Lazy(2))


def test_mere_use_leaves_an_exception_as_it_is():
    error, used = ValueError("x"), ValueError("x")
    assert used.__dict__ == {}
    assert digest(error) == digest(used) != digest(ValueError("y"))
    error.n = 1
    assert digest(error) != digest(used)


def parts(value):
    found = References(by_parts=True)
    return digester().digest(value, found), found.unseen


def test_without_a_word_a_part_without_a_digest_is_an_error():
    for value in (threading.Lock(), Held(threading.Lock()), sys._getframe(), (n for n in "ab")):
        with pytest.raises(UndigestableError):
            digest(value)


def test_of_a_part_without_a_digest_its_type_counts_and_all_beside_it():
    with open(os.devnull, "rb") as file:
        one, unseen = parts([Held(1), Held(file), {"a": threading.Lock()}])
        assert unseen == ["_io.BufferedReader"]
        assert one == parts([Held(1), Held(file), {"a": threading.Lock()}])[0]
        assert one != parts([Held(2), Held(file), {"a": threading.Lock()}])[0]
        assert one != parts([Held(1), Held(file), {"a": threading.RLock()}])[0]
    assert parts([Held({1, Held})])[1] == parts([threading.Lock()])[1] == []


def test_parts_in_sets_and_in_loops():
    loop = Held(threading.Lock())
    loop.me = [loop, {loop}]
    other = Held(threading.Lock())
    other.me = [other, {other}]
    assert parts(loop)[0] == parts(other)[0]
    other.n = 1
    assert parts(loop)[0] != parts(other)[0]


class Hashed:
    def __init__(self, a, kept=None):
        self.a, self.kept = a, kept

    def __hash__(self):
        self.kept = hash(self.a)
        return self.kept


class HashedByText(Hashed):
    """What it sets by its text counts, unless it is named as a hash."""

    def __hash__(self):
        object.__setattr__(self, "a", self.a)
        object.__setattr__(self, "_hash", hash(self.a))
        return self._hash


def test_what_a_hash_keeps_is_left_out_and_nothing_else():
    assert digest(Hashed(1)) == digest(Hashed(1, 5)) != digest(Hashed(2, 5))
    one, two = HashedByText(1, 5), HashedByText(1, 5)
    assert hash(two) and digest(one) == digest(two) != digest(HashedByText(2, 5))
    assert digest(two) != digest(HashedByText(1, 6))


@pytest.mark.parametrize("dtype", ["longdouble", "clongdouble", [("a", "longdouble"), ("b", "i1")]])
def test_bytes_behind_a_long_number_do_not_count(dtype):
    full, empty = (np.frombuffer(bytes([byte]) * 1632, dtype).copy() for byte in (1, 0))
    full[...] = empty[...] = np.ones(1, dtype)[0]
    assert digest(full) == digest(empty) == digest(empty[::-1]) != digest(np.zeros_like(full))
    assert digest(full[0]) == digest(empty[0]) != digest(np.zeros_like(full)[0])
    shifted = full.copy()
    shifted[-1] = np.zeros(1, dtype)[0]
    assert digest(shifted) != digest(full)


def test_texts_of_a_loop_count_by_what_they_say():
    def loop(*texts):
        made = list(texts)
        made.append(made)
        return made

    one, other = (text.decode() for text in (b"ab", b"ab"))
    assert digest(loop(one, one)) == digest(loop(one, other)) != digest(loop(one, "ac"))
    assert digest(loop(b"ab")) != digest(loop("ab")) != digest(loop("str ab"))
    assert digest(loop("a", "bc")) != digest(loop("ab", "c"))
    assert digest(loop({"a"}, 1)) != digest(loop("set a", 1))
