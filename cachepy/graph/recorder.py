"""Where ended calls go in a serial run: into the session's graph, and into the journal of their cache."""

from __future__ import annotations

from cachepy.core.lazyparts import part
from cachepy.core.revision import Revision
from cachepy.errors import CacheWriteWarning
from cachepy.store.codec import pack
from cachepy.store.fs import exists

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from cachepy.core.model import Event
    from cachepy.graph.graph import Graph
    from cachepy.store.claims import Claims
    from cachepy.store.entries import Store
    from cachepy.store.stores import Stores

    class Session(Protocol):
        """What is asked of a session."""

        stores: Stores
        nodes: LazyGraph
        inherited: set[str]
        warn: Callable[..., None]
        clock: Callable[[], float]

        @property
        def claims(self) -> Claims: ...

_EARLY = 256  # calls that are kept as they are; a graph takes less memory for each
_MOST_SETTLED = 50_000  # calls


class LazyGraph:
    """Folds ended calls into the graph, which is not made before somebody asks for it: most programs never do."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._graph: Graph | None = None
        self._early: dict[str, Event] = {}  # as long as nobody asked for the graph
        self._early_revision = Revision()

    @part
    def graph(self) -> Graph:
        """The graph, with what ended before; what another thread folds in meanwhile is not lost: see `fold`."""
        from cachepy.graph.graph import Graph

        graph = Graph()
        for event in list(self._early.values()):
            graph.apply(event)
        self._graph = graph
        for event in list(self._early.values()):
            graph.apply(event)
        self._early = {}
        self._early_revision.is_over = True
        return graph

    def __len__(self) -> int:
        return len(self._early) if self._graph is None else len(self._graph)

    def fold(self, event: Event) -> None:
        """Fold in an ended call."""
        if self._graph is None and len(self._early) < _EARLY and event.id not in self._early:
            self._early[event.id] = event
            if self._graph is None:
                return
        self.graph.apply(event)

    def show(self, call: str) -> None:
        """Fold in what is stored of a call, and of all below it."""
        for event in self._stores.events(call)[:1]:
            for each in self._stores.subtree(event):
                self.fold(each)

    def knows(self, call: str) -> bool:
        """Whether the graph has a node of a call."""
        return call in (self._early if self._graph is None else self._graph)

    def run_of(self, call: str) -> str | None:
        """Which run the node of a call shows."""
        if self._graph is not None:
            return self._graph.run_of(call)
        early = self._early.get(call)
        return None if early is None else early.run

    def event_of(self, call: str) -> Event | None:
        """The run that the graph shows of a call."""
        return self._early.get(call) if self._graph is None else self._graph.event(call)

    @property
    def revision(self) -> Revision:
        """In which no node goes from the graph, or shows another run."""
        return self._early_revision if self._graph is None else self._graph.revision


class GraphRecorder:
    """Folds ended calls into the session's graph and appends them to the journal of their cache."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._settled: dict[str, str] = {}  # the run that this process last saw hold, of calls with several

    @property
    def revision(self) -> Revision:
        """In which no node goes from the graph, or shows another run."""
        return self.session.nodes.revision

    def record(self, event: Event) -> None:
        """A call has run and is stored."""
        self.apply(event)
        self._append(event)
        self.fold_below(event, anew=False)

    def fold_below(self, event: Event, *, anew: bool) -> None:
        """Bring in calls below that ran in other processes; `anew`: also those that the graph knows already."""
        for call in event.trace.calls:
            if anew or not self.session.nodes.knows(call.name):
                found = [e for e in self.session.stores.events(call.name) if e.trace.effect == call.digest]
                for each in found[:1]:
                    if self.session.nodes.run_of(each.id) != each.run:
                        self.hit(each, {}, set())

    def hit(self, event: Event, chosen: dict[str, Event], several: set[str]) -> None:
        """A call was a hit: its subtree belongs to the graph; the journal has it already.

        Only a hit of an older run (a file was changed back) adds a record, which says that this run
        is the valid one again.

        chosen: the runs of the calls below that hold; several: the calls that have more than one run.
        """
        unsettled = [c for c in several if self._settled.get(c) != chosen.get(c, event).run] if several else None
        if not unsettled and self._shows(event):
            return
        unsettled = unsettled or []
        self._make_up_for(event)
        for each in self.session.stores.subtree(event, chosen):
            self.apply(self._settle(each) if each.id in unsettled else each)

    def _shows(self, event: Event) -> bool:
        """Whether the graph has this run, and the calls below it."""
        run_of = self.session.nodes.run_of
        if run_of(event.id) != event.run:
            return False
        for call in event.trace.calls:  # noqa: SIM110 - on the path of each hit: a generator costs more than the loop
            if not self.session.nodes.knows(call.name):
                return False
        return True

    def _make_up_for(self, event: Event) -> None:
        """Write the record of a run whose process died before it did: then its claim is there, or we removed it."""
        store, inherited = self.session.stores.at(event.root), self.session.inherited
        self._see_to(store)
        path = store.claim_path(event.id)
        if path in inherited or (exists(path) and not self.session.claims.is_held(path)):
            inherited.discard(path)
            self._append(event)

    def _settle(self, event: Event) -> Event:
        """The event as seen last; says in the journal that it holds again if another run did since."""
        store = self.session.stores.at(event.root)
        if len(self._settled) >= _MOST_SETTLED:  # asked again
            self._settled.clear()
        self._settled[event.id] = event.run
        newest = next(iter(self.session.stores.events(event.id)), event)
        run, seen = max((newest.seen, newest.run), store.valid(event.id) or (0.0, ""))[::-1]
        if run == event.run:
            return event.replace(seen=seen)
        event = event.replace(seen=self.session.clock())
        store.set_valid(event.id, event.seen, event.run)
        self._append(event)
        return event

    def apply(self, event: Event) -> None:
        """Every event that is new to this process comes through here."""
        self.session.nodes.fold(event)

    def _see_to(self, store: Store) -> None:
        """The first time that this process meets a directory: records that its graph has lost come from the entries."""
        if store.may_lack_records():
            from cachepy.graph.missing_records import heal

            try:
                heal(store)
            except OSError:  # what cannot be read or written now is left to the commands
                pass

    def _append(self, event: Event) -> None:
        store = self.session.stores.at(event.root)
        self._see_to(store)
        try:
            store.journal.append_packed(pack(event))
            if store.journal.size > store.graph_limit:
                from cachepy.graph.compact import relieve

                relieve(store)
        except OSError as error:
            self.session.warn(
                CacheWriteWarning,
                f"cannot write {store.journal.path}: {error.strerror or error}; the graph of this run "
                f"is in memory only. When it can be written, the next run or `cachepy repair` adds it",
                "journal",
                store.root,
            )


class QuietRecorder(GraphRecorder):
    """Folds what were hits into the session's graph, and writes nothing: in a process that only answers a question."""

    def hit(self, event: Event, chosen: dict[str, Event], several: set[str]) -> None:
        for each in self.session.stores.subtree(event, chosen):
            self.apply(each)

    def _append(self, event: Event) -> None:
        pass
