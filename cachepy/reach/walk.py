"""The walk from a function over all the code and globals it reaches (design 3.5).

`Walk` numbers each function and class of user code in the order in which it is met and writes
down, line by line, what each name is bound to; the digest of the lines says which code is reached
*and* under which names.  It goes by what travels with a function (code objects, globals,
closures), never by source text, so it is the same on every worker.

It is longer than its neighbours because describing an object and visiting it call each other: one walk, one file.

Imports digest, facts, guard, hints, imports, kinds, modules, notes, pieces.  `code` drives it.
"""

from __future__ import annotations

import gc
import sys
from _collections import deque  # type: ignore[import-not-found]  # loaded already, and collections is not
from _contextvars import ContextVar
from _functools import _lru_cache_wrapper, partial  # type: ignore[import-not-found]  # likewise

from cachepy.digest import Digester, Found, name_of
from cachepy.errors import UndigestableError
from cachepy.reach.facts import CodeFacts
from cachepy.reach.guard import MISSING, Guard
from cachepy.reach.imports import visit_imports
from cachepy.reach.kinds import FUNCTION, IMMUTABLE, METHOD, MODULE, is_harmless, is_immutable, members_of
from cachepy.reach.notes import annotations_of, bind_annotated, notes_of
from cachepy.reach.pieces import Piece, bound_piece, code_piece, defaults_of, value_piece
from cachepy.values.modules import PACKAGE, STDLIB, USER, canonical, home_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Chains = Iterable[tuple[str, ...]]

CELL_EMPTY = "empty"
ANY: Chains = ((),)
_DYNAMIC = frozenset({"globals", "eval", "exec", "vars"})
_WRAPPERS = frozenset({"__wrapped__", "__cachepy__"})
_QUESTIONS = frozenset({"key", "is_cached", "explain", "clear"})


def _is_plain(obj: Any) -> bool:
    """Code, constants and containers, as a decorator of a library keeps them."""
    kinds = (type, FUNCTION, METHOD, list, tuple, dict, set, frozenset)
    is_known = type(obj) in IMMUTABLE or type(obj) in _DESCRIPTIONS or _of_functools(type(obj)) is not None
    return is_known or isinstance(obj, kinds)


