"""Files of a cache directory made by somebody else, checksums and all: no crash, no code, nothing outside is touched."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cachepy import (
    cache_file,
    cache_list,
    cache_prune,
    cache_repair,
    cache_tree_files,
    cache_tree_nodes,
    cache_tree_stale,
    cache_tree_summary,
    cache_tree_sync,
    cache_tree_to_dot,
    cache_tree_to_json,
    cache_tree_to_mermaid,
)
from cachepy.session import Session, use_session
from cachepy.store import entryfile, journal, safe_pickle
from cachepy.store.bulk_decode import payload_event
from cachepy.store.codec import PACKED
from cachepy.store.entryfile import _CHECK, _HEAD, _ROW, START, EntryFile, _header_check
from cachepy.store.journal import is_dep, is_event
from cachepy.store.meta import _rows_in

sys.path.insert(0, str(Path(__file__).parent))
import victims

KINDS = ["graph", "entry", "memo", "claim", "mailbox", "valid"]
TOUCHING = {"open", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.utime"}
_touched: list[str] = []
_watched: list[str] = []


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if _watched and event in TOUCHING:
        _touched.extend(p for p in args if isinstance(p, str) and os.path.abspath(p).startswith(_watched[0]))


sys.addaudithook(_audit)


class Target:
    """A cache directory, and beside it a place that nobody may touch."""

    def __init__(self, top: Path) -> None:
        self.top, self.root, self.outside = top, top / "cache", top / "outside"
        self.canary = top / "canary"
        self.input = top / "input"
        self.outside.mkdir()
        for text in ("one", "other", "one"):
            self.input.write_text(text)
            self.calls()
        entry = next(self.root.rglob("top*.entry"))
        (self.outside / "x.entry").write_bytes(entry.read_bytes())
        (self.root / "runs").mkdir()
        (self.root / "runs" / "0").write_bytes(journal.frame(("file", "x", None)))
        entry.with_suffix(".claim").write_bytes(safe_pickle.dumps(("another host", 7, "1", "token")))
        self.memo = b"".join(entryfile.Struct("<q").pack(0) for _ in range(8))
        (self.root / "stat.memo").write_bytes(self.memo)
        self.kept = {path: path.read_bytes() for path in self.root.rglob("*") if path.is_file()}

    def calls(self) -> None:
        with use_session(Session()):
            _, top = victims.make_small(cache_file(self.root))
            assert top(3, self.input) == [{"x": 3}, self.input.read_text()]

    def restore(self) -> None:
        shutil.rmtree(self.root / "broken", ignore_errors=True)  # its folders would be walked for each of thousands
        for path in self.root.rglob("*"):
            if path.is_file() and path not in self.kept:
                path.unlink()
        for path, data in self.kept.items():
            if not path.exists() or path.read_bytes() != data:
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(data)

    def path(self, kind: str) -> Path:
        patterns = {"graph": "graph.pkl", "memo": "stat.memo", "mailbox": "runs/*", "entry": "top*.entry"}
        return next(p for p in sorted(self.kept) if p.match(patterns.get(kind, f"*.{kind}")))

    def judge(self) -> None:
        """Everything that reads the directory, and some that changes it."""
        _touched.clear()
        _watched[:] = [str(self.outside)]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.calls()
                with use_session(Session()):
                    cache_tree_sync(self.root)
                    self.ask()
                    cache_prune(self.root, days_old=10_000)
                    cache_repair(self.root)
                self.calls()
        finally:
            _watched.clear()
        assert not _touched, _touched
        assert not self.canary.exists(), "code was run"
        assert sorted(p.name for p in self.outside.iterdir()) == ["x.entry"]
        assert sorted(p.name for p in self.top.iterdir()) == ["cache", "input", "outside"]

    def ask(self) -> None:
        nodes = cache_tree_nodes()
        assert all((self.root / "entries") in node["outfile"].parents for node in nodes.values() if node["outfile"])
        json.loads(cache_tree_to_json())
        for query in (cache_tree_summary, cache_tree_files, cache_tree_to_dot, cache_tree_to_mermaid, cache_tree_stale):
            query()
        cache_list(self.root)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    return Target(tmp_path_factory.mktemp("fuzz"))


@pytest.fixture(autouse=True)
def _importing_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a graph names may be imported to be verified, as running it would; not in this test."""
    real = Session.__init__
    monkeypatch.setattr(Session, "__init__", lambda self, *args: real(self, *args, import_code=False))


# -- what somebody may write


