"""Rows of source_rows about the code of a function itself, and what is bound to it."""

from __future__ import annotations

CHANGED = "changed"  # calls run, and status says stale
SAME = "same"  # nothing runs, and status says fresh
OPEN = "open"  # calls run, and status says stale or unknown: only running the top level would tell
UNTOLD = "untold"  # nothing runs, and status says fresh or unknown, likewise

F = "@cached\ndef f(x):\n    return x + {}\n"
N = F.format("N")
G = F.format("g(x)")

CODE = {
    "its own body": ("@cached\ndef f(x):\n    return x + 1\n", "x + 1", "x + 2", CHANGED),
    "a comment": ("@cached\ndef f(x):\n    return x + 1\n", "    return", "    # why\n    return", SAME),
    "a docstring is added": ("@cached\ndef f(x):\n    return x + 1\n", "    return", "    'why'\n    return", SAME),
    "a docstring is edited": ("@cached\ndef f(x):\n    'why'\n    return x + 1\n", "'why'", "'because'", SAME),
    "a docstring of the module": ("'old'\n@cached\ndef f(x):\n    return x + 1\n", "'old'", "'new'", SAME),
    "formatting": ("@cached\ndef f(x):\n    return x + 1\n", "x + 1", "(\n        x+1\n    )", SAME),
    "lines above": ("@cached\ndef f(x):\n    return x + 1\n", "@cached", "\n\n\n@cached", SAME),
    "a function that nobody calls": (f"{F.format(1)}def h():\n    return 1\n", "return 1", "return 2", SAME),
    "a function is added": (f"A = 1\n{F.format(1)}", "A = 1\n", "A = 1\ndef h(x):\n    return x\n", SAME),
    "a class that nobody uses": (f"class C:\n    x = 1\n{F.format(1)}", "x = 1", "x = 2", SAME),
    "an import that nobody uses": (f"import json\n{F.format(1)}", "import json", "import json, csv", SAME),
    "a variable that nobody reads": (f"M = 1\n{F.format(1)}", "M = 1", "M = 2", SAME),
    "a computed variable that nobody reads": (
        f"def make(n):\n    return n\nM = make(1)\n{F.format(1)}", "make(1)", "make(2)", SAME,
    ),
    "a helper": (f"def g(x):\n    return x\n{G}", "return x\n", "return -x\n", CHANGED),
    "a helper of a helper": (
        f"def h(x):\n    return x\ndef g(x):\n    return h(x)\n{G}", "    return x\n", "    return -x\n", CHANGED,
    ),
    "a name inside a helper": (f"def g(x):\n    y = x\n    return y\n{G}", "y = x\n    return y", "y = -x\n    return y", CHANGED),
    "a helper in another module": (
        f"from .lib import g\n{G}### lib.py\ndef g(x):\n    return x\n", "return x\n", "return -x\n", CHANGED,
    ),
    "a comment in another module": (
        f"from .lib import g\n{G}### lib.py\ndef g(x):\n    return x\n", "def g", "# why\ndef g", SAME,
    ),
    "another function in another module": (
        f"from .lib import g\n{G}### lib.py\ndef g(x):\n    return x\ndef h():\n    return 1\n", "return 1", "return 2", SAME,
    ),
    "a helper of a helper in a third module": (
        f"from .lib import g\n{G}### lib.py\nfrom . import low\ndef g(x):\n    return low.h(x)\n### low.py\ndef h(x):\n    return x\n",
        "    return x\n", "    return -x\n", CHANGED,
    ),
    "a module's attribute": (
        f"from . import lib\n{F.format('lib.g(x)')}### lib.py\ndef g(x):\n    return x\n", "return x\n", "return -x\n", CHANGED,
    ),
    "another attribute of a module": (
        f"from . import lib\n{F.format('lib.g(x)')}### lib.py\ndef g(x):\n    return x\ndef h():\n    return 1\n",
        "return 1", "return 2", SAME,
    ),
    "an absolute import": (
        f"import ROW.lib\n{F.format('ROW.lib.g(x)')}### lib.py\ndef g(x):\n    return x\n", "return x\n", "return -x\n", CHANGED,
    ),
    "an absolute import by another name": (
        f"import ROW.lib as l\n{F.format('l.N')}### lib.py\nN = 1\n", "N = 1", "N = 2", CHANGED,
    ),
    "an import in the body": (
        "@cached\ndef f(x):\n    from .lib import g\n    return g(x)\n### lib.py\ndef g(x):\n    return x\n",
        "return x\n", "return -x\n", CHANGED,
    ),
    "another function than that imported in the body": (
        "@cached\ndef f(x):\n    from .lib import g\n    return g(x)\n### lib.py\ndef g(x):\n    return x\ndef h():\n    return 1\n",
        "return 1", "return 2", SAME,
    ),
    "a constant of a module that the body imports": (
        "@cached\ndef f(x):\n    from . import lib\n    return lib.N\n### lib.py\nN = 1\n", "N = 1", "N = 2", CHANGED,
    ),
    "a name re-exported by a package": (
        f"from .sub import g\n{G}### sub/__init__.py\nfrom .low import g\n### sub/low.py\ndef g(x):\n    return x\n",
        "return x\n", "return -x\n", CHANGED,
    ),
    "a package exports another thing by the name": (
        f"from .sub import g\n{G}### sub/__init__.py\nfrom .low import g\n### sub/low.py\ndef g(x):\n    return x\ndef h(x):\n    return -x\n",
        "import g\n### sub/low.py", "import h as g\n### sub/low.py", CHANGED,
    ),
    "an import two levels up": (
        f"from .a.b import g\n{G}### a/__init__.py\n### a/b.py\nfrom ..lib import g\n### lib.py\ndef g(x):\n    return x\n",
        "return x\n", "return -x\n", CHANGED,
    ),
    "the import of another module": (
        f"from .one import g\n{G}### one.py\ndef g(x):\n    return x\n### two.py\ndef g(x):\n    return -x\n",
        "from .one", "from .two", CHANGED,
    ),
    "the import of the same from elsewhere": (
        f"from .one import g\n{G}### one.py\nfrom .two import g\n### two.py\ndef g(x):\n    return -x\n",
        "from .one", "from .two", SAME,
    ),
    "import *": (f"from .lib import *\n{N}### lib.py\nN = 1\n", "N = 1", "N = 2", CHANGED),
    "import * of another thing": (f"from .lib import *\n{N}### lib.py\nN = 1\nM = 1\n", "M = 1", "M = 2", SAME),
    "import * of a function": (
        f"from .lib import *\n{G}### lib.py\ndef g(x):\n    return x\n", "return x\n", "return -x\n", CHANGED,
    ),
    "import * and __all__ that leaves it out": (
        "N = 1\nfrom .lib import *\n" + N + "### lib.py\n__all__ = ['M']\nN, M = 2, 3\n", "['M']", "['M', 'N']", OPEN,
    ),
    "__all__ without an effect": (
        f"from .lib import N\n{N}### lib.py\n__all__ = ['N']\nN, M = 2, 3\n", "['N']", "['M', 'N']", SAME,
    ),
    "a later import * hides a name": (
        f"from .a import *\nfrom .b import *\n{N}### a.py\nN = 1\n### b.py\nM = 2\n", "M = 2", "N = 2", OPEN,
    ),
    "a class member": (f"class C:\n    n = 1\n{F.format('C.n')}", "n = 1", "n = 2", CHANGED),
    "a method": (f"class C:\n    def m(self):\n        return 1\n{F.format('C().m()')}", "return 1", "return 2", CHANGED),
    "a docstring of a class": (f"class C:\n    'a'\n    n = 1\n{F.format('C.n')}", "'a'", "'b'", SAME),
    "the order of methods": (
        f"class C:\n    def m(self):\n        return 1\n    def k(self):\n        return 2\n{F.format('C().m()')}",
        "    def m(self):\n        return 1\n    def k(self):\n        return 2\n",
        "    def k(self):\n        return 2\n    def m(self):\n        return 1\n", SAME,
    ),
    "a property": (
        f"class C:\n    @property\n    def p(self):\n        return 1\n{F.format('C().p')}", "return 1", "return 2", CHANGED,
    ),
    "a static method": (
        f"class C:\n    @staticmethod\n    def s():\n        return 1\n{F.format('C.s()')}", "return 1", "return 2", CHANGED,
    ),
    "a class method": (
        f"class C:\n    @classmethod\n    def s(cls):\n        return 1\n{F.format('C.s()')}", "return 1", "return 2", CHANGED,
    ),
    "a base class's method": (
        f"class B:\n    def m(self):\n        return 1\nclass C(B):\n    pass\n{F.format('C().m()')}", "return 1", "return 2", CHANGED,
    ),
    "a base class in another module": (
        f"from .lib import B\nclass C(B):\n    pass\n{F.format('C().m()')}### lib.py\nclass B:\n    def m(self):\n        return 1\n",
        "return 1", "return 2", CHANGED,
    ),
    "another base class": (
        f"class A:\n    n = 1\nclass B:\n    n = 2\nclass C(A):\n    pass\n{F.format('C.n')}", "C(A)", "C(B)", OPEN,
    ),
    "a class in a class": (
        f"class C:\n    class D:\n        n = 1\n{F.format('C.D.n')}", "n = 1", "n = 2", CHANGED,
    ),
    "a method is added that overrides": (
        f"class B:\n    def m(self):\n        return 1\nclass C(B):\n    n = 1\n{F.format('C().m()')}",
        "    n = 1\n", "    n = 1\n    def m(self):\n        return 2\n", CHANGED,
    ),
    "an instance as a global": (
        f"class C:\n    def m(self):\n        return 1\nc = C()\n{F.format('c.m()')}", "return 1", "return 2", CHANGED,
    ),
    "an instance made of other arguments": (
        f"class C:\n    def __init__(self, n):\n        self.n = n\nc = C(1)\n{F.format('c.n')}", "C(1)", "C(2)", OPEN,
    ),
    "the __init__ of an instance": (
        f"class C:\n    def __init__(self, n):\n        self.n = n\nc = C(1)\n{F.format('c.n')}",
        "self.n = n", "self.n = -n", OPEN,
    ),
    "a dataclass's default": (
        "from dataclasses import dataclass\n@dataclass\nclass C:\n    n: int = 1\n" + F.format("C().n"), "= 1", "= 2", CHANGED,
    ),
    "a dataclass's field": (
        "from dataclasses import dataclass\n@dataclass\nclass C:\n    n: int = 1\n" + F.format("C().n"),
        "    n: int = 1\n", "    n: int = 1\n    m: int = 2\n", CHANGED,
    ),
    "a dataclass is frozen": (
        "from dataclasses import dataclass\n@dataclass\nclass C:\n    n: int = 1\n" + F.format("C().n"),
        "@dataclass\n", "@dataclass(frozen=True)\n", OPEN,
    ),
    "a dataclass's comment": (
        "from dataclasses import dataclass\n@dataclass\nclass C:\n    n: int = 1\n" + F.format("C().n"),
        "= 1", "= 1  # why", SAME,
    ),
    "a dataclass's method": (
        "from dataclasses import dataclass\n@dataclass\nclass C:\n    n: int = 1\n    def m(self):\n        return 1\n"
        + F.format("C().m()"), "return 1", "return 2", CHANGED,
    ),
    "a field's factory": (
        "from dataclasses import dataclass, field\n@dataclass\nclass C:\n    n: list = field(default_factory=lambda: [1])\n"
        + F.format("C().n[0]"), "[1]", "[2]", OPEN,
    ),
    "a dataclass as a constant": (
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass C:\n    n: int = 1\nD = C(3)\n" + F.format("D.n"),
        "C(3)", "C(4)", OPEN,
    ),
    "an enum's member": ("import enum\nclass E(enum.Enum):\n    A = 1\n" + F.format("E.A.value"), "A = 1", "A = 2", CHANGED),
    "an enum's other member": (
        "import enum\nclass E(enum.Enum):\n    A = 1\n    B = 1\n" + F.format("E.A.value"), "    B = 1\n", "    B = 2\n", CHANGED,
    ),
    "an enum's comment": ("import enum\nclass E(enum.Enum):\n    A = 1\n" + F.format("E.A.value"), "A = 1", "A = 1  # a", SAME),
    "an enum with auto": (
        "import enum\nclass E(enum.Enum):\n    A = enum.auto()\n    B = enum.auto()\n" + F.format("E.B.value"),
        "    A = enum.auto()\n", "", CHANGED,
    ),
    "a named tuple": (
        "from typing import NamedTuple\nclass T(NamedTuple):\n    n: int = 1\n" + F.format("T().n"), "= 1", "= 2", CHANGED,
    ),
    "a named tuple by a call": (
        "from collections import namedtuple\nT = namedtuple('T', 'n m', defaults=(1, 2))\n" + F.format("T().n"),
        "(1, 2)", "(2, 2)", OPEN,
    ),
    "an abstract class": (
        "import abc\nclass A(abc.ABC):\n    @abc.abstractmethod\n    def m(self): ...\nclass C(A):\n    def m(self):\n        return 1\n"
        + F.format("C().m()"), "return 1", "return 2", CHANGED,
    ),
    "a protocol's docstring": (
        "from typing import Protocol\nclass P(Protocol):\n    def m(self) -> int:\n        'a'\nclass C(P):\n    def m(self) -> int:\n"
        "        return 1\n" + F.format("C().m()"), "'a'", "'b'", SAME,
    ),
    "a class decorator": (
        "def reg(cls):\n    cls.n = 1\n    return cls\n@reg\nclass C:\n    m = 1\n" + F.format("C.n"), "cls.n = 1", "cls.n = 2", OPEN,
    ),
    "a class decorator's argument": (
        "def reg(n):\n    def put(cls):\n        cls.n = n\n        return cls\n    return put\n@reg(1)\nclass C:\n    m = 1\n"
        + F.format("C.n"), "reg(1)", "reg(2)", OPEN,
    ),
    "__init_subclass__": (
        "class B:\n    def __init_subclass__(cls):\n        cls.n = 1\nclass C(B):\n    pass\n" + F.format("C.n"),
        "cls.n = 1", "cls.n = 2", OPEN,
    ),
    "a metaclass": (
        "class M(type):\n    def __new__(mcs, name, bases, ns):\n        return super().__new__(mcs, name, bases, {**ns, 'n': 1})\n"
        "class C(metaclass=M):\n    pass\n" + F.format("C.n"), "'n': 1", "'n': 2", OPEN,
    ),
    "a descriptor": (
        "class D:\n    def __get__(self, obj, cls):\n        return 1\nclass C:\n    d = D()\n" + F.format("C().d"),
        "return 1", "return 2", CHANGED,
    ),
}  # fmt: skip

