"""The format of an entry: round trips, and any damage is an EntryError."""

from __future__ import annotations

import os
import pickle
import threading
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from cachepy.errors import EntryError, OtherFormatError, UntrustedEntryError
from cachepy.store import entryfile, safe_pickle
from cachepy.store.entryfile import EntryFile, assemble, load_value
from cachepy.store.meta import rows_of
from cachepy.store.payload import pack
from cachepy.store.trust import SEAL, Trust
from tests.programs import Project

META = b"what the store says of a call"


class Point(NamedTuple):
    x: int
    y: str


def written(path, value, meta=META):
    with open(path, "wb") as file:
        file.writelines(assemble(meta, pack(value)))
    return str(path)


def load(path):
    """Open it and load the value, as a call does."""
    opened = EntryFile(path)
    assert opened.meta == META
    return opened.value()


LARGE = np.arange(10_000, dtype=np.float64)  # 80 kB: out of band
VALUES = {
    "None": None,
    "nested": {"a": [1, (2.5, b"x")], "b": {3}},
    "named tuple": Point(1, "y"),
    "small array": np.arange(5),
    "array": LARGE,
    "F order": np.asfortranarray(LARGE.reshape(100, 100)),
    "view": LARGE[::2],
    "mapped array": np.arange(100_000),
    "several": [LARGE, LARGE[:7_001].astype(np.uint8).repeat(5), {"x": np.arange(50_000)}, b"y" * 100_000],
    "empty array": np.zeros((0, 3)),
    "frame": pd.DataFrame({"a": np.arange(50_000), "b": ["x", "y"] * 25_000}),
    "bytearray": bytearray(50_000),
    "bytes": b"z" * 300_000,
}


@pytest.mark.parametrize("name", VALUES)
def test_round_trip(tmp_path, name):
    value = VALUES[name]
    path = written(tmp_path / "x", value)
    EntryFile(path).check()
    found = load(path)
    assert type(found) is type(value)
    assert pickle.dumps(found, 5) == pickle.dumps(load(path), 5)
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(found, value)
    else:
        np.testing.assert_equal(found, value)


def test_what_is_the_same_object_stays_the_same(tmp_path):
    one, other = load(written(tmp_path / "x", [LARGE, LARGE]))
    assert one is other


@pytest.mark.parametrize("size", [10_000, 100_000], ids=["read", "mapped"])
def test_a_loaded_array_is_the_callers_own(tmp_path, size):
    path = written(tmp_path / "x", np.zeros(size))
    one, other = load(path), load(path)
    one[:] = 7
    assert not other.any() and not load(path).any()


@pytest.mark.parametrize("extra", range(0, 70, 7))
def test_buffers_are_aligned(tmp_path, extra):
    arrays = [np.arange(10_000), np.ones(40_001, np.uint8), np.arange(9_000.0)]
    path = written(tmp_path / "x", ["p" * extra, *arrays])
    table = EntryFile(path)._layout[2]
    offsets = [offset for offset, _, _ in entryfile._ROW.iter_unpack(table)]
    assert len(offsets) == 3 and not any(offset % 64 for offset in offsets)
    np.testing.assert_equal(load(path)[1:], arrays)


def test_buffers_that_are_not_contiguous_or_empty(tmp_path):
    np.testing.assert_equal(
        load(written(tmp_path / "x", LARGE.reshape(100, 100)[:, ::3])), LARGE.reshape(100, 100)[:, ::3]
    )


# ---- damage


SMALL = {"in band": {"a": [1, 2.5, "x"]}, "array": np.arange(40_000, dtype=np.uint8)}


@pytest.mark.parametrize("name", SMALL)
def test_truncated_anywhere(tmp_path, name):
    whole = b"".join(bytes(p) for p in assemble(META, pack(SMALL[name])))
    path = tmp_path / "x"
    lengths = range(len(whole)) if len(whole) < 2000 else [*range(600), *range(600, len(whole), 997), len(whole) - 1]
    for length in lengths:
        path.write_bytes(whole[:length])
        with pytest.raises(EntryError):
            load(str(path))


