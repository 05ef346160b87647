"""The help of the commands: each option has a sentence, and the examples are right."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from cachepy.cli.group import cachepy as program


@pytest.mark.parametrize("name", list(program.commands))
def test_each_option_has_a_sentence(name):
    command = program.commands[name]
    assert command.get_short_help_str(100).endswith(".")
    for param in command.params:
        if isinstance(param, click.Option) and not param.hidden:
            assert re.search(r"\.($|  \[)|^\[default", param.help or ""), f"{param.opts}: {param.help}"


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
