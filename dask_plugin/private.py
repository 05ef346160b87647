"""What Dask has no public way to, in one place; `tests/dask/test_private.py` says it when a release changes any of it.

Elsewhere only names of `dask` and `distributed` without an underscore are used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dask._task_spec import (
    Alias,
    DataNode,
    GraphNode,
    NestedContainer,
    Task,
    TaskRef,
    convert_legacy_graph,
)
from distributed import Client, Scheduler

if TYPE_CHECKING:
    from dask.delayed import Delayed

__all__ = [
    "Alias", "DataNode", "GraphNode", "NestedContainer", "Task", "TaskRef", "clients_here", "convert_legacy_graph",
    "is_subscribed", "object_of", "parts_of", "publish_ahead", "schedulers_here", "stop_listening",
]  # fmt: skip


def clients_here() -> list[Client]:
    """All clients of this process; where they cannot be listed, none: then each connection is of its own client."""
    return list(getattr(Client, "_instances", ()))


def schedulers_here() -> list[Scheduler]:
    """All schedulers of this process; where they cannot be listed, none: then they are asked over the network."""
    return list(getattr(Scheduler, "_instances", ()))


def stop_listening(client: Client, topic: str) -> None:
    """Unsubscribe from a topic; what is on its way gets to a handler that does nothing, or it would be an error."""
    client.unsubscribe_topic(topic)
    handlers = getattr(client, "_event_handlers", None)
    if handlers is not None:
        handlers[topic] = _ignore


def is_subscribed(scheduler: Any, topic: str) -> bool:
    """Whether any client listens to a topic. Where that cannot be told, none does: a setting says otherwise."""
    topics = getattr(getattr(scheduler, "_broker", None), "_topics", {})
    return topic in topics and bool(getattr(topics[topic], "subscribers", ()))


def publish_ahead(scheduler: Any, client: str, publish: Callable[[], None]) -> None:
    """Publish something in front of what waits to be sent to a client."""
    stream = None if scheduler is None else scheduler.client_comms.get(client)
    buffer: list[Any] = [] if stream is None else stream.buffer
    before = len(buffer)
    publish()
    buffer[:] = buffer[before:] + buffer[:before]


def parts_of(lazy: Delayed) -> tuple[Any, Any]:
    """What a `Delayed` is made of, beside its key and its graph: how many parts it has, and its layer."""
    return lazy._length, lazy._layer


def object_of(leaf: Any) -> Any:
    """What `delayed` was given."""
    return leaf._obj


def _ignore(event: object) -> None:
    """A handler that does nothing."""

