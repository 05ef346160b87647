"""How old a result may be: the option `max_age`, read from what a user writes, and when a result is older than that."""

from __future__ import annotations

import time

from cachepy.errors import UsageError, UsageValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TODAY = "today"
_UNITS = {"w": 604_800, "d": 86_400, "h": 3600, "min": 60, "s": 1}  # in seconds, the largest first
_FORMS = "a time such as '90s', '15 min', '12h', '7d' or '2w', a number of seconds, a timedelta, or 'today'"
_MOST = 1e11  # s; what is longer than three thousand years is a mistake


def limit_of(option: str, value: Any) -> str | None:
    """A largest age as one text, ``"7 d"`` or ``"today Europe/Berlin"``; None for none."""
    if value is None:
        return None
    if isinstance(value, str):
        return _of_text(option, value)
    if not isinstance(value, bool) and isinstance(value, (int, float)):
        return _shortest(option, value, value)
    if type(value).__name__ == "timedelta" and hasattr(value, "total_seconds"):
        return _shortest(option, value.total_seconds(), value)
    raise UsageError(f"{option} must be {_FORMS}, not {value!r}")


def until(limit: str, created: float) -> float:
    """The moment from which on a result of then is older than that; both in seconds since the epoch."""
    word, _, rest = limit.partition(" ")
    return _midnight_after(created, rest) if word == TODAY else created + float(word) * _UNITS[rest]


def _of_text(option: str, text: str) -> str:
    word, _, zone = text.strip().partition(" ")
    if word == TODAY:
        zone = zone.strip()
        _zone(option, zone)
        return f"{TODAY} {zone}" if zone else TODAY
    number = text.strip().rstrip("abcdefghijklmnopqrstuvwxyz").rstrip()
    unit = text.strip()[len(number) :].strip()
    if unit not in _UNITS or not number.isascii() or not number.replace(".", "", 1).isdigit():
        raise UsageValueError(f"{option} must be {_FORMS}, not {text!r}")
    _check(option, float(number) * _UNITS[unit], text)
    return f"{float(number):.15g} {unit}"


def _shortest(option: str, seconds: float, given: Any) -> str:
    """In the largest unit of which it is a whole number; weeks only where somebody says so."""
    _check(option, seconds, given)
    unit = next((name for name, length in _UNITS.items() if name != "w" and seconds % length == 0), "s")
    return f"{float(seconds) / _UNITS[unit]:.15g} {unit}"


def _check(option: str, seconds: float, given: Any) -> None:
    if not 0 < seconds < _MOST:  # nan too
        raise UsageValueError(f"{option} must be more than 0, and less than 3000 years, not {given!r}")


def _zone(option: str, name: str) -> Any:
    """A named zone; None for the local one."""
    if not name:
        return None
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        text = f"{option} names the time zone {name!r}, which is not known here: write 'today Europe/Berlin'"
        raise UsageValueError(text) from None


def _midnight_after(created: float, zone: str) -> float:
    if not zone:
        year, month, day = time.localtime(created)[:3]
        return time.mktime((year, month, day + 1, 0, 0, 0, 0, 0, -1))
    from datetime import datetime, timedelta

    here = _zone("max_age", zone)
    day_after = datetime.fromtimestamp(created, here).date() + timedelta(days=1)
    return datetime(day_after.year, day_after.month, day_after.day, tzinfo=here).timestamp()
