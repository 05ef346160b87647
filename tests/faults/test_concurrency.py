"""Many processes, threads and coroutines at once; owners that die; callers across executors.

Whatever could hang runs in a process of its own, with a limit.
"""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from at_once import AT_ONCE, graph_of

from tests.programs import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project(tmp_path, AT_ONCE) as made:
        yield made


@contextmanager
def fresh_session() -> Iterator[None]:
    try:
        from cachepy import Session, use_session
    except ImportError:
        import cachepy

        cachepy.cache_tree_reset()
        yield
    else:
        with use_session(Session()):
            yield


@pytest.fixture
def session() -> Iterator[None]:
    with fresh_session():
        yield


# -- one call, many askers ------------------------------------------------------------------------

FIFTY = """
    @cache_file(CACHE)
    def shared(j):
        log("shared", j)
        time.sleep(0.02)
        return [j] * 10


    @cache_file(CACHE)
    def item(k):
        log("item", k)
        time.sleep(0.005)
        return sum(shared(k % 7)) + k


    def process(number, threads, gate):
        wrong = []

        def thread(t):
            order = list(range(50))
            random.Random(number * 1000 + t).shuffle(order)
            gate.wait()
            for k in order:
                got = item(k)
                if got != (k % 7) * 10 + k:
                    wrong.append((k, got))

        started = [threading.Thread(target=thread, args=(t,)) for t in range(threads)]
        for t in started:
            t.start()
        for t in started:
            t.join()
        if wrong:
            raise SystemExit(f"wrong: {wrong}")
    """

FIFTY_MAIN = """
    import fifty

    if __name__ == "__main__":
        method, processes, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
        context = multiprocessing.get_context(method)
        gate = context.Barrier(processes * threads)
        started = [context.Process(target=fifty.process, args=(p, threads, gate)) for p in range(processes)]
        for p in started:
            p.start()
        for p in started:
            p.join()
        sys.exit(max(abs(p.exitcode) for p in started))
    """


@pytest.mark.parametrize(("method", "processes"), [("fork", 8), ("spawn", 4), ("forkserver", 4)])
def test_fifty_keys_asked_for_by_everyone_run_once(project: Project, method: str, processes: int) -> None:
    project.write("fifty.py", FIFTY)
    project.main(FIFTY_MAIN, method, processes, 8, limit=120).silent()
    expected = {f"item {k}": 1 for k in range(50)} | {f"shared {j}": 1 for j in range(7)}
    assert Counter(project.logged()) == expected
    assert project.leftovers() == []

    nodes = graph_of(project)
    assert Counter(n["fname"] for n in nodes.values()) == {"item": 50, "shared": 7}
    below: Counter[str] = Counter()
    for name, node in nodes.items():
        assert Path(node["outfile"]).is_file()
        if node["fname"] == "item":
            (child,) = node["children"]
            assert nodes[child]["fname"] == "shared"
            assert name in nodes[child]["parents"]
            assert node["parents"] == []
            below[child] += 1
    assert sorted(below.values()) == [7, 7, 7, 7, 7, 7, 8]
    assert {i: sorted(n["parents"]) for i, n in nodes.items() if n["fname"] == "shared"} == {
        c: sorted(i for i, n in nodes.items() if n["children"] == [c]) for c in below
    }


def test_many_processes_write_one_graph_and_lose_nothing(project: Project) -> None:
    """Different calls at once: every record of every writer is whole."""
    project.main(
        """
        @cache_file(CACHE)
        def leaf(p, k):
            return p * 1000 + k

        @cache_file(CACHE)
        def branch(p, k):
            return leaf(p, k) + leaf(p, k + 1)

        def many(p):
            for k in range(40):
                branch(p, k)

        if __name__ == "__main__":
            started = [multiprocessing.get_context("fork").Process(target=many, args=(p,)) for p in range(8)]
            for p in started:
                p.start()
            for p in started:
                p.join()
            sys.exit(max(abs(p.exitcode) for p in started))
        """
    ).silent()
    nodes = graph_of(project)
    assert Counter(n["fname"] for n in nodes.values()) == {"branch": 320, "leaf": 328}
    assert all(len(n["children"]) == 2 for n in nodes.values() if n["fname"] == "branch")


