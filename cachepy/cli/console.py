"""What a command of the command line says: data on stdout, messages on stderr.

On a terminal tables that fit it, and colours by rich; otherwise plain text, nothing of it cut, one record a line,
columns two or more spaces apart; or one JSON document.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from contextlib import suppress

import click

from cachepy.cli import words
from cachepy.cli.tables import COMFORT, GAP, LEAST, SAME, Shape, pad, plain, short_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import IO, Any

    from rich.console import Console
    from rich.text import Text

    from cachepy.cli.tables import Row

STYLES = {
    "fresh": "green", "hit": "green", "stale": "yellow", "missing": "red", "unknown": "magenta",
    "partly stale": "yellow", "partly unknown": "magenta",
    "+": "green", "-": "red", "@": "cyan", "head": "bold", "faint": "dim",
}  # fmt: skip
_END = "\n}\n"  # of a document
_MARKS = {"fresh": "✓", "hit": "✓", "stale": "✗", "missing": "○", "unknown": "?"}
_ASCII = {"fresh": "ok", "hit": "ok", "stale": "x", "missing": "o", "unknown": "?"}


class WrongUse(click.UsageError):
    """Wrong usage that the message explains by itself, without the list of options."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"cachepy: error: {self.format_message()}", file=file, err=file is None)


