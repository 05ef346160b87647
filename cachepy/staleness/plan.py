"""What would run if the roots were called again, in order, with its cause and its recorded time.

Nothing runs.  A call that changed itself may call other things than it did.  What changed itself below it would run if
it is made again, which is not certain; what is only above something that changed is `unknown`, not guessed.
"""

from __future__ import annotations

from _collections_abc import Iterable

from cachepy.calls.state import current_session
from cachepy.core.model import Event, Item, Report
from cachepy.core.prompt import lines_of
from cachepy.core.reasons import Reason
from cachepy.core.verify import roots_of as trace_roots
from cachepy.errors import UsageError, UsageValueError
from cachepy.staleness.survey import survey
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from cachepy.staleness.survey import Finding, Survey

    Roots = str | Iterable[str] | None

HIT, STALE, MISSING, UNKNOWN = "hit", "stale", "missing", "unknown"
RESULTS = "if a result that it uses changes"
CALLERS = "if a call above it makes it again"
RENEWED = "if its arguments are different again"
UNSEEN = "if what could not be checked has changed"


class PlannedCall(Item):
    """One call of a `Plan`.

    Attributes
    ----------
    id : str
        As in `cache_tree_nodes`.
    label : str
        The call for people: ``load('03.csv')``.
    fname : str
        The function's name.
    state : {"hit", "stale", "missing", "unknown"}
        A stale or missing call would run if it is made. "unknown" is what nobody can know: something that counts could
        not be looked at, or a call above it decides anew, and itself it is as it was.
    reasons : tuple of Reason
        Why it is not a hit, root causes first.
    elapsed : float
        The recorded length of its run, in seconds.
    own : float
        The part of it that is not in calls below, in seconds.
    certain : bool
        Whether it surely runs, or surely is a hit, if nothing else changes.
    doubt : str
        What it hangs on whether it runs, as ``"if ..."``; empty for what is certain.
    runs : bool
        Whether the plan names it as one that would run.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cachepy import cache_file, cache_tree_plan
    >>> @cache_file("cache")
    ... def load(path):
    ...     return path.read_text()
    >>> _ = Path("a.txt").write_text("one"), load(Path("a.txt")), Path("a.txt").write_text("two")
    >>> call, = cache_tree_plan()
    >>> call.label, call.state, call.runs, call.reasons[0].cue
    ('load(a.txt)', 'stale', True, 'file')
    """

    __slots__ = ("id", "label", "fname", "state", "reasons", "elapsed", "own", "doubt")
    id: str
    label: str
    fname: str
    state: str
    reasons: tuple[Reason, ...]
    elapsed: float
    own: float
    doubt: str

    @property
    def certain(self) -> bool:
        """Whether it surely runs, or surely is a hit."""
        return not self.doubt

    @property
    def runs(self) -> bool:
        """Whether the plan names it as one that would run."""
        return self.state in (STALE, MISSING)

    def __str__(self) -> str:
        why = next(map(str, self.reasons), self.doubt)
        return f"{self.label} is {'a hit' if self.state == HIT else self.state}{f': {why}' if why else ''}"


