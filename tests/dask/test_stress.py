"""Complete on return: the graph is compared right after `gather`, without a sleep, without polling."""

from __future__ import annotations

import asyncio
import os

import faulty_module
import pytest
from distributed import Client
from faulty_module import cluster, difference, projection, serial, submit_round

from cachepy import cache_tree_nodes, cache_tree_reset
from cachepy.session import Session, current_session, use_session
from dask_plugin import connect

pytestmark = pytest.mark.dask

ROUNDS = 20
TASKS = 300


@pytest.fixture(scope="module")
def workers():
    with cluster() as found:
        yield found


def tags(rounds):
    run = os.urandom(4).hex()
    return [f"{run}.{i}" for i in range(rounds)]


def expected(names, tasks):
    return dict(zip(names, serial(*[("play_round", name, tasks) for name in names]), strict=True))


def in_memory():
    """The graph as it is, without the barrier that `cache_tree_nodes` calls."""
    return projection(current_session().graph.nodes())


def check_sync(workers, rounds, tasks):
    """Cold in each round, then once more warm; two of three rounds look past the barrier."""
    names = tags(rounds)
    want = expected(names, tasks)
    with use_session(Session()), Client(workers) as client, connect(client) as graph:
        for temperature in ("cold", "warm"):
            for i, name in enumerate(names if temperature == "cold" else names[: max(3, rounds // 4)]):
                cache_tree_reset()
                client.gather(submit_round(client, name, tasks, temperature))
                found = in_memory() if i % 3 else projection(cache_tree_nodes())
                assert not difference(found, want[name]), f"{temperature}, round {i}"
        assert graph.errors == 0


async def check_async(address, rounds, tasks):
    """No barrier at all: an asynchronous client cannot wait where the graph is read."""
    names = tags(rounds)
    want = expected(names, tasks)
    async with Client(address, asynchronous=True) as client, connect(client) as graph:
        for i, name in enumerate(names):
            cache_tree_reset()
            await client.gather(submit_round(client, name, tasks, "async"))
            found = projection(cache_tree_nodes())
            assert not difference(found, want[name]), f"round {i}"
        assert graph.errors == 0


def test_complete_on_return(workers):
    check_sync(workers, ROUNDS, TASKS)


def test_complete_on_return_async(workers):
    with use_session(Session()):
        asyncio.run(check_async(workers.scheduler_address, 4, TASKS))


def test_each_result_brings_its_own_nodes(workers):
    """Finer than gather: as soon as one of many futures is finished, all behind it is there."""
    name = tags(1)[0]
    want = expected([name], 150)[name]
    with use_session(Session()), Client(workers) as client, connect(client):
        for future in submit_round(client, name, 150, "each"):
            future.result()
            kind, _, _, i = future.key.split("-")
            calls = [faulty_module.call_of(kind, name, int(i))]
            graph = current_session().graph
            while calls:
                call = calls.pop()
                node = graph.node(call)
                assert node is not None, f"{call} behind {future.key}"
                assert node["children"] == want[call][2]
                calls += node["children"]


@pytest.mark.stress
@pytest.mark.timeout(1800)
def test_complete_on_return_for_long(workers):
    check_sync(workers, 60, TASKS)


@pytest.mark.stress
@pytest.mark.timeout(1800)
def test_complete_on_return_async_for_long(workers):
    with use_session(Session()):
        asyncio.run(check_async(workers.scheduler_address, 30, TASKS))
