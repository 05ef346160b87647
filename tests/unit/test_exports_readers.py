"""Exports read back by a public tool each: Graphviz, pydot, Mermaid, networkx, jsonschema.

A tool that is missing skips its tests, or fails them if CACHEPY_NEEDS_TOOLS=1.  Mermaid is read by Node with the npm
packages ``mermaid`` and ``jsdom`` in the folder that CACHEPY_NODE_MODULES names.
"""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from export_cases import NASTY, nasty, needed, node, package, pipeline, program, real  # noqa: F401

import cachepy
from cachepy.views.exports import (
    call_edges,
    clean_text,
    file_edges,
    flow_edges,
    to_dot,
    to_json,
    to_mermaid,
    to_networkx,
)
from cachepy.views.show import cache_tree_to_dot, cache_tree_to_json, cache_tree_to_mermaid, cache_tree_to_prov

HERE = Path(__file__).resolve().parent
SCHEMA = HERE.parents[1] / "docs" / "schema" / "cachepy-graph-1.json"
MAKES = pytest.mark.parametrize("make", [pipeline, nasty, dict])


# ---------------------------------------------------------------- Graphviz


def read_dot(text: str) -> tuple[dict[str, dict[str, Any]], list[tuple[str, str, dict[str, Any]]]]:
    """Boxes by name and edges, as Graphviz understood the text."""
    done = subprocess.run([program("dot"), "-Tdot_json"], input=text.encode(), capture_output=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr.decode()
    graph = json.loads(done.stdout)
    boxes = graph.get("objects", [])
    edges = [(boxes[e["tail"]]["name"], boxes[e["head"]]["name"], e) for e in graph.get("edges", [])]
    return {box["name"]: box for box in boxes}, edges


def plain_dot(text: str) -> str:
    r"""What Graphviz shows for a text: its entities and its escapes (\\ and \n) resolved."""
    return html.unescape(re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], text))


@MAKES
def test_graphviz_finds_all_boxes_and_edges(make):
    nodes = make()
    boxes, edges = read_dot(to_dot(nodes))
    files = {path for _, path in file_edges(nodes)}
    assert len(boxes) == len(nodes) + len(files)
    assert len(edges) == len(call_edges(nodes)) + len(file_edges(nodes)) + len(flow_edges(nodes))


def test_graphviz_shows_every_name_literally():
    nodes = {f"f:{i:02x}": node(text or "-", f"{i:02x}") for i, text in enumerate(NASTY)}
    boxes, _ = read_dot(to_dot(nodes))
    for i, text in enumerate(NASTY):
        shown = clean_text(text or "-")
        want = shown if len(shown) <= 80 else shown[:79] + "…"
        assert plain_dot(boxes[f"f:{i:02x}"]["label"]) == want


def test_graphviz_draws_a_real_graph(real):
    with_states = cache_tree_to_dot(highlight_stale=True)
    boxes, _ = read_dot(with_states)
    titles = {plain_dot(box["label"]).split("\n")[0] for box in boxes.values()}
    assert titles >= {"load", "shout", "all_of", "plain.txt", '<b> & "quote".txt', "größe 数据 'x'.txt", "none.txt"}
    assert sum(box.get("fillcolor") == "#FBBC04" for box in boxes.values()) == 3  # load, its shout, and all_of
    for form in ("svg", "png"):
        done = subprocess.run([program("dot"), f"-T{form}"], input=with_states.encode(), capture_output=True)
        assert done.returncode == 0 and not done.stderr


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pydot")
def test_dot_is_read_by_pydot():
    pydot = package("pydot")
    (graph,) = pydot.graph_from_dot_data(to_dot(nasty()))
    names = {n.get_name() for n in graph.get_nodes()} - {"node", "edge", "graph", '"\\n"'}
    assert len(names) == 2 * len(NASTY)
    assert len(graph.get_edges()) == len(NASTY) + 2 * (len(NASTY) - 1)


# ---------------------------------------------------------------- Mermaid


def read_mermaid(text: str) -> dict[str, Any]:
    """What Mermaid's own parser finds."""
    node_program = program("node")
    modules = os.environ.get("CACHEPY_NODE_MODULES", "")
    there = all(Path(modules, name).is_dir() for name in ("mermaid", "jsdom")) if modules else False
    needed("npm's mermaid and jsdom (CACHEPY_NODE_MODULES names their folder)", is_there=there)
    command = [node_program, str(HERE / "read_mermaid.mjs")]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def plain_mermaid(text: str) -> str:
    """What Mermaid shows: its parser keeps entity codes in a form of its own."""
    return re.sub(r"ﬂ°°(\d+)¶ß", lambda m: chr(int(m[1])), text)


def one_line(text: str) -> str:
    """A flowchart has spaces for tabs and ends of lines, and its boxes end at a certain length."""
    text = clean_text(text if len(text) <= 80 else text[:79] + "…")
    return text.replace("\n", " ").replace("\t", " ")


