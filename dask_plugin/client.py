"""`connect`: the client's part, which folds the cluster's records into the graph in memory."""

from __future__ import annotations

import logging
import os
from asyncio import wait_for
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary

from dask import config
from distributed.client import Client, FutureCancelledError

import cachepy
from cachepy.calls.program import note, program
from cachepy.calls.state import State, current_session
from cachepy.core.hooks import Plugin, chain
from cachepy.core.kinds import EDGES
from cachepy.core.model import Dep
from cachepy.errors import UsageError
from cachepy.graph.graph import Graph
from cachepy.values.humanize import count
from dask_plugin.askers import is_for
from dask_plugin.differences import MINOR, Differences
from dask_plugin.mail import mail_of
from dask_plugin.private import clients_here, stop_listening
from dask_plugin.records import TOPIC, event_of
from dask_plugin.runner import runner_for
from dask_plugin.scheduler import HAS_IT, SchedulerPart
from dask_plugin.showing import calls_line
from dask_plugin.worker import WorkerPart

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from cachepy.core.frame import Frame
    from cachepy.core.model import Event
    from cachepy.core.ports import Runner

logger = logging.getLogger("cachepy.dask")
_PATIENCE = 2  # s for workers to say whether they have the plugin
_UNREAD = (
    "sent records that the scheduler cannot read, so its calls are missing from the graph. Most likely it has another "
    "version of cachepy: install the same one on the scheduler and all workers"
)
_LACKS_IT = (
    "cannot import dask_plugin, so cached functions cannot run there: install the distribution cachepy-dask in its "
    f"environment, the version that is here ({cachepy.__version__}), and start it again"
)
_NOTHING_YET = 1 << 62  # asks for no record, only for the number reached


