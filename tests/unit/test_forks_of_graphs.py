"""Graphs and forks: one registration for all of them, however many there have been."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

import pytest

from cachepy.graph import graph
from cachepy.graph.graph import Graph
from tests.programs import Project

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")

COUNTING = """
import os
seen = []
os.register_at_fork = lambda **hooks: seen.append(hooks)
from cachepy.graph.graph import Graph
before = len(seen)
graphs = [Graph() for _ in range(100)]
print(len(seen) - before)
"""


def test_a_graph_registers_nothing_of_its_own():
    assert Project(Path()).run("-c", COUNTING).stdout == "0\n"


def test_graphs_that_are_gone_are_known_no_more():
    gc.collect()
    before = len(graph._alive)
    kept = Graph()
    for _ in range(1000):
        Graph()
    gc.collect()
    assert len(graph._alive) == before + 1
    assert graph._alive[id(kept)]() is kept


def test_a_fork_waits_for_each_graph_and_leaves_all_free():
    graphs = [Graph() for _ in range(3)]
    taken, forked = threading.Event(), threading.Event()

    def hold():
        with graphs[1]._lock:
            taken.set()
            forked.wait(0.2)  # the fork cannot be before that

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if all(each._lock.acquire(blocking=False) for each in graphs) else 1)
    forked.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert graph._held == []
    free: list[bool] = []
    other = threading.Thread(target=lambda: free.extend(each._lock.acquire(blocking=False) for each in graphs))
    other.start()
    other.join()
    assert free == [True] * 3
