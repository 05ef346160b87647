"""Tables on a terminal: one line for each record, no longer than the terminal is wide."""

from __future__ import annotations

from cachepy.cli import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Row = Sequence[str]

LEAST = 8  # columns of a terminal that a text needs to mean anything
COMFORT = 20  # that it needs to be read well
GAP = 2  # between two columns
SAME = '"'  # under a text that is the same again
_DIGITS = 8  # of an id


class Shape:
    """What the columns of a table are like, by their headings.

    right: aligned right; fixed: never cut; spare: left out first, in this order, if there is no room; same: written
    once, if several rows one below the other have the same.
    """

    def __init__(self, head: Row, *, right: str = "", fixed: str = "", spare: str = "", same: str = "") -> None:
        self.head = list(head)
        self.right = {i for i, title in enumerate(head) if title in right.split()}
        self.whole = {i for i, title in enumerate(head) if title in fixed.split()} | self.right
        self.spare = [self.head.index(title) for title in spare.split()]
        self.same = {i for i, title in enumerate(head) if title in same.split()}

    def fitted(self, cells: list[list[str]], room: int) -> dict[int, int] | None:
        """The width of each column that is shown, by its number; None if not even the names of calls fit.

        >>> Shape(("id", "call", "cause"), fixed="id").fitted([["3f2a", "load('a.csv')", "file a.csv changed"]], 30)
        {0: 4, 1: 11, 2: 11}
        """
        widths = {i: words.width(title) for i, title in enumerate(self.head)}
        for row in cells:
            for i, cell in enumerate(row):
                widths[i] = max(widths[i], words.width(cell))
        spare = list(self.spare)
        while (found := self._shares(widths, room)) is None or self._is_tight(found, widths):
            if not spare:
                break
            del widths[spare.pop(0)]
        return found

    def _is_tight(self, found: dict[int, int], wanted: dict[int, int]) -> bool:
        return any(width < min(wanted[i], COMFORT) for i, width in found.items())

    def _shares(self, wanted: dict[int, int], room: int) -> dict[int, int] | None:
        """Texts share what the fixed columns leave: the last one has half of it, or what the others do not take."""
        widths = dict(wanted)
        texts = [i for i in widths if i not in self.whole]
        free = room - GAP * (len(widths) - 1) - sum(width for i, width in widths.items() if i in self.whole)
        if not texts or sum(widths[i] for i in texts) <= free:
            return widths if free >= 0 else None
        if free < LEAST * len(texts):
            return None
        *others, last = texts
        left = free - min(widths[last], max(LEAST, free // 2)) if others else free
        for at, i in enumerate(others):
            share = left - LEAST * (len(others) - at - 1)
            widths[i] = min(widths[i], share)
            left -= widths[i]
        widths[last] = min(widths[last], free - sum(widths[i] for i in others))
        return widths

    def without_repeats(self, cells: list[list[str]]) -> list[list[str]]:
        """Rows with a sign for what stands in the row above too."""
        rows = [list(row) for row in cells]
        for above, row in zip(cells, rows[1:], strict=False):
            for i in self.same:
                row[i] = SAME if row[i] and row[i] == above[i] else row[i]
        return rows


def plain(cells: list[list[str]], right: set[int]) -> Iterable[str]:
    """Aligned columns as lines; nothing is cut, and what is behind the last column is not filled up."""
    widths = [max(map(words.width, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (pad(cell, width, i in right) for i, (cell, width) in enumerate(zip(row, widths, strict=True)))
        yield (" " * GAP).join(padded).rstrip()


def pad(cell: str, width: int, at_right: bool) -> str:
    """A text filled up to a width."""
    room = " " * (width - words.width(cell))
    return room + cell if at_right else cell + room


def short_ids(shown: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """The ids that are shown, each as so many digits that it is no other call; known: the ids of all calls.

    >>> short_ids(["f:0123456789ab"], ["f:0123456789ab", "g:456789abcdef"])
    {'f:0123456789ab': '01234567'}
    >>> short_ids(["f:0123456789ab"], ["f:0123456789ab", "f:0123456799ab"])
    {'f:0123456789ab': '012345678'}
    """
    wanted = {call: call.rpartition(":")[2] for call in shown}
    rivals: dict[str, list[str]] = {digest[:_DIGITS]: [] for digest in wanted.values()}
    for call in known:
        digest = call.rpartition(":")[2]
        if digest[:_DIGITS] in rivals:
            rivals[digest[:_DIGITS]].append(digest)
    return {call: _short(digest, rivals[digest[:_DIGITS]]) or call for call, digest in wanted.items()}


def _short(digest: str, rivals: list[str]) -> str:
    """The shortest start that only this one has; empty if another one has all of it."""
    for length in range(_DIGITS, len(digest) + 1):
        if sum(each.startswith(digest[:length]) for each in rivals) <= 1:
            return digest[:length]
    return "" if rivals.count(digest) > 1 else digest
