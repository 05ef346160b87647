"""The text of the page: what is in it, what cannot get out of it, and how it is asked for.  No browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from graphs import add, many, pipeline

from cachepy import cache_file
from cachepy.core.reasons import Reason
from cachepy.errors import UsageError
from cachepy.session import Session, use_session
from cachepy.views.page import cache_tree_to_html, page
from cachepy.views.page_data import AFTER, MOST_CAUSES, MOST_REASONS, as_json, ranks, runs, shown

HOSTILE = [
    "</script><script>alert(1)</script>", "<!--<script>", "]]>", "'\"`", "a\nb", "\0", "\ud800", "\u2028\u2029", "&lt;&amp;",
    "${alert(1)}", "\\u003cscript", "@@SCRIPT@@", "\u202egnp", "x" * 5000,
]  # fmt: skip


def data_of(text: str) -> dict:
    found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert len(found) == 1
    return json.loads(found[0])


def hostile_page() -> str:
    nodes, stale = {}, {}
    for bad in HOSTILE:
        add(nodes, bad, module=bad, label={bad: bad}, files=[Path(f"/d/{bad}")] if "\0" not in bad else [], file_hashes={bad: bad})
    return page(nodes, stale, title=HOSTILE[0])


def test_nothing_of_the_data_is_markup():
    text = hostile_page()
    assert text.count("<script") == 2 and text.count("</script>") == 2 and text.count("<!--") == 0
    body = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert not re.search(r"[<>&\u2028\u2029\x00-\x1f\ud800-\udfff]|[^\x00-\x7f]", body)
    assert "<title>&lt;/script&gt;" in text
    text.encode("utf-8")


def test_all_of_it_is_there_as_text():
    functions = [name for name, _ in data_of(hostile_page())["functions"]]
    assert functions == [shown(bad) for bad in sorted(HOSTILE)] or set(functions) == {shown(bad) for bad in HOSTILE}


@pytest.mark.parametrize(("text", "seen"), [
    ("größe 読 🙂", "größe 読 🙂"), ("a\nb\t", r"a\nb\t"), ("\0", r"\x00"), ("\ud800", r"\ud800"), ("\u202e", r"\u202e"), ("👩\u200d🔬", "👩\u200d🔬"),
])  # fmt: skip
def test_shown(text, seen):
    assert shown(text) == seen


def test_json_is_read_back_equal():
    assert json.loads(as_json(HOSTILE)) == HOSTILE


def test_the_policy_allows_this_script_and_style_only():
    text = hostile_page()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1]
    script = text[text.rindex("<script>") + 8 : text.rindex("</script>")]
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    for kind, code in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy
    assert not re.search(r"https?://|//[a-z]+\.|@import|url\(|innerHTML|eval\(|style=", text)


def test_what_the_page_says_of_a_call():
    nodes, stale = pipeline()
    data = data_of(page(nodes, stale, title="t"))
    rows = {data["functions"][row[0]][0] + row[1][-1]: row for row in data["calls"]}
    merge = rows["merge2"]
    assert merge[2] == [["a", "Frame 3×2"], ["b", "Frame 4×2"], ["n", "7"]]
    assert (merge[4], merge[5], merge[7], merge[9]) == (1.7e9, 0.25, 1, 2)
    assert data["folders"][merge[6][0]] + "/" + merge[6][1] == "/cache/entries/" + nodes["merge:" + f"{2:032x}"]["hash"]
    assert data["reasons"][merge[8][0]] == ["code of jobs:merge changed (jobs.py:12)", "-    return a\n+    return a + b"]
    assert rows["load0"][3] == [[data["files"].index("/data/01.csv"), "ab" * 16]]
    assert [rows["alone4"][7], rows["report3"][7]] == [2, 0]
    index = {name: data["calls"].index(row) for name, row in rows.items()}
    assert data["edges"] == [[index["report3"], index["merge2"]]]
    assert [index["load0"], index["merge2"], "a"] in data["flows"] and data["asked"] is True


def test_without_a_look_at_files_no_state_is_claimed():
    nodes, _ = pipeline()
    assert data_of(page(nodes, None, title="t"))["asked"] is False


def test_reasons_without_end_are_counted():
    nodes, stale = pipeline()
    first = next(iter(stale))
    stale[first]["reasons"] *= 500
    row = next(row for row in data_of(page(nodes, stale, title="t"))["calls"] if row[9] == 500)
    assert len(row[8]) == MOST_REASONS


def test_numbers_that_json_lacks():
    nodes = {}
    add(nodes, "f", created=float("nan"), elapsed=None)
    assert data_of(page(nodes, None, title="t"))["calls"][0][4:6] == [None, None]


def test_the_same_graph_gives_the_same_page():
    nodes, stale = pipeline()
    turned = dict(reversed(nodes.items())), dict(reversed(stale.items()))
    assert page(nodes, stale, title="t") == page(*turned, title="t")


def test_a_real_graph(tmp_path):
    source = tmp_path / "in <1>.csv"
    source.write_text("1")
    with use_session(Session()):

        @cache_file(tmp_path / "cache")
        def load(path):
            return [path.read_text(), "something that is no short string"]

        @cache_file(tmp_path / "cache")
        def shout(text):
            return [each.upper() for each in text]

        shout(load(source))
        fresh = data_of(cache_tree_to_html())
        source.write_text("2")
        text = cache_tree_to_html(tmp_path / "page.html", title="Mine & yours")
        unasked = data_of(cache_tree_to_html(highlight_stale=False))
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == text
    assert "<h1>Mine &amp; yours</h1>" in text and data_of(text)["title"] == "Mine & yours"
    assert [row[7] for row in fresh["calls"]] == [0, 0]
    assert [row[7] for row in data_of(text)["calls"]] == [1, AFTER]
    assert data_of(text)["changed"] == [[0, f"file {source} changed", "changed"]]
    assert [row[7] for row in unasked["calls"]] == [0, 0] and not unasked["asked"]
    assert len(fresh["flows"]) == 1 and fresh["files"] == [str(source)]


@pytest.mark.parametrize(("arguments", "named"), [
    ({"path": 3}, "path must be a path (str or os.PathLike), not 3"),
    ({"title": None}, "title must be a str, the heading of the page, not None"),
])  # fmt: skip
def test_wrong_arguments(arguments, named):
    with pytest.raises(UsageError, match=re.escape(named)):
        cache_tree_to_html(**arguments)


def test_ten_thousand_calls_are_packed_small():
    assert len(page(many(10_000), None, title="t")) < 5_000_000


def test_importing_it_is_light():
    code = "import sys, cachepy.views.page, cachepy.views.page_data; sys.exit(bool({'json', 'html', 'matplotlib', 'importlib.resources'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


def test_a_cause_is_told_in_the_words_of_the_plot():
    nodes: dict = {}
    load, clean, _ = (add(nodes, name) for name in ("load", "clean", "mean"))
    own = Reason("file", "/d/02.csv", "1", "2")
    below = own.replace(call="load(02.csv)", link="below")
    stale = {load: {"state": "stale", "reasons": [own]}, clean: {"state": "stale", "reasons": [below]}}
    data = data_of(page(nodes, stale, title=""))
    said = {data["functions"][row[0]][0]: data["whys"][row[-1]] for row in data["calls"]}
    assert said == {"load": "file 02.csv changed", "clean": "because of load(02.csv)", "mean": ""}


def test_what_cannot_be_compared_is_told():
    nodes: dict = {}
    call = add(nodes, "load")
    nodes[call]["unseen"] = ["network example.org:443", "the clock (time.time)"]
    data = data_of(page(nodes, None, title=""))
    assert [data["sources"][each] for each in data["calls"][0][-2]] == nodes[call]["unseen"]


def test_what_a_call_made_stands_by_argument():
    nodes: dict = {}
    top = add(nodes, "total")
    for number in (1, 10, 2):
        add(nodes, "load", label={"path": f"{number}.csv"}, parents=[top])
    data = data_of(page(nodes, None, title=""))
    names = [row[2][0][1] if row[2] else "total" for row in data["calls"]]
    assert [(names[a], names[b]) for a, b in data["edges"]] == [
        ("total", "1.csv"), ("total", "2.csv"), ("total", "10.csv"),
    ]  # fmt: skip


def test_siblings_of_several_functions_stand_by_argument():
    """Also where the argument is what another call gave: `clean` of 2.csv before that of 10.csv."""
    nodes: dict = {}
    loads = {n: add(nodes, "load", label={"path": f"'/d/{n}.csv'"}) for n in (1, 10, 2)}
    for n, load in loads.items():
        add(nodes, "clean", label={"frame": f"DataFrame {100 - n}×7"}, inputs={"frame": load})
    top = add(nodes, "total", children=list(nodes))
    data = data_of(page(nodes, None, title=""))
    name = {i: data["functions"][row[0]][0] for i, row in enumerate(data["calls"])}
    made = [name[b] + row[2][0][1] for a, b in data["edges"] for row in [data["calls"][b]] if name[a] == "total"]
    assert made == [
        "clean" + "DataFrame 99×7", "load" + "'/d/1.csv'", "clean" + "DataFrame 98×7", "load" + "'/d/2.csv'",
        "clean" + "DataFrame 90×7", "load" + "'/d/10.csv'",
    ]  # fmt: skip
    assert sorted(ranks(nodes).values()) == list(range(7)) and top in nodes


def test_ranks_of_a_circle_and_of_a_long_chain_end():
    nodes: dict = {}
    first = add(nodes, "f", inputs={"a": "f:" + f"{1:032x}"}, label={"a": "x"})
    add(nodes, "f", inputs={"a": first}, label={"a": "x"})
    for _ in range(20_000):
        add(nodes, "g", inputs={"a": next(reversed(nodes))}, label={"a": "y"})
    assert len(ranks(nodes)) == 20_002


def test_causes_are_those_of_status():
    from cachepy.staleness.causes import causes

    nodes, stale = pipeline()
    found = causes({call: each["reasons"] for call, each in stale.items()})
    rows = data_of(page(nodes, stale, title=""))["causes"]
    assert [row[:2] for row in rows] == [[cause.text, cause.reach] for cause in found]
    assert [row[0] for row in rows] == [
        "code of jobs:merge changed (jobs.py:12)", "file /data/01.csv changed", "stored values of alone are missing",
    ]  # fmt: skip
    assert rows[0][5] == "-    return a\n+    return a + b" and rows[1][4] == 0


def test_a_cause_names_its_calls_and_those_above():
    nodes: dict = {}
    own = Reason("file", "/d/02.csv", "1", "2")
    below = own.replace(call="load(02.csv)", link="below")
    load = add(nodes, "load", files=[Path("/d/02.csv")], file_hashes={"/d/02.csv": "1"})
    clean, mean = add(nodes, "clean"), add(nodes, "mean")
    stale = {load: {"state": "stale", "reasons": [own]}} | {c: {"state": "stale", "reasons": [below]} for c in (clean, mean)}
    data = data_of(page(nodes, stale, title=""))
    assert data["causes"] == [["file /d/02.csv changed", "1 call and 2 above", [1, 1], [0, 1, 2, 1], 0, ""]]
    assert data["changed"] == [[0, "file /d/02.csv changed", "changed"]]
    assert [row[7] for row in data["calls"]] == [AFTER, 1, AFTER]


@pytest.mark.parametrize(("cue", "word"), [
    ("file", "changed"), ("file gone", "gone"), ("file new", "new"), ("directory", "changed"), ("code", None), ("package", None),
])  # fmt: skip
def test_what_happened_to_a_file(cue, word):
    nodes: dict = {}
    call = add(nodes, "load", files=[Path("/d/in")], file_hashes={"/d/in": "1"})
    reason = Reason(cue, "/d/in", "1", "2")
    data = data_of(page(nodes, {call: {"state": "stale", "reasons": [reason]}}, title=""))
    assert data["changed"] == ([[0, str(reason), word]] if word else [])


def test_causes_without_end_are_grouped_and_counted():
    nodes, stale = {}, {}
    for i in range(5000):
        path = f"/d/{i}.csv" if i < 4000 else f"/{i}/x.csv"
        call = add(nodes, "load", files=[Path(path)], file_hashes={path: "1"})
        stale[call] = {"state": "stale", "reasons": [Reason("file", path, "1", "2")]}
    data = data_of(page(nodes, stale, title=""))
    assert len(data["causes"]) == MOST_CAUSES and data["causesleft"] == 1001 - MOST_CAUSES
    assert data["causes"][0][:2] == ["4,000 files in /d changed", "4,000 calls"]


@pytest.mark.parametrize(("numbers", "packed"), [([], []), ([3], [3, 1]), ([9, 1, 2, 2, 4], [1, 2, 4, 1, 9, 1])])
def test_runs(numbers, packed):
    assert runs(numbers) == packed


@pytest.mark.parametrize("state", ["stale", "missing", "unknown"])
def test_no_call_that_is_not_fresh_is_packed_as_fresh(state):
    nodes, _ = pipeline()
    for reasons in ([], [Reason("input", "load(1)", None, None)], [Reason("unseen", "jobs", None, None)]):
        data = data_of(page(nodes, {call: {"state": state, "reasons": reasons} for call in nodes}, title=""))
        assert all(row[7] != 0 for row in data["calls"])
