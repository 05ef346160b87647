"""What a drawing is made of: fonts, measured text, boxes, badges, lines, arrowheads.

The vocabulary of picture.py in matplotlib's terms.  matplotlib is imported inside functions only, and
never pyplot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cachepy.views import captions as say
from cachepy.views import scene as sc
from cachepy.views.picture_layout import Point, Rect
from cachepy.views.themes import Look, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.font_manager import FontProperties
    from matplotlib.patches import PathPatch
    from matplotlib.textpath import TextToPath

CORNER = 8.0  # of a line that turns
STRIP, LEAST_SHARE = 9.0, 5.0  # height of the shares of a group; the least width of one
BADGE = 6.0
# A badge's stroke, from its middle, and whether a dot is below it: stale "!", missing a slash, unknown "?", kept a tick
_MARKS: dict[str, tuple[list[Point], bool]] = {
    say.STALE: ([(0, -3.1), (0, 0.7)], True),
    say.AFTER: ([(0, -3.1), (0, 0.7)], True),
    say.MISSING: ([(-2.7, 2.7), (2.7, -2.7)], False),
    say.UNKNOWN: ([(-1.8, -1.9), (-0.9, -3.2), (0.9, -3.2), (1.8, -2), (1.3, -0.7), (0, 0.1), (0, 1)], True),
    say.ACCEPTED: ([(-2.9, 0.1), (-0.9, 2.3), (2.9, -2.3)], False),
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
        strip = STRIP if box.shares else 0.0
        return wide + 2 * PAD_X, sum(FONTS[role][3] for _, role in roles) + 2 * PAD_Y + strip


def font_of(box: sc.Box, role: str) -> str:
    """The font of a line of text in a box."""
    return "file" if role == "name" and box.kind in (say.FILE, say.PILE, say.CHANGED) else role


# ---------------------------------------------------------------- shapes and lines


@dataclass
class Canvas:
    """Axes whose unit is a point at ``scale`` 1; collects lines so that each kind is one artist."""

    axes: Axes
    ruler: Ruler
    scale: float
    theme: Theme

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

    def shape(self, points: Sequence[Point], codes: Sequence[int], look: Look, fill: str, **more: Any) -> PathPatch:
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path as Outline

        dashes = (0, (3.2, 2.2)) if look.dashed else "solid"
        patch = PathPatch(
            Outline(points, codes), facecolor=fill, edgecolor=look.edge, linestyle=dashes,
            linewidth=look.width * self.scale, **({"zorder": 3} | more),
        )  # fmt: skip
        self.axes.add_artist(patch)  # unlike add_patch, it works out no limits of the axes
        return patch

    def card(
        self, kind: str, rect: Rect, shares: Mapping[str, int] | None = None, badges: Sequence[str] = (),
        gid: str | None = None,
    ) -> None:  # fmt: skip
        """A box's outline, with all that tells its kind without colour."""
        x, y, w, h = rect
        look = self.theme.looks[kind]
        look = replace(look, radius=min(look.radius, h / 4), fold=min(look.fold, h / 2))
        if kind == say.PILE:  # a second sheet behind the first
            self.shape(*_outline(x + 3, y + 3, w, h, look), look, look.fill)
        outline = _outline(x, y, w, h, look)
        patch = self.shape(*outline, look, look.fill, gid=gid)
        if shares:
            self._strip(shares, rect, patch)
            self.shape(*outline, replace(look, dashed=False), "none", zorder=3.5)
        if look.fold:
            f, right = look.fold, x + w
            corner = [(right - f, y), (right - f, y + f), (right, y + f), (right - f, y)]
            self.shape(corner, (1, 2, 2, 79), look, look.edge)
        for i, badge in enumerate(badges):  # of a file on the left: the right corner says that it is one
            self.badge(x + 1 if look.fold else x + w - 1 - i * (2 * BADGE + 3), y + 1, badge)

    def _strip(self, shares: Mapping[str, int], rect: Rect, outline: PathPatch) -> None:
        """The shares of a group along the lower edge of its box, each as wide as it is large, none too small to see."""
        from matplotlib.patches import Rectangle

        x, y, w, h = rect
        for state, width in zip(shares, widths_of(list(shares.values()), w), strict=True):
            look = self.theme.looks[state]
            edge = self.theme.paper if not look.hatch else look.edge if look.bar == look.fill else look.fill
            bar = Rectangle(
                (x, y + h - STRIP), width, STRIP, facecolor=look.bar, edgecolor=edge, hatch=look.hatch or None,
                zorder=3.2, linewidth=0.8 * self.scale, gid=f"share-{state}",
            )  # fmt: skip
            self.axes.add_artist(bar)
            bar.set_clip_path(outline)
            x += width

    def badge(self, x: float, y: float, state: str) -> None:
        """A mark in a circle: filled on what has a cause of its own."""
        from matplotlib.lines import Line2D
        from matplotlib.patches import Circle

        ink, paper = self.theme.ink, self.theme.paper
        fill, edge, mark = (ink, paper, paper) if state == say.STALE else (paper, ink, ink)
        self.axes.add_artist(
            Circle((x, y), BADGE, facecolor=fill, edgecolor=edge, lw=1.2 * self.scale, zorder=5, gid=f"badge-{state}")
        )
        stroke, has_dot = _MARKS[state]
        if has_dot:
            self.axes.add_artist(Circle((x, y + 2.9), 0.85, facecolor=mark, edgecolor="none", zorder=6))
        self.axes.add_artist(
            Line2D(
                [x + dx for dx, _ in stroke], [y + dy for _, dy in stroke], color=mark, lw=1.4 * self.scale, zorder=6,
                solid_capstyle="round", solid_joinstyle="round",
            )
        )  # fmt: skip

    def lines(self, curves: Sequence[Any], kind: str, *, leads: bool = False) -> None:
        """Lines of one kind; those that only lead to the next row are lighter."""
        from matplotlib.collections import PathCollection

        thin = leads or kind in ("read", "write")
        style = (0, (4.0, 2.6)) if kind == "flow" else "solid"
        self.axes.add_collection(
            PathCollection(
                curves, facecolors="none", edgecolors=self.theme.lead if leads else self._colour(kind),
                linewidths=(0.8 if thin else 1.2) * self.scale, linestyles=[style], zorder=0.9 if leads else 1,
                capstyle="butt",
            ),
            autolim=False,
        )  # fmt: skip

    def _colour(self, kind: str) -> str:
        return self.theme.flow if kind == "flow" else self.theme.line

    def heads(self, tips: Sequence[tuple[Point, int]], kind: str) -> None:
        from matplotlib.collections import PolyCollection

        triangles = [[(x, y), (x - 6 * way, y - 2.8), (x - 6 * way, y + 2.8)] for (x, y), way in tips]
        self.axes.add_collection(
            PolyCollection(triangles, facecolors=self._colour(kind), edgecolors="none", zorder=2), autolim=False
        )


def widths_of(shares: Sequence[int], width: float) -> list[float]:
    """The widths of shares in proportion, but for those that would be too small to see."""
    least = min(LEAST_SHARE, width / len(shares))
    total = sum(shares)
    small = [share * width < least * total for share in shares]
    rest = sum(share for share, is_small in zip(shares, small, strict=True) if not is_small)
    room = width - least * sum(small)
    return [least if is_small else room * share / rest for share, is_small in zip(shares, small, strict=True)]


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
