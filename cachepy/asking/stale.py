"""What would not be a hit now, and why: asks, runs nothing, and imports nothing of the user's unless told to.

A `Survey` looks at every call of the graph once, from the rows of the graph; only where those do not
hold it opens entries, which may have an older run that does.  Imports api, errors, graph, holding, model,
packed, probe, session, verify.
"""

from __future__ import annotations

from cachepy.api import graph_now
from cachepy.asking.holding import Holding
from cachepy.errors import EntryError
from cachepy.graph import unpacked
from cachepy.model import FILE, Dep, Event, Reason, Record, Trace
from cachepy.probe import LiveProbe
from cachepy.rows.packed import PATHS, Quiet, args_in, deps_in, located, unpack
from cachepy.session import Session, current_session
from cachepy.values.modules import find
from cachepy.verify import Verifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from cachepy.asking.imported import Imports
    from cachepy.rows.packed import Row


_LINKED = {"call": "below", "input": "input"}  # cues that name another call only, and how that is reached


class Finding(Record):
    """A call that is not fresh: state is ``stale`` or ``missing``; root causes first.

    own: whether something changed for the call itself, not only for calls that it goes by.
    """

    __slots__ = ("state", "reasons", "own")
    state: str
    reasons: tuple[Reason, ...]
    own: bool


class AskingProbe(LiveProbe):
    """Looks from where each call ran, and takes code that is not loaded here as unchanged.

    The graph's own record of a call comes first: it costs nothing more.
    """

    def __init__(self, session: Session, rows: dict[str, Row], imports: Imports | None = None) -> None:
        super().__init__(session)
        self.imports = imports
        self.unseen: set[str] = set()  # modules whose code was taken as unchanged
        self._rows = rows
        self._recorded: dict[str, Event] = {}
        self._listed: dict[str, set[str]] = {}

    def recorded(self, call: str) -> Event | None:
        """What the graph has of a call."""
        event = self._recorded.get(call)
        if event is None and call in self._rows:
            event = self._recorded[call] = unpack(self._rows[call])
        return event

    def listing(self, root: str) -> set[str]:
        """The entries of a cache directory, by one listing of each folder."""
        if root not in self._listed:
            self._listed[root] = self.session.store(root).listing()
        return self._listed[root]

    def is_stored(self, event: Event) -> bool:
        """Whether the entry of a call is on disk."""
        return event.outfile in self.listing(event.root)

    def events(self, call: str, roots: Sequence[str]) -> Iterator[Event]:
        recorded = self.recorded(call)
        if recorded is not None:
            if not self.is_stored(recorded):
                return
            yield placed(recorded)
        for event in super().events(call, roots):
            if recorded is None or event.run != recorded.run:
                yield placed(event)

    def title(self, call: str, roots: Sequence[str]) -> str:
        recorded = self.recorded(call)
        return super().title(call, roots) if recorded is None else recorded.title

    def code(self, identity: str, recorded: str | None) -> str | None:
        now = super().code(identity, recorded)
        module = identity.partition(":")[0]
        if now is None and self.imports is not None:
            now = self.imports.digest(identity, recorded)
            if now is None and self.imports.codes(identity) is not None:  # a local function: its anchors speak for it
                return None
        if now is None and not ("<locals>" in identity and find(module) is not None):  # likewise
            self.unseen.add(module)
            return recorded
        return now

    def may_import(self) -> bool:
        return False

    def code_reasons(self, dep: Dep) -> list[Reason]:
        codes = self.imports.codes(dep.name) if self.imports is not None and not self.found(dep.name) else None
        if codes is None:
            return super().code_reasons(dep)
        if not codes:
            return [Reason("gone", dep.name.partition("@")[0], dep.digest, None)]
        return self.changes_of(dep, *codes[0])


def imports_of(session: Session, calls: Iterable[str] | None = None, *, import_code: bool = True) -> Imports | None:
    """What can be asked about the code of calls that is not loaded here; of all that the graph has by default."""
    if not import_code:
        return None
    from cachepy.asking.imported import Imports

    rows = graph_now(session).rows()
    here = AskingProbe(session, rows)
    asked = rows.values() if calls is None else [rows[call] for call in calls]
    return Imports(session, asked, lambda identity: bool(here.found(identity)))


class AskingVerifier(Verifier):
    """Looks at each dep once, however many calls have it."""

    def __init__(self, probe: AskingProbe) -> None:
        super().__init__(probe)
        self._known: dict[tuple[str, str, str | None], bool] = {}

    def part_holds(self, part: bytes) -> bool:
        """Whether the deps in the second part of a row hold; most are a file and code that was looked at before."""
        for kind, name, digest in deps_in(part):
            if kind == FILE:
                if self.probe.file(name) != digest:
                    return False
            elif not self._known.get((kind, name, digest)):
                return self.own_holds(Trace(tuple(Dep(*each) for each in deps_in(part)), (), ""))
        return True

    def take(self, effects: dict[str, str]) -> None:
        """Take it that these calls hold, and gave that."""
        self._calls.update(dict.fromkeys(effects.items(), True))

    def _dep_holds(self, dep: Dep, trace: Trace) -> bool:
        key = dep.kind, dep.name, dep.digest
        known = self._known.get(key)
        if known is None:
            known = super()._dep_holds(dep, trace)
            if "<locals>" not in dep.name:  # which may hold by another dep of the trace
                self._known[key] = known
        return known


