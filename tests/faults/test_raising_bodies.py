"""Exceptions pass through untouched, and a call after one waits for nobody."""

from __future__ import annotations

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
