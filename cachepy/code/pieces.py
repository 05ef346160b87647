"""Piece: one item of what code is made of, so that a reason can name what changed."""

from __future__ import annotations

from cachepy.core.model import Record
from cachepy.values.digest import digest_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

CLOSED = "closed"  # the cue of a function that did not run, of which only the identity counts
_TEXT = 4096  # characters


class Piece(Record, quick=True):
    """One item of code: what changed can be named when its digest differs.

    cue: ``code``, ``closed``, ``global``, ``package`` or ``declared``; where: file and line, if it has one;
    text: for people, of a value how it reads, of code its annotations, of a class its members too.
    """

    __slots__ = ("cue", "name", "digest", "where", "text")
    cue: str
    name: str
    digest: str
    where: str
    if TYPE_CHECKING:
        text: str = ""
    else:

        def __init__(self, cue: str, name: str, digest: str, where: str, text: str = "") -> None:
            self.cue = cue
            self.name = name
            self.digest = digest
            self.where = where
            self.text = text


def code_piece(name: str, digest: str, where: str, notes: list[str]) -> Piece:
    """A function or class; the part of its digest before the dot is that of the code object alone.

    notes: the annotations, which are no part of the code object; of a class its members too.
    """
    if not notes:
        return Piece("code", name, digest, where)
    whole = "\n".join(notes)
    text = "" if notes[0].startswith("annotate: ") else whole[:_TEXT]  # a digest, see `notes_of`
    return Piece("code", name, f"{digest}.{digest_bytes(whole.encode('utf-8', 'surrogatepass'))}", where, text)


def value_piece(name: str, digest: str, value: object) -> Piece:
    """A value that code reads by a name."""
    from cachepy.values.label import text_of

    return Piece("global", name, digest, "", text_of(name, value))


def bound_piece(name: str, target: str) -> Piece:
    """What has a name of its own counts by it, so that it can be told when another thing stands here."""
    return Piece("global", name, f"={target}", "", " ".join(target.split()[:2]))


def names_of(pieces: Iterable[Piece]) -> list[str]:
    """The names of all code among them: equal code of other names has the same digest."""
    return sorted({piece.name for piece in pieces if piece.cue == "code"})


def defaults_of(fn: Any) -> list[tuple[str, Any]]:
    """Parameter and default; a default that somebody set for no parameter goes by its place."""
    code, values = fn.__code__, fn.__defaults__ or ()
    first = code.co_argcount - len(values)
    return [(code.co_varnames[first + i] if first >= 0 else str(i), value) for i, value in enumerate(values)]
