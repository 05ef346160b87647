"""A process that goes on and on holds at its end what it held after a tenth: no times, only ratios."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("long_run.py")
# a short run comes to them
BOUNDS = ["cachepy.code.fingerprint._REMEMBER=50", "cachepy.calls.functions._CODES=50", "cachepy.calls.stored_code._CODES=50"]
BOUNDS.append("cachepy.graph.table._PAST=100")
GRAPH = [f"cachepy.graph.compact.{bound}" for bound in ("GRAPH_FLOOR=100000", "TIMES=2", "_WORTH=1")]
GRAPH.append("cachepy.store.entries.GRAPH_FLOOR=100000")  # the file is made anew early and often, which takes its size once
HOT = ["cachepy.calls.fast._MOST=200", "cachepy.store.entries._PARSED=200", "cachepy.calls.engine._MANY=200"]


def run(folder, kind, number, *bounds):
    """What the process held at its beginning and after each tenth."""
    args = [sys.executable, str(PROGRAM), kind, str(number), *bounds]
    done = subprocess.run(args, cwd=folder, capture_output=True, text=True, check=True)
    states = json.loads(done.stdout)
    assert len(states) == 11
    return states


def grown(states, what, start=2, end=-1):
    return states[end][what] / states[start][what]


def check_the_same(states):
    """Of what a graph has nothing to do with."""
    assert states[-1]["descriptors"] == states[2]["descriptors"]
    assert states[-1]["threads"] == states[2]["threads"]


@pytest.mark.parametrize(
    "number", [10_000, pytest.param(100_000, marks=pytest.mark.stress)], ids=["a tenth", "the whole"]
)
def test_hits_and_runs_of_the_same_calls_take_nothing(tmp_path, number):
    """Ten hits for each run."""
    states = run(tmp_path, "again", number, *GRAPH)
    check_the_same(states)
    assert grown(states, "nodes") == 1
    assert grown(states, "objects") < 1.01
    assert grown(states, "memory") < 1.1


@pytest.mark.parametrize(
    "number", [2_000, pytest.param(100_000, marks=pytest.mark.stress)], ids=["short", "the whole"]
)
def test_new_calls_take_what_the_graph_does(tmp_path, number):
    """What is kept of hits has a bound; only the rows of the graph grow, which are no objects of the collector."""
    states = run(tmp_path, "new", number, *HOT)
    check_the_same(states)
    assert states[-1]["nodes"] == number
    assert grown(states, "objects", 3) < 1.1
    memory = [state["memory"] - states[1]["memory"] for state in states]  # past what the first calls load
    assert memory[-1] / 9 < 1.5 * memory[5] / 4 + (1 << 17), "of a tenth; dicts grow in steps"


@pytest.mark.parametrize(
    "number", [1_000, pytest.param(10_000, marks=pytest.mark.stress)], ids=["a tenth", "the whole"]
)
def test_a_function_that_is_defined_again_and_again(tmp_path, number):
    """As in a notebook: one call, one node."""
    states = run(tmp_path, "defined", number, *BOUNDS)
    check_the_same(states)
    assert states[-1]["nodes"] == 1
    assert grown(states, "objects") < 1.02
    assert grown(states, "blocks") < 1.05  # all that Python allocates, texts and code too
    # the code of the last hour stays on disk: its folder is listed at times, which takes 0.3 KB a file for a moment
    assert states[-1]["memory"] - states[2]["memory"] < 2**20 + 512 * number
