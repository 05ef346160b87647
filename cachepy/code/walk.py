"""The walk from a function over all the code and globals it reaches (design 3.5).

`Walk` numbers each function and class of user code in the order in which it is met and writes down, line by line, what
each name is bound to; the digest of the lines says which code is reached *and* under which names.  It goes by what
travels with a function (code objects, globals, closures), never by source text, so it is the same on every worker.
It is longer than its neighbours because describing an object and visiting it call each other. `fingerprint` drives it.
"""

from __future__ import annotations

import gc
import os
import sys
from _abc import get_cache_token  # type: ignore[import-not-found]  # loaded already, and abc may not be
from _collections import deque  # type: ignore[import-not-found]  # loaded already, and collections is not
from _contextvars import ContextVar
from _functools import _lru_cache_wrapper, partial  # type: ignore[import-not-found]  # likewise
from _weakref import CallableProxyType, ProxyType, ref

from cachepy.code.annotations import annotations_of, bind_annotated, notes_of
from cachepy.code.dynamic import SCOPES, Loose, visit_dynamic
from cachepy.code.guard import Guard
from cachepy.code.introspection import Asked
from cachepy.code.members import (
    FRAME_LIBRARIES,
    FUNCTION,
    IMMUTABLE,
    MODULE,
    codes_in,
    field_notes,
    is_abstract,
    is_enum,
    is_fixed,
    is_logger,
    is_notebooks,
    members_of,
    virtual_subclasses,
)
from cachepy.code.names_used import CodeFacts
from cachepy.code.pieces import Piece, bound_piece, code_piece, defaults_of, value_piece
from cachepy.code.routes import COUNTED, HIDDEN, LIBRARY, Steps
from cachepy.code.settings import Readers
from cachepy.core.revision import MISSING
from cachepy.errors import UndigestableError, raise_users
from cachepy.values.bound_methods import METHOD, Bound, Partial, info_of, ours_on
from cachepy.values.digest import Digester, References, is_cache, name_of
from cachepy.values.modules import PACKAGE, USER, home_of, lasting
from cachepy.values.references import is_exported
from cachepy.values.stand_ins import original

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from cachepy.code.walking import Chains

ANY: Chains = ((),)
CELL_EMPTY = "empty"
_FIXED = 1 << 8  # of a class on which nothing can be set
_BUILTIN = type(len)
_ENVIRON_BYTES = getattr(os, "environb", None)
_ADDS = frozenset({("append",), ("add",), ("write",), ("extend",), ("info",), ("debug",), ("warning",)})
_WRAPPERS = frozenset({"__wrapped__", "__cachepy__"})


def _is_plain(obj: Any) -> bool:
    """Code, constants and containers, as a decorator of a library keeps them."""
    kinds = (type, FUNCTION, METHOD, list, tuple, dict, set, frozenset)
    is_known = type(obj) in IMMUTABLE or type(obj) in _DESCRIPTIONS or _of_functools(type(obj)) is not None
    return is_known or isinstance(obj, kinds)


def _ids_in(found: References) -> tuple[int, ...]:
    """Which functions and classes a value refers to."""
    return *map(id, found.code), *map(id, found.cached)


