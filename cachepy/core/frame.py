"""The running body: a frame gathers what it depends on, the calls below it, and who called it."""

from __future__ import annotations

import os
from _thread import get_ident

from cachepy.core.kinds import AGES, CALLS, EDGES
from cachepy.core.model import FILE, INDIRECT_CALL, Dep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Protocol

    Identity = tuple[int, int, int]  # of a file: device, inode, owner

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


LOST = "the mailbox for calls that other processes make"
"""The name of what changed where a dep may be missing."""
UNTOLD = "what a call ran on without the cache"
"""The same, where a warning has said why already."""


class Frame:
    """One running body: its deps in the order they came, the calls below, and who called it."""

    __slots__ = (
        "__weakref__", "calls", "changed", "closed", "cwd", "deps", "failed", "id", "mailbox", "met", "parent", "pid",
        "posted", "run", "secret", "shared", "thread", "unwritten",
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
        self.failed: set[str] = set()  # calls that raised when they were made for this one (see `cutoff`)
        self.met: set[str] = set()  # functions whose calls other processes told of
        self.closed = False
        self.shared = False  # handed to another process, which may leave deps in the mailbox
        self.posted: Identity | None = None  # the mailbox, if it was made here
        self.secret = ""  # what those share who were told of it
        self.unwritten: OSError | None = None  # why what another process told could not be written

    def add(self, dep: Dep) -> None:
        """Note a dep; one that is met again with another digest changed while the body ran."""
        if self.closed:  # a thread that the body left behind
            return
        if dep.kind in CALLS:
            known = self.calls.get(dep.name)
            if known is None or (dep.kind in EDGES and known.digest == dep.digest):
                self.calls[dep.name] = dep
            elif known.digest != dep.digest:
                self.changed.append(dep.name)
            return
        digest = self.deps.setdefault((dep.kind, dep.name), dep.digest)
        if digest != dep.digest and dep.kind not in AGES:
            self.changed.append(dep.name)

    def is_open(self) -> bool:
        return not self.closed and self.pid == os.getpid()

    def own_deps(self) -> tuple[Dep, ...]:
        return tuple([Dep(kind, name, digest) for (kind, name), digest in self.deps.items()])

    def absorbed(self) -> Iterable[Dep]:
        """What a caller takes over from a call that leaves no node: no edges, but every dep."""
        yield from self.own_deps()
        for dep in self.calls.values():
            yield Dep(INDIRECT_CALL, dep.name, dep.digest)

    def lose(self, error: OSError | None) -> None:
        """A dep may be missing, so nothing may be stored."""
        self.unwritten = error
        self.changed.append(LOST)

    def hand_over(self) -> None:
        """Give the caller all deps: this run leaves no node that could speak for them."""
        if self.parent is not None:
            for dep in self.absorbed():
                self.parent.add(dep)
            if LOST in self.changed:
                self._lose_of(self.parent)
            if UNTOLD in self.changed:
                leave_in_doubt(self.parent)

    def _lose_of(self, parent: Caller) -> None:
        """The caller lacks the same dep."""
        if isinstance(parent, Frame):
            parent.lose(self.unwritten)
        else:
            _contradict(parent, LOST)

    def lineage(self) -> Iterable[str]:
        """The runs of this frame and of its callers, as far as they are in this process."""
        frame: Any = self
        while isinstance(frame, Frame):
            yield frame.run
            frame = frame.parent


def leave_in_doubt(frame: Caller) -> None:
    """Something that a call depends on is not known: it must not be stored, nor any caller of it."""
    if isinstance(frame, Frame):
        frame.changed.append(UNTOLD)
    else:
        _contradict(frame, UNTOLD)


def _contradict(frame: Caller, name: str) -> None:
    """Two deps that contradict each other: whoever reads them stores nothing."""
    for digest in ("", None):
        frame.add(Dep(FILE, name, digest))
