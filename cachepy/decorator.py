"""`cache_file`, the decorator, and what it hangs on a function."""

from __future__ import annotations

import os
import sys
from _collections_abc import Callable, Iterable
from _functools import partial  # type: ignore[import-not-found]  # functools itself costs more than a hit

from cachepy.calls.engine import CachedCall
from cachepy.calls.options import Options
from cachepy.calls.program import program
from cachepy.calls.state import current_session
from cachepy.core.call import Hit
from cachepy.core.lazyparts import is_making
from cachepy.core.revision import MISSING
from cachepy.methods import Questions, check_function
from cachepy.values.bound_methods import HUNG_ON, TOLD, Bound, Partial, join_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path
    from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypedDict, TypeVar, Unpack, overload

    from cachepy.calls.acceptance import Accepted
    from cachepy.calls.happened import CacheInfo, Called
    from cachepy.calls.own_tests import StoredResult
    from cachepy.core.reasons import Verdict

    P = ParamSpec("P")
    Q = ParamSpec("Q")
    R = TypeVar("R")
    R_co = TypeVar("R_co", covariant=True)
    T = TypeVar("T")

    class Given(TypedDict, total=False):
        """The options, for one with some of them changed; that these are all of them, a test holds."""

        cache_dir: str | os.PathLike[str] | None
        version: str | float | None
        env_vars: list[str] | tuple[str, ...]
        depends_on_files: list[str | Path] | tuple[str | Path, ...]
        depends_on_vars: list[str] | tuple[str, ...] | dict[str, Any]
        changes: list[str] | tuple[str, ...]
        file_args: list[str] | tuple[str, ...] | None
        ignore_args: list[str] | tuple[str, ...]
        ignore_globals: list[str] | tuple[str, ...]
        ignore_code: list[str] | tuple[str, ...]
        keep_args: bool
        max_bytes: str | float | None
        keep: int
        trusted_owners: list[int | str] | tuple[int | str, ...]
        signing_key: str | bytes | None
        umask: int | str | None
        verbose: bool
        warn_cheap: bool
        observe_code: bool | Literal["exact"]
        observe: bool
        ignore_files: list[str] | tuple[str, ...]
        outputs: list[str] | tuple[str, ...]
        unseen: Literal["warn", "ok", "error"]
        max_age: str | float | timedelta | None
        digest: dict[str | type, Callable[..., object]] | None
        cache_errors: Iterable[type[Exception]] | dict[type[Exception], float]
        on_error: Literal["raise", "stale"]
        collect: bool
        remote: str | os.PathLike[str] | list[str] | tuple[str, ...] | None
        trust_remote: bool
        upload: Literal["now", "background"]
        format: _Format
        compress: Literal["zstd", "lz4", "gzip", "lzma", "zlib"] | None
        valid: Callable[[Any, StoredResult], bool] | None
        mode: str | None

    class ValueFormat(Protocol):
        """What writes a result into a file, and reads it."""

        def write(self, value: Any, path: str, /) -> object: ...

        def read(self, path: str, /) -> Any: ...

    _Format = Literal["parquet", "feather", "npy", "zarr", "json", "text"] | ValueFormat | None

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

    class CachedMethod(CachedCallable[P, R_co], Protocol[P, R_co]):
        """What is called, with questions about its cache."""

        def key(self, *args: P.args, **kwargs: P.kwargs) -> str: ...

        def is_cached(self, *args: P.args, **kwargs: P.kwargs) -> bool: ...

        def explain(self, *args: P.args, **kwargs: P.kwargs) -> Verdict: ...

        def accept(self, *args: Any, **kwargs: Any) -> Accepted: ...

        def clear(self, *args: Any, **kwargs: Any) -> int: ...

        @property
        def last(self) -> Called: ...

        def cache_info(self) -> CacheInfo: ...

    class CachedFunction(CachedMethod[P, R_co], Protocol[P, R_co]):
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
        ) -> CachedMethod[Q, T]: ...

else:

    def overload(_: object) -> None:
        """Tells type checkers only."""


