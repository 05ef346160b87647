"""The page on troubleshooting has every warning and error that users can see, and quotes messages as they are."""

from __future__ import annotations

import ast
import re

import pytest

import dask_plugin
from cachepy import errors
from tests.docs.pages import Page
from tests.docs.test_messages import SOURCES, texts

PAGE = Page("docs/how-to/troubleshooting.md")
NEVER_SEEN = {  # they end in a warning, or in another error
    "EntryError", "EntryReplacedError", "OtherFormatError", "SubinterpreterError", "UntrustedEntryError",
    "UndigestableError",
}  # fmt: skip
SEEN = {
    name
    for module in (errors, dask_plugin)
    for name in dir(module)
    if isinstance(getattr(module, name), type) and issubclass(getattr(module, name), BaseException)
} - NEVER_SEEN
ALL_TEXTS = "\n".join(text for path in SOURCES for text in texts(ast.parse(path.read_text(encoding="utf-8"))))
QUOTED = [
    quote for line in re.findall(r"^- (`.+?):", PAGE.text, re.MULTILINE) for quote in re.findall(r"`([^`]+)`", line)
]


def test_every_class_that_users_see_has_a_section():
    titles = re.findall(r"^## (\w+(?:Warning|Error))$", PAGE.text, re.MULTILINE)
    assert sorted(titles) == sorted(SEEN)


@pytest.mark.parametrize("quote", QUOTED)
def test_a_message_is_quoted_as_it_is(quote):
    """Between dots, each word as it stands in the source."""
    parts = [part.strip(" ().;,") for part in quote.split("…")]
    assert [part for part in parts if part not in ALL_TEXTS] == []


def test_messages_are_quoted():
    assert len(QUOTED) > 25
