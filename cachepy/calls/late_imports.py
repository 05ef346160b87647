"""Which files of cachepy may still be loaded: those that were there when the first of them was.

Parts are loaded when they are first needed, maybe hours after the program began.  If the package was upgraded, moved or
taken away meanwhile, half of one version would work with half of another.  So the identity of each file is noted once,
and a late import of one that differs is refused; what becomes of the call that needs it, `calls.bypass` knows.
"""

from __future__ import annotations

import os
import sys
from _frozen_importlib_external import PathFinder, SourceFileLoader, spec_from_file_location
from _thread import get_ident
from time import monotonic, sleep, time_ns

from cachepy.errors import PartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from typing import Any

    Identity = tuple[int, int, int, int]

_ENDS = (".py", ".pyc")
OURS = ("cachepy", "dask_plugin")
_LONGEST_WAIT = 10.0  # s; who loads may wait for what the thread that forks holds
_WAIT_FOR_OTHERS = 0.2  # s; parts use modules of Python's own, and large libraries are none of them


class Unchanged:
    """Python asks it before all others where a module is: it finds none, and refuses what is not what it was.

    A file that is replaced has another inode, which the listing of its folder tells of all at once; one that is
    written anew has a later time than the moment when we began.
    """

    def __init__(self, folder: str, archive: str | None = None) -> None:
        self._folders = dict(_folders(folder))
        self._archive = None if archive is None else (archive, identity_of(os.stat(archive)))
        self._checked: tuple[str, Folder, str] | None = None
        self._began = time_ns()
        if any(each.written > self._began for each in self._folders.values()):  # by another clock, or a wrong one
            self._began = sys.maxsize

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise PartError for a module whose file was changed."""
        if name.partition(".")[0] not in OURS:
            return
        if name == OURS[0]:  # all of it was taken out of `sys.modules`, and begins anew: see `watch`
            self._folders, self._archive = {}, None
        if name in sys.modules:  # it is loaded again, and asked for by name
            return
        if self._archive is not None:
            self._check_archive(name, *self._archive)
        folder, file = self._place(name)
        if folder is not None:
            self._check_file(name, folder, file)
            self._checked = name, folder, file

    def found(self, name: str, path: Sequence[str] | None) -> ModuleSpec | None:
        """The module that was just looked at, if it is a source file in the only folder of its package."""
        checked, self._checked = self._checked, None
        if checked is None or checked[0] != name or not path or not checked[2].endswith(".py"):
            return None
        _, folder, file = checked
        is_package = file == "__init__.py"
        if list(path) != [os.path.dirname(folder.path) if is_package else folder.path]:
            return None
        place = os.path.join(folder.path, file)
        within = [folder.path] if is_package else None
        return spec_from_file_location(
            name, place, loader=SourceFileLoader(name, place), submodule_search_locations=within
        )

    def _place(self, name: str) -> tuple[Folder | None, str]:
        """The folder and the file that a module was in."""
        package, _, stem = name.rpartition(".")
        for folder, start in ((self._folders.get(name), "__init__"), (self._folders.get(package), stem)):
            if folder is not None:
                for file in (start + end for end in _ENDS):
                    if file in folder.files:
                        return folder, file
        return None, ""

    def _check_file(self, name: str, folder: Folder, file: str) -> None:
        path = os.path.join(folder.path, file)
        try:
            is_same = folder.still_has(file) and os.stat(path).st_mtime_ns <= self._began
        except OSError as error:
            raise PartError(name, path, str(error.strerror)) from None
        if not is_same:
            raise PartError(name, path, "it was changed")

    def _check_archive(self, name: str, archive: str, before: Identity) -> None:
        try:
            now = identity_of(os.stat(archive))
        except OSError as error:
            raise PartError(name, archive, str(error.strerror)) from None
        if now != before:
            raise PartError(name, archive, "it was changed")


class Found:
    """It stands right before Python's own search, which would list and ask each folder of ours once more.

    What others put before that search or into it (import hooks of coverage, of type checkers) is asked, as ever.
    """

    def __init__(self, unchanged: Unchanged) -> None:
        self._unchanged = unchanged
        self._hooks = sys.path_hooks.copy()

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        """What `Unchanged` has just looked at."""
        found = self._unchanged.found(name, path)
        if found is None or self._hooks != sys.path_hooks:
            return None
        return found if sys.meta_path[sys.meta_path.index(self) + 1] is PathFinder else None


def identity_of(st: os.stat_result) -> Identity:
    """An archive that is replaced has another inode, one that is written anew another time."""
    return st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns


class Folder:
    """What a folder held at one moment: files with their inodes, and folders."""

    def __init__(self, path: str) -> None:
        st = os.stat(path)
        self.path, self.written = path, st.st_mtime_ns
        self._identity = st.st_dev, st.st_ino
        self.files: dict[str, int] = {}
        self.folders: list[str] = []
        with os.scandir(path) as entries:
            for entry in entries:
                if "." in entry.name:
                    self.files[entry.name] = entry.inode()
                elif entry.is_dir() and entry.name != "__pycache__":
                    self.folders.append(entry.name)

    def still_has(self, file: str) -> bool:
        """Whether it has the same file under a name; nothing comes into a folder or goes without changing its time."""
        st = os.stat(self.path)
        if (st.st_mtime_ns, st.st_dev, st.st_ino) == (self.written, *self._identity):
            return True
        return st.st_dev == self._identity[0] and Folder(self.path).files.get(file) == self.files[file]


def _folders(folder: str) -> Iterator[tuple[str, Folder]]:
    """Each package of ours, which lie side by side."""
    todo = [(top, os.path.join(folder, top)) for top in OURS]
    for name, path in todo:
        try:
            found = Folder(path)
        except OSError:  # in an archive, or without the other package
            continue
        yield name, found
        todo += [(f"{name}.{each}", os.path.join(path, each)) for each in found.folders]


def watch() -> None:
    """From now on; the modules that are loaded already are whole."""
    archive: str | None = getattr(getattr(__spec__, "loader", None), "archive", None)
    earlier = {Unchanged.__qualname__, Found.__qualname__}  # of this module before it was taken out of `sys.modules`
    others = [finder for finder in sys.meta_path if type(finder).__qualname__ not in earlier]
    unchanged = Unchanged(os.path.dirname(os.path.dirname(os.path.dirname(__file__))), archive)
    sys.meta_path[:] = [unchanged, *others]
    if PathFinder in others and type(__spec__.loader) is SourceFileLoader:  # else a hook changes what is loaded
        sys.meta_path.insert(sys.meta_path.index(PathFinder), Found(unchanged))
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=let_loading_end, after_in_child=forget_loading)


def let_loading_end() -> None:
    """Before a fork: a module that another thread is loading stays locked for ever in the child.

    So wait till it is there; the locks are importlib's own, and where they have other names, nobody waits.
    """
    locks, me, began = _locks(), get_ident(), monotonic()
    while names := [name for name, ref in locks.copy().items() if _loader_of(ref) not in (None, me)]:
        is_ours = any(str(name).partition(".")[0] in OURS for name in names)
        if monotonic() - began > (_LONGEST_WAIT if is_ours else _WAIT_FOR_OTHERS):
            return
        sleep(0.0005)


def forget_loading() -> None:
    """In the child of a fork: a module of ours that a thread of the parent was loading all the same is loaded anew.

    Python takes its own import lock after the hooks, and may let another thread go on until it has it.
    """
    locks, me = _locks(), get_ident()
    for name, ref in list(locks.items()):
        if str(name).partition(".")[0] in OURS and _loader_of(ref) not in (None, me):
            locks.pop(name, None)
            if getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False):
                del sys.modules[name]


def _locks() -> dict[str, Any]:
    """The locks of the modules that are being loaded, by name; none where they are kept otherwise."""
    found = getattr(sys.modules.get("_frozen_importlib"), "_module_locks", None)
    return found if isinstance(found, dict) else {}


def _loader_of(ref: Any) -> int | None:
    """The thread that holds the lock of a module."""
    found: int | None = getattr(ref(), "owner", None)
    return found
