"""The source files of the user's modules, and the names that lead from one to another; nothing is run.

A name is followed through imports to where it is made.  `texts` is all of the text that decides what a name is bound
to: equal texts, equal bindings, as far as the world outside is as it was.
"""

from __future__ import annotations

import ast

from cachepy.code.outline import (
    DEFS,
    INIT,
    LAMBDA,
    WHOLE,
    body_of,
    chain_of,
    given_in,
    outline_of,
    parameters,
    text_of,
    unit_of,
)  # fmt: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

    from cachepy.code.outline import Chain, Def, Outline, Unit

    Place = tuple[str, str]

_ENVIRONS = ("os", "?", "environ"), ("os.environ", "?"), ("os", "environ")


class Project:
    """The source files of the user's modules, and the names that lead from one to another.

    find: the path of a module's source file, None if it is not the user's; read: its text, None if there is none.
    """

    def __init__(self, find: Callable[[str], str | None], read: Callable[[str], str | None]) -> None:
        self._find = find
        self._read = read
        self._outlines: dict[str, Outline | None] = {}
        self._changes: dict[Place, list[tuple[Unit, str, list[str]]]] | None = None
        self._given: dict[Place, list[tuple[ast.Call, str]]] | None = None
        self._effects: dict[tuple[str, int], tuple[set[Place], set[str]]] = {}
        self._asked: set[str] = set()  # modules that a name is looked for in
        self.modules: tuple[str, ...] = ()  # whose statements are asked for what they change in others

    def outline(self, module: str) -> Outline | None:
        """The outline of a module; None if it is not the user's, is gone or does not compile."""
        if module not in self._outlines:
            self._outlines[module] = None  # while it is made
            path = self._find(module)
            text = None if path is None else self._read(path)
            if path is not None and text is not None:
                try:
                    self._outlines[module] = outline_of(module, path, text)
                except (SyntaxError, ValueError, RecursionError):
                    pass
        return self._outlines[module]

    @property
    def read(self) -> dict[str, str]:
        """The path of each module that was looked into."""
        return {module: found.path for module, found in self._outlines.items() if found is not None}

    def brought_in(self, modules: Iterable[str], known: Container[str]) -> set[str]:
        """The modules that these import, and those import, and that are not known: they may change what others hold."""
        found, todo = set[str](), list(modules)
        while todo:
            outline = self.outline(todo.pop())
            for module in () if outline is None else map(self._importable, outline.brings_in()):
                if module not in known and module not in found and self.outline(module) is not None:
                    found.add(module)
                    todo.append(module)
        return found

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
            is_own = own is outline  # a package takes its parts by such a statement
            if (own is None or is_own or attribute not in own.bound) and self.outline(inner) is not None:
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
        found = self.stars(outline, chain[0])
        return (found[-1], chain) if found else None

    def stars(self, outline: Outline, name: str) -> list[str]:
        """The modules of which all is taken, and that have this name; what ``__all__`` says is not looked at."""
        targets = [self._importable(outline.absolute(*star)) for star in outline.stars]
        return [target for target in targets if self._has(target, name)]

    def _has(self, module: str, name: str) -> bool:
        """Whether a module binds a name, or takes it with all of another."""
        outline = self.outline(module)
        if outline is None or name in outline.bound:
            return outline is not None
        self._asked.add(module)
        try:
            targets = [self._importable(outline.absolute(*star)) for star in outline.stars]
            return any(self._has(target, name) for target in targets if target not in self._asked)
        finally:
            self._asked.discard(module)

    # -- what is changed in place

    def changes(self, place: Place) -> list[tuple[Unit, str, list[str]]]:
        """The statements that alter what a name stands for, each with its module and the functions that do it."""
        found = self._all_changes()
        return [*found.get(place, ()), *found.get((place[0], WHOLE), ())]

    def _all_changes(self) -> dict[Place, list[tuple[Unit, str, list[str]]]]:
        if self._changes is None:
            self._changes = {}
            for module in self.modules:
                outline = self.outline(module)
                for unit in outline.units if outline is not None else ():
                    for found, through in self._altered(module, unit).items():
                        self._changes.setdefault(found, []).append((unit, module, through))
        return self._changes

    def _altered(self, module: str, unit: Unit) -> dict[Place, list[str]]:
        found: dict[Place, list[str]] = {}
        for chain in unit.changes | self._own_results(module, unit):
            found.setdefault(self._place(module, chain, unit), [])
        for callee, given in unit.calls:
            where, rest = self.resolve(module, callee)
            for node in self._called(where, rest):
                places, names = self._effect(where, node)
                text = text_of(node, with_bodies=True)
                if body_of(node).anything:
                    found.setdefault((where, WHOLE), []).append(text)
                for each in places:
                    found.setdefault(each, []).append(text)
                for name in names & _given(node, given).keys():
                    found.setdefault(self._place(module, _given(node, given)[name]), []).append(text)
        found.pop(("", ""), None)
        return found

    def given(self, place: Place) -> list[tuple[ast.Call, str]]:
        """The calls that are given a function, each with its module: ``cached(f)`` may be what caches it."""
        if self._given is None:
            self._given = {}
            for module in self.modules:
                outline = self.outline(module)
                for unit in outline.units if outline is not None else ():
                    for chain, call in () if isinstance(unit.node, (*DEFS, ast.ClassDef)) else given_in(unit.node):
                        at = (module, LAMBDA) if chain == (LAMBDA,) else self._place(module, chain)
                        self._given.setdefault(at, []).append((call, module))
        return self._given.get(place, [])

    def _own_results(self, module: str, unit: Unit) -> set[Chain]:
        """What functions of the user's gave may be theirs still; what a library made, as a path, is new."""
        return {chain for chain in unit.results if self.resolve(module, chain)[1][:1] != ("?",)}

    def variables_set(self) -> set[str]:
        """The variables of the environment that the statements at the top of modules set."""
        return {name for name, _, _ in self.settings()}

    def settings(self) -> Iterator[tuple[str, str, ast.expr]]:
        """The same, each with the module that sets it, and to what."""
        for module in self.modules:
            outline = self.outline(module)
            body = outline.body if outline is not None else []
            for node in (each for each in body if isinstance(each, ast.Assign)):
                for target in node.targets:
                    if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
                        where, rest = self.resolve(module, chain_of(target.value))
                        if (where, *rest) in _ENVIRONS:
                            yield str(target.slice.value), module, node.value

    def _place(self, module: str, chain: Chain, unit: Unit | None = None) -> Place:
        where, rest = self.resolve(module, chain)
        if rest[:1] == ("?",):  # of a library, as a variable of the environment
            return (where, rest[1]) if rest[1:] else ("", "")
        if not rest:  # whoever calls a function of a module changes what that function does, and no more
            return (where, WHOLE) if unit is not None and chain in unit.patches else ("", "")
        return where, rest[0] if rest[0] != "__dict__" else WHOLE

    def _called(self, module: str, chain: Chain) -> list[Def]:
        """The functions of the user's that a call may run: of a class, all its methods."""
        outline = self.outline(module)
        node = outline.definition(chain[0]) if outline is not None and chain else None
        if isinstance(node, ast.ClassDef):
            methods = [each for each in node.body if isinstance(each, DEFS)]
            return [each for each in methods if not chain[1:] or each.name == chain[1]]
        return [node] if isinstance(node, DEFS) else []

    def _effect(self, module: str, node: Def) -> tuple[set[Place], set[str]]:
        """What a function alters: places, and of its parameters which."""
        key = module, id(node)
        known = self._effects.get(key)
        if known is not None:
            return known
        places, names = self._effects[key] = set(), set()
        body, mine = body_of(node), {*parameters(node)}
        places |= {(module, name) for name in body.binds}
        for chain in body.changes | self._own_results(module, body):
            if chain[0] in mine:
                names.add(chain[0])
            else:
                places.add(self._place(module, chain, body))
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

    def texts(
        self, module: str, nodes: Iterable[tuple[str, Iterable[Chain]]], places: Iterable[Place] = ()
    ) -> set[str]:
        """These texts, and all that decides what the chains that they use stand for."""
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
            elif rest[1:]:
                yield where, rest[1]

    def _made(self, place: Place) -> Iterator[tuple[str, str, Iterable[Chain]]]:
        """The texts that make what a name stands for, with all that runs in them."""
        module, name = place
        outline = self.outline(module)
        if outline is not None and name == WHOLE:
            yield outline.whole, module, ()
            return
        for unit, home, through in self.changes(place):
            yield "\n".join([unit.shell, *through]), home, unit.uses
        if outline is None:
            return
        for target in self.stars(outline, name):
            yield f"{name} of {target}", target, [(name,), ("__all__",)]
        for unit in outline.bound.get(name, []):
            if name in unit.imports and isinstance(unit.node, (ast.Import, ast.ImportFrom)):
                yield outline.imported(name, unit), module, [(name,)]
            else:
                yield unit.full, module, unit_of(unit.node, bodies=True).uses
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
