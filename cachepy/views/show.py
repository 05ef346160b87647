"""The graph in other forms: text for other tools, and pictures."""

from __future__ import annotations

import os

from cachepy.errors import UsageError, UsageValueError
from cachepy.staleness.api import graph_now, nodes_shown, output_path, path_text, written
from cachepy.staleness.survey import cache_tree_stale

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cachepy.views.exports import Nodes


def cache_tree_to_json(path: str | os.PathLike[str] | None = None, *, history: bool = False) -> str:
    """The graph as JSON with a versioned schema, sorted; also written to `path`.

    The same graph gives the same text. The schema is ``docs/schema/cachepy-graph-1.json``.

    Parameters
    ----------
    path : str or os.PathLike, optional
        Also write it to this file, which is replaced if it exists.
    history : bool, default False
        Also the calls that their programs no longer make.

    Returns
    -------
    str
        The text.

    Examples
    --------
    >>> import json
    >>> from cachepy import cache_tree_to_json
    >>> json.loads(cache_tree_to_json("graph.json"))["schema"]
    'cachepy-graph'
    """
    from cachepy.views.exports import to_json

    return written(to_json(nodes_shown(history=history)), path)


def cache_tree_to_dot(
    path: str | os.PathLike[str] | None = None, *, highlight_stale: bool = False, history: bool = False
) -> str:
    """The graph for Graphviz; also written to `path`.

    Parameters
    ----------
    path : str or os.PathLike, optional
        Also write it to this file, which is replaced if it exists.
    highlight_stale : bool, default False
        Look at what the calls depended on, and mark stale, missing and unknown calls. Without it the text tells of what
        ran only, so that it stays the same as long as nothing runs.
    history : bool, default False
        Also the calls that their programs no longer make.

    Returns
    -------
    str
        The text.

    See Also
    --------
    plot_cache_graph : A picture without Graphviz.

    Examples
    --------
    >>> from cachepy import cache_tree_to_dot
    >>> cache_tree_to_dot("graph.dot").split()[0]
    'digraph'
    """
    from cachepy.views.exports import to_dot

    return written(to_dot(nodes_shown(history=history), _states(highlight_stale)), path)


def cache_tree_to_mermaid(
    path: str | os.PathLike[str] | None = None, *, highlight_stale: bool = False, history: bool = False
) -> str:
    """The graph as a Mermaid flowchart, to paste into Markdown; also written to `path`.

    Mermaid itself draws no more than 500 edges, unless its ``maxEdges`` is set where it runs.

    Parameters
    ----------
    path : str or os.PathLike, optional
        Also write it to this file, which is replaced if it exists.
    highlight_stale : bool, default False
        Look at what the calls depended on, and mark stale, missing and unknown calls; see `cache_tree_to_dot`.
    history : bool, default False
        Also the calls that their programs no longer make.

    Returns
    -------
    str
        The text.

    Examples
    --------
    >>> from cachepy import cache_tree_to_mermaid
    >>> cache_tree_to_mermaid().split()[0]
    'flowchart'
    """
    from cachepy.views.exports import to_mermaid

    return written(to_mermaid(nodes_shown(history=history), _states(highlight_stale)), path)


def cache_tree_to_prov(path: str | os.PathLike[str] | None = None, *, history: bool = False) -> str:
    """The graph as provenance for publishing, PROV-JSON of the W3C; also written to `path`.

    Calls are activities, files and results entities, functions plans. The paths of files and the short texts of
    arguments are in it; values are not.

    Parameters
    ----------
    path : str or os.PathLike, optional
        Also write it to this file, which is replaced if it exists.
    history : bool, default False
        Also the calls that their programs no longer make.

    Returns
    -------
    str
        The text.

    See Also
    --------
    cache_tree_to_rocrate : A research object with its data.

    Examples
    --------
    >>> from cachepy import cache_tree_to_prov
    >>> '"prov:SoftwareAgent"' in cache_tree_to_prov()
    True
    """
    from cachepy.views.provenance import to_prov

    return written(to_prov(nodes_shown(history=history)), path)


