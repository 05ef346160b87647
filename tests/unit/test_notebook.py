"""What a notebook shows: HTML and text for records and for the view of the graph, all of the user's text escaped."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from export_cases import NASTY

import cachepy
from cachepy.core.model import Dep
from cachepy.core.reasons import Reason, Verdict
from cachepy.maintain.check import Checked, Problem
from cachepy.staleness.plan import RESULTS, UNSEEN, Plan, PlannedCall
from cachepy.staleness.refresh import Refreshed
from cachepy.views import notebook
from cachepy.views.view import GraphView, NodeView, cache_tree_view
from tests.programs import ROOT, Project

TAGS = {"div", "span", "strong", "code", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "img"}
ATTRIBUTES = {"class", "style", "title", "alt", "src"}
HOSTILE = [text for text in NASTY if text.strip()] + ["<b>" * 300, "</td></table><img src=x onerror=alert(1)>", "\" onmouseover=\"x"]


class Page(HTMLParser):
    """Reads HTML as a browser does; collects its text, and fails on what no output of ours has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)
        self.close()
        assert self.open == []
        self.text = "\n".join(self.words)

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS, tag
        assert {name for name, _ in attrs} <= ATTRIBUTES, attrs
        self.attributes += attrs
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def shown(thing: object) -> tuple[Page, str]:
    """Both forms, as IPython asks for them."""
    bundle = thing._repr_mimebundle_(include=None, exclude=None)
    assert bundle.keys() == {"text/html", "text/plain"}
    assert bundle["text/html"] == thing._repr_html_()
    for text in bundle.values():
        text.encode("utf-8")
    return Page(bundle["text/html"]), bundle["text/plain"]


def planned(name: str, state: str, **more: object) -> PlannedCall:
    reasons = () if state == "hit" else (Reason("file", name, "1", "2"),)
    fields = {"id": f"{name}:1", "label": f"f({name})", "fname": "f", "state": state, "reasons": reasons}
    return PlannedCall(**{**fields, "elapsed": 2.0, "own": 1.5, "doubt": "", **more})


def one_of_each(name: str) -> list[object]:
    reason = Reason("code", name, "1", "2", where=f"{name}.py:3", diff=f"-{name}\n+ {name}!")
    return [
        reason,
        Verdict("stale", (reason,)),
        Plan((planned(name, "stale"), planned(name, "hit"), planned(name, "unknown", doubt=UNSEEN)), (name,)),
        planned(name, "missing"),
        Refreshed((f"{name}:1",), (), {f"{name}:2": ValueError(name)}, {f"{name}:3": name}),
        Checked(3, 100, (Problem(name, f"{name}:1", name),), (name,), (), 0, 0, (), ()),
        Problem(name, name, name),
        Dep("file", name, None),
    ]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_are_text_whatever_is_in_them(name):
    for thing in one_of_each(name):
        page, _ = shown(thing)
        start = re.split(r"[\x00-\x1f\x80-\x9f\ud800-\udfff\ufffe]", name)[0][:40].strip()
        assert start in page.text or start in "".join(value or "" for _, value in page.attributes)


def test_a_long_text_is_cut_and_whole_in_its_tooltip():
    page, _ = shown(Dep("file", "x" * 1000, None))
    assert "x" * 1000 not in page.text and "x" * 159 + "…" not in page.text.replace("\n", "")[:10]
    assert ("title", "x" * 1000) in page.attributes


def test_a_plan_shows_what_runs_first_and_why():
    plan = Plan((planned("a.csv", "hit"), planned("b.csv", "stale"), planned("c.csv", "missing", doubt=RESULTS)), ())
    page, text = shown(plan)
    assert text == str(plan)
    order = [page.text.index(f"f({name}.csv)") for name in "bca"]
    assert order == sorted(order)
    assert "file b.csv changed" in page.text
    assert page.text.count(RESULTS) == 1
    assert "1 of 3 calls would run, about 1.5 s; up to 2, about 3.0 s, depending on whether results change" in page.text


