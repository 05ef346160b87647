"""Asking the scheduler what other workers told a caller, from wherever that caller runs.

A caller in a coroutine ends on the event loop, which cannot wait for its own connections: then a
thread asks, over a connection of its own.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from distributed.core import rpc
from distributed.utils import sync

from dask_plugin.private import schedulers_here

PLUGIN = "cachepy-scheduler"
_PATIENCE = 30  # s; for a scheduler that does not answer


def mail_of(run: str, server: Any) -> list[Any]:
    """The rows left for a run; `server` is the worker or client that the caller runs on."""
    address = server.scheduler.address
    for scheduler in schedulers_here():
        if scheduler.address == address and PLUGIN in scheduler.plugins:
            part: Any = scheduler.plugins[PLUGIN]
            return list(part.ledger.mail(run))
    if not _is_here(server.loop):
        return _rows(sync(server.loop, server.scheduler.cachepy_mail, run=run))
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(asyncio.run, _ask(address, server.connection_args, run))
        return _rows(asked.result(_PATIENCE))


def _rows(reply: Any) -> list[Any]:
    """A scheduler without cachepy answers something else, or nothing."""
    return list(reply) if isinstance(reply, (list, tuple)) else []


def _is_here(loop: Any) -> bool:
    try:
        return asyncio.get_running_loop() is loop.asyncio_loop
    except RuntimeError:
        return False


async def _ask(address: str, connection_args: dict[str, Any], run: str) -> Any:
    async with rpc(address, connection_args=connection_args) as scheduler:
        return await scheduler.cachepy_mail(run=run)
