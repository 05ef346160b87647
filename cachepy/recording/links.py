"""Who calls whom, and who takes whose result: what the graph knows beyond the single call.

Made when a query asks, and kept up to date from then on.  Flow edges are found by digests.  Imports model, packed.
"""

from __future__ import annotations

from cachepy.model import CALL
from cachepy.rows.packed import Quiet, args_in, called_in, calls_in, result_in, times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cachepy.model import Dep
    from cachepy.rows.packed import Row


class Links:
    """The edges between rows; first: when a call was first made, where its row does not say so."""

    def __init__(self, rows: Mapping[str, Row], first: Mapping[str, float]) -> None:
        self._rows = rows
        self._first = first
        self._parents: dict[str, dict[str, None]] | None = None
        self._results: dict[str, dict[str, None]] | None = None
        self._places: dict[str, tuple[Row, dict[str, int]]] = {}

    @property
    def parents(self) -> dict[str, dict[str, None]]:
        """The callers of each call."""
        if self._parents is None:
            self._parents = {}
            with Quiet():
                for call, row in self._rows.items():
                    for name in called_in(row):
                        self._parents.setdefault(name, {})[call] = None
        return self._parents

    @property
    def results(self) -> dict[str, dict[str, None]]:
        """The calls that gave each result."""
        if self._results is None:
            self._results = {}
            with Quiet():
                for call, row in self._rows.items():
                    self._results.setdefault(result_in(row), {})[call] = None
            self._results.pop("", None)
        return self._results

    def add(self, call: str, row: Row) -> None:
        """Another row is there, as far as was asked for."""
        for name in called_in(row) if self._parents is not None else ():
            self.parents.setdefault(name, {})[call] = None
        if self._results is not None and result_in(row):
            self.results.setdefault(result_in(row), {})[call] = None

    def remove(self, call: str, row: Row) -> None:
        """A row is gone."""
        for name in called_in(row) if self._parents is not None else ():
            self.parents.get(name, {}).pop(call, None)
        if self._results is not None:
            self.results.get(result_in(row), {}).pop(call, None)

    def inputs(self, call: str, args: Mapping[str, str]) -> dict[str, str]:
        """Argument name -> the call whose result the argument is: same digest, ended before."""
        found = {name: self._producer(call, digest) for name, digest in args.items() if digest in self.results}
        return {name: producer for name, producer in found.items() if producer is not None}

    def _producer(self, call: str, digest: str) -> str | None:
        """The call that gave a value: one that a common caller made before this, else one that ended before.

        Order within a caller is the same however calls were run; times are not, where calls run side by side.
        """
        candidates = [c for c in self.results[digest] if c != call]
        family = self.parents.get(call, {})
        siblings = [c for c in candidates if self._is_made_before(c, call, family)]
        if siblings:
            return min(siblings)
        latest = self._created(call)
        earlier = [c for c in candidates if self._created(c) <= latest]
        return min(earlier, key=lambda c: (bool(family or self.parents.get(c)), c), default=None)

    def _created(self, call: str) -> float:
        """When a call was first made."""
        first = self._first.get(call)
        return times(self._rows[call])[1] if first is None else first

    def _is_made_before(self, call: str, other: str, family: dict[str, None]) -> bool:
        """Whether one of the callers made the call before the other one."""
        for caller in self.parents.get(call, ()):
            if caller in family:
                places = self._places_in(caller)
                if places[call] < places[other]:
                    return True
        return False

    def _places_in(self, caller: str) -> dict[str, int]:
        """The place of each call in the order in which its caller made them; remembered as long as the run is it."""
        row = self._rows[caller]
        known, places = self._places.get(caller, (None, {}))
        if known is not row:
            places = {name: at for at, name in enumerate(calls_in(row))}
            self._places[caller] = row, places
        return places

    def history(self, past: set[str], given: Mapping[str, str]) -> set[str]:
        """The calls that nothing makes any more: they took a result of an earlier run, which no call gives now.

        A call whose input came from history is history too. One that is called by others is only if they all are.
        given: what calls give that hold by an older run than the one in their row.
        """
        again: dict[str, set[str]] = {}
        for call, digest in given.items():
            again.setdefault(digest, set()).add(call)
        past = past.union(result_in(self._rows[call]) for call in given)

        def givers(digest: str) -> set[str]:
            by_row = {call for call in self.results.get(digest, ()) if given.get(call, digest) == digest}
            return by_row | again.get(digest, set())

        takers: dict[str, list[str]] = {}
        for call, row in self._rows.items():
            for digest in args_in(row).values():
                takers.setdefault(digest, []).append(call)
        found: set[str] = set()
        taken = {call for d in past if not givers(d) for call in takers.get(d, ())}
        todo = list(taken)
        while todo:
            call = todo.pop()
            if call in found or not found.issuperset(self.parents.get(call, ())):
                continue
            found.add(call)
            row = self._rows[call]
            result = result_in(row)
            if found.issuperset(givers(result)):
                taken.update(takers.get(result, ()))
                todo += takers.get(result, ())
            todo += [name for name in calls_in(row) if name in taken]
        return found

    def children(self, calls: tuple[Dep, ...]) -> list[str]:
        """The calls that a call made and that the graph shows."""
        return sorted(c.name for c in calls if c.kind == CALL and c.name in self._rows)
