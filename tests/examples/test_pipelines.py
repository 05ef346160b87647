"""The examples of three fields, as a user starts them: twice, with an edit, each start a process of its own."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NEEDS = {"train": ["torch"], "climate": ["xarray", "scipy"], "single_cell": ["scanpy", "igraph", "leidenalg"]}


@pytest.fixture
def start(tmp_path):
    """Starts a copy of an example; what it printed first, and how often each function ran."""
    seeds = iter(range(1, 20))

    def start(name, *options):
        missing = [each for each in NEEDS[name] if importlib.util.find_spec(each) is None]
        if missing:
            pytest.skip(f"needs {' '.join(missing)}")
        script = tmp_path / f"{name}.py"
        if not script.exists():
            shutil.copy(EXAMPLES / script.name, script)
        folders = {f"{each}_DIR": str(tmp_path / "out") for each in ("TRAIN", "CLIMATE", "CELLS")}
        env = os.environ | folders | {"PYTHONHASHSEED": str(next(seeds)), "DASK_LOGGING__DISTRIBUTED": "error"}
        command = [sys.executable, str(script), *options]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=280, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Cache" not in done.stderr, "no warning of ours"
        assert not re.search(r"\w+Warning: \w+ (changed|reads|runs)", done.stderr), done.stderr
        *shown, last = done.stdout.splitlines()
        names = last.partition(": ")[2].split()
        assert last == "nothing ran" or last.startswith(f"{len(names)} calls ran: ")
        return "\n".join(shown), {each: names.count(each) for each in names}

    return start


def edit(tmp_path, name, before, after):
    script = tmp_path / f"{name}.py"
    text = script.read_text()
    assert text.count(before) == 1
    script.write_text(text.replace(before, after))


def test_train(start, tmp_path):
    first, ran = start("train")
    assert ran == {"points": 1, "split": 1, "start": 1, "epoch": 5, "score": 1}
    assert start("train") == (first, {})
    assert start("train", "--epochs", "6")[1] == {"epoch": 1, "score": 1}
    edit(tmp_path, "train", "(model(places)[:, 0] > 0)", "(model(places)[:, 0] > 1)")
    assert start("train")[1] == {"score": 1}
    edit(tmp_path, "train", "optimizer.zero_grad()", "optimizer.zero_grad(set_to_none=False)")
    assert start("train")[1] == {"epoch": 5}, "every epoch gave the same: nobody asks for another score"


def test_climate(start, tmp_path):
    first, ran = start("climate")
    assert ran == {"monthly": 6, "normal": 1, "anomaly": 6, "world_mean": 6, "trend": 1}
    assert start("climate") == (first, {})
    assert start("climate", "--dask") == (first, {})
    edit(tmp_path, "climate", "* 10, 3)", "* 100, 2)")
    assert start("climate", "--dask")[1] == {"trend": 1}
    (tmp_path / "out" / "data" / "2006.nc").unlink()
    edit(tmp_path, "climate", "range(2001, 2007)", "range(2001, 2008)")
    made = start("climate")[1]
    assert made == {"monthly": 1, "normal": 1, "anomaly": 7, "world_mean": 7, "trend": 1}, "2006 is as it was"


def test_climate_on_a_cluster_first(start):
    shown, ran = start("climate", "--dask")
    assert ran == {"monthly": 6, "normal": 1, "anomaly": 6, "world_mean": 6, "trend": 1}
    assert start("climate") == (shown, {})


def test_single_cell(start, tmp_path):
    first, ran = start("single_cell")
    assert ran == {"load": 1, "reduce": 1, "neighbours": 1, "groups": 1, "markers": 1}
    assert start("single_cell") == (first, {})
    assert start("single_cell", "--resolution", "1.5")[1] == {"groups": 1, "markers": 1}
    edit(tmp_path, "single_cell", ".head(3)", ".head(4)")
    assert start("single_cell")[1] == {"markers": 1}
