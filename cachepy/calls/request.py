"""One call of a Python function, on its way to a stored value (see `core.call`)."""

from __future__ import annotations

import os
import sys

from cachepy.calls.bypass import Bypass, bypass
from cachepy.calls.import_refusal import refuse
from cachepy.calls.live_world import LiveWorld
from cachepy.calls.program import is_at_top, note
from cachepy.calls.state import QUIET, State
from cachepy.code.fingerprint import cached_target, identity_of
from cachepy.core.bodies import Crowd, note_below
from cachepy.core.call import Call
from cachepy.core.current import caller
from cachepy.core.frame import Frame, working_dir
from cachepy.core.kinds import KINDS
from cachepy.core.model import CALL, INDIRECT_CALL, ROOT, Dep, title_of
from cachepy.core.verify import Verifier
from cachepy.errors import CacheWriteWarning, EntryError, EntryReplacedError
from cachepy.store.layout import CLAIM, ENTRY, UNENDED, root_of_run, unwritable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from cachepy.calls.function import Function
    from cachepy.code.fingerprint import CodeFingerprint, Target
    from cachepy.core.call import Execution, Flags, Hit
    from cachepy.core.frame import Caller
    from cachepy.core.model import Event
    from cachepy.core.ports import Recorder, Stored
    from cachepy.store.claims import Claim
    from cachepy.store.stored_arguments import Arguments
    from cachepy.values.digest import Digester, References

CHANGED = "cachepy.store.changed_arguments"  # where what stands for a result is from, if the body changed its arguments
RAISED = "cachepy.calls.raised"  # likewise, if it raised
_UNLIKE = CHANGED, RAISED
_LOOKED_AT = "0"  # one call of sixteen that fail, by a digit of its key, looks how many signs there are


def _nothing() -> None:
    """No argument is to be filled."""


