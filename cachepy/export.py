"""The graph as text for other tools: JSON, Graphviz DOT, Mermaid, and networkx (so GraphML too).

Works on plain nodes, as ``cache_tree_nodes()`` returns them, so that a graph from a file, a cluster
or a test exports alike.  The same graph gives the same text, whatever the order of its records.
Imports nothing of cachepy; networkx only inside `to_networkx`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import networkx as nx  # type: ignore[import-untyped]

Nodes = Mapping[str, Mapping[str, Any]]

SCHEMA = "cachepy-graph"
VERSION = 1
UNORDERED = ("children", "files", "parents")  # sets by meaning: in a fixed order in every form


# ---------------------------------------------------------------- what all forms share


def call_edges(nodes: Nodes) -> list[tuple[str, str]]:
    """Caller, callee; told by either end, both ends known."""
    down = {(i, c) for i, node in nodes.items() for c in node.get("children") or ()}
    up = {(p, i) for i, node in nodes.items() for p in node.get("parents") or ()}
    return sorted((a, b) for a, b in down | up if a in nodes and b in nodes)


def flow_edges(nodes: Nodes) -> list[tuple[str, str, str]]:
    """Producer, consumer, and the arguments through which the result went, joined by commas."""
    names: dict[tuple[str, str], list[str]] = {}
    for consumer, node in nodes.items():
        for argument, producer in (node.get("inputs") or {}).items():
            if producer in nodes:
                names.setdefault((producer, consumer), []).append(str(argument))
    return [(a, b, ", ".join(sorted(args))) for (a, b), args in sorted(names.items())]


def file_edges(nodes: Nodes) -> list[tuple[str, str]]:
    """Call, path of a file it depended on."""
    return sorted({(i, str(f)) for i, node in nodes.items() for f in node.get("files") or ()})


def file_id(path: str) -> str:
    """A name for a file that no call can have: after the colon of a call comes a digest."""
    return "file://" + path


def _arguments(node: Mapping[str, Any]) -> str:
    return ", ".join(str(text) for text in (node.get("label") or {}).values())


def _title(node_id: str, node: Mapping[str, Any]) -> str:
    return str(node.get("fname") or node_id)


def _clean(text: str) -> str:
    r"""Text that every file format can hold: control characters and lone surrogates as ``\x07``."""
    return "".join(c if c in "\n\t" or _writable(c) else ascii(c)[1:-1] for c in text)


def _writable(char: str) -> bool:
    code = ord(char)
    return 0x20 <= code < 0x7F or 0xA0 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or code > 0xFFFF


# ---------------------------------------------------------------- JSON


def to_json(nodes: Nodes) -> str:
    """All nodes with all their fields, sorted; strict JSON, ASCII only."""
    body = [_json_node(node_id, nodes[node_id]) for node_id in sorted(nodes)]
    graph = {"schema": SCHEMA, "version": VERSION, "nodes": body}
    return json.dumps(graph, indent=2, sort_keys=True, allow_nan=False) + "\n"


def _json_node(node_id: str, node: Mapping[str, Any]) -> dict[str, Any]:
    plain = {str(key): _json_value(value) for key, value in node.items()}
    for key in UNORDERED:
        plain[key] = sorted(plain.get(key) or ())
    return plain | {"id": node_id}


def _json_value(value: Any) -> Any:
    """Builtins that JSON has; NaN and infinity as null, because strict readers refuse them."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _json_value(v) for k, v in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((_json_value(v) for v in value), key=repr)
    if isinstance(value, Iterable) and not isinstance(value, PurePath | bytes):
        return [_json_value(v) for v in value]
    return str(value)


# ---------------------------------------------------------------- Graphviz


def to_dot(nodes: Nodes) -> str:
    """A digraph: boxes are calls, notes are files; solid edges are calls, dashed ones results."""
    lines = [
        "digraph cachepy {",
        "  rankdir=LR;",
        '  node [shape=box, style="rounded,filled", fillcolor="#1D3557", fontcolor=white, fontname="Helvetica"];',
        '  edge [color="#868E96", fontname="Helvetica", fontsize=10];',
    ]
    lines += [_dot_call(node_id, nodes[node_id]) for node_id in sorted(nodes)]
    lines += [_dot_file(path) for path in sorted({path for _, path in file_edges(nodes)})]
    lines += [f"  {_dot_id(a)} -> {_dot_id(b)};" for a, b in call_edges(nodes)]
    lines += [f"  {_dot_id(a)} -> {_dot_id(file_id(p))} [arrowhead=none];" for a, p in file_edges(nodes)]
    lines += [
        f"  {_dot_id(a)} -> {_dot_id(b)} [style=dashed, constraint=false, label={_dot_text(args)}];"
        for a, b, args in flow_edges(nodes)
    ]
    return "\n".join([*lines, "}", ""])


