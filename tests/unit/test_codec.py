"""Packed events: the same event comes back, and whatever somebody else wrote is an event in all its parts or refused."""

from __future__ import annotations

import string
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachepy.core.model import CALL, FILE, Dep, Event, Trace
from cachepy.graph.graph import Graph, read_events
from cachepy.store import journal, safe_pickle
from cachepy.store.bulk_decode import Intake, payload_event
from cachepy.store.codec import PACKED, pack, payload_of, rank, row_of, run_in, unpack
from cachepy.store.schema import is_event

KEYS = st.text("0123456789abcdef", min_size=32, max_size=32)
TEXTS = st.one_of(
    st.text(string.ascii_letters + "/.:=\\", max_size=12),
    st.text(max_size=6),
    st.sampled_from(["", "\n", "\x1d", "\x1f", "\0", "a\x1fb", "\ud800", "None", "e", "../x", "/a//b/../c"]),
)
DEPS = st.builds(Dep, st.sampled_from([FILE, "code", "name", "env", "other"]), TEXTS, st.none() | KEYS | TEXTS)
CALLS = st.builds(lambda kind, name, key, effect: Dep(kind, f"{name}:{key}", effect),
                  st.sampled_from([CALL, "below"]), TEXTS, KEYS, st.none() | KEYS)  # fmt: skip
