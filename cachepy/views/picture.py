"""A scene on matplotlib's axes: boxes, lines with their counts, title and legend.

matplotlib is imported inside functions only, and never pyplot.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cachepy.views import captions as say
from cachepy.views import scene as sc
from cachepy.views.bands import TURN
from cachepy.views.canvas import BADGE, FONTS, PAD_X, PAD_Y, Canvas, Ruler, curve, font_of
from cachepy.views.label_room import Room, rows_of
from cachepy.views.picture_layout import Layout, Point, arrange
from cachepy.views.themes import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOTHING = "Call a cached function, or read a cache directory with cache_tree_sync()."
MARGIN, HEADER = 30.0, 44.0
LEAST_WIDTH, LEGEND_WIDTH = 320.0, 480.0  # of the drawing; up to which it is widened for its legend
KEY, KEY_GAP, KEY_ROW, ABOVE_KEYS = 30.0, 20.0, 19.0, 25.0  # of the legend: a key, from key to key, a row
# A larger drawing is scaled down: PDF ends at 200 inches, and pixels cost memory.
MOST_INCHES, MOST_PIXELS = 200.0, 60_000_000
DPI_SCREEN = 100.0
FILES = (say.FILE, say.PILE, say.CHANGED)


def dpi_for(wanted: float, width: float, height: float) -> float:
    """What is wanted, or as much as keeps a picture of so many inches in memory."""
    return min(wanted, math.sqrt(MOST_PIXELS / (width * height)))


@dataclass
class Picture:
    """``checked``: whether anybody looked at what is fresh."""

    scene: sc.Scene
    theme: Theme
    transparent: bool = False
    checked: bool = True
    ruler: Ruler = field(default_factory=Ruler)
    room: Room = field(default_factory=Room)

    def __post_init__(self) -> None:
        self._has_counts = max(self.scene.links.values(), default=0) > 1  # else nobody asks for room

    def paint(self, ax: Axes | None) -> Figure:
        scene = self.scene
        layout = self._layout()
        inner = max(layout.width + self._overhang(layout), self.ruler.width(scene.title, "title"), LEAST_WIDTH)
        keys = [KEY + self.ruler.width(text, "legend") + KEY_GAP for _, text in self._entries()]
        if scene.boxes:
            inner = max(inner, min(sum(keys) - KEY_GAP, LEGEND_WIDTH), max(keys) - KEY_GAP)
        else:
            inner = max(inner, self.ruler.width(NOTHING, "legend"))
        rows = rows_of(keys, inner + KEY_GAP)
        footer = ABOVE_KEYS + KEY_ROW * len(rows) if scene.boxes else 0.0
        canvas = self._canvas(ax, inner + 2 * MARGIN, layout.height + HEADER + footer + 2 * MARGIN)
        shift = (MARGIN, MARGIN + HEADER)
        canvas.text(MARGIN, MARGIN + 12, scene.title, "title", self.theme.ink)
        if scene.boxes:
            self._boxes(canvas, layout, shift)
            self._links(canvas, layout, shift)
            self._legend(canvas, rows, layout.height + MARGIN + HEADER + ABOVE_KEYS + KEY_ROW)
        else:
            canvas.text(MARGIN, MARGIN + HEADER, NOTHING, "legend", self.theme.soft)
        figure: Figure = canvas.axes.get_figure(root=True)  # type: ignore[assignment]  # these axes are in no subfigure
        return figure

    def _layout(self) -> Layout:
        scene = self.scene
        sizes = {key: self.ruler.box(box) for key, box in scene.boxes.items()}
        files = {key for key, box in scene.boxes.items() if box.kind in FILES}
        last = files - {left for left, *_ in scene.links} if scene.direction == "calls" else ()
        return arrange(sizes, list(scene.links), last, files)

    def _overhang(self, layout: Layout) -> float:
        """How far badges stand out on the right."""
        marked = (x + w + BADGE - 1 for key, (x, _, w, _) in layout.boxes.items() if self.scene.boxes[key].badges)
        return max(0.0, max(marked, default=0.0) - layout.width)

    def _canvas(self, ax: Axes | None, width: float, height: float) -> Canvas:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.patches import Rectangle

        paper = "none" if self.transparent else self.theme.paper
        if ax is None:
            scale = min(1.0, MOST_INCHES * 72 / max(width, height))
            size = (width / 72 * scale, height / 72 * scale)
            figure = Figure(figsize=size, dpi=dpi_for(DPI_SCREEN, *size), facecolor=paper)
            FigureCanvasAgg(figure)
            ax = figure.add_axes((0, 0, 1, 1))
        else:  # all text shrinks with the drawing, so that it still fits its boxes
            space = ax.get_window_extent()
            scale = 72 / ax.get_figure(root=True).dpi * min(space.width / width, space.height / height)  # type: ignore[union-attr]  # it has a figure
            ax.add_artist(Rectangle((0, 0), 1, 1, transform=ax.transAxes, facecolor=paper, edgecolor="none", zorder=0))
        ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
        ax.set_axis_off()
        return Canvas(ax, self.ruler, scale, self.theme)

    def _boxes(self, canvas: Canvas, layout: Layout, shift: Point) -> None:
        for i, (key, (left, top, w, h)) in enumerate(layout.boxes.items()):
            box, look = self.scene.boxes[key], self.theme.looks[self.scene.boxes[key].kind]
            x, base = left + shift[0], top + shift[1] + PAD_Y
            canvas.card(box.kind, (x, base - PAD_Y, w, h), box.shares, box.badges, gid=f"box-{i}")
            if self._has_counts:
                self.room.take((x, base - PAD_Y - 2, w + 2, h + 4))
                if box.badges:
                    self.room.take((x - BADGE, base - PAD_Y - BADGE, w + 2 * BADGE, 2 * BADGE))
            for text, role in box.lines:
                font = FONTS[font_of(box, role)]
                ink = look.ink if role == "name" else look.soft
                canvas.text(x + PAD_X, base + font[3] * 0.76, text, font_of(box, role), ink, gid=f"text-{i}")
                base += font[3]

    # ------------------------------------------------------------ lines

    def _links(self, canvas: Canvas, layout: Layout, shift: Point) -> None:
        curves: dict[tuple[str, bool], list[Any]] = {}
        tips: dict[str, list[tuple[Point, int]]] = {}
        counted = []
        links = zip(self.scene.links.items(), layout.routes, layout.turns or [()] * len(layout.routes), strict=True)
        for ((_, _, kind), count), route, turns in links:
            points = [(x + shift[0], y + shift[1]) for x, y in route]
            counted += [(list(points), count)] if count > 1 else []
            tip, before = self._head(kind)
            way = 1 if points[tip][0] > points[before][0] else -1
            tips.setdefault(kind, []).append((points[tip], way))
            points[tip] = (points[tip][0] - 4 * way, points[tip][1])
            for stretch, leads in _stretches(points, turns):
                curves.setdefault((kind, leads), []).append(curve(stretch))
            if self._has_counts:
                self.room.take_line(points)
                x, y = tips[kind][-1][0]
                self.room.take((x - 7 if way > 0 else x, y - 4, 7.0, 8.0))
        for (kind, leads), lines in curves.items():
            canvas.lines(lines, kind, leads=leads)
        for kind, heads in tips.items():
            canvas.heads(heads, kind)
        for points, count in counted:
            self._count(canvas, points, count)

    def _head(self, kind: str) -> tuple[int, int]:
        """Which end of a line has the arrowhead: data go to the left where calls go to the right."""
        return (-1, -2) if kind == "call" or self.scene.direction == "data" else (0, 1)

    def _count(self, canvas: Canvas, points: Sequence[Point], count: int) -> None:
        """How many edges a line stands for, on its last stretch, as before that it may run with others.

        Where there is no room for it, the counts in the boxes have to do.
        """
        text = f"×{count:,}"
        rect = self.room.beside(points[-2], points[-1], self.ruler.width(text, "count") + 4, FONTS["count"][3])
        if rect is not None:
            self.room.take(rect)
            x, y, w, _ = rect
            canvas.text(x + w / 2, y + FONTS["count"][3] * 0.8, text, "count", self.theme.soft, ha="center")

    # ------------------------------------------------------------ legend

    def _entries(self) -> list[tuple[str, str]]:
        """What the drawing holds, in a fixed order."""
        boxes = self.scene.boxes.values()
        kinds = {kind for box in boxes for kind in (box.kind, *box.shares, *box.badges)}
        kinds -= {say.STALE} if not any(box.kind not in FILES and say.STALE in _states(box) for box in boxes) else set()
        kinds |= {say.FILE} if say.PILE in kinds else set()
        kinds |= {kind for *_, kind in self.scene.links}
        return [(kind, text) for kind, text in self._legend_texts(kinds).items() if kind in kinds]

    def _legend_texts(self, kinds: set[str]) -> dict[str, str]:
        along_data = self.scene.direction == "data"
        both = "a file is read or written" if {"read", "write"} <= kinds else ""
        return {
            say.FRESH: "fresh" if self.checked else "cached call",
            say.STALE: "stale",
            say.AFTER: "stale because of another call",
            say.MISSING: "missing: its value is not on disk",
            say.UNKNOWN: "unknown: not all could be checked",
            say.ACCEPTED: "accepted: a person kept its result",
            say.CHANGED: "changed file",
            say.FILE: "file",
            "call": "called by" if along_data else "calls",
            "flow": "result goes to",
            "read": both or "a file is read",
        } | ({} if both else {"write": "a file is written"})

    def _legend(self, canvas: Canvas, rows: Sequence[Sequence[float]], y: float) -> None:
        entries = iter(self._entries())
        for row in rows:
            for left, (kind, text) in zip(row, entries, strict=False):
                x = left + MARGIN
                if kind == say.ACCEPTED:
                    canvas.card(say.FRESH, (x, y - 10, 19, 12), badges=(kind,))
                elif kind in self.theme.looks:
                    badges = (kind,) if kind in (say.STALE, say.AFTER, say.MISSING, say.UNKNOWN) else ()
                    canvas.card(kind, (x, y - 10, 19, 12), badges=(say.STALE,) if kind == say.CHANGED else badges)
                else:
                    way = 1 if self._head(kind)[0] else -1  # as in the drawing
                    start, end = (x, x + 20)[::way]
                    canvas.lines([curve([(start, y - 4), (end - 4 * way, y - 4)])], kind)
                    canvas.heads([((end, y - 4), way)], kind)
                canvas.text(x + KEY, y - 1, text, "legend", self.theme.soft)
            y += KEY_ROW


def _states(box: sc.Box) -> set[str]:
    return {box.kind, *box.shares, *box.badges}


def _stretches(points: Sequence[Point], turns: Sequence[int]) -> Iterator[tuple[Sequence[Point], bool]]:
    """A route in parts: those that mean something, and those that only lead to the next row."""
    start = 0
    for turn in turns:
        if turn > start:
            yield points[start : turn + 1], False
        yield points[turn : turn + TURN], True
        start = turn + TURN - 1
    if start < len(points) - 1:
        yield points[start:], False