class Request(Call):
    """One call: its key, and the way to its value."""

    __slots__ = (
        "arguments", "began", "claim_path", "failed", "found", "function", "has_asked_far", "has_waited", "hash",
        "opaque", "own_name", "path", "reach", "session", "store", "unstored", "values",
    )  # fmt: skip

    def __init__(
        self,
        function: Function,
        session: State,
        arguments: Arguments,
        values: tuple[Any, ...],
        key: str,
        found: References | None,
    ) -> None:
        self.function = function
        self.arguments = arguments
        self.found = found
        self.session = session
        self.values = values
        self.hash = key
        self.id = f"{function.fname}:{key}"
        self.store = store = function.store(session)
        stem = f"{store.entries}{key[:2]}{os.sep}{function.safe_name}-{key}"
        self.path, self.claim_path = stem + ENTRY, stem + CLAIM
        self.reach: CodeFingerprint = session.reader.reach(function.target)
        self.own_name = function.code_name(session)
        self.opaque = {function.target.identity: self.reach} if self.reach.opaque else {}
        self.hit: Hit | None = None
        self.claim: Claim | None = None
        self.failed: set[str] = set()
        self.began, self.has_waited = 0.0, False  # of its search for somebody who runs it
        self.has_asked_far = False
        self.unstored = ""  # why its result is not stored
        self.stored: Stored | None = None  # as it was at the last look for a hit

    @property
    def digester(self) -> Digester:
        """What digests its arguments."""
        return self.function.digester(self.session)

    @property
    def title(self) -> str:
        from cachepy.values.label import short_of  # a hit has nothing to say of its arguments

        return title_of(self.function.fname, [short_of(*each) for each in self.function.binder.named(self.values)])

    def verifier(self) -> Verifier:
        self.session.use_memo(self.store.memo_file)
        own = self.own_name, self.reach.digest
        return Verifier(self.world(own), own)

    def world(self, own: tuple[str, str] | None = None) -> LiveWorld:
        """Sees the world from this call: what its code and its arguments lead to."""
        found = self.found
        if found is None:
            world = LiveWorld(self.session, own, None, self.reach.cached, self.opaque)
        else:
            code = {identity_of(c): c for c in found.code}
            world = LiveWorld(self.session, own, code, self._border(found), self.opaque)
        world.function = self.function
        return world

    def _border(self, found: References) -> Iterator[Target]:
        """The cached functions that its code and its arguments lead to; few verifications ask for them."""
        yield from self.reach.cached
        yield from filter(None, map(cached_target, found.cached))
        for each in found.code:
            yield from self.session.reader.reach(each).cached

    def elsewhere(self, verifier: Verifier) -> Event | None:
        """The newest run that is stored far away, and holds."""
        far = self.store.far
        runs = far.runs(self.id) if far is not None else ()
        return next((event for event in runs if verifier.event_holds(event)), None)

    def fetch(self) -> tuple[Stored, Verifier] | None:
        far = self.store.far
        if far is None or (self.has_asked_far and not self.has_waited):
            return None
        self.has_asked_far = True
        verifier = self.verifier()
        found = self.elsewhere(verifier)
        if found is None:
            return None
        if self.session.mode_here() in QUIET:  # nothing is written: it is used as it came
            stored: Stored | None = far.stored(found)
            return None if stored is None else (stored, verifier)
        self.session.stores.bring(verifier.chosen.values())  # first: a run that is near has those below it near
        if far.bring([found]):
            raise EntryReplacedError(f"{self.id} was stored elsewhere, and is here now")
        return None

    def prepare(self) -> None:
        """Make the folder of the entry."""
        self.store.prepare(self.id)

    def look(self) -> Stored | None:
        try:
            stored: Stored | None = self.store.look(self.id, self.path)
            return stored
        except EntryReplacedError:
            return None
        except (EntryError, OSError) as error:
            self.session.warner.warn_unread(error, f"{self.function.fname} runs again", "entry", self.id)
            return None

    def may_be_stored(self) -> bool:
        return self.store.may_have(self.id, self.path)

    def release(self, *, is_unended: bool = False) -> None:
        """Give the claim back, whatever ended the call; of one that will have to run again its file stays as a sign."""
        if self.claim is not None:
            if self.store.far is not None:
                self.store.far.has_run(self.id)
            self.session.claims.release(self.claim, self.store.unended_path(self.id) if is_unended else "")
            if is_unended and self.hash[2] in _LOOKED_AT:
                self._tidy_signs()
            self.claim = None  # last: an interrupt in between must not lose it

    def _tidy_signs(self) -> None:
        """Of calls that fail with ever new arguments not all signs are kept; an interrupt here loses nothing."""
        from cachepy.store.tidy import MOST_SIGNS, tidy

        tidy(os.path.dirname(self.path), MOST_SIGNS, ending=UNENDED)

    def load(self, stored: Stored, index: int) -> tuple[Any, Callable[[], None] | None] | None:
        if self.function.options.unseen == "error":
            from cachepy.calls.unseen_sources import refuse_stored  # most functions do not ask

            refuse_stored(self.function.fname, stored.events[index].trace)
        try:
            value = self.store.value(self.id, stored, index)
        except (EntryReplacedError, FileNotFoundError) as error:
            raise EntryReplacedError(str(error)) from None
        except (EntryError, OSError) as error:
            self.session.warner.warn_unread(error, f"{self.function.fname} runs again", "value", self.id)
            return None
        home = type(value).__module__
        return (value, None) if home not in _UNLIKE else self._unlike(home, value)

    def _unlike(self, home: str, value: Any) -> tuple[Any, Callable[[], None] | None] | None:
        """What does not stand for itself: a result with changed arguments, or an error."""
        if home == CHANGED:
            return self._put_back(value)
        from cachepy.calls.folding import may_raise  # few functions store errors

        return (value, _nothing) if may_raise(self.function, value) else None  # filled: the fast path takes none

    def caller(self) -> Caller | None:
        return caller(self.function.target.identity)

    def tell(self, event: Event, frame: Caller | None) -> None:
        called = self.function.target.identity
        self.session.remembered.note(called, ((INDIRECT_CALL, event.id, event.trace.effect),), event.root)
        if frame is not None:
            tell(self.session, frame, event)

    def recorder(self) -> Recorder:
        return self.session.recorder

    def served(self, stored: Stored, index: int, verifier: Verifier, frame: Caller | None, *, is_filled: bool) -> None:
        session = self.session
        self.function.tally.hit(stored.events[index])
        for identity, reach in self.opaque.items():
            session.warner.warn_unseen(identity, reach.opaque)
        if is_at_top(frame):
            note(session, self.id, self.store.root)
        if session.stores.is_limited and not session.is_quiet:
            below = (session.store(each.root).path_of(each.id) for each in verifier.chosen.values())
            own = os.path.join(os.path.dirname(self.path), stored.files[index])
            self.store.mark_used((own, self.path, *below))
        session.flush_memo(self.store.memo_file)
        session.stored_code.renew((self.reach, *verifier.world.reaches))
        if self.function.options.verbose:
            self.log("hit", "")
        elif not is_filled and not (self.found and self.found.code):  # what came as an argument, no name leads to
            self.function.remember(self, stored, index, verifier)

    def refuse(self) -> None:
        refuse(self.session, self.function.target.qualname)

    def turn(self, flags: Flags, *, blocks: bool) -> Iterator[float]:
        return self.session.slow.turn(self, flags, blocks=blocks)  # type: ignore[no-any-return]  # loaded when needed

    def cutoff(self, flags: Flags) -> bool:
        return self._may_cut_off(flags) and bool(self.session.slow.cuts_off(self))

    async def cutoff_async(self, flags: Flags) -> bool:
        slow = self.session.slow
        return self._may_cut_off(flags) and bool(await slow.in_thread(slow.cuts_off, self))

    def _may_cut_off(self, flags: Flags) -> bool:
        """Whether there is a stored run that calls below may make fresh; only who holds the claim tries."""
        return self.stored is not None and self.claim is not None and flags.may_hit

    async def pause_async(self, seconds: float) -> bool:
        return bool(await self.session.slow.sleep(seconds))

    def got(self) -> Any:
        hit = self.hit
        if hit is None:  # of a call whose cutoff said that there is one
            raise EntryReplacedError(self.path)
        self.session.slow.note_found(self, hit.event)
        return hit.value

    def execution(self, flags: Flags) -> Execution:
        return self.session.slow.Run(self, flags)  # type: ignore[no-any-return]  # likewise

    def body(self) -> Any:
        return self.function.body

    def past(self, error: Exception) -> Bypass:
        return bypass(self.function.body, self.function.fname, error)

    def _put_back(self, changed: Any) -> tuple[Any, Callable[[], None]] | None:
        """The result, and what changes the arguments as the body changed its own; None if that cannot be."""
        try:
            found: tuple[Any, Callable[[], None]] = changed.put_back(dict(self.function.binder.named(self.values)))
        except Exception as error:  # unpickling runs code of any class
            if type(error).__module__ != CHANGED:
                self.session.warner.warn_unread(error, f"{self.function.fname} runs again", "value", self.id)
            return None
        return found

    def cannot_write(self, error: OSError) -> None:
        self.unstored = f"the cache directory cannot be written ({error.strerror or error})"
        self.session.warn(
            CacheWriteWarning,
            unwritable(self.store.root, error),
            "write",
            self.store.root,
            error.errno,
        )

    def log(self, outcome: str, cause: str) -> None:
        """One line for each decision, if the function is verbose; where nobody set logging up, on stderr."""
        if not self.function.options.verbose:
            return
        import logging

        from cachepy.calls.expected import place_of  # likewise: few functions ask for it

        frame = self.caller()
        place = place_of(self.session, frame, self.id) if outcome in ("run", "hit") else ""
        line = f"{'  ' * depth_of(frame)}{outcome} {self.title}{place}{cause}"
        logger = logging.getLogger("cachepy")
        if logger.hasHandlers():
            logger.info("%s", line, extra={"cachepy_outcome": outcome, "cachepy_id": self.id})
        else:
            print(line, file=sys.stderr)  # noqa: T201 - who asks for it means to see it


