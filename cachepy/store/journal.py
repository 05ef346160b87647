"""An append-only file of records, safe against torn writes: graph.pkl and the mailboxes of runs.

A record is a mark, its length, a checksum and a payload: a packed event, or a pickle of builtins.  One `write`
with O_APPEND adds it, under a lock where the file system has locks, so that processes lose nothing of each
other.  A reader takes every whole record and finds the next mark behind a damaged one.
"""

from __future__ import annotations

import os
from errno import ESTALE
from struct import Struct
from time import monotonic
from weakref import ref

from xxhash import xxh32_intdigest

from cachepy.store import safe_pickle
from cachepy.store.bulk_decode import payload_event
from cachepy.store.codec import PACKED
from cachepy.store.fs import OpenFile, read_plain
from cachepy.store.schema import is_dep, is_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any
    from weakref import ReferenceType

    from cachepy.store.graph_extent import Extent

__all__ = [
    "MARK", "Journal", "frame", "framed", "is_dep", "is_event", "payloads", "read", "scan", "write", "write_packed",
]  # fmt: skip

MARK = b"\xc5cpj"
_HEAD = Struct("<4sII")
_LOCK, _UNLOCK = 2, 8  # as everywhere in fcntl
_LOOK_AGAIN = 1.0  # s
_MOST_OPEN = 16

_NEVER = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # through a link, or waiting for a fifo's reader
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | _NEVER


_process = 0  # how many forks lie between this process and the one that imported this


def _count_fork() -> None:
    global _process
    _process += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)


def frame(value: object) -> bytes:
    """One record as bytes."""
    return framed(safe_pickle.dumps(value))


def framed(payload: bytes) -> bytes:
    """One record as bytes, of what `wire.dumps` or `packed.pack` made."""
    return _HEAD.pack(MARK, len(payload), xxh32_intdigest(payload)) + payload


def scan(data: bytes) -> Iterator[Any]:
    """Every whole record; None for each stretch of damage in between or at the end."""
    return map(_value, payloads(data))


def _value(payload: bytes | None) -> Any:
    """What a payload holds: an event in the wire form, or what was pickled; None if it is damaged."""
    if payload is None:
        return None
    try:
        return payload_event(payload).wire() if payload[:1] == PACKED else safe_pickle.loads(payload)
    except ValueError:
        return None


def payloads(data: bytes) -> Iterator[bytes | None]:
    """What the whole records hold, as bytes; None for each stretch of damage."""
    at, last = 0, len(data) - _HEAD.size
    while at <= last:
        mark, length, check = _HEAD.unpack_from(data, at)
        start = at + _HEAD.size
        payload = data[start : start + length]
        if mark == MARK and len(payload) == length and xxh32_intdigest(payload) == check:
            yield payload
            at = start + length
        else:
            yield None
            at = data.find(MARK, at + 1)
            if at < 0:
                return
    if at < len(data):
        yield None


class _File(OpenFile):
    __slots__ = ("process",)

    def __init__(self, path: str, flags: int) -> None:
        super().__init__(path, flags)
        self.process = _process


def _stat(fd: int) -> os.stat_result | None:
    """None for a file that another host removed or replaced."""
    try:
        return os.fstat(fd)
    except OSError as error:
        if error.errno != ESTALE:
            raise
        return None


_opened: list[ReferenceType[Journal]] = []
"""The journals that were opened last, whatever their sessions: a process may use thousands of cache directories."""


class Journal:
    """One journal file, kept open for appending while it is among the few that were opened last.

    made: is told the descriptor of a file that is empty yet; is_there: FileNotFoundError rather than a new file;
    extent: is told how long it is.
    """

    def __init__(
        self,
        path: str,
        made: Callable[[int], None] | None = None,
        *,
        is_there: bool = False,
        extent: Extent | None = None,
    ) -> None:
        self.path = path
        self.size = 0  # when something was last added here, if anybody wants to know
        self._extent = extent
        self._flags = _APPEND & ~os.O_CREAT if is_there else _APPEND
        self._made = made
        self._file: _File | None = None
        self._looked = 0.0
        self._flock: Callable[[int, int], None] | None = None

    def append(self, value: object) -> None:
        """Add one record; OSError if it cannot be written."""
        self.append_packed(safe_pickle.dumps(value))

    def append_packed(self, payload: bytes) -> None:
        """Likewise, of what `packed.pack` made."""
        try:
            self._append(_HEAD.pack(MARK, len(payload), xxh32_intdigest(payload)) + payload)
        except OSError:
            if self._extent is not None:
                self._extent.drop()
            raise

    def _append(self, data: bytes) -> None:
        file = self._file
        if file is None or file.process != _process or not self._add(file.fd, data):
            for last in (False, False, True):
                file = self._open()
                if self._add(file.fd, data, anyway=last):
                    break

    def _add(self, fd: int, data: bytes, *, anyway: bool = False) -> bool:
        """Write, unless the file has been deleted, or replaced by a repair while we waited for its lock."""
        lock = self._flock
        try:
            if lock is not None:
                lock(fd, _LOCK)
        except OSError:  # no locks here: O_APPEND alone has to do
            lock = None
        try:
            st = _stat(fd)
            is_time = monotonic() - self._looked > _LOOK_AGAIN
            if not anyway and (st is None or st.st_nlink == 0 or (is_time and self._is_moved(st))):
                return False
            written = os.write(fd, data)
            while written < len(data):
                written += os.write(fd, data[written:])
            if self._extent is not None:
                self.size = os.lseek(fd, 0, os.SEEK_CUR)
                self._extent.note(self.size)
        finally:
            if lock is not None:
                lock(fd, _UNLOCK)
        return True

    def _is_moved(self, st: os.stat_result) -> bool:
        """Whether the file has another name now, which is looked for now and then."""
        self._looked = monotonic()
        try:
            return not os.path.samestat(st, os.stat(self.path))
        except FileNotFoundError:
            return True

    def look_again(self) -> None:
        """The directory may have been moved away: look for that before the next record."""
        self._looked = 0.0

    def _open(self) -> _File:
        """Open it for the first time, or again after a fork, or since the file is gone."""
        self._file = file = _File(self.path, self._flags)
        _opened.append(ref(self))
        while len(_opened) > _MOST_OPEN:
            oldest = _opened.pop(0)()
            if oldest is not None and oldest is not self:
                oldest.close()
        try:
            from fcntl import flock

            self._flock = flock
        except ImportError:  # Windows
            pass
        self._looked = 0.0
        if self._extent is not None:
            self._extent.close()
        if self._made is not None and not os.fstat(file.fd).st_size:
            self._made(file.fd)
        return file

    def close(self) -> None:
        self._file = None
        if self._extent is not None:
            self._extent.close()


def read(path: str) -> tuple[list[Any], bool]:
    """All whole records of a file, and whether anything in it was damaged."""
    values = list(scan(read_plain(path)))
    whole = [v for v in values if v is not None]
    return whole, len(whole) != len(values)


def write(path: str, values: Iterable[object]) -> None:
    """Write a whole file at once: a temporary file that replaces it."""
    write_packed(path, map(safe_pickle.dumps, values))


def write_packed(path: str, payloads: Iterable[bytes]) -> None:
    """Likewise, of what `packed.pack` made."""
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.writelines(map(framed, payloads))
        os.replace(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise
