"""Rows: hits in a warm process."""

from __future__ import annotations

from pathlib import Path

import floors
import floors_disk
import modules
from rows import Contest, Line, Row
from timing import Contestant

PEERS = ("cachepy", "joblib", "diskcache")
KEYS = 64  # different calls of small hits, in turns: no tool may go by the identity of its last arguments


def compared(place, body, floor, calls, peers=PEERS, **names):
    """The same program under each tool, and the floor around the plain function; all have the same answers."""
    found = {"floor": floor(place.program("plain", body, **names))}
    found |= {tool: place.program(tool, body, **names).f for tool in peers}
    expected = [repr(found["floor"](*args)) for args in calls]
    for tool in ("cachepy", *(each for each in found if each != "cachepy")):
        answers = [repr(found[tool](*args)) for args in calls]
        assert answers == expected, f"{tool} gives other answers"
    return Contest({tool: Contestant(_all(call, calls), len(calls)) for tool, call in found.items()})


def _all(call, calls):
    if len(calls) == 1:
        return lambda args=calls[0]: call(*args)

    def work():
        for args in calls:
            call(*args)

    return work


def small(place):
    calls = [(i, f"abc{i}") for i in range(KEYS)]
    contest = compared(place, modules.SMALL, lambda it: floors.small(it.f, place.folder("floor")), calls)
    lean = floors.remembered(place.program("plain", modules.SMALL, "lean").f, place.folder("lean"))
    contest.contestants["lean floor"] = Contestant(_all(lean, calls), len(calls))
    yield contest


def _texts(folder, _):
    folder.mkdir()
    for i in range(KEYS):
        Path(folder, f"{i}.txt").write_text("x" * 1024)


def file(place):
    data = place.shared("texts", _texts)
    yield compared(
        place,
        modules.FILE,
        lambda it: floors.with_files(it.f, place.folder("floor"), lambda path: (path,), floors.by_path),
        [(data / f"{i}.txt",) for i in range(KEYS)],
    )


def caller(place):
    data = str(place.shared("texts", _texts))

    def floor(it):
        below = place.folder("below")
        part = floors.small(it.part, below)
        for i in range(3):
            part(i)
        watched = [f"{data}/{i}.txt" for i in range(5)] + [below + floors.pickled(i) for i in range(3)]
        return floors.with_files(it.f, place.folder("floor"), lambda number, text: watched)

    yield compared(place, modules.CALLER, floor, [(0, f"abc{i}") for i in range(KEYS)], data=data)


def helpers(place, functions=30, variables=10):
    yield compared(
        place,
        modules.helpers(functions, variables),
        lambda it: floors.with_code(it.f, place.folder("floor"), it, functions, variables),
        [(i, f"abc{i}") for i in range(KEYS)],
    )


def _argument(value, key):
    """A row with one large argument."""

    def make(place):
        yield compared(
            place, modules.ONE, lambda it: floors.small(it.f, place.folder("floor"), key), [(value(place.is_quick),)]
        )

    return make


def _frame(is_quick):
    import numpy as np
    import pandas as pd

    return pd.DataFrame(np.random.default_rng(1).random((10_000 if is_quick else 1_000_000, 4)), columns=list("abcd"))


def _array(is_quick):
    import numpy as np

    return np.random.default_rng(1).random(125_000 if is_quick else 12_500_000)


def _list(is_quick):
    return list(range(10_000 if is_quick else 1_000_000))


def _nested(is_quick):
    many = 10 if is_quick else 100
    return {f"a{i}": {f"b{j}": {f"c{k}": i + j + k * 0.5 for k in range(many)} for j in range(many)} for i in range(10)}


def _sets(is_quick):
    return {f"key{i}": {f"word{i + j * 7}" for j in range(20)} for i in range(50 if is_quick else 1000)}


def big_array(place):
    import psutil

    number = 1_000_000 if place.is_quick else 62_500_000
    found = {"floor": floors_disk.mapped(place.program("plain", modules.ARRAY).f, place.folder("floor"))}
    found |= {tool: place.program(tool, modules.ARRAY).f for tool in (*PEERS, "joblib mapped")}
    for call in found.values():
        assert call(number)[-1] == 1.5
    grown = {}
    for tool in ("floor", "cachepy"):
        before = psutil.Process().memory_info().rss
        value = found[tool](number)
        grown[tool] = psutil.Process().memory_info().rss - before
        assert value.sum() == number * 1.5
        value[0] = 0  # the caller's own
        assert found[tool](number)[0] == 1.5
        del value
    yield Contest(
        {tool: Contestant(lambda call=call: call(number)) for tool, call in found.items()},
        [f"resident memory grew by {grown['cachepy'] / 1e6:.1f} MB before the array was read (asked for: under 5 MB)"],
    )


def strings(place):
    number = 10_000 if place.is_quick else 700_000
    yield compared(place, modules.STRINGS, lambda it: floors_disk.mapped(it.f, place.folder("floor")), [(number,)])


def _row(name, make, title, most, least, **options):
    return Row(name, make, (Line(title, most, least),), **options)


ROWS = (
    Row(
        "small hit",
        small,
        (
            Line("hit, f(int, str) → small dict", 1.5, 12),
            Line("  floor that keeps the bytes in memory", base="lean floor", peer="diskcache"),
        ),
    ),
    _row("file hit", file, "hit, one unchanged 1 KB file as argument", 1.8, 6),
    _row("caller hit", caller, "hit of a caller of 3 calls, 5 files", 1.6, 3),
    _row("helpers hit", helpers, "hit of a function with 30 helpers, 10 globals", 1.6, 7),
    _row("frame argument", _argument(_frame, floors.frame), "hit, DataFrame 1e6 × 4", 3, 25),
    _row("array argument", _argument(_array, floors.in_place), "hit, array of 100 MB", 1.4, 28),
    _row("list argument", _argument(_list, floors.streamed), "hit, list of 1e6 ints", 1.7, 45),
    _row("dict argument", _argument(_nested, floors.streamed), "hit, nested dict of 1e5 entries", 1.7, 45),
    _row("sets argument", _argument(_sets, floors.sorted_sets), "hit, dict of 1,000 sets of strings", 5.5, 4),
    _row("array result", big_array, "hit, result: array of 500 MB", 3, 300),
    _row("strings result", strings, "hit, result: 100 MB of pandas strings", 3, 25),
)
