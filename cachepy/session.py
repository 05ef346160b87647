"""A Session holds all state of one cache user: digests, stores, claims, the graph and the sink.

What a hit does not need is made, and imported, when it is asked for (see `lazy`).  There is one default; tests replace
it with `use_session`.
"""

from __future__ import annotations

import os
from _warnings import warn
from _weakref import ref

from cachepy import parts
from cachepy.code import CodeReader, Target
from cachepy.disk.places import code_name, root_of_run
from cachepy.disk.sizes import KEEP, size_of_environment
from cachepy.disk.trust import Trust
from cachepy.errors import (
    CacheReadWarning,
    EntryError,
    OpaqueGlobalWarning,
    OtherFormatError,
    SubinterpreterError,
    UntrustedEntryError,
    UsageError,
    user_level,
)
from cachepy.hooks import ProcessPools, chain, without
from cachepy.lazy import is_made, keep_forks_out, making, part
from cachepy.model import BELOW, CALL, FILE, NAME, PATTERN, ROOT, Dep
from cachepy.opened import Crowd
from cachepy.reach.edited import Edits, reads_in
from cachepy.reach.guard import Era
from cachepy.reach.pieces import names_of
from cachepy.refusal import ASKED, EVERY_THREAD
from cachepy.sink import GraphSink, QuietSink
from cachepy.store import Store
from cachepy.trace import Frame, working_dir
from cachepy.values.modules import Origins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import CodeType, TracebackType
    from typing import Any

    from cachepy.calls.slow import Slow
    from cachepy.code import Reach
    from cachepy.disk.claims import Claims
    from cachepy.disk.files import Files
    from cachepy.disk.mounts import Mounts
    from cachepy.graph import Graph
    from cachepy.hooks import Hooks, Plugin
    from cachepy.hot import Watch
    from cachepy.model import Event
    from cachepy.namer import Namer
    from cachepy.reach.pieces import Piece
    from cachepy.reach.source import Sources
    from cachepy.reach.written import Written
    from cachepy.recording.outbox import Outbox
    from cachepy.refusal import Note
    from cachepy.trace import Caller, Sink

_LIVE = 128  # functions of one name that are remembered
MOST_MADE = 256  # calls of one function, or files that one piece of code named, that are remembered for `unseen`
_CODES = 10_000  # pieces of code of which something is remembered
_LOOKED_AT = ("00", "40", "80", "c0")  # when one of 64 descriptions of code is kept, by its name, unneeded ones go
_EARLY = 256  # calls that are kept as they are; a graph takes less memory for each


