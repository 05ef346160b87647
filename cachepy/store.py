"""Entries on disk: one file per call with its newest value and all its traces.

    CACHEDIR.TAG   marks the directory for backup programs
    graph.pkl      the journal of the graph
    stat.memo      digests of files by their stat
    entries/ab/<name>-<digest>.entry         newest value; its meta lists the older ones
    entries/ab/<name>-<digest>.<run>.old     the value of an older trace
    entries/ab/<name>-<digest>.valid         which of several runs was last seen to hold
    entries/ab/<name>-<digest>.claim         somebody is running this call
    code/<digest>                            pieces of a code digest, to name what changed

A reader sees whole files only: each is written beside its place and renamed.  Imports entryfile,
claims, journal, model, files, errors.
"""

from __future__ import annotations

import os

from xxhash import xxh3_64_hexdigest

from cachepy import wire
from cachepy.entryfile import EntryFile, Payload, assemble, load_value
from cachepy.errors import EntryError
from cachepy.files import OWN_TAG
from cachepy.journal import Journal
from cachepy.model import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


MAX_TRACES = 16  # stored per key; the oldest goes first
_NAME = 60  # characters of a function's name in a file name
_HOT = 1 << 14  # bytes; a smaller pickle is kept in memory
_PARSED = 50_000  # entries remembered in memory
ENTRY, OLD, CLAIM, TEMPORARY, VALID = ".entry", ".old", ".claim", ".tmp", ".valid"


class Stored:
    """What is on disk for one key: events with the files of their values, newest first."""

    __slots__ = ("events", "files", "hot", "stamp")

    def __init__(self, events: list[Event], files: list[str], stamp: tuple[int, int, int]) -> None:
        self.events = events
        self.files = files
        self.stamp = stamp
        self.hot: dict[int, bytes] = {}  # pickles of small values, valid as long as the stamp is


