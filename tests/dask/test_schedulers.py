"""Schedulers that do not know cachepy yet, that were restarted, and that hear from another version of it."""

from __future__ import annotations

import asyncio
import logging
import warnings

import pytest
from distributed import Client, Scheduler, Worker

from cachepy import Session, UsageError, cache_file, use_session
from dask_plugin import OtherCodeWarning, connect
from dask_plugin.mail import PLUGIN
from dask_plugin.records import OP
from dask_plugin.scheduler import Ledger
from dask_plugin.worker import _MOST_WAITING, WorkerPart

pytestmark = pytest.mark.dask


@pytest.fixture
def square(tmp_path):
    @cache_file(tmp_path / "cache", warn_cheap=False)
    def square(x):
        return x * x

    return square


def on_cluster(job):
    """Run a coroutine with a scheduler and a worker of this process, and a client."""

    async def run():
        options = {"dashboard": False, "dashboard_address": None}
        async with Scheduler(port=0, **options) as scheduler, Worker(scheduler.address, nthreads=1, **options) as worker:
            async with Client(scheduler.address, asynchronous=True) as client:
                await asyncio.wait_for(job(scheduler, worker, client), 60)

    with use_session(Session()):
        asyncio.run(run())


def calls_in(scheduler):
    return len(scheduler.plugins[PLUGIN].ledger)


def test_a_worker_sends_nothing_to_a_scheduler_that_does_not_know_it(square):
    async def job(scheduler, worker, client):
        await worker.plugin_add(plugin=WorkerPart(), name=WorkerPart.name)  # as its preload does
        assert await client.gather([client.submit(square, x) for x in range(4)]) == [0, 1, 4, 9]
        await asyncio.sleep(0.5)  # several ticks, which would have killed it
        assert list(scheduler.workers) == [worker.address]
        async with connect(client):
            assert await client.submit(square, 4) == 16
            while calls_in(scheduler) < 5:  # noqa: ASYNC110 - what waited comes too; a ledger has no event
                await asyncio.sleep(0.05)
            assert list(scheduler.workers) == [worker.address]

    on_cluster(job)


def test_what_waits_has_a_bound(square):
    async def job(_, worker, client):
        part = WorkerPart()
        await worker.plugin_add(plugin=part, name=WorkerPart.name)
        await client.submit(square, 1)
        for _ in range(2 * _MOST_WAITING):
            part.shipper.put(("hit", "f:1", "run", "root"))
        part.shipper.flush()
        assert len(part.shipper._queue) == _MOST_WAITING
        assert await client.submit(square, 2) == 4

    on_cluster(job)


def restart(scheduler, *, has_part):
    """What a client sees of a new scheduler at the same address: nobody listens, and other numbers or none."""
    part = scheduler.plugins[PLUGIN]
    part.ledger = Ledger()
    scheduler._broker._topics.clear()
    if not has_part:
        scheduler.plugins.pop(PLUGIN)
        scheduler.stream_handlers.pop(OP)
        for name in ("since", "subtree", "mail"):
            scheduler.handlers.pop(f"cachepy_{name}")
        scheduler.worker_plugins.pop(WorkerPart.name)


@pytest.mark.parametrize("has_part", [True, False], ids=["with its preload", "without"])
@pytest.mark.parametrize("way", ["sync", "connect", "catch up"])
def test_a_scheduler_that_was_restarted_begins_again(square, has_part, way):
    async def job(scheduler, _, client):
        graph = await connect(client)
        await client.gather([client.submit(square, x) for x in range(3)])
        await graph.sync()
        restart(scheduler, has_part=has_part)
        await (graph.sync() if way == "sync" else connect(client) if way == "connect" else graph._catch_up())
        seen = []
        session, apply = graph.session, graph._apply
        graph._apply = lambda payloads: seen.extend(apply(payloads)) or seen
        assert await client.submit(square, 7) == 49
        assert [event.label["x"] for event in seen] == ["7"], "the client hears of it before its result"
        assert len(session.graph.nodes()) == 4
        assert len(await graph.nodes()) == 1
        graph.close()

    on_cluster(job)


def test_another_version_of_cachepy_on_the_scheduler_is_said(square):
    async def job(scheduler, _, client):
        graph = await connect(client)
        scheduler.handlers["cachepy_since"] = lambda **_: {"seq": 1, "events": [], "hits": {}}
        with pytest.raises(UsageError, match=r"another version of cachepy than this client .*: install the same one"):
            await graph.sync()
        graph.close()

    on_cluster(job)


def test_another_version_of_cachepy_on_a_worker_is_said_once(square, caplog):
    async def job(scheduler, worker, client):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            graph = await connect(client)
            for number in range(3):
                worker.batched_send({"op": OP, "records": [("event", "of another form")], "python": "3.11"})
                await client.submit(square, number)
                await graph.sync()  # who began to listen a moment ago asks
        texts = [str(each.message) for each in said if each.category is OtherCodeWarning]
        assert len(texts) == 1
        assert texts[0].startswith(f"the worker {worker.address} sent records that the scheduler cannot read")
        assert texts[0].endswith("install the same one on the scheduler and all workers")
        graph.close()

    with caplog.at_level(logging.WARNING, "cachepy.dask"):
        on_cluster(job)
    assert len([each for each in caplog.records if "cannot be read" in each.message]) == 1


def test_a_result_that_holds_a_future_is_not_stored(tmp_path):
    @cache_file(tmp_path / "cache", warn_cheap=False)
    def later(box):
        return [box["future"]]

    async def job(_, __, client):
        box = {"future": client.submit(int, 3)}
        cached = cache_file(tmp_path / "cache", warn_cheap=False, ignore_args=["box"])(later.__wrapped__)
        for _ in range(2):
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                assert await cached(box)[0] == 3
            assert all("it holds a future of Dask" in str(each.message) for each in said)
        assert not cached.is_cached(box)

    on_cluster(job)
