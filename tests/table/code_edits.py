"""Edits of code: what a function reaches, and what it does not.

Most entries read: name, source of the module m, what the cached `f(x)` of that module returns, edit of m.py.
`edited` ones must run f again, `unaffected` ones must not; `live` ones change objects within one process.
"""

from __future__ import annotations

from tests.table.harness import (
    Case,
    Edit,
    chdir,
    env,
    function,
    module,
    run,
    sub,
    then,
    write,
)


def code(
    name: str,
    source: str,
    returns: str,
    edit: Edit | str,
    runs: str | None = "f",
    same: bool = False,
    **more: str,
) -> Case:
    """`more`: further files, `pkg__a=...` for pkg/a.py, and `options`, `call` and `setup`."""
    call, setup, options = (
        more.pop(key, value) for key, value in (("call", "m.f(3)"), ("setup", "import m"), ("options", ""))
    )
    files = {"m.py": module(source, function(returns, options=options))}
    files |= {key.replace("__", "/").replace("/init", "/__init__") + ".py": text for key, text in more.items()}
    return Case(name, files, edit, runs, call, setup, same=same)


def edited(name: str, source: str, returns: str, edit: Edit | str, *, same: bool = False, **more: str) -> Case:
    return code(name, source, returns, edit, "f", same, **more)


def unaffected(name: str, source: str, returns: str, edit: Edit | str, **more: str) -> Case:
    return code(name, source, returns, edit, "", False, **more)


def live(name: str, source: str, returns: str, change: str, runs: str | None = "f", **files: str) -> Case:
    sources = {"m.py": module(source, function(returns))} | {f"{key}.py": text for key, text in files.items()}
    return Case(name, sources, "", runs, live=change)


HELPER = """
    def h(x):
        return x + 1
    """
BIG_HELPER = '''
    LIMIT = 10
    UNRELATED = 1

    def h(x):
        """Adds one."""
        # carefully
        total = x + 1
        return min(total, LIMIT)

    def other(x):
        return x - 1
    '''

HELPERS = [
    edited("own code", "", "x + 1", "x + 1 => x + 2"),
    edited("helper", HELPER, "h(x)", "x + 1 => x + 2"),
    edited(
        "helper of a helper",
        """
        def hh(x):
            return x + 1

        def h(x):
            return hh(x)
        """,
        "h(x)",
        "x + 1 => x + 2",
    ),
    edited("module.helper", "import h", "h.h(x)", sub("x + 1 => x + 2", "h.py"), h=HELPER),
    edited("import module as name", "import h as tools", "tools.h(x)", sub("x + 1 => x + 2", "h.py"), h=HELPER),
    edited("from x import y as z", "from h import h as z", "z(x)", sub("x + 1 => x + 2", "h.py"), h=HELPER),
    edited("star import", "from h import *", "h(x)", sub("x + 1 => x + 2", "h.py"), h=HELPER),
    edited(
        "helper's helper in a third module",
        "from h import h",
        "h(x)",
        sub("x + 1 => x + 2", "k.py"),
        h="import k\n\ndef h(x):\n    return k.h(x)\n",
        k=HELPER,
    ),
    edited(
        "helper in a package subpackage",
        "from pkg.deep.tools import h",
        "h(x)",
        sub("x + 1 => x + 2", "pkg/deep/tools.py"),
        pkg__init="",
        pkg__deep__init="",
        pkg__deep__tools=HELPER,
    ),
    edited(
        "pkg.sub.helper by dots",
        "import pkg.deep.tools",
        "pkg.deep.tools.h(x)",
        sub("x + 1 => x + 2", "pkg/deep/tools.py"),
        pkg__init="",
        pkg__deep__init="",
        pkg__deep__tools=HELPER,
    ),
    edited(
        "helper re-exported by a package, relative import",
        "from pkg import h",
        "h(x)",
        sub("x + 1 => x + 2", "pkg/tools.py"),
        pkg__init="from .tools import h",
        pkg__tools=HELPER,
    ),
    edited(
        "import in the body of a helper's module",
        """
        def h(x):
            import late
            return late.h(x)
        """,
        "h(x)",
        sub("x + 1 => x + 2", "late.py"),
        late=HELPER,
    ),
    Case(
        "from import in the function's own body",
        {
            "m.py": "@cache_file(DIR)\ndef f(x):\n    from late import h\n    ran('f')\n    return h(x)\n",
            "late.py": HELPER,
        },
        sub("x + 1 => x + 2", "late.py"),
        "f",
    ),
    Case(
        "relative import in the body, in a package",
        {
            "pkg/__init__.py": "",
            "pkg/m.py": """
            @cache_file(DIR)
            def f(x):
                from . import late
                ran("f")
                return late.h(x)
            """,
            "pkg/late.py": HELPER,
        },
        sub("x + 1 => x + 2", "pkg/late.py"),
        "f",
        setup="from pkg import m",
    ),
    edited(
        "mutually recursive helpers",
        """
        def even(n):
            return True if n == 0 else odd(n - 1)

        def odd(n):
            return False if n == 0 else even(n - 1)
        """,
        "even(x)",
        "return False if => return None if",
    ),
    edited(
        "inner function",
        """
        def h(x):
            def inner(y):
                return y + 1
            return inner(x)
        """,
        "h(x)",
        "y + 1 => y + 2",
    ),
    edited(
        "comprehension in a helper",
        "def h(x):\n    return [i * 2 for i in range(x)]\n",
        "h(x)",
        "i * 2 => i * 3",
    ),
    edited("generator helper", "def h(x):\n    yield x\n    yield x + 1\n", "list(h(x))", "x + 1 => x + 2"),
    edited("global lambda", "h = lambda x: x + 1", "h(x)", "x + 1 => x + 2"),
    edited(
        "context manager",
        """
        import contextlib

        @contextlib.contextmanager
        def h(x):
            yield x + 1

        def use(x):
            with h(x) as y:
                return y
        """,
        "use(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "async helper",
        """
        import asyncio

        async def h(x):
            return x + 1
        """,
        "asyncio.run(h(x))",
        "x + 1 => x + 2",
    ),
    edited(
        "a name that shadows a builtin appears",
        "",
        "abs(x)",
        lambda project: project.write("m.py", ("def abs(x):\n    return -x\n" + function("abs(x)"))),
    ),
    edited(
        "a global that was absent appears",
        """
        def h(x):
            try:
                return EXTRA + x
            except NameError:
                return x
        """,
        "h(x)",
        "def h(x): => EXTRA = 5\ndef h(x):",
    ),
]

