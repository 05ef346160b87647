"""Numbers, times and names as people read and type them: for the command line.

Imports nothing of cachepy.
"""

from __future__ import annotations

import os
import re
import time
from unicodedata import east_asian_width

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_SIZE = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([kmgtp]?)(i?)b?\s*", re.IGNORECASE)
_AGE = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([hdw]?)\s*", re.IGNORECASE)
_DAYS = {"h": 1 / 24, "d": 1.0, "": 1.0, "w": 7.0}


def size(count: float) -> str:
    """Bytes in decimal units.

    >>> size(999), size(1_250_000)
    ('999 B', '1.2 MB')
    """
    at = 0
    while at < len(_UNITS) - 1 and count >= (1000 if at == 0 else 999.5):
        count, at = count / 1000, at + 1
    return f"{count:.1f} {_UNITS[at]}" if at and count < 99.5 else f"{count:.0f} {_UNITS[at]}"


def span(seconds: float) -> str:
    """A length of time in its two largest units.

    >>> span(0.0213), span(250), span(11_520)
    ('21 ms', '4 min 10 s', '3 h 12 min')
    """
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, name, below, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // below
            return f"{whole // unit} {name} {rest} {small}" if rest else f"{whole // unit} {name}"
    return f"{whole} s"


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


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "call"), count(12_000, "call"), count(2, "entry")
    ('1 call', '12,000 calls', '2 entries')
    """
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("y") else f"{number:,} {noun}s"


def parse_size(text: str) -> int:
    """Bytes from a size as it is typed; ValueError says what is understood.

    >>> parse_size("10GB"), parse_size("1.5 KiB"), parse_size("0")
    (10000000000, 1536, 0)
    """
    found = _SIZE.fullmatch(text)
    if found is None or (found[3] and not found[2]):
        raise ValueError(f"{text!r} is not a size: write 500MB, 10GB or 1.5GiB, or a number of bytes")
    base = 1024 if found[3] else 1000
    power = " kmgtp".index(found[2].lower() or " ")
    return int(float(found[1]) * base**power)


def parse_age(text: str) -> float:
    """Days from an age as it is typed; ValueError says what is understood.

    >>> parse_age("30"), parse_age("12h"), parse_age("2w")
    (30.0, 0.5, 14.0)
    """
    found = _AGE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not an age: write a number of days, or 12h, 30d, 2w")
    return float(found[1]) * _DAYS[found[2].lower()]


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
    return sum(2 if east_asian_width(c) in "WF" else 0 if east_asian_width(c) == "N" and _joins(c) else 1 for c in text)


def _joins(char: str) -> bool:
    """Whether a character is written onto the one before it."""
    from unicodedata import combining

    return combining(char) != 0
