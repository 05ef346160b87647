"""`prune`: what is a verified hit is taken out of a graph of Dask tasks before that is submitted.

The tasks are walked in order.  A cached call whose arguments are known is looked up here: by their values where these
are short, else by their digests (see `cachepy.calls.glance`).  A task that is left is given the short results that it
takes.  A long one stays a task, to be loaded where it is needed: one of no other task, as all that it took goes along
(see `Kept`).
"""

from __future__ import annotations

from collections import ChainMap
from contextlib import suppress
from functools import partial
from operator import getitem
from types import MethodType
from typing import TYPE_CHECKING, Any, TypeGuard

from dask.core import flatten
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer
from distributed import Future

from cachepy.calls.context import with_caller
from cachepy.calls.glance import Found, glance
from cachepy.calls.taken import known_before
from cachepy.core.current import enter, here, leave
from cachepy.core.revision import MISSING
from cachepy.values.bound_methods import Bound
from cachepy.values.composed import Known
from dask_plugin.handing import behind, in_order
from dask_plugin.private import Alias, DataNode, GraphNode, NestedContainer, Task, TaskRef, convert_legacy_graph
from dask_plugin.wrapper import call_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cachepy.calls.engine import CachedCall
    from cachepy.core.call import Hit
    from dask_plugin.handing import Group

    Called = tuple[CachedCall, tuple[Any, ...], dict[str, Any]]

_NOTHING: Mapping[str, Any] = {}
_PLAIN = tuple, list, dict, getitem  # what Dask itself puts between calls
_DEEPEST = 50  # results that are kept inside each other; below it a task takes the result of another as ever


class Kept(Known):
    """A long result that is stored, as an argument of a call; where it is not stored, it is made again.

    task: the call that gives it; given: the results that this takes, by the keys of tasks; depth: how many of these lie
    inside each other.
    """

    value: Any = MISSING  # once it was made

    def __init__(self, digest: str, task: Task, given: dict[Any, Any]) -> None:
        self.digest = digest
        self.task = task
        self.given = given
        self.depth: int = 1 + max((each.depth for each in given.values() if isinstance(each, Kept)), default=0)


class Taking:
    """The function of a task that is left, with whose results it takes: the tasks that gave them are not submitted."""

    def __init__(self, func: Callable[..., Any], groups: list[Group]) -> None:
        self.func = func
        self.groups = groups

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = known_before.set(self.groups)
        try:
            return self.func(*args, **kwargs)
        finally:
            known_before.reset(token)


def recalled(kept: Kept) -> Any:
    """The result: loaded, or made again, once for all that take it; only then what it takes is loaded."""
    if kept.value is MISSING:
        func, given = kept.task.func, kept.given
        args, kwargs = _arguments(kept.task, given)
        is_other = hasattr(func, "has_other_code") and func.has_other_code()
        hit = None if is_other else look(func, args, kwargs, loads_all=True)
        if hit is None:
            made = {key: recalled(each) if isinstance(each, Kept) else each for key, each in given.items()}
            args, kwargs = _arguments(kept.task, made)
        kept.value = func(*args, **kwargs) if hit is None else hit.value
    return kept.value


def _evaluated(node: Any, known: Mapping[Any, Any]) -> Any:
    """An argument of a task, by the results that are known; LookupError if only running something tells it."""
    if isinstance(node, TaskRef):
        return known[node.key]
    if isinstance(node, Alias):
        return known[node.target]
    if isinstance(node, NestedContainer):
        return node.constructor([_evaluated(each, known) for each in node.args])
    if isinstance(node, Task):
        if not _is_plain(node.func) or node.kwargs:
            raise LookupError(node)
        return node.func(*[_evaluated(each, known) for each in node.args])
    value = node.value if isinstance(node, DataNode) else node
    if hasattr(value, "__dask_graph__") or isinstance(value, Future):
        raise LookupError(node)
    return value


def _is_plain(func: Any) -> bool:
    return any(func is each for each in _PLAIN)  # it may have no hash


def call_in(func: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = _NOTHING) -> Called | None:
    """The cached function that a task calls, with all its arguments: also by a method or a partial."""
    if isinstance(func, with_caller):
        return call_in(func.fn, args, kwargs)
    if isinstance(func, (Bound, MethodType)):
        return call_in(func.__func__, (func.__self__, *args), kwargs)
    if isinstance(func, partial):
        return call_in(func.func, (*func.args, *args), {**func.keywords, **kwargs})
    call = call_of(func)
    return None if call is None else (call, args, dict(kwargs))


def look(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, loads_all: bool = False) -> Hit | None:
    """A verified hit of a task that is a cached call, as made by whom the task names as its caller."""
    called, is_carried = call_in(func, args, kwargs), isinstance(func, with_caller)
    if called is None:
        return None
    token = enter(func.caller() or here()) if is_carried else None
    try:
        return glance(*called, loads_all=loads_all)
    finally:
        if token is not None:
            leave(token)


