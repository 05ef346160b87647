"""What tells one run of a call from another: the root causes, down the tree of the calls below.

Two runs are compared dep by dep: their kinds say what differs, as if the second run were how things are now.  Nobody
looks below a call whose effect is the same in both: nothing there can have reached the caller.  It does not recurse: a
tree of calls may be thousands deep.
"""

from __future__ import annotations

import os

from cachepy.code.source import Sources
from cachepy.core.kinds import (
    ACCEPTANCE,
    ANCHORS,
    CALLS,
    CODES,
    EXACTS,
    FILES,
    KINDS,
    LEFT,
    MADE_ANEW,
    OWN,
    PASSED,
    ROOTS,
    SINGLE,
    UNSEEN,
    UNTILS,
    WROTE,
)  # fmt: skip
from cachepy.core.marks import unseen_in
from cachepy.core.model import Dep, Event, Item, Trace
from cachepy.core.reasons import Reason
from cachepy.graph.graph import file_path, written_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from cachepy.code.pieces import Piece
    from cachepy.staleness.stored_runs import StoredRuns

    Pair = tuple[Event, Event]
    Row = tuple[Piece, str]

_LAST = "unknown", "argument", "call new", "call gone", "only", "result"  # they may follow from those before
_SHOWN = 4  # calls of a path


class RootCause(Item):
    """One thing that tells two runs apart, as `cache_tree_diff` finds it; ``str()`` gives a sentence.

    Attributes
    ----------
    cue : str
        What kind of cause: as of a `Reason`, and ``"call new"``, ``"call gone"`` (a call below that only one of them
        made), ``"only"`` (something that only one of them used), ``"result"`` (another result, and nothing that
        counts differs), ``"unknown"`` (a run below that is no longer stored).
    name : str
        What it is about: a path, a function, a variable, a package, an argument, a call.
    text : str
        The sentence.
    diff : str
        Of code: the changed lines.
    path : tuple of str
        The calls that lead there, the topmost first; the last one has the cause.
    calls : int
        How many calls have it.
    way : str
        The path in short.

    Examples
    --------
    >>> from cachepy import RootCause
    >>> cause = RootCause("file", "03.csv", "file 03.csv changed", "", ("report()", "load('03.csv')"), 1)
    >>> print(cause)
    file 03.csv changed, in report() > load('03.csv')
    """

    __slots__ = ("cue", "name", "text", "diff", "path", "calls")
    cue: str
    name: str
    text: str
    diff: str
    path: tuple[str, ...]
    calls: int

    def __str__(self) -> str:
        more = f" and {self.calls - 1:,} more" if self.calls > 1 else ""
        return f"{self.text}, in {self.way}{more}"

    @property
    def way(self) -> str:
        """The path in short."""
        path = self.path if len(self.path) <= _SHOWN else (*self.path[:2], "...", *self.path[-1:])
        return " > ".join(path)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dict(zip(self._fields, self.astuple(), strict=True)) | {"path": list(self.path)}


