"""What a drawing of the graph shows: boxes with their texts, links with their counts, a title.

Turns plain nodes into a `Scene` at one of four levels.  Knows nothing of positions, fonts or colours (layout.py,
picture.py).  Pure Python; imports captions.py, for the words, letters.py, and export.py, for the edges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from cachepy.views import captions as say
from cachepy.views.captions import AFTER, CHANGED, FILE, FRESH, MISSING, PILE, STALE, UNKNOWN, View
from cachepy.views.exports import Nodes, call_edges, file_edges, flow_edges
from cachepy.views.letters import LONGEST, clean, fitted, natural, shorten, wrap

LEVELS = ("call", "function", "module", "file")
MOST_CAUSES = 3  # changed files that stand beside the pile of the others
MOST_ALIKE = 16  # calls of one function, made by one caller, that are still drawn one by one


@dataclass
class Box:
    """``lines``: (text, role), the role one of "name", "args", "why".

    ``shares``: of several, how many are in which state, if these differ.  ``badges``: what it is marked with.
    """

    kind: str
    lines: list[tuple[str, str]]
    shares: dict[str, int] = field(default_factory=dict)
    badges: tuple[str, ...] = ()


@dataclass
class Scene:
    """What a picture shows, before anybody decides where.

    ``links``: (left, right, kind) with how many; of kind "call", "flow", "read" or "write".  ``direction``: "calls",
    then callers stand left of what they call, or "data", then what gives stands left of what takes.
    """

    title: str = ""
    boxes: dict[str, Box] = field(default_factory=dict)
    links: dict[tuple[str, str, str], int] = field(default_factory=dict)
    direction: str = "calls"


def directed(scene: Scene, direction: str) -> Scene:
    """The scene in this direction; "auto": along the data where no call makes another."""
    if direction == "auto":
        direction = "calls" if any(kind == "call" for *_, kind in scene.links) or not scene.links else "data"
    if direction == "calls":
        return scene
    return replace(scene, links={(b, a, kind): n for (a, b, kind), n in scene.links.items()}, direction="data")


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
    if level in ("call", "file"):
        texts = say.told_apart(view)
    else:
        texts = say.arguments(view, list({i: None for ids in members.values() for i in (ids[0], ids[-1])}))
    edges = file_edges(view.nodes) if level == "file" else direct_files(view.nodes)
    links = Counter(_links(view.nodes, group))
    for key, ids in members.items():
        one = len(ids) == 1 and level != "module"
        again = links.pop((key, key, "call"), 0) + links.pop((key, key, "flow"), 0)
        scene.boxes[key] = _call_box(view, ids[0], texts[ids[0]]) if one else _group_box(view, ids, level, again, texts)
    place = {key: i for i, key in enumerate(scene.boxes)}
    scene.links.update(sorted(links.items(), key=lambda link: (place[link[0][0]], place[link[0][1]], link[0][2])))
    _Files(view, scene, group, most={"file": 10**9, "call": 6}.get(level, 3)).add(edges)
    for link in _carried(view.nodes, scene) if level in ("call", "file") else ():
        del scene.links[link]
    return scene


def _carried(nodes: Nodes, scene: Scene) -> list[tuple[str, str, str]]:
    """The links of calls of which one took nothing of the other but files that are drawn between them."""
    read: dict[str, list[str]] = {}
    for left, right, kind in scene.links:
        if kind == "read":
            read.setdefault(right, []).append(left)
    shared: Counter[tuple[str, str]] = Counter()
    for left, right, kind in scene.links:
        if kind == "write":
            shared.update((taker, right) for taker in read.get(left, ()))
    links = [(taker, giver, "flow") for taker, giver in shared]
    taken = {taker: Counter((nodes[taker].get("inputs") or {}).values()) for taker, _ in shared}
    return [link for link in links if link in scene.links and taken[link[0]][link[1]] <= shared[link[:2]]]


def _group(node_id: str, node: Mapping[str, Any], level: str) -> str:
    module = str(node.get("module") or "")
    return {"function": f"{module}:{node.get('fname')}", "module": module}.get(level, node_id)


def _links(nodes: Nodes, group: Mapping[str, str]) -> Iterable[tuple[str, str, str]]:
    """What depends stands left: callers of what they call, consumers of whose result they take."""
    yield from ((group[a], group[b], "call") for a, b in call_edges(nodes))
    yield from ((group[b], group[a], "flow") for a, b, _ in flow_edges(nodes))


# ---------------------------------------------------------------- boxes of calls


def _call_box(view: View, node_id: str, arguments: list[str]) -> Box:
    name, state = say.name_of(node_id, view.nodes[node_id], view.labels), view.state(node_id)
    lines = [(line, "name") for line in wrap(name)]
    lines += [(line, "args") for line in [*arguments, say.cost(view, [node_id])] if line]
    lines += [(line, "why") for line in say.reason_lines(view, node_id)]
    return Box(state, lines, badges=view.marks([node_id]) if state == FRESH else (state,))


def _group_box(view: View, ids: list[str], level: str, again: int, texts: Mapping[str, list[str]]) -> Box:
    node = view.nodes[ids[0]]
    by_module = level == "module"
    name = say.name_of(ids[0], node, view.labels)
    if by_module:
        name = shorten(clean(node.get("module") or "(no module)"), LONGEST)
    lines = [(line, "name") for line in wrap(f"{name} ×{len(ids):,}")]
    about = ["" if by_module else say.extent(texts, ids), say.cost(view, ids)]
    about.append(f"↻ {again:,} among themselves" if again else "")
    lines += [(text, "args") for text in about if text]
    lines += [(text, "why") for text in [", ".join(say.counts(view, ids))] if text]
    box = _shared(lines, Counter(view.state(i) for i in ids))
    return replace(box, badges=(*box.badges, *view.marks(ids)))


def _shared(lines: list[tuple[str, str]], found: Counter[str]) -> Box:
    """A box that looks as most of its calls do, with the shares of all, and a badge for each state that costs a run."""
    stale = found[STALE] + found[AFTER]
    worst = STALE if found[STALE] else AFTER
    shares = {FRESH: found[FRESH], worst: stale, MISSING: found[MISSING], UNKNOWN: found[UNKNOWN]}
    shares = {state: count for state, count in shares.items() if count}
    kind = max(shares, key=shares.__getitem__)
    badges = tuple(state for state in shares if state != FRESH)
    return Box(kind, lines, shares if len(shares) > 1 else {}, badges)


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


@dataclass
class _Files:
    """The files of a scene: a box for each, or one pile per folder where a call has more than ``most``.

    Files that changed are the causes, so a few of them stand by themselves.
    """

    view: View
    scene: Scene
    group: Mapping[str, str]
    most: int

    def add(self, edges: Iterable[tuple[str, str]]) -> None:
        files: dict[tuple[str, str], set[str]] = {}
        for i, path in edges:
            kind = "write" if path in self.view.outputs.get(i, ()) else "read"
            files.setdefault((self.group[i], kind), set()).add(path)
        piles = [(key, kind, pile) for (key, kind), paths in files.items() for pile in self._piles(paths)]
        single = say.tails(pile[0] for *_, pile in piles if len(pile) == 1)
        folder = say.tails(str(PurePath(pile[0]).parent) for *_, pile in piles if len(pile) > 1)
        place = {key: i for i, key in enumerate(self.scene.boxes)}
        for key, kind, pile in sorted(piles, key=lambda p: (place[p[0]], natural(p[2][0][-200:]), p)):
            name = "file://" + "\n".join(pile)
            if name not in self.scene.boxes:
                box = self._pile_box(pile, folder) if len(pile) > 1 else self._file_box(pile[0], single[pile[0]])
                self.scene.boxes[name] = box
            self.scene.links[(name, key, kind) if kind == "write" else (key, name, kind)] = 1

    def _piles(self, paths: set[str]) -> list[tuple[str, ...]]:
        if len(paths) <= self.most:
            return [(path,) for path in paths]
        causes = [path for path in sorted(paths) if path in self.view.changed]
        alone = [(path,) for path in causes] if len(causes) <= MOST_CAUSES else []
        folders: dict[PurePath, list[str]] = {}
        for path in sorted(paths.difference(*alone)):
            folders.setdefault(PurePath(path).parent, []).append(path)
        if len(folders) > max(self.most, 2):
            return [*alone, tuple(path for each in folders.values() for path in each)]
        return [*alone, *map(tuple, folders.values())]

    def _file_box(self, path: str, tail: tuple[str, str]) -> Box:
        name, above = map(clean, tail)
        lines = [(line, "name") for line in fitted(name, 3)]
        lines += [(line, "args") for line in fitted(above, 2) if above]
        if path in self.view.changed:
            return Box(CHANGED, [*lines, (self.view.changed[path], "why")], badges=(STALE,))
        return Box(FILE, lines)

    def _pile_box(self, pile: tuple[str, ...], folder: Mapping[str, tuple[str, str]]) -> Box:
        folders = {PurePath(path).parent for path in pile}
        if len(folders) > 1:
            where = [f"of {len(folders):,} folders"]
        else:
            name, above = folder[str(folders.pop())]
            where = fitted(f"of {clean(above + name)}/", 2)
        lines = [(f"{len(pile):,} files", "name"), *((line, "args") for line in where)]
        changed = sum(path in self.view.changed for path in pile)
        if not changed:
            return Box(PILE, lines)
        shares = {PILE: len(pile) - changed, STALE: changed}
        return Box(PILE, [*lines, (f"{changed:,} changed", "why")], shares, (STALE,))
