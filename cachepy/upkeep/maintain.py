"""Looking after a cache directory: what is in it, how large it is, what may go.

Works on the files alone, safe beside running calls.  Only files that cachepy wrote are touched,
known by their content.  Imports store, entryfile, claims, model, errors, session.
"""

from __future__ import annotations

import os
import time

from cachepy.calls.options import Options, cache_default_dir
from cachepy.disk import claims
from cachepy.disk.entryfile import MAGIC, EntryFile, format_of
from cachepy.disk.journal import MARK
from cachepy.errors import EntryError, UsageError, UsageValueError
from cachepy.model import CODE, Event
from cachepy.rows.packed import pack
from cachepy.session import current_session
from cachepy.store import CLAIM, ENTRY, OLD, TEMPORARY, VALID, Store, rows_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from cachepy.disk.entryfile import Stamp

_DAY = 86400.0  # s
_STARTS = (MARK, b"\x80\x05")  # of our files: records, other data in the wire form
_STALE = 3600.0  # s; nobody who is alive leaves a file that is being written, or a claim, untouched for longer
_MINUTE = 60.0  # s


class Stock:
    """One entry as it was when it was looked at; `events` is empty if it is damaged."""

    __slots__ = ("events", "files", "path", "size", "stamp", "written")

    def __init__(self, path: str, root: str) -> None:
        rows: list[tuple[Event | None, str]] = [(None, os.path.basename(path))]
        try:
            opened = EntryFile(path)
            rows[:], self.stamp = rows_of(path, opened), opened.stamp
        except EntryError:
            self.stamp = _stamp(path)
        self.path = path
        self.events = [event.replace(root=root) for event, _ in rows if event is not None]
        self.files = [os.path.join(os.path.dirname(path), name) for _, name in rows]
        self.size = sum(map(_size, self.files))
        self.written = self.events[0].created if self.events else self.stamp[1] / 1e9


def stock(root: str) -> Iterator[Stock]:
    """All entries that cachepy wrote, sorted by their paths."""
    for path in Store(root).calls():
        try:
            entry = Stock(path, root)
        except OSError:
            continue  # removed meanwhile, or not ours to read
        if entry.events or _is_ours(path):
            yield entry


def scan(root: str) -> Iterator[tuple[str, Event | None]]:
    """Each entry's path with its newest event; None for one that is damaged."""
    return ((each.path, next(iter(each.events), None)) for each in stock(root))


def root_of(cache_dir: str | Path | None) -> str:
    """The absolute path of a cache directory; UsageError if it is none."""
    if cache_dir is not None:
        Options(cache_dir=cache_dir)  # complains
    root = cache_default_dir() if cache_dir is None else os.path.abspath(os.fspath(cache_dir))
    if os.path.exists(root) and not os.path.isdir(root):
        raise UsageError(f"{root} is a file, not a cache directory")
    return root


