r"""An event as one row of bytes: a record of the journal, and a node of the graph in memory.

A row has three parts: what is its own, its deps, and what the calls of one function share.  Between them
is \x1d, between fields \n, between the items of a field \x1f; an event with one of these in a text is pickled instead.

    own      e and run, key, result; the names of args and their digests; likewise labels; of each call below
             kind, id and effect (\0: none)
    deps     cwd; of each dep kind, name and digest (\0: none)
    shared   fname, module, qualname, root, origin, stem of the entry's name behind "/" (empty: not stored)
    times    seen, created and elapsed as doubles, right behind the text

Reading one can do no harm: text is split, nothing more.  `bulk_decode` checks those that come from files.
"""

from __future__ import annotations

import gc
import struct

from cachepy.core.kinds import EDGES, FILES, KINDS, PATHS, absolute
from cachepy.core.model import Dep, Event, Trace
from cachepy.store import safe_pickle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Row = bytes | Event  # an event if it cannot be packed

PACKED = b"e"
PART = b"\x1d"
ITEM = "\x1f"
TIMES = struct.Struct("<3d")
TEXT = slice(-TIMES.size)
_NONE = "\0"
_BETWEEN = b"\n\x1d\x1f"
_NEWLINE = ord("\n")
_STEM = slice(len("entries/00"), -len("-.entry") - 32)


# ---------------------------------------------------------------- writing


def pack(event: Event) -> bytes:
    """The payload of a record that holds an event; made once."""
    made: bytes | None = event._packed
    if made is None:
        try:
            made = _packed(event)
        except (LookupError, TypeError, ValueError, struct.error):  # a part that is no text or no number
            made = None
        if made is None:
            made = safe_pickle.dumps(event.wire())
        event._packed = made
    return made


def _packed(event: Event) -> bytes | None:
    """None if a text holds what stands between the parts, or a name is not made of what it always is."""
    fname, key, outfile, trace = event.fname, event.hash, event.outfile, event.trace
    args, label, deps, calls = event.args, event.label, trace.deps, trace.calls
    stem = "" if outfile is None else outfile[_STEM]
    if event.id != f"{fname}:{key}" or (outfile is not None and outfile != f"entries/{key[:2]}{stem}-{key}.entry"):
        return None
    text = (
        f"e{event.run}\n{key}\n{trace.result}\n{_flat(args) if args else ''}\n{_flat(label) if label else ''}"
        f"\n{_items(calls) if calls else ''}\x1d{event.cwd}{_items(deps) if deps else ''}"
        f"\x1d{fname}\n{event.module}\n{event.qualname}\n{event.root}\n{event.origin}\n{stem}"
    ).encode("utf-8", "surrogatepass")
    between = 12 + 3 * (len(deps) + len(calls)) + 2 * (len(args) + len(label))
    if len(text) - len(text.translate(None, _BETWEEN)) != between:
        return None
    if b"\0" in text and any(_NONE in (d.kind, d.name, d.digest) for d in (*deps, *calls)):
        return None
    return text + TIMES.pack(event.seen, event.created, event.elapsed)


def _items(deps: tuple[Dep, ...]) -> str:
    parts = [f"\x1f{d.kind}\x1f{d.name}\x1f{_NONE if d.digest is None else d.digest}" for d in deps]
    return parts[0] if len(parts) == 1 else "".join(parts)


def _flat(texts: dict[str, str]) -> str:
    return ITEM.join(["", *texts, *texts.values()])


def row_of(event: Event) -> Row:
    """An event as a row."""
    payload = pack(event)
    return payload if payload[:1] == PACKED else event


def payload_of(row: Row) -> bytes:
    """What a record holds for a row."""
    return row if type(row) is bytes else pack(row)  # type: ignore[arg-type]  # what is not bytes is an event


# ---------------------------------------------------------------- reading


def unpack(row: Row, known: dict[bytes, Any] | None = None) -> Event:
    """The event of a row; known: what parts of rows are that others may have too."""
    if isinstance(row, Event):
        return row
    known = {} if known is None else known
    own, part, rest = row.split(PART, 2)
    shared = rest[TEXT]
    cwd, deps = known.get(part) or known.setdefault(part, _own_deps(part))
    fname, module, qualname, root, origin, stem = known.get(shared) or known.setdefault(shared, fields_in(shared))
    run, key, result, args, labels, calls = fields_in(own[1:])
    seen, created, elapsed = TIMES.unpack(rest[-TIMES.size :])
    outfile = f"entries/{key[:2]}{stem}-{key}.entry" if stem else None
    trace = Trace(deps, _deps(calls) if calls else (), result)
    return Event(
        f"{fname}:{key}", fname, module, qualname, key, run, trace, _pairs(args), _pairs(labels), root, outfile, cwd,
        created, elapsed, seen, origin,
    )  # fmt: skip


def rank(row: Row) -> tuple[float, float, str]:
    """Of two rows of one call, the one with the higher rank counts."""
    seen, created, _ = times(row)
    return seen, created, run_in(row)


