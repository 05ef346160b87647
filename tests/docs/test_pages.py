"""README and the pages of the site are true: all code on them is run, and prints what they show."""

from __future__ import annotations

import re

import pytest

import cachepy
import dask_plugin
from cachepy.calls.options import NAMES as OPTIONS
from tests.docs.pages import KINDS, PARSERS, ROOT, all_pages, timeless

NOT_RUN: dict[str, int] = {}  # page: blocks with a mark
OF_OTHERS = {
    "cache_clear", "cache_expiration", "cache_key_fn", "cache_policy", "cache_validation_callback",
}  # names of other tools that look like ours
PAGES = all_pages()
each_page = pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])


@pytest.mark.dask
@each_page
def test_it_shows_what_happens(page, tmp_path):
    for block, body in page.replay(tmp_path):
        assert timeless(body) == timeless(block.body), f"{page.name}:{block.line}"


def test_it_is_known_how_many_blocks_are_not_run():
    marks = {page.name: sum(1 for block in page.blocks if block.mark) for page in PAGES}
    assert {name: count for name, count in marks.items() if count} == NOT_RUN


@each_page
def test_every_block_says_what_it_is(page):
    """And none hides from the tests: indented, or fenced in another way."""
    unknown = [block for block in page.blocks if block.kind not in KINDS and not block.mark]
    assert [f"line {block.line}: {block.kind!r}" for block in unknown] == []
    assert re.findall(r"^.*(?:```|~~~).*$", page.prose, re.MULTILINE) == []
    assert re.findall(r"<!-- not run.*", page.prose) == [], "a mark without a block below it"


@each_page
def test_programs_compile_also_those_that_are_not_run(page):
    for block in page.blocks:
        if block.kind == "python":
            compile(block.body, f"{page.name}:{block.line}", "exec")
        elif block.kind in PARSERS:
            assert PARSERS[block.kind](block.body), f"{page.name}:{block.line}: empty"


@each_page
def test_names_of_make_exist(page):
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    code = "\n".join(block.body for block in page.blocks if block.kind in {"sh", "console"})
    named = re.findall(r"^(?:\$ )?make (\w+)", code, re.MULTILINE) + re.findall(r"`make (\w+)", page.prose)
    assert set(named) <= targets


@each_page
def test_public_names_exist(page):
    """Names in the text that look like parts of the public API."""
    named = set(re.findall(r"\b(?:cache_tree_(?!\w*\*)\w+|cache_(?!tree\b|dir\b)\w+|plot_cache_graph)\b", page.text))
    known = {*cachepy.__all__, *dask_plugin.__all__, *OPTIONS, *OF_OTHERS}
    assert {name for name in named if name not in known and not name.endswith("_")} == set()
