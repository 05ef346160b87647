"""Patterns (``"data/*.csv"``) and home paths (``"~/x"``) as the set of files that they mean.

A set counts by the names in it, from the first folder that the pattern leaves open, and by the contents.  Cache
directories of ours are no part of it.
"""

from __future__ import annotations

import os
import re
from fnmatch import translate

from xxhash import xxh3_128_hexdigest

from cachepy.store.fs import has_tag
from cachepy.values.paths import MAGIC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cachepy.store.files import Files

MOST = 1000  # files of one pattern that a node lists; all of them count
TOO_MANY = "too many"
_LOOKS = 200_000  # names that are looked at for one pattern
_LONGEST = 1024


class TooManyError(Exception):
    """A pattern that covers half a disk."""


def may_mean_files(text: str, *, is_path: bool) -> bool:
    """Whether a text may be a pattern or a home path.

    is_path: it is known to name files; other texts need a letter or a digit, since ``"*"`` mostly means something else.
    """
    if len(text) > _LONGEST or "\n" in text or "\0" in text:
        return False
    if text[:1] == "~":
        return bool(MAGIC & {*text}) or os.path.expanduser(text) != text
    return bool(MAGIC & {*text}) and (is_path or any(map(str.isalnum, text)))


def matches(pattern: str) -> list[str]:
    """The paths that it means now, sorted; `TooManyError` if too many names would have to be looked at."""
    path = os.path.expanduser(pattern)
    base, parts = split(path)
    if not parts:
        return [path] if os.path.lexists(path) else []
    return sorted(_Search().below(base, parts))


def digest_of(pattern: str, files: Files) -> str | None:
    """The digest of the names and the contents of all files that a pattern means; None if it means none."""
    try:
        found = matches(pattern)
    except TooManyError:
        return TOO_MANY
    return digest_of_matches(pattern, found, files)


def digest_of_matches(pattern: str, found: list[str], files: Files) -> str | None:
    """The same where it is known what it means."""
    base = len(split(os.path.expanduser(pattern))[0])
    rows = [f"{path[base:]}\0{files.digest(path)}" for path in found]
    return xxh3_128_hexdigest(os.fsencode("\0".join(rows))) if rows else None


def only_folder(pattern: str) -> str | None:
    """The one folder whose names decide what a pattern means; None if there are more, or none."""
    base, parts = split(os.path.expanduser(pattern))
    return base or "." if len(parts) == 1 and parts[0] != "**" else None


def split(path: str) -> tuple[str, list[str]]:
    """The part before the first component with a wildcard, and the components from there on."""
    parts = path.split(os.sep)
    first = next((i for i, part in enumerate(parts) if MAGIC & {*part}), None)
    if first is None:
        head, slash, _ = path.rpartition(os.sep)
        return head + slash, []
    return os.sep.join([*parts[:first], ""]) if first else "", [part for part in parts[first:] if part]


class _Search:
    """Looks into folders, as `glob` does, but finds hidden names too, and gives up in time."""

    def __init__(self) -> None:
        self._looked = 0
        self._above: set[tuple[int, int]] = set()

    def below(self, base: str, parts: list[str]) -> Iterator[str]:
        part, rest = parts[0], parts[1:]
        if part == "**":
            yield from self._anywhere(base, rest)
        elif not MAGIC & {*part}:
            path = base + part
            if not rest and os.path.lexists(path):
                yield path
            elif rest and os.path.isdir(path):
                yield from self.below(path + os.sep, rest)
        else:
            fits = re.compile(translate(part)).match
            for entry in self._names(base):
                if fits(entry.name) and (not rest or entry.is_dir()) and not _is_cache(entry):
                    yield from self.below(base + entry.name + os.sep, rest) if rest else [base + entry.name]

    def _anywhere(self, base: str, rest: list[str]) -> Iterator[str]:
        """Any number of folders, links to folders included, but none inside itself."""
        try:
            st = os.stat(base or ".")
        except OSError:
            return
        here = st.st_dev, st.st_ino
        if here in self._above:
            return
        self._above.add(here)
        found = set(self.below(base, rest or ["*"]))
        yield from found
        for entry in self._names(base):
            if entry.is_dir() and not _is_cache(entry):
                yield from (path for path in self._anywhere(base + entry.name + os.sep, rest) if path not in found)
        self._above.discard(here)

    def _names(self, base: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(base or ".") as entries:
                found = list(entries)
        except OSError:
            return []
        self._looked += len(found)
        if self._looked > _LOOKS:
            raise TooManyError
        return found


def _is_cache(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir() and has_tag(entry.path)
