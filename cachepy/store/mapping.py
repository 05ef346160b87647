"""Whether a large file is mapped or read into memory, and how much of it this process has mapped.

A mapping costs nothing until it is used, but it has two prices.  Before Python 3.13 each holds a descriptor for as long
as somebody holds the result.  And a page that the disk cannot deliver any more (an error, a file that another host
deleted) ends the process by SIGBUS.  So what does not lie on a local file system is read, and so is what goes beyond a
share of what the process may hold.  ``CACHEPY_MAP=always`` or ``never`` is for those who know better.
"""

from __future__ import annotations

import os
import sys

from cachepy.store.fs import read_part

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap
    from typing import Any
    from weakref import ReferenceType

    from cachepy.store.mounts import Mounts

ALWAYS, NEVER = "always", "never"
_HOLDS_FILE = sys.version_info < (3, 13)
_MOST = 1 << 14  # mappings of one process: a quarter of what Linux allows
_SHARE, _LARGE_SHARE = 4, 2  # this part of the descriptors may be held by mappings, and by those of large files
_LARGE = 1 << 26  # bytes; reading so much takes its time and its memory

_live: dict[int, ReferenceType[Any]] = {}
"""The mappings that somebody holds, by their ids."""
_mounts: list[Mounts] = []


def whole(fd: int, path: str, st: os.stat_result, *, may_map: bool) -> mmap.mmap | bytearray:
    """All of an open file, to be changed without changing the file; OSError if it cannot be read."""
    if may_map and _is_mapped_here(path, st) and len(_live) < _most(st.st_size):
        try:
            return _mapped(fd, st.st_size)
        except (OSError, ValueError):  # no descriptor or mapping is left, or it is shorter now: reading tells
            pass
    return read_part(fd, 0, st.st_size)


def _is_mapped_here(path: str, st: os.stat_result) -> bool:
    wish = os.environ.get("CACHEPY_MAP")
    if wish in (ALWAYS, NEVER):
        return wish == ALWAYS
    if not _mounts:
        from cachepy.store.mounts import Mounts

        _mounts.append(Mounts.of_environment())
    return _mounts[0].is_local(st.st_dev, path)


def _most(size: int) -> int:
    if not _HOLDS_FILE:
        return _MOST
    try:
        from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
    except ImportError:  # Windows
        return _MOST
    limit = getrlimit(RLIMIT_NOFILE)[0]
    return _MOST if limit == RLIM_INFINITY else min(_MOST, limit // (_LARGE_SHARE if size >= _LARGE else _SHARE))


def _mapped(fd: int, size: int) -> mmap.mmap:
    import mmap
    from weakref import ref

    options = {} if _HOLDS_FILE else {"trackfd": False}
    made = mmap.mmap(fd, size, access=mmap.ACCESS_COPY, **options)
    key = id(made)
    _live[key] = ref(made, lambda _: _live.pop(key, None))
    return made
