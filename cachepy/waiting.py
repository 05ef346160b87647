"""Whose turn it is to run a call: take the claim, or wait for whoever has it, but never in a circle.

Imports deadlock, trace.
"""

from __future__ import annotations

from cachepy.deadlock import waits_for_me
from cachepy.trace import Frame, caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cachepy.engine import Flags, Request

_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.05  # s between two looks at somebody else's claim


def attempts(request: Request, flags: Flags) -> Iterator[float]:
    """Yields pauses until there is a hit, or this call is ours to run."""
    if not flags.save:
        return
    frame = caller()
    mine = set(frame.lineage()) if isinstance(frame, Frame) else set()
    pause = _FIRST_PAUSE
    path = request.store.claim_path(request.id)
    try:
        while not _take(request, path, flags):
            request.session.waiting[request] = mine, request.id
            if _would_deadlock(request, mine, pause):
                return
            if pause >= _LONGEST_PAUSE:
                request.session.on_wait()
            yield pause
            pause = min(pause * 1.5, _LONGEST_PAUSE)
    finally:
        request.session.waiting.pop(request, None)


def _take(request: Request, path: str, flags: Flags) -> bool:
    """Take the claim and look again; True when there is nothing to wait for any more."""
    claims = request.session.claims
    if request.session.waiting.get(request) is not None and claims.is_held(path):
        return False
    try:
        request.store.prepare(request.id)
        request.claim = claims.acquire(path)
    except OSError as error:
        request.cannot_write(error)
        return True
    if request.claim is None:
        return False
    if flags.may_hit and request.find_hit() is not None:
        request.release()
    return True


def _would_deadlock(request: Request, mine: set[str], pause: float) -> bool:
    """Whether whoever runs this call waits, through others, for one of my callers."""
    session = request.session
    owner = session.owners.get(request.id)
    if owner is not None and pause >= _LONGEST_PAUSE and waits_for_me(owner.thread):
        return True
    blocked = set() if owner is None else {owner.run}
    while True:
        if blocked & mine:
            return True
        waiting = list(session.waiting.values())
        more = {session.owners[w].run for line, w in waiting if line & blocked and w in session.owners}
        if more <= blocked:
            return False
        blocked |= more
