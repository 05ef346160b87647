"""Paths of `universal_pathlib`, which lead to other places than the disk; the package need not be loaded."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def is_far_path(value: Any) -> bool:
    """Whether it is one, or may be: of a file of the disk it has that path as its text."""
    return type(value).__module__.partition(".")[0] == "upath"
