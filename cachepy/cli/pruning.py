"""The command that deletes what is old."""

from __future__ import annotations

import math
import os
import time
from itertools import islice

import click

from cachepy.cli import elsewhere, words
from cachepy.cli.consent import dry_run_option, is_shown, may, yes_option
from cachepy.cli.console import Tell, complain
from cachepy.cli.exit_codes import ERROR
from cachepy.cli.finding import place
from cachepy.cli.opening import session_at
from cachepy.cli.options import Typed, command, everything, limit
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cachepy.maintain.prune import Limits, Pruned
    from cachepy.store.inventory import Stock

_DAYS = 30.0
_DAY = 86400.0  # s


@command(
    "prune",
    "cachepy prune --older-than 30 --dry-run\ncachepy prune --max-size 10GB --yes",
    "entries size deleted forgotten dry_run",
)
@click.option("--older-than", "days", metavar="DAYS", type=Typed("days", words.parse_age), help=(
    "Delete entries written longer ago than this: a number of days, or 12h, 30d, 2w; 0 deletes all.  "
    "[default: 30; with --max-size or --max-entries: none]"
))  # fmt: skip
@click.option("--max-size", "most", metavar="SIZE", type=Typed("size", words.parse_size), help=(
    "Delete the oldest entries until the rest is no larger than this: 500MB, 10GB. Only entries count."
))  # fmt: skip
@click.option("--max-entries", "many", metavar="COUNT", type=click.IntRange(min=0), help=(
    "Delete the oldest entries until no more files of results are left than this. An older result is one too."
))  # fmt: skip
@click.option("--least-used", is_flag=True, help=(
    "Go by when results were used last, not by when they were written. Where the cache has a max_bytes, a hit "
    "marks that once an hour."
))  # fmt: skip
@click.option("--forget", is_flag=True, help=(
    "Also drop from graph.pkl the calls that no program makes now and that have no stored result."
))  # fmt: skip
@limit
@everything
@yes_option
@dry_run_option
def prune(
    tell: Tell, cache_dir: str | None, *, days: float | None, most: int | None, many: int | None, least_used: bool,
    forget: bool, limit: int, show_all: bool, yes: bool, dry_run: bool,
) -> int:  # fmt: skip
    """Delete old entries, after showing them.

    Deletes only files that cachepy wrote, also while calls are running, and what dead processes left behind. Shows what
    would go and asks; without a terminal, add --yes.

    --cache-dir may be the address of a remote cache; --least-used and --forget mean nothing there.

    The graph still knows the calls: they are shown as missing, and run again when they are needed. --forget drops them
    from the graph too.
    """
    from cachepy.maintain.prune import Pruned
    from cachepy.maintain.prune import prune as pruned

    if elsewhere.is_address(cache_dir):
        older = days if days is not None else _DAYS if most is None and many is None else math.inf
        return elsewhere.prune(
            tell, str(cache_dir), (older, most, many), None if show_all else limit, yes=yes, dry_run=dry_run
        )
    root = place(cache_dir, tell.say)
    limits = _Limits(days if days is not None else _DAYS if most is None and many is None else math.inf, most, many)
    with session_at(root):
        plan = pruned(root, limits.of(limits.days, least_used), forget=forget, dry_run=True)
        if is_shown(tell, yes=yes, dry_run=dry_run):
            _tell_going(tell, plan.gone, None if show_all else limit)
        done = Pruned([], set(), [])
        is_any = bool(plan.gone or plan.forgotten)
        if not dry_run and (is_any or yes) and may(tell, f"{_question(plan)} from {root}?", yes or not is_any):
            done = pruned(root, limits.of(limits.now(), least_used), forget=forget, dry_run=False)
        _tell_pruned(tell, root, plan, done, limits, dry_run=dry_run)
    return _troubled(done)


class _Limits:
    """How old, how large and how many entries may be."""

    def __init__(self, days: float, most: int | None, many: int | None) -> None:
        self.days = days
        self.most = most
        self.many = many
        self._began = time.time()

    def of(self, days: float, least_used: bool) -> Limits:
        from cachepy.maintain.prune import Limits

        return Limits(days, self.most, self.many, least_used=least_used)

    def now(self) -> float:
        """Entries that came of age while the question stood are not among those that were shown."""
        return self.days and self.days + (time.time() - self._began) / _DAY

    def __str__(self) -> str:
        """Why nothing goes."""
        if self.most is None and self.many is None:
            return "nothing is old enough to delete"
        bounds = [] if self.most is None else [humanize.size(self.most)]
        bounds += [] if self.many is None else [humanize.count(self.many, "file")]
        size = f"the entries have no more than {' and '.join(bounds)}: nothing to delete"
        return size if self.days == math.inf else f"nothing is old enough, and {size}"


def _of(going: list[Stock]) -> str:
    return f"{humanize.count(len(going), 'entry')} ({humanize.size(sum(each.size for each in going))})"


def _calls(forgotten: set[str]) -> str:
    return humanize.count(len(forgotten), "call")


def _question(plan: Pruned) -> str:
    parts = [f"Delete {_of(plan.gone)}"] if plan.gone else []
    parts += [f"forget {_calls(plan.forgotten)}"] if plan.forgotten else []
    text = " and ".join(parts)
    return text[:1].upper() + text[1:]


def _troubled(done: Pruned) -> int:
    """The exit code; what could not be done is said even with --quiet."""
    for trouble in done.troubles:
        complain(f"cachepy: error: {trouble}")
    return ERROR if done.troubles else 0


def _call(each: Stock) -> tuple[str, str]:
    """Id and label; of a damaged entry the name of its file."""
    return (each.events[0].id, each.events[0].title) if each.events else (os.path.basename(each.path), "(damaged)")


def _tell_going(tell: Tell, going: list[Stock], most: int | None) -> None:
    now = time.time()
    ids = [_call(e)[0] for e in going]
    names = tell.names(ids[:most], ids)
    rows: Sequence[Sequence[str]] = [
        (names[i], humanize.size(e.size), words.age(e.written, now), text)
        for e, (i, text) in ((e, _call(e)) for e in islice(going, most))
    ]
    tell.table(("id", "size", "age", "call"), rows, right="size age", fixed="id", spare="age")
    if most is not None and len(going) > most:
        tell.say(f"and {humanize.count(len(going) - most, 'more entry')}: --all lists them")


def _tell_pruned(tell: Tell, root: str, plan: Pruned, done: Pruned, limits: _Limits, *, dry_run: bool) -> None:
    if tell.as_json:
        rows = [
            {"id": _call(e)[0], "label": _call(e)[1], "path": e.path, "size": e.size, "created": e.written}
            for e in plan.gone
        ]
        size, deleted = sum(e.size for e in plan.gone), [e.path for e in done.gone]
        forgotten = sorted((plan if dry_run else done).forgotten)
        tell.document(cache_dir=root, entries=rows, size=size, deleted=deleted, forgotten=forgotten, dry_run=dry_run)
        return
    shown = plan if dry_run else done
    would = "would be " if dry_run else ""
    if not plan.gone:
        tell.say(str(limits))
    elif shown.gone:
        tell.say(f"would delete {_of(shown.gone)}" if dry_run else f"deleted {_of(shown.gone)}")
    if shown.forgotten:
        tell.say(f"{_calls(shown.forgotten)} {would}forgotten")
