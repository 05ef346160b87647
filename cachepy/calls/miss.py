"""How a call that is no hit goes on (design 4): claim, look again, make fresh what is below it, or run.

Also the way without the cache, and what is said about it.
"""

from __future__ import annotations

import os
import time

import cachepy.disk.claims
import cachepy.graph
import cachepy.paths
import cachepy.reach.changes
import cachepy.reach.source
import cachepy.values.pickler  # noqa: F401 - what a miss may need is loaded here, in one go that no fork can interrupt
from cachepy.calls import loops
from cachepy.calls.bypass import Bypass, bypass, give_way
from cachepy.calls.closures import observe_anchors
from cachepy.calls.revive import Revival
from cachepy.calls.run import Run, finish, observe
from cachepy.calls.state import current_session
from cachepy.calls.waiting import attempts, take
from cachepy.core.current import back_to, caller, enter, here, leave
from cachepy.core.frame import Frame, working_dir
from cachepy.core.opened import leave_body
from cachepy.errors import UncachedCallWarning, UndigestableError
from cachepy.key import culprit
from cachepy.model import CODE, Dep
from cachepy.namer import LOCAL
from cachepy.refusal import refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from cachepy.calls.request import Request
    from cachepy.core.frame import Caller
    from cachepy.engine import CachedCall, Flags


class Miss:
    """A call for which nothing that is stored holds, as far as was seen without a claim."""

    __slots__ = ("flags", "request")

    def __init__(self, request: Request, flags: Flags) -> None:
        self.request = request
        self.flags = flags

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The value, by whoever is first to run the body."""
        request, flags = self.request, self.flags
        refuse(request.session, request.call.target.qualname)
        before = here()
        run: Run | Bypass | None = None
        try:
            try:
                if not take(request, flags):
                    for pause in attempts(request, flags, blocks=True):
                        time.sleep(pause)
                if request.hit is not None or (request.stored is not None and _revives(request, flags)):
                    return request.hit.value  # type: ignore[union-attr]  # a request that is not taken has a hit
                run = Run(request, flags)
            except Exception as error:
                run = self._past(error, before)
            with run:
                run.value = request.call.fn(*args, **kwargs)
            return run.value
        finally:  # an interrupt may come between any two steps
            back_to(before)
            if isinstance(run, Run):
                leave_body(run.frame)
            request.release()

    async def run_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The same for ``async def``: waits without blocking the loop."""
        request, flags = self.request, self.flags
        refuse(request.session, request.call.target.qualname)
        before = here()
        run: Run | Bypass | None = None
        try:
            try:
                if not take(request, flags):
                    await self._wait()
                if request.hit is not None or await self._revives_aside():
                    return request.hit.value  # type: ignore[union-attr]  # a request that is not taken has a hit
                run = Run(request, flags)
            except Exception as error:
                run = self._past(error, before)
            with run:
                run.value = await request.call.fn(*args, **kwargs)
            return run.value
        finally:
            back_to(before)
            if isinstance(run, Run):
                leave_body(run.frame)
            request.release()

    async def _wait(self) -> None:
        for pause in attempts(self.request, self.flags):
            if not await loops.sleep(pause):
                return

    async def _revives_aside(self) -> bool:
        """Make stale calls below again, in a thread; whether there is a hit then."""
        if not _may_revive(self.request, self.flags):
            return False
        return await loops.in_thread(_revives, self.request, self.flags)

    def _past(self, error: Exception, before: Caller | None) -> Bypass:
        """The way past the cache; the body may make this call again, so it holds no claim."""
        back_to(before)
        self.request.release()
        return bypass(self.request.call.fn, self.request.call.fname, error)


def _may_revive(request: Request, flags: Flags) -> bool:
    """Whether there is a stored run that calls below may make fresh; only who holds the claim tries."""
    return request.claim is not None and flags.may_hit and request.stored is not None


def _revives(request: Request, flags: Flags) -> bool:
    """Make stale calls below again; whether there is a hit then."""
    if not _may_revive(request, flags):
        return False
    revival = Revival(request)
    if not revival.succeeds():
        request.hopeless = revival.frame.hopeless
        return False
    return request.find_hit() is not None


class Uncached:
    """A call that has to go without the cache; error: why it has no key, None if there is nothing to be said."""

    __slots__ = ("call", "error")

    def __init__(self, call: CachedCall, error: Exception | None) -> None:
        self.call = call
        self.error = error

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the body; it tells what is wrong with arguments that do not fit."""
        with self._frame(args, kwargs) as frame:
            frame.value = self.call.fn(*args, **kwargs)
        return frame.value

    async def run_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The same for ``async def``."""
        with self._frame(args, kwargs) as frame:
            frame.value = await self.call.fn(*args, **kwargs)
        return frame.value

    def _frame(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Transparent | Bypass:
        refuse(current_session(), self.call.target.qualname)
        try:
            self._warn(args, kwargs)
            return _Transparent(self.call, lambda: self._warn_unbound(args, kwargs))
        except Exception as error:
            return bypass(self.call.fn, self.call.fname, error)

    def _warn(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        call, session = self.call, current_session()
        if not isinstance(self.error, UndigestableError):
            return
        if call.lacks_key:
            session.warn(
                UncachedCallWarning,
                f"{call.fname} runs without the cache: its signing_key does not travel to other processes. Set "
                f"CACHEPY_SIGNING_KEY there, or give signing_key='@file' with a file that they can read",
                "key",
                call.target.identity,
            )
        else:
            name = culprit(call.binder, call.binder.bind(*args, **kwargs), session.digester)
            session.warn(
                UncachedCallWarning,
                f"{call.fname} runs without the cache: argument {name}. Pass something that can be "
                f"pickled, or leave the parameter out with ignore_args=[...]",
                call.target.identity,
                name.partition(" (")[0],
            )

    def _warn_unbound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The function took arguments that do not fit what it shows: a decorator below adds some."""
        try:
            self.call.binder.bind(*args, **kwargs)
        except TypeError as error:
            current_session().warn(
                UncachedCallWarning,
                f"{self.call.fname} runs without the cache: a decorator below cache_file takes other arguments than "
                f"the function shows ({error}). Put cache_file below that decorator",
                "unbound",
                self.call.target.identity,
            )


class _Transparent:
    """A body that runs without the cache: its caller takes over all that it depends on."""

    def __init__(self, call: CachedCall, after: Callable[[], None]) -> None:
        self.called = call.target.identity
        parent = caller(self.called)
        self.fname, self.after = call.fname, after
        self.value: Any = None
        self.frame = None
        self.unseen = None
        if parent is not None:
            session = current_session()
            self.frame = Frame("", os.urandom(16).hex(), parent, parent.mailbox + "+", working_dir())
            reach = session.reader.reach(call.target)
            self.frame.add(Dep(CODE, call.code_name(session), reach.digest))
            if LOCAL in call.target.qualname:
                observe_anchors(session, call, self.frame)
            self.unseen = observe(session, call, self.frame, reach.routes)
        self.token = enter(self.frame)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        leave(self.token)
        try:
            if self.frame is not None:
                finish(self.frame, self.unseen)
                current_session().remembered.note(self.called, [dep.astuple() for dep in self.frame.absorbed()])
                self.frame.hand_over()
            if kind is None:
                self.after()
        except Exception as error:
            give_way(f"{self.fname} runs without the cache", error, caller())
        finally:
            if self.frame is not None:
                leave_body(self.frame)
