"""The worker's part: ships what its cached calls record, ahead of the task's own result.

Task threads put records into a queue; the worker's loop empties it into the stream to the scheduler
when a task changes its state, which is before the message that the task has finished.  What is only
counted is added up meanwhile.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import local
from typing import TYPE_CHECKING, Any, cast

from distributed import Status, Worker, get_worker, secede
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.metrics import context_meter
from tornado.ioloop import PeriodicCallback

from cachepy.calls.program import program
from cachepy.calls.state import State, current_session
from cachepy.calls.taken import taken
from cachepy.core.current import NOBODY, caller, enter
from cachepy.core.frame import Frame
from cachepy.core.hooks import Plugin, chain
from cachepy.core.kinds import VALUE_FILES
from cachepy.core.model import Dep, Event
from cachepy.core.revision import Revision
from cachepy.graph.recorder import GraphRecorder
from dask_plugin.differences import MINOR, OtherCodeWarning, other_code
from dask_plugin.handing import handed_to, is_of_dask
from dask_plugin.mail import mail_of
from dask_plugin.metrics import exposition
from dask_plugin.now import LongCalls, error_text, short_text, summed
from dask_plugin.records import OP, Record, batches, event_record, hit_record, other_record, task_record, told_record
from dask_plugin.routes import Routes, metrics_route
from dask_plugin.tally import Tally, function_name

if TYPE_CHECKING:
    from cachepy.calls.taken import Handed
    from cachepy.core.frame import Caller
    from cachepy.core.ports import Function
    from cachepy.core.ports import Handed as Port

NAME = "cachepy-worker"
logger = logging.getLogger("cachepy.dask")
_OVER = Revision(is_over=True)
_STRAGGLERS = 200  # ms; for records of threads that a task left behind
_MOST_FAILURES = 1000  # kept between two messages
_RUNS = "executing", "long-running"
_MOST_WAITING = 10_000  # records, for a scheduler that may take them one day


class Shipper:
    """The queue of one worker.

    is_taken: whether the scheduler is known to take records. One that does not know them would close the stream, and
    lose the worker; so they wait until the scheduler sends a part of its own, the newest of them.
    """

    def __init__(self, worker: Worker, *, is_taken: bool) -> None:
        self.worker = worker
        self.is_taken = is_taken
        self.total = Tally()  # since it began, for this worker's own metrics
        self._queue: deque[tuple[Record, Any, bool]] = deque()
        self._counts: deque[tuple[str, str, dict[str, float]]] = deque()
        self._failures: deque[tuple[str, str, float]] = deque(maxlen=_MOST_FAILURES)
        self._long = LongCalls()
        self._tally = Tally()

    def put(self, record: Record, task: Any = None, *, is_made: bool = False) -> None:
        """From any thread; task: of which it is, or None; is_made: whether it is of a call made here just now."""
        self._queue.append((record, task, is_made))

    def count(self, module: str, qualname: str, amounts: dict[str, float]) -> None:
        """From any thread; it is added up on the worker's loop."""
        self._counts.append((module, qualname, amounts))

    def failed(self, function: str, text: str) -> None:
        """From any thread; the same error again is counted."""
        self._failures.append((function, text, time.time()))

    def tell_running(self, running: Iterable[tuple[str, str]], *, is_alone: bool) -> None:
        """On the worker's loop: which calls have run for some time by now."""
        calls = self._long.look(running, time.time())
        if calls is not None:
            self._queue.append((("running", calls, is_alone), None, False))

    def flush(self) -> None:
        """On the worker's loop: hand everything to the stream."""
        if not self._queue and not self._counts and not self._failures:
            return
        if not self.is_taken:
            self._wait()
            return
        queued = [self._queue.popleft() for _ in range(len(self._queue))]
        records, tasks = [each[0] for each in queued], [each[1] for each in queued]
        made = [i for i, each in enumerate(queued) if each[2]]
        self._add_up()
        records += [("count", function, amounts) for function, amounts in self._tally.take()]
        failures = [self._failures.popleft() for _ in range(len(self._failures))]
        records += [("failed", *failure) for failure in summed(failures)]
        sent = 0
        for batch in batches(records):
            end = sent + len(batch)
            its = {"tasks": tasks[sent:end], "made": [i - sent for i in made if sent <= i < end], "python": MINOR}
            self.worker.batched_send({"op": OP, "records": batch, **its})
            sent = end

    def _add_up(self) -> None:
        while self._counts:
            module, qualname, amounts = self._counts.popleft()
            function = function_name(module, qualname)
            self._tally.add(function, amounts)
            self.total.add(function, amounts)

    def _wait(self) -> None:
        """Nobody takes it yet: what waits has a bound."""
        self._add_up()
        while len(self._queue) > _MOST_WAITING:
            self._queue.popleft()

    def follow(self, other: Shipper) -> None:
        """Take over what waits in the queue of the part that was here before."""
        other._add_up()
        self._queue.extendleft(reversed(other._queue))
        self._failures.extendleft(reversed(other._failures))
        self._tally, self.total = other._tally, other.total


