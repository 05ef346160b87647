"""Whether a stored trace still holds, dep by dep, through all calls below it, and if not, why.

A `WorldWithRuns` looks at the world as it is now, each file and each function once; `Verifier` compares.
It does not recurse: a tree of calls may be thousands deep.
"""

from __future__ import annotations

from cachepy.core.kinds import CODES, KINDS, ROOTS, reason
from cachepy.core.model import Dep, Event, Trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, Protocol

    from cachepy.core.reasons import Reason
    from cachepy.core.world import World

    class WorldWithRuns(World, Protocol):
        """What a verification may ask; every answer is for the whole verification."""

        several: set[str]  # calls that have more than one run stored
        reaches: list[Any]  # of the code that was looked at
        tree: Trace | None  # what is being verified: what lies far away is asked for side by side

        def events(self, call: str, roots: Sequence[str]) -> Iterable[Event]: ...

        def elsewhere(self, call: str) -> Iterable[Event]:
            """Further runs, which are stored far away; each is fetched when it is asked for."""
            ...

        def last_valid(self, events: Sequence[Event]) -> Event: ...

        def dated(self, event: Event) -> Event:
            """The same, with its age if its function is at hand and says how old it may be, and did not then."""
            ...

        def title(self, call: str, roots: Sequence[str]) -> str: ...


_Call = tuple[str, str]


class Verifier:
    """Verdicts on traces by one look at the world.

    own: identity and digest of the function that is called; its own code has to match exactly.
    """

    def __init__(self, world: WorldWithRuns, own: tuple[str, str] = ("", "")) -> None:
        self.world = world
        self.own, self._own_digest = own
        self.chosen: dict[str, Event] = {}  # the run of each call below that holds
        self._calls: dict[_Call, bool | int] = {}  # a number: taken to hold if what is open there does
        self._taken: list[_Visit] = []  # of the calls that are taken to hold, in this order
        self._causes: dict[str, Reason] = {}

    @property
    def several(self) -> set[str]:
        """The calls that were asked for and have more than one run stored."""
        return self.world.several

    def event_holds(self, event: Event) -> bool:
        """Whether a run holds, by all that counts for its function now."""
        return self.holds(self.world.dated(event).trace)

    def holds(self, trace: Trace) -> bool:
        """Whether every dep of the trace, and of the calls below it, is as it was."""
        self.world.tree = trace
        if not self._exact(trace) or not self.own_holds(trace):
            return False
        roots = roots_of(trace)
        return all(self.call_holds((c.name, c.digest or ""), roots) for c in trace.calls)

    def _exact(self, trace: Trace) -> bool:
        """A closure that is called shows its own values; only those below go by the code around them."""
        for dep in trace.deps:
            if dep.digest != self._own_digest and dep.name == self.own and dep.kind in CODES:
                exact = trace.exact_of(dep)
                if exact is None or not self.world.code_that_ran(dep, exact):
                    return False
        return True

    def own_holds(self, trace: Trace) -> bool:
        """The deps of the run itself, without the calls below."""
        world = self.world
        for dep in trace.deps:  # noqa: SIM110 - a generator doubles the time of a hit's longest loop
            if not KINDS[dep.kind].holds(dep, trace, world):
                return False
        return True

    def own_broken(self, trace: Trace) -> list[Dep]:
        """The deps of the run itself that are not as they were."""
        exact = self._exact(trace)
        mine = {d for d in trace.deps if d.name == self.own and d.kind in CODES} if not exact else ()
        return [d for d in trace.deps if d in mine or not self._dep_holds(d, trace)]

    def _dep_holds(self, dep: Dep, trace: Trace) -> bool:
        return KINDS[dep.kind].holds(dep, trace, self.world)

    def call_holds(self, call: _Call, roots: Sequence[str]) -> bool:
        """Whether a stored trace of the call gave this result and holds; depth first, own stack.

        Calls may depend on each other in a circle where nobody knew whose a call was (see `bodies`, `unseen`). In truth
        one of them was first, and what it depended on is looked at as well: so a call that is open holds until
        something in the circle does not.
        """
        known = self._calls.get(call)
        if known is not None:
            return known is True
        try:
            self._walk(_Visit(call, self._candidates(call, roots), 0))
        finally:  # also after an interrupt
            if self._taken:
                self._forget(0)
        return self._calls[call] is True

    def _walk(self, first: _Visit) -> None:
        stack = [first]
        self._open(first)
        while stack:
            visit = stack[-1]
            below = visit.next_call(self._calls)
            if below is not None:
                stack.append(_Visit(below, self._candidates(below, visit.roots), len(stack)))
                self._open(stack[-1])
                continue
            stack.pop()
            if visit.event is None:
                self._forget(visit.mark)
                self._calls[visit.call] = False
            else:
                self._close(visit, stack[-1] if stack else None)

    def _open(self, visit: _Visit) -> None:
        visit.mark = len(self._taken)
        self._taken.append(visit)
        self._calls[visit.call] = visit.depth

    def _close(self, visit: _Visit, above: _Visit | None) -> None:
        """A call holds: for good, or if one further up does, and so does what was taken to hold by it."""
        taken = self._taken[visit.mark :]
        if above is not None and visit.lowest < visit.depth:
            self._calls.update(dict.fromkeys([each.call for each in taken], visit.lowest))
            above.lowest = min(above.lowest, visit.lowest)
            return
        for each in taken:
            self._calls[each.call] = True
            if each.event is not None:  # they hold, all of them
                self.chosen[each.call[0]] = each.event
        del self._taken[visit.mark :]

    def _forget(self, mark: int) -> None:
        """What was taken to hold since then has to be looked at again."""
        for each in self._taken[mark:]:
            del self._calls[each.call]
        del self._taken[mark:]

    def _candidates(self, call: _Call, roots: Sequence[str]) -> Iterator[Event]:
        for runs in (self.world.events(call[0], roots), self.world.elsewhere(call[0])):
            for event in runs:
                if event.trace.effect == call[1] and self.own_holds(event.trace):
                    dated = self.world.dated(event)  # its module may have been imported just now
                    if dated is event or self.own_holds(dated.trace):
                        yield event

    def held(self, event: Event, result: str) -> None:
        """Take it that a call gives this result now: it was made again, or all below it was."""
        self._calls[event.id, result] = True
        self.chosen[event.id] = event

    def broken_calls(self, trace: Trace) -> list[Dep]:
        """The calls below that do not hold."""
        roots = roots_of(trace)
        return [c for c in trace.calls if not self.call_holds((c.name, c.digest or ""), roots)]

    def last_valid(self, events: Sequence[Event]) -> Event:
        """Of some runs of a call the one that was last seen to hold."""
        return self.world.dated(self.world.last_valid(events))

    # -- reasons

    def why_not(self, events: Sequence[Event]) -> list[Reason]:
        """Why no stored run of a call holds: what is not as it was for the one that was valid last."""
        return self.reasons(self.last_valid(events).trace)

    def reasons(self, trace: Trace) -> list[Reason]:
        """Every cause why the trace does not hold: its own, then those of the calls below; empty if it holds."""
        found = [r for dep in self.own_broken(trace) for r in self._why(dep, trace)]
        roots, broken = roots_of(trace), self.broken_calls(trace)
        causes = dict.fromkeys(self.root_cause(c, roots) for c in broken)
        said = {r.call for r in causes}
        calls = [reason("call", self._title(c.name, roots), c.name, None) for c in broken]
        return [*found, *causes, *(r for r in calls if r.name not in said)]

    def _why(self, dep: Dep, trace: Trace) -> list[Reason]:
        exact = trace.exact_of(dep) if dep.kind in CODES else None
        if exact is not None:  # of what did not run nothing is said
            return self.world.code_reasons(exact)
        return KINDS[dep.kind].why(dep, self.world)

    def root_cause(self, call: Dep, roots: Sequence[str]) -> Reason:
        """Why a call below does not hold, from the first run of it down to where something changed."""
        path: list[str] = []
        while call.name not in self._causes and call.name not in path:
            path.append(call.name)
            event = self._run_of(call, roots)
            own = self.own_broken(event.trace) if event is not None else []
            broken = [] if own or event is None else self.broken_calls(event.trace)
            broken = [c for c in broken if c.name not in path] or broken  # the way out of a circle
            if event is None or not broken:
                self._causes[call.name] = self._cause_in(call, event, own, roots)
            else:
                call, roots = broken[0], roots_of(event.trace)
        cause = self._causes.get(call.name) or reason("call", self._title(call.name, roots), call.name, None)
        self._causes.update(dict.fromkeys(path, cause))
        return cause

    def _cause_in(self, call: Dep, event: Event | None, own: list[Dep], roots: Sequence[str]) -> Reason:
        if event is None or not own:  # gone, or run again since with another result
            cue = "value" if next(iter(self.world.events(call.name, roots)), None) is None else "result"
            title = self._title(call.name, roots)
            return reason(cue, title, call.digest, None, title, "below")
        cause = self._why(own[0], event.trace)[0]
        return cause.replace(call=event.title, link="below")

    def _run_of(self, call: Dep, roots: Sequence[str]) -> Event | None:
        """The run of a call that gave a result; of several the one that was valid last."""
        events = [e for e in self.world.events(call.name, roots) if e.trace.effect == call.digest]
        return self.last_valid(events) if events else None

    def _title(self, call: str, roots: Sequence[str]) -> str:
        return self.world.title(call, roots)


