"""`cache_repair`: rebuilds the graph from the entries and moves broken files aside.  Deletes nothing.

The graph is replaced by `rewrite`.  A file is put aside only in the state in which it was looked at.
"""

from __future__ import annotations

import os
from itertools import chain

from cachepy.calls.import_refusal import refuse
from cachepy.calls.options import root_of
from cachepy.calls.state import current_session, refuse_if_quiet
from cachepy.core.model import Event, Report
from cachepy.core.progress import Bar
from cachepy.errors import CachepyError, EntryError
from cachepy.graph.compact import shrink
from cachepy.maintain.check import Problem
from cachepy.maintain.garbage import is_abandoned, is_orphan, unneeded_values
from cachepy.maintain.inspect import (
    BROKEN,
    FOREIGN,
    OTHER,
    WHOLE,
    Records,
    call_of,
    looks,
    read_graph,
    read_memo,
    stamp_of,
)
from cachepy.maintain.quarantine import Aside, Moved
from cachepy.maintain.rewrite import in_order, latest, rewrite
from cachepy.store import claims, value_files
from cachepy.store.codec import pack, row_of, times
from cachepy.store.entries import Store
from cachepy.store.entryfile import EntryFile, assemble
from cachepy.store.fs import has_tag, read_plain
from cachepy.store.layout import CLAIM, ENTRY, OLD, TEMPORARY, VALID
from cachepy.store.meta import meta_of, rows_of
from cachepy.store.owner import read_claim
from cachepy.store.payload import Payload
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cachepy.maintain.inspect import Look
    from cachepy.store.codec import Row


class Repaired(Report):
    """What `cache_repair` did, or with ``dry_run`` would do; ``str()`` tells all of it.

    Attributes
    ----------
    entries : int
        How many entries are whole.
    events : int
        How many runs are in the graph file.
    rebuilt : bool
        Whether the graph file was rebuilt.
    moved : tuple of Moved
        Broken files that were put aside.
    mended : tuple of str
        Paths of entries that do not list a lost older value any more.
    foreign : tuple of Problem
        Files that were left alone, since cachepy did not write them (or another version of it did).
    leftovers : tuple of str
        Paths of files that belong to nobody any more: `cache_prune` removes them.
    dry_run : bool
        Whether this only says what would be done.
    is_changed : bool
        Whether there was anything to do.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cachepy import cache_repair
    >>> Path("cache").mkdir()
    >>> done = cache_repair("cache", dry_run=True)
    >>> done.entries, done.is_changed
    (0, False)
    """

    __slots__ = ("entries", "events", "rebuilt", "moved", "mended", "foreign", "leftovers", "dry_run")
    entries: int
    events: int
    rebuilt: bool
    moved: tuple[Moved, ...]
    mended: tuple[str, ...]
    foreign: tuple[Problem, ...]
    leftovers: tuple[str, ...]
    dry_run: bool

    @property
    def is_changed(self) -> bool:
        """Whether there was anything to do."""
        return bool(self.rebuilt or self.moved or self.mended)

    def __str__(self) -> str:
        would, lost = ("would be ", "would lose") if self.dry_run else ("", "lost")
        graph = f"graph of {humanize.count(self.events, 'run')} {f'{would}rebuilt' if self.rebuilt else 'kept'}"
        lines = [f"{humanize.count(self.entries, 'whole entry')}; {graph}"]
        for title, each in (
            (f"{would}put aside", self.moved),
            (f"{lost} the line about an older value that is gone", self.mended),
            ("not written by this cachepy, left alone", self.foreign),
        ):
            lines += [f"{title}:", *(f"  {item}" for item in each)] if each else []
        if self.leftovers:
            lines.append(f"{humanize.count(len(self.leftovers), 'left-over file')}; cache_prune() removes them")
        return "\n".join(lines)


