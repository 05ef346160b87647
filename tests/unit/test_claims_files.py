"""The file of a claim, which the entry is written into, and what cannot be removed when it is given back."""

from __future__ import annotations

import contextlib
import errno
import os

import pytest
from claimed_paths import LEASE, dead_process, host, open_files, wait_for, write
from opened import opened_below

from cachepy.store import claims
from cachepy.store import owner as owners
from cachepy.store.claims import Claims


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(claims, "LEASE", LEASE)
    monkeypatch.setattr(claims, "HEARTBEAT", LEASE / 4)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "f-0123.claim")


# ---- the file of a claim, which the entry is written into


def test_its_file_stays_open_for_the_entry(path):
    mine = Claims()
    before = open_files(path)
    claim = mine.acquire(path)
    assert os.path.samestat(os.fstat(claim.fd), os.stat(path))
    assert not os.get_inheritable(claim.fd)
    with open(path, "rb") as file:
        assert file.read() == claim.block
    mine.release(claim)
    assert open_files(path) == before


def test_whoever_takes_the_file_closes_it(path):
    mine = Claims()
    claim = mine.acquire(path)
    fd = claim.take_file()
    assert claim.take_file() is None
    mine.release(claim)
    os.fstat(fd)  # still open
    os.close(fd)


def test_a_chain_of_claims_uses_few_descriptors(tmp_path):
    mine = Claims()
    held = [mine.acquire(str(tmp_path / f"f-{i}.claim")) for i in range(300)]
    assert all(held) and opened_below(tmp_path) <= claims._OPEN_CLAIMS
    assert sum(claim.fd is not None for claim in held) == claims._OPEN_CLAIMS
    for claim in reversed(held):
        mine.release(claim)
    assert opened_below(tmp_path) == 0 and not os.listdir(tmp_path)
    again = mine.acquire(str(tmp_path / "g.claim"))
    assert again.fd is not None
    mine.release(again)


@pytest.mark.parametrize("text", [b"", b"an entry" * 1000], ids=["alone", "with its entry"])
def test_a_claim_whose_owner_died_is_taken_whatever_stands_behind_it(path, tmp_path, text):
    mine, dead = Claims(), dead_process()
    write(path, mine.owner().host, dead, "123", "t", behind=text)
    os.link(path, tmp_path / "f-0123.entry")
    before = (tmp_path / "f-0123.entry").read_bytes()
    assert mine.acquire(path) is not None
    assert (tmp_path / "f-0123.entry").read_bytes() == before
    assert path in mine.inherited  # its last steps may be missing
    assert not os.path.samestat(os.stat(path), os.stat(tmp_path / "f-0123.entry"))


def test_the_heartbeat_finds_the_owner_before_an_entry(path):
    mine = host("a")
    claim = mine.acquire(path)
    os.write(claim.fd, b"an entry" * 1000)
    os.utime(path, ns=(0, 0))
    claims._touch(claim)
    assert os.stat(path).st_mtime_ns
    assert wait_for(host("b"), path, 2 * LEASE)[0] is None
    mine.release(claim)


def test_a_claim_that_was_taken_over_stays(path):
    """Also one that is young by a clock that stood still: a machine that slept."""
    one, other = host("a"), host("b")
    for age in (0, LEASE):
        claim = one.acquire(path)
        claim.since -= age
        os.unlink(path)
        taken = other.acquire(path)
        one.release(claim)
        if age:
            assert other.is_held(path)
        with contextlib.suppress(OSError):
            other.release(taken)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_closes_its_descriptor_and_leaves_the_claim(path):
    mine = Claims()
    claim = mine.acquire(path)
    child = os.fork()
    if child == 0:
        mine.release(claim)
        os._exit(0 if os.path.exists(path) and claim.fd is None else 1)
    assert os.waitpid(child, 0)[1] == 0
    os.fstat(claim.fd)
    mine.release(claim)
    assert not os.path.exists(path)


def test_a_close_that_fails_gives_the_claim_back(path, monkeypatch):
    mine, real = Claims(), os.close
    claim = mine.acquire(path)

    def close(fd):
        real(fd)
        raise OSError(errno.EIO, "late")

    with monkeypatch.context() as patch:
        patch.setattr(claims.os, "close", close)
        mine.release(claim)
    assert not os.path.exists(path)


