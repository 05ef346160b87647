"""Runs stored calls again without storing, to see whether they give the same results.

The bodies run in a `Session` of their own that reads the cache and writes nothing.
"""

from __future__ import annotations

import errno
import os
import random

from cachepy.calls.given_arguments import declared, told
from cachepy.calls.import_refusal import refuse
from cachepy.calls.replay import Replay
from cachepy.calls.state import State, current_session, use_session
from cachepy.core.current import NOBODY, enter, leave
from cachepy.core.model import Item, Record
from cachepy.core.revision import Revision
from cachepy.errors import RerunError, UndigestableError, Warner
from cachepy.session import Session
from cachepy.store.claims import Claim, Claims
from cachepy.store.entries import Store
from cachepy.store.files import Files
from cachepy.store.payload import pack
from cachepy.store.stat_cache import ReadMemo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from cachepy.calls.function import Function
    from cachepy.core.model import Event
    from cachepy.store.stored_arguments import Arguments

_COROUTINE = 0x80


class Differing(Item):
    """A call that gave a different result when `cache_verify` ran it again.

    Attributes
    ----------
    call : str
        Its id.
    label : str
        The call for people: ``load('03.csv')``.
    before, now : str
        The digest of its result; now it may also be the text of an exception.

    Examples
    --------
    >>> import random
    >>> from cachepy import cache_file, cache_verify
    >>> @cache_file("cache", ignore_globals=["random"])
    ... def draw(most):
    ...     return random.randrange(most)
    >>> _ = draw(10**20)
    >>> [each.label for each in cache_verify("cache", rerun=1).differing]
    ['draw(100000000000000000000)']
    """

    __slots__ = ("call", "label", "before", "now")
    call: str
    label: str
    before: str
    now: str

    def __str__(self) -> str:
        return f"{self.label} gave {self.now}, before {self.before} ({self.call})"


class Unable(Item):
    """Calls of a function that `cache_verify` could not run again.

    Attributes
    ----------
    function : str
        The function, with its module.
    calls : int
        How many.
    why : str
        The reason, and the way out.

    Examples
    --------
    >>> from cachepy import cache_file, cache_verify
    >>> @cache_file("cache", keep_args=False)
    ... def double(x):
    ...     return 2 * x
    >>> double(4)
    8
    >>> [each.calls for each in cache_verify("cache", rerun=1).unable]
    [1]
    """

    __slots__ = ("function", "calls", "why")
    function: str
    calls: int
    why: str

    def __str__(self) -> str:
        return f"{self.function}: {self.calls} not run again: {self.why}"


class Tried(Record):
    """How many were compared, how many are stale, which could not be run, and which differ."""

    __slots__ = ("reran", "stale", "unable", "differing")
    reran: int
    stale: int
    unable: tuple[Unable, ...]
    differing: tuple[Differing, ...]


def try_again(root: str, stored: dict[str, tuple[Event, ...]], number: int, seed: int | None = None) -> Tried:
    """Run a number of stored calls again, taking turns among the functions.

    stored: id -> the events of its entry, newest first.
    """
    refuse(current_session(), "cache_verify")
    trial = TrialSession(current_session())
    for events in stored.values():
        for event in events:
            trial.graph.apply(event)
    trial.store(root)
    sample = _Sample(stored, seed)
    trials = _Trials(trial)
    with use_session(trial):
        for function, call in sample:
            if trials.reran >= number:
                break
            why = trials.run(function, stored[call])
            if why:
                trials.count_unable(function, why, 1 + sample.drop(function))
    return trials.tried()


class _Sample:
    """The ids of the calls, the functions in turn, at random within each."""

    def __init__(self, stored: dict[str, tuple[Event, ...]], seed: int | None) -> None:
        chance = random.Random(seed)
        self._functions: dict[str, list[str]] = {}
        for call in sorted(stored):
            event = stored[call][0]
            self._functions.setdefault(f"{event.module}:{event.qualname}", []).append(call)
        for calls in self._functions.values():
            chance.shuffle(calls)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        while self._functions:
            for function, calls in list(self._functions.items()):
                if calls:
                    yield function, calls.pop()
                else:
                    self.drop(function)

    def drop(self, function: str) -> int:
        """Take no more calls of a function; how many it had left."""
        return len(self._functions.pop(function, ()))


