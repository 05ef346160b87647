"""What a drawing is made of: colours, fonts, measured text, boxes, lines, arrowheads.

The vocabulary of plot.py in matplotlib's terms.  matplotlib is imported inside functions only, and
never pyplot.  Imports scene.py (for the kinds of boxes) and layout.py (for points).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cachepy.drawing import captions as say
from cachepy.drawing import scene as sc
from cachepy.drawing.layout import Point, Rect

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

NAVY, AMBER, GREY, VIOLET, BLUE = "#1D3557", "#FBBC04", "#F1F3F5", "#EFE7FB", "#E8F0FE"
LINE, FLOW, INK, SOFT = "#8A94A0", "#5F6B78", "#212529", "#5C656E"
CORNER = 8.0  # of a line that turns


@dataclass(frozen=True)
class Look:
    """The colours of one kind of box."""

    fill: str
    edge: str
    ink: str  # of the name
    soft: str  # of all other text
    dashed: bool = False
    fold: float = 0.0
    radius: float = 6.0


LOOKS = {
    say.FRESH: Look(NAVY, NAVY, "#FFFFFF", "#CBD6E6"),
    say.STALE: Look(AMBER, "#B07F00", "#212529", "#453600"),
    say.AFTER: Look(AMBER, "#B07F00", "#212529", "#453600"),
    say.MISSING: Look(GREY, "#7A838C", "#343A40", "#565D64", dashed=True),
    say.UNKNOWN: Look(VIOLET, "#7B5EA7", "#3B2A5A", "#5B4880", dashed=True, radius=14.0),
    say.FILE: Look(BLUE, "#6F91D4", NAVY, "#4C5E82", fold=8.0, radius=2.0),
    say.PILE: Look(BLUE, "#6F91D4", NAVY, "#4C5E82", fold=8.0, radius=2.0),
}

# Sizes are in points, which are also the units of the axes: a text as measured is a text as drawn.
PAD_X, PAD_Y = 12.0, 8.0
FONTS: dict[str, tuple[float, str, str, float]] = {  # size, weight, style, height of a line
    "name": (9.5, "bold", "normal", 12.5),
    "args": (8.0, "normal", "normal", 11.5),
    "why": (7.5, "normal", "italic", 11.0),
    "file": (8.5, "normal", "normal", 11.5),
    "title": (13.0, "bold", "normal", 17.0),
    "legend": (8.5, "normal", "normal", 12.0),
    "count": (7.5, "normal", "normal", 10.0),
}
LEAST_TEXT = 2.0  # smaller, nobody can read it, and the rasterizer refuses glyphs of less than a pixel
# After the font that comes with matplotlib, those that have East Asian scripts, if the machine has one.
FAMILIES = ("Noto Sans CJK SC", "Noto Sans CJK JP", "PingFang SC", "Microsoft YaHei", "Arial Unicode MS")


class Ruler:
    """Measures text as it will be drawn, and gives the fonts for both."""

    def __init__(self) -> None:
        from matplotlib.font_manager import FontProperties, fontManager
        from matplotlib.textpath import TextToPath

        known = set(fontManager.get_font_names())
        families = ["DejaVu Sans", *(name for name in FAMILIES if name in known)]
        self._measure: TextToPath = TextToPath()
        self._widths: dict[tuple[str, str], float] = {}
        self.fonts: dict[str, FontProperties] = {
            role: FontProperties(family=families, size=size, weight=weight, style=style)  # type: ignore[arg-type]  # matplotlib's stubs want literals
            for role, (size, weight, style, _) in FONTS.items()
        }

    def width(self, text: str, role: str) -> float:
        if (text, role) not in self._widths:
            found = self._measure.get_text_width_height_descent(text, self.fonts[role], ismath=False)
            # Agg rounds glyphs to pixels, so drawn text can be a little wider than its outlines.
            self._widths[text, role] = float(found[0]) * 1.02 + 1
        return self._widths[text, role]

    def box(self, box: sc.Box) -> tuple[float, float]:
        roles = [(text, font_of(box, role)) for text, role in box.lines]
        wide = max((self.width(text, role) for text, role in roles), default=0.0)
        return wide + 2 * PAD_X, sum(FONTS[role][3] for _, role in roles) + 2 * PAD_Y


def font_of(box: sc.Box, role: str) -> str:
    """The font of a line of text in a box."""
    return "file" if role == "name" and box.kind in (say.FILE, say.PILE) else role


# ---------------------------------------------------------------- shapes and lines


@dataclass
class Canvas:
    """Axes whose unit is a point at ``scale`` 1; collects lines so that each kind is one artist."""

    axes: Axes
    ruler: Ruler
    scale: float
    taken: list[Rect] = field(default_factory=list)  # by labels of edges

    def text(self, x: float, y: float, text: str, role: str, colour: str, **more: Any) -> None:
        font, size = self.ruler.fonts[role].copy(), FONTS[role][0] * self.scale
        if size < LEAST_TEXT:
            return
        font.set_size(size)
        if self.scale < 1:
            self._fit(text, font, self.ruler.width(text, role) * self.scale)
        self.axes.text(x, y, text, fontproperties=font, color=colour, va="baseline", zorder=4, parse_math=False, **more)

    def _fit(self, text: str, font: FontProperties, most: float) -> None:
        """Make a font smaller until the text has its width: of small text, glyphs as wide as whole pixels run wide."""
        from matplotlib.backends.backend_agg import RendererAgg

        dpi = self.axes.get_figure(root=True).dpi  # type: ignore[union-attr]  # it has a figure
        pen = RendererAgg(1, 1, dpi)  # type: ignore[no-untyped-call]  # matplotlib leaves it untyped
        for _ in range(8):
            if pen.get_text_width_height_descent(text, font, ismath=False)[0] <= most * dpi / 72:  # type: ignore[no-untyped-call]  # likewise
                return
            font.set_size(font.get_size_in_points() * 0.94)

    def shape(self, points: Sequence[Point], codes: Sequence[int], look: Look, fill: str, **more: Any) -> None:
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path as Outline

        dashes = (0, (3.2, 2.2)) if look.dashed else "solid"
        self.axes.add_patch(
            PathPatch(
                Outline(points, codes), facecolor=fill, edgecolor=look.edge, linestyle=dashes,
                linewidth=1.0 * self.scale, zorder=3, **more,
            )
        )  # fmt: skip

    def card(self, kind: str, rect: Rect, gid: str | None = None) -> None:
        """A box's outline, with all that tells its kind without colour."""
        x, y, w, h = rect
        look = replace(LOOKS[kind], radius=min(LOOKS[kind].radius, h / 4), fold=min(LOOKS[kind].fold, h / 2))
        if kind == say.PILE:  # a second sheet behind the first
            self.shape(*_outline(x + 3, y + 3, w, h, look), look, look.fill)
        self.shape(*_outline(x, y, w, h, look), look, look.fill, gid=gid)
        if look.fold:
            f, right = look.fold, x + w
            corner = [(right - f, y), (right - f, y + f), (right, y + f), (right - f, y)]
            self.shape(corner, (1, 2, 2, 79), look, look.edge)
        if kind in (say.STALE, say.AFTER):
            self.badge(x + w - 1, y + 1, *((INK, "white", "white") if kind == say.STALE else ("white", INK, INK)))

    def badge(self, x: float, y: float, fill: str, edge: str, ink: str) -> None:
        from matplotlib.patches import Circle

        self.axes.add_patch(Circle((x, y), 6, facecolor=fill, edgecolor=edge, lw=1.2 * self.scale, zorder=5))
        self.axes.add_patch(Circle((x, y + 2.9), 0.85, facecolor=ink, edgecolor="none", zorder=6))
        self.axes.plot([x, x], [y - 3.1, y + 0.7], color=ink, lw=1.5 * self.scale, zorder=6, solid_capstyle="round")

    def lines(self, curves: Sequence[Any], kind: str) -> None:
        from matplotlib.collections import PathCollection

        colour, width = (FLOW if kind == "flow" else LINE), (0.9 if kind == "file" else 1.1)
        style = (0, (4.0, 2.6)) if kind == "flow" else "solid"
        self.axes.add_collection(
            PathCollection(
                curves, facecolors="none", edgecolors=colour, linewidths=width * self.scale,
                linestyles=[style], zorder=1, capstyle="butt",
            ),
            autolim=False,
        )  # fmt: skip

    def heads(self, tips: Sequence[tuple[Point, int]], kind: str) -> None:
        from matplotlib.collections import PolyCollection

        triangles = [[(x, y), (x - 6 * way, y - 2.8), (x - 6 * way, y + 2.8)] for (x, y), way in tips]
        colour = FLOW if kind == "flow" else LINE
        self.axes.add_collection(
            PolyCollection(triangles, facecolors=colour, edgecolors="none", zorder=2), autolim=False
        )


