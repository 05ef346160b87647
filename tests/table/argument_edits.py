"""Edits of arguments: which values are the same call, and which are another.

An entry reads: name, argument before, argument after. `f(x)` shows what a body can see of its argument, so
a wrong hit gives a wrong value too.
"""

from __future__ import annotations

from tests.table.harness import Case, call, env, function, module, sub

SETUP = """
import array, collections, copy, dataclasses, datetime as dt, decimal, enum, fractions, functools, uuid, zoneinfo
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd

import m
"""
PLAIN = "(type(x).__name__, repr(x))"
ARRAY = "(x.tolist(), str(x.dtype), x.shape)"
FRAME = "(repr(x), str(x.dtypes), repr(x.index), repr(x.columns))"
SERIES = "(repr(x), repr(x.index), repr(x.dtype))"


def argument(name: str, before: str, after: str, runs: str, returns: str, source: str, setup: str) -> Case:
    files = {"m.py": module(source, function(returns))}
    return Case(name, files, call(f"m.f({after})"), runs, f"m.f({before})", SETUP + setup)


def other(name: str, before: str, after: str, returns: str = PLAIN, source: str = "", setup: str = "") -> Case:
    """Another call: f runs."""
    return argument(name, before, after, "f", returns, source, setup)


def equal(name: str, before: str, after: str, returns: str = PLAIN, source: str = "", setup: str = "") -> Case:
    """The same call: a hit."""
    return argument(name, before, after, "", returns, source, setup)


def binding(name: str, args: str, before: str, after: str, runs: str, returns: str = "x", options: str = "") -> Case:
    return Case(name, {"m.py": function(returns, args, options)}, call(f"m.f({after})"), runs, f"m.f({before})")


def seeds(name: str, argument: str, returns: str, source: str = "") -> Case:
    """The same call in interpreters with other hash seeds."""
    files = {"m.py": module(source, function(returns))}
    return Case(name, files, env(PYTHONHASHSEED="2"), "", f"m.f({argument})", env={"PYTHONHASHSEED": "1"}, fresh=True)


BINDING = [
    binding("positional or by keyword", "x", "3", "x=3", ""),
    binding("default given explicitly", "x, k=1", "3", "3, 1", "", "x + k"),
    binding("default given by keyword", "x, k=1", "3", "3, k=1", "", "x + k"),
    binding("default overridden", "x, k=1", "3", "3, 2", "f", "x + k"),
    binding("order of keywords", "x, y", "x=1, y=2", "y=2, x=1", "", "x - y"),
    binding("order of **kwargs", "**kw", "a=1, b=2", "b=2, a=1", "", "sorted(kw.items())"),
    binding("name in **kwargs", "**kw", "a=1", "b=1", "f", "kw"),
    binding("value in **kwargs", "**kw", "a=1", "a=2", "f", "kw"),
    binding("order of *args", "*xs", "1, 2", "2, 1", "f", "xs"),
    binding("*args or one tuple", "*xs", "1, 2", "(1, 2)", "f", "xs"),
    binding("values swapped", "x, y", "1, 2", "2, 1", "f", "(x, y)"),
    binding("ignore_args, another value", "x, log", "3, 'a'", "3, 'b'", "", "(log, x)[1]", "ignore_args=['log']"),
    binding(
        "ignore_args, the other argument",
        "x, log",
        "3, 'a'",
        "4, 'a'",
        "f",
        "(log, x)[1]",
        "ignore_args=['log']",
    ),
    binding("ignore_args, by keyword", "x, log='a'", "3", "3, log='b'", "", "(log, x)[1]", "ignore_args=['log']"),
    binding("ignore_args, in **kwargs", "x, **kw", "3", "3, log='b'", "", "x", "ignore_args=['log']"),
]

