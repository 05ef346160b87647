"""A function with the options of its decorator: which call of it is which, and what it depends on before it runs."""

from __future__ import annotations

from sys import modules

from xxhash import xxh3_64_hexdigest

from cachepy.calls.options import Options
from cachepy.calls.state import State
from cachepy.calls.tally import Tally
from cachepy.code.fingerprint import Target
from cachepy.store.fs import safe_name
from cachepy.store.sizes import KEEP
from cachepy.values.key import Binder, make_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import ContextVar
    from typing import Any

    from cachepy.calls.digest_options import OwnDigests
    from cachepy.code.namer import Namer
    from cachepy.core.ports import Store
    from cachepy.values.digest import Digester, References

_COROUTINE, _ASYNC_GENERATOR = 0x80, 0x200


def no_fast_hit(*_: Any, **__: Any) -> None:
    """No call with short arguments is hot."""


def _own_digests(fn: Any, binder: Binder, options: Options) -> OwnDigests:
    from cachepy.calls.digest_options import OwnDigests  # few functions say so

    return OwnDigests(fn, binder, options.digest or {}, options.changes)


class Function:
    """What is known of a function, and of how it is cached, whatever is called.

    hit_cache: its hot calls (see `fast`); find: the one with short arguments; tally: what became of its
    calls in this session.
    """

    def __init__(self, fn: Any, options: Options, name: tuple[str, str] | None = None) -> None:
        self.fn = fn
        self.options = options
        self.binder = Binder(fn, options.ignore_args, options.file_args, options.changes, options.outputs)
        self.own = None if options.digest is None else _own_digests(fn, self.binder, options)
        self.target = Target(
            fn, options.ignored(), options.depends_on_vars, options.declared(), name, options.values
        )
        self.fname = getattr(fn, "__name__", "function")
        self.prefix = f"{self.target.identity}({','.join(self.binder.names)})".encode("utf-8", "surrogatepass")
        self.is_async = bool(fn.__code__.co_flags & (_COROUTINE | _ASYNC_GENERATOR))
        self.body = fn  # what runs
        if options.folds:
            from cachepy.calls.folding import folded  # most functions give what is stored

            self.body = folded(self)
        self.wrapper: Any = None
        self.lacks_key = False  # it came from another process, and its signing key did not
        self.is_named: bool | None = None  # it came from another process, whether its name led to it there
        self.expected: str | None = None  # the digest of its code where it came from, until that is compared
        self.hit_cache: Any = None
        self.find: Callable[..., Any] = no_fast_hit
        self.tally = Tally()  # of its first session
        self.has_mode = options.mode is not None
        self.told: ContextVar[Any] | None = None  # the last call here, once somebody has asked for it
        self._once: set[str] = set()
        self._cells = fn.__closure__
        self._steady: tuple[Namer, Any, bytes] | None = None
        self._session: State | None = None
        self._revision: object = None
        self._store: tuple[State, Store] | None = None
        self.safe_name = safe_name(self.fname)

    def identify(
        self, session: State, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], str, References | None]:
        """The bound values, the key, and what was found in them; errors as of `request`."""
        if session.revision is not self._revision:
            self._begin(session)
        if not self.binder.has_defaults_of(self.binder.signature.fn):  # somebody set others
            self.binder = Binder(self.fn, self.options.ignore_args, self.options.file_args)
            self._cool()
        values = self.binder.bind(*args, **kwargs)
        prefix = self.prefix if self._cells is None else self.prefix + self.closure(session)
        if self.own is None:
            return values, *make_key(prefix, values, session.digester)
        values = self.own.counted(values)
        return values, *make_key(prefix, values, self.own.digester(session))

    def digester(self, session: State) -> Digester:
        """What digests its arguments."""
        return session.digester if self.own is None else self.own.digester(session)

    def _begin(self, session: State) -> None:
        """The first call in a session, or after it learnt whom to trust."""
        if "multiprocessing.process" in modules:  # it may be a child
            from cachepy.calls.child_processes import find_parent

            find_parent()
        if session is not self._session:
            session.functions.add(self)
            options = self.options
            if options.trusted_owners or options.signing_key or options.umask is not None:
                session.trust_more(options.root(), options.trusted_owners, options.signing_key, options.umask)
            if options.max_bytes is not None or options.keep != KEEP:
                session.limit(options.root(), self.fname, options.max_bytes, options.keep)
            if options.remote:
                session.reach(options.root(), options.remote, trusts=options.trust_remote, upload=options.upload)
            self._session = session
            self.tally = session.functions.tally(self.target.identity, self.fname)
        self._cool()
        self._revision = session.revision
        if self.expected is not None:
            expected, self.expected = self.expected, None
            session.hooks.on_arrival(self, expected)

    def _cool(self) -> None:
        """No call is hot any more."""
        cache, self.hit_cache, self.find = self.hit_cache, None, no_fast_hit
        if cache is not None:
            cache.clear()
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

    def request(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call of it: see `CachedCall`."""
        raise NotImplementedError

    def remember(self, request: Any, stored: Any, index: int, verifier: Any) -> None:
        """What a hit rested on, for the fast path."""

    def code_name(self, session: State) -> str:
        """The name of its code in traces: of local functions with what they hold, for many may share one name."""
        identity = self.target.identity
        if self._cells is None:
            return identity
        from cachepy.calls.closures import MARK
        from cachepy.code.namer import LOCAL

        if LOCAL not in self.target.qualname:
            return identity
        return f"{identity}{MARK}{xxh3_64_hexdigest(self.closure(session))}"
