"""Coroutines that ask for calls at once, are cancelled, and wait without stopping the loop."""

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
