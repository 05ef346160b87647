"""The graph as a picture: a scene (scene.py), laid out (layout.py), drawn with matplotlib.

Draws into a `Figure` of its own or into given axes.  Never imports pyplot and never looks at the user's backend or
style; the same graph gives the same bytes.  matplotlib is imported inside functions only, since a
program that merely caches must not pay for it.  Imports scene, layout, canvas, errors and (a type of) export.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import scene as sc
from .canvas import FONTS, INK, LOOKS, PAD_X, PAD_Y, SOFT, Canvas, Ruler, along, collides, curve, font_of
from .errors import UsageValueError
from .export import Nodes
from .layout import Layout, Point, arrange

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEGEND = ((sc.FRESH, "cached and fresh"), (sc.STALE, "stale"), (sc.MISSING, "value missing"), (sc.FILE, "file"))
LEGEND_LINES = (("call", "calls"), ("flow", "result goes to"))

MARGIN, HEADER, FOOTER = 30.0, 46.0, 52.0
SPOTS = (0.62, 0.74, 0.5, 0.38, 0.26, 0.84)  # along a line, where its count may stand
FORMATS = ("png", "svg", "pdf")
# A larger drawing is scaled down: PDF ends at 200 inches, and pixels cost memory.
MOST_INCHES, MOST_PIXELS = 200.0, 60_000_000
DPI_FILE, DPI_SCREEN = 144.0, 100.0


def draw(
    nodes: Nodes,
    states: Mapping[str, str],
    output: str | os.PathLike[str] | None = None,
    highlight_stale: bool = True,
    *,
    reasons: Mapping[str, str] | None = None,
    level: str = "auto",
    root: str | None = None,
    ax: Axes | None = None,
    labels: str = "short",
    max_nodes: int = 60,
) -> Figure:
    """Draw the graph; save it if ``output`` is given (.png, .svg or .pdf).

    ``level``: "call", "function", "module", "file" (only calls that read files), or "auto": the finest
    that stays within ``max_nodes`` boxes.  ``root``: an id or a function's name; draws what it depended on.
    ``labels``: "short", "full" (modules and argument names too) or "name".
    """
    suffix = _checked(output, level, labels)
    if root is not None:
        nodes = sc.below(nodes, root)
        if not nodes:
            raise UsageValueError(f"root={root!r} is no call of this graph: give an id or a function's name")
    view = sc.View(nodes, states if highlight_stale else {}, reasons or {}, labels)
    with _own_style():
        figure = _Picture(sc.choose(view, level, max_nodes), highlight_stale).paint(ax)
        if output is not None:
            _save(figure, Path(output), suffix)
    return figure


def _checked(output: str | os.PathLike[str] | None, level: str, labels: str) -> str:
    if level not in ("auto", *sc.LEVELS):
        raise UsageValueError(f"level={level!r} is not one of: auto, {', '.join(sc.LEVELS)}")
    if labels not in sc.LABELS:
        raise UsageValueError(f"labels={labels!r} is not one of: {', '.join(sc.LABELS)}")
    suffix = Path(output).suffix.lower()[1:] if output is not None else ""
    if output is not None and suffix not in FORMATS:
        raise UsageValueError(f"output={str(output)!r} must end in .png, .svg or .pdf")
    return suffix


@contextmanager
def _own_style() -> Iterator[None]:
    """Matplotlib's defaults, whatever style the user has set; put back afterwards."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        # A glyph that no font has is drawn as a box: no reason to trouble whoever asked for a picture.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        mpl.rcdefaults()
        mpl.rcParams["svg.hashsalt"] = "cachepy"  # else ids within the SVG are random
        yield


def _save(figure: Figure, path: Path, suffix: str) -> None:
    no_dates: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    dpi = _dpi(DPI_FILE, *figure.get_size_inches())
    figure.savefig(path, format=suffix, dpi=dpi, metadata=no_dates[suffix])


def _dpi(wanted: float, width: float, height: float) -> float:
    return min(wanted, math.sqrt(MOST_PIXELS / (width * height)))


# ---------------------------------------------------------------- the picture


