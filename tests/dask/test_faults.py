"""Workers that die, tasks that raise, messages that are lost or damaged: the graph is whole and the serial one."""

from __future__ import annotations

import os
import pickle
import random
import signal
import time
from functools import partial

import pytest
from distributed import Client, wait
from faulty_module import (
    await_mark,
    branch,
    cluster,
    counted,
    difference,
    halting,
    held,
    leaf,
    leaves_a_thread_behind,
    many_children,
    marks,
    needs_held,
    over_raising,
    projection,
    raising,
    sends_out,
    serial,
    slow_parent,
    tree,
    wants,
    whole,
)

from cachepy import cache_tree_nodes, cache_tree_reset
from cachepy.core.model import CALL, Dep, Event, Trace
from cachepy.graph.graph import Graph
from cachepy.session import Session, current_session, use_session
from dask_plugin import connect
from dask_plugin.records import BATCH, OP, TOPIC, batches, event_of, event_record, hit_record, size_of, told_record
from dask_plugin.scheduler import Ledger

pytestmark = pytest.mark.dask


@pytest.fixture(scope="module")
def workers():
    with cluster() as found:
        yield found


@pytest.fixture
def session():
    with use_session(Session()) as mine:
        yield mine


@pytest.fixture
def client(workers, session):
    with Client(workers) as made:
        made.wait_for_workers(2, timeout=60)
        yield made


@pytest.fixture
def graph(client):
    with connect(client) as connected:
        yield connected


@pytest.fixture
def tag():
    return os.urandom(4).hex()


def in_memory():
    """The graph as it is, without the barrier that `cache_tree_nodes` calls."""
    return projection(current_session().graph.nodes())


def addresses(client):
    return sorted(client.scheduler_info(n_workers=-1)["workers"])


def pids(client):
    return client.run(os.getpid)


def on_scheduler(client, action):
    """Run ``action(part)`` on the scheduler, with its plugin."""

    def run(dask_scheduler):
        return action(dask_scheduler.plugins["cachepy-scheduler"])

    return client.run_on_scheduler(run)


# -- workers that die


