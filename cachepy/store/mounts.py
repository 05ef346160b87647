"""Which file systems tell of a file at once, and how the others are made to: a network mount remembers what it heard.

The client of a network file system answers a `stat` from a cache for seconds or minutes.  It asks the server when
a file is opened (close-to-open), and when a folder is, for the names in it; so on such a mount both are opened
before a stat counts.  Which kind a device is of is decided once.  The clock of a server is another one than ours:
it is only known to have passed the times that were seen there.
"""

from __future__ import annotations

import os
import stat as stats
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Mounts", "ask_for", "sync", "touch"]

# what only this kernel writes to, with times by this machine's clock; the FAT family keeps no ctime: it is not here
_LOCAL = frozenset({
    "apfs", "aufs", "autofs", "bcachefs", "btrfs", "cramfs", "devtmpfs", "ecryptfs", "erofs", "ext2", "ext3", "ext4",
    "f2fs", "fuse.fuse-overlayfs", "fuseblk", "hfs", "hfsplus", "hugetlbfs", "iso9660", "jffs2", "jfs", "minix",
    "nilfs2", "ntfs", "ntfs3", "overlay", "proc", "ramfs", "reiserfs", "romfs", "rootfs", "squashfs", "sysfs", "tmpfs",
    "ubifs", "udf", "xfs", "zfs",
})  # fmt: skip
_WITH_CTIME = frozenset({
    "9p", "beegfs", "ceph", "cifs", "gfs2", "gpfs", "lustre", "nfs", "nfs4", "ocfs2", "orangefs", "smb3", "virtiofs",
})  # fmt: skip
_NUMBERED = 1 << 62  # of a place that is known by its server, not by the number that it has on this machine
_OPEN = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_FOLDER = _OPEN | getattr(os, "O_DIRECTORY", 0)
_CHUNK = 1 << 16
_AT_FDCWD, _AT_EMPTY_PATH, _AT_STATX_FORCE_SYNC, _BASIC = -100, 0x1000, 0x2000, 0x7FF


class Mounts:
    """The kinds of the mounts that were met, by device.

    network, local: folders whose file systems count as such, whatever their types say.

    Examples
    --------
    >>> mounts = Mounts()
    >>> mounts.stat(__file__) == os.stat(__file__)
    True
    """

    def __init__(self, network: Iterable[str] = (), local: Iterable[str] = ()) -> None:
        self.local = {device for folder in local if (device := _device(folder)) is not None}
        self._types: dict[int, tuple[str, str]] = {}  # of the others: type and source
        self._types.update({device: ("", "") for folder in network if (device := _device(folder)) is not None})
        self.local.difference_update(self._types)
        self._with_ctime: set[int] = set()
        self._clocks: dict[int, int] = {}  # device -> ns by which the server is ahead of our monotonic clock, at least

    @classmethod
    def of_environment(cls) -> Mounts:
        """``CACHEPY_NETWORK_DIRS`` and ``CACHEPY_LOCAL_DIRS``: folders, as in ``PATH``."""
        named = (os.environ.get(name, "") for name in ("CACHEPY_NETWORK_DIRS", "CACHEPY_LOCAL_DIRS"))
        network, local = ([f for f in text.split(os.pathsep) if f] for text in named)
        return cls(network, local)

    # -- kinds

    def is_local(self, device: int, path: str) -> bool:
        """Whether what the kernel says of files on a device is true at once; path: something that lies there."""
        if device in self.local:
            return True
        if device in self._types:
            return False
        found = None if device in _met else _type_of(device, path)
        if found is None or found[0] in _LOCAL:
            _met.add(device)
            self.local.add(device)
            return True
        self._types[device] = found
        if found[0] in _WITH_CTIME:
            self._with_ctime.add(device)
        return False

    def is_far(self, path: str) -> bool:
        """Whether a path, which need not exist, lies or would lie on a network mount."""
        at = _absolute(path)
        while at:
            device = _device(at)
            if device is not None:
                return not self.is_local(device, at)
            at = os.path.dirname(at) if at != os.path.dirname(at) else ""
        return False

    def place(self, device: int) -> int | None:
        """A number that means the same file system in every process; None if its files have no lasting numbers."""
        found = self._types.get(device)
        if found is None:
            return device
        if not found[1] or found[0].startswith("fuse"):
            return None
        from xxhash import xxh3_64_intdigest

        return xxh3_64_intdigest("\0".join(found).encode(errors="surrogateescape")) % _NUMBERED + _NUMBERED

    # -- as it is now

    def stat(self, path: str, fresh: set[str] | None = None) -> os.stat_result:
        """As `os.stat`, but on a network mount after asking the server.

        fresh: folders that have been asked for in the same look; more are added.
        """
        try:
            st = os.stat(path)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            if not self.is_far(path):
                raise
        else:
            if st.st_dev in self.local or self.is_local(st.st_dev, path):
                return st
        self.freshen(path, fresh)
        return os.stat(path)

    def exists(self, path: str, fresh: set[str]) -> bool:
        """Whether a path leads to something: that it does not is remembered by network mounts too."""
        try:
            if os.access(path, os.F_OK):
                return True
        except ValueError:  # a null character
            return False
        folder = os.path.dirname(path)
        if folder in fresh:
            return False
        if _device(folder) in self.local or not self.is_far(folder):
            fresh.add(folder)
            return False
        try:
            self.freshen(path, fresh)
        except OSError:
            return False
        return os.access(path, os.F_OK)

    def freshen(self, path: str, fresh: set[str] | None = None) -> None:
        """Have the kernel ask for a path and the folders above it, as far as they lie on network mounts.

        OSError if something of it is gone, which the kernel may go on to remember as being there.
        """
        for each in self.way(path, set() if fresh is None else fresh):
            self.note(touch(each))

    def way(self, path: str, fresh: set[str]) -> Iterator[str]:
        """What has to be asked for, in this order: the folders above, of links those of the target, and the path."""
        path = _absolute(path)
        yield from self._folders(path, fresh)
        try:
            real = os.path.realpath(path)
            yield from self._folders(real, fresh)
            if not self.is_local(os.stat(real).st_dev, real):
                yield real
        except OSError:
            return

    def _folders(self, path: str, fresh: set[str]) -> Iterator[str]:
        for folder in _above(path):
            if folder in fresh:
                continue
            device = _device(folder)
            if device is None:
                return
            fresh.add(folder)
            if device not in self.local and not self.is_local(device, folder):
                yield folder

    # -- the clock of a server

    def note(self, st: os.stat_result) -> None:
        """Learn from a stat what its server's clock has passed, and whether it keeps a ctime that nobody can set."""
        if st.st_dev in self.local:
            return
        if st.st_ctime_ns != st.st_mtime_ns:
            self._with_ctime.add(st.st_dev)
        ahead = st.st_ctime_ns - time.monotonic_ns()
        if ahead > self._clocks.get(st.st_dev, -sys.maxsize) and st.st_ctime_ns <= time.time_ns():  # no wild date
            self._clocks[st.st_dev] = ahead

    def has_passed(self, device: int, when: int) -> bool:
        """Whether a file that has this time cannot get the same one again."""
        if device not in self._with_ctime:  # whoever sets the mtime back leaves no trace
            return False
        ahead = self._clocks.get(device)
        return ahead is not None and time.monotonic_ns() + ahead > when


