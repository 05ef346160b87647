"""Calls at the top that take plain values which other calls gave: nobody can know whether from there.

A number by itself, or a short text, is too common to draw an edge (see `numbers` for those that come together).
"""

from __future__ import annotations

from ast import literal_eval

from cachepy.graph.numbers import numbers_of
from cachepy.store.codec import Quiet, args_in, labels_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from cachepy.calls.state import State
    from cachepy.graph.graph import Graph
    from cachepy.store.codec import Row

_MOST = 20_000  # different texts of arguments that are looked at
_LEAST, _SHORTEST = 4, 3  # a smaller number, or a shorter text, is nobody's


def takers_of_plain(session: State) -> set[str]:
    """The ids of these calls."""
    graph: Graph = session.graph
    known: dict[str, tuple[str, ...]] = {}

    def digests(text: str) -> tuple[str, ...]:
        if text not in known and len(known) < _MOST:
            known[text] = tuple([session.digester.digest(value) for value in _plain_in(text)])
        return known.get(text, ())

    with Quiet():
        given = graph.given()
        taken = ((call, given.intersection(_taken(row, digests))) for call, row in graph.rows().items())
        return {
            call
            for call, each in taken
            if each and not _is_told(graph, call) and any(graph.gave_before(call, digest) for digest in each)
        }


def _is_told(graph: Graph, call: str) -> bool:
    """Whether its caller speaks for it, or its numbers were found."""
    event = graph.event(call)
    return bool(graph.parents_of(call)) or event is None or bool(numbers_of(event.args) and graph.inputs_of(event))


def _taken(row: Row, digests: Any) -> Iterator[str]:
    for numbers in numbers_of(args_in(row)):
        for each in numbers.values():
            yield from each
    for text in labels_in(row).values():
        yield from digests(text)


def _plain_in(text: str) -> list[Any]:
    """The value that a short text stands for, if it is plain and tells anything."""
    if text.isdecimal():
        value: Any = int(text)
    elif text[:1] in "-'\"0123456789" and text[:1]:
        try:
            value = literal_eval(text)
        except (SyntaxError, ValueError):  # cut off
            return []
    else:
        return []
    if isinstance(value, str):
        return [value] if len(value) >= _SHORTEST else []
    return [value] if isinstance(value, float) or (isinstance(value, int) and abs(value) >= _LEAST) else []
