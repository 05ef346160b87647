"""The one path that a call takes (design 4).

    key -> look up -> verify -> hit: load
                             -> claim -> look and verify again -> run -> store -> release
    -> tell the caller's frame -> record

`CachedCall` is a function with its options; `Request` one call of it; `Run` one run of its body.
Imports session and what lies below it, not the graph.
"""

from __future__ import annotations

import os
import time

from cachepy.claims import Claim
from cachepy.code import Target, resolve
from cachepy.deadlock import waits_for_me
from cachepy.digest import Found, name_of
from cachepy.entryfile import pack
from cachepy.errors import (
    CacheReadWarning,
    CacheWriteWarning,
    ChangedGlobalWarning,
    ChangedInputWarning,
    EntryError,
    OpaqueGlobalWarning,
    UncachedCallWarning,
    UndigestableError,
)
from cachepy.key import Binder, culprit, is_trivial, label_of, make_key
from cachepy.model import CALL, CODE, ENV, FILE, NAME, PACKAGE, ROOT, Dep, Event, Reason, Trace, Verdict
from cachepy.options import Options
from cachepy.session import LiveProbe, Session, current_session
from cachepy.store import Store, Stored
from cachepy.trace import Frame, caller, enter, leave
from cachepy.verify import ANCHOR, Verifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from cachepy.code import Reach
    from cachepy.trace import Caller

_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.05  # s between two looks at somebody else's claim