class ClusterRecorder(GraphRecorder):
    """Records as in a serial run, and ships; one for all workers of a process."""

    session: State

    def __init__(self, session: State) -> None:
        super().__init__(session)
        self.shippers: dict[str, Shipper] = {}
        self.waiting: dict[str, Shipper] = {}  # of parts that are about to be replaced by the scheduler's own
        self._thread = local()  # `folds`: what looks like a hit is none, see `fold_below`; `run` that ends just now
        self._handed: dict[Any, Handed] = {}  # by tasks that run

    @property
    def revision(self) -> Revision:
        """Over at once: the clients are told of each hit."""
        return _OVER

    def apply(self, event: Event) -> None:
        """New to this process: of interest to all."""
        super().apply(event)
        self.ship(event_record(event), is_made=getattr(self._thread, "run", "") == event.run)

    def record(self, event: Event) -> None:
        self._thread.run = event.run
        try:
            super().record(event)
        finally:
            self._thread.run = ""
        self._ship_task(event)
        took, size = event.elapsed, _size_of(event)
        self._count(event, {"runs": 1, "run_seconds": took, "bytes": size, "last": event.created})

    def fold_below(self, event: Event, *, anew: bool) -> None:
        """Calls below that ran in other processes are told of as if they were hits here, but nobody asked for them."""
        self._thread.folds = True
        try:
            super().fold_below(event, anew=anew)
        finally:
            self._thread.folds = False

    def hit(self, event: Event, chosen: dict[str, Event], several: set[str]) -> None:
        """The clients may not know of it, even if this process does."""
        super().hit(event, chosen, several)
        self._renew(event)
        is_made = not getattr(self._thread, "folds", False)
        self.ship(hit_record(event), is_made=is_made)
        self._ship_task(event)
        if is_made:
            self._count(event, {"hits": 1, "saved_seconds": event.elapsed})

    def raised(self, function: str, error: BaseException) -> None:
        """A body ended with an error; an interrupt or a cancelled coroutine is no failure of the function."""
        shipper = self.here() if isinstance(error, Exception) else None
        if shipper is not None:
            module, _, qualname = function.partition(":")
            shipper.count(module, qualname, {"failures": 1})
            shipper.failed(function_name(module, qualname), error_text(error))

    def runs_again(self, function: str, call: str, cause: str) -> None:
        """A body is about to run although results of the call are stored."""
        module, _, qualname = function.partition(":")
        self.ship(("again", call, function_name(module, qualname), short_text(cause), time.time()))

    def metered(self, function: str, seconds: dict[str, float]) -> None:
        """Where the time of a call went. For Dask's metrics, those of calls below another one count with that."""
        shipper = self.here()
        if shipper is not None:
            module, _, qualname = function.partition(":")
            shipper.count(module, qualname, {f"{step}_seconds": n for step, n in seconds.items()})
        below: dict[str, float] = vars(self._thread).setdefault("below", {})
        for step, n in seconds.items():
            below[step] = below.get(step, 0.0) + n
        if not isinstance(caller(), Frame):
            del self._thread.below
            with suppress(Exception):  # code of others, on the way of a result
                for step, n in below.items():
                    context_meter.digest_metric(f"cachepy-{step}", n, "seconds")

    def waited(self, function: str, seconds: float) -> None:
        """A call waited for somebody else who ran it."""
        shipper = self.here()
        if shipper is not None:
            module, _, qualname = function.partition(":")
            shipper.count(module, qualname, {"waits": 1, "wait_seconds": seconds})

    def arrived(self, call: Any, expected: str) -> None:
        """A function came by value: is all that it reaches here what it was where it was sent?"""
        if self.session.reader.reach(call.target).digest != expected:
            tell_other_code(call.target.identity, expected, listens=True, is_stored=True)

    def _count(self, event: Event, amounts: dict[str, float]) -> None:
        shipper = self.here()
        if shipper is not None:
            shipper.count(event.module, event.qualname, amounts)

    def _ship_task(self, event: Event) -> None:
        """A call that no other call of this process made is what its task is for."""
        if isinstance(caller(), Frame):
            return
        task = _current_task()
        if task is None:
            return
        hands_on = is_of_dask(task)
        self.ship(task_record(task.key, event, hands_on=hands_on))
        if hands_on:
            self._handed_to(task).add(event.id, event.trace.result)

    def _renew(self, event: Event) -> None:
        """A hit although tasks in between were given something else: then it goes by that now."""
        handed = None if isinstance(caller(), Frame) else taken(self.session.hooks)
        shown = self.session.nodes.event_of(event.id) or event
        args = None if handed is None else handed.renewed(shown.args)
        if args is not None:
            again = shown.replace(args=args, seen=time.time())
            self._append(again)
            self.apply(again)

    def handed(self) -> Handed | None:
        """What the task takes that runs here."""
        task = _current_task()
        return None if task is None else self._handed_to(task)

    def _handed_to(self, task: Any) -> Handed:
        known = self._handed.get(task.key)
        if known is None:
            known = self._handed.setdefault(task.key, handed_to(task))
        return known

    def left(self, key: Any) -> None:
        """A task runs no more."""
        self._handed.pop(key, None)

    def ship(self, record: Record, *, is_made: bool = False) -> None:
        shipper = self.here()
        if shipper is not None:
            shipper.put(record, _key_here(shipper.worker), is_made=is_made)

    def here(self) -> Shipper | None:
        """The queue of the worker whose task this is; of any, for a thread that is of none."""
        if len(self.shippers) > 1:
            try:
                return self.shippers.get(get_worker().id)
            except ValueError:
                pass
        return next(iter(self.shippers.values()), None)


