"""The cache directories of one session: each by its root, and what all of them together have of a call."""

from __future__ import annotations

import os

from cachepy.errors import EntryError, UsageValueError
from cachepy.store.entries import Store
from cachepy.store.sizes import KEEP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from cachepy.core.model import Event
    from cachepy.errors import Warner
    from cachepy.store.remote import Remote
    from cachepy.store.trust import Trust


class Stores:
    """Makes each store once.

    trust: whose files are read, unless a decorator says more; most: how many bytes a directory may have; is_limited:
    whether some directory has a largest size; signs: whether some of them signs what it stores.
    """

    def __init__(self, trust: Trust, most: int | None, warner: Warner, is_far: Callable[[str], bool]) -> None:
        self.trust = trust
        self.most = most
        self.is_limited = most is not None
        self.signs = trust.key is not None
        self._warner = warner
        self._is_far = is_far
        self.kind = Store  # what is made
        self.remote = _remote_of_environment()
        self.waits = False  # until what was stored is sent, whatever a decorator says: others may ask for it at once
        self._remotes: dict[str, Remote] = {}  # by roots of which a decorator says more
        self.digest: Callable[[Any], str] | None = None  # of values
        self._known: dict[str, Store] = {}

    def at(self, root: str) -> Store:
        """The cache directory at an absolute path."""
        found = self._known.get(root)
        if found is not None:
            return found
        store = self.kind(root, self.trust)
        store.most = self.most
        store.is_far = self._is_far(root)
        if self.remote is not None:
            self.remote.attach(store, self._warner, waits=self.waits)
        store.digest = self.digest
        return self._known.setdefault(root, store)

    def __iter__(self) -> Iterator[Store]:
        """Those of this moment: other threads add some meanwhile."""
        return iter(list(self._known.values()))

    def __len__(self) -> int:
        return len(self._known)

    def trust_more(self, root: str, owners: tuple[Any, ...], key: bytes | None, umask: int | None) -> None:
        """Add what the decorator of a function says about its cache directory."""
        store = self.at(root)
        store.trust = store.trust.plus(owners, key, umask, root)
        store.forget_parsed()  # what was read without this key, or these owners, is read again
        self.signs = self.signs or key is not None

    def reach(self, root: str, remote: Remote) -> None:
        """What a decorator says about where a cache lies besides; UsageValueError if it contradicts another's."""
        known = self._remotes.setdefault(root, remote)
        if known != remote:
            raise UsageValueError(f"remote differs from that of another function with the cache {root}: one has one")
        store = self.at(root)
        if store.far is None or store.far.said != remote:
            remote.attach(store, self._warner, waits=self.waits)

    def elsewhere(self, call: str) -> Iterator[Event]:
        """The runs of a call that are stored far away and not here, newest first."""
        for store in self:
            if store.far is not None:
                yield from store.far.runs(call)

    def bring(self, events: Iterable[Event]) -> None:
        """Keep runs that are stored elsewhere here."""
        by_root: dict[str, list[Event]] = {}
        for event in events:
            by_root.setdefault(event.root, []).append(event)
        for root, some in by_root.items():
            far = self.at(root).far
            if far is not None:
                far.bring(some)

    def flush(self) -> None:
        """Wait until all that was stored is also where it is sent."""
        for store in self:
            if store.far is not None:
                store.far.flush()

    def limit(self, root: str, fname: str, most: int | None, keep: int) -> None:
        """What a decorator says about how much is kept; of several sizes the smallest counts."""
        store = self.at(root)
        if most is not None:
            store.most = most if store.most is None else min(most, store.most)
            self.is_limited = True
        if keep != KEEP or fname in store.keeps:
            store.keeps[fname] = min(keep, store.keeps.get(fname, keep))

    def trusts(self, uid: int) -> bool:
        """Whether the files of a user are read by any store."""
        return self.trust.trusts(uid) or any(store.trust.trusts(uid) for store in self)

    def events(self, call: str) -> list[Event]:
        """The stored runs of a call, from whichever cache directory has it, newest first."""
        for store in self:
            try:
                stored = store.look(call)
            except (EntryError, OSError) as error:
                self._warner.warn_unread(error, "the call will run again", "entry", call)
                continue
            if stored is not None:
                return stored.events
        return []

    def subtree(self, event: Event, chosen: dict[str, Event] | None = None) -> Iterator[Event]:
        """The event and those of all calls below it: the chosen ones, else those that gave the results it used."""
        chosen = chosen or {}
        todo, seen = [event], {event.id}
        while todo:
            current = todo.pop()
            yield current
            for call in current.trace.calls:
                if call.name not in seen:
                    seen.add(call.name)
                    if call.name in chosen:
                        todo.append(chosen[call.name])
                        continue
                    todo += [e for e in self.events(call.name) if e.trace.effect == call.digest][:1]

    def close(self) -> None:
        """Close what is open; all may be used again."""
        for store in self:
            store.close()
            if store.far is not None:
                store.far.flush()


def _remote_of_environment() -> Remote | None:
    if not os.environ.get("CACHEPY_REMOTE"):
        return None
    from cachepy.store.remote import Remote  # most programs have none

    return Remote.of_environment()