class Store:
    """One cache directory."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.journal = Journal(os.path.join(root, "graph.pkl"))
        self.memo_file = os.path.join(root, "stat.memo")
        self._entries = os.path.join(root, "entries", "")
        self._names: dict[str, str] = {}
        self._parsed: dict[str, Stored] = {}
        self._count = 0

    def path_of(self, call: str) -> str:
        """Where the entry of a call is; bounded and safe whatever the function is called."""
        fname, _, digest = call.rpartition(":")
        safe = self._names.get(fname)
        if safe is None:
            safe = self._names[fname] = _safe(fname)
        return f"{self._entries}{digest[:2]}{os.sep}{safe}-{digest}{ENTRY}"

    def claim_path(self, call: str) -> str:
        return self.path_of(call)[: -len(ENTRY)] + CLAIM

    def prepare(self, call: str) -> None:
        """Make the folders that an entry needs; OSError if that cannot be done."""
        folder = os.path.dirname(self.path_of(call))
        if os.path.isdir(folder):
            return
        if not os.path.isdir(self.root):
            os.makedirs(self.root, mode=0o700, exist_ok=True)
            with open(os.path.join(self.root, "CACHEDIR.TAG"), "wb") as file:
                file.write(OWN_TAG)
        os.makedirs(folder, exist_ok=True)

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
        self._parsed[call] = stored
        return stored

    def _parse(self, path: str, call: str, stamp: tuple[int, int, int]) -> Stored:
        try:
            rows = EntryFile(path).meta
            events = [Event.unwire(wire).replace(root=self.root) for wire, _ in rows]
            files = [os.path.basename(path), *(os.path.basename(name) for _, name in rows[1:])]
        except FileNotFoundError:
            raise EntryError(f"{path} vanished while it was read") from None
        except (TypeError, ValueError) as error:
            raise EntryError(f"{path} is damaged: {error}") from error
        if not events or any(event.id != call for event in events):
            raise EntryError(f"{path} holds another call than its name says")
        return Stored(events, files, stamp)

    def open(self, call: str, stored: Stored, index: int) -> EntryFile:
        """The file with the value of one of the stored events."""
        path = os.path.join(os.path.dirname(self.path_of(call)), stored.files[index])
        opened = EntryFile(path)
        if opened.meta[0][0][5] != stored.events[index].run:
            raise EntryError(f"{path} was replaced")
        return opened

    def value(self, call: str, stored: Stored, index: int) -> Any:
        """Load a value; EntryError or OSError if that cannot be done."""
        pickle = stored.hot.get(index)
        if pickle is not None:
            return load_value(pickle)
        opened = self.open(call, stored, index)
        if opened.has_buffers:
            return opened.value()
        data = opened.pickle()
        if len(data) <= _HOT:
            stored.hot[index] = bytes(data)
        return load_value(data)

    def put(self, event: Event, payload: Payload) -> Event:
        """Store a value with its event as the newest of its key; OSError if the disk refuses."""
        path = self.path_of(event.id)
        self.prepare(event.id)
        event = event.replace(root=self.root, outfile=os.path.relpath(path, self.root).replace(os.sep, "/"))
        older, dropped = self._older(event, path)
        rows = [(event.wire(), None), *older]
        self._count += 1
        temporary = f"{path[: -len(ENTRY)]}.{os.getpid()}.{id(self):x}.{self._count}{TEMPORARY}"
        try:
            with open(temporary, "xb", buffering=0) as file:
                for part in _joined(assemble(rows, payload)):
                    _write_all(file, part)
            os.replace(temporary, path)
        except BaseException:
            _unlink(temporary)
            raise
        for name in dropped:
            _unlink(os.path.join(os.path.dirname(path), name))
        return event

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
                if not same and _link(path, os.path.join(os.path.dirname(path), aside)):
                    kept.append((old.wire(), aside))
            elif same or len(kept) >= MAX_TRACES - 1:
                dropped.append(name)
            else:
                kept.append((old.wire(), name))
        return kept, dropped

    def valid(self, call: str) -> tuple[float, str] | None:
        """Which of several stored runs was last seen to hold: (seconds since the epoch, run)."""
        try:
            with open(self._valid_path(call), "rb") as file:
                seen, run = wire.loads(file.read(4096))
            return float(seen), str(run)
        except (OSError, TypeError, ValueError):
            return None

    def set_valid(self, call: str, seen: float, run: str) -> None:
        """Note it, best effort: without the note, each process adds one more record to the journal."""
        path = self._valid_path(call)
        temporary = f"{path}.{os.getpid()}{TEMPORARY}"
        try:
            with open(temporary, "wb") as file:
                file.write(wire.dumps((seen, run)))
            os.replace(temporary, path)
        except OSError:
            _unlink(temporary)

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
            _unlink(os.path.join(folder, name))
        _unlink(self._valid_path(call))
        self._parsed.pop(call, None)

    def calls(self) -> Iterator[str]:
        """The paths of all entries."""
        return self.files(ENTRY)

    def files(self, *suffixes: str) -> Iterator[str]:
        """The paths of all files below ``entries`` with one of the suffixes, sorted."""
        top = os.path.join(self.root, "entries")
        for folder in _listed(top):
            for name in _listed(os.path.join(top, folder)):
                if name.endswith(suffixes):
                    yield os.path.join(top, folder, name)

    def put_code(self, digest: str, wire: bytes) -> None:
        """Keep the pieces of a code digest, best effort: they only make reasons more exact."""
        path = os.path.join(self.root, "code", digest)
        if os.path.exists(path):
            return
        temporary = f"{path}.{os.getpid()}{TEMPORARY}"
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(temporary, "xb") as file:
                file.write(wire)
            os.replace(temporary, path)
        except OSError:
            _unlink(temporary)

    def get_code(self, digest: str) -> bytes | None:
        try:
            with open(os.path.join(self.root, "code", digest), "rb") as file:
                return file.read()
        except OSError:
            return None


def _safe(fname: str) -> str:
    """A file name for a function name: readable if it can be, bounded, unambiguous by the digest."""
    text = "".join(c if c.isascii() and (c.isalnum() or c in "_.") else "_" for c in fname)
    if len(text) <= _NAME:
        return text
    return f"{text[: _NAME - 17]}.{xxh3_64_hexdigest(fname.encode('utf-8', 'replace'))}"


def _joined(parts: list[Any]) -> list[Any]:
    """Small parts as one, so that a small entry is one write."""
    small = b"".join(parts[:4])
    return [small, *parts[4:]]


def _write_all(file: Any, data: Any) -> None:
    view = memoryview(data).cast("B")
    while view:
        view = view[file.write(view) :]


def _link(path: str, aside: str) -> bool:
    try:
        os.link(path, aside)
    except FileExistsError:
        return True
    except OSError:  # no hard links here
        try:
            import shutil

            shutil.copyfile(path, aside)
        except OSError:
            return False
    return True


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