@dataclass
class _Picture:
    scene: sc.Scene
    with_states: bool
    ruler: Ruler = field(default_factory=Ruler)

    def paint(self, ax: Axes | None) -> Figure:
        scene = self.scene
        sizes = {key: self.ruler.box(box) for key, box in scene.boxes.items()}
        files = {key for key, box in scene.boxes.items() if box.kind in (sc.FILE, sc.PILE)}
        layout = arrange(sizes, list(scene.links), files)
        legend = self._legend_width()
        inner = max(layout.width, legend, self.ruler.width(scene.title, "title"))
        width, height = inner + 2 * MARGIN, max(layout.height, 60) + HEADER + FOOTER + 2 * MARGIN
        canvas = self._canvas(ax, width, height)
        shift = (MARGIN + (inner - layout.width) / 2, MARGIN + HEADER)
        canvas.text(MARGIN, MARGIN + 12, scene.title, "title", INK)
        if scene.boxes:
            self._links(canvas, layout, shift)
            self._boxes(canvas, layout, shift)
        else:
            middle = (width / 2, height / 2)
            canvas.text(*middle, "No cached call to draw", "legend", SOFT, ha="center")
        self._legend(canvas, MARGIN, height - MARGIN)
        figure: Figure = canvas.axes.get_figure(root=True)  # type: ignore[assignment]
        return figure

    def _canvas(self, ax: Axes | None, width: float, height: float) -> Canvas:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        if ax is None:
            scale = min(1.0, MOST_INCHES * 72 / max(width, height))
            size = (width / 72 * scale, height / 72 * scale)
            figure = Figure(figsize=size, dpi=_dpi(DPI_SCREEN, *size), facecolor="white")
            FigureCanvasAgg(figure)
            ax = figure.add_axes((0, 0, 1, 1))
        else:  # all text shrinks with the drawing, so that it still fits its boxes
            room = ax.get_window_extent()
            scale = 72 / ax.get_figure(root=True).dpi * min(room.width / width, room.height / height)  # type: ignore[union-attr]
        ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
        ax.set_axis_off()
        return Canvas(ax, self.ruler, scale)

    def _boxes(self, canvas: Canvas, layout: Layout, shift: Point) -> None:
        for i, (key, (left, top, w, h)) in enumerate(layout.boxes.items()):
            box, look = self.scene.boxes[key], LOOKS[self.scene.boxes[key].kind]
            x, base = left + shift[0], top + shift[1] + PAD_Y
            canvas.card(box.kind, (x, base - PAD_Y, w, h), gid=f"box-{i}")
            for text, role in box.lines:
                font = FONTS[font_of(box, role)]
                ink = look.ink if role == "name" else look.soft
                canvas.text(x + PAD_X, base + font[3] * 0.76, text, font_of(box, role), ink, gid=f"text-{i}")
                base += font[3]

    def _links(self, canvas: Canvas, layout: Layout, shift: Point) -> None:
        curves: dict[str, list[Any]] = {}
        tips: dict[str, list[tuple[Point, int]]] = {}
        counted = []
        for ((_, _, kind), count), route in zip(self.scene.links.items(), layout.routes, strict=True):
            points = [(x + shift[0], y + shift[1]) for x, y in route]
            counted += [(list(points), count)] if count > 1 else []
            if kind == "flow":
                points.reverse()  # a flow edge is laid out from the consumer, drawn from the producer
            if kind != "file":
                way = 1 if points[-1][0] > points[-2][0] else -1
                tips.setdefault(kind, []).append((points[-1], way))
                points[-1] = (points[-1][0] - 4 * way, points[-1][1])
            curves.setdefault(kind, []).append(curve(points))
        for kind, lines in curves.items():
            canvas.lines(lines, kind)
            canvas.heads(tips.get(kind, ()), kind)
        for points, count in counted:
            self._count(canvas, points, count)

    def _count(self, canvas: Canvas, points: Sequence[Point], count: int) -> None:
        """How many edges a line stands for: on its last stretch, as before that it may run with others.

        Where there is no room for it, the counts in the boxes have to do.
        """
        text = f"×{count:,}"
        w, h = self.ruler.width(text, "count") + 4, FONTS["count"][3]
        for x, y in (along(points[-2], points[-1], t) for t in SPOTS):
            spot = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
            if abs(points[-1][0] - points[-2][0]) >= w + 12 and not collides(spot, canvas.taken):
                canvas.taken.append(spot)
                paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.0 * canvas.scale}
                canvas.text(x, y + 2.7, text, "count", SOFT, ha="center", bbox=paper)
                return

    # ------------------------------------------------------------ legend

    def _entries(self) -> list[tuple[str, str]]:
        cards = LEGEND if self.with_states else (("fresh", "call"), LEGEND[-1])
        return [*cards, *LEGEND_LINES]

    def _legend_width(self) -> float:
        return sum(26 + self.ruler.width(text, "legend") + 20 for _, text in self._entries()) - 20

    def _legend(self, canvas: Canvas, x: float, y: float) -> None:
        for kind, text in self._entries():
            if kind in LOOKS:
                canvas.card(kind, (x, y - 10, 19, 12))
            else:
                way = -1 if kind == "flow" else 1  # as in the drawing: results come from the right
                start, end = (x, x + 20)[::way]
                canvas.lines([curve([(start, y - 4), (end - 4 * way, y - 4)])], kind)
                canvas.heads([((end, y - 4), way)], kind)
            canvas.text(x + 26, y - 1, text, "legend", SOFT)
            x += 26 + self.ruler.width(text, "legend") + 20
