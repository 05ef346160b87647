"""What a source file does when it is imported, statement by statement; nothing is run.

Each statement of the top level binds names, changes what names stand for, uses names and calls functions.
A chain is a dotted name as a tuple: ``("lib", "N")``; `project` follows it.
"""

from __future__ import annotations

import ast
from copy import copy
from functools import cached_property, lru_cache

from cachepy.code.constants import Evaluation, NotConstant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    Chain = tuple[str, ...]
    Def = ast.FunctionDef | ast.AsyncFunctionDef

WHOLE = "*"  # stands for all that is in a module
LAMBDA = "<lambda>"
INIT = ".__init__"  # after the name of a package that goes to the program in it
DEFS = (ast.FunctionDef, ast.AsyncFunctionDef)
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
CHANGERS = frozenset({
    "append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "remove", "discard", "clear", "sort",
    "reverse", "appendleft", "extendleft", "popleft", "write", "put", "fill", "register",
})  # fmt: skip
_IMPORTERS = {("import_module",), ("__import__",), ("run_module",)}
PATCHES = frozenset({"setattr", "delattr", "vars"})  # of what is given, be it a module
CHANGE_ARGUMENTS = frozenset({"shuffle", "heapify", "heappush", "heappop", "insort", *PATCHES})
_TELLS = frozenset({"debug", "info", "warning", "warn", "error", "exception", "critical", "log", "print"})
_TYPING = "typing", "TYPE_CHECKING"
_OF_PLATFORM = frozenset({
    "sys.platform", "sys.version_info", "sys.maxsize", "sys.byteorder", "os.name", ".".join(_TYPING),
})  # fmt: skip
_LARGE = 50_000  # characters of a source file; its tree takes some fifty times that in memory
ANYTHING = frozenset({"exec", "globals", "locals", "vars", "reload", "__import__", "import_module"})


def chain_of(node: ast.AST) -> Chain:
    """The dotted name that an expression is, or begins with: ``a.b[0].c`` begins with ``a.b``; empty if it is none."""
    names: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            names.append(node.attr)
        elif isinstance(node, (ast.Subscript, ast.Call, ast.Starred)):
            names.clear()
        elif isinstance(node, ast.Name):
            return (node.id, *reversed(names))
        else:
            return ()
        node = node.func if isinstance(node, ast.Call) else node.value


class Unit:
    """A statement of the top level, or a function's body: what it binds, changes, uses and calls.

    binds: names; changes: chains of what is altered in place; uses: chains that are read; calls: chains of what is
    called, each with the chains of its arguments by place or name.
    """

    __slots__ = (
        "_full", "_shell", "anything", "binds", "calls", "changes", "imports", "node", "patches", "results", "stars",
        "uses",
    )  # fmt: skip

    def __init__(self, node: Any) -> None:
        self.node = node
        self.binds: set[str] = set()
        self.changes: set[Chain] = set()
        self.results: set[Chain] = set()  # of functions and classes: what they give is altered
        self.patches: set[Chain] = set()  # of changes, those of all that is in something
        self.uses: set[Chain] = set()
        self.calls: list[tuple[Chain, dict[int | str, Chain]]] = []
        self.imports: dict[str, tuple[str, str, int]] = {}  # name -> (module, attribute or nothing, level)
        self.stars: list[tuple[str, int]] = []
        self.anything = False  # whether it may bind or change whatever it likes
        self._shell = self._full = ""

    @property
    def shell(self) -> str:
        """Its text without the bodies of functions, which run later."""
        if not self._shell:
            self._shell = text_of(self.node, with_bodies=False)
        return self._shell

    @property
    def full(self) -> str:
        """All of its text, but for docstrings."""
        if not self._full:
            self._full = text_of(self.node, with_bodies=True)
        return self._full