def times(row: Row) -> tuple[float, float, float]:
    """When it was seen, when made, and how long that took."""
    if isinstance(row, Event):
        return row.seen, row.created, row.elapsed
    seen, created, elapsed = TIMES.unpack_from(row, len(row) - TIMES.size)
    return seen, created, elapsed


def run_in(row: Row) -> str:
    """Which run a row is of."""
    return decoded(row[1 : row.index(b"\n")]) if isinstance(row, bytes) else row.run


def shared_in(row: bytes) -> bytes:
    """What it shares with other calls of its function."""
    return row.split(PART, 2)[2][TEXT]


def origin_in(row: Row) -> str:
    """The process that recorded it."""
    return fields_in(shared_in(row))[4] if isinstance(row, bytes) else row.origin


def result_in(row: Row) -> str:
    """The digest of the result."""
    return decoded(row.split(b"\n", 3)[2]) if isinstance(row, bytes) else row.trace.result


def args_in(row: Row) -> dict[str, str]:
    """The digests of arguments."""
    return _pairs(decoded(row.split(b"\n", 4)[3])) if isinstance(row, bytes) else row.args


def labels_in(row: Row) -> dict[str, str]:
    """The short texts of arguments."""
    return _pairs(decoded(row.split(b"\n", 5)[4])) if isinstance(row, bytes) else row.label


def called_in(row: Row) -> list[str]:
    """The ids of the calls to which edges lead."""
    if isinstance(row, Event):
        return [c.name for c in row.trace.calls if c.kind in EDGES]
    end = row.index(PART)
    if row[end - 1] == _NEWLINE:
        return []
    parts = decoded(row[row.rindex(b"\n", 0, end) : end]).split(ITEM)
    return [name for kind, name in zip(parts[1::3], parts[2::3], strict=True) if kind in EDGES]


def calls_in(row: Row) -> list[str]:
    """The ids of the calls below, in the order in which they ended."""
    return own_in(row)[5].split(ITEM)[2::3] if isinstance(row, bytes) else [c.name for c in row.trace.calls]


def part_of(row: Row) -> bytes:
    """What the files of a row are known by (see `files_in`)."""
    return row.split(PART, 2)[1] if isinstance(row, bytes) else pack(row)


def files_in(part: bytes) -> tuple[tuple[str, str | None], ...]:
    """The absolute path and the digest of each file in the deps of a row."""
    if part[:1] == b"\x80":  # of a pickled event
        event = Event.unwire(safe_pickle.loads(part))
        return tuple([(absolute(event.cwd, d.name), d.digest) for d in event.trace.deps if d.kind in FILES])
    items = decoded(part).split(ITEM)
    found = [
        (absolute(items[0], name), None if digest == _NONE else digest)
        for kind, name, digest in zip(items[1::3], items[2::3], items[3::3], strict=True)
        if kind in FILES
    ]
    return tuple(found)


def own_in(row: bytes) -> list[str]:
    """Run, key, result, args, labels and calls; the last three still in one text each."""
    return fields_in(row[1 : row.index(PART)])


def fields_in(part: bytes) -> list[str]:
    """The fields of the first part behind the e, or of the last part."""
    return decoded(part).split("\n")


def deps_in(part: bytes) -> list[tuple[str, str, str | None]]:
    """Kind, name and digest of each dep in the second part, files by absolute paths."""
    cwd, between, rest = decoded(part).partition(ITEM)
    return [(k, KINDS[k].located(cwd, n) if k in PATHS else n, d) for k, n, d in triples_in(between + rest)]


def signs_of(words: Iterable[str]) -> tuple[bytes, ...]:
    """By what the bytes of a row show that there may be a dep of one of these kinds."""
    return tuple(f"{ITEM}{word}{ITEM}".encode() for word in words)


def has_any(part: bytes, signs: tuple[bytes, ...]) -> bool:
    """Whether there may be one."""
    for sign in signs:  # noqa: SIM110 - asked of each row: a generator takes three times as long
        if sign in part:
            return True
    return False


def _own_deps(part: bytes) -> tuple[str, tuple[Dep, ...]]:
    """The working directory and the deps, of the second part."""
    cwd, between, rest = decoded(part).partition(ITEM)
    return cwd, _deps(between + rest)


def triples_in(text: str) -> list[tuple[str, str, str | None]]:
    """Kind, name and digest of each dep in a text."""
    parts = text.split(ITEM)
    return [(k, n, None if d == _NONE else d) for k, n, d in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)]


def _deps(text: str) -> tuple[Dep, ...]:
    return tuple([Dep(*triple) for triple in triples_in(text)])


def _pairs(text: str) -> dict[str, str]:
    if not text:
        return {}
    parts = text.split(ITEM)
    half = (len(parts) + 1) // 2
    return dict(zip(parts[1:half], parts[half:], strict=False))


def decoded(part: bytes) -> str:
    """The text of some part."""
    return part.decode("utf-8", "surrogatepass")


class Quiet:
    """No collection of garbage meanwhile: nothing here is, and looking for some takes a quarter of the time."""

    def __enter__(self) -> None:
        self._collects = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._collects:
            gc.enable()
