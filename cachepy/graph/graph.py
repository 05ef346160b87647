"""The graph: folds events of ended calls, answers queries, is saved and merged.

`apply` is idempotent and does not mind the order: of two events of one node the one that was seen
later wins; edges belong to the caller's event; flow edges are found by digests when asked for.  So
events may come from this process, from a journal, or over a network, in any order.
"""

from __future__ import annotations

import os
from _thread import RLock
from _weakref import ref
from collections.abc import Mapping

from cachepy.core.kind import is_address
from cachepy.core.kinds import FILES, absolute
from cachepy.core.marks import accepted_in, unseen_in, value_file_in
from cachepy.core.revision import Revision
from cachepy.errors import GraphFileError, OtherFormatError
from cachepy.graph.file_writers import marks_in
from cachepy.graph.table import FORMAT, HEADER, Reading, Table
from cachepy.store import journal, safe_pickle
from cachepy.store.codec import (
    Quiet,
    part_of,
    payload_of,
    run_in,
    times,
    unpack,
)
from cachepy.store.fs import read_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable, Iterator
    from collections.abc import Set as AbstractSet
    from pathlib import Path
    from typing import Any
    from weakref import ReferenceType

    from cachepy.core.model import Event
    from cachepy.store.codec import Row

    Node = dict[str, Any]

__all__ = ["HEADER", "Graph", "file_path", "load_events", "read_events", "unpacked", "written_by"]


_alive: dict[int, ReferenceType[Graph]] = {}  # all graphs, for a fork: one that is gone takes itself out
_held: list[RLock] = []  # by the thread that forks
_forking = RLock()  # one fork at a time


def _whole_in_forks(graph: Graph) -> None:
    """A fork waits until no thread is in the middle of a change: its child would wait for that thread for ever."""
    name = id(graph)  # no lock here: who makes a graph may hold one that the fork waits for
    _alive[name] = ref(graph, lambda gone: _alive.pop(name, None) if _alive.get(name) is gone else None)


def _before_fork() -> None:
    _forking.acquire()
    for each in list(_alive.values()):
        graph = each()
        if graph is not None:
            graph._lock.acquire()
            _held.append(graph._lock)


def _after_fork() -> None:
    if not _forking._is_owned():  # type: ignore[attr-defined]  # as `Condition` asks: loaded in the midst of this fork
        return
    while _held:
        _held.pop().release()
    _forking.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


