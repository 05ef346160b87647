"""The command that shows from another terminal what programs on a cache are doing: watch."""

from __future__ import annotations

import time
from contextlib import suppress

import click

from cachepy.cli.console import Tell
from cachepy.cli.finding import place
from cachepy.cli.opening import session_at
from cachepy.cli.options import command
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachepy.maintain.running import RunningCall


@command("watch", "cachepy watch\ncachepy watch --once --json", "calls")
@click.option("--once", is_flag=True, help="Say what runs now, and end.")
@click.option(
    "--every", metavar="SECONDS", type=click.FloatRange(0.1), default=1.0, show_default=True, help="How often to look."
)
def watch(tell: Tell, cache_dir: str | None, *, once: bool, every: float) -> int:
    """Show which calls run now, and where.

    In any process on any machine that uses the cache.

    Says what runs, then each call that begins or ends, until Ctrl-C. Arguments are shown where an earlier run of the
    call is stored. With --json it says once what runs.
    """
    from cachepy.maintain.running import running

    root = place(cache_dir, tell.say)
    with session_at(root) as session:
        store = session.store(root)
        calls = running(store)
        if tell.as_json:
            rows = [dict(zip(each._fields, each.astuple(), strict=True)) for each in calls]
            tell.document(cache_dir=root, calls=rows)
            return 0
        for each in calls:
            _tell(tell, each)
        if not calls:
            tell.say("nothing runs")
        with suppress(KeyboardInterrupt):
            while not once:
                time.sleep(every)
                calls = _changes(tell, calls, running(store), every)
    return 0


def _changes(tell: Tell, before: list[RunningCall], now: list[RunningCall], every: float) -> list[RunningCall]:
    """Say what began and what ended between two looks."""
    known, left = {_run(each) for each in before}, {_run(each) for each in now}
    for each in before:
        if _run(each) not in left:
            tell.parts(("ended    ", "hit"), (f"{each.title}  {each.call}{_length('after', each, every / 2)}", ""))
    for each in now:
        if _run(each) not in known:
            _tell(tell, each)
    return now


def _run(call: RunningCall) -> tuple[object, ...]:
    """What tells one run from another."""
    return call.call, call.host, call.pid, call.since, call.is_alive


def _tell(tell: Tell, call: RunningCall) -> None:
    state, style = ("left     ", "stale") if call.is_alive is False else ("running  ", "head")
    where = f"{call.host} {call.pid}" + (", which is gone" if call.is_alive is False else "")
    place = "" if call.caller is None else f"  {call.at:,} of {call.of:,} in {call.caller.rpartition(':')[0]}"
    tell.parts((state, style), (f"{call.title}  {call.call}{_length('for', call)}{place}  ({where})", ""))


def _length(word: str, call: RunningCall, less: float = 0.0) -> str:
    """How long it has run, if that is known; less: seconds for which it may have ended."""
    return "" if call.since is None else f"  {word} {humanize.span(max(time.time() - call.since - less, 0.0))}"
