"""The plan equals what then runs; a refresh leaves nothing to run: random pipelines with random edits.

Each round is a process of its own.  It edits, asks for the plan, and then calls the same roots as before,
or refreshes first.  CACHEPY_STRESS=1 runs many more examples, newly drawn each time.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from budgets import STRESS, budget
from dag_ledger import View
from dag_story import Server, Story, absent_too, code_edits, data_edits, env_values, files, programs, small

if TYPE_CHECKING:
    import dag_program as dag


@st.composite
def edited(draw: st.DrawFn) -> dict[str, Any]:
    """A program that runs cold, and then rounds of edits, each before a plan or a refresh of the same roots."""
    program = draw(programs(least=3))
    root = st.tuples(st.integers(0, 1), small, files, files)
    roots = [(0, *draw(st.tuples(small, files, files))), *draw(st.lists(root, max_size=2))]
    data = data_edits(program.used(roots))
    rounds = [{"back": None, "edits": [], "phases": [{"edits": [], "asked": "all", "threads": False}]}]
    for _ in range(draw(st.integers(1, 3))):
        changes = draw(st.lists(data, max_size=2))
        code = draw(st.lists(code_edits(program), min_size=not changes, max_size=2))
        ask = draw(st.sampled_from(["plan", "plan", "refresh"]))
        phase = {"edits": changes, "asked": "all", "threads": False, "ask": ask}
        rounds.append({"back": None, "edits": code, "phases": [phase]})
    return {
        "program": program,
        "files": draw(st.lists(absent_too, min_size=5, max_size=5)),
        "env": draw(st.lists(env_values, min_size=2, max_size=2)),
        "roots": roots,
        "rounds": rounds,
    }


class PlanStory(Story):
    """A story whose rounds ask for the plan first."""

    def judge_runs(self, k: int, model: dag.Model, roots: list[dag.Key], answer: Any, *, threads: bool) -> None:
        asked, view = answer["asked"], View(self.ledger, model)
        if asked is None:
            super().judge_runs(k, model, roots, answer, threads=threads)
            return
        ran = Counter(map(self.key_of, answer["ran"]))
        for which in ("plan", "all"):
            self.check_sums(asked[which])
            self.check_order(asked, asked[which])
            self.check_states(asked, which, view)
        if asked["touched"] or asked["ran"]:
            self.fail(f"asking for the plan changed {asked['touched']} and ran {asked['ran']}")
        if "refreshed" in asked:
            self.check_refresh(asked, view, roots, ran, threads=threads)
        else:
            self.check_runs(asked, view, roots, ran)
            super().judge_runs(k, model, roots, answer, threads=threads)

    def check_sums(self, plan: Any) -> None:
        """The sums are those of the calls."""
        calls = plan["calls"]
        states = Counter(c["state"] for c in calls)
        possible = [c for c in calls if c["state"] != "hit"]
        certain = [c for c in possible if c["certain"]]
        assert (plan["certain"], plan["possible"]) == (len(certain), len(possible))
        assert {s: n for s, n in plan["counts"].items() if n} == dict(states)
        assert plan["seconds"] == pytest.approx(sum(c["own"] for c in calls if c["state"] in ("stale", "missing")))
        assert plan["saved"] == pytest.approx(sum(c["own"] for c in calls if c["state"] == "hit"))
        assert all(0 <= c["own"] <= c["elapsed"] for c in calls)
        assert plan["text"].startswith(f"{len(certain)} of {len(calls)} call" if calls else "no calls"), plan["text"]
        assert (f"; up to {len(possible)}, about " in plan["text"]) == (len(possible) > len(certain)), plan["text"]
        assert all(c["certain"] == (not c["doubt"]) for c in calls)
        assert plan["unseen"] == []
        assert all((c["state"] == "hit") == (not c["reasons"]) for c in calls)
        assert all(c["certain"] for c in calls if c["state"] == "hit")

    def check_order(self, asked: Any, plan: Any) -> None:
        """Each call comes once, after the calls below it and those whose results it takes."""
        at = {c["id"]: k for k, c in enumerate(plan["calls"])}
        assert len(at) == len(plan["calls"])
        for call, place in at.items():
            for before in [*asked["below"][call], *asked["inputs"][call]]:
                assert at.get(before, len(at)) < place or before not in asked["below"], (before, call)

    def keys(self, asked: Any) -> dict[str, dag.Key]:
        return dict(zip(asked["ids"], self.met, strict=False))

    def check_states(self, asked: Any, which: str, view: View) -> None:
        """A hit is what is fresh; unknown is what did not change itself, and only calls that did could ask for."""
        keys, plan = self.keys(asked), asked[which]
        state = {c["id"]: c["state"] for c in plan["calls"]}
        reasons = {c["id"]: c["reasons"] for c in plan["calls"]}
        opened = {i for i, why in reasons.items() if not why or any(link == "" and cue != "call" for cue, link in why)}
        children = {b for i in state for b in asked["below"][i]}
        reached = (set(state) - children) | set(asked["roots"][which])
        todo = list(reached)
        while todo:
            call = todo.pop()
            below = [] if call in opened else [b for b in asked["below"][call] if b in state and b not in reached]
            reached.update(below)
            todo += below
        for call, now in state.items():
            if (now == "hit") != view.is_fresh(keys[call]) and not (now != "hit" and view.is_blurred(keys[call])):
                below = [(self.line(keys[b]), state.get(b)) for b in asked["below"][call]]
                truth = "fresh" if view.is_fresh(keys[call]) else "not"
                self.fail(f"{self.line(keys[call])} is {truth}, {which} says {now}: {reasons[call]}, below {below}")
            if now != "hit" and (now == "unknown") == (call in reached or call in opened):
                self.fail(f"{self.line(keys[call])} is called {now}, though its callers {call in reached}")

    def check_runs(self, asked: Any, view: View, roots: list[dag.Key], ran: Counter[dag.Key]) -> None:
        """What ran was named, and what was named as certain ran."""
        keys, met = self.keys(asked), view.asked(roots)
        named = {keys[c["id"]]: c for c in asked["plan"]["calls"]}
        for key, call in named.items():
            if ran[key] and call["state"] == "hit":
                self.fail(f"{self.line(key)} ran, though the plan calls it a hit")
            if not ran[key] and call["certain"] and call["state"] != "hit":
                self.fail(f"{self.line(key)} did not run, though the plan is certain")
            if not ran[key] and call["state"] == "stale" and met.get(key) and not view.is_known(key):
                self.fail(f"{self.line(key)} was neither run nor spared for a reason")
            own = all(view.own_broken(run) for run in view.runs[key])
            if call["state"] == "stale" and key in roots and own and not call["certain"]:
                self.fail(f"{self.line(key)} changed itself, but the plan is not certain")
        begun = [key for key in met if ran[key] and (key in named or key in roots)]
        new = {below for key in begun for below in self.met_in(view.model, list(view.model.outcome(key).calls))}
        for key in ran:
            if key not in named and key not in roots and key not in new:
                self.fail(f"{self.line(key)} ran, but is neither in the plan nor below what it names")

    def check_refresh(
        self, asked: Any, view: View, roots: list[dag.Key], ran: Counter[dag.Key], *, threads: bool
    ) -> None:
        """It ran what the plan names, or what is new; then the program has nothing left to run."""
        keys, done = self.keys(asked), asked["refreshed"]
        state = {c["id"]: c["state"] for c in asked["all"]["calls"]}
        for call in done["ran"]:
            if state.get(call) == "hit":
                self.fail(f"{call} was refreshed, though the plan calls it a hit")
        if both := set(done["ran"]) & set(done["cut"]):
            self.fail(f"ran and did not have to run: {both}")
        logged = Counter(map(self.key_of, done["log"]))
        for key, times in logged.items():
            if times > 1 and view.model.outcome(key).error is None:
                self.fail(f"{self.line(key)} ran {times} times in one refresh")
        if lost := [i for i in done["ran"] if i in keys and not logged[keys[i]]]:
            self.fail(f"told as run, but did not: {lost}")
        view.ledger.put(view.model, logged)
        self.met.update(dict.fromkeys(logged))
        now, old = View(view.ledger, view.model), set(asked["below"])
        excused = {key for key in now.asked(roots) if self.raises_below(view.model, key)}
        first = [key for key, call in zip(self.met, asked["ids"], strict=False) if key in roots and call not in old]
        raising = [key for key in excused if ran[key]]
        excused |= self.met_in(view.model, [*first, *raising])
        for key in ran:
            if key not in excused:
                self.fail(f"{self.line(key)} ran after a refresh: {done}")
        if callers_of_nothing := now.judge(roots, ran, threads=threads):
            self.fail("wrong runs after the refresh:\n" + "\n".join(callers_of_nothing))

    def raises_below(self, model: dag.Model, key: dag.Key) -> bool:
        return any(model.outcome(each).error is not None for each in self.met_in(model, [key]))


def tell(plan: dict[str, Any], servers: tuple[Server, Server]) -> None:
    with tempfile.TemporaryDirectory() as place:
        PlanStory(plan, Path(place), servers).run()


@pytest.mark.timeout(3600 if STRESS else 900)  # making a failing example small takes up to five minutes
@given(edited())
@budget(30, 3000)
def test_the_plan_is_what_runs(servers: tuple[Server, Server], plan: dict[str, Any]) -> None:
    """What the plan is certain of runs, what it calls a hit does not, what runs is named or new."""
    tell(plan, servers)


@pytest.mark.stress
@given(edited())
@budget(100, 450, long=True)
def test_the_plan_is_what_runs_for_long(servers: tuple[Server, Server], plan: dict[str, Any]) -> None:
    tell(plan, servers)
