"""The value of an expression that is made of constants, worked out without running any code of the user's.

Numbers, texts, containers, names of such, arithmetic, f-strings, paths, environment variables, dates, small arrays.
Whatever else there is raises `NotConstant`, so that nothing is ever guessed.
"""

from __future__ import annotations

import ast
import operator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_MOST = 100_000  # items, or characters
_PLAIN = (str, bytes, int, float, complex, bool, tuple, list, dict, set, frozenset, type(None))
_BUILTINS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (
        abs, bool, bytes, complex, dict, divmod, float, frozenset, int, len, list, max, min, range, repr, reversed,
        round, set, slice, sorted, str, sum, tuple, zip, enumerate,
    )
}  # fmt: skip
# functions and constants of modules that give the same for the same, or what a program that starts now would get
_KNOWN: dict[str, frozenset[str]] = {
    "math": frozenset({
        "pi", "e", "tau", "inf", "nan", "sqrt", "exp", "log", "log2", "log10", "sin", "cos", "tan", "radians",
        "degrees", "floor", "ceil", "pow", "prod", "comb", "gcd", "hypot",
    }),
    "datetime": frozenset({"date", "datetime", "time", "timedelta", "timezone"}),
    "decimal": frozenset({"Decimal"}),
    "fractions": frozenset({"Fraction"}),
    "collections": frozenset({"OrderedDict", "Counter", "ChainMap"}),
    "types": frozenset({"SimpleNamespace", "MappingProxyType"}),
    "re": frozenset({"compile", "IGNORECASE", "MULTILINE", "DOTALL", "VERBOSE", "I", "M", "S", "X"}),
    "pathlib": frozenset({"Path", "PurePath", "PurePosixPath", "PosixPath"}),
    "os": frozenset({"environ", "getenv", "sep", "linesep", "pathsep", "name", "curdir", "devnull"}),
    "os.path": frozenset({"join", "dirname", "basename", "abspath", "normpath", "splitext", "expanduser"}),
    "sys": frozenset({"platform", "version_info", "maxsize", "byteorder"}),
    "typing": frozenset({"TYPE_CHECKING"}),
    "string": frozenset({"ascii_letters", "ascii_lowercase", "ascii_uppercase", "digits", "punctuation", "hexdigits"}),
    "numpy": frozenset({
        "pi", "e", "inf", "nan", "array", "asarray", "arange", "linspace", "logspace", "zeros", "ones", "full", "eye",
        "float64", "float32", "int64", "int32", "uint8", "bool_", "deg2rad", "rad2deg",
    }),
}  # fmt: skip
_METHODS = {
    str: frozenset({
        "split", "rsplit", "join", "strip", "lstrip", "rstrip", "upper", "lower", "title", "format", "replace",
        "splitlines", "encode", "startswith", "endswith", "zfill", "removeprefix", "removesuffix", "partition",
        "rpartition", "count", "index", "find", "capitalize", "casefold", "ljust", "rjust", "center",
    }),
    bytes: frozenset({"decode", "hex", "split", "strip"}),
    dict: frozenset({"get", "keys", "values", "items", "copy", "fromkeys"}),
    list: frozenset({"index", "count", "copy"}),
    tuple: frozenset({"index", "count"}),
    set: frozenset({"union", "intersection", "difference", "copy"}),
    frozenset: frozenset({"union", "intersection", "difference"}),
    int: frozenset({"bit_length"}),
}  # fmt: skip
_PATH = frozenset({
    "parent", "parents", "name", "stem", "suffix", "suffixes", "parts", "joinpath", "with_name", "with_suffix",
    "with_stem", "as_posix", "anchor", "root", "relative_to", "is_absolute", "absolute", "resolve", "expanduser",
})  # fmt: skip
_ENVIRON = frozenset({"get"})
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_, ast.Invert: operator.invert,
}  # fmt: skip
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_, ast.BitXor: operator.xor, ast.LShift: operator.lshift, ast.RShift: operator.rshift,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
_CONVERT: dict[int, Callable[[Any], str]] = {115: str, 114: repr, 97: ascii}


