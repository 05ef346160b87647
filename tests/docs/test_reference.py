"""The pages that list things list all of them: the API, the commands, the cues of reasons, what counts."""

from __future__ import annotations

import re

import click
import pytest

import cachepy
import dask_plugin
from cachepy.calls.option_words import WORDS
from cachepy.cli.group import cachepy as program
from cachepy.core.reasons import CUES
from tests.docs.pages import ROOT, Page
from tests.docs.test_messages import SOURCES

NAMES = {f"cachepy.{name}" for name in cachepy.__all__} | {f"dask_plugin.{name}" for name in dask_plugin.__all__}
INVALIDATES = Page("docs/explanation/invalidates.md")
COMMANDS = Page("docs/reference/commands.md")
OPTIONS = Page("docs/reference/options.md")
ONLY_TOLD = {"location"}  # the first argument there, as here
COUNTS = [
    *("arguments", "files", "files", "code", "globals", "installed packages", "Python"),
    *("what you declare", "cached calls below", "the stored value"),
]


def shown(page: Page) -> str:
    """What terminals and sessions print on it."""
    return "\n".join(block.body for block in page.blocks if block.kind in {"console", "text"})


def test_every_public_name_is_described_once():
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference" / "api").glob("*.md")]
    described = [name for text in pages for name in re.findall(r"^::: (\S+)$", text, re.MULTILINE)]
    assert sorted(described) == sorted(NAMES)


def test_the_index_of_the_api_leads_to_every_name():
    linked = re.findall(r"\]\[(\S+?)\]", Page("docs/reference/api/index.md").text)
    assert sorted(linked) == sorted(NAMES)


def named(text: str) -> set[str]:
    """The options that a text names."""
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", " ".join(re.findall(r"`([^`]+)`", text))))


def taken(command: click.Command) -> list[list[str]]:
    """The names of each option of a command."""
    return [each.opts for each in command.params if isinstance(each, click.Option) and not each.hidden]


def test_every_command_has_a_section():
    titles = re.findall(r"^## cachepy (.+)$", COMMANDS.text, re.MULTILINE)
    assert titles == list(program.commands)


@pytest.mark.parametrize("name", program.commands)
def test_the_section_of_a_command_names_its_options(name):
    common = named(COMMANDS.section("Options of all commands"))
    own = named(COMMANDS.section(f"cachepy {name}"))
    options = taken(program.commands[name])
    assert [each for each in options if not set(each) & (own | common)] == []
    assert own - {"--help"} <= {option for each in options for option in each}


def test_the_table_of_options_has_each_with_its_default():
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", OPTIONS.text.partition("## For one call")[0], re.MULTILINE)
    defaults = {name: f"`{default!r}`" for name, default in cachepy.cache_file.__kwdefaults__.items()}
    assert {name: shown for name, shown in rows if name != "cache_dir"} == defaults


@pytest.mark.parametrize("tool", WORDS)
def test_the_words_of_each_tool_stand_in_the_docs(tool):
    """Those for what there is here too: what is always so, or has no counterpart, is only said in the error."""
    page = Page("docs/reference/coming-from.md").text
    assert tool in page.lower()
    meant = [word for word, text in WORDS[tool].items() if text.startswith("is `") and word not in ONLY_TOLD]
    assert [word for word in meant if f"{word}=" not in page] == []


def test_every_environment_variable_is_named():
    read = set(re.findall(r"(?<![A-Z_])CACHEPY_[A-Z_]+", "".join(path.read_text(encoding="utf-8") for path in SOURCES)))
    assert read == set(re.findall(r"CACHEPY_[A-Z_]+", OPTIONS.text))


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
