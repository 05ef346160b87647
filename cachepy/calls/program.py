"""Which program this process runs, and the calls that it makes at its top: those that no other call made.

What a program made before and makes no more is history.  That is decided at its end (see `program_end`); here is only
what a hit needs.  Threads, child processes and forks of a program are part of it.  A process runs one program, however
many sessions it has, so this is not in a session.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import get_ident

from cachepy.core import lazyparts
from cachepy.core.current import NOBODY, here
from cachepy.core.frame import working_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from cachepy.calls.state import State
    from cachepy.core.frame import Caller
    from cachepy.store.entries import Store

    class Options(Protocol):
        """Of a cached function."""

        def root(self) -> str: ...


class Place:
    """What the program made of one cache directory, and what is history there; box: where a child tells its parent."""

    __slots__ = ("box", "calls", "past", "store")

    def __init__(self, store: Store) -> None:
        self.store = store
        self.calls: set[str] = set()
        self.past: set[str] = set()
        self.box = ""

    def tell(self, call: str) -> None:
        """What is history is so no more, at once: the program may not live to its end."""
        from cachepy.graph.program_files import Programs

        folder = Programs(self.store)
        if self.box:
            folder.post(self.box, call)
        if call in self.past:
            self.past.discard(call)
            folder.again([call])


class Program:
    """What this process runs, as it was when cachepy was first imported.

    frame: of the code of ``__main__``; turn: what was noted before it began is noted again; has_failed: whether it may
    have made calls that were not seen, or would have made more had one not failed.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.began = time.time()
        self.mark = os.urandom(8).hex()
        self.argv = list(getattr(sys, "argv", ())[1:])
        self.cwd = working_dir()
        self.frame = _main_frame(sys._getframe())
        self.file = None if self.frame is None else self.frame.f_globals.get("__file__")
        self.places: dict[str, Place] = {}
        self.turn = object()
        self.has_failed = False
        self.pauses = 0  # while it refreshes, what others make for it is not its own
        self.is_silent = False  # a worker of a cluster: the client knows whose program asked
        self.options: dict[str | None, Options] = {}
        self.before_end: list[Callable[[], None]] = []  # before it is told what it made, also of each cell
        self.at_end: list[Callable[[], None]] = []
        self._is_watched = False

    def has(self, root: str | None, options: Options) -> None:
        """The program has a function with a cache directory, which its children may call."""
        if root not in self.options:
            self.options[root] = options
            self.watch()

    def watch(self) -> None:
        """See the program end; if it has cells, see those end."""
        if not self._is_watched:
            self._is_watched = True
            import atexit

            atexit.register(_end)
            if "IPython" in sys.modules:
                lazyparts.get("cells", self)

    def enter(self, store: Store) -> Place:
        """The first call of a cache directory."""
        self.watch()
        if self.frame is None:
            self._find_frame()
        place = self.places[store.root] = Place(store)
        place.box = self._box()
        path = os.path.join(store.root, "programs", "past")
        if os.path.exists(path):
            from cachepy.graph.program_files import Programs

            place.past = Programs(store).past()
        return place

    def _find_frame(self) -> None:
        """It was not on the stack of the import."""
        for top in sys._current_frames().values():
            self.frame = self.frame or _main_frame(top)
        if self.frame is not None:
            self.file = self.frame.f_globals.get("__file__")

    def _box(self) -> str:
        """In a child process: the mark of those that tell one parent."""
        if _parent() is not None:
            return _mark_of_family()
        return self.mark if os.getpid() != self.pid else ""

    def is_child(self) -> bool:
        """Whether this process is only a part of a program."""
        return os.getpid() != self.pid or _parent() is not None

    def marks(self) -> set[str]:
        """Of the children of this process."""
        return {self.mark, _mark_of_family()}

    def fork(self) -> None:
        """From now on it is a child."""
        for place in self.places.values():
            place.box = self._box() or self.mark

    def begin_turn(self) -> None:
        """Another cell of a notebook begins: what it makes is noted for itself."""
        self.turn, self.has_failed = object(), False
        for place in self.places.values():
            place.calls = set()


def is_at_top(frame: Caller | None) -> bool:
    """Whether nobody's call is made, or nobody knows whose: also what was sent to other processes from the top."""
    return frame is None or not frame.mailbox or frame.run[:7] == "outbox-"


def note(session: State, call: str, root: str) -> object:
    """The program makes a call that has no caller; the turn in which that is known, None if it is not the program's.

    What is made again for a question, or by whoever refreshes, is not.
    """
    if session.is_quiet:
        return program.turn
    refusing = session.refusing
    if program.is_silent or here() is NOBODY or (refusing and (0 in refusing or get_ident() in refusing)):
        return None
    try:
        place = program.places.get(root) or program.enter(session.store(root))
        if call not in place.calls:
            place.calls.add(call)
            if place.box or call in place.past:
                place.tell(call)
    except Exception:  # it cannot be written there, or a part of cachepy is gone: the call goes on
        program.has_failed = True
    return program.turn


def _mark_of_family() -> str:
    """What a process has in common with all that multiprocessing starts for it, as a text that gives nothing away."""
    process: Any = sys.modules.get("multiprocessing.process")
    if process is None:
        return ""
    from hashlib import sha256

    return sha256(b"cachepy" + bytes(process.current_process().authkey)).hexdigest()[:16]


def _parent() -> Any:
    process: Any = sys.modules.get("multiprocessing.process")
    return None if process is None else process.parent_process()


def _main_frame(top: Any) -> Any:
    """The frame at the bottom of a stack that runs the code of ``__main__``."""
    main, found = sys.modules.get("__main__"), None
    while top is not None:
        if main is not None and top.f_globals is vars(main) and top.f_code.co_name == "<module>":
            found = top
        top = top.f_back
    return found


def _end() -> None:
    """The process ends; what cannot be written then is not concluded."""
    try:
        lazyparts.get("end", program)
    except Exception:
        return
    finally:
        program.frame = None


program = Program()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=program.fork)
