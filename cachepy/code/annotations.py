"""Annotations as text: they count as code, and may be objects of any kind."""

from __future__ import annotations

from cachepy.code.bytecode import code_bytes
from cachepy.values.digest import digest_bytes, name_of
from cachepy.values.modules import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.code.walking import Walk

UNEVALUATED = "annotate"  # stands for the names, where all that is known is the code that makes the annotations


def notes_of(obj: Any, values: Any) -> list[tuple[str, str]]:
    """(name, text) of a function's or class's annotations, in their order; values: as `annotations_of` has them."""
    if values is None:
        code = getattr(_annotate_of(obj), "__code__", None)
        return [] if code is None else [(UNEVALUATED, digest_bytes(code_bytes(code)))]
    return [(name, _note(note, name_of(obj)[0])) for name, note in values.items()]


def annotations_of(obj: Any) -> Any:
    """The annotations by name; None where Python 3.14 cannot evaluate them, as they name what is only there for mypy.

    Before 3.14 they were evaluated when the function was made.  Their values count, not the code that makes them:
    a function that is sent to a worker by value arrives with the values alone.
    """
    try:
        found = _evaluated(obj)
        return found if type(found) is dict else {}  # classes written in C may hold a descriptor there
    except Exception:
        return None


def _evaluated(obj: Any) -> Any:
    if not isinstance(obj, type):
        return obj.__annotations__
    scope = vars(obj)
    if scope.get("__annotate_func__") is not None:
        return vars(type)["__annotations__"].__get__(obj)  # past whatever a metaclass says
    return scope.get("__annotations__") or scope.get("__annotations_cache__")


def _annotate_of(obj: Any) -> Any:
    """What makes the annotations, from Python 3.14 on."""
    return vars(obj).get("__annotate_func__") if isinstance(obj, type) else getattr(obj, "__annotate__", None)


def _note(note: Any, home: str) -> str:
    if isinstance(note, str):
        return note
    if isinstance(note, type) and type(note).__name__ != "GenericAlias":
        return ".".join(name_of(note))
    text = repr(note)
    for main in MAIN:
        text = text.replace(f"{main}.", f"{home}.")
    return type(note).__name__ if " at 0x" in text else text


def bind_annotated(walk: Walk, label: str, annotations: Any) -> None:
    """What ``Annotated`` carries and what an alias stands for may be read by a validator: they count by value."""
    for name, note in (annotations or {}).items():
        if hasattr(note, "__metadata__"):
            walk.bind(f"{label}.{name} annotated", note.__metadata__)
        elif type(note).__module__ == "typing":
            from cachepy.values.type_hints import is_named_hint

            if is_named_hint(note):
                walk.bind(f"{label}.{name} annotated", note)
