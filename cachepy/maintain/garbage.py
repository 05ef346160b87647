"""What belongs to nobody any more: claims of the dead, values without an entry, half-written files, old mailboxes.

Safe beside running calls.
"""

from __future__ import annotations

import os
import re
import shutil
import time

from cachepy.calls.state import current_session
from cachepy.core.kinds import RECORDS
from cachepy.graph.program_files import Programs
from cachepy.store import claims, value_files
from cachepy.store.codec import pack
from cachepy.store.entries import Store
from cachepy.store.fs import has_tag, listed, unlink
from cachepy.store.inventory import Stock, age_of, is_ours, stock
from cachepy.store.layout import BROKEN, CLAIM, ENTRY, MADE, OLD, TEMPORARY, UNENDED, VALID, digest_in, stem_of
from cachepy.store.owner import process_start

_DAY = 86400.0  # s

_STALE = 3600.0  # s; nobody who is alive leaves a file that is being written, or a claim, untouched for longer
_MINUTE = 60.0  # s
_PUT_ASIDE = re.compile(r"\d{8}T\d{6}(-\d+)?")
_AT_TOP = ("graph", "stat")  # how the files begin that are replaced there


def remove_leftovers(root: str) -> int:
    """Remove what belongs to nobody any more, values, notes, code and mailboxes too; returns how many files."""
    store = Store(root)
    count = remove_claims(store)
    is_busy = next(store.files(CLAIM), None) is not None
    unneeded = [p for p in store.files(OLD, VALID) if is_orphan(p)]
    unneeded += [p for p in (*store.files(TEMPORARY, claims.BREAK), *store.others("code")) if is_abandoned(p)]
    boxes = [p for p in store.others("programs") if p.endswith(MADE) and age_of(p) > _DAY and is_ours(p)]
    top = [os.path.join(root, name) for name in listed(root) if name.partition(".")[0] in _AT_TOP]
    unneeded += [p for p in (*store.others("programs"), *top) if is_abandoned(p)] + boxes
    if not is_busy:  # a run may need its mailbox however long it takes, and has not stored yet what code it needs
        unneeded += [p for p in store.others("runs") if age_of(p) > _DAY and is_ours(p)]
        unneeded += _unneeded_code(store)
    for path in unneeded:
        unlink(path)
    values = unneeded_values(store)
    for path in values:
        value_files.remove(path)
    for folder in (*store.folders(), os.path.join(root, "code")):
        _remove_empty(folder)
    return count + len(unneeded) + len(values)


def remove_signs(store: Store, limit: float) -> None:
    """Remove the signs of calls that left no result: of those that ended since, and those from before a time."""
    for path in filter(is_ours, store.files(UNENDED)):
        if os.path.exists(path.removesuffix(UNENDED) + ENTRY) or time.time() - age_of(path) < limit:
            unlink(path)


def remove_programs(store: Store, limit: float) -> None:
    """Remove what is known of programs that did not end since a time; what is history stays so."""
    folder = Programs(store)
    for name in folder.names():
        if folder.ended(name) < limit and is_ours(folder.folder + name):
            unlink(folder.folder + name)


def remove_broken(store: Store, limit: float) -> None:
    """Remove what was put aside before a time."""
    for folder in store.others(BROKEN):
        is_named_so = _PUT_ASIDE.fullmatch(os.path.basename(folder)) and not os.path.islink(folder)
        if is_named_so and time.time() - age_of(folder) < limit and has_tag(folder):
            shutil.rmtree(folder, ignore_errors=True)
    _remove_empty(os.path.join(store.root, BROKEN))


def _remove_empty(folder: str) -> None:
    try:
        os.rmdir(folder)
    except OSError:  # there is something in it, or it is gone
        pass


def remove_claims(store: Store) -> int:
    """Remove claims of the dead; one of another host counts as such if it was not touched for long."""
    owner = claims.Claims()
    count = 0
    for path in filter(is_ours, store.files(CLAIM)):
        if owner.is_held(path):
            if owner.is_of_here(path) or age_of(path) < _STALE:
                continue
            unlink(path)
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
    needed: set[str | None] = set()
    for entry in stock(store.root):
        if entry.is_other:  # what it needs is known to another version of cachepy only
            return []
        needed.update(d.digest for event in entry.events for d in event.trace.deps if d.kind in RECORDS)
    current_session().stored_code.forget()
    return [p for p in records if digest_in(p) not in needed and is_ours(p)]


def unneeded_values(store: Store) -> list[str]:
    """Value files that no entry names, and what dead writers left of some."""
    there = list(value_files.stored(store.root))
    if not there:
        return []
    needed: set[str] = set()
    for entry in stock(store.root):
        if entry.is_other:  # as above
            return []
        needed.update(entry.beside)
    is_busy = next(store.files(CLAIM), None) is not None
    least = _STALE if is_busy else _MINUTE  # its entry is about to be written
    others = [path for path in there if path not in needed]
    found = [path for path in others if path.endswith(TEMPORARY) and _is_of_dead(path) and has_tag(path)]
    return found + [path for path in others if age_of(path) > least and value_files.is_ours(path)]


def is_orphan(path: str) -> bool:
    """An older value or a note whose entry is gone, or does not list it any more."""
    stem = stem_of(path)
    if not is_ours(path) or os.path.exists(stem + CLAIM):  # its entry is being written
        return False
    if not os.path.exists(stem + ENTRY):
        return age_of(path) > 1.0
    try:
        entry = Stock(stem + ENTRY, "")
    except OSError:
        return False
    return path.endswith(OLD) and bool(entry.events) and path not in entry.files


def is_abandoned(path: str) -> bool:
    """A temporary file that nobody writes any more: old, or of a process that is gone from this host."""
    if not path.endswith((TEMPORARY, claims.BREAK)) or not is_ours(path):
        return False
    if path.endswith(claims.BREAK):
        return age_of(path) > _MINUTE
    return _is_of_dead(path)


def _is_of_dead(path: str) -> bool:
    """Whether the process that wrote it is gone, or it was left untouched for long."""
    parts = os.path.basename(path).split(".")
    pid = parts[-4] if len(parts) >= 4 else ""
    is_dead = pid.isdigit() and process_start(int(pid)) is None and age_of(path) > _MINUTE
    return is_dead or age_of(path) > _STALE
