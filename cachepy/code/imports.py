"""Modules that are imported inside a body: they are reached like those imported at the top."""

from __future__ import annotations

import sys

from cachepy.code.patches import follow
from cachepy.code.scopes import use_scope
from cachepy.core.revision import MISSING
from cachepy.values.modules import PACKAGE, USER, absolute_name, file_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.code.names_used import CodeFacts, Import
    from cachepy.code.walking import Walk


def visit_imports(walk: Walk, fn: Any, facts: CodeFacts) -> None:
    """Modules imported inside the body: they would be imported by running it anyway."""
    for each in facts.imports:
        if each.by == "modules" and each.variable and each.name == "__name__":
            walk.lines.append(f"own module={use_scope(walk, fn.__globals__, each.chains)}")
            continue
        for full in _names(walk, each, fn.__globals__):
            _visit(walk, full, each)


def _names(walk: Walk, wanted: Import, scope: dict[str, Any]) -> list[str]:
    """The module that an import means; of a function that takes more than modules the longest that there is."""
    name, level = wanted.name, wanted.level
    if wanted.variable:
        value = scope.get(name)
        walk.guard.item(scope, name, scope.get(name, MISSING))
        if type(value) is not str:
            walk.loose.is_used |= wanted.by != "modules"
            return []
        name = value
    if wanted.by and name[:1] == ".":
        bare = name.lstrip(".")
        name, level = bare, len(name) - len(bare)
    if wanted.by == "resolve_name":
        name = _longest(name)
    full = absolute_name(name, level, {"__package__": wanted.package} if wanted.package else scope)
    walk.loose.is_used |= bool(wanted.by) and wanted.by != "modules" and name.endswith(".")  # it goes on
    return [] if not full or not all(part.isidentifier() for part in full.split(".")) else [full]


def _longest(name: str) -> str:
    if ":" in name:
        return name.partition(":")[0]
    while "." in name and file_of(name) is None:
        name = name.rpartition(".")[0]
    return name


def _visit(walk: Walk, full: str, wanted: Import) -> None:
    if wanted.by == "run_module":
        file = file_of(f"{full}.__main__") or file_of(full)
        if file is not None and walk.origins.kind_unloaded(full) == USER:
            walk.file(f"run {full}", file)
        return
    if wanted.by == "modules":
        walk.guard.item(sys.modules, full, sys.modules.get(full, MISSING))
        if full in sys.modules:
            walk.bind(f"module {full}", sys.modules[full], wanted.chains)
        return
    kind = walk.origins.kind_unloaded(full)
    if kind == USER and full not in sys.modules:
        import_or_none(full)  # a package without metadata tells its version only then
        kind = walk.origins.kind_unloaded(full)
    if kind == USER:
        _imported(walk, full, wanted)
        return
    walk.steps.leads_out(full)
    if kind == PACKAGE:
        walk.lines.append(walk.package_named(full))
    if full in sys.modules:
        follow(walk, full, sys.modules[full], _chains(wanted))


def _chains(wanted: Import) -> set[tuple[str, ...]]:
    return {(each,) for each in wanted.wanted} if wanted.wanted and "*" not in wanted.wanted else wanted.chains


def _imported(walk: Walk, name: str, wanted: Import) -> None:
    module = import_or_none(name)
    walk.guard.item(sys.modules, name, sys.modules.get(name, MISSING))
    if module is None:
        walk.lines.append(f"import {name} fails")
        return
    for each in wanted.wanted:
        if each != "*" and each not in getattr(module, "__dict__", {}):
            import_or_none(f"{name}.{each}")
    if wanted.by == "__import__" and "." in name and sys.modules.get(top := name.partition(".")[0]) is not None:
        walk.bind(f"import {top}", sys.modules[top], _chains(wanted))  # that is what it returns
    walk.bind(f"import {name}", module, _chains(wanted))


def import_or_none(name: str) -> Any:
    """The module of a name; None if it cannot be imported."""
    from importlib import import_module

    try:
        return import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException:  # the body may never come to this import, or catch whatever it does
        return None
