"""stats, prune and verify of an address: a remote cache."""

from __future__ import annotations

import os
import time

from cachepy.cli import words
from cachepy.cli.consent import is_shown, may
from cachepy.cli.console import Tell
from cachepy.cli.opening import session_at
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.maintain.check import Checked
    from cachepy.maintain.far_care import Going


def is_address(cache_dir: str | None) -> bool:
    """Whether a remote cache is named, not a directory."""
    return cache_dir is not None and "://" in cache_dir


def check(url: str, progress: Callable[[int, int], None]) -> Checked:
    """All of it, read and compared."""
    from cachepy.maintain.far_care import far_check

    with session_at(os.getcwd()):
        return far_check(url, progress)


def sums(tell: Tell, url: str) -> int:
    """What is stored, one line for each function."""
    from cachepy.maintain.far_care import far_sums

    with session_at(os.getcwd()):
        functions = far_sums(url)
    total = {what: sum(each[what] for each in functions.values()) for what in ("entries", "size")}
    if tell.as_json:
        times = [each for f in functions.values() for each in (f["oldest"], f["newest"])]
        oldest, newest = min(times, default=None), max(times, default=None)
        tell.document(cache_dir=url, functions=functions, total=total, oldest=oldest, newest=newest, dropped=[])
        return 0
    if not functions:
        tell.say(f"nothing is stored in {url}")
        return 0
    rows = [*sorted(functions.items(), key=lambda row: -row[1]["size"]), ("total", total)]
    shown = (lambda n: f"{n:,}", humanize.size) if tell.is_terminal else (str, str)
    cells = [(shown[0](row["entries"]), shown[1](row["size"]), name) for name, row in rows]
    tell.table(("calls", "size", "function"), cells, right="calls size")
    return 0


def prune(
    tell: Tell, url: str, limits: tuple[float, int | None, int | None], most: int | None, *, yes: bool, dry_run: bool
) -> int:  # fmt: skip
    """Remove what is old, after showing it; limits: days, bytes, runs; most: how many lines are shown."""
    from cachepy.maintain.far_care import far_going, far_remove

    with session_at(os.getcwd(), writes=True):
        going = far_going(url, *limits)
        if is_shown(tell, yes=yes, dry_run=dry_run):
            _tell_going(tell, going, most)
        number = humanize.count(len(going.runs), "result")
        is_done = False
        if not dry_run and going.runs and may(tell, f"Delete {number} from {url}?", yes):
            far_remove(url, going)
            is_done = True
    if tell.as_json:
        rows = [_row(url, run) for run in going.runs]
        deleted = [f"{url}/{name}" for name in going.names] if is_done else []
        size = sum(run.size for run in going.runs)
        tell.document(cache_dir=url, entries=rows, size=size, deleted=deleted, forgotten=[], dry_run=dry_run)
    elif not going.runs:
        tell.say("nothing is old enough to delete")
    else:
        tell.say(f"{'deleted' if is_done else 'would delete'} {number}")
    return 0


def _row(url: str, run: Any) -> dict[str, Any]:
    from cachepy.maintain.far_care import function_of, key_of

    call = f"{function_of(run)}:{key_of(run)}"
    return {"id": call, "label": call, "path": f"{url}/{run.name}", "size": run.size, "created": run.created}


def _tell_going(tell: Tell, going: Going, most: int | None) -> None:
    rows = [_row("", run) for run in going.runs[:most]]
    now = time.time()
    cells = [(row["id"], humanize.size(row["size"]), words.age(row["created"], now)) for row in rows]
    tell.table(("id", "size", "age"), cells, right="size age", fixed="id")
    if most is not None and len(going.runs) > most:
        tell.say(f"and {len(going.runs) - most:,} more: --all lists them")
