"""Tasks that an executor of a worker runs in processes of its own: their calls are in the graph like all others."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import dask
import pipeline_module as pm
import pytest
from distributed import Client, LocalCluster
from ways import assert_graph

from cachepy import cache_tree_reset
from dask_plugin import connect, delayed

pytestmark = pytest.mark.dask


@pytest.mark.parametrize("how", ["spawn", "fork"])
def test_the_graph_is_the_serial_one(how, session, data, serial, bodies):
    pool = ProcessPoolExecutor(1, multiprocessing.get_context(how))
    pool.submit(abs, 1).result()  # a fork before there are threads of the cluster
    kind = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    with pool, LocalCluster(**kind) as cluster, Client(cluster) as client, connect(client):
        (worker,) = cluster.workers.values()
        worker.executors["processes"] = pool
        values, graph = serial([("pipeline", path) for path in data.paths])
        for ran in (["load_counts", "normalize", "pipeline"] * 3, []):
            cache_tree_reset()
            with dask.annotate(executor="processes"):
                lazy = [delayed(pm.pipeline)(path) for path in data.paths]
            futures = client.compute(lazy, optimize_graph=False)
            assert client.gather(futures) == values
            assert_graph(graph)
            assert bodies.ran() == sorted(ran)
