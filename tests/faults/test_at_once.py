"""Many processes and threads ask for the same calls at once.

Whatever could hang runs in a process of its own, with a limit.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from at_once import AT_ONCE, graph_of

from tests.programs import Project

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project(tmp_path, AT_ONCE) as made:
        yield made


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
