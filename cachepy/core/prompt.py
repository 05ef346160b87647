"""What a record shows at a prompt: a few lines that fit it and can do nothing to it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

LINES, WIDE = 20, 118


def lines_of(head: str, lines: Sequence[str]) -> str:
    r"""The whole head, the first lines, and how many more there are.

    >>> print(lines_of("2 files", ["  a", "  b\x1b"]))
    2 files
      a
      b\x1b
    """
    more = [f"  and {len(lines) - LINES:,} more"] if len(lines) > LINES else []
    return "\n".join([_harmless(head), *map(fitting, lines[:LINES]), *more])


def fitting(line: str) -> str:
    """One line, without what moves a cursor."""
    plain = _harmless(line)
    return plain if len(plain) <= WIDE else plain[: WIDE - 1] + "…"


def _harmless(line: str) -> str:
    return line if line.isprintable() else ascii(line)[1:-1]
