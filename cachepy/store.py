"""Entries on disk: one file per call with its newest value and all its traces.

    CACHEDIR.TAG   marks the directory for backup programs
    graph.pkl      the journal of the graph
    stat.memo      digests of files by their stat
    entries/ab/<name>-<digest>.entry         newest value; its meta lists the older ones
    entries/ab/<name>-<digest>.<run>.old     the value of an older trace
    entries/ab/<name>-<digest>.valid         which of several runs was last seen to hold
    entries/ab/<name>-<digest>.claim         somebody is running this call
    code/<digest>                            pieces of a code digest, to name what changed
    broken/<time>/...                        what `cache_repair` put aside

A reader sees whole files only: each is written beside its place and renamed.  Imports disk, entryfile,
errors, files, journal, model, trust, wire.
"""

from __future__ import annotations

import os
from itertools import count

from xxhash import xxh3_64_hexdigest

from cachepy import wire
from cachepy.disk import for_readers, keep_aside, listed, safe_name, unlink, write_all
from cachepy.entryfile import MAGIC, EntryFile, Payload, assemble, load_value
from cachepy.errors import EntryError, EntryReplacedError
from cachepy.files import OWN_NAMES, OWN_TAG
from cachepy.journal import MARK, Journal, is_event
from cachepy.model import Event
from cachepy.plainfile import read_plain
from cachepy.trust import Trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from cachepy.entryfile import Stamp

MAX_TRACES = 16  # stored per key; the oldest goes first
_HOT = 1 << 14  # bytes; a smaller pickle is kept in memory
_HOT_TOTAL = 1 << 26  # bytes of such pickles in memory
_PARSED = 50_000  # entries remembered in memory
ENTRY, OLD, CLAIM, TEMPORARY, VALID = ".entry", ".old", ".claim", ".tmp", ".valid"
STARTS = (MAGIC, MARK, b"\x80\x05")  # of our files: entries, records, other data in the wire form


class Stored:
    """What is on disk for one key: events with the files of their values, newest first."""

    __slots__ = ("checked", "events", "files", "hot", "stamp")

    def __init__(self, events: list[Event], files: list[str], stamp: Stamp) -> None:
        self.events = events
        self.files = files
        self.stamp = stamp
        self.hot: dict[int, bytes] = {}  # pickles of small values, valid as long as the stamp is
        self.checked: dict[int, Stamp] = {}  # files of values that this process has checked in full


