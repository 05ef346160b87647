"""Where the data of a call come from: files in few words, and the files behind calls whose arguments tell nothing.

Pure Python; imports letters.py, and export.py for the edges.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from cachepy.views.exports import Nodes, call_edges
from cachepy.views.letters import clean, natural

MOST_SOURCES = 200  # a call that goes back to more files is told by its arguments
MOST_NAMED = 2


def files_of(paths: Collection[str]) -> str:
    """Files in few words: names, or how many of which folder."""
    if len(paths) <= MOST_NAMED:
        return ", ".join(clean(PurePath(path).name or path) for path in sorted(paths, key=natural))
    folder = common_folder(paths)
    return f"{len(paths):,} files" + (f" of {clean(folder)}" if folder else "")


def common_folder(paths: Iterable[str]) -> str:
    """The name of the innermost folder that holds them all, with a slash; empty if there is none."""
    try:
        folder = os.path.commonpath([os.path.dirname(path) for path in paths])
    except ValueError:  # absolute and relative ones
        return ""
    name = PurePath(folder).name
    return f"{name}/" if name else ""


def read_by(node: Mapping[str, Any], written: Collection[str] = ()) -> list[str]:
    """The files that a call read, and did not write itself."""
    return [path for path in map(str, node.get("files") or ()) if path not in written]


def origins(nodes: Nodes, outputs: Mapping[str, Collection[str]], wanted: Iterable[str]) -> dict[str, frozenset[str]]:
    """The files that the data of calls come from; none if there are too many to tell anything."""
    givers: dict[str, list[str]] = {i: [] for i in nodes}
    for caller, call in call_edges(nodes):
        givers[caller].append(call)
    for i, node in nodes.items():
        givers[i] += [giver for giver in (node.get("inputs") or {}).values() if giver in nodes]
    made = {path for paths in outputs.values() for path in paths}
    found: dict[str, frozenset[str]] = {}
    many: set[str] = set()
    for i in _from_the_ends(givers, wanted):
        before = {giver for giver in givers[i] if giver in found}  # in a circle, one has to go first
        parts = [found[giver] for giver in before]
        own = frozenset(read_by(nodes[i], made))
        found[i] = parts[0] if len(parts) == 1 and not own else own.union(*parts)
        if len(found[i]) > MOST_SOURCES or not many.isdisjoint(before):
            many.add(i)
            found[i] = frozenset()
    return found


def _from_the_ends(givers: Mapping[str, Sequence[str]], wanted: Iterable[str]) -> list[str]:
    """These calls and what they depend on, every one after those that it depends on."""
    order: list[str] = []
    met: set[str] = set()
    for start in wanted:
        stack = [] if start in met else [(start, iter(givers[start]))]
        met.add(start)
        while stack:
            call, rest = stack[-1]
            giver = next((each for each in rest if each not in met), None)
            if giver is None:
                order.append(call)
                stack.pop()
            else:
                met.add(giver)
                stack.append((giver, iter(givers[giver])))
    return order
