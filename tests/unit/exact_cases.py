"""One-construct programs for `observe_code="exact"`: an edit of what did not run, which must count, or need not.

Each case is a module, an edit of it, and whether the call ``f(k)`` runs again.  ``f`` and what else is ``cached`` is
cached.  The value must be right in either case.
"""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """before: a call of the module that is made first, in the same process, each time."""

    name: str
    text: str
    old: str
    new: str
    runs: bool
    k: object = 0
    before: str = ""


TABLE = "def a(x):\n    return x + 1\ndef b(x):\n    return x + 2\nT = [a, b]\n@cached\ndef f(k):\n    return T[k](1)\n"
METHODS = (
    "class C:\n    def other(self):\n        return 4\n    def run(self):\n        return 5\n"
    "class A:\n    def run(self):\n        return self.step()\n    def step(self):\n        return 1\n    def other(self):\n        return 2\n"
    "class B(A):\n    def other(self):\n        return 3\n"
    "@cached\ndef f(k):\n    return (A, B)[k]().run()\n"
)
MEMO = (
    "import functools\n{memo}def slow(x):\n    return deep(x)\ndef deep(x):\n    return x + 1\n"
    "@cached\ndef f(k):\n    return slow(1) + k\n"
)
LOOKS = (
    "import dis, functools, inspect, io, marshal, sys, types, typing\ndef a(x: int, y=1):\n    '''Adds.'''\n    return x + 1\n"
    "T = [a]\n@cached\ndef f(k):\n    {look}\n"
)


def looks(name: str, look: str, old: str = "return x + 1", new: str = "return x + 12") -> Case:
    """Code that looks at a function, and does not run it."""
    return Case(f"looks: {name}", LOOKS.format(look=look), old, new, True)


