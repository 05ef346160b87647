"""Binding arguments to the signature, and the key that names a call.

Which parameters count, what their values are, which files they name, and how they read in one
short line.  Imports digest, errors.
"""

from __future__ import annotations

from xxhash import xxh3_128

from cachepy.digest import Digester, Found
from cachepy.errors import UndigestableError, UsageValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

_VARARGS, _VARKEYWORDS = 4, 8
_LABEL = 60  # characters of an argument's short text
_ITEMS = 1000  # of a longer list nobody looks where each item came from
_SHORT = 64  # a shorter str or bytes is too common to tell where it came from
_TRIVIAL = (int, float, complex, bool, type(None), type(...))
_NOT_FILES = frozenset({"", ".", "..", "/"})


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

    def source(self, counted: Iterable[str]) -> str:
        """The text of a function that binds arguments and returns those that count."""
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
        values = [f"_sorted({n})" if n == self.var_keyword else n for n in counted]
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
        scope: dict[str, Any] = {"_sorted": self._sorted}
        exec(self.signature.source(self.names), scope)  # names of parameters only
        bind = scope["bind"]
        bind.__defaults__ = self.signature.fn.__defaults__
        bind.__kwdefaults__ = self.signature.fn.__kwdefaults__
        bind.__name__ = bind.__qualname__ = self.signature.fn.__qualname__  # so that a TypeError names the function
        bound: Callable[..., tuple[Any, ...]] = bind
        return bound

    def _sorted(self, keywords: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
        return tuple(sorted((k, v) for k, v in keywords.items() if k not in self.ignore))

    def named(self, values: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
        """(argument name, value); ``*rest`` as rest[0], rest[1], ..., ``**more`` by keyword."""
        for name, value in zip(self.names, values, strict=True):
            if name == self.signature.rest:
                yield from ((f"{name}[{i}]", v) for i, v in enumerate(value))
            elif name == self.signature.var_keyword:
                yield from value
            else:
                yield name, value

    def files(self, values: tuple[Any, ...], digester: Digester) -> dict[str, tuple[str, bool]]:
        """Path as given -> (argument, whether it surely is meant as a path)."""
        found: dict[str, tuple[str, bool]] = {}
        for name, value in self.named(values):
            base = name.partition("[")[0]
            more = self.signature.var_keyword
            if self.file_args is not None and not self.file_args & {base, name, more}:
                continue
            for path, sure in _paths_in(value, digester, everything=self.file_args is not None):
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
    return isinstance(value, (str, bytes)) and len(value) < _SHORT


def is_trivial(value: object) -> bool:
    """Too common a value to say from which call it came."""
    if is_short(value):
        return True
    if isinstance(value, (list, tuple, dict, set, frozenset)):
        items = value.values() if isinstance(value, dict) else value
        return len(value) < 4 and all(isinstance(v, _TRIVIAL) or is_short(v) for v in items)
    return isinstance(value, _TRIVIAL) or hasattr(value, "__fspath__")


def flowing(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What of an argument may be another call's result: itself, or the items of a list, tuple or dict."""
    if is_trivial(value):
        return
    yield name, value
    if type(value) in (list, tuple, dict) and len(value) <= _ITEMS and not _plain(value):
        items = value.items() if type(value) is dict else enumerate(value)
        yield from ((f"{name}[{key!r}]", item) for key, item in items if not is_trivial(item))


def label_of(value: object) -> str:
    """A short text for people; cheap also for huge values."""
    if isinstance(value, (list, tuple, dict, set, frozenset)) and len(value) > 4:
        return f"{type(value).__name__} of {len(value)}"
    if hasattr(value, "__fspath__"):
        return _cut(str(value.__fspath__()))
    if isinstance(value, (*_TRIVIAL, str, bytes)):
        return _cut(repr(value[:_LABEL] if isinstance(value, (str, bytes)) else value))
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"{type(value).__name__} {'×'.join(map(str, shape))}"
    if isinstance(value, (list, tuple, dict, set, frozenset)):
        return _label_items(value)
    return getattr(value, "__qualname__", None) or type(value).__name__


def _label_items(items: Any) -> str:
    if isinstance(items, dict):
        return _cut("{" + ", ".join(f"{_label_item(k)}: {_label_item(v)}" for k, v in items.items()) + "}")
    return _cut(f"{type(items).__name__}({', '.join(map(_label_item, items))})")


def _label_item(value: object) -> str:
    """One level deep: a value may hold itself."""
    return type(value).__name__ if isinstance(value, (list, tuple, dict, set, frozenset)) else label_of(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LABEL else text[: _LABEL - 1] + "…"


def _paths_in(value: Any, digester: Digester, *, everything: bool) -> Iterator[tuple[str, bool]]:
    """What in a value may name a file: Path objects anywhere, strings here, and below with a separator."""
    if type(value) is str:
        if everything or (value not in _NOT_FILES and len(value) < 4096 and "\0" not in value):
            yield value, False
        return
    if isinstance(value, (*_TRIVIAL, bytes)):
        return
    found = Found()
    stream = digester.stream(value, found)
    for path in found.paths:
        yield path, True
    if b"/" in stream or b"\\" in stream:
        yield from ((text, False) for text in _strings(value) if _separated(text))


def _separated(text: str) -> bool:
    return ("/" in text or "\\" in text) and text not in _NOT_FILES and len(text) < 4096 and "\0" not in text


def _strings(value: Any) -> Iterator[str]:
    """All strings inside builtin containers and dataclasses; numbers are passed over at C speed."""
    todo, seen = [value], {id(value)}
    while todo:
        item = todo.pop()
        for part in _parts(item):
            if type(part) is str:
                yield part
            elif id(part) not in seen:
                seen.add(id(part))
                todo.append(part)


def _parts(item: Any) -> Iterable[Any]:
    if isinstance(item, dict):
        return [p for half in (item.keys(), item.values()) if not _plain(half) for p in half]
    if isinstance(item, (list, tuple, set, frozenset)):
        return () if _plain(item) else item
    if hasattr(type(item), "__dataclass_fields__"):
        return [getattr(item, name, None) for name in type(item).__dataclass_fields__]
    return ()


def _plain(items: Iterable[Any]) -> bool:
    return set(map(type, items)) <= {int, float, bool, complex, bytes, type(None)}
