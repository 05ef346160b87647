"""The pages that list things list all of them: the API, the commands, the cues of reasons, what counts."""

from __future__ import annotations

import re

import pytest

import cachepy
import dask_plugin
from cachepy.commands import cachepy as program
from cachepy.values.sentences import CUES
from tests.docs.pages import ROOT, Page

NAMES = {f"cachepy.{name}" for name in cachepy.__all__} | {f"dask_plugin.{name}" for name in dask_plugin.__all__}
INVALIDATES = Page("docs/invalidates.md")
COUNTS = [
    *("arguments", "files", "files", "code", "globals", "installed packages", "Python"),
    *("what you declare", "cached calls below", "the stored value"),
]


def shown(page: Page) -> str:
    """What terminals and sessions print on it."""
    return "\n".join(block.body for block in page.blocks if block.kind in {"console", "text"})


def test_every_public_name_is_described_once():
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "api").glob("*.md")]
    described = [name for text in pages for name in re.findall(r"^::: (\S+)$", text, re.MULTILINE)]
    assert sorted(described) == sorted(NAMES)


def test_the_index_of_the_api_leads_to_every_name():
    linked = re.findall(r"\]\[(\S+?)\]", Page("docs/api/index.md").text)
    assert sorted(linked) == sorted(NAMES)


def test_every_command_is_shown_with_its_help():
    typed = [command for block in Page("docs/cli.md").blocks for command in block.commands]
    assert typed == ["cachepy --help", *(f"cachepy {name} --help" for name in program.commands)]


@pytest.mark.parametrize("cue", CUES)
def test_an_example_shows_every_cue_of_a_reason(cue):
    lines = re.findall(rf"^(?:\s*{cue} {{2,}}|{cue} - )(\S.*)$", shown(INVALIDATES), re.MULTILINE)
    fixed = [re.escape(part) for part in re.split(r"\{\w+\}", CUES[cue])]
    assert any(re.search(".*".join(fixed), line) for line in lines), f"no line of {cue!r} worded {CUES[cue]!r}"


def test_the_table_names_every_cue():
    rows = [line.rpartition("|")[0].rpartition("|")[2] for line in INVALIDATES.text.splitlines() if line[:1] == "|"]
    assert set(CUES) <= set(re.findall(r"`([^`]+)`", "".join(rows)))


def test_the_table_names_everything_that_counts():
    rows = re.findall(r"^\| \[([^]]+)\]\(#([\w-]+)\)", INVALIDATES.text, re.MULTILINE)
    assert [name for name, _ in rows] == COUNTS
    headings = re.findall(r"^## (.+)$", INVALIDATES.prose, re.MULTILINE)
    anchors = {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}
    assert {anchor for _, anchor in rows} <= anchors
