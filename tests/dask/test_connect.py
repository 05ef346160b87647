"""`connect`, `delayed` and `with_caller` as Dask users know such things; keys; code that differs."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import pickle
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import dask
import pipeline_module as pm
import pytest
import ways
from dask.delayed import Delayed
from distributed import Client, LocalCluster
from ways import ByMap, assert_graph

from cachepy import cache_tree_nodes, cache_tree_reset, current_session
from cachepy.core.hooks import chain
from cachepy.session import Session, use_session
from dask_plugin import ClusterGraph, connect, delayed, with_caller
from dask_plugin.records import TOPIC
from dask_plugin.worker import WorkerPart

pytestmark = pytest.mark.dask
ROOT = Path(__file__).parents[2]


def in_memory():
    """The graph as it is, without asking the cluster first."""
    return current_session().graph.nodes()


# -- connect


def test_connect_twice_is_connect_once(client, data, serial):
    _, graph = serial("tutorial")
    before = list(chain(current_session().hooks))
    again = connect(client)
    assert isinstance(again, ClusterGraph)
    assert list(chain(current_session().hooks)) == before
    ways.tutorial(ByMap(client), data)
    assert_graph(graph)


def test_a_connection_says_where_it_is(client, cluster):
    connection, workers = connect(client), len(client.scheduler_info()["workers"])
    known = f"<cluster graph of {cluster.scheduler_address}, cachepy is on {workers} of {workers} workers"
    assert repr(connection).startswith(known)
    assert (f", page {connection.page}>" in repr(connection)) == bool(connection.page)
    assert f"{workers} of {workers} workers" in connection._repr_html_()


def test_a_connection_says_which_workers_lack_the_plugin(client):
    connection, name = connect(client), WorkerPart.name
    one = next(iter(client.scheduler_info()["workers"]))
    client.run(_take_out, name, workers=[one])
    try:
        text = repr(connection)
    finally:
        client.run(_put_back, name, workers=[one])
    number = len(client.scheduler_info()["workers"])
    assert f"cachepy is on {number - 1} of {number} workers" in text


def _take_out(name, dask_worker):
    dask_worker.taken_out = dask_worker.plugins.pop(name)


def _put_back(name, dask_worker):
    dask_worker.plugins[name] = dask_worker.taken_out


def test_a_closed_connection_still_says_where_it_was():
    with Client(n_workers=1, processes=False, dashboard_address=None) as client, use_session(Session()):
        connection = connect(client)
        connection.close()
    assert repr(connection).startswith("<cluster graph of ")


def test_a_connection_that_is_not_open_yet_says_so(cluster, session):
    async def look():
        async with Client(cluster.scheduler_address, asynchronous=True) as client:
            connection = connect(client)
            before = repr(connection)
            await connection
            return before, repr(connection)

    before, after = asyncio.run(look())
    assert ", not open yet: await it" in before
    assert "not open" not in after and "closed" not in after


def test_two_clients_each_see_all_if_they_ask(client, cluster, data, serial):
    _, graph = serial("tutorial")
    with use_session(Session()) as mine, Client(cluster, set_as_default=False) as other, connect(other) as connection:
        ways.tutorial(ByMap(client), data)
        assert cache_tree_nodes() == {}, "it is the first one's work"
        connection.sync()
        assert graph[0].items() <= ways.shape(cache_tree_nodes()).items()
        assert connection.session is mine
        assert graph[0].items() <= ways.shape(connection.nodes()).items()


def test_late_client_asks_for_all_of_it(client, cluster, data, serial):
    _, graph = serial("tutorial")
    ways.tutorial(ByMap(client), data)
    with use_session(Session()), Client(cluster, set_as_default=False) as late, connect(late) as connection:
        assert cache_tree_nodes() == {}
        assert graph[0].items() <= ways.shape(connection.nodes()).items()
        assert cache_tree_nodes() == {}, "nodes() only looks"
        connection.sync()
        assert graph[0].items() <= ways.shape(in_memory()).items()
        before = in_memory()
        connection.sync()
        assert in_memory() == before


def test_client_leaves_and_comes_back(cluster, session, data, serial):
    _, graph = serial("tutorial")
    with Client(cluster, set_as_default=False) as first, connect(first):
        future = first.map(with_caller(pm.load_counts), data.paths)
        first.gather(future)
    with Client(cluster, set_as_default=False) as second:
        assert len(in_memory()) == 3
        with connect(second):
            ways.tutorial(ByMap(second), data)
            assert_graph(graph)


def test_close_stops_the_updates(cluster, session, data, serial):
    _, graph = serial("tutorial")
    hooks = session.hooks
    with Client(cluster, set_as_default=False) as client:
        connection = connect(client)
        connection.close()
        connection.close()
        assert session.hooks is hooks
        assert repr(connection).startswith(f"<cluster graph of {cluster.scheduler_address}, closed: connect(client) listens")
        ways.tutorial(ByMap(client), data)
        assert cache_tree_nodes() == {}
        with connect(client) as again:
            assert again is not connection
            ways.tutorial(ByMap(client), data)
            assert_graph(graph)
            connection.close()
            cache_tree_reset()
            ways.tutorial(ByMap(client), data)
            assert_graph(graph)
        on_its_way = 0.0, {"first": 1, "records": []}
        client.sync(client._handle_event, TOPIC, on_its_way)  # distributed would raise if nobody took it


@pytest.mark.parametrize("style", ["await", "async with"])
def test_async_connection(style, cluster, session, data, serial):
    _, graph = serial("tutorial")

    async def main():
        async with Client(cluster.scheduler_address, asynchronous=True) as client:
            if style == "await":
                connection = await connect(client)
                assert isinstance(connection, ClusterGraph)
                await ways.tutorial(ByMap(client), data)
                connection.close()
            else:
                async with connect(client) as connection:
                    await ways.tutorial(ByMap(client), data)
                    everything = await connection.nodes()
                    assert graph[0].items() <= ways.shape(everything).items()
                    current_session().graph.clear()
                    await connection.sync()
                    assert graph[0].items() <= ways.shape(in_memory()).items()
                    return
        assert_graph(graph)

    asyncio.run(main())


def test_workers_that_join_later_take_part(session, data, serial, bodies):
    _, graph = serial("nested")
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
        connect(client),
    ):
        old = set(client.scheduler_info()["workers"])
        cluster.scale(2)
        client.wait_for_workers(2, 30)
        (new,) = set(client.scheduler_info(n_workers=-1)["workers"]) - old
        hows = ["map", "submit", "delayed", "get_client", "impure"]
        client.gather([client.submit(with_caller(pm.orchestrate), how, data.paths, workers=[new]) for how in hows])
        assert_graph(graph)


def test_preloads(tmp_path, session, data, serial):
    """A cluster started by hand, with the graph kept before any client came."""
    _, graph = serial("tutorial")
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    env = {**os.environ, "PYTHONPATH": path}
    dask_command = str(Path(sys.executable).with_name("dask"))
    preload = ["--preload", "dask_plugin.preload", "--dashboard-address", ":0"]
    file = tmp_path / "scheduler.json"
    with contextlib.ExitStack() as stack:

        def start(*arguments):
            with open(tmp_path / "log", "a") as log:
                process = subprocess.Popen([dask_command, *arguments, *preload], env=env, stdout=log, stderr=log)
            stack.callback(process.wait, 30)
            stack.callback(process.kill)

        address = ["--scheduler-file", str(file)]
        start("scheduler", "--port", "0", *address)
        start("worker", "--nthreads", "1", "--no-nanny", *address)
        with Client(scheduler_file=str(file), timeout=30) as client:
            client.wait_for_workers(1, 30)
            ways.tutorial(ByMap(client), data)
            assert in_memory() == {}, "this client did not connect"
            with connect(client) as connection:
                assert ways.shape(connection.nodes()) == graph[0]
                ways.tutorial(ByMap(client), data)
                assert_graph(graph)


# -- delayed takes what dask.delayed takes, and gives the same


def test_pure_calls_merge():
    pure = delayed(pm.leaf, pure=True)
    assert pure("a", 1).key == pure("a", 1).key
    assert delayed(pm.leaf, pure=True)("a", 1).key == pure("a", 1).key
    assert pure("a", 1).key != pure("a", 2).key
    assert delayed(pm.leaf)("a", 1).key != delayed(pm.leaf)("a", 1).key
    assert pure("a", 1, pure=False).key != pure("a", 1).key
    leaf = delayed(pm.leaf)
    assert leaf("a", 1, pure=True).key == leaf("a", 1, pure=True).key != leaf("a", 1).key
    with dask.config.set(delayed_pure=True):
        assert delayed(pm.leaf)("a", 1).key == pure("a", 1).key


def test_pure_calls_of_two_callers_do_not_merge(session, data, tmp_path):
    keys = []

    def build(n):
        keys.append(delayed(pm.leaf, pure=True)("a", 1).key)
        keys.append(delayed(pm.leaf, pure=True)("a", 1).key)
        return n

    build = current_cached(tmp_path)(build)
    build(1), build(2)
    assert len(keys) == 4 and len(set(keys)) == 2


def current_cached(tmp_path):
    from cachepy import cache_file

    return cache_file(tmp_path / "cache", ignore_globals=["keys"])


TOKENS = """
import os, sys, json, pipeline_module as pm
from dask.base import tokenize
from dask_plugin import delayed, with_caller
print(json.dumps([tokenize(with_caller(pm.leaf)), delayed(pm.leaf, pure=True)("a", 1).key, delayed(pm.leaf, pure=True).key]))
"""


def test_tokens_are_equal_in_other_processes(tmp_path):
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    found = set()
    for seed in "1", "2":
        env = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", TOKENS], env=env, capture_output=True, text=True, check=True, timeout=60)
        found.add(run.stdout)
    assert len(found) == 1
    token, key, leaf_key = json.loads(found.pop())
    assert token == dask.base.tokenize(with_caller(pm.leaf))
    assert key == delayed(pm.leaf, pure=True)("a", 1).key
    assert leaf_key == delayed(pm.leaf, pure=True).key


def test_names_and_keys():
    assert delayed(pm.leaf)("a", 1).key.startswith("leaf-")
    assert delayed(pm.leaf, pure=True)("a", 1).key.startswith("leaf-")
    assert delayed(pm.leaf)("a", 1, dask_key_name="mine").key == "mine"
    assert delayed(pm.leaf, name="other").key == dask.delayed(pm.leaf, name="other").key == "other"
    assert delayed(3, name="three").key == "three"
    assert delayed(len)([1]).key.startswith("len-")


def test_submit_names_its_tasks(client, data):
    future = client.submit(with_caller(pm.leaf), data.tag, 1)
    assert future.key.startswith("leaf-")
    assert future.result() == [data.tag, 1]
    assert client.submit(with_caller(pm.leaf), data.tag, 1).key == future.key
    assert client.submit(with_caller(pm.leaf), data.tag, 1, pure=False).key != future.key
    assert client.submit(with_caller(pm.leaf), data.tag, 1, key="my-key").key == "my-key"


def test_nout(session, data):
    one, other = delayed(pm.leaf, nout=2)(data.tag, 5)
    assert dask.compute(one, other, scheduler="sync") == (data.tag, 5)
    assert len(delayed(pm.leaf, nout=2)(data.tag, 5)) == 2
    with pytest.raises(TypeError, match="length"):
        list(delayed(pm.leaf)(data.tag, 5))
    with pytest.raises(ValueError, match="nout"):
        delayed(pm.leaf, nout=-1)


def test_traverse():
    inner = dask.delayed(pm.double)(2)
    assert delayed([inner, 1]).compute(scheduler="sync") == [4, 1]
    (kept, one) = delayed([inner, 1], traverse=False).compute(scheduler="sync")
    assert isinstance(kept, Delayed) and one == 1


def test_leaf_attributes():
    mine, theirs = delayed(pm.leaf), dask.delayed(pm.leaf)
    assert isinstance(mine, type(theirs))
    assert mine.__name__ == theirs.__name__ == "leaf"
    assert mine.__doc__ == theirs.__doc__
    assert delayed(with_caller).__doc__ == with_caller.__doc__
    assert delayed(ways.serial_run).__doc__ == ways.serial_run.__doc__
    assert mine.__wrapped__ is pm.leaf
    assert repr(mine).startswith("Delayed('leaf-")
    assert mine.compute(scheduler="sync")("a", 3) == ["a", 3]


def test_what_is_no_function():
    already = dask.delayed(pm.double)(2)
    assert delayed(already) is already
    assert delayed(7).compute(scheduler="sync") == 7
    assert delayed("text").upper().compute(scheduler="sync") == "TEXT"
    setting = delayed(pm.Setting)(3)
    assert setting.scaled(4).compute(scheduler="sync") == 12
    assert (setting.factor + 1).compute(scheduler="sync") == 4
    assert delayed({"a": [already]})["a"][0].compute(scheduler="sync") == 4
    assert delayed(pm.Setting(3)).scaled(delayed(2)).compute(scheduler="sync") == 6
    assert delayed(None).compute(scheduler="sync") is None


def test_functions_that_are_not_cached():
    assert delayed(pm.double)(delayed(pm.double)(2)).compute(scheduler="sync") == 8
    assert delayed(partial(pm.double, 3))().compute(scheduler="sync") == 6
    assert delayed(pm.Setting(5).scaled)(2).compute(scheduler="sync") == 10
    assert delayed(lambda x: x + 1)(2).compute(scheduler="sync") == 3
    assert delayed(with_caller(pm.double))(2).compute(scheduler="sync") == 4


def test_as_a_decorator():
    @delayed
    def plus(a, b=1):
        return a + b

    assert plus(1).compute(scheduler="sync") == 2
    assert plus(1, b=plus(2)).compute(scheduler="sync") == 4


# -- keys


ARGUMENTS = {
    "function": lambda: (pm.double, 2),
    "partial": lambda: (partial(pm.leaf.__wrapped__, number=4), 2),
    "method": lambda: (pm.Setting(3).scaled, 2),
    "class": lambda: (pm.Setting, 2),
    "instance": lambda: (pm.double, pm.Setting(2, ("x", "y"))),
    "cached function": lambda: (pm.normalize, {"a": 1}),
    "lambda": lambda: ((lambda x: x * 3), 2),
    "set": lambda: (pm.double, {"a", "b", "c", ("d", 1.5)}),
    "path": lambda: (pm.double, Path("relative/file.txt")),
    "builtin": lambda: (len, [1, 2]),
}


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_keys_are_equal_on_client_and_workers(kind, client):
    arguments = ARGUMENTS[kind]()
    found = client.run(lambda *args: pm.apply.key(*args), *arguments)
    assert set(found.values()) == {pm.apply.key(*arguments)}
    assert len(found) == 2


@pytest.mark.parametrize("kind", ["function", "partial", "method", "class", "cached function", "lambda"])
def test_code_as_an_argument(kind, client, bodies):
    fn, value = ARGUMENTS[kind]()
    client.run(pm.apply.clear)
    first = client.submit(with_caller(pm.apply), fn, value).result()
    assert repr(first) == repr(fn(value))
    (node,) = [n for n in cache_tree_nodes().values() if n["fname"] == "apply"]
    assert node["hash"] == pm.apply.key(fn, value)
    assert bodies.ran().count("apply") == 1
    assert pm.apply.explain(fn, value).reasons == ()
    assert repr(pm.apply(fn, value)) == repr(first), "what the worker stored is a hit here"
    assert bodies.ran() == []


def test_sending_an_instance_leaves_the_code_of_its_class_as_it_was(session):
    before = session.reader.digest(pm.Fresh)
    dask.base.tokenize(pm.Fresh(1))
    pickle.dumps(pm.Fresh(1))
    assert session.reader.digest(pm.Fresh) == before


# -- functions of __main__


SCRIPT = """
import json, os, sys
from dataclasses import dataclass
from pathlib import Path