PLAIN_VALUES = [
    other("int", "1", "2"),
    other("1 and 1.0", "1", "1.0"),
    other("1 and True", "1", "True"),
    other("1.0 and True", "1.0", "True"),
    other("1 and 1.0 in a list", "[1]", "[1.0]"),
    other("0 and False as a dict key", "{0: 'a'}", "{False: 'a'}"),
    other("0.0 and -0.0", "0.0", "-0.0"),
    other("0.0 and -0.0 in a tuple", "(0.0,)", "(-0.0,)"),
    other("complex, sign of a zero", "complex(0.0, 1.0)", "complex(-0.0, 1.0)"),
    equal("nan equals nan", "float('nan')", "-float('nan') + 1"),
    equal("nan in a list", "[float('nan')]", "[np.nan]"),
    other("large int", "2**200", "2**200 + 1"),
    other("None and 'None'", "None", "'None'"),
    other("1 and '1'", "1", "'1'"),
    other("str", "'a'", "'b'"),
    other("bytes and str", "b'a'", "'a'"),
    other("bytes and bytearray", "b'a'", "bytearray(b'a')"),
    other("composed and decomposed letter", "'\\u00e9'", "'e\\u0301'", "len(x)"),
    equal("str made at run time", "'word'", "''.join(['wo', 'rd'])"),
    other("Decimal", "Decimal('1.1')", "Decimal('1.2')"),
    other("Decimal, its zeros", "Decimal('1.0')", "Decimal('1.00')"),
    equal("Decimal, equal", "Decimal('1.1')", "Decimal(11) / 10"),
    other("Decimal and float", "Decimal('0.5')", "0.5"),
    other("Fraction", "fractions.Fraction(1, 2)", "fractions.Fraction(1, 3)"),
    other("datetime", "dt.datetime(2024, 1, 1)", "dt.datetime(2024, 1, 2)"),
    other("datetime, timezone given", "dt.datetime(2024, 1, 1)", "dt.datetime(2024, 1, 1, tzinfo=dt.UTC)"),
    other(
        "datetime, another timezone",
        "dt.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'))",
        "dt.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo('Europe/London'))",
    ),
    equal(
        "datetime, equal",
        "dt.datetime(2024, 1, 1, tzinfo=dt.UTC)",
        "dt.datetime(2024, 1, 1, 0, tzinfo=dt.timezone.utc)",
    ),
    other(
        "datetime, its fold",
        "dt.datetime(2024, 10, 27, 2, 30, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'))",
        "dt.datetime(2024, 10, 27, 2, 30, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'), fold=1)",
        "str(x.utcoffset())",
    ),
    other("lone surrogate", "'\\ud800'", "'\\ud801'"),
    other("array.array", "array.array('b', [1])", "array.array('h', [1])"),
    other("datetime and date", "dt.datetime(2024, 1, 1)", "dt.date(2024, 1, 1)"),
    other("timedelta", "dt.timedelta(1)", "dt.timedelta(2)"),
    equal("timedelta, equal", "dt.timedelta(1)", "dt.timedelta(hours=24)"),
    other("range", "range(3)", "range(4)"),
    other("slice", "slice(1, 2)", "slice(1, 3)"),
    other("UUID", "uuid.UUID(int=1)", "uuid.UUID(int=2)"),
    other("Path and str", "Path('a.txt')", "'a.txt'"),
    other("Path", "Path('a/b')", "Path('a/c')"),
    other("type", "int", "float"),
    other("builtin function", "min", "max", "x([1, 2])"),
    other("numpy function", "np.sum", "np.mean", "x([1, 2])"),
]