PARTS_OF_CODE = [
    edited("constant in a helper", HELPER, "h(x)", "x + 1 => x + 7"),
    edited("constant 1 becomes True", "def h():\n    return 1\n", "h()", "return 1 => return True"),
    edited("constant 1 becomes 1.0", "def h():\n    return 1\n", "h()", "return 1 => return 1.0"),
    edited("constant 0.0 becomes -0.0", "def h():\n    return (0.0,)\n", "h()", "(0.0,) => (-0.0,)"),
    edited("constant in a tuple", "def h(x):\n    return x in (1, 2, 3)\n", "h(x)", "(1, 2, 3) => (1, 2, 4)"),
    edited("str becomes bytes", "def h():\n    return 'a'\n", "h()", "'a' => b'a'"),
    edited("operator", HELPER, "h(x)", "x + 1 => x - 1"),
    edited("comparison", "def h(x):\n    return x < 3\n", "h(x)", "x < 3 => x <= 3"),
    edited("format spec", "def h(x):\n    return f'{x:03d}'\n", "h(x)", ":03d => :04d"),
    edited("name of an attribute", "def h(x):\n    return x.real\n", "h(x)", "x.real => x.imag"),
    edited("name of a builtin", "def h(x):\n    return min(x, 5)\n", "h(x)", "min => max"),
    edited(
        "name of a keyword",
        "def k(a=0, b=0):\n    return a - b\n\ndef h(x):\n    return k(a=x)\n",
        "h(x)",
        "k(a=x) => k(b=x)",
    ),
    edited(
        "exception caught",
        """
        def h(x):
            try:
                try:
                    return [][x]
                except LookupError:
                    return "inner"
            except IndexError:
                return "outer"
        """,
        "h(x)",
        "LookupError => ValueError",
    ),
    edited("default argument of a helper", "def h(x, k=1):\n    return x + k\n", "h(x)", "k=1 => k=2"),
    edited("keyword default of a helper", "def h(x, *, k=1):\n    return x + k\n", "h(x)", "k=1 => k=2"),
    edited("list as a default", "def h(x, k=[1]):\n    return [*k, x]\n", "h(x)", "k=[1] => k=[2]"),
    edited(
        "function as a default",
        HELPER + "\n    def k(x, go=h):\n        return go(x)\n",
        "k(x)",
        "x + 1 => x + 2",
    ),
    Case("own default", {"m.py": function("x + k", "x, k=1")}, "k=1 => k=2", "f"),
    Case("own keyword default", {"m.py": function("x + k", "x, *, k=1")}, "k=1 => k=2", "f"),
    edited(
        "closure value",
        """
        def make(n):
            def h(x):
                return x + n
            return h

        add = make(1)
        """,
        "add(x)",
        "make(1) => make(2)",
    ),
    edited(
        "closure function",
        """
        def make(go):
            def h(x):
                return go(x)
            return h

        def inner(x):
            return x + 1

        add = make(inner)
        """,
        "add(x)",
        "x + 1 => x + 2",
    ),
    Case(
        "own closure value",
        {
            "m.py": """
            def make(n):
                @cache_file(DIR)
                def f(x):
                    ran("f")
                    return x + n
                return f

            f = make(1)
            """
        },
        "make(1) => make(2)",
        "f",
    ),
]

