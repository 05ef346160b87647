"""Who wrote the files that others read: flow edges that no argument shows.

A call that wrote a file has a mark among its deps (see `outputs`); who has the file, or a folder around it, among its
own deps has read it.  Two marks for one file (by its state before and after, and as a part of the effect) are sure; of
one alone, an earlier call that left the same content wrote it, and this one found it there.
"""

from __future__ import annotations

import os

from cachepy.core.kinds import FILES, LEFT, WROTE, absolute
from cachepy.core.model import Event
from cachepy.store.codec import ITEM, PART, decoded, has_any, part_of, signs_of, triples_in, unpack
from cachepy.values.label import cut, label_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cachepy.store.codec import Row

    Mark = tuple[str | None, bool]  # the digest of what was written, and whether that is sure

_SIGNS = signs_of(LEFT | WROTE)
_FOLDER = "dir:"


class Written:
    """The files that calls wrote, by absolute path, as the rows tell; kept up to date."""

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self.writers: dict[str, dict[str, Mark]] = {}
        self._inside: dict[str, set[str]] = {}  # folder -> written paths below it
        self._read: dict[bytes, tuple[tuple[str, str, str | None], ...]] = {}
        parts: dict[bytes, dict[str, Mark]] = {}
        for call, row in rows.items():
            part = part_of(row)
            marks = parts.get(part)
            if marks is None:
                marks = parts[part] = marks_in(row)
            if marks:
                self._add(call, marks)

    def add(self, call: str, row: Row) -> None:
        self._add(call, marks_in(row))

    def _add(self, call: str, marks: dict[str, Mark]) -> None:
        for path, mark in marks.items():
            if path not in self.writers:
                self._read.clear()
                for folder in folders_of(path):
                    self._inside.setdefault(folder, set()).add(path)
            self.writers.setdefault(path, {})[call] = mark

    def remove(self, call: str, row: Row) -> None:
        for path in marks_in(row):
            self.writers.get(path, {}).pop(call, None)

    def read(self, row: Row) -> tuple[tuple[str, str, str | None], ...]:
        """The written files among the deps of a row, or around or inside those: name as given, path, digest.

        The digest is None where the dep is not that very file.
        """
        if not self.writers:
            return ()
        part = part_of(row)
        known = self._read.get(part)
        if known is None:
            known = self._read[part] = tuple(self._read_in(row))
        return known

    def _read_in(self, row: Row) -> Iterator[tuple[str, str, str | None]]:
        cwd, deps = deps_of(row)
        for kind, name, digest in deps:
            if kind not in FILES:
                continue
            path = absolute(cwd, name)
            if path in self.writers:
                yield name, path, digest or ""
            for folder in folders_of(path):
                if folder in self.writers:
                    yield folder, folder, None
            if digest is not None and digest[:4] == _FOLDER:
                for each in sorted(self._inside.get(path, ())):
                    yield os.path.join(name, os.path.relpath(each, path)), each, None


def folders_of(path: str) -> Iterator[str]:
    """All folders above a path."""
    above = os.path.dirname(path)
    while above != path:
        yield above
        path, above = above, os.path.dirname(above)


def marks_in(row: Row) -> dict[str, Mark]:
    """The files that the call of a row wrote."""
    if not isinstance(row, Event):
        part = row.split(PART, 2)[1]
        if not has_any(part, _SIGNS):
            return {}
    cwd, deps = deps_of(row)
    kinds: dict[str, set[str]] = {}
    digests: dict[str, str | None] = {}
    for kind, name, digest in deps:
        kinds.setdefault(name, set()).add(kind)
        if kind in FILES:
            digests[name] = digest
    return {
        absolute(cwd, name): (digest, not (kinds[name].isdisjoint(LEFT) or kinds[name].isdisjoint(WROTE)))
        for name, digest in digests.items()
        if not kinds[name].isdisjoint(LEFT | WROTE)
    }


def deps_of(row: Row) -> tuple[str, Iterable[tuple[str, str, str | None]]]:
    """The folder where a call ran, and its deps as they were given."""
    if isinstance(row, Event):
        return row.cwd, [dep.astuple() for dep in row.trace.deps]
    cwd, between, rest = decoded(row.split(PART, 2)[1]).partition(ITEM)
    return cwd, triples_in(between + rest)


class Names:
    """What the files that a call read are called in its `inputs`: by the argument that names one, else by its path.

    The argument is told by its label; of long paths that differ only behind what a label shows, by their order.
    """

    def __init__(self, row: Row) -> None:
        event = unpack(row)
        self._arguments: dict[str, list[str]] = {}
        for argument, label in event.label.items():
            self._arguments.setdefault(label, []).append(argument)
        self._names: dict[str, str] = {}
        for dep in event.trace.deps:
            if dep.kind in FILES and dep.name not in self._names:
                self._names[dep.name] = self._name(dep.name)

    def _name(self, path: str) -> str:
        for label in (label_of(path), cut(path)):
            if self._arguments.get(label):
                return self._arguments[label].pop(0)
        return path

    def name(self, path: str) -> str:
        return self._names.get(path, path)
