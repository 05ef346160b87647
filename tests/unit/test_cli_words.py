"""What people read at a prompt: short sentences, one word for one thing, examples that run."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachepy.commands import cachepy as program

PACKAGE = Path(__file__).resolve().parents[2] / "cachepy"
READ = [*sorted(PACKAGE.glob("commands/*.py")), PACKAGE / "cli.py", PACKAGE / "exits.py", PACKAGE / "forms/notebook.py",
        PACKAGE / "forms/show.py", PACKAGE / "forms/tabled.py"]  # fmt: skip
MOST = 30  # words of a sentence
STRANGE = ["made anew", "is of cachepy", "nobody reads", "puts broken files aside", "what nothing gives", "out of date"]


def texts_of(source: str) -> Iterator[str]:
    """Every text in a source file; what is filled in counts as one word."""
    tree = ast.parse(source)
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def sentences_of(text: str) -> list[str]:
    return re.split(r"(?<=[.:;?!])\s+|\n\s*\n|\n +\w+ {2,}", text)


@pytest.mark.parametrize("path", READ, ids=lambda path: path.stem)
def test_sentences_are_short(path):
    found = [each for text in texts_of(path.read_text(encoding="utf-8")) for each in sentences_of(text)]
    assert [" ".join(each.split()) for each in found if len(each.split()) > MOST] == []


def test_a_long_sentence_is_found():
    long = " ".join(["word"] * 31)
    assert [len(each.split()) for each in sentences_of(f"Short one. {long}")] == [2, 31]
    assert list(texts_of(f"x = f'{long} {{y}}'")) == [f"{long} X"]


@pytest.mark.parametrize("name", list(program.commands))
def test_words_of_the_help(name):
    command = program.commands[name]
    options = [param.help or "" for param in command.params if hasattr(param, "help")]
    text = " ".join([command.help or "", *options])
    assert not [word for word in STRANGE if word in text]
    assert command.get_short_help_str(100).endswith(".")
    assert all(help_text.rstrip("] ")[-1:] in {".", ""} or "[default" in help_text for help_text in options)


@pytest.mark.parametrize("name", list(program.commands))
def test_examples_of_the_help_are_right(name):
    """Each is parsed by the command: its options exist and take what they are given."""
    lines = (program.commands[name].epilog or "").partition("Keys")[0].replace("\\\n", " ").splitlines()
    examples = [line.strip() for line in lines if line.strip().startswith("cachepy ")]
    assert examples
    for example in examples:
        words = shlex.split(re.split(r" (?:\|\||\||>)", example)[0])
        assert words[1] == name
        program.commands[name].make_context(name, words[2:])