def touch(path: str) -> os.stat_result:
    """Open a file or folder and close it, so that a network mount asks for it; its stat, OSError if it is not there."""
    mode = os.stat(path).st_mode
    if stats.S_ISREG(mode) or stats.S_ISDIR(mode):  # a device might do something when it is opened
        try:
            fd = os.open(path, _FOLDER if stats.S_ISDIR(mode) else _OPEN)
        except PermissionError:
            pass
        else:
            try:
                return sync(fd)
            finally:
                os.close(fd)
    _force(_AT_FDCWD, os.fsencode(path), _AT_STATX_FORCE_SYNC)
    return os.stat(path)


def ask_for(entry: str) -> None:
    """Likewise for a file that only ever comes and goes whole: by a name in its folder."""
    touch(os.path.dirname(entry))
    touch(entry)


def sync(fd: int) -> os.stat_result:
    """The stat of an open file, of now also where opening it asks nobody."""
    _force(fd, b"", _AT_EMPTY_PATH | _AT_STATX_FORCE_SYNC)
    return os.fstat(fd)


def _force(fd: int, path: bytes, flags: int) -> None:
    """Have the kernel ask the server, by `statx`; best effort, since not every kernel can."""
    global _statx
    if _statx is None:
        _statx = _load_statx()
    _statx(fd, path, flags)


_met: set[int] = set()
"""The local devices that any session of this process has met."""

_statx: Callable[[int, bytes, int], object] | None = None


def _load_statx() -> Callable[[int, bytes, int], object]:
    try:
        from ctypes import CDLL, c_char_p, c_int, c_uint, create_string_buffer

        statx = CDLL(None).statx
    except (AttributeError, ImportError, OSError):  # not Linux, or an old libc
        return lambda *_: None
    statx.argtypes = [c_int, c_char_p, c_int, c_uint, c_char_p]
    return lambda fd, path, flags: statx(fd, path, flags, _BASIC, create_string_buffer(256))


def _device(path: str) -> int | None:
    try:
        return os.stat(path or ".").st_dev
    except (OSError, ValueError):
        return None


def _absolute(path: str) -> str:
    """Without resolving ``..``, which links make mean something else; empty if the working directory is gone."""
    try:
        return path if os.path.isabs(path) else os.path.join(os.getcwd(), path)
    except OSError:
        return ""


def _above(path: str) -> Iterator[str]:
    """The folders above a path, from the root down."""
    at = path.find(os.sep)
    while at >= 0:
        yield path[:at] or os.sep
        at = path.find(os.sep, at + 1)


def _type_of(device: int, path: str) -> tuple[str, str] | None:
    """Type and source of the mount that a path lies on; None where there is no table of mounts to look into."""
    if not sys.platform.startswith("linux"):
        return None
    table = _table()
    number = f" {os.major(device)}:{os.minor(device)} "
    found = [_row(line) for line in table if number in line]
    if not found:  # a subvolume, or a layer of an overlay, has a number of its own
        real = os.path.realpath(path)
        found = [row for row in map(_row, table) if real == row[0] or real.startswith(row[0].rstrip("/") + "/")]
        found.sort(key=lambda row: len(row[0]))
    return found[-1][1:] if found else ("unknown", "")


def _table() -> list[str]:
    try:
        fd = os.open("/proc/self/mountinfo", _OPEN)
    except OSError:
        return []
    try:
        parts = []
        while part := os.read(fd, _CHUNK):
            parts.append(part)
    except OSError:
        return []
    finally:
        os.close(fd)
    return os.fsdecode(b"".join(parts)).splitlines()


def _row(line: str) -> tuple[str, str, str]:
    """Folder, type and source of a mount."""
    head, _, tail = line.partition(" - ")
    kind, source = (*tail.split(" "), "", "")[:2]
    return _plain((*head.split(" ", 5), "", "", "", "", "")[4]), kind, source


def _plain(text: str) -> str:
    """A name in the table of mounts, where blanks and the like are octal."""
    for escaped, plain in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        text = text.replace(escaped, plain)
    return text
