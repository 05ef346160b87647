"""How a call goes on where the cache itself fails: its body runs, and one warning says why.

Loaded with the first decorated function: it is for processes that can load nothing any more.
"""

from __future__ import annotations

import os
import sys

from cachepy.calls.import_refusal import refuse
from cachepy.calls.program import program
from cachepy.calls.state import current_session
from cachepy.core.current import caller
from cachepy.core.frame import leave_in_doubt
from cachepy.errors import (
    FolderGoneError,
    PartError,
    SubinterpreterError,
    UncachedCallWarning,
    UnseenInputError,
    UntoldError,
    UsageError,
    UsageValueError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

    from cachepy.core.frame import Caller

# for the program: warnings are errors if it says so, and what runs out is its own
_MEANT = (UsageError, UsageValueError, UnseenInputError, UntoldError, Warning, RecursionError, MemoryError)


class Bypass:
    """A call that goes past the cache. Used as ``with bypass: bypass.value = body()``, as a run is."""

    __slots__ = ("fn", "value")

    def __init__(self, fn: Any) -> None:
        self.fn = fn
        self.value: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The value of the body."""
        return self.fn(*args, **kwargs)

    async def run_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The same for ``async def``."""
        return await self.fn(*args, **kwargs)


def bypass(fn: Any, fname: str, error: Exception) -> Bypass:
    """What goes on with a call whose lookup failed, before its body began; errors that are meant for the program go on.

    It is called where the caller is current.
    """
    give_way(f"{fname} runs without the cache", error, caller())
    refuse(current_session(), fname)
    return Bypass(fn)


def give_way(outcome: str, error: Exception, frame: Caller | None) -> None:
    """Say once why the cache could not do its part.

    frame: the call that would have been told of something, and now must not be stored: a trace that lacks a dep would
    hold where it must not.
    """
    if isinstance(error, _MEANT):
        raise error
    program.has_failed = True
    if frame is not None:
        leave_in_doubt(frame)
    kind, why = _why(error)
    try:
        current_session().warn(UncachedCallWarning, f"{outcome}: {why}", "bypass", kind)
    except Warning:
        raise
    except Exception:  # at the end of Python nothing may be left to warn with
        return


def _why(error: Exception) -> tuple[object, str]:
    """The cause and the way out; the first is what it is told once for."""
    told = f"{type(error).__name__}: {error}"
    if sys.is_finalizing() or sys.meta_path is None:
        return "end", "Python is shutting down. Call it before, from atexit.register at the latest"
    if isinstance(error, (FolderGoneError, SubinterpreterError)):
        return type(error), str(error)
    if isinstance(error, PartError):
        return "part", f"{error}. Restart this process"
    if isinstance(error, ImportError):
        return "part", (
            f"a module that it needs cannot be loaded ({told}). If this process changes its user, its root or its "
            f"paths, let it say `import cachepy.preload` before that"
        )
    return (type(error), _place(error.__traceback__)), (
        f"an error inside cachepy ({told}, {_place(error.__traceback__)}); please report it"
    )


def _place(tb: TracebackType | None) -> str:
    """File and line of where it was raised."""
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return "" if tb is None else f"{os.path.basename(tb.tb_frame.f_code.co_filename)}:{tb.tb_lineno}"