from cachepy import cache_file, cache_tree_nodes, cache_tree_reset, current_session, track_file

CACHE = os.environ["MAIN_CACHE"]
FACTOR = 3


def say(name):
    out = os.open(os.environ["MAIN_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(out, f"{name}\\n".encode())
    os.close(out)


@dataclass(frozen=True)
class Unit:
    name: str
    size: int = FACTOR

    def of(self, value):
        return helper(value) * self.size


def helper(value):
    return value * FACTOR


@cache_file(CACHE)
def load(path):
    say("load")
    return len(track_file(path).read_text())


@cache_file(CACHE)
def scale(unit, value):
    say("scale")
    return [unit.name, unit.of(value)]


@cache_file(CACHE)
def twice(path, unit, fn):
    say("twice")
    return [scale(unit, load(path)), fn(load(path))]


@cache_file(CACHE)
def countdown(n):
    say("countdown")
    return [n, *(countdown(n - 1) if n else [])]


def work(run):
    paths = [Path(p) for p in sys.argv[2:]]
    return run([(twice, p, Unit("cm"), helper) for p in paths] + [(countdown, 3), (scale, Unit("m"), 5)])


def picture():
    parts = "id", "fname", "module", "hash", "parents", "children", "file_hashes", "inputs", "qualname"
    return {i: {p: n[p] for p in parts} for i, n in cache_tree_nodes().items()}


def traces():
    return {e.id: [sorted(map(repr, e.trace.deps)), sorted(map(repr, e.trace.calls))] for e in current_session().graph.events()}


if __name__ == "__main__":
    rounds = []
    if sys.argv[1] == "serial":
        for _ in range(2):
            cache_tree_reset()
            rounds.append([work(lambda calls: [f(*a) for f, *a in calls]), picture(), traces()])
    else:
        import dask
        from distributed import Client, LocalCluster
        from dask_plugin import connect, delayed, with_caller

        ways = {
            "submit": lambda calls: client.gather([client.submit(with_caller(f), *a) for f, *a in calls]),
            "delayed": lambda calls: list(dask.compute(*[delayed(f)(*a) for f, *a in calls])),
            "plain": lambda calls: client.gather([client.submit(f, *a) for f, *a in calls]),
        }
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster) as client:
            with connect(client):
                for _ in range(2):
                    cache_tree_reset()
                    rounds.append([work(ways[sys.argv[1]]), picture(), traces()])
    print(json.dumps(rounds))
"""


def test_functions_of_main(tmp_path):
    script = tmp_path / "my_script.py"
    script.write_text(SCRIPT)
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for number, file in enumerate(files):
        file.write_text("x" * (10 + number))

    def run(way):
        log = tmp_path / f"{way}.log"
        env = {**os.environ, "PYTHONPATH": str(ROOT), "MAIN_CACHE": str(tmp_path / "cache" / way), "MAIN_LOG": str(log)}
        command = [sys.executable, str(script), way, *map(str, files)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr, done.stderr
        return json.loads(done.stdout), sorted(log.read_text().split())

    (first, again), ran = run("serial")
    assert first == again
    assert len(ran) == len(first[1]) == 11
    for way in "submit", "delayed", "plain":
        (cold, warm), names = run(way)
        assert names == ran, way
        assert cold[:2] == first[:2], way
        for call, trace in first[2].items():
            assert cold[2][call] == trace, (way, call)
        assert warm == cold, way


# -- a worker with other code


MODULE = """
import os
from cachepy import cache_file

@cache_file(os.environ["PIPE_CACHE"])
def edited(x):
    return [x, {number}]

@cache_file(os.environ["PIPE_CACHE"])
def outer(x):
    return edited(x)
"""


@pytest.fixture
def edited_module(client, tmp_path, monkeypatch):
    """A module that the workers and this process have imported, then edited and reloaded here only."""
    name = f"edited_{tmp_path.name}"
    path = tmp_path / f"{name}.py"
    path.write_text(MODULE.format(number=1))
    monkeypatch.syspath_prepend(tmp_path)
    client.run(lambda: (sys.path.insert(0, str(tmp_path)), importlib.import_module(name), None)[-1])
    module = importlib.import_module(name)
    assert client.submit(with_caller(module.edited), 1).result() == [1, 1]
    path.write_text(MODULE.format(number=2222))
    importlib.invalidate_caches()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return importlib.reload(module)


@pytest.mark.parametrize("way", ["submit", "delayed"])
def test_a_worker_with_other_code_says_so(way, client, edited_module, data):
    cache_tree_reset()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if way == "submit":
            value = client.submit(with_caller(edited_module.edited), 77).result()
        else:
            value = delayed(edited_module.edited)(77).compute()
        client.run(lambda: None)
    assert value == [77, 1], "the worker ran what it has"
    said = [str(w.message) for w in caught]
    assert any("edited" in text and "restart" in text.lower() for text in said), said
    assert cache_tree_nodes() == {}
    assert not edited_module.edited.is_cached(77)
    assert edited_module.edited.explain(77).state == "missing", "nothing was stored, under any trace"
    assert edited_module.edited(77) == [77, 2222]
