"""The benchmarks run, and their floors do what they are compared for: no times here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "floor").mkdir()
    return f"{tmp_path}/floor/"


class Body:
    """A function that counts its runs."""

    def __init__(self, answer):
        self.runs = 0

        def fn(*args):
            self.runs += 1
            return answer(*args)

        self.fn = fn


def rewrite(path, text):
    path.write_text(text)
    st = path.stat()
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns + 1))


def entries(folder):
    return [Path(folder, name) for name in os.listdir(folder) if name != "journal"]


@pytest.mark.parametrize("name", ["small", "remembered"])
def test_small_floors(folder, name):
    import floors

    body = Body(lambda number, text: {"n": [number], "t": text})
    call = getattr(floors, name)(body.fn, folder)
    assert call(1, "a") == call(1, "a") == {"n": [1], "t": "a"}
    assert body.runs == 1
    call(1, "a")["n"].append(2)
    assert call(1, "a")["n"] == [1]
    assert call(2, "a")["n"] == [2]
    assert body.runs == 2
    for path in entries(folder):
        path.unlink()
    assert call(1, "a")["n"] == [1]
    assert body.runs == 3
    body.fn.__code__ = body.fn.__code__.replace(co_name="other")
    call(1, "a")
    assert body.runs == 4


def test_the_floor_with_files_notices_a_change(folder, tmp_path):
    import floors

    path = tmp_path / "data.txt"
    path.write_text("one")
    body = Body(lambda path: path.read_text())
    call = floors.with_files(body.fn, folder, lambda path: (path,), floors.by_path)
    assert [call(path), call(path), body.runs] == ["one", "one", 1]
    rewrite(path, "two")
    assert [call(path), call(path), body.runs] == ["two", "two", 2]


def test_the_floor_with_a_tree_notices_a_change(folder, tmp_path):
    import floors

    top = tmp_path / "tree"
    (top / "deep").mkdir(parents=True)
    (top / "deep" / "a.txt").write_text("a")
    body = Body(lambda top: [each.name for each in sorted(top.rglob("*.txt"))])
    call = floors.with_tree(body.fn, folder)
    assert [call(top), call(top), body.runs] == [["a.txt"], ["a.txt"], 1]
    (top / "deep" / "b.txt").write_text("b")
    assert [call(top), body.runs] == [["a.txt", "b.txt"], 2]


def test_the_floor_with_code_notices_a_helper_and_a_global(folder, tmp_path):
    import floors
    import modules

    module = modules.load(modules.write(tmp_path / "reaches.py", "plain", modules.helpers(3, 2)))
    body = Body(module.f)
    call = floors.with_code(body.fn, folder, module, 3, 2)
    assert [call(1, "a")["sum"], call(1, "a")["sum"], body.runs] == [3.5, 3.5, 1]
    module.helper_2 = lambda x: x * 100
    assert [call(1, "a")["sum"], body.runs] == [102, 2]

    call = floors.with_code(body.fn, f"{folder}other-", module, 3, 2)
    assert [call(1, "a")["sum"], call(1, "a")["sum"], body.runs] == [102, 102, 3]
    module.LIMIT_0 = 50
    assert [call(1, "a")["sum"], body.runs] == [151.5, 4]


def test_large_results_are_mapped_and_the_callers_own(folder):
    import floors_disk
    import numpy as np

    body = Body(lambda number: {"array": np.arange(number), "text": "x"})
    call = floors_disk.mapped(body.fn, folder)
    value = call(5000)
    value["array"][0] = 7
    again = call(5000)
    assert again["array"].tolist() == list(range(5000))
    assert not again["array"].flags.owndata
    assert body.runs == 1


def test_the_floor_of_a_miss_stores_and_records(folder):
    import floors_disk

    body = Body(lambda number: {"n": number})
    call = floors_disk.miss(body.fn, folder)
    assert [call(1), call(2), call(1), body.runs] == [{"n": 1}, {"n": 2}, {"n": 1}, 2]
    assert len(entries(folder)) == 2
    assert Path(folder, "journal").stat().st_size


def test_claimed_runs_once(folder):
    from concurrent.futures import ThreadPoolExecutor

    import floors_disk

    body = Body(lambda number: {"n": number})
    call = floors_disk.claimed(body.fn, folder)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(call, [1] * 20)) == [{"n": 1}] * 20
    assert body.runs == 1


def test_keys_tell_values_apart():
    import floors
    import numpy as np
    import pandas as pd

    ones, twos = np.ones(10), np.full(10, 2.0)
    assert floors.in_place(ones) == floors.in_place(ones.copy()) != floors.in_place(twos)
    frames = [pd.DataFrame(np.arange(40.0).reshape(10, 4), columns=list(names)) for names in ("abcd", "abcd", "abce")]
    keys = [floors.frame(frame) for frame in frames]
    assert keys[0] == keys[1] != keys[2]
    frames[1].iloc[3, 2] = -1
    assert floors.frame(frames[1]) != keys[0]
    word = "a word"
    assert floors.streamed([word, word]) == floors.streamed(["a word", str(b"a word", "ascii")])
    assert floors.streamed([1, 2]) != floors.streamed([2, 1])
    assert floors.sorted_sets({"a": {"x", "y", "z"}}) == floors.sorted_sets({"a": {"z", "y", "x"}})


def test_the_floors_of_the_graph(tmp_path):
    import floors_graph
    import graph_data

    graph_data.write_files(tmp_path / "data", 5)
    calls = graph_data.Calls(str(tmp_path / "data"), 5, 50)
    rows = list(graph_data.rows(calls))
    nodes, parents = graph = floors_graph.record(rows, tmp_path / "journal")
    assert len(nodes) == 50
    assert sum(map(len, parents.values())) == 10 * graph_data.BELOW
    floors_graph.save(graph, f"{tmp_path}/saved")
    assert floors_graph.load(f"{tmp_path}/saved") == graph
    half = floors_graph.record(rows[:25], tmp_path / "half")
    assert floors_graph.sync(tmp_path / "journal", half) == graph
    known = floors_graph.states(calls.paths)
    assert floors_graph.changed(known) == []
    rewrite(Path(calls.paths[2]), "changed")
    assert floors_graph.changed(known) == [calls.paths[2]]


def test_the_events_are_the_same_graph(tmp_path):
    import graph_data

    from cachepy import Session, cache_tree_changed_files, cache_tree_nodes, use_session

    graph_data.write_files(tmp_path / "data", 5)
    calls = graph_data.Calls(str(tmp_path / "data"), 5, 50)
    with use_session(Session()):
        graph_data.record(graph_data.events(calls, str(tmp_path)))
        nodes = cache_tree_nodes()
        assert not cache_tree_changed_files()
    rows = {row[0]: row for row in graph_data.rows(calls)}
    assert nodes.keys() == rows.keys()
    for call, node in nodes.items():
        assert set(node["children"]) == set(rows[call][2])
        assert tuple(node["file_hashes"].items()) == rows[call][3]


def test_turns_give_each_contestant_its_samples():
    import timing

    called = []
    contestants = {name: timing.Reading(lambda name=name: called.append(name) or 1.0, warm=False) for name in "ab"}
    samples = timing.turns(contestants, 0.01, rounds=2)
    assert samples == {"a": [1.0, 1.0], "b": [1.0, 1.0]}
    assert called == list("abab")


def test_a_forked_contestant_answers():
    import timing

    forked = timing.Forked(lambda: timing.Reading(lambda: 0.5))
    assert forked.calibrate() == []
    assert forked() == 0.5
    forked.close()


def test_the_table_of_small_rows(tmp_path):
    pytest.importorskip("joblib")
    pytest.importorskip("diskcache")
    command = [sys.executable, HERE / "run.py", "--quick", "--only", "small hit,file hit,caller", "--dir", tmp_path]
    ran = subprocess.run([*command, "--json", tmp_path / "out.json"], capture_output=True, text=True, check=True)
    assert "small dict" in ran.stdout
    found = json.loads((tmp_path / "out.json").read_text())
    assert [row["row"] for row in found["rows"]] == ["small hit", "file hit", "caller hit"]
    assert all(line["ours"] > 0 < line["floor"] for line in found["lines"])
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
