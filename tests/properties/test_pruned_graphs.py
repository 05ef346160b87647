"""Random graphs of Dask tasks between edits: pruned they give the values and the graph of plain calls, and run no more.

The same plan is made by plain calls in one cache directory, and by `prune` in another; files are edited and entries are
lost in both.  Bodies that ran are counted.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import dask
import numpy as np
from budgets import budget
from hypothesis import given
from hypothesis import strategies as st

from cachepy import cache_tree_nodes
from cachepy.session import Session, use_session
from dask_plugin import delayed, prune

TEXT = '''
from pathlib import Path
import numpy as np
from cachepy import cache_file

cached = cache_file(ROOT, warn_cheap=False, ignore_globals=["RAN"])

@cached
def read(n):
    RAN.append("read")
    return len(Path(HOME, f"{n}.txt").read_text()) * 1000 + n

@cached
def big(n):
    RAN.append("big")
    return np.arange(3000) + len(Path(HOME, f"{n}.txt").read_text())

@cached
def texts(parts, *, more=()):
    RAN.append("texts")
    return [f"{total(parts)} {total(more)} {n}" * 40 for n in range(200)]

@cached
def spread(*parts, **more):
    RAN.append("spread")
    return {"sum": np.full(4000, total(parts)), "more": [total(more)] * 5000}

@cached
def short(parts, more=None):
    RAN.append("short")
    return total([parts, more]) % 997

@cached
def same(parts):
    RAN.append("same")
    return parts

def plain(parts, more=()):
    return [parts, more]

def total(value):
    if isinstance(value, dict):
        return sum(len(key) * total(each) for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return sum((at + 1) * total(each) for at, each in enumerate(value)) % 100_003
    if isinstance(value, np.ndarray):
        return int(value.sum())
    return len(value) if isinstance(value, str) else value or 0
'''
SOURCES, TAKERS = ("read", "big"), ("texts", "spread", "short", "same", "plain")


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    count = draw(st.integers(2, 9))
    rows = []
    for at in range(count):
        earlier = st.integers(0, at - 1) if at else st.nothing()
        if not at or draw(st.integers(0, 3)) == 0:
            rows.append((draw(st.sampled_from(SOURCES)), draw(st.integers(0, 2)), None))
            continue
        parts = st.recursive(earlier.map(Part), lambda p: st.lists(p, max_size=3) | st.lists(p, max_size=2).map(tuple)
                             | st.dictionaries(st.sampled_from("xyz"), p, max_size=2), max_leaves=4)  # fmt: skip
        name = draw(st.sampled_from(TAKERS))
        rows.append((name, draw(parts), None if name == "same" else draw(st.none() | parts)))
    edits = st.one_of(
        st.tuples(st.just("file"), st.integers(0, 2), st.integers(1, 5)),
        st.tuples(st.just("lose"), st.integers(0, count - 1), st.just(0)),
    )
    wanted = st.lists(st.integers(0, count - 1), min_size=1, max_size=2, unique=True)
    steps = draw(st.lists(st.tuples(st.lists(edits, max_size=2), wanted), min_size=2, max_size=3))
    return {"rows": rows, "steps": steps}


class Part:
    """The result of an earlier row."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __repr__(self) -> str:
        return f"Part({self.at})"


def filled(tree: Any, made: list[Any]) -> Any:
    if isinstance(tree, Part):
        return made[tree.at]
    if isinstance(tree, dict):
        return {key: filled(each, made) for key, each in tree.items()}
    return type(tree)(filled(each, made) for each in tree)


