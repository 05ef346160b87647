"""A Session holds all state of one cache user: digests, stores, claims, the graph and the sink.

There is one default; tests replace it with `use_session`.  Imports everything below the engine.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import allocate_lock
from _weakref import ref

from cachepy import journal
from cachepy.claims import Claims
from cachepy.code import CodeReader, Target
from cachepy.errors import CacheReadWarning, CacheWriteWarning, EntryError, UntrustedEntryError
from cachepy.files import Files, StatMemo
from cachepy.graph import Graph
from cachepy.model import BELOW, CALL, ROOT, Dep, Event
from cachepy.modules import Origins
from cachepy.pieces import Piece
from cachepy.source import code_record
from cachepy.store import Store
from cachepy.trace import RemoteFrame, read_mailbox
from cachepy.trust import Trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Any

    from cachepy.trace import Caller, Frame, Sink


_LIVE = 128  # functions of one name that are remembered


class Session:
    """The state behind cached functions and the ``cache_tree_*`` functions.

    Parameters
    ----------
    sink : Sink, optional
        Takes each ended call; by default it goes into `graph` and into the journal on disk.
    import_modules : bool
        Whether verifying a call may import the module of a function below it, as running would.

    Examples
    --------
    >>> with use_session(Session()) as session:
    ...     len(session.graph)
    0
    """

    def __init__(self, sink: Sink | None = None, *, import_modules: bool = True) -> None:
        self.origins = Origins()
        self.reader = CodeReader(self.origins)
        self.digester = self.reader.digester
        self.files = Files(StatMemo())
        self.trust = Trust.of_environment()
        self.files.memo.trusts, self.files.memo.on_disk = self._trusts, self.trust.key is None
        self.claims = Claims(self.trust.open_up, self.trust.make_folder)
        self.graph = Graph()
        self.sink: Sink = sink if sink is not None else GraphSink(self)
        self.import_modules = import_modules
        self.owners: dict[str, Frame] = {}
        self.waiting: dict[object, tuple[set[str], str]] = {}
        self.shared: dict[str, Frame] = {}
        self.couriers: list[Callable[[Frame], Iterable[Dep]]] = [read_mailbox]
        self.remote_frame: Callable[[str, str], Caller | None] = RemoteFrame
        self.on_wait: Callable[[], None] = lambda: None
        self.runners: list[Callable[[Any], Any]] = []  # client -> what makes jobs there (see `jobs`), or None
        self.outbox = Outbox(self)
        self.refreshers: list[Callable[[], None]] = [self.outbox.drain]
        self._stores: dict[str, Store] = {}
        self._functions: dict[str, list[Callable[[], Any]]] = {}
        self._warned: set[tuple[object, ...]] = set()
        self._code_kept: set[tuple[str, str]] = set()

    def store(self, root: str) -> Store:
        """The cache directory at an absolute path."""
        found = self._stores.get(root)
        return found if found is not None else self._stores.setdefault(root, Store(root, self.trust))

    def trust_more(self, root: str, owners: tuple[Any, ...], key: bytes | None, umask: int | None) -> None:
        """Add what the decorator of a function says about its cache directory."""
        store = self.store(root)
        store.trust = store.trust.plus(owners, key, umask, root)
        store._parsed.clear()  # what was read without this key, or these owners, is read again
        self.files.memo.on_disk = self.files.memo.on_disk and key is None

    def _trusts(self, uid: int) -> bool:
        """Whether the files of a user are read by any store."""
        return self.trust.trusts(uid) or any(store.trust.trusts(uid) for store in self.stores())

    def stores(self) -> list[Store]:
        return list(self._stores.values())

    def register(self, call: Any) -> None:
        """Remember a cached function, weakly: local ones cannot be found by their names."""
        known = self._functions.setdefault(call.target.identity, [])
        if len(known) >= _LIVE:  # copies that arrived by value again and again
            known[:] = [r for r in known if r() is not None][-_LIVE // 2 :]
        known.append(ref(call))

    def live_calls(self, identity: str) -> list[Any]:
        """The cached functions of this identity that exist now, newest first."""
        calls = [r() for r in reversed(self._functions.get(identity, []))]
        return [call for call in calls if call is not None]

    def live(self, identity: str) -> list[Target]:
        """Their targets."""
        return [call.target for call in self.live_calls(identity)]

    def warn(self, category: type[Warning], message: str, *once: object) -> None:
        """Warn at the user's line; once for each cause."""
        mark = (category, *(once or (message,)))
        if mark in self._warned:
            return
        self._warned.add(mark)
        import warnings

        warnings.warn(message, category, stacklevel=_user_level())

    def warn_unread(self, error: Exception, outcome: str, *once: object) -> None:
        """Warn that something stored was not used; of a stranger's entries once, whatever their number."""
        if isinstance(error, UntrustedEntryError):
            once = "trust", error.who
        elif isinstance(error, OSError):  # of a directory that cannot be read, once for all its entries
            once = "os", error.errno
        self.warn(CacheReadWarning, f"{error}; {outcome}", *once)

    def keep_code(self, store: Store, digest: str, pieces: tuple[Piece, ...]) -> None:
        """Keep what a code digest is made of, so that a reason can name what changed."""
        if (store.root, digest) not in self._code_kept:
            self._code_kept.add((store.root, digest))
            if not os.path.exists(os.path.join(store.root, "code", digest)):  # to read the source takes time
                store.put_code(digest, code_record(pieces, self.reader.code_digest))

    def events(self, call: str) -> list[Event]:
        """The stored events of a call, from whichever cache directory has it, newest first."""
        for store in self.stores():
            try:
                stored = store.look(call)
            except (EntryError, OSError) as error:
                self.warn_unread(error, "the call will run again", "entry", call)
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

    def show(self, call: str) -> None:
        """Fold what is stored of a call, and of all below it, into the graph."""
        for event in self.events(call)[:1]:
            for each in self.subtree(event):
                self.graph.apply(each)

    def refresh(self) -> None:
        """Bring the graph up to date with what ran in other processes, before somebody reads it."""
        for refresh in self.refreshers:
            refresh()

    def close(self) -> None:
        """Close what is open; the session may be used again."""
        self.outbox.close()
        for store in self.stores():
            store.journal.close()
            self.files.memo.flush(store.memo_file)