def placed(event: Event) -> Event:
    """The event with the files of its trace as absolute paths: it may have run elsewhere."""
    for dep in event.trace.deps:
        if dep.name[:1] != "/" and dep.kind in PATHS:
            break
    else:
        return event
    cwd, known = event.cwd, event.trace.deps
    deps = [Dep(d.kind, located(cwd, d.kind, d.name), d.digest) if d.kind in PATHS else d for d in known]
    return event.replace(trace=Trace(tuple(deps), event.trace.calls, event.trace.result))


class Survey:
    """Every call of a graph, looked at once; but for those that are history (see `Graph.history`).

    Parameters
    ----------
    session : Session
        Whose graph it is.
    import_code : bool
        Whether modules that are not loaded here are imported, in a process of their own, to see whether code changed.
    imports : Imports, optional
        What was found so already, or is to be asked for fewer calls.
    each : callable, optional
        Wraps the list of calls that are looked at, to show progress.
    """

    def __init__(
        self,
        session: Session,
        *,
        import_code: bool = False,
        imports: Imports | None = None,
        each: Callable[[list[str]], Iterable[str]] = iter,
    ) -> None:
        self.session = session
        self._rows = graph_now(session).rows()
        self._events: dict[str, Event] | None = None
        self.probe = AskingProbe(session, self._rows, imports or imports_of(session, import_code=import_code))
        self.verifier = AskingVerifier(self.probe)
        with Quiet():
            holding = Holding(self._rows, self._listing, self.verifier.part_holds, each).effects
        doubtful = [self._event(call) for call in sorted(self._rows.keys() - holding.keys())]
        if doubtful:
            self.verifier.take(holding)
        broken = [event for event in doubtful if not self._holds(event)]
        self.found: dict[str, Finding] = {}
        self.history = self._findings(broken)
        self._add_inputs()

    def _findings(self, broken: list[Event]) -> set[str]:
        """Find out about each call that does not hold by its row, but for those that are history, which it returns.

        A call may hold by an older run, as when a file was changed back: then it gives the result of that run, and
        what takes this one is history no more.
        """
        older: dict[str, str] = {}
        todo = {event.id: event for event in broken}
        while True:
            history = self.session.graph.history(older)
            known = len(older)
            for call in [call for call in todo if call not in history]:
                found = self._finding(todo.pop(call))
                if isinstance(found, Finding):
                    self.found[call] = found
                else:
                    older[call] = found.trace.result
            if len(older) == known:
                return history

    @property
    def events(self) -> dict[str, Event]:
        """Every call as the graph has it, by its id."""
        if self._events is None:
            self._events = {event.id: event for event in unpacked(self._rows.values())}
        return self._events

    def _event(self, call: str) -> Event:
        event = self.probe.recorded(call)
        assert event is not None, call
        return event

    def _listing(self, root: str) -> set[str]:
        self.session.files.memo.attach(self.session.store(root).memo_file)
        return self.probe.listing(root)

    @property
    def unseen(self) -> list[str]:
        """The modules whose code was not looked at, because they are not loaded."""
        return sorted(self.probe.unseen)

    def _holds(self, event: Event) -> bool:
        """Whether the run that the graph knows holds."""
        if event.trace.calls:
            return self.verifier.call_holds((event.id, event.trace.effect), (event.root,))
        return self.probe.is_stored(event) and self.verifier.own_holds(placed(event).trace)

    def _finding(self, event: Event) -> Finding | Event:
        """Why a call is not fresh; if an older run of it is, that one."""
        here = placed(event)
        if not self.probe.is_stored(event) or not self._is_readable(event):
            missing = Reason("value", event.title, event.id, None)
            return Finding("missing", (missing, *self.verifier.reasons(here.trace)), own=True)
        for each in self.probe.events(event.id, ()):
            if self.verifier.holds(each.trace):
                return each
        own = bool(self.verifier.own_broken(here.trace))
        return Finding("stale", tuple(self.verifier.reasons(here.trace)), own)

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

    def _above(self, call: str, takers: dict[str, list[str]]) -> list[tuple[str, str]]:
        """The calls that go by a call: those that take its result, and its callers."""
        graph = self.session.graph
        takers_of = map(self._event, takers.get(self._event(call).trace.result, ()))
        found = [(e.id, "input") for e in takers_of if call in graph.inputs_of(e).values()]
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


def cache_tree_stale(*, import_code: bool = False) -> dict[str, dict[str, Any]]:
    """Every call of the graph that would not be a hit now, with every cause.

    Calls above a stale call, and calls that take its result as an argument, are stale too. Nothing runs and nothing
    is changed by asking. Only calls of the graph in memory are known: in a new process call `cache_tree_sync` first.

    Parameters
    ----------
    import_code : bool, default False
        Import the modules of functions that are not loaded here, in a process of their own, to see whether their code
        changed. A cached call that would run ends its import: the code of that module is not looked at. Without this,
        or where it fails, code that is not loaded is taken as unchanged.

    Returns
    -------
    dict of str to dict
        Ids with ``{"node": node, "state": "stale" or "missing", "reasons": list of Reason}``. "missing" says that
        the value is not on disk. Root causes come first.

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
    from cachepy.asking.progress import watched

    session = current_session()
    survey = Survey(session, import_code=import_code, each=watched("looking at calls"))
    return {
        call: {"node": session.graph.node(call), "state": found.state, "reasons": list(found.reasons)}
        for call, found in survey.found.items()
    }


def survey(session: Session, *, import_code: bool = False) -> Survey:
    """Look at every call of a session's graph."""
    return Survey(session, import_code=import_code)
