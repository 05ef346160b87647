"""One run of a body: what it depended on, what becomes of its value, and whom it tells (design 4).

`Run` observes what is known before the body, then stores and records the result, or has the caller
take over the deps if there is nothing to store.  `Transparent` is a run without the cache.
Imports session, probe and what lies below them.
"""

from __future__ import annotations

import os
import time

from xxhash import xxh3_128_hexdigest

from cachepy.calls.again import how
from cachepy.calls.flows import SHORT, flowing
from cachepy.calls.outputs import Outputs
from cachepy.code import cached_target, identity_of, resolve
from cachepy.digest import Found
from cachepy.disk.entryfile import pack, pack_flat
from cachepy.disk.kept import keep
from cachepy.errors import (
    CacheWriteWarning,
    ChangedGlobalWarning,
    ChangedInputWarning,
    OpaqueGlobalWarning,
    UndigestableError,
)
from cachepy.model import CODE, ENV, FILE, NAME, PACKAGE, Dep, Event, Trace
from cachepy.paths import could_be
from cachepy.probe import LiveProbe, exists
from cachepy.session import current_session
from cachepy.trace import Frame, caller, enter, leave, working_dir
from cachepy.values.flat import NUMBERS, TEXTS, flat_stream
from cachepy.values.label import label_of
from cachepy.verify import ANCHOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.calls.request import Request
    from cachepy.disk.entryfile import Payload
    from cachepy.engine import Flags


def finish(frame: Frame) -> None:
    """The body has ended: nothing is added any more, except what others sent meanwhile."""
    if frame.shared:
        session = current_session()
        session.shared.pop(frame.run, None)
        for courier in session.couriers:
            for dep in courier(frame):
                frame.add(dep)
    frame.closed = True


