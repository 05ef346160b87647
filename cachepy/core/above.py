"""What lower rooms get from those above them, which they may not import: views, the session, a program's end.

``cachepy/__init__`` puts it in here, by names; it is loaded when somebody asks for it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

version = ""
_given: dict[str, Callable[..., Any]] = {}


def give(**makers: Callable[..., Any]) -> None:
    """From now on these are there for those below."""
    _given.update(makers)


def get(name: str, *args: object) -> Any:
    """What one of them makes."""
    return _given[name](*args)
