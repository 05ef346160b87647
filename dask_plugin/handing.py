"""Whose results a task takes: the scheduler knows, and tells the worker in the annotations of the task.

So it is there when the task begins, wherever that is, and when it begins again; workers without cachepy look nowhere
for it.  A task without a cached call hands on what it takes itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cachepy.calls.taken import MOST, Handed
from dask_plugin.private import Alias, Task, TaskRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Calls = list[tuple[str, str]]  # of each call its id, and the digest of what it gave
    Group = tuple[bool, Calls]  # whether the task hands on each result as it is; its calls

_NAME = "cachepy"  # of the annotation: name of a task -> its group


def hand_on(task: Any, calls: Mapping[str, tuple[str, str, bool]], takers: Iterable[Any]) -> None:
    """A task is in memory: on the scheduler, tell those that take its result which calls are behind it."""
    given = [(call, result) for call, (_, result, _) in calls.items()][:MOST]
    group = bool(given) and all(each[2] for each in calls.values()), given or behind(_groups_of(task).values())
    for taker in takers if group[1] else ():  # each has annotations of its own, and may take from thousands
        if taker.annotations is None:
            taker.annotations = {}
        groups = taker.annotations[_NAME] = _groups_of(taker)
        groups[str(task.key)] = group


def behind(groups: Iterable[Group]) -> Calls:
    """The calls of several tasks, each once."""
    return list({(call, result): None for _, calls in groups for call, result in calls})[:MOST]


def handed_to(task: Any) -> Handed:
    """On a worker: what a task takes."""
    groups = _groups_of(task)
    return Handed(groups[key] for key in in_order(task.run_spec, groups))


def in_order(node: object, names: Iterable[str]) -> list[str]:
    """Names of tasks in the order in which a node of a graph names them, the others behind."""
    wanted, found = set(names), dict[str, None]()
    todo = [node]
    while todo and len(found) < len(wanted):
        each = todo.pop()
        key = str(each.key if isinstance(each, TaskRef) else each.target if isinstance(each, Alias) else "")
        if key in wanted:
            found[key] = None
        if isinstance(each, Task):
            todo += [*reversed([*each.args, *each.kwargs.values()])]
    return [*found, *sorted(wanted - found.keys())]


def is_of_dask(task: Any) -> bool:
    """On a worker: whether the function of a task is one of Dask's own, which passes on what it gets from others."""
    module = getattr(getattr(task.run_spec, "func", None), "__module__", None) or ""
    return module.startswith(("dask.", "distributed."))


def _groups_of(task: Any) -> dict[str, Group]:
    found = (task.annotations or {}).get(_NAME)
    return found if isinstance(found, dict) else {}
