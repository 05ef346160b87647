"""How code and values come from other modules."""

from __future__ import annotations

from tests.catalogue.program import Program, counts

A = "X = «1→2»"
H = "def h():\n    return «1→2»"

PROGRAMS: list[Program] = [
    counts("import", "import a", "a.X", a=A),
    counts("import as", "import a as b", "b.X", a=A),
    counts("import of a function", "import a", "a.h()", a=H),
    counts("from import", "from a import X", "X", a=A),
    counts("from import as", "from a import X as Y", "Y", a=A),
    counts("from import of a function", "from a import h", "h()", a=H),
    counts("star import", "from a import *", "X", a=A),
    counts("star import of a function", "from a import *", "h()", a=H),
    counts("star import with __all__", "X = 0\nfrom a import *", "X", a="__all__ = [«→'X'»]\nX = 1"),
    counts("dotted import", "import p.a", "p.a.X", p__init="", p__a=A),
    counts("dotted import as", "import p.a as b", "b.X", p__init="", p__a=A),
    counts("deep dotted import", "import p.q.r.a", "p.q.r.a.h()", p__init="", p__q__init="", p__q__r__init="", p__q__r__a=H),
    counts("from package import module", "from p import a", "a.X", p__init="", p__a=A),
    counts("from package import module as", "from p import a as b", "b.h()", p__init="", p__a=H),
    counts("relative import", "from p.b import g", "g()", p__init="", p__a=A, p__b="from .a import X\ndef g():\n    return X"),
    counts("relative import of a module", "from p.b import g", "g()", p__init="", p__a=A, p__b="from . import a\ndef g():\n    return a.X"),
    counts("relative import from the parent", "from p.q.b import g", "g()", p__init="", p__a=A, p__q__init="", p__q__b="from ..a import X\ndef g():\n    return X"),
    counts("relative import in a body", "from p.b import g", "g()", p__init="", p__a=A, p__b="def g():\n    from .a import X\n    return X"),
    counts("relative module import in a body", "from p.b import g", "g()", p__init="", p__a=A, p__b="def g():\n    from . import a\n    return a.X"),
    counts("reexport by __init__", "import p", "p.X", p__init="from .a import X", p__a=A),
    counts("reexport by __init__ with star", "import p", "p.h()", p__init="from .a import *", p__a=H),
    counts("value in __init__", "import p", "p.X", p__init=A),
    counts("function in __init__", "from p import h", "h()", p__init=H),
    counts("namespace package", "import p.a", "p.a.X", p__a=A),
    counts("namespace package, function", "from p.a import h", "h()", p__a=H),
    counts("module __getattr__", "import a", "a.Y", a="def __getattr__(name):\n    return «1→2»"),
    counts("module __getattr__ in from import", "from a import Y", "Y", a="def __getattr__(name):\n    return «1→2»"),
    counts("module __getattr__ in a body", "", "__import__('a').Y", a="def __getattr__(name):\n    return «1→2»"),
    counts("module __getattr__ lazily imports", "import p", "p.a.X", p__init="import importlib\ndef __getattr__(name):\n    return importlib.import_module('p.' + name)", p__a=A),
    counts("module __getattr__ by table", "import p", "p.h()", p__init="import importlib\n_WHERE = {'h': 'p.a'}\ndef __getattr__(name):\n    return getattr(importlib.import_module(_WHERE[name]), name)", p__a=H),
    counts("module __dir__", "import a", "dir(a)", a="def __dir__():\n    return ['«x→y»']"),
    counts("dir of a module", "import a", "'Y' in dir(a)", a="«X→Y» = 1"),
    counts("vars of a module", "import a", "vars(a)['X']", a=A),
    counts("__dict__ of a module", "import a", "a.__dict__['X']", a=A),
    counts("__dict__ of a module, a function", "import a", "a.__dict__['h']()", a=H),
    counts("getattr of a module with a constant", "import a", "getattr(a, 'X')", a=A),
    counts("getattr of a module with a computed name", "import a\nN = 'X'", "getattr(a, N)", a=A),
    counts("getattr of a module with an argument", """
        import a

        @cached
        def f(name):
            return getattr(a, name)()
        """, call="f('h')", a=H),
    counts("hasattr of a module", "import a", "hasattr(a, 'Y')", a="«X→Y» = 1"),
    counts("attrgetter of a module", "import a, operator", "operator.attrgetter('X')(a)", a=A),
    counts("module in a list", "import a\nL = [a]", "L[0].X", a=A),
    counts("module in a dict", "import a\nL = {'a': a}", "L['a'].h()", a=H),
    counts("module as argument", """
        import a

        @cached
        def f(m):
            return m.X
        """, call="f(a)", a=A),
    counts("module as argument, a function of it", """
        import a

        @cached
        def f(m):
            return m.h()
        """, call="f(a)", a=H),
    counts("module handed to a helper", "import a\ndef g(m):\n    return m.X", "g(a)", a=A),
    counts("module as default", "import a\ndef g(m=a):\n    return m.X", "g()", a=A),
    counts("module as alias in a body", """
        import a

        @cached
        def f():
            m = a
            return m.X
        """, a=A),
    counts("module by conditional expression", "import a, b\nC = True", "(a if C else b).X", a=A, b="X = 9"),
    counts("module by or", "import a\nN = None", "(N or a).h()", a=H),
    counts("module as attribute of a class", "import a\nclass C:\n    m = a", "C.m.X", a=A),
    counts("module as attribute of an instance", "import a\nclass C:\n    def __init__(self):\n        self.m = a\nO = C()", "O.m.X", a=A),
    counts("module in a closure", """
        import a

        def make(m):
            @cached
            def f():
                return m.X
            return f

        f = make(a)
        """, a=A),
    counts("module in a partial", "import a, functools\ng = functools.partial(getattr, a)", "g('X')", a=A),
    counts("module of a module", "import a", "a.b.X", a="import b", b=A),
    counts("module of a module handed on", "import a\ndef g(m):\n    return m.b.X", "g(a)", a="import b", b=A),
    counts("submodule of a package handed on", "import p.a\ndef g(m):\n    return m.a.X", "g(p)", p__init="", p__a=A),
    counts("Path in a module handed on", "import a\ndef g(m):\n    return str(m.X)", "g(a)", a="from pathlib import Path\nX = Path('«a→b»')"),
    counts("Decimal in a module handed on", "import a\ndef g(m):\n    return m.X", "g(a)", a="from decimal import Decimal\nX = Decimal('«1→2»')"),
    counts("regex in a module handed on", "import a\ndef g(m):\n    return m.X.findall('ab')", "g(a)", a="import re\nX = re.compile('«a→b»')"),
    counts("Counter in a module handed on", "import a\ndef g(m):\n    return m.X", "g(a)", a="from collections import Counter\nX = Counter('«a→b»')"),
    counts("UUID in a module handed on", "import a\ndef g(m):\n    return m.X.hex", "g(a)", a="from uuid import UUID\nX = UUID(int=«1→2»)"),
    counts("partial in a module handed on", "import a\ndef g(m):\n    return m.X()", "g(a)", a="from functools import partial\nX = partial(int, '«1→2»')"),
    counts("builtin function in a module handed on", "import a\ndef g(m):\n    return m.X(-1.5)", "g(a)", a="import math\nX = math.«floor→fabs»"),
    counts("library class in a module handed on", "import a\ndef g(m):\n    return m.X.__name__", "g(a)", a="import collections\nX = collections.«Counter→OrderedDict»"),
    counts("library module in a module handed on", "import a\ndef g(m):\n    return m.X.__name__", "g(a)", a="import «math→cmath» as X"),
    counts("__version__ of a module handed on", "import a\ndef g(m):\n    return m.__version__", "g(a)", a="__version__ = '«1→2»'"),
    counts("private name of a module handed on", "import a\ndef g(m):\n    return m._X", "g(a)", a="_X = «1→2»"),
    counts("class in a module handed on", "import a\ndef g(m):\n    return m.C().v()", "g(a)", a="class C:\n    def v(self):\n        return «1→2»"),
    counts("enum in a module handed on", "import a\ndef g(m):\n    return m.E.A.value", "g(a)", a="import enum\nclass E(enum.Enum):\n    A = «1→2»"),
    counts("dataclass instance in a module handed on", "import a\ndef g(m):\n    return m.X.v", "g(a)", a="import dataclasses\n@dataclasses.dataclass\nclass D:\n    v: int\nX = D(«1→2»)"),
    counts("import in a body", """
        @cached
        def f():
            import a
            return a.X
        """, a=A),
    counts("import as in a body", """
        @cached
        def f():
            import a as b
            return b.h()
        """, a=H),
    counts("from import in a body", """
        @cached
        def f():
            from a import X
            return X
        """, a=A),
    counts("dotted import in a body", """
        @cached
        def f():
            import p.a
            return p.a.X
        """, p__init="", p__a=A),
    counts("dotted import as in a body", """
        @cached
        def f():
            import p.a as b
            return b.X
        """, p__init="", p__a=A),
    counts("from package import module in a body", """
        @cached
        def f():
            from p import a
            return a.h()
        """, p__init="", p__a=H),
    counts("import in a helper's body", "def g():\n    import a\n    return a.X", "g()", a=A),
    counts("import in a method's body", "class C:\n    def g(self):\n        from a import h\n        return h()", "C().g()", a=H),
    counts("import in a nested function", """
        @cached
        def f():
            def g():
                from a import X
                return X
            return g()
        """, a=A),
    counts("import in a class body", "class C:\n    import a", "C.a.X", a=A),
    counts("from import in a class body", "class C:\n    from a import X", "C.X", a=A),
    counts("import within try", "try:\n    import a\nexcept ImportError:\n    a = None", "a.X", a=A),
    counts("import that may fail", "try:\n    import a\nexcept ImportError:\n    a = None", "a and a.X", a="«∅→X = 2»"),
    counts("import that may fail in a body", """
        @cached
        def f():
            try:
                import a
            except ImportError:
                return None
            return a.X
        """, a="«∅→X = 2»"),
    counts("from import that may fail in a body", """
        @cached
        def f():
            try:
                from a import Y
            except ImportError:
                return None
            return Y
        """, a="«X→Y» = 2"),
    counts("import falls back", "try:\n    from fast import X\nexcept ImportError:\n    from slow import X", "X", slow="X = 1", fast="«∅→X = 2»"),
    counts("import under a condition", "C = «True→False»\nif C:\n    from a import X\nelse:\n    from b import X", "X", a="X = 1", b="X = 2"),
    counts("other module of the same name of function", "from «a→b» import h", "h()", a="def h():\n    return 1", b="def h():\n    return 2"),
    counts("circular import", "import a", "a.g()", a="import b\nX = «1→2»\ndef g():\n    return b.h()", b="import a\ndef h():\n    return a.X"),
    counts("circular from import in a body", "from a import g", "g()", a="X = «1→2»\ndef g():\n    from b import h\n    return h()", b="def h():\n    from a import X\n    return X"),
    counts("importlib with a constant", "import importlib", "importlib.import_module('a').X", a=A),
    counts("importlib.import_module imported by name", "from importlib import import_module", "import_module('a').h()", a=H),
    counts("importlib with a global name", "import importlib\nN = 'a'", "importlib.import_module(N).X", a=A),
    counts("importlib at module level", "import importlib\nm = importlib.import_module('a')", "m.X", a=A),
    counts("importlib relative with a constant", "import importlib, p", "importlib.import_module('.a', 'p').X", p__init="", p__a=A),
    counts("importlib with an argument", """
        import importlib

        @cached
        def f(name):
            return importlib.import_module(name).X
        """, call="f('a')", a=A, stale="code found by a string", seen="3.12"),
    counts("importlib with a joined name", "import importlib\nNAMES = ['a']", "[importlib.import_module('p.' + n).X for n in NAMES]", p__init="", p__a=A),
    counts("__import__ with a constant", "", "__import__('a').X", a=A),
    counts("__import__ with fromlist", "", "__import__('p.a', fromlist=['X']).X", p__init="", p__a=A),
    counts("sys.modules with a constant", "import sys, a", "sys.modules['a'].X", a=A),
    counts("sys.modules.get with a constant", "import sys, a", "sys.modules.get('a').h()", a=H),
    counts("sys.modules replaced by an object", "import a", "a.X", a="import sys\nclass M:\n    X = «1→2»\nsys.modules[__name__] = M()"),
    counts("sys.modules replaced by an object, property", "import a", "a.X", a="import sys\nclass M:\n    @property\n    def X(self):\n        return «1→2»\nsys.modules[__name__] = M()"),
    counts("module whose class is a subclass", "import a", "a.X", a="import sys, types\nclass M(types.ModuleType):\n    @property\n    def X(self):\n        return «1→2»\nsys.modules[__name__].__class__ = M"),
    counts("module whose class is a subclass, __getattr__", "import a", "a.X", a="import sys, types\nclass M(types.ModuleType):\n    def __getattr__(self, name):\n        return «1→2»\nsys.modules[__name__].__class__ = M"),
    counts("module whose class is a subclass, plain value", "import a", "a.X", a="import sys, types\nclass M(types.ModuleType):\n    pass\nsys.modules[__name__].__class__ = M\nX = «1→2»"),
    counts("module made by types.ModuleType", "import types\nm = types.ModuleType('m')\nm.X = «1→2»", "m.X"),
    counts("module made by types.ModuleType with exec", "import types\nm = types.ModuleType('m')\nexec('def h():\\n    return «1→2»', m.__dict__)", "m.h()"),
    counts("SimpleNamespace as a module", "import types\nm = types.SimpleNamespace(X=«1→2»)", "m.X"),
    counts("module attribute set from outside", "import a\na.X = «1→2»", "a.X", a="X = 0"),
    counts("module function replaced from outside", "import a\na.h = lambda: «1→2»", "a.h()", a="def h():\n    return 0"),
    counts("module attribute set by a third module", "import a, b", "a.X", a="X = 0", b="import a\na.X = «1→2»"),
    counts("reload", "import a, importlib\nimportlib.reload(a)", "a.X", a=A),
    counts("spec_from_file_location", "import importlib.util\nS = importlib.util.spec_from_file_location('z', 'a.py')\nm = importlib.util.module_from_spec(S)\nS.loader.exec_module(m)", "m.X", a=A),
    counts("spec_from_file_location, a function", "import importlib.util\nS = importlib.util.spec_from_file_location('z', 'a.py')\nm = importlib.util.module_from_spec(S)\nS.loader.exec_module(m)\nh = m.h", "h()", a=H),
    counts("SourceFileLoader", "import importlib.machinery, types\nm = types.ModuleType('z')\nimportlib.machinery.SourceFileLoader('z', 'a.py').exec_module(m)", "m.h()", a=H),
    counts("LazyLoader", "import importlib.util, sys\nS = importlib.util.find_spec('a')\nS.loader = importlib.util.LazyLoader(S.loader)\nm = importlib.util.module_from_spec(S)\nsys.modules['a'] = m\nS.loader.exec_module(m)", "m.X", a=A),
    counts("pkgutil.iter_modules at module level", "import pkgutil, importlib, p\nMS = [importlib.import_module('p.' + i.name) for i in pkgutil.iter_modules(p.__path__)]", "[m.X for m in MS]", p__init="", p__a=A),
    counts("pkgutil.iter_modules, a plugin appears", "import pkgutil, importlib, p\nMS = [importlib.import_module('p.' + i.name) for i in pkgutil.iter_modules(p.__path__)]", "[m.X for m in MS]", p__init="", p__a="X = 1", p__b="«∅→X = 2»"),
    counts("pkgutil.resolve_name with a constant", "import pkgutil", "pkgutil.resolve_name('a:X')", a=A),
    counts("pkgutil.extend_path", "import p.a", "p.a.X", p__init="__path__ = __import__('pkgutil').extend_path(__path__, __name__)", p__a=A),
    counts("sys.path changed", "import sys\nsys.path.insert(0, 'lib')\nimport a", "a.X", lib__a=A),
    counts("sys.path order", "import sys\nsys.path[:0] = ['«l1→l2»']\nimport a", "a.X", l1__a="X = 1", l2__a="X = 2"),
    counts("package __path__ changed", "import p\np.__path__.append('other')\nimport p.a", "p.a.h()", p__init="", other__a=H),
    counts("zipimport", "import zipfile, sys\nwith zipfile.ZipFile('z.zip', 'w') as z:\n    z.writestr('zm.py', 'def h():\\n    return «1→2»')\nsys.path.insert(0, 'z.zip')\nimport zm", "zm.h()"),
    counts("zipimport, a value", "import zipfile, sys\nwith zipfile.ZipFile('z.zip', 'w') as z:\n    z.writestr('zm.py', 'X = «1→2»')\nsys.path.insert(0, 'z.zip')\nimport zm", "zm.X"),
    counts("runpy at module level", "import runpy\nS = runpy.run_path('a.py')", "S['X']", a=A),
    counts("runpy at module level, a function", "import runpy\nS = runpy.run_path('a.py')", "S['h']()", a=H),
    counts("runpy in a body", "import runpy", "runpy.run_path('a.py')['X']", a=A),
    counts("exec of a file at module level", "exec(open('a.py').read())", "h()", a=H),
    counts("import hook on meta_path", """
        import importlib.abc, importlib.machinery, sys

        class Hook(importlib.abc.MetaPathFinder, importlib.abc.Loader):
            def find_spec(self, name, path, target=None):
                return importlib.machinery.ModuleSpec(name, self) if name == 'virtual' else None

            def exec_module(self, module):
                module.X = «1→2»

        sys.meta_path.insert(0, Hook())
        import virtual
        """, "virtual.X"),
    counts("import hook on meta_path, a function", """
        import importlib.abc, importlib.machinery, sys

        class Hook(importlib.abc.MetaPathFinder, importlib.abc.Loader):
            def find_spec(self, name, path, target=None):
                return importlib.machinery.ModuleSpec(name, self) if name == 'virtual' else None

            def exec_module(self, module):
                exec('def h():\\n    return «1→2»', module.__dict__)

        sys.meta_path.insert(0, Hook())
        import virtual
        """, "virtual.h()"),
    counts("__main__ of a package", "import p.__main__ as m", "m.X", data={"p/__init__.py": "", "p/__main__.py": A}),
    counts("future annotations", "import a", "a.h.__annotations__", a="from __future__ import annotations\ndef h(a: «int→str»):\n    pass"),
    counts("cached function imported from a module", "import a\nf = a.f", a="X = «1→2»\n@cached\ndef f():\n    return X"),
    counts("cached function in a package", "from p.a import f", p__init="", p__a="from . import b\n@cached\ndef f():\n    return b.X", p__b=A),
    counts("helper imported under another name twice", "from a import h as g\nfrom b import h", "g() + h()", a=H, b="def h():\n    return 10"),
    counts("folder called site-packages without metadata", "import sys\nsys.path.insert(0, 'site-packages')\nimport a", "a.X", data={"site-packages/a.py": A}),
    counts("folder called site-packages, a function", "import sys\nsys.path.insert(0, 'site-packages')\nimport a", "a.h()", data={"site-packages/a.py": H}),
    counts("folder called site-packages with __version__", "import sys\nsys.path.insert(0, 'site-packages')\nimport a", "a.h()", data={"site-packages/a.py": "__version__ = '«1→2»'\n" + H}),
    counts("package with metadata of another version", "import sys\nsys.path.insert(0, 'site-packages')\nimport tides", "tides.h()", data={"site-packages/tides.py": H, "site-packages/tides-1.dist-info/METADATA": "«Metadata-Version: 2.1\nName: tides\nVersion: 1\n→∅»", "site-packages/tides-2.dist-info/METADATA": "«∅→Metadata-Version: 2.1\nName: tides\nVersion: 2\n»"}),
    counts("plugin under the name of a standard module", "import importlib.util\nS = importlib.util.spec_from_file_location('colorsys', 'a.py')\nm = importlib.util.module_from_spec(S)\nS.loader.exec_module(m)", "m.h()", a=H),
    counts("plugin under the name of an installed package", "import importlib.util\nS = importlib.util.spec_from_file_location('yaml', 'a.py')\nm = importlib.util.module_from_spec(S)\nS.loader.exec_module(m)", "m.h()", a=H),
    counts("local module that shadows the standard library", "import antigravity", "antigravity.h()", antigravity=H),
    counts("local package that shadows the standard library", "import this.a", "this.a.h()", this__init="", this__a=H),
]
