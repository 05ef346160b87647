"""What bodies open, list and write at addresses, by fsspec and what goes by it: pandas, dask, pyarrow, ``UPath``.

All file systems open by one method.  Those that are asynchronous do the rest by one function, `fsspec.asyn.sync`, which
is told the method that it runs.
"""

from __future__ import annotations

from cachepy.calls.entry_points import Pick
from cachepy.calls.file_events import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.calls.entry_points import Picks

_LOOKS = ("list", "match", "look")  # which libraries do for their own ends too
_MADE_OF = 10  # file systems around one another
_LIBRARIES = frozenset({"fsspec", "s3fs", "gcsfs", "adlfs", "ossfs", "huggingface_hub", "upath"})
"""What stands between the user's code and the method that lists."""


def _opened(self: Any, path: Any, mode: Any) -> None:
    """``fs.open`` is called."""
    _tell("read" if str(mode or "rb").strip("tb") == "r" else "write", self, path)


def _ran(fs: Any, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """A method of an asynchronous file system is run."""
    told = _METHODS.get(method)
    if told is None or (told[0] in _LOOKS and not _is_asked_by_user()):
        return
    how, place, name = told
    _tell(how, fs, kwargs[name] if name in kwargs else args[place] if len(args) > place else None)


def _does(how: str) -> Callable[[Any, Any], None]:
    """A method is called that does this with a path; of what libraries do too, if the user asks for it."""

    def told(self: Any, path: Any) -> None:
        if how not in _LOOKS or _is_asked_by_user():
            _tell(how, self, path)

    return told


def _tell(how: str, fs: Any, path: Any) -> None:
    """Whoever hears is told; none of it ever raises."""
    from cachepy.store.far_files import STORES, scheme_of  # few bodies come here

    try:
        for each in path if isinstance(path, (list, tuple, set)) else (path,):
            reached, address = address_of(fs, each)
            if scheme_of(address) in STORES:
                events.tell_far(how, address, reached)
    except Exception:  # a file system may be anything; the call itself says so
        return


def address_of(fs: Any, path: Any) -> tuple[Any, str]:
    """Where a path of a file system leads: without the copies, and the folders, that stand around it; and by what."""
    for _ in range(_MADE_OF):
        inner = getattr(fs, "fs", None)
        if inner is None or not hasattr(inner, "unstrip_protocol"):
            break
        path = fs._join(path) if hasattr(fs, "_join") else fs._strip_protocol(path)
        fs = inner
    address = str(fs.unstrip_protocol(fs._strip_protocol(path)))
    return fs, address.replace("memory:///", "memory://")


def _is_asked_by_user() -> bool:
    """Whether nothing but libraries of file systems stand between the user's code and what is being told."""
    at = events.above()
    while at is not None and str(at.f_globals.get("__name__")).partition(".")[0] in _LIBRARIES:
        at = at.f_back
    return at is not None and events.is_of_body(at)


class _Method(Pick):
    """Of `fsspec.asyn.sync`: the method that it is given, with the arguments."""

    __slots__ = ()

    def from_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        func: Any = args[1] if len(args) > 1 else kwargs.get("func")
        fs = getattr(func, "__self__", None)
        if fs is not None:
            _ran(fs, func.__name__, args[2:], kwargs)


_METHODS = {  # what it does, and where the path is
    "_cat_file": ("read", 0, "path"), "_cat": ("read", 0, "path"), "_cat_ranges": ("read", 0, "paths"),
    "_get_file": ("read", 0, "rpath"), "_get": ("read", 0, "rpath"),
    "_pipe_file": ("write", 0, "path"), "_pipe": ("write", 0, "path"),
    "_put_file": ("write", 1, "rpath"), "_put": ("write", 1, "rpath"),
    "_cp_file": ("write", 1, "path2"), "_copy": ("write", 1, "path2"),
    "_rm": ("remove", 0, "path"), "_rm_file": ("remove", 0, "path"),
    "_exists": ("look", 0, "path"), "_info": ("look", 0, "path"), "_isdir": ("look", 0, "path"),
    "_isfile": ("look", 0, "path"), "_size": ("look", 0, "path"), "_sizes": ("look", 0, "paths"),
    "_ls": ("list", 0, "path"), "_find": ("list", 0, "path"), "_glob": ("match", 0, "path"),
}  # fmt: skip
_OF_SYNC = (("func", 1), ("args", 2))


def picks(runs_here: Callable[[], bool]) -> Picks:
    """What is to be seen of which module; runs_here: whether a body may be running."""
    opens, takes = (("self", -1), ("path", 0), ("mode", 1)), (("self", -1), ("path", 0))
    return {
        "fsspec.spec": [
            ("AbstractFileSystem.open", [Pick(_opened, opens, runs_here)]),
            ("AbstractFileSystem.find", [Pick(_does("list"), takes, runs_here)]),
            ("AbstractFileSystem.glob", [Pick(_does("match"), takes, runs_here)]),
        ],
        "fsspec.asyn": [("sync", [_Method(lambda *_: None, _OF_SYNC, runs_here)])],
        "fsspec.implementations.memory": [
            ("MemoryFileSystem.cat_file", [Pick(_does("read"), takes, runs_here)]),
            ("MemoryFileSystem.pipe_file", [Pick(_does("write"), takes, runs_here)]),
            ("MemoryFileSystem.info", [Pick(_does("look"), takes, runs_here)]),
            ("MemoryFileSystem.exists", [Pick(_does("look"), takes, runs_here)]),
            ("MemoryFileSystem.ls", [Pick(_does("list"), takes, runs_here)]),
        ],
    }
