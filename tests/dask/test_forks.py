"""Forked pools inside a task: the worker's queue is nobody's in a child, and its loop does not run there."""

from __future__ import annotations

import pytest

from tests.programs import Project

STEPS = """
    import multiprocessing, os
    from concurrent.futures import ProcessPoolExecutor
    from cachepy import cache_file, cache_tree_nodes, with_caller

    CACHE = os.environ["PIPE_CACHE"]
    FORK = multiprocessing.get_context("fork")

    @cache_file(CACHE, warn_cheap=False)
    def leaf(x):
        return x + 1

    @cache_file(CACHE, warn_cheap=False)
    def told(n):
        with ProcessPoolExecutor(2, mp_context=FORK) as pool:
            return sum(pool.map(with_caller(leaf), range(n)))

    @cache_file(CACHE, warn_cheap=False)
    def nested(n):
        with ProcessPoolExecutor(2, mp_context=FORK) as pool:
            return sum(pool.map(with_caller(told), [n, n + 1]))

    @cache_file(CACHE, warn_cheap=False)
    def bare(n):
        with FORK.Pool(2) as pool:
            return sum(pool.map(leaf, range(n)))

    @cache_file(CACHE, warn_cheap=False)
    def looking(n):
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            os.write(write, str(leaf(n) + 0 * len(cache_tree_nodes())).encode())
            os._exit(0)
        os.waitpid(pid, 0)
        return int(os.read(read, 9))
    """
MAIN = """
    import faulthandler, sys
    import steps
    from cachepy import cache_tree_nodes
    from dask_plugin import connect, with_caller
    from distributed import Client

    if __name__ == "__main__":
        faulthandler.dump_traceback_later(50, exit=True)
        how = sys.argv[2]
        work = [(name, n) for name in sys.argv[1].split(",") for n in (2, 3)]
        if how == "serial":
            out = [getattr(steps, name)(n) for name, n in work]
        else:
            with Client(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as client:
                connect(client)
                if how == "client":
                    out = [getattr(steps, name)(n) for name, n in work]
                else:
                    futures = [client.submit(with_caller(getattr(steps, name)), n) for name, n in work]
                    out = client.gather(futures)
        edges = sorted((node["fname"], len(node["children"])) for node in cache_tree_nodes().values())
        print(out, edges)
    """


def run(project: Project, *args: str) -> str:
    """In a process of its own, with a limit: what is wrong here hangs."""
    return project.run("-W", "ignore", "main.py", *args, limit=90, PIPE_CACHE=str(project / "cache")).stdout.strip()


@pytest.mark.dask
@pytest.mark.parametrize("how", ["worker", "client"])
@pytest.mark.parametrize("names", ["told,told", "nested", "bare", "looking"])
def test_forks_inside_tasks(project: Project, names: str, how: str) -> None:
    """Pool after pool gives the graph of a serial run, and a trace that an edit of the function below breaks."""
    serial = Project(project / "serial")
    for each in (project, serial):
        each.write("main.py", MAIN)
        each.write("steps.py", STEPS)
    first = run(project, names, how)
    assert run(serial, names, "serial") == first
    assert run(project, names, "serial").partition("]")[0] == first.partition("]")[0]
    for each in (project, serial):
        each.edit("steps.py", "x + 1", "x + 100")
    assert run(project, names, "serial") == run(serial, names, "serial") != first
