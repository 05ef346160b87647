"""Runs what is stale, and only that: bottom up, side by side where there are workers.

Each round looks at the graph, makes the stale calls whose own inputs are settled, and goes up as long as
results change.  Where a call is made is a runner's business: here, or wherever a plugin of the session
knows how to (`Hooks.runner`).
"""

from __future__ import annotations

import sys
from _collections_abc import Iterable

from cachepy.calls.import_refusal import refuse
from cachepy.calls.live_world import LiveWorld
from cachepy.calls.program import program
from cachepy.calls.replay import Replay
from cachepy.calls.state import State, current_session, refuse_if_quiet
from cachepy.code.fingerprint import resolve
from cachepy.core.model import Event, Report
from cachepy.core.prompt import lines_of
from cachepy.core.verify import Verifier
from cachepy.errors import RerunError, UsageError
from cachepy.graph.handed import handed_in, is_between
from cachepy.graph.numbers import digests_of
from cachepy.staleness.job import HereRunner, Job
from cachepy.staleness.plan import UNKNOWN, roots_of
from cachepy.staleness.survey import Survey, imports_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cachepy.core.ports import Runner
    from cachepy.staleness.job import Place
    from cachepy.staleness.plan import Roots

_TIMES = 2  # that one call is made: once more if what it goes by was made again meanwhile
_ROUNDS = 100  # after each, calls that changed themselves have shown what they call now


class Refreshed(Report):
    """What `cache_tree_refresh` did; ``str()`` gives one sentence.

    Attributes
    ----------
    ran : tuple of str
        Ids of the calls that ran, in the order in which they ended.
    cut : tuple of str
        Those that did not have to run, since all that they go by gave what it gave before.
    failed : dict of str to BaseException
        Ids of calls with what they raised.
    left : dict of str to str
        Ids of calls that are stale still, with why.

    Examples
    --------
    >>> from cachepy import cache_tree_refresh
    >>> done = cache_tree_refresh()
    >>> done.ran, done.cut, done.failed, done.left
    ((), (), {}, {})
    """

    __slots__ = ("ran", "cut", "failed", "left")
    ran: tuple[str, ...]
    cut: tuple[str, ...]
    failed: dict[str, BaseException]
    left: dict[str, str]

    def __str__(self) -> str:
        counts = {
            "ran": self.ran, "did not have to run": self.cut, "failed": self.failed, "could not be run": self.left,
        }  # fmt: skip
        parts = [f"{len(calls):,} {text}" for text, calls in counts.items() if calls]
        return ", ".join(parts) or "nothing was stale"

    def __repr__(self) -> str:
        """For a prompt: the sum, and what did not run, with why."""
        failed = [f"  failed  {call}: {type(error).__name__}: {error}" for call, error in self.failed.items()]
        return lines_of(str(self), failed + [f"  stale   {call}: {why}" for call, why in self.left.items()])


class Refresh:
    """One refresh: rounds of looking and running, until nothing is stale that can be helped."""

    def __init__(
        self, session: State, runner: Runner, root: Roots, tell: Callable[[int, int], None], *, history: bool
    ) -> None:
        self.session = session
        self.history = history
        self.runner = runner
        self.root = root
        self.tell = tell
        self.cut: dict[str, None] = {}
        self.failed: dict[str, BaseException] = {}
        self.left: dict[str, str] = {}
        self.made: dict[str, int] = {}  # how often each call was made
        self.became: dict[str, Place] = {}  # a call that was fed with new results -> the call that this was
        self.imports = imports_of(session)
        self._added: list[str] = []  # folders of modules, for imports of calls that are made here

    def run(self) -> Refreshed:
        """Do it."""
        program.pauses += 1
        try:
            return self._run()
        finally:
            program.pauses -= 1
            for folder in self._added:
                if folder in sys.path:
                    sys.path.remove(folder)

    def load(self, event: Event) -> None:
        """Have the module of a call loaded here, if another process could import it without harm; else RerunError."""
        if resolve(event.module, "*") is not None:
            return
        why = self.imports.found.failed.get(event.module)
        if why is not None:
            raise RerunError(f"{event.title} cannot be run again: {why}")
        more = [folder for folder in self.imports.folders(event.module) if folder not in sys.path]
        self._added += more
        sys.path += more

    def _run(self) -> Refreshed:
        before: dict[str, Event] | None = None
        for _ in range(_ROUNDS):
            now = Round(self)
            if before is None:
                before = now.events
            if not now.run():
                break
        return self._result(before or {}, now.survey)

    def _result(self, before: dict[str, Event], last: Survey) -> Refreshed:
        after = self.session.graph.events()
        ran = sorted((e.created, e.id) for e in after if _is_newer(e, before.get(e.id)))
        done = {call for _, call in ran}
        cut = tuple(c for c in self.cut if c not in done and c not in last.found)
        left = {c: text for c, text in self.left.items() if c in last.found or c in last.history}
        return Refreshed(tuple(call for _, call in ran), cut, self.failed, left)


