"""User code that somebody put into a module or a class of others: patched functions, registered ones.

A package counts by its version, so what a program put into it has to be looked for.  What the attributes named by the
code lead to is looked at, and a few steps further: at the tables in classes, and at what a library's own functions
name.
"""

from __future__ import annotations

import sys

from cachepy.code.members import FUNCTION, MODULE, is_immutable
from cachepy.code.settings import follow_path
from cachepy.core.revision import MISSING
from cachepy.values.bound_methods import METHOD, Bound
from cachepy.values.modules import STDLIB, USER, scope_of
from cachepy.values.references import cells_of, members_of_class
from cachepy.values.stand_ins import Watched, original

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from cachepy.code.walking import Chains, Walk

_STEPS = 2  # from one function of a library to the next
_MOST = 400  # functions and classes of libraries in one walk
_TABLE = 2000  # items of a table that are looked at
_OF_THE_PROCESS = frozenset({
    "sys", "os", "posix", "nt", "time", "tempfile", "platform", "site", "sysconfig", "locale", "socket", "builtins",
    "threading", "multiprocessing", "subprocess", "getpass", "resource",
})  # fmt: skip
_BUILTINS = vars(sys.modules["builtins"])
_STANDARD = frozenset({
    *vars(sys), *_BUILTINS, "ps1", "ps2", "last_type", "last_value", "last_traceback", "last_exc", "tracebacklimit",
})  # fmt: skip
_WARNERS = ("warn",), ("warn_explicit",)
_IMPLIED = "showwarning", "formatwarning"
_CODE = (FUNCTION, METHOD, type)
_HOLDS = {
    staticmethod: ("__func__",), classmethod: ("__func__",), property: ("fget", "fset", "fdel"),
    METHOD: ("__func__", "__self__"), Bound: ("__func__", "__self__"),
}  # fmt: skip


def follow(walk: Walk, label: str, module: Any, chains: Chains) -> None:
    """Look at what the chains name in a module that is not the user's."""
    scope = scope_of(module)
    if module is sys:
        follow_path(walk, {*chains})
    implied = ((name,) for each in chains for name in _IMPLIED if label == "warnings" and each[:1] in _WARNERS)
    for chain in sorted({*chains, *implied}):
        if chain:
            obj = scope.get(chain[0], MISSING)
            walk.guard.item(scope, chain[0], obj)
            if chain[0] != "path" or module is not sys:
                walk.readers.note(scope.get("__name__"), chain[0])
            _look(walk, f"{label}.{chain[0]}", obj, chain[1:], scope)
        else:
            walk.guard.size(scope)
            for name, obj in sorted(scope.items()):
                if is_users(walk, obj):
                    walk.bind(f"{label}.{name}", obj)


def _look(walk: Walk, label: str, obj: Any, rest: tuple[str, ...], scope: dict[str, Any]) -> None:
    obj = original(obj)
    if is_users(walk, obj):
        walk.bind(label, obj, [rest])
    elif isinstance(obj, MODULE):
        if is_namespace(scope):  # its modules belong to several distributions
            walk.lines.append(walk.package(obj))
        follow(walk, label, obj, [rest] if rest else ())
    elif isinstance(obj, type):
        _look_into_class(walk, label, obj, rest)
        registered = walk.registered(obj)
        if registered:
            walk.lines.append(f"{label}{registered}")
    elif type(obj) is FUNCTION:
        _look_into_function(walk, label, obj, _STEPS)
    elif not rest and _is_setting(label, obj, scope):
        walk.bind(label, obj)
    elif rest and type(obj) not in (int, str, float) and obj is not MISSING:
        _look_into_class(walk, f"{label}.class", type(obj), rest)


def in_class(walk: Walk, cls: type) -> None:
    """What was set on a class of others that code imports by its name, or of which it reads an instance."""
    _look_into_class(walk, f"{cls.__module__}.{cls.__qualname__}", cls)


def is_namespace(scope: dict[str, Any]) -> bool:
    """Whether it is that of a package without a file of its own."""
    return "__path__" in scope and type(scope.get("__file__")) is not str


def _is_setting(label: str, obj: Any, scope: dict[str, Any]) -> bool:
    """Whether it is a number or a short text that means the same in every process."""
    name = label.rpartition(".")[2]
    if scope is vars(sys) or scope is _BUILTINS:
        return name not in _STANDARD and name[:1] != "_" and is_immutable(obj)
    if name[:2] == "__" or str(scope.get("__name__")).partition(".")[0] in _OF_THE_PROCESS:
        return False
    return is_immutable(obj) and not (isinstance(obj, str) and ("/" in obj or "\\" in obj))


def is_users(walk: Walk, obj: Any, deep: int = 2) -> bool:
    """Whether an object is the user's code, or holds some: behind a method, a partial, a decorator of a library."""
    if isinstance(obj, type) or type(obj) is FUNCTION or isinstance(obj, MODULE):
        is_own = walk.origins.of(obj) == USER and not (type(obj) is FUNCTION and _is_made_by_library(obj))
        return is_own or (type(obj) is FUNCTION and deep > 0 and _closes_over(walk, obj, deep))
    if type(obj) in _PLAIN:
        return False
    names = _HOLDS.get(type(obj))
    if names is not None:
        held = [getattr(obj, name, None) for name in names]
    elif _is_of_user(walk, obj):
        return True
    else:
        inside = _inside(obj)
        held = [each for each in inside.values() if isinstance(each, _CODE)] if type(inside) is dict else []
        if type(obj).__name__ in ("partial", "cached_property"):
            held.append(getattr(obj, "func", None))
    return deep > 0 and any(is_users(walk, each, deep - 1) for each in held if each is not None)


