"""The format of one entry: header, meta, value, buffers; each part with its checksum.

    magic, length, text: who made it                           as in its claim (see `claims`); may be empty
    number of buffers, lengths, checksums      fixed header
    offset, length, checksum of each buffer                    table
    meta: which call, and its older runs                       see `entries`
    value: a pickle, protocol 5
    call: how the call was made (see `entries`), to make it again; may be empty
    buffers: large arrays, each at a multiple of 64 bytes
    seal: a signature of all but the buffers and one of the buffers, if there is a key (see `trust`)

Of a large file only the header and the meta are read until somebody wants more; its arrays are mapped privately if it
lies on a local disk (see `mapping`): changes stay in memory.  What is read is checked in
full at each load.  Of a large file the header, meta and the value's pickle are, and the buffers in
full when this process first sees the file in its present state (inode, time, size; the caller says
so by `verify`); more than 64 MB of buffers by their places and lengths only, since reading them
would undo the mapping.  In full, always: `EntryFile.check`, and every load with the environment
variable CACHEPY_VERIFY=1.  `EntryFile.check` maps nothing: a disk that fails gives an error and ends no process.
"""

from __future__ import annotations

import os
import stat as stats
import sys
from _struct import Struct
from errno import EISDIR

from xxhash import xxh3_64, xxh3_64_digest, xxh3_64_intdigest

from cachepy.errors import EntryError, EntryReplacedError, OtherFormatError
from cachepy.store import short_pickle
from cachepy.store.fs import read_part
from cachepy.store.trust import SEAL, Trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from cachepy.store.payload import Payload

    Stamp = tuple[int, int, int]  # inode, mtime_ns, size
    # place, length and check of the value; length and check of the call; the table and its place
    _Layout = tuple[tuple[int, int, int], tuple[int, int], bytes, int]

_ALL = Trust(owners="*")
MAGIC = b"cachepy\x03"
START = Struct("<8sH")  # magic, length of the text that says who made it
NOBODY = START.pack(MAGIC, 0)
_HEAD = Struct("<IQQQQQQ")  # buffers, lengths: meta value call file, checks: value call
_CHECK = 8  # bytes: the check of all that comes before the value, in its own place empty
_ROW = Struct("<QQQ")
_ALIGN = 64
SMALL = 1 << 14  # bytes of a pickle that may be kept in memory
MAPPED = 1 << 18  # bytes; of a larger file only what is wanted is read, and arrays are mapped
_BEGIN = 1 << 13  # bytes of it that are read first
_CHUNK = 1 << 24
_NO_USE = getattr(os, "O_NOATIME", 0)  # the time of the last access says when a hit used it, not who looked at it
_CHECKED = 1 << 26  # bytes; mapped buffers of more than this in total are not read just to check them


def format_of(head: bytes) -> int | None:
    """The number of the format of an entry or a claim that begins so; None if it is no such file."""
    is_ours = len(head) >= len(MAGIC) and head.startswith(MAGIC[:-1]) and head[len(MAGIC) - 1] < ord(" ")
    return head[len(MAGIC) - 1] if is_ours else None


def assemble(
    meta: bytes, payload: Payload, call: bytes = b"", trust: Trust = _ALL, start: bytes = NOBODY
) -> list[Any]:
    """The parts of the file in order, ready to be written; signed if there is a key."""
    count = len(payload.buffers)
    at = len(start) + _HEAD.size + _CHECK + count * _ROW.size + len(meta) + len(payload.pickle) + len(call)
    table, tail, at = _placed(payload.buffers, at) if count else (b"", (), at)
    lengths = len(meta), len(payload.pickle), len(call), at
    fields = (count, *lengths, xxh3_64_intdigest(payload.pickle), xxh3_64_intdigest(call))
    head = start + _HEAD.pack(*fields)
    parts = [head + _header_check(head, table, meta), table, meta, payload.pickle, call]
    return [*parts, *tail, trust.sign(parts, payload.buffers)]


