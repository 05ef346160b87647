"""Clusters some processes of which have no cachepy: `connect` says where, and the cluster works on as it did."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from distributed import Client

from cachepy import UsageError
from cachepy.session import Session, use_session
from dask_plugin import OtherCodeWarning, connect

pytestmark = pytest.mark.dask
TIMEOUT = 60
HIDDEN = """
import sys

class Hidden:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        hides = name.partition(".")[0] in ("cachepy", "dask_plugin")
        return None if hides else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Hidden, sys.meta_path)
"""


class Cluster:
    """A scheduler by Dask's own command, and workers, each with cachepy or without."""

    def __init__(self, folder, has_it):
        self.folder = folder
        self.processes = []
        (folder / "hidden").mkdir()
        (folder / "hidden" / "sitecustomize.py").write_text(HIDDEN)
        self.start("scheduler", has_it, "--host", "127.0.0.1", "--port", "0")
        end = time.monotonic() + TIMEOUT
        while not (folder / "sched.json").exists() and time.monotonic() < end:
            time.sleep(0.05)

    def start(self, what, has_it, *argv):
        path = "" if has_it else str(self.folder / "hidden")
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--scheduler-file", "sched.json", *argv]
        with (self.folder / "log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(
                    [*command, "--no-dashboard"], cwd=self.folder, env={**os.environ, "PYTHONPATH": path},
                    stdout=log, stderr=log,
                )
            )  # fmt: skip

    def add_worker(self, client, has_it):
        count = len(client.scheduler_info()["workers"])
        self.start("worker", has_it, "--nthreads", "1", "--no-nanny")
        client.wait_for_workers(count + 1, timeout=TIMEOUT)


@contextmanager
def cluster(folder, has_it):
    made = Cluster(folder, has_it)
    try:
        with use_session(Session()), Client(scheduler_file=str(folder / "sched.json")) as client:
            yield made, client
    finally:
        for process in reversed(made.processes):
            process.kill()
            process.wait()


def works(client):
    return client.submit(sum, [1, 2], pure=False).result(TIMEOUT) == 3


@pytest.mark.parametrize(
    ("has_it", "message"),
    [
        ((False, True), r"the scheduler tcp.*cannot import dask_plugin.*install.*cachepy-dask"),
        ((True, False), r"no worker of tcp.*has cachepy.*install.*cachepy-dask"),
    ],
    ids=["the scheduler", "all workers"],
)
def test_where_it_is_missing(tmp_path, has_it, message):
    with cluster(tmp_path, has_it=has_it[0]) as (made, client):
        made.add_worker(client, has_it=has_it[1])
        with pytest.raises(UsageError, match=message):
            connect(client)
        assert works(client)
        made.add_worker(client, has_it=has_it[1])
        assert len(client.scheduler_info()["workers"]) == 2
        assert works(client)


def test_some_workers(tmp_path):
    with cluster(tmp_path, has_it=True) as (made, client):
        made.add_worker(client, has_it=True)
        made.add_worker(client, has_it=False)
        with pytest.warns(OtherCodeWarning, match=r"the worker tcp.*cannot import dask_plugin"):
            graph = connect(client)
        with graph:
            assert works(client)
            made.add_worker(client, has_it=False)
            made.add_worker(client, has_it=True)
            assert works(client)
            assert "2 of 4 workers" in repr(graph)