class RunDiff:
    """The causes between two runs; each pair of runs is looked at once.

    then, now: what the directories of the older and of the newer one tell; near: how a path is called where it is read;
    giver: the call whose result, or whose file, a call took: argument or path -> id.
    """

    def __init__(
        self, then: StoredRuns, now: StoredRuns, giver: Callable[[str], dict[str, str]], near: Callable[[Reason], str]
    ) -> None:
        self._then, self._now, self._giver, self._near = then, now, giver, near
        self._found: dict[tuple[str, ...], RootCause] = {}
        self._todo: list[tuple[Pair, int]] = []  # with the place in this list of the pair that led there
        self._seen: set[tuple[str, str]] = set()
        self._gave: set[str] = set()  # results of calls that gave two: what takes them follows from these
        self._led = 0  # how often one pair led to another
        self._written: set[str] = set()
        self._files: dict[tuple[str, ...], str] = {}  # absolute, of the causes that are files

    def causes(self, old: Event, new: Event) -> list[RootCause]:
        """Each once; what may follow from another one comes behind it."""
        self._go_to((old, new), -1)
        at = 0
        while at < len(self._todo):
            self._compare(*self._todo[at][0], at)
            at += 1
        found = [c for key, c in self._found.items() if self._files.get(key) not in self._written]
        return sorted(found, key=lambda c: (_LAST.index(c.cue) + 1 if c.cue in _LAST else 0))

    def _go_to(self, pair: Pair, at: int) -> None:
        key = pair[0].run, pair[1].run
        self._led += key[0] != key[1]
        if pair[0].trace.result != pair[1].trace.result:
            self._gave |= {pair[0].trace.result, pair[1].trace.result}
        if key not in self._seen and key[0] != key[1]:
            self._seen.add(key)
            self._todo.append((pair, at))

    def _compare(self, old: Event, new: Event, at: int) -> None:
        self._written |= written_by(old) | written_by(new)
        before = self._led
        told = [self._tell(reason, at, new) for reason in self._own(old, new, at)]
        told += [self._tell(reason, at, new) for reason in self._arguments(old, new, at)]
        told += list(self._below(old, new, at))
        if told or self._led > before:
            return
        if old.id == new.id:
            for dep, which in _only(old.trace, new.trace):
                text = f"only the {which} run used {KINDS[dep.kind].title(dep.name)}"
                told.append(self._add("only", dep.name, text, at))
        if not told and old.trace.effect != new.trace.effect:
            unseen = ", ".join(unseen_in(new.trace) or unseen_in(old.trace))
            why = f"; it depends on {unseen}, which cannot be compared" if unseen else ": is it random?"
            text = f"{new.title} gave another result, and nothing that counts is known to differ{why}"
            self._add("result", new.title, text, at)

    # -- what the runs depended on themselves

    def _own(self, old: Event, new: Event, at: int) -> Iterator[Reason]:
        """Why the older run would not hold where the newer one was."""
        world = _World(self._then, self._now, new.trace)
        wrote = {d.name for t in (old.trace, new.trace) for d in t.deps if d.kind in WROTE or d.kind in LEFT}
        for dep, other in _pairs(old, new):
            if dep.digest == other.digest or (dep.kind in CODES and _ran_alike(dep, old, new)):
                continue
            if dep.kind in FILES and (dep.name in wrote or self._was_given(dep, old, new, at)):
                continue
            world.other = other
            yield from KINDS[dep.kind].why(dep, world)

    def _was_given(self, dep: Dep, old: Event, new: Event, at: int) -> bool:
        """Whether a file is what another call wrote, whose runs are known: these are looked at instead."""
        for giver in dict.fromkeys((*self._giver(new.id).values(), *self._giver(old.id).values())):
            sides = (self._then, old, dep.digest), (self._now, new, _digest_of(new, dep))
            before, after = (
                next((r.event for r in runs.all_of(giver) if _left_at(r.event, event, dep.name) == digest), None)
                for runs, event, digest in sides
            )
            if before is not None and after is not None:
                self._go_to((before, after), at)
                return True
        return False

    # -- arguments

    def _arguments(self, old: Event, new: Event, at: int) -> Iterator[Reason]:
        """What of the arguments differs; results of calls lead to these."""
        if old.id == new.id:
            return
        parts = {part for part, _ in old.args.items() ^ new.args.items()}
        names = dict.fromkeys((*new.label, *old.label))
        differing = [n for n in names if old.label.get(n) != new.label.get(n) or any(_is_of(p, n) for p in parts)]
        givers = self._giver(new.id) | self._giver(old.id) if parts else {}
        for name in differing:
            mine = [part for part in sorted(parts) if _is_of(part, name)]
            given = {side.args.get(part) for part in mine for side in (old, new)} & self._gave
            self._led += bool(given)
            if not given and not any(self._follow(part, givers.get(part), old, new, at) for part in mine):
                yield Reason("argument", name, old.label.get(name), new.label.get(name), call=old.title)
        if not differing:
            yield Reason("argument", "which is not recorded", None, None, call=old.title)

    def _follow(self, part: str, giver: str | None, old: Event, new: Event, at: int) -> bool:
        """Go to the runs that gave an argument; whether both are known."""
        then, now = old.args.get(part), new.args.get(part)
        if giver is None or then is None or now is None:
            return False
        before = self._then.with_result(giver, then) or self._by(self._giver(old.id).get(part), then, self._then)
        after = self._now.with_result(giver, now) or self._by(self._giver(new.id).get(part), now, self._now)
        if before is None or after is None or _function(before) != _function(after):
            return False
        self._go_to((before, after), at)
        return True

    def _by(self, giver: str | None, result: str, runs: StoredRuns) -> Event | None:
        return None if giver is None else runs.with_result(giver, result)

    # -- calls below

    def _below(self, old: Event, new: Event, at: int) -> Iterator[bool]:
        then = {c.name: c for c in old.trace.calls}
        now = {c.name: c for c in new.trace.calls}
        for call in [c for c in then if c in now and then[c].digest != now[c].digest]:
            before = self._then.with_effect(call, then[call].digest, old)
            after = self._now.with_effect(call, now[call].digest, new)
            if before is not None and after is not None:
                self._go_to((before, after), at)
                continue
            which = "first" if before is None else "second"
            known = before or after
            title = known.title if known is not None else call.rpartition(":")[0]
            text = f"{title} gave another result, and its {which} run is no longer stored: why is not known"
            yield self._add("unknown", title, text, at, below=title)
        gone = [self._run(self._then, c, old) for c in then.values() if c.name not in now]
        came = [self._run(self._now, c, new) for c in now.values() if c.name not in then]
        yield from self._others(gone, came, at)

    def _run(self, side: StoredRuns, call: Dep, above: Event) -> Event | str:
        return side.with_effect(call.name, call.digest, above) or call.name.rpartition(":")[0]

    def _others(self, gone: list[Event | str], came: list[Event | str], at: int) -> Iterator[bool]:
        """Calls that one of the two made: those of one function are compared, in their order."""
        waiting: dict[str, list[Event]] = {}
        for each in reversed(gone):
            if isinstance(each, Event):
                waiting.setdefault(_function(each), []).append(each)
        for each in came:
            others = waiting.get(_function(each), ()) if isinstance(each, Event) else ()
            if isinstance(each, Event) and isinstance(others, list) and others:
                self._go_to((others.pop(), each), at)
                continue
            title = each if isinstance(each, str) else each.title
            yield self._add("call new", title, f"only the second run called {title}", at)
        left = [e.title for events in waiting.values() for e in reversed(events)]
        for title in (*left, *(e for e in gone if isinstance(e, str))):
            yield self._add("call gone", title, f"only the first run called {title}", at)

    # -- telling

    def _tell(self, reason: Reason, at: int, event: Event) -> bool:
        key: tuple[str, ...] = (reason.cue, reason.name, str(reason.old), str(reason.new))
        name = reason.name
        if reason.cue == "argument":
            key = *key, *self._path(at)
        elif name and (reason.cue.startswith(("file", "directory")) or reason.cue == "pattern"):
            self._files[key] = file_path(event, name)
        return self._add(reason.cue, name, self._near(reason), at, reason.diff, key=key)

    def _add(
        self, cue: str, name: str, text: str, at: int, diff: str = "", below: str = "", key: tuple[str, ...] = ()
    ) -> bool:  # fmt: skip
        key = key or (cue, name, text)
        known = self._found.get(key)
        if known is not None:
            self._found[key] = known.replace(calls=known.calls + 1)
        else:
            self._found[key] = RootCause(cue, name, text, diff, self._path(at, below), 1)
        return True


    def _path(self, at: int, below: str = "") -> tuple[str, ...]:
        """The calls that lead to a pair, and perhaps one below."""
        found = [below] if below else []
        while at >= 0:
            pair, above = self._todo[at]
            found.append(pair[1].title)
            at = above
        return tuple(found[::-1])


