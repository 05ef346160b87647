"""The graph as one HTML file that needs no network: pan, zoom, search, details, collapse by function.

`page_data` writes the data, this joins the parts in ``page_parts/`` (HTML, CSS, JavaScript); the browser does the rest.
Nothing of the graph can run there: the data are JSON without ``<``, ``>`` and ``&``, the page builds text nodes only,
and its Content-Security-Policy allows the one script and the one style sheet of this file, by their digests.
"""

from __future__ import annotations

import os

from cachepy.errors import UsageError
from cachepy.staleness.api import nodes_shown, written
from cachepy.staleness.survey import cache_tree_stale
from cachepy.views.page_data import Packer, as_json, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cachepy.views.exports import Nodes

# in the order in which they use each other
SCRIPTS = (
    "model", "layers", "layout", "narrow", "scene", "cuts", "ruler", "paint", "lines", "view", "panel", "causes",
    "search", "table", "tip", "app", "filter", "keys", "input",
)  # fmt: skip


def cache_tree_to_html(
    path: str | os.PathLike[str] | None = None,
    *,
    highlight_stale: bool = True,
    title: str = "cachepy graph",
    history: bool = False,
) -> str:
    r"""The graph as one HTML page to explore in a browser; also written to `path`.

    The page has everything in it and asks for nothing from anywhere: it can be mailed, or kept beside the results.
    Up to 120 calls are shown one by one, larger graphs by function; both can be opened and closed in the page.

    Parameters
    ----------
    path : str or os.PathLike, optional
        Also write it to this file, which is replaced if it exists.
    highlight_stale : bool, default True
        Look at what the calls depended on, and tell in the page which calls are stale, missing or unknown, and why.
    title : str, default "cachepy graph"
        The heading of the page.
    history : bool, default False
        Also the calls that their programs no longer make.

    Returns
    -------
    str
        The text of the page. In a notebook it shows itself as the page.

    See Also
    --------
    plot_cache_graph : A picture.

    Notes
    -----
    The page contains paths, digests and short texts of arguments: share it as you would share those.

    Examples
    --------
    >>> from cachepy import cache_tree_to_html
    >>> cache_tree_to_html("graph.html").splitlines()[0]
    '<!doctype html>'
    """
    if not isinstance(title, str):
        raise UsageError(f"title must be a str, the heading of the page, not {title!r}")
    nodes = nodes_shown(history=history)
    stale = cache_tree_stale(history=True) if highlight_stale else None
    found = None if stale is None else {call: each for call, each in stale.items() if call in nodes}
    return Page(written(page(nodes, found, title=title), path))


class Page(str):
    """The text of a page: a str to programs, the page itself in a notebook, and a line at a prompt."""

    __slots__ = ()

    def __repr__(self) -> str:
        from cachepy.values import humanize

        return f"<the graph as an HTML page of {humanize.size(len(self))}: give a path to write it to a file>"

    def _repr_html_(self) -> str:
        from html import escape

        look = "width:100%;height:620px;border:1px solid rgba(128,128,128,.35);border-radius:8px"
        return f'<iframe sandbox="allow-scripts" style="{look}" srcdoc="{escape(self)}"></iframe>'


def page(nodes: Nodes, stale: Mapping[str, Any] | None, *, title: str, unchecked: str = "") -> str:
    """The page of plain nodes; `stale` as `cache_tree_stale` returns it, None if nobody asked.

    unchecked: what was not looked at, so that it may have changed.
    """
    from html import escape

    from cachepy.views.captions import UNCHECKED

    unchecked = UNCHECKED if stale is None else unchecked

    style = _part("page.css")
    script = "(() => {\n'use strict';\n" + "\n".join(_part(f"{name}.js") for name in SCRIPTS) + "})();\n"
    filled = {
        "POLICY": _policy(script, style),
        "TITLE": escape(shown(title)),
        "STYLE": style,
        "DATA": as_json(Packer(nodes, stale).data() | {"title": shown(title), "unchecked": unchecked}),
        "SCRIPT": script,
    }
    pieces = _part("page.html").split("@@")  # every second one is a name: what is filled in is not looked at again
    return "".join(filled[piece] if i % 2 else piece for i, piece in enumerate(pieces))


def _part(name: str) -> str:
    from importlib.resources import files

    return files("cachepy.views").joinpath("page_parts", name).read_text("utf-8").replace("\r\n", "\n")


def _policy(script: str, style: str) -> str:
    """No network at all, and no script or style but these two."""
    from base64 import b64encode
    from hashlib import sha256

    script_hash, style_hash = (b64encode(sha256(text.encode()).digest()).decode() for text in (script, style))
    return (
        f"default-src 'none'; script-src 'sha256-{script_hash}'; style-src 'sha256-{style_hash}'; "
        "base-uri 'none'; form-action 'none'"
    )