class _Visit:
    """The place of the depth-first walk in one call: which of its runs, which call below that.

    depth: how many are open above it; lowest: the least depth of an open call that it was taken to hold by; mark: what
    was taken to hold before it.
    """

    __slots__ = ("_at", "_events", "call", "depth", "event", "lowest", "mark")

    def __init__(self, call: _Call, events: Iterator[Event], depth: int) -> None:
        self.call = call
        self.depth = self.lowest = depth
        self.mark = 0
        self._events = events
        self.event = next(events, None)
        self._at = 0

    @property
    def roots(self) -> tuple[str, ...]:
        return () if self.event is None else roots_of(self.event.trace)

    def next_call(self, known: dict[_Call, bool | int]) -> _Call | None:
        """The next call that has to be looked at first; None when `event` is final: the run that holds, or None."""
        while self.event is not None:
            calls = self.event.trace.calls
            while self._at < len(calls):
                below = calls[self._at].name, calls[self._at].digest or ""
                held = known.get(below)
                if held is None:
                    return below
                if held is False:
                    break
                if held is not True:
                    self.lowest = min(self.lowest, held)
                self._at += 1
            else:
                return None
            self.event = next(self._events, None)
            self._at = 0
        return None


def roots_of(trace: Trace) -> tuple[str, ...]:
    """The other cache directories in which calls below are stored."""
    return tuple([d.name for d in trace.deps if d.kind in ROOTS])
