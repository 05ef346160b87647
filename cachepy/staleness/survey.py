"""What would not be a hit now, and why: asks, runs nothing, and imports nothing of the user's unless told to.

A `Survey` looks at every call of the graph once, from the rows of the graph; only where those do not
hold it opens entries, which may have an older run that does.
"""

from __future__ import annotations

from cachepy.answers import StaleCalls
from cachepy.calls.state import State, current_session
from cachepy.core.kind import is_address
from cachepy.core.kinds import FILES, RECORDS
from cachepy.core.model import Dep, Event, Record
from cachepy.core.reasons import Reason
from cachepy.errors import EntryError
from cachepy.graph.graph import file_path, unpacked
from cachepy.graph.handed import PASSED, passed_on
from cachepy.graph.never_reused import may_be_renewed, renewed
from cachepy.staleness.api import graph_now, history_of
from cachepy.staleness.asked_world import AskedWorld, AskingVerifier, placed
from cachepy.staleness.bulk_verify import Holding
from cachepy.store.codec import PART, Quiet, args_in, deps_in, result_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from cachepy.staleness.imported_code import Imports
    from cachepy.store.codec import Row


_LINKED = {"call": "below", "input": "input"}  # cues that name another call only, and how that is reached


class Finding(Record):
    """A call that is not fresh: state is ``stale``, ``missing`` or ``unknown``; root causes first.

    own: whether something changed for the call itself, not only for calls that it goes by.
    """

    __slots__ = ("state", "reasons", "own")
    state: str
    reasons: tuple[Reason, ...]
    own: bool