CLASSES = [
    edited(
        "method",
        """
        class C:
            def go(self, x):
                return x + 1
        """,
        "C().go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "method called by a method",
        """
        class C:
            def go(self, x):
                return self.step(x)

            def step(self, x):
                return x + 1
        """,
        "C().go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "helper called by a method",
        HELPER
        + """
    class C:
        def go(self, x):
            return h(x)
        """,
        "C().go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "base-class method",
        """
        class Base:
            def go(self, x):
                return x + 1

        class C(Base):
            pass
        """,
        "C().go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "base class in another module",
        "from base import Base\n\nclass C(Base):\n    pass\n",
        "C().go(x)",
        sub("x + 1 => x + 2", "base.py"),
        base="class Base:\n    def go(self, x):\n        return x + 1\n",
    ),
    edited(
        "mixin method",
        """
        class Mixin:
            def extra(self):
                return 1

        class Base:
            def go(self, x):
                return x + self.extra()

        class C(Mixin, Base):
            pass
        """,
        "C().go(x)",
        "return 1 => return 2",
    ),
    edited(
        "order of the bases",
        """
        class A:
            name = "a"

        class B:
            name = "b"

        class C(A, B):
            pass
        """,
        "C().name",
        "C(A, B) => C(B, A)",
    ),
    edited(
        "override added",
        """
        class Base:
            def go(self, x):
                return x + 1

        class C(Base):
            here = 1
        """,
        "C().go(x)",
        "here = 1 => go = lambda self, x: x + 2",
    ),
    edited(
        "property",
        """
        class C:
            @property
            def size(self):
                return 1
        """,
        "C().size + x",
        "return 1 => return 2",
    ),
    edited(
        "cached_property",
        """
        import functools

        class C:
            @functools.cached_property
            def size(self):
                return 1
        """,
        "C().size + x",
        "return 1 => return 2",
    ),
    edited("class attribute", "class C:\n    size = 1\n", "C.size + x", "size = 1 => size = 2"),
    edited(
        "class attribute of a base class",
        "class Base:\n    size = 1\n\nclass C(Base):\n    pass\n",
        "C().size + x",
        "size = 1 => size = 2",
    ),
    edited(
        "staticmethod",
        """
        class C:
            @staticmethod
            def go(x):
                return x + 1
        """,
        "C.go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "classmethod",
        """
        class C:
            @classmethod
            def go(cls, x):
                return x + 1
        """,
        "C.go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "super() call",
        """
        class Base:
            def go(self, x):
                return x + 1

        class C(Base):
            def go(self, x):
                return super().go(x) * 10
        """,
        "C().go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "operator method",
        """
        class C:
            def __init__(self, n):
                self.n = n

            def __add__(self, other):
                return self.n + other
        """,
        "C(1) + x",
        "self.n + other => self.n - other",
    ),
    edited(
        "__call__ of a global object",
        """
        class C:
            def __call__(self, x):
                return x + 1

        go = C()
        """,
        "go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "method of a global object, taken bound",
        """
        class C:
            def go(self, x):
                return x + 1

        go = C().go
        """,
        "go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "metaclass method",
        """
        class Meta(type):
            def make(cls, x):
                return x + 1

        class C(metaclass=Meta):
            pass
        """,
        "C.make(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "descriptor",
        """
        class Size:
            def __get__(self, instance, owner):
                return 1

        class C:
            size = Size()
        """,
        "C().size + x",
        "return 1 => return 2",
    ),
    edited(
        "nested class",
        """
        class C:
            class Inner:
                def go(self, x):
                    return x + 1
        """,
        "C.Inner().go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "default of a dataclass field",
        """
        from dataclasses import dataclass

        @dataclass
        class C:
            n: int = 1
        """,
        "C().n + x",
        "n: int = 1 => n: int = 2",
    ),
    edited(
        "value of an enum member",
        """
        import enum

        class Colour(enum.Enum):
            RED = 1
            BLUE = 3
        """,
        "Colour.RED.value + x",
        "RED = 1 => RED = 2",
    ),
    edited(
        "method of an enum",
        """
        import enum

        class Colour(enum.Enum):
            RED = 1

            def go(self, x):
                return x + 1
        """,
        "Colour.RED.go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "dict of classes",
        """
        class A:
            def go(self, x):
                return x + 1

        class B:
            def go(self, x):
                return x + 10

        KINDS = {"a": A, "b": B}
        """,
        "KINDS['b']().go(x)",
        "x + 10 => x + 20",
    ),
    Case(
        "helper of a cached method",
        {
            "m.py": module(
                HELPER,
                """
class C:
    @cache_file(DIR)
    def f(self, x):
        ran("f")
        return self.go(x)

    def go(self, x):
        return h(x)
""",
            )
        },
        "x + 1 => x + 2",
        "f",
        "m.C().f(3)",
    ),
    Case(
        "helper of a cached classmethod",
        {
            "m.py": """
            class C:
                @classmethod
                @cache_file(DIR)
                def f(cls, x):
                    ran("f")
                    return cls.go(x)

                @classmethod
                def go(cls, x):
                    return x + 1
            """
        },
        "x + 1 => x + 2",
        "f",
        "m.C.f(3)",
    ),
    Case(
        "helper of a cached staticmethod",
        {
            "m.py": module(
                HELPER,
                """
class C:
    @staticmethod
    @cache_file(DIR)
    def f(x):
        ran("f")
        return h(x)
""",
            )
        },
        "x + 1 => x + 2",
        "f",
        "m.C.f(3)",
    ),
    Case(
        "state of the object of a cached method",
        {
            "m.py": """
            class C:
                def __init__(self, n):
                    self.n = n

                @cache_file(DIR)
                def f(self, x):
                    ran("f")
                    return self.n + x

            c = C(1)
            """
        },
        "C(1) => C(2)",
        "f",
        "m.c.f(3)",
    ),
    Case(
        "helper of a cached async function",
        {
            "m.py": module(
                HELPER,
                """
@cache_file(DIR)
async def f(x):
    ran("f")
    return h(x)
""",
            )
        },
        "x + 1 => x + 2",
        "f",
        "asyncio.run(m.f(3))",
        "import asyncio\nimport m",
    ),
]

