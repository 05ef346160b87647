"""What is to be accepted, and how: stored results get a trace of today, though something of it changed.

A person said that the change does not matter.  Nothing runs.  Calls below come first, so that their callers are hits
again; what cannot be accepted is `left`, with why.
"""

from __future__ import annotations

import os
import time

from cachepy.calls.todays_trace import DATA, Today, function_of
from cachepy.code.namer import LOCAL
from cachepy.core.kinds import ACCEPTANCE, CODES, KINDS, LEFT, WROTE
from cachepy.core.marks import moved_from
from cachepy.core.model import ACCEPTED, Dep, Event, Record, Report, Trace
from cachepy.core.prompt import lines_of
from cachepy.core.verify import Verifier, roots_of
from cachepy.errors import EntryError, UsageError
from cachepy.store.layout import unwritable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.calls.live_world import LiveWorld
    from cachepy.calls.state import State
    from cachepy.code.fingerprint import CodeFingerprint
    from cachepy.core.reasons import Reason
    from cachepy.store.entries import Stored

    Wanted = tuple[str, str]  # a call, and the effect of the run that is meant

_FIXED = {
    "file_args": "it looks at other arguments for files now",
    "ignore_args": "it has another key now",
    "changes": "what it changes of its arguments was not stored",
}  # what was declared and cannot be accepted
PYTHON = "python"  # stands for the version of Python, where a package is named


class Accepted(Report, defaults=({},)):
    """What `cache_tree_accept` and ``f.accept`` did; ``str()`` gives one sentence.

    Attributes
    ----------
    accepted : dict of str to tuple of Reason
        Ids of calls whose stored results are fresh now, with what had changed. With ``undo``: of those that are not
        accepted any more.
    left : dict of str to str
        Ids of calls that were not accepted, with why.
    renamed : dict of str to str, default {}
        Of accepted calls that had another name, or other parameters: their ids, with those of before.

    Examples
    --------
    >>> from cachepy import cache_tree_accept
    >>> done = cache_tree_accept()
    >>> done.accepted, done.left
    ({}, {})
    """

    __slots__ = ("accepted", "left", "renamed")
    accepted: dict[str, tuple[Reason, ...]]
    left: dict[str, str]
    if TYPE_CHECKING:
        renamed: dict[str, str] = {}
    else:
        renamed: dict[str, str]

    def __str__(self) -> str:
        counts = {"accepted": len(self.accepted), "not accepted": len(self.left)}
        return ", ".join(f"{number:,} {text}" for text, number in counts.items() if number) or "nothing to accept"

    def __repr__(self) -> str:
        """For a prompt: the sum, and each call with why."""
        done = [f"  accepted  {call}: {'; '.join(map(str, reasons))}" for call, reasons in self.accepted.items()]
        return lines_of(str(self), done + [f"  left      {call}: {why}" for call, why in self.left.items()])


class Step(Record):
    """One run that is to be accepted: its trace of today, why it is stale, and all code that this names."""

    __slots__ = ("event", "trace", "reasons", "reaches")
    event: Event
    trace: Trace
    reasons: tuple[Reason, ...]
    reaches: tuple[CodeFingerprint, ...]


