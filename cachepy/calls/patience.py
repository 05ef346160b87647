"""How long a call waits for whoever runs it: as long as that goes on, and of one that stands still not for ever.

A body may wait for what its waiter holds: a lock of the program, a lock of a file, a connection.  Without the cache the
two would not have met.  So a waiter looks now and then whether the owner goes on.  Once it has stood still for as long
as the call ever took, and some seconds, the waiter runs the call too; both results are right.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import get_ident

from cachepy.calls import liveness
from cachepy.errors import StuckCallWarning
from cachepy.store.owner import read_claim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.calls.liveness import Seen
    from cachepy.calls.request import Request

SOME = 5.0  # s without a move beyond what the call ever took; after as many it is said what is waited for
UNKNOWN = 600.0  # s likewise, where nobody knows whether the owner moves, or how long the call takes
_LOOK = 1.0  # s between two looks, at first; they get rarer
_RARER = 20.0  # a look for each such part of the time that has passed
_LEAST, _SHARE = 0.02, 0.01  # s of processor time, and of the time that passes, that count as a move
_OWN_LEAST, _OWN_SHARE = 0.001, 0.001  # of one thread alone
_HERE_SHARE = 0.05  # of this process, in which others may wait as well

waiters: set[int] = set()
"""Threads of this process that do nothing but wait for a claim."""


class _Clock:
    """Whether processor time runs on: who only waits uses some, too."""

    def __init__(self, least: float, share: float) -> None:
        self.least, self.share = least, share
        self._used: float | None = None
        self._since = 0.0

    def runs(self, used: float | None, now: float) -> bool:
        if used is None:
            return False
        if self._used is not None and used - self._used < max(self.least, self.share * (now - self._since)):
            return False
        self._used, self._since = used, now
        return True


class Patience:
    """One waiter's view of whoever runs its call."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.began = self._moved = time.monotonic()
        self._clock = time.time()
        self._next = self.began + _LOOK
        self._owner: Any = None
        self._seen: Seen | None = None
        self._known: float | None = None
        self._entry = self._entry_now()
        self.is_told = False  # what is waited for

    def is_due(self) -> bool:
        """Whether it is time to look again."""
        return time.monotonic() >= self._next

    def has_new_entry(self) -> bool:
        """Whether another entry is there than at the beginning, or at the last look."""
        before, self._entry = self._entry, self._entry_now()
        return self._entry is not None and self._entry != before

    def _entry_now(self) -> tuple[int, int] | None:
        try:
            st = os.stat(self.request.path)
        except OSError:
            return None
        return st.st_ino, st.st_mtime_ns

    def is_over(self) -> bool:
        """Look at the owner; whether to give up on it."""
        now = time.monotonic()
        self._next = now + max(_LOOK, (now - self.began) / _RARER)
        owner = read_claim(self.request.claim_path)
        if owner is None:  # it is being written, or gone
            return False
        if owner != self._owner:
            self._begin(owner, now)
        if now - self.began >= SOME and not self.is_told:
            self.is_told = True
            self._tell()
        return self._stands_since(now) > self._limit()

    def take_over(self) -> bool:
        """Remove the claim of the owner, so that others wait for whoever is next; say so.  False if that cannot be."""
        request = self.request
        text = (
            f"{request.title} runs here, too: {self._who()} runs it, and has not moved for "
            f"{time.monotonic() - self._moved:.0f} s. It may wait for a lock, a file or a connection that the code "
            f"here holds: let go of it before you call {request.function.fname}"
        )
        request.session.warn(StuckCallWarning, text, request.function.target.identity)
        try:
            request.session.claims.take_over(request.claim_path, self._owner)
        except OSError:
            return False
        return True  # it may be another waiter's by now

    def _begin(self, owner: Any, now: float) -> None:
        self._owner, self._moved, self._seen = owner, now, None
        self._is_here = self.request.session.claims.owner().is_self(owner)
        self._all = _Clock(_LEAST, _HERE_SHARE if self._is_here else _SHARE)
        self._own = _Clock(_OWN_LEAST, _OWN_SHARE)
        stored = self.request.stored or self.request.look()
        self._known = max((event.elapsed for event in stored.events), default=None) if stored is not None else None

    def _stands_since(self, now: float) -> float:
        """Seconds for which nothing of the owner was seen to move."""
        seen, before = self._look(), self._seen
        self._seen = seen
        if seen is not None:
            runs = [self._own.runs(seen.own, now), self._all.runs(seen.all, now)]  # both are asked each time
            if any(runs) or (before is not None and before.place != seen.place):
                self._moved = now
        return now - self._moved

    def _look(self) -> Seen | None:
        claims = self.request.session.claims
        if not self._is_here:
            return liveness.of_process(self._owner[1]) if self._owner[0] == claims.owner().host else None
        frame = self.request.session.owners.get(self.request.id)
        ident = claims.thread_of(self.request.claim_path) if frame is None else frame.thread
        if ident == get_ident():
            return liveness.of_coroutine(frame)
        return None if ident is None else liveness.of_thread(ident, waiters)

    def _limit(self) -> float:
        """Seconds to wait for one that stands still."""
        known, seen = self._known, self._seen
        if seen is None:
            return UNKNOWN + 2 * (known or 0.0)
        if known is None:
            return SOME if seen.is_at_lock else UNKNOWN
        return known + SOME

    def _who(self) -> str:
        host, pid = self._owner[:2]
        if self._is_here:
            return "another thread or task of this process"
        return f"process {pid} on {host.partition(':')[0] or 'another host'}"

    def _tell(self) -> None:
        tell_waiting(self.request, self._who(), self._clock, is_here=self._is_here)


def tell_waiting(request: Request, who: str, since: float, *, is_here: bool = False) -> None:
    """Say what is waited for, once for each call: nobody should have to guess why a program stands still.

    since: in seconds since the epoch; is_here: whether it is another thread of this process.
    """
    if not request.session.is_first("waits", request.id):
        return
    when = time.strftime("%H:%M:%S", time.localtime(since))
    out = "" if is_here else "; if you end that process, it runs here"
    line = f"cachepy: {request.title} waits since {when} for {who}, which runs it now{out}"
    import logging

    logger = logging.getLogger("cachepy")
    if logger.hasHandlers():
        logger.warning("%s", line, extra={"cachepy_outcome": "wait", "cachepy_id": request.id})
    elif sys.stderr is not None:
        print(line, file=sys.stderr)  # noqa: T201 - a program that stands still has to say why
