"""Binding arguments to the signature, and the key that names a call.

Which parameters count, what their values are, and which files they name.
"""

from __future__ import annotations

from xxhash import xxh3_128, xxh3_128_hexdigest

from cachepy.errors import UndigestableError, UsageValueError
from cachepy.values.digest import Digester, References
from cachepy.values.flat import MARSHAL, NUMBERS, SHORT, flat_stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

_VARARGS, _VARKEYWORDS = 4, 8
LONG = 4096  # characters of an argument that is no short one
_SMALL = 1 << 12  # bytes that are copied sooner than digested in two steps


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

    def head(self) -> str:
        """The parameters as the text of a function has them; real defaults are put in afterwards."""
        head = [f"{n}=None" for n in self.positional]
        if self.positional_only:
            head.insert(len(self.positional_only), "/")
        if self.rest:
            head.append(f"*{self.rest}")
        elif self.keyword_only:
            head.append("*")
        head += [f"{n}=None" for n in self.keyword_only]
        if self.var_keyword:
            head.append(f"**{self.var_keyword}")
        return ", ".join(head)


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

    def __init__(
        self,
        fn: Any,
        ignore_args: frozenset[str],
        file_args: frozenset[str] | None,
        changes: Iterable[str] = (),
        outputs: Iterable[str] = (),
    ) -> None:
        self.signature = signature_of(fn)
        self.file_args = file_args
        self.ignore = ignore_args
        _check_names(fn, self.signature, "ignore_args", ignore_args)
        _check_names(fn, self.signature, "file_args", file_args or ())
        _check_names(fn, self.signature, "changes", changes)
        _check_names(fn, self.signature, "outputs", outputs)
        ignored = sorted(ignore_args & {*changes})
        if ignored:
            raise UsageValueError(
                f"changes={ignored!r} of {fn.__qualname__} is in ignore_args too: what an argument becomes cannot be "
                f"stored if what it was does not count. Take it out of one of them"
            )
        self.names = tuple(n for n in self.signature.names if n not in ignore_args)
        self.gathers = bool({self.signature.rest, self.signature.var_keyword} & {*self.names})
        self._own = "_" * (1 + max(map(len, self.signature.names), default=0))  # begins names that are no parameter's
        more = self.signature.var_keyword
        values = "".join(f"{self._own}({n}), " if n == more else f"{n}, " for n in self.names)
        self.bind: Callable[..., tuple[Any, ...]] = self._compile(f"return ({values})", {"": self._sorted})

    def has_defaults_of(self, fn: Any) -> bool:
        """Whether the defaults of the function are still those that are bound."""
        return self.bind.__defaults__ is fn.__defaults__ and self.bind.__kwdefaults__ is fn.__kwdefaults__

    def _compile(self, body: str, own: dict[str, Any]) -> Any:
        """A function with the same parameters; in its body each name of `own` begins with `_own`."""
        scope = {self._own + name: value for name, value in own.items()}
        exec(f"def bind({self.signature.head()}): {body}", scope)  # names of parameters only
        bind = scope["bind"]
        bind.__defaults__ = self.signature.fn.__defaults__
        bind.__kwdefaults__ = self.signature.fn.__kwdefaults__
        bind.__name__ = bind.__qualname__ = self.signature.fn.__qualname__  # so that a TypeError names the function
        return bind

    def finder(self, tables: Any, write: Any, write_paths: Any) -> Any:
        """What takes the arguments and looks them up by their types, then by their bytes.

        tables: types -> (whether `write` makes the bytes, else `write_paths`; bytes -> what is looked for; which are
        texts, that may be too long).
        """
        own, values = self._own, "".join(f"{n}, " for n in self.names)
        kinds = "".join(f"{own}type({n}), " for n in self.names)
        is_long = " or ".join(f"{own}row[2][{i}] and {own}len({n}) > {LONG}" for i, n in enumerate(self.names)) or "0"
        body = (
            f"\n {own}row = {own}tables.get(({kinds}))\n if {own}row is None or {is_long}: return None"
            f"\n return {own}row[1].get({own}write(({values}), {MARSHAL}) if {own}row[0] else {own}paths(({values})))"
        )
        return self._compile(body, {"type": type, "len": len, "tables": tables, "write": write, "paths": write_paths})

    def _sorted(self, keywords: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
        counted = {str.__str__(name): value for name, value in keywords.items() if name not in self.ignore}
        return tuple((name, counted[name]) for name in sorted(counted))

    def named(self, values: tuple[Any, ...]) -> Iterable[tuple[str, Any]]:
        """(argument name, value); ``*rest`` as rest[0], rest[1], ..., ``**more`` by keyword."""
        return self._spread(values) if self.gathers else zip(self.names, values, strict=True)

    def _spread(self, values: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
        for name, value in zip(self.names, values, strict=True):
            if name == self.signature.rest:
                yield from ((f"{name}[{i}]", v) for i, v in enumerate(value))
            elif name == self.signature.var_keyword:
                yield from value
            else:
                yield name, value

    def files(
        self, values: tuple[Any, ...], digester: Digester, known: References | None = None
    ) -> dict[str, tuple[str, bool]]:
        """Path as given -> (argument, whether it surely is meant as a path).

        known: what `make_key` found, which spares reading large values again.
        """
        found: dict[str, tuple[str, bool]] = {}
        if self.file_args is not None and not self.file_args:
            return found
        from cachepy.values.paths import paths_in

        for name, value in self.named(values):
            if type(value) in NUMBERS:
                continue
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


def make_key(prefix: bytes, values: tuple[Any, ...], digester: Digester) -> tuple[str, References | None]:
    """The digest that names a call: the function's identity and the bound arguments.

    Also the code, the packages and the paths that the arguments refer to; None if these are numbers and texts only.
    """
    stream = flat_stream(values)
    if stream is not None and len(stream) <= SHORT:
        return xxh3_128_hexdigest(prefix + stream), None
    found = None if stream is not None else References()
    stream = digester.composed(values, found or References())
    if len(stream) < _SMALL:
        return xxh3_128_hexdigest(prefix + stream), found
    hasher = xxh3_128(prefix)
    hasher.update(stream)
    return hasher.hexdigest(), found


def culprit(binder: Binder, values: tuple[Any, ...], digester: Digester) -> str:
    """The name of the first argument that has no digest, and why."""
    for name, value in binder.named(values):
        try:
            digester.digest(value)
        except UndigestableError as error:
            return f"{name!r} ({error})"
    return "together"
