"""Compares what workers ran with what is here: code, versions of packages, declared environment variables.

The trace of a call says truthfully what ran, wherever that was, so nothing false is stored; but the value that comes
back is one of other code, and the client is told.  Only functions that both sides import are compared: what is sent
by value is compared where it arrives (see `worker`).
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from typing import TYPE_CHECKING, Any

from cachepy.calls.carried_code import Loaded
from cachepy.core.kinds import CODES, KINDS, OF_PROCESS
from cachepy.core.model import CODE, Dep
from cachepy.errors import CacheWarning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cachepy.calls.state import State
    from cachepy.core.model import Event

logger = logging.getLogger("cachepy.dask")

Fact = tuple[str, str, str | None, str]  # kind, name, digest as of a dep; the function

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
_PATIENCE = 1.0  # s that a result waits for its comparison
_SLOW = 0.02  # s; results do not wait for a comparison that takes longer
_MOST_SENT = 10_000  # digests of functions that were sent off
_MOST = 100_000  # trees of calls whose facts are remembered


class OtherCodeWarning(CacheWarning):
    """Workers have other code than the client (or other packages, or another Python): a result is one of that code.

    It is told on the client, once for each function, and names the function and a worker. The result was returned. It
    is no hit here: the trace that is stored with it says which code ran; or it was not stored, if the text says so.
    Restart the workers (``client.restart()``), or bring the module to them (``client.upload_file``), and run it again.

    Examples
    --------
    To have them in a list, and decide what to do:

    >>> import warnings
    >>> from dask_plugin import OtherCodeWarning
    >>> with warnings.catch_warnings(record=True) as said:
    ...     warnings.simplefilter("always", OtherCodeWarning)
    >>> [str(warning.message) for warning in said if warning.category is OtherCodeWarning]
    []
    """


def way_out(text: str) -> str:
    """A difference as a sentence with what can be done about it."""
    return f"{text}. Restart the workers (client.restart()), or bring the code to them (client.upload_file)"


def other_code(worker: str, identity: str, *, is_stored: bool) -> str:
    """What is said of a function that was sent with its digest."""
    which = "or of what it reaches" if is_stored else "or of a helper"
    text = f"{worker} has different code of {identity} ({which}) than the client"
    return way_out(text if is_stored else f"{text}, so the result was not stored")


class Here(Loaded):
    """What this process has loaded, to be compared with what a worker says."""

    def loaded(self, identity: str) -> str | None:
        obj = self.named(identity)
        return None if obj is None else self.session.reader.reach(obj).digest

    def changes(self, identity: str, digest: str | None, function: str) -> str:
        for call in self.session.functions.live_calls(function):
            call.store(self.session)  # there the pieces of its code lie
        reasons = Loaded(self.session).code_reasons(Dep(CODE, identity, digest))
        said = [str(reason) for reason in reasons if reason.cue != "unknown"]
        return f" ({'; '.join(said[:3])})" if said else ""

    def declares(self, function: str, name: str) -> bool:
        declared = [dict(getattr(each, "declared", ())) for each in Loaded(self.session).found(function)]
        return any(repr(name) in each.get("env_vars", "") for each in declared)


class Differences:
    """What one client knows of the code of its cluster."""

    def __init__(self, session: State) -> None:
        self.session = session
        self._below: dict[tuple[str, str], frozenset[Fact]] = {}
        self._sets: dict[frozenset[Fact], frozenset[Fact]] = {}
        self._waiting: dict[Fact, set[str]] = {}
        self._task: asyncio.Task[None] | None = None
        self._took = 0.0
        self._sent: set[tuple[str, str]] = set()

    # -- what there is to compare

    def facts_of(self, event: Event) -> frozenset[Fact]:
        """What the trace of a run says of code, packages and environment."""
        own = f"{event.module}:{event.qualname}"
        found = frozenset((d.kind, d.name, d.digest, own) for d in event.trace.deps if d.kind in OF_PROCESS)
        return self._sets.setdefault(found, found)

    def facts_below(self, call: str) -> frozenset[Fact]:
        """The same of a hit: all calls below it were relied on."""
        graph, memo = self.session.graph, self._below
        todo, seen = [call], {call}
        found: frozenset[Fact] = frozenset()
        while todo:
            event = graph.event(todo.pop())
            if event is None:
                continue
            known = memo.get((event.id, event.run))
            if known is not None:
                found |= known
                continue
            found |= self.facts_of(event)
            below = [c.name for c in event.trace.calls if c.name not in seen]
            seen.update(below)
            todo += below
        run = graph.run_of(call)
        if run is not None:
            if len(memo) >= _MOST:
                memo.clear()
                self._sets.clear()
            memo[call, run] = found = self._sets.setdefault(found, found)
        return found

    # -- comparing

    async def compare(self, facts: Iterable[Fact], worker: str, python: str) -> None:
        """Compare, on the client's loop; in a thread if code has to be walked, which may import what a body imports."""
        if python != MINOR:
            self._other_python(worker, python)
            return
        for fact in facts:
            # in one step: the thread may take a fact away in between, and would not know whose it is
            self._waiting[fact] = self._waiting.get(fact, set()) | {worker}
        if self._took < _SLOW and all(map(self._is_at_hand, list(self._waiting))):
            self._work()
        elif self._waiting:
            await self._in_thread()

    async def _in_thread(self) -> None:
        """Wait for it, but not for ever: the main thread may hold an import that this one needs, and wait for us."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(asyncio.to_thread(self._work))
        if self._took < _SLOW:
            await asyncio.wait({self._task}, timeout=_PATIENCE)

    def _is_at_hand(self, fact: Fact) -> bool:
        """Whether comparing walks no code."""
        obj = Loaded(self.session).named(fact[1]) if fact[0] in CODES else None
        return obj is None or self.session.reader.remembered(obj) is not None

    def _work(self) -> None:
        began, here = time.perf_counter(), Here(self.session)
        while self._waiting:
            fact, workers = self._waiting.popitem()  # the loop may add meanwhile
            try:
                self._compare(here, fact, workers)
            except Exception:  # code that changes while it is walked
                logger.info("%s could not be compared with what workers ran", fact[1], exc_info=True)
        self._took = time.perf_counter() - began

    def _compare(self, here: Here, fact: Fact, workers: set[str]) -> None:
        kind, name, digest, function = fact
        found = KINDS[kind].apart(Dep(kind, name, digest), function, here)
        if found is not None:
            text, once = found
            self.tell(f"{_who(workers)} {text}", *once)

    def _other_python(self, worker: str, python: str) -> None:
        text = f"the worker {worker} runs Python {python}, and this client {MINOR}"
        self.tell(f"{text}, so neither can use the results of the other, and their code cannot be compared", python)

    def arrived(self, record: tuple[Any, ...], worker: str) -> None:
        """A worker says that what was sent to it is another thing there."""
        _, identity, expected, is_stored = record
        if not self._is_ours(identity, expected):
            return
        self.warn(other_code(_who({worker}), identity, is_stored=is_stored), "sent", identity, expected)

    def departed(self, identity: str, digest: str) -> None:
        """A function is sent off by value: a worker may tell that its code is another there."""
        if len(self._sent) >= _MOST_SENT:
            self._sent.clear()
        self._sent.add((identity, digest))

    def _is_ours(self, identity: str, digest: str) -> bool:
        """Whether it was this client that sent code with a digest: all clients hear of it."""
        if (identity, digest) in self._sent:
            return True
        reader = self.session.reader
        return any(reader.reach(each).digest == digest for each in Loaded(self.session).found(identity))

    def tell(self, text: str, *once: object) -> None:
        self.warn(way_out(text), *once)

    def warn(self, text: str, *once: object) -> None:
        try:
            self.session.warn(OtherCodeWarning, text, *once)
        except OtherCodeWarning:  # made an error by a filter; here it could stop nobody but the messages of the cluster
            print(f"OtherCodeWarning: {text}", file=sys.stderr)  # noqa: T201 - as `warnings` does


def _who(workers: set[str]) -> str:
    named = sorted(filter(None, workers))
    return f"the worker {', '.join(named)}" if named else "a worker"
