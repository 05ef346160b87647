"""``graph.pkl`` without the records that nobody needs any more, made anew beside writers.

A run that was replaced is needed for three things only: when its call was made first, what the newest run calls no
more, and a result that some call took. The new file is written while others go on adding to the old one; under the
lock it gets what they added, and takes its place. Who waits for that lock finds the file replaced, and opens the new
one (`Journal`). Where files have no locks, nothing is done here.
"""

from __future__ import annotations

import os
import time

from cachepy.core.kinds import RECORDS
from cachepy.graph.handed import taken_in
from cachepy.graph.table import FORMAT, Reading
from cachepy.store.codec import PART, Quiet, args_in, calls_in, deps_in, payload_of, rank, result_in, times
from cachepy.store.entries import GRAPH_FLOOR
from cachepy.store.fs import listed, names_in, number_in, put_number, read_part, read_plain, unlink, write_all
from cachepy.store.journal import framed
from cachepy.store.layout import TEMPORARY, digest_in
from cachepy.store.locks import lock, unlock
from cachepy.store.tidy import HOUR, MOST_CODE, tidy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cachepy.store.codec import Row
    from cachepy.store.entries import Store

TIMES = 10  # a file this many times as large as what was needed is looked at
_WORTH = 5  # and made anew if it is still this many times as large
_SMALL = 1 << 16  # bytes; what a command leaves as it is
_MOST_DAMAGED = 16  # places in a file; with more it is left to `cache_repair`, which keeps a copy
_TRIES = 3  # at a graph file that others replace meanwhile
_PATIENCE = 1.0  # s, for its lock
_FLAGS = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def relieve(store: Store) -> None:
    """The graph file is larger than `store.graph_limit`: see whether it may be smaller, and when to look next.

    Each look costs what the file is long, and the next one comes when it is twice that, or was made small: so a record
    costs the same in a file of any size.
    """
    size, known = store.journal.size, number_in(store.live_file) or 0
    if size <= max(GRAPH_FLOOR, TIMES * known):
        store.graph_limit = max(GRAPH_FLOOR, TIMES * known)
        return
    try:
        live = compact(store, _WORTH)
    except OSError:  # whoever may write there does it
        live = None
    store.graph_limit = 2 * size if live is None else max(GRAPH_FLOOR, TIMES * live)


def shrink(store: Store) -> bool:
    """The same for a command, of a file of any size from which half can go; best effort. Whether it is smaller now."""
    path = store.journal.path
    try:
        before = os.path.getsize(path)
        return before > _SMALL and compact(store, 2) is not None and os.path.getsize(path) < before
    except OSError:  # none there, or whoever may write there does it
        return False


def compact(store: Store, worth: float) -> int | None:
    """Make the file anew if it is this many times as large as what is needed; how large that is, None: not now."""
    for _ in range(_TRIES):
        try:
            fd = os.open(store.journal.path, _FLAGS)
        except FileNotFoundError:
            return None
        try:
            done = _compact(store, fd, worth)
        finally:
            os.close(fd)
        if done is not False:
            return done
    return None


def _compact(store: Store, fd: int, worth: float) -> int | bool | None:
    """False: another process replaced the file meanwhile."""
    if not lock(fd, _PATIENCE):
        return None
    end = os.fstat(fd).st_size  # nobody is in the midst of a record
    unlock(fd)
    _sweep(store)
    data = bytes(read_part(fd, 0, end))
    reading = Reading(data, None)
    with Quiet():
        rows = needed(reading)
    if not rows or reading.damaged > _MOST_DAMAGED or reading.format != FORMAT:
        return None
    records = [framed(payload_of(row)) for row in rows]
    live = sum(map(len, records))
    if end < worth * live:
        _note(store, live)
        return live
    return _replace(store, fd, records, end, is_whole=not reading.damaged) and _note(store, live)


def _note(store: Store, live: int) -> int:
    put_number(store.live_file, live, store.open_up)
    return live


def _replace(store: Store, fd: int, records: list[bytes], end: int, *, is_whole: bool) -> bool | None:
    temporary = store._temporary(store.journal.path)
    try:
        new = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            write_all(new, b"".join(records))
            if not lock(fd, _PATIENCE):
                return None
            try:
                return _put_in_place(store, fd, new, temporary, end, is_whole=is_whole)
            finally:
                unlock(fd)
        finally:
            os.close(new)
    finally:
        unlink(temporary)  # not there any more, if all went well


