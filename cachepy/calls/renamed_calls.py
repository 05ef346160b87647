"""A stored call of a function that has another name or other parameters now: which call it is today.

Its key is made anew from the arguments that are kept beside its result.  That they are these is proven: under the names
of before they have to give the key that is stored.
"""

from __future__ import annotations

from cachepy.calls.replay import Replay, how
from cachepy.core.kinds import AGES, NAMES_OF_CODE
from cachepy.core.model import Dep, Event, Trace
from cachepy.errors import RerunError, UsageError
from cachepy.store import stored_arguments
from cachepy.values.digest import Digester
from cachepy.values.key import make_key
from cachepy.values.label import label_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from cachepy.calls.function import Function
    from cachepy.calls.renames import Renames
    from cachepy.calls.state import State
    from cachepy.store.stored_arguments import Arguments


class NotMovedError(Exception):
    """Why a stored call is none of today's."""


class MovedCall:
    """One run of a call as the call that it is today; `NotMovedError` if that cannot be told.

    event: of the run as it is stored; function: that it is of now.
    """

    def __init__(self, session: State, renames: Renames, event: Event, function: Function) -> None:
        self.session = session
        self.renames = renames
        self.event = event
        self.function = function
        old, new = f"{event.module}:{event.qualname}", function.target.identity
        names = {old, event.qualname, event.fname, new, function.target.qualname, function.fname}
        self.renamed, self.added = renames.parameters(names)
        self._check_names()
        self._digester = Digester(
            session.origins, session.digester.code_of, function.digester(session).own, renames.place_before
        )
        replay, met = Replay(session, event), dict[int, str]()
        try:
            given = replay.arguments(renames.place, met)
        except RerunError as error:
            raise NotMovedError(str(error)) from None
        arguments, self.values, self.hash = self._proven(given)
        self.id = f"{function.fname}:{self.hash}"
        self.how = how(replay.shared, stored_arguments.keep(*arguments, met))

    def _check_names(self) -> None:
        """Parameters that only one of both has, and nobody said why."""
        binder, here = self.function.binder, self.function.fname
        back = {new: old for old, new in self.renamed.items()}
        wrong = sorted({*self.renamed.values(), *self.added} - {*binder.signature.names})
        if wrong:
            raise NotMovedError(f"{here} has no parameter {wrong[0]!r}")
        if binder.gathers:
            return
        known = {*self.event.label}
        new = [name for name in binder.names if back.get(name, name) not in known and name not in self.added]
        gone = [name for name in known if self.renamed.get(name, name) not in binder.names]
        if gone and new:
            way = f"--parameter {here}.{gone[0]}={here}.{new[0]}"
            raise NotMovedError(f"{here} has {new[0]!r} and no {gone[0]!r} now: if it is the same, add {way}")
        if new:
            raise NotMovedError(
                f"{here} has the new parameter {new[0]!r}: if its default means what was done before, add "
                f"--parameter {here}.{new[0]}"
            )
        if gone:
            raise NotMovedError(f"{here} no longer has a parameter {gone[0]!r}")

    def _proven(self, given: Arguments) -> tuple[Arguments, tuple[Any, ...], str]:
        """The arguments as the function of today takes them, with what they are bound to and their key."""
        for args, kwargs in self._ways(given):
            try:
                values, key, _ = self.function.identify(self.session, args, kwargs)
                if self._key_before(values) == self.event.hash:
                    return (args, kwargs), values, key
            except (TypeError, UsageError):  # they do not fit; or have no digest
                continue
        raise NotMovedError(
            f"{self.event.title} would be another call now: a default, or what an argument is, changed as well"
        )

    def _ways(self, given: Arguments) -> Iterator[Arguments]:
        """By position as they were; and by name, should parameters stand in another order now."""
        args, kwargs = given
        named = {self.renamed.get(name, name): value for name, value in kwargs.items()}
        yield args, named
        names = [self.renamed.get(name, name) for name in self.event.label]
        first = self.function.binder.signature.positional_only
        if len(args) <= len(names) and not any("[" in name for name in names):
            by_name = {**dict(zip(names, args, strict=False)), **named}
            yield tuple(by_name.pop(name) for name in first if name in by_name), by_name

    def _key_before(self, values: tuple[Any, ...]) -> str:
        back = {new: old for old, new in self.renamed.items()}
        pairs = zip(self.function.binder.names, values, strict=True)
        had = {back.get(name, name): value for name, value in pairs if name not in self.added}
        names = [*self.event.label] if had.keys() == self.event.label.keys() else [*had]
        prefix = f"{self.event.module}:{self.event.qualname}({','.join(names)})".encode("utf-8", "surrogatepass")
        if self.function.fn.__closure__ is not None:
            prefix += self.function.closure(self.session)
        return make_key(prefix, tuple(had[name] for name in names), self._digester)[0]

    def as_now(self, event: Event, moved: Mapping[str, str]) -> Event:
        """A stored run of the call as one of today's; moved: calls of before, with what they are now."""
        function = self.function
        named = function.binder.named(self.values)
        return event.replace(
            id=self.id,
            fname=function.fname,
            module=function.target.module,
            qualname=function.target.qualname,
            hash=self.hash,
            trace=trace_now(event.trace, self.renames, moved),
            args={self._named_now(name): digest for name, digest in event.args.items()},
            label={name: label_for(name, value) for name, value in named},
            outfile=None,
        )

    def _named_now(self, name: str) -> str:
        parameter, sign, rest = name.partition("[")
        return self.renamed.get(parameter, parameter) + sign + rest


def trace_now(trace: Trace, renames: Renames, moved: Mapping[str, str]) -> Trace:
    """The same with the names of today; what calls below left keeps its names, which are a part of the effect."""
    deps = tuple(
        Dep(dep.kind, renames.now(dep.name), dep.digest) if dep.kind in NAMES_OF_CODE or dep.kind in AGES else dep
        for dep in trace.deps
    )
    calls = tuple(Dep(call.kind, moved.get(call.name, call.name), call.digest) for call in trace.calls)
    return Trace(deps, calls, trace.result)
