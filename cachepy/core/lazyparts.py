"""Parts that are made, and imported, when somebody asks for them: most programs find all their results.

Also what lower rooms get from those above them, which they may not import: views, the session, a program's end.
``cachepy/__init__`` gives it, by names.

One lock for all: two threads get the same part.
"""

from __future__ import annotations

import os
from _thread import RLock, get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from functools import cached_property
    from typing import Any

    part = cached_property

else:

    class Generic:
        """Tells type checkers only: `typing` costs more than a start."""

        def __class_getitem__(cls, _: object) -> type:
            return cls


making = RLock()
_makers: list[int] = []  # threads in the midst of making a part; one may be there twice

if not TYPE_CHECKING:

    class part:  # noqa: N801 - a decorator, as `functools.cached_property`, whose import costs more than a hit
        """A method that makes an attribute: its value stands in its place from then on."""

        def __init__(self, make: Callable[[Any], Any]) -> None:
            self._make = make
            self._name = make.__name__
            self.__doc__ = make.__doc__

        def __get__(self, whole: Any, owner: type | None = None) -> Any:
            if whole is None:
                return self
            with making:
                made = vars(whole)
                if self._name not in made:
                    me = get_ident()
                    _makers.append(me)
                    try:
                        made[self._name] = self._make(whole)
                    finally:
                        _makers.remove(me)
                return made[self._name]


def is_made(whole: object, name: str) -> bool:
    """Whether somebody has asked for a part; asking this makes nothing."""
    return name in vars(whole)


def is_making() -> bool:
    """Whether this thread is in the midst of making a part: then it is a signal handler, or the like, that asks.

    What is half made cannot be used, and waiting for oneself takes for ever.
    """
    return bool(_makers) and get_ident() in _makers


def keep_forks_out() -> None:
    """A fork waits until no thread is in the midst of an import: its child would wait for that thread for ever."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=making.acquire, after_in_parent=making.release, after_in_child=making.release)


_given: dict[str, Callable[..., Any]] = {}


def give(**makers: Callable[..., Any]) -> None:
    """From now on these are there for those below."""
    _given.update(makers)


def get(name: str, *args: object) -> Any:
    """What one of them makes."""
    return _given[name](*args)


def later(home: str, name: str) -> Callable[..., Any]:
    """What stands in a module of the package, which is loaded when it is called."""

    def call(*args: object) -> Any:
        return getattr(__import__(f"cachepy.{home}", fromlist=[name]), name)(*args)

    return call
