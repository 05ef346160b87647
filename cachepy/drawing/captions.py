"""What the boxes of a drawing say: names, arguments, time and size, reasons, in few words.

Also the `View`: what is known of a graph, and how much of it is to be told.  Pure Python; imports only export.py, for
the edges, and amounts.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from cachepy.export import Nodes, file_edges
from cachepy.values import amounts

if TYPE_CHECKING:
    from cachepy.model import Reason

LABELS = ("short", "full", "name")
EXTRAS = ("time", "size")
FRESH, STALE, AFTER, MISSING, UNKNOWN = "fresh", "stale", "after", "missing", "unknown"
FILE, PILE = "file", "files"
UNCHECKED = "not checked for changes"
WIDE, LONGEST = 30, 150  # characters in a line of a box, and of a name
LINKS = ("call", "input")  # cues that only name another call


@dataclass(frozen=True)
class View:
    """What is known of the graph, and how the caller of the drawing wants it told.

    ``through``: stale calls that are so only because of others.  ``sizes``: bytes of stored values.
    ``unchecked``: what was not looked at, so that it may have changed.
    """

    nodes: Nodes
    states: Mapping[str, str]
    reasons: Mapping[str, str]
    labels: str = "short"
    extras: Collection[str] = ()
    through: Collection[str] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    unchecked: str = ""

    def state(self, node_id: str) -> str:
        """Fresh, stale (with a cause of its own), after (stale because of others), missing, or unknown."""
        known = self.states.get(node_id)
        if known == STALE and node_id in self.through:
            return AFTER
        return known if known in (STALE, MISSING, UNKNOWN) else FRESH


# ---------------------------------------------------------------- letters


def clean(text: object) -> str:
    """One line without control characters: what a font can draw."""
    return "".join(c if c.isprintable() else " " for c in " ".join(str(text).split()))


def shorten(text: str, most: int) -> str:
    """Cut out the middle: the ends of names and paths tell more."""
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


def packed(words: Sequence[str], most: int = 2, wide: int = WIDE) -> list[str]:
    """Words with commas in at most this many lines; how many more there are, if they do not fit."""
    lines: list[str] = []
    for i, word in enumerate(words):
        text = shorten(word, wide - 1) + ("," if i + 1 < len(words) else "")
        if lines and len(lines[-1]) + 1 + len(text) <= wide:
            lines[-1] += f" {text}"
        elif len(lines) < most:
            lines.append(text)
        else:
            more = f" +{len(words) - i} more"
            lines[-1] = shorten(lines[-1].rstrip(","), wide - len(more)) + more
            break
    return lines


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """A key that sorts 2 before 10: runs of digits by value, however long they are."""
    parts = re.split(r"(\d+)", text)
    return tuple((len(part.lstrip("0")) if i % 2 else 0, part) for i, part in enumerate(parts))


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
    """The telling part of an argument: of a path its last part."""
    plain = clean(text).strip("'\"") or "''"
    return PurePath(plain).name or plain if "/" in plain and " " not in plain else plain


def _telling(node: Mapping[str, Any]) -> list[str]:
    """The arguments that no arrow of the drawing shows; the short ones, if arrows show all."""
    label = node.get("label") or {}
    shown = {re.split(r"[\[.]", str(name))[0] for name in node.get("inputs") or ()}
    rest = [_argument(v) for k, v in label.items() if k not in shown]
    return rest or [word for v in label.values() if len(word := _argument(v)) < WIDE]


def arguments(view: View) -> dict[str, list[str]]:
    """Per call its arguments in lines of few words; more words, then the key, where two calls would look alike."""
    if view.labels == "name":
        return {i: [] for i in view.nodes}
    if view.labels == "full":
        labels = {i: node.get("label") or {} for i, node in view.nodes.items()}
        return {i: packed([clean(f"{k}={v}") for k, v in label.items()], 6) for i, label in labels.items()}
    found = {i: packed(_telling(node)) for i, node in view.nodes.items()}
    for more in (_argument, clean):
        for node_id in _alike(view.nodes, found):
            found[node_id] = packed([more(v) for v in (view.nodes[node_id].get("label") or {}).values()])
    for node_id in _alike(view.nodes, found):
        key = str(view.nodes[node_id].get("hash") or node_id.rpartition(":")[2])
        found[node_id] = [*found[node_id][:1], f"#{clean(key)[:6]}"]
    return found


def _alike(nodes: Nodes, texts: Mapping[str, list[str]]) -> list[str]:
    seen = {i: (node.get("fname"), *texts[i]) for i, node in nodes.items()}
    often = Counter(seen.values())
    return [i for i, look in seen.items() if often[look] > 1]


def reason_lines(view: View, node_id: str) -> list[str]:
    """Why a call is not fresh."""
    text = clean(view.reasons.get(node_id, "")) if view.state(node_id) != FRESH else ""
    return textwrap.wrap(text, WIDE + 2, max_lines=2, placeholder=" …")


def cost(view: View, ids: Iterable[str]) -> str:
    """Time and size, as far as they are wanted and known: of several calls in all."""
    ids = list(ids)
    spans = [float(span) for i in ids if (span := view.nodes[i].get("elapsed")) is not None]
    sizes = [view.sizes[i] for i in ids if i in view.sizes]
    parts = [amounts.span(sum(spans))] if "time" in view.extras and spans else []
    parts += [amounts.size(sum(sizes))] if "size" in view.extras and sizes else []
    return " · ".join(parts)


# ---------------------------------------------------------------- several


def title(view: View, level: str, groups: int) -> str:
    """What the drawing holds, in one line."""
    if not view.nodes:
        return "No cached call to draw"
    calls = amounts.count(len(view.nodes), "call")
    if level in ("function", "module"):
        calls += f" of {amounts.count(groups, level)}"
    if level == "file":
        calls += " with files"
    files = len({path for _, path in file_edges(view.nodes)})
    states = counts(view, view.nodes) or (["all fresh"] if view.states else [])
    unchecked = [view.unchecked] if view.unchecked else []
    return " · ".join([calls, *([amounts.count(files, "file")] if files else []), *states, *unchecked])


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
    return f"{a} … {b}" if whole and a and b and max(len(a), len(b)) <= WIDE // 2 else ""


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
