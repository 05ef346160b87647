"""`prune`: what is stored is not submitted, and what is long is loaded where it is needed, and nowhere else."""

from __future__ import annotations

import asyncio
from functools import partial

import dask
import dask.array as da
import dask.bag as db
import numpy as np
import pipeline_module as pm
import pytest
from distributed import Client, LocalCluster, SchedulerPlugin

from cachepy import cache_tree_nodes
from cachepy.session import Session, use_session
from cachepy.store.entries import Store
from dask_plugin import connect, delayed, map, prune, pruning, submit  # noqa: A004 - as users have it

pytestmark = pytest.mark.dask


def means(data, by=2.0):
    """Short results of long ones: files -> arrays -> arrays -> one of them all -> a number."""
    grids = [delayed(pm.grid)(path) for path in data.paths]
    arrays = {path.name: delayed(pm.scaled)(grid, by) for path, grid in zip(data.paths, grids, strict=True)}
    return delayed(pm.mean)(delayed(pm.stacked)(arrays))


def expected(data, by=2.0):
    return sum(len(path.read_text()) for path in data.paths) / 3 * by


@pytest.fixture
def loads(monkeypatch):
    """The calls whose stored values were loaded by this process."""
    loaded = []
    value = Store.value

    def noted(self, call, stored, index):
        loaded.append(call.partition(":")[0])
        return value(self, call, stored, index)

    monkeypatch.setattr(Store, "value", noted)
    return loaded


class Submitted(SchedulerPlugin):
    """Counts the graphs that reach the scheduler."""

    name = "submitted"
    count = 0

    def update_graph(self, scheduler, **_):
        self.count += 1


@pytest.fixture
def submitted(cluster):
    plugin = Submitted()
    cluster.scheduler.add_plugin(plugin)
    yield lambda: plugin.count
    cluster.scheduler.remove_plugin(plugin.name)


def test_an_unchanged_graph_is_not_submitted(submitted, client, data, bodies, loads):
    assert means(data).compute(prune=True) == expected(data)
    assert bodies.ran() == ["grid"] * 3 + ["mean"] + ["scaled"] * 3 + ["stacked"]
    with use_session(Session()):
        before = submitted()
        assert means(data).compute(prune=True) == expected(data)
        assert submitted() == before
        assert loads == ["mean"], "the chain is verified by digests"
        assert len(cache_tree_nodes()) == 8
        (lazy,) = prune(means(data))
        assert lazy.compute(prune=True) == expected(data)
        assert submitted() == before
    assert bodies.ran() == []


def test_what_is_left_loads_what_it_needs(client, data, bodies, loads):
    assert means(data).compute() == expected(data)
    bodies.ran()
    data.paths[0].write_text("longer than it was before")
    (lazy,) = prune(means(data))
    tasks = sorted(key.partition("-")[0] for key in lazy.__dask_graph__())
    assert tasks == ["grid", "mean", *["scaled"] * 3, "stacked"], "two grids are needed by nothing that is left"
    assert lazy.compute() == expected(data)
    assert bodies.ran() == ["grid", "mean", "scaled", "stacked"]
    assert loads == []


def test_a_long_result_that_is_wanted(client, data, bodies, loads):
    lazy = delayed(pm.scaled)(delayed(pm.grid)(data.paths[0]), 3.0)
    value = lazy.compute()
    bodies.ran()
    assert (lazy.compute(prune=True) == value).all()
    assert loads == ["scaled"]
    (again,) = dask.compute(*prune(lazy))
    assert (again == value).all()
    assert loads == ["scaled"], "a worker loads it"
    assert bodies.ran() == []


def test_what_is_not_stored_where_it_is_needed_is_made_there(client, data, bodies):
    """As on workers with a cache of their own: what was a hit here is none there."""
    assert means(data).compute() == expected(data)
    (lazy,) = prune(delayed(pm.scaled)(delayed(pm.scaled)(delayed(pm.grid)(data.paths[0]), 2.0), 3.0))
    assert [key.partition("-")[0] for key in lazy.__dask_graph__()] == ["scaled", "scaled"]
    (left,) = prune(delayed(pm.scaled)(delayed(pm.grid)(data.paths[0]), 2.0))
    assert len(left.__dask_graph__()) == 1, "what it takes is known by its digest"
    bodies.ran()
    for function in (pm.scaled, pm.grid):
        function.clear()
    assert (lazy.compute() == np.full((200, 200), len(data.paths[0].read_text()) * 6.0)).all()
    assert bodies.ran() == ["grid", "scaled", "scaled"]


def test_plain_tasks_between(client, data, bodies):
    """Only cached calls are taken out: what lies behind a plain task has to wait for it."""

    def plain(numbers):
        return len(numbers)

    def build():
        leaves = [delayed(pm.leaf)(data.tag, n) for n in range(3)]
        return delayed(pm.add)([dask.delayed(plain)(leaves)], data.tag)

    value = build().compute()
    bodies.ran()
    (lazy,) = prune(build())
    assert sorted(key.partition("-")[0] for key in lazy.__dask_graph__()) == ["add", "leaf", "leaf", "leaf", "plain"]
    assert lazy.compute() == value
    assert bodies.ran() == []


def test_annotations_stay(client, data):
    with dask.annotate(retries=7):
        lazy = delayed(pm.merge)([delayed(pm.leaf)(data.tag, n) for n in range(2)])
    delayed(pm.leaf)(data.tag, 0).compute()
    (less,) = prune(lazy)
    kept = {key: layer.annotations["retries"] for layer in less.dask.layers.values() for key in layer}
    assert [each(key) if callable(each) else each for key, each in kept.items()] == [7, 7, 7]


def test_other_collections(client, data):
    """They are what they were, and go on working, with cached calls inside."""
    bag = db.from_sequence(range(4), npartitions=2).map(pm.double)
    blocks = [da.from_delayed(delayed(pm.grid)(path), (200, 200), float) for path in data.paths]
    array = da.concatenate(blocks)
    assert prune(bag) == (bag,)
    want = bag.compute(), array.sum().compute()
    (again, less), kept = prune([bag, array.sum()], {"a": 1})
    assert (again.compute(), less.compute(), kept) == (*want, {"a": 1})


def test_persisted_results(client, data, bodies):
    (held,) = dask.persist(delayed(pm.leaf)(data.tag, 5))
    lazy = delayed(pm.merge)([held, delayed(pm.leaf)(data.tag, 6)])
    value = lazy.compute(prune=True)
    assert bodies.ran() == ["leaf", "leaf", "merge"]
    assert lazy.compute(prune=True) == value
    assert dask.persist(*prune(lazy))[0].compute() == value
    assert bodies.ran() == []


def test_inside_a_body(client, data, bodies):
    value = pm.pruned_inside(data.paths)
    (node,) = (each for each in cache_tree_nodes().values() if each["fname"] == "pruned_inside")
    assert len(node["children"]) == 4
    pm.pruned_inside.clear()
    with use_session(Session()):
        bodies.ran()
        assert pm.pruned_inside(data.paths) == value
        assert bodies.ran() == ["pruned_inside"]
        assert cache_tree_nodes()[node["id"]]["children"] == node["children"]
        data.paths[0].write_text("another")
        assert pm.pruned_inside(data.paths) != value, "its calls count for it, though no worker ran them"


def test_a_default_of_the_connection(submitted, cluster, session, data, bodies):
    with Client(cluster) as client:
        assert not dask.config.get("cachepy.prune", False)
        with connect(client, prune=True):
            lazy = delayed(pm.leaf)(data.tag, 9)
            assert lazy.compute() == lazy.compute() == lazy.compute(prune=False)
            before = submitted()
            lazy.compute()
            assert submitted() == before
        assert not dask.config.get("cachepy.prune", False)


def test_an_asynchronous_client(session, data):
    async def run():
        kind = {"n_workers": 1, "processes": False, "dashboard_address": ":0", "asynchronous": True}
        async with LocalCluster(**kind) as cluster, Client(cluster, asynchronous=True) as client:
            await connect(client)
            first = await client.compute(delayed(pm.leaf)(data.tag, 1))
            return first, await client.compute(prune(delayed(pm.leaf)(data.tag, 1))[0])

    first, again = asyncio.run(run())
    assert first == again


class Odd:
    """Neither hash nor an end: what a task may be given, and what may come back."""

    __hash__ = None

    def __init__(self):
        self.inside = [self]

    def __call__(self, value):
        return [value, self.inside]


def test_odd_tasks(client, data):
    lazy = delayed(pm.merge)([dask.delayed(Odd())(delayed(pm.leaf)(data.tag, 1)), delayed(pm.leaf)(data.tag, 2)])
    lazy = delayed(pm.merge)([delayed(pm.merge)([Odd().inside]), lazy])
    for _ in range(2):
        assert len(lazy.compute(prune=True)["merged"]) == 2


def test_methods_and_partials(client, data, bodies):
    def build():
        leaf = partial(pm.leaf_of_file, number=4)
        scale = pm.Scale(len(data.tag))
        return delayed(pm.merge)([delayed(scale.times)(len(data.tag)), delayed(leaf)(data.paths[0])])

    value = build().compute()
    assert bodies.ran() == ["leaf_of_file", "merge", "times"]
    (lazy,) = prune(build())
    assert len(lazy.__dask_graph__()) == 1
    assert lazy.compute() == value
    held = submit(client, pm.Scale(3).times, len(data.tag))
    assert held.result() == 3 * len(data.tag)
    assert submit(client, pm.Scale(3).times, len(data.tag)).key != held.key, "of a run that is stored now"
    assert bodies.ran() == ["times"]


def test_coroutines(client, data, bodies):
    lazy = delayed(pm.merge)([delayed(pm.load_async)(path) for path in data.paths])
    value = lazy.compute(prune=True)
    bodies.ran()
    assert lazy.compute(prune=True) == value
    again = delayed(pm.merge)([delayed(pm.load_async)(path) for path in data.paths[:2]])
    assert again.compute(prune=True)["merged"] == value["merged"][:2]
    assert bodies.ran() == ["merge"]


def test_many_long_results_inside_each_other(session, data, bodies):
    """A chain that is too long to travel in one task is one of tasks."""

    def build(count):
        lazy = delayed(pm.grid)(data.paths[0])
        for n in range(count):
            lazy = delayed(pm.scaled)(lazy, n + 1.0)
        return delayed(pm.scaled)(lazy, len(data.tag) + count)

    count = 2 * pruning._DEEPEST
    with dask.config.set(scheduler="sync"):
        build(count).compute()
        bodies.ran()
        (lazy,) = prune(build(count))
        assert 1 < len(lazy.__dask_graph__()) < count
        lazy.compute()
        lazy.persist().compute()
    assert bodies.ran() == []


def test_a_held_future_hides_no_edited_file(submitted, client, data, bodies):
    path = data.paths[0]
    held = submit(client, pm.leaf_of_file, path, 1)
    first = held.result()
    same = submit(client, pm.leaf_of_file, path, 1)
    assert same.result() == first
    assert bodies.ran() == ["leaf_of_file"]
    again = submit(client, pm.leaf_of_file, path, 1, retries=1)
    assert again.key == same.key, "it is held, and it holds"
    path.write_text("edited")
    assert submit(client, pm.leaf_of_file, path, number=1).result() == ["edited", 1]
    assert bodies.ran() == ["leaf_of_file"]
    text = path.read_text()
    assert client.gather(map(client, pm.leaf_of_file, [path, path], [1, 2])) == [[text, 1], [text, 2]]
    path.write_text("once more")
    futures = map(client, pm.leaf_of_file, (path, path, path), number=1)
    assert client.gather(futures) == [["once more", 1]] * 3
    assert client.gather(map(client, pm.leaf, [], [])) == []


def test_submit_takes_futures_and_other_functions(client, data, bodies):
    leaves = map(client, pm.leaf, [data.tag] * 2, [1, 2])
    assert submit(client, pm.merge, leaves).result() == pm.merge([[data.tag, 1], [data.tag, 2]])
    assert submit(client, len, [1, 2]).result() == 2
    assert client.gather(map(client, len, [[1], []])) == [1, 0]
    assert submit(client, pm.leaf, data.tag, 3, key="mine").key == "mine"