GLOBALS = [
    edited("global constant", "N = 1", "x + N", "N = 1 => N = 2"),
    edited("global constant read by a helper", "N = 1\n\ndef h(x):\n    return x + N\n", "h(x)", "N = 1 => N = 2"),
    edited(
        "module.CONSTANT",
        "import settings",
        "x + settings.N",
        sub("N = 1 => N = 2", "settings.py"),
        settings="N = 1\n",
    ),
    edited(
        "from settings import N",
        "from settings import N",
        "x + N",
        sub("N = 1 => N = 2", "settings.py"),
        settings="N = 1\n",
    ),
    edited("global 1 becomes True", "N = 1", "[N]", "N = 1 => N = True"),
    edited("global dict, one value", "N = {'a': 1, 'b': [2]}", "N", "[2] => [3]"),
    edited("global dict, order", "N = {'a': 1, 'b': 2}", "list(N)", "'a': 1, 'b': 2 => 'b': 2, 'a': 1"),
    edited("global tuple", "N = (1, 2)", "sum(N) + x", "(1, 2) => (1, 3)"),
    edited("global array", "import numpy as np\n\nN = np.arange(4)", "N.tolist()", "arange(4) => arange(5)"),
    edited(
        "global computed by a function",
        "def make():\n    return 1\n\nN = make()",
        "x + N",
        "return 1 => return 2",
    ),
    edited("function in a global dict", HELPER + "\n    TABLE = {'h': h}", "TABLE['h'](x)", "x + 1 => x + 2"),
    edited("lambda in a global dict", "TABLE = {'h': lambda x: x + 1}", "TABLE['h'](x)", "x + 1 => x + 2"),
    edited("function in a global list", HELPER + "\n    STEPS = [h, abs]", "STEPS[0](x)", "x + 1 => x + 2"),
    edited(
        "function in a nested container",
        HELPER + "\n    TABLE = {'steps': [('first', h)]}",
        "TABLE['steps'][0][1](x)",
        "x + 1 => x + 2",
    ),
    edited(
        "functools.partial global, its function",
        "import functools\n" + "\ndef h(k, x):\n    return k + x\n\np = functools.partial(h, 1)",
        "p(x)",
        "k + x => k - x",
    ),
    edited(
        "functools.partial global, its argument",
        "import functools\n" + "\ndef h(k, x):\n    return k + x\n\np = functools.partial(h, 1)",
        "p(x)",
        "(h, 1) => (h, 2)",
    ),
    edited(
        "global object of a user class, its state",
        "class C:\n    def __init__(self, n):\n        self.n = n\n\nc = C(1)",
        "c.n + x",
        "C(1) => C(2)",
    ),
    edited(
        "class in a global object",
        "class C:\n    def go(self, x):\n        return x + 1\n\nBOX = [C()]",
        "BOX[0].go(x)",
        "x + 1 => x + 2",
    ),
    edited("SimpleNamespace", "import types\n\nN = types.SimpleNamespace(n=1)", "N.n + x", "n=1 => n=2"),
    edited("global regular expression", "import re\n\nN = re.compile('a+')", "N.findall('aab')", "'a+' => 'a'"),
    edited("global path, as a value", "from pathlib import Path\n\nN = Path('a.txt')", "N.name", "a.txt => b.txt"),
    Case(
        "global path, the file it names",
        {"m.py": module("from pathlib import Path\n\nN = Path('a.txt')", function("N.name")), "a.txt": "1"},
        write("a.txt", "2"),
        "",
    ),
    unaffected(
        "ignore_globals",
        "LEVEL = 1",
        "(LEVEL, x)[1]",
        "LEVEL = 1 => LEVEL = 2",
        options="ignore_globals=['LEVEL']",
    ),
    Case(
        "memo that the body fills, in ignore_globals",
        {
            "m.py": """
            MEMO = {}

            @cache_file(DIR, ignore_globals=["MEMO"])
            def f(x):
                ran("f")
                return MEMO.setdefault(x, x + 1)
            """
        },
        "",
        "",
        live="m.MEMO[5] = 5",
    ),
]

