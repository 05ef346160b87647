"""A cached function: what its calls go through on the path of `core.call`, and what can be asked of it."""

from __future__ import annotations

from cachepy.calls import state as states
from cachepy.calls.bypass import Bypass, bypass
from cachepy.calls.function import Function
from cachepy.calls.options import Options
from cachepy.calls.request import Request
from cachepy.calls.state import State, current_session
from cachepy.code.fingerprint import is_stable
from cachepy.core.call import FLAGS, Call, Flags, Hit, Miss, Path, UsersError
from cachepy.core.revision import MISSING
from cachepy.errors import CheapCallWarning, UndigestableError, raise_users

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.calls.miss import Uncached
    from cachepy.core.call import Way
    from cachepy.core.ports import Stored
    from cachepy.core.reasons import Verdict
    from cachepy.core.verify import Verifier
    from cachepy.values.digest import References

    Key = tuple[State, tuple[Any, ...], str, References | None]  # with the bound values, and what was found in them

_CHEAP = 0.0001  # s; whether a slower function is worth caching is not measured
_MANY = 100_000  # keys of calls that were hits once


class CachedCall(Function, Path):
    """A cached function: the steps of `core.call.Path` for functions written in Python."""

    def __reduce__(self) -> tuple[Any, ...]:
        """By value, as cloudpickle takes functions of ``__main__``; the name is that of the client."""
        name = self.target.module, self.target.qualname
        root = None if self.options.cache_dir is None else self.options.root()
        options = {**self.options.given(), "cache_dir": root}
        needs_key = self.options.signing_key is not None and self.options.key_file is None
        session = current_session()
        expected = self.expected or session.reader.reach(self.target).digest
        session.hooks.on_departure(self.target.identity, expected)
        is_named = is_stable(self.wrapper, *name)
        return _blank, (), (self.fn, options, name, self.wrapper, needs_key, expected, is_named)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        fn, options, name, wrapper, needs_key, expected, is_named = state
        CachedCall.__init__(self, fn, Options(**options), name)
        self.wrapper = wrapper
        self.lacks_key = needs_key and current_session().trust.key is None
        self.expected = expected
        self.is_named = is_named
        current_session().functions.add(self)

    def request(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
        """Bind and digest; TypeError if the arguments do not fit, UndigestableError if they have no key."""
        session = current_session()
        return Request(self, session, (args, kwargs), *self.identify(session, args, kwargs))

    def flags_of(self, kwargs: dict[str, Any]) -> Flags:
        return Flags(kwargs, self.binder.signature.names)

    def key_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Key:
        if self.lacks_key:
            raise UndigestableError("its signing key is missing")
        session = current_session()
        return session, *self.identify(session, args, kwargs)

    def call_of(self, key: Key, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
        session, values, digest, found = key
        return Request(self, session, (args, kwargs), values, digest, found)

    def missed(self, call: Call, flags: Flags) -> Miss:
        return Miss(call, flags)

    def past(self, error: Exception) -> Bypass:
        return bypass(self.body, self.fname, error)

    def _look(self, flags: Flags, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hit | Way:
        session = current_session()
        if not session.is_special and self.told is None and not self.has_mode:
            return super()._look(flags, args, kwargs)
        from cachepy.calls.listeners import look

        return look(self, session, flags, args, kwargs)

    def uncached(self, error: Exception | None = None) -> Uncached | Bypass:
        """The way without the cache."""
        raise_users(error)
        try:
            uncached: Uncached = current_session().slow.Uncached(self, error)
            return uncached
        except Exception as failure:
            return bypass(self.body, self.fname, failure)

    def shallow_hit(self, key: Key) -> Hit | None:
        fast = None if self.hit_cache is None else self.hit_cache.get(key[2])
        value = MISSING if fast is None else fast.serve(key[0])
        return None if fast is None or value is MISSING else Hit(fast.event, value)

    def remember(self, request: Request, stored: Stored, index: int, verifier: Verifier) -> None:
        """Remember what a hit rested on, if it is the second one with this key: many calls are made once only."""
        if request.hash not in self._once:
            if len(self._once) >= _MANY:
                self._once.clear()
            self._once.add(request.hash)
            return
        try:
            slow = request.session.slow
        except ImportError:  # the value is there; the next look for it takes longer
            return
        if self.hit_cache is None:
            self.hit_cache = slow.HitCache(self)
        fast = slow.remember(request, stored, index, verifier)
        if fast is None:
            return
        session = request.session  # what is hot goes by no mode, and is told to nobody
        is_short = self._cells is None and self.told is None and not (session.tells or self.has_mode)
        self.hit_cache.add(request.hash, request.values if is_short else (), fast)
        took = fast.event.elapsed
        if self.options.warn_cheap and took < _CHEAP and took < (cost := slow.cost_of(request, stored, index)):
            request.session.warn(
                CheapCallWarning,
                f"{self.fname} takes {took * 1e6:.1f} µs, and finding its result in the cache {cost * 1e6:.1f} µs: "
                f"caching makes it slower. Cache the function that calls it instead, or take the decorator off; "
                f"warn_cheap=False keeps this quiet",
                self.target.identity,
            )

    def quick(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The value of a hot call with short arguments, else `MISSING`: the shortest of all ways."""
        try:
            session = states._default  # what `current_session` gives, without a call
            if session is None or session.revision is not self._revision:
                return MISSING
            if kwargs and not FLAGS.isdisjoint(kwargs):
                return MISSING
            fast = self.find(*args, **kwargs) if kwargs else self.find(*args)
            return MISSING if fast is None else fast.serve(session)
        except Exception:  # the long way says what is wrong
            return MISSING

    def explain(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Verdict:
        """Why a call would run or not; nothing runs but a test that it has."""
        try:
            return self._explain(self.request(args, kwargs))
        except UsersError as error:
            raise error.error from error.error.__cause__

    def _explain(self, request: Request) -> Verdict:
        from cachepy.core.marks import accepted_in, unseen_in
        from cachepy.core.reasons import Reason, Verdict

        stored, verifier = request.look(), request.verifier()
        events = stored.events if stored is not None else ()
        held = next((event for event in events if verifier.event_holds(event)), None) or request.elsewhere(verifier)
        if held is not None:
            return Verdict("fresh", (), unseen_in(held.trace), accepted_in(held.trace))
        if stored is None:
            from cachepy.calls.nearest import differences

            return Verdict("missing", (Reason("first", request.title, None, None), *differences(request)))
        return Verdict("stale", tuple(verifier.why_not(stored.events)))


def _blank() -> CachedCall:
    """What unpickling fills in: the function may refer to its own wrapper."""
    return CachedCall.__new__(CachedCall)