class Outbox:
    """Work that was sent to other processes from top level, where no call waits for it.

    What ran there is told through mailboxes; `drain` brings it into the graph when somebody looks.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._id = os.urandom(8).hex()
        self._read: dict[str, int] = {}

    @property
    def run(self) -> str:
        """What stands for the caller; another one in a forked child."""
        return f"outbox-{os.getpid()}-{self._id}"

    def mailbox(self, root: str) -> str:
        path = os.path.join(root, "runs", self.run)
        self.session.store(root)  # what ran there is looked for here
        self._read.setdefault(path, 0)
        return path

    def drain(self) -> None:
        """Fold in the calls that were made elsewhere since the last time."""
        for path, seen in list(self._read.items()):
            try:
                records, _ = journal.read(path)
            except OSError:
                continue
            self._read[path] = len(records)
            for record in filter(journal.is_dep, records[seen:]):
                self._fold(Dep(*record))

    def _fold(self, dep: Dep) -> None:
        if dep.kind == ROOT:
            self.session.store(dep.name)
        elif dep.kind in (CALL, BELOW) and self.session.graph.run_of(dep.name) is None:
            self.session.show(dep.name)

    def close(self) -> None:
        self.drain()
        for path in [p for p in self._read if p.endswith(self.run)]:
            try:
                os.unlink(path)
            except OSError:
                continue
        self._read.clear()


class GraphSink:
    """Folds ended calls into the session's graph and appends them to the journal of their cache."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._settled: dict[str, str] = {}  # the run that this process last saw hold, of calls with several

    def record(self, event: Event) -> None:
        """A call has run and is stored."""
        self.apply(event)
        self._append(event)
        self.fold_below(event, anew=False)

    def fold_below(self, event: Event, *, anew: bool) -> None:
        """Bring in calls below that ran in other processes; `anew`: also those that the graph knows already."""
        for call in event.trace.calls:
            if anew or self.session.graph.run_of(call.name) is None:
                found = [e for e in self.session.events(call.name) if e.trace.effect == call.digest]
                for each in found[:1]:
                    if self.session.graph.run_of(each.id) != each.run:
                        self.hit(each, {}, set())

    def hit(self, event: Event, chosen: dict[str, Event], several: set[str]) -> None:
        """A call was a hit: its subtree belongs to the graph; the journal has it already.

        Only a hit of an older run (a file was changed back) adds a record, which says that this run
        is the valid one again.

        chosen: the runs of the calls below that hold; several: the calls that have more than one run.
        """
        unsettled = [c for c in several if self._settled.get(c) != chosen.get(c, event).run]
        run_of = self.session.graph.run_of
        if not unsettled and run_of(event.id) == event.run and all(run_of(c.name) for c in event.trace.calls):
            return
        self._make_up_for(event)
        for each in self.session.subtree(event, chosen):
            self.apply(self._settle(each) if each.id in unsettled else each)

    def _make_up_for(self, event: Event) -> None:
        """Write the record of a run whose process died before it did: then its claim is there, or we removed it."""
        path, claims = self.session.store(event.root).claim_path(event.id), self.session.claims
        if path in claims.inherited or (os.path.exists(path) and not claims.is_held(path)):
            claims.inherited.discard(path)
            self._append(event)

    def _settle(self, event: Event) -> Event:
        """The event as seen last; says in the journal that it holds again if another run did since."""
        store = self.session.store(event.root)
        self._settled[event.id] = event.run
        newest = next(iter(self.session.events(event.id)), event)
        run, seen = max((newest.seen, newest.run), store.valid(event.id) or (0.0, ""))[::-1]
        if run == event.run:
            return event.replace(seen=seen)
        event = event.replace(seen=time.time())
        store.set_valid(event.id, event.seen, event.run)
        self._append(event)
        return event

    def apply(self, event: Event) -> None:
        """Every event that is new to this process comes through here."""
        self.session.graph.apply(event)

    def _append(self, event: Event) -> None:
        store = self.session.store(event.root)
        try:
            store.journal.append(event.wire())
        except OSError as error:
            self.session.warn(
                CacheWriteWarning,
                f"cannot write {store.journal.path}: {error.strerror or error}; the graph of this run "
                f"is in memory only",
                "journal",
                store.root,
            )


def _user_level() -> int:
    """How many frames up the user's code is."""
    frame: Any = sys._getframe(1)
    level = 1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("cachepy", "dask_plugin"):
        frame = frame.f_back
        level += 1
    return level


_default: Session | None = None
_making = allocate_lock()


def current_session() -> Session:
    """The session that cached functions use now."""
    global _default
    if _default is None:
        with _making:
            if _default is None:
                _default = Session()
    return _default


class use_session:  # noqa: N801 - reads as a verb: with use_session(s)
    """Make a session the default inside a ``with`` block, for all threads.

    Examples
    --------
    >>> with use_session(Session()) as mine:
    ...     current_session() is mine
    True
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._before: Session | None = None

    def __enter__(self) -> Session:
        global _default
        self._before, _default = _default, self.session
        return self.session

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        global _default
        _default = self._before
        self.session.close()


