"""What the graph of a cache directory lacks: calls that have an entry, but no record in ``graph.pkl``.

The file was lost or cut, or a record could not be added to it.  The entry has all that the record had; so whoever
reads the graph takes it from there, and puts it back where that is allowed.
"""

from __future__ import annotations

import os

from cachepy.core.model import Record
from cachepy.errors import EntryError
from cachepy.graph.compact import compact
from cachepy.graph.table import FORMAT, Reading
from cachepy.store.codec import Quiet, pack, run_in
from cachepy.store.entryfile import EntryFile
from cachepy.store.fs import read_plain
from cachepy.store.layout import CLAIM, ENTRY, OLD, stem_of
from cachepy.store.meta import rows_of
from cachepy.store.relocation import moved_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from cachepy.core.model import Event
    from cachepy.graph.graph import Graph
    from cachepy.store.entries import Store

_KEY = slice(-len(ENTRY) - 32, -len(ENTRY))


class GraphRead(Record):
    """How a graph file was read: its whole records (None: there is no such file), whether others are damaged.

    lacking: how many calls were taken from their entries; added: whether they are recorded now; format: of the file.
    """

    __slots__ = ("whole", "damaged", "lacking", "added", "format")
    whole: int | None
    damaged: bool
    lacking: int
    added: bool
    format: int


def read_graph(graph: Graph, store: Store) -> GraphRead:
    """Fold in all that is known of a cache directory; OSError for a graph file that is there and cannot be read."""
    whole: int | None = None
    damaged, form = False, FORMAT
    try:
        whole, damaged = graph.merge(store.journal.path, store.root)
        form = graph.format
    except FileNotFoundError:
        pass
    names = store.listed = store.listing()
    lost = _lacking(graph.rows(), names)
    if damaged or form != FORMAT:  # what it has of a call may be an older run
        for event in _events(store, _lacking((), names)):
            graph.apply(event)
    found = list(_events(store, lost))
    for event in found:
        graph.apply(event)
    # what is being made is about to be recorded by whoever makes it
    missing = [event for event in found if (event.outfile or "")[: -len(ENTRY)] + CLAIM not in names]
    may_add = bool(missing) and form == FORMAT  # who wrote another format finds them in the entries
    return GraphRead(whole, damaged, len({event.id for event in missing}), may_add and _add(store, missing), form)


def heal(store: Store) -> None:
    """Add to the graph on disk what it lacks, also newer runs of calls that it has; unless another process does."""
    path = store.journal.path
    with store.extent.held() as is_mine:
        if not is_mine or store.extent.covers(_size_of(path)):
            return
        calls, runs, reading = _recorded(path)
        if reading.format != FORMAT:
            return
        names = store.listing()
        again = {stem_of(name) + ENTRY for name in names if name.endswith(OLD)}
        for event in _events(store, [*_lacking(calls, names), *sorted(again & names)]):
            if event.run not in runs:
                store.journal.append_packed(pack(event))
                runs.add(event.run)
        store.extent.begin(_size_of(path))
    if reading.damaged:  # a record that a death cut off: all that look at the file would read all entries, for ever
        compact(store, 0)


def _recorded(path: str) -> tuple[set[str], set[str], Reading]:
    """The calls and runs that a graph file tells of, and how it was read."""
    calls, runs = set[str](), set[str]()
    try:
        data = read_plain(path)
    except FileNotFoundError:
        data = b""
    reading = Reading(data, None)
    with Quiet():
        for ids, rows in reading:
            calls.update(ids)
            runs.update(map(run_in, rows))
    return calls, runs, reading


def _size_of(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return -1


def _lacking(calls: Iterable[str], names: Collection[str]) -> list[str]:
    """The entries, among the names of files, of other calls than these."""
    lost = {name[_KEY] for name in names} - {call[-32:] for call in calls}
    return sorted(name for name in names if name[_KEY] in lost and name[-len(ENTRY) :] == ENTRY) if lost else []


def _events(store: Store, names: Iterable[str]) -> Iterator[Event]:
    """The stored runs of entries, oldest first; nothing of those that cannot be read, and whoever made them."""
    for name in names:
        try:
            path = os.path.join(store.root, name)
            rows = rows_of(path, EntryFile(path))
        except (EntryError, OSError):
            continue
        for event, _ in reversed(rows):
            yield moved_event(event, store.root)


def _add(store: Store, events: Iterable[Event]) -> bool:
    """Put records back where they were lost; whether that could be done. Nothing is made in a directory of others."""
    path = store.journal.path
    try:
        is_allowed = os.access(path, os.W_OK) if os.path.exists(path) else _is_mine(store.root)
        if not is_allowed:
            return False
        with store.extent.held() as is_mine:
            for event in events if is_mine else ():
                store.journal.append_packed(pack(event))
    except OSError:
        return False
    return is_mine


def _is_mine(root: str) -> bool:
    return os.access(root, os.W_OK) and (not hasattr(os, "geteuid") or os.stat(root).st_uid == os.geteuid())
