"""Digests of files and directories, and the memo that saves reading an unchanged file again.

A digest always covers the full content.  The memo goes by the file's identity and times; a stat
so young that the file could change again within the clock's tick is not trusted (git calls this
"racily clean"), nor one of a file that somebody has open for writing: what is written through a mapping
whose page is dirty already leaves no trace in the times.  What lies on a network mount is asked for anew, and
judged by the clock of its server (see `mounts`).
A cache directory of ours inside a digested one counts only by what the user keeps
beside our files; with nothing beside them it counts as if it were not there.  Paths in, hex digests
out.
"""

from __future__ import annotations

import os
import stat as stats
import time
from errno import EAGAIN

from xxhash import xxh3_128, xxh3_128_hexdigest

from cachepy.core.kind import is_address
from cachepy.store.fs import OWN_NAMES, has_tag
from cachepy.store.mounts import Mounts
from cachepy.store.stat_cache import _ROW, REMEMBER, StatMemo, _row, _rows, identity_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachepy.store.far_files import FarFiles
    from cachepy.store.stat_cache import Identity

__all__ = ["_ROW", "Files", "Identity", "StatMemo", "_row", "_rows", "identity_of"]

YOUNG = 2_000_000_000  # ns; the coarsest common clock of a file system (FAT) ticks every 2 s
_CHUNK = 1 << 20
_TRIES = 3
_OPEN = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)  # it may be a fifo by now
_HARMLESS_SIGNAL = 23  # SIGURG on Linux, the only system with leases: ignored unless a program asks for it
_CLOCKS = ("stat.memo", "graph.pkl", "entries", "")  # in a cache directory: the newest that a server has written for us


class Files:
    """Digests whatever a path names: a file, a directory, or nothing.

    Examples
    --------
    >>> Files(StatMemo()).digest("/no/such/file") is None
    True
    """

    def __init__(self, memo: StatMemo, mounts: Mounts | None = None) -> None:
        self.memo = memo
        self.mounts = Mounts() if mounts is None else mounts
        self.memo_file: str | None = None
        self._far: FarFiles | None = None
        memo.place = self.mounts.place

    def digest(self, path: str, fresh: set[str] | None = None) -> str | None:
        """The digest of the content; None if there is nothing.  Symlinks count by their target.

        fresh: folders that have been asked for in the same look (see `Mounts.stat`).
        """
        if "://" in path and is_address(path):
            return self.far.digest(path)
        try:
            st = self.mounts.stat(path, fresh)
        except PermissionError:
            return "unreadable"
        except (OSError, ValueError):
            return None
        known = self.memo.known.get((st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns))
        if known is not None:
            return known
        if stats.S_ISDIR(st.st_mode):
            return "dir:" + _Directory(self, fresh).digest(path, st)
        return self.content(path, st)

    @property
    def far(self) -> FarFiles:
        """Who asks for files elsewhere; most programs have none."""
        if self._far is None:
            from cachepy.store.far_files import FarFiles

            self._far = FarFiles()
        return self._far

    def exists(self, path: str, fresh: set[str]) -> bool:
        """Whether there is a file, or may be: of one elsewhere only its digest says so."""
        return self.counts(path) or self.mounts.exists(path, fresh)

    def counts(self, path: str) -> bool:
        """Whether a text is an address that can be asked for."""
        return "://" in path and is_address(path) and self.far.counts(path)

    def content(self, path: str, st: os.stat_result) -> str:
        """The digest of a file whose stat is known, from the memo if it can be trusted."""
        if not stats.S_ISREG(st.st_mode):
            return f"special:{stats.S_IFMT(st.st_mode):o}:{st.st_rdev}"
        identity = identity_of(st)
        known = self.memo.get(identity)
        if known is None and st.st_size >= REMEMBER and self.memo_file is not None:
            self.memo.attach(self.memo_file)
            known = self.memo.get(identity)
        return known if known is not None else self._read(path)

    def _read(self, path: str) -> str:
        """Read the file; once more if it changed meanwhile."""
        for _ in range(_TRIES):
            settled = self._settled(path, time.time_ns())
            try:
                before, digest, after = _digest_open(path)
                if before[0] not in self.mounts.local:  # an open file may be told the times it had when it was opened
                    after = identity_of(self.mounts.stat(path))
            except FileNotFoundError:
                return "gone"
            except OSError:
                return "unreadable"
            if before == after:
                if before == settled:
                    self.memo.put(before, digest, before[2])
                return digest
        return digest


    def _settled(self, path: str, now: int) -> Identity | None:
        """The identity of a file that cannot change from now on without its showing; None: it may.

        Asked before the reading: a writer that comes later changes the times.
        """
        try:
            fd = os.open(path, _OPEN)
        except OSError:
            return None
        try:
            st = os.fstat(fd)
            is_local = self.mounts.is_local(st.st_dev, path)
            if self._is_young(st, now, is_local=is_local) or _is_being_written(fd, is_local=is_local):
                return None
            st = os.fstat(fd)
            return None if self._is_young(st, now, is_local=is_local) else identity_of(st)
        finally:
            os.close(fd)

    def _is_young(self, st: os.stat_result, now: int, *, is_local: bool) -> bool:
        last = max(st.st_mtime_ns, st.st_ctime_ns)
        if is_local:
            return now - last <= YOUNG
        self.mounts.note(st)
        return not self.mounts.has_passed(st.st_dev, last + YOUNG) and not self._has_passed(st.st_dev, last + YOUNG)

    def _has_passed(self, device: int, when: int) -> bool:
        """What was written into the cache directory may tell how late it is on the server."""
        root = os.path.dirname(self.memo_file or "")
        for name in _CLOCKS if root else ():
            try:
                self.mounts.note(os.stat(os.path.join(root, name)))
            except OSError:
                continue
        return self.mounts.has_passed(device, when)