class Run:
    """One run of a body: what it depends on, and what becomes of its value.

    Used as ``with run: run.value = body()``: an exception of the body passes through untouched.
    """

    __slots__ = (
        "arg_files", "args", "began", "event", "flags", "frame", "kept", "outputs", "parent", "reaches", "request",
        "session", "token", "value",
    )  # fmt: skip

    def __init__(self, request: Request, flags: Flags) -> None:
        self.request = request
        self.session = request.session
        self.flags = flags
        self.value: Any = None
        self.args: dict[str, str] = {}
        self.arg_files: dict[str, str] = {}
        self.kept: bytes | None = None
        self.reaches = [request.reach]  # all code that the trace names
        self.outputs: Outputs | None = None
        self.event: Event | None = None
        self.parent = caller()
        run = os.urandom(16).hex()
        self.frame = Frame(request.id, run, self.parent, request.store.runs + run, working_dir())
        self.frame.hopeless = request.hopeless
        try:
            if request.call.options.verbose:
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
            if isinstance(error, BaseException):
                self.session.on_failure(self.request.call.target.identity, error)
            if kind is not None and isinstance(self.parent, Frame):
                self.parent.hopeless |= {self.request.id, *self.frame.hopeless}
            if kind is not None or not self._keep(elapsed):
                self._hand_over()
        except BaseException:  # an interrupt, maybe between the entry and its record
            self._make_up()
            raise
        finally:
            self._release()

    def _make_up(self) -> None:
        """Record what has been stored; twice does no harm."""
        stored = self.request.look() if self.event is not None else None
        if stored is not None and stored.events[0].run == self.frame.run:
            self.session.sink.record(stored.events[0])

    def _hand_over(self) -> None:
        """The caller's trace names this code from now on: its reasons need to know what it was made of."""
        if self.parent is not None:
            try:
                self._keep_code()
            except OSError:  # a reason will say less
                pass
            self.frame.hand_over()

    def _release(self) -> None:
        if self.session.owners.get(self.request.id) is self.frame:
            del self.session.owners[self.request.id]
        self.request.release()

    # -- before the body

    def _observe(self) -> None:
        """All deps that are known before the body runs; arguments are digested before it may change them."""
        call, reach = self.request.call, self.request.reach
        add = self.frame.add
        self.frame.deps[CODE, call.target.identity] = reach.digest
        if "<" in call.target.qualname:
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
        stored = self.request.stored or (self.request.look() if self.flags.save and not self.flags.may_hit else None)
        if stored is not None:
            self.outputs = Outputs(stored.events, self.frame.cwd, self.session.files)

    def _anchor(self) -> None:
        """A local function is found again by the function around it (see `verify`)."""
        target = self.request.call.target
        if "<locals>" in target.qualname:
            outer = target.qualname.partition(".<locals>")[0]
            found = resolve(target.module, outer)
            if isinstance(found, type) or hasattr(found, "__code__"):
                self.reaches.append(self.session.reader.reach(cached_target(found) or found))
                self.frame.add(Dep(ANCHOR, f"{target.module}:{outer}", self.reaches[-1].digest))

    def _observe_arguments(self) -> None:
        """The parts that may come from other calls, what makes the call again, files, code and packages."""
        request = self.request
        found = request.found
        is_short = found is None and self._are_short(request.values)
        flows = {} if is_short else self._observe_flows(found)
        if request.call.options.keep_args:
            self.kept = keep(*request.arguments, flows, is_flat=is_short and not request.call.options.ignore_args)
        self._observe_files(is_short)
        if found is None:
            return
        for obj in found.code:
            reach = self.session.reader.reach(cached_target(obj) or obj)
            self.reaches.append(reach)
            self.frame.add(Dep(CODE, identity_of(obj), reach.digest))
        for package in found.packages:
            self.frame.add(Dep(PACKAGE, package, self.session.origins.version(package)))

    def _are_short(self, values: tuple[Any, ...]) -> bool:
        """Whether there are only numbers and texts, too common to say where they are from."""
        for value in values:  # on the path of each run: a generator takes three times as long
            if type(value) not in NUMBERS and (type(value) not in TEXTS or len(value) >= SHORT):
                return False
        return True

    def _observe_flows(self, found: Found | None) -> dict[int, str]:
        flows: dict[int, str] = {}
        for name, value in self.request.call.binder.named(self.request.values):
            parts = list(flowing(name, value))
            for part, item in parts:
                digest = self.args[part] = self.session.digester.digest(item, found)
                if item is not value or len(parts) == 1:  # of a list of results each item is found by itself
                    flows[id(item)] = digest
        return flows

    def _observe_files(self, is_short: bool) -> None:
        request = self.request
        binder, deps = request.call.binder, self.frame.deps
        if is_short and binder.file_args is None:
            self._observe_texts()
            return
        for path, (name, sure) in binder.files(request.values, self.session.digester, request.found).items():
            self.arg_files[path] = name
            if not sure and not exists(path):
                deps[NAME, path] = None
                continue
            digest = self.session.files.digest(path)
            self.frame.add(Dep(FILE if digest is not None or sure else NAME, path, digest))

    def _observe_texts(self) -> None:
        """What short arguments may name."""
        deps = self.frame.deps
        for name, value in self.request.call.binder.named(self.request.values):
            if type(value) is not str or not could_be(value) or value in self.arg_files:
                continue
            self.arg_files[value] = name
            if exists(value):
                self.frame.add(Dep(FILE, value, self.session.files.digest(value)))
            else:
                deps[NAME, value] = None

    # -- after the body

    def _keep(self, elapsed: float) -> bool:
        """Store and record the result; False if it must not or cannot be stored."""
        if not self.flags.save or not self._inputs_hold() or not self._globals_hold():
            return False
        event = self._store(elapsed)
        if event is None:
            return False
        if self.parent is not None:
            self.session.tell(self.parent, event)
        self.session.sink.record(event)
        if self.frame.shared:
            self.session.sink.fold_below(event, anew=True)
        return True

    def _inputs_hold(self) -> bool:
        """Whether each file and environment variable is as it was when it was digested."""
        changed = list(self.frame.changed)
        for (kind, path), before in list(self.frame.deps.items()):
            if kind == CODE:
                continue
            if exists(path) if kind == NAME else kind == FILE and self.session.files.digest(path) != before:
                changed.append(path)
            elif kind == ENV and LiveProbe(self.session).env(path) != before:
                changed.append(f"the environment variable {path}")
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
        request, flat = self.request, flat_stream(self.value)
        payload = self._packed() if flat is None else pack_flat(self.value)
        if payload is None:
            return None
        self.event = event = self._event(elapsed, *self._result(payload, flat))
        try:
            self._keep_code()
            claim = request.claim if request.stored is None and self.flags.may_hit else None
            stored = request.store.put(event, payload, how(self.frame.shared, self.kept), claim, request.path)
        except OSError as error:
            request.cannot_write(error)
            return None
        self.session.files.memo.flush(request.store.memo_file)
        return stored

    def _packed(self) -> Payload | None:
        try:
            if self.session.digester.is_too_deep(self.value):
                raise RecursionError("its parts lie thousands of levels inside each other")
            return pack(self.value)
        except Exception as error:
            call = self.request.call
            self.session.warn(
                CacheWriteWarning,
                f"the result of {call.fname} cannot be pickled ({type(error).__name__}: {error}), so it was not "
                f"stored; return plain data to have it cached",
                "pickle",
                call.target.identity,
            )
            return None

    def _keep_code(self) -> None:
        for reach in self.reaches:
            self.session.keep_code(self.request.store, reach.digest, reach.pieces)

    def _result(self, payload: Payload, flat: bytes | None) -> tuple[str, set[str]]:
        """The digest of the result, and the paths that it names."""
        named = {self.value} if type(self.value) is str else set[str]()
        if flat is not None:
            return xxh3_128_hexdigest(flat), named
        found = Found()
        try:
            return self.session.digester.digest(self.value, found), named.union(found.paths)
        except UndigestableError:
            return self.session.digester.digest((payload.pickle, [bytes(b) for b in payload.buffers])), named

    def _event(self, elapsed: float, result: str, named: set[str]) -> Event:
        request, call, now = self.request, self.request.call, time.time()
        deps, calls = self.frame.own_deps(), tuple(self.frame.calls.values())
        if calls or self.outputs is not None or named:
            outputs = self.outputs or Outputs((), self.frame.cwd, self.session.files)
            deps = (*deps, *outputs.marks(deps, calls, result, named))
        return Event(
            id=self.request.id,
            fname=call.fname,
            module=call.target.module,
            qualname=call.target.qualname,
            hash=self.request.hash,
            run=self.frame.run,
            trace=Trace(deps, calls, result),
            args=self.args,
            label={n: label_of(v) for n, v in call.binder.named(self.request.values)},
            root=self.request.store.root,
            outfile=f"entries/{request.hash[:2]}/{call.safe_name}-{request.hash}.entry",
            cwd=self.frame.cwd,
            created=now,
            elapsed=elapsed,
            seen=now,
            origin=self.session.claims.owner().origin,
        )