DECORATED = [
    edited(
        "decorated helper: its decorator",
        """
        def twice(function):
            def wrapper(x):
                return 2 * function(x)
            return wrapper

        @twice
        def h(x):
            return x + 1
        """,
        "h(x)",
        "2 * => 3 *",
    ),
    edited(
        "decorated helper: the function",
        """
        def twice(function):
            def wrapper(x):
                return 2 * function(x)
            return wrapper

        @twice
        def h(x):
            return x + 1
        """,
        "h(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "functools.wraps: the decorator",
        """
        import functools

        def twice(function):
            @functools.wraps(function)
            def wrapper(*args):
                return 2 * function(*args)
            return wrapper

        @twice
        def h(x):
            return x + 1
        """,
        "h(x)",
        "2 * => 3 *",
    ),
    edited(
        "functools.wraps: the function",
        """
        import functools

        def twice(function):
            @functools.wraps(function)
            def wrapper(*args):
                return 2 * function(*args)
            return wrapper

        @twice
        def h(x):
            return x + 1
        """,
        "h(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "decorator with an argument",
        """
        def times(n):
            def decorate(function):
                def wrapper(x):
                    return n * function(x)
                return wrapper
            return decorate

        @times(2)
        def h(x):
            return x + 1
        """,
        "h(x)",
        "@times(2) => @times(3)",
    ),
    edited(
        "decorator taken away",
        """
        def twice(function):
            return lambda x: 2 * function(x)

        @twice
        def h(x):
            return x + 1
        """,
        "h(x)",
        "@twice\n => # plain\n",
    ),
    edited(
        "lru_cache'd helper",
        """
        import functools

        @functools.lru_cache
        def h(x):
            return x + 1
        """,
        "h(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "class as a decorator",
        """
        class Twice:
            def __init__(self, function):
                self.function = function

            def __call__(self, x):
                return 2 * self.function(x)

        @Twice
        def h(x):
            return x + 1
        """,
        "h(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "singledispatch implementation",
        """
        import functools

        @functools.singledispatch
        def h(x):
            return None

        @h.register
        def _(x: int):
            return x + 1
        """,
        "h(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "singledispatch implementation added",
        """
        import functools

        @functools.singledispatch
        def h(x):
            return None

        @h.register
        def _(x: str):
            return x
        """,
        "h(x)",
        "x: str => x: int",
    ),
    edited(
        "singledispatchmethod implementation",
        """
        import functools

        class C:
            @functools.singledispatchmethod
            def go(self, x):
                return None

            @go.register
            def _(self, x: int):
                return x + 1
        """,
        "C().go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "partialmethod",
        """
        import functools

        class C:
            def go(self, k, x):
                return k + x

            up = functools.partialmethod(go, 1)
        """,
        "C().up(x)",
        "(go, 1) => (go, 2)",
    ),
    Case(
        "decorator under cache_file: the decorator",
        {
            "m.py": """
            import functools

            def twice(function):
                @functools.wraps(function)
                def wrapper(x):
                    return 2 * function(x)
                return wrapper

            @cache_file(DIR)
            @twice
            def f(x):
                ran("f")
                return x + 1
            """
        },
        "2 * => 3 *",
        "f",
    ),
    Case(
        "decorator under cache_file: the function",
        {
            "m.py": """
            import functools

            def twice(function):
                @functools.wraps(function)
                def wrapper(x):
                    return 2 * function(x)
                return wrapper

            @cache_file(DIR)
            @twice
            def f(x):
                ran("f")
                return x + 1
            """
        },
        "x + 1 => x + 2",
        "f",
    ),
]