class Bomb:
    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.canary, "w")


OPCODES = [
    b"cposix\nsystem\n", b"(iposix\nsystem\n", b"\x8c\x05posix\x8c\x06system\x93", b"\x82\x01", b"Pabc\n", b"Q", b"R", b"b",
    b"\x81", b"\x92", b"o", b"\x97", b"\x98", b"\x95" + b"\xff" * 8, b"\x8e" + b"\xff" * 7 + b"\x00", b"\x96" + b"\xff" * 7 + b"\x00",
    b"r\xff\xff\xff\x7f", b"p2000000000\n", b"r\x00\x00\x00\x08", b"\x8b\xff\xff\xff\x7f", b"(" * 3000, b"(" * 3000 + b"t" * 3000,
    b")" + b"\x85" * 200_000 + b"N\x86", b"}" + b")" + b"\x85" * 200_000 + b"Ns", b"(" + b")" + b"\x85" * 200_000 + b"\x91",
    b"}" + b")\x94" + b"h\x00h\x00\x86\x94" + b"".join(b"h%ch%c\x86\x94" % (i, i) for i in range(1, 60)) + b"Ns",
    b"I" + b"9" * 10_000 + b"\n", b"2" * 50, b"\x8f(\x90", b"]\x94h\x00a", b"0", b"1", b".",
]  # fmt: skip
PIECES = st.one_of(st.sampled_from(OPCODES), st.binary(max_size=12))
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), PIECES), max_size=3)
AWAY = [
    "../x",
    "../../outside/x",
    "f:../../outside/x",
    "/etc/passwd",
    "..",
    "",
    "\0",
    "\ud800",
    "a" * 5000,
    "f:" + "0" * 32,
]
ODD = st.one_of(
    st.sampled_from([*AWAY, None, True, -1, 0, 1 << 62, 1 << 2000, -1.0, 1e300, float("nan"), float("inf"), b"x", (), [], {}]),
    st.text(max_size=8), st.integers(), st.floats(),
)  # fmt: skip
PLACES = st.lists(st.tuples(st.lists(st.integers(0, 15), min_size=1, max_size=4), ODD), max_size=3)


def edited(data: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    for where, length, piece in edits:
        at = int(where * len(data))
        data = data[:at] + piece + data[at + length :]
    return data


def replaced(value: Any, path: list[int], odd: Any) -> Any:
    """A plain value with one part of it replaced; of text, also only its end."""
    if type(value) in (tuple, list) and value and path:
        at = path[0] % len(value)
        return type(value)([*value[:at], replaced(value[at], path[1:], odd), *value[at + 1 :]])
    if type(value) is dict and value and path:
        key = sorted(value, key=str)[path[0] % len(value)]
        return {**value, key: replaced(value[key], path[1:], odd)}
    if type(value) is str and path and type(odd) is str:
        return value[: path[0]] + odd
    return odd


def forged(plain: Any, places: list[Any], edits: list[Any], bomb: str | None) -> bytes:
    """A pickle of almost that."""
    for path, odd in places:
        plain = replaced(plain, path, odd)
    if bomb is not None:
        plain = replaced(plain, [1, 0], Bomb(bomb))
    return edited(pickle.dumps(plain, 5), edits)


def framed(payload: bytes) -> bytes:
    return journal._HEAD.pack(journal.MARK, len(payload), journal.xxh32_intdigest(payload)) + payload


def with_meta(data: bytes, meta: bytes) -> bytes:
    """An entry with another meta, and the checksums that go with it."""
    at = START.size + START.unpack_from(data)[1]
    count, length, *lengths, size, value, call = _HEAD.unpack_from(data, at)
    rows = at + _HEAD.size + _CHECK
    start = rows + count * _ROW.size
    head = data[:at] + _HEAD.pack(count, len(meta), *lengths, size + len(meta) - length, value, call)
    table = data[rows:start]
    return head + _header_check(head, table, meta) + table + meta + data[start + length :]


def mutated(target: Target, kind: str, data: st.DataObject) -> bytes:
    path = target.path(kind)
    whole = target.kept[path]
    edits, places = data.draw(EDITS), data.draw(PLACES)
    bomb = str(target.canary) if data.draw(st.booleans()) else None
    if kind in ("graph", "mailbox"):
        records = [r for r in journal.scan(whole) if r is not None]
        chosen = data.draw(st.integers(0, len(records) - 1))
        return b"".join(
            framed(forged(r, places, edits, bomb) if i == chosen else safe_pickle.dumps(r))
            for i, r in enumerate(records)
        )
    if kind == "entry":
        meta = EntryFile(str(path)).meta
        if data.draw(st.booleans()):  # as it is written where an event cannot be packed
            rows = [(payload_event(p).wire() if p[:1] == PACKED else p, name) for p, name in _rows_in(str(path), meta)]
            return with_meta(whole, forged([(safe_pickle.dumps(e), name) for e, name in rows], places, edits, bomb))
        return with_meta(
            whole, edited(meta, edits) if meta[:1] == PACKED else forged(safe_pickle.loads(meta), places, edits, bomb)
        )
    if kind == "memo":
        numbers = data.draw(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=5, max_size=5))
        from cachepy.store import stat_cache

        digest = data.draw(st.binary(min_size=16, max_size=16))
        row = stat_cache._ROW.pack(
            *numbers, digest, stat_cache.xxh3_64_intdigest(repr(tuple(numbers)).encode() + digest)
        )
        return edited(row * 3, edits)
    return forged(safe_pickle.loads(whole), places, edits, bomb)


