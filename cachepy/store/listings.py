"""What of folders and paths counts beside contents: the names in a folder, those that a pattern means, what is there.

Cache directories are no part of it.
"""

from __future__ import annotations

import os
import stat

from xxhash import xxh3_128_hexdigest

from cachepy.store.patterns import TOO_MANY, TooManyError, matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

TAG = "CACHEDIR.TAG"
_OWN = frozenset({"__pycache__", TAG})
FOLDER, OTHER, LINK = "dir", "special", "link:"


def names_in(folder: str) -> list[str] | None:
    """The names in a folder, without those of cache directories; None if it cannot be listed."""
    try:
        with os.scandir(folder) as found:
            return sorted(entry.name for entry in found if not (entry.name in _OWN or _is_cache(entry)))
    except (OSError, ValueError):
        return None


def _is_cache(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder that says so by the tag which many programs know."""
    try:
        return entry.is_dir() and os.path.lexists(os.path.join(entry.path, TAG))
    except OSError:
        return False


def named(pattern: str) -> list[str] | None:
    """The paths that a pattern means now; None if too many names would have to be looked at."""
    try:
        return matches(pattern)
    except TooManyError:
        return None


def digest_of_names(names: Iterable[str] | None, without: str = "") -> str | None:
    """The digest of names; without: what they all begin with, and where that lies says nothing."""
    if names is None:
        return TOO_MANY if without else None
    cut = len(without)
    return xxh3_128_hexdigest(os.fsencode("\0".join(sorted(name[cut:] for name in names))))


def digest_of_listing(folder: str) -> str | None:
    """The digest of the names in a folder; None if there is none."""
    return digest_of_names(names_in(folder))


def digest_of_named(pattern: str) -> str | None:
    """The digest of the names that a pattern means now."""
    found = named(pattern)
    return TOO_MANY if found is None else digest_of_names(found, fixed_part(pattern))


def fixed_part(pattern: str) -> str:
    """What comes before the first component with a wildcard."""
    parts = pattern.split(os.sep)
    first = next((at for at, part in enumerate(parts) if {"*", "?", "["} & {*part}), len(parts) - 1)
    return "".join(part + os.sep for part in parts[:first])


def link_of(path: str) -> str | None:
    """What a link says, as `what_is_there` tells it."""
    try:
        return f"{LINK}{os.readlink(path)}"
    except (OSError, ValueError):
        return None


def what_is_there(path: str, *, sized: bool) -> str | None:
    """The kind of what a path names, of a file its size too if that was asked for; None if there is nothing."""
    try:
        return kind_of(os.stat(path), sized=sized)
    except (OSError, ValueError):
        return None


def kind_of(st: os.stat_result, *, sized: bool) -> str:
    """The same of a stat."""
    if stat.S_ISREG(st.st_mode):
        return f"file:{st.st_size}" if sized else "file"
    return FOLDER if stat.S_ISDIR(st.st_mode) else OTHER
