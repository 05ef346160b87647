"""Locks of open files between processes, where the file system has them."""

from __future__ import annotations

import time

_PAUSE = 0.001  # s between two tries


def try_lock(fd: int) -> bool:
    """Whether the lock is for this process; where files have no locks, for each."""
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:  # Windows
        return True
    try:
        flock(fd, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks here
        pass
    return True


def lock(fd: int, patience: float, *, shared: bool = False) -> bool:
    """Lock an open file until it is closed or unlocked; whether that could be had in so many seconds."""
    try:
        from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
    except ImportError:  # Windows
        return False
    end = time.monotonic() + patience
    while True:
        try:
            flock(fd, (LOCK_SH if shared else LOCK_EX) | LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(_PAUSE)
        except OSError:  # no locks here
            return False
        else:
            return True


def unlock(fd: int) -> None:
    """Give a lock back before the file is closed."""
    try:
        from fcntl import LOCK_UN, flock

        flock(fd, LOCK_UN)
    except (ImportError, OSError):
        pass
