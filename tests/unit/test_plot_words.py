"""What boxes say: short names, arguments in two lines, numbers with units, reasons in few words."""

from __future__ import annotations

import random

import pytest

from cachepy.core.reasons import Reason
from cachepy.views.captions import changes, why
from cachepy.views.letters import cells, clean, fitted, headed, natural, packed, shorten, wrap


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n b\x07c", r"a\n b\x07c"),
        ("\x00\ud800x\udfff", r"\x00\ud800x\udfff"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("C:\\temp\\new", "C:\\temp\\new"),
        ("größe 数据 שלום", "größe 数据 שלום"),
    ],
)
def test_clean_leaves_one_line_in_which_all_can_be_seen(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_shorten_cuts_out_the_middle() -> None:
    assert shorten("abcdefghij", 10) == "abcdefghij"
    assert shorten("abcdefghijk", 5) == "ab…jk"
    assert [len(shorten("x" * 99, most)) for most in (2, 3, 30)] == [2, 3, 30]


def test_wrap_breaks_at_the_joints_of_names() -> None:
    assert wrap("one_two_three", 8) == ["one_two_", "three"]
    assert wrap("oneTwoThree", 7) == ["oneTwo", "Three"]
    assert wrap("x" * 9, 4) == ["xxxx", "xxxx", "x"]
    assert "".join(wrap("some_long.name-of_a_thing" * 9)) == "some_long.name-of_a_thing" * 9


def test_wrap_breaks_a_word_only_if_it_fills_more_than_a_line() -> None:
    assert wrap("because of month_summary(02.csv)", 24) == ["because of", "month_summary(02.csv)"]
    assert wrap("see a_long_name_of_it", 9) == ["see", "a_long_", "name_of_", "it"]


def test_east_asian_letters_take_two_cells() -> None:
    assert cells("数据x") == 5
    assert wrap("数据清洗和标准化", 6) == ["数据清", "洗和标", "准化"]
    assert shorten("数据清洗和标准化", 9) == "数据…准化"


def test_long_texts_keep_to_their_lines() -> None:
    assert fitted("one_two_three_four", 2, 8) == ["one_two_", "…ee_four"]
    assert headed("file a.csv changed, and 2 more", 2, 11) == ["file a.csv", "changed, …"]
    dice = random.Random(3)
    for _ in range(200):
        text = "".join(dice.choice("ab_ 数.") for _ in range(dice.randint(0, 90)))
        for lines in (fitted(text, 2, 12), headed(text, 2, 12)):
            assert len(lines) <= 2
            assert all(cells(line) <= 12 for line in lines)


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


def test_changed_files_are_told_by_what_happened_to_them() -> None:
    gone = Reason("file gone", "/data/x", "1", None)
    assert changes({"a": [FILE, CODE], "b": [BELOW, gone]}) == {"/data/in/03.csv": "changed", "/data/x": "gone"}


def test_a_cause_of_its_own_is_told_in_few_words() -> None:
    assert why([FILE]) == ("file 03.csv changed", False)
    assert why([CODE]) == ("code of clean changed", False)
    assert why([Reason("value", "load(03.csv)", None, None)]) == ("its stored value is missing", False)
    assert why([BELOW, FILE, CODE]) == ("file 03.csv changed, and 1 more", False)


def test_a_cause_elsewhere_names_the_call_that_has_it() -> None:
    assert why([BELOW]) == ("because of load(03.csv)", True)
    assert why([INPUT, BELOW]) == ("because of merge([list])", True)
    assert why([]) == ("", False)
