"""What child processes tell the bodies that run in their parent, where nothing carries the caller there.

A body whose code may start processes, or has an object that takes work, puts up a letter box under the name of its
process.  A child (of a pool, or forked by hand) that makes a call without a caller leaves there what it depends on,
if there is such a box.  Each body takes what came since it began, without edges: it is not known whose work it was.

Imports journal, opened, session.
"""

from __future__ import annotations

import os
import sys

from cachepy.opened import Body, bodies, enter_body
from cachepy.session import current_session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from cachepy.model import Dep
    from cachepy.session import Session
    from cachepy.trace import Frame

_HEAD = "children"  # the first record


def box_of(folder: str, pid: int) -> str:
    """The letter box for the children of a process."""
    return os.path.join(folder, f"children-{pid}")


class Parent:
    """The bodies that run in the parent process, as a caller."""

    run = mailbox = ""
    thread = 0
    parent = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._here = os.getpid()
        self._session: Session | None = None
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
        count = len(session._functions) + len(session._stores)
        if session is not self._session or count != self._count:
            self._session, self._count = session, count
            calls = [call for name in list(session._functions) for call in session.live_calls(name)]
            roots = {store.root for store in session.stores()} | {call.options.root() for call in calls}
            self._boxes = [box_of(os.path.join(root, "runs"), self.pid) for root in sorted(roots)]
        return self._boxes


def _leave(path: str, dep: Dep) -> None:
    """Where that cannot be, the box is taken away: then nothing is stored that might lack it."""
    from cachepy.disk.journal import Journal

    box = Journal(path)
    try:
        box.append(dep.astuple())
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
    if parent is not None and not any(type(body) is _Elder for body in bodies.values()):
        _adopt(parent.pid)


def _adopt(pid: int) -> None:
    frame: Any = Parent(pid)
    enter_body(_Elder(frame, "", frozenset(), hands_on=False, is_async=True))


def _after_fork() -> None:
    """What runs in the parent does not run in a forked child."""
    bodies.clear()
    _adopt(os.getppid())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Letters:
    """The box of one body."""

    __slots__ = ("_frame", "_path", "_start", "_which")

    def __init__(self, session: Session, frame: Frame) -> None:
        self._frame = frame
        self._path = ""
        folder = os.path.dirname(frame.mailbox)
        if not os.path.isabs(folder):
            return
        from cachepy.disk.journal import Journal

        path = box_of(folder, os.getpid())
        try:
            if not os.path.exists(path):
                session.store(os.path.dirname(folder)).trust.make_folder(folder)
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
                Journal(path).append(_HEAD)
            st = os.stat(path)
        except OSError:  # nothing can be stored there either
            return
        self._path, self._start, self._which = path, st.st_size, st.st_ino
        bodies[id(frame)].letters = path

    def taken(self) -> Iterable[tuple[Any, ...]]:
        """What children left since the body began; the last body takes the box away."""
        if not self._path:
            return []
        from cachepy.disk.journal import is_dep, scan

        try:
            with open(self._path, "rb") as file:
                is_whole = os.fstat(file.fileno()).st_ino == self._which
                file.seek(self._start)
                found = list(scan(file.read()))
        except OSError as error:  # a child that could not write has removed it
            self._frame.lose(error)
            return []
        if not any(body.letters == self._path and body.frame is not self._frame for body in list(bodies.values())):
            os.unlink(self._path)
        if not is_whole or not all(map(is_dep, found)):
            self._frame.lose(None)
        return [record for record in found if is_dep(record)]
