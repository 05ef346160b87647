"""A Session puts the parts together that hold the state of one cache user.

What a hit does not need is made, and imported, when it is asked for (see `lazyparts`).  There is one default; tests
replace it with `use_session`.
"""

from __future__ import annotations

import os

from cachepy import parts
from cachepy.code import CodeReader
from cachepy.core.kinds import KINDS
from cachepy.disk.places import root_of_run
from cachepy.disk.sizes import KEEP, size_of_environment
from cachepy.disk.trust import Trust
from cachepy.errors import EntryError, SubinterpreterError, UsageError, Warner
from cachepy.functions import Functions, Remembered
from cachepy.lazyparts import is_made, keep_forks_out, making, part
from cachepy.model import BELOW, CALL, ROOT, Dep
from cachepy.opened import Crowd
from cachepy.reach.edited import Edits
from cachepy.recording.stored_code import StoredCode
from cachepy.refusal import ASKED, EVERY_THREAD
from cachepy.sink import GraphSink, QuietSink, Recorder
from cachepy.store import Store
from cachepy.trace import Frame, working_dir
from cachepy.values.modules import Origins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any

    from cachepy.calls.slow import Slow
    from cachepy.disk.claims import Claims
    from cachepy.disk.files import Files
    from cachepy.disk.mounts import Mounts
    from cachepy.graph import Graph
    from cachepy.hooks import Hooks, Plugin
    from cachepy.hot import Watch
    from cachepy.model import Event
    from cachepy.namer import Namer
    from cachepy.reach.source import Sources
    from cachepy.reach.written import Written
    from cachepy.recording.outbox import Outbox
    from cachepy.refusal import Note
    from cachepy.trace import Caller, Sink


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

    _warner = Warner

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
        self.recorder = Recorder()
        self.is_asked = ASKED in os.environ
        self.refusing: dict[int, list[Note]] = {EVERY_THREAD: []} if self.is_asked else {}
        self.refused: dict[str, str] = {}  # modules whose import made a call that would have run
        self.sink: Sink = sink if sink is not None else QuietSink(self) if self.is_asked else GraphSink(self)
        self.import_code = import_code
        self.owners: dict[str, Frame] = {}
        self.waiting: dict[object, tuple[set[str], str]] = {}
        self.shared: dict[str, Frame] = {}
        self._own_sink = self.sink
        self._stores: dict[str, Store] = {}
        self.functions = Functions()
        self.remembered = Remembered()
        self.warner = warner = self._warner()
        self.warn, self.is_first = warner.warn, warner.is_first
        self.edits = Edits()
        self.stored_code = StoredCode(self, self.edits)
        self.watches: dict[str, Watch] = {}
        self.era = object()  # what was found out in an earlier era counts no more (see `hot`)

    def __repr__(self) -> str:
        roots = ", ".join(self._stores) or "none yet"
        calls = len(self.recorder)
        return f"<Session: {calls:,} {'call' if calls == 1 else 'calls'} in memory; cache directories: {roots}>"

    # -- parts that are made when somebody asks for them

    @part
    def slow(self) -> Slow:
        """What a call that is no hit goes through."""
        from cachepy.calls.slow import Slow

        return Slow()

    @part
    def hooks(self) -> Hooks:
        """Those who carry calls elsewhere: pools of processes, and who is plugged in."""
        from cachepy.hooks import ProcessPools

        return ProcessPools(self._drain)

    @property
    def graph(self) -> Graph:
        """The graph of ended calls."""
        return self.recorder.graph

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
        from cachepy.hooks import without

        with making:
            self._use(without(self.hooks, hooks))

    def _use(self, hooks: Hooks) -> None:
        from cachepy.hooks import chain

        self.hooks = hooks
        sink = next((each.sink for each in chain(hooks) if each.sink is not None), self._own_sink)
        if sink is not self.sink:
            self.sink, self.era = sink, object()

    # -- callers

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

    def _file_digest(self, path: str) -> str | None:
        """Of a file that code runs or loads; what makes it is only made when it is needed."""
        return self.files.digest(path)

    def _add_files_of_elsewhere(self, frame: Frame, call: str) -> None:
        """The caller changed the working directory before it called: below, relative names mean other files."""
        from cachepy.probe import LiveProbe

        world = LiveProbe(self)
        for event in self.events(call)[:1]:
            for each in self.subtree(event):
                for dep in each.trace.deps:
                    kind, path = KINDS[dep.kind].elsewhere(dep.name) or ("", "")
                    if kind:
                        frame.add(Dep(kind, path, KINDS[kind].now(path, world)))

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

    def events(self, call: str) -> list[Event]:
        """The stored events of a call, from whichever cache directory has it, newest first."""
        for store in self.stores():
            try:
                stored = store.look(call)
            except (EntryError, OSError) as error:
                self.warner.warn_unread(error, "the call will run again", "entry", call)
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
                self.recorder.fold(each)

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
