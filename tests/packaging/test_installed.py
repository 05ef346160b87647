"""The wheel works where only it is installed: commands, a cached program, the page, a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
from building import ROOT

import cachepy

pytestmark = pytest.mark.packaging

PROGRAM = """
import sys, warnings
import cachepy
from cachepy import cache_file

@cache_file("cache", warn_cheap=False)
def double(x: int) -> int:
    print("runs", file=sys.stderr)
    return 2 * x

@cache_file("cache", warn_cheap=False)
def total(n: int) -> int:
    return sum(double(i) for i in range(n))

if __name__ == "__main__":
    print(total(3), total.is_cached(3), len(cachepy.cache_tree_nodes()))
    cachepy.cache_tree_to_html("page.html", title="told apart")
"""

CLUSTER = """
from distributed import Client, LocalCluster
import cachepy
from cachepy import cache_file
from dask_plugin import connect, delayed

@cache_file("cache", warn_cheap=False)
def double(x: int) -> int:
    return 2 * x

@cache_file("cache", warn_cheap=False)
def add(values: list[int]) -> int:
    return sum(values)

if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster) as client:
        connect(client)
        where = client.run(lambda: __import__("cachepy").__file__)
        print(delayed(add)([delayed(double)(i) for i in range(3)]).compute())
        print(len(cachepy.cache_tree_nodes()), len(set(where.values()) | {cachepy.__file__}))
"""


def test_it_is_the_installed_package(user, installed):
    names = user("python", "-c", "import cachepy, dask_plugin; print(cachepy.__file__); print(dask_plugin.__file__)")
    for name in names.splitlines():
        assert Path(name).resolve().is_relative_to(installed.parent.resolve())
        assert not Path(name).resolve().is_relative_to(ROOT)
    assert str(ROOT) not in user("python", "-c", "import sys; print(*sys.path, sep='\\n')").splitlines()


def test_the_commands(user):
    assert cachepy.__version__ in user("cachepy", "--version")
    for told in (user("python", "-m", "cachepy", "--help"), user("cachepy", "--help")):
        assert "status" in told
        assert "explain" in told
    assert "status" in user("python", "-m", "dask", "cachepy", "--help")


def test_a_cached_program_and_its_page(user, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    assert user("python", "program.py").split() == ["6", "True", "4"]
    assert user("python", "program.py").split() == ["6", "True", "4"]
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "told apart" in page
    assert "<style" in page
    assert "<script" in page
    assert "total" in user("cachepy", "ls", "--cache-dir", "cache")
    user("cachepy", "status", "--cache-dir", "cache")


def test_a_program_on_a_cluster(user, tmp_path):
    (tmp_path / "cluster.py").write_text(CLUSTER, encoding="utf-8")
    assert user("python", "cluster.py").split() == ["6", "4", "1"]
