"""How a name of a module is bound, part by part, as its source file says; and whether a part is what it was.

A function has its decorators, defaults and annotations, a class its bases and members, a variable its statement.  The
bodies of functions are no parts: they are compared as compiled code.
"""

from __future__ import annotations

import ast
import builtins
from functools import lru_cache

from cachepy.code.constants import Evaluation, NotConstant
from cachepy.code.import_time import run_at_import
from cachepy.code.outline import (
    DEFS,
    LAMBDA,
    arguments,
    chain_of,
    functions_in,
    given_in,
    has_calls,
    is_main,
    text_of,
    unit_of,
)
from cachepy.code.pieces import Piece, bound_piece, value_piece
from cachepy.errors import UndigestableError
from cachepy.values.digest import digest_bytes
from cachepy.values.references import References

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.code.outline import Def, Outline, Unit
    from cachepy.code.project import Project
    from cachepy.values.digest import Digester

CHANGES = "changes"
DISPLAY = "display"  # of a container that is written down: the same as long as its names lead to the same functions
GIVEN = "given"
_CONTAINERS = ast.Dict, ast.List, ast.Tuple, ast.Set
_WRITTEN = *_CONTAINERS, ast.Name, ast.Constant, ast.Load
# what gives another value where the world is another one, though the code is the same: names, and attributes
_ASKS = frozenset({
    "open", "input", "environ", "getenv", "urlopen", "urandom", "getcwd", "listdir", "scandir", "glob", "check_output",
    "Popen", "perf_counter", "monotonic", "time_ns", "uuid1", "uuid4", "getpid", "gethostname", "cpu_count", "getuser",
})
_ASKS_OF = _ASKS | frozenset({
    "read_text", "read_bytes", "loadtxt", "genfromtxt", "fromfile", "now", "today", "utcnow", "cwd", "home",
    "expanduser", "rglob", "iterdir", "exists", "is_file", "is_dir", "stat", "getmtime", "system", "time", "run",
})
_ONLY_OF = {"time": ("time",), "run": ("subprocess", "sp"), "load": ("np", "numpy", "joblib", "torch")}
_FRESH = frozenset({
    "now", "today", "utcnow", "time", "time_ns", "monotonic", "perf_counter", "urandom", "uuid1", "uuid4", "getpid",
})  # fmt: skip


class Part:
    """One part of how a name is bound.

    digest: of the text that decides it; label: the name of the piece that it gives, empty if there is none; node: the
    expression whose value that is; outside: names of what it asks the world for when the module is imported; run: the
    texts as far as they run then.
    """

    __slots__ = ("digest", "label", "node", "outside", "run", "texts")

    def __init__(self, digest: str, label: str, node: ast.expr | None, texts: set[str]) -> None:
        self.digest = digest
        self.label = label
        self.node = node
        self.texts = texts
        self.run = run_at_import(texts) if _outside_in(texts) else texts
        self.outside = _outside_in(self.run)

    @property
    def homes(self) -> set[str]:
        """The modules in whose files the texts stand, but for those of the name's own module."""
        return {home for text in self.texts if (home := home_of(text))}


def _outside_in(texts: set[str]) -> frozenset[str]:
    found: set[str] = set()
    for text in texts:
        found |= _asked_in(text)
    return frozenset(found)


@lru_cache(maxsize=4096)
def _asked_in(text: str) -> frozenset[str]:
    """The names in a text that ask the world for something."""
    try:
        tree = ast.parse(text)
    except SyntaxError:  # what stands for an import
        return frozenset()
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in _ASKS}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            roots = _ONLY_OF.get(node.attr)
            is_known = node.attr in _ASKS_OF or node.attr.startswith("read_") or node.attr == "load"
            if is_known and (roots is None or chain_of(node)[:1] in [(root,) for root in roots]):
                found.add(node.attr)
    return frozenset(found)


