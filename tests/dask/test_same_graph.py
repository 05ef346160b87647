"""One workload gives one graph, whichever way it runs on a cluster; with a cold and with a warm cache."""

from __future__ import annotations

import dask
import pytest
import ways
from ways import ByBag, ByDelayed, ByMap, BySubmit, assert_graph, bare

from cachepy import cache_tree_reset

pytestmark = pytest.mark.dask

WAYS = {
    "delayed": lambda client: ByDelayed(),
    "submit": BySubmit,
    "map": ByMap,
    "bag": lambda client: ByBag(),
    "plain delayed": lambda client: ByDelayed(dask.delayed),
    "plain submit": lambda client: BySubmit(client, bare),
    "plain map": lambda client: ByMap(client, bare),
    "plain bag": lambda client: ByBag(bare),
}


def check_cold_and_warm(work, way, data, serial, bodies):
    values, graph = serial(work)
    assert ways.WORK[work](way, data) == values
    assert_graph(graph)
    ran = bodies.ran()
    assert len(ran) == len(graph[0]), "each call ran once"
    cache_tree_reset()
    assert ways.WORK[work](way, data) == values
    assert_graph(graph)
    assert bodies.ran() == []


@pytest.mark.parametrize("work", ways.WORK)
@pytest.mark.parametrize("way", WAYS)
def test_cluster_of_processes(way, work, client, data, serial, bodies):
    check_cold_and_warm(work, WAYS[way](client), data, serial, bodies)
