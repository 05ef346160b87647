"""The path that a call takes, from top to bottom:

    key -> the fast path -> find: look, verify, load -> hit
                                 -> claim -> find again -> cutoff -> run the body -> store -> tell -> record

`Path` is a function, `Call` one call of it on its way to a stored value, `Miss` what goes on where none holds, and
`Execution` one run of the body.  What is left open here is said by those who know the kind of function (see `calls`).
What is asked of the rest of the house stands in `ports`.

Three orders matter.  A value is digested and stored before its record, so that no record speaks of what is not there.
A caller hears of a call after that is stored, and before the record.  The claim is given back last, whatever happens.
"""

from __future__ import annotations

import time
from sys import is_finalizing

from cachepy.core.bodies import Crowd, leave_body
from cachepy.core.current import back_to, enter, here, leave
from cachepy.core.frame import Frame
from cachepy.errors import EntryReplacedError, UndigestableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from typing import Any, Protocol

    from cachepy.core.frame import Caller
    from cachepy.core.model import Event
    from cachepy.core.ports import Recorder
    from cachepy.core.verify import Verifier

    class Body(Protocol):
        """Runs a body as ``with body: body.value = fn()``: in an `Execution`, or past the cache."""

        value: Any

        def __enter__(self) -> object: ...

        def __exit__(self, kind: object, error: object, tb: object, /) -> None: ...

    class Way(Protocol):
        """How a call goes on that is no hit."""

        def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any: ...

        def run_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Awaitable[Any]: ...