def cache_tree_to_rocrate(
    path: str | os.PathLike[str] | None = None,
    *,
    name: str,
    description: str,
    license_url: str,
    author: str | None = None,
    history: bool = False,
) -> str:
    """The graph as a research object for publishing, RO-Crate by the profile Process Run Crate.

    Calls are actions, files data entities, functions software. Files are named by their place, and not copied: put
    into the crate beside its metadata what is to be published with it.

    Parameters
    ----------
    path : str or os.PathLike, optional
        Also write it into this folder, as ``ro-crate-metadata.json``; the folder is made if it does not exist.
    name, description : str
        What the crate is about.
    license_url : str
        The licence of the data, such as ``"https://spdx.org/licenses/CC-BY-4.0"``.
    author : str, optional
        Who made the calls: a name, or the URL of an ORCID.
    history : bool, default False
        Also the calls that their programs no longer make.

    Returns
    -------
    str
        The text of ``ro-crate-metadata.json``.

    Raises
    ------
    UsageValueError
        If one of the texts that every crate must have is empty, or the licence is no URL.

    See Also
    --------
    cache_tree_to_prov : Provenance alone.

    Examples
    --------
    >>> from cachepy import cache_tree_to_rocrate
    >>> cc = "https://spdx.org/licenses/CC-BY-4.0"
    >>> text = cache_tree_to_rocrate("crate", name="Rain", description="Means of three stations", license_url=cc)
    >>> "https://w3id.org/ro/wfrun/process/0.5" in text
    True
    """
    from cachepy.views.crate import FILE_NAME, to_rocrate

    for argument, value in {"name": name, "description": description, "license_url": license_url}.items():
        if not isinstance(value, str) or not value.strip():
            raise UsageValueError(f"{argument} must be a text, since a crate cannot do without, not {value!r}")
    if "://" not in license_url:
        raise UsageValueError(f"license_url must be the URL of a licence, not {license_url!r}")
    nodes = nodes_shown(history=history)
    crate = to_rocrate(nodes, name=name, description=description, license_url=license_url, author=author)
    if path is None:
        return crate
    folder = path_text("path", path)
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise UsageValueError(f"path={folder!r} is a file; a crate is a folder")
    os.makedirs(folder, exist_ok=True)
    return written(crate, os.path.join(folder, FILE_NAME))


def cache_tree_to_networkx(*, history: bool = False) -> Any:
    """The graph as a ``networkx.DiGraph`` of calls and files; also the way to GraphML.

    Parameters
    ----------
    history : bool, default False
        Also the calls that their programs no longer make.

    Returns
    -------
    networkx.DiGraph
        Its nodes are the ids of calls and the paths of files, with their facts as attributes of plain types; edges
        have a ``kind``.

    Examples
    --------
    >>> import networkx
    >>> from cachepy import cache_tree_to_networkx
    >>> graph = cache_tree_to_networkx()
    >>> networkx.write_graphml(graph, "graph.graphml")
    >>> len(graph)
    0
    """
    from cachepy.views.exports import to_networkx

    return to_networkx(nodes_shown(history=history))


def _stale(highlight_stale: bool) -> dict[str, dict[str, Any]]:
    """What is not fresh, if that is to be looked at; whoever shows it leaves out what is not shown."""
    return cache_tree_stale(history=True) if highlight_stale else {}


def _states(highlight_stale: bool) -> dict[str, str]:
    return {call: found["state"] for call, found in _stale(highlight_stale).items()}


