"""Who is running here: a context variable, so that threads, asyncio tasks and executors each see their own.

Who has none is asked for in `bodies`.
"""

from __future__ import annotations

import os
from _contextvars import ContextVar

from cachepy.core.bodies import Crowd, bodies, guess
from cachepy.core.frame import Frame, working_dir
from cachepy.core.kind import is_relative
from cachepy.core.model import FILE, Dep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from cachepy.core.frame import Caller

    class Files(Protocol):
        """Who digests files."""

        def digest(self, path: str) -> str | None: ...


_current: ContextVar[Caller | None] = ContextVar("cachepy_caller", default=None)


class _Nobody:
    """Stands for no caller where it is known that there is none, whatever else runs in the process."""

    __slots__ = ()
    run = mailbox = ""

    def add(self, dep: Dep) -> None:
        pass

    def is_open(self) -> bool:
        return False


NOBODY = _Nobody()


def caller(called: str = "") -> Caller | None:
    """The cached call that is running here; never one that has ended or is another process's.

    called: the function whose caller is asked for. In a thread without a caller it is whoever may have made that call.
    """
    frame = _current.get()
    if frame is not None and frame.is_open():
        return frame
    return guess(called) if bodies and frame is not NOBODY else None


def each_of(frame: Caller) -> tuple[Caller, ...] | list[Frame]:
    """The callers that one stands for."""
    return frame.frames if isinstance(frame, Crowd) else (frame,)


def enter(frame: Caller | None) -> Any:
    """Make a frame the caller here; returns what `leave` needs."""
    return _current.set(frame)


def leave(token: Any) -> None:
    """Undo `enter`."""
    try:
        _current.reset(token)
    except ValueError:  # entered in another context: a coroutine that was moved
        _current.set(None)


here = _current.get
"""What is set as the caller here, open or not: for `back_to`."""


def back_to(frame: Caller | None) -> None:
    """See that the caller is what it was, also after an interrupt in the midst of `enter` or `leave`."""
    if _current.get() is not frame:
        _current.set(frame)


def observe_file(path: str, files: Files) -> str | None:
    """Note a file that the running body says it reads, with its content at this moment; returns that."""
    found = caller()
    digest = None
    for frame in () if found is None else each_of(found):
        name = path
        if isinstance(frame, Frame) and is_relative(path) and working_dir() != frame.cwd:
            name = os.path.abspath(path)
        digest = files.digest(name)
        frame.add(Dep(FILE, name, digest))
    return digest
