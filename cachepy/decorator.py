"""`cache_file`, the decorator, and what it hangs on a function.

Imports engine, options, session, trace, errors.
"""

from __future__ import annotations

import os

from cachepy.calls.options import Options
from cachepy.calls.request import Hit
from cachepy.engine import CachedCall
from cachepy.errors import UsageError
from cachepy.reach.guard import MISSING
from cachepy.session import current_session
from cachepy.trace import observe_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

    from cachepy.model import Verdict

    P = ParamSpec("P")
    Q = ParamSpec("Q")
    R = TypeVar("R")
    R_co = TypeVar("R_co", covariant=True)
    T = TypeVar("T")

    class CachedCallable(Protocol[P, R_co]):
        """What is called with the arguments of a function, and with the three keywords of every cached one.

        Typing cannot add keywords to a ParamSpec: beside one of the three the other arguments are not checked.
        """

        @overload
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

        @overload
        def __call__(
            self, *args: Any, _force: bool, _skip_save: bool = ..., _load: bool = ..., **kwargs: Any
        ) -> R_co: ...

        @overload
        def __call__(self, *args: Any, _skip_save: bool, _load: bool = ..., **kwargs: Any) -> R_co: ...

        @overload
        def __call__(self, *args: Any, _load: bool, **kwargs: Any) -> R_co: ...

    class CachedFunction(CachedCallable[P, R_co], Protocol[P, R_co]):
        """A function with its signature, and questions about its cache."""

        @property
        def __wrapped__(self) -> Callable[P, R_co]: ...

        @property
        def __name__(self) -> str: ...

        @overload
        def __get__(self, obj: None, owner: type | None = None) -> CachedFunction[P, R_co]: ...

        @overload
        def __get__(
            self: CachedFunction[Concatenate[Any, Q], T], obj: object, owner: type | None = None
        ) -> CachedCallable[Q, T]: ...

        def key(self, *args: P.args, **kwargs: P.kwargs) -> str: ...

        def is_cached(self, *args: P.args, **kwargs: P.kwargs) -> bool: ...

        def explain(self, *args: P.args, **kwargs: P.kwargs) -> Verdict: ...

        def clear(self, *args: Any, **kwargs: Any) -> int: ...

else:

    def overload(_: object) -> None:
        """Tells type checkers only."""


MethodType: Any = type(Options().root)
_GENERATOR, _ASYNC_GENERATOR = 0x20, 0x200
_WORN = "__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "__type_params__"


class CacheFile:
    """A decorator with its options, to be used many times: ``cf = cache_file(dir)``; ``@cf``.

    Called with options it gives a new one with these changed: ``@cf(version="2")``.
    """

    def __init__(self, **options: Any) -> None:
        self._given = options
        Options(**options)  # complain here, where the user wrote it

    @overload
    def __call__(self, fn: Callable[P, R], /) -> CachedFunction[P, R]: ...

    @overload
    def __call__(self, fn: None = None, /, **options: Any) -> CacheFile: ...

    def __call__(self, fn: Any = None, /, **options: Any) -> Any:
        if fn is None:
            return CacheFile(**{**self._given, **options})
        return wrap(fn, Options(**{**self._given, **options}))

    def __repr__(self) -> str:
        shown = {k: "..." if k == "signing_key" else repr(v) for k, v in self._given.items()}
        return f"cache_file({', '.join(f'{k}={v}' for k, v in shown.items())})"


@overload
def cache_file(cache_dir: Callable[P, R], /) -> CachedFunction[P, R]: ...


@overload
def cache_file(
    cache_dir: str | os.PathLike[str] | None = None,
    *,
    version: str | float | None = None,
    env_vars: list[str] | tuple[str, ...] = (),
    depends_on_files: list[str | Path] | tuple[str | Path, ...] = (),
    depends_on_vars: list[str] | tuple[str, ...] = (),
    file_args: list[str] | tuple[str, ...] | None = None,
    ignore_args: list[str] | tuple[str, ...] = (),
    ignore_globals: list[str] | tuple[str, ...] = (),
    keep_args: bool = True,
    trusted_owners: list[int | str] | tuple[int | str, ...] = (),
    signing_key: str | bytes | None = None,
    umask: int | str | None = None,
    verbose: bool = False,
    warn_cheap: bool = True,
) -> CacheFile: ...


