"""Rows: the graph of 100,000 nodes over 10,000 files."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import floors_graph
import graph_data
from rows import Contest, Line, Row
from timing import Contestant, Reading, child_says

NODES, FILES, QUICK = 100_000, 10_000, 50  # QUICK: so many times fewer


def _calls(place, nodes=NODES):
    files = FILES // QUICK if place.is_quick else FILES
    folder = place.shared("graph", lambda path, is_quick: graph_data.write_files(path, files))
    return graph_data.Calls(folder, files, nodes // QUICK if place.is_quick else nodes)


def record(place):
    """Ended calls into the graph in memory and into the journal; each sample in a new session."""
    from cachepy import Session, current_session, use_session

    calls, root, made = _calls(place), place.folder("cache").rstrip("/"), {}

    def prepare_ours():
        made.clear()
        Path(root, "graph.pkl").unlink(missing_ok=True)
        made["events"] = list(graph_data.events(calls, root))
        gc.collect()

    def ours():
        with use_session(Session()):
            graph_data.record(made["events"])
            assert len(current_session().graph) == calls.nodes

    def prepare_floor():
        made.clear()
        made["rows"] = list(graph_data.rows(calls))
        gc.collect()

    yield Contest(
        {
            "floor": Contestant(lambda: floors_graph.record(made["rows"], f"{root}/floor"), calls.nodes, prepare_floor),
            "cachepy": Contestant(ours, calls.nodes, prepare_ours),
        }
    )


def files(place):
    """Save, load, sync, changed files: ours and the floors, all in turns in one process."""
    import cachepy

    calls, root = _calls(place), place.folder("cache").rstrip("/")
    nodes = calls.nodes
    every = list(graph_data.events(calls, root))
    graph_data.record(every[: nodes // 2])
    cachepy.cache_tree_save(f"{root}/half")
    graph_data.record(every[nodes // 2 :])
    del every
    rows = list(graph_data.rows(calls))
    graph, half = floors_graph.record(rows, f"{root}/floor"), {}
    known = floors_graph.states(calls.paths)
    assert floors_graph.changed(known) == [] == list(cachepy.cache_tree_changed_files())

    def halve_ours():
        cachepy.cache_tree_load(f"{root}/half")
        gc.collect()

    def halve_floor():
        half["graph"] = floors_graph.record(rows[: nodes // 2], f"{root}/floor-half")
        gc.collect()

    yield Contest(
        {
            "save": Contestant(lambda: cachepy.cache_tree_save(f"{root}/saved"), nodes, gc.collect),
            "save floor": Contestant(lambda: floors_graph.save(graph, f"{root}/floor-saved"), nodes, gc.collect),
            "load": Contestant(lambda: cachepy.cache_tree_load(f"{root}/saved"), nodes, gc.collect),
            "load floor": Contestant(lambda: floors_graph.load(f"{root}/floor-saved"), nodes, gc.collect),
            "sync": Contestant(lambda: cachepy.cache_tree_sync(root), nodes, halve_ours),
            "sync floor": Contestant(lambda: floors_graph.sync(f"{root}/floor", half["graph"]), nodes, halve_floor),
            "first asked": Contestant(cachepy.cache_tree_changed_files, len(calls.paths), gc.collect),
            "changed": Contestant(cachepy.cache_tree_changed_files, len(calls.paths), cachepy.cache_tree_changed_files),
            "changed floor": Contestant(lambda: floors_graph.changed(known), len(calls.paths)),
        }
    )
    assert len(cachepy.cache_tree_nodes()) == nodes == len(graph[0])


def memory(place):
    """Bytes per node in a process of its own, as Python counts them; the same each time.

    Half the nodes: counting is slow, and the dicts double with the nodes.
    """
    import cachepy

    calls, root = _calls(place, NODES // 2), place.folder("cache").rstrip("/")
    graph_data.record(graph_data.events(calls, root))
    cachepy.cache_tree_save(f"{root}/saved")
    floors_graph.save(floors_graph.record(graph_data.rows(calls), f"{root}/floor"), f"{root}/floor-saved")
    folder = str(Path(calls.paths[0]).parent)
    places = {
        "floor recorded": f"{root}/floor",
        "cachepy recorded": place.folder("recorded"),
        "floor loaded": f"{root}/floor-saved",
        "cachepy loaded": f"{root}/saved",
    }
    found = {}
    for kind, path in places.items():
        command = [sys.executable, graph_data.__file__, kind, folder, str(len(calls.paths)), str(calls.nodes), path]
        found[kind] = Reading(lambda command=command: child_says(*command), warm=False)
    yield Contest(found, rounds=1)


ROWS = (
    Row("graph record", record, (Line("graph of 100,000 nodes: record, per node", 4),), seconds=3),
    Row(
        "graph files",
        files,
        (
            Line("graph of 100,000 nodes: save, per node", 4, ours="save", base="save floor"),
            Line("graph of 100,000 nodes: load, per node", 4.5, ours="load", base="load floor"),
            Line("graph of 100,000 nodes: sync, per node", 4, ours="sync", base="sync floor"),
            Line("graph: changed files of 10,000, per file", 2.2, ours="changed", base="changed floor"),
            Line("  asked for the first time after reading", ours="first asked", base="changed floor"),
        ),
        seconds=5,
    ),
    Row(
        "graph memory",
        memory,
        (
            Line("graph: memory per node, as recorded", 1.7, ours="cachepy recorded", base="floor recorded"),
            Line("graph: memory per node, as loaded", 1.7, ours="cachepy loaded", base="floor loaded"),
        ),
        unit="bytes",
    ),
)
