"""Dask's local schedulers: threads, the calling thread, processes. No cluster, no `connect`."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import dask
import dask.bag as db
import pipeline_module as pm
import pytest
import ways
from ways import ByBag, ByDelayed, assert_graph, bare

from cachepy import cache_file, cache_tree_nodes, cache_tree_reset
from cachepy.graph.graph import Graph, read_events
from dask_plugin import delayed, with_caller

LOCAL = ("tutorial", "diamonds", "fan_out")
WAYS = {
    "delayed": ByDelayed,
    "plain delayed": lambda: ByDelayed(dask.delayed),
    "bag": ByBag,
    "plain bag": lambda: ByBag(bare),
}


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as made:
        yield made


@pytest.fixture(params=["sync", "threads", "processes"])
def scheduler(request, session):
    pool = request.getfixturevalue("processes") if request.param == "processes" else None
    with dask.config.set(scheduler=request.param, pool=pool):
        yield request.param


def check(run, expected, bodies):
    values, graph = expected
    assert run() == values
    assert ways.shape(cache_tree_nodes()) == graph[0]
    assert_graph(graph)
    assert len(bodies.ran()) == len(graph[0]), "not each call ran once"
    cache_tree_reset()
    assert cache_tree_nodes() == {}
    assert run() == values
    assert ways.shape(cache_tree_nodes()) == graph[0]
    assert_graph(graph)
    assert bodies.ran() == []


@pytest.mark.parametrize("work", LOCAL)
@pytest.mark.parametrize("way", WAYS)
def test_same_graph(way, work, scheduler, data, serial, bodies):
    if scheduler == "processes" and way.startswith("plain"):
        check_after_sync(lambda: ways.WORK[work](WAYS[way](), data), serial(work))
    else:
        check(lambda: ways.WORK[work](WAYS[way](), data), serial(work), bodies)


def check_after_sync(run, expected):
    """A plain task in a pool of processes has nobody to report to: the graph is on disk, complete."""
    values, graph = expected
    assert run() == values
    cache_tree_reset()
    events, damaged = read_events(os.path.join(os.environ["PIPE_CACHE"], "graph.pkl"))
    assert not damaged
    mine = Graph()
    for event in events:
        if event.id in graph[0]:  # other tests made calls of the same values in this directory
            mine.apply(event)
    ways.assert_same([ways.shape(mine.nodes()), {}], [graph[0], {}])


def test_a_cached_caller_that_computes(scheduler, data, serial, bodies):
    expected = serial([("orchestrate_locally", scheduler, data.paths)])
    check(lambda: [pm.orchestrate_locally(scheduler, data.paths)], expected, bodies)


def test_two_callers_of_one_call_each_have_an_edge(scheduler, data, serial, bodies):
    work = [("orchestrate_locally", name, data.paths) for name in ("sync", "threads")]
    check(lambda: [pm.orchestrate_locally(name, data.paths) for _, name, _ in work], serial(work), bodies)


def test_delayed_in_collections(scheduler, data, serial, bodies):
    def run():
        shares = {"a": [delayed(pm.normalize)(delayed(pm.load_counts)(p)) for p in data.paths]}
        found, pipes = dask.compute(*dask.optimize(shares, [delayed(pm.pipeline)(p) for p in data.paths]))
        return [found["a"], pipes]

    check(run, serial("tutorial"), bodies)


def test_bag_inside_a_pipeline_of_maps(scheduler, data, serial, bodies):
    def run():
        bag = db.from_sequence(data.paths, npartitions=2)
        shares = bag.map(with_caller(pm.load_counts)).map(with_caller(pm.normalize))
        return [list(each) for each in dask.compute(shares, bag.map(with_caller(pm.pipeline)))]

    check(run, serial("tutorial"), bodies)


def test_failing_task(scheduler, data, serial):
    _, graph = serial([("load_counts", data.paths[0])])
    with pytest.raises(ValueError, match="as it should"):
        delayed(pm.fails)(data.paths[0]).compute()
    assert ways.shape(cache_tree_nodes()) == graph[0]


@cache_file(os.environ["PIPE_CACHE"], warn_cheap=False)
def lone(x):
    return x + 1


@cache_file(os.environ["PIPE_CACHE"], warn_cheap=False)
def lingers(x):
    time.sleep(0.4)
    return lone(x)


@cache_file(os.environ["PIPE_CACHE"], warn_cheap=False)
def computes(x):
    return sum(dask.compute(*[dask.delayed(lone)(x + n) for n in range(3)], scheduler="threads", num_workers=2))


@pytest.mark.parametrize("wrap", [dask.delayed, delayed])
def test_a_body_is_not_told_of_tasks_beside_it(session, wrap):
    """Its thread and theirs are the scheduler's, and its code reaches the same function."""
    first = 100 if wrap is delayed else 200
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(time.sleep, [0.05, 0.05]))  # the threads are there before the body
        work = [wrap(lingers)(first), *[wrap(lone)(first + n) for n in range(1, 6)]]
        dask.compute(*work, scheduler="threads", pool=pool)
    (event,) = [event for event in session.graph.events() if event.fname == "lingers"]
    assert [(call.kind, call.name) for call in event.trace.calls] == [("call", f"lone:{lone.key(first)}")]


def test_what_a_body_computes_is_its_own_beside_other_tasks(session):
    with ThreadPoolExecutor(2) as pool:
        work = [dask.delayed(computes)(300), dask.delayed(lingers)(400)]
        dask.compute(*work, scheduler="threads", pool=pool)
    (event,) = [event for event in session.graph.events() if event.fname == "computes"]
    assert sorted((call.kind, call.name) for call in event.trace.calls) == sorted(
        ("call", f"lone:{lone.key(300 + n)}") for n in range(3)
    )
