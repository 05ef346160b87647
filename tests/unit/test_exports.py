"""The text forms of the graph, piece by piece; test_exports_readers.py has them read by the tools they are for."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from export_cases import nasty, node, pipeline, shuffled

from cachepy.views.exports import clean_text, to_dot, to_json, to_mermaid, to_networkx
from tests.programs import ROOT, Project

# ---------------------------------------------------------------- all forms


@pytest.mark.parametrize("export", [to_json, to_dot, to_mermaid])
@pytest.mark.parametrize("make", [pipeline, nasty, dict])
def test_same_graph_same_text_whatever_the_order(export: Any, make: Any) -> None:
    text = export(make())
    assert text == export(make())
    assert all(text == export(shuffled(make(), seed)) for seed in range(3))
    assert text.endswith("\n")


@pytest.mark.parametrize("export", [to_json, to_dot, to_mermaid])
def test_any_text_can_be_written_as_utf8(export: Any) -> None:
    export(nasty()).encode("utf-8")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\nb\tc ~", "a\nb\tc ~"), ("\x00\x1f\x7f", r"\x00\x1f\x7f"), ("\x80\x9f\xa0é", "\\x80\\x9f\xa0é"),
        ("\ud7ff\ud800\udfff\ue000", "\ud7ff\\ud800\\udfff\ue000"), ("\ufffd\ufffe\uffff🦊", "\ufffd\\ufffe\\uffff🦊"),
    ],
)  # fmt: skip
def test_what_no_file_can_hold_is_spelt_out(text: str, clean: str) -> None:
    assert clean_text(text) == clean


def test_edges_to_unknown_calls_are_left_out() -> None:
    nodes = {"a:1": node("a", "1", children=["gone:2"], parents=["gone:3"], inputs={"x": "gone:4"})}
    assert "->" not in to_dot(nodes)
    assert "--" not in to_mermaid(nodes)
    assert not to_networkx(nodes).edges


def test_an_edge_known_at_one_end_only_is_drawn() -> None:
    nodes = {"a:1": node("a", "1"), "b:2": node("b", "2", parents=["a:1"])}
    assert '"a:1" -> "b:2";' in to_dot(nodes)


def test_import_does_not_load_networkx() -> None:
    code = "import sys, cachepy.views.exports; sys.exit('networkx' in sys.modules or 'matplotlib' in sys.modules)"
    Project(ROOT).run("-c", code)


def test_states_are_told_by_colour_and_by_word() -> None:
    states = {"load:0a": "stale", "report:0c": "missing"}
    dot = {line.split(" ")[0]: line for line in map(str.strip, to_dot(pipeline(), states).splitlines()) if "tooltip" in line}
    assert "#FBBC04" in dot['"load:0a"'] and "stale" in dot['"load:0a"']
    assert "dashed" in dot['"report:0c"'] and "value missing" in dot['"report:0c"']
    assert "#1D3557" in dot['"clean:0b"'] and "stale" not in dot['"clean:0b"']
    mermaid = to_mermaid(pipeline(), states)
    assert 'c1["load<br/>raw.csv<br/>stale"]:::staleCall' in mermaid
    assert 'c2["report<br/>value missing"]:::missingValue' in mermaid
    assert "classDef staleCall fill:#FBBC04" in mermaid and "classDef staleCall" not in to_mermaid(pipeline())


def test_boxes_hold_no_endless_lines() -> None:
    nodes = {"a:1": node("a" * 5000, "1", label={"p": "b" * 5000})}
    assert re.search(r'label="a{79}…\\nb{79}…"', to_dot(nodes))
    assert len(to_mermaid(nodes)) < 500


# ---------------------------------------------------------------- JSON


def test_json_has_a_versioned_schema_and_all_fields() -> None:
    graph = json.loads(to_json(pipeline()))
    assert (graph["schema"], graph["version"]) == ("cachepy-graph", 1)
    assert [n["id"] for n in graph["nodes"]] == ["clean:0b", "load:0a", "report:0c"]
    load = graph["nodes"][1]
    assert load["files"] == [str(Path("data/raw.csv"))]
    assert load["outfile"] == str(Path("c/x.pkl"))
    assert load["file_hashes"] == {str(Path("data/raw.csv")): "ff"}
    assert set(load) == set(pipeline()["load:0a"])
    assert graph["nodes"][2]["outfile"] is None


def test_json_keeps_every_character() -> None:
    back = {n["id"]: n for n in json.loads(to_json(nasty()))["nodes"]}
    assert back.keys() == nasty().keys()
    assert all(back[i]["label"] == n["label"] for i, n in nasty().items())


def test_json_is_strict() -> None:
    nodes = {"a:1": node("a", "1", elapsed=math.nan, created=math.inf)}
    (back,) = json.loads(to_json(nodes), parse_constant=pytest.fail)["nodes"]
    assert back["elapsed"] is None
    assert back["created"] is None


# ---------------------------------------------------------------- DOT


TOKEN = re.compile(r'\s+|"(?:\\.|[^"\\])*"|->|[\w.]+|[{}\[\]=,;]', re.DOTALL)


def tokens(text: str) -> list[str]:
    """Split as Graphviz would; anything that is no token fails."""
    found, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        assert match, f"no DOT token at {text[at : at + 40]!r}"
        found.append(match.group())
        at = match.end()
    return [t for t in found if t.strip()]


@pytest.mark.parametrize("make", [pipeline, nasty, dict])
def test_dot_is_made_of_whole_tokens(make: Any) -> None:
    found = tokens(to_dot(make()))
    assert found[:3] == ["digraph", "cachepy", "{"]
    assert found[-1] == "}"
    assert found.count("{") == found.count("}") == 1
    assert found.count("[") == found.count("]")


def test_dot_has_all_nodes_and_edges() -> None:
    text = to_dot(pipeline())
    assert '"report:0c" -> "clean:0b";' in text
    assert '"report:0c" -> "load:0a";' in text
    assert re.search(r'"load:0a" -> "clean:0b" \[.*label="frame"\]', text)
    assert re.search(r'"load:0a" -> "file://data.raw\.csv"', text)
    assert r'label="load\nraw.csv"' in text


def test_dot_shows_entities_literally() -> None:
    text = to_dot({"&lt;:1": node("&lt;", "1")})
    assert 'label="&amp;lt;"' in text


# ---------------------------------------------------------------- Mermaid


MERMAID_LINE = re.compile(
    r"""flowchart\ LR
    |\ \ c\d+\["[^"]*"\]:::(cachedCall|staleCall|missingValue)
    |\ \ f\d+\[/"[^"]*"/\]:::inputFile
    |\ \ c\d+\ -->\ c\d+
    |\ \ c\d+\ ---\ f\d+
    |\ \ c\d+\ -\.\ "[^"]*"\ \.->\ c\d+
    |\ \ c\d+\ -\.->\ c\d+
    |\ \ classDef\ \w+\ [\w:,\#]+""",
    re.VERBOSE,
)


