"""A caller in another process: it is told through a mailbox on disk, which it reads when its body has ended."""

from __future__ import annotations

import os
from errno import ENOENT

from cachepy.core.model import Dep
from cachepy.errors import UntoldError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.core.frame import Frame
    from cachepy.store.inbox import Sender


def as_os_error(error: ImportError) -> OSError:
    """What could not be done for want of a module, as if the disk had refused it."""
    return OSError(ENOENT, str(error))


def read_mailbox(frame: Frame) -> list[Dep]:
    """What other processes left for a frame in its mailbox."""
    from cachepy.store import inbox

    is_lost, is_whole = _take_sign(frame.run), True
    try:
        records, is_whole = _records(frame)
    except OSError:
        is_lost = is_lost or frame.posted is not None
        records = []
    if is_lost:
        frame.lose(OSError("a process that it started could not write there"))
    elif not is_whole:
        frame.lose(None)
    inbox.remove(frame.mailbox)
    return [Dep(*record) for record in records]


def _records(frame: Frame) -> tuple[list[Any], bool]:
    """What is in the mailbox, and whether that is all of it and nothing else."""
    from cachepy.store import inbox, journal

    if frame.posted is not None:
        found = inbox.read(frame.mailbox, frame.secret, frame.posted)
        return found or [], found is not None
    records, is_damaged = journal.read(frame.mailbox)  # nobody was told of it
    deps = list(filter(journal.is_dep, records))
    return deps, not is_damaged and len(deps) == len(records)


def post(frame: Frame) -> None:
    """Make the mailbox, in a folder that is there; OSError if that cannot be."""
    from cachepy.store.inbox import make

    if frame.run[:1] == "0":  # one of sixteen looks what the dead left
        from cachepy.store.tidy import DAY, MOST_RUNS, tidy

        tidy(os.path.dirname(frame.mailbox), MOST_RUNS, older=7 * DAY)
    frame.secret = os.urandom(16).hex()
    frame.posted = make(frame.mailbox, frame.secret)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def _sign(run: str) -> str:
    """Where a process of this host says that it could neither write into the mailbox nor remove it."""
    from tempfile import gettempdir

    return os.path.join(gettempdir(), f"cachepy-{run}.lost")


def _take_sign(run: str) -> bool:
    path = _sign(run)
    is_there = os.path.lexists(path)
    if is_there:
        _unlink(path)
    return is_there


class RemoteFrame:
    """A caller in another process, which reads its mailbox when its body has ended."""

    __slots__ = ("_sender", "mailbox", "on_loss", "run", "secret")

    def __init__(self, run: str, mailbox: str, secret: str = "") -> None:
        self.run = run
        self.mailbox = mailbox  # none if the caller could not make it: it knows that it will not be told
        self.on_loss: Callable[[OSError], None] = lambda error: None
        self.secret = secret
        self._sender: Sender | None = None

    def add(self, dep: Dep) -> None:
        """Written through at once: the caller looks as soon as it has the result."""
        if not self.mailbox:
            return
        try:
            os.makedirs(os.path.dirname(self.mailbox), mode=0o700, exist_ok=True)  # `with_caller` made it
            self._send(dep)
        except OSError as error:
            self._lose(error)
        except ImportError as error:
            self._lose(as_os_error(error))

    def _send(self, dep: Dep) -> None:
        if self._sender is None:
            from cachepy.store.inbox import Sender

            self._sender = Sender(self.mailbox, self.secret)
        self._sender.send(dep.astuple())

    def _lose(self, error: OSError) -> None:
        """See that the caller stores nothing: a trace without this dep would hold where it must not.

        Taking the mailbox away needs no room on a full disk. Where even that is refused, the caller looks for a sign
        among the temporary files; if that cannot be left either, the error goes through: better than a stale value.
        """
        self.on_loss(error)
        try:
            os.unlink(self.mailbox)
        except FileNotFoundError:  # somebody has said so already
            pass
        except OSError:
            self._leave_sign()

    def _leave_sign(self) -> None:
        flags = os.O_CREAT | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)
        try:
            os.close(os.open(_sign(self.run), flags, 0o600))
        except (OSError, ImportError) as error:
            raise UntoldError(f"{self.mailbox} can neither be written nor removed: {error}") from error

    def is_open(self) -> bool:
        return True