def depth_of(frame: Caller | None) -> int:
    """How many calls are running around it, as far as this process knows."""
    depth = 0
    while frame is not None:
        depth, frame = depth + 1, getattr(frame, "parent", None)
    return depth


def tell(session: State, caller: Caller, event: Event) -> None:
    """Whoever may have made the call is told; only who surely did gets an edge."""
    if type(caller) is not Crowd:
        _tell(session, caller, event, CALL)
        return
    for frame in caller.frames:
        _tell(session, frame, event, INDIRECT_CALL)


def _tell(session: State, frame: Caller, event: Event, kind: str) -> None:
    if isinstance(frame, Frame) and frame.cwd != working_dir():
        _add_files_of_elsewhere(session, frame, event.id)
    if root_of_run(frame.mailbox) != event.root:
        frame.add(Dep(ROOT, event.root, None))
    frame.add(Dep(kind, event.id, event.trace.effect))
    note_below(frame, event)


def _add_files_of_elsewhere(session: State, frame: Frame, call: str) -> None:
    """The caller changed the working directory before it called: below, relative names mean other files."""
    world = LiveWorld(session)
    for event in session.stores.events(call)[:1]:
        for each in session.stores.subtree(event):
            for dep in each.trace.deps:
                kind, path = KINDS[dep.kind].elsewhere(dep.name) or ("", "")
                if kind:
                    frame.add(Dep(kind, path, KINDS[kind].now(path, world)))
