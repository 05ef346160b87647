"""Damage to every kind of file in a cache directory: never a wrong value, never an exception, one warning, right afterwards."""

from __future__ import annotations

import gc
import os
import random
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from xxhash import xxh3_64_intdigest

from cachepy import (
    CheapCallWarning,
    cache_file,
    cache_tree_nodes,
    cache_tree_refresh,
    cache_tree_stale,
    cache_tree_sync,
    cache_verify,
)
from cachepy.errors import EntryError
from cachepy.session import Session, use_session
from cachepy.store import entryfile, files
from cachepy.store.entryfile import EntryFile
from cachepy.store.owner import Owner
from cachepy.store.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, str(Path(__file__).parent))
import victims

SIZE = victims.SIZE
KINDS = ["entry", "mapped", "old", "valid", "graph.pkl", "stat.memo", "code", "CACHEDIR.TAG", "claim", "mailbox"]
KEY = "a key that nobody guesses"


class Cache:
    """A cache directory with a file of every kind, and what its calls give."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.root = top / "cache"
        self.input, self.large = top / "input.txt", top / "large.bin"
        self.large.write_bytes(b"x" * 20_000)
        os.utime(self.large, (1e9, 1e9))
        self.fill()
        self.kept = {path: path.read_bytes() for path in self.root.rglob("*") if path.is_file()}

    def calls(self) -> list[Any]:
        """Everything once, checked; returns what ran."""
        victims.RAN.clear()
        lines, array, total = victims.make(cache_file(self.root, ignore_globals=["RAN"]))
        want = {"text": self.input.read_text(), "length": 20_000}
        assert lines(self.input, self.large) == want
        assert np.array_equal(array(3), np.arange(SIZE) + 3)
        assert total(self.input, self.large) == [want, SIZE * (SIZE - 1) // 2 + 3 * SIZE]
        return victims.RAN[:]

    def fill(self) -> None:
        for text in ("one", "two, which is longer", "one"):
            self.input.write_text(text)
            self.fresh()
        assert self.fresh() == ([], [])
        claim = next(self.root.rglob("array*.entry")).with_suffix(".claim")
        dead = Owner()
        dead._text = dead._text.replace(f"\n{dead.start}\n".encode(), b"\n1\n")
        claim.write_bytes(dead.sign("token")[1])
        known = files.StatMemo()
        known.put(files.identity_of(self.large.stat()), files.Files(known).digest(str(self.large)) or "", 20_000)
        known.flush(str(self.root / "stat.memo"))
        (self.root / "runs").mkdir()
        (self.root / "runs" / ("0" * 32)).write_bytes(b"")

    def fresh(self) -> tuple[list[Any], list[str]]:
        """All calls by a process that begins: what ran, and the warnings."""
        with warnings.catch_warnings(record=True) as caught, use_session(Session()):
            warnings.simplefilter("always")
            warnings.simplefilter("ignore", CheapCallWarning)  # goes by the clock
            ran = self.calls()
        return ran, [str(w.message) for w in caught]

    def sync(self) -> tuple[set[str], list[str]]:
        with warnings.catch_warnings(record=True) as caught, use_session(Session()):
            warnings.simplefilter("always")
            warnings.simplefilter("ignore", CheapCallWarning)
            cache_tree_sync(self.root)
            found = set(cache_tree_nodes())
            cache_tree_stale()
        return found, [str(w.message) for w in caught]

    def path(self, kind: str) -> Path:
        """One file of a kind."""
        patterns = {"entry": "lines*.entry", "mapped": "array*.entry", "mailbox": "runs/*", "code": "code/*"}
        pattern = patterns.get(kind, f"*.{kind}" if kind in ("old", "valid", "claim") else kind)
        return min(path for path in self.kept if path.match(pattern))

    def restore(self) -> None:
        for path in sorted(self.root.rglob("*"), reverse=True):
            if path not in self.kept and not (path.is_dir() and not path.is_symlink()):
                path.unlink()
            elif path in self.kept and path.is_dir():
                path.rmdir()
        for path, data in self.kept.items():
            if not path.is_file() or path.read_bytes() != data:
                path.write_bytes(data)

    def judge(self, what: str, *, heals: bool = True) -> None:
        """After damage: right, at most one warning a cause, and then a hit again."""
        known, first = self.sync()
        assert known <= self.whole, what
        assert len(first) <= 1, (what, first)
        _, second = self.fresh()
        assert len(second) <= 1, (what, second)
        assert all("cache" in text or str(self.root) in text for text in first + second), (what, first, second)
        if heals:
            ran, third = self.fresh()
            assert (ran, third) == ([], []), what
        self.restore()

    @property
    def whole(self) -> set[str]:
        if not hasattr(self, "_whole"):
            self._whole, caught = self.sync()
            assert len(self._whole) == 3 and not caught
        return self._whole


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("corruption"))


@pytest.fixture
def cache(template: Cache) -> Iterator[Cache]:
    template.restore()
    yield template
    template.restore()


def positions(length: int, count: int) -> list[int]:
    return list(range(length)) if length <= count else sorted(random.Random(5).sample(range(length), count))


def flips(data: bytes, count: int) -> Iterator[tuple[str, bytes]]:
    for at in positions(len(data), count):
        yield f"bit {at}", data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]


def value_flips(data: bytes) -> Iterator[tuple[str, bytes]]:
    """In the text of the value, where nothing but a checksum tells."""
    first = data.rindex(b"length")
    for at in range(first, first + 12, 2):
        yield f"value {at}", data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def truncations(data: bytes, count: int) -> Iterator[tuple[str, bytes]]:
    for length in positions(len(data), count):
        yield f"{length} bytes", data[:length]


def fillings(data: bytes, others: list[bytes]) -> Iterator[tuple[str, bytes]]:
    yield "zeros", bytes(len(data))
    yield "garbage", random.Random(1).randbytes(len(data) or 100)
    yield "empty", b""
    yield "zeros at the end", data[: len(data) // 2] + bytes(len(data) - len(data) // 2)
    yield "twice", data * 2
    for number, other in enumerate(others):
        yield f"another file {number}", other


def damages(cache: Cache, kind: str, count: int) -> Iterator[tuple[str, bytes]]:
    path = cache.path(kind)
    data = cache.kept[path]
    others = [other for each, other in sorted(cache.kept.items()) if each != path]
    yield from flips(data, count)
    if kind in ("entry", "old"):  # the older value is the one that holds
        yield from value_flips(data)
    yield from truncations(data, count)
    yield from fillings(data, others)


@pytest.mark.parametrize("kind", KINDS)
def test_damage(cache: Cache, kind: str) -> None:
    attack(cache, kind, 8)


@pytest.mark.stress
@pytest.mark.parametrize("kind", KINDS)
def test_damage_at_many_places(cache: Cache, kind: str) -> None:
    attack(cache, kind, 200)


def attack(cache: Cache, kind: str, count: int) -> None:
    gc.collect()  # what tests before left open is no warning of ours
    path = cache.path(kind)
    for what, data in damages(cache, kind, count):
        path.write_bytes(data)
        cache.judge(f"{kind}: {what}")


# -- files that are no files


def to_folder(path: Path) -> None:
    path.mkdir()


def to_nowhere(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def to_itself(path: Path) -> None:
    path.symlink_to(path)


def forbidden(path: Path) -> None:
    path.write_bytes(b"")
    path.chmod(0)


@pytest.mark.parametrize("change", [to_folder, to_nowhere, to_itself, forbidden])
@pytest.mark.parametrize("kind", KINDS)
def test_no_file_any_more(cache: Cache, kind: str, change: Any) -> None:
    """A folder stays, since it may be somebody's; then the call runs each time, and says so."""
    if change is forbidden and os.geteuid() == 0:
        pytest.skip("root may read everything; `.ci/run` tries it as another user")
    path = cache.path(kind)
    path.unlink()
    change(path)
    try:
        known, first = cache.sync()
        assert known <= cache.whole
        _, second = cache.fresh()
        cache.fresh()
        assert len(first) <= 1
        assert len(second) <= 3, second  # it cannot be read, nor replaced, and so a caller is told
    finally:
        if path.is_symlink():
            path.unlink()
        elif path.is_file():
            path.chmod(0o600)


