"""The digest of a function: its code, all user code it reaches, and the globals that code reads.

`CodeReader` remembers each digest together with a guard, so that a warm call does not walk code
again.  A cached function is a boundary: its caller's code counts only which function it is.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from _weakref import ref

from cachepy.code.bytecode import code_bytes
from cachepy.code.members import FUNCTION, with_inner
from cachepy.code.names_used import CodeFacts, scan
from cachepy.code.pieces import Piece
from cachepy.code.walk import Walk
from cachepy.core.model import Record
from cachepy.core.revision import MISSING
from cachepy.values.bound_methods import Method
from cachepy.values.digest import Digester, digest_bytes, name_of
from cachepy.values.modules import MAIN, PYTHON, Origins, find, module_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType
    from typing import Any

    from cachepy.code.extensions import Loaded
    from cachepy.code.routes import Routes
    from cachepy.code.unseen_names import Use

IN_TEXT = "@text"  # behind the name of code that is found in its source file, whatever its name leads to
UNBOUND = "unbound"  # the digest of a declared variable that is not there
_REMEMBER = 4096  # digests of functions and classes of modules
_LOCAL = 1  # of local functions and lambdas: a guard keeps alive all that they close over
ModuleType = type(sys)
_CODE = type((lambda: None).__code__)


class Target:
    """What a digest is asked for: a function and what its decorator declares.

    ``declared`` are (name, text) pairs that count as they are; ``depends_on_vars`` are names of
    globals (or ``module.name``) whose values count although the code may not name them; ``values`` are
    values that count, by the names that they were given.
    """

    __slots__ = (
        "closed", "declared", "depends_on_vars", "fn", "identity", "ignore_globals", "module", "qualname", "reach",
        "values",
    )  # fmt: skip

    def __init__(
        self,
        fn: Any,
        ignore_globals: frozenset[str] = frozenset(),
        depends_on_vars: tuple[str, ...] = (),
        declared: tuple[tuple[str, str], ...] = (),
        name: tuple[str, str] | None = None,
        values: dict[str, Any] | None = None,
    ) -> None:
        self.fn = fn
        self.values = values or {}
        module, _, qualname = identity_of(fn).partition(":")
        self.module, self.qualname = name or (module, qualname)
        self.reach: tuple[CodeReader, CodeFingerprint] | None = None  # remembered here, to go with the function
        self.closed: Any = None  # likewise, of what is known of functions that did not run (see `closed_reach`)
        if name is None and "<lambda>" in self.qualname and hasattr(fn, "__code__"):
            # two lambdas on one line are two functions
            self.qualname += "#" + digest_bytes(code_bytes(fn.__code__))[:8]
        self.identity = f"{self.module}:{self.qualname}"
        self.ignore_globals = ignore_globals
        self.depends_on_vars = depends_on_vars
        self.declared = declared


class CodeFingerprint(Record, quick=True):
    """The digest of all that code reaches, its pieces, and a check that it is still so.

    cached: the cached functions at its border, whose code is not in the digest; routes: on which ways they are reached;
    codes: the code objects of the user's functions that are in it; variables: of the environment, read by name;
    functions: those of the user's that are in it, with their globals; ignore: names of globals that do not count.
    """

    __slots__ = (
        "digest", "pieces", "opaque", "guard", "cached", "routes", "codes", "variables", "functions", "ignore",
        "_inside", "_uses",
    )  # fmt: skip
    digest: str
    pieces: tuple[Piece, ...]
    opaque: tuple[tuple[str, str], ...]
    guard: Callable[[], bool]
    cached: tuple[Target, ...]
    routes: Routes
    codes: tuple[CodeType, ...]
    variables: frozenset[str]
    functions: tuple[Any, ...]
    ignore: frozenset[str]
    if TYPE_CHECKING:
        _inside: frozenset[int] | None = None
        _uses: frozenset[Use] | None = None
    else:

        def __init__(
            self, digest: str, pieces: tuple[Piece, ...], opaque: Any, guard: Any,
            cached: tuple[Target, ...], routes: Routes, codes: tuple[CodeType, ...],
            variables: frozenset[str], functions: tuple[Any, ...], ignore: frozenset[str],
        ) -> None:
            self.digest = digest
            self.pieces = pieces
            self.opaque = opaque
            self.guard = guard
            self.cached = cached
            self.routes = routes
            self.codes = codes
            self.variables = variables
            self.functions = functions
            self.ignore = ignore
            self._inside = None
            self._uses = None

    def inside(self) -> frozenset[int]:
        """The ids of all code objects that its digest holds, those in the constants of others too."""
        if self._inside is None:
            object.__setattr__(self, "_inside", frozenset(map(id, with_inner(self.codes))))
        return self._inside or frozenset()

    def uses(self, origins: Origins) -> frozenset[Use]:
        """What its code names that no digest can tell, as the clock; asked for when a body runs."""
        if self._uses is None:
            from cachepy.code.unseen_names import uses_of  # a hit does not ask

            object.__setattr__(self, "_uses", uses_of(self.functions, origins, self.ignore))
        return self._uses or frozenset()


def cached_call(obj: Any) -> Any:
    """What the wrapper of a cached function calls, else None.

    ``functools.wraps`` copies the mark to outer wrappers, so it names the wrapper it belongs to.
    """
    try:
        mark = getattr(obj, "__dict__", {}).get("__cachepy__") if callable(obj) else None
        return mark if mark is not None and mark.wrapper is obj else None
    except Exception:  # a proxy of nothing, an object that answers to any name
        return None


def cached_target(obj: Any) -> Target | None:
    """The target of a cached function's wrapper, else None."""
    call = cached_call(obj)
    return None if call is None else call.target


