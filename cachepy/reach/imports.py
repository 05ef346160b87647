"""Modules that are imported inside a body: they are reached like those imported at the top.

Imports facts, guard, modules.
"""

from __future__ import annotations

import sys

from cachepy.reach.guard import MISSING
from cachepy.values.modules import PACKAGE, USER, absolute_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.reach.facts import CodeFacts
    from cachepy.reach.walk import Chains, Walk


def visit_imports(walk: Walk, fn: Any, facts: CodeFacts) -> None:
    """Modules imported inside the body: they would be imported by running it anyway."""
    for name, level, wanted in facts.imports:
        full = absolute_name(name, level, fn.__globals__)
        if full is None:
            continue
        kind = walk.origins.kind_unloaded(full)
        if kind == PACKAGE:
            walk.lines.append(walk.package(full))
        elif kind == USER:
            _imported(walk, full, wanted)


def _imported(walk: Walk, name: str, wanted: tuple[str, ...]) -> None:
    module = import_or_none(name)
    walk.guard.item(sys.modules, name, sys.modules.get(name, MISSING))
    if module is None:
        walk.lines.append(f"import {name} fails")
        return
    chains: Chains = ((),)
    if wanted and "*" not in wanted:
        for each in wanted:
            if each not in vars(module):
                import_or_none(f"{name}.{each}")
        chains = [(each,) for each in wanted]
    walk.bind(f"import {name}", module, chains)


def import_or_none(name: str) -> Any:
    """The module of a name; None if it cannot be imported."""
    from importlib import import_module

    try:
        return import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException:  # the body may never come to this import, or catch whatever it does
        return None
