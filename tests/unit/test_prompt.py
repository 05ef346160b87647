"""What answers show at a prompt: what a person wants to know, in a few lines that fit it."""

from __future__ import annotations

import pytest

from cachepy import (
    Accepted,
    Called,
    CallSummary,
    Checked,
    Difference,
    Differing,
    Merged,
    Moved,
    Plan,
    PlannedCall,
    Problem,
    Reason,
    Refreshed,
    Repaired,
    RootCause,
    Session,
    StoredResult,
    Unable,
    Verdict,
    cache_file,
    cache_tree_nodes,
    use_session,
    with_caller,
)
from cachepy.core.lazyparts import is_made
from cachepy.core.model import Dep, Item, Record, Report
from cachepy.core.prompt import LINES, WIDE, fitting, lines_of

GONE = Reason("file gone", "a.csv", "1", None)
PLANNED = PlannedCall("load:1", "load(a.csv)", "load", "stale", (GONE,), 1.0, 1.0, "")
BAD = Problem("graph.pkl", "load:1", "is damaged")
MOVED = Moved("graph.pkl", "broken/graph.pkl", "is damaged")
UNABLE = Unable("steps.load", 3, "its arguments were not kept")
DIFFERING = Differing("load:1", "load(a.csv)", "1", "2")
CAUSE = RootCause("file", "a.csv", "file a.csv changed", "", ("report()", "load(a.csv)"), 2)
RAN = Called("m:load", "load(a.csv)", "load:1", "run", "not run before", 1.0, 0, None)
RUN = {"label": "report()"}

REFRESHED = """2 ran, 1 did not have to run, 1 failed, 1 could not be run
  failed  load:3: ValueError: no
  stale   load:4: its arguments were not kept"""

SHOWN = {
    "reason": (GONE, "<Reason: file a.csv is gone>"),
    "planned call": (PLANNED, "<PlannedCall: load(a.csv) is stale: file a.csv is gone>"),
    "planned hit": (PLANNED.replace(state="hit", reasons=()), "<PlannedCall: load(a.csv) is a hit>"),
    "problem": (BAD, "<Problem: graph.pkl (load:1): is damaged>"),
    "moved": (MOVED, "<Moved: graph.pkl -> broken/graph.pkl: is damaged>"),
    "unable": (UNABLE, "<Unable: steps.load: 3 not run again: its arguments were not kept>"),
    "differing": (DIFFERING, "<Differing: load(a.csv) gave 2, before 1 (load:1)>"),
    "called": (RAN, "<Called: run load(a.csv) in 1.0 s: not run before>"),
    "summary": (CallSummary(2, 0, 1, 0, 1.0, 2.0, {}, {"m:load": "1 run"}), "3 calls: 2 hits, 1 run in 1.0 s, 2.0 s saved\n  m:load: 1 run"),
    "fresh": (Verdict("fresh", ()), "fresh"),
    "stale": (Verdict("stale", (GONE,)), "stale: file a.csv is gone"),
    "plan": (Plan((PLANNED,), ()), f"{Plan((PLANNED,), ())}\n  stale   load(a.csv): file a.csv is gone"),
    "checked": (Checked(2, 10, (BAD,), (), (), 0, 0, (), ()), "2 entries, 10 B read: 1 problem\n  graph.pkl (load:1): is damaged"),
    "repaired": (
        Repaired(2, 3, False, (MOVED,), (), (), (), dry_run=False),
        "2 whole entries; graph of 3 runs kept\nput aside:\n  graph.pkl -> broken/graph.pkl: is damaged",
    ),
    "stored result": (StoredResult("load:1", "load", "1", {"p": "a.csv"}, 1.0, 60.0, 2.0), "<StoredResult: load(a.csv), 60 s old>"),
    "merged": (
        Merged(2, 1, 10, ("a is damaged",), dry_run=False),
        "stored 2 results (10 B); 1 was there already\n  a is damaged",
    ),
    "cause": (CAUSE, "<RootCause: file a.csv changed, in report() > load(a.csv) and 1 more>"),
    "difference": (
        Difference(RUN, RUN, False, (CAUSE,), ("1 -> 2 (+1)",)),
        "report(): different results, 1 cause\n  file a.csv changed, in report() > load(a.csv) and 1 more\n  value  1 -> 2 (+1)",
    ),
    "nothing": (Refreshed((), (), {}, {}), "nothing was stale"),
    "refreshed": (
        Refreshed(("load:1", "load:2"), ("total:1",), {"load:3": ValueError("no")}, {"load:4": "its arguments were not kept"}),
        REFRESHED,
    ),
    "nothing to accept": (Accepted({}, {}), "nothing to accept"),
    "accepted": (
        Accepted({"load:1": (Reason("code", "m:f", None, None),)}, {"load:2": "file a changed"}),
        "1 accepted, 1 not accepted\n  accepted  load:1: code of m:f changed\n  left      load:2: file a changed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SHOWN)
def test_an_answer_says_what_it_is(what):
    thing, text = SHOWN[what]
    assert repr(thing) == text


def test_every_public_record_is_in_the_table():
    public = {kind for base in (Report, Item) for kind in base.__subclasses__() if not kind.__name__.startswith("_")}
    assert {type(thing) for thing, _ in SHOWN.values()} == public


def test_other_records_show_their_fields():
    assert repr(Dep("file", "a", None)) == "Dep(kind='file', name='a', digest=None)"
    assert Record in Dep.__bases__


def test_a_long_answer_is_cut_and_a_head_is_not():
    head, *lines, more = lines_of("h" * 200, [f"  {i}" * 100 for i in range(LINES + 3)]).splitlines()
    assert (head, len(lines), more) == ("h" * 200, LINES, "  and 3 more")
    assert {len(line) for line in lines} == {WIDE}


@pytest.mark.parametrize("text", ["a\x1b[2Jb", "a\nb", "a\u202eb"])
def test_nothing_moves_the_cursor(text):
    assert fitting(text).isprintable()
    assert repr(Reason("file", text, "1", "2")).isprintable()
    assert lines_of(text, [text]).replace("\n", "", 1).isprintable()


def test_a_session_says_what_it_holds(tmp_path):
    with use_session(Session()) as mine:
        assert repr(mine) == "<Session: 0 calls in memory; cache directories: none yet>"
        cache_file(tmp_path)(lambda x: x)(1)
        text = f"<Session: 1 call in memory; cache directories: {tmp_path}>"
        assert repr(mine) == text
        assert not is_made(mine.nodes, "graph"), "to look makes nothing"
        assert len(cache_tree_nodes()) == 1
        assert repr(mine) == text
    assert repr(use_session(mine)) == f"use_session({text})"


def test_a_carried_function_says_whose_it_is(tmp_path):
    cached = cache_file(tmp_path)
    seen = []

    @cached
    def leaf(x):
        return x

    @cached(ignore_globals=["seen"])
    def top(x):
        seen.append(with_caller(leaf))
        return repr(seen[-1])

    assert repr(with_caller(leaf)) == "<with_caller of leaf>"
    assert top(1) == f"<with_caller of leaf, called by top:{top.key(1)}>"
    assert repr(seen[0]) == "<with_caller of leaf>", "it has ended"
