"""Where code comes from: user code, an installed package, or the standard library.

User code counts by its content, a package by its version, the standard library by Python's minor
version (design 3.5).  Also the canonical name of ``__main__``.
"""

from __future__ import annotations

import sys
import time
from _weakref import ref

from cachepy.values.bound_methods import plain
from cachepy.values.owners import PACKAGE, STDLIB, UNKNOWN, USER, Owners

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import Any

__all__ = ["PACKAGE", "STDLIB", "USER", "Origins"]

_FUNCTION = type(lambda: None)
_MODULE = type(sys)
_DICT: Any = vars(_MODULE)["__dict__"]
_HOLDERS = (staticmethod, classmethod, property)
_MOST = 10_000  # classes that are remembered: some libraries make new ones all the time
_HEAP = 1 << 9  # of the flags of a class: it was made while the program ran
_BINDERS = ("nanobind", "pybind11_builtins", "Boost.Python")  # libraries in C++ say that their functions are from there
_TYPED = ("<timeit-src>", "<doctest ")  # a user's text, run in the globals of whoever runs it
PYTHON = f"{sys.implementation.name}-{sys.version_info[0]}.{sys.version_info[1]}"


MAIN = ("__main__", "__mp_main__")
# modules of ours that users' code names things of -> where these were first: so digests go on calling them
_FIRST = {
    "cachepy.calls.context": "cachepy.calls.carry",
    "cachepy.calls.engine": "cachepy.engine",
    "cachepy.calls.state": "cachepy.session",
    "cachepy.core.model": "cachepy.model",
    "cachepy.core.reasons": "cachepy.model",
    "cachepy.maintain.check": "cachepy.upkeep.check",
    "cachepy.maintain.prune": "cachepy.upkeep.maintain",
    "cachepy.maintain.quarantine": "cachepy.upkeep.aside",
    "cachepy.maintain.repair": "cachepy.upkeep.repair",
    "cachepy.maintain.rerun": "cachepy.upkeep.trial",
    "cachepy.methods": "cachepy.questions",
    "cachepy.staleness.api": "cachepy.api",
    "cachepy.staleness.plan": "cachepy.asking.plan",
    "cachepy.staleness.refresh": "cachepy.asking.refresh",
    "cachepy.staleness.survey": "cachepy.asking.stale",
    "cachepy.values.bound_methods": "cachepy.methods",
    "cachepy.views.page": "cachepy.forms.page",
    "cachepy.views.show": "cachepy.forms.show",
    "cachepy.views.view": "cachepy.forms.view",
}
STARTED = time.time_ns()  # a source file that is younger may have been edited since this process loaded it
_arrived: list[str] = []  # the script whose code was met last that is not this process's
_MAIN_SCOPE = vars(sys.modules.get("__main__", sys))
_SCRIPT = _MAIN_SCOPE.get("__file__")  # Python deletes it when the script has ended; threads and atexit go on


def canonical(module: str | None) -> str:
    """The module's name; for ``__main__`` the script's, so that run and imported share a cache."""
    if module not in MAIN:
        return module or "?"
    return main_name(vars(sys.modules[module])) if module in sys.modules else "__main__"


def lasting(module: str) -> str:
    """The name by which digests know a module: whatever of ours is moved stays what it was."""
    return _FIRST.get(module, module)


def main_name(scope: dict[str, Any]) -> str:
    """The name under which the ``__main__`` with these globals would be imported.

    By ``__package__`` and ``__file__`` alone: these two travel with a function to a worker.
    """
    file = scope.get("__file__") or (_SCRIPT if scope is _MAIN_SCOPE else None)
    if not file or str(file).startswith("<"):
        return "__main__"
    package = scope.get("__package__") or ""
    stem = str(file).replace("\\", "/").rpartition("/")[2].removesuffix(".py")
    if stem == "__main__":
        return package or stem
    return f"{package}.{stem}" if package else stem


def module_name(module: Any) -> str:
    """The canonical name of a module that is at hand."""
    scope = scope_of(module)
    name = scope.get("__name__")
    return main_name(scope) if name in MAIN else name if isinstance(name, str) else "?"


def home_in(scope: dict[str, Any]) -> str:
    """The canonical name of the module with these globals."""
    name = scope.get("__name__")
    return main_name(scope) if name in MAIN else lasting(name) if type(name) is str and name else "?"


def home_of(fn: Any) -> str:
    """The module in which a function was written, by its globals: ``wraps`` changes ``__module__``."""
    scope = fn.__globals__
    name = scope.get("__name__")
    if name not in MAIN:
        return home_in(scope)
    if _arrived and fn.__code__.co_filename == "<string>":  # dataclasses make it among the globals of __main__
        return _arrived[0]
    found = main_name(scope)
    if name not in sys.modules or vars(sys.modules[name]) is not scope:
        _arrived[:] = [found]
    return found


