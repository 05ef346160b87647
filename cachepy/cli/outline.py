"""The graph as an indented tree of calls, for a terminal or a pipe.

Does not recurse: trees may be thousands of calls deep.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    Line = tuple[str, str, str, str]  # what stands before, the state, the label, what stands behind

DEEP = 40  # levels that are indented; below, the level is written as a number
_FANCY, _SIMPLE = ("├─ ", "└─ ", "│  ", "   "), ("|- ", "`- ", "|  ", "   ")


class Outline:
    """The lines of a tree; of many calls beside each other those that are not fresh come first.

    most: calls shown below one caller, None: all.

    >>> nodes = {"top": {"children": ["a", "b"]}, "a": {"children": []}, "b": {"children": []}}
    >>> for line in Outline(nodes, {"b": "stale"}, 1, fancy=False).lines(["top"], str): print(line)
    ('', 'fresh', 'top', '')
    ('|- ', 'stale', 'b', '')
    ('`- ', '', '... 1 more: 1 fresh (--all shows them)', '')
    """

    def __init__(
        self, nodes: Mapping[str, Mapping[str, Any]], states: Mapping[str, str], most: int | None, *, fancy: bool = True
    ) -> None:
        self.nodes = nodes
        self.states = states
        self.most = most
        self._branch, self._last, self._down, self._blank = _FANCY if fancy else _SIMPLE
        self._dots = "…" if fancy else "..."
        self._shown: set[str] = set()

    def lines(self, roots: Iterable[str], label: Callable[[str], str]) -> Iterator[Line]:
        """Every line of the trees below the roots; a call that was shown before is not unfolded again."""
        todo: list[tuple[str, str, int, str]] = self._below(list(roots), "", -1)
        while todo:
            call, before, level, rest = todo.pop()
            if rest:
                yield before, "", rest, ""
                continue
            children = self.nodes[call]["children"]
            again = call in self._shown and bool(children)
            yield before, self.states.get(call, "fresh"), label(call), "(above)" if again else ""
            if call not in self._shown:
                self._shown.add(call)
                todo += self._below(children, before, level)

    def _below(self, calls: list[str], before: str, level: int) -> list[tuple[str, str, int, str]]:
        """The next lines, last one first: they are taken from the end."""
        shown, rest = self._chosen(calls)
        entries = [(call, "") for call in shown] + ([("", rest)] if rest else [])
        stem = before.replace(self._branch, self._down).replace(self._last, self._blank)
        found = []
        for at, (call, text) in enumerate(entries):
            sign = "" if level < 0 else self._last if at == len(entries) - 1 else self._branch
            place = stem + sign if level < DEEP else f"{self._blank * DEEP}[{level + 1}] "
            found.append((call, place, level + 1, text))
        return found[::-1]

    def _chosen(self, calls: list[str]) -> tuple[list[str], str]:
        if self.most is None or len(calls) <= self.most:
            return calls, ""
        order = sorted(calls, key=lambda c: self.states.get(c, "fresh") == "fresh")
        states = [self.states.get(c, "fresh") for c in order[self.most :]]
        counts = ", ".join(f"{states.count(s):,} {s}" for s in sorted(set(states), reverse=True))
        return order[: self.most], f"{self._dots} {len(states):,} more: {counts} (--all shows them)"
