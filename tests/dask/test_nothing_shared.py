"""A cluster whose workers share no disk: each has a cache directory of its own, and all have one remote."""

from __future__ import annotations

import json
import shutil

import pytest

PIPE = """
import os

from cachepy import cache_file
from dask_plugin import delayed
from log import log

cached = cache_file(remote=os.environ["FAR"], trust_remote=True, upload="background", warn_cheap=False)

@cached
def load(path):
    log("load", path)
    return [float(word) for word in open(path).read().split()]

@cached
def scale(values):
    log("scale", len(values))
    return [value / max(values) for value in values]

@cached
def both(path):
    log("both", path)
    return scale(load(path))

@cached
def count(number):
    log("count", number)
    return number + 1

@cached
def merge(parts, more):
    log("merge")
    return sum(map(sum, parts)) + sum(more)
"""
RUN = """
import json
import os
import sys

from distributed import Client, Nanny, Scheduler, SpecCluster

if __name__ == "__main__":
    import pipe
    from cachepy import cache_tree_nodes, cache_tree_stale
    from dask_plugin import connect, delayed

    disk = lambda name: {"CACHEPY_DIR": os.path.abspath(sys.argv[1] + name), "PYTHONPATH": os.environ["PYTHONPATH"]}
    workers = {n: {"cls": Nanny, "options": {"nthreads": 1, "env": disk(f"worker{n}")}} for n in range(2)}
    scheduler = {"cls": Scheduler, "options": {"port": 0, "dashboard_address": ":0"}}
    with SpecCluster(workers=workers, scheduler=scheduler, silence_logs=40) as cluster, Client(cluster) as client:
        connect(client)
        parts = [delayed(pipe.both)(f"{i}.txt") for i in range(3)]
        parts.append(delayed(pipe.scale)(delayed(pipe.load)("0.txt")))
        total = delayed(pipe.merge)(parts, [delayed(pipe.count)(i) for i in range(3)])
        value = total.compute(prune=len(sys.argv) > 2)
        graph = {
            i: [sorted(n["children"]), sorted(n["inputs"].items()), sorted(map(os.path.basename, map(str, n["files"])))]
            for i, n in cache_tree_nodes().items()
        }
        print(json.dumps([value, graph, {i: each["state"] for i, each in cache_tree_stale().items()}]))
"""
ALL = ["both 0.txt", "both 1.txt", "both 2.txt", "count 0", "count 1", "count 2", "load 0.txt", "load 1.txt", "load 2.txt"]


@pytest.fixture
def cluster(project):
    from tests.programs import LOG

    project.write("log.py", LOG)
    project.write("pipe.py", PIPE)
    project.write("run.py", RUN)
    project.env["CACHEPY_IGNORE_ENV"] = "FAR"
    project.env["DASK_LOGGING__DISTRIBUTED"] = "error"
    project.env["PYTHONPATH"] = f"{project.folder}:{project.environment()['PYTHONPATH']}"
    for i in range(3):
        project.write(f"{i}.txt", f"{i + 1} 2 3")

    def run(disks, *more, far="far"):
        """The value, the graph and what is stale; and what ran."""
        (project / "log").unlink(missing_ok=True)
        ran = project.run("run.py", disks, *more, FAR=str(project / far), CACHEPY_DIR=str(project / f"{disks}client"))
        lines = (project / "log").read_text().splitlines() if (project / "log").exists() else []
        return json.loads(ran.stdout.splitlines()[-1]), sorted(line for line in lines if "scale" not in line)

    run.project = project
    return run


def test_the_same_graph_and_each_call_once(cluster):
    (value, graph, stale), ran = cluster("a")
    assert ran == [*ALL, "merge"] and not stale and len(graph) == 13
    for name in ("aworker0", "aworker1", "aclient"):  # other machines, and all of this cluster is gone
        shutil.rmtree(cluster.project / name, ignore_errors=True)
    again, ran = cluster("b")
    assert ran == [] and again == [value, graph, {}]
    pruned, ran = cluster("c", "prune")
    assert ran == [] and pruned == [value, graph, {}]
    cluster.project.edit("1.txt", "2 2 3", "2 2 4")
    (changed, *_), ran = cluster("d")
    assert ran == ["both 1.txt", "load 1.txt", "merge"] and changed != value
