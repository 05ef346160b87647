"""The running call: a context variable, what it observes, and how it crosses to other places.

A `Frame` gathers the deps of one running body.  The caller is a context variable, so threads,
asyncio tasks and executors each see their own.  Imports model, journal and errors.
"""

from __future__ import annotations

import os
from _contextvars import ContextVar
from _thread import get_ident

from cachepy.model import BELOW, CALL, FILE, Dep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Protocol

    from cachepy.disk.files import Files
    from cachepy.model import Event
    from cachepy.reach.guard import Era

    class Sink(Protocol):
        """Takes each ended call: into the graph in a serial run, onto the wire on a worker."""

        @property
        def era(self) -> Era: ...

        def record(self, event: Event) -> None: ...

        def hit(self, event: Event, chosen: dict[str, Event], several: set[str]) -> None: ...

        def fold_below(self, event: Event, *, anew: bool) -> None: ...

    class Caller(Protocol):
        """The call that is running: here, or (by its mailbox) in another process."""

        run: str
        mailbox: str

        def add(self, dep: Dep) -> None: ...

        def is_open(self) -> bool: ...


def working_dir() -> str:
    """The working directory, empty if it has been deleted."""
    try:
        return os.getcwd()
    except OSError:
        return ""


class Frame:
    """One running body: its deps in the order they came, the calls below, and who called it."""

    __slots__ = (
        "__weakref__", "calls", "changed", "closed", "cwd", "deps", "hopeless", "id", "mailbox", "parent", "pid", "run",
        "shared", "thread",
    )  # fmt: skip

    def __init__(self, call: str, run: str, parent: Caller | None, mailbox: str, cwd: str) -> None:
        self.id = call
        self.run = run
        self.parent = parent
        self.mailbox = mailbox
        self.cwd = cwd
        self.pid = os.getpid()
        self.thread = get_ident()
        self.deps: dict[tuple[str, str], str | None] = {}
        self.calls: dict[str, Dep] = {}
        self.changed: list[str] = []
        self.hopeless: set[str] = set()  # calls that raised when they were made for this one (see `revive`)
        self.closed = False
        self.shared = False  # handed to another process, which may leave deps in the mailbox

    def add(self, dep: Dep) -> None:
        """Note a dep; one that is met again with another digest changed while the body ran."""
        if self.closed:  # a thread that the body left behind
            return
        if dep.kind in (CALL, BELOW):
            known = self.calls.get(dep.name)
            if known is None or (dep.kind == CALL and known.digest == dep.digest):
                self.calls[dep.name] = dep
            elif known.digest != dep.digest:
                self.changed.append(dep.name)
            return
        digest = self.deps.setdefault((dep.kind, dep.name), dep.digest)
        if digest != dep.digest:
            self.changed.append(dep.name)

    def is_open(self) -> bool:
        return not self.closed and self.pid == os.getpid()

    def own_deps(self) -> tuple[Dep, ...]:
        return tuple([Dep(kind, name, digest) for (kind, name), digest in self.deps.items()])

    def absorbed(self) -> Iterable[Dep]:
        """What a caller takes over from a call that leaves no node: no edges, but every dep."""
        yield from self.own_deps()
        for dep in self.calls.values():
            yield Dep(BELOW, dep.name, dep.digest)

    def hand_over(self) -> None:
        """Give the caller all deps: this run leaves no node that could speak for them."""
        if self.parent is not None:
            for dep in self.absorbed():
                self.parent.add(dep)

    def lineage(self) -> Iterable[str]:
        """The runs of this frame and of its callers, as far as they are in this process."""
        frame: Any = self
        while isinstance(frame, Frame):
            yield frame.run
            frame = frame.parent


def read_mailbox(frame: Frame) -> list[Dep]:
    """What other processes left for a frame in its mailbox."""
    from cachepy.disk.journal import is_dep, read

    try:
        records, damaged = read(frame.mailbox)
        os.unlink(frame.mailbox)
    except OSError:
        return []
    if damaged or not all(map(is_dep, records)):  # a dep may be lost: nothing may be stored without it
        frame.changed.append("the mailbox for calls that other processes make")
    return [Dep(*record) for record in records if is_dep(record)]


class RemoteFrame:
    """A caller in another process, which reads its mailbox when its body has ended."""

    __slots__ = ("_box", "mailbox", "run")

    def __init__(self, run: str, mailbox: str) -> None:
        self.run = run
        self.mailbox = mailbox
        from cachepy.disk.journal import Journal

        self._box = Journal(mailbox)

    def add(self, dep: Dep) -> None:
        """Written through at once: the caller looks as soon as it has the result."""
        os.makedirs(os.path.dirname(self.mailbox), mode=0o700, exist_ok=True)  # `with_caller` made it
        self._box.append(dep.astuple())
        self._box.close()

    def is_open(self) -> bool:
        return True


_current: ContextVar[Caller | None] = ContextVar("cachepy_caller", default=None)


def caller() -> Caller | None:
    """The cached call that is running here; never one that has ended or is another process's."""
    frame = _current.get()
    return frame if frame is not None and frame.is_open() else None


def enter(frame: Caller | None) -> Any:
    """Make a frame the caller here; returns what `leave` needs."""
    return _current.set(frame)


def leave(token: Any) -> None:
    """Undo `enter`."""
    try:
        _current.reset(token)
    except ValueError:  # entered in another context: a coroutine that was moved
        _current.set(None)


here = _current.get
"""What is set as the caller here, open or not: for `back_to`."""


def back_to(frame: Caller | None) -> None:
    """See that the caller is what it was, also after an interrupt in the midst of `enter` or `leave`."""
    if _current.get() is not frame:
        _current.set(frame)


def observe_file(path: str, files: Files) -> None:
    """Note a file that the running body says it reads, with its content at this moment."""
    frame = caller()
    if frame is None:
        return
    if isinstance(frame, Frame) and not os.path.isabs(path) and working_dir() != frame.cwd:
        path = os.path.abspath(path)
    frame.add(Dep(FILE, path, files.digest(path)))