def plot_cache_graph(
    output: str | os.PathLike[str] | None = None,
    highlight_stale: bool = True,
    *,
    level: str = "auto",
    root: str | None = None,
    ax: Axes | None = None,
    labels: str | Iterable[str] = "short",
    max_nodes: int = 60,
    history: bool = False,
    direction: str = "auto",
    theme: str = "light",
    transparent: bool = False,
) -> Figure:
    """Draw the graph: boxes are calls and files, arrows lead from caller to call, and along the data.

    Dashed lines are results that go into other calls as arguments, thin ones are files that are read or written.
    Changed files are marked: they are the causes. A box of several calls has a bar with the shares of their states.
    The user's matplotlib backend and settings are not changed. The same graph gives the same picture.

    Parameters
    ----------
    output : str or os.PathLike, optional
        Also write it to this file: PNG, SVG or PDF by the suffix. In SVG, text can be selected and searched.
    highlight_stale : bool, default True
        Look at what the calls depended on, and colour stale, missing and unknown calls, with the cause in a few words.
        Without it the title says that this was not looked at.
    level : {"auto", "call", "function", "module", "file"}, default "auto"
        What a box is; "file" draws the calls that read files only. "auto" takes calls as long as there are no more
        than `max_nodes` boxes, and no long column of calls that look alike; then functions, with counts.
    root : str, optional
        The id of a call or the name of a function: draw only it and what it depended on.
    ax : matplotlib.axes.Axes, optional
        Draw there instead of into a new figure.
    labels : str or iterable of str, default "short"
        "short": name and arguments that no arrow shows, "full": modules, all arguments and their names, "name": the
        name only. Beside it "time" (how long the call ran) and "size" (of its stored value), as in
        ``labels=("short", "time", "size")``; of several calls in one box: the sum.
    max_nodes : int, default 60
        See `level`.
    history : bool, default False
        Also the calls that their programs no longer make.
    direction : {"auto", "data", "calls"}, default "auto"
        "data": left to right along the data, from the files that are read to those that are written. "calls": callers
        left, calls below them to the right, the files they read at the far right. "auto" takes "data" where no call
        makes another.
    theme : {"light", "dark"}, default "light"
        For light or dark ground.
    transparent : bool, default False
        Without a background of its own.

    Returns
    -------
    matplotlib.figure.Figure
        The drawing.

    Raises
    ------
    UsageValueError
        An argument is none of the above; the message names it.

    See Also
    --------
    cache_tree_to_html : A page to explore, for large graphs.
    cache_tree_view : In a notebook, with a table.

    Examples
    --------
    >>> from cachepy import cache_file, plot_cache_graph
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> square(3)
    9
    >>> type(plot_cache_graph("graph.png")).__name__
    'Figure'
    """
    from cachepy.views.notebook import show_figures

    _check_drawing(labels, max_nodes)
    show_figures()
    place = None if output is None else output_path("output", output)
    nodes = nodes_shown(history=history)
    found = _stale(highlight_stale)
    stale = {call: each for call, each in found.items() if call in nodes} if highlight_stale else None
    how = {"level": level, "root": root, "ax": ax, "labels": labels, "max_nodes": max_nodes}
    return picture(nodes, stale, place, direction=direction, theme=theme, transparent=transparent, **how)


def picture(nodes: Nodes, stale: Mapping[str, Any] | None, output: str | None = None, **how: Any) -> Figure:
    """The drawing of plain nodes; `stale` as `cache_tree_stale` returns it, None if nobody asked."""
    from cachepy.views.captions import changes, told
    from cachepy.views.plot import draw

    found = stale or {}
    states = {call: found[call]["state"] if call in found else "fresh" for call in nodes}
    given = {call: item["reasons"] for call, item in found.items()}
    reasons, through = told(given)
    how |= {"reasons": reasons, "through": through, "changed": changes(given), "outputs": graph_now().written()}
    return draw(nodes, states, output, stale is not None, **how)


def _check_drawing(labels: Any, max_nodes: Any) -> None:
    if not hasattr(labels, "__iter__"):
        raise UsageError(f"labels must be a str or several, such as ('short', 'time'), not {labels!r}")
    if isinstance(max_nodes, bool) or not isinstance(max_nodes, (int, float)):
        raise UsageError(f"max_nodes must be a number of boxes, not {max_nodes!r}")
