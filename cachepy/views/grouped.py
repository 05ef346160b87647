"""The graph by function and by file: calls put together, each group with how many of its calls are in which state.

Works on plain nodes, as ``cache_tree_nodes()`` returns them.
"""

from __future__ import annotations

import os

from cachepy.values import humanize
from cachepy.views.exports import call_edges, flow_edges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from cachepy.views.exports import Nodes, States

    Group = dict[str, Any]

ORDER = ("stale", "missing", "unknown", "fresh")


def by_function(nodes: Nodes, states: States) -> dict[str, Group]:
    """Function -> a node for all its calls, which has their `calls`, `counts` and `state` besides.

    >>> nodes = {"f:1": {"fname": "f", "module": "m", "children": ["g:1"]}, "g:1": {"fname": "g", "module": "m"}}
    >>> found = by_function(nodes, {"g:1": "stale"})
    >>> [(name, group["state"], group["children"]) for name, group in found.items()]
    [('m.f', 'fresh', ['m.g']), ('m.g', 'stale', [])]
    """
    name_of = {call: _function(node) for call, node in nodes.items()}
    groups: dict[str, Group] = {}
    for call, node in nodes.items():
        group = groups.setdefault(name_of[call], _empty(name_of[call], node))
        group["calls"].append(call)
        group["elapsed"] += node.get("elapsed") or 0.0
        group["files"].update(dict.fromkeys(node.get("files") or ()))
    for group in groups.values():
        counts = count(states.get(call, "fresh") for call in group["calls"])
        group |= {"counts": counts, "state": mixed(counts), "files": list(group["files"])}
        group["label"] = {"calls": sizes(counts)}
    _link(nodes, name_of, groups)
    return groups


def _function(node: Mapping[str, Any]) -> str:
    return f"{node.get('module') or ''}.{node.get('fname')}".lstrip(".")


def _empty(name: str, node: Mapping[str, Any]) -> Group:
    fields = {"id": name, "fname": str(node.get("fname")), "module": node.get("module"), "elapsed": 0.0}
    return fields | {"calls": [], "files": {}, "parents": [], "children": [], "inputs": {}}


def _link(nodes: Nodes, name_of: Mapping[str, str], groups: dict[str, Group]) -> None:
    """Edges between functions, to that which ended first before others; not from one to itself."""
    ended = {name: min(nodes[call].get("created") or 0.0 for call in group["calls"]) for name, group in groups.items()}
    calls = {(name_of[a], name_of[b]) for a, b in call_edges(nodes)}
    for above, below in sorted(calls, key=lambda edge: (edge[0], ended[edge[1]], edge[1])):
        if above != below:
            groups[above]["children"].append(below)
            groups[below]["parents"].append(above)
    for giver, taker, argument in flow_edges(nodes):
        if name_of[giver] != name_of[taker]:
            groups[name_of[taker]]["inputs"].setdefault(argument, name_of[giver])


def count(states: Iterable[str]) -> dict[str, int]:
    """How many are in each state, as far as there are some."""
    found = list(states)
    return {state: found.count(state) for state in ORDER if state in found}


def mixed(counts: Mapping[str, int]) -> str:
    """The state of a group: that of its calls if all have one, else that it has some."""
    if len(counts) == 1:
        return next(iter(counts))
    return "partly stale" if {"stale", "missing"} & counts.keys() else "partly unknown"


def sizes(counts: Mapping[str, int]) -> str:
    """A group in words; its state is told elsewhere, if it has one.

    >>> sizes({"stale": 1, "fresh": 3}), sizes({"stale": 2})
    ('4 calls, 1 stale', '2 calls')
    """
    parts = [f"{number:,} {state}" for state, number in counts.items() if state != "fresh" and len(counts) > 1]
    return ", ".join([humanize.count(sum(counts.values()), "call"), *parts])


def by_file(nodes: Nodes, wrote: Mapping[str, Iterable[str]], states: States) -> dict[str, Group]:
    """Path -> the calls that read it themselves, those that wrote it, and how many are in which state.

    wrote: id of a call -> the files that it wrote.

    >>> found = by_file({"f:1": {"files": ["/a"]}, "g:1": {"files": ["/a"]}}, {"g:1": ["/a"]}, {"f:1": "stale"})
    >>> found["/a"]["readers"], found["/a"]["writers"], found["/a"]["counts"]
    (['f:1'], ['g:1'], {'stale': 1, 'fresh': 1})
    """
    found: dict[str, Group] = {}
    for call, node in nodes.items():
        written = set(wrote.get(call, ()))
        for path in {*map(os.fspath, node.get("files") or ()), *written}:
            each = found.setdefault(path, {"path": path, "readers": [], "writers": []})
            each["writers" if path in written else "readers"].append(call)
    for each in found.values():
        each["counts"] = count(states.get(call, "fresh") for call in (*each["readers"], *each["writers"]))
    return dict(sorted(found.items()))


def with_files(nodes: Nodes) -> dict[str, dict[str, Any]]:
    """The calls that read or wrote files themselves; those between them are left out."""
    kept = {call for call, node in nodes.items() if node.get("files")}
    return {
        call: {
            **node,
            "parents": [each for each in node.get("parents") or () if each in kept],
            "children": [each for each in node.get("children") or () if each in kept],
            "inputs": {name: each for name, each in (node.get("inputs") or {}).items() if each in kept},
        }
        for call, node in nodes.items()
        if call in kept
    }
