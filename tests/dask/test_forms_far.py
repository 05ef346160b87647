"""Results in forms of others and tests of the user's, on workers in processes of their own."""

from __future__ import annotations

import json

import pytest

from tests.programs import LOG, Project

pytestmark = pytest.mark.dask

MAIN = """
    from cachepy import cache_file, cache_tree_nodes
    from dask.distributed import Client, LocalCluster
    from dask_plugin import connect, delayed

    cached = cache_file("CACHE", warn_cheap=False)
    GOOD = True

    @cached(format="json", compress="gzip")
    def load(x):
        log("load")
        return {"x": [x] * 3000}

    @cached(valid=lambda result, info: result > 0 and GOOD)
    def total(loaded):
        log("total")
        return sum(loaded["x"])

    def work(prune):
        return delayed(total)(delayed(load)(2)).compute(prune=prune)

    if __name__ == "__main__":
        how = {"n_workers": 1, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
        with LocalCluster(**how) as cluster, Client(cluster) as client, connect(client):
            print(work(False), work(True), work(False))
            GOOD = False
            print(work(True))
        for id, node in sorted(cache_tree_nodes().items()):
            print(id.partition(":")[0], node["outfile"].parent.parent.name, node["outfile"].exists())
    """


@pytest.fixture
def project(tmp_path):
    with Project(tmp_path, head=LOG) as made:
        yield made


def test_values_lie_in_files_and_tests_are_asked(project):
    ran = project.main(MAIN.replace("CACHE", str(project / "cache")))
    assert ran.lines == ["6000 6000 6000", "6000", "load values True", "total entries True"]
    assert project.logged() == ["load", "total", "total"]
    assert json.loads(project.cachepy("verify", "--cache-dir", "cache", "--json").stdout)["problems"] == []
