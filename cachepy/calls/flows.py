"""Which arguments may be results of other calls: too common a value says nothing."""

from __future__ import annotations

from cachepy.values.label import CONTAINERS, TRIVIAL
from cachepy.values.paths import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

SHORT = 64  # a shorter str or bytes is too common to tell where it came from
_ENOUGH, _MUCH = 5, 20  # bits of numbers together, and at most of one
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


def numbers_in(value: Any) -> list[tuple[Any, Any]]:
    """The numbers of a list, tuple, dict or array, by their places, if they tell enough to be known again.

    Two zeros could be of any call: as many bits as three small numbers have is the least.
    """
    cls = type(value)
    if cls is list or cls is tuple:
        items = list(enumerate(value)) if len(value) <= _ITEMS else []
    elif cls is dict:
        items = list(value.items()) if len(value) <= _ITEMS and {*map(type, value)} <= {str, int} else []
    elif cls.__module__ == "numpy" and cls.__name__ == "ndarray" and value.ndim == 1 and value.size <= _ITEMS:
        items = list(enumerate(value)) if value.dtype.kind in "iuf" else []
    else:
        return []
    is_told = len(items) > 1 and all(map(_is_number, {type(item) for _, item in items}))
    return items if is_told and sum(map(_bits, {float(item) for _, item in items})) >= _ENOUGH else []


def _is_number(cls: type) -> bool:
    if cls is int or cls is float:
        return True
    return cls.__module__ == "numpy" and cls.__name__.startswith(("int", "uint", "float"))


def _bits(value: float) -> int:
    """How much a number tells."""
    return min(int(abs(value)).bit_length(), _MUCH) if value.is_integer() else _MUCH
