"""How long ``graph.pkl`` was when a record was last added: one that is shorter now has lost some.

The size stands in a file beside it.  That is removed where a record could not be added, and is not there before
somebody has seen that all entries are recorded; so one look at it tells whether that has to be looked at.
"""

from __future__ import annotations

import os

from cachepy.store.fs import DIGITS, OpenFile, number_of, put_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_FLAGS = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Extent:
    """The size of a graph file that is known to be whole.

    made: is told the descriptor of a file that is new.
    """

    __slots__ = ("_file", "_made", "_size", "path")

    def __init__(self, path: str, made: Callable[[int], None]) -> None:
        self.path = path
        self._made = made
        self._file: OpenFile | bool | None = None  # False: there is no size to keep up to date
        self._size = 0

    def covers(self, size: int) -> bool:
        """Whether a graph file of this size has all that was ever added."""
        try:
            fd = os.open(self.path, _FLAGS & ~os.O_RDWR)
        except OSError:
            return False
        try:
            known = _size_in(fd)
        finally:
            os.close(fd)
        return known is not None and known <= size

    def note(self, size: int) -> None:
        """A record was added; does nothing where nobody knows whether all others were, or the file was cut."""
        file = self._file
        if file is None:
            self._file = file = self._open() or False
        if isinstance(file, OpenFile) and size >= self._size:
            self._size = size
            self._write(file.fd, size)

    def _open(self) -> OpenFile | None:
        try:
            file = OpenFile(self.path, _FLAGS)
        except OSError:
            return None
        size = _size_in(file.fd)
        if size is None:
            return None
        self._size = size
        return file

    def begin(self, size: int) -> None:
        """All entries are recorded, in a file of this size; best effort."""
        self.close()
        put_number(self.path, size, self._made)

    def _create(self) -> int:
        fd = os.open(self.path, _FLAGS | os.O_CREAT, 0o666)
        if not os.fstat(fd).st_size:
            self._made(fd)
        return fd

    def _write(self, fd: int, size: int) -> None:
        try:
            os.pwrite(fd, b"%0*d" % (DIGITS, size), 0)
        except OSError:  # no room for it: what stands there is less, and true
            pass

    def drop(self) -> None:
        """A record could not be added; best effort: the commands find it anyway."""
        self._file = False
        try:
            os.unlink(self.path)
        except OSError:
            pass

    def held(self) -> _Held:
        """For ``with``: gives whether it is for this process to add what is missing; not while another one does."""
        return _Held(self)

    def close(self) -> None:
        self._file = None


class _Held:
    """The file, locked as long as what is missing is added."""

    __slots__ = ("_extent", "_fd")

    def __init__(self, extent: Extent) -> None:
        self._extent = extent
        self._fd: int | None = None

    def __enter__(self) -> bool:
        from cachepy.store.locks import try_lock

        try:
            self._fd = self._extent._create()
        except OSError:
            return False
        return try_lock(self._fd)

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            os.close(self._fd)


def _size_in(fd: int) -> int | None:
    try:
        text = os.pread(fd, DIGITS + 1, 0)
    except OSError:
        return None
    return number_of(text)