def cache_file(cache_dir: Any = None, /, **options: Any) -> Any:
    """Cache a function's results on disk, and reuse one only if nothing it depended on has changed.

    What counts: the arguments, the function's code and all user code it reaches, the globals that
    code reads, files named by arguments or by `track_file`, declared environment variables,
    versions of packages, and the same for every cached call below it.

    Parameters
    ----------
    cache_dir : path, optional
        Where results are stored; by default `cache_default_dir`.  Many functions share one.
    version : str or number, optional
        Change it to say that the function's meaning changed.
    env_vars : list of str
        Environment variables whose values count.
    depends_on_files : list of path
        Files and directories whose contents count at each call.
    depends_on_vars : list of str
        Names of globals (or ``"module.name"``) whose values count although the code does not name them.
    file_args : list of str, optional
        The only parameters that are looked at for files; by default all are.
    ignore_args : list of str
        Parameters that do not count at all: a logger, the path of an output.
    ignore_globals : list of str
        Globals that the code reads but whose values do not matter.
    keep_args : bool
        Keep the arguments (up to 256 KB; results of other calls count nothing) beside the result, so that a stale
        call can be made again by itself: then its callers need not run if its result is what it was. Turn it off
        for arguments that must not be written to disk: passwords.
    trusted_owners : list of str or int
        Other users (names or numbers) whose entries in this cache directory are loaded; ``["*"]``: anybody's. By
        default only one's own are: loading an entry can run code. Also ``CACHEPY_TRUSTED_OWNERS=alice,bob``.
    signing_key : str or bytes, optional
        Sign entries with this key (16 characters or more; ``"@file"`` reads it from a file), and load none that is
        not signed with it. Better kept out of the source, in ``CACHEPY_SIGNING_KEY``.
    umask : str or int, optional
        Share the cache directory on purpose: ``"007"`` with its group. By default it is private. Also
        ``CACHEPY_UMASK``.
    verbose : bool
        Say each decision with its cause: on the logger ``cachepy``, at level INFO, or, where nobody set logging up,
        on stderr.
    warn_cheap : bool
        Warn, once, if the function runs faster than its stored result is checked and loaded.

    Returns
    -------
    decorator or function
        A function with the same signature, and with ``key``, ``is_cached``, ``explain`` and ``clear``.
        It takes three more keywords: ``_force=True`` runs again and stores, ``_skip_save=True``
        runs without storing, ``_load=False`` runs instead of loading.

    Raises
    ------
    UsageError
        For options that do not exist or have the wrong type, and for generator functions.

    Examples
    --------
    >>> import tempfile
    >>> cf = cache_file(tempfile.mkdtemp())
    >>> @cf
    ... def square(x):
    ...     print("computing")
    ...     return x * x
    >>> square(3), square(3)
    computing
    (9, 9)
    >>> square.is_cached(3), square.is_cached(4)
    (True, False)
    """
    if callable(cache_dir) or isinstance(cache_dir, (classmethod, staticmethod)):
        return wrap(cache_dir, Options(**options))
    if cache_dir is not None or "cache_dir" not in options:
        options["cache_dir"] = cache_dir
    return CacheFile(**options)


def wrap(fn: Any, options: Options) -> Any:
    """Make the cached function."""
    if isinstance(fn, (classmethod, staticmethod)):
        return type(fn)(wrap(fn.__func__, options))
    if isinstance(fn, MethodType):  # its object counts by its state, as `self` does
        return MethodType(wrap(fn.__func__, options), fn.__self__)
    _check_function(fn)
    call = CachedCall(fn, options)
    wrapper = _async_wrapper(call) if call.is_async else _wrapper(call)
    return attach(wrapper, call)


def attach(wrapper: Any, call: CachedCall) -> Any:
    """Hang the questions on the wrapper."""
    _dress(wrapper, call.fn)
    questions = Questions(call)
    wrapper.__cachepy__ = call
    for name in ("key", "is_cached", "explain", "clear"):
        setattr(wrapper, name, getattr(questions, name))
    call.wrapper = wrapper
    current_session().register(call)
    return wrapper


