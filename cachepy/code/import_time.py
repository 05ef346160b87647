"""What of some source texts runs when their modules are imported: not the bodies of functions that nobody calls then.

A function is called by its name, or handed to somebody who may call it.  One that is only kept, in a variable, a table
or what a function returns, runs if somebody uses what keeps it.  Names are compared without asking whose they are, so
that more is taken to run than does.
"""

from __future__ import annotations

import ast
from copy import copy

from cachepy.code.outline import DEFS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    Def = ast.FunctionDef | ast.AsyncFunctionDef

_BODIES = (*DEFS, ast.Lambda)
_KEEPERS = frozenset({  # of libraries: they keep the function that they are given, and call it later
    "property", "setter", "getter", "deleter", "staticmethod", "classmethod", "cached_property", "abstractmethod",
    "wraps", "lru_cache", "cache", "partial", "partialmethod", "singledispatch", "contextmanager", "overload",
    "cache_file", "delayed",
})  # fmt: skip
_QUIET_BASES = frozenset({  # which call no method by its name
    "object", "ABC", "Enum", "IntEnum", "StrEnum", "Flag", "IntFlag", "Protocol", "Generic", "NamedTuple", "TypedDict",
    "Exception", "ValueError", "RuntimeError", "str", "int", "float", "tuple", "list", "dict", "set",
})  # fmt: skip
_BY_TEXT = frozenset({  # they take a name as a text
    "getattr", "globals", "locals", "vars", "eval", "exec", "import_module", "methodcaller", "attrgetter", "__dict__",
})  # fmt: skip


def run_at_import(texts: Iterable[str]) -> set[str]:
    r"""The texts without the bodies that do not run; those that do not compile as they are.

    >>> sorted(run_at_import(["def make():\n    return lambda p: open(p)", "g = make()"]))
    ['def make():\n    return lambda p: None', 'g = make()']
    >>> sorted(run_at_import(["def read(p):\n    return open(p)", "g = read('a')"]))
    ['def read(p):\n    return open(p)', "g = read('a')"]
    """
    trees = {text: tree for text in texts if (tree := _parsed(text)) is not None}
    calls = _Calls(trees.values())
    if calls.is_by_text:
        return {*texts}
    return {text if text not in trees else _without(text, trees[text], calls) for text in texts}


def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):  # what stands for an import
        return None


def _without(text: str, tree: ast.Module, calls: _Calls) -> str:
    bare = _bare(tree, calls)
    if bare is tree:
        return text
    head = text.partition("\n")[0]  # may tell the module
    return (f"{head}\n" if head[:1] == "#" else "") + ast.unparse(bare)


def _bare(node: Any, calls: _Calls) -> Any:
    """A node without the bodies that do not run; only what changes is copied."""
    changed = {}
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, _BODIES) and node not in calls.running:
            changed[name] = ast.Constant(None) if isinstance(node, ast.Lambda) else [ast.Pass()]
        elif isinstance(value, ast.AST):
            changed[name] = _bare(value, calls)
        elif isinstance(value, list):
            made = [_bare(each, calls) if isinstance(each, ast.AST) else each for each in value]
            changed[name] = value if all(a is b for a, b in zip(made, value, strict=True)) else made
    different = {name: value for name, value in changed.items() if value is not getattr(node, name)}
    if not different:
        return node
    bare = copy(node)
    for name, value in different.items():
        setattr(bare, name, value)
    return bare


