"""Calls whose keys are never the same twice: in each program another one, and only by what looks made anew.

A run marks its arguments in which something looks so (see `volatile`), with when its process began and how that looks.
Two programs that marked the same argument, each with what no other had, and had all others equal, are the evidence;
processes that ran side by side are one program.
"""

from __future__ import annotations

from cachepy.core.kinds import MADE_ANEW
from cachepy.core.model import Record
from cachepy.graph.handed import HANDED
from cachepy.store.codec import has_any, origin_in, signs_of, unpack
from cachepy.store.owner import is_running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cachepy.core.model import Event
    from cachepy.store.codec import Row

ENOUGH = 2  # programs
_SIGNS = signs_of(MADE_ANEW)


class Renewed(Record):
    """A call that the next program makes with another key: the parts of its arguments that are new, and how often."""

    __slots__ = ("call", "parts", "programs")
    call: str
    parts: tuple[str, ...]
    programs: int


def may_be_renewed(parts: Iterable[bytes]) -> bool:
    """Whether any call has such a mark, by the parts that rows have in common."""
    return any(has_any(part, _SIGNS) for part in parts)


def renewed(rows: Iterable[Row]) -> list[Renewed]:
    """Those that the last of the programs made."""
    rows = list(rows)
    signed = [row for row in rows if not isinstance(row, bytes) or has_any(row, _SIGNS)]
    if len({*map(origin_in, signed)}) < ENOUGH:  # one program alone proves nothing
        return []
    marked = [unpack(row) for row in signed]
    groups: dict[object, list[Event]] = {}
    for event in marked:
        if marks_of(event):
            groups.setdefault(likeness(event, arguments_of(marks_of(event))), []).append(event)
    found = [each for group in groups.values() for each in _of_group(group)]
    mended = _mended(rows, {each.call for each in found}, groups) if found else set[str]()
    return [each for each in found if each.call not in mended]


def marks_of(event: Event) -> dict[str, float]:
    """The parts of arguments that look made anew, and when the process began."""
    return {part: float(mark.partition(" ")[0] or 0) for part, mark in _marks(event)}


def _marks(event: Event) -> list[tuple[str, str]]:
    return [(dep.name, dep.digest or "") for dep in event.trace.deps if dep.kind in MADE_ANEW]


def _looks(program: Iterable[Event]) -> set[tuple[str, str]]:
    """How the parts look that a program made anew; what has no look is another one in each process."""
    return {(part, mark.partition(" ")[2] or mark) for event in program for part, mark in _marks(event)}


def arguments_of(parts: Iterable[str]) -> frozenset[str]:
    """The arguments that the parts are of."""
    return frozenset(part.partition(".")[0].partition("[")[0] for part in parts)


def likeness(event: Event, without: frozenset[str]) -> object:
    """What is equal for calls that differ in these arguments only."""
    labels = [(name, text) for name, text in event.label.items() if name not in without]
    args = [(name, digest) for name, digest in event.args.items() if not name.endswith(HANDED)]
    digests = [(name, digest) for name, digest in args if not arguments_of([name]) & without]
    return event.module, event.qualname, without, tuple(labels), tuple(digests)


def _of_group(group: list[Event]) -> list[Renewed]:
    programs = programs_of(group)
    if not is_evident(programs):
        return []
    return [Renewed(e.id, tuple(marks_of(e)), len(programs)) for e in programs[-1]]


def is_evident(programs: list[list[Event]]) -> bool:
    """Whether the last of some programs made anew what others had made already."""
    before = _looks(event for program in programs[:-1] for event in program)
    return len(programs) >= ENOUGH and _looks(programs[-1]).isdisjoint(before)


def programs_of(group: Iterable[Event]) -> list[list[Event]]:
    """The calls of each program: of processes that ran at one time."""
    programs: list[list[Event]] = []
    latest, inf = 0.0, float("inf")
    group = [*group]
    running = {origin: is_running(origin) for origin in {event.origin for event in group}}
    for event in sorted(group, key=lambda e: (min(marks_of(e).values()), e.created)):
        if not programs or min(marks_of(event).values()) > latest:
            programs.append([])
        programs[-1].append(event)
        latest = max(latest, inf if running[event.origin] else event.created)
    return programs


def _mended(rows: list[Row], calls: set[str], groups: dict[object, list[Event]]) -> set[str]:
    """Those of the calls whose like was made since without such a part."""
    events = [unpack(row) for row in rows]
    mended = set[str]()
    for group in groups.values():
        asked = [event for event in group if event.id in calls]
        if not asked:
            continue
        without = arguments_of(marks_of(asked[0]))
        like, last = likeness(asked[0], without), max(event.created for event in group)
        if any(e.created > last and not marks_of(e) and likeness(e, without) == like for e in events):
            mended.update(event.id for event in asked)
    return mended
