"""Which files of cachepy may still be loaded: those that were there when the first of them was.

Parts are loaded when they are first needed, maybe hours after the program began.  If the package was upgraded, moved or
taken away meanwhile, half of one version would work with half of another.  So the identity of each file is noted once,
and a late import of one that differs is refused; what becomes of the call that needs it, `calls.bypass` knows.
"""

from __future__ import annotations

import os
import sys

from cachepy.errors import PartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Identity = tuple[int, int, int, int]

_ENDS = ("py", "pyc")
_TOPS = ("cachepy", "dask_plugin")


class Unchanged:
    """Python asks it before all others where a module is: it finds none, and refuses what is not what it was."""

    def __init__(self, folder: str, archive: str | None = None) -> None:
        self._files = dict(_files(folder))
        self._archive = None if archive is None else (archive, identity_of(os.stat(archive)))

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise PartError for a module whose file was changed."""
        if name == _TOPS[0]:  # all of it was taken out of `sys.modules`, and begins anew: see `watch`
            self._files, self._archive = {}, None
        known = self._files.get(name) or (self._archive if name.partition(".")[0] in _TOPS else None)
        if known is None or name in sys.modules:  # a module that is loaded again is asked for by name
            return
        file, before = known
        try:
            now: Identity | str = identity_of(os.stat(file))
        except OSError as error:
            now = str(error.strerror)
        if now != before:
            raise PartError(name, file, now if isinstance(now, str) else "it was changed")


def identity_of(st: os.stat_result) -> Identity:
    """A file that is replaced has another inode, one that is written anew another time."""
    return st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns


def _files(folder: str) -> Iterator[tuple[str, tuple[str, Identity]]]:
    """Each module of both packages, which lie side by side: its file, and what that is now."""
    todo = [(top, os.path.join(folder, top)) for top in _TOPS]
    for name, path in todo:
        try:
            found = list(os.scandir(path))
        except OSError:  # in an archive, or without the other package
            continue
        for entry in found:
            stem, _, end = entry.name.rpartition(".")
            if end in _ENDS and stem:
                yield (name if stem == "__init__" else f"{name}.{stem}"), (entry.path, identity_of(entry.stat()))
            elif not stem and end != "__pycache__" and entry.is_dir():
                todo.append((f"{name}.{end}", entry.path))


def watch() -> None:
    """From now on; the modules that are loaded already are whole."""
    archive: str | None = getattr(getattr(__spec__, "loader", None), "archive", None)
    others = [finder for finder in sys.meta_path if type(finder).__qualname__ != Unchanged.__qualname__]
    sys.meta_path[:] = [Unchanged(os.path.dirname(os.path.dirname(__file__)), archive), *others]