@pytest.mark.parametrize("name", SMALL)
def test_any_flipped_byte_is_noticed(tmp_path, name):
    whole = bytearray(b"".join(bytes(p) for p in assemble(META, pack(SMALL[name]))))
    path = tmp_path / "x"
    places = range(len(whole)) if len(whole) < 2000 else [*range(600), *range(600, len(whole), 997), len(whole) - 1]
    for at in places:
        for mask in (0x01, 0x80, 0xFF):
            whole[at] ^= mask
            path.write_bytes(whole)
            with pytest.raises(EntryError):
                load(str(path))
            whole[at] ^= mask
    path.write_bytes(whole)
    load(str(path))


def test_longer_than_it_was(tmp_path):
    path = written(tmp_path / "x", 1)
    with open(path, "ab") as file:
        file.write(b"\0")
    with pytest.raises(EntryError, match="is cut off"):
        EntryFile(path)


def test_a_flipped_byte_of_a_large_file_is_found_by_check(tmp_path, monkeypatch):
    monkeypatch.setattr(entryfile, "_CHECKED", 1 << 19)
    path = written(tmp_path / "x", np.zeros(100_000))
    with open(path, "r+b") as file:
        file.seek(-10, os.SEEK_END)
        file.write(b"\1")
    load(path)  # by place and length only
    with pytest.raises(EntryError, match="fails its checksum"):
        EntryFile(path).check()
    monkeypatch.setenv("CACHEPY_VERIFY", "1")
    with pytest.raises(EntryError, match="fails its checksum"):
        load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"cachepy",
        entryfile.MAGIC,
        b"PK\3\4" * 100,
        pickle.dumps([1]),
        b"\0" * 400_000,
        entryfile.MAGIC + b"\xff" * 99,
    ],
)
def test_a_foreign_file(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(EntryError, match="x"):
        EntryFile(str(tmp_path / "x"))


def test_another_version(tmp_path):
    path = written(tmp_path / "x", 1)
    for version in (1, 2, entryfile.MAGIC[-1] + 1, 31):
        with open(path, "r+b") as file:
            file.seek(len(entryfile.MAGIC) - 1)
            file.write(bytes([version]))
        age = "an older" if version < entryfile.MAGIC[-1] else "a newer"
        text = f"has format {version} of {age} cachepy; this one reads format {entryfile.MAGIC[-1]}$"
        with pytest.raises(OtherFormatError, match=text):
            EntryFile(path)


@pytest.mark.parametrize("wrapped", [False, True], ids=["as the meta", "as an event in it"])
def test_meta_that_would_run_code(tmp_path, wrapped):
    bomb = pickle.dumps([os.getcwd])
    path = written(tmp_path / "x", 1, safe_pickle.dumps([(bomb, None), (bomb, "y.old")]) if wrapped else bomb)
    with pytest.raises(EntryError, match="refused"):
        rows_of(path, EntryFile(path))


# ---- who made it


START = entryfile.START.pack(entryfile.MAGIC, 5) + b"owner"


def with_start(start, value=LARGE, call=b"the call"):
    return b"".join(bytes(p) for p in assemble(META, pack(value), call, start=start))


def test_an_entry_behind_a_claim_is_the_same(tmp_path):
    path = tmp_path / "x"
    for start in (entryfile.NOBODY, START, entryfile.START.pack(entryfile.MAGIC, 4000) + b"x" * 4000):
        path.write_bytes(with_start(start))
        opened = EntryFile(str(path))
        opened.check()
        assert opened.meta == META and opened.call() == b"the call"
        np.testing.assert_equal(opened.value(), LARGE)
        assert not any(offset % 64 for offset, _, _ in entryfile._ROW.iter_unpack(opened._layout[2]))


def test_the_owner_is_part_of_what_is_checked(tmp_path):
    whole = bytearray(with_start(START))
    whole[len(START) - 1] ^= 1
    (tmp_path / "x").write_bytes(whole)
    with pytest.raises(EntryError, match="header fails its checksum"):
        EntryFile(str(tmp_path / "x"))


@pytest.mark.parametrize("length", [0, 4, 6, 500, 0xFFFF])
def test_an_owner_of_another_length(tmp_path, length):
    whole = with_start(START)
    (tmp_path / "x").write_bytes(entryfile.START.pack(entryfile.MAGIC, length) + whole[entryfile.START.size :])
    with pytest.raises(EntryError):
        EntryFile(str(tmp_path / "x"))


@pytest.mark.parametrize("size", [0, 5, 10, 15])
def test_a_claim_alone_is_no_entry(tmp_path, size):
    (tmp_path / "x").write_bytes(START[:size])
    with pytest.raises(EntryError, match=r"is cut off|not a cachepy entry"):
        EntryFile(str(tmp_path / "x"))


def test_a_signature_covers_the_owner(tmp_path):
    trust = Trust(key=b"0123456789abcdef")
    path = tmp_path / "x"

    def signed(start):
        return b"".join(bytes(p) for p in assemble(META, pack(1), b"", trust, start))

    path.write_bytes(signed(START))
    assert EntryFile(str(path), trust).value() == 1
    other = entryfile.START.pack(entryfile.MAGIC, 5) + b"other"
    path.write_bytes(signed(other)[:-SEAL] + signed(START)[-SEAL:])
    with pytest.raises(UntrustedEntryError, match="altered"):
        EntryFile(str(path), trust).value()


class Fragile:
    error = None

    def __setstate__(self, state):
        if Fragile.error is not None:
            raise Fragile.error


@pytest.mark.parametrize("error", [KeyError("x"), ImportError("x"), RecursionError("x"), MemoryError("x")])
def test_a_value_that_cannot_be_loaded(error, monkeypatch):
    value = Fragile()
    value.x = 1
    payload = pack(value)
    monkeypatch.setattr(Fragile, "error", error)
    with pytest.raises(EntryError, match=type(error).__name__):
        load_value(payload.pickle)


def test_interrupting_a_load_is_no_damage(monkeypatch):
    value = Fragile()
    value.x = 1
    payload = pack(value)
    monkeypatch.setattr(Fragile, "error", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        load_value(payload.pickle)


# ---- code of __main__


SCRIPT = """
import sys
from cachepy.store.entryfile import EntryFile, assemble
from cachepy.store.payload import pack

class Thing:
    class Inner:
        def __init__(self, x): self.x = x
    def __init__(self, x): self.x = x

def double(x): return 2 * x

if __name__ == "__main__":
    if sys.argv[1] == "write":
        with open(sys.argv[2], "wb") as file:
            local = [lambda x: x + 1] if "local" in sys.argv else []
            file.writelines(assemble(b"", pack([Thing(1), Thing.Inner(2), double, Thing, *local])))
    found = EntryFile(sys.argv[2]).value()
    print(found[0].x, found[1].x, found[2](2), found[3] is Thing, [f(1) for f in found[4:]])
"""


@pytest.mark.parametrize("local", [[], ["local"]], ids=["plain", "with a lambda"])
def test_classes_and_functions_of_main(tmp_path, local):
    (tmp_path / "script.py").write_text(SCRIPT)

    def run(*command):
        return Project(tmp_path).run(*command).stdout.split()

    for how in ("write", "read"):
        assert run("script.py", how, "x", *local) == ["1", "2", "4", "True", "[2]" if local else "[]"]
    look = "from cachepy.store.entryfile import EntryFile as E; v = E('x').value(); print(v[0].x, v[2](3))"
    assert run("-c", look) == ["1", "6"]


def test_a_lambda_travels_by_value():
    found = load_value(pack([lambda x: x + 1, 3]).pickle)
    assert found[0](1) == 2


def test_code_of_main_that_its_name_does_not_mean_any_more(tmp_path):
    script = """
from cachepy.store.entryfile import load_value
from cachepy.store.payload import pack
def f(): return 1
old = f
def f(): return 2
found = load_value(pack([old, f]).pickle)
print(found[0](), found[1](), found[1] is f)
"""
    (tmp_path / "script.py").write_text(script)
    assert Project(tmp_path).run("script.py").stdout.split() == ["1", "2", "True"]


def test_what_cannot_be_pickled():
    with pytest.raises(TypeError, match="pickle"):
        pack([threading.Lock()])
