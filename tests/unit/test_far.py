"""A cache of which a part lies elsewhere: two programs with a directory each, and what is between them in memory."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import time
import warnings

import numpy as np
import pytest

from cachepy import (
    CacheReadWarning,
    Session,
    UsageError,
    UsageValueError,
    cache_file,
    cache_merge,
    cache_tree_nodes,
    cache_tree_sync,
    current_session,
    use_session,
)
from cachepy.maintain.transfer import Address
from cachepy.store import far
from cachepy.store.asking import RemoteError, at_once, patience_of_environment
from cachepy.store.leases import BEAT, Leases
from cachepy.store.objects import Objects

_number = itertools.count()
ran: list[str] = []


@pytest.fixture
def address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran.clear()
    return f"memory://far{next(_number)}"


def program(near, address, **options):
    """The functions of one program."""
    cached = cache_file(near, remote=address, trust_remote=True, warn_cheap=False, ignore_globals=["ran"], **options)

    @cached
    def part(n):
        ran.append(f"part {n}")
        return [n] * 3

    @cached
    def whole(k):
        ran.append(f"whole {k}")
        return sum(sum(part(n)) for n in range(k))

    @cached
    def large(n):
        ran.append(f"large {n}")
        return np.arange(n)

    return part, whole, large


def in_a_new_process(near, address, call, **options):
    """What a call gives there, and what ran for it."""
    ran.clear()
    with use_session(Session()):
        value = call(*program(near, address, **options))
        return value, list(ran)


def test_a_hit_from_elsewhere(address):
    assert in_a_new_process("a", address, lambda part, whole, large: whole(3)) == (9, ["whole 3", "part 0", "part 1", "part 2"])
    assert in_a_new_process("b", address, lambda part, whole, large: whole(3)) == (9, [])
    assert in_a_new_process("b", "memory://nothing-there", lambda part, whole, large: whole(3)) == (9, [])  # it is near


def test_a_large_result(address):
    assert in_a_new_process("a", address, lambda part, whole, large: large(500_000).sum())[1] == ["large 500000"]
    assert in_a_new_process("b", address, lambda part, whole, large: large(500_000).sum()) == (124999750000, [])


def test_the_graph_of_a_hit_from_elsewhere_is_whole(address):
    graphs = []
    for near in "ab":
        with use_session(Session()):
            program(near, address)[1](3)
            graphs.append({k: (n["children"], n["inputs"], n["files"]) for k, n in cache_tree_nodes().items()})
            assert all(node["outfile"].exists() for node in cache_tree_nodes().values())
    assert graphs[0] == graphs[1]
    with use_session(Session()):
        cache_tree_sync("b")  # and so it stands there
        assert {k: (n["children"], n["inputs"], n["files"]) for k, n in cache_tree_nodes().items()} == graphs[0]


def test_asking_fetches_nothing(address):
    in_a_new_process("a", address, lambda part, whole, large: whole(3))
    with use_session(Session()):
        _, whole, _ = program("b", address)
        assert whole.is_cached(3) and str(whole.explain(3)) == "fresh"
        assert whole.explain(4).state == "missing"
        assert not list(next(iter(current_session().stores)).calls())


def test_a_value_is_the_callers_own(address):
    in_a_new_process("a", address, lambda part, whole, large: part(1))
    value, _ = in_a_new_process("b", address, lambda part, whole, large: part(1))
    value.append(5)
    assert in_a_new_process("c", address, lambda part, whole, large: part(1))[0] == [1, 1, 1]


def test_several_are_read_and_the_last_is_written(address):
    team, mine = f"{address}/team", f"{address}/mine"
    in_a_new_process("a", team, lambda part, whole, large: part(1))
    both = [team, mine]
    assert in_a_new_process("b", both, lambda part, whole, large: (part(1), part(2)))[1] == ["part 2"]
    assert in_a_new_process("c", mine, lambda part, whole, large: part(2))[1] == []
    assert in_a_new_process("d", team, lambda part, whole, large: part(2))[1] == ["part 2"]


def test_in_the_background(address):
    with use_session(Session()):
        part, *_ = program("a", address, upload="background")
        for n in range(20):
            part(n)
        current_session().stores.flush()
        assert len(Objects(address).names("entries/")) == 20


def test_results_of_the_time_before_are_pushed_and_pulled(address):
    with use_session(Session()):
        _, whole, _ = program("a", f"{address}/unused")
        whole(3)
    assert cache_merge("a", address).moved == 4
    again = cache_merge("a", address)
    assert (again.moved, again.there) == (0, 4) and again
    assert in_a_new_process("b", address, lambda part, whole, large: whole(3)) == (9, [])
    assert cache_merge(address, "c", trust_remote=True).moved == 4
    assert in_a_new_process("c", f"{address}/unused2", lambda part, whole, large: whole(3)) == (9, [])


def test_only_some_are_moved(address):
    with use_session(Session()):
        part, whole, _ = program("a", f"{address}/unused")
        whole(3)
        part(7)
        nodes = sorted(cache_tree_nodes().values(), key=lambda node: node["created"])
    assert cache_merge("a", address, calls=[nodes[-2]["id"]], dry_run=True).moved == 4
    assert cache_merge("a", address, since=nodes[-1]["created"], dry_run=True).moved == 1
    assert cache_merge("a", address, calls=["whole:" + "0" * 32], dry_run=True).moved == 0


def test_the_graph_of_an_address(address):
    in_a_new_process("a", address, lambda part, whole, large: whole(3))
    for name in Objects(address).names("graph/"):  # also if those who ran died before they could tell
        Objects(address).remove([name])
        with use_session(Session()):
            cache_tree_sync(address)
            nodes = cache_tree_nodes()
            assert sorted(node["fname"] for node in nodes.values()) == ["part"] * 3 + ["whole"]


def test_damage_is_said_and_runs_again(address):
    in_a_new_process("a", address, lambda part, whole, large: part(1))
    objects = Objects(address)
    for at in (3, 60, -20):
        name = next(iter(objects.names("entries/")))
        data = bytearray(objects.read(name))
        data[at] ^= 1
        objects.write(name, bytes(data))
        with pytest.warns(CacheReadWarning):
            assert in_a_new_process(f"b{at}", f"{address}", lambda part, whole, large: part(1)) == ([1, 1, 1], ["part 1"])
        objects.remove([n for n in objects.names("entries/") if n != name])
        data[at] ^= 1
        objects.write(name, bytes(data))


def test_a_swapped_result_is_not_used(address):
    """What is under the name of one call is of another: signed or not, it says itself which call it is."""
    in_a_new_process("a", address, lambda part, whole, large: (part(1), part(2)))
    objects = Objects(address)
    one, two = sorted(objects.names("entries/"))
    first, second = objects.read(one), objects.read(two)
    objects.write(one, second)
    objects.write(two, first)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheReadWarning)
        value, again = in_a_new_process("b", address, lambda part, whole, large: (part(1), part(2)))
    assert value == ([1, 1, 1], [2, 2, 2]) and len(again) == 2


def test_many_are_listed_together(address):
    in_a_new_process("a", address, lambda part, whole, large: [part(n) for n in range(60)])
    with use_session(Session()):
        part, *_ = program("b", address)
        for n in range(60):
            part(n)
        (store,) = current_session().stores
        remote = store.far.remotes[0]
        assert remote.requests < 60 + 30  # each is read; few listings tell where


def test_what_a_remote_must_be():
    for wrong in (5, [5], [], ""):
        if wrong == []:
            cache_file("near", remote=wrong)
            continue
        with pytest.raises((UsageError, UsageValueError)):
            cache_file("near", remote=wrong, trust_remote=True)
    with pytest.raises(UsageValueError, match="twice"):
        cache_file("near", remote=["memory://x", "memory://x/"], trust_remote=True)
    with pytest.raises(UsageError, match="needs signing_key"):
        cache_file("near", remote="memory://x")
    with pytest.raises(UsageValueError, match="upload"):
        cache_file("near", remote="memory://x", trust_remote=True, upload="later")
    with pytest.raises(UsageValueError, match="to itself"):
        cache_merge("memory://x", "memory://x", trust_remote=True)
    with pytest.raises(UsageError, match="trust_remote"):
        cache_merge("memory://x", "near")


def test_an_address_that_nobody_answers(monkeypatch):
    objects = Objects("memory://slow", patience=0.2)
    monkeypatch.setattr(objects, "_read", lambda *_: __import__("time").sleep(5))
    with pytest.raises(RemoteError, match=r"memory://slow gave no answer within 0 s"):
        objects.read("x")
    assert objects.is_at_rest()
    with pytest.raises(RemoteError):
        objects.names()  # at once
    monkeypatch.setenv("CACHEPY_REMOTE_TIMEOUT", "soon")
    with pytest.raises(UsageError, match="CACHEPY_REMOTE_TIMEOUT"):
        patience_of_environment()
    with pytest.raises(RemoteError, match=r"not installed|Protocol not known"):
        Objects("nosuch://x", patience=5).names()


def test_side_by_side():
    assert at_once(lambda x: x * 2, range(100)) == [2 * x for x in range(100)]
    found = at_once(lambda x: 1 / x, [1, 0])
    assert found[0] == 1 and isinstance(found[1], ZeroDivisionError)


@pytest.mark.parametrize("kind", ["memory", "file", "path"])
def test_objects(kind, tmp_path, address):
    objects = Objects({"memory": address, "file": f"file://{tmp_path}/far", "path": f"{tmp_path}/far"}[kind])
    assert objects.names() == {}
    assert objects.create("claims/ab/f-1", b"x") and not objects.create("claims/ab/f-1", b"y")
    objects.write("entries/ab/f-1/1", b"abc")
    objects.write("entries/ab/f-12/1", b"abcd")
    assert objects.names("entries/ab/f-1/") == {"entries/ab/f-1/1": 3}
    assert set(objects.names("entries/")) == {"entries/ab/f-1/1", "entries/ab/f-12/1"}
    assert objects.read("claims/ab/f-1") == b"x" and objects.read("entries/ab/f-12/1", 4, 2) in (b"ab", b"abcd")
    with pytest.raises(FileNotFoundError):
        objects.read("entries/ab/f-3/1")
    objects.remove(["entries/ab/f-1/1", "entries/ab/f-3/1"])
    assert set(objects.names()) == {"claims/ab/f-1", "entries/ab/f-12/1"}


def test_what_lies_beside_entries_goes_along(address, tmp_path):
    @cache_file("a", remote=address, trust_remote=True, format="json", warn_cheap=False)
    def table(n):
        return {"rows": list(range(n))}

    with use_session(Session()):
        assert table(3) == {"rows": [0, 1, 2]}
    assert [name for name in Objects(address).names("values/") if name.endswith(".json")]

    for near, source in (("c", "a"), ("d", address), (f"{address}/more", "a")):
        assert cache_merge(source, near, trust_remote=True).moved == 1
    with use_session(Session()):
        assert [*(tmp_path / "c").glob("values/*/*.json")] and [*(tmp_path / "d").glob("values/*/*.json")]
        assert [name for name in Objects(f"{address}/more").names("values/") if name.endswith(".json")]
    in_a_new_process("e", address, lambda part, whole, large: part(1), format="json")
    assert in_a_new_process("f", address, lambda part, whole, large: part(1), format="json") == ([1, 1, 1], [])
    assert [*(tmp_path / "f").glob("values/*/*.json")]


@pytest.mark.parametrize("mode", ["readonly", "required"])
def test_a_program_that_may_write_nothing_has_hits_from_elsewhere(address, tmp_path, mode):
    in_a_new_process("a", address, lambda part, whole, large: (whole(3), large(500_000)))
    ran.clear()
    with use_session(Session(mode=mode)):
        _, whole, large = program("b", address)
        assert whole(3) == 9 and large(500_000).sum() == 124999750000
        assert whole(3) == 9 and whole(3) == 9
        large(500_000)[0] = 7
        assert large(500_000)[0] == 0
        assert len(cache_tree_nodes()) == 5
    assert not ran and not (tmp_path / "b").exists()
    with use_session(Session(mode="off")):
        assert program("b", address)[1](3) == 9
    assert ran and not (tmp_path / "b").exists()
    sent = Objects(address).names()
    with use_session(Session(mode="readonly")):
        assert program("b", address)[1](4) == 18
    assert Objects(address).names() == sent and not (tmp_path / "b").exists()


def test_a_call_that_runs_again_at_once_does_not_wait_for_itself(address):
    with use_session(Session()):
        part, *_ = program("a", address)
        began = time.perf_counter()
        for _ in range(3):
            part(1, _force=True)
        assert len(ran) == 3 and time.perf_counter() - began < BEAT
        with pytest.raises(ZeroDivisionError):
            failing(address)(0)
        with pytest.raises(ZeroDivisionError):
            failing(address)(0)
        assert time.perf_counter() - began < BEAT
    assert not Objects(address).names("claims/")


def failing(address):
    @cache_file("a", remote=address, trust_remote=True)
    def fail(n):
        return 1 / n

    return fail


def test_a_run_with_many_calls_below_and_a_large_result(address, monkeypatch):
    """What it depends on does not fit into what is read first of a large result."""
    monkeypatch.setattr(far, "_HEAD", 1024)
    whole = Objects._read  # of what is no store of objects, all is read
    monkeypatch.setattr(Objects, "_read", lambda self, name, end: whole(self, name, 0)[: end or None])

    def calls(part, whole, large):
        @cache_file("top", remote=address, trust_remote=True, warn_cheap=False, ignore_globals=["ran"])
        def many(n):
            ran.append("many")
            return np.arange(400_000) + sum(len(part(i)) for i in range(n))

        return int(many(50)[0])

    assert in_a_new_process("a", address, calls)[0] == 150
    shutil.rmtree("a")
    shutil.rmtree("top")
    assert in_a_new_process("a", address, calls) == (150, [])


def test_a_lease_that_is_renewed_as_it_is_given_back_is_not_kept_alive(address, monkeypatch):
    remote = Objects(address)
    leases = Leases(remote, lambda error: None)
    assert leases.take("claims/ab/f-1")
    write = remote.write

    def slow(name, data):
        leases.give_back(name, at_once=False)
        write(name, data)

    monkeypatch.setattr(remote, "write", slow)
    leases._renew("claims/ab/f-1")
    assert not leases._mine


def test_a_forked_child_does_not_wait_for_a_lock_of_its_parent(address):
    leases = Leases(Objects(address), lambda error: None)
    assert leases.take("claims/ab/f-1")
    with leases._lock:
        child = os.fork()
        if not child:
            leases.flush()
            os._exit(0)
        for _ in range(200):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            time.sleep(0.05)
        else:
            os.kill(child, signal.SIGKILL)
            raise AssertionError("the child waits")
    assert status == 0


def test_what_can_only_be_read_takes_no_results():
    target = Address("http://127.0.0.1:1", current_session().trust)
    with pytest.raises(RemoteError, match=r"http://127\.0\.0\.1:1 can only be read"):
        target.put(None, None, b"", {})