def test_first_used_by_many_threads_at_once(project: Project) -> None:
    """Modules with cached functions are imported in threads: all of them get one session, one graph."""
    project.main(
        """
        init = cachepy.Session.__init__

        def slow(self, *args, **kwargs):  # only widens the window
            time.sleep(0.1)
            init(self, *args, **kwargs)

        cachepy.Session.__init__ = slow

        def module(k):
            @cache_file(CACHE)
            def f(x):
                return x

            return f(k)

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(module, range(4))) == [0, 1, 2, 3]
        assert len(cache_tree_nodes()) == 4
        """
    ).silent()


def test_reading_while_others_write(project: Project) -> None:
    """A value is replaced again and again under its readers: never a warning, a wrong value or a run of theirs."""
    project.main(
        """
        @cache_file(CACHE, warn_cheap=False)
        def f(k):
            if os.environ.get("READER"):
                log("reader ran")
            return [k] * 10_000

        def write():
            for _ in range(200):
                assert f(1, _force=True) == [1] * 10_000

        def read():
            os.environ["READER"] = "1"
            for _ in range(600):
                assert f(1) == [1] * 10_000

        if __name__ == "__main__":
            f(1)
            context = multiprocessing.get_context("fork")
            started = [context.Process(target=t) for t in (write, write, read, read)]
            for p in started:
                p.start()
            for p in started:
                p.join()
                assert p.exitcode == 0
            assert ran() == []
        """
    ).silent()


def test_a_raising_body_raises_for_every_asker(project: Project) -> None:
    """Nothing is stored, so each of the waiting threads runs it and gets its own exception."""
    project.main(
        """
        @cache_file(CACHE)
        def bad(k):
            log("bad")
            time.sleep(0.05)
            raise ValueError(f"no {k}")

        def ask(_):
            try:
                return bad(1)
            except ValueError as error:
                return str(error)

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(ask, range(8))) == ["no 1"] * 8
        assert len(ran()) == 8
        assert cache_tree_nodes() == {}
        """
    ).silent()


def test_a_fork_beside_a_running_call(project: Project) -> None:
    """The child of a fork waits for the call that a thread of its parent runs, and can run others."""
    project.main(
        """
        @cache_file(CACHE)
        def slow(k):
            log("slow", k)
            time.sleep(1.0)
            return k * 2

        def child():
            assert slow(1) == 2
            assert slow(2) == 4

        thread = threading.Thread(target=slow, args=(1,))
        thread.start()
        while not ran():
            time.sleep(0.01)
        started = [multiprocessing.get_context("fork").Process(target=child) for _ in range(3)]
        for p in started:
            p.start()
        for p in started:
            p.join(30)
            assert p.exitcode == 0, p.exitcode
        thread.join()
        assert sorted(ran()) == ["slow 1", "slow 2"], ran()
        """,
        limit=60,
    ).silent()


# -- owners that die or stand still ---------------------------------------------------------------

SLOW = """
    def dawdle(name):
        if os.environ.get("DAWDLE") == name:
            log("dawdling")
            time.sleep(120)


    @cache_file(CACHE)
    def inner(k):
        log("inner", k)
        dawdle("inner")
        return k + 1


    @cache_file(CACHE)
    def outer(k):
        log("outer", k)
        dawdle("outer")
        if os.environ.get("DAWDLE") == "with a child":
            multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,)).start()
            log("dawdling")
            time.sleep(120)
        return inner(k) * 10


    if __name__ == "__main__":
        os.environ["DAWDLE"] = sys.argv[1]
        f = {"inner": inner, "outer": outer}[sys.argv[2]]
        log("asking")
        with ThreadPoolExecutor(int(sys.argv[3])) as pool:
            print(json.dumps(list(pool.map(f, [1] * int(sys.argv[3])))))
    """