def home_of_class(cls: type) -> str:
    """The module in which a class was written.

    In a process of another ``__main__`` only the functions of a script know which it was: a class without any goes
    by the script whose functions came with it.
    """
    module = cls.__module__
    if module not in MAIN:
        return lasting(module) if isinstance(module, str) else "?"
    here = vars(sys.modules[module]) if module in sys.modules else {}
    if cls.__qualname__.partition(".")[0] in here:
        return canonical(module)
    for each in map(plain, vars(cls).values()):  # what dataclasses make is made in the globals of this process's script
        if type(each) is _FUNCTION and each.__globals__ is not here and each.__globals__.get("__name__") in MAIN:
            return home_of(each)
    return _arrived[0] if _arrived else canonical(module)


def canonical_name(name: str) -> str:
    """A name made of ``__name__``, as loggers have it, as it would be if the script were imported."""
    first, dot, rest = name.partition(".")
    if first not in MAIN:
        return name
    return f"{_arrived[0] if _arrived else canonical(first)}{dot}{rest}"


def find(module: str) -> ModuleType | None:
    """The loaded module of a canonical name, without importing anything."""
    for name in MAIN:
        if name in sys.modules and canonical(name) == module:
            return sys.modules[name]
    return sys.modules.get(module)


def absolute_name(name: str, level: int, scope: dict[str, Any]) -> str | None:
    """The module that ``from ..name import`` means in a module with these globals."""
    if level == 0:
        return name
    package = scope.get("__package__") or scope.get("__name__", "").rpartition(".")[0]
    parts = package.split(".")
    if level > len(parts):
        return None
    base = ".".join(parts[: len(parts) - level + 1])
    return f"{base}.{name}" if name else base