def _own() -> tuple[Worker, Any] | None:
    """The worker and the key of the task that run in this thread; None in one that is of none."""
    try:
        worker = get_worker()
        return worker, worker.get_current_task()
    except (ValueError, AttributeError, KeyError):
        return None


def _current_task() -> Any:
    """The task that runs here, as its worker knows it; None in a thread that is of none."""
    own = _own()
    return None if own is None else own[0].state.tasks.get(own[1])


def _key_here(worker: Worker) -> Any:
    """The key of the task that this thread works for: also one that a cached call of it began."""
    own = _own()
    if own is not None:
        return own[1]
    frame = caller()
    while isinstance(frame, Frame):
        if frame.thread in worker.active_threads:
            return worker.active_threads[frame.thread]
        frame = frame.parent
    return None


class ClusterFrame:
    """A caller that runs on another worker or on a client: it asks the scheduler for its mail."""

    __slots__ = ("_sink", "mailbox", "run")

    def __init__(self, run: str, mailbox: str, recorder: ClusterRecorder) -> None:
        self.run = run
        self.mailbox = mailbox
        self._sink = recorder

    def add(self, dep: Dep) -> None:
        self._sink.ship(told_record(self.run, dep))

    def is_open(self) -> bool:
        return True


class WorkerHooks(Plugin):
    """What the session of a worker does for the cluster; one for all workers of a process."""

    def __init__(self, recorder: ClusterRecorder) -> None:
        self.recorder: ClusterRecorder = recorder
        self.meter = recorder.metered

    def on_wait(self) -> None:
        """A task that waits for another one's call must not keep its slot from it."""
        super().on_wait()
        with suppress(ValueError, AttributeError, KeyError, AssertionError):  # in no task's thread, or seceded already
            secede()

    def on_waited(self, function: str, seconds: float) -> None:
        super().on_waited(function, seconds)
        self.recorder.waited(function, seconds)

    def on_again(self, function: str, call: str, cause: str) -> None:
        super().on_again(function, call, cause)
        self.recorder.runs_again(function, call, cause)

    def on_failure(self, function: str, error: BaseException) -> None:
        super().on_failure(function, error)
        self.recorder.raised(function, error)

    def on_arrival(self, call: Function, digest: str) -> None:
        super().on_arrival(call, digest)
        self.recorder.arrived(call, digest)

    def deps_from_elsewhere(self, frame: Frame) -> Iterable[Dep]:
        """What other workers told a caller that ran here; they left it before their results."""
        yield from super().deps_from_elsewhere(frame)
        try:
            worker = get_worker()
        except ValueError:
            return
        yield from (Dep(*row) for row in mail_of(frame.run, worker))

    def handed(self) -> Port | None:
        return self.recorder.handed() or super().handed()

    def remote_frame(self, run: str, mailbox: str) -> Caller | None:
        return None if run.startswith("outbox-") else ClusterFrame(run, mailbox, self.recorder)

    def is_heard(self) -> bool:
        return True


