"""The one path that a call takes (design 4).

    key -> look up -> verify -> hit: load
                             -> claim -> look and verify again -> run -> store -> release
    -> tell the caller's frame -> record

`CachedCall` is a function with its options.  `hot` knows the hits of this process, `request` looks for others, `miss`
goes on from there; it is imported when there is something to run.
"""

from __future__ import annotations

from sys import is_finalizing, modules

from xxhash import xxh3_64_hexdigest

from cachepy.calls import state as states
from cachepy.calls.bypass import Bypass, bypass
from cachepy.calls.options import Options
from cachepy.calls.request import Hit, Request
from cachepy.calls.state import State, current_session
from cachepy.code import Target, is_stable
from cachepy.core.reasons import Reason, Verdict
from cachepy.core.revision import MISSING
from cachepy.disk.handling import safe_name
from cachepy.disk.sizes import KEEP
from cachepy.errors import CheapCallWarning, UndigestableError
from cachepy.key import Binder, make_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.calls.closures import Cells
    from cachepy.calls.miss import Miss, Uncached
    from cachepy.digest import Found
    from cachepy.hot import Hot, Hots
    from cachepy.namer import Namer
    from cachepy.store import Store, Stored
    from cachepy.verify import Verifier

_COROUTINE = 0x80
_CHEAP = 0.0001  # s; whether a slower function is worth caching is not measured
_MANY = 100_000  # keys of calls that were hits once


def no_hot(*_: Any, **__: Any) -> None:
    """No call with short arguments is hot."""