class Survey:
    """Every call of a graph, looked at once; but for those that are history (see `Graph.history`).

    Parameters
    ----------
    session : State
        Whose graph it is.
    imports : Imports, optional
        Asks by importing modules what their source files do not tell.
    each : callable, optional
        Wraps the list of calls that are looked at, to show progress.
    look_at_code : bool
        Whether code is looked at: what is loaded here as it is, all else by its source files.
    history : bool, default False
        Look at those that are history too, as if they were not: `history` is empty then, `past` has them.
    """

    def __init__(
        self,
        session: State,
        *,
        imports: Imports | None = None,
        each: Callable[[list[str]], Iterable[str]] = iter,
        look_at_code: bool = True,
        history: bool = False,
    ) -> None:
        self.session = session
        self._shows_history = history
        self._rows = graph_now(session).rows()
        self._events: dict[str, Event] | None = None
        self.world = AskedWorld(session, self._rows, imports, look_at_code=look_at_code)
        self.verifier = AskingVerifier(self.world)
        with Quiet():
            holds = Holding(self._rows, self._listing, self.verifier.part_holds, each)
            holding = holds.effects
        doubtful = [self._event(call) for call in sorted(self._rows.keys() - holding.keys())]
        if doubtful:
            self.verifier.take(holding)
        broken = [event for event in doubtful if not self._holds(event)]
        self.found: dict[str, Finding] = {}
        self._older: dict[str, Event] = {}  # the run by which a call holds that does not by its row
        self._broken: dict[str, list[Dep]] = {}  # what of each stale call itself is not as it was
        self.past = self._findings(broken)
        self.history: set[str] = set() if history else self.past
        self._add_inputs()
        self._add_unclear()
        if holds.has_events or may_be_renewed(holds.parts):
            self._add_renewed()

    def _findings(self, broken: list[Event]) -> set[str]:
        """Find out about each call that does not hold by its row, but for those that are history, which it returns.

        A call may hold by an older run, as when a file was changed back: then it gives the result of that run, and
        what takes this one is history no more.
        """
        older: dict[str, str] = {}
        told = history_of(self.session)
        todo = {event.id: event for event in broken}
        while True:
            history = self.session.graph.history(older, told.dropped, told.made)
            known = len(older)
            for call in [call for call in todo if self._shows_history or call not in history]:
                found = self._finding(todo.pop(call))
                if isinstance(found, Finding):
                    self.found[call] = found
                else:
                    older[call], self._older[call] = found.trace.result, found
            if len(older) == known:
                return history

    @property
    def events(self) -> dict[str, Event]:
        """Every call as the graph has it, by its id."""
        if self._events is None:
            self._events = {event.id: event for event in unpacked(self._rows.values())}
        return self._events

    def _event(self, call: str) -> Event:
        event = self.world.recorded(call)
        assert event is not None, call
        return event

    def _listing(self, root: str, origin: str) -> set[str]:
        self.session.files.memo.attach(self.session.store(root).memo_file)
        return self.world.listing(root, origin)

    @property
    def unseen(self) -> list[str]:
        """The modules of code that could not be looked at."""
        return sorted({identity.partition(":")[0] for identity, _ in self.world.unclear})

    def _holds(self, event: Event) -> bool:
        """Whether the run that the graph knows holds."""
        if event.trace.calls:
            return self.verifier.call_holds((event.id, event.trace.effect), (event.root,))
        return self.world.is_stored(event) and self.verifier.own_holds(self.world.dated(placed(event)).trace)

    def _finding(self, event: Event) -> Finding | Event:
        """Why a call is not fresh; if an older run of it is, that one."""
        here = self.world.dated(placed(event))
        if not self.world.is_stored(event) or not self._is_readable(event):
            return Finding("missing", (self.world.why_missing(event), *self.verifier.reasons(here.trace)), own=True)
        events = list(self.world.events(event.id, ()))
        for each in events:
            if self.verifier.event_holds(each) and self.world.loads(each):
                return each
        broken = self._broken[event.id] = self.verifier.own_broken(self.verifier.last_valid(events).trace)
        return Finding("stale", tuple(self.verifier.why_not(events)), bool(broken))

    def _is_readable(self, event: Event) -> bool:
        try:
            return self.session.store(event.root).look(event.id) is not None
        except (EntryError, OSError):
            return False

    def _add_inputs(self) -> None:
        """What takes the result of a stale call is stale; all reasons are gathered."""
        takers: dict[str, list[str]] = {}
        for call, row in self._rows.items() if self.found else ():
            for digest in set(args_in(row).values()):
                takers.setdefault(digest, []).append(call)
        blamed: dict[str, Blame] = {}
        todo = list(self.found)
        while todo:
            cause = todo.pop()
            for call, link in self._above(cause, takers):
                if call not in self.found:
                    self.found[call] = Finding("stale", (), own=False)
                    todo.append(call)
                if call not in blamed:
                    blamed[call] = Blame(self.found[call].reasons)
                blamed[call].add(self._event(cause), blamed.get(cause), self.found[cause], link)
        for call, blame in blamed.items():
            self.found[call] = self.found[call].replace(reasons=blame.reasons())
        for call, made in self._to_be_made().items():
            self.found[call] = self._without(call, made)

    def _to_be_made(self) -> dict[str, set[str]]:
        """The files that stale calls will write, by the changed calls that read them."""
        graph, found = self.session.graph, dict[str, set[str]]()
        readers = {cause: [c for c in graph.readers_of(cause) if self._broken.get(c)] for cause in self.found}
        written = graph.written() if any(readers.values()) else {}
        for cause, calls in readers.items():
            for call in calls:
                found.setdefault(call, set()).update(written.get(cause, ()))
        return found

    def _without(self, call: str, made: set[str]) -> Finding:
        """Why a call is not fresh, but for files that stale calls make: it goes by those, and may be a hit then."""
        event, found = placed(self._event(call)), self.found[call]
        rest = [d for d in self._broken[call] if d.kind not in FILES or file_path(event, d.name) not in made]
        gone = {d.name for d in self._broken[call]} - {d.name for d in rest}
        reasons = tuple(r for r in found.reasons if r.link or r.name not in gone)
        return found.replace(reasons=reasons or found.reasons, own=bool(rest))

    def _add_unclear(self) -> None:
        """What goes by code that could not be looked at is unknown, and so is what goes by such calls."""
        passed = self._passed_on()
        if not (self.world.unclear or passed):
            return
        takers: dict[str, list[str]] = {}
        known: dict[bytes, tuple[Reason, ...]] = {}
        todo: list[str] = []
        for call, row in self._rows.items():
            for digest in set(args_in(row).values()):
                takers.setdefault(digest, []).append(call)
            if call not in self.found and call not in self.history:
                runs = self._older.get(call), self.verifier.chosen.get(call)  # by which it holds, maybe
                rows: list[Row] = [row, *(each for each in runs if each is not None)]
                reasons = next(filter(None, [self._unclear_in(each, known) for each in rows]), passed.get(call, ()))
                if reasons:
                    self.found[call] = Finding("unknown", reasons, own=True)
                    todo.append(call)
        while todo:
            cause = todo.pop()
            first = self.found[cause].reasons[0]
            for call, link in self._goes_by(cause, takers):
                if call not in self.found and call not in self.history:
                    reason = first if first.link else first.replace(call=self._event(cause).title, link=link)
                    self.found[call] = Finding("unknown", (reason,), own=False)
                    todo.append(call)

    def _passed_on(self) -> dict[str, tuple[Reason, ...]]:
        """What takes results by tasks that are not cached, where these were given something else since."""
        found: dict[str, tuple[Reason, ...]] = {}
        rows = [(call, row) for call, row in self._rows.items() if not isinstance(row, bytes) or PASSED in row]
        for call, row in rows:
            for giver, digest in passed_on(args_in(row)).items():
                if giver in self._rows and giver not in self.history and result_in(self._rows[giver]) != digest:
                    why = "that gives something else by now, so run your program"
                    name = f"what tasks make of {self._event(giver).title}"
                    found[call] = *found.get(call, ()), Reason("unseen", name, None, why)
        return found

    def _unclear_in(self, row: Row, known: dict[bytes, tuple[Reason, ...]]) -> tuple[Reason, ...]:
        """What of the code of a call could not be looked at; many calls have all deps in common."""
        part = row.split(PART, 2)[1] if isinstance(row, bytes) else b""
        if part in known:
            return known[part]
        unclear = self.world.unclear
        deps = deps_in(part) if isinstance(row, bytes) else [dep.astuple() for dep in row.trace.deps]
        may_be = [(name, digest or "") for kind, name, digest in deps if kind in RECORDS or is_address(name)]
        found = [unclear.get(each, ()) for each in may_be]
        reasons = tuple(dict.fromkeys(reason for each in found for reason in each))
        if part:
            known[part] = reasons
        return reasons

    def _goes_by(self, call: str, takers: dict[str, list[str]]) -> list[tuple[str, str]]:
        """The callers of a call, those that take its result, and those that read files which it wrote."""
        graph = self.session.graph
        takers_of = map(self._event, takers.get(self._event(call).trace.result, ()))
        found = [e.id for e in takers_of if call in graph.inputs_of(e).values()]
        found += graph.readers_of(call)
        return [*((c, "input") for c in found), *((c, "below") for c in graph.parents_of(call))]

    def _add_renewed(self) -> None:
        """What each program calls with another key; a hit above it asks for none."""
        for each in renewed(self._rows.values()):
            if each.call in self.found or each.call in self.history or self.session.graph.parents_of(each.call):
                continue
            reason = Reason("renewed", ", ".join(each.parts), str(each.programs), None)
            self.found[each.call] = Finding("unknown", (reason,), own=True)

    def _above(self, call: str, takers: dict[str, list[str]]) -> list[tuple[str, str]]:
        """The calls that go by a call: those that take its result, and its callers."""
        graph = self.session.graph
        takers_of = map(self._event, takers.get(self._event(call).trace.result, ()))
        found = [(e.id, "input") for e in takers_of if call in graph.inputs_of(e).values()]
        found += [(c, "input") for c in graph.readers_of(call)]
        # whether a caller holds was decided by its stored runs: it may well be fresh by an older one
        found += [(c, "below") for c in graph.parents_of(call) if c in self.found]
        return [(c, link) for c, link in found if c not in self.history]


