"""What users read in messages and in ``--help``: sentences are short, and words are those that all pages use."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import click
import pytest

from cachepy.cli.group import cachepy as program
from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 30  # words of a sentence
ODD = {
    "anew": "again",
    "any more": "no longer",
    "put aside": "moved aside",
    "goes by": "uses",
    "looked at": "checked",
    "letter box": "mailbox",
    "nobody": "name who it is, or what does not happen",
    "passed over": "skipped",
}
"""What reads strangely -> how a colleague says it."""

SOURCES = sorted([*(ROOT / "cachepy").rglob("*.py"), *(ROOT / "dask_plugin").rglob("*.py")])


def texts(tree: ast.Module) -> Iterator[str]:
    """Each text of a module that is no docstring, its values as ``X``."""
    seen = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            seen |= {id(part) for part in node.values}
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in seen:
            yield node.value


def messages(source: str) -> list[str]:
    """The texts of three words or more."""
    return [text for text in texts(ast.parse(source)) if len(re.findall(r"(?<![\w{])[a-z]+(?![\w}])", text)) >= 3]


def too_long(text: str) -> list[str]:
    parts = re.split(r"[.;:!?]\s|\n", text)
    return [part for part in parts if len(part.split()) > LONGEST]


def commands(command: click.Command, name: str = "cachepy") -> Iterator[tuple[str, str]]:
    yield name, command.get_help(click.Context(command, info_name=name, terminal_width=10_000, max_content_width=10_000))
    for each, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{name} {each}")


HELP = dict(commands(program))


def test_messages_are_told_from_other_texts():
    assert messages('"""Not a message at all."""\nf(f"{name} is no longer {there}", "one two", "a=b")') == ["X is no longer X"]


def test_long_sentences_are_found():
    long = " ".join(["word"] * 31)
    assert too_long(f"Short. {long}. Short") == [long]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sentences_of_messages_are_short_and_plain(path):
    found = messages(path.read_text(encoding="utf-8"))
    assert [part for text in found for part in too_long(text)] == []
    odd = [(text, plain) for text in found for word, plain in ODD.items() if re.search(rf"\b{word}\b", text)]
    assert odd == []


@pytest.mark.parametrize("name", HELP)
def test_sentences_of_help_are_short_and_plain(name):
    text = HELP[name]
    assert too_long(text) == []
    assert [(word, plain) for word, plain in ODD.items() if re.search(rf"\b{word}\b", text)] == []


def test_every_command_is_read():
    assert {"cachepy", "cachepy status", "cachepy explain"} <= HELP.keys()
