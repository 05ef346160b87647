"""Random programs that read, list, look for and write files without a declaration, against runs without a cache.

After each edit the results, and all files that are left behind, are those of the same program without a cache. A second
run right after runs nothing; neither does a run after edits that changed no name and no content.

What is drawn has one meaning. Left out is what has none, because a run without a cache gives another result when it is
simply repeated, or because the order of hits and runs would show in a file:

- Several calls that write one file (the last one wins, and each finds the file of the other damaged): each call has a
  file of its own, named by function and argument.
- A file that is read before the call that writes it is made, or by a body that then writes it (changed in place,
  appended to, written only where it is absent): a body reads a file that another call writes if it has made that call
  itself just before, or if the call is of the first stage, all of whose calls end before the second stage begins.
- Listing a folder into which the same stage writes: the second stage lists that of the first one, nobody that of the second.
- Files that bodies delete, and times, sizes and rights of files as values: nobody asks for them.

CACHEPY_STRESS=1 runs many more examples, newly drawn each time.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from hypothesis import example, given

sys.path.insert(0, str(Path(__file__).parent))

import files_program as fp
from budgets import STRESS, budget
from dag_story import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

Phase = dict[str, Any]


@pytest.fixture(scope="module")
def sides() -> Iterator[dict[str, Server]]:
    """A server with cachepy and one without, by the folders that they work in."""
    made = {"data": Server("files_server.py"), "data-oracle": Server("files_server.py")}
    yield made
    for server in made.values():
        server.close()


class Story:
    """One example: each process carries out its phases with the cache and without, and both are compared."""

    def __init__(self, plan: dict[str, Any], place: Path, sides: dict[str, Server]) -> None:
        self.plan, self.place, self.sides = plan, place, sides
        self.program: fp.Program = plan["program"]
        self.history: list[str] = []
        self.before: dict[str, str | None] | None = None  # all files as the last phase left them
        (place / "src").mkdir()
        (place / "src" / "helpers.py").write_text(fp.HELPERS)
        (place / "src" / "program.py").write_text(self.program.source())
        for side in sides:
            (place / side).mkdir()
            for name, text in plan["files"].items():
                if text is not None:
                    (place / side / name).parent.mkdir(parents=True, exist_ok=True)
                    (place / side / name).write_text(text)

    def run(self) -> None:
        phases: list[list[Any]] = [[]]  # of the process that is to be run next
        for round_ in self.plan["rounds"]:
            if not round_["same process"]:
                self.process(phases)
                phases = []
            phases.append(round_["edits"])
            if not round_["again in the same process"]:
                self.process(phases)
                phases = []
            phases.append([])
        self.process(phases)

    def process(self, phases: list[list[Any]]) -> None:
        request = {"src": str(self.place / "src"), "calls": self.program.roots, "phases": phases}
        for side, server in self.sides.items():
            server.send({**request, "data": str(self.place / side), "oracle": side == "data-oracle"})
        got, truth = (server.receive() for server in self.sides.values())
        self.history.append("a process")
        for answer in (truth, got):
            if "failure" in answer:
                self.fail(answer["failure"] + "(without a cache: a fault of this test)" * (answer is truth))
        for edits, mine, real in zip(phases, got["phases"], truth["phases"], strict=True):
            self.history.append(f"  edits {edits}, ran {mine['ran']}")
            self.judge(mine, real)
        if got["warnings"]:
            self.fail("warnings:\n" + "\n".join(got["warnings"]))

    def judge(self, mine: Phase, real: Phase) -> None:
        if mine["before"] != real["before"]:
            self.fail("the edits gave other files: a fault of this test" + difference(mine["before"], real["before"]))
        if mine["values"] != real["values"]:
            self.fail(f"wrong values\n     got {mine['values']}\nexpected {real['values']}")
        if mine["after"] != real["after"]:
            self.fail("wrong files" + difference(mine["after"], real["after"]))
        if self.before == mine["before"]:
            if real["after"] != real["before"]:
                self.fail("repeating it changes files: a fault of this test" + difference(real["after"], real["before"]))
            if mine["ran"]:
                self.fail(f"nothing has changed, but {mine['ran']} ran")
        self.before = mine["after"]

    def fail(self, why: str) -> NoReturn:
        story = "\n".join(self.history)
        files = json.dumps(self.plan["files"])
        raise AssertionError(f"{self.program.source()}\n# calls {self.program.roots}\n# files {files}\n{story}\n{why}")


def difference(got: dict[str, Any], expected: dict[str, Any]) -> str:
    names = sorted(name for name in {*got, *expected} if got.get(name, ...) != expected.get(name, ...))
    return "".join(f"\n{name}: got {got.get(name, 'none')!r}, expected {expected.get(name, 'none')!r}" for name in names)


def tell(plan: dict[str, Any], sides: dict[str, Server]) -> None:
    with tempfile.TemporaryDirectory() as place:
        Story(plan, Path(place), sides).run()


CAT = next(way for way in fp.READS if way.startswith("got = subprocess.run(['cat'"))
PROGRAM_FINDS_NOTHING: dict[str, Any] = {
    "program": fp.Program((fp.Func(0, 2, (CAT.replace("{p}", "'in/a.txt'"),), None),), ((0, 1),)),
    "files": {},
    "rounds": [
        {"edits": [["write", "in/a.txt", "a", False, False]], "same process": False, "again in the same process": False}
    ],
}


@pytest.mark.timeout(3600 if STRESS else 900)  # making a failing example small takes minutes
@given(fp.plans())
@example(PROGRAM_FINDS_NOTHING)
@budget(15, 2000)
def test_files_that_nobody_declared(sides: dict[str, Server], plan: dict[str, Any]) -> None:
    tell(plan, sides)


@pytest.mark.stress
@given(fp.plans())
@budget(30, 250, long=True)
def test_files_that_nobody_declared_for_long(sides: dict[str, Server], plan: dict[str, Any]) -> None:
    tell(plan, sides)
