"""What has to be looked at so that a call, which was a verified hit in this process, is one again.

A verification asks for each dep by its name; most of the way from the name to the answer is always
the same.  `FastHit` keeps the ends of those ways, flat: the code objects by identity, each entry and each
file by its stat.  It never says more than a verification would: what is not surely as it was (also a
dep of a rare kind) is left to the long way.
"""

from __future__ import annotations

import os
import sys
from _pickle import loads
from marshal import dumps
from os import F_OK, access, stat
from time import perf_counter, time, time_ns
from weakref import ref

from cachepy.calls.live_world import LiveWorld, source
from cachepy.calls.program import is_at_top, note, program
from cachepy.calls.request import tell
from cachepy.code.fingerprint import IN_TEXT, cached_target, resolve
from cachepy.code.guard import Guard
from cachepy.core.bodies import bodies
from cachepy.core.current import caller, here
from cachepy.core.kinds import AGES, KINDS
from cachepy.core.revision import MISSING, Revision
from cachepy.store.entries import USED
from cachepy.store.files import YOUNG, identity_of
from cachepy.store.fs import exists
from cachepy.store.mounts import touch
from cachepy.values.digest import env_digest
from cachepy.values.flat import LEAVES, MARSHAL, TEXTS
from cachepy.values.key import LONG
from cachepy.values.modules import MAIN, canonical

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any
    from weakref import ReferenceType

    from cachepy.calls.function import Function
    from cachepy.calls.request import Request
    from cachepy.calls.state import State
    from cachepy.calls.tally import Tally
    from cachepy.core.model import Dep, Event
    from cachepy.core.ports import Store, Stored
    from cachepy.core.verify import Verifier
    from cachepy.core.world import World
    from cachepy.store.entryfile import Stamp
    from cachepy.store.files import Identity

_NEVER = Revision(is_over=True)
_TRIALS = 5  # of which the quickest tells what a hit costs
_MOST = 100_000  # checks that are kept in a process


class FastHit:
    """One verified hit, with all that it rested on.

    absent: paths that have to lead nowhere; entries, files, checks, environ: the rest, for which `more` is set; far:
    what a network mount has to be asked for before it tells of them; shown: the era of the graph in which its node
    and those below it were there; hits: how often it was served; tally: of the function, which has the others.
    """

    __slots__ = (
        "absent", "called", "checks", "chosen", "entries", "environ", "event", "far", "files", "guard", "hits", "id",
        "index", "more", "noted", "path", "several", "shown", "stamp", "stored", "tally", "used",
    )  # fmt: skip

    def __init__(
        self, path: str, stored: Stored, index: int, guard: Callable[[], bool], verifier: Verifier, tally: Tally
    ) -> None:
        self.event = stored.events[index]
        self.tally, self.hits = tally, 0
        self.id = self.event.id
        self.called = f"{self.event.module}:{self.event.qualname}"
        self.path, self.stamp = path, stored.stamp
        self.stored, self.index = stored, index
        self.chosen, self.several = verifier.chosen, verifier.several
        self.guard = guard
        self.more = False
        self.noted: object = None
        self.shown = _NEVER
        self.used: float | None = None  # when that was marked, if anybody wants to know
        self.far: list[str] = []
        self.absent: list[str] = []
        self.entries: list[tuple[str, Stamp]] = []
        self.files: list[tuple[str, Identity]] = []
        self.checks: list[Callable[[], bool]] = []
        self.environ: list[tuple[str, str | None]] = []

    def __len__(self) -> int:
        return 1 + len(self.entries) + len(self.files) + len(self.absent) + len(self.far)

    def fold(self) -> None:
        """Add its hits to those of the function: it is served no more."""
        hits, self.hits = self.hits, 0
        self.tally.hits += hits
        self.tally.saved += hits * self.event.elapsed

    __del__ = fold

    def serve(self, session: State) -> Any:
        """The value if everything is as it was, and whoever has to know is told; else `MISSING`."""
        try:
            if self.far:
                for path in self.far:
                    touch(path)
            st = stat(self.path)
            if (st.st_ino, st.st_mtime_ns, st.st_size) != self.stamp or not self.guard():
                return MISSING
            for path in self.absent:
                if access(path, F_OK):
                    return MISSING
            if self.more and not self._holds():
                return MISSING
            data = self.stored.pickles.get(self.index)
            value = loads(data) if data is not None else self._load(session)
        except Exception:  # the long way says what is wrong, or that nothing is: unpickling runs code of any class
            return MISSING
        frame = caller(self.called) if here() is not None or bodies else None
        if frame is not None:
            tell(session, frame, self.event)
        if self.noted is not program.turn and is_at_top(frame):
            self.noted = note(session, self.id, self.event.root)
        if self.shown.is_over:
            session.recorder.hit(self.event, self.chosen, self.several)
            self.shown = session.recorder.revision
        self.hits += 1
        self.tally.latest = self
        if self.used is not None and time() - self.used > USED:
            self.mark(session)
        return value

    def mark(self, session: State) -> None:
        """Mark what it rests on as used, for those who make room."""
        self.used = time()
        session.store(self.event.root).mark_used((self.path, *(path for path, _ in self.entries)))

    def _holds(self) -> bool:
        """Whether all else that it rested on is as it was."""
        for path, stamp in self.entries:
            st = stat(path)
            if (st.st_ino, st.st_mtime_ns, st.st_size) != stamp:
                return False
        for path, identity in self.files:
            st = stat(path)
            if (st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns) != identity:
                return False
        for check in self.checks:
            if not check():
                return False
        return not self.environ or all(os.environ.get(name) == value for name, value in self.environ)

    def _load(self, session: State) -> Any:
        store: Store = session.store(self.event.root)
        return store.value(self.id, self.stored, self.index)


