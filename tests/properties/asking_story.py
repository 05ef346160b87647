"""Stories of a project, edits between its runs, and what `cachepy` says before each: what `test_asking.py` draws.

A `Story` edits the project, asks by the real commands, runs the program, and compares: what ran (by the log that the
bodies write and by the graph), and what the program makes now (by a run of a copy at the same place, without a cache).
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

import asking_program as ap

ROOT = str(Path(__file__).parents[2])  # where the cachepy under test is
REAL = os.environ.get("CACHEPY_ASKING_REAL") == "1"  # each command and program is a process of its own
SERVER = str(Path(__file__).parent / "asking_server.py")
NEVER = 2_000_000  # a uid that nobody has


# -- processes ------------------------------------------------------------------------------------


class Servers:
    """Two fork servers: a cold one for programs, one that knows cachepy's commands."""

    def __init__(self) -> None:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("CACHEPY", "PA_"))}
        self.env = env | {"PYTHONPATH": ROOT, "PYTHONDONTWRITEBYTECODE": "1"}
        self.processes = [self._start(*more) for more in ((), ("warm",))] if not REAL else []
        self.asked = Counter[str]()  # how often each exit code of `status` was given, and why not 0
        self.warnings = Counter[str]()

    def _start(self, *more: str) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        return subprocess.Popen([sys.executable, SERVER, *more], stdin=pipe, stdout=pipe, env=self.env)

    def run(self, cwd: Path, env: dict[str, str], argv: list[str]) -> dict[str, Any]:
        """The exit code, stdout and stderr of a command line of Python in a fresh process."""
        request = {"cwd": str(cwd), "env": self.env | env, "argv": argv}
        if REAL:
            return self._really(request)
        server = self.processes[argv[:2] == ["-m", "cachepy"] or argv[0] in ("@nodes", "@view")]
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(request).encode() + b"\n")
        server.stdin.flush()
        line = server.stdout.readline()
        assert line, "the fork server died"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _really(self, request: dict[str, Any]) -> dict[str, Any]:
        argv = request["argv"]
        if argv[0].startswith("@"):
            code = f"import sys; sys.path.insert(0, {str(Path(SERVER).parent)!r}); import asking_server as a; "
            argv = ["-c", code + f"del sys.path[0]; a.run({argv!r})"]
        done = subprocess.run(
            [sys.executable, *argv], cwd=request["cwd"], env=request["env"], capture_output=True, text=True, timeout=120
        )
        return {"rc": done.returncode, "out": done.stdout, "err": done.stderr}

    def close(self) -> None:
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(10)


# -- stories --------------------------------------------------------------------------------------


def causes_of(answer: dict[str, Any]) -> str:
    """The reasons of the calls that are not fresh, in short."""
    try:
        body = json.loads(answer["out"])
    except ValueError:
        return f"{answer['out']}{answer['err']}"
    calls = [c for c in body["calls"] if c["state"] != "hit"]
    why = [f"{c['label']} {c['state']}: {'; '.join(r['text'] for r in c['reasons'])}" for c in calls]
    return "\n".join([*why, *(f"{k}: {body[k]}" for k in ("unended", "unknown", "unimported") if body.get(k))])


def is_own(reason: dict[str, Any]) -> bool:
    """Whether a reason is about what the call itself went by."""
    return not reason["link"] and reason["cue"] not in ("call", "input", "result")


class Said:
    """What one form of the question answered: `status` and `plan`."""

    def __init__(self, form: str, status: dict[str, Any], plan: dict[str, Any] | None) -> None:
        self.form, self.rc = form, status["rc"]
        try:
            body = json.loads(status["out"])
        except ValueError:
            body = {}
        self.body = body
        self.states: dict[str, str] = {c["id"]: c["state"] for c in body.get("calls", [])}
        self.own = {c["id"] for c in body.get("calls", []) if any(map(is_own, c["reasons"]))}
        self.why = {c["id"]: "; ".join(r["text"] for r in c["reasons"]) for c in body.get("calls", [])}
        self.text = json.dumps({k: v for k, v in body.items() if k not in ("schema", "cache_dir")}) + status["err"]
        self.plan: dict[str, dict[str, Any]] | None = None
        if plan is not None:
            try:
                self.plan = {c["id"]: c for c in json.loads(plan["out"])["calls"]}
            except (ValueError, KeyError):
                self.plan = {}
            self.plan_text = plan["out"] + plan["err"]
            self.plan_rc = plan["rc"]


