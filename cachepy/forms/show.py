"""The graph in other forms: text for other tools, and pictures.

Imports api, errors, stale, and captions, crate, export, notebook, plot and provenance when they are used.
"""

from __future__ import annotations

import os

from cachepy.api import _path_text, cache_tree_nodes
from cachepy.asking.stale import cache_tree_stale
from cachepy.errors import UsageValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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


def cache_tree_to_dot(path: AnyPath | None = None, *, highlight_stale: bool = False) -> str:
    """The graph for Graphviz; also written to `path`.

    Parameters
    ----------
    path : path, optional
        A file, which is replaced if it exists.
    highlight_stale : bool
        Look at the files and at the stored values, and mark stale and missing calls. By default the text tells of
        what ran only, so that it stays the same as long as nothing runs.

    Examples
    --------
    >>> cache_tree_to_dot().startswith("digraph")
    True
    """
    from cachepy.export import to_dot

    return _written(to_dot(cache_tree_nodes(), _states(highlight_stale)), path)


def cache_tree_to_mermaid(path: AnyPath | None = None, *, highlight_stale: bool = False) -> str:
    """The graph as a Mermaid flowchart, to paste into Markdown; also written to `path`.

    Mermaid itself draws no more than 500 edges, unless its ``maxEdges`` is set where it runs.

    Parameters
    ----------
    path : path, optional
        A file, which is replaced if it exists.
    highlight_stale : bool
        Look at the files and at the stored values, and mark stale and missing calls. By default the text tells of
        what ran only, so that it stays the same as long as nothing runs.

    Examples
    --------
    >>> cache_tree_to_mermaid().splitlines()[0].split()[0]
    'flowchart'
    """
    from cachepy.export import to_mermaid

    return _written(to_mermaid(cache_tree_nodes(), _states(highlight_stale)), path)


def cache_tree_to_prov(path: AnyPath | None = None) -> str:
    """The graph as provenance for publishing, PROV-JSON of the W3C; also written to `path`.

    Calls are activities, files and results entities, functions plans. The paths of files and the short texts of
    arguments are in it; values are not.

    Examples
    --------
    >>> from cachepy import cache_tree_reset
    >>> cache_tree_reset()
    >>> '"prov:SoftwareAgent"' in cache_tree_to_prov()
    True
    """
    from cachepy.forms.provenance import to_prov

    return _written(to_prov(cache_tree_nodes()), path)


def cache_tree_to_rocrate(
    folder: AnyPath | None = None, *, name: str, description: str, license_url: str, author: str | None = None
) -> str:
    """The graph as a research object for publishing, RO-Crate by the profile Process Run Crate.

    Calls are actions, files data entities, functions software. Files are named by their place, and not copied: put
    into the crate beside its metadata what is to be published with it.

    Parameters
    ----------
    folder : path, optional
        Where to write ``ro-crate-metadata.json``; made if it does not exist.
    name, description : str
        What the crate is about.
    license_url : str
        The licence of the data, such as ``"https://spdx.org/licenses/CC-BY-4.0"``.
    author : str, optional
        Who made the calls: a name, or the URL of an ORCID.

    Returns
    -------
    str
        The text of ``ro-crate-metadata.json``.

    Raises
    ------
    UsageValueError
        If one of the texts that every crate must have is empty, or the licence is no URL.

    Examples
    --------
    >>> cc = "https://spdx.org/licenses/CC-BY-4.0"
    >>> text = cache_tree_to_rocrate(name="Rain", description="Means of three stations", license_url=cc)
    >>> "https://w3id.org/ro/wfrun/process/0.5" in text
    True
    """
    from cachepy.forms.crate import FILE_NAME, to_rocrate

    for argument, value in {"name": name, "description": description, "license_url": license_url}.items():
        if not isinstance(value, str) or not value.strip():
            raise UsageValueError(f"{argument} must be a text, since a crate cannot do without, not {value!r}")
    if "://" not in license_url:
        raise UsageValueError(f"license_url must be the URL of a licence, not {license_url!r}")
    crate = to_rocrate(cache_tree_nodes(), name=name, description=description, license_url=license_url, author=author)
    if folder is None:
        return crate
    os.makedirs(_path_text("folder", folder), exist_ok=True)
    return _written(crate, os.path.join(_path_text("folder", folder), FILE_NAME))


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


def _states(highlight_stale: bool) -> dict[str, str]:
    return {call: found["state"] for call, found in cache_tree_stale().items()} if highlight_stale else {}


def _written(text: str, path: AnyPath | None) -> str:
    if path is not None:
        with open(_path_text("path", path), "w", encoding="utf-8") as file:
            file.write(text)
    return text


def plot_cache_graph(
    output: AnyPath | None = None,
    highlight_stale: bool = True,
    *,
    level: str = "auto",
    root: str | None = None,
    ax: Axes | None = None,
    labels: str | Iterable[str] = "short",
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
        What a box is; "file" draws the calls that read files only.  "auto" takes calls as long as there are no more
        than `max_nodes` boxes, and no long column of calls that look alike; then functions, with counts.
    root : str, optional
        The id of a call or the name of a function: draw only it and what it depended on.
    ax : matplotlib.axes.Axes, optional
        Draw there instead of into a new figure.
    labels : str or several
        "short": name and arguments that no arrow shows, "full": modules, all arguments and their names, "name": the
        name only.  Beside it "time" (how long the call ran) and "size" (of its stored value), as in
        ``labels=("short", "time", "size")``; of several calls in one box: the sum.
    max_nodes : int
        See `level`.

    Returns
    -------
    matplotlib.figure.Figure
        The user's matplotlib backend is not changed.  The same graph gives the same picture.

    Raises
    ------
    UsageValueError
        An argument is none of the above; the message names it.

    Examples
    --------
    >>> from cachepy import cache_tree_reset
    >>> cache_tree_reset()
    >>> type(plot_cache_graph()).__name__
    'Figure'
    """
    from cachepy.drawing.captions import why
    from cachepy.forms.notebook import show_figures
    from cachepy.plot import draw

    show_figures()
    nodes = cache_tree_nodes()
    stale = cache_tree_stale() if highlight_stale else {}
    states = {call: stale[call]["state"] if call in stale else "fresh" for call in nodes}
    told = {call: why(item["reasons"]) for call, item in stale.items()}
    return draw(
        nodes,
        states,
        None if output is None else os.fspath(output),
        highlight_stale,
        reasons={call: text for call, (text, _) in told.items()},
        through={call for call, (_, elsewhere) in told.items() if elsewhere},
        level=level,
        root=root,
        ax=ax,
        labels=labels,
        max_nodes=max_nodes,
    )