# -- signed, and how calls were made


@pytest.fixture
def signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("CACHEPY_SIGNING_KEY", KEY)
    return Cache(tmp_path)


@pytest.mark.parametrize("kind", ["entry", "mapped", "old"])
def test_damage_to_signed_files(signed: Cache, kind: str) -> None:
    attack(signed, kind, 4)


class Places:
    """Where the parts of an entry are."""

    def __init__(self, data: bytes) -> None:
        self.head = entryfile.START.size + entryfile.START.unpack_from(data)[1]
        self.fields = list(entryfile._HEAD.unpack_from(data, self.head))
        count, meta, value, self.call_length, *_ = self.fields
        self.table = self.head + entryfile._HEAD.size + entryfile._CHECK
        self.meta = self.table + count * entryfile._ROW.size
        self.value = self.meta + meta
        self.call = self.value + value


def resealed(data: bytes, at: int) -> bytes:
    """An altered entry whose checksums are right again; its signature is not."""
    data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    places = Places(data)
    end = places.call + places.call_length
    checks = [xxh3_64_intdigest(data[places.value : places.call]), xxh3_64_intdigest(data[places.call : end])]
    head = data[: places.head] + entryfile._HEAD.pack(*places.fields[:-2], *checks)
    table, meta = data[places.table : places.meta], data[places.meta : places.value]
    return head + entryfile._header_check(head, table, meta) + data[places.table :]


