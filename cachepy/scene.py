"""What a drawing of the graph shows: boxes with their texts, links with their counts, a title.

Turns plain nodes into a `Scene` at one of four levels.  Knows nothing of positions, fonts or colours (layout.py,
plot.py).  Pure Python; imports only export.py, for the edges.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from .export import Nodes, call_edges, file_edges, flow_edges

LEVELS = ("call", "function", "module", "file")
LABELS = ("short", "full", "name")
FRESH, STALE, MISSING, FILE, PILE = "fresh", "stale", "missing", "file", "files"
WIDE = 30  # characters in a line of a box


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


@dataclass(frozen=True)
class View:
    """What is known of the graph, and how the caller of the drawing wants it told."""

    nodes: Nodes
    states: Mapping[str, str]
    reasons: Mapping[str, str]
    labels: str = "short"

    def state(self, node_id: str) -> str:
        known = self.states.get(node_id)
        return known if known in (STALE, MISSING) else FRESH


def choose(view: View, level: str, max_nodes: int) -> Scene:
    """The scene at this level; "auto" takes the finest that stays readable."""
    if level != "auto":
        return build(view, level)
    for candidate, most in (("call", max_nodes), ("function", 4 * max_nodes)):
        scene = build(view, candidate)
        if len(scene.boxes) <= most:
            return scene
    return build(view, "module")


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
    group = {i: _group(i, view.nodes[i], level) for i in sorted(view.nodes)}
    members: dict[str, list[str]] = {}
    for node_id, key in group.items():
        members.setdefault(key, []).append(node_id)
    scene = Scene(_title(view, level, len(members)))
    texts = _arguments(view)
    links = Counter(_links(view.nodes, group))
    for key, ids in members.items():
        one = len(ids) == 1 and level != "module"
        again = links.pop((key, key, "call"), 0) + links.pop((key, key, "flow"), 0)
        scene.boxes[key] = _call_box(view, ids[0], texts) if one else _group_box(view, ids, level, again)
    scene.links.update(links)
    _add_files(scene, view, group, most={"file": 10**9, "call": 6}.get(level, 3))
    return scene


def _group(node_id: str, node: Mapping[str, Any], level: str) -> str:
    module = str(node.get("module") or "")
    return {"function": f"{module}:{node.get('fname')}", "module": module}.get(level, node_id)


def _links(nodes: Nodes, group: Mapping[str, str]) -> Iterable[tuple[str, str, str]]:
    """What depends stands left: callers of what they call, consumers of whose result they take."""
    yield from ((group[a], group[b], "call") for a, b in call_edges(nodes))
    yield from ((group[b], group[a], "flow") for a, b, _ in flow_edges(nodes))


# ---------------------------------------------------------------- the words


def plural(count: int, word: str) -> str:
    """1 call, 2 calls."""
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def _title(view: View, level: str, groups: int) -> str:
    calls = plural(len(view.nodes), "call")
    if level in ("function", "module"):
        calls += f" of {plural(groups, level)}"
    if level == "file":
        calls += " with files"
    files = len({path for _, path in file_edges(view.nodes)})
    parts = [calls, *([plural(files, "file")] if files else []), *_counts(view, view.nodes)]
    return " · ".join(parts)


def _counts(view: View, ids: Iterable[str]) -> list[str]:
    found = Counter(view.state(i) for i in ids)
    return [f"{found[state]:,} {state}" for state in (STALE, MISSING) if found[state]]


def clean(text: object) -> str:
    """One line without control characters: what a font can draw."""
    return "".join(c if c.isprintable() else " " for c in " ".join(str(text).split()))


def shorten(text: str, most: int) -> str:
    """Cut in the middle: names of files and of variants tell apart at their ends."""
    keep = most - 1
    return text if len(text) <= most else f"{text[: keep - keep // 2]}…{text[len(text) - keep // 2 :]}"


def wrap(text: str, wide: int = WIDE) -> list[str]:
    """Break after ``_``, ``.``, ``-``, spaces and before capitals into lines of at most ``wide`` characters."""
    pieces = [""]
    for c in text:
        last = pieces[-1][-1:]
        if last in tuple("_.-/ ") or (c.isupper() and last.islower()) or len(pieces[-1]) == wide:
            pieces.append("")
        pieces[-1] += c
    lines = [""]
    for piece in pieces:
        if len(lines[-1]) + len(piece) > wide and lines[-1]:
            lines.append("")
        lines[-1] += piece
    return [line.strip() for line in lines]


def _name(node_id: str, node: Mapping[str, Any], labels: str) -> str:
    name = str(node.get("fname") or node_id)
    return clean(f"{node.get('module') or ''}.{name}".lstrip(".") if labels == "full" else name)


def _argument(text: object) -> str:
    """The telling part of an argument: of a path its last part."""
    plain = clean(text).strip("'\"")
    return PurePath(plain).name or plain if "/" in plain and " " not in plain else plain


def _arguments(view: View) -> dict[str, str]:
    """Per call its arguments in few words; more words, then the key, where two calls would look alike."""
    found: dict[str, str] = {}
    for node_id, node in view.nodes.items():
        label = node.get("label") or {}
        words = [_argument(v) for v in label.values()]
        if view.labels == "full":
            words = [clean(f"{k}={v}") for k, v in label.items()]
        found[node_id] = shorten(", ".join(words), WIDE + 4) if view.labels != "name" else ""
    if view.labels == "short":
        for node_id in _alike(view.nodes, found):
            label = view.nodes[node_id].get("label") or {}
            found[node_id] = shorten(clean(", ".join(map(str, label.values()))), WIDE + 4)
        for node_id in _alike(view.nodes, found):
            key = str(view.nodes[node_id].get("hash") or node_id.rpartition(":")[2])
            found[node_id] = f"{found[node_id]} #{clean(key)[:6]}".strip()
    return found


def _alike(nodes: Nodes, texts: Mapping[str, str]) -> list[str]:
    seen = {i: (node.get("fname"), texts[i]) for i, node in nodes.items()}
    often = Counter(seen.values())
    return [i for i, look in seen.items() if often[look] > 1]


def _call_box(view: View, node_id: str, texts: Mapping[str, str]) -> Box:
    node, state = view.nodes[node_id], view.state(node_id)
    lines = [(line, "name") for line in wrap(_name(node_id, node, view.labels))]
    if texts[node_id]:
        lines.append((texts[node_id], "args"))
    why = clean(view.reasons.get(node_id, "")) if state != FRESH else ""
    short = textwrap.wrap(why, WIDE + 4, max_lines=3, placeholder=" …")
    return Box(state, lines + [(line, "why") for line in short])


def _group_box(view: View, ids: list[str], level: str, again: int) -> Box:
    node = view.nodes[ids[0]]
    name = clean(node.get("module") or "(no module)") if level == "module" else _name(ids[0], node, view.labels)
    lines = [(line, "name") for line in wrap(f"{name} ×{len(ids):,}")]
    counts = _counts(view, ids)
    if counts:
        lines.append((", ".join(counts), "why"))
    if again:
        lines.append((f"↻ {again:,} among themselves", "args"))
    states = {view.state(i) for i in ids}
    return Box(STALE if STALE in states else MISSING if MISSING in states else FRESH, lines)


# ---------------------------------------------------------------- files


def _add_files(scene: Scene, view: View, group: Mapping[str, str], most: int) -> None:
    """A box per file; a call with more than ``most`` of them gets one pile per folder instead."""
    files: dict[str, set[str]] = {}
    for node_id, path in file_edges(view.nodes):
        files.setdefault(group[node_id], set()).add(path)
    piles = {(key, pile) for key, paths in files.items() for pile in _piles(paths, most)}
    single = _tails(pile[0] for _, pile in piles if len(pile) == 1)
    folder = _tails(str(PurePath(pile[0]).parent) for _, pile in piles if len(pile) > 1)
    for key, pile in sorted(piles):
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


def _tails(paths: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Last part of each path, and as many folders above it as tell it from the others."""
    parts = {path: PurePath(path).parts or (path,) for path in paths}
    found: dict[str, tuple[str, str]] = {}
    depth = 1
    while len(found) < len(parts):
        often = Counter(p[-depth:] for p in parts.values())
        for path, p in parts.items():
            if path not in found and (often[p[-depth:]] == 1 or depth >= len(p)):
                folder = str(PurePath(*p[-depth:-1])) + "/" if often[p[-1:]] > 1 or depth > 1 else ""
                found[path] = (p[-1], folder)
        depth += 1
    return found


def _file_box(tail: tuple[str, str]) -> Box:
    name, above = map(clean, tail)
    lines = [(line, "name") for line in wrap(name)]
    return Box(FILE, lines + ([(shorten(above, WIDE + 4), "args")] if above else []))


def _pile_box(pile: tuple[str, ...], folder: Mapping[str, tuple[str, str]]) -> Box:
    folders = {PurePath(path).parent for path in pile}
    if len(folders) > 1:
        where = f"in {len(folders):,} folders"
    else:
        name, above = folder[str(folders.pop())]
        where = f"in {shorten(clean(above + name), WIDE)}/"
    return Box(PILE, [(f"{len(pile):,} files", "name"), (where, "args")])
