"""The cluster's graph by function, for the page: counts of calls and edges, brought up to date when somebody looks.

Nothing is worked out while nobody does.  What is stale is told from the records alone, which say what each run
used: newer code of its function, or a call below that gives another result now.  Files that changed since are not
looked at: the scheduler may not see them.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from cachepy.core.kinds import CODES, FILES
from cachepy.core.model import Event
from cachepy.core.reasons import Reason
from cachepy.graph.graph import file_path, written_by
from dask_plugin.records import event_of
from dask_plugin.tally import function_name, label_of

logger = logging.getLogger("cachepy.dask")
_MOST_CAUSES = 20  # that are told; for each of them all above is looked through

Edge = tuple[str, str, str]  # the caller or taker, the function below or giver, "call" or "flow"


# What is kept of a call: its function, the digest of its code, its effect, the calls below it with theirs, the calls
# whose results it was given, its edges, its files.  Plain tuples: the garbage collector does not go through them again
# and again, which would hold up the scheduler.
_Below = tuple[tuple[str, str | None], ...]
_Call = tuple[str, str | None, str, _Below, tuple[str, ...], tuple[Edge, ...], tuple[str, ...]]


class Overview:
    """Counts by function of the newest run of each call."""

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}
        self._givers: dict[str, str] = {}  # digest of a result, or path of a file -> the call that gave or wrote it
        self._numbers: Counter[str] = Counter()
        self._edges: Counter[Edge] = Counter()
        self._files: dict[str, Counter[str]] = {}
        self._codes: dict[str, tuple[float, str | None]] = {}  # the newest code of each function
        self._stale: Counter[str] = Counter()
        self._causes: list[tuple[str, int, int]] = []
        self._labels: dict[str, str] = {}
        self._identities: dict[str, str] = {}  # as reasons name a function

    def update(self, payloads: Iterable[bytes]) -> None:
        """Take in what was recorded since the last time."""
        events = sorted(_events(payloads), key=lambda event: event.created)  # who gave a result before who took it
        for event in events:
            self._remove(event.id)
            self._add(event)
        if events:
            stale, takers = self._find_stale()
            self._stale = Counter(self._calls[call][0] for call in stale)
            self._causes = self._find_causes(stale, takers)

    def _add(self, event: Event) -> None:
        function = function_name(event.module, event.qualname)
        deps = event.trace.deps
        own = f"{event.module}:{event.qualname}"
        code = next((d.digest for d in deps if d.kind in CODES and d.name == own), None)
        if event.seen >= self._codes.get(function, (0.0, None))[0]:
            self._codes[function] = event.seen, code
        self._labels[function] = label_of(event.qualname)
        self._identities[function] = own
        self._givers[event.trace.result] = event.id
        below = tuple((c.name, c.digest) for c in event.trace.calls)
        wrote = written_by(event)
        read = [path for dep in deps if dep.kind in FILES and (path := file_path(event, dep.name)) not in wrote]
        givers = dict.fromkeys(map(self._givers.get, [*event.args.values(), *read]))
        taken = tuple(g for g in givers if g is not None and g in self._calls)
        self._givers.update(dict.fromkeys(wrote, event.id))
        files = tuple(d.name for d in deps if d.kind in FILES)
        edges = tuple(self._edges_of(function, below, taken))
        self._calls[event.id] = (function, code, event.trace.effect, below, taken, edges, files)
        self._numbers[function] += 1
        self._edges.update(edges)
        self._files.setdefault(function, Counter()).update(files)

    def _edges_of(self, function: str, below: _Below, taken: Iterable[str]) -> Iterator[Edge]:
        for call, _ in below:
            if call in self._calls:
                yield function, self._calls[call][0], "call"
        for call in taken:
            if self._calls[call][0] != function:
                yield function, self._calls[call][0], "flow"

    def _remove(self, call: str) -> None:
        known = self._calls.pop(call, None)
        if known is not None:
            function, *_, edges, files = known
            self._numbers[function] -= 1
            self._edges.subtract(edges)
            self._files[function].subtract(files)

    def _find_stale(self) -> tuple[list[str], dict[str, list[str]]]:
        """The calls whose code is newer now or that used what a call below does not give any more, and all above.

        Also, as far as it was needed, who takes what of whom.
        """
        found = [name for name, call in self._calls.items() if self._is_outdated(call)]
        takers: dict[str, list[str]] = {}
        if not found:
            return found, takers
        for name, (*_, below, taken, _, _) in self._calls.items():
            for other in (*[call for call, _ in below], *taken):
                takers.setdefault(other, []).append(name)
        return _with_all_above(found, takers), takers

    def _is_outdated(self, call: _Call) -> bool:
        """By itself: what is above such a call is not looked at here."""
        return next(self._reasons(call), None) is not None

    def _reasons(self, call: _Call) -> Iterator[Reason]:
        """What the cluster saw change for a call itself."""
        function, code, _, below, *_ = call
        if code != self._codes[function][1]:
            yield Reason("code", self._identities[function], None, None)
        for name, effect in below:
            known = self._calls.get(name)
            if known is not None and known[2] != effect:
                yield Reason("result", self._labels[known[0]], None, None)

    def _find_causes(self, stale: Iterable[str], takers: dict[str, list[str]]) -> list[tuple[str, int, int]]:
        """What changed, how many calls that makes stale itself, and how many above them; the largest first."""
        calls: dict[str, list[str]] = {}
        for name in stale:
            for text in dict.fromkeys(map(str, self._reasons(self._calls[name]))):
                calls.setdefault(text, []).append(name)
        largest = sorted(calls.items(), key=lambda cause: (-len(cause[1]), cause[0]))[:_MOST_CAUSES]
        found = [(text, len(own), len(_with_all_above(own, takers)) - len(own)) for text, own in largest]
        return sorted(found, key=lambda cause: (-cause[1] - cause[2], cause[0]))

    def causes(self) -> list[dict[str, Any]]:
        """Why calls are stale, as far as the cluster saw it."""
        return [{"text": text, "calls": calls, "above": above} for text, calls, above in self._causes]

    def functions(self) -> dict[str, dict[str, Any]]:
        """By name: how many calls, how many of them stale, how many files of their own."""
        return {
            name: {
                "label": self._labels[name],
                "calls": number,
                "stale": self._stale[name],
                "files": sum(count > 0 for count in self._files.get(name, {}).values()),
            }
            for name, number in self._numbers.items()
        }

    def edges(self) -> list[tuple[Edge, int]]:
        return sorted((edge, number) for edge, number in self._edges.items() if number > 0)


def _with_all_above(calls: Iterable[str], takers: dict[str, list[str]]) -> list[str]:
    found = list(calls)
    seen = set(found)
    for name in found:  # grows while it is read
        more = [taker for taker in dict.fromkeys(takers.get(name, ())) if taker not in seen]
        seen.update(more)
        found += more
    return found


def _events(payloads: Iterable[bytes]) -> Iterator[Event]:
    """The events of payloads; one that is damaged does not hide the others."""
    for payload in payloads:
        try:
            yield event_of(payload)
        except ValueError:
            logger.exception("a record is damaged; one call is missing from the page /cachepy")