class Session:
    """The state behind cached functions and the ``cache_tree_*`` functions.

    A program has one, and never has to think of it. Make one for a test, so that it sees no graph of another one.

    Parameters
    ----------
    sink : Sink, optional
        Takes each ended call. By default it goes into the graph in memory, and into ``graph.pkl`` on disk.
    import_code : bool, default True
        Whether verifying a call may import the modules of functions below it, as running it would.

    Examples
    --------
    >>> from cachepy import Session, cache_tree_nodes, use_session
    >>> with use_session(Session()):
    ...     cache_tree_nodes()
    {}
    """

    def __init__(self, sink: Sink | None = None, *, import_code: bool = True) -> None:
        self.origins = Origins()
        self.reader = CodeReader(self.origins, self._file_digest)
        self.digester = self.reader.digester
        self.trust = Trust.of_environment()
        self.most = size_of_environment()
        self.is_limited = self.most is not None  # whether some cache directory has a largest size
        self.inherited: set[str] = set()  # claims of the dead that were removed here
        self._signs = self.trust.key is not None
        self._memo_file: str | None = None
        self._graph: Graph | None = None
        self._early: dict[str, Event] = {}  # as long as nobody asked for the graph
        self._early_era = Era()
        self.is_asked = ASKED in os.environ
        self.refusing: dict[int, list[Note]] = {EVERY_THREAD: []} if self.is_asked else {}
        self.refused: dict[str, str] = {}  # modules whose import made a call that would have run
        self.sink: Sink = sink if sink is not None else QuietSink(self) if self.is_asked else GraphSink(self)
        self.import_code = import_code
        self.owners: dict[str, Frame] = {}
        self.waiting: dict[object, tuple[set[str], str]] = {}
        self.shared: dict[str, Frame] = {}
        self.hooks: Hooks = ProcessPools(self._drain)
        self._own_sink = self.sink
        self._stores: dict[str, Store] = {}
        self._functions: dict[str, list[Callable[[], Any]]] = {}
        self._warned: set[tuple[object, ...]] = set()
        self._code_kept: set[tuple[str, str]] = set()
        self._code_held: set[str] = set()
        self.edits = Edits()
        self.watches: dict[str, Watch] = {}
        self.made: dict[str, dict[tuple[str, str, str | None], str]] = {}  # function -> what its calls left to callers
        self.named: dict[CodeType, dict[tuple[str, str], str | None]] = {}  # code -> the files that it tracked
        self.overfull: set[str] = set()  # functions of which `made` has not all calls
        self.era = object()  # what was found out in an earlier era counts no more (see `hot`)

    def __repr__(self) -> str:
        roots = ", ".join(self._stores) or "none yet"
        calls = len(self._early) if self._graph is None else len(self._graph)
        return f"<Session: {calls:,} {'call' if calls == 1 else 'calls'} in memory; cache directories: {roots}>"

    # -- parts that are made when somebody asks for them

    @part
    def slow(self) -> Slow:
        """What a call that is no hit goes through."""
        from cachepy.calls.slow import Slow

        return Slow()

    @part
    def graph(self) -> Graph:
        """The graph, with what ended before; what another thread folds in meanwhile is not lost: see `fold`."""
        from cachepy.graph import Graph

        graph = Graph()
        for event in list(self._early.values()):
            graph.apply(event)
        self._graph = graph
        for event in list(self._early.values()):
            graph.apply(event)
        self._early = {}
        self._early_era.is_over = True
        return graph

    @part
    def files(self) -> Files:
        """Digests of files, remembered as far as the session's trust goes."""
        from cachepy.disk.files import Files
        from cachepy.disk.statmemo import ReadMemo, StatMemo

        files = Files(ReadMemo() if self.is_asked else StatMemo(), self.mounts)
        files.memo.trusts, files.memo.on_disk = self._trusts, not self._signs
        files.memo_file = self._memo_file
        return files

    @part
    def mounts(self) -> Mounts:
        """The kinds of the mounts that files lie on."""
        from cachepy.disk.mounts import Mounts

        return Mounts.of_environment()

    @part
    def claims(self) -> Claims:
        """Claims, with the modes that the session's trust asks for."""
        from cachepy.disk.claims import Claims, is_main_interpreter

        if not is_main_interpreter():
            raise SubinterpreterError
        opens_up = None if self.trust.umask is None else self.trust.open_up
        return Claims(opens_up, self.trust.make_folder, self.inherited, self.mounts.is_far)

    @part
    def outbox(self) -> Outbox:
        """The mailbox of work that is sent to other processes."""
        from cachepy.recording.outbox import Outbox

        return Outbox(self)

    @part
    def namer(self) -> Namer:
        """Digests in which code counts by its name."""
        from cachepy.namer import Namer

        return Namer(self.origins)

    @part
    def sources(self) -> Sources:
        """The source of code as it is now, for reasons that show what changed."""
        from cachepy.reach.source import Sources

        return Sources(self.reader.code_digest)

    @part
    def written(self) -> Written:
        """What is known of the source files of the code that runs here."""
        from cachepy.reach.written import Written

        return Written(self.origins, self.reader.digester, self._file_digest, self.edits)

    def _drain(self) -> None:
        if is_made(self, "outbox"):
            self.outbox.drain()

    # -- those who carry calls elsewhere

    def plug(self, hooks: Plugin) -> None:
        """Put hooks before those that are there."""
        with making:
            hooks.below = self.hooks
            self._use(hooks)

    def unplug(self, hooks: Plugin) -> None:
        """Put back the hooks that were there; what is not plugged in stays out."""
        with making:
            self._use(without(self.hooks, hooks))

    def _use(self, hooks: Hooks) -> None:
        self.hooks = hooks
        sink = next((each.sink for each in chain(hooks) if each.sink is not None), self._own_sink)
        if sink is not self.sink:
            self.sink, self.era = sink, object()

    # -- the graph

    def fold(self, event: Event) -> None:
        """Fold an ended call into the graph, which is not made before somebody asks for it: most programs never do."""
        if self._graph is None and len(self._early) < _EARLY and event.id not in self._early:
            self._early[event.id] = event
            if self._graph is None:
                return
        self.graph.apply(event)

    def knows(self, call: str) -> bool:
        """Whether the graph has a node of a call."""
        return call in (self._early if self._graph is None else self._graph)

    def run_of(self, call: str) -> str | None:
        """Which run the node of a call shows."""
        if self._graph is not None:
            return self._graph.run_of(call)
        early = self._early.get(call)
        return None if early is None else early.run

    def event_of(self, call: str) -> Event | None:
        """The run that the graph shows of a call."""
        return self._early.get(call) if self._graph is None else self._graph.event(call)

    @property
    def graph_era(self) -> Era:
        """In which no node goes from the graph, or shows another run."""
        return self._early_era if self._graph is None else self._graph.era

    def tell(self, caller: Caller, event: Event) -> None:
        """Tell the caller that it depends on a call, which has just ended or was a hit."""
        if type(caller) is not Crowd:
            self._tell(caller, event, CALL)
            return
        for frame in caller.frames:
            self._tell(frame, event, BELOW)

    def _tell(self, frame: Caller, event: Event, kind: str) -> None:
        if isinstance(frame, Frame) and frame.cwd != working_dir():
            self._add_files_of_elsewhere(frame, event.id)
        if root_of_run(frame.mailbox) != event.root:
            frame.add(Dep(ROOT, event.root, None))
        frame.add(Dep(kind, event.id, event.trace.effect))

    def note(self, called: str, deps: Iterable[tuple[str, str, str | None]], root: str = "") -> None:
        """Remember what a call of a function leaves to its caller: a memo may hand the result to another one."""
        row = self.made.get(called)
        if row is None:
            row = self.made[called] = {}
        for dep in deps:
            row[dep] = root
        while len(row) > MOST_MADE:
            self.overfull.add(called)
            row.pop(next(iter(row)), None)

    def note_file(self, code: CodeType, path: str, digest: str | None) -> None:
        """Remember a file that code named, likewise."""
        while code not in self.named and len(self.named) >= _CODES:
            self.named.pop(next(iter(self.named)), None)
        row = self.named.setdefault(code, {})
        if len(row) < MOST_MADE:
            row[path, working_dir()] = digest

    def _file_digest(self, path: str) -> str | None:
        """Of a file that code runs or loads; what makes it is only made when it is needed."""
        return self.files.digest(path)

    def _add_files_of_elsewhere(self, frame: Frame, call: str) -> None:
        """The caller changed the working directory before it called: below, relative names mean other files."""
        for event in self.events(call)[:1]:
            for each in self.subtree(event):
                for dep in each.trace.deps:
                    if dep.kind == PATTERN and dep.name[:1] not in ("~", os.sep):
                        path = os.path.abspath(dep.name)
                        frame.add(Dep(PATTERN, path, self.pattern(path)))
                    if dep.kind in (FILE, NAME) and not os.path.isabs(dep.name):
                        path = os.path.abspath(dep.name)
                        frame.add(Dep(FILE, path, self.files.digest(path)))

    # -- stores

    def use_memo(self, path: str) -> None:
        """Digests of files that are asked for now are looked up there."""
        self._memo_file = path
        if is_made(self, "files"):
            self.files.memo_file = path

    def pattern(self, text: str) -> str | None:
        """The digest of all files that a pattern or a home path means; None if it means none."""
        from cachepy.disk.patterns import digest_of  # most programs have none

        return digest_of(text, self.files)

    def flush_memo(self, path: str) -> None:
        """Keep what was learnt about files."""
        if is_made(self, "files"):
            self.files.memo.flush(path)

    def store(self, root: str) -> Store:
        """The cache directory at an absolute path."""
        found = self._stores.get(root)
        if found is not None:
            return found
        store = Store(root, self.trust)
        store.most = self.most
        store.is_far = self.mounts.is_far(root)
        return self._stores.setdefault(root, store)

    def trust_more(self, root: str, owners: tuple[Any, ...], key: bytes | None, umask: int | None) -> None:
        """Add what the decorator of a function says about its cache directory."""
        store = self.store(root)
        store.trust = store.trust.plus(owners, key, umask, root)
        store._parsed.clear()  # what was read without this key, or these owners, is read again
        self.era = object()
        self._signs = self._signs or key is not None
        if is_made(self, "files"):
            self.files.memo.on_disk = not self._signs

    def limit(self, root: str, fname: str, most: int | None, keep: int) -> None:
        """What a decorator says about how much is kept; of several sizes the smallest counts."""
        store = self.store(root)
        if most is not None:
            store.most = most if store.most is None else min(most, store.most)
            self.is_limited, self.era = True, object()
        if keep != KEEP or fname in store.keeps:
            store.keeps[fname] = min(keep, store.keeps.get(fname, keep))

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
        if not self.is_first(category, *(once or (message,))):
            return
        warn(message, category, stacklevel=user_level())

    def is_first(self, *mark: object) -> bool:
        """Whether this was not said before; from now on it was."""
        if mark in self._warned:
            return False
        self._warned.add(mark)
        return True

    def warn_unseen(self, identity: str, reach: Reach) -> None:
        """Warn of values of which a part has no digest, in each process that relies on such code."""
        for label, types in reach.opaque:
            self.warn(
                OpaqueGlobalWarning,
                f"{identity.rpartition('.')[2].rpartition(':')[2]} reads {label.rpartition(':')[2]}, in which what is "
                f"of type {types} has no digest: changes of it go unseen. Name it in ignore_globals=[...] if that is "
                f"right",
                identity,
                label,
            )

    def warn_unread(self, error: Exception, outcome: str, *once: object) -> None:
        """Warn that something stored was not used; of a stranger's entries once, whatever their number."""
        if isinstance(error, UntrustedEntryError):
            once = "trust", error.who
        elif isinstance(error, OtherFormatError):
            once, outcome = ("format", error.found), f"{outcome}; {error.way_out}"
        elif isinstance(error, OSError):  # of a directory that cannot be read, once for all its entries
            once = "os", error.errno
        self.warn(CacheReadWarning, f"{error}; {outcome}", *once)

    def keep_code(self, store: Store, digest: str, pieces: tuple[Piece, ...]) -> None:
        """Keep what a code digest is made of, so that a reason can name what changed."""
        name = code_name(digest, names_of(pieces))
        if (store.root, name) not in self._code_kept:
            if len(self._code_kept) >= _CODES:  # of functions that are defined anew again and again
                self._code_kept.clear()
            self._code_kept.add((store.root, name))
            if not self._keeps_code(store, name, self.edits.newest(pieces)):  # to read the source takes time
                self._put_code(store, name, pieces)

    def _keeps_code(self, store: Store, name: str, newest: int) -> bool:
        """Whether the pieces of a code digest are kept, their files and what these read at import as it is now."""
        if store.code_time(name) < max(newest, 1):
            return False
        data = store.get_code(name) or b""
        return self.edits.tell_of_now(reads_in(data), self.files.digest) and (
            not store.is_copy or self._is_of_here(store, data)
        )

    def _is_of_here(self, store: Store, data: bytes) -> bool:
        """Whether a record of a copied cache was made where it is now."""
        from cachepy.reach.source import loaded_files

        return loaded_files(data).get("root") == store.root

    def _put_code(self, store: Store, name: str, pieces: tuple[Piece, ...]) -> None:
        from cachepy.reach.source import code_record, is_of_other

        if is_of_other(store.get_code(name) or b""):
            return
        record = code_record(pieces, self.sources, self.written, store.root)
        store.put_code(name, record, anew=True, is_whole=self.edits.newest(pieces) > 0)
        if name[:2] in _LOOKED_AT:
            from cachepy.recording.compact import tidy_code

            tidy_code(store)

    def renew_code(self, reaches: Iterable[Reach]) -> None:
        """Code holds: what is kept of its source files tells so again.

        One of them was edited without effect, or the project was copied, or less was known when it was kept.
        """
        for reach in reaches:
            name = code_name(reach.digest, names_of(reach.pieces))
            if name in self._code_held or self.is_asked:
                continue
            if len(self._code_held) >= _CODES:
                self._code_held.clear()
            self._code_held.add(name)
            newest = self.edits.newest(reach.pieces)
            for store in self.stores() if newest else ():
                if not self._keeps_code(store, name, newest) and store.codes(reach.digest):
                    self._put_code(store, name, reach.pieces)

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
                self.fold(each)

    def refresh(self) -> None:
        """Bring the graph up to date with what ran in other processes, before somebody reads it."""
        self.hooks.refresh()

    def close(self) -> None:
        """Close what is open; the session may be used again."""
        if is_made(self, "outbox"):
            self.outbox.close()
        for store in self.stores():
            store.close()
            self.flush_memo(store.memo_file)


