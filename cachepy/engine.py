"""The one path that a call takes (design 4).

    key -> look up -> verify -> hit: load
                             -> claim -> look and verify again -> run -> store -> release
    -> tell the caller's frame -> record

`CachedCall` is a function with its options, `Request` one call of it; `run` holds one run of a body.
Imports run, waiting, probe, session and what lies below them, not the graph.
"""

from __future__ import annotations

import time

from cachepy.claims import Claim
from cachepy.code import Target, identity_of
from cachepy.digest import Found
from cachepy.errors import (
    CacheWriteWarning,
    EntryError,
    EntryReplacedError,
    UncachedCallWarning,
    UndigestableError,
)
from cachepy.key import Binder, culprit, label_of, make_key
from cachepy.model import Event, Reason, Verdict, title_of
from cachepy.options import Options
from cachepy.probe import LiveProbe
from cachepy.revive import Revival
from cachepy.run import Run, Transparent, tell
from cachepy.session import Session, current_session
from cachepy.store import Store, Stored
from cachepy.trace import back_to, caller, here
from cachepy.verify import Verifier
from cachepy.waiting import attempts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.code import Reach
    from cachepy.kept import Arguments

_LOOKS = 5  # at an entry that others replace all the time
_COROUTINE = 0x80


class CachedCall:
    """A function with the options of its decorator: all that a call of it needs to know."""

    def __init__(self, fn: Any, options: Options, name: tuple[str, str] | None = None) -> None:
        self.fn = fn
        self.options = options
        self.binder = Binder(fn, options.ignore_args, options.file_args)
        self.target = Target(fn, options.ignore_globals, options.depends_on_vars, options.declared(), name)
        self.fname = getattr(fn, "__name__", "function")
        self.prefix = f"{self.target.identity}({','.join(self.binder.names)})".encode("utf-8", "surrogatepass")
        self.is_async = bool(fn.__code__.co_flags & _COROUTINE)
        self.wrapper: Any = None
        self.lacks_key = False  # it came from another process, and its signing key did not
        self._session: Session | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """By value, as cloudpickle takes functions of ``__main__``; the name is that of the client."""
        name = self.target.module, self.target.qualname
        root = None if self.options.cache_dir is None else self.options.root()
        options = {**self.options.given(), "cache_dir": root}
        needs_key = self.options.signing_key is not None and self.options.key_file is None
        return _blank, (), (self.fn, options, name, self.wrapper, needs_key)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        fn, options, name, wrapper, needs_key = state
        CachedCall.__init__(self, fn, Options(**options), name)
        self.wrapper = wrapper
        self.lacks_key = needs_key and current_session().trust.key is None
        current_session().register(self)

    def request(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
        """Bind and digest; TypeError if the arguments do not fit, UndigestableError if they have no key."""
        session = current_session()
        if session is not self._session:
            session.register(self)
            options = self.options
            if options.trusted_owners or options.signing_key or options.umask is not None:
                session.trust_more(options.root(), options.trusted_owners, options.signing_key, options.umask)
            self._session = session
        values = self.binder.bind(*args, **kwargs)
        prefix = self.prefix if self.fn.__closure__ is None else self.prefix + self._closure(session)
        found = Found()
        key = make_key(prefix, values, session.digester, found)
        return Request(self, session, (args, kwargs), values, key, found)

    def _closure(self, session: Session) -> bytes:
        """The data that a closure holds is part of which call it is: ``make(1)`` and ``make(2)`` are two functions."""
        parts = []
        for name, cell in zip(self.fn.__code__.co_freevars, self.fn.__closure__, strict=True):
            try:
                content = cell.cell_contents
                if not callable(content) and name not in self.options.ignore_globals:
                    parts.append(f"{name}={session.digester.digest(content)}")
            except (ValueError, UndigestableError):  # empty, or what only the trace can speak of
                continue
        return ";".join(parts).encode()

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call it, from the cache if that holds."""
        flags = Flags(kwargs, self.binder.signature.names) if kwargs else _NO_FLAGS
        request = self._try_request(args, kwargs)
        if request is None:
            return self._uncached(args, kwargs)
        hit = request.fast_hit(flags)
        if hit is not None:
            return hit.value
        before = here()
        try:
            for pause in attempts(request, flags):
                time.sleep(pause)
            if request.hit is not None or request.revive(flags):
                return request.hit.value  # type: ignore[union-attr]
            run = Run(request, flags)
            with run:
                run.value = self.fn(*args, **kwargs)
            return run.value
        finally:  # an interrupt may come between any two steps
            back_to(before)
            request.release()

    async def call_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The same for ``async def``: waits without blocking the loop."""
        from asyncio import sleep, to_thread

        flags = Flags(kwargs, self.binder.signature.names) if kwargs else _NO_FLAGS
        request = self._try_request(args, kwargs)
        if request is None:
            return await self._uncached_async(args, kwargs)
        hit = request.fast_hit(flags)
        if hit is not None:
            return hit.value
        before = here()
        try:
            for pause in attempts(request, flags):
                await sleep(pause)
            if request.hit is not None or (request.may_revive(flags) and await to_thread(request.revive, flags)):
                return request.hit.value  # type: ignore[union-attr]
            run = Run(request, flags)
            with run:
                run.value = await self.fn(*args, **kwargs)
            return run.value
        finally:
            back_to(before)
            request.release()

    def _try_request(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
        """None if this call has to go without the cache; the body then tells what is wrong, if it is."""
        if self.lacks_key:
            current_session().warn(
                UncachedCallWarning,
                f"{self.fname} runs without the cache: its signing_key does not travel to other processes. Set "
                f"CACHEPY_SIGNING_KEY there, or give signing_key='@file' with a file that they can read",
                "key",
                self.target.identity,
            )
            return None
        try:
            return self.request(args, kwargs)
        except UndigestableError:
            session = current_session()
            name = culprit(self.binder, self.binder.bind(*args, **kwargs), session.digester)
            session.warn(
                UncachedCallWarning,
                f"{self.fname} runs without the cache: argument {name}. Pass something that can be "
                f"pickled, or leave the parameter out with ignore_args=[...]",
                self.target.identity,
                name.partition(" (")[0],
            )
        except TypeError:  # the arguments do not fit: calling the function says so best
            pass
        return None

    def _uncached(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with Transparent(self):
            value = self.fn(*args, **kwargs)
        self._warn_unbound(args, kwargs)
        return value

    async def _uncached_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with Transparent(self):
            value = await self.fn(*args, **kwargs)
        self._warn_unbound(args, kwargs)
        return value

    def _warn_unbound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The function took arguments that do not fit what it shows: a decorator below adds some."""
        try:
            self.binder.bind(*args, **kwargs)
        except TypeError as error:
            current_session().warn(
                UncachedCallWarning,
                f"{self.fname} runs without the cache: a decorator below cache_file takes other arguments than the "
                f"function shows ({error}). Put cache_file below that decorator",
                "unbound",
                self.target.identity,
            )

    def explain(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Verdict:
        """Why a call would run or not; nothing runs."""
        request = self.request(args, kwargs)
        stored = request.look()
        if stored is None:
            return Verdict("missing", (Reason("first", request.title, None, None),))
        verifier = request.verifier()
        if any(verifier.holds(event.trace) for event in stored.events):
            return Verdict("fresh", ())
        return Verdict("stale", tuple(verifier.reasons(stored.events[0].trace)))


def _blank() -> CachedCall:
    """What unpickling fills in: the function may refer to its own wrapper."""
    return CachedCall.__new__(CachedCall)


class Flags:
    """The options of a single call, taken out of its keywords."""

    __slots__ = ("force", "load", "save")

    def __init__(self, kwargs: dict[str, Any], own: tuple[str, ...] = ()) -> None:
        self.force = bool("_force" not in own and kwargs.pop("_force", False))
        self.save = "_skip_save" in own or not kwargs.pop("_skip_save", False)
        self.load = bool("_load" in own or kwargs.pop("_load", True))

    @property
    def may_hit(self) -> bool:
        return self.load and self.save and not self.force


_NO_FLAGS = Flags({})


class Hit:
    """A stored value that was verified and loaded."""

    __slots__ = ("event", "value")

    def __init__(self, event: Event, value: Any) -> None:
        self.event = event
        self.value = value


class Request:
    """One call: its key, and the way to its value."""

    __slots__ = (
        "arguments", "call", "claim", "found", "hash", "hit", "hopeless", "id", "reach", "session", "store", "stored",
        "values",
    )  # fmt: skip

    def __init__(
        self, call: CachedCall, session: Session, arguments: Arguments, values: tuple[Any, ...], key: str, found: Found
    ) -> None:
        self.call = call
        self.arguments = arguments
        self.found = found
        self.session = session
        self.values = values
        self.hash = key
        self.id = f"{call.fname}:{key}"
        self.store: Store = session.store(call.options.root())
        self.reach: Reach = session.reader.reach(call.target)
        self.hit: Hit | None = None
        self.claim: Claim | None = None
        self.hopeless: set[str] = set()
        self.stored: Stored | None = None  # as it was at the last look for a hit

    @property
    def title(self) -> str:
        return title_of(self.call.fname, [label_of(value) for _, value in self.call.binder.named(self.values)])

    def verifier(self) -> Verifier:
        self.session.files.memo_file = self.store.memo_file
        own = self.call.target.identity, self.reach.digest
        return Verifier(LiveProbe(self.session, own, {identity_of(c): c for c in self.found.code}), own)

    def look(self) -> Stored | None:
        try:
            return self.store.look(self.id)
        except EntryReplacedError:
            return None
        except (EntryError, OSError) as error:
            self.session.warn_unread(error, f"{self.call.fname} runs again", "entry", self.id)
            return None

    def fast_hit(self, flags: Flags) -> Hit | None:
        """Look up and verify, without a claim."""
        return self.find_hit() if flags.may_hit else None

    def may_revive(self, flags: Flags) -> bool:
        """Whether there is a stored run that calls below may make fresh; only who holds the claim tries."""
        return self.claim is not None and flags.may_hit and self.stored is not None

    def revive(self, flags: Flags) -> bool:
        """Make stale calls below again; whether there is a hit then."""
        if self.claim is None or not self.may_revive(flags):
            return False
        revival = Revival(self)
        if not revival.succeeds():
            self.hopeless = revival.frame.hopeless
            return False
        return self.find_hit() is not None

    def release(self) -> None:
        """Give the claim back, whatever ended the call."""
        if self.claim is not None:
            self.session.claims.release(self.claim)
            self.claim = None  # last: an interrupt in between must not lose it

    def find_hit(self) -> Hit | None:
        for _ in range(_LOOKS):
            try:
                return self._hit_once()
            except EntryReplacedError:  # another process stored a newer run meanwhile
                continue
        return None

    def _hit_once(self) -> Hit | None:
        stored = self.stored = self.look()
        if stored is None:
            return None
        verifier = self.verifier()
        for index, event in enumerate(stored.events):
            if verifier.holds(event.trace):
                if len(stored.events) > 1:
                    verifier.several.add(self.id)
                return self._load(stored, index, verifier)
        return None

    def _load(self, stored: Stored, index: int, verifier: Verifier) -> Hit | None:
        event = stored.events[index]
        try:
            value = self.store.value(self.id, stored, index)
        except (EntryReplacedError, FileNotFoundError) as error:
            raise EntryReplacedError(str(error)) from None
        except (EntryError, OSError) as error:
            self.session.warn_unread(error, f"{self.call.fname} runs again", "value", self.id)
            return None
        self.hit = Hit(event, value)
        tell(caller(), self, event.trace.effect)
        self.session.sink.hit(event, verifier.chosen, verifier.several)
        self.session.files.memo.flush(self.store.memo_file)
        self.log("hit", "")
        return self.hit

    def cannot_write(self, error: OSError) -> None:
        self.session.warn(
            CacheWriteWarning,
            f"the cache at {self.store.root} cannot be written ({error.strerror or error}); results are "
            f"returned, but not stored. Make it writable, or name another directory",
            "write",
            self.store.root,
            error.errno,
        )

    def log(self, outcome: str, cause: str) -> None:
        """One line for each decision, if the function is verbose."""
        if not self.call.options.verbose:
            return
        import logging

        extra = {"cachepy_outcome": outcome, "cachepy_id": self.id}
        labels = ", ".join(f"{n}={label_of(v)}" for n, v in self.call.binder.named(self.values))
        logging.getLogger("cachepy").info("%s %s(%s)%s", outcome, self.call.fname, labels, cause, extra=extra)

    def cause(self) -> str:
        """Why this call runs, for the log."""
        if not self.call.options.verbose:
            return ""
        stored = self.look()
        if stored is None:
            return ": not run before"
        return ": " + "; ".join(map(str, self.verifier().reasons(stored.events[0].trace)))