class _Trials:
    """Runs calls, one after the other, and keeps the score."""

    def __init__(self, session: TrialSession) -> None:
        self.session = session
        self.reran = 0
        self.stale = 0
        self._unable: dict[tuple[str, str], int] = {}
        self._differing: list[Differing] = []

    def run(self, function: str, events: tuple[Event, ...]) -> str:
        """Try one call; why none of this function can be run, if that is so."""
        again = Replay(self.session, events[0])
        try:
            again.call()
        except RerunError as error:
            return str(error)
        try:
            call, arguments = again.ready()
        except RerunError as error:
            self.count_unable(function, str(error).replace(events[0].title, "a call"))
        else:
            self._compare(call, arguments, events)
        return ""

    def count_unable(self, function: str, why: str, calls: int = 1) -> None:
        self._unable[function, why] = self._unable.get((function, why), 0) + calls

    def _compare(self, call: Function, arguments: Arguments, events: tuple[Event, ...]) -> None:
        """Only a run whose trace still holds has to come out as it did."""
        request = call.request(*arguments)
        verifier = request.verifier()
        event = next((e for e in events if verifier.event_holds(e)), None)
        if event is None:
            self.stale += 1
            return
        self.reran += 1
        now = self._outcome(call, arguments)
        if now != event.trace.result:
            self._differing.append(Differing(event.id, event.title, event.trace.result, now))

    def _outcome(self, call: Function, arguments: Arguments) -> str:
        """The digest of what the body returns, or the text of what it raises."""
        args, kwargs = arguments
        token = enter(NOBODY)
        try:
            changed = list(declared(call, call.binder.bind(*args, **kwargs)).values())
            value = told(_result(call, args, kwargs), changed)[0]
        except (Exception, SystemExit) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            leave(token)
        return self._digest(value)

    def _digest(self, value: Any) -> str:
        """As it was made for the entry."""
        digester = self.session.digester
        try:
            return digester.digest(value)
        except UndigestableError:
            payload = pack(value)
            return digester.digest((payload.pickle, [bytes(b) for b in payload.buffers]))

    def tried(self) -> Tried:
        unable = tuple(Unable(function, calls, why) for (function, why), calls in self._unable.items())
        return Tried(self.reran, self.stale, unable, tuple(self._differing))


def _result(call: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    fn = call.body
    if not call.is_async:
        return fn(*args, **kwargs)
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:  # a loop may be running in this thread
        return pool.submit(asyncio.run, fn(*args, **kwargs)).result()


class _NoWarner(Warner):
    """What cannot be stored here need not be."""

    def warn(self, category: type[Warning], message: str, *once: object) -> None: ...


class TrialSession(Session):
    """Reads the cache and writes nothing: no entry, no record, no claim, no memo."""

    _warner = _NoWarner

    def __init__(self, outer: State) -> None:
        super().__init__(_NoRecorder())
        self.files = Files(ReadMemo())
        self.claims = _NoClaims()
        self.functions = outer.functions  # local functions are found nowhere else
        self.stores.kind = _ReadStore
        for store in outer.stores:
            self.store(store.root).trust = store.trust


class _NoRecorder:
    revision = Revision()

    def record(self, event: Event) -> None: ...

    def hit(self, event: Event, chosen: dict[str, Event], several: set[str]) -> None: ...

    def fold_below(self, event: Event, *, anew: bool) -> None: ...


class _NoClaims(Claims):
    """Whoever else runs a call, it is run here too."""

    def acquire(self, path: str, prepare: Callable[[], None] | None = None) -> Claim | None:
        return Claim(path, "", b"", 0)

    def release(self, claim: Claim, aside: str = "") -> None: ...

    def is_held(self, path: str) -> bool:
        return False


class _ReadStore(Store):
    def prepare(self, call: str) -> None: ...

    def put(
        self, event: Event, payload: Any, call: bytes = b"", claim: Claim | None = None, path: str = "", least: int = 1
    ) -> Event:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def put_code(self, name: str, wire: bytes, *, anew: bool = False, is_whole: bool = True) -> None: ...
