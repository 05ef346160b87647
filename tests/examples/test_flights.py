"""The flights example, as a user starts it: a process, real files, a folder of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dask_plugin

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "flights.py"
MONTHS = 3
SHARED = 2  # load_weather, load_planes
PER_MONTH = 6  # load_month, clean, carrier_hours, join_weather, merge_branches, month_summary
LAST = 3  # year_table, fit_model, report
ALL = MONTHS * PER_MONTH + SHARED + LAST


@pytest.fixture
def example(tmp_path):
    """Starts the example on small data, and returns what it printed."""

    def start(*options: str, cache: str = "cache") -> str:
        folders = ["--data", "data", "--cache", cache, "--out", "out"]
        command = [sys.executable, str(SCRIPT), *folders, "--months", str(MONTHS), "--rows", "400", *options]
        env = {**os.environ, "DASK_LOGGING__DISTRIBUTED": "error"}  # that a worker took long to end is of this machine
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert not done.stderr, "the example runs without a warning"
        return done.stdout

    return start


def runs(printed: str) -> list[tuple[int, int]]:
    """How many calls ran and were reused, for each run that the example made."""
    found = re.findall(r"(\d+) calls? ran, (\d+) reused", printed)
    return [(int(ran), int(reused)) for ran, reused in found]


def functions_that_ran(printed: str) -> dict[str, int]:
    """How often each function ran after the edit."""
    table = printed[printed.rindex("again, after the edit") : printed.rindex("put back")]
    return {name: int(ran) for name, ran in re.findall(r"^  (\w+) +(\d+) +\d+ +[\d.]+$", table, re.MULTILINE)}


def test_it_reuses_everything_but_what_the_edit_affects(example, tmp_path):
    printed = example()
    affected = PER_MONTH + LAST
    # once the row is put back all is stored, but the report on disk is that of the edit
    assert runs(printed) == [(ALL, 0), (0, ALL), (affected, ALL - affected), (1, ALL - 1)]
    chain = ("load_month", "clean", "carrier_hours", "join_weather", "merge_branches", "month_summary")
    last = ("year_table", "fit_model", "report")
    assert functions_that_ran(printed) == {
        **dict.fromkeys(chain + last, 1),
        "load_weather": 0,
        "load_planes": 0,
    }
    for name in ("graph.png", "graph-stale.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG"), name


def test_it_names_what_is_stale_and_why(example):
    printed = example()
    changed = re.findall(r"changed file +(\S+) +read by (\w+)", printed)
    assert {name for name, _ in changed} == {"flights-02.csv"}
    assert {"load_month", "month_summary"} <= {function for _, function in changed}


def test_it_says_what_the_cache_saves(example):
    saved = re.findall(r"with the cache ([\d.]+) s, without it about ([\d.]+) s", example())
    assert len(saved) == 4
    assert float(saved[1][0]) < float(saved[1][1])


def test_it_tells_the_same_at_each_start(example, tmp_path):
    printed = [example(), example()]
    assert len({re.search(r"edited: (.*)", each)[1] for each in printed}) == 1
    assert (ALL, 0) not in runs(printed[1])


def test_a_later_start_reuses_what_an_earlier_one_left(example):
    example()
    assert runs(example())[0] == (0, ALL)


def test_a_lost_report_is_written_again(example, tmp_path):
    example()
    report = tmp_path / "out" / "report.txt"
    report.unlink()
    assert runs(example())[0] == (1, ALL - 1)
    assert "The model explains" in report.read_text(encoding="utf-8")


def test_reuse_gives_the_report_of_a_run_without_cache(example, tmp_path):
    example()
    report = tmp_path / "out" / "report.txt"
    kept = report.read_text(encoding="utf-8")
    example("--save-graph", "graph.pkl", cache="other")
    assert report.read_text(encoding="utf-8") == kept


def test_clean_starts_from_nothing(example):
    example()
    assert runs(example("--clean"))[0] == (ALL, 0)


@pytest.mark.dask
@pytest.mark.skipif(not hasattr(dask_plugin, "connect"), reason="dask_plugin has no connect yet")
def test_the_graph_of_a_cluster_is_the_graph_of_a_serial_run(example, tmp_path):
    printed = example("--dask")
    assert "the two graphs are equal" in printed
    assert runs(printed)[:2] == [(ALL, 0), (0, ALL)]
    assert (tmp_path / "out" / "graph-dask.png").read_bytes().startswith(b"\x89PNG")