def _is_of_user(walk: Walk, obj: Any) -> bool:
    """Whose an object is says its class, but for functions that Cython compiled: their class is from no module."""
    made_in = type(obj).__module__
    if type(made_in) is str and made_in.startswith("_cython_"):
        home = getattr(obj, "__module__", None)
        return walk.origins.kind(home if isinstance(home, str) else None) == USER
    return walk.origins.of_class(type(obj)) == USER


def _is_made_by_library(fn: Any) -> bool:
    """Made from a text in a namespace of its own, as libraries make methods: nothing says whose it is."""
    return bool(fn.__code__.co_filename[:1] == "<" and "__name__" not in fn.__globals__)


def _inside(obj: Any) -> Any:
    """The attributes of an object; none of one that answers to any name, or to none."""
    try:
        return getattr(obj, "__dict__", None)
    except Exception:
        return None


_PLAIN = frozenset({int, float, str, bytes, bool, complex, type(None), list, tuple, set, frozenset, dict, Watched})


def _closes_over(walk: Walk, fn: Any, deep: int) -> bool:
    held = [fn.__dict__["__wrapped__"]] if "__wrapped__" in fn.__dict__ else []
    held += [content for _, content in cells_of(fn)]
    return any(type(each) is FUNCTION and is_users(walk, each, deep - 1) for each in held)


def _look_into_class(walk: Walk, label: str, cls: type, rest: tuple[str, ...] = ()) -> None:
    """What was set on a class of others, or put into a table of it: methods, accessors, constructors, reducers."""
    for each in cls.__mro__[:-1] if rest else ():
        members = members_of_class(each)
        if rest[0] in members:
            obj = members[rest[0]]
            walk.guard.item(members, rest[0], obj)
            if _is_setting(f"{label}.{rest[0]}", obj, {"__name__": each.__module__}):
                walk.bind(f"{label}.{rest[0]}", obj)
            break
    if not walk.is_new(cls, _MOST):
        return
    for each in cls.__mro__[:-1]:
        members = members_of_class(each)
        if walk.origins.of_class(each) == STDLIB and each.__module__ == "builtins":
            continue
        for name, member in _put_there(each, members):
            if type(member) is dict:
                _look_into_table(walk, f"{label}.{each.__name__}.{name}", member)
            elif is_users(walk, member):
                walk.guard.item(members, name, member)
                walk.bind(f"{label}.{each.__name__}.{name}", member)


def _put_there(cls: type, members: Any) -> list[tuple[str, Any]]:
    """The members of a class that its own module did not plainly write: most did, so this has to be quick."""
    scope = scope_of(sys.modules.get(cls.__module__))
    found = []
    for name, member in members.items():
        kind = type(member)
        if kind is FUNCTION:
            if member.__globals__ is not scope or member.__closure__ is not None:
                found.append((name, member))
        elif kind is property:
            if getattr(member.fget, "__globals__", None) is not scope or member.fset is not None:
                found.append((name, member))
        elif kind is dict or kind not in _PLAIN:
            found.append((name, member))
    return sorted(found, key=lambda row: row[0])


def _look_into_table(walk: Walk, label: str, table: dict[Any, Any]) -> None:
    if len(table) > _TABLE:
        return
    for key, value in list(table.items()):
        if is_users(walk, value) or (isinstance(key, type) and walk.origins.of_class(key) == USER and callable(value)):
            walk.guard.size(table)
            walk.bind(f"{label}[{_text(key)}]", value)


def _text(key: Any) -> str:
    return f"{key.__module__}.{key.__qualname__}" if isinstance(key, type) else str(key) if type(key) is str else "?"


def _look_into_function(walk: Walk, label: str, fn: Any, steps: int) -> None:
    """What a function of a library names: by the names in its code alone, which costs little."""
    if not walk.is_new(fn, _MOST):
        return
    scope = fn.__globals__
    for name, obj in _named(fn):
        if is_users(walk, obj):
            walk.guard.item(scope, name, obj)
            walk.bind(f"{label}.{name}", obj)
        elif isinstance(obj, type):
            _look_into_class(walk, f"{label}.{name}", obj)
        elif type(obj) is dict:
            _look_into_table(walk, f"{label}.{name}", obj)
        elif type(obj) is FUNCTION and steps > 0 and obj.__globals__.get("__package__") == scope.get("__package__"):
            _look_into_function(walk, f"{label}.{name}", obj, steps - 1)


def _named(fn: Any) -> Iterator[tuple[str, Any]]:
    scope = fn.__globals__
    for name in fn.__code__.co_names:
        if name in scope:
            yield name, scope[name]


def named_patches(walk: Walk, attributes: set[str]) -> None:
    """Accessors that a program registered with a library of frames: only the attribute's name leads to them."""
    for library, classes in _FRAMES:
        module = sys.modules.get(library)
        for cls_name in classes if module is not None else ():
            cls = scope_of(module).get(cls_name)
            if isinstance(cls, type):
                _accessors(walk, f"{library}.{cls_name}", cls, attributes)


def _accessors(walk: Walk, label: str, cls: type, attributes: set[str]) -> None:
    members = members_of_class(cls)
    for name in sorted(attributes & members.keys()):
        member = members[name]
        if is_users(walk, member):
            walk.guard.item(members, name, member)
            inside = getattr(member, "__dict__", {})
            accessor = inside.get("_ns", inside.get("_accessor"))  # of polars, of pandas
            walk.bind(f"{label}.{name}", member if accessor is None else accessor)


_FRAMES = (
    ("pandas", ("DataFrame", "Series", "Index")),
    ("xarray", ("Dataset", "DataArray")),
    ("polars", ("DataFrame", "Series", "LazyFrame", "Expr")),
)
