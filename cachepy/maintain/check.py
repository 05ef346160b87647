"""`cache_verify`: whether a cache directory is whole, and whether calls give again what they gave.

Reads only.  With ``rerun`` it has a sample of calls run again by `rerun`.
"""

from __future__ import annotations

import os
from _collections_abc import Callable

from cachepy.calls.options import root_of
from cachepy.core.model import Item, Report
from cachepy.errors import UsageError, UsageValueError
from cachepy.maintain.inspect import FOREIGN, OTHER, call_of, looks, read_graph, read_memo
from cachepy.store.entries import Store
from cachepy.store.layout import ENTRY, OLD
from cachepy.store.value_files import files_of, size_of
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.core.model import Event
    from cachepy.maintain.inspect import Look
    from cachepy.maintain.rerun import Differing, Tried, Unable


class Problem(Item):
    """A file that is not as cachepy wrote it.

    Attributes
    ----------
    path : str
        The file.
    call : str
        The id of the call that it is about; empty if it is about none.
    what : str
        What is wrong.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cachepy import cache_verify
    >>> Path("cache").mkdir()
    >>> _ = Path("cache/graph.pkl").write_bytes(b"not a graph")
    >>> problem, = cache_verify("cache").problems
    >>> Path(problem.path).name, problem.what
    ('graph.pkl', 'is damaged in 1 place; cache_repair() rebuilds it from the entries')
    """

    __slots__ = ("path", "call", "what")
    path: str
    call: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}{f' ({self.call})' if self.call else ''}: {self.what}"


class Checked(Report, defaults=((),)):
    """What `cache_verify` found; ``str()`` tells all of it.

    Attributes
    ----------
    entries, bytes : int
        How much was read.
    problems : tuple of Problem
        The files that are not whole.
    unrecorded : tuple of str
        Ids of calls that are stored but not in the graph. No problem: `cache_repair` adds them.
    missing : tuple of str
        Ids of calls in the graph whose value is no longer stored. No problem: after a prune it is so.
    reran : int
        How many calls were run again and compared.
    stale : int
        How many were not compared, being stale.
    unable : tuple of Unable
        Those that could not be run again.
    differing : tuple of Differing
        Those that gave a different result.
    others : tuple of Problem
        Files that another version of cachepy wrote, in a format that this one does not read. No problem: they are left
        alone, and were not checked.
    is_good : bool
        Whether there is no problem and no differing result.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cachepy import cache_verify
    >>> Path("cache").mkdir()
    >>> print(cache_verify("cache"))
    0 entries, 0 B read: all whole
    """

    __slots__ = (
        "entries", "bytes", "problems", "unrecorded", "missing", "reran", "stale", "unable", "differing", "others",
    )  # fmt: skip
    entries: int
    bytes: int
    problems: tuple[Problem, ...]
    unrecorded: tuple[str, ...]
    missing: tuple[str, ...]
    reran: int
    stale: int
    unable: tuple[Unable, ...]
    differing: tuple[Differing, ...]
    others: tuple[Problem, ...]

    @property
    def is_good(self) -> bool:
        return not self.problems and not self.differing

    def __str__(self) -> str:
        lines = [f"{humanize.count(self.entries, 'entry')}, {humanize.size(self.bytes)} read: {self._verdict()}"]
        lines += [f"  {problem}" for problem in self.problems]
        if self.unrecorded:
            lines.append(f"{len(self.unrecorded)} stored but not in the graph; cache_repair() adds them")
        if self.missing:
            lines.append(f"{len(self.missing)} in the graph whose value is no longer stored")
        if self.others:
            number = humanize.count(len(self.others), "file")
            lines.append(f"{number} of another version of cachepy, not checked, as {self.others[0]}")
        if self.reran or self.stale or self.unable:
            lines.append(f"{humanize.count(self.reran, 'call')} run again: {self._rerun()}")
        lines += [f"  {each}" for each in (*self.differing, *self.unable)]
        return "\n".join(lines)

    def _verdict(self) -> str:
        return humanize.count(len(self.problems), "problem") if self.problems else "all whole"

    def _rerun(self) -> str:
        told = f"{len(self.differing)} gave a different result" if self.differing else "each gave the same result"
        told = told if self.reran else "nothing to compare"
        return told + (f"; {self.stale} not compared, being stale" if self.stale else "")


