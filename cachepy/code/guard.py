"""A cheap check that nothing which a code digest was computed from has changed.

Objects that cannot change in place are checked by identity, the others by digesting them again.
The check is one generated expression, so that a warm call does not walk code (ccache's and
salsa's rule: verifying must be much cheaper than computing).
"""

from __future__ import annotations

from cachepy.core.revision import MISSING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Guard:
    """Collects what must stay as it is; `build` turns it into one function.

    Examples
    --------
    >>> scope = {"n": 1}
    >>> guard = Guard(repr)
    >>> guard.item(scope, "n", scope["n"])
    >>> check = guard.build()
    >>> check()
    True
    >>> scope["n"] = 2
    >>> check()
    False
    """

    def __init__(self, digest: Callable[[Any], object]) -> None:
        self._terms: dict[str, None] = {}
        self._slow: dict[str, None] = {}
        self._scope: dict[str, Any] = {"M": MISSING, "D": digest, "ids": _ids}
        self._names: dict[int, str] = {}

    def _name(self, obj: object) -> str:
        name = self._names.get(id(obj))
        if name is None:
            name = self._names[id(obj)] = f"o{len(self._names)}"
            self._scope[name] = obj  # also keeps it alive, so that its id stays its own
        return name

    def item(self, scope: Any, key: Any, obj: object) -> None:
        """`scope` still maps `key` to this very object (MISSING: to nothing)."""
        name, text = self._name(scope), repr(key) if type(key) is str else self._name(key)
        term = f"{text} not in {name}" if obj is MISSING else f"{name}[{text}] is {self._name(obj)}"
        self._terms[term] = None

    def function(self, fn: Any) -> None:
        """The function has the same code, the same defaults and the same attributes."""
        name = self._name(fn)
        if fn.__kwdefaults__:
            self.values(fn.__kwdefaults__)
        hung = self._name(fn.__dict__)
        self._terms[f"tuple({hung}) == {tuple(fn.__dict__)!r}" if fn.__dict__ else f"not {hung}"] = None
        has_keywords = fn.__code__.co_kwonlyargcount or fn.__kwdefaults__  # without, their defaults mean nothing
        for attribute in ("__code__", "__defaults__", *(["__kwdefaults__"] if has_keywords else [])):
            value = getattr(fn, attribute)
            self._terms[f"{name}.{attribute} is {'None' if value is None else self._name(value)}"] = None

    def cell(self, cell: Any, obj: object) -> None:
        """The closure cell still holds this very object."""
        self._terms[f"{self._name(cell)}.cell_contents is {self._name(obj)}"] = None

    def cls(self, cls: type) -> None:
        """The class has the same bases and the same attributes, each the same object."""
        self.values(vars(cls))
        self._terms[f"{self._name(cls)}.__bases__ is {self._name(cls.__bases__)}"] = None

    def values(self, mapping: Any) -> None:
        """The mapping holds the same objects in the same order."""
        self._name(list(mapping.values()))
        self._terms[f"ids({self._name(mapping)}.values()) == {_ids(mapping.values())!r}"] = None

    def names(self, mapping: Any) -> None:
        """The mapping has the same keys in the same order."""
        self._terms[f"tuple({self._name(mapping)}) == {self._name(tuple(mapping))}"] = None

    def size(self, mapping: Any) -> None:
        """Nothing was put into the mapping, and nothing taken out."""
        self._terms[f"len({self._name(mapping)}) == {len(mapping)}"] = None

    def value(self, obj: object, digest: object) -> None:
        """An object that can change in place still has the same digest."""
        self._slow[f"D({self._name(obj)}) == {self._name(digest)}"] = None

    def true(self, check: Callable[[], bool]) -> None:
        """Another guard holds."""
        self._slow[f"{self._name(check)}()"] = None

    def build(self) -> Callable[[], bool]:
        """The check: True while all of it holds."""
        terms = [*self._terms, *self._slow] or ["True"]
        source = "def check():\n try: return " + " and ".join(terms) + "\n except Exception: return False"
        exec(source, self._scope)  # our own text: names o0, o1, ... and keys by repr
        check: Callable[[], bool] = self._scope["check"]
        return check


def _ids(values: Any) -> tuple[int, ...]:
    return tuple(map(id, values))
