"""Claims: who runs a call right now, so that others wait and load instead of running it too.

A claim is a small file made with O_EXCL beside the entry.  Its owner is known by host, boot,
process and start time, so on one host a dead owner is noticed at once; on another host by its
heartbeat: the owner touches the file, and a waiter that sees no touch for a while (by the waiter's
own clock) takes the claim over.  Where other hosts may look, a helper touches what is held for longer
(see `heartbeat`).  Whoever removes the claim of a process that died here removes its half-written files
too.  No lock of the file system is relied on.

A claim that could not be removed when it was given back belongs to nobody: this process goes by what it holds,
not by what lies on the disk, and its heartbeat tries again.

A claim is the start of an entry: magic, length, owner as text.  The rest is written behind it (see `Store.put`).
"""

from __future__ import annotations

import os
import time
from _thread import RLock, get_ident
from errno import ENOSPC
from itertools import count

from cachepy.store.fs import unlink
from cachepy.store.heartbeat import Keeper
from cachepy.store.owner import Owner, owner_in, read_claim, start_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

HEARTBEAT = 1.0  # s between touches
UNSURE = 60.0  # s without a touch after which an owner of whom only the number is known counts as dead
LEASE = 4.0  # s without a touch after which an owner on another host counts as dead
BREAK = ".break"  # beside a claim while a waiter removes it
_IDLE = 10  # beats without any claim after which the thread ends
_TEMPORARY = ".tmp"
_OPEN_CLAIMS = 64  # that keep their file open: a deep chain of calls must not use up all descriptors
_live: set[str] = set()  # tokens of the claims that this process holds or is taking, whichever session does
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)


def _clock() -> Callable[[], float]:
    """Seconds, by a clock that goes on while the machine sleeps, where there is one: macOS has it by another name."""
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        try:
            clock: int = getattr(time, name)
            time.clock_gettime(clock)
        except (AttributeError, OSError):  # unknown to Python, or to the kernel
            continue
        return lambda: time.clock_gettime(clock)
    return time.monotonic


_now = _clock()


class Claim:
    """A claim that this process holds.

    fd: of its file, for as long as that is kept open; block: what is in it.
    """

    __slots__ = ("block", "fd", "path", "pid", "since", "token")

    def __init__(self, path: str, token: str, block: bytes, pid: int) -> None:
        self.path = path
        self.pid = pid
        self.token = token
        self.block = block
        self.fd: int | None = None
        self.since = float("-inf")  # until it is there

    def is_surely_mine(self) -> bool:
        """Whether nobody can have taken it over: that takes a lease without a sign of life."""
        return _now() - self.since < LEASE / 2

    def take_file(self) -> int | None:
        """The descriptor, to be closed by whoever asks; it is given once."""
        fd, self.fd = self.fd, None
        return fd


