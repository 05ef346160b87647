"""Whose calls these are: a program sees what the tasks of its clients made, until it asks for all.

Told by the tasks that a client submits.  Tasks of workers submit in the name of a client of their own: these are of all
clients with a task that may run then, since nobody is told which of them it was.  What is of no task is of all.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from distributed import Scheduler

    from dask_plugin.records import Record

Audience = frozenset[str] | None  # ids of clients; None: all
Addressed = tuple["Record", Audience]

_OF_A_WORKER = "Client-worker-"
_NOT_CLIENTS = "fire-and-forget"


class Askers:
    """Which clients asked for each task."""

    def __init__(self) -> None:
        self._of: dict[Any, frozenset[str]] = {}

    def ask(self, scheduler: Scheduler, client: str, tasks: Iterable[Any]) -> None:
        """A client submitted tasks, or asked for some that are there."""
        clients = frozenset([client]) if not client.startswith(_OF_A_WORKER) else self._at_work(scheduler)
        for task in tasks:
            known = self._of.get(task)
            self._of[task] = clients if known is None else known | clients

    def _at_work(self, scheduler: Scheduler) -> frozenset[str]:
        """The clients whose tasks may run at this moment; all, if there is none."""
        every = {name for name in scheduler.clients if not name.startswith((_OF_A_WORKER, _NOT_CLIENTS))}
        found: frozenset[str] = frozenset()
        for worker in scheduler.workers.values() if len(every) > 1 else ():
            found = found.union(*(self._of.get(task.key, ()) for task in worker.processing))
        return found or frozenset(every)

    def of(self, task: Any) -> Audience:
        """Whom the records of a task are for."""
        try:
            return None if task is None else self._of.get(task)
        except TypeError:  # it came over the network, and is no key
            return None

    def forget(self, task: Any) -> None:
        self._of.pop(task, None)


def is_for(clients: Collection[str] | None, audience: Iterable[str] | None) -> bool:
    """Whether a program with these clients is to be told; None: it asks for all."""
    return clients is None or audience is None or not set(clients).isdisjoint(audience)


def is_for_all(audience: Audience, told: Audience) -> bool:
    """Whether all of an audience were told."""
    return told is None or (audience is not None and audience <= told)


def united(one: Audience, other: Audience) -> Audience:
    """All who belong to one audience or the other."""
    return None if one is None or other is None else one | other


def by_audience(addressed: Iterable[Addressed]) -> Iterator[tuple[Audience, list[Record]]]:
    """Records in their order, those together that are for the same clients."""
    for audience, records in groupby(addressed, key=lambda each: each[1]):
        yield audience, [record for record, _ in records]
