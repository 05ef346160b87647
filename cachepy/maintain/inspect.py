"""One look at one file of a cache directory: whole, broken, or not ours.

Reads everything against its checksums and loads no value, so no code of anybody runs.  Changes nothing.
A file that is replaced or removed while it is read is looked at again.
"""

from __future__ import annotations

import os
import stat as stats

from cachepy.code.source import FORMAT, is_whole, other_format
from cachepy.core.model import Event, Record
from cachepy.errors import EntryError, OtherFormatError, UntrustedEntryError
from cachepy.graph.graph import unpacked
from cachepy.graph.program_files import check_format, records_in
from cachepy.graph.table import FORMAT as GRAPH_FORMAT
from cachepy.graph.table import Reading
from cachepy.store import files, safe_pickle, value_files
from cachepy.store.entries import Store
from cachepy.store.entryfile import MAGIC, EntryFile
from cachepy.store.fs import PROGRAMS_HEAD, read_plain
from cachepy.store.layout import CLAIM, ENTRY, OLD, TEMPORARY, VALID, call_named, stem_of
from cachepy.store.locks import lock
from cachepy.store.meta import rows_of
from cachepy.store.relocation import moved_event
from cachepy.store.stat_cache import OTHER_MEMO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cachepy.store.codec import Row
    from cachepy.store.entryfile import Stamp

WHOLE, BROKEN, FOREIGN = "whole", "broken", "foreign"  # foreign: not ours to judge or to move
OTHER = "other"  # of another version of cachepy: left alone likewise, and no fault of the directory
_LOOKS = 5  # at a file that others replace all the time
_PLAIN = b"\x80\x05"  # how data in the wire form begins
PATIENCE = 5.0  # s; a writer holds the lock of the graph for the time of one write


class Look(Record):
    """One file as it was: its state, what is wrong, and the events that it vouches for."""

    __slots__ = ("path", "stamp", "state", "what", "events", "older", "missing")
    path: str
    stamp: Stamp
    state: str
    what: str  # empty if it is whole
    events: tuple[Event, ...]  # newest first; also of a file of which only the value is broken
    older: tuple[str, ...]  # the files with the values of the older events
    missing: tuple[str, ...]  # those of them that are not there


def stamp_of(path: str) -> Stamp | None:
    """The state that a file is in; None if it is gone."""
    try:
        st = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return st.st_ino, st.st_mtime_ns, st.st_size


def look(store: Store, path: str) -> Look | None:
    """Look at a file until it stays the same meanwhile; None if it went, or changes all the time."""
    for _ in range(_LOOKS):
        before = stamp_of(path)
        if before is None or _is_being_made(path):
            return None
        try:
            found = _look_once(store, path, before)
        except FileNotFoundError:
            return None
        if not (found.what or found.missing) or stamp_of(path) == before:
            return found
    return None


def _look_once(store: Store, path: str, stamp: Stamp) -> Look:
    seen = _Seen(stamp)
    try:
        if not stats.S_ISREG(os.stat(path).st_mode):
            state, what = FOREIGN, "is not a regular file"
        else:
            state, what = WHOLE, ""
            if path.endswith((ENTRY, OLD)):
                _check_entry(store, path, seen)
            elif _is_of_programs(path):
                _check_program(path)
            else:
                _check_plain(path)
    except FileNotFoundError:
        raise
    except OSError as error:  # no rights, or a bad disk: moving it would not help
        state, what = FOREIGN, f"cannot be read: {error.strerror}"
    except OtherFormatError as error:
        state, what = OTHER, error.what
    except UntrustedEntryError as error:  # a stranger's, not damage: it is left alone
        state, what = FOREIGN, str(error).removeprefix(f"{path} ")
    except (EntryError, ValueError) as error:
        state, what = BROKEN if _is_ours(path) else FOREIGN, str(error).removeprefix(f"{path} ")
    missing = [each for each in seen.older if state == WHOLE and path.endswith(ENTRY) and not os.path.exists(each)]
    return Look(path, seen.stamp, state, what, seen.events, seen.older, tuple(missing))


def _is_being_made(path: str) -> bool:
    """An older value is copied into its place where there are no hard links; its writer holds the claim."""
    return path.endswith(OLD) and os.path.exists(stem_of(path) + CLAIM)


class _Seen:
    """What is known of a file before the first thing that is wrong in it."""

    def __init__(self, stamp: Stamp) -> None:
        self.stamp = stamp
        self.events: tuple[Event, ...] = ()
        self.older: tuple[str, ...] = ()


def _check_entry(store: Store, path: str, seen: _Seen) -> None:
    """EntryError for the first thing that is wrong."""
    opened = EntryFile(path, store.trust)
    rows = rows_of(path, opened)
    seen.stamp = opened.stamp
    seen.events = tuple(moved_event(event, store.root) for event, _ in rows)
    seen.older = tuple(os.path.join(os.path.dirname(path), name) for _, name in rows[1:])
    _check_name(store, path, seen.events)
    opened.check()
    for name, said in value_files.named_in(seen.events[0].trace):
        value_files.check(os.path.join(store.root, name), said)