class Claims:
    """All claims of one session.

    `acquire` tries once; while it returns None, somebody else holds the claim.
    """

    def __init__(
        self,
        made: Callable[[int], None] | None = None,
        make_folder: Callable[[str], None] | None = None,
        inherited: set[str] | None = None,
        is_far: Callable[[str], bool] = lambda path: False,
    ) -> None:
        self._made = made  # is told the descriptor of each new claim
        self._make_folder = make_folder or _make_private
        self._owner: Owner | None = None
        self._held: dict[str, Claim] = {}
        # claims of the dead that we removed: their last steps may be missing
        self.inherited: set[str] = set() if inherited is None else inherited
        self._seen: dict[str, tuple[Any, float]] = {}
        self._owed: set[str] = set()  # claims that were given back and could not be removed
        self._is_far = is_far  # whether other hosts may see what lies there
        self._keeper = Keeper()
        self._threads: dict[str, int] = {}  # path -> who is taking or holding it: signal handlers may ask in the midst
        self._lock = RLock()
        self._beating = False
        self._count = count()

    def owner(self) -> Owner:
        if self._owner is None or self._owner.pid != os.getpid():
            self._owner = Owner()
            self._held, self._threads, self._owed = {}, {}, set()
            self._keeper.forget()
            self._keeper = Keeper()
            self._lock = RLock()
            self._beating = False
        return self._owner

    def acquire(self, path: str, prepare: Callable[[], None] | None = None) -> Claim | None:
        """Take the claim if nobody alive has it; OSError if claims cannot be written there.

        prepare: makes the folder if it is missing.
        """
        owner = self.owner()
        token, block = owner.sign(f"{next(self._count)}-{id(self):x}")
        claim = Claim(path, token, block, owner.pid)
        _live.add(token)
        for _ in range(3):
            me, is_first = get_ident(), path not in self._threads
            if is_first:
                self._threads[path] = me
            try:
                _create(claim, self._made, keep=len(self._held) < _OPEN_CLAIMS)
                if self._seen:
                    self._seen.pop(path, None)
                self._held[path], self._threads[path] = claim, me
                if not self._beating:
                    self._beat_on()
                return claim
            except FileExistsError:
                if is_first:
                    self._threads.pop(path, None)
                try:
                    if not self._break_dead(path):
                        break
                except BaseException:
                    _live.discard(token)
                    raise
            except (FileNotFoundError, NotADirectoryError):  # a prune removed the empty folder
                if is_first:
                    self._threads.pop(path, None)
                prepare() if prepare is not None else self._make_folder(os.path.dirname(path))
            except BaseException:  # an interrupt after it was made: nobody else would give it back
                self.release(claim)
                raise
        _live.discard(token)
        return None

    def release(self, claim: Claim, aside: str = "") -> None:
        """Give the claim back, unless somebody took it over meanwhile; aside: the name that its file gets then."""
        is_last = self._held.get(claim.path, claim) is claim  # another thread of ours may have taken it over
        if is_last:
            self._held.pop(claim.path, None)
        try:
            _close(claim)
        except OSError:  # what was written there is not needed
            pass
        if claim.pid != os.getpid():  # a forked child that leaves its parent's body
            return
        try:
            if claim.is_surely_mine() or claim.block in start_of(claim.path):
                _take_away(claim.path, aside)
        except FileNotFoundError:
            return
        except OSError:
            self._owed.add(claim.path)
            self._beat_on()
        finally:
            if is_last:
                self._threads.pop(claim.path, None)
            _live.discard(claim.token)  # last: until then nobody else of this process removes it

    def take_over(self, path: str, content: Any) -> None:
        """Remove the claim of an owner that lives and does not go on, if it is still that one's; maybe not at once."""
        self._remove(path, content)

    def thread_of(self, path: str) -> int | None:
        """The thread of this process that takes or holds a claim."""
        return self._threads.get(path)

    def is_of_this_thread(self, path: str) -> bool:
        """Whether this very thread takes the claim or holds it: then nobody gives it back while this thread waits."""
        return self._threads.get(path) == get_ident()

    def is_held(self, path: str) -> bool:
        """Whether somebody alive holds the claim; breaks that of a dead owner."""
        try:
            return os.path.exists(path) and not self._break_dead(path)
        except OSError:  # `acquire` says what is wrong
            return False

    def is_of_here(self, path: str) -> bool:
        """Whether the owner is a process of this host: then `is_held` is certain."""
        content = read_claim(path)
        return content is not None and bool(content[0] == self.owner().host)

    def _break_dead(self, path: str) -> bool:
        """Remove the claim if its owner is dead; True if it is gone."""
        content = read_claim(path)
        if content is None:
            if not os.path.exists(path):
                return True
            return self._unchanged_for(path, None) > _patience(path) and self._remove(path, None)
        owner = self.owner()
        if owner.is_self(content):
            return content[3] not in _live and self._remove(path, content)
        lives = owner.lives(content)
        if lives is None:
            lease = UNSURE if content[0] == owner.host else LEASE
            return self._unchanged_for(path, content) > lease and self._remove(path, content)
        return not lives and self._remove(path, content) and _sweep(path, content[1])

    def _unchanged_for(self, path: str, content: Any) -> float:
        """Seconds, by our own clock, since we first saw the claim in its present state."""
        try:
            state = content, os.stat(path).st_mtime_ns
        except OSError:
            return 0.0
        seen, since = self._seen.get(path, (None, 0.0))
        if seen != state:
            since = time.monotonic()
            self._seen[path] = state, since
        return time.monotonic() - since

    def _remove(self, path: str, content: Any) -> bool:
        """Remove a dead owner's claim: one waiter at a time, who looks once more whose claim it is.

        Without the turn, a slow waiter could remove the claim that a quick one has just taken.
        """
        turn = f"{path}{BREAK}"
        try:
            os.close(os.open(turn, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666))
        except FileExistsError:
            if self._unchanged_for(turn, None) > _patience(turn):  # whose turn it was died in it
                unlink(turn)
            return False
        except OSError:
            if os.path.exists(path):
                raise  # the dead owner's claim cannot be removed from here: whoever waits for it waits for ever
            return True
        try:
            if read_claim(path) == content:
                os.unlink(path)
                self.inherited.add(path)
            return not os.path.exists(path)
        except FileNotFoundError:
            return True
        finally:
            unlink(turn)

    def _beat_on(self) -> None:
        """See that a thread touches what is held; it ends by itself when nothing is held any more."""
        with self._lock:
            if self._beating:
                return
            self._beating = True
        import threading

        try:
            threading.Thread(target=self._beat, args=(os.getpid(),), name="cachepy-heartbeat", daemon=True).start()
        except RuntimeError:  # no threads any more: the claim holds on this host, and for a while elsewhere
            self._beating = False

    def _beat(self, pid: int) -> None:
        idle = 0
        while os.getpid() == pid and (idle < _IDLE or not self._stop()):
            time.sleep(HEARTBEAT)
            idle = 0 if self._held or self._owed else idle + 1
            old = [claim for claim in list(self._held.values()) if _now() - claim.since >= HEARTBEAT]
            for claim in old:
                _touch(claim)
            self._keeper.keep([(c.path, c.token) for c in old if self._is_far(c.path)], HEARTBEAT)
            for path in list(self._owed):
                self._settle(path)

    def _settle(self, path: str) -> None:
        """Try again to remove a claim that was given back; emptied, it is waited for by nobody for long."""
        try:
            content = read_claim(path)
            if content is None or not self.owner().is_self(content) or content[3] in _live or self._break_dead(path):
                self._owed.discard(path)
        except OSError:
            _empty(path)

    def _stop(self) -> bool:
        """Whether nothing was taken meanwhile; under the lock, so that a new claim starts a new thread."""
        with self._lock:
            self._beating = bool(self._held or self._owed)
            if not self._beating:
                self._keeper.forget()
            return not self._beating


