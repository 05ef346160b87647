"""The graph as a picture: a scene (scene.py), laid out (layout.py), drawn with matplotlib.

Draws into a `Figure` of its own or into given axes.  Never imports pyplot and never looks at the user's backend or
style; the same graph gives the same bytes.  matplotlib is imported inside functions only, since a
program that merely caches must not pay for it.  Imports scene, captions, layout, canvas, errors and (a type of) export.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cachepy.drawing import captions as say
from cachepy.drawing import scene as sc
from cachepy.drawing.canvas import FONTS, INK, LOOKS, PAD_X, PAD_Y, SOFT, Canvas, Ruler, along, collides, curve, font_of
from cachepy.drawing.layout import Layout, Point, arrange
from cachepy.errors import UsageValueError
from cachepy.export import Nodes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEGEND = {
    say.FRESH: "cached and fresh",
    say.STALE: "stale",
    say.AFTER: "stale because of another",
    say.MISSING: "value missing",
    say.UNKNOWN: "unknown: not all could be looked at",
    say.FILE: "file",
    "call": "calls",
    "flow": "result goes to",
}
NOTHING = "Call a cached function, or read a cache directory with cache_tree_sync()."
MARGIN, HEADER, FOOTER = 30.0, 44.0, 44.0
LEAST_WIDTH, KEY = 320.0, 30.0  # of the drawing; of a key of the legend
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
    through: Collection[str] = (),
    level: str = "auto",
    root: str | None = None,
    ax: Axes | None = None,
    labels: str | Iterable[str] = "short",
    max_nodes: int = 60,
    unchecked: str = "",
) -> Figure:
    """Draw the graph; save it if ``output`` is given (.png, .svg or .pdf).

    ``level``: "call", "function", "module", "file" (only calls that read files), or "auto": the finest
    that stays within ``max_nodes`` boxes.  ``root``: an id or a function's name; draws what it depended on.
    ``labels``: "short", "full" (modules and argument names too) or "name"; also "time" and "size".
    ``through``: the stale calls that are so only because of others.  ``unchecked``: what was not looked at.
    """
    suffix = _checked(output, level)
    words, extras = _wanted(labels)
    if root is not None:
        nodes = sc.below(nodes, root)
        if not nodes:
            raise UsageValueError(f"root={root!r} is no call of this graph: give an id or a function's name")
    sizes = _stored_sizes(nodes) if "size" in extras else {}
    states, unchecked = (states, unchecked) if highlight_stale else ({}, say.UNCHECKED)
    view = say.View(nodes, states, reasons or {}, words, extras, through, sizes, unchecked)
    with _own_style():
        figure = _Picture(sc.choose(view, level, max_nodes)).paint(ax)
        if output is not None:
            _save(figure, Path(output), suffix)
    return figure


def _checked(output: str | os.PathLike[str] | None, level: str) -> str:
    if level not in ("auto", *sc.LEVELS):
        raise UsageValueError(f"level={level!r} is not one of: auto, {', '.join(sc.LEVELS)}")
    suffix = Path(output).suffix.lower()[1:] if output is not None else ""
    if output is not None and suffix not in FORMATS:
        raise UsageValueError(f"output={str(output)!r} must end in .png, .svg or .pdf")
    return suffix


def _wanted(labels: str | Iterable[str]) -> tuple[str, frozenset[str]]:
    """How the call is told, and what else is said of it."""
    words = [labels] if isinstance(labels, str) else list(labels)
    told = [word for word in words if word in say.LABELS]
    if len(told) > 1 or not set(words) <= {*say.LABELS, *say.EXTRAS}:
        one, more = (", ".join(known) for known in (say.LABELS, say.EXTRAS))
        raise UsageValueError(f"labels={labels!r} is not one of: {one}; nor that with any of: {more}")
    return (told or ["short"])[0], frozenset(words) & frozenset(say.EXTRAS)


def _stored_sizes(nodes: Nodes) -> dict[str, int]:
    """Bytes of the stored values that are there."""
    found = {}
    for node_id, node in nodes.items():
        if node.get("outfile"):
            with suppress(OSError, ValueError):
                found[node_id] = os.stat(node["outfile"]).st_size
    return found


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
    by_whom_and_when = {
        "svg": ("Date", "Creator"), "pdf": ("CreationDate", "Creator", "Producer"), "png": ("Software",),
    }  # fmt: skip
    none: dict[str, Any] = dict.fromkeys(by_whom_and_when[suffix])
    dpi = _dpi(DPI_FILE, *figure.get_size_inches())
    figure.savefig(path, format=suffix, dpi=dpi, metadata=none)


def _dpi(wanted: float, width: float, height: float) -> float:
    return min(wanted, math.sqrt(MOST_PIXELS / (width * height)))


# ---------------------------------------------------------------- the picture


@dataclass
class _Picture:
    scene: sc.Scene
    ruler: Ruler = field(default_factory=Ruler)

    def paint(self, ax: Axes | None) -> Figure:
        scene = self.scene
        sizes = {key: self.ruler.box(box) for key, box in scene.boxes.items()}
        files = {key for key, box in scene.boxes.items() if box.kind in (say.FILE, say.PILE)}
        layout = arrange(sizes, list(scene.links), files)
        legend = self._legend_width()
        hint = 0.0 if scene.boxes else self.ruler.width(NOTHING, "legend")
        inner = max(layout.width, legend, self.ruler.width(scene.title, "title"), LEAST_WIDTH, hint)
        width, height = inner + 2 * MARGIN, layout.height + HEADER + (FOOTER if scene.boxes else 0) + 2 * MARGIN
        canvas = self._canvas(ax, width, height)
        shift = (MARGIN, MARGIN + HEADER)
        canvas.text(MARGIN, MARGIN + 12, scene.title, "title", INK)
        if scene.boxes:
            self._links(canvas, layout, shift)
            self._boxes(canvas, layout, shift)
        else:
            canvas.text(MARGIN, MARGIN + HEADER, NOTHING, "legend", SOFT)
        self._legend(canvas, MARGIN, height - MARGIN)
        figure: Figure = canvas.axes.get_figure(root=True)  # type: ignore[assignment]  # these axes are in no subfigure
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
            scale = 72 / ax.get_figure(root=True).dpi * min(room.width / width, room.height / height)  # type: ignore[union-attr]  # it has a figure
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
            if kind != "file":  # a flow edge is laid out, and its dashes begin, at the consumer, where its head is
                tip, before = (0, 1) if kind == "flow" else (-1, -2)
                way = 1 if points[tip][0] > points[before][0] else -1
                tips.setdefault(kind, []).append((points[tip], way))
                points[tip] = (points[tip][0] - 4 * way, points[tip][1])
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
        """What the drawing holds, in a fixed order."""
        kinds = {box.kind for box in self.scene.boxes.values()}
        kinds |= {say.FILE} & {{say.PILE: say.FILE}.get(kind, kind) for kind in kinds}
        kinds |= {kind for *_, kind in self.scene.links} - {say.FILE}
        return [(kind, text) for kind, text in LEGEND.items() if kind in kinds]

    def _legend_width(self) -> float:
        return sum(KEY + self.ruler.width(text, "legend") + 20 for _, text in self._entries()) - 20

    def _legend(self, canvas: Canvas, x: float, y: float) -> None:
        for kind, text in self._entries():
            if kind in LOOKS:
                canvas.card(kind, (x, y - 10, 19, 12))
            else:
                way = -1 if kind == "flow" else 1  # as in the drawing: results come from the right
                start, end = (x, x + 20)[::way]
                canvas.lines([curve([(start, y - 4), (end - 4 * way, y - 4)])], kind)
                canvas.heads([((end, y - 4), way)], kind)
            canvas.text(x + KEY, y - 1, text, "legend", SOFT)
            x += KEY + self.ruler.width(text, "legend") + 20