def _target_at(obj: Any) -> Target | None:
    return obj if isinstance(obj, Target) else cached_target(obj)


def identity_of(obj: Any) -> str:
    """``module:qualname`` of a function or class; ``module:*`` of a module."""
    if isinstance(obj, ModuleType):
        return f"{module_name(obj)}:*"
    return ":".join(name_of(obj))


def resolve(module: str, qualname: str) -> Any:
    """The object that a canonical module holds under a qualified name, None if there is none."""
    obj: Any = find(module)
    if qualname == "*":
        return obj
    for part in qualname.split("."):
        scopes = [vars(c) for c in obj.__mro__] if isinstance(obj, type) else [getattr(obj, "__dict__", {})]
        obj = next((scope[part] for scope in scopes if part in scope), None)
        if isinstance(obj, (staticmethod, classmethod, Method)):
            obj = obj.__func__
    return obj


def is_stable(obj: Any, module: str, qualname: str) -> bool:
    """Whether another process can find this very object by its name.

    Code of a ``__main__`` that came to a worker by value is taken at its word: only the process of
    that ``__main__`` can look, and both have to make the same key.  A cached function brings along
    what was found there.
    """
    if "<" in qualname:
        return False
    call = cached_call(obj)
    if call is not None and call.is_named is not None:
        return bool(call.is_named)
    return resolve(module, qualname) is obj or _came_by_value(obj)


def _came_by_value(obj: Any) -> bool:
    if getattr(obj, "__module__", None) not in MAIN:
        return False
    here = [vars(sys.modules[name]) for name in MAIN if name in sys.modules]
    is_class = isinstance(obj, type)
    if is_class and not any(obj.__qualname__.partition(".")[0] in each for each in here):
        return True
    written = [fn for each in (vars(obj).values() if is_class else (obj,)) for fn in _written(each)]
    scopes = [fn.__globals__ for fn in written]
    if not scopes:
        return not any(each.get(obj.__qualname__) is obj for each in here)
    return not any(scope is each for scope in scopes for each in here)


def _written(obj: Any) -> list[Any]:
    """The function whose globals tell where an object was written: behind a wrapper the innermost."""
    seen = set[int]()
    while id(obj) not in seen:
        seen.add(id(obj))
        target = cached_target(obj)
        inner = target.fn if target is not None else getattr(obj, "__dict__", {}).get("__wrapped__")
        if inner is None:
            break
        obj = inner
    return [obj] if hasattr(obj, "__globals__") else []


def _declared_value(walk: Walk, label: str, value: Any) -> None:
    before, name = len(walk.pieces), label.partition(" ")[2]
    walk.bind(label, value)
    walk.pieces[before:] = [
        Piece("declared", name, p.digest, "", p.text) if p.cue == "global" else p for p in walk.pieces[before:]
    ]


