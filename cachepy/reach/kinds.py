"""Kinds of objects that a walk over code meets, and which members of a class say what it does.

Imports nothing of cachepy.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FUNCTION = type(lambda: None)
METHOD = type((lambda self: self).__get__(0))
MODULE = type(sys)
IMMUTABLE = frozenset({int, float, str, bytes, bool, complex, type(None), type(...), range})
_CLASS_NOISE = frozenset({
    "__doc__", "__module__", "__qualname__", "__dict__", "__weakref__", "__slotnames__", "__firstlineno__",
    "__static_attributes__",
    "__annotations__", "__annotations_cache__", "__annotate_func__", "__dataclass_fields__", "__dataclass_params__",
    "__parameters__", "__orig_bases__", "__abstractmethods__", "_abc_impl", "__classcell__", "__type_params__",
})  # fmt: skip
_HARMLESS = frozenset({
    "_thread", "threading", "logging", "_contextvars", "concurrent", "weakref", "_weakref", "asyncio", "_asyncio",
})  # fmt: skip


def is_immutable(obj: object) -> bool:
    """Whether the value can only change by being replaced."""
    if type(obj) is tuple or type(obj) is frozenset:
        return all(map(is_immutable, obj))
    return type(obj) in IMMUTABLE


def is_harmless(cls: type) -> bool:
    """Whether objects of a class say nothing about a result: locks, loggers and the like."""
    return cls.__module__.partition(".")[0] in _HARMLESS


def _enum_members(cls: Any, members: dict[str, Any]) -> dict[str, Any]:
    """Of an enum: the members' values, and what the user wrote beside them, not the tables enum makes."""
    values = {f"member {name}": member._value_ for name, member in cls.__members__.items()}
    kinds = (FUNCTION, staticmethod, classmethod)
    own = {n: v for n, v in members.items() if n not in cls.__members__ and (n[:1] != "_" or isinstance(v, kinds))}
    return values | own


def _is_enum(cls: type) -> bool:
    """A metaclass may answer to any name, `__members__` too."""
    kind: type = type(cls)
    return any("__members__" in vars(each) for each in kind.__mro__)


def members_of(cls: type) -> dict[str, Any]:
    """What a class says in its own body, without what Python and libraries put there."""
    members = {n: v for n, v in vars(cls).items() if n not in _CLASS_NOISE and not n.startswith("__pydantic")}
    return _enum_members(cls, members) if _is_enum(cls) else members
