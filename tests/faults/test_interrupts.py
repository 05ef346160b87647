"""Interrupts at any moment: nothing is stored, the claim is given back at once, the callers are right afterwards."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prelude import HEARING

from tests.programs import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project(tmp_path, HEARING) as made:
        yield made


# Real signals at random moments, in all that a call does: each time the state must be as if it never began.
SHOTS = """
from cachepy.core.current import caller
import random


def interrupt(*_):
    raise KeyboardInterrupt


signal.signal(signal.SIGALRM, interrupt)  # a timer is more exact than another process; the way it goes is SIGINT's


@cache_file(ROOT)
def below(k):
    return [k] * 100


@cache_file(ROOT)
def above(k):
    track_file("data")
    return sum(below(k)) + sum(below(k + 1))


open("data", "w").write("x" * 20_000)
seed, shots = int(sys.argv[1]), int(sys.argv[2])
rng, hit, k = random.Random(seed), 0, 0
quiet = type(sys.unraisablehook)  # a handler that raises inside of a callback of the interpreter is reported there
sys.unraisablehook = lambda *_: None
while hit < shots:
    k += 1
    n = k if k % 3 else k // 2
    if k % 5 == 0:  # verified anew, and stale
        open("data", "w").write(str(k) * 5000)
    current_session().files.digest("data")
    try:
        signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.00002, 0.003))
        got = above(n)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        hit += 1
    else:
        assert got == 200 * n + 100, (n, got)
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert caller() is None, "the caller of what comes next is wrong"
    assert left() == [], (hit, left())
assert above(0) == 100
nodes = cache_tree_nodes().values()
assert all(not n["parents"] for n in nodes if n["fname"] == "above")
assert heard == [], heard
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_interrupts_at_random_moments(project: Project, seed: int) -> None:
    project.main(SHOTS, seed, 150).silent()


@pytest.mark.stress
def test_many_interrupts_at_random_moments(project: Project) -> None:
    project.main(SHOTS, random.randrange(10**6), 10_000, limit=1800).silent()


# A real SIGINT while the main thread is in a known step.
STEPS = {
    "running": "time.sleep(30)",
    "running below": "slow(n)",
    "verifying": "",
    "storing": "return Slow()",
    "waiting": "",
}

STEP = """
@cache_file(ROOT)
def slow(n):
    said("at it")
    time.sleep(30)


class Slow:
    def __reduce__(self):
        said("at it")
        time.sleep(30)
        return int, ()


def said(word):
    print(word, flush=True)
"""


@pytest.mark.parametrize("step", ["running", "running below", "storing", "digesting", "waiting"])
def test_sigint_in_each_step(project: Project, step: str) -> None:
    """The program catches it and goes on; the very next call in another process does not wait."""
    body = {"running": "said('at it'); time.sleep(30)", "running below": "slow(n)", "storing": "return Slow()"}.get(step, "")
    argument = "Slow()" if step == "digesting" else "1"
    program = f"""
        {STEP.replace(chr(10), chr(10) + "        ")}

        @cache_file(ROOT, ignore_globals=["Slow", "said"])
        def f(n, quick):
            if not quick and sys.argv[1] == "slow":
                {body or "pass"}
            return 1

        @cache_file(ROOT)
        def g(n):
            return 2

        @cache_file(ROOT, ignore_globals=["said"])
        def held(n):
            said("at it")
            time.sleep(30)

        if sys.argv[1] == "hold":
            held(1)
        try:
            if sys.argv[1] == "wait":
                threading.Timer(0.5, said, ["at it"]).start()
                held(1)
            elif sys.argv[1] == "slow":
                f({argument}, False)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            assert sys.argv[1] == "wait" or left() == [], left()
            assert g(1) == 2 and heard == [], heard
            assert cache_tree_nodes()["g:" + g.key(1)]["parents"] == []
            sys.exit()
        assert f(1, True) == 1 and g(1) == 2
        """
    project.write("main.py", program)
    holder = project.start("main.py", "hold") if step == "waiting" else None
    try:
        if holder is not None:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "at it\n"
        process = project.start("main.py", "wait" if holder else "slow")
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "at it\n", process.communicate()
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "interrupted\n", "")
        project.run("main.py", "quick", limit=20).silent()
    finally:
        if holder is not None:
            holder.kill()
            holder.communicate()


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit(3)", "GeneratorExit", "RecursionError", "MemoryError"])
def test_what_ends_a_nested_call_leaves_nothing(project: Project, error: str) -> None:
    """Raised three calls down and caught on top: no entry, no claim, no node, and the next calls have right callers."""
    project.main(
        f"""
        bad = [True]

        @cache_file(ROOT, ignore_globals=["bad"])
        def c(n):
            if bad[0]:
                raise {error}
            return n

        @cache_file(ROOT)
        def b(n):
            return c(n)

        @cache_file(ROOT)
        def a(n):
            return b(n)

        try:
            a(1)
        except BaseException as caught:
            assert type(caught) is {error.partition("(")[0]}, caught
        assert left() == entries() == [] and cache_tree_nodes() == {{}}
        bad[0] = False
        assert c(2) == 2 and a(1) == 1
        nodes = {{n["id"]: n for n in cache_tree_nodes().values()}}
        assert nodes["c:" + c.key(2)]["parents"] == []
        assert nodes["c:" + c.key(1)]["parents"] == ["b:" + b.key(1)]
        assert heard == [] and left() == []
        """
    ).silent()


