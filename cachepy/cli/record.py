"""The command that tells what ran when: log."""

from __future__ import annotations

import time

import click

from cachepy.cli import completing, words
from cachepy.cli.console import Tell
from cachepy.cli.listing import matches, say_none
from cachepy.cli.opening import Opened, opened
from cachepy.cli.options import LIMIT, Typed, command, everything
from cachepy.core.marks import accepted_in
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from cachepy.core.model import Event

    Run = dict[str, Any]


@command(
    "log",
    "cachepy log\ncachepy log load --since 2h\ncachepy log -n 100 --json",
    "runs",
)
@click.argument("pattern", required=False, default="", shell_complete=completing.calls)
@click.option(
    "--since", metavar="WHEN", type=Typed("time", words.parse_since),
    help="Only what ended since then: 30min, 2h, 7d ago, or a date like 2026-03-01 or 2026-03-01T14:00.",
)  # fmt: skip
@click.option(
    "-n", "--limit", metavar="N", type=click.IntRange(0), default=LIMIT, show_default=True, help="List no more than N."
)
@everything
def log(
    tell: Tell, cache_dir: str | None, *, pattern: str, since: float | None, limit: int, show_all: bool
) -> int:  # fmt: skip
    """Say what ran when, the newest first.

    With PATTERN only calls whose id, function or label contains it, or matches it if it has *, ? or [. Columns: end of
    the run, how long it took, size of the result, id, process, call.

    Lists every run whose result is stored, and the newest run of calls whose result is missing. "no result" means that
    a topmost call raised or was killed. A hit is not a run. In a pipe the id is whole, the time is in seconds and the
    size in bytes.
    """
    with opened(cache_dir, tell.say) as cache:
        known = sorted(_runs(cache), key=lambda run: (-run["created"], run["id"]))
    runs = [run for run in known if _is_asked(run, pattern, since)]
    shown = runs if show_all else runs[:limit]
    if tell.as_json:
        tell.document(cache_dir=cache.root, runs=shown)
        return 0
    _tell_runs(tell, cache, shown)
    if not known:
        tell.say(f"nothing ran yet in {cache.root}")
    elif not runs:
        _say_none(tell, known, pattern, since)
    elif len(runs) > len(shown):
        tell.say(f"and {humanize.count(len(runs) - len(shown), 'older run')}: --all lists them, -n N lists N")
    return 0


def _is_asked(run: Run, pattern: str, since: float | None) -> bool:
    return run["created"] >= (since or 0.0) and matches(pattern, run["id"], run["fname"], run["label"])


def _say_none(tell: Tell, known: list[Run], pattern: str, since: float | None) -> None:
    if since is not None:
        tell.say(f"nothing ran since then; the last run ended {words.moment(known[0]['created'])}")
    else:
        say_none(tell, {run["fname"] for run in known}, pattern, humanize.count(len(known), "run"))


def _runs(cache: Opened) -> Iterator[Run]:
    """Every run that is known of: those that are stored, the newest of other calls, and what left no result."""
    from cachepy.staleness.interrupted import unended
    from cachepy.store.inventory import size_of, stock

    stored: set[str] = set()
    for entry in stock(cache.root):
        ran = {event.created for event, _ in entry.runs if not accepted_in(event.trace)}
        for event, path in entry.runs:
            stored.add(event.run)
            if accepted_in(event.trace) and event.created in ran:  # that was no run
                continue
            yield _run(event, "stored", size_of(path))
    for event in cache.events.values():
        if event.run not in stored:
            yield _run(event, "missing", None)
    for call, when in unended(cache.root, cache.session.store(cache.root).listing()).items():
        known = cache.events.get(call)
        fname = call.rpartition(":")[0]
        label = f"{fname}(...)" if known is None else known.title
        unknown = dict.fromkeys(("module", "run", "elapsed", "size", "host", "pid", "cwd"))
        yield {"id": call, "label": label, "fname": fname, "created": when, "state": "unended", **unknown}


def _run(event: Event, state: str, size: int | None) -> Run:
    host, pid, *_ = (*event.origin.split(":"), "", "")
    return {
        "id": event.id, "label": event.title, "fname": event.fname, "module": event.module, "run": event.run,
        "created": event.created, "elapsed": event.elapsed, "size": size, "state": state,
        "host": host or None, "pid": int(pid) if pid.isdecimal() else None, "cwd": event.cwd,
    }  # fmt: skip


def _tell_runs(tell: Tell, cache: Opened, runs: list[Run]) -> None:
    from cachepy.store.owner import host_id

    names = tell.names([run["id"] for run in runs], cache.ids)
    today, here = words.moment(time.time())[:10], host_id().partition(":")[0]
    rows = []
    for run in runs:
        when = words.moment(run["created"])
        if tell.is_terminal:
            when = when[11:] if when[:10] == today else when[:16].replace("T", " ")
        where = "-" if run["pid"] is None else f"{run['pid']}" if run["host"] == here else f"{run['host']}:{run['pid']}"
        rows.append((when, _took(tell, run), _size(tell, run), names[run["id"]], where, run["label"]))
    head = ("ended", "took", "result", "id", "process", "call")
    tell.table(head, rows, right="took result process", fixed="ended id", spare="process result took")


def _took(tell: Tell, run: Run) -> str:
    if run["elapsed"] is None:
        return "-"
    return humanize.span(run["elapsed"]) if tell.is_terminal else f"{run['elapsed']:.3f}"


def _size(tell: Tell, run: Run) -> str:
    if run["state"] != "stored":
        return {"missing": "missing", "unended": "no result"}[run["state"]]
    return humanize.size(run["size"]) if tell.is_terminal else str(run["size"])
