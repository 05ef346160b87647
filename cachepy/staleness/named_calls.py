"""The calls that a name means, as people type it: an id, the first digits of one, a function, a call as it is shown."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cachepy.core.model import Event

DIGITS = 4  # of a digest, at least


def calls_named(events: Mapping[str, Event], name: str) -> list[str]:
    """All that it may mean; none if nothing is called so."""
    return exact(events, name) or by_digest(events, name)


def exact(events: Mapping[str, Event], name: str) -> list[str]:
    """An id, or the calls of a function, or those that are shown so."""
    if name in events:
        return [name]
    named = [i for i, e in events.items() if name in (e.fname, e.qualname, f"{e.module}.{e.qualname}")]
    return named or ([i for i, e in events.items() if e.title == name] if "(" in name else [])


def by_digest(events: Mapping[str, Event], name: str) -> list[str]:
    """Those whose digest starts so, perhaps behind the name of their function."""
    fname, _, start = name.rpartition(":")
    start = start.lower()
    if len(start) < DIGITS or not set(start) <= set("0123456789abcdef"):
        return []
    return [i for i, e in events.items() if e.hash.startswith(start) and fname in ("", e.fname)]
