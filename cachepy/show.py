"""The graph in other forms: text for other tools, and pictures.

Imports api, stale, and export and plot when they are used.
"""

from __future__ import annotations

import os

from cachepy.api import cache_tree_nodes
from cachepy.stale import cache_tree_stale

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cachepy.model import Reason

    AnyPath = str | os.PathLike[str]


def cache_tree_to_json(path: AnyPath | None = None) -> str:
    """The graph as JSON with a versioned schema, sorted; also written to `path`.

    Examples
    --------
    >>> from cachepy import cache_tree_reset
    >>> cache_tree_reset()
    >>> "cachepy-graph" in cache_tree_to_json()
    True
    """
    from cachepy.export import to_json

    return _written(to_json(cache_tree_nodes()), path)


def cache_tree_to_dot(path: AnyPath | None = None) -> str:
    """The graph for Graphviz; also written to `path`.

    Examples
    --------
    >>> cache_tree_to_dot().startswith("digraph")
    True
    """
    from cachepy.export import to_dot

    return _written(to_dot(cache_tree_nodes()), path)


def cache_tree_to_mermaid(path: AnyPath | None = None) -> str:
    """The graph as a Mermaid flowchart; also written to `path`.

    Examples
    --------
    >>> cache_tree_to_mermaid().splitlines()[0].split()[0]
    'flowchart'
    """
    from cachepy.export import to_mermaid

    return _written(to_mermaid(cache_tree_nodes()), path)


def cache_tree_to_networkx() -> Any:
    """The graph as a ``networkx.DiGraph`` of calls and files; also the way to GraphML.

    Examples
    --------
    >>> from cachepy import cache_tree_reset
    >>> cache_tree_reset()
    >>> len(cache_tree_to_networkx())
    0
    """
    from cachepy.export import to_networkx

    return to_networkx(cache_tree_nodes())


def _in_short(reason: Reason) -> str:
    """The reason in words, with only the name of a file: its folder stands in the box of the file."""
    name = os.path.basename(reason.name) if reason.cue.startswith("file") else reason.name
    return str(reason.replace(name=name))


def _written(text: str, path: AnyPath | None) -> str:
    if path is not None:
        with open(os.fspath(path), "w", encoding="utf-8") as file:
            file.write(text)
    return text


def plot_cache_graph(
    output: AnyPath | None = None,
    highlight_stale: bool = True,
    *,
    level: str = "auto",
    root: str | None = None,
    ax: Axes | None = None,
    labels: str = "short",
    max_nodes: int = 60,
) -> Figure:
    """Draw the graph: callers left, calls below them to the right, files at the far right.

    Parameters
    ----------
    output : path, optional
        Also write it there: PNG, SVG or PDF by the suffix.
    highlight_stale : bool
        Look at the files and at the stored values, and colour stale and missing calls.
    level : {"auto", "call", "function", "module", "file"}
        What a box is; "auto" takes calls as long as there are no more than `max_nodes` boxes.
    root : str, optional
        The id of a call: draw only it and what is below it.
    ax : matplotlib.axes.Axes, optional
        Draw there instead of into a new figure.
    labels : str
        "short": name and arguments, "full": all of them, "name": the name only.
    max_nodes : int
        See `level`.

    Returns
    -------
    matplotlib.figure.Figure
        The user's matplotlib backend is not changed.

    Examples
    --------
    >>> from cachepy import cache_tree_reset
    >>> cache_tree_reset()
    >>> type(plot_cache_graph()).__name__
    'Figure'
    """
    from cachepy.plot import draw

    nodes = cache_tree_nodes()
    stale = cache_tree_stale() if highlight_stale else {}
    states = {call: stale[call]["state"] if call in stale else "fresh" for call in nodes}
    reasons = {call: _in_short(item["reasons"][0]) for call, item in stale.items()}
    return draw(
        nodes,
        states,
        None if output is None else os.fspath(output),
        highlight_stale,
        reasons=reasons,
        level=level,
        root=root,
        ax=ax,
        labels=labels,
        max_nodes=max_nodes,
    )
