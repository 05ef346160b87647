"""The tutorial of the graph API, as a user would write it: the pipeline, and what changed.

The pipeline is a module of the user's, imported in this process and run as a script in others.
"""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tutorial_module import SHOW, Tutorial, by_name, by_named, fresh_session, names

import cachepy
from cachepy import cache_file, cache_tree_changed_files, cache_tree_nodes, track_file

if TYPE_CHECKING:
    from collections.abc import Iterator

NODE_PARTS = {
    *("id", "fname", "module", "hash", "parents", "children", "files", "file_hashes", "outfile"),
    *("created", "elapsed", "inputs"),
}


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


# -- the pipeline ---------------------------------------------------------------------------------


def test_the_pipeline_is_three_nodes_and_two_edges(tutorial: Tutorial) -> None:
    user = tutorial.load()
    assert user.pipeline(tutorial.words) == {"a": 0.25, "b": 0.5, "c": 0.25}
    assert tutorial.ran() == ["pipeline", "load_counts", "normalize"]
    nodes = by_name()
    assert set(nodes) == {"load_counts", "normalize", "pipeline"}
    assert names(nodes["pipeline"]["children"]) == {"load_counts", "normalize"}
    assert len(nodes["pipeline"]["children"]) == 2
    assert list(nodes["pipeline"]["parents"]) == []
    for name in ("load_counts", "normalize"):
        assert list(nodes[name]["parents"]) == [nodes["pipeline"]["id"]]
        assert list(nodes[name]["children"]) == []


def test_each_node_says_what_it_is(tutorial: Tutorial) -> None:
    user = tutorial.load()
    counts = user.load_counts(tutorial.words)
    user.pipeline(tutorial.words)
    for name, node in cache_tree_nodes().items():
        assert type(node) is dict
        assert set(node) >= NODE_PARTS
        assert node["id"] == name == f"{node['fname']}:{node['hash']}"
        assert node["module"] == "counting"
        assert isinstance(node["files"], list)
        assert isinstance(node["file_hashes"], dict)
        assert isinstance(node["outfile"], Path)
        assert node["outfile"].is_file()
        assert tutorial.cache in node["outfile"].parents
        assert node["elapsed"] >= 0
        assert isinstance(node["inputs"], dict)
    nodes = by_name()
    assert nodes["pipeline"]["hash"] == user.pipeline.key(tutorial.words)
    assert nodes["load_counts"]["hash"] == user.load_counts.key(tutorial.words)
    assert nodes["normalize"]["hash"] == user.normalize.key(counts)
    assert len({node["hash"] for node in nodes.values()}) == 3
    assert nodes["load_counts"]["created"] <= nodes["pipeline"]["created"]


def test_track_file_registers_the_file_with_its_content_digest(tmp_path: Path) -> None:
    one, two, absent = tmp_path / "one.txt", tmp_path / "two.txt", tmp_path / "absent.txt"
    one.write_text("same")
    two.write_text("same")

    @cache_file(tmp_path / "cache")
    def sizes() -> list[int]:
        paths = [track_file(one), track_file(str(two)), track_file(absent)]
        assert paths == [one, two, absent]
        assert all(isinstance(path, Path) for path in paths)
        return [path.stat().st_size if path.exists() else -1 for path in paths]

    assert sizes() == [4, 4, -1]
    (node,) = cache_tree_nodes().values()
    assert sorted(node["files"]) == sorted([one, two, absent])
    assert all(isinstance(path, Path) for path in node["files"])
    digests = {Path(name): digest for name, digest in node["file_hashes"].items()}
    assert set(digests) == {one, two, absent}
    assert digests[one] == digests[two]
    assert isinstance(digests[one], str)
    assert digests[absent] is None

    two.write_text("else")
    assert sizes() == [4, 4, -1]
    (node,) = cache_tree_nodes().values()
    after = {Path(name): digest for name, digest in node["file_hashes"].items()}
    assert after[one] == digests[one]
    assert after[two] != digests[two]


def test_the_digest_is_xxh3_of_the_content(tutorial: Tutorial) -> None:
    """Anyone can check a recorded digest with `xxh128sum`."""
    import xxhash

    tutorial.load().load_counts(tutorial.words)
    (digest,) = by_name()["load_counts"]["file_hashes"].values()
    assert digest == xxhash.xxh3_128_hexdigest(tutorial.words.read_bytes())


def test_track_file_outside_of_a_call_is_a_path(tmp_path: Path) -> None:
    assert track_file(str(tmp_path / "x")) == tmp_path / "x"
    assert cache_tree_nodes() == {}


def test_files_named_by_arguments_are_files_of_the_node(tutorial: Tutorial) -> None:
    @cache_file(tutorial.cache)
    def both(first: Path, second: str) -> str:
        return Path(first).read_text() + Path(second).read_text()

    (tutorial.path / "more.txt").write_text("more")
    both(tutorial.words, "more.txt")
    (node,) = cache_tree_nodes().values()
    assert {path.name for path in node["files"]} == {"words.txt", "more.txt"}
    assert all(node["file_hashes"].values())


# -- what changed ---------------------------------------------------------------------------------


def test_changed_files_are_named_after_an_edit_and_gone_after_the_rerun(tutorial: Tutorial) -> None:
    user = tutorial.load()
    user.pipeline(tutorial.words)
    tutorial.ran()
    assert cache_tree_changed_files() == {}

    tutorial.words.write_text("a a a a")
    changed = cache_tree_changed_files()
    nodes = by_name()
    assert set(changed) == {nodes[name]["id"] for name in ("load_counts", "pipeline")}
    for name, entry in changed.items():
        assert set(entry) >= {"node", "changed_files"}
        assert entry["node"] == cache_tree_nodes()[name]
        assert entry["changed_files"] == [tutorial.words]
    assert tutorial.ran() == [], "asking runs nothing"
    assert cache_tree_changed_files() == changed, "asking changes nothing"

    assert user.pipeline(tutorial.words) == {"a": 1.0}
    assert tutorial.ran() == ["pipeline", "load_counts", "normalize"]
    assert cache_tree_changed_files() == {}


