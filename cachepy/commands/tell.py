"""What a command of the command line says: data on stdout, messages on stderr.

On a terminal tables and colours by rich; otherwise plain text, one record a line, columns two or more
spaces apart; or one JSON document.  Imports words; click for writing, rich only for a terminal.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress

import click

from cachepy.commands import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import IO, Any

    from rich.console import Console
    from rich.text import Text

    Row = Sequence[str]

STYLES = {
    "fresh": "green", "hit": "green", "stale": "yellow", "missing": "red", "unknown": "magenta",
    "+": "green", "-": "red", "@": "cyan", "head": "bold", "faint": "dim",
}  # fmt: skip
_MARKS = {"fresh": "✓", "hit": "✓", "stale": "✗", "missing": "○", "unknown": "?"}
_ASCII = {"fresh": "ok", "hit": "ok", "stale": "x", "missing": "o", "unknown": "?"}
_NARROW = 24  # columns that running text needs beside the columns that must not be cut


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

    def encoded(self, **fields: Any) -> str:
        body = {"schema": f"cachepy.{self.name}/1", **fields}
        return json.dumps(body, indent=2, allow_nan=False, default=str) + "\n"

    def line(self, text: str = "", style: str = "", indent: int = 0) -> None:
        """One line, never cut."""
        self._put([(" " * indent + words.clean(text), style)])

    def parts(self, *parts: tuple[str, str]) -> None:
        """One line of several texts, each with its style."""
        self._put([(words.clean(text), style) for text, style in parts if text])

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

    def table(self, head: Row, rows: Iterable[Row], *, right: str = "", fixed: str = "") -> None:
        """Records under headings; `right` and `fixed` name headings: aligned right, never wrapped.

        The headings are for a terminal only. One that is too narrow gets plain lines, which it wraps itself.
        """
        cells = [[words.clean(cell) for cell in row] for row in rows]
        if not cells:
            return
        at_right = {i for i, title in enumerate(head) if title in right.split()}
        whole = {i for i, title in enumerate(head) if title in fixed.split()} | at_right
        if not self.is_terminal:
            _plain(cells, at_right)
        elif self._fits(head, cells, whole):
            self._rich(head, cells, at_right, whole)
        else:
            _plain([[title.upper() for title in head], *cells], at_right)

    def _fits(self, head: Row, cells: list[list[str]], whole: set[int]) -> bool:
        widths = _widths([list(head), *cells])
        needed = sum(w if i in whole else min(w, _NARROW) for i, w in enumerate(widths))
        return needed + 2 * (len(widths) - 1) <= self.console.width

    def _rich(self, head: Row, cells: list[list[str]], at_right: set[int], whole: set[int]) -> None:
        from rich.table import Table

        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        for i, title in enumerate(head):
            table.add_column(
                title.upper(), justify="right" if i in at_right else "left", no_wrap=i in whole, overflow="fold"
            )
        for row in cells:
            table.add_row(*(_text([(cell, STYLES.get(cell, ""))]) for cell in row))
        self.console.print(table)

    @property
    def console(self) -> Console:
        """The terminal; respects NO_COLOR, TERM and COLUMNS."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(highlight=False, markup=False, emoji=False)
        return self._console


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


def _widths(cells: list[list[str]]) -> list[int]:
    return [max(map(words.width, column)) for column in zip(*cells, strict=True)]


def _plain(cells: list[list[str]], at_right: set[int]) -> None:
    """Aligned columns; what is behind the last column is not filled up."""
    widths = _widths(cells)
    for row in cells:
        padded = (_pad(cell, width, i in at_right) for i, (cell, width) in enumerate(zip(row, widths, strict=True)))
        write("  ".join(padded).rstrip() + "\n")


def _pad(cell: str, width: int, at_right: bool) -> str:
    room = " " * (width - words.width(cell))
    return room + cell if at_right else cell + room


def short_ids(ids: Iterable[str]) -> dict[str, str]:
    """Each id with as much of its digest as tells all of them apart, 8 characters at least.

    >>> short_ids(["f:0123456789ab", "g:0123456789ab"])["f:0123456789ab"]
    'f:01234567'
    >>> short_ids(["f:0123456789ab", "f:0123456799ab"])["f:0123456789ab"]
    'f:0123456789'
    """
    known = list(ids)
    length = 8
    while len({_cut(each, length) for each in known}) < len(set(known)):
        length += 2
    return {each: _cut(each, length) for each in known}


def _cut(call: str, length: int) -> str:
    fname, _, digest = call.rpartition(":")
    return f"{fname}:{digest[:length]}"
