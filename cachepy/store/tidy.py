"""Folders of small files that would grow for ever: beyond a number the oldest go, if they are old enough.

A file is cachepy's by its content, never by its name.
"""

from __future__ import annotations

import os
import time

from cachepy.store.entryfile import MAGIC, format_of
from cachepy.store.fs import PROGRAMS, names_in, unlink
from cachepy.store.journal import MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

MOST_SIGNS = 8  # of calls that began and left no result, in each of the 256 folders
MOST_CODE = 4096  # descriptions of code that the graph does not name
MOST_RUNS = 1000  # mailboxes
MOST_PROGRAMS = 1000
HOUR, DAY = 3600.0, 86400.0  # s
_STARTS = (MARK, b"\x80\x05", PROGRAMS)  # of our files: records, other data in the wire form, programs


def tidy(folder: str, most: int, *, ending: str = "", older: float = 0.0, but: Container[str] = ()) -> int:
    """Leave the newest `most` of the files with this ending, and all that are not this old (s); how many went.

    but: names of files that stay.
    """
    names = [name for name in names_in(folder) if name.endswith(ending) and name not in but]
    if len(names) <= most or os.path.islink(folder.rstrip(os.sep)):
        return 0
    limit, found, gone = time.time() - older, [], 0
    for name in names:
        path = os.path.join(folder, name)
        try:
            st = os.lstat(path)
            found.append((st.st_ctime if st.st_mtime_ns == 1 else st.st_mtime, path))  # a mark: see `put_code`
        except OSError:  # gone meanwhile
            continue
    for when, path in sorted(found)[: max(len(found) - most, 0)]:
        if when <= limit and is_ours(path):
            unlink(path)
            gone += 1
    return gone


def is_ours(path: str) -> bool:
    """Whether cachepy wrote a file, by its content; also if the writer died after the first bytes."""
    try:
        with open(path, "rb", opener=_open_itself) as file:
            head = file.read(max(len(MAGIC), len(PROGRAMS)))
    except OSError:
        return False
    return head == MAGIC[: len(head)] or head.startswith(_STARTS) or format_of(head) is not None


def _open_itself(path: str, flags: int) -> int:
    """No link to a file elsewhere, and no waiting for the other end of a fifo."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
