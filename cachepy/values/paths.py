"""Which files the value of an argument may name (design 3.2).

Whatever `open` takes as a path, anywhere in it; a string or bytes that are the value itself; inside containers, strings
and bytes with a separator.
"""

from __future__ import annotations

import os
from _collections_abc import Mapping, Sequence
from collections import deque

from cachepy.values.digest import Digester, References
from cachepy.values.far_paths import is_far_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

_NUMBERS = (int, float, complex, bool, type(None), type(...))
_NUMERIC_TYPES = frozenset({int, float, bool, complex, type(None)})
_PLAIN = _NUMERIC_TYPES | {bytes}
_NOT_FILES = frozenset({"", ".", "..", "/"})
_LONGEST = 4096
MAGIC = frozenset("*?[")  # in a text, they may make it a pattern
_NUMERIC = "biufcmMS"  # kinds of dtypes without text
_LINEAR = (list, tuple, set, frozenset, deque)


def paths_in(
    value: Any, digester: Digester, found: References | None = None, *, everything: bool
) -> Iterator[tuple[str, bool]]:
    """(path as given, whether it surely is meant as a path).

    found: of an earlier pass over the value, which then is not read again where it is large;
    everything: whether a string counts that would not be taken for a file otherwise.
    """
    if issubclass(type(value), str):
        text = str.__str__(value)
        if everything or could_be(text):
            yield text, False
        return
    if issubclass(type(value), bytes):
        name = text_of(value)
        if name is not None and (everything or could_be(name)):
            yield name, False
        return
    if is_far_path(value):
        yield str(value), True
        return
    value = _without_numbers(value)
    if issubclass(type(value), _NUMBERS):
        return
    seen = References()
    if found is not None:
        seen.known = found.known
    stream = digester.stream(value, seen)
    for path in seen.paths:
        yield path, True
    for name in seen.names:
        yield name, False
    if everything:
        yield from ((text, False) for text in _strings(value) if could_be(text))
    elif seen.hidden or b"/" in stream or b"\\" in stream:
        yield from ((text, False) for text in _strings(value) if _separated(text))


def plain(items: Iterable[Any]) -> bool:
    """Whether all items are numbers and the like."""
    return set(map(type, items)) <= _PLAIN


def _names_nothing(items: Iterable[Any]) -> bool:
    return set(map(type, items)) <= _NUMERIC_TYPES


def could_be(text: str) -> bool:
    """Whether a text that is an argument may name a file."""
    return text not in _NOT_FILES and len(text) < _LONGEST and "\0" not in text


def path_in(value: Any) -> str:
    """The path that a value is, by itself; empty if it is none."""
    try:
        text = os.fsdecode(value) if isinstance(value, (str, bytes)) or hasattr(type(value), "__fspath__") else ""
    except Exception:  # an object of the user's
        return ""
    return str.__str__(text) if could_be(text) else ""


def text_of(data: bytes) -> str | None:
    """Bytes as a path; None if they hardly are one: most bytes are data."""
    if len(data) >= _LONGEST or b"\0" in data:
        return None
    text = os.fsdecode(data)
    return text if text.isprintable() or os.path.lexists(data) else None


def _separated(text: str) -> bool:
    return ("/" in text or "\\" in text) and could_be(text)


def _without_numbers(value: Any) -> Any:
    """What may name a file of a value that can be large: numbers need not be written a second time."""
    cls = type(value)
    if cls in _LINEAR:
        return None if _names_nothing(value) else value
    library = cls.__module__.partition(".")[0]
    if library == "numpy" and hasattr(cls, "dtype") and hasattr(cls, "tobytes"):
        return None if value.dtype.kind in _NUMERIC else value
    if library == "pandas" and hasattr(cls, "columns") and hasattr(cls, "_get_column_array"):
        numeric = all(dtype.kind in _NUMERIC for dtype in value.dtypes)
        return (value.columns, value.index, value.attrs) if numeric else value
    return value


def _strings(value: Any) -> Iterator[str]:
    """All strings, and bytes that may be paths, inside containers; numbers are passed over at C speed."""
    todo, seen = [value], {id(value): value}  # kept, so that an id stays its object's own
    while todo:
        for part in _parts(todo.pop()):
            cls = type(part)
            if cls is str or issubclass(cls, str):
                yield str.__str__(part)
            elif issubclass(cls, bytes):
                text = text_of(part)
                if text is not None:
                    yield text
            elif is_far_path(part):
                yield str(part)
            elif cls not in _NUMERIC_TYPES and id(part) not in seen:
                seen[id(part)] = part
                todo.append(part)


def _parts(item: Any) -> Iterable[Any]:
    cls = type(item)
    if issubclass(cls, dict):
        return [p for half in (dict.keys(item), dict.values(item)) if not _names_nothing(half) for p in half]
    if cls is list or cls is tuple:
        return () if _names_nothing(item) else item
    for base in _LINEAR:
        if issubclass(cls, base):
            items = list(base.__iter__(item))
            return () if _names_nothing(items) else items
    if any("__dataclass_fields__" in vars(base) for base in cls.__mro__):
        return [getattr(item, name, None) for name in cls.__dataclass_fields__]
    if any("__attrs_attrs__" in vars(base) for base in cls.__mro__):
        return [getattr(item, field.name, None) for field in cls.__attrs_attrs__]
    if cls.__module__ in ("argparse", "types") and cls.__name__ in ("Namespace", "SimpleNamespace"):
        return list(vars(item).values())
    if cls.__module__ == "numpy" and hasattr(cls, "tolist"):
        return item.ravel().tolist() if item.dtype.kind in "OUTV" else ()
    if issubclass(cls, (Mapping, Sequence)):
        return _reduced(item)
    return ()


def _reduced(item: Any) -> list[Any]:
    """The parts of a container that a user wrote, as pickle takes it apart; proxies as what they show."""
    if type(item).__module__ == "builtins":
        return [dict(item)] if issubclass(type(item), Mapping) else []
    reduced = item.__reduce_ex__(4)
    if not isinstance(reduced, tuple):
        return []
    state, rows, pairs = (*reduced[2:5], None, None, None)[:3]
    return [*reduced[1], state, *(rows or ()), *(part for pair in pairs or () for part in pair)]
