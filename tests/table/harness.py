"""The machinery behind the table of edits: small generated projects, run in forked processes.

A `Case` is data: the files of a project, a call, an edit, and the bodies that must run after the edit.
`check` takes it through its life:

    run it without a cache, run it (every body runs), run it again (nothing runs),
    edit, ask why it will run (if the case states the first reason), run it without a cache, run it (exactly the expected bodies run), run it again (nothing runs)

and every value must be the one that the run without a cache gives. A table can be wrong too: where a body
must run, the uncached value must differ (unless the case says `same`), and where nothing may run it must not.

Runs are cheap: a server process with numpy, pandas and cachepy loaded forks one child per run. The child
imports the generated modules afresh and writes no bytecode, so that two edits within a second are two edits.
"""

from __future__ import annotations

import ast
import collections
import json
import os
import re
import shutil
import textwrap
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.table.forking import CaseFailed, Server, run_once

HEAD = "from _cf import DIR, cache_file, mark, ran, track_file\n"
SHIM = """\
import os
from pathlib import Path

DIR = os.environ["CACHEDIR"]

def ran(name):
    with open(os.environ["RANLOG"], "a") as log:
        log.write(name + "\\n")

def mark():
    ran("--")

if "NOCACHE" in os.environ:
    def cache_file(*args, **options):
        return lambda function: function

    def track_file(path):
        return Path(path)
else:
    from cachepy import cache_file, track_file
"""
LIVE = """
def _call():
    return {call}

out = [repr(_call())]
mark()
out.append(repr(_call()))
mark()
{live}
mark()
out.append(repr(_call()))
mark()
out.append(repr(_call()))
"""
AGE = 2.5  # seconds; the coarsest clock of a file system ticks every two

Edit = Callable[["CaseFolder"], None]


@dataclass(frozen=True)
class Link:
    """A symlink in `Case.files`."""

    target: str


@dataclass(frozen=True)
class Case:
    name: str
    files: Mapping[str, str | bytes | Link]
    edit: Edit | str  # "old => new" stands for that replacement in m.py
    runs: str | None  # names of the bodies that run after the edit; None: no claim
    call: str = "m.f(3)"
    setup: str = "import m"
    live: str = ""  # instead of `edit`: statements run between two calls in one process
    env: dict[str, str] = field(default_factory=dict)
    cwd: str = "."
    same: bool = False  # the bodies in `runs` must run although the value stays what it was
    fresh: bool = False  # a real interpreter for each run, started with the environment of the case
    aged: bool = False  # the first run waits until the stats of the files are no longer young
    outputs: bool = False  # the edit is to a file that the bodies write: made again after the uncached run
    first: str | None = None  # how the first reason begins that is given between the edit and the rerun


@dataclass(frozen=True)
class Run:
    value: Any
    ran: list[str]


@dataclass(frozen=True)
class Told:
    """What the first call that is not fresh says of itself, asked instead of being made."""

    call: str
    explained: list[dict[str, str]]  # by `f.explain`
    stale: dict[str, list[dict[str, str]]]  # by `cache_tree_stale`, of every call


def function(returns: str, args: str = "x", options: str = "", name: str = "f") -> str:
    """The source of a cached function that logs its name and returns an expression."""
    return f"""
@cache_file(DIR{options and ", " + options})
def {name}({args}):
    ran({name!r})
    return {returns}
"""


def module(source: str, *functions: str) -> str:
    return textwrap.dedent(source) + "".join(functions)


# ---- edits


@dataclass(frozen=True)
class Sub:
    """Replace the one occurrence of `old` by `new`, written as "old => new"."""

    change: str
    file: str = "m.py"

    def __call__(self, project: CaseFolder) -> None:
        old, new = self.change.split(" => ")
        text = (project.root / self.file).read_text()
        if text.count(old) != 1:
            raise CaseFailed(f"{self.file} holds {old!r} {text.count(old)} times")
        project.write(self.file, text.replace(old, new))


sub = Sub


def write(file: str, content: str | bytes | Link) -> Edit:
    return lambda project: project.write(file, content)


def remove(file: str) -> Edit:
    return lambda project: project.remove(file)


def rename(old: str, new: str) -> Edit:
    def edit(project: CaseFolder) -> None:
        (project.root / old).rename(project.root / new)

    return edit


def touch(file: str) -> Edit:
    return lambda project: os.utime(project.root / file, (2_000_000_000, 2_000_000_000))


def sly(file: str, content: str) -> Edit:
    """New content, with the size and the mtime of the old."""

    def edit(project: CaseFolder) -> None:
        path = project.root / file
        before = path.stat()
        path.write_text(content)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        after = path.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise CaseFailed("the sly edit can be seen")

    return edit


def poke(file: str, offset: int, content: bytes) -> Edit:
    def edit(project: CaseFolder) -> None:
        with (project.root / file).open("r+b") as stream:
            stream.seek(offset)
            stream.write(content)

    return edit


