"""`cache_verify`: whether a cache directory is whole, and whether calls give again what they gave.

Reads only.  With ``rerun`` it has a sample of calls run again by `trial`.  Imports examine, maintain,
model, store, trial.
"""

from __future__ import annotations

import os

from cachepy.disk.places import ENTRY, OLD
from cachepy.errors import UsageError, UsageValueError
from cachepy.model import Record
from cachepy.store import Store
from cachepy.upkeep.examine import FOREIGN, call_of, looks, read_graph, read_memo
from cachepy.upkeep.stock import root_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from cachepy.model import Event
    from cachepy.upkeep.examine import Look
    from cachepy.upkeep.trial import Differing, Tried, Unable


class Problem(Record):
    """Something that is not as cachepy wrote it: the file, the call that it is about, and what is wrong."""

    __slots__ = ("path", "call", "what")
    path: str
    call: str  # an id; empty if the file speaks of no call
    what: str

    def __str__(self) -> str:
        return f"{self.path}{f' ({self.call})' if self.call else ''}: {self.what}"


class Checked(Record):
    """What `cache_verify` found.

    ``entries`` and ``bytes`` are how much was read. Of the graph, ``unrecorded`` are calls that it does not
    know although they are stored, ``missing`` those that it knows but whose value is gone: both may well be,
    after a prune for example, and are no problems. ``is_good`` says that there is no problem and no differing
    result.
    """

    __slots__ = ("entries", "bytes", "problems", "unrecorded", "missing", "reran", "stale", "unable", "differing")
    entries: int
    bytes: int
    problems: tuple[Problem, ...]
    unrecorded: tuple[str, ...]
    missing: tuple[str, ...]
    reran: int
    stale: int
    unable: tuple[Unable, ...]
    differing: tuple[Differing, ...]

    @property
    def is_good(self) -> bool:
        return not self.problems and not self.differing

    def __str__(self) -> str:
        lines = [f"{count(self.entries, 'entry', 'entries')}, {size_text(self.bytes)} read: {self._verdict()}"]
        lines += [f"  {problem}" for problem in self.problems]
        if self.unrecorded:
            lines.append(f"{len(self.unrecorded)} stored but not in the graph; cache_repair() adds them")
        if self.missing:
            lines.append(f"{len(self.missing)} in the graph whose value is not stored any more")
        if self.reran or self.stale or self.unable:
            lines.append(f"{count(self.reran, 'call', 'calls')} run again: {self._rerun()}")
        lines += [f"  {each}" for each in (*self.differing, *self.unable)]
        return "\n".join(lines)

    def _verdict(self) -> str:
        return count(len(self.problems), "problem", "problems") if self.problems else "all whole"

    def _rerun(self) -> str:
        told = f"{len(self.differing)} gave something else" if self.differing else "each gave the same result"
        told = told if self.reran else "nothing to compare"
        return told + (f"; {self.stale} not comparable, being stale" if self.stale else "")


