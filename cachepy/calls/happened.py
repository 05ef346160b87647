"""What became of calls, as records: of the last one, of all of a function, of all of a program."""

from __future__ import annotations

import os

from cachepy.core.model import Item, Record, Report
from cachepy.store.layout import ENTRY
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.calls.function import Function
    from cachepy.calls.state import State
    from cachepy.calls.tally import Tally

_KEY = 32  # characters of a key in the name of an entry


class Called(Item, defaults=("",)):
    """What became of one call: of ``f.last``, and what `on_call` tells.

    Attributes
    ----------
    function : str
        ``"module:qualname"``.
    title : str
        The call for people: ``"load('03.csv')"``.
    call : str or None
        Its id in the graph; None of a call without a key.
    outcome : {"hit", "run", "wait", ""}
        "wait": another thread or process ran it meanwhile. Empty: there was none yet.
    cause : str
        Why it ran; empty of others.
    seconds : float or None
        How long the body ran, or how long the result was looked and waited for; None of a hit that nobody timed.
    depth : int or None
        How many cached calls were running around it; None where nobody noted that.
    caller : str or None
        The id of the call that made it.
    unstored : str, default ""
        Why its result is not stored.

    Examples
    --------
    >>> from cachepy import Called, cache_file
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> square(3)
    9
    >>> square.last.outcome, square.last.cause
    ('run', 'not run before')
    """

    __slots__ = ("function", "title", "call", "outcome", "cause", "seconds", "depth", "caller", "unstored")
    function: str
    title: str
    call: str | None
    outcome: str
    cause: str
    seconds: float | None
    depth: int | None
    caller: str | None
    if TYPE_CHECKING:
        unstored: str = ""
    else:
        unstored: str

    def __str__(self) -> str:
        if not self.outcome:
            return f"no call of {self.title} here yet"
        took = "" if self.seconds is None else f" in {humanize.span(self.seconds)}"
        left = f"; not stored: {self.unstored}" if self.unstored and self.unstored != self.cause else ""
        return f"{self.outcome} {self.title}{took}{self.cause and f': {self.cause}'}{left}"


class CacheInfo(Record):
    """What became of the calls of a function, as ``f.cache_info()`` answers, in the words of `functools`.

    Attributes
    ----------
    hits, misses : int
        Calls whose result was stored, and bodies that ran, in this process and session.
    maxsize : None
        There is no largest number of calls.
    currsize : int
        How many calls are stored in the cache directory, by all programs, of functions of this name.
    waits : int
        Calls that another thread or process ran meanwhile.
    seconds, saved : float
        How long the bodies ran; how long those had run whose results were hits.

    Examples
    --------
    >>> from cachepy import CacheInfo, cache_file
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> square(3), square(3), square(4)
    (9, 9, 16)
    >>> info = square.cache_info()
    >>> info.hits, info.misses, info.currsize
    (1, 2, 2)
    """

    __slots__ = ("hits", "misses", "maxsize", "currsize", "waits", "seconds", "saved")
    hits: int
    misses: int
    maxsize: None
    currsize: int
    waits: int
    seconds: float
    saved: float

    def __repr__(self) -> str:
        shown = self.replace(seconds=round(self.seconds, 3), saved=round(self.saved, 3))
        return super(CacheInfo, shown).__repr__()

    __str__ = __repr__


class CallSummary(Report):
    """What became of the calls of a program, as `summary` answers; ``str()`` has a line for each function.

    Attributes
    ----------
    hits, waits, runs : int
        Calls whose result was stored, those that another thread or process ran meanwhile, and bodies that ran.
    failed : int
        Of the runs those that raised.
    seconds : float
        How long bodies ran; those below another one count with that.
    saved : float
        How long the bodies had run whose results were hits.
    unstored : dict of str to int
        Why results were not stored, and how often.
    functions : dict of str to str
        The same in words for each function, ``"module:qualname"``.
    line : str
        The same in one line.

    Examples
    --------
    >>> from cachepy import CallSummary, summary
    >>> found = summary()
    >>> isinstance(found, CallSummary)
    True
    """

    __slots__ = ("hits", "waits", "runs", "failed", "seconds", "saved", "unstored", "functions")
    hits: int
    waits: int
    runs: int
    failed: int
    seconds: float
    saved: float
    unstored: dict[str, int]
    functions: dict[str, str]

    @property
    def line(self) -> str:
        """The first line."""
        calls = humanize.count(self.hits + self.waits + self.runs, "call")
        parts = _parts(self.hits, self.waits, self.runs, self.seconds, self.saved)
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        if self.unstored:
            parts.append(f"{sum(self.unstored.values()):,} not stored ({', '.join(self.unstored)})")
        return f"{calls}: {', '.join(parts)}" if parts else calls

    def __str__(self) -> str:
        return "\n".join([self.line, *(f"  {name}: {text}" for name, text in self.functions.items())])


