"""The text forms of the graph, read back by the tools that are to read them."""

from __future__ import annotations

import json
import math
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cachepy.export import to_dot, to_json, to_mermaid, to_networkx

NASTY = [
    'quote " in it', "back\\slash", "ends in backslash\\", "two\nlines", "tab\there", "<script>alert(1)</script>",
    "a;b", "a]b[c", "#35;", "#quot;", "&lt;", "end", "subgraph", "graph", "größe", "数据", "🦊", "\x07bell", "\x00",
    "{a|b}", "`code`", "1. list", "- list", "style: #a;", "%%comment", "--> x", "\udc80 surrogate", "", " ", "x" * 300,
]  # fmt: skip


def node(fname: str, key: str = "0a", **more: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "id": f"{fname}:{key}", "fname": fname, "module": "jobs", "hash": key, "parents": [], "children": [],
        "files": [], "file_hashes": {}, "outfile": Path("c/x.pkl"), "created": 1.5, "elapsed": 0.25, "inputs": {},
        "label": {},
    }  # fmt: skip
    return plain | more


def pipeline() -> dict[str, dict[str, Any]]:
    file = Path("data/raw.csv")
    load = node("load", files=[file], file_hashes={str(file): "ff"}, label={"path": "raw.csv"}, parents=["report:0c"])
    clean = node("clean", "0b", inputs={"frame": "load:0a"}, parents=["report:0c"])
    report = node("report", "0c", children=["load:0a", "clean:0b"], outfile=None)
    return {n["id"]: n for n in (report, load, clean)}


def nasty() -> dict[str, dict[str, Any]]:
    nodes = {}
    for i, text in enumerate(NASTY):
        made = node(text, f"{i:02x}", label={text: text}, files=[Path("dir") / f"{i}{text}".replace("\x00", "0")])
        made["inputs"] = {text: f"{NASTY[i - 1]}:{i - 1:02x}"} if i else {}
        made["children"] = [f"{NASTY[0]}:00"] if i else []
        nodes[made["id"]] = made
    return nodes


def shuffled(nodes: dict[str, dict[str, Any]], seed: int) -> dict[str, dict[str, Any]]:
    dice = random.Random(seed)
    names = list(nodes)
    dice.shuffle(names)
    found = {}
    for name in names:
        found[name] = dict(nodes[name])
        for key in ("children", "parents", "files"):
            found[name][key] = dice.sample(nodes[name][key], len(nodes[name][key]))
    return found


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


def test_edges_to_unknown_calls_are_left_out() -> None:
    nodes = {"a:1": node("a", "1", children=["gone:2"], parents=["gone:3"], inputs={"x": "gone:4"})}
    assert "->" not in to_dot(nodes)
    assert "--" not in to_mermaid(nodes)
    assert not to_networkx(nodes).edges


def test_an_edge_known_at_one_end_only_is_drawn() -> None:
    nodes = {"a:1": node("a", "1"), "b:2": node("b", "2", parents=["a:1"])}
    assert '"a:1" -> "b:2";' in to_dot(nodes)


def test_import_does_not_load_networkx() -> None:
    code = "import sys, cachepy.export; sys.exit('networkx' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pydot")
def test_dot_is_read_by_pydot() -> None:
    pydot = pytest.importorskip("pydot")
    (graph,) = pydot.graph_from_dot_data(to_dot(nasty()))
    names = {n.get_name() for n in graph.get_nodes()} - {"node", "edge", "graph", '"\\n"'}
    assert len(names) == 2 * len(NASTY)
    assert len(graph.get_edges()) == len(NASTY) + 2 * (len(NASTY) - 1)


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("make", [pipeline, nasty, dict])
def test_dot_is_read_by_graphviz(make: Any) -> None:
    done = subprocess.run(["dot", "-Tsvg"], input=to_dot(make()).encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"syntax error" not in done.stderr


# ---------------------------------------------------------------- Mermaid


MERMAID_LINE = re.compile(
    r"""flowchart\ LR
    |\ \ c\d+\["[^"]*"\]:::cachedCall
    |\ \ f\d+\[/"[^"]*"/\]:::inputFile
    |\ \ c\d+\ -->\ c\d+
    |\ \ c\d+\ ---\ f\d+
    |\ \ c\d+\ -\.\ "[^"]*"\ \.->\ c\d+
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
    assert graph.edges["load:0a", "clean:0b"]["argument"] == "frame"
    assert graph.nodes["load:0a"]["label"] == "load · raw.csv"


def test_networkx_keeps_the_argument_where_call_and_flow_fall_together() -> None:
    nodes = {"a:1": node("a", "1", children=["b:2"]), "b:2": node("b", "2", inputs={"y": "a:1", "x": "a:1"})}
    assert to_networkx(nodes).edges["a:1", "b:2"] == {"kind": "call", "argument": "x, y"}


@pytest.mark.parametrize("make", [pipeline, nasty, dict])
def test_graphml_reads_back(make: Any, tmp_path: Path) -> None:
    import networkx as nx  # type: ignore[import-untyped]

    graph = to_networkx(make())
    nx.write_graphml(graph, tmp_path / "g.graphml")
    back = nx.read_graphml(tmp_path / "g.graphml")
    assert set(back.edges) == set(graph.edges)
    assert {n: d["kind"] for n, d in back.nodes(data=True)} == {n: d["kind"] for n, d in graph.nodes(data=True)}
