"""The graph file made anew beside writers, none of whose records is lost.

It is replaced under its lock; who waits for that lock finds that the file was replaced and opens the new one
(`Journal`), and what was still added to the old one is carried over.
"""

from __future__ import annotations

import os
import time

from cachepy.errors import CachepyError
from cachepy.graph.graph import HEADER
from cachepy.maintain.inspect import PATIENCE, Records
from cachepy.store import journal, safe_pickle
from cachepy.store.codec import payload_of, run_in, times
from cachepy.store.locks import lock, unlock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from cachepy.store.codec import Row
    from cachepy.store.entries import Store

_TRIES = 5  # at a graph file that others replace meanwhile


def rewrite(store: Store, made: Callable[[Records, bytes], Sequence[Row] | None]) -> int:
    """Replace the graph file by what `made` gives for its records and bytes; how many events it has then.

    Nobody adds a record between reading the old file and putting the new one in its place. None leaves it as it is,
    and so does a file of another version of cachepy.
    """
    path = store.journal.path
    for _ in range(_TRIES):
        with open(path, "a+b") as file:
            lock(file.fileno(), PATIENCE)
            if not os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                continue
            file.seek(0)
            data = file.read()
            old = Records(data, store.root)
            if old.other is not None:
                store.say_other(old.other)
            new = made(old, data) if old.other is None else None
            if new is None:
                return len(old.rows)
            was_whole = store.extent.covers(len(data))
            _put(path, new, os.fstat(file.fileno()).st_mode)
            if was_whole:
                store.extent.begin(os.stat(path).st_size)
            unlock(file.fileno())
            return len(new) + _carry_over(store, file, len(data))
    raise CachepyError(f"cannot replace {path}: another process keeps replacing it; try again later")


def _put(path: str, rows: Sequence[Row], mode: int) -> None:
    journal.write_packed(path, map(payload_of, rows) if rows else [safe_pickle.dumps(HEADER)])
    try:
        os.chmod(path, mode & 0o7777)
    except OSError:  # that of the user who does it
        pass


def _carry_over(store: Store, old: Any, end: int) -> int:
    """What was added to the old file meanwhile, where there are no locks."""
    time.sleep(0.05)
    old.seek(end)
    late = Records(old.read(), store.root).rows
    for row in late:
        store.journal.append_packed(payload_of(row))
    store.journal.close()
    return len(late)


def latest(pairs: Iterable[tuple[str, Row]]) -> dict[tuple[str, str], Row]:
    """Of calls with rows, each run once, by call and run, as it was last seen to hold."""
    found: dict[tuple[str, str], Row] = {}
    for call, row in pairs:
        mark = call, run_in(row)
        known = found.get(mark)
        if known is None or times(known)[0] < times(row)[0]:
            found[mark] = row
    return found


def in_order(rows: dict[tuple[str, str], Row]) -> list[Row]:
    """The rows that `latest` gives, by when they were made."""
    return [rows[call, run] for _, call, run in sorted((times(row)[1], *mark) for mark, row in rows.items())]