_FUNCTION = type(current_session)
MethodType: Any = type(Options().root)
_STANDS_FOR_OTHERS = ("cachepy", "dask", "dask_plugin", "distributed")
_WORN = "__module__", "__name__", "__qualname__", "__doc__", "__type_params__"


class CacheFile:
    """A decorator with its options, to be used many times: ``cf = cache_file(dir)``; ``@cf``.

    Called with options it gives a new one with these changed: ``@cf(version="2")``.
    """

    def __init__(self, **options: object) -> None:
        checked = Options(**options).given()  # complain here, where the user wrote it
        once = [k for k, v in options.items() if hasattr(v, "__next__")]  # a generator gives its items only once
        self._given = options | {name: checked[name] for name in once}

    @overload
    def __call__(self, fn: Callable[P, R], /) -> CachedFunction[P, R]: ...

    @overload
    def __call__(self, fn: None = None, /, **options: Unpack[Given]) -> CacheFile: ...

    def __call__(
        self, fn: Callable[..., object] | None = None, /, **options: object
    ) -> CacheFile | Callable[..., object]:
        if fn is None:
            return CacheFile(**{**self._given, **options})
        made: Callable[..., object] = wrap(fn, Options(**{**self._given, **options}))
        return made

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
    depends_on_vars: list[str] | tuple[str, ...] | dict[str, Any] = (),
    changes: list[str] | tuple[str, ...] = (),
    file_args: list[str] | tuple[str, ...] | None = None,
    ignore_args: list[str] | tuple[str, ...] = (),
    ignore_globals: list[str] | tuple[str, ...] = (),
    ignore_code: list[str] | tuple[str, ...] = (),
    keep_args: bool = True,
    max_bytes: str | float | None = None,
    keep: int = 16,
    trusted_owners: list[int | str] | tuple[int | str, ...] = (),
    signing_key: str | bytes | None = None,
    umask: int | str | None = None,
    verbose: bool = False,
    warn_cheap: bool = True,
    observe_code: bool | Literal["exact"] = True,
    observe: bool = True,
    ignore_files: list[str] | tuple[str, ...] = (),
    outputs: list[str] | tuple[str, ...] = (),
    unseen: Literal["warn", "ok", "error"] = "warn",
    max_age: str | float | timedelta | None = None,
    digest: dict[str | type, Callable[..., object]] | None = None,
    cache_errors: Iterable[type[Exception]] | dict[type[Exception], float] = (),
    on_error: Literal["raise", "stale"] = "raise",
    collect: bool = False,
    remote: str | os.PathLike[str] | list[str] | tuple[str, ...] | None = None,
    trust_remote: bool = False,
    upload: Literal["now", "background"] = "now",
    format: _Format = None,  # noqa: A002 - likewise
    compress: Literal["zstd", "lz4", "gzip", "lzma", "zlib"] | None = None,
    valid: Callable[[Any, StoredResult], bool] | None = None,
    mode: str | None = None,
) -> CacheFile: ...


