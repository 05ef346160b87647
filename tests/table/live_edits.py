"""Edits at run time: globals, classes and closures that change while the program runs."""

from __future__ import annotations

from tests.table.code_edits import HELPER, live
from tests.table.harness import (
    Case,
    function,
    module,
    run,
    sub,
    then,
)

COUNTED = """
class Base:
    n = 1

    def go(self, x):
        return x + self.n

class C(Base):
    pass

c = C()
"""
TWO_CLOSURES = """
def make(n):
    @cache_file(DIR)
    def f(x):
        ran(f"f{n}")
        return x + n
    return f

one, two = make(1), make(2)

@cache_file(DIR)
def top(x):
    ran("top")
    return [one(x), two(x)]
"""

def live_argument(name: str, source: str, returns: str, change: str, argument: str, runs: str = "f") -> Case:
    return Case(name, {"m.py": module(source, function(returns))}, "", runs, f"m.f({argument})", live=change)


LIVE = [
    live("global list changed in place", "L = [1, 2]", "sum(L) + x", "m.L.append(4)"),
    live(
        "global list changed in place and back",
        "L = [1, 2]",
        "sum(L) + x",
        "m.L.append(4)\nm.f(3)\nm.L.pop()",
        "",
    ),
    live(
        "global list changed in place, read by a helper",
        "L = [1]\n\ndef h(x):\n    return L[0] + x\n",
        "h(x)",
        "m.L[0] = 2",
    ),
    live("global dict changed in place", "D = {'a': 1}", "D['a'] + x", "m.D['a'] = 2"),
    live("nested value of a global dict", "D = {'a': {'b': [1]}}", "D['a']['b'][0] + x", "m.D['a']['b'][0] = 2"),
    live("global set changed in place", "S = {1}", "sum(S) + x", "m.S.add(2)"),
    live(
        "global deque changed in place",
        "import collections\n\nS = collections.deque([1])",
        "sum(S) + x",
        "m.S.append(2)",
    ),
    live("global bytearray changed in place", "S = bytearray(b'a')", "S[0] + x", "m.S[0] = 98"),
    live("global array changed in place", "import numpy as np\n\nA = np.arange(4)", "A.tolist()", "m.A[1] = 9"),
    live(
        "global frame changed in place",
        "import pandas as pd\n\nD = pd.DataFrame({'a': [1, 2]})",
        "D.to_dict()",
        "m.D.loc[0, 'a'] = 9",
    ),
    live("global tuple rebound", "T = (1, 2)", "sum(T) + x", "m.T = (1, 3)"),
    live("global rebound to an equal tuple", "T = (1, 2)", "sum(T) + x", "m.T = tuple([1, 2])", ""),
    live("list in a global tuple", "T = ([1], 2)", "T[0][0] + x", "m.T[0][0] = 5"),
    live("state of a global object", "class C:\n    n = 0\n\nc = C()\nc.n = 1", "c.n + x", "m.c.n = 2"),
    live(
        "list within a global object",
        "class C:\n    def __init__(self):\n        self.steps = [1]\n\nc = C()",
        "sum(c.steps) + x",
        "m.c.steps.append(2)",
    ),
    live(
        "slot of a global object",
        "class C:\n    __slots__ = ('n',)\n\nc = C()\nc.n = 1",
        "c.n + x",
        "m.c.n = 2",
    ),
    live("class attribute set", "class C:\n    n = 1\n", "C.n + x", "m.C.n = 2"),
    live("list in a class attribute", "class C:\n    n = [1]\n", "sum(C.n) + x", "m.C.n.append(1)"),
    live(
        "method replaced",
        "class C:\n    def go(self, x):\n        return x + 1\n",
        "C().go(x)",
        "m.C.go = lambda self, x: x + 2",
    ),
    live("helper replaced", HELPER, "h(x)", "m.h = lambda x: x + 2"),
    live("helper's code replaced", HELPER, "h(x)", "m.h.__code__ = (lambda x: x + 2).__code__"),
    live("helper's defaults replaced", "def h(x, k=1):\n    return x + k\n", "h(x)", "m.h.__defaults__ = (2,)"),
    live(
        "own default list changed in place",
        "K = [1]\n\ndef h(x, k=K):\n    return [x, *k]\n",
        "h(x)",
        "m.K.append(2)",
    ),
    live(
        "function put into a global dict",
        HELPER + "\n    TABLE = {'h': h}",
        "TABLE['h'](x)",
        "m.TABLE['h'] = lambda x: x + 2",
    ),
    live(
        "closure cell changed",
        """
        def make():
            n = 1
            def h(x):
                return x + n
            def set(value):
                nonlocal n
                n = value
            return h, set

        h, set_n = make()
        """,
        "h(x)",
        "m.set_n(2)",
    ),
    live(
        "list in a closure cell",
        "def make(steps):\n    return lambda x: x + sum(steps)\n\nS = [1]\nh = make(S)",
        "h(x)",
        "m.S.append(2)",
    ),
    live(
        "list in a partial",
        "import functools\n\nS = [1]\nh = functools.partial(max, S)",
        "h(key=None)",
        "m.S.append(2)",
    ),
    live(
        "module.CONSTANT set",
        "import settings",
        "settings.N + x",
        "import settings\nsettings.N = 2",
        settings="N = 1\n",
    ),
    live("module.helper replaced", "import h", "h.h(x)", "import h\nh.h = lambda x: x + 2", h=HELPER),
    live(
        "module reloaded after an edit",
        "import h",
        "h.h(x)",
        (
            "import h, importlib, pathlib\n"
            "pathlib.Path('h.py').write_text('def h(x):\\n    return x + 200\\n')\n"
            "importlib.reload(h)\n"
            "pathlib.Path('h.py').write_text('def h(x):\\n    return x + 1\\n')"
        ),
        h=HELPER,
    ),
    live("class attribute set, of a global object", COUNTED, "c.n + x", "m.C.n = 2"),
    live("attribute of a base class set", COUNTED, "C.n + x", "m.Base.n = 2"),
    live("method of a base class replaced", COUNTED, "c.go(x)", "m.Base.go = lambda self, x: -x"),
    live("class of a global object replaced", COUNTED, "c.n + x", "m.c.__class__ = type('D', (), {'n': 5})"),
    live("attribute of a global object that hides the class's", COUNTED, "c.n + x", "m.c.n = 2"),
    live("keyword defaults replaced", "def h(x, *, k=1):\n    return x + k\n", "h(x)", "m.h.__kwdefaults__ = {'k': 2}"),
    live(
        "singledispatch implementation registered",
        "import functools\n\n@functools.singledispatch\ndef h(x):\n    return None\n",
        "h(x)",
        "m.h.register(int, lambda x: x + 1)",
    ),
    live("attribute of a function set", HELPER + "\n    h.size = 1\n", "h.size + x", "m.h.size = 2"),
    live("global dict of a user class", "class D(dict):\n    pass\n\nD1 = D(a=1)", "D1['a'] + x", "m.D1['a'] = 2"),
    live("order of a global dict", "D = {'a': 1, 'b': 2}", "list(D)", "m.D['a'] = m.D.pop('a')"),
    live("1 becomes True in a global list", "L = [1]", "repr(L)", "m.L[0] = True"),
    live_argument("method of an argument's class replaced", COUNTED, "x.go(3)", "m.C.go = lambda self, x: -x", "m.C()"),
    live_argument("class attribute of an argument's class set", COUNTED, "x.go(3)", "m.Base.n = 2", "m.C()"),
    live_argument(
        "global of a function argument set", "N = 1\n\ndef g(x):\n    return x + N\n", "x(3)", "m.N = 2", "m.g"
    ),
    live_argument(
        "function argument replaced", "def g(x):\n    return x + 1\n", "x(3)", "m.g = lambda x: x + 2", "m.g"
    ),
    Case(
        "two cached closures of one factory",
        {"m.py": TWO_CLOSURES},
        "",
        "",
        "[m.one(3), m.two(3)]",
        live="m.unused = 1",
    ),
    Case("children that are closures of one factory", {"m.py": TWO_CLOSURES}, "", "", "m.top(3)", live="m.unused = 1"),
    Case("closure value of a child", {"m.py": TWO_CLOSURES}, "make(2) => make(5)", "top f5", "m.top(3)"),
    Case(
        "closure value of a child, reverted",
        {"m.py": TWO_CLOSURES},
        then(sub("make(2) => make(5)"), run, sub("make(5) => make(2)")),
        "",
        "m.top(3)",
    ),
    Case("closure values swapped", {"m.py": TWO_CLOSURES}, "make(1), make(2) => make(2), make(1)", "top", "m.top(3)"),
    live("unrelated global changed in place", "L = [1]\nU = [1]", "sum(L) + x", "m.U.append(2)", ""),
    Case(
        "argument changed by the caller",
        {"m.py": function("sum(x)")},
        "",
        "f",
        "m.f(A)",
        "import m\nA = [1]",
        "A.append(4)",
    ),
]

CASES: list[Case] = LIVE
