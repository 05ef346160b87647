"""`with_caller`: carries the running call where Python does not, into thread and process pools."""

from __future__ import annotations

import os
import sys
from _collections_abc import Callable
from functools import partial

from cachepy.calls.child_processes import find_parent
from cachepy.calls.import_refusal import refuse
from cachepy.calls.options import cache_default_dir
from cachepy.calls.state import current_session
from cachepy.code.fingerprint import cached_call
from cachepy.core.bodies import Crowd
from cachepy.core.current import caller, enter, here, leave
from cachepy.core.frame import Frame, leave_in_doubt
from cachepy.core.lazyparts import is_made
from cachepy.errors import CacheWriteWarning, FolderGoneError, UsageError
from cachepy.store.layout import root_of_run, unwritable
from cachepy.store.posting import RemoteFrame, as_os_error, post

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Generic, ParamSpec, TypeVar

    from cachepy.calls.ran_code import RemoteCode
    from cachepy.calls.state import State
    from cachepy.core.frame import Caller

    P = ParamSpec("P")
    R = TypeVar("R")
else:
    from cachepy.core.lazyparts import Generic

    P = R = None


class with_caller(Generic[P, R]):  # noqa: N801 - used as a function: pool.submit(with_caller(f), x)
    """A callable that runs `fn` as called by the cached call in which this was made.

    So what it calls becomes part of that call's trace, and an edge of the graph. Python itself carries the caller
    into asyncio tasks and ``asyncio.to_thread``; for thread and process pools wrap the function. For tasks of a
    Dask cluster take ``dask_plugin.with_caller``.

    Parameters
    ----------
    fn : callable
        A cached function, or any other that calls cached functions. It must be picklable if it is to cross a
        process border.

    Raises
    ------
    UsageError
        If `fn` cannot be called.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from cachepy import cache_file, cache_tree_nodes, with_caller
    >>> cached = cache_file("cache")
    >>> @cached
    ... def square(x):
    ...     return x * x
    >>> @cached
    ... def total(numbers):
    ...     with ThreadPoolExecutor(2) as pool:
    ...         return sum(pool.map(with_caller(square), numbers))
    >>> total([1, 2, 3])
    14
    >>> nodes = cache_tree_nodes().values()
    >>> [len(node["children"]) for node in nodes if node["fname"] == "total"]
    [3]
    """

    def __init__(self, fn: Callable[P, R]) -> None:
        if not callable(fn):
            raise UsageError(f"with_caller takes a function or another callable, not {fn!r}")
        find_parent()
        self.fn = fn
        self.frame = caller()
        self.__wrapped__ = fn
        self.__name__ = getattr(fn, "__name__", type(fn).__name__)
        self.__doc__ = getattr(fn, "__doc__", None)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        token = enter(self.caller() or here())
        _watch_files_for(self.frame)
        told = code_for_another(self.frame, self.fn)
        try:
            return self.fn(*args, **kwargs)
        finally:
            if told is not None:
                told.tell()
            leave(token)

    def __repr__(self) -> str:
        frame = self.open_frame()
        who = f", called by {frame.id}" if isinstance(frame, Frame) else "" if frame is None else ", of another process"
        return f"<with_caller of {self.__name__}{who}>"

    def open_frame(self) -> Caller | None:
        """The call in which this was made, while it is running."""
        return self.frame if self.frame is not None and self.frame.is_open() else None

    def caller(self) -> Caller | None:
        """Who called: where this was made, else here, where it is sent off."""
        return self.open_frame() or caller()

    def __reduce__(self) -> tuple[Any, ...]:
        refuse(current_session(), self.__name__)
        return _restore, (type(self), self.fn, *self.ticket())

    def ticket(self) -> tuple[str, str, str]:
        """The caller as run, mailbox and the secret of that, for another process."""
        session, frame = current_session(), self.caller()
        if frame is None:
            return *_ticket_of_none(session, self.fn), ""
        if isinstance(frame, Crowd):
            frame = _one_of(frame)
        if session.is_quiet:  # what runs is not stored: nobody has to be told
            return frame.run, "", ""
        if not isinstance(frame, Frame):
            return frame.run, frame.mailbox, frame.secret if isinstance(frame, RemoteFrame) else ""
        if not frame.shared:
            frame.shared = True
            session.shared[frame.run] = frame
            error = _error_of(_post, session, frame)
            if error is not None:
                frame.lose(error)
        return frame.run, frame.mailbox if frame.unwritten is None else "", frame.secret


