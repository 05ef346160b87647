"""Holds the entries of a cache directory below a size, after something was stored.

What goes first: older results of calls, which only a file or code that comes back can need; then newest results. Among
each, what was used least recently; what was used in the same hour by its recorded seconds per byte, so that big and
cheap goes before small and dear. What a call that runs needs stays: its own entry, and those of the calls below it.

``size.note`` tells how large the entries are, so that they are not listed each time; it is counted anew now and then.
``size.dropped`` tells what went, in one line each time.
"""

from __future__ import annotations

import os
import time

from cachepy.errors import CacheWriteWarning, EntryError
from cachepy.store import value_files
from cachepy.store.entries import USED
from cachepy.store.entryfile import EntryFile
from cachepy.store.fs import DIGITS, read_plain, unlink, write_all
from cachepy.store.layout import CLAIM, ENTRY, OLD, VALID, call_named, stem_of
from cachepy.store.locks import try_lock
from cachepy.store.meta import rows_of
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Protocol

    from cachepy.core.frame import Frame
    from cachepy.core.model import Event
    from cachepy.graph.recorder import LazyGraph
    from cachepy.store.entries import Store

    class Session(Protocol):
        """What is asked of a session."""

        owners: dict[str, Frame]
        nodes: LazyGraph
        warn: Callable[..., None]

_PARTS = 4096  # into which a size is divided; when one is stored, the note is told
_LEAST = 1 << 16  # bytes; not for less
_COUNTED_FOR = 1000  # times that the note is told before the entries are counted again
_ROOM = 0.9  # of the size is left after a look that dropped something: so one pays for many
_AT_ONCE = 4096  # entries whose seconds are read before they are put in order
_JUST = 60.0  # s; while others run calls, what was stored in this time may be what these need
_MOST_BELOW = 10_000  # calls below those that run here that are looked for
_LONGEST = 1 << 13  # bytes of what is remembered of droppings
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


class Item:
    """One value on disk."""

    __slots__ = ("beside", "changed", "is_old", "path", "root", "size", "used")

    def __init__(self, path: str, st: os.stat_result, root: str = "") -> None:
        self.path, self.root = path, root
        self.size = st.st_size
        self.changed = st.st_ino, st.st_mtime_ns
        self.used = max(st.st_atime, st.st_mtime)
        self.is_old = path.endswith(OLD)
        self.beside: list[str] = []  # the files of its value, once its header was read


