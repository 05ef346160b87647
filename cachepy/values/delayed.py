"""Canonical form of `dask.delayed` objects: by what they would compute, not by the names of their tasks.

Dask gives most tasks a new name in each process.  Reached only through such an object, so that importing Dask here
costs nothing new.
"""

from __future__ import annotations

import sys

from cachepy.values.references import form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.values.writing import ValuePickler


def delayed_rule(value: Any, _: ValuePickler) -> Any:
    """The tasks that lead to its result, numbered in the order in which they are met."""
    spec: Any = sys.modules.get("dask._task_spec")
    if spec is None:  # before Dask 2024.12
        return form("delayed by name", value.key)
    graph = _Graph(spec, spec.convert_legacy_graph(dict(value.__dask_graph__())))
    return form("delayed", graph.tasks_from(value.key), getattr(value, "_length", None))


class _Graph:
    """Tasks by name, and the numbers of those that were met."""

    def __init__(self, spec: Any, tasks: dict[Any, Any]) -> None:
        self.spec = spec  # Dask's module of tasks
        self.tasks = tasks
        self.numbers: dict[Any, int] = {}

    def tasks_from(self, key: Any) -> list[Any]:
        self._number(key)
        found: list[Any] = []
        while len(found) < len(self.numbers):
            found.append(self._plain(self.tasks[[*self.numbers][len(found)]]))
        return found

    def _number(self, key: Any) -> Any:
        return form("task", self.numbers.setdefault(key, len(self.numbers)))

    def _plain(self, part: Any) -> Any:
        """A task, or a part of one, with numbers in place of names."""
        spec = self.spec
        if isinstance(part, (spec.TaskRef, spec.Alias)):
            return self._number(part.target if isinstance(part, spec.Alias) else part.key)
        if isinstance(part, spec.DataNode):
            return form("data", part.value)
        if isinstance(part, spec.NestedContainer):
            return form(type(part).__name__, self._all(part.args), self._all(part.kwargs))
        if isinstance(part, spec.Task):
            return form("call", part.func, self._all(part.args), self._all(part.kwargs))
        return self._all(part) if type(part) in (list, tuple, dict) else part

    def _all(self, parts: Any) -> Any:
        if isinstance(parts, dict):
            return {name: self._plain(part) for name, part in parts.items()}
        return type(parts)(map(self._plain, parts or ()))