class _World:
    """The world as it was for a run, for the kinds of deps; other: its dep that is asked for."""

    def __init__(self, then: StoredRuns, now: StoredRuns, trace: Trace) -> None:
        self._then, self._now, self._trace = then, now, trace
        self.other = Dep("", "", None)

    def _digest(self, *_: object, **__: object) -> str | None:
        return self.other.digest

    file = pattern = names_in = names_of = present = env = source = env_in = own_env = _digest

    def package(self, name: str) -> str:
        return self.other.digest or ""

    def lets_pass(self, name: str, digest: str | None, now: str) -> bool:
        return False  # it is of a run, and known

    def exists(self, path: str) -> bool:
        return self.other.digest is not None

    def moment(self) -> float:
        return 0.0  # of no run an age is asked for

    def is_valid(self, dep: Dep, trace: Trace) -> bool:
        return True

    def is_young(self, dep: Dep, trace: Trace) -> bool:
        return True

    def max_age(self, function: str, recorded: str) -> str | None:
        return recorded

    def code(self, identity: str, recorded: str | None) -> str | None:
        return self.other.digest

    def code_that_ran(self, dep: Dep, exact: Dep) -> bool:
        return False  # of two runs only the digests are compared

    def code_reasons(self, dep: Dep) -> list[Reason]:
        """What changed in code, by what is kept of both."""
        from cachepy.code.changes import reasons_of, where_in

        name = dep.name.partition("@")[0]
        old, new = self._then.code(name, dep.digest or ""), self._now.code(name, self.other.digest or "")
        pieces = [piece for piece, _ in new]
        found = reasons_of(name, old, pieces, _KeptSources(new)) if old and new else []
        return found or [Reason("code", name, dep.digest, self.other.digest, where=where_in(pieces, name))]


