"""Tables of the command line: what fits, what is cut, which digits of an id are shown."""

from __future__ import annotations

import pytest

from cachepy.cli import words
from cachepy.cli.tables import Shape, short_ids

HEAD = ("state", "id", "call", "cause")


@pytest.mark.parametrize(
    ("call", "cause", "room", "widths"),
    [
        (10, 30, 80, [5, 8, 10, 30]),  # all has room
        (50, 50, 60, [5, 8, 21, 20]),  # halves
        (10, 50, 60, [5, 8, 10, 31]),  # the cause gets what the call does not need
        (50, 10, 60, [5, 8, 31, 10]),  # and the other way round
        (50, 50, 35, [5, 8, 8, 8]),  # the least
        (50, 50, 34, None),
    ],
)
def test_texts_share_the_room(call, cause, room, widths):
    found = Shape(HEAD, fixed="state id").fitted([["stale", "0" * 8, "c" * call, "r" * cause]], room)
    assert (None if found is None else list(found.values())) == widths


@pytest.mark.parametrize(("room", "shown"), [(80, [0, 1, 2, 3]), (40, [0, 2, 3]), (34, [0, 3]), (20, [0, 3])])
def test_what_matters_least_goes_first(room, shown):
    shape = Shape(("id", "runs", "age", "call"), fixed="id", right="runs age", spare="runs age")
    assert list(shape.fitted([["0" * 8, "3", "2 min", "c" * 50]], room)) == shown


def test_what_is_the_same_again_is_written_once():
    rows = [["a", "file x"], ["b", "file x"], ["c", ""], ["d", ""], ["e", "file x"]]
    found = Shape(("call", "cause"), same="cause").without_repeats(rows)
    assert [row[1] for row in found] == ["file x", '"', "", "", "file x"]


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("\u2764\ufe0f", 2), ("Ü", 1), ("🙂", 2)]
)
def test_the_width_of_a_text(text, width):
    assert words.width(text) == width


@pytest.mark.parametrize("middle", [False, True])
@pytest.mark.parametrize("text", ["a" * 30, "日本語のとても長い名前です", "e\u0301" * 30, "日a" * 10])
@pytest.mark.parametrize("room", [1, 2, 3, 8, 19])
def test_what_is_cut_fits(text, room, middle):
    found = words.cut(text, room, middle=middle)
    assert room - 2 <= words.width(found) <= room
    assert "…" in found
    assert middle or found[0] in {text[0], "…"}


def test_what_fits_is_not_cut():
    assert words.cut("日本", 4) == "日本"
    assert words.cut("abcdef", 5, "...") == "ab..."


def test_digits_tell_a_call_from_all_others():
    known = ["f:0123456789ab", "f:0123456799ab", "g:0123456789ff", "h:ffff00001111"]
    assert short_ids(known[:1], known) == {known[0]: "0123456789a"}
    assert short_ids([known[3]], known) == {known[3]: "ffff0000"}
    assert short_ids(["f:abc", "g:abc"], ["f:abc", "g:abc"]) == {"f:abc": "f:abc", "g:abc": "g:abc"}