REGISTRY = """
TABLE = {}

def register(function):
    TABLE[function.__name__] = function
    return function

@register
def h(x):
    return x + 1
"""
ENUM = """
import enum

class Named:
    def title(self):
        return "A " + self.name

class Colour(Named, enum.Enum):
    RED = 1

    @property
    def double(self):
        return self.value * 2
"""
FUNCTIONTOOLS = "import functools\nimport operator\nimport numpy as np\n" + module(HELPER)
ROUNDABOUT = [
    edited("registry filled by a decorator", REGISTRY, "TABLE['h'](x)", "x + 1 => x + 2"),
    edited("decorator that registers, edited", REGISTRY, "TABLE['h'](x)", "= function\n => = lambda x: -function(x)\n"),
    edited(
        "registry filled by __init_subclass__",
        """
        class Base:
            kinds = []

            def __init_subclass__(cls):
                Base.kinds.append(cls)

        class C(Base):
            def go(self, x):
                return x + 1
        """,
        "Base.kinds[0]().go(x)",
        "x + 1 => x + 2",
    ),
    edited("property of an enum", ENUM, "Colour.RED.double", "self.value * 2 => self.value * 3"),
    edited("base-class method of an enum", ENUM, "Colour.RED.title()", '"A " => "The "'),
    edited(
        "default_factory of a dataclass field",
        HELPER.replace("(x)", "()").replace("x + 1", "[1]")
        + """
    from dataclasses import dataclass, field

    @dataclass
    class C:
        n: list = field(default_factory=h)
        """,
        "C().n",
        "[1] => [2]",
    ),
    edited(
        "default and method of a NamedTuple",
        """
        from typing import NamedTuple

        class P(NamedTuple):
            a: int = 1

            def go(self, x):
                return self.a + x
        """,
        "P().go(x)",
        "self.a + x => self.a - x",
    ),
    edited(
        "default of a NamedTuple",
        """
        from typing import NamedTuple

        class P(NamedTuple):
            a: int = 1
        """,
        "P().a + x",
        "int = 1 => int = 2",
    ),
    edited(
        "implementation of an abstract method",
        """
        import abc

        class Base(abc.ABC):
            @abc.abstractmethod
            def step(self, x): ...

            def go(self, x):
                return self.step(x)

        class C(Base):
            def step(self, x):
                return x + 1
        """,
        "C().go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "private method",
        "class C:\n    def __go(self, x):\n        return x + 1\n\n    def go(self, x):\n        return self.__go(x)\n",
        "C().go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "class attribute found through __getattr__",
        "class C:\n    def __getattr__(self, name):\n        return name + '!'\n",
        "C().size",
        "'!' => '?'",
    ),
    edited(
        "__getattr__ of a module",
        "import h",
        "h.size",
        sub("'!' => '?'", "h.py"),
        h="def __getattr__(name):\n    return name + '!'\n",
    ),
    edited(
        "user class named partial",
        "class partial:\n    def __init__(self, n):\n        self.n = n\n\np = partial(1)",
        "p.n + x",
        "partial(1) => partial(2)",
    ),
    edited(
        "user class named property",
        "class property:\n    def __init__(self, n):\n        self.n = n\n\np = property(1)",
        "p.n + x",
        "property(1) => property(2)",
    ),
    edited(
        "function stored on a global object",
        "import types\n" + module(HELPER) + "c = types.SimpleNamespace(go=h)\n",
        "c.go(x)",
        "x + 1 => x + 2",
    ),
    edited("attribute of a function", HELPER + "\n    h.size = 1\n", "h.size + x", "h.size = 1 => h.size = 2"),
    edited(
        "attribute of a function, found by getattr",
        HELPER + "\n    h.size = 1\n",
        "getattr(h, 'size') + x",
        "h.size = 1 => h.size = 2",
    ),
    edited(
        "function in a defaultdict",
        "import collections\n" + module(HELPER) + "D = collections.defaultdict(lambda: h, a=h)\n",
        "D['a'](x)",
        "x + 1 => x + 2",
    ),
    edited(
        "factory of a defaultdict",
        "import collections\n\nD = collections.defaultdict(lambda: 1)\n",
        "D.default_factory() + x",
        "lambda: 1 => lambda: 2",
    ),
    edited("numpy.vectorize of a helper", FUNCTIONTOOLS + "v = np.vectorize(h)\n", "v([x]).tolist()", "x + 1 => x + 2"),
    edited(
        "partial of a partial",
        FUNCTIONTOOLS + "p = functools.partial(functools.partial(h), 3)\n",
        "p()",
        "x + 1 => x + 2",
    ),
    edited(
        "method bound by hand", FUNCTIONTOOLS + "import types\n\np = types.MethodType(h, 3)\n", "p()", "x + 1 => x + 2"
    ),
    edited(
        "staticmethod in a dict", FUNCTIONTOOLS + "TABLE = {'h': staticmethod(h)}\n", "TABLE['h'](x)", "x + 1 => x + 2"
    ),
    edited(
        "bound method in a list",
        "class C:\n    def go(self, x):\n        return x + 1\n\nSTEPS = [C().go]\n",
        "STEPS[0](x)",
        "x + 1 => x + 2",
    ),
    edited(
        "property made of a global function",
        "def h(self):\n    return 1\n\nclass C:\n    size = property(h)\n",
        "C().size + x",
        "return 1 => return 2",
    ),
    edited(
        "function passed to a helper",
        HELPER + "\n    def use(go, x):\n        return go(x)\n",
        "use(h, x)",
        "x + 1 => x + 2",
    ),
    edited("function passed to map", HELPER, "list(map(h, [x]))", "x + 1 => x + 2"),
    edited("key of a sort", "def h(x):\n    return -x\n", "sorted([1, x], key=h)", "-x => +x"),
    edited(
        "helper by getattr(module, name)", "import h", "getattr(h, 'h')(x)", sub("x + 1 => x + 2", "h.py"), h=HELPER
    ),
    edited(
        "helper by getattr(module, name), re-exported",
        "import k",
        "getattr(k, 'h')(x)",
        sub("x + 1 => x + 2", "h.py"),
        k="from h import h\n",
        h=HELPER,
    ),
    edited("helper by eval", HELPER, "eval('h(x)', globals(), {'x': x})", "x + 1 => x + 2"),
    edited(
        "imported helper by eval",
        "from h import h",
        "eval('h(x)', globals(), {'x': x})",
        sub("x + 1 => x + 2", "h.py"),
        h=HELPER,
    ),
    edited("helper by globals()", HELPER, "globals()['h'](x)", "x + 1 => x + 2"),
    edited(
        "imported helper by globals()", "from h import h", "globals()['h'](x)", sub("x + 1 => x + 2", "h.py"), h=HELPER
    ),
    edited("helper made by exec", "exec('def h(x):\\n    return x + 1')", "h(x)", "x + 1 => x + 2"),
    edited(
        "default of a lambda made in a loop",
        "TABLE = {}\nfor n in (1, 2):\n    TABLE[n] = lambda x, n=n + 10: x + n\n",
        "TABLE[2](x)",
        "n + 10 => n + 20",
    ),
    edited(
        "read-only mapping", "import types\n\nN = types.MappingProxyType({'a': 1})\n", "N['a'] + x", "'a': 1 => 'a': 2"
    ),
    edited(
        "lru_cache'd method",
        "import functools\n\nclass C:\n    @functools.lru_cache\n    def go(self, x):\n        return x + 1\n",
        "C().go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "total_ordering",
        "import functools\n\n@functools.total_ordering\nclass C:\n    def __init__(self, n):\n        self.n = n\n\n"
        "    def __eq__(self, other):\n        return self.n == other.n\n\n    def __lt__(self, other):\n        return self.n < other.n\n",
        "C(1) > C(x)",
        "self.n < other.n => self.n > other.n",
    ),
    edited(
        "global named like a local of another function",
        "n = 1\n\ndef h(x):\n    return x + n\n\ndef k(n):\n    return n\n",
        "h(x)",
        "n = 1\n => n = 2\n",
    ),
    edited(
        "conditional definition",
        "FLAG = True\n\nif FLAG:\n    def h(x):\n        return x + 1\nelse:\n    def h(x):\n        return x - 1\n",
        "h(x)",
        "FLAG = True => FLAG = False",
    ),
]

