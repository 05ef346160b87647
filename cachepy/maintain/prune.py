"""Looking after a cache directory: what is in it, how large it is, what may go.

Works on the files alone, safe beside running calls.  Only files that cachepy wrote are touched.
"""

from __future__ import annotations

import os
import time
import warnings

from cachepy.calls.import_refusal import refuse
from cachepy.calls.options import root_of
from cachepy.calls.state import current_session, refuse_if_quiet
from cachepy.errors import CacheWriteWarning, UsageError, UsageValueError, user_level
from cachepy.graph.compact import shrink
from cachepy.graph.eviction import dropped
from cachepy.graph.program_files import Programs
from cachepy.maintain.forget import forget as drop_gone
from cachepy.maintain.forget import to_forget
from cachepy.maintain.garbage import remove_broken, remove_claims, remove_leftovers, remove_programs, remove_signs
from cachepy.store import value_files
from cachepy.store.entries import Store
from cachepy.store.inventory import Stock, is_ours, size_of, state_of, stock
from cachepy.store.layout import CLAIM, ENTRY, VALID
from cachepy.store.sizes import octets_of
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

_DAY = 86400.0  # s


def cache_list(cache_dir: str | os.PathLike[str] | None = None) -> list[dict[str, Any]]:
    """What is stored, one dict a call, oldest first.

    No value is loaded, and no code runs.

    Parameters
    ----------
    cache_dir : str or os.PathLike, optional
        The cache directory; by default `cache_default_dir`.

    Returns
    -------
    list of dict
        ``id``, ``fname`` and ``module``: texts; ``label``: argument -> a short text of its value; ``path``: of
        the entry, ``file``: of the value, both a pathlib.Path and the same unless it has a `format`; ``size`` and
        ``size_bytes``: of all its values, in bytes; ``created``: end of the newest run, in seconds since the
        epoch; ``elapsed``: its length, in seconds; ``traces``: how many runs are stored.

    Raises
    ------
    FileNotFoundError
        If there is no such directory.

    See Also
    --------
    cache_tree_nodes : The graph, with the calls whose values are gone too.

    Examples
    --------
    >>> from cachepy import cache_file, cache_list
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> square(3)
    9
    >>> [(call["fname"], call["label"], call["traces"]) for call in cache_list("cache")]
    [('square', {'x': '3'}, 1)]
    """
    rows = [_row(each) for each in stock(root_of(cache_dir)) if each.events]
    return sorted(rows, key=lambda r: (r["created"], r["id"]))


def _row(entry: Stock) -> dict[str, Any]:
    from pathlib import Path

    event = entry.events[0]
    return {
        "id": event.id,
        "fname": event.fname,
        "module": event.module,
        "label": dict(event.label),
        "path": Path(entry.path),
        "file": Path(*value_files.files_of(entry.root, event)[:1] or [entry.path]),
        "size": entry.size,
        "size_bytes": entry.size,
        "created": event.created,
        "elapsed": event.elapsed,
        "traces": len(entry.files),
    }


