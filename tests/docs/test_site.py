"""The site is built without a warning, and reads nothing from the network.

Needs MkDocs (``pip install .[docs]``): skipped without, failed if CACHEPY_NEEDS_TOOLS=1.
"""

from __future__ import annotations

import doctest
import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import cachepy
import dask_plugin
from tests.docs.pages import ROOT

TOOLS = ("mkdocs", "material", "mkdocs_jupyter", "mkdocstrings", "ipykernel")
FETCHES = {"script", "img", "iframe", "source", "video", "audio", "embed", "object", "input", "track", "use", "image"}
FETCHED_LINKS = {"stylesheet", "icon", "shortcut icon", "preload", "prefetch", "preconnect", "modulepreload"}
AWAY = re.compile(r"(?:https?:)?//", re.IGNORECASE)


class Fetched(HTMLParser):
    """What a browser fetches by itself when it opens a page, and what the page's own scripts and styles name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.led: list[str] = []  # what it shows and links to
        self.ids: set[str] = set()
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        self.ids.add(given.get("id", ""))
        self._inside = tag
        self.led += [url.partition("#")[0] for name in ("src", "href") if (url := given.get(name, "")) and ":" not in url]
        if tag in FETCHES:
            self.urls += [given.get(name, "") for name in ("src", "srcset", "data", "href", "xlink:href")]
        if tag == "link" and given.get("rel", "").lower() in FETCHED_LINKS:
            self.urls.append(given["href"])
        self.urls += re.findall(r"url\(['\"]?([^'\")]+)", given.get("style", ""))

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "style":
            self.urls += in_style(data)
        if self._inside == "script":
            self.urls += re.findall(r"\b(?:import|fetch|importScripts)\(\s*['\"`]([^'\"`]+)", data)

    @property
    def away(self) -> list[str]:
        return [url for url in self.urls if AWAY.match(url)]


def in_style(text: str) -> list[str]:
    return re.findall(r"(?:url\(|@import)\s*['\"]?([^'\")\s;]+)", text)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    missing = [name for name in TOOLS if importlib.util.find_spec(name) is None]
    if missing:
        assert os.environ.get("CACHEPY_NEEDS_TOOLS") != "1", missing
        pytest.skip(f"needs {', '.join(missing)}")
    folder, before = tmp_path_factory.mktemp("site"), set(os.listdir(ROOT))
    places = dict.fromkeys(("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"), str(tmp_path_factory.mktemp("jupyter")))
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder / "site")],
        cwd=ROOT,
        env={**os.environ, **places, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert set(os.listdir(ROOT)) - before == set(), "the build leaves something in the repository"
    return folder / "site"


@pytest.fixture(scope="module")
def pages(site) -> dict[str, Fetched]:
    return {str(p.relative_to(site)): Fetched(p.read_text(encoding="utf-8")) for p in sorted(site.rglob("*.html"))}


def test_no_page_asks_the_network_for_anything(pages):
    assert len(pages) > 25
    assert sum(len(page.urls) for page in pages.values()) > 100
    assert {name: page.away for name, page in pages.items() if page.away} == {}


def test_nothing_stands_in_the_site_that_no_page_leads_to(site, pages):
    led = {os.path.normpath(os.path.join(os.path.dirname(name), url)) for name, page in pages.items() for url in page.led}
    theirs = ("assets/_mkdocs", "assets/javascripts/", "assets/stylesheets/", "assets/images/", "search/")
    files = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    ours = {name for name in files if not name.startswith(theirs)}
    assert ours - led - {"404.html", "sitemap.xml", "sitemap.xml.gz", "objects.inv", "index.html"} == {"graph.png", "license.txt"}  # of README


def test_prompts_are_not_copied_with_commands(site):
    """The button takes what is shown of a block: all but prompts and outputs, while it copies."""
    style = (site / "assets" / "site.css").read_text(encoding="utf-8")
    assert re.search(r"\.gp \{[^}]*user-select: none", style)
    assert re.search(r"\[data-md-copying\] \.gp,\s*\[data-md-copying\] \.go \{\s*display: none", style)
    text = (site / "tutorials" / "get-started.html").read_text(encoding="utf-8")
    assert re.search(r'<span class="gp">\$ ?</span>', text)
    assert 'class="go">' in text
    scripts = "".join(path.read_text(encoding="utf-8") for path in site.rglob("assets/javascripts/bundle.*.js"))
    assert "data-md-copying" in scripts


def test_no_style_asks_the_network_for_anything(site):
    styles = list(site.rglob("*.css"))
    assert styles
    found = {str(path): in_style(path.read_text(encoding="utf-8")) for path in styles}
    assert {path: urls for path, urls in found.items() if any(map(AWAY.match, urls))} == {}


def test_no_page_needs_a_library_that_the_theme_would_fetch(site):
    """Diagrams of Mermaid are drawn by a script that the theme takes from elsewhere."""
    asking = re.compile(r"""class="[^"]*\bmermaid\b""")
    assert [str(page) for page in site.rglob("*.html") if asking.search(page.read_text(encoding="utf-8"))] == []


def test_every_public_name_can_be_linked_to(pages):
    ids = set().union(*(page.ids for name, page in pages.items() if name.startswith("reference/api/")))
    names = {f"cachepy.{name}" for name in cachepy.__all__} | {f"dask_plugin.{name}" for name in dask_plugin.__all__}
    assert names - ids == set()


def test_the_tutorial_shows_its_outputs(site):
    text = (site / "tutorials" / "tutorial.html").read_text(encoding="utf-8")
    assert "11 calls" in text
    assert text.count("data:image/png;base64") >= 1


def test_files_of_the_root_are_pages(site):
    for name, words in {"changelog": "Unreleased", "security": "pickle", "contributing": "make test"}.items():
        assert words in (site / f"{name}.html").read_text(encoding="utf-8")


def test_links_between_docs_and_root_are_led(site):
    spec = importlib.util.spec_from_file_location("site_hooks", ROOT / "docs" / "hooks.py")
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    tried = doctest.testmod(hooks)
    assert tried.attempted >= 2
    assert tried.failed == 0
