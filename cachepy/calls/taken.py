"""What the task of a call takes from other tasks of a cluster: which parts of its arguments that is, told by digests.

A number by itself says nothing of where it is from; among what the few calls gave that one task goes by, it does.  What
is found in no argument was made into something else by a task that is not cached, so the call goes by all of it.
"""

from __future__ import annotations

from _contextvars import ContextVar

from cachepy.graph.handed import BETWEEN, HANDED, handed_in, is_between, joined
from cachepy.graph.numbers import NUMBERS_OF

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from cachepy.core.hooks import Hooks
    from cachepy.core.ports import Handed as Port
    from cachepy.graph.handed import Part

    Calls = Sequence[Sequence[str]]  # of each call its id, and the digest of what it gave
    Group = tuple[bool, Calls]  # whether the task hands on each result as it is; its calls

MOST = 1000  # calls that stand behind one task, and items of an argument that are looked at
_MOST_BETWEEN = 10_000  # edges that the calls of one task get because of tasks that lie between

known_before: ContextVar[Sequence[Group]] = ContextVar("cachepy_known_before", default=())
"""What a task takes that was known before it was submitted."""


def taken(hooks: Hooks) -> Port | None:
    """What the task that runs here takes; None if it is none, or takes nothing of a call."""
    groups, handed = known_before.get(), hooks.handed()
    return handed if not groups else Handed(groups) if handed is None else handed.plus(groups)


class Handed:
    """What one task takes, by the tasks that it takes it from, in the order in which its arguments name them.

    Dask fuses tasks: then results go from call to call within one. They are added as these end.
    """

    def __init__(self, groups: Iterable[Group]) -> None:
        self._groups = list(groups)
        self._by_result: dict[str, list[str]] = {}
        self._own: dict[str, dict[str, str]] = {}  # function -> result -> call, in the order of their first calls
        self._left = _MOST_BETWEEN
        for _, calls in self._groups:
            for call, result in calls:
                self._by_result.setdefault(result, []).append(call)

    def plus(self, groups: Iterable[Group]) -> Handed:
        """The same with more that it takes."""
        made = Handed([*groups, *self._groups])
        made._own = self._own
        return made

    def add(self, call: str, result: str) -> None:
        """A call of this task has ended, and one of Dask's own functions may hand on what it gave."""
        self._own.setdefault(function_of(call), {})[result] = call

    def note(
        self, call: str, named: Iterable[tuple[str, Any]], args: dict[str, str], digest: Callable[[Any], str]
    ) -> None:
        """Add what the arguments of a call are to its digests of arguments."""
        own = self._before(call)
        if not (self._by_result or own):
            return
        used: set[str] = set()
        for name, value in named:
            parts = self._parts(name, value, args, digest, own, used)
            if parts:
                args[name + HANDED] = joined(parts)
                if len(parts) == _size_of(value):  # each number has its own edge
                    args.pop(name + NUMBERS_OF, None)
        between = self._between(used)
        if between:
            args[BETWEEN + HANDED] = joined(between)

    def renewed(self, args: dict[str, str]) -> dict[str, str] | None:
        """The same digests of arguments for a hit, if what lies behind tasks in between gives something else by now."""
        if BETWEEN + HANDED not in args:
            return None
        used = {call for name, call, _ in handed_in(args) if not is_between(name)}
        told = [text for name, text in args.items() if not name.endswith(HANDED)]
        used.update(call for _, calls in self._groups for call, result in calls if any(result in text for text in told))
        between = joined(self._between(used))
        return {**args, BETWEEN + HANDED: between} if between not in ("", args[BETWEEN + HANDED]) else None

    def _before(self, call: str) -> list[dict[str, str]]:
        """What the functions gave that this task called first before that of a call, the last of them first."""
        names = list(self._own)
        function = function_of(call)
        names = names[: names.index(function)] if function in self._own else names
        return [self._own[name] for name in reversed(names)]

    def _parts(
        self,
        name: str,
        value: Any,
        args: dict[str, str],
        digest: Callable[[Any], str],
        own: list[dict[str, str]],
        used: set[str],
    ) -> list[Part]:
        found: list[Part] = []
        for place, item in _places(value):
            part = f"{name}[{place}]" if place else name
            known = args.get(part)
            result = known or digest(item)
            calls = self._by_result.get(result) or [each[result] for each in own if result in each]
            if not calls:
                continue
            giver = next((call for call in calls if call not in used), calls[0])
            used.add(giver)
            if known is None:  # of what is not, the graph finds the giver by itself
                found.append((place, giver, result))
            if not place:
                break
        return found

    def _between(self, used: set[str]) -> list[Part]:
        """What is in no argument as it was given, though the task takes it."""
        rest: set[tuple[str, str]] = set()
        for hands_on, calls in self._groups:
            if not hands_on or used.isdisjoint(call for call, _ in calls):
                rest.update((call, result) for call, result in calls if call not in used)
        if len(rest) > self._left:
            return []
        self._left -= len(rest)
        return [(str(at), call, result) for at, (call, result) in enumerate(sorted(rest))]


def function_of(call: str) -> str:
    """The name of the function in the id of a call."""
    return call.rpartition(":")[0]


def _size_of(value: Any) -> int | None:
    return len(value) if type(value) in (list, tuple, dict) else None


def _places(value: Any) -> Iterator[tuple[str, Any]]:
    """An argument as a whole, and the items of a list, tuple or dict."""
    yield "", value
    if 0 < (_size_of(value) or 0) <= MOST:
        yield from ((repr(key), item) for key, item in (value.items() if type(value) is dict else enumerate(value)))
