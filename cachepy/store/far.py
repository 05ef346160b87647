"""The far part of a cache: runs of calls as objects at an address, for who has no disk in common.

    entries/ab/<name>-<digest>/<when>-<run>.entry    one run: its event and its value, as an entry file of its own
    claims/ab/<name>-<digest>                        somebody is running this call (see `leases`)
    values/<function>/<name>                         what lies beside an entry, in a form that others read
    code/<digest><names>                             pieces of a code digest
    graph/<when>-<origin>.rows                       records of what one process ran

All but claims have names for good: what is there under one never changes.  An object is read whole and checked like a
file before it is used; then it is kept near.  What is listed a little late only makes a call run that need not.
"""

from __future__ import annotations

import os
import time

from cachepy.core.model import Event, Record
from cachepy.errors import EntryError, UntrustedEntryError
from cachepy.store.asking import at_once
from cachepy.store.codec import pack
from cachepy.store.entries import Stored
from cachepy.store.entryfile import EntryFile, assemble
from cachepy.store.fs import read_plain
from cachepy.store.journal import framed
from cachepy.store.layout import ENTRY
from cachepy.store.leases import Leases
from cachepy.store.meta import rows_of
from cachepy.store.relocation import moved_event
from cachepy.store.sending import Sender
from cachepy.store.value_files import arrive, carried, named_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Self, TypeVar

    from cachepy.store.objects import Objects
    from cachepy.store.payload import Payload
    from cachepy.store.trust import Trust

    T = TypeVar("T")

WHOLE = 1 << 20  # bytes of a run that is fetched with its value, to look whether it holds
_HEAD = 1 << 16  # bytes of a longer one that are fetched for that; most have their event in them
_FRESH = 1.0  # s for which a listing is taken as it is
_KNOWN = 30.0  # s for which a listing of all is
_MANY = 16  # listings of one call each, after which all are listed at once
_MOST_LISTED = 50_000  # names, about, up to which that is done
_MOST_KEPT = 1 << 26  # bytes of runs in memory that were fetched and not yet kept near
_RUN = 32  # characters
_EVERY = 10.0  # s after which records of runs are sent, if there is one more


class Place(Record):
    """Where a run is: in which of the remotes, under what name, how long."""

    __slots__ = ("at", "name", "size")
    at: int
    name: str
    size: int

    @property
    def run(self) -> str:
        return self.name[: -len(ENTRY)].rpartition("-")[2]


class Fetched(EntryFile):
    """An entry that is not a file here: all of it, or its beginning."""

    __slots__ = ()

    def __init__(self, name: str, data: bytes, size: int, trust: Trust) -> None:
        self._path, self._trust = name, trust
        self.size, self.stamp = size, (0, 0, size)
        self._data, self._seal = memoryview(data), b""
        self.meta, self._layout = self._open(name)

    @property
    def name(self) -> str:
        """Where it is."""
        return self._path

    def _part(self, start: int, length: int) -> memoryview:
        return self._data[start : start + length]

    def _take_all(self) -> None:
        pass

    def own(self) -> Self:
        """The same with bytes of its own, which a value may change."""
        self._data = memoryview(bytearray(self._data))
        return self


class Held:
    """Stands for a file here that loads the value again: see `entryfile.Mapped`."""

    __slots__ = ("_file", "pickle")

    def __init__(self, file: Fetched) -> None:
        self._file = file
        self.pickle = b""

    def load(self, path: str, trust: Trust) -> Any:
        """The value; each time another object."""
        return self._file.own().value()


