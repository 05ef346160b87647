"""Which box of a drawing stands in which layer, and in what order: short edges, few crossings.

The half of the layout that knows no sizes; layout.py turns it into positions.  Pure Python and
deterministic; imports nothing of cachepy.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Edge = tuple[str, str, str]  # left box, right box, kind

MAX_BENDS = 4000  # beyond it, long edges run straight: a drawing that large is not followed by eye
LARGE = 600  # from here on fewer sweeps, so that thousands of boxes take seconds


@dataclass
class Net:
    """Boxes and bends in layers.  A bend is where a long edge passes a layer; it has no size."""

    layers: list[list[str]]
    boxes: frozenset[str]
    left: dict[str, list[str]] = field(default_factory=dict)
    right: dict[str, list[str]] = field(default_factory=dict)

    def join(self, a: str, b: str) -> None:
        if b not in self.right.setdefault(a, []):
            self.right[a].append(b)
            self.left.setdefault(b, []).append(a)

    def is_bend(self, name: str) -> bool:
        return name not in self.boxes


def back_edges(names: Sequence[str], edges: Sequence[Edge]) -> set[int]:
    """Edges to turn round, so that no cycle is left: those that lead back in a depth-first walk."""
    out: dict[str, list[int]] = {name: [] for name in names}
    entered = {b for a, b, _ in edges if a != b}
    for i, (a, _, _) in enumerate(edges):
        out[a].append(i)
    back: set[int] = set()
    state: dict[str, int] = {}  # 1: on the way down, 2: done
    for start in [n for n in names if n not in entered] + list(names):
        if start not in state:
            _walk(start, edges, out, state, back)
    return back


def _walk(
    start: str, edges: Sequence[Edge], out: Mapping[str, list[int]], state: dict[str, int], back: set[int]
) -> None:
    state[start] = 1
    stack = [(start, iter(out[start]))]
    while stack:
        name, rest = stack[-1]
        i = next(rest, None)
        if i is None:
            state[name] = 2
            stack.pop()
        elif (target := edges[i][1]) not in state:
            state[target] = 1
            stack.append((target, iter(out[target])))
        elif state[target] == 1:
            back.add(i)


def _ranks(names: Sequence[str], edges: Sequence[tuple[str, str]], last: Iterable[str]) -> dict[str, int]:
    """Longest path from the left; then sources move right, next to what they lead to."""
    out: dict[str, list[str]] = {name: [] for name in names}
    waiting = dict.fromkeys(names, 0)
    for a, b in edges:
        if a != b:
            out[a].append(b)
            waiting[b] += 1
    sources = [n for n in names if not waiting[n]]
    rank = _longest_paths(sources, out, waiting)
    for name in sources:
        if out[name]:
            rank[name] = min(rank[b] for b in out[name]) - 1
    end = 1 + max((r for n, r in rank.items() if n not in last), default=-1)
    rank |= dict.fromkeys(last, end)
    used = {r: i for i, r in enumerate(sorted(set(rank.values())))}
    return {name: used[rank[name]] for name in names}


def _longest_paths(sources: Iterable[str], out: Mapping[str, list[str]], waiting: dict[str, int]) -> dict[str, int]:
    rank = dict.fromkeys(waiting, 0)
    ready = list(sources)
    for a in ready:  # grows while it is read
        for b in out[a]:
            rank[b] = max(rank[b], rank[a] + 1)
            waiting[b] -= 1
            if not waiting[b]:
                ready.append(b)
    return rank


def build_net(names: Iterable[str], edges: Sequence[Edge], last: Iterable[str]) -> tuple[Net, list[list[str]]]:
    """Layers of boxes and bends, and each edge's chain: its first box, its bends, its second box.

    Long edges of one box and kind share bends, so that they run as one line as far as they can.
    """
    rank = _ranks(list(names), [(a, b) for a, b, _ in edges], last)
    net = Net([[] for _ in range(1 + max(rank.values()))], frozenset(rank))
    for name in rank:
        net.layers[rank[name]].append(name)
    bends: dict[tuple[str, str, int], str] = {}
    chains = []
    for a, b, kind in edges:
        span = range(rank[a] + 1, rank[b])
        chain = [a, b]
        if len(bends) + len(span) < MAX_BENDS:
            chain[1:1] = [_bend(net, bends, (a, kind, layer)) for layer in span]
        chains.append(chain)
        for here, there in pairwise(chain):
            net.join(here, there)
    return net, chains


def _bend(net: Net, bends: dict[tuple[str, str, int], str], key: tuple[str, str, int]) -> str:
    if key not in bends:
        bends[key] = f"\0bend{len(bends)}"  # no box can have this name
        net.layers[key[2]].append(bends[key])
    return bends[key]


# ---------------------------------------------------------------- order within layers


def reduce_crossings(net: Net) -> None:
    """Sweep right and left, each layer ordered by where its neighbours are; keep the best seen."""
    _first_order(net)
    size = sum(map(len, net.layers))
    best, order = _crossings(net), [list(layer) for layer in net.layers]
    at = {name: (i + 0.5) / len(layer) for layer in net.layers for i, name in enumerate(layer)}
    for sweep in range(24 if size < LARGE else 4):
        if not best:
            break
        rightwards = sweep % 2 == 0
        for layer in net.layers[1:] if rightwards else net.layers[-2::-1]:
            _sort_by_neighbours(layer, net.left if rightwards else net.right, at)
        if size < LARGE:
            _swap_neighbours(net, at)
        if (count := _crossings(net)) < best:
            best, order = count, [list(layer) for layer in net.layers]
    net.layers[:] = order


def _first_order(net: Net) -> None:
    """The order of a depth-first walk: trees come out without any crossing."""
    met: dict[str, int] = {}
    for start in [n for layer in net.layers for n in layer]:
        stack = [start]
        while stack:
            name = stack.pop()
            if name not in met:
                met[name] = len(met)
                stack.extend(reversed(net.right.get(name, ())))
    for layer in net.layers:
        layer.sort(key=met.__getitem__)


def _sort_by_neighbours(layer: list[str], side: Mapping[str, list[str]], at: dict[str, float]) -> None:
    """Order by barycentre; names without neighbours on this side keep their places.

    ``at`` has relative heights, 0 to 1, because layers of unlike length may be joined.
    """
    means = {n: sum(at[m] for m in side[n]) / len(side[n]) for n in layer if side.get(n)}
    movable = iter(sorted(means, key=means.__getitem__))
    layer[:] = [next(movable) if name in means else name for name in layer]
    at.update((name, (i + 0.5) / len(layer)) for i, name in enumerate(layer))


def _crossings(net: Net) -> int:
    at = {name: i for layer in net.layers for i, name in enumerate(layer)}
    total = 0
    for layer in net.layers:
        ends: list[int] = []
        for name in layer:
            targets = [at[m] for m in net.right.get(name, ())]
            total += sum(len(ends) - bisect_right(ends, t) for t in targets)
            for t in targets:
                insort(ends, t)
    return total


def _swap_neighbours(net: Net, at: dict[str, float]) -> None:
    """Swap two that stand next to each other when that alone saves crossings."""
    for layer in net.layers:
        for i in range(len(layer) - 1):
            a, b = layer[i], layer[i + 1]
            gain = sum(
                _pair(side.get(a, ()), side.get(b, ()), at) - _pair(side.get(b, ()), side.get(a, ()), at)
                for side in (net.left, net.right)
            )
            if gain > 0:
                layer[i], layer[i + 1] = b, a
                at[a], at[b] = at[b], at[a]


def _pair(upper: Iterable[str], lower: Iterable[str], at: Mapping[str, float]) -> int:
    """Crossings between the edges of two names, the first standing above the second."""
    below = [at[m] for m in lower]
    return sum(at[m] > b for m in upper for b in below)
