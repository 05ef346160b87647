"""Makes the jobs of `cachepy.cache_tree_refresh` on a Dask cluster, side by side."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from distributed import Client, as_completed

from cachepy.errors import UsageError
from cachepy.staleness.job import Job
from dask_plugin.wrapper import with_caller

if TYPE_CHECKING:
    from distributed import Future


class ClusterRunner:
    """The runner of one refresh: each job is a task of its own, never one that the cluster has seen before."""

    def __init__(self, client: Client) -> None:
        if client.asynchronous:
            raise UsageError("cache_tree_refresh() waits: it needs a synchronous client, not Client(asynchronous=True)")
        self._client = client
        self._run = uuid.uuid4().hex[:12]
        self._jobs: dict[str, Job] = {}
        self._ended = as_completed(loop=client.loop)

    def start(self, job: Job) -> None:
        key = f"{job.event.fname}-refresh-{self._run}-{len(self._jobs)}"
        self._jobs[key] = job
        sent = job.replace(wrapper=with_caller(job.wrapper))  # tells the worker which code this process has
        self._ended.add(self._client.submit(Job.run, sent, key=key, pure=False))

    def wait(self) -> tuple[str, str | BaseException]:
        future: Future[str] = next(self._ended)
        error = future.exception()
        job = self._jobs[str(future.key)]
        return job.id, error if error is not None else future.result()


def runner_for(client: object) -> ClusterRunner | None:
    """The runner for a client of distributed, None for anything else (see `Hooks.runner`)."""
    return ClusterRunner(client) if isinstance(client, Client) else None
