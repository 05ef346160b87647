"""The path of a call, the verifier, early cutoff and reasons know stores only by their port: here one is in memory."""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING

import pytest

from cachepy import cache_file, cache_tree_plan, cache_tree_stale, use_session
from cachepy.core import ports
from cachepy.graph.recorder import GraphRecorder
from cachepy.store.claims import Claims
from cachepy.store.entries import Store
from tests.unit import memory_parts
from tests.unit.memory_parts import MemoryStore, session_in_memory

if TYPE_CHECKING:
    from pathlib import Path

NAMES: list[Path] = []


@pytest.fixture
def numbers(tmp_path, monkeypatch):
    """Two functions, one below the other, whose cache is in memory; what ran and what was a hit; writes the file."""
    session, recorder = session_in_memory()
    path = tmp_path / "numbers.txt"
    monkeypatch.setattr(f"{__name__}.NAMES", [path])

    def asked(text, call):
        path.write_text(text)
        recorder.ran.clear()
        recorder.hits.clear()
        return call(), list(recorder.ran)

    with use_session(session):
        cached = cache_file(tmp_path / "cache", ignore_globals=["NAMES"])
        monkeypatch.setattr(f"{__name__}.load", cached(load))
        yield cached(total), asked
    assert os.listdir(tmp_path) == ["numbers.txt"], "nothing is left on disk"


def load(path):
    return sorted(int(word) for word in path.read_text().split())


def total(which):
    return sum(load(NAMES[which]))


def test_the_theory_holds_in_memory(numbers):
    total, asked = numbers
    assert asked("1 2 6", lambda: total(0)) == (9, ["load", "total"])
    assert asked("1 2 6", lambda: total(0)) == (9, [])
    assert asked("6 2 1", lambda: total(0)) == (9, ["load"]), "early cutoff: the same effect below"
    assert asked("1 2 9", lambda: total.explain(0).state) == ("stale", [])
    assert "numbers.txt changed" in str(total.explain(0))
    assert asked("1 2 9", lambda: total(0)) == (12, ["load", "total"])
    assert asked("1 2 6", lambda: total(0)) == (9, []), "going back is free"
    assert total.is_cached(0) and total.clear(0) == 1 and not total.is_cached(0)


def test_questions_about_all_calls_know_the_port_only(numbers):
    total, asked = numbers
    assert asked("1 2 6", lambda: total(0)) == (9, ["load", "total"])
    assert cache_tree_stale() == {}
    stale, _ = asked("1 2 9", cache_tree_stale)
    assert {call.partition(":")[0]: row["state"] for call, row in stale.items()} == {"load": "stale", "total": "stale"}
    load.clear(NAMES[0])
    assert {row["state"] for row in cache_tree_stale().values()} == {"missing", "stale"}
    assert "load" in repr(cache_tree_plan())


def test_a_body_that_raises_stores_nothing(numbers):
    total, asked = numbers

    def call():
        with pytest.raises(ValueError, match="invalid literal"):
            total(0)

    assert asked("one", call) == (None, [])
    assert asked("1", lambda: total(0)) == (1, ["load", "total"])


def test_each_hit_is_an_object_of_its_own(numbers):
    _, asked = numbers
    first, _ = asked("1", lambda: load(NAMES[0]))
    first.append(2)
    assert load(NAMES[0]) == load(NAMES[0]) == [1]


def parts_of(port: type) -> set[str]:
    return {name for name in {*vars(port), *port.__annotations__} if not name.startswith("_")}


@pytest.mark.parametrize(
    ("port", "part"),
    [
        (ports.Store, Store),
        (ports.Store, MemoryStore),
        (ports.Claims, Claims),
        (ports.Recorder, GraphRecorder),
        (ports.Recorder, memory_parts.ListRecorder),
        (ports.Stored, memory_parts.Stored),
    ],
)
def test_parts_have_what_their_port_asks(port, part):
    made = part("root") if port is ports.Store else part() if port is not ports.Recorder else part(None)
    assert {name for name in parts_of(port) if not hasattr(made, name) and not hasattr(part, name)} == set()


def test_a_store_in_memory_is_short():
    lines = inspect.getsource(MemoryStore).splitlines()
    assert len(lines) < 100
