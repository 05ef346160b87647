"""Forks, exits and early cutoff beside threads that are in the middle of something."""

from __future__ import annotations

from collections import Counter

import pytest
from prelude import PRELUDE

from cachepy import cache_verify
from cachepy.graph import graph
from tests.programs import Project

# ---- forks

FORKING = """
    (HERE / "big").write_bytes(b"1" * 100_000)
    os.utime(HERE / "big", (1e9, 1e9))

    @cache_file(CACHE)
    def leaf(k):
        return [k] * (20_000 if k % 3 == 0 else 10)

    @cache_file(CACHE)
    def branch(k):
        track_file(HERE / "big")
        return sum(leaf(k)) + sum(leaf(k + 1))

    def right(k):
        return sum(j * (20_000 if j % 3 == 0 else 10) for j in (k, k + 1))

    STOP = threading.Event()

    def busy(number):
        chance = random.Random(number)
        while not STOP.is_set():
            k = chance.randrange(12)
            assert branch(k, _force=chance.random() < 0.5) == right(k)
            if chance.random() < 0.2:
                leaf(k, _force=True)
            cache_tree_nodes()

    def child(number):
        signal.alarm(30)  # the fault handler tells where it stands
        faulthandler.register(signal.SIGALRM, chain=True)
        chance = random.Random(-number)
        for _ in range(4):
            k = chance.randrange(12)
            assert branch(k, _force=chance.random() < 0.5) == right(k)
        assert branch(1000 + number) == right(1000 + number)
        assert any(n["fname"] == "branch" for n in cache_tree_nodes().values())

    threads = [threading.Thread(target=busy, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    chance = random.Random(7)
    failed = []
    for number in range(int(sys.argv[1])):
        time.sleep(chance.random() * 0.02)
        pid = os.fork()
        if not pid:
            code = 1
            try:
                child(number)
                code = 0
            except BaseException:
                import traceback
                traceback.print_exc()
            finally:
                os._exit(code)
        if status := os.waitpid(pid, 0)[1]:
            failed.append((number, status))
    STOP.set()
    for t in threads:
        t.join()
    assert not failed, failed
    """


@pytest.fixture
def project(tmp_path):
    with Project(tmp_path, PRELUDE) as made:
        yield made


def test_a_module_that_is_loaded_in_the_midst_of_a_fork_takes_no_part_in_it():
    """Another thread may load it: then it is asked after the fork, and was not asked before."""
    graph._after_fork()
    graph._before_fork()
    graph._after_fork()
    assert not graph._forking._is_owned()


def test_forks_beside_busy_threads(project):
    """Whatever a thread held at the moment of the fork (claims, the journal's lock, the graph, imports)."""
    project.main(FORKING, 25, limit=100).silent()
    assert project.leftovers() == []
    assert cache_verify(project / "cache").problems == ()


def test_a_module_that_a_thread_loads_across_a_fork_is_loaded_anew(project):
    """Python waits for its own lock after our hook, and another thread may begin to load something meanwhile."""
    text = """
    import cachepy.calls.late_imports as late
    late._LONGEST_WAIT = 0  # it is as if the thread had begun after the hook
    parent, blocked = os.getpid(), threading.Event()

    class Slow:
        def find_spec(self, name, path=None, target=None):
            if name in ("cachepy.staleness.plan", "cachepy.code.walking") and os.getpid() == parent:
                blocked.set()
                time.sleep(3)  # that long the fork waits, by Python

    sys.meta_path.insert(0, Slow())
    threading.Thread(target=lambda: __import__("cachepy.staleness.plan"), daemon=True).start()
    assert blocked.wait(10)
    if not (pid := os.fork()):
        signal.alarm(10)
        import cachepy.staleness.plan
        assert cachepy.staleness.plan.cache_tree_plan
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    assert status == 0, status
    os._exit(0)
    """
    project.main(text).silent()


@pytest.mark.stress
def test_many_forks_beside_busy_threads(project):
    project.main(FORKING, 600, limit=900).silent()
    assert project.leftovers() == []
    assert cache_verify(project / "cache").problems == ()




@pytest.mark.parametrize("how", ["os._exit(0)", "sys.exit(0)", "raise ValueError"])
def test_a_claim_is_not_that_of_a_forked_child(project, how):
    """A child of a running body that unwinds through it neither gives up its parent's claim nor stores for it."""
    project.write(
        "forked.py",
        f"""
        @cache_file(CACHE)
        def slow(k):
            log("slow")
            pid = os.fork()
            if not pid:
                {how}
            os.waitpid(pid, 0)
            claims = list(CACHE.rglob("*.claim"))
            log("claims", len(claims))
            time.sleep(0.3)
            return k

        if __name__ == "__main__":
            parent = os.getpid()
            try:
                assert slow(1) == 1
            except (SystemExit, ValueError):
                os._exit(0)
            assert os.getpid() == parent
            assert slow(1) == 1
        """,
    )
    project.run("forked.py").silent()
    assert Counter(project.logged()) == {"slow": 1, "claims 1": 1}
    assert project.leftovers() == []


