"""Many calls that are not fresh, told by their few causes.

The command line and the page say the same, but for paths: `near` gives the name of one where the text is read.
"""

from __future__ import annotations

import os

from cachepy.core.reasons import Reason
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    Near = Callable[[str], str]

_FOLLOW = ("call", "input")  # not causes of their own
_PATHS = ("file", "file gone", "file new", "directory", "directory gone", "pattern", "listed", "matched")
_VALUE = "value"
_MANY = {"file": "changed", "file gone": "are gone", "file new": "exist now"}


class Cause:
    """One root cause: the calls that have it themselves, and how many it reaches through others."""

    __slots__ = ("above", "direct", "reason", "text")

    def __init__(self, reason: Reason, text: str) -> None:
        self.reason = reason
        self.text = text
        self.direct: list[str] = []
        self.above: list[str] = []

    def __str__(self) -> str:
        """As a sentence: what changed, and what it makes stale."""
        return f"{self.text}: {self.reach}"

    @property
    def reach(self) -> str:
        """How many calls it makes stale."""
        if not self.direct:
            return humanize.count(len(self.above), "call")
        return f"{humanize.count(len(self.direct), 'call')}{f' and {len(self.above):,} above' if self.above else ''}"

    def as_dict(self) -> dict[str, Any]:
        reason = self.reason
        found = {"cue": reason.cue, "name": reason.name, "where": reason.where, "text": self.text}
        return found | {"calls": self.direct, "above": self.above}


def causes(found: Mapping[str, Iterable[Reason]], near: Near = str) -> list[Cause]:
    """The root causes of the calls, those that reach most calls first."""
    known: dict[tuple[str, str], Cause] = {}
    for call, reasons in found.items():
        for reason in reasons:
            if reason.cue in _FOLLOW:
                continue
            key = _key(call, reason)
            if key not in known:  # thousands of calls have the same: its sentence is made once
                known[key] = Cause(*_named(call, reason, near))
            calls = known[key].above if reason.link else known[key].direct
            if not calls or calls[-1] != call:
                calls.append(call)
    for cause in known.values():
        direct = set(cause.direct)
        cause.above = [call for call in cause.above if call not in direct]
    return sorted(known.values(), key=_weight)


def folded(found: list[Cause], most: int | None, near: Near = str) -> list[Cause]:
    """If they are too many to list: the files of one folder together."""
    if most is None or len(found) <= most:
        return found
    together: dict[tuple[str, str], list[Cause]] = {}
    for cause in found:
        cue, name = cause.reason.cue, cause.reason.name
        together.setdefault((cue, os.path.dirname(name) if cue in _MANY else name), []).append(cause)
    made = [_folder(place, each, near) if len(each) > 1 else each[0] for (_, place), each in together.items()]
    return sorted(made, key=_weight)


def _folder(place: str, found: list[Cause], near: Near) -> Cause:
    """The causes of one folder as one."""
    reason = found[0].reason
    text = f"{humanize.count(len(found), 'file')} in {near(place)} {_MANY[reason.cue]}"
    cause = Cause(reason.replace(name=place), text)
    cause.direct = list(dict.fromkeys(call for each in found for call in each.direct))
    known = set(cause.direct)
    above = dict.fromkeys(call for each in found for call in each.above)
    cause.above = [call for call in above if call not in known]
    return cause


def _weight(cause: Cause) -> tuple[int, str]:
    return -len(cause.direct) - len(cause.above), cause.text


def _key(call: str, reason: Reason) -> tuple[str, str]:
    """Missing values count by function: each call has its own."""
    return reason.cue, _function(call, reason) if reason.cue == _VALUE else reason.name


def _named(call: str, reason: Reason, near: Near) -> tuple[Reason, str]:
    bare = reason.replace(call="", link="", diff="")
    if reason.cue == _VALUE:
        name = _function(call, reason)
        return bare.replace(name=name), f"stored values of {name} are missing"
    return bare, sentence(bare, near)


def _function(call: str, reason: Reason) -> str:
    """The function whose value is missing: of this call, or of the one through which it is reached."""
    return reason.call.partition("(")[0] if reason.link else call.rpartition(":")[0]


def telling(reasons: Iterable[Reason]) -> list[Reason]:
    """The reasons without those that only repeat that a call is not fresh whose cause is told already."""
    known = list(reasons)
    told = {reason.call for reason in known}
    return [reason for reason in known if reason.cue not in _FOLLOW or reason.name not in told]


def sentence(reason: Reason, near: Near = str) -> str:
    """A reason in words, with its file as it is named where it is read."""
    if reason.where:
        path, colon, line = reason.where.rpartition(":")
        reason = reason.replace(where=f"{near(path)}{colon}{line}")
    return str(reason.replace(name=near(reason.name)) if reason.cue in _PATHS else reason)