def cache_repair(cache_dir: str | os.PathLike[str] | None = None, *, dry_run: bool = False) -> Repaired:
    """Rebuild the graph of a cache directory from its entries, and move broken files aside.

    ``graph.pkl`` gets every stored run, and keeps its own whole records: calls whose values are gone show as
    missing. Broken files go to ``broken/<time>/`` in the cache directory under the path that they had; their calls
    run again when they are next made. Nothing is deleted, and calls may be running meanwhile.

    Parameters
    ----------
    cache_dir : str or os.PathLike, optional
        The cache directory; by default `cache_default_dir`.
    dry_run : bool, default False
        Only say what would be done.

    Returns
    -------
    Repaired
        What was done.

    Raises
    ------
    CachepyError
        If the directory cannot be written.
    UsageError
        If the directory is a file.

    See Also
    --------
    cache_verify : Only looks.
    cache_prune : Deletes what is old, and what is left over.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cachepy import cache_file, cache_repair
    >>> @cache_file("cache")
    ... def double(x):
    ...     return 2 * x
    >>> double(4)
    8
    >>> Path("cache/graph.pkl").unlink()
    >>> print(cache_repair("cache"))
    1 whole entry; graph of 1 run rebuilt
    """
    root = root_of(cache_dir)
    if not dry_run:
        refuse_if_quiet("cache_repair()")
    repair = _Repair(Store(root), dry_run=dry_run)
    try:
        return repair.run()
    except OSError as error:
        raise CachepyError(
            f"cannot repair the cache at {root}: {error.strerror or error} ({error.filename or root}). "
            f"Whoever may write there has to do it; dry_run=True shows what"
        ) from error


