"""What is stale after a file went back to an earlier state; calls that write the same file."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from cachepy import Session, cache_tree_plan, cache_tree_refresh, cache_tree_stale, cache_tree_sync, use_session

PIPELINE = """
from pathlib import Path
from cachepy import cache_file
RAN = []
cached = cache_file(Path(__file__).parent / "cache", warn_cheap=False, ignore_globals=["RAN"])

def scale(x):
    return x * 10

@cached
def load(path):
    RAN.append("load")
    return [float(word) for word in Path(path).read_text().split()]

@cached
def fit(values):
    RAN.append("fit")
    return [scale(value) for value in values]

@cached
def report(values):
    RAN.append("report")
    return [values]
"""

WRITERS = """
from pathlib import Path
from cachepy import cache_file, track_file
RAN = []
cached = cache_file(Path(__file__).parent / "cache", warn_cheap=False, ignore_globals=["RAN"], file_args=[])

@cached
def write(text, out):
    RAN.append(text)
    Path(out).write_text(text)
    return str(track_file(out))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    sys.modules.pop("back_and_forth", None)


def program(folder: Path, text: str):
    """The module, as in a process that begins."""
    sys.modules.pop("back_and_forth", None)
    importlib.invalidate_caches()
    (folder / "back_and_forth.py").write_text(text)
    return importlib.import_module("back_and_forth")


def run(folder: Path, text: str, *, deep: bool) -> list[str]:
    with use_session(Session()):
        m = program(folder, text)
        fitted = m.fit(m.load(folder / "in.txt"))
        if deep:
            m.report(fitted)
        return m.RAN


def names_stale(folder: Path, text: str) -> set[str]:
    with use_session(Session()):
        program(folder, text)
        cache_tree_sync(folder / "cache")
        found = cache_tree_stale()
        planned = cache_tree_plan()
        assert bool(found) == any(call.state != "hit" for call in planned.calls)
        return {f"{call['node']['fname']}({call['node']['label']})" for call in found.values()}


@pytest.mark.parametrize("deep", [False, True])
def test_a_helper_that_was_edited_meanwhile_counts_when_a_file_goes_back(folder, deep):
    data, edited = folder / "in.txt", PIPELINE.replace("x * 10", "x * 100")
    for text, code in [("1 2", PIPELINE), ("3 4", PIPELINE), ("3 4", edited)]:
        data.write_text(text)
        run(folder, code, deep=deep)
    assert names_stale(folder, edited) == set()  # what took the first numbers is history
    data.write_text("1 2")
    stale = names_stale(folder, edited)
    assert any(name.startswith("fit(") and "1.0" in name for name in stale)
    assert not any("3.0" in name for name in stale)  # nothing gives these any more
    assert run(folder, edited, deep=deep) == ["fit", *["report"] * deep]
    assert names_stale(folder, edited) == set()


def test_a_file_that_goes_back_makes_nothing_stale_by_itself(folder):
    data = folder / "in.txt"
    for text in ("1 2", "3 4"):
        data.write_text(text)
        run(folder, PIPELINE, deep=True)
    data.write_text("1 2")
    assert names_stale(folder, PIPELINE) == set()
    assert run(folder, PIPELINE, deep=True) == []


def test_refresh_does_not_make_two_calls_in_turns_for_ever(folder):
    out = str(folder / "out.txt")
    with use_session(Session()):
        m = program(folder, WRITERS)
        m.write("one", out)
        m.write("two", out)
        m.write("one", out)  # written over by the second: runs again
        m.RAN.clear()
        Path(out).write_text("by hand")
        done = cache_tree_refresh()
    assert len(m.RAN) <= 4
    assert any("may write the same file" in text for text in done.left.values())