def test_a_child_holds_no_claim_of_its_parent(project):
    """Its heartbeat does not keep alive what its parent held; its own claims work."""
    project.main(
        """
        from cachepy import current_session

        @cache_file(CACHE)
        def slow(k):
            log("slow", k)
            time.sleep(1.5)
            return k

        thread = threading.Thread(target=slow, args=(1,))
        thread.start()
        while not list(CACHE.rglob("*.claim")):
            time.sleep(0.01)
        time.sleep(0.2)
        pid = os.fork()
        if not pid:
            claims = current_session().claims
            assert slow(2) == 2
            assert set(claims._held) == set(), claims._held
            assert slow(1) == 1
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        thread.join()
        """
    ).silent()
    assert Counter(project.logged()) == {"slow 1": 1, "slow 2": 1}




@pytest.mark.parametrize("held", ["heartbeat", "journal", "graph"])
def test_a_fork_at_the_moment_when_a_thread_holds_a_lock(project, held):
    project.main(
        """
        from cachepy import current_session
        import fcntl

        @cache_file(CACHE)
        def f(k):
            return k * 2

        holding, forked = threading.Event(), threading.Event()
        def hold():
            if HELD == "journal":
                with open(CACHE / "graph.pkl", "ab") as file:
                    fcntl.flock(file.fileno(), fcntl.LOCK_EX)
                    holding.set()
                    forked.wait(2)
                    fcntl.flock(file.fileno(), fcntl.LOCK_UN)
                return
            session = current_session()
            with session.graph._lock if HELD == "graph" else session.claims._lock:
                holding.set()
                forked.wait(2)

        assert f(1) == 2
        HELD = sys.argv[1]
        thread = threading.Thread(target=hold)
        thread.start()
        holding.wait(20)
        pid = os.fork()
        if not pid:
            signal.alarm(10)
            assert f(2) == 4 and f(1) == 2
            os._exit(0)
        time.sleep(0.2)
        forked.set()
        assert os.waitpid(pid, 0)[1] == 0, "the child waits for ever"
        thread.join()
        assert f(2) == 4
        """,
        held,
        limit=40,
    ).silent()


# ---- exits in mid-write

EXITING = """
    import numpy as np

    @cache_file(CACHE)
    def leaf(k):
        return np.full(300_000, k)

    @cache_file(CACHE)
    def branch(k):
        return leaf(k) + 1

    def write(number):
        k = number * 100_000
        while True:
            k += 1
            branch(k)

    if __name__ == "__main__":
        for number in range(4):
            threading.Thread(target=write, args=(number,), daemon=True).start()
        time.sleep(float(sys.argv[1]))
        if sys.argv[2] == "sys.exit":
            sys.exit(0)
    """


def exits(project, delays):
    project.write("exiting.py", EXITING)
    for number, delay in enumerate(delays):
        project.run("exiting.py", delay, "sys.exit" if number % 2 else "return", limit=60).silent()
    done = cache_verify(project / "cache")
    assert done.entries > 0
    assert done.problems == ()
    project.main(
        """
        from exiting import branch, leaf

        cache_tree_sync(CACHE)
        nodes = list(cache_tree_nodes().values())
        assert nodes
        for node in nodes:
            assert node["outfile"].is_file()
            if node["fname"] == "branch":
                assert len(node["children"]) == 1
        for k in range(1, 4):
            assert (branch(k) == k + 1).all() and (leaf(k) == k).all()
        """
    ).silent()


def test_the_interpreter_ends_while_daemon_threads_write(project):
    """Exit 0, nothing on stderr, no torn entry, whole nodes only."""
    exits(project, [0.2, 0.25, 0.33, 0.4])


@pytest.mark.stress
def test_the_interpreter_ends_many_times_while_daemon_threads_write(project):
    exits(project, [0.15 + 0.007 * n for n in range(50)])


def test_cached_calls_at_exit(project):
    project.main(
        """
        import atexit

        @cache_file(CACHE)
        def f(k):
            return k

        def last():
            assert f(1) == 1
            assert f(2) == 2
            print("done")

        atexit.register(last)
        f(1)
        """
    ).silent()


# ---- callers: interleaved, and one after the other

DAG = """
    import functools

    @cache_file(CACHE)
    def node(seed, depth, k):
        time.sleep(0.001)
        return k + sum(node(*below) for below in belows(seed, depth, k))

    @cache_file(CACHE)
    def spread(seed, depth, k):
        with ThreadPoolExecutor(3) as pool:
            return k + sum(pool.map(lambda b: b, pool.map(with_caller(step), belows(seed, depth, k))))

    @cache_file(CACHE)
    async def anode(seed, depth, k):
        await asyncio.sleep(0.001)
        got = await asyncio.gather(*[anode(*b) for b in belows(seed, depth, k)])
        more = await asyncio.to_thread(node, seed, 1, k % 5)
        return k + sum(got) + more

    def step(below):
        return spread(*below)

    def belows(seed, depth, k):
        chance = random.Random(f"{seed} {depth} {k}")
        return [] if not depth else [(seed, depth - 1, chance.randrange(8)) for _ in range(3)]

    if __name__ == "__main__":
        seed, how = int(sys.argv[1]), sys.argv[2]
        asked = [(seed, 3, k) for k in range(8)]
        random.Random(how).shuffle(asked)
        if how == "serial":
            for each in asked:
                node(*each), spread(*each), asyncio.run(anode(*each))
        else:
            with ThreadPoolExecutor(12) as pool:
                futures = [pool.submit(f, *each) for each in asked for f in (node, spread)]

                async def all_of_them():
                    await asyncio.gather(*[anode(*each) for each in asked])

                asyncio.run(all_of_them())
                for future in futures:
                    future.result()
        nodes = cache_tree_nodes()
        print(json.dumps({i: [sorted(n["children"]), sorted(n["parents"])] for i, n in nodes.items()}, sort_keys=True))
    """


