"""For clusters that are started by hand or by dask-jobqueue.

    dask scheduler --preload dask_plugin.preload
    dask worker ADDRESS --preload dask_plugin.preload

Either is enough if clients call `connect`; with both, the graph is kept from the first task on.
"""

from __future__ import annotations

from typing import Any

from distributed import Scheduler, Worker

from dask_plugin.scheduler import SchedulerPart
from dask_plugin.worker import WorkerPart


async def dask_setup(server: Any) -> None:
    """Called by Dask with the scheduler or worker that starts."""
    if isinstance(server, Scheduler):
        await server.register_scheduler_plugin(SchedulerPart(), name=SchedulerPart.name, idempotent=True)
    elif isinstance(server, Worker) and WorkerPart.name not in server.plugins:
        await server.plugin_add(plugin=WorkerPart(), name=WorkerPart.name)


async def dask_teardown(server: Any) -> None:
    """Nothing to undo: the plugins close with their server."""
