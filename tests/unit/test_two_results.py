"""A call that was made again while something may remember its first result: said by its name."""

from __future__ import annotations

import functools

import pytest

from cachepy import ChangedInputWarning, Session, cache_file, track_file, use_session


def test_the_warning_names_the_call_as_people_do(tmp_path):
    file = tmp_path / "number"

    @functools.lru_cache(None)
    def remembered(k):
        return inner(k)

    @cache_file(tmp_path / "cache", warn_cheap=False)
    def inner(k):
        return int(track_file(file).read_text()) + k

    @cache_file(tmp_path / "cache", warn_cheap=False)
    def outer(k):
        return remembered(k)

    with use_session(Session()):
        file.write_text("10")
        remembered(3)
        file.write_text("2000")
        assert inner(3) == 2003
        with pytest.warns(ChangedInputWarning, match=r"inner\(3\) gave two results during one run of outer") as caught:
            assert outer(3) == 13, "what the memo has, as without the cache"
        assert len(caught) == 1
        remembered.cache_clear()