class HitCache:
    """The hot calls of one cached function: by key, and those with short arguments by these.

    Arguments that are numbers, texts and paths are the same exactly if their types and their bytes are.
    """

    def __init__(self, call: Function) -> None:
        self.mark = ref(self, _room.drop)
        hash(self.mark)  # a reference without a hash can be found nowhere once its object is gone
        self._known: dict[str, FastHit] = {}
        self._short: dict[tuple[type, ...], tuple[bool, dict[bytes, FastHit], list[bool]]] = {}
        self._size = 0
        self._finds = False  # whether the call looks here first
        self._call = call
        self._hits = 0  # when room was made last
        self.get = self._known.get

    @property
    def is_used(self) -> bool:
        """Whether one of them was a hit since room was made last."""
        return self._hits != self._sum()

    @is_used.setter
    def is_used(self, is_used: bool) -> None:
        self._hits = -1 if is_used else self._sum()

    def known(self) -> list[FastHit]:
        """Those of now: other threads add meanwhile."""
        return list(self._known.values())

    def _sum(self) -> int:
        return sum(fast.hits for fast in self.known())

    def clear(self) -> None:
        """Forget all."""
        for fast in self.known():
            fast.fold()
        self._known.clear()
        self._short.clear()
        self._size = 0

    def add(self, key: str, values: tuple[Any, ...], fast: FastHit) -> None:
        """Keep what a verified hit rested on.

        values: the arguments, if the key is made of nothing but them.
        """
        _room.take(self, len(fast))
        self._size += len(fast)
        self._known[key] = fast
        kinds = tuple(map(type, values))
        if kinds and all(kind in LEAVES or _is_path(kind) for kind in kinds):
            data = _with_paths(values)
            if len(data) > LONG:
                return
            row = LEAVES.issuperset(kinds), dict[bytes, FastHit](), [kind in TEXTS for kind in kinds]
            self._short.setdefault(kinds, row)[1][data] = fast
            if not self._finds:
                self._finds = True
                self._call.find = self._call.binder.finder(self._short, dumps, _with_paths)

    def __len__(self) -> int:
        """How many checks they have."""
        return self._size

    def halve(self) -> None:
        """Forget every other one: who goes round and round over too many calls finds some of them all the same."""
        for key in list(self._known)[::2]:
            self._known.pop(key, None)
        known = self.known()
        kept = set(map(id, known))
        for _, table, _ in list(self._short.values()):
            rows = {data: fast for data, fast in list(table.items()) if id(fast) in kept}
            table.clear()
            table.update(rows)
        self._size = sum(map(len, known))


class _Room:
    """Keeps the hot calls of all functions of a process within one bound.

    Those of functions that had no hit since the last time go first, the one that was added to longest ago before the
    others; then every other one of those that have most.
    """

    def __init__(self) -> None:
        self._homes: dict[ReferenceType[HitCache], None] = {}  # that which was added to last at the end
        self._count = 0  # at most so many checks are kept: those that went meanwhile are among them

    def drop(self, mark: ReferenceType[HitCache]) -> None:
        """A function is gone."""
        self._homes.pop(mark, None)

    def take(self, home: HitCache, size: int) -> None:
        """Some checks are about to be added."""
        self._homes.pop(home.mark, None)
        self._homes[home.mark] = None
        self._count += size
        if self._count > _MOST:
            self._make(size)

    def _make(self, size: int) -> None:
        homes = [home for home in [mark() for mark in list(self._homes)] if home is not None]
        most = _MOST * 3 // 4 - size
        total = sum(map(len, homes))
        if total + size > _MOST:
            for home in homes[:-1]:  # the last is the one that is added to
                if total > most and not home.is_used:
                    total -= len(home)
                    home.clear()
            while total > most and len(largest := max(homes, key=len)):
                total -= len(largest)
                largest.halve()
                total += len(largest)
            for home in homes:
                home.is_used = False
        self._count = total + size