class UsersError(Exception):
    """What a function of the user's raised that was asked on the way: it leaves the call as it is."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


_LOOKS = 5  # at an entry that others replace all the time


class Hit:
    """A stored value that was verified and loaded."""

    __slots__ = ("event", "value")

    def __init__(self, event: Event, value: Any) -> None:
        self.event = event
        self.value = value


class Flags:
    """The options of a single call, taken out of its keywords."""

    __slots__ = ("force", "load", "may_hit", "save")

    def __init__(self, kwargs: dict[str, Any], own: tuple[str, ...] = ()) -> None:
        self.force = bool("_force" not in own and kwargs.pop("_force", False))
        self.save = "_skip_save" in own or not kwargs.pop("_skip_save", False)
        self.load = bool("_load" in own or kwargs.pop("_load", True))
        self.may_hit = self.load and self.save and not self.force


NO_FLAGS = Flags({})
FLAGS = frozenset({"_force", "_load", "_skip_save"})


# ---------------------------------------------------------------- a function


class Path:
    """A function whose calls take the path."""

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call it, from the cache if that holds."""
        found = self.look(args, kwargs)
        return found.value if isinstance(found, Hit) else found.run(args, kwargs)

    def look(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hit | Way:
        """Look for a stored value; what is not a hit knows how to go on."""
        flags = self.flags_of(kwargs) if kwargs else NO_FLAGS
        try:
            if is_finalizing():  # globals are set to None: what they were cannot be told any more
                raise ImportError("nothing can be loaded any longer")
            return self._look(flags, args, kwargs)
        except UsersError as error:
            raise error.error from error.error.__cause__
        except Exception as error:
            return self.past(error)

    def _look(self, flags: Flags, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hit | Way:
        try:
            key = self.key_of(args, kwargs)
        except (TypeError, UndigestableError) as error:
            return self.uncached(error)
        hit = self.shallow_hit(key) if flags.may_hit else None
        if hit is not None:
            return hit
        call = self.call_of(key, args, kwargs)
        hit = call.find() if flags.may_hit and call.may_be_stored() else None
        return hit if hit is not None else self.missed(call, flags)

    if TYPE_CHECKING:  # what is left open
        def flags_of(self, kwargs: dict[str, Any]) -> Flags:
            """The options of the call, which are no arguments of the function."""
            raise NotImplementedError

        def key_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            """Which call it is; TypeError if the arguments do not fit, UndigestableError if they have no key."""
            raise NotImplementedError

        def shallow_hit(self, key: Any) -> Hit | None:
            """A hit of what was one before in this process, if nothing at all has changed: the fast path."""
            raise NotImplementedError

        def call_of(self, key: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
            """The call on its way."""
            raise NotImplementedError

        def missed(self, call: Call, flags: Flags) -> Way:
            """Nothing that is stored holds: a `Miss`."""
            raise NotImplementedError

        def uncached(self, error: Exception) -> Way:
            """The way without the cache."""
            raise NotImplementedError

        def past(self, error: Exception) -> Way:
            """The way past a cache that does not work."""
            raise NotImplementedError


# ---------------------------------------------------------------- one call, on its way to a stored value


class Call:
    """One call: its key, and the way to its value.

    stored: what was there at the last look; hit: the value, once it is found; claim: held while it may have to run.
    """

    __slots__ = ("claim", "hit", "id", "stored")
    id: str
    stored: Any
    hit: Hit | None
    claim: Any

    def find(self) -> Hit | None:
        """The newest stored run that holds, verified, loaded, and told to whoever has to know."""
        for _ in range(_LOOKS):
            try:
                return self._find_once()
            except EntryReplacedError:  # another process stored a newer run meanwhile
                continue
        return None

    def _find_once(self) -> Hit | None:
        stored = self.stored = self.look()
        if stored is not None:
            verifier = self.verifier()
            for index, event in enumerate(stored.events):
                if verifier.event_holds(event):
                    if len(stored.events) > 1:
                        verifier.several.add(self.id)
                    return self._serve(stored, index, verifier)
        found = self.fetch()
        return None if found is None else self._serve(found[0], 0, found[1])

    def _serve(self, stored: Any, index: int, verifier: Verifier) -> Hit | None:
        """It holds: a hit, if its value can be loaded."""
        loaded = self.load(stored, index)
        if loaded is None:
            return None
        value, fill = loaded
        self.hit = hit = Hit(stored.events[index], value)
        frame = self.caller()
        self.tell(hit.event, frame)
        self.recorder().hit(hit.event, verifier.chosen, verifier.several)
        self.served(stored, index, verifier, frame, is_filled=fill is not None)
        if fill is not None:
            fill()
        return hit

    if TYPE_CHECKING:  # what is left open
        def may_be_stored(self) -> bool:
            """Whether there may be a stored run: of a missing one this tells sooner than a look."""
            raise NotImplementedError

        def look(self) -> Any:
            """What is stored; None also of what cannot be read."""
            raise NotImplementedError

        def verifier(self) -> Verifier:
            """Looks at the world as this call sees it."""
            raise NotImplementedError

        def fetch(self) -> tuple[Any, Verifier] | None:
            """A run that holds and is stored elsewhere, and who verified it; EntryReplacedError once it is here."""
            raise NotImplementedError

        def load(self, stored: Any, index: int) -> tuple[Any, Callable[[], None] | None] | None:
            """The value, and what changes the arguments as the body did; None if it cannot be loaded."""
            raise NotImplementedError

        def caller(self) -> Caller | None:
            """Who makes the call."""
            raise NotImplementedError

        def tell(self, event: Event, frame: Caller | None) -> None:
            """The caller, if there is one, depends on this call."""
            raise NotImplementedError

        def recorder(self) -> Recorder:
            """Who takes ended calls."""
            raise NotImplementedError

        def served(self, stored: Any, index: int, verifier: Verifier, frame: Caller | None, *, is_filled: bool) -> None:
            """What there is to do after a hit: see `shallow_hit`."""
            raise NotImplementedError

        # -- the steps of a call that is no hit

        def refuse(self) -> None:
            """Raise if it must not run here."""
            raise NotImplementedError

        def turn(self, flags: Flags, *, blocks: bool) -> Iterator[float]:
            """Take the claim, or find what another one ran meanwhile; the pauses until then, in seconds."""
            raise NotImplementedError

        def cutoff(self, flags: Flags) -> bool:
            """Make stale calls below again; whether there is a hit then."""
            raise NotImplementedError

        def cutoff_async(self, flags: Flags) -> Awaitable[bool]:
            """The same without blocking the loop."""
            raise NotImplementedError

        def pause_async(self, seconds: float) -> Awaitable[bool]:
            """Wait without blocking the loop; whether it goes on."""
            raise NotImplementedError

        def got(self) -> Any:
            """The value of the hit that was found on the way to a run."""
            raise NotImplementedError

        def execution(self, flags: Flags) -> Execution:
            """The body is about to run."""
            raise NotImplementedError

        def body(self) -> Any:
            """What runs, with the arguments as they came."""
            raise NotImplementedError

        def past(self, error: Exception) -> Body:
            """The way past a cache that does not work."""
            raise NotImplementedError

        def release(self, *, is_unended: bool = False) -> None:
            """Give the claim back; is_unended: the body did not come to its end, and a sign of that stays."""
            raise NotImplementedError


class Miss:
    """A call for which nothing that is stored holds, as far as was seen without a claim."""

    __slots__ = ("call", "flags")

    def __init__(self, call: Call, flags: Flags) -> None:
        self.call = call
        self.flags = flags

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The value, by whoever is first to run the body."""
        call, flags = self.call, self.flags
        call.refuse()
        before = here()
        run: Body | Execution | None = None
        try:
            try:
                for pause in call.turn(flags, blocks=True):
                    time.sleep(pause)
                if call.hit is not None or call.cutoff(flags):
                    return call.got()
                run = call.execution(flags)
            except Exception as error:
                run = self._past(error, before)
            with run:
                run.value = call.body()(*args, **kwargs)
            return run.value
        finally:  # an interrupt may come between any two steps
            self._end(run, before)

    async def run_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The same for ``async def``: waits without blocking the loop."""
        call, flags = self.call, self.flags
        call.refuse()
        before = here()
        run: Body | Execution | None = None
        try:
            try:
                for pause in call.turn(flags, blocks=False):
                    if not await call.pause_async(pause):
                        break
                if call.hit is not None or await call.cutoff_async(flags):
                    return call.got()
                run = call.execution(flags)
            except Exception as error:
                run = self._past(error, before)
            with run:
                run.value = await call.body()(*args, **kwargs)
            return run.value
        finally:
            self._end(run, before)

    def _past(self, error: Exception, before: Caller | None) -> Body:
        """The way past the cache; the body may make this call again, so it holds no claim."""
        if isinstance(error, UsersError):
            raise error.error from error.error.__cause__
        back_to(before)
        self.call.release()
        return self.call.past(error)

    def _end(self, run: Body | Execution | None, before: Caller | None) -> None:
        back_to(before)
        if isinstance(run, Execution):
            leave_body(run.frame)
        self.call.release()


# ---------------------------------------------------------------- one run of a body


class Execution:
    """One run of a body, as ``with run: run.value = body()``: an exception of the body passes through untouched.

    frame: gathers what it depends on; parent: who made the call; began: in seconds, of `time.perf_counter`.
    """

    __slots__ = ("began", "call", "flags", "frame", "parent", "token", "value")
    call: Call
    flags: Flags
    frame: Frame
    parent: Caller | None
    value: Any
    began: float
    token: Any

    def __enter__(self) -> None:
        self.began = time.perf_counter()
        self.token = enter(self.frame)

    def __exit__(self, kind: object, error: object, tb: object, /) -> None:
        elapsed = time.perf_counter() - self.began
        leave(self.token)
        is_unended = self.flags.save and (self.parent is None or type(self.parent) is Crowd)
        try:
            self.close(error)
            if kind is not None or not self._keep(elapsed):
                self.hand_over()
            else:
                is_unended = False
        except Exception as failure:
            self._fall_short(failure)
        except BaseException:  # an interrupt, maybe between the entry and its record
            self.make_up()
            raise
        finally:
            leave_body(self.frame)
            self.release(is_unended=is_unended and self.call.stored is None)
            self.ended(elapsed, error)

    def _keep(self, elapsed: float) -> bool:
        """Store the value, then tell the caller, then record it; False if it must not or cannot be stored."""
        if not self.flags.save or not self.holds() or not self.may_store(elapsed):
            return False
        event = self.store(elapsed)
        if event is None:
            return False
        self.call.tell(event, self.parent)
        self.call.recorder().record(event)
        self.stored(event)
        return True

    def _fall_short(self, failure: Exception) -> None:
        """The value is there; the cache could not do the rest."""
        self.give_way(failure)
        try:
            self.make_up()
        except Exception:  # the next hit will
            return

    if TYPE_CHECKING:  # what is left open
        def close(self, error: object) -> None:
            """The body has ended: nothing is added to the frame any more, except what nobody saw."""
            raise NotImplementedError

        def holds(self) -> bool:
            """Whether all that it depends on is what it was when it was looked at."""
            raise NotImplementedError

        def may_store(self, elapsed: float) -> bool:
            """Whether nothing else speaks against it."""
            raise NotImplementedError

        def store(self, elapsed: float) -> Event | None:
            """Store the value with its trace; None if that cannot be, which has been said then."""
            raise NotImplementedError

        def stored(self, event: Event) -> None:
            """What there is to do after it was recorded."""
            raise NotImplementedError

        def make_up(self) -> None:
            """Record what has been stored; twice does no harm."""
            raise NotImplementedError

        def hand_over(self) -> None:
            """Nothing is stored: the caller takes over all that it depended on."""
            raise NotImplementedError

        def give_way(self, failure: Exception) -> None:
            """Say that the cache does not work."""
            raise NotImplementedError

        def ended(self, elapsed: float, error: object) -> None:
            """Whatever became of it: count it, and tell who listens."""
            raise NotImplementedError

        def release(self, *, is_unended: bool) -> None:
            """Give the claim back."""
            raise NotImplementedError
