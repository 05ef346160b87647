"""The functions of Python that open, list and look for files, each as one that tells who hears of it.

Each is given the plain function, those who hear, where it was called, and its arguments; it calls the plain one.
"""

from __future__ import annotations

import os
import sys

from cachepy.calls.file_events import TEMPFILE, events, stat_of, text_of
from cachepy.store.listings import LINK, kind_of, what_is_there
from cachepy.values.stand_ins import Watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_MAKES_WAY = frozenset({"makedirs", "mkdir"})  # they look whether a folder is there only to make it
_EXISTS = frozenset({"exists", "isfile", "isdir", "is_file", "is_dir", "lexists", "samefile"})


def _open(plain: Any, sights: Any, _: Any, args: Any, kwargs: Any) -> Any:
    path = text_of(args[0] if args else kwargs.get("file"))
    if path is None:
        return plain(*args, **kwargs)
    mode = args[1] if len(args) > 1 else kwargs.get("mode", "r")
    return _opened(sights, path, _kind_of_mode(mode), lambda: plain(*args, **kwargs))


def _system_open(plain: Any, sights: Any, at: Any, args: Any, kwargs: Any) -> Any:
    path = _first(args, kwargs)
    if path is None:
        return plain(*args, **kwargs)
    kind = _kind_of_flags(args[1] if len(args) > 1 else kwargs.get("flags", 0))
    if kind == "write" and events.who(at) == TEMPFILE:
        kind = "temporary"
    return _opened(sights, path, kind, lambda: plain(*args, **kwargs))


def _opened(sights: Any, path: str, kind: str, opens: Callable[[], Any]) -> Any:
    """Open a file, and tell how; before it is opened for both, what was there."""
    before = stat_of(path) if kind == "both" else None
    try:
        made = opens()
    except FileNotFoundError:
        if kind == "read":
            _look(sights, path, None)
        raise
    for sight in sights:
        if kind == "read":
            sight.read(path, made)
        elif kind in ("both", "append"):
            sight.rewrite(path, appends=kind == "append", before=before)
        else:
            sight.write(path, is_temporary=kind == "temporary")
    return made


def _kind_of_mode(mode: Any) -> str:
    text = mode if isinstance(mode, str) else "r"
    if "w" in text or "x" in text:
        return "write"
    if "a" in text:
        return "append"
    return "both" if "+" in text else "read"


def _kind_of_flags(flags: Any) -> str:
    if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR):
        return "read"
    if flags & os.O_APPEND:
        return "append"
    return "write" if flags & (os.O_TRUNC | os.O_EXCL) else "both"


def _look(sights: Any, path: str | None, found: str | None) -> None:
    for sight in sights if path is not None else ():
        sight.look(path, found)


def _first(args: Any, kwargs: Any) -> str | None:
    """The path that a function is given first; None if it is none, or one below an open folder."""
    if kwargs.get("dir_fd") is not None:
        return None
    return text_of(args[0] if args else kwargs.get("path"))


def _found(plain: Any, sights: Any, path: str | None, args: Any, kwargs: Any) -> Any:
    """What a function that looks finds; if there is nothing, that is told."""
    try:
        return plain(*args, **kwargs)
    except (FileNotFoundError, NotADirectoryError):
        _look(sights, path, None)
        raise


def _stat(plain: Any, sights: Any, at: Any, args: Any, kwargs: Any) -> Any:
    """`os.stat`, and all that goes by it, as `os.path.exists`."""
    name = at.f_code.co_name
    path = None if name in _MAKES_WAY else _first(args, kwargs)
    found = _found(plain, sights, path, args, kwargs)
    _look(sights, path, kind_of(found, sized=name not in _EXISTS))
    return found


def _read_link(plain: Any, sights: Any, _: Any, args: Any, kwargs: Any) -> Any:
    """`os.readlink`, and what goes by it, as ``Path.resolve``."""
    made, path = plain(*args, **kwargs), _first(args, kwargs)
    _look(sights, path, f"{LINK}{os.fsdecode(made)}")
    return made


def _access(plain: Any, sights: Any, _: Any, args: Any, kwargs: Any) -> Any:
    path = _first(args, kwargs)
    if path is not None:
        _look(sights, path, what_is_there(path))
    return plain(*args, **kwargs)


def _list(plain: Any, sights: Any, _: Any, args: Any, kwargs: Any) -> Any:
    path = text_of((args[0] if args else kwargs.get("path")) or ".")
    found = _found(plain, sights, path, args, kwargs)
    for sight in sights if path is not None else ():
        sight.list(path)
    return found


def _make_folder(plain: Any, sights: Any, at: Any, args: Any, kwargs: Any) -> Any:
    path, is_new = _first(args, kwargs), False
    try:
        made = plain(*args, **kwargs)
        is_new = True
        return made
    finally:
        for sight in sights if path is not None else ():
            sight.make_folder(path, is_new=is_new, is_temporary=is_new and events.who(at) == TEMPFILE)


def _remove(plain: Any, sights: Any, _: Any, args: Any, kwargs: Any) -> Any:
    made, path = plain(*args, **kwargs), _first(args, kwargs)
    for sight in sights if path is not None else ():
        sight.remove(path)
    return made


def _truncate(plain: Any, sights: Any, _: Any, args: Any, kwargs: Any) -> Any:
    made, path = plain(*args, **kwargs), _first(args, kwargs)
    for sight in sights if path is not None else ():
        sight.rewrite(path, appends=True)
    return made


def _two(args: Any, kwargs: Any) -> tuple[str, str] | None:
    """The paths that a function is given."""
    if not {"dir_fd", "src_dir_fd", "dst_dir_fd"}.isdisjoint(kwargs):
        return None
    old, new = map(text_of, [*args, *kwargs.values()][:2])
    return (old, new) if old is not None and new is not None else None


def _move(plain: Any, sights: Any, _: Any, args: Any, kwargs: Any) -> Any:
    made, both = plain(*args, **kwargs), _two(args, kwargs)
    for sight in sights:
        if both is not None:
            sight.move(*both)
    return made


def _link(plain: Any, sights: Any, _: Any, args: Any, kwargs: Any) -> Any:
    made, both = plain(*args, **kwargs), _two(args, kwargs)
    for sight in sights:
        if both is not None:
            sight.write(both[1])
    return made


_WATCHED: dict[str, dict[str, Callable[..., Any]]] = {
    "io": {"open": _open},
    "os": {
        "open": _system_open, "stat": _stat, "access": _access, "readlink": _read_link, "listdir": _list,
        "scandir": _list, "mkdir": _make_folder, "remove": _remove, "unlink": _remove, "rmdir": _remove,
        "truncate": _truncate, "rename": _move, "replace": _move, "link": _link, "symlink": _link,
    },
}  # fmt: skip


_MADE_IN = {"io": "_io", "os": os.name}
"""Where Python itself has them: there they are also while somebody else stands in their place, such as a test."""


def pairs() -> Iterator[tuple[Any, Watched]]:
    """The functions, each with what is to stand in its place."""
    for module, names in _WATCHED.items():
        scope = vars(sys.modules[_MADE_IN[module]])
        for name, told in names.items():
            plain = scope.get(name)
            if type(plain) is type(len):  # not there on this system
                yield plain, Watched(plain, module, events.sights, told)
