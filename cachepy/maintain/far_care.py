"""Looking after a remote cache: what is in it, what may go, whether it is whole.

How many results there are, how large and how old, is told by the names of objects: no result is read for it.
"""

from __future__ import annotations

import os
import re
import time
from tempfile import TemporaryDirectory

from cachepy.calls.state import current_session
from cachepy.core.model import Record
from cachepy.maintain.check import Checked, Problem
from cachepy.maintain.transfer import Address, Run
from cachepy.store.asking import at_once
from cachepy.store.value_files import arrive, named_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_DAY = 86400.0  # s
_BATCH = 64  # runs that are read together
_KEY = 32  # digits
_SHORT = 8  # digits of a key in the name of a value file
_IN_NAME = re.compile(r"(?:^|-)([0-9a-f]{8})-[0-9a-f]{8}\.")


def function_of(run: Run) -> str:
    """The function of a run, by its place; of an odd name near enough."""
    return run.call.rstrip("/").rpartition("/")[2][: -_KEY - 1]


def key_of(run: Run) -> str:
    """The digest that names its call."""
    return run.call.rstrip("/")[-_KEY:]


def far_sums(url: str) -> dict[str, dict[str, Any]]:
    """Function -> how many calls and bytes; created: of the oldest and newest run, in seconds since the epoch."""
    found: dict[str, dict[str, Any]] = {}
    calls: dict[str, set[str]] = {}
    for run in Address(url, current_session().trust).runs():
        name = function_of(run)
        row = found.setdefault(name, {"entries": 0, "size": 0, "oldest": run.created, "newest": run.created})
        calls.setdefault(name, set()).add(run.call)
        row["entries"] = len(calls[name])
        row["size"] += run.size
        row["oldest"], row["newest"] = min(row["oldest"], run.created), max(row["newest"], run.created)
    return found


class Going(Record):
    """What is to go from a remote cache: runs, oldest first, and the names of all objects that go with them."""

    __slots__ = ("runs", "names")
    runs: tuple[Run, ...]
    names: tuple[str, ...]


def far_going(url: str, days: float, most: int | None, many: int | None) -> Going:
    """What a pruning would remove: runs older than that, then the oldest until there are no more, or no larger."""
    address, now = Address(url, current_session().trust), time.time()
    runs = sorted(address.runs(), key=lambda run: run.created)
    size, number, going = sum(run.size for run in runs), len(runs), list[Run]()
    for run in runs:
        is_old = days == 0 or now - run.created > days * _DAY
        if is_old or (most is not None and size > most) or (many is not None and number > many):
            going.append(run)
            size, number = size - run.size, number - 1
    names = [run.name for run in going]
    if going:  # what lies beside entries goes with the last run of its call
        gone = {key_of(run)[:_SHORT] for run in going}
        left = {run.name for run in runs}.difference(names)
        gone -= {key_of(run)[:_SHORT] for run in runs if run.name in left}
        names += [each for each in address.remote.names("values/") if _short_key(each) in gone]
    return Going(tuple(going), tuple(names))


def _short_key(name: str) -> str:
    """The first digits of the key in the name of a value file: `<arguments>-<key>-<content>.<suffix>`."""
    found = _IN_NAME.findall(name.split("/")[2]) if name.count("/") >= 2 else []
    return found[-1] if found else ""


def far_remove(url: str, going: Going) -> None:
    """Remove what is to go; OSError if that cannot be done."""
    Address(url, current_session().trust).remote.remove(going.names)


def far_check(url: str, progress: Callable[[int, int], None] | None = None) -> Checked:
    """Read all runs of a remote cache, and compare them with their checksums. Nothing in them runs."""
    address = Address(url, current_session().trust)
    runs, problems = [*address.runs()], list[Problem]()

    def look(run: Run) -> None:
        event = run.whole()[0]
        if named_in(event.trace):
            with TemporaryDirectory() as folder:  # where it comes in, it is checked
                arrive(folder, event, address.files(event), address.near.trust)

    for start in range(0, len(runs), _BATCH):
        batch = runs[start : start + _BATCH]
        for run, error in zip(batch, at_once(look, batch), strict=True):
            if isinstance(error, Exception):
                problems.append(Problem(f"{url}/{run.name}", f"{function_of(run)}:{key_of(run)}", _what(error, run)))
        if progress is not None:
            progress(min(start + _BATCH, len(runs)), len(runs))
    size = sum(run.size for run in runs)
    return Checked(len(runs), size, tuple(problems), (), (), 0, 0, (), (), ())


def _what(error: Exception, run: Run) -> str:
    text = str(error)
    return text.partition(os.path.basename(run.name))[2].strip() or text