def env(**names: str | None) -> Edit:
    """Set variables; None takes one away."""

    def edit(project: CaseFolder) -> None:
        for name, value in names.items():
            if value is None:
                project.env.pop(name, None)
            else:
                project.env[name] = value

    return edit


def chdir(folder: str) -> Edit:
    def edit(project: CaseFolder) -> None:
        project.cwd = folder

    return edit


def moved_cache(copied: bool) -> Edit:
    """The cache directory stands elsewhere."""

    def edit(project: CaseFolder) -> None:
        old, project.cache = project.cache, project.cache.with_name("elsewhere")
        if copied:
            shutil.copytree(old, project.cache)
        else:
            old.rename(project.cache)

    return edit


def lost(function: str) -> Edit:
    """The entries of a function are gone, as after a clean-up by hand."""

    def edit(project: CaseFolder) -> None:
        entries = list((project.cache / "entries").rglob(f"{function}-*.entry"))
        if not entries:
            raise CaseFailed(f"no entry of {function} is stored")
        for entry in entries:
            entry.unlink()

    return edit


def call(expression: str) -> Edit:
    def edit(project: CaseFolder) -> None:
        project.script(replace(project.case, call=expression))

    return edit


def run(project: CaseFolder) -> None:
    """A run between two edits, as a step of `then`."""
    project.run()


def then(*steps: Edit) -> Edit:
    def edit(project: CaseFolder) -> None:
        for step in steps:
            step(project)

    return edit


def nothing(project: CaseFolder) -> None:
    """No edit."""


# ---- projects


class CaseFolder:
    """The files of a case on disk, and the way to run them."""

    def __init__(self, case: Case, folder: Path, server: Server) -> None:
        self.case, self.server = case, server
        self.root, self.cache = folder / "project", folder / "cache"
        self.log, self.result, self.stderr = folder / "ran.log", folder / "result.json", folder / "stderr.txt"
        self.env, self.cwd = dict(case.env), case.cwd
        self.write("_cf.py", SHIM)
        self.reset()
        self.made = time.monotonic()

    def reset(self) -> None:
        for name, content in self.case.files.items():
            self.write(name, content)
        self.script(self.case)

    def write(self, name: str, content: str | bytes | Link) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Link):
            path.unlink(missing_ok=True)
            path.symlink_to(content.target)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            if name.endswith(".py"):
                content = textwrap.dedent(content).lstrip("\n")
                if name != "_cf.py" and "cache_file(" in content and not content.startswith(HEAD):
                    content = HEAD + content
            path.write_text(content)

    def remove(self, name: str) -> None:
        path = self.root / name
        if path.is_dir() and not path.is_symlink():
            for member in path.iterdir():
                self.remove(f"{name}/{member.name}")
            path.rmdir()
        else:
            path.unlink()

    def script(self, case: Case) -> None:
        setup = textwrap.dedent(case.setup).strip("\n")
        if case.live:
            live = textwrap.dedent(case.live).strip("\n")
            self.write("script.py", HEAD + setup + LIVE.format(call=case.call, live=live))
        else:
            self.write("script.py", f"{setup}\nout = {case.call}\n")

    def run(self, cached: bool = True) -> Run:
        return Run(self._execute(cached)["value"], self.log.read_text().split())

    def ask(self) -> Told:
        """Run up to the first call that is not fresh, and ask why."""
        told = Told(**self._execute(ask=True)["told"])
        if self.log.read_text():
            raise CaseFailed(f"asking ran {self.log.read_text().split()}")
        return told

    def _execute(self, cached: bool = True, ask: bool = False) -> dict[str, Any]:
        variables = self.env | {"CACHEDIR": str(self.cache), "RANLOG": str(self.log)}
        if not cached:
            variables["NOCACHE"] = "1"
        for path in (self.log, self.result):
            path.unlink(missing_ok=True)
        self.log.touch()
        request = {
            "root": str(self.root),
            "cwd": str(self.root / self.cwd),
            "env": variables,
            "result": str(self.result),
            "stderr": str(self.stderr),
            "ask": ask,
        }
        if self.case.fresh:
            run_once(request)
        else:
            self.server.run(request)
        if not self.result.exists():
            raise CaseFailed(f"the run died or hung\n{self.stderr.read_text()}")
        answer: dict[str, Any] = json.loads(self.result.read_text())
        if "error" in answer:
            raise CaseFailed(answer["error"])
        return answer

    def sources(self) -> str:
        return "\n".join(
            f"# {path.relative_to(self.root)}\n{path.read_text().removeprefix(HEAD)}"
            for path in sorted(self.root.rglob("*.py"))
            if path.name != "_cf.py"
        )


def check(project: CaseFolder) -> None:
    """Take a case through its life; raises CaseFailed with everything that one wants to see."""
    case, sources = project.case, project.sources()
    try:
        (check_live if case.live else check_edit)(case, project)
    except CaseFailed as problem:
        text = [f"{case.name}: {problem}", "---- before the edit", sources]
        if project.sources() != sources:
            text += ["---- after the edit", project.sources()]
        if project.stderr.exists() and project.stderr.read_text():
            text += ["---- stderr of the last run", project.stderr.read_text()]
        raise CaseFailed("\n".join(text)) from None