def test_a_plan_at_a_prompt_is_a_few_lines():
    plan = Plan((planned("a.csv", "hit"), *(planned(f"{i}\x1b.csv", "stale") for i in range(30))), ())
    head, *lines, more = repr(plan).splitlines()
    assert (head, more, len(lines)) == (str(plan), "  and 10 more", 20)
    assert lines[0] == "  stale   f(0\\x1b.csv): file 0\\x1b.csv changed"
    assert repr(Plan((), ())) == "no calls recorded"


def test_a_long_plan_is_cut():
    page, _ = shown(Plan(tuple(planned(f"{i}.csv", "stale") for i in range(70)), ()))
    assert "f(49.csv)" in page.text and "f(50.csv)" not in page.text
    assert "and 20 more" in page.text


def test_a_planned_call_is_one_line_of_text():
    assert shown(planned("a.csv", "stale"))[1] == "f(a.csv) is stale: file a.csv changed"


def test_a_verdict_shows_changed_lines_of_code():
    diff = "-return 1\n+return 2"
    page, text = shown(Verdict("stale", (Reason("code", "m:f", "1", "2", where="m.py:3", diff=diff),)))
    assert text == "stale: code of m:f changed (m.py:3)"
    assert {"-return 1", "+return 2"} <= set(page.words)
    assert any(name == "style" and "rgba(46,160,67" in value for name, value in page.attributes)


def test_a_fresh_verdict_says_what_that_means():
    assert "Its stored result would be used." in shown(Verdict("fresh", ()))[0].text


def test_a_refresh_names_what_failed_and_what_is_left():
    page, text = shown(Refreshed(("a:1", "b:2"), (), {"c:3": ValueError("no")}, {"d:4": "m:f cannot be found"}))
    assert text == "2 ran, 1 failed, 1 could not be run"
    assert {"c:3", "ValueError: no", "d:4", "m:f cannot be found"} <= set(page.words)
    assert "nothing was stale." in shown(Refreshed((), (), {}, {}))[0].text


def test_a_check_lists_each_problem_once():
    page, _ = shown(Checked(3, 100, (Problem("p.entry", "f:1", "cut short"),), ("g:2",), (), 0, 0, (), ()))
    assert page.text.count("cut short") == 1 and "p.entry" in page.text
    assert "1 stored but not in the graph" in page.text


def test_states_have_a_word_and_a_sign_besides_the_colour():
    for state, sign in {"fresh": "✓", "stale": "!", "missing": "/", "unknown": "?"}.items():
        assert Page(notebook.chip(state)).text == f"{sign} {state}"


# ---------------------------------------------------------------- the view of the graph


