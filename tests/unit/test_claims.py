"""Claims: one owner at a time, on one host and as two hosts see each other."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time

import pytest

from cachepy import claims, wire
from cachepy.claims import Claims, process_start

REAL = claims.LEASE, claims.HEARTBEAT
LEASE = 0.4  # s, instead of 4


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(claims, "LEASE", LEASE)
    monkeypatch.setattr(claims, "HEARTBEAT", LEASE / 4)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "f-0123.claim")


def host(name):
    made = Claims()
    made.owner().host = name
    return made


def write(path, *content):
    with open(path, "wb") as file:
        file.write(wire.dumps(content))


def wait_for(waiter, path, limit):
    """The claim and how long it took, in seconds; None if it was not to be had in time."""
    began = time.monotonic()
    while time.monotonic() - began < limit:
        claim = waiter.acquire(path)
        if claim is not None:
            return claim, time.monotonic() - began
        time.sleep(0.01)
    return None, limit


def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_real_lease_is_short_enough():
    lease, beat = REAL
    assert 3 * beat <= lease < 5 - 0.5  # beats that may be late, looks of a waiter in between


def test_one_has_it(path):
    one, other = Claims(), Claims()
    claim = one.acquire(path)
    assert other.acquire(path) is None and one.acquire(path) is None
    assert other.is_held(path)
    one.release(claim)
    assert not other.is_held(path)
    assert other.acquire(path) is not None


def test_many_threads(path):
    mine, taken = Claims(), []
    start = threading.Barrier(8)

    def take():
        start.wait()
        claim = mine.acquire(path)
        if claim is not None:
            taken.append(claim)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1


def test_another_host_that_touches_is_respected(path):
    one, other = host("a"), host("b")
    claim = one.acquire(path)
    assert wait_for(other, path, 3 * LEASE) == (None, 3 * LEASE)
    one.release(claim)
    assert other.acquire(path) is not None


def test_another_host_that_does_not_touch_is_dead(path):
    one, other = host("a"), host("b")
    claim = one.acquire(path)
    one._held.clear()  # no heartbeat any more
    taken, elapsed = wait_for(other, path, 10)
    assert taken is not None
    assert LEASE <= elapsed < LEASE + 1
    one.release(claim)  # wakes up late: not its claim any more
    assert other.is_held(path)
    assert one.acquire(path) is None
    other.release(taken)
    assert not os.path.exists(path)


def test_a_loser_does_not_keep_the_claim_of_the_winner_alive(path):
    claim = host("a").acquire(path)
    write(path, "b", 1, "1", "token of b")
    os.utime(path, ns=(0, 0))
    time.sleep(LEASE)
    assert os.stat(path).st_mtime_ns == 0
    assert claim.token != "token of b"


def test_clocks_do_not_matter(path):
    write(path, "elsewhere", 1, "1", "t")
    os.utime(path, (0, 0))  # by its own clock it is 1970 there
    mine = Claims()
    assert mine.acquire(path) is None
    os.utime(path, (2e9, 2e9))
    assert mine.acquire(path) is None


def test_dead_process_of_this_host_is_noticed_at_once(path):
    mine = Claims()
    write(path, mine.owner().host, dead_process(), "123", "t")
    assert mine.acquire(path) is not None


def test_reused_pid_is_noticed_at_once(path):
    mine = Claims()
    write(path, mine.owner().host, os.getpid(), "another start", "t")
    assert mine.acquire(path) is not None


def test_live_process_of_this_host_needs_no_heartbeat(path):
    mine = Claims()
    write(path, mine.owner().host, os.getppid(), process_start(os.getppid()), "t")
    assert wait_for(mine, path, 2 * LEASE)[0] is None


def test_zombie_is_dead(path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    mine = Claims()
    write(path, mine.owner().host, process.pid, process_start(process.pid), "t")
    try:
        taken, _ = wait_for(mine, path, 10)
        assert taken is not None
    finally:
        process.wait()


@pytest.mark.parametrize("content", [b"garbage", wire.dumps(3), wire.dumps((1, 2))])
def test_garbage_is_taken_over_after_the_lease(path, content):
    with open(path, "wb") as file:
        file.write(content)
    taken, elapsed = wait_for(Claims(), path, 10)
    assert taken is not None
    assert LEASE <= elapsed < LEASE + 1


def test_of_many_waiters_one_takes_it_over(path):
    mine = Claims()
    write(path, mine.owner().host, dead_process(), "123", "t")
    taken = [c for c in (waiter.acquire(path) for waiter in [mine, Claims(), Claims()]) if c is not None]
    assert len(taken) == 1


def test_what_a_dead_writer_left_goes_with_its_claim(path, tmp_path):
    mine, dead = Claims(), dead_process()
    names = [f"f-0123.{dead}.ab.1.tmp", f"f-0123.{os.getpid()}.ab.1.tmp", f"g-0123.{dead}.ab.1.tmp", "f-0123.entry"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    write(path, mine.owner().host, dead, "123", "t")
    mine.acquire(path)
    assert {p.name for p in tmp_path.iterdir()} == {*names[1:], "f-0123.claim"}


@pytest.mark.parametrize("call", ["write", "close"])
def test_full_disk_leaves_nothing(path, monkeypatch, call):
    def full(*args):
        if call == "close":
            close(*args)
        raise OSError(errno.ENOSPC, "full")

    close = os.close
    mine = Claims()
    with monkeypatch.context() as patch:
        patch.setattr(claims.os, call, full)
        with pytest.raises(OSError, match="full"):
            mine.acquire(path)
    assert not os.path.exists(path)
    assert mine.acquire(path) is not None


def test_folder_that_a_prune_removed(tmp_path):
    assert Claims().acquire(str(tmp_path / "ab" / "f.claim")) is not None


def test_no_more_threads(path, monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    mine = Claims()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        claim = mine.acquire(path)
    assert claim is not None
    mine.release(claim)
    mine.acquire(path)
    assert mine._beating  # the next claim tries again


def test_the_heartbeat_ends_and_starts_again(path, monkeypatch):
    monkeypatch.setattr(claims, "_IDLE", 1)
    mine = Claims()
    for _ in range(2):
        mine.release(mine.acquire(path))
        assert mine._beating
        end = time.monotonic() + 5
        while mine._beating and time.monotonic() < end:
            time.sleep(0.02)
        assert not mine._beating


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_another_owner(path):
    mine = Claims()
    mine.acquire(path)
    child = os.fork()
    if child == 0:
        ok = mine.acquire(path) is None and mine.owner().pid == os.getpid() and not mine._held
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert mine.is_held(path)
