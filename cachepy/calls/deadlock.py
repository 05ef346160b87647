"""Whether a thread that holds a claim is itself waiting for the thread that asks.

A body that hands its own call to a bare thread pool and waits for it would wait for ever: the pool's
thread carries no caller that would tell.  But the stacks tell: the owner stands in ``result()`` of
the very future that the asking thread computes, or joins it.  So does a body that imports a module
which the asking thread is importing: there the import system tells.
"""

from __future__ import annotations

import sys
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Any

_WAITING = ("threading.py", "futures/_base.py", "futures/thread.py", "multiprocessing/pool.py")


def waits_for_me(owner: int) -> bool:
    """Whether the thread `owner` waits for something that the current thread is computing."""
    import threading

    if _imports_what_i_import(owner):
        return True
    top = sys._current_frames().get(owner)
    if top is None:
        return False
    mine = [threading.current_thread(), *_work(sys._getframe())]
    return any(thing is each for thing in _awaited(top) for each in mine)


def _imports_what_i_import(owner: int) -> bool:
    """Whether the thread `owner` waits for a module that the current thread is in the midst of importing."""
    waits = getattr(sys.modules.get("_frozen_importlib"), "_blocking_on", {}).get(owner)
    locks = waits if isinstance(waits, list) else [waits]
    return any(getattr(lock, "owner", None) == get_ident() for lock in locks)


def stack(frame: FrameType | None) -> Iterator[FrameType]:
    """The frames of a stack, the innermost first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def _work(frame: FrameType) -> Iterator[Any]:
    """The futures of the pool's work items that this thread is in."""
    for each in stack(frame):
        if each.f_code.co_filename.replace("\\", "/").endswith("futures/thread.py"):
            yield getattr(each.f_locals.get("self"), "future", None) or each.f_locals.get("work_item")


def _awaited(top: FrameType) -> Iterator[Any]:
    """What the waiting functions on a stack are about: futures and threads."""
    for each in stack(top):
        if each.f_code.co_filename.replace("\\", "/").endswith(_WAITING):
            for value in list(each.f_locals.values()):
                yield value
                if isinstance(value, (list, tuple, set, frozenset)):
                    yield from list(value)
