"""`cache_tree_refresh`: what is stale runs, bottom up, and nothing else."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import sys
import textwrap
from pathlib import Path

import pytest

from cachepy import (
    Session,
    UsageError,
    UsageValueError,
    cache_prune,
    cache_tree_nodes,
    cache_tree_plan,
    cache_tree_refresh,
    cache_tree_stale,
    cache_tree_sync,
    current_session,
    use_session,
)
from cachepy.staleness.plan import CALLERS, RESULTS

HELD = ("hit", "")
NUMBER = itertools.count()
SOURCE = """
import os
from pathlib import Path
from cachepy import cache_file, track_file

CACHE = os.environ["REFRESH_CACHE"]
RAN = []
cf = cache_file(CACHE, ignore_globals=["RAN"])

@cf
def load(path: Path):
    RAN.append(f"load {path.name}")
    return [float(x) for x in path.read_text().split()]

@cf
def clean(values):
    RAN.append("clean")
    return [v for v in values if v < 100]

@cf
def total(values):
    RAN.append("total")
    return {"total": sum(values), "unit": "m"}

@cf
def report(totals):
    RAN.append("report")
    return [t["total"] for t in totals]

@cf
def nested(name: bytes):
    RAN.append("nested")
    return total(clean(load(Path(name.decode()))))

def main(*names):
    return report([total(clean(load(Path(name)))) for name in names])
"""


class Program:
    """A module on disk that is imported afresh by `start`, as a new process would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"refreshed_{next(NUMBER)}"
        self.source = SOURCE
        for name, numbers in (("a", "1 2 300"), ("b", "4 5 600"), ("c", "7 8 900")):
            (folder / name).write_text(numbers)
        self.start()

    def edit(self, old: str, new: str) -> None:
        assert self.source.count(old) == 1
        self.source = self.source.replace(old, new)

    def start(self):
        """Another run of the program: fresh module, fresh session with the graph from disk."""
        (self.folder / f"{self.name}.py").write_text(textwrap.dedent(self.source))
        sys.modules.pop(self.name, None)
        importlib.invalidate_caches()
        session = current_session()
        session.graph.clear()
        cache_tree_sync(self.folder / "cache")
        self.module = importlib.import_module(self.name)
        return self.module

    def ran(self) -> list[str]:
        found = sorted(self.module.RAN)
        self.module.RAN.clear()
        return found


