"""What boxes say: short names, arguments in two lines, numbers with units, reasons in few words."""

from __future__ import annotations

import random

from cachepy.drawing.captions import clean, natural, packed, shorten, why, wrap
from cachepy.model import Reason


def test_clean_leaves_one_line_that_a_font_can_draw() -> None:
    assert clean("a\n b\x07c") == "a b c"
    assert clean("\x00\ud800x\udfff") == "  x "
    assert clean("größe 数据") == "größe 数据"


def test_shorten_cuts_out_the_middle() -> None:
    assert shorten("abcdefghij", 10) == "abcdefghij"
    assert shorten("abcdefghijk", 5) == "ab…jk"
    assert [len(shorten("x" * 99, most)) for most in (2, 3, 30)] == [2, 3, 30]


def test_wrap_breaks_at_the_joints_of_names() -> None:
    assert wrap("one_two_three", 8) == ["one_two_", "three"]
    assert wrap("oneTwoThree", 7) == ["oneTwo", "Three"]
    assert wrap("x" * 9, 4) == ["xxxx", "xxxx", "x"]
    assert "".join(wrap("some_long.name-of_a_thing" * 9)) == "some_long.name-of_a_thing" * 9


def test_packed_puts_arguments_into_few_lines_and_counts_the_rest() -> None:
    assert packed([]) == []
    assert packed(["a", "b"], 2, 9) == ["a, b"]
    assert packed(["aaaa", "bbbb", "cc"], 2, 9) == ["aaaa,", "bbbb, cc"]
    assert packed(["aaaa", "bbbb", "cccc", "dddd"], 2, 14) == ["aaaa, bbbb,", "cccc, dddd"]


def test_packed_never_exceeds_the_width() -> None:
    dice = random.Random(5)
    for _ in range(300):
        words = ["x" * dice.randint(1, 60) for _ in range(dice.randint(0, 9))]
        lines = packed(words, 2, 30)
        assert len(lines) <= 2
        assert all(len(line) <= 30 for line in lines)
        shown = sum(line.replace(" more", "").count(",") for line in lines)
        assert not words or "more" in lines[-1] or shown == len(words) - 1


def test_natural_order() -> None:
    names = ["2.csv", "10.csv", "1.csv", "a10b2", "a10b10", "9" * 6000, "", "٣"]
    assert sorted(names[:3], key=natural) == ["1.csv", "2.csv", "10.csv"]
    assert sorted(names[3:5], key=natural) == ["a10b2", "a10b10"]
    backwards = names[::-1]
    assert sorted(names, key=natural) == sorted(backwards, key=natural)


FILE = Reason("file", "/data/in/03.csv", "1", "2")
CODE = Reason("code", "flow:clean", "1", "2", where="flow.py:11", diff="-a\n+b\n")
BELOW = Reason("file", "/data/in/03.csv", "1", "2", call="load(03.csv)", link="below")
INPUT = Reason("input", "merge([list])", "1", "2")


def test_a_cause_of_its_own_is_told_in_few_words() -> None:
    assert why([FILE]) == ("file 03.csv changed", False)
    assert why([CODE]) == ("code of clean changed", False)
    assert why([Reason("value", "load(03.csv)", None, None)]) == ("its stored value is missing", False)
    assert why([BELOW, FILE, CODE]) == ("file 03.csv changed, and 1 more", False)


def test_a_cause_elsewhere_names_the_call_that_has_it() -> None:
    assert why([BELOW]) == ("because of load(03.csv)", True)
    assert why([INPUT, BELOW]) == ("because of merge([list])", True)
    assert why([]) == ("", False)
