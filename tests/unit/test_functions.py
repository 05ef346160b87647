"""The cached functions that live here, weakly; what their calls left to callers; both within bounds."""

from __future__ import annotations

import gc

import pytest

from cachepy.calls.functions import _CODES, _LIVE, MOST_MADE, Functions, Remembered
from cachepy.calls.options import Options


class Target:
    def __init__(self, identity):
        self.identity = identity


class Call:
    options = Options()

    def __init__(self, identity="m:f"):
        self.target = Target(identity)


@pytest.fixture
def functions():
    return Functions()


def test_the_newest_comes_first(functions):
    old, new, other = Call(), Call(), Call("m:g")
    for call in (old, new, other):
        functions.add(call)
    assert functions.live_calls("m:f") == [new, old]
    assert functions.live("m:f") == [new.target, old.target]
    assert functions.live_calls("m:unknown") == []
    assert len(functions) == 2
    assert functions.all_calls() == [new, old, other]


def test_nothing_is_kept_alive(functions):
    functions.add(Call())
    gc.collect()
    assert functions.live_calls("m:f") == functions.all_calls() == []


def test_copies_without_number_take_no_room(functions):
    kept = [Call() for _ in range(10 * _LIVE)]
    for call in kept:
        functions.add(call)
    assert functions.live_calls("m:f")[0] is kept[-1]
    assert len(functions.live_calls("m:f")) <= _LIVE


def test_what_calls_left_is_remembered_with_where_it_is():
    left = Remembered()
    left.note("m:f", [("below", "g:1", "e")], "/cache")
    left.note("m:f", [("file", "a", "d")])
    assert left.made == {"m:f": {("below", "g:1", "e"): "/cache", ("file", "a", "d"): ""}}
    assert left.overfull == set()


def test_of_many_calls_the_oldest_go_and_that_is_told():
    left = Remembered()
    for number in range(MOST_MADE + 3):
        left.note("m:f", [("below", f"g:{number}", "e")])
    assert len(left.made["m:f"]) == MOST_MADE
    assert ("below", "g:2", "e") not in left.made["m:f"]
    assert left.overfull == {"m:f"}


def test_files_that_code_named_are_remembered_within_bounds():
    left, codes = Remembered(), [compile(f"x{number}", "f", "eval") for number in range(_CODES + 2)]
    for code in codes:
        left.note_file(code, "a", "/here", "d")
    assert len(left.named) == _CODES and codes[0] not in left.named
    for number in range(MOST_MADE + 2):
        left.note_file(codes[-1], str(number), "/here", None)
    assert len(left.named[codes[-1]]) == MOST_MADE
    assert left.named[codes[-1]]["a", "/here"] == "d"