class Origins:
    """Tells whose code is, and which version of which package, for one process.

    By its own file, never by what the name of its module means here: a script's code runs in workers and under
    profilers whose ``__main__`` is another program, and a name of the standard library may be a user's file.

    >>> Origins().kind("json")
    'stdlib'
    """

    def __init__(self) -> None:
        self.owners = Owners()
        self._versions: dict[str, str] = {}
        self._classes: dict[int, tuple[Callable[[], type | None], str]] = {}

    def kind(self, module: str | None) -> str:
        """``user``, ``package`` or ``stdlib``, of what is loaded under a name."""
        if module is None or module in MAIN:
            return USER
        loaded = sys.modules.get(module) or sys.modules.get(module.partition(".")[0])
        if loaded is not None:
            return self.of_module(loaded)
        return STDLIB if module.partition(".")[0] in sys.stdlib_module_names else USER

    def of(self, obj: Any) -> str:
        """The kind of a function, a class or a module; of anything else that of its class."""
        if type(obj) is _FUNCTION:
            return self.of_function(obj)
        if isinstance(obj, type):
            return self.of_class(obj)
        return self.of_module(obj) if isinstance(obj, _MODULE) else self.of_class(type(obj))

    def of_function(self, fn: Any) -> str:
        """By the file of its code; what was made from a text belongs to the module that it was made in."""
        file = fn.__code__.co_filename
        if file[:1] != "<":
            kind = self.owners.kind(file)
            return kind if kind == USER else self._by_scope(fn.__globals__, kind)
        if file.startswith(_TYPED):
            return USER
        return STDLIB if file[:8] == "<frozen " else self._by_scope(fn.__globals__, "")

    def _by_scope(self, scope: dict[str, Any], kind: str) -> str:
        file = scope.get("__file__")
        if type(file) is str and file[:1] != "<" and (kind or scope.get("__name__") not in MAIN):
            return self.owners.kind(file)
        return kind or self.kind(scope.get("__name__"))

    def of_class(self, cls: type) -> str:
        """By the file of its methods; of one without, by its module, unless that is a script's name."""
        known = self._classes.get(id(cls))
        if known is not None and known[0]() is cls:
            return known[1]
        kind, is_settled = self._of_class(cls)
        if is_settled:
            if len(self._classes) >= _MOST:
                self._classes.clear()
            self._classes[id(cls)] = ref(cls), kind
        return kind

    def _of_class(self, cls: type) -> tuple[str, bool]:
        """Also whether that is settled: what is the user's so far may say its version once it is loaded."""
        module = cls.__module__
        if module == "builtins" or (type(module) is str and module.startswith("_cython_")):  # of no module at all
            return STDLIB, True
        if module in _BINDERS and module not in sys.modules:
            return STDLIB, True
        if module == "types" and module in sys.modules and vars(sys.modules[module]).get(cls.__qualname__) is not cls:
            return USER, True  # `types.new_class` made it for somebody
        for fn in _methods(cls):
            kind, file = self.of_function(fn), fn.__code__.co_filename
            is_own = fn.__globals__.get("__name__") == module
            if kind == USER or (is_own and (module not in MAIN or file[:1] != "<")):
                return kind, kind != USER or self.owners.is_settled(file)
        if module not in sys.modules and not cls.__flags__ & _HEAP:  # written in C under a name that leads nowhere
            return STDLIB, False
        kind = self.kind(module if isinstance(module, str) else None)
        file = scope_of(sys.modules.get(module)).get("__file__") if isinstance(module, str) else None
        return kind, kind != USER or module in MAIN or (isinstance(file, str) and self.owners.is_settled(file))

    def of_module(self, module: Any) -> str:
        """By its file; what has none is built in, or made by hand."""
        scope = scope_of(module)
        file = scope.get("__file__")
        if type(file) is not str:
            path = list(scope.get("__path__") or ())
            file = f"{path[0]}/" if path else None
        if file is not None:
            return self.owners.kind(file)
        is_own = getattr(scope.get("__spec__"), "origin", None) in ("built-in", "frozen")
        name = scope.get("__name__")
        if is_own and name not in MAIN:
            return STDLIB
        above = sys.modules.get(name.partition(".")[0]) if isinstance(name, str) and "." in name else None
        return USER if above is None or above is module else self.of_module(above)

    def package(self, obj: Any) -> str | None:
        """The package by the name for import, if a function, class or module is of an installed one; else None."""
        if self.of(obj) != PACKAGE:
            return None
        file = self._file(obj)
        place = self.owners.place(file) if file else None
        return place[1] if place is not None else None

    def package_named(self, module: str) -> str:
        """The package that a module is of, by the name for import."""
        file = file_of(module)
        place = self.owners.place(file) if file is not None else None
        return module if place is None else place[1]

    def _file(self, obj: Any) -> str | None:
        """The file that told that the code is a package's."""
        if type(obj) is _FUNCTION:
            file = obj.__globals__.get("__file__")
            return file if type(file) is str and file[:1] != "<" else obj.__code__.co_filename
        if isinstance(obj, _MODULE):
            return _place_of(obj)
        cls = obj if isinstance(obj, type) else type(obj)
        module = sys.modules.get(cls.__module__) or sys.modules.get(cls.__module__.partition(".")[0])
        if module is not None:
            return self._file(module)
        own = [fn for fn in _methods(cls) if fn.__globals__.get("__name__") == cls.__module__]
        return own[0].__code__.co_filename if own else None

    def kind_unloaded(self, module: str) -> str:
        """The kind of a module that may not be imported yet."""
        if module in sys.modules:
            return self.kind(module)
        file = file_of(module)
        if file is not None:
            return self.owners.kind(file)
        return STDLIB if module.partition(".")[0] in sys.builtin_module_names else USER

    def version(self, name: str) -> str:
        """The installed version of the package that is imported by this name; ``?`` if there is none."""
        found = self._versions.get(name)
        if found is None:
            file = name if name.endswith(".egg") else file_of(name)
            place = _egg(name) if file == name else self.owners.place(file) if file else None
            found = self.owners.version_at(*place) if place is not None else UNKNOWN
            if found != UNKNOWN:
                self._versions[name] = found
        return found


def _egg(name: str) -> tuple[str, str] | None:
    """Where an egg is now, by its file name, which holds the version."""
    found = next((path for path in sys.path if path.replace("\\", "/").endswith(f"/{name}")), None)
    return None if found is None else (found[: -len(name)], name)


def _methods(cls: type) -> Iterator[Any]:
    """The functions that were written in the body of a class, not those that were put there."""
    for name, held in vars(cls).items():
        member = plain(held)
        fn = getattr(member, "__func__", None) or getattr(member, "fget", None) if type(member) in _HOLDERS else member
        if type(fn) is _FUNCTION and fn.__qualname__ == f"{cls.__qualname__}.{name}":
            yield fn


def scope_of(module: Any) -> dict[str, Any]:
    """The globals of a module, past whatever a class derived from it says; nothing for what only stands for one."""
    return _DICT.__get__(module) if isinstance(module, _MODULE) else {}


def _place_of(module: Any) -> str | None:
    """The file of a module; of a package without one its folder."""
    scope = scope_of(module)
    return scope.get("__file__") or next((f"{path}/" for path in scope.get("__path__") or ()), None)


def file_of(name: str) -> str | None:
    """Where a module is, without importing it or what it is in."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        return _place_of(loaded)
    from importlib.machinery import PathFinder

    path, spec = None, None
    try:
        for i in range(name.count(".") + 1):
            spec = PathFinder.find_spec(".".join(name.split(".")[: i + 1]), path)
            path = None if spec is None else list(spec.submodule_search_locations or ())
            if spec is None:
                return None
    except (ImportError, AttributeError, ValueError):
        return None
    if spec is not None and spec.has_location:
        return spec.origin
    return f"{path[0]}/" if path else None