def _dot_call(node_id: str, node: Mapping[str, Any]) -> str:
    arguments = _arguments(node)
    label = _title(node_id, node) + (f"\n{arguments}" if arguments else "")
    return f"  {_dot_id(node_id)} [label={_dot_text(label)}];"


def _dot_file(path: str) -> str:
    look = 'shape=note, style=filled, fillcolor="#E8F0FE", fontcolor="#1D3557"'
    label, hint = _dot_text(PurePath(path).name or path), _dot_text(path)
    return f"  {_dot_id(file_id(path))} [label={label}, tooltip={hint}, {look}];"


def _dot_id(text: str) -> str:
    escaped = _clean(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _dot_text(text: str) -> str:
    """Text that is shown: there, Graphviz also reads HTML entities."""
    return _dot_id(text.replace("&", "&amp;"))


# ---------------------------------------------------------------- Mermaid


def to_mermaid(nodes: Nodes) -> str:
    """A flowchart, to paste into Markdown.  Ids are made up, so no name can be a reserved word."""
    calls = {node_id: f"c{i}" for i, node_id in enumerate(sorted(nodes))}
    paths = sorted({path for _, path in file_edges(nodes)})
    files = {path: f"f{i}" for i, path in enumerate(paths)}
    lines = ["flowchart LR"]
    lines += [f"  {calls[i]}{_mermaid_call(i, nodes[i])}:::cachedCall" for i in calls]
    lines += [f'  {files[p]}[/"{_mermaid_text(PurePath(p).name or p)}"/]:::inputFile' for p in paths]
    lines += [f"  {calls[a]} --> {calls[b]}" for a, b in call_edges(nodes)]
    lines += [f"  {calls[a]} --- {files[p]}" for a, p in file_edges(nodes)]
    lines += [f'  {calls[a]} -. "{_mermaid_text(args)}" .-> {calls[b]}' for a, b, args in flow_edges(nodes)]
    lines += [
        "  classDef cachedCall fill:#1D3557,stroke:#1D3557,color:#FFFFFF",
        "  classDef inputFile fill:#E8F0FE,stroke:#9DB7E8,color:#1D3557",
    ]
    return "\n".join([*lines, ""])


def _mermaid_call(node_id: str, node: Mapping[str, Any]) -> str:
    arguments = _mermaid_text(_arguments(node))
    title = _mermaid_text(_title(node_id, node))
    return f'["{title}<br/>{arguments}"]' if arguments else f'["{title}"]'


def _mermaid_text(text: str) -> str:
    """Entity codes for all ASCII that Mermaid, Markdown or HTML might read as their own."""
    text = _clean(text).replace("\n", " ").replace("\t", " ")
    # A dot before a space is how Markdown starts a numbered list.
    return "".join(c if _mermaid_safe(c) and text[i : i + 2] != ". " else f"#{ord(c)};" for i, c in enumerate(text))


def _mermaid_safe(char: str) -> bool:
    return char.isalnum() or ord(char) > 0x7F or char in " _.,/="


# ---------------------------------------------------------------- networkx


def to_networkx(nodes: Nodes) -> nx.DiGraph:
    """A DiGraph whose attributes are str and float only, so that ``nx.write_graphml`` takes it.

    Nodes have ``kind`` "call" or "file", edges "call", "file" or "flow".  A DiGraph has one edge per pair: if
    a call edge and a flow edge fall together, the kind is "call" and ``argument`` is set as on flow edges.
    """
    import networkx as nx

    graph = nx.DiGraph(schema=SCHEMA, version=VERSION)
    for node_id in sorted(nodes):
        graph.add_node(_clean(node_id), kind="call", **_attributes(node_id, nodes[node_id]))
    for path in sorted({path for _, path in file_edges(nodes)}):
        graph.add_node(_clean(file_id(path)), kind="file", path=_clean(path), label=_clean(PurePath(path).name))
    for a, b, argument in flow_edges(nodes):
        graph.add_edge(_clean(a), _clean(b), kind="flow", argument=_clean(argument))
    for a, b in call_edges(nodes):
        graph.add_edge(_clean(a), _clean(b), kind="call")
    for a, path in file_edges(nodes):
        graph.add_edge(_clean(a), _clean(file_id(path)), kind="file")
    return graph


def _attributes(node_id: str, node: Mapping[str, Any]) -> dict[str, str | float]:
    """The scalar fields; None is left out, since GraphML has no such value."""
    texts = {key: node.get(key) for key in ("fname", "module", "hash", "outfile")}
    found: dict[str, str | float] = {k: _clean(str(v)) for k, v in texts.items() if v is not None}
    numbers = {key: node.get(key) for key in ("created", "elapsed")}
    found |= {k: float(v) for k, v in numbers.items() if v is not None}
    arguments = _arguments(node)
    return found | {"label": _clean(f"{_title(node_id, node)} · {arguments}" if arguments else _title(node_id, node))}