def _is_newer(event: Event, before: Event | None) -> bool:
    """Whether a call ran since; it may also be an older run of it that holds again."""
    return before is None or (event.run != before.run and event.created > before.created)


class Round:
    """The calls that are stale now, each made when what it goes by is settled."""

    def __init__(self, refresh: Refresh) -> None:
        self.refresh = refresh
        self.session = refresh.session
        self.graph = refresh.session.graph
        shown = refresh.history or refresh.root is not None
        self.survey = Survey(self.session, imports=refresh.imports, history=shown)
        self.events = self.survey.events
        self.runs = {event.id: event.run for event in self.events.values()}
        self.inputs: dict[str, dict[str, str]] = {}
        self.unclear: dict[str, set[str]] = {}  # arguments whose value several calls gave
        wanted = self._wanted(roots_of(self.survey, refresh.root, history=refresh.history) if self.events else [])
        self.waits = without_circles({call: {c for c in self._goes_by(call) if c in wanted} for call in wanted})
        self.above: dict[str, list[str]] = {}
        for call, below in self.waits.items():
            for each in below:
                self.above.setdefault(each, []).append(call)

    def _inputs(self, call: str) -> dict[str, str]:
        """Argument -> producer, as it is before this round changes results."""
        if call not in self.inputs:
            event = self.events[call]
            self.inputs[call] = self.graph.inputs_of(event)
            guessed = self.inputs[call].keys() - {name for name, *_ in handed_in(event.args)}
            known = [n for n in guessed if len(self._with_results(digests_of(event.args, n))) > 1]
            self.unclear[call] = set(known)
        return self.inputs[call]

    def _with_results(self, digests: Iterable[str]) -> set[str]:
        return {event.id for digest in digests for event in self.graph.with_result(digest)}

    def _goes_by(self, call: str) -> list[str]:
        """The calls that decide whether a call has to run; one that changed itself has to, whatever is below."""
        found = self.survey.found.get(call)
        calls = () if found is not None and found.own else self.events[call].trace.calls
        named = [*self.graph.sources_of(call).values(), *self._inputs(call).values(), *(d.name for d in calls)]
        return [c for c in dict.fromkeys(named) if c in self.events]

    def _wanted(self, roots: Iterable[str]) -> dict[str, None]:
        """The stale calls that are asked for: what is below one that changed itself, that one decides."""
        wanted: dict[str, None] = {}
        todo = list(roots)
        seen = set(todo)
        while todo:
            call = todo.pop()
            if self._is_open(call) and call not in self.refresh.failed and call not in self.refresh.left:
                wanted[call] = None
            below = [c for c in self._goes_by(call) if c not in seen]
            seen.update(below)
            todo += below
        return wanted

    def _is_open(self, call: str) -> bool:
        found = self.survey.found.get(call)
        return found is not None and (found.state != UNKNOWN or found.reasons[0].cue == "unseen")

    def run(self) -> bool:
        """Make them; whether any was made, so that there may be more to see."""
        ready = [call for call, below in self.waits.items() if not below]
        under_way, made, total = 0, 0, len(self.waits)
        while ready or under_way:
            while ready:
                call = ready.pop()
                if self._start(call):
                    under_way += 1
                else:
                    ready += self._settled(call)
            if under_way:
                call, outcome = self.refresh.runner.wait()
                under_way, made = under_way - 1, made + 1
                self.refresh.tell(made, total)
                self._ended(call, outcome)
                ready += self._settled(call)
        return made > 0

    def _settled(self, call: str) -> list[str]:
        """The calls that waited for this one last."""
        free = []
        for above in self.above.get(call, ()):
            self.waits[above].discard(call)
            if not self.waits[above]:
                free.append(above)
        return free

    def _start(self, call: str) -> bool:
        """Begin with a call; False if it need not or cannot be made."""
        event, failed = self.events[call], self.refresh.failed
        blocked = next((c for c in self._goes_by(call) if c in failed), None)
        if blocked is not None:
            self.refresh.left[call] = f"{self.events[blocked].title}, whose result it uses, failed"
            return False
        fed = self._fed(event)
        if fed and self.graph.parents_of(call):
            return False  # its caller knows best what to pass on
        between = next(filter(is_between, fed), None)
        if between is not None:
            giver = self.events[self._inputs(call)[between]].title
            self.refresh.left[call] = f"tasks that are not cached pass on what {giver} gives; run your program"
            return False
        unclear = sorted(self.unclear[call] & fed.keys())
        if unclear:
            text = f"several calls returned the value of its argument {unclear[0]}; call it as your program does"
            self.refresh.left[call] = text
            return False
        if not fed and self._is_fresh(call):
            self.refresh.cut[call] = None
            return False
        if self.refresh.made.get(call, 0) >= _TIMES:
            self.refresh.left[call] = "it is stale again after it ran: another call may write the same file"
            return False
        try:
            self.refresh.runner.start(self._job(event, fed))
        except RerunError as error:  # if it has a caller, that is made instead
            self.refresh.left[call] = str(error)
            return False
        self.refresh.made[call] = self.refresh.made.get(call, 0) + 1
        return True

    def _job(self, event: Event, fed: dict[str, Place]) -> Job:
        sources: dict[str, Place | None] = {
            event.args[name]: None if name in fed else (self.events[producer].root, producer)
            for name, producer in self._inputs(event.id).items()
            if name in event.args  # numbers among others are kept as they are
        }
        self.refresh.load(event)
        again = Replay(self.session, event, sources)
        call = again.call() if fed else again.ready()[0]
        return Job(event.id, call.wrapper, event, sources, fed)

    def _fed(self, event: Event) -> dict[str, Place]:
        """The arguments whose producers give something else now, or have become other calls."""
        fed: dict[str, Place] = {}
        for name, producer in self._inputs(event.id).items():
            became = self.refresh.became.get(producer)
            now = self.graph.event(producer)
            if became is not None:
                fed[name] = became
            elif now is not None and now.trace.result not in digests_of(event.args, name):
                fed[name] = now.root, producer
        return fed

    def _is_fresh(self, call: str) -> bool:
        verifier = Verifier(LiveWorld(self.session))
        return any(verifier.event_holds(event) for event in self.session.stores.events(call))

    def _ended(self, call: str, outcome: str | BaseException) -> None:
        self.session.refresh()
        if isinstance(outcome, RerunError):
            self.refresh.left[call] = str(outcome)
        elif isinstance(outcome, BaseException):
            self.refresh.failed[call] = outcome
        elif outcome != call:
            self.refresh.became[call] = self.events[call].root, outcome
        elif self.graph.run_of(call) == self.runs[call]:
            if self._is_fresh(call):
                self.refresh.cut[call] = None
            else:
                self.refresh.left[call] = "it ran, but its result was not stored: see the warnings"


