"""A pool at top level whose tasks make several calls: each call goes by its own, whatever runs beside it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cachepy import Session, cache_file, track_file, use_session
from cachepy.code.fingerprint import Target

BOTH = threading.Barrier(2)
TABLE = {"factor": 10}


def test_a_call_that_runs_beside_another_is_none_of_its_own(tmp_path):
    ran = []

    @cache_file(tmp_path / "cache", warn_cheap=False, ignore_globals=["ran", "BOTH"])
    def load(name):
        ran.append(name)
        BOTH.wait(10)  # the other thread is within `clean`
        return TABLE["factor"] * len(name)

    @cache_file(tmp_path / "cache", warn_cheap=False, ignore_globals=["ran", "BOTH"])
    def clean(name):
        ran.append(f"clean {name}")
        BOTH.wait(10)
        return track_file(tmp_path / name).read_text()

    (tmp_path / "b").write_text("1")
    with use_session(Session()), ThreadPoolExecutor(2) as pool:
        list(pool.map(str, range(20)))
        for fn, name in ((load, "a"), (clean, "b")):
            pool.submit(fn, name)
        pool.shutdown()
        assert sorted(ran) == ["a", "clean b"]
        (tmp_path / "b").write_text("2 now")
        assert load.is_cached("a"), load.explain("a")
        assert not clean.is_cached("b")


ROWS = []


def appends_to_an_array(x):
    return np.append(np.insert(x, 0, 1), np.add(x, 1))


def fills_its_own_list(x):
    found = []

    def inner():
        found.append(x)

    inner()
    return found


def fills_a_memo(x):
    if x not in TABLE:
        TABLE[x] = x
    return TABLE[x]


def fills_a_global_list(x):
    ROWS.append(x)
    return ROWS.pop()


def sets_an_item(x):
    TABLE["x"] = x
    return TABLE.pop("x")


@pytest.mark.parametrize(
    ("fn", "hands_on"),
    [
        (appends_to_an_array, False),
        (fills_its_own_list, False),
        (fills_a_memo, False),
        (fills_a_global_list, True),
        (sets_an_item, True),
    ],
)
def test_what_may_hand_work_on(fn, hands_on):
    with use_session(Session()) as session:
        assert session.reader.reach(Target(fn)).routes.hands_on is hands_on
