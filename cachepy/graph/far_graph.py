"""The graph of a remote cache: what each process recorded there, and what the runs tell besides."""

from __future__ import annotations

from cachepy.core.model import Record
from cachepy.errors import EntryError
from cachepy.store.asking import at_once
from cachepy.store.codec import Quiet, run_in
from cachepy.store.far import Far
from cachepy.store.objects import Objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachepy.graph.graph import Graph
    from cachepy.store.entries import Store


class FarRead(Record):
    """How the graph of a remote cache was read: its whole records, and what could not be read."""

    __slots__ = ("whole", "troubles")
    whole: int
    troubles: tuple[str, ...]


def merge_far(graph: Graph, url: str, near: Store) -> FarRead:
    """Fold in all that is known of a remote cache; OSError if it cannot be asked. Nothing in it is run.

    near: names things as the remote cache does, and says whom it trusts.
    """
    remote, troubles = Objects(url), list[str]()
    names = remote.names("graph/")
    whole = 0
    for name, data in zip(names, at_once(lambda name: remote.read(name, names[name]), names), strict=True):
        if not isinstance(data, bytes):
            troubles.append(str(data))
            continue
        taken, damaged = graph.merge_data(data)
        whole += taken
        if damaged:
            troubles.append(f"parts of {url}/{name} are damaged")
    whole += _merge_runs(graph, Far([remote], near, trusts=True, warn=lambda _, __, text: troubles.append(text)))
    return FarRead(whole, tuple(troubles))


def _merge_runs(graph: Graph, far: Far) -> int:
    """Runs whose process died before it could record them, or that others moved there."""
    with Quiet():
        known = {run_in(row) for row in graph.rows().values()}
    places = [each for runs in far.list_all(anew=True).values() for each in runs[:1] if each.run not in known]
    found = 0
    for event in at_once(far.event_at, places):
        if isinstance(event, EntryError | OSError) or event is None:
            continue
        found += graph.apply(event)
    return found