def joined(parts: list[Any]) -> list[Any]:
    """The parts as they are written: those of a small entry as one."""
    if len(parts) == 6:
        return [b"".join(parts)]
    return [b"".join(parts[:5]), *(part for part in parts[5:] if len(part))]


def _placed(buffers: Sequence[memoryview], at: int) -> tuple[bytes, list[Any], int]:
    """The table of buffers that are written from a place on, the parts to write, and where they end."""
    rows, tail = [], []
    for buffer in buffers:
        padding = -at % _ALIGN
        rows.append(_ROW.pack(at + padding, buffer.nbytes, xxh3_64_intdigest(buffer)))
        tail += [b"\0" * padding, buffer]
        at += padding + buffer.nbytes
    return b"".join(rows), tail, at


def _header_check(head: bytes, table: bytes, meta: bytes) -> bytes:
    return xxh3_64_digest(head + table + meta)


class EntryFile:
    """An open entry: header and meta are checked; they and the value are loaded on request.

    trust: whose files are opened, and with which signature; by default everybody's.
    """

    __slots__ = ("_data", "_layout", "_path", "_seal", "_trust", "meta", "size", "stamp")

    def __init__(self, path: str, trust: Trust = _ALL) -> None:
        self._path, self._trust = path, trust
        fd = _opened(path)
        try:
            st = _checked(fd, path, trust)
            self.size, self.stamp = st.st_size, _stamp(st)
            data = _read(fd, st.st_size) if st.st_size < MAPPED else _beginning(fd, st.st_size)
        finally:
            os.close(fd)
        self._data = memoryview(data)  # all of the file, or its beginning
        self._seal = b""
        self.meta, self._layout = self._open(path)

    def _open(self, path: str) -> tuple[bytes, _Layout]:
        version = format_of(bytes(self._data[: len(MAGIC)]))
        if version is None or self.size < START.size:
            raise EntryError(f"{path} is not a cachepy entry")
        if version != MAGIC[-1]:
            raise OtherFormatError(path, version, MAGIC[-1])
        head = START.size + START.unpack_from(self._data)[1]
        rows = head + _HEAD.size + _CHECK
        if min(self.size, len(self._data)) < rows:
            raise EntryError(f"{path} is cut off: it ends within its header")
        fields = _HEAD.unpack_from(self._data, head)
        count, meta_length, value_length, call_length, size, value_check, call_check = fields
        if self.size == size + SEAL:
            self._seal, self.size = bytes(self._part(size, SEAL)), size
        if size != self.size:
            raise EntryError(f"{path} is cut off: {self.size} bytes of {size}")
        start = rows + count * _ROW.size
        table, meta = bytes(self._data[rows:start]), bytes(self._data[start : start + meta_length])
        if _header_check(bytes(self._data[: rows - _CHECK]), table, meta) != self._data[rows - _CHECK : rows]:
            raise EntryError(f"{path} is damaged: its header fails its checksum")
        return meta, ((start + meta_length, value_length, value_check), (call_length, call_check), table, rows)

    # -- what is read when it is wanted

    def _part(self, start: int, length: int) -> memoryview:
        """Some bytes of the file; fewer if it ends before."""
        if self._is_whole or start + length <= len(self._data):
            return self._data[start : start + length]
        fd = self._opened_again()
        try:
            return memoryview(read_part(fd, start, length))
        finally:
            os.close(fd)

    @property
    def _is_whole(self) -> bool:
        return len(self._data) >= self.stamp[2]

    def _opened_again(self) -> int:
        fd = _opened(self._path)
        try:
            if _stamp(_checked(fd, self._path, self._trust)) != self.stamp:
                raise EntryReplacedError(f"{self._path} was replaced")
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _take_all(self) -> None:
        """Have all of the file in memory, or mapped."""
        if not self._is_whole:
            data, stamp = _load(self._path, self._trust)
            if stamp != self.stamp:
                raise EntryReplacedError(f"{self._path} was replaced")
            self._data = memoryview(data)

    def pickle(self) -> bytes | memoryview:
        """The checked pickle of the value."""
        start, length, check = self._layout[0]
        data = self._part(start, length)
        if len(data) != length or xxh3_64_intdigest(data) != check:
            raise EntryError(f"{self._path} is damaged: the stored value fails its checksum")
        self._trust.check_seal(self._path, self._seal, self._parts())
        return data

    def _parts(self) -> list[Any]:
        """What is signed, as `assemble` had it: all but the buffers."""
        (start, length, _), (call_length, _), table, rows = self._layout
        ends = [0, rows, rows + len(table), start, start + length, start + length + call_length]
        return [self._part(a, b - a) for a, b in zip(ends, ends[1:], strict=False)]

    def call(self) -> bytes:
        """The checked bytes that say how the call was made."""
        start, (length, check) = sum(self._layout[0][:2]), self._layout[1]
        data = bytes(self._part(start, length))
        if len(data) != length or xxh3_64_intdigest(data) != check:
            raise EntryError(f"{self._path} is damaged: what is stored of the call's arguments fails its checksum")
        self._trust.check_seal(self._path, self._seal, self._parts())
        return data

    @property
    def pickle_size(self) -> int:
        """How many bytes the pickle of the value has."""
        return self._layout[0][1]

    @property
    def is_signed(self) -> bool:
        return bool(self._seal)

    @property
    def has_buffers(self) -> bool:
        return bool(self._layout[2])

    def value(self, *, verify: bool = True) -> Any:
        """Load the value; its buffers are private to the caller.

        verify: whether this process has not yet seen the file in this state.
        """
        self._take_all()
        pickle = self.pickle()
        buffers = self._buffers(self._in_full(verify))
        if verify or self.size < MAPPED or isinstance(self._data.obj, bytearray):
            self._trust.check_buffers(self._path, self._seal, buffers)
        return load_value(pickle, buffers)

    def payload(self) -> Payload:
        """The value as it is stored, checked in full, to be stored again."""
        from cachepy.store.payload import Payload

        self.check()
        return Payload(bytes(self.pickle()), self._buffers(verify=False))

    def again(self) -> Mapped | None:
        """What loads the value again as long as the file stays as it was checked; None if it is not mapped."""
        if isinstance(self._data.obj, bytearray) or self._layout[0][1] > SMALL:
            return None
        places = [(offset, offset + length) for offset, length, _ in self._rows()]
        return Mapped(self.stamp, bytes(self.pickle()), places)

    def _in_full(self, first: bool) -> bool:
        if self.size < MAPPED or os.environ.get("CACHEPY_VERIFY") == "1":
            return True
        return first and sum(length for _, length, _ in self._rows()) <= _CHECKED

    def _buffers(self, verify: bool) -> list[memoryview]:
        self._take_all()
        if verify:
            self._check_parts()
        found = [self._data[at : at + length] for at, length, _ in self._rows()]
        if any(len(view) != length for view, (_, length, _) in zip(found, self._rows(), strict=True)):
            raise EntryError(f"{self._path} is damaged: a buffer of the stored value fails its checksum")
        return found

    def _rows(self) -> Iterator[tuple[int, int, int]]:
        """Offset, length and checksum of each buffer."""
        return _ROW.iter_unpack(self._layout[2])

    def check(self) -> None:
        """Compare everything against its checksum; EntryError if anything differs."""
        self.pickle()
        self.call()
        self._check_parts()
        self._trust.check_buffers(self._path, self._seal, (self._part(at, length) for at, length, _ in self._rows()))

    def _check_parts(self) -> None:
        """The buffers and what is between them, a piece at a time: not all of a large file has to be in memory."""
        (start, length, _), (call_length, _) = self._layout[:2]
        end = start + length + call_length
        for offset, length, check in self._rows():
            if self._digest(offset, length) != check:
                raise EntryError(f"{self._path} is damaged: a buffer of the stored value fails its checksum")
            if any(self._part(end, offset - end)):
                raise EntryError(f"{self._path} is damaged: there is data between the buffers of the stored value")
            end = offset + length

    def _digest(self, start: int, length: int) -> int:
        if length <= _CHUNK:
            return xxh3_64_intdigest(self._part(start, length))
        digest = xxh3_64()
        for at in range(start, start + length, _CHUNK):
            digest.update(self._part(at, min(_CHUNK, start + length - at)))
        return digest.intdigest()


