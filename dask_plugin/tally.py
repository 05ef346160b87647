"""Counts by function: what workers add up between two messages, and the scheduler from the first one on.

    runs, hits, waits, failures                 how often
    run_seconds, wait_seconds, saved_seconds    saved: what the runs took that hits stood for, all below them included
    digest_seconds, verify_seconds, load_seconds, store_seconds     of the steps around bodies
    bytes                                       of the entries that runs wrote
    last                                        when a run last ended, in seconds since the epoch

All but `last` are sums, so it does not matter in which order they come.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

STEPS = ("digest", "verify", "load", "store")
COUNTED = (
    "runs", "hits", "waits", "failures", "run_seconds", "wait_seconds", "saved_seconds", "bytes",
    *(f"{step}_seconds" for step in STEPS),
)  # fmt: skip
LAST = "last"
NAMES = frozenset((*COUNTED, LAST))

_MOST = 1 << 63  # what a message can carry, and no real count reaches


def function_name(module: str, qualname: str) -> str:
    """How a function is called on the page and in metrics; only what any encoding can carry.

    >>> function_name("pipeline", "load")
    'pipeline.load'
    """
    return f"{module}.{qualname}".encode("utf-8", "backslashreplace").decode()


def label_of(qualname: str) -> str:
    """The end of the function's name that a box has room for.

    >>> label_of("Model.fit"), label_of("make.<locals>.load")
    ('Model.fit', 'load')
    """
    return qualname.rpartition("<locals>.")[2].encode("utf-8", "backslashreplace").decode()


def is_amounts(amounts: Any) -> bool:
    """Whether these are counts that can be added up.

    >>> is_amounts({"hits": 1}), is_amounts({"hits": float("nan")}), is_amounts({"hats": 1})
    (True, False, False)
    """
    return isinstance(amounts, Mapping) and all(
        name in NAMES and type(n) in (int, float) and isfinite(n) and 0 <= n < _MOST for name, n in amounts.items()
    )


class Tally:
    """Sums by function; `last` is the latest."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, float]] = {}

    def add(self, function: str, amounts: Mapping[str, float]) -> None:
        row = self.rows.setdefault(function, {})
        for name, amount in amounts.items():
            row[name] = max(row.get(name, 0), amount) if name == LAST else row.get(name, 0) + amount

    def take(self) -> list[tuple[str, dict[str, float]]]:
        """All rows, which begin anew."""
        rows, self.rows = self.rows, {}
        return list(rows.items())

    def totals(self) -> dict[str, float]:
        """The sums over all functions."""
        return {name: sum(row.get(name, 0) for row in self.rows.values()) for name in COUNTED}
