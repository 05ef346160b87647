"""cache_verify beside running calls, and what it says again of what it found before."""

from __future__ import annotations

import importlib
import os
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
from checked_files import flip, listing, only

from cachepy import cache_file, cache_tree_sync, cache_verify
from cachepy.maintain import inspect
from cachepy.session import Session, use_session


@pytest.fixture(autouse=True)
def session():
    with use_session(Session()) as mine:
        yield mine


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def used(root, tmp_path):
    """A cache with a small and a large entry, an older value, a note, a code record and a memo."""
    path = tmp_path / "x"
    cf = cache_file(root, ignore_globals=["path"])

    @cf
    def small(name):
        return Path(name).read_text()

    @cf
    def large(number):
        return np.arange(number, dtype=float)

    for text in ("a", "b", "a"):
        path.write_text(text)
        small(str(path))
    large(60_000)
    big = tmp_path / "big"
    big.write_bytes(bytes(20_000))
    os.utime(big, (1e9, 1e9))
    (root / "stat.memo").write_bytes(b"")
    memo = inspect.files._row((1, 2, 3, 4, 5), "ab" * 16)
    (root / "stat.memo").write_bytes(memo * 3)
    return root


# ---- beside running calls


def test_what_is_replaced_meanwhile_is_looked_at_again(used, monkeypatch):
    path = only(used, "small-*.entry")
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    real, seen = inspect.EntryFile, []

    def slow(name, *rest):
        if name == str(path) and not seen:
            seen.append(name)
            opened = name + ".new"
            Path(opened).write_bytes(good)
            os.replace(opened, name)
            raise inspect.EntryError("torn")
        return real(name, *rest)

    monkeypatch.setattr(inspect, "EntryFile", slow)
    assert cache_verify(used).is_good
    assert seen


def test_what_goes_meanwhile_is_not_reported(used, monkeypatch):
    path = only(used, "large-*.entry")

    def gone(name, *rest):
        if name == str(path):
            path.unlink()
            raise inspect.EntryError("torn")
        return real(name, *rest)

    real = inspect.EntryFile
    monkeypatch.setattr(inspect, "EntryFile", gone)
    checked = cache_verify(used)
    assert checked.is_good and checked.entries == 1


def test_beside_a_busy_writer(root, tmp_path):
    """Runs come, replace each other, and go."""
    path = tmp_path / "x"
    stop = threading.Event()
    root.mkdir(exist_ok=True)

    @cache_file(root, ignore_globals=["path"])
    def read(name, number):
        return Path(name).read_text() * 100

    def work():
        number = 0
        while not stop.is_set():
            number += 1
            path.write_text(str(number))
            read(str(path), number % 7)
            if number % 5 == 0:
                read.clear(str(path), number % 7)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(60):
            assert cache_verify(root).problems == ()
    finally:
        stop.set()
        thread.join()