_room = _Room()


def _is_path(cls: type) -> bool:
    return cls.__module__.startswith("pathlib") and hasattr(cls, "stat")


def _with_paths(values: tuple[Any, ...]) -> bytes:
    return dumps(tuple([v if type(v) in LEAVES else v.__fspath__() for v in values]), MARSHAL)


def remember(request: Request, stored: Stored, index: int, verifier: Verifier) -> FastHit | None:
    """Make flat what a verification that just succeeded looked at; None if some of it has to be asked for each time."""
    session, event = request.session, stored.events[index]
    fast = FastHit(request.path, stored, index, request.reach.guard, verifier, request.function.tally)
    if index:  # a newer run would be preferred, should it hold again
        return None
    deps: dict[tuple[str, str], Dep] = {}
    for each in (event, *verifier.chosen.values()):
        if (each is not event and not _add_entry(fast, session, each)) or not _is_whole(each, verifier.chosen):
            return None
        for dep in verifier.world.dated(each).trace.deps:
            name = dep.name if dep.kind not in AGES else f"{dep.name} {dep.digest}"
            if deps.setdefault((dep.kind, name), dep).digest != dep.digest:
                return None
    looks = Looks(fast, session, verifier.own, verifier.world)
    if not all(KINDS[dep.kind].watch(dep, looks) for dep in deps.values()):
        return None
    fast.more = bool(fast.entries or fast.files or fast.checks or fast.environ)
    fast.far = _far(fast, session)
    fast.used = time() if session.stores.is_limited and not session.is_quiet else None
    return fast


def _far(fast: FastHit, session: State) -> list[str]:
    """What lies on network mounts of all that is looked at, folders first."""
    found: dict[str, None] = {}
    for path in (fast.path, *(path for path, _ in fast.entries)):
        if session.mounts.is_far(path):
            found.update(dict.fromkeys((os.path.dirname(path), path)))
    fresh: set[str] = set()
    for path in (*fast.absent, *(path for path, _ in fast.files)):
        if session.mounts.is_far(path):
            found.update(dict.fromkeys(session.mounts.way(path, fresh)))
    return list(found)


def _is_whole(event: Event, chosen: dict[str, Event]) -> bool:
    """Whether the chosen runs are those that this one rests on: a tree may rest on two runs of one call."""
    return all(call.name in chosen and chosen[call.name].trace.effect == call.digest for call in event.trace.calls)


def cost_of(request: Request, stored: Stored, index: int) -> float:
    """Seconds that it takes to verify and to load a result, at least, where it is not hot."""
    return min(_seconds(request, stored, index) for _ in range(_TRIALS))


def _seconds(request: Request, stored: Stored, index: int) -> float:
    began = perf_counter()
    request.look()
    request.verifier().event_holds(stored.events[index])
    request.store.value(request.id, stored, index)
    return perf_counter() - began


def _add_entry(fast: FastHit, session: State, event: Event) -> bool:
    """The entry of a call below has to stay as it is."""
    for store in session.stores:
        stored = store.look(event.id)
        if stored is None:
            continue
        first = next((e for e in stored.events if e.trace.effect == event.trace.effect), None)
        fast.entries.append((store.path_of(event.id), stored.stamp))
        return first is event
    return False