class Far:
    """What of one cache lies elsewhere.

    remotes: all are read, and the last is written; near: the cache directory; trusts: whether what is there is used
    without a signature; warn: is told, once for each cause, what could not be done.
    """

    def __init__(
        self, remotes: Iterable[Objects], near: Any, *, trusts: bool, warn: Callable[[str, str, str], None]
    ) -> None:
        self.remotes = list(remotes)
        self.near = near
        self.trusts = trusts
        self.said: object = None  # what was said of where it is
        self._warn = warn
        self._listed: dict[str, tuple[float, list[Place]]] = {}  # by the folder of a call: when, and what
        self._all: tuple[float, dict[str, list[Place]]] | None = None
        self._asked = 0  # listings of one call, since all were listed
        self._sent: set[str] = set()  # calls that run here, and are stored
        self._asked_code: dict[str, dict[str, bytes]] = {}  # what is kept there of digests
        self._from_there: set[str] = set()  # names of what is kept of code digests
        self._codes: set[str] | None = None  # names of what is kept of code digests, once that was asked for
        self._rows: list[bytes] = []  # records of what ran here, to be sent together
        self._sent_at = time.monotonic()  # when that was done last
        self.sender = Sender(self.put, self._end)
        last = self.remotes[-1]
        self.target = None if last.is_read_only else last  # where runs are sent
        self.leases = Leases(last, lambda error: self._say("write", last, error))
        self._events: dict[str, Event | None] = {}  # by name; None: it cannot be used
        self._at: dict[str, Place] = {}  # of the runs of these events
        self._data: dict[str, bytes] = {}  # whole runs, by name
        self._held = 0  # bytes that were put there

    @property
    def trust(self) -> Trust:
        trust: Trust = self.near.trust
        return trust

    # -- what is there

    def folder(self, call: str) -> str:
        """How the names of a call's runs begin."""
        return folder_of(self.near, call)

    def places(self, call: str, *, anew: bool = False) -> list[Place]:
        """The runs of a call, newest first; anew: whatever was known."""
        folder, now = self.folder(call), time.monotonic()
        known = self._listed.get(folder)
        if known is not None and now - known[0] < _FRESH:
            return known[1]
        if not anew:
            self._asked += 1
            if self._all is None and self._asked == _MANY:
                self.list_all()
            if self._all is not None and now - self._all[0] < _KNOWN:
                return self._all[1].get(folder, [])
            if self._all is not None:
                self._all, self._asked = None, 0
        found = self._list(folder).get(folder, [])
        self._listed[folder] = now, found
        if len(self._listed) > _MOST_LISTED:
            self._listed.clear()
        return found

    def list_all(self, *, anew: bool = False) -> dict[str, list[Place]]:
        """All runs, by the folders of their calls; nothing if they are too many to be worth it."""
        if anew or 256 * sum(map(len, self._list("entries/00/").values())) <= _MOST_LISTED:
            self._all = time.monotonic(), self._list("entries/")
            return self._all[1]
        return {}

    def listing(self) -> set[str]:
        """The calls that have a run that may be used, each by the name that its entry would have here."""
        if self.trust.key is None and not self.trusts:
            return set()
        if self._all is None or time.monotonic() - self._all[0] > _KNOWN:
            self.list_all(anew=True)
        return {folder[:-1] + ENTRY for folder in (self._all[1] if self._all is not None else ())}

    def _list(self, prefix: str) -> dict[str, list[Place]]:
        found: dict[str, list[Place]] = {}
        for at, names in enumerate(at_once(lambda remote: self._names(remote, prefix), self.remotes)):
            if isinstance(names, Exception):
                raise names
            for name, size in names.items():
                if name.endswith(ENTRY):
                    found.setdefault(name[: name.rindex("/") + 1], []).append(Place(at, name, size))
        return {folder: _newest_first(places) for folder, places in found.items()}

    def _names(self, remote: Objects, prefix: str) -> dict[str, int]:
        try:
            return remote.names(prefix)
        except OSError as error:
            self._say("read", remote, error)
            return {}

    # -- runs, without their values

    def runs(self, call: str) -> Iterator[Event]:
        """The runs of a call that are not near, newest first; each is fetched when it is its turn."""
        near = self._near_runs(call)
        for place in self.places(call):
            if place.run not in near:
                event = self._event(place, call)
                if event is not None:
                    self._fetch_below(event)
                    yield event

    def _near_runs(self, call: str) -> set[str]:
        try:
            stored = self.near.look(call)
        except (EntryError, OSError):
            return set()
        return set() if stored is None else {event.run for event in stored.events}

    def _event(self, place: Place, call: str) -> Event | None:
        if place.name not in self._events:
            event = self._fetch(place, call)
            if len(self._events) > _MOST_LISTED:
                self._events.clear()
                self._at.clear()
            self._events[place.name] = event
            if event is not None:
                self._at[event.run] = place
        return self._events[place.name]

    def event_at(self, place: Place) -> Event | None:
        """The event of a run, whichever call it is of."""
        return self._event(place, "")

    def _fetch(self, place: Place, call: str) -> Event | None:
        """The event of a run, checked; None of what cannot be used, which is said."""
        remote = self.remotes[place.at]
        is_short = place.size <= WHOLE or self.trust.key is not None  # a signature is one of the whole
        try:
            return (None if is_short else self._in_head(remote, place, call)) or self._in_whole(remote, place, call)
        except FileNotFoundError:  # removed since it was listed
            return None
        except (EntryError, OSError) as error:
            self._say("read", remote, error)
            return None

    def _in_head(self, remote: Objects, place: Place, call: str) -> Event | None:
        """The event at the beginning of a long run; None if that is longer."""
        data = remote.read(place.name, place.size, _HEAD)
        try:
            return self._event_in(self._opened(f"{remote.url}/{place.name}", data, place.size), call)
        except EntryError:  # of thousands of calls below, or damaged
            return None

    def _in_whole(self, remote: Objects, place: Place, call: str) -> Event:
        data = remote.read(place.name, place.size)
        file = self._opened(f"{remote.url}/{place.name}", data, len(data))
        if self.trust.key is not None:  # else who uses the value checks it
            file.check()
        event = self._event_in(file, call)
        self._hold(place.name, data)
        return event

    def _hold(self, name: str, data: bytes) -> None:
        """It will be wanted if the run holds."""
        if self._held > _MOST_KEPT:
            self._data, self._held = {}, 0
        self._data[name] = data
        self._held += len(data)

    def _opened(self, name: str, data: bytes, size: int) -> Fetched:
        if self.trust.key is None and not self.trusts:
            raise UntrustedEntryError(
                f"{name} comes from elsewhere: loading it could run its writer's code, so it is not used. All can sign "
                f"with one CACHEPY_SIGNING_KEY; or set CACHEPY_TRUST_REMOTE=1, if you trust all who write there",
                0,
            )
        return Fetched(name, data, size, self.trust)

    def _event_in(self, file: Fetched, call: str) -> Event:
        """The run that it holds; call: of which that has to be, if it is known."""
        event = rows_of(file.name, file)[0][0]
        if call and event.id != call:
            raise EntryError(f"{file.name} holds another call than its name says")
        return moved_event(event, self.near.root)

    def _fetch_below(self, event: Event) -> None:
        """What a run depends on is about to be asked for, call by call: fetched at once, it takes one wait a level."""
        todo, seen = [dep.name for dep in event.trace.calls], set[str]()
        while todo:
            calls = [call for call in dict.fromkeys(todo) if call not in seen and not self._near_runs(call)]
            seen.update(calls)
            if len(calls) > _MANY and self._all is None:
                self.list_all()
            listed = at_once(self.places, calls)
            newest = [(each[0], call) for each, call in zip(listed, calls, strict=True) if type(each) is list and each]
            events = at_once(lambda each: self._event(*each), newest)
            todo = [dep.name for event in events if type(event) is Event for dep in event.trace.calls]

    # -- runs that are brought here

    def bring(self, events: Iterable[Event]) -> bool:
        """Keep runs near, each with its value, checked whole; whether all are there now."""
        return all(result is True for result in at_once(self._bring, events))

    def _bring(self, event: Event) -> bool:
        if event.run in self._near_runs(event.id):
            return True

        def keep(file: Fetched, remote: Objects) -> bool:
            payload = file.payload()
            arrive(self.near.root, event, files_beside(remote, event), self.trust)
            self.near.keep(event, payload, file.call())
            return True

        return bool(self._with_whole(event, keep))

    def stored(self, event: Event) -> Stored | None:
        """A run with its value, though nothing is kept near; None if it cannot be had, or lies beside its entry."""
        if named_in(event.trace):
            return None

        def held(file: Fetched, _: Objects) -> Stored:
            file.payload()  # which checks all of it
            found = Stored([event], [os.path.basename(self.near.path_of(event.id))], (0, 0, 0))
            found.mapped[0] = Held(file)
            return found

        return self._with_whole(event, held)

    def _with_whole(self, event: Event, use: Callable[[Fetched, Objects], T]) -> T | None:
        """What is made of all of a run; None if it cannot be had, which is said."""
        place = self._at.get(event.run)
        if place is None:
            return None
        remote = self.remotes[place.at]
        name = f"{remote.url}/{place.name}"
        try:
            data = self._data.pop(place.name, None) or remote.read(place.name, place.size)
            file = self._opened(name, data, len(data))
            if self._event_in(file, event.id).run != event.run:
                raise EntryError(f"{name} was replaced by another run")
            return use(file, remote)
        except (EntryError, OSError) as error:
            self._events[place.name] = None
            self._say("read", remote, error)
            return None

    # -- what is sent

    def send(self, event: Event, payload: Payload, call: bytes) -> None:
        """Put a run there that has just been stored near."""
        if self.target is not None:
            self.send_run(event, payload, call, {n: read_plain(p) for n, p in carried(self.near.root, event).items()})
            self._sent.add(event.id)

    def send_run(self, event: Event, payload: Payload, call: bytes, files: dict[str, bytes]) -> None:
        """Put a run there, with the files that lie beside its entry; its record follows."""
        for name, data in files.items():  # first: who finds the run finds them
            self.sender.send(name, data)
        self.sender.send(self.name_of(event), b"".join(assemble(pack(event), payload, call, self.trust)))
        self._rows.append(framed(pack(event)))
        if time.monotonic() - self._sent_at > _EVERY:
            self._send_rows()

    def name_of(self, event: Event) -> str:
        """The name of a run for good: by it the newest are known without being read."""
        return f"{self.folder(event.id)}{int(event.created * 1000):013d}-{event.run[:_RUN]}{ENTRY}"

    def put(self, name: str, data: bytes) -> bool:
        """Put an object there under a name for good; whether it is there now."""
        if self.target is None:
            return False
        try:
            self.target.write(name, data)
        except OSError as error:
            self._say("write", self.target, error)
            return False
        return True

    def _send_rows(self) -> None:
        """The records of what ran since the last time; without them a graph takes them from the runs."""
        rows, self._rows = self._rows, []
        self._sent_at = time.monotonic()
        if rows:
            self.put(f"graph/{int(time.time() * 1000):013d}-{os.urandom(8).hex()}.rows", b"".join(rows))

    def _end(self) -> None:
        self._send_rows()
        self.leases.flush()

    def flush(self) -> None:
        """Wait until all is there that was stored."""
        self.sender.flush()

    # -- who runs what

    def may_run(self, call: str) -> bool:
        """Whether nobody elsewhere runs the call; then it is ours."""
        return self.target is None or self.leases.take(self._lease(call))

    def has_more(self, call: str) -> bool:
        """Whether there are runs of a call that a listing of all did not have, which may be some time old."""
        if self._all is None:
            return False
        before = {place.run for place in self.places(call)}
        return any(place.run not in before for place in self.places(call, anew=True))

    def runner(self, call: str) -> str:
        """Who runs it elsewhere, for people."""
        return self.leases.owner(self._lease(call))

    def has_run(self, call: str) -> None:
        """A call of ours has ended."""
        self.leases.give_back(self._lease(call), at_once=call not in self._sent)
        self._sent.discard(call)

    def _lease(self, call: str) -> str:
        return "claims" + self.folder(call)[len("entries") : -1]

    # -- records of code

    def send_code(self, name: str, wire: bytes) -> None:
        """Put there what is kept of a code digest, if nothing is."""
        if self.target is not None and name not in self._from_there and name not in self._code_names(self.target):
            self._code_names(self.target).add(name)
            self.sender.send(f"code/{name}", wire)

    def _code_names(self, target: Objects) -> set[str]:
        if self._codes is None:
            self._codes = {name.partition("/")[2] for name in self._names(target, "code/")}
        return self._codes

    def code_of(self, digest: str) -> dict[str, bytes]:
        """What is kept of a code digest, by its name."""
        found = self._asked_code.get(digest)
        if found is not None:
            return found
        found = self._asked_code[digest] = {}
        for remote in self.remotes if digest.isalnum() else ():
            for name, size in self._names(remote, f"code/{digest}").items():
                try:
                    found[name.partition("/")[2]] = remote.read(name, size)
                    self._from_there.add(name.partition("/")[2])
                except OSError as error:
                    self._say("read", remote, error)
        return found

    def _say(self, what: str, remote: Objects, error: Exception) -> None:
        self._warn(what, remote.url, str(error))


def folder_of(near: Any, call: str) -> str:
    """How the names of a call's runs begin in the far part of a cache directory."""
    path: str = near.outfile(near.path_of(call))
    return path[: -len(ENTRY)] + "/"


def files_beside(remote: Objects, event: Event) -> dict[str, bytes]:
    """The files in which the value of a run lies beside its entry, by their names."""
    names = {name: size for each, _ in named_in(event.trace) for name, size in remote.names(each).items()}
    return {name: remote.read(name, size) for name, size in names.items()}


def _newest_first(places: list[Place]) -> list[Place]:
    """By when they were made, as their names say; each run once."""
    found: dict[str, Place] = {}
    for each in sorted(places, key=lambda place: place.name.rpartition("/")[2], reverse=True):
        found.setdefault(each.run, each)
    return list(found.values())