BOUND = {
    "a default": ("@cached\ndef f(x, y=1):\n    return x + y\n", "y=1", "y=2", CHANGED),
    "a helper's default": (f"def g(x, n=1):\n    return x + n\n{G}", "n=1", "n=2", CHANGED),
    "a default that is a name": (f"N = 1\ndef g(x, n=N):\n    return x + n\n{G}", "N = 1", "N = 2", CHANGED),
    "a default in other words": (f"def g(x, n=4):\n    return x + n\n{G}", "n=4", "n=2 + 2", SAME),
    "a default that is a list": (f"def g(x, n=[1]):\n    return x + n[0]\n{G}", "n=[1]", "n=[2]", CHANGED),
    "a default that is a function": (
        f"def h(x):\n    return x\ndef k(x):\n    return -x\ndef g(x, fn=h):\n    return fn(x)\n{G}", "fn=h", "fn=k", OPEN,
    ),
    "a keyword-only default": (f"def g(x, *, n=1):\n    return x + n\n{G}", "n=1", "n=2", CHANGED),
    "a default is dropped": (
        "def g(x, n=1):\n    return x + n\n" + F.format("g(x, 1)"), "n=1", "n", CHANGED,
    ),
    "an annotation": ("@cached\ndef f(x: int):\n    return x + 1\n", "x: int", "x: float", CHANGED),
    "an alias in an annotation": (
        "A = int\ndef g(x: A):\n    return x\n" + G, "A = int", "A = float", OPEN,
    ),
    "a decorator's code": (
        "def twice(fn):\n    def call(x):\n        return fn(x) * 2\n    return call\n@twice\ndef g(x):\n    return x\n" + G,
        "* 2", "* 3", CHANGED,
    ),
    "a decorator with wraps": (
        "import functools\ndef twice(fn):\n    @functools.wraps(fn)\n    def call(x):\n        return fn(x) * 2\n    return call\n"
        "@twice\ndef g(x):\n    return x\n" + G, "* 2", "* 3", CHANGED,
    ),
    "a decorated function's code": (
        "def twice(fn):\n    def call(x):\n        return fn(x) * 2\n    return call\n@twice\ndef g(x):\n    return x\n" + G,
        "    return x\n", "    return -x\n", CHANGED,
    ),
    "a decorator's argument": (
        "def times(n):\n    def deco(fn):\n        def call(x):\n            return fn(x) * n\n        return call\n    return deco\n"
        "@times(2)\ndef g(x):\n    return x\n" + G, "times(2)", "times(3)", OPEN,
    ),
    "a decorator is dropped": (
        "def twice(fn):\n    def call(x):\n        return fn(x) * 2\n    return call\n@twice\ndef g(x):\n    return x\n" + G,
        "@twice\n", "", OPEN,
    ),
    "a decorator is added": (
        "def twice(fn):\n    def call(x):\n        return fn(x) * 2\n    return call\ndef g(x):\n    return x\n" + G,
        "def g", "@twice\ndef g", OPEN,
    ),
    "a decorator elsewhere": (
        "from .lib import twice\n@twice\ndef g(x):\n    return x\n" + G
        + "### lib.py\ndef twice(fn):\n    def call(x):\n        return fn(x) * 2\n    return call\n", "* 2", "* 3", CHANGED,
    ),
    "lru_cache over a helper": (
        "from functools import lru_cache\n@lru_cache\ndef g(x):\n    return x\n" + G, "return x\n", "return -x\n", CHANGED,
    ),
    "lru_cache of another size": (
        "from functools import lru_cache\n@lru_cache(maxsize=2)\ndef g(x):\n    return x\n" + G, "=2", "=3", OPEN,
    ),
    "single dispatch": (
        "from functools import singledispatch\n@singledispatch\ndef g(x):\n    return x\n@g.register\ndef _(x: int):\n    return 1\n" + G,
        "return 1", "return 2", CHANGED,
    ),
    "a context manager": (
        ("import contextlib\n@contextlib.contextmanager\ndef ctx():\n    yield 1\n@cached\ndef f(x):\n    with ctx() as n:\n"
        "        return x + n\n"), "yield 1", "yield 2", CHANGED,
    ),
    "a partial's argument": (
        "from functools import partial\ndef h(n, x):\n    return n * x\ng = partial(h, 2)\n" + G, "(h, 2)", "(h, 3)", CHANGED,
    ),
    "a partial's keyword": (
        "from functools import partial\ndef h(x, n):\n    return n * x\ng = partial(h, n=2)\n" + G, "n=2", "n=3", CHANGED,
    ),
    "a partial's function": (
        "from functools import partial\ndef h(n, x):\n    return n * x\ng = partial(h, 2)\n" + G, "n * x", "n + x", CHANGED,
    ),
    "another function in a partial": (
        "from functools import partial\ndef h(n, x):\n    return n * x\ndef k(n, x):\n    return n - x\ng = partial(h, 2)\n" + G,
        "(h, 2)", "(k, 2)", CHANGED,
    ),
    "a lambda": ("g = lambda x: x + 1\n" + G, "x + 1\n@", "x + 2\n@", CHANGED),
    "a lambda in a dict": ("D = {'a': lambda x: x + 1}\n" + F.format("D['a'](x)"), "x + 1}", "x + 2}", OPEN),
    "a function in a dict": (
        "def g(x):\n    return x\nD = {'a': g}\n" + F.format("D['a'](x)"), "return x\n", "return -x\n", CHANGED,
    ),
    "another function in a dict": (
        "def g(x):\n    return x\ndef h(x):\n    return -x\nD = {'a': g}\n" + F.format("D['a'](x)"), "'a': g", "'a': h", OPEN,
    ),
    "a list of functions": (
        "def g(x):\n    return x\ndef h(x):\n    return -x\nL = [g]\n" + F.format("sum(k(x) for k in L)"), "[g]", "[g, h]", OPEN,
    ),
    "an alias of a function": (
        "def h(x):\n    return x\ndef k(x):\n    return -x\ng = h\n" + G, "g = h", "g = k", CHANGED,
    ),
    "a closure's code": (
        "def make(n):\n    def g(x):\n        return x + n\n    return g\ng = make(1)\n" + G, "x + n", "x - n", CHANGED,
    ),
    "a closure's value": (
        "def make(n):\n    def g(x):\n        return x + n\n    return g\ng = make(1)\n" + G, "make(1)", "make(2)", OPEN,
    ),
    "a closure over a constant": (
        "M = 1\ndef make(n):\n    def g(x):\n        return x + n\n    return g\ng = make(M)\n" + G, "M = 1", "M = 2", OPEN,
    ),
    "a nested function": (
        "@cached\ndef f(x):\n    def g(y):\n        return y + 1\n    return g(x)\n", "y + 1", "y + 2", CHANGED,
    ),
    "a cached function below": (
        "@cached\ndef g(x):\n    return x\n" + G, "return x\n", "return -x\n", CHANGED,
    ),
    "a cached function elsewhere": (
        "from .lib import g\n" + G + "### lib.py\nfrom cachepy import cache_file\n@cache_file('cache')\ndef g(x):\n    return x\n",
        "return x\n", "return -x\n", CHANGED,
    ),
    "the version of a cached function": (
        "@cache_file('cache', version='1')\ndef f(x):\n    return x\n", "version='1'", "version='2'", CHANGED,
    ),
    "the version by a name": (
        "V = '1'\n@cache_file('cache', version=V)\ndef f(x):\n    return x\n", "V = '1'", "V = '2'", CHANGED,
    ),
    "an option that does not count": (
        "@cache_file('cache', verbose=False)\ndef f(x):\n    return x\n", "verbose=False", "warn_cheap=False", SAME,
    ),
    "ignored variables": (
        "M = 1\n@cache_file('cache', ignore_globals=['M'])\ndef f(x):\n    return x + M\n", "M = 1", "M = 2", SAME,
    ),
    "a function is bound to another name later": (
        "def g(x):\n    return x\ndef h(x):\n    return -x\n" + G + "PUT = 1\n", "PUT = 1", "g = h", OPEN,
    ),
    "a function under a condition": (
        "FAST = True\nif FAST:\n    def g(x):\n        return x\nelse:\n    def g(x):\n        return -x\n" + G,
        "FAST = True", "FAST = False", OPEN,
    ),
    "the other branch of a condition": (
        "FAST = True\nif FAST:\n    def g(x):\n        return x\nelse:\n    def g(x):\n        return -x\n" + G,
        "return -x", "return 2 * x", UNTOLD,
    ),
    "a name that was a builtin": ("@cached\ndef f(x):\n    return max(x, 1)\n", "@cached", "max = min\n@cached", CHANGED),
    "a function goes async": (
        "import asyncio\nasync def g(x):\n    return x\n@cached\ndef f(x):\n    return asyncio.run(g(x))\n", "return x\n",
        "return -x\n", CHANGED,
    ),
    "a generator": ("def g(x):\n    yield x\n" + F.format("sum(g(x))"), "yield x", "yield -x", CHANGED),
    "a match statement": (
        "@cached\ndef f(x):\n    match x:\n        case 1:\n            return 1\n        case _:\n            return 2\n",
        "return 1", "return 3", CHANGED,
    ),
    "a walrus in the body": ("@cached\ndef f(x):\n    if (y := x + 1):\n        return y\n", "x + 1", "x + 2", CHANGED),
    "a method calls a helper": (
        "def g():\n    return 1\nclass C:\n    def m(self):\n        return g()\n" + F.format("C().m()"), "return 1", "return 2", CHANGED,
    ),
    "super": (
        "class B:\n    def m(self):\n        return 1\nclass C(B):\n    def m(self):\n        return super().m()\n" + F.format("C().m()"),
        "return 1", "return 2", CHANGED,
    ),
    "a cached method": (
        "class C:\n    n = 1\n    @cached\n    def m(self):\n        return self.n\ndef main():\n    C().m()\n", "n = 1", "n = 2", CHANGED,
    ),
    "a class made by type": ("C = type('C', (), {'n': 1})\n" + F.format("C.n"), "'n': 1", "'n': 2", OPEN),
    "functions made by a loop": (
        "D = {}\nfor n in (1, 2):\n    D[n] = lambda x, n=n: x + n\n" + F.format("D[1](x)"), "x + n", "x - n", OPEN,
    ),
    "a registry filled by a decorator": (
        "R = {}\ndef reg(fn):\n    R[fn.__name__] = fn\n    return fn\n@reg\ndef a(x):\n    return x\n" + F.format("R['a'](x)"),
        "return x\n", "return -x\n", CHANGED,
    ),
    "one more in a registry": (
        "R = {}\ndef reg(fn):\n    R[fn.__name__] = fn\n    return fn\n@reg\ndef a(x):\n    return x\n"
        + F.format("sum(k(x) for k in R.values())"), "@cached", "@reg\ndef b(x):\n    return 2\n@cached", OPEN,
    ),
    "exec at the top": ("exec('N = 1')\n" + N, "N = 1", "N = 2", OPEN),
    "globals at the top": ("globals()['N'] = 1\n" + N, "] = 1", "] = 2", OPEN),
    "setattr on the module": (
        "import sys\nsetattr(sys.modules[__name__], 'N', 1)\n" + N, "'N', 1", "'N', 2", OPEN,
    ),
}  # fmt: skip
