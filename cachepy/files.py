"""Digests of files and directories, and the memo that saves reading an unchanged file again.

A digest always covers the full content.  The memo goes by the file's identity and times; a stat
so young that the file could change again within the clock's tick is not trusted (git calls this
"racily clean"), nor one of a file that somebody has open for writing: what is written through a mapping
whose page is dirty already leaves no trace in the times.
A cache directory of ours inside a digested one counts only by what the user keeps
beside our files; with nothing beside them it counts as if it were not there.  Imports nothing of
cachepy: paths in, hex digests out.
"""

from __future__ import annotations

import os
import stat as stats
import time
from collections import deque
from errno import EAGAIN
from struct import Struct

from xxhash import xxh3_64_intdigest, xxh3_128

from cachepy.plainfile import open_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Identity = tuple[int, int, int, int, int]

YOUNG = 2_000_000_000  # ns; the coarsest common clock of a file system (FAT) ticks every 2 s
_CHUNK = 1 << 20
_REMEMBER = 1 << 14  # bytes; a smaller file is read sooner than looked up in the memo on disk
_ROW = Struct("<qqqqq16sQ")
_TRIES = 3
_OPEN = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)  # it may be a fifo by now
_HARMLESS_SIGNAL = 23  # SIGURG on Linux, the only system with leases: ignored unless a program asks for it
_NETWORK = ("nfs", "cifs", "smb", "ceph", "fuse", "9p", "lustre", "gpfs", "beegfs", "afs", "gfs", "ocfs")
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _OPEN | getattr(os, "O_NOFOLLOW", 0)
_TAG = b"Signature: 8a477f597d28d172789f06886806bc55"  # bford.info/cachedir
OWN_TAG = _TAG + b"\n# This is a cache directory of cachepy.\n"
OWN_NAMES = frozenset({"CACHEDIR.TAG", "broken", "code", "entries", "graph.pkl", "runs", "stat.memo"})


class StatMemo:
    """file identity -> digest, for one process; `attach` adds what a cache directory remembers."""

    def __init__(self) -> None:
        self._known: dict[Identity, str] = {}
        self._unsaved: deque[tuple[Identity, str]] = deque()  # threads append and pop at once
        self._loaded: set[str] = set()
        self.trusts: Callable[[int], bool] | None = None  # whose memo files are read, by the number of the user
        self.on_disk = True  # with signed entries it is not: a false row would hide a change

    def get(self, identity: Identity) -> str | None:
        return self._known.get(identity)

    def put(self, identity: Identity, digest: str, size: int) -> None:
        self._known[identity] = digest
        if size >= _REMEMBER:
            self._unsaved.append((identity, digest))

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
        except OSError:
            return
        for identity, digest in _rows(data):
            self._known.setdefault(identity, digest)

    def flush(self, path: str) -> None:
        """Append what was learnt since the last flush; best effort, the memo only saves time."""
        if not self._unsaved or not self.on_disk:
            return
        rows = []
        try:
            while True:
                rows.append(_row(*self._unsaved.popleft()))
        except IndexError:  # empty, by us or by another thread
            pass
        if rows:
            _append(path, b"".join(rows))


def _open(path: str, flags: int) -> int:
    """Never waits: what has the name of a file may be a fifo."""
    return os.open(path, flags | _OPEN)


def _append(path: str, rows: bytes) -> None:
    try:
        fd = os.open(path, _APPEND, 0o644)  # its rows speak for its owner
    except OSError:
        return
    try:
        torn = os.fstat(fd).st_size % _ROW.size
        padding = b"\0" * (-torn % _ROW.size)  # a torn end becomes a row that does not check
        os.write(fd, padding + rows)
    except OSError:
        pass
    finally:
        os.close(fd)


def _row(identity: Identity, digest: str) -> bytes:
    raw = bytes.fromhex(digest)
    return _ROW.pack(*identity, raw, xxh3_64_intdigest(repr(identity).encode() + raw))


def _rows(data: bytes) -> Iterator[tuple[Identity, str]]:
    whole = len(data) - len(data) % _ROW.size
    for *identity, raw, check in _ROW.iter_unpack(data[:whole]):
        key: Identity = tuple(identity)
        if xxh3_64_intdigest(repr(key).encode() + raw) == check:
            yield key, raw.hex()


def identity_of(st: os.stat_result) -> Identity:
    """What changes when a file does, without reading it."""
    return st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns


class Files:
    """Digests whatever a path names: a file, a directory, or nothing.

    Examples
    --------
    >>> Files(StatMemo()).digest("/no/such/file") is None
    True
    """

    def __init__(self, memo: StatMemo) -> None:
        self.memo = memo
        self.memo_file: str | None = None

    def digest(self, path: str) -> str | None:
        """The digest of the content; None if there is nothing.  Symlinks count by their target."""
        try:
            st = os.stat(path)
        except PermissionError:
            return "unreadable"
        except (OSError, ValueError):
            return None
        if stats.S_ISDIR(st.st_mode):
            return "dir:" + _Directory(self).digest(path, st)
        return self.content(path, st)

    def content(self, path: str, st: os.stat_result) -> str:
        """The digest of a file whose stat is known, from the memo if it can be trusted."""
        if not stats.S_ISREG(st.st_mode):
            return f"special:{stats.S_IFMT(st.st_mode):o}:{st.st_rdev}"
        identity = identity_of(st)
        known = self.memo.get(identity)
        if known is None and st.st_size >= _REMEMBER and self.memo_file is not None:
            self.memo.attach(self.memo_file)
            known = self.memo.get(identity)
        return known if known is not None else self._read(path)

    def _read(self, path: str) -> str:
        """Read the file; once more if it changed meanwhile."""
        for _ in range(_TRIES):
            settled = _settled(path, time.time_ns())
            try:
                before, digest, after = _digest_open(path)
            except FileNotFoundError:
                return "gone"
            except OSError:
                return "unreadable"
            if before == after:
                if before == settled:
                    self.memo.put(before, digest, before[2])
                return digest
        return digest


