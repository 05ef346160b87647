"""cachepy on a Dask cluster: the same results and the same graph.

>>> from dask_plugin import connect, delayed, prune, with_caller
"""

from __future__ import annotations

from dask_plugin.client import ClusterGraph, connect, disconnect
from dask_plugin.differences import OtherCodeWarning
from dask_plugin.futures import map, submit  # noqa: A004 - named as the methods of the client
from dask_plugin.lazy import delayed, prune
from dask_plugin.showing import progress
from dask_plugin.wrapper import with_caller

__all__ = [
    "ClusterGraph", "OtherCodeWarning", "connect", "delayed", "disconnect", "map", "progress", "prune",
    "submit", "with_caller",
]  # fmt: skip