def cache_verify(
    cache_dir: str | os.PathLike[str] | None = None,
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
    cache_dir : str or os.PathLike, optional
        The cache directory; by default `cache_default_dir`.
    rerun : int, default 0
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
        Whether it is whole, and what is not.

    Raises
    ------
    UsageError
        If the directory is a file, or another argument is of a wrong type.
    UsageValueError
        If `rerun` is negative.

    See Also
    --------
    cache_repair : Moves broken files aside.

    Examples
    --------
    >>> from cachepy import cache_file, cache_verify
    >>> @cache_file("cache")
    ... def double(x):
    ...     return 2 * x
    >>> double(4)
    8
    >>> checked = cache_verify("cache")
    >>> checked.entries, checked.problems, checked.is_good
    (1, (), True)
    """
    _check(rerun, seed, progress)
    store = Store(root_of(cache_dir))
    reading = _Reading(store, keeps=rerun > 0)
    for found in looks(store, progress):
        reading.add(found)
    reading.add_rest()
    tried = _try_again(store.root, reading.events, rerun, seed) if rerun else None
    return reading.checked(tried)


def _try_again(root: str, events: dict[str, tuple[Event, ...]], rerun: int, seed: int | None) -> Tried:
    from cachepy.maintain.rerun import try_again

    return try_again(root, events, rerun, seed)


def _check(rerun: Any, seed: Any, progress: Any) -> None:
    if isinstance(rerun, bool) or not isinstance(rerun, int):
        raise UsageError(f"rerun must be a number of calls (int), not {rerun!r}")
    if rerun < 0:
        raise UsageValueError(f"rerun must be 0 or more, not {rerun!r}")
    if seed is not None and not isinstance(seed, int):
        raise UsageError(f"seed must be a whole number, not {seed!r}")
    if progress is not None and not callable(progress):
        raise UsageError(f"progress must be a function of two numbers (files done, files in all), not {progress!r}")


class _Reading:
    """Gathers what was seen of one cache directory."""

    def __init__(self, store: Store, *, keeps: bool) -> None:
        self.store = store
        self.keeps = keeps
        self.entries = 0
        self.bytes = 0
        self.problems: list[Problem] = []
        self.others: list[Problem] = []
        self.ids: set[str] = set()  # of the whole entries
        self.events: dict[str, tuple[Event, ...]] = {}  # of these, newest first, if that is to be kept
        self.unrecorded: list[str] = []
        self.missing: list[str] = []
        self.makes_room = os.path.exists(store.dropped_file)  # then older values go, and the entries stay as they are

    def add(self, found: Look) -> None:
        if found.path.endswith((ENTRY, OLD)) and found.state not in (FOREIGN, OTHER):
            self.entries += found.path.endswith(ENTRY)
            beside = [path for event in found.events[:1] for path in files_of(self.store.root, event)]
            self.bytes += found.stamp[2] + sum(map(size_of, beside))
        if found.what:
            each = self.others if found.state == OTHER else self.problems
            each.append(Problem(found.path, call_of(found), found.what))
        elif found.path.endswith(ENTRY):
            self.ids.add(found.events[0].id)
            if self.keeps:
                self.events[found.events[0].id] = found.events
        for path in () if self.makes_room else found.missing:
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
        return f"{memo[1]} of its rows are damaged and were skipped" if memo is not None and memo[1] else ""

    def _graph(self) -> str:
        records = read_graph(self.store)
        known = set(records.ids) if records is not None else set()
        self.unrecorded = sorted(self.ids - known)
        self.missing = sorted(i for i in known - self.ids if not os.path.exists(self.store.path_of(i)))
        if records is not None and records.other is not None:
            self.others.append(Problem(records.path, "", records.other.what))
            self.unrecorded = []
        if records is None or not records.damaged:
            return ""
        places = humanize.count(records.damaged, "place")
        return f"is damaged in {places}; cache_repair() rebuilds it from the entries"

    def checked(self, tried: Tried | None) -> Checked:
        rerun = (0, 0, (), ()) if tried is None else tried.astuple()
        rest: tuple[Any, ...] = (*rerun, tuple(self.others))
        known = self.entries, self.bytes, tuple(self.problems), tuple(self.unrecorded), tuple(self.missing)
        return Checked(*known, *rest)
