"""`delayed` and `prune`: lazy calls that carry their caller, and of which only what is no hit is submitted."""

from __future__ import annotations

from typing import Any

from dask import config
from dask.base import tokenize, unpack_collections
from dask.delayed import Delayed, DelayedLeaf, call_function
from dask.delayed import delayed as _delayed

from cachepy.calls.context import with_caller as _with_caller
from cachepy.core.revision import MISSING
from dask_plugin.private import object_of, parts_of
from dask_plugin.pruning import Pruning, layered, pruning_of
from dask_plugin.settings import prunes
from dask_plugin.wrapper import with_caller


class CachedDelayed(Delayed):
    """A lazy result that need not be submitted if it is stored: see `delayed`."""

    __slots__ = ()

    def compute(self, *, prune: bool | None = None, **kwargs: Any) -> Any:
        """Compute the result, as `dask.delayed.Delayed.compute` does.

        Parameters
        ----------
        prune : bool, optional
            Whether verified hits are taken out before anything is submitted; a result that is stored is just loaded.
            By default as the setting ``cachepy.prune`` of `dask.config` says, which is False.
        **kwargs : object
            As for `dask.compute`.

        Returns
        -------
        object
            The result.
        """
        if not (prunes() if prune is None else prune):
            return super().compute(**kwargs)  # type: ignore[no-untyped-call]  # dask has no types here
        pruning = pruning_of(self)
        value = pruning.result(self.key)
        return self.without(pruning).compute(prune=False, **kwargs) if value is MISSING else value

    def without(self, pruning: Pruning) -> CachedDelayed:
        """The same with fewer tasks; itself, if none was a hit."""
        return self if not pruning.has_hits else _lazy(self, layered(self.dask, pruning.left()))

    def _rebuild(self, dsk: Any, *, rename: Any = None) -> CachedDelayed:
        return of_dask(super()._rebuild(dsk, rename=rename))  # type: ignore[no-untyped-call]  # dask has no types here


def of_dask(lazy: Delayed) -> CachedDelayed:
    """A lazy result of Dask's as one of ours."""
    return _lazy(lazy, lazy.dask)


def _lazy(like: Delayed, graph: Any) -> CachedDelayed:
    kind: Any = CachedDelayed  # dask has no types here
    made: CachedDelayed = kind(like.key, graph, *parts_of(like))
    return made


class CallerLeaf(DelayedLeaf):  # noqa: D101 - it shows the docstring of its function, as DelayedLeaf does
    __slots__ = ()  # captures its caller anew at each call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        bound = with_caller(object_of(self).fn)
        key = self.key
        if bound.frame is not None or self._is_pure(kwargs):  # a call below may have been edited since this was made
            key = f"{self._obj.__name__}-{tokenize(bound, self._nout, pure=True)}"
        return of_dask(call_function(bound, key, args, kwargs, pure=self._pure, nout=self._nout))

    def _is_pure(self, kwargs: dict[str, Any]) -> bool:
        pure = kwargs.get("pure", self._pure)
        return bool(config.get("delayed_pure", False) if pure is None else pure)

    @property
    def __doc__(self) -> Any:  # type: ignore[override]  # as in dask
        return self._obj.__doc__

    @property
    def __wrapped__(self) -> Any:
        return self._obj.fn


def delayed(
    obj: object, name: str | None = None, pure: bool | None = None, nout: int | None = None, traverse: bool = True
) -> Any:
    """`dask.delayed` that also carries the caller: takes what it takes, and gives the same.

    Parameters
    ----------
    obj : object
        What becomes lazy: a cached function, or whatever `dask.delayed` takes. Only functions carry a caller.
    name : str, optional
        The key in Dask's graph; as in `dask.delayed`.
    pure : bool, optional
        Whether equal arguments give one task; as in `dask.delayed`.
    nout : int, optional
        How many results can be unpacked; as in `dask.delayed`.
    traverse : bool, default True
        Whether lazy objects are looked for inside containers; as in `dask.delayed`.

    Returns
    -------
    dask.delayed.Delayed
        Its ``compute()`` runs it on the cluster, or by a local scheduler. With ``compute(prune=True)``, or
        ``connect(client, prune=True)`` before it, only what is not stored is submitted.

    See Also
    --------
    with_caller : The same for ``submit``, ``map`` and bags.

    Examples
    --------
    >>> from cachepy import cache_file
    >>> from dask_plugin import delayed
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> delayed(sum)([delayed(square)(x) for x in (1, 2, 3)]).compute(scheduler="sync")
    14
    """
    if not callable(obj) or isinstance(obj, (Delayed, type)):
        return _delayed(obj, name=name, pure=pure, nout=nout, traverse=traverse)
    bound = obj if isinstance(obj, _with_caller) else with_caller(obj)
    leaf = _delayed(bound, name=name, pure=pure, nout=nout, traverse=False)
    made: Any = CallerLeaf
    return made(object_of(leaf), leaf.key, pure=pure, nout=nout)


def prune(*collections: object) -> tuple[Any, ...]:
    """Take out of Dask collections all cached calls that are verified hits, before they are submitted.

    Each cached call whose arguments are known is looked up in its cache directory, from here. Calls that hold leave the
    graph, and so does all that only they needed. What is left gets their short results as data. A long result stays a
    task, which loads it on a worker. The graph of calls is the same as without: hits are recorded here.

    Parameters
    ----------
    *collections : dask collections
        `Delayed` objects, bags, arrays, frames, or lists and dicts of them, as `dask.optimize` takes them.

    Returns
    -------
    tuple
        The same collections with fewer tasks. Where no call was a hit, it is the very object that was given.

    See Also
    --------
    delayed : Its objects do this at once: ``delayed(f)(x).compute(prune=True)``.

    Notes
    -----
    The cache directory has to be readable from here. What holds is told by the code, the packages and the environment
    of this process: it needs those that the workers have.

    Examples
    --------
    >>> from cachepy import cache_file
    >>> from dask_plugin import delayed, prune
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> @cache_file("cache")
    ... def add(numbers):
    ...     return sum(numbers)
    >>> total = delayed(add)([delayed(square)(x) for x in (1, 2, 3)])
    >>> total.compute(scheduler="sync")
    14
    >>> (pruned,) = prune(total)
    >>> len(total.__dask_graph__()), len(pruned.__dask_graph__())
    (4, 1)
    """
    found, repack = unpack_collections(*collections)
    return tuple(repack([_pruned(each) for each in found]))


def _pruned(collection: Any) -> Any:
    """One collection with fewer tasks."""
    pruning = pruning_of(collection)
    if not pruning.has_hits:
        return collection
    if isinstance(collection, Delayed):
        return of_dask(collection).without(pruning)
    rebuild, arguments = collection.__dask_postpersist__()
    return rebuild(layered(collection.__dask_graph__(), pruning.left()), *arguments)
