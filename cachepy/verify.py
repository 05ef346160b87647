"""Whether a stored trace still holds, dep by dep, through all calls below it, and if not, why.

A `Probe` looks at the world as it is now, each file and each function once; `Verifier` compares.
It does not recurse: a tree of calls may be thousands deep.  Imports model.
"""

from __future__ import annotations

from cachepy.model import CODE, ENV, FILE, NAME, PACKAGE, ROOT, Dep, Event, Reason, Trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    class Probe(Protocol):
        """What a verification may ask; every answer is for the whole verification."""

        def file(self, path: str) -> str | None: ...

        def exists(self, path: str) -> bool: ...

        def env(self, name: str) -> str | None: ...

        def package(self, name: str) -> str: ...

        def code(self, identity: str, recorded: str | None) -> str | None: ...

        def events(self, call: str, roots: Sequence[str]) -> Sequence[Event]: ...

        def code_reasons(self, dep: Dep) -> list[Reason]: ...


ANCHOR = "anchor"  # name: the outermost function around a local one; digest: of its code

_Call = tuple[str, str]


class Verifier:
    """Verdicts on traces by one look at the world.

    own: identity and digest of the function that is called; its own code has to match exactly.
    """

    def __init__(self, probe: Probe, own: tuple[str, str] = ("", "")) -> None:
        self.probe = probe
        self.own, self._own_digest = own
        self.chosen: dict[str, Event] = {}  # the run of each call below that holds
        self.several: set[str] = set()  # calls that have more than one run stored
        self._calls: dict[_Call, bool] = {}

    def holds(self, trace: Trace) -> bool:
        """Whether every dep of the trace, and of the calls below it, is as it was."""
        if not self._exact(trace) or not self.own_holds(trace):
            return False
        roots = _roots(trace)
        return all(self.call_holds((c.name, c.digest or ""), roots) for c in trace.calls)

    def _exact(self, trace: Trace) -> bool:
        """A closure that is called shows its own values; only those below go by the code around them."""
        return all(d.digest == self._own_digest for d in trace.deps if d.kind == CODE and d.name == self.own)

    def own_holds(self, trace: Trace) -> bool:
        """The deps of the run itself, without the calls below."""
        return all(self._dep_holds(dep, trace) for dep in trace.deps)

    def _dep_holds(self, dep: Dep, trace: Trace) -> bool:
        kind = dep.kind
        if kind == CODE:
            return self.probe.code(dep.name, dep.digest) == dep.digest or self._anchored(dep, trace)
        if kind == FILE:
            return self.probe.file(dep.name) == dep.digest
        if kind == NAME:
            return not self.probe.exists(dep.name)
        if kind == ENV:
            return self.probe.env(dep.name) == dep.digest
        if kind == PACKAGE:
            return self.probe.package(dep.name) == dep.digest
        return kind in (ANCHOR, ROOT)

    def _anchored(self, dep: Dep, trace: Trace) -> bool:
        """A local function that does not exist now is as it was if the code around it is."""
        if "<locals>" not in dep.name:
            return False
        outer = dep.name.partition(".<locals>")[0]
        recorded = next((d for d in trace.deps if d.kind == ANCHOR and d.name == outer), None)
        return recorded is not None and self.probe.code(outer, recorded.digest) == recorded.digest

    def call_holds(self, call: _Call, roots: Sequence[str]) -> bool:
        """Whether a stored trace of the call gave this result and holds; depth first, own stack."""
        if call in self._calls:
            return self._calls[call]
        stack = [_Visit(call, self._candidates(call, roots))]
        while stack:
            visit = stack[-1]
            below = visit.next_call(self._calls)
            if below is None:
                self._calls[visit.call] = visit.result
                if visit.result:
                    self.chosen[visit.call[0]] = visit.events[0]
                stack.pop()
            else:
                self._calls[below] = False  # until it is known: a cycle can only come from damage
                stack.append(_Visit(below, self._candidates(below, visit.roots)))
        return self._calls[call]

    def _candidates(self, call: _Call, roots: Sequence[str]) -> list[Event]:
        events = self.probe.events(call[0], roots)
        if len(events) > 1:
            self.several.add(call[0])
        return [e for e in events if e.trace.result == call[1] and self.own_holds(e.trace)]

    # -- reasons

    def reasons(self, trace: Trace) -> list[Reason]:
        """Every cause why the trace does not hold, its own first; empty if it holds."""
        exact = self._exact(trace)
        broken = [d for d in trace.deps if not self._dep_holds(d, trace) or (d.name == self.own and not exact)]
        found = [r for dep in broken for r in self._why(dep)]
        roots = _roots(trace)
        broken = [c for c in trace.calls if not self.call_holds((c.name, c.digest or ""), roots)]
        return found + [Reason("call", c.name, c.digest, None) for c in broken]

    def _why(self, dep: Dep) -> list[Reason]:
        if dep.kind == CODE:
            return self.probe.code_reasons(dep)
        if dep.kind == FILE:
            now = self.probe.file(dep.name)
            cue = "file gone" if now is None else "file new" if dep.digest is None else "file"
            return [Reason(cue, dep.name, dep.digest, now)]
        if dep.kind == NAME:
            return [Reason("file new", dep.name, None, "")]
        if dep.kind == ENV:
            return [Reason("env", dep.name, dep.digest, self.probe.env(dep.name))]
        return [Reason("package", dep.name, dep.digest, self.probe.package(dep.name))]


class _Visit:
    """The place of the depth-first walk in one call: which of its runs, which call below that."""

    __slots__ = ("_at", "call", "events", "result")

    def __init__(self, call: _Call, events: list[Event]) -> None:
        self.call = call
        self.events = events
        self.result = False
        self._at = 0

    @property
    def roots(self) -> tuple[str, ...]:
        return _roots(self.events[0].trace)

    def next_call(self, known: dict[_Call, bool]) -> _Call | None:
        """The next call that has to be looked at first; None when `result` is final."""
        while self.events:
            calls = self.events[0].trace.calls
            while self._at < len(calls):
                below = calls[self._at].name, calls[self._at].digest or ""
                if below not in known:
                    return below
                if not known[below]:
                    break
                self._at += 1
            else:
                self.result = True
                return None
            self.events.pop(0)
            self._at = 0
        return None


def _roots(trace: Trace) -> tuple[str, ...]:
    return tuple(d.name for d in trace.deps if d.kind == ROOT)
