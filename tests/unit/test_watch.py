"""`cachepy watch`: what runs now in other processes, since when, and what a process that is gone left behind."""

from __future__ import annotations

import os
import time

import pytest

from tests.programs import Project

STEPS = """
import sys
from pathlib import Path
from cachepy import cache_file
import time

@cache_file("cache", warn_cheap=False, ignore_globals=["GO"])
def slow(n):
    Path("began").touch()
    while not Path("go").exists():
        time.sleep(0.01)
    return n

if __name__ == "__main__":
    slow(int(sys.argv[1]))
"""


@pytest.fixture
def project(tmp_path):
    with Project(tmp_path) as made:
        made.write("steps.py", STEPS)
        (tmp_path / "go").touch()
        made.run("steps.py", "1").silent()
        (tmp_path / "go").unlink()
        (tmp_path / "began").unlink()
        yield made


def begun(project, *args):
    process = project.start(*args)
    while not (project / "began").exists():
        assert process.poll() is None
        time.sleep(0.01)
    return process


def watched(project):
    return project.cachepy("watch", "--json", code=0).json()["calls"]


def test_what_runs_is_told_with_its_process(project):
    assert watched(project) == []
    assert project.cachepy("watch", "--once", code=0).stderr.endswith("nothing runs\n")
    process = begun(project, "steps.py", "2")
    (call,) = watched(project)
    assert (call["title"], call["pid"], call["is_alive"]) == ("slow(…)", process.pid, True)
    assert call["call"].startswith("slow:") and call["host"] == os.uname().nodename
    assert call["since"] is None or 0 <= time.time() - call["since"] < 60
    told = project.cachepy("watch", "--once", code=0).stdout
    assert told.startswith("running  slow(…)  slow:") and f" {process.pid})" in told
    (project / "go").touch()
    project.finish(process)
    assert watched(project) == []


def test_arguments_are_told_where_an_earlier_run_is_stored(project):
    process = begun(project, "-c", "import steps; steps.slow(1, _force=True)")
    assert [call["title"] for call in watched(project)] == ["slow(1)"]
    (project / "go").touch()
    project.finish(process)


def test_what_a_killed_process_left_is_told_as_such(project):
    process = begun(project, "steps.py", "3")
    process.kill()
    process.wait()
    (call,) = watched(project)
    assert call["is_alive"] is False
    assert "which is gone" in project.cachepy("watch", "--once", code=0).stdout


def test_what_begins_and_ends_is_told_until_it_is_interrupted(project):
    watcher = project.start("-m", "cachepy", "watch", "--every", "0.1")
    time.sleep(1)
    process = begun(project, "steps.py", "4")
    time.sleep(1)
    (project / "go").touch()
    project.finish(process)
    time.sleep(1)
    watcher.send_signal(2)
    out = project.finish(watcher, code=0).stdout
    assert [line.split()[:2] for line in out.splitlines()] == [["running", "slow(…)"], ["ended", "slow(…)"]]
