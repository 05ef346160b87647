"""Takes a program through its life and says what the cache made of the edit.

    old program: without the cache, stored by a first process, asked for by a second one (other hash seed);
    new program: without the cache, with it;
    old program again.

`python -m tests.catalogue.judge [REGEX]` prints all that is not as it should be, and a table by chapter; with `-v` the programs
too.  What is not mended yet stands in `pending.txt`, and has to be taken out there as soon as it is: `--mended` does that.
"""

from __future__ import annotations

import collections
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.catalogue.program import HEAD, Program

ROOT = Path(__file__).parents[2]
PENDING = Path(__file__).with_name("pending.txt")
GOOD, STALE, NEEDLESS, FLAPPING, CRASH, WARNED, SILENT, WRONG = (
    "noticed", "stale", "needless", "flapping", "crash", "warned", "silent", "bad program",
)  # fmt: skip
ORDER = (GOOD, STALE, NEEDLESS, FLAPPING, CRASH, WARNED, SILENT, WRONG)
_WARNING = re.compile(r"^(?:\S+:\d+: )?(\w+(?:Warning|Error)): (.*)", re.MULTILINE)


RUN_ALWAYS = ("ChangedGlobalWarning", "UncachedCallWarning", "ChangedInputWarning")  # whoever gives one stores nothing


BARE = "--without-cachepy"
GROUPS = (
    "",
    "numpy pandas pyarrow",
    "attrs click cloudpickle dask dask.base jinja2 joblib networkx numpy pydantic toolz toolz.curried yaml",
)  # of libraries that are imported together


