"""What a source file does when it is imported, statement by statement; nothing is run.

Each statement of the top level binds names, changes what names stand for, uses names and calls functions.  A
name is followed through imports to where it is made.  `closure` is all of the text that decides what a name is bound
to: equal texts, equal bindings, as far as the world outside is as it was.

A chain is a dotted name as a tuple: ``("lib", "N")``; a place is (module, name).
"""

from __future__ import annotations

import ast

from cachepy.digest import digest_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Chain = tuple[str, ...]
    Place = tuple[str, str]
    Def = ast.FunctionDef | ast.AsyncFunctionDef

WHOLE = "*"  # stands for all that is in a module
INIT = ".__init__"  # after the name of a package that goes to the program in it
_DEFS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_CHANGERS = frozenset({
    "append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "remove", "discard", "clear", "sort",
    "reverse", "appendleft", "extendleft", "popleft", "write", "put", "fill", "register",
})  # fmt: skip
_CHANGE_ARGUMENTS = frozenset({"shuffle", "heapify", "heappush", "heappop", "insort", "setattr", "delattr"})
_ANYTHING = frozenset({"exec", "globals", "locals", "vars", "reload", "__import__"})


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

    __slots__ = ("_full", "_shell", "anything", "binds", "calls", "changes", "imports", "node", "stars", "uses")

    def __init__(self, node: Any) -> None:
        self.node = node
        self.binds: set[str] = set()
        self.changes: set[Chain] = set()
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
        if not _ANYTHING.isdisjoint(chain[-1:]):
            self.unit.anything = True

    def visit_Attribute(self, node: ast.Attribute) -> None:
        chain = chain_of(node)
        if not isinstance(node.ctx, ast.Load):
            self.unit.changes.add(chain)
        if chain and not _has_calls(node):
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

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
            self.unit.changes.add(chain_of(node.value.func.value))  # nobody takes what it gives: it changes something
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        callee = chain_of(node.func) if not _has_calls(node.func) else ()
        given: dict[int | str, Chain] = {i: chain_of(each) for i, each in enumerate(node.args)}
        given |= {each.arg: chain_of(each.value) for each in node.keywords if each.arg}
        given = {place: chain for place, chain in given.items() if chain}
        if callee:
            self.unit.calls.append((callee, given))
        if isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGERS:
            self.unit.changes.add(chain_of(node.func.value))
        if callee and callee[-1] in _CHANGE_ARGUMENTS:
            self.unit.changes.update(given.values())
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
        self.unit.calls += [(c, g) for c, g in inner.calls if c[0] not in mine]

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _scope  # noqa: N815 - likewise

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._bind(node.name)
        self.generic_visit(node)


def _has_calls(node: ast.AST) -> bool:
    """Whether there is more in a dotted name than names."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return not isinstance(node, ast.Name)


def _defaults(args: ast.arguments) -> list[ast.expr]:
    return [*args.defaults, *(each for each in args.kw_defaults if each is not None)]


def _notes(node: Def) -> list[ast.expr]:
    args = node.args
    each = [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]
    return [note for note in (*(arg.annotation for arg in each), node.returns) if note is not None]


def unit_of(statement: ast.stmt, bodies: bool = False) -> Unit:
    """What a statement does; bodies: with all that the functions in it name."""
    unit = Unit(statement)
    _Scan(unit, bodies).visit(statement)
    unit.changes.discard(())
    return unit


def parameters(node: Def | ast.Lambda) -> list[str]:
    """The names of all parameters."""
    args = node.args
    each = [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]
    return [arg.arg for arg in each]


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
    unit.changes = {chain for chain in unit.changes if chain and (chain[0] not in mine or chain[0] in kept | imported)}
    return unit


# ---------------------------------------------------------------- text


def text_of(node: ast.AST, *, with_bodies: bool) -> str:
    """The normal form of a statement: without comments, formatting, docstrings, and maybe the bodies of functions."""
    return ast.unparse(_Bare(with_bodies).visit(_copied(node)))


def _copied(node: ast.AST) -> ast.AST:
    from copy import deepcopy

    return deepcopy(node)


class _Bare(ast.NodeTransformer):
    """Drops docstrings, and bodies of functions if they are not wanted."""

    def __init__(self, with_bodies: bool) -> None:
        self.with_bodies = with_bodies

    def visit_FunctionDef(self, node: Def) -> ast.AST:
        node.body = _undocumented(node.body) if self.with_bodies else [ast.Pass()]
        return self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the name that ast.NodeVisitor looks for

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = _undocumented(node.body)
        return self.generic_visit(node)


def _undocumented(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    value = first.value if isinstance(first, ast.Expr) else None
    is_text = isinstance(value, ast.Constant) and isinstance(value.value, str)
    return (body[1:] or [ast.Pass()]) if is_text else body


# ---------------------------------------------------------------- one file


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
        self.body = _flat(_undocumented(tree.body))
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

    def imported(self, name: str, unit: Unit) -> str:
        """What one name of an import statement stands for."""
        module, attribute, level = unit.imports[name]
        return f"{name} = import {self.absolute(module, level)} {attribute}"

    def definition(self, name: str) -> ast.AST | None:
        """The statement that binds a name, if that is one function or class and nothing else does."""
        units = self.bound.get(name, [])
        node = units[0].node if len(units) == 1 else None
        return node if isinstance(node, (*_DEFS, ast.ClassDef)) and node.name == name else None


def _flat(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements, those of the main program among them."""
    found: list[ast.stmt] = []
    for each in body:
        found += _flat(each.body) if is_main(each) and isinstance(each, ast.If) and not each.orelse else [each]
    return found


