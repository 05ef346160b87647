"""Edits below a call, and of what is declared: children's code, versions, environment variables, packages."""

from __future__ import annotations

from tests.table.harness import (
    Case,
    Edit,
    function,
    lost,
    module,
    remove,
    run,
    sub,
    then,
    write,
)

PAIR = """
def h(x):
    return x + 1

def other(x):
    return x

@cache_file(DIR)
def g(x):
    ran("g")
    return h(x) * 1

@cache_file(DIR)
def f(x):
    ran("f")
    return [g(x)]
"""
EDIT = "x + 1 => x + 2"
OWN = "* 1 => * 2"


def calls(
    name: str,
    source: str,
    edit: Edit | str,
    runs: str | None,
    *,
    same: bool = False,
    call: str = "m.f(3)",
    **more: str,
) -> Case:
    return Case(
        name,
        {"m.py": module(source)} | {f"{key}.py": text for key, text in more.items()},
        edit,
        runs,
        call,
        same=same,
    )


def with_g(returns: str, setup: str = "") -> str:
    """A child g with a helper h, and an f that returns an expression."""
    return PAIR[: PAIR.index("@cache_file(DIR)\ndef f")] + setup + function(returns)


CHILDREN = [
    calls("child's code edited", PAIR, OWN, "f g"),
    calls("child's helper edited", PAIR, EDIT, "f g"),
    calls("child's comment edited", PAIR, "h(x) * 1 => h(x) * 1  # child", ""),
    calls("child's unrelated neighbour edited", PAIR, "return x\n => return -x\n", ""),
    calls("caller's code edited, child stays", PAIR, "[g(x)] => [g(x), 0]", "f"),
    calls("child edited then reverted", PAIR, then(sub(EDIT), run, sub("x + 2 => x + 1")), ""),
    calls("child edited, equal result", PAIR, "x + 1 => 1 + x", "g", same=True),
    calls("child's argument changed by the caller", PAIR, "[g(x)] => [g(x + 4)]", "f g"),
    calls("second child added", PAIR, "[g(x)] => [g(x), g(5)]", "f g"),
    calls(
        "grandchild's helper edited",
        PAIR + function("{'f': f(x)}", name="top"),
        EDIT,
        "top f g",
        call="m.top(3)",
    ),
    calls(
        "child in another module",
        "import c" + function("[c.g(x)]"),
        sub(EDIT, "c.py"),
        "f g",
        c="def h(x):\n    return x + 1\n" + function("h(x)", name="g"),
    ),
    calls(
        "child imported by name",
        "from c import g as child" + function("[child(x)]"),
        sub(EDIT, "c.py"),
        "f g",
        c="def h(x):\n    return x + 1\n" + function("h(x)", name="g"),
    ),
    calls(
        "child by getattr(module, name)",
        "import c" + function("[getattr(c, 'g')(x)]"),
        sub(EDIT, "c.py"),
        "f g",
        c="def h(x):\n    return x + 1\n" + function("h(x)", name="g"),
    ),
    calls(
        "child by importlib",
        "import importlib" + function("[importlib.import_module('c').g(x)]"),
        sub(EDIT, "c.py"),
        "f g",
        c="def h(x):\n    return x + 1\n" + function("h(x)", name="g"),
    ),
    calls("child by globals()", with_g("[globals()['g'](x)]"), EDIT, "f g"),
    calls("child in a global dict", with_g("[TABLE['g'](x)]", "\nTABLE = {'g': g}\n"), EDIT, "f g"),
    calls(
        "child in a partial",
        with_g("[p()]", "\nimport functools\n\np = functools.partial(g, 3)\n"),
        EDIT,
        "f g",
    ),
    calls("child by map", with_g("list(map(g, [x, 5]))"), EDIT, "f g g"),
    calls("child in a comprehension", with_g("[g(i) for i in range(x)]"), EDIT, "f g g g"),
    calls("child through a helper", with_g("use(x)", "\ndef use(x):\n    return [g(x)]\n"), EDIT, "f g"),
    calls(
        "child in a closure",
        with_g("use(x)", "\ndef make(go):\n    return lambda x: [go(x)]\n\nuse = make(g)\n"),
        EDIT,
        "f g",
    ),
    calls(
        "child by its __wrapped__ decorator",
        with_g(
            "wrapped(x)",
            """
import functools

def twice(function):
    @functools.wraps(function)
    def wrapper(x):
        return 2 * function(x)
    return wrapper

wrapped = twice(g)
""",
        ),
        EDIT,
        "f g",
    ),
    calls(
        "cached function passed in as argument",
        with_g("[fn(4)]", "").replace("def f(x)", "def f(fn)"),
        EDIT,
        "f g",
        call="m.f(m.g)",
    ),
    calls(
        "cached function passed in a list",
        with_g("[fn(4) for fn in fns]", "").replace("def f(x)", "def f(fns)"),
        EDIT,
        "f g",
        call="m.f([m.g])",
    ),
    calls(
        "cached function passed in by name",
        "import c" + function("[getattr(c, x)(4)]"),
        sub(EDIT, "c.py"),
        "f g",
        c="def h(x):\n    return x + 1\n" + function("h(x)", name="g"),
        call="m.f('g')",
    ),
    calls(
        "cached method of an argument",
        function("[x.go(4)]")
        + """
class C:
    @cache_file(DIR)
    def go(self, x):
        ran("go")
        return self.step(x)

    def step(self, x):
        return x + 1
""",
        EDIT,
        "f go",
        call="m.f(m.C())",
    ),
    calls("child that is not called, edited", with_g("[g(x)] if x > 100 else [x]"), EDIT, "", call="m.f(3)"),
    calls(
        "child that raised and was caught, its helper edited",
        """
def h(x):
    return x + 1

@cache_file(DIR)
def g(x):
    ran("g")
    if h(x) == 4:
        raise ValueError
    return h(x)

@cache_file(DIR)
def f(x):
    ran("f")
    try:
        return g(x)
    except ValueError:
        return "nothing"
""",
        EDIT,
        "f g",
    ),
    calls(
        "recursion, its code edited",
        """
@cache_file(DIR)
def f(n):
    ran("f")
    return 1 if n < 2 else n * f(n - 1)
""",
        "1 if => 2 if",
        "f f f",
    ),
    calls(
        "recursion, a larger argument reuses the smaller",
        """
@cache_file(DIR)
def f(n):
    ran("f")
    return 1 if n < 2 else n * f(n - 1)
""",
        lambda project: project.write("script.py", "import m\nout = m.f(4)\n"),
        "f",
    ),
    calls(
        "child's default edited",
        """
@cache_file(DIR)
def g(x, k=1):
    ran("g")
    return x + k

@cache_file(DIR)
def f(x):
    ran("f")
    return [g(x)]
""",
        "k=1 => k=2",
        "f g",
    ),
    calls("child no longer cached", PAIR, "@cache_file(DIR)\ndef g => def g", "f g", same=True),
    calls("child's global edited", "N = 1\n" + PAIR.replace("h(x) * 1", "h(x) + N"), "N = 1 => N = 2", "f g"),
    calls(
        "one of two children edited",
        """
@cache_file(DIR)
def a(x):
    ran("a")
    return x + 1

@cache_file(DIR)
def b(x):
    ran("b")
    return x + 2

@cache_file(DIR)
def f(x):
    ran("f")
    return [a(x), b(x)]
""",
        "x + 2 => x + 3",
        "f b",
    ),
    calls(
        "shared helper of two children",
        """
def h(x):
    return x + 1

@cache_file(DIR)
def a(x):
    ran("a")
    return h(x)

@cache_file(DIR)
def b(x):
    ran("b")
    return [h(x)]

@cache_file(DIR)
def f(x):
    ran("f")
    return [a(x), b(x)]
""",
        EDIT,
        "f a b",
    ),
]

