"""Which files are opened, listed and looked for while bodies run: told by functions of Python that stand in the way.

`open`, `os.open`, `os.stat` and the like are put behind `Watched` objects when the first body begins in a process, in
all modules that have them; a process that has hits only is left as it is.  Audit hooks see the same and cannot be
undone: one written in Python makes `id` seven times slower in the whole process.

Who asked matters: what this package does for its own ends, what an import does for a package, and what Python does to
show a traceback is no part of the body.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import RLock, get_ident
from contextlib import contextmanager

from cachepy.core.bodies import bodies
from cachepy.core.current import NOBODY, caller, each_of, here
from cachepy.store.files import YOUNG
from cachepy.values.owners import PACKAGE, USER, Owners
from cachepy.values.stand_ins import keys_of, original

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import CodeType
    from typing import Any, Protocol

    Place = tuple[dict[str, Any], str, Any]  # the names of a module, one of them, and what is to stand there

    class Sight(Protocol):
        """What is noted of the files of one body."""

        def read(self, path: str, opened: Any = None) -> None:
            """opened: the file, or its descriptor, where that is known."""
            ...

        def write(self, path: str, *, is_temporary: bool = False) -> None: ...

        def rewrite(self, path: str, *, appends: bool = False, before: Any = None) -> None: ...

        def move(self, old: str, new: str) -> None: ...

        def remove(self, path: str) -> None: ...

        def make_folder(self, path: str, *, is_new: bool, is_temporary: bool) -> None:
            """is_new: else somebody has made it before."""
            ...

        def look(self, path: str, found: str | None) -> None: ...

        def list(self, folder: str) -> None: ...

        def match(self, pattern: str) -> None: ...

        def name(self, path: str) -> None:
            """The command line of a program names it, perhaps."""
            ...

        def reach(self, how: str, address: str, fs: Any) -> None:
            """A file elsewhere is read, written, removed, listed or matched, by a file system of fsspec."""
            ...

        def ask(self, source: str) -> None:
            """A source is asked of which nothing can be digested: a host."""
            ...


_NOBODY, _BODY, TEMPFILE = 0, 1, 2  # who asked
_LIBRARY, _USERS, _OURS, _RUNS, _ASIDE, _TEMP = 0, 1, 2, 3, 4, 5  # whose a file of code is
_BODIES = (_USERS, _RUNS)
_ROOM = __file__.replace("\\", "/").rpartition("/calls/")[0]
_RUNNERS = tuple(f"{_ROOM}/{each}" for each in ("core/call.py", "calls/miss.py", "calls/context.py", "calls/bypass.py"))
_PLUGIN = f"{_ROOM.rpartition('/')[0]}/dask_plugin/"
_CARRIER = f"{_PLUGIN}wrapper.py"
_STDLIB = os.path.dirname(os.__file__)
_ASIDES = (
    "traceback.py", "inspect.py", "warnings.py", "pdb.py", "glob.py",
    "logging/__init__.py", "logging/handlers.py", "logging/config.py",
)  # fmt: skip
_LOOK_FOR_THEMSELVES = os.path.join(_STDLIB, "importlib", "metadata", "")  # it asks which packages there are
_PACKAGES_ASIDE = frozenset({
    "IPython", "_pytest", "coverage", "debugpy", "distributed", "ipykernel", "jupyter_client", "pluggy", "tornado",
    "zmq",
})  # fmt: skip
"""Packages that run others' code, and open files for their own ends: scratch folders, histories, logs."""
_KINDS = {os.path.join(_STDLIB, each): _ASIDE for each in _ASIDES} | {os.path.join(_STDLIB, "tempfile.py"): _TEMP}
_LEFT = frozenset({"_io", "posix", "nt", "_frozen_importlib_external", "importlib._bootstrap_external"})
"""Modules that keep the functions: who holds one pickles it by its name there, and imports go by these."""
_OPENERS = frozenset({"_io", "io"})  # whose `open` is Python's, and not that of `os`
_LOOKS_UP = ("_select", "select", "_iterate_dir", "which")  # functions of pathlib for `glob`, and of shutil