class Store:
    """One cache directory."""

    def __init__(self, root: str, trust: Trust | None = None) -> None:
        self.root = root
        self.trust = Trust.of_environment() if trust is None else trust
        self.journal = Journal(os.path.join(root, "graph.pkl"), self.open_up)
        self.memo_file = os.path.join(root, "stat.memo")
        self._entries = os.path.join(root, "entries", "")
        self._names: dict[str, str] = {}
        self._parsed: dict[str, Stored] = {}
        self._hot_bytes = 0
        self._count = count()
        self._tagged = False

    def path_of(self, call: str) -> str:
        """Where the entry of a call is; bounded and safe whatever the function is called."""
        fname, _, digest = call.rpartition(":")
        safe = self._names.get(fname)
        if safe is None:
            safe = self._names[fname] = safe_name(fname)
        if not digest.isalnum():  # read from a file that somebody made: it must not lead elsewhere
            digest = xxh3_64_hexdigest(call.encode("utf-8", "replace"))
        return f"{self._entries}{digest[:2]}{os.sep}{safe}-{digest}{ENTRY}"

    def claim_path(self, call: str) -> str:
        return self.path_of(call)[: -len(ENTRY)] + CLAIM

    def prepare(self, call: str) -> None:
        """Make the folders that an entry needs; OSError if that cannot be done."""
        folder = os.path.dirname(self.path_of(call))
        if self._tagged and os.path.isdir(folder):
            return
        self.trust.make_folder(self.root)
        _tag(os.path.join(self.root, "CACHEDIR.TAG"), self.trust)
        self._tagged = True
        self.trust.make_folder(self._entries)
        self.trust.make_folder(folder)

    def open_up(self, fd: int) -> None:
        """Give a graph file that was just created the mode that it needs in a shared cache."""
        self.trust.open_for_all(fd)

    def _temporary(self, path: str) -> str:
        """A name beside a file, for writing it; names the process, so that others see when that is dead."""
        return f"{path}.{os.getpid()}.{id(self):x}.{next(self._count)}{TEMPORARY}"

    def look(self, call: str) -> Stored | None:
        """What is stored for a call; parsed once as long as the file stays the same.

        Raises EntryError for a damaged entry, OSError for an unreadable one.
        """
        path = self.path_of(call)
        try:
            st = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            self._parsed.pop(call, None)
            return None
        stamp = st.st_ino, st.st_mtime_ns, st.st_size
        known = self._parsed.get(call)
        if known is not None and known.stamp == stamp:
            return known
        stored = self._parse(path, call, stamp)
        if len(self._parsed) >= _PARSED:
            self._parsed.clear()
            self._hot_bytes = 0
        self._parsed[call] = stored
        return stored

    def _parse(self, path: str, call: str, stamp: Stamp) -> Stored:
        try:
            opened = EntryFile(path, self.trust)
            rows = rows_of(path, opened)
            if self.trust.key is not None:  # callers go by what it says of a call, also where no value is loaded
                opened.pickle()
        except FileNotFoundError:
            raise EntryReplacedError(f"{path} vanished while it was read") from None
        events = [Event.unwire(wire).replace(root=self.root) for wire, _ in rows]
        if any(event.id != call for event in events):
            raise EntryError(f"{path} holds another call than its name says")
        return Stored(events, [name for _, name in rows], stamp)

    def open(self, call: str, stored: Stored, index: int) -> EntryFile:
        """The file with the value of one of the stored events."""
        path = os.path.join(os.path.dirname(self.path_of(call)), stored.files[index])
        opened = EntryFile(path, self.trust)
        try:
            if opened.meta[0][0][5] == stored.events[index].run:
                return opened
        except (LookupError, TypeError):
            pass
        raise EntryReplacedError(f"{path} was replaced")

    def value(self, call: str, stored: Stored, index: int) -> Any:
        """Load a value; EntryError or OSError if that cannot be done."""
        pickle = stored.hot.get(index)
        if pickle is not None:
            return load_value(pickle)
        opened = self.open(call, stored, index)
        if opened.has_buffers:
            value = opened.value(verify=stored.checked.get(index) != opened.stamp)
            stored.checked[index] = opened.stamp
            return value
        data = opened.pickle()
        if len(data) <= _HOT:
            self._keep_hot(stored, index, bytes(data))
        return load_value(data)

    def how(self, call: str, stored: Stored, index: int) -> bytes:
        """How a call was made, as it was given to `put`; EntryError or OSError if that cannot be read."""
        return self.open(call, stored, index).call()

    def _keep_hot(self, stored: Stored, index: int, pickle: bytes) -> None:
        self._hot_bytes += len(pickle)
        if self._hot_bytes > _HOT_TOTAL:
            for each in list(self._parsed.values()):
                each.hot.clear()
            self._hot_bytes = len(pickle)
        stored.hot[index] = pickle

    def put(self, event: Event, payload: Payload, call: bytes = b"") -> Event:
        """Store a value with its event as the newest of its key; OSError if the disk refuses.

        call: how the call was made, for `how`.
        """
        path = self.path_of(event.id)
        event = event.replace(root=self.root, outfile="entries/" + path[len(self._entries) :].replace(os.sep, "/"))
        older, dropped = self._older(event, path)
        parts = assemble([(event.wire(), None), *older], payload, call, self.trust)
        parts[:5] = [b"".join(parts[:5])]  # a small entry is one write
        self.prepare(event.id)
        try:
            self._write(path, parts)
        except FileNotFoundError:  # a prune removed the empty folder
            self.prepare(event.id)
            self._write(path, parts)
        for name in dropped:
            unlink(os.path.join(os.path.dirname(path), name))
        return event

    def _write(self, path: str, parts: list[Any]) -> None:
        """Write a file whole: beside its place, then renamed."""
        temporary = self._temporary(path.removesuffix(ENTRY))
        try:
            with open(temporary, "xb", buffering=0, opener=for_readers) as file:
                self.trust.open_up(file.fileno())
                for part in parts:
                    write_all(file, part)
            os.replace(temporary, path)
        except BaseException:
            unlink(temporary)
            raise

    def _older(self, event: Event, path: str) -> tuple[list[tuple[Any, str]], list[str]]:
        """The earlier events that stay, each with its value under a name of its own."""
        try:
            stored = self.look(event.id)
        except (EntryError, OSError):
            return [], []
        if stored is None:
            return [], []
        kept: list[tuple[Any, str]] = []
        dropped: list[str] = []
        for old, name in zip(stored.events, stored.files, strict=True):
            same = old.trace.deps == event.trace.deps and old.trace.calls == event.trace.calls
            if name.endswith(ENTRY):
                aside = f"{name[: -len(ENTRY)]}.{old.run[:16]}{OLD}"
                if not same and keep_aside(path, os.path.join(os.path.dirname(path), aside), self.trust):
                    kept.append((old.wire(), aside))
            elif same or len(kept) >= MAX_TRACES - 1:
                dropped.append(name)
            else:
                kept.append((old.wire(), name))
        return kept, dropped

    def valid(self, call: str) -> tuple[float, str] | None:
        """Which of several stored runs was last seen to hold: (seconds since the epoch, run)."""
        try:
            seen, run = wire.loads(read_plain(self._valid_path(call), 4096))
            return float(seen), str(run)
        except (OSError, OverflowError, TypeError, ValueError):
            return None

    def set_valid(self, call: str, seen: float, run: str) -> None:
        """Note it, best effort: without the note, each process adds one more record to the journal."""
        try:
            self._write(self._valid_path(call), [wire.dumps((seen, run))])
        except OSError:
            pass

    def _valid_path(self, call: str) -> str:
        return self.path_of(call)[: -len(ENTRY)] + VALID

    def forget(self, call: str) -> None:
        """Remove all that is stored for a call."""
        try:
            stored = self.look(call)
        except (EntryError, OSError):
            stored = None
        folder = os.path.dirname(self.path_of(call))
        for name in stored.files if stored else [os.path.basename(self.path_of(call))]:
            unlink(os.path.join(folder, name))
        unlink(self._valid_path(call))
        self._parsed.pop(call, None)

    def listing(self) -> set[str]:
        """The files of the entries that are there, named as in `Event.outfile`."""
        top = os.path.basename(os.path.dirname(self._entries))
        found: set[str] = set()
        for folder in self.folders():
            start = f"{top}/{os.path.basename(folder)}/"
            found.update([start + name for name in listed(folder)])
        return found

    def calls(self) -> Iterator[str]:
        """The paths of all entries."""
        return self.files(ENTRY)

    def files(self, *suffixes: str) -> Iterator[str]:
        """The paths of all files below ``entries`` with one of the suffixes, sorted; no link leads out of there."""
        if os.path.islink(self._entries.rstrip(os.sep)):
            return
        for folder in self.folders():
            if os.path.islink(folder):
                continue
            for name in listed(folder):
                if name.endswith(suffixes):
                    yield os.path.join(folder, name)

    def folders(self) -> list[str]:
        """The folders that hold the entries."""
        return [self._entries + name for name in listed(self._entries)]

    def others(self, name: str = "") -> list[str]:
        """The paths in ``code`` or ``runs``; without a name: of all that is ours at the top."""
        folder = os.path.join(self.root, name)
        if name and os.path.islink(folder):
            return []
        return [os.path.join(folder, each) for each in (listed(folder) if name else sorted(OWN_NAMES))]

    def put_code(self, digest: str, wire: bytes) -> None:
        """Keep the pieces of a code digest, best effort: they only make reasons more exact."""
        path = os.path.join(self.root, "code", digest)
        if os.path.exists(path) or not digest.isalnum():
            return
        try:
            self.trust.make_folder(os.path.dirname(path))
            self._write(path, [wire])
        except OSError:
            pass

    def get_code(self, digest: str) -> bytes | None:
        if not digest.isalnum():  # read from a file that somebody made: it must not lead elsewhere
            return None
        try:
            return read_plain(os.path.join(self.root, "code", digest))
        except OSError:
            return None


def rows_of(path: str, file: EntryFile) -> list[tuple[Any, str]]:
    """The checked meta of an entry: each event in wire form with the name of the file of its value."""
    rows = file.meta
    if type(rows) is not list or not rows or not all(_is_row(row) for row in rows):
        raise EntryError(f"{path} is damaged: its meta is not that of a call")
    older = [(wire, os.path.basename(name or "")) for wire, name in rows[1:]]
    if any(not name.endswith(OLD) for _, name in older):
        raise EntryError(f"{path} is damaged: it names older values that cannot be its own")
    return [(rows[0][0], os.path.basename(path)), *older]


def _is_row(row: Any) -> bool:
    return type(row) is tuple and len(row) == 2 and is_event(row[0]) and type(row[1]) in (str, type(None))


def _tag(path: str, trust: Trust) -> None:
    """Mark the directory, best effort, also one that the user made."""
    try:
        with open(path, "xb", buffering=0, opener=for_readers) as file:
            trust.open_up(file.fileno())
            file.write(OWN_TAG)
    except FileExistsError:
        pass
    except OSError:
        unlink(path)