@pytest.fixture
def program(tmp_path, monkeypatch):
    monkeypatch.setenv("REFRESH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    with use_session(Session()):
        yield Program(tmp_path)


def test_nothing_is_stale(program):
    program.module.main("a", "b")
    program.ran()
    done = cache_tree_refresh()
    assert (done.ran, done.cut, done.failed, done.left) == ((), (), {}, {})
    assert str(done) == "nothing was stale"
    assert program.ran() == []


def test_an_edited_file_runs_what_goes_by_it(program):
    program.module.main("a", "b", "c")
    program.start()
    (program.folder / "b").write_text("40 50 600")
    done = cache_tree_refresh()
    assert program.ran() == ["clean", "load b", "report", "total"]
    assert [i.partition(":")[0] for i in done.ran] == ["load", "clean", "total", "report"]
    assert cache_tree_stale() == {}
    assert program.module.main("a", "b", "c") == [3.0, 90.0, 15.0]
    assert program.ran() == []


def test_an_equal_result_cuts_off_what_is_above(program):
    program.module.main("a", "b")
    program.start()
    (program.folder / "b").write_text("4 5 777")  # clean() drops what differs
    done = cache_tree_refresh()
    assert program.ran() == ["clean", "load b"]
    assert len(done.ran) == 2
    assert {i.partition(":")[0] for i in done.cut} <= {"total", "report"}
    assert program.module.main("a", "b") == [3.0, 9.0]
    assert program.ran() == []
    assert cache_tree_stale() == {}


def test_an_edit_of_code_that_changes_nothing(program):
    program.module.main("a", "b")
    program.edit("v < 100", "v <= 100")
    program.start()
    done = cache_tree_refresh()
    assert program.ran() == ["clean", "clean"]
    assert len(done.cut) == 3
    assert str(done) == "2 ran, 3 did not have to run"


def test_a_nested_pipeline_is_cut_off_too(program):
    program.module.nested(b"a")
    program.edit("v < 100", "v <= 100")
    program.start()
    cache_tree_refresh()
    assert program.ran() == ["clean"]
    assert cache_tree_stale() == {}


def test_a_nested_pipeline_runs_if_it_must(program):
    program.module.nested(b"a")
    program.edit("v < 100", "v < 2")
    program.start()
    cache_tree_refresh()
    assert program.ran() == ["clean", "nested", "total"]
    assert program.module.nested(b"a") == {"total": 1.0, "unit": "m"}
    assert program.ran() == []


def test_roots_limit_it(program):
    program.module.main("a")
    program.module.nested(b"b")
    (program.folder / "a").write_text("9 9")
    (program.folder / "b").write_text("8 8")
    program.start()
    cache_tree_refresh(root="nested")
    assert program.ran() == ["clean", "load b", "nested", "total"]
    assert {v["node"]["fname"] for v in cache_tree_stale().values()} == {"load", "clean", "total", "report"}
    with pytest.raises(UsageValueError, match="'nothing' is no call"):
        cache_tree_refresh(root=["nothing"])


def test_old_inputs_are_history(program):
    """After an edit of a file, the call that took the old result is nobody's any more: no false alarm, no work."""
    program.module.main("a")
    (program.folder / "a").write_text("5 6")
    program.module.main("a")
    program.edit("t[\"total\"] for", "t[\"total\"] * 1 for")
    program.start()
    program.ran()
    plan = cache_tree_plan()
    assert [c.fname for c in plan.running] == ["report"]
    cache_tree_refresh()
    assert program.ran() == ["report"]
    assert cache_tree_stale() == {}


def test_a_call_that_raises_is_told_and_the_others_run(program):
    program.module.main("a", "b")
    program.start()
    (program.folder / "a").write_text("not a number")
    (program.folder / "b").write_text("1 1")
    done = cache_tree_refresh()
    assert [type(e) for e in done.failed.values()] == [ValueError]
    assert "load b" in program.ran()
    assert any("failed" in text for text in done.left.values())
    assert "failed" in str(done)
    assert {v["node"]["label"].get("path") for v in cache_tree_stale().values()} >= {"a"}


def test_a_function_that_is_gone_is_told(program):
    program.module.main("a")
    program.edit("def clean(values)", "def cleaned(values)")
    program.edit("total(clean(load(Path(name.decode()))))", "total(cleaned(load(Path(name.decode()))))")
    program.edit("total(clean(load(Path(name))))", "total(cleaned(load(Path(name))))")
    program.start()
    (program.folder / "a").write_text("3 3")
    done = cache_tree_refresh()
    assert "load a" in program.ran()
    (text,) = (t for c, t in done.left.items() if c.startswith("clean:"))
    assert "no cached function" in text
    assert "renamed" in text


def test_arguments_that_were_not_kept(program):
    program.edit('cf = cache_file(CACHE, ignore_globals=["RAN"])', 'cf = cache_file(CACHE, ignore_globals=["RAN"], keep_args=False)')
    program.start()
    program.module.main("a")
    program.ran()
    (program.folder / "a").write_text("3 3")
    done = cache_tree_refresh()
    assert program.ran() == []
    assert any("keep_args=False" in t for t in done.left.values())


def test_a_pruned_child_comes_back_through_its_caller(program):
    program.module.nested(b"a")
    (entry,) = (n["outfile"] for n in cache_tree_nodes().values() if n["fname"] == "clean")
    entry.unlink()
    program.start()
    states = {v["node"]["fname"]: v["state"] for v in cache_tree_stale().values()}
    assert states == {"clean": "missing", "nested": "stale", "total": "stale"}
    done = cache_tree_refresh()
    assert program.ran() == ["clean", "nested"]
    assert cache_tree_stale() == {}
    assert done.left == {}


def test_all_is_pruned(program):
    program.module.main("a")
    program.ran()
    cache_prune(program.folder / "cache", days_old=0)
    done = cache_tree_refresh()
    assert done.ran == ()
    assert set(done.left) == set(cache_tree_nodes())
    assert program.ran() == []


def test_large_inputs_are_taken_from_the_calls_that_gave_them(program):
    (program.folder / "a").write_text(" ".join(str(n % 90) for n in range(60_000)))
    program.module.main("a")
    program.edit("sum(values)", "sum(values) + 1")
    program.start()
    program.ran()
    assert len(cache_tree_refresh().ran) == 2
    assert program.ran() == ["report", "total"]
    assert cache_tree_stale() == {}


def test_async_functions(program):
    program.edit("@cf\ndef clean", "@cf\nasync def slow(values):\n    RAN.append('slow')\n    return values[:2]\n\n@cf\ndef clean")
    program.start()
    asyncio.run(program.module.slow(program.module.load(Path("a"))))
    program.ran()
    (program.folder / "a").write_text("7 7 7")
    cache_tree_refresh()
    assert program.ran() == ["load a", "slow"]

    async def inside():
        (program.folder / "a").write_text("8 8 8")
        return cache_tree_refresh()

    asyncio.run(inside())
    assert program.ran() == ["load a", "slow"]


def test_what_several_calls_gave_is_not_guessed(program):
    (program.folder / "b").write_text("1 2 300")
    program.module.main("a", "b")
    program.start()
    (program.folder / "b").write_text("1 2")
    done = cache_tree_refresh()
    assert program.module.main("a", "b") == [3.0, 3.0]
    assert not done.failed


def test_a_client_nobody_knows(program):
    with pytest.raises(UsageError, match="connect it first"):
        cache_tree_refresh(object())


PLANS = {  # edit -> state and doubt of each call of nested(b"a"), whose file is also its own
    "a file": {
        "load": ("stale", CALLERS), "clean": ("unknown", CALLERS), "total": ("unknown", CALLERS), "nested": ("stale", "")
    },
    "a value": {"load": HELD, "clean": ("missing", ""), "total": ("stale", RESULTS), "nested": ("stale", RESULTS)},
    "the caller": {"load": HELD, "clean": HELD, "total": HELD, "nested": ("stale", "")},
    "the caller, a value": {
        "load": HELD, "clean": ("missing", CALLERS), "total": ("unknown", CALLERS), "nested": ("stale", "")
    },
    "the code of a call": {"load": HELD, "clean": HELD, "total": ("stale", ""), "nested": ("stale", RESULTS)},
    "the caller, the code of a call": {
        "load": HELD, "clean": HELD, "total": ("stale", CALLERS), "nested": ("stale", "")
    },
}  # fmt: skip


@pytest.mark.parametrize("edit", PLANS)
def test_the_plan_says_what_is_certain_and_what_is_possible(program, edit):
    """What changed itself would run if it is made at all, and its time counts; what nobody can know is not guessed."""
    program.module.nested(b"a")
    if "the caller" in edit:
        program.edit("Path(name.decode())", "Path(name.decode() + '')")
    if "a file" in edit:
        (program.folder / "a").write_text("3 3")
    if "the code" in edit:
        program.edit('"unit": "m"', '"unit": "km"')
    program.start()
    if "a value" in edit:
        (entry,) = (n["outfile"] for n in cache_tree_nodes().values() if n["fname"] == "clean")
        entry.unlink()
    plan, states = cache_tree_plan(), PLANS[edit]
    certain = sum(state != HELD and not state[1] for state in states.values())
    assert {c.fname: (c.state, c.doubt) for c in plan} == states
    assert (len(plan.certain), len(plan.possible)) == (certain, sum(state != HELD for state in states.values()))
    assert plan.seconds == sum(c.own for c in plan if c.state in ("stale", "missing"))
    said, told = str(plan), plan.as_dict()
    assert said.startswith(f"{certain} of 4 calls would run, about ")
    assert (f"; up to {len(plan.possible)}, about " in said) == (len(plan.possible) > certain)
    assert (told["certain"]["calls"], told["possible"]["calls"]) == (certain, len(plan.possible))
    assert told["possible"]["seconds"] == sum(c.own for c in plan.possible)
