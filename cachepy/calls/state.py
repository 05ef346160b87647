"""The state of one cache user, as the steps of a call see it: a bag of parts, which `session` makes.

There is one default, made at the first call; tests replace it with `use_session`.
"""

from __future__ import annotations

import os
from _contextvars import ContextVar

from cachepy.calls import late_imports
from cachepy.core import lazyparts
from cachepy.core.lazyparts import is_made, keep_forks_out, making
from cachepy.errors import UsageError, UsageValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Generic, TypeVar

    from cachepy.calls.functions import Functions, Remembered
    from cachepy.calls.import_refusal import Note
    from cachepy.calls.stored_code import StoredCode
    from cachepy.code.edit_times import Edits
    from cachepy.code.fingerprint import CodeReader
    from cachepy.code.namer import Namer
    from cachepy.code.recorded_sources import Written
    from cachepy.code.source import Sources
    from cachepy.code.source_texts import SourceTexts
    from cachepy.core.frame import Frame
    from cachepy.core.hooks import Hooks, Plugin
    from cachepy.core.ports import Recorder, Watched
    from cachepy.errors import Warner
    from cachepy.graph.graph import Graph
    from cachepy.graph.recorder import LazyGraph
    from cachepy.graph.remote_deps import Outbox
    from cachepy.store.claims import Claims
    from cachepy.store.entries import Store
    from cachepy.store.files import Files
    from cachepy.store.mounts import Mounts
    from cachepy.store.stores import Stores
    from cachepy.store.trust import Trust
    from cachepy.values.digest import Digester
    from cachepy.values.modules import Origins


    S = TypeVar("S", bound="State")
else:
    from cachepy.core.lazyparts import Generic

    S = None


MODE = "CACHEPY"  # the variable of the environment
OFF, READONLY, REQUIRED, REFRESH = "off", "readonly", "required", "refresh"
QUIET = frozenset({OFF, READONLY, REQUIRED})  # nothing is written
_MODES = "", OFF, READONLY, REQUIRED, REFRESH


def mode_of(given: str | None) -> str:
    """What a program does with its caches (see `switch`), by default as the environment says."""
    name, mode = (MODE, os.environ.get(MODE, "")) if given is None else ("mode", given)
    if mode not in _MODES:
        raise UsageValueError(f"{name}={mode!r} is none of {', '.join(_MODES[1:])}; leave it out for a cache as ever")
    return mode


came_along: ContextVar[str] = ContextVar("cachepy_mode", default="")
"""The mode of the program that sent a task here, while the task runs."""


