"""Which arguments may be results of other calls: too common a value says nothing.

Imports label, paths.
"""

from __future__ import annotations

from cachepy.paths import plain
from cachepy.values.label import CONTAINERS, TRIVIAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

SHORT = 64  # a shorter str or bytes is too common to tell where it came from
_ITEMS = 1000  # of a longer list nobody looks where each item came from


def is_short(value: object) -> bool:
    """A short text."""
    return issubclass(type(value), (str, bytes)) and len(value) < SHORT  # type: ignore[arg-type]  # it has a length: str or bytes


def is_trivial(value: object) -> bool:
    """Too common a value to say from which call it came; so is one that raises when it is looked at."""
    try:
        return _is_trivial(value)
    except Exception:
        return True


def _is_trivial(value: Any) -> bool:
    if is_short(value):
        return True
    cls = type(value)  # isinstance would ask the value for its class
    if issubclass(cls, CONTAINERS):
        items = value.values() if issubclass(cls, dict) else value
        return len(value) < 2 and all(issubclass(type(v), TRIVIAL) or is_short(v) for v in items)
    return issubclass(cls, TRIVIAL) or hasattr(cls, "__fspath__")


def flowing(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What of an argument may be another call's result: itself, or the items of a list, tuple or dict."""
    if is_trivial(value):
        return
    yield name, value
    if type(value) in (list, tuple, dict) and len(value) <= _ITEMS and not plain(value):
        items = value.items() if type(value) is dict else enumerate(value)
        for at, (key, item) in enumerate(items):
            if not is_trivial(item):
                yield f"{name}[{_text_of(key, at)}]", item


def _text_of(key: object, at: int) -> str:
    try:
        return repr(key)
    except Exception:
        return f"item {at}"
