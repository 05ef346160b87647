"""How the pages are worded: how much there is to read, in what sentences, with which words for states."""

from __future__ import annotations

import re

import pytest

from tests.docs.notebook import TUTORIAL
from tests.docs.pages import all_pages, prose_of, sentences
from tests.docs.test_messages import ODD

MOST_WORDS, LONGEST = 15_000, 30
MADE = r"<!-- table -->.*?<!-- /table -->"
PROSE = {page.name: page.prose for page in all_pages()} | {"tutorial.ipynb": prose_of(TUTORIAL)}
OTHER_WORDS = r"\b(?:out[ -]of[ -]date|up[ -]to[ -]date|outdated|obsolete|expired|dirty)\b"
PARTS = {"tutorials", "how-to", "explanation", "reference"}
each_text = pytest.mark.parametrize("name", PROSE)


def test_it_is_read_in_an_hour():
    """As `wc -w` counts, code and tables included; of the notebook the text.

    Tables that a program writes are looked up: nobody reads them line by line.
    """
    texts = [re.sub(MADE, "", page.text, flags=re.DOTALL) for page in all_pages() if page.name != "README.md"]
    texts.append(prose_of(TUTORIAL))
    assert sum(len(text.split()) for text in texts) <= MOST_WORDS


@each_text
def test_sentences_are_short(name):
    long = [sentence for sentence in sentences(PROSE[name]) if len(sentence.split()) > LONGEST]
    assert long == []


@each_text
def test_there_is_one_word_for_each_state(name):
    assert re.findall(OTHER_WORDS, PROSE[name], re.IGNORECASE) == []


@each_text
def test_no_word_reads_strangely(name):
    assert [(word, plain) for word, plain in ODD.items() if re.search(rf"\b{word}\b", PROSE[name], re.IGNORECASE)] == []


def test_sentences_are_told_apart():
    prose = "# A title\n\nOne\nline. See [a page](b c.md)! Up to 3.5 s.\n- an item: `f(x)`\n\n| a | b. c |\n![picture. of](d.png)\n"
    assert sentences(prose) == ["# A title", "One line.", "See [a page]!", "Up to 3.5 s.", "- an item: `f(x)`"]


def test_every_page_is_in_one_of_four_parts():
    folders = {page.name.split("/")[1] for page in all_pages() if page.name not in {"README.md", "docs/index.md"}}
    assert folders == PARTS
