"""The scheduler's part: keeps the cluster's graph and passes records on to the clients.

`Ledger` holds one record a node, numbered, so that a client which missed something can ask for all
since a number; it outlives clients.  `SchedulerPart` connects it to the streams.  Records are whole
calls, so a worker that dies leaves nothing half-made.
"""

from __future__ import annotations

import logging
import os
import time
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any

from distributed import Scheduler
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.protocol.pickle import dumps

from dask_plugin.askers import Addressed, Askers, Audience, by_audience, is_for, is_for_all, united
from dask_plugin.dashboard import Dashboard
from dask_plugin.handing import hand_on
from dask_plugin.mail import PLUGIN
from dask_plugin.now import MOST_RUNNING, Now, work_behind, work_of
from dask_plugin.private import publish_ahead
from dask_plugin.records import OP, TOPIC, Record, batches, event_of, is_record
from dask_plugin.settings import most_events
from dask_plugin.tally import Tally
from dask_plugin.telling import Teller, reported
from dask_plugin.worker import WorkerPart

logger = logging.getLogger("cachepy.dask")
_HITS = 100_000  # remembered, for clients that ask what they missed
HAS_IT = "__import__('importlib.util').util.find_spec('dask_plugin') is not None"  # where nothing of ours may be
_UNPACK = f"__import__('pickle').loads(data) if {HAS_IT} else __import__('distributed').WorkerPlugin()"
_CALLERS = 10_000  # callers whose mail is kept; one that never asks was killed


class Ledger:
    """The newest record of each node, in the order of arrival; what was hit; which calls tasks were for.

    name: numbers of another ledger, as of a scheduler that was restarted, mean nothing in this one; most: events that
    are kept, by default as ``cachepy.ledger`` of `dask.config` says; what is older is in the cache directories.
    """

    def __init__(self, most: int | None = None) -> None:
        self.most = most_events() if most is None else most
        self._older: dict[str, int] = {}  # cache directories of events that were let go -> the last number of these
        self.name = os.urandom(8).hex()
        self.seq = 0
        self.tally = Tally()
        self.now = Now()
        self._hits: deque[tuple[int, str, str, Audience]] = deque(maxlen=_HITS)
        self._tasks: dict[Any, dict[str, tuple[str, str, bool]]] = {}
        self._rows: OrderedDict[str, tuple[int, Record, Audience]] = OrderedDict()
        self._mail: OrderedDict[str, list[Record]] = OrderedDict()

    def add(self, record: Record, worker: str = "", audience: Audience = None) -> bool:
        """Take a record; whether clients have to hear of it. A repeated run counts once."""
        kind = record[0]
        if kind == "running":
            self.now.runs(worker, record[1], is_alone=record[2])
            return False
        if kind == "failed":
            self.now.failed(worker, *record[1:])
            return False
        if kind == "again":
            self.now.ran_again(worker, *record[2:])
            return False
        if kind == "told":
            self._mail.setdefault(record[1], []).append(record[2:])
            while len(self._mail) > _CALLERS:
                self._mail.popitem(last=False)
            return False
        if kind == "other":
            self.seq += 1
            return True
        if kind == "count":
            self.tally.add(record[1], record[2])
            return False
        if kind == "of":
            self._tasks.setdefault(record[1], {})[record[2]] = record[3:]
            return False
        if kind == "event":
            known = self._rows.get(record[1])
            if known is not None:
                is_older = list(known[1][3]) >= list(record[3])
                if is_older and is_for_all(audience, known[2]):
                    return False
                record, audience = known[1] if is_older else record, united(audience, known[2])
            self._rows.pop(record[1], None)
            self._rows[record[1]] = (self.seq + 1, record, audience)
            if len(self._rows) > self.most:
                self._let_go(*self._rows.popitem(last=False)[1][:2])
        else:
            self._hits.append((self.seq + 1, record[1], record[3], audience))
        self.seq += 1
        return True

    def _let_go(self, seq: int, record: Record) -> None:
        """Whoever asks for this event finds it on disk, where its value is too."""
        try:
            self._older[event_of(record[4]).root] = seq
        except ValueError:  # it was damaged: the client would have said so
            return

    def older_than(self, seq: int) -> list[str]:
        """The cache directories in which there are events newer than a number that were let go here."""
        return sorted(root for root, last in self._older.items() if last > seq)

    def calls_of(self, task: Any) -> dict[str, tuple[str, str, bool]]:
        """The calls a task was for: id -> cache directory, digest of the result, whether it is handed on as it is."""
        return self._tasks.get(task, {})

    def forget(self, task: Any) -> None:
        self._tasks.pop(task, None)

    def hits_since(self, seq: int, clients: Collection[str] | None = None) -> dict[str, str]:
        """The calls that were reused since a number: id -> cache directory; those of a program."""
        newer = takewhile(lambda hit: hit[0] > seq, reversed(self._hits))
        return {call: root for _, call, root, audience in newer if is_for(clients, audience)}

    def mail(self, run: str) -> list[Record]:
        """What was told for a caller; it asks once, when its body has ended."""
        return self._mail.pop(run, [])

    def since(self, seq: int, clients: Collection[str] | None = None) -> list[bytes]:
        """The pickles of all events newer than a number; those of a program."""
        newer = takewhile(lambda row: row[0] > seq, reversed(self._rows.values()))
        return [record[4] for _, record, audience in newer if is_for(clients, audience)][::-1]

    def subtree(self, calls: list[str]) -> list[bytes]:
        """The pickles of the given calls and of all below them, as far as they are known."""
        todo, seen, found = list(calls), set(calls), []
        while todo:
            row = self._rows.get(todo.pop())
            if row is None:
                continue
            found.append(row[1][4])
            below = [c for c in row[1][5] if c not in seen]
            seen.update(below)
            todo += below
        return found

    def payload(self, call: str) -> bytes | None:
        """The pickle of a call's newest event, if it is known."""
        row = self._rows.get(call)
        return None if row is None else row[1][4]

    def running(self) -> tuple[list[dict[str, Any]], int]:
        """The calls that have run longest, and how many more there are."""
        running = self.now.all_running()
        return [self._described(*each) for each in running[:MOST_RUNNING]], len(running[MOST_RUNNING:])

    def _described(self, since: float, call: str, worker: str) -> dict[str, Any]:
        """A call that runs; with its arguments, if it ran before."""
        name, _, key = call.rpartition(":")
        payload = self.payload(call)
        title = f"{name} #{key[:8]}" if payload is None else event_of(payload).title
        return {"label": name, "title": title, "since": since, "worker": worker}

    def __len__(self) -> int:
        return len(self._rows)