class Walk:
    """One walk; afterwards `lines`, `pieces`, `opaque` and `guard` describe what was reached.

    cached: the cached functions at its border.
    """

    def __init__(
        self,
        digester: Digester,
        boundary: Callable[[Walk, Any], str | None],
        known_code: Callable[[Any], tuple[str, CodeFacts]],
        ignore: frozenset[str],
        files: tuple[Callable[[str], str | None], Callable[[str], str]],
        closed: frozenset[str] = frozenset(),
    ) -> None:
        self.digester = digester
        self.file_digest, self.loaded = files
        self.known_code = known_code
        self.origins = digester.origins
        self.boundary = boundary
        self.ignore, self.closed = ignore, closed
        self._skips = getattr(ignore, "skips", None)
        self.lines: list[str] = []
        self.pieces: list[Piece] = []
        self.codes: list[Any] = []  # the code objects of the user's functions
        self.opaque: list[tuple[str, str]] = []  # name, and the types of what in its value has no digest
        self.cached: list[Any] = []
        self.guard = Guard(self._digest_with_code)
        self.steps = Steps()
        self._numbers: dict[int, int] = {}
        self._queue: deque[Any] = deque()
        self._looked: dict[int, Any] = {}
        self.loose = Loose()
        self.asked, self.readers = Asked(), Readers()
        self._listed = 0  # of the classes: how many were asked for their subclasses

    def run(self, root: Any) -> None:
        """Visit everything that the root reaches, breadth first: long chains do not recurse."""
        self.number(root)
        self.visit_all()

    def visit_all(self) -> None:
        """Visit what was met and not visited yet."""
        while self._queue or self._lists_subclasses() or self.readers.follow(self, self.asked.asks):
            if not self._queue:
                continue
            obj = self._queue.popleft()
            self.lines.append(f"#{self._numbers[id(obj)]}")
            self.steps.visit(id(obj), getattr(obj, "__code__", None))
            if isinstance(obj, MODULE) or type(obj) is dict:
                from cachepy.code.scopes import visit_whole  # most code hands no module on

                visit_whole(self, obj)
            elif isinstance(obj, type):
                self._visit_class(obj)
            else:
                self._visit_function(obj)
        self.loose.follow(self)
        self.asked.follow(self)

    def number(self, obj: Any) -> str:
        """The number of a function, class or module, which is visited later if it is new."""
        if self._skips is not None and self._numbers and id(obj) not in self._numbers and self._skips(obj):
            return "left out"  # not what the walk begins with
        self.steps.to(id(obj))
        if id(obj) not in self._numbers:
            self._numbers[id(obj)] = len(self._numbers)
            self._queue.append(obj)
        return f"#{self._numbers[id(obj)]}"

    def is_new(self, obj: Any, most: int) -> bool:
        """Whether code of a library has not been looked at in this walk, which looks at so much and no more."""
        is_new = id(obj) not in self._looked and len(self._looked) < most
        self._looked[id(obj)] = obj
        return is_new

    def package(self, obj: Any) -> str:
        """The package of a function, class or module, with its version; nothing if it is of none."""
        name = self.origins.package(obj)
        return "" if name is None else self.package_named(name)

    def package_named(self, name: str) -> str:
        name = self.origins.package_named(name)
        self.steps.leads_out(name)
        version = self.origins.version(name)
        self.pieces.append(Piece("package", name, version, ""))
        return f"package {name} {version}"

    def file(self, label: str, path: str) -> None:
        """A file that code runs or reads, by its content."""
        digest = self.file_digest(path) or "none"
        self.pieces.append(bound_piece(label, digest))
        self.lines.append(f"{label}={digest}")
        self.guard.true(lambda: (self.file_digest(path) or "none") == digest)

    def bind(self, label: str, obj: Any, chains: Chains = ANY) -> None:
        """Write down what a name is bound to."""
        if label.rpartition(".")[2].removeprefix("default ") not in self.ignore and label not in self.ignore:
            self.lines.append(f"{label.rpartition(':')[2]}={self.describe(label, obj, chains)}")

    # -- descriptions: one text for each kind of object

    def describe(self, label: str, obj: Any, chains: Chains = ANY) -> str:
        """What an object is, in a text that is equal exactly if it does the same."""
        if type(obj) in _WEAK:
            return self.value(label, obj)
        known = self.boundary(self, obj := original(obj))
        if known is not None:
            self.pieces.append(bound_piece(label, known))
            self._hung_on(label, obj, [chain for chain in chains if chain])
            return known
        if isinstance(obj, type):
            self.pieces.append(bound_piece(label, ":".join(name_of(obj))))
            return self._describe_class(obj)
        if isinstance(obj, MODULE):
            from cachepy.code.scopes import describe_module

            return describe_module(self, label, obj, chains)
        rule = _DESCRIPTIONS.get(type(obj)) or _of_functools(type(obj))
        return rule(self, label, obj, chains) if rule is not None else self.value(label, obj)

    def _describe_class(self, cls: type) -> str:
        kind = self.origins.of_class(cls)
        if kind == USER:
            return self.number(cls)
        self.steps.leads_out(cls.__module__)
        self.readers.note(cls.__module__, cls.__name__)
        self._in_class(cls)
        known = f"{self.package(cls) if kind == PACKAGE else 'class'} {lasting(cls.__module__)}.{cls.__qualname__}"
        return f"{known}{self.registered(cls)}"

    def _in_class(self, cls: type) -> None:
        """What was set on a class of others; on those that are written in C nothing can be."""
        if not cls.__flags__ & _FIXED and self.origins.of_class(cls) != USER:
            from cachepy.code.patches import in_class

            in_class(self, cls)

    def registered(self, cls: type) -> str:
        """The user's classes that count as subclasses of an abstract one, by name."""
        if not is_abstract(cls):
            return ""
        age, found = get_cache_token(), virtual_subclasses(cls)  # it grows older whenever a class is registered
        self.guard.true(lambda: get_cache_token() == age or virtual_subclasses(cls) == found)
        is_own = self.origins.of_class(cls) == USER
        own = [":".join(name_of(each)) for each in found if is_own or self.origins.of_class(each) == USER]
        return f" registered {own}" if own else ""

    def describe_function(self, label: str, fn: Any, chains: Chains) -> str:
        """A function, with what was hung on it: a table, a counter."""
        if self.origins.of_function(fn) == USER:
            self._hung_on(label, fn, chains)
        else:
            self.readers.note(fn.__module__, fn.__name__)
        self.pieces.append(bound_piece(label, f"{home_of(fn)}:{fn.__code__.co_qualname}"))
        return self.number(fn)

    def _hung_on(self, label: str, fn: Any, chains: Chains) -> None:
        """The attributes of a function that the code names, or may find."""
        ours = ours_on(fn)
        for name, value in sorted(fn.__dict__.items()):
            tails = [chain[1:] for chain in chains if chain[:1] == (name,)]
            if name not in _WRAPPERS and name not in ours and (tails or () in chains):
                self.guard.item(fn.__dict__, name, value)
                self.bind(f"{label}.{name}", value, tails or ANY)

    def describe_context(self, label: str, variable: Any, _: Chains) -> str:
        """A context variable counts by the value it has here, and by the one it has where nobody has set it."""
        from cachepy.values.unpicklable import UNSET, default_of

        value, default = variable.get(MISSING), default_of(variable)
        self.guard.true(lambda: variable.get(MISSING) is value)
        here = self.describe(label, value) if value is not MISSING and value is not default else ""
        return f"context {here} default {'' if default is UNSET else self.describe(label, default)}"

    def describe_code(self, label: str, code: Any, _: Chains) -> str:
        """A code object; its names mean what they mean where it is run."""
        self.pieces.append(bound_piece(label, self.known_code(code)[0]))
        return f"code {self.known_code(code)[0]}"

    def describe_memo(self, label: str, cached: Any, _: Chains) -> str:
        limits = cached.cache_parameters() if hasattr(cached, "cache_parameters") else None
        return f"memo {limits} {self._behind_memo(label, cached, '__wrapped__', COUNTED, info_of(cached))}"

    def describe_lazy(self, label: str, lazy: Any, _: Chains) -> str:
        """A cached property: what it calls may have been called for an earlier body."""
        return self._behind_memo(label, lazy, "func", HIDDEN)

    def _behind_memo(self, label: str, memo: Any, name: str, kind: str, count: Any = None) -> str:
        """What calls a function once and remembers; `count` tells whether it gave what it remembered."""
        before = self.steps.enter(id(memo), kind, count)
        text = self.describe_parts(label, memo, (name,))
        self.steps.at = before
        return text

    def describe_parts(self, label: str, obj: Any, names: tuple[str, ...]) -> str:
        """An object that is made of others: a method, a property, a partial."""
        parts = [self.describe(f"{label}.{name}", getattr(obj, name)) for name in names]
        return f"{type(obj).__name__}({', '.join(parts)})"

    def describe_partial(self, label: str, part: Any, chains: Chains) -> str:
        text = self.describe_parts(label, part, ("func", "args", "keywords"))
        self._hung_on(label, part, [chain for chain in chains if chain])
        return text

    def describe_method(self, label: str, method: Any, _: Chains) -> str:
        names = ("__func__",) if is_exported(method, self.origins) else ("__func__", "__self__")
        return self.describe_parts(label, method, names)

    def describe_builtin(self, label: str, obj: Any, _: Chains) -> str:
        module = getattr(obj, "__module__", None) or "builtins"
        self.readers.note(module, obj.__name__)
        self.steps.leads_out("subprocess" if obj.__name__ == "fork" else module)
        self.pieces.append(bound_piece(label, f"{module}.{obj.__qualname__}"))
        compiled, package = self._compiled(obj), self._package_by_name(module)
        return f"builtin {module}.{obj.__qualname__}{compiled}{package}{self._bound_to(label, obj)}"

    def _bound_to(self, label: str, obj: Any) -> str:
        """The object whose method it is: ``[1, 2].copy``, ``pattern.findall``."""
        home = getattr(obj, "__self__", None)
        is_bound = home is not None and not isinstance(home, MODULE) and not is_exported(obj, self.origins)
        return f" of {self.describe(f'{label}.__self__', home)}" if is_bound else ""

    def _compiled(self, obj: Any) -> str:
        from cachepy.code.extensions import extension_of

        return extension_of(self, obj)

    def _package_by_name(self, module: str) -> str:
        loaded = sys.modules.get(module)
        return self.package(loaded) if isinstance(loaded, MODULE) else ""

    def value(self, label: str, obj: Any) -> str:
        """A global by its value; code that the value refers to is visited too."""
        if obj is os.environ or obj is _ENVIRON_BYTES or obj is sys.modules:
            return "of the process"
        if "ctypes" in sys.modules:
            from cachepy.code.extensions import library

            loaded = library(self, obj)
            if loaded is not None:
                self.pieces.append(bound_piece(label, loaded))
                return loaded
        found = References(by_parts=True)
        try:
            digest = self.digester.digest(obj, found)
        except UndigestableError as error:
            raise_users(error)
            return self._opaque(label, obj)
        if found.unseen:
            self._note(label, found.unseen)
        self.pieces.append(value_piece(label, digest, obj))
        self.cached += found.cached
        self.codes += codes_in(found.nameless)
        self.loose.nameless += found.nameless
        before = self.steps.found(obj, found)
        if not is_fixed(obj):
            self._watch(obj, (digest, _ids_in(found)), found)
        packages = [self.package_named(name) for name in sorted(found.packages)]
        packages += [self._compiled(obj)] if callable(obj) else []
        numbers = list(map(self.number, found.code))
        self._inside(label, obj, found)
        self.steps.at = before
        return " ".join([digest, *packages, *numbers])

    def _watch(self, obj: Any, known: tuple[str, tuple[int, ...]], found: References) -> None:
        """Have a value looked at again; one that had to be taken apart at once by its parts."""
        if not found.parted:
            self.guard.value(obj, known)
            return

        def is_same() -> bool:
            again = References(by_parts=True)
            return (self.digester.digest_of_parts(obj, again), _ids_in(again)) == known

        self.guard.true(is_same)

    def _inside(self, label: str, obj: Any, found: References) -> None:
        """What a value brings along that its digest does not show."""
        cls = type(obj)
        if cls.__dictoffset__ and self.origins.of_class(cls) == USER:  # others make it when somebody looks
            self.asked.instances.append(obj)
        if is_logger(cls):
            self.readers.loggers[obj.name] = obj
        self._in_class(cls)
        for each in found.code:
            if type(each) is FUNCTION and self.origins.of_function(each) == USER:
                self._hung_on(f"{label}:{each.__qualname__}", each, ANY)

    def _digest_with_code(self, obj: Any) -> tuple[str, tuple[int, ...]]:
        """A value's digest names stable code only by its name: which object it is has to be told."""
        found = References(by_parts=True)
        return self.digester.digest(obj, found), _ids_in(found)

    def _opaque(self, label: str, obj: Any) -> str:
        """What has no digest even by its parts: its class counts, and the code that it holds."""
        cls = type(obj)
        self.steps.hidden(obj)
        self._note(label, [f"{cls.__module__}.{cls.__qualname__}"])
        inside = [r for r in gc.get_referents(obj) if isinstance(r, (FUNCTION, METHOD, type)) and r is not cls]
        code = [self.describe(label, each) for each in (cls, *inside)]
        return f"opaque {' '.join(code)}"

    def _note(self, label: str, types: list[str]) -> None:
        self.opaque.append((label, ", ".join(sorted({*types}))))

    # -- visits: once for each function and class

    def _visit_function(self, fn: Any) -> None:
        kind = self.origins.of_function(fn)
        self.guard.function(fn)
        label = f"{home_of(fn)}:{fn.__code__.co_qualname}"
        digest, facts = self.known_code(original(fn.__code__))
        if kind != USER:
            self.lines.append(self.package(fn) if kind == PACKAGE else f"stdlib {label}")
            self.steps.leads_out(home_of(fn))
            if kind == PACKAGE:
                self.steps.remembers(LIBRARY)
            self._cells(fn, label, facts, skip={*facts.stored_cells, "__class__"})
            return
        if label in self.closed:
            from cachepy.code.closed import visit_closed  # few ask for that

            visit_closed(self, fn, label)
            return
        self.asked.asks |= facts.asks
        self.asked.functions.append(fn)
        self._own_code(fn, label, digest)
        for name, default in (*defaults_of(fn), *sorted((fn.__kwdefaults__ or {}).items())):
            self.bind(f"{label}.default {name}", default)
        self._cells(fn, label, facts)
        self._globals(fn, facts)
        if facts.imports:
            from cachepy.code.imports import visit_imports

            visit_imports(self, fn, facts)
        visit_dynamic(self, fn, facts)
        self.steps.use(fn, facts, self.origins)
        if facts.attributes and any(name in sys.modules for name in FRAME_LIBRARIES):
            from cachepy.code.patches import named_patches

            named_patches(self, facts.attributes)

    def _own_code(self, fn: Any, label: str, digest: str) -> None:
        self.codes.append(code := fn.__code__)
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
            if name in skip:
                continue
            try:
                content = cell.cell_contents
            except ValueError:
                content = MISSING
            if name in self.ignore:
                self._ignored(content, facts.cell_chains.get(name, ANY))
                continue
            if content is MISSING:
                self.lines.append(f"{name} {CELL_EMPTY}")
                continue
            if skip and (not _is_plain(content) or is_cache(name)):
                continue
            self.guard.cell(cell, content)
            self.bind(f"{label}.{name}", content, facts.cell_chains.get(name, ANY))

    def _globals(self, fn: Any, facts: CodeFacts) -> None:
        scope = fn.__globals__
        home = home_of(fn)
        for name in facts.names:
            obj = scope.get(name, MISSING)
            if name in self.ignore:
                self._ignored(obj, facts.global_chains[name])
                continue
            self.guard.item(scope, name, obj)
            if obj is not MISSING and not is_notebooks(name, obj):
                self.bind(f"{home}.{name}", obj, sorted(facts.global_chains[name]))
            elif name in SCOPES:
                self.lines.append(f"dynamic {name}")
                self.number(scope)
            else:
                self._builtin(home, name)
        for name in facts.implied:
            self.guard.item(_BUILTINS, name, _BUILTINS[name])
            if self._is_replaced(_BUILTINS[name]):
                self.bind(f"builtins.{name}", _BUILTINS[name])

    def _ignored(self, obj: Any, chains: Chains) -> None:
        """What does not count may be where results are kept, unless it is only written to."""
        is_code = isinstance(obj, (type, FUNCTION, MODULE))
        if obj is None or not (is_code or obj is MISSING or type(obj) in IMMUTABLE or _ADDS.issuperset(chains)):
            self.steps.hidden(obj)
            if self.origins.of(obj) == USER:
                self.steps.aside.append(type(obj))

    def _builtin(self, home: str, name: str) -> None:
        """A name that is no global: a builtin as it should be, one that somebody put there, or nothing."""
        obj = _BUILTINS.get(name, MISSING)
        self.guard.item(_BUILTINS, name, obj)
        if obj is MISSING:
            self.lines.append(f"{home}.{name} unbound")
        elif name not in _STANDARD or self._is_replaced(obj):
            self.bind(f"builtins.{name}", obj)

    def _is_replaced(self, builtin: Any) -> bool:
        """Whether somebody put code of the user's in the place of a builtin."""
        if type(builtin) is _BUILTIN or (isinstance(builtin, type) and builtin.__module__ == "builtins"):
            return False
        from cachepy.code.patches import is_users

        return is_users(self, builtin)

    def _visit_class(self, cls: type) -> None:
        annotations = annotations_of(cls)  # may leave them in the class: before the guard looks at it
        self.guard.cls(cls)
        self.asked.classes.append(cls)
        label = ":".join(name_of(cls))
        members = members_of(cls)
        notes = [f"{name}: {note}" for name, note in notes_of(cls, annotations)]  # dataclasses go by their order
        self.pieces.append(code_piece(label, "class", "", [*sorted(members), *notes]))
        self.lines.append(f"class {label}{self._compiled(cls)}")
        import copyreg  # most programs reach no class

        reducer = copyreg.dispatch_table.get(cls, MISSING)
        self.guard.item(copyreg.dispatch_table, cls, reducer)
        if reducer is not MISSING:
            self.bind(f"{label}.copyreg", reducer)
        for i, base in enumerate(cls.__bases__):
            self.bind(f"{label}.base {i}", base)
        if original(type(cls)) is not type:
            self.bind(f"{label}.metaclass", type(cls))
        self.lines += notes
        bind_annotated(self, label, annotations)
        bind_annotated(self, label, {t.__name__: t for t in vars(cls).get("__type_params__", ())})  # class C[T]
        for name, obj in sorted(members.items()):
            self.bind(f"{label}.{name}", obj)
        if is_enum(cls):
            for member in cls.__members__.values():  # type: ignore[attr-defined]  # of an enum
                self.guard.values(getattr(member, "__dict__", {}))
        self.lines.append(f"registered{self.registered(cls)}")
        if "__orig_bases__" in vars(cls):
            self.bind(f"{label}.__orig_bases__", vars(cls)["__orig_bases__"])
        self._fields(cls, label)

    def _fields(self, cls: type, label: str) -> None:
        """What a dataclass says in its decorator and of its fields."""
        if "__dataclass_params__" in vars(cls):
            self.lines.append(str(vars(cls)["__dataclass_params__"]))
        for name, field in vars(cls).get("__dataclass_fields__", {}).items():
            self.lines.append(f"field {name} {field_notes(field)}")
            if type(field.default_factory).__name__ != "_MISSING_TYPE":
                self.bind(f"{label}.{name}.default_factory", field.default_factory)
            if field.metadata:
                self.bind(f"{label}.{name}.metadata", dict(field.metadata))

    def _lists_subclasses(self) -> bool:
        """Where code asks a class for its subclasses, these count; whether there are new ones to visit."""
        if "__subclasses__" not in self.asked.asks:
            return False
        for cls in self.asked.classes[self._listed :]:
            self._listed += 1
            direct: list[type] = type.__subclasses__(cls)
            found = [sub for sub in direct if self.origins.of_class(sub) == USER]
            self.guard.true(_same_subclasses(cls))
            self.lines.append(f"subclasses of {':'.join(name_of(cls))}")
            for i, below in enumerate(found):
                self.bind(f"{':'.join(name_of(cls))}.subclass {i}", below)
        return bool(self._queue)