@pytest.mark.parametrize("dawdle", ["outer", "inner", "with a child"])
def test_waiters_take_over_from_a_killed_owner(project: Project, dawdle: str) -> None:
    project.write("slow.py", SLOW)
    owner = project.start("slow.py", dawdle, "outer", 1)
    project.wait_for("dawdling")
    before = Counter(project.logged())
    asked = ["outer", "outer", "inner" if dawdle == "inner" else "outer"]
    waiters = [project.start("slow.py", "", name, 3) for name in asked]
    while Counter(project.logged())["asking"] < 4:
        time.sleep(0.02)
    time.sleep(1.0)  # they wait now
    waited = Counter(project.logged()) - before
    assert set(waited) == {"asking"}, f"ran beside the living owner: {waited}"
    assert all(p.poll() is None for p in waiters)

    owner.kill()
    owner.wait()
    killed = time.monotonic()
    out = [json.loads(project.finish(p, limit=30).silent()) for p in waiters]
    taken = time.monotonic() - killed
    assert out == [[{"outer": 20, "inner": 2}[name]] * 3 for name in asked]
    assert taken < 5, f"took over after {taken:.1f} s"
    again = Counter(project.logged()) - before - Counter({"asking": 3})
    assert again == {"outer 1": 1, "inner 1": 1}
    nodes = graph_of(project)
    assert sorted(n["fname"] for n in nodes.values()) == ["inner", "outer"]
    assert [name for name in project.leftovers() if name.endswith(".claim")] == []


def test_an_owner_that_stands_still_is_not_dead(project: Project) -> None:
    """A stopped process (a suspended laptop, a paused job) still owns its claim."""
    project.write(
        "still.py",
        """
        @cache_file(CACHE)
        def f(k):
            log("f", k)
            time.sleep(1.0)
            return k

        if __name__ == "__main__":
            log("asking")
            print(f(1))
        """,
    )
    owner = project.start("still.py")
    project.wait_for("f 1")
    owner.send_signal(signal.SIGSTOP)
    waiter = project.start("still.py")
    while Counter(project.logged())["asking"] < 2:
        time.sleep(0.02)
    time.sleep(4)
    assert Counter(project.logged())["f 1"] == 1
    assert waiter.poll() is None
    owner.send_signal(signal.SIGCONT)
    assert project.finish(owner, limit=20).silent() == project.finish(waiter, limit=20).silent() == "1\n"
    assert Counter(project.logged())["f 1"] == 1


def test_interrupting_a_waiter_ends_its_waiting(project: Project) -> None:
    project.write("slow.py", SLOW)
    project.start("slow.py", "outer", "outer", 1)
    project.wait_for("dawdling")
    project.write(
        "waiter.py",
        """
        from slow import outer

        signal.signal(signal.SIGINT, signal.default_int_handler)
        log("waiting")
        try:
            outer(1)
        except KeyboardInterrupt:
            print("interrupted")
        """,
    )
    waiter = project.start("waiter.py")
    project.wait_for("waiting")
    time.sleep(1.0)
    waiter.send_signal(signal.SIGINT)
    assert project.finish(waiter, limit=5).silent() == "interrupted\n"