class NotConstant(Exception):  # noqa: N818 - an answer, not a fault
    """An expression is more than constants; `args` says which part."""


class Evaluation:
    """Works out expressions.

    name: the value of a name that is not a local one, or NotConstant; known: the dotted name, of a module that is not
    the user's, that a chain leads to, or nothing.
    """

    def __init__(self, name: Callable[[str], Any], known: Callable[[ast.expr], str]) -> None:
        self._name = name
        self._known = known
        self._locals: dict[str, Any] = {}

    def value(self, node: ast.expr) -> Any:
        """The value of an expression; NotConstant if there is any doubt."""
        try:
            found = self._of(node)
            if _size_of(found) > _MOST:
                raise NotConstant(ast.unparse(node)[:60])
            return found
        except (NotConstant, KeyboardInterrupt):
            raise
        except Exception:  # the program would get it too, or another one
            raise NotConstant(ast.unparse(node)[:60]) from None

    def _of(self, node: ast.expr) -> Any:
        rule = _RULES.get(type(node))
        if rule is None:
            raise NotConstant(ast.unparse(node)[:60])
        return rule(self, node)

    def _constant(self, node: ast.Constant) -> Any:
        return node.value

    def _named(self, node: ast.Name) -> Any:
        if node.id in self._locals:
            return self._locals[node.id]
        known = self._known(node)
        return _found(known) if known else self._name(node.id)

    def _items(self, nodes: list[ast.expr]) -> Iterator[Any]:
        for each in nodes:
            if isinstance(each, ast.Starred):
                yield from self._of(each.value)
            else:
                yield self._of(each)

    def _dict(self, node: ast.Dict) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                made.update(self._of(value))
            else:
                made[self._of(key)] = self._of(value)
        return made

    def _binary(self, node: ast.BinOp) -> Any:
        left, right = self._of(node.left), self._of(node.right)
        if isinstance(node.op, (ast.Pow, ast.LShift)) and not (abs(left) < 1e6 and abs(right) < 1000):
            raise NotConstant(ast.unparse(node)[:60])
        if isinstance(node.op, ast.Mult) and _size_of(left) * _size_of(right) > _MOST:
            raise NotConstant(ast.unparse(node)[:60])
        return _BINARY[type(node.op)](left, right)  # matrices are not there: KeyError says so

    def _boolean(self, node: ast.BoolOp) -> Any:
        found = None
        for each in node.values:
            found = self._of(each)
            if bool(found) is isinstance(node.op, ast.Or):
                break
        return found

    def _compare(self, node: ast.Compare) -> bool:
        left = self._of(node.left)
        for op, each in zip(node.ops, node.comparators, strict=True):
            right = self._of(each)
            if not _COMPARE[type(op)](left, right):
                return False
            left = right
        return True

    def _text(self, node: ast.JoinedStr) -> str:
        return "".join(map(str, map(self._of, node.values)))

    def _formatted(self, node: ast.FormattedValue) -> str:
        value = self._of(node.value)
        value = _CONVERT[node.conversion](value) if node.conversion > 0 else value
        return format(value, self._of(node.format_spec) if node.format_spec is not None else "")

    def _subscript(self, node: ast.Subscript) -> Any:
        return self._of(node.value)[self._of(node.slice)]

    def _slice(self, node: ast.Slice) -> slice:
        return slice(*(None if each is None else self._of(each) for each in (node.lower, node.upper, node.step)))

    def _attribute(self, node: ast.Attribute) -> Any:
        known = self._known(node)
        if known:
            return _found(known)
        owner = self._of(node.value)
        if node.attr not in _allowed(owner):
            raise NotConstant(ast.unparse(node)[:60])
        return getattr(owner, node.attr)

    def _call(self, node: ast.Call) -> Any:
        args = list(self._items(node.args))
        keywords: dict[str, Any] = {}
        for each in node.keywords:
            keywords.update({each.arg: self._of(each.value)} if each.arg else self._of(each.value))
        if isinstance(node.func, ast.Name) and node.func.id in _BUILTINS and not self._known(node.func):
            self._is_builtin(node.func.id)
            if node.func.id in ("range", "list", "tuple") and any(_size_of(each) > _MOST for each in args):
                raise NotConstant(ast.unparse(node)[:60])
            return _BUILTINS[node.func.id](*args, **keywords)
        return self._of(node.func)(*args, **keywords)

    def _is_builtin(self, name: str) -> None:
        """NotConstant if the user has another thing of that name."""
        try:
            self._name(name)
        except LookupError:
            return
        raise NotConstant(name)

    def _comprehension(self, node: Any) -> Any:
        if isinstance(node, ast.DictComp):
            return {self._of(node.key): self._of(node.value) for _ in self._loops(node.generators)}
        make = {ast.ListComp: list, ast.SetComp: set, ast.GeneratorExp: list}[type(node)]
        return make(self._of(node.elt) for _ in self._loops(node.generators))

    def _loops(self, generators: list[ast.comprehension]) -> Iterator[None]:
        if not generators:
            yield None
            return
        first, rest = generators[0], generators[1:]
        for count, item in enumerate(self._of(first.iter)):
            if count > _MOST:
                raise NotConstant("a long loop")
            self._assign(first.target, item)
            if all(self._of(test) for test in first.ifs):
                yield from self._loops(rest)

    def _assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self._locals[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            for each, part in zip(target.elts, value, strict=True):
                self._assign(each, part)
        else:
            raise NotConstant(ast.unparse(target)[:60])


def _size_of(value: Any) -> int:
    if isinstance(value, (str, bytes, list, tuple, dict, set, frozenset, range)):
        return len(value)
    return int(getattr(value, "size", 1) or 1) if type(value).__module__ == "numpy" else 1


def _allowed(owner: Any) -> frozenset[str]:
    """The attributes of a value that give the same for the same, and touch nothing."""
    import os
    from pathlib import PurePath

    if isinstance(owner, PurePath):
        return _PATH
    if owner is os.environ:
        return _ENVIRON
    return _METHODS.get(type(owner), frozenset())


def _found(known: str) -> Any:
    """What a dotted name of a library stands for, if that is one of those that are safe to ask for."""
    from importlib import import_module

    module, _, name = known.rpartition(".")
    if name not in _KNOWN.get(module, ()):
        if known in _KNOWN:
            return _Module(known)
        outer, _, inner = module.rpartition(".")
        if outer == "os" and inner == "environ" and name in _ENVIRON:
            return getattr(import_module(outer).environ, name)
        if inner and inner in _KNOWN.get(outer, ()) and name in ("today", "now"):
            raise NotConstant(known)
        if outer == "datetime" and inner in _KNOWN["datetime"]:
            return getattr(getattr(import_module(outer), inner), name)
        raise NotConstant(known)
    return getattr(import_module(module), name)


class _Module:
    """A library as a value: nothing is made of it."""

    def __init__(self, name: str) -> None:
        self.name = name


_RULES: dict[type[ast.AST], Callable[[Evaluation, Any], Any]] = {
    ast.Constant: Evaluation._constant,
    ast.Name: Evaluation._named,
    ast.Tuple: lambda self, node: tuple(self._items(node.elts)),
    ast.List: lambda self, node: list(self._items(node.elts)),
    ast.Set: lambda self, node: set(self._items(node.elts)),
    ast.Dict: Evaluation._dict,
    ast.UnaryOp: lambda self, node: _UNARY[type(node.op)](self._of(node.operand)),
    ast.BinOp: Evaluation._binary,
    ast.BoolOp: Evaluation._boolean,
    ast.Compare: Evaluation._compare,
    ast.IfExp: lambda self, node: self._of(node.body if self._of(node.test) else node.orelse),
    ast.JoinedStr: Evaluation._text,
    ast.FormattedValue: Evaluation._formatted,
    ast.Subscript: Evaluation._subscript,
    ast.Slice: Evaluation._slice,
    ast.Attribute: Evaluation._attribute,
    ast.Call: Evaluation._call,
    ast.ListComp: Evaluation._comprehension,
    ast.SetComp: Evaluation._comprehension,
    ast.DictComp: Evaluation._comprehension,
    ast.GeneratorExp: Evaluation._comprehension,
}
