"""`cache_tree_refresh(client)`: the stale calls run on the workers, side by side, and the graph knows."""

from __future__ import annotations

import asyncio
import os

import pytest
from distributed import Client

from cachepy import UsageError, cache_tree_refresh, current_session
from cachepy.core.hooks import chain
from dask_plugin import connect
from tests.programs import ROOT, Project

PROGRAM = """
import os, sys, time
from pathlib import Path
from cachepy import *
from dask_plugin import connect, delayed

CACHE = os.environ["REFRESH_CACHE"]
cf = cache_file(CACHE, ignore_globals=["log"])

def log(text):
    with open(os.environ["REFRESH_LOG"], "a") as file:
        file.write(f"{os.getpid()} {text}\\n")

@cf
def load(path: Path):
    log(f"load {path.name}")
    time.sleep(0.3)
    return [float(x) for x in path.read_text().split()] * 10_000   # too large to be kept

@cf
def clean(values):
    log("clean")
    return [v for v in values if v < 100]

@cf
def report(parts):
    log("report")
    return [sum(p) for p in parts]

@cf
def fragile(path: Path):
    log("fragile")
    return 1 / int(path.read_text())

def main():
    return report([clean(load(Path(n))) for n in "abcd"])

if __name__ == "__main__":
    from distributed import Client, LocalCluster
    for n, text in zip("abcde", ("1 1", "1 2 300", "3 4 300", "7 8 300", "1")):
        Path(n).write_text(text)
    first = main()
    fragile(Path("e"))
    log("--")
    Path("b").write_text("5 5")
    Path("c").write_text("6 6")
    Path("d").write_text("7 8 777")
    Path("e").write_text("0")
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        connect(client)
        plan = cache_tree_plan()
        done = cache_tree_refresh(client)
        print(done)
        print(sorted(i.partition(":")[0] for i in done.ran))
        print([repr(e) for e in done.failed.values()])
        print(sorted(v["node"]["fname"] for v in cache_tree_stale().values()))
    log("--")
    print([round(x) for x in main()])
    print("pid", os.getpid())
"""


def test_on_the_workers_side_by_side(tmp_path):
    """Functions of ``__main__``, inputs too large to be kept, a result that is equal, a call that raises."""
    log = tmp_path / "log"
    paths = os.pathsep.join([str(ROOT), str(tmp_path)])
    project = Project(tmp_path, REFRESH_CACHE=str(tmp_path / "cache"), REFRESH_LOG=str(log), PYTHONPATH=paths)
    project.write("program.py", PROGRAM)
    with project:
        process = project.start("program.py", "x")
        out, err = process.communicate(timeout=100)  # a worker logs the traceback of the call that raises
    assert process.returncode == 0, out + err
    _, names, failed, stale, values, pid = out.splitlines()[-6:]
    assert names == str(sorted(["load"] * 3 + ["clean"] * 3 + ["report"]))
    assert failed == str([repr(ZeroDivisionError("division by zero"))])
    assert stale == "['fragile']", "all the rest is fresh"
    assert values == "[20000, 100000, 120000, 150000]"
    lines = [line.split(maxsplit=1) for line in log.read_text().splitlines()]
    marks = [i for i, (_, text) in enumerate(lines) if text == "--"]
    refreshed = lines[marks[0] + 1 : marks[1]]
    assert {p for p, _ in refreshed}.isdisjoint({pid.split()[1]}), "on workers only"
    assert len({p for p, text in refreshed if text.startswith("load")}) == 2, "on both"
    assert lines[marks[1] + 1 :] == [], "the program itself finds everything done"


def test_an_asynchronous_client_is_refused(cluster, session):
    async def refresh():
        async with Client(cluster.scheduler_address, asynchronous=True) as client:
            async with connect(client):
                cache_tree_refresh(client)

    with pytest.raises(UsageError, match="synchronous client"):
        asyncio.run(refresh())


def test_the_hook_is_filled_in_once(cluster, session):
    with Client(cluster) as client:
        with connect(client), connect(client):
            plugged = [type(each).__name__ for each in chain(current_session().hooks)]
            assert plugged.count("ClientHooks") == 1
        with pytest.raises(UsageError, match="connect it first"):
            cache_tree_refresh("tcp://not-a-client")
