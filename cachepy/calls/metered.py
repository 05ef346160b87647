"""A call that tells where its time goes, step by step; for workers of a cluster (see `Hooks.meter`).

The same steps as of any call, with a clock before and after: a call that nobody meters pays nothing.
"""

from __future__ import annotations

from time import perf_counter

from cachepy.calls.request import Request
from cachepy.errors import UndigestableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.core.call import Execution, Flags, Hit, Way
    from cachepy.core.ports import Stored

    Meter = Callable[[str, dict[str, float]], None]  # takes ``module:qualname``, and the seconds of each step


def look(function: Any, meter: Meter, flags: Flags, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hit | Way:
    """As `Path._look`."""
    began = perf_counter()
    try:
        session, values, digest, found = key = function.key_of(args, kwargs)
    except (TypeError, UndigestableError) as error:
        uncached: Way = function.uncached(error)
        return uncached
    took = perf_counter() - began
    hit: Hit | None = function.shallow_hit(key) if flags.may_hit else None
    if hit is not None:
        meter(function.target.identity, {"digest": took})
        return hit
    call = MeteredCall(function, session, (args, kwargs), values, digest, found)
    call.meter, call.seconds = meter, {"digest": took}
    hit = call.find() if flags.may_hit and call.may_be_stored() else None
    if hit is None:
        missed: Way = function.missed(call, flags)
        return missed
    call.tell_meter()
    return hit


class MeteredCall(Request):
    """A call with the seconds of its steps so far."""

    __slots__ = ("meter", "seconds")
    meter: Meter
    seconds: dict[str, float]

    def add(self, step: str, began: float, *others: float) -> None:
        """A step has ended that began then; others: seconds of other steps that lay in between."""
        self.seconds[step] = self.seconds.get(step, 0.0) + perf_counter() - began - sum(others)

    def tell_meter(self) -> None:
        """The call has ended."""
        seconds, self.seconds = self.seconds, {}
        self.meter(self.function.target.identity, seconds)

    def find(self) -> Hit | None:
        began, before = perf_counter(), self.seconds.get("load", 0.0)
        try:
            return super().find()
        finally:
            self.add("verify", began, self.seconds.get("load", 0.0) - before)

    def load(self, stored: Stored, index: int) -> tuple[Any, Callable[[], None] | None] | None:
        began = perf_counter()
        try:
            return super().load(stored, index)
        finally:
            self.add("load", began)

    def got(self) -> Any:
        value = super().got()
        self.tell_meter()
        return value

    def execution(self, flags: Flags) -> Execution:
        run = self.session.slow.MeteredRun
        return run(self, flags)  # type: ignore[no-any-return]  # loaded when needed
