"""A stored value under one more trace, and without it again: what accepting an edit writes, and takes back.

Whoever calls this holds the claim of the call.
"""

from __future__ import annotations

import os
import time

from cachepy.errors import EntryError
from cachepy.store.codec import pack
from cachepy.store.fs import unlink
from cachepy.store.layout import OLD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from cachepy.core.model import Event
    from cachepy.store.entries import Store, Stored
    from cachepy.store.payload import Payload

_BOTH = 2  # runs that stay: what is accepted can be taken back, also where keep=1


def add_run(
    store: Store, event: Event, stored: Stored, index: int, source: str = "", how: bytes | None = None
) -> Event:
    """Store the value of one run with the event of another one, as the newest; EntryError or OSError if it cannot be.

    index: of the run whose value it is; source: the call that it is of, if not this one; how: this one was made.
    """
    payload, call = _value_at(store, source or event.id, stored, index)
    return store.put(event, payload, call if how is None else how, least=_BOTH)


def take_out(store: Store, stored: Stored, runs: Collection[str]) -> Event | None:
    """Store a call without some of its runs; the newest that stays, None if none does. Errors as of `add_run`."""
    call = stored.events[0].id
    kept = [i for i, event in enumerate(stored.events) if event.run not in runs]
    if not kept:
        store.forget(call)
        return None
    newest, *rest = kept
    event = stored.events[newest].replace(seen=time.time())  # later than what goes: in each graph its record wins
    payload, how = _value_at(store, call, stored, newest)
    path = store.path_of(call)
    store.put_rows(event, [(pack(stored.events[i]), stored.files[i]) for i in rest], payload, how, path)
    for name in {name for i, name in enumerate(stored.files) if i not in rest and name.endswith(OLD)}:
        unlink(os.path.join(os.path.dirname(path), name))
    store.remove_files(store.unneeded(stored.events, [stored.events[i] for i in kept]))
    return event


def _value_at(store: Store, call: str, stored: Stored, index: int) -> tuple[Payload, bytes]:
    """The value of a run as bytes that are checked in full, and how the call was made."""
    opened = store.open(call, stored, index)
    if opened.is_signed and store.trust.key is None:
        raise EntryError(f"{store.path_of(call)} is signed, and there is no key here: set CACHEPY_SIGNING_KEY")
    return opened.payload(), opened.call()
