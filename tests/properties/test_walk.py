"""The walk through calls below, against a fixed point found by trying: also where calls depend on each other."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cachepy.core.model import CALL, FILE, Dep, Event, Trace
from cachepy.core.verify import Verifier

CALLS = range(4)
RESULTS = "aab"


class KnownRuns:
    """A probe for which a dep of a file holds if the file has the text "now"."""

    def __init__(self, runs):
        self.runs = runs
        self.several = set()

    def file(self, path):
        return path

    def events(self, call, roots):
        return self.runs.get(call, [])

    def elsewhere(self, call):
        return ()

    def dated(self, event):
        return event


def event(call, index, result, holds, below):
    deps = (Dep(FILE, "now", "now" if holds else "then"),)
    calls = tuple(Dep(CALL, f"c{n}", digest) for n, digest in below)
    empty = dict.fromkeys(Event.__slots__, "")
    return Event(**{**empty, "id": f"c{call}", "run": f"{call}.{index}", "trace": Trace(deps, calls, result)})


RUNS = st.lists(
    st.tuples(
        st.sampled_from(RESULTS),
        st.sampled_from([True, True, True, False]),
        st.lists(st.tuples(st.sampled_from(CALLS), st.sampled_from(RESULTS)), max_size=3, unique_by=lambda d: d[0]),
    ),
    max_size=3,
)


def greatest(runs):
    """The runs that hold together: all whose own deps do, less those that miss one below, until none is left over."""
    alive = {e.run: e for events in runs.values() for e in events if e.trace.deps[0].digest == "now"}
    while True:
        given_ = {(e.id, e.trace.result) for e in alive.values()}
        gone = [r for r, e in alive.items() if any((c.name, c.digest) not in given_ for c in e.trace.calls)]
        if not gone:
            return given_, set(alive)
        for run in gone:
            del alive[run]


@settings(max_examples=600, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(CALLS, RUNS)), st.permutations([(n, r) for n in CALLS for r in "ab"]))
def test_the_walk_finds_the_greatest_fixed_point(drawn, asked):
    runs = {f"c{n}": [event(n, i, *run) for i, run in enumerate(drawn[n])] for n in CALLS}
    given_, alive = greatest(runs)
    verifier = Verifier(KnownRuns(runs))
    for call, result in asked:
        holds = verifier.call_holds((f"c{call}", result), ())
        assert holds == ((f"c{call}", result) in given_)
        if holds:
            assert verifier.chosen[f"c{call}"].run in alive
    for events in runs.values():
        for each in events:
            assert verifier.holds(each.trace) == (each.run in alive)


def test_what_went_by_an_open_call_falls_with_it():
    """c2 goes by c1, which was taken to hold because c0 was open; then c0 falls by c3."""
    below = {0: [1, 2, 3], 1: [0], 2: [1], 3: []}
    runs = {f"c{n}": [event(n, 0, "a", n != 3, [(b, "a") for b in below[n]])] for n in below}
    verifier = Verifier(KnownRuns(runs))
    assert [verifier.call_holds((f"c{n}", "a"), ()) for n in below] == [False] * 4


def test_a_run_that_was_only_taken_to_hold_is_not_chosen():
    """c1 gives "a" by its first run; its second one would hold if c3 did, which falls by c0."""
    runs = {
        "c0": [],
        "c1": [event(1, 0, "a", True, []), event(1, 1, "b", True, [(1, "a"), (3, "a")])],
        "c3": [event(3, 0, "a", True, [(1, "b"), (0, "a")])],
    }
    verifier = Verifier(KnownRuns(runs))
    assert not verifier.call_holds(("c3", "a"), ())
    assert verifier.call_holds(("c1", "a"), ())
    assert verifier.chosen["c1"].run == "1.0"
