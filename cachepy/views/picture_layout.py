"""Where the boxes of a drawing go: layers from left to right, straight lines, room for everything.

Knows nothing of calls, files or colours: sizes and edges in, positions and routes out, in points
with y downwards.  Pure Python and deterministic; imports nothing of cachepy but its other parts, layers.py and
bands.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from cachepy.views.bands import TURN, extent, fold, is_long
from cachepy.views.layers import LARGE, Edge, Net, back_edges, build_net, reduce_crossings

Point = tuple[float, float]
Rect = tuple[float, float, float, float]  # left, top, width, height
Sizes = Mapping[str, tuple[float, float]]

GAP_BOX, GAP_LINE = 16.0, 11.0  # between neighbours in a layer: two boxes; a box or line and a line
GAP_ROWS = 32.0  # the most between two heights at which something stands
GAP_LAYER_MIN, GAP_LAYER_MAX = 54.0, 170.0
GAP_DEEP = 38.0  # the least gap when there are many layers, so that chains do not run off
STRETCH = 2.2  # a box is widened to the widest of its kind in its layer up to this factor
BLOCK = 560.0  # the width to which unconnected boxes are filled in rows


@dataclass
class Layout:
    """Boxes, and per edge a route from its first to its second box.

    ``turns``: per edge the points of its route from which it leads to another row, with the next `TURN` ones.
    """

    boxes: dict[str, Rect]
    routes: list[list[Point]]
    width: float
    height: float
    columns: Sequence[Point] = ()  # left edge and width of each layer
    turns: Sequence[Sequence[int]] = ()


def arrange(
    sizes: Sizes, edges: Sequence[Edge], last: Collection[str] = (), kin: Container[str] | None = None
) -> Layout:
    """Lay out boxes of these sizes; those in ``last`` get the rightmost layer for themselves.

    A long drawing is set in rows; in it those in ``last`` stand right after what leads to them.
    An edge goes from the left box to the right one, unless that would close a cycle.  Edges of kind "call" dock at
    points of their own.  No edge may join a box to itself.  ``kin``: boxes whose widths do not go by the others'.
    """
    joined = {name for edge in edges for name in edge[:2]}
    boxes = {n: s for n, s in sizes.items() if n in joined}
    layout = _layered(boxes, edges, joined.intersection(last), last if kin is None else kin)
    return _add_rows(layout, {n: s for n, s in sizes.items() if n not in joined})


def _layered(sizes: Sizes, edges: Sequence[Edge], last: set[str], kin: Container[str]) -> Layout:
    if not sizes:
        return Layout({}, [], 0.0, 0.0)
    turned = back_edges(list(sizes), edges)
    forward = [(b, a, k) if i in turned else (a, b, k) for i, (a, b, k) in enumerate(edges)]
    layout = _one_row(sizes, forward, last, kin)
    if is_long(layout.width, layout.height):
        layout = _in_rows(_one_row(sizes, forward, (), kin)) or layout
    turns = list(layout.turns) or [[] for _ in layout.routes]
    for i in turned:
        layout.routes[i] = layout.routes[i][::-1]
        turns[i] = [len(layout.routes[i]) - TURN - at for at in turns[i]][::-1]
    return replace(layout, turns=turns)


def _one_row(sizes: Sizes, edges: Sequence[Edge], last: Iterable[str], kin: Container[str]) -> Layout:
    net, chains = build_net(sizes, edges, last)
    reduce_crossings(net)
    return _place(net, sizes, edges, chains, kin)


def _in_rows(layout: Layout) -> Layout | None:
    folded = fold(layout.boxes, layout.routes, layout.columns, layout.height)
    if folded is None:
        return None
    boxes, routes, turns = folded
    width, height = extent(boxes, routes)
    return replace(layout, boxes=boxes, routes=routes, turns=turns, width=width, height=height)


def _add_rows(layout: Layout, sizes: Sizes) -> Layout:
    """Boxes without edges, in rows of equal boxes below everything else."""
    if not sizes:
        return layout
    width, height = (max(size[i] for size in sizes.values()) for i in (0, 1))
    step = width + 1.5 * GAP_BOX
    per_row = max(1, int((max(layout.width, BLOCK) + 1.5 * GAP_BOX) // step))
    while per_row * per_row * step * 2 < len(sizes) * (height + GAP_BOX):  # many: nearer to a square
        per_row += 1
    top = layout.height + 2.5 * GAP_BOX if layout.boxes else 0.0
    for i, name in enumerate(sizes):
        row, column = divmod(i, per_row)
        layout.boxes[name] = (column * step, top + row * (height + GAP_BOX), width, height)
    rows, columns = -(-len(sizes) // per_row), min(per_row, len(sizes))
    layout.width = max(layout.width, columns * step - 1.5 * GAP_BOX)
    layout.height = top + rows * (height + GAP_BOX) - GAP_BOX
    return layout


# ---------------------------------------------------------------- coordinates


def _place(net: Net, sizes: Sizes, edges: Sequence[Edge], chains: Sequence[list[str]], kin: Container[str]) -> Layout:
    y = _without_gaps(_Heights(net, sizes).solve(), sizes)
    columns = _columns(net, sizes, y)
    boxes: dict[str, Rect] = {}
    spans: dict[str, Point] = {}
    for layer, (x, width) in zip(net.layers, columns, strict=True):
        spans |= dict.fromkeys(layer, (x, x + width))
        widest = {
            kind: max((sizes[n][0] for n in layer if n in sizes and (n in kin) == kind), default=0.0)
            for kind in (False, True)
        }
        for name in layer:
            if not net.is_bend(name):
                own, h = sizes[name]
                alike = widest[name in kin]
                boxes[name] = (x, y[name] - h / 2, alike if alike <= own * STRETCH else own, h)
    routes = _routes(edges, chains, boxes, spans, y)
    height = max(y[n] + sizes[n][1] / 2 if n in sizes else y[n] for n in y)
    return Layout(boxes, routes, sum(columns[-1]), height, columns)


def _without_gaps(y: Mapping[str, float], sizes: Sizes) -> dict[str, float]:
    """Heights from 0 on; where nothing stands in any layer, as between two graphs, all below moves up."""
    half = {name: sizes[name][1] / 2 if name in sizes else 0.0 for name in y}
    order = sorted(y, key=lambda name: y[name] - half[name])
    shift = reached = y[order[0]] - half[order[0]]
    moved = {}
    for name in order:
        shift += max(0.0, y[name] - half[name] - reached - GAP_ROWS)
        reached = max(reached, y[name] + half[name])
        moved[name] = y[name] - shift
    return moved


def _columns(net: Net, sizes: Sizes, y: Mapping[str, float]) -> list[Point]:
    """Left edge and width of each layer; the gap grows with the steepest edge that has to cross it."""
    least = GAP_LAYER_MIN if len(net.layers) <= 9 else GAP_DEEP
    columns: list[Point] = []
    x = 0.0
    for layer in net.layers:
        width = max((sizes[n][0] for n in layer if n in sizes), default=0.0)
        columns.append((x, width))
        steep = max((abs(y[n] - y[m]) for n in layer for m in net.right.get(n, ())), default=0.0)
        x += width + min(GAP_LAYER_MAX, max(least, 30 + 0.22 * steep))
    return columns


class _Heights:
    """Centres in y: pulls each name to the mean of its neighbours, as far as its layer has room."""

    def __init__(self, net: Net, sizes: Sizes) -> None:
        self.net = net
        self.both = {n: [*net.left.get(n, ()), *net.right.get(n, ())] for layer in net.layers for n in layer}
        self.pulls = {n: {m: self._pull(n, m) for m in near} for n, near in self.both.items()}
        self.offsets = [self._stacked(layer, sizes) for layer in net.layers]
        self.y: dict[str, float] = {}
        for layer, offsets in zip(net.layers, self.offsets, strict=True):
            self.y |= {n: o - offsets[-1] / 2 for n, o in zip(layer, offsets, strict=True)}

    def solve(self) -> dict[str, float]:
        rounds = 24 if len(self.y) < LARGE else 3
        everywhere = range(len(self.net.layers))
        for _ in range(rounds):
            for i in everywhere:
                self._settle(i, lambda n: self.net.left.get(n) or self.both[n])
            for i in reversed(everywhere):
                self._settle(i, lambda n: self.net.right.get(n) or self.both[n])
        for _ in range(rounds):
            for i in everywhere:
                self._settle(i, self.both.__getitem__)
        self._straighten()
        return self.y

    def _straighten(self) -> None:
        """Put runs of boxes and bends that only lead to each other on one level, where there is room."""
        room: dict[str, tuple[list[str], list[float], int]] = {}
        for layer, offsets in zip(self.net.layers, self.offsets, strict=True):
            room |= {name: (layer, offsets, i) for i, name in enumerate(layer)}
        for run in self._runs():
            level: list[str] = []
            low, high = float("-inf"), float("inf")
            for name in run:
                above, under = self._room(name, *room[name])
                if max(low, above) > min(high, under):
                    self._level(level, low, high)
                    level, low, high = [], float("-inf"), float("inf")
                level.append(name)
                low, high = max(low, above), min(high, under)
            self._level(level, low, high)

    def _room(self, name: str, layer: list[str], offsets: list[float], i: int) -> Point:
        """The heights between which a name can move while its neighbours in the layer stay."""
        y, end = self.y, i + 1 == len(layer)
        above = y[layer[i - 1]] + offsets[i] - offsets[i - 1] if i else float("-inf")
        under = float("inf") if end else y[layer[i + 1]] - offsets[i + 1] + offsets[i]
        return min(above, y[name]), max(under, y[name])  # rounding must not shut it out of its own place

    def _level(self, names: list[str], low: float, high: float) -> None:
        mean = sum(map(self.y.__getitem__, names)) / len(names)
        self.y.update(dict.fromkeys(names, min(max(mean, low), high)))

    def _runs(self) -> list[list[str]]:
        follows = {a: near[0] for a, near in self.net.right.items() if len(near) == 1 == len(self.net.left[near[0]])}
        inner = set(follows.values())
        runs = []
        for start in follows:
            if start not in inner:
                run = [start]
                while run[-1] in follows:
                    run.append(follows[run[-1]])
                runs.append(run)
        return runs

    def _pull(self, name: str, neighbour: str) -> float:
        """Lines that go on want to be straight; one of many pulls less than an only neighbour."""
        if self.net.is_bend(name) and self.net.is_bend(neighbour):
            return 4.0
        crowds = (len(side.get(neighbour, ())) or 99 for side in (self.net.left, self.net.right))
        return 1 / min(crowds)

    def _stacked(self, layer: Sequence[str], sizes: Sizes) -> list[float]:
        """The least distances of a layer's centres from its first."""
        found = [0.0]
        for a, b in pairwise(layer):
            gap = GAP_LINE if self.net.is_bend(a) or self.net.is_bend(b) else GAP_BOX
            room = sum(sizes[n][1] / 2 for n in (a, b) if n in sizes)
            found.append(found[-1] + gap + room)
        return found

    def _settle(self, index: int, near: Callable[[str], list[str]]) -> None:
        """The closest to what each name wants, in its order and with its room (pool adjacent violators)."""
        layer, offsets = self.net.layers[index], self.offsets[index]
        blocks: list[tuple[float, float, int]] = []  # mean, weight, members
        for name, offset in zip(layer, offsets, strict=True):
            want, weight = self._wish(name, near(name))
            block = (want - offset, weight, 1)
            while blocks and blocks[-1][0] >= block[0]:
                mean, w, n = blocks.pop()
                block = ((mean * w + block[0] * block[1]) / (w + block[1]), w + block[1], n + block[2])
            blocks.append(block)
        means = [mean for mean, _, members in blocks for _ in range(members)]
        self.y.update((n, m + o) for n, m, o in zip(layer, means, offsets, strict=True))

    def _wish(self, name: str, near: Sequence[str]) -> Point:
        """Where a name would like to be, and how much."""
        pulls = self.pulls[name]
        total = sum(pulls[m] for m in near)
        return sum(pulls[m] * self.y[m] for m in near) / total, max(pulls[m] for m in near)


