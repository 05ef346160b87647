"""What the marks of a run say of it: what it used that cannot be compared, who accepted it."""

from __future__ import annotations

from cachepy.core.kinds import ACCEPTANCE, UNSEEN, VALUE_FILES

_MOVED = 3  # words of the mark of a result that was moved: when, the call and the function of before
TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachepy.core.model import Trace


def unseen_in(trace: Trace) -> tuple[str, ...]:
    """What a run depended on that nobody can compare."""
    return tuple(sorted(dep.name for dep in trace.deps if dep.kind in UNSEEN))


def accepted_in(trace: Trace) -> str:
    """Who accepted a result and on which day, ``"by ann on 2026-11-30"``; empty if nobody did.

    Of a function that was renamed also its name of before: ``"by ann on 2026-11-30, from flow:load"``.
    """
    for dep in trace.deps:
        if dep.kind in ACCEPTANCE:
            words = (dep.digest or "").split(" ")
            of = f", from {words[2]}" if len(words) == _MOVED else ""
            return f"by {dep.name} on {words[0][:10]}{of}"
    return ""


def value_file_in(trace: Trace) -> str | None:
    """The file in which the value of a run lies, below the cache directory; None if it is in the entry itself."""
    return next((dep.name for dep in trace.deps if dep.kind in VALUE_FILES), None)


def moved_from(trace: Trace) -> str:
    """The id under which a result was stored before its function was renamed; empty if it was not."""
    digests = [dep.digest or "" for dep in trace.deps if dep.kind in ACCEPTANCE]
    return next((words[1] for words in (each.split(" ") for each in digests) if len(words) == _MOVED), "")
