"""Which objects can be arguments, results and globals of cached functions, and what they cost against joblib.

    python benchmarks/objects.py [REGEX] [--page]

Each kind of `object_kinds.txt` becomes a program that is run in three fresh processes with other hash seeds. In the
second and the third nothing may run, in the third also after the object has been used. `--page` writes the table of
docs/reference/objects.md; kinds whose libraries are not installed keep the line that they have there.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
KINDS = Path(os.environ.get("OBJECT_KINDS", HERE / "object_kinds.txt"))
PAGE = HERE.parent / "docs" / "reference" / "objects.md"
COLUMNS = ("argument", "result", "global")
SEEDS = ("1", "2", "3")

PROGRAM = """
import json, sys, warnings
heard = []
warnings.simplefilter("always")
from cachepy import CacheWarning, cache_file

def hear(message, category, *_, **__):
    if issubclass(category, CacheWarning):
        heard.append(f"{{category.__name__}}: {{message}}")

warnings.showwarning = hear
cached = cache_file("cache", warn_cheap=False, ignore_globals=["heard"])
{given}
OBJ = {made}
if "used" in sys.argv:
    x = OBJ
    {used}

def log(name):
    with open("log", "a") as file:
        print(name, file=file)

@cached
def make(n):
    log("result")
    return {made}

@cached
def hand_on(x):
    log("result")
    {used}
    return x

@cached
def use(x):
    log("argument")
    {used}
    return 1

@cached
def take(x):
    log("argument")
    return 1

@cached
def read(n):
    log("global")
    x = OBJ
    {used}
    return n

first = make(1)
x = hand_on(first)
use(x), take(x), read(1)
log("again")
use(x), take(x)
{used}
use(x), take(x), read(1)
log("changed")
key = take.key({made})
told = {{"key": key, "same": take.key({made}) == key, "changes": []}}
{changes}
print("TOLD" + json.dumps(told | {{"heard": heard}}))
"""

SPEED = """
import sys, time
{given}
big = {large}
if "joblib" in sys.argv:
    from joblib import Memory
    cached = Memory("joblib", verbose=0).cache
else:
    from cachepy import cache_file
    cached = cache_file("cache", warn_cheap=False, ignore_globals=["big"])

@cached
def take(x):
    return 1

@cached
def make(n):
    return big

def least(fn, argument):
    fn(argument)
    times = []
    for _ in range(3):
        before = time.process_time()
        fn(argument)
        times.append(time.process_time() - before)
    return min(times)