def test_mermaid_finds_all_boxes_and_edges():
    nodes = pipeline()
    found = read_mermaid(to_mermaid(nodes, {"load:0a": "stale"}))
    assert found["type"].startswith("flowchart")
    assert found["boxes"] == [
        ["c0", "clean", ["cachedCall"]],
        ["c1", "load<br>raw.csv<br>stale", ["staleCall"]],
        ["c2", "report", ["cachedCall"]],
        ["f0", "raw.csv", ["inputFile"]],
    ]
    assert found["edges"] == [
        ["c2", "c0", "", "normal"], ["c2", "c1", "", "normal"], ["c1", "f0", "", "normal"], ["c1", "c0", "frame", "dotted"],
    ]  # fmt: skip


def test_mermaid_shows_every_name_literally():
    nodes = nasty()
    found = read_mermaid(to_mermaid(nodes))
    boxes = {name: plain_mermaid(text) for name, text, _ in found["boxes"]}
    for i, call in enumerate(sorted(nodes)):
        (text,) = nodes[call]["label"]
        title, value = one_line(text or call), one_line(text)
        assert boxes[f"c{i}"].strip() == (f"{title}<br>{value}" if value else title).strip()
    assert len(boxes) == 2 * len(NASTY)
    assert len(found["edges"]) == len(NASTY) + 2 * (len(NASTY) - 1)


def test_mermaid_reads_a_real_graph(real):
    found = read_mermaid(cache_tree_to_mermaid(highlight_stale=True))
    assert len(found["boxes"]) == len(real) + 4
    assert sum(classes == ["staleCall"] for _, _, classes in found["boxes"]) == 3


# ---------------------------------------------------------------- networkx and GraphML


def assert_graphml_reads_back(graph: Any, path: Path) -> None:
    import networkx as nx  # type: ignore[import-untyped]

    nx.write_graphml(graph, path)
    back = nx.read_graphml(path)
    assert dict(back.nodes(data=True)) == dict(graph.nodes(data=True))
    assert {(a, b): d for a, b, d in back.edges(data=True)} == {(a, b): d for a, b, d in graph.edges(data=True)}
    assert {k: v for k, v in back.graph.items() if not k.endswith("_default")} == graph.graph
    assert back.is_directed() and not back.is_multigraph()


@MAKES
def test_graphml_reads_back_equal(make, tmp_path):
    assert_graphml_reads_back(to_networkx(make()), tmp_path / "g.graphml")


def test_graphml_of_a_real_graph_reads_back_equal(real, tmp_path):
    graph = cachepy.cache_tree_to_networkx()
    assert_graphml_reads_back(graph, tmp_path / "g.graphml")
    assert {d["kind"] for _, _, d in graph.edges(data=True)} == {"call", "file", "flow"}


# ---------------------------------------------------------------- JSON


def problems_of(text: str) -> list[str]:
    jsonschema = package("jsonschema")
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    found = jsonschema.Draft202012Validator(schema).iter_errors(json.loads(text, parse_constant=pytest.fail))
    return [f"{error.json_path}: {error.message[:80]}" for error in found]


@MAKES
def test_json_is_as_its_schema_says(make):
    assert problems_of(to_json(make())) == []


def test_json_of_a_real_graph_is_as_its_schema_says_and_all_of_it_is_documented(real):
    text = cache_tree_to_json()
    assert problems_of(text) == []
    documented = json.loads(SCHEMA.read_text(encoding="utf-8"))["$defs"]["node"]["properties"]
    assert {key for each in json.loads(text)["nodes"] for key in each} == documented.keys()


@pytest.mark.parametrize(
    "change",
    [{"parents": None}, {"hash": 3}, {"files": "a.csv"}, {"id": "no digest"}, {"inputs": {"x": None}}, {"created": "now"}],
)
def test_the_schema_refuses_what_is_no_graph(change):
    graph = json.loads(to_json(pipeline()))
    graph["nodes"][0] |= change
    assert problems_of(json.dumps(graph)) != []


def test_the_schema_names_the_version():
    graph = json.loads(to_json(pipeline()))
    assert problems_of(json.dumps(graph | {"version": 2})) != []
    assert SCHEMA.stem == f"{graph['schema']}-{graph['version']}"


# ---------------------------------------------------------------- written to files


@pytest.mark.parametrize("export", [cache_tree_to_dot, cache_tree_to_json, cache_tree_to_mermaid, cache_tree_to_prov])
def test_what_is_returned_is_what_is_written(export, real, tmp_path):
    text = export(tmp_path / "out")
    assert (tmp_path / "out").read_text(encoding="utf-8") == text == export()
    with pytest.raises(cachepy.UsageError, match="path must be a path"):
        export(3)
