"""Functions that a walk over code meets and that did not run: of them only the identity counts.

The walk stops at each of them.  It writes down which one it is, and what others may see of it without running it.
"""

from __future__ import annotations

from cachepy.code.annotations import annotations_of, bind_annotated, notes_of
from cachepy.code.pieces import CLOSED, Piece, defaults_of
from cachepy.values.digest import digest_bytes
from cachepy.values.modules import home_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType
    from typing import Any

    from cachepy.code.walking import Walk


def label_of(fn: Any) -> str:
    """The name of a function's code: several functions may have one."""
    return f"{home_of(fn)}:{fn.__code__.co_qualname}"


def shape_of(code: CodeType) -> str:
    """The digest of what a call of a function has to look like."""
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
    kinds = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & 0x2AC
    return digest_bytes(repr((kinds, code.co_varnames[:count])).encode("utf-8", "surrogatepass"))


def visit_closed(walk: Walk, fn: Any, label: str) -> None:
    """Write down of a function what may be seen of it though it does not run."""
    code, shape = fn.__code__, shape_of(fn.__code__)
    named = fn.__name__, fn.__qualname__
    walk.guard.true(lambda: (fn.__name__, fn.__qualname__) == named)
    walk.pieces.append(Piece(CLOSED, label, shape, f"{code.co_filename}:{code.co_firstlineno}"))
    walk.lines += [f"closed {label} {named} {shape}"]
    annotations = annotations_of(fn)
    walk.lines += [f"{name}: {note}" for name, note in sorted(notes_of(fn, annotations))]
    bind_annotated(walk, label, annotations)
    for name, default in (*defaults_of(fn), *sorted((fn.__kwdefaults__ or {}).items())):
        walk.bind(f"{label}.default {name}", default)
    if "__wrapped__" in fn.__dict__:
        walk.bind(f"{label}.__wrapped__", fn.__dict__["__wrapped__"])


def closed_in(pieces: Iterable[Piece]) -> frozenset[str]:
    """The names of the functions that were closed."""
    return frozenset([piece.name for piece in pieces if piece.cue == CLOSED])
