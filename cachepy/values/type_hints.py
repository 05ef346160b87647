"""Rules for what type hints are made of: type variables, aliases, new types, forward references.

Pickle would write their names only; what they stand for counts.  Loaded only for such values.
"""

from __future__ import annotations

from cachepy.values.references import form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.values.writing import Rule, ValuePickler

_NAMED = frozenset({"NewType", "ParamSpec", "TypeAliasType", "TypeVar", "TypeVarTuple"})
_TYPE_PARTS = (
    "__bound__", "__constraints__", "__default__", "__covariant__", "__contravariant__",
    "__value__", "__type_params__", "__supertype__",
)  # fmt: skip
_UNEVALUATED = "<unevaluated>"


def is_named_hint(hint: Any) -> bool:
    """Whether it has a name and stands for something else."""
    return type(hint).__module__ == "typing" and type(hint).__name__ in _NAMED


def hint_rule(cls: type) -> Rule | None:
    """The rule for instances of a class of `typing`."""
    if cls.__name__ == "ForwardRef":
        return _forward_rule
    return _named_rule if cls.__name__ in _NAMED else None


def _named_rule(made: Any, pickler: ValuePickler) -> Any:
    """A type variable, an alias or a new type: pickle would write its name, not what it stands for."""
    known, named = pickler.found.known, (type(made).__name__, made.__name__)
    if id(made) not in known:
        known[id(made)] = made, form(*named)  # where it refers to itself
        try:
            digest = pickler.digester.digest(_stands_for(made), pickler.found)
        except BaseException:
            del known[id(made)]
            raise
        known[id(made)] = made, form(*named, digest)
    return known[id(made)][1]


def _stands_for(made: Any) -> list[tuple[str, Any]]:
    found = []
    for name in _TYPE_PARTS:
        try:
            found.append((name, getattr(made, name)))
        except AttributeError:
            continue
        except Exception:  # evaluated only now; it may name what is only there for mypy
            found.append((name, _UNEVALUATED))
    return found


def _forward_rule(ref: Any, _: ValuePickler) -> Any:
    return form("forward", ref.__forward_arg__)