def _settled(path: str, now: int) -> Identity | None:
    """The identity of a file that cannot change from now on without its showing; None: it may.

    Asked before the reading: a writer that comes later changes the times.
    """
    try:
        fd = os.open(path, _OPEN)
    except OSError:
        return None
    try:
        written = _is_being_written(fd)
        st = os.fstat(fd)
        return None if written or now - max(st.st_mtime_ns, st.st_ctime_ns) <= YOUNG else identity_of(st)
    finally:
        os.close(fd)


def _is_being_written(fd: int) -> bool:
    """Whether somebody has the file open for writing, a mapping included.

    The kernel knows: it grants a read lease, given back at once, only on a file that nobody may write.  It
    does so for one's own files; of others, and where a network file system has no lease to give, only the
    mappings of this process are looked at.
    """
    try:
        import fcntl

        fcntl.fcntl(fd, fcntl.F_SETSIG, _HARMLESS_SIGNAL)  # told to us if a writer comes in between; SIGIO would kill
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except (AttributeError, ImportError):  # not Linux
        return False
    except OSError as error:
        st = os.fstat(fd)
        return (error.errno == EAGAIN and _is_local(st.st_dev)) or _is_mapped_here(fd, st.st_ino)
    return False


def _is_local(device: int) -> bool:
    """Whether a refused lease means a writer: on a network it may mean that the server gives none."""
    name = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo") as file:
            rows = [line.split() for line in file]
        return not any(row[row.index("-") + 1].startswith(_NETWORK) for row in rows if row[2] == name)
    except (OSError, ValueError):
        return True


def _is_mapped_here(fd: int, inode: int) -> bool:
    """Whether this process may write the file and has it mapped for that."""
    try:
        if not os.access(f"/proc/self/fd/{fd}", os.W_OK):
            return False
        with open("/proc/self/maps") as file:
            rows = [line.split(None, 5) for line in file]
        return any(row[4] == str(inode) and row[1][3] == "s" for row in rows)
    except OSError:
        return False


def _digest_open(path: str) -> tuple[Identity, str, Identity]:
    """Digest by reading into a buffer: a file that shrinks under a mapping would kill the process."""
    hasher = xxh3_128()
    fd = os.open(path, _OPEN)
    try:
        st = os.fstat(fd)
        before = identity_of(st)
        if st.st_size < _CHUNK:
            data = os.read(fd, _CHUNK)
            hasher.update(data)
            if len(data) == st.st_size:
                return before, hasher.hexdigest(), identity_of(os.fstat(fd))
        with os.fdopen(os.dup(fd), "rb", buffering=0) as file:
            buffer = memoryview(bytearray(_CHUNK))
            while count := file.readinto(buffer):
                hasher.update(buffer[:count])
        return before, hasher.hexdigest(), identity_of(os.fstat(fd))
    finally:
        os.close(fd)


class _Directory:
    """Digests the names and contents below one directory, in the order of the names.

    A link back to a folder above is digested as a loop; our own files in a cache directory are left
    out, since they change with every run.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self.above: set[tuple[int, int]] = set()

    def digest(self, path: str, st: os.stat_result) -> str:
        here = (st.st_dev, st.st_ino)
        if here in self.above:
            return "loop"
        self.above.add(here)
        hasher = xxh3_128()
        for name, digest in self._members(path):
            raw = os.fsencode(name)
            hasher.update(b"%d:%s=%s\n" % (len(raw), raw, digest.encode()))
        self.above.discard(here)
        return hasher.hexdigest()

    def _members(self, path: str) -> Iterator[tuple[str, str]]:
        try:
            names = sorted(os.listdir(path))
        except OSError:
            yield "", "unreadable"
            return
        if "CACHEDIR.TAG" in names and _is_ours(path):
            names = [name for name in names if name not in OWN_NAMES]
        for name in names:
            digest = self._member(os.path.join(path, name))
            if digest is not None:
                yield name, digest

    def _member(self, path: str) -> str | None:
        try:
            st = os.stat(path)
        except OSError:
            return "dangling"
        if not stats.S_ISDIR(st.st_mode):
            return self.files.content(path, st)
        return None if _is_ours(path) and _is_all_ours(path) else "dir:" + self.digest(path, st)


def _is_ours(path: str) -> bool:
    try:
        with open(os.path.join(path, "CACHEDIR.TAG"), "rb", opener=_open) as file:
            return file.read(len(OWN_TAG)) == OWN_TAG
    except OSError:
        return False


def _is_all_ours(path: str) -> bool:
    try:
        return OWN_NAMES.issuperset(os.listdir(path))
    except OSError:
        return False