@pytest.fixture
def days(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with cachepy.use_session(cachepy.Session()):

        @cachepy.cache_file(tmp_path / "cache")
        def read(path):
            return [float(word) for word in path.read_text().split()]

        @cachepy.cache_file(tmp_path / "cache")
        def mean(values):
            return sum(values) / len(values)

        @cachepy.cache_file(tmp_path / "cache")
        def both(paths):
            return [mean(read(path)) for path in paths]

        paths = [Path("<script>&monday.txt"), Path("tuesday.txt")]
        paths[0].write_text("1 2 6")
        paths[1].write_text("3 5")
        both(paths)
        yield paths


def test_the_view_shows_picture_counts_and_calls(days):
    days[1].write_text("3 7")
    view = cache_tree_view()
    page, text = shown(view)
    assert (len(view), view.counts) == (5, {"stale": 3, "fresh": 2})
    assert text.splitlines()[0] == "5 calls, 2 files: 3 stale, 2 fresh"
    assert "read(tuesday.txt): file" in text and "read(<script>" not in text
    (source,) = (value for name, value in page.attributes if name == "src")
    assert base64.b64decode(source.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    assert dict(page.attributes)["alt"] == text
    assert {"read(tuesday.txt)", "read(<script>&monday.txt)"} <= set(page.words)


def test_the_view_is_of_its_moment(days):
    view = cache_tree_view()
    cachepy.cache_tree_reset()
    assert len(view) == 5 and len(cache_tree_view()) == 0
    assert [view[call].node["id"] for call in view] == list(view)


def test_the_view_of_a_part(days):
    days[1].write_text("3 7")
    part = cache_tree_view("read")
    assert [part[call].title for call in part.reasons] == ["read(tuesday.txt)"]
    assert {part[call].title for call in part} == {"read(<script>&monday.txt)", "read(tuesday.txt)"}
    with pytest.raises(cachepy.UsageValueError, match="'nothing' is no call of this graph"):
        cache_tree_view("nothing")


def test_the_view_does_not_look_at_files_unless_told(days):
    days[1].unlink()
    view = cache_tree_view(highlight_stale=False)
    assert view.counts == {} and str(view) == "5 calls, 2 files: not checked for changes"
    assert "stale" not in shown(view)[0].text


def test_a_node_tells_all_of_a_call(days):
    days[1].write_text("3 7")
    view = cache_tree_view()
    call = next(c for c in view if view[c].title == "read(tuesday.txt)")
    page, text = shown(view[call])
    node = cachepy.cache_tree_nodes()[call]
    facts = [call, f"{node['module']}.{node['qualname']}", "path = tuesday.txt", node["parents"][0], str(node["outfile"])]
    assert all(fact in text and fact in page.text for fact in facts)
    assert f"{days[1].resolve()}  {node['file_hashes'][str(days[1].resolve())]}" in text
    assert "! stale" in page.text and f"file {days[1].resolve()} changed" in page.text
    mean = next(view[c] for c in view if view[c].node["inputs"].get("values") == call)
    assert f"values from {call}" in shown(mean)[0].text


def test_a_function_with_one_call_is_found_by_name(days):
    view = cache_tree_view()
    assert view["both"].node["fname"] == "both"
    with pytest.raises(cachepy.UsageValueError, match="2 calls of it are there: give an id"):
        view["read"]
    with pytest.raises(cachepy.UsageValueError, match="its functions are both, mean, read"):
        view["nothing"]


def test_an_empty_view_says_what_to_do():
    with cachepy.use_session(cachepy.Session()):
        page, text = shown(cache_tree_view())
        assert text == "no calls recorded"
        assert "cache_tree_sync(directory)" in page.text


@pytest.mark.parametrize("name", [name for name in HOSTILE if "/" not in name], ids=str.__len__)
def test_a_view_of_hostile_names_is_escaped(name):
    node = cachepy_node(name)
    shown(NodeView(node, "stale", [Reason("file", name, "1", "2")]))
    shown(GraphView({node["id"]: node}, {node["id"]: "stale"}, {node["id"]: [Reason("file", name, "1", "2")]}, "auto"))


def cachepy_node(name):
    file = "/d/" + name.replace("\x00", "0")
    return {
        "id": f"{name}:0a", "fname": name, "module": name, "hash": "0a", "parents": [], "children": [],
        "files": [Path(file)], "file_hashes": {file: None}, "outfile": None, "created": 1.5, "elapsed": 0.25,
        "inputs": {name: f"{name}:0b"}, "qualname": name, "label": {name: name},
    }  # fmt: skip


# ---------------------------------------------------------------- notebooks themselves


def test_records_do_not_load_the_forms_until_they_are_shown():
    code = "import sys, cachepy.core.model, cachepy.staleness.plan; sys.exit('cachepy.views.notebook' in sys.modules)"
    Project(ROOT).run("-c", code)


def test_without_a_notebook_nothing_is_set_up_for_figures():
    code = "import sys, cachepy.views.notebook as n; n.show_figures(); sys.exit('matplotlib' in sys.modules)"
    Project(ROOT).run("-c", code)
