"""What Dask has no public way to, in one place; `tests/dask/test_private.py` says which release changes it."""

from __future__ import annotations

from typing import Any


def is_subscribed(scheduler: Any, topic: str) -> bool:
    """Whether any client listens to a topic. Where that cannot be told, none does: a setting says otherwise."""
    topics = getattr(getattr(scheduler, "_broker", None), "_topics", {})
    return topic in topics and bool(getattr(topics[topic], "subscribers", ()))