def _parts(hits: int, waits: int, runs: int, seconds: float, saved: float) -> list[str]:
    """The parts of a sentence that have something to say."""
    found = [humanize.count(hits, "hit")] if hits else []
    found += [humanize.count(waits, "wait")] if waits else []
    found += [f"{humanize.count(runs, 'run')} in {humanize.span(seconds)}"] if runs else []
    return found + ([f"{humanize.span(saved)} saved"] if hits else [])


def summary() -> CallSummary:
    """Count what became of all cached calls of this process so far, in this session.

    ``CACHEPY_SUMMARY=1`` prints its first line to stderr when a program ends. What worker processes ran is theirs.

    Returns
    -------
    CallSummary
        Hits, runs, the time that they took and saved, and what was not stored.

    Examples
    --------
    >>> from cachepy import cache_file, summary
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> square(3), square(3)
    (9, 9)
    >>> found = summary()
    >>> found.hits >= 1, found.runs >= 1
    (True, True)
    """
    from cachepy.calls.state import current_session

    return summary_of(current_session())


def summary_of(session: State) -> CallSummary:
    """The same of any session."""
    hits, saved, words, unstored = 0, 0.0, {}, dict[str, int]()
    tallies = dict(session.functions.tallies)
    for name, tally in tallies.items():
        own_hits, own_saved = hits_of(session, name, tally)
        hits, saved = hits + own_hits, saved + own_saved
        parts = _parts(own_hits, tally.waits, tally.runs, tally.seconds, own_saved)
        if parts:
            words[name] = ", ".join(parts)
        for why, number in list(tally.unstored.items()):
            unstored[why] = unstored.get(why, 0) + number
    waits, runs, failed = (sum(getattr(t, n) for t in tallies.values()) for n in ("waits", "runs", "failed"))
    return CallSummary(hits, waits, runs, failed, sum(t.outer for t in tallies.values()), saved, unstored, words)


def hits_of(session: State, identity: str, tally: Tally) -> tuple[int, float]:
    """How often a result was found, and the seconds that this saved: hot hits count for themselves (see `fast`)."""
    hits, saved = tally.hits, tally.saved
    hot = {}
    for call in session.functions.live_calls(identity):
        if call.tally is tally and call.hit_cache is not None:
            hot.update({id(fast): fast for fast in call.hit_cache.known()})
    if hasattr(tally.latest, "serve"):
        hot[id(tally.latest)] = tally.latest
    for fast in hot.values():
        hits, saved = hits + fast.hits, saved + fast.hits * fast.event.elapsed
    return hits, saved


def info_of(function: Function, session: State) -> CacheInfo:
    """Of one function."""
    tally = function.tally if function._session is session else type(function.tally)()
    hits, saved = hits_of(session, function.target.identity, tally)
    stored = _number_stored(os.path.join(function.options.place(), "entries"), function.safe_name)
    return CacheInfo(hits, tally.runs, None, stored, tally.waits, tally.seconds, saved)


def _number_stored(entries: str, name: str) -> int:
    length, number = len(name) + 1 + _KEY + len(ENTRY), 0
    try:
        for folder in os.listdir(entries):
            names = os.listdir(os.path.join(entries, folder))
            number += sum(len(n) == length and n.startswith(f"{name}-") and n.endswith(ENTRY) for n in names)
    except OSError:  # there is none yet, or it may not be read
        pass
    return number


def last_of(function: Function) -> Called:
    """Of the last call that is known of without anybody having been told."""
    latest: Any = function.tally.latest
    name = function.target.identity
    if latest is None:
        return Called(name, function.fname, None, "", "", None, None, None)
    if type(latest) is tuple:
        outcome, cause, seconds, event, call, unstored = latest
        title = f"{function.fname}(…)" if event is None else event.title
        return Called(name, title, call, outcome, cause, seconds, None, None, unstored)
    event = getattr(latest, "event", latest)  # a hot hit has one, others are one
    return Called(name, event.title, event.id, "hit", "", None, None, None)
