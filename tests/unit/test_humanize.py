"""Amounts as people read them: one format wherever they are shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cachepy.values import humanize

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1.0, "0 ms"), (0.0, "0 ms"), (0.0213, "21 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s"), (9.94, "9.9 s"), (9.95, "10 s"),
     (59.4, "59 s"), (59.6, "1 min"), (90, "1 min 30 s"), (250, "4 min 10 s"), (3599.6, "1 h"), (5400, "1 h 30 min"),
     (129_600, "1 d 12 h"), (86_400 * 400, "400 d")],
)  # fmt: skip
def test_span(seconds: float, text: str) -> None:
    assert humanize.span(seconds) == text


@pytest.mark.parametrize(
    ("octets", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_250_000, "1.2 MB"), (99_400, "99.4 kB"), (99_600, "100 kB"), (999_600, "1.0 MB"),
     (5e15, "5.0 PB"), (5e18, "5000 PB")],
)  # fmt: skip
def test_size(octets: float, text: str) -> None:
    assert humanize.size(octets) == text


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [(0, "call", "0 calls"), (1, "entry", "1 entry"), (2, "entry", "2 entries"), (12_000, "more call", "12,000 more calls")],
)
def test_count(number: int, noun: str, text: str) -> None:
    assert humanize.count(number, noun) == text


def test_nobody_else_has_units_of_his_own() -> None:
    unit = re.compile(r"""["'](?:kB|KB|MB|GB|min)["']""")
    own = [path for path in (ROOT / "cachepy").rglob("*.py") if unit.search(path.read_text(encoding="utf-8"))]
    assert sorted(path.name for path in own) == ["ages.py", "humanize.py", "words.py"]  # what users write; how old a thing is: one unit, rounded down
