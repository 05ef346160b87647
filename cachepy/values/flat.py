"""Streams of values that are a few numbers and texts: most arguments and many results.

`marshal` in version 2 writes them without looking at identity or interning, and sets in order.  It would
take an array for bytes, so the types are looked at first.  Also tells which streams of pickle may hold a nan.
"""

from __future__ import annotations

from _operator import ne
from marshal import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MARSHAL = 2  # the last version without references, the first with binary floats
NUMBERS = frozenset({int, float, complex, bool, type(None)})
TEXTS = frozenset({str, bytes})
LEAVES = NUMBERS | TEXTS
COMPOSED = frozenset({list, tuple, dict})
_ORDERED = LEAVES - {complex}
_MOST = 64  # parts; of more, pickling costs less than looking at their types
SHORT = 4096  # bytes of a container that counts as a whole; such are searched sooner than `re` is imported
_OPCODE = rb"[(.0-2F-GI-NP-VXa-e}g-jl\]o-u)CB\x80-\x8b]"  # of the protocols up to 3
# The end of a negative integer (J): there at worst a nan of unusual bits is overlooked, and counts as another value.
_NEGATIVE = rb"(?<=JG..).%b|(?<=J.G..)%b" % (_OPCODE, _OPCODE)
_NAN = rb"(?s)G[\x7f\xff](?:\xf0(?!\0{6})|[\xf1-\xff])(?!%b).{6}%b" % (_NEGATIVE, _OPCODE)


def flat_stream(value: Any) -> bytes | None:
    """The canonical bytes of a value of few parts that are numbers, texts and plain containers, without nan; else None.

    Never empty, and the first byte is below 128, where no stream of a pickler starts.

    >>> flat_stream((3, "abc")) == flat_stream((3.0, "abc"))
    False
    >>> flat_stream([range(3)]), flat_stream(float("nan"))
    (None, None)
    """
    try:
        if type(value) is tuple and len(value) <= _MOST and LEAVES.issuperset(map(type, value)):
            data = dumps(value, MARSHAL)
            return None if (b"\x7f" in data or b"\xff" in data) and True in map(ne, value, value) else data
        if _left(value, _MOST) < 0:
            return None
        data = dumps(value, MARSHAL)
    except ValueError:  # a text of 2 GB
        return None
    return None if b"\x7f" in data or b"\xff" in data else data  # the last byte of a nan is one of them


def short_stream(value: Any) -> bytes | None:
    """As `flat_stream`, but of a container only if it is short: a longer one is composed of its parts."""
    data = flat_stream(value)
    return data if data is None or is_short(value, data) else None


def is_short(value: Any, stream: bytes) -> bool:
    """Whether a flat value counts as a whole: any but a container with a long stream."""
    return len(stream) <= SHORT or type(value) in LEAVES


def _left(value: Any, most: int) -> int:
    """How many parts fewer than `most` a value has, each as often as it occurs; below 0: more, or others."""
    cls = type(value)
    if cls is list or cls is tuple:
        parts = value
    elif cls is dict:
        parts = (*value, *value.values()) if len(value) <= most else value
    elif cls is set or cls is frozenset:  # written in order
        return most - len(value) if len(value) <= most and _ORDERED.issuperset(map(type, value)) else -1
    else:
        return most if cls in LEAVES else -1
    left = most - len(parts)
    if left < 0 or LEAVES.issuperset(map(type, parts)):
        return left
    for part in parts:
        if type(part) not in LEAVES:
            left = _left(part, left)
            if left < 0:
                break
    return left


def may_have_nan(data: bytes) -> bool:
    """Whether a stream of pickle looks as if there were a nan in it: surely if there is one."""
    if b"G" not in data or not (b"\x7f" in data or b"\xff" in data):
        return False
    if len(data) < SHORT:
        return b"G\x7f" in data or b"G\xff" in data
    import re

    return re.search(_NAN, data) is not None


def has_no_nan(value: Any) -> bool:
    """Whether the value, or each item of a short tuple, is or holds nothing but numbers and texts, and surely no nan.

    Only of a value of numbers, texts and plain containers: no code of a user's class may run here.  In the
    stream of many random floats something always looks like a nan.
    """
    return all(map(_has_no_nan, value if type(value) is tuple and len(value) <= _MOST else (value,)))


def _has_no_nan(value: Any) -> bool:
    cls = type(value)
    if cls is dict:
        value = [*value, *value.values()]
    elif cls is not list and cls is not tuple:
        return bool(value == value)
    try:
        total = sum(value)
        return bool(total == total)  # that of infinities may be nan too
    except (TypeError, OverflowError):  # there are texts; large numbers
        kinds = {*map(type, value)}
        return kinds <= LEAVES and (float not in kinds or True not in map(ne, value, value))
