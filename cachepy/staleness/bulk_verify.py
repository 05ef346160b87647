"""Which calls of a graph surely hold, told by its rows: nothing is unpacked that many calls have in common.

A call that is not among them may hold all the same, by an older run of itself or of a call below.
"""

from __future__ import annotations

from cachepy.core.kinds import LEFT
from cachepy.store.codec import ITEM, PART, TEXT, decoded, fields_in, has_any, signs_of, times, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from cachepy.store.codec import Row

_NEWLINE = ord("\n")
_LEFT = signs_of(LEFT)


class Holding:
    """The calls that are stored, whose own deps hold, and whose calls below all hold and gave what they did then.

    listing: the entries in a cache directory, which is also told which process made one; holds: whether the deps in
    the second part of a row hold; each: wraps the list of calls, to show progress.
    """

    def __init__(
        self,
        rows: Mapping[str, Row],
        listing: Callable[[str, str], Collection[str]],
        holds: Callable[[bytes], bool],
        each: Callable[[list[str]], Iterable[str]] = iter,
    ) -> None:
        self.effects: dict[str, str] = {}
        self._listing = listing
        places: dict[bytes, tuple[str, Collection[str]]] = {}
        self.parts = parts = dict[bytes, bool]()  # the second parts of rows, which many have in common
        self.has_events = False  # rows that could not be packed
        leaving = set[bytes]()  # parts of calls that left files behind
        callers: list[tuple[float, str, bytes]] = []
        for call in each(list(rows)):
            row = rows[call]
            if not isinstance(row, bytes):
                self.has_events = True
                continue
            own, part, rest = row.split(PART, 2)
            stem, stored = places.get(rest[TEXT]) or places.setdefault(rest[TEXT], self._place(rest[TEXT]))
            is_same = parts.get(part)
            if is_same is None:  # after the listing, which makes the cache known that keeps what code was made of
                is_same = parts[part] = holds(part)
                if has_any(part, _LEFT):
                    leaving.add(part)
            key = call[-32:]
            if not is_same or f"entries/{key[:2]}{stem}-{key}.entry" not in stored:
                continue
            if own[-1] != _NEWLINE:
                callers.append((times(row)[1], call, row))
            else:
                self.effects[call] = _effect(row) if part in leaving else decoded(own.split(b"\n", 3)[2])
        for _, call, row in sorted(callers):  # nearly always those below come first
            self._add_caller(call, row, leaving)

    def _place(self, shared: bytes) -> tuple[str, Collection[str]]:
        """How the names of entries begin, and those that are there."""
        *_, root, origin, stem = fields_in(shared)
        return stem, self._listing(root, origin) if stem else ()

    def _add_caller(self, call: str, row: bytes, leaving: set[bytes]) -> None:
        own, part, _ = row.split(PART, 2)
        _, _, result, _, _, calls = fields_in(own)
        items = calls.split(ITEM)
        if list(map(self.effects.get, items[2::3])) == items[3::3]:
            self.effects[call] = _effect(row) if part in leaving else result


def _effect(row: Row) -> str:
    return unpack(row).trace.effect