class _Calls:
    """Which functions of some modules run, from what is mentioned in code that runs.

    What is kept stands by its keeper: the name of a variable, or ``f()`` for what a function of that name returns.

    running: the nodes of functions that run; is_by_text: whether names may be used as texts.
    """

    def __init__(self, trees: Iterable[ast.Module]) -> None:
        trees = [*trees]
        nodes = [node for tree in trees for node in ast.walk(tree)]
        classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
        self.running: set[ast.AST] = set()
        self.is_by_text = False
        self.classes: dict[str, list[ast.ClassDef]] = {}
        self.functions: dict[str, list[Def]] = {}
        self.values: dict[str, list[ast.expr]] = {}
        self._kept: dict[str, list[str | ast.Lambda]] = {}
        self._free: set[str] = set()  # keepers that somebody uses
        self._todo: list[tuple[list[ast.stmt], str]] = [(tree.body, "") for tree in trees]
        for node in nodes:
            if isinstance(node, DEFS):
                self.functions.setdefault(node.name, []).append(node)
            elif isinstance(node, ast.Assign):
                for name in _names_in(node.targets):
                    self.values.setdefault(name, []).append(node.value)
        for each in classes:
            self.classes.setdefault(each.name, []).append(each)
        for each in classes:
            self._class(each)
        while self._todo and not self.is_by_text:
            body, keeper = self._todo.pop()
            mentions = _Mentions(self, keeper)
            for statement in body:
                mentions.visit(statement)

    def _class(self, node: ast.ClassDef) -> None:
        """Its special methods run whoever calls them, and all methods if a library may call them."""
        is_quiet = self._is_quiet(node, set())
        for each in node.body:
            if isinstance(each, DEFS) and (not is_quiet or (each.name[:2] == "__" == each.name[-2:])):
                self._run(each, "")

    def _is_quiet(self, node: ast.ClassDef, seen: set[str]) -> bool:
        """Whether no library calls its methods by name: neither a metaclass nor a base of it, or of its bases, does."""
        if node.keywords:
            return False
        for name in map(_last, node.bases):
            if name in self.classes and name not in seen:
                seen.add(name)
                if not all(self._is_quiet(base, seen) for base in self.classes[name]):
                    return False
            elif name not in self.classes and name not in _QUIET_BASES:
                return False
        return True

    def _run(self, node: Def | ast.Lambda, keeper: str) -> None:
        if node not in self.running:
            self.running.add(node)
            body: list[ast.stmt] = [ast.Return(node.body)] if isinstance(node, ast.Lambda) else node.body
            self._todo.append((body, keeper))

    def call(self, name: str) -> None:
        """A name is called, so that what it returns is kept where the call stands."""
        self.is_by_text |= name in _BY_TEXT
        for node in self.functions.get(name, ()):
            self._run(node, f"{name}()")
        self._release(name)

    def mention(self, what: str | ast.Lambda, keeper: str) -> None:
        """A name or a lambda stands in code that runs; keeper: what keeps it there, empty if it is used at once."""
        if keeper and keeper not in self._free:
            self._kept.setdefault(keeper, []).append(what)
        elif isinstance(what, ast.Lambda):
            self._run(what, "")
        elif what[-1:] == ")":
            self._release(what)
        else:
            self.call(what)
            self._release(f"{what}()")

    def _release(self, keeper: str) -> None:
        self._free.add(keeper)
        for each in self._kept.pop(keeper, ()):
            self.mention(each, "")

    def is_property(self, name: str) -> bool:
        """Whether to name an attribute may be to call it."""
        marks = [each for node in self.functions.get(name, ()) for each in node.decorator_list]
        return any(_last(each).endswith("property") or not self.is_keeper(each) for each in marks)

    def is_keeper(self, node: ast.expr) -> bool:
        """Whether a call of it only keeps the functions that it is given."""
        if isinstance(node, ast.Call):
            return self.is_keeper(node.func)
        name = _last(node)
        if name in self.functions or name in self.classes:
            return False
        values = self.values.get(name, ())
        return all(map(self._makes_keeper, values)) if values else name in _KEEPERS

    def _makes_keeper(self, value: ast.expr) -> bool:
        return isinstance(value, ast.Call) and _last(value.func) in _KEEPERS and self.is_keeper(value.func)


