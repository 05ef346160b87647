"""What lies in a cache directory: each entry as it was when it was looked at, and which files are cachepy's.

A file is cachepy's by its content, never by its name.
"""

from __future__ import annotations

import os
import time

from cachepy.core.progress import Bar
from cachepy.errors import EntryError, OtherFormatError
from cachepy.store import value_files
from cachepy.store.codec import row_of, unpack
from cachepy.store.entries import Store
from cachepy.store.entryfile import EntryFile
from cachepy.store.layout import ENTRY
from cachepy.store.meta import rows_of
from cachepy.store.relocation import moved_event
from cachepy.store.tidy import is_ours

__all__ = ["Stock", "age_of", "is_ours", "scan", "size_of", "state_of", "stock"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cachepy.core.model import Event
    from cachepy.store.codec import Row
    from cachepy.store.entryfile import Stamp


class Stock:
    """One entry as it was when it was looked at; `events` is empty if it is damaged, or of another version."""

    __slots__ = ("_events", "_names", "_rows", "is_other", "path", "root", "size", "stamp", "used", "written")

    def __init__(self, path: str, root: str) -> None:
        rows: list[tuple[Event, str]] = []
        self.is_other = False  # whether another version of cachepy wrote it
        try:
            opened = EntryFile(path)
            rows, self.stamp = rows_of(path, opened), opened.stamp
        except EntryError as error:
            self.is_other = isinstance(error, OtherFormatError)
            self.stamp = state_of(path)
        self.path, self.root = path, root
        self._names = tuple(name for _, name in rows[1:])
        self._events: list[Event] | None = [moved_event(event, root) for event, _ in rows]
        self._rows: tuple[Row, ...] = ()
        states = [_stat(file) for file in self.files]
        self.size = sum(st.st_size for st in states if st is not None) + sum(map(value_files.size_of, self.beside))
        self.used = max((max(st.st_atime, st.st_mtime) for st in states if st is not None), default=0.0)
        self.written = self._events[0].created if self._events else self.stamp[1] / 1e9

    @property
    def events(self) -> list[Event]:
        """Newest first."""
        return [unpack(row) for row in self._rows] if self._events is None else self._events

    @property
    def files(self) -> list[str]:
        """The files of the values."""
        return [self.path, *(os.path.join(os.path.dirname(self.path), name) for name in self._names)]

    @property
    def beside(self) -> list[str]:
        """The files of values that lie beside them, each once."""
        return list(dict.fromkeys(p for event in self.events for p in value_files.files_of(self.root, event)))

    @property
    def runs(self) -> list[tuple[Event, str]]:
        """Each event with the file of its value."""
        return list(zip(self.events, self.files, strict=False))

    def slim(self) -> Stock:
        """The same, for who keeps very many: it takes a fifth of the memory, and its events take time."""
        if self._events is not None:
            self._rows = tuple(map(row_of, self._events))
            self._events = None
        return self


def stock(root: str) -> Iterator[Stock]:
    """All entries that cachepy wrote, sorted by their paths; on a terminal a bar tells how far it is."""
    store = Store(root)
    folders = [] if os.path.islink(store.entries.rstrip(os.sep)) else store.folders()
    with Bar("reading entries") as bar:
        for at, folder in enumerate(folders):
            bar.tell(at, len(folders))
            for path in store.files_in(folder, ENTRY):
                try:
                    entry = Stock(path, root)
                except OSError:
                    continue  # removed meanwhile, or not ours to read
                if entry.events or is_ours(path):
                    yield entry


def scan(root: str) -> Iterator[tuple[str, Event | None]]:
    """Each entry's path with its newest event; None for one that is damaged."""
    return ((each.path, next(iter(each.events), None)) for each in stock(root))


def state_of(path: str) -> Stamp:
    """The state of a file; what is not there has no age and no size."""
    try:
        st = os.stat(path)
    except OSError:
        return 0, time.time_ns(), 0
    return st.st_ino, st.st_mtime_ns, st.st_size


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def size_of(path: str) -> int:
    """Bytes."""
    return state_of(path)[2]


def age_of(path: str) -> float:
    """Seconds since it was written."""
    return time.time() - state_of(path)[1] / 1e9
