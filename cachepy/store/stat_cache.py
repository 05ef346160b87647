"""What is known of files by their identity and times, in this process and in a file of the cache directory.

The file is rows of 64 bytes that are only appended to.  The first questions are answered by searching it;
only who asks more gets a table.
"""

from __future__ import annotations

import os
from struct import Struct

from xxhash import xxh3_64_intdigest

from cachepy.store.fs import open_plain, unlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Identity = tuple[int, int, int, int, int]

MOST_BYTES = 1 << 22  # of a memo file: 65,536 files
_MOST_KNOWN = 200_000  # files that one process remembers
REMEMBER = 1 << 14  # bytes; a smaller file is read sooner than looked up in the memo on disk
OTHER_MEMO = b"cachepy memo "  # how a file begins that is not such rows, but of another version: it is left alone
_ROW = Struct("<qqqqq16sQ")
_IDENTITY = Struct("<qqqqq")
_REST = Struct("<16sQ")
_TWO = Struct("<40s24s")
_LARGEST = 1 << 63  # no number of a row; of a file on a strange file system it may be
_SEARCHES = 4  # of the whole file; after these a table costs less
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_APPEND |= getattr(os, "O_NOFOLLOW", 0)


def identity_of(st: os.stat_result) -> Identity:
    """What changes when a file does, without reading it."""
    return st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns


class StatMemo:
    """file identity -> digest, for one process; `attach` adds what a cache directory remembers.

    known: what needs no look at a file; place: the number of a file system in rows, which says whether its stats are
    this kernel's or a server's, None if there are no lasting ones (see `mounts`).
    """

    def __init__(self) -> None:
        self.known: dict[Identity, str] = {}
        self._files: list[_Memory] = []
        self._unsaved: list[tuple[Identity, str]] = []  # threads append and pop at once
        self._loaded: set[str] = set()
        self.place: Callable[[int], int | None] = lambda device: device
        self.trusts: Callable[[int], bool] | None = None  # whose memo files are read, by the number of the user
        self.on_disk = True  # with signed entries it is not: a false row would hide a change

    def get(self, identity: Identity) -> str | None:
        digest = self.known.get(identity)
        if digest is None and self._files and self.on_disk:
            digest = self._find(identity)
            if digest is not None:
                self.known[identity] = digest
        return digest

    def _find(self, identity: Identity) -> str | None:
        place = self.place(identity[0])
        if place is None:
            return None
        return next(filter(None, (rows.find((place, *identity[1:])) for rows in self._files)), None)

    def put(self, identity: Identity, digest: str, size: int) -> None:
        if len(self.known) >= _MOST_KNOWN:  # every other one: who goes round over more finds some
            for each in list(self.known)[::2]:
                self.known.pop(each, None)
        self.known[identity] = digest
        if size >= REMEMBER and max(identity) < _LARGEST and (place := self.place(identity[0])) is not None:
            self._unsaved.append(((place, *identity[1:]), digest))

    def attach(self, path: str) -> None:
        """Add the memo file at `path`, once; rows that do not check are passed over."""
        if path in self._loaded or not self.on_disk:
            return
        self._loaded.add(path)
        try:
            with open(path, "rb", opener=open_plain) as file:
                if self.trusts is not None and not self.trusts(os.fstat(file.fileno()).st_uid):
                    return
                data = file.read()
            if not data.startswith(OTHER_MEMO):
                self._files.append(_Memory(data))
        except OSError:
            return

    def flush(self, path: str) -> None:
        """Append what was learnt since the last flush; best effort, the memo only saves time.

        A file that has become too long loses the older half of its rows.
        """
        if not self._unsaved or not self.on_disk:
            return
        rows = []
        try:
            while True:
                rows.append(_row(*self._unsaved.pop()))
        except IndexError:  # empty, by us or by another thread
            pass
        if rows:
            _append(path, b"".join(reversed(rows)))


class ReadMemo(StatMemo):
    """What is learnt about files is not written down: asking changes nothing on disk."""

    def flush(self, path: str) -> None:
        pass


class _Memory:
    """The rows of one memo file, as they were when it was read."""

    def __init__(self, data: bytes) -> None:
        self._data = data[: len(data) - len(data) % _ROW.size]
        self._searches = 0
        self._table: dict[bytes, bytes] = {}

    def find(self, identity: Identity) -> str | None:
        if max(identity) >= _LARGEST:
            return None
        wanted = _IDENTITY.pack(*identity)
        self._searches += 1
        if self._searches <= _SEARCHES:
            return next(filter(None, (_checked(identity, rest) for rest in self._search(wanted))), None)
        if not self._table:
            self._table = dict(_TWO.iter_unpack(self._data))
        rest = self._table.get(wanted)
        return None if rest is None else _checked(identity, rest)

    def _search(self, wanted: bytes) -> Iterator[bytes]:
        at = self._data.find(wanted)
        while at >= 0:
            if at % _ROW.size == 0:
                yield self._data[at + len(wanted) : at + _ROW.size]
            at = self._data.find(wanted, at + 1)


def _checked(identity: Identity, rest: bytes) -> str | None:
    """The digest of a row whose checksum is right."""
    raw, check = _REST.unpack(rest)
    return raw.hex() if _check(identity, raw) == check else None


def _check(identity: Identity, raw: bytes) -> int:
    return xxh3_64_intdigest(repr(identity).encode() + raw)


def _row(identity: Identity, digest: str) -> bytes:
    raw = bytes.fromhex(digest)
    return _ROW.pack(*identity, raw, _check(identity, raw))


def _rows(data: bytes) -> Iterator[tuple[Identity, str]]:
    """All rows that check."""
    whole = len(data) - len(data) % _ROW.size
    for *numbers, raw, check in _ROW.iter_unpack(data[:whole]):
        identity: Identity = tuple(numbers)
        if _check(identity, raw) == check:
            yield identity, raw.hex()


def _append(path: str, rows: bytes) -> None:
    try:
        fd = os.open(path, _APPEND, 0o644)  # its rows speak for its owner
    except OSError:
        return
    try:
        if os.read(fd, len(OTHER_MEMO)) == OTHER_MEMO:
            return
        torn = os.fstat(fd).st_size % _ROW.size
        padding = b"\0" * (-torn % _ROW.size)  # a torn end becomes a row that does not check
        os.write(fd, padding + rows)
        if os.lseek(fd, 0, os.SEEK_CUR) > MOST_BYTES:
            _halve(path)
    except OSError:
        pass
    finally:
        os.close(fd)


def _halve(path: str) -> None:
    """Leave the newer half; what others add at this very moment is looked up again."""
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.0.tmp"
    try:
        with open(path, "rb", opener=open_plain) as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            data = file.read()
        start = len(data) // 2
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(data[start - start % _ROW.size :])
            os.chmod(temporary, mode)
        os.replace(temporary, path)
    except OSError:  # it stays as long as it is
        unlink(temporary)
