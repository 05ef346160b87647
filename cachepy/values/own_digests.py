"""What the user says of how values count: functions that give what stands for a value, by its type or its parameter."""

from __future__ import annotations

from cachepy.errors import UndigestableError, UsageError
from cachepy.values.references import REGISTERED, form, members_of_class, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from cachepy.values.writing import Rule, ValuePickler

    Types = Mapping[type, Callable[[Any], Any]]

_BUILTIN = (
    object, type, int, float, complex, bool, type(None), str, bytes, bytearray, list, tuple, dict, set, frozenset,
    type(form), type(len),
)  # fmt: skip
_OWN = "__cachepy_digest__"


class DigestFunctionError(UsageError, UndigestableError):
    """A function that the user gave for digests raised: what it raised is the cause. It leaves the cached call."""


def check_type(option: str, cls: Any) -> None:
    """Complain about what is no type, and about types of which each has a digest that many things go by."""
    if not isinstance(cls, type):
        raise UsageError(f"{option} takes a type, not {cls!r}")
    if cls in _BUILTIN:
        raise UsageError(
            f"{option} cannot change how {cls.__name__} counts: it is what other digests are made of. Name the "
            f"parameter, digest={{'name': function}}, or use a class of your own"
        )


def check_function(option: str, fn: Any) -> None:
    """Complain about what cannot be called."""
    if not callable(fn):
        raise UsageError(f"{option} takes a function of the value, not {fn!r}")


def rule_of(cls: type, own: Types | None) -> Rule | None:
    """The rule for a class that is named here or for the program, itself or by a base; what says it itself is asked."""
    if not own and not REGISTERED:
        return None
    for base in cls.__mro__:
        fn = (own or {}).get(base) or REGISTERED.get(base)
        if fn is not None:
            return _rule_by(fn, f"the type {base.__module__}.{base.__qualname__}")
        if _OWN in members_of_class(base):
            return None
    return None


def _rule_by(fn: Callable[[Any], Any], what: str) -> Rule:
    def rule(obj: Any, _: ValuePickler) -> Any:
        return form("own", type(obj), fn, asked(fn, obj, what))

    return rule


def asked(fn: Callable[[Any], Any], value: Any, what: str) -> Any:
    """What the function gives; what it raises is the user's error."""
    try:
        return fn(value)
    except Exception as error:
        name = ":".join(name_of(fn)) if hasattr(fn, "__qualname__") else repr(fn)
        raise DigestFunctionError(
            f"the digest function {name} for {what} raised {type(error).__name__}: {error}"
        ) from error
