"""A store and claims in memory, behind the same ports as those on disk: for tests of what stands above them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cachepy import Session
from cachepy.core.revision import Revision
from cachepy.store.claims import Claim, Claims
from cachepy.store.entryfile import load_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cachepy.core.model import Event


class Stored:
    """The runs of one call, newest first, with their values."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.files: list[str] = []
        self.values: list[tuple[Any, bytes]] = []
        self.stamp: tuple[int, ...] = ()
        self.pickles: dict[int, bytes] = {}


class Nothing:
    """Nothing is refused."""

    why: dict[str, tuple[str, str]] = {}

    def made_by(self, origin: str) -> None: ...


class MemoryStore:
    """What one cache has of calls, as long as it lives: see `cachepy.core.ports.Store`."""

    memo_file = entries = runs = ""
    most = None
    added = step = 0
    is_ready, is_far, is_copy = True, False, False
    far = None

    def __init__(self, root: str, trust: object = None) -> None:
        self.root, self.trust, self.programs = root, trust, f"{root}/programs"
        self.known: dict[str, Stored] = {}
        self.code: dict[str, bytes] = {}
        self.keeps: dict[str, int] = {}
        self.records: list[bytes] = []

    def look(self, call: str, path: str = "") -> Stored | None:
        return self.known.get(call)

    def may_have(self, call: str, path: str) -> bool:
        return call in self.known

    def put(self, event: Event, payload: Any, call: bytes = b"", claim: object = None, path: str = "") -> Event:
        stored = self.known.setdefault(event.id, Stored())
        stored.events.insert(0, event)
        stored.files.insert(0, "")
        stored.values.insert(0, (payload, call))
        return event

    def value(self, call: str, stored: Stored, index: int) -> object:
        payload = stored.values[index][0]
        return load_value(payload.pickle, payload.buffers)

    def is_longer(self, call: str, stored: Stored, index: int, most: int) -> bool:
        payload = stored.values[index][0]
        return bool(payload.buffers) or len(payload.pickle) > most

    def how(self, call: str, stored: Stored, index: int) -> bytes:
        return stored.values[index][1]

    def forget(self, call: str) -> None:
        self.known.pop(call, None)

    def last_valid(self, events: Sequence[Event]) -> Event:
        return max(events, key=lambda event: event.seen)

    def path_of(self, call: str) -> str:
        return f"{self.root}/{call}"

    claim_path = unended_path = path_of

    def prepare(self, call: str) -> None: ...
    def close(self) -> None: ...
    def forget_parsed(self) -> None: ...
    def mark_used(self, paths: Iterable[str]) -> None: ...
    def set_valid(self, call: str, seen: float, run: str) -> None: ...

    def valid(self, call: str) -> None: ...

    def may_lack_records(self) -> bool:
        return False

    def listing(self) -> set[str]:
        return {event.outfile for stored in self.known.values() for event in stored.events if event.outfile}

    def refused(self, names: set[str]) -> Nothing:
        return Nothing()

    # code digests
    def put_code(self, name: str, wire: bytes, *, anew: bool = False, is_whole: bool = True) -> None:
        self.code[name] = wire

    def get_code(self, name: str) -> bytes | None:
        return self.code.get(name)

    def code_time(self, name: str) -> int:
        return int(name in self.code)

    def codes(self, digest: str) -> list[bytes]:
        return [wire for name, wire in self.code.items() if name.startswith(digest)]


class NoClaims(Claims):
    """One thread needs none."""

    def acquire(self, path: str, prepare: Callable[[], None] | None = None) -> Claim | None:
        return Claim(path, "", b"", 0)

    def release(self, claim: Claim, aside: str = "") -> None: ...

    def is_held(self, path: str) -> bool:
        return False


class ListRecorder:
    """Keeps what ran and what was a hit, by the names of functions."""

    def __init__(self, session: Session | None = None) -> None:
        self.session = session
        self.revision = Revision(is_over=True)
        self.ran: list[str] = []
        self.hits: list[str] = []

    def record(self, event: Event) -> None:
        self.ran.append(event.fname)
        if self.session is not None:
            self.session.nodes.fold(event)

    def hit(self, event: Event, chosen: dict[str, Event], several: set[str]) -> None:
        self.hits.append(event.fname)

    def fold_below(self, event: Event, *, anew: bool) -> None: ...


def session_in_memory() -> tuple[Session, ListRecorder]:
    """A session that leaves nothing on disk."""
    recorder = ListRecorder()
    session = recorder.session = Session(recorder)
    session.claims = NoClaims()
    session.stores.kind = MemoryStore
    session.files.memo.on_disk = False
    return session, recorder
