"""Patterns that bodies look up, by `glob` or ``Path.glob``: the names that they mean count, not those beside them."""

from __future__ import annotations

import os
import sys

from cachepy.calls.file_events import events, everywhere, text_of
from cachepy.values.stand_ins import Watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from cachepy.calls.file_events import Place


def _glob(plain: Any, sights: Any, _: Any, args: Any, kwargs: Any) -> Any:
    """`glob.glob` and `glob.iglob`."""
    pattern = text_of(args[0] if args else kwargs.get("pathname")) if kwargs.get("dir_fd") is None else None
    if pattern is not None:
        folder = _escaped(text_of(kwargs.get("root_dir")) or "")
        for sight in sights:
            sight.match(os.path.join(folder, pattern))
    return plain(*args, **kwargs)


def _of_path(plain: Callable[..., Any], *, is_deep: bool) -> Callable[..., Any]:
    """``Path.glob`` or ``Path.rglob``; a function, so that it is a method."""
    from functools import wraps

    @wraps(plain)
    def looks(self: Any, pattern: Any, *args: Any, **kwargs: Any) -> Any:
        sights = events.sights(sys._getframe(1))
        text = text_of(pattern) if sights else None
        if text is not None:
            below = os.path.join("**", text) if is_deep else text
            for sight in sights:
                sight.match(os.path.join(_escaped(str(self)), below))
        return plain(self, pattern, *args, **kwargs)

    return looks


def _escaped(folder: str) -> str:
    """A folder whose name has characters that mean something in a pattern."""
    from glob import escape

    return escape(folder)


def stand_ins() -> Iterator[Place]:
    """What to put where."""
    import glob
    import pathlib

    for name in ("glob", "iglob"):
        plain = vars(glob)[name]
        yield from everywhere(plain, Watched(plain, "glob", events.sights, _glob))
    for name in ("glob", "rglob"):
        yield pathlib.Path, name, _of_path(vars(pathlib.Path)[name], is_deep=name == "rglob")