CONTAINERS = [
    other("order of a list", "[1, 2]", "[2, 1]"),
    other("order of a dict", "{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"),
    other("order of a nested dict", "[{'a': 1, 'b': 2}]", "[{'b': 2, 'a': 1}]"),
    equal("order of a set", "{1, 2, 33}", "{33, 2, 1}", "sorted(x)"),
    equal("order of a set with collisions", "{8, 0, 16}", "{16, 8, 0}", "sorted(x)"),
    equal("order of a nested set", "{'a': [{'b', 'c', 'd'}]}", "{'a': [{'d', 'c', 'b'}]}", "sorted(x['a'][0])"),
    other("member of a set", "{1, 2}", "{1, 3}", "sorted(x)"),
    other("frozenset", "frozenset({1, 2})", "frozenset({1, 3})", "sorted(x)"),
    other("frozenset and set", "frozenset({1})", "{1}"),
    equal(
        "set of frozensets",
        "{frozenset({1, 2}), frozenset({3})}",
        "{frozenset({3}), frozenset({2, 1})}",
        "sorted(sorted(y) for y in x)",
    ),
    other("set of 1 and of 1.0", "{1}", "{1.0}"),
    equal("set of values that do not compare", "{1, 'a', None}", "{None, 'a', 1}", "sorted(map(repr, x))"),
    other("list and tuple", "[1]", "(1,)"),
    other("empty containers", "[]", "()"),
    other("nesting", "[[1], [2]]", "[[1, 2]]"),
    other("deep value", "{'a': [(1, {'b': 2})]}", "{'a': [(1, {'b': 3})]}"),
    equal("[a, a] and [a, copy(a)]", "[A, A]", "[A, copy.copy(A)]", setup="A = [1, 2]"),
    equal("[a, a] and [a, copy(a)], arrays", "[A, A]", "[A, A.copy()]", setup="A = np.arange(3)"),
    equal("[s, s] and [s, equal s]", "['word!', 'word!']", "['word!', ''.join(['word', '!'])]"),
    equal(
        "shared value in an object",
        "m.C([A, A])",
        "m.C([A, list(A)])",
        "x.n",
        "class C:\n    def __init__(self, n):\n        self.n = n\n",
        "A = [1]",
    ),
    other(
        "namedtuple and tuple",
        "m.P(1, 2)",
        "(1, 2)",
        source="import collections\n\nP = collections.namedtuple('P', 'a b')",
    ),
    other(
        "field of a namedtuple",
        "m.P(1, 2)",
        "m.P(1, 3)",
        source="import collections\n\nP = collections.namedtuple('P', 'a b')",
    ),
    other("OrderedDict and dict", "collections.OrderedDict(a=1)", "dict(a=1)"),
    other("order of an OrderedDict", "collections.OrderedDict(a=1, b=2)", "collections.OrderedDict(b=2, a=1)"),
    other("Counter", "collections.Counter('aab')", "collections.Counter('abb')", "sorted(x.items())"),
    other("deque", "collections.deque([1, 2])", "collections.deque([2, 1])"),
    other("defaultdict", "collections.defaultdict(list, a=[1])", "collections.defaultdict(list, a=[2])"),
    other("default of a defaultdict", "collections.defaultdict(list)", "collections.defaultdict(int)", "x['a']"),
    other(
        "list that holds itself",
        "loop(1)",
        "loop(2)",
        "(x[0], x[1] is x)",
        "",
        "def loop(n):\n    a = [n]\n    a.append(a)\n    return a\n",
    ),
    other("long list, one value", "list(range(100_000))", "[*range(99_999), -1]", "sum(x)"),
    seeds("set of str under another hash seed", "{'a', 'b', 'c', 'd', 'e'}", "sorted(x)"),
    seeds(
        "set in an object under another hash seed",
        "m.C({'a', 'b', 'c', 'd', 'e'})",
        "sorted(x.names)",
        "class C:\n    def __init__(self, names):\n        self.names = names\n",
    ),
    seeds(
        "dict with frozenset keys under another hash seed",
        "{frozenset(['a', 'b', 'c']): frozenset(['d', 'e', 'f'])}",
        "[(sorted(k), sorted(v)) for k, v in x.items()]",
    ),
    seeds(
        "set constant in code under another hash seed",
        "'c'",
        "h(x)",
        "def h(x):\n    return x in {'a', 'b', 'c', 'd', 'e'}\n",
    ),
    seeds("global set under another hash seed", "'c'", "x in NAMES", "NAMES = {'a', 'b', 'c', 'd', 'e'}"),
    seeds(
        "default set under another hash seed",
        "'c'",
        "h(x)",
        "def h(x, names=frozenset({'a', 'b', 'c', 'd', 'e'})):\n    return x in names\n",
    ),
    seeds(
        "class with many members under another hash seed",
        "3",
        "C(x).total()",
        """
class C:
    __slots__ = ("n",)
    KINDS = {"a", "b", "c"}

    def __init__(self, n):
        self.n = n

    def total(self):
        return self.n + len(self.KINDS)
""",
    ),
    seeds(
        "singledispatch under another hash seed",
        "3",
        "h(x)",
        "import functools\n\n@functools.singledispatch\ndef h(x):\n    return None\n\n"
        "@h.register(int)\n@h.register(str)\n@h.register(float)\ndef _(x):\n    return x\n",
    ),
]

