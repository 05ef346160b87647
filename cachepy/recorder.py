"""What a session knows of ended calls: the graph, which is not made before somebody asks for it.

Most programs never do. Until then the newest runs are kept as they came.
"""

from __future__ import annotations

from cachepy.lazy import part
from cachepy.reach.guard import Era

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachepy.graph import Graph
    from cachepy.model import Event

_EARLY = 256  # calls that are kept as they are; a graph takes less memory for each


class Recorder:
    """Folds ended calls, and tells which it knows."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._early: dict[str, Event] = {}  # as long as nobody asked for the graph
        self._early_era = Era()

    @part
    def graph(self) -> Graph:
        """The graph, with what ended before; what another thread folds in meanwhile is not lost: see `fold`."""
        from cachepy.graph import Graph

        graph = Graph()
        for event in list(self._early.values()):
            graph.apply(event)
        self._graph = graph
        for event in list(self._early.values()):
            graph.apply(event)
        self._early = {}
        self._early_era.is_over = True
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
    def era(self) -> Era:
        """In which no node goes from the graph, or shows another run."""
        return self._early_era if self._graph is None else self._graph.era