class Plan(Report):
    """What would run, made by `cache_tree_plan`; ``str()`` gives the sum.

    Takes ``len``, and a loop over its calls.

    Attributes
    ----------
    calls : tuple of PlannedCall
        In the order in which they would end.
    unseen : tuple of str
        Modules whose code could not be looked at; calls that go by it are unknown.
    running : tuple of PlannedCall
        The calls that are stale or missing.
    certain, possible : tuple of PlannedCall
        Of what is not a hit: what surely runs; all of it, which is the most that runs of these calls.
    counts : dict of str to int
        How many calls are in each state.
    seconds : float
        The recorded time of `running`, one after another, in seconds.
    saved : float
        The recorded time of what is reused, in seconds.

    Examples
    --------
    >>> from cachepy import cache_tree_plan
    >>> plan = cache_tree_plan()
    >>> len(plan), plan.counts
    (0, {'hit': 0, 'stale': 0, 'missing': 0, 'unknown': 0})
    """

    __slots__ = ("calls", "unseen")
    calls: tuple[PlannedCall, ...]
    unseen: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.calls)

    def __iter__(self) -> Iterator[PlannedCall]:
        return iter(self.calls)

    @property
    def running(self) -> tuple[PlannedCall, ...]:
        """The calls that are stale or missing."""
        return tuple(c for c in self.calls if c.runs)

    @property
    def certain(self) -> tuple[PlannedCall, ...]:
        """The calls that surely run."""
        return tuple(c for c in self.possible if c.certain)

    @property
    def possible(self) -> tuple[PlannedCall, ...]:
        """The calls that may run: all that are no hits."""
        return tuple(c for c in self.calls if c.state != HIT)

    @property
    def counts(self) -> dict[str, int]:
        """How many calls are in each state."""
        return {state: sum(c.state == state for c in self.calls) for state in (HIT, STALE, MISSING, UNKNOWN)}

    @property
    def seconds(self) -> float:
        """The recorded time of what is stale or missing (s), one after another."""
        return _seconds(self.running)

    @property
    def saved(self) -> float:
        """The recorded time of what is reused (s)."""
        return _seconds(c for c in self.calls if c.state == HIT)

    def __str__(self) -> str:
        if not self.calls:
            return "no calls recorded"
        certain, possible, hits = self.certain, self.possible, self.counts[HIT]
        text = f"{len(certain):,} of {humanize.count(len(self.calls), 'call')} would run"
        text += f", about {humanize.span(_seconds(certain))}" if certain else " for certain" if possible else ""
        if len(possible) > len(certain):
            text += f"; up to {len(possible):,}, about {humanize.span(_seconds(possible))}, {self._doubt()}"
        return f"{text}; {hits:,} {'is' if hits == 1 else 'are'} reused, {humanize.span(self.saved)} saved"

    def __repr__(self) -> str:
        """For a prompt: the sum, and the first calls that may run, with why."""
        lines = [f"  {c.state:<8}{c.label}: {next(map(str, c.reasons), c.doubt)}" for c in self.possible]
        return lines_of(str(self), lines)

    def _doubt(self) -> str:
        """What it hangs on how much runs."""
        doubts = {c.doubt for c in self.possible}
        texts = [text for doubt, text in _HANGS_ON.items() if doubt in doubts]
        return f"depending on {' and '.join(texts)}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        calls = [
            {**dict(zip(c._fields, c.astuple(), strict=True)), "certain": c.certain, "runs": c.runs} for c in self.calls
        ]
        for call in calls:
            call["reasons"] = [r.as_dict() for r in call["reasons"]]
        sums: dict[str, Any] = {"counts": self.counts, "seconds": self.seconds, "saved": self.saved, "text": str(self)}
        for name, some in (("certain", self.certain), ("possible", self.possible)):
            sums[name] = {"calls": len(some), "seconds": _seconds(some)}
        return {"calls": calls, **sums, "unseen": list(self.unseen)}


def _seconds(calls: Iterable[PlannedCall]) -> float:
    return sum(c.own for c in calls)


_HANGS_ON = {
    RESULTS: "whether results change", CALLERS: "what changed calls make", UNSEEN: "what could not be checked",
    RENEWED: "arguments that are never the same twice",
}  # fmt: skip


def cache_tree_plan(
    root: str | Iterable[str] | None = None, *, import_code: bool = False, history: bool = False
) -> Plan:
    """What would run if the program ran again: which calls, why, and for about how long.

    Nothing runs and nothing is changed by asking. Only calls of the graph in memory are known: in a new process
    call `cache_tree_sync` first.

    Parameters
    ----------
    root : str or iterable of str, optional
        Ids of calls or names of functions: only these and what they depend on. By default every call that no
        other made.
    import_code : bool, default False
        What is loaded here is looked at as it is, all other code by its source files. Import the modules of what these
        do not tell, in a process of their own: a cached call that would run there ends the import. Without this, or
        where it fails, such calls are unknown.
    history : bool, default False
        Also the calls that their programs no longer make.

    Returns
    -------
    Plan
        A run of the program that changes nothing else runs the calls that are ``certain``, no hit, and maybe others of
        those that are ``possible``, or new ones.

    Raises
    ------
    UsageValueError
        If a root is neither an id nor the name of a function in the graph.

    See Also
    --------
    cache_tree_stale : The stale calls, in no order.
    cache_tree_refresh : Run them.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cachepy import cache_file, cache_tree_plan
    >>> @cache_file("cache")
    ... def load(path):
    ...     return path.read_text()
    >>> _ = Path("a.txt").write_text("one"), load(Path("a.txt")), Path("a.txt").write_text("two")
    >>> print(cache_tree_plan())  # doctest: +ELLIPSIS
    1 of 1 call would run, about ...; 0 are reused, 0 ms saved
    """
    from cachepy.core.progress import watched

    shown = history or root is not None
    each = watched("looking at calls")
    found = survey(current_session(), import_code=import_code, each=each, history=shown)
    return plan_of(found, root, history=history)


