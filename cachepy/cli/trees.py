"""The graph as a tree of calls, of functions, or of files with their calls: what an outline shows."""

from __future__ import annotations

from cachepy.cli import words
from cachepy.graph.graph import written_by
from cachepy.views.grouped import by_file, by_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from cachepy.cli.opening import Opened

    Nodes = dict[str, dict[str, Any]]


class Tree:
    """What an outline shows: nodes with their `children`, and what each is called."""

    def __init__(
        self, nodes: Nodes, states: Mapping[str, str], roots: Iterable[str], labels: Mapping[str, str]
    ) -> None:
        self.nodes = nodes
        self.states = states
        self.roots = roots
        self.labels = labels
        self.silent: tuple[str, ...] = ()  # states that the labels tell already


def tree_of(cache: Opened, nodes: Nodes, states: dict[str, str], tops: list[str], by: str | None) -> Tree:
    """The tree by call, by function or by file."""
    if by == "file":
        return _tree_of_files(cache, nodes, states)
    if by == "function":
        return _tree_of_functions(nodes, states)
    for call, node in nodes.items():
        node["children"] = _in_order(cache, call, node["children"])
    labels = {call: cache.label(call) for call in nodes}
    roots = tops or sorted((i for i, n in nodes.items() if not n["parents"]), key=labels.__getitem__)
    return Tree(nodes, states, roots, labels)


def _tree_of_functions(nodes: Nodes, states: dict[str, str]) -> Tree:
    groups = by_function(nodes, states)
    tops = [name for name, group in groups.items() if not group["parents"]]
    todo, reached = list(tops), set[str]()
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += groups[name]["children"]
    roots = sorted(tops) + sorted(groups.keys() - reached)  # functions that call each other have none above them
    labels = {name: f"{name}  {group['label']['calls']}" for name, group in groups.items()}
    tree = Tree(groups, {name: group["state"] for name, group in groups.items()}, roots, labels)
    tree.silent = ("partly stale", "partly unknown")
    return tree


def _tree_of_files(cache: Opened, nodes: Nodes, states: dict[str, str]) -> Tree:
    files = files_of(cache, nodes, states)
    shown: dict[str, dict[str, Any]] = {}
    labels, found = {}, {}
    for path, each in files.items():
        labels[path] = words.near(path) + ("" if each["state"] == "unchanged" else f"  {each['state']}")
        found[path] = "fresh" if each["state"] == "unchanged" else "stale"
        shown[path] = {"children": [f"{path}\0{call}" for call in (*each["writers"], *each["readers"])]}
        for call in (*each["writers"], *each["readers"]):
            name = f"{path}\0{call}"
            shown[name], found[name] = {"children": []}, states[call]
            labels[name] = ("wrote: " if call in each["writers"] else "") + cache.label(call)
            labels[name] += "" if states[call] == "fresh" else f"  {states[call]}"
    tree = Tree(shown, found, list(files), labels)
    tree.silent = ("stale", "missing", "unknown")
    return tree


def files_of(cache: Opened, nodes: Nodes, states: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The files with their calls, and whether each is as any call left or read it."""
    found = by_file(nodes, {call: written_by(cache.events[call]) for call in nodes}, states)
    for path, each in found.items():
        now = cache.session.files.digest(path)
        known = {nodes[call]["file_hashes"].get(path) for call in (*each["readers"], *each["writers"])}
        each["state"] = "unchanged" if known <= {now} else "gone" if now is None else "changed"
    return found


def _in_order(cache: Opened, call: str, children: list[str]) -> list[str]:
    """The calls below in the order in which they ended."""
    known = set(children)
    return list(dict.fromkeys(c.name for c in cache.events[call].trace.calls if c.name in known))
