"""Digests of values: equal values have equal digests, in every process.

The value is run through the C pickler in ``fast`` mode: without a memo, object identity leaves no
mark in the stream.  What pickle would write differently for equal values (sets, nan, arrays,
frames, functions, classes, paths) is intercepted by `reducer_override`.  The stream is never
loaded again: it only has to be canonical.

Imports errors and modules; never the libraries whose values it digests (see `recipes`).
"""

from __future__ import annotations

import copyreg
import io
from _pickle import Pickler, PicklingError

from xxhash import xxh3_128_hexdigest

from cachepy.errors import UndigestableError
from cachepy.modules import MAIN, USER, Origins, canonical, home_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Rule = Callable[[Any, "ValuePickler"], Any]

_PROTOCOL = 3  # spells sets by name, so that one set anywhere is noticed, and has no framing
_NAN = (b"G\x7f\xf8", b"G\xff\xf8")
_FAILURES = (TypeError, PicklingError, AttributeError, ValueError, RecursionError, ImportError, NotImplementedError)


def digest_bytes(data: Any) -> str:
    """The xxh3-128 of bytes or of a C-contiguous buffer, as 32 hex digits."""
    return xxh3_128_hexdigest(data)


def name_of(code: Any) -> tuple[str, str]:
    """The canonical module and the qualified name of a function or class."""
    module = code.__module__
    if module in MAIN:
        for each in (code, *vars(code).values()):  # on a worker only functions still know which script it was
            if getattr(each, "__globals__", {}).get("__name__") in MAIN:
                return home_of(each), code.__qualname__
    return canonical(module), code.__qualname__


def form(*parts: object) -> tuple[Any, ...]:
    """What a rule returns: a typed, delimited canonical form instead of the value."""
    return _mark, parts


def _mark(*parts: object) -> None:
    """Stands in the stream before each canonical form; never called."""


class Found:
    """What digesting a value came across: user code, packages, and Path objects in it."""

    __slots__ = ("code", "packages", "paths")

    def __init__(self) -> None:
        self.code: list[Any] = []
        self.packages: set[str] = set()
        self.paths: list[str] = []


class Digester:
    """Digests values with the rules of one session.

    Parameters
    ----------
    origins : Origins
        Tells user code from packages.
    code_of : callable
        ``code_of(function_or_class) -> str | None``: the digest of code that has no name by which
        another process could find it (lambdas, local functions), None for code that has, and the
        empty text for what need not be followed (cached functions).

    Examples
    --------
    >>> d = Digester(Origins(), lambda obj: None)
    >>> d.digest({1, 2, 3}) == d.digest({3, 2, 1})
    True
    >>> d.digest(1) == d.digest(True)
    False
    """

    def __init__(self, origins: Origins, code_of: Callable[[Any], str | None]) -> None:
        self.origins = origins
        self.code_of = code_of
        self.rules: dict[type, tuple[Rule | None, str | None]] = {}

    def digest(self, value: object, found: Found | None = None) -> str:
        """The digest of any value; UndigestableError if it has none."""
        return xxh3_128_hexdigest(self.stream(value, found))

    def stream(self, value: object, found: Found | None = None) -> bytes:
        """The canonical bytes of a value."""
        found = found if found is not None else Found()
        try:
            return self._stream(value, found)
        except UndigestableError:
            raise
        except (ValueError, RecursionError):
            return self._looped(value, found)
        except _FAILURES as error:
            raise _no_digest(value, error) from error

    def _looped(self, value: object, found: Found) -> bytes:
        """A value that may refer to itself: with a memo, in which object identity shows."""
        file = io.BytesIO()
        pickler = CanonicalPickler(file, self, found)
        pickler.fast = False
        try:
            pickler.dump(value)
        except _FAILURES as error:
            raise _no_digest(value, error) from error
        return b"looped" + file.getvalue()

    def _stream(self, value: object, found: Found) -> bytes:
        file = io.BytesIO()
        pickler = ValuePickler(file, self, found)
        pickler.dump(value)
        data = file.getvalue()
        if pickler.has_set or _NAN[0] in data or _NAN[1] in data:
            file = io.BytesIO()
            CanonicalPickler(file, self, found).dump(value)
            data = file.getvalue()
        return data

    def rule_for(self, cls: type) -> tuple[Rule | None, str | None]:
        """The rule for instances of a class (None: as pickle does it), and the package it is of."""
        try:
            return self.rules[cls]
        except KeyError:
            found = self.rules[cls] = _find_rule(cls), self.origins.package(cls.__module__)
            return found


def _no_digest(value: object, error: Exception) -> UndigestableError:
    return UndigestableError(f"a value of type {type(value).__name__} has no digest: {error}")


class ValuePickler(Pickler):
    """Writes the canonical stream of a value without sets and nan; notices if it has them."""

    def __init__(self, file: io.BytesIO, digester: Digester, found: Found) -> None:
        super().__init__(file, _PROTOCOL)
        self.fast = True
        self.digester = digester
        self.found = found
        self.has_set = False

    def reducer_override(self, obj: Any) -> Any:
        if obj is _mark:
            return NotImplemented
        if obj is set or obj is frozenset:
            self.has_set = True
            return NotImplemented
        rule, package = self.digester.rule_for(type(obj))
        if package is not None:
            self.found.packages.add(package)
        return NotImplemented if rule is None else rule(obj, self)