def test_a_file_that_vanished_or_appeared_is_a_changed_file(tutorial: Tutorial) -> None:
    absent = tutorial.path / "absent.txt"

    @cache_file(tutorial.cache)
    def exists() -> list[bool]:
        return [track_file(path).exists() for path in (tutorial.words, absent)]

    assert exists() == [True, False]
    assert cache_tree_changed_files() == {}
    tutorial.words.unlink()
    (entry,) = cache_tree_changed_files().values()
    assert entry["changed_files"] == [tutorial.words]
    absent.write_text("here")
    (entry,) = cache_tree_changed_files().values()
    assert sorted(entry["changed_files"]) == sorted([tutorial.words, absent])
    assert exists() == [False, True]
    assert cache_tree_changed_files() == {}


def test_changing_back_is_fresh_again_without_a_run(tutorial: Tutorial) -> None:
    user = tutorial.load()
    first = user.pipeline(tutorial.words)
    tutorial.words.write_text("x")
    user.pipeline(tutorial.words)
    tutorial.ran()
    tutorial.words.write_text("a b b c")
    assert set(cache_tree_changed_files()) == {by_named("load_counts"), by_named("pipeline")}
    assert user.pipeline(tutorial.words) == first
    assert tutorial.ran() == []
    assert cache_tree_changed_files() == {}


def test_changing_back_is_no_false_alarm_for_others(tutorial: Tutorial) -> None:
    """Another process made the older run valid again: the graph on disk says so."""
    user = tutorial.load()
    user.pipeline(tutorial.words)
    tutorial.words.write_text("x")
    user.pipeline(tutorial.words)
    tutorial.words.write_text("a b b c")
    tutorial.ran()
    tutorial.python("print(json.dumps(counting.pipeline(Path('words.txt').absolute())))")
    assert tutorial.ran() == []
    with fresh_session():
        cachepy.cache_tree_sync(tutorial.cache)
        assert len(cache_tree_nodes()) == 4  # normalize was asked for twice
        assert cache_tree_changed_files() == {}


def test_changing_back_makes_the_calls_below_fresh_too(tutorial: Tutorial) -> None:
    """The caller has one run, which is valid again; the call below it was run in between."""
    user = tutorial.load()
    user.pipeline(tutorial.words)
    tutorial.words.write_text("x")
    user.load_counts(tutorial.words)
    tutorial.words.write_text("a b b c")
    tutorial.ran()
    user.pipeline(tutorial.words)
    assert tutorial.ran() == []
    assert cache_tree_changed_files() == {}
    with fresh_session():
        cachepy.cache_tree_sync(tutorial.cache)
        assert cache_tree_changed_files() == {}


def test_changing_back_brings_back_the_edges_of_that_run(tutorial: Tutorial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs of one call gave the same result by different ways: a hit shows the way that holds."""

    @cache_file(tutorial.cache)
    def leaf(x: int) -> int:
        return x * 1000

    @cache_file(tutorial.cache, env_vars=["TUTORIAL_WAY"])
    def middle() -> str:
        leaf(int(os.environ["TUTORIAL_WAY"]))
        return "the same result"

    @cache_file(tutorial.cache)
    def top() -> str:
        return middle()

    for way in (1, 2, 1):
        monkeypatch.setenv("TUTORIAL_WAY", str(way))
        cachepy.cache_tree_reset()
        top()
        leaves = [node["hash"] for node in cache_tree_nodes().values() if node["fname"] == "leaf"]
        assert leaves == [leaf.key(way)]
        assert by_name()["middle"]["children"] == [f"leaf:{leaf.key(way)}"]


def test_touching_a_file_is_no_change(tutorial: Tutorial) -> None:
    user = tutorial.load()
    user.pipeline(tutorial.words)
    os.utime(tutorial.words, (1, 1))
    tutorial.words.write_text(tutorial.words.read_text())
    assert cache_tree_changed_files() == {}


# -- calls that fail ------------------------------------------------------------------------------


def test_exceptions_leave_no_node(tutorial: Tutorial) -> None:
    user = tutorial.load()
    tutorial.words.write_text("")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):  # normalize of nothing
            user.normalize({"a": 0})
        assert cache_tree_nodes() == {}

    @cache_file(tutorial.cache)
    def outer(path: Path) -> None:
        user.load_counts(path)
        raise RuntimeError("outer")

    with pytest.raises(RuntimeError, match="outer"):
        outer(tutorial.words)
    nodes = by_name()
    assert set(nodes) == {"load_counts"}, "its child that ended stays"
    assert list(nodes["load_counts"]["parents"]) == []
    _, graph = tutorial.python("value = None\ncachepy.cache_tree_sync(counting.CACHE)\n" + textwrap.dedent(SHOW))
    assert {node[0] for node in graph.values()} == {"load_counts"}


def test_a_call_that_catches_keeps_its_own_node(tutorial: Tutorial) -> None:
    user = tutorial.load()

    @cache_file(tutorial.cache)
    def careful(counts: dict[str, int]) -> str:
        try:
            return str(user.normalize(counts))
        except ZeroDivisionError:
            return "nothing"

    assert careful({"a": 0}) == "nothing"
    (node,) = cache_tree_nodes().values()
    assert node["fname"] == "careful"
    assert list(node["children"]) == []
    tutorial.ran()
    assert careful({"a": 0}) == "nothing"
    assert tutorial.ran() == []
