"""What a program no longer has a cluster make is history, as if it had made it here."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.dask
LIB = """
from pathlib import Path
from cachepy import cache_file

@cache_file(Path(__file__).parent / ".cachepy")
def load(path):
    return Path(path).read_text()

@cache_file(Path(__file__).parent / ".cachepy")
def twice(path):
    return load(path) * 2
"""
JOB = """
import sys
from distributed import Client
from dask_plugin import connect, delayed, with_caller
from lib import load, twice

if __name__ == "__main__":
    with Client(n_workers=2, threads_per_worker=1, processes={processes}, dashboard_address=None) as client:
        connect(client)
        names = sorted(open("names.txt").read().split())
        client.gather(client.map(with_caller(load), names[:1]))
        [delayed(twice)(name).compute() for name in names[1:]]
"""
REFRESH = """
from distributed import Client
from cachepy import cache_tree_refresh, cache_tree_sync
from dask_plugin import connect

if __name__ == "__main__":
    with Client(n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        connect(client)
        cache_tree_sync(".cachepy")
        print(cache_tree_refresh(client))
"""


def status(project):
    """The exit code, the calls that are shown, and those that are history."""
    done = project.cachepy("status", "--json")
    document = done.json()
    return done.returncode, document["counts"]["calls"], len(document["history"])


@pytest.mark.parametrize("processes", [True, False], ids=["processes", "threads"])
def test_what_a_cluster_is_no_longer_asked_for_is_history(project, processes):
    project.write("lib.py", LIB)
    project.write("job.py", JOB.format(processes=processes))
    for name in "abc":
        project.write(name, name)
    project.write("names.txt", "a b c")
    project.run("job.py")
    project.run("job.py")
    assert status(project) == (0, 5, 0)
    project.write("names.txt", "a b")
    project.run("job.py")
    project.write("c", "changed")
    assert status(project) == (0, 3, 2)


def test_who_refreshes_on_a_cluster_is_not_the_program(project):
    project.write("lib.py", LIB)
    project.write("job.py", "from lib import load, twice\nload('a')\ntwice('b')\n")
    project.write("refresh.py", REFRESH)
    for name in "ab":
        project.write(name, name)
    project.run("job.py")
    project.write("b", "changed")
    assert project.run("refresh.py").stdout == "2 ran\n"
    names = [path.name for path in (project / ".cachepy/programs").iterdir()]
    assert [name.partition("-")[0] for name in names] == ["job.py"]
    assert status(project) == (0, 3, 0)