class CodeReader:
    """Digests of code for one session.

    Examples
    --------
    >>> reader = CodeReader(Origins())
    >>> reader.digest(resolve) == reader.digest(resolve)
    True
    """

    def __init__(self, origins: Origins, file_digest: Callable[[str], str | None] = str) -> None:
        self.origins = origins
        self.file_digest = file_digest
        self._loaded: Loaded | None = None
        self.digester = Digester(origins, self._by_value)
        self._known: dict[int, tuple[Any, CodeFingerprint]] = {}
        self._local: dict[int, tuple[Any, CodeFingerprint]] = {}
        self._codes: dict[CodeType, tuple[str, CodeFacts]] = {}
        self._busy: set[tuple[int, int]] = set()
        self._nameless: dict[int, tuple[Any, frozenset[str]]] = {}  # the variables that they read, if they read any

    def forget(self) -> None:
        """What was read before counts no more."""
        self._known.clear()
        self._local.clear()
        self._nameless.clear()

    def digest(self, obj: Any) -> str:
        """The digest of a plain function or class with all that it reaches."""
        return self.reach(cached_target(obj) or obj).digest

    def reach(self, obj: Any) -> CodeFingerprint:
        """The reach of a Target, a function or a class; walked only if its guard fails."""
        if isinstance(obj, Target):
            if obj.reach is None or obj.reach[0] is not self or not obj.reach[1].guard():
                obj.reach = self, self.walk(obj)
            return obj.reach[1]
        local = "<" in getattr(obj, "__qualname__", "")
        memo, limit = (self._local, _LOCAL) if local else (self._known, _REMEMBER)
        known = memo.get(id(obj))
        if known is not None and known[0] is obj and known[1].guard():
            return known[1]
        reach = self.walk(Target(obj))
        while len(memo) >= limit:
            del memo[next(iter(memo))]
        memo[id(obj)] = obj, reach
        return reach

    def below(self, border: Iterable[Target], wanted: Callable[[Target], bool] = bool) -> list[Target]:
        """The wanted cached functions of a border, and those that can be reached through them."""
        found: dict[Target, None] = {}
        todo = list(border)
        while todo:
            target = todo.pop()
            if target not in found and wanted(target):
                found[target] = None
                todo += self.reach(target).cached
        return list(found)

    def remembered(self, obj: Any) -> CodeFingerprint | None:
        """The reach that is known and still holds; nothing is walked."""
        if isinstance(obj, Target):
            reach = obj.reach[1] if obj.reach is not None and obj.reach[0] is self else None
        else:
            known = self._known.get(id(obj))
            reach = known[1] if known is not None and known[0] is obj else None
        return reach if reach is not None and reach.guard() else None

    def walk(self, target: Target, closed: frozenset[str] = frozenset()) -> CodeFingerprint:
        """Walk, whatever is remembered; closed: names of functions of which only the identity counts."""
        told = {*target.depends_on_vars}  # of what is declared the walk may come across too
        return self._reached(self.walked(target, closed), told)

    def walked(self, target: Target, closed: frozenset[str] = frozenset()) -> Walk:
        """The walk itself."""
        walk = self._new_walk(target.ignore_globals, closed)
        for name, text in target.declared:
            walk.lines.append(f"declared {name}={text}")
            walk.pieces.append(Piece("declared", name, text, "", text))
        for name in target.depends_on_vars:
            self._declared_var(walk, target, name)
        for name, value in sorted(target.values.items()):
            _declared_value(walk, f"declared {name}", value)
        if cached_target(target.fn) is None:
            walk.run(target.fn)
        else:  # cached twice
            walk.bind(target.identity, target.fn)
            walk.visit_all()
        return walk

    def of_value(self, obj: Any) -> CodeFingerprint:
        """The reach of any object that holds code: a partial, a method, an object that can be called."""
        walk = self._new_walk(frozenset())
        walk.bind("value", obj)
        walk.visit_all()
        return self._reached(walk)

    def _new_walk(self, ignore: frozenset[str], closed: frozenset[str] = frozenset()) -> Walk:
        return Walk(self.digester, self._boundary, self._code, ignore, (self.file_digest, self._of_loaded), closed)

    def _of_loaded(self, path: str) -> str:
        """The digest of a compiled file that was loaded into this process."""
        from cachepy.code.extensions import Loaded  # most programs have none

        if self._loaded is None:
            self._loaded = Loaded()
        return self._loaded.digest(path, self.file_digest)

    def _reached(self, walk: Walk, told: Iterable[str] = ()) -> CodeFingerprint:
        pieces = {(p.cue, p.name, p.digest): p for p in walk.pieces if p.cue != "global" or p.name not in told}
        text = "\n".join([PYTHON, *walk.lines])
        return CodeFingerprint(
            digest_bytes(text.encode("utf-8", "surrogatepass")),
            tuple(pieces[key] for key in sorted(pieces)),
            tuple(dict.fromkeys(walk.opaque)),
            walk.guard.build(),
            tuple(dict.fromkeys(filter(None, map(_target_at, walk.cached)))),
            walk.steps.routes([self.reach(cls).routes for cls in walk.steps.aside]),
            tuple(walk.codes),
            walk.loose.read_by_name(self.variables_of(walk.loose.nameless), walk.ignore),
            (*walk.asked.functions, *(each for each in walk.loose.nameless if isinstance(each, FUNCTION))),
            walk.ignore,
        )

    def code_digest(self, code: CodeType) -> str:
        """The digest of one code object alone."""
        return self._code(code)[0]

    def facts(self, code: CodeType) -> CodeFacts:
        """What a code object names."""
        return self._code(code)[1]

    def _code(self, code: CodeType) -> tuple[str, CodeFacts]:
        """Digest and facts of one code object; a function that arrives by value again has an equal one."""
        known = self._codes.get(code)
        if known is None:
            if len(self._codes) >= _REMEMBER:
                self._codes.clear()
            known = self._codes[code] = digest_bytes(code_bytes(code)), scan(code)
        return known

    def _declared_var(self, walk: Walk, target: Target, name: str) -> None:
        module, _, attribute = name.rpartition(".")
        scope = target.fn.__globals__ if module in ("", target.module) else self._scope_of(walk, target, module)
        walk.guard.item(scope, attribute, scope.get(attribute, MISSING))
        if attribute not in scope:
            walk.lines.append(f"declared {name} unbound")
            walk.pieces.append(Piece("declared", name, UNBOUND, "", ""))
            return
        _declared_value(walk, f"declared {name}", scope[attribute])

    def _scope_of(self, walk: Walk, target: Target, module: str) -> Any:
        """The globals of a module that the code may name by a string only: so it is loaded here, to see its value.

        Or what is in a class: of the function's own module, or of one that is loaded.
        """
        from cachepy.code.imports import import_or_none

        loaded = find(module) or import_or_none(module)
        if loaded is None:
            outer, _, name = module.rpartition(".")
            scope = target.fn.__globals__ if outer in ("", target.module) else self._scope_of(walk, target, outer)
            walk.guard.item(scope, name, scope.get(name, MISSING))
            return getattr(scope.get(name), "__dict__", {})
        walk.guard.item(sys.modules, module, sys.modules.get(module, MISSING))
        return {} if loaded is None else vars(loaded)

    def _boundary(self, walk: Walk, obj: Any) -> str | None:
        """A cached function counts by its name if it can be found by it, else by its code."""
        target = cached_target(obj)
        if target is None:
            return None
        walk.steps.call(target.identity)
        if is_stable(obj, target.module, target.qualname):
            walk.cached.append(target)
            return f"cached {target.identity}"
        reach = self._guarded(target)
        if reach is None:
            return f"cached {target.identity} recursive"
        walk.cached += reach.cached
        walk.codes += reach.codes
        walk.pieces += [piece for piece in reach.pieces if piece.cue != "declared"]
        walk.guard.true(reach.guard)
        return f"cached {target.identity} {reach.digest}"

    def _by_value(self, obj: Any) -> str | None:
        """The hook of the digester: see `Digester`."""
        if type(obj) is _CODE:
            return self.code_digest(obj)
        target = cached_target(obj)
        module, qualname = name_of(obj)
        if is_stable(obj, module, qualname):
            return None if target is None else ""
        reach = self._guarded(target or obj)
        if reach is not None and reach.variables and target is None:
            key = id(obj)
            self._nameless[key] = ref(obj, lambda _: self._nameless.pop(key, None)), reach.variables
        return "recursive" if reach is None else reach.digest

    def variables_of(self, nameless: Iterable[Any]) -> set[str]:
        """The variables of the environment that functions and classes read which were digested as parts of values."""
        found = set[str]()
        for obj in nameless if self._nameless else ():
            mark, names = self._nameless.get(id(obj), (None, frozenset[str]()))
            found |= names if mark is not None and mark() is obj else frozenset()
        return found

    def _guarded(self, obj: Any) -> CodeFingerprint | None:
        """The reach, or None if this thread is already walking the object: code may refer to itself."""
        mark = get_ident(), id(obj)
        if mark in self._busy:
            return None
        self._busy.add(mark)
        try:
            return self.reach(obj)
        finally:
            self._busy.discard(mark)
