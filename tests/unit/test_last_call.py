"""`f.last`, `f.cache_info()` and `on_call`: what became of calls, in this process and thread."""

from __future__ import annotations

import asyncio
import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import cloudpickle
import pytest

from cachepy import CallbackWarning, Session, UsageError, cache_file, current_session, on_call, use_session, with_caller

LIB = """
import os
from cachepy import cache_file
cached = cache_file("cache", warn_cheap=False)

@cached
def leaf(x): return x + 1

@cached
def top(x): return leaf(x) + leaf(x + 1)
"""


def divmod_of(a, b):
    return divmod(a, b)


@pytest.fixture
def cached(tmp_path):
    with use_session(Session()):
        yield cache_file(tmp_path / "cache", warn_cheap=False)


def test_it_tells_hit_and_run_from_the_first_look_on(cached):
    @cached
    def f(x):
        return x

    assert not f.last and str(f.last) == "no call of f here yet" and f.last.seconds is None
    f(1)
    assert (f.last.outcome, f.last.cause, f.last.title, f.last.unstored) == ("run", "not run before", "f(1)", "")
    assert f.last.call == f"f:{f.key(1)}" and f.last.seconds > 0
    kept = f.last.now
    f(1)
    assert (f.last.outcome, f.last.cause) == ("hit", "") and kept.outcome == "run"
    assert repr(f.last).startswith("<Called: hit f(1) in ") and f.last._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("often", [1, 2, 8])
def test_the_first_look_sees_what_was_before(cached, often):
    @cached
    def f(x):
        return x

    for _ in range(often):
        f("a")
    assert f.last.outcome == ("run" if often == 1 else "hit")
    f("b")
    f("a")
    assert (f.last.outcome, f.last.title) == ("hit", "f('a')")
    for _ in range(5):  # hot again
        f("b")
        assert f.last.title == "f('b')"


def test_hot_then_run_then_first_look(cached):
    @cached
    def f(x):
        return x

    for _ in range(8):
        f(1)
    f(2)
    assert (f.last.outcome, f.last.title) == ("run", "f(2)")


def test_the_first_look_sees_a_hot_hit(cached):
    @cached
    def f(x):
        return x

    for x in (1, 2):
        for _ in range(5):
            f(x)
    f(1)
    assert (f.last.outcome, f.last.title, f.last.seconds) == ("hit", "f(1)", None)


def test_each_thread_and_task_has_its_own(cached):
    @cached
    def f(x):
        return x

    @cached
    async def g(x):
        return x

    f(1)
    assert f.last
    seen = []
    thread = threading.Thread(target=lambda: seen.extend([bool(f.last), f(2), f.last.title]))
    thread.start()
    thread.join()
    assert seen == [False, 2, "f(2)"] and f.last.title == "f(1)"

    async def task(x):
        await g(x)
        await asyncio.sleep(0.01)
        return g.last.title

    async def main():
        await g(0)
        assert g.last.outcome == "run"
        return await asyncio.gather(*map(task, range(3)))

    assert asyncio.run(main()) == ["g(0)", "g(1)", "g(2)"]


def test_causes(cached, tmp_path):
    data = tmp_path / "data.txt"
    data.write_text("a")

    @cached
    def f(path):
        return data.read_text()

    @cached
    def fails(x):
        raise ValueError(x)

    @cached
    def strange(x):
        return lambda: x, threading.Lock()

    f(data)
    data.write_text("bc")
    f(data)
    assert (f.last.outcome, "data.txt changed" in f.last.cause) == ("run", True)  # told though nobody had looked before
    data.write_text("bcd")
    f(data)
    assert f.last.cause == f"file {data} changed"
    f(data, _force=True)
    assert f.last.cause == "_force=True"
    f(data, _skip_save=True)
    assert (f.last.cause, f.last.unstored) == ("_skip_save=True", "_skip_save=True")
    with pytest.raises(ValueError, match="3"):
        fails(3)
    assert (fails.last.outcome, fails.last.unstored) == ("run", "it raised ValueError")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        strange(1)
        f(threading.Lock()) if False else None
        strange(threading.Lock())
    assert (strange.last.call, strange.last.unstored) == (None, "it has no key")
    with use_session(Session(mode="refresh")):
        f(data)
        assert f.last.cause == "CACHEPY=refresh"
    with use_session(Session(mode="readonly")):
        f(data)
        assert f.last.outcome == "hit"
        f("other")
        assert f.last.unstored == "CACHEPY=readonly"


def test_a_wait(cached):
    begun, go = threading.Event(), threading.Event()

    @cached(ignore_globals=["begun", "go"])
    def slow(x):
        begun.set()
        go.wait(20)
        return x

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(slow, 1)
            begun.wait(20)
            second = pool.submit(lambda: (slow(1), slow.last.outcome, slow.last.cause))
            while not current_session().waiting:
                pass
            go.set()
            assert first.result() == 1 and second.result() == (1, "wait", "")
    info = slow.cache_info()
    assert (info.hits, info.misses, info.waits) == (0, 1, 1)


