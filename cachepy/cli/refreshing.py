"""The command that runs what is stale: shows the plan first, asks, runs, and says what it could not do."""

from __future__ import annotations

import os
import time
from collections import Counter

import click

from cachepy.cli import completing
from cachepy.cli.ask import code_of, look, tell_plan
from cachepy.cli.consent import dry_run_option, is_shown, may, yes_option
from cachepy.cli.console import Tell
from cachepy.cli.exit_codes import DEBUG, STALE
from cachepy.cli.importing import importing
from cachepy.cli.opening import Opened, opened
from cachepy.cli.options import command, everything, history, limit, looks_at_code
from cachepy.errors import RerunError
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.core.ports import Runner
    from cachepy.staleness.job import Job
    from cachepy.staleness.plan import Plan
    from cachepy.staleness.refresh import Refreshed


@command(
    "refresh",
    "cachepy refresh\ncachepy refresh report --yes",
    "planned ran cut failed left remaining dry_run unimported",
)
@click.argument("roots", nargs=-1, metavar="[CALL]...", shell_complete=completing.calls)
@limit
@everything
@yes_option
@dry_run_option
@history
@looks_at_code
def refresh(
    tell: Tell, cache_dir: str | None, *, roots: tuple[str, ...], limit: int, show_all: bool, yes: bool,
    dry_run: bool, code: str, history: bool,
) -> int:  # fmt: skip
    """Run what is stale, and only that.

    Shows the plan first, and asks; without a terminal, add --yes. With CALLs (ids, their first digits, functions) only
    these and what they need. Calls run one after another, in the folder where they ran before, with the arguments that
    were stored beside their results. A call above does not run if the results below it are the same as before.

    Exits with 0 if all of it is fresh then, and with --dry-run. Exits with 1 if a call failed, could not be run, or is
    still stale, and with 3 if one is unknown. A call that failed is shown with its error.
    """
    from cachepy.staleness.plan import current_of, plan_of

    with opened(cache_dir, tell.say, writes=not dry_run) as cache:
        tops = [i for name in roots for i in cache.find(name)]
        survey = look(cache, tell, code, tops, history=history)
        tops = tops if history else current_of(tops, survey.past)
        plan = plan_of(survey, tops if roots else None, history=True)
        going = [c for c in plan.calls if c.state != "hit"]
        if is_shown(tell, yes=yes, dry_run=dry_run):
            tell_plan(tell, cache, plan, going, None if show_all else limit)
        done, remaining = None, {c.id: c.state for c in going}
        if going and not dry_run:
            if not may(tell, _question(plan), yes):
                return STALE
            done, remaining = _run(tell, cache, plan, tops if roots else None, history=history)
        _tell_done(tell, cache, plan, done, remaining, dry_run=dry_run)
    if dry_run:
        return 0
    return STALE if done and (done.failed or done.left) else code_of(cache, remaining.values())


def _question(plan: Plan) -> str:
    """What is to be run."""
    most = "" if len(plan.certain) == len(plan.possible) else "up to "
    return f"Run {most}{humanize.count(len(plan.possible), 'call')}?"


def _run(
    tell: Tell, cache: Opened, plan: Plan, roots: list[str] | None, *, history: bool
) -> tuple[Refreshed, dict[str, str]]:  # fmt: skip
    """Run them; what that did, and the states of those that are not fresh then."""
    from cachepy.core.progress import Bar
    from cachepy.staleness.plan import plan_of
    from cachepy.staleness.refresh import Refresh
    from cachepy.staleness.survey import survey

    began, before = time.monotonic(), os.getcwd()
    folder = folder_of(cache, [c.id for c in plan.possible], before)
    try:
        os.chdir(folder)
        with importing(), Bar("refreshing") as bar:
            done = Refresh(cache.session, _runner(folder, cache.root), roots, bar.tell, history=history).run()
            now = survey(cache.session, history=history or roots is not None)
            after = plan_of(now, roots, history=True)
    finally:
        os.chdir(before)
    tell.say(f"took {humanize.span(time.monotonic() - began)}")
    return done, {c.id: c.state for c in after.possible}


def folder_of(cache: Opened, calls: list[str], here: str) -> str:
    """Where these calls ran: here if any did, else where most of them did."""
    folders = Counter(cache.events[call].cwd for call in calls)
    return here if here in folders else next((f for f, _ in folders.most_common() if os.path.isdir(f)), here)


def _runner(folder: str, root: str) -> Runner:
    """Runs calls in one folder: relative paths in their arguments and programs mean other files elsewhere."""
    from cachepy.staleness.job import HereRunner

    class InFolder(HereRunner):
        def start(self, job: Job) -> None:
            cwd = job.event.cwd
            if cwd != folder:
                raise RerunError(f"it ran in {cwd}: `cachepy -C {cwd} refresh --cache-dir {root}` runs it there")
            super().start(job)

    return InFolder()


def _tell_done(
    tell: Tell, cache: Opened, plan: Plan, done: Refreshed | None, remaining: dict[str, str], *, dry_run: bool
) -> None:  # fmt: skip
    if tell.as_json:
        fields = {"planned": [c for c in plan.as_dict()["calls"] if c["state"] != "hit"], **_done_fields(done)}
        more = {"remaining": remaining, "dry_run": dry_run, "unimported": cache.unimported}
        tell.document(cache_dir=cache.root, **fields, **more)
        return
    if done is None or tell.is_silent:
        return
    _tell_undone(tell, cache, done)
    _show_tracebacks(done)
    still = humanize.count(len(remaining), "call")
    text = f"; {still} {'is' if len(remaining) == 1 else 'are'} not fresh" if remaining else "; all are fresh now"
    tell.line(f"{done}{text}", "head" if remaining else "fresh")


def _tell_undone(tell: Tell, cache: Opened, done: Refreshed) -> None:
    """The calls that failed or could not be run; their texts are long, so on a terminal they have their own lines."""
    rows = [("failed", call, why) for call, why in _failed(done).items()]
    rows += [("not run", call, why) for call, why in done.left.items()]
    names = tell.names([call for _, call, _ in rows], cache.ids)
    cells = [(state, names[call], cache.label(call), why) for state, call, why in rows]
    if not tell.is_terminal:
        tell.table(("state", "id", "call", "cause"), cells)
        return
    for state, name, label, why in cells:
        tell.parts((state, "missing"), (f"  {name}  {label}", ""))
        tell.line(why, indent=4)


def _failed(done: Refreshed) -> dict[str, str]:
    return {call: f"{type(error).__name__}: {error}" for call, error in done.failed.items()}


def _done_fields(done: Refreshed | None) -> dict[str, Any]:
    if done is None:
        return {"ran": [], "cut": [], "failed": {}, "left": {}}
    return {"ran": list(done.ran), "cut": list(done.cut), "failed": _failed(done), "left": done.left}


def _show_tracebacks(done: Refreshed) -> None:
    if os.environ.get(DEBUG):
        import traceback

        for error in done.failed.values():
            traceback.print_exception(error)
