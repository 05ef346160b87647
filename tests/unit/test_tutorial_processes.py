"""The tutorial of the graph API in several processes: the graph is found again, saved, loaded and merged."""

from __future__ import annotations

import json
import shutil
import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tutorial_module import SHOW, Tutorial, by_name, by_named, fresh_session, names

import cachepy
from cachepy import cache_file, cache_tree_changed_files, cache_tree_nodes
from tests.programs import Project

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


def test_a_hit_in_a_new_process_shows_the_whole_pipeline(tutorial: Tutorial) -> None:
    ask = "value = counting.pipeline(Path('words.txt').absolute())\n" + textwrap.dedent(SHOW)
    value, ran_graph = tutorial.python(ask)
    assert tutorial.ran() == ["pipeline", "load_counts", "normalize"]
    again, hit_graph = tutorial.python(ask)
    assert tutorial.ran() == []
    assert again == value == {"a": 0.25, "b": 0.5, "c": 0.25}
    assert {node[0] for node in hit_graph.values()} == {"load_counts", "normalize", "pipeline"}
    assert hit_graph == ran_graph, "the graph is the same whether calls ran or were hits"

    user = tutorial.load()  # and in this process, which is yet another
    assert user.pipeline(tutorial.words) == value
    assert tutorial.ran() == []
    assert names(by_name()["pipeline"]["children"]) == {"load_counts", "normalize"}
    assert set(cache_tree_nodes()) == set(ran_graph)


def test_a_script_and_its_import_share_the_cache(tutorial: Tutorial) -> None:
    out = Project(tutorial.path, **tutorial.env).run("counting.py").stdout
    assert json.loads(out) == {"a": 0.25, "b": 0.5, "c": 0.25}
    assert tutorial.ran() == ["pipeline", "load_counts", "normalize"]
    assert tutorial.python("print(json.dumps(counting.pipeline(Path('words.txt'))))") == json.loads(out)
    assert tutorial.ran() == []


def test_sync_in_a_new_process_shows_the_graph_without_any_call(tutorial: Tutorial) -> None:
    user = tutorial.load()
    user.pipeline(tutorial.words)
    value, graph = tutorial.python("value = None\ncachepy.cache_tree_sync(counting.CACHE)\n" + textwrap.dedent(SHOW))
    assert value is None
    assert set(graph) == set(cache_tree_nodes())
    tutorial.words.write_text("changed")
    changed = tutorial.python(
        """
        cachepy.cache_tree_sync(counting.CACHE)
        print(json.dumps({i: list(map(str, c["changed_files"])) for i, c in cachepy.cache_tree_changed_files().items()}))
        """
    )
    assert changed == {by_named(name): [str(tutorial.words)] for name in ("load_counts", "pipeline")}


@pytest.mark.parametrize("how", ["copy", "move"])
def test_a_copied_or_moved_cache_stays_valid(tutorial: Tutorial, how: str) -> None:
    user = tutorial.load()
    user.pipeline(tutorial.words)
    tutorial.ran()
    new = tutorial.path / "elsewhere" / "cache"
    new.parent.mkdir()
    (shutil.copytree if how == "copy" else shutil.move)(tutorial.cache, new)
    if how == "move":
        assert not tutorial.cache.exists()
    tutorial.env["TUTORIAL_CACHE"] = str(new)
    ask = "value = counting.pipeline(Path('words.txt').absolute())\n" + textwrap.dedent(SHOW)
    value, graph = tutorial.python(ask)
    assert value == {"a": 0.25, "b": 0.5, "c": 0.25}
    assert tutorial.ran() == []
    assert {node[0] for node in graph.values()} == {"load_counts", "normalize", "pipeline"}
    for node in graph.values():
        assert Path(node[6]).is_file()
        assert new in Path(node[6]).parents
    assert tutorial.python(ask) == [value, graph]
    tutorial.words.write_text("z")
    assert tutorial.python(ask)[0] == {"z": 1.0}
    assert not tutorial.cache.exists() or how == "copy"


