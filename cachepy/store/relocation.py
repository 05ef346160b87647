"""Where the folders and files of a project are now, if its tree was moved or copied with the cache directory in it.

A record says where it was made by absolute paths, and so which way leads from the cache directory to each of them.  In
a copy these ways lead to the files of the copy.  A cache directory that was moved alone leads nowhere: then the old
paths are right.
"""

from __future__ import annotations

import os

from cachepy.core.model import Event
from cachepy.store import safe_pickle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOKED = 16  # records of code that are asked which files there were
_known: dict[tuple[str, str], bool] = {}


def moved_path(path: str, old: str, new: str) -> str:
    """A path as it is now that the cache directory which was `old` is `new`."""
    if old == new or not has_moved(old, new):
        return path
    return _rebased(path, old, new) or path


def moved_event(event: Event, root: str) -> Event:
    """An event whose record lies in a cache directory now."""
    if event.root == root:
        return event
    return event.replace(root=root, cwd=moved_path(event.cwd, event.root, root))


def has_moved(old: str, new: str) -> bool:
    """Whether the project is where the cache directory is now, and not only the cache directory."""
    key = old, new
    if key not in _known:
        if len(_known) > 1000:
            _known.clear()
        _known[key] = _is_there(old, new)
    return _known[key]


def _is_there(old: str, new: str) -> bool:
    looked = False
    for path, root in _files_of_code(new):
        if root == new:  # kept anew since: it tells if it is a file of the tree that was moved
            before = _rebased(path, new, old)
            if before is not None and before != path:
                return True
            continue
        here = _rebased(path, root or old, new)
        if here is not None:
            looked = True
            if os.path.exists(here):
                return True
    return not looked and os.path.basename(old) == os.path.basename(new) and not os.path.isdir(os.path.dirname(old))


def _rebased(path: str, old: str, new: str) -> str | None:
    """The path that leads to the same place from another root; None if they have no tree in common."""
    try:
        common = os.path.commonpath([path, old])
    except ValueError:  # on two drives, or relative
        return None
    if os.path.dirname(common) == common:
        return None
    return os.path.normpath(os.path.join(new, os.path.relpath(path, old)))


def _files_of_code(root: str) -> Iterator[tuple[str, str]]:
    """The source files that records of code name, each with the cache directory as it was then."""
    folder = os.path.join(root, "code")
    try:
        names = sorted(os.listdir(folder))[:_LOOKED]
    except OSError:
        return
    for name in names:
        try:
            with open(os.path.join(folder, name), "rb") as file:
                found = safe_pickle.inflated(safe_pickle.loads(file.read())[2])
            yield from ((path, found["root"]) for path, _ in found["files"].values() if type(path) is str)
        except Exception:  # noqa: S112 - damage raises almost anything, and other records tell it as well
            continue