def _same_subclasses(cls: type) -> Callable[[], bool]:
    ids = tuple(map(id, type.__subclasses__(cls)))
    return lambda: tuple(map(id, type.__subclasses__(cls))) == ids


def _of_functools(cls: type) -> Callable[[Walk, str, Any, Chains], str] | None:
    """For what is written in Python there: whoever has such an object has imported the module."""
    rule = _FUNCTOOLS.get(cls.__name__) if cls.__module__ in _MADE_THERE else None
    if cls.__name__ == "with_caller" and any(base.__module__ == "cachepy.calls.context" for base in cls.__mro__):
        return _CARRIED
    return rule if getattr(sys.modules.get(cls.__module__), cls.__name__, None) is cls else None


def _parts(*names: str) -> Callable[[Walk, str, Any, Chains], str]:
    return lambda walk, label, obj, _: walk.describe_parts(label, obj, names)


_CARRIED = _parts("fn")
_MADE_THERE = frozenset({"enum", "functools", "types"})
_FUNCTOOLS = {
    "DynamicClassAttribute": _parts("fget", "fset", "fdel"),
    "property": _parts("fget", "fset", "fdel"),  # that of enum
    "cached_property": Walk.describe_lazy,
    "partialmethod": _parts("func", "args", "keywords"),
    "singledispatchmethod": _parts("dispatcher"),  # from Python 3.13 on it also keeps what it was called for
}
_BUILTINS = vars(sys.modules["builtins"])
_WEAK = frozenset({ref, ProxyType, CallableProxyType})
_STANDARD = frozenset(_BUILTINS)  # before the user could put anything there
_DESCRIPTIONS: dict[type, Callable[[Walk, str, Any, Chains], str]] = {
    FUNCTION: Walk.describe_function,
    ContextVar: Walk.describe_context,
    METHOD: Walk.describe_method,
    Bound: Walk.describe_method,
    staticmethod: _parts("__func__"), classmethod: _parts("__func__"),
    property: _parts("fget", "fset", "fdel"),
    partial: Walk.describe_partial,
    Partial: Walk.describe_partial,
    _lru_cache_wrapper: Walk.describe_memo,
    type(_parts.__code__): Walk.describe_code,
    **dict.fromkeys(map(type, (len, str.join, vars(dict)["fromkeys"], object.__init__)), Walk.describe_builtin),
    type(vars(FUNCTION)["__closure__"]): lambda _, label, obj, __: f"slot {obj.__name__}",
    type(vars(FUNCTION)["__code__"]): lambda _, label, obj, __: f"slot {obj.__name__}",
}
