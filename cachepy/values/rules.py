"""Rules: one for each kind of object of Python's own that pickle would not write canonically.

A rule returns a `form`, which is written instead of the object, and notes in `Found` what it came
across.  Imports modules; never the libraries whose values it digests (see `recipes`, `hints`).
"""

from __future__ import annotations

import copyreg
import sys

from xxhash import xxh3_128_hexdigest

from cachepy.values.modules import MAIN, USER, canonical, find, home_of, home_of_class, module_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.digest import ValuePickler

    Rule = Callable[[Any, ValuePickler], Any]

_FUNCTION = type(lambda: None)
_MODULE = type(copyreg)


def digest_bytes(data: Any) -> str:
    """The xxh3-128 of bytes or of a C-contiguous buffer, as 32 hex digits."""
    return xxh3_128_hexdigest(data)


def name_of(code: Any) -> tuple[str, str]:
    """The canonical module and the qualified name of a function or class; of a module its name alone."""
    if isinstance(code, _MODULE):
        return module_name(code), ""
    if isinstance(code, type):
        return home_of_class(code), _class_name(code) if code.__module__ in MAIN else code.__qualname__
    module = code.__module__
    if module in MAIN:
        for each in (code, *vars(code).values()):  # in a worker only functions still know which script it was
            if getattr(each, "__globals__", {}).get("__name__") in MAIN:
                return home_of(each), code.__qualname__
    return canonical(module), code.__qualname__


def _class_name(cls: type) -> str:
    """The qualified name of a class, which a local one loses on its way to a worker; its methods keep theirs."""
    for name, member in vars(cls).items():
        outer, _, last = getattr(member, "__qualname__", "").rpartition(".")
        if type(member) is _FUNCTION and last == name and outer.endswith(f"<locals>.{cls.__name__}"):
            return outer
    return cls.__qualname__


def form(*parts: object) -> tuple[Any, ...]:
    """What a rule returns: a typed, delimited canonical form instead of the value."""
    return mark, parts


def mark(*parts: object) -> None:
    """Stands in the stream before each canonical form; never called."""


class Found:
    """What digesting a value came across: user code, packages, and paths in it.

    paths: of Path objects; names: of other objects that `open` takes;
    cached: the cached functions, whose code counts by their own traces.

    known: forms by the id of the object, which is kept with it: what is met again is not done again.
    Valid while the values do not change.  hidden: whether there may be text that the stream shows
    only as a digest.
    """

    __slots__ = ("_code", "cached", "calls", "hidden", "known", "memos", "names", "packages", "paths")

    def __init__(self) -> None:
        self._code: dict[int, Any] = {}
        self.cached: list[Any] = []
        self.calls: set[str] = set()  # cached functions, by their names
        self.memos: list[Any] = []  # functions that functools remembers for
        self.packages: set[str] = set()
        self.paths: list[str] = []
        self.names: list[str] = []
        self.known: dict[int, tuple[Any, Any]] = {}
        self.hidden = False

    @property
    def code(self) -> list[Any]:
        """Functions, classes and modules, each once."""
        return list(self._code.values())

    def add_code(self, obj: Any) -> None:
        self._code.setdefault(id(obj), obj)

    def merge(self, other: Found) -> None:
        for obj in other.code:
            self.add_code(obj)
        self.cached += other.cached
        self.calls |= other.calls
        self.memos += other.memos
        self.packages |= other.packages
        self.paths += other.paths
        self.names += other.names
        self.hidden |= other.hidden


def once(rule: Rule) -> Rule:
    """The rule, whose form is remembered: many parts of a value may share one large object."""

    def remembered(obj: Any, pickler: ValuePickler) -> Any:
        known = pickler.found.known
        if id(obj) not in known:
            known[id(obj)] = obj, rule(obj, pickler)
        return known[id(obj)][1]

    return remembered


# -- code


def _class_rule(cls: type, pickler: ValuePickler) -> Any:
    return NotImplemented if cls.__module__ == "builtins" else _named_class(cls, pickler)


@once
def _named_class(cls: type, pickler: ValuePickler) -> Any:
    return _code_form("class", cls, pickler)


@once
def _function_rule(fn: Any, pickler: ValuePickler) -> Any:
    made = pickler.digester.origins.of(fn) != USER and _made_around(fn, pickler)
    return made or _code_form("function", fn, pickler)


def _code_form(kind: str, obj: Any, pickler: ValuePickler) -> Any:
    """Code goes by its name, which the trace follows; code without a findable name by its digest."""
    digester = pickler.digester
    name = name_of(obj)
    if digester.origins.of(obj) != USER:
        _note_package(obj, pickler)
        return form(kind, *name)
    by_value = digester.code_of(obj)
    if by_value is None:
        pickler.found.add_code(obj)
    elif not by_value:
        pickler.found.calls.add(":".join(name))
    return form(kind, *name, by_value)


def _note_package(obj: Any, pickler: ValuePickler) -> None:
    package = pickler.digester.origins.package(obj)
    if package is not None:
        pickler.found.packages.add(package)