class State:
    """What hangs together for one user of caches; made by `Session`."""

    if TYPE_CHECKING:
        origins: Origins
        reader: CodeReader
        digester: Digester
        stores: Stores
        nodes: LazyGraph
        recorder: Recorder
        functions: Functions
        remembered: Remembered
        warner: Warner
        warn: Callable[..., None]
        is_first: Callable[..., bool]
        edits: Edits
        stored_code: StoredCode
        inherited: set[str]  # claims of the dead that were removed here
        is_asked: bool  # whether the process was started for a question
        mode: str  # what the program does with its caches (see `switch`); empty: as ever
        _is_quiet: bool  # whether nothing is written by the whole session
        listeners: tuple[Callable[..., object], ...]  # who is told of each call
        is_special: bool  # whether a call is more than looked up: there is a mode, or somebody listens or meters
        meter: Callable[[str, dict[str, float]], None] | None  # whom calls tell where their time went
        refusing: dict[int, list[Note]]
        refused: dict[str, str]  # modules whose import made a call that would have run
        import_code: bool
        owners: dict[str, Frame]
        waiting: dict[object, tuple[set[str], str]]
        shared: dict[str, Frame]
        watches: dict[str, Watched]
        revision: object  # what was found out in an earlier era counts no more (see `fast`)
        clock: Callable[[], float]  # the time now, in seconds since the epoch: of runs, and of how old they are
        _heeds_modes: bool
        _memo_file: str | None
        _own_recorder: Recorder

        @property
        def slow(self) -> Any: ...  # `Slow`, which stands above

        @property
        def hooks(self) -> Hooks: ...

        @property
        def files(self) -> Files: ...

        @property
        def mounts(self) -> Mounts: ...

        @property
        def claims(self) -> Claims: ...

        @property
        def outbox(self) -> Outbox: ...

        @property
        def namer(self) -> Namer: ...

        @property
        def sources(self) -> Sources: ...

        @property
        def texts(self) -> SourceTexts: ...

        @property
        def written(self) -> Written: ...

    @property
    def graph(self) -> Graph:
        """The graph of ended calls."""
        return self.nodes.graph

    @property
    def trust(self) -> Trust:
        """Whose files are read."""
        return self.stores.trust

    def store(self, root: str) -> Store:
        """The cache directory at an absolute path."""
        return self.stores.at(root)

    # -- those who carry calls elsewhere

    def plug(self, hooks: Plugin) -> None:
        """Put hooks before those that are there."""
        with making:
            hooks.below = self.hooks
            self._use(hooks)

    def unplug(self, hooks: Plugin) -> None:
        """Put back the hooks that were there; what is not plugged in stays out."""
        from cachepy.core.hooks import without

        with making:
            self._use(without(self.hooks, hooks))

    def _use(self, hooks: Hooks) -> None:
        from cachepy.core.hooks import chain

        vars(self)["hooks"] = hooks  # in the place of those that were made
        recorder = next((each.recorder for each in chain(hooks) if each.recorder is not None), self._own_recorder)
        if recorder is not self.recorder:
            self.recorder, self.revision = recorder, object()
        self.meter = next((each.meter for each in chain(hooks) if each.meter is not None), None)
        self._set_special()

    def _set_special(self) -> None:
        self.is_special = bool(self.mode or self.listeners or self._heeds_modes or self.meter)

    # -- the mode of who sent work here

    @property
    def tells(self) -> bool:
        """Whether a hit is more than a value: somebody listens, or tasks bring modes along."""
        return self._heeds_modes or bool(self.listeners)

    def mode_here(self) -> str:
        """What calls do here: the mode that came along with a task goes before that of this process."""
        return (self.is_special and came_along.get()) or self.mode

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is written here."""
        return self._is_quiet or (self.is_special and came_along.get() in QUIET)

    def heed_modes(self) -> None:
        """From now on tasks bring modes along; the shortest way of hits, which knows of none, ends."""
        if not self._heeds_modes:
            with making:
                self._heeds_modes = True
                self._set_special()
                self.revision = object()

    # -- those who are told of each call

    def listen(self, listener: Callable[..., object], *, stop: bool = False) -> None:
        """Tell somebody of each call from now on, or no more; on the shortest way of hits nobody is told."""
        with making:
            others = [each for each in self.listeners if each is not listener]
            self.listeners = tuple(others if stop else [*others, listener])
            self._set_special()
            self.revision = object()

    # -- what a decorator says of a cache directory

    def trust_more(self, root: str, owners: tuple[Any, ...], key: bytes | None, umask: int | None) -> None:
        """Add whom it trusts."""
        self.stores.trust_more(root, owners, key, umask)
        self.revision = object()
        if is_made(self, "files"):
            self.files.memo.on_disk = not self.stores.signs

    def limit(self, root: str, fname: str, most: int | None, keep: int) -> None:
        """How much is kept."""
        self.stores.limit(root, fname, most, keep)
        if most is not None:
            self.revision = object()

    def reach(self, root: str, urls: tuple[str, ...], *, trusts: bool, upload: str) -> None:
        """Where it lies besides."""
        from cachepy.store.remote import Remote, trusts_of_environment  # few directories lie elsewhere

        self.stores.reach(root, Remote(urls, trusts or trusts_of_environment(), upload))
        self.revision = object()

    # -- digests of files

    def use_memo(self, path: str) -> None:
        """Digests of files that are asked for now are looked up there."""
        self._memo_file = path
        if is_made(self, "files"):
            self.files.memo_file = path

    def flush_memo(self, path: str) -> None:
        """Keep what was learnt about files."""
        if self.mode_here() in QUIET:
            return
        if is_made(self, "files"):
            self.files.memo.flush(path)

    # -- the graph

    def refresh(self) -> None:
        """Bring the graph up to date with what ran in other processes, before somebody reads it."""
        self.hooks.refresh()

    def close(self) -> None:
        """Close what is open; the session may be used again."""
        if is_made(self, "outbox"):
            self.outbox.close()
        self.stores.close()
        for store in self.stores:
            self.flush_memo(store.memo_file)


late_imports.watch()
keep_forks_out()
_default: State | None = None


def current_session() -> State:
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
                _default = lazyparts.get("session")
    return _default


def refuse_if_quiet(what: str) -> None:
    """Complain where something is about to change a cache and the program says that nothing is to be written."""
    mode = current_session().mode_here()
    if mode in QUIET:
        way = f"{MODE}={mode} lets nothing be written; run it without"
        raise UsageValueError(f"{what} would change the cache, and {way}")


class use_session(Generic[S]):  # noqa: N801 - reads as a verb: with use_session(s)
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

    def __init__(self, session: S) -> None:
        if not isinstance(session, State):
            raise UsageError(f"use_session takes a Session, not {session!r}; write use_session(Session())")
        self.session = session
        self._before: State | None = None

    def __repr__(self) -> str:
        return f"use_session({self.session!r})"

    def __enter__(self) -> S:
        global _default
        self._before, _default = _default, self.session
        return self.session

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        global _default
        _default = self._before
        self.session.close()