class Server:
    """One fork server: some libraries, one hash seed."""

    def __init__(self, needs: str, seed: int) -> None:
        variables = os.environ | {
            "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(seed), "PYTHONDONTWRITEBYTECODE": "1",
            "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        command = [sys.executable, str(Path(__file__).with_name("server.py")), *needs.split()]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables)
        assert self._answer() == "ready"

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def run(self, request: dict[str, object]) -> int:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return int(self._answer())

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


@dataclass(frozen=True)
class Ran:
    value: str
    status: int
    stderr: str
    stored: list[str]  # the functions whose bodies ran and were stored

    @property
    def warnings(self) -> list[str]:
        return [f"{kind}: {text}" for kind, text in _WARNING.findall(self.stderr)]


@dataclass(frozen=True)
class Verdict:
    outcome: str
    text: str = ""


class Bench:
    """Where programs are written and run, one after the other; servers start when they are needed."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="catalogue-"))
        self._servers: dict[tuple[str, int], Server] = {}
        self._number = 0

    def close(self) -> None:
        for server in self._servers.values():
            server.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def server(self, needs: str, seed: int) -> Server:
        """The one with these libraries; few kinds of servers, since each takes a second to start."""
        if needs != BARE:
            needs = next((group for group in GROUPS if set(needs.split()) <= set(group.split())), needs)
        if (needs, seed) not in self._servers:
            self._servers[needs, seed] = Server(needs, seed)
        return self._servers[needs, seed]

    def judge(self, program: Program) -> Verdict:
        self._number += 1
        life = Life(program, self, self.folder / str(self._number))
        verdict = life.judge()
        shutil.rmtree(life.folder, ignore_errors=True)
        return verdict


class Life:
    """One program on disk."""

    def __init__(self, program: Program, bench: Bench, folder: Path) -> None:
        self.program, self.bench, self.folder = program, bench, folder
        self.root, self.logs = folder / "project", folder / "logs"
        self.root.mkdir(parents=True)
        self.logs.mkdir()
        (self.logs / "ran").touch()
        self.env: dict[str, str] = {}

    def write(self, new: bool) -> None:
        self.env = self.program.environment(new)
        for name, text in self.program.written(new).items():
            path = self.root / name
            if text is None:
                path.unlink(missing_ok=True)
                if path.parent.is_dir() and not any(path.parent.iterdir()):
                    path.parent.rmdir()
            elif not path.is_file() or path.read_text() != text:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)

    def run(self, cached: bool = True, seed: int = 1) -> Ran:
        request = {"root": str(self.root), "logs": str(self.logs), "env": self.env, "cached": cached}
        needs = self.program.needs or ("" if cached else BARE)
        status = self.bench.server(needs, seed).run(request)
        out, err, ran = ((self.logs / name).read_text() for name in ("out", "err", "ran"))
        return Ran(out, status, err, ran.split() if cached else [])

    def judge(self) -> Verdict:
        program = self.program
        self.write(new=False)
        plain = self.run(cached=False)
        if plain.status or not plain.value:
            return Verdict(WRONG, f"fails without a cache: {plain.stderr}")
        first = self.run()
        second = self.run(seed=2)
        self.write(new=True)
        plain_new = self.run(cached=False)
        if plain_new.status:
            return Verdict(WRONG, f"fails without a cache: {plain_new.stderr}")
        if (plain.value != plain_new.value) != program.counts:
            return Verdict(WRONG, f"without a cache {plain.value} became {plain_new.value}")
        third = self.run()
        self.write(new=False)
        fourth = self.run(seed=2)
        return self.compare(plain, first, second, plain_new, third, fourth)

    def compare(self, plain: Ran, first: Ran, second: Ran, plain_new: Ran, third: Ran, fourth: Ran) -> Verdict:
        for number, ran in enumerate((first, second, third, fourth), 1):
            if ran.status:
                return Verdict(CRASH, f"run {number}: {ran.stderr}")
        for number, ran in ((1, first), (2, second), (4, fourth)):
            if ran.value != plain.value:
                return Verdict(STALE, f"run {number} gives {ran.value.strip()}, not {plain.value.strip()}\n{ran.stderr}")
        if third.value != plain_new.value:
            return Verdict(STALE, f"run 3 gives {third.value.strip()}, not {plain_new.value.strip()}\n{third.stderr}")
        required = self.program.warns and self.program.warns[0] != "?"
        if required and not all(self.program.warns in ran.stderr for ran in (first, second)):
            return Verdict(SILENT, f"without a {self.program.warns}: {second.warnings}")
        if not first.stored and self.program.warns.lstrip("?") in RUN_ALWAYS:
            return Verdict(GOOD)
        if not first.stored:
            return Verdict(WARNED, f"nothing was stored: {first.stderr}")
        return self.needs(plain, first, second, plain_new, third, fourth)

    def needs(self, plain: Ran, first: Ran, second: Ran, plain_new: Ran, third: Ran, fourth: Ran) -> Verdict:
        if second.stored:
            return Verdict(NEEDLESS, f"run 2 was no hit {second.stored}\n{second.stderr}")
        if not self.program.counts and third.stored:
            return Verdict(NEEDLESS, f"run 3 was no hit {third.stored}\n{third.stderr}")
        if fourth.stored:
            return Verdict(FLAPPING, f"run 4, of the first program, was no hit {fourth.stored}\n{fourth.stderr}")
        for number, ran in enumerate((first, second, third, fourth), 1):
            expected = plain.warnings + plain_new.warnings
            said = [text for text in ran.warnings if text not in expected and not text.startswith(self.program.warns.lstrip("?") or "-")]
            if said:
                return Verdict(WARNED, f"run {number}: {said}")
        return Verdict(GOOD)


def read_pending() -> dict[str, str]:
    """What is known not to be as it should be: "chapter: name" -> why, from lines below a line with the reason."""
    known, reason = {}, ""
    for line in PENDING.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            reason = line[2:]
        elif line:
            known[line] = reason
    return known


def take_out(mended: set[str]) -> None:
    lines = [line for line in PENDING.read_text(encoding="utf-8").splitlines() if line not in mended]
    full = [a for a, b in zip(lines, [*lines[1:], ""], strict=True) if not a.startswith("# ") or (b and not b.startswith("# "))]
    PENDING.write_text("".join(f"{line}\n" for line in full), encoding="utf-8")


def shown(program: Program) -> str:
    """The text of a program, for people."""
    return "\n".join(f"# {name}\n{text.removeprefix(HEAD)}" for name, text in program.files.items())


def usable(program: Program) -> bool:
    found = all(importlib.util.find_spec(name) for name in program.needs.split())
    return found and sys.version_info >= tuple(map(int, program.python.split(".")))


def complaint(program: Program, verdict: Verdict) -> str:
    """What is not as the program says, or nothing."""
    if program.pending:
        good = verdict.outcome not in (GOOD, WRONG)
        wish = f"something else than {GOOD} (pending: {program.pending}; if it is mended, take the mark away)"
    elif program.hole:
        good, wish = verdict.outcome == STALE, f"{STALE}, as documented: {program.hole}"
    else:
        good, wish = verdict.outcome == GOOD, GOOD
    return "" if good else f"{program.name}: {verdict.outcome}, expected {wish}\n{verdict.text}\n{shown(program)}"


class Court:
    """Judges programs, several at a time if all are known beforehand; else each when it is asked for."""

    def __init__(self, programs: list[Program] = (), workers: int = 2) -> None:  # type: ignore[assignment]
        self._benches = [Bench() for _ in range(workers if programs else 1)]
        self._free = collections.deque(self._benches)
        self._pool = ThreadPoolExecutor(len(self._benches))
        self._verdicts = {id(program): self._pool.submit(self._judge, program) for program in programs}

    def _judge(self, program: Program) -> Verdict:
        bench = self._free.popleft()
        try:
            return bench.judge(program)
        finally:
            self._free.append(bench)

    def verdict(self, program: Program) -> Verdict:
        waiting = self._verdicts.get(id(program))
        return waiting.result() if waiting else self._judge(program)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        for bench in self._benches:
            bench.close()


def main() -> None:
    from tests.catalogue.chapters import CHAPTERS

    words = [word for word in sys.argv[1:] if word[0] != "-"]
    pattern = re.compile(words[0] if words else "")
    chosen = [(c, p) for c, each in CHAPTERS.items() for p in each if pattern.search(f"{c}: {p.name}") and usable(p)]
    start, court = time.monotonic(), Court([program for _, program in chosen])
    table: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    mended = set()
    for chapter, program in chosen:
        verdict = court.verdict(program)
        column = "stale, documented" if verdict.outcome == STALE and program.hole else verdict.outcome
        for row in (chapter, "all"):
            table[row][column] += 1
        if verdict.outcome == GOOD:
            mended.add(f"{chapter}: {program.name}")
        if verdict.outcome != GOOD or complaint(program, verdict):
            mark = f" [pending {program.pending}]" if program.pending else f" [stale: {program.hole}]" if program.hole else ""
            text = f"\n{verdict.text}\n{shown(program)}" if "-v" in sys.argv else f" {verdict.text.strip()[-300:]!r}"
            print(f"{chapter}: {program.name}: {verdict.outcome}{mark}:{text}")
    court.close()
    if "--mended" in sys.argv:
        take_out(mended)
    columns = [*ORDER[:2], "stale, documented", *ORDER[2:]]
    print(f"\n| chapter | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for row in [*[name for name in CHAPTERS if name in table], "all"]:
        print(f"| {row} | {' | '.join(str(table[row][column]) for column in columns)} |")
    print(f"{len(chosen)} programs, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
