"""A mailbox that is damaged while its run goes on: a call below may be missing, so nothing is stored."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

from cachepy import Session, cache_file, use_session
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