CANCEL = """
        from cachepy.core.current import caller

        @cache_file(ROOT)
        def child(path):
            time.sleep(float(os.environ.get("SLOW", "0")))
            return len(open(track_file(path)).read())

        @cache_file(ROOT)
        async def parent(n):
            return child("data") + n

        @cache_file(ROOT)
        async def sleeps(n):
            await asyncio.sleep(float(os.environ.get("SLOW", "0")))
            return n

        @cache_file(ROOT)
        async def other(n):
            return n

        async def cancelled(call, after, waiter=None):
            task = asyncio.create_task(call)
            await asyncio.sleep(after)
            second = asyncio.create_task(waiter) if waiter is not None else None
            await asyncio.sleep(0.1)
            victim = second or task
            victim.cancel()
            try:
                await victim
            except asyncio.CancelledError:
                pass
            else:
                raise AssertionError("not cancelled")
            assert caller() is None
            assert await other(1) == 1
            return task
"""


def test_cancelled_while_it_runs(project: Project) -> None:
    project.main(
        CANCEL
        + """
        async def main():
            os.environ["SLOW"] = "30"
            await cancelled(sleeps(1), 0.1)
            assert left() == []
            os.environ["SLOW"] = "0"
            assert await asyncio.wait_for(sleeps(1), 5) == 1

        asyncio.run(main())
        assert [n["fname"] for n in cache_tree_nodes().values() if n["parents"]] == [] and heard == []
        """
    ).silent()


def test_cancelled_while_it_waits(project: Project) -> None:
    """Of two tasks that ask for one call, the second is cancelled: the first is not disturbed."""
    project.main(
        CANCEL
        + """
        async def main():
            os.environ["SLOW"] = "1"
            first = await cancelled(sleeps(1), 0.1, sleeps(1))
            assert await asyncio.wait_for(first, 10) == 1
            assert left() == [] and current_session().waiting == {}

        asyncio.run(main())
        assert len(entries()) == 2 and heard == []
        """
    ).silent()


def test_cancelled_while_a_call_below_is_made_again(project: Project) -> None:
    """Early cutoff runs in a thread, which ends by itself; the claim is given back at once."""
    project.main(
        CANCEL
        + """
        open("data", "w").write("1")
        assert asyncio.run(parent(1)) == 2
        open("data", "w").write("22")

        async def main():
            os.environ["SLOW"] = "1"
            await cancelled(parent(1), 0.3)
            claims = glob.glob(ROOT + "/entries/*/parent-*.claim")
            assert claims == [], claims

        asyncio.run(main())
        os.environ["SLOW"] = "0"
        assert left() == []
        assert asyncio.run(asyncio.wait_for(parent(1), 5)) == 3
        assert heard == []
        """
    ).silent()


def test_a_closed_generator_around_a_call(project: Project) -> None:
    """GeneratorExit where a cached call is made lazily; and an exit that leaves no thread behind."""
    project.main(
        """
        @cache_file(ROOT)
        def f(n):
            return n

        def lazily():
            for n in range(10):
                try:
                    yield f(n)
                finally:
                    f(100 + n)

        items = lazily()
        assert next(items) == 0 and next(items) == 1
        items.close()
        assert f.is_cached(101) and not f.is_cached(2)
        assert all(t.daemon or t is threading.main_thread() for t in threading.enumerate()), threading.enumerate()
        """,
        limit=20,
    ).silent()
