"""Binding arguments to the signature, and the key that names a call.

Which parameters count, what their values are, which may come from another call, and how they read
in one short line.  Imports digest, errors, label, paths.
"""

from __future__ import annotations

from xxhash import xxh3_128

from cachepy.digest import Digester, Found
from cachepy.errors import UndigestableError, UsageValueError
from cachepy.label import CONTAINERS, TRIVIAL, label_of
from cachepy.paths import paths_in, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

__all__ = [
    "Binder",
    "Signature",
    "culprit",
    "flowing",
    "is_short",
    "is_trivial",
    "label_of",
    "make_key",
    "signature_of",
]
_VARARGS, _VARKEYWORDS = 4, 8
_ITEMS = 1000  # of a longer list nobody looks where each item came from
_SHORT = 64  # a shorter str or bytes is too common to tell where it came from


class Signature:
    """The parameters of a function, read from its code object: inspect costs 10 ms to import.

    Examples
    --------
    >>> def f(a, b=2, *rest, c, **more): ...
    >>> Signature(f).names
    ('a', 'b', 'rest', 'c', 'more')
    """

    __slots__ = ("fn", "keyword_only", "names", "positional", "positional_only", "rest", "var_keyword")

    def __init__(self, fn: Any) -> None:
        code = fn.__code__
        count, extra = code.co_argcount, code.co_kwonlyargcount
        names = list(code.co_varnames[: count + extra])
        at = count + extra
        self.fn = fn
        self.positional_only = tuple(names[: code.co_posonlyargcount])
        self.positional = tuple(names[:count])
        self.keyword_only = tuple(names[count:])
        self.rest = code.co_varnames[at] if code.co_flags & _VARARGS else None
        at += code.co_flags & _VARARGS != 0
        self.var_keyword = code.co_varnames[at] if code.co_flags & _VARKEYWORDS else None
        optional = [[self.rest] if self.rest else [], [self.var_keyword] if self.var_keyword else []]
        self.names = (*self.positional, *optional[0], *self.keyword_only, *optional[1])

    def source(self, counted: Iterable[str], by_name: str) -> str:
        """The text of a function that binds arguments and returns those that count.

        by_name: the name of the function that puts keywords in order; no parameter's.
        """
        head = [f"{n}=None" for n in self.positional]  # real defaults are put in afterwards
        if self.positional_only:
            head.insert(len(self.positional_only), "/")
        if self.rest:
            head.append(f"*{self.rest}")
        elif self.keyword_only:
            head.append("*")
        head += [f"{n}=None" for n in self.keyword_only]
        if self.var_keyword:
            head.append(f"**{self.var_keyword}")
        values = [f"{by_name}({n})" if n == self.var_keyword else n for n in counted]
        return f"def bind({', '.join(head)}): return ({''.join(v + ', ' for v in values)})"


def signature_of(fn: Any) -> Signature:
    """The signature that a user sees: a wrapper that takes anything shows what it wraps."""
    seen = Signature(fn)
    inner = getattr(fn, "__wrapped__", None)
    if seen.rest and seen.var_keyword and len(seen.names) == 2 and hasattr(inner, "__code__"):
        return signature_of(inner)
    return seen


