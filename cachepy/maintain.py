"""Looking after a cache directory: what is in it, how large it is, what may go.

Works on the files alone, safe beside running calls.  Only files that cachepy wrote are touched,
known by their content.  Imports store, entryfile, claims, model, errors, session.
"""

from __future__ import annotations

import os
import time

from cachepy import claims
from cachepy.entryfile import MAGIC, EntryFile
from cachepy.errors import EntryError, UsageError, UsageValueError
from cachepy.model import Event
from cachepy.options import cache_default_dir
from cachepy.session import current_session
from cachepy.store import CLAIM, ENTRY, OLD, TEMPORARY, Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

_DAY = 86400.0  # s
_STALE_TEMPORARY = 3600.0  # s; no write takes longer without the file being touched


def scan(root: str) -> Iterator[tuple[str, Event | None]]:
    """Each entry's path with its newest event; None for one that is damaged."""
    for path in Store(root).calls():
        try:
            yield path, Event.unwire(EntryFile(path).meta[0][0]).replace(root=root)
        except FileNotFoundError:
            continue  # removed meanwhile
        except (EntryError, OSError, TypeError, ValueError, IndexError):
            yield path, None


def root_of(cache_dir: str | Path | None) -> str:
    """The absolute path of a cache directory; UsageError if it is none."""
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
    rows = [_row(path, event) for path, event in scan(root_of(cache_dir)) if event is not None]
    return sorted((r for r in rows if r is not None), key=lambda r: (r["created"], r["id"]))


def _row(path: str, event: Event) -> dict[str, Any] | None:
    from pathlib import Path

    try:
        files = _files_of(path)
        size = sum(os.path.getsize(f) for f in files)
    except (EntryError, OSError):
        return None
    return {
        "id": event.id,
        "fname": event.fname,
        "module": event.module,
        "label": dict(event.label),
        "path": Path(path),
        "size": size,
        "created": event.created,
        "elapsed": event.elapsed,
        "traces": len(files),
    }


def _files_of(path: str) -> list[str]:
    """The files of an entry's values, its own first."""
    folder = os.path.dirname(path)
    older = [os.path.join(folder, os.path.basename(name)) for _, name in EntryFile(path).meta[1:]]
    return [path, *(f for f in older if os.path.exists(f))]


def cache_info(cache_dir: str | Path | None = None) -> dict[str, Any]:
    """One summary of a cache directory: ``path, entries, size`` (bytes)``, functions, oldest, newest``.

    ``oldest`` and ``newest`` are seconds since the epoch, None if there is no entry.

    Examples
    --------
    >>> import tempfile
    >>> cache_info(tempfile.mkdtemp())["entries"]
    0
    """
    from pathlib import Path

    rows = cache_list(cache_dir)
    times = [r["created"] for r in rows]
    return {
        "path": Path(root_of(cache_dir)),
        "entries": len(rows),
        "size": sum(r["size"] for r in rows),
        "functions": sorted({r["fname"] for r in rows}),
        "oldest": min(times, default=None),
        "newest": max(times, default=None),
    }


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

    Parameters
    ----------
    cache_dir : path, optional
        By default `cache_default_dir`.
    days_old : float
        Entries last written longer ago than this go; 0: all.
    max_bytes : int, optional
        After that the oldest go until no more than this remains.
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
    _check_age("days_old", days_old)
    if max_bytes is not None:
        _check_age("max_bytes", max_bytes)
    root = root_of(cache_dir)
    limit = time.time() - days_old * _DAY
    rows = cache_list(root)
    going = [r for r in rows if days_old == 0 or r["created"] < limit]
    staying = [r for r in rows if r not in going] if going else rows
    while max_bytes is not None and sum(r["size"] for r in staying) > max_bytes:
        going.append(staying.pop(0))
    if not dry_run:
        for row in going:
            _remove(root, str(row["path"]), row["id"])
        remove_leftovers(root)
    return [r["path"] for r in going]


def _check_age(option: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{option} must be a number, not {value!r}")
    if not value >= 0:
        raise UsageValueError(f"{option} must be 0 or more, not {value!r}")


def _remove(root: str, path: str, call: str) -> None:
    try:
        files = _files_of(path)
    except (EntryError, OSError):
        files = [path]
    for file in files:
        _unlink(file)
    session = current_session()
    if any(store.root == root for store in session.stores()):
        session.store(root).forget(call)


def remove_leftovers(root: str) -> int:
    """Remove temporary files, claims and values that belong to nobody any more; returns how many."""
    store = Store(root)
    owner = claims.Claims()
    count = 0
    for path in store.files(TEMPORARY, OLD, CLAIM, ".dead"):
        if path.endswith(CLAIM):
            gone = not owner.is_held(path)
        elif path.endswith(OLD):
            gone = _is_orphan(path)
        else:
            gone = _age(path) > _STALE_TEMPORARY or _writer_is_dead(path)
        if gone:
            _unlink(path)
            count += 1
    return count


def _is_orphan(path: str) -> bool:
    """An older value whose entry is gone, or does not list it any more."""
    if not _is_ours(path):
        return False
    entry = path[: -len(OLD)].rpartition(".")[0] + ENTRY
    try:
        return path not in _files_of(entry)
    except FileNotFoundError:
        return _age(path) > 1.0
    except (EntryError, OSError):
        return False


def _is_ours(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) in (MAGIC, b"")
    except OSError:
        return False


def _writer_is_dead(path: str) -> bool:
    """Whether the process on this host that names itself in a temporary file is gone."""
    parts = os.path.basename(path).split(".")
    pids = [int(p) for p in parts[1:] if p.isdigit()]
    return bool(pids) and claims.process_start(pids[-1]) is None and _is_ours(path) and _age(path) > 60.0


def _age(path: str) -> float:
    try:
        return time.time() - os.stat(path).st_mtime
    except OSError:
        return 0.0


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
