"""`cache_tree_view`: the graph as an object that shows itself in a notebook, and one call of it.

``cache_tree_nodes()`` gives plain dicts, for programs; this is the same for eyes: the picture, how many calls are in
which state, and a table.  A view is of the moment in which it was asked for.
"""

from __future__ import annotations

from datetime import UTC, datetime

from cachepy.errors import UsageValueError
from cachepy.staleness.api import nodes_shown
from cachepy.staleness.survey import cache_tree_stale
from cachepy.values import humanize
from cachepy.views import notebook as nb
from cachepy.views.captions import UNCHECKED
from cachepy.views.scene import below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from cachepy.core.reasons import Reason

    Node = dict[str, Any]

ORDER = ("missing", "stale", "unknown", "fresh")  # what there is to do comes first


def cache_tree_view(
    root: str | None = None, *, highlight_stale: bool = True, level: str = "auto", history: bool = False
) -> GraphView:
    """The graph in memory for a notebook: its picture, counts, and a table of its calls.

    It shows the moment in which it was asked for.

    Parameters
    ----------
    root : str, optional
        The id of a call or the name of a function: only it and what it depended on.
    highlight_stale : bool, default True
        Look at what the calls depended on, and mark stale, missing and unknown calls.
    level : {"auto", "call", "function", "module", "file"}, default "auto"
        What a box of the picture is; see `plot_cache_graph`.
    history : bool, default False
        Also the calls that their programs no longer make.

    Returns
    -------
    GraphView
        Maps ids to `NodeView`; ``view["load"]`` also takes the name of a function with one call. ``str(view)`` is a
        few lines of text.

    Raises
    ------
    UsageValueError
        If `root` is no call of the graph.

    See Also
    --------
    cache_tree_nodes : The same as plain dicts, for programs.
    plot_cache_graph : The picture alone, also as a file.

    Examples
    --------
    >>> from cachepy import cache_file, cache_tree_view
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> square(3)
    9
    >>> cache_tree_view()
    1 call, 0 files: 1 fresh
    """
    nodes = nodes_shown(history=history)
    if root is not None:
        kept = below(nodes, root)
        if not kept:
            raise UsageValueError(f"root={root!r} is no call of this graph: give an id or a function's name")
        nodes = {call: nodes[call] for call in nodes if call in kept}
    stale = cache_tree_stale(history=True) if highlight_stale else {}
    reasons = {call: found["reasons"] for call, found in stale.items() if call in nodes}
    states = {call: stale[call]["state"] if call in stale else "fresh" for call in nodes} if highlight_stale else {}
    return GraphView(nodes, states, reasons, level)


class NodeView:
    """One call of a `GraphView`; shows itself in a notebook.

    Attributes
    ----------
    node : dict
        As of `cache_tree_nodes`.
    state : {"fresh", "stale", "missing", "unknown", ""}
        Empty if the view was made without asking.
    reasons : tuple of Reason
        Why it is not fresh, root causes first.
    title : str
        The call for people.

    Examples
    --------
    >>> from cachepy import cache_file, cache_tree_view
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> square(3)
    9
    >>> call = cache_tree_view()["square"]
    >>> call.title, call.state, call.reasons
    ('square(3)', 'fresh', ())
    """

    def __init__(self, node: Node, state: str = "", reasons: Sequence[Reason] = ()) -> None:
        self.node = node
        self.state = state
        self.reasons = tuple(reasons)

    @property
    def title(self) -> str:
        """The call for people."""
        from cachepy.core.model import title_of

        return title_of(self.node["fname"], self.node["label"].values())

    def __repr__(self) -> str:
        state = f"  {self.state}" if self.state else ""
        lines = [f"{self.title}{state}", *(f"  {reason}" for reason in self.reasons)]
        return "\n".join([*lines, *(f"  {name:<10}{value}" for name, value in self._facts())])

    def _facts(self) -> list[tuple[str, str]]:
        """What there is to tell, in words."""
        node = self.node
        facts = [("id", node["id"]), ("function", f"{node['module']}.{node['qualname']}")]
        facts += [("argument", f"{name} = {value}") for name, value in node["label"].items()]
        facts += [("input", f"{name} from {call}") for name, call in node["inputs"].items()]
        facts += [("called by", call) for call in node["parents"]]
        facts += [("calls", call) for call in node["children"]]
        facts += [("file", f"{path}  {digest or 'missing'}") for path, digest in node["file_hashes"].items()]
        facts += [("accepted", node["accepted"])] if node.get("accepted") else []
        return [*facts, ("ran", f"{_when(node['created'])}, {humanize.span(node['elapsed'])}"), ("value", _value(node))]

    def _repr_html_(self) -> str:
        chips = [nb.chip(self.state)] if self.state else []
        why = f'<div style="margin-bottom:6px">{nb.reasons(self.reasons)}</div>' if self.reasons else ""
        rows, before = [], ""
        for name, value in self._facts():
            rows.append([nb.soft(nb.text(name if name != before else "")), nb.code(value)])
            before = name
        return nb.framed(nb.heading(self.title, *chips) + why + nb.table(["", ""], rows))

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return nb.both(repr(self), self._repr_html_())


