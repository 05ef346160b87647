"""Row: what cached calls cost on a Dask cluster, against plain Dask in the same run.

Tasks of 1 ms of work on two one-thread workers, in turns, so that what else the machine does falls on all alike:

    floor    plain Dask: the function itself
    cachepy  cached, with arguments that are new in each turn: runs, digests, writes an entry
    hit      cached, again with the arguments of the miss before

And a tree of 10,004 tasks with trivial bodies (load, clean, merge four at a time), all of which are stored:

    floor    plain Dask computes it
    cachepy  `prune`: looks all of it up, and submits nothing
    changed  likewise, with one in a hundred leaves missing: these and what is above them run

Processor time is that of all processes: client and scheduler, nannies, workers.
"""

from __future__ import annotations

import os
import time

from rows import Contest, Line, Row
from timing import Reading

TASKS, WARM, ROUNDS, MOST = 2000, 200, 3, 1.25


class Meter:
    """Processor time of this process and of all below it."""

    def __init__(self):
        import psutil

        me = psutil.Process()
        self.processes = [me, *me.children(recursive=True)]

    def total(self):
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)


class Turns:
    """The three things to measure; a new salt with each turn makes all calls new."""

    def __init__(self, client, tasks):
        self.client, self.tasks, self.salt, self.meter = client, tasks, 0, Meter()

    def reading(self, function, *, begins=False):
        """A contestant: seconds per task, in all processes."""
        return Reading(lambda: self._read(function, begins) / self.tasks, warm=False)

    def _read(self, function, begins):
        from cachepy import cache_tree_reset

        if begins:
            cache_tree_reset()
            self.salt += 1
        before = self.meter.total()
        futures = self.client.map(function, range(self.tasks), [self.salt] * self.tasks, pure=False)
        assert self.client.gather(futures) == list(range(self.tasks))
        spent = self.meter.total() - before
        del futures
        time.sleep(0.3)  # let releases settle
        return spent


def dask(place):
    os.environ["CACHEPY_BENCH_DASK"] = str(place.root / "cache")
    from dask.distributed import Client, LocalCluster
    from tasks_dask import cached, plain

    from cachepy import cache_tree_nodes
    from dask_plugin import connect

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
        connect(client),
    ):
        functions = {"cachepy": cached, "hit": cached}
        for tasks in (WARM, 100 if place.is_quick else TASKS):
            turns = Turns(client, tasks)
            found = {"floor": turns.reading(plain, begins=True)}
            found |= {name: turns.reading(function) for name, function in functions.items()}
            if tasks == WARM:
                for each in found.values():
                    each()
        turns.salt = 1
        yield Contest(found, rounds=ROUNDS)
        assert len(cache_tree_nodes()) == tasks


LEAVES = 4286


def pruned(place):
    os.environ["CACHEPY_BENCH_DASK"] = str(place.root / "cache")
    import tasks_dask as tasks
    from dask import delayed as plain_delayed
    from dask.distributed import Client, LocalCluster

    from dask_plugin import connect, delayed

    leaves = 64 if place.is_quick else LEAVES
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
        connect(client),
    ):
        functions = tasks.load, tasks.clean, tasks.merge
        expected = tasks.tree(leaves, lambda fn: fn, functions)  # stores it
        meter = Meter()

        def read(lazy, functions, **options):
            made = tasks.tree(leaves, lazy, functions)
            before = meter.total()
            assert made.compute(**options) == expected
            spent = meter.total() - before
            time.sleep(0.3)
            return spent / leaves

        def changed():
            for i in range(0, leaves, 100):
                tasks.load.clear(i)
                tasks.clean.clear([i] * 3)
            return read(delayed, functions, prune=True)

        floor = tasks.plain_load, tasks.plain_clean, tasks.plain_merge
        found = {
            "floor": Reading(lambda: read(plain_delayed, floor), warm=False),
            "cachepy": Reading(lambda: read(delayed, functions, prune=True), warm=False),
            "changed": Reading(changed, warm=False),
        }
        yield Contest(found, rounds=ROUNDS)


LINES = (
    Line("Dask, 2,000 tasks of 1 ms, against plain Dask", MOST),
    Line("Dask, the same tasks again: hits", MOST, ours="hit"),
)
PRUNED = (
    Line("Dask, a tree of 10,004 unchanged tasks, pruned", 0.02),
    Line("the same, with 1 % of its leaves missing", 0.05, ours="changed"),
)
ROWS = (
    Row("dask", dask, LINES, stat="median", seconds=1),
    Row("prune", pruned, PRUNED, stat="median", seconds=1),
)