class Graph:
    """Nodes by id, as the events of their latest runs.

    Examples
    --------
    >>> Graph().nodes()
    {}
    """

    def __init__(self) -> None:
        self._table = Table()
        self._lock = RLock()
        _whole_in_forks(self)

    def __len__(self) -> int:
        return len(self._table.rows)

    def __contains__(self, call: object) -> bool:
        return call in self._table.rows

    def apply(self, event: Event) -> bool:
        """Fold one event in; whether it changed anything."""
        with self._lock:
            return self._table.add(event)

    def clear(self) -> None:
        with self._lock:
            self._table.begin_era()
            self._table = Table()

    @property
    def revision(self) -> Revision:
        """In which no node goes, or shows another run."""
        return self._table.revision

    @property
    def format(self) -> int:
        """The format of the file that was merged last."""
        return self._table.format

    def other_format(self, path: str) -> OtherFormatError | None:
        """What to say of that file if another version of cachepy wrote it."""
        return OtherFormatError(path, self.format, FORMAT) if self.format != FORMAT else None

    # -- single calls

    def run_of(self, call: str) -> str | None:
        """Which run the node of a call shows."""
        row = self._table.rows.get(call)
        return None if row is None else run_in(row)

    def event(self, call: str) -> Event | None:
        row = self._table.rows.get(call)
        return None if row is None else unpack(row)

    def node(self, call: str) -> Node | None:
        with self._lock:
            event = self.event(call)
            return None if event is None else self._node(event)

    def parents_of(self, call: str) -> list[str]:
        """The ids of the callers of a call."""
        with self._lock:
            return sorted(self._table.links.parents.get(call, ()))

    def inputs_of(self, event: Event) -> dict[str, str]:
        """Argument name -> the call whose result the argument is: same digest, ended before."""
        with self._lock:
            return self._table.links.inputs(event.id, event.args)

    def sources_of(self, call: str) -> dict[str, str]:
        """Argument or path -> the call that wrote the file that a call read there."""
        with self._lock:
            return self._table.links.sources(call) if call in self._table.rows else {}

    def readers_of(self, call: str) -> list[str]:
        """The calls that read files that a call wrote."""
        with self._lock:
            return self._table.links.readers.get(call, [])

    def given(self) -> set[str]:
        """The digests of all results, also of runs that were replaced."""
        with self._lock:
            return {*self._table.links.results, *self._table.past}

    def gave_before(self, call: str, digest: str) -> bool:
        """Whether a call of another function gave a value before a call was made, or a run that was replaced did."""
        own = call.rpartition(":")[0]
        with self._lock:
            givers = self._table.links.earlier_givers(call, digest)
            return digest in self._table.past or any(giver.rpartition(":")[0] != own for giver in givers)

    def with_result(self, digest: str) -> list[Event]:
        """The calls whose result has a digest."""
        with self._lock:
            return [unpack(self._table.rows[call]) for call in self._table.links.results.get(digest, ())]

    def written(self) -> dict[str, set[str]]:
        """The absolute paths of the files that calls wrote, by call."""
        found: dict[str, set[str]] = {}
        with self._lock, Quiet():
            for path, calls in self._table.links.written.writers.items():
                for call in calls:
                    found.setdefault(call, set()).add(path)
        return found

    # -- all calls

    def rows(self) -> dict[str, Row]:
        """All rows (see `codec`) by id, in no order."""
        with self._lock:
            return dict(self._table.rows)

    def snapshot(self) -> dict[str, Event]:
        """All events by id, in no order."""
        return {event.id: event for event in unpacked(self.rows().values())}

    def events(self) -> list[Event]:
        """All events, in the order of their ids."""
        rows = self.rows()
        return unpacked(rows[call] for call in sorted(rows))

    def nodes(self) -> dict[str, Node]:
        """Every node as a plain dict, a copy."""
        with self._lock, Quiet():
            return {event.id: self._node(event) for event in self.events()}

    def _node(self, event: Event) -> Node:
        from pathlib import Path

        links = self._table.links
        files = {absolute(event.cwd, d.name): d.digest for d in event.trace.deps if d.kind in FILES}
        return {
            "id": event.id,
            "fname": event.fname,
            "module": event.module,
            "hash": event.hash,
            "parents": sorted(links.parents.get(event.id, ())),
            "children": links.children(event.trace.calls),
            "files": [p if is_address(p) else Path(p) for p in files],
            "file_hashes": files,
            "outfile": Path(event.root, value_file_in(event.trace) or event.outfile) if event.outfile else None,
            "created": event.created,
            "elapsed": event.elapsed,
            "inputs": links.flows(event.id),
            "qualname": event.qualname,
            "label": dict(event.label),
            "unseen": list(unseen_in(event.trace)),
            "accepted": accepted_in(event.trace),
        }

    def roots(self) -> set[str]:
        """The cache directories of its calls."""
        with self._lock:
            return self._table.roots()

    def history(
        self, given: Mapping[str, str], dropped: Collection[str] = (), made: Callable[[], set[str]] = set
    ) -> set[str]:
        """The calls that nothing makes any more (see `Links.history`)."""
        with self._lock:
            table = self._table
            if not (table.past or given or dropped):
                return set()
            return table.links.history(table.past, table.left, given, dropped, made)

    def summary(self, hidden: AbstractSet[str] = frozenset()) -> dict[str, Any]:
        """How many there are of what; see `cache_tree_summary`. hidden: calls that are left out."""
        with self._lock, Quiet():
            links = self._table.links
            rows = {call: row for call, row in self._table.rows.items() if call not in hidden}
            functions: dict[str, int] = {}
            for call, row in rows.items():
                fname = call.rpartition(":")[0] if isinstance(row, bytes) else row.fname
                functions[fname] = functions.get(fname, 0) + 1
            parents = {call: callers.keys() - hidden for call, callers in links.parents.items() if call in rows}
            return {
                "nodes": len(rows),
                "edges": sum(map(len, parents.values())),
                "flows": sum(giver not in hidden for call in rows for giver in links.flows(call).values()),
                "files": len(self.files(hidden)),
                "roots": sorted(call for call in rows if not parents.get(call)),
                "elapsed": sum(times(row)[2] for row in rows.values()),
                "functions": dict(sorted(functions.items())),
            }

    # -- files

    def files(self, hidden: AbstractSet[str] = frozenset()) -> dict[str, list[str]]:
        """Path -> ids of the calls that depend on it, but for some."""
        with self._lock, Quiet():
            parts, rows = self._table.files(), self._table.rows
            found: dict[str, list[str]] = {}
            for call in sorted(rows.keys() - hidden):
                for path in dict.fromkeys([path for path, _ in parts[part_of(rows[call])]]):
                    found.setdefault(path, []).append(call)
            return dict(sorted(found.items()))

    def for_file(self, path: str) -> list[str]:
        """The ids of the calls whose own trace holds a file."""
        want = absolute(os.getcwd(), path)
        with self._lock:
            parts = {part for part, files in self._table.files().items() if any(name == want for name, _ in files)}
            return sorted(call for call, part in self._among(parts))

    def _among(self, parts: Container[bytes]) -> list[tuple[str, bytes]]:
        """The calls whose deps are one of these parts, and which."""
        if not parts:
            return []
        return [(call, part) for call, row in self.rows().items() if (part := part_of(row)) in parts]

    def changed(self, digest_of: Callable[[str], str | None]) -> dict[str, list[str]]:
        """The calls with own files that are not as they were, and these; asks for each file once."""
        with self._lock:
            parts = dict(self._table.files())
        now: dict[str, str | None] = {}
        changed: dict[bytes, list[str]] = {}
        for part, files in parts.items():
            for path, digest in files:
                if path not in now:
                    now[path] = digest_of(path)
                if now[path] != digest:
                    changed.setdefault(part, []).append(path)
        return {call: changed[part] for call, part in sorted(self._among(changed))}

    # -- persistence

    def save(self, path: str | Path) -> None:
        """Write the whole graph to one file."""
        rows = self.rows()
        journal.write_packed(
            os.fspath(path), [safe_pickle.dumps(HEADER), *(payload_of(rows[call]) for call in sorted(rows))]
        )

    def merge(self, path: str, root: str | None = None) -> tuple[int, bool]:
        """Fold in a journal or a saved graph: how many of its records are whole, and whether others are damaged.

        root: the cache directory it lies in now, which may have been moved since.
        """
        return self.merge_data(read_plain(path), root)

    def merge_data(self, data: bytes, root: str | None = None) -> tuple[int, bool]:
        """The same of what such a file holds."""
        with self._lock:
            return self._table.merge(data, root)

    def load(self, path: str, root: str | None = None) -> None:
        """Make a saved graph the graph; GraphFileError names the file if it is not whole, and changes nothing."""
        table = Table()
        try:
            data = read_plain(path)
        except OSError as error:
            raise GraphFileError(f"cannot read the graph file {path}: {error.strerror or error}") from error
        taken, damaged = table.merge(data, root)
        _check_format(path, table.format)
        if damaged or (not taken and journal.read(path)[0] != [HEADER]):
            raise _damaged(path)
        with self._lock:
            self._table.begin_era()
            self._table = table

    def replace(self, events: Iterable[Event]) -> None:
        """Make these events the graph."""
        with self._lock:
            self.clear()
            for event in events:
                self.apply(event)