def _made_around(fn: Any, pickler: ValuePickler) -> Any:
    """The form of what a library's decorator made around user code (singledispatch, contextmanager, ...), if any."""
    if "__cachepy__" in vars(fn):  # followed when it is called
        pickler.found.cached.append(fn)
        pickler.found.calls.add(":".join(name_of(fn)))
        return form("function", *name_of(fn), pickler.digester.code_of(fn) or "")
    inner = vars(fn).get("__wrapped__")
    registry = vars(fn).get("registry")
    table = sorted(registry.items(), key=lambda row: name_of(row[0])) if type(registry) is _PROXY else []
    inside = [held for held in _held(fn) if _is_user_function(held, pickler) and held is not inner]
    if inner is None and not inside:
        return None
    _note_package(fn, pickler)
    rows = [(cls, each) for cls, each in table if each is not inner]
    return form("decorated", fn.__code__.co_qualname, _around(fn, inner, pickler), rows, inside)


def _around(obj: Any, inner: Any, pickler: ValuePickler) -> Any:
    """What a wrapper wraps: by name if the wrapper stands where the name says, else by value."""
    if not _is_user_function(inner, pickler) or "__cachepy__" in vars(inner) or not _is_found(obj):
        return inner
    pickler.found.add_code(inner)
    return name_of(obj)


def _is_user_function(obj: Any, pickler: ValuePickler) -> bool:
    return type(obj) is _FUNCTION and pickler.digester.origins.of(obj) == USER


def _held(fn: Any) -> list[Any]:
    found = []
    for cell in fn.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # empty
            continue
    return found


def _is_found(obj: Any) -> bool:
    """Whether the object is what its module holds under its name."""
    at: Any = find(canonical(obj.__module__))
    for part in obj.__qualname__.split("."):
        at = getattr(at, "__dict__", {}).get(part)
    return at is obj


def _lru_rule(cached: Any, pickler: ValuePickler) -> Any:
    pickler.found.memos.append(cached)
    return form("lru_cache", _around(cached, vars(cached)["__wrapped__"], pickler))


def _partial_rule(part: Any, _: ValuePickler) -> Any:
    """Its attributes are None until somebody looks at them, an empty dict from then on."""
    return form("partial", part.func, part.args, part.keywords, vars(part) or None)


def _module_rule(module: Any, pickler: ValuePickler) -> Any:
    if pickler.digester.origins.of(module) == USER:
        pickler.found.add_code(module)
    _note_package(module, pickler)
    return form("module", module_name(module))


def _builtin_rule(fn: Any, pickler: ValuePickler) -> Any:
    """A function of a compiled module of the user's counts by that module."""
    home = getattr(fn, "__self__", None)
    if isinstance(home, _MODULE) and pickler.digester.origins.of_module(home) == USER:
        pickler.found.add_code(home)
    return NotImplemented


def _method_kind_rule(method: Any, _: ValuePickler) -> Any:
    return form(type(method).__name__, method.__func__)


# -- data


def _path_rule(path: Any, pickler: ValuePickler) -> Any:
    text = str.__str__(path.__fspath__())
    found = pickler.found
    (found.paths if hasattr(type(path), "stat") else found.names).append(text)
    return form("path", type(path).__name__, text)


def _own_path_rule(path: Any, pickler: ValuePickler) -> Any:
    """A class that the user derived from Path: its code and its attributes count too."""
    _path_rule(path, pickler)
    return form("path", type(path), str.__str__(path.__fspath__()), _own_attributes(path, "pathlib"))


def _entry_rule(entry: Any, pickler: ValuePickler) -> Any:
    """An `os.DirEntry`, which does not pickle, and counts by its path."""
    _note_name(entry, pickler)
    return form("path", "DirEntry", entry.path)


def _zip_path_rule(path: Any, pickler: ValuePickler) -> Any:
    """A path inside an archive: the archive is the file that counts."""
    if path.root.filename is not None:
        pickler.found.names.append(str(path.root.filename))
    return form("zip path", path.root.filename, path.at)


def _named_by(rule: Rule | None) -> Rule:
    """The rule for objects that `open` takes as a path: what they name is noted besides."""

    def noted(obj: Any, pickler: ValuePickler) -> Any:
        _note_name(obj, pickler)
        return NotImplemented if rule is None else rule(obj, pickler)

    return noted


def _note_name(obj: Any, pickler: ValuePickler) -> None:
    try:
        name = obj.__fspath__()
        pickler.found.names.append(name.decode(*_NAMES) if isinstance(name, bytes) else str.__str__(name))
    except Exception:  # code of any class: then it names nothing
        return


def _own_attributes(obj: Any, library: str) -> list[tuple[str, Any]]:
    """What classes outside of a library keep in an object, by name."""
    found = dict(getattr(obj, "__dict__", {}))
    for cls in type(obj).__mro__:
        if not cls.__module__.startswith(library):
            names = cls.__dict__.get("__slots__", ())
            names = [names] if isinstance(names, str) else names
            found.update((name, getattr(obj, name)) for name in names if hasattr(obj, name))
    return sorted(found.items())


