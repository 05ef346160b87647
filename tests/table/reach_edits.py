"""Edits of what code reaches without naming it: modules handed on, texts that name modules, patches of libraries."""

from __future__ import annotations

from tests.table.code_edits import edited, live, unaffected
from tests.table.harness import Case, sub, write

LIB = """
    from collections import Counter
    from decimal import Decimal
    from functools import partial
    from pathlib import Path
    from uuid import UUID
    import math
    import re

    __version__ = "1"
    __all__ = ["h"]
    PATH = Path("one")
    PRICE = Decimal("1.5")
    WORDS = re.compile("one")
    COUNTS = Counter("one")
    ID = UUID(int=1)
    PART = partial(int, base=8)
    LIMIT = math.floor
    KIND = Decimal

    def h(x):
        return x + 1
    """
EDITS_OF_LIB = {
    "a path": ("PATH.name", 'Path("one") => Path("two")'),
    "a decimal": ("PRICE", 'Decimal("1.5") => Decimal("2.5")'),
    "a pattern": ("WORDS.pattern", 'compile("one") => compile("two")'),
    "a counter": ("COUNTS", 'Counter("one") => Counter("three")'),
    "a uuid": ("ID.int", "int=1 => int=2"),
    "a partial": ("PART('10')", "base=8 => base=16"),
    "a function of the standard library": ("LIMIT(2.5)", "math.floor => math.ceil"),
    "a class of the standard library": ("KIND.__name__", "KIND = Decimal => KIND = UUID"),
    "its version": ("__version__", '__version__ = "1" => __version__ = "2"'),
    "its list of names": ("__all__", '["h"] => ["g"]'),
    "a function": ("h(x)", "x + 1 => x + 2"),
}
HANDED = [
    edited(
        f"a module that is handed on: {what}",
        "import lib",
        f"(lambda m: str(m.{reads}))(lib)",
        sub(change, "lib.py"),
        lib=LIB,
    )
    for what, (reads, change) in EDITS_OF_LIB.items()
]
PKG = {"pkg__init": "from pkg import sub\n", "pkg__sub": "def h(x):\n    return x + 1\n"}
WAYS = {
    "an alias": ("import lib\nother = lib\n", "(other, 0)[0].PATH.name"),
    "a condition": ("import lib\n", "(lib if x else None).PATH.name"),
    "getattr": ("import lib\n", "getattr(lib, 'PATH').name"),
    "a container": ("import lib\nTABLE = {'lib': lib}\n", "TABLE['lib'].PATH.name"),
    "an attribute of an object": ("import lib\nclass C: pass\nbox = C()\nbox.lib = lib\n", "box.lib.PATH.name"),
    "a default": ("import lib\ndef g(m=lib):\n    return m.PATH.name\n", "g()"),
    "vars": ("import lib\n", "vars(lib)['PATH'].name"),
    "__dict__": ("import lib\n", "lib.__dict__['PATH'].name"),
    "__dict__ without a constant": ("import lib\nKEY = ['PATH']\n", "lib.__dict__[KEY[0]].name"),
    "operator.attrgetter": ("import lib, operator\n", "operator.attrgetter('PATH')(lib).name"),
    "sys.modules": ("import lib, sys\n", "sys.modules['lib'].PATH.name"),
    "sys.modules.get": ("import lib, sys\n", "sys.modules.get('lib').PATH.name"),
    "sys.modules by a global": ("import lib, sys\nNAME = 'lib'\n", "sys.modules[NAME].PATH.name"),
    "import_module": ("import importlib\n", "importlib.import_module('lib').PATH.name"),
    "import_module as name": ("from importlib import import_module\n", "import_module('lib').PATH.name"),
    "import_module by a global": ("from importlib import import_module\nN = 'lib'\n", "import_module(N).PATH.name"),
    "import_module, then getattr": ("import importlib\n", "getattr(importlib.import_module('lib'), 'PATH').name"),
    "__import__": ("", "__import__('lib').PATH.name"),
    "resolve_name": ("import pkgutil\n", "pkgutil.resolve_name('lib:PATH').name"),
    "resolve_name by dots": ("import pkgutil\n", "pkgutil.resolve_name('lib.PATH').name"),
    "eval of an import": ("", "eval(\"__import__('lib').PATH.name\")"),
    "exec of an import": ("def g():\n    d = {}\n    exec('import lib; y = lib.PATH.name', d)\n    return d['y']\n", "g()"),
    "eval": ("import lib\n", "eval('lib.PATH.name')"),
    "an import in a body": ("def g():\n    import lib\n    return lib.PATH.name\n", "g()"),
    "an import in a body, handed on": ("def g():\n    import lib\n    return getattr(lib, 'PATH').name\n", "g()"),
    "an import around a closure": (
        "def g():\n    import lib\n    def k():\n        return lib.PATH.name\n    return k()\n", "g()"
    ),
}  # fmt: skip
PATH_LIB = "from pathlib import Path\nPATH = Path('one')\nOTHER = Path('three')\n"
HANDED += [
    edited(f"the path of a module by {way}", source, returns, sub("'one' => 'two'", "lib.py"), lib=PATH_LIB)
    for way, (source, returns) in WAYS.items()
]
HANDED += [
    unaffected(f"another path of a module by {way}", *WAYS[way], sub("'three' => 'four'", "lib.py"), lib=PATH_LIB)
    for way in (
        "sys.modules", "import_module", "import_module by a global", "__dict__", "an import in a body",
        "an import around a closure",
    )
]  # fmt: skip
HANDED += [
    edited("a submodule of a package that is handed on", "import pkg\n", "getattr(pkg, 'sub').h(x)",
           sub("x + 1 => x + 2", "pkg/sub.py"), **PKG),
    edited("a submodule of a package that is an argument", "import pkg\n", "x.sub.h(3)",
           sub("x + 1 => x + 2", "pkg/sub.py"), call="m.f(m.pkg)", **PKG),
    edited("a path in a module that is an argument", "import lib\n", "x.PATH.name",
           sub("'one' => 'two'", "lib.py"), call="m.f(m.lib)", lib=PATH_LIB),
    edited("import_module with a relative name", "", "pkg.top.g(x)".replace("pkg.top", "__import__('pkg.top').top"),
           sub("x + 1 => x + 2", "pkg/sub.py"), pkg__init="", pkg__sub="def h(x):\n    return x + 1\n",
           pkg__top="import importlib\ndef g(x):\n    return importlib.import_module('.sub', __package__).h(x)\n"),
    edited("the own module in sys.modules", "import sys\ndef h(x):\n    return x + 1\n",
           "getattr(sys.modules[__name__], 'h')(x)", "x + 1 => x + 2"),
    edited("the own module by an attribute", "import sys\ndef h(x):\n    return x + 1\n",
           "sys.modules[__name__].h(x)", "x + 1 => x + 2"),
    unaffected("another function of the own module", "import sys\ndef h(x):\n    return x + 1\ndef k(x):\n    return x - 1\n",
               "sys.modules[__name__].h(x)", "x - 1 => x - 2"),
    edited("globals of a frame", "import sys\ndef h(x):\n    return x + 1\n",
           "sys._getframe().f_globals['h'](x)", "x + 1 => x + 2"),
    edited("globals of a function", "def h(x):\n    return x + 1\ndef k(): pass\n",
           "k.__globals__['h'](x)", "x + 1 => x + 2"),
    edited("a decorator of the standard library in a module that is handed on", "import lib\n",
           "(lambda m: m.h(x).__enter__())(lib)", sub("x + 1 => x + 2", "lib.py"),
           lib="import contextlib\n@contextlib.contextmanager\ndef h(x):\n    yield x + 1\n"),
    edited("a script that is run by its path", "import runpy\n", "runpy.run_path('other.py')['y']",
           sub("1 => 2", "other.py"), other="y = 1\n"),
    edited("a script that is executed", "def g():\n    d = {}\n    exec(open('other.py').read(), d)\n    return d['y']\n", "g()",
           sub("1 => 2", "other.py"), other="y = 1\n"),
    edited("a module that is run", "import runpy\n", "runpy.run_module('other')['y']",
           sub("1 => 2", "other.py"), other="y = 1\n"),
    Case("a data file of a package", {
        "m.py": "import importlib.resources\n@cache_file(DIR)\ndef f(x):\n    ran('f')\n"
                "    return importlib.resources.files('pkg').joinpath('data.txt').read_text()\n",
        "pkg/__init__.py": "", "pkg/data.txt": "one"}, write("pkg/data.txt", "two"), "f"),
    Case("another data file of a package", {
        "m.py": "import importlib.resources\n@cache_file(DIR)\ndef f(x):\n    ran('f')\n"
                "    return importlib.resources.files('pkg').joinpath('data.txt').read_text()\n",
        "pkg/__init__.py": "", "pkg/data.txt": "one", "pkg/other.txt": "one"}, write("pkg/other.txt", "two"), ""),
    Case("a data file whose name is put together", {
        "m.py": "import pkgutil\n@cache_file(DIR)\ndef f(x):\n    ran('f')\n"
                "    return pkgutil.get_data('pkg', 'data' + str(x)).decode()\n",
        "pkg/__init__.py": "", "pkg/data3": "one"}, write("pkg/data3", "two"), "f"),
]  # fmt: skip

