"""What holds of README.md alone; that its programs run is in test_pages.py."""

from __future__ import annotations

import re

import cachepy
from tests.docs.pages import ROOT, Page

README = Page("README.md")


def test_the_commands_come_first():
    assert README.blocks[0].kind == "sh"
    assert re.findall(r"^make (\w+)", README.blocks[0].body, re.MULTILINE) == ["demo", "test"]


def test_it_names_the_api():
    named = set(re.findall(r"\bcache_\w+|track_file|load_config", README.text))
    assert {"cache_file", "cache_tree_nodes", "track_file"} <= named & set(cachepy.__all__)


def test_the_picture_is_small_enough_to_load():
    picture = ROOT / "docs" / "graph.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 300_000