class Blame:
    """The reasons of one call while causes in other calls are added; each in constant time."""

    __slots__ = ("_known", "_own", "_rest")

    def __init__(self, reasons: tuple[Reason, ...]) -> None:
        self._own = dict.fromkeys(r for r in reasons if r.cue not in _LINKED)
        self._rest = dict.fromkeys(r for r in reasons if r.cue in _LINKED)
        self._known = {(r.link, r.call) for r in self._own} | {(_LINKED[r.cue], r.name) for r in self._rest}

    @property
    def first(self) -> Reason | None:
        """The root cause, as far as it is known."""
        return next(iter(self._own), None)

    def add(self, cause: Event, blame: Blame | None, finding: Finding, link: str) -> None:
        """One call that this one goes by is not fresh."""
        if (link, cause.title) in self._known:
            return
        self._known.add((link, cause.title))
        first = (blame.first if blame is not None else None) or next(iter(finding.reasons), None)
        if first is not None and first.cue not in _LINKED:
            self._own.setdefault(first if first.link else first.replace(call=cause.title, link=link))
        if first is None or first.link or first.cue in _LINKED:
            self._rest.setdefault(Reason("call" if link == "below" else "input", cause.title, cause.id, None))

    def reasons(self) -> tuple[Reason, ...]:
        """Root causes first."""
        return (*self._own, *self._rest)