class Side:
    """The program in one cache directory."""

    def __init__(self, root: Path) -> None:
        self.ran: list[str] = []
        self.root = root
        self.module = ModuleType("pruned_program")
        vars(self.module).update(ROOT=str(root), HOME=str(root.parent), RAN=self.ran)
        exec(compile(TEXT, "pruned_program.py", "exec"), vars(self.module))

    def made(self, rows: list[Any], needed: set[int], wrap: Any) -> list[Any]:
        """What the rows give, by calls or lazily."""
        made: list[Any] = []
        for at, (name, parts, more) in enumerate(rows):
            fn = wrap(getattr(self.module, name))
            if at not in needed:
                made.append(None)
            elif name in SOURCES:
                made.append(fn(parts))
            else:
                given, rest = filled(parts, made), () if more is None else (filled(more, made),)
                made.append(fn(given, *rest, k=given) if name == "spread" else fn(given, **dict(zip(["more"], rest, strict=False))))
        return made

    def lose(self, name: str) -> None:
        for path in sorted(self.root.glob(f"entries/*/{name}-*"))[:1]:
            path.unlink()


def needed_by(rows: list[Any], wanted: list[int]) -> set[int]:
    found: set[int] = set()
    todo = list(wanted)
    while todo:
        at = todo.pop()
        if at not in found:
            found.add(at)
            todo += [part.at for part in _parts([*rows[at][1:]])]
    return found


def _parts(tree: Any) -> list[Part]:
    if isinstance(tree, Part):
        return [tree]
    if isinstance(tree, dict):
        tree = list(tree.values())
    return [part for each in tree for part in _parts(each)] if isinstance(tree, (list, tuple)) else []


def shown(value: Any) -> str:
    return repr(value.tolist()) if isinstance(value, np.ndarray) else (
        f"{type(value)}{[(key, shown(each)) for key, each in value.items()]}" if isinstance(value, dict)
        else f"{type(value)}{[shown(each) for each in value]}" if isinstance(value, (list, tuple)) else repr(value)
    )  # fmt: skip


def graph() -> dict[str, Any]:
    keep = "fname", "children", "parents", "inputs", "file_hashes"
    return {call: {part: node[part] for part in keep} for call, node in cache_tree_nodes().items()}


def without_handed(found: dict[str, Any], nodes: dict[str, Any]) -> dict[str, Any]:
    """Less the edges that plain calls cannot have: of short results, which tasks in the graph handed on."""
    for call, node in found.items():
        plain = nodes.get(call, node)["inputs"]
        more = {name: giver for name, giver in node["inputs"].items() if name not in plain}
        assert {giver for giver in more.values() if giver == call or giver not in found} == set()
        node["inputs"] = {name: giver for name, giver in node["inputs"].items() if name not in more}
    return found


@given(plans())
@budget(25, 1500)
def test_pruned_is_as_plain(plan: dict[str, Any]) -> None:
    rows = plan["rows"]
    with tempfile.TemporaryDirectory() as place, dask.config.set(scheduler="sync"):
        home = Path(place)
        files = [home / f"{n}.txt" for n in range(3)]
        for n, path in enumerate(files):
            path.write_text("a" * (n + 2))
        sides = Side(home / "plain"), Side(home / "pruned")
        for edits, wanted in plan["steps"]:
            for what, at, value in edits:
                if what == "file":
                    files[at].write_text("b" * value)
                elif rows[at][0] != "plain":
                    for side in sides:
                        side.lose(rows[at][0])
            check(rows, wanted, *sides)


def check(rows: list[Any], wanted: list[int], one: Side, other: Side) -> None:
    needed = needed_by(rows, wanted)
    for side in (one, other):
        side.ran.clear()
    with use_session(Session()):
        made = one.made(rows, needed, lambda fn: fn)
        values, nodes = [made[at] for at in wanted], graph()
    with use_session(Session()):
        lazy = other.made(rows, needed, delayed)
        given = [lazy[at] for at in wanted]
        assert [shown(v) for v in dask.compute(*prune(*given))] == [shown(v) for v in values]
        found = without_handed(graph(), nodes)
        assert {call: (found.get(call), node) for call, node in nodes.items() if found.get(call) != node} == {}
        assert found.keys() == nodes.keys()
        assert sorted(other.ran) == sorted(one.ran)
    if not one.ran:
        return
    with use_session(Session()):  # all are hits now
        other.ran.clear()
        again = other.made(rows, needed, delayed)
        assert [shown(again[at].compute(prune=True)) for at in wanted] == [shown(v) for v in values]
        assert not other.ran
