"""Recursion and pools inside of calls; callers across executors, threads and processes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from at_once import AT_ONCE

from tests.programs import Project

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project(tmp_path, AT_ONCE) as made:
        yield made


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
