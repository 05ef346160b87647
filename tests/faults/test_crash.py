"""SIGKILL at every moment of a write: what is read later is right, the graph is whole, nothing left behind blocks or grows.

The deaths happen in `crash_program`, a program of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from cachepy.store import claims

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
AT_ONCE = 1.0  # s that a run may mean to sleep because of what a dead process of this host left
SMALL, LARGE = "40000", "600000"  # numbers of 8 bytes: just mapped; several MB


def crash(folder: Path, *args: Any, size: str = SMALL, twice: bool = False, limit: float = 280) -> dict[str, Any]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "CRASH_SIZE": size, "CRASH_TWICE": str(int(twice))}
    command = [sys.executable, str(HERE / "crash_program.py"), args[0], str(folder), *map(str, args[1:])]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=limit, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def checked(answer: dict[str, Any], where: object, *, torn: bool = False, mentions: bool = False) -> Any:
    """What a process found that came after a death; a record that was cut off may be mentioned."""
    assert "value" in answer, (where, answer)
    seen = answer["value"]
    unexpected = [text for text in seen["warnings"] if not ((torn or mentions) and "parts of the graph" in text)]
    assert not unexpected, (where, unexpected)
    assert seen["slept"] < (claims.LEASE + 1 if torn else AT_ONCE), (where, seen["slept"])
    return seen["value"]


def judge(answer: dict[str, Any], deaths: int = 1) -> None:
    reference = answer["graph"]["nodes"]
    assert len(reference) >= 6
    assert answer["found"]
    for each in answer["found"]:
        where, torn = (each["moment"], each["torn"]), each["torn"]
        first = checked(each["first"], where, torn=torn)
        assert not first["broken"] and set(first["nodes"]) <= set(reference), (where, first["broken"])
        checked(each["rerun"], where, torn=torn)
        second = checked(each["second"], where, torn=torn)
        assert not second["broken"], (where, second["broken"])
        assert second["nodes"] == reference, where
        if each["third"] is not None:
            assert checked(each["third"], where) == [], where
        assert len(each["left"]) <= deaths, (where, each["left"])
        assert each["pruned"] == [], where


def test_death_at_every_moment_of_a_run(tmp_path: Path) -> None:
    answer = crash(tmp_path, "each", size="36000")
    assert answer["steps"] > 50
    judge(answer)


@pytest.mark.stress
def test_death_at_every_moment_of_a_run_that_keeps_older_values(tmp_path: Path) -> None:
    judge(crash(tmp_path, "each", size=LARGE, twice=True, limit=1500))


@pytest.mark.stress
@pytest.mark.parametrize("first", [12, 20, 28, 36])
def test_death_in_the_run_after_a_death(tmp_path: Path, first: int) -> None:
    judge(crash(tmp_path, "each", first, limit=1500), deaths=2)


def random_deaths(folder: Path, count: int, size: str) -> dict[str, Any]:
    answer = crash(folder, "random", count, 20261122, size=size, twice=True, limit=1500)
    killed = False  # a write that the kernel cut off in the middle of a record may be mentioned from then on
    for number, turn in enumerate(answer["turns"]):
        killed |= turn["end"] == "killed"
        first = checked(turn["first"], number, mentions=killed)
        checked(turn["rerun"], number, mentions=killed)
        second = checked(turn["second"], number, mentions=killed)
        assert not first["broken"] and not second["broken"], number
    assert not any(checked(answer["again"], "again", mentions=killed)[-1])
    assert sum(turn["end"] == "killed" for turn in answer["turns"]) >= count / 4, "most ended before they were killed"
    nodes = [turn["second"]["value"]["value"]["nodes"] for turn in answer["turns"]]
    assert len({b - a for a, b in zip(nodes, nodes[1:], strict=False)}) == 1, "each turn adds the same number of nodes"
    assert answer["gone"] == []
    return answer


def test_death_at_random_moments(tmp_path: Path) -> None:
    random_deaths(tmp_path, 20, SMALL)


@pytest.mark.stress
def test_death_at_200_random_moments(tmp_path: Path) -> None:
    answer = random_deaths(tmp_path, 220, LARGE)
    assert len(answer["turns"][-1]["left"]) < 20, "what is left behind grows"


# -- owners that are gone

OWNER = """
import os, sys, time
from cachepy import cache_file
from cachepy.store import owner as owners
HOST, ROLE = sys.argv[1:3]
if HOST != "here":
    owners.host_id = lambda: HOST