# -- saving, loading, merging ---------------------------------------------------------------------


def test_save_reset_load(tutorial: Tutorial) -> None:
    user = tutorial.load()
    user.pipeline(tutorial.words)
    before = cache_tree_nodes()
    saved = tutorial.path / "saved.pkl"
    cachepy.cache_tree_save(saved)
    cachepy.cache_tree_reset()
    assert cache_tree_nodes() == {}

    @cache_file(tutorial.cache)
    def other() -> int:
        return 1

    other()
    cachepy.cache_tree_load(saved)
    assert cache_tree_nodes() == before, "load replaces"
    cachepy.cache_tree_load(str(saved))
    assert cache_tree_nodes() == before
    assert user.pipeline(tutorial.words) == {"a": 0.25, "b": 0.5, "c": 0.25}
    assert cache_tree_nodes() == before
    assert tutorial.ran() == ["pipeline", "load_counts", "normalize"], "reset forgets the graph, not the results"


def test_sync_merges(tutorial: Tutorial) -> None:
    user = tutorial.load()
    user.pipeline(tutorial.words)
    first = cache_tree_nodes()
    cachepy.cache_tree_reset()

    other = tutorial.path / "other"

    @cache_file(other)
    def extra() -> int:
        return 1

    extra()
    second = cache_tree_nodes()
    cachepy.cache_tree_sync(tutorial.cache)
    both = cache_tree_nodes()
    assert both == {**first, **second}
    for _ in range(2):
        cachepy.cache_tree_sync(str(tutorial.cache))
        cachepy.cache_tree_sync(other)
        assert cache_tree_nodes() == both, "repetition does not matter"
    cachepy.cache_tree_reset()
    cachepy.cache_tree_sync(other)
    cachepy.cache_tree_sync(tutorial.cache)
    assert cache_tree_nodes() == both, "order does not matter"


def test_sync_takes_the_newer_run_of_a_node(tutorial: Tutorial) -> None:
    user = tutorial.load()
    user.pipeline(tutorial.words)
    old = cache_tree_nodes()
    tutorial.words.write_text("new words")
    tutorial.python("print(json.dumps(counting.pipeline(Path('words.txt').absolute())))")
    assert cache_tree_nodes() == old
    cachepy.cache_tree_sync(tutorial.cache)
    load_counts = by_named("load_counts")
    new = cache_tree_nodes()[load_counts]
    assert new["created"] > old[load_counts]["created"]
    assert new["file_hashes"] != old[load_counts]["file_hashes"]
    assert load_counts not in cache_tree_changed_files()
    assert by_named("pipeline") not in cache_tree_changed_files()


def test_sync_of_a_directory_without_a_graph_is_nothing(tutorial: Tutorial) -> None:
    tutorial.load().pipeline(tutorial.words)
    before = cache_tree_nodes()
    empty = tutorial.path / "empty"
    empty.mkdir()
    cachepy.cache_tree_sync(empty)
    assert cache_tree_nodes() == before
    assert list(empty.iterdir()) == []


