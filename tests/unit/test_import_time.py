"""Which bodies of functions run when a module is imported: those that nobody calls then are left out, and no others."""

from __future__ import annotations

import pytest

from cachepy.code.import_time import run_at_import

READ = "def read(p):\n    return open(p)\n"
RUNS = {
    "called": READ + "g = read('a')",
    "called by another": READ + "def make():\n    return read('a')\ng = make()",
    "called later by its other name": READ + "h = read\ng = h('a')",
    "called out of a table": READ + "T = {'r': read}\ng = T['r']('a')",
    "called out of a list": READ + "T = [read]\nfor each in T:\n    each('a')",
    "handed over": READ + "g = list(map(read, ['a']))",
    "handed over by its other name": READ + "h = read\ng = list(map(h, ['a']))",
    "handed over in a list": READ + "g = run_all([read])",
    "given to a decorator": "def now(f):\n    return f('a')\n@now\n" + READ,
    "given to a decorator of a library": "@atexit.register\n" + READ,
    "a result that is called": "def make():\n    def read(p):\n        return open(p)\n    return read\ng = make()('a')",
    "a result that is called later": "def make():\n    def read(p):\n        return open(p)\n    return read\nh = make()\ng = h('a')",
    "a result of a result": "def a():\n    def b():\n        def read(p):\n            return open(p)\n        return read\n"
    "    return b\nc = a()\nd = c()\ng = d('a')",
    "a lambda of a result": "def a():\n    return lambda: lambda p: open(p)\ng = a()()('a')",
    "a lambda called": "g = (lambda p: open(p))('a')",
    "a lambda handed over": "g = sorted('a', key=lambda p: open(p))",
    "partial, called": READ + "h = functools.partial(read, 'a')\ng = h()",
    "cached, called": READ + "cached = cache_file('c')\nh = cached(read)\ng = h('a')",
    "a function that is named as a keeper is": "def partial(f):\n    return f('a')\n" + READ + "g = partial(read)",
    "made by init": "class M:\n    def __init__(self):\n        self.x = self.load()\n    def load(self):\n        return open('a')\ng = M()",
    "a property": "class M:\n    @property\n    def text(self):\n        return open('a')\nm = M()\ng = m.text",
    "a special method": "class M:\n    def __add__(self, other):\n        return open('a')\ng = M() + 1",
    "a method by its name as a text": "class M:\n    def load(self):\n        return open('a')\nm = M()\ng = getattr(m, 'load')()",
    "a method that a library calls": "class P(HTMLParser):\n    def handle_data(self, data):\n        open(data)\np = P()\np.feed('x')",
    "a method that a metaclass calls": "class P(metaclass=Meta):\n    def load(self):\n        open('a')",
    "a method that a library calls, of a class of a class": "class B(HTMLParser):\n    pass\nclass P(B):\n"
    "    def handle_data(self, data):\n        open(data)\np = P()\np.feed('x')",
    "a method that a metaclass of a base calls": "class B(metaclass=Meta):\n    pass\nclass P(B):\n    def load(self):\n        open('a')",
    "a method of one of two classes of a name": "class B:\n    pass\nclass B(HTMLParser):\n    pass\nclass P(B):\n"
    "    def handle_data(self, data):\n        open(data)\np = P()\np.feed('x')",
    "a method of a class of a class": "class B:\n    def go(self):\n        return self.load()\nclass P(B):\n    def load(self):\n"
    "        return open('a')\ng = P().go()",
    "in a class body": "class C:\n    def read(p):\n        return open(p)\n    x = read('a')",
    "a generator": READ + "def all():\n    yield read\ng = [each('a') for each in all()]",
    "in a comprehension": READ + "g = [read(p) for p in 'ab']",
    "kept in an attribute": READ + "m.hook = read\nm.go()",
    "changed in place": READ + "T = {}\nT.update(r=read)",
    "with": READ + "with read('a') as file:\n    g = 1",
    "a default": READ + "def f(x=read('a')):\n    return x",
    "if": READ + "if read('a'):\n    g = 1",
    "two targets": READ + "h, k = read, 1\ng = h('a')",
    "a walrus": READ + "g = (h := read)\nk = h('a')",
    "async": "async def read(p):\n    return open(p)\ng = asyncio.run(read('a'))",
    "by a global": READ + "def set():\n    global h\n    h = read\nset()\ng = h('a')",
}
RESTS = {
    "named": READ + "g = read",
    "a table": READ + "T = {'r': read, 'all': [read]}",
    "made": "def make(k):\n    def read(p):\n        return open(p) * k\n    return read\ng = make(2)",
    "made, cached": "cached = cache_file('c')\ndef make(k):\n    @cached\n    def read(p):\n        return open(p) * k\n    return read\ng = make(2)",
    "many made": "def make(k):\n    return lambda p: open(p) * k\nG = [make(k) for k in range(3)]\nT = {k: make(k) for k in range(3)}",
    "a lambda": "g = lambda p: open(p)",
    "partial": READ + "g = functools.partial(read, 'a')",
    "cached": READ + "cached = cache_file('c')\ng = cached(read)\nh = cache_file('c', version='1')(read)",
    "a call alone": READ + "cached = cache_file('c')\ncached(read)",
    "a method": "class M:\n    def __init__(self, k):\n        self.k = k\n    def load(self, p):\n        return open(p)\ng = M(2)",
    "a dataclass": "@dataclass(frozen=True)\nclass M:\n    k: int = 1\n    def load(self, p):\n        return open(p)\ng = M(2)",
    "a property": "class M:\n    @property\n    def text(self):\n        return open('a')\nm = M()",
    "an enum": "class E(enum.Enum):\n    A = 1\n    def load(self):\n        return open('a')\ng = E.A",
    "a choice": READ + "g = read if FAST else None",
}


@pytest.mark.parametrize("text", RUNS.values(), ids=RUNS)
def test_what_may_run_stays(text):
    assert any("open(" in each for each in run_at_import({text}))


@pytest.mark.parametrize("text", RESTS.values(), ids=RESTS)
def test_what_nobody_calls_goes(text):
    assert not any("open(" in each for each in run_at_import({text}))


def test_what_stands_in_other_texts_counts():
    maker, user = "# lib\ndef make():\n    return lambda p: open(p)", "# other\ng = make()"
    assert run_at_import({maker, user}) == {"# lib\ndef make():\n    return lambda p: None", user}
    assert run_at_import({maker, user, "h = g('a')"}) == {maker, user, "h = g('a')"}
    assert run_at_import({"g = import lib g", maker}) == {"g = import lib g", "# lib\ndef make():\n    pass"}