def test_cache_info_counts_what_nobody_asked_for(cached):
    @cached
    def f(x):
        return x

    for _ in range(3):
        for x in range(5):
            f(x)
    for _ in range(1000):
        f(1)
    info = f.cache_info()
    assert (info.hits, info.misses, info.maxsize, info.currsize) == (1010, 5, None, 5)
    assert repr(info).startswith("CacheInfo(hits=1010, misses=5, maxsize=None, currsize=5, waits=0, seconds=0.0")
    assert info.saved > info.seconds > 0
    with on_call(lambda call: None):  # another way, the same count; nothing that was counted is lost
        for _ in range(1000):
            f(1)
    assert f.cache_info().hits == 2010
    for _ in range(10):
        f(1)
    f.clear()
    f(1)
    assert (f.cache_info().hits, f.cache_info().misses, f.cache_info().currsize) == (2020, 6, 1)
    with use_session(Session()):
        f(1)
        assert (f.cache_info().hits, f.cache_info().misses) == (1, 0)


def test_threads_lose_no_hit(cached):
    @cached
    def f(x):
        return x

    f(1)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: [f(1) for _ in range(2000)], range(4)))
    assert f.cache_info().hits == 8000


def test_local_functions_that_are_gone_have_been_counted(cached):
    def make():
        @cached
        def f(x):
            return x

        return f

    for _ in range(3):
        f = make()
        for _ in range(10):
            f(1)
    assert (f.cache_info().hits, f.cache_info().misses) == (29, 1)


def test_on_call_tells_all_of_a_call(cached):
    @cached
    def leaf(x):
        return x

    @cached
    def top(x):
        return leaf(x) + leaf(x)

    for _ in range(5):
        leaf(7)
    told = []
    with on_call(told.append):
        top(1)
        top(1)
        leaf(7)
    top(2)
    key = f"top:{top.key(1)}"
    assert [(c.title, c.outcome, c.depth, c.caller) for c in told] == [
        ("leaf(1)", "run", 1, key), ("leaf(1)", "hit", 1, key), ("top(1)", "run", 0, None), ("top(1)", "hit", 0, None),
        ("leaf(7)", "hit", 0, None),
    ]  # fmt: skip
    assert all(c.seconds >= 0 for c in told) and told[2].function == f"{__name__}:{top.__qualname__}"


def test_nested_listeners_end_each_for_itself(cached):
    @cached
    def f(x):
        return x

    told = []
    with on_call(told.append):
        with on_call(told.append):
            f(1)
        f(2)
    f(3)
    assert [c.title for c in told] == ["f(1)", "f(1)", "f(2)"]


def test_an_error_of_a_listener_is_a_warning_once(cached):
    @cached
    def f(x):
        return x

    with on_call(lambda call: call.nothing), pytest.warns(CallbackWarning, match="raised AttributeError.*nothing") as caught:
        assert (f(1), f(1), f(2)) == (1, 1, 2)
    assert len(caught) == 1
    with pytest.raises(UsageError, match="on_call takes a function"):
        on_call(3)


def test_what_a_listener_does_is_nobodys_dependency(project):
    project.write("lib.py", LIB)
    project.write("log.txt", "0")
    project.write("main.py", """
        from lib import *
        from cachepy import on_call
        def hear(call):
            print(call.outcome, call.title, open("log.txt").read(), leaf(5))
        on_call(hear)
        print(top(1))
    """)
    said = project.run("main.py").silent().splitlines()
    assert said == ["run leaf(1) 0 6", "run leaf(2) 0 6", "run top(1) 0 6", "5"]
    project.write("log.txt", "1")
    project.edit("main.py", "call.outcome,", "call.outcome, 'x',")
    assert project.run("main.py").silent().splitlines() == ["hit x top(1) 1 6", "5"]


def test_methods_partials_and_copies_have_it(cached):
    class Job:
        @cached
        def run(self, x):
            return x

        @classmethod
        @cached
        def make(cls, x):
            return x

    job, two = Job(), cached(partial(divmod_of, 7))
    assert (job.run(1), job.run(1), two(2)) == (1, 1, (3, 1))
    assert Job.make(2) == 2
    assert job.run.last.outcome == "hit" and two.last.outcome == "run" and Job.make.cache_info().misses == 1
    assert job.run.cache_info().currsize == Job.run.cache_info().currsize == 1

    @cached
    def f(x):
        return x

    copy = cloudpickle.loads(cloudpickle.dumps(f))
    assert copy(1) == 1 and copy.last.outcome == "run"
    assert pickle.loads(cloudpickle.dumps(f.last)).now.title == "f"
    assert with_caller(f)(1) == 1


def test_what_the_user_hung_there_stays_and_counts(project):
    program = """
        from cachepy import cache_file
        cached = cache_file("cache", warn_cheap=False)
        def table(x): return x
        table.last = 1
        table = cached(table)
        @cached
        def other(x): return x
        other.cache_info = 1
        @cached
        def f(): return table.last, other.cache_info
        print(f())
    """
    project.write("main.py", program)
    assert project.run("main.py").silent() == "(1, 1)\n"
    project.edit("main.py", "table.last = 1", "table.last = 2")
    assert project.run("main.py").silent() == "(2, 1)\n"
    project.edit("main.py", "other.cache_info = 1", "other.cache_info = 3")
    assert project.run("main.py").silent() == "(2, 3)\n"
