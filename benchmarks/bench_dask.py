"""What cached calls cost on a Dask cluster, against plain Dask in the same run.

Tasks of 1 ms of work on two one-thread workers, in turns A B C D A B C D, so that what else the
machine does falls on all alike:

    plain    the function itself
    miss     cached, with arguments that are new in each turn: runs, digests, writes an entry
    hit      cached, again with the arguments of the miss before
    carried  the same hits by `with_caller`

Processor time is that of all processes: client and scheduler, nannies, workers. Ratios are medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
TARGET = 1.25


def busy():
    end = time.thread_time() + 0.001
    while time.thread_time() < end:
        pass


def plain(i, salt):  # noqa: ARG001 - a new salt makes it a new call
    busy()
    return i


def cached(i, salt):  # noqa: ARG001
    busy()
    return i


class Meter:
    """Wall time and processor time of this process and all below it."""

    def __init__(self):
        import psutil

        me = psutil.Process()
        self.processes = [me, *me.children(recursive=True)]

    def parts(self):
        found = []
        for process in self.processes:
            times = process.cpu_times()
            found.append(times.user + times.system)
        return [found[0], sum(found[1:])]

    def __call__(self, action):
        before, began = self.parts(), time.perf_counter()
        action()
        wall, after = time.perf_counter() - began, self.parts()
        here, there = (b - a for a, b in zip(before, after, strict=True))
        return {"wall": wall, "cpu": here + there, "client and scheduler": here, "workers": there}


def turns(client, functions, tasks, salt):
    """The four things to measure, as (name, action)."""
    plain, cached, with_caller = functions

    def run(function, mark):
        futures = client.map(function, range(tasks), [mark] * tasks, pure=False)
        client.gather(futures)

    return [
        ("plain", lambda: run(plain, salt)),
        ("miss", lambda: run(cached, salt)),
        ("hit", lambda: run(cached, salt)),
        ("carried", lambda: run(with_caller(cached), salt)),
    ]


def measure(tasks, rounds):
    sys.path.insert(0, str(HERE))
    import bench_dask  # by its name, so that workers import it
    from distributed import Client, LocalCluster

    from cachepy import cache_tree_nodes, cache_tree_reset
    from dask_plugin import connect, with_caller

    found = []
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
        connect(client),
    ):
        meter = Meter()
        functions = bench_dask.plain, bench_dask.cached, with_caller
        for i in range(-1, rounds):
            row = {}
            for name, action in turns(client, functions, tasks if i >= 0 else 200, i):
                row[name] = meter(action)
                time.sleep(0.3)  # let releases settle
            if i >= 0:
                assert len(cache_tree_nodes()) == tasks
                found.append(row)
            cache_tree_reset()
    return found


def table(rows):
    """Medians and ratios: name -> measure -> value."""
    result = {}
    for name in rows[0]:
        values = {m: statistics.median(r[name][m] for r in rows) for m in rows[0][name]}
        for m in ("wall", "cpu"):
            values[f"{m} ratio"] = statistics.median(r[name][m] / r["plain"][m] for r in rows)
        result[name] = values
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rows = measure(options.tasks, options.rounds)
    result = table(rows)
    print(f"{options.tasks} tasks of 1 ms, 2 workers, medians of {options.rounds} rounds; target {TARGET} x plain")
    print("          wall s  ratio   cpu s  ratio  ms/task  client+sched.  workers")
    for name, v in result.items():
        extra = (v["cpu"] - result["plain"]["cpu"]) / options.tasks * 1000
        print(
            f"{name:8} {v['wall']:7.2f} {v['wall ratio']:6.2f} {v['cpu']:7.2f} {v['cpu ratio']:6.2f} {extra:+8.3f} "
            f"{v['client and scheduler']:14.2f} {v['workers']:8.2f}"
        )
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    report = {"tasks": options.tasks, "rounds": options.rounds, "target": TARGET, "medians": result, "rows": rows}
    (folder / "bench_dask.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="cachepy-bench-") as home:
        os.environ["BENCH_DASK"] = home
        main()
else:
    from cachepy import cache_file

    cached = cache_file(Path(os.environ["BENCH_DASK"], "cache"))(cached)
