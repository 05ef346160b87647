"""Whose turn it is to run a call: take the claim, or wait for whoever has it, but never in a circle."""

from __future__ import annotations

from _thread import get_ident
from time import perf_counter, time

from cachepy.calls.deadlock import waits_for_me
from cachepy.calls.patience import SOME, Patience, tell_waiting, waiters
from cachepy.core.current import caller
from cachepy.core.frame import Frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cachepy.calls.request import Request
    from cachepy.core.call import Flags

_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.05  # s between two looks at somebody else's claim
_LATER_PAUSE = 0.2  # s likewise, when it takes long
_FAR_PAUSE = 2.0  # s between two looks at what others run elsewhere


def attempts(request: Request, flags: Flags, *, blocks: bool = False) -> Iterator[float]:
    """Yields pauses until there is a hit, or this call is ours to run; after `take` failed.

    blocks: whether the thread does nothing else meanwhile; what it holds itself, it would wait for for ever: a signal
    handler or a callback of the garbage collector may ask in the midst of a call.
    """
    frame = caller()
    mine = set(frame.lineage()) if isinstance(frame, Frame) else set()
    pause, began, patience = _FIRST_PAUSE, perf_counter(), Patience(request)
    me = get_ident() if blocks and get_ident() not in waiters else None
    try:
        if me is not None:
            waiters.add(me)
        while True:
            request.session.waiting[request] = mine, request.id
            if _would_deadlock(request, mine, pause):
                return
            if blocks and request.session.claims.is_of_this_thread(request.claim_path):
                return
            if pause >= _LONGEST_PAUSE:
                request.session.hooks.on_wait()
            if patience.is_due():
                if patience.has_new_entry() and _is_stored(request, flags):
                    return
                if patience.is_over() and not patience.take_over():
                    return
                pause = _LATER_PAUSE if patience.is_told else pause
            request.has_waited = True
            yield pause
            pause = max(min(pause * 1.5, _LONGEST_PAUSE), pause)
            if take(request, flags):
                return
    finally:
        if me is not None:
            waiters.discard(me)
        request.session.waiting.pop(request, None)
        if pause > _FIRST_PAUSE:
            request.session.hooks.on_waited(request.function.target.identity, perf_counter() - began)


def _is_stored(request: Request, flags: Flags) -> bool:
    """Whether there is a hit though the claim is held: its owner may not come to give it back."""
    return flags.may_hit and request.find() is not None


def take(request: Request, flags: Flags) -> bool:
    """Take the claim and look again; True when there is nothing to wait for any more."""
    if not flags.save:
        return True
    claims, path = request.session.claims, request.claim_path
    if request in request.session.waiting and claims.is_held(path):
        return False
    try:
        if not request.store.is_ready:
            request.prepare()
        request.claim = claims.acquire(path, request.prepare)
    except OSError as error:
        request.cannot_write(error)
        return True
    if request.claim is None:
        return False
    if flags.may_hit and request.store.may_have(request.id, request.path) and request.find() is not None:
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


def wait_for_others(request: Request, flags: Flags) -> Iterator[float]:
    """Yields pauses until nobody elsewhere runs the call, or its result is there; the claim here is ours."""
    far, pause = request.store.far, _LATER_PAUSE
    while far is not None and not far.may_run(request.id):
        request.has_waited = True
        if perf_counter() - request.began > SOME:
            tell_waiting(request, far.runner(request.id), time() - SOME)
        request.session.hooks.on_wait()
        yield pause
        pause = min(pause * 1.5, _FAR_PAUSE)
        if _is_stored(request, flags):
            request.release()
            return
    if far is not None and flags.may_hit and far.has_more(request.id):
        request.has_waited = True  # for somebody who has just ended
        if _is_stored(request, flags):
            request.release()
