"""Annotations as text: they count as code, and may be objects of any kind.

Imports bytecode, digest, modules.
"""

from __future__ import annotations

import sys

from cachepy.digest import digest_bytes, name_of
from cachepy.reach.bytecode import code_bytes
from cachepy.values.modules import MAIN, canonical

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def notes_of(obj: Any) -> list[tuple[str, str]]:
    """(name, text) of a function's or class's annotations, in their order."""
    notes = vars(obj).get("__annotations__") if isinstance(obj, type) else _notes_of_function(obj)
    return [(name, _note(note)) for name, note in (notes or {}).items()]


def _notes_of_function(fn: Any) -> Any:
    if sys.version_info >= (3, 14):  # evaluating them may run anything
        return {"annotate": digest_bytes(code_bytes(fn.__annotate__.__code__))} if fn.__annotate__ else {}
    return fn.__annotations__


def _note(note: Any) -> str:
    if isinstance(note, str):
        return note
    if isinstance(note, type) and type(note).__name__ != "GenericAlias":
        return ".".join(name_of(note))
    text = repr(note)
    for main in MAIN:
        text = text.replace(f"{main}.", f"{canonical(main)}.")
    return type(note).__name__ if " at 0x" in text else text