class WorkerPart(WorkerPlugin):
    """Turns a worker's session into one that ships; undone when the worker closes.

    is_taken: whether it came from a scheduler that takes what it ships; pickled it is on the way from there.
    """

    name = NAME
    idempotent = True
    is_taken = False

    def __getstate__(self) -> dict[str, Any]:
        return {"is_taken": True}

    def setup(self, worker: Worker) -> None:
        self.worker = worker
        program.is_silent = program.is_silent or program.is_child()
        self.shipper = Shipper(worker, is_taken=self.is_taken)
        self.recorder = install(current_session())
        before = self.recorder.waiting.pop(worker.id, None)
        if before is not None:
            self.shipper.follow(before)
        self.recorder.shippers[worker.id] = self.shipper
        self.ticker = PeriodicCallback(self._tick, _STRAGGLERS)
        worker.periodic_callbacks[NAME] = self.ticker
        self.ticker.start()
        self._open_metrics()

    def _open_metrics(self) -> None:
        """On the worker's own `/metrics`; calls are cached also where that cannot be."""
        self.routes: Routes | None = None
        try:
            self.routes = Routes(self.worker, [metrics_route(self.worker, lambda: exposition(self.shipper.total))])
        except Exception:
            logger.exception("the metrics of cachepy could not be added to those of the worker")

    def _tick(self) -> None:
        """Of several workers in one process, which share its calls, one tells what runs."""
        shippers = self.recorder.shippers
        if next(iter(shippers.values()), None) is self.shipper:
            running = [(call, frame.run) for call, frame in list(self.recorder.session.owners.items())]
            self.shipper.tell_running(running, is_alone=len(shippers) == 1)
        self.shipper.flush()

    def teardown(self, worker: Worker) -> None:
        self.shipper.flush()
        self.ticker.stop()
        if self.routes is not None:
            self.routes.close()
        self.recorder.shippers.pop(worker.id, None)
        if not self.shipper.is_taken and worker.status == Status.running:
            self.recorder.waiting[worker.id] = self.shipper
        elif not self.recorder.shippers:
            uninstall(self.recorder)

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        """Before the state's messages leave; a task that begins does not inherit another one's caller.

        ``secede`` schedules the next task from the thread, and so with the context, of the current one.
        """
        if finish == "memory" and start in _RUNS:
            self._look_elsewhere(key)
        self.shipper.flush()
        if start in _RUNS and finish not in _RUNS:
            self.recorder.left(key)
        if finish == "executing":
            enter(NOBODY)

    def _look_elsewhere(self, key: Any) -> None:
        """A task that an executor ran in a process of its own told nobody here: its call is a hit by now."""
        task = self.worker.state.tasks.get(key)
        executor = self.worker.executors.get(((task and task.annotations) or {}).get("executor", ""))
        if task is None or not isinstance(executor, ProcessPoolExecutor):
            return
        from dask_plugin.pruning import look_up  # which needs `wrapper`, and that this

        look_up(task.run_spec, self.worker.data)


def install(session: State) -> ClusterRecorder:
    """Make a session ship what it records."""
    if not isinstance(session.recorder, ClusterRecorder):
        session.plug(WorkerHooks(ClusterRecorder(session)))
        session.stores.waits = True  # the task's result may be asked for on another machine as soon as it is told
    return cast("ClusterRecorder", session.recorder)


def uninstall(recorder: ClusterRecorder) -> None:
    """Back to a session that keeps to itself."""
    for each in list(chain(recorder.session.hooks)):
        if isinstance(each, WorkerHooks) and each.recorder is recorder:
            recorder.session.unplug(each)


def tell_other_code(identity: str, expected: str, *, listens: bool, is_stored: bool) -> None:
    """Tell the client, once, that this worker has other code of a function."""
    session = current_session()
    if not session.is_first(OtherCodeWarning, identity, expected):
        return
    if listens and isinstance(session.recorder, ClusterRecorder):
        session.recorder.ship(other_record(identity, expected, is_stored=is_stored))
        return
    from distributed import warn

    warn(other_code("this worker", identity, is_stored=is_stored), OtherCodeWarning)


def _leave_cluster() -> None:
    """In a forked child: nobody empties the worker's queue there, so it tells as in a serial run."""
    recorder = current_session().recorder
    if isinstance(recorder, ClusterRecorder):
        uninstall(recorder)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_cluster)


def _size_of(event: Event) -> int:
    """The bytes on disk of what a run stored."""
    try:
        beside = next((dep.name for dep in event.trace.deps if dep.kind in VALUE_FILES), event.outfile)
        return Path(event.root, beside).stat().st_size if beside else 0
    except OSError:  # pruned meanwhile
        return 0
