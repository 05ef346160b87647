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
        "undeclared environment variable, under a computed name",
        "import os",
        "(os.environ.get('_'.join(['CASE', 'MODE'])), x)[1]",
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

CASES: list[Case] = HELPERS + PARTS_OF_CODE + GLOBALS + UNAFFECTED