class Mapped:
    """The checked pickle of a value and the places of its buffers in a file that is mapped at each load."""

    __slots__ = ("pickle", "places", "stamp")

    def __init__(self, stamp: Stamp, pickle: bytes, places: list[tuple[int, int]]) -> None:
        self.stamp = stamp
        self.pickle = pickle
        self.places = places

    def load(self, path: str, trust: Trust) -> Any:
        """The value; EntryReplacedError if the file is in another state than it was."""
        if os.environ.get("CACHEPY_VERIFY") == "1":
            raise EntryReplacedError(f"{path} has to be checked in full")
        data, stamp = _load(path, trust)
        if stamp != self.stamp:
            raise EntryReplacedError(f"{path} was replaced")
        view = memoryview(data)
        return load_value(self.pickle, [view[start:end] for start, end in self.places])


def load_value(pickle: bytes | memoryview, buffers: Sequence[memoryview] = ()) -> Any:
    """Unpickle; whatever goes wrong (a class that moved, a package that is gone) is an EntryError."""
    if len(pickle) <= short_pickle.SHORT and "_pickle" not in sys.modules:
        try:
            return short_pickle.loads(bytes(pickle))
        except short_pickle.NotPlainError:
            pass
    import _pickle

    try:
        return _pickle.loads(pickle, buffers=buffers)
    except EntryError:  # of a part that was compressed
        raise
    except Exception as error:  # unpickling runs code of any class
        from cachepy.store import addresses

        if addresses.may_help(error, pickle):
            try:
                return addresses.load(pickle, buffers)
            except Exception:  # noqa: S110 - the first error says what is wrong
                pass
        raise EntryError(f"the stored value cannot be loaded: {type(error).__name__}: {error}") from error


