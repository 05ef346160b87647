"""What changed between two lists of pieces, as reasons: the true cause first.

Changed code comes first, then changed values.  What code newly reaches, or does not reach any more, follows;
of the values that came and went with a change of code nothing is said: the changed lines show them.
"""

from __future__ import annotations

import os

from cachepy.code.pieces import Piece
from cachepy.code.source import Sources
from cachepy.core.reasons import Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Row = tuple[Piece, str]  # a piece as it was stored, with its source
    Moved = tuple[Piece | None, Piece | None]  # one that is there only then, or only now

LINES = 40  # of a diff
_FUNCTIONS = "code", "closed"
_WIDTH = 160  # characters of one of them
_ORDER = (
    "declared", "code", "variable", "global", "global new", "global gone", "default", "package",
    "code new", "code gone",
)  # fmt: skip


def reasons_of(
    name: str, old: Iterable[Row], new: Iterable[Piece], sources: Sources | None = None
) -> list[Reason]:
    """Why the code of that name is not what it was; empty if no piece differs.

    Examples
    --------
    >>> old = [(Piece("global", "m.LIMIT", "d1", "", "3"), "")]
    >>> print(*reasons_of("m:f", old, [Piece("global", "m.LIMIT", "d2", "", "4")]))
    global m.LIMIT changed from 3 to 4
    """
    new, sources = tuple(new), sources or Sources()
    pairs = list(_pairs(old, new))
    found = [_changed(before, after, sources) for before, after in pairs if before and after]
    moved = [(before[0] if before else None, after) for before, after in pairs if not (before and after)]
    if not any(piece.cue == "declared" for piece in new):  # it is no cached function any more: not six reasons but one
        moved = [pair for pair in moved if _either(pair).cue != "declared"]
    if not found and not _explains_itself(moved):
        found = [Reason("code", name, None, None, where=where_in(new, name))]
    if found:
        moved = [pair for pair in moved if _either(pair).cue == "code"]
    return sorted([*found, *(_moved(*pair) for pair in moved)], key=lambda r: _rank(r, name))


def is_same_text(old: Iterable[Row], new: Iterable[Piece], sources: Sources) -> bool:
    """Whether code that another Python compiled has the same source, all of it, and reads the same values."""
    before = sorted(_text_of(piece, source) for piece, source in old)
    after = sorted(_text_of(piece, sources.of(piece) if piece.cue == "code" else "") for piece in new)
    is_known = all(text for cue, _, text in (*before, *after) if cue == "code")
    return is_known and before == after and bool(before)


def _text_of(piece: Piece, source: str) -> tuple[str, str, str]:
    is_code = piece.cue == "code"
    return piece.cue, piece.name, (source if piece.where else piece.text) if is_code else piece.digest


def _explains_itself(moved: list[Moved]) -> bool:
    """Whether all code that came or went did so because a global came or went that is bound to it.

    If not, another function stands where the walk began, such as that of another decorator.
    """
    bound = {_target(piece) for piece in map(_either, moved) if piece.cue == "global"}
    return all(piece.name in bound for piece in map(_either, moved) if piece.cue == "code")


def _target(piece: Piece) -> str:
    """What a name is bound to: ``=m:h``, or ``=cached m:h``, of a closure with its digest."""
    words = piece.digest.removeprefix("=").removeprefix("cached ").split()
    return words[0] if words else ""


def _either(pair: Moved) -> Piece:
    piece = pair[0] or pair[1]
    assert piece is not None
    return piece


