"""What holds of README.md alone; that its programs run is in test_pages.py."""

from __future__ import annotations

import re

import cachepy
from tests.docs.pages import ROOT, Page, sentences

README = Page("README.md")
RESUBMIT = "cachepy status -q --cache-dir DIR || sbatch job.sh\n"


def test_the_commands_come_first():
    assert README.blocks[0].kind == "sh"
    assert re.findall(r"^make (\w+)", README.blocks[0].body, re.MULTILINE) == ["demo", "test"]


def test_it_names_the_api():
    named = set(re.findall(r"\bcache_\w+|track_file|load_config", README.text))
    assert {"cache_file", "cache_tree_nodes", "track_file"} <= named & set(cachepy.__all__)


def test_the_picture_is_small_enough_to_load():
    picture = ROOT / "docs" / "graph.png"
    assert "](docs/graph.png)" in README.text
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 300_000


def test_it_is_read_in_five_minutes():
    assert len(README.text.split()) < 900  # as `wc -w` counts, code and table included


def test_lines_of_its_lists_are_sentences_too():
    assert "`cachepy prune" in " ".join(sentences(README.prose))


def test_it_names_the_four_states():
    assert re.search(r"fresh, stale \(.*missing \(.*unknown \(", README.prose)


def test_a_job_script_asks_as_the_page_on_resubmitting_says():
    assert RESUBMIT in [block.body for block in README.blocks]
    assert RESUBMIT in [block.body for block in Page("docs/how-to/resubmit.md").blocks]


def test_it_is_installed_from_a_folder_or_from_git():
    shown = README.section("Install")
    assert re.search(r"^pip install path/", shown, re.MULTILINE)
    assert re.search(r"^pip install git\+", shown, re.MULTILINE)
    assert "`cachepy-dask`" in shown


def test_its_limits_are_few():
    assert 1 <= len(re.findall(r"^- ", README.section("Limits"), re.MULTILINE)) <= 10
