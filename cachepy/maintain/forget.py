"""Drops from the graph of a cache directory the calls that have no value there any more."""

from __future__ import annotations

import os

from cachepy.calls.state import current_session
from cachepy.errors import CacheReadWarning
from cachepy.maintain.inspect import read_graph, stamp_of
from cachepy.maintain.rewrite import in_order, latest, rewrite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from cachepy.maintain.inspect import Records
    from cachepy.store.codec import Row
    from cachepy.store.entries import Store


def to_forget(store: Store, going: Container[str] = ()) -> set[str]:
    """The calls whose values are gone, or going."""
    old = read_graph(store)
    return set() if old is None or not _may(store, old) else _gone(store, old.ids, going)


def forget(store: Store) -> set[str]:
    """Drop these calls, and all but the newest record of each other run; OSError if the file cannot be replaced.

    A value is stored before its record is written, so under the lock of the graph a record without a value is old.
    """
    gone = set[str]()

    def made(old: Records, _data: bytes) -> Sequence[Row] | None:
        if not _may(store, old):
            return None
        gone.update(_gone(store, old.ids))
        kept = {mark: row for mark, row in latest(old.pairs()).items() if mark[0] not in gone}
        return in_order(kept) if len(kept) < len(old.rows) else None

    if os.path.exists(store.journal.path):
        rewrite(store, made)
    return gone


def _may(store: Store, old: Records) -> bool:
    """Nothing is dropped from a file that is not ours, or of which not all can be read."""
    if old.other is not None:
        store.say_other(old.other, "nothing was forgotten")
        return False
    if old.is_ours and not old.damaged:
        return True
    text = f"{store.journal.path} is damaged, so nothing was forgotten; cache_repair() rebuilds it"
    current_session().warn(CacheReadWarning, text, "forget", store.root)
    return False


def _gone(store: Store, calls: Iterable[str], going: Container[str] = ()) -> set[str]:
    """OSError for a folder that cannot be looked into: what is in there is not gone."""
    return {i for i in set(calls) if i in going or stamp_of(store.path_of(i)) is None}
