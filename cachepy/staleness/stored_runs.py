"""All runs of a call that cache directories tell of, also those whose results are gone: for who compares two of them.

A hit wants a value, so it is told only of runs that have one.  What an earlier run depended on stands in the entry as
long as nobody writes it again, and in the graph file until that is compacted.
"""

from __future__ import annotations

import os

from cachepy.core.model import Event, Record
from cachepy.core.verify import roots_of
from cachepy.errors import EntryError
from cachepy.graph.graph import unpacked
from cachepy.graph.table import Reading
from cachepy.store.entryfile import EntryFile
from cachepy.store.fs import read_plain
from cachepy.store.meta import rows_of
from cachepy.store.relocation import moved_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cachepy.code.pieces import Piece
    from cachepy.store.codec import Row
    from cachepy.store.entries import Store
    from cachepy.store.stores import Stores


class Run(Record):
    """One run of a call; path: of the file with its result, empty if that is gone."""

    __slots__ = ("event", "path")
    event: Event
    path: str


class StoredRuns:
    """What some cache directories tell of runs; of damaged, closed and strangers' entries nothing."""

    def __init__(self, stores: Stores, roots: Iterable[str]) -> None:
        self._stores = stores
        self._roots = dict.fromkeys(roots)
        self._known: dict[tuple[str, str], list[Run]] = {}
        self._recorded: dict[str, dict[str, list[Row]]] = {}

    def of(self, call: str) -> list[Run]:
        """The runs that its entries tell of, newest first."""
        return [run for root in list(self._roots) for run in self._in(root, call)]

    def all_of(self, call: str) -> list[Run]:
        """Those that graph files tell of besides."""
        found = self.of(call)
        runs = {run.event.run for run in found}
        for root in list(self._roots):
            for event in sorted(unpacked(self._records(root).get(call, ())), key=lambda each: -each.created):
                if event.run not in runs:
                    runs.add(event.run)
                    found.append(Run(event, ""))
        return found

    def with_effect(self, call: str, effect: str | None, above: Event) -> Event | None:
        """The run of a call that another one went by, if it is still told of."""
        self._roots.update(dict.fromkeys(roots_of(above.trace)))
        return self._first(call, lambda event: event.trace.effect == effect)

    def with_result(self, call: str, result: str) -> Event | None:
        """The run of a call that gave a result."""
        return self._first(call, lambda event: event.trace.result == result)

    def _first(self, call: str, is_meant: Callable[[Event], bool]) -> Event | None:
        """The graph files, which tell more, are read only where the entries do not tell it."""
        for runs in (self.of, self.all_of):
            found = next((run.event for run in runs(call) if is_meant(run.event)), None)
            if found is not None:
                return found
        return None

    def code(self, name: str, digest: str) -> list[tuple[Piece, str]]:
        """What a code digest is made of, each piece with its source; nothing if that is not kept."""
        from cachepy.code.source import best_first

        kept = [data for root in self._roots for data in self._stores.at(root).codes(digest)]
        return next((rows for rows, _ in best_first(kept, name)), [])

    def _in(self, root: str, call: str) -> list[Run]:
        key = root, call
        if key not in self._known:
            try:
                self._known[key] = list(read_runs(self._stores.at(root), call))
            except (EntryError, OSError):
                self._known[key] = []
        return self._known[key]

    def _records(self, root: str) -> dict[str, list[Row]]:
        """The rows of a graph file by their calls; older runs are among them."""
        if root not in self._recorded:
            found: dict[str, list[Row]] = {}
            for ids, rows in _reading(self._stores.at(root)):
                for call, row in zip(ids, rows, strict=True):
                    found.setdefault(call, []).append(row)
            self._recorded[root] = found
        return self._recorded[root]


def read_runs(store: Store, call: str) -> Iterator[Run]:
    """The runs that an entry tells of, newest first; EntryError or OSError if it may not, or cannot, be read."""
    path = store.path_of(call)
    try:
        opened = EntryFile(path, store.trust)
    except (FileNotFoundError, NotADirectoryError):
        return
    rows = rows_of(path, opened)
    if store.trust.key is not None:  # the signature covers what it tells
        opened.pickle()
    if any(event.id != call for event, _ in rows):
        raise EntryError(f"{path} holds another call than its name says")
    for at, (event, name) in enumerate(rows):
        place = os.path.join(os.path.dirname(path), name)
        yield Run(moved_event(event, store.root), place if not at or os.path.exists(place) else "")


def _reading(store: Store) -> Iterable[tuple[Iterable[str], Iterable[Row]]]:
    try:
        return Reading(read_plain(store.journal.path), store.root)
    except OSError:
        return ()
