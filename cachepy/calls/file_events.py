"""Which files are opened, listed and looked for while bodies run: told by functions of Python that stand in the way.

`open`, `os.open`, `os.stat` and the like are put behind `Watched` objects when the first body begins in a process, in
all modules that have them; a process that has hits only is left as it is.  Audit hooks see the same and cannot be
undone: one written in Python makes `id` seven times slower in the whole process.

Who asked matters: what this package does for its own ends, what an import does for a package, and what Python does to
show a traceback is no part of the body.
"""

from __future__ import annotations

import os
import stat
import sys
import time

from cachepy.core.bodies import bodies
from cachepy.core.current import NOBODY, caller, each_of, here
from cachepy.store.files import YOUNG
from cachepy.store.listings import kind_of, what_is_there
from cachepy.values.owners import USER, Owners
from cachepy.values.watched import Watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Sight(Protocol):
        """What is noted of the files of one body."""

        def read(self, path: str, *, is_young: bool = False, stat: Any = None) -> None: ...

        def write(self, path: str, *, is_temporary: bool = False) -> None: ...

        def rewrite(self, path: str, *, appends: bool = False, stat: Any = None) -> None: ...

        def move(self, old: str, new: str) -> None: ...

        def remove(self, path: str) -> None: ...

        def make_folder(self, path: str, *, is_temporary: bool = False) -> None: ...

        def look(self, path: str, found: str | None) -> None: ...

        def list(self, folder: str) -> None: ...

        def match(self, pattern: str) -> None: ...


_NOBODY, _BODY, _TEMPFILE = 0, 1, 2  # who asked
_LIBRARY, _USERS, _OURS, _RUNS, _ASIDE, _TEMP = 0, 1, 2, 3, 4, 5  # whose a file of code is
_ROOM = __file__.replace("\\", "/").rpartition("/calls/")[0]
_RUNNERS = tuple(f"{_ROOM}/{each}" for each in ("core/call.py", "calls/miss.py", "calls/context.py", "calls/bypass.py"))
_PLUGIN = f"{_ROOM.rpartition('/')[0]}/dask_plugin/"
_CARRIER = f"{_PLUGIN}wrapper.py"
_STDLIB = os.path.dirname(os.__file__)
_ASIDES = ("linecache.py", "glob.py", "logging/__init__.py", "logging/handlers.py", "logging/config.py")
_KINDS = {os.path.join(_STDLIB, each): _ASIDE for each in _ASIDES} | {os.path.join(_STDLIB, "tempfile.py"): _TEMP}
_SELECTS = ("_select", "select", "_iterate_dir")  # functions of pathlib that work for `glob`
_MAKES_WAY = frozenset({"makedirs", "mkdir"})
_EXISTS = frozenset({"exists", "isfile", "isdir", "is_file", "is_dir", "lexists", "samefile", "which", "_access_check"})


