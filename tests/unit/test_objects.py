"""Kinds of objects as arguments, results and globals: the second and the third program run nothing, a change is seen.

`benchmarks/object_kinds.txt` says which; `make examples` installs the libraries that are too large for each test run.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("objects", ROOT / "benchmarks" / "objects.py")
objects = importlib.util.module_from_spec(SPEC)
sys.modules["objects"] = objects
SPEC.loader.exec_module(objects)
KINDS = objects.kinds()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_second_program_runs_nothing_and_a_change_is_seen(kind):
    if not kind.is_here:
        pytest.skip(f"needs {' '.join(kind.needs)}")
    verdict = objects.judge(kind)
    assert {*verdict.wrong} <= {*kind.reasons}, verdict.wrong
    assert not verdict.missed
    assert bool(verdict.heard) <= bool(kind.reasons), verdict.heard


def test_there_are_many_and_each_says_what_makes_another_one():
    assert len(KINDS) > 140
    assert all(kind.changes and kind.made for kind in KINDS)
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_the_page_has_a_line_for_each():
    page = objects.PAGE.read_text("utf-8")
    missing = [kind.name for kind in KINDS if f"| {kind.name} |" not in page]
    assert not missing
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    assert all(": " in cell for line in lines for cell in line.split(" | ") if cell.startswith("no")), "each with its reason"


def test_a_kind_that_is_never_the_same_is_found_out():
    kind = objects.Kind("odd", (), ["import itertools"], "next(N)", ["x = 1"])
    kind.given.append("N = itertools.count(__import__('os').getpid())")
    assert "argument" in objects.judge(kind).wrong
    same = objects.Kind("same", (), [], "[1]", ["x = [1]"])
    assert objects.judge(same).missed == ["x = [1]"]