def _outline(x: float, y: float, w: float, h: float, look: Look) -> tuple[list[Point], list[int]]:
    """A box with round corners (codes: 1 move, 2 line, 3 curve), the upper right one cut for a folded sheet."""
    r, f, right, low = look.radius, look.fold, x + w, y + h
    upper_right = [(right - f, y), (right, y + f)] if f else [(right - r, y), (right, y), (right, y + r)]
    points = [
        (x + r, y), *upper_right,
        (right, low - r), (right, low), (right - r, low),
        (x + r, low), (x, low), (x, low - r),
        (x, y + r), (x, y), (x + r, y), (x + r, y),
    ]  # fmt: skip
    return points, [1, *([2, 2] if f else [2, 3, 3]), *[2, 3, 3] * 3, 79]


def curve(points: Sequence[Point]) -> Any:
    """A smooth line through all points, level at each of them, so that it meets boxes squarely.

    Where it goes straight down, it turns with round corners.
    """
    from matplotlib.path import Path as Outline

    line, codes = [points[0]], [1]
    for i, ((x0, y0), (x1, y1)) in enumerate(pairwise(points), start=2):
        after = points[i] if i < len(points) else None
        if after and (x0 == x1) != (x1 == after[0]) and (y0 == y1 or x0 == x1):
            line += [_toward((x1, y1), (x0, y0)), (x1, y1), _toward((x1, y1), after)]
            codes += [2, 3, 3]
        elif x0 == x1 or y0 == y1:
            line.append((x1, y1))
            codes.append(2)
        else:
            middle = (x0 + x1) / 2
            line += [(middle, y0), (middle, y1), (x1, y1)]
            codes += [4, 4, 4]
    return Outline(line, codes)


def _toward(corner: Point, point: Point) -> Point:
    """Where a line leaves its straight way for a corner."""
    (x, y), (to_x, to_y) = corner, point
    length = abs(to_x - x) + abs(to_y - y)
    share = min(CORNER, length / 2) / length
    return x + (to_x - x) * share, y + (to_y - y) * share


def along(a: Point, b: Point, t: float) -> Point:
    """A point of the curve from ``a`` to ``b`` as `curve` draws it."""
    (x0, y0), (x1, y1) = a, b
    x = (1 - t) ** 3 * x0 + 1.5 * t * (1 - t) * (x0 + x1) + t**3 * x1
    return x, y0 + (y1 - y0) * t * t * (3 - 2 * t)


def collides(spot: tuple[float, float, float, float], others: Sequence[Rect]) -> bool:
    """Whether a rectangle overlaps any of the others."""
    return any(spot[0] < o[2] and o[0] < spot[2] and spot[1] < o[3] and o[1] < spot[3] for o in others)
