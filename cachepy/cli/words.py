"""Times and names as people read them, sizes and ages as they type them: for the command line."""

from __future__ import annotations

import os
import re
import time
from datetime import datetime
from unicodedata import category, east_asian_width

from cachepy.values.humanize import octets

_AGE = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([hdw]?)\s*", re.IGNORECASE)
_AGO = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(s|min|h|d|w)\s*", re.IGNORECASE)
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_EMOJI = "\ufe0f"  # the character before it is shown as an emoji, which is wide
_DAYS = {"h": 1 / 24, "d": 1.0, "": 1.0, "w": 7.0}


def age(created: float, now: float) -> str:
    """How long ago, in one unit.

    >>> age(0, 7300), age(0, 3)
    ('2 h', '3 s')
    """
    seconds = max(now - created, 0)
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit:.0f} {name}"
    return f"{seconds:.0f} s"


def moment(seconds: float) -> str:
    """A time of the clock here, to the second.

    >>> len(moment(0))
    19
    """
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(seconds))


def parse_size(text: str) -> int:
    """Bytes from a size as it is typed; ValueError says what is understood.

    >>> parse_size("10GB"), parse_size("1.5 KiB"), parse_size("0")
    (10000000000, 1536, 0)
    """
    try:
        return octets(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a size: write 500MB, 10GB or 1.5GiB, or a number of bytes") from None


def parse_age(text: str) -> float:
    """Days from an age as it is typed; ValueError says what is understood.

    >>> parse_age("30"), parse_age("12h"), parse_age("2w")
    (30.0, 0.5, 14.0)
    """
    found = _AGE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not an age: write a number of days, or 12h, 30d, 2w")
    return float(found[1]) * _DAYS[found[2].lower()]


def parse_since(text: str) -> float:
    """A moment from how long ago it was, or from its date; ValueError says what is understood.

    >>> parse_since("2h") < time.time() - 7000, parse_since("1970-01-03") > 0
    (True, True)
    """
    found = _AGO.fullmatch(text)
    if found is not None:
        return time.time() - float(found[1]) * _SECONDS[found[2].lower()]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except ValueError:
        raise ValueError(f"{text!r} is no time: write 30min, 2h, 7d, or a date like 2026-03-01T14:00") from None


def near(path: str) -> str:
    """A path as it is named from here, if that is shorter.

    >>> near("/no/such") == "/no/such"
    True
    """
    if not os.path.isabs(path):
        return path
    try:
        here = os.path.relpath(path)
    except (OSError, ValueError):  # the folder we are in is gone, or it is on another drive
        return path
    return here if len(here) < len(path) and not here.startswith(os.path.join("..", "..", "..")) else path


def clean(text: str) -> str:
    r"""Text on one line that can do nothing to a terminal.

    >>> clean("a\nb\x1b[31m")
    'a\\nb\\x1b[31m'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def width(text: str) -> int:
    """How many columns of a terminal a text takes.

    >>> width("ab"), width("日本")
    (2, 4)
    """
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(char: str) -> int:
    """Of one character: what is written onto the one before it takes none, and what makes that an emoji one more."""
    if char == _EMOJI:
        return 1
    if category(char) in ("Mn", "Me"):
        return 0
    return 2 if east_asian_width(char) in "WF" else 1


def cut(text: str, room: int, dots: str = "…", *, middle: bool = False) -> str:
    """A text that takes no more columns of a terminal: its start, or its start and its end.

    >>> cut("file data/3.csv changed", 12), cut("file data/3.csv changed", 15, middle=True), cut("日本語", 5)
    ('file data/3…', 'file da…changed', '日本…')
    """
    if width(text) <= room:
        return text
    left = room - len(dots)
    if left <= 0:
        return dots[:room]
    if middle:
        end = _start(text[::-1], left // 2)[::-1]
        return _start(text, left - width(end)) + dots + end
    return _start(text, left).rstrip() + dots


def _start(text: str, room: int) -> str:
    """So much of a text as has room."""
    used = at = 0
    while at < len(text) and (used := used + width(text[at])) <= room:
        at += 1
    return text[:at]
