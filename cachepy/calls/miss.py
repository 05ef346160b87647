"""How a call that is no hit goes on (design 4): claim, look again, make fresh what is below it, or run.

Also the way without the cache, and what is said about it.
"""

from __future__ import annotations

import os
from time import perf_counter

import cachepy.code.changes
import cachepy.code.source
import cachepy.graph.graph
import cachepy.store.claims
import cachepy.values.composed
import cachepy.values.paths
import cachepy.values.pickler  # noqa: F401 - what a miss may need is loaded here, in one go that no fork can interrupt
from cachepy.calls import file_watch
from cachepy.calls.bypass import Bypass, bypass, give_way
from cachepy.calls.closures import observe_anchors
from cachepy.calls.cutoff import Revival
from cachepy.calls.import_refusal import refuse
from cachepy.calls.listeners import note_uncached
from cachepy.calls.run import date, finish, observe
from cachepy.calls.state import current_session
from cachepy.calls.unseen_sources import UnseenSources
from cachepy.calls.waiting import attempts, take, wait_for_others
from cachepy.code.namer import LOCAL
from cachepy.core.bodies import leave_body
from cachepy.core.current import caller, enter, leave
from cachepy.core.frame import Frame, working_dir
from cachepy.core.model import CODE, Dep
from cachepy.errors import UncachedCallWarning, UndigestableError
from cachepy.values.key import culprit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

    from cachepy.calls.function import Function
    from cachepy.calls.request import Request
    from cachepy.core.call import Flags


def turn(request: Request, flags: Flags, *, blocks: bool) -> Iterator[float]:
    """Take the claim; while another one has it, the pauses between two looks."""
    request.began = perf_counter()
    if not take(request, flags):
        yield from attempts(request, flags, blocks=blocks)
    if request.store.far is not None and request.claim is not None:
        yield from wait_for_others(request, flags)


def cuts_off(request: Request) -> bool:
    """Make stale calls below again; whether there is a hit then."""
    revival = Revival(request)
    if not revival.succeeds():
        request.failed = revival.frame.failed
        return False
    return request.find() is not None


class Uncached:
    """A call that has to go without the cache; error: why it has no key, None if there is nothing to be said."""

    __slots__ = ("call", "error")

    def __init__(self, call: Function, error: Exception | None) -> None:
        self.call = call
        self.error = error

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the body; it tells what is wrong with arguments that do not fit."""
        with self._frame(args, kwargs) as frame:
            frame.value = self.call.body(*args, **kwargs)
        return frame.value

    async def run_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The same for ``async def``."""
        with self._frame(args, kwargs) as frame:
            frame.value = await self.call.body(*args, **kwargs)
        return frame.value

    def _frame(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Transparent | Bypass:
        refuse(current_session(), self.call.target.qualname)
        try:
            self._warn(args, kwargs)
            return _Transparent(self.call, lambda: self._warn_unbound(args, kwargs), self._why())
        except Exception as error:
            return bypass(self.call.body, self.call.fname, error)

    def _why(self) -> str:
        if self.error is None:
            return "it is not to be stored here"
        return "it has no key" if isinstance(self.error, UndigestableError) else "its arguments do not fit"

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
            name = culprit(call.binder, call.binder.bind(*args, **kwargs), call.digester(session))
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

    def __init__(self, call: Function, after: Callable[[], None], why: str) -> None:
        self.call, self.why = call, why
        self.called = call.target.identity
        parent = caller(self.called)
        self.call, self.after = call, after
        self.value: Any = None
        self.frame = None
        self.unseen = self.files = None
        if parent is not None:
            session = current_session()
            self.frame = Frame("", os.urandom(16).hex(), parent, parent.mailbox + "+", working_dir())
            reach = session.reader.reach(call.target)
            self.frame.add(Dep(CODE, call.code_name(session), reach.digest))
            if LOCAL in call.target.qualname:
                observe_anchors(session, call, self.frame)
            self.unseen = observe(session, call, self.frame, reach.routes)
            self.files = file_watch.begin(session, call, self.frame, {})
            self.sources = UnseenSources(session, call, self.frame, [reach])
        self.began = perf_counter()
        self.token = enter(self.frame)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, _: object) -> None:
        elapsed = perf_counter() - self.began
        leave(self.token)
        try:
            if self.frame is not None:
                date(current_session(), self.call, self.frame)
                finish(self.frame, self.unseen, self.files, self.sources)
                current_session().remembered.note(self.called, [dep.astuple() for dep in self.frame.absorbed()])
                self.frame.hand_over()
                if self.files is not None:
                    self.files.hand_over()
            if kind is None:
                self.after()
        except Exception as failure:
            give_way(f"{self.call.fname} runs without the cache", failure, caller())
        finally:
            if self.frame is not None:
                leave_body(self.frame)
            note_uncached(current_session(), self.call, self.why, elapsed, error)
