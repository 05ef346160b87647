"""The graph as a picture: a scene (scene.py), laid out (layout.py), drawn with matplotlib (picture.py).

Draws into a `Figure` of its own or into given axes.  Never imports pyplot and never looks at the user's backend or
style; the same graph gives the same bytes.  matplotlib is imported inside functions only, since a program that merely
caches must not pay for it.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cachepy.errors import UsageValueError
from cachepy.views import captions as say
from cachepy.views import scene as sc
from cachepy.views.exports import Nodes
from cachepy.views.picture import Picture, dpi_for
from cachepy.views.themes import THEMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
DIRECTIONS = ("auto", "data", "calls")
DPI_FILE = 144.0
# The fonts of a text in SVG, to be followed by some that other machines have: Verdana is as wide as DejaVu Sans.
_FONT = re.compile(rb"""(<text style="[^"]*?font(?:-family)?: [^;"]*'[^;"]*)""")


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
    outputs: Mapping[str, Collection[str]] | None = None,
    changed: Mapping[str, str] | None = None,
    direction: str = "auto",
    theme: str = "light",
    transparent: bool = False,
) -> Figure:
    """Draw the graph; save it if ``output`` is given (.png, .svg or .pdf).

    ``level``: "call", "function", "module", "file" (only calls that read files), or "auto": the finest
    that stays within ``max_nodes`` boxes.  ``root``: an id or a function's name; draws what it depended on.
    ``labels``: "short", "full" (modules and argument names too) or "name"; also "time" and "size".
    ``through``: the stale calls that are so only because of others.  ``unchecked``: what was not looked at.
    ``outputs``: the files that calls wrote.  ``changed``: files that are not as they were, and what happened to them.
    """
    _one_of("level", level, ("auto", *sc.LEVELS))
    _one_of("direction", direction, DIRECTIONS)
    _one_of("theme", theme, tuple(THEMES))
    suffix = _suffix(output)
    words, extras = _wanted(labels)
    if root is not None:
        nodes = sc.below(nodes, root)
        if not nodes:
            raise UsageValueError(f"root={root!r} is no call of this graph: give an id or a function's name")
    sizes = _stored_sizes(nodes) if "size" in extras else {}
    if not highlight_stale:
        states, changed, unchecked = {}, {}, say.UNCHECKED
    view = say.View(
        nodes, states, reasons or {}, words, extras, through, sizes, unchecked, outputs or {}, changed or {}
    )
    scene = sc.directed(sc.choose(view, level, max_nodes), direction)
    with _own_style():
        figure = Picture(scene, THEMES[theme], transparent, bool(states)).paint(ax)
        if output is not None:
            _save(figure, Path(output), suffix)
    return figure


def _one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    """Complain of a value that is not known, and say what was perhaps meant."""
    if value in known:
        return
    from difflib import get_close_matches

    near = get_close_matches(str(value).lower(), known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageValueError(f"{name}={value!r} is not one of: {', '.join(known)}{hint}")


def _suffix(output: str | os.PathLike[str] | None) -> str:
    suffix = Path(output).suffix.lower()[1:] if output is not None else ""
    if output is not None and suffix not in FORMATS:
        raise UsageValueError(f"output={str(output)!r} must end in .png, .svg or .pdf")
    return suffix


def _wanted(labels: str | Iterable[str]) -> tuple[str, frozenset[str]]:
    """How the call is told, and what else is said of it."""
    words = [labels] if isinstance(labels, str) else list(labels)
    for word in words:
        _one_of("labels", word, (*say.LABELS, *say.EXTRAS))
    told = [word for word in words if word in say.LABELS]
    if len(told) > 1:
        raise UsageValueError(f"labels={labels!r} has more than one of: {', '.join(say.LABELS)}")
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
        mpl.rcParams["svg.fonttype"] = "none"  # text stays text: it can be selected, searched and read aloud
        yield


def _save(figure: Figure, path: Path, suffix: str) -> None:
    by_whom_and_when = {
        "svg": ("Date", "Creator"), "pdf": ("CreationDate", "Creator", "Producer"), "png": ("Software",),
    }  # fmt: skip
    none: dict[str, Any] = dict.fromkeys(by_whom_and_when[suffix])
    dpi = dpi_for(DPI_FILE, *figure.get_size_inches())
    if suffix != "svg":
        figure.savefig(path, format=suffix, dpi=dpi, metadata=none)
        return
    made = BytesIO()
    figure.savefig(made, format=suffix, dpi=dpi, metadata=none)
    path.write_bytes(_FONT.sub(rb"\1, 'Verdana', sans-serif", made.getvalue()))
