"""Claims: one owner at a time, on one host and as two hosts see each other."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time

import pytest
from claimed_paths import LEASE, block, dead_process, host, open_files, wait_for, write

from cachepy.store import claims, entryfile, safe_pickle
from cachepy.store import owner as owners
from cachepy.store.claims import Claims
from cachepy.store.owner import process_start

REAL = claims.LEASE, claims.HEARTBEAT


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(claims, "LEASE", LEASE)
    monkeypatch.setattr(claims, "HEARTBEAT", LEASE / 4)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "f-0123.claim")


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


# ---- systems without /proc: macOS, the BSDs; and processes that /proc hides


@pytest.fixture
def no_proc(monkeypatch):
    """Nothing below /proc is there, as on macOS."""
    real, exists = open, os.path.exists

    def opened(name, *args, **kwargs):
        if str(name).startswith("/proc"):
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(owners, "open", opened, raising=False)
    monkeypatch.setattr(os.path, "exists", lambda name: not str(name).startswith("/proc") and exists(name))


@pytest.fixture
def no_psutil(monkeypatch):
    monkeypatch.setitem(sys.modules, "psutil", None)


def test_without_proc_a_start_is_known(no_proc):
    mine = process_start(os.getpid())
    assert mine == process_start(os.getpid()) and float(mine) > 0
    assert process_start(os.getppid()) is not None
    assert process_start(dead_process()) is None


def test_without_proc_a_zombie_is_dead(no_proc, path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    mine = Claims()
    write(path, mine.owner().host, process.pid, process_start(process.pid), "t")
    try:
        assert wait_for(mine, path, 10)[0] is not None
    finally:
        process.wait()


def test_without_proc_a_reused_pid_is_noticed_at_once(no_proc, path):
    mine = Claims()
    write(path, mine.owner().host, os.getppid(), "12.50", "t")
    assert mine.acquire(path) is not None


def test_without_proc_a_live_process_needs_no_heartbeat(no_proc, path):
    mine = Claims()
    write(path, mine.owner().host, os.getppid(), process_start(os.getppid()), "t")
    assert wait_for(mine, path, 2 * LEASE)[0] is None


@pytest.mark.parametrize("start", [owners.ALIVE, "12.50"], ids=["neither knew", "the other one knew"])
def test_if_only_the_number_is_known_its_owner_has_to_show_that_it_lives(no_proc, no_psutil, path, monkeypatch, start):
    """Else a number that was given again, after a restart of the machine, would be waited for for ever."""
    monkeypatch.setattr(claims, "UNSURE", 2 * LEASE)
    mine = Claims()
    assert process_start(os.getppid()) == owners.ALIVE
    write(path, mine.owner().host, os.getppid(), start, "t")
    for _ in range(4):
        os.utime(path)
        assert wait_for(mine, path, LEASE)[0] is None
    assert wait_for(mine, path, 10)[0] is not None


def test_if_only_the_number_is_known_the_dead_are_noticed_at_once(no_proc, no_psutil, path):
    mine = Claims()
    write(path, mine.owner().host, dead_process(), owners.ALIVE, "t")
    assert mine.acquire(path) is not None


def test_a_process_that_proc_hides_is_not_taken_for_dead(path, monkeypatch):
    """With `hidepid`, the processes of other users are not in /proc."""
    real = open

    def opened(name, *args, **kwargs):
        if name == f"/proc/{os.getppid()}/stat":
            raise FileNotFoundError(errno.ENOENT, "hidden", name)
        return real(name, *args, **kwargs)

    mine = Claims()
    write(path, mine.owner().host, os.getppid(), process_start(os.getppid()), "t")
    monkeypatch.setattr(owners, "open", opened, raising=False)
    assert process_start(os.getppid()) == owners.ALIVE
    assert wait_for(mine, path, 2 * LEASE)[0] is None


@pytest.mark.parametrize("missing", [("CLOCK_BOOTTIME",), ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"), ("clock_gettime",)])
def test_a_clock_that_is_missing(monkeypatch, missing):
    for name in missing:
        monkeypatch.delattr(time, name)
    clock = claims._clock()
    assert clock() <= clock()


def test_a_clock_that_the_kernel_does_not_know(monkeypatch):
    real = time.clock_gettime

    def refuse(clock):
        if clock == time.CLOCK_BOOTTIME:
            raise OSError(errno.EINVAL, "no such clock")
        return real(clock)

    monkeypatch.setattr(time, "clock_gettime", refuse)
    clock = claims._clock()
    assert clock() <= clock()


NOT_OWNERS = {
    "garbage": b"garbage",
    "of an older version": safe_pickle.dumps(("host", 1, "1", "t")),
    "no owner": entryfile.NOBODY,
    "a length without a text": entryfile.START.pack(entryfile.MAGIC, 20),
    "a text that is cut off": block("h", 1, "1", "t")[:-1],
    "a field too few": entryfile.START.pack(entryfile.MAGIC, 5) + b"h\n1\n1",
    "a field too many": block("h", 1, "1", "t\nu"),
    "no process": block("h", "x", "1", "t"),
    "process 0": block("h", 0, "1", "t"),
    "a negative process": block("h", -1, "1", "t"),
    "a huge process": block("h", 1 << 31, "1", "t"),
    "an endless process": block("h", "9" * 5000, "1", "t"),
    "a process in other digits": block("h", "\u00b2", "1", "t"),
    "magic of another version": block("h", 1, "1", "t").replace(entryfile.MAGIC, b"cachepy\x04"),
}


@pytest.mark.parametrize("content", NOT_OWNERS.values(), ids=NOT_OWNERS)
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


@pytest.mark.parametrize("call", ["write", "short write", "close"])
def test_full_disk_leaves_nothing(path, monkeypatch, call):
    real, closed, me = {"write": os.write, "close": os.close}, [], threading.get_ident()

    def full(fd, *data):
        if threading.get_ident() != me:  # one that keeps the claims of another test
            return real[call.rpartition(" ")[2]](fd, *data)
        if call == "short write":
            return real["write"](fd, data[0][:5])
        if call == "close":
            assert fd not in closed, "a number that may be another's file by now"
            closed.append(fd)
            real["close"](fd)
        raise OSError(errno.ENOSPC, "full")

    mine = Claims()
    mine.release(mine.acquire(path))
    before = open_files(path)
    with monkeypatch.context() as patch:
        patch.setattr(claims, "_OPEN_CLAIMS", 0)  # the file is closed at once
        patch.setattr(claims.os, call.rpartition(" ")[2], full)
        with pytest.raises(OSError, match=r"full|space"):
            mine.acquire(path)
    assert not os.path.exists(path)
    assert open_files(path) == before
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