class _Scan(ast.NodeVisitor):
    """Fills a unit with what runs when its statement is run."""

    def __init__(self, unit: Unit, bodies: bool) -> None:
        self.unit = unit
        self.bodies = bodies  # whether the bodies of functions inside are looked at too
        self.in_class = 0

    def _bind(self, name: str) -> None:
        if not self.in_class:
            self.unit.binds.add(name)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._use((node.id,))
        else:
            self._bind(node.id)

    def _use(self, chain: Chain) -> None:
        self.unit.uses.add(chain)
        if not ANYTHING.isdisjoint(chain[-1:]) or chain[-2:] == ("sys", "modules"):
            self.unit.anything = True

    def visit_Attribute(self, node: ast.Attribute) -> None:
        chain = chain_of(node)
        if not isinstance(node.ctx, ast.Load):
            self.unit.changes.add(chain)
        if chain and not has_calls(node):
            self._use(chain)
        else:
            self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.unit.changes.add(chain_of(node.value))
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._use((node.target.id,))
        self.generic_visit(node)

    def _change(self, node: ast.expr) -> None:
        (self.unit.results if _is_result(node) else self.unit.changes).add(chain_of(node))

    def visit_Expr(self, node: ast.Expr) -> None:
        called = node.value.func if isinstance(node.value, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr not in _TELLS:
            self._change(called.value)  # nobody takes what it gives: it changes something
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        callee = chain_of(node.func) if not has_calls(node.func) else ()
        given: dict[int | str, Chain] = {i: chain_of(each) for i, each in enumerate(node.args)}
        given |= {each.arg: chain_of(each.value) for each in node.keywords if each.arg}
        given = {place: chain for place, chain in given.items() if chain}
        if callee:
            self.unit.calls.append((callee, given))
        if isinstance(node.func, ast.Attribute) and node.func.attr in CHANGERS:
            self._change(node.func.value)
        if callee and callee[-1] in CHANGE_ARGUMENTS:
            self.unit.changes.update(given.values())
        if callee and callee[-1] in PATCHES:
            self.unit.patches.update(given.values())
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for each in node.names:
            name = each.asname or each.name.partition(".")[0]
            self._bind(name)
            self.unit.imports[name] = each.name if each.asname else name, "", 0

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for each in node.names:
            if each.name == "*":
                self.unit.stars.append((node.module or "", node.level))
                continue
            self._bind(each.asname or each.name)
            self.unit.imports[each.asname or each.name] = node.module or "", each.name, node.level

    def visit_FunctionDef(self, node: Def) -> None:
        self._bind(node.name)
        for each in (*node.decorator_list, *_defaults(node.args), *_notes(node)):
            self.visit(each)
        self.unit.calls += [(chain_of(each), {0: (node.name,)}) for each in node.decorator_list if chain_of(each)]
        if self.bodies:
            self._inside(node, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the name that ast.NodeVisitor looks for

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for each in _defaults(node.args):
            self.visit(each)
        self._inside(node, [node.body])

    def _inside(self, node: Def | ast.Lambda, body: Iterable[ast.AST]) -> None:
        """The body of a function: its own variables are nobody else's."""
        inner = body_of(node)
        self.unit.uses |= inner.uses
        self.unit.anything |= inner.anything

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._bind(node.name)
        for each in (*node.decorator_list, *node.bases, *(k.value for k in node.keywords)):
            self.visit(each)
        self.unit.calls += [(chain_of(each), {0: (node.name,)}) for each in node.decorator_list if chain_of(each)]
        self.unit.calls += [((*chain_of(each), "__init_subclass__"), {}) for each in node.bases if chain_of(each)]
        self.in_class += 1
        for statement in node.body:
            self.visit(statement)
        self.in_class -= 1

    def _scope(self, node: ast.AST) -> None:
        """A comprehension: its variables are its own."""
        inner = Unit(node)
        _Scan(inner, self.bodies).generic_visit(node)
        mine = inner.binds
        self.unit.uses |= {chain for chain in inner.uses if chain[0] not in mine}
        self.unit.changes |= {chain for chain in inner.changes if chain[:1] and chain[0] not in mine}
        self.unit.results |= {chain for chain in inner.results if chain[:1] and chain[0] not in mine}
        self.unit.calls += [(c, g) for c, g in inner.calls if c[0] not in mine]

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _scope  # noqa: N815 - likewise

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._bind(node.name)
        self.generic_visit(node)


def _is_result(node: ast.AST) -> bool:
    """Whether an expression is what a call gave, or is in that."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return isinstance(node, ast.Call)


def has_calls(node: ast.AST) -> bool:
    """Whether there is more in a dotted name than names."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return not isinstance(node, ast.Name)


def _defaults(args: ast.arguments) -> list[ast.expr]:
    return [*args.defaults, *(each for each in args.kw_defaults if each is not None)]


def _notes(node: Def) -> list[ast.expr]:
    notes = *(arg.annotation for arg in arguments(node)), node.returns
    return [note for note in notes if note is not None]


def given_in(node: ast.AST) -> Iterator[tuple[Chain, ast.Call]]:
    """What stands by its name, or as a lambda, among the arguments of the calls in a node."""
    for call in [each for each in ast.walk(node) if isinstance(each, ast.Call)]:
        for each in (*call.args, *(k.value for k in call.keywords)):
            if isinstance(each, ast.Lambda):
                yield (LAMBDA,), call
            elif isinstance(each, (ast.Name, ast.Attribute)) and not has_calls(each):
                yield chain_of(each), call


def functions_in(body: Iterable[ast.AST]) -> Iterator[Def]:
    """The functions that some statements define, not those inside of them, nor in classes."""
    for node in body:
        if isinstance(node, DEFS):
            yield node
        elif not isinstance(node, ast.ClassDef):
            yield from functions_in(ast.iter_child_nodes(node))


def unit_of(statement: ast.stmt, bodies: bool = False) -> Unit:
    """What a statement does; bodies: with all that the functions in it name."""
    unit = Unit(statement)
    _Scan(unit, bodies).visit(statement)
    unit.changes.discard(())
    unit.results.discard(())
    return unit


def arguments(node: Def | ast.Lambda) -> list[ast.arg]:
    """All parameters; those for the rest come last."""
    args = node.args
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]


def parameters(node: Def | ast.Lambda) -> list[str]:
    """Their names."""
    return [arg.arg for arg in arguments(node)]


def body_of(node: Def | ast.Lambda) -> Unit:
    """What the body of a function uses, changes and calls beyond its own variables; it binds what is global."""
    unit = Unit(node)
    scan = _Scan(unit, bodies=True)
    for each in node.body if isinstance(node.body, list) else [node.body]:
        scan.visit(each)
    told = {name for each in ast.walk(node) if isinstance(each, ast.Global) for name in each.names}
    mine = (unit.binds | {*parameters(node)}) - told
    mine -= {name for each in ast.walk(node) if isinstance(each, ast.Nonlocal) for name in each.names}
    imported = unit.imports.keys() & mine
    unit.binds &= told
    unit.uses = {chain for chain in unit.uses if chain[0] not in mine or chain[0] in imported}
    kept = {*parameters(node)}
    unit.results = {chain for chain in unit.results if chain and chain[0] not in mine - imported}
    unit.changes = {chain for chain in unit.changes if chain and (chain[0] not in mine or chain[0] in kept | imported)}
    return unit


# ---------------------------------------------------------------- text


def text_of(node: ast.AST, *, with_bodies: bool) -> str:
    """The normal form of a statement: without comments, formatting, docstrings, and maybe the bodies of functions."""
    return ast.unparse(_bare(node, with_bodies))


def _bare(node: Any, with_bodies: bool) -> Any:
    """A node without docstrings, nor bodies of functions if they are not wanted; only what has statements is copied."""
    blocks = {name: value for name in _BLOCKS if type(value := getattr(node, name, None)) is list and value}
    if not blocks:
        return node
    bare = copy(node)
    for name, statements in blocks.items():
        is_hidden = isinstance(node, DEFS) and not with_bodies
        kept = _undocumented(statements) if isinstance(node, (*DEFS, ast.ClassDef)) else statements
        setattr(bare, name, [ast.Pass()] if is_hidden else [_bare(each, with_bodies) for each in kept])
    return bare


def _undocumented(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    value = first.value if isinstance(first, ast.Expr) else None
    is_text = isinstance(value, ast.Constant) and isinstance(value.value, str)
    return (body[1:] or [ast.Pass()]) if is_text else body


# ---------------------------------------------------------------- one file


def outline_of(module: str, path: str, text: str) -> Outline:
    """The outline of a text, made once for all who ask in this process; errors as of ``ast.parse``."""
    return (_outline if len(text) < _LARGE else _large_outline)(module, path, text)


@lru_cache(maxsize=64)
def _outline(module: str, path: str, text: str) -> Outline:
    return Outline(module, path, text)


@lru_cache(maxsize=4)
def _large_outline(module: str, path: str, text: str) -> Outline:
    return Outline(module, path, text)


class Outline:
    """The top level of one source file; what is behind ``if __name__ == "__main__"`` counts as if it ran.

    is_package: whether it is the ``__init__`` of one, so that relative imports begin in it.
    """

    def __init__(self, module: str, path: str, text: str) -> None:
        self.module = module
        self.path = path
        slashed = path.replace("\\", "/")
        self.is_program = slashed.endswith(f"/{module.rpartition('.')[2]}/__main__.py")  # it has its package's name
        self.is_package = self.is_program or slashed.endswith("/__init__.py")
        tree = ast.parse(text)
        self.body = _flat(_undocumented(tree.body), _Platform(tree.body))
        self.units = [unit_of(each) for each in self.body]
        self.bound: dict[str, list[Unit]] = {}
        for unit in self.units:
            for name in unit.binds:
                self.bound.setdefault(name, []).append(unit)
        self.stars = [star for unit in self.units for star in unit.stars]
        self._whole = ""

    @property
    def whole(self) -> str:
        """The text of all of it."""
        if not self._whole:
            self._whole = "\n".join(unit.full for unit in self.units)
        return self._whole

    def absolute(self, module: str, level: int) -> str:
        """The module that an import names here."""
        if not level:
            return module
        parts = self.module.removesuffix(INIT).split(".")
        base = parts[: len(parts) - level + self.is_package]
        return ".".join([*base, module] if module else base)

    def brings_in(self) -> Iterator[str]:
        """What may be modules that statements in it import, or functions that take their names as texts."""
        for node in (each for statement in self.body for each in ast.walk(statement)):
            if isinstance(node, ast.Import):
                yield from (above for each in node.names for above in _with_above(each.name))
            elif isinstance(node, ast.ImportFrom):
                target = self.absolute(node.module or "", node.level)
                yield from _with_above(target)
                yield from (f"{target}.{each.name}" for each in node.names)
            elif isinstance(node, ast.Call) and chain_of(node.func)[-1:] in _IMPORTERS:
                texts = (each.value for each in ast.walk(node) if isinstance(each, ast.Constant))
                yield from (above for text in texts if type(text) is str for above in _with_above(text))

    def imported(self, name: str, unit: Unit) -> str:
        """What one name of an import statement stands for."""
        module, attribute, level = unit.imports[name]
        return f"{name} = import {self.absolute(module, level)} {attribute}"

    def definition(self, name: str) -> ast.AST | None:
        """The statement that binds a name, if that is one function or class and nothing else does."""
        units = self.bound.get(name, [])
        node = units[0].node if len(units) == 1 else None
        return node if isinstance(node, (*DEFS, ast.ClassDef)) and node.name == name else None


def _with_above(module: str) -> Iterator[str]:
    """A module, and the packages that it lies in."""
    while module:
        yield module
        module = module.rpartition(".")[0]


class _Platform:
    """Which branch of an ``if`` runs on this platform, where its test asks for nothing else."""

    def __init__(self, body: list[ast.stmt]) -> None:
        self._body = body

    @cached_property
    def _names(self) -> dict[str, str]:
        """What the names stand for that an import binds, and nothing else."""
        units = [unit_of(each) for each in self._body]
        bound = [name for unit in units for name in unit.binds]
        found: dict[str, str] = {}
        for unit in units:
            for name, (module, attribute, level) in unit.imports.items():
                if not level and bound.count(name) == 1:
                    found[name] = f"{module}.{attribute}" if attribute else module
        if any(ast.unparse(each) == "TYPE_CHECKING = False" for each in self._body) and bound.count(_TYPING[-1]) == 1:
            found[_TYPING[-1]] = ".".join(_TYPING)  # as it is written to save the import
        return found

    def chosen(self, node: ast.If) -> list[ast.stmt] | None:
        """The statements that run; None if that takes more than the platform."""
        try:
            return node.body if Evaluation(_no_name, self._known).value(node.test) else node.orelse
        except NotConstant:
            return None

    def _known(self, node: ast.expr) -> str:
        root, *rest = chain_of(node) or ("",)
        found = ".".join([self._names.get(root, ""), *rest])
        return found if found in _OF_PLATFORM and not has_calls(node) else ""


def _no_name(name: str) -> Any:
    raise NotConstant(name)


def _flat(body: list[ast.stmt], platform: _Platform) -> list[ast.stmt]:
    """The statements, those of the main program and those for this platform among them."""
    found: list[ast.stmt] = []
    for each in body:
        chosen: list[ast.stmt] | None = [each]
        if isinstance(each, ast.If):
            chosen = each.body if is_main(each) and not each.orelse else platform.chosen(each)
        found += [each] if chosen is None or chosen == [each] else _flat(chosen, platform)
    return found


def is_main(node: ast.AST) -> bool:
    """Whether a statement is ``if __name__ == "__main__"``."""
    return isinstance(node, ast.If) and ast.unparse(node.test).replace('"', "'") in (
        "__name__ == '__main__'",
        "'__main__' == __name__",
    )
