"""What would not be a hit now, and why: asks, runs nothing, imports nothing of the user's.

Imports api, graph, model, probe, session, verify.
"""

from __future__ import annotations

from cachepy.api import graph_now
from cachepy.errors import EntryError
from cachepy.graph import file_path
from cachepy.model import FILE, NAME, Dep, Event, Reason, Trace
from cachepy.probe import LiveProbe
from cachepy.session import Session, current_session
from cachepy.verify import Verifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class AskingProbe(LiveProbe):
    """Looks from where each call ran, and takes code that is not loaded here as unchanged."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._events: dict[str, list[Event]] = {}

    def events(self, call: str, roots: Sequence[str]) -> list[Event]:
        if call not in self._events:
            self._events[call] = [placed(event) for event in super().events(call, roots)]
        return self._events[call]

    def code(self, identity: str, recorded: str | None) -> str | None:
        return super().code(identity, recorded) or recorded

    def may_import(self) -> bool:
        return False


def placed(event: Event) -> Event:
    """The event with the files of its trace as absolute paths: it may have run elsewhere."""
    deps = tuple(
        Dep(d.kind, file_path(event, d.name), d.digest) if d.kind in (FILE, NAME) else d for d in event.trace.deps
    )
    return event.replace(trace=Trace(deps, event.trace.calls, event.trace.result))


def cache_tree_stale() -> dict[str, dict[str, Any]]:
    """Every call of the graph that would not be a hit now, with every cause.

    Returns
    -------
    dict
        id -> ``{"node", "state", "reasons"}``; state is ``"stale"`` or ``"missing"`` (the value is
        not on disk), reasons are `Reason` with the root causes first. Calls above a stale call, and
        calls that take its result as an argument, are stale too. Code of modules that are not
        loaded is taken as unchanged. Nothing runs and nothing is changed by asking.

    Examples
    --------
    >>> from cachepy import cache_tree_reset
    >>> cache_tree_reset()
    >>> cache_tree_stale()
    {}
    """
    session, graph = current_session(), graph_now()
    verifier = Verifier(AskingProbe(session))
    events = {event.id: event for event in graph.events()}
    for event in events.values():
        session.store(event.root)
    found = {call: verdict for call, event in events.items() if (verdict := _verdict(session, verifier, event))}
    nodes = graph.nodes()
    _add_flows(found, nodes)
    return {
        call: {"node": nodes[call], "state": state, "reasons": [_named(r, events) for r in reasons]}
        for call, (state, reasons) in found.items()
    }


def _verdict(session: Session, verifier: Verifier, event: Event) -> tuple[str, list[Reason]] | None:
    """State and reasons of a call that is not fresh, None for one that is."""
    try:
        stored = session.store(event.root).look(event.id)
    except (EntryError, OSError):
        stored = None
    if stored is None:
        return "missing", [Reason("value", event.id, None, None), *verifier.reasons(placed(event).trace)]
    if any(verifier.holds(placed(each).trace) for each in stored.events):
        return None
    return "stale", verifier.reasons(placed(event).trace)


def _add_flows(found: dict[str, tuple[str, list[Reason]]], nodes: dict[str, dict[str, Any]]) -> None:
    """What takes the result of a stale call is stale, and so are its callers."""
    consumers: dict[str, list[str]] = {}
    for call, node in nodes.items():
        for producer in node["inputs"].values():
            consumers.setdefault(producer, []).append(call)
    todo = list(found)
    while todo:
        cause = todo.pop()
        above = [(c, "input") for c in consumers.get(cause, ())] + [(p, "call") for p in nodes[cause]["parents"]]
        for call, cue in above:
            if call not in found:
                found[call] = "stale", []
                todo.append(call)
            known = {(r.cue, r.name) for r in found[call][1]}
            if (cue, cause) not in known:
                found[call][1].append(Reason(cue, cause, None, None))


def _named(reason: Reason, events: dict[str, Event]) -> Reason:
    """The reason with calls named for people; the id stays as the old value."""
    event = events.get(reason.name)
    if reason.cue not in ("call", "input", "value") or event is None:
        return reason
    return Reason(reason.cue, f"{event.fname}({', '.join(map(_last_part, event.label.values()))})", event.id, None)


def _last_part(label: str) -> str:
    """Of a path its last part: the folders make a sentence long and say little."""
    return label if " " in label else label.strip("'").replace("\\", "/").rstrip("/").rpartition("/")[2] or label
