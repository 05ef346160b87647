"""A long drawing in rows, as a text has lines: cut between two layers, the next part set below.

A line that a cut parts goes on at the right, down, back to the left and into its box: in lanes of its own, nested so
that no two of them cross.  The third part of the layout (see layout.py); imports nothing of cachepy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float]
Rect = tuple[float, float, float, float]  # left, top, width, height

LONG, FLAT = 760.0, 2.2  # a drawing that is wider, and so many times wider than high, is folded
SHAPE = 1.4  # how many times wider than high it may be then
TURN = 6  # points of a line that leads to another row: its ends, and four corners
MOST_ROWS, MORE_ROWS, MOST_LANES = 12, 3, 6
LANE, BEFORE, BETWEEN = 7.0, 16.0, 24.0  # between lanes; from boxes to the first lane; from row to row


@dataclass
class _Cut:
    """Where the drawing is parted: the layer before it, the end of that layer, its lines."""

    layer: int
    end: float
    lines: list[tuple[Point, Point]]

    @property
    def side(self) -> int:
        """Lines that start together share a lane, or those that end together, whatever takes fewer."""
        starts, ends = ({line[i] for line in self.lines} for i in (0, 1))
        return 0 if len(starts) <= len(ends) else 1

    def lanes(self) -> list[Point]:
        return sorted({line[self.side] for line in self.lines}, key=lambda point: point[1])


@dataclass
class _Row:
    """A part of the drawing: what is subtracted from its places, and its extent."""

    left: float
    right: float
    top: float
    bottom: float
    shift: float = 0.0


def is_long(width: float, height: float) -> bool:
    """Whether a drawing is too long for a page or a screen."""
    return width > LONG and width > FLAT * height


Folded = tuple[dict[str, Rect], list[list[Point]], list[list[int]]]


def fold(
    boxes: Mapping[str, Rect], routes: Sequence[list[Point]], columns: Sequence[Point], height: float
) -> Folded | None:
    """Boxes and routes in rows, and where in each route a turn begins; None if too many lines would be parted.

    ``columns``: left edge and width of each layer.  As rows differ in height, more of them may have to be tried.
    """
    found = None
    least = _how_many(sum(columns[-1]), height)
    for count in range(least, least + MORE_ROWS + 1):
        cuts = _cuts(columns, routes, count)
        if not cuts or any(len(cut.lanes()) > MOST_LANES for cut in cuts):
            break
        found = _folded(boxes, routes, columns, cuts)
        if not is_long(*extent(found[0], found[1])):
            break
    return found


def extent(boxes: Mapping[str, Rect], routes: Sequence[Sequence[Point]]) -> tuple[float, float]:
    """The width and the height of a drawing."""
    far = [(x + w, y + h) for x, y, w, h in boxes.values()] + [point for route in routes for point in route]
    return max(x for x, _ in far), max(y for _, y in far)


def _folded(
    boxes: Mapping[str, Rect], routes: Sequence[list[Point]], columns: Sequence[Point], cuts: Sequence[_Cut]
) -> Folded:
    rows = _rows(cuts, columns, boxes, routes)
    indent = BEFORE + LANE * max(len(cut.lanes()) for cut in cuts)
    placed = {}
    for name, (x, y, w, h) in boxes.items():
        row = rows[_row_of(rows, x)]
        placed[name] = (x - row.left + indent, y + row.shift, w, h)
    led = [_led(route, cuts, rows, indent) for route in routes]
    return placed, [route for route, _ in led], [turns for _, turns in led]


def _how_many(width: float, height: float) -> int:
    shape = (SHAPE * rows * rows * (height + BETWEEN + 2 * LANE) for rows in range(2, MOST_ROWS))
    return next((rows for rows, most in enumerate(shape, start=2) if width <= most), MOST_ROWS)


# ---------------------------------------------------------------- where to cut


def _cuts(columns: Sequence[Point], routes: Sequence[list[Point]], rows: int) -> list[_Cut]:
    """Rows are filled one by one; of the cuts near the end of a row, the one that parts the fewest lines."""
    share, step = sum(columns[-1]) / rows, columns[-1][0] / (len(columns) - 1)
    possible = [_cut(i, columns, routes) for i in range(len(columns) - 1)]
    found: list[_Cut] = []
    start = 0.0
    while len(found) + 1 < rows and start + share + step < sum(columns[-1]):
        near = [cut for cut in possible if cut and 0.5 * share < cut.end - start <= share + step]
        if not near:
            return []
        found.append(min(near, key=lambda cut: (len(cut.lanes()), -cut.end)))
        start = columns[found[-1].layer + 1][0]
    return found


def _cut(layer: int, columns: Sequence[Point], routes: Sequence[list[Point]]) -> _Cut | None:
    """What lies between a layer and the next; None if a line does not come straight from one to the other."""
    start, end = sum(columns[layer]), columns[layer + 1][0]
    lines = [(p, q) for route in routes for p, q in pairwise(route) if p[0] <= start and q[0] >= end]
    if any(p[0] != start or q[0] != end for p, q in lines):
        return None
    return _Cut(layer, start, lines)


def _rows(
    cuts: Sequence[_Cut], columns: Sequence[Point], boxes: Mapping[str, Rect], routes: Sequence[list[Point]]
) -> list[_Row]:
    first = [0, *(cut.layer + 1 for cut in cuts)]
    last = [*(cut.layer for cut in cuts), len(columns) - 1]
    rows: list[_Row] = []
    for a, b, cut in zip(first, last, [None, *cuts], strict=True):
        left, right = columns[a][0], sum(columns[b])
        tops = [y for x, y, _, _ in boxes.values() if left <= x <= right]
        ends = [y + h for x, y, _, h in boxes.values() if left <= x <= right]
        passing = [y for route in routes for x, y in route if left <= x <= right]
        row = _Row(left, right, min(tops + passing), max(ends + passing))
        gutter = BETWEEN + LANE * len(cut.lanes()) if cut else 0.0
        row.shift = (rows[-1].bottom + rows[-1].shift + gutter if rows else 0.0) - row.top
        rows.append(row)
    return rows


def _row_of(rows: Sequence[_Row], x: float) -> int:
    return next(i for i, row in enumerate(rows) if x <= row.right)


# ---------------------------------------------------------------- lines


def _led(
    route: Sequence[Point], cuts: Sequence[_Cut], rows: Sequence[_Row], indent: float
) -> tuple[list[Point], list[int]]:
    """A route from row to row, and the points from which it leads to another one."""

    def placed(point: Point) -> Point:
        row = rows[_row_of(rows, point[0])]
        return point[0] - row.left + indent, point[1] + row.shift

    led, turns = [placed(route[0])], []
    for p, q in pairwise(route):
        before, after = (_row_of(rows, point[0]) for point in (p, q))
        if before != after:
            turns.append(len(led) - 1)
            led += _turn(cuts[before], (p, q), rows[before], placed(p), placed(q), indent)
        led.append(placed(q))
    return led, turns


def _turn(cut: _Cut, line: tuple[Point, Point], row: _Row, a: Point, b: Point, indent: float) -> list[Point]:
    """The four corners of a line from the end of a row to the start of the next: the topmost goes outermost."""
    lanes = cut.lanes()
    i = lanes.index(line[cut.side])
    outer = LANE * (len(lanes) - 1 - i)
    right = row.right - row.left + indent + BEFORE + outer
    left = indent - BEFORE - LANE * i
    level = row.bottom + row.shift + BETWEEN / 2 + outer
    return [(right, a[1]), (right, level), (left, level), (left, b[1])]
