"""What did not run does not count: `observe_code="exact"`.

While a body runs, the code that starts anywhere in the process is collected.  When it has ended, the functions that its
static reach holds and that did not start are closed: of them only the identity counts (see `code.closed`).  That digest
stands in the trace beside the one of all code, as a dep of its own; where the code is another one, it may speak for it.
Where anything is in doubt there is no such dep, and all code counts.
"""

from __future__ import annotations

from cachepy.calls.code_events import Window, events
from cachepy.code.closable import closed_reach, known_of, looks_into_code
from cachepy.code.fingerprint import cached_target
from cachepy.code.namer import LOCAL
from cachepy.core.model import EXACT, Dep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cachepy.calls.request import Request
    from cachepy.code.fingerprint import CodeFingerprint
    from cachepy.core.frame import Frame


class Exact:
    """What is collected of one body."""

    __slots__ = ("_is_whole", "_window", "reach")

    def __init__(self) -> None:
        self._window = Window()
        self._is_whole = events.is_whole()
        self.reach: CodeFingerprint | None = None  # of what ran
        if self._is_whole:
            events.open(self._window)

    def end(self) -> None:
        """Nothing more of it counts."""
        events.close(self._window)

    def dep(self, request: Request, frame: Frame, others: Iterable[CodeFingerprint]) -> Dep | None:
        """What stands in the trace; None if all code counts. others: all else that its trace names of code."""
        started = events.started_since(self._window)
        self.end()
        function, reader = request.function, request.session.reader
        target = function.target
        if frame.shared or function.own is not None or LOCAL in target.qualname or cached_target(target.fn) is not None:
            return None
        if not (self._is_whole and events.is_whole() and request.reach.guard()):
            return None
        closed = known_of(reader, target).closable().not_run(started, events.is_told)
        if not closed:
            return None
        reach = closed_reach(reader, target, closed)
        inside = started & request.reach.inside()
        reaches = [reach, *(each for each in others if each is not request.reach)]
        if not inside <= reach.inside() or _leads_out(reaches) or looks_into_code(reaches, reader.facts):
            return None
        self.reach = reach
        return Dep(EXACT, request.own_name, reach.digest)


def _leads_out(reaches: Iterable[CodeFingerprint]) -> bool:
    """Whether work may be done by a thread that was there before, or by another process."""
    return any(each.routes.hands_on or each.routes.elsewhere for each in reaches)
