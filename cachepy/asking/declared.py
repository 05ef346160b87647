"""What a decorator says of a cached function, read from the source file.

Imports bindings, constants, options, outline.
"""

from __future__ import annotations

import ast
import os

from cachepy.calls.options import Options
from cachepy.errors import CachepyError
from cachepy.reach.constants import NotConstant
from cachepy.reach.outline import chain_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.reach.bindings import Bindings

_COUNT = frozenset({
    "cache_dir", "version", "env_vars", "depends_on_files", "file_args", "ignore_args", "ignore_globals",
})  # fmt: skip


def declared_now(bindings: Bindings, module: str, qualname: str) -> dict[str, str] | None:
    """The declared texts of a function, by name, and ``cache_dir``; None if they are more than constants."""
    node = _definition(bindings, module, qualname)
    if node is None:
        return None
    for decorator in node.decorator_list:
        found = _call_of(bindings, module, decorator)
        if found is not None:
            return _options(bindings, *found)
    return None


def _definition(bindings: Bindings, module: str, qualname: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    outline = bindings.project.outline(module)
    names = qualname.split(".")
    node = outline.definition(names[0]) if outline is not None else None
    for name in names[1:]:
        body = node.body if isinstance(node, ast.ClassDef) else []
        node = next((each for each in body if getattr(each, "name", None) == name), None)
    return node if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else None


def _call_of(bindings: Bindings, module: str, node: ast.expr) -> tuple[str, ast.Call] | None:
    """The call of ``cache_file`` that a decorator is, or is the result of, and the module that it stands in."""
    for _ in range(10):
        if isinstance(node, ast.Call):
            where, rest = bindings.project.resolve(module, chain_of(node.func))
            return (module, node) if where.partition(".")[0] == "cachepy" and rest[-1:] == ("cache_file",) else None
        where, rest = bindings.project.resolve(module, chain_of(node))
        outline = bindings.project.outline(where)
        units = outline.bound.get(rest[0], []) if outline is not None and len(rest) == 1 else []
        statement = units[0].node if len(units) == 1 else None
        if not isinstance(statement, ast.Assign):
            return None
        module, node = where, statement.value
    return None


def _options(bindings: Bindings, module: str, call: ast.Call) -> dict[str, str] | None:
    if any(each.arg is None for each in call.keywords) or len(call.args) > 1:
        return None
    given: dict[str, Any] = {}
    try:
        for name, node in [*(("cache_dir", each) for each in call.args), *((k.arg, k.value) for k in call.keywords)]:
            if name == "depends_on_vars":
                return None
            if name in _COUNT:
                given[str(name)] = bindings.evaluated(module, node)
        told = dict(Options(**given).declared())
    except (NotConstant, CachepyError):
        return None
    return told | ({"cache_dir": os.fspath(given["cache_dir"])} if given.get("cache_dir") else {})
