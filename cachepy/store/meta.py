"""The meta of an entry: its event, and the packed older ones with the names of their files.

What is read is checked before it is used: an entry may come from anybody.
"""

from __future__ import annotations

import os

from cachepy.core.model import Event
from cachepy.errors import EntryError
from cachepy.store import safe_pickle
from cachepy.store.bulk_decode import payload_event
from cachepy.store.codec import PACKED, pack
from cachepy.store.layout import OLD
from cachepy.store.schema import is_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.store.entryfile import EntryFile


def meta_of(event: Event, older: list[tuple[bytes, str]]) -> bytes:
    """The meta of an entry: its event, and the packed older ones with the names of their files."""
    if not older:
        return pack(event)
    return safe_pickle.dumps([(pack(event), None), *older])


def rows_of(path: str, file: EntryFile) -> list[tuple[Event, str]]:
    """The checked meta of an entry: each event with the name of the file of its value."""
    rows = _rows_in(path, file.meta)
    if type(rows) is not list or not rows or not all(_is_row(row) for row in rows):
        raise EntryError(f"{path} is damaged: its meta is not that of a call")
    try:
        events = [_event_in(payload) for payload, _ in rows]
    except ValueError as error:
        raise EntryError(f"{path} is damaged: its meta is not that of a call ({error})") from error
    names = [os.path.basename(name or "") for _, name in rows]
    if any(not name.endswith(OLD) for name in names[1:]):
        raise EntryError(f"{path} is damaged: it names older values that cannot be its own")
    names[0] = os.path.basename(path)
    return list(zip(events, names, strict=True))


def _rows_in(path: str, meta: bytes) -> Any:
    """The rows of a meta; a single one stands there as it is."""
    if meta[:1] == PACKED:
        return [(meta, None)]
    try:
        found = safe_pickle.loads(meta)
    except ValueError as error:
        raise EntryError(f"{path} is damaged: {error}") from error
    return [(meta, None)] if type(found) is tuple else found


def _event_in(payload: bytes) -> Event:
    """The event that `pack` wrote; ValueError if it is none."""
    if payload[:1] == PACKED:
        return payload_event(payload)
    record = safe_pickle.loads(payload)
    if not is_event(record):
        raise ValueError("not an event")
    return Event.unwire(record)


def _is_row(row: Any) -> bool:
    return type(row) is tuple and len(row) == 2 and type(row[0]) is bytes and type(row[1]) in (str, type(None))