def cache_list(cache_dir: str | Path | None = None) -> list[dict[str, Any]]:
    """What is stored, one dict a call, oldest first.

    Parameters
    ----------
    cache_dir : path, optional
        By default `cache_default_dir`.

    Returns
    -------
    list of dict
        ``id, fname, module, label, path, size`` (bytes, all its values), ``created`` (seconds
        since the epoch), ``elapsed`` (s), ``traces`` (how many are stored).

    Examples
    --------
    >>> import tempfile
    >>> cache_list(tempfile.mkdtemp())
    []
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
        "size": entry.size,
        "created": event.created,
        "elapsed": event.elapsed,
        "traces": len(entry.files),
    }


def cache_info(cache_dir: str | Path | None = None) -> dict[str, Any]:
    """One summary of a cache directory: ``path, entries, size`` (bytes)``, functions, oldest, newest``.

    ``size`` counts all files of cachepy there, also the graph's. ``oldest`` and ``newest`` are seconds since the
    epoch, None if there is no entry.

    Examples
    --------
    >>> import tempfile
    >>> cache_info(tempfile.mkdtemp())["entries"]
    0
    """
    from pathlib import Path

    root = root_of(cache_dir)
    rows = cache_list(root)
    times = [r["created"] for r in rows]
    return {
        "path": Path(root),
        "entries": len(rows),
        "size": sum(map(_size, _all_files(root))),
        "functions": sorted({r["fname"] for r in rows}),
        "oldest": min(times, default=None),
        "newest": max(times, default=None),
    }


def _all_files(root: str) -> Iterator[str]:
    for top in Store(root).others():
        if os.path.isfile(top):
            yield top
        for folder, _, names in os.walk(top):
            yield from (os.path.join(folder, name) for name in names)


def cache_stats(cache_dir: str | Path | None = None) -> dict[str, dict[str, Any]]:
    """Per function: ``entries, size`` (bytes)``, elapsed`` (s, of all recorded runs together).

    Examples
    --------
    >>> import tempfile
    >>> cache_stats(tempfile.mkdtemp())
    {}
    """
    found: dict[str, dict[str, Any]] = {}
    for row in cache_list(cache_dir):
        total = found.setdefault(row["fname"], {"entries": 0, "size": 0, "elapsed": 0.0})
        total["entries"] += 1
        total["size"] += row["size"]
        total["elapsed"] += row["elapsed"]
    return dict(sorted(found.items()))


def cache_prune(
    cache_dir: str | Path | None = None, days_old: float = 30, max_bytes: int | None = None, *, dry_run: bool = False
) -> list[Path]:
    """Delete old entries, and what dead writers left behind.

    With the entries go their notes, and the descriptions of code that no entry needs any more. The record of the
    graph, ``graph.pkl``, stays: it is history, in which calls that went are shown as missing.

    Parameters
    ----------
    cache_dir : path, optional
        By default `cache_default_dir`.
    days_old : float
        Entries last written longer ago than this go; 0: all.
    max_bytes : int, optional
        After that the oldest go until the entries that remain have no more than this.
    dry_run : bool
        Only say what would go.

    Returns
    -------
    list of pathlib.Path
        The entries that went (or would go).

    Raises
    ------
    UsageValueError
        For a negative or nan age or size.

    Examples
    --------
    >>> import tempfile
    >>> cache_prune(tempfile.mkdtemp(), days_old=0)
    []
    """
    from pathlib import Path

    _check_age("days_old", days_old)
    if max_bytes is not None:
        _check_age("max_bytes", max_bytes)
    root = root_of(cache_dir)
    going = _outdated(root, time.time() - days_old * _DAY if days_old else float("inf"), max_bytes)
    if not dry_run:
        remove_claims(Store(root))
        going = _remove_all(going)
        remove_leftovers(root)
    return [Path(entry.path) for entry in going]


def _outdated(root: str, limit: float, max_bytes: int | None) -> list[Stock]:
    """The entries written before a time, and the oldest of the others while they are too large together."""
    entries = sorted(stock(root), key=lambda e: (e.written, e.path))
    size, found = sum(e.size for e in entries), []
    for entry in entries:
        if entry.written < limit or (max_bytes is not None and size > max_bytes):
            found.append(entry)
            size -= entry.size
    return found


def _check_age(option: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{option} must be a number, not {value!r}")
    if not value >= 0:
        raise UsageValueError(f"{option} must be 0 or more, not {value!r}")
    if isinstance(value, int) and value.bit_length() > 63:
        raise UsageValueError(f"{option} must be below 2**63; this number has {len(str(value)):,} digits")


def _remove_all(going: list[Stock]) -> list[Stock]:
    """Remove entries that are still what they were and are not being written; returns those that went."""
    gone = []
    for entry in going:
        stem = entry.path[: -len(ENTRY)]
        if not os.path.exists(stem + CLAIM) and _stamp(entry.path) == entry.stamp:
            for path in (*entry.files, stem + VALID):
                if _is_ours(path):
                    _unlink(path)
            gone.append(entry)
    return gone


def remove_leftovers(root: str) -> int:
    """Remove what belongs to nobody any more, values, notes, code and mailboxes too; returns how many files."""
    store = Store(root)
    count = remove_claims(store)
    is_busy = next(store.files(CLAIM), None) is not None
    unneeded = [p for p in store.files(OLD, VALID) if _is_orphan(p)]
    unneeded += [p for p in (*store.files(TEMPORARY, claims.BREAK), *store.others("code")) if _is_abandoned(p)]
    if not is_busy:  # a run may need its mailbox however long it takes, and has not stored yet what code it needs
        unneeded += [p for p in store.others("runs") if _age(p) > _DAY and _is_ours(p)]
        unneeded += _unneeded_code(store)
    for path in unneeded:
        _unlink(path)
    for folder in (*store.folders(), os.path.join(root, "code")):
        _best_effort(os.rmdir, folder)  # only an empty one goes
    return count + len(unneeded)


def remove_claims(store: Store) -> int:
    """Remove claims of the dead; one of another host counts as such if it was not touched for long."""
    owner = claims.Claims()
    count = 0
    for path in filter(_is_ours, store.files(CLAIM)):
        if owner.is_held(path):
            if owner.is_of_here(path) or _age(path) < _STALE:
                continue
            _unlink(path)
        _record_again(store, path[: -len(CLAIM)] + ENTRY)
        count += 1
    return count


def _record_again(store: Store, path: str) -> None:
    """Who had the claim may have died between storing and recording; twice does no harm."""
    try:
        for event in Stock(path, store.root).events[:1]:
            store.journal.append_packed(pack(event))
    except OSError:
        pass


def _unneeded_code(store: Store) -> list[str]:
    """Descriptions of code that no stored trace names."""
    records = [p for p in store.others("code") if not p.endswith(TEMPORARY)]
    if not records:
        return []
    needed = {d.digest for e in stock(store.root) for event in e.events for d in event.trace.deps if d.kind == CODE}
    current_session()._code_kept.clear()  # written again when a call needs them again
    return [p for p in records if os.path.basename(p) not in needed and _is_ours(p)]


def _is_orphan(path: str) -> bool:
    """An older value or a note whose entry is gone, or does not list it any more."""
    stem = path[: -len(VALID)] if path.endswith(VALID) else path[: -len(OLD)].rpartition(".")[0]
    if not _is_ours(path) or os.path.exists(stem + CLAIM):  # its entry is being written
        return False
    if not os.path.exists(stem + ENTRY):
        return _age(path) > 1.0
    try:
        entry = Stock(stem + ENTRY, "")
    except OSError:
        return False
    return path.endswith(OLD) and bool(entry.events) and path not in entry.files


def _is_abandoned(path: str) -> bool:
    """A temporary file that nobody writes any more: old, or of a process that is gone from this host."""
    if not path.endswith((TEMPORARY, claims.BREAK)) or not _is_ours(path):
        return False
    if path.endswith(claims.BREAK):
        return _age(path) > _MINUTE
    parts = os.path.basename(path).split(".")
    pid = parts[-4] if len(parts) >= 4 else ""
    is_dead = pid.isdigit() and claims.process_start(int(pid)) is None and _age(path) > _MINUTE
    return is_dead or _age(path) > _STALE


def _is_ours(path: str) -> bool:
    """Whether cachepy wrote a file, by its content; also if the writer died after the first bytes."""
    try:
        with open(path, "rb", opener=_open_itself) as file:
            head = file.read(len(MAGIC))
    except OSError:
        return False
    return head == MAGIC[: len(head)] or head.startswith(_STARTS) or format_of(head) is not None


def _open_itself(path: str, flags: int) -> int:
    """No link to a file elsewhere, and no waiting for the other end of a fifo."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def _stamp(path: str) -> Stamp:
    """The state of a file; what is not there has no age and no size."""
    try:
        st = os.stat(path)
    except OSError:
        return 0, time.time_ns(), 0
    return st.st_ino, st.st_mtime_ns, st.st_size


def _size(path: str) -> int:
    return _stamp(path)[2]


def _age(path: str) -> float:
    return time.time() - _stamp(path)[1] / 1e9


def _unlink(path: str) -> None:
    _best_effort(os.unlink, path)


def _best_effort(remove: Callable[[str], None], path: str) -> None:
    try:
        remove(path)
    except OSError:
        pass