def without_circles(waits: dict[str, set[str]]) -> dict[str, set[str]]:
    """Who waits for whom, less what would let calls wait for each other: the first that is met goes first.

    Calls depend on each other where nobody knew whose one was (see `bodies`).
    """
    ended: set[str] = set()
    for start, first in waits.items():
        path, todo = {start}, [(start, list(first))] if start not in ended else []
        while todo:
            call, below = todo[-1]
            if not below:
                todo.pop()
                ended.add(call)
                path.discard(call)
                continue
            each = below.pop()
            if each in path:
                waits[call].discard(each)
            elif each not in ended:
                path.add(each)
                todo.append((each, list(waits[each])))
    return waits


def cache_tree_refresh(
    client: object = None, *, root: str | Iterable[str] | None = None, history: bool = False
) -> Refreshed:
    """Run what is stale, and only that.

    Stale calls are made again from the bottom up, with the arguments that were kept beside their results (see
    `keep_args` of `cache_file`); the modules of their functions are imported. A call above does not run if the
    results below it turn out equal; one that takes the result of another call gets the new one.

    Parameters
    ----------
    client : distributed.Client, optional
        Make the calls on its cluster, side by side; it has to be connected by ``dask_plugin.connect(client)``.
        By default they are made here, one after another.
    root : str or iterable of str, optional
        Ids of calls or names of functions: only what is stale of these and of what they depend on. By default
        everything.
    history : bool, default False
        Also the calls that their programs no longer make.

    Returns
    -------
    Refreshed
        What ran, and what did not. Nothing is raised for a call that fails or whose function cannot be found: it is
        told there, and so is the way out.

    Raises
    ------
    UsageError
        If nobody knows how to run calls on the client.
    UsageValueError
        If a root is neither an id nor the name of a function in the graph.

    See Also
    --------
    cache_tree_plan : What would run, and for how long.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cachepy import cache_file, cache_tree_refresh
    >>> @cache_file("cache")
    ... def load(path):
    ...     return path.read_text()
    >>> _ = Path("a.txt").write_text("one"), load(Path("a.txt")), Path("a.txt").write_text("two")
    >>> print(cache_tree_refresh())
    1 ran
    >>> load.is_cached(Path("a.txt"))
    True
    """
    from cachepy.core.progress import Bar

    session = current_session()
    refuse(session, "cache_tree_refresh")
    refuse_if_quiet("cache_tree_refresh()")
    with Bar("refreshing") as bar:
        return Refresh(session, runner_of(session, client), root, bar.tell, history=history).run()


def runner_of(session: State, client: object) -> Runner:
    """What makes calls on a client; without one, here."""
    if client is None:
        return HereRunner()
    runner = session.hooks.runner(client)
    if runner is not None:
        return runner
    raise UsageError(f"cannot run calls on {client!r}: connect it first, with dask_plugin.connect(client)")