class CachedCall:
    """A function with the options of its decorator: all that a call of it needs to know."""

    def __init__(self, fn: Any, options: Options, name: tuple[str, str] | None = None) -> None:
        self.fn = fn
        self.options = options
        self.binder = Binder(fn, options.ignore_args, options.file_args, options.changes)
        self.target = Target(
            fn, options.ignore_globals, options.depends_on_vars, options.declared(), name, options.values
        )
        self.fname = getattr(fn, "__name__", "function")
        self.prefix = f"{self.target.identity}({','.join(self.binder.names)})".encode("utf-8", "surrogatepass")
        self.is_async = bool(fn.__code__.co_flags & _COROUTINE)
        self.wrapper: Any = None
        self.lacks_key = False  # it came from another process, and its signing key did not
        self.is_named: bool | None = None  # it came from another process, whether its name led to it there
        self.expected: str | None = None  # the digest of its code where it came from, until that is compared
        self.hots: Hots | None = None
        self.find: Callable[..., Hot | None] = no_hot
        self._once: set[str] = set()
        self._cells = fn.__closure__
        self._steady: tuple[Namer, Cells, bytes] | None = None
        self._session: State | None = None
        self._era: object = None
        self._store: tuple[State, Store] | None = None
        self.safe_name = safe_name(self.fname)

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

    def identify(
        self, session: State, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], str, Found | None]:
        """The bound values, the key, and what was found in them; errors as of `request`."""
        if session.era is not self._era:
            self._begin(session)
        if not self.binder.has_defaults_of(self.binder.signature.fn):  # somebody set others
            self.binder = Binder(self.fn, self.options.ignore_args, self.options.file_args)
            self._cool()
        values = self.binder.bind(*args, **kwargs)
        prefix = self.prefix if self._cells is None else self.prefix + self.closure(session)
        return values, *make_key(prefix, values, session.digester)

    def _begin(self, session: State) -> None:
        """The first call in a session, or after it learnt whom to trust."""
        if "multiprocessing.process" in modules:  # it may be a child
            from cachepy.calls.kin import find_parent

            find_parent()
        if session is not self._session:
            session.functions.add(self)
            options = self.options
            if options.trusted_owners or options.signing_key or options.umask is not None:
                session.trust_more(options.root(), options.trusted_owners, options.signing_key, options.umask)
            if options.max_bytes is not None or options.keep != KEEP:
                session.limit(options.root(), self.fname, options.max_bytes, options.keep)
            self._session = session
        self._cool()
        self._era = session.era
        if self.expected is not None:
            expected, self.expected = self.expected, None
            session.hooks.on_arrival(self, expected)

    def _cool(self) -> None:
        """No call is hot any more."""
        self.hots, self.find = None, no_hot
        self._once.clear()

    def store(self, session: State) -> Store:
        """The cache directory of its entries."""
        if self._store is None or self._store[0] is not session:
            self._store = session, session.store(self.options.root())
        return self._store[1]

    def closure(self, session: State) -> bytes:
        """What its closure holds is part of which call it is: ``make(1)`` and ``make(2)`` are two functions."""
        namer = session.namer
        if self._steady is not None and self._steady[0] is namer:
            for cell, content in self._steady[1]:
                if cell.cell_contents is not content:
                    break
            else:
                return self._steady[2]
        from cachepy.calls.closures import closure_of, steady_cells  # most functions have none

        text = closure_of(self.fn, namer, self.options.ignore_globals)
        cells = steady_cells(self.fn)
        self._steady = None if cells is None else (namer, cells, text)
        return text

    def code_name(self, session: State) -> str:
        """The name of its code in traces: of local functions with what they hold, for many may share one name."""
        identity = self.target.identity
        if self._cells is None:
            return identity
        from cachepy.calls.closures import MARK
        from cachepy.namer import LOCAL

        if LOCAL not in self.target.qualname:
            return identity
        return f"{identity}{MARK}{xxh3_64_hexdigest(self.closure(session))}"

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call it, from the cache if that holds."""
        found = self.look(args, kwargs)
        return found.value if isinstance(found, Hit) else found.run(args, kwargs)

    def look(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hit | Miss | Uncached | Bypass:
        """Look for a stored value; what is not a hit knows how to go on."""
        flags = Flags(kwargs, self.binder.signature.names) if kwargs else _NO_FLAGS
        try:
            if is_finalizing():  # globals are set to None: what they were cannot be told any more
                raise ImportError("nothing can be loaded any longer")
            return self._look(flags, args, kwargs)
        except Exception as error:
            return bypass(self.fn, self.fname, error)

    def _look(self, flags: Flags, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hit | Miss | Uncached | Bypass:
        session = current_session()
        if self.lacks_key:
            return self.uncached(UndigestableError("its signing key is missing"))
        try:
            asked = self.identify(session, args, kwargs)
        except (TypeError, UndigestableError) as error:
            return self.uncached(error)
        hit = self.hot_hit(session, asked[1]) if flags.may_hit else None
        if hit is not None:
            return hit
        request = Request(self, session, (args, kwargs), *asked)
        hit = request.fast_hit(flags)
        if hit is not None:
            return hit
        missed: Miss = session.slow.Miss(request, flags)
        return missed

    def uncached(self, error: Exception | None = None) -> Uncached | Bypass:
        """The way without the cache."""
        try:
            uncached: Uncached = current_session().slow.Uncached(self, error)
            return uncached
        except Exception as failure:
            return bypass(self.fn, self.fname, failure)

    def hot_hit(self, session: State, key: str) -> Hit | None:
        """A hit of what was one before in this process, if nothing at all has changed."""
        hot = None if self.hots is None else self.hots.get(key)
        value = MISSING if hot is None else hot.serve(session)
        return None if hot is None or value is MISSING else Hit(hot.event, value)

    def warm(self, request: Request, stored: Stored, index: int, verifier: Verifier) -> None:
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
        if self.hots is None:
            self.hots = slow.Hots(self)
        hot = slow.heat(request, stored, index, verifier)
        if hot is None:
            return
        self.hots.add(request.hash, request.values if self._cells is None else (), hot)
        took = hot.event.elapsed
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
            if session is None or session.era is not self._era:
                return MISSING
            if kwargs and not _FLAGS.isdisjoint(kwargs):
                return MISSING
            hot = self.find(*args, **kwargs) if kwargs else self.find(*args)
            return MISSING if hot is None else hot.serve(session)
        except Exception:  # the long way says what is wrong
            return MISSING

    def explain(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Verdict:
        """Why a call would run or not; nothing runs."""
        request = self.request(args, kwargs)
        stored = request.look()
        if stored is None:
            from cachepy.calls.nearest import differences

            return Verdict("missing", (Reason("first", request.title, None, None), *differences(request)))
        verifier = request.verifier()
        if any(verifier.holds(event.trace) for event in stored.events):
            return Verdict("fresh", ())
        return Verdict("stale", tuple(verifier.why_not(stored.events)))


def _blank() -> CachedCall:
    """What unpickling fills in: the function may refer to its own wrapper."""
    return CachedCall.__new__(CachedCall)


class Flags:
    """The options of a single call, taken out of its keywords."""

    __slots__ = ("force", "load", "may_hit", "save")

    def __init__(self, kwargs: dict[str, Any], own: tuple[str, ...] = ()) -> None:
        self.force = bool("_force" not in own and kwargs.pop("_force", False))
        self.save = "_skip_save" in own or not kwargs.pop("_skip_save", False)
        self.load = bool("_load" in own or kwargs.pop("_load", True))
        self.may_hit = self.load and self.save and not self.force


_NO_FLAGS = Flags({})
_FLAGS = frozenset({"_force", "_load", "_skip_save"})
