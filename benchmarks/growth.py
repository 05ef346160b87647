"""How the cost of one call grows with what is there already: entries, nodes of the graph, files.

`make bench` measures the short form; `python benchmarks/growth.py --full` the long one, of 100,000 entries for every
tool and a graph of 1,000,000 nodes. Each curve is measured in a process of its own.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import click
import floors
import floors_disk
import floors_graph
import graph_data
import modules
from rows import SETTLED, Place

BATCH = 300  # calls that are timed at each point
STARTS = {1: 20, 10: 10, 100: 3}  # new caches per point, where one cache has too few calls to time
SIZES = {
    "quick": (1, 10),
    "short": (1, 10, 100, 1_000, 10_000, 30_000),
    "full": (1, 10, 100, 1_000, 10_000, 100_000),
}
NODES = {"quick": (100,), "short": (1_000, 10_000, 100_000), "full": (1_000, 10_000, 100_000, 1_000_000)}
TASKS = {"quick": (100,), "short": (100, 1_000, 10_000), "full": (100, 1_000, 10_000, 100_000)}
TOOLS = ("cachepy", "floor", "joblib", "diskcache")


class Entries:
    """One cache that grows: the time of a miss, of a hit and of asking whether a call is stale."""

    def __init__(self, place, tool):
        number = len(list(place.root.iterdir()))
        if tool == "floor":
            plain = place.program("plain", modules.TRIVIAL, f"grow{number}").f
            folder = place.folder(f"floor{number}")
            self.miss, self.hit = floors_disk.miss(plain, folder), floors.small(plain, folder)
        else:
            self.miss = self.hit = place.program(tool, modules.TRIVIAL, f"grow{number}").f
        self.tool, self.size = tool, 0
        self.miss(-1)  # loads what the first call of all needs

    def _grow(self, size):
        """Processor seconds of each of the last misses on the way to a size."""
        times = []
        while self.size < size:
            began = time.process_time()
            self.miss(self.size)
            if size - self.size <= BATCH:
                times.append(time.process_time() - began)
            self.size += 1
        return times

    def at(self, size):
        """Series -> samples of seconds per call at this size."""
        found = {"miss": self._grow(size)}
        numbers = [i * 7919 % size for i in range(BATCH)]
        self._all(self.hit, numbers)
        found["hit"] = [self._all(self.hit, numbers) for _ in range(5)]
        if self.tool == "cachepy":
            found["explain"] = [self._all(self.hit.explain, numbers[:30]) for _ in range(3)]
            found["stale"] = [self._stale() for _ in range(3)]
        return found

    def _stale(self):
        """Asking for all that is stale, per entry."""
        from cachepy import cache_tree_stale

        began = time.process_time()
        assert not cache_tree_stale()
        return (time.process_time() - began) / (self.size + 1)

    def _all(self, work, numbers):
        began = time.process_time()
        for number in numbers:
            work(number)
        return (time.process_time() - began) / len(numbers)


def entries(place, tool, sizes):
    """Series -> [[entries, seconds per call], ...]; small sizes in several new caches, the others in one that grows."""
    found = {}
    for size in sizes:
        for _ in range(STARTS.get(size, 0)):
            with _session(tool):
                _collect(found, size, Entries(place, tool).at(size))
    with _session(tool):
        grown = Entries(place, tool)
        for size in sizes:
            if size not in STARTS:
                _collect(found, size, grown.at(size))
    return {name: [[size, statistics.median(times)] for size, times in each.items()] for name, each in found.items()}


def _collect(found, size, samples):
    for name, times in samples.items():
        found.setdefault(name, {}).setdefault(size, []).extend(times)


def _session(tool):
    if tool != "cachepy":
        return nullcontext()
    from cachepy import Session, use_session

    return use_session(Session())


def nodes(place, tool, sizes):
    """The same per node of a graph, over a tenth as many files."""
    found = {}
    for size in sizes:
        graph_data.write_files(place.root / f"files{size}", max(1, size // 10))
    time.sleep(SETTLED)
    for size in sizes:
        folder = place.root / f"files{size}"
        calls, path = graph_data.Calls(str(folder), max(1, size // 10), size), place.folder(f"graph{size}").rstrip("/")
        with _session(tool):
            work = _ours(calls, path) if tool == "cachepy" else _floor(calls, path)
            for name, step in work:
                at = len(calls.paths) if name == "changed files" else size
                _collect(found, at, {name: [step() for _ in range(3 if size < 100_000 else 2)]})
    return {name: [[size, min(times)] for size, times in each.items()] for name, each in found.items()}


def _ours(calls, path):
    """(series, seconds per node or per file), in the order in which they can be measured."""
    import cachepy

    def record():
        Path(path, "graph.pkl").unlink(missing_ok=True)
        cachepy.cache_tree_reset()
        events = list(graph_data.events(calls, path))
        return _timed(lambda: graph_data.record(events), calls.nodes)

    yield "record", record
    cachepy.cache_tree_reset()
    yield "read", lambda: _timed(lambda: cachepy.cache_tree_sync(path), calls.nodes, cachepy.cache_tree_reset)
    cachepy.cache_tree_changed_files()
    yield "changed files", lambda: _timed(cachepy.cache_tree_changed_files, len(calls.paths))


def _floor(calls, path):
    rows = list(graph_data.rows(calls))
    journal = f"{path}/journal"
    yield "record", lambda: _timed(lambda: floors_graph.record(rows, journal), calls.nodes)
    yield "read", lambda: _timed(lambda: floors_graph.sync(journal, ({}, {})), calls.nodes)
    known = floors_graph.states(calls.paths)
    yield "changed files", lambda: _timed(lambda: floors_graph.changed(known), len(calls.paths))


def tasks(place, tool, sizes):
    """The time to look up all of a tree of Dask's tasks that are stored, per task; the floor is that of making them."""
    os.environ["CACHEPY_BENCH_DASK"] = str(place.root / "tasks")
    from dask import delayed as plain

    measure = _looked_up if tool == "cachepy" else partial(_trees, plain)
    return {"prune": [[size, measure(size * 3 // 7)] for size in sizes]}


def _trees(lazy, leaves):
    """Seconds to make a tree of tasks, for each of them."""
    from tasks_dask import clean, load, merge, tree

    functions = load, clean, merge
    count = len(tree(leaves, lazy, functions).__dask_graph__())
    return min(_timed(lambda: tree(leaves, lazy, functions), count) for _ in range(3))


def _looked_up(leaves):
    """Likewise to prune it, in a session that knows nothing yet."""
    from tasks_dask import clean, load, merge, tree

    from dask_plugin import delayed
    from dask_plugin.pruning import pruning_of

    functions = load, clean, merge
    tree(leaves, lambda fn: fn, functions)  # stores it
    lazy, times = tree(leaves, delayed, functions), []
    for _ in range(3):
        with _session("cachepy"):
            times.append(_timed(lambda: pruning_of(lazy), len(lazy.__dask_graph__())))
    return min(times)


def _timed(work, per, prepare=None):
    if prepare is not None:
        prepare()
    gc.collect()
    began = time.process_time()
    work()
    return (time.process_time() - began) / per


def curves(place, *, is_full=False, is_quick=False, environment=None):
    """All curves: panel -> tool -> series -> points."""
    found = {}
    for panel, tools in (("entries", TOOLS), ("nodes", TOOLS[:2]), ("tasks", TOOLS[:2])):
        for tool in tools:
            folder = tempfile.mkdtemp(dir=place)
            size = "full" if is_full else "quick" if is_quick else "short"
            ran = subprocess.run(
                [sys.executable, __file__, "--here", f"{panel}:{tool}:{size}", "--dir", folder],
                capture_output=True, check=False, text=True, env=environment,
            )  # fmt: skip
            if ran.returncode:
                sys.exit(ran.stderr)
            shutil.rmtree(folder)
            found.setdefault(panel, {})[tool] = json.loads(ran.stdout.splitlines()[-1])
    return found


def _here(what, folder):
    panel, tool, size = what.split(":")
    measure, every = {"entries": (entries, SIZES), "nodes": (nodes, NODES), "tasks": (tasks, TASKS)}[panel]
    sizes = every[size]
    if panel == "entries" and size == "short" and tool not in ("cachepy", "floor"):
        sizes = sizes[:-1]
    print(json.dumps(measure(Place(folder), tool, sizes)))


@click.command()
@click.option("--full", is_flag=True, help="To 100,000 entries and 1,000,000 nodes; takes some minutes.")
@click.option("--dir", "folder", type=click.Path(exists=True), help="Where caches and data go.")
@click.option("--here", hidden=True)
def main(full, folder, here):
    """Measure and draw how costs grow."""
    if here:
        _here(here, folder)
        return
    import plots
    from run import RESULTS, environment, place_for_data

    with tempfile.TemporaryDirectory(prefix="cachepy-bench-", dir=place_for_data(folder)) as place:
        found = curves(place, is_full=full, environment=environment())
    (RESULTS / "growth.json").write_text(json.dumps(found, indent=1))
    plots.growth(found, RESULTS / "growth.png")


if __name__ == "__main__":
    main()
