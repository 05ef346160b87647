"""Addresses that stand in stored pickles and have changed since: what was written under the old one is read as before.

A value is unpickled as if nothing had moved; only where that fails is it tried with today's addresses, so that they
cost nothing where they are not needed.  Whoever moves something that a stored value may hold adds a row here.
"""

from __future__ import annotations

import _pickle
from io import BytesIO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# the module of before, below cachepy -> where to look now, in this order
MOVED = {
    "answers": ("answers",),
    "api": ("staleness.api",),
    "asking.plan": ("staleness.plan",),
    "asking.refresh": ("staleness.refresh",),
    "calls.carry": ("calls.context",),
    "disk.changed": ("store.changed_arguments",),
    "disk.payload": ("store.payload",),
    "engine": ("calls.engine",),
    "forms.view": ("views.view",),
    "methods": ("methods", "values.bound_methods"),
    "model": ("core.model", "core.reasons"),
    "questions": ("methods",),
    "upkeep.aside": ("maintain.quarantine",),
    "upkeep.check": ("maintain.check",),
    "upkeep.repair": ("maintain.repair",),
    "upkeep.trial": ("maintain.rerun",),
}
_OURS = "cachepy."


class Unpickler(_pickle.Unpickler):
    """Finds what is ours under its old address too."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith(_OURS):
            *others, last = MOVED.get(module.removeprefix(_OURS), (module.removeprefix(_OURS),))
            for other in others:
                try:
                    return super().find_class(_OURS + other, name)
                except AttributeError:
                    continue
            return super().find_class(_OURS + last, name)
        return super().find_class(module, name)


def may_help(error: BaseException, pickle: bytes | memoryview) -> bool:
    """Whether a pickle that could not be loaded names something of ours that was not found."""
    return isinstance(error, ImportError | AttributeError) and _OURS.encode() in bytes(pickle)


def load(pickle: bytes | memoryview, buffers: Sequence[Any] = ()) -> Any:
    """The value of a pickle that may name old addresses."""
    return Unpickler(BytesIO(pickle), buffers=buffers).load()