class Tell:
    """The voice of one command."""

    def __init__(self, name: str, *, as_json: bool = False, quiet: bool = False) -> None:
        self.name = name
        self.as_json = as_json
        self.quiet = quiet
        self._console: Console | None = None

    @property
    def is_silent(self) -> bool:
        """Whether only the exit code is asked for."""
        return self.quiet and not self.as_json

    @property
    def is_terminal(self) -> bool:
        try:
            return sys.stdout.isatty()
        except (AttributeError, ValueError):  # closed
            return False

    def can_show(self, text: str) -> bool:
        """Whether the encoding of stdout has these characters."""
        try:
            text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    def mark(self, state: str) -> str:
        """A sign for a state."""
        state = state.removeprefix("partly ")
        return _MARKS[state] if self.can_show("".join(_MARKS.values())) else _ASCII[state]

    # -- messages

    def say(self, text: str) -> None:
        """A message; not with --quiet."""
        if not self.quiet:
            complain(text)

    # -- data

    def document(self, **fields: Any) -> None:
        """The answer as one JSON document; strict, ASCII only."""
        write(self.encoded(**fields))

    def listing(self, key: str, items: Iterable[str], **fields: Any) -> None:
        """A document whose last field is a long list, of what `item` made, written as it comes."""
        write(f"{self.encoded(**fields)[: -len(_END)]},\n  {json.dumps(key)}: [")
        count = 0
        for count, each in enumerate(items, 1):
            write(f"{',' if count > 1 else ''}\n{each}")
        write(("\n  ]" if count else "]") + _END)

    def encoded(self, **fields: Any) -> str:
        body = {"schema": f"cachepy.{self.name}/1", **fields}
        return json.dumps(body, indent=2, allow_nan=False, default=str) + "\n"

    def line(self, text: str = "", style: str = "", indent: int = 0) -> None:
        """One line, never cut."""
        self._put([(" " * indent + words.clean(text), style)])

    def parts(self, *parts: tuple[str, str]) -> None:
        """One line of several texts, each with its style."""
        self._put([(words.clean(text), style) for text, style in parts if text])

    def fitted(self, before: tuple[str, str], text: str, behind: str, shorter: str) -> None:
        """One line; on a terminal its text is cut in the middle, so that what is behind it is seen.

        shorter: stands behind it where there is little room.
        """
        text = words.clean(text)
        if self.is_terminal:
            room = self.width - words.width(before[0])
            if words.width(text + behind) > room and room < COMFORT + words.width(behind):
                behind = shorter
            text = self.cut(text, max(room - words.width(behind), LEAST), middle=True)
        self.parts(before, (text, ""), (behind, ""))

    def raw(self, text: str) -> None:
        """Text that is written as it is."""
        write(text if text.endswith("\n") else text + "\n")

    def diff(self, text: str, indent: int) -> None:
        """Changed lines: old ones red, new ones green, with their signs."""
        for line in text.splitlines():
            self.line(line, line[:1] if line[:1] in ("+", "-", "@") else "faint", indent)

    def _put(self, parts: list[tuple[str, str]]) -> None:
        if self.is_terminal:
            self.console.print(_text(parts), soft_wrap=True)
        else:
            write("".join(text for text, _ in parts).rstrip() + "\n")

    # -- tables

    def table(
        self, head: Row, rows: Iterable[Row], *, right: str = "", fixed: str = "", spare: str = "", same: str = ""
    ) -> bool:  # fmt: skip
        """Records under headings, which are for a terminal only; whether a text was cut there.

        right, fixed, spare, same: headings, see `Shape`. A terminal that is too narrow gets plain lines, which it wraps
        itself.
        """
        cells = [[words.clean(cell) for cell in row] for row in rows]
        if not cells:
            return False
        shape = Shape(head, right=right, fixed=fixed, spare=spare, same=same)
        shown = shape.without_repeats(cells) if self.is_terminal else cells
        widths = shape.fitted(shown, self.width) if self.is_terminal else None
        if widths is not None:
            return self._fitted(shape, shown, widths)
        for line in plain([[title.upper() for title in head], *cells] if self.is_terminal else cells, shape.right):
            write(line + "\n")
        return False

    def _fitted(self, shape: Shape, cells: list[list[str]], widths: dict[int, int]) -> bool:
        is_cut = False
        for number, row in enumerate([[title.upper() for title in shape.head], *cells]):
            line: list[tuple[str, str]] = []
            for i, width in widths.items():
                text = self.cut(row[i], width)
                is_cut = is_cut or text != row[i]
                line += [(pad(text, width, i in shape.right), _style(row[i]) if number else "head"), (" " * GAP, "")]
            self._put([*line[:-2], (line[-2][0].rstrip(), line[-2][1])])
        return is_cut

    def names(self, shown: Iterable[str], known: Iterable[str]) -> dict[str, str]:
        """What ids are called: on a terminal by so many digits as tell them from all known ones, else as they are."""
        return short_ids(shown, known) if self.is_terminal else {call: call for call in shown}

    def cut(self, text: str, room: int, *, middle: bool = False) -> str:
        """A text that takes no more columns than that."""
        return words.cut(text, room, "…" if self.can_show("…") else "...", middle=middle)

    @property
    def width(self) -> int:
        """The columns of the terminal; COLUMNS says another number."""
        return shutil.get_terminal_size().columns

    @property
    def console(self) -> Console:
        """The terminal; respects NO_COLOR and TERM."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(highlight=False, markup=False, emoji=False)
        return self._console


def item(value: object) -> str:
    """One item of a list in a document."""
    return textwrap.indent(json.dumps(value, indent=2, allow_nan=False, default=str), "    ")


def complain(text: str) -> None:
    """A line on stderr; behind what was written to stdout so far, should both lead to one place."""
    with suppress(OSError, ValueError, AttributeError):  # closed, broken or none: for the next write to tell
        sys.stdout.flush()
    click.echo(words.clean(text), err=True)


def write(text: str) -> None:
    """Write to stdout in its own encoding, if there is one: click would write UTF-8 where it is ASCII."""
    if sys.stdout is not None:
        sys.stdout.write(text)


def _text(parts: list[tuple[str, str]]) -> Text:
    from rich.text import Text

    return Text.assemble(*((text, STYLES.get(style, style)) for text, style in parts))


def _style(cell: str) -> str:
    return cell if cell in STYLES else "faint" if cell == SAME else ""
