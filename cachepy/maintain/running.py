"""What runs in a cache directory right now, in any process on any machine: told by the claims that lie there."""

from __future__ import annotations

import os
from struct import unpack_from

from cachepy.core.model import Record
from cachepy.errors import EntryError
from cachepy.store.layout import CLAIM, call_named
from cachepy.store.owner import Owner, read_claim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cachepy.core.ports import Store, Stored

_AT_FDCWD, _BIRTH, _AT = -100, 0x800, 80  # of `statx`: paths from here, its mask, where the moment stands (man 2 statx)


class RunningCall(Record):
    """One call whose body runs, or that was left behind.

    call: its id; title: the call for people, as far as an earlier run tells its arguments; host, pid: who runs it;
    since: when it began, in seconds since the epoch, None where the file system does not keep that; is_alive: whether
    that process is there, None where nobody knows, as of another machine; caller, at, of: the running call that made it
    when that ran before, which of how many calls it was then.
    """

    __slots__ = ("call", "title", "host", "pid", "since", "is_alive", "caller", "at", "of")
    call: str
    title: str
    host: str
    pid: int
    since: float | None
    is_alive: bool | None
    caller: str | None
    at: int | None
    of: int | None


def running(store: Store) -> list[RunningCall]:
    """All of them, those that began first before the others."""
    me = Owner()
    found = [each for path in _claims(store) if (each := _at(store, path, me)) is not None]
    places = _places(store, [each.call for each in found])
    placed = [each.replace(**places.get(each.call, {})) for each in found]
    return sorted(placed, key=lambda each: (each.since or 0.0, each.call))


def _places(store: Store, calls: list[str]) -> dict[str, dict[str, object]]:
    """Which of the calls of another one that runs each is, as the last run of that tells."""
    found: dict[str, dict[str, object]] = {}
    for caller in calls if len(calls) > 1 else ():
        stored = _look(store, caller)
        made = stored.events[0].trace.calls if stored is not None else ()
        at = {dep.name: i for i, dep in enumerate(made, 1)}
        found.update({each: {"caller": caller, "at": at[each], "of": len(made)} for each in calls if each in at})
    return found


def _look(store: Store, call: str) -> Stored | None:
    try:
        stored: Stored | None = store.look(call)
    except (EntryError, OSError):
        return None
    return stored


def _claims(store: Store) -> Iterator[str]:
    files: Callable[[str], Iterator[str]] = store.files  # type: ignore[attr-defined]  # of a cache on disk
    return files(CLAIM)


def _at(store: Store, path: str, me: Owner) -> RunningCall | None:
    owner = read_claim(path)
    if owner is None:  # it has ended meanwhile
        return None
    call = call_named(path.removesuffix(CLAIM))
    host, since = owner[0].partition(":")[0], _birth(path)
    return RunningCall(call, _title(store, call), host, owner[1], since, me.lives(owner), None, None, None)


def _title(store: Store, call: str) -> str:
    stored = _look(store, call)
    return stored.events[0].title if stored is not None else f"{call.rpartition(':')[0]}(…)"


def _birth(path: str) -> float | None:
    """When a file was made: its other times change while its owner shows that it lives."""
    try:
        from ctypes import CDLL, c_char_p, c_int, c_uint, create_string_buffer

        statx, made = CDLL(None).statx, create_string_buffer(256)
        statx.argtypes = [c_int, c_char_p, c_int, c_uint, c_char_p]
        if statx(_AT_FDCWD, os.fsencode(path), 0, _BIRTH, made):
            return None
    except (AttributeError, ImportError, OSError):  # not Linux, or an old libc
        return None
    (told,) = unpack_from("I", made)
    seconds, parts = unpack_from("qI", made, _AT)
    return float(seconds + parts / 1e9) if told & _BIRTH else None
