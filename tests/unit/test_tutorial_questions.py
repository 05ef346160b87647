"""The tutorial of the graph API: questions to graphs of several shapes."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tutorial_module import SHOW, Tutorial, by_name, fresh_session, names

import cachepy
from cachepy import cache_file, cache_tree_changed_files, cache_tree_nodes, track_file

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def session() -> Iterator[None]:
    with fresh_session():
        yield


@pytest.fixture
def tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tutorial:
    made = Tutorial(tmp_path, monkeypatch)
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return made


# -- questions ------------------------------------------------------------------------------------


def test_which_calls_use_a_file(tutorial: Tutorial) -> None:
    user = tutorial.load()
    user.pipeline(tutorial.words)
    other = tutorial.path / "more.txt"
    other.write_text("x y")
    user.load_counts(other)
    users = cachepy.cache_tree_for_file(tutorial.words)
    assert names(users) == {"load_counts", "pipeline"}
    assert names(cachepy.cache_tree_for_file("more.txt")) == {"load_counts"}, "relative to the working directory"
    assert list(cachepy.cache_tree_for_file(tutorial.path / "nobody.txt")) == []
    files = cachepy.cache_tree_files()
    assert {Path(path) for path in files} == {tutorial.words, other}


def test_a_summary_names_the_functions(tutorial: Tutorial) -> None:
    user = tutorial.load()
    assert cachepy.cache_tree_summary() is not None
    user.pipeline(tutorial.words)
    summary = str(cachepy.cache_tree_summary())
    for name in ("load_counts", "normalize", "pipeline"):
        assert name in summary


def test_nodes_are_copies(tutorial: Tutorial) -> None:
    user = tutorial.load()
    user.pipeline(tutorial.words)
    before = cache_tree_nodes()
    spoil = cache_tree_nodes()
    for node in spoil.values():
        node["fname"] = "spoiled"
        node["files"].append(Path("spoiled"))
        node["file_hashes"]["spoiled"] = None
        node["inputs"]["spoiled"] = "spoiled"
        for side in ("parents", "children"):
            if isinstance(node[side], list):
                node[side].append("spoiled")
    spoil.clear()
    for entry in cache_tree_changed_files().values():
        entry["node"].clear()
    assert cache_tree_nodes() == before


def test_exports(tutorial: Tutorial) -> None:
    networkx = pytest.importorskip("networkx")
    user = tutorial.load()
    user.pipeline(tutorial.words)
    nodes = cache_tree_nodes()
    edges = {(i, child) for i, node in nodes.items() for child in node["children"]}

    text = cachepy.cache_tree_to_json()
    assert isinstance(json.loads(text), dict | list)
    assert all(name in text for name in nodes)
    assert str(tutorial.words) in text
    path = tutorial.path / "graph.json"
    cachepy.cache_tree_to_json(path)
    assert json.loads(path.read_text()) == json.loads(text)

    dot = cachepy.cache_tree_to_dot()
    assert dot.lstrip().startswith("digraph")
    assert dot.count("{") == dot.count("}")
    for name in ("load_counts", "normalize", "pipeline"):
        assert name in dot
    assert "->" in dot
    path = tutorial.path / "graph.dot"
    cachepy.cache_tree_to_dot(path)
    assert path.read_text().strip() == dot.strip()

    assert "load_counts" in cachepy.cache_tree_to_mermaid()

    graph = cachepy.cache_tree_to_networkx()
    assert isinstance(graph, networkx.DiGraph)
    assert set(nodes) <= set(graph.nodes)
    assert edges <= set(graph.edges)
    assert networkx.is_directed_acyclic_graph(graph)
    networkx.write_graphml(graph, tutorial.path / "graph.graphml")


def test_plain_networkx_nodes_are_the_calls(tutorial: Tutorial) -> None:
    user = tutorial.load()
    user.pipeline(tutorial.words)
    graph = cachepy.cache_tree_to_networkx()
    for name in cache_tree_nodes():
        assert graph.nodes[name]["fname"] == name.partition(":")[0]


# -- shapes ---------------------------------------------------------------------------------------


def test_the_diamond(tmp_path: Path) -> None:
    """Two parents of one call: one node with two parents, run once."""
    data = tmp_path / "data.txt"
    data.write_text("3")
    RAN.clear()

    @cache_file(tmp_path / "cache", ignore_globals=["RAN"])
    def source(path: Path) -> int:
        RAN.append("source")
        return int(track_file(path).read_text())

    @cache_file(tmp_path / "cache", ignore_globals=["RAN"])
    def left(path: Path) -> int:
        RAN.append("left")
        return source(path) + 1

    @cache_file(tmp_path / "cache", ignore_globals=["RAN"])
    def right(path: Path) -> int:
        RAN.append("right")
        return source(path) * 2

    @cache_file(tmp_path / "cache", ignore_globals=["RAN"])
    def sink(path: Path) -> int:
        RAN.append("sink")
        return left(path) + right(path)

    assert sink(data) == 10
    assert RAN == ["sink", "left", "source", "right"]
    nodes = by_name()
    assert len(nodes) == 4
    assert names(nodes["sink"]["children"]) == {"left", "right"}
    assert names(nodes["source"]["parents"]) == {"left", "right"}
    assert len(nodes["source"]["parents"]) == 2
    assert names(nodes["left"]["children"]) == names(nodes["right"]["children"]) == {"source"}

    before = cache_tree_nodes()
    RAN.clear()
    assert sink(data) == 10
    assert RAN == []
    assert cache_tree_nodes() == before

    data.write_text("4")
    assert len(cache_tree_changed_files()) == 4
    assert sink(data) == 13
    assert RAN == ["sink", "left", "source", "right"]
    assert cache_tree_changed_files() == {}
    assert set(cache_tree_nodes()) == set(before), "the same calls: nothing old stays behind"


RAN: list[str] = []


def test_a_diamond_through_a_file_inside_only(tmp_path: Path) -> None:
    """Only the call that tracks the file names it; those above it run again all the same."""
    data = tmp_path / "data.txt"
    data.write_text("3")
    RAN.clear()
    place = str(data)[::-1]  # names no file: in any form that `open` takes, bytes too, it would be a file argument

    @cache_file(tmp_path / "cache", ignore_globals=["RAN"])
    def source(name: str) -> int:
        RAN.append("source")
        return int(track_file(name[::-1]).read_text())

    @cache_file(tmp_path / "cache", ignore_globals=["RAN"])
    def above(name: str) -> int:
        RAN.append("above")
        return source(name) + 1

    assert above(place) == 4
    data.write_text("5")
    (changed,) = cache_tree_changed_files().values()
    assert changed["node"]["fname"] == "source"
    assert above(place) == 6
    assert RAN == ["above", "source", "source", "above"], "the stale call below first: it might have given the same"
    assert cache_tree_changed_files() == {}


def test_flow_edges_join_calls_at_top_level(tutorial: Tutorial) -> None:
    user = tutorial.load()
    tutorial.words.write_text("so many words that the counts are not trivial")
    user.normalize(user.load_counts(tutorial.words))
    nodes = by_name()
    assert set(nodes) == {"load_counts", "normalize"}
    assert nodes["normalize"]["inputs"] == {"counts": nodes["load_counts"]["id"]}
    assert nodes["load_counts"]["inputs"] == {}
    assert list(nodes["normalize"]["parents"]) == []
    assert list(nodes["normalize"]["children"]) == []

    _, graph = tutorial.python(
        "value = counting.normalize(counting.load_counts(Path('words.txt').absolute()))\n" + textwrap.dedent(SHOW)
    )
    inputs = {node[0]: node[9] for node in graph.values()}
    assert inputs == {"load_counts": {}, "normalize": {"counts": nodes["load_counts"]["id"]}}


def test_flow_edges_inside_a_call(tutorial: Tutorial) -> None:
    tutorial.words.write_text("so many words that the counts are not trivial")
    tutorial.load().pipeline(tutorial.words)
    nodes = by_name()
    assert nodes["normalize"]["inputs"] == {"counts": nodes["load_counts"]["id"]}


def test_trivial_values_make_no_flow_edge(tmp_path: Path) -> None:
    @cache_file(tmp_path)
    def give(value: Any) -> Any:
        return value

    @cache_file(tmp_path)
    def take(value: Any) -> None:
        return None

    for value in (1, None, True, "ab", 0.5):
        take(give(value))
    assert all(node["inputs"] == {} for node in cache_tree_nodes().values())
