"""The graph: folds events of ended calls, answers queries, is saved and merged.

`apply` is idempotent and does not mind the order: of two events of one node the one that was seen
later wins; edges belong to the caller's event; flow edges are found by digests when asked for.  So
events may come from this process, from a journal, or over a network, in any order.  Imports model,
journal, errors.
"""

from __future__ import annotations

import gc
import os
from _thread import RLock

from cachepy import journal
from cachepy.errors import GraphFileError
from cachepy.model import CALL, FILE, Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Any

    Node = dict[str, Any]


HEADER = ("cachepy-graph", 1)  # the first record of a saved graph


def _whole_in_forks(lock: RLock) -> None:
    """A fork waits until no thread is in the middle of a change: its child would wait for that thread for ever."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)


class Graph:
    """Nodes by id, as the events of their latest runs.

    Examples
    --------
    >>> Graph().nodes()
    {}
    """

    def __init__(self) -> None:
        self._events: dict[str, Event] = {}
        self._first: dict[str, float] = {}
        self._parents: dict[str, dict[str, None]] = {}
        self._results: dict[str, dict[str, None]] = {}
        self._past: set[str] = set()  # digests of results of earlier runs
        self._places: dict[str, tuple[str, dict[str, int]]] = {}
        self._lock = RLock()
        _whole_in_forks(self._lock)

    def __len__(self) -> int:
        return len(self._events)

    def apply(self, event: Event) -> bool:
        """Fold one event in; whether it changed anything."""
        with self._lock:
            old = self._events.get(event.id)
            self._first[event.id] = min(event.created, self._first.get(event.id, event.created))
            if old is not None and _rank(old) >= _rank(event):
                self._past.add(event.trace.result)
                return False
            if old is not None:
                self._detach(old)
            self._events[event.id] = event
            for call in event.trace.calls:
                if call.kind == CALL:
                    self._parents.setdefault(call.name, {})[event.id] = None
            if event.trace.result:
                self._results.setdefault(event.trace.result, {})[event.id] = None
            return True

    def _detach(self, old: Event) -> None:
        for call in old.trace.calls:
            self._parents.get(call.name, {}).pop(old.id, None)
        self._results.get(old.trace.result, {}).pop(old.id, None)
        self._past.add(old.trace.result)

    def run_of(self, call: str) -> str | None:
        """Which run the node of a call shows."""
        event = self._events.get(call)
        return None if event is None else event.run

    def event(self, call: str) -> Event | None:
        return self._events.get(call)

    def with_result(self, digest: str) -> list[Event]:
        """The calls whose result has a digest."""
        with self._lock:
            return [self._events[call] for call in self._results.get(digest, ())]

    def history(self) -> set[str]:
        """The calls that nothing makes any more: they took a result of an earlier run, which no call gives now.

        A call whose input came from history is history too. One that is called by others is only if they all are.
        """
        with self._lock:
            takers: dict[str, list[str]] = {}
            for event in self._events.values() if self._past else ():
                for digest in event.args.values():
                    takers.setdefault(digest, []).append(event.id)
            found: set[str] = set()
            taken = {call for d in self._past if not self._results.get(d) for call in takers.get(d, ())}
            todo = list(taken)
            while todo:
                call = todo.pop()
                if call in found or not found.issuperset(self._parents.get(call, ())):
                    continue
                found.add(call)
                event = self._events[call]
                if found.issuperset(self._results.get(event.trace.result, ())):
                    taken.update(takers.get(event.trace.result, ()))
                    todo += takers.get(event.trace.result, ())
                todo += [c.name for c in event.trace.calls if c.name in taken]
            return found

    def snapshot(self) -> dict[str, Event]:
        """All events by id, in no order."""
        with self._lock:
            return dict(self._events)

    def events(self) -> list[Event]:
        """All events, in the order of their ids."""
        with self._lock:
            return [self._events[key] for key in sorted(self._events)]

    def clear(self) -> None:
        with self._lock:
            for part in (self._events, self._first, self._parents, self._results, self._past, self._places):
                part.clear()

    # -- queries

    def nodes(self) -> dict[str, Node]:
        """Every node as a plain dict, a copy."""
        with self._lock:
            return {event.id: self._node(event) for event in self.events()}

    def node(self, call: str) -> Node | None:
        with self._lock:
            event = self._events.get(call)
            return None if event is None else self._node(event)

    def _node(self, event: Event) -> Node:
        from pathlib import Path

        files = {file_path(event, d.name): d.digest for d in event.trace.deps if d.kind == FILE}
        return {
            "id": event.id,
            "fname": event.fname,
            "module": event.module,
            "hash": event.hash,
            "parents": self.parents_of(event.id),
            "children": sorted(c.name for c in event.trace.calls if c.kind == CALL and c.name in self._events),
            "files": [Path(p) for p in files],
            "file_hashes": files,
            "outfile": Path(event.root, event.outfile) if event.outfile else None,
            "created": event.created,
            "elapsed": event.elapsed,
            "inputs": self.inputs_of(event),
            "qualname": event.qualname,
            "label": dict(event.label),
        }

    def parents_of(self, call: str) -> list[str]:
        """The ids of the callers of a call."""
        return sorted(self._parents.get(call, ()))

    def inputs_of(self, event: Event) -> dict[str, str]:
        """Argument name -> the call whose result the argument is: same digest, ended before."""
        found = {name: self._producer(event, digest) for name, digest in event.args.items()}
        return {name: call for name, call in found.items() if call is not None}

    def _producer(self, event: Event, digest: str) -> str | None:
        """The call that gave a value: one that a common caller made before this, else one that ended before.

        Order within a caller is the same however calls were run; times are not, where calls run side by side.
        """
        candidates = [c for c in self._results.get(digest, ()) if c != event.id]
        family = self._parents.get(event.id, {})
        siblings = [c for c in candidates if self._is_made_before(c, event.id, family)]
        if siblings:
            return min(siblings)
        latest = self._first[event.id]
        earlier = [c for c in candidates if self._first[c] <= latest]
        return min(earlier, key=lambda c: (bool(family or self._parents.get(c)), c), default=None)

    def _is_made_before(self, call: str, other: str, family: dict[str, None]) -> bool:
        """Whether one of the callers made the call before the other one."""
        for caller in self._parents.get(call, ()):
            if caller in family:
                places = self._places_in(caller)
                if places[call] < places[other]:
                    return True
        return False

    def _places_in(self, caller: str) -> dict[str, int]:
        """The place of each call in the order in which its caller made them; remembered as long as the run is it."""
        event = self._events[caller]
        run, places = self._places.get(caller, ("", {}))
        if run != event.run:
            places = {c.name: at for at, c in enumerate(event.trace.calls)}
            self._places[caller] = event.run, places
        return places

    def for_file(self, path: str) -> list[str]:
        """The ids of the calls whose own trace holds a file."""
        want = os.path.abspath(path)
        return [e.id for e in self.events() if any(file_path(e, d.name) == want for d in _files(e))]

    def files(self) -> dict[str, list[str]]:
        """Path -> ids of the calls that depend on it."""
        found: dict[str, list[str]] = {}
        for event in self.events():
            for dep in _files(event):
                found.setdefault(file_path(event, dep.name), []).append(event.id)
        return dict(sorted(found.items()))

    # -- persistence

    def save(self, path: str | Path) -> None:
        """Write the whole graph to one file."""
        journal.write(os.fspath(path), [HEADER, *(e.wire() for e in self.events())])

    def replace(self, events: Iterable[Event]) -> None:
        """Make these events the graph."""
        with self._lock:
            self.clear()
            for event in events:
                self.apply(event)


def read_events(path: str, *, root: str | None = None) -> tuple[list[Event], bool]:
    """The events of a journal or saved graph, and whether some of the file was damaged.

    root: the cache directory it lies in now, which may have been moved since.
    """
    collects = gc.isenabled()
    gc.disable()  # nothing here is garbage, and looking for some takes a quarter of the time
    try:
        records, damaged = journal.read(path)
        return _events_in(records, root, damaged)
    finally:
        if collects:
            gc.enable()


def _events_in(records: list[Any], root: str | None, damaged: bool) -> tuple[list[Event], bool]:
    events = []
    for record in records:
        if journal.is_event(record):
            event = Event.unwire(record)
            events.append(event if root is None else event.replace(root=root))
        elif record != HEADER:
            damaged = True
    return events, damaged


def load_events(path: str, *, root: str | None = None) -> list[Event]:
    """The events of a saved graph, all of them; GraphFileError names the file otherwise."""
    try:
        events, damaged = read_events(path, root=root)
    except OSError as error:
        raise GraphFileError(f"cannot read the graph file {path}: {error.strerror or error}") from error
    if damaged or (not events and journal.read(path)[0] != [HEADER]):
        raise GraphFileError(
            f"the graph file {path} is damaged; the graph in memory is unchanged. "
            f"cache_tree_sync() takes what is whole in it"
        )
    return events


def file_path(event: Event, name: str) -> str:
    """The absolute path of a file that a trace names as the user gave it."""
    return os.path.normpath(os.path.join(event.cwd, name))


def _files(event: Event) -> list[Any]:
    return [d for d in event.trace.deps if d.kind == FILE]


def _rank(event: Event) -> tuple[float, float, str]:
    return event.seen, event.created, event.run
