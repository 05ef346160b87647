"""Whether something changed since it was looked at, and what stands for nothing."""

from __future__ import annotations


class _Missing:
    """Stands for nothing; the same object in every process that it is sent to, as functions refer to it."""

    __slots__ = ()

    def __reduce__(self) -> str:
        return "MISSING"


MISSING = _Missing()


class Revision:
    """Lasts until something changes: who remembers what was true in it looks whether it is over."""

    __slots__ = ("is_over",)

    def __init__(self, *, is_over: bool = False) -> None:
        self.is_over = is_over
