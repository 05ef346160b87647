"""`submit` and `map`: futures of cached calls, under keys that tell which stored result they are."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from distributed import futures_of

from dask_plugin.pruning import call_in, look
from dask_plugin.wrapper import with_caller

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from distributed import Client, Future

_OPTIONS = frozenset({
    "key", "workers", "resources", "retries", "priority", "fifo_timeout", "allow_other_workers", "actor", "actors",
    "pure", "batch_size",
})  # fmt: skip

R = TypeVar("R")


def submit(client: Client, fn: Callable[..., R], *args: object, **kwargs: object) -> Future[R]:
    """``client.submit`` for a cached function: it carries the caller, and looks what is stored first.

    Dask takes a result that it still holds for the right one if function and arguments are the same. Here it does so
    only while that result is a verified hit. After an edit of a file, of code or of whatever counts, the call is made
    again, whoever holds a future of it.

    Parameters
    ----------
    client : distributed.Client
        Where it runs.
    fn : callable
        A cached function; of any other this is ``client.submit(with_caller(fn), ...)``.
    *args : object
        Its arguments; futures too.
    **kwargs : object
        Its keywords, and those of ``client.submit`` (``retries``, ``workers``, ...). With ``key`` or ``pure`` Dask goes
        by these.

    Returns
    -------
    distributed.Future
        Of the result.

    See Also
    --------
    map : The same for many calls.
    prune : The same for lazy calls.

    Examples
    --------
    >>> from distributed import Client
    >>> from cachepy import cache_file
    >>> from dask_plugin import connect, submit
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> with Client(n_workers=1, processes=False, dashboard_address=None) as client:
    ...     with connect(client):
    ...         submit(client, square, 4).result()
    16
    """
    bound = _carried(fn)
    options: dict[str, Any] = {"key": _key(bound, args, kwargs), **kwargs}
    return client.submit(bound, *args, **options)


def map(  # noqa: A001 - named as the method of the client
    client: Client, fn: Callable[..., R], *iterables: Collection[object], **kwargs: object
) -> list[Future[R]]:
    """``client.map`` for a cached function, as `submit` does it.

    Parameters
    ----------
    client : distributed.Client
        Where they run.
    fn : callable
        A cached function; of any other this is ``client.map(with_caller(fn), ...)``.
    *iterables : collection
        The arguments of the calls.
    **kwargs : object
        Keywords of every call, and those of ``client.map``. With ``key`` or ``pure`` Dask goes by these.

    Returns
    -------
    list of distributed.Future
        Of the results, in the order of the arguments.

    See Also
    --------
    submit : The same for one call.

    Examples
    --------
    >>> from distributed import Client
    >>> from cachepy import cache_file
    >>> from dask_plugin import connect, map
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> with Client(n_workers=1, processes=False, dashboard_address=None) as client:
    ...     with connect(client):
    ...         client.gather(map(client, square, [1, 2, 3]))
    [1, 4, 9]
    """
    bound, rows = _carried(fn), [*zip(*iterables, strict=False)]
    keys = [_key(bound, row, kwargs) for row in rows]
    options: dict[str, Any] = {"key": keys, **kwargs} if rows and None not in keys else kwargs
    columns = [*builtins.map(list, zip(*rows, strict=True))] if rows else [[]]
    return client.map(bound, *columns, **options)


def _carried(fn: Callable[..., R]) -> with_caller[..., R]:
    return fn if isinstance(fn, with_caller) else with_caller(fn)


def _key(bound: with_caller[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """The key of a task: of a hit that of its stored run, so that a future that is held can serve; else a new one.

    None where Dask's own is as good.
    """
    if call_in(bound) is None or not {"key", "pure", "actor", "actors"}.isdisjoint(kwargs):
        return None
    given = {name: value for name, value in kwargs.items() if name not in _OPTIONS}
    hit = None if futures_of([args, given]) else look(bound, args, given)
    frame = bound.caller()
    made_by = "" if frame is None else f"-{frame.run}"
    return f"{bound.__name__}-{uuid4() if hit is None else f'{hit.event.id}-{hit.event.run}'}{made_by}"