CASES = [
    # -- what need not count
    Case("another handler of a table", TABLE, "x + 2", "x + 20", False),
    Case("the handler itself", TABLE, "x + 1", "x + 10", True),
    Case("the handler of another call", TABLE, "x + 1", "x + 10", False, k=1),
    Case("a global of another handler", TABLE.replace("x + 2", "x + N") + "N = 2\n", "N = 2", "N = 3", False),
    Case("a helper of another handler", TABLE.replace("x + 2", "h(x)") + "def h(x):\n    return 2\n", "return 2", "return 3", False),
    Case("a branch not taken", "def a():\n    return 1\ndef b():\n    return 2\n@cached\ndef f(k):\n    return b() if k else a()\n", "return 2", "return 3", False),
    Case("a method that was not called", METHODS, "return 2", "return 20", False),
    Case("a class that was not made", METHODS, "return 3", "return 30", False),
    Case("a handler behind a wrapper", (
        "import functools\ndef deco(fn):\n    @functools.wraps(fn)\n    def w(x):\n        return fn(x)\n    return w\n"
        "@deco\ndef a(x):\n    return x\n@deco\ndef b(x):\n    return 2\nT = {0: a, 1: b}\n@cached\ndef f(k):\n    return T[k](1)\n"
    ), "return 2", "return 3", False),
    Case("an error handler", "def bad():\n    return 1\ndef good():\n    return 2\n@cached\ndef f(k):\n    try:\n        return good()\n    except KeyError:\n        return bad()\n", "return 1", "return 10", False),
    # -- identity: which names lead where
    Case("a table leads elsewhere", TABLE, "T = [a, b]", "T = [b, a]", True),
    Case("a new entry", TABLE, "T = [a, b]", "T = [a, b, a]", True),
    Case("a name is bound to something else", TABLE, "T = [", "b = len\nT = [", True),
    Case("another default of a handler that did not run", TABLE.replace("def b(x)", "def b(x, y=1)"), "y=1", "y=2", True),
    Case("another parameter", TABLE, "def b(x)", "def b(x, y=None)", True),
    Case("another annotation", TABLE.replace("def b(x)", "def b(x: int)"), "x: int", "x: str", True),
    Case("another kind of function", TABLE.replace("return x + 2", "return [x]"), "return [x]", "yield x", True),
    Case("a decorator", TABLE, "def b(", "@staticmethod\ndef b(", True),
    Case("a new override", METHODS, "class B(A):\n", "class B(A):\n    def step(self):\n        return 9\n", True, k=1),
    Case("a changed base", METHODS, "class B(A):", "class B(C):", True, k=1),
    Case("a base more", METHODS.replace("class B(A)", "class B(A, C)"), "class B(A, C)", "class B(A)", True, k=1),
    Case("a method that is gone", METHODS, "    def other(self):\n        return 3\n", "    pass\n", True, k=1),
    Case("the one that is compared", "def a():\n    return 1\ndef b():\n    return 2\nX = a\n@cached\ndef f(k):\n    return X is a\n", "X = a", "X = b", True),
    Case("the one that is compared, edited", "def a():\n    return 1\ndef b():\n    return 2\nX = a\n@cached\ndef f(k):\n    return X is a\n", "return 1", "return 7", False),
    Case("truth of a name", "def a():\n    return 1\nX = a\n@cached\ndef f(k):\n    return bool(X)\n", "X = a", "X = None", True),
    Case("a count of members", METHODS.replace("(A, B)[k]().run()", "len(vars(B))"), "class B(A):\n", "class B(A):\n    def more(self):\n        pass\n", True),
    Case("a registry that is iterated", "R = []\ndef add(fn):\n    R.append(fn)\n    return fn\n@add\ndef a():\n    return 1\n#\n@cached\ndef f(k):\n    return sum(g() for g in R)\n", "#\n", "@add\ndef b():\n    return 2\n", True),
    Case("subclasses that are listed", "class A:\n    pass\nclass B(A):\n    pass\n#\n@cached\ndef f(k):\n    return sorted(c.__name__ for c in A.__subclasses__())\n", "#\n", "class D(A):\n    pass\n", True),
    Case("a name", "def a():\n    return 1\nT = {'k': a}\n@cached\ndef f(k):\n    return T['k'].__name__\n", "return 1\n", "return 1\na.__name__ = 'z'\n", True),
    # -- code that is looked at
    looks("bytecode", "return T[0].__code__.co_code.hex()"),
    looks("constants", "return T[0].__code__.co_consts"),
    looks("by a text", "return getattr(T[0], '__code__').co_consts"),
    looks("source", "return inspect.getsource(T[0])"),
    looks("docstring", "return T[0].__doc__", "Adds", "Subtracts"),
    looks("dis", "out = io.StringIO()\n    dis.dis(T[0], file=out)\n    return [l.split()[-1] for l in out.getvalue().split('\\n') if 'LOAD_CONST' in l or 'RETURN_CONST' in l]"),
    looks("marshal", "return marshal.dumps(T[0].__code__)[-40:].hex()"),
    looks("its globals", "return T[0].__globals__['N']\nN = 1", "N = 1", "N = 2"),
    looks("its closure", "return C.__closure__[0].cell_contents\ndef make(n):\n    def c():\n        return n\n    return c\nC = make(1)", "make(1)", "make(2)"),
    looks("another function with its code", "return types.FunctionType(T[0].__code__, globals())(1, 2)"),
    looks("its signature", "return str(inspect.signature(T[0]))", "y=1", "y=2"),
    looks("its types", "return str(typing.get_type_hints(T[0]))", "x: int", "x: str"),
    looks("text that is run", "return eval('T[0].__co' + 'de__.co_consts')"),
    looks("who is in the way", "return [v.co_consts for v in map(lambda g: getattr(g, '__code__', None), [T[0]]) if v]"),
    # -- what ran before, and is not run again
    Case("behind a memo, filled before", MEMO.format(memo="@functools.lru_cache\n"), "x + 1", "x + 10", True, before="slow(1)"),
    Case("behind a cache, filled by another call", MEMO.format(memo="@functools.cache\n"), "x + 1", "x + 10", True, before="f(5)"),
    Case("behind a cached property", "import functools\nclass A:\n    @functools.cached_property\n    def p(self):\n        return deep()\ndef deep():\n    return 1\nONE = A()\n@cached\ndef f(k):\n    return ONE.p\n", "return 1", "return 2", True, before="ONE.p"),
    Case("behind state that does not show", "class A:\n    def __init__(self):\n        self.kept = {}\n    def __cachepy_digest__(self):\n        return 7\n    def get(self):\n        if not self.kept:\n            self.kept[0] = deep()\n        return self.kept[0]\ndef deep():\n    return 1\nONE = A()\n@cached\ndef f(k):\n    return ONE.get()\n", "return 1", "return 2", True, before="ONE.get()"),
    Case("behind what belongs to a thread", "import threading\nL = threading.local()\ndef get():\n    if not hasattr(L, 'v'):\n        L.v = deep()\n    return L.v\ndef deep():\n    return 1\n@cached\ndef f(k):\n    return get()\n", "return 1", "return 2", True, before="get()"),
    Case("behind an attribute of a library", "import json\ndef get():\n    if not hasattr(json, 'cp_v'):\n        keep()\n    return json.cp_v\ndef keep():\n    json.cp_v = deep()\ndef deep():\n    return 1\n@cached\ndef f(k):\n    return get()\n", "return 1", "return 2", True, before="get()"),
    Case("behind a weak table", "import weakref\nclass A:\n    pass\nONE = A()\nW = weakref.WeakKeyDictionary()\ndef get():\n    if ONE not in W:\n        W[ONE] = deep()\n    return W[ONE]\ndef deep():\n    return 1\n@cached\ndef f(k):\n    return get()\n", "return 1", "return 2", True, before="get()"),
    Case("a generator that began before", "def steps():\n    yield 0\n    yield deep()\ndef deep():\n    return 1\nS = [steps()]\nnext(S[0])\n@cached\ndef f(k):\n    return next(S[0])\n", "return 1", "return 2", True),
    Case("a generator that is told of an error", "def steps():\n    try:\n        yield 0\n    except ValueError:\n        yield 1\nS = [steps()]\nnext(S[0])\n@cached\ndef f(k):\n    return S[0].throw(ValueError())\n", "yield 1", "yield 2", True),
    Case("made when the module was imported", "def deep():\n    return 1\nN = deep()\n@cached\ndef f(k):\n    return N if not k else deep()\n", "return 1", "return 2", True),
    Case("a decorator that ran then", "def deco(fn):\n    def w():\n        return fn() + 1\n    return w\n@deco\ndef a():\n    return 1\n@cached\ndef f(k):\n    return a() if not k else deco(a)()\n", "fn() + 1", "fn() + 2", True),
    Case("a memo that is left out", "M = {}\ndef get():\n    if 0 not in M:\n        M[0] = deep()\n    return M[0]\ndef deep():\n    return 1\n@ignoring\ndef f(k):\n    return get()\n", "return 1", "return 2", True, before="get()"),
    # -- code that somebody else calls
    Case("sort keys", "def a(x):\n    return -x\n@cached\ndef f(k):\n    return sorted([1, 2], key=a)\n", "return -x", "return x", True),
    Case("comparisons and hashes", "class A:\n    def __eq__(self, other):\n        return same()\n    def __hash__(self):\n        return 1\ndef same():\n    return True\n@cached\ndef f(k):\n    return len({A(), A()})\n", "return True", "return False", True),
    Case("when it is deleted", "OUT = []\nclass A:\n    def __del__(self):\n        told(self.out)\ndef told(out):\n    out.append(1)\n@cached\ndef f(k):\n    a, out = A(), []\n    a.out = out\n    del a\n    return out\n", "append(1)", "append(2)", True),
    Case("a callback of a weak reference", "import weakref\nclass A:\n    pass\ndef told(out):\n    out.append(1)\n@cached\ndef f(k):\n    a, out = A(), []\n    weakref.finalize(a, told, out)\n    del a\n    return out\n", "append(1)", "append(2)", True),
    Case("methodcaller", METHODS.replace("(A, B)[k]().run()", "operator.methodcaller('other')(A())").replace("class A:", "import operator\nclass A:", 1), "return 2", "return 20", True),
    Case("singledispatch", "import functools\n@functools.singledispatch\ndef a(x):\n    return 0\n@a.register(int)\ndef _(x):\n    return 1\n@cached\ndef f(k):\n    return a(k)\n", "return 1", "return 2", True),
    Case("a thread", "import threading\ndef a(out):\n    out.append(1)\n@cached\ndef f(k):\n    out = []\n    t = threading.Thread(target=a, args=(out,))\n    t.start()\n    t.join()\n    return out\n", "append(1)", "append(2)", True),
    Case("a pool", "from concurrent.futures import ThreadPoolExecutor\ndef a():\n    return 1\nP = ThreadPoolExecutor(1)\nP.submit(int).result()\n@cached\ndef f(k):\n    return P.submit(a).result()\n", "return 1", "return 2", True),
    Case("an empty context", "import contextvars\ndef a():\n    return 1\n@cached\ndef f(k):\n    return contextvars.Context().run(a)\n", "return 1", "return 2", True),
    Case("a coroutine", "import asyncio\nasync def a():\n    await asyncio.sleep(0)\n    return b()\ndef b():\n    return 1\n@cached\ndef f(k):\n    return asyncio.run(a())\n", "return 1", "return 2", True),
    Case("a function that traces", "import sys\ndef tracer(frame, event, arg):\n    SEEN.add(word())\ndef word():\n    return 'a'\nSEEN = set()\ndef g():\n    pass\n@cached\ndef f(k):\n    SEEN.clear()\n    sys.settrace(tracer)\n    g()\n    sys.settrace(None)\n    found = sorted(SEEN)\n    SEEN.clear()\n    return found\n", "'a'", "'b'", True),
    Case("recursion", "def a(n):\n    return b() if n == 0 else a(n - 1)\ndef b():\n    return 1\n@cached\ndef f(k):\n    return a(5)\n", "return 1", "return 2", True),
    Case("a retry", "N = 2\ndef attempt(i):\n    if i < N:\n        raise OSError\n    return late()\ndef late():\n    return 1\n@cached\ndef f(k):\n    for i in range(5):\n        try:\n            return attempt(i)\n        except OSError:\n            pass\n", "return 1", "return 2", True),
    Case("text that is run", "def a():\n    return 1\n@cached\ndef f(k):\n    return eval('a()')\n", "return 1", "return 2", True),
    Case("a name that is put together", "import sys\ndef a():\n    return 1\ndef unused():\n    return a()\n@cached\ndef f(k):\n    return unused() if k else vars(sys.modules[__name__])['a' * 1]()\n", "return 1", "return 2", True),
    Case("only by way of one that did not run", "def late():\n    return 1\nHOLD = []\ndef setup():\n    HOLD.append(late)\nclass Box:\n    pass\nBox.run = staticmethod(late)\n@cached\ndef f(k):\n    return setup() if k else getattr(Box, 'ru' + 'n')()\n", "return 1", "return 2", True),
    Case("what the process holds, by way of one that did not run", "import codecs\ndef late(error):\n    return 'one', error.end\ndef setup():\n    codecs.register_error('cp_exact', late)\nsetup()\n@cached\ndef f(k):\n    return setup() if k else '\\xe9'.encode('ascii', 'cp_' + 'exact')\n", "'one'", "'two'", True),
    Case("a thread that began before", "import queue, threading\nQ, R = queue.Queue(), queue.Queue()\ndef loop():\n    while True:\n        R.put(Q.get() + 1)\nT = threading.Thread(target=loop, daemon=True)\nT.start()\ndef ask(n):\n    if n > 99:\n        loop()\n    Q.put(n)\n    return R.get()\n@cached\ndef f(k):\n    return ask(k)\n", "+ 1", "+ 2", True),
    # -- code that several functions share
    Case("two closures of one code", "def make(g):\n    def w():\n        return g()\n    return w\ndef a():\n    return 1\ndef b():\n    return 2\nA, B = make(a), make(b)\n@cached\ndef f(k):\n    return B() if k else A()\n", "return 1", "return 10", True),
    Case("the other of two closures", "def make(g):\n    def w():\n        return g()\n    return w\ndef a():\n    return 1\ndef b():\n    return 2\nA, B = make(a), make(b)\n@cached\ndef f(k):\n    return B() if k else A()\n", "return 2", "return 20", False),
    Case("a closure that holds another value", "def make(n):\n    def w():\n        return n\n    return w\nA = make(1)\n@cached\ndef f(k):\n    return A()\n", "make(1)", "make(2)", True),
    # -- what runs when a result is stored or loaded
    Case("how a result is made again", "class A:\n    def __init__(self, v):\n        self.v = v\n    def __reduce__(self):\n        return again, (self.v,)\n    def __eq__(self, other):\n        return self.v == other.v\n    def __hash__(self):\n        return 1\ndef again(v):\n    return A(change(v))\ndef change(v):\n    return v\n@cached\ndef f(k):\n    return A(1)\n", "    return v\n@", "    return v + 0\n@", True),
    Case("how a kind of list grows", "class L(list):\n    def extend(self, items):\n        super().extend(items)\n    def append(self, item):\n        super().append(item)\n@cached\ndef f(k):\n    return L([1])\n", "super().append(item)", "super().append(item + 0)", True),
    # -- cached calls below
    Case("a cached call below", "def a():\n    return 1\n@cached\ndef g():\n    return a()\n@cached\ndef f(k):\n    return g()\n", "return 1", "return 2", True),
    Case("what a call below did not run", "def a():\n    return 1\ndef b():\n    return 2\n@cached\ndef g(k):\n    return b() if k else a()\n@cached\ndef f(k):\n    return g(k)\n", "return 2", "return 3", False),
    Case("a function that is given to a call below", TABLE.replace("return T[k](1)\n", "return g(T[k])\n@cached\ndef g(fn):\n    return fn(1)\n"), "x + 1", "x + 10", True),
    Case("a callback that runs in a call below", "import logging\nLOG = logging.getLogger('exact')\nclass H(logging.Handler):\n    def emit(self, record):\n        self.out.append(word())\ndef word():\n    return 1\n@cached\ndef g():\n    LOG.warning('x')\n    return 0\n@cached\ndef f(k):\n    h = H()\n    h.out = []\n    LOG.addHandler(h)\n    g()\n    LOG.removeHandler(h)\n    return h.out\n", "return 1", "return 2", True),
]