class _Repair:
    """One repair; the graph first, so that what broken files still tell is in it before they are moved."""

    def __init__(self, store: Store, *, dry_run: bool) -> None:
        self.store = store
        self.dry_run = dry_run
        self.aside = Aside(store.root, dry_run=dry_run)
        self.claims = claims.Claims()
        self.looks: list[Look] = []  # but for those of entries that nothing is to be done about
        self.stored: list[tuple[str, Row]] = []  # all runs that the files tell of
        self.whole = 0
        with Bar("reading files") as bar:
            for each in looks(store, bar.tell):
                self._add(each)
        self.foreign = [
            Problem(each.path, call_of(each), each.what) for each in self.looks if each.state in (FOREIGN, OTHER)
        ]

    def _add(self, found: Look) -> None:
        """Keep what a repair needs of a look: of whole entries the rows of their runs."""
        self.whole += found.state == WHOLE and found.path.endswith(ENTRY)
        self.stored += [(event.id, row_of(event)) for event in _events(self.store, found)]
        if found.what or found.older:
            self.looks.append(found)

    def run(self) -> Repaired:
        if not self.dry_run:
            refuse(current_session(), "cache_repair")
        events, rebuilt = self._graph()
        if not self.dry_run and shrink(self.store):
            events = len(Records(read_plain(self.store.journal.path), self.store.root).rows)
        self._memo()
        for each in self.looks:
            if each.state == BROKEN:
                self.aside.move(each.path, each.stamp, each.what)
                self._move_value(each)
        mended = tuple(each.path for each in self.looks if self._lost(each) and (self.dry_run or self._mend(each)))
        moved, left = tuple(self.aside.moved), tuple(self._leftovers())
        return Repaired(self.whole, events, rebuilt, moved, mended, tuple(self.foreign), left, self.dry_run)

    def _move_value(self, broken: Look) -> None:
        """The value file of an entry that was put aside, which nobody else needs."""
        for event in broken.events[:1]:
            for path in value_files.files_of(self.store.root, event):
                stamp = stamp_of(path)
                if stamp is not None:
                    self.aside.move(path, stamp, f"is the value of {broken.path}")

    # -- the graph

    def _graph(self) -> tuple[int, bool]:
        """How many events it has now, and whether it was rebuilt."""
        old = read_graph(self.store)
        if old is not None and not old.is_ours and not self._is_ours():
            self.foreign.append(Problem(self.store.journal.path, "", "is not a cachepy graph"))
            return 0, False
        if old is not None and old.other is not None:
            self.foreign.append(Problem(old.path, "", old.other.what))
            return len(old.rows), False
        new, rebuilt = _merged(old, self.stored)
        if not rebuilt or self.dry_run:
            if old is not None and old.damaged:
                self.aside.copy(self.store.journal.path, b"", _damage(old))
            return len(new), rebuilt
        return self._replace_graph(), True

    def _is_ours(self) -> bool:
        """Whether this is a cache directory, and not a folder of the user's that has a graph.pkl of its own."""
        return has_tag(self.store.root) or bool(self.stored)

    def _replace_graph(self) -> int:
        def made(old: Records, data: bytes) -> list[Row]:
            if old.damaged:
                self.aside.copy(self.store.journal.path, data, _damage(old))
            return _merged(old, self.stored)[0]

        return rewrite(self.store, made)

    # -- other files

    def _memo(self) -> None:
        """The memo with the rows that check; what is appended at this very moment is only looked up again."""
        memo, path = read_memo(self.store), self.store.memo_file
        if memo is None or not memo[1]:
            return
        if not memo[0] and not self._is_ours():
            self.foreign.append(Problem(path, "", "is not a cachepy memo"))
            return
        with open(path, "rb") as file:
            self.aside.copy(path, file.read(), f"{memo[1]} of its rows are damaged")
        if not self.dry_run:
            self.store._write(path, memo[0])

    def _lost(self, entry: Look) -> set[str]:
        """The older values that an entry lists but that are gone, or are now."""
        moved = {each.path for each in self.aside.moved}
        is_entry = entry.state == WHOLE and entry.path.endswith(ENTRY)
        gone = () if os.path.exists(self.store.dropped_file) else entry.missing  # they went to make room
        return {*gone, *moved.intersection(entry.older)} if is_entry else set()

    def _mend(self, entry: Look) -> bool:
        """Write an entry without the older values that are gone; not while its call is being run."""
        claim = self.claims.acquire(entry.path[: -len(ENTRY)] + CLAIM)
        if claim is None:
            return False
        try:
            trust = self.store.trust
            opened = EntryFile(entry.path, trust)  # written anew it is ours, and signed: nobody else's may become so
            if opened.is_signed and trust.key is None:
                return False
            folder = os.path.dirname(entry.path)
            (event, _), *older = rows_of(entry.path, opened)
            rows = [(pack(e), name) for e, name in older if os.path.exists(os.path.join(folder, name))]
            opened.check()
            payload = Payload(bytes(opened.pickle()), opened._buffers(verify=True))
            parts = assemble(meta_of(event, rows), payload, opened.call(), trust)
            if stamp_of(entry.path) != entry.stamp:
                return False
            self.store._write(entry.path, parts)
        except (EntryError, FileNotFoundError):  # replaced or removed meanwhile
            return False
        finally:
            self.claims.release(claim)
        return True

    def _leftovers(self) -> Iterator[str]:
        """What belongs to nobody any more."""
        yield from (p for p in self.store.files(OLD, VALID) if is_orphan(p))
        yield from (p for p in self.store.files(TEMPORARY, claims.BREAK) if is_abandoned(p))
        yield from unneeded_values(self.store)
        owner = self.claims.owner()
        for path in self.store.files(CLAIM):
            content = read_claim(path)
            if content is not None and owner.is_dead(content):
                yield path


def _events(store: Store, found: Look) -> Iterator[Event]:
    """The runs that a file tells of; of several, the one that was last seen to hold says so."""
    if not found.path.endswith(ENTRY):
        return
    seen, run = 0.0, ""
    if found.state == WHOLE:
        newest = found.events[0]
        seen, run = max((newest.seen, newest.run), store.valid(newest.id) or (seen, run))
    for event in found.events:
        yield event.replace(seen=seen) if event.run == run and event.seen != seen else event


def _merged(old: Records | None, stored: list[tuple[str, Row]]) -> tuple[list[Row], bool]:
    """Each run once, as it was last seen to hold; and whether the old file has to be replaced for that."""
    known = latest(old.pairs() if old is not None else ())
    merged = latest(chain(old.pairs() if old is not None else (), stored))
    is_new = any(mark not in known or times(known[mark])[0] != times(row)[0] for mark, row in merged.items())
    return in_order(merged), is_new or (old is not None and bool(old.damaged))


def _damage(old: Records) -> str:
    return f"damaged in {humanize.count(old.damaged, 'place')}"