def same_callers(project, seed):
    project.write("dag.py", DAG)
    serial, at_once = (project.run("dag.py", seed, how, limit=120, CACHE_NAME=how).silent() for how in ("serial", "at_once"))
    assert len(serial) > 1000
    assert at_once == serial


def test_interleaved_calls_have_the_callers_of_a_serial_run(project):
    same_callers(project, 1)


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(2, 12))
def test_many_interleaved_calls_have_the_callers_of_a_serial_run(project, seed):
    same_callers(project, seed)


# ---- early cutoff, asked for by everyone

CUTOFF = """
    @cache_file(CACHE)
    def leaf(k):
        log("leaf", k)
        time.sleep(0.005)
        return len(track_file(HERE / f"input{k}").read_text().split())

    @cache_file(CACHE)
    def x(j):
        log("x", j)
        return leaf(j) + leaf((j + 1) % 4)

    @cache_file(CACHE)
    def y(j):
        log("y", j)
        return leaf((j + 1) % 4) + x((j + 2) % 4) + leaf(j)

    @cache_file(CACHE)
    def top():
        log("top", 0)
        return sum(x(j) for j in range(4)) + sum(y(j) for j in range(3, -1, -1))

    def words():
        return [len((HERE / f"input{k}").read_text().split()) for k in range(4)]

    def right(f, j):
        w = words()
        xs = [w[j] + w[(j + 1) % 4] for j in range(4)]
        ys = [w[(j + 1) % 4] + xs[(j + 2) % 4] + w[j] for j in range(4)]
        return {"leaf": w, "x": xs, "y": ys, "top": [sum(xs) + sum(ys)]}[f][j]

    CALLS = [("leaf", j) for j in range(4)] + [("x", j) for j in range(4)] + [("y", j) for j in range(4)] + [("top", 0)]

    def ask(number):
        order = CALLS * 2
        random.Random(number).shuffle(order)
        for f, j in order:
            got = globals()[f](*([] if f == "top" else [j]))
            assert got == right(f, j), (f, j, got, right(f, j))

    if __name__ == "__main__":
        with ThreadPoolExecutor(int(sys.argv[2])) as pool:
            list(pool.map(ask, [int(sys.argv[1]) * 100 + n for n in range(int(sys.argv[2]))]))
    """


def rounds(project, number, processes=3, threads=4):
    """After each edit every leaf runs once, every caller once at most, whoever asks for which first."""
    project.write("cutoff.py", CUTOFF)
    inputs = [project / f"input{k}" for k in range(4)]
    for k, path in enumerate(inputs):
        path.write_text("w " * (k + 1))
    for each in range(number):
        project.ran()
        started = [project.start("cutoff.py", each * 10 + p, threads) for p in range(processes)]
        for process in started:
            err = project.finish(process, limit=100).stderr
            assert not err, err
        ran = Counter(project.logged())
        assert max(ran.values()) == 1, (each, ran)
        leaves, callers = ({r for r in ran if (r[:4] == "leaf") is is_leaf} for is_leaf in (True, False))
        assert len(leaves) == 4
        if each and each % 2 == 0:
            assert callers, (each, ran)  # else at most once: who loses a race for a call below may run itself
        for path in inputs:  # every second time the words stay the same
            path.write_text(path.read_text() + ("\n" if each % 2 == 0 else "more "))
    assert project.leftovers() == []


def test_early_cutoff_asked_for_by_everyone_at_once(project):
    """Also crosswise: one makes a call below X again while another runs a caller of it."""
    rounds(project, 3)


@pytest.mark.stress
def test_early_cutoff_asked_for_by_everyone_many_times(project):
    rounds(project, 40, processes=4, threads=6)


LOADING = """
    import importlib.abc, importlib.machinery

    class Slow(importlib.abc.Loader, importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name == "cachepy.slow":
                return importlib.machinery.ModuleSpec(name, self)

        def exec_module(self, module):
            time.sleep(1)

    sys.meta_path.append(Slow())
    loads = threading.Thread(target=lambda: __import__("cachepy.slow"))
    loads.start()
    time.sleep(0.2)
    pid = os.fork()
    if not pid:
        signal.alarm(10)
        __import__("cachepy.slow")
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    loads.join()
    """


def test_a_fork_while_a_thread_loads_a_part(project):
    """Its lock would stay taken in the child."""
    project.main(LOADING).silent()