UNAFFECTED = [
    unaffected("own comment", "", "x + 1", "return x + 1 => # noted\n    return x + 1"),
    unaffected("helper's comment", BIG_HELPER, "h(x)", "# carefully => # boldly"),
    unaffected("helper's comment removed", BIG_HELPER, "h(x)", "    # carefully\n => "),
    unaffected("docstring changed", BIG_HELPER, "h(x)", "Adds one. => Adds one to x."),
    unaffected("docstring removed", BIG_HELPER, "h(x)", '    """Adds one."""\n => '),
    unaffected("docstring added", HELPER, "h(x)", 'def h(x): => def h(x):\n    """Adds one."""'),
    unaffected("own docstring added", "", "x + 1", 'def f(x): => def f(x):\n    """Adds one."""'),
    unaffected("class docstring changed", 'class C:\n    """One."""\n    n = 1\n', "C.n + x", "One. => Two."),
    unaffected("module docstring added", BIG_HELPER, "h(x)", "LIMIT = 10 => '''Tools.'''\nLIMIT = 10"),
    unaffected("blank lines within", BIG_HELPER, "h(x)", "total = x + 1 => \n\n    total = x + 1\n\n"),
    unaffected("blank lines above", BIG_HELPER, "h(x)", "def h(x): => \n\n\n\ndef h(x):"),
    unaffected(
        "reformatted over several lines",
        BIG_HELPER,
        "h(x)",
        "min(total, LIMIT) => min(\n        total,\n        LIMIT,\n    )",
    ),
    unaffected("redundant parentheses", BIG_HELPER, "h(x)", "total = x + 1 => total = (x + 1)"),
    unaffected("indented by tabs", HELPER, "h(x)", "    return x + 1 => \treturn x + 1"),
    unaffected(
        "helper moved within the file",
        HELPER,
        "h(x)",
        write("m.py", module("", function("h(x)"), "\n\ndef h(x):\n    return x + 1\n")),
    ),
    unaffected(
        "function moved within the file",
        BIG_HELPER,
        "h(x)",
        write("m.py", module("N = 1\n\ndef before():\n    return 0\n", function("h(x)"), module(BIG_HELPER))),
    ),
    unaffected("unrelated function edited", BIG_HELPER, "h(x)", "x - 1 => x - 2"),
    unaffected("unrelated function renamed", BIG_HELPER, "h(x)", "def other => def another"),
    unaffected("unrelated global changed", BIG_HELPER, "h(x)", "UNRELATED = 1 => UNRELATED = 2"),
    unaffected("unrelated import added", BIG_HELPER, "h(x)", "LIMIT = 10 => import json\nLIMIT = 10"),
    unaffected("unrelated module edited", "import other", "x + 1", sub("x + 1 => x + 2", "other.py"), other=HELPER),
    unaffected(
        "unrelated function of a used module",
        "import h",
        "h.h(x)",
        sub("x - 1 => x - 2", "h.py"),
        h=HELPER + "\n    def other(x):\n        return x - 1\n",
    ),
    unaffected(
        "unrelated global of a used module",
        "import h",
        "h.h(x)",
        sub("N = 1 => N = 2", "h.py"),
        h="N = 1\n\ndef h(x):\n    return x + 1\n",
    ),
    unaffected("global of the same value written otherwise", "N = 4", "x + N", "N = 4 => N = 2 + 2"),
    unaffected(
        "attribute of an unrelated class of the same name as a local",
        "class total:\n    n = 1\n\ndef h(x):\n    total = x\n    return total\n",
        "h(x)",
        "n = 1 => n = 2",
    ),
    unaffected("edit then revert", HELPER, "h(x)", then(sub("x + 1 => x + 2"), run, sub("x + 2 => x + 1"))),
    unaffected(
        "constant changed then reverted",
        "N = 1",
        "x + N",
        then(sub("N = 1 => N = 2"), run, sub("N = 2 => N = 1")),
    ),
    unaffected(
        "edit and revert with no run between",
        HELPER,
        "h(x)",
        then(sub("x + 1 => x + 2"), sub("x + 2 => x + 1")),
    ),
    unaffected(
        "three versions, back to the first",
        HELPER,
        "h(x)",
        then(sub("x + 1 => x + 2"), run, sub("x + 2 => x + 3"), run, sub("x + 3 => x + 1")),
    ),
    unaffected("source file touched", HELPER, "h(x)", lambda project: (project.root / "m.py").touch()),
    unaffected(
        "undeclared environment variable",
        "import os",
        "(os.environ.get('CASE_MODE'), x)[1]",
        env(CASE_MODE="b"),
    ),
    unaffected("called from another folder", HELPER, "h(x)", then(write("elsewhere/a.txt", ""), chdir("elsewhere"))),
    unaffected(
        "type annotation of a local name's comment",
        HELPER,
        "h(x)",
        "return x + 1 => return x + 1  # type: ignore",
    ),
    code(
        "local variable renamed",
        BIG_HELPER.replace("min(total, LIMIT)", "total"),
        "h(x)",
        "total = x + 1\n    return total => t = x + 1\n    return t",
        None,
    ),
    code(
        "helper renamed",
        HELPER,
        "h(x)",
        write("m.py", module("def hh(x):\n    return x + 1\n", function("hh(x)"))),
        None,
    ),
    code("annotation added", HELPER, "h(x)", "def h(x): => def h(x: int) -> int:", None),
    code(
        "helper moved to another module",
        HELPER,
        "h(x)",
        then(write("h.py", HELPER), write("m.py", module("from h import h\n", function("h(x)")))),
        None,
    ),
]

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

CASES: list[Case] = HELPERS + PARTS_OF_CODE + CLASSES + GLOBALS + DECORATED + ROUNDABOUT + UNAFFECTED + LIVE
