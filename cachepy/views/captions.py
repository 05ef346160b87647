"""What the boxes of a drawing say: names, arguments, time and size, reasons, in few words.

Also the `View`: what is known of a graph, and how much of it is to be told.  Pure Python; imports letters.py,
origins.py, export.py, for the edges, and amounts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from cachepy.values import humanize
from cachepy.views.exports import Nodes, file_edges
from cachepy.views.letters import LONGEST, WIDE, cells, clean, headed, natural, packed, shorten
from cachepy.views.origins import files_of, origins, read_by

if TYPE_CHECKING:
    from cachepy.core.reasons import Reason

LABELS = ("short", "full", "name")
EXTRAS = ("time", "size")
FRESH, STALE, AFTER, MISSING, UNKNOWN = "fresh", "stale", "after", "missing", "unknown"
FILE, PILE, CHANGED = "file", "files", "changed"
ACCEPTED = "accepted"  # fresh because a person said so: a mark, no state
UNCHECKED = "not checked for changes"
ARGUMENT_LINES, REASON_LINES = 3, 3
LINKS = ("call", "input")  # cues that only name another call


@dataclass(frozen=True)
class View:
    """What is known of the graph, and how the caller of the drawing wants it told.

    ``through``: stale calls that are so only because of others.  ``sizes``: bytes of stored values.
    ``unchecked``: what was not looked at, so that it may have changed.  ``outputs``: the files that calls wrote.
    ``changed``: files that are not as they were, and in a word what happened to them.
    """

    nodes: Nodes
    states: Mapping[str, str]
    reasons: Mapping[str, str]
    labels: str = "short"
    extras: Collection[str] = ()
    through: Collection[str] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    unchecked: str = ""
    outputs: Mapping[str, Collection[str]] = field(default_factory=dict)
    changed: Mapping[str, str] = field(default_factory=dict)

    def state(self, node_id: str) -> str:
        """Fresh, stale (with a cause of its own), after (stale because of others), missing, or unknown."""
        known = self.states.get(node_id)
        if known == STALE and node_id in self.through:
            return AFTER
        return known if known in (STALE, MISSING, UNKNOWN) else FRESH


    def marks(self, node_ids: Iterable[str]) -> tuple[str, ...]:
        """What calls are marked with besides their states."""
        kept = any(self.nodes[i].get("accepted") and self.state(i) == FRESH for i in node_ids)
        return (ACCEPTED,) if kept else ()


# ---------------------------------------------------------------- why


def why(reasons: Sequence[Reason]) -> tuple[str, bool]:
    """The cause in few words, and whether it lies in other calls; these tell it in their own boxes."""
    own = [reason for reason in reasons if not reason.link and reason.cue not in LINKS]
    if not own:
        return (f"because of {reasons[0].call or reasons[0].name}" if reasons else ""), bool(reasons)
    first, more = own[0], f", and {len(own) - 1} more" if len(own) > 1 else ""
    name = first.name
    if first.cue.startswith(("file", "directory")):
        name = PurePath(name).name or name  # its folder stands in the box of the file
    elif first.cue.startswith("code"):
        name = name.rpartition(":")[2]
    elif first.cue == "unseen":
        first = first.replace(new=None)  # why not takes many words
    text = "its stored value is missing" if first.cue == "value" else str(first.replace(name=name, where=""))
    return text + more, False


def told(reasons: Mapping[str, Sequence[Reason]]) -> tuple[dict[str, str], set[str]]:
    """Per call its cause in few words, and which calls have theirs in other calls."""
    found = {call: why(each) for call, each in reasons.items()}
    return {call: text for call, (text, _) in found.items()}, {call for call, (_, far) in found.items() if far}


HAPPENED = {  # to a file, by the cue of the reason
    "file": "changed", "file gone": "gone", "file new": "new", "directory": "changed", "directory gone": "gone",
    "pattern": "changed",
}  # fmt: skip


def changes(reasons: Mapping[str, Sequence[Reason]]) -> dict[str, str]:
    """The files that are not as they were, with what happened to them."""
    return {r.name: HAPPENED[r.cue] for each in reasons.values() for r in each if r.cue in HAPPENED}


# ---------------------------------------------------------------- a call


def name_of(node_id: str, node: Mapping[str, Any], labels: str) -> str:
    """The function's name; its module before it if all is wanted."""
    name = str(node.get("fname") or node_id)
    return shorten(clean(f"{node.get('module') or ''}.{name}".lstrip(".") if labels == "full" else name), LONGEST)


