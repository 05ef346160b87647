"""Source files as code: what counts of code that ran and that no name leads to (see `calls/ran_code`)."""

from __future__ import annotations

import os
import sys
from types import CellType, FunctionType

from cachepy.core.model import Record
from cachepy.values.digest import digest_bytes
from cachepy.values.modules import canonical, scope_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from types import CodeType
    from typing import Any

    from cachepy.code.edit_times import Edits
    from cachepy.code.source import Module, Sources

_MOST = 1024  # functions and modules that are remembered


class Taken(Record):
    """One name that a module imports: from which module, by what name there (empty: itself), how it is called here.

    is_used: whether statements use it when the module is imported, other than as a base or a decorator.
    """

    __slots__ = ("module", "level", "name", "bound", "is_used")
    module: str
    level: int
    name: str
    bound: str
    is_used: bool


class SourceTexts:
    """Digests of source files and functions made from them, each file read once for each of its states."""

    def __init__(self, sources: Sources, edits: Edits) -> None:
        self._sources = sources
        self._edits = edits
        self._made: dict[tuple[int, int], tuple[CodeType, Any, FunctionType]] = {}
        self._importable: dict[tuple[str, str], bool] = {}

    def digest(self, path: str, *, is_whole: bool) -> str | None:
        """The digest of a file as code: comments and formatting do not count; None if it is no such file.

        is_whole: of all of it; else of what runs when it is imported.
        """
        module = self._module(path)
        if module is None or module.code is None:
            return None
        if is_whole:
            return self._sources.digest(module.code)
        if module.at_import is None:
            module.at_import = digest_bytes(_run_at_import("\n".join(module.lines)).encode("utf-8", "surrogatepass"))
        return module.at_import

    def taken(self, path: str) -> list[Taken]:
        """What a file imports at its top."""
        module = self._module(path)
        return [] if module is None or module.code is None else _taken(module.tree())

    def is_as_loaded(self, path: str, code: CodeType | None) -> bool:
        """Whether a file is what was loaded; code: of the module, if that is known."""
        if code is None:
            return not self._edits.is_later(path)
        return self.digest(path, is_whole=True) == self._sources.digest(code)

    def functions(self, path: str, qualname: str, scope: dict[str, Any]) -> list[FunctionType]:
        """The functions of that name in a file, as they would be among these globals; they hold nothing."""
        return [self.function(code, scope) for code in self._sources.codes(path).get(qualname, ())]

    def function(self, code: CodeType, scope: dict[str, Any]) -> FunctionType:
        """A function of this code; always the same."""
        key = id(code), id(scope)
        known = self._made.get(key)
        if known is None or known[0] is not code or known[1] is not scope:
            if len(self._made) >= _MOST:
                self._made.clear()
            made = FunctionType(code, scope, code.co_name, None, tuple(CellType() for _ in code.co_freevars))
            known = self._made[key] = code, scope, made
        return known[2]

    def is_importable(self, module: str, path: str) -> bool:
        """Whether another process finds this file when it imports the module by its name."""
        key = module, path
        if key not in self._importable:
            if len(self._importable) >= _MOST:
                self._importable.clear()
            self._importable[key] = _is_importable(module, path)
        return self._importable[key]

    def _module(self, path: str) -> Module | None:
        try:
            return self._sources.module(path)
        except Exception:  # what is no text
            return None


def _run_at_import(text: str) -> str:
    """The text of a module without what does not run when it is imported."""
    import ast

    from cachepy.code.import_time import run_at_import
    from cachepy.code.source import drop_docstrings

    tree = ast.parse(next(iter(run_at_import([text]))))
    drop_docstrings(tree)
    return ast.unparse(tree)


def _taken(tree: ast.Module) -> list[Taken]:
    import ast

    tops = tree.body
    used = {node.id for top in tops for each in _values(top) for node in ast.walk(each) if isinstance(node, ast.Name)}
    found = []
    for node in [node for top in tops for node in _imports(top)]:
        for alias in node.names:
            bound = alias.asname or alias.name.partition(".")[0]
            is_from = isinstance(node, ast.ImportFrom)
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
            level = node.level if isinstance(node, ast.ImportFrom) else 0
            is_used = bound in used or alias.name == "*"
            found.append(Taken(module, level, alias.name if is_from else "", bound, is_used))
    return found


def _imports(top: ast.stmt) -> list[ast.Import | ast.ImportFrom]:
    """The imports of a statement that run with it."""
    import ast

    if isinstance(top, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return []
    return [node for node in ast.walk(top) if isinstance(node, (ast.Import, ast.ImportFrom))]


def _values(top: ast.stmt) -> list[ast.stmt]:
    """The statements of a module, or of a class in it, that make values when it is imported."""
    import ast

    if isinstance(top, ast.ClassDef):
        return [each for inner in top.body for each in _values(inner)]
    return [] if isinstance(top, (ast.FunctionDef, ast.AsyncFunctionDef)) else [top]


def _is_importable(module: str, path: str) -> bool:
    if canonical("__main__") == module:
        return True
    from importlib.machinery import PathFinder

    above, _, _ = module.rpartition(".")
    folders = list(scope_of(sys.modules.get(above)).get("__path__") or ()) if above else None
    try:
        spec = PathFinder.find_spec(module, folders)
        return spec is not None and spec.origin is not None and os.path.samefile(spec.origin, path)
    except (ImportError, OSError, ValueError):
        return False