def cache_verify(
    cache_dir: str | Path | None = None,
    *,
    rerun: int = 0,
    seed: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Checked:
    """Read a cache directory against its checksums, and find functions that are not deterministic.

    Every entry and every older value is read in full, and so are the graph, the notes and the memo. No value
    is loaded, so none of its code runs. Nothing on disk is changed, and calls may be running meanwhile.

    Parameters
    ----------
    cache_dir : path, optional
        By default `cache_default_dir`.
    rerun : int
        How many calls to run again, to compare their results. Their modules are imported and their bodies run,
        with all their side effects, but nothing is stored; meanwhile no other thread of this process should make
        cached calls. Only calls that are fresh here and now can be compared; calls below them are taken from the cache.
    seed : int, optional
        Makes the sample the same each time. It takes turns among the functions.
    progress : callable, optional
        Called with (files done, files in all) after each file.

    Returns
    -------
    Checked
        Its ``str`` tells all of it.

    Raises
    ------
    UsageError, UsageValueError
        If the directory is a file, or ``rerun`` is no number of calls.

    Examples
    --------
    >>> import tempfile
    >>> from cachepy import cache_file
    >>> root = tempfile.mkdtemp()
    >>> @cache_file(root)
    ... def double(x):
    ...     return 2 * x
    >>> double(4)
    8
    >>> checked = cache_verify(root)
    >>> checked.entries, checked.problems, checked.is_good
    (1, (), True)
    """
    _check_count(rerun)
    store = Store(root_of(cache_dir))
    reading = _Reading(store)
    for found in looks(store, progress):
        reading.add(found)
    reading.add_rest()
    tried = _try_again(store.root, reading.events, rerun, seed) if rerun else None
    return reading.checked(tried)


def _try_again(root: str, events: dict[str, tuple[Event, ...]], rerun: int, seed: int | None) -> Tried:
    from cachepy.upkeep.trial import try_again

    return try_again(root, events, rerun, seed)


def _check_count(rerun: Any) -> None:
    if isinstance(rerun, bool) or not isinstance(rerun, int):
        raise UsageError(f"rerun must be a number of calls (int), not {rerun!r}")
    if rerun < 0:
        raise UsageValueError(f"rerun must be 0 or more, not {rerun!r}")


class _Reading:
    """Gathers what was seen of one cache directory."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.entries = 0
        self.bytes = 0
        self.problems: list[Problem] = []
        self.events: dict[str, tuple[Event, ...]] = {}  # of the whole entries, newest first
        self.unrecorded: list[str] = []
        self.missing: list[str] = []

    def add(self, found: Look) -> None:
        if found.path.endswith((ENTRY, OLD)) and found.state != FOREIGN:
            self.entries += found.path.endswith(ENTRY)
            self.bytes += found.stamp[2]
        if found.what:
            self.problems.append(Problem(found.path, call_of(found), found.what))
        elif found.path.endswith(ENTRY):
            self.events[found.events[0].id] = found.events
        for path in found.missing:
            what = f"its older value {os.path.basename(path)} is gone"
            self.problems.append(Problem(found.path, call_of(found), what))

    def add_rest(self) -> None:
        """The files that speak of all entries; after these, so that what was stored meanwhile is known."""
        for path, read in ((self.store.memo_file, self._memo), (self.store.journal.path, self._graph)):
            try:
                what = read()
            except OSError as error:
                what = f"cannot be read: {error.strerror}"
            if what:
                self.problems.append(Problem(path, "", what))

    def _memo(self) -> str:
        memo = read_memo(self.store)
        return f"{memo[1]} of its rows are damaged; they are passed over" if memo is not None and memo[1] else ""

    def _graph(self) -> str:
        records = read_graph(self.store)
        known = {event.id for event in records.events} if records is not None else set()
        self.unrecorded = sorted(self.events.keys() - known)
        self.missing = sorted(i for i in known - self.events.keys() if not os.path.exists(self.store.path_of(i)))
        if records is None or not records.damaged:
            return ""
        places = count(records.damaged, "place", "places")
        return f"is damaged in {places}; cache_repair() makes it anew from the entries"

    def checked(self, tried: Tried | None) -> Checked:
        rerun = (0, 0, (), ()) if tried is None else tried.astuple()
        known = self.entries, self.bytes, tuple(self.problems), tuple(self.unrecorded), tuple(self.missing)
        return Checked(*known, *rerun)


def count(number: int, one: str, many: str) -> str:
    """A number with its noun.

    >>> count(1, "entry", "entries"), count(0, "entry", "entries")
    ('1 entry', '0 entries')
    """
    return f"{number} {one if number == 1 else many}"


def size_text(size: float) -> str:
    """Bytes for people.

    >>> size_text(12), size_text(3_400_000)
    ('12 B', '3.2 MB')
    """
    if size < 1024:
        return f"{size:.0f} B"
    for unit in ("KB", "MB", "GB"):
        size /= 1024
        if size < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TB"