def cache_file(
    cache_dir: str | os.PathLike[str] | Callable[..., object] | None = None,
    *,
    version: str | float | None = None,
    env_vars: list[str] | tuple[str, ...] = (),
    depends_on_files: list[str | Path] | tuple[str | Path, ...] = (),
    depends_on_vars: list[str] | tuple[str, ...] | dict[str, object] = (),
    changes: list[str] | tuple[str, ...] = (),
    file_args: list[str] | tuple[str, ...] | None = None,
    ignore_args: list[str] | tuple[str, ...] = (),
    ignore_globals: list[str] | tuple[str, ...] = (),
    ignore_code: list[str] | tuple[str, ...] = (),
    keep_args: bool = True,
    max_bytes: str | float | None = None,
    keep: int = 16,
    trusted_owners: list[int | str] | tuple[int | str, ...] = (),
    signing_key: str | bytes | None = None,
    umask: int | str | None = None,
    verbose: bool = False,
    warn_cheap: bool = True,
    observe_code: bool | Literal["exact"] = True,
    observe: bool = True,
    ignore_files: list[str] | tuple[str, ...] = (),
    outputs: list[str] | tuple[str, ...] = (),
    unseen: Literal["warn", "ok", "error"] = "warn",
    max_age: str | float | timedelta | None = None,
    digest: dict[str | type, Callable[..., object]] | None = None,
    cache_errors: Iterable[type[Exception]] | dict[type[Exception], float] = (),
    on_error: Literal["raise", "stale"] = "raise",
    collect: bool = False,
    remote: str | os.PathLike[str] | list[str] | tuple[str, ...] | None = None,
    trust_remote: bool = False,
    upload: Literal["now", "background"] = "now",
    format: str | ValueFormat | None = None,  # noqa: A002 - the name that users know
    compress: Literal["zstd", "lz4", "gzip", "lzma", "zlib"] | None = None,
    valid: Callable[..., bool] | None = None,
    mode: str | None = None,
    **unknown: object,
) -> CacheFile | Callable[..., object]:
    """Cache a function's results on disk, and use one again only if nothing that it depended on has changed.

    Call it for a decorator, ``cached = cache_file("cache")``, and use that for as many functions as you like. A
    decorated function is called as before, and takes three more keywords: ``f(x, _force=True)`` runs again and
    stores, ``f(x, _skip_save=True)`` runs and does not store, ``f(x, _load=False)`` runs instead of
    loading. It also answers questions; see ``help(f.explain)``, ``help(f.is_cached)``, ``help(f.key)`` and
    ``help(f.clear)``.

    Parameters
    ----------
    cache_dir : str or os.PathLike, optional
        Where results are stored; made if it does not exist. Many functions share one. By default
        `cache_default_dir`: ``CACHEPY_DIR``, else ``.cachepy`` in the working directory.
    version : str or number, optional
        Change it to say that the function's meaning has changed.
    env_vars : list of str, default ()
        Environment variables whose values count.
    depends_on_files : list of str or os.PathLike, default ()
        Files and directories whose contents count at each call.
    depends_on_vars : list of str, or dict, default ()
        Globals whose values count although the code does not name them; of another module as ``"module.name"``.
        A dict says the values themselves: ``{"schema": "v3"}``.
    changes : list of str, default ()
        Parameters whose objects the body changes in place, as in ``changes=["self"]``. Their new state is stored
        beside the result, and put into the caller's objects at a hit.
    file_args : list of str, optional
        The only parameters that are looked at for files; by default all are. A text such as ``"D03"``
        names a file once there is one of that name.
    ignore_args : list of str, default ()
        Parameters that do not count at all: a logger, but not the path of an output, which says which file to write.
    ignore_globals : list of str, default ()
        Globals that the code reads but whose values do not matter: a counter, a memo.
    ignore_code : list of str, default ()
        Functions, classes and modules whose code does not matter to the result: ``"draw"``, ``"Plot.draw"``,
        ``"plots.draw"``, or ``"plots.*"`` for a module and those below it. Cached functions among them count as ever.
    keep_args : bool, default True
        Keep the arguments beside the result (up to 256 KB; results of other calls count nothing), so that a stale
        call can be made again by itself: then its callers need not run if its result is what it was. Turn it off
        for arguments that must not be written to disk, such as passwords.
    max_bytes : str or number, optional
        Hold the entries of this cache directory below a size: ``"50 GB"``, or a number of bytes. After a result was
        stored, older results go first, then what was used least recently. Of functions that share a directory the
        smallest size counts. Also ``CACHEPY_MAX_BYTES``.
    keep : int, default 16
        How many results of one call are kept: the newest, and older ones for files or code that may come back.
    trusted_owners : list of str or int, default ()
        Other users (names or numbers) whose entries in this cache directory are loaded; ``["*"]``: anybody's.
        Without it only one's own are, since loading an entry can run code. Also ``CACHEPY_TRUSTED_OWNERS=ann,bob``.
    signing_key : str or bytes, optional
        Sign entries with this key (16 characters or more; ``"@file"`` reads it from a file), and load none that is
        not signed with it. Better kept out of the source, in ``CACHEPY_SIGNING_KEY``.
    umask : str or int, optional
        Share the cache directory on purpose: ``"007"`` with its group. By default it is private. Also
        ``CACHEPY_UMASK``.
    verbose : bool, default False
        Say each decision with its cause: on the logger ``cachepy``, at level INFO, or, where nobody set logging up,
        on stderr.
    warn_cheap : bool, default True
        Warn, once, if the function runs faster than its stored result is checked and loaded.
    observe_code : bool or "exact", default True
        From Python 3.12 on: whether code counts that ran although the function's code does not lead to it, as a plugin
        that is found by a text. ``"exact"``: likewise, and functions that did not run count by their names and
        parameters alone.
    observe : bool, default True
        Whether files count that the body opens, lists or looks for, and those that it writes are outputs, though nobody
        declares them.
    ignore_files : list of str, default ()
        Patterns (``"*.log"``, ``"status/*"``) of files that do not count although the body reads or writes them.
    outputs : list of str, default ()
        Parameters that name files which the body writes by a library that is not seen to do so.
    unseen : {"warn", "ok", "error"}, default "warn"
        What is said of a body whose result depends on what cannot be compared later: the network, random numbers
        without a seed, what a user types, the clock. ``"error"`` refuses such a result.
    max_age : str, number or timedelta, optional
        A result that is older is stale: ``"90s"``, ``"15 min"``, ``"12h"``, ``"7d"``, ``"2w"``, a number of seconds.
        ``"today"`` holds until midnight, of another time zone as ``"today Europe/Berlin"``. Another age runs nothing
        again that is young enough for it.
    digest : dict, optional
        What stands for an argument: functions by parameters or types, ``{"model": lambda m: m.name, Model: fn}``. What
        they return is digested in place of it; they count by their code. See `register_digest` for a whole program.
    cache_errors : iterable or dict of exception types, default ()
        Exceptions that are stored for a time, an hour or the seconds that a dict says (``{TimeoutError: 600}``), and
        raised again meanwhile. An edit makes the call run again sooner, as for a result.
    on_error : {"raise", "stale"}, default "raise"
        What happens where the body raises. ``"stale"``: the newest result that is stored of this call is given, with a
        `StaleResultWarning`, and no caller is stored with it.
    collect : bool, default False
        Of a generator function: store all its items as a list. A call then gives an iterator over these.
    remote : str, os.PathLike or list, optional
        Where results lie besides, for machines that share no disk: an address such as ``"s3://bucket/prefix"``, of any
        kind that fsspec knows. What is not in `cache_dir` is looked for there, and kept; what runs is sent there. Of
        several all are read, and the last is written.
    trust_remote : bool, default False
        Results from there are loaded without a signature, which can run the code of who stored them. Without it,
        `signing_key` has to be set.
    upload : {"now", "background"}, default "now"
        Whether a call that ran waits until its result is sent. At the end of the program all has been.
    format : {"parquet", "feather", "npy", "zarr", "json", "text"} or object, optional
        Store results in a form that other programs read, in files below ``values`` in the cache directory; ``outfile``
        of a node in the graph says which. Or an object with ``write(value, path)``, ``read(path)`` and maybe a
        ``suffix``. Each result is read back once and compared; what the form cannot hold is pickled, with a warning.
    compress : {"zstd", "lz4", "gzip", "lzma", "zlib"}, optional
        Store results in less space. Older ones are read whatever this says, as with `format`.
    valid : callable, optional
        A test of your own: ``valid(result, info)`` is asked each time before a stored result is used, with a
        `StoredResult`. If it gives false, the call runs again. An edit of the test makes nothing stale.
    mode : {"off", "readonly", "required", "refresh"}, optional
        What calls of this function do, as `using` says for a block: where the program has no mode of its own.
    **unknown
        There are no others: an option that is none of these is an error.

    Returns
    -------
    decorator or function
        A decorator; used as ``@cache_file``, without parentheses, the decorated function. It has the signature and
        the docstring of the function, which itself is ``f.__wrapped__``. A decorator can be called with options
        for one with these changed: ``@cached(version="2")``.

    Raises
    ------
    UsageError
        For an option that does not exist or has a wrong type, and for what cannot be cached: a generator function
        without `collect`, a class, a function that is not written in Python.
    UsageValueError
        For an option whose value cannot be: an empty directory, a parameter that the function does not have.
    UnseenInputError
        At a call, with ``unseen="error"``.

    Warns
    -----
    CacheWarning
        When the cache cannot do its part; the value is right all the same. `UncachedCallWarning`,
        `CacheReadWarning`, `CacheWriteWarning`, `ChangedInputWarning`, `ChangedGlobalWarning`,
        `ChangedArgumentWarning`, `OpaqueGlobalWarning`, `UnseenInputWarning`, `CheapCallWarning`,
        `NeverReusedWarning` and `StaleResultWarning` say which.

    See Also
    --------
    track_file : Name a file that the body finds by itself.
    load_config : Options from a file.
    cache_prune : Delete old results.
    with_caller : Calls in thread and process pools.

    Notes
    -----
    *What counts as a change.* The arguments, by value, name the call; ``f(1)`` and ``f(1.0)`` are two. A stored
    result holds as long as these are what they were: the function's code and all code of yours that it reaches,
    the globals that this code reads, its files, `env_vars`, `depends_on_files` and `depends_on_vars`, `version`,
    the versions of the packages that it uses and of Python (3.11 to 3.12), and all of that for each cached call that
    it made. Comments, docstrings and formatting do not count. The newest 16 results of a call are kept (`keep`), so
    going back to an earlier state of files or code is a hit.

    *Files.* An argument that is a path, or a text that names an existing file or directory, counts by the content
    of the file. A file that the body finds by itself is named by `track_file`. A file that the body writes is no
    input: name only the inputs in `file_args`, so that its path counts as a plain argument, and call `track_file` on
    it after writing, so that a lost output is written again.

    *What can be cached.* Functions, ``async def`` functions, and methods (``self`` counts by its state; put
    ``@classmethod`` or ``@staticmethod`` above). Arguments and results have to be picklable; else the body runs, with a
    warning. What a body does besides returning and writing tracked files (printing, sending) does not happen at a hit.
    Exceptions go through, and nothing is stored.

    *Threads, processes, Dask.* Calls may be made from all of them at once, in one cache directory: one runs a call,
    the others wait for it. On a Dask cluster use ``dask_plugin``.

    *Cost.* A hit takes about five microseconds when it is repeated in a process, and some more for each file, call
    below and megabyte of arguments; a run about a tenth of a millisecond more than the body. So cache what takes
    milliseconds or more.

    Examples
    --------
    >>> from cachepy import cache_file
    >>> cached = cache_file("cache")
    >>> @cached
    ... def square(x):
    ...     print("computing")
    ...     return x * x
    >>> square(3), square(3)
    computing
    (9, 9)
    >>> square.is_cached(3), square.is_cached(4)
    (True, False)
    >>> square(3, _force=True)
    computing
    9

    Leave out what does not matter:

    >>> @cached(ignore_args=["log"])
    ... def scaled(x, log):
    ...     log("computing")
    ...     return 10 * x
    >>> scaled(3, print), scaled(3, None)
    computing
    (30, 30)
    """
    given = dict(locals())
    defaults = cache_file.__kwdefaults__ or {}
    options = {k: v for k, v in given.items() if k != "unknown" and v is not defaults.get(k, MISSING)} | unknown
    if callable(cache_dir) or isinstance(cache_dir, (classmethod, staticmethod)):
        del options["cache_dir"]
        made: Callable[..., object] = wrap(cache_dir, Options(**options))
        return made
    return CacheFile(**options)


