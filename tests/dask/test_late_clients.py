"""A client that comes later builds on results in the cluster's memory: its graph has the calls behind them."""

from __future__ import annotations

import pipeline_module as pm
import pytest
from distributed import Client, wait

from cachepy import cache_tree_nodes
from cachepy.session import Session, use_session
from dask_plugin import connect, disconnect, with_caller

pytestmark = pytest.mark.dask


def names():
    return sorted(node["fname"] for node in cache_tree_nodes().values())


def test_what_is_behind_a_published_result(cluster, client, data):
    counts = client.submit(with_caller(pm.load_counts), data.paths[0])
    shares = client.submit(with_caller(pm.normalize), counts)
    wait(shares)
    client.publish_dataset(shares, name=data.tag)
    del counts
    with use_session(Session()), Client(cluster) as late, connect(late):
        held = late.get_dataset(data.tag)
        part = cluster.scheduler.plugins["cachepy-scheduler"]
        late.submit(with_caller(pm.merge), [held, 1]).result()
        assert names() == ["load_counts", "merge", "normalize"]
        (normalize,) = (node for node in cache_tree_nodes().values() if node["fname"] == "normalize")
        assert normalize["inputs"], "the flow behind it, too"
        told = len(part.ledger._hits)
        late.submit(with_caller(pm.merge), [held, 2]).result()
        assert names() == ["load_counts", "merge", "merge", "normalize"]
        assert len(part.ledger._hits) == told, "once is enough"
        (told_to,) = (keys for name, keys in part._told.items() if name == late.id)
        assert held.key in told_to
    client.unpublish_dataset(data.tag)


def test_disconnected(client, data, session):
    """Nothing is left on the cluster, nothing breaks, and it can come back."""
    assert client.submit(with_caller(pm.leaf), data.tag, 1).result()
    disconnect(client)
    disconnect(client)
    scheduler = client.cluster.scheduler
    assert not [name for name in (*scheduler.plugins, *scheduler.worker_plugins, *scheduler.handlers) if "cachepy" in name]
    assert set(client.run(lambda dask_worker: "cachepy-worker" in dask_worker.plugins).values()) == {False}
    assert names() == ["leaf"]
    assert client.gather(client.map(pm.leaf, [data.tag] * 3, range(2, 5)))
    assert names() == ["leaf"], "workers keep to themselves"
    with connect(client):
        client.gather(client.map(pm.leaf, [data.tag] * 3, range(5, 8)))
        assert names() == ["leaf"] * 4


def test_what_plain_tasks_take(cluster, client, data):
    shares = client.submit(with_caller(pm.pipeline), data.paths[1])
    wait(shares)
    client.publish_dataset(shares, name=data.tag)
    with use_session(Session()), Client(cluster) as late, connect(late):
        assert late.submit(len, late.get_dataset(data.tag)).result() > 0
        assert names() == ["load_counts", "normalize", "pipeline"]
    client.unpublish_dataset(data.tag)