def cache_info(cache_dir: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """How much a cache directory holds.

    Parameters
    ----------
    cache_dir : str or os.PathLike, optional
        The cache directory; by default `cache_default_dir`.

    Returns
    -------
    dict
        ``path``: pathlib.Path, absolute; ``entries``: number of stored calls; ``size``: of all files of cachepy
        there, also the graph's, in bytes; ``functions``: list of their names; ``oldest`` and ``newest``: end of the
        oldest and the newest run, in seconds since the epoch, None if there is no entry.

    Raises
    ------
    FileNotFoundError
        If there is no such directory.

    See Also
    --------
    cache_stats : The same by function.

    Examples
    --------
    >>> from cachepy import cache_file, cache_info
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> square(3)
    9
    >>> info = cache_info("cache")
    >>> info["entries"], info["functions"]
    (1, ['square'])
    """
    from pathlib import Path

    root = root_of(cache_dir)
    total = Sums(root)
    return {
        "path": Path(root),
        "entries": total.entries,
        "size": size_of_all(root),
        "functions": list(total.functions),
        "oldest": total.oldest,
        "newest": total.newest,
    }


class Sums:
    """What is stored, summed up by function, by one look at each entry."""

    __slots__ = ("entries", "functions", "newest", "oldest", "size")

    def __init__(self, root: str) -> None:
        self.entries = self.size = 0
        self.oldest: float | None = None
        self.newest: float | None = None
        found: dict[str, dict[str, Any]] = {}
        for entry in stock(root):
            for event in entry.events[:1]:
                self.entries += 1
                self.size += entry.size
                total = found.setdefault(event.fname, {"entries": 0, "size": 0, "elapsed": 0.0})
                total["entries"] += 1
                total["size"] += entry.size
                total["elapsed"] += event.elapsed
                self.oldest = event.created if self.oldest is None else min(self.oldest, event.created)
                self.newest = event.created if self.newest is None else max(self.newest, event.created)
        self.functions = dict(sorted(found.items()))


def size_of_all(root: str) -> int:
    """Of all files of cachepy there, in bytes."""
    return sum(map(size_of, _all_files(root)))


def _all_files(root: str) -> Iterator[str]:
    for top in Store(root).others():
        if os.path.isfile(top):
            yield top
        for folder, _, names in os.walk(top):
            yield from (os.path.join(folder, name) for name in names)


def dropped_from(root: str) -> list[dict[str, Any]]:
    """What went from a cache directory to hold it below its size."""
    return dropped(Store(root))


def cache_stats(cache_dir: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """How much each function has in a cache directory.

    Parameters
    ----------
    cache_dir : str or os.PathLike, optional
        The cache directory; by default `cache_default_dir`.

    Returns
    -------
    dict
        ``n_entries``: number of stored calls; ``total_size_mb``: of all their values, in millions of bytes;
        ``oldest`` and ``newest``: end of the oldest and the newest run, in seconds since the epoch, None if there is
        no entry; ``by_function``: names of functions with ``entries``: number of stored calls; ``size``: of all their
        values, in bytes; ``elapsed``: length of their newest runs together, in seconds; ``dropped``: what went to hold
        the directory below `max_bytes`, the last times, oldest first, one dict each with ``when`` in seconds since the
        epoch, ``entries`` and ``older``: how many newest and older results, ``size`` and ``max_bytes`` in bytes,
        ``last_used``: when the one of them that was used last was. Each function also stands beside these under its
        name, unless that is one of the six.

    Raises
    ------
    FileNotFoundError
        If there is no such directory.

    See Also
    --------
    cache_info : One summary.

    Examples
    --------
    >>> from cachepy import cache_file, cache_stats
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> square(3)
    9
    >>> stats = cache_stats("cache")
    >>> stats["n_entries"], stats["by_function"]["square"]["entries"]
    (1, 1)
    """
    root = root_of(cache_dir)
    total = Sums(root)
    return total.functions | {
        "n_entries": total.entries,
        "total_size_mb": total.size / 1e6,
        "oldest": total.oldest,
        "newest": total.newest,
        "by_function": total.functions,
        "dropped": dropped_from(root),
    }


def cache_prune(
    cache_dir: str | os.PathLike[str] | None = None,
    days_old: float = 30,
    *,
    max_bytes: str | float | None = None,
    max_entries: int | None = None,
    least_used: bool = False,
    forget: bool = False,
    dry_run: bool = False,
) -> list[Path]:
    """Delete old entries, and what dead writers left behind.

    With the entries go their notes, the descriptions of code that no entry needs any more, and what `cache_repair` put
    aside that long ago. The record of the
    graph, ``graph.pkl``, stays: it is history, in which calls that went are shown as missing. With `forget` these
    go too, so that the file shrinks. Only files that cachepy wrote are touched, and calls may be running meanwhile.
    Entries that cannot be deleted stay, with a `CacheWriteWarning`.

    Parameters
    ----------
    cache_dir : str or os.PathLike, optional
        The cache directory; by default `cache_default_dir`.
    days_old : float, default 30
        Entries last written longer ago than this go, in days; 0: all.
    max_bytes : str or number, optional
        After that the oldest go until the entries that remain have no more than this: ``"50 GB"``, or a number of
        bytes.
    max_entries : int, optional
        Likewise until no more files of results than this remain; an older result of a call is a file of its own.
    least_used : bool, default False
        Go by when results were used last, not by when they were written. A hit marks that at most once an hour,
        where the cache has a `max_bytes`.
    forget : bool, default False
        Also drop from ``graph.pkl`` every call that has no value in this directory any more, for calls that no
        program makes now. A program that is running keeps its graph in memory.
    dry_run : bool, default False
        Only say what would go.

    Returns
    -------
    list of pathlib.Path
        The entries that are gone (or would go).

    Raises
    ------
    UsageError
        For an age or size that is no number, and for a file instead of a directory.
    UsageValueError
        For a negative or nan age or size.
    FileNotFoundError
        If there is no such directory.

    See Also
    --------
    cache_repair : Moves broken files aside, and deletes nothing.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cachepy import cache_file, cache_prune
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> square(3)
    9
    >>> len(cache_prune("cache", days_old=30)), len(cache_prune("cache", days_old=0))
    (0, 1)
    >>> square.is_cached(3)
    False

    Calls that no program makes any more:

    >>> _ = cache_prune("cache", days_old=0, forget=True)
    >>> print(Path("cache/graph.pkl").stat().st_size < 100)
    True
    """
    from pathlib import Path

    limits = Limits(days_old, max_bytes, max_entries, least_used=least_used)
    if not dry_run:
        refuse_if_quiet("cache_prune()")
    done = prune(root_of(cache_dir), limits, forget=forget, dry_run=dry_run)
    if done.troubles:
        text = f"{'; '.join(done.troubles)}. Run it as a user who may write there"
        warnings.warn(text, CacheWriteWarning, stacklevel=user_level())
    return [Path(entry.path) for entry in done.gone]


class Pruned:
    """What a prune did: the entries that are gone, the calls that were forgotten, and what could not be done."""

    __slots__ = ("forgotten", "gone", "troubles")

    def __init__(self, gone: list[Stock], forgotten: set[str], troubles: list[str]) -> None:
        self.gone = gone
        self.forgotten = forgotten
        self.troubles = troubles


class Limits:
    """How old, how large and how many entries may be; every problem is an error that names the option."""

    __slots__ = ("days", "least_used", "max_bytes", "max_entries")

    def __init__(
        self, days_old: float, max_bytes: Any = None, max_entries: Any = None, *, least_used: bool = False
    ) -> None:
        _check_age("days_old", days_old)
        self.days = days_old
        self.max_bytes = octets_of("max_bytes", max_bytes) if isinstance(max_bytes, str) else max_bytes
        self.max_entries = max_entries
        self.least_used = least_used
        for option, value in (("max_bytes", self.max_bytes), ("max_entries", max_entries)):
            if value is not None:
                _check_age(option, value)

    def time_of(self, entry: Stock) -> float:
        """The time that counts of an entry."""
        return entry.used if self.least_used else entry.written


def prune(root: str, limits: Limits, *, forget: bool, dry_run: bool) -> Pruned:
    """`cache_prune`, or what it would do."""
    store = Store(root)
    limit = time.time() - limits.days * _DAY if limits.days else float("inf")
    going = _outdated(root, limit, limits)
    if dry_run:
        forgotten = to_forget(store, {e.id for each in going for e in each.events[:1]}) if forget else set[str]()
        return Pruned(going, forgotten, [])
    refuse(current_session(), "cache_prune")
    remove_claims(store)
    gone, errors = _remove_all(going)
    remove_signs(store, limit)
    remove_programs(store, limit)
    remove_broken(store, limit)
    remove_leftovers(root)
    troubles = [f"could not delete {humanize.count(len(errors), 'entry')}: {errors[0].strerror}"] if errors else []
    forgotten = set()
    try:
        forgotten = drop_gone(store) if forget else forgotten
        Programs(store).forget(forgotten)
    except OSError as error:
        troubles.append(f"could not forget any call: {error.strerror} ({error.filename or store.journal.path})")
    shrink(store)
    return Pruned(gone, forgotten, troubles)


def _outdated(root: str, limit: float, limits: Limits) -> list[Stock]:
    """The entries from before a time, and the first of the others while they are too large, or too many, together."""
    entries = sorted((each.slim() for each in stock(root)), key=lambda e: (limits.time_of(e), e.path))
    size, files, found = sum(e.size for e in entries), sum(len(e.files) for e in entries), []
    most = float("inf") if limits.max_bytes is None else limits.max_bytes
    many = float("inf") if limits.max_entries is None else limits.max_entries
    for entry in entries:
        if limits.time_of(entry) < limit or size > most or files > many:
            found.append(entry)
            size -= entry.size
            files -= len(entry.files)
    return found


def _check_age(option: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{option} must be a number, not {value!r}")
    if not value >= 0:
        raise UsageValueError(f"{option} must be 0 or more, not {value!r}")
    if isinstance(value, int) and value.bit_length() > 63:
        raise UsageValueError(f"{option} must be below 2**63; this number has {len(str(value)):,} digits")


def _remove_all(going: list[Stock]) -> tuple[list[Stock], list[OSError]]:
    """Remove entries that are still what they were and are not being written; those that are gone, why others stay."""
    gone, errors = [], []
    for entry in going:
        is_written = os.path.exists(entry.path[: -len(ENTRY)] + CLAIM) or state_of(entry.path) != entry.stamp
        error = None if is_written else _remove(entry)
        if not os.path.lexists(entry.path):
            gone.append(entry)
        elif error is not None:
            errors.append(error)
    return gone, errors


def _remove(entry: Stock) -> OSError | None:
    """Remove an entry with its values and notes; the first error."""
    failed, beside = None, entry.beside
    for path in (*entry.files, entry.path[: -len(ENTRY)] + VALID):
        try:
            if is_ours(path):
                os.unlink(path)
        except FileNotFoundError:  # somebody else removed it
            pass
        except OSError as error:
            failed = failed or error
    if failed is None:
        for path in beside:
            value_files.remove(path)
    return failed