def _watch_files_for(frame: Caller | None) -> None:
    """A call in another process waits for this: no body may have begun here so far."""
    if frame is not None and not isinstance(frame, Frame) and frame.mailbox:
        from cachepy.calls import file_watch

        file_watch.start()


def code_for_another(frame: Caller | None, fn: Any) -> RemoteCode | None:
    """Begin to note the code that runs here for a call in another process; a cached function does so by itself."""
    if frame is None or isinstance(frame, Frame) or not frame.mailbox or sys.version_info < (3, 12):
        return None
    if frame.run[:7] == "outbox-" or cached_call(fn) is not None:
        return None
    from cachepy.calls.ran_code import RemoteCode

    return RemoteCode(current_session(), frame, fn)


def _one_of(crowd: Crowd) -> Caller:
    """The one whose mailbox goes along; the others cannot be told."""
    every: list[Any] = sorted(crowd.frames, key=lambda frame: not isinstance(frame, Frame))
    for other in every[1:]:
        if isinstance(other, Frame):
            other.lose(None)
        else:
            leave_in_doubt(other)
    chosen: Caller = every[0]
    return chosen


def _ticket_of_none(session: State, fn: Any) -> tuple[str, str]:
    """What is made elsewhere for nobody is told to the outbox, so that the graph has it."""
    if session.is_quiet:
        return "outbox-", ""
    try:
        run, mailbox = session.outbox.run, session.outbox.mailbox(_root_of(fn))
    except (FolderGoneError, ImportError):
        return "outbox-", ""
    return run, mailbox if _error_of(_make_room, session, mailbox) is None else ""


def _make_room(session: State, mailbox: str) -> None:
    """Make the folder of a mailbox as private, or as shared, as its cache directory is."""
    folder = os.path.dirname(mailbox)
    session.store(os.path.dirname(folder)).trust.make_folder(folder)


def _post(session: State, frame: Frame) -> None:
    """Before the frame is sent off: a run that cannot be told what others do for it is not stored."""
    _make_room(session, frame.mailbox)
    post(frame)


def _error_of(make: Callable[..., None], *args: Any) -> OSError | None:
    try:
        make(*args)
    except OSError as error:
        return error
    except ImportError as error:
        return as_os_error(error)
    return None


def _root_of(fn: Any) -> str:
    """The cache directory of a cached function, else the default one."""
    call = getattr(fn, "__cachepy__", None)
    return cache_default_dir() if call is None else str(call.options.root())


def _restore(kind: type[with_caller[..., Any]], fn: Any, run: str, mailbox: str, secret: str) -> with_caller[..., Any]:
    made = kind(fn)
    session = current_session()
    if not run or (is_made(session, "outbox") and run == session.outbox.run):
        made.frame = None  # without a name: whoever runs above this process, who is found here
    else:
        made.frame = _here(session, run) or session.hooks.remote_frame(run, mailbox)
        if isinstance(made.frame, RemoteFrame):
            made.frame.on_loss = partial(_warn, session, mailbox)
            made.frame.secret = secret
    return made


def _here(session: State, run: str) -> Frame | None:
    """The frame itself where it runs; a forked child has a copy, to which nothing may be told."""
    frame = session.shared.get(run)
    return frame if frame is not None and frame.pid == os.getpid() else None


def _warn(session: State, mailbox: str, error: OSError) -> None:
    root = root_of_run(mailbox)
    session.warn(CacheWriteWarning, unwritable(root, error), "write", root, error.errno)