class FileEvents:
    """The events of this process."""

    def __init__(self) -> None:
        self.is_on = False
        self.written = set[str]()  # by this process, for callers that run elsewhere
        self._places: list[tuple[Any, str, Any]] = []  # scope or class, name, what stood there
        self._kinds = dict(_KINDS)
        self._owners = Owners()

    # -- what readers that are not written in Python tell (see `library_files`)

    def read(self, path: Any) -> None:
        """A file or folder is opened for reading."""
        self._each(path, lambda sight, text: sight.read(text))

    def write(self, path: Any) -> None:
        """It is written anew."""
        self._each(path, lambda sight, text: sight.write(text))

    def rewrite(self, path: Any) -> None:
        """It is opened for both: what becomes of it shows at the end."""
        self._each(path, lambda sight, text: sight.rewrite(text, stat=stat_of(text)))

    def _each(self, path: Any, tell: Any) -> None:
        text = text_of(path)
        if text is not None and "://" not in text:
            for sight in self.sights(sys._getframe(2)):
                tell(sight, text)

    # -- who hears

    def sights(self, at: Any) -> tuple[Sight, ...] | list[Sight]:
        """The bodies for which a file is opened; at: where that was asked for."""
        frame = here()
        if frame is NOBODY or (frame is None and not bodies) or sys is None:
            return ()
        return self._sights() if self.who(at) else ()

    def _sights(self) -> list[Sight]:
        from cachepy.calls.seen_files import sight_of

        found = caller()
        sights = [sight_of(frame) for frame in (() if found is None else each_of(found))]
        return [sight for sight in sights if sight is not None]

    def who(self, at: Any) -> int:
        """Who asked: a body, or code that works for one, a module for files of the moment, or somebody else."""
        while at is not None:
            code = at.f_code
            kind = self._kinds.get(code.co_filename)
            if kind is None:
                kind = self._kind_of(code.co_filename)
            if kind == _USERS or kind == _RUNS:
                return _BODY
            if kind == _TEMP:
                return _TEMPFILE
            if kind >= _OURS or (code.co_name.startswith(_SELECTS) and at.f_globals.get("__name__", "")[:7] == "pathlib"):
                return _NOBODY
            at = at.f_back
        return _BODY

    def _kind_of(self, file: str) -> int:
        name = file.replace("\\", "/")
        if name[:1] == "<":
            kind = _ASIDE if name[:18] == "<frozen importlib." else _LIBRARY if name[:8] == "<frozen " else _USERS
        elif name in _RUNNERS or name == _CARRIER:
            kind = _RUNS
        elif name.startswith((f"{_ROOM}/", _PLUGIN)):
            kind = _OURS
        else:
            kind = _USERS if self._owners.kind(file) == USER else _LIBRARY
            if kind == _USERS and not self._owners.is_settled(file):
                return kind
        self._kinds[file] = kind
        return kind

    # -- standing in the way

    def start(self) -> None:
        """Stand in the place of the functions that open files, from now on."""
        if self.is_on:
            return
        self.is_on = True
        for module, names in _WATCHED.items():
            scope = vars(sys.modules[module])
            for name, told in names.items():
                if type(scope.get(name)) is type(len):
                    self._put_everywhere(scope[name], Watched(scope[name], module, self.sights, told))
        from cachepy.calls.globs import stand_ins

        for scope, name, stand_in in stand_ins():
            self._put(scope, name, stand_in)

    def _put_everywhere(self, plain: Any, stand_in: Watched) -> None:
        """In all modules that have the function: many take it under a name of their own."""
        for name, module in list(sys.modules.items()):
            if name in _LEFT or name.partition(".")[0] in ("cachepy", "dask_plugin"):
                continue
            scope = getattr(module, "__dict__", None)
            if type(scope) is dict:
                for key in [key for key, value in list(scope.items()) if value is plain]:
                    self._put(scope, key, stand_in)

    def _put(self, scope: Any, name: str, stand_in: Any) -> None:
        if isinstance(scope, dict):
            self._places.append((scope, name, scope[name]))
            scope[name] = stand_in
        else:
            self._places.append((scope, name, vars(scope)[name]))
            setattr(scope, name, stand_in)

    def stop(self) -> None:
        """Put back what stood there; for tests."""
        for scope, name, plain in reversed(self._places):
            if isinstance(scope, dict):
                scope[name] = plain
            else:
                setattr(scope, name, plain)
        self._places.clear()
        self.is_on = False


events = FileEvents()


def text_of(path: Any) -> str | None:
    """A path as text; None for what is none, such as a descriptor."""
    if type(path) is str:
        return path
    if isinstance(path, int) or path is None:
        return None
    try:
        text = os.fspath(path)
        return os.fsdecode(text)
    except (TypeError, ValueError):
        return None


_plain_stat = os.stat


def stat_of(path: str) -> os.stat_result | None:
    """What there is, if there is something."""
    try:
        return _plain_stat(path)
    except (OSError, ValueError):
        return None


def _is_young(st: os.stat_result) -> bool:
    """Whether the file may change again without its times showing it."""
    return time.time_ns() - max(st.st_mtime_ns, st.st_ctime_ns) <= YOUNG


# -- one function for each that is watched: it calls the plain one, and tells who hears of it


def _open(plain: Any, sights: Any, at: Any, args: Any, kwargs: Any) -> Any:
    path = text_of(args[0] if args else kwargs.get("file"))
    if path is None:
        return plain(*args, **kwargs)
    mode = args[1] if len(args) > 1 else kwargs.get("mode", "r")
    return _opened(sights, path, _kind_of_mode(mode), lambda: plain(*args, **kwargs), _number)


def _system_open(plain: Any, sights: Any, at: Any, args: Any, kwargs: Any) -> Any:
    path = text_of(args[0] if args else kwargs.get("path"))
    if path is None or kwargs.get("dir_fd") is not None:
        return plain(*args, **kwargs)
    kind = _kind_of_flags(args[1] if len(args) > 1 else kwargs.get("flags", 0))
    if kind == "write" and events.who(at) == _TEMPFILE:
        kind = "temporary"
    return _opened(sights, path, kind, lambda: plain(*args, **kwargs), int)


