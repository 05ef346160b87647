r"""The data of the page: the graph, its reasons and its causes as small lists in JSON that is safe inside HTML.

``page_parts/model.js`` has the other half of this.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from cachepy.core.reasons import Reason
    from cachepy.staleness.causes import Cause
    from cachepy.views.exports import Nodes

# whys: a call's reasons in few words, as in plots; sources: what cannot be compared
TABLES = ("functions", "files", "folders", "reasons", "whys", "sources")
STATES = {"fresh": 0, "stale": 1, "missing": 2, "unknown": 3}
AFTER = 5  # stale because of another; 4 is a file
MOST_REASONS = 12  # of one call: behind them, a call with 10,000 stale inputs says the same again and again
MOST_CAUSES = 100  # in the list; behind them, it says how many more there are
JOINERS = "\u200c\u200d"  # invisible, but part of how emoji and some scripts are written


def as_json(value: Any) -> str:
    """JSON that HTML and JavaScript leave alone: ASCII only, and nothing that could end or begin a tag."""
    import json

    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def shown(text: object, keep: str = "") -> str:
    r"""Text as people can see it: control characters, lone surrogates and invisible ones as ``\x07``.

    >>> print(shown("a\nb\0\u202e"), shown("a\nb", keep="\n"))
    a\nb\x00\u202e a
    b
    """
    plain = str(text)
    if plain.isprintable():
        return plain
    return "".join(c if c.isprintable() or c in keep or c in JOINERS else ascii(c)[1:-1] for c in plain)


class Packer:
    """The graph as small lists: what many calls share is written once, and goes by its number."""

    def __init__(self, nodes: Nodes, stale: Mapping[str, Any] | None) -> None:
        self._nodes = nodes
        self._stale = stale
        self._rank = ranks(nodes)
        by_function = sorted(nodes, key=lambda call: (str(nodes[call].get("fname")), self._rank[call]))
        self._number = {call: i for i, call in enumerate(by_function)}
        self._tables: dict[str, dict[Any, int]] = {name: {} for name in TABLES}

    def data(self) -> dict[str, Any]:
        """What the page reads."""
        from cachepy.views.exports import call_edges, flow_edges

        self._add_files()
        calls = [self._call(call, self._nodes[call]) for call in self._number]
        number, rank = self._number, self._rank
        edges = sorted(call_edges(self._nodes), key=lambda edge: (number[edge[0]], rank[edge[1]]))
        flows = sorted((number[a], number[b], shown(names)) for a, b, names in flow_edges(self._nodes))
        return {
            "asked": self._stale is not None,
            "calls": calls,
            "ranks": [rank[call] for call in number],
            "edges": [[number[a], number[b]] for a, b in edges],
            "flows": flows,
            "changed": self._changed(),
            **self._causes(),
            **{name: list(table) for name, table in self._tables.items()},
        }

    def _index(self, table: str, value: Any) -> int:
        known = self._tables[table]
        return known.setdefault(value, len(known))

    def _add_files(self) -> None:
        """Numbered in the order in which people list them."""
        from cachepy.views.letters import natural

        paths = {path for node in self._nodes.values() for path in _paths(node)}
        for path in sorted(paths, key=lambda path: (*map(natural, os.path.split(path)), path)):
            self._index("files", shown(path))

    def _call(self, call: str, node: Mapping[str, Any]) -> list[Any]:
        """One call; the order of the list is that of ``FIELDS`` in ``model.js``."""
        from cachepy.views.captions import why

        name, module = (shown(node.get(key) or "") for key in ("fname", "module"))
        found = (self._stale or {}).get(call) or {}
        reasons = list(found.get("reasons") or ())
        said, is_after = why(reasons)
        state = STATES.get(str(found.get("state")), 0)
        return [
            self._index("functions", (name or shown(call), module)),
            shown(node.get("hash") or call.rpartition(":")[2]),
            [[shown(key), shown(value)] for key, value in (node.get("label") or {}).items()],
            self._files(node),
            *(_number(node.get(key)) for key in ("created", "elapsed")),
            self._outfile(node.get("outfile")),
            AFTER if state == STATES["stale"] and is_after else state,
            [self._index("reasons", _reason(reason)) for reason in reasons[:MOST_REASONS]],
            len(reasons),
            shown(node.get("accepted") or ""),
            [self._index("sources", shown(name)) for name in node.get("unseen") or ()],
            self._index("whys", shown(said)),
        ]

    def _files(self, node: Mapping[str, Any]) -> list[Any]:
        digests = {str(path): digest for path, digest in (node.get("file_hashes") or {}).items()}
        return [[self._index("files", shown(p)), shown(digests.get(p) or "")] for p in sorted(_paths(node))]

    def _outfile(self, outfile: object) -> list[Any] | None:
        if not outfile:
            return None
        folder, name = os.path.split(shown(outfile))
        return [self._index("folders", folder), name]

    def _changed(self) -> list[Any]:
        """The files that changed since calls read them, each with how that is said, at length and in a word."""
        from cachepy.views.captions import HAPPENED

        found: dict[int, tuple[str, str]] = {}
        files = self._tables["files"]
        for each in (self._stale or {}).values():
            for reason in each.get("reasons") or ():
                at = files.get(shown(reason.name)) if reason.cue in HAPPENED else None
                if at is not None and at not in found:
                    found[at] = shown(reason.replace(call="", link="")), HAPPENED[reason.cue]
        return [[at, *said] for at, said in sorted(found.items())]

    def _causes(self) -> dict[str, Any]:
        """As ``cachepy status`` lists them: what reaches most calls first."""
        from cachepy.staleness.causes import causes, folded

        stale = {call: each for call, each in (self._stale or {}).items() if call in self._number}
        found = folded(causes({call: each.get("reasons") or () for call, each in stale.items()}), MOST_CAUSES)
        return {"causes": [self._cause(cause) for cause in found[:MOST_CAUSES]], "causesleft": len(found[MOST_CAUSES:])}

    def _cause(self, cause: Cause) -> list[Any]:
        """What changed, what that makes stale in words, the same as calls, the file if it is one, and the code."""
        from cachepy.views.captions import HAPPENED

        reason = cause.reason
        file = self._tables["files"].get(shown(reason.name), -1) if reason.cue in HAPPENED else -1
        calls = (runs(self._number[call] for call in each) for each in (cause.direct, cause.above))
        return [shown(cause.text), cause.reach, *calls, file, self._diff(cause)]

    def _diff(self, cause: Cause) -> str:
        """The changed lines; a cause has none of its own, as its calls may have seen several changes."""
        told = ((self._stale or {})[call].get("reasons") or () for call in cause.direct)
        same = (r for reasons in told for r in reasons if (r.cue, r.name) == (cause.reason.cue, cause.reason.name))
        return next((shown(reason.diff, keep="\n") for reason in same if reason.diff), "")


def ranks(nodes: Nodes) -> dict[str, int]:
    """The place of each call among all, by argument and then by function: 2 before 10, ``clean(load(2))`` beside both.

    >>> calls = {f"load:{i}": {"fname": "load", "label": {"path": f"{i}.csv"}} for i in (10, 2)}
    >>> taken = {f"clean:{i}": {"fname": "clean", "inputs": {"raw": f"load:{i}"}} for i in (2, 10)}
    >>> list(ranks(calls | taken))
    ['clean:2', 'load:2', 'clean:10', 'load:10']
    """
    from cachepy.views.letters import natural

    own = {call: natural(_said(node)) for call, node in nodes.items()}
    first = _origins(nodes)
    order = sorted(nodes, key=lambda call: (own[first[call]], own[call], str(nodes[call].get("fname")), call))
    return {call: i for i, call in enumerate(order)}


def _said(node: Mapping[str, Any]) -> str:
    """The arguments that no other call gave, as one text."""
    given = node.get("inputs") or {}
    return " ".join(str(text) for name, text in (node.get("label") or {}).items() if name not in given)[:200]


def _origins(nodes: Nodes) -> dict[str, str]:
    """From which call the first argument of each came in the end; calls in a circle have the one where it was met."""
    found: dict[str, str] = {}
    for call in nodes:
        way: dict[str, None] = {}
        at = call
        while at not in found and at not in way:
            way[at] = None
            at = _giver(nodes, at) or at
        found |= dict.fromkeys(way, found.get(at, at))
    return found


def _giver(nodes: Nodes, call: str) -> str | None:
    """The call that gave the first argument, if one did."""
    node = nodes[call]
    given = {name: giver for name, giver in (node.get("inputs") or {}).items() if giver in nodes}
    first = next(iter(node.get("label") or ()), None)
    return given.get(first) if first is not None else next((given[name] for name in sorted(given)), None)


def runs(numbers: Iterable[int]) -> list[int]:
    """Numbers as first, length, first, length, ...: calls of one function stand together.

    >>> runs([7, 3, 4, 5])
    [3, 3, 7, 1]
    """
    found: list[int] = []
    for number in sorted(set(numbers)):
        if found and found[-2] + found[-1] == number:
            found[-1] += 1
        else:
            found += [number, 1]
    return found


def _paths(node: Mapping[str, Any]) -> set[str]:
    return {*map(str, node.get("files") or ()), *map(str, node.get("file_hashes") or ())}


def _reason(reason: Reason) -> tuple[str, str]:
    """The sentence, and the changed lines of code."""
    return shown(reason), shown(reason.diff, keep="\n")


def _number(value: object) -> float | None:
    """A finite number, as JSON has no other."""
    import math

    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
