"""What code names by a text: modules in ``sys.modules``, files that it runs or loads, data files of a package.

Where the text is not a constant, more counts than is used.
"""

from __future__ import annotations

import os
import sys

from cachepy.code.members import MODULE
from cachepy.values.modules import USER, file_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from cachepy.code.names_used import CodeFacts
    from cachepy.code.walking import Walk

SCOPES = frozenset({"globals", "eval", "exec", "vars"})
_SCOPE_ATTRIBUTES = frozenset({"f_globals", "__globals__", "globals", "eval", "exec", "getmodule"})
_RUNNERS = frozenset({
    "exec", "compile", "run_path", "CDLL", "PyDLL", "LoadLibrary", "dlopen", "spec_from_file_location",
    "SourceFileLoader", "load_source",
})  # fmt: skip
_RUN = (".py", ".pyc", ".so", ".pyd", ".dll", ".dylib", ".pyz", ".zip")
_RESOURCES = frozenset({
    "files", "read_text", "read_binary", "open_text", "open_binary", "path", "contents", "get_data", "is_resource",
})  # fmt: skip
_MODULES_OF_RESOURCES = frozenset({"resources", "pkgutil", "importlib", "importlib_resources"})
_MANY = 1000  # files of a package
_SOURCES = (".py", ".pyc")


class Loose:
    """What one walk meets of texts, in case some of the code imports a module that no constant names.

    variables: of the environment, which the code reads by name; set_here: those that it sets itself;
    nameless: functions and classes in values, which may read others.
    """

    def __init__(self) -> None:
        self.is_used = False
        self.texts: set[str] = set()
        self.variables: set[str] = set()
        self.set_here: set[str] = set()
        self.nameless: list[Any] = []

    def read_by_name(self, others: set[str], ignore: frozenset[str]) -> frozenset[str]:
        """The variables that come from outside; others: those that the nameless read."""
        return frozenset((self.variables | others) - self.set_here - ignore)

    def follow(self, walk: Walk) -> None:
        """Count the files of the modules that have such a name; of a package of which a name begins with it, all."""
        for text in sorted(self.texts) if self.is_used else ():
            name = text.rstrip(".")
            if name and all(part.isidentifier() for part in name.split(".")):
                file = file_of(name)
                if file is not None and walk.origins.owners.kind(file) == USER and os.path.exists(file):
                    walk.file(f"may import {text}", os.path.dirname(file) if text != name else file)


def _texts_inside(value: Any) -> Iterator[str]:
    """The texts in a plain container."""
    for each in [*value.keys(), *value.values()] if isinstance(value, dict) else value:
        if type(each) is str:
            yield each


def _spelled(fn: Any, names: set[tuple[str, bool]]) -> set[str]:
    """Names as code spells them: each is a text, or the name of a global that is one."""
    found = (fn.__globals__.get(text) if is_global else text for text, is_global in names)
    return {name for name in found if type(name) is str}


def visit_dynamic(walk: Walk, fn: Any, facts: CodeFacts) -> None:
    """Follow the texts in the code, and in the globals that it reads."""
    walk.loose.is_used |= facts.loose_imports
    walk.loose.texts.update(_texts(fn, facts))
    for value in map(fn.__globals__.get, facts.names):
        if type(value) in (dict, list, tuple, set, frozenset) and len(value) < _MANY:
            walk.loose.texts.update(_texts_inside(value))
    if facts.variables or facts.variables_set:
        walk.loose.variables |= _spelled(fn, facts.variables)
        walk.loose.set_here |= _spelled(fn, facts.variables_set)
    named = {*facts.names, *facts.attributes}
    if not facts.attributes.isdisjoint(_SCOPE_ATTRIBUTES):
        walk.number(fn.__globals__)
    if facts.loose_modules:
        _modules(walk, fn, facts)
    if not named.isdisjoint(_RUNNERS):
        for text in sorted(_texts(fn, facts)):
            if text.endswith(_RUN) and os.path.isfile(text):
                walk.file(f"runs {text}", text)
    if not named.isdisjoint(_RESOURCES) and not named.isdisjoint(_MODULES_OF_RESOURCES):
        _resources(walk, fn, facts)


def _texts(fn: Any, facts: CodeFacts) -> Iterator[str]:
    """The texts that are constants in the code, or globals that it reads."""
    yield from facts.texts
    for name in facts.names:
        value = fn.__globals__.get(name)
        if type(value) is str:
            yield value
        elif hasattr(type(value), "__fspath__"):
            yield str(value)


def _modules(walk: Walk, fn: Any, facts: CodeFacts) -> None:
    """What is taken out of ``sys.modules``: any module that the code names, or else the own."""
    if fn.__globals__.get("modules", sys.modules) is not sys.modules:
        return
    found = [name for name in sorted(set(_texts(fn, facts))) if isinstance(sys.modules.get(name), MODULE)]
    for name in found:
        walk.guard.item(sys.modules, name, sys.modules[name])
        if walk.origins.of_module(sys.modules[name]) == USER:
            walk.lines.append(f"module {name}={walk.number(sys.modules[name])}")
    if not found or "__name__" in facts.names:
        walk.lines.append(f"own module={walk.number(fn.__globals__)}")


def _resources(walk: Walk, fn: Any, facts: CodeFacts) -> None:
    """Data files of the user's packages: those that are named, or all of a package if none is."""
    texts = set(_texts(fn, facts))
    packages = {text for text in texts if all(part.isidentifier() for part in text.split("."))}
    if "__package__" in facts.names and fn.__globals__.get("__package__"):
        packages.add(fn.__globals__["__package__"])
    if "__name__" in facts.names:
        packages.add(fn.__globals__.get("__name__", ""))
    packages |= {value.__name__ for value in map(fn.__globals__.get, facts.names) if isinstance(value, MODULE)}
    for package in sorted(packages):
        file = file_of(package) if package else None
        if file is None or walk.origins.kind_unloaded(package) != USER:
            continue
        folder = os.path.dirname(file)
        named = [text for text in sorted(texts) if text and os.path.isfile(os.path.join(folder, text))]
        for name in named or _data_files(folder):
            walk.file(f"data {package} {name}", os.path.join(folder, name))


def _data_files(folder: str) -> list[str]:
    found: list[str] = []
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if each != "__pycache__" and each[:1] != ".")
        found += [os.path.relpath(os.path.join(base, each), folder) for each in sorted(files)]
        if len(found) > _MANY:
            break
    return [name for name in found[:_MANY] if not name.endswith(_SOURCES)]
