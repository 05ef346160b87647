"""The three names of `dask_plugin`. Read by mypy and pyright (`make lint`), never run.

`delayed` gives what `dask.delayed` gives, which has no types of its own.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, assert_type

from distributed import Client

import cachepy
from cachepy import cache_file
from dask_plugin import ClusterGraph, connect, delayed, with_caller


@cache_file
def load(path: str) -> list[int]:
    return [len(path)]


def the_cluster(client: Client) -> None:
    assert_type(connect(client), ClusterGraph)
    assert_type(connect(client).page, str)


def tasks() -> None:
    assert_type(delayed(load)("a").compute(), Any)
    delayed(load, "name", True, 2, False)
    delayed(load, nuot=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def callers() -> None:
    assert_type(with_caller(load)("a"), list[int])
    with_caller(load)(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    parent: cachepy.with_caller[[str], list[int]] = with_caller(load)
    with ThreadPoolExecutor() as pool:
        assert_type(pool.submit(cachepy.with_caller(load), "a"), Future[list[int]])
    cachepy.with_caller("load")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert parent
