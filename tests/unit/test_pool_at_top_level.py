"""A pool at top level whose tasks make several calls: each call goes by its own, whatever runs beside it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from cachepy import Session, cache_file, track_file, use_session

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