@pytest.mark.stress
def test_of_many_waiters_one_takes_over(project: Project) -> None:
    """Twenty claims of a killed process, 320 waiters, thirty times: each body runs once more, not twice."""
    project.main(
        """
        @cache_file(CACHE)
        def f(k):
            log(k)
            time.sleep(100 if os.environ.get("OWNER") else 0.05)
            return k

        def owner(keys):
            os.environ["OWNER"] = "1"
            for k in keys:
                threading.Thread(target=f, args=(k,), daemon=True).start()
            time.sleep(100)

        def waiter(keys):
            threads = [threading.Thread(target=f, args=(k,)) for k in keys for _ in range(2)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()

        if __name__ == "__main__":
            context = multiprocessing.get_context("fork")
            for turn in range(30):
                keys = range(turn * 20, turn * 20 + 20)
                dead = context.Process(target=owner, args=(keys,))
                dead.start()
                while len(ran()) < turn * 40 + 20:
                    time.sleep(0.01)
                waiters = [context.Process(target=waiter, args=(keys,)) for _ in range(8)]
                for p in waiters:
                    p.start()
                time.sleep(0.4)
                dead.kill()
                dead.join()
                for p in waiters:
                    p.join()
                    assert p.exitcode == 0
                assert len(ran()) == turn * 40 + 40, (turn, len(ran()))
        """,
        limit=240,
    ).silent()


# -- recursion, and pools inside of calls ---------------------------------------------------------


def test_recursion(project: Project) -> None:
    project.main(
        """
        @cache_file(CACHE)
        def fib(n):
            log("fib", n)
            return n if n < 2 else fib(n - 1) + fib(n - 2)

        assert fib(30) == 832040
        assert sorted(ran()) == sorted(f"fib {n}" for n in range(31))
        assert len(cache_tree_nodes()) == 31
        for n in range(2, 31):
            assert set(node(fib, n)["children"]) == {ident(fib, n - 1), ident(fib, n - 2)}

        def some(seed):
            order = [random.Random(seed).randrange(31, 60) for _ in range(20)]
            return [(n, fib(n)) for n in order]

        def plain(n):
            a, b = 0, 1
            for _ in range(n):
                a, b = b, a + b
            return a

        with ThreadPoolExecutor(8) as pool:
            for results in pool.map(some, range(8)):
                assert all(value == plain(n) for n, value in results)
        assert len(ran()) == len(set(ran()))
        """
    ).silent()


def test_a_tree_5000_deep(project: Project) -> None:
    """A body 100 calls deep fits into Python's own limit; a hit on a tree 5,000 deep does not recurse."""
    project.write(
        "deep.py",
        """
        @cache_file(CACHE)
        def chain(n):
            log("chain")
            return 0 if n == 0 else chain(n - 1) + 1
        """,
    )
    project.main(
        """
        from deep import chain

        assert chain(100) == 100
        sys.setrecursionlimit(1_000_000)
        threading.stack_size(1 << 29)
        thread = threading.Thread(target=chain, args=(5000,))
        thread.start()
        thread.join()
        """,
        limit=120,
    ).silent()
    assert Counter(project.logged())["chain"] == 5001
    project.main(
        """
        from deep import chain

        assert chain(5000) == 5000
        assert len(cache_tree_nodes()) == 5001
        assert node(chain, 1)["parents"] == [ident(chain, 2)]
        assert cache_tree_changed_files() == {}
        """,
        limit=60,
    ).silent()
    assert Counter(project.logged())["chain"] == 5001


@pytest.mark.parametrize("wrap", ["with_caller", "bare"])
def test_a_call_whose_thread_pool_asks_for_the_same_call(project: Project, wrap: str) -> None:
    """The call cannot be waited for: it waits for its own thread.  It runs instead."""
    project.main(
        """
        carry = with_caller if sys.argv[1] == "with_caller" else (lambda f: f)

        @cache_file(CACHE)
        def again(n):
            log("again", n)
            if os.environ.get("INSIDE"):
                return n * 2
            os.environ["INSIDE"] = "1"
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(carry(again), n).result() + 1

        assert again(1) in (2, 3)
        assert len(ran()) == 2
        """,
        wrap,
        limit=30,
    ).silent()


