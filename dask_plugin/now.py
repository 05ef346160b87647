"""What goes on at this moment: calls that run, calls that failed, tasks that are done.

Short calls are not told of: a worker sends a message only when a call has run for a second, and when it has ended.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

LONG = 1.0  # s; a call that runs for so long is told of
AGAIN = 10.0  # s; then what runs is told once more, as the scheduler may be a new one
MOST_FAILURES = 50  # different ones that are kept; of reasons why calls ran again likewise
MOST_RUNNING = 30  # calls that are named
MOST_AT_ONCE = 20  # different ones in one message
MOST_TEXT = 300  # letters of an error's message
_DONE = ("memory", "released", "forgotten", "erred")
_ENDED = ("memory", "erred")
_TO_DO = ("waiting", "no-worker", "queued", "processing")


class LongCalls:
    """On a worker: which calls run for some time, by what is known when somebody looks."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._told: list[list[Any]] = []
        self._when = float("-inf")

    def look(self, running: Iterable[tuple[str, str]], now: float) -> list[list[Any]] | None:
        """Runs as (call, run) -> calls with since when, if the scheduler has to hear of them; else None.

        >>> calls = LongCalls()
        >>> calls.look([("load:1", "a")], 5.0)
        >>> calls.look([("load:1", "a"), ("load:2", "b")], 6.0), calls.look([("load:1", "a")], 6.5)
        ([['load:1', 5.0]], None)
        >>> calls.look([], 7.0)
        []
        """
        named = {run: call for call, run in running}
        self._since = {run: self._since.get(run, now) for run in named}
        found = [[named[run], since] for run, since in self._since.items() if now - since >= LONG]
        if found == self._told and (not found or now - self._when < AGAIN):
            return None
        self._told, self._when = found, now
        return found


def error_text(error: BaseException) -> str:
    """What an exception says, on few letters that any encoding can carry.

    >>> error_text(OSError("no network"))
    'OSError: no network'
    """
    try:
        said = str(error)
    except Exception:  # it is the user's class
        said = ""
    name = type(error).__name__
    return short_text(f"{name}: {said}" if said else name)


def short_text(text: str) -> str:
    """A text on few letters that any encoding can carry."""
    text = text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"
    return text.encode("utf-8", "backslashreplace").decode()


def summed(failures: Iterable[tuple[str, str, float]]) -> list[tuple[str, str, float, int]]:
    """Function, message and time of failures -> the same, once each, with how often; the newest if they are many."""
    known: dict[tuple[str, str], tuple[float, int]] = {}
    for function, text, when in failures:
        last, times = known.pop((function, text), (when, 0))
        known[function, text] = max(last, when), times + 1
    return [(*key, *value) for key, value in known.items()][-MOST_AT_ONCE:]


class Now:
    """On the scheduler: what its workers told."""

    def __init__(self) -> None:
        self.running: dict[str, list[tuple[str, float, str]]] = {}  # by the worker that told: call, since when, where
        self._failures = _Latest()
        self._again = _Latest()

    def runs(self, worker: str, calls: Iterable[Any], *, is_alone: bool) -> None:
        """All that runs for some time in a worker's process; with others in it, nobody knows on which of them."""
        whole = [(c[0], float(c[1]), worker if is_alone else "") for c in calls if is_running(c)]
        if whole:
            self.running[worker] = whole
        else:
            self.gone(worker)

    def gone(self, worker: str) -> None:
        self.running.pop(worker, None)

    def all_running(self) -> list[tuple[float, str, str]]:
        """Since when, call and worker: what runs longest first."""
        rows = [(since, call, place) for calls in self.running.values() for call, since, place in calls]
        return sorted(rows, key=lambda row: row[0])  # of one look, callers come before whom they call

    def failed(self, worker: str, function: str, text: str, when: float, times: int) -> None:
        self._failures.add(worker, function, text, when, times)

    def failures(self) -> list[dict[str, Any]]:
        """Newest first."""
        return self._failures.rows()

    def ran_again(self, worker: str, function: str, cause: str, when: float) -> None:
        """A call runs though results of it are stored."""
        self._again.add(worker, function, cause, when, 1)

    def again(self) -> list[dict[str, Any]]:
        """Why calls ran though results of them were stored; the newest first."""
        return self._again.rows()


class _Latest:
    """Texts about functions, each once, with when and where it came last, and how often; the newest of many."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], tuple[float, int, str]] = OrderedDict()

    def add(self, worker: str, function: str, text: str, when: float, times: int) -> None:
        if not isfinite(when):
            return
        _, before, _ = self._known.pop((function, text), (0.0, 0, ""))
        self._known[function, text] = when, before + times, worker
        while len(self._known) > MOST_FAILURES:
            self._known.popitem(last=False)

    def rows(self) -> list[dict[str, Any]]:
        """Newest first."""
        rows = reversed(self._known.items())
        return [{"function": f, "text": t, "last": when, "times": n, "worker": w} for (f, t), (when, n, w) in rows]


def is_running(call: Any) -> bool:
    """Whether this is a call with a time."""
    return isinstance(call, (list, tuple)) and [*map(type, call)] in ([str, float], [str, int]) and isfinite(call[1])


def tasks_of(scheduler: Any) -> dict[str, dict[str, int]]:
    """By the name that tasks begin with: how many there are, done, running and failed; Dask has added them up."""
    prefixes: Mapping[str, Any] = getattr(scheduler, "task_prefixes", {})
    counts = {name: Counter(dict(prefix.states)) for name, prefix in prefixes.items()}
    return {
        name: {
            "all": sum(states.values()),
            "done": sum(states[state] for state in _DONE),
            "running": states["processing"],
            "failed": states["erred"],
        }
        for name, states in counts.items()
        if sum(states.values())
    }


def work_of(scheduler: Any) -> tuple[int, int]:
    """How many tasks have ended since the scheduler began, those counted again that ran again; how many are to do."""
    prefixes = list(getattr(scheduler, "task_prefixes", {}).values())
    ended = sum(prefix.state_counts[state] for prefix in prefixes for state in _ENDED)
    return ended, sum(prefix.states.get(state, 0) for prefix in prefixes for state in _TO_DO)


def work_behind(tasks: Iterable[Any]) -> tuple[int, int]:
    """The same of some tasks."""
    found = Counter(task.state in _TO_DO for task in tasks)
    return found[False], found[True]
