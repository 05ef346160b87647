"""What the theory asks of the rest of the house: protocols. Who makes them is put together in `session`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from cachepy.core.model import Event
    from cachepy.core.revision import Revision


class Function(Protocol):
    """A cached function, as those see it who carry its calls elsewhere."""

    fn: Any
    fname: str
    target: Any  # its identity, and what it reaches


class Handed(Protocol):
    """What the task of a call takes from other tasks (see `calls.taken`)."""

    def note(
        self, call: str, named: Iterable[tuple[str, Any]], args: dict[str, str], digest: Callable[[Any], str]
    ) -> None: ...

    def renewed(self, args: dict[str, str]) -> dict[str, str] | None: ...

    def plus(self, groups: Iterable[Any]) -> Handed: ...


class Recorder(Protocol):
    """Takes each ended call: into the graph in a serial run, onto the wire on a worker."""

    @property
    def revision(self) -> Revision: ...

    def record(self, event: Event) -> None: ...

    def hit(self, event: Event, chosen: dict[str, Event], several: set[str]) -> None: ...

    def fold_below(self, event: Event, *, anew: bool) -> None: ...


class Stored(Protocol):
    """What one cache has of a call: its runs, newest first."""

    events: list[Event]
    files: list[str]  # the name of the value of each
    stamp: tuple[int, ...]  # as long as it is the same, so is what is stored
    pickles: dict[int, bytes]  # values that are at hand, pickled


class Far(Protocol):
    """What of a cache lies elsewhere.

    said: of where it is.
    """

    said: object

    def runs(self, call: str) -> Iterator[Event]:
        """The runs of a call that are not near, newest first; each is fetched when it is its turn."""
        ...

    def stored(self, event: Event) -> Any:
        """A run with its value, as `Stored`, though nothing is kept near; None if it cannot be had."""

    def listing(self) -> set[str]:
        """The calls that have a run, each by the name that its entry would have here."""
        ...

    def bring(self, events: Iterable[Event]) -> bool:
        """Keep runs near; whether all are there now."""
        ...

    def send(self, event: Event, payload: Any, call: bytes) -> None:
        """Put a run there that has just been stored near."""

    def send_code(self, name: str, wire: bytes) -> None:
        """Put there what is kept of a code digest, if nothing is."""

    def code_of(self, digest: str) -> dict[str, bytes]:
        """What is kept of a code digest, by its name."""
        ...

    def flush(self) -> None:
        """Wait until all is there that was stored."""

    def may_run(self, call: str) -> bool:
        """Whether nobody elsewhere runs the call; then it is ours."""
        ...

    def has_more(self, call: str) -> bool:
        """Whether there are runs of a call now that were not known, as what was known may be some time old."""
        ...

    def runner(self, call: str) -> str:
        """Who runs it elsewhere, for people."""
        ...

    def has_run(self, call: str) -> None:
        """A call of ours has ended."""
        ...


class Store(Protocol):
    """One cache: the stored runs of calls, each with its value.

    Whoever looks gets an `EntryError` of what is damaged, an `OSError` of what cannot be read or written.
    """

    root: str
    trust: Any  # whose files are read, and how they are signed
    entries: str  # how the names of entries begin
    runs: str  # likewise of mailboxes
    memo_file: str  # where digests of files are kept
    programs: str  # where programs say what they made
    most: int | None  # bytes that it may have
    added: int  # bytes, since that was looked at
    step: int  # bytes, from which on it is
    is_ready: bool  # whether `prepare` has nothing to do

    @property
    def far(self) -> Far | None:
        """What of it lies elsewhere."""

    def look(self, call: str, path: str = "") -> Any:
        """What is stored of a call, as `Stored`; None if nothing is."""

    def value(self, call: str, stored: Any, index: int) -> Any:
        """The value of one of the runs; each time another object."""

    def is_longer(self, call: str, stored: Any, index: int, most: int) -> bool:
        """Whether the value takes more than so many bytes."""

    def how(self, call: str, stored: Any, index: int) -> bytes:
        """How it was called, as given to `put`."""

    def may_have(self, call: str, path: str) -> bool:
        """Whether something may be stored: of a missing call this tells sooner than a look."""

    def put(self, event: Event, payload: Any, call: bytes = b"", claim: Any = None, path: str = "") -> Event:
        """Store a value with its event as the newest run of its call; the event as it is stored."""

    def prepare(self, call: str) -> None:
        """Make what a claim and an entry need."""

    def forget(self, call: str) -> None:
        """Remove all that is stored of a call."""

    def path_of(self, call: str) -> str:
        """By what name the fast path looks whether anything changed; for claims, too."""

    def unended_path(self, call: str) -> str:
        """The sign of a body that did not come to its end."""

    def last_valid(self, events: Sequence[Event]) -> Event:
        """Of some runs of a call the one that was last seen to hold."""

    def mark_used(self, paths: Iterable[str]) -> None:
        """These were used now, for those who make room."""

    def codes(self, digest: str) -> list[bytes]:
        """What is kept of a code digest."""

    def listing(self) -> set[str]:
        """All that is stored, by names as in `Event.outfile`."""

    def refused(self, names: set[str]) -> Refused:
        """Which of these would not be loaded; they are taken out of the names."""

    def close(self) -> None:
        """Close what is open."""


class Refused(Protocol):
    """What of a cache would not be loaded: its name -> what kind of cause, and about what."""

    why: dict[str, tuple[str, str]]

    def made_by(self, origin: str) -> None:
        """One of the calls was made by this process."""


class Claims(Protocol):
    """Who runs which call: claims save work, and never correctness."""

    def acquire(self, path: str, prepare: Callable[[], None] | None = None) -> Any:
        """Take the claim; None while another one has it."""

    def release(self, claim: Any, aside: str = "") -> None:
        """Give it back; aside: the name of a sign that it leaves."""

    def is_held(self, path: str) -> bool:
        """Whether somebody has it."""

    def is_of_this_thread(self, path: str) -> bool:
        """Whether this thread has it: it would wait for itself."""


class Watched(Protocol):
    """Sees whether code is what it was; digest: of that code, None if only the long way can tell."""

    digest: str | None
    check: Callable[[], bool]


class Runner(Protocol):
    """Makes jobs somewhere; may have several under way."""

    def start(self, job: Any) -> None:
        """Begin to make a job: see `Job` in `staleness.job`."""

    def wait(self) -> tuple[str, str | BaseException]:
        """The id of a job that has ended, and the id of the call that it made, or what that raised."""
        ...