POINT = """
from dataclasses import dataclass, field

@dataclass
class P:
    a: int
    b: list = field(default_factory=list)
"""
CLASS = """
class C:
    def __init__(self, n):
        self.n = n

    def go(self, k=1):
        return self.n + k
"""
SLOTS = """
class C:
    __slots__ = ("n",)

    def __init__(self, n):
        self.n = n
"""
TOKEN = (
    CLASS
    + """
    def __dask_tokenize__(self):
        return ("C", self.n)
"""
)
TREE = """
class Node:
    def __init__(self, n, parent=None):
        self.n, self.parent, self.children = n, parent, []

def tree(n):
    root = Node(0)
    root.children.append(Node(n, root))
    return root
"""
LIST = """
class L(list):
    pass

def make(n):
    made = L([1])
    made.n = n
    return made
"""
COLOUR = """
import enum

class Colour(enum.Enum):
    RED = 1
    BLUE = 2
"""


def code_of_argument(name: str, source: str, argument: str, edit: str, returns: str = "x(3)", runs: str = "f") -> Case:
    return Case(name, {"m.py": module(source, function(returns))}, sub(edit), runs, f"m.f({argument})")


def code_in_script(name: str, setup: str, argument: str, edit: str, returns: str = "x(3)", runs: str = "f") -> Case:
    """The code that is edited stands in the script, not in the module of f."""
    setup = "import functools\nimport m\n\n" + setup
    return Case(name, {"m.py": function(returns)}, sub(edit, "script.py"), runs, f"m.f({argument})", setup)


