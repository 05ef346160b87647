"""Owners of a call that die, stand still or are interrupted, and those who wait for them."""

from __future__ import annotations

import json
import signal
import time
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
