"""One call on its way to a stored value: look up, verify, load (design 4)."""

from __future__ import annotations

import os
import sys

from cachepy.calls.state import State
from cachepy.calls.telling import tell
from cachepy.code import cached_target, identity_of
from cachepy.core.current import caller
from cachepy.disk.places import CLAIM, ENTRY, UNENDED
from cachepy.errors import CacheWriteWarning, EntryError, EntryReplacedError, unwritable
from cachepy.model import BELOW, Event, title_of
from cachepy.probe import LiveProbe
from cachepy.program import is_at_top, note
from cachepy.store import Stored
from cachepy.values.label import label_of
from cachepy.verify import Verifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from cachepy.code import Reach, Target
    from cachepy.digest import Found
    from cachepy.disk.claims import Claim
    from cachepy.disk.kept import Arguments
    from cachepy.engine import CachedCall, Flags

CHANGED = "cachepy.disk.changed"  # where what stands for a result is from, if the body changed its arguments
_LOOKED_AT = "0"  # one call of sixteen that fail, by a digit of its key, looks how many signs there are
_LOOKS = 5  # at an entry that others replace all the time


class Hit:
    """A stored value that was verified and loaded."""

    __slots__ = ("event", "value")

    def __init__(self, event: Event, value: Any) -> None:
        self.event = event
        self.value = value


