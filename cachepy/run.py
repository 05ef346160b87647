"""One run of a body: what it depended on, what becomes of its value, and whom it tells (design 4).

`Run` observes what is known before the body, then stores and records the result, or has the caller
take over the deps if there is nothing to store.  `Transparent` is a run without the cache.
Imports session, probe and what lies below them.
"""

from __future__ import annotations

import os
import time

from cachepy.again import how
from cachepy.code import cached_target, identity_of, resolve
from cachepy.digest import Found
from cachepy.entryfile import pack
from cachepy.errors import (
    CacheWriteWarning,
    ChangedGlobalWarning,
    ChangedInputWarning,
    OpaqueGlobalWarning,
    UndigestableError,
)
from cachepy.kept import keep
from cachepy.key import flowing, label_of
from cachepy.model import CALL, CODE, ENV, FILE, NAME, PACKAGE, ROOT, Dep, Event, Trace
from cachepy.outputs import Outputs
from cachepy.probe import LiveProbe
from cachepy.session import current_session
from cachepy.trace import Frame, caller, enter, leave, working_dir
from cachepy.verify import ANCHOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.engine import CachedCall, Flags, Request
    from cachepy.trace import Caller


def tell(frame: Caller | None, request: Request, result: str) -> None:
    """Tell the caller that it depends on this call."""
    if frame is None:
        return
    if isinstance(frame, Frame) and frame.cwd != working_dir():
        _add_files_of_elsewhere(frame, request)
    if os.path.dirname(os.path.dirname(frame.mailbox)) != request.store.root:
        frame.add(Dep(ROOT, request.store.root, None))
    frame.add(Dep(CALL, request.id, result))


def _add_files_of_elsewhere(frame: Frame, request: Request) -> None:
    """The caller changed the working directory before it called: below, relative names mean other files."""
    for event in request.session.events(request.id)[:1]:
        for each in request.session.subtree(event):
            for dep in each.trace.deps:
                if dep.kind in (FILE, NAME) and not os.path.isabs(dep.name):
                    path = os.path.abspath(dep.name)
                    frame.add(Dep(FILE, path, request.session.files.digest(path)))


class Transparent:
    """A body that runs without the cache: its caller takes over all that it depends on."""

    def __init__(self, call: CachedCall) -> None:
        parent = caller()
        self.frame = None
        if parent is not None:
            self.frame = Frame("", os.urandom(16).hex(), parent, parent.mailbox + "+", working_dir())
            reach = current_session().reader.reach(call.target)
            self.frame.add(Dep(CODE, call.target.identity, reach.digest))
        self.token = enter(self.frame)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        leave(self.token)
        if self.frame is not None:
            finish(self.frame)
            self.frame.hand_over()


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

    def __init__(self, request: Request, flags: Flags) -> None:
        self.request = request
        self.session = request.session
        self.flags = flags
        self.value: Any = None
        self.args: dict[str, str] = {}
        self.arg_files: dict[str, str] = {}
        self.kept: bytes | None = None
        self.reaches = [request.reach]  # all code that the trace names
        self.parent = caller()
        run = os.urandom(16).hex()
        mailbox = os.path.join(request.store.root, "runs", run)
        self.frame = Frame(request.id, run, self.parent, mailbox, working_dir())
        self.frame.hopeless = request.hopeless
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
            if kind is not None and isinstance(self.parent, Frame):
                self.parent.hopeless |= {self.request.id, *self.frame.hopeless}
            if kind is not None or not self._keep(elapsed):
                self._hand_over()
        finally:
            self._release()

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
        stored = self.request.stored or (self.request.look() if self.flags.save and not self.flags.may_hit else None)
        self.outputs = Outputs(stored.events if stored is not None else (), self.frame.cwd, self.session.files)

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
        found, flows = self.request.found, dict[int, str]()
        for name, value in self.request.call.binder.named(self.request.values):
            parts = list(flowing(name, value))
            for part, item in parts:
                digest = self.args[str.__str__(part)] = self.session.digester.digest(item, found)
                if item is not value or len(parts) == 1:  # of a list of results each item is found by itself
                    flows[id(item)] = digest
        if self.request.call.options.keep_args:
            self.kept = keep(*self.request.arguments, flows)
        for obj in found.code:
            reach = self.session.reader.reach(cached_target(obj) or obj)
            self.reaches.append(reach)
            self.frame.add(Dep(CODE, identity_of(obj), reach.digest))
        for package in found.packages:
            self.frame.add(Dep(PACKAGE, package, self.session.origins.version(package)))

    def _observe_files(self) -> None:
        binder = self.request.call.binder
        for path, (name, sure) in binder.files(self.request.values, self.session.digester, self.request.found).items():
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
        tell(self.parent, self.request, event.trace.effect)
        self.session.sink.record(event)
        if self.frame.shared:
            self.session.sink.fold_below(event, anew=True)
        return True

    def _inputs_hold(self) -> bool:
        """Whether each file and environment variable is as it was when it was digested."""
        changed = list(self.frame.changed)
        for (kind, path), before in list(self.frame.deps.items()):
            if kind in (FILE, NAME) and self.session.files.digest(path) != before:
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
        call, request = self.request.call, self.request
        try:
            if self.session.digester.is_too_deep(self.value):
                raise RecursionError("its parts lie thousands of levels inside each other")
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
        event = self._event(elapsed, *self._result(payload))
        try:
            self._keep_code()
            stored = request.store.put(event, payload, how(self.frame.shared, self.kept))
        except OSError as error:
            request.cannot_write(error)
            return None
        self.session.files.memo.flush(request.store.memo_file)
        return stored

    def _keep_code(self) -> None:
        for reach in self.reaches:
            self.session.keep_code(self.request.store, reach.digest, reach.pieces)

    def _result(self, payload: Any) -> tuple[str, set[str]]:
        """The digest of the result, and the paths that it names."""
        found = Found()
        named = {self.value} if type(self.value) is str else set()
        try:
            return self.session.digester.digest(self.value, found), named.union(found.paths)
        except UndigestableError:
            return self.session.digester.digest((payload.pickle, [bytes(b) for b in payload.buffers])), named

    def _event(self, elapsed: float, result: str, named: set[str]) -> Event:
        call, now = self.request.call, time.time()
        deps, calls = self.frame.own_deps(), tuple(self.frame.calls.values())
        trace = Trace((*deps, *self.outputs.marks(deps, calls, result, named)), calls, result)
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
            label={str.__str__(n): label_of(v) for n, v in call.binder.named(self.request.values)},
            root=self.request.store.root,
            outfile=None,
            cwd=self.frame.cwd,
            created=now,
            elapsed=elapsed,
            seen=now,
            origin=f"{owner.host.partition(':')[0]}:{owner.pid}:{owner.start}",
        )