class ClusterGraph:
    """The connection of one client to the graph of its cluster, made by `connect`.

    The graph in memory is kept up to date by itself; ask here for what happened before, or for the graph of all
    clients: ``nodes()`` returns it, ``sync()`` merges it into the graph in memory, and ``close()`` stops listening.
    On an asynchronous client these two are awaited. Also a context manager, which closes.

    Attributes
    ----------
    client : distributed.Client
        The client.
    session : State
        Whose graph is kept.
    errors : int
        How many messages could not be read; the log has them. ``sync()`` repeats what they told.
    page : str
        The address of the page on Dask's dashboard that shows the cluster's graph and counts; empty if unknown.

    Examples
    --------
    >>> from distributed import Client
    >>> from dask_plugin import connect
    >>> with Client(n_workers=1, processes=False, dashboard_address=None) as client:
    ...     with connect(client) as cluster:
    ...         len(cluster.nodes()), cluster.errors
    (0, 0)
    """

    def __init__(self, client: Client, session: State) -> None:
        self.client = client
        self.session = session
        self.errors = 0
        self.differences = Differences(session)
        self._ledger = ""  # whose numbers these are: a scheduler that was restarted has another one
        self._seq: int | None = None
        self._asked: dict[str, str] = {}  # calls that this program had made there -> their cache directories
        self._process = os.getpid()
        self.prunes = False  # whether it made that the default
        self._hooks = ClientHooks(self)

    @property
    def _is_heard(self) -> bool:
        """Whether the client's loop runs here: not in a forked child, which would wait for it for ever."""
        return self._process == os.getpid() and self.client.status == "running"

    @property
    def page(self) -> str:
        """The address of the page on Dask's dashboard; empty if unknown."""
        link = self.client.dashboard_link
        return f"{link.removesuffix('/status')}/cachepy" if link else ""

    def __repr__(self) -> str:
        """Where it is, whether it listens, on how many workers, what became of calls there, and where its page is."""
        page = self.page and f"page {self.page}"
        facts = [f"cluster graph of {self._address}", self._missing(), *self._counts(), page]
        return f"<{', '.join(filter(None, facts))}>"

    def _repr_html_(self) -> str:
        from html import escape

        page = escape(self.page)
        link = f'<div><a href="{page}" target="_blank">{page}</a></div>' if page else ""
        facts = "".join(f"<div>{escape(fact)}</div>" for fact in (self._missing(), *self._counts()) if fact)
        return f"<div><strong>cachepy</strong> on {escape(self._address)}</div>{facts}{link}"

    def _missing(self) -> str:
        """What there is to do before the graph in memory is complete."""
        if self._hooks not in chain(self.session.hooks):
            return "closed: connect(client) listens again"
        return "not open yet: await it" if self._seq is None else ""

    @property
    def _address(self) -> str:
        scheduler = self.client.scheduler
        return str(scheduler.address) if scheduler is not None else "a closed client"

    def _counts(self) -> list[str]:
        """On how many workers cachepy is, and what became of calls; nothing where that cannot be waited for."""
        if not self._is_heard or self.client.asynchronous:
            return []
        client, told, found = self.client, None, {}
        try:
            told = client.sync(self._ask, "cachepy_progress", keys=[], callback_timeout=_PATIENCE)
            found = client.sync(self._everywhere, _has_part)
        except (OSError, TimeoutError):
            return ["the scheduler does not answer" if told is None else "its workers do not answer"]
        workers = f"cachepy is on {sum(each is True for each in found.values())} of {len(found)} workers"
        if not isinstance(told, dict):  # it was restarted, and nobody has asked for the graph since
            return [workers]
        return [workers, f"{count(told['calls'], 'call')} in its graph", calls_line(told["totals"])]

    async def _everywhere(self, function: Any, *args: Any) -> dict[str, Any]:
        """What a function gives on each worker; it is not waited for one that is slow to answer."""
        found: dict[str, Any] = await wait_for(self.client.run(function, *args, on_error="return"), _PATIENCE)
        return found

    async def _open(self) -> ClusterGraph:
        """Also again, on a scheduler that was restarted meanwhile."""
        await self._register()
        reply = self._read(await self._ask("cachepy_since", seq=_NOTHING_YET))
        if self._seq is None:
            self._ledger, self._seq = reply["ledger"], reply["seq"]
        elif reply["ledger"] != self._ledger:
            await self._catch_up()
        return self

    async def _register(self) -> None:
        await self._look_who_has_it()
        await self.client.register_plugin(SchedulerPart(), name=SchedulerPart.name)
        self.client.subscribe_topic(TOPIC, self._on_records)
        _connections[self.client] = self

    async def _look_who_has_it(self) -> None:
        """Where cachepy is missing, nothing may be sent that needs it; a worker that is slow to answer may have it."""
        if not await self.client.run_on_scheduler(eval, HAS_IT):
            raise UsageError(f"the scheduler {self._address} {_LACKS_IT}")
        try:
            found = await self._everywhere(eval, HAS_IT)
        except (OSError, TimeoutError):
            return
        lacking = [worker for worker, has_it in found.items() if has_it is False]
        if lacking and len(lacking) == len(found):
            raise UsageError(f"no worker of {self._address} has cachepy: each of them {_LACKS_IT}")
        for worker in lacking:
            self.differences.warn(f"the worker {worker} {_LACKS_IT}", worker)

    def __await__(self) -> Generator[Any, None, ClusterGraph]:
        return self._open().__await__()

    async def _on_records(self, event: tuple[float, dict[str, Any]]) -> None:
        """On the client's loop, and awaited: the future that these belong to is finished after it."""
        try:
            await self._fold(event[1])
        except Exception:  # distributed would log and forget it
            self.errors += 1
            program.has_failed = True
            logger.exception("a message of the cluster could not be added to the graph; sync() asks for it again")

    async def _fold(self, message: dict[str, Any]) -> None:
        first, records = message["first"], message["records"]
        if self._ledger and message.get("ledger") != self._ledger:
            self._ledger, self._seq = message.get("ledger", ""), 0
        if self._seq is not None and first > self._seq + 1:
            await self._catch_up()
        self._seq = max(self._seq or 0, first + len(records) - 1)
        if not is_for(self._clients(), message.get("for")):
            return
        events = self._apply(record[4] for record in records if record[0] == "event")
        hits = {r[1]: r[3] for r in records if r[0] == "hit"}
        await self._fetch(hits)
        self._note(events, hits)
        await self._compare(events, hits, message)

    async def _compare(self, events: list[Event], hits: Iterable[str], message: dict[str, Any]) -> None:
        """Whether it was the code that is here."""
        differences, worker = self.differences, message.get("worker", "")
        for record in message["records"]:
            if record[0] == "other":
                differences.arrived(record, worker)
        if message.get("is_unread"):
            self._say_unread(worker)
        facts = {fact for event in events for fact in differences.facts_of(event)}
        facts.update(*map(differences.facts_below, hits))
        if facts:
            await differences.compare(facts, worker, message.get("python") or MINOR)

    def _say_unread(self, worker: str) -> None:
        self.differences.warn(f"the worker {worker} {_UNREAD}", worker)

    async def _fetch(self, calls: dict[str, str]) -> None:
        """The subtrees of hits that this graph does not show, after a reset or for a new client."""
        unknown = [call for call in calls if self.session.graph.run_of(call) is None]
        if not unknown:
            return
        events = self._apply(await self._ask("cachepy_subtree", calls=unknown) or [])
        run_of = self.session.graph.run_of
        below = [c.name for event in events for c in event.trace.calls if c.kind in EDGES]
        is_whole = all(run_of(call) is not None for call in below)
        for call, root in calls.items():
            if run_of(call) is None or not is_whole:  # the scheduler is a new one, or let some go: the disk knows
                self.session.store(root)
                self.session.nodes.show(call)

    def _note(self, events: Iterable[Event], hits: dict[str, str]) -> None:
        """The program makes these calls, or other calls do: that shows when all have come."""
        if not program.pauses:
            self._asked.update({event.id: event.root for event in events}, **hits)

    def note_asked(self) -> None:
        """The program, or one of its cells, ends: what no other call made there, it had made at its top."""
        for call in list(self._asked):
            root = self._asked.pop(call)
            if not self.session.graph.parents_of(call):
                note(self.session, call, root)

    async def _catch_up(self) -> None:
        """All that was published since the last message that was folded."""
        reply = await self._since(self._seq or 0, clients=self._clients())
        self._take_older(self.session.graph, reply)
        events = self._apply(reply["events"])
        await self._fetch(reply["hits"])
        self._note(events, reply["hits"])
        self._seq = max(self._seq or 0, reply["seq"])

    def _clients(self) -> list[str]:
        """The clients of the program, but for those whose calls go into the graph of another session."""
        found = [self.client]
        for each in clients_here():
            graph = _connections.get(each)
            is_others = graph is not None and graph.session is not self.session
            found += [] if each is self.client or is_others else [each]
        return [each.id for each in found]

    async def _since(self, seq: int, clients: list[str] | None = None) -> dict[str, Any]:
        """What the ledger has since a number, of all clients or of some; all of that, if it is another ledger."""
        ledger = self._ledger  # while we wait, a message of another one may come
        reply = await self._ask("cachepy_since", seq=seq, clients=clients)
        if not isinstance(reply, dict) or reply.get("ledger") != ledger:
            await self._register()  # a scheduler that was restarted knows neither the plugin nor who listens
            reply = self._read(await self._ask("cachepy_since", seq=0, clients=clients))
            self._ledger, self._seq = reply["ledger"], 0
        return self._read(reply)

    def _read(self, reply: Any) -> dict[str, Any]:
        """A reply of this version of cachepy; who listens since a moment ago hears of unread records here."""
        if isinstance(reply, dict) and "ledger" in reply:
            for worker in reply["unread"]:
                self._say_unread(worker)
            return dict(reply)
        raise UsageError(
            f"the scheduler {self._address} has another version of cachepy than this client "
            f"({cachepy.__version__}): install the same one on the scheduler, the workers and here"
        )

    async def _ask(self, question: str, **what: Any) -> Any:
        return await getattr(self.client.scheduler, question)(**what)

    def refresh(self) -> None:
        """Before the graph is read: the barrier for what no result vouches for.

        Results that were in the cluster's memory before they were asked for, threads that a task left
        behind, actors.  An asynchronous client cannot wait here: ``await cluster.sync()`` does.
        """
        if self._is_heard and not self.client.asynchronous:
            try:
                self.client.sync(self._catch_up)
            except OSError:
                program.has_failed = True
                logger.warning("the scheduler does not answer; calls that only it knows are missing from the graph")

    def _apply(self, payloads: Iterable[bytes]) -> list[Event]:
        events = list(self._events(payloads))
        for event in events:
            self.session.graph.apply(event)
        return events

    def _events(self, payloads: Iterable[bytes]) -> Iterator[Event]:
        """The events of payloads; a damaged one does not stop the others."""
        for payload in payloads:
            try:
                yield event_of(payload)
            except ValueError:
                self.errors += 1
                program.has_failed = True
                logger.exception("a record of the cluster is damaged; one call is missing from the graph")

    async def _all(self, graph: Graph) -> None:
        reply = await self._since(0)
        self._take_older(graph, reply)
        for event in self._events(reply["events"]):
            graph.apply(event)

    def _take_older(self, graph: Graph, reply: dict[str, Any]) -> None:
        """What the scheduler let go is in the graphs of the cache directories."""
        for root in reply["older"]:
            try:
                graph.merge(self.session.store(root).journal.path, root)
            except OSError:
                program.has_failed = True
                logger.warning("the graph in %s cannot be read; older calls in it are missing", root)

    def nodes(self) -> Any:
        """The graph of the whole cluster, of all clients: id -> node. Awaitable on an asynchronous client."""
        return self._run(self._nodes)

    async def _nodes(self) -> dict[str, dict[str, Any]]:
        graph = Graph()
        await self._all(graph)
        return graph.nodes()

    def sync(self) -> Any:
        """Merge the graph of the whole cluster into the graph in memory. Awaitable on an asynchronous client."""
        return self._run(self._sync)

    async def _sync(self) -> None:
        await self._all(self.session.graph)

    def _run(self, task: Any) -> Any:
        return self.client.sync(task)

    def close(self) -> None:
        """Stop listening; the cluster goes on keeping its graph."""
        if self.prunes:
            config.set({"cachepy.prune": False})
        if _connections.get(self.client) is self:
            del _connections[self.client]
            if self.client.status == "running":
                stop_listening(self.client, TOPIC)
        self.session.unplug(self._hooks)

    async def _leave(self) -> None:
        await self._ask("cachepy_leave")
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        await self
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def fetch_mail(self, frame: Frame) -> Iterable[Dep]:
        """What workers told a caller that ran on this client."""
        if not self._is_heard:
            return []
        try:
            mail = mail_of(frame.run, self.client)
        except (OSError, FutureCancelledError):
            return []
        return [Dep(*row) for row in mail]