CHANGES = ("return 1 => return 2", "lambda x: 1 => lambda x: 2", "(1,) => (2,)")
MINE = "def mine(*args):\n    return 1\n"
PATCHES = {
    "a function of the standard library": ("import math\n" + MINE + "math.floor = mine\n", "math.floor(x)"),
    "a new name in a package": ("import numpy as np\n" + MINE + "np.mine = mine\n", "np.mine(x)"),
    "a new name in a package, by getattr": ("import numpy as np\n" + MINE + "np.mine = mine\n", "getattr(np, 'mine')(x)"),
    "a submodule": ("import os.path\n" + MINE + "os.path.mine = mine\n", "os.path.mine(x)"),
    "a builtin": ("import builtins\n" + MINE + "builtins.abs = mine\n", "abs(x)"),
    "a new builtin": ("import builtins\n" + MINE + "builtins.mine = mine\n", "mine(x)"),
    "a partial": ("import math, functools\n" + MINE + "math.floor = functools.partial(mine, 1)\n", "math.floor(x)"),
    "a memo": ("import math, functools\n" + MINE + "math.floor = functools.lru_cache(mine)\n", "math.floor(x)"),
    "a lambda": ("import math\nmath.floor = lambda x: 1\n", "math.floor(x)"),
    "a class": ("import decimal\nclass Mine:\n    def go(self):\n        return 1\ndecimal.Mine = Mine\n",
                "decimal.Mine().go()"),
    "a method of a class": (
        "import json\n" + MINE + "json.JSONEncoder.default = lambda self, obj: mine()\n", "json.dumps(object())"),
    "a method of a class that is named": (
        "import fractions\n" + MINE + "fractions.Fraction.mine = mine\n", "fractions.Fraction(x).mine()"),
    "an import in a body": (
        "import math\n" + MINE + "math.floor = mine\ndef g(x):\n    import math\n    return math.floor(x)\n", "g(x)"),
    "from an import in a body": (
        "import math\n" + MINE + "math.floor = mine\ndef g(x):\n    from math import floor\n    return floor(x)\n", "g(x)"),
    "an accessor of frames": (
        ("import pandas as pd\n@pd.api.extensions.register_dataframe_accessor('mine')\nclass A:\n"
        "    def __init__(self, df): pass\n    def go(self):\n        return 1\n"), "pd.DataFrame().mine.go()"),
    "an accessor of a frame that is made elsewhere": (
        ("import pandas as pd\n@pd.api.extensions.register_series_accessor('mine')\nclass A:\n"
        "    def __init__(self, df): pass\n    def go(self):\n        return 1\nmake = pd.Series\n"), "make().mine.go()"),
    "a constructor of a parser": (
        "import yaml\n" + MINE + "yaml.add_constructor('!x', mine, yaml.SafeLoader)\n", "yaml.safe_load('!x 1')"),
    "a reducer": (
        ("import copy, copyreg\nclass C: pass\nbox = C()\ndef new(y):\n    return y\n"
        "copyreg.pickle(C, lambda c: (new, (1,)))\n"), "copy.copy(box)"),
}  # fmt: skip
PATCHED = [
    edited(f"a patch: {what}", source, returns, next(each for each in CHANGES if each.partition(" => ")[0] in source))
    for what, (source, returns) in PATCHES.items()
]
PATCHED += [
    edited("a number in a package", "import numpy as np\nnp.LEVEL = 1\n", "np.LEVEL", "np.LEVEL = 1 => np.LEVEL = 2"),
    live("a function is patched later", "import math\n", "math.floor(x + 0.5)", "m.math.floor = lambda x: 7"),
    live("a builtin is replaced later", "import builtins\n", "abs(x)", "m.builtins.abs = lambda x: 7"),
    live("a method is patched later", "import fractions\n", "fractions.Fraction.limit_denominator(fractions.Fraction(x))",
         "m.fractions.Fraction.limit_denominator = lambda self: 7"),
    live("a module is replaced later", "import sys, lib\n", "sys.modules['lib'].h(x)",
         "import sys, types\nnew = types.ModuleType('lib')\nnew.h = lambda x: 7\nsys.modules['lib'] = new",
         lib="def h(x):\n    return x\n"),
    live("a path of a module that is handed on", "import lib\n", "getattr(lib, 'PATH').name",
         "m.lib.PATH = m.lib.Path('two')", lib=PATH_LIB),
    unaffected("a patch of another name", "import math\n" + MINE + "math.floor = mine\n", "math.ceil(x)", "return 1 => return 2"),
]  # fmt: skip
SHADOWED = [
    edited(f"a module of the user's called {name}", f"import {name}\n", f"{name}.{what}",
           sub("1 => 2", f"{name}.py"), **{name: text})
    for name, what, text in (
        ("statistics", "mean(x)", "def mean(x):\n    return 1\n"),
        ("sched", "C().go()", "class C:\n    def go(self):\n        return 1\n"),
        ("colorsys", "C.a", "class C:\n    a = 1\n"),
        ("this", "h(x)", "def h(x):\n    return 1\n"),
        ("dask_plugin", "h(x)", "def h(x):\n    return 1\n"),
    )
]  # fmt: skip
SHADOWED += [
    Case("a plugin under the name of a standard module", {
        "m.py": "from importlib.util import module_from_spec, spec_from_file_location\n"
                "spec = spec_from_file_location('json', __file__.replace('m.py', 'plug.py'))\n"
                "plug = module_from_spec(spec)\nspec.loader.exec_module(plug)\n"
                "@cache_file(DIR)\ndef f(x):\n    ran('f')\n    return plug.C().go()\n",
        "plug.py": "class C:\n    def go(self):\n        return 1\n"}, sub("1 => 2", "plug.py"), "f"),
    Case("a folder of the user's called site-packages", {
        "m.py": "import sys\nsys.path.append('lib/site-packages')\nimport tool\n"
                "@cache_file(DIR)\ndef f(x):\n    ran('f')\n    return tool.h(x)\n",
        "lib/site-packages/tool.py": "__version__ = '1'\ndef h(x):\n    return 1\n"},
        sub("return 1 => return 2", "lib/site-packages/tool.py"), "f"),
    Case("a module without metadata in a folder of packages", {
        "m.py": "import sys, os\nsys.path.append(os.path.abspath('lib/python3/site-packages'))\nimport tool\n"
                "@cache_file(DIR)\ndef f(x):\n    ran('f')\n    return tool.h(x)\n",
        "lib/python3/site-packages/tool.py": "def h(x):\n    return 1\n"},
        sub("return 1 => return 2", "lib/python3/site-packages/tool.py"), "f"),
    Case("a module that says its version in a folder of packages", {
        "m.py": "import sys, os\nsys.path.append(os.path.abspath('lib/python3/site-packages'))\nimport tool\n"
                "@cache_file(DIR)\ndef f(x):\n    ran('f')\n    return tool.h(x)\n",
        "lib/python3/site-packages/tool.py": "__version__ = '1'\ndef h(x):\n    return __version__\n"},
        sub("'1' => '2'", "lib/python3/site-packages/tool.py"), "f"),
    Case("another distribution of a namespace", {
        "m.py": "import sys, os\nsys.path.append(os.path.abspath('lib/python3/site-packages'))\nimport goo.one\n"
                "@cache_file(DIR)\ndef f(x):\n    ran('f')\n    return goo.one.h(x)\n",
        "lib/python3/site-packages/goo/one/__init__.py": "def h(x):\n    return 1\n",
        "lib/python3/site-packages/goo/two/__init__.py": "",
        "lib/python3/site-packages/goo_one-1.0.dist-info/RECORD": "goo/one/__init__.py,,\n",
        "lib/python3/site-packages/goo_two-1.0.dist-info/RECORD": "goo/two/__init__.py,,\n"},
        lambda project: (project.root / "lib/python3/site-packages/goo_two-1.0.dist-info").rename(
            project.root / "lib/python3/site-packages/goo_two-2.0.dist-info"), ""),
]  # fmt: skip
CASES = HANDED + PATCHED + SHADOWED
CLASSES_OF_MODULES = "import sys, types\nclass M(types.ModuleType):\n    def h(self, x): return x + 1\n"
SIBLINGS = [
    edited(name, source, returns, edit, **more)  # type: ignore[arg-type]
    for name, source, returns, edit, more in (
        ("a module's method", "import lib\nget = lib.__getattribute__\n", "get('PATH').name", "", {}),
        ("a partial of getattr", "import lib, functools\nget = functools.partial(getattr, lib)\n", "get('PATH').name", "", {}),
        ("a loop over modules", "import lib\n", "[m.PATH.name for m in (lib,)]", "", {}),
        ("from sys import modules", "from sys import modules\nimport lib\n", "modules['lib'].PATH.name", "", {}),
        ("items of sys.modules", "import sys, lib\n", "[v.PATH.name for k, v in list(sys.modules.items()) if k == 'lib']", "", {}),
        ("import_module of a table", "import importlib\nT = {'a': 'lib'}\n", "importlib.import_module(T['a']).PATH.name", "", {}),
        ("import_module of an argument", "import importlib\ndef g(n):\n    return importlib.import_module(n)\n", "g('lib').PATH.name", "", {}),
        ("import_module by keyword", "import importlib\n", "importlib.import_module(name='lib').PATH.name", "", {}),
        ("import_module of what is put together", "import importlib\n", "importlib.import_module(f'plug.{x}').y",
         sub("1 => 2", "plug/c.py"), {"call": "m.f('c')", "plug__init": "", "plug__c": "y = 1\n"}),
        ("an import of a package with dots", "def g():\n    import pkg.sub\n    return pkg.y\n", "g()",
         sub("1 => 2", "pkg/__init__.py"), {"pkg__init": "y = 1\n", "pkg__sub": ""}),
        ("builtins.globals", "import builtins\ndef h(x):\n    return x + 1\n", "builtins.globals()['h'](x)", "x + 1 => x + 2", {}),
        ("a module of a class of its own", CLASSES_OF_MODULES + "own = M('own')\n", "own.h(x)", "x + 1 => x + 2", {}),
        ("a module whose class was set", "import lib\n", "lib.h(x)", sub("x + 1 => x + 2", "lib.py"),
         {"lib": CLASSES_OF_MODULES + "sys.modules[__name__].__class__ = M\n"}),
        ("an object in sys.modules", "import sys\nclass M:\n    def h(self, x): return x + 1\nsys.modules['zz'] = M()\n",
         "__import__('zz').h(x)", "x + 1 => x + 2", {}),
        ("a constant set on a class of others", "import fractions\nfractions.Fraction.LEVEL = 1\n", "fractions.Fraction.LEVEL",
         "LEVEL = 1 => LEVEL = 2", {}),
        ("a property set on a class of others", "import fractions\nfractions.Fraction.p = property(lambda self: 1)\n",
         "fractions.Fraction(x).p", "self: 1 => self: 2", {}),
        ("an object of a library that holds a function", "import numpy as np\nnp.sqrt = np.vectorize(lambda x: 1)\n",
         "float(np.sqrt(4))", "x: 1 => x: 2", {}),
        ("an object that a library's function names",
         "import json\nclass E(json.JSONEncoder):\n    def default(self, o): return 1\njson._default_encoder = E()\n",
         "json.dumps(object())", "return 1 => return 2", {}),
    )
    for edit, more in ((edit or sub("'one' => 'two'", "lib.py"), more if edit else {"lib": PATH_LIB}),)
]  # fmt: skip
CASES += SIBLINGS
