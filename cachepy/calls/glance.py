"""A look for the result of a call that nobody makes here: it runs nothing, and loads only what is short.

Its arguments may hold results of other calls that are `Known` by their digests.  A long result stays where it is, as
`Found`.  What is found counts as a hit: the caller depends on it, and it is recorded.
"""

from __future__ import annotations

from cachepy.calls.request import Request
from cachepy.core.call import FLAGS
from cachepy.core.revision import MISSING
from cachepy.values.composed import Known
from cachepy.values.flat import SHORT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.calls.engine import CachedCall
    from cachepy.core.call import Hit
    from cachepy.core.ports import Stored
    from cachepy.core.verify import Verifier

    Loaded = tuple[Any, Callable[[], None] | None] | None

_LONG = 4 * SHORT  # bytes of a pickle: what is short for a digest never has so many


class Found(Known):
    """A long result that is stored; load: gives it, or `MISSING`."""

    def __init__(self, digest: str, load: Callable[[], Any]) -> None:
        self.digest = digest
        self.load = load


class Glance(Request):
    """One such look; loads_all: also a long result."""

    __slots__ = ("loads_all",)
    loads_all: bool

    def load(self, stored: Stored, index: int) -> Loaded:
        if not self.loads_all and self.store.is_longer(self.id, stored, index, _LONG):
            return Found(stored.events[index].trace.result, lambda: self._loaded(stored, index)), None
        value = self._loaded(stored, index)
        return None if value is MISSING else (value, None)

    def _loaded(self, stored: Stored, index: int) -> Any:
        """The value; `MISSING` also of a run that changed its arguments, which are not here."""
        loaded = super().load(stored, index)
        return MISSING if loaded is None or loaded[1] is not None else loaded[0]

    def served(self, stored: Stored, index: int, verifier: Verifier, frame: Any, *, is_filled: bool) -> None:
        super().served(stored, index, verifier, frame, is_filled=True)  # the fast path is for whole arguments


def glance(call: CachedCall, args: tuple[Any, ...], kwargs: dict[str, Any], *, loads_all: bool = False) -> Hit | None:
    """A verified hit of a call, its value whole or as `Found`; None if there is none, whatever the cause."""
    if call.options.changes or call.options.folds or call.options.mode or not FLAGS.isdisjoint(kwargs):
        return None
    try:
        session, values, key, found = call.key_of(args, kwargs)
        request = Glance(call, session, (args, kwargs), values, key, found)
        request.loads_all = loads_all
        return request.find() if request.may_be_stored() else None
    except Exception:  # the call itself says what is wrong
        return None
