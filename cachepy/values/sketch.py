"""A sketch of a value that takes long to digest: most changes of it show there, and making it takes little time.

Of arrays and frames some rows, of containers some items, of objects their attributes.
"""

from __future__ import annotations

from itertools import chain, islice

from cachepy.values.builtin_normalizers import attributes_of
from cachepy.values.flat import NUMBERS, TEXTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_DEPTH = 4
_ITEMS = 32
_PARTS = 256  # attributes or columns
_ROWS, _FEW = 1024, 128
_TEXT = 1 << 12
_SEQUENCES = frozenset({list, tuple})


def sketch(value: Any, digest: Callable[[Any], str], depth: int = _DEPTH) -> Any:
    """What can be compared with another sketch: two that differ are of values that differ."""
    cls = type(value)
    if cls in NUMBERS:
        return digest(value)
    if cls in TEXTS:
        return len(value), digest(value[:_TEXT] + value[-_TEXT:])
    if not depth:
        return cls
    inside = _inside(value, cls, digest)
    if inside is None:
        return cls
    named, told = inside
    return cls, told, [(name, sketch(part, digest, depth - 1)) for name, part in named]


def _inside(value: Any, cls: type, digest: Callable[[Any], str]) -> tuple[list[tuple[Any, Any]], Any] | None:
    """Parts to be looked into, by name, and what else can be told; None of what nothing can."""
    library = cls.__module__.partition(".")[0]
    if library == "numpy" and hasattr(value, "shape") and hasattr(value, "strides"):
        return [], (value.shape, str(value.dtype), digest(_some(value)) if value.ndim else digest(value))
    if library == "pandas" and hasattr(value, "iloc"):
        return [], (value.shape, digest(_some_rows(value)))
    if cls in _SEQUENCES:
        ends = chain(value[:_ITEMS], value[-_ITEMS:])
        return list(enumerate(ends)), len(value)
    if cls is dict:
        return [(digest(key), part) for key, part in islice(value.items(), _ITEMS)], len(value)
    attributes = attributes_of(value)
    size = len(value) if isinstance(value, (list, dict, set, bytearray)) else None
    return (attributes[:_PARTS], (len(attributes), size)) if attributes or size is not None else None


def _some(array: Any) -> Any:
    """Some rows of an array, and of each some numbers."""
    most = [_ROWS] if array.ndim == 1 else [_FEW, *[_FEW // 8] * (array.ndim - 1)]
    return array[tuple(slice(None, None, max(1, size // n)) for size, n in zip(array.shape, most, strict=True))]


def _some_rows(frame: Any) -> Any:
    rows = slice(None, None, max(1, frame.shape[0] // _FEW))
    if len(frame.shape) == 1:
        return frame.iloc[rows]
    return frame.iloc[rows, slice(None, None, max(1, frame.shape[1] // _PARTS))]
