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
