"""An append-only file of records, safe against torn writes: graph.pkl and the mailboxes of runs.

A record is a mark, its length, a checksum and a pickle of builtins.  One `write` with O_APPEND adds
it, under a lock where the file system has locks, so that processes lose nothing of each other.  A
reader takes every whole record and finds the next mark behind a damaged one.  `is_event` and `is_dep`
tell what a record is, before anybody relies on its parts.  Imports wire.
"""

from __future__ import annotations

import os
from itertools import product
from struct import Struct

from xxhash import xxh32_intdigest

from cachepy import wire
from cachepy.plainfile import read_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

MARK = b"\xc5cpj"
_HEAD = Struct("<4sII")

_NEVER = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # through a link, or waiting for a fifo's reader
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | _NEVER
_TEXT_OR_NONE, _NUMBER = (str, type(None)), (int, float)
_TRACE = tuple, tuple, str
_IDS = ("call", "below")  # kinds of deps whose name is the id of a call
_HEX = "0123456789abcdef"
_AWAY = frozenset("/\\\0")  # in the name of a file: of another folder, or of none
_FAR = 1e15  # s; farther away are nan, the infinities, and what no clock can show
_DEPS = frozenset(product((str,), (str,), _TEXT_OR_NONE))
_EVENTS = frozenset(
    product(*[(str,)] * 6, (tuple,), (dict,), (dict,), (str,), _TEXT_OR_NONE, (str,), *[_NUMBER] * 3, (str,))
)


def is_dep(record: Any) -> bool:
    """Whether a record has the parts of a dep; what names a file of ours cannot lead out of the cache directory.

    >>> is_dep(("file", "x", None)), is_dep(("file", "x")), is_dep(("call", "f:../x", "1"))
    (True, False, False)
    """
    if type(record) is not tuple or tuple(map(type, record)) not in _DEPS:
        return False
    kind, name, digest = record
    if kind in _IDS:
        return is_key(name.rpartition(":")[2])
    return kind != "code" or digest is None or digest.isalnum()


def is_key(text: str) -> bool:
    """Whether this is a digest, as keys are and the names of entries end with."""
    return len(text) == 32 and not text.strip(_HEX)


def is_event(record: Any) -> bool:
    """Whether a record has the parts of an event; any other could break a query of the graph later."""
    if type(record) is not tuple or tuple(map(type, record)) not in _EVENTS:
        return False
    trace, args, label = record[6:9]
    if tuple(map(type, trace)) != _TRACE or not all(map(is_dep, trace[0] + trace[1])):
        return False
    if not all(type(text) is str for part in (args, label) for item in part.items() for text in item):
        return False
    return _is_placed(record) and all(-_FAR < number < _FAR for number in record[12:15])


def _is_placed(event: tuple[Any, ...]) -> bool:
    """Whether the id is made of name and key, and the entry is where the key says."""
    call, fname, key, outfile = event[0], event[1], event[4], event[10]
    if call != f"{fname}:{key}" or not is_key(key):
        return False
    if outfile is None:
        return True
    start, end = f"entries/{key[:2]}/", f"-{key}.entry"
    return outfile.startswith(start) and outfile.endswith(end) and not _AWAY.intersection(outfile[len(start) :])


def frame(value: object) -> bytes:
    """One record as bytes."""
    payload = wire.dumps(value)
    return _HEAD.pack(MARK, len(payload), xxh32_intdigest(payload)) + payload


def scan(data: bytes) -> Iterator[Any]:
    """Every whole record; None for each stretch of damage in between or at the end."""
    at = 0
    while at < len(data):
        value, end = _record(data, at)
        yield value
        at = end


def _record(data: bytes, at: int) -> tuple[Any, int]:
    if data.startswith(MARK, at) and at + _HEAD.size <= len(data):
        _, length, check = _HEAD.unpack_from(data, at)
        start = at + _HEAD.size
        payload = data[start : start + length]
        if len(payload) == length and xxh32_intdigest(payload) == check:
            try:
                return wire.loads(payload), start + length
            except ValueError:
                return None, start + length
    found = data.find(MARK, at + 1)
    return None, found if found >= 0 else len(data)


class Journal:
    """One journal file, kept open for appending; made: is told the descriptor of a file that is empty yet."""

    def __init__(self, path: str, made: Callable[[int], None] | None = None) -> None:
        self.path = path
        self._made = made
        self._fd: int | None = None
        self._pid = 0

    def append(self, value: object) -> None:
        """Add one record; OSError if it cannot be written."""
        data = frame(value)
        for last in (False, False, True):
            fd = self._open()
            with _locked(fd):
                is_current = last or self._is_current(fd)
                if is_current:
                    _write_all(fd, data)
            if is_current:
                return
            self.close()

    def _is_current(self, fd: int) -> bool:
        """Whether the file was not replaced (by a repair) while we waited for its lock."""
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _open(self) -> int:
        """The descriptor; opened anew after a fork or when the file was deleted under it."""
        if self._fd is not None and self._pid == os.getpid() and os.fstat(self._fd).st_nlink:
            return self._fd
        self.close()
        self._fd = os.open(self.path, _APPEND, 0o666)
        self._pid = os.getpid()
        if self._made is not None and not os.fstat(self._fd).st_size:
            self._made(self._fd)
        return self._fd

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __del__(self) -> None:
        if os is not None:  # at interpreter shutdown
            self.close()


def _write_all(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, data[written:])


class _locked:  # noqa: N801 - reads as a verb: with _locked(fd)
    """Holds an advisory lock where there are locks; elsewhere O_APPEND alone has to do."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.held = False

    def __enter__(self) -> None:
        try:
            import fcntl

            fcntl.flock(self.fd, fcntl.LOCK_EX)
            self.held = True
        except (ImportError, OSError):
            pass

    def __exit__(self, *_: object) -> None:
        if self.held:
            import fcntl

            fcntl.flock(self.fd, fcntl.LOCK_UN)


def read(path: str) -> tuple[list[Any], bool]:
    """All whole records of a file, and whether anything in it was damaged."""
    values = list(scan(read_plain(path)))
    whole = [v for v in values if v is not None]
    return whole, len(whole) != len(values)


def write(path: str, values: Iterable[object]) -> None:
    """Write a whole file at once: a temporary file that replaces it."""
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.writelines(frame(value) for value in values)
        os.replace(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise
