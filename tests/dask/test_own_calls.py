"""Several clients on one cluster: each sees what its own tasks made, until it asks for all."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Thread

import dask
import pipeline_module as pm
import pytest
from distributed import Client, wait

from cachepy import cache_tree_nodes
from cachepy.session import Session, use_session
from dask_plugin import connect, delayed, with_caller
from dask_plugin.askers import Askers, by_audience, united
from dask_plugin.records import TOPIC

pytestmark = pytest.mark.dask


class Person:
    """A client with a graph of its own."""

    def __init__(self, cluster):
        self.session = Session()
        with use_session(self.session):
            self.client = Client(cluster)
            self.graph = connect(self.client)

    @contextmanager
    def at_work(self):
        with use_session(self.session):
            yield self.client

    def names(self):
        with use_session(self.session):
            return sorted(node["fname"] for node in cache_tree_nodes().values())

    def close(self):
        self.graph.close()
        self.client.close()


@pytest.fixture
def people(cluster):
    found = [Person(cluster) for _ in range(2)]
    yield found
    for each in found:
        each.close()


def by_submit(client, data):
    return client.submit(with_caller(pm.load_counts), data.paths[0]).result()


def by_plain_submit(client, data):
    return client.submit(pm.load_counts, data.paths[0]).result()


def by_delayed(client, data):
    """The task that is asked for is another one."""
    return delayed(len)(delayed(pm.load_counts)(data.paths[0])).compute(scheduler=client)


def by_threads(client, data):
    return client.submit(in_a_thread, data.paths[0]).result()


def in_a_thread(path):
    thread = Thread(target=pm.load_counts, args=(path,))
    thread.start()
    thread.join()


@pytest.mark.parametrize("way", [by_submit, by_plain_submit, by_delayed])
def test_each_sees_its_own(way, people, data):
    me, other = people
    with me.at_work() as client:
        way(client, data)
    with other.at_work() as client:
        client.submit(with_caller(pm.leaf), data.tag, 1).result()
    assert (me.names(), other.names()) == (["load_counts"], ["leaf"])
    with me.at_work():
        me.graph.sync()
    assert {"load_counts", "leaf"} <= set(me.names())
    assert other.names() == ["leaf"]
    with other.at_work():
        assert len(other.graph.nodes()) > 1, "all of it can be looked at"
    assert other.names() == ["leaf"]


def test_a_thread_of_nobody_is_everybodys(people, data):
    """Better told to one too many than to one too few."""
    me, other = people
    with me.at_work() as client:
        by_threads(client, data)
    assert me.names() == ["load_counts"]
    assert set(other.names()) <= {"load_counts"}


def test_a_hit_is_of_who_asked(people, data):
    me, other = people
    for each in people:
        with each.at_work() as client:
            client.submit(with_caller(pm.pipeline), data.paths[0], pure=False).result()
    assert me.names() == other.names() == ["load_counts", "normalize", "pipeline"]


def test_one_task_that_both_asked_for(people, data):
    me, other = people
    futures = []
    for each in people:
        with each.at_work() as client:
            futures.append(client.submit(with_caller(pm.slow), data.tag))
    for future in futures:
        future.result()
    assert me.names() == other.names() == ["slow"]


@pytest.mark.parametrize("how", ["map", "get_client", "delayed"])
def test_tasks_of_tasks(how, people, data):
    """A worker submits them, in the name of a client of its own."""
    me, other = people
    with other.at_work() as client:
        client.submit(with_caller(pm.leaf), data.tag, 1).result()
    with me.at_work() as client:
        client.submit(with_caller(pm.orchestrate), how, data.paths[:2]).result()
    assert me.names() == ["load_counts"] * 2 + ["normalize"] * 2 + ["orchestrate"] + ["pipeline"] * 2
    assert other.names() == ["leaf"]


def test_a_plain_task_that_submits(people, data):
    """No cached call speaks for those below."""
    me, other = people
    with me.at_work() as client:
        client.submit(pm.fan, "map", pm.pipeline, data.paths[:1]).result()
    assert me.names() == ["load_counts", "normalize", "pipeline"]
    assert other.names() == []


def test_a_missed_message_brings_its_own_only(people, data):
    me, _ = people
    me.client.sync(drop_messages, me.graph)
    for each in people:
        with each.at_work() as client:
            client.submit(with_caller(pm.leaf), data.tag, each is me).result()
    assert me.names() == ["leaf"]
    with use_session(me.session):
        (node,) = cache_tree_nodes().values()
    assert node["label"]["number"] == "True"


async def drop_messages(graph):
    graph.client._event_handlers[TOPIC] = lambda event: None


def scheduler_hits(cluster):
    return cluster.scheduler.plugins["cachepy-scheduler"].ledger._hits


def test_a_result_that_another_one_published(cluster, people, data):
    """Nothing is submitted for it: whoever reads the graph then has what is behind it."""
    me, other = people
    with me.at_work() as client:
        shares = client.submit(with_caller(pm.normalize), client.submit(with_caller(pm.load_counts), data.paths[0]))
        wait(shares)
        client.publish_dataset(shares, name=data.tag)
    with other.at_work() as client:
        assert other.names() == []
        held = client.get_dataset(data.tag)
        held.result()
        assert other.names() == ["load_counts", "normalize"]
        told = len(scheduler_hits(cluster))
        assert other.names() == ["load_counts", "normalize"]
        assert len(scheduler_hits(cluster)) == told, "once is enough"
        client.unpublish_dataset(data.tag)


def test_what_is_persisted_by_one(people, data):
    me, other = people
    with me.at_work() as client:
        (lazy,) = dask.persist(delayed(pm.load_counts)(data.paths[0]), scheduler=client)
        wait(lazy)
    assert (me.names(), other.names()) == (["load_counts"], [])


# -- the parts


class Scheduler:
    def __init__(self, clients=(), processing=()):
        self.clients = dict.fromkeys(clients)
        self.workers = {"w": self}
        self.processing = processing


class Task:
    def __init__(self, key):
        self.key = key


def test_what_a_worker_submits_is_of_those_who_have_tasks_then():
    askers = Askers()
    askers.ask(Scheduler(), "Client-a", ["a"])
    askers.ask(Scheduler(), "Client-b", ["b"])
    clients = ["Client-a", "Client-b", "Client-worker-1", "fire-and-forget"]
    askers.ask(Scheduler(clients, [Task("a")]), "Client-worker-1", ["x"])
    askers.ask(Scheduler(clients, [Task("a"), Task("b")]), "Client-worker-1", ["y"])
    askers.ask(Scheduler(clients), "Client-worker-1", ["z"])
    assert askers.of("x") == {"Client-a"}
    assert askers.of("y") == askers.of("z") == {"Client-a", "Client-b"}
    askers.forget("x")
    assert (askers.of("x"), askers.of(None), askers.of(["no key"])) == (None, None, None)


def test_records_stay_in_their_order():
    one = frozenset("a")
    found = list(by_audience([(1, one), (2, one), (3, None), (4, one)]))
    assert found == [(one, [1, 2]), (None, [3]), (one, [4])]
    assert (united(one, frozenset("b")), united(one, None)) == ({"a", "b"}, None)