def plan_of(survey: Survey, root: Roots = None, *, history: bool = False) -> Plan:
    """The plan from what a survey found."""
    return Planner(survey).plan(roots_of(survey, root, history=history))


def roots_of(survey: Survey, root: Roots, *, history: bool = False) -> list[str]:
    """The ids that roots stand for; UsageValueError names one that means nothing.

    Of a function only the calls that are no history, if there are such, unless all are wanted.
    """
    if root is None:
        return _tops(survey)
    names = [root] if isinstance(root, str) else list(root) if hasattr(root, "__iter__") else [root]
    found: list[str] = []
    for name in names:
        if not isinstance(name, str):
            raise UsageError(f"root must be the id of a call, the name of a function, or several, not {name!r}")
        calls = [name] if name in survey.events else [c for c, e in survey.events.items() if e.fname == name]
        if not calls:
            known = sorted({e.fname for e in survey.events.values()})
            there = f"its functions are {', '.join(known)}" if known else "it is empty, cache_tree_sync() reads one"
            raise UsageValueError(f"root={name!r} is no call of this graph: give an id or a function's name; {there}")
        found += calls if history else current_of(calls, survey.past)
    return found


def current_of(calls: list[str], past: set[str]) -> list[str]:
    """Those that are no history; if all are, whoever named them means them."""
    return [call for call in calls if call not in past] or calls


def _tops(survey: Survey) -> list[str]:
    """The calls that no other made, and one of each circle that is below none of them."""
    called = {d.name for e in survey.events.values() for d in e.trace.calls}
    current = [c for c in survey.events if c not in survey.history]
    tops = [c for c in current if c not in called]
    seen: set[str] = set()
    for top in tops:
        _mark(survey, top, seen)
    if len(seen) < len(survey.events):
        parents_of = survey.session.graph.parents_of
        for call in sorted((c for c in current if c not in seen), key=lambda c: (bool(parents_of(c)), c)):
            if call not in seen:
                tops.append(call)
                _mark(survey, call, seen)
    return tops


def _mark(survey: Survey, call: str, seen: set[str]) -> None:
    todo = [call]
    while todo:
        call = todo.pop()
        if call not in seen and call in survey.events:
            seen.add(call)
            todo += [d.name for d in survey.events[call].trace.calls]


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
        inputs = [*self.graph.sources_of(call).values(), *(self.graph.inputs_of(event).values() if event.args else ())]
        named = dict.fromkeys([*inputs, *(d.name for d in event.trace.calls)])
        return [c for c in named if c in self.events and c not in self.survey.history]

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
        return found is not None and (found.own or found.state == UNKNOWN)

    def _planned(self, event: Event, is_asked: bool, is_sure: bool) -> PlannedCall:
        found, own = self.survey.found.get(event.id), self._own_time(event)
        if found is None:
            return PlannedCall(event.id, event.title, event.fname, HIT, (), event.elapsed, own, "")
        state = found.state if is_asked or found.own else UNKNOWN
        doubt = self._doubt(event, found, is_sure=is_sure, is_asked=is_asked)
        return PlannedCall(event.id, event.title, event.fname, state, found.reasons, event.elapsed, own, doubt)

    def _doubt(self, event: Event, found: Finding, *, is_sure: bool, is_asked: bool) -> str:
        """What it hangs on whether a call that is no hit runs."""
        if found.state == UNKNOWN:
            return RENEWED if found.reasons[0].cue == "renewed" else UNSEEN
        if not is_asked:
            return CALLERS
        is_fed = any(call in self.survey.found for call in self.graph.inputs_of(event).values())
        return "" if is_sure and found.own and not is_fed and not self._may_return(event) else RESULTS

    def _may_return(self, event: Event) -> bool:
        """Whether an older run may be a hit once calls below it were made again."""
        survey = self.survey
        runs = survey.world.events(event.id, ()) if survey.found.get(event.id) else ()
        return any(e.trace.calls and not survey.verifier.own_broken(survey.world.dated(e).trace) for e in runs)

    def _own_time(self, event: Event) -> float:
        """The recorded time without the calls below that ran inside."""
        began = event.created - event.elapsed
        below = [self.events[c.name] for c in event.trace.calls if c.name in self.events]
        inside = sum(b.elapsed for b in below if began <= b.created - b.elapsed and b.created <= event.created)
        return max(0.0, event.elapsed - inside)
