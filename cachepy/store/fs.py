"""Small things done to files, safe for names, owners and kinds of files that are not known."""

from __future__ import annotations

import os
import stat
from errno import EINVAL, ENOTSUP

from xxhash import xxh3_64_hexdigest

from cachepy.errors import EntryError
from cachepy.store.trust import Trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_TAG = b"Signature: 8a477f597d28d172789f06886806bc55"  # bford.info/cachedir
OWN_TAG = _TAG + b"\n# This is a cache directory of cachepy.\n"
OWN_NAMES = frozenset({
    "CACHEDIR.TAG", "broken", "code", "entries", "graph.live", "graph.pkl", "graph.size", "programs",
    "runs", "size.dropped", "size.note", "stat.memo", "values",
})  # fmt: skip
PROGRAMS = b"cachepy programs "  # how a file of records of programs begins, before the number of its format
PROGRAMS_HEAD = PROGRAMS + b"1"
DIGITS = 16  # of a number in a file of its own
_CHUNK = 1 << 24
_LONGEST = 60  # characters of a function's name in a file name


def for_readers(path: str, flags: int) -> int:
    """Only its owner may write into a file that speaks for its owner, whatever the umask of the process."""
    return os.open(path, flags, 0o644)


def safe_name(fname: str) -> str:
    """A file name for a function name: readable if it can be, bounded, unambiguous by the digest."""
    text = "".join(c if c.isascii() and (c.isalnum() or c in "_.") else "_" for c in fname)
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - 17]}.{xxh3_64_hexdigest(fname.encode('utf-8', 'replace'))}"


class OpenFile:
    """An open file that is closed when nobody uses it any more: another thread may be in the midst of writing."""

    __slots__ = ("fd",)

    def __init__(self, path: str, flags: int, mode: int = 0o666) -> None:
        self.fd = os.open(path, flags, mode)

    def __del__(self) -> None:
        if os is not None and hasattr(self, "fd"):  # at interpreter shutdown; it may not have been opened
            os.close(self.fd)


def write_all(fd: int, data: Any) -> None:
    """Write all of it."""
    written = os.write(fd, data)
    if written < len(data):
        view = memoryview(data).cast("B")[written:]
        while view:
            view = view[os.write(fd, view) :]


def protect(fd: int) -> None:
    """Nobody may write into it from now on, its owner neither: others may have mapped it.  It can be replaced."""
    try:
        os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) & ~0o222)
    except (OSError, AttributeError):  # a file system, or an operating system, without modes
        pass


def hard_link(path: str, name: str) -> None:
    """Give a file a second name; OSError if that cannot be, also on a system that knows no hard links."""
    if not hasattr(os, "link"):
        raise OSError(ENOTSUP, os.strerror(ENOTSUP), name)
    os.link(path, name)


def keep_aside(path: str, aside: str, trust: Trust) -> bool:
    """Give a file a second name, or a copy under it where there are no hard links; whether that worked."""
    try:
        hard_link(path, aside)
    except FileExistsError:
        return True
    except OSError:  # no hard links here, or none to files of others
        try:
            _copy(path, aside, trust)
        except FileExistsError:
            return True
        except (EntryError, OSError):
            unlink(aside)
            return False
    return True


def _copy(path: str, aside: str, trust: Trust) -> None:
    """The copy will be ours: so what is copied has to be of somebody who is trusted, at this very moment."""
    import shutil

    with open(path, "rb") as source:
        trust.check_owner(path, os.fstat(source.fileno()).st_uid)
        with open(aside, "xb", opener=for_readers) as file:
            trust.open_up(file.fileno())
            shutil.copyfileobj(source, file)


def names_in(folder: str) -> list[str]:
    """The names in a folder; none if it cannot be read."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def listed(folder: str) -> list[str]:
    """The same, sorted."""
    return sorted(names_in(folder))


def unlink(path: str) -> None:
    """Remove a file, best effort."""
    try:
        os.unlink(path)
    except OSError:
        pass


def mark(path: str, trust: Trust) -> None:
    """Mark the directory, best effort, also one that the user made."""
    try:
        with open(path, "xb", buffering=0, opener=for_readers) as file:
            trust.open_up(file.fileno())
            file.write(OWN_TAG)
    except FileExistsError:
        pass
    except OSError:
        unlink(path)


def has_tag(root: str) -> bool:
    """Whether a folder says that it is a cache directory of ours."""
    try:
        return read_plain(os.path.join(root, "CACHEDIR.TAG"), len(OWN_TAG)) == OWN_TAG
    except OSError:
        return False


def open_plain(path: str, flags: int = os.O_RDONLY) -> int:
    """The descriptor of a regular file; OSError for anything else, a fifo, a device.  Also an ``opener`` for `open`."""
    fd = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(EINVAL, "it is not a regular file", path)


def read_plain(path: str, most: int = -1) -> bytes:
    """The content of a regular file, or its beginning.

    >>> read_plain(__file__, 3)
    b'\"\"\"'
    """
    with open(path, "rb", opener=open_plain) as file:
        return file.read(most)


def read_part(fd: int, start: int, length: int) -> bytearray:
    """What an open file holds from a place on; shorter if it ends before."""
    data = bytearray(length)
    view, at = memoryview(data), 0
    while at < length and (count := os.preadv(fd, [view[at : at + _CHUNK]], start + at)):
        at += count
    view.release()
    del data[at:]
    return data


def number_in(path: str) -> int | None:
    """The number that a small file holds; None if there is none.

    >>> number_in(__file__)
    """
    try:
        text = read_plain(path, DIGITS + 1)
    except OSError:
        return None
    return number_of(text)


def number_of(text: bytes) -> int | None:
    """The number that such a file holds, by its beginning; it is longer than all digits if the file is."""
    return int(text) if len(text) == DIGITS and text.isdigit() else None


def put_number(path: str, number: int, made: Callable[[int], None]) -> None:
    """Write it there, best effort; made: is told the descriptor of a file that is new."""
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        fd = os.open(path, flags, 0o666)
    except OSError:
        return
    try:
        if not os.fstat(fd).st_size:
            made(fd)
        os.pwrite(fd, b"%0*d" % (DIGITS, number), 0)
    except OSError:
        pass
    finally:
        os.close(fd)


def exists(path: str) -> bool:
    """Whether a path leads to something; several times quicker than `os.path.exists` if it does not."""
    try:
        return os.access(path, os.F_OK)
    except ValueError:  # a null character
        return False
