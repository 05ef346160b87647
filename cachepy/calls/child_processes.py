"""What child processes tell the bodies that run in their parent, where nothing carries the caller there.

A body whose code may start processes, or has an object that takes work, puts up a letter box under the name of its
process.  A child (of a pool, or forked by hand) that makes a call without a caller leaves there what it depends on,
if there is such a box: in those of its parent and of the processes above that.  Each body takes what came since it
began, without edges: it is not known whose work it was.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock
from errno import ESTALE

from xxhash import xxh3_64_hexdigest

from cachepy.calls.state import current_session
from cachepy.core.bodies import Body, bodies, enter_body
from cachepy.store.fs import unlink
from cachepy.store.owner import host_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from cachepy.calls.state import State
    from cachepy.core.frame import Frame
    from cachepy.core.model import Dep

_OPEN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_MOST_ABOVE = 16  # processes
_boxes = RLock()
"""Held while a body puts its box up, or takes it away if no other body needs it: one process has one box in a cache."""
_folders: set[str] = set()
"""Where this process, or one that it was forked from, has put boxes up."""
_host = ""


def box_of(folder: str, pid: int) -> str:
    """The letter box for the children of a process; other machines may have a process of that number."""
    global _host
    if not _host:
        _host = xxh3_64_hexdigest(host_id().encode())
    return os.path.join(folder, f"children-{_host}-{pid}")


class Parent:
    """The bodies that run in the processes above, as a caller; pids: nearest first."""

    run = mailbox = ""
    thread = 0
    parent = None

    def __init__(self, pids: tuple[int, ...]) -> None:
        self.pids = pids
        self._here = os.getpid()
        self._session: State | None = None
        self._count = -1
        self._boxes: list[str] = []

    def is_open(self) -> bool:
        return self._here == os.getpid() and any(map(os.path.exists, self._known()))

    def add(self, dep: Dep) -> None:
        for path in self._known():
            if os.path.exists(path):
                _leave(path, dep)

    def _known(self) -> list[str]:
        """Where boxes may be: in the cache directories of all cached functions."""
        session = current_session()
        count = len(session.functions) + len(session.stores)
        if session is not self._session or count != self._count:
            self._session, self._count = session, count
            roots = {store.root for store in session.stores}
            roots |= {call.options.root() for call in session.functions.all_calls()}
            folders = sorted(_folders.union([os.path.join(root, "runs") for root in roots]))
            self._boxes = [box_of(folder, pid) for folder in folders for pid in self.pids]
        return self._boxes


def _leave(path: str, dep: Dep) -> None:
    """Where that cannot be, the box is taken away: then nothing is stored that might lack it."""
    from cachepy.store.journal import Journal

    box = Journal(path, is_there=True)
    try:
        box.append(dep.astuple())
    except FileNotFoundError:  # whoever waited for it has ended
        pass
    except OSError:
        os.unlink(path)
    finally:
        box.close()


class _Elder(Body):
    """Stands for the bodies of the parent; whether they have a part in a call cannot be told from here."""

    __slots__ = ()

    def may_own(self, *_: object) -> bool:
        return True

    def surely_owns(self, *_: object) -> bool:
        return False


def find_parent() -> None:
    """In a child that multiprocessing started: have its calls told to the parent, whom it knows once it is set up."""
    process: Any = sys.modules.get("multiprocessing.process")
    parent = None if process is None else process.parent_process()
    if parent is None:
        return
    elder = next((body for body in bodies.values() if type(body) is _Elder), None)
    if elder is None or parent.pid not in elder.frame.pids:  # type: ignore[attr-defined]  # it is a `Parent`
        _adopt([parent.pid])


def _adopt(pids: Iterable[int]) -> None:
    """From now on the bodies of these processes, and of those above them, are told."""
    above = [each for pid in pids for each in _lineage(pid)]
    frame: Any = Parent(tuple(dict.fromkeys(above)))
    for old in [key for key, body in bodies.items() if type(body) is _Elder]:
        del bodies[old]
    enter_body(_Elder(frame, "", frozenset(), hands_on=False, is_async=True))


def _lineage(pid: int) -> list[int]:
    """A process and those above it that run the same interpreter, where the system tells."""
    found = [pid]
    try:
        program = os.readlink("/proc/self/exe")
        while len(found) < _MOST_ABOVE:
            with open(f"/proc/{found[-1]}/stat", "rb") as file:
                above = int(file.read().rpartition(b")")[2].split()[1])
            if above in found or os.readlink(f"/proc/{above}/exe") != program:
                break
            found.append(above)
    except OSError:  # it has ended, or there is no such folder
        pass
    return found


def _after_fork() -> None:
    """What runs in the parent does not run in a forked child, and who held the lock is not there."""
    global _boxes
    _boxes = RLock()
    frames: list[Any] = [body.frame for body in bodies.values() if type(body) is _Elder]
    told = [pid for frame in frames for pid in frame.pids]
    bodies.clear()
    _adopt([os.getppid(), *told])


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Letters:
    """The box of one body, held open as long as that runs: if another file has its name then, letters are missing."""

    __slots__ = ("_error", "_fd", "_frame", "_path", "_start")

    def __init__(self, session: State, frame: Frame) -> None:
        self._frame = frame
        self._fd = -1
        self._error: OSError | None = None
        folder = os.path.dirname(frame.mailbox)
        body = bodies.get(id(frame))
        self._path = box_of(folder, os.getpid()) if os.path.isabs(folder) and body is not None else ""
        if body is not None and self._path:
            with _boxes:
                body.letters = self  # first: from now on nobody takes it away
                self._put_up(session, folder)

    def __del__(self) -> None:
        if os is not None and self._fd >= 0:
            os.close(self._fd)

    def _put_up(self, session: State, folder: str) -> None:
        try:
            if not os.path.isdir(folder):
                session.store(os.path.dirname(folder)).trust.make_folder(folder)
            _folders.add(folder)
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | _OPEN, 0o600)
            self._start = os.fstat(self._fd).st_size
        except OSError as error:
            self._error = error

    def taken(self) -> Iterable[tuple[Any, ...]]:
        """What children left since the body began."""
        if not self._path:
            return []
        from cachepy.store.journal import is_dep, scan

        found = list(scan(self._read()))
        if self._error is not None or not all(map(is_dep, found)):
            self._frame.lose(self._error)
        return [record for record in found if is_dep(record)]

    def _read(self) -> bytes:
        """What was added to the box; nothing if it is not the one that was put up."""
        data = b""
        try:
            if self._error is None:
                st = os.fstat(self._fd)
                if not os.path.samestat(st, os.stat(self._path)) or st.st_size < self._start:
                    raise OSError(ESTALE, "the file for messages of child processes was replaced", self._path)
                with open(self._fd, "rb", closefd=False) as file:
                    file.seek(self._start)
                    data = file.read()
        except OSError as error:  # a child that could not write has removed it
            self._error = error
        return data

    def end(self) -> None:
        """The body has ended; the last body takes the box away."""
        with _boxes:
            if not any(getattr(body.letters, "_path", "") == self._path for body in list(bodies.values())):
                unlink(self._path)
