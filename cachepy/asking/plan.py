"""What would run if the roots were called again, in order, with its cause and its recorded time.

Nothing runs.  A call that changed itself may call other things than it did, so what is not fresh below
it is `unknown`, not guessed.  Imports model, progress, session, stale.
"""

from __future__ import annotations

from cachepy.asking.stale import Survey
from cachepy.errors import UsageValueError
from cachepy.model import Event, Reason, Record
from cachepy.session import current_session
from cachepy.verify import roots_of as trace_roots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    Roots = str | Iterable[str] | None

HIT, STALE, MISSING, UNKNOWN = "hit", "stale", "missing", "unknown"


class PlannedCall(Record):
    """One call of a plan.

    ``state`` is ``"hit"``, ``"stale"`` or ``"missing"`` (it would run), or ``"unknown"`` (not fresh, but a call
    above it decides at run time whether it is made). ``elapsed`` is the recorded length of its run in seconds,
    ``own`` the part that is not in calls below. ``certain`` is False for a call that may be spared: if the
    results that it goes by turn out equal, it is a hit after all, and if one does not, its caller may go another way.
    """

    __slots__ = ("id", "label", "fname", "state", "reasons", "elapsed", "own", "certain")
    id: str
    label: str
    fname: str
    state: str
    reasons: tuple[Reason, ...]
    elapsed: float
    own: float
    certain: bool

    @property
    def runs(self) -> bool:
        """Whether the plan names it as one that would run."""
        return self.state in (STALE, MISSING)


class Plan(Record):
    """The calls below some roots, in the order in which they would end; ``str()`` gives the sum."""

    __slots__ = ("calls", "unseen")
    calls: tuple[PlannedCall, ...]
    unseen: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.calls)

    def __iter__(self) -> Iterator[PlannedCall]:
        return iter(self.calls)

    @property
    def running(self) -> tuple[PlannedCall, ...]:
        """The calls that would run."""
        return tuple(c for c in self.calls if c.runs)

    @property
    def counts(self) -> dict[str, int]:
        """How many calls are in each state."""
        return {state: sum(c.state == state for c in self.calls) for state in (HIT, STALE, MISSING, UNKNOWN)}

    @property
    def seconds(self) -> float:
        """The recorded time of what would run (s), one after another."""
        return sum(c.own for c in self.running)

    @property
    def saved(self) -> float:
        """The recorded time of what is reused (s)."""
        return sum(c.own for c in self.calls if c.state == HIT)

    def __str__(self) -> str:
        if not self.calls:
            return "no calls recorded"
        counts, total = self.counts, len(self.calls)
        runs = len(self.running)
        text = f"{runs:,} of {total:,} call{'s' * (total != 1)} would run"
        text += f", about {duration(self.seconds)}" if runs else ""
        text += f"; {counts[HIT]:,} {'is' if counts[HIT] == 1 else 'are'} reused, {duration(self.saved)} saved"
        if counts[UNKNOWN]:
            text += f"; {counts[UNKNOWN]:,} unknown until then"
        return text

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        calls = [{**dict(zip(c._fields, c.astuple(), strict=True)), "runs": c.runs} for c in self.calls]
        for call in calls:
            call["reasons"] = [r.as_dict() for r in call["reasons"]]
        sums = {"counts": self.counts, "seconds": self.seconds, "saved": self.saved, "text": str(self)}
        return {"calls": calls, **sums, "unseen": list(self.unseen)}


def duration(seconds: float) -> str:
    """A length of time for people.

    >>> duration(0.0123), duration(4.2), duration(250), duration(11520), duration(200000)
    ('12 ms', '4.2 s', '4 min 10 s', '3 h 12 min', '2 d 7 h')
    """
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def cache_tree_plan(root: Roots = None, *, import_code: bool = False) -> Plan:
    """What would run if the roots were called again: which calls, why, and for about how long.

    Parameters
    ----------
    root : str or iterable of str, optional
        Ids of calls or names of functions; by default every call that no other made.
    import_code : bool
        Import the modules of functions that are not loaded here, to see whether their code changed; that runs user
        code. By default code that is not loaded is taken as unchanged.

    Returns
    -------
    Plan
        ``calls`` (`PlannedCall`: id, label, state, reasons, elapsed (s), ...) in the order in which they would
        end, ``counts``, ``seconds`` (that would run), ``saved`` (s). A run of the program that changes nothing else
        runs the calls that are ``certain``, those that are not if a result below them changed, and maybe
        some that are ``unknown``, or new.

    Raises
    ------
    UsageValueError
        If a root is neither an id nor the name of a function in the graph.

    Examples
    --------
    >>> from cachepy import cache_tree_reset
    >>> cache_tree_reset()
    >>> print(cache_tree_plan())
    no calls recorded
    """
    from cachepy.asking.progress import watched

    survey = Survey(current_session(), import_code=import_code, each=watched("looking at calls"))
    return plan_of(survey, root)


