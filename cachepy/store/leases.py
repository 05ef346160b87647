"""Who runs which call, told to those who have no disk in common: an object that is made only where none is.

An owner that lives writes its lease anew now and then; a waiter that sees it unchanged for a while, by its own clock,
takes it over.  Two may do so at once, and where a store knows no condition for a write, two may begin at once: then
both run the call, which is a waste and no more.  Like claims, leases save work, and never correctness.
"""

from __future__ import annotations

import os
import time
from threading import Lock, Thread

from cachepy.store.owner import Owner, owner_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cachepy.store.objects import Objects

BEAT = 5.0  # s between two signs of life
LEASE = 20.0  # s without one after which an owner counts as dead
_LOOK = 1.0  # s between two looks at another's lease
_FEW = 100  # leases that are given back together


class Leases:
    """The leases of one process in one remote cache; say: is told what could not be done."""

    def __init__(self, remote: Objects, say: Callable[[OSError], None]) -> None:
        self._remote = remote
        self._say = say
        self._begin()

    def _begin(self) -> None:
        self._owner = Owner()
        self._mine: dict[str, float] = {}  # name -> when it was written last
        self._seen: dict[str, tuple[bytes, float, float]] = {}  # of others: what, since when, when looked at last
        self._over: list[str] = []  # to be removed when there are some, or nobody waits for the program
        self._lock = Lock()
        self._beats = False

    def _see_to_fork(self) -> None:
        """What the parent has is the parent's, and its lock may have been held when the child was made."""
        if self._owner.pid != os.getpid():
            self._begin()

    def take(self, name: str) -> bool:
        """Whether the call is ours to run; False while another one runs it.  True also if that cannot be told."""
        self._see_to_fork()
        now = time.monotonic()
        if self._has_again(name, now):
            return True
        seen = self._seen.get(name)
        if seen is not None and now - seen[2] < _LOOK:
            return False
        try:
            if self._remote.create(name, self._sign()) or self._is_over(name, seen, now):
                self._mine[name] = now
                self._seen.pop(name, None)
                self._beat_on()
                return True
        except OSError as error:
            self._say(error)
            return True
        return False

    def _has_again(self, name: str, now: float) -> bool:
        """Whether it was ours a moment ago, and is there still: a call that runs again need not wait for itself."""
        with self._lock:
            if name not in self._over:
                return False
            self._over.remove(name)
            self._mine[name] = now
        self._beat_on()
        return True

    def _is_over(self, name: str, seen: tuple[bytes, float, float] | None, now: float) -> bool:
        """Whether its owner is dead, or has just given it back; then it is ours."""
        try:
            content = self._remote.read(name)
        except FileNotFoundError:
            return self._remote.create(name, self._sign())
        since = seen[1] if seen is not None and seen[0] == content else now
        self._seen[name] = content, since, now
        owner = owner_in(content)
        is_dead = owner is not None and self._owner.is_dead(owner)  # as is only known of this host
        if now - since <= LEASE and not is_dead:
            return False
        self._remote.write(name, self._sign())
        return True

    def _sign(self) -> bytes:
        """Who has it, another text each time."""
        return self._owner.sign(os.urandom(8).hex())[1]

    def give_back(self, name: str, *, at_once: bool) -> None:
        """The call has ended; at_once: without a result, so that who waits has to run it."""
        self._see_to_fork()
        with self._lock:
            if self._mine.pop(name, None) is None:
                return
            self._over.append(name)
        if at_once or len(self._over) >= _FEW:
            self.flush()

    def flush(self) -> None:
        """Remove what was given back."""
        self._see_to_fork()
        with self._lock:
            names, self._over = self._over, []
        try:
            self._remote.remove(names)
        except OSError:  # who finds them waits for the time of a lease, and finds the result before
            return

    def owner(self, name: str) -> str:
        """Who has a lease that is not ours."""
        owner = owner_in(self._seen.get(name, (b"", 0.0, 0.0))[0])
        return "another host" if owner is None else f"process {owner[1]} on {owner[0].partition(':')[0]}"

    def _beat_on(self) -> None:
        with self._lock:
            if not self._beats:
                self._beats = True
                Thread(target=self._beat, args=(os.getpid(),), name="cachepy-remote", daemon=True).start()

    def _beat(self, pid: int) -> None:
        while os.getpid() == pid:
            time.sleep(BEAT)
            for name, when in list(self._mine.items()):
                if time.monotonic() - when >= BEAT and name in self._mine:
                    self._renew(name)
            self.flush()
            with self._lock:
                if not self._mine and not self._over:
                    self._beats = False
                    return

    def _renew(self, name: str) -> None:
        try:
            self._remote.write(name, self._sign())
        except OSError:  # a waiter may take it over
            return
        with self._lock:
            if name in self._mine:  # else it was given back meanwhile, and must not be kept alive
                self._mine[name] = time.monotonic()