class _Sent:
    """The worker's part on its way: a worker that cannot import it gets one that does nothing, and so can join."""

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (_UNPACK, {"data": dumps(WorkerPart())})


class SchedulerPart(SchedulerPlugin):
    """Receives the workers' records and publishes them, each message numbered."""

    name = PLUGIN
    idempotent = True

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.askers = Askers()
        self._unread: set[str] = set()  # workers
        self._told: dict[str, set[Any]] = {}  # client -> tasks in memory below its own of which it was told
        self.scheduler: Scheduler | None = None
        self.dashboard: Dashboard | None = None
        self.teller: Teller | None = None

    async def start(self, scheduler: Scheduler) -> None:
        if scheduler.stream_handlers.get(OP, _ignore) is not _ignore:
            return  # two clients may connect at once: the first one's part serves both
        self.scheduler = scheduler
        self.ledger.most = most_events()
        self._open_dashboard(scheduler)
        self.teller = Teller(scheduler, self.ledger)
        self._join_report(scheduler)
        scheduler.stream_handlers[OP] = self.receive
        for question in (self.since, self.subtree, self.mail, self.progress, self.leave):
            scheduler.handlers[f"cachepy_{question.__name__}"] = question
        await scheduler.register_worker_plugin(comm=None, plugin=dumps(_Sent()), name=WorkerPart.name, idempotent=True)

    def _open_dashboard(self, scheduler: Scheduler) -> None:
        """The graph is recorded also where the page cannot be shown."""
        try:
            self.dashboard = Dashboard(scheduler, self.ledger)
        except Exception:
            logger.exception("the page /cachepy could not be added to the dashboard")

    def _join_report(self, scheduler: Scheduler) -> None:
        """Dask's performance report says what became of cached calls."""
        self._theirs = theirs = scheduler.handlers.get("performance_report")
        if theirs is None:
            return

        async def performance_report(*args: Any, code: str = "", **kwargs: Any) -> Any:
            return await theirs(*args, code=reported(code, self.ledger), **kwargs)

        scheduler.handlers["performance_report"] = performance_report

    async def close(self) -> None:
        """The scheduler closes."""
        if self.dashboard is not None:
            self.dashboard.close()
            self.dashboard = None

    async def leave(self, **_: Any) -> None:
        """Take all of cachepy off the cluster: first the workers' part, of which something may still be on its way."""
        scheduler = self.scheduler
        if scheduler is None:
            return
        with suppress(ValueError):  # somebody has taken it off
            await scheduler.unregister_worker_plugin(comm=None, name=WorkerPart.name)
        scheduler.stream_handlers[OP] = _ignore
        if self._theirs is not None:
            scheduler.handlers["performance_report"] = self._theirs
        for name in [name for name in scheduler.handlers if name.startswith("cachepy_")]:
            del scheduler.handlers[name]
        await self.close()
        scheduler.remove_plugin(self.name)
        self.scheduler = None

    def receive(
        self,
        records: list[Record],
        worker: str = "",
        tasks: Sequence[Any] = (),
        python: str = "",
        made: Sequence[int] = (),
        **_: Any,
    ) -> None:
        """From a worker's stream, before the message that its task has finished.

        An error here would close the stream, and cost the worker: what is no record is left out.
        """
        whole = [record for record in records if is_record(record)] if isinstance(records, (list, tuple)) else []
        if len(whole) < (len(records) if isinstance(records, (list, tuple)) else 1):
            self._say_unread(worker, python)
        has_tasks = bool(whole) and isinstance(tasks, (list, tuple))
        of = dict(zip(map(id, records), map(self.askers.of, tasks), strict=False)) if has_tasks else {}
        fresh = [(each, of.get(id(each))) for each in whole if self.ledger.add(each, worker, of.get(id(each)))]
        self._publish(fresh, worker, python)
        if self.teller is not None and has_tasks and len(whole) == len(records):
            self._tell(whole, tasks, made, worker)

    def _tell(self, records: Sequence[Record], tasks: Sequence[Any], made: Sequence[int], worker: str) -> None:
        """Users are told; what fails there is no reason to lose a worker's stream."""
        try:
            if self.teller is not None:
                self.teller.tell(records, tasks, made, worker)
        except Exception:
            logger.exception("an event for users could not be told")

    def _say_unread(self, worker: str, python: str) -> None:
        """To the log and to the clients, once for each worker."""
        if worker in self._unread or self.scheduler is None:
            return
        self._unread.add(worker)
        logger.warning("records of %s cannot be read: most likely it has another version of cachepy", worker)
        told = {"ledger": self.ledger.name, "worker": worker, "python": python, "is_unread": True}
        self.scheduler.log_event(TOPIC, {"first": self.ledger.seq + 1, "records": [], **told})

    def _publish(self, fresh: list[Addressed], worker: str = "", python: str = "") -> None:
        if self.scheduler is None:
            return
        first = self.ledger.seq - len(fresh) + 1
        told = {"ledger": self.ledger.name, "worker": worker, "python": python}
        for audience, records in by_audience(fresh):
            clients = None if audience is None else sorted(audience)
            for batch in batches(records):
                self.scheduler.log_event(TOPIC, {"first": first, "records": batch, "for": clients, **told})
                first += len(batch)

    def update_graph(
        self, scheduler: Scheduler, *, client: str, keys: Iterable[Any], tasks: Iterable[Any] = (), **_: Any
    ) -> None:
        """Tasks whose results are in memory do not run again: the calls behind them are hits.

        Also those that new tasks take: a client that came later knows nothing of them. These are told once to each.
        """
        self.askers.ask(scheduler, client, {*tasks, *keys})
        for task in filter(None, map(scheduler.tasks.get, tasks)):
            for below in task.dependencies:
                if below.state == "memory":
                    hand_on(below, self.ledger.calls_of(below.key), [task])
        asked = [task for task in map(scheduler.tasks.get, keys) if task is not None]
        self._publish_ahead(client, self._unheard(client, asked))

    def _unheard(self, client: str, asked: list[Any]) -> list[Addressed]:
        """Of the calls behind tasks that are in memory those that a client has not heard of."""
        told = self._told.setdefault(client, set())
        taken = [task for task in _behind(asked, is_run=False) if task.state == "memory" and task.key not in told]
        told.update(task.key for task in taken)
        found: dict[str, tuple[str, str, bool]] = {}
        for task in _behind([*taken, *(each for each in asked if each.state == "memory")], is_run=True):
            found |= self.ledger.calls_of(task.key)
        hits = [("hit", call, "", root) for call, (root, *_) in found.items()]
        audience = frozenset([client])
        return [(hit, audience) for hit in hits if self.ledger.add(hit, audience=audience)]

    def _publish_ahead(self, client: str, fresh: list[Addressed]) -> None:
        """In front of what waits to be sent: these tasks were reported a moment ago, in this very step."""
        publish_ahead(self.scheduler, client, lambda: self._publish(fresh))

    def transition(self, key: Any, start: str, finish: str, *_: Any, **__: Any) -> None:
        if finish == "memory" and self.scheduler is not None and key in self.scheduler.tasks:
            task = self.scheduler.tasks[key]
            hand_on(task, self.ledger.calls_of(key), task.dependents)
        elif finish == "forgotten":
            self.ledger.forget(key)
            self.askers.forget(key)
            for told in self._told.values():
                told.discard(key)

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """It asks nothing more."""
        self._told.pop(client, None)

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: Any) -> None:
        """What ran there runs no more."""
        self.ledger.now.gone(worker)

    async def since(self, seq: int = 0, clients: Collection[str] | None = None, **_: Any) -> dict[str, Any]:
        """All events newer than a number, and the number they reach; clients: those of their tasks only."""
        ledger = self.ledger
        for client in clients or ():
            self._look_at_shared(client)
        events, hits = ledger.since(seq, clients), ledger.hits_since(seq, clients)
        found = {"events": events, "hits": hits, "older": ledger.older_than(seq)}
        return {"ledger": self.ledger.name, "seq": self.ledger.seq, "unread": sorted(self._unread), **found}

    def _look_at_shared(self, client: str) -> None:
        """Results that a client holds and did not ask for: another one published them, and they are in memory."""
        held = None if self.scheduler is None else self.scheduler.clients.get(client)
        if held is not None:
            told = self._told.get(client, ())
            others = [task for task in held.wants_what if not is_for([client], self.askers.of(task.key))]
            self._unheard(client, [task for task in others if task.key not in told])

    async def progress(self, keys: Iterable[Any] | None = None, **_: Any) -> dict[str, Any]:
        """What is done and what goes on, as `progress` shows it; keys: tasks whose work counts, None: all there are."""
        ledger, scheduler = self.ledger, self.scheduler
        tasks = None if keys is None or scheduler is None else [*filter(None, map(scheduler.tasks.get, keys))]
        ended, to_do = work_of(scheduler) if tasks is None else work_behind(_behind(tasks, is_run=True))
        running, more = ledger.running()
        found = {"running": running, "more_running": more, "failures": ledger.now.failures(), "calls": len(ledger)}
        return {"time": time.time(), "ended": ended, "to_do": to_do, "totals": ledger.tally.totals(), **found}

    async def subtree(self, calls: list[str], **_: Any) -> list[bytes]:
        return self.ledger.subtree(calls)

    async def mail(self, run: str, **_: Any) -> list[Record]:
        return self.ledger.mail(run)


def _ignore(**_: Any) -> None:
    """Takes what workers had sent before they knew; without it, that would cost them their stream."""


def _behind(tasks: Iterable[Any], *, is_run: bool) -> Iterator[Any]:
    """Tasks and what they depend on, each once; of those that have not run (is_run: not only of these)."""
    todo = list(tasks)
    seen = set(todo)
    while todo:
        task = todo.pop()
        yield task
        if is_run or task.state != "memory":
            below = task.dependencies - seen
            seen |= below
            todo += below
