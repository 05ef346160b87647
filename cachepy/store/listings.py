"""What of folders and paths counts beside contents: the names in a folder, those that a pattern means, what is there.

Cache directories are no part of it.
"""

from __future__ import annotations

import os
import stat

from xxhash import xxh3_128_hexdigest

from cachepy.store.patterns import TOO_MANY, TooManyError, matches, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TAG = "CACHEDIR.TAG"
_OWN = frozenset({"__pycache__", TAG})
FOLDER, OTHER = "dir", "special"
SIZED, LINK = "file:", "link:"  # how an answer begins that says the size of a file too, or what a link says


def names_in(folder: str) -> list[str] | None:
    """The names in a folder, without those of cache directories; None if it cannot be listed."""
    try:
        with os.scandir(folder) as found:
            return sorted(each.name for each in found if not (each.name in _OWN or is_tagged(each.path)))
    except (OSError, ValueError):
        return None


def _is_cache(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir() and is_tagged(entry.path)
    except OSError:
        return False


def is_tagged(folder: str) -> bool:
    """Whether a folder says by the tag which many programs know that it is a cache."""
    return os.path.lexists(os.path.join(folder, TAG))


def named(pattern: str) -> list[str] | None:
    """The paths that a pattern means now; None if too many names would have to be looked at."""
    try:
        return matches(pattern)
    except TooManyError:
        return None


def digest_of_names(names: Iterable[str], pattern: str = "") -> str:
    """The digest of names; pattern: what means them: where the folder lies in which it begins says nothing."""
    cut = len(split(pattern)[0])
    return xxh3_128_hexdigest(os.fsencode("\0".join(sorted(name[cut:] for name in names))))


def digest_of_listing(folder: str) -> str | None:
    """The digest of the names in a folder; None if there is none."""
    names = names_in(folder)
    return None if names is None else digest_of_names(names)


def digest_of_named(pattern: str) -> str | None:
    """The digest of the names that a pattern means now."""
    found = named(pattern)
    return TOO_MANY if found is None else digest_of_names(found, pattern)


def what_is_there(
    path: str, like: str | None = None, stat_of: Callable[[str], os.stat_result] = os.stat
) -> str | None:
    """The kind of what a path names; None if there is nothing.

    like: an answer of before, which says whether the size of a file counts, or what a link says.
    """
    try:
        if like is not None and like.startswith(LINK):
            return f"{LINK}{os.readlink(path)}"
        return kind_of(stat_of(path), sized=like is not None and like.startswith(SIZED))
    except (OSError, ValueError):
        return None


def kind_of(st: os.stat_result, *, sized: bool) -> str:
    """The same of a stat."""
    if stat.S_ISREG(st.st_mode):
        return f"{SIZED}{st.st_size}" if sized else "file"
    return FOLDER if stat.S_ISDIR(st.st_mode) else OTHER