class FileEvents:
    """The events of this process."""

    def __init__(self) -> None:
        self.is_on = self.is_starting = False
        self.lock = RLock()
        self.written: dict[str, None] = {}  # by this process, for callers that run elsewhere
        self._places: list[Place] = []  # with what stood there
        self.amiss: list[Place] = []  # where somebody else stands
        self._busy = set[int]()  # threads that look at files because they were told of one
        self._kinds = dict(_KINDS)
        self._owners = Owners()
        self._sight_of: Callable[[Any], Sight | None] = lambda _: None

    # -- what readers that are not written in Python tell (see `library_files`)

    def read(self, path: Any) -> None:
        """A file or folder is opened for reading."""
        self._each(path, lambda sight, text: sight.read(text))

    def write(self, path: Any) -> None:
        """It is written anew."""
        self._each(path, lambda sight, text: sight.write(text))

    def rewrite(self, path: Any) -> None:
        """It is opened for both: what becomes of it shows at the end."""
        self._each(path, lambda sight, text: sight.rewrite(text, before=stat_of(text)))

    def match(self, pattern: Any) -> None:
        """The names that a pattern means are looked at."""
        self._each(pattern, lambda sight, text: sight.match(text))

    def tell_far(self, how: str, address: str, fs: Any) -> None:
        """A file elsewhere is read, written, removed, listed or matched; fs: what reaches it."""
        for sight in self.sights(self.caller_of_library()):
            sight.reach(how, address, fs)

    def ask(self, source: str) -> None:
        """A host is asked for something."""
        for sight in self.sights(self.above()):
            sight.ask(source)

    def _each(self, path: Any, tell: Any) -> None:
        text = text_of(path)
        if text is None or "://" in text:
            return
        for sight in self.sights(self.caller_of_library()):
            tell(sight, text)

    def asking(self) -> CodeType | None:
        """The code of the user's that asked for what is being told."""
        at = self.above()
        while at is not None and self._kind(at.f_code.co_filename) != _USERS:
            at = at.f_back
        return None if at is None else at.f_code

    def is_asked_by_user(self) -> bool:
        """Whether no package stands between the user's code and what is being told."""
        at = self.above()
        while at is not None and self._kind(at.f_code.co_filename) not in _BODIES:
            if self._owners.kind(at.f_code.co_filename) == PACKAGE:
                return False
            at = at.f_back
        return True

    def caller_of_library(self) -> Any:
        """Where a function of a library was called that has its calls looked at."""
        at = self.above()
        return None if at is None else at.f_back

    def is_of_body(self, at: Any) -> bool:
        """Whether code of the user's runs here, or what runs a body."""
        return self._kind(at.f_code.co_filename) in _BODIES

    def above(self) -> Any:
        """The nearest code that is not ours."""
        at: Any = sys._getframe(1)
        while at is not None and self._kind(at.f_code.co_filename) == _OURS:
            at = at.f_back
        return at

    # -- who hears

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What is opened in this thread meanwhile is opened for our own ends, whoever stands in the way."""
        me = get_ident()
        is_first = me not in self._busy
        self._busy.add(me)
        try:
            yield
        finally:
            if is_first:
                self._busy.discard(me)

    def sights(self, at: Any) -> tuple[Sight, ...] | list[Sight]:
        """The bodies for which a file is opened; at: where that was asked for."""
        frame = here()
        if frame is NOBODY or (frame is None and not bodies) or sys is None or not self.who(at):
            return ()
        if self._busy and get_ident() in self._busy:
            return ()
        body = bodies.get(id(frame))
        if body is None or not body.frame.is_open():
            return self._sights()
        seen: Any = body.seen
        return () if seen is None or seen.is_blind else (seen,)

    def _sights(self) -> list[Sight]:
        found = caller()
        sights = [self._sight_of(frame) for frame in (() if found is None else each_of(found))]
        return [sight for sight in sights if sight is not None]

    def who(self, at: Any) -> int:
        """Who asked: a body, or code that works for one, a module for files of the moment, or somebody else."""
        while at is not None:
            code = at.f_code
            kind = self._kind(code.co_filename)
            if kind in _BODIES:
                return _BODY
            if kind == _TEMP:
                return TEMPFILE
            if kind >= _OURS or (code.co_name.startswith(_LOOKS_UP) and _is_aside(at)):
                return _NOBODY
            at = at.f_back
        return _BODY

    def _kind(self, file: str) -> int:
        kind = self._kinds.get(file)
        return self._kind_of(file) if kind is None else kind

    def _kind_of(self, file: str) -> int:
        name = file.replace("\\", "/")
        if name[:1] == "<":
            kind = _ASIDE if name[:18] == "<frozen importlib." else _LIBRARY if name[:8] == "<frozen " else _USERS
        elif name in _RUNNERS or name == _CARRIER:
            kind = _RUNS
        elif name.startswith((f"{_ROOM}/", _PLUGIN)):
            kind = _OURS
        elif name.startswith(_LOOK_FOR_THEMSELVES) or _package_of(name) in _PACKAGES_ASIDE:
            kind = _ASIDE
        else:
            kind = _USERS if self._owners.kind(file) == USER else _LIBRARY
            if kind == _USERS and not self._owners.is_settled(file):
                return kind
        self._kinds[file] = kind
        return kind

    # -- standing in the way

    def start(self, pairs: dict[Any, Any], sight_of: Callable[[Any], Sight | None]) -> None:
        """Stand in the place of the functions that open files, from now on.

        pairs: the functions, each with what is to stand there; sight_of: who hears for a caller.
        """
        self.is_on = True
        self._sight_of = sight_of
        for scope, name, stand_in in everywhere(pairs.items()):
            self.put(scope, name, stand_in)
        self.amiss = [home for plain, stand_in in pairs.items() for home in _homes(plain, stand_in)]

    def take_places(self) -> None:
        """Stand where somebody else stood before, such as the mock of a test, that has gone since."""
        for scope, name, stand_in in self.amiss:
            if scope.get(name) is original(stand_in):
                self.put(scope, name, stand_in)
        self.amiss = [place for place in self.amiss if place[0].get(place[1]) is not place[2]]

    def put(self, scope: dict[str, Any], name: str, stand_in: Any) -> None:
        """Stand in one place, of the names of a module."""
        self._places.append((scope, name, scope[name]))
        scope[name] = stand_in

    def stop(self) -> None:
        """Put back what stood there; for tests."""
        for scope, name, plain in reversed(self._places):
            scope[name] = plain
        self._places.clear()
        self.amiss = []
        self.is_on = False


def _package_of(file: str) -> str:
    """The package that an installed file is of."""
    return file.rpartition("-packages/")[2].partition("/")[0] if "-packages/" in file else ""


def _homes(plain: Any, stand_in: Any) -> Iterator[Place]:
    """Where programs find a function of Python's, if what is to stand there does not: somebody else does."""
    for module in ("builtins", "io", "os"):
        scope, name = vars(sys.modules[module]), plain.__name__
        if scope.get(name) is not stand_in and (module == "os") != (plain.__module__ in _OPENERS):
            yield scope, name, stand_in


def _is_aside(at: Any) -> bool:
    return str(at.f_globals.get("__name__")).partition(".")[0] in ("pathlib", "shutil")


events = FileEvents()


def everywhere(pairs: Iterable[tuple[Any, Any]]) -> Iterator[Place]:
    """All modules that have some functions: many take one under a name of their own. pairs: it, and its stand-in."""
    held = {id(plain): stand_in for plain, stand_in in pairs}
    for name, module in list(sys.modules.items()):
        scope = getattr(module, "__dict__", None)
        if type(scope) is dict and name not in _LEFT and name.partition(".")[0] not in ("cachepy", "dask_plugin"):
            yield from ((scope, key, held[id(scope[key])]) for key in keys_of(scope, held))


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


def stat_of_open(path: str, opened: Any) -> os.stat_result | None:
    """The same of what was opened, if that is known: the path may lead elsewhere by now."""
    try:
        return os.fstat(opened if type(opened) is int else opened.fileno())
    except (OSError, ValueError, AttributeError, TypeError):
        return stat_of(path)


def is_young(st: os.stat_result) -> bool:
    """Whether the file may change again without its times showing it."""
    return time.time_ns() - max(st.st_mtime_ns, st.st_ctime_ns) <= YOUNG