# ---------------------------------------------------------------- routes


def _routes(
    edges: Sequence[Edge],
    chains: Sequence[list[str]],
    boxes: Mapping[str, Rect],
    spans: Mapping[str, Point],
    y: Mapping[str, float],
) -> list[list[Point]]:
    """From the right side of a box, along its bends, to the left side of the other."""
    ports = _ports(edges, chains, boxes, y)
    routes = []
    for (a, b, kind), chain in zip(edges, chains, strict=True):
        x, _, width, _ = boxes[a]
        start, end = ports[a, "right", kind != "call"], ports[b, "left", kind != "call"]
        route = [(x + width, start), (spans[a][1], start)]
        for bend in chain[1:-1]:
            route += [(side, y[bend]) for side in spans[bend]]
        route.append((boxes[b][0], end))
        routes.append([p for i, p in enumerate(route) if not i or p != route[i - 1]])
    return routes


def _ports(
    edges: Sequence[Edge], chains: Sequence[list[str]], boxes: Mapping[str, Rect], y: Mapping[str, float]
) -> dict[tuple[str, str, bool], float]:
    """The heights at which edges dock on a side: calls apart from the rest if both are there.

    A port of a single edge moves a little, if that makes its edge straight.
    """
    ends: dict[tuple[str, str, bool], list[str]] = {}
    for (a, b, kind), chain in zip(edges, chains, strict=True):
        ends.setdefault((a, "right", kind != "call"), []).append(chain[1])
        ends.setdefault((b, "left", kind != "call"), []).append(chain[-2])
    ports = {end: y[end[0]] for end in ends}
    shared = {end for end in ends if (*end[:2], not end[2]) in ends}
    for name, side, data in shared:
        mine, other = ends[name, side, data], ends[name, side, not data]
        above = (sum(map(y.__getitem__, mine)) / len(mine), data) < (
            sum(map(y.__getitem__, other)) / len(other),
            not data,
        )
        ports[name, side, data] += min(7.0, boxes[name][3] / 4) * (-1 if above else 1)
    for end, others in ends.items():
        if end not in shared and len(others) == 1:
            facing = (others[0], "left" if end[1] == "right" else "right", end[2])
            level = ports.get(facing, y[others[0]])
            if abs(level - ports[end]) <= min(8.0, boxes[end[0]][3] / 3):
                ports[end] = level
    return ports