def test_a_call_below_asks_for_the_call_above_in_a_thread(project: Project) -> None:
    """a(1) runs b(1), whose pool asks for a(1): two claims, a ring, no deadlock."""
    project.main(
        """
        @cache_file(CACHE)
        def a(n):
            log("a")
            if os.environ.get("INSIDE"):
                return n
            os.environ["INSIDE"] = "1"
            return b(n) + 1

        @cache_file(CACHE)
        def b(n):
            log("b")
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(with_caller(a), n).result() + 1

        assert a(1) in (1, 3)
        """,
        limit=30,
    ).silent()


# -- asyncio --------------------------------------------------------------------------------------


def test_fifty_coroutines_ask_for_one_call(project: Project) -> None:
    project.main(
        """
        @cache_file(CACHE)
        async def fetch(k):
            log("fetch", k)
            await asyncio.sleep(0.3)
            return [k]

        async def main():
            results = await asyncio.gather(*(fetch(k % 2) for k in range(100)))
            assert results == [[k % 2] for k in range(100)]
            results[0].append("mine")
            assert results[2] == [0], "each asker has its own value"
            assert await fetch(0) == [0]

        begin = time.monotonic()
        asyncio.run(main())
        assert time.monotonic() - begin < 5
        assert sorted(ran()) == ["fetch 0", "fetch 1"]

        # two event loops in two threads
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(lambda k: asyncio.run(fetch(k)), [7] * 4)) == [[7]] * 4
        assert ran().count("fetch 7") == 1
        """
    ).silent()


def test_coroutines_and_their_callers(project: Project) -> None:
    """gather, create_task and to_thread: every edge is right though the parents run interleaved."""
    project.main(
        """
        @cache_file(CACHE)
        async def fetch(p, k):
            await asyncio.sleep(0.01 * (k % 3))
            return k

        @cache_file(CACHE)
        def work(p, k):
            time.sleep(0.01)
            return k

        @cache_file(CACHE)
        async def parent(p):
            tasks = [asyncio.create_task(fetch(p, k)) for k in range(3)]
            fetched = await asyncio.gather(*tasks, *(fetch(p, k) for k in range(3, 6)))
            worked = await asyncio.gather(*(asyncio.to_thread(work, p, k) for k in range(3)))
            return sum(fetched) + sum(worked) + work(p, 9)

        async def main():
            assert await asyncio.gather(*(parent(p) for p in range(6))) == [15 + 3 + 9] * 6
            assert await asyncio.to_thread(work, -1, 0) == 0

        asyncio.run(main())
        for p in range(6):
            expected = {ident(fetch, p, k) for k in range(6)} | {ident(work, p, k) for k in (0, 1, 2, 9)}
            assert set(node(parent, p)["children"]) == expected
            for k in range(6):
                assert node(fetch, p, k)["parents"] == [ident(parent, p)]
        assert node(work, -1, 0)["parents"] == []
        """
    ).silent()


def test_a_cancelled_coroutine_leaves_the_call_to_the_next(project: Project) -> None:
    project.main(
        """
        @cache_file(CACHE)
        async def fetch(k):
            log("fetch", k)
            await asyncio.sleep(0.5)
            return k

        async def main():
            owner = asyncio.create_task(fetch(1))
            await asyncio.sleep(0.1)
            waiters = [asyncio.create_task(fetch(1)) for _ in range(5)]
            await asyncio.sleep(0.1)
            waiters[0].cancel()
            owner.cancel()
            done = await asyncio.gather(owner, *waiters, return_exceptions=True)
            assert [type(d) for d in done[:2]] == [asyncio.CancelledError] * 2, done
            assert done[2:] == [1] * 4, done

        begin = time.monotonic()
        asyncio.run(asyncio.wait_for(main(), 20))
        assert time.monotonic() - begin < 5
        assert ran() == ["fetch 1"] * 2
        assert len(cache_tree_nodes()) == 1
        """
    ).silent()