@pytest.mark.parametrize("part", ["owner", "meta", "value", "call"])
def test_altered_files_with_right_checksums_are_never_unpickled(signed: Cache, part: str) -> None:
    path = signed.path("entry")
    data = signed.kept[path]
    places = Places(data)
    first = {
        "owner": entryfile.START.size + 1,
        "meta": (places.meta + places.value) // 2,
        "value": places.value + 5,
        "call": places.call + 5,
    }[part]
    for at in range(first, first + 6):
        path.write_bytes(resealed(data, at))
        with pytest.raises(EntryError, match="altered|not a pickle of plain data" if part == "meta" else "altered"):
            EntryFile(str(path), Trust.of_environment()).pickle()
        signed.judge(f"{part} {at}", heals=part != "call")


def test_damage_to_the_kept_arguments(cache: Cache) -> None:
    """They serve to make a call again; damaged, the call is made by its caller."""
    path = cache.path("entry")
    data = cache.kept[path]
    start, call = Places(data).call, Places(data).call_length
    assert call > 20
    for at in positions(call, 12):
        path.write_bytes(data[: start + at] + bytes([data[start + at] ^ 64]) + data[start + at + 1 :])
        with pytest.raises(EntryError, match="arguments fails its checksum"):
            EntryFile(str(path)).call()
        cache.large.write_bytes(b"y" * 20_000)  # stale: early cutoff wants to make it again
        with warnings.catch_warnings(), use_session(Session()):
            warnings.simplefilter("ignore")
            cache_tree_sync(cache.root)
            cache_tree_refresh()
        assert cache.fresh()[0]
        cache.large.write_bytes(b"x" * 20_000)
        cache.judge(f"arguments {at}", heals=False)


# -- large arrays


HUGE = 9_000_000  # numbers of 8 bytes: more than is read just to check them


def test_damage_to_a_large_mapped_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its buffers are checked by cache_verify and on demand; all else is at each load."""
    zeros = cache_file(tmp_path)(victims.zeros)
    with use_session(Session()):
        zeros(HUGE)
    path = next(tmp_path.rglob("*.entry"))
    buffer = path.stat().st_size - 8 * 1000

    def flip(at: int) -> None:
        with path.open("r+b") as file:
            file.seek(at)
            old = file.read(1)
            file.seek(at)
            file.write(bytes([old[0] ^ 1]))

    flip(buffer)
    assert [p.path for p in cache_verify(tmp_path).problems] == [str(path)]
    monkeypatch.setenv("CACHEPY_VERIFY", "1")
    with use_session(Session()), pytest.warns(match="fails its checksum"):
        assert not zeros(HUGE).any()
    monkeypatch.delenv("CACHEPY_VERIFY")
    places = Places(path.read_bytes()[:100_000])
    for at in (places.head + 8, places.table + 3, places.meta + 20, places.value + 5):
        flip(at)
        with use_session(Session()), pytest.warns():
            assert not zeros(HUGE).any()
