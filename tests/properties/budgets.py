"""How many examples the random stories of programs have, and how long they may take."""

from __future__ import annotations

import os
import time
from functools import wraps
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable

STRESS = os.environ.get("CACHEPY_STRESS") == "1"
LONG = 180.0  # s for the examples of one long test: `make stress` is to take half an hour


def budget(usual: int, stress: int, *, long: bool = STRESS) -> Callable[[Any], Any]:
    """The same examples on every run, unless under stress: then new ones, for as long as there is time."""
    applied = settings(
        max_examples=stress if long else usual,
        deadline=None,
        derandomize=not long,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    return (lambda test: applied(_within(LONG, test))) if long and not STRESS else applied


def _within(seconds: float, test: Callable[..., None]) -> Callable[..., None]:
    """Examples that begin later pass at once; after a failure none does, for they make that one small."""
    began, failed, tried = 0.0, False, 0

    @wraps(test)
    def bounded(*args: Any, **kwargs: Any) -> None:
        nonlocal began, failed, tried
        began = began or time.monotonic()
        if not failed and time.monotonic() - began > seconds:
            return
        tried += 1
        try:
            test(*args, **kwargs)
        except Exception:
            failed = True
            raise
        finally:
            bounded.tried = tried  # type: ignore[attr-defined]  # for who asks how far it came

    return bounded