class _Mentions(ast.NodeVisitor):
    """Tells `_Calls` what is mentioned in code that runs; keeper: of what a function returns."""

    def __init__(self, calls: _Calls, returned: str) -> None:
        self.calls = calls
        self.returned = returned
        self.keepers: tuple[str, ...] = ("",)

    def _kept(self, node: ast.AST | None, keepers: Iterable[str]) -> None:
        """An expression that is kept by these, as far as it only passes on what is in it."""
        if node is not None:
            before, self.keepers = self.keepers, (*keepers,) or ("",)
            self.visit(node)
            self.keepers = before

    def generic_visit(self, node: ast.AST) -> None:
        for each in ast.iter_child_nodes(node):
            self._kept(each, [""])

    def _mention(self, what: str | ast.Lambda) -> None:
        for keeper in self.keepers:
            self.calls.mention(what, keeper)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._mention(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if self.calls.is_property(node.attr):
            self.calls.call(node.attr)
        self._mention(node.attr)
        self._kept(node.value, self.keepers)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._mention(node)
        self._kept(node.args, [""])

    def visit_Assign(self, node: ast.Assign) -> None:
        names = [*_names_in(node.targets)]
        is_plain = all(isinstance(each, (ast.Name, ast.Tuple, ast.List)) for each in node.targets)
        self._kept(node.value, names if is_plain else [""])
        for each in node.targets:
            self._kept(each, [""])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._kept(node.value, [node.target.id] if isinstance(node.target, ast.Name) else [""])
        self._kept(node.annotation, [""])

    def visit_Expr(self, node: ast.Expr) -> None:
        self._kept(node.value, ["nobody"])  # what it gives is dropped, or is the value that a text stands for

    def visit_Return(self, node: ast.Return) -> None:
        self._kept(node.value, [self.returned])

    def visit_Tuple(self, node: ast.Tuple | ast.List | ast.Set) -> None:
        for each in node.elts:
            self._kept(each, self.keepers)

    visit_List = visit_Set = visit_Tuple  # noqa: N815 - the names that ast.NodeVisitor looks for

    def visit_Dict(self, node: ast.Dict) -> None:
        for key in node.keys:
            self._kept(key, [""])
        for value in node.values:
            self._kept(value, self.keepers)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._kept(node.test, [""])
        self._kept(node.body, self.keepers)
        self._kept(node.orelse, self.keepers)

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp) -> None:
        self._kept(node.elt, self.keepers)
        for each in node.generators:
            self._kept(each, [""])

    visit_SetComp = visit_ListComp  # noqa: N815 - likewise

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._kept(node.key, [""])
        self._kept(node.value, self.keepers)
        for each in node.generators:
            self._kept(each, [""])

    def visit_Call(self, node: ast.Call) -> None:
        """What a function gives is kept where the call stands, as are the arguments of a keeper."""
        if isinstance(node.func, (ast.Name, ast.Attribute)):
            self.calls.call(_last(node.func))
            self._mention(f"{_last(node.func)}()")
            self._kept(node.func.value if isinstance(node.func, ast.Attribute) else None, [""])
        else:
            self._kept(node.func, [""])
        is_keeper = self.calls.is_keeper(node.func)
        for each in (*node.args, *(k.value for k in node.keywords)):
            self._kept(each, self.keepers if is_keeper else [""])

    def visit_FunctionDef(self, node: Def) -> None:
        """Its body runs when it is called, unless a decorator may do that."""
        for each in (*node.decorator_list, node.args, node.returns):
            self._kept(each, [""])
        if not all(map(self.calls.is_keeper, node.decorator_list)):
            self.calls.mention(node.name, "")

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - likewise


def _names_in(targets: Iterable[ast.expr]) -> Iterator[str]:
    for target in targets:
        if isinstance(target, ast.Name):
            yield target.id
        elif isinstance(target, (ast.Tuple, ast.List)):
            yield from _names_in(target.elts)


def _last(node: ast.expr) -> str:
    """The last name of a dotted one; of what is called, or of a type with parameters, that of the function or type."""
    while isinstance(node, (ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
