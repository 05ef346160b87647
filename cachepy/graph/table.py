"""The rows of a graph by the ids of their calls, folded from events and files in any order.

A row is an event as bytes (see `codec`): there may be hundreds of thousands.
"""

from __future__ import annotations

from cachepy.core.model import Event
from cachepy.core.revision import Revision
from cachepy.graph.handed import taken_in
from cachepy.graph.links import Links
from cachepy.store import safe_pickle
from cachepy.store.bulk_decode import Intake
from cachepy.store.codec import (
    PACKED,
    Quiet,
    args_in,
    calls_in,
    fields_in,
    files_in,
    pack,
    part_of,
    rank,
    result_in,
    row_of,
    shared_in,
    times,
)
from cachepy.store.journal import payloads
from cachepy.store.relocation import moved_event
from cachepy.store.schema import is_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from cachepy.store.codec import Row

    Files = tuple[tuple[str, str | None], ...]

FORMAT = 1  # of the records of a graph file: what a file without a header has
HEADER = ("cachepy-graph", FORMAT)  # the first record of a saved graph, and of a file in any other format
_PACKED = PACKED[0]
_MANY = 1000  # records that are looked at together
_PAST = 100_000  # results of earlier runs that are known, at least


class Table:
    """Of two rows of one call the one that was seen later counts.

    first: when a call was made first, where its row does not say so; past: digests of results of earlier runs; left:
    calls that an earlier run of a caller made, with when the last of these was seen.
    """

    def __init__(self) -> None:
        self.revision = Revision()  # in which no row has taken the place of another
        self.rows: dict[str, Row] = {}
        self.first: dict[str, float] = {}
        self.past: dict[str, None] = {}
        self._most_past = _PAST
        self.left: dict[str, float] = {}
        self._files: dict[bytes, Files] = {}  # in the second parts of rows
        self._parts: dict[bytes, None] = {}  # those whose files nobody asked for yet
        self._shared: set[bytes] = set()  # the last parts of rows
        self._roots: set[str] = set()  # of rows without parts
        self._new: list[str] = []  # calls whose parts are not yet among them
        self.format = FORMAT  # of what was merged last
        self._replaced = 0
        self._links: Links | None = None

    def add(self, event: Event) -> bool:
        """Fold one event in; whether it changed anything."""
        call, payload = event.id, pack(event)
        row = payload if payload[0] == _PACKED else event
        old = self.rows.get(call)
        if old is None:
            self.rows[call] = row
        elif self._meet(call, old, row):
            self.begin_era()
        else:
            return False
        self._new.append(call)
        if len(self._new) > 2 * len(self.rows) + _MANY:  # the same calls ran again and again, and nobody asked
            self._new = [*dict.fromkeys(self._new)]
        if self._links is not None:
            self._links.add(call, row)
        return True

    def begin_era(self) -> None:
        """What was known of the rows counts no more."""
        self.revision.is_over = True
        self.revision = Revision()

    def merge(self, data: bytes, root: str | None = None) -> tuple[int, bool]:
        """Fold in what a journal or a saved graph holds: how many records are whole, and whether others are damaged."""
        self._links = None
        self.begin_era()
        reading = Reading(data, root, self._parts)
        with Quiet():
            for ids, rows in reading:
                self._take(ids, rows)
        self._new += reading.pickled
        self._shared |= reading.shared
        self.format = reading.format
        self.files()  # now, while what was read is at hand
        return reading.taken, bool(reading.damaged)

    def _take(self, ids: Sequence[str], rows: Sequence[Row]) -> None:
        if len(set(ids)) == len(ids) and self.rows.keys().isdisjoint(ids):
            self.rows.update(zip(ids, rows, strict=True))
            return
        for call, row in zip(ids, rows, strict=True):
            old = self.rows.get(call)
            if old is None:
                self.rows[call] = row
            elif old != row:
                self._meet(call, old, row)

    def _meet(self, call: str, old: Row, new: Row) -> bool:
        """Keep the row that was seen later; whether it is the new one."""
        was, now = rank(old), rank(new)
        first = min(self.first.get(call, was[1]), now[1])
        is_newer = now > was
        before = old if is_newer else new
        self.past[result_in(before)] = None
        if len(self.past) > self._most_past:
            self._forget()
        seen = times(before)[0]
        for each in calls_in(before):  # also what the later one makes: a third may lie between them, and come last
            self.left[each] = max(self.left.get(each, 0.0), seen)
        if is_newer:
            self.rows[call] = new
            self._replaced += 1
            if self._links is not None:
                self._links.remove(call, old)
        if call in self.first or first != max(was, now)[1]:  # an older run that holds again may be the first of all
            self.first[call] = first
        return is_newer

    def _forget(self) -> None:
        """Results of long ago that no call took: a program that makes the same calls for weeks has many."""
        taken = {digest for row in self.rows.values() for digest in taken_in(args_in(row))}
        first = len(self.past) - _PAST // 2
        self.past = {digest: None for at, digest in enumerate(self.past) if at >= first or digest in taken}
        self._most_past = max(_PAST, 2 * len(self.past))

    @property
    def links(self) -> Links:
        """The edges; made when they are first asked for, and again after a merge."""
        if self._links is None:
            self._links = Links(self.rows, self.first)
        return self._links

    def files(self) -> dict[bytes, Files]:
        """The files in the second part of rows, by that part; perhaps also of rows that were replaced since."""
        if self._replaced > len(self.rows) // 2:
            self._files.clear()
            self._shared.clear()
            self._new, self._replaced = list(self.rows), 0
        with Quiet():
            new = [self.rows[call] for call in self._new]
            self._parts.update(dict.fromkeys(map(part_of, new)))
            self._shared.update(shared_in(row) for row in new if isinstance(row, bytes))
            self._roots.update(row.root for row in new if isinstance(row, Event))
            self._new.clear()
            for part in self._parts:
                if part not in self._files:
                    self._files[part] = files_in(part)
            self._parts.clear()
        return self._files

    def roots(self) -> set[str]:
        """The cache directories of the calls; perhaps also of rows that were replaced since."""
        self.files()
        return self._roots.union(fields_in(each)[3] for each in self._shared)