class _KeptSources(Sources):
    """The sources of pieces as they were kept: their files may have been edited since."""

    __slots__ = ("_kept",)

    def __init__(self, rows: list[Row]) -> None:
        super().__init__()
        self._kept = dict(rows)

    def of(self, piece: Piece) -> str:
        return self._kept.get(piece, "")


_MARKS = ACCEPTANCE | LEFT | MADE_ANEW | OWN | PASSED | ROOTS | UNSEEN | UNTILS | WROTE
_SAY_NOTHING = _MARKS | ANCHORS | CALLS | EXACTS


def _counting(trace: Trace) -> list[Dep]:
    """The deps that can differ."""
    return [dep for dep in trace.deps if dep.kind not in _SAY_NOTHING]


def _ran_alike(dep: Dep, old: Event, new: Event) -> bool:
    """Whether only code differs that ran in neither of two runs."""
    then, now = old.trace.exact_of(dep), new.trace.exact_of(dep)
    return then is not None and now is not None and then.digest == now.digest


def _named(dep: Dep) -> str:
    """Of a local function what it holds is no part of the name here."""
    return dep.name.partition("@")[0] if dep.kind in CODES else dep.name


def _pairs(old: Event, new: Event) -> Iterator[tuple[Dep, Dep]]:
    """What both runs depended on, a path also where only one of them found something there."""
    mine = {(dep.kind, dep.name): dep for dep in _counting(new.trace)}
    other = {(_kin(dep), _named(dep)): dep for dep in mine.values()}
    moved = _by_last_part(old, new)
    for dep in _counting(old.trace):
        found = mine.get((dep.kind, dep.name)) or other.get((_kin(dep), _named(dep))) or moved.get((dep.kind, dep.name))
        if found is not None:
            yield dep, found


def _kin(dep: Dep) -> str:
    """A file that is there in one run and not in the other has another kind in each."""
    return "path" if dep.kind in SINGLE and (dep.kind in FILES or dep.digest is None) else dep.kind


def _by_last_part(old: Event, new: Event) -> dict[tuple[str, str], Dep]:
    """Files with absolute names that only one run has, by their last parts: the project lies elsewhere."""
    if old.root == new.root:
        return {}
    sides = [{(d.kind, d.name): d for d in _counting(e.trace) if os.path.isabs(d.name)} for e in (old, new)]
    lone = [[d for key, d in mine.items() if key not in others] for mine, others in (sides, sides[::-1])]
    names = [[os.path.basename(d.name) for d in deps] for deps in lone]
    return {
        (dep.kind, dep.name): lone[1][names[1].index(name)]
        for dep, name in zip(lone[0], names[0], strict=True)
        if names[0].count(name) == names[1].count(name) == 1
    }


def _only(old: Trace, new: Trace) -> Iterator[tuple[Dep, str]]:
    """What one of the runs depended on."""
    then, now = ({(_kin(d), _named(d)): d for d in _counting(trace)} for trace in (old, new))
    yield from ((dep, "first") for key, dep in then.items() if key not in now)
    yield from ((dep, "second") for key, dep in now.items() if key not in then)


def _digest_of(event: Event, dep: Dep) -> str | None:
    return next((d.digest for d in event.trace.deps if d.kind == dep.kind and d.name == dep.name), None)


def _left_at(giver: Event, taker: Event, name: str) -> str | None:
    """The digest with which a run left a file that another one names."""
    wanted = file_path(taker, name)
    marks = LEFT | WROTE
    return next((d.digest for d in giver.trace.deps if d.kind in marks and file_path(giver, d.name) == wanted), None)


def _function(event: Event) -> str:
    return f"{event.module}:{event.qualname}"


def _is_of(part: str, name: str) -> bool:
    """Whether a digest among the arguments is of one of them: of itself, or of an item."""
    return part == name or part.startswith(f"{name}[")
