"""Patterns that bodies look up, by `glob` or ``Path.glob``: the names that they mean count, not those beside them."""

from __future__ import annotations

import glob
import os

from cachepy.calls.entry_points import Pick
from cachepy.calls.file_events import events, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.calls.entry_points import Picks


def _globbed(pathname: Any, root_dir: Any = None, dir_fd: Any = None) -> None:
    """`glob.glob` or `glob.iglob` is called."""
    pattern = text_of(pathname) if dir_fd is None else None
    if pattern is not None:
        events.match(os.path.join(glob.escape(text_of(root_dir) or ""), pattern))


def _globbed_below(self: Any, pattern: Any) -> None:
    """``Path.glob`` is called."""
    text = text_of(pattern)
    if text is not None:
        events.match(os.path.join(glob.escape(str(self)), text))


def _globbed_deep(self: Any, pattern: Any) -> None:
    """``Path.rglob`` is called."""
    text = text_of(pattern)
    if text is not None:
        events.match(os.path.join(glob.escape(str(self)), "**", text))


_OF_TEXT = (("pathname", 0), ("root_dir", -1), ("dir_fd", -1))
_OF_PATH = (("self", -1), ("pattern", 0))
PICKS: Picks = {
    "glob": [(name, [Pick(_globbed, _OF_TEXT)]) for name in ("glob", "iglob")],
    "pathlib": [
        ("Path.glob", [Pick(_globbed_below, _OF_PATH)]),
        ("Path.rglob", [Pick(_globbed_deep, _OF_PATH)]),
    ],
}
"""What is done at each call of theirs."""
