"""What would not be a hit now, and why: asks, runs nothing, and imports nothing of the user's unless told to.

A `Survey` looks at every call of the graph once, from the rows of the graph; only where those do not
hold it opens entries, which may have an older run that does.
"""

from __future__ import annotations

from cachepy.answers import StaleCalls
from cachepy.calls.import_refusal import WAY_OUT
from cachepy.calls.live_world import LiveWorld
from cachepy.calls.state import State, current_session
from cachepy.core.kinds import CHEAP, CODES, ENVS, FILES, KINDS, PATHS
from cachepy.core.model import Dep, Event, Record, Trace
from cachepy.core.reasons import Reason
from cachepy.core.verify import Verifier
from cachepy.errors import EntryError
from cachepy.graph.graph import file_path, unpacked
from cachepy.graph.handed import PASSED, passed_on
from cachepy.graph.never_reused import may_be_renewed, renewed
from cachepy.staleness.api import graph_now, history_of
from cachepy.staleness.bulk_verify import Holding
from cachepy.staleness.sources import CHANGED, SAME, UNCLEAR, SourceLook
from cachepy.store.codec import PART, Quiet, args_in, deps_in, result_in, unpack
from cachepy.values.modules import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from cachepy.core.ports import Refused, Store
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


class AskedWorld(LiveWorld):
    """Looks from where each call ran, and at code that is not loaded here by its source files.

    The graph's own record of a call comes first: it costs nothing more.
    """

    def __init__(
        self, session: State, rows: dict[str, Row], imports: Imports | None = None, *, look_at_code: bool = True
    ) -> None:
        super().__init__(session)
        self.imports = imports
        self._looks_at_code = look_at_code
        self.unclear: dict[tuple[str, str], tuple[Reason, ...]] = {}  # code that could not be looked at
        self.edited: set[str] = set()  # identities of code that is as it was, in a file that is not
        self._sources = SourceLook(session)
        self._rows = rows
        self._recorded: dict[str, Event] = {}
        self._listed: dict[str, set[str]] = {}
        self._refused: dict[str, Refused] = {}
        self._set: dict[str, str | None] = {}  # variables that programs set to something else now

    def recorded(self, call: str) -> Event | None:
        """What the graph has of a call."""
        event = self._recorded.get(call)
        if event is None and call in self._rows:
            event = self._recorded[call] = unpack(self._rows[call])
        return event

    def listing(self, root: str, origin: str | None = None) -> set[str]:
        """The entries of a cache directory that would be loaded, by one listing of each folder.

        origin: the process that made one of them.
        """
        if root not in self._listed:
            store: Store = self.session.store(root)
            names = self._listed[root] = store.listing()
            self._refused[root] = store.refused(names)
        if origin is not None:
            self._refused[root].made_by(origin)
        return self._listed[root]

    def why_missing(self, event: Event) -> Reason:
        """Why a call has no value that would be loaded."""
        refusal = self._refused[event.root].why.get(event.outfile or "")
        return Reason("value", event.title, event.id, None) if refusal is None else Reason(*refusal, None, None)

    def loads(self, event: Event) -> bool:
        """Whether the value of a stored run, be it an older one, would be loaded."""
        self.listing(event.root)
        refused = self._refused[event.root].why
        stored = self.session.store(event.root).look(event.id) if refused else None
        if stored is None:
            return True
        at = next((i for i, each in enumerate(stored.events) if each.run == event.run), 0)
        return f"entries/{event.hash[:2]}/{stored.files[at]}" not in refused

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
        """Of what is not loaded here, by its source files; what they do not tell counts as it was, and is `unclear`."""
        if not self._looks_at_code:
            return recorded
        now = super().code(identity, recorded)
        if now is not None or recorded is None:
            return now
        seen = self._sources.at(identity, recorded)
        if seen.state == UNCLEAR and self.imports is not None and self.imports.codes(identity) is not None:
            return self.imports.digest(identity, recorded)
        if seen.state == CHANGED or ("<locals>" in identity and seen.state != SAME):
            return None  # of a local function its anchors speak
        if seen.state == UNCLEAR:
            self.unclear[identity, recorded] = seen.reasons
        elif seen.is_edited:
            self.edited.add(identity)
            self._check_import(identity, recorded)
        return recorded

    def env(self, name: str) -> str | None:
        return self._set[name] if name in self._set else super().env(name)

    def env_in(self, dep: Dep, trace: Trace) -> str | None:
        """A program that was changed may set it itself, whatever it is for whoever asks.

        As long as it was not, nobody knows whether it was this program: code is recorded once, and many may call it.
        """
        codes = [each for each in trace.deps if each.kind in CODES and each.digest] if self._looks_at_code else []
        told = [(each, self._sources.sets(each.name, each.digest or "").get(dep.name)) for each in codes]
        for code, value in told:
            if value is not None and value.is_edited and value.digests != {dep.digest}:
                if len(value.digests) == 1 and value.is_plain:
                    self._set[dep.name] = next(iter(value.digests))
                    return self._set[dep.name]
                why = "its program sets it, and changed"
                doubt = Reason("unseen", f"environment variable {dep.name}", None, why)
                self.unclear[code.name, code.digest or ""] = (doubt,)
                return dep.digest
        return super().env(dep.name)

    def own_env(self, dep: Dep, trace: Trace) -> str | None:
        """What the program sets it to, as far as its text tells; a program that is as it was sets what it set.

        A process that has the function is a program itself: what counts is what a call would find in it now.
        """
        codes = [each for each in trace.deps if each.kind in CODES and each.digest] if self._looks_at_code else []
        if any(self.found(code.name) for code in codes):
            return super().own_env(dep, trace)
        for code in codes:
            if self._sources.at(code.name, code.digest or "").is_edited:
                value = self._sources.sets(code.name, code.digest or "").get(dep.name)
                if value is not None and value.is_plain and len(value.digests) == 1:
                    self._set[dep.name] = next(iter(value.digests))
                    return self._set[dep.name]
                if value is None and super().env(dep.name) == dep.digest:  # it sets it no more
                    continue
                why = "its program sets it, and changed"
                doubt = Reason("unseen", f"environment variable {dep.name}", None, why)
                self.unclear[code.name, code.digest or ""] = (doubt,)
        return dep.digest

    def _check_import(self, identity: str, recorded: str) -> None:
        """Code that is as it was in a module that cannot be imported any more is none that the program comes to."""
        module, _, name = identity.partition(":")
        why = self.imports.found.failed.get(module) if self.imports is not None and module not in MAIN else None
        if why is not None and not why.endswith(WAY_OUT):  # what calls at import was refused here, not there
            self.unclear[identity, recorded] = (Reason("unseen", f"code of {module}:{name}", None, why),)

    def code_reasons(self, dep: Dep) -> list[Reason]:
        if self.found(dep.name):
            return super().code_reasons(dep)
        name, seen = dep.name.partition("@")[0], self._sources.at(dep.name, dep.digest or "")
        codes = self.imports.codes(dep.name) if self.imports is not None and seen.state == UNCLEAR else None
        if codes is None:
            return list(seen.reasons) or [Reason("code", name, dep.digest, None)]
        return self.changes_of(dep, *codes[0]) if codes else [Reason("gone", name, dep.digest, None)]

    def may_import(self) -> bool:
        return False