def wrap(fn: Any, options: Options) -> Any:
    """Make the cached function."""
    if isinstance(fn, (classmethod, staticmethod)):
        return type(fn)(wrap(fn.__func__, options))
    if isinstance(fn, MethodType):  # its object counts by its state, as `self` does
        return Bound(wrap(fn.__func__, options), fn.__self__)
    if isinstance(fn, partial):
        return Partial(wrap(fn.func, options), *fn.args, **fn.keywords)
    fn = _callable_of(fn)
    if _is_callable_object(fn):  # by its state, likewise
        return Partial(wrap(type(fn).__call__, options), fn)
    check_function(fn, collect=options.collect)
    call = CachedCall(fn, options)
    wrapper = _async_wrapper(call) if call.is_async else _wrapper(call)
    if options.folds:
        from cachepy.calls.folding import unfolding  # most functions give what is stored

        wrapper = unfolding(call, wrapper)
    return attach(wrapper, call)


def _is_callable_object(fn: Any) -> bool:
    """Whether an instance is called by a method written in Python; Dask's and our own stand for something else."""
    if type(fn) is _FUNCTION or isinstance(fn, type) or not callable(fn):
        return False
    called = type(fn).__call__
    if hasattr(fn, "no_such_name_of_it"):  # a mock, or another one that answers to any name
        return False
    return type(called) is _FUNCTION and type(fn).__module__.partition(".")[0] not in _STANDS_FOR_OTHERS


