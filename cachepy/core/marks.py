"""What the marks of a run say of it: what it used that cannot be compared, who accepted it."""

from __future__ import annotations

from cachepy.core.kinds import ACCEPTANCE, UNSEEN, VALUE_FILES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachepy.core.model import Trace


def unseen_in(trace: Trace) -> tuple[str, ...]:
    """What a run depended on that nobody can compare."""
    return tuple(sorted(dep.name for dep in trace.deps if dep.kind in UNSEEN))


def accepted_in(trace: Trace) -> str:
    """Who accepted a result and on which day, ``"by ann on 2026-11-30"``; empty if nobody did."""
    for dep in trace.deps:
        if dep.kind in ACCEPTANCE:
            return f"by {dep.name} on {(dep.digest or '')[:10]}"
    return ""


def value_file_in(trace: Trace) -> str | None:
    """The file in which the value of a run lies, below the cache directory; None if it is in the entry itself."""
    return next((dep.name for dep in trace.deps if dep.kind in VALUE_FILES), None)
