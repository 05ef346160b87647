"""Values that hold one part many times: `fold` keeps their streams short.

The stream writes each part as often as it occurs, so that equal values have equal streams whether
or not their parts are shared.  ``x = [x, x]``, 40 times, would never end.  A value that may be so
large goes as a copy of its outermost level in which each large part is replaced by its digest, and
each part is digested once.  Whether a value is large is judged by looking at a few of its parts: by
their places, never by their identity.
"""

from __future__ import annotations

from itertools import islice

from cachepy.values.builtin_normalizers import object_rule, state_of
from cachepy.values.references import form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

LARGE = 1 << 22  # parts; fewer are written out within a fraction of a second
_HEAVY = 1 << 12  # parts of a part that is replaced
_FEW = 100  # parts of a value that is small
_LOOK = 32  # parts of a container that are looked at
_TURNS = 4  # ways down
_DEEP = 1000  # steps down; a value may hold itself
_LONG = 1 << 12  # characters of a text that counts by its length
_BUILTIN = frozenset({list, tuple, dict})
_TEXT = frozenset({str, bytes})
_LEAVES = frozenset({int, float, complex, bool, str, bytes, type(None)})


def is_small(value: Any, rule_for: Callable[[type], Any]) -> bool:
    """Whether a value of containers has few parts, each as often as it occurs: most arguments are small."""
    todo, left = [value], _FEW
    for part in todo:
        cls = type(part)
        if cls in _BUILTIN:
            left -= len(part)
            if left < 0:
                return False
            todo += part.values() if cls is dict else part
        elif cls in _TEXT:
            left -= len(part) // _LONG
        elif cls not in _LEAVES and rule_for(cls)[0] is object_rule:
            return False
    return left >= 0


class Folded:
    """Stands for a large part: written as its digest."""

    def __init__(self, digest: str) -> None:
        self.digest = digest

    def __reduce__(self) -> tuple[Any, ...]:
        return form("folded", self.digest)


class Instance:
    """Stands for an object some of whose attributes are folded."""

    def __init__(self, cls: type, attributes: dict[str, Any]) -> None:
        self.cls = cls
        self.attributes = attributes

    def __reduce__(self) -> tuple[Any, ...]:
        return form("folded object", self.cls, self.attributes)


class Folder:
    """Replaces the large parts of one value by their digests.

    Parameters
    ----------
    rule_for : callable
        The rule for a class, as in `Digester`: only plain objects are looked into.
    digest : callable
        The digest of what `fold` returned.
    """

    def __init__(self, rule_for: Callable[[type], Any], digest: Callable[[Any], str]) -> None:
        self._rule_for = rule_for
        self._digest = digest
        self._known: dict[int, tuple[Any, Any]] = {}
        self._busy: set[int] = set()

    def spread(self, value: Any, enough: int = LARGE) -> float:
        """About how many parts a value has, each as often as it occurs; not more exactly than `enough`."""
        size, sample = self._look(value)
        if not self._nested(sample):
            return size
        most = 0.0
        for turn in range(_TURNS):
            most = max(most, self._descend(value, turn, enough))
            if most > enough:
                break
        return most

    def _descend(self, value: Any, turn: int, enough: int) -> float:
        times, most = 1.0, 0.0
        for step in range(_DEEP):
            size, sample = self._look(value)
            most = max(most, times * size)
            nested = self._nested(sample)
            if not nested or most > enough:
                break
            times *= size * len(nested) / len(sample)
            value = nested[(turn * 7 + step) % len(nested)] if turn else max(nested, key=_size)
        return most

    def _look(self, value: Any) -> tuple[int, Sequence[Any]]:
        """How many parts a value has, and some of them."""
        cls = type(value)
        if cls is list or cls is tuple:
            return len(value), value if len(value) <= _LOOK else value[:: len(value) // _LOOK]
        if cls is dict:
            return len(value), list(islice(value.values(), _LOOK))
        if cls in _TEXT:
            return len(value) >> 4, ()
        if self._rule_for(cls)[0] is object_rule:
            parts = [part for _, part in state_of(value)]
            return len(parts), parts
        return 1, ()

    def _nested(self, parts: Sequence[Any]) -> list[Any]:
        return [part for part in parts if self._has_parts(part)]

    def _has_parts(self, part: Any) -> bool:
        cls = type(part)
        if cls in _BUILTIN:
            return True
        return len(part) > _LONG if cls in _TEXT else self._rule_for(cls)[0] is object_rule

    def fold(self, value: Any) -> Any:
        """The value, or its outermost level with large parts replaced."""
        sample = self._nested(self._look(value)[1])
        if not any(self.spread(part, _HEAVY) > _HEAVY for part in sample):
            return value
        if type(value) is dict:
            return {key: self._part(part) for key, part in value.items()}
        if type(value) in _BUILTIN:
            return type(value)([self._part(part) for part in value])
        return Instance(type(value), {name: self._part(part) for name, part in state_of(value)})

    def is_deep(self, value: Any, most: int) -> bool:
        """Whether parts lie inside each other more than `most` deep; one that holds itself is not deep."""
        heights = {id(value): 1}
        path = [(value, iter(self._inside(value)))]
        kept = [value]  # so that an id stays its object's own
        while path:
            owner, parts = path[-1]
            part = next((p for p in parts if self._grows(p, owner, heights)), kept)
            if part is kept:
                path.pop()
                if path:
                    self._grows(owner, path[-1][0], heights)
                continue
            heights[id(part)] = 1
            kept.append(part)
            path.append((part, iter(self._inside(part))))
            if len(path) > most:
                return True
        return heights[id(value)] > most

    def _grows(self, part: Any, owner: Any, heights: dict[int, int]) -> bool:
        """Whether a part is new; the height of one that is known counts for its owner."""
        height = heights.get(id(part))
        if height is None:
            return True
        heights[id(owner)] = max(heights[id(owner)], height + 1)
        return False

    def _inside(self, value: Any) -> list[Any]:
        """The parts that may have parts themselves."""
        cls = type(value)
        try:
            if issubclass(cls, dict):
                parts = [*dict.keys(value), *dict.values(value)]
            elif issubclass(cls, (list, tuple, set, frozenset)):
                parts = list(value)
            else:
                parts = [p for _, p in state_of(value)] if self._rule_for(cls)[0] is object_rule else []
        except Exception:  # it has no digest then, which is found out later
            return []
        return [part for part in parts if type(part) not in _LEAVES]

    def _part(self, part: Any) -> Any:
        if not self._has_parts(part):
            return part
        mark = id(part)
        if mark not in self._known:
            if mark in self._busy:
                raise ValueError("it refers to itself")
            self._busy.add(mark)
            self._known[mark] = part, self._folded(part)
            self._busy.discard(mark)
        return self._known[mark][1]

    def _folded(self, part: Any) -> Any:
        heavy = self.spread(part, _HEAVY) > _HEAVY
        return Folded(self._digest(self.fold(part))) if heavy else part


def _size(part: Any) -> int:
    return len(part) if type(part) in _BUILTIN or type(part) in _TEXT else 0
