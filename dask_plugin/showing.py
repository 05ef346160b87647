"""`progress`: one line of what a cluster does, asked for now and then; nothing is added to any task for it."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from distributed import futures_of

from cachepy.calls.progress_line import is_notebook, place
from cachepy.errors import UsageError
from cachepy.values import humanize
from dask_plugin.now import short_text

if TYPE_CHECKING:
    from collections.abc import Generator

    from distributed import Client

    Told = dict[str, Any]  # as the scheduler answers

_PAUSE = 0.5  # s between two looks
_STEP = 0.05  # s until it sees that there is nothing more to wait for
_SHARE = 20  # looks take no more than one part in so many of the scheduler's time
_MOST_NAMED = 3


class progress:  # noqa: N801 - used as a function: progress(client, future)
    """Show what a cluster does: tasks done of all, hits, runs, what runs now, what failed.

    As a context manager it shows that of all tasks while a block runs. With `futures` it begins at once, and counts
    their tasks: in a notebook it goes on beside the next cells, elsewhere it returns when they have ended. One line is
    renewed in its place; in the log of a job lines come seldom, as with `cachepy.progress`.

    Parameters
    ----------
    client : distributed.Client
        On which `connect` was called. Of an asynchronous one: ``async with progress(client):`` and
        ``await progress(client, future)``.
    *futures : object
        Futures, persisted collections, or containers of them.

    Raises
    ------
    UsageError
        If nobody has called `connect` on the cluster, or an asynchronous client is used without ``await``.

    See Also
    --------
    connect : Its ``page`` shows more, in a browser.

    Examples
    --------
    >>> from distributed import Client
    >>> from cachepy import cache_file
    >>> from dask_plugin import connect, delayed, progress
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> with Client(n_workers=1, processes=False, dashboard_address=None) as client:
    ...     with connect(client), progress(client):
    ...         delayed(square)(3).compute()
    9
    """

    def __init__(self, client: Client, *futures: object) -> None:
        self.client = client
        self._futures = futures_of(futures)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._task: asyncio.Task[None] | None = None
        if not futures or client.asynchronous:
            return
        self._begin(client.sync(self._ask))
        if not is_notebook():
            self._join()

    def __enter__(self) -> Self:
        if self.client.asynchronous:
            raise UsageError("the client is asynchronous: write `async with progress(client):`, or await it")
        self._begin(self.client.sync(self._ask))
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._join()

    async def __aenter__(self) -> Self:
        self._start(await self._ask())
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended.set()
        if self._task is not None:
            await self._task

    def __await__(self) -> Generator[Any, None, None]:
        return self._whole().__await__()

    def _ipython_display_(self) -> None:
        """It has shown itself."""

    async def _whole(self) -> None:
        self._start(await self._ask())
        await self._follow()

    def _start(self, told: Told) -> None:
        self._look, self._show = _Look(told, is_of_some=bool(self._futures)), place()
        self._ended.clear()

    def _begin(self, told: Told) -> None:
        self._start(told)
        self._thread = threading.Thread(target=self._run, name="cachepy-progress", daemon=True)
        self._thread.start()

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        try:
            self.client.sync(self._follow, asynchronous=False)
        except Exception:  # the cluster is closed, or stderr is
            with suppress(Exception):
                self._show(self._look.line, is_last=True)

    async def _follow(self) -> None:
        """On the client's loop, until the block ends or all futures have; what cannot be asked stays as it was."""
        while not self._is_done():
            self._show(self._look.line, is_last=False)
            began = time.monotonic()
            await self._see()
            end = time.monotonic() + max(_PAUSE, _SHARE * (time.monotonic() - began))
            while not self._is_done() and time.monotonic() < end:  # noqa: ASYNC110 - another thread ends it
                await asyncio.sleep(_STEP)
        await self._see()
        self._show(self._look.line, is_last=True)

    async def _see(self) -> None:
        with suppress(OSError):
            self._look.see(await self._ask())

    def _is_done(self) -> bool:
        return self._ended.is_set() or (bool(self._futures) and all(future.done() for future in self._futures))

    async def _ask(self) -> Told:
        scheduler: Any = self.client.scheduler
        keys = [future.key for future in self._futures]
        told = await scheduler.cachepy_progress(keys=keys or None)
        if not isinstance(told, dict):
            raise UsageError("the scheduler knows nothing of cachepy: call connect(client) first")
        return told