def test_owners_whose_names_are_strange(path):
    for name in ("a b", "ü", "", "x" * 300):
        mine = host(name)
        mine.owner()._text = f"{name}\n{os.getpid()}\n{mine.owner().start}\n".encode()
        claim = mine.acquire(path)
        assert owners.read_claim(path) == (name, os.getpid(), mine.owner().start, claim.token)
        mine.release(claim)


# ---- claims that cannot be removed when they are given back


def fails(real, which, times):
    """A function of `os` that fails with EIO as often, for paths that `which` says."""
    left = [times]

    def failing(path, *args, **kwargs):
        if left[0] and which(os.fspath(path) if not isinstance(path, int) else ""):
            left[0] -= 1
            raise OSError(errno.EIO, "Input/output error", path)
        return real(path, *args, **kwargs)

    return failing


def is_claim(path):
    return path.endswith(".claim")


@pytest.mark.parametrize("name", ["unlink", "replace"])
@pytest.mark.parametrize("other", [False, True], ids=["this session", "another session of this process"])
def test_a_claim_that_could_not_be_removed_is_waited_for_by_nobody_here(path, monkeypatch, name, other):
    """An EIO, once: the process would wait for itself for ever."""
    mine = Claims()
    claim = mine.acquire(path)
    with monkeypatch.context() as patch:
        patch.setattr(claims.os, name, fails(getattr(os, name), is_claim, 1))
        mine.release(claim, aside=f"{path}.aside" if name == "replace" else "")
    asks = Claims() if other else mine
    assert not asks.is_held(path)
    again = asks.acquire(path)
    assert again is not None
    asks.release(again)
    assert not os.path.exists(path)


def test_a_claim_that_could_not_be_read_is_given_back_all_the_same(path, monkeypatch):
    mine = Claims()
    claim = mine.acquire(path)
    claim.since -= claims.LEASE  # it has to be looked at
    with monkeypatch.context() as patch:
        patch.setattr(owners.os, "open", fails(os.open, is_claim, 1))
        mine.release(claim)
    assert mine.acquire(path) is not None


def test_the_heartbeat_removes_what_could_not_be_removed(path, monkeypatch):
    """Other processes, which see an owner that lives, wait no longer than that."""
    mine, there = Claims(), host("b")
    claim = mine.acquire(path)
    monkeypatch.setattr(claims.os, "unlink", fails(os.unlink, is_claim, 2))
    mine.release(claim)
    assert os.path.exists(path) and there.acquire(path) is None
    assert wait_for(there, path, 10)[0] is not None


@pytest.mark.parametrize("behind", [False, True], ids=["alone", "an entry too"])
def test_what_can_in_no_way_be_removed_is_emptied_unless_it_is_an_entry(path, tmp_path, monkeypatch, behind):
    mine = Claims()
    claim = mine.acquire(path)
    if behind:
        os.link(path, tmp_path / "f-0123.entry")
    before = os.stat(path).st_size
    monkeypatch.setattr(claims.os, "unlink", fails(os.unlink, is_claim, 10**6))
    mine.release(claim)
    mine._settle(path)
    assert os.stat(path).st_size == (before if behind else 0)


def test_a_claim_that_cannot_be_read_is_kept_alive(path, monkeypatch):
    mine = host("a")
    claim = mine.acquire(path)
    os.utime(path, ns=(0, 0))
    with monkeypatch.context() as patch:
        patch.setattr(owners.os, "open", fails(os.open, is_claim, 1))
        claims._touch(claim)
    assert os.stat(path).st_mtime_ns
    mine.release(claim)


def test_a_claim_that_a_thread_took_over_from_another_is_its_own(path):
    mine = Claims()
    old = mine.acquire(path)
    old.since -= claims.LEASE
    mine.take_over(path, owners.read_claim(path))
    new = mine.acquire(path)
    mine.release(old)
    assert mine._held == {path: new} and mine.is_of_this_thread(path) and os.path.exists(path)
    mine.release(new)
    assert not os.path.exists(path) and not mine._held