def _put_in_place(store: Store, fd: int, new: int, temporary: str, end: int, *, is_whole: bool) -> bool:
    """With what was added meanwhile, under the lock of the old file; False if that is no more the graph."""
    path, old = store.journal.path, os.fstat(fd)
    try:
        if not os.path.samestat(old, os.stat(path)):
            return False
    except FileNotFoundError:
        return False
    write_all(new, read_part(fd, end, old.st_size - end))
    _be_like(new, old)
    os.fsync(new)  # the old one is lost at once: a new one without content would be worse than none
    was_whole = is_whole and not store.is_far and store.extent.covers(old.st_size)
    os.replace(temporary, path)
    if was_whole:
        store.extent.begin(os.fstat(new).st_size)
    else:  # the next process looks what the entries have: damaged records, and those of hosts that saw the old file
        store.extent.drop()
    return True


def _be_like(new: int, old: os.stat_result) -> None:
    """Of the same group and mode, as far as this user may."""
    try:
        if os.fstat(new).st_gid != old.st_gid:
            os.fchown(new, -1, old.st_gid)
    except OSError:
        pass
    os.fchmod(new, old.st_mode & 0o777)


def needed(reading: Iterable[tuple[Iterable[str], Iterable[Row]]]) -> list[Row]:
    """Of all records those that a graph cannot do without: folded, they give the same one."""
    runs: dict[str, list[Row]] = {}
    for ids, rows in reading:
        for call, row in zip(ids, rows, strict=True):
            runs.setdefault(call, []).append(row)
    for each in runs.values():
        if len(each) > 1:
            each.sort(key=rank)
    taken = {digest for each in runs.values() for digest in taken_in(args_in(each[-1]))}
    return [row for each in runs.values() for row in (_needed(each, taken) if len(each) > 1 else each)]


def _needed(runs: list[Row], taken: set[str]) -> list[Row]:
    """Of the records of one call, oldest first; see the top of this file."""
    last = len(runs) - 1
    first = min(range(last, -1, -1), key=lambda at: times(runs[at])[1])
    kept = {last} if times(runs[first])[1] == times(runs[last])[1] else {last, first}
    kept.update({result: at for at, row in enumerate(runs[:-1]) if (result := result_in(row)) in taken}.values())
    return [runs[at] for at in _with_partings(runs, kept)]


def _with_partings(runs: list[Row], kept: set[int]) -> list[int]:
    """With the last of those that made each call below which the newest does not make: when that was, tells history."""
    made = {*calls_in(runs[-1])}
    last = {call: at for at, row in enumerate(runs[:-1]) for call in calls_in(row) if call not in made}
    return sorted(kept.union(last.values()))


def tidy_code(store: Store) -> None:
    """Remove the oldest descriptions of code that the graph does not name, where there are many; best effort."""
    folder = os.path.join(store.root, "code")
    names = names_in(folder)
    if len(names) <= MOST_CODE:
        return
    try:
        with Quiet():
            rows = needed(Reading(read_plain(store.journal.path), None))
    except OSError:
        return
    parts = {row.split(PART, 2)[1] for row in rows if isinstance(row, bytes)}
    deps = [dep for part in parts for dep in deps_in(part)]
    deps += [dep.astuple() for row in rows if not isinstance(row, bytes) for dep in row.trace.deps]
    named = {digest for kind, _, digest in deps if kind in RECORDS}
    kept = {name for name in names if digest_in(name) in named}
    if len(names) - len(kept) > MOST_CODE:
        tidy(folder, MOST_CODE // 2, older=HOUR, but=kept)


def _sweep(store: Store) -> None:
    """What processes left that died while they did this."""
    start = os.path.basename(store.journal.path) + "."
    for name in listed(store.root):
        path = os.path.join(store.root, name)
        try:
            if name.startswith(start) and name.endswith(TEMPORARY) and time.time() - os.stat(path).st_mtime > HOUR:
                unlink(path)
        except OSError:  # somebody else did
            pass