# who listens, until it is closed; the program asks each at its end
_connections: WeakKeyDictionary[Client, ClusterGraph] = WeakKeyDictionary()


class ClientHooks(Plugin):
    """What the session of a client does for its connection."""

    def __init__(self, graph: ClusterGraph) -> None:
        self.graph = graph

    def on_departure(self, identity: str, digest: str) -> None:
        super().on_departure(identity, digest)
        self.graph.differences.departed(identity, digest)

    def refresh(self) -> None:
        super().refresh()
        self.graph.refresh()

    def deps_from_elsewhere(self, frame: Frame) -> Iterable[Dep]:
        yield from super().deps_from_elsewhere(frame)
        yield from self.graph.fetch_mail(frame)

    def runner(self, client: object) -> Runner | None:
        return runner_for(client) or super().runner(client)

    def is_heard(self) -> bool:
        return True


def _has_part(dask_worker: Any) -> bool:
    """Whether a worker has the plugin; runs there."""
    return WorkerPart.name in dask_worker.plugins


def connect(client: Client, *, prune: bool = False) -> ClusterGraph:
    """Have a Dask cluster record the graph of its cached calls, and keep this client's graph complete.

    When ``result()``, ``compute()`` or ``gather`` returns, ``cache_tree_nodes()`` holds every call
    of the work behind it. Repeating it changes nothing; workers that join later take part too.

    Parameters
    ----------
    client : distributed.Client
        Of any cluster; of an asynchronous client the result is to be awaited.
    prune : bool, default False
        Whether ``compute()`` of what `delayed` gives takes out verified hits before it submits anything, unless
        it is told otherwise: the setting ``cachepy.prune`` of `dask.config`, until `close`.

    Returns
    -------
    ClusterGraph
        With ``nodes()``, ``sync()``, ``close()`` and ``page`` (the address of the page on the dashboard that shows
        the graph by function and counts of runs, hits, waits and failures); also a context manager.

    Raises
    ------
    UsageError
        If `client` is no client of Dask's.

    See Also
    --------
    delayed : Lazy calls that keep the graph.
    with_caller : For ``submit``, ``map`` and bags.

    Examples
    --------
    >>> from distributed import Client
    >>> from dask_plugin import connect
    >>> with Client(n_workers=1, processes=False, dashboard_address=None) as client:
    ...     with connect(client) as cluster:
    ...         len(cluster.nodes())
    0
    """
    if not isinstance(client, Client):
        raise UsageError(f"connect takes a distributed.Client, not {client!r}; write connect(Client(...))")
    graph = ClusterGraph(client, current_session())
    known = _connections.get(client)
    if prune:
        config.set({"cachepy.prune": True})
    if known is not None and known.session is graph.session:
        known.prunes |= prune
        if not client.asynchronous:
            client.sync(known._open)
        return known
    graph.prunes = prune
    program.before_end.append(graph.note_asked)
    graph.session.plug(graph._hooks)
    if not client.asynchronous:
        client.sync(graph._open)
    return graph


def disconnect(client: Client) -> Any:
    """Take cachepy off a Dask cluster again: its plugins, its page and its ledger.

    Functions go on being cached on the workers; their calls are in the graphs of the cache directories only. To stop
    listening, and leave the cluster as it is, there is `ClusterGraph.close`.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster; of an asynchronous client the result is to be awaited.

    Returns
    -------
    None
        When it is done; it does no harm where cachepy is not there.

    See Also
    --------
    connect : Puts it on a cluster.

    Examples
    --------
    >>> from distributed import Client
    >>> from dask_plugin import connect, disconnect
    >>> with Client(n_workers=1, processes=False, dashboard_address=None) as client:
    ...     graph = connect(client)
    ...     disconnect(client)
    ...     client.submit(sum, [1, 2]).result()
    3
    """
    graph = _connections.get(client) or ClusterGraph(client, current_session())
    return client.sync(graph._leave)
