"""`with_caller`: tasks that know which cached call they were made by.

The caller is captured where the task is built, or at the latest where it is pickled, travels inside
the task, and is set where the task runs.  It is part of the token: two callers of one pure call are
two tasks, or one of them would lose its edge.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, ParamSpec, TypeVar

from dask.base import normalize_token

from cachepy.calls.carried_code import reach_of, whole_digest
from cachepy.calls.context import code_for_another
from cachepy.calls.context import with_caller as _with_caller
from cachepy.calls.engine import CachedCall
from cachepy.calls.state import came_along, current_session
from cachepy.core.current import enter, here, leave
from cachepy.values.bound_methods import Bound
from dask_plugin.worker import tell_other_code

_COROUTINE = 0x80
_other_functions = normalize_token.dispatch(FunctionType)

P = ParamSpec("P")
R = TypeVar("R")
Expected = tuple[str, str, bool]  # the digests of the function alone and of all below it; whether a client listens


class with_caller(_with_caller[P, R]):  # noqa: N801 - used as a function: client.submit(with_caller(f), x)
    """A callable that runs `fn` as called by the cached call in which it is made or sent off.

    For ``client.submit``, ``client.map``, ``bag.map``, ``map_partitions`` and executors. It also tells the worker
    which code the client has: a worker with another version says so (`OtherCodeWarning`) and does not store.

    Parameters
    ----------
    fn : callable
        A cached function, or any other that calls cached functions; ``async def`` too. It must be picklable.

    Raises
    ------
    UsageError
        If `fn` cannot be called.

    See Also
    --------
    delayed : The same for lazy calls.

    Examples
    --------
    >>> from distributed import Client
    >>> from cachepy import cache_file, cache_tree_nodes
    >>> from dask_plugin import connect, with_caller
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> with Client(n_workers=1, processes=False, dashboard_address=None) as client:
    ...     with connect(client):
    ...         client.gather(client.map(with_caller(square), [1, 2, 3]))
    [1, 4, 9]
    >>> len(cache_tree_nodes())
    3
    """

    def __init__(self, fn: Callable[P, R]) -> None:
        super().__init__(fn)
        self.expected: Expected | None = None
        self.mode = ""  # what the program that sent it does with its caches
        code = getattr(fn, "__code__", None)
        if code is not None and code.co_flags & _COROUTINE:
            self.__tornado_coroutine__ = True  # how distributed knows that the result is to be awaited

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if not self.mode:
            return self._run(*args, **kwargs)
        if hasattr(self, "__tornado_coroutine__"):
            return self._async_as_sent(args, kwargs)  # type: ignore[return-value]  # the coroutine that `fn` gives
        token = came_along.set(self.mode)
        try:
            return self._run(*args, **kwargs)
        finally:
            came_along.reset(token)

    async def _async_as_sent(self, args: Any, kwargs: Any) -> Any:
        token = came_along.set(self.mode)
        try:
            return await self._async(args, kwargs)
        finally:
            came_along.reset(token)

    def _run(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if hasattr(self, "__tornado_coroutine__"):
            return self._async(args, kwargs)  # type: ignore[return-value]  # the coroutine that `fn` gives
        if self.has_other_code():
            value: R = self._call().uncached().run(args, kwargs)
            return value
        return super().__call__(*args, **kwargs)

    async def _async(self, args: Any, kwargs: Any) -> Any:
        token = enter(self.caller() or here())
        try:
            if self.has_other_code():
                return await self._call().uncached().run_async(args, kwargs)
            told = code_for_another(self.frame, self.fn)
            try:
                return await self.fn(*args, **kwargs)  # type: ignore[misc]  # of a coroutine function
            finally:
                if told is not None:
                    told.tell()
        finally:
            leave(token)

    def _call(self) -> Any:
        return call_of(self.fn)

    def _digests(self) -> tuple[str, str]:
        session = current_session()
        return reach_of(session, self.fn).digest, whole_digest(session, self.fn)

    def has_other_code(self) -> bool:
        """Whether the client that sent this has another version of the function than this process.

        What differs only below it is stored as what it is, and a client that listens sees it in the records.
        """
        if self.expected is None:
            return False
        session, (want, want_whole, listens) = current_session(), self.expected
        is_same = reach_of(session, self.fn).digest == want
        if is_same and (listens or whole_digest(session, self.fn) == want_whole):
            return False
        tell_other_code(self._call().target.identity, want, listens=listens, is_stored=is_same)
        return not is_same

    def __dask_tokenize__(self) -> Any:
        frame = self.caller()
        code = normalize_token(self.fn)
        if self._call() is None:
            code = code, whole_digest(current_session(), self.fn)
        return "cachepy.with_caller", code, None if frame is None else frame.run

    def __reduce__(self) -> tuple[Any, ...]:
        expected = self.expected  # on its way through the scheduler it is pickled again
        if expected is None and self._call() is not None:
            expected = *self._digests(), current_session().hooks.is_heard()
        mode = self.mode or current_session().mode_here()
        return _restored, (super().__reduce__(), expected, *([mode] if mode else []))

    def __setstate__(self, state: Any) -> None:
        raise TypeError("with_caller is pickled without state")


def call_of(fn: Any) -> CachedCall | None:
    """What is behind a cached function; None of any other object."""
    call = getattr(fn, "__cachepy__", None)
    return call if isinstance(call, CachedCall) and call.wrapper is fn else None


def normalize_function(fn: Any) -> Any:
    """For Dask: two cached functions are one if all their code is, that of the cached functions below too."""
    call = call_of(fn)
    if call is None:
        return _other_functions(fn)
    return "cachepy", call.target.identity, str(call.options.root()), whole_digest(current_session(), fn)


normalize_token.register(FunctionType, normalize_function)
normalize_token.register(Bound, lambda bound: normalize_token(MethodType(bound.__func__, bound.__self__)))


def _restored(reduced: tuple[Any, ...], expected: Expected | None, mode: str = "") -> with_caller[..., Any]:
    make, arguments = reduced
    made: with_caller[..., Any] = make(*arguments)
    made.expected = expected
    if mode:
        made.mode = mode
        current_session().heed_modes()
    return made
