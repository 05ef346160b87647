"""The bodies that run in this process, and which of them made a call that has no caller of its own.

Python hands the caller to no thread.  A call made in a thread without one was made by a body that runs, if it began
while that ran and nobody else could begin it: then that body is the caller.  Else each body that may have handed it
on depends on it, without an edge: better one dep too many than one too few, and never another's edge.
"""

from __future__ import annotations

import sys
from _thread import get_ident

from cachepy.core.kinds import EDGES
from cachepy.core.model import INDIRECT_CALL, Dep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from threading import Thread
    from typing import Any, Protocol

    from cachepy.core.frame import Caller, Frame
    from cachepy.core.model import Event

    class Part(Protocol):
        """What is to be ended with a body."""

        def end(self) -> None: ...

    class Seen(Protocol):
        """What notes the files of a body."""

        def note_below(self, event: Event) -> None:
            """A call below ended, or was a hit."""


bodies: dict[int, Body] = {}
"""What runs now, oldest first."""
_OURS = "cachepy-heartbeat"  # a thread that begins no others


class Body:
    """A running body, and what tells whether a thread works for it.

    called: its identity; reached: the cached functions that its code reaches; hands_on: whether that code has an object
    that takes work for threads which were there before; before: those threads.
    """

    __slots__ = ("before", "called", "frame", "hands_on", "is_async", "letters", "ran", "reached", "seen")

    def __init__(self, frame: Frame, called: str, reached: frozenset[str], *, hands_on: bool, is_async: bool) -> None:
        self.frame = frame
        self.called = called
        self.reached = reached
        self.hands_on = hands_on
        self.is_async = is_async
        self.before = threads()
        self.letters: Part | None = None  # where child processes tell of what they do for it (see `child_processes`)
        self.seen: Seen | None = None  # notes the files that it opens (see `seen_files`)
        self.ran: Part | None = None  # notes the code that runs for it (see `ran_code`)

    def may_own(self, thread: Thread | None, called: str) -> bool:
        """Whether a call that a thread made may be one of this body's."""
        if thread is None or thread not in self.before:
            return True
        return called in self.reached or (self.hands_on and called != self.called)

    def surely_owns(self, thread: Thread | None) -> bool:
        """Whether nobody else was there who could have begun the thread."""
        if thread is None or thread in self.before:
            return False
        return all(each.ident == self.frame.thread or each.name == _OURS for each in self.before)


class Crowd:
    """Whoever may have made a call: each of them is told, and none gets an edge."""

    __slots__ = ("frames",)
    run = mailbox = ""

    def __init__(self, frames: list[Frame]) -> None:
        self.frames = frames

    def add(self, dep: Dep) -> None:
        for frame in self.frames:
            frame.add(Dep(INDIRECT_CALL, dep.name, dep.digest) if dep.kind in EDGES else dep)

    def is_open(self) -> bool:
        return any(frame.is_open() for frame in self.frames)


def enter_body(body: Body) -> None:
    """It begins to run."""
    bodies[id(body.frame)] = body


def leave_body(frame: Frame) -> None:
    """It has ended; also if it was never entered."""
    body = bodies.pop(id(frame), None)
    for each in (body.letters, body.ran) if body is not None else ():
        if each is not None:
            each.end()


def note_below(frame: object, event: Event) -> None:
    """What a call below wrote is no input of the body that made it."""
    body = bodies.get(id(frame))
    if body is not None and body.seen is not None:
        body.seen.note_below(event)


def guess(called: str) -> Caller | None:
    """Who made a call of a function that has no caller; None: nobody who runs now."""
    running = [body for body in list(bodies.values()) if body.frame.is_open()]
    if not running:
        return None
    me = get_ident()
    for body in reversed(running):
        if body.frame.thread == me and not body.is_async and _stands_here(body.frame):
            return body.frame  # in another context
    is_known, frame = _scheduled_by(running)
    if is_known:
        return frame
    thread = next((each for each in threads() if each.ident == me and type(each).__name__ != "_DummyThread"), None)
    able = [body for body in running if body.may_own(thread, called)]
    if not able:
        return None
    return _only_owner(able, thread) or Crowd([body.frame for body in able])


def _only_owner(able: list[Body], thread: Thread | None) -> Frame | None:
    """The one body that must have made a call: nobody else was there to begin the thread, or it holds its pool."""
    last = able[-1]
    lineage = set(map(id, _lineage(last.frame)))
    if last.surely_owns(thread) and all(id(body.frame) in lineage for body in able):
        return last.frame
    holding = [body for body in able if thread is not None and thread not in body.before and _holds(body, thread)]
    return holding[0].frame if len(holding) == 1 else None


