"""The page `/cachepy` and its data on the scheduler's HTTP server, beside our part of `/metrics`."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, Protocol

from distributed import Scheduler
from tornado.web import RequestHandler

from dask_plugin.metrics import exposition
from dask_plugin.now import Now, tasks_of
from dask_plugin.overview import Overview
from dask_plugin.routes import Route, Routes, metrics_route, plots_route
from dask_plugin.tally import COUNTED, LAST, Tally

_PAGE = "cachepy"
_FRESH = 0.5  # s; for so long, at least, one answer serves all who look
_PART = 5000  # records that are taken in at once
_NONE: dict[str, float] = {}


class Records(Protocol):
    """What is shown: the scheduler's ledger."""

    seq: int
    tally: Tally
    now: Now

    def since(self, seq: int) -> list[bytes]: ...

    def running(self) -> tuple[list[dict[str, Any]], int]: ...

    def __len__(self) -> int: ...


class Live:
    """The data of the page, made when somebody looks, in at most a fifth of the time."""

    def __init__(self, records: Records, scheduler: Scheduler | None = None) -> None:
        self.records = records
        self._scheduler = scheduler
        self._overview = Overview()
        self._seq = 0
        self._waiting: list[bytes] = []  # records that are not taken in yet, newest first
        self._lock = asyncio.Lock()
        self._next = float("-inf")
        self._text = ""

    async def json(self) -> str:
        """The graph and the counts; not much older than half a second, if few calls are new."""
        async with self._lock:
            began = time.monotonic()
            if began >= self._next:
                await self._catch_up()
                self._text = json.dumps(self._data())
                self._next = began + max(_FRESH, 5 * (time.monotonic() - began))
        return self._text

    async def _catch_up(self) -> None:
        """In parts and in a thread: thousands of records must not keep the scheduler from its work."""
        if not self._waiting:
            self._waiting, self._seq = self.records.since(self._seq)[::-1], self.records.seq
        part = self._waiting[-_PART:]
        del self._waiting[-_PART:]
        if part:
            await asyncio.to_thread(self._overview.update, part)

    def _data(self) -> dict[str, Any]:
        tally, shown = self.records.tally, self._overview.functions()
        names = sorted(shown.keys() | tally.rows)
        at = {name: i for i, name in enumerate(names)}
        edges = [[at[a], at[b], kind, n] for (a, b, kind), n in self._overview.edges()]
        running, more = self.records.running()
        return {
            "time": time.time(),
            "calls": len(self.records),
            "behind": len(self._waiting),
            "totals": tally.totals(),
            "functions": [_function(name, shown.get(name), tally.rows.get(name, _NONE)) for name in names],
            "edges": edges,
            "tasks": tasks_of(self._scheduler),
            "running": running,
            "more_running": more,
            "failures": self.records.now.failures(),
            "again": self.records.now.again(),
            "causes": self._overview.causes(),
        }


def _function(name: str, shown: dict[str, Any] | None, row: dict[str, float]) -> dict[str, Any]:
    """One row of the table and one box of the picture."""
    if shown is None:  # it has only failed so far, or waits
        shown = {"label": name.rpartition(".")[2], "calls": 0, "stale": 0, "files": 0}
    return {"name": name, **shown, **{c: row.get(c, 0) for c in COUNTED}, LAST: row.get(LAST)}


class Dashboard:
    """Adds our routes to a scheduler's HTTP server, before all others; `close` takes them out."""

    def __init__(self, scheduler: Scheduler, records: Records) -> None:
        self.live = Live(records, scheduler)
        self._routes = Routes(scheduler, self._own(scheduler, records))
        self._pages = _navigation(scheduler)
        self._pages.append(_PAGE)

    def close(self) -> None:
        self._routes.close()
        if _PAGE in self._pages:
            self._pages.remove(_PAGE)

    def _own(self, scheduler: Scheduler, records: Records) -> list[Route]:
        plots = plots_route(scheduler, {_PAGE.capitalize(): f"/{_PAGE}"})
        return [
            (rf"/{_PAGE}/?", _Page, {"scheduler": scheduler}),
            (rf"/{_PAGE}/graph\.json", _Data, {"live": self.live}),
            metrics_route(scheduler, lambda: exposition(records.tally, len(records))),
            *([] if plots is None else [plots]),
        ]


def _navigation(scheduler: Scheduler) -> list[str]:
    """The names in the navigation bar of Dask's own pages, each also a path; without bokeh there is none."""
    pages = sys.modules.get("distributed.dashboard.scheduler")
    found: Any = [] if pages is None else pages.template_variables(scheduler).get("pages", [])
    return found if isinstance(found, list) else []


class _Data(RequestHandler):
    """The data of the page, asked for once a second."""

    def initialize(self, live: Live) -> None:
        self.live = live

    async def get(self) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.write(await self.live.json())


class _Page(RequestHandler):
    """The page itself, which holds no data and asks for nothing but them."""

    def initialize(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler

    def get(self) -> None:
        text, policy = page()
        self.set_header("Content-Security-Policy", policy)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.write(text)


@cache
def page() -> tuple[str, str]:
    """The page in one piece, and the policy that lets a browser run this script only."""
    folder = files("dask_plugin") / "page"
    style = (folder / "page.css").read_text("utf-8")
    script = "".join((folder / name).read_text("utf-8") for name in ("layout.js", "picture.js", "page.js"))
    text = (folder / "page.html").read_text("utf-8")
    text = re.sub(r"<(style|script)></\1>", lambda m: _filled(m[1], style if m[1] == "style" else script), text)
    policy = (
        f"default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_sources([style])}; script-src {_sources([script])}"
    )
    return text, policy


def _filled(tag: str, content: str) -> str:
    return f"<{tag}>{content}</{tag}>"


def _sources(texts: Sequence[str]) -> str:
    return " ".join(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in texts)
