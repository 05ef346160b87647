"""What a result depends on that no digest can tell: hosts, random numbers without a seed, a user, the clock.

It is recorded as marks of the run, which change nothing of what is stored or stale.  A warning names what very likely
makes another result; the clock and unique ids are mostly for logs, measuring and file names, and are only recorded.
"""

from __future__ import annotations

from cachepy.code.unseen_names import CLOCK, IDS, sources_in
from cachepy.core.kinds import UNSEEN
from cachepy.core.marks import unseen_in
from cachepy.core.model import UNSEEN_SOURCE, Dep
from cachepy.errors import UnseenInputError, UnseenInputWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cachepy.calls.function import Function
    from cachepy.calls.state import State
    from cachepy.code.fingerprint import CodeFingerprint
    from cachepy.code.unseen_names import Use
    from cachepy.core.frame import Frame
    from cachepy.core.model import Event, Trace

_QUIET = (CLOCK, IDS)


class UnseenSources:
    """Those of one body."""

    __slots__ = ("_call", "_frame", "_session", "_uses")

    def __init__(self, session: State, call: Function, frame: Frame, reaches: Iterable[CodeFingerprint]) -> None:
        self._session = session
        self._call = call
        self._frame = frame
        self._uses: set[Use] = set()
        self._take(reaches)

    def _take(self, reaches: Iterable[CodeFingerprint]) -> None:
        for reach in reaches:
            self._uses |= reach.uses(self._session.origins)

    def refuse_code(self) -> None:
        """Before the body: an error if it may not use what its code names."""
        if self._call.options.unseen == "error" and self._uses:
            _refuse(self._call.fname, sources_in(self._uses))

    def add(self, ran: Iterable[CodeFingerprint]) -> None:
        """The body has ended: tell its frame, which has to be open still; ran: code that its own does not lead to."""
        self._take(ran)
        for source in sources_in(self._uses) if self._uses else ():
            self._frame.add(Dep(UNSEEN_SOURCE, source, None))

    def refused(self) -> list[str]:
        """What was used though it may not be."""
        if self._call.options.unseen != "error":
            return []
        return sorted(name for kind, name in self._frame.deps if kind in UNSEEN)

    def warn(self, event: Event) -> None:
        """It is stored: say once for each function what may make another result."""
        if self._call.options.unseen != "warn":
            return
        loud = sorted([dep.name for dep in event.trace.deps if dep.kind in UNSEEN and not dep.name.startswith(_QUIET)])
        if loud:
            self._session.warn(
                UnseenInputWarning,
                f"{self._call.fname} depends on {', '.join(loud)}, whose changes go unseen: its result is reused as it "
                f"is. Pass what it gets as an argument, use a seed, change version=... to run it again, or say "
                f"unseen='ok' if that is right",
                self._call.target.identity,
            )


def refuse_stored(fname: str, trace: Trace) -> None:
    """Of a function that may not use such things: an error where a stored run did."""
    found = unseen_in(trace)
    if found:
        _refuse(fname, found)


def _refuse(fname: str, sources: Sequence[str]) -> None:
    if sources:
        raise error_of(fname, sources)


def error_of(fname: str, sources: Sequence[str]) -> UnseenInputError:
    """The error that names them."""
    return UnseenInputError(
        f"{fname} depends on {', '.join(sources)}, whose changes go unseen, and says unseen='error'. Pass what it gets "
        f"as an argument, use a seed, or say unseen='warn' or 'ok'"
    )
