"""`prune`: what is a verified hit is taken out of a graph of Dask tasks before that is submitted.

The tasks are walked in order.  A cached call whose arguments are known is looked up here: by their values where these
are short, else by their digests (see `cachepy.calls.glance`).  A task that is left is given the short results that it
takes.  A long one stays a task, to be loaded where it is needed; what that one took in turn goes along as `Kept`, so
that nothing else is loaded.
"""

from __future__ import annotations

from collections import ChainMap
from operator import getitem
from typing import TYPE_CHECKING, Any, TypeGuard

from dask._task_spec import (
    Alias,
    DataNode,
    GraphNode,
    NestedContainer,
    Task,
    TaskRef,
    _is_dask_future,
    convert_legacy_graph,
)
from dask.core import flatten
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

from cachepy.calls.context import with_caller
from cachepy.calls.glance import Found, glance
from cachepy.core.current import enter, here, leave
from cachepy.core.revision import MISSING
from cachepy.values.composed import Known
from dask_plugin.wrapper import call_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cachepy.calls.engine import CachedCall
    from cachepy.core.call import Hit

_PLAIN = frozenset({tuple, list, dict, getitem})  # what Dask itself puts between calls
_CONTAINERS = (list, tuple, dict)
_DEEPEST = 50  # results that are kept inside each other; below it a task takes the result of another as ever


class Kept(Known):
    """A long result that is stored, as an argument of a task; where it is not stored, it is made again.

    depth: how many of them lie inside each other.
    """

    value: Any = MISSING  # once it was made

    def __init__(self, digest: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.digest = digest
        self.func = func
        self.args = args
        self.kwargs = kwargs
        below = [each.depth for each in _known_in([*args, *kwargs.values()]) if isinstance(each, Kept)]
        self.depth: int = 1 + max(below, default=0)

    def make(self) -> Any:
        """The result: stored, or made again, once for all who take it."""
        if self.value is MISSING:
            self.value = recalled(self.func, *self.args, **self.kwargs)
        return self.value


def recalled(func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a cached function some of whose arguments are `Kept`: they are made only if the call is no hit."""
    if not (hasattr(func, "has_other_code") and func.has_other_code()):
        hit = look(func, args, kwargs, loads_all=True)
        if hit is not None:
            return hit.value
    return func(*[_made(each) for each in args], **{name: _made(each) for name, each in kwargs.items()})


def _made(value: Any) -> Any:
    """A value with what is kept in it; its containers as they are where they hold nothing of that kind."""
    if isinstance(value, Kept):
        return value.make()
    if type(value) not in _CONTAINERS or not any(_known_in([value])):
        return value
    if type(value) is dict:
        return {key: _made(each) for key, each in value.items()}
    return type(value)([_made(each) for each in value])


def _known_in(values: Iterable[Any]) -> Iterator[Known]:
    """What stands for long results in values and their containers."""
    for value in values:
        if isinstance(value, Known):
            yield value
        elif type(value) in _CONTAINERS:
            yield from _known_in(value.values() if type(value) is dict else value)


def _evaluated(node: Any, known: Mapping[Any, Any]) -> Any:
    """An argument of a task, by the results that are known; LookupError if only running something tells it."""
    if isinstance(node, TaskRef):
        return known[node.key]
    if isinstance(node, Alias):
        return known[node.target]
    if isinstance(node, NestedContainer):
        return node.constructor([_evaluated(each, known) for each in node.args])
    if isinstance(node, Task):
        if node.func not in _PLAIN or node.kwargs:
            raise LookupError(node)
        return node.func(*[_evaluated(each, known) for each in node.args])
    value = node.value if isinstance(node, DataNode) else node
    if hasattr(value, "__dask_graph__") or _is_dask_future(value):
        raise LookupError(node)
    return value


def call_in(func: Any) -> CachedCall | None:
    """The cached function that a task calls."""
    return call_of(func.fn if isinstance(func, with_caller) else func)


def look(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, loads_all: bool = False) -> Hit | None:
    """A verified hit of a task that is a cached call, as made by whom the task names as its caller."""
    call, is_carried = call_in(func), isinstance(func, with_caller)
    if call is None:
        return None
    token = enter(func.caller() or here()) if is_carried else None
    try:
        return glance(call, args, kwargs, loads_all=loads_all)
    finally:
        if token is not None:
            leave(token)


class Pruning:
    """One graph of tasks, and what is known of their results without a cluster.

    known: key -> the result, in which long ones stand as `Found`; long: the keys of those in which there is one.
    """

    def __init__(self, graph: Mapping[Any, Any], wanted: Iterable[Any]) -> None:
        self.graph = convert_legacy_graph(graph)
        self.wanted = list(wanted)
        self.known: dict[Any, Any] = {}
        self.long: set[Any] = set()
        self.has_hits = False
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
        if not node.dependencies <= self.known.keys():
            return
        task = node if _is_call(node) else None
        try:
            hit = None if task is None else look(task.func, *_arguments(task, self.known))
            value = _evaluated(node, self.known) if task is None else MISSING if hit is None else hit.value
        except Exception:  # of what Dask would meet as well, or cannot be told here
            return
        if value is MISSING:
            return
        self.known[key] = value
        self.has_hits |= task is not None
        if any(_known_in([value])):
            self.long.add(key)
            if task is not None and isinstance(value, Found):
                self._keep(key, task, value)

    def _keep(self, key: Any, node: Task, found: Found) -> None:
        """What is to stand for a long result in the arguments of other calls; none where too many would be nested."""
        below = node.dependencies & self.long
        if below <= self._kept.keys():
            args, kwargs = _arguments(node, ChainMap(self._kept, self.known))
            kept = Kept(found.digest, node.func, args, kwargs)
            if kept.depth <= _DEEPEST:
                self._kept[key] = kept

    def _kept_of(self, keys: Iterable[Any]) -> dict[Any, Kept]:
        return {each: self._kept[each] for each in keys if each in self._kept}

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
        node: GraphNode = self.graph[key]
        if key not in self.known:
            return node
        if key not in self.long:
            return DataNode(key, self.known[key])
        kept = self._kept_of(node.dependencies) if isinstance(self.known[key], Found) else {}
        if not kept or not _is_call(node):
            return node
        given = node.substitute({each: DataNode(None, value) for each, value in kept.items()})
        return Task(key, recalled, node.func, *given.args, **given.kwargs)


def _is_call(node: GraphNode) -> TypeGuard[Task]:
    """Whether a node of a graph calls something that is not Dask's own."""
    return isinstance(node, Task) and not isinstance(node, NestedContainer) and node.func not in _PLAIN


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
