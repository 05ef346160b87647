"""Folding: the same graph from the same events, in any order, again and again, one by one or from files."""

from __future__ import annotations

import itertools
import os
import tempfile
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cachepy.core.model import CALL, FILE, INDIRECT_CALL, Dep, Event, Trace
from cachepy.graph.graph import Graph
from cachepy.store import journal
from cachepy.store.codec import pack

NAMES = "abcd"
KEYS = {name: name * 32 for name in NAMES}
IDS = [f"f:{KEYS[name]}" for name in NAMES]
FILES = ["x.csv", "/data/x.csv", "/data/../data/x.csv", "y.csv", "odd\nname"]
RESULTS = ["", "r1", "r2", "r3"]


@st.composite
def events(draw: st.DrawFn) -> Event:
    key = KEYS[draw(st.sampled_from(NAMES))]
    below = draw(st.lists(st.sampled_from([i for i in IDS if i != f"f:{key}"]), unique=True, max_size=3))
    files = draw(st.lists(st.sampled_from(FILES), unique=True, max_size=2))
    deps = [Dep(FILE, name, draw(st.sampled_from([None, "d1", "d2"]))) for name in files]
    args = draw(st.dictionaries(st.sampled_from("pq"), st.sampled_from(RESULTS[1:]), max_size=2))
    created = draw(st.integers(1, 3))
    return Event(
        f"f:{key}", "f", "m", "f", key, draw(st.sampled_from(["run1", "run2", "run3"])),
        Trace(tuple(deps), tuple(Dep(CALL, i, "e") for i in below), draw(st.sampled_from(RESULTS))), args, {"a": "1"},
        "/root", None, draw(st.sampled_from(["/data", "/other"])), float(created), 0.5,
        float(created + draw(st.integers(0, 2))), "host",
    )  # fmt: skip


def one_of_a_kind(found: list[Event]) -> list[Event]:
    """No two different events with one rank, which nothing real makes."""
    return list({(e.id, e.seen, e.created, e.run): e for e in found}.values())


LISTS = st.lists(events(), max_size=7).map(one_of_a_kind)


def shown(graph: Graph) -> Any:
    """All that can be asked."""
    nodes = graph.nodes()
    return (
        nodes, graph.files(), graph.summary(), graph.history({}), graph.events(), sorted(graph.snapshot()),
        {path: graph.for_file(path) for path in ("/data/x.csv", "/other/x.csv", "/data/y.csv")},
        {call: (graph.parents_of(call), graph.run_of(call), graph.node(call)) for call in IDS},
        {digest: sorted(e.id for e in graph.with_result(digest)) for digest in RESULTS[1:]},
        graph.changed(lambda path: "d1" if "x" in path else None),
    )  # fmt: skip


def folded(found: list[Event], *, asked: bool = False) -> Graph:
    graph = Graph()
    for event in found:
        graph.apply(event)
        if asked:
            shown(graph)
    return graph


def merged(graph: Graph, found: list[Event], *, packed: bool = True) -> Graph:
    """Folded in from a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "graph.pkl")
        if packed:
            journal.write_packed(path, map(pack, found))
        else:
            journal.write(path, [event.wire() for event in found])
        taken, damaged = graph.merge(path)
    assert (taken, damaged) == (len(found), False)
    return graph


@settings(deadline=None)
@given(LISTS, st.randoms(use_true_random=False), st.integers(0, 7))
def test_order_and_repetition_do_not_matter(found: list[Event], random: Any, at: int) -> None:
    want = shown(folded(found))
    again = [*found, *found]
    random.shuffle(again)
    assert shown(folded(again)) == want
    assert shown(folded(again, asked=True)) == want
    assert shown(merged(Graph(), again)) == want
    assert shown(merged(Graph(), again, packed=False)) == want
    half = folded(again[:at], asked=True)
    assert shown(merged(merged(half, again[at:]), found)) == want
    assert shown(merged(folded(again[:at]), again)) == want


def test_what_a_caller_makes_no_more() -> None:
    """The runs that left it out may be told of in any order; one without an edge to it makes it, too."""
    below, caller = (f"f:{KEYS[name]}" for name in "ab")

    def event(call: str, seen: float, calls: tuple[str, ...], kind: str = CALL) -> Event:
        trace = Trace((), tuple(Dep(kind, each, "e") for each in calls), "r1")
        return Event(call, "f", "m", "f", call[2:], "run", trace, {}, {}, "/root", None, "/", seen, 0.5, seen, "host")

    runs = [event(caller, 2.0, (below,)), event(caller, 3.0, ()), event(caller, 5.0, ())]
    for order in itertools.permutations(runs):
        assert folded([event(below, 1.0, ()), *order]).history({}) == {below}
        assert folded([event(below, 4.0, ()), *order]).history({}) == set()  # somebody has met it since
        again = event(caller, 6.0, (below,), INDIRECT_CALL)
        assert folded([event(below, 1.0, ()), again, *order]).history({}) == set()


@settings(deadline=None)
@given(LISTS)
def test_the_later_seen_wins(found: list[Event]) -> None:
    """What a graph shows, told in another way."""
    graph, calls = folded(found), {e.id: e for e in sorted(found, key=lambda e: (e.seen, e.created, e.run))}
    nodes = graph.nodes()
    assert {call: graph.event(call) for call in calls} == calls
    assert nodes.keys() == calls.keys()
    for call, node in nodes.items():
        below = {c.name for c in calls[call].trace.calls}
        assert node["children"] == sorted(below & calls.keys())
        assert node["parents"] == sorted(c for c, e in calls.items() if call in {d.name for d in e.trace.calls})
        files = {os.path.normpath(os.path.join(calls[call].cwd, d.name)): d.digest for d in calls[call].trace.deps}
        assert node["file_hashes"] == files
        for name, producer in node["inputs"].items():
            assert calls[producer].trace.result == calls[call].args[name]
    assert graph.files() == {
        path: sorted(call for call in nodes if path in nodes[call]["file_hashes"])
        for path in sorted({path for node in nodes.values() for path in node["file_hashes"]})
    }
    summary = graph.summary()
    assert summary["edges"] == sum(len(n["children"]) for n in nodes.values())
    assert summary["flows"] == sum(len(n["inputs"]) for n in nodes.values())
    assert summary["roots"] == sorted(call for call, n in nodes.items() if not n["parents"])


@settings(deadline=None)
@given(LISTS)
def test_saved_and_loaded(found: list[Event]) -> None:
    graph = folded(found)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "saved")
        graph.save(path)
        other = folded(found[:2])
        other.load(path)
    assert other.nodes().keys() == graph.nodes().keys()
    assert other.events() == graph.events()
    assert other.files() == graph.files()
