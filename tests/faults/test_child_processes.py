"""What child processes do for a body that nobody told them of, and forks inside tasks: noticed, and no hang."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from prelude import PRELUDE

from tests.programs import Project

STEPS = """
    from concurrent.futures import ProcessPoolExecutor

    FACTOR = 1

    @cache_file(CACHE)
    def g(x):
        log("g")
        return x * 100 * FACTOR + int(open(track_file(HERE / "child.txt")).read())

    def h(x):
        return x * 100 * FACTOR + int(open(track_file(HERE / "child.txt")).read())

    def executor(how, go):
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(how)) as pool:
            return list(pool.map(go, range(2)))

    def pool(how, go):
        with multiprocessing.get_context(how).Pool(2) as pool:
            return pool.map(go, range(2))

    def process(how, go):
        context = multiprocessing.get_context(how)
        queue = context.SimpleQueue()
        child = context.Process(target=into, args=(queue, go))
        child.start()
        child.join()
        return queue.get()

    def into(queue, go):
        queue.put(go(5))

    def by_hand(how, go):
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            os.write(write, str(go(5)).encode())
            os._exit(0)
        os.waitpid(pid, 0)
        return int(os.read(read, 100))

    def loky(how, go):
        from joblib import Parallel, delayed

        return Parallel(2, backend=how)(delayed(go)(x) for x in range(2))

    @cache_file(CACHE)
    def f(way, how, child):
        log("f")
        return {"executor": executor, "pool": pool, "process": process, "by_hand": by_hand, "loky": loky}[way](
            how, g if child == "g" else h
        )
    """
MAIN = """
    from steps import f

    if __name__ == "__main__":
        print(f(*sys.argv[1:]))
    """
WAYS = [
    *[(way, how) for way in ("executor", "pool", "process") for how in ("fork", "spawn", "forkserver")],
    ("by_hand", "fork"),
    ("loky", "loky"),
    ("loky", "multiprocessing"),
    ("loky", "threading"),
]


@pytest.fixture
def project(tmp_path):
    with Project(tmp_path, PRELUDE) as made:
        yield made


def ask(project, *args):
    out = project.run("main.py", *args).stdout
    ran = project.ran().count("f")
    return out.strip(), ran


@pytest.mark.parametrize(("way", "how"), WAYS, ids=map("-".join, WAYS))
def test_what_a_child_process_used_counts(project, way, how):
    """Nothing carries the caller there: edits of the child's file, of a file it tracked, and of its code are seen."""
    if way == "loky":
        pytest.importorskip("joblib")
    project.write("steps.py", STEPS)
    project.write("main.py", MAIN)
    file = project / "child.txt"
    text = "[{0}, {1}]" if way not in ("process", "by_hand") else "{5}"
    for child in "gh":
        file.write_text("1")
        first = ask(project, way, how, child)
        assert first == (text.format(*[100 * x + 1 for x in range(6)]), 1)
        assert ask(project, way, how, child) == (first[0], 0), "an unchanged program runs nothing"
        file.write_text("7")
        assert ask(project, way, how, child) == (text.format(*[100 * x + 7 for x in range(6)]), 1)
    project.write("steps.py", STEPS.replace("FACTOR = 1", "FACTOR = 2"))
    assert ask(project, way, how, "g") == (text.format(*[200 * x + 7 for x in range(6)]), 1)
    assert project.leftovers() == []


def test_a_child_that_cannot_tell_lets_nothing_be_stored(project):
    """The box is gone: the parent cannot know what it missed."""
    project.main(
        """
        @cache_file(CACHE, ignore_globals=["HERE"])
        def f():
            log("f")
            pid = os.fork()
            if not pid:
                for box in CACHE.glob("runs/children-*"):
                    box.unlink()
                os._exit(0)
            os.waitpid(pid, 0)

        warnings.simplefilter("ignore")
        f()
        f()
        """
    ).silent()
    assert Counter(project.logged()) == {"f": 2}
    assert project.leftovers() == []


def test_children_of_top_level_work_leave_nothing(project):
    """No body runs in the parent, so nobody puts up a box."""
    project.write(
        "main.py",
        """
        from concurrent.futures import ProcessPoolExecutor

        @cache_file(CACHE)
        def g(x):
            return x + 1

        if __name__ == "__main__":
            with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
                assert list(pool.map(g, range(4))) == [1, 2, 3, 4]
        """,
    )
    project.run("main.py").silent()
    assert project.leftovers() == []


