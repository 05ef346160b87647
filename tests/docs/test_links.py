"""Links between files of the project lead somewhere; those between pages of the site are MkDocs' business too."""

from __future__ import annotations

import re

import pytest

from tests.docs.notebook import TUTORIAL
from tests.docs.pages import ROOT, Page, all_pages, prose_of

ALONE = ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
PAGES = [*all_pages(), *map(Page, ALONE)]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def local(text: str) -> list[str]:
    links = [link.partition("#")[0] for link in LINK.findall(text) if "://" not in link]
    return [link for link in links if link]


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_relative_links_lead_somewhere(page):
    folder = (ROOT / page.name).parent
    assert [link for link in local(page.prose) if not (folder / link).exists()] == []


def test_links_of_the_tutorial_lead_somewhere():
    links = local(prose_of(TUTORIAL))
    assert links
    assert [link for link in links if not (TUTORIAL.parent / link).exists()] == []