@pytest.mark.parametrize("make", [pipeline, nasty, dict])
def test_mermaid_lines_are_all_well_formed(make: Any) -> None:
    for line in to_mermaid(make()).splitlines():
        assert MERMAID_LINE.fullmatch(line), line


def test_mermaid_labels_have_no_character_of_its_grammar() -> None:
    for quoted in re.findall(r'"([^"]*)"', to_mermaid(nasty())):
        text = re.sub(r"#\d+;", "", quoted.replace("<br/>", ""))
        assert not set(text) & set('"#;<>&[](){}|`\\:*'), quoted


def decoded(text: str) -> str:
    return re.sub(r"#(\d+);", lambda m: chr(int(m[1])), text)


def test_mermaid_labels_read_back() -> None:
    text = to_mermaid({"a:1": node('say "hi" #1; end', "1", label={"p": "<b>.csv"})})
    label = re.search(r'c0\["(.*)"\]', text)
    assert label
    assert decoded(label[1]) == 'say "hi" #1; end<br/><b>.csv'


# ---------------------------------------------------------------- networkx


def test_networkx_has_kinds_and_arguments() -> None:
    graph = to_networkx(pipeline())
    file = "file://" + str(Path("data/raw.csv"))
    assert dict(graph.nodes(data="kind")) == {
        "load:0a": "call", "clean:0b": "call", "report:0c": "call", file: "file",
    }  # fmt: skip
    assert set(graph.edges(data="kind")) == {
        ("report:0c", "load:0a", "call"),
        ("report:0c", "clean:0b", "call"),
        ("load:0a", "clean:0b", "flow"),
        ("load:0a", file, "file"),
    }
    assert graph.edges["load:0a", file]["digest"] == "ff"
    assert graph.edges["load:0a", "clean:0b"]["argument"] == "frame"
    assert graph.nodes["load:0a"]["label"] == "load · raw.csv"


def test_networkx_keeps_the_argument_where_call_and_flow_fall_together() -> None:
    nodes = {"a:1": node("a", "1", children=["b:2"]), "b:2": node("b", "2", inputs={"y": "a:1", "x": "a:1"})}
    assert to_networkx(nodes).edges["a:1", "b:2"] == {"kind": "call", "argument": "x, y"}


def test_networkx_keeps_names_apart_that_look_alike() -> None:
    files = [Path("d/a\x07"), Path("d/a\\x07")]
    graph = to_networkx({"f:1": node("f", "1", files=files)})
    assert sorted(graph) == ["f:1", "file://d/a\\x07", "file://d/a\\x07 #2"]


def test_networkx_leaves_out_what_is_no_number() -> None:
    graph = to_networkx({"a:1": node("a", "1", elapsed=math.nan, created=None, outfile=None)})
    assert graph.nodes["a:1"].keys() == {"kind", "fname", "module", "hash", "label"}
