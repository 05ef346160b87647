"""A mailbox that is damaged while its run goes on: a call below may be missing, so nothing is stored."""

from __future__ import annotations

import os
import pickle
import warnings
from pathlib import Path

import pytest

from cachepy import CacheWriteWarning, Session, cache_file, use_session, with_caller
from cachepy.disk.journal import frame as record
from cachepy.trace import caller


@pytest.mark.parametrize(
    "left", [b"garbage", record(("call", "f:" + "0" * 32, "x"))[:-3], record(("no", "dep")), record(7)], ids=str
)
def test_nothing_is_stored_without_what_may_be_lost(tmp_path: Path, left: bytes) -> None:
    with use_session(Session()):

        @cache_file(tmp_path / "cache")
        def top(x: int) -> int:
            running = caller()
            assert running is not None
            running.shared = True  # as `with_caller` does when a call is sent to another process
            os.makedirs(os.path.dirname(running.mailbox), exist_ok=True)
            Path(running.mailbox).write_bytes(left)
            return x

        with pytest.warns(UserWarning, match="mailbox for calls that other processes make changed while top ran"):
            assert top(1) == 1
        assert not top.is_cached(1)


def test_a_whole_mailbox_is_taken(tmp_path: Path) -> None:
    with use_session(Session()), warnings.catch_warnings():
        warnings.simplefilter("error")

        @cache_file(tmp_path / "cache")
        def top(x: int) -> int:
            running = caller()
            assert running is not None
            running.shared = True
            os.makedirs(os.path.dirname(running.mailbox), exist_ok=True)
            Path(running.mailbox).write_bytes(record(("file", "nothing-here", None)))
            return x

        assert top(1) == 1
        assert top.is_cached(1)


@pytest.mark.parametrize("left", [None, record(("file", "nothing-here", None))], ids=["gone", "made again"])
def test_a_mailbox_that_somebody_took_away(tmp_path: Path, left: bytes | None) -> None:
    """Who cannot write into it removes it; another process may make it again before it is read."""
    with use_session(Session()):

        @cache_file(tmp_path / "cache")
        def top(x: int) -> int:
            running = caller()
            assert running is not None
            assert pickle.dumps(with_caller(len))
            os.unlink(running.mailbox)
            if left is not None:
                Path(running.mailbox).write_bytes(left)
            return x

        @cache_file(tmp_path / "cache")
        def above(x: int) -> int:
            return top(x)

        with pytest.warns(CacheWriteWarning, match="a process that it started could not write there") as seen:
            assert above(1) == 1
        assert len(seen) == 1
        assert not top.is_cached(1)
        assert not above.is_cached(1)
        assert not os.listdir(tmp_path / "cache" / "runs")


def test_a_frame_far_away_learns_that_a_call_below_it_lost_something(tmp_path: Path) -> None:
    from cachepy.trace import Frame, RemoteFrame, read_mailbox

    top = Frame("top:1", "t", None, str(tmp_path / "t"), "/")
    below = Frame("below:1", "b", RemoteFrame("t", top.mailbox), str(tmp_path / "b"), "/")
    below.lose(None)
    below.hand_over()
    for dep in read_mailbox(top):
        top.add(dep)
    assert top.changed
