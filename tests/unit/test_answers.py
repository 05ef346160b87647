"""Answers of `cache_tree_*`: dicts to programs, tables to people; cached functions and pages that show themselves."""

from __future__ import annotations

import copy
import json
import pickle
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import cachepy
from cachepy import Reason, answers, cache_file
from cachepy.views import notebook, tabled

HOSTILE = "<script>alert('1')</script>&\"\x1b[31m\n"


@pytest.fixture
def stale(tmp_path, monkeypatch):
    """Sixty calls that read changed files, and one above them, and no calls of other tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cachepy.calls.state._default", cachepy.Session())

    @cache_file("cache")
    def load(path):
        return path.read_text()

    @cache_file("cache")
    def both(number):
        return [load(Path(f"{i}.txt")) for i in range(number)]

    for i in range(60):
        Path(f"{i}.txt").write_text("one")
    both(60)
    for i in range(60):
        Path(f"{i}.txt").write_text("two")
    return load


ASKS = [
    cachepy.cache_tree_stale, cachepy.cache_tree_changed_files, cachepy.cache_tree_nodes, cachepy.cache_tree_files,
    cachepy.cache_tree_summary, lambda: cachepy.cache_tree_for_file("3.txt"),
]  # fmt: skip


@pytest.mark.parametrize("ask", ASKS)
def test_an_answer_is_a_dict_to_programs(stale, ask):
    found = ask()
    plain = dict(found)
    assert isinstance(found, dict)
    assert found == plain and plain == found
    assert type(found.copy()) is dict and type({**found}) is dict
    for made in (pickle.loads(pickle.dumps(found)), copy.copy(found), copy.deepcopy(found)):
        assert made == plain and type(made) is type(found)
    assert json.dumps(found, default=str) == json.dumps(plain, default=str)
    with pytest.raises(AttributeError):
        found.extra = 1


@pytest.mark.parametrize("ask", ASKS)
def test_an_answer_shows_itself(stale, ask):
    bundle = ask()._repr_mimebundle_(include=None, exclude=None)
    assert bundle["text/plain"] == repr(ask())
    assert len(bundle["text/plain"].splitlines()) <= tabled.LINES + 2
    assert all(len(line) <= 118 for line in bundle["text/plain"].splitlines())
    assert bundle["text/html"].count("<tr>") <= notebook.MOST + 1


def test_the_stale_calls_as_a_table(stale):
    found = cachepy.cache_tree_stale()
    head, *lines, more = repr(found).splitlines()
    assert (head, more) == ("61 calls not fresh: 61 stale", "  and 41 more")
    assert [line.split()[1] for line in lines] == [f"load({i}.txt)" for i in range(20)]
    assert re.fullmatch(r"  stale  load\(0.txt\) +file /.*", lines[0])  # a long path is cut
    html = found._repr_html_()
    assert notebook.chip("stale", "61 stale") in html
    assert html.count("and 11 more") == 1
    assert html.count("<td") == 3 * notebook.MOST


@pytest.mark.parametrize("ask", ASKS[:4])
def test_nothing_is_an_empty_dict(ask):
    cachepy.cache_tree_reset()
    assert repr(ask()) == "{}"
    assert ask()._repr_html_().startswith('<div class="cachepy"')


def test_an_empty_answer_claims_no_more_than_was_looked_at():
    cachepy.cache_tree_reset()
    html = cachepy.cache_tree_stale()._repr_html_()
    assert "of the calls in memory" in html and "fresh" not in html


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)


def node(name):
    return {"fname": name, "label": {"x": name}, "elapsed": 1.0, "files": [Path(f"/a/{name}")], "parents": [f"{name}:2"]}


@pytest.mark.parametrize(
    "answer",
    [
        answers.StaleCalls({HOSTILE: {"node": node(HOSTILE), "state": "unknown", "reasons": [Reason("file", HOSTILE, "1", "2")]}}),
        answers.StaleCalls({HOSTILE: {"node": None, "state": "missing", "reasons": []}}),
        answers.ChangedCalls({HOSTILE: {"node": node(HOSTILE), "changed_files": [Path(HOSTILE)] * 9}}),
        answers.Calls({HOSTILE: node(HOSTILE)}),
        answers.Files({HOSTILE: [HOSTILE]}),
        answers.Summary({"nodes": 1, "files": 1, "elapsed": 1.0, "functions": {HOSTILE: 1}}),
    ],
    ids=lambda answer: type(answer).__name__,
)  # fmt: skip
def test_names_are_text_whatever_is_in_them(answer):
    text, html = repr(answer), answer._repr_html_()
    assert "script" not in Tags(html).tags
    assert "\x1b" not in text + html
    assert "&lt;script&gt;" in html
    assert len(text.splitlines()) == 2


def test_an_answer_that_was_stored_is_the_same_argument(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = []

    @cache_file("cache")
    def names():
        return cachepy.answers.Files({"a": ["b"]})

    @cache_file("cache", ignore_globals=["ran"])
    def count(found):
        ran.append(1)
        return len(found)

    for _ in range(2):
        assert count(names()) == 1
    assert ran == [1]
    assert count.is_cached(cachepy.answers.Files({"a": ["b"]}))


def test_a_page_is_a_text_that_shows_itself(stale):
    page = cachepy.cache_tree_to_html()
    assert isinstance(page, str)
    assert page == str(page) and type(str(page)) is str
    assert pickle.loads(pickle.dumps(page)) == page
    assert page.startswith("<!doctype html>")
    assert len(repr(page)) < 120
    frame = page._repr_html_()
    assert frame.startswith('<iframe sandbox="allow-scripts"')
    assert Tags(frame).tags == {"iframe"}

    class Inside(HTMLParser):
        def handle_starttag(self, tag, attrs):
            assert dict(attrs)["srcdoc"] == page

    Inside().feed(frame)


def test_a_cached_function_shows_itself(stale, tmp_path):
    bundle = stale._repr_mimebundle_(include=None, exclude=None)
    assert bundle["text/plain"].endswith(f".load, cache {tmp_path / 'cache'}, 60 stored calls>")
    assert "test_answers." in bundle["text/plain"]
    assert str(tmp_path / "cache") in bundle["text/html"]
    assert "load.explain(...)" in bundle["text/html"]
    assert stale.__name__ == "load" and repr(stale).startswith("<function ")


def test_looking_at_a_function_fixes_nothing(tmp_path, monkeypatch):
    @cache_file
    def later(x):
        return x

    monkeypatch.delenv("CACHEPY_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    assert f"cache {tmp_path / '.cachepy'}, 0 stored calls" in later._repr_mimebundle_()["text/plain"]
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    later(1)
    assert f"cache {tmp_path / 'other/.cachepy'}, 1 stored call>" in later._repr_mimebundle_()["text/plain"]


def test_counting_calls_does_not_take_long(stale, monkeypatch):
    monkeypatch.setattr(tabled, "_PATIENCE", -1)
    assert "more than 0 stored calls" in stale._repr_mimebundle_()["text/plain"]


def test_a_method_shows_its_function(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Model:
        @cache_file("cache")
        def fit(self, x):
            return x

    assert "Model.fit, cache" in Model().fit._repr_mimebundle_()["text/plain"]
