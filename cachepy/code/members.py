"""Kinds of objects that a walk over code meets, and which members of a class say what it does."""

from __future__ import annotations

import sys
from _abc import _get_dump  # type: ignore[import-not-found]  # what `ABC._dump_registry` shows

from cachepy.values.bound_methods import PLACE, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType
    from typing import Any

FUNCTION = type(lambda: None)
CODE = type((lambda: None).__code__)
MODULE = type(sys)
FRAME_LIBRARIES = ("pandas", "xarray", "polars")  # with which programs register accessors
IMMUTABLE = frozenset({int, float, str, bytes, bool, complex, type(None), type(...), range})
_CLASS_NOISE = frozenset({
    "__doc__", "__module__", "__qualname__", "__dict__", "__weakref__", "__slotnames__", "__firstlineno__",
    "__static_attributes__",
    "__annotations__", "__annotations_cache__", "__annotate_func__", "__dataclass_fields__", "__dataclass_params__",
    "__parameters__", "__orig_bases__", "__abstractmethods__", "_abc_impl", "__classcell__", "__type_params__",
    PLACE,
})  # fmt: skip
_MAPPED = frozenset({"__mapper__", "_sa_class_manager", "_sa_registry", "registry"})
_FIXED = frozenset({
    ("_thread", "lock"), ("_thread", "RLock"), ("pathlib", "PosixPath"), ("pathlib", "PurePosixPath"),
    ("pathlib._local", "PosixPath"), ("pathlib._local", "PurePosixPath"), ("decimal", "Decimal"), ("uuid", "UUID"),
    ("re", "Pattern"), ("datetime", "date"), ("datetime", "timedelta"),
})  # fmt: skip
_MADE_BY_ENUM = frozenset({"_name_", "_value_", "__objclass__", "_sort_order_", "_inverted_", "_hashable_"})


def is_immutable(obj: object) -> bool:
    """Whether the value can only change by being replaced."""
    if type(obj) is tuple or type(obj) is frozenset:
        return all(map(is_immutable, obj))
    return type(obj) in IMMUTABLE


def is_fixed(obj: object) -> bool:
    """Whether its digest cannot change while it is the same object: of locks only the type counts.

    A time is not: its zone may be an object of the user's.
    """
    cls = type(obj)
    return is_immutable(obj) or (cls.__module__, cls.__name__) in _FIXED


def with_inner(codes: Iterable[CodeType]) -> list[CodeType]:
    """Code objects, and those of the functions, classes and comprehensions that are written inside them."""
    found = [*codes]
    for code in found:  # grows meanwhile
        found += [each for each in code.co_consts if type(each) is CODE]
    return found


def codes_in(objs: Iterable[Any]) -> list[CodeType]:
    """The code objects of functions, and of the methods of classes."""
    found: list[CodeType] = []
    for obj in objs:
        for held in [*vars(obj).values()] if isinstance(obj, type) else [obj]:
            inner = getattr(held, "__func__", held)
            parts = [inner.fget, inner.fset, inner.fdel] if isinstance(inner, property) else [inner]
            found += [code for part in parts if (code := getattr(part, "__code__", None)) is not None]
    return found


def _enum_members(cls: Any, members: dict[str, Any]) -> dict[str, Any]:
    """Of an enum: its members in their order, and what the user wrote beside them, not the tables enum makes."""
    kinds = (FUNCTION, staticmethod, classmethod)
    beside = {n: v for n, v in members.items() if n not in cls.__members__}
    found = {n: v for n, v in beside.items() if not _is_sunder(n) or isinstance(v, kinds)}
    found["order of members"] = tuple(cls.__members__)
    if "_boundary_" in members:
        found["boundary"] = str(members["_boundary_"])
    for name, member in cls.__members__.items():
        found[f"member {name}"] = member._value_
        if name != member._name_:
            found[f"alias {name}"] = member._name_
        elif extras := {n: v for n, v in getattr(member, "__dict__", {}).items() if n not in _MADE_BY_ENUM}:
            from cachepy.values.builtin_normalizers import lazy_names

            lazy = lazy_names(cls)
            extras = {n: v for n, v in extras.items() if n not in lazy}
            found |= {f"attributes of {name}": extras} if extras else {}
    return found


def _is_sunder(name: str) -> bool:
    return name[:1] == name[-1:] == "_" and name[1:2] != "_"


def members_of(cls: type) -> dict[str, Any]:
    """What a class says in its own body, without what Python and libraries put there."""
    members = {n: plain(v) for n, v in vars(cls).items() if n not in _CLASS_NOISE and not _is_made(n, v)}
    return _enum_members(cls, members) if is_enum(cls) else members


def _is_made(name: str, member: Any) -> bool:
    """What libraries make of the rest; a ``__hash__`` that attrs wrote holds a number of its process."""
    if name.startswith("__pydantic") or (name in _MAPPED and type(member).__module__.startswith("sqlalchemy.orm.")):
        return True
    is_hash = name == "__hash__" and type(member) is FUNCTION
    return is_hash and member.__code__.co_filename.startswith("<attrs generated")


def is_logger(cls: type) -> bool:
    """Whether it is that of a logger, without loading their module."""
    return any(base.__module__ == "logging" and base.__name__ == "Logger" for base in cls.__mro__)


def is_notebooks(name: str, obj: Any) -> bool:
    """The ``open`` that IPython puts among a script's globals, which opens like Python's own."""
    return name == "open" and type(obj) is FUNCTION and obj.__code__.co_name == "_modified_open"


def is_enum(cls: type) -> bool:
    """Whether a class is an enum with members or without."""
    return any(base.__module__ == "enum" and base.__name__ == "Enum" for base in cls.__mro__)


def field_notes(field: Any) -> str:
    """What a field of a dataclass says beside its type and its default."""
    flags = [f"{name}={getattr(field, name, None)}" for name in ("init", "repr", "hash", "compare")]
    kw_only = getattr(field, "kw_only", None)  # a mark that has no text of its own, if nobody said
    return " ".join([*flags, f"kw_only={kw_only if type(kw_only) is bool else None}"])


def is_abstract(cls: type) -> bool:
    """Whether classes can be registered with it."""
    return "_abc_impl" in vars(cls) or hasattr(type(cls), "_dump_registry")


def virtual_subclasses(cls: type) -> list[type]:
    """The classes that were registered as subclasses of an abstract one, in the order of their names."""
    if not is_abstract(cls):
        return []
    try:
        registry = _get_dump(cls)[0]
    except TypeError:  # made in another way
        return []
    found = [each for each in (ref() for ref in registry) if each is not None]
    return sorted(found, key=lambda each: (each.__module__, each.__qualname__))