def test_a_waiting_coroutine_does_not_stop_the_loop(project: Project) -> None:
    """The owner is another process: this loop goes on with other work meanwhile."""
    project.write(
        "fetching.py",
        """
        @cache_file(CACHE)
        async def fetch(k):
            log("fetch", k)
            await asyncio.sleep(1.5)
            return k

        async def main():
            asked = asyncio.create_task(fetch(1))
            beats = 0
            while not asked.done():
                await asyncio.sleep(0.01)
                beats += 1
            assert await asked == 1
            print(beats)

        if __name__ == "__main__":
            asyncio.run(main())
        """,
    )
    owner = project.start("fetching.py")
    project.wait_for("fetch 1")
    beats = int(project.run("fetching.py").silent())
    project.finish(owner).silent()
    assert Counter(project.logged()) == {"fetch 1": 1}
    assert beats > 20, "the loop stood still while it waited"


# -- executors ------------------------------------------------------------------------------------


def test_nested_executors_carry_the_caller(project: Project) -> None:
    project.main(
        """
        @cache_file(CACHE)
        def leaf(p, k):
            return p + k

        @cache_file(CACHE)
        def middle(p):
            with ThreadPoolExecutor(2) as pool:
                return sum(pool.map(with_caller(leaf), [p] * 3, range(3)))

        @cache_file(CACHE)
        def top(ps):
            with ThreadPoolExecutor(4) as pool:
                futures = [pool.submit(with_caller(middle), p) for p in ps]
                return [f.result() for f in futures]

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(top, [(0, 1, 2), (2, 3)])) == [[3, 6, 9], [9, 12]]
        assert set(node(top, (0, 1, 2))["children"]) == {ident(middle, p) for p in (0, 1, 2)}
        assert set(node(top, (2, 3))["children"]) == {ident(middle, p) for p in (2, 3)}
        assert set(node(middle, 2)["parents"]) == {ident(top, (0, 1, 2)), ident(top, (2, 3))}
        for p in range(4):
            assert set(node(middle, p)["children"]) == {ident(leaf, p, k) for k in range(3)}
            for k in range(3):
                assert node(leaf, p, k)["parents"] == [ident(middle, p)]
        assert node(top, (2, 3))["parents"] == []
        """
    ).silent()


def test_a_helper_carried_to_a_pool_keeps_the_caller(project: Project) -> None:
    """with_caller takes any function, not only cached ones, and what it tracks belongs to the caller."""
    project.write(
        "helping.py",
        """
        @cache_file(CACHE)
        def child(k):
            return k

        def helper(k):
            return child(k) + int(track_file(Path(HERE, "n.txt")).read_text())

        @cache_file(CACHE)
        def parent(n):
            log("parent")
            with ThreadPoolExecutor(2) as pool:
                return sum(pool.map(with_caller(helper), range(n)))

        if __name__ == "__main__":
            print(parent(3))
            assert set(node(parent, 3)["children"]) == {ident(child, k) for k in range(3)}
            assert [p.name for p in node(parent, 3)["files"]] == ["n.txt"]
        """,
    )
    number = project / "n.txt"
    number.write_text("1")
    assert project.run("helping.py").silent() == project.run("helping.py").silent() == "6\n"
    assert Counter(project.logged())["parent"] == 1
    number.write_text("2")
    assert project.run("helping.py").silent() == "9\n"
    assert Counter(project.logged())["parent"] == 2


