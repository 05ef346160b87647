"""What travels from workers over the scheduler to clients: builtins only, in bounded batches.

    ("event", id, run, rank, pickle of Event.wire(), children)   a call that ended, whole
    ("hit", id, run, root)                                       a call that was reused
    ("of", task, id, root, digest of the result, hands on)       which call a task was made for; whether it hands on
                                                                 each result as it is
    ("told", caller's run, kind, name, digest)                   for a caller that runs elsewhere
    ("other", function, expected digest, is stored)              it is other code here than where it was sent
    ("count", function, {what: how much})                        since the last such record (see tally)
    ("running", [(id, since when)], is alone)                    all that runs in this worker's process for some time
                                                                 (see now); whether no other worker is in it
    ("failed", function, message, when, how often)               since the last such record
    ("again", id, function, cause, when)                         a call runs though results of it are stored

They are read by `store.safe_pickle`, which runs no code.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from cachepy.core.kinds import EDGES
from cachepy.core.model import Dep, Event
from cachepy.store import safe_pickle
from dask_plugin.tally import is_amounts

TOPIC = "cachepy-graph"  # of Dask's events, for clients of ours; what users are told has another one
OP = "cachepy-records"
BATCH = 1 << 20  # bytes of pickles in one message; a larger record travels alone

Record = tuple[Any, ...]

_LIST = (list, tuple)
_SHAPES: dict[str, tuple[Any, ...]] = {
    "event": (str, str, str, _LIST, bytes, _LIST),
    "hit": (str, str, str, str),
    "of": (str, Hashable, str, str, str, bool),
    "told": (str, str, str, str, (str, type(None))),
    "other": (str, str, str, bool),
    "count": (str, str, dict),
    "running": (str, _LIST, bool),
    "failed": (str, str, str, (int, float), int),
    "again": (str, str, str, str, (int, float)),
}


def event_record(event: Event) -> Record:
    """An ended call."""
    children = [c.name for c in event.trace.calls if c.kind in EDGES]
    rank = [event.seen, event.created, event.run]
    return ("event", event.id, event.run, rank, safe_pickle.dumps(event.wire()), children)


def hit_record(event: Event) -> Record:
    """A call that was reused."""
    return ("hit", event.id, event.run, event.root)


def task_record(task: Any, event: Event, *, hands_on: bool) -> Record:
    """Which call a task is: one that is in memory already has the call behind it."""
    return ("of", task, event.id, event.root, event.trace.result, hands_on)


def told_record(run: str, dep: Dep) -> Record:
    """A dep of a caller that runs somewhere else."""
    return ("told", run, *dep.astuple())


def other_record(identity: str, expected: str, *, is_stored: bool) -> Record:
    """A function that came here by value, or by name with a digest, reaches other code here."""
    return ("other", identity, expected, is_stored)


def event_of(payload: bytes) -> Event:
    """The event of a record; ValueError if it is none. Never runs code."""
    try:
        event = Event.unwire(safe_pickle.loads(payload))
        if not isinstance(event.id, str):
            raise TypeError(f"its id is {event.id!r}")
    except (TypeError, IndexError) as error:
        raise ValueError(f"not an event: {error}") from error
    return event


def is_record(record: Any) -> bool:
    """Whether this has the shape of a record; what is in its payload shows when it is read."""
    if not isinstance(record, (list, tuple)) or not record:
        return False
    kinds = _SHAPES.get(record[0]) if isinstance(record[0], str) else None
    if kinds is None or len(record) != len(kinds) or not all(map(isinstance, record, kinds)):
        return False
    return record[0] != "count" or is_amounts(record[2])


def size_of(record: Record) -> int:
    """About how many bytes a record takes in a message."""
    return 200 if record[0] != "event" else 200 + len(record[4]) + 40 * len(record[5])


def batches(records: list[Record]) -> list[list[Record]]:
    """The records in their order, in batches of bounded size."""
    found: list[list[Record]] = []
    room = 0
    for record in records:
        room -= size_of(record)
        if room < 0 or not found:
            found.append([])
            room = BATCH - size_of(record)
        found[-1].append(record)
    return found
