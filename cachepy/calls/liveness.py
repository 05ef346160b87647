"""Whether whoever runs a call goes on: by stacks, by time on the processor, and by what it waits in.

Nothing here is exact, and nothing has to be: it tells how long to go on waiting, never what is right.
"""

from __future__ import annotations

import os
import sys
import time

from cachepy.calls import event_loops
from cachepy.calls.deadlock import stack
from cachepy.store.claims import Claims
from cachepy.store.owner import stat_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from types import CodeType, FrameType
    from typing import Any

_LOCKS = (
    "/threading.py", "/queue.py", "/futures/_base.py", "/futures/thread.py", "<frozen importlib._bootstrap>",
)  # fmt: skip
_TOOLS = ("/ipykernel/", "/debugpy/")  # threads of theirs serve a person, not a body
_WORK = "run"  # of a thread, or of a piece of work: what it runs may be written in C, and leave no frame
_ASYNC_LOCKS = ("/asyncio/locks.py", "/asyncio/queues.py")
_TICKS = float(os.sysconf("SC_CLK_TCK")) if hasattr(os, "sysconf") else 100.0


class Seen:
    """What is seen of an owner at one moment.

    place: where it stands; own: seconds of processor time that it used itself; all: the same of its process, and of
    what that started; None: nobody can tell.  is_at_lock: all that could let it go on wait for each other.
    """

    __slots__ = ("all", "is_at_lock", "own", "place")

    def __init__(self, place: object, own: float | None, used: float | None, *, is_at_lock: bool) -> None:
        self.place = place
        self.own = own
        self.all = used
        self.is_at_lock = is_at_lock


def of_thread(ident: int, waiters: Container[int]) -> Seen | None:
    """A thread of this process; None if it has ended."""
    stacks = sys._current_frames()
    top = stacks.get(ident)
    if top is None:
        return None
    others = [at for each, at in stacks.items() if each not in waiters and not _is_apart(each, at)]
    used, below = time.process_time(), _of_children(os.getpid())
    place = tuple((at.f_code, at.f_lasti) for at in stack(top))
    return Seen(place, _processor(ident), used + below, is_at_lock=all(map(_is_at_lock, others)))


def of_coroutine(frame: object) -> Seen | None:
    """A coroutine that runs the body of a frame, in the event loop of this very thread; None if it is not there."""
    asyncio: Any = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None:
        return None
    tasks = {task: list(_awaited(task.get_coro())) for task in asyncio.all_tasks()}
    for chain in tasks.values():
        if any(getattr(at.f_locals.get("run"), "frame", None) is frame for at in chain):
            waits = [_waits_for_others(asyncio, task, chain) for task, chain in tasks.items()]
            return Seen(tuple((at.f_code, at.f_lasti) for at in chain), None, None, is_at_lock=all(waits))
    return None


def of_process(pid: int) -> Seen | None:
    """Another process of this host; None where nothing is told of it."""
    used = _used_by(pid)
    return None if used is None else Seen(None, None, used + _of_children(pid), is_at_lock=False)


def _processor(ident: int) -> float | None:
    """Seconds of processor time of a thread, as the kernel tells it: it may end at any moment.

    Not by `time.pthread_getcpuclockid`: that reads the memory of the thread, which is gone when it has ended.
    """
    import threading

    thread = threading._active.get(ident)  # type: ignore[attr-defined]  # `enumerate` waits for a lock
    try:
        of_fork = os.getpid() if thread is threading.main_thread() else 0  # there it still has the number of before
        with open(f"/proc/self/task/{of_fork or thread.native_id}/schedstat", "rb") as file:
            return int(file.read().split()[0]) / 1e9
    except (AttributeError, OSError, ValueError, IndexError):  # it has ended; macOS, Windows
        return None


# -- locks


def _file_of(code: CodeType) -> str:
    return code.co_filename.replace("\\", "/")


def _is_apart(ident: int, top: FrameType) -> bool:
    """Whether a thread does nothing for a body: the heartbeat of claims, those of a notebook's kernel."""
    import threading

    if top.f_code is Claims._beat.__code__:
        return True
    files = "".join(_file_of(at.f_code) for at in stack(top))
    return ident != threading.main_thread().ident and any(tool in files for tool in _TOOLS)


def _is_at_lock(top: FrameType) -> bool:
    """Whether a thread waits for another one of its process, as far as its code tells."""
    if _file_of(top.f_code).endswith(_LOCKS):
        return top.f_code.co_name != _WORK
    return _is_with(top.f_code, top.f_lasti)


def _is_with(code: CodeType, at: int) -> bool:
    """Whether code enters a ``with`` there, or calls something named ``acquire``: locks are written in C."""
    from dis import get_instructions

    name = ""
    for each in get_instructions(code):
        if each.offset >= at:
            return each.opname == "BEFORE_WITH" or (each.opname.startswith("CALL") and name == "acquire")
        if each.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            name = str(each.argval)
    return False


def _awaited(coroutine: Any) -> Iterator[FrameType]:
    """The frames of a coroutine and of what it awaits, outermost first."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None)
        if frame is None:
            return
        yield frame
        coroutine = coroutine.cr_await


def _waits_for_others(asyncio: Any, task: Any, chain: list[FrameType]) -> bool:
    """Whether a task waits for other tasks of its loop, or for a claim."""
    if task is asyncio.current_task() or any(at.f_code is event_loops.sleep.__code__ for at in chain):
        return True
    if chain and _file_of(chain[-1].f_code).endswith(_ASYNC_LOCKS):
        return True
    return isinstance(getattr(task, "_fut_waiter", None), (asyncio.Task, asyncio.tasks._GatheringFuture))


# -- processes


def _used_by(pid: int) -> float | None:
    """Seconds of processor time that a process and its ended children used."""
    try:
        return sum(map(int, stat_fields(pid)[11:15])) / _TICKS
    except (OSError, ValueError, IndexError):
        return _asked(pid)


def _asked(pid: int) -> float | None:
    """Without /proc, as psutil knows it."""
    try:
        from psutil import Process

        times = Process(pid).cpu_times()
        return float(sum(times[:4]))
    except Exception:  # it is not installed, or not allowed; or whatever a strange system says
        return None


def _of_children(pid: int) -> float:
    """The same for all processes that it started, and that they started."""
    todo, seen, used = [pid], {pid}, 0.0
    while todo:
        for child in _children(todo.pop()) - seen:
            seen.add(child)
            todo.append(child)
            used += _used_by(child) or 0.0
    return used


def _children(pid: int) -> set[int]:
    found: set[int] = set()
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found.update(map(int, file.read().split()))
    except OSError:
        pass
    return found