def _callable_of(fn: Any) -> Any:
    """A compiled function (of numba) as a function: it counts by the code that it was made of."""
    source = None if type(fn) is _FUNCTION else getattr(fn, "py_func", None)
    if type(source) is not _FUNCTION or not callable(fn):
        return fn

    def compiled(*args: Any, **kwargs: Any) -> Any:
        return compiled.made_of[source](*args, **kwargs)  # type: ignore[attr-defined]  # set below

    _dress(compiled, source)
    compiled.made_of = {source: fn}  # type: ignore[attr-defined]  # not in the closure: it may have no digest
    return compiled


def attach(wrapper: Any, call: CachedCall) -> Any:
    """Hang the questions on the wrapper."""
    _dress(wrapper, call.fn)
    questions = Questions(call)
    wrapper.__cachepy__ = call
    for name in HUNG_ON:
        setattr(wrapper, name, getattr(questions, name))
    for name in TOLD:
        if name not in wrapper.__dict__:
            setattr(wrapper, name, getattr(questions, name))
    call.wrapper = wrapper
    current_session().functions.add(call)
    program.has(call.options.cache_dir, call.options)
    join_class(wrapper)
    return wrapper


def _dress(wrapper: Any, fn: Any) -> None:
    """What `functools.update_wrapper` does, whose import would cost a program more than its first hit."""
    for name in _WORN:
        if hasattr(fn, name):
            setattr(wrapper, name, getattr(fn, name))
    if getattr(fn, "__annotate__", None) is not None:  # Python 3.14: evaluated when somebody asks
        wrapper.__annotate__ = fn.__annotate__
    elif hasattr(fn, "__annotations__"):
        wrapper.__annotations__ = fn.__annotations__
    wrapper.__dict__.update(fn.__dict__)
    wrapper.__wrapped__ = fn


def _wrapper(call: CachedCall) -> Any:
    # all names that are needed when Python ends, which takes those of modules away, the builtin ones too
    quick, look, fn, missing, hit = call.quick, call.look, call.body, MISSING, Hit
    is_finalizing, any_error = sys.is_finalizing, Exception

    def cached(*args: Any, **kwargs: Any) -> Any:
        try:
            value = quick(args, kwargs)
            if value is not missing and (value is not None or not is_finalizing()):
                return value
            if is_making():
                return fn(*args, **kwargs)
            found = look(args, kwargs)
        except any_error:
            if not is_finalizing():
                raise
            return fn(*args, **kwargs)
        return found.value if isinstance(found, hit) else found.run(args, kwargs)

    return cached


def _async_wrapper(call: CachedCall) -> Any:
    async def cached(*args: Any, **kwargs: Any) -> Any:
        if is_making():
            return await call.body(*args, **kwargs)
        found = call.look(args, kwargs)
        return found.value if isinstance(found, Hit) else await found.run_async(args, kwargs)

    return cached
