"""A function of the standard library, or one written in C, that tells which files it is given: it stands in its place.

Whoever asks what it is hears of the function itself: it pickles as that, counts as that, and has its name.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


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

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __reduce__(self) -> str:
        return self.__qualname__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        at = sys._getframe(1)
        sights = self._sights(at)
        return self._told(self.__wrapped__, sights, at, args, kwargs) if sights else self.__wrapped__(*args, **kwargs)


def behind(obj: Any) -> Any:
    """What stands behind a function that tells of files; anything else as it is."""
    return obj.__wrapped__ if type(obj) is Watched else obj
