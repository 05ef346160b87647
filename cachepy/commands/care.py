"""The commands that look after a cache directory: prune, verify, repair.

What changes something shows it first and asks.  Imports exits, importing, maintain, opening,
options, tell, words; check and repair when they are used.
"""

from __future__ import annotations

import math
import os
import sys
import time
from itertools import islice

import click

from cachepy.commands import words
from cachepy.commands.importing import importing
from cachepy.commands.opening import place, session_at
from cachepy.commands.options import command, everything, limit
from cachepy.commands.tell import Tell, WrongUse, short_ids
from cachepy.exits import STALE
from cachepy.values import amounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Self

    from cachepy.upkeep.check import Checked
    from cachepy.upkeep.repair import Repaired
    from cachepy.upkeep.stock import Stock

    _Type = click.ParamType[float]
else:
    _Type = click.ParamType  # before click 8.4 it takes no parameter

_DAYS = 30.0
_DAY = 86400.0  # s

_yes = click.option("-y", "--yes", is_flag=True, help="Do it without asking.")
_dry_run = click.option("-n", "--dry-run", is_flag=True, help="Only show what would be done.")


class _Typed(_Type):
    """A value that people type with a unit."""

    def __init__(self, name: str, parse: Callable[[str], float]) -> None:
        self.name = name
        self.parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self.parse(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _may(tell: Tell, question: str, yes: bool) -> bool:
    """Whether it may be done: told so, or asked; a usage error if there is nobody to ask."""
    if yes:
        return True
    if not sys.stdin or not sys.stdin.isatty() or tell.as_json:
        raise WrongUse("nothing was changed: there is nobody to ask; add --yes to do it, or --dry-run to see it")
    if click.confirm(question, err=True):
        return True
    tell.say("nothing was changed")
    return False


# ---------------------------------------------------------------- prune


@command(
    "prune",
    "cachepy prune --older-than 30 --dry-run\ncachepy prune --max-size 10GB --yes",
    "entries size deleted dry_run",
)
@click.option("--older-than", "days", metavar="DAYS", type=_Typed("days", words.parse_age), help=(
    "Entries last written longer ago go: days, or 12h, 30d, 2w; 0: all.  [default: 30, or none with --max-size]"
))  # fmt: skip
@click.option("--max-size", "most", metavar="SIZE", type=_Typed("size", words.parse_size), help=(
    "Then the oldest go until no more than this is left: 500MB, 10GB."
))  # fmt: skip
@limit
@everything
@_yes
@_dry_run
def prune(
    tell: Tell, cache_dir: str | None, *, days: float | None, most: int | None, limit: int, show_all: bool, yes: bool,
    dry_run: bool,
) -> int:  # fmt: skip
    """Delete old entries, after showing them.

    Only files that cachepy wrote go, safely beside running calls, together with what dead writers left behind. The
    record of the graph stays: calls that went are shown as missing, and run when they are needed. Asks before it
    deletes; without a terminal it wants --yes.
    """
    from cachepy.upkeep.maintain import cache_prune
    from cachepy.upkeep.stock import stock

    root = place(cache_dir)
    days = days if days is not None else _DAYS if most is None else math.inf
    with session_at(root):
        began = time.time()
        paths = cache_prune(root, days, max_bytes=most, dry_run=True)
        known = {each.path: each for each in stock(root)}
        going = [known[str(p)] for p in paths if str(p) in known]
        total = sum(each.size for each in going)
        if not tell.as_json:
            _tell_going(tell, going, None if show_all else limit)
        gone = list[str]()
        is_doing = not dry_run and (bool(going) or yes)
        if is_doing and _may(tell, f"Delete {_of(going, total)} from {root}?", yes or not going):
            gone = _prune(root, days and days + (time.time() - began) / _DAY, most)
        _tell_pruned(tell, root, going, gone, dry_run)
    return 0


def _prune(root: str, days: float, most: int | None) -> list[str]:
    """Entries that came of age while the question stood are not among those that were shown."""
    from cachepy.upkeep.maintain import cache_prune

    return [str(path) for path in cache_prune(root, days, max_bytes=most)]


def _of(going: list[Stock], total: int) -> str:
    return f"{amounts.count(len(going), 'entry')} ({amounts.size(total)})"


def _call(each: Stock) -> tuple[str, str]:
    """Id and label; of a damaged entry the name of its file."""
    return (each.events[0].id, each.events[0].title) if each.events else (os.path.basename(each.path), "(damaged)")


def _tell_going(tell: Tell, going: list[Stock], most: int | None) -> None:
    now = time.time()
    names = short_ids(_call(e)[0] for e in going) if tell.is_terminal else {}
    rows: Sequence[Sequence[str]] = [
        (names.get(i, i), amounts.size(e.size), words.age(e.written, now), text)
        for e, (i, text) in ((e, _call(e)) for e in islice(going, most))
    ]
    tell.table(("id", "size", "age", "call"), rows, right="size age", fixed="id")
    if most is not None and len(going) > most:
        tell.say(f"and {amounts.count(len(going) - most, 'more entry')}: --all lists them")


def _tell_pruned(tell: Tell, root: str, going: list[Stock], gone: list[str], dry_run: bool) -> None:
    sizes = {each.path: each.size for each in going}
    if tell.as_json:
        rows = [
            {"id": _call(e)[0], "label": _call(e)[1], "path": e.path, "size": e.size, "created": e.written}
            for e in going
        ]
        tell.document(cache_dir=root, entries=rows, size=sum(sizes.values()), deleted=gone, dry_run=dry_run)
    elif not going:
        tell.say("nothing is old enough to delete")
    elif dry_run:
        tell.say(f"would delete {_of(going, sum(sizes.values()))}")
    elif gone:
        tell.say(f"deleted {amounts.count(len(gone), 'entry')} ({amounts.size(sum(sizes.get(p, 0) for p in gone))})")


# ---------------------------------------------------------------- verify


@command(
    "verify",
    "cachepy verify\ncachepy verify --rerun 20",
    "is_good entries bytes problems unrecorded missing reran stale unable differing",
)
@click.option(
    "--rerun", metavar="N", type=click.IntRange(0), default=0,
    help="Also run N fresh calls again, with all their side effects, and compare their results. Stores nothing.",
)  # fmt: skip
@click.option("--seed", metavar="N", type=int, help="Take the same sample each time.")
def verify(tell: Tell, cache_dir: str | None, *, rerun: int, seed: int | None) -> int:
    """Check that the cache is whole.

    Reads every entry, the graph and the memo against their checksums; changes nothing, and no value is loaded. With
    --rerun it imports the modules of the functions, from here first, and runs a sample of calls again: one that gives
    something else depends on more than cachepy can see. Exits with 1 if there is a problem or a differing result.
    """
    from cachepy.upkeep.check import cache_verify

    root = place(cache_dir)
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
        text = f"  {unable.function}, {amounts.count(unable.calls, 'call')}: {unable.why}"
        tell.parts(("not run", "stale"), (text, ""))
    _say_graph(tell, checked)
    found = amounts.count(len(checked.problems), "problem") if checked.problems else "all whole"
    again = (
        f"; {amounts.count(checked.reran, 'call')} run again, {len(checked.differing)} differ" if checked.reran else ""
    )
    skipped = f"; {checked.stale} not compared, being stale" if checked.stale else ""
    text = f"{amounts.count(checked.entries, 'entry')}, {amounts.size(checked.bytes)} read: {found}{again}{skipped}"
    tell.line(text, "fresh" if checked.is_good else "head")
    if checked.problems:
        tell.say("`cachepy repair` puts broken files aside and makes the graph anew; their calls run again when needed")


def _behind(call: str) -> str:
    return f"  ({call})" if call else ""


def _say_graph(tell: Tell, checked: Checked) -> None:
    if checked.unrecorded:
        number = amounts.count(len(checked.unrecorded), "stored call")
        tell.say(f"{number} not in the graph: `cachepy repair` adds them")
    if checked.missing:
        number = amounts.count(len(checked.missing), "call")
        tell.say(f"{number} of the graph without a stored value, to be run again when needed")


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
@_yes
@_dry_run
def repair(tell: Tell, cache_dir: str | None, *, yes: bool, dry_run: bool) -> int:
    """Put broken files aside.

    Also makes the graph anew from the entries, if it is damaged. Nothing is deleted: broken files go to the folder
    broken in the cache directory, and their calls run again when they are needed. Shows what would be done and asks
    first; without a terminal it wants --yes.
    """
    root = place(cache_dir)
    with session_at(root):
        found = _repaired(root, dry_run=True)
        if not tell.as_json:
            _tell_repair(tell, root, found)
        if found.is_changed and not dry_run and _may(tell, f"Repair {root}?", yes):
            found = _repaired(root, dry_run=False)
            tell.say(f"repaired {root}")
        if tell.as_json:
            tell.document(cache_dir=root, is_changed=found.is_changed, **_plain(found))
    return 0


def _repaired(root: str, *, dry_run: bool) -> Repaired:
    from cachepy.upkeep.repair import cache_repair

    return cache_repair(root, dry_run=dry_run)


def _tell_repair(tell: Tell, root: str, found: Repaired) -> None:
    """What is to be done."""
    if found.rebuilt:
        path = words.near(os.path.join(root, "graph.pkl"))
        tell.line(f"graph    {path}: made anew, of {amounts.count(found.events, 'run')}")
    for moved in found.moved:
        tell.line(f"aside    {words.near(moved.path)} -> {words.near(moved.to)}: {moved.why}")
    for path in found.mended:
        tell.line(f"mended   {words.near(path)}: does not list an older value any more that is gone")
    for each in found.foreign:
        tell.line(f"left     {words.near(each.path)}: {each.what}")
    if found.leftovers:
        tell.say(f"{amounts.count(len(found.leftovers), 'left-over file')}: `cachepy prune` removes them")
    if not found.is_changed:
        tell.say(f"nothing to repair: {amounts.count(found.entries, 'entry')} whole")