def look_up(task: object, known: Mapping[Any, Any]) -> Hit | None:
    """A verified hit of a node of a graph, by the results that are known; None if there is none, whatever the cause."""
    if not isinstance(task, Task):
        return None
    try:
        return look(task.func, *_arguments(task, known))
    except Exception:  # of what cannot be told here
        return None


class Pruning:
    """One graph of tasks, and what is known of their results without a cluster.

    known: key -> the result, in which long ones stand as `Found`; long: the keys of those in which there is one;
    given: key -> the hits behind the result.
    """

    def __init__(self, graph: Mapping[Any, Any], wanted: Iterable[Any]) -> None:
        self.graph = convert_legacy_graph(graph)
        self.wanted = list(wanted)
        self.known: dict[Any, Any] = {}
        self.long: set[Any] = set()
        self.has_hits = False
        self.given: dict[Any, Group] = {}
        self._kept: dict[Any, Kept] = {}
        for key in self._in_order():
            self._look_at(key, self.graph[key])

    def _in_order(self) -> Iterator[Any]:
        """The keys that are needed, each behind those that it depends on."""
        seen: set[Any] = set()
        todo = [(key, False) for key in reversed(self.wanted)]
        while todo:
            key, is_ready = todo.pop()
            if is_ready:
                yield key
            elif key not in seen and key in self.graph:
                seen.add(key)
                todo.append((key, True))
                todo += [(each, False) for each in self.graph[key].dependencies]

    def _look_at(self, key: Any, node: GraphNode) -> None:
        taken = behind(filter(None, map(self.given.get, node.dependencies)))
        if taken and not (_is_call(node) and call_in(node.func)):
            self.given[key] = False, taken
        if not node.dependencies <= self.known.keys():
            return
        if not _is_call(node):
            with suppress(Exception):  # of what Dask would meet as well, or only running something tells
                self.known[key] = _evaluated(node, self.known)
                self.long.update([key] if node.dependencies & self.long else [])
            return
        hit = look_up(node, self.known)
        if hit is None:
            return
        self.has_hits = True
        self.known[key] = hit.value
        self.given[key] = False, [(hit.event.id, hit.event.trace.result)]
        if isinstance(hit.value, Found):
            self.long.add(key)
            self._keep(key, node, hit.value)

    def _keep(self, key: Any, task: Task, found: Found) -> None:
        """What may stand for a long result; nothing where too many would lie inside each other."""
        if not task.is_coro and task.dependencies & self.long <= self._kept.keys():
            known = ChainMap(self._kept, self.known)
            kept = Kept(found.digest, task, {each: known[each] for each in task.dependencies})
            if kept.depth <= _DEEPEST:
                self._kept[key] = kept

    def result(self, key: Any) -> Any:
        """The result of a task, loaded; `MISSING` if it has to be computed."""
        value = self.known.get(key, MISSING)
        return value.load() if isinstance(value, Found) else MISSING if key in self.long else value

    def left(self) -> dict[Any, GraphNode]:
        """The graph without what is known; short results stand in it as data."""
        made: dict[Any, GraphNode] = {}
        todo = list(self.wanted)
        while todo:
            key = todo.pop()
            if key not in made and key in self.graph:
                made[key] = self._node(key)
                todo += made[key].dependencies
        return made

    def _node(self, key: Any) -> GraphNode:
        if key in self._kept:
            return Task(key, recalled, self._kept[key])
        if key in self.known and key not in self.long:
            return DataNode(key, self.known[key])
        node: GraphNode = self.graph[key]
        given = {str(each): self.given[each] for each in node.dependencies & self.given.keys()}
        groups = [given[each] for each in in_order(node, given)]
        if groups and _is_call(node) and not node.is_coro:
            return Task(key, Taking(node.func, groups), *node.args, **node.kwargs)
        return node


def _is_call(node: GraphNode) -> TypeGuard[Task]:
    """Whether a node of a graph calls something that is not Dask's own."""
    return isinstance(node, Task) and not isinstance(node, NestedContainer) and not _is_plain(node.func)


def _arguments(node: Task, known: Mapping[Any, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    args = tuple([_evaluated(each, known) for each in node.args])
    return args, {name: _evaluated(each, known) for name, each in node.kwargs.items()}


def pruning_of(collection: Any) -> Pruning:
    """What is known of a collection."""
    return Pruning(dict(collection.__dask_graph__()), flatten(collection.__dask_keys__()))


def layered(before: Any, left: dict[Any, GraphNode]) -> Any:
    """What is left in the layers in which it was, so that annotations stay."""
    if not isinstance(before, HighLevelGraph):
        return left
    home = {key: name for name, layer in before.layers.items() for key in layer if key in left}
    layers: dict[str, dict[Any, GraphNode]] = {}
    for key, node in left.items():
        layers.setdefault(home[key], {})[key] = node
    needs = {name: {home[d] for node in layer.values() for d in node.dependencies if d in home} - {name}
             for name, layer in layers.items()}  # fmt: skip
    return HighLevelGraph(
        {name: MaterializedLayer(layer, annotations=before.layers[name].annotations) for name, layer in layers.items()},
        needs,
    )
