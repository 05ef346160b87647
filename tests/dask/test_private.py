"""What `dask_plugin` uses of Dask that has no public name, and of its servers: that it is there and does what we need.

If one of these fails with a new release of Dask, mend `dask_plugin/private.py` or the module that is named here.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace

import dask
import distributed
import pytest
from dask.delayed import Delayed, DelayedLeaf
from distributed import Client, LocalCluster, Scheduler
from distributed.metrics import context_meter

from dask_plugin import private, routes
from dask_plugin.now import work_of

pytestmark = pytest.mark.dask
ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "dask_plugin").glob("*.py"))


@pytest.fixture(scope="module")
def client():
    with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster, Client(cluster) as made:
        yield made


@pytest.fixture
def scheduler(client):
    return client.cluster.scheduler


@pytest.fixture
def worker(client):
    return client.cluster.workers[0]


# -- private.py


def test_the_clients_and_schedulers_of_this_process(client, scheduler):
    assert client in private.clients_here()
    assert scheduler in private.schedulers_here()


def test_who_listens_to_a_topic(client, scheduler):
    heard = []
    assert not private.is_subscribed(scheduler, "a topic")
    client.subscribe_topic("a topic", heard.append)
    client.run_on_scheduler(lambda: None)  # what was sent before is there
    until_true(lambda: private.is_subscribed(scheduler, "a topic"))
    private.stop_listening(client, "a topic")
    client.log_event("a topic", "late")
    until_true(lambda: not private.is_subscribed(scheduler, "a topic"))
    client._event_handlers["a topic"]((1.0, "still on its way"))
    assert heard == []


def until_true(look):
    from dashboards import until

    until(look)


def test_something_goes_ahead_of_what_waits_for_a_client(client, scheduler):
    stream = scheduler.client_comms[client.id]
    assert isinstance(stream.buffer, list)
    stub = SimpleNamespace(client_comms={"me": SimpleNamespace(buffer=["reported"])})
    private.publish_ahead(stub, "me", lambda: stub.client_comms["me"].buffer.append("ahead"))
    assert stub.client_comms["me"].buffer == ["ahead", "reported"]
    private.publish_ahead(stub, "another", lambda: None)


def test_what_a_delayed_is_made_of():
    leaf = dask.delayed(len)
    assert isinstance(leaf, DelayedLeaf) and private.object_of(leaf) is len
    made = dask.delayed(len, nout=2)([1, 2])
    assert private.parts_of(made)[0] == 2
    assert Delayed(made.key, made.dask, *private.parts_of(made)).compute() == 2


def test_the_nodes_of_a_graph():
    inner = private.Task("a", len, [1, 2])
    outer = private.Task("b", max, private.TaskRef("a"), 7)
    assert outer.args[0].key == "a" and outer.dependencies == {"a"}
    assert private.Alias("c", "a").target == "a" and private.DataNode("d", 5).value == 5
    assert issubclass(private.NestedContainer, private.Task) and issubclass(private.Task, private.GraphNode)
    graph = private.convert_legacy_graph({"a": (len, [1, 2]), "b": (max, "a", 7)})
    assert {key: type(node) for key, node in graph.items()} == {"a": private.Task, "b": private.Task}
    assert inner({}) == 2 and inner.func is len


# -- what has no underscore and is not documented either


SCHEDULER = {
    "plugins", "worker_plugins", "handlers", "stream_handlers", "client_comms", "tasks", "clients", "workers",
    "task_prefixes", "http_application", "log_event", "register_worker_plugin", "unregister_worker_plugin",
    "remove_plugin", "register_scheduler_plugin",
}  # fmt: skip
WORKER = {
    "plugins", "state", "executors", "active_threads", "data", "scheduler", "loop", "connection_args", "batched_send",
    "periodic_callbacks", "http_application", "plugin_add", "status", "get_current_task",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SCHEDULER))
def test_a_scheduler_has(scheduler, name):
    assert hasattr(scheduler, name)


@pytest.mark.parametrize("name", sorted(WORKER))
def test_a_worker_has(worker, name):
    assert hasattr(worker, name)


def test_handlers_can_be_wrapped(scheduler):
    assert scheduler.handlers["performance_report"] == scheduler.performance_report


def test_tasks_are_counted_by_what_became_of_them(client, scheduler):
    ended, _ = work_of(scheduler)
    client.gather(client.map(str, range(3)))
    assert work_of(scheduler) == (ended + 3, 0)
    task = client.submit(str, "kept")
    task.result()
    known = scheduler.tasks[task.key]
    assert known.state == "memory" and known in scheduler.clients[client.id].wants_what
    assert known.dependents == known.dependencies == set() and (known.annotations is None or known.annotations == {})


def test_servers_have_routes_that_can_be_found(scheduler, worker):
    assert routes.rule_of(scheduler, "/metrics").target_kwargs["dask_server"] is scheduler
    assert routes.rule_of(worker, "/metrics").target_kwargs["dask_server"] is worker
    assert routes.rule_of(scheduler, "/individual-plots.json") is not None
    assert routes.rule_of(scheduler, "/no such path") is None


def test_a_task_is_metered(client, worker):
    client.submit(lambda: context_meter.digest_metric("mine", 5.0, "seconds"), key="metered-1").result()
    until_true(lambda: [v for k, v in worker.digests_total.items() if k[-2:] == ("mine", "seconds")] == [5.0])


# -- and nothing else


def private_names(tree):
    """Names with an underscore that a module imports from Dask, or asks of what is not its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and re.match(r"(dask|distributed)\b(?!_)", node.module or ""):
            if re.search(r"(^|\.)_", node.module) or any(alias.name[0] == "_" for alias in node.names):
                yield ast.unparse(node)
        elif isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr):
            owner = ast.unparse(node.value)
            if re.search(r"\b(client|scheduler|worker|server|lazy|leaf|like|task|Client|Scheduler|Worker)$", owner):
                yield ast.unparse(node)


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "private.py"], ids=lambda path: path.stem)
def test_no_other_module_uses_private_names(path):
    assert list(private_names(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize("line", ["from dask._task_spec import Task", "from distributed.x import _y", "client._run(f)", "self.scheduler._broker"])
def test_a_private_name_is_seen(line):
    assert list(private_names(ast.parse(line)))


def test_this_release_is_supported():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bounds = dict(each.split(">=") for each in project["dependencies"] if each.startswith(("dask", "distributed")))
    assert bounds["dask"] == bounds["distributed"]
    numbers = [[*map(int, version.split(".")[:2])] for version in (bounds["distributed"], distributed.__version__)]
    assert numbers[0] <= numbers[1]
    assert isinstance(Scheduler, type)
