"""How many examples the random stories of programs have."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

STRESS = os.environ.get("CACHEPY_STRESS") == "1"


def budget(usual: int, stress: int, *, long: bool = STRESS) -> settings:
    """The same examples on every run, unless under stress."""
    return settings(
        max_examples=stress if long else usual,
        deadline=None,
        derandomize=not long,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
