"""Where code comes from: user code, an installed package, or the standard library.

User code counts by its content, a package by its version, the standard library by Python's minor
version (design 3.5).  Also the canonical name of ``__main__``.  Imports nothing of cachepy.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

USER, PACKAGE, STDLIB = "user", "package", "stdlib"
_OURS = frozenset({"cachepy", "dask_plugin"})
_STDLIB_DIR = (sys.modules["os"].__file__ or "").rpartition("/os.py")[0]
PYTHON = f"{sys.implementation.name}-{sys.version_info[0]}.{sys.version_info[1]}"


MAIN = ("__main__", "__mp_main__")


def canonical(module: str | None) -> str:
    """The module's name; for ``__main__`` the script's, so that run and imported share a cache."""
    if module not in MAIN:
        return module or "?"
    return main_name(vars(sys.modules[module])) if module in sys.modules else "__main__"


def main_name(scope: dict[str, Any]) -> str:
    """The name under which the ``__main__`` with these globals would be imported.

    By ``__package__`` and ``__file__`` alone: these two travel with a function to a worker.
    """
    file = scope.get("__file__")
    if not file or str(file).startswith("<"):
        return "__main__"
    package = scope.get("__package__") or ""
    stem = str(file).replace("\\", "/").rpartition("/")[2].removesuffix(".py")
    if stem == "__main__":
        return package or stem
    return f"{package}.{stem}" if package else stem


def home_of(fn: Any) -> str:
    """The module in which a function was written, by its globals: ``wraps`` changes ``__module__``."""
    scope = fn.__globals__
    name = scope.get("__name__")
    return main_name(scope) if name in MAIN else name or "?"


def find(module: str) -> ModuleType | None:
    """The loaded module of a canonical name, without importing anything."""
    for name in MAIN:
        if name in sys.modules and canonical(name) == module:
            return sys.modules[name]
    return sys.modules.get(module)


def _kind_of_file(file: str) -> str:
    path = file.replace("\\", "/")
    if "/site-packages/" in path or "/dist-packages/" in path:
        return PACKAGE
    return STDLIB if path.startswith(_STDLIB_DIR + "/") else USER


def _kind(module: str) -> str:
    top = module.partition(".")[0]
    if top in _OURS:
        return STDLIB
    loaded = sys.modules.get(module) or sys.modules.get(top)
    file = getattr(loaded, "__file__", None)
    if file:
        return _kind_of_file(file)
    path = list(getattr(loaded, "__path__", ()))
    if path:
        return _kind_of_file(path[0] + "/")
    return STDLIB if top in sys.stdlib_module_names and top != "__main__" else USER


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
    """Remembers the kind of each module and the version of each package of one process.

    >>> Origins().kind("json")
    'stdlib'
    """

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}
        self._versions: dict[str, str] = {}

    def kind(self, module: str | None) -> str:
        """``user``, ``package`` or ``stdlib``."""
        if module is None:
            return USER
        found = self._kinds.get(module)
        if found is None:
            found = _kind(module)
            if module in sys.modules:
                self._kinds[module] = found
        return found

    def package(self, module: str | None) -> str | None:
        """The top-level name if the module is of an installed package, else None."""
        return module.partition(".")[0] if module and self.kind(module) == PACKAGE else None

    def kind_unloaded(self, module: str) -> str:
        """The kind of a module that may not be imported yet."""
        if module in sys.modules or module.partition(".")[0] in sys.modules:
            return self.kind(module)
        top = module.partition(".")[0]
        if top in sys.builtin_module_names:
            return STDLIB
        file = _file_of(top)
        return _kind_of_file(file) if file else USER

    def version(self, module: str) -> str:
        """The installed version of the distribution that provides a top-level module."""
        top = module.partition(".")[0]
        if top not in self._versions:
            self._versions[top] = installed_version(top)
        return self._versions[top]


def installed_version(top: str) -> str:
    """The version by the metadata next to the package; ``?`` if there is none.

    Reads names of ``*.dist-info`` folders first: importlib.metadata costs 30 ms to import.
    """
    file = _file_of(top)
    version = _beside(file, top) if file else None
    return version or _by_metadata(top)


def _file_of(top: str) -> str | None:
    """Where a top-level module is, without importing it."""
    loaded = sys.modules.get(top)
    if loaded is not None:
        return getattr(loaded, "__file__", None)
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec(top)
    return spec.origin if spec is not None and spec.has_location else None


def _beside(file: str, top: str) -> str | None:
    import os

    folder = os.path.dirname(os.path.dirname(file))
    want = top.lower().replace("-", "_") + "-"
    try:
        names = os.listdir(folder)
    except OSError:
        return None
    found = [n for n in names if n.endswith(".dist-info") and n.lower().replace(".", "_").startswith(want)]
    versions = {n[len(want) : -len(".dist-info")] for n in found if n.lower().startswith(want)}
    return versions.pop() if len(versions) == 1 else None


def _by_metadata(top: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(top)
    except metadata.PackageNotFoundError:
        names = metadata.packages_distributions().get(top, [])
        return ",".join(f"{n}={metadata.version(n)}" for n in sorted(set(names))) or "?"