def plan_of(survey: Survey, root: Roots = None) -> Plan:
    """The plan from what a survey found."""
    return Planner(survey).plan(roots_of(survey, root))


def roots_of(survey: Survey, root: Roots) -> list[str]:
    """The ids that roots stand for; UsageValueError names one that means nothing."""
    if root is None:
        called = {d.name for e in survey.events.values() for d in e.trace.calls}
        return [c for c in survey.events if c not in survey.history and c not in called]
    found: list[str] = []
    for name in [root] if isinstance(root, str) else root:
        calls = [name] if name in survey.events else [c for c, e in survey.events.items() if e.fname == name]
        if not calls:
            known = sorted({e.fname for e in survey.events.values()})
            raise UsageValueError(f"root {name!r} is no call of the graph; its functions are {', '.join(known)}")
        found += calls
    return found


class Planner:
    """Walks the recorded calls from the roots down, without recursion."""

    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        self.events = survey.events
        self.graph = survey.session.graph

    def plan(self, roots: Sequence[str]) -> Plan:
        """All calls below the roots, and those whose results these take."""
        order = self._order(roots)
        asked, surely = self._reached(order, roots)
        calls = tuple(self._planned(self.events[call], call in asked, call in surely) for call in order)
        return Plan(calls, tuple(self.survey.unseen))

    def _before(self, call: str) -> list[str]:
        """What has to be known before a call: what it takes, then what it calls, in recorded order."""
        event = self.events[call]
        inputs = self.graph.inputs_of(event).values() if event.args else ()
        return [c for c in dict.fromkeys([*inputs, *(d.name for d in event.trace.calls)]) if c in self.events]

    def _order(self, roots: Sequence[str]) -> list[str]:
        """The calls in the order in which they end: what a call goes by comes first; none twice."""
        order: dict[str, None] = {}
        seen: set[str] = set()
        starts = sorted(roots, key=lambda c: (self.events[c].created, c))
        stack = [(call, False) for call in reversed(starts)]
        while stack:
            call, done = stack.pop()
            if done:
                order[call] = None
            elif call not in seen:
                seen.add(call)
                stack.append((call, True))
                stack += [(c, False) for c in reversed(self._before(call)) if c not in seen]
        return list(order)

    def _reached(self, order: Sequence[str], roots: Sequence[str]) -> tuple[set[str], set[str]]:
        """The calls that are asked for by callers that do what they did, and those of them that surely are.

        A caller meets its calls in recorded order; behind the first that is not fresh, it may go another way.
        """
        asked, surely = set(roots), set(roots)
        called = {d.name for call in order for d in self.events[call].trace.calls}
        for call in reversed(order):  # callers come before what they call
            if call not in called and not self.graph.parents_of(call):
                asked.add(call)
                surely.add(call)
            if call not in asked or call not in self.survey.found or self._is_open(call):
                continue
            below = [d.name for d in self.events[call].trace.calls if d.name in self.events]
            asked.update(below)
            first = self._first_other(self.events[call])
            if first in self.survey.found and call in surely:
                surely.add(first)
        return asked, surely

    def _first_other(self, event: Event) -> str | None:
        """The first call below that is not known to give what it gave: stale, or fresh with another effect."""
        holds = self.survey.verifier.call_holds
        roots = (event.root, *trace_roots(event.trace))
        calls = (d for d in event.trace.calls if d.name in self.events)
        return next((d.name for d in calls if not holds((d.name, d.digest or ""), roots)), None)

    def _is_open(self, call: str) -> bool:
        """Whether the call decides anew what it calls: it changed itself."""
        found = self.survey.found.get(call)
        return found is not None and found.own

    def _planned(self, event: Event, is_asked: bool, is_sure: bool) -> PlannedCall:
        found = self.survey.found.get(event.id)
        reasons = () if found is None else found.reasons
        state = HIT if found is None else found.state if is_asked else UNKNOWN
        sure = is_sure and self._is_open(event.id) and not any(r.link == "input" or r.cue == "input" for r in reasons)
        own, certain = self._own_time(event), state == HIT or (sure and not self._may_return(event))
        return PlannedCall(event.id, event.title, event.fname, state, reasons, event.elapsed, own, certain)

    def _may_return(self, event: Event) -> bool:
        """Whether an older run may be a hit once calls below it were made again."""
        survey = self.survey
        runs = survey.probe.events(event.id, ()) if survey.found.get(event.id) else ()
        return any(e.trace.calls and not survey.verifier.own_broken(e.trace) for e in runs)

    def _own_time(self, event: Event) -> float:
        """The recorded time without the calls below that ran inside."""
        began = event.created - event.elapsed
        below = [self.events[c.name] for c in event.trace.calls if c.name in self.events]
        inside = sum(b.elapsed for b in below if began <= b.created - b.elapsed and b.created <= event.created)
        return max(0.0, event.elapsed - inside)
