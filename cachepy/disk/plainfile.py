"""Reads a file that somebody else may have put there: never waits for a fifo, never reads a device without end.

Imports nothing of cachepy.
"""

from __future__ import annotations

import os
import stat
from errno import EINVAL


def open_plain(path: str, flags: int = os.O_RDONLY) -> int:
    """The descriptor of a regular file; OSError for anything else.  Also an ``opener`` for `open`."""
    fd = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(EINVAL, "it is no regular file", path)


def read_plain(path: str, most: int = -1) -> bytes:
    """The content of a regular file, or its beginning.

    >>> read_plain(__file__, 3)
    b'\"\"\"'
    """
    with open(path, "rb", opener=open_plain) as file:
        return file.read(most)