class _Look:
    """What has been done since it began."""

    def __init__(self, told: Told, *, is_of_some: bool) -> None:
        self._before = self._now = told
        self._ended = 0 if is_of_some else int(told["ended"])  # of some tasks it is told how many of these have ended

    def see(self, told: Told) -> None:
        self._now = told

    @property
    def line(self) -> Line:
        """All of it, to be shown."""
        now, before = self._now, self._before
        counted = {name: max(0, n - before["totals"].get(name, 0)) for name, n in now["totals"].items()}
        ended = max(0, now["ended"] - self._ended)
        runs = now["running"] if now["to_do"] else []  # workers tell a moment later that a call runs no more
        running = [f"{each['title']} for {_age(now['time'], each)}" for each in runs]
        more = now["more_running"] if runs else 0
        return Line(ended, ended + now["to_do"], calls_line(counted), running, more, self._failures())

    def _failures(self) -> list[str]:
        """The newest errors since it began."""
        known = {(each["function"], each["text"]): each["times"] for each in self._before["failures"]}
        new = (e for e in self._now["failures"] if e["times"] > known.get((e["function"], e["text"]), 0))
        return [f"{each['function']}: {each['text']}" for each in new]


def calls_line(counted: dict[str, float]) -> str:
    """What became of the calls; runs are those that were stored.

    >>> calls_line({"hits": 2, "runs": 1, "saved_seconds": 3.0, "failures": 0})
    '2 hits, 1 run, 3.0 s saved'
    """
    names = (("hits", "hit"), ("waits", "wait"), ("runs", "run"))
    parts = [humanize.count(int(counted[name]), noun) for name, noun in names if counted.get(name)]
    parts += [f"{counted['failures']:,.0f} failed"] if counted.get("failures") else []
    parts += [f"{humanize.span(counted['saved_seconds'])} saved"] if counted.get("hits") else []
    return ", ".join(parts) or "no calls yet"


def _age(now: float, call: dict[str, Any]) -> str:
    return humanize.span(max(1.0, now - call["since"]))


class Line:
    """What is shown; `str` is one line, a notebook shows a bar as well."""

    def __init__(self, done: int, tasks: int, calls: str, running: list[str], more: int, failures: list[str]) -> None:
        self.done, self.tasks, self.calls = done, tasks, calls
        self.running, self.more, self.failures = running, more, failures

    def __str__(self) -> str:
        text = f"cachepy: {self.done:,} of {humanize.count(self.tasks, 'task')}; {self.calls}"
        if self.running:
            more = len(self.running) - 1 + self.more
            text += f"; runs {self.running[0]}{f' and {more:,} more' if more else ''}"
        if self.failures:
            text += f"; failed {' '.join(self.failures[0].split())}"
        return short_text(text)

    def _repr_html_(self) -> str:
        from html import escape

        more = len(self.running) - _MOST_NAMED + self.more
        rows = [f"runs {each}" for each in self.running[:_MOST_NAMED]] + ([f"and {more:,} more"] if more > 0 else [])
        rows += [f"failed {each}" for each in self.failures[:_MOST_NAMED]]
        head = f"{self.done:,} of {humanize.count(self.tasks, 'task')}; {self.calls}"
        bar = f'<progress value="{self.done}" max="{max(1, self.tasks)}"></progress>'
        return f"<div>{bar} <code>{escape(head)}</code>{''.join(f'<div>{escape(each)}</div>' for each in rows)}</div>"