def in_order(nodes: Nodes) -> list[str]:
    """The calls as people would list them: by function, then by argument, 2 before 10."""
    said = {i: " ".join(map(str, (node.get("label") or {}).values())) for i, node in nodes.items()}
    return sorted(nodes, key=lambda i: (str(nodes[i].get("fname")), natural(said[i][:200]), i))


def _argument(text: object) -> str:
    """The telling part of an argument: of a path its last part, and all of what is no path."""
    plain = clean(text).strip("'\"") or "''"
    return PurePath(plain).name or plain if "/" in plain and not set(plain) & set(" \\") else plain


_MANY = re.compile(r"(?:list|tuple|set|frozenset|dict) of (\d+)$")


def _listed(text: str, files: list[str]) -> str:
    """A list of files by how many there are, and their folder; files: those that no other argument names."""
    many = _MANY.match(text)
    named = {name for path in files for name in (path, PurePath(path).name)}
    first = re.match(r"(?:set\(|frozenset\()?[\[({]'?(.+?)'?(?:, |[\])}…]|$)", text)
    is_listed = many and int(many[1]) == len(files)
    if is_listed or (first and len(files) > 1 and {first[1], PurePath(first[1]).name} & named):
        return files_of(files)
    return ""


def _words(view: View, node_id: str, label: Mapping[str, Any]) -> list[str]:
    """What arguments say, each in a few words."""
    plain = [str(value).strip("'\"") for value in label.values()]
    files = read_by(view.nodes[node_id], view.outputs.get(node_id, ()))
    rest = [path for path in files if not any(each and path.endswith(each) for each in plain)]
    return [(rest and _listed(str(value), rest)) or _argument(value) for value in label.values()]


def _telling(view: View, node_id: str, source: Collection[str]) -> list[str]:
    """The arguments that no arrow of the drawing shows; if arrows show all, where the data come from, or the short."""
    node = view.nodes[node_id]
    label = node.get("label") or {}
    shown = {re.split(r"[\[.]", str(name))[0] for name in node.get("inputs") or ()}
    rest = _words(view, node_id, {k: v for k, v in label.items() if k not in shown})
    if rest or not label:
        return rest
    return _from(source) or [word for word in _words(view, node_id, label) if cells(word) < WIDE]


def _from(source: Collection[str]) -> list[str]:
    return [f"of {files_of(source)}"] if source else []


def arguments(view: View, ids: Sequence[str]) -> dict[str, list[str]]:
    """The arguments of calls in lines of few words, whatever others look like."""
    if view.labels == "name":
        return {i: [] for i in ids}
    if view.labels == "full":
        labels = {i: view.nodes[i].get("label") or {} for i in ids}
        return {i: packed([clean(f"{k}={v}") for k, v in label.items()], 6) for i, label in labels.items()}
    sources = origins(view.nodes, view.outputs, ids)
    return {i: packed(_telling(view, i, sources[i]), ARGUMENT_LINES) for i in ids}