class CanonicalPickler(ValuePickler):
    """The slower form, for values that hold a set or a nan: looks at every single object."""

    def persistent_id(self, obj: Any) -> Any:
        cls = type(obj)
        if cls is set or cls is frozenset:
            return cls.__name__, self._ordered(obj)
        if cls is float and obj != obj:
            return "nan"
        return None

    def _ordered(self, items: Any) -> Any:
        if set(map(type, items)) <= {str}:
            return self.digester._stream(sorted(items), self.found)
        return sorted(self.digester._stream(item, self.found) for item in items)


# -- rules: one for each kind of object that pickle would not write canonically


def _class_rule(cls: type, pickler: ValuePickler) -> Any:
    if cls.__module__ == "builtins":
        return NotImplemented
    return _code_form("class", cls, pickler, cls.__module__)


def _function_rule(fn: Any, pickler: ValuePickler) -> Any:
    return _code_form("function", fn, pickler, fn.__globals__.get("__name__"))


def _code_form(kind: str, obj: Any, pickler: ValuePickler, home: str | None) -> Any:
    """Code goes by its name, which the trace follows; code without a findable name by its digest."""
    digester = pickler.digester
    name = name_of(obj)
    if digester.origins.kind(home) != USER:
        package = digester.origins.package(home)
        if package is not None:
            pickler.found.packages.add(package)
        return form(kind, *name)
    by_value = digester.code_of(obj)
    if by_value is None:
        pickler.found.code.append(obj)
    return form(kind, *name, by_value)


def _module_rule(module: Any, _: ValuePickler) -> Any:
    return form("module", canonical(module.__name__))


def _path_rule(path: Any, pickler: ValuePickler) -> Any:
    text = path.__fspath__()
    if hasattr(path, "stat"):
        pickler.found.paths.append(text)
    return form("path", text)


def _enum_rule(member: Any, _: ValuePickler) -> Any:
    return form("enum", type(member), member._name_, member._value_)


def _tokenize_rule(obj: Any, _: ValuePickler) -> Any:
    return form("token", type(obj), obj.__dask_tokenize__())


def _object_rule(obj: Any, _: ValuePickler) -> Any:
    """An instance by its class and its attributes in the order of their names.

    ``__reduce_ex__`` gathers them, and refuses objects that keep state outside of Python.
    """
    state = obj.__reduce_ex__(4)[2]
    attributes, slots = state if type(state) is tuple else (state, None)
    merged = {**(attributes or {}), **(slots or {})}
    return (*form("object", type(obj)), sorted(merged.items()))  # as state: it may refer to the object


def _time_rule(moment: Any, _: ValuePickler) -> Any:
    return moment.__reduce_ex__(4)  # below protocol 4 `fold` is lost


def _mapping_proxy_rule(proxy: Any, _: ValuePickler) -> Any:
    return form("mappingproxy", dict(proxy))


def _method_kind_rule(method: Any, _: ValuePickler) -> Any:
    return form(type(method).__name__, method.__func__)


def _memoryview_rule(view: Any, _: ValuePickler) -> Any:
    return form("memoryview", view.format, view.shape, digest_bytes(view.tobytes()))


_LIBRARIES = {"numpy", "pandas", "pyarrow", "polars"}
_BY_NAME: dict[tuple[str, str], Rule] = {
    ("builtins", "type"): _class_rule,
    ("builtins", "function"): _function_rule,
    ("builtins", "module"): _module_rule,
    ("builtins", "mappingproxy"): _mapping_proxy_rule,
    ("builtins", "memoryview"): _memoryview_rule,
    ("builtins", "staticmethod"): _method_kind_rule,
    ("builtins", "classmethod"): _method_kind_rule,
}


def _find_rule(cls: type) -> Rule | None:
    named = _BY_NAME.get((cls.__module__, cls.__name__))
    if named is not None:
        return named
    if issubclass(cls, type):
        return _class_rule
    if hasattr(cls, "__dask_tokenize__"):
        return _tokenize_rule
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] in _LIBRARIES:
            from cachepy.recipes import recipe_for

            return recipe_for(cls)
        if base.__module__.startswith("pathlib") and base.__name__ == "PurePath":
            return _path_rule
        if base.__module__ == "enum" and base.__name__ == "Enum":
            return _enum_rule
        if base.__module__ == "datetime" and base.__name__ in ("datetime", "time"):
            return _time_rule
    return _object_rule if _is_plain(cls) else None


def _is_plain(cls: type) -> bool:
    """Whether pickle would write its class, its attributes and nothing else."""
    special = "__getnewargs__", "__getnewargs_ex__"
    return (
        getattr(cls, "__reduce_ex__", None) is object.__reduce_ex__
        and getattr(cls, "__reduce__", None) is object.__reduce__
        and getattr(cls, "__getstate__", None) is getattr(object, "__getstate__", None)
        and not any(hasattr(cls, name) for name in special)
        and not issubclass(cls, (list, dict, set, frozenset, tuple, str, bytes, bytearray, int, float))
        and cls not in copyreg.dispatch_table
    )
