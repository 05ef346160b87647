"""A worker that was started by Dask's own command: its ``__main__`` is not the script's."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.programs import Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCRIPT = """
    import enum
    from dataclasses import dataclass

    from distributed import Client

    from cachepy import cache_file
    from dask_plugin import connect, delayed

    class Colour(enum.Enum):
        RED = 1

    class Mark:
        size = 1

    @dataclass
    class Point:
        x: int

    FACTOR = 2

    def helper(x):
        return x * FACTOR

    @cache_file("c", warn_cheap=False)
    def f(x, given=None):
        with open("log", "a") as log:
            log.write("f ")
        return helper(x) * Mark.size

    def key(x, given):
        return f.key(x, given)

    if __name__ == "__main__":
        with Client(scheduler_file="sched.json") as client:
            connect(client)
            print("values", delayed(f)(3).compute(), client.submit(f, 4).result())
            values = [None, Colour.RED, Mark, Point(3), helper, [Colour, Point, Mark]]
            told = client.gather([client.submit(key, 3, value, pure=False) for value in values])
            print("keys", told == [f.key(3, value) for value in values])
            before = open("log").read()
            print("hits", [f(3), f(4)], open("log").read() == before)
    """
TIMEOUT = 60


def start(folder: Path, name: str, *argv: str) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("ab") as log:
        command = [sys.executable, "-m", f"distributed.cli.{name}", "--scheduler-file", "sched.json", "--no-dashboard", *argv]
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Path]:
    """A scheduler and a worker that know nothing of the script."""
    scheduler = start(tmp_path, "dask_scheduler", "--host", "127.0.0.1", "--port", "0")
    end = time.monotonic() + TIMEOUT
    while not (tmp_path / "sched.json").exists() and time.monotonic() < end:
        time.sleep(0.05)
    worker = start(tmp_path, "dask_worker", "--nthreads", "1")
    yield tmp_path
    for process in (worker, scheduler):
        process.terminate()
        process.wait(TIMEOUT)


def test_a_script_on_a_worker_of_the_command_line(cluster: Path) -> None:
    project = Project(cluster)
    for text, values in ((SCRIPT, [6, 8]), (SCRIPT.replace("FACTOR = 2", "FACTOR = 3"), [9, 12])):
        project.write("main.py", text)
        done = project.run("main.py", code=None, limit=TIMEOUT)
        assert done.lines == [f"values {values[0]} {values[1]}", "keys True", f"hits {values} True"], done.stderr