def spoiled(data: bytes) -> list[tuple[str, bytes]]:
    middle = bytearray(data)
    middle[len(data) // 2] ^= 0xFF
    return [
        ("empty", b""),
        ("text", b"hello\n" * 100),
        ("a pickle of something else", b"\x80\x04K\x01."),
        ("cut in the head", data[:3]),
        ("a flipped bit", bytes(middle)),
        ("zeros", bytes(len(data))),
        ("no head", data[7:]),
    ]


def test_load_of_a_damaged_file_names_it_and_leaves_the_graph(tutorial: Tutorial) -> None:
    user = tutorial.load()
    user.pipeline(tutorial.words)
    before = cache_tree_nodes()
    saved = tutorial.path / "saved.pkl"
    cachepy.cache_tree_save(saved)
    for what, data in spoiled(saved.read_bytes()):
        bad = tutorial.path / f"{what}.pkl"
        bad.write_bytes(data)
        with pytest.raises(cachepy.GraphFileError) as caught:
            print(f"loading: {what}")
            cachepy.cache_tree_load(bad)
        assert str(bad) in str(caught.value)
        assert cache_tree_nodes() == before, what
    for absent in (tutorial.path / "absent.pkl", tutorial.path):
        with pytest.raises((cachepy.GraphFileError, OSError)) as caught_absent:
            cachepy.cache_tree_load(absent)
        assert str(absent) in str(caught_absent.value)
        assert cache_tree_nodes() == before


def test_load_runs_no_code_of_the_file(tutorial: Tutorial) -> None:
    import pickle

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tutorial.path / "exploded",))

    bad = tutorial.path / "bad.pkl"
    bad.write_bytes(pickle.dumps({"nodes": Bomb()}))
    with pytest.raises(cachepy.GraphFileError):
        cachepy.cache_tree_load(bad)
    tutorial.load().pipeline(tutorial.words)
    with (tutorial.cache / "graph.pkl").open("ab") as journal:
        journal.write(pickle.dumps(Bomb()))
    with pytest.warns(cachepy.CacheReadWarning):
        cachepy.cache_tree_sync(tutorial.cache)
    assert not (tutorial.path / "exploded").exists()


def test_sync_of_a_damaged_file_warns_and_takes_the_whole_nodes(tutorial: Tutorial) -> None:
    user = tutorial.load()
    user.pipeline(tutorial.words)
    whole = cache_tree_nodes()
    graph = tutorial.cache / "graph.pkl"
    assert graph.is_file()
    data = graph.read_bytes()

    for cut in (1, 10, len(data) // 3):
        graph.write_bytes(data[:-cut])
        with fresh_session(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            cachepy.cache_tree_sync(tutorial.cache)
            nodes = cache_tree_nodes()
        assert [w for w in caught if issubclass(w.category, cachepy.CacheWarning)], cut
        assert any(str(tutorial.cache) in str(w.message) for w in caught), cut
        assert set(nodes) < set(whole) or nodes == whole
        assert len(nodes) >= 1, f"cut {cut}: the first records are whole"
        for name, node in nodes.items():
            assert node["files"] == whole[name]["files"]
            assert set(node["children"]) <= set(nodes)

    graph.write_bytes(data[:-10] + b"rubbish" * 20)
    cachepy.cache_tree_reset()
    with pytest.warns(cachepy.CacheReadWarning):
        cachepy.cache_tree_sync(tutorial.cache)
    for name, node in cache_tree_nodes().items():
        assert node["file_hashes"] == whole[name]["file_hashes"]


def test_a_torn_end_is_cut_off_and_writing_goes_on(tutorial: Tutorial) -> None:
    user = tutorial.load()
    user.pipeline(tutorial.words)
    before = set(cache_tree_nodes())
    graph = tutorial.cache / "graph.pkl"
    graph.write_bytes(graph.read_bytes() + b"\x99\x00half a rec")
    other = tutorial.path / "more.txt"
    other.write_text("x y")
    tutorial.python("print(json.dumps(counting.pipeline(Path('more.txt').absolute())))")
    cachepy.cache_tree_reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cachepy.cache_tree_sync(tutorial.cache)
    after = set(cache_tree_nodes())
    assert before < after
    assert len(after) == 6, "nothing written after the torn record is lost"


def test_a_lost_graph_file_is_brought_back_by_hits(tutorial: Tutorial) -> None:
    user = tutorial.load()
    user.pipeline(tutorial.words)
    before = cache_tree_nodes()
    (tutorial.cache / "graph.pkl").unlink()
    tutorial.ran()
    ask = "value = counting.pipeline(Path('words.txt').absolute())\n" + textwrap.dedent(SHOW)
    _, graph = tutorial.python(ask)
    assert tutorial.ran() == []
    assert set(graph) == set(before)