class Binder:
    """Binds arguments and makes keys for one function.

    Parameters
    ----------
    fn : function
    ignore_args, file_args : frozenset of str or None
        Parameters that are left out; parameters that are looked at for files (None: all).
    """

    def __init__(self, fn: Any, ignore_args: frozenset[str], file_args: frozenset[str] | None) -> None:
        self.signature = signature_of(fn)
        self.file_args = file_args
        self.ignore = ignore_args
        _check_names(fn, self.signature, "ignore_args", ignore_args)
        _check_names(fn, self.signature, "file_args", file_args or ())
        self.names = tuple(n for n in self.signature.names if n not in ignore_args)
        self.bind = self._compile()

    def _compile(self) -> Callable[..., tuple[Any, ...]]:
        by_name = "_" * (1 + max(map(len, self.signature.names), default=0))
        scope: dict[str, Any] = {by_name: self._sorted}
        exec(self.signature.source(self.names, by_name), scope)  # names of parameters only
        bind = scope["bind"]
        bind.__defaults__ = self.signature.fn.__defaults__
        bind.__kwdefaults__ = self.signature.fn.__kwdefaults__
        bind.__name__ = bind.__qualname__ = self.signature.fn.__qualname__  # so that a TypeError names the function
        bound: Callable[..., tuple[Any, ...]] = bind
        return bound

    def _sorted(self, keywords: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
        counted = {str.__str__(name): value for name, value in keywords.items() if name not in self.ignore}
        return tuple((name, counted[name]) for name in sorted(counted))

    def named(self, values: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
        """(argument name, value); ``*rest`` as rest[0], rest[1], ..., ``**more`` by keyword."""
        for name, value in zip(self.names, values, strict=True):
            if name == self.signature.rest:
                yield from ((f"{name}[{i}]", v) for i, v in enumerate(value))
            elif name == self.signature.var_keyword:
                yield from value
            else:
                yield name, value

    def files(
        self, values: tuple[Any, ...], digester: Digester, known: Found | None = None
    ) -> dict[str, tuple[str, bool]]:
        """Path as given -> (argument, whether it surely is meant as a path).

        known: what `make_key` found, which spares reading large values again.
        """
        found: dict[str, tuple[str, bool]] = {}
        for name, value in self.named(values):
            base = name.partition("[")[0]
            more = self.signature.var_keyword
            if self.file_args is not None and not self.file_args & {base, name, more}:
                continue
            for path, sure in paths_in(value, digester, known, everything=self.file_args is not None):
                old = found.get(path, (name, False))
                found[path] = old[0], old[1] or sure
        return found


def _check_names(fn: Any, signature: Signature, option: str, names: Iterable[str]) -> None:
    unknown = sorted(set(names) - set(signature.names))
    if unknown and not signature.var_keyword:
        raise UsageValueError(
            f"{option}={unknown!r} names no parameter of {fn.__qualname__}; "
            f"it has {', '.join(signature.names) or 'none'}"
        )


def make_key(prefix: bytes, values: tuple[Any, ...], digester: Digester, found: Found) -> str:
    """The digest that names a call: the function's identity and the bound arguments.

    found: takes the code and the packages that the arguments refer to.
    """
    stream = digester.stream(values, found)
    hasher = xxh3_128(prefix)
    hasher.update(stream)
    return hasher.hexdigest()


def culprit(binder: Binder, values: tuple[Any, ...], digester: Digester) -> str:
    """The name of the first argument that has no digest, and why."""
    for name, value in binder.named(values):
        try:
            digester.digest(value)
        except UndigestableError as error:
            return f"{name!r} ({error})"
    return "together"


def is_short(value: object) -> bool:
    """A short text."""
    return issubclass(type(value), (str, bytes)) and len(value) < _SHORT  # type: ignore[arg-type]


def is_trivial(value: object) -> bool:
    """Too common a value to say from which call it came; so is one that raises when it is looked at."""
    try:
        return _is_trivial(value)
    except Exception:
        return True


def _is_trivial(value: Any) -> bool:
    if is_short(value):
        return True
    cls = type(value)  # isinstance would ask the value for its class
    if issubclass(cls, CONTAINERS):
        items = value.values() if issubclass(cls, dict) else value
        return len(value) < 2 and all(issubclass(type(v), TRIVIAL) or is_short(v) for v in items)
    return issubclass(cls, TRIVIAL) or hasattr(cls, "__fspath__")


def flowing(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What of an argument may be another call's result: itself, or the items of a list, tuple or dict."""
    if is_trivial(value):
        return
    yield name, value
    if type(value) in (list, tuple, dict) and len(value) <= _ITEMS and not plain(value):
        items = value.items() if type(value) is dict else enumerate(value)
        for at, (key, item) in enumerate(items):
            if not is_trivial(item):
                yield f"{name}[{_text_of(key, at)}]", item


def _text_of(key: object, at: int) -> str:
    try:
        return repr(key)
    except Exception:
        return f"item {at}"
