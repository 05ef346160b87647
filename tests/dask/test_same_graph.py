"""One workload gives one graph, whichever way it runs on a cluster; with a cold and with a warm cache."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import dask
import dask.bag as db
import pipeline_module as pm
import pytest
import ways
from distributed import Client, LocalCluster, wait
from ways import ByBag, ByDelayed, ByMap, ByPruned, BySubmit, assert_graph, bare

from cachepy import cache_tree_nodes, cache_tree_reset
from cachepy.session import Session, use_session
from dask_plugin import connect, delayed, with_caller

pytestmark = pytest.mark.dask
QUIET = {"dashboard_address": ":0"}  # None would still ask for port 8787 if there is bokeh

WAYS = {
    "delayed": lambda client: ByDelayed(),
    "submit": BySubmit,
    "map": ByMap,
    "bag": lambda client: ByBag(),
    "plain delayed": lambda client: ByDelayed(dask.delayed),
    "plain submit": lambda client: BySubmit(client, bare),
    "plain map": lambda client: ByMap(client, bare),
    "plain bag": lambda client: ByBag(bare),
    "pruned": lambda client: ByPruned(),
    "pruned plain delayed": lambda client: ByPruned(dask.delayed),
}


def check(run, expected, bodies):
    """Cold, then warm in an empty graph: the serial values, the serial graph at once, each body once."""
    values, graph = expected
    assert run() == values
    assert_graph(graph)
    assert len(bodies.ran()) == len(graph[0]), "not each call ran once"
    cache_tree_reset()
    assert cache_tree_nodes() == {}
    assert run() == values
    assert_graph(graph)
    assert bodies.ran() == []


async def check_async(client, run, expected, bodies):
    values, graph = expected
    assert await run() == values
    assert_graph(graph)
    assert len(bodies.ran()) == len(graph[0]), "not each call ran once"
    cache_tree_reset()
    await forgotten(client)
    assert await run() == values
    assert_graph(graph)
    assert bodies.ran() == []


async def forgotten(client):
    """The futures of the first run are dropped when the loop turns: a client that holds one does not ask again."""
    while client.futures:  # noqa: ASYNC110
        await asyncio.sleep(0)


@pytest.mark.parametrize("work", ways.WORK)
@pytest.mark.parametrize("way", WAYS)
def test_processes(way, work, client, data, serial, bodies):
    way = WAYS[way](client)
    check(lambda: ways.WORK[work](way, data), serial(work), bodies)


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("work", ways.WORK)
def test_workers_in_this_process(work, threads, session, data, serial, bodies):
    with (
        LocalCluster(n_workers=2, threads_per_worker=threads, processes=False, **QUIET) as cluster,
        Client(cluster) as client,
        connect(client),
    ):
        check(lambda: ways.WORK[work](ByMap(client), data), serial(work), bodies)


@pytest.mark.parametrize("work", ways.WORK)
@pytest.mark.parametrize("way", [BySubmit, ByMap])
def test_async_client(way, work, cluster, session, data, serial, bodies):
    async def main():
        async with Client(cluster.scheduler_address, asynchronous=True) as client, connect(client):
            await check_async(client, lambda: ways.WORK[work](way(client), data), serial(work), bodies)

    asyncio.run(main())


@pytest.mark.parametrize("work", ways.WORK)
def test_all_on_one_event_loop(work, session, data, serial, bodies):
    """Scheduler, workers and client."""

    async def main():
        async with (
            LocalCluster(n_workers=2, threads_per_worker=1, processes=False, asynchronous=True, **QUIET) as cluster,
            Client(cluster, asynchronous=True) as client,
            connect(client),
        ):
            await check_async(client, lambda: ways.WORK[work](ByMap(client), data), serial(work), bodies)

    asyncio.run(main())


# -- what cannot be compared


@pytest.mark.parametrize("processes", [True, False])
def test_hosts_and_the_clock_are_recorded_as_in_a_serial_run(processes, session, bodies):
    server = ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    try:
        pm.asked(port, 0)
        with LocalCluster(n_workers=2, threads_per_worker=2, processes=processes, **QUIET) as cluster:
            with Client(cluster) as client, connect(client):
                asked = client.map(with_caller(pm.asked), [port] * 4, range(1, 5))
                client.gather([*asked, *client.map(with_caller(pm.measured), range(20, 40))])
    finally:
        server.shutdown()
        server.server_close()
    found = {(each["fname"], tuple(each["unseen"])) for each in cache_tree_nodes().values()}
    marks = "network localhost", "random numbers (random.random)", "the clock (time.time)"
    assert found == {("asked", marks), ("measured", ())}


# -- coroutines


@pytest.mark.parametrize("wrap", [with_caller, bare])
def test_coroutines(wrap, client, data, serial, bodies):
    expected = serial([("pipeline_async", path) for path in data.paths])
    check(lambda: client.gather(client.map(wrap(pm.pipeline_async), data.paths)), expected, bodies)


def test_coroutine_that_submits(client, data, serial, bodies):
    expected = serial([("orchestrate_async", data.paths)])
    check(lambda: [client.submit(with_caller(pm.orchestrate_async), data.paths).result()], expected, bodies)


# -- collections


@pytest.mark.parametrize("wrap", [with_caller, bare])
def test_bag_map_partitions(wrap, client, data, serial, bodies):
    numbers = [int(data.tag.encode().hex()[-6:], 16) + n for n in range(8)]
    expected = serial([("part", numbers[:4]), ("part", numbers[4:])])
    bag = db.from_sequence(numbers, npartitions=2)
    partition = wrap(partial(_part, pm.part))
    check(lambda: [[each] for each in bag.map_partitions(partition).compute()], expected, bodies)


def _part(fn, items):
    return fn(list(items))


@pytest.mark.parametrize("wrap", [with_caller, bare])
def test_dataframe_map_partitions(wrap, client, data, serial, bodies):
    dd = pytest.importorskip("dask.dataframe")
    import pandas as pd

    frame = pd.DataFrame({"x": range(10), "y": float(hash(data.tag))})
    expected = serial([("frame_sum", frame.iloc[:5]), ("frame_sum", frame.iloc[5:])])
    parts = dd.from_pandas(frame, npartitions=2).map_partitions(wrap(pm.frame_sum), meta=("sum", "int64"))
    check(lambda: [int(each) for each in parts.compute()], expected, bodies)


def test_delayed_inside_collections_and_optimised(client, data, serial, bodies):
    expected = serial("tutorial")

    def run():
        counts = [delayed(pm.load_counts)(path) for path in data.paths]
        found = {"shares": [delayed(pm.normalize)(c) for c in counts], "more": ([delayed(pm.pipeline)(p) for p in data.paths],)}
        (found,) = dask.compute(*dask.optimize(found))
        return [found["shares"], *found["more"]]

    check(run, expected, bodies)


def test_fused_tasks_keep_their_caller(client, data, serial, bodies):
    """A bag fuses its maps into one task for each partition."""
    expected = serial("tutorial")

    def run():
        bag = db.from_sequence(data.paths, npartitions=2)
        shares = bag.map(with_caller(pm.load_counts)).map(with_caller(pm.normalize))
        return [list(each) for each in dask.compute(shares, bag.map(with_caller(pm.pipeline)))]

    check(run, expected, bodies)


# -- a caller on the client


def test_caller_on_the_client(client, data, serial, bodies, monkeypatch):
    """A cached call that runs in this process sends its children to the cluster."""
    expected = serial([("orchestrate_here", ["submit", "map", "delayed"], data.paths)])
    pm.CLIENT = client
    check(lambda: [pm.orchestrate_here(["submit", "map", "delayed"], data.paths)], expected, bodies)


# -- what was in the cluster's memory before


@pytest.fixture
def held(client, data, serial):
    """What one client has asked for and still holds: the futures, and the serial values and graph."""
    values, graph = serial([("pipeline", path) for path in data.paths])
    futures = client.map(with_caller(pm.pipeline), data.paths)
    assert client.gather(futures) == values
    return futures, values, graph


def test_results_already_in_memory(held, cluster, data, bodies):
    """No task ends for another client that asks: the graph is there when the futures are done."""
    futures, values, graph = held
    bodies.ran()
    with use_session(Session()):
        for _ in range(3):
            with Client(cluster, set_as_default=False) as late, connect(late):
                cache_tree_reset()
                again = late.map(with_caller(pm.pipeline), data.paths)
                assert [f.key for f in again] == [f.key for f in futures]
                wait(again)
                assert_graph(graph)
                assert late.gather(again) == values
    assert bodies.ran() == []


def test_results_already_in_memory_async(held, cluster, data, bodies):
    """This client cannot wait when the graph is read."""
    _, values, graph = held
    bodies.ran()

    async def main():
        async with Client(cluster.scheduler_address, asynchronous=True) as late, connect(late):
            for _ in range(3):
                cache_tree_reset()
                again = late.map(with_caller(pm.pipeline), data.paths)
                await wait(again)
                assert_graph(graph)
                assert await late.gather(again) == values
                again.clear()
                await forgotten(late)

    with use_session(Session()):
        asyncio.run(main())
    assert bodies.ran() == []


@pytest.mark.parametrize("how", ["map", "get_client"])
def test_a_task_does_not_inherit_the_caller_that_made_room_for_it(how, client, data, serial, bodies):
    """A worker starts the next task from the thread, and so in the context, of the one that secedes."""
    tags = [f"{data.tag}-{n}" for n in range(20)]
    expected = serial([("orchestrate", how, data.paths), *(("leaf", tag, 1) for tag in tags)])
    submit = client.submit
    check(lambda: client.gather([submit(pm.orchestrate, how, data.paths), *(submit(pm.leaf, t, 1) for t in tags)]), expected, bodies)


# -- faults of the tasks themselves


def test_failing_task_leaves_no_node(client, data, serial, bodies):
    _, graph = serial([("load_counts", data.paths[0])])
    future = client.submit(with_caller(pm.fails), data.paths[0])
    with pytest.raises(ValueError, match="as it should"):
        future.result()
    assert_graph(graph)
    assert bodies.ran() == ["fails", "load_counts"]


def test_retried_task_is_counted_once(client, data, serial, bodies, tmp_path):
    marker = tmp_path / "marker"
    future = client.submit(with_caller(pm.fails_once), data.paths[0], str(marker), retries=2)
    value = future.result()
    nodes = cache_tree_nodes()
    assert bodies.ran() == ["fails_once", "fails_once", "load_counts"]
    values, graph = serial([("fails_once", data.paths[0], str(marker))])
    assert [value] == values
    assert_same_ids_and_edges(nodes, graph[0])


def assert_same_ids_and_edges(nodes, expected):
    parts = ("parents", "children", "inputs", "label")
    assert {c: [n[p] for p in parts] for c, n in nodes.items()} == {c: [n[p] for p in parts] for c, n in expected.items()}


# -- one run a call


@pytest.mark.timeout(30)
def test_one_key_on_both_workers_runs_once(client, data, serial, bodies):
    _, graph = serial([("slow", data.tag)])
    workers = list(client.scheduler_info()["workers"])
    futures = [client.submit(pm.slow, data.tag, pure=False, workers=[worker]) for worker in workers for _ in range(2)]
    assert client.gather(futures) == [f"slow {data.tag}"] * 4
    assert_graph(graph)
    assert bodies.ran() == ["slow"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("how", ["impure", "submit", "get_client"])
def test_one_caller_submitted_often_does_not_deadlock(how, client, data, serial, bodies):
    """Each worker has one slot: a copy that waits for the claim must not keep the children out."""
    _, graph = serial([("orchestrate", how, data.paths)])
    futures = [client.submit(with_caller(pm.orchestrate), how, data.paths, pure=False) for _ in range(6)]
    first, *others = client.gather(futures)
    assert all(other == first for other in others)
    assert_graph(graph)
    assert len(bodies.ran()) == len(graph[0])