def unpacked(rows: Iterable[Row]) -> list[Event]:
    """The events of rows; what they share is shared by the events too."""
    known: dict[bytes, Any] = {}
    with Quiet():
        return [unpack(row, known) for row in rows]


class Unpacked(Mapping[str, "Event"]):
    """The events of rows by id, in the order of the ids; each made when it is asked for: there may be a million."""

    def __init__(self, rows: dict[str, Row]) -> None:
        self._rows = rows

    def __getitem__(self, call: str) -> Event:
        return unpack(self._rows[call])

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, call: object) -> bool:
        return call in self._rows


def read_events(path: str, *, root: str | None = None) -> tuple[list[Event], bool]:
    """The events of a journal or saved graph, also older runs, and whether some of the file was damaged.

    root: the cache directory it lies in now, which may have been moved since.
    """
    reading = Reading(read_plain(path), root)
    events = unpacked([row for _, rows in reading for row in rows])
    _check_format(path, reading.format)
    return events, bool(reading.damaged)


def load_events(path: str, *, root: str | None = None) -> list[Event]:
    """The events of a saved graph, all of them; GraphFileError names the file otherwise."""
    try:
        events, damaged = read_events(path, root=root)
    except OSError as error:
        raise GraphFileError(f"cannot read the graph file {path}: {error.strerror or error}") from error
    if damaged or (not events and journal.read(path)[0] != [HEADER]):
        raise _damaged(path)
    return events


def _check_format(path: str, found: int) -> None:
    """GraphFileError for a graph file of another format."""
    if found != FORMAT:
        raise GraphFileError(f"{OtherFormatError(path, found, FORMAT)}; the graph in memory is unchanged")


def _damaged(path: str) -> GraphFileError:
    return GraphFileError(
        f"the graph file {path} is damaged; the graph in memory is unchanged. "
        f"cache_tree_sync() takes what is whole in it"
    )


def written_by(event: Event) -> set[str]:
    """The absolute paths of the files that a call wrote."""
    return set(marks_in(event))


def file_path(event: Event, name: str) -> str:
    """The absolute path of a file that a trace names as the user gave it."""
    return absolute(event.cwd, name)
