"""Digests of values: what each way of writing them must not confuse, and what holds across processes and threads."""

from __future__ import annotations

import array
import os
import subprocess
import sys
import threading
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from cachepy import digest as module
from cachepy.digest import Digester, Found, flat_stream
from cachepy.values import flat
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
from cachepy.digest import Digester
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
    with pytest.raises(module.UndigestableError):
        mine.digest([[Held(1)], {"a": threading.Lock()}])
    assert first == [mine.digest(value) for value in values]
    assert len(mine._idle) <= 3
    assert not any(hasattr(pickler, "found") or pickler.chunks for pickler in mine._idle)


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
        found = Found()
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
