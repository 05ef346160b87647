"""Which calls a graph joins: by digests of results, and by the files that calls wrote."""

from __future__ import annotations

from itertools import permutations

import pytest

from cachepy.core.model import CALL, FILE, OUTPUT, WRITTEN, Dep, Event, Trace
from cachepy.graph.graph import Graph


def call(name: str, created: float, *deps: Dep, calls: tuple[str, ...] = (), label: dict[str, str] | None = None) -> Event:
    key = name.encode().hex().rjust(32, "0")
    below = tuple(Dep(CALL, each, "1") for each in calls)
    return Event(
        f"{name}:{key}", name, "m", name, key, name.rjust(32, "0"), Trace(deps, below, f"result of {name}"), {},
        label or {}, "/cache", f"entries/{key[:2]}/{name}-{key}.entry", "/here", created, 0.1, created, "host",
    )  # fmt: skip


def read(path: str, digest: str = "1") -> tuple[Dep, ...]:
    return (Dep(FILE, path, digest),)


def wrote(path: str, digest: str = "1") -> tuple[Dep, ...]:
    """Surely: it was seen, and is a part of the effect."""
    return Dep(FILE, path, digest), Dep(OUTPUT, path, digest), Dep(WRITTEN, path, digest)


def perhaps(path: str, digest: str = "1") -> tuple[Dep, ...]:
    """By the clock only."""
    return Dep(FILE, path, digest), Dep(WRITTEN, path, digest)


def inputs(*events: Event) -> dict[str, dict[str, str]]:
    """The inputs of each call, which must not depend on the order in which the graph learns of them."""
    answers = []
    for order in permutations(events) if len(events) < 5 else [events, events[::-1]]:
        graph = Graph()
        graph.nodes()
        for event in order:
            graph.apply(event)
            graph.summary()  # the edges are kept up to date from here on
        found = {n["fname"]: {k: i.partition(":")[0] for k, i in n["inputs"].items()} for n in graph.nodes().values()}
        answers.append({name: edges for name, edges in found.items() if edges})
        readers = {e.fname: sorted(c.partition(":")[0] for c in graph.readers_of(e.id)) for e in events}
        back = {e.fname: sorted(n for n in found if e.fname in found[n].values()) for e in events}
        assert readers == back
    assert all(answer == answers[0] for answer in answers)
    return answers[0]


CASES = {
    "written, then read": ((call("w", 1, *wrote("a")), call("r", 2, *read("a"))), {"r": {"a": "w"}}),
    "read, then written": ((call("w", 2, *wrote("a", "2")), call("r", 1, *read("a"))), {"r": {"a": "w"}}),
    "read, then perhaps written": ((call("w", 2, *perhaps("a")), call("r", 1, *read("a"))), {}),
    "by one path and another": ((call("w", 1, *wrote("/here/a")), call("r", 2, *read("../here/./a"))), {"r": {"../here/./a": "w"}}),
    "nobody writes for itself": ((call("w", 1, *wrote("a")),), {}),
    "two wrote it: the last one before": (
        (call("v", 1, *wrote("a")), call("w", 2, *wrote("a")), call("x", 4, *wrote("a")), call("r", 3, *read("a"))),
        {"r": {"a": "w"}},
    ),
    "two wrote it: the one that left what was read": (
        (call("v", 1, *wrote("a", "1")), call("w", 2, *wrote("a", "2")), call("r", 3, *read("a", "1"))),
        {"r": {"a": "v"}},
    ),
    "one wrote it anew since": ((call("w", 1, *wrote("a", "2")), call("r", 2, *read("a", "1"))), {"r": {"a": "w"}}),
    "found there what another left": (
        (call("w", 1, *perhaps("a")), call("v", 2, *perhaps("a")), call("r", 3, *read("a"))),
        {"r": {"a": "w"}, "v": {"a": "w"}},
    ),
    "each writes what the other reads": (
        (call("v", 1, *wrote("a"), *read("b")), call("w", 2, *wrote("b"), *read("a"))),
        {"w": {"a": "v"}},
    ),
    "a ring of three": (
        (call("u", 1, *wrote("a"), *read("c")), call("v", 2, *wrote("b"), *read("a")), call("w", 3, *wrote("c"), *read("b"))),
        {"v": {"a": "u"}, "w": {"b": "v"}},
    ),
    "a folder that was written, a file in it": (
        (call("w", 1, *perhaps("d", "dir:1")), call("r", 2, *read("d/e/a"))),
        {"r": {"/here/d": "w"}},
    ),
    "files that were written, the folder": (
        (call("v", 1, *wrote("d/a")), call("w", 2, *wrote("d/e/b")), call("r", 3, *read("d", "dir:1"))),
        {"r": {"d/a": "v", "d/e/b": "w"}},
    ),
    "by the argument that names it": (
        (call("w", 1, *wrote("a")), call("r", 2, *read("a"), label={"x": "1", "path": "'a'"})),
        {"r": {"path": "w"}},
    ),
    "long names that a label cuts, by their order": (
        (
            call("v", 1, *wrote("/long" * 20 + "/a")),
            call("w", 2, *wrote("/long" * 20 + "/b")),
            call("r", 3, *read("/long" * 20 + "/a"), *read("/long" * 20 + "/b"), label=dict.fromkeys("pq", ("/long" * 20)[:59] + "…")),
        ),
        {"r": {"p": "v", "q": "w"}},
    ),
    "a caller has its edge already": (
        (call("w", 1, *wrote("a")), call("p", 2, *read("a"), calls=("w:" + b"w".hex().rjust(32, "0"),))),
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_who_wrote_what_a_call_read(case):
    events, expected = CASES[case]
    assert inputs(*events) == expected


def test_order_below_a_common_caller_counts_more_than_times():
    first, second, third = call("v", 3, *wrote("a")), call("w", 1, *wrote("a")), call("r", 2, *read("a"))
    parent = call("p", 4, calls=(second.id, first.id, third.id))
    assert inputs(first, second, third, parent) == {"r": {"a": "v"}}


def test_a_newer_run_that_writes_it_no_more_takes_the_edge_away():
    writer, reader = call("w", 1, *wrote("a")), call("r", 2, *read("a"))
    graph = Graph()
    for event in (writer, reader):
        graph.apply(event)
    assert graph.sources_of(reader.id) == {"a": writer.id}
    graph.apply(writer.replace(run="2" * 32, created=3.0, seen=3.0, trace=Trace((), (), "other")))
    assert graph.sources_of(reader.id) == {}
    assert graph.readers_of(writer.id) == []