print(least(take, big), least(make, 1))
"""


@dataclass
class Kind:
    """A kind of object: how one is made, what makes another one of it, what fills caches inside.

    reasons: by column, why not; large: one of about 50 MB.
    """

    name: str
    needs: tuple[str, ...]
    given: list[str] = field(default_factory=list)
    made: str = ""
    changes: list[str] = field(default_factory=list)
    used: str = "repr(x)"
    large: str = ""
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def is_here(self):
        """Whether its libraries are installed."""
        return all(importlib.util.find_spec(name) for name in self.needs)


def kinds():
    """All of them, in the order of the file."""
    found = []
    for line in KINDS.read_text("utf-8").split("\n\n## ", 1)[1].splitlines():
        mark, rest = line[:2], line[2:]
        if mark == "##" or not found:
            name, _, needs = line.removeprefix("## ").partition("; ")
            found.append(Kind(name, tuple(needs.split())))
        elif mark == "> ":
            found[-1].made = rest
        elif mark == "~ ":
            found[-1].changes.append(rest)
        elif mark == "! ":
            found[-1].used = rest
        elif mark == "* ":
            found[-1].large = rest
        elif mark == "? ":
            column, _, why = rest.partition(": ")
            found[-1].reasons[column] = why
        elif line:
            found[-1].given.append(line)
    return found


def program(kind):
    """The text of its program."""
    changes = []
    for change in kind.changes:
        changes += [f"x = {kind.made}", change, 'told["changes"].append(take.key(x) != key)']
    given = "\n".join(kind.given)
    return PROGRAM.format(given=given, made=kind.made, used=kind.used, changes="\n".join(changes))


@dataclass
class Verdict:
    """What became of a kind: by column what is wrong; what makes another object and has its key; what was warned of."""

    kind: Kind
    wrong: dict[str, str]
    missed: list[str]
    heard: list[str]

    def cell(self, column):
        """What stands in the table."""
        why = self.kind.reasons.get(column)
        return "yes" if column not in self.wrong else f"no: {why}" if why else "no"


def judge(kind, tree=HERE.parent):
    """Run the program of a kind three times."""
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "program.py").write_text(program(kind), "utf-8")
        runs = [_run(folder, seed, tree, ["used"] if seed == SEEDS[-1] else []) for seed in SEEDS]
    except AssertionError as error:
        return Verdict(kind, {"program": str(error).strip().splitlines()[-1]}, [], [])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    wrong = {}
    for at, (ran, told) in enumerate(runs):
        for part, names in ran.items():
            if at or part == "again":
                wrong |= dict.fromkeys(names, f"ran {part}, in process {at + 1}")
        if told["key"] != runs[0][1]["key"] or not told["same"]:
            wrong["argument"] = "equal ones have other keys"
    told = runs[0][1]
    missed = [change for change, is_new in zip(kind.changes, told["changes"], strict=True) if not is_new]
    return Verdict(kind, wrong, missed, [*dict.fromkeys(line for _, told in runs for line in told["heard"])])


def _run(folder, seed, tree, arguments):
    """What ran, by the part of the program, and what it told."""
    log = folder / "log"
    log.unlink(missing_ok=True)
    done = _python(folder, "program.py", arguments, tree, PYTHONHASHSEED=seed)
    ran, part = {"chain": []}, "chain"
    for line in log.read_text().splitlines():
        if line in ("again", "changed"):
            part = line
            ran[part] = []
        else:
            ran[part] += line.split()
    return ran, json.loads(done.rpartition("TOLD")[2])


def _python(folder, name, arguments, tree, **variables):
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    variables = os.environ | threads | {"PYTHONPATH": str(tree), "MPLBACKEND": "agg"} | variables
    command = [sys.executable, name, *arguments]
    done = subprocess.run(
        command, check=False, cwd=folder, env=variables, capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        raise AssertionError(f"{done.stdout}\n{done.stderr}")
    return done.stdout


def speed(kind, tree=HERE.parent):
    """Processor time of hits with 50 MB as argument and as result, by that of joblib."""
    if not kind.large:
        return None
    folder = Path(tempfile.mkdtemp())
    try:
        text = SPEED.format(given="\n".join(kind.given), large=kind.large)
        (folder / "speed.py").write_text(text, "utf-8")
        told = [_python(folder, "speed.py", [tool], tree).split()[-2:] for tool in ("cachepy", "joblib")]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [float(ours) / float(theirs) for ours, theirs in zip(*told, strict=True)]


# ---------------------------------------------------------------- the page


def row(verdict, ratios):
    """Its line in the table."""
    fast = "" if ratios is None else " and ".join(f"{ratio:.3f}" for ratio in ratios)
    return f"| {verdict.kind.name} | {' | '.join(map(verdict.cell, COLUMNS))} | {fast} |"


def write_page(lines):
    """Put lines into the table of the page, in the order of the kinds; a kind without a new one keeps what it has."""
    text = PAGE.read_text("utf-8")
    head, old = text[: text.index("| object |")], text[text.index("| object |") :].splitlines()
    table, rest = [line for line in old if line.startswith("|")], [line for line in old if not line.startswith("|")]
    known = {line.split(" | ")[0].removeprefix("| "): line for line in table[2:]} | lines
    rows = [known[kind.name] for kind in kinds() if kind.name in known]
    PAGE.write_text("\n".join([head + table[0], table[1], *rows, *rest]) + "\n", "utf-8")


def main():
    """Judge what is asked for, and print it."""
    arguments = [each for each in sys.argv[1:] if each != "--page"]
    asked = [kind for kind in kinds() if kind.is_here and re.search(arguments[0] if arguments else "", kind.name)]
    lines, bad = {}, 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for verdict in pool.map(judge, asked):
            unexpected = {*verdict.wrong} - {*verdict.kind.reasons}
            bad += bool(unexpected or verdict.missed)
            lines[verdict.kind.name] = verdict
            print(f"{verdict.kind.name:44} {verdict.wrong or 'ok'}", *verdict.missed, flush=True)
            print(textwrap.indent("\n".join(verdict.heard), " " * 6), end="\n" if verdict.heard else "")
    print(f"{len(asked) - bad} of {len(asked)} as they should be")
    if "--page" in sys.argv:
        write_page({name: row(verdict, speed(verdict.kind)) for name, verdict in lines.items()})
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