class Bench:
    """A project's folder in which a program runs and commands ask, and what was seen of them so far."""

    forms = "", "--import"  # in which `status` and `plan` are asked

    def __init__(self, place: Path, servers: Servers, argv: list[str]) -> None:
        self.place, self.servers, self.argv = place, servers, argv
        self.home = place / "p0"
        self.home.mkdir()
        self.log = place / "log"
        self.history: list[str] = []
        self.made: set[str] = set()  # the calls that the last whole run of the program made
        self.since: list[tuple[Any, ...]] = []  # the edits since then
        self.lost: set[str] = set()  # the calls whose entries were deleted since then
        self.uncached: set[str] = set()  # functions whose results are not stored

    # -- what the kinds of benches know

    def environ(self) -> dict[str, str]:
        return {"PA_LOG": str(self.log)}

    def forgotten(self) -> set[str]:
        """The calls of which neither the graph nor an entry tells any more; what made them is stale for all that."""
        return self.lost if {"graph gone", "graph cut"} & {edit[0] for edit in self.since} else set()

    def may_be_unknown(self, said: Said) -> str:
        """Why something may be unknown now; or "needless"."""
        raise NotImplementedError

    def may_make_new_calls(self) -> bool:
        """Whether an edit may have reached what is outside of all cached functions: new arguments come from there."""
        return bool(self.since)

    def sources(self) -> str:
        """The project, for a reader of a failure."""
        raise NotImplementedError

    def fail(self, why: str) -> NoReturn:
        story = "\n".join(self.history)
        env = {k: v for k, v in self.environ().items() if k != "PA_LOG"}
        head = f"# ---- history of python {' '.join(self.argv)}, env {env}"
        raise AssertionError(f"{self.sources()}\n{head}\n{story}\n# ---- failure\n{why}")

    # -- running and asking

    def ran(self) -> list[str]:
        lines = self.log.read_text().split() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines

    def command(self, *argv: str) -> dict[str, Any]:
        return self.servers.run(self.home, self.environ(), ["-m", "cachepy", *argv, "--cache-dir", "cache"])

    def listing(self) -> dict[str, Any]:
        """All that is in the project's folder, but for the files of the graph, which may get back what it lacked."""
        found = {}
        for path in sorted(self.home.rglob("*")):
            if path.is_file() and path.name not in ("graph.pkl", "graph.size"):
                stat = path.stat()
                found[str(path.relative_to(self.home))] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            elif path.is_dir():
                found[str(path.relative_to(self.home))] = ()
        return found

    def program(self, said: list[Said] | None = None) -> None:
        """Run the program, and judge what was said before."""
        truth, made = self.scratch()
        self.ran()
        began = time.time()
        done = self.servers.run(self.home, self.environ(), self.argv)
        log = Counter(self.ran())
        self.history.append(f"  ran {dict(log)}")
        for line in done["err"].splitlines():
            if "Warning: " in line:
                self.servers.warnings[line.partition("Warning: ")[0].rpartition(" ")[2] + "Warning"] += 1
                self.history.append("  " + line)
        nodes = json.loads(self.servers.run(self.home, self.environ(), ["@nodes", "cache"])["out"])
        ran = {i for i, node in nodes.items() if node["created"] >= began}
        if (done["rc"] == 0) != (truth["rc"] == 0):
            self.fail(f"the program ended with {done['rc']}, without a cache with {truth['rc']}:\n{done['err']}{truth['err']}")
        if done["rc"] == 0 and done["out"] != truth["out"]:
            self.fail(f"wrong value\n     got {done['out']}\nexpected {truth['out']}")
        recorded = Counter(self.plain_name(nodes[i]["fname"]) for i in ran)
        if lacking := {name: n for name, n in (log - recorded).items() if done["rc"] == 0 and name not in self.uncached}:
            self.fail(f"bodies that ran and are not in the graph: {lacking}")
        for each in said or ():
            self.judge(each, ran, log, made, nodes, whole=done["rc"] == 0)
        if done["rc"] == 0:
            self.made, self.since, self.lost = made, [], set()
            self.quiet()

    def scratch(self) -> tuple[dict[str, Any], set[str]]:
        """What the program does and which calls it makes, at this place, as if it had never run."""
        aside = self.home.with_name(self.home.name + "-aside")
        self.home.rename(aside)
        try:
            shutil.copytree(aside, self.home, ignore=shutil.ignore_patterns("cache"))
            done = self.servers.run(self.home, self.environ(), ["@scratch", "-", *self.argv])
            shutil.rmtree(self.home)
        finally:
            aside.rename(self.home)
        done["out"], _, graph = done["out"].partition("\n@graph ")
        return done, set(json.loads(graph)) if graph else set()

    def ask(self, looks: str) -> list[Said]:
        """Ask in both forms; asking changes nothing and runs nothing."""
        self.ran()
        before = self.listing()
        said = []
        for form in self.forms:
            more = [form] if form else []
            status = self.command("status", "--json", *more)
            each = Said(form, status, self.command("plan", "--all", "--json", *more))
            said.append(each)
            self.history.append(f"  status {form} gave {each.rc}: {each.states}")
            if not each.body or "Traceback" in status["err"]:
                self.fail(f"status {form} gave no answer: {status}")
            if looks:
                self.pictures(each, more)
            self.check_rc(each)
        if ran := self.ran():
            self.fail(f"asking ran {ran}")
        if (after := self.listing()) != before:
            changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
            self.fail(f"asking changed {changed}")
        return said

    # -- judging

    def plain_name(self, fname: str) -> str:
        return fname.rpartition(".")[2].removeprefix("raw_")

    def check_rc(self, said: Said) -> None:
        """The exit code is that of the states, and 3 has a reason that nobody can help."""
        states = set(said.states.values())
        expected = 1 if states & {"stale", "missing"} else 3 if "unknown" in states else None
        if expected is not None and said.rc != expected:
            self.fail(f"status {said.form} gave {said.rc}, and has {states}")
        tier = self.may_be_unknown(said) if said.rc == 3 or "unknown" in states else ""
        self.servers.asked[f"{said.form or 'default'} {said.rc}{' ' + tier if tier else ''}"] += 1
        if tier == "needless":
            self.fail(f"status {said.form} says unknown without need: {said.text}")

    def judge(
        self, said: Said, ran: set[str], log: Counter[str], made: set[str], nodes: dict[str, Any], *, whole: bool
    ) -> None:
        """What was said before the run, against the run."""
        due = ran & self.made
        if said.rc == 0 and (due or (log and not whole and due)):
            self.fail(f"status {said.form} gave 0, and then ran {sorted(due)}; all that ran: {dict(log)}")
        if said.rc == 0 and log and not self.may_make_new_calls():
            self.fail(f"status {said.form} gave 0, and then ran calls that nothing announced: {dict(log)}")
        if fresh := sorted(i for i in due - self.forgotten() if said.rc == 1 and said.states.get(i, "fresh") == "fresh"):
            self.fail(f"status {said.form} said fresh of {fresh}, and they ran; it said {said.states}")
        if whole:
            self.judge_alarms(said, ran, made, nodes)
        if said.plan is not None:
            self.judge_plan(said, ran, made, due, whole=whole)

    def judge_alarms(self, said: Said, ran: set[str], made: set[str], nodes: dict[str, Any]) -> None:
        """What was said to be stale or missing ran, or did not have to, or is made no more."""
        for call, state in said.states.items():
            if state not in ("stale", "missing") or call in ran or call not in made:
                continue
            if call in said.own:
                self.fail(f"status {said.form} said {state} of {call}, which is made and was a hit: {said.why[call]}")
            if not self.below(call, nodes) & (ran | set(said.states)):
                self.fail(f"status {said.form} said {state} of {call}, and nothing below it ran: {said.why[call]}")

    def below(self, call: str, nodes: dict[str, Any]) -> set[str]:
        found: set[str] = set()
        todo = [call]
        while todo:
            node = nodes.get(todo.pop())
            more = [] if node is None else [c for c in (*node["children"], *node["inputs"]) if c not in found]
            found.update(more)
            todo += more
        return found

    def judge_plan(self, said: Said, ran: set[str], made: set[str], due: set[str], *, whole: bool) -> None:
        assert said.plan is not None
        runs = {i for i, c in said.plan.items() if c["state"] != "hit"}
        if said.rc == 1 and (unplanned := sorted(due - runs)):
            self.fail(f"plan {said.form} did not name {unplanned}, which ran\n{said.plan_text}")
        certain = {i for i in runs if said.plan[i]["certain"] and said.plan[i]["state"] != "unknown"}
        if whole and (idle := sorted((certain & made) - ran)):
            self.fail(f"plan {said.form} was certain of {idle}, which did not run\n{said.plan_text}")

    def quiet(self) -> None:
        """After a whole run of the program: all is fresh, nothing would run."""
        for form in ([name] if name else [] for name in self.forms):
            status = self.command("status", "--json", *form)
            if not self.made and status["rc"] == 1 and json.loads(status["out"])["state"] == "empty":
                continue  # nothing is made, and nothing is recorded: a job script has to go on
            if status["rc"] != 0:
                self.fail(f"after a run status {form} gave {status['rc']}: {causes_of(status)}")
            plan = self.command("plan", "--json", *form)
            if plan["rc"] != 0:
                self.fail(f"after a run plan {form} gave {plan['rc']}: {causes_of(plan)}")

    # -- pictures

    def pictures(self, said: Said, more: list[str]) -> None:
        """Everything that shows states shows those of `status`."""
        graph = json.loads(self.command("graph", "--json", *more)["out"])["nodes"]
        states = {n["id"]: n["state"] for n in graph}
        self.compare("graph --json", said, states)
        labels = sorted({(n["label"], n["state"]) for n in graph})
        tree = sorted(set(tree_of(self.command("graph", "--all", *more)["out"])))
        if tree != labels:
            self.fail(f"the tree shows {tree}, graph --json {labels}")
        page = self.command("export", "--format", "html", *more)["out"]
        self.compare("the page", said, page_of(page, states))
        counts = Counter(states.values())
        for form, read in (("dot", dot_of), ("mermaid", mermaid_of)):
            shown = read(self.command("graph", "--format", form, *more)["out"])
            if shown != counts:
                self.fail(f"graph --format {form} {said.form} shows {dict(shown)}, status {dict(counts)}")
        if not more:
            view = self.servers.run(self.home, self.environ(), ["@view", "cache"])
            self.compare("cache_tree_view", said, json.loads(view["out"]))

    def compare(self, what: str, said: Said, states: dict[str, str]) -> None:
        pairs = {i: (s, said.states.get(i, "fresh")) for i, s in states.items()}
        wrong = {i: pair for i, pair in pairs.items() if pair[0] != pair[1] and (i in said.states or i in self.made)}
        if wrong:
            self.fail(f"{what} {said.form} shows other states than status (shown, status): {wrong}")


