"""Sizes that options and the environment name."""

from __future__ import annotations

import os

from cachepy.errors import UsageError, UsageValueError

KEEP = 16  # results of one call that stay; the oldest goes first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def size_of(option: str, value: Any) -> int | None:
    """A size as bytes; None for none."""
    if value is None:
        return None
    number = octets_of(option, value)
    if not number:
        raise UsageValueError(f"{option} must be more than 0, not {value!r}: with no room nothing is kept")
    if number >= 1 << 63:
        raise UsageValueError(f"{option} must be below 2**63 bytes, not {value!r}")
    return number


def octets_of(option: str, value: Any) -> int:
    """Likewise, of what may be 0."""
    text = f"{option} must be a size such as '50 GB' or a number of bytes, not {value!r}"
    if isinstance(value, str):
        from cachepy.values.humanize import octets

        try:
            return octets(value)
        except ValueError:
            raise UsageValueError(text) from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(text)
    if not 0 <= value < float("inf"):  # nan too
        raise UsageValueError(text)
    return int(value)


def size_of_environment() -> int | None:
    """``CACHEPY_MAX_BYTES``."""
    return size_of("CACHEPY_MAX_BYTES", os.environ.get("CACHEPY_MAX_BYTES") or None)