def _check_name(store: Store, path: str, events: tuple[Event, ...]) -> None:
    """EntryError if a file holds another call, or another run of it, than its name says."""
    first = events[0]
    want = store.path_of(first.id)
    if path.endswith(OLD):
        want = f"{want[: -len(ENTRY)]}.{first.run[:16]}{OLD}"
    if path != want or any(event.id != first.id for event in events):
        raise EntryError(f"{path} holds {first.title}, another call than its name says")


def _check_plain(path: str) -> None:
    """ValueError if a note or a description of code is not what it should be."""
    with open(path, "rb") as file:
        data = file.read()
    try:
        record = safe_pickle.loads(data)
        if path.endswith(VALID):  # what stands behind these two is of a newer cachepy
            good = type(record) is tuple and tuple(map(type, record[:2])) == (float, str)
        elif form := other_format(record):
            raise OtherFormatError(path, form, FORMAT)
        else:
            good = type(record) is list or is_whole(data)  # a list: without source
    except OtherFormatError:
        raise
    except Exception as error:  # damage raises almost anything
        raise ValueError(f"is damaged: {error}") from error
    if not good:
        raise ValueError("is damaged: it does not hold what it should")


def _check_program(path: str) -> None:
    """ValueError if records of what programs make are damaged."""
    data = read_plain(path)
    check_format(path, data)
    if records_in(data)[1]:
        raise ValueError("is damaged: calls that their programs no longer make may count as made")


def _is_ours(path: str) -> bool:
    """Whether cachepy wrote a file, by how it begins; a format of another version is not ours to judge."""
    start = MAGIC if path.endswith((ENTRY, OLD)) else PROGRAMS_HEAD if _is_of_programs(path) else _PLAIN
    with open(path, "rb") as file:
        head = file.read(len(start))
    return head.startswith(start) or start.startswith(head)


def _is_of_programs(path: str) -> bool:
    return os.path.basename(os.path.dirname(path)) == "programs"


class Records:
    """The whole records of a graph file and how much of it is damaged."""

    def __init__(self, data: bytes, root: str) -> None:
        reading = Reading(data, root)
        self.path = os.path.join(root, "graph.pkl")
        self.ids: list[str] = []
        self.rows: list[Row] = []
        for ids, rows in reading:
            self.ids += ids
            self.rows += rows
        self.damaged = reading.damaged
        self.format = reading.format
        self.is_ours = bool(reading.taken or reading.has_header) or not data

    @property
    def other(self) -> OtherFormatError | None:
        """What to say if it is of another version: it is not written anew then."""
        return OtherFormatError(self.path, self.format, GRAPH_FORMAT) if self.format != GRAPH_FORMAT else None

    @property
    def events(self) -> list[Event]:
        return unpacked(self.rows)

    def pairs(self) -> Iterator[tuple[str, Row]]:
        """Each call with a row of it."""
        return zip(self.ids, self.rows, strict=True)


def read_graph(store: Store) -> Records | None:
    """The graph file as it is between two writes of others; None if there is none."""
    try:
        with open(store.journal.path, "rb") as file:
            lock(file.fileno(), PATIENCE, shared=True)
            return Records(file.read(), store.root)
    except FileNotFoundError:
        return None


def read_memo(store: Store) -> tuple[list[bytes], int] | None:
    """The rows of the memo that check, and how many do not; None if there is none, or one of another version."""
    try:
        with open(store.memo_file, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    if data.startswith(OTHER_MEMO):
        return None
    rows = [files._row(*row) for row in files._rows(data)]
    return rows, -(-len(data) // files._ROW.size) - len(rows)


def entry_files(store: Store) -> Iterator[str]:
    """All that holds a value or speaks of one, sorted; entries before what belongs to them."""
    yield from store.files(ENTRY)
    yield from store.files(OLD, VALID)
    for folder in ("code", "programs"):
        yield from (path for path in store.others(folder) if not path.endswith(TEMPORARY))


def looks(store: Store, progress: Callable[[int, int], None] | None = None) -> Iterator[Look]:
    """A look at each file, as they are listed now."""
    number = 0 if progress is None else sum(1 for _ in entry_files(store))
    for done, path in enumerate(entry_files(store), 1):
        found = look(store, path)
        if found is not None:
            yield found
        if progress is not None:
            progress(done, max(done, number))


def call_of(found: Look) -> str:
    """The id of the call that a file is about, if need be by its name."""
    if found.events:
        return found.events[0].id
    name = os.path.basename(found.path)
    for suffix in (ENTRY, VALID, OLD):
        if name.endswith(suffix):
            stem = name[: -len(suffix)]
            call = call_named(stem.rpartition(".")[0] if suffix == OLD else stem)
            return "" if call.startswith(":") else call
    return ""