def _make_private(path: str) -> None:
    os.makedirs(path, mode=0o700, exist_ok=True)


def _create(claim: Claim, made: Callable[[int], None] | None, *, keep: bool) -> None:
    """Make the file, whole or not at all: an empty one would be waited for."""
    try:
        claim.fd = os.open(claim.path, _NEW, 0o644)  # it may become an entry, which speaks for its owner
    except OSError:
        raise
    except BaseException:  # an interrupt as the file was made: it is there, and empty
        _unlink_empty(claim.path)
        raise
    try:
        if made is not None:
            made(claim.fd)
        if os.write(claim.fd, claim.block) < len(claim.block):
            raise OSError(ENOSPC, os.strerror(ENOSPC), claim.path)
        claim.since = _now()
        if not keep:
            _close(claim)
    except BaseException:
        _close(claim)
        unlink(claim.path)
        raise


def _close(claim: Claim) -> None:
    fd = claim.take_file()
    if fd is not None:
        os.close(fd)


def _take_away(path: str, aside: str) -> None:
    """Remove it, or leave it there under another name."""
    if aside:
        try:
            os.replace(path, aside)
        except FileNotFoundError:
            raise
        except OSError:  # that the call failed will not be told; that it is over has to be
            pass
        else:
            return
    os.unlink(path)


def _empty(path: str) -> None:
    """Whose claim it was is not to be seen any more; an entry that was written behind it stays whole."""
    try:
        if os.stat(path).st_nlink == 1:
            os.truncate(path, 0)
    except OSError:
        pass


def _patience(path: str) -> float:
    """Seconds that something without an owner is left alone; an empty file is there for the time of one write."""
    try:
        return LEASE if os.path.getsize(path) else LEASE / 8
    except OSError:
        return LEASE


def _unlink_empty(path: str) -> None:
    """Should it be another's, made a moment ago: two run the same call, which is a waste and no more."""
    try:
        if os.stat(path).st_size == 0:
            os.unlink(path)
    except OSError:
        pass


def _touch(claim: Claim) -> None:
    """Show that we live; a claim that was taken over is not ours to keep alive."""
    try:
        content = owner_in(start_of(claim.path))
        if content is None or content[3] != claim.token:
            return
    except FileNotFoundError:
        return
    except OSError:  # it cannot be read just now: more likely ours than not
        pass
    try:
        os.utime(claim.path)
    except OSError:
        pass


def _sweep(path: str, pid: int) -> bool:
    """Remove what a process that died was writing beside its claim."""
    folder, name = os.path.split(path)
    start = f"{name.rpartition('.')[0]}.{pid}."
    try:
        names = os.listdir(folder)
    except OSError:
        return True
    for each in names:
        if each.startswith(start) and each.endswith(_TEMPORARY):
            unlink(os.path.join(folder, each))
    return True


def is_main_interpreter() -> bool:
    """Whether this is the interpreter that the process began with."""
    import _thread
    from importlib import import_module

    known = getattr(_thread, "_is_main_interpreter", None)
    if known is not None:
        return bool(known())
    try:  # Python 3.11
        interpreters = import_module("_xxsubinterpreters")
    except ImportError:
        return True
    return bool(interpreters.get_current() == interpreters.get_main())