def _pairs(old: Iterable[Row], new: Iterable[Piece]) -> Iterable[tuple[Row | None, Piece | None]]:
    """What differs: then and now, or one of the two; several pieces of one name go by their lines."""
    before: dict[tuple[str, str], list[Row]] = {}
    after: dict[tuple[str, str], list[Piece]] = {}
    for row in old:
        before.setdefault((row[0].cue, row[0].name), []).append(row)
    for piece in new:
        after.setdefault((piece.cue, piece.name), []).append(piece)
    for key in {**before, **after}:
        then = {row[0].digest: row for row in before.get(key, [])}
        now = {piece.digest: piece for piece in after.get(key, [])}
        gone = sorted((then[d] for d in then.keys() - now.keys()), key=lambda row: _place(row[0]))
        came = sorted((now[d] for d in now.keys() - then.keys()), key=_place)
        for i in range(max(len(gone), len(came))):
            yield gone[i] if i < len(gone) else None, came[i] if i < len(came) else None


def _place(piece: Piece) -> tuple[int, str]:
    line = piece.where.rpartition(":")[2]
    return int(line) if line.isdecimal() else 0, piece.digest


def _changed(row: Row, now: Piece, sources: Sources) -> Reason:
    before, source = row
    if now.cue in _FUNCTIONS:
        diff = difference(_shown(before, source), _shown(now, sources.of(now)))
        return Reason("code", now.name, before.digest, now.digest, where=where_of(now), diff=diff)
    if now.cue == "package":
        return Reason("package", now.name, before.digest, now.digest)
    texts = ("", "") if before.text == now.text or not (before.text and now.text) else (before.text, now.text)
    return Reason(*_named(now), *texts)


def _moved(before: Piece | None, now: Piece | None) -> Reason:
    """A piece that only then or only now is reached."""
    piece = _either((before, now))
    if piece.cue in _FUNCTIONS:
        return Reason("code new" if now else "code gone", piece.name, None, None, where=where_of(now) if now else "")
    if piece.cue == "package":
        return Reason("package", piece.name, "", "")
    cue, name = _named(piece)
    if cue == "global":
        cue = "global new" if now else "global gone"
    return Reason(cue, name, "", "")


def _named(piece: Piece) -> tuple[str, str]:
    """Cue and name: what belongs to a function or class is no global."""
    if piece.cue != "global" or ":" not in piece.name:
        return piece.cue, piece.name
    owner, found, parameter = piece.name.rpartition(".default ")
    if found:
        return "default", f"{parameter} of {owner}"
    owner, found, place = piece.name.rpartition(".base ")
    return "variable", f"{owner}.__bases__[{place}]" if found else piece.name.replace(".member ", ".")


def _rank(reason: Reason, name: str) -> tuple[int, bool, int, str]:
    """Of nested functions the inner first: the code of the outer one holds it."""
    outer = reason.name.partition(".<locals>")[0]
    return (
        _ORDER.index(reason.cue),
        outer != name.partition(".<locals>")[0],
        -reason.name.count("<locals>"),
        reason.name,
    )


def where_of(piece: Piece) -> str:
    """``file:line``, relative to the working directory if it is below it."""
    try:
        here = os.path.join(os.getcwd(), "")
    except OSError:  # it was removed
        return piece.where
    return piece.where.removeprefix(here)


def where_in(pieces: Iterable[Piece], name: str) -> str:
    """Where the function of that name is."""
    return next((where_of(p) for p in pieces if p.cue == "code" and p.name == name), "")


def _shown(piece: Piece, source: str) -> list[str]:
    """The lines to compare: the source; of a class, which has none, its members and their annotations."""
    return (source if piece.where else piece.text).splitlines()


def difference(old: list[str], new: list[str]) -> str:
    """The changed lines with one line around them; empty if one side is not known.

    >>> print(difference(["a", "b", "c", "d"], ["a", "b", "x", "d"]))
     b
    -c
    +x
     d
    """
    if not old or not new or old == new:
        return ""
    import difflib

    found = list(difflib.unified_diff(old, new, lineterm="", n=1))[3:]
    lines = [" …" if line.startswith("@@") else line[:_WIDTH] for line in found]
    if len(lines) > LINES:
        lines[LINES - 1 :] = [f"… {len(lines) - LINES + 1} more lines"]
    return "\n".join(lines)
