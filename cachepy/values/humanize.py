"""Amounts as people read them: bytes, lengths of time, numbers with their noun.

Plots, pages, plans and the command line all say them so.
"""

from __future__ import annotations

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_POWERS = ("k", "m", "g", "t", "p")
_TIMES = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))  # s, its unit; the next smaller


def size(octets: float) -> str:
    """Bytes in decimal units.

    >>> size(999), size(1_250_000)
    ('999 B', '1.2 MB')
    """
    at = 0
    while at < len(_UNITS) - 1 and octets >= (1000 if at == 0 else 999.5):
        octets, at = octets / 1000, at + 1
    return f"{octets:.1f} {_UNITS[at]}" if at and octets < 99.5 else f"{octets:.0f} {_UNITS[at]}"


def octets(text: str) -> int:
    """Bytes from a size as people write it; ValueError for anything else.

    >>> octets("50 GB"), octets("1.5 KiB"), octets("0")
    (50000000000, 1536, 0)
    """
    number, base, power = text.strip().lower().removesuffix("b"), 1000, 0
    if number.endswith(("ki", "mi", "gi", "ti", "pi")):
        number, base = number[:-1], 1024
    if number[-1:] in _POWERS:
        number, power = number[:-1], _POWERS.index(number[-1:]) + 1
    number = number.rstrip()
    if not number.isascii() or not number.replace(".", "", 1).isdigit():
        raise ValueError(f"{text!r} is no size")
    return int(float(number) * base**power)


def span(seconds: float) -> str:
    """A length of time in its two largest units.

    >>> span(0.0213), span(4.2), span(250), span(11_520)
    ('21 ms', '4.2 s', '4 min 10 s', '3 h 12 min')
    """
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, name, below, small in _TIMES:
        if whole >= unit:
            rest = whole % unit // below
            return f"{whole // unit} {name} {rest} {small}" if rest else f"{whole // unit} {name}"
    return f"{whole} s"


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "call"), count(12_000, "call"), count(2, "entry")
    ('1 call', '12,000 calls', '2 entries')
    """
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("y") else f"{number:,} {noun}s"