parts.watch()
keep_forks_out()
_default: Session | None = None


def current_session() -> Session:
    """The session that cached functions use now.

    Returns
    -------
    Session
        The one of `use_session`, else the one of the program, made at the first call.

    Examples
    --------
    >>> from cachepy import Session, current_session
    >>> isinstance(current_session(), Session)
    True
    """
    global _default
    if _default is None:
        with making:
            if _default is None:
                _default = Session()
    return _default


class use_session:  # noqa: N801 - reads as a verb: with use_session(s)
    """Make a session the default inside a ``with`` block, for all threads.

    Parameters
    ----------
    session : Session
        The one to use; ``as`` gives it. At the end of the block the one before is used again.

    Examples
    --------
    >>> from cachepy import Session, current_session, use_session
    >>> with use_session(Session()) as mine:
    ...     current_session() is mine
    True
    """

    def __init__(self, session: Session) -> None:
        if not isinstance(session, Session):
            raise UsageError(f"use_session takes a Session, not {session!r}; write use_session(Session())")
        self.session = session
        self._before: Session | None = None

    def __repr__(self) -> str:
        return f"use_session({self.session!r})"

    def __enter__(self) -> Session:
        global _default
        self._before, _default = _default, self.session
        return self.session

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        global _default
        _default = self._before
        self.session.close()