def _enum_rule(member: Any, _: ValuePickler) -> Any:
    return form("enum", type(member), member._name_, member._value_)


def _tokenize_rule(obj: Any, _: ValuePickler) -> Any:
    return form("token", type(obj), obj.__dask_tokenize__())


def object_rule(obj: Any, _: ValuePickler) -> Any:
    """An instance by its class and its attributes in the order of their names."""
    return (*form("object", type(obj)), state_of(obj))  # as state: it may refer to the object


def state_of(obj: Any) -> list[tuple[str, Any]]:
    """The attributes of a plain instance in the order of their names.

    ``__reduce_ex__`` gathers them, and refuses objects that keep state outside of Python.
    """
    state = obj.__reduce_ex__(4)[2]
    attributes, slots = state if type(state) is tuple else (state, None)
    return sorted({**(attributes or {}), **(slots or {})}.items())


def _set_rule(items: Any, _: ValuePickler) -> Any:
    """An instance of a subclass of set or frozenset: pickle would write it in the order of the hashes."""
    return form("set", type(items), frozenset(items), items.__reduce_ex__(4)[2])


def _time_rule(moment: Any, _: ValuePickler) -> Any:
    return moment.__reduce_ex__(4)  # below protocol 4 `fold` is lost


def _mapping_proxy_rule(proxy: Any, _: ValuePickler) -> Any:
    return form("mappingproxy", dict(proxy))


def _memoryview_rule(view: Any, _: ValuePickler) -> Any:
    return form("memoryview", view.format, view.shape, digest_bytes(view.tobytes()))


# -- which rule


_PROXY = type(vars(Found))
_NAMES = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
_LIBRARIES = {"numpy", "pandas", "pyarrow", "polars"}
_BY_NAME: dict[tuple[str, str], Rule] = {
    ("builtins", "type"): _class_rule,
    ("builtins", "function"): _function_rule,
    ("builtins", "module"): _module_rule,
    ("builtins", "builtin_function_or_method"): _builtin_rule,
    ("builtins", "mappingproxy"): _mapping_proxy_rule,
    ("builtins", "memoryview"): _memoryview_rule,
    ("builtins", "staticmethod"): _method_kind_rule,
    ("builtins", "classmethod"): _method_kind_rule,
    ("functools", "_lru_cache_wrapper"): _lru_rule,
    ("functools", "partial"): _partial_rule,
    ("zipfile", "Path"): _zip_path_rule,
    ("zipfile._path", "Path"): _zip_path_rule,
}


def find_rule(cls: type) -> Rule | None:
    """The rule for instances of a class; None: as pickle does it."""
    rule = _rule_of(cls)
    if _says(cls, "__fspath__") and rule is not _path_rule and rule is not _own_path_rule:
        return _entry_rule if cls.__name__ == "DirEntry" and cls.__module__ in ("posix", "nt") else _named_by(rule)
    return rule


def _rule_of(cls: type) -> Rule | None:
    named = _BY_NAME.get((cls.__module__, cls.__name__))
    if named is not None:
        return named
    if cls.__module__ in ("typing", "annotationlib"):
        from cachepy.values.hints import hint_rule

        named = hint_rule(cls)
        if named is not None:
            return named
    if issubclass(cls, type):
        return _class_rule
    if issubclass(cls, _MODULE):
        return _module_rule
    if _says(cls, "__dask_tokenize__"):
        return _tokenize_rule
    for base in cls.__mro__:
        library = base.__module__.partition(".")[0]
        if library in _LIBRARIES:
            from cachepy.values.recipes import recipe_for

            return recipe_for(cls, library)
        if base.__module__.startswith("pathlib") and base.__name__ == "PurePath":
            return _path_rule if cls.__module__.startswith("pathlib") else _own_path_rule
        if base.__module__ == "enum" and base.__name__ == "Enum":
            return _enum_rule
        if base.__module__ == "datetime" and base.__name__ in ("datetime", "time"):
            return _time_rule
    if issubclass(cls, (set, frozenset)) and cls.__reduce__ in (set.__reduce__, frozenset.__reduce__):
        return _set_rule
    return object_rule if _is_plain(cls) else None


def _says(cls: type, name: str) -> bool:
    """Whether a class has a name itself: a metaclass may answer to any."""
    return any(name in vars(each) for each in cls.__mro__)


def _is_plain(cls: type) -> bool:
    """Whether pickle would write its class, its attributes and nothing else."""
    special = "__getnewargs__", "__getnewargs_ex__"
    return (
        getattr(cls, "__reduce_ex__", None) is object.__reduce_ex__
        and getattr(cls, "__reduce__", None) is object.__reduce__
        and getattr(cls, "__getstate__", None) is getattr(object, "__getstate__", None)
        and not any(_says(cls, name) for name in special)
        and not issubclass(cls, (list, dict, set, frozenset, tuple, str, bytes, bytearray, int, float))
        and cls not in copyreg.dispatch_table
    )