def kill_at_random(client, seed, tag, count):
    """Kill one or two workers at random moments while trees run; the results."""
    chance = random.Random(seed)
    alive = pids(client)
    futures = [client.submit(tree, tag, i, pure=False) for i in range(count)]
    amid = 0
    before = marks(f"twig-{tag}")  # of the serial run
    for pid in chance.sample(sorted(alive.values()), chance.choice([1, 1, 2])):
        await_mark(f"twig-{tag}", before + chance.randint(1, count // 2))
        time.sleep(chance.uniform(0, 0.1))
        amid += not all(f.done() for f in futures)
        os.kill(pid, signal.SIGKILL)
    assert amid, "all was done before the first kill"
    return client.gather(futures)


def check_kills(client, tag, seeds, count):
    names = [f"{tag}.{seed}" for seed in seeds]
    expected = serial(*[("play_trees", name, count) for name in names])
    earlier: set[str] = set()
    for name, seed, want in zip(names, seeds, expected, strict=True):
        cache_tree_reset()
        results = kill_at_random(client, seed, name, count)
        nodes = current_session().graph.nodes()
        # a task of the round before that was run again after a kill may tell of its calls only now
        found = {call: row for call, row in projection(nodes).items() if call not in earlier}
        earlier |= want.keys()
        assert results == [[[i, i + 1], [i + 1, i + 2]] for i in range(count)], seed
        assert not difference(found, want), seed
        assert not whole(nodes), seed
        client.wait_for_workers(2, timeout=60)


def test_graph_is_the_serial_one_though_workers_are_killed(client, graph, tag):
    check_kills(client, tag, range(5), 8)
    assert graph.errors == 0


@pytest.mark.stress
@pytest.mark.timeout(1800)
def test_graph_is_the_serial_one_though_many_workers_are_killed(client, graph, tag):
    check_kills(client, tag, range(100, 160), 10)


def test_nobody_waits_long_for_the_claim_of_a_dead_worker(client, graph, tag):
    first, second = addresses(client)
    alive = pids(client)
    holder = client.submit(held, tag, workers=[first], allow_other_workers=True, pure=False)
    await_mark(f"held-{tag}")
    waiter = client.submit(needs_held, tag, workers=[second], pure=False)
    await_mark(f"needs-{tag}")
    time.sleep(0.3)  # it does wait
    assert waiter.status == "pending"
    began = time.monotonic()
    os.kill(alive[first], signal.SIGKILL)
    assert waiter.result(timeout=30) == [f"leaf {tag} 1"]
    assert time.monotonic() - began < 5
    assert holder.result(timeout=30) == f"leaf {tag} 1"
    assert marks(f"held-{tag}") == 2
    assert names_and_edges(in_memory()) == [("held", 1, 1), ("leaf", 1, 0), ("needs_held", 0, 1)]
    assert not whole(cache_tree_nodes())


def names_and_edges(found):
    """For a few nodes: name, number of parents, number of children."""
    return sorted((row[0], len(row[1]), len(row[2])) for row in found.values())


def test_restart_of_all_workers(client, graph, tag):
    (want,) = serial(("play_halting", tag, 6))
    cut = [client.submit(halting, tag, i, pure=False) for i in range(6)]
    await_mark(f"halting-{tag}")
    client.restart(timeout=60)
    assert all(f.cancelled() for f in cut)
    assert not whole(cache_tree_nodes())
    assert cache_tree_nodes().keys() < want.keys()
    again = client.map(halting, [tag] * 6, range(6), pure=False)
    assert client.gather(again) == play_results(6)
    assert not difference(in_memory(), want)
    assert not whole(current_session().graph.nodes())
    assert graph.errors == 0


def play_results(count):
    return [[[i, i + 1], [i + 1, i + 2]] for i in range(count)]


def test_a_raising_task_leaves_its_children_and_no_node(client, graph, tag):
    (want,) = serial(("play_raising", tag))
    alone = client.submit(raising, f"{tag} alone", pure=False)
    over = client.submit(over_raising, tag, pure=False)
    with pytest.raises(ValueError, match="on purpose"):
        alone.result()
    assert over.result() == f"leaf {tag} 3"
    found = in_memory()
    assert not difference(found, want)
    assert sorted(row[0] for row in found.values()) == ["leaf", "leaf", "leaf", "over_raising"]
    assert not any(p not in found for row in found.values() for p in row[1])


def test_raised_with_retries(client, graph, tag):
    """Each attempt's children count once."""
    future = client.submit(raising, tag, retries=3, pure=False)
    wait(future)
    assert future.status == "error"
    assert names_and_edges(in_memory()) == [("leaf", 0, 0)]


def test_a_cancelled_future_leaves_nothing_half_made(client, graph, tag):
    future = client.submit(slow_parent, tag, pure=False)
    await_mark(f"slow-{tag}")
    future.cancel()
    assert client.submit(leaf, tag, 9, pure=False).result() == f"leaf {tag} 9"
    nodes = cache_tree_nodes()
    assert names_and_edges(projection(nodes)) in ([("leaf", 0, 0)], [("leaf", 0, 0)] * 2)
    assert not whole(nodes)
    await_mark(f"slow-end-{tag}")  # its thread went on to the end, and stored: that is a whole call
    again = client.submit(slow_parent, tag, pure=False)
    assert again.result() == f"leaf {tag} 4"
    assert names_and_edges(in_memory()) == [("leaf", 0, 0), ("leaf", 1, 0), ("slow_parent", 0, 1)]
    assert not whole(current_session().graph.nodes())


# -- one run per call, and no starving


def test_the_same_call_on_both_workers_at_once_runs_once(client, graph, tag):
    for i in range(10):
        name = f"{tag}.{i}"
        pair = [client.submit(counted, name, workers=[a], pure=False) for a in addresses(client)]
        assert client.gather(pair) == [f"leaf {name} 5"] * 2
        assert marks(f"counted-{name}") == 1
        assert {row[0] for row in in_memory().values()} == {"counted", "leaf"}
    assert names_and_edges(in_memory()) == [("counted", 0, 1)] * 10 + [("leaf", 1, 0)] * 10


def test_a_wait_for_a_claim_does_not_starve_a_worker_with_one_thread(client, graph, tag):
    first, second = addresses(client)
    sender = client.submit(sends_out, tag, first, workers=[second], pure=False)
    waiter = client.submit(wants, tag, first, workers=[first], pure=False)
    assert waiter.result(timeout=20) == sender.result(timeout=20) == f"pong {tag}"
    assert marks(f"out-{tag}") == 1
    assert names_and_edges(in_memory()) == [("sends_out", 0, 0)]


# -- clients that come, go, and miss something


def test_a_new_client_asks_for_all(workers, tag):
    (want,) = serial(("play_trees", tag, 3))
    with use_session(Session()), Client(workers) as old, connect(old):
        old.gather(old.map(tree, [tag] * 3, range(3), pure=False))
    with use_session(Session()) as late, Client(workers) as new, connect(new) as graph:
        assert len(late.graph) == 0
        nodes = projection(graph.nodes())
        mine = {call: row for call, row in nodes.items() if call in want}
        assert not difference(mine, want)
        assert len(late.graph) == 0  # asked, not merged
        graph.sync()
        assert not difference({c: r for c, r in in_memory().items() if c in want}, want)


def test_work_of_other_clients_of_the_program_arrives_too(workers, tag):
    (want,) = serial(("play_trees", tag, 2))
    with use_session(Session()), Client(workers) as one, connect(one):
        with Client(workers, set_as_default=False) as two:
            two.gather(two.map(tree, [tag] * 2, range(2), pure=False))
        assert not difference(projection(cache_tree_nodes()), want)


def drop(graph, which):
    """Lose the messages that reach the client with these numbers; a list of how many came."""
    handler = graph.client._event_handlers[TOPIC]
    came = []

    async def lossy(event):
        came.append(event)
        if len(came) not in which:
            await handler(event)

    graph.client._event_handlers[TOPIC] = lossy
    return came


def test_a_lost_message_is_asked_for_when_the_next_one_comes(client, graph, tag):
    came = drop(graph, {1})
    client.submit(leaf, tag, 0, pure=False).result()
    assert len(came) == 1
    assert not in_memory()
    client.submit(leaf, tag, 1, pure=False).result()
    assert names_and_edges(in_memory()) == [("leaf", 0, 0)] * 2
    assert graph.errors == 0


def test_a_lost_hit_is_asked_for_when_the_next_message_comes(client, graph, tag):
    client.submit(branch, tag, 0, pure=False).result()
    cache_tree_reset()
    came = drop(graph, {1})
    client.submit(branch, tag, 0, pure=False).result()
    assert len(came) == 1
    assert not in_memory()
    client.submit(leaf, tag, 1, pure=False).result()
    assert names_and_edges(in_memory()) == [("branch", 0, 2), ("leaf", 0, 0), ("twig", 1, 0), ("twig", 1, 0)]


def test_a_lost_last_message_is_asked_for_before_the_graph_is_read(client, graph, tag):
    (want,) = serial(("play_trees", tag, 1))
    came = drop(graph, range(100))
    client.submit(tree, tag, 0, pure=False).result()
    assert came
    assert not in_memory()
    assert not difference(projection(cache_tree_nodes()), want)


def test_an_error_in_the_handler_is_counted_and_repaired(client, graph, tag, monkeypatch, caplog):
    (want,) = serial(("play_trees", tag, 1))

    async def fails(message):
        raise RuntimeError("on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(graph, "_fold", fails)
        client.submit(tree, tag, 0, pure=False).result()
    assert graph.errors >= 1
    assert "on purpose" in caplog.text
    assert not in_memory()
    graph.sync()
    assert not difference({c: r for c, r in in_memory().items() if c in want}, want)


def test_results_that_are_in_memory_already_bring_their_calls(workers, tag):
    """No task finishes, so the order of messages promises nothing: the barrier does."""
    (want,) = serial(("play_trees", tag, 2))
    with use_session(Session()), Client(workers) as keeper, connect(keeper):
        kept = [keeper.submit(tree, tag, i, key=f"kept-{tag}-{i}") for i in range(2)]
        wait(kept)
        for _ in range(10):
            with use_session(Session()), Client(workers, set_as_default=False) as other, connect(other):
                assert not in_memory()
                for i in range(2):
                    assert other.submit(tree, tag, i, key=f"kept-{tag}-{i}").result() == play_results(2)[i]
                assert not difference(projection(cache_tree_nodes()), want)


def test_what_a_thread_does_after_its_task_is_asked_for(client, graph, tag):
    future = client.submit(leaves_a_thread_behind, tag, pure=False)
    assert future.result() is None
    await_mark(f"behind-{tag}")
    time.sleep(0.5)  # a tick of the worker's straggler timer
    assert names_and_edges(projection(cache_tree_nodes())) == [("leaf", 0, 0)]


# -- damaged payloads


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def damaged(tmp_path):
    """Payloads that are no events, the first of which would run code if it was unpickled."""
    return [
        pickle.dumps(Evil(str(tmp_path / "ran"))),
        b"",
        b"\x80\x05garbage",
        pickle.dumps(None),
        pickle.dumps(7),
        pickle.dumps(()),
        pickle.dumps(("a",)),
        pickle.dumps(tuple(range(16))),
        event_record(event("x"))[4][:-20],
    ]


def event(call, *, children=(), run="run", created=1.0, seen=None):
    calls = tuple(Dep(CALL, c, "d" * 32) for c in children)
    return Event(
        id=call, fname="f", module="m", qualname="f", hash=call, run=run, trace=Trace((), calls, "r" * 32), args={},
        label={}, root="/nowhere", outfile=None, cwd="/", created=created, elapsed=0.1,
        seen=created if seen is None else seen, origin="o",
    )  # fmt: skip


def test_a_damaged_payload_is_a_value_error_and_runs_nothing(tmp_path):
    for payload in damaged(tmp_path):
        with pytest.raises(ValueError, match=r"."):
            event_of(payload)
    assert not (tmp_path / "ran").exists()


def test_a_damaged_payload_stops_nothing(client, graph, tag, tmp_path):
    (want,) = serial(("play_trees", tag, 1))
    rows = [("event", f"bad:{tag}{i}", "r", [1.0, 1.0, "r"], p, []) for i, p in enumerate(damaged(tmp_path))]
    good = event_record(event(f"good:{tag}"))
    on_scheduler(client, lambda part: part.receive([*rows, good]))
    client.submit(tree, tag, 0, pure=False).result()
    found = in_memory()
    assert f"good:{tag}" in found  # in the same message, behind the damaged ones
    found.pop(f"good:{tag}")
    assert not difference(found, want)
    assert graph.errors == len(rows)
    cache_tree_reset()
    graph.sync()
    assert f"good:{tag}" in in_memory()
    assert want.keys() <= in_memory().keys()
    assert want.keys() <= graph.nodes().keys()
    assert not (tmp_path / "ran").exists()


def test_records_that_make_no_sense_do_not_cost_a_worker_its_stream(client, graph, tag):
    """An error in a stream handler would close the stream, and the worker with it."""
    alive = pids(client)
    nonsense = [("event",), (), ("what",), ("event", "x", "r", None, b"", []), ("hit",), ("told",), ("of",), 7, None]

    def send(dask_worker):
        dask_worker.batched_send({"op": OP, "records": nonsense})
        dask_worker.batched_send({"op": OP, "records": 7})

    client.run(send)
    assert client.submit(leaf, tag, 0, pure=False).result() == f"leaf {tag} 0"
    assert names_and_edges(in_memory()) == [("leaf", 0, 0)]
    assert pids(client) == alive


# -- the ledger


def test_ledger_counts_a_repeated_run_once():
    ledger = Ledger()
    record = event_record(event("a"))
    assert ledger.add(record)
    assert not ledger.add(record)
    assert not ledger.add(list(record))  # as msgpack may hand it over
    assert (len(ledger), ledger.seq) == (1, 1)


def test_ledger_keeps_the_newest_run_whatever_the_order():
    runs = [event("a", run=f"r{i}", created=float(i)) for i in range(5)]
    for seed in range(10):
        ledger = Ledger()
        for each in random.Random(seed).sample(runs, 5):
            ledger.add(event_record(each))
        assert [event_of(p).run for p in ledger.since(0)] == ["r4"]


def test_ledger_prefers_what_was_seen_later():
    ledger = Ledger()
    ledger.add(event_record(event("a", run="new", created=5.0)))
    assert ledger.add(event_record(event("a", run="old", created=1.0, seen=9.0)))
    assert [event_of(p).run for p in ledger.since(0)] == ["old"]


def test_ledger_tells_what_is_new_since_a_number():
    ledger = Ledger()
    for name in "abc":
        ledger.add(event_record(event(name)))
    assert [event_of(p).id for p in ledger.since(0)] == ["a", "b", "c"]
    assert [event_of(p).id for p in ledger.since(2)] == ["c"]
    assert ledger.since(3) == []
    assert ledger.since(1 << 62) == []
    ledger.add(event_record(event("a", run="again", created=2.0)))
    assert [event_of(p).run for p in ledger.since(3)] == ["again"]
    assert [event_of(p).id for p in ledger.since(0)] == ["b", "c", "a"]


def test_ledger_gives_subtrees():
    ledger = Ledger()
    for name, below in {"top": ["l", "r"], "l": ["x"], "r": ["x", "unknown"], "x": ["top"], "other": []}.items():
        ledger.add(event_record(event(name, children=below)))
    found = [event_of(p).id for p in ledger.subtree(["top"])]
    assert sorted(found) == ["l", "r", "top", "x"]  # each once, also in a circle
    assert ledger.subtree(["nobody"]) == []


def test_ledger_does_not_recurse_in_deep_trees():
    ledger = Ledger()
    for i in range(5000):
        ledger.add(event_record(event(f"n{i}", children=[f"n{i + 1}"])))
    assert len(ledger.subtree(["n0"])) == 5000


def test_ledger_hands_mail_out_once_and_does_not_publish_it():
    ledger = Ledger()
    dep = Dep(CALL, "child", "d")
    assert not ledger.add(told_record("run", dep))
    assert not ledger.add(told_record("run", dep))
    assert not ledger.add(told_record("other", dep))
    assert [tuple(row) for row in ledger.mail("run")] == [dep.astuple()] * 2
    assert ledger.mail("run") == []
    assert len(ledger.mail("other")) == 1
    assert ledger.seq == 0


def test_ledger_is_bounded(monkeypatch):
    monkeypatch.setattr("dask_plugin.scheduler._CALLERS", 10)
    ledger = Ledger()
    for i in range(100):
        ledger.add(told_record(f"run{i}", Dep(CALL, "child", "d")))
    assert ledger.mail("run0") == []
    assert len(ledger.mail("run99")) == 1
    assert sum(bool(ledger.mail(f"run{i}")) for i in range(100)) == 9


def test_ledger_remembers_hits_since_a_number():
    ledger = Ledger()
    ledger.add(event_record(event("a")))
    assert ledger.add(hit_record(event("a")))
    assert ledger.hits_since(0) == {"a": "/nowhere"}
    assert ledger.hits_since(1) == {"a": "/nowhere"}
    assert ledger.hits_since(2) == {}
    for _ in range(100_001):
        ledger.add(hit_record(event("b")))
    assert ledger.hits_since(0) == {"b": "/nowhere"}


def test_scheduler_forgets_what_tasks_were_for(client, graph, tag):
    future = client.submit(leaf, tag, 0, pure=False)
    future.result()
    key = future.key
    assert on_scheduler(client, lambda part: list(part.ledger.calls_of(key))) == list(in_memory())
    del future
    deadline = time.monotonic() + 5
    while on_scheduler(client, lambda part: part.ledger.calls_of(key)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert on_scheduler(client, lambda part: part.ledger.calls_of(key)) == {}


# -- sizes


def test_batches_are_bounded_and_keep_the_order():
    chance = random.Random(0)
    for _ in range(50):
        rows = [
            ("event", f"e{i}", "r", [1.0, 1.0, "r"], bytes(int(chance.expovariate(1 / 50_000))), ["c"] * chance.randint(0, 99))
            for i in range(chance.randint(0, 100))
        ]
        found = batches(rows)
        assert [r for batch in found for r in batch] == rows
        assert all(found)
        assert all(len(batch) == 1 or sum(map(size_of, batch)) <= BATCH for batch in found)
        assert len(found) <= 1 + 2 * sum(map(size_of, rows)) // BATCH  # and not needlessly many


def test_size_of_a_record_is_about_its_size():
    from distributed.protocol import dumps

    for record in (
        event_record(event("a" * 40, children=[f"child_{i}:{i:032x}" for i in range(1000)])),
        hit_record(event("a" * 40)),
        told_record("r" * 32, Dep(CALL, "c" * 40, "d" * 32)),
    ):
        actual = sum(map(len, dumps({"op": OP, "records": [record]})))
        assert actual / 2 < size_of(record) < actual * 3


def test_an_event_with_very_many_children_travels(client, graph, tag):
    call = client.submit(many_children, tag, 50_000, pure=False).result()
    found = current_session().graph.event(call)
    assert len(found.trace.calls) == 50_000
    again = Graph()
    graph._run(partial(graph._all, again))
    assert len(again.event(call).trace.calls) == 50_000


def test_many_records_at_once_are_sent_in_several_messages(client, graph, tag):
    came = drop(graph, ())
    rows = [event_record(event(f"{tag}{i}", children=[f"c{j}" for j in range(300)])) for i in range(300)]
    on_scheduler(client, lambda part: part.receive(rows))
    client.submit(leaf, tag, 0, pure=False).result()
    sizes = [sum(map(size_of, message["records"])) for _, message in came]
    assert sum(sizes) > 3 * BATCH
    assert max(sizes) <= BATCH
    assert sum(call.startswith(tag) for call in in_memory()) == 300
