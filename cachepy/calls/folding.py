"""Functions that give something else than what is stored of them: generators, errors that are kept for a time.

`folded` is the body as the path of a call runs it, which returns what can be stored.  `unfolding` is what the user
calls: it makes of that what the function promises.  No other function passes here.
"""

from __future__ import annotations

import time

from cachepy.calls.raised import Raised
from cachepy.calls.state import OFF, REQUIRED, current_session
from cachepy.core.current import caller
from cachepy.core.frame import leave_in_doubt
from cachepy.errors import CachepyError, CacheWriteWarning, StaleResultWarning, UndigestableError
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any, Protocol

    from cachepy.calls.options import Options
    from cachepy.code.fingerprint import Target

    class Function(Protocol):
        """What is asked of a cached function."""

        fn: Any
        fname: str
        options: Options
        target: Target
        is_async: bool

        def request(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any: ...

    class CachedCall(Function, Protocol):
        """What is asked of one that is called."""

        def flags_of(self, kwargs: dict[str, Any]) -> object: ...

ASYNC_GENERATOR = 0x200


def folded(call: Function) -> Any:
    """The body: a list of a generator's items, a `Raised` of an error that is to be stored."""
    body = _collected(call.fn) if call.options.collect else call.fn
    return _catching(call, body) if call.options.cache_errors else body


def _collected(fn: Any) -> Any:
    if fn.__code__.co_flags & ASYNC_GENERATOR:

        async def collected_async(*args: Any, **kwargs: Any) -> list[Any]:
            return [item async for item in fn(*args, **kwargs)]

        return collected_async

    def collected(*args: Any, **kwargs: Any) -> list[Any]:
        return list(fn(*args, **kwargs))

    return collected


def _catching(call: Function, body: Any) -> Any:
    types = tuple(kind for kind, _ in call.options.cache_errors)
    if call.is_async:

        async def caught_async(*args: Any, **kwargs: Any) -> Any:
            try:
                return await body(*args, **kwargs)
            except types as error:
                return _stored(call, error)

        return caught_async

    def caught(*args: Any, **kwargs: Any) -> Any:
        try:
            return body(*args, **kwargs)
        except types as error:
            return _stored(call, error)

    return caught


def _stored(call: Function, error: Exception) -> Raised:
    """What stands for an error; the error itself goes on if it cannot be stored."""
    made = Raised.of(error)
    if made is None:
        current_session().warn(
            CacheWriteWarning,
            f"{type(error).__name__}, which {call.fname} raised, cannot be pickled, so this error was not stored",
            call.target.identity,
            type(error),
        )
        raise error
    return made


def seconds_for(call: Function, error: Exception) -> float:
    """How long an error is kept by what the decorator says now; 0: not at all."""
    return next((seconds for kind, seconds in call.options.cache_errors if isinstance(error, kind)), 0.0)


def may_raise(call: Function, raised: Raised) -> bool:
    """Whether a stored error may still be raised again: the decorator may have changed since."""
    return time.time() < raised.when + seconds_for(call, raised.error)


# ---------------------------------------------------------------- what the user calls


def unfolding(call: CachedCall, cached: Any) -> Any:
    """The function as its user knows it; cached: what gives the stored form."""
    if call.is_async:
        return _collecting_async(call, cached) if call.options.collect else _unfolding_async(call, cached)

    def unfolded(*args: Any, **kwargs: Any) -> Any:
        try:
            value = _unfolded(cached(*args, **kwargs))
        except Exception as error:
            value = _older_or_raise(call, args, kwargs, error)
        return iter(value) if call.options.collect else value

    return unfolded


def _unfolding_async(call: CachedCall, cached: Any) -> Any:
    async def unfolded_async(*args: Any, **kwargs: Any) -> Any:
        try:
            return _unfolded(await cached(*args, **kwargs))
        except Exception as error:
            return _older_or_raise(call, args, kwargs, error)

    return unfolded_async


def _collecting_async(call: CachedCall, cached: Any) -> Any:
    inner = _unfolding_async(call, cached)

    async def items(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        for item in await inner(*args, **kwargs):
            yield item

    return items


def _unfolded(value: Any) -> Any:
    if type(value) is Raised:
        raise value.to_raise()
    return value


def _older_or_raise(call: CachedCall, args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception) -> Any:
    """The newest result that is stored of this call, whether or not it holds; else the error."""
    session = current_session()
    is_own = isinstance(error, CachepyError)
    if call.options.on_error != "stale" or is_own or session.mode in (OFF, REQUIRED):
        raise error
    try:
        flags = dict(kwargs)
        call.flags_of(flags)
        request = call.request(args, flags)
    except (TypeError, UndigestableError):
        raise error from None
    stored = request.look()
    if stored is None:
        raise error
    for index, event in enumerate(stored.events):
        try:
            loaded = request.load(stored, index)
        except CachepyError:  # replaced meanwhile
            continue
        if loaded is None or type(loaded[0]) is Raised:
            continue
        frame = caller()
        if frame is not None:
            leave_in_doubt(frame)
        if loaded[1] is not None:
            loaded[1]()
        age = humanize.span(time.time() - event.created)
        session.warn(
            StaleResultWarning,
            f"{request.title} raised {type(error).__name__}: {error}. Its result of {age} ago is used instead",
            request.id,
            event.run,
            str(error),
        )
        return loaded[0]
    raise error
