"""What a program no longer has a cluster make is history, as if it had made it here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
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


def run(folder, *args):
    kept = {k: v for k, v in os.environ.items() if k != "CACHEPY_DIR"}
    env = kept | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *args], cwd=folder, env=env, capture_output=True, text=True, check=True)


def status(folder):
    """The exit code, the calls that are shown, and those that are history."""
    start = "import sys; from cachepy.cli import main; sys.argv[0] = 'cachepy'; main()"
    done = subprocess.run(
        [sys.executable, "-c", start, "status", "--json"], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    document = json.loads(done.stdout)
    return done.returncode, document["counts"]["calls"], len(document["history"])


@pytest.mark.parametrize("processes", [True, False], ids=["processes", "threads"])
def test_what_a_cluster_is_no_longer_asked_for_is_history(tmp_path, processes):
    (tmp_path / "lib.py").write_text(LIB)
    (tmp_path / "job.py").write_text(JOB.format(processes=processes))
    for name in "abc":
        (tmp_path / name).write_text(name)
    (tmp_path / "names.txt").write_text("a b c")
    run(tmp_path, "job.py")
    run(tmp_path, "job.py")
    assert status(tmp_path) == (0, 5, 0)
    (tmp_path / "names.txt").write_text("a b")
    run(tmp_path, "job.py")
    (tmp_path / "c").write_text("changed")
    assert status(tmp_path) == (0, 3, 2)


def test_who_refreshes_on_a_cluster_is_not_the_program(tmp_path):
    (tmp_path / "lib.py").write_text(LIB)
    (tmp_path / "job.py").write_text("from lib import load, twice\nload('a')\ntwice('b')\n")
    (tmp_path / "refresh.py").write_text(REFRESH)
    for name in "ab":
        (tmp_path / name).write_text(name)
    run(tmp_path, "job.py")
    (tmp_path / "b").write_text("changed")
    assert run(tmp_path, "refresh.py").stdout == "2 ran\n"
    names = [path.name for path in (tmp_path / ".cachepy/programs").iterdir()]
    assert [name.partition("-")[0] for name in names] == ["job.py"]
    assert status(tmp_path) == (0, 3, 0)
