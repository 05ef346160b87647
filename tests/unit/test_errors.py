"""A session says each cause once."""

from __future__ import annotations

import errno
import warnings

import pytest

from cachepy import CacheReadWarning, CacheWarning, OpaqueGlobalWarning
from cachepy.errors import EntryError, OtherFormatError, UntrustedEntryError, Warner


@pytest.fixture
def said():
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        yield lambda: [(warning.category, str(warning.message)) for warning in heard]


def test_the_same_cause_is_told_once(said):
    warner = Warner()
    for text in ("a", "a", "b"):
        warner.warn(CacheWarning, text)
    for text in ("c", "d"):
        warner.warn(CacheWarning, text, "cause", 1)
    warner.warn(CacheReadWarning, "e", "cause", 1)
    assert [text for _, text in said()] == ["a", "b", "c", "e"]
    assert said()[-1][0] is CacheReadWarning
    Warner().warn(CacheWarning, "a")
    assert len(said()) == 5, "another session says it again"


def test_a_mark_is_first_once():
    warner = Warner()
    assert [warner.is_first("nearest", name) for name in "aab"] == [True, False, True]


def test_values_without_a_digest_are_named_with_their_code(said):
    opaque = [("m:LOCK", "lock"), ("m:SOCK", "socket")]
    warner = Warner()
    warner.warn_unseen("m:Job.run", opaque)
    warner.warn_unseen("m:Job.run", opaque)
    assert [kind for kind, _ in said()] == [OpaqueGlobalWarning] * 2
    assert said()[0][1].startswith("run reads LOCK, in which what is of type lock has no digest")


UNREAD = {
    "damaged": ([EntryError("a is damaged"), EntryError("b is damaged")], 2),
    "of a stranger": ([UntrustedEntryError(path, 77) for path in ("a", "b")], 1),
    "of another version": ([OtherFormatError(path, 99, 1) for path in ("a", "b")], 1),
    "no folder": ([OSError(errno.EACCES, "no", path) for path in ("a", "b")], 1),
}


@pytest.mark.parametrize("what", UNREAD)
def test_what_is_not_read_is_told_by_its_cause(what, said):
    errors, number = UNREAD[what]
    warner = Warner()
    for error in errors:
        warner.warn_unread(error, "f runs again", str(error))
    assert [kind for kind, _ in said()] == [CacheReadWarning] * number
    assert all("f runs again" in text for _, text in said())
