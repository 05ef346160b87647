"""The tasks of the Dask row, in a module of their own so that workers import them by name.

The environment says where the cache is: workers are other processes.
"""

from __future__ import annotations

import os
import time

from cachepy import cache_file


def busy():
    """1 ms of work."""
    end = time.thread_time() + 0.001
    while time.thread_time() < end:
        pass


def plain(i, salt):  # noqa: ARG001 - a new salt makes it a new call
    busy()
    return i


@cache_file(os.environ["CACHEPY_BENCH_DASK"])
def cached(i, salt):  # noqa: ARG001
    busy()
    return i


# -- a tree of tasks with trivial bodies


def plain_load(i):
    return [i] * 3


def plain_clean(row):
    return [value + 1 for value in row]


def plain_merge(rows):
    return [sum(row[0] for row in rows), len(rows), 1]


store = cache_file(os.environ["CACHEPY_BENCH_DASK"], warn_cheap=False)


@store
def load(i):
    return [i] * 3


@store
def clean(row):
    return [value + 1 for value in row]


@store
def merge(rows):
    return [sum(row[0] for row in rows), len(rows), 1]


def tree(leaves, lazy, functions):
    """A lazy result of that many leaves, two tasks each, and of what merges four at a time."""
    load, clean, merge = functions
    layer = [lazy(clean)(lazy(load)(i)) for i in range(leaves)]
    while len(layer) > 1:
        layer = [lazy(merge)(layer[i : i + 4]) for i in range(0, len(layer), 4)]
    return layer[0]
