r"""Text in the boxes of a drawing: all of it to be seen, shortened in the middle, wrapped at words and joints.

Widths are in cells: East Asian letters take two.  Pure Python; imports nothing of cachepy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from unicodedata import east_asian_width

WIDE, LONGEST = 30, 150  # cells in a line of a box, and of a name
JOINTS = frozenset("_.-/(=&?:,")
JOINERS = "\u200c\u200d"  # invisible, but part of how emoji and some scripts are written


def clean(text: object) -> str:
    r"""One line in which all can be seen: control characters and other invisible ones as ``\n``, ``\x07``."""
    plain = str(text)
    if plain.isprintable():
        return plain
    return "".join(c if c.isprintable() or c in JOINERS else ascii(c)[1:-1] for c in plain)


def cells(text: str) -> int:
    """How many letters wide a text is."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(letter: str) -> int:
    return 2 if east_asian_width(letter) in "WF" else 1


def shorten(text: str, most: int) -> str:
    """Cut out the middle: the ends of names and paths tell more."""
    if cells(text) <= most:
        return text
    keep = most - 1
    return f"{_start(text, keep - keep // 2)}…{_start(text[::-1], keep // 2)[::-1]}"


def _start(text: str, most: int) -> str:
    """As many letters as there is room for."""
    if text.isascii():
        return text[:most]
    used = 0
    for i, letter in enumerate(text):
        used += _cells(letter)
        if used > most:
            return text[:i]
    return text


def wrap(text: str, wide: int = WIDE) -> list[str]:
    """Break at spaces; words that fill more than a line also after ``_``, ``.`` and the like, and before capitals."""
    lines = [""]
    for word in text.split(" "):
        if cells(lines[-1]) + 1 + cells(word) <= wide and lines[-1]:
            lines[-1] += f" {word}"
            continue
        pieces = [word] if cells(word) <= wide else list(_pieces(word, wide))
        for i, piece in enumerate(pieces):
            if lines[-1] and (not i or cells(lines[-1]) + cells(piece) > wide):
                lines.append("")
            lines[-1] += piece
    return lines


def _pieces(word: str, wide: int) -> Iterator[str]:
    """The parts of a word between which a line may break."""
    piece, used = "", 0
    for letter in word:
        last, size = piece[-1:], _cells(letter)
        joint = last in JOINTS or (letter.isupper() and last.islower()) or size == 2
        if piece and (joint or used + size > wide):
            yield piece
            piece, used = "", 0
        piece, used = piece + letter, used + size
    yield piece


def fitted(text: str, most: int, wide: int = WIDE) -> list[str]:
    """A text in at most so many lines, shortened in the middle as far as it has to be."""
    lines, room = wrap(text, wide), min(cells(text), wide * most)
    while len(lines) > most:
        lines, room = wrap(shorten(text, room), wide), room - 1
    return lines


def headed(text: str, most: int, wide: int = WIDE) -> list[str]:
    """A sentence in at most so many lines: its end is left out if it has to be."""
    lines = wrap(text, wide)
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], _start(lines[most - 1], wide - 2) + " …"]


def packed(words: Sequence[str], most: int = 2, wide: int = WIDE) -> list[str]:
    """Words with commas in at most this many lines; how many more there are, if they do not fit."""
    lines: list[str] = []
    for i, word in enumerate(words):
        left = len(words) - i - 1
        text = word + ("," if left else "")
        room = most - len(lines)
        if lines and cells(lines[-1]) + 1 + cells(text) <= wide:
            lines[-1] += f" {text}"
        elif room > 0:
            lines += fitted(text, max(1, room - min(left, 1)), wide)
        else:
            more = f" +{left + 1} more"
            lines[-1] = shorten(lines[-1].rstrip(","), wide - len(more)) + more
            break
    return lines


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """A key that sorts 2 before 10: runs of digits by value, however long they are."""
    parts = re.split(r"(\d+)", text)
    return tuple((len(part.lstrip("0")) if i % 2 else 0, part) for i, part in enumerate(parts))