class CachedCall:
    """A function with the options of its decorator: all that a call of it needs to know."""

    def __init__(self, fn: Any, options: Options, name: tuple[str, str] | None = None) -> None:
        self.fn = fn
        self.options = options
        self.binder = Binder(fn, options.ignore_args, options.file_args)
        self.target = Target(fn, options.ignore_globals, options.depends_on_vars, options.declared(), name)
        self.fname = getattr(fn, "__name__", "function")
        self.prefix = f"{self.target.identity}({','.join(self.binder.names)})".encode()
        self.wrapper: Any = None
        self._session: Session | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """By value, as cloudpickle takes functions of ``__main__``; the name is that of the client."""
        name = self.target.module, self.target.qualname
        root = None if self.options.cache_dir is None else self.options.root()
        options = {**self.options.given(), "cache_dir": root}
        return _blank, (), (self.fn, options, name, self.wrapper)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        fn, options, name, wrapper = state
        CachedCall.__init__(self, fn, Options(**options), name)
        self.wrapper = wrapper
        current_session().register(self)

    def request(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
        """Bind and digest; TypeError if the arguments do not fit, UndigestableError if they have no key."""
        session = current_session()
        if session is not self._session:
            session.register(self)
            self._session = session
        values = self.binder.bind(*args, **kwargs)
        prefix = self.prefix if self.fn.__closure__ is None else self.prefix + self._closure(session)
        found = Found()
        return Request(self, session, values, make_key(prefix, values, session.digester, found), found)

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
        flags = Flags(kwargs) if kwargs else _NO_FLAGS
        request = self._try_request(args, kwargs)
        if request is None:
            return self._uncached(args, kwargs)
        hit = request.fast_hit(flags)
        if hit is not None:
            return hit.value
        for pause in request.attempts(flags):
            time.sleep(pause)
        if request.hit is not None:
            return request.hit.value
        run = Run(request, flags)
        with run:
            run.value = self.fn(*args, **kwargs)
        return run.value

    async def call_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The same for ``async def``: waits without blocking the loop."""
        from asyncio import sleep

        flags = Flags(kwargs) if kwargs else _NO_FLAGS
        request = self._try_request(args, kwargs)
        if request is None:
            return await self._uncached_async(args, kwargs)
        hit = request.fast_hit(flags)
        if hit is not None:
            return hit.value
        for pause in request.attempts(flags):
            await sleep(pause)
        if request.hit is not None:
            return request.hit.value
        run = Run(request, flags)
        with run:
            run.value = await self.fn(*args, **kwargs)
        return run.value

    def _try_request(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
        """None if this call has to go without the cache; the body then tells what is wrong, if it is."""
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
            return self.fn(*args, **kwargs)

    async def _uncached_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with Transparent(self):
            return await self.fn(*args, **kwargs)

    def explain(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Verdict:
        """Why a call would run or not; nothing runs."""
        request = self.request(args, kwargs)
        stored = request.look()
        if stored is None:
            return Verdict("missing", (Reason("first", request.id, None, None),))
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

    def __init__(self, kwargs: dict[str, Any]) -> None:
        self.force = bool(kwargs.pop("_force", False))
        self.save = not kwargs.pop("_skip_save", False)
        self.load = bool(kwargs.pop("_load", True))

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

    __slots__ = ("call", "claim", "found", "hash", "hit", "id", "reach", "session", "store", "values")

    def __init__(self, call: CachedCall, session: Session, values: tuple[Any, ...], key: str, found: Found) -> None:
        self.call = call
        self.found = found
        self.session = session
        self.values = values
        self.hash = key
        self.id = f"{call.fname}:{key}"
        self.store: Store = session.store(call.options.root())
        self.reach: Reach = session.reader.reach(call.target)
        self.hit: Hit | None = None
        self.claim: Claim | None = None

    def verifier(self) -> Verifier:
        self.session.files.memo_file = self.store.memo_file
        own = self.call.target.identity, self.reach.digest
        return Verifier(LiveProbe(self.session, own, {":".join(name_of(c)): c for c in self.found.code}), own)

    def look(self) -> Stored | None:
        try:
            return self.store.look(self.id)
        except (EntryError, OSError) as error:
            self.session.warn(CacheReadWarning, f"{error}; {self.call.fname} runs again", "entry", self.id)
            return None

    def fast_hit(self, flags: Flags) -> Hit | None:
        """Look up and verify, without a claim."""
        return self._hit() if flags.may_hit else None

    def _hit(self) -> Hit | None:
        stored = self.look()
        if stored is None:
            return None
        verifier = self.verifier()
        for index, event in enumerate(stored.events):
            if verifier.holds(event.trace):
                return self._load(stored, index)
        return None

    def _load(self, stored: Stored, index: int) -> Hit | None:
        event = stored.events[index]
        try:
            value = self.store.value(self.id, stored, index)
        except (EntryError, OSError) as error:
            self.session.warn(CacheReadWarning, f"{error}; {self.call.fname} runs again", "value", event.run)
            return None
        self.hit = Hit(event, value)
        tell(caller(), self, event.trace.result)
        self.session.sink.hit(event, index)
        self.log("hit", "")
        return self.hit

    # -- claims

    def attempts(self, flags: Flags) -> Iterator[float]:
        """Yields pauses until there is a hit, or this call is ours to run."""
        if not flags.save:
            return
        frame = caller()
        mine = set(frame.lineage()) if isinstance(frame, Frame) else set()
        pause = _FIRST_PAUSE
        path = self.store.claim_path(self.id)
        try:
            while not self._take(path, flags):
                self.session.waiting[self] = mine, self.id
                if self._would_deadlock(mine, pause):
                    return
                if pause >= _LONGEST_PAUSE:
                    self.session.on_wait()
                yield pause
                pause = min(pause * 1.5, _LONGEST_PAUSE)
        finally:
            self.session.waiting.pop(self, None)

    def _take(self, path: str, flags: Flags) -> bool:
        """Take the claim and look again; True when there is nothing to wait for any more."""
        claims = self.session.claims
        if self.session.waiting.get(self) is not None and claims.is_held(path):
            return False
        try:
            self.store.prepare(self.id)
            claim = claims.acquire(path)
        except OSError as error:
            self._cannot_write(error)
            return True
        if claim is None:
            return False
        if flags.may_hit and self._hit() is not None:
            claims.release(claim)
        else:
            self.claim = claim
        return True

    def _would_deadlock(self, mine: set[str], pause: float) -> bool:
        """Whether whoever runs this call waits, through others, for one of my callers."""
        session = self.session
        owner = session.owners.get(self.id)
        if owner is not None and pause >= _LONGEST_PAUSE and waits_for_me(owner.thread):
            return True
        blocked = set() if owner is None else {owner.run}
        while True:
            if blocked & mine:
                return True
            waiting = list(session.waiting.values())
            more = {session.owners[w].run for line, w in waiting if line & blocked and w in session.owners}
            if more <= blocked:
                return False
            blocked |= more

    def _cannot_write(self, error: OSError) -> None:
        self.session.warn(
            CacheWriteWarning,
            f"the cache at {self.store.root} cannot be written ({error.strerror or error}); results are "
            f"returned, but not stored",
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


def tell(frame: Caller | None, request: Request, result: str) -> None:
    """Tell the caller that it depends on this call."""
    if frame is None:
        return
    if os.path.dirname(os.path.dirname(frame.mailbox)) != request.store.root:
        frame.add(Dep(ROOT, request.store.root, None))
    frame.add(Dep(CALL, request.id, result))


class Transparent:
    """A body that runs without the cache: its caller takes over all that it depends on."""

    def __init__(self, call: CachedCall) -> None:
        parent = caller()
        self.parent = parent
        self.frame = None
        if parent is not None:
            self.frame = Frame("", os.urandom(16).hex(), parent, parent.mailbox + "+", os.getcwd())
            reach = current_session().reader.reach(call.target)
            self.frame.add(Dep(CODE, call.target.identity, reach.digest))
        self.token = enter(self.frame)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        leave(self.token)
        if self.frame is not None and self.parent is not None:
            finish(self.frame)
            for dep in self.frame.absorbed():
                self.parent.add(dep)


def finish(frame: Frame) -> None:
    """The body has ended: nothing is added any more, except what others sent meanwhile."""
    frame.closed = True
    if frame.shared:
        session = current_session()
        session.shared.pop(frame.run, None)
        for courier in session.couriers:
            for dep in courier(frame):
                frame.add(dep)


class Run:
    """One run of a body: what it depends on, and what becomes of its value.

    Used as ``with run: run.value = body()``: an exception of the body passes through untouched.
    """

    def __init__(self, request: Request, flags: Flags) -> None:
        self.request = request
        self.session = request.session
        self.flags = flags
        self.value: Any = None
        self.args: dict[str, str] = {}
        self.arg_files: dict[str, str] = {}
        self.parent = caller()
        run = os.urandom(16).hex()
        mailbox = os.path.join(request.store.root, "runs", run)
        self.frame = Frame(request.id, run, self.parent, mailbox, os.getcwd())
        try:
            request.log("run", request.cause())
            self.session.owners[request.id] = self.frame
            self._observe()
        except BaseException:
            self._release()
            raise

    def __enter__(self) -> None:
        self.began = time.perf_counter()
        self.token = enter(self.frame)

    def __exit__(self, kind: object, error: object, tb: object) -> None:
        elapsed = time.perf_counter() - self.began
        leave(self.token)
        try:
            finish(self.frame)
            if kind is not None or not self._keep(elapsed):
                self._absorb()
        finally:
            self._release()

    def _release(self) -> None:
        if self.session.owners.get(self.request.id) is self.frame:
            del self.session.owners[self.request.id]
        if self.request.claim is not None:
            self.session.claims.release(self.request.claim)

    def _absorb(self) -> None:
        if self.parent is not None:
            for dep in self.frame.absorbed():
                self.parent.add(dep)

    # -- before the body

    def _observe(self) -> None:
        """All deps that are known before the body runs; arguments are digested before it may change them."""
        call, reach = self.request.call, self.request.reach
        add = self.frame.add
        add(Dep(CODE, call.target.identity, reach.digest))
        self._anchor()
        for label in reach.opaque:
            self.session.warn(
                OpaqueGlobalWarning,
                f"{call.fname} reads the global {label.rpartition(':')[2]}, whose value has no digest: changes of it "
                f"go unseen. Name it in ignore_globals=[...] if that is right",
                call.target.identity,
                label,
            )
        for name in call.options.env_vars:
            add(Dep(ENV, name, LiveProbe(self.session).env(name)))
        for path in call.options.depends_on_files:
            add(Dep(FILE, path, self.session.files.digest(path)))
        self._observe_arguments()
        self._observe_files()

    def _anchor(self) -> None:
        """A local function is found again by the function around it (see `verify`)."""
        target = self.request.call.target
        if "<locals>" in target.qualname:
            outer = target.qualname.partition(".<locals>")[0]
            found = resolve(target.module, outer)
            if isinstance(found, type) or hasattr(found, "__code__"):
                self.frame.add(Dep(ANCHOR, f"{target.module}:{outer}", self.session.reader.digest(found)))

    def _observe_arguments(self) -> None:
        found = self.request.found
        for name, value in self.request.call.binder.named(self.request.values):
            if not is_trivial(value):
                self.args[name] = self.session.digester.digest(value)
        for obj in found.code:
            identity = ":".join(name_of(obj))
            self.frame.add(Dep(CODE, identity, self.session.reader.digest(obj)))
        for package in found.packages:
            self.frame.add(Dep(PACKAGE, package, self.session.origins.version(package)))

    def _observe_files(self) -> None:
        binder = self.request.call.binder
        for path, (name, sure) in binder.files(self.request.values, self.session.digester).items():
            digest = self.session.files.digest(path)
            self.arg_files[path] = name
            self.frame.add(Dep(FILE if digest is not None or sure else NAME, path, digest))

    # -- after the body

    def _keep(self, elapsed: float) -> bool:
        """Store and record the result; False if it must not or cannot be stored."""
        if not self.flags.save or not self._inputs_hold() or not self._globals_hold():
            return False
        event = self._store(elapsed)
        if event is None:
            return False
        tell(self.parent, self.request, event.trace.result)
        self.session.sink.record(event)
        return True

    def _inputs_hold(self) -> bool:
        """Whether each file is as it was when it was digested."""
        changed = list(self.frame.changed)
        for (kind, path), before in self.frame.deps.items():
            if kind in (FILE, NAME) and self.session.files.digest(path) != before:
                changed.append(path)
        for name in changed:
            self._warn_changed(name)
        return not changed

    def _warn_changed(self, name: str) -> None:
        fname = self.request.call.fname
        if name in self.arg_files:
            text = (
                f"{fname} changed the file {name!r} that its argument {self.arg_files[name]!r} names, so its result "
                f"was not stored. If the file is an output, leave the parameter out with "
                f"ignore_args=[{self.arg_files[name]!r}] and call track_file() on it after writing"
            )
        else:
            text = f"{name} changed while {fname} ran, so the result was not stored; it will run again"
        self.session.warn(ChangedInputWarning, text, self.request.call.target.identity, name)

    def _globals_hold(self) -> bool:
        """Whether the code and the globals it reads are as they were."""
        before = self.request.reach
        if before.guard():
            return True
        after = self.session.reader.reach(self.request.call.target)
        if after.digest == before.digest:
            return True
        changed = sorted({p.name for p in set(before.pieces) ^ set(after.pieces)})
        self.session.warn(
            ChangedGlobalWarning,
            f"{', '.join(changed)} changed while {self.request.call.fname} ran, so the result was not stored and every "
            f"such call runs again. If the value does not matter to the result, name it in ignore_globals=[...]",
            self.request.call.target.identity,
            *changed,
        )
        return False

    def _store(self, elapsed: float) -> Event | None:
        call, request = self.request.call, self.request
        try:
            payload = pack(self.value)
        except Exception as error:
            self.session.warn(
                CacheWriteWarning,
                f"the result of {call.fname} cannot be pickled ({type(error).__name__}: {error}), so it was not "
                f"stored; return plain data to have it cached",
                "pickle",
                call.target.identity,
            )
            return None
        event = self._event(elapsed, self._result_digest(payload))
        try:
            self.session.keep_code(request.store, request.reach.digest, request.reach.pieces)
            stored = request.store.put(event, payload)
        except OSError as error:
            request._cannot_write(error)
            return None
        self.session.files.memo.flush(request.store.memo_file)
        return stored

    def _result_digest(self, payload: Any) -> str:
        try:
            return self.session.digester.digest(self.value)
        except UndigestableError:
            return self.session.digester.digest((payload.pickle, [bytes(b) for b in payload.buffers]))

    def _event(self, elapsed: float, result: str) -> Event:
        call, now = self.request.call, time.time()
        trace = Trace(self.frame.own_deps(), tuple(self.frame.calls.values()), result)
        owner = self.session.claims.owner()
        return Event(
            id=self.request.id,
            fname=call.fname,
            module=call.target.module,
            qualname=call.target.qualname,
            hash=self.request.hash,
            run=self.frame.run,
            trace=trace,
            args=self.args,
            label={n: label_of(v) for n, v in call.binder.named(self.request.values)},
            root=self.request.store.root,
            outfile=None,
            cwd=self.frame.cwd,
            created=now,
            elapsed=elapsed,
            seen=now,
            origin=f"{owner.host.partition(':')[0]}:{owner.pid}:{owner.start}",
        )