def attack(target: Target, kind: str, data: st.DataObject) -> None:
    target.restore()
    path = target.path(kind)
    path.write_bytes(mutated(target, kind, data))
    if kind != "claim":
        target.path("claim").unlink()
        return target.judge()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cachepy.store.claims.LEASE", 0.01)
        target.judge()
    return None


def fuzz(examples: int) -> Any:
    return settings(
        max_examples=examples,
        deadline=10_000,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files(target: Target, kind: str) -> None:
    @fuzz(40)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        attack(target, kind, data)

    run()
    target.restore()


@pytest.mark.stress
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("kind", KINDS)
def test_many_mutated_files(target: Target, kind: str) -> None:
    @fuzz(800 if kind in ("graph", "entry") else 400)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        attack(target, kind, data)

    run()
    target.restore()


# -- the checks one by one


HARMLESS = [b".", b"0", b"1", b"]\x94h\x00a", *[op for op in OPCODES if op[:5] == b")\x85\x85\x85\x85"]]
HARMLESS += [op for op in OPCODES if op[:2] == b"((" and op.endswith(b"tt")]


@pytest.mark.parametrize("data", HARMLESS, ids=lambda op: repr(op[:6]))
def test_opcodes_that_do_no_harm(data: bytes) -> None:
    """Plain data, if odd: nested deep, or a list in itself."""
    with suppress(ValueError):
        safe_pickle.loads(b"\x80\x05N" + data + b"N\x86.")


@pytest.mark.parametrize("data", [op for op in OPCODES if op not in HARMLESS], ids=lambda op: repr(op[:6]))
def test_opcodes_that_plain_data_has_not(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a pickle of plain data"):
        safe_pickle.loads(b"\x80\x05N" + data + b"N\x86.")


def test_plain_data_is_read() -> None:
    plain = [
        (None, True, False, 0, 255, 65_535, -1, 1 << 40, 1.5, "x", "y" * 300, b"z", b"z" * 300),
        {"a": [], 1: {}},
        (),
    ]
    assert safe_pickle.loads(safe_pickle.dumps([plain, plain[1]])) == [plain, plain[1]]
    assert (
        safe_pickle.loads(memoryview(safe_pickle.dumps([str(i) for i in range(1000)] * 2)))
        == [str(i) for i in range(1000)] * 2
    )


def event_of(target: Target) -> tuple[Any, ...]:
    target.restore()
    return next(r for r in journal.scan(target.kept[target.path("graph")]) if r and r[1] == "top")


FAR = [1e300, float("nan"), float("inf"), 1 << 2000]


@pytest.mark.parametrize("place", [0, 1, 4, 10, 12, 13, 14])
def test_events_that_name_something_else(target: Target, place: int) -> None:
    event = event_of(target)
    assert is_event(event)
    away = (
        FAR
        if place >= 12
        else [*AWAY, "entries/../x", f"entries/00/x-{event[4]}.entry", event[10].replace("top", "../top")]
    )
    for odd in away:
        assert not is_event((*event[:place], odd, *event[place + 1 :])), odd


@pytest.mark.parametrize("name", AWAY[:-1])
def test_calls_below_that_name_something_else(name: str) -> None:
    assert is_dep(("call", "f:" + "0" * 32, "1"))
    assert not is_dep(("call", name, "1"))
    assert not is_dep(("below", f"f:{name}", "1"))
    assert not is_dep(("code", "m:f", name)) or name.isalnum()