@cache_file("cache", ignore_globals=["ROLE", "slept"])
def slow(x):
    with open("log", "a") as file:
        file.write(ROLE + "\\n")
    if ROLE == "forks":
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
    if ROLE != "waits":
        print("running", flush=True)
        time.sleep(6 if ROLE == "long" else 60)
    return 2 * x

slept, real = [], time.sleep
import threading
main = threading.main_thread()
def sleep(seconds):
    if threading.current_thread() is main:
        slept.append(seconds)
    real(seconds)
time.sleep = sleep
assert slow(4) == 8
print(sum(slept), flush=True)
"""


def start(place: Path, host: str, role: str) -> subprocess.Popen[str]:
    (place / "owner.py").write_text(OWNER)
    command = [sys.executable, "owner.py", host, role]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command,
        cwd=place,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def die_and_wait(place: Path, host: str, role: str) -> float:
    """How long another process means to sleep for the claim of one that is killed; on what it takes for its host."""
    with start(place, host, role) as owner:
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == "running\n"
            os.kill(owner.pid, 9)
            os.waitpid(owner.pid, 0)
            with start(place, "here", "waits") as waiter:
                out, _ = waiter.communicate(timeout=60)
        finally:
            os.killpg(owner.pid, 9) if role == "forks" else None
    assert waiter.returncode == 0
    assert (place / "log").read_text().split() == [role, "waits"]
    return float(out)


@pytest.mark.parametrize("role", ["alone", "forks"])
def test_a_dead_owner_on_this_host_is_noticed_at_once(tmp_path: Path, role: str) -> None:
    assert die_and_wait(tmp_path, "here", role) < 0.01


def test_a_dead_owner_on_another_host_is_noticed_by_its_heartbeat(tmp_path: Path) -> None:
    assert claims.LEASE - 0.5 < die_and_wait(tmp_path, "elsewhere", "alone") < claims.LEASE + 3


def test_a_live_owner_on_another_host_is_waited_for(tmp_path: Path) -> None:
    with start(tmp_path, "elsewhere", "long") as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "running\n"
        with start(tmp_path, "here", "waits") as waiter:
            waiter.communicate(timeout=60)
        assert owner.wait(60) == 0
    assert waiter.returncode == 0
    assert (tmp_path / "log").read_text().split() == ["long"]


WITHOUT_LOCKS = """
import errno, fcntl, os, sys
def refuse(*_):
    raise OSError(errno.ENOLCK, "No locks available")
fcntl.flock = fcntl.lockf = refuse
from cachepy import cache_file, cache_tree_nodes, cache_tree_reset, cache_tree_sync

@cache_file("cache", warn_cheap=False)
def leaf(x):
    return [x] * 50

@cache_file("cache", warn_cheap=False)
def top(x):
    return sum(leaf(x + i)[0] for i in range(3))

first = int(sys.argv[1])
if first >= 0:
    for x in range(first, 160, 1):
        assert top(x) == 3 * x + 3
for x in range(160):
    assert top(x) == 3 * x + 3
cache_tree_reset()
cache_tree_sync("cache")
print(len(cache_tree_nodes()), sum(len(n["children"]) for n in cache_tree_nodes().values()))
"""


def test_several_writers_where_there_are_no_locks(tmp_path: Path) -> None:
    (tmp_path / "writer.py").write_text(textwrap.dedent(WITHOUT_LOCKS))
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}

    def run(first: int) -> subprocess.Popen[str]:
        command = [sys.executable, "writer.py", str(first)]
        return subprocess.Popen(
            command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    writers = [run(first) for first in (0, 40, 80, 120)]
    for writer in writers:
        out, err = writer.communicate(timeout=60)
        assert writer.returncode == 0, err
    with run(-1) as reader:
        out, err = reader.communicate(timeout=60)
    assert out.split() == [str(160 + 162), str(480)], err