def told_apart(view: View) -> dict[str, list[str]]:
    """The arguments of all calls; where two would look alike, with more words, or else a number."""
    found = arguments(view, list(view.nodes))
    if view.labels != "short":
        return found
    alike = _alike(view.nodes, found)
    sources = origins(view.nodes, view.outputs, alike)
    words = {i: list(dict.fromkeys([*_telling(view, i, sources[i]), *_from(sources[i])])) for i in alike}
    found |= {i: packed(each, ARGUMENT_LINES) for i, each in words.items()}
    for ids in _twins(view.nodes, found):
        labels = {i: map(clean, (view.nodes[i].get("label") or {}).values()) for i in ids}
        whole = {i: packed(list(dict.fromkeys([*words.get(i, ()), *labels[i]])), ARGUMENT_LINES) for i in ids}
        if len(set(map(tuple, whole.values()))) == len(ids):
            found |= whole
        else:
            found |= {i: [*found[i][: ARGUMENT_LINES - 1], f"{n:,} of {len(ids):,}"] for n, i in enumerate(ids, 1)}
    return found


def _twins(nodes: Nodes, texts: Mapping[str, list[str]]) -> list[list[str]]:
    """The calls that look alike, by their looks, those that ran first first."""
    found: dict[tuple[str, ...], list[str]] = {}
    for i in sorted(_alike(nodes, texts), key=lambda i: (nodes[i].get("created") or 0.0, i)):
        found.setdefault((str(nodes[i].get("fname")), *texts[i]), []).append(i)
    return list(found.values())


def _alike(nodes: Nodes, texts: Mapping[str, list[str]]) -> list[str]:
    seen = {i: (str(nodes[i].get("fname")), *texts[i]) for i in nodes}
    often = Counter(seen.values())
    return [i for i, look in seen.items() if often[look] > 1]


def reason_lines(view: View, node_id: str) -> list[str]:
    """Why a call is not fresh."""
    text = clean(view.reasons.get(node_id, "")) if view.state(node_id) != FRESH else ""
    return headed(text, REASON_LINES, WIDE + 2) if text else []


def cost(view: View, ids: Iterable[str]) -> str:
    """Time and size, as far as they are wanted and known: of several calls in all."""
    ids = list(ids)
    spans = [float(span) for i in ids if (span := view.nodes[i].get("elapsed")) is not None]
    sizes = [view.sizes[i] for i in ids if i in view.sizes]
    parts = [humanize.span(sum(spans))] if "time" in view.extras and spans else []
    parts += [humanize.size(sum(sizes))] if "size" in view.extras and sizes else []
    return " · ".join(parts)


# ---------------------------------------------------------------- several


def title(view: View, level: str, groups: int) -> str:
    """What the drawing holds, in one line."""
    if not view.nodes:
        return "No cached call to draw"
    calls = humanize.count(len(view.nodes), "call")
    if level in ("function", "module"):
        calls += f" of {humanize.count(groups, level)}"
    if level == "file":
        calls += " with files"
    files = len({path for _, path in file_edges(view.nodes)})
    states = counts(view, view.nodes) or (["all fresh"] if view.states else [])
    unchecked = [view.unchecked] if view.unchecked else []
    return " · ".join([calls, *([humanize.count(files, "file")] if files else []), *states, *unchecked])


def counts(view: View, ids: Iterable[str]) -> list[str]:
    """How many are stale, how many missing, and how many unknown."""
    found = Counter(view.state(i) for i in ids)
    stale = found[STALE] + found[AFTER]
    told = (stale, STALE), (found[MISSING], MISSING), (found[UNKNOWN], UNKNOWN)
    return [f"{count:,} {word}" for count, word in told if count]


def extent(texts: Mapping[str, list[str]], ids: Sequence[str]) -> str:
    """The first and the last of a group's arguments, as far as these differ."""
    first, last = (" ".join(texts[i]).split(", ") for i in (ids[0], ids[-1]))
    if len(first) == len(last):
        first, last = (
            [a for a, b in zip(mine, other, strict=True) if a != b] for mine, other in ((first, last), (last, first))
        )
    a, b = ", ".join(first), ", ".join(last)
    whole = not set(a + b) & set("[](){}")  # part of a list tells nothing
    if not (whole and a and b and max(cells(a), cells(b)) <= WIDE // 2):
        return ""
    return f"{a} … {b.removeprefix('of ') if a.startswith('of ') else b}"


def tails(paths: Iterable[str]) -> dict[str, tuple[str, str]]:
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
