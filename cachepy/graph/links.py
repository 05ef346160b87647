"""Who calls whom, and who takes whose result: what the graph knows beyond the single call.

Made when a query asks, and kept up to date from then on.  Flow edges are found by digests, and by the files that calls
wrote.
"""

from __future__ import annotations

from cachepy.core.kinds import EDGES
from cachepy.graph.file_writers import Names, Written
from cachepy.graph.handed import handed_in, is_between, taken_in
from cachepy.graph.numbers import givers, numbers_of
from cachepy.store.codec import Quiet, args_in, called_in, calls_in, result_in, times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cachepy.core.model import Dep
    from cachepy.graph.file_writers import Mark
    from cachepy.store.codec import Row

_FAR = 10_000  # calls that are looked at to see whether one goes by another


class Links:
    """The edges between rows; first: when a call was first made, where its row does not say so."""

    def __init__(self, rows: Mapping[str, Row], first: Mapping[str, float]) -> None:
        self._rows = rows
        self._first = first
        self._parents: dict[str, dict[str, None]] | None = None
        self._results: dict[str, dict[str, None]] | None = None
        self._places: dict[str, tuple[Row, dict[str, int]]] = {}
        self._written: Written | None = None
        self._readers: dict[str, list[str]] | None = None

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

    @property
    def written(self) -> Written:
        """The files that calls wrote."""
        if self._written is None:
            with Quiet():
                self._written = Written(self._rows)
        return self._written

    @property
    def readers(self) -> dict[str, list[str]]:
        """The calls that read what each call wrote, or take a number that it gave among others, or to their task."""
        if self._readers is None:
            self._readers = {}
            with Quiet():
                for call, row in self._rows.items():
                    args = args_in(row)
                    has_numbers = bool(numbers_of(args)) or any(handed_in(args))
                    takes = self.inputs(call, args).values() if has_numbers else ()
                    for giver in {*takes, *(self.sources(call).values() if self.written.writers else ())}:
                        self._readers.setdefault(giver, []).append(call)
        return self._readers

    def add(self, call: str, row: Row) -> None:
        """Another row is there, as far as was asked for."""
        for name in called_in(row) if self._parents is not None else ():
            self.parents.setdefault(name, {})[call] = None
        if self._results is not None and result_in(row):
            self.results.setdefault(result_in(row), {})[call] = None
        self._readers = None
        if self._written is not None:
            self._written.add(call, row)

    def remove(self, call: str, row: Row) -> None:
        """A row is gone."""
        for name in called_in(row) if self._parents is not None else ():
            self.parents.get(name, {}).pop(call, None)
        if self._results is not None:
            self.results.get(result_in(row), {}).pop(call, None)
        if self._written is not None:
            self._written.remove(call, row)

    def inputs(self, call: str, args: Mapping[str, str]) -> dict[str, str]:
        """Argument name -> the call whose result the argument is: same digest, ended before."""
        found = {name: self._producer(call, digest) for name, digest in args.items() if digest in self.results}
        made = {name: producer for name, producer in found.items() if producer is not None}
        for numbers in numbers_of(args):
            made.update(givers(numbers, lambda digest: self.earlier_givers(call, digest)))
        made.update({name: giver for name, giver, digest in handed_in(args) if self._still_gives(giver, name, digest)})
        return made

    def _still_gives(self, giver: str, name: str, digest: str) -> bool:
        """Whether what was handed on is what its call gives; of tasks that lie between, nobody can tell."""
        row = self._rows.get(giver)
        return row is not None and (is_between(name) or result_in(row) == digest)

    def earlier_givers(self, call: str, digest: str) -> list[str]:
        """The calls that gave a value before a call was made."""
        family, latest = self.parents.get(call, {}), self._created(call)
        others = [c for c in self.results.get(digest, ()) if c != call]
        return [c for c in others if self._created(c) <= latest or self._is_made_before(c, call, family)]

    def flows(self, call: str) -> dict[str, str]:
        """What a call took from where: argument, or path of a file -> the call that made it."""
        row = self._rows[call]
        args = args_in(row)
        return {**self.sources(call), **(self.inputs(call, args) if args else {})}

    def sources(self, call: str) -> dict[str, str]:
        """Argument that names a file, or path -> the call that wrote that file."""
        read = self.written.read(self._rows[call])
        found = {(name, path): self._writer(call, path, digest) for name, path, digest in read}
        made = {at: writer for at, writer in found.items() if writer is not None and not self._is_above(call, writer)}
        if not made:
            return {}
        names, sources = Names(self._rows[call]), dict[str, str]()
        exact = {writer for (name, path), writer in made.items() if (name, path, None) not in read}
        for (name, path), writer in made.items():
            if (name, path, None) not in read or writer not in exact:
                sources[names.name(name)] = writer
        return sources

    def _writer(self, call: str, path: str, digest: str | None) -> str | None:
        """The call that wrote a file as another one read it; digest: of what that read, None: of a folder around it.

        One that left the very content comes before one that left another since.
        """
        marks = self.written.writers[path]
        others = [c for c in marks if c != call]
        own_is_sure = marks.get(call, (None, False))[1]
        if own_is_sure or not others:
            return None
        before = self._earlier(call, others)
        same = _seen_first([c for c in before if marks[c][0] == digest], marks)
        if digest is not None and not same:
            late = [c for c in others if c not in before and self._may_follow(c, call, marks)]
            same = _seen_first([c for c in late if marks[c][0] == digest], marks)
            before = before or late
        if same:
            return same[-1]
        return None if call in marks or not before else _seen_first(before, marks)[-1]

    def _may_follow(self, call: str, other: str, marks: Mapping[str, Mark]) -> bool:
        """Whether a call that was first stored after another one may all the same have written what that read.

        It was not stored at first, because the file changed while it ran.  What goes by the other one itself cannot.
        """
        is_in_time = marks[call][1] or self._created(call) <= times(self._rows[other])[1]
        return is_in_time and not self._goes_by(call, other)

    def _goes_by(self, call: str, other: str) -> bool:
        """Whether a call goes by another one in any way that there may be; True if that is too much to look at."""
        todo, seen = [call], {call}
        while todo:
            each = todo.pop()
            if each == other or len(seen) > _FAR:
                return True
            row = self._rows[each]
            below = {c for c in calls_in(row) if c in self._rows}
            below.update(self.inputs(each, args_in(row)).values())
            below.update(c for _, path, _ in self.written.read(row) for c in self.written.writers[path] if c != each)
            todo += below - seen
            seen |= below
        return False

    def _is_above(self, call: str, other: str) -> bool:
        """Whether one of two calls is above the other, so that there is an edge already."""
        return other in self._above(call) or call in self._above(other)

    def _above(self, call: str) -> set[str]:
        todo, seen = [call], set[str]()
        while todo and len(seen) < _FAR:
            more = [c for c in self.parents.get(todo.pop(), ()) if c not in seen]
            seen.update(more)
            todo += more
        return seen

    def _earlier(self, call: str, candidates: Iterable[str]) -> list[str]:
        """Those that a common caller made before a call, else those that first ended before it; the last one last."""
        for caller in sorted(self.parents.get(call, ())):
            places = self._places_in(caller)
            siblings = [c for c in candidates if c in places and places[c] < places[call]]
            if siblings:
                return sorted(siblings, key=places.__getitem__)
        latest = self._created(call)
        return sorted([c for c in candidates if self._created(c) <= latest], key=lambda c: (self._created(c), c))

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

    def history(
        self, past: Iterable[str], left: Mapping[str, float], given: Mapping[str, str], dropped: Iterable[str],
        made: Callable[[], set[str]],
    ) -> set[str]:
        """The calls that nothing makes any more: they took a result of an earlier run, which no call gives now.

        Or their programs do not make them any more, or their callers, and nobody has met them since. A call whose
        input came from history is history too, and what only history calls, unless a program makes it by itself. One
        that is called by others is only if they all are.
        left: what earlier runs of callers made, and when; given: what calls give that hold by an older run than
        the one in their row; dropped: what programs made once, and no more; made: what they make.
        """
        again: dict[str, set[str]] = {}
        for call, digest in given.items():
            again.setdefault(digest, set()).add(call)
        past = {*past}.union(result_in(self._rows[call]) for call in given)

        def givers(digest: str) -> set[str]:
            by_row = {call for call in self.results.get(digest, ()) if given.get(call, digest) == digest}
            return by_row | again.get(digest, set())

        takers: dict[str, list[str]] = {}
        for call, row in self._rows.items():
            for digest in taken_in(args_in(row)):
                takers.setdefault(digest, []).append(call)
        found: set[str] = set()
        taken = {call for d in past if not givers(d) for call in takers.get(d, ())}
        gone = taken.union(dropped, self._orphans(left, made))
        todo = list(gone)
        while todo:
            call = todo.pop()
            if call in found or call not in self._rows or not found.issuperset(self.parents.get(call, ())):
                continue
            if call not in gone and call not in taken and call in made():
                continue
            found.add(call)
            row = self._rows[call]
            result = result_in(row)
            if found.issuperset(givers(result)):
                if call in taken:
                    taken.update(takers.get(result, ()))
                todo += takers.get(result, ())
            todo += calls_in(row)
        return found

    def _orphans(self, left: Mapping[str, float], made: Callable[[], set[str]]) -> set[str]:
        """The calls whose callers do not make them any more, nobody has met since, and no program makes by itself."""
        alone = {c for c in left if c in self._rows and not self.parents.get(c) and times(self._rows[c])[0] <= left[c]}
        for row in self._rows.values():  # a caller may depend on one without an edge to it: what raised had made it
            if not alone:
                break
            alone.difference_update(calls_in(row))
        return alone - made() if alone else alone

    def children(self, calls: tuple[Dep, ...]) -> list[str]:
        """The calls that a call made and that the graph shows."""
        return sorted(c.name for c in calls if c.kind in EDGES and c.name in self._rows)


def _seen_first(calls: list[str], marks: Mapping[str, Mark]) -> list[str]:
    """The calls that wrote a file: not those that perhaps only found there what an earlier one had left."""
    left: set[str | None] = set()
    wrote = []
    for call in calls:
        digest, is_sure = marks[call]
        if is_sure or digest not in left:
            wrote.append(call)
        left.add(digest)
    return wrote
