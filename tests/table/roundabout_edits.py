"""Edits of decorators and of code that a function reaches in a roundabout way: tables, registries, names."""

from __future__ import annotations

from tests.table.code_edits import HELPER, edited
from tests.table.harness import (
    Case,
    module,
    sub,
)

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

CASES: list[Case] = DECORATED + ROUNDABOUT