# ---------------------------------------------------------------- files


def _opened(path: str) -> int:
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)  # it may be a fifo
    try:
        return os.open(path, flags | _NO_USE)
    except PermissionError:  # another user's, or nobody may read it
        return os.open(path, flags)


def _checked(fd: int, path: str, trust: Trust) -> os.stat_result:
    """The state of an open file; an error if it is none, or belongs to a stranger."""
    st = os.fstat(fd)
    if stats.S_ISDIR(st.st_mode):
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), path)
    if not stats.S_ISREG(st.st_mode):
        raise EntryError(f"{path} is no file; remove it")
    trust.check_owner(path, st.st_uid)
    return st


def _stamp(st: os.stat_result) -> Stamp:
    return st.st_ino, st.st_mtime_ns, st.st_size


def _read(fd: int, size: int) -> bytearray:
    """All of a small file; writable, as a mapping is: arrays loaded from it may be changed."""
    data = os.read(fd, size + 1)
    while len(data) < size and (more := os.read(fd, size)):
        data += more
    return bytearray(data)


def _beginning(fd: int, size: int) -> bytearray:
    """The header and the meta of a large file."""
    data = read_part(fd, 0, _BEGIN)
    head = START.size + START.unpack_from(data)[1]
    if head + _HEAD.size <= len(data):
        count, meta_length = _HEAD.unpack_from(data, head)[:2]
        end = head + _HEAD.size + _CHECK + count * _ROW.size + meta_length
        if len(data) < end <= size:
            data += read_part(fd, len(data), end - len(data))
    return data


def _load(path: str, trust: Trust) -> tuple[Any, Stamp]:
    """All of a large file, mapped copy-on-write or read; and the state that it is in."""
    from cachepy.store import mapping  # small entries, the most, are never mapped

    fd = _opened(path)
    try:
        st = _checked(fd, path, trust)
        may_map = trust.key is None or st.st_uid == os.geteuid()  # whose it is could alter it after a check
        return mapping.whole(fd, path, st, may_map=may_map), _stamp(st)
    finally:
        os.close(fd)
