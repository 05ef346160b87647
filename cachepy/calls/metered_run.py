"""The run of a call that tells where its time goes."""

from __future__ import annotations

from time import perf_counter

from cachepy.calls.run import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachepy.calls.metered import MeteredCall
    from cachepy.core.call import Flags
    from cachepy.core.model import Event
    from cachepy.store.payload import Payload


class MeteredRun(Run):
    """A run with a clock before and after each step; the body is no step."""

    __slots__ = ()
    call: MeteredCall

    def __init__(self, request: MeteredCall, flags: Flags) -> None:
        began = perf_counter()
        super().__init__(request, flags)
        request.add("digest", began)

    def holds(self) -> bool:
        began = perf_counter()
        try:
            return super().holds()
        finally:
            self.call.add("verify", began)

    def store(self, elapsed: float) -> Event | None:
        began, before = perf_counter(), self.call.seconds.get("digest", 0.0)
        try:
            return super().store(elapsed)
        finally:
            self.call.add("store", began, self.call.seconds.get("digest", 0.0) - before)

    def _result(self, payload: Payload, flat: bytes | None, elapsed: float) -> tuple[str, set[str]]:
        began = perf_counter()
        try:
            return super()._result(payload, flat, elapsed)
        finally:
            self.call.add("digest", began)

    def ended(self, elapsed: float, error: object) -> None:
        super().ended(elapsed, error)
        self.call.tell_meter()
