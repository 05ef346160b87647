"""A short text of any value, for people: in labels of calls and in reasons."""

from __future__ import annotations

import os

from cachepy.values.bound_methods import METHOD, Bound
from cachepy.values.hidden import HIDDEN, hides, may_be_secret
from cachepy.values.stand_ins import Stand, original

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CUT = 60  # characters of a short text
_LONGEST = 4096  # characters of a path
TRIVIAL = (int, float, complex, bool, type(None), type(...))
_SIMPLE = frozenset({int, bool, type(None)})
CONTAINERS = (list, tuple, dict, set, frozenset)
_CODE = (type, type(lambda: None), type(len), METHOD, Bound)


def label_of(value: object) -> str:
    """A short text for people; cheap also for huge values, and never an error."""
    try:
        if type(value) in _SIMPLE or (type(value) is str and len(value) < CUT):
            text = repr(value)
            return text if len(text) <= CUT else cut(text)
        return _label(value)
    except Exception:
        return type(value).__name__


def label_for(name: str, value: object) -> str:
    """The same of an argument, to be kept; nothing of a secret.

    >>> label_for("user", "ann"), label_for("password", "abc"), label_for("options", {"api_key": "abc", "n": 1})
    ("'ann'", '***', "{'api_key': ***, 'n': 1}")
    """
    return HIDDEN if hides(name, value) else label_of(value)


def short_of(name: str, value: object) -> str:
    """The same of what is about to be printed: of an absolute path its last part, before that is cut."""
    if hides(name, value):
        return HIDDEN
    try:
        path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else ""
        if isinstance(path, str) and len(path) < _LONGEST and os.path.isabs(path):
            last = os.path.basename(path.rstrip(os.sep)) or path
            return cut(repr(last) if isinstance(value, str) else last)
    except Exception:  # code of any class
        return label_of(value)
    return label_of(value)


def text_of(name: str, value: object) -> str:
    """The short text of what a name stands for, to be kept on disk; empty if it may be a secret.

    >>> text_of("m.THRESHOLD", 0.5), text_of("m.api_key", "abc"), text_of("m.CONFIG", {"password": "abc"})
    ('0.5', '', '')
    """
    if may_be_secret(name.rpartition(".")[2]):
        return ""
    text = label_of(value)
    inside = isinstance(value, CONTAINERS) and may_be_secret(text)
    return "" if inside or ("://" in text and "@" in text) else text


def _label(value: Any) -> str:
    value = original(value)
    if type(value) is Stand:
        return label_of(value.value)
    cls = type(value)  # all is looked up there: a value may answer to any name
    if issubclass(cls, CONTAINERS) and len(value) > 4:
        return f"{cls.__name__} of {len(value)}"
    if hasattr(cls, "__fspath__"):
        return cut(value.__fspath__())
    if issubclass(cls, (*TRIVIAL, str, bytes)):
        return cut(repr(value[:CUT] if issubclass(cls, (str, bytes)) else value))
    shape = value.shape if hasattr(cls, "shape") else None
    if isinstance(shape, tuple):
        return f"{cls.__name__} {'×'.join(map(str, shape))}"
    if issubclass(cls, CONTAINERS):
        return _label_items(value)
    return value.__qualname__ if issubclass(cls, _CODE) else cls.__name__


_BRACKETS: dict[type, str] = {list: "[{}]", tuple: "({})"}


def _label_items(items: Any) -> str:
    if isinstance(items, dict):
        return cut("{" + ", ".join(f"{_label_item(k)}: {_label_value(k, v)}" for k, v in items.items()) + "}")
    inside = ", ".join(map(_label_item, items))
    if type(items) is tuple and len(items) == 1:
        inside += ","
    return cut(_BRACKETS.get(type(items), type(items).__name__ + "({})").format(inside))


def _label_value(key: object, value: object) -> str:
    return HIDDEN if type(key) is str and hides(key, value) else _label_item(value)


def _label_item(value: object) -> str:
    """One level deep: a value may hold itself."""
    return type(value).__name__ if issubclass(type(value), CONTAINERS) else label_of(value)


def cut(text: str) -> str:
    """A short text, with a sign where it was longer."""
    text = str.__str__(text)
    return text if len(text) <= CUT else text[: CUT - 1] + "…"
