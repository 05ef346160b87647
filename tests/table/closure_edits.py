"""Edits of what local functions close over: behind decorators without `functools.wraps`, and made by factories.

Each way of making one stands with three edits: of the function inside, of the helper that it calls, of the constant
that it reads; each is called directly, and by a caller that finds it by a name at run time.
"""

from __future__ import annotations

from tests.table.harness import Case, Edit, sub

HEAD = """
    import functools, dataclasses
    import late
    N = 10
    def h(x):
        return x + N
    def f0(x, *rest):
        ran("f")
        return h(x)
    def timed(fn):
        def inner(*args):
            return fn(*args)
        return inner
    """
MADE = {
    "naive decorator": "f = cache_file(DIR)(timed(f0))",
    "stacked naive decorators": "f = cache_file(DIR)(timed(timed(f0)))",
    "naive decorator with arguments": """
    def times(n):
        def deco(fn):
            def inner(*args):
                return [fn(*args)] * n
            return inner
        return deco
    f = cache_file(DIR)(times(2)(f0))""",
    "naive decorator over a class-based one": """
    class Counted:
        def __init__(self, fn):
            self.fn = fn
        def __call__(self, *args):
            return self.fn(*args)
    f = cache_file(DIR)(timed(Counted(f0)))""",
    "naive decorator over a partial": "f = cache_file(DIR)(timed(functools.partial(f0)))",
    "naive decorator over a bound method": """
    class Model:
        def run(self, x):
            return f0(x)
    f = cache_file(DIR)(timed(Model().run))""",
    "naive decorator over a method": """
    class Model:
        @cache_file(DIR)
        @timed
        def run(self, x):
            return f0(x)
    f = Model().run""",
    "naive decorator over a staticmethod": """
    class Model:
        @staticmethod
        @cache_file(DIR)
        @timed
        def run(x):
            return f0(x)
    f = Model.run""",
    "naive decorator over a memo": "f = cache_file(DIR)(timed(functools.lru_cache(f0)))",
    "naive decorator over a function by exec": """
    exec("def g(x): return f0(x)")
    f = cache_file(DIR)(timed(g))""",
    "factory that takes a function": """
    def make(fn, n):
        def made(x):
            return fn(x) * n
        return made
    f = cache_file(DIR)(make(f0, 2))""",
    "factory that takes a list of functions": """
    def make(steps):
        def made(x):
            for step in steps:
                x = step(x)
            return x
        return made
    f = cache_file(DIR)(make([f0, h]))""",
    "factory that takes a module": """
    def make(lib):
        def made(x):
            return lib.run(x, f0)
        return made
    f = cache_file(DIR)(make(late))""",
    "factory that takes a class": """
    class Model:
        def run(self, x):
            return f0(x)
    def make(cls):
        def made(x):
            return cls().run(x)
        return made
    f = cache_file(DIR)(make(Model))""",
    "factory that takes an instance": """
    class Model:
        def run(self, x):
            return f0(x)
    def make(model):
        def made(x):
            return model.run(x)
        return made
    f = cache_file(DIR)(make(Model()))""",
    "factory that takes a lambda": """
    def make(fn):
        def made(x):
            return fn(x)
        return made
    f = cache_file(DIR)(make(lambda x: f0(x)))""",
    "nested factories": """
    def outer(fn):
        def make(n):
            def made(x):
                return fn(x) * n
            return made
        return make
    f = cache_file(DIR)(outer(f0)(2))""",
    "factory of a factory's product": """
    def make(fn):
        def made(x):
            return fn(x)
        return made
    f = cache_file(DIR)(timed(make(f0)))""",
    "methods of a local class": """
    def make(fn):
        class Local:
            @cache_file(DIR)
            def run(self, x):
                return fn(x)
        return Local
    A = make(f0)
    def f(x):
        return A().run(x)""",
    "class by type()": """
    Made = type("Made", (), {"run": lambda self, x: f0(x)})
    def make(cls):
        def made(x):
            return cls().run(x)
        return made
    f = cache_file(DIR)(make(Made))""",
    "class by make_dataclass": """
    Made = dataclasses.make_dataclass("Made", ["n"], namespace={"run": lambda self, x: f0(x), "__module__": __name__})
    def make(cls):
        def made(x):
            return cls(1).run(x)
        return made
    f = cache_file(DIR)(make(Made))""",
    "default of a local function": """
    def make(fn):
        def made(x, fn=fn):
            return fn(x)
        return timed(made)
    f = cache_file(DIR)(make(f0))""",
}
TOP = """
    import importlib
    @cache_file(DIR)
    def top(x):
        ran("top")
        return getattr(importlib.import_module("ste" + "ps"), "f")(x)
    """