def _number(file: Any) -> Any:
    return file.fileno()


def _opened(sights: Any, path: str, kind: str, opens: Any, number: Any) -> Any:
    """Open a file, and tell how; before it is opened for both, what was there."""
    before = stat_of(path) if kind in ("both", "append") else None
    try:
        made = opens()
    except FileNotFoundError:
        if kind == "read":
            _look(sights, path, None)
        raise
    st = _stat_of_open(number, made, path) if kind == "read" else None
    for sight in sights:
        if kind == "read":
            if st is not None and stat.S_ISREG(st.st_mode):
                sight.read(path, is_young=_is_young(st), stat=st)
        elif kind in ("both", "append"):
            sight.rewrite(path, appends=kind == "append", stat=before)
        else:
            sight.write(path, is_temporary=kind == "temporary")
    return made


def _stat_of_open(number: Any, made: Any, path: str) -> os.stat_result | None:
    try:
        return os.fstat(number(made))
    except (OSError, ValueError, AttributeError, TypeError):
        return stat_of(path)


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


def _first(args: Any, kwargs: Any, otherwise: Any = None) -> str | None:
    """The path that a function is given first; None if it is none, or one below an open folder."""
    if kwargs.get("dir_fd") is not None:
        return None
    return text_of(args[0] if args else kwargs.get("path", otherwise))


def _stat(plain: Any, sights: Any, at: Any, args: Any, kwargs: Any) -> Any:
    """`os.stat`, and all that goes by it, as `os.path.exists`."""
    name = at.f_code.co_name
    path = None if name in _MAKES_WAY else _first(args, kwargs)
    try:
        found = plain(*args, **kwargs)
    except (FileNotFoundError, NotADirectoryError):
        _look(sights, path, None)
        raise
    if path is not None:
        _look(sights, path, kind_of(found, sized=name not in _EXISTS))
    return found


def _access(plain: Any, sights: Any, at: Any, args: Any, kwargs: Any) -> Any:
    path = _first(args, kwargs)
    if path is not None:
        _look(sights, path, what_is_there(path, sized=False))
    return plain(*args, **kwargs)


def _list(plain: Any, sights: Any, at: Any, args: Any, kwargs: Any) -> Any:
    path = text_of((args[0] if args else kwargs.get("path")) or ".")
    try:
        found = plain(*args, **kwargs)
    except (FileNotFoundError, NotADirectoryError):
        _look(sights, path, None)
        raise
    for sight in sights if path is not None else ():
        sight.list(path)
    return found


def _make_folder(plain: Any, sights: Any, at: Any, args: Any, kwargs: Any) -> Any:
    made, path = plain(*args, **kwargs), _first(args, kwargs)
    for sight in sights if path is not None else ():
        sight.make_folder(path, is_temporary=events.who(at) == _TEMPFILE)
    return made


def _remove(plain: Any, sights: Any, at: Any, args: Any, kwargs: Any) -> Any:
    made, path = plain(*args, **kwargs), _first(args, kwargs)
    for sight in sights if path is not None else ():
        sight.remove(path)
    return made


def _truncate(plain: Any, sights: Any, at: Any, args: Any, kwargs: Any) -> Any:
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


def _move(plain: Any, sights: Any, at: Any, args: Any, kwargs: Any) -> Any:
    made, both = plain(*args, **kwargs), _two(args, kwargs)
    for sight in sights if both is not None else ():
        sight.move(*both)
    return made


def _link(plain: Any, sights: Any, at: Any, args: Any, kwargs: Any) -> Any:
    made, both = plain(*args, **kwargs), _two(args, kwargs)
    for sight in sights if both is not None else ():
        sight.write(both[1])
    return made


_WATCHED: dict[str, dict[str, Callable[..., Any]]] = {
    "io": {"open": _open},
    "os": {
        "open": _system_open, "stat": _stat, "access": _access, "listdir": _list, "scandir": _list,
        "mkdir": _make_folder, "remove": _remove, "unlink": _remove, "rmdir": _remove, "truncate": _truncate,
        "rename": _move, "replace": _move, "link": _link, "symlink": _link,
    },
}  # fmt: skip
_LEFT = frozenset({"posix", "nt", "_frozen_importlib_external", "importlib._bootstrap_external"})