def is_main(node: ast.AST) -> bool:
    """Whether a statement is ``if __name__ == "__main__"``."""
    return isinstance(node, ast.If) and ast.unparse(node.test).replace('"', "'") in (
        "__name__ == '__main__'",
        "'__main__' == __name__",
    )


# ---------------------------------------------------------------- several files


class Project:
    """The source files of the user's modules, and the names that lead from one to another.

    find: the path of a module's source file, None if it is not the user's; read: its text, None if there is none.
    """

    def __init__(self, find: Callable[[str], str | None], read: Callable[[str], str | None]) -> None:
        self._find = find
        self._read = read
        self._outlines: dict[str, Outline | None] = {}
        self._changes: dict[Place, list[tuple[Unit, str, list[str]]]] | None = None
        self._effects: dict[tuple[str, int], tuple[set[Place], set[str]]] = {}
        self._closures: dict[tuple[str, str, bool], str] = {}
        self.modules: tuple[str, ...] = ()  # whose statements are asked for what they change in others

    def outline(self, module: str) -> Outline | None:
        """The outline of a module; None if it is not the user's, is gone or does not compile."""
        if module not in self._outlines:
            self._outlines[module] = None  # while it is made
            path = self._find(module)
            text = None if path is None else self._read(path)
            if path is not None and text is not None:
                try:
                    self._outlines[module] = Outline(module, path, text)
                except (SyntaxError, ValueError, RecursionError):
                    pass
        return self._outlines[module]

    @property
    def read(self) -> dict[str, str]:
        """The path of each module that was looked into."""
        return {module: found.path for module, found in self._outlines.items() if found is not None}

    # -- names

    def resolve(self, module: str, chain: Chain) -> tuple[str, Chain]:
        """Where a dotted name leads: a module and a chain in it; the chain is empty if it is a module itself.

        What leads out of the user's code gives the chain ``("?", ...)``.
        """
        for _ in range(100):
            outline = self.outline(module)
            if outline is None:
                return module, ("?", *chain)
            if not chain:
                return module, ()
            units = outline.bound.get(chain[0], [])
            imported = next((u.imports[chain[0]] for u in reversed(units) if chain[0] in u.imports), None)
            if imported is None:
                step = None if units else self._by_star(outline, chain) or self._submodule(outline, chain)
                if step is None:
                    return module, chain
                module, chain = step
                continue
            module, chain = self._imported(outline, imported, chain)
        return module, chain

    def _imported(self, outline: Outline, imported: tuple[str, str, int], chain: Chain) -> tuple[str, Chain]:
        name, attribute, level = imported
        target = outline.absolute(name, level)
        if attribute:
            inner = f"{target}.{attribute}" if target else attribute
            target = self._importable(target)
            own = self.outline(target)
            if (own is None or attribute not in own.bound) and self.outline(inner) is not None:
                return inner, chain[1:]
            return target, (attribute, *chain[1:])
        rest = chain[1:]
        while rest and self.outline(f"{target}.{rest[0]}") is not None and not self._binds(target, rest[0]):
            target, rest = f"{target}.{rest[0]}", rest[1:]
        return self._importable(target), rest

    def _importable(self, module: str) -> str:
        """What an import of this name gives: of a package that is run, not the program."""
        outline = self.outline(module)
        return f"{module}{INIT}" if outline is not None and outline.is_program else module

    def _binds(self, module: str, name: str) -> bool:
        outline = self.outline(self._importable(module))
        return outline is not None and name in outline.bound

    def _submodule(self, outline: Outline, chain: Chain) -> tuple[str, Chain] | None:
        inner = f"{outline.module.removesuffix(INIT)}.{chain[0]}"
        return (inner, chain[1:]) if outline.is_package and self.outline(inner) is not None else None

    def _by_star(self, outline: Outline, chain: Chain) -> tuple[str, Chain] | None:
        for name, level in reversed(outline.stars):
            target = self._importable(outline.absolute(name, level))
            if self._binds(target, chain[0]):
                return target, chain
        return None

    # -- what is changed in place

    def changes(self, place: Place) -> list[tuple[Unit, str, list[str]]]:
        """The statements that alter what a name stands for, each with its module and the functions that do it."""
        if self._changes is None:
            self._changes = {}
            for module in self.modules:
                outline = self.outline(module)
                for unit in outline.units if outline is not None else ():
                    for found, through in self._altered(module, unit).items():
                        self._changes.setdefault(found, []).append((unit, module, through))
        return self._changes.get(place, [])

    def _altered(self, module: str, unit: Unit) -> dict[Place, list[str]]:
        found: dict[Place, list[str]] = {}
        for chain in unit.changes:
            found.setdefault(self._place(module, chain), [])
        for callee, given in unit.calls:
            where, rest = self.resolve(module, callee)
            for node in self._called(where, rest):
                places, names = self._effect(where, node)
                text = text_of(node, with_bodies=True)
                for each in places:
                    found.setdefault(each, []).append(text)
                for name in names & _given(node, given).keys():
                    found.setdefault(self._place(module, _given(node, given)[name]), []).append(text)
        found.pop(("", ""), None)
        return found

    def _place(self, module: str, chain: Chain) -> Place:
        where, rest = self.resolve(module, chain)
        return (where, rest[0]) if rest and rest[0] != "?" else ("", "")

    def _called(self, module: str, chain: Chain) -> list[Def]:
        """The functions of the user's that a call may run: of a class, all its methods."""
        outline = self.outline(module)
        node = outline.definition(chain[0]) if outline is not None and chain else None
        if isinstance(node, ast.ClassDef):
            methods = [each for each in node.body if isinstance(each, _DEFS)]
            return [each for each in methods if not chain[1:] or each.name == chain[1]]
        return [node] if isinstance(node, _DEFS) else []

    def _effect(self, module: str, node: Def) -> tuple[set[Place], set[str]]:
        """What a function alters: places, and of its parameters which."""
        key = module, id(node)
        known = self._effects.get(key)
        if known is not None:
            return known
        places, names = self._effects[key] = set(), set()
        body, mine = body_of(node), {*parameters(node)}
        places |= {(module, name) for name in body.binds}
        for chain in body.changes:
            if chain[0] in mine:
                names.add(chain[0])
            else:
                places.add(self._place(module, chain))
        for callee, given in body.calls:
            where, rest = self.resolve(module, callee) if callee[0] not in mine else ("", ())
            for inner in self._called(where, rest):
                deeper, altered = self._effect(where, inner)
                places |= deeper
                for name in altered & _given(inner, given).keys():
                    chain = _given(inner, given)[name]
                    if chain[0] in mine:
                        names.add(chain[0])
                    else:
                        places.add(self._place(module, chain))
        places.discard(("", ""))
        return places, names

    # -- all that decides what a name is

    def closure(self, module: str, nodes: Iterable[tuple[str, Iterable[Chain]]], places: Iterable[Place] = ()) -> str:
        """The digest of these texts, and of all that decides what the chains that they use stand for."""
        return digest_bytes("\0".join(sorted(self.texts(module, nodes, places))).encode("utf-8", "surrogatepass"))

    def texts(
        self, module: str, nodes: Iterable[tuple[str, Iterable[Chain]]], places: Iterable[Place] = ()
    ) -> set[str]:
        """The same as texts."""
        texts, seen = set[str](), set[tuple[str, str]]()
        todo = list(places)
        for text, uses in nodes:
            texts.add(text)
            todo += self._used(module, uses)
        while todo:
            place = todo.pop()
            if place not in seen:
                seen.add(place)
                for text, home, uses in self._made(place):
                    texts.add(f"# {home}\n{text}")
                    todo += self._used(home, uses)
        return texts

    def _used(self, module: str, uses: Iterable[Chain]) -> Iterator[Place]:
        for chain in uses:
            where, rest = self.resolve(module, chain)
            if not rest:
                yield where, WHOLE
            elif rest[0] != "?":
                yield where, rest[0]

    def _made(self, place: Place) -> Iterator[tuple[str, str, Iterable[Chain]]]:
        """The texts that make what a name stands for, with all that runs in them."""
        module, name = place
        outline = self.outline(module)
        if outline is None:
            return
        if name == WHOLE:
            yield outline.whole, module, ()
            return
        for unit in outline.bound.get(name, []):
            if name in unit.imports and isinstance(unit.node, (ast.Import, ast.ImportFrom)):
                yield outline.imported(name, unit), module, [(name,)]
            else:
                yield unit.full, module, unit_of(unit.node, bodies=True).uses
        for unit, home, through in self.changes(place):
            yield "\n".join([unit.shell, *through]), home, unit.uses
        for other in outline.units:
            if other.anything:
                yield other.shell, module, other.uses


def _given(node: Def, given: dict[int | str, Chain]) -> dict[str, Chain]:
    """The arguments of a call by the names of the parameters."""
    names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
    shift = 1 if names[:1] in (["self"], ["cls"]) else 0
    found: dict[str, Chain] = {}
    for place, chain in given.items():
        if isinstance(place, str):
            found[place] = chain
        elif place + shift < len(names):
            found[names[place + shift]] = chain
    return found
