"""Clusters, and the graph that a serial run of the same work gives.

Serial runs happen in a process of their own, with a cache directory of their own: keys do not
depend on the directory, so the two graphs can be compared by ids.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

_HOME = tempfile.mkdtemp(prefix="cachepy-dask-")
os.environ["PIPE_CACHE"] = os.path.join(_HOME, "cluster")
os.environ["PIPE_LOG"] = os.path.join(_HOME, "log")
sys.path.insert(0, str(Path(__file__).parent))

import ways  # noqa: E402
from distributed import Client, LocalCluster  # noqa: E402

from cachepy.session import Session, use_session  # noqa: E402
from dask_plugin import connect  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def home():
    yield Path(_HOME)
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def pool(home):
    """One process whose environment says: serial, another cache, another log."""
    changes = {"PIPE_CACHE": f"{home}/serial", "PIPE_LOG": f"{home}/serial-log", "PIPE_MODE": "serial"}
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor, pytest.MonkeyPatch.context() as patch:
        for name, value in changes.items():
            patch.setenv(name, value)
        started = executor.submit(os.getenv, "PIPE_MODE")
        assert started.result(60) == "serial"
        patch.undo()
        yield executor


@pytest.fixture
def serial(pool, data):
    """``serial(work)``: values and graph of the serial run of a workload with this test's data."""

    def run(work, data=data):
        return pool.submit(ways.serial_run, work, data).result(60)

    return run


@pytest.fixture
def data(tmp_path):
    return ways.Data(tmp_path)


@pytest.fixture
def session():
    """A graph of the test's own in this process."""
    with use_session(Session()) as mine:
        yield mine


class Bodies:
    """Which bodies ran, in any process."""

    def __init__(self) -> None:
        self.path = Path(os.environ["PIPE_LOG"])
        self.seen = len(self._lines())

    def _lines(self):
        return self.path.read_text().splitlines() if self.path.exists() else []

    def ran(self):
        """The names of the functions that ran since the last question."""
        lines = self._lines()
        new, self.seen = lines[self.seen :], len(lines)
        return sorted(line.split()[0] for line in new)


@pytest.fixture
def bodies():
    return Bodies()


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as made:
        yield made


@pytest.fixture
def client(cluster, session):
    """A client of two one-thread worker processes, connected; it sees its own session only."""
    with Client(cluster) as made, connect(made):
        yield made
