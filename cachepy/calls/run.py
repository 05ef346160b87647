"""One run of a body: what it depended on, what becomes of its value, and whom it tells (design 4).

What is known before the body is observed by `inputs`.  Afterwards `Run` stores and records the result, or has the
caller take over the deps if there is nothing to store.
"""

from __future__ import annotations

import os
import sys
import time
from errno import EDQUOT, EFBIG, EMFILE, ENFILE, ENOMEM, ENOSPC

from xxhash import xxh3_128_hexdigest

from cachepy.calls import file_watch
from cachepy.calls.bypass import give_way
from cachepy.calls.inputs import Inputs
from cachepy.calls.listeners import note_run
from cachepy.calls.nearest import cause, warn_renewed
from cachepy.calls.program import is_at_top, note, program
from cachepy.calls.replay import how
from cachepy.calls.request import RAISED
from cachepy.calls.state import current_session
from cachepy.calls.unseen import Unseen, meet
from cachepy.calls.unseen_sources import UnseenSources, error_of
from cachepy.core.bodies import Body, enter_body, leave_body, note_below
from cachepy.core.call import Execution
from cachepy.core.frame import Frame, leave_in_doubt, working_dir
from cachepy.core.kinds import EDGES
from cachepy.core.model import AGE, UNTIL, Dep, Event, Trace
from cachepy.errors import (
    AlteredResultWarning,
    CacheWriteWarning,
    EntryError,
    OtherFormatError,
    UndigestableError,
    raise_users,
)
from cachepy.store.entryfile import load_value
from cachepy.store.fs import unlink
from cachepy.store.payload import pack, pack_flat
from cachepy.values.digest import References
from cachepy.values.flat import flat_stream, is_short
from cachepy.values.label import label_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.calls.file_watch import FileWatch
    from cachepy.calls.function import Function
    from cachepy.calls.ran_code import RanCode
    from cachepy.calls.request import Request
    from cachepy.calls.state import State
    from cachepy.code.routes import Routes
    from cachepy.core.call import Flags
    from cachepy.store.payload import Payload

_OVERHEAD = 1024  # bytes of an entry, about, beside its value
_SMALL = 0.02  # s; to read back what took less is never too dear
_SHARE = 0.05  # of the time of the body
_NO_ROOM = (ENOSPC, EDQUOT, EFBIG, EMFILE, ENFILE, ENOMEM)  # what there may be again when the program runs next


def finish(
    frame: Frame, unseen: Unseen | None, files: FileWatch | None, sources: UnseenSources, ran: RanCode | None = None
) -> None:
    """The body has ended: nothing is added any more, except what others sent meanwhile, and what nobody saw."""
    if ran is not None:
        ran.end()
    if frame.shared:
        session = current_session()
        session.shared.pop(frame.run, None)
        for dep in session.hooks.deps_from_elsewhere(frame):
            frame.add(dep)
            if dep.kind in EDGES:
                meet(session, frame, dep)
                for event in session.stores.events(dep.name)[:1]:
                    note_below(frame, event)
    for each in (unseen, ran, files):
        if each is not None and frame.is_open():  # not in a forked child that unwinds through it
            each.add()
    if frame.is_open():
        sources.add(ran.reaches if ran is not None else ())
    frame.closed = True


def observe(session: State, call: Function, frame: Frame, routes: Routes) -> Unseen | None:
    """A body begins: from now on calls without a caller may be its own."""
    called = call.target.identity
    enter_body(Body(frame, called, routes.calls, hands_on=routes.hands_on, is_async=call.is_async))
    return Unseen(session, frame, routes, call.fname) if routes.memos or routes.elsewhere or routes.takes_work else None


if sys.version_info >= (3, 12):

    def observe_code(session: State, call: Function, frame: Frame, inputs: Inputs) -> RanCode | None:
        """From now on the code that runs for a body is noted; the last step before it runs."""
        from cachepy.calls.ran_code import watched

        return watched(session, call, frame, inputs)

else:

    def observe_code(*_: object) -> RanCode | None:
        """Before Python 3.12 the interpreter does not tell which code runs."""
        return None


