"""`with_caller`: carries the running call where Python does not, into thread and process pools.

Imports trace and session.
"""

from __future__ import annotations

import os

from cachepy.session import current_session
from cachepy.trace import Frame, RemoteFrame, caller, enter, leave

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class with_caller:  # noqa: N801 - used as a function: pool.submit(with_caller(f), x)
    """A callable that runs `fn` with the caller of the place where this was made.

    Python carries the caller into asyncio tasks and ``asyncio.to_thread``; for thread and process
    pools wrap the function: ``pool.submit(cachepy.with_caller(load), path)``.

    Parameters
    ----------
    fn : callable
        Anything; picklable if it is to cross a process border.

    Examples
    --------
    >>> with_caller(len)("abc")
    3
    """

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn
        self.frame = caller()
        self.__wrapped__ = fn
        self.__name__ = getattr(fn, "__name__", type(fn).__name__)
        self.__doc__ = getattr(fn, "__doc__", None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = enter(self.frame if self.frame is not None and self.frame.is_open() else None)
        try:
            return self.fn(*args, **kwargs)
        finally:
            leave(token)

    def __reduce__(self) -> tuple[Any, ...]:
        frame = self.frame
        if isinstance(frame, Frame) and frame.is_open():
            frame.shared = True
            current_session().shared[frame.run] = frame
            return _restore, (self.fn, frame.run, frame.mailbox, frame.pid)
        if isinstance(frame, RemoteFrame):
            return _restore, (self.fn, frame.run, frame.mailbox, 0)
        return _restore, (self.fn, None, "", 0)


def _restore(fn: Any, run: str | None, mailbox: str, pid: int) -> with_caller:
    made = with_caller(fn)
    made.frame = None
    if run is not None:
        made.frame = current_session().shared.get(run) if pid == os.getpid() else RemoteFrame(run, mailbox)
    return made