class Bindings:
    """Parts of names, by the source files of a project."""

    def __init__(self, project: Project, digester: Digester) -> None:
        self.project = project
        self.digester = digester
        self._parts: dict[tuple[str, str], dict[str, Part]] = {}
        self._busy: set[tuple[str, str]] = set()

    def parts(self, module: str, name: str) -> dict[str, Part]:
        """The parts of a name; none if the module does not bind it."""
        key = module, name
        if key not in self._parts:
            outline = self.project.outline(module)
            self._parts[key] = {} if outline is None else self._parts_of(outline, name)
        return self._parts[key]

    def _parts_of(self, outline: Outline, name: str) -> dict[str, Part]:
        units = outline.bound.get(name, [])
        found: dict[str, Part] = {}
        node = outline.definition(name)
        if isinstance(node, DEFS):
            found |= self._function(outline.module, node, node.name)
            found |= self._given(node, name, self.project.given((outline.module, name)))
        elif isinstance(node, ast.ClassDef):
            found |= self._class(outline.module, node, node.name)
        elif name.startswith(LAMBDA):
            found |= self._given(None, name, self.project.given((outline.module, LAMBDA)))
        elif units or self.project.stars(outline, name):
            found[""] = self._variable(outline, name, units)
            found |= self._display(outline, found[""].node)
        elif outline.stars or any(unit.anything for unit in outline.units):
            found[""] = self._part(outline.module, f"{outline.module}.{name}", None, [], [(outline.module, name)])
        changes = self.project.changes((outline.module, name))
        if changes:
            nodes = [("\n".join([unit.shell, *through]), unit.uses) for unit, _, through in changes]
            found[CHANGES] = self._part(outline.module, "", None, nodes)
        return found

    def _part(
        self,
        module: str,
        label: str,
        node: ast.expr | None,
        nodes: list[Any],
        places: list[tuple[str, str]] | None = None,
    ) -> Part:
        return _part_of(self.project.texts(module, nodes, places or []), label, node)

    def _expression(self, module: str, label: str, node: ast.expr | None) -> Part:
        if node is None:
            return self._part(module, label, None, [])
        uses = unit_of(ast.Expr(node), bodies=True).uses
        return self._part(module, label, node, [(ast.unparse(node), uses)])

    def _variable(self, outline: Outline, name: str, units: list[Unit]) -> Part:
        node: ast.expr | None = None
        stars = self.project.stars(outline, name)
        if not units and len(stars) == 1 and self.project.outline(stars[0]) is not None:
            node = ast.Name(name, ast.Load())
        if len(units) == 1 and not is_main(units[0].node) and not stars:
            is_taken = isinstance(units[0].node, ast.ImportFrom)  # the value is that of another module's name
            node = ast.Name(name, ast.Load()) if is_taken else _assigned(units[0].node, name)
        return self._part(outline.module, f"{outline.module}.{name}", node, [], [(outline.module, name)])

    def _display(self, outline: Outline, node: ast.expr | None) -> dict[str, Part]:
        """Of a table of functions and classes: what is in it, without what these do, which is compared by itself."""
        inner = list(ast.walk(node)) if isinstance(node, _CONTAINERS) else []
        if not inner or any(unit.anything for unit in outline.units) or not all(isinstance(n, _WRITTEN) for n in inner):
            return {}
        targets = [self.target(outline.module, each.id) for each in inner if isinstance(each, ast.Name)]
        plain = [piece.digest for piece in targets if piece is not None and ":" in piece.digest]
        if not plain or len(plain) < len(targets) or any(digest.startswith("=cached ") for digest in plain):
            return {}
        assert node is not None
        return {DISPLAY: self._part(outline.module, "", None, [(f"{ast.unparse(node)} {plain}", ())])}

    def _function(self, module: str, node: Def, qualname: str) -> dict[str, Part]:
        found = {f"@{qualname}": self._decorators(module, f"{module}:{qualname}", node)}
        shape = [" ".join(chain_of(each)) or ast.unparse(each) for each in node.decorator_list]
        found[f"#{qualname}"] = self._part(module, "", None, [(f"{shape}", ())])
        args = node.args
        named = [*args.posonlyargs, *args.args]
        pairs = [*zip([a.arg for a in named[len(named) - len(args.defaults) :]], args.defaults, strict=True)]
        pairs += [(a.arg, d) for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True) if d is not None]
        for name, default in pairs:
            label = f"{module}:{qualname}.default {name}"
            found[f"{qualname}({name})"] = self._expression(module, label, default)
        notes = {each.arg: each.annotation for each in arguments(node)}
        for name, note in (*notes.items(), ("return", node.returns)):
            if note is not None:
                found[f"{qualname}:{name}"] = self._note(module, note)
        for inner in functions_in(node.body):
            name = f"{qualname}.<locals>.{inner.name}"
            found |= self._function(module, inner, name)
            given = [(call, module) for chain, call in given_in(node) if chain == (inner.name,)]
            found |= self._given(inner, name, given)
        return found

    def _given(self, node: Def | None, qualname: str, given: list[tuple[ast.Call, str]]) -> dict[str, Part]:
        """The calls that a function without decorators is given to, one of which may be what caches it."""
        texts = set[str]()
        for call, module in given if node is None or not node.decorator_list else ():
            uses = unit_of(ast.Expr(call), bodies=False).uses
            texts |= self.project.texts(module, [(ast.unparse(call), uses)])
        return {f"{GIVEN} {qualname}": _part_of(texts, "", None)} if texts else {}

    def _decorators(self, module: str, label: str, node: Def | ast.ClassDef) -> Part:
        texts = [(ast.unparse(each), unit_of(ast.Expr(each), bodies=True).uses) for each in node.decorator_list]
        return self._part(module, label, None, texts)

    def _class(self, module: str, node: ast.ClassDef, qualname: str) -> dict[str, Part]:
        head = [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]
        nodes = [(ast.unparse(each), unit_of(ast.Expr(each), bodies=True).uses) for each in head]
        keywords = [k.arg or "**" for k in node.keywords]
        shape = f"{len(node.decorator_list)} {len(node.bases)} {keywords}"
        found = {f"class {qualname}": self._part(module, "", None, [*nodes, (shape, ())])}
        order: list[str] = []
        for each in node.body:
            if isinstance(each, DEFS):
                found |= self._function(module, each, f"{qualname}.{each.name}")
                order.append(each.name)
            elif isinstance(each, ast.ClassDef):
                found |= self._class(module, each, f"{qualname}.{each.name}")
                order.append(each.name)
            else:
                self._member(module, each, qualname, found, order)
        has_notes = any(isinstance(each, ast.AnnAssign) for each in node.body)
        found[f"order {qualname}"] = self._part(module, "", None, [(f"{order if has_notes else sorted(order)}", ())])
        return found

    def _member(
        self, module: str, node: ast.stmt, qualname: str, found: dict[str, Part], order: list[str]
    ) -> None:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return  # a text that says something
        unit = unit_of(node, bodies=True)
        names = sorted(unit.binds)
        order += names
        value = _assigned(node, names[0]) if len(names) == 1 else None
        label = f"{module}:{qualname}.{names[0]}" if names else ""
        text = text_of(node, with_bodies=True) if value is None else ast.unparse(value)
        found[f"{qualname}.{' '.join(names) or len(found)}"] = self._part(module, label, value, [(text, unit.uses)])
        if isinstance(node, ast.AnnAssign):
            found[f"{qualname}.{names[0]}:"] = self._note(module, node.annotation)

    def _note(self, module: str, node: ast.expr) -> Part:
        """An annotation: its text, and what the variables in it stand for, but not what is in classes."""
        texts, todo, seen = [(ast.unparse(node), ())], [(module, node)], set[tuple[str, str]]()
        outline = self.project.outline(module)
        if outline is not None and _is_postponed(outline):
            texts.append(("as text", ()))
        while todo:
            home, each = todo.pop()
            for chain in unit_of(ast.Expr(each), bodies=True).uses:
                where, rest = self.project.resolve(home, chain)
                outline = self.project.outline(where)
                if outline is None or not rest or (where, rest[0]) in seen:
                    continue
                seen.add((where, rest[0]))
                for unit in outline.bound.get(rest[0], []):
                    value = _assigned(unit.node, rest[0])
                    is_class = isinstance(unit.node, (*DEFS, ast.ClassDef))
                    texts.append((f"{where}.{rest[0]} = {'' if is_class else unit.full}", ()))
                    todo += [(where, value)] if value is not None else []
        return self._part(module, "", node, texts)

    # -- values

    def value(self, module: str, name: str) -> Any:
        """The value of a name of a module, if it is made of constants alone; else NotConstant."""
        outline = self.project.outline(module)
        units = [] if outline is None else outline.bound.get(name, [])
        if name == "__file__" and outline is not None and not units:
            return outline.path
        if outline is None or not units:
            raise LookupError(name)
        node = _assigned(units[0].node, name) if len(units) == 1 else None
        is_hidden = bool(self.project.stars(outline, name))
        if node is None or is_hidden or (module, name) in self._busy or self.project.changes((module, name)):
            raise NotConstant(name)
        self._busy.add((module, name))
        try:
            return self.evaluated(module, node)
        finally:
            self._busy.discard((module, name))

    def evaluated(self, module: str, node: ast.expr) -> Any:
        """The value of an expression at the top of a module, likewise."""
        return Evaluation(
            lambda name: self._named(module, name), lambda each: self.library_of(module, each)
        ).value(node)

    def _named(self, module: str, name: str) -> Any:
        where, rest = self.project.resolve(module, (name,))
        if len(rest) != 1:
            raise NotConstant(name)
        return self.value(where, rest[0])

    def library_of(self, module: str, node: ast.expr) -> str:
        """The dotted name of what is a library's; empty for all else."""
        return ".".join(self._library(module, node))

    def _library(self, module: str, node: ast.expr | None) -> list[str]:
        """The module and the names in it that lead to what is a library's; none to others."""
        if not isinstance(node, (ast.Name, ast.Attribute)) or has_calls(node):
            return []
        where, rest = self.project.resolve(module, chain_of(node))
        return [where, *rest[1:]] if rest[:1] == ("?",) else []

    def library_name(self, module: str, part: Part) -> str:
        """What a part is another name for, as ``module:name``, if that is a library's."""
        where, *names = self._library(module, part.node) or [""]
        return f"{where}:{'.'.join(names)}" if names else ""

    def note(self, module: str, part: Part) -> str:
        """An annotation as the code record has it; empty if that takes more than its text."""
        node, outline = part.node, self.project.outline(module)
        if node is None or outline is None:
            return ""
        if _is_postponed(outline):
            return ast.unparse(node)
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else repr(node.value)
        where, rest = self.project.resolve(module, chain_of(node))
        if isinstance(node, ast.Name) and rest == (node.id,):
            target = outline.definition(node.id) if where == module else None
            if target is None and node.id not in outline.bound and isinstance(getattr(builtins, node.id, None), type):
                return f"builtins.{node.id}"
            return f"{where}.{node.id}" if isinstance(target, ast.ClassDef) else ""
        return ""

    def is_partial(self, module: str, node: ast.Call) -> bool:
        where, rest = self.project.resolve(module, chain_of(node.func))
        return where == "functools" and rest == ("?", "partial")

    def partial(self, module: str, part: Part) -> dict[str, Piece]:
        """The pieces of a partial, by name, as far as they can be told."""
        node = part.node
        assert isinstance(node, ast.Call)
        found: dict[str, Piece] = {}
        function = node.args[0] if node.args else None
        if isinstance(function, ast.Name):
            target = self.target(module, function.id)
            if target is not None:
                found[f"{part.label}.func"] = Piece("global", f"{part.label}.func", target.digest, "", target.text)
        arguments = ast.Tuple([*node.args[1:]], ast.Load())
        names: list[ast.expr | None] = [ast.Constant(k.arg) if k.arg else None for k in node.keywords]
        keywords = ast.Dict(names, [k.value for k in node.keywords])
        for name, each in (("args", arguments), ("keywords", keywords)):
            made = self._value_piece(f"{part.label}.{name}", module, each)
            if made is not None:
                found[made.name] = made
        return found

    def piece(self, part: Part, module: str) -> Piece | None:
        """The piece of a value as the file has it now; None if that cannot be told without running it."""
        return None if part.node is None else self._value_piece(part.label, module, part.node)

    def _value_piece(self, label: str, module: str, node: ast.expr) -> Piece | None:
        try:
            value = self.evaluated(module, node)
            return value_piece(label, self.digester.digest(value, References(by_parts=True)), value)
        except (NotConstant, UndigestableError):
            return None

    def constant(self, label: str, module: str, value: str) -> Piece | None:
        """The piece of a text that stands under a label."""
        return self._value_piece(label, module, ast.Constant(value))

    def target(self, module: str, name: str) -> Piece | None:
        """What a name is bound to, if that has a name of its own: a function, a class, a module."""
        label = f"{module}.{name}"
        where, rest = self.project.resolve(module, (name,))
        if not rest:
            return bound_piece(label, where)
        if rest[0] == "?":
            return bound_piece(label, where) if len(rest) == 1 else None
        outline = self.project.outline(where)
        node = outline.definition(rest[0]) if outline is not None and len(rest) == 1 else None
        if isinstance(node, DEFS):
            return bound_piece(label, f"cached {where}:{rest[0]}" if node.decorator_list else f"{where}:{rest[0]}")
        if node is None and outline is not None and len(rest) == 1:
            units = outline.bound.get(rest[0], [])
            value = _assigned(units[0].node, rest[0]) if len(units) == 1 else None
            if isinstance(value, ast.Name) and value.id != rest[0] and not self.project.changes((where, rest[0])):
                found = self.target(where, value.id)  # another name for it
                return found and Piece(found.cue, label, found.digest, "", found.text)
        return bound_piece(label, f"{where}:{rest[0]}") if isinstance(node, ast.ClassDef) else None


