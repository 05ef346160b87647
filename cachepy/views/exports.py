"""The graph as text for other tools: JSON, Graphviz DOT, Mermaid, and networkx (so GraphML too).

Works on plain nodes, as ``cache_tree_nodes()`` returns them, so that a graph from a file, a cluster
or a test exports alike.  The same graph gives the same text, whatever the order of its records.
DOT and Mermaid also colour calls by their states, if they are told them: id -> "stale", "missing" or "unknown"; of a
group of calls also "partly stale" or "partly unknown".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import networkx as nx

Nodes = Mapping[str, Mapping[str, Any]]
States = Mapping[str, str]

SCHEMA = "cachepy-graph"
VERSION = 1
UNORDERED = ("children", "files", "parents")  # sets by meaning: in a fixed order in every form
_UNWRITABLE = re.compile(r"[^\n\t\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SHOWN = 80  # characters of one line in a box
SAYS = {"stale": "stale", "missing": "value missing", "unknown": "unknown"}  # so that nobody has to go by colours


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


def clean_text(text: str) -> str:
    r"""Text that every file format can hold: control characters and lone surrogates as ``\x07``."""
    return _UNWRITABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def _short(text: str) -> str:
    """A line that fits into a box."""
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _lines(node_id: str, node: Mapping[str, Any], states: States) -> list[str]:
    """What a box says of a call."""
    lines = [_title(node_id, node), _arguments(node), SAYS.get(states.get(node_id, ""), "")]
    return [_short(line) for i, line in enumerate(lines) if line or not i]


def _ids(texts: Iterable[str]) -> dict[str, str]:
    """A clean name for each text; two that look alike when cleaned stay two."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for text in sorted(texts):
        clean = name = clean_text(text)
        count = 2
        while name in taken:
            name, count = f"{clean} #{count}", count + 1
        found[text] = name
        taken.add(name)
    return found


def _all_ids(nodes: Nodes) -> dict[str, str]:
    """Clean names for all calls and files."""
    return _ids({*nodes, *(file_id(path) for _, path in file_edges(nodes))})


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


def to_dot(nodes: Nodes, states: States | None = None) -> str:
    """A digraph: boxes are calls, notes are files; solid edges are calls, dashed ones results."""
    ids = {text: _dot_id(name) for text, name in _all_ids(nodes).items()}
    lines = [
        "digraph cachepy {",
        "  graph [rankdir=LR, ranksep=0.7, nodesep=0.3];",
        '  node [shape=box, style="rounded,filled", margin="0.16,0.09", fontname="Helvetica", fontsize=11];',
        '  edge [color="#868E96", fontname="Helvetica", fontsize=10, fontcolor="#495057"];',
    ]
    lines += [f"  {ids[i]} [{_dot_call(i, nodes[i], states or {})}];" for i in sorted(nodes)]
    lines += [f"  {ids[file_id(p)]} [{_dot_file(p)}];" for p in sorted({path for _, path in file_edges(nodes)})]
    lines += [f"  {ids[a]} -> {ids[b]};" for a, b in call_edges(nodes)]
    lines += [f"  {ids[a]} -> {ids[file_id(p)]} [arrowhead=none];" for a, p in file_edges(nodes)]
    lines += [
        f"  {ids[a]} -> {ids[b]} [style=dashed, label={_dot_text(_short(args))}];" for a, b, args in flow_edges(nodes)
    ]
    return "\n".join([*lines, "}", ""])


_DOT_FRESH = 'fillcolor="#1D3557", color="#1D3557", fontcolor=white'
_DOT_LOOKS = {
    "stale": 'fillcolor="#FBBC04", color="#D99E00", fontcolor="#212529"',
    "missing": 'style="rounded,filled,dashed", fillcolor="#F1F3F5", color="#868E96", fontcolor="#343A40"',
    "unknown": 'style="rounded,filled,dashed", fillcolor="#EFE7FB", color="#7B5EA7", fontcolor="#3B2A5A"',
    "partly stale": 'fillcolor="#1D3557", color="#FBBC04", penwidth=4, fontcolor=white',
    "partly unknown": 'fillcolor="#1D3557", color="#B79AE0", penwidth=4, fontcolor=white',
}


def _dot_call(node_id: str, node: Mapping[str, Any], states: States) -> str:
    label = "\n".join(_lines(node_id, node, states))
    hint = f"{_title(node_id, node)}({_arguments(node)})"
    look = _DOT_LOOKS.get(states.get(node_id, ""), _DOT_FRESH)
    return f"label={_dot_text(label)}, tooltip={_dot_text(hint)}, {look}"


def _dot_file(path: str) -> str:
    look = 'shape=note, style=filled, fillcolor="#E8F0FE", color="#A8C0EE", fontcolor="#1D3557"'
    return f"label={_dot_text(_short(PurePath(path).name or path))}, tooltip={_dot_text(path)}, {look}"


