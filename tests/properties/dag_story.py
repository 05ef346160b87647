"""Random plans of edits, and their stories: what `test_dags.py` and `test_plan.py` have in common.

A `Story` carries out a plan in processes of its own, once with cachepy and once without, and compares.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

import dag_program as dag
from budgets import STRESS
from dag_ledger import Ledger, View
from hypothesis import strategies as st

ROOT = str(Path(__file__).parents[2])  # where the cachepy under test is


# -- random programs and edits --------------------------------------------------------------------

contents = st.sampled_from(dag.CONTENTS)
absent_too = st.none() | contents
small = st.integers(0, 2)
files = st.integers(0, 4)
env_values = st.sampled_from([None, "", "x", "y"])


@st.composite
def calls(draw: st.DrawFn, callee: int, vias: tuple[str, ...] = ("",)) -> dag.Call:
    return dag.Call(
        callee=callee,
        mode=draw(st.sampled_from([*dag.MODES, "try"])),
        shift=draw(small),
        flow=draw(st.booleans()),
        keyword=draw(st.booleans()),
        path=draw(st.integers(0, 4)),
        text=draw(st.integers(0, 4)),
        via=draw(st.sampled_from(vias)),
    )


@st.composite
def programs(draw: st.DrawFn, least: int = 2, *, fuzzy: bool = False) -> dag.Program:
    """Programs; `fuzzy` ones may also call in threads, in pools and behind memos."""
    vias = ("", *dag.VIAS) if fuzzy else ("",)
    count = draw(st.integers(least, 8))
    modules = sorted(draw(st.lists(small, min_size=count, max_size=count)))
    funcs = []
    for i in range(count):
        later = st.lists(st.integers(i + 1, count - 1), min_size=1, max_size=3) if i + 1 < count else st.just([])
        funcs.append(
            dag.Func(
                index=i,
                module=modules[i],
                kind=draw(st.sampled_from([*dag.KINDS, "coarse", "coarse", "flat"])),
                tracked=tuple(draw(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=2))),
                directory=draw(st.integers(0, 5)) == 5,
                path_arg=draw(st.booleans()),
                str_arg=draw(st.booleans()),
                env=draw(st.sampled_from([None, None, 0, 1])),
                helper=draw(st.sampled_from(dag.HELPERS)),
                glob=draw(st.sampled_from(dag.GLOBALS)),
                shared=draw(st.sampled_from([None, None, 0, 1])),
                raises=draw(st.sampled_from(["", "", "", "early", "late"])),
                calls=tuple(draw(calls(c, vias)) for c in draw(later)),
            )
        )
    return dag.Program(tuple(funcs), absolute=draw(st.booleans()))


def code_edits(program: dag.Program) -> st.SearchStrategy[tuple[Any, ...]]:
    """Edits of the sources; some do not touch what any function reaches."""
    funcs = program.funcs
    kinds = [("const", funcs), ("comment", funcs)]
    kinds.append(("helper", tuple(f for f in funcs if f.helper)))
    kinds.append(("global", tuple(f for f in funcs if f.glob)))
    some = [
        st.tuples(st.just(kind), st.sampled_from([f.index for f in which]), small) for kind, which in kinds if which
    ]
    some.append(st.tuples(st.just("shared"), st.integers(0, 1), small))
    some.append(st.tuples(st.sampled_from(["rotate", "unrelated"]), small))
    slots = [(f.index, k) for f in funcs for k in range(len(f.calls))]
    if slots:
        some.append(st.sampled_from(slots).map(lambda slot: ("child", *slot)))
    return st.one_of(some)


def data_edits(used: list[int]) -> st.SearchStrategy[tuple[Any, ...]]:
    """Edits of files and environment, mostly of files that the program reads."""
    at = st.sampled_from([*used, *used, *range(5)])
    text = st.sampled_from(["aaaa", "bbbb", "aaaa*", "bbbb*", *dag.CONTENTS])
    flip = st.tuples(st.just("flip"), at)
    return st.one_of(
        flip,
        flip,
        st.tuples(st.just("write"), at, text, st.booleans(), st.booleans()),
        st.tuples(st.just("write"), at, text, st.just(True), st.just(False)),
        st.tuples(st.just("touch"), at),
        st.tuples(st.just("env"), st.integers(0, 1), env_values),
        st.tuples(st.just("back"), st.integers(0, 2)),
    )


@st.composite
def plans(draw: st.DrawFn, *, fuzzy: bool = False) -> dict[str, Any]:
    """A program, its first files and environment, and the rounds: one process each."""
    program = draw(programs(fuzzy=fuzzy))
    root = st.tuples(st.integers(0, len(program.funcs) - 1), small, files, files)
    roots = draw(st.lists(root, min_size=0, max_size=3))
    roots.insert(0, (0, *draw(st.tuples(small, files, files))))
    data = data_edits(program.used(roots))
    rounds: list[dict[str, Any]] = []
    for _ in range(1 + draw(st.integers(1, 10 if STRESS else 6))):
        phases = []
        for _ in range(draw(st.sampled_from([1, 1, 1 if program.has_memo else 2]))):
            asked = draw(st.sampled_from(["all", "all", "twice", "last"]))
            threads = draw(st.integers(0, 3)) == 3
            edits = draw(st.lists(data, min_size=len(phases), max_size=3)) if phases or rounds else []
            phases.append({"edits": edits, "asked": asked, "threads": threads})
        back = draw(st.sampled_from([None, None, None, 0, 1])) if rounds else None
        edits = draw(st.lists(code_edits(program), max_size=2)) if rounds else []
        rounds.append({"back": back, "edits": edits, "phases": phases})
    return {
        "program": program,
        "files": draw(st.lists(absent_too, min_size=5, max_size=5)),
        "env": draw(st.lists(env_values, min_size=2, max_size=2)),
        "roots": roots,
        "rounds": rounds,
    }


# -- processes ------------------------------------------------------------------------------------


class Server:
    """The other end of `dag_server.py`, or of another one like it."""

    def __init__(self, script: str = "dag_server.py") -> None:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("CACHEPY_", "CPDAG_"))}
        env["PYTHONPATH"] = ROOT
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
        )

    def send(self, request: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the fork server died"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


Edge = tuple[dag.Key, dag.Key]


class Story:
    """One example: carries out the rounds and keeps what a reader of a failure needs."""

    def __init__(self, plan: dict[str, Any], place: Path, servers: tuple[Server, Server]) -> None:
        self.plan, self.place, self.servers = plan, place, servers
        self.program: dag.Program = plan["program"]
        self.state = dag.State.first(self.program, plan["files"], plan["env"])
        self.ledger = Ledger()
        self.met: dict[dag.Key, None] = {}  # every call that may have been made so far
        self.past: list[dag.State] = []
        self.history: list[str] = []
        self.at = 0
        for name in ("src", "cache", "data", "data-oracle"):
            (place / name).mkdir()
        for side in ("data", "data-oracle"):
            (place / side / "sub").mkdir()
            for name, content in zip(dag.FILES, self.state.files, strict=True):
                if content is not None:
                    (place / side / name).write_text(dag.text_of(content))

    def roots(self, asked: str) -> list[dag.Key]:
        keys = [self.program.key(*root) for root in self.plan["roots"]]
        return {"all": keys, "twice": keys * 2, "last": keys[-1:]}[asked]

    def wire(self, key: dag.Key) -> list[Any]:
        names = [None if at is None else dag.FILES[at] for at in (key.path, key.text)]
        return [f"dag_m{self.program.funcs[key.func].module}", f"f{key.func}", key.n, *names]

    def line(self, key: dag.Key) -> str:
        names = ["-" if at is None else dag.FILES[at].rpartition("/")[2] for at in (key.path, key.text)]
        return " ".join([f"f{key.func}", str(key.n), *names])

    def run(self) -> None:
        for round_ in self.plan["rounds"]:
            self.round(round_)

    def round(self, round_: dict[str, Any]) -> None:
        self.at += 1
        env = dict(zip(dag.ENVS, self.state.env, strict=True))
        back = f"; the code of round {round_['back'] + 1}" if round_["back"] is not None else ""
        self.history.append(f"round {self.at}: a new process{back}; edits {round_['edits']}")
        if round_["back"] is not None and round_["back"] < len(self.past):
            self.state.take_code(self.past[round_["back"]])
        for edit in round_["edits"]:
            dag.edit_code(self.state, edit)
        for name, text in dag.render(self.program, self.state).items():
            (self.place / "src" / name).write_text(text)

        phases, models, asked = [], [], []
        for phase in round_["phases"]:
            ops = [op for edit in phase["edits"] for op in dag.edit_data(self.state, edit, self.past)]
            self.past.append(copy.deepcopy(self.state))
            models.append(dag.Model(self.program, self.past[-1]))
            asked.append(self.roots(phase["asked"]))
            calls = [self.wire(key) for key in asked[-1]]
            phases.append({"ops": ops, "calls": calls, "threads": phase["threads"], "ask": phase.get("ask")})
            self.met.update(dict.fromkeys(self.met_in(models[-1], asked[-1])))
        model, roots = models[-1], asked[-1]
        nodes, edges = model.graph(roots)
        order = sorted(nodes, key=repr)

        request = {
            "src": str(self.place / "src"),
            "cache": str(self.place / "cache"),
            "absolute": self.program.absolute,
            "env": {name: value for name, value in env.items() if value is not None},
            "phases": phases,
            "nodes": [self.wire(key) for key in order],
            "ended": [self.wire(key) for key in roots if model.outcome(key).error is None],
            "met": [self.wire(key) for key in self.met],
            "modules": sorted({f"dag_m{f.module}" for f in self.program.funcs}),
        }
        for server, side, oracle in zip(self.servers, ("data", "data-oracle"), (False, True), strict=True):
            log = str(self.place / f"log-{side}")
            server.send({**request, "oracle": oracle, "data": str(self.place / side), "log": log})
        got, truth = (server.receive() for server in self.servers)
        if "failure" in truth:
            self.fail(f"the oracle itself failed: a fault of this test\n{truth['failure']}")
        if "failure" in got:
            self.fail(got["failure"])
        for k, phase in enumerate(phases):
            answer, real = got["phases"][k], truth["phases"][k]
            self.history += [f"  phase {k + 1}: {phase['ops']}, threads {phase['threads']}"]
            self.history += [f"    calls {phase['calls']}", f"    ran {answer['ran']}"]
            self.judge(k, models[k], asked[k], answer, real, threads=phase["threads"])
        if got["warnings"]:
            self.fail("warnings: " + "\n".join(got["warnings"]))
        self.check_graph(got, order, edges)
        if self.program.is_fuzzy:
            self.check_quiet({**request, "phases": [{**phases[-1], "ops": [], "ask": None}]}, model)

    def check_quiet(self, request: dict[str, Any], model: dag.Model) -> None:
        """Whatever counted: the same calls in the next process are hits, but for those that raise."""
        env = {name: v for name, v in zip(dag.ENVS, self.state.env, strict=True) if v is not None}
        server = self.servers[0]
        log = str(self.place / "log-data")
        server.send({**request, "env": env, "oracle": False, "data": str(self.place / "data"), "log": log})
        got = server.receive()
        if "failure" in got:
            self.fail(got["failure"])
        ran = got["phases"][0]["ran"]
        if again := [line for line in ran if model.outcome(self.key_of(line)).error is None]:
            self.fail(f"the next process, with nothing changed, ran {again}")

    def judge(self, k: int, model: dag.Model, roots: list[dag.Key], answer: Any, real: Any, *, threads: bool) -> None:
        """The values are those of the oracle, and exactly what had to run did."""
        outcomes = [model.outcome(key) for key in roots]
        expected = [["error", o.error] if o.error else ["value", repr(o.value)] for o in outcomes]
        if real["values"] != expected:
            self.fail(f"the model is wrong: a fault of this test\n{expected}\n{real['values']}")
        if answer["values"] != real["values"]:
            values = f"     got {answer['values']}\nexpected {real['values']}"
            self.fail(f"wrong value in phase {k + 1}\n{values}")
        self.judge_runs(k, model, roots, answer, threads=threads)

    def judge_runs(self, k: int, model: dag.Model, roots: list[dag.Key], answer: Any, *, threads: bool) -> None:
        ran = Counter(map(self.key_of, answer["ran"]))
        if wrong := View(self.ledger, model).judge(roots, ran, threads=threads):
            self.fail(f"wrong runs in phase {k + 1}:\n" + "\n".join(wrong))

    def met_in(self, model: dag.Model, roots: list[dag.Key]) -> set[dag.Key]:
        """The calls that the roots make, and those below."""
        found: set[dag.Key] = set()
        todo = list(roots)
        while todo:
            key = todo.pop()
            if key not in found:
                found.add(key)
                todo += model.outcome(key).calls
        return found

    def key_of(self, line: str) -> dag.Key:
        """The call that wrote a line of the log."""
        name, n, *files = line.split()
        places = [None if f == "-" else [p.rpartition("/")[2] for p in dag.FILES].index(f) for f in files]
        return dag.Key(int(name[1:]), int(n), *places)

    def check_graph(self, got: dict[str, Any], order: list[dag.Key], edges: set[Edge]) -> None:
        """Every call asked for is a node with its edges, cached and fresh, whether it ran or was a hit."""
        of_hash = dict(zip(got["hashes"], order, strict=True))
        if len(of_hash) != len(order):
            self.fail("two calls share one key")
        for which in ("graph", "synced"):
            ids = {node[0]: i for i, node in got[which].items()}
            missing = [self.line(key) for digest, key in of_hash.items() if digest not in ids]
            if missing and not (self.program.is_fuzzy and which == "graph"):  # a hit brings what has edges
                self.fail(f"no node in {which}: {missing}")
            key_of = {ids[digest]: key for digest, key in of_hash.items() if digest in ids}
            for i, (_, children, parents) in got[which].items():
                if dangling := [c for c in children + parents if c not in got[which]]:
                    self.fail(f"{which}: edges of {i} to no node: {dangling}")
            down = {(key_of[i], key_of[c]) for i in key_of for c in got[which][i][1] if c in key_of}
            up = {(key_of[p], key_of[i]) for i in key_of for p in got[which][i][2] if p in key_of}
            for name, have in (("children", down), ("parents", up)):
                if lost := set() if self.program.is_fuzzy else edges - have:
                    self.fail(f"{which}: missing {name}: {[(self.line(a), self.line(b)) for a, b in lost]}")
                if extra := have - edges if name == "children" else set():
                    self.fail(f"{which}: wrong {name}: {[(self.line(a), self.line(b)) for a, b in extra]}")
        in_graph = {node[0]: i for i, node in got["graph"].items()}
        current = {in_graph[digest]: self.line(key) for digest, key in of_hash.items() if digest in in_graph}
        if again := [c for c in got["plan"]["calls"] if c["state"] != "hit"]:
            self.fail(f"the plan names calls that have just been answered: {again}")
        if not all(got["cached"]):
            answers = list(zip(map(self.line, order), got["cached"], strict=True))
            self.fail(f"is_cached says no after the call: {answers}")
        for which in ("changed", "changed after sync"):
            if changed := [current[i] for i in got[which] if i in current]:
                self.fail(f"cache_tree_changed_files, {which}, names calls that have just been answered: {changed}")
        if stale := {current[i]: why for i, why in got["stale"].items() if i in current}:
            self.fail(f"cache_tree_stale names calls that have just been answered: {stale}")

    def fail(self, why: str) -> NoReturn:
        sources = dag.render(self.program, self.state)
        text = "\n".join(f"# ---- {name}\n{source}" for name, source in sources.items())
        first = f"files at first {dict(zip(dag.FILES, self.plan['files'], strict=True))}, env {self.plan['env']}"
        story = "\n".join(self.history)
        raise AssertionError(f"{text}\n# ---- history\n{first}\n{story}\n# ---- failure\n{why}")
