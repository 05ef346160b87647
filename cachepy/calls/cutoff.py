"""Early cutoff: before a call runs because of calls below it, those are made again, bottom up.

If they give what they gave, their caller is fresh and need not run.  The calls of a run are looked at
in recorded order and only while its own deps hold, so nothing is made that the caller would not make
now.  A call is not made on its own where it might do something else than inside its caller:
see `_is_safe`.  Iterative: a tree of calls may be thousands deep.
"""

from __future__ import annotations

import os

from cachepy.calls.replay import Replay
from cachepy.core.current import caller, enter, leave
from cachepy.core.frame import Frame, working_dir
from cachepy.core.kind import is_relative
from cachepy.core.kinds import KINDS, PATHS
from cachepy.core.model import Dep, Event
from cachepy.core.verify import Verifier, roots_of
from cachepy.errors import RerunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.calls.request import Request

_DEPTH = 100  # of calls whose changes are gathered; beyond, the caller runs


class _HopelessError(Exception):
    """A call below raised: its caller has to run, and to meet that exception itself."""


class _Visit:
    """The place in one run whose calls are looked at one by one."""

    __slots__ = ("at", "event")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.at = 0

    def next_call(self) -> Dep | None:
        calls = self.event.trace.calls
        return calls[self.at] if self.at < len(calls) else None


class Revival:
    """The attempt to make one call fresh by making calls below it again.

    The claim of the call is held meanwhile, and a frame of its own stands for the run that may be spared:
    what is made here is no call of whoever asked.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.session = request.session
        self.verifier = request.verifier()
        self._things: dict[str, set[str]] = {}  # what changed for each stale call, before it was made
        self.frame = Frame(request.id, os.urandom(16).hex(), caller(), "", working_dir())

    def succeeds(self) -> bool:
        """Whether a stored run holds now, all calls below it included."""
        stored = self.request.look()
        events = stored.events if stored is not None else []
        events = [self.verifier.world.dated(e) for e in events if e.trace.calls]
        events = [e for e in events if not self.verifier.own_broken(e.trace)]
        if not events:
            return False
        owners = self.session.owners
        owners[self.request.id] = self.frame  # a call below that waits for this one waits in a circle
        try:
            return any(self._renews(event) for event in events)
        finally:
            self.frame.closed = True
            if owners.get(self.request.id) is self.frame:
                del owners[self.request.id]

    def _renews(self, event: Event) -> bool:
        try:
            return self._renew(event)
        except _HopelessError:
            return False

    def _renew(self, event: Event) -> bool:
        """Walk down to what is stale, make it again, and come back up as long as results are what they were."""
        if Replay(self.session, event).shared:  # its calls run side by side in other processes: better than here
            return False
        stack, seen = [_Visit(event)], {event.run}
        while stack:
            visit = stack[-1]
            call = visit.next_call()
            if call is None:
                stack.pop()
                self.verifier.held(visit.event, visit.event.trace.effect)
                continue
            below = self._below(visit.event, call)
            if isinstance(below, Event) and below.run in seen:
                below = False  # calls that depend on each other, since nobody knew whose one was: none comes first
            if isinstance(below, Event):
                seen.add(below.run)
                stack.append(_Visit(below))
            elif below:
                visit.at += 1
            elif not self._climb(stack):
                return False
        return True

    def _below(self, event: Event, call: Dep) -> Event | bool:
        """Whether a call below holds, or after it was made again; its run if the calls below that come first."""
        if self.verifier.call_holds((call.name, call.digest or ""), roots_of(event.trace)):
            return True
        run = run_of(self.verifier, call, event)
        if run is None or self._gives_another(call, event):
            return False
        if run.trace.calls and not self.verifier.own_broken(run.trace) and not Replay(self.session, run).shared:
            return run
        return self._make(run, event)

    def _gives_another(self, call: Dep, event: Event) -> bool:
        """Whether the call is fresh with another effect: it was made again already."""
        roots = roots_of(event.trace)
        effects = {e.trace.effect for e in self.verifier.world.events(call.name, roots)} - {call.digest}
        return any(self.verifier.call_holds((call.name, effect), roots) for effect in effects)

    def _climb(self, stack: list[_Visit]) -> bool:
        """A call below gives something else: its caller is made again, and so on, until one gives what it gave."""
        while len(stack) > 1:
            visit = stack.pop()
            if self._make(visit.event, stack[-1].event):
                return True
        return False

    def _make(self, run: Event, event: Event) -> bool:
        """Make a call again; whether it gives what it gave."""
        if not self._is_safe(run, event):
            return False
        try:
            again = Replay(self.session, run)
            call, (args, kwargs) = again.ready(import_code=self.session.import_code, call=self._arrived(run))
        except RerunError:  # it cannot be made here, or another process has made it just now
            pass
        else:
            if not call.is_async:
                self._call(call, args, kwargs, run)
        fresh = Verifier(self.request.world())
        if not fresh.call_holds((run.id, run.trace.effect), ()):
            return False
        self.verifier.held(fresh.chosen[run.id], run.trace.effect)
        return True

    def _arrived(self, run: Event) -> Any:
        """The function of a call below if it came here by value, with its caller; else None."""
        identity = f"{run.module}:{run.qualname}"
        targets = self.request.world().by_value().get(identity, ())
        return next((call for call in self.session.functions.live_calls(identity) if call.target in targets), None)

    def _call(self, call: Any, args: Any, kwargs: Any, run: Event) -> None:
        token = enter(self.frame)
        try:
            call(args, kwargs)
        except Exception as error:
            self.frame.failed.add(run.id)
            raise _HopelessError from error
        finally:
            leave(token)

    def _is_safe(self, run: Event, event: Event) -> bool:
        """Whether the call does here what it would do inside its caller.

        A caller may set the stage for it: write a file, set an environment variable or a global, change the
        folder. If nothing but that differs, its result there is the stored one. If nothing of that differs, it
        is the same here and there. Where both may be, a call on its own proves nothing.
        """
        moved = run.cwd != event.cwd and any(
            d.kind in PATHS and is_relative(d.name) for d in run.trace.deps
        )
        return not (moved or run.id in failed()) and len(self._changed(run)) < 2

    def _changed(self, run: Event, depth: int = 0) -> set[str]:
        """What changed for a call and those below it; all code, which no caller sets, counts as one thing."""
        known = self._things.get(run.id)
        if known is not None:
            return known
        self._things[run.id] = {"?", run.id}  # two things, for a call below that depends on this one
        things = set[str]()
        for dep in self.verifier.own_broken(run.trace):
            things |= KINDS[dep.kind].things(dep, run.cwd, self.verifier.world)
        for call in self.verifier.broken_calls(run.trace):
            below = run_of(self.verifier, call, run) if depth < _DEPTH else None
            things |= {"?", call.name} if below is None else self._changed(below, depth + 1)
        self._things[run.id] = things
        return things


def run_of(verifier: Verifier, call: Dep, caller: Event) -> Event | None:
    """The newest stored run of a call below that gave what its caller used."""
    runs = verifier.world.events(call.name, roots_of(caller.trace))
    return next((verifier.world.dated(e) for e in runs if e.trace.effect == call.digest), None)


def failed() -> set[str]:
    """The calls that raised when they were made for a call which is running now."""
    found: set[str] = set()
    frame = caller()
    while isinstance(frame, Frame):
        found |= frame.failed
        frame = frame.parent
    return found
