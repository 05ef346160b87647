"""What became of the calls of each function in this session: counted always, told by `happened` when somebody asks."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.core.model import Event


class Tally:
    """The calls of one function.

    hits, waits, runs: how often each was the outcome; failed: of the runs, those that raised; seconds: of all its
    runs; outer: of those that no other run was waiting for; saved: what the runs took whose results were hits;
    unstored: why results were not stored, and how often; latest: of the last call, what tells of it (see `happened`).

    A hot hit adds to it in line (see `fast`): CPython changes threads only between steps that do not lie in between.
    """

    __slots__ = ("failed", "fname", "hits", "latest", "outer", "runs", "saved", "seconds", "unstored", "waits")

    def __init__(self, fname: str = "") -> None:
        self.fname = fname
        self.hits = self.waits = self.runs = self.failed = 0
        self.seconds = self.outer = self.saved = 0.0
        self.unstored: dict[str, int] = {}
        self.latest: Any = None

    def hit(self, event: Event) -> None:
        """A hit that was no hot one."""
        self.hits += 1
        self.saved += event.elapsed
        self.latest = event

    def run(self, elapsed: float, latest: tuple[Any, ...], unstored: str, *, is_outer: bool, has_failed: bool) -> None:
        """A body has ended."""
        self.runs += 1
        self.seconds += elapsed
        if is_outer:
            self.outer += elapsed
        if has_failed:
            self.failed += 1
        elif unstored:
            self.unstored[unstored] = self.unstored.get(unstored, 0) + 1
        self.latest = latest