def _is_being_written(fd: int, *, is_local: bool) -> bool:
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
        # refused on a network, it may mean that the server gives none
        return (error.errno == EAGAIN and is_local) or _is_mapped_here(fd, st.st_ino)
    return False


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

    def __init__(self, files: Files, fresh: set[str] | None) -> None:
        self.files = files
        self.fresh = set[str]() if fresh is None else fresh
        self.above: set[tuple[int, int]] = set()

    def digest(self, path: str, st: os.stat_result) -> str:
        here = (st.st_dev, st.st_ino)
        if here in self.above:
            return "loop"
        self.above.add(here)
        names, digests = self._members(path)
        self.above.discard(here)
        return xxh3_128_hexdigest(os.fsencode("\0".join([*names, *digests])))  # half of them are names

    def _members(self, path: str) -> tuple[list[str], list[str]]:
        try:
            with os.scandir(path) as found:
                entries = {entry.name: entry for entry in found}
        except OSError:
            return [""], ["unreadable"]
        if "CACHEDIR.TAG" in entries and has_tag(path):
            entries = {name: entry for name, entry in entries.items() if name not in OWN_NAMES}
        names, digests, known, mounts = [], [], self.files.memo.known, self.files.mounts
        for name in sorted(entries):
            try:
                st = entries[name].stat()
                if st.st_dev not in mounts.local:
                    st = mounts.stat(os.path.join(path, name), self.fresh)
            except OSError:
                digest: str | None = "dangling"
            else:
                digest = known.get((st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns))
                digest = digest if digest is not None else self._member(os.path.join(path, name), st)
            if digest is not None:
                names.append(name)
                digests.append(digest)
        return names, digests

    def _member(self, path: str, st: os.stat_result) -> str | None:
        if not stats.S_ISDIR(st.st_mode):
            return self.files.content(path, st)
        return None if has_tag(path) and _is_all_ours(path) else "dir:" + self.digest(path, st)


def _is_all_ours(path: str) -> bool:
    try:
        return OWN_NAMES.issuperset(os.listdir(path))
    except OSError:
        return False