class Walk:
    """One walk; afterwards `lines`, `pieces`, `opaque` and `guard` describe what was reached."""

    def __init__(
        self,
        digester: Digester,
        boundary: Callable[[Walk, Any], str | None],
        known_code: Callable[[Any], tuple[str, CodeFacts]],
        ignore: frozenset[str],
    ) -> None:
        self.digester = digester
        self.known_code = known_code
        self.origins = digester.origins
        self.boundary = boundary
        self.ignore = ignore
        self.lines: list[str] = []
        self.pieces: list[Piece] = []
        self.opaque: list[str] = []
        self.guard = Guard(self._digest_with_code)
        self._numbers: dict[int, int] = {}
        self._queue: deque[Any] = deque()

    def run(self, root: Any) -> None:
        """Visit everything that the root reaches, breadth first: long chains do not recurse."""
        self.number(root)
        while self._queue:
            obj = self._queue.popleft()
            self.lines.append(f"#{self._numbers[id(obj)]}")
            if isinstance(obj, MODULE):
                self._visit_module(obj)
            elif isinstance(obj, type):
                self._visit_class(obj)
            else:
                self._visit_function(obj)

    def number(self, obj: Any) -> str:
        """The number of a function, class or module, which is visited later if it is new."""
        if id(obj) not in self._numbers:
            self._numbers[id(obj)] = len(self._numbers)
            self._queue.append(obj)
        return f"#{self._numbers[id(obj)]}"

    def package(self, module: str) -> str:
        top = module.partition(".")[0]
        version = self.origins.version(top)
        self.pieces.append(Piece("package", top, version, ""))
        return f"package {top} {version}"

    def bind(self, label: str, obj: Any, chains: Chains = ANY) -> None:
        """Write down what a name is bound to."""
        if label.rpartition(".")[2] not in self.ignore and label not in self.ignore:
            self.lines.append(f"{label.rpartition(':')[2]}={self.describe(label, obj, chains)}")

    # -- descriptions: one text for each kind of object

    def describe(self, label: str, obj: Any, chains: Chains = ANY) -> str:
        """What an object is, in a text that is equal exactly if it does the same."""
        known = self.boundary(self, obj)
        if known is not None:
            self.pieces.append(bound_piece(label, known))
            self._hung_on(label, obj, [chain for chain in chains if chain])
            return known
        if isinstance(obj, type):
            self.pieces.append(bound_piece(label, ":".join(name_of(obj))))
            return self._describe_class(obj)
        rule = _DESCRIPTIONS.get(type(obj)) or _of_functools(type(obj))
        if rule is None and issubclass(type(obj), MODULE):  # one that is loaded when it is used
            rule = Walk.describe_module
        return rule(self, label, obj, chains) if rule is not None else self.value(label, obj)

    def _describe_class(self, cls: type) -> str:
        kind = self.origins.kind(cls.__module__)
        if kind == PACKAGE:
            return f"{self.package(cls.__module__)} {cls.__qualname__}"
        return self.number(cls) if kind == USER else f"class {cls.__module__}.{cls.__qualname__}"

    def describe_function(self, label: str, fn: Any, chains: Chains) -> str:
        """A function, with what was hung on it: a table, a counter."""
        if self.origins.kind(fn.__globals__.get("__name__")) == USER:
            self._hung_on(label, fn, chains)
        self.pieces.append(bound_piece(label, f"{home_of(fn)}:{fn.__code__.co_qualname}"))
        return self.number(fn)

    def _hung_on(self, label: str, fn: Any, chains: Chains) -> None:
        """The attributes of a function that the code names, or may find."""
        questions = _QUESTIONS if "__cachepy__" in fn.__dict__ else ()
        for name, value in sorted(fn.__dict__.items()):
            tails = [chain[1:] for chain in chains if chain[:1] == (name,)]
            if name not in _WRAPPERS and name not in questions and (tails or () in chains):
                self.guard.item(fn.__dict__, name, value)
                self.bind(f"{label}.{name}", value, tails or ANY)

    def describe_context(self, label: str, variable: Any, _: Chains) -> str:
        """A context variable counts by the value it has here."""
        value = variable.get(MISSING)
        self.guard.true(lambda: variable.get(MISSING) is value)
        return "unset" if value is MISSING else f"context {self.describe(label, value)}"

    def describe_module(self, label: str, module: Any, chains: Chains) -> str:
        kind = self.origins.kind(module.__name__)
        self.pieces.append(bound_piece(label, canonical(module.__name__)))
        if kind == PACKAGE:
            return self.package(module.__name__)
        if kind == STDLIB:
            return f"stdlib {module.__name__}"
        if () in chains:
            self.number(module)
        heads = sorted({chain[0] for chain in chains if chain})
        for head in heads:
            self._attribute(module, head, [chain[1:] for chain in chains if chain and chain[0] == head])
        return f"module {canonical(module.__name__)}"

    def _attribute(self, module: Any, name: str, chains: Chains) -> None:
        scope = vars(module)
        obj = scope.get(name, MISSING)
        self.guard.item(scope, name, obj)
        label = f"{canonical(module.__name__)}.{name}"
        if obj is MISSING:
            self.lines.append(f"{label} unbound")
            if "__getattr__" in scope and name != "__getattr__":
                self._attribute(module, "__getattr__", ANY)
        else:
            self.bind(label, obj, chains)

    def _visit_module(self, module: Any) -> None:
        """A module that is passed on or looked into dynamically: all that is defined in it counts."""
        self.guard.names(vars(module))
        for name, obj in sorted(vars(module).items()):
            foreign = self.origins.kind(getattr(obj, "__module__", module.__name__)) != USER
            if name[:2] != "__" and type(obj) is not MODULE and not foreign:
                self._attribute(module, name, ANY)

    def describe_parts(self, label: str, obj: Any, names: tuple[str, ...]) -> str:
        """An object that is made of others: a method, a property, a partial."""
        parts = [self.describe(f"{label}.{name}", getattr(obj, name)) for name in names]
        return f"{type(obj).__name__}({', '.join(parts)})"

    def describe_builtin(self, label: str, obj: Any, _: Chains) -> str:
        module = getattr(obj, "__module__", None) or "builtins"
        if self.origins.kind(module) == PACKAGE:
            self.package(module)
        self.pieces.append(bound_piece(label, f"{module}.{obj.__qualname__}"))
        return f"builtin {module}.{obj.__qualname__}"

    def value(self, label: str, obj: Any) -> str:
        """A global by its value; code that the value refers to is visited too."""
        if type(obj).__name__ == "_Environ":
            return "environ"
        found = Found()
        try:
            digest = self.digester.digest(obj, found)
        except UndigestableError:
            return self._opaque(label, obj)
        self.pieces.append(value_piece(label, digest, obj))
        if not is_immutable(obj):
            self.guard.value(obj, (digest, tuple(map(id, found.code))))
        packages = [self.package(name) for name in sorted(found.packages)]
        return " ".join([digest, *packages, *map(self.number, found.code)])

    def _digest_with_code(self, obj: Any) -> tuple[str, tuple[int, ...]]:
        """A value's digest names stable code only by its name: which object it is has to be told."""
        found = Found()
        return self.digester.digest(obj, found), tuple(map(id, found.code))

    def _opaque(self, label: str, obj: Any) -> str:
        cls = type(obj)
        if not is_harmless(cls) and label.rpartition(".")[2][:1] != "_":
            self.opaque.append(label)
        inside = [r for r in gc.get_referents(obj) if isinstance(r, (FUNCTION, METHOD, type)) and r is not cls]
        code = [self.describe(label, each) for each in inside]
        return f"opaque {cls.__module__}.{cls.__qualname__} {' '.join(code)}"

    # -- visits: once for each function and class

    def _visit_function(self, fn: Any) -> None:
        home = fn.__globals__.get("__name__")
        kind = self.origins.kind(home)
        self.guard.function(fn)
        label = f"{home_of(fn)}:{fn.__code__.co_qualname}"
        digest, facts = self.known_code(fn.__code__)
        if kind != USER:
            self.lines.append(self.package(home) if kind == PACKAGE else f"stdlib {label}")
            self._cells(fn, label, facts, skip={*facts.stored_cells, "__class__"})
            return
        self._own_code(fn, label, digest)
        for name, default in defaults_of(fn):
            self.bind(f"{label}.default {name}", default)
        for name, default in sorted((fn.__kwdefaults__ or {}).items()):
            self.bind(f"{label}.default {name}", default)
        self._cells(fn, label, facts)
        self._globals(fn, facts)
        visit_imports(self, fn, facts)

    def _own_code(self, fn: Any, label: str, digest: str) -> None:
        code = fn.__code__
        annotations = annotations_of(fn)
        notes = [f"{name}: {note}" for name, note in sorted(notes_of(fn, annotations))]
        where = f"{code.co_filename}:{code.co_firstlineno}"
        self.pieces.append(code_piece(label, digest, where, notes))
        self.lines += [f"code {digest}", *notes]
        bind_annotated(self, label, annotations)
        if "__wrapped__" in fn.__dict__:
            self.bind(f"{label}.__wrapped__", fn.__dict__["__wrapped__"])

    def _cells(self, fn: Any, label: str, facts: CodeFacts, skip: Iterable[str] = ()) -> None:
        """What a closure holds; of a library's closure (with `skip`) only code and constants, not its caches."""
        for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
            if name in skip or name in self.ignore:
                continue
            try:
                content = cell.cell_contents
            except ValueError:
                self.lines.append(f"{name} {CELL_EMPTY}")
                continue
            if skip and not _is_plain(content):
                continue
            self.guard.cell(cell, content)
            self.bind(f"{label}.{name}", content, facts.cell_chains.get(name, ANY))

    def _globals(self, fn: Any, facts: CodeFacts) -> None:
        scope = fn.__globals__
        home = home_of(fn)
        for name in facts.names:
            if name in self.ignore:
                continue
            obj = scope.get(name, MISSING)
            self.guard.item(scope, name, obj)
            if obj is not MISSING:
                self.bind(f"{home}.{name}", obj, sorted(facts.global_chains[name]))
            elif name in _DYNAMIC:
                module = sys.modules.get(scope.get("__name__", ""))
                self.lines.append(f"dynamic {name}")
                if module is not None:
                    self.number(module)
            else:
                self._builtin(home, name)

    def _builtin(self, home: str, name: str) -> None:
        """A name that is no global: a builtin as it should be, one that somebody put there, or nothing."""
        obj = _BUILTINS.get(name, MISSING)
        self.guard.item(_BUILTINS, name, obj)
        if obj is MISSING:
            self.lines.append(f"{home}.{name} unbound")
        elif name not in _STANDARD:
            self.bind(f"builtins.{name}", obj)

    def _visit_class(self, cls: type) -> None:
        annotations = annotations_of(cls)  # may leave them in the class: before the guard looks at it
        self.guard.cls(cls)
        label = ":".join(name_of(cls))
        members = members_of(cls)
        notes = [f"{name}: {note}" for name, note in notes_of(cls, annotations)]  # dataclasses go by their order
        self.pieces.append(code_piece(label, "class", "", [*sorted(members), *notes]))
        self.lines.append(f"class {label}")
        for i, base in enumerate(cls.__bases__):
            self.bind(f"{label}.base {i}", base)
        if type(cls) is not type:
            self.bind(f"{label}.metaclass", type(cls))
        self.lines += notes
        bind_annotated(self, label, annotations)
        bind_annotated(self, label, {t.__name__: t for t in vars(cls).get("__type_params__", ())})  # class C[T]
        for name, obj in sorted(members.items()):
            self.bind(f"{label}.{name}", obj)
        for name, field in vars(cls).get("__dataclass_fields__", {}).items():
            if field.metadata:
                self.bind(f"{label}.{name}.metadata", dict(field.metadata))