def _dot_id(text: str) -> str:
    escaped = clean_text(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _dot_text(text: str) -> str:
    """Text that is shown: there, Graphviz also reads HTML entities."""
    return _dot_id(text.replace("&", "&amp;"))


# ---------------------------------------------------------------- Mermaid


def to_mermaid(nodes: Nodes, states: States | None = None) -> str:
    """A flowchart, to paste into Markdown.  Ids are made up, so no name can be a reserved word."""
    states = states or {}
    calls = {node_id: f"c{i}" for i, node_id in enumerate(sorted(nodes))}
    paths = sorted({path for _, path in file_edges(nodes)})
    files = {path: f"f{i}" for i, path in enumerate(paths)}
    lines = ["flowchart LR"]
    lines += [f"  {calls[i]}{_mermaid_call(i, nodes[i], states)}" for i in calls]
    lines += [f'  {files[p]}[/"{_mermaid_text(_short(PurePath(p).name or p))}"/]:::inputFile' for p in paths]
    lines += [f"  {calls[a]} --> {calls[b]}" for a, b in call_edges(nodes)]
    lines += [f"  {calls[a]} --- {files[p]}" for a, p in file_edges(nodes)]
    lines += [f"  {calls[a]} {_mermaid_flow(args)} {calls[b]}" for a, b, args in flow_edges(nodes)]
    used = {"cachedCall", "inputFile", *(_MERMAID_CLASSES[s] for s in states.values() if s in _MERMAID_CLASSES)}
    lines += [f"  classDef {name} {look}" for name, look in _MERMAID_LOOKS.items() if name in used]
    return "\n".join([*lines, ""])


_MERMAID_CLASSES = {
    "stale": "staleCall", "missing": "missingValue", "unknown": "unknownCall",
    "partly stale": "partlyStale", "partly unknown": "partlyUnknown",
}  # fmt: skip
_MERMAID_LOOKS = {
    "cachedCall": "fill:#1D3557,stroke:#1D3557,color:#FFFFFF",
    "staleCall": "fill:#FBBC04,stroke:#D99E00,color:#212529",
    "missingValue": "fill:#F1F3F5,stroke:#868E96,color:#343A40,stroke-dasharray:4 3",
    "unknownCall": "fill:#EFE7FB,stroke:#7B5EA7,color:#3B2A5A,stroke-dasharray:4 3",
    "partlyStale": "fill:#1D3557,stroke:#FBBC04,color:#FFFFFF,stroke-width:4px",
    "partlyUnknown": "fill:#1D3557,stroke:#B79AE0,color:#FFFFFF,stroke-width:4px",
    "inputFile": "fill:#E8F0FE,stroke:#9DB7E8,color:#1D3557",
}


def _mermaid_call(node_id: str, node: Mapping[str, Any], states: States) -> str:
    text = "<br/>".join(_mermaid_text(line) for line in _lines(node_id, node, states))
    return f'["{text}"]:::{_MERMAID_CLASSES.get(states.get(node_id, ""), "cachedCall")}'


def _mermaid_flow(arguments: str) -> str:
    """A dashed arrow; Mermaid refuses an empty text on it."""
    text = _mermaid_text(_short(arguments))
    return f'-. "{text}" .->' if text.strip() else "-.->"


def _mermaid_text(text: str) -> str:
    """Entity codes for all ASCII that Mermaid, Markdown or HTML might read as their own."""
    text = clean_text(text).replace("\n", " ").replace("\t", " ")
    # A dot before a space is how Markdown starts a numbered list.
    keeps = [_mermaid_safe(c) and text[i : i + 2] != ". " for i, c in enumerate(text)]
    return "".join(c if keep else f"#{ord(c)};" for c, keep in zip(text, keeps, strict=True))


def _mermaid_safe(char: str) -> bool:
    return char.isalnum() or (ord(char) > 0x7F and char not in "\u2028\u2029") or char in " _.,/="


# ---------------------------------------------------------------- networkx


def to_networkx(nodes: Nodes) -> nx.DiGraph:
    """A DiGraph whose attributes are str and float only, so that ``nx.write_graphml`` takes it.

    Nodes have ``kind`` "call" or "file", edges "call", "file" or "flow".  A DiGraph has one edge per pair: if
    a call edge and a flow edge fall together, the kind is "call" and ``argument`` is set as on flow edges.
    """
    import networkx as nx

    graph, ids = nx.DiGraph(schema=SCHEMA, version=VERSION), _all_ids(nodes)
    for node_id in sorted(nodes):
        graph.add_node(ids[node_id], kind="call", **_attributes(node_id, nodes[node_id]))
    for path in sorted({path for _, path in file_edges(nodes)}):
        name = PurePath(path).name or path
        graph.add_node(ids[file_id(path)], kind="file", path=clean_text(path), label=clean_text(name))
    for a, b, argument in flow_edges(nodes):
        graph.add_edge(ids[a], ids[b], kind="flow", argument=clean_text(argument))
    for a, b in call_edges(nodes):
        graph.add_edge(ids[a], ids[b], kind="call")
    for a, path in file_edges(nodes):
        digest = (nodes[a].get("file_hashes") or {}).get(path)
        graph.add_edge(ids[a], ids[file_id(path)], kind="file", **({"digest": digest} if digest else {}))
    return graph


def _attributes(node_id: str, node: Mapping[str, Any]) -> dict[str, str | float]:
    """The scalar fields; None, nan and infinity are left out, since GraphML has no such values."""
    texts = {key: node.get(key) for key in ("fname", "module", "hash", "outfile")}
    texts["accepted"] = node.get("accepted") or None
    found: dict[str, str | float] = {k: clean_text(str(v)) for k, v in texts.items() if v is not None}
    numbers = {key: node.get(key) for key in ("created", "elapsed")}
    found |= {k: float(v) for k, v in numbers.items() if v is not None and math.isfinite(v)}
    arguments = _arguments(node)
    label = f"{_title(node_id, node)} · {arguments}" if arguments else _title(node_id, node)
    return found | {"label": clean_text(label)}
