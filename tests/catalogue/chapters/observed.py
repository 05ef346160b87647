"""How a body comes to code that nothing in the function names: what is seen there, from Python 3.12 on, is what ran."""

from __future__ import annotations

from tests.catalogue.program import Program, counts, ignored

STRING = "code found by a string"
KEPT = "what was registered with a library"
H = "def h():\n    return «1→2»"
OTHER = "def h():\n    return 1\ndef other():\n    return «1→2»\nUNUSED = None"


def found(name: str, imports: str, body: str, text: str = H, **more: str) -> Program:
    """A body that is told by its argument which module it wants."""
    source = f"{imports}\n\n@cached\ndef f(name):\n    return {body}\n"
    return counts(name, source, call="f('a')", a=text, **({"stale": STRING, "seen": "3.12"} | more))


PROGRAMS = [
    found("import_module of an argument, its function", "import importlib", "importlib.import_module(name).h()"),
    found("import_module of an argument, its helper", "import importlib", "importlib.import_module(name).g()", f"{H}\ndef g():\n    return h()"),
    found("import_module of an argument, its constant", "import importlib", "importlib.import_module(name).X", "X = «1→2»"),
    found("import_module of an argument, a constant of its function", "import importlib", "importlib.import_module(name).h()", "X = «1→2»\ndef h():\n    return X"),
    found("import_module of an argument, a computed constant", "import importlib", "importlib.import_module(name).X", f"{H}\nX = h() * 3"),
    found("import_module of an argument, its class", "import importlib", "importlib.import_module(name).C().m()", "class C:\n    def m(self):\n        return «1→2»"),
    found("import_module of an argument, a class attribute", "import importlib", "importlib.import_module(name).C().m()", "class C:\n    X = «1→2»\n    def m(self):\n        return self.X"),
    found("import_module of an argument, a subclass's attribute", "import importlib", "importlib.import_module(name).D().m()", "class C:\n    def m(self):\n        return self.X\nclass D(C):\n    X = «1→2»"),
    found("import_module of an argument, a property", "import importlib", "importlib.import_module(name).C().p", "class C:\n    @property\n    def p(self):\n        return «1→2»"),
    found("import_module of an argument, a static method", "import importlib", "importlib.import_module(name).C.s()", "class C:\n    @staticmethod\n    def s():\n        return «1→2»"),
    found("import_module of an argument, a class method", "import importlib", "importlib.import_module(name).C.s()", "class C:\n    @classmethod\n    def s(cls):\n        return «1→2»"),
    found("import_module of an argument, a lambda", "import importlib", "importlib.import_module(name).h()", "h = lambda: «1→2»"),
    found("import_module of an argument, a lambda in a dict", "import importlib", "importlib.import_module(name).T['k']()", "T = {'k': lambda: «1→2»}"),
    found("import_module of an argument, a closure", "import importlib", "importlib.import_module(name).h()", "def make(n):\n    return lambda: n\nh = make(«1→2»)"),
    found("import_module of an argument, a partial", "import importlib", "importlib.import_module(name).h()", "from functools import partial\ndef g(n):\n    return n\nh = partial(g, «1→2»)"),
    found("import_module of an argument, a decorated function", "import importlib", "importlib.import_module(name).h()", "import functools\ndef deco(fn):\n    @functools.wraps(fn)\n    def inner():\n        return fn() + «1→2»\n    return inner\n@deco\ndef h():\n    return 1"),
    found("import_module of an argument, a default", "import importlib", "importlib.import_module(name).h()", "def h(x=«1→2»):\n    return x"),
    found("import_module of an argument, a generator", "import importlib", "list(importlib.import_module(name).h())", "def h():\n    yield «1→2»"),
    found("import_module of an argument, a dataclass", "import importlib", "importlib.import_module(name).C().x", "from dataclasses import dataclass\n@dataclass\nclass C:\n    x: int = «1→2»"),
    found("import_module of an argument, a memo", "import importlib", "importlib.import_module(name).h()", "from functools import lru_cache\n@lru_cache\ndef h():\n    return «1→2»"),
    found("import_module of an argument, a method put in later", "import importlib", "importlib.import_module(name).C().m()", "class C:\n    pass\ndef patched(self):\n    return «1→2»\nC.m = patched"),
    found("import_module of an argument, a function that replaced another", "import importlib", "importlib.import_module(name).h()", "def h():\n    return 0\ndef h():\n    return «1→2»"),
    found("import_module of an argument, what it imports", "import importlib", "importlib.import_module(name).h()", "from b import g\ndef h():\n    return g()", b="def g():\n    return «1→2»"),
    found("import_module of an argument, in a package", "import importlib", "importlib.import_module('p.' + name + name).h()", "", p__init="", p__aa=H, stale=""),
    found("__import__ of an argument", "", "__import__(name).h()"),
    found("__import__ of an argument, its constant", "", "__import__(name).X", "X = «1→2»"),
    found("import_module of an argument, loaded already", "import a, importlib", "importlib.import_module(name).h()"),
    found("import_module of an argument, a constant, loaded already", "import a, importlib", "importlib.import_module(name).X", "X = «1→2»"),
    found("import_module of an argument, a constant from elsewhere", "import importlib", "importlib.import_module(name).X", "from b import Y\nX = Y * 2", b="Y = «1→2»"),
    found("__import__ of an argument, a constant, loaded already", "import a", "__import__(name).X", "X = «1→2»"),
    found("sys.modules of an argument", "import sys, a", "getattr(sys.modules[name], 'h')()", stale=""),
    found("getattr of an argument of a module in a list", "import sys, a", "[getattr(m, 'h')() for k, m in sys.modules.items() if k == name][0]", stale=""),
    found("pkgutil.resolve_name of an argument", "import pkgutil", "pkgutil.resolve_name(name + ':h')()"),
    found("pydoc.locate of an argument", "import pydoc", "pydoc.locate(name + '.h')()"),
    found("runpy.run_module of an argument", "import runpy", "runpy.run_module(name)['X']", "X = «1→2»"),
    found("runpy.run_path of an argument", "import runpy", "runpy.run_path(name + '.py')['X']", "X = «1→2»"),
    counts("spec_from_file_location of an argument", """
        import importlib.util

        @cached
        def f(name):
            spec = importlib.util.spec_from_file_location('made_up', './' + name + '.py')
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module.h()
        """, call="f('a')", a=H, stale=STRING, seen="3.12"),
    found("multiprocessing.dummy of an argument", "import importlib\nfrom multiprocessing.dummy import Pool", "Pool(2).map(importlib.import_module(name).h, [0])", "def h(x):\n    return «1→2»"),
    found("an async function of an argument", "import asyncio, importlib", "asyncio.run(importlib.import_module(name).h())", "async def h():\n    return «1→2»"),
    counts("filter of a logger that is found by a name", "import logging\nclass Own(logging.Filter):\n    def filter(self, r):\n        r.args[0].append(«1→2»)\n        return False\nL = logging.getLogger('y')\nL.addFilter(Own())\ndef h():\n    out = []\n    logging.getLogger('y').warning('%s', out)\n    return out", "h()", stale=KEPT, seen="3.12"),
    ignored("another function of a module that is imported by an argument", """
        import importlib

        @cached
        def f(name):
            return importlib.import_module(name).h()
        """, call="f('a')", a=OTHER),
    ignored("a comment of a module that is imported by an argument", """
        import importlib

        @cached
        def f(name):
            return importlib.import_module(name).h()
        """, call="f('a')", a="# «1→2»\ndef h():\n    'a docstring «a→b»'\n    return 1  # «1→2»"),
]
