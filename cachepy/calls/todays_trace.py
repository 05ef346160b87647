"""The trace that a stored run would have today, were its result what the code of today gives.

What is as it was stays as it is.  What is not gets its digest of now.  And what the code of today names besides is
added, so that a later change of that is seen: variables of the environment, declared files, cached functions.
"""

from __future__ import annotations

import os

from cachepy.calls.environment import counted, deps_of
from cachepy.calls.live_world import pattern
from cachepy.code.fingerprint import Target, cached_target
from cachepy.code.namer import LOCAL
from cachepy.core.kinds import ACCEPTANCE, ANCHORS, CODES, ENVS, KINDS, OF_PROCESS, PATHS, absolute
from cachepy.core.model import CODE, FILE, PATTERN, Dep, Trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from cachepy.calls.function import Function
    from cachepy.calls.live_world import LiveWorld
    from cachepy.calls.state import State
    from cachepy.code.fingerprint import CodeFingerprint
    from cachepy.core.model import Event

DATA = frozenset(PATHS - OF_PROCESS)  # kinds of files that are no code


class Today:
    """The trace of one run as it is now.

    own: name and digest of the code of the function, if it is called here; known: the identities of it and of those
    that were called below it; reaches: all code that the trace names, if some of it changed.
    """

    def __init__(
        self, session: State, world: LiveWorld, event: Event, own: tuple[str, str], known: set[str]
    ) -> None:  # fmt: skip
        self.session = session
        self.world = world
        self.event = event
        self.own = own
        self.known = known
        self.reaches: list[CodeFingerprint] = []

    def trace(self, broken: list[Dep], function: Function | None) -> Trace:
        """The trace; broken: the deps of the run that are not as they were, as it names them."""
        trace = self.event.trace
        deps = [self._now(dep) if dep in broken or dep.kind in ANCHORS else dep for dep in trace.deps]
        deps = [dep for dep in deps if dep.kind not in ACCEPTANCE]
        names = {(dep.kind, dep.name) for dep in deps}
        envs = {dep.name for dep in deps if dep.kind in ENVS}
        if any(dep.kind in CODES for dep in broken):
            self._look_at_code(deps)
            deps += (d for d in self._declared_files(function) if (d.kind, d.name) not in names)
            deps += deps_of([name for name in self._variables(function) if name not in envs])
            deps += (d for d in self._border() if (d.kind, d.name) not in names)
        return Trace(tuple(deps), trace.calls, trace.result)

    def _now(self, dep: Dep) -> Dep:
        kind, name = dep.kind, dep.name
        if kind in ANCHORS:
            return dep if dep.digest is None else Dep(kind, name, self.world.code(name, None) or dep.digest)
        if kind in CODES:
            now = self.own[1] if name == self.own[0] else self.world.code(name, None)
            return dep if now is None and LOCAL in name else Dep(kind, name, now)  # its anchors speak for it
        place = KINDS[kind].located(self.event.cwd, name)
        return KINDS[kind].today(dep, place, self.world)

    def _look_at_code(self, deps: list[Dep]) -> None:
        reader = self.session.reader
        for dep in deps:
            if dep.kind in CODES:
                self.reaches += [reader.reach(cached_target(each) or each) for each in self.world.found(dep.name)]

    def _variables(self, function: Function | None) -> list[str]:
        """Those of the environment that the code of today reads by name, or its decorator names."""
        read = set[str]().union(*(reach.variables for reach in self.reaches))
        declared = function.options.env_vars if function is not None else ()
        return list(dict.fromkeys([*declared, *counted(read)]))

    def _declared_files(self, function: Function | None) -> Iterator[Dep]:
        from cachepy.store import patterns

        files = self.session.files
        for path in function.options.depends_on_files if function is not None else ():
            place = absolute(self.event.cwd, path)
            if patterns.may_mean_files(path, is_path=True) and not os.path.lexists(place):
                yield Dep(PATTERN, path, pattern(KINDS[PATTERN].located(self.event.cwd, path), files))
            else:
                yield Dep(FILE, path, files.digest(place))

    def _border(self) -> Iterator[Dep]:
        """The cached functions that the code of today may call and this run did not: their code counts from now on.

        Whether it calls them, and how, only the next run can tell.
        """
        reader = self.session.reader
        border: list[Target] = [target for reach in self.reaches for target in reach.cached]
        for target in reader.below(border):
            if target.identity not in self.known and LOCAL not in target.identity:
                reach = reader.reach(target)
                self.reaches.append(reach)
                yield Dep(CODE, target.identity, reach.digest)


def function_of(world: LiveWorld, event: Event) -> Any:
    """The cached function of a run, if it exists in this process; else None."""
    identity = f"{event.module}:{event.qualname}"
    targets = [each for each in world.found(identity) if isinstance(each, Target)]
    calls = world.session.functions.live_calls(identity)
    return next((call for call in calls if call.target in targets), None) or next(iter(calls), None)
