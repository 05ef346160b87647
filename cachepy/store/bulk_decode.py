"""Packed events from a file: checked before anybody relies on them, many at a time.

Whoever wrote the file, a row that comes through here is an event in all its parts; `schema` says what those have
to be.
"""

from __future__ import annotations

import struct
from _operator import add

from cachepy.core.kinds import CALLS, RECORDS
from cachepy.store.codec import ITEM, PART, TEXT, TIMES, decoded, fields_in, triples_in, unpack
from cachepy.store.relocation import moved_path
from cachepy.store.schema import AWAY, FAR, HEX, is_dep, is_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cachepy.core.model import Event


_COLON = {":"}
_STEM = len("entries/00")


def payload_event(payload: bytes) -> Event:
    """The event of a packed payload from a file; ValueError if it does not check; quicker for one than `Intake`."""
    try:
        event = unpack(payload)
    except (IndexError, struct.error) as error:
        raise ValueError("not a packed event") from error
    deps, place = (*event.trace.deps, *event.trace.calls), event.outfile
    if not (is_key(event.hash) and all(is_dep(dep.astuple()) for dep in deps)):
        raise ValueError("no key, or no deps")
    if place is not None and (place[_STEM : _STEM + 1] != "/" or AWAY.intersection(place[_STEM + 1 :])):
        raise ValueError("names another place")
    if not all(-FAR < number < FAR for number in (event.seen, event.created, event.elapsed)):
        raise ValueError("no time")
    event._packed = payload  # it was checked: so it need not be made again
    return event


class Intake:
    """Checks packed payloads from a file; parts: the second parts that were seen.

    root: the cache directory that the file lies in now, if it may have been moved.
    """

    def __init__(self, parts: dict[bytes, None], root: str | None = None) -> None:
        self._parts = parts
        self._root = root
        self._starts: dict[bytes, str] = {}  # how ids begin, by the last part of a row
        self._moved: dict[bytes, tuple[bytes, str]] = {}  # last parts with another root, as they are now; that root
        self._placed_parts: dict[tuple[bytes, str], bytes] = {}

    @property
    def shared(self) -> set[bytes]:
        """The last parts that were seen, with the root as it is now."""
        return {self._moved[each][0] if each in self._moved else each for each in self._starts}

    def rows(self, payloads: Sequence[bytes]) -> tuple[list[str], Sequence[bytes]]:
        """Ids and rows of the payloads that check."""
        try:
            return self._checked(payloads)
        except ValueError:
            if len(payloads) == 1:
                return [], []
        half = len(payloads) // 2
        ids, rows = self.rows(payloads[:half])
        more_ids, more_rows = self.rows(payloads[half:])
        return ids + more_ids, [*rows, *more_rows]

    def _checked(self, payloads: Sequence[bytes]) -> tuple[list[str], Sequence[bytes]]:
        """ValueError if anything in any of them is not what it has to be."""
        owns, parts, rests = zip(*[payload.split(PART, 2) for payload in payloads], strict=True)
        shareds = [rest[TEXT] for rest in rests]
        for shared in set(shareds).difference(self._starts):
            self._starts[shared] = self._check_shared(shared)
        new = set(parts).difference(self._parts)
        _check_parts(new)
        self._parts.update(dict.fromkeys(new))
        keys = _check_own(owns)
        _check_times(rests)
        ids = list(map(add, [self._starts[shared] for shared in shareds], keys))
        if self._moved:
            return ids, [self._placed(*each) for each in zip(payloads, owns, parts, shareds, rests, strict=True)]
        return ids, payloads

    def _check_shared(self, shared: bytes) -> str:
        """How the ids of its calls begin."""
        fname, module, qualname, root, origin, stem = fields_in(shared)
        if stem and (stem[0] != "/" or AWAY.intersection(stem[1:])):
            raise ValueError("names another place")
        if self._root is not None and self._root != root:
            fields = fname, module, qualname, self._root, origin, stem
            self._moved[shared] = "\n".join(fields).encode("utf-8", "surrogatepass"), root
        return fname + ":"

    def _placed(self, payload: bytes, own: bytes, part: bytes, shared: bytes, rest: bytes) -> bytes:
        """The payload with the root as it is now, and with the working directory, if that was moved too."""
        if shared not in self._moved:
            return payload
        now, root = self._moved[shared]
        key = part, root
        if key not in self._placed_parts:
            cwd, between, deps = decoded(part).partition(ITEM)
            here = f"{moved_path(cwd, root, self._root or root)}{between}{deps}"
            self._placed_parts[key] = here.encode("utf-8", "surrogatepass")
            self._parts[self._placed_parts[key]] = None
        return PART.join([own, self._placed_parts[key], now + rest[-TIMES.size :]])


def _check_parts(parts: Collection[bytes]) -> None:
    """Nearly always no dep is a call, and each code has a digest, which one look at all together shows."""
    texts = [between + rest for _, between, rest in (decoded(part).partition(ITEM) for part in parts)]
    if {text.count(ITEM) % 3 for text in texts} - {0}:
        raise ValueError("no deps")
    items = "".join(texts).split(ITEM)
    kinds = items[1::3]
    codes = [digest for kind, digest in zip(kinds, items[3::3], strict=True) if kind in RECORDS]
    if not CALLS.isdisjoint(kinds) or (codes and not ("" not in codes and "".join(codes).isalnum())):
        for text in texts:
            _check_deps(text)


def _check_deps(text: str) -> None:
    if not all(map(is_dep, triples_in(text))):
        raise ValueError("no deps")


def _check_own(owns: Sequence[bytes]) -> list[str]:
    """The keys in the first parts of rows, which are looked at all at once."""
    if {own.count(b"\n") for own in owns} != {5}:
        raise ValueError("not six fields")
    columns = fields_in(b"\n".join(owns))
    keys = columns[1::6]
    if set(map(len, keys)) != {32} or not _are_hex(keys):
        raise ValueError("no key")
    _check_calls([text for text in columns[5::6] if text])
    return keys


def _check_times(rests: Sequence[bytes]) -> None:
    numbers = struct.Struct(f"<{3 * len(rests)}d").unpack(b"".join([rest[-TIMES.size :] for rest in rests]))
    is_sum = abs(sum(numbers)) < FAR * len(numbers)  # not if a nan is among them
    if not (is_sum and min(numbers) > -FAR and max(numbers) < FAR):
        raise ValueError("no time")


def _check_calls(texts: list[str]) -> None:
    """Nearly always all are calls by their ids, which one look at the names together shows."""
    if {text.count(ITEM) % 3 for text in texts} - {0}:
        raise ValueError("no deps")
    parts = "".join(texts).split(ITEM)[1:]
    names = parts[1::3]
    if not (set(parts[::3]) <= CALLS and {name[-33:-32] for name in names} <= _COLON and _are_hex(names)):
        for text in texts:
            _check_deps(text)


def _are_hex(names: list[str]) -> bool:
    """Whether all end with a key."""
    return not "".join([name[-32:] for name in names]).encode("utf-8", "replace").translate(None, HEX.encode())