class GraphView:
    """The graph of one moment, made by `cache_tree_view`; shows itself in a notebook.

    Takes ``len``, ``in``, a loop over the ids, and ``view[id]``, which is a `NodeView`.

    Attributes
    ----------
    nodes : dict of str to dict
        Ids with their nodes, as of `cache_tree_nodes`.
    states : dict of str to str
        Ids with ``"fresh"``, ``"stale"``, ``"missing"`` or ``"unknown"``; empty if the view was made without asking.
    reasons : dict of str to list of Reason
        The calls that are not fresh, with why.
    level : str
        What a box of the picture is; see `plot_cache_graph`.
    counts : dict of str to int
        How many calls are in each state, as far as that was asked for.

    Examples
    --------
    >>> from cachepy import cache_file, cache_tree_view
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> square(3)
    9
    >>> view = cache_tree_view()
    >>> len(view), view.counts
    (1, {'fresh': 1})
    >>> view["square"]._repr_html_()[:4]
    '<div'
    """

    def __init__(
        self, nodes: Mapping[str, Node], states: Mapping[str, str], reasons: Mapping[str, list[Reason]], level: str
    ) -> None:
        self.nodes = nodes
        self.states = states
        self.reasons = reasons
        self.level = level

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.nodes)

    def __contains__(self, call: object) -> bool:
        return call in self.nodes

    def __getitem__(self, name: str) -> NodeView:
        calls = [name] if name in self.nodes else [c for c, node in self.nodes.items() if node["fname"] == name]
        if len(calls) != 1:
            known = ", ".join(sorted({node["fname"] for node in self.nodes.values()})) or "none"
            found = f"{len(calls)} calls of it are there: give an id" if calls else f"its functions are {known}"
            raise UsageValueError(f"{name!r} names no single call of this view; {found}")
        return NodeView(self.nodes[calls[0]], self.states.get(calls[0], ""), self.reasons.get(calls[0], ()))

    @property
    def counts(self) -> dict[str, int]:
        """How many calls are in each state, as far as that was asked for."""
        states = list(self.states.values())
        return {state: states.count(state) for state in ORDER if state in states}

    def __repr__(self) -> str:
        if not self.nodes:
            return "no calls recorded"
        states = ", ".join(f"{n:,} {state}" for state, n in self.counts.items()) or UNCHECKED
        lines = [f"{self._sizes()}: {states}"]
        for call, reasons in list(self.reasons.items())[: nb.MOST]:
            lines.append(f"  {self.states[call]:<8}{self[call].title}: {reasons[0] if reasons else ''}")
        return "\n".join(lines)

    def _sizes(self) -> str:
        files = {path for node in self.nodes.values() for path in node["file_hashes"]}
        return f"{humanize.count(len(self.nodes), 'call')}, {humanize.count(len(files), 'file')}"

    def _repr_html_(self) -> str:
        if not self.nodes:
            empty = nb.soft("No calls recorded. Call a cached function, or read a cache directory: ")
            return nb.framed(nb.heading("Graph") + empty + nb.code("cache_tree_sync(directory)"))
        return nb.framed(self._picture() + nb.folded("Calls", self._table()))

    def _picture(self) -> str:
        from base64 import b64encode

        from cachepy.views.show import picture

        found = {call: {"state": self.states[call], "reasons": self.reasons[call]} for call in self.reasons}
        figure = picture(self.nodes, found if self.states else None, level=self.level)
        data, width = b64encode(nb.png_of(figure)).decode(), round(figure.get_figwidth() * 96)
        look = f"max-width:100%;width:{width}px;height:auto;background:#FFFFFF;border-radius:8px"
        return f'<img alt="{nb.attribute(repr(self))}" src="data:image/png;base64,{data}" style="{look}">'

    def _table(self) -> str:
        order = sorted(self.nodes, key=lambda c: (ORDER.index(self.states.get(c, "fresh")), self[c].title, c))
        return nb.table(["state", "call", "time", "files", "why"], [self._row(call) for call in order], [2])

    def _row(self, call: str) -> list[str]:
        view = self[call]
        files = nb.text(", ".join(path.name or str(path) for path in view.node["files"]))
        state = nb.chip(view.state) if view.state else ""
        return [state, nb.code(view.title), humanize.span(view.node["elapsed"]), files, nb.reasons(view.reasons[:1])]

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return nb.both(repr(self), self._repr_html_())


def _when(created: float) -> str:
    return f"{datetime.fromtimestamp(created, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _value(node: Node) -> str:
    return str(node["outfile"]) if node["outfile"] is not None else "not stored"