def hold_below(store: Store, session: Session, stored: str) -> None:
    """Something was stored: make room if there is none left; best effort, never for longer than somebody else does it.

    stored: the call.
    """
    added, store.added = store.added, 0
    most = store.most or 0
    store.step = max(_LEAST, most // _PARTS)
    try:
        fd = os.open(store.size_file, _FLAGS, 0o666)
    except OSError:  # whoever may write there does it
        return
    try:
        if not os.fstat(fd).st_size:
            store.open_up(fd)
        if try_lock(fd):  # without locks each process looks: what is gone is gone once
            _Look(store, session, stored).look(fd, added)
        else:
            store.added = added
    except OSError:
        pass
    finally:
        os.close(fd)


class _Look:
    """One look at a directory, with its note locked."""

    def __init__(self, store: Store, session: Session, stored: str) -> None:
        self.store, self.session, self.most = store, session, store.most or 0
        self.stored = stored
        self.needed = set(_running(session, stored))

    def look(self, fd: int, added: int) -> None:
        size, times = _noted(fd)
        size += added
        if size > self.most or not 0 < times < _COUNTED_FOR:
            items, claimed = _items(self.store)
            size, times = sum(item.size for item in items) + _beside(self.store), 0
            if size > self.most:
                gone = self._drop(items, claimed - {self.stored}, size - int(self.most * _ROOM))
                size -= sum(item.size for item in gone)
                if gone:
                    _tell(self.store, self.session, gone, self.most)
        os.pwrite(fd, b"%0*d %0*d" % (DIGITS, max(size, 0), DIGITS, times + 1), 0)

    def _drop(self, items: list[Item], claimed: set[str], octets: int) -> list[Item]:
        """Remove values until there is room for so many bytes; those that are gone."""
        now, gone = time.time(), []
        kept, own = self.needed | claimed, self.store.path_of(self.stored)
        items = [i for i in items if _call(i) not in kept and i.path != own and not (claimed and now - i.used < _JUST)]
        for item, is_ours in _in_order(items):
            if octets <= 0:
                break
            if is_ours and _remove(item, is_mine=_call(item) == self.stored):
                gone.append(item)
                octets -= item.size
        return gone


def _noted(fd: int) -> tuple[int, int]:
    """How large the entries are, and how often that was told since they were counted; zeros if nobody knows."""
    size, _, times = os.pread(fd, 2 * DIGITS + 2, 0).partition(b" ")
    return (int(size), int(times)) if size.isdigit() and times.isdigit() and len(times) == DIGITS else (0, 0)


def _running(session: Session, stored: str) -> Iterator[str]:
    """The calls that run in this process, and those below them; of the one that was just stored only these."""
    todo = [call for frame in list(session.owners.values()) for call in (frame.id, *list(frame.calls))]
    seen = {*todo, stored}
    todo = [call for call in todo if call != stored]
    while todo and len(seen) < _MOST_BELOW:
        call = todo.pop()
        yield call
        event = session.nodes.event_of(call)
        for each in event.trace.calls if event is not None else ():
            if each.name not in seen:
                seen.add(each.name)
                todo.append(each.name)
    yield from todo


def _items(store: Store) -> tuple[list[Item], set[str]]:
    """All values, and the calls that are being made."""
    found, claimed = [], set()
    for path in (path for folder in store.folders() for path in store.files_in(folder, CLAIM, ENTRY, OLD)):
        if path.endswith(CLAIM):
            claimed.add(call_named(stem_of(path)))
            continue
        try:
            found.append(Item(path, os.lstat(path), store.root))
        except OSError:  # gone meanwhile
            pass
    return found, claimed


def _call(item: Item) -> str:
    return call_named(stem_of(item.path))


def _in_order(items: list[Item]) -> Iterator[tuple[Item, bool]]:
    """What goes first (see above), each with whether it is whole and ours; no more headers are read than are needed."""
    groups: dict[tuple[bool, int], list[Item]] = {}
    for item in sorted(items, key=lambda each: each.used):
        groups.setdefault((not item.is_old, int(item.used // USED)), []).append(item)
    for _, group in sorted(groups.items()):
        for start in range(0, len(group), _AT_ONCE):
            some = [(_seconds(item), item) for item in group[start : start + _AT_ONCE]]
            some.sort(key=lambda each: (each[0] or 0.0) / max(each[1].size, 1))
            for seconds, item in some:
                yield item, seconds is not None


def _beside(store: Store) -> int:
    """The bytes of the values that lie beside the entries."""
    return sum(map(value_files.size_of, value_files.stored(store.root)))


def _seconds(item: Item) -> float | None:
    """How long its run took; None for what is no entry of ours, or damaged: that is left to the commands."""
    try:
        rows = rows_of(item.path, EntryFile(item.path))
        if value_files.named_in(rows[0][0].trace):
            item.beside = _beside_of(item, rows[0][0], [event for event, _ in rows[1:]])
            item.size += sum(map(value_files.size_of, item.beside))
        return rows[0][0].elapsed
    except (EntryError, OSError):
        return None


def _beside_of(item: Item, event: Event, others: list[Event]) -> list[str]:
    """The files of a value that go with it: runs that gave equal bytes share one."""
    if item.is_old:
        path = stem_of(item.path) + ENTRY
        try:
            others = [each for each, _ in rows_of(path, EntryFile(path)) if each.run != event.run]
        except (EntryError, OSError):  # left to the commands
            return []
    return value_files.unneeded(item.root, [event], others)


def _remove(item: Item, *, is_mine: bool) -> bool:
    """Remove a value that is as it was when it was looked at; of an entry its note and what is older too."""
    stem = stem_of(item.path)
    try:
        st = os.lstat(item.path)
        if (st.st_ino, st.st_mtime_ns) != item.changed or (os.path.exists(stem + CLAIM) and not is_mine):
            return False
        os.unlink(item.path)
    except OSError:
        return False
    if item.is_old:
        _change(stem + ENTRY)
    else:
        unlink(stem + VALID)
    for path in item.beside:
        value_files.remove(path)
    return True


def _change(path: str) -> None:
    """Whoever knows the entry reads it again, and does not count on the older value."""
    try:
        st = os.stat(path)
        os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns + 1))
    except OSError:  # gone, or another user's: the value is looked for in vain, and the call runs
        pass


# ---------------------------------------------------------------- what went


def _tell(store: Store, session: Session, gone: list[Item], most: int) -> None:
    """Keep a line of it; say once what was still in use."""
    now, older = time.time(), sum(item.is_old for item in gone)
    size, last = sum(item.size for item in gone), max(item.used for item in gone)
    line = b"%d %d %d %d %d %d\n" % (now, len(gone) - older, older, size, most, last)
    fd = os.open(store.dropped_file, _FLAGS | os.O_APPEND, 0o666)
    try:
        length = os.fstat(fd).st_size
        if not length:
            store.open_up(fd)
        if length > _LONGEST:
            whole = os.pread(fd, length, 0)
            line = whole[whole.index(b"\n", length // 2) + 1 :] + line
            os.ftruncate(fd, 0)
        write_all(fd, line)
    finally:
        os.close(fd)
    used = [item for item in gone if not item.is_old and now - item.used < USED]
    if used:
        session.warn(
            CacheWriteWarning,
            f"{store.root} may have {humanize.size(most)} (max_bytes), so {humanize.count(len(used), 'result')} that "
            f"this hour used had to go; these calls run again. Give it more, or keep less in it",
            "max_bytes",
            store.root,
        )


def dropped(store: Store) -> list[dict[str, Any]]:
    """What went to hold the directory below its size, the last times, oldest first."""
    try:
        lines = read_plain(store.dropped_file, 4 * _LONGEST).splitlines()
    except OSError:
        return []
    return list(_told(lines))


def _told(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        fields = line.split()
        if len(fields) == 6 and all(field.isdigit() for field in fields):
            when, newest, older, size, most, used = map(int, fields)
            yield {
                "when": float(when), "entries": newest, "older": older, "size": size, "max_bytes": most,
                "last_used": float(used),
            }  # fmt: skip
