"""The running call: a context variable, what it observes, and how it crosses to other places.

A `Frame` gathers the deps of one running body.  The caller is a context variable, so threads,
asyncio tasks and executors each see their own.  Who has none is asked for in `opened`.
"""

from __future__ import annotations

import os
from _contextvars import ContextVar
from _thread import get_ident
from errno import ENOENT

from cachepy.core.kinds import CALLS, EDGES
from cachepy.errors import UntoldError
from cachepy.model import BELOW, FILE, Dep
from cachepy.opened import Crowd, bodies, guess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Protocol

    from cachepy.disk.files import Files
    from cachepy.disk.mailbox import Identity, Sender
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


def as_os_error(error: ImportError) -> OSError:
    """What could not be done for want of a module, as if the disk had refused it."""
    return OSError(ENOENT, str(error))


LOST = "the mailbox for calls that other processes make"
"""The name of what changed where a dep may be missing."""
UNTOLD = "what a call ran on without the cache"
"""The same, where a warning has said why already."""


class Frame:
    """One running body: its deps in the order they came, the calls below, and who called it."""

    __slots__ = (
        "__weakref__", "calls", "changed", "closed", "cwd", "deps", "hopeless", "id", "mailbox", "met", "parent", "pid",
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
        self.hopeless: set[str] = set()  # calls that raised when they were made for this one (see `revive`)
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


def read_mailbox(frame: Frame) -> list[Dep]:
    """What other processes left for a frame in its mailbox."""
    from cachepy.disk import mailbox

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
    mailbox.remove(frame.mailbox)
    return [Dep(*record) for record in records]


def _records(frame: Frame) -> tuple[list[Any], bool]:
    """What is in the mailbox, and whether that is all of it and nothing else."""
    from cachepy.disk import journal, mailbox

    if frame.posted is not None:
        found = mailbox.read(frame.mailbox, frame.secret, frame.posted)
        return found or [], found is not None
    records, is_damaged = journal.read(frame.mailbox)  # nobody was told of it
    deps = list(filter(journal.is_dep, records))
    return deps, not is_damaged and len(deps) == len(records)


def post(frame: Frame) -> None:
    """Make the mailbox, in a folder that is there; OSError if that cannot be."""
    from cachepy.disk.mailbox import make

    if frame.run[:1] == "0":  # one of sixteen looks what the dead left
        from cachepy.disk.tidy import DAY, MOST_RUNS, tidy

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
            from cachepy.disk.mailbox import Sender

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


_current: ContextVar[Caller | None] = ContextVar("cachepy_caller", default=None)


class _Nobody:
    """Stands for no caller where it is known that there is none, whatever else runs in the process."""

    __slots__ = ()
    run = mailbox = ""

    def add(self, dep: Dep) -> None:
        pass

    def is_open(self) -> bool:
        return False


NOBODY = _Nobody()


def caller(called: str = "") -> Caller | None:
    """The cached call that is running here; never one that has ended or is another process's.

    called: the function whose caller is asked for. In a thread without a caller it is whoever may have made that call.
    """
    frame = _current.get()
    if frame is not None and frame.is_open():
        return frame
    return guess(called) if bodies and frame is not NOBODY else None


def each_of(frame: Caller) -> tuple[Caller, ...] | list[Frame]:
    """The callers that one stands for."""
    return frame.frames if isinstance(frame, Crowd) else (frame,)


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


def observe_file(path: str, files: Files) -> str | None:
    """Note a file that the running body says it reads, with its content at this moment; returns that."""
    found = caller()
    digest = None
    for frame in () if found is None else each_of(found):
        name = path
        if isinstance(frame, Frame) and not os.path.isabs(path) and working_dir() != frame.cwd:
            name = os.path.abspath(path)
        digest = files.digest(name)
        frame.add(Dep(FILE, name, digest))
    return digest