def test_a_bare_pool_never_names_the_wrong_caller(project: Project) -> None:
    """One shared pool, its threads first used by other callers: the right caller or none."""
    project.main(
        """
        POOL = ThreadPoolExecutor(3)

        @cache_file(CACHE)
        def child(p, k):
            time.sleep(0.002)
            return k

        @cache_file(CACHE, ignore_args=["pool"])
        def parent(p, carry, pool):
            first = pool.submit(with_caller(child) if carry else child, p, 0)
            return first.result() + sum(f.result() for f in [pool.submit(child, p, k) for k in range(1, 6)])

        def ask(p):
            return parent(p, p % 2 == 0, POOL)

        with ThreadPoolExecutor(4) as askers:
            assert list(askers.map(ask, range(12))) == [15] * 12
        assert POOL.submit(child, -1, 0).result() == 0
        POOL.shutdown()
        assert node(child, -1, 0)["parents"] == []
        for p in range(12):
            me = ident(parent, p, p % 2 == 0, None)
            for k in range(6):
                parents = node(child, p, k)["parents"]
                assert parents in ([], [me]), (p, k, parents)
            if p % 2 == 0:
                assert node(child, p, 0)["parents"] == [me]
        """
    ).silent()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_pool_carries_the_caller(project: Project, method: str) -> None:
    """The edge is recorded, and the child's file is a dependency of the caller."""
    project.write(
        "pooled.py",
        """
        @cache_file(CACHE)
        def count(name):
            log("count", name)
            return len(track_file(Path(HERE, name + ".data")).read_text())

        @cache_file(CACHE)
        def total(names, method):
            log("total")
            with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
                return sum(pool.map(with_caller(count), names))
        """,
    )
    main = """
        from pooled import count, total

        if __name__ == "__main__":
            names, method = ("one", "two"), sys.argv[1]
            print(total(names, method))
            here = node(total, names, method)
            assert set(here["children"]) == {ident(count, n) for n in names}, here
            for name in names:
                assert node(count, name)["parents"] == [here["id"]]
                assert [p.name for p in node(count, name)["files"]] == [name + ".data"]
            assert cache_tree_changed_files() == {}
        """
    (project / "one.data").write_text("1")
    (project / "two.data").write_text("22")
    assert project.main(main, method).silent() == "3\n"
    assert Counter(project.logged()) == {"total": 1, "count one": 1, "count two": 1}
    assert project.main(main, method).silent() == "3\n"
    assert sum(Counter(project.logged()).values()) == 3, "a hit, with the same graph"
    (project / "two.data").write_text("4444")
    assert project.main(main, method).silent() == "5\n"
    assert Counter(project.logged()) == {"total": 2, "count one": 1, "count two": 2}
    assert project.leftovers() == []


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_what_ran_again_in_a_process_pool_is_fresh(project: Project, method: str) -> None:
    """The graph of this process knows the run of the worker, not only its own older one."""
    project.write(
        "again.py",
        """
        @cache_file(CACHE)
        def count(name):
            return len(track_file(Path(HERE, name + ".data")).read_text())

        @cache_file(CACHE)
        def total(name, method):
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
                return pool.submit(with_caller(count), name).result()
        """,
    )
    project.main(
        """
        from again import count, total

        if __name__ == "__main__":
            for text in ("1", "22", "333"):
                Path(HERE, "x.data").write_text(text)
                assert total("x", sys.argv[1]) == len(text)
                assert cache_tree_changed_files() == {}
                assert node(total, "x", sys.argv[1])["children"] == [ident(count, "x")]
        """,
        method,
    ).silent()


# -- exceptions -----------------------------------------------------------------------------------


class Odd(BaseException):
    """Not even an Exception."""


RAN: list[str] = []
STOP: list[BaseException] = []


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit, Odd])
def test_exceptions_pass_through_untouched(tmp_path: Path, kind: type[BaseException]) -> None:
    from cachepy import cache_file, cache_tree_nodes

    RAN.clear()
    STOP[:] = [kind("as it was")]
    cache = tmp_path / "cache"

    @cache_file(cache)
    def leaf(k: int) -> int:
        return k

    @cache_file(cache, ignore_globals=["RAN", "STOP"])
    def body(k: int) -> int:
        RAN.append("body")
        got = leaf(k)
        if STOP:
            raise STOP[0]
        return got

    for _ in range(2):
        with pytest.raises(kind) as caught:
            body(1)
        assert caught.value is STOP[0]
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        assert not body.is_cached(1)
        (only,) = cache_tree_nodes().values()
        assert (only["fname"], only["parents"]) == ("leaf", [])
    assert RAN == ["body"] * 2
    STOP.clear()
    begin = time.monotonic()
    assert body(1) == 1
    assert time.monotonic() - begin < 1, "waited for a claim that nobody holds"
    assert RAN == ["body"] * 3
    assert body.is_cached(1)
    assert {n["fname"] for n in cache_tree_nodes().values()} == {"leaf", "body"}