OBJECTS = [
    other("dataclass field", "m.P(1)", "m.P(2)", "(x.a, x.b)", POINT),
    other("nested value of a dataclass", "m.P(1, [1])", "m.P(1, [2])", "(x.a, x.b)", POINT),
    equal("dataclass, equal", "m.P(1, [2])", "dataclasses.replace(m.P(5, [2]), a=1)", "(x.a, x.b)", POINT),
    other("enum member", "m.Colour.RED", "m.Colour.BLUE", "x.value", COLOUR),
    equal("enum member by value", "m.Colour.RED", "m.Colour(1)", "x.value", COLOUR),
    other("enum member and its value", "m.Colour.RED", "1", "str(x)", COLOUR),
    other("state of an object", "m.C(1)", "m.C(2)", "x.n", CLASS),
    equal("object, equal state", "m.C([1])", "m.C([1])", "x.n", CLASS),
    other("slots of an object", "m.C(1)", "m.C(2)", "x.n", SLOTS),
    other("class of an object", "m.C(1)", "m.D(1)", "type(x).__name__", CLASS + "\nclass D(C):\n    pass\n"),
    equal(
        "order in which attributes were set",
        "m.C(1)",
        "late()",
        "(x.n, x.k)",
        "class C:\n    def __init__(self, n, k=2):\n        self.n, self.k = n, k\n",
        "def late():\n    c = m.C(1)\n    return copy.deepcopy(c)\n",
    ),
    other("__dask_tokenize__, another token", "m.C(1)", "m.C(2)", "x.n", TOKEN),
    equal("__dask_tokenize__, equal token", "m.C(1)", "m.C(1)", "x.n", TOKEN),
    other("bound method, its object", "m.C(1).go", "m.C(2).go", "x()", CLASS),
    other("tree with parent pointers", "m.tree(1)", "m.tree(2)", "x.children[0].n", TREE),
    equal("tree with parent pointers, equal", "m.tree(1)", "m.tree(1)", "x.children[0].n", TREE),
    other("subclass of int and int", "m.N(1)", "1", source="class N(int):\n    pass\n"),
    other("attribute of a subclass of list", "m.make(1)", "m.make(2)", "(list(x), x.n)", LIST),
    other("argument of a partial", "functools.partial(pow, 2)", "functools.partial(pow, 3)", "x(3)"),
    other("lambda", "lambda y: y + 1", "lambda y: y + 2", "x(3)"),
    equal("lambda, the same", "lambda y: y + 1", "lambda y: y + 1", "x(3)"),
    other(
        "closure value of a lambda",
        "make(1)",
        "make(2)",
        "x(3)",
        "",
        "def make(n):\n    return lambda y: y + n\n",
    ),
    other(
        "two lambdas on one line",
        "PAIR[0]",
        "PAIR[1]",
        "x(3)",
        "",
        "PAIR = [lambda y: y + 1, lambda y: y + 2]\n",
    ),
    other("two functions", "m.g", "m.h", "x(3)", "def g(y):\n    return y + 1\n\ndef h(y):\n    return y + 2\n"),
    other("module", "np", "decimal", "x.__name__"),
    code_of_argument("function passed as argument edited", "def g(y):\n    return y + 1\n", "m.g", "y + 1 => y + 2"),
    code_of_argument(
        "helper of a function passed as argument",
        "def h(y):\n    return y + 1\n\ndef g(y):\n    return h(y)\n",
        "m.g",
        "y + 1 => y + 2",
    ),
    code_of_argument(
        "comment in a function passed as argument",
        "def g(y):\n    return y + 1\n",
        "m.g",
        "y + 1 => y + 1  # one",
        runs="",
    ),
    code_of_argument("class passed as argument edited", CLASS, "m.C", "self.n + k => self.n - k", "x(3).go()"),
    code_of_argument("instance whose class's method was edited", CLASS, "m.C(3)", "self.n + k => self.n - k", "x.go()"),
    code_of_argument(
        "instance whose base class's method was edited",
        CLASS + "\nclass D(C):\n    pass\n",
        "m.D(3)",
        "self.n + k => self.n - k",
        "x.go()",
    ),
    code_of_argument(
        "instance whose class attribute was edited", "class C:\n    n = 1\n", "m.C()", "n = 1 => n = 2", "x.n"
    ),
    code_of_argument(
        "instance in a list in a dict", CLASS, "{'a': [m.C(3)]}", "self.n + k => self.n - k", "x['a'][0].go()"
    ),
    code_of_argument("bound method edited", CLASS, "m.C(3).go", "self.n + k => self.n - k", "x()"),
    code_of_argument(
        "method of a dataclass argument",
        POINT + "\n    def go(self):\n        return self.a + 1\n",
        "m.P(1)",
        "self.a + 1 => self.a + 2",
        "x.go()",
    ),
    code_of_argument(
        "__dask_tokenize__'d instance, method edited", TOKEN, "m.C(3)", "self.n + k => self.n - k", "x.go()"
    ),
    code_in_script("lambda argument edited", "", "lambda y: y + 1", "y + 1 => y + 2"),
    code_in_script("function of the script edited", "def g(y):\n    return y + 1\n", "g", "y + 1 => y + 2"),
    code_in_script(
        "function in a partial edited",
        "def g(k, y):\n    return y + k\n",
        "functools.partial(g, 1)",
        "y + k => y - k",
    ),
    code_in_script(
        "class of the script edited",
        "class C:\n    def go(self):\n        return 1\n",
        "C()",
        "return 1 => return 2",
        "x.go()",
    ),
    code_in_script(
        "function in a dict edited",
        "def g(y):\n    return y + 1\n",
        "{'g': [g]}",
        "y + 1 => y + 2",
        "x['g'][0](3)",
    ),
    code_in_script(
        "global of a function passed as argument",
        "N = 1\n\ndef g(y):\n    return y + N\n",
        "g",
        "N = 1 => N = 2",
    ),
    code_in_script(
        "function moved down in the script",
        "def g(y):\n    return y + 1\n",
        "g",
        "def g(y): => N = 1\n\n\ndef g(y):",
        runs="",
    ),
]

CASES: list[Case] = BINDING + PLAIN_VALUES + CONTAINERS + OBJECTS