class Acceptance:
    """A plan: look at calls by `add`, then `store`.

    Parameters
    ----------
    session : State
        Whose cache directories they are in.
    world : LiveWorld
        Today.
    own : tuple of str
        The name and the digest of the code of the function that is asked.
    placed : callable
        Gives a run with the names of its files as the world is to look for them.
    files : bool
        Whether changed files may be accepted too.
    package : str
        Accept nothing but another version of this package.
    """

    def __init__(
        self, session: State, world: LiveWorld, own: tuple[str, str] = ("", ""),
        placed: Callable[[Event], Event] = lambda event: event, *, files: bool = False, package: str = "",
    ) -> None:  # fmt: skip
        self.session = session
        self.world = world
        self.placed = placed
        self.files = files
        self.package = package
        self.own = own
        self.verifier = Verifier(world, own)
        self.steps: dict[Wanted, Step] = {}  # those below first
        self.left: dict[str, str] = {}
        self._done: set[Wanted] = set()
        self._errors: dict[str, str] = {}
        self._runs: dict[str, list[Event]] = {}

    def add(self, call: str) -> None:
        """Plan to accept a call, with what it needs of the calls below; those that are fresh need nothing."""
        runs = self._runs_of(call)
        if any(self.verifier.holds(self.placed(event).trace) for event in runs):
            return
        if not runs:
            self.left[call] = self._errors.get(call, "no result of it is stored")
            return
        self._walk((call, self._best(runs).trace.effect))

    def _walk(self, wanted: Wanted) -> None:
        todo, entered = [wanted], set[tuple[str, str]]()
        while todo:
            at = todo[-1]
            if at in self._done:
                todo.pop()
                continue
            runs = [each for each in self._runs_of(at[0]) if each.trace.effect == at[1]]
            run = self._best(runs) if runs else None
            below = [] if run is None or at in entered else self._broken_below(run)
            entered.add(at)
            more = [each for each in below if each not in self._done and each not in entered]
            if more:
                todo += more
                continue
            todo.pop()
            self._done.add(at)
            self._settle(at, run)

    def _broken_below(self, run: Event) -> list[Wanted]:
        return [(dep.name, dep.digest or "") for dep in self.verifier.broken_calls(run.trace)]

    def _runs_of(self, call: str) -> list[Event]:
        """The stored runs of a call, newest first; why there are none is kept."""
        if call not in self._runs:
            self._runs[call] = []
            for store in self.session.stores:
                try:
                    stored = store.look(call)
                except (EntryError, OSError) as error:
                    self._errors[call] = str(error)
                    continue
                if stored is not None:
                    self._runs[call] = stored.events
                    break
        return self._runs[call]

    def _best(self, runs: list[Event]) -> Event:
        """Of several runs the one that differs least from today: not by a file, nor by a variable, if there is such."""
        if len(runs) == 1:
            return runs[0]
        last = self.world.last_valid(runs)
        return min(runs, key=lambda event: self._rank(event, is_last=event.run == last.run))

    def _rank(self, event: Event, *, is_last: bool) -> tuple[int, ...]:
        """How much of a run is not as it was; the least is meant."""
        own = self.verifier.own_broken(self.placed(event).trace)
        reasons = sum(len(KINDS[dep.kind].why(dep, self.world)) for dep in own)
        data = sum(dep.kind in DATA for dep in own)
        return data, sum(dep.kind not in CODES for dep in own), reasons, not is_last

    def _settle(self, wanted: Wanted, run: Event | None) -> None:
        """All below is settled: plan this one, or say why not."""
        call = wanted[0]
        if run is None:
            self.left[call] = self._errors.get(call, "it gave another result since, so its caller has to run")
            return
        here = self.placed(run)
        own = self._not_as_it_was(run, here)
        why = self._why_not_below(run) or self._why_not(here, own)
        if not why and (own or self._has_to_be_stored(run)):
            step = self._step(run, here, own)
            why = self._why_not_step(step)
            if not why:
                self.steps[wanted] = step
        if why:
            self.left[call] = why
        else:
            self.verifier.held(run, run.trace.effect)

    def _not_as_it_was(self, run: Event, here: Event) -> list[Dep]:
        """The deps of a run, as they are looked for here, that need a digest of today."""
        return self.verifier.own_broken(here.trace)

    def _has_to_be_stored(self, run: Event) -> bool:
        """Whether a run is to be stored anew though all of it is as it was."""
        return False

    # -- why not

    def _why_not_below(self, run: Event) -> str:
        for call, _ in self._broken_below(run):
            title = self.world.title(call, roots_of(run.trace))
            return f"{title} below it is not accepted: {self.left.get(call, 'it goes in a circle')}"
        return ""

    def _why_not(self, here: Event, own: list[Dep]) -> str:
        reasons = self._reasons(own)
        wrote = {dep.name for dep in here.trace.deps if dep.kind in WROTE or dep.kind in LEFT}
        for dep in own:
            if dep.kind in DATA:
                text = str(KINDS[dep.kind].why(dep, self.world)[0])
                if dep.name in wrote:
                    return f"{text}, which it wrote"
                if not self.files:
                    return text
        for reason in reasons:
            if reason.cue == "declared" and reason.name in _FIXED:
                return f"{reason}: {_FIXED[reason.name]}"
            if reason.cue in ("gone", "unknown"):
                return str(reason)
        others = [reason for reason in reasons if not self._is_wanted(reason)]
        if self.package and others:
            return f"not only {self.package}: {others[0]}"
        return self._why_no_call(here) if any(dep.kind in CODES for dep in own) else ""

    def _is_wanted(self, reason: Reason) -> bool:
        return reason.cue == "package" and reason.name == self.package and bool(reason.old and reason.new)

    def _why_no_call(self, here: Event) -> str:
        """Why no program can make this call any more, as far as its function tells."""
        function = function_of(self.world, here)
        if function is None and LOCAL in here.qualname:
            return f"{here.fname} exists only while its program runs: say {here.fname}.accept(...) there"
        if function is None:
            return f"{here.module}:{here.qualname} is no cached function in this process"
        names, binder = set(here.label), function.binder
        if function.fname != here.fname or (not binder.gathers and set(binder.names) != names):
            return f"{here.fname} has other parameters now, so this is a different call; see --parameter"
        return ""

    def _why_not_step(self, step: Step) -> str:
        now = step.event.replace(trace=step.trace)
        broken = self.verifier.own_broken(self.placed(now).trace)
        return "" if not broken else "; ".join(map(str, self._reasons(broken)[:2]))

    def _reasons(self, own: list[Dep]) -> list[Reason]:
        return list(dict.fromkeys(r for dep in own for r in KINDS[dep.kind].why(dep, self.world)))

    # -- the trace of today

    def _step(self, run: Event, here: Event, own: list[Dep]) -> Step:
        named = dict(zip(here.trace.deps, run.trace.deps, strict=True))
        today = Today(self.session, self.world, run, self.own, self._known_below(run))
        trace = today.trace([named[dep] for dep in own], function_of(self.world, run))
        return Step(run, trace, tuple(self._reasons(own)), tuple(today.reaches))

    def _known_below(self, run: Event) -> set[str]:
        """The identities of its function, and of those that were called below it."""
        return {f"{each.module}:{each.qualname}" for each in self.session.stores.subtree(run)}

    # -- storing

    def planned(self) -> Accepted:
        """What would be done."""
        return self._told({step.event.id: step.reasons for step in self.steps.values()})

    def _told(self, done: dict[str, tuple[Reason, ...]]) -> Accepted:
        return Accepted(done, dict(self.left), {})

    def store(self) -> Accepted:
        """Store what was planned."""
        who, when = _user(), time.strftime("%Y-%m-%dT%H:%M:%S%z")
        done: dict[str, tuple[Reason, ...]] = {}
        for step in self.steps.values():
            call = step.event.id
            why = next((c.name for c in step.event.trace.calls if c.name in self.left), "")
            why = f"{why} below it is not accepted" if why else self._store(step, self._mark(step, who, when))
            if why:
                self.left[call] = why
            else:
                done[call] = step.reasons
        return self._told(done)

    def _mark(self, step: Step, who: str, when: str) -> Dep:
        """What says in the trace who accepted it, and when."""
        return Dep(ACCEPTED, who, when)

    def _keep_code(self, store: Any, step: Step) -> None:
        for reach in step.reaches:
            self.session.stored_code.keep(store, reach.digest, reach.pieces)

    def _store(self, step: Step, mark: Dep) -> str:
        """Store one; why not, if it cannot be."""
        from cachepy.store.accepted_runs import add_run

        def put(store: Any, stored: Stored) -> Event | None:
            runs = [event.run for event in stored.events]
            if runs != [event.run for event in self._runs_of(step.event.id)]:
                raise EntryError("it ran meanwhile")
            self._keep_code(store, step)
            trace = Trace((*step.trace.deps, mark), step.trace.calls, step.trace.result)
            event = step.event.replace(run=os.urandom(16).hex(), trace=trace, seen=time.time())
            return add_run(store, event, stored, runs.index(step.event.run))

        return changed(self.session, step.event, put)


