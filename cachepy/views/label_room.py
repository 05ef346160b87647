"""Where a count finds room beside its line: clear of boxes, lines, arrowheads and other counts.

Pure Python; imports layout.py, for points.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import hypot

from cachepy.views.picture_layout import Point, Rect

CELL = 2.0  # of the grid that knows what is taken
SCAN = 8.0  # between the lines by which a box is marked: less than a count is high
SPOTS = (0.5, 0.62, 0.38, 0.74, 0.26, 0.84, 0.16)  # along a stretch of a line
STEP = 2.0  # between two points of a line that are marked


class Room:
    """What is taken, as cells of a grid."""

    def __init__(self) -> None:
        self._taken: set[tuple[int, int]] = set()

    def take(self, rect: Rect) -> None:
        x, y, w, h = rect
        for i in range(int(h // SCAN) + 1):
            self._taken.update(_cells((x, y + i * SCAN, w, 0.0)))
        self._taken.update(_cells((x, y + h, w, 0.0)))

    def take_line(self, points: Sequence[Point]) -> None:
        """All that a line through these points, as `curve` draws it, comes across."""
        for a, b in pairwise(points):
            steps = max(1, int(hypot(b[0] - a[0], b[1] - a[1]) / STEP))
            places = (along(a, b, i / steps) for i in range(steps + 1))
            self._taken.update((int(x // CELL), int(y // CELL)) for x, y in places)

    def is_free(self, rect: Rect) -> bool:
        return self._taken.isdisjoint(_cells(rect))

    def beside(self, a: Point, b: Point, width: float, height: float) -> Rect | None:
        """A free place of this size just above, below or beside a stretch of a line."""
        for x, y in (along(a, b, t) for t in SPOTS):
            places = [(x - width / 2, y - height - 2), (x - width / 2, y + 2)]
            places += [(x + 4, y - height / 2), (x - width - 4, y - height / 2)] if a[1] != b[1] else []
            for left, top in places:
                if self.is_free((left, top, width, height)):
                    return left, top, width, height
        return None


def _cells(rect: Rect) -> Iterator[tuple[int, int]]:
    x, y, w, h = rect
    for i in range(int(x // CELL), int((x + w) // CELL) + 1):
        for j in range(int(y // CELL), int((y + h) // CELL) + 1):
            yield i, j


def along(a: Point, b: Point, t: float) -> Point:
    """A point of the curve from ``a`` to ``b`` as `curve` draws it."""
    (x0, y0), (x1, y1) = a, b
    x = (1 - t) ** 3 * x0 + 1.5 * t * (1 - t) * (x0 + x1) + t**3 * x1
    return x, y0 + (y1 - y0) * t * t * (3 - 2 * t)


def rows_of(widths: Iterable[float], room: float) -> list[list[float]]:
    """Where each of these begins, in as many rows as it takes."""
    rows: list[list[float]] = [[]]
    x = 0.0
    for width in widths:
        if rows[-1] and x + width > room:
            rows.append([])
            x = 0.0
        rows[-1].append(x)
        x += width
    return rows