def date(session: State, call: Function, frame: Frame) -> None:
    """The body has ended: from now on its result grows old."""
    if call.options.max_age is not None:
        frame.add(Dep(AGE, call.target.identity, f"{session.clock()!r} {call.options.max_age}"))


class Run(Execution):
    """One run of a Python function: what it depends on, and what becomes of its value."""

    __slots__ = ("cause", "event", "files", "inputs", "ran", "session", "sources", "unseen")
    call: Request

    def __init__(self, request: Request, flags: Flags) -> None:
        self.call = request
        self.session = request.session
        self.flags = flags
        self.value: Any = None
        self.ran: RanCode | None = None
        self.event: Event | None = None
        self.parent = request.caller()
        run = os.urandom(16).hex()
        mailbox = "" if self.session.is_quiet else request.store.runs + run  # it is not stored: nobody has to tell it
        self.frame = Frame(request.id, run, self.parent, mailbox, working_dir())
        self.frame.failed = request.failed
        if is_at_top(self.parent):
            note(request.session, request.id, request.store.root)
        try:
            self.cause = cause(request, flags)
            request.log("run", f": {self.cause}")
            if request.stored is not None:
                self.session.hooks.on_again(request.function.target.identity, request.id, self.cause)
            self.session.owners[request.id] = self.frame
            self.inputs = Inputs(request, self.frame, flags)
            self.sources = UnseenSources(self.session, request.function, self.frame, self.inputs.running)
            self.sources.refuse_code()
            self.unseen = observe(self.session, request.function, self.frame, self.inputs.routes)
            self.files = file_watch.begin(self.session, request.function, self.frame, self.inputs.arg_files)
            self.ran = observe_code(self.session, request.function, self.frame, self.inputs)
        except BaseException:
            leave_body(self.frame)
            self.release(is_unended=False)
            raise

    def close(self, error: object) -> None:
        date(self.session, self.call.function, self.frame)
        finish(self.frame, self.unseen, self.files, self.sources, self.ran)
        if self.ran is not None:
            self.inputs.reaches += self.ran.reaches
        if isinstance(error, BaseException):
            self.session.hooks.on_failure(self.call.function.target.identity, error)
            program.has_failed = program.has_failed or is_at_top(self.parent)
            if isinstance(self.parent, Frame):
                self.parent.failed |= {self.call.id, *self.frame.failed}
        elif self.sources.refused():
            self.hand_over()
            raise error_of(self.call.function.fname, self.sources.refused())

    def holds(self) -> bool:
        if self.inputs.hold() and (self.ran is None or self.inputs.are_as_before(self.ran.changed)):
            return True
        self.call.unstored = "what it depends on changed while it ran, or is not known"
        return False

    def may_store(self, elapsed: float) -> bool:
        if self.inputs.given.may_store(self.value, elapsed, self.inputs.kept):
            return True
        self.call.unstored = "its body changed an argument"
        return False

    def ended(self, elapsed: float, error: object) -> None:
        note_run(self, elapsed, error)

    def give_way(self, failure: Exception) -> None:
        give_way(f"the result of {self.call.function.fname} was not stored", failure, self.parent)

    def make_up(self) -> None:
        stored = self.call.look() if self.event is not None else None
        if stored is not None and stored.events[0].run == self.frame.run:
            self.session.recorder.record(stored.events[0])

    def hand_over(self) -> None:
        """The caller's trace names this code from now on: its reasons need to know what it was made of."""
        called, left = self.call.function.target.identity, [dep.astuple() for dep in self.frame.absorbed()]
        self.session.remembered.note(called, left)
        if self.parent is not None:
            try:
                self._keep_code()
            except OSError:  # a reason will say less
                pass
            self.frame.hand_over()
            if self.files is not None:
                self.files.hand_over()

    def release(self, *, is_unended: bool) -> None:
        if self.ran is not None and self.ran.exact is not None:
            self.ran.exact.end()
        if self.session.owners.get(self.call.id) is self.frame:
            del self.session.owners[self.call.id]
        self.call.release(is_unended=is_unended)

    def stored(self, event: Event) -> None:
        self.sources.warn(event)
        if self.inputs.renewed and self.parent is None:
            warn_renewed(self.call, event)
        if self.frame.shared:
            self.session.recorder.fold_below(event, anew=True)

    def store(self, elapsed: float) -> Event | None:
        request = self.call
        made = self._in_file(elapsed) if request.function.options.format is not None else None
        made = made or self._in_entry(elapsed)
        if made is None:
            return None
        event, payload, size = made
        self.event = event
        try:
            self._keep_code()
            claim = request.claim if request.stored is None and self.flags.may_hit else None
            stored = request.store.put(event, payload, how(self.frame.shared, self.inputs.kept), claim, request.path)
        except OSError as error:
            request.cannot_write(error)
            if error.errno in _NO_ROOM and self.parent is not None:  # stored, it would be a hit that lacks this node
                leave_in_doubt(self.parent)
            return None
        except OtherFormatError as error:  # not overwritten: who wrote it can read it
            request.unstored = "another version of cachepy wrote its entry"
            self.session.warner.warn_unread(error, f"the result of {request.function.fname} is not stored")
            return None
        self.session.files.memo.flush(request.store.memo_file)
        if request.store.most is not None:
            request.store.added += size + _OVERHEAD
            if request.store.added >= request.store.step:
                from cachepy.graph.eviction import hold_below

                hold_below(self.session.store(request.store.root), self.session, request.id)
        unlink(request.store.unended_path(request.id))  # the sign that it failed before
        return stored

    def _in_entry(self, elapsed: float) -> tuple[Event, Payload, int] | None:
        """The event, the value as the entry will hold it, and its bytes; None if that cannot be, as was said."""
        flat = None if self.inputs.given.parts else flat_stream(self.value)
        payload = self._packed() if flat is None else pack_flat(self.value)
        if payload is None:
            return None
        try:
            event = self._event(elapsed, *self._result(payload, flat, elapsed))
        except EntryError as error:
            self._warn_not_stored("cannot be read back", error.__cause__ or error)
            return None
        if self.call.function.options.compress is not None:
            from cachepy.store.compression import compressed  # most functions do not ask

            payload = compressed(payload, self.call.function.options.compress)
        return event, payload, payload.size

    def _in_file(self, elapsed: float) -> tuple[Event, Payload, int] | None:
        """The same of a value that lies beside the entry; None if it cannot."""
        from cachepy.calls.result_files import written  # likewise

        made = written(self)
        if made is None:
            return None
        draft, digest, named = made
        event = self._event(elapsed, digest, named)
        try:
            payload, dep = draft.place(event.label.values(), event.hash)
        except OSError as error:
            draft.discard()
            self.call.cannot_write(error)
            return None
        trace = Trace((*event.trace.deps, dep), event.trace.calls, event.trace.result)
        return event.replace(trace=trace), payload, draft.size

    def _packed(self) -> Payload | None:
        try:
            if self.session.digester.is_too_deep(self.value):
                raise RecursionError("its parts lie thousands of levels inside each other")
            return self._with_changed() if self.inputs.given.parts else pack(self.value)
        except Exception as error:
            self._warn_not_stored("cannot be pickled", error)
            return None

    def _warn_not_stored(self, what: str, error: BaseException) -> None:
        call = self.call.function
        self.call.unstored = f"its result {what} ({type(error).__name__})"
        self.session.warn(
            CacheWriteWarning,
            f"the result of {call.fname} {what} ({type(error).__name__}: {error}), so it was not stored; "
            f"return plain data to have it cached",
            "pickle",
            call.target.identity,
        )

    def _with_changed(self) -> Payload:
        from cachepy.store.changed_arguments import pack_changed

        given = self.inputs.given
        return pack_changed(self.value, given.parts, given.told(self.value)[1])

    def _keep_code(self) -> None:
        for reach in self.inputs.reaches:
            self.session.stored_code.keep(self.session.store(self.call.store.root), reach.digest, reach.pieces)
        exact = self.ran.exact.reach if self.ran is not None and self.ran.exact is not None else None
        if exact is not None:
            self.session.stored_code.keep(self.session.store(self.call.store.root), exact.digest, exact.pieces)

    def _result(self, payload: Payload, flat: bytes | None, elapsed: float) -> tuple[str, set[str]]:
        """The digest of the result, and the paths that it names."""
        named = {self.value} if type(self.value) is str else set[str]()
        if flat is not None and is_short(self.value, flat):
            return xxh3_128_hexdigest(flat), named
        found, told, began = References(), self.inputs.given.told(self.value)[0], time.perf_counter()
        try:
            digest = self.session.digester.digest(told, found)
            if (found.dropped or found.altering) and not self.inputs.given.parts:
                budget = max(_SMALL, _SHARE * elapsed) - (time.perf_counter() - began)
                digest = self._read_back(payload, digest, found, budget)
            return digest, named.union(found.paths)
        except UndigestableError as error:
            raise_users(error)
            return self.session.digester.digest((payload.pickle, [bytes(b) for b in payload.buffers])), named

    def _read_back(self, payload: Payload, digest: str, found: References, budget: float) -> str:
        """The digest of what a hit will give; where that is another one, this run gives that too.

        Else each call that takes it would have one key now and another one in the next program, and run again there.
        budget: seconds that this may take, about, if such a result came back as it was before.
        """
        digester = self.session.digester
        if budget < 0 and not found.dropped and found.altering <= digester.proven:
            return digest
        read = load_value(payload.pickle, payload.buffers)
        try:
            now = digester.digest(read)
        except UndigestableError:
            return digest
        if now == digest:
            digester.proven |= found.altering
        elif found.dropped:
            self._warn_altered(found.dropped)
        else:
            self.value, digest = read, now
        return digest

    def _warn_altered(self, dropped: list[str]) -> None:
        call = self.call.function
        self.session.warn(
            AlteredResultWarning,
            f"the result of {call.fname} loses {', '.join(dict.fromkeys(dropped))} when it is stored: from the cache "
            f"it comes back without that. Return it as data of its own, or let __reduce__ keep it",
            call.target.identity,
        )

    def _until(self) -> Dep:
        """A stored error counts for a time."""
        from cachepy.calls.folding import seconds_for

        error, when = self.value.error, self.value.when
        return Dep(UNTIL, type(error).__qualname__, repr(when + seconds_for(self.call.function, error)))

    def _event(self, elapsed: float, result: str, named: set[str]) -> Event:
        request, call, now = self.call, self.call.function, self.session.clock()
        deps, calls = self.frame.own_deps(), tuple(self.frame.calls.values())
        written = self.files.outputs if self.files is not None else ()
        deps = (*deps, *self.inputs.outputs.marks(deps, calls, result, named, written), *self.inputs.renewed)
        if call.options.valid is not None:
            from cachepy.calls.own_tests import test_dep  # few functions have a test

            deps = (*deps, test_dep(call.target.identity, self.call.id, self.frame.run))
        if call.options.cache_errors and type(self.value).__module__ == RAISED:
            deps = (*deps, self._until())
        if self.ran is not None and self.ran.exact is not None:
            exact = self.ran.exact.dep(request, self.frame, self.inputs.reaches)  # those that ran are among them
            deps = deps if exact is None else (*deps, exact)
        return Event(
            id=self.call.id,
            fname=call.fname,
            module=call.target.module,
            qualname=call.target.qualname,
            hash=self.call.hash,
            run=self.frame.run,
            trace=Trace(deps, calls, result),
            args=self.inputs.args,
            label={n: label_for(n, v) for n, v in call.binder.named(self.call.values)},
            root=self.call.store.root,
            outfile=f"entries/{request.hash[:2]}/{call.safe_name}-{request.hash}.entry",
            cwd=self.frame.cwd,
            created=now,
            elapsed=elapsed,
            seen=now,
            origin=self.session.claims.owner().origin,
        )