TIMES = st.floats(-1e14, 1e14)
LABELS = st.dictionaries(TEXTS, TEXTS, max_size=3)


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Events as they come from our own code, with odd texts."""
    fname, key = draw(TEXTS), draw(KEYS)
    stem = draw(st.none() | st.text("abc_.-", max_size=5))
    return Event(
        f"{fname}:{key}", fname, draw(TEXTS), draw(TEXTS), key, draw(KEYS | TEXTS),
        Trace(tuple(draw(st.lists(DEPS, max_size=3))), tuple(draw(st.lists(CALLS, max_size=3))), draw(KEYS | TEXTS)),
        draw(LABELS), draw(LABELS), draw(TEXTS), None if stem is None else f"entries/{key[:2]}/{stem}-{key}.entry",
        draw(TEXTS), draw(TIMES), draw(TIMES), draw(TIMES), draw(TEXTS),
    )  # fmt: skip


KEY = "0" * 32
EVENT = Event(
    "f:" + KEY, "f", "m", "f", KEY, "r", Trace((Dep(FILE, "x", None),), (Dep(CALL, "g:" + KEY, "d"),), "res"), {"a": "d"},
    {"a": "3", "b": "'x'"}, "/root", f"entries/00/f-{KEY}.entry", "/", 1.0, 2.0, 3.0, "host:1:2",
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(events())
def test_the_same_event_comes_back(event: Event) -> None:
    row = row_of(event)
    assert unpack(row) == event
    assert unpack(row, {}).wire() == event.wire()
    assert rank(row) == (event.seen, event.created, event.run)
    assert run_in(row) == event.run
    [found] = list(journal.scan(journal.framed(payload_of(row))))
    assert found == (event.wire() if is_event(event.wire()) or payload_of(row)[:1] != PACKED else None)


def test_usual_events_are_packed() -> None:
    assert pack(EVENT)[:1] == PACKED
    assert payload_event(pack(EVENT)) == EVENT
    odd = EVENT.replace(label={"a": "1\n2"})
    assert pack(odd)[:1] != PACKED
    assert unpack(row_of(odd)) == odd


@pytest.mark.parametrize("field", range(len(EVENT.wire())))
def test_odd_fields_of_our_own(field: int) -> None:
    """Whatever stands in an event, the graph takes it; only what is no text at all may become one."""
    for odd in (None, 3, ("a",), {"a": 1}, float("nan"), "a" * 40, "\n", 1 << 2000):
        values = list(EVENT.astuple())
        if Event._fields[field] in ("trace", "args", "label"):
            continue
        values[field] = odd
        Graph().apply(Event(*values)) if field or isinstance(odd, (str, int)) else None


# -- what somebody may write


def read(payload: bytes) -> list[Event]:
    """The events that are taken of a payload, by every way in."""
    ids, rows = Intake({}).rows([payload])
    among, _ = Intake({}).rows([pack(EVENT), payload, pack(EVENT)])
    assert [each for each in among if each != EVENT.id] == [each for each in ids if each != EVENT.id]
    assert len(among) == 2 + len(ids)
    found = [unpack(row) for row in rows]
    assert [event.id for event in found] == ids
    return found


def judge(payload: bytes) -> None:
    for event in read(payload):
        assert is_event(event.wire())
        graph = Graph()
        graph.apply(EVENT)
        graph.apply(event)
        graph.nodes(), graph.files(), graph.for_file("x"), graph.summary(), graph.history({}), graph.run_of(event.id)


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_any_bytes(data: st.DataObject) -> None:
    payload = pack(EVENT)
    for _ in range(data.draw(st.integers(1, 4))):
        at, length = data.draw(st.integers(0, len(payload))), data.draw(st.integers(0, 30))
        piece = data.draw(st.binary(max_size=6) | st.sampled_from([b"\x1d", b"\n", b"\x1f", b"\0", b"\x1f\0", b"../"]))
        payload = payload[:at] + piece + payload[at + length :]
    if payload[:1] == PACKED:
        judge(payload)


@settings(max_examples=300, deadline=None)
@given(events(), st.data())
def test_other_texts_in_the_fields(event: Event, data: st.DataObject) -> None:
    payload = pack(event)
    if payload[:1] == PACKED:
        own, deps, rest = payload.split(b"\x1d", 2)
        parts = [own.split(b"\n"), deps.split(b"\x1f"), rest[:-24].split(b"\n")]
        chosen = data.draw(st.sampled_from(parts))
        chosen[data.draw(st.integers(0, len(chosen) - 1))] = data.draw(TEXTS).encode("utf-8", "surrogatepass")
        text = b"\x1d".join([b"\n".join(parts[0]), b"\x1f".join(parts[1]), b"\n".join(parts[2])])
        numbers = data.draw(st.lists(st.floats() | TIMES, min_size=3, max_size=3))
        payload = text + struct.pack("<3d", *numbers)
        if payload[:1] == PACKED:
            judge(payload)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), 1e300, -1e16])
@pytest.mark.parametrize("at", [-24, -16, -8])
def test_times_that_are_none(number: float, at: int) -> None:
    payload = bytearray(pack(EVENT))
    payload[at : at + 8 or None] = struct.pack("<d", number)
    assert not read(bytes(payload))


FIELDS: list[tuple[bytes, bytes]] = [
    (b"\n" + KEY.encode() + b"\n", b"\n" + KEY[1:].encode() + b"/\n"), (b"\n" + KEY.encode() + b"\n", b"\nx\n"),
    (b"g:" + KEY.encode(), b"../x"), (b"g:" + KEY.encode(), b"g:../../x"), (b"\x1fcall", b"\x1fcall\x1fx"),
    (b"\n/f", b"\n/../f"), (b"\n/f", b"\nf"), (b"\n/f", b"\n/f\0"), (b"\n/f", b"\n/a\\f"), (b"\n/f", b""), (b"/root", b"\xff\xfe"),
    (b"file\x1fx\x1f\0", b"call\x1f../x\x1f1"), (b"file\x1fx\x1f\0", b"code\x1fx\x1f../x"), (b"file\x1fx\x1f\0", b"file\x1fx"),
    (b"file\x1fx\x1f\0", b"code\x1fx\x1f"), (b"\x1d", b""), (b"host", b"ho\nst"), (b"res", b"r\ns"), (b"res", b"\xc5cpj"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), FIELDS, ids=repr)
def test_payloads_that_name_something_else(old: bytes, new: bytes) -> None:
    payload = pack(EVENT)
    assert old in payload
    assert not read(payload.replace(old, new))


@pytest.mark.parametrize("size", range(24))
def test_payloads_that_are_cut_off(size: int) -> None:
    assert not read(pack(EVENT)[:size] or PACKED)


def test_a_bad_one_among_many(tmp_path: Any) -> None:
    path = str(tmp_path / "graph.pkl")
    good = [EVENT.replace(id=f"f:{i:032x}", hash=f"{i:032x}", outfile=None) for i in range(2500)]
    payloads = [pack(event) for event in good]
    for at in (0, 7, 1000, 2499):
        payloads[at] = payloads[at].replace(b"file", b"call")
    payloads.insert(5, safe_pickle.dumps(good[0].wire()))
    journal.write_packed(path, payloads)
    found, damaged = read_events(path)
    assert damaged
    assert sorted(e.id for e in found) == sorted(e.id for i, e in enumerate(good) if i not in (7, 1000, 2499))


def test_another_root(tmp_path: Any) -> None:
    path = str(tmp_path / "graph.pkl")
    odd = EVENT.replace(id="g:" + KEY, fname="g", outfile=None, label={"a": "\n"})
    journal.write_packed(path, [pack(EVENT), pack(odd), pack(EVENT.replace(root="/here", run="s"))])
    found, damaged = read_events(path, root="/here")
    assert not damaged
    want = [EVENT.replace(root="/here"), odd.replace(root="/here"), EVENT.replace(root="/here", run="s")]
    assert sorted(map(repr, found)) == sorted(map(repr, want))