class Reading:
    """The rows in the records of a file, with the ids of their calls; afterwards `damaged` and `taken` are known.

    root: the cache directory the file lies in now, which may have been moved since. Of a file whose header names
    another format the records that are as in this one are taken, and none counts as damaged.
    """

    def __init__(self, data: bytes, root: str | None, parts: dict[bytes, None] | None = None) -> None:
        self.damaged = 0  # records, or stretches without one
        self.format = FORMAT  # by its header
        self.has_header = False
        self.taken = 0
        self.pickled: list[str] = []  # calls whose events could not be packed
        self._data = data
        self._root = root
        self._intake = Intake({} if parts is None else parts, root)

    @property
    def shared(self) -> set[bytes]:
        """The last parts of the rows that were packed, as they are now."""
        return self._intake.shared

    def __iter__(self) -> Iterator[tuple[Sequence[str], Sequence[Row]]]:
        batch: list[bytes] = []
        for payload in payloads(self._data):
            if payload is None:
                self.damaged += 1
            elif payload[:1] != PACKED:
                yield from self._pickled(payload)
            else:
                batch.append(payload)
                if len(batch) == _MANY:
                    yield self._packed(batch)
                    batch = []
        if batch:
            yield self._packed(batch)
        if self.format != FORMAT:  # what was not understood may well be whole
            self.damaged = 0

    def _packed(self, batch: list[bytes]) -> tuple[Sequence[str], Sequence[Row]]:
        ids, rows = self._intake.rows(batch)
        self.taken += len(ids)
        self.damaged += len(batch) - len(ids)
        return ids, rows

    def _pickled(self, payload: bytes) -> Iterator[tuple[Sequence[str], Sequence[Row]]]:
        """The row of an event that could not be packed."""
        try:
            record = safe_pickle.loads(payload)
        except ValueError:
            record = None
        if is_event(record):
            event = Event.unwire(record)
            event = event if self._root is None else moved_event(event, self._root)
            self.taken += 1
            self.pickled.append(event.id)
            yield [event.id], [row_of(event)]
        elif _is_header(record):
            self.has_header = True
            self.format = max(self.format, record[1])
        else:
            self.damaged += 1


def _is_header(record: Any) -> bool:
    return type(record) is tuple and len(record) > 1 and record[0] == HEADER[0] and type(record[1]) is int