def check_edit(case: Case, project: CaseFolder) -> None:
    if case.aged:
        time.sleep(max(0.0, project.made + AGE - time.monotonic()))
    before = project.run(cached=False)
    expect("the first run", project.run(), before.value, None, set(before.ran))
    expect("the second run", project.run(), before.value, "")
    edit = sub(case.edit) if isinstance(case.edit, str) else case.edit
    edit(project)
    if case.first is not None:
        check_first(case, edit, project)
    after = project.run(cached=False)
    check_table(case, before.value, after.value)
    if case.outputs:
        edit(project)
    expect("the run after the edit", project.run(), after.value, case.runs)
    expect("the run after that", project.run(), after.value, "")


def check_first(case: Case, edit: Edit, project: CaseFolder) -> None:
    """Asked before the rerun, the call and the graph both name the true cause first."""
    told = project.ask()
    explained, stale = told.explained, told.stale.get(told.call, [])
    check_sentence("explain", explained, case.first or "", project)
    if explained[0]["cue"] != "first":
        check_sentence("cache_tree_stale", stale, case.first or "", project)
    elif [reason["cue"] for reason in stale] not in ([], ["value"]):  # the graph may know a call whose entry is gone
        raise CaseFailed(f"cache_tree_stale knows of {stale}")
    if told.explained[0]["cue"] == "code":
        check_code(told.explained[0], edit, project)


def check_sentence(source: str, reasons: list[dict[str, str]], right: str, project: CaseFolder) -> None:
    """The first reason in words, but for the folder of a file and the place of code."""
    texts = [reason["text"].replace(f"{project.root}/", "") for reason in reasons] or ["nothing"]
    where = f" ({reasons[0]['where']})" if reasons and reasons[0]["where"] else ""
    text = texts[0].removesuffix(where)
    if not re.fullmatch(".*".join(map(re.escape, right.split("…"))), text):
        raise CaseFailed("\n    ".join([f"{source} does not begin with: {right}", *texts]))


def check_code(reason: Mapping[str, str], edit: Edit, project: CaseFolder) -> None:
    """The place is that of the function as it is now, and the diff shows the lines that were edited."""
    file, _, line = reason["where"].rpartition(":")
    name = reason["name"].rpartition(".")[2].rpartition(":")[2]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    here = [
        getattr(node, "name", "<lambda>")
        for node in ast.walk(ast.parse((project.root / project.cwd / file).read_text()))
        if isinstance(node, kinds)
        and min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))]) == int(line)
    ]
    if name not in here:
        raise CaseFailed(f"{reason['name']} is not at {reason['where']}: there is {here}")
    lines = reason["diff"].splitlines()
    for sign, text in zip("-+", edit.change.split(" => ") if isinstance(edit, Sub) else ("", ""), strict=True):
        if not any(squeezed(text) in squeezed(each) for each in lines if each[0] == sign):
            raise CaseFailed(f"the diff shows no {sign} line with {text!r}:\n{reason['diff']}")


def squeezed(text: str) -> str:
    """Without what normalising the source may change."""
    return "".join(text.split()).replace('"', "'")


def check_live(case: Case, project: CaseFolder) -> None:
    plain = project.run(cached=False)
    project.reset()
    cached = project.run()
    values = plain.value
    check_table(case, values[0], values[2])
    first, second, _, third, fourth = split(cached.ran)
    expect("the first call", Run(cached.value[0], first), values[0], None, set(split(plain.ran)[0]))
    expect("the second call", Run(cached.value[1], second), values[1], "")
    expect("the call after the edit", Run(cached.value[2], third), values[2], case.runs)
    expect("the call after that", Run(cached.value[3], fourth), values[3], "")


def check_table(case: Case, before: Any, after: Any) -> None:
    if case.runs is not None and (before != after) != (bool(case.runs) and not case.same):
        raise CaseFailed(f"the table is wrong: without a cache {before!r} became {after!r}")


def expect(moment: str, got: Run, value: Any, runs: str | None, all_of: set[str] | None = None) -> None:
    """The bodies that ran and the value. With `all_of`, each of these bodies ran, however often."""
    if all_of is not None and set(got.ran) != all_of:
        raise CaseFailed(f"{moment} ran {show(got.ran)}, not {show(all_of)}")
    if runs is not None and collections.Counter(got.ran) != collections.Counter(runs.split()):
        raise CaseFailed(
            f"{moment} ran {show(got.ran)}, not {show(runs.split())}\nvalue: {got.value!r}, right: {value!r}"
        )
    if got.value != value:
        raise CaseFailed(f"{moment} ran {show(got.ran)} and gave {got.value!r}, not {value!r}")


def show(names: list[str] | set[str]) -> str:
    return " ".join(sorted(names)) or "nothing"


def split(names: list[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for name in names:
        if name == "--":
            parts.append([])
        else:
            parts[-1].append(name)
    return parts