class AskingVerifier(Verifier):
    """Looks at each dep once, however many calls have it."""

    def __init__(self, world: AskedWorld) -> None:
        super().__init__(world)
        self._known: dict[tuple[str, str, str | None], bool] = {}

    def part_holds(self, part: bytes) -> bool:
        """Whether the deps in the second part of a row hold; most are a file and code that was looked at before."""
        for kind, name, digest in deps_in(part):
            if kind in CHEAP:
                if not KINDS[kind].same(name, digest, self.world):
                    return False
            elif not self._known.get((kind, name, digest)):
                return self.own_holds(Trace(tuple(Dep(*each) for each in deps_in(part)), (), ""))
        return True

    def take(self, effects: dict[str, str]) -> None:
        """Take it that these calls hold, and gave that."""
        self._calls.update(dict.fromkeys(effects.items(), True))

    def own_holds(self, trace: Trace) -> bool:
        return all(self._dep_holds(dep, trace) for dep in trace.deps)

    def _dep_holds(self, dep: Dep, trace: Trace) -> bool:
        key = dep.kind, dep.name, dep.digest
        known = self._known.get(key)
        if known is None:
            known = super()._dep_holds(dep, trace)
            if "<locals>" not in dep.name and dep.kind not in ENVS:  # which may hold by another dep of the trace
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
    deps = [Dep(d.kind, KINDS[d.kind].located(cwd, d.name), d.digest) if d.kind in PATHS else d for d in known]
    return event.replace(trace=Trace(tuple(deps), event.trace.calls, event.trace.result))


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
        return self.world.is_stored(event) and self.verifier.own_holds(placed(event).trace)

    def _finding(self, event: Event) -> Finding | Event:
        """Why a call is not fresh; if an older run of it is, that one."""
        here = placed(event)
        if not self.world.is_stored(event) or not self._is_readable(event):
            return Finding("missing", (self.world.why_missing(event), *self.verifier.reasons(here.trace)), own=True)
        events = list(self.world.events(event.id, ()))
        for each in events:
            if self.verifier.holds(each.trace) and self.world.loads(each):
                return each
        broken = self._broken[event.id] = self.verifier.own_broken(self.world.last_valid(events).trace)
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
                reasons = self._unclear_in(row, known) or passed.get(call, ())
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
        found = [unclear.get((name, digest or ""), ()) for kind, name, digest in deps if kind in CODES]
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