def cache_tree_stale(*, import_code: bool = False, history: bool = False) -> dict[str, dict[str, Any]]:
    """Every call of the graph that would not be a hit now, with every cause.

    Calls above a stale call, and calls that take its result as an argument, are stale too. Nothing runs and nothing
    is changed by asking. Only calls of the graph in memory are known: in a new process call `cache_tree_sync` first.

    Parameters
    ----------
    import_code : bool, default False
        What is loaded here is looked at as it is, all other code by its source files. Import the modules of what these
        do not tell, in a process of their own: a cached call that would run there ends the import. Without this, or
        where it fails, such calls are unknown.
    history : bool, default False
        Also the calls that their programs no longer make.

    Returns
    -------
    dict of str to dict
        Ids with ``{"node": node, "state": "stale", "missing" or "unknown", "reasons": list of Reason}``. "missing" says
        that the value is not on disk, "unknown" that something could not be looked at. Root causes come first.

    See Also
    --------
    cache_tree_changed_files : Only files, and only of the calls that read them.
    cache_tree_plan : What would run, in order, and for how long.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cachepy import cache_file, cache_tree_stale
    >>> @cache_file("cache")
    ... def load(path):
    ...     return path.read_text()
    >>> _ = Path("a.txt").write_text("one"), load(Path("a.txt")), Path("a.txt").write_text("two")
    >>> for call in cache_tree_stale().values():
    ...     print(call["node"]["fname"], call["state"], *call["reasons"])  # doctest: +ELLIPSIS
    load stale file ...a.txt changed
    """
    from cachepy.core.progress import watched

    session = current_session()
    each = watched("looking at calls")
    found = survey(session, import_code=import_code, each=each, history=history).found
    return StaleCalls({
        call: {"node": session.graph.node(call), "state": each.state, "reasons": list(each.reasons)}
        for call, each in found.items()
    })


def survey(
    session: State,
    *,
    import_code: bool = False,
    calls: Iterable[str] | None = None,
    each: Callable[[list[str]], Iterable[str]] = iter,
    look_at_code: bool = True,
    history: bool = False,
) -> Survey:
    """Look at every call of a session's graph.

    import_code: whether the modules of code that is not loaded here are imported where their source files do not tell
    whether it changed, in a process of their own; calls: those whose code is worth that, if not all are.
    """
    found = Survey(session, each=each, look_at_code=look_at_code, history=history)
    asked = {identity for identity, _ in found.world.unclear} | found.world.edited
    if not import_code or not asked:
        return found
    imports = imports_of(session, calls, asked.__contains__)
    return Survey(session, imports=imports, each=each, history=history)


def imports_of(
    session: State, calls: Iterable[str] | None = None, is_asked: Callable[[str], bool] | None = None
) -> Imports:
    """What can be asked about the code of calls by importing it; of all that is not loaded here by default."""
    from cachepy.staleness.imported_code import Imports

    rows = graph_now(session).rows()
    here = AskedWorld(session, rows)
    asked = rows.values() if calls is None else [rows[call] for call in calls]
    return Imports(session, asked, is_asked or (lambda identity: not here.found(identity)))
