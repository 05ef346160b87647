"""The graph as one HTML file that needs no network: pan, zoom, search, details, collapse by function.

Python writes the data and joins the parts in ``page_parts/`` (HTML, CSS, JavaScript); the browser lays out and draws.
Nothing of the graph can run there: the data are JSON without ``<``, ``>`` and ``&``, the page builds text nodes only,
and its Content-Security-Policy allows the one script and the one style sheet of this file, by their digests.
Imports api, errors, export and stale.
"""

from __future__ import annotations

import os

from cachepy.api import nodes_shown, written
from cachepy.asking.stale import cache_tree_stale
from cachepy.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cachepy.export import Nodes
    from cachepy.model import Reason

    AnyPath = str | os.PathLike[str]

# in the order in which they use each other
SCRIPTS = ("model", "layers", "layout", "scene", "ruler", "paint", "lines", "view", "panel", "search", "app", "input")
TABLES = ("functions", "files", "folders", "reasons", "whys")  # whys: a call's reasons in few words, as in plots
STATES = {"fresh": 0, "stale": 1, "missing": 2, "unknown": 3}
MOST_REASONS = 12  # of one call: behind them, a call with 10,000 stale inputs says the same again and again
JOINERS = "\u200c\u200d"  # invisible, but part of how emoji and some scripts are written


def cache_tree_to_html(
    path: AnyPath | None = None, *, highlight_stale: bool = True, title: str = "cachepy graph", history: bool = False
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
        The text of the page.

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
    return written(page(nodes, found, title=title), path)


def page(nodes: Nodes, stale: Mapping[str, Any] | None, *, title: str, unchecked: str = "") -> str:
    """The page of plain nodes; `stale` as `cache_tree_stale` returns it, None if nobody asked.

    unchecked: what was not looked at, so that it may have changed.
    """
    from html import escape

    from cachepy.drawing.captions import UNCHECKED

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

    return files("cachepy.forms").joinpath("page_parts", name).read_text("utf-8").replace("\r\n", "\n")


def _policy(script: str, style: str) -> str:
    """No network at all, and no script or style but these two."""
    from base64 import b64encode
    from hashlib import sha256

    script_hash, style_hash = (b64encode(sha256(text.encode()).digest()).decode() for text in (script, style))
    return (
        f"default-src 'none'; script-src 'sha256-{script_hash}'; style-src 'sha256-{style_hash}'; "
        "base-uri 'none'; form-action 'none'"
    )


def as_json(value: Any) -> str:
    """JSON that HTML and JavaScript leave alone: ASCII only, and nothing that could end or begin a tag."""
    import json

    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def shown(text: object, keep: str = "") -> str:
    r"""Text as people can see it: control characters, lone surrogates and invisible ones as ``\x07``.

    >>> print(shown("a\nb\0\u202e"), shown("a\nb", keep="\n"))
    a\nb\x00\u202e a
    b
    """
    plain = str(text)
    if plain.isprintable():
        return plain
    return "".join(c if c.isprintable() or c in keep or c in JOINERS else ascii(c)[1:-1] for c in plain)


class Packer:
    """The graph as small lists: what many calls share is written once, and goes by its number."""

    def __init__(self, nodes: Nodes, stale: Mapping[str, Any] | None) -> None:
        from cachepy.drawing.captions import in_order

        self._nodes = nodes
        self._stale = stale
        self._number = {call: i for i, call in enumerate(in_order(nodes))}
        self._tables: dict[str, dict[Any, int]] = {name: {} for name in TABLES}

    def data(self) -> dict[str, Any]:
        """What the page reads; ``model.js`` has the other half of this."""
        from cachepy.export import call_edges, flow_edges

        calls = [self._call(call, self._nodes[call]) for call in self._number]
        number = self._number
        edges = sorted((number[a], number[b]) for a, b in call_edges(self._nodes))  # siblings by argument
        flows = sorted((number[a], number[b], shown(names)) for a, b, names in flow_edges(self._nodes))
        tables = {name: list(table) for name, table in self._tables.items()}
        return {"asked": self._stale is not None, "calls": calls, "edges": edges, "flows": flows, **tables}

    def _index(self, table: str, value: Any) -> int:
        known = self._tables[table]
        return known.setdefault(value, len(known))

    def _call(self, call: str, node: Mapping[str, Any]) -> list[Any]:
        """One call; the order of the list is that of ``FIELDS`` in ``model.js``."""
        from cachepy.drawing.captions import why

        name, module = (shown(node.get(key) or "") for key in ("fname", "module"))
        found = (self._stale or {}).get(call) or {}
        reasons = list(found.get("reasons") or ())
        return [
            self._index("functions", (name or shown(call), module)),
            shown(node.get("hash") or call.rpartition(":")[2]),
            [[shown(key), shown(value)] for key, value in (node.get("label") or {}).items()],
            self._files(node),
            *(_number(node.get(key)) for key in ("created", "elapsed")),
            self._outfile(node.get("outfile")),
            STATES.get(str(found.get("state")), 0),
            [self._index("reasons", _reason(reason)) for reason in reasons[:MOST_REASONS]],
            len(reasons),
            self._index("whys", shown(why(reasons)[0])),
        ]

    def _files(self, node: Mapping[str, Any]) -> list[Any]:
        digests = {str(path): digest for path, digest in (node.get("file_hashes") or {}).items()}
        paths = dict.fromkeys([*map(str, node.get("files") or ()), *digests])
        return [[self._index("files", shown(p)), shown(digests.get(p) or "")] for p in sorted(paths)]

    def _outfile(self, outfile: object) -> list[Any] | None:
        if not outfile:
            return None
        folder, name = os.path.split(shown(outfile))
        return [self._index("folders", folder), name]


def _reason(reason: Reason) -> tuple[str, str]:
    """The sentence, and the changed lines of code."""
    return shown(reason), shown(reason.diff, keep="\n")


def _number(value: object) -> float | None:
    """A finite number, as JSON has no other."""
    import math

    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
