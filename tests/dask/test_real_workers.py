"""Scheduler and workers as people start them, by Dask's commands; a script that is edited between two runs.

The workers live on. `python -m distributed.cli.dask_worker` is what dask-jobqueue starts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from test_cells import PROGRAMS, run

pytestmark = pytest.mark.dask

SCRIPT = """
    import json, sys, os
    from concurrent.futures import ThreadPoolExecutor
    from functools import partial
    from pathlib import Path
    from dask.distributed import Client
    import dask
    from cachepy import cache_file
    from dask_plugin import connect, delayed, with_caller
    import beside

    cached = cache_file("c", warn_cheap=False)
    FACTOR = NUMBER
    TABLE = {"k": NUMBER}

    @cached
    def body(x): return x * NUMBER

    def helper(x): return x * NUMBER
    @cached
    def by_helper(x): return helper(x)

    @cached
    def by_global(x): return x * FACTOR

    @cached
    def by_table(x): return x * TABLE["k"]

    @cached
    def by_default(x, k=NUMBER): return x * k

    class Model:
        scale = NUMBER
        def times(self, x): return x * NUMBER
        @cached
        def method(self, x): return x * NUMBER
    @cached
    def by_class(x): return Model().times(x)
    @cached
    def by_attribute(x): return x * Model.scale
    @cached
    def by_method(x): return Model().method(x)
    @cached
    def by_object(model, x): return model.times(x)

    class Child(Model): pass
    @cached
    def by_base(x): return Child().times(x)

    @cached
    def below(x): return body(x)
    @cached
    def far_below(x): return below(x)

    def make(k):
        def inner(x): return x * k
        return inner
    made = make(NUMBER)
    @cached
    def by_closure(x): return made(x)

    by_lambda = cached(lambda x: x * NUMBER)

    part = partial(lambda k, x: x * k, NUMBER)
    @cached
    def by_partial(x): return part(x)

    @cached
    def by_function(fn, x): return fn(x)

    @cached
    def local(x):
        @cached
        def inner(y): return y * NUMBER
        return inner(x)

    @cached
    def by_constant(x):
        return x * {2: 2, 3: 3}[NUMBER]

    @cached
    def from_task(x):
        from distributed import worker_client
        with worker_client() as client:
            return client.submit(with_caller(body), x, pure=False).result()

    @cached
    def by_loky(x):
        from joblib import Parallel, delayed
        return Parallel(2, backend="loky")(delayed(with_caller(body))(x) for _ in range(2))[0]

    def plain(x): return body(x)

    CALLS = {
        **{fn.__name__: (fn, 10) for fn in (
            body, by_helper, by_global, by_table, by_default, by_class, by_attribute, by_method, by_base, below, far_below,
            by_closure, by_lambda, by_partial, local, by_constant, from_task, plain, LOKY
        )},
        "by_object": (by_object, Model(), 10),
        "by_function": (by_function, helper, 10),
        "by_cached_function": (by_function, body, 10),
        "cached_bound": (Model().method, 10),
    }

    if __name__ == "__main__":
        with Client(scheduler_file="sched.json") as client, connect(client):
            futures = {}
            for name, (fn, *args) in CALLS.items():
                futures[name] = client.submit(with_caller(fn), *args), client.submit(fn, *args)
                lazy = client.compute([delayed(fn)(*args), dask.delayed(fn, pure=True)(*args)])
                futures[name] += tuple(lazy)
            found = {name: [f.result() for f in each] for name, each in futures.items()}
            client.run(len, "")
        print(json.dumps(found))
"""


def start(folder, stack, *argv):
    """A process of ours, stopped at the end."""
    log = stack.enter_context((folder / "log").open("ab"))
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "DASK_DISTRIBUTED__WORKER__DAEMON": "False"}
    command = [*argv, "--scheduler-file", "sched.json"]
    made = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environ)

    def stop():
        made.terminate()
        made.wait(30)

    stack.callback(stop)
    return made


SCHEDULER = sys.executable, "-m", "distributed.cli.dask_scheduler"
BY_MODULE = sys.executable, "-m", "distributed.cli.dask_worker"
ONE_THREAD = "--nthreads", "1", "--no-dashboard"
WORKERS = {
    "as dask-jobqueue starts them": (*BY_MODULE, *ONE_THREAD),
    "without a nanny": (*BY_MODULE, *ONE_THREAD, "--no-nanny"),
    "dask worker": (str(Path(sys.executable).with_name("dask")), "worker", *ONE_THREAD),
}


@contextmanager
def real_cluster(folder, worker):
    with ExitStack() as stack:
        scheduler = start(folder, stack, *SCHEDULER, "--no-dashboard", "--port", "0")
        until = time.monotonic() + 60
        while not (folder / "sched.json").exists():
            assert scheduler.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.05)  # for a file of another process
        start(folder, stack, *WORKERS[worker])
        yield json.loads((folder / "sched.json").read_text())["address"]


@pytest.fixture(scope="module", params=WORKERS)
def told(request, tmp_path_factory):
    """What the script gave for each number, and what it said."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "beside.py").write_text("")
    found = []
    has_children = request.param != "as dask-jobqueue starts them"  # its workers are daemons, which may have none
    with real_cluster(folder, request.param):
        for number in 2, 3:
            text = textwrap.dedent(SCRIPT).replace("LOKY", "by_loky" if has_children else "").replace("NUMBER", str(number))
            (folder / "main.py").write_text(text)
            done = subprocess.run(
                [sys.executable, "main.py"], cwd=folder, capture_output=True, text=True, timeout=200, check=False
            )
            assert done.returncode == 0, done.stderr[-3000:] + (folder / "log").read_text()[-3000:]
            found.append((number, json.loads(done.stdout), done.stderr))
    return found


def test_an_edited_script_gives_the_new_values(told):
    wrong = {
        (number, name): values
        for number, found, _ in told
        for name, values in found.items()
        if values != [10 * number] * 4
    }
    assert wrong == {}


def test_what_a_script_sends_is_no_other_code(told):
    assert [line for _, _, said in told for line in said.splitlines() if "OtherCodeWarning" in line] == []


def test_edited_cells_give_the_new_values(tmp_path):
    with real_cluster(tmp_path, "as dask-jobqueue starts them") as address:
        found, said = run(address, PROGRAMS, [2, 3], PIPE_CACHE=str(tmp_path / "c"))
    assert [row for row in found if row[3] != 10 * row[1] + 1] == []
    assert "OtherCodeWarning" not in said
