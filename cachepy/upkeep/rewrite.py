"""The graph file made anew beside writers, none of whose records is lost.

It is replaced under its lock; who waits for that lock finds that the file was replaced and opens the new one
(`Journal`), and what was still added to the old one is carried over.  Imports examine, graph, journal, model,
packed, store, wire, errors.
"""

from __future__ import annotations

import os
import time

from cachepy.disk import journal
from cachepy.errors import CachepyError
from cachepy.graph import HEADER
from cachepy.rows import wire
from cachepy.rows.packed import pack
from cachepy.upkeep.examine import Records, unlock, with_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from cachepy.model import Event
    from cachepy.store import Store

_TRIES = 5  # at a graph file that others replace meanwhile


def rewrite(store: Store, made: Callable[[Records, bytes], list[Event] | None]) -> int:
    """Replace the graph file by what `made` gives for its records and bytes; how many events it has then.

    Nobody adds a record between reading the old file and putting the new one in its place. None leaves it as it is.
    """
    path = store.journal.path
    for _ in range(_TRIES):
        with open(path, "a+b") as file:
            with_lock(file.fileno(), shared=False)
            if not os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                continue
            file.seek(0)
            data = file.read()
            old = Records(data, store.root)
            new = made(old, data)
            if new is None:
                return len(old.events)
            was_whole = store.extent.covers(len(data))
            _put(path, new, os.fstat(file.fileno()).st_mode)
            if was_whole:
                store.extent.begin(os.stat(path).st_size)
            unlock(file.fileno())
            return len(new) + _carry_over(store, file, len(data))
    raise CachepyError(f"cannot replace {path}: another process keeps replacing it; try again later")


def _put(path: str, events: list[Event], mode: int) -> None:
    journal.write_packed(path, map(pack, events) if events else [wire.dumps(HEADER)])
    try:
        os.chmod(path, mode & 0o7777)
    except OSError:  # that of the user who does it
        pass


def _carry_over(store: Store, old: Any, end: int) -> int:
    """What was added to the old file meanwhile, where there are no locks."""
    time.sleep(0.05)
    old.seek(end)
    late = Records(old.read(), store.root).events
    for event in late:
        store.journal.append_packed(pack(event))
    store.journal.close()
    return len(late)


def latest(events: Iterable[Event]) -> dict[tuple[str, str], Event]:
    """Each run once, as it was last seen to hold."""
    found: dict[tuple[str, str], Event] = {}
    for event in events:
        known = found.get((event.id, event.run))
        if known is None or known.seen < event.seen:
            found[event.id, event.run] = event
    return found
