"""Why a call is not fresh: `Reason`, its sentence, and `Verdict`, the answer of ``f.explain``."""

from __future__ import annotations

from cachepy.core.model import Item, Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CUES = {
    "file": "file {name} changed",
    "file gone": "file {name} is gone",
    "file new": "file {name} exists now",
    "pattern": "the files that {name} matches changed",
    "listed": "the names in directory {name} changed",
    "matched": "the names that {name} matches changed",
    "directory": "directory {name} changed",
    "directory gone": "directory {name} is gone",
    "code": "code of {name} changed",
    "ran": "code of {name} changed, found at run time",
    "code new": "code of {name} is used now",
    "code gone": "code of {name} is no longer used",
    "global": "global {name} changed{values}",
    "global new": "global {name} exists now",
    "global gone": "global {name} no longer exists",
    "variable": "variable {name} changed{values}",
    "default": "default of {name} changed{values}",
    "package": "package {name} changed{values}",
    "env": "environment variable {name} changed",
    "env gone": "environment variable {name} is no longer set",
    "env new": "environment variable {name} is set now",
    "declared": "declared {name} changed{values}",
    "owner": "its stored value belongs to {name}, so it is not loaded: if you trust them, set "
    "CACHEPY_TRUSTED_OWNERS={name}",
    "closed": "its stored value cannot be read ({name})",
    "format": "its stored value has format {name}",
    "seal": "its stored value is {name}: see CACHEPY_SIGNING_KEY",
    "error": "the error {name} that it raised was stored for a time, which is over",
    "value": "the stored value of {name} is missing",
    "result": "{name} gives a different result now",
    "call": "{name} below it is not fresh",
    "input": "its input {name} is not fresh",
    "gone": "{name} no longer exists",
    "unknown": "{name} cannot be found in this process",
    "unseen": "{name} could not be checked{values}",
    "argument": "argument {name} is {difference} {call}",
    "renewed": "{name} is never the same twice: {values}, so the next one runs it again",
    "age": "older than {name}",
    "valid": "valid() refused the stored result",
    "first": "no result of {name} is stored for these arguments",
}
OF_NAMES = {"renamed": "{name} is {values} now", "added": "parameter {name} is new"}  # what only `accept` says
_OTHER = "{cue} {name} changed"  # of a kind of dep that has no words of its own here
_LINKS = {"below": "{} below it is {}: ", "input": "its input {} is {}: "}
_VALUES = ("global", "variable", "default", "package", "declared")  # cues whose old and new can be read by people


def sentence(reason: Reason) -> str:
    """One reason in words."""
    values = ""
    if reason.cue in _VALUES and reason.old and reason.new:
        values = f" from {reason.old} to {reason.new}"
    elif reason.cue == "unseen" and reason.new:
        values = f": {reason.new}"
    elif reason.cue == "renewed":
        values = f"it had a different value in each of {reason.old} programs"
    elif reason.cue == "renamed":
        values = reason.new or ""
    parts = {"name": reason.name, "values": values, "difference": _difference(reason), "call": reason.call}
    text = (CUES.get(reason.cue) or OF_NAMES.get(reason.cue, _OTHER)).format(cue=reason.cue, **parts)
    where = f" ({_place(reason.where)})" if reason.where else ""
    state = "unknown" if reason.cue in ("unseen", "renewed") else "stale"
    return _LINKS.get(reason.link, "").format(reason.call, state) + text + where


def _place(where: str) -> str:
    """A file and a line; the files of a notebook's cells have names that mean nothing to people.

    >>> _place("lib.py:3"), _place("~/ipykernel_7/1234567.py:3"), _place("<ipython-input-2-abc>:3")
    ('lib.py:3', 'line 3 of its cell', 'line 3 of its cell')
    """
    file, _, line = where.rpartition(":")
    is_cell = "/ipykernel_" in file or file.startswith("<ipython-input-")
    return f"line {line} of its cell" if is_cell else where


def _difference(reason: Reason) -> str:
    """How an argument differs from that of another call, as far as short texts tell."""
    old, new = reason.old or "not given", reason.new or "not given"
    return "different from that in" if old == new else f"{new}, and {old} in"


class Reason(Item, defaults=("", "", "", "")):
    """Why a call is not fresh; ``str()`` gives a sentence.

    Attributes
    ----------
    cue : str
        What kind of cause: ``"file"``, ``"file gone"``, ``"code"``, ``"global"``, ``"env"``, ``"package"``,
        ``"declared"``, ``"value"`` (it is not on disk), ``"result"`` (of a call below), ``"first"`` (never run),
        ``"argument"`` (that differs from the nearest stored call), ``"renewed"`` (never the same twice),
        ``"age"`` (older than its `max_age`), ``"valid"`` (the test given as `valid` refused it), ...
    name : str
        What it is about: a path, a function, a variable, a package, a call.
    old, new : str or None
        Its digest, or of small things its value, then and now.
    call : str, default ""
        The call that has the cause, if it is another one; of an argument that differs, the nearest call that is stored.
    link : {"", "below", "input"}, default ""
        How that call is reached: as a call below, or as one whose result is an argument.
    where : str, default ""
        Of code: ``"file:line"`` of the function as it is now.
    diff : str, default ""
        Of code: the changed lines of its normalised source, ``-`` old, ``+`` new; empty if the old is not known.

    Examples
    --------
    >>> from cachepy import Reason
    >>> reason = Reason("global", "flow:LIMIT", "100", "500")
    >>> str(reason)
    'global flow:LIMIT changed from 100 to 500'
    >>> reason.as_dict()["cue"]
    'global'
    """

    __slots__ = ("cue", "name", "old", "new", "call", "link", "where", "diff")
    cue: str
    name: str
    old: str | None
    new: str | None
    if TYPE_CHECKING:
        call: str = ""
        link: str = ""
        where: str = ""
        diff: str = ""
    else:
        call: str
        link: str
        where: str
        diff: str

    def __str__(self) -> str:
        return sentence(self)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: every field, and the sentence as ``text``."""
        return {**dict(zip(self._fields, self.astuple(), strict=True)), "text": str(self)}


class Verdict(Report, defaults=((), "")):
    """Whether a call can be reused, as ``f.explain(*args)`` answers; ``str()`` gives a sentence.

    Attributes
    ----------
    state : {"fresh", "stale", "missing"}
        "missing" says that nothing is stored for these arguments.
    reasons : tuple of Reason
        Why it is not fresh, root causes first.
    unseen : tuple of str, default ()
        What the stored result depends on and cannot be compared: ``"network example.org:443"``.
    accepted : str, default ""
        Who accepted the stored result, and when: ``"by ann on 2026-11-30"``.

    Examples
    --------
    >>> from cachepy import cache_file
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> verdict = square.explain(3)
    >>> verdict.state, verdict.reasons[0].cue
    ('missing', 'first')
    >>> print(verdict)
    missing: no result of square(3) is stored for these arguments
    """

    __slots__ = ("state", "reasons", "unseen", "accepted")
    state: str
    reasons: tuple[Reason, ...]
    if TYPE_CHECKING:
        unseen: tuple[str, ...] = ()
        accepted: str = ""
    else:
        unseen: tuple[str, ...]
        accepted: str

    def __str__(self) -> str:
        why = "; ".join(map(str, self.reasons))
        text = f"{self.state}: {why}" if why else self.state
        text = f"{text}, accepted {self.accepted}" if self.accepted else text
        return f"{text}; depends on {', '.join(self.unseen)}, which cannot be compared" if self.unseen else text