def _holds(body: Body, thread: Thread) -> bool:
    """Whether a thread, or its pool, is a local variable between a body and the end of its stack.

    A pool that others may use as well says nothing: one that was there before, or is a global. What pools do inside
    has them as variables whoever made them.
    """
    found = False
    for at in _stack(sys._current_frames().get(body.frame.thread)):
        if _runs(at):
            return found and _runs(at) is body.frame
        if not found and str(at.f_globals.get("__name__")).partition(".")[0] not in _INSIDE:
            globs = set(map(id, list(at.f_globals.values())))
            own = [value for value in list(at.f_locals.values()) if id(value) not in globs]
            found = any(_is_new_with(thread, list(_begun_by(value)), body) for value in own)
    return False


def _is_new_with(thread: Thread, begun: list[Any], body: Body) -> bool:
    """Whether a thread is among some, none of which was there before a body."""
    if not any(each is thread for each in begun):
        return False
    old = set(map(id, body.before))
    return not any(id(each) in old for each in begun)


def _begun_by(value: Any) -> Iterable[Any]:
    """The threads that a variable is or holds."""
    if type(value) in (list, tuple, set):
        return list(value)
    kinds = type(value).__mro__
    if any(kind.__module__ in _POOLS for kind in kinds):
        own = vars(value)
        inner = own.get("_threads") or own.get("_pool")  # of what a pool promised: the pool
        return list(inner) if isinstance(inner, (list, set)) else _begun_by(inner)
    return (value,)


def _scheduled_by(running: list[Body]) -> tuple[bool, Caller | None]:
    """Whose a task of Dask's local scheduler is, if that is known: who runs the task stands there till it is done.

    Threads of the scheduler serve whoever computes; a task built at top level may be computed by a body, and a body
    may run while another's tasks do.
    """
    key = _task_here()
    if key is None:
        return False, None
    stacks = [(ident, _scheduler_of(key, at)) for ident, at in sys._current_frames().items()]
    found = [(ident, at) for ident, at in stacks if at is not None]
    if len(found) != 1:
        return False, None
    ident, waiting = found[0]
    for at in _stack(waiting):
        frame = _runs(at)
        if frame is not None:
            return any(body.frame is frame for body in running), frame
        if at.f_code.co_name == "__call__" and at.f_globals.get("__name__") in _CARRIERS:
            return False, None
    threading = sys.modules["threading"]
    is_top = ident == threading.main_thread().ident
    return is_top and not any(body.frame.thread == ident and body.is_async for body in running), None


def _task_here() -> Any:
    """The key of the task of a local scheduler that this thread runs."""
    for at in _stack(sys._getframe()):
        if at.f_code.co_name == "execute_task" and at.f_globals.get("__name__") == _SCHEDULER:
            return at.f_locals.get("key")
    return None


def _scheduler_of(key: Any, top: Any) -> Any:
    """Where on a stack the scheduler waits for a task."""
    for at in _stack(top):
        if at.f_code.co_name == "get_async" and at.f_globals.get("__name__") == _SCHEDULER:
            state = at.f_locals.get("state")
            if isinstance(state, dict) and key in state.get("running", ()):
                return at
    return None


_SCHEDULER = "dask.local"
_CARRIERS = frozenset({"cachepy.calls.context", "dask_plugin.wrapper"})
_POOLS = frozenset({"concurrent.futures.thread", "multiprocessing.pool"})
_INSIDE = frozenset({"concurrent", "multiprocessing", "threading"})


def threads() -> frozenset[Thread]:
    """The threads that Python knows; without the module there is only one."""
    threading = sys.modules.get("threading")
    return frozenset(threading.enumerate()) if threading is not None else frozenset()


def _lineage(frame: Any) -> Iterable[Any]:
    while frame is not None:
        yield frame
        frame = getattr(frame, "parent", None)


def _stands_here(frame: Frame) -> bool:
    """Whether the body of a frame is further up on this stack: several stacks may take turns in one thread."""
    return any(_runs(at) is frame for at in _stack(sys._getframe()))


def _stack(at: Any) -> Iterable[Any]:
    """A function that runs, who called it, and so on to the bottom."""
    while at is not None:
        yield at
        at = at.f_back


def _runs(at: Any) -> Any:
    """The frame of the body that is run by a function on a stack, if that is what the function does."""
    is_ours = at.f_code.co_name == "run" and at.f_globals.get("__name__") == "cachepy.core.call"
    return getattr(at.f_locals.get("run"), "frame", None) if is_ours else None
