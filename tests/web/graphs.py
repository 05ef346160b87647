"""Graphs made up for the page: plain nodes, as ``cache_tree_nodes()`` gives them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from cachepy.core.reasons import Reason

Nodes = dict[str, dict[str, Any]]


def add(nodes: Nodes, fname: str, **more: Any) -> str:
    key = f"{len(nodes):032x}"
    call = f"{fname}:{key}"
    nodes[call] = {
        "id": call, "fname": fname, "module": "jobs", "hash": key, "parents": [], "children": [], "files": [],
        "file_hashes": {}, "outfile": Path("/cache/entries") / key, "created": 1.7e9, "elapsed": 0.25, "inputs": {},
        "label": {},
    } | more  # fmt: skip
    return call


def read(nodes: Nodes, path: str) -> str:
    return add(nodes, "load", files=[Path(path)], file_hashes={path: "ab" * 16}, label={"path": repr(path)})


def pipeline() -> tuple[Nodes, dict[str, Any]]:
    """report calls merge; load 1 and 2 give to merge; one load is stale, so is what takes it; a lone call is missing."""
    nodes: Nodes = {}
    first, second = read(nodes, "/data/01.csv"), read(nodes, "/data/02.csv")
    merge = add(nodes, "merge", inputs={"a": first, "b": second}, label={"a": "Frame 3×2", "b": "Frame 4×2", "n": "7"})
    add(nodes, "report", children=[merge], label={"year": "2013"})
    alone = add(nodes, "alone")
    code = Reason("code", "jobs:merge", "x", "y", where="jobs.py:12", diff="-    return a\n+    return a + b")
    stale = {
        first: {"state": "stale", "reasons": [Reason("file", "/data/01.csv", "a", "b")]},
        merge: {"state": "stale", "reasons": [code, Reason("input", "load('/data/01.csv')", first, None)]},
        alone: {"state": "missing", "reasons": [Reason("value", "alone()", alone, None)]},
    }
    return nodes, stale


def many(count: int, functions: int = 9, seed: int = 1) -> Nodes:
    """Calls of several functions: files at the bottom, results taken from below, some calls, one report."""
    dice, nodes = random.Random(seed), {}
    below = [read(nodes, f"/data/raw/{i:05}.csv") for i in range(count * 2 // 5)]
    while len(nodes) < count - 1:
        name = f"step_{(len(nodes) - count * 2 // 5) * functions // count}"
        inputs = {"frame": dice.choice(below[-count // 3 :])}
        children = dice.sample(below[-40:], 2) if len(below) > 40 and dice.random() < 0.3 else []
        label = {"frame": f"DataFrame {dice.randint(10, 9999)}×7", "k": str(dice.randint(0, 9))}
        below.append(add(nodes, name, inputs=inputs, children=children, label=label))
    add(nodes, "report", children=below[-20:])
    return nodes


def scattered(seed: int) -> tuple[Nodes, dict[str, Any]]:
    """All sizes, long and strange names, cycles."""
    dice, nodes = random.Random(seed), {}
    names = ["load", "x" * 45, "größe", "読み込み", "a_rather_long_name_of_many_parts", "f", "b" * 3000]
    for _ in range(dice.choice([1, 3, 12, 60, 118])):
        known = list(nodes)[-12:]
        paths = [f"/d{dice.randint(0, 3)}/{dice.randint(0, 15)}.csv" for _ in range(dice.choice([0, 0, 1, 3]))]
        add(
            nodes, dice.choice(names), label={"a": "y" * dice.choice([0, 3, 60, 5000])},
            children=dice.sample(known, min(len(known), dice.choice([0, 0, 1, 2]))),
            inputs={"a": dice.choice(known)} if known and dice.random() < 0.4 else {},
            files=[Path(p) for p in paths], file_hashes=dict.fromkeys(paths),
        )  # fmt: skip
    first, last = next(iter(nodes)), next(reversed(nodes))
    nodes[last]["inputs"], nodes[first]["inputs"] = {"c": first}, {"c": last}
    states = {call: dice.choice(["fresh", "stale", "missing"]) for call in nodes}
    return nodes, {
        call: {"state": state, "reasons": [Reason("file", f"/d1/{'z' * dice.randint(1, 90)}.csv", "a", "b")]}
        for call, state in states.items() if state != "fresh"
    }  # fmt: skip