def _of_functools(cls: type) -> Callable[[Walk, str, Any, Chains], str] | None:
    """For what is written in Python there: whoever has such an object has imported the module."""
    rule = _FUNCTOOLS.get(cls.__name__) if cls.__module__ == "functools" else None
    return rule if getattr(sys.modules.get("functools"), cls.__name__, None) is cls else None


def _parts(*names: str) -> Callable[[Walk, str, Any, Chains], str]:
    return lambda walk, label, obj, _: walk.describe_parts(label, obj, names)


_FUNCTOOLS = {
    "cached_property": _parts("func"),
    "partialmethod": _parts("func", "args", "keywords"),
    "singledispatchmethod": _parts("dispatcher"),  # from Python 3.13 on it also keeps what it was called for
}
_BUILTINS = vars(sys.modules["builtins"])
_STANDARD = frozenset(_BUILTINS)  # before the user could put anything there
_DESCRIPTIONS: dict[type, Callable[[Walk, str, Any, Chains], str]] = {
    FUNCTION: Walk.describe_function,
    MODULE: Walk.describe_module,
    ContextVar: Walk.describe_context,
    METHOD: _parts("__func__", "__self__"),
    staticmethod: _parts("__func__"),
    classmethod: _parts("__func__"),
    property: _parts("fget", "fset", "fdel"),
    partial: _parts("func", "args", "keywords"),
    _lru_cache_wrapper: _parts("__wrapped__"),
    type(len): Walk.describe_builtin,
    type(str.join): Walk.describe_builtin,
    type(object.__init__): Walk.describe_builtin,
    type(vars(FUNCTION)["__closure__"]): lambda _, label, obj, __: f"slot {obj.__name__}",
    type(vars(FUNCTION)["__code__"]): lambda _, label, obj, __: f"slot {obj.__name__}",
}