def test_a_call_after_an_exception_waits_for_no_claim(project: Project) -> None:
    """Neither in the next process nor in this one, and nothing of the failed call is on disk."""
    project.write(
        "failing.py",
        """
        @cache_file(CACHE)
        def f(k):
            log("f")
            if os.environ["FAIL"] == "raise":
                raise ValueError(k)
            if os.environ["FAIL"] == "exit":
                sys.exit(3)
            if os.environ["FAIL"] == "interrupt":
                raise KeyboardInterrupt
            return k
        """,
    )
    project.main(
        """
        from failing import f

        for how in ("raise", "exit", "interrupt"):
            os.environ["FAIL"] = how
            try:
                f(1)
            except BaseException as error:
                assert type(error).__name__ == {"raise": "ValueError", "exit": "SystemExit"}.get(how, "KeyboardInterrupt")
            else:
                raise AssertionError(how)
            assert not has_node(f, 1)
            assert not f.is_cached(1)
        """
    ).silent()
    assert graph_of(project) == {}
    assert project.leftovers() == []
    project.main(
        """
        from failing import f

        os.environ["FAIL"] = ""
        begin = time.monotonic()
        assert f(1) == 1
        assert time.monotonic() - begin < 1
        """
    ).silent()
    assert Counter(project.logged()) == {"f": 4}
    assert [n["fname"] for n in graph_of(project).values()] == ["f"]


@pytest.mark.usefixtures("session")
def test_an_exception_of_a_coroutine_passes_through(tmp_path: Path) -> None:
    import asyncio

    from cachepy import cache_file, cache_tree_nodes

    STOP[:] = [ValueError("as it was")]

    @cache_file(tmp_path / "cache", ignore_globals=["STOP"])
    async def body(k: int) -> int:
        await asyncio.sleep(0)
        if STOP:
            raise STOP[0]
        return k

    with pytest.raises(ValueError, match="as it was") as caught:
        asyncio.run(body(1))
    assert caught.value is STOP[0]
    assert cache_tree_nodes() == {}
    STOP.clear()
    assert asyncio.run(body(1)) == 1
    assert len(cache_tree_nodes()) == 1


def test_who_is_inside_a_shared_pool_is_not_its_owner(project):
    """A body that waits in a method of the pool has it as a variable there; the work may be another body's."""
    project.main(
        """
        POOL = ThreadPoolExecutor(1)
        READY = threading.Event()

        @cache_file(CACHE)
        def g():
            return 1

        def work():
            while not inside():
                time.sleep(0)
            return g()

        def inside():
            for at in sys._current_frames().values():
                while at is not None:
                    if at.f_code.co_name == "shutdown":
                        return True
                    at = at.f_back
            return False

        @cache_file(CACHE, ignore_globals=["POOL", "READY"])
        def mine():
            READY.wait()
            return POOL.submit(work).result()

        @cache_file(CACHE, ignore_globals=["POOL", "READY"])
        def other():
            READY.set()
            while not POOL._threads:
                time.sleep(0)
            POOL.shutdown(wait=True)

        warnings.simplefilter("ignore")
        threads = [threading.Thread(target=each) for each in (mine, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        nodes = cache_tree_nodes().values()
        assert not [node for node in nodes if node["fname"] == "other" and node["children"]]
        """
    ).silent()