class Looks:
    """Adds to a hot call what the kinds of its deps have it look at (see `core.kinds`).

    Each answer says whether that is quick, as good as the long way, and as it was.
    """

    def __init__(self, fast: FastHit, session: State, own: str, world: World) -> None:
        self._fast = fast
        self._session = session
        self._world = world
        self._own = own  # the function that is called: its guard stands by itself

    def absent(self, path: str) -> bool:
        self._fast.absent.append(path)
        return not exists(path)

    def environ(self, name: str, digest: str | None) -> bool:
        value = os.environ.get(name)
        self._fast.environ.append((name, value))
        return env_digest(value) == digest

    def check(self, holds: Callable[[], bool]) -> bool:
        self._fast.checks.append(holds)
        try:
            return holds()
        except Exception:  # the long way says what is wrong, or that nothing is
            return False

    def file(self, path: str, digest: str | None) -> bool:
        try:
            identity = identity_of(os.stat(path))
        except (OSError, ValueError):
            return False
        self._fast.files.append((path, identity))
        return digest is not None and self._session.files.memo.get(identity) == digest

    def pattern(self, text: str) -> bool:
        """The one folder whose names decide stays as it is: its files are deps of their own, up to a number."""
        from cachepy.store.patterns import MOST, only_folder

        folder = None if text[:1] == "~" or len(self._fast.files) > MOST else only_folder(text)
        if folder is None:
            return False
        try:
            found = os.stat(folder)
        except (OSError, ValueError):
            return self.absent(folder)
        self._fast.files.append((folder, identity_of(found)))
        return time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > YOUNG

    def names_in(self, folder: str, digest: str | None) -> bool:
        from cachepy.store.listings import digest_of_listing

        return self.check(lambda: digest_of_listing(folder) == digest)

    def names_of(self, pattern: str, digest: str | None) -> bool:
        from cachepy.store.listings import digest_of_named

        return self.check(lambda: digest_of_named(pattern) == digest)

    def present(self, path: str, digest: str | None) -> bool:
        from cachepy.store.listings import what_is_there

        return self.check(lambda: what_is_there(path, digest) == digest)

    def source(self, path: str, digest: str | None, *, is_whole: bool) -> bool:
        session = self._session
        return self.check(lambda: source(session, path, is_whole=is_whole) == digest)

    def young(self, function: str, digest: str | None) -> bool:
        """The moment from which on it is too old is known; a clock that jumps says so too."""
        from cachepy.calls.ages import until

        created, _, recorded = (digest or "").partition(" ")
        limit = self._world.max_age(function, recorded)
        if limit is None:
            return True
        end, session = until(limit, float(created)), self._session
        return self.check(lambda: session.clock() < end)

    def code(self, identity: str, digest: str | None) -> bool:
        """The code of a call below, a cached function that stands at the top of its module; other code by its name."""
        if identity == self._own:
            return True
        watches = self._session.watches
        watch = watches.get(identity)
        if watch is None or not watch.check():
            watch = watches[identity] = CodeWatch(self._session, identity)
        self._fast.checks.append(watch.check)
        return watch.digest is not None and watch.digest == digest


class CodeWatch:
    """Sees whether a name still leads to the same cached function, with the same code.

    digest: of that code; None if only the long way can tell.
    """

    __slots__ = ("check", "digest")

    def __init__(self, session: State, identity: str) -> None:
        self.digest: str | None = None
        self.check: Callable[[], bool] = _never
        module, _, name = identity.partition(":")
        home = _loaded_as(module)
        wrapper = None if home is None else vars(sys.modules[home]).get(name)
        target = cached_target(wrapper)
        if home is None or target is None or target.identity != identity or type(wrapper) is not type(remember):
            self._watch_other(session, module, name)
            return
        reach = session.reader.reach(target)
        guard = Guard(repr)
        guard.item(sys.modules, home, sys.modules[home])
        guard.item(vars(sys.modules[home]), name, wrapper)
        guard.item(vars(wrapper), "__cachepy__", vars(wrapper)["__cachepy__"])
        guard.true(reach.guard)
        self.digest, self.check = reach.digest, guard.build()

    def _watch_other(self, session: State, module: str, name: str) -> None:
        """Code that is not cached: a function or a class that its name leads to, or what its source file has."""
        if name.endswith(IN_TEXT):
            known = LiveWorld(session).found(f"{module}:{name}")
            reaches = [session.reader.reach(fn) for fn in known]
            if len(reaches) == 1:
                self.digest = reaches[0].digest
                self.check = lambda: LiveWorld(session).found(f"{module}:{name}") == known and reaches[0].guard()
            return
        obj = resolve(module, name) if "<" not in name and "@" not in name else None
        if obj is None or cached_target(obj) is not None or not isinstance(obj, (type, type(remember))):
            return
        reach = session.reader.reach(obj)
        self.digest, self.check = reach.digest, lambda: resolve(module, name) is obj and reach.guard()


def _never() -> bool:
    return False


def _loaded_as(module: str) -> str | None:
    """The name in ``sys.modules`` of the module that a canonical name means."""
    names: Iterable[str] = (*(m for m in MAIN if m in sys.modules and canonical(m) == module), module)
    return next((name for name in names if sys.modules.get(name) is not None), None)
