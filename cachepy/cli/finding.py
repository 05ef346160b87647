"""Which cache directory a command means: the one that is named, else the nearest one from here upwards, as git does."""

from __future__ import annotations

import os
import stat

from cachepy.calls.options import cache_default_dir
from cachepy.cli import words
from cachepy.cli.console import WrongUse
from cachepy.errors import CachepyError
from cachepy.store.fs import has_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SIGNS = frozenset({"entries", "graph.pkl", "stat.memo"})  # other names of ours are those of many folders
_HOW = "name one with --cache-dir DIR, or set CACHEPY_DIR"
_DEFAULT = ".cachepy"
_SHOWN = 8  # of several caches


def place(cache_dir: str | None, say: Callable[[str], None]) -> str:
    """The absolute path of a cache directory that exists and can be read; a usage error if there is none.

    say: is told which one is meant, if it is not the one of this folder.
    """
    if cache_dir == "":
        raise WrongUse("--cache-dir is empty: is a shell variable not set? Name a directory, . for this one")
    if cache_dir is None and not os.environ.get("CACHEPY_DIR"):
        return _found(say)
    return _checked(cache_default_dir() if cache_dir is None else os.path.abspath(cache_dir))


def _found(say: Callable[[str], None]) -> str:
    """The nearest cache directory from here upwards: the folder itself, ``.cachepy`` in it, or the only one in it."""
    default = cache_default_dir()
    check_open(default)
    for folder in _upwards(os.path.dirname(default)):
        found = _caches_in(folder, others=folder == os.path.dirname(default) or _may_be_a_project(folder))
        if len(found) > 1:
            names = ", ".join(words.near(each) for each in found[:_SHOWN]) + (", ..." if found[_SHOWN:] else "")
            way = f"Choose one with --cache-dir {words.near(found[0])}, or set CACHEPY_DIR"
            raise WrongUse(f"there are several caches: {names}. {way}")
        if found:
            if found[0] != default:
                say(f"the cache is {words.near(found[0])}")
            return found[0]
    raise WrongUse(f"there is no cache directory {default}, and none in the folders above; {_HOW}")


def _upwards(folder: str) -> Iterator[str]:
    """A folder and those above it on the same file system: what is mounted above may be slow, or another's."""
    device = os.stat(folder).st_dev
    yield folder
    for above in _above(folder):
        try:
            if os.stat(above).st_dev != device:
                return
        except OSError:
            return
        yield above


def _may_be_a_project(folder: str) -> bool:
    """Not a home, nor what homes lie in, nor what all share: folders there have nothing to do with each other."""
    home = os.path.join(os.path.expanduser("~"), "")
    return not home.startswith(os.path.join(folder, "")) and not os.stat(folder).st_mode & stat.S_ISVTX


def _caches_in(folder: str, *, others: bool) -> list[str]:
    """The cache directories that a folder is or holds; its ``.cachepy`` goes before others, as in programs."""
    default = os.path.join(folder, _DEFAULT)
    if os.path.lexists(default):
        return [_checked(default)]
    try:
        if has_tag(folder):
            return [folder]
        if not others:
            return []
        with os.scandir(folder) as entries:
            return sorted(e.path for e in entries if e.is_dir(follow_symlinks=False) and has_tag(e.path))
    except OSError:  # closed to this user, or gone
        return []


def _checked(root: str) -> str:
    """A cache directory, or an error that says why it is none."""
    check_open(root)
    if not os.path.exists(root):
        raise WrongUse(f"there is no cache directory {root}; {_HOW}")
    if not os.path.isdir(root):
        raise WrongUse(f"{root} is a file, not a cache directory; {_HOW}")
    if not is_cache(root):
        raise WrongUse(f"{root} is not a cache directory: cachepy wrote nothing there; {_HOW}")
    return root


def is_cache(root: str) -> bool:
    """Whether a folder is a cache directory: it says so, or has what only ours have; an empty one may become one."""
    names = os.listdir(root)
    return not names or has_tag(root) or not _SIGNS.isdisjoint(names)


def check_open(root: str) -> None:
    """CachepyError if it, or a folder above, is closed to this user: it would look as if nothing were there."""
    above = [folder for folder in _above(root) if os.path.isdir(folder) and not _may(folder, os.X_OK)]
    if above or (os.path.isdir(root) and not _may(root, os.R_OK | os.X_OK)):
        folder = above[-1] if above else root
        st = os.stat(folder)
        raise CachepyError(
            f"{folder} belongs to {_name_of(st.st_uid)} and is closed to you (mode {stat.S_IMODE(st.st_mode):04o}). "
            f"Ask for access, or {_HOW}. (To share a cache with a group, set CACHEPY_UMASK=002 where it is written.)"
        )


def _above(path: str) -> Iterator[str]:
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        yield path


def _may(path: str, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _name_of(uid: int) -> str:
    """Of a user."""
    try:
        from pwd import getpwuid

        return getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return f"user {uid}"