def test_a_record_that_is_being_written_is_waited_for(used):
    fcntl = pytest.importorskip("fcntl")
    path = used / "graph.pkl"
    data = path.read_bytes()
    with path.open("ab", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(data[:100])

        def finish():
            file.write(data[100:])
            fcntl.flock(file, fcntl.LOCK_UN)

        timer = threading.Timer(0.3, finish)
        timer.start()
        assert cache_verify(used).is_good
        timer.join()


def test_a_value_that_is_being_copied_aside_is_not_judged(used):
    path = only(used, "*.old")
    path.write_bytes(path.read_bytes()[:20])
    claim = only(used, "small-*.entry").with_suffix(".claim")
    claim.write_bytes(b"")
    assert cache_verify(used).is_good
    claim.unlink()
    assert not cache_verify(used).is_good


# ---- again


MODULE = """
import asyncio, os, random
from pathlib import Path
from cachepy import cache_file, track_file

cf = cache_file(ROOT)
COUNT = []
ran = COUNT.append


@cf(ignore_globals=["COUNT", "ran"])
def steady(x):
    ran("steady")
    return x * 2

@cf(ignore_globals=["COUNT", "ran"])
def above(x):
    ran("above")
    return steady(x) + 1

@cf
def chance(x):
    return random.random()

@cf
async def later(x):
    await asyncio.sleep(0)
    return x

@cf(env_vars=["FAIL"])
def reads(path):
    return Path(path).read_text()

@cf
def above_reads(path):
    return reads(path)

@cf(observe=False)
def moody(x):
    if os.path.exists(MARK):
        raise ValueError("no luck")
    return x

@cf(keep_args=False)
def forgetful(x):
    return x

@cf(observe=False)
def strays(x):
    if os.path.exists(MARK):
        forgetful("new")
        steady("new")
    return x
"""


@pytest.fixture
def module(root, tmp_path, monkeypatch):
    head = f"ROOT = {str(root)!r}\nMARK = {str(tmp_path / 'mark')!r}\n"
    (tmp_path / "again_module.py").write_text(head + textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("again_module")
    del sys.modules["again_module"]


def test_the_same_again(module, root):
    assert [module.steady(i) for i in range(3)] == [0, 2, 4]
    assert module.above(7) == 15
    del module.COUNT[:]
    before = listing(root)
    checked = cache_verify(root, rerun=10)
    assert (checked.reran, checked.stale, checked.unable, checked.differing) == (5, 0, (), ())
    assert sorted(module.COUNT) == ["above"] + ["steady"] * 4  # what is below comes from the cache
    assert listing(root) == before
    assert str(checked).splitlines()[-1] == "5 calls run again: each gave the same result"


def test_chance_is_found(module, root):
    module.chance(1), module.steady(1)
    checked = cache_verify(root, rerun=5)
    (one,) = checked.differing
    assert not checked.is_good and checked.reran == 2
    assert (one.label, one.call) == ("chance(1)", "chance:" + module.chance.key(1))
    assert one.before != one.now and len(one.before) == len(one.now)
    assert str(one) in str(checked) and "1 gave a different result" in str(checked)


def test_an_exception_differs(module, root, tmp_path):
    module.moody(1)
    (tmp_path / "mark").write_text("")
    (one,) = cache_verify(root, rerun=1).differing
    assert one.now == "ValueError: no luck"


def test_coroutines(module, root):
    import asyncio

    assert asyncio.run(module.later(1)) == 1

    async def inside():
        return cache_verify(root, rerun=1)

    for checked in (cache_verify(root, rerun=1), asyncio.run(inside())):
        assert (checked.reran, checked.differing) == (1, ())


def test_stale_calls_prove_nothing(module, root, tmp_path):
    (tmp_path / "f").write_text("a")
    module.reads(str(tmp_path / "f"))
    (tmp_path / "f").write_text("b")
    checked = cache_verify(root, rerun=5)
    assert (checked.reran, checked.stale, checked.differing) == (0, 1, ())
    assert "1 not compared, being stale" in str(checked)


def test_an_older_run_that_holds_again_is_compared_with_its_own_result(module, root, tmp_path):
    for text in "aba":
        (tmp_path / "f").write_text(text)
        module.reads(str(tmp_path / "f"))
    checked = cache_verify(root, rerun=5)
    assert (checked.reran, checked.stale, checked.differing) == (1, 0, ())


def test_an_older_run_below_is_not_recorded_as_holding_again(module, root, tmp_path):
    for text in "ab":
        (tmp_path / "f").write_text(text)
        module.above_reads(str(tmp_path / "f"))
    (tmp_path / "f").write_text("a")
    before = listing(root)
    assert cache_verify(root, rerun=5).reran == 2
    assert listing(root) == before


def test_without_arguments(module, root):
    module.forgetful(1), module.forgetful(2)
    checked = cache_verify(root, rerun=5)
    (one,) = checked.unable
    assert (one.function, one.calls, checked.reran) == ("again_module:forgetful", 2, 0)
    assert "not kept" in one.why and str(one) in str(checked)


def test_a_function_that_is_gone(module, root):
    module.steady(1), module.steady(2), module.chance(1)
    del module.steady
    checked = cache_verify(root, rerun=5)
    (one,) = checked.unable
    assert one.function == "again_module:steady" and one.calls == 2
    assert checked.reran == 1


def test_what_a_body_calls_anew_is_not_stored(module, root, tmp_path):
    module.strays(1)
    (tmp_path / "mark").write_text("")
    for number in range(256):  # so that only the will is missing to store something
        (root / "entries" / f"{number:02x}").mkdir(exist_ok=True)
    before = listing(root)
    with use_session(Session()):
        checked = cache_verify(root, rerun=1)
    assert (checked.reran, checked.differing) == (1, ())
    assert listing(root) == before


def test_no_memo_is_written(module, root, tmp_path, monkeypatch):
    monkeypatch.setattr(inspect.files, "YOUNG", -(10**12))
    (tmp_path / "f").write_text("a" * 20_000)
    module.reads(str(tmp_path / "f"))
    (root / "stat.memo").unlink()
    assert cache_verify(root, rerun=1).reran == 1
    assert not (root / "stat.memo").exists()


def test_a_local_function_that_is_alive(root):
    @cache_file(root)
    def local(x):
        return x + 1

    local(1)
    assert cache_verify(root, rerun=1).reran == 1


def test_the_callers_session_learns_nothing(module, root, session):
    module.steady(1)
    session.graph.clear()
    cache_verify(root, rerun=1)
    assert len(session.graph) == 0
    assert module.steady(1) == 2


def test_the_sample_takes_turns_and_is_repeatable(module, root):
    for i in range(20):
        module.chance(i)
    module.moody(1), module.steady(1)
    checked = cache_verify(root, rerun=3)
    assert checked.reran == 3 and len(checked.differing) == 1
    samples = [[d.call for d in cache_verify(root, rerun=6, seed=s).differing] for s in (1, 1, 2, 3)]
    assert samples[0] == samples[1] and len({tuple(s) for s in samples}) > 1
    assert len(samples[0]) == 4


def test_a_large_argument_comes_from_the_call_that_made_it(root, tmp_path, monkeypatch):
    text = f"""
    import numpy as np
    from cachepy import cache_file
    cf = cache_file({str(root)!r})
    @cf
    def make(n):
        return np.arange(n, dtype=float)
    @cf
    def total(a):
        return float(a.sum())
    """
    (tmp_path / "flow_module.py").write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("flow_module")
    module.total(module.make(100_000))
    with use_session(Session()):
        checked = cache_verify(root, rerun=5)
    assert (checked.reran, checked.unable, checked.differing) == (2, (), ())


def test_a_broken_entry_is_no_reason_for_sync_to_fail(used):
    flip(only(used, "large-*.entry"), -1)
    cache_tree_sync(used)
    assert len(cache_verify(used).problems) == 1
