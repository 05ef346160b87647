"""The mailbox of a run: what other processes leave for it, so that what is missing, foreign or altered is noticed.

A trace without one of its deps would hold where it must not, and a signed entry would vouch for it.  So a run gives
those that it sends off a secret, in the pickle that goes to them and never on disk; each record is authenticated with
it, and bears its writer and a number.  A second file, the tally, holds a receipt for each record, written before it:
a mailbox that was cut lacks records that have receipts.  Only its owner may write into either, and a mailbox is read
only if it is the very file that the run made.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from hmac import compare_digest
from itertools import count

from cachepy.store import journal
from cachepy.store.fs import unlink
from cachepy.store.schema import is_dep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Identity = tuple[int, int, int]  # device, inode, owner

_TALLY = ".tally"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def make(path: str, secret: str) -> Identity:
    """Make a mailbox, in a folder that is there; OSError if that cannot be.

    Its first record makes a loss known without anything being written: a process that cannot append removes the file.
    If another one makes it again, which may give it the same inode, the first record is missing.
    """
    fd = os.open(path, _NEW, 0o600)
    try:
        os.write(fd, journal.frame(_mac(secret, "head")))
        return _identity(os.fstat(fd))
    finally:
        os.close(fd)


def read(path: str, secret: str, made: Identity) -> list[tuple[Any, ...]] | None:
    """The deps in a mailbox, as tuples; None if some may be missing or are not of those that were sent off.

    OSError if it is gone, or another file has its name.
    """
    receipts = _receipts(path + _TALLY, secret)  # first: of what is sent meanwhile, by nobody who is waited for
    head, *records = [*journal.scan(_content(path, made))] or [None]
    if head != _mac(secret, "head"):
        raise OSError("it is not the file that was made")
    if receipts is None or not all(_is_genuine(record, secret) for record in records):
        return None
    numbers = [record[:2] for record in records]
    known = set(numbers)
    is_whole = receipts <= known and len(known) == len(numbers) and bool(receipts) == bool(known)
    return [record[2:5] for record in records] if is_whole and _have_no_gap(known) else None


def remove(path: str) -> None:
    """Remove a mailbox and what belongs to it, best effort."""
    unlink(path)
    unlink(path + _TALLY)


class Sender:
    """Writes into the mailbox of a run in another process; each record at once.

    secret: of the run; without one the records are plain (what is sent for nobody in particular).
    """

    __slots__ = ("_box", "_numbers", "_pid", "_tally", "_writer", "secret")

    def __init__(self, path: str, secret: str = "") -> None:
        self.secret = secret
        self._box = journal.Journal(path)
        self._tally = journal.Journal(path + _TALLY, _make_private)
        self._pid = 0

    def send(self, dep: tuple[Any, ...]) -> None:
        """Add a dep; OSError if it cannot be written.  Where the mailbox is gone, nobody waits for it, or knows."""
        try:
            if not self.secret:
                self._box.append(dep)
            elif os.path.lexists(self._box.path):
                self._send(dep)
        finally:
            self._box.close()
            self._tally.close()

    def _send(self, dep: tuple[Any, ...]) -> None:
        if self._pid != os.getpid():  # a forked child counts for itself
            self._writer, self._numbers, self._pid = os.urandom(8).hex(), count(1), os.getpid()
        number = next(self._numbers)
        self._tally.append((self._writer, number, _mac(self.secret, "receipt", self._writer, number)))
        self._box.append((self._writer, number, *dep, _mac(self.secret, "dep", self._writer, number, *dep)))


def _mac(secret: str, *parts: Any) -> bytes:
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), key=secret.encode(), digest_size=16).digest()


def _is_genuine(record: Any, secret: str) -> bool:
    if not isinstance(record, tuple) or len(record) != 6 or not is_dep(record[2:5]):
        return False
    return _is_signed("dep", record, secret)


def _is_signed(purpose: str, record: tuple[Any, ...], secret: str) -> bool:
    *said, mac = record
    right = isinstance(said[0], str) and type(said[1]) is int and isinstance(mac, bytes)
    return right and compare_digest(mac, _mac(secret, purpose, *said))


def _receipts(path: str, secret: str) -> set[tuple[Any, ...]] | None:
    """Writers and numbers of the records that there have to be; None if a receipt is damaged or false."""
    try:
        with open(path, "rb", opener=_open) as file:
            records = list(journal.scan(file.read()))
    except FileNotFoundError:
        return set()
    except OSError:
        return None
    if not all(isinstance(r, tuple) and len(r) == 3 and _is_signed("receipt", r, secret) for r in records):
        return None
    return {record[:2] for record in records}


def _have_no_gap(numbers: set[tuple[Any, ...]]) -> bool:
    """Whether each writer's records are numbered from 1 on."""
    found: dict[str, list[int]] = {}
    for writer, number in numbers:
        found.setdefault(writer, []).append(number)
    return all(max(each) == len(each) for each in found.values())


def _content(path: str, made: Identity) -> bytes:
    with open(path, "rb", opener=_open) as file:
        if _identity(os.fstat(file.fileno())) != made:
            raise OSError("it is not the file that was made")
        return file.read()


def _open(path: str, flags: int) -> int:
    """Through no link, and without waiting for a fifo's writer."""
    return os.open(path, flags | _READ)


def _identity(st: os.stat_result) -> Identity:
    return st.st_dev, st.st_ino, st.st_uid


def _make_private(fd: int) -> None:
    if hasattr(os, "fchmod"):
        os.fchmod(fd, 0o600)
