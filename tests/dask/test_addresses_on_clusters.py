"""Files at addresses as inputs of tasks: workers and the client ask for them alike."""

from __future__ import annotations

import pytest

from tests.web import Web

pytestmark = pytest.mark.dask

MAIN = """
import sys
import fsspec
import dask_plugin
from cachepy import cache_file, cache_tree_nodes, cache_tree_stale
from distributed import Client, LocalCluster

cached = cache_file("cache", unseen="ok", warn_cheap=False)


def log(line):
    with open("log", "a") as file:
        print(line, file=file)


@cached
def load(url):
    log("load")
    with fsspec.open(url) as file:
        return file.read()


@cached
def both(a, b):
    log("both")
    return a + b


if __name__ == "__main__":
    url, *prunes = sys.argv[1:]
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        dask_plugin.connect(client, prune=bool(prunes))
        load, both = dask_plugin.delayed(load), dask_plugin.delayed(both)
        print(both(load(url + "1"), load(url + "2")).compute())
        print(sorted((n["fname"], *n["files"]) for n in cache_tree_nodes().values() if n["files"]), len(cache_tree_stale()))
"""


@pytest.mark.parametrize("prunes", [[], ["prunes"]])
def test_a_change_of_a_page_runs_its_tasks_again(project, prunes):
    with Web() as web:
        for content, ran in ((b"1", ["both", "load", "load"]), (b"1", []), (b"2", ["both", "load", "load"]), (b"1", [])):
            web.content = content
            done = project.main(MAIN, web.url, *prunes)
            assert sorted(project.ran()) == ran
            value, graph = done.lines
            assert value == str(content * 2)
            assert graph == f"[('load', '{web.url}1'), ('load', '{web.url}2')] 0"