EDITS: dict[str, Edit] = {
    "function": sub("return h(x) => return -h(x)", "steps.py"),
    "helper": sub("return x + N => return x - N", "steps.py"),
    "constant": sub("N = 10 => N = 11", "steps.py"),
}
LATE = "def run(x, fn):\n    return fn(x)\n"


def _cases() -> list[Case]:
    found = []
    for name, source in MADE.items():
        files = {"steps.py": HEAD + source.lstrip("\n ").join(["\n    ", "\n"]), "m.py": TOP, "late.py": LATE}
        for what, edit in EDITS.items():
            found += [
                Case(f"{name}: {what}", files, edit, "f", "steps.f(3)", "import steps"),
                Case(f"{name}: {what}, below a caller", files, edit, "top f", "m.top(3)"),
            ]
    return found


MANY = """
    def timed(fn):
        def inner(*args):
            return fn(*args)
        return inner
    def make(n):
        def made(x):
            ran("f")
            return x + n
        return made
    class Plus:
        def __init__(self, n):
            self.n = n
        def __call__(self, x):
            ran("f")
            return x + self.n
    def loop():
        found = []
        for n in range(30):
            def made(x, n=n):
                ran("f")
                return x + n
            found.append(cache_file(DIR)(timed(made)))
        return found
    def classes():
        found = []
        for n in range(30):
            class Local:
                k = n
                def run(self, x):
                    ran("f")
                    return x + self.k
            found.append(cache_file(DIR)(timed(Local().run)))
        return found
    found = []
    for i in range(30):
        exec(f"def g{i}(x):\\n    ran('f')\\n    return x + {i}")
        found.append(cache_file(DIR)(timed(globals()[f"g{i}"])))
    """
WAYS = {
    "functions": "m.found",
    "closures": "[m.cache_file(m.DIR)(m.timed(m.make(n))) for n in range(30)]",
    "closures of wrappers": "[m.cache_file(m.DIR)(m.timed(m.timed(m.make(n)))) for n in range(30)]",
    "instances": "[m.cache_file(m.DIR)(m.timed(m.Plus(n))) for n in range(30)]",
    "partials": "[m.cache_file(m.DIR)(m.timed(__import__('functools').partial(m.Plus(1), n))) for n in range(30)]",
    "methods": "[m.cache_file(m.DIR)(m.timed(m.Plus(n).__call__)) for n in range(30)]",
    "functions made in a loop": "m.loop()",
    "methods of local classes": "m.classes()",
    "lambdas": "[m.cache_file(m.DIR)(m.timed(eval(f'lambda x: x + {n}', vars(m)))) for n in range(30)]",
}
MADE_INSIDE = """
    def timed(fn):
        def inner(*args):
            return fn(*args)
        return inner
    def h(x):
        ran("h")
        return x + 1
    @cache_file(DIR)
    def top(x):
        ran("top")
        return cache_file(DIR)(timed(h))(x)
    @cache_file(DIR)
    def top2(x):
        ran("top2")
        return cache_file(DIR)(timed(timed(lambda y: h(y))))(x)
    """
CASES: list[Case] = [
    *_cases(),
    *(
        Case(
            f"thirty {way} behind one decorator",
            {"m.py": MANY},
            "",
            "",
            "[f(1) for f in fs]",
            f"import m\nfs = {made}",
            live="m.unused = 1",
        )
        for way, made in WAYS.items()
        if way not in ("partials", "lambdas")
    ),
    *(
        Case(
            f"thirty {way} behind one decorator, in another process",
            {"m.py": MANY, "other.py": "N = 1\n"},
            sub("N = 1 => N = 2", "other.py"),
            "",
            "[f(1) for f in fs]" if way != "partials" else "[f() for f in fs]",
            f"import m\nfs = {made}",
        )
        for way, made in WAYS.items()
    ),
    Case("wrapper made in a body, helper edited", {"m.py": MADE_INSIDE}, "x + 1 => x + 2", "top h", "m.top(3)"),
    Case("wrapper made in a body, wrapper edited", {"m.py": MADE_INSIDE}, "return fn( => return -fn(", "top h", "m.top(3)"),
    Case("wrapper of a lambda made in a body", {"m.py": MADE_INSIDE}, "x + 1 => x + 2", "top2 h", "m.top2(3)"),
]
