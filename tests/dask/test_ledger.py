"""A ledger with a bound: what it let go is found in the cache directories."""

from __future__ import annotations

import dask
import pipeline_module as pm
import pytest
from distributed import Client, LocalCluster
from ways import shape

from cachepy import cache_tree_nodes, cache_tree_reset
from cachepy.session import Session, use_session
from dask_plugin import connect, with_caller

pytestmark = pytest.mark.dask


@pytest.fixture
def small(session):
    """A client of a cluster whose ledger holds three events."""
    kind = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    with dask.config.set({"cachepy.ledger": 3}), LocalCluster(**kind) as cluster, Client(cluster) as client:
        yield client


def ledger_of(client):
    return client.cluster.scheduler.plugins["cachepy-scheduler"].ledger


def test_it_is_bounded_and_nothing_is_lost(small, data):
    with connect(small) as graph:
        small.gather(small.map(with_caller(pm.leaf), [data.tag] * 20, range(20)))
        small.submit(with_caller(pm.pipeline), data.paths[0]).result()
        assert len(ledger_of(small)) == 3
        mine = shape(cache_tree_nodes())
        assert len(mine) == 23
        assert mine.items() <= shape(graph.nodes()).items(), "all that the cache directory has"
        cache_tree_reset()
        graph.sync()
        assert mine.items() <= shape(cache_tree_nodes()).items()


def test_a_late_client_gets_what_is_below_a_hit(small, data):
    with connect(small):
        held = small.submit(with_caller(pm.diamond), data.paths[0])
        held.result()
        expected = shape(cache_tree_nodes())
        assert len(expected) > 3 == len(ledger_of(small))
    with use_session(Session()), Client(small.cluster) as late, connect(late):
        late.submit(with_caller(pm.diamond), data.paths[0], key=held.key).result()
        assert shape(cache_tree_nodes()) == expected
