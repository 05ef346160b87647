"""How records, answers and functions show themselves at a prompt and in a notebook, and which version says so.

What draws them stands above all others; it is put in here by ``cachepy/__init__``, and loaded when somebody looks.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

version = ""
_views: dict[str, Callable[[Any], Any]] = {}


def show_by(**views: Callable[[Any], Any]) -> None:
    """From now on these show what they are named after."""
    _views.update(views)


def shown(view: str, what: object) -> Any:
    """What a view makes of something."""
    return _views[view](what)
