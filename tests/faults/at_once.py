"""Programs whose processes, threads and coroutines call the same functions at once, and the graph that they leave."""

from __future__ import annotations

from typing import Any

from tests.programs import LOG, Project

AT_ONCE = LOG + '''
import asyncio, contextlib, contextvars, json, multiprocessing, os, random, signal, sys, threading, time, warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import cachepy
from cachepy import cache_file, cache_tree_changed_files, cache_tree_nodes, cache_tree_sync, track_file, with_caller

warnings.simplefilter("ignore", cachepy.CheapCallWarning)  # small bodies
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)  # Python's own, of a fork

HERE = str(Path(__file__).parent)
CACHE = os.path.join(HERE, "cache")


def ran():
    try:
        return Path(HERE, "log").read_text().splitlines()
    except FileNotFoundError:
        return []


def node(f, *args):
    """The node of a call."""
    (one,) = [n for n in cache_tree_nodes().values() if n["hash"] == f.key(*args)]
    return one


def ident(f, *args):
    return node(f, *args)["id"]


def has_node(f, *args):
    return any(n["hash"] == f.key(*args) for n in cache_tree_nodes().values())
'''
LOOK = """
cache_tree_sync(CACHE)
keep = ("fname", "hash", "parents", "children", "outfile")
print(json.dumps({i: {k: str(n[k]) if k == "outfile" else n[k] for k in keep}
                  for i, n in cache_tree_nodes().items()}, default=list))
"""


def graph_of(project: Project) -> dict[str, Any]:
    """The graph as a new process reads it from the cache directory."""
    nodes: dict[str, Any] = project.run(project.write("look.py", LOOK).name).json()
    return nodes