def _is_postponed(outline: Outline) -> bool:
    """Whether annotations are texts in a module."""
    future = outline.bound.get("annotations", [])
    return bool(future) and future[0].imports.get("annotations", ("",))[0] == "__future__"


def _part_of(texts: set[str], label: str, node: ast.expr | None) -> Part:
    return Part(digest_bytes("\0".join(sorted(texts)).encode("utf-8", "surrogatepass")), label, node, texts)


def home_of(text: str) -> str:
    """The module in whose file one of the texts of a part stands; empty if that is the name's own."""
    first = text.partition("\n")[0]
    return first.removeprefix("# ") if first[:2] == "# " else ""


def is_fresh_each_time(part: Part) -> bool:
    """Whether the value is another one each time that it is made."""
    return not _FRESH.isdisjoint(part.outside)


def _assigned(node: ast.AST, name: str) -> ast.expr | None:
    """The expression that a statement binds a name to, if that is all it does with it."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
        return node.value
    if not isinstance(node, ast.Assign):
        return None
    for target in node.targets:
        if isinstance(target, ast.Name) and target.id == name:
            return node.value
        if isinstance(target, (ast.Tuple, ast.List)) and isinstance(node.value, (ast.Tuple, ast.List)):
            pairs = zip(target.elts, node.value.elts, strict=False)
            for each, value in pairs:
                if isinstance(each, ast.Name) and each.id == name and len(target.elts) == len(node.value.elts):
                    return value
    return None
