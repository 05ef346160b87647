"""What a decorator says of a cached function, read from the source file."""

from __future__ import annotations

import ast
import os

from cachepy.calls.options import Options
from cachepy.code.constants import NotConstant
from cachepy.code.outline import chain_of, functions_in
from cachepy.errors import CachepyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.code.bindings import Bindings

_COUNT = frozenset({
    "cache_dir", "version", "env_vars", "depends_on_files", "file_args", "ignore_args", "ignore_globals",
    "ignore_code", "changes",
})  # fmt: skip


def declared_now(bindings: Bindings, module: str, qualname: str) -> dict[str, str] | None:
    """The declared texts of a function, by name, and ``cache_dir``; None if they are more than constants."""
    found = decorated_by(bindings, module, qualname)
    return _options(bindings, found) if found else None


def decorated_by(bindings: Bindings, module: str, qualname: str) -> list[tuple[str, ast.Call]]:
    """The calls that made the decorator of a function, ``cache_file`` first, each with its module; none of others."""
    node = _definition(bindings, module, qualname)
    if node is None:
        return []
    return next(filter(None, (_calls_of(bindings, module, each) for each in node.decorator_list)), [])


def _definition(bindings: Bindings, module: str, qualname: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    outline = bindings.project.outline(module)
    names = qualname.split(".")
    node = outline.definition(names[0]) if outline is not None else None
    for name in names[1:]:
        if name != "<locals>":
            body = node.body if isinstance(node, ast.ClassDef) else list(functions_in(getattr(node, "body", ())))
            node = next((each for each in body if getattr(each, "name", None) == name), None)
    return node if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else None


def _calls_of(bindings: Bindings, module: str, node: ast.expr) -> list[tuple[str, ast.Call]]:
    """The calls that made a decorator, ``cache_file`` first, each with the module that it stands in; none of others."""
    found: list[tuple[str, ast.Call]] = []
    for _ in range(10):
        if isinstance(node, ast.Call):
            found.append((module, node))
            where, rest = bindings.project.resolve(module, chain_of(node.func))
            if where.partition(".")[0] == "cachepy" and rest[-1:] == ("cache_file",):
                return found[::-1]
            node = node.func  # a decorator that is given more options
            continue
        where, rest = bindings.project.resolve(module, chain_of(node))
        outline = bindings.project.outline(where)
        units = outline.bound.get(rest[0], []) if outline is not None and len(rest) == 1 else []
        statement = units[0].node if len(units) == 1 else None
        if not isinstance(statement, ast.Assign):
            return []
        module, node = where, statement.value
    return []


def _options(bindings: Bindings, calls: list[tuple[str, ast.Call]]) -> dict[str, str] | None:
    """What all of the calls say together, the last the most."""
    given: dict[str, Any] = {}
    try:
        for module, call in calls:
            for name, node in _arguments(call):
                if name in _COUNT:
                    given[name] = bindings.evaluated(module, node)
        told = dict(Options(**given).declared())
    except (NotConstant, CachepyError):
        return None
    return told | ({"cache_dir": os.fspath(given["cache_dir"])} if given.get("cache_dir") else {})


def _arguments(call: ast.Call) -> list[tuple[str, ast.expr]]:
    """By name; NotConstant if they cannot be told, or what they name counts by its value."""
    found = [("cache_dir", each) for each in call.args] + [(each.arg or "", each.value) for each in call.keywords]
    names = [name for name, _ in found]
    if not {"", "depends_on_vars", "digest"}.isdisjoint(names) or len(call.args) > 1:
        raise NotConstant(names)
    return found