MARKS = {"✓": "fresh", "ok": "fresh", "✗": "stale", "x": "stale", "○": "missing", "o": "missing", "?": "unknown"}
COLOURS = {"#1D3557": "fresh", "#FBBC04": "stale", "#F1F3F5": "missing", "#E8F0FE": ""}


def tree_of(text: str) -> list[tuple[str, str]]:
    """The calls with their states in the tree that `graph` prints."""
    found = []
    for line in text.splitlines():
        mark, _, rest = line.lstrip("│├└─ ").partition(" ")
        if mark in MARKS:
            label = rest.removesuffix("  (above)").removesuffix(f"  {MARKS[mark]}").removesuffix("  …").rstrip()
            found.append((label, MARKS[mark]))
    return found


def page_of(text: str, states: dict[str, str]) -> dict[str, str]:
    """The calls with their states in the data of the HTML page."""
    from cachepy.views.page_data import AFTER, STATES

    names = {number: state for state, number in STATES.items()} | {AFTER: "stale"}
    data = json.loads(text.partition('<script type="application/json" id="data">')[2].partition("</script>")[0])
    of_hash = {call.rpartition(":")[2]: call for call in states}
    return {of_hash[c[1]]: names[c[7]] for c in data["calls"] if c[1] in of_hash}


def dot_of(text: str) -> Counter[str]:
    """How many calls have the colour of each state in text for Graphviz."""
    colours = re.findall(r'^  "(?!file:)[^"]*" \[label=.*fillcolor="(#\w+)"', text, re.MULTILINE)
    return Counter(COLOURS.get(c, "unknown") for c in colours)


