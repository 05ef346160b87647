"""Why one run of a call gave another result than another one: `cache_tree_diff`, and its answer."""

from __future__ import annotations

import os
import time
from difflib import get_close_matches

from cachepy.calls.state import current_session
from cachepy.core.model import Report
from cachepy.core.prompt import lines_of
from cachepy.errors import EntryError, UsageError, UsageValueError
from cachepy.staleness.api import graph_now, path_text
from cachepy.staleness.named_calls import calls_named
from cachepy.staleness.run_diff import RootCause, RunDiff
from cachepy.staleness.stored_runs import StoredRuns, read_runs
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from cachepy.calls.state import State
    from cachepy.core.model import Event
    from cachepy.core.reasons import Reason
    from cachepy.staleness.stored_runs import Run

_FEWEST_DIGITS = 6  # of a run


class Difference(Report):
    """What tells two runs apart, as `cache_tree_diff` answers; ``str()`` gives the causes and how the values differ.

    Attributes
    ----------
    first, second : dict
        The two runs: ``id`` and ``label`` of the call, ``run``, ``number`` (1 is the newest that is stored),
        ``created`` and ``elapsed`` (seconds), ``result`` (its digest), ``path`` of the stored value (None if it is
        gone), ``cache_dir``.
    is_equal : bool
        Whether both gave the same result.
    causes : tuple of RootCause
        What differs, down the tree of calls, each once; what may follow from others comes last.
    values : tuple of str
        How the values differ, if that was asked.
    head : str
        The outcome in one sentence.

    Examples
    --------
    >>> from cachepy import cache_file, cache_tree_diff
    >>> RATE = 2
    >>> @cache_file("cache")
    ... def price(net):
    ...     return net * RATE
    >>> price(10)
    20
    >>> RATE = 3
    >>> price(10)
    30
    >>> found = cache_tree_diff("price", values=True)
    >>> found.is_equal, found.causes[0].name.rpartition(".")[2], found.values
    (False, 'RATE', ('20 -> 30 (+10)',))
    """

    __slots__ = ("first", "second", "is_equal", "causes", "values")
    first: dict[str, object]
    second: dict[str, object]
    is_equal: bool
    causes: tuple[RootCause, ...]
    values: tuple[str, ...]

    def __str__(self) -> str:
        lines = [self.head, *(f"  {cause}" for cause in self.causes)]
        return "\n".join([*lines, *(f"  value  {line}" for line in self.values)])

    def __repr__(self) -> str:
        head, *lines = str(self).splitlines()
        return lines_of(head, lines)

    @property
    def head(self) -> str:
        """The outcome in one sentence."""
        one, other = self.first["label"], self.second["label"]
        calls = one if one == other else f"{one} and {other}"
        results = "the same result" if self.is_equal else "different results"
        if not self.causes:
            return f"{calls}: {results}, and nothing that counts differs"
        return f"{calls}: {results}, {humanize.count(len(self.causes), 'cause')}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "first": self.first,
            "second": self.second,
            "equal": self.is_equal,
            "causes": [cause.as_dict() for cause in self.causes],
            "values": list(self.values),
        }


def cache_tree_diff(
    call: str,
    *,
    other_call: str | None = None,
    runs: Sequence[int | str] | None = None,
    other_dir: str | os.PathLike[str] | None = None,
    values: bool = False,
) -> Difference:
    """Why one run of a call gave another result than another one: the root causes down the tree of calls.

    By default the newest two stored runs are compared. Nothing runs, and nothing is changed.

    Parameters
    ----------
    call : str
        Its id, the first digits of its digest, or the name of a function that has one call in the graph.
    other_call : str, optional
        Compare with this call of the same function.
    runs : sequence of two int or str, optional
        Which runs: 1 is the newest, 2 the one before; or the first digits of a run, as `Difference` gives it.
        Default: 2 and 1; of two calls or caches 1 and 1.
    other_dir : str or os.PathLike, optional
        Compare with the same call in this cache directory.
    values : bool, default False
        Load both values, with the same checks as a hit has, and say how they differ.

    Returns
    -------
    Difference
        The two runs, what tells them apart, and how the values differ.

    Raises
    ------
    UsageValueError
        If there is no such call, or only one run of it; the message says what there is.

    See Also
    --------
    cache_tree_stale : What differs from now.

    Examples
    --------
    >>> from cachepy import cache_file, cache_tree_diff
    >>> LEAST = 1
    >>> @cache_file("cache")
    ... def kept(numbers):
    ...     return [n for n in numbers if n > LEAST]
    >>> kept([1, 2])
    [2]
    >>> LEAST = 2
    >>> kept([1, 2])
    []
    >>> print(cache_tree_diff("kept").causes[0].text.partition("LEAST ")[2])
    changed from 1 to 2
    """
    session = current_session()
    one = _found(session, "call", call)
    other = one if other_call is None else _found(session, "other_call", other_call)
    place = None if other_dir is None else os.path.abspath(path_text("other_dir", other_dir))
    return Comparison(session, one, other, other_dir=place).difference(runs, values=values)


def _found(session: State, name: str, text: object) -> str:
    """The one call that a name means."""
    from cachepy.graph.graph import Unpacked

    if not isinstance(text, str):
        raise UsageError(f"{name} must be the id of a call, or the name of a function, not {text!r}")
    events = Unpacked(graph_now(session).rows())
    found = calls_named(events, text)
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(f"{call} ({events[call].title})" for call in found[:5])
        raise UsageValueError(f"{name}={text!r} has {len(found):,} calls; name one of them: {shown}")
    known = sorted({event.fname for event in events.values()})
    near = get_close_matches(text, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "give an id or a function's name"
    there = "" if known else "; the graph is empty, cache_tree_sync() reads one"
    raise UsageValueError(f"{name}={text!r} is no call of this graph: {hint}{there}")


class Comparison:
    """Two calls, or one in two caches, of which runs are compared; near: a reason in the words of where it is read."""

    def __init__(
        self, session: State, one: str, other: str, *, other_dir: str | None = None, near: Callable[[Reason], str] = str
    ) -> None:
        self._session, self._near = session, near
        self._calls = one, other
        self._is_one = one == other and other_dir is None
        homes = [self._home(call) for call in self._calls]
        if other_dir is not None:
            homes[1] = other_dir
        self._homes = homes
        others = [store.root for store in session.stores]
        self._sides = [StoredRuns(session.stores, [home, *(others if home != other_dir else ())]) for home in homes]

    def _home(self, call: str) -> str:
        event = self._session.graph.event(call)
        return "" if event is None else event.root

    def difference(self, chosen: Sequence[int | str] | None = None, *, values: bool = False) -> Difference:
        """What tells the two apart; UsageValueError if there are not two."""
        runs = self._chosen(chosen)
        old, new = runs[0][1].event, runs[1][1].event
        if (old.module, old.qualname) != (new.module, new.qualname):
            raise UsageValueError(f"{old.title} and {new.title} are calls of two functions: nothing can be compared")
        causes = RunDiff(self._sides[0], self._sides[1], self._giver, self._near).causes(old, new)
        is_equal = old.trace.effect == new.trace.effect
        told = self._values([run for _, run in runs], is_equal=is_equal) if values else ()
        first, second = (self._about(*each) for each in runs)
        return Difference(first, second, is_equal, tuple(causes), told)

    def _giver(self, call: str) -> dict[str, str]:
        graph = self._session.graph
        event = graph.event(call)
        return {} if event is None else {**graph.sources_of(call), **graph.inputs_of(event)}

    # -- which runs

    def _known(self, side: int) -> list[Run]:
        """All runs of one of the two; EntryError if its own entry may not be read."""
        call, home = self._calls[side], self._homes[side]
        try:
            list(read_runs(self._session.store(home), call))
        except EntryError as error:
            raise UsageValueError(f"{error}; its runs cannot be compared") from error
        found = self._sides[side].of(call)
        return found if len(found) > 1 or (not self._is_one and found) else self._sides[side].all_of(call)

    def _chosen(self, chosen: Sequence[int | str] | None) -> list[tuple[int, Run]]:
        if chosen is not None and (isinstance(chosen, str) or len(chosen) != 2):
            raise UsageError(f"runs must be two runs, such as (2, 1), not {chosen!r}")
        known = [self._known(0), self._known(1)]
        for side, runs in enumerate(known):
            if not runs:
                title = self._calls[side].rpartition(":")[0]
                raise UsageValueError(f"no run of {title} is stored in {self._homes[side]}; run it there first")
        if chosen is None and self._is_one and len(known[0]) == 1:
            raise UsageValueError(self._only_one(known[0][0].event))
        wanted = chosen if chosen is not None else (2, 1) if self._is_one else (1, 1)
        return [_run_of(runs, which) for runs, which in zip(known, wanted, strict=True)]

    def _only_one(self, event: Event) -> str:
        return (
            f"only one run of {event.title} is known, of {_moment(event.created)}. When it runs again because of a "
            f"change, the run before stays stored beside it. Or compare it with another call of {event.fname}, or "
            f"with another cache directory"
        )

    def _about(self, number: int, run: Run) -> dict[str, Any]:
        event = run.event
        return {
            "id": event.id, "label": event.title, "run": event.run, "number": number, "created": event.created,
            "elapsed": event.elapsed, "result": event.trace.result, "path": run.path or None, "cache_dir": event.root,
        }  # fmt: skip

    # -- values

    def _values(self, runs: list[Run], *, is_equal: bool) -> tuple[str, ...]:
        from cachepy.staleness.value_diff import differences

        gone = [which for which, run in zip(("first", "second"), runs, strict=True) if not run.path]
        if gone:
            return (f"the value of the {' and the '.join(gone)} run is no longer stored",)
        if is_equal:
            return ("equal",)
        try:
            return differences(*(self._loaded(run) for run in runs))
        except EntryError as error:
            return (f"not loaded: {error}",)
        except Exception as error:  # a pickle runs code of anybody whom the user trusts
            return (f"cannot be loaded: {type(error).__name__}: {error}",)

    def _loaded(self, run: Run) -> Any:
        """A value, with the checks that a hit has: whose file it is, its signature, its checksums."""
        from cachepy.store.changed_arguments import alone
        from cachepy.store.entryfile import EntryFile
        from cachepy.store.meta import rows_of
        from cachepy.store.value_files import settled

        trust = self._session.store(run.event.root).trust
        opened = EntryFile(run.path, trust)
        if rows_of(run.path, opened)[0][0].run != run.event.run:
            raise EntryError(f"{run.path} was replaced meanwhile")
        return alone(settled(run.event.root, run.event, opened.value(), trust))


def _run_of(runs: list[Run], which: object) -> tuple[int, Run]:
    """A run by its number, or by its first digits."""
    if isinstance(which, int) and not isinstance(which, bool):
        if 1 <= which <= len(runs):
            return which, runs[which - 1]
    elif isinstance(which, str) and len(which) >= _FEWEST_DIGITS:
        found = [(at, run) for at, run in enumerate(runs, 1) if run.event.run.startswith(which)]
        if len(found) == 1:
            return found[0]
    there = ", ".join(f"{at} ({_moment(run.event.created)})" for at, run in enumerate(runs[:8], 1))
    raise UsageValueError(f"there is no run {which!r} of {runs[0].event.title}; there are {there}")


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(seconds))
