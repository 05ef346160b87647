"""What a drawing of the graph shows: boxes with their texts, links with their counts, a title.

Turns plain nodes into a `Scene` at one of four levels.  Knows nothing of positions, fonts or colours (layout.py,
plot.py).  Pure Python; imports captions.py, for the words, and export.py, for the edges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from cachepy.drawing import captions as say
from cachepy.drawing.captions import AFTER, FILE, FRESH, MISSING, PILE, STALE, UNKNOWN, WIDE, View
from cachepy.export import Nodes, call_edges, file_edges, flow_edges

LEVELS = ("call", "function", "module", "file")
MOST_ALIKE = 16  # calls of one function, made by one caller, that are still drawn one by one


@dataclass
class Box:
    """``lines``: (text, role), the role one of "name", "args", "why"."""

    kind: str
    lines: list[tuple[str, str]]


@dataclass
class Scene:
    """What a picture shows, before anybody decides where."""

    title: str = ""
    boxes: dict[str, Box] = field(default_factory=dict)
    links: dict[tuple[str, str, str], int] = field(default_factory=dict)  # (left, right, kind): how many


def choose(view: View, level: str, max_nodes: int) -> Scene:
    """The scene at this level; "auto" takes the finest that stays readable."""
    if level != "auto":
        return build(view, level)
    if len(view.nodes) <= max_nodes and _alike(view.nodes) <= MOST_ALIKE:
        scene = build(view, "call")
        if len(scene.boxes) <= max_nodes:
            return scene
    scene = build(view, "function")
    return scene if len(scene.boxes) <= 4 * max_nodes else build(view, "module")


def _alike(nodes: Nodes) -> int:
    """The most calls of one function that the same calls take: they would stand in one long column."""
    takers: dict[str, set[str]] = {}
    for left, right, _ in _links(nodes, {i: i for i in nodes}):
        takers.setdefault(right, set()).add(left)
    crowds = Counter((nodes[i].get("module"), nodes[i].get("fname"), frozenset(t)) for i, t in takers.items())
    return max(crowds.values(), default=0)


def below(nodes: Nodes, root: str) -> dict[str, Mapping[str, Any]]:
    """The calls named ``root`` (an id or a function's name) and all that they depended on."""
    todo = [i for i in nodes if root in (i, nodes[i].get("fname"))]
    out: dict[str, list[str]] = {}
    for a, b in [*call_edges(nodes), *((c, p) for p, c, _ in flow_edges(nodes))]:
        out.setdefault(a, []).append(b)
    kept: dict[str, None] = {}
    while todo:
        node_id = todo.pop()
        if node_id not in kept:
            kept[node_id] = None
            todo += out.get(node_id, ())
    return {i: nodes[i] for i in sorted(kept)}


def build(view: View, level: str) -> Scene:
    """Calls into groups (of one, at level "call"), links between groups counted, files beside them."""
    if level == "file":
        readers = {i for i, _ in file_edges(view.nodes)}
        view = replace(view, nodes={i: view.nodes[i] for i in sorted(readers)})
    group = {i: _group(i, view.nodes[i], level) for i in say.in_order(view.nodes)}
    members: dict[str, list[str]] = {}
    for node_id, key in group.items():
        members.setdefault(key, []).append(node_id)
    scene = Scene(say.title(view, level, len(members)))
    texts = say.arguments(view)
    links = Counter(_links(view.nodes, group))
    for key, ids in members.items():
        one = len(ids) == 1 and level != "module"
        again = links.pop((key, key, "call"), 0) + links.pop((key, key, "flow"), 0)
        scene.boxes[key] = _call_box(view, ids[0], texts[ids[0]]) if one else _group_box(view, ids, level, again, texts)
    place = {key: i for i, key in enumerate(scene.boxes)}
    scene.links.update(sorted(links.items(), key=lambda link: (place[link[0][0]], place[link[0][1]], link[0][2])))
    edges = file_edges(view.nodes) if level == "file" else direct_files(view.nodes)
    _add_files(scene, edges, group, most={"file": 10**9, "call": 6}.get(level, 3))
    return scene


def _group(node_id: str, node: Mapping[str, Any], level: str) -> str:
    module = str(node.get("module") or "")
    return {"function": f"{module}:{node.get('fname')}", "module": module}.get(level, node_id)


def _links(nodes: Nodes, group: Mapping[str, str]) -> Iterable[tuple[str, str, str]]:
    """What depends stands left: callers of what they call, consumers of whose result they take."""
    yield from ((group[a], group[b], "call") for a, b in call_edges(nodes))
    yield from ((group[b], group[a], "flow") for a, b, _ in flow_edges(nodes))


# ---------------------------------------------------------------- boxes of calls


def _call_box(view: View, node_id: str, arguments: list[str]) -> Box:
    name = say.name_of(node_id, view.nodes[node_id], view.labels)
    lines = [(line, "name") for line in say.wrap(name)]
    lines += [(line, "args") for line in [*arguments, say.cost(view, [node_id])] if line]
    return Box(view.state(node_id), lines + [(line, "why") for line in say.reason_lines(view, node_id)])


def _group_box(view: View, ids: list[str], level: str, again: int, texts: Mapping[str, list[str]]) -> Box:
    node = view.nodes[ids[0]]
    by_module = level == "module"
    name = say.name_of(ids[0], node, view.labels)
    if by_module:
        name = say.shorten(say.clean(node.get("module") or "(no module)"), say.LONGEST)
    lines = [(line, "name") for line in say.wrap(f"{name} ×{len(ids):,}")]
    about = ["" if by_module else say.extent(texts, ids), say.cost(view, ids)]
    about.append(f"↻ {again:,} among themselves" if again else "")
    lines += [(text, "args") for text in about if text]
    lines += [(text, "why") for text in [", ".join(say.counts(view, ids))] if text]
    states = {view.state(i) for i in ids}
    return Box(next(state for state in (STALE, AFTER, UNKNOWN, MISSING, FRESH) if state in states), lines)


# ---------------------------------------------------------------- files


def direct_files(nodes: Nodes) -> list[tuple[str, str]]:
    """Calls and files, without those that a call shares with one that it calls: the lines go to where it is read."""
    edges = file_edges(nodes)
    of: dict[str, set[str]] = {}
    for node_id, path in edges:
        of.setdefault(node_id, set()).add(path)
    deeper = {(a, path) for a, b in call_edges(nodes) if a in of and b in of and a != b for path in of[a] & of[b]}
    kept = {edge[1] for edge in edges if edge not in deeper}  # of calls in a circle, all share theirs
    return [edge for edge in edges if edge not in deeper or edge[1] not in kept]


def _add_files(scene: Scene, edges: list[tuple[str, str]], group: Mapping[str, str], most: int) -> None:
    """A box per file; a call with more than ``most`` of them gets one pile per folder instead."""
    files: dict[str, set[str]] = {}
    for node_id, path in edges:
        files.setdefault(group[node_id], set()).add(path)
    place = {key: i for i, key in enumerate(scene.boxes)}
    piles = {(key, pile) for key, paths in files.items() for pile in _piles(paths, most)}
    single = say.tails(pile[0] for _, pile in piles if len(pile) == 1)
    folder = say.tails(str(PurePath(pile[0]).parent) for _, pile in piles if len(pile) > 1)
    for key, pile in sorted(piles, key=lambda found: (place[found[0]], say.natural(found[1][0][-200:]), found)):
        name = "file://" + "\n".join(pile)
        if name not in scene.boxes:
            scene.boxes[name] = _pile_box(pile, folder) if len(pile) > 1 else _file_box(single[pile[0]])
        scene.links[key, name, "file"] = 1


def _piles(paths: set[str], most: int) -> list[tuple[str, ...]]:
    if len(paths) <= most:
        return [(path,) for path in paths]
    folders: dict[PurePath, list[str]] = {}
    for path in sorted(paths):
        folders.setdefault(PurePath(path).parent, []).append(path)
    return [tuple(p) for p in folders.values()] if len(folders) <= max(most, 2) else [tuple(sorted(paths))]


def _file_box(tail: tuple[str, str]) -> Box:
    name, above = map(say.clean, tail)
    lines = [(line, "name") for line in say.wrap(say.shorten(name, say.LONGEST))]
    return Box(FILE, lines + ([(say.shorten(above, WIDE + 4), "args")] if above else []))


def _pile_box(pile: tuple[str, ...], folder: Mapping[str, tuple[str, str]]) -> Box:
    folders = {PurePath(path).parent for path in pile}
    if len(folders) > 1:
        where = f"in {len(folders):,} folders"
    else:
        name, above = folder[str(folders.pop())]
        where = f"in {say.shorten(say.clean(above + name), WIDE)}/"
    return Box(PILE, [(f"{len(pile):,} files", "name"), (where, "args")])
