"""The tutorial of the graph API, as a user would write it.

The pipeline is a module of the user's, imported in this process and run as a script in others.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import textwrap
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import cachepy
from cachepy import cache_file, cache_tree_changed_files, cache_tree_nodes, track_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).parents[2]
NODE_PARTS = {
    *("id", "fname", "module", "hash", "parents", "children", "files", "file_hashes", "outfile"),
    *("created", "elapsed", "inputs"),
}

PIPELINE = '''
"""Counts of words, normalised."""

import json
import os
from pathlib import Path

from cachepy import cache_file, track_file

CACHE = os.environ["TUTORIAL_CACHE"]


def say(word):
    with open(os.environ["TUTORIAL_LOG"], "a") as log:
        log.write(word + " ")


@cache_file(CACHE)
def load_counts(path):
    say("load_counts")
    text = track_file(path).read_text()
    return {word: text.split().count(word) for word in sorted(set(text.split()))}


@cache_file(CACHE)
def normalize(counts):
    say("normalize")
    total = sum(counts.values())
    return {word: count / total for word, count in counts.items()}


@cache_file(CACHE)
def pipeline(path):
    say("pipeline")
    return normalize(load_counts(path))


if __name__ == "__main__":
    print(json.dumps(pipeline(Path("words.txt"))))
'''


@contextmanager
def fresh_session() -> Iterator[None]:
    try:
        from cachepy import Session, use_session
    except ImportError:
        cachepy.cache_tree_reset()
        yield
    else:
        with use_session(Session()):
            yield


@pytest.fixture(autouse=True)
def session() -> Iterator[None]:
    with fresh_session():
        yield


class Tutorial:
    """A user's folder: the module, a data file, a cache directory."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.path, self.cache, self.words, self.log = path, path / "cache", path / "words.txt", path / "log"
        self.env = {"TUTORIAL_CACHE": str(self.cache), "TUTORIAL_LOG": str(self.log)}
        (path / "counting.py").write_text(PIPELINE)
        self.words.write_text("a b b c")

    def load(self) -> ModuleType:
        """The module, freshly imported, as a session of the user's would."""
        spec = importlib.util.spec_from_file_location("counting", self.path / "counting.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        self.monkeypatch.setitem(sys.modules, "counting", module)
        spec.loader.exec_module(module)
        return module

    def ran(self) -> list[str]:
        """The bodies that ran since the last question."""
        words = self.log.read_text().split() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return words

    def python(self, text: str, *, cwd: Path | None = None) -> Any:
        """Run a text in a new process with the module at hand; what it prints, read as JSON."""
        begin = "import json\nfrom pathlib import Path\nimport cachepy\nimport counting\n"
        env = {**os.environ, **self.env, "PYTHONPATH": f"{ROOT}{os.pathsep}{self.path}"}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", begin + textwrap.dedent(text)],
            cwd=cwd or self.path,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tutorial:
    made = Tutorial(tmp_path, monkeypatch)
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return made


def by_name() -> dict[str, dict[str, Any]]:
    nodes = cache_tree_nodes()
    named = {node["fname"]: node for node in nodes.values()}
    assert len(named) == len(nodes)
    return named


def names(ids: Any) -> set[str]:
    nodes = cache_tree_nodes()
    return {nodes[i]["fname"] for i in ids}


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


def by_named(fname: str) -> str:
    (one,) = [i for i, node in cache_tree_nodes().items() if node["fname"] == fname]
    return one


def test_touching_a_file_is_no_change(tutorial: Tutorial) -> None:
    user = tutorial.load()
    user.pipeline(tutorial.words)
    os.utime(tutorial.words, (1, 1))
    tutorial.words.write_text(tutorial.words.read_text())
    assert cache_tree_changed_files() == {}


# -- other processes ------------------------------------------------------------------------------

SHOW = """
    nodes = cachepy.cache_tree_nodes()
    print(json.dumps([value, {i: [n["fname"], n["hash"], sorted(n["parents"]), sorted(n["children"]),
          sorted(map(str, n["files"])), {str(k): v for k, v in n["file_hashes"].items()}, str(n["outfile"]),
          n["created"], n["elapsed"], n["inputs"], n["module"]] for i, n in nodes.items()}]))
    """


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
    env = {**os.environ, **tutorial.env, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "counting.py"]
    out = subprocess.run(command, cwd=tutorial.path, env=env, capture_output=True, text=True, check=True).stdout
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