def mermaid_of(text: str) -> Counter[str]:
    """How many calls have the class of each state in text for Mermaid."""
    kinds = re.findall(r"^  c\d+\W.*:::(\w+)$", text, re.MULTILINE)
    return Counter(next((s for s in ("stale", "missing", "unknown") if s in k.lower()), "fresh") for k in kinds)


class Story(Bench):
    """One example: carries out the steps and keeps what a reader of a failure needs."""

    def __init__(self, plan: dict[str, Any], place: Path, servers: Servers) -> None:
        self.plan = plan
        self.project: ap.Drawn = plan["project"]
        self.state = ap.State.first(self.project)
        self.past: list[ap.State] = []
        self.wrote: dict[str, str | None] = {}
        super().__init__(place, servers, self.project.argv)

    def environ(self) -> dict[str, str]:
        given = {k: v for k, v in self.state.env.items() if v is not None}
        return {"PA_LOG": str(self.log), **given}

    def sources(self) -> str:
        files = ap.render(self.project, self.state)
        return "\n".join(f"# ---- {name}\n{source}" for name, source in files.items() if not name.endswith("spy.py"))

    def may_be_unknown(self, said: Said) -> str:
        """Why something may be unknown after these edits: broken, unguarded, computed; or needless."""
        kinds = {edit[0] for edit in self.since}
        if self.state.broken is not None or self.state.deleted is not None or self.state.lost or "lose" in kinds:
            return "broken"
        if said.form and not self.project.guarded:
            return "unguarded"
        if said.form:
            return "needless"
        computed = any(
            f.glob in ap.COMPUTED_GLOBALS or f.helper in ap.COMPUTED_HELPERS or f.shape in ap.COMPUTED_SHAPES
            for f in self.project.funcs
        )
        return "computed" if computed and kinds else "needless"

    def write(self) -> None:
        for name, text in ap.render(self.project, self.state).items():
            path = self.home / name
            if text is None:
                path.unlink(missing_ok=True)
            elif self.wrote.get(name) != text or not path.exists():
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
            self.wrote[name] = text

    def run(self) -> None:
        self.history.append("the first run")
        self.write()
        self.program()
        for number, step in enumerate(self.plan["steps"]):
            self.past.append(copy.deepcopy(self.state))
            self.history.append(f"step {number + 1}: {step['edits']}, then {step['then']}")
            self.state.broken = self.state.deleted = None
            self.state.lost = set()
            for edit in step["edits"]:
                self.edit(edit)
                self.since.append(edit)
            self.write()
            said = self.ask(step["looks"])
            if step["then"] == "refresh":
                self.refresh(said)
                said = self.ask("")
            if step["then"] != "nothing":
                self.program(said)
        if self.since:
            self.program(self.ask(""))

    def refresh(self, said: list[Said]) -> None:
        self.ran()
        folder = str(Path(self.project.script).parent) if self.project.layout != "module" else "."
        done = self.servers.run(self.home, self.environ(), ["@refresh", "cache", folder])
        log = Counter(self.ran())
        self.history.append(f"  refresh ran {dict(log)}: {done['out'][-2000:]}{done['err'][-2000:]}")

    # -- edits

    def edit(self, edit: tuple[Any, ...]) -> None:
        what, *rest = edit
        state = self.state
        if what in ("const", "helper", "glob", "default", "comment", "version"):
            getattr(state, f"{what}s")[rest[0]] = rest[1]
        elif what in ("tools", "unrelated", "rotate", "main_text", "main_n", "pipe", "table"):
            setattr(state, what, rest[0])
        elif what == "rename":
            state.names[rest[0]] = f"f{rest[0]}" if state.names[rest[0]] != f"f{rest[0]}" else f"renamed{rest[0]}"
        elif what in ("drop", "lose", "silent"):
            name = {"drop": "dropped", "lose": "lost", "silent": "silent"}[what]
            setattr(state, name, getattr(state, name) ^ {rest[0]})
        elif what in ("break", "delete"):
            setattr(state, {"break": "broken", "delete": "deleted"}[what], rest[0])
        elif what == "code back":
            if rest[0] < len(self.past):
                state.take_code(self.past[rest[0]])
        elif what == "data back":
            if rest[0] < len(self.past):
                old = copy.deepcopy(self.past[rest[0]])
                state.files, state.table, state.env = old.files, old.table, old.env
        elif what == "write":
            state.files[rest[0]] = rest[1]
        elif what == "remove":
            state.files[rest[0]] = None
        elif what == "env":
            state.env[rest[0]] = rest[1]
        else:
            self.handle(what, *rest)

    def handle(self, what: str, *rest: Any) -> None:
        """Edits of what lies on the disk and is no source."""
        cache = self.home / "cache"
        if what == "touch":
            path = self.home / ap.DATA[rest[0]]
            if path.exists():
                later = path.stat().st_mtime_ns + 5_000_000_000
                os.utime(path, ns=(later, later))
        elif what == "out gone":
            (self.home / "out.txt").unlink(missing_ok=True)
        elif what == "graph gone":
            (cache / "graph.pkl").unlink(missing_ok=True)
        elif what == "graph cut":
            graph = cache / "graph.pkl"
            if graph.exists():
                os.truncate(graph, graph.stat().st_size * 2 // 3)
        elif what in ("entry gone", "entry owned"):
            entries = sorted(p for p in (cache / "entries").rglob("*") if p.is_file())
            if entries and what == "entry gone":
                gone = entries[rest[0] % len(entries)]
                self.lost |= {call for call in self.made if call[-32:] in gone.name}
                gone.unlink()
            elif entries and os.geteuid() == 0:
                os.chown(entries[rest[0] % len(entries)], NEVER, NEVER)
        elif what == "place":
            new = self.place / f"p{int(self.home.name[1:]) + 1}"
            if rest[0] == "move":
                self.home.rename(new)
            else:
                shutil.copytree(self.home, new, symlinks=True)
            if rest[0] == "copy and remove":
                shutil.rmtree(self.home)
            self.home = new