def changed(
    session: State, event: Event, change: Callable[[Any, Stored], Event | None], source: str = ""
) -> str:
    """Change what is stored of a call while nobody runs it; why not, if that cannot be.

    change: gives the run that is the newest from then on, if there is one; source: the call whose entry it is given,
    if not that of this one.
    """
    store: Any = session.store(event.root)
    claim = None
    try:
        claim = session.claims.acquire(store.claim_path(event.id), lambda: store.prepare(event.id))
        if claim is None:
            return "it is running now"
        stored = store.look(source or event.id)
        if stored is None:
            return "its result is gone"
        newest = change(store, stored)
        if newest is not None:
            session.recorder.record(newest)
    except EntryError as error:
        return str(error)
    except OSError as error:
        return unwritable(store.root, error)
    finally:
        if claim is not None:
            session.claims.release(claim)
    return ""


def take_back(session: State, call: str) -> str | None:
    """Remove what was accepted of a call; None if there was nothing, else why not, or an empty text."""
    events = session.stores.events(call)
    runs = {event.run for event in events if is_accepted(event)}
    if not runs:
        return None
    from cachepy.store.accepted_runs import take_out

    why = changed(session, events[0], lambda store, now: take_out(store, now, runs))
    source = next(filter(None, (moved_from(event.trace) for event in events)), "")
    if source and not why and all(map(is_accepted, events)):  # nothing is left here: what it was is made again
        from cachepy.graph.program_files import Programs

        Programs(session.store(events[0].root)).swap({call: source})
    return why


def is_accepted(event: Event) -> bool:
    """Whether a person accepted this run."""
    return any(dep.kind in ACCEPTANCE for dep in event.trace.deps)


def check_writes(session: State) -> None:
    """UsageError if the program is told to write nothing."""
    if session.is_quiet:
        raise UsageError(f"nothing can be accepted while nothing is written: CACHEPY or mode is {session.mode!r}")


def _user() -> str:
    """Who says so."""
    import getpass

    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # a number without a name, as in a container
        return str(os.geteuid()) if hasattr(os, "geteuid") else "?"