def test_many_threads_put_up_one_box_and_take_it_away(project):
    """Bodies begin and end at any moment beside each other: each result is stored, and none is made twice."""
    project.write(
        "main.py",
        """
        LOG = open(HERE / "log", "a")

        warnings.simplefilter("error")

        def let_others_in(real):
            def call(*args, **kwargs):
                try:
                    return real(*args, **kwargs)
                finally:
                    if "children-" in str(args[0]):
                        time.sleep(random.random() / 500)
            return call

        for name in ("open", "stat", "unlink"):
            setattr(os, name, let_others_in(getattr(os, name)))

        @cache_file(CACHE, ignore_globals=["LOG"])
        def f(n):
            print("f", n, multiprocessing.cpu_count() > 0, file=LOG, flush=True)
            return n

        def loop(start):
            for n in range(start, 300, 3):
                gate.wait()  # all begin at once, so that the box comes and goes each time
                try:
                    f(n)
                except Warning as warning:
                    print("warned", warning, file=LOG, flush=True)

        gate = threading.Barrier(3)
        threads = [threading.Thread(target=loop, args=(k,)) for k in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        """,
    )
    for _ in range(2):
        project.run("main.py").silent()
        lines = project.logged()
        assert not [line for line in lines if line.startswith("warned")][:3]
        assert sorted(lines) == sorted(f"f {n} True" for n in range(300))
        assert project.leftovers() == []


NESTED = """
    from concurrent.futures import ProcessPoolExecutor

    @cache_file(CACHE)
    def g(x):
        return int(open(track_file(HERE / "child.txt")).read()) + x

    def inner(how, carried):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(how)) as pool:
            return pool.submit(with_caller(g) if carried else g, 1).result()

    def into(queue, *args):
        queue.put(inner(*args))

    @cache_file(CACHE)
    def f(outside, inside, carried=""):
        log("f")
        context = multiprocessing.get_context(outside)
        queue = context.SimpleQueue()
        child = context.Process(target=into, args=(queue, inside, carried))
        child.start()
        child.join()
        return queue.get()
    """
HOWS = ("fork", "spawn", "forkserver")


@pytest.mark.skipif(not hasattr(os, "readlink") or not os.path.exists("/proc/self/exe"), reason="needs /proc")
@pytest.mark.parametrize("outside", HOWS)
@pytest.mark.parametrize("inside", [*HOWS, "fork carried", "spawn carried"])
def test_the_child_of_a_child_tells_too(project, outside, inside):
    """A process in between that runs no body has no box: those above it have."""
    project.write("steps.py", NESTED)
    project.write("main.py", MAIN)
    for text, value in (("1", "2"), ("1", "2"), ("7", "8")):
        is_new = (project / "child.txt").exists() is False or text == "7"
        (project / "child.txt").write_text(text)
        assert ask(project, outside, *inside.split()) == (value, int(is_new))
    assert project.leftovers() == []


@pytest.mark.parametrize("how", HOWS)
def test_a_cache_of_another_function_has_its_own_box(project, how):
    """The child makes calls that are stored elsewhere, in another session, after a fork server has loaded the program."""
    project.write(
        "main.py",
        """
        from concurrent.futures import ProcessPoolExecutor

        if __name__ == "__main__":
            multiprocessing.get_context("forkserver").set_forkserver_preload(["__main__", "cachepy"])

        @cache_file(HERE / "cache2")
        def g(x):
            return int(open(track_file(HERE / "child.txt")).read()) + x

        @cache_file(CACHE)
        def f(how):
            log("f")
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(how)) as pool:
                return pool.submit(g, 1).result()

        if __name__ == "__main__":
            with cachepy.use_session(cachepy.Session()):
                print(f(sys.argv[1]))
        """,
    )
    for text, value, ran in (("1", "2", 1), ("1", "2", 0), ("7", "8", 1)):
        (project / "child.txt").write_text(text)
        assert ask(project, how) == (value, ran)
    assert project.leftovers() == []


SLOW_LOAD = """
import importlib.abc, os, sys, threading, time
from cachepy import cache_file

loads = threading.Event()

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "cachepy.store.inbox":
            loads.set()
            time.sleep(1)

sys.meta_path.insert(0, Slow())

def load():
    import cachepy.store.inbox

@cache_file("cache", ignore_globals=["loads", "load"])
def body():
    thread = threading.Thread(target=load)
    thread.start()
    loads.wait()
    pid = os.fork()
    if not pid:
        load()
        os._exit(0)
    for _ in range(100):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return "ended"
        time.sleep(0.1)
    os.kill(pid, 9)
    return "hangs"

print(body())
"""


def test_a_child_forked_while_a_thread_loads_what_tasks_are_told_through(tmp_path):
    """A pool's thread loads that as it pickles the first task, and the pool starts more children meanwhile."""


    (tmp_path / "program.py").write_text(SLOW_LOAD)
    assert Project(tmp_path).run("-W", "ignore", "program.py", limit=60).stdout == "ended\n"
