"""The commands that say whether a cache directory is whole, and mend it: verify, repair."""

from __future__ import annotations

import os
import sys
import time

import click

from cachepy.cli import elsewhere, words
from cachepy.cli.consent import dry_run_option, is_shown, may, yes_option
from cachepy.cli.console import Tell
from cachepy.cli.exit_codes import STALE
from cachepy.cli.finding import place
from cachepy.cli.importing import importing
from cachepy.cli.opening import session_at
from cachepy.cli.options import command
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from cachepy.maintain.check import Checked
    from cachepy.maintain.repair import Repaired


@command(
    "verify",
    "cachepy verify\ncachepy verify --rerun 20",
    "is_good entries bytes problems unrecorded missing reran stale unable differing others",
)
@click.option(
    "--rerun", metavar="N", type=click.IntRange(0), default=0,
    help="Also run N fresh calls again, with all their side effects, and compare the results. Stores nothing.",
)  # fmt: skip
@click.option("--seed", metavar="N", type=int, help="Take the same sample each time.")
def verify(tell: Tell, cache_dir: str | None, *, rerun: int, seed: int | None) -> int:
    """Check that the cache is whole.

    Reads every entry and the graph, and compares them with their checksums. Changes nothing and loads no value.

    --cache-dir may be the address of a remote cache. --rerun runs some calls again and compares the results: if one
    differs, its function depends on something that cachepy cannot see. It imports the modules of the functions. Exits
    with 1 if there is a problem or a result differs.
    """
    from cachepy.maintain.check import cache_verify

    if elsewhere.is_address(cache_dir):
        root = str(cache_dir)
        with _Progress(tell) as progress:
            checked = elsewhere.check(root, progress)
    else:
        root = place(cache_dir, tell.say)
        with session_at(root), importing(rerun > 0), _Progress(tell) as progress:
            checked = cache_verify(root, rerun=rerun, seed=seed, progress=progress)
    if tell.as_json:
        tell.document(cache_dir=root, **_checked_fields(checked))
    elif not tell.is_silent:
        _tell_checked(tell, checked)
    return 0 if checked.is_good else STALE


def _checked_fields(checked: Checked) -> dict[str, Any]:
    return {"is_good": checked.is_good, **_plain(checked)}


def _plain(record: Any) -> dict[str, Any]:
    """A record as builtins, and the records in it."""
    values = zip(record._fields, record.astuple(), strict=True)
    return {k: [_item(each) for each in v] if isinstance(v, tuple) else v for k, v in values}


def _item(value: Any) -> Any:
    return _plain(value) if hasattr(value, "astuple") else value


def _tell_checked(tell: Tell, checked: Checked) -> None:
    for problem in checked.problems:
        text = f"  {words.near(problem.path)}  {problem.what.replace('cache_repair()', '`cachepy repair`')}"
        tell.parts(("problem", "missing"), (text, ""), (_behind(problem.call), "faint"))
    for each in checked.differing:
        text = f"  {each.label}  gave {each.now}, before {each.before}"
        tell.parts(("differs", "missing"), (text, ""), (_behind(each.call), "faint"))
    for unable in checked.unable:
        text = f"  {unable.function}, {humanize.count(unable.calls, 'call')}: {unable.why}"
        tell.parts(("not run", "stale"), (text, ""))
    _say_graph(tell, checked)
    found = humanize.count(len(checked.problems), "problem") if checked.problems else "all whole"
    again = (
        f"; {humanize.count(checked.reran, 'call')} run again, {len(checked.differing)} differ" if checked.reran else ""
    )
    skipped = f"; {humanize.count(checked.stale, 'stale call')} not compared" if checked.stale else ""
    text = f"{humanize.count(checked.entries, 'entry')}, {humanize.size(checked.bytes)} read: {found}{again}{skipped}"
    tell.line(text, "fresh" if checked.is_good else "head")
    if checked.problems:
        tell.say("`cachepy repair` moves broken files aside and rebuilds the graph; their calls run again when needed")


def _behind(call: str) -> str:
    return f"  ({call})" if call else ""


def _say_graph(tell: Tell, checked: Checked) -> None:
    if checked.others:
        first, number = checked.others[0], humanize.count(len(checked.others), "file")
        tell.say(f"{number} of another version of cachepy left alone: {words.near(first.path)} {first.what}")
    if checked.unrecorded:
        number = humanize.count(len(checked.unrecorded), "stored call")
        tell.say(f"not in the graph: {number}; `cachepy repair` adds them")
    if checked.missing:
        number = humanize.count(len(checked.missing), "call")
        tell.say(f"without a stored value: {number} of the graph; they run again when needed")


class _Progress:
    """A line on stderr while many files are read, if somebody looks at it."""

    def __init__(self, tell: Tell) -> None:
        self.is_on = bool(sys.stderr and sys.stderr.isatty()) and not tell.quiet
        self._began = self._told = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self.is_on and now - self._began > 1 and now - self._told > 0.1:  # s
            self._told = now
            click.echo(f"\r{done:,} of {total:,} files read", nl=False, err=True)

    def __exit__(self, *_: object) -> None:
        if self._told != self._began:
            click.echo("\r\x1b[K", nl=False, err=True)


# ---------------------------------------------------------------- repair


@command(
    "repair",
    "cachepy repair --dry-run\ncachepy repair --yes",
    "is_changed entries events rebuilt moved mended foreign leftovers dry_run",
)
@yes_option
@dry_run_option
def repair(tell: Tell, cache_dir: str | None, *, yes: bool, dry_run: bool) -> int:
    """Move broken files out of the way.

    Broken files go to the folder "broken" in the cache directory, and their calls run again when they are needed. A
    damaged graph is rebuilt from the entries. Nothing is deleted. Shows what would be done and asks; without a
    terminal, add --yes.
    """
    root = place(cache_dir, tell.say)
    with session_at(root):
        found = _repaired(root, dry_run=True)
        if is_shown(tell, yes=yes, dry_run=dry_run):
            _tell_repair(tell, root, found)
        if found.is_changed and not dry_run and may(tell, f"Repair {root}?", yes):
            found = _repaired(root, dry_run=False)
            tell.say(f"repaired {root}")
        if tell.as_json:
            tell.document(cache_dir=root, is_changed=found.is_changed, **_plain(found))
    return 0


def _repaired(root: str, *, dry_run: bool) -> Repaired:
    from cachepy.maintain.repair import cache_repair

    return cache_repair(root, dry_run=dry_run)


def _tell_repair(tell: Tell, root: str, found: Repaired) -> None:
    """What is to be done."""
    if found.rebuilt:
        path = words.near(os.path.join(root, "graph.pkl"))
        tell.line(f"graph    {path}: rebuilt from {humanize.count(found.events, 'run')}")
    for moved in found.moved:
        tell.line(f"move     {words.near(moved.path)} -> {words.near(moved.to)}: {moved.why}")
    for path in found.mended:
        tell.line(f"mended   {words.near(path)}: no longer lists an older value that is gone")
    for each in found.foreign:
        tell.line(f"left     {words.near(each.path)}: {each.what}")
    if found.leftovers:
        tell.say(f"{humanize.count(len(found.leftovers), 'left-over file')}: `cachepy prune` removes them")
    if not found.is_changed:
        tell.say(f"nothing to repair: {humanize.count(found.entries, 'entry')} whole")