TOP = PAIR + function("{'f': f(x)}", name="top")
TRACKED = """
@cache_file(DIR)
def h():
    ran("h")
    return int(track_file("a.txt").read_text())

@cache_file(DIR)
def g(x):
    ran("g")
    return h() + x

@cache_file(DIR)
def f(x):
    ran("f")
    return [g(x)]
"""

LOST = [
    calls("entry of a child lost", PAIR, lost("g"), "f g", same=True),
    calls("entry of a grandchild lost", TOP, lost("g"), "top f g", same=True, call="m.top(3)"),
    calls("own entry lost", PAIR, lost("f"), "f", same=True),
]
DEEP = [
    calls("grandchild's code edited", TOP, OWN, "top f g", call="m.top(3)"),
    Case(
        "grandchild's file deleted",
        {
            "m.py": TRACKED.replace(".read_text()", "")
            .replace("int(", "os.path.exists(")
            .replace("\n@cache", "import os\n\n@cache", 1),
            "a.txt": "1",
        },
        remove("a.txt"),
        "f g h",
    ),
]

MANY = """
SIZE = 1

def abc(x):
    return x * 5

def new(x):
    return x * 7

def maker(k):
    def made(x):
        return x - k
    return made

made = maker(1)
"""
SEVERAL = [
    Case(
        "own code and a file below, both edited",
        {"m.py": TRACKED, "a.txt": "1"},
        then(sub("[g(x)] => [g(x), 0]"), write("a.txt", "2")),
        "f g h",
    ),
    Case(
        "a file and the code below, both edited",
        {"m.py": TRACKED, "a.txt": "1"},
        then(sub("h() + x => h() - x"), write("a.txt", "2")),
        "f g h",
    ),
    calls(
        "own code and a helper, both edited",
        MANY + function("abc(x) + 0"),
        then(sub("x * 5 => x * 6"), sub("abc(x) + 0 => abc(x) + 1")),
        "f",
    ),
    calls(
        "a helper and a global, both edited",
        MANY + function("abc(x) + SIZE"),
        then(sub("SIZE = 1 => SIZE = 2"), sub("x * 5 => x * 6")),
        "f",
    ),
    calls(
        "own code and what it newly reaches",
        MANY + function("abc(x) + SIZE"),
        then(sub("SIZE = 1 => SIZE = 2"), sub("abc(x) + SIZE => new(x) + SIZE")),
        "f",
    ),
    calls(
        "a closure and its value, both edited",
        MANY + function("made(x)"),
        then(sub("maker(1) => maker(2)"), sub("x - k => x + k")),
        "f",
    ),
]

CASES: list[Case] = CHILDREN + LOST + DEEP + SEVERAL