class Request:
    """One call: its key, and the way to its value."""

    __slots__ = (
        "arguments", "call", "claim", "claim_path", "found", "hash", "hit", "hopeless", "id", "opaque", "own_name",
        "path", "reach", "session", "store", "stored", "values",
    )  # fmt: skip

    def __init__(
        self,
        call: CachedCall,
        session: State,
        arguments: Arguments,
        values: tuple[Any, ...],
        key: str,
        found: Found | None,
    ) -> None:
        self.call = call
        self.arguments = arguments
        self.found = found
        self.session = session
        self.values = values
        self.hash = key
        self.id = f"{call.fname}:{key}"
        self.store = store = call.store(session)
        stem = f"{store.entries}{key[:2]}{os.sep}{call.safe_name}-{key}"
        self.path, self.claim_path = stem + ENTRY, stem + CLAIM
        self.reach: Reach = session.reader.reach(call.target)
        self.own_name = call.code_name(session)
        self.opaque = {call.target.identity: self.reach} if self.reach.opaque else {}
        self.hit: Hit | None = None
        self.claim: Claim | None = None
        self.hopeless: set[str] = set()
        self.stored: Stored | None = None  # as it was at the last look for a hit

    @property
    def title(self) -> str:
        return title_of(self.call.fname, [label_of(value) for _, value in self.call.binder.named(self.values)])

    def verifier(self) -> Verifier:
        self.session.use_memo(self.store.memo_file)
        own = self.own_name, self.reach.digest
        return Verifier(self.probe(own), own)

    def probe(self, own: tuple[str, str] | None = None) -> LiveProbe:
        """Sees the world from this call: what its code and its arguments lead to."""
        found = self.found
        if found is None:
            return LiveProbe(self.session, own, None, self.reach.cached, self.opaque)
        code = {identity_of(c): c for c in found.code}
        return LiveProbe(self.session, own, code, self._border(found), self.opaque)

    def _border(self, found: Found) -> Iterator[Target]:
        """The cached functions that its code and its arguments lead to; few verifications ask for them."""
        yield from self.reach.cached
        yield from filter(None, map(cached_target, found.cached))
        for each in found.code:
            yield from self.session.reader.reach(each).cached

    def prepare(self) -> None:
        """Make the folder of the entry."""
        self.store.prepare(self.id)

    def look(self) -> Stored | None:
        try:
            return self.store.look(self.id, self.path)
        except EntryReplacedError:
            return None
        except (EntryError, OSError) as error:
            self.session.warner.warn_unread(error, f"{self.call.fname} runs again", "entry", self.id)
            return None

    def fast_hit(self, flags: Flags) -> Hit | None:
        """Look up and verify, without a claim."""
        return self.find_hit() if flags.may_hit and self.store.may_have(self.id, self.path) else None

    def release(self, *, is_unended: bool = False) -> None:
        """Give the claim back, whatever ended the call; of one that will have to run again its file stays as a sign."""
        if self.claim is not None:
            self.session.claims.release(self.claim, self.store.unended_path(self.id) if is_unended else "")
            if is_unended and self.hash[2] in _LOOKED_AT:
                self._tidy_signs()
            self.claim = None  # last: an interrupt in between must not lose it

    def _tidy_signs(self) -> None:
        """Of calls that fail with ever new arguments not all signs are kept; an interrupt here loses nothing."""
        from cachepy.disk.tidy import MOST_SIGNS, tidy

        tidy(os.path.dirname(self.path), MOST_SIGNS, ending=UNENDED)

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
            self.session.warner.warn_unread(error, f"{self.call.fname} runs again", "value", self.id)
            return None
        fill = None
        if type(value).__module__ == CHANGED:
            found = self._put_back(value)
            if found is None:
                return None
            value, fill = found
        self.hit = Hit(event, value)
        for identity, reach in self.opaque.items():
            self.session.warner.warn_unseen(identity, reach.opaque)
        called = self.call.target.identity
        self.session.remembered.note(called, ((BELOW, event.id, event.trace.effect),), event.root)
        if self.session.stores.is_limited:
            below = (self.session.store(each.root).path_of(each.id) for each in verifier.chosen.values())
            own = os.path.join(os.path.dirname(self.path), stored.files[index])
            self.store.mark_used((own, self.path, *below))
        frame = caller(called)
        if frame is not None:
            tell(self.session, frame, event)
        if is_at_top(frame):
            note(self.session, self.id, self.store.root)
        self.session.recorder.hit(event, verifier.chosen, verifier.several)
        self.session.flush_memo(self.store.memo_file)
        self.session.stored_code.renew((self.reach, *verifier.probe.reaches))
        if self.call.options.verbose:
            self.log("hit", "")
        elif fill is None and not (self.found and self.found.code):  # what came as an argument, no name leads to
            self.call.warm(self, stored, index, verifier)
        if fill is not None:
            fill()
        return self.hit

    def _put_back(self, changed: Any) -> tuple[Any, Callable[[], None]] | None:
        """The result, and what changes the arguments as the body changed its own; None if that cannot be."""
        try:
            found: tuple[Any, Callable[[], None]] = changed.put_back(dict(self.call.binder.named(self.values)))
        except Exception as error:  # unpickling runs code of any class
            if type(error).__module__ != CHANGED:
                self.session.warner.warn_unread(error, f"{self.call.fname} runs again", "value", self.id)
            return None
        return found

    def cannot_write(self, error: OSError) -> None:
        self.session.warn(
            CacheWriteWarning,
            unwritable(self.store.root, error),
            "write",
            self.store.root,
            error.errno,
        )

    def log(self, outcome: str, cause: str) -> None:
        """One line for each decision, if the function is verbose; where nobody set logging up, on stderr."""
        if not self.call.options.verbose:
            return
        import logging

        labels = ", ".join(f"{n}={label_of(v)}" for n, v in self.call.binder.named(self.values))
        line = f"{outcome} {self.call.fname}({labels}){cause}"
        logger = logging.getLogger("cachepy")
        if logger.hasHandlers():
            logger.info("%s", line, extra={"cachepy_outcome": outcome, "cachepy_id": self.id})
        else:
            print(line, file=sys.stderr)  # noqa: T201 - who asks for it means to see it

    def _nearest(self) -> str:
        """What differs from the nearest call that is stored; not told of each of many."""
        if not self.session.is_first("nearest", self.call.target.identity):
            return ""
        from cachepy.calls.nearest import differences

        return "".join(f"; {reason}" for reason in differences(self))

    def cause(self) -> str:
        """Why this call runs, for the log."""
        if not self.call.options.verbose:
            return ""
        stored = self.look()
        if stored is None:
            return f": not run before{self._nearest()}"
        return ": " + "; ".join(map(str, self.verifier().why_not(stored.events)))
