"""What was put in the place of code of Python's or of a library, so that files are seen, and what it stands for.

Whoever describes code asks here first: digests are the same whether files are watched or not.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_replaced: dict[int, tuple[Any, Any]] = {}  # by id: what stands there, which keeps the id its own, and the original


def register(stand_in: Any, original: Any) -> None:
    """Say that one thing stands for another: functions, classes, code objects."""
    _replaced[id(stand_in)] = stand_in, original


class Stand:
    """Stands for an argument: by what a function gives of it, and by the code of that function."""

    __slots__ = ("fn", "value")

    def __init__(self, fn: Any, value: Any) -> None:
        self.fn = fn
        self.value = value


def original(obj: Any) -> Any:
    """What an object stands for; itself if it stands for nothing else."""
    found = _replaced.get(id(obj))
    return obj if found is None else found[1]


def keys_of(table: dict[Any, Any] | list[Any], held: Mapping[int, Any]) -> list[Any]:
    """Where a table, or the names of a module, has some objects; held: by their ids."""
    if held.keys().isdisjoint(map(id, list(table.values() if type(table) is dict else table))):
        return []
    return [key for key, each in list(table.items() if type(table) is dict else enumerate(table)) if id(each) in held]


class Watched:
    """Stands in the place of a builtin function; no descriptor, so that in a class it is none either, as the builtin.

    plain: the function; module: where it stands; sights: who hears of it, by where it was called; told: calls it, and
    tells them.
    """

    def __init__(self, plain: Any, module: str, sights: Callable[[Any], Any], told: Callable[..., Any]) -> None:
        self.__wrapped__ = plain
        self.__name__: str = plain.__name__
        self.__qualname__: str = plain.__qualname__
        self.__doc__: str | None = plain.__doc__
        self.__text_signature__: str | None = getattr(plain, "__text_signature__", None)
        self.__self__: Any = getattr(plain, "__self__", None)
        self.__module__ = module
        self._sights = sights
        self._told = told
        register(self, plain)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __reduce__(self) -> str:
        return self.__qualname__

    def __eq__(self, other: object) -> bool:  # `os.stat in os.supports_dir_fd` asks a set of the functions
        return original(other) is self.__wrapped__

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            at = sys._getframe(1)
        except ValueError:  # the interpreter calls it where no Python code runs, as for the lines of a traceback
            return self.__wrapped__(*args, **kwargs)
        sights = self._sights(at)
        return self._told(self.__wrapped__, sights, at, args, kwargs) if sights else self.__wrapped__(*args, **kwargs)