def _dress(wrapper: Any, fn: Any) -> None:
    """What `functools.update_wrapper` does, whose import would cost a program more than its first hit."""
    for name in _WORN:
        if hasattr(fn, name):
            setattr(wrapper, name, getattr(fn, name))
    wrapper.__dict__.update(fn.__dict__)
    wrapper.__wrapped__ = fn


def _wrapper(call: CachedCall) -> Any:
    quick, look = call.quick, call.look

    def cached(*args: Any, **kwargs: Any) -> Any:
        value = quick(args, kwargs)
        if value is not MISSING:
            return value
        found = look(args, kwargs)
        return found.value if isinstance(found, Hit) else found.run(args, kwargs)

    return cached


def _async_wrapper(call: CachedCall) -> Any:
    async def cached(*args: Any, **kwargs: Any) -> Any:
        found = call.look(args, kwargs)
        return found.value if isinstance(found, Hit) else await found.run_async(args, kwargs)

    return cached


def _check_function(fn: Any) -> None:
    code = getattr(fn, "__code__", None)
    name = getattr(fn, "__qualname__", repr(fn))
    if isinstance(fn, type):
        raise UsageError(f"cache_file decorates functions, not the class {name}; decorate its methods")
    if code is None:
        raise UsageError(f"cache_file decorates functions written in Python, not {name}; wrap it in a def")
    if code.co_flags & (_GENERATOR | _ASYNC_GENERATOR):
        raise UsageError(
            f"{name} is a generator function: its items exist only once and cannot be stored. "
            f"Return a list instead, or cache the function that makes one item"
        )


class Questions:
    """What can be asked of a cached function: ``f.key``, ``f.is_cached``, ``f.explain``, ``f.clear``."""

    def __init__(self, call: CachedCall) -> None:
        self._call = call

    def key(self, *args: Any, **kwargs: Any) -> str:
        """The digest that names the call with these arguments: ``node["hash"]``."""
        return self._call.request(args, kwargs).hash

    def is_cached(self, *args: Any, **kwargs: Any) -> bool:
        """Whether the call would be a hit now."""
        return self._call.explain(args, kwargs).state == "fresh"

    def explain(self, *args: Any, **kwargs: Any) -> Verdict:
        """Why the call would run or not; runs nothing."""
        return self._call.explain(args, kwargs)

    def clear(self, *args: Any, **kwargs: Any) -> int:
        """Forget the call with these arguments; without any, all calls. Returns how many."""
        call = self._call
        if args or kwargs:
            requests = [call.request(args, kwargs)]
            found = [r.id for r in requests if r.look() is not None]
        else:
            found = _calls_of(call)
        store = current_session().store(call.options.root())
        for each in found:
            store.forget(each)
        return len(found)

    def __reduce__(self) -> tuple[Any, ...]:
        return Questions, (self._call,)


def _calls_of(call: CachedCall) -> list[str]:
    """The ids of all stored calls of one function."""
    from cachepy.upkeep.stock import scan

    store = current_session().store(call.options.root())
    identity = call.target.module, call.target.qualname
    return [e.id for _, e in scan(store.root) if e is not None and (e.module, e.qualname) == identity]


def track_file(path: str | os.PathLike[str]) -> Path:
    """Note that the running cached call depends on a file, and return the path.

    Parameters
    ----------
    path : path
        A file or directory; it may be missing, which counts too. Relative to the working directory.

    Returns
    -------
    pathlib.Path
        The path as given: ``open(track_file("data.csv"))``. Outside of a cached call nothing else happens.

    Examples
    --------
    >>> track_file("data.csv").name
    'data.csv'
    """
    from pathlib import Path

    if not isinstance(path, (str, os.PathLike)):
        raise UsageError(f"track_file takes a path (str or os.PathLike), not {path!r}")
    text = os.fspath(path)
    text = os.fsdecode(text) if isinstance(text, bytes) else str.__str__(text)  # of a subclass: the plain text
    observe_file(text, current_session().files)
    return Path(text)
