"""What was put in the place of a library's code for as long as files are watched, and what it stands for.

Whoever describes code asks here first: digests are the same whether files are watched or not.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_replaced: dict[int, tuple[Any, Any]] = {}  # by id: what stands there, which keeps the id its own, and the original


def register(stand_in: Any, original: Any) -> None:
    """Say that one thing stands for another: functions, classes, code objects."""
    _replaced[id(stand_in)] = stand_in, original


def original(obj: Any) -> Any:
    """What an object stands for; itself if it stands for nothing else."""
    found = _replaced.get(id(obj))
    return obj if found is None else found[1]
