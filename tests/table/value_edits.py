"""Edits of values that pickle would not show whole: locks and files in objects, enums, weak references, dropped state.

Each has code or state that a name in `f` leads to, through an object of which a part has no digest, or of which pickle
writes less than a body sees.
"""

from __future__ import annotations

from tests.table.code_edits import code, edited, live, unaffected
from tests.table.harness import Case

HOLDER = """
    import {imports}

    class Box:
        def __init__(self, n, part):
            self.n, self.part = n, part

        def go(self, x):
            return x + self.n

    {place}
    """
PARTS = {
    "a lock": ("threading", "threading.Lock()"),
    "a reentrant lock": ("threading", "threading.RLock()"),
    "a condition": ("threading", "threading.Condition()"),
    "an event": ("threading", "threading.Event()"),
    "a semaphore": ("threading", "threading.Semaphore(2)"),
    "a barrier": ("threading", "threading.Barrier(2)"),
    "data of threads": ("threading", "threading.local()"),
    "a thread": ("threading", "threading.Thread(target=print)"),
    "a timer": ("threading", "threading.Timer(9, print)"),
    "a queue": ("queue", "queue.Queue()"),
    "a simple queue": ("queue", "queue.SimpleQueue()"),
    "a file": ("os", "open(os.devnull)"),
    "a binary file": ("os", "open(os.devnull, 'rb')"),
    "a temporary file": ("tempfile", "tempfile.NamedTemporaryFile()"),
    "a socket": ("socket", "socket.socket()"),
    "a connection": ("sqlite3", "sqlite3.connect(':memory:')"),
    "a cursor": ("sqlite3", "sqlite3.connect(':memory:').cursor()"),
    "a pipe": ("multiprocessing", "multiprocessing.Pipe()"),
    "a logger": ("logging", "logging.getLogger('a.b')"),
    "a handler": ("logging", "logging.StreamHandler()"),
    "a pool": ("concurrent.futures", "concurrent.futures.ThreadPoolExecutor(1)"),
    "a future": ("concurrent.futures", "concurrent.futures.Future()"),
    "an asyncio lock": ("asyncio", "asyncio.Lock()"),
    "a generator": ("os", "(i for i in range(3))"),
    "a weak reference": ("weakref", "weakref.ref(print.__class__)"),
    "a dead weak reference": ("weakref", "weakref.ref(set())"),
    "a weak dictionary": ("weakref", "weakref.WeakValueDictionary()"),
    "a memory view": ("mmap", "memoryview(b'ab')"),
    "a map of memory": ("mmap", "mmap.mmap(-1, 10)"),
    "a context variable": ("contextvars", "contextvars.ContextVar('v')"),
    "a context": ("contextvars", "contextvars.copy_context()"),
    "a frame": ("sys", "sys._getframe()"),
    "code": ("os", "compile('1', 'a', 'eval')"),
    "a module": ("os", "os"),
    "a reader": ("csv", "csv.reader(['a,b'])"),
    "a hash": ("hashlib", "hashlib.sha256(b'a')"),
    "a selector": ("selectors", "selectors.DefaultSelector()"),
    "a compressor": ("zlib", "zlib.compressobj()"),
    "an exit stack": ("contextlib", "contextlib.ExitStack()"),
    "an iterator of files": ("os", "os.scandir('.')"),
    "a local function": ("os", "(lambda k: lambda: k)(3)"),
    "a local class": ("os", "(lambda: type('L', (), {}))()"),
    "a ufunc": ("numpy", "numpy.frompyfunc(lambda a: a, 1, 1)"),
}


def boxed(kind: str, place: str, returns: str, edit: str, part: str) -> Case:
    imports, made = PARTS[part]
    source = HOLDER.format(imports=imports, place=place.format(made=made))
    return edited(f"{part} {kind}", source, returns, edit)


STATE = [boxed("in an object, its state", "BOX = Box(1, {made})", "BOX.n + x", "Box(1, => Box(2, ", part) for part in PARTS]
METHOD = [
    boxed("in an object, a method of it", "BOX = Box(1, {made})", "BOX.go(x)", "x + self.n => x - self.n", part)
    for part in PARTS
]
LOCK = "    import threading, dataclasses, functools, collections, types\n\n    LOCK = threading.Lock()\n"
PLACES = [
    boxed(f"in {name}", place, returns, "Box(1, => Box(2, ", part)
    for part in ("a lock", "a connection", "a thread")
    for name, place, returns in (
        ("a private global", "_BOX = Box(1, {made})", "_BOX.n + x"),
        ("a class attribute", "class C:\n        box = Box(1, {made})", "C.box.n + x"),
        ("a private class attribute", "class C:\n        _box = Box(1, {made})", "C._box.n + x"),
        ("a default", "def h(x, box=Box(1, {made})):\n        return x + box.n", "h(x)"),
        ("a keyword default", "def h(x, *, box=Box(1, {made})):\n        return x + box.n", "h(x)"),
        ("a closure", "def make(box):\n        return lambda x: x + box.n\n\n    h = make(Box(1, {made}))", "h(x)"),
        ("an attribute of a function", "def h(x):\n        return x + h.box.n\n\n    h.box = Box(1, {made})", "h(x)"),
        ("a list", "BOX = [0, Box(1, {made})]", "BOX[1].n + x"),
        ("a dict", "BOX = dict(a=Box(1, {made}))", "BOX['a'].n + x"),
        ("a tuple in a list", "BOX = [(Box(1, {made}), 0)]", "BOX[0][0].n + x"),
        ("a partial", "import functools\n\n    def g(box, x):\n        return box.n + x\n\n    h = functools.partial(g, Box(1, {made}))", "h(x)"),
        ("a bound method", "h = Box(1, {made}).go", "h(x)"),
        ("a namespace", "import types\n\n    BOX = types.SimpleNamespace(box=Box(1, {made}))", "BOX.box.n + x"),
        ("another object", "BOX = Box(Box(1, {made}), 0)", "BOX.n.n + x"),
        ("a default dict", "import collections\n\n    BOX = collections.defaultdict(list, a=Box(1, {made}))", "BOX['a'].n + x"),
    )
]
KINDS = [
    edited(f"{name} with a lock", LOCK + source, returns, edit)
    for name, source, returns, edit in (
        ("list of the user's", "    class L(list):\n        pass\n\n    BOX = L([1, LOCK])\n", "BOX[0] + x", "L([1 => L([2"),
        ("dict of the user's", "    class D(dict):\n        pass\n\n    BOX = D(a=1, b=LOCK)\n", "BOX['a'] + x", "a=1 => a=2"),
        ("dataclass", "    @dataclasses.dataclass\n    class D:\n        a: int\n        lock: object\n\n    BOX = D(1, LOCK)\n", "BOX.a + x", "D(1 => D(2"),
        ("object with slots", "    class S:\n        __slots__ = ('n', 'lock')\n\n    BOX = S()\n    BOX.n, BOX.lock = 1, LOCK\n", "BOX.n + x", "= 1, => = 2,"),
        ("exception", "    class E(Exception):\n        pass\n\n    BOX = E(1, LOCK)\n", "BOX.args[0] + x", "E(1 => E(2"),
        ("object in a set", "    class S:\n        def __init__(self, n):\n            self.n, self.lock = n, LOCK\n\n    BOX = {S(1)}\n", "sum(b.n for b in BOX) + x", "S(1) => S(2)"),
        ("object that holds itself", "    class S:\n        def __init__(self, n):\n            self.n, self.lock, self.me = n, LOCK, self\n\n    BOX = S(1)\n", "BOX.me.n + x", "S(1) => S(2)"),
        ("named tuple", "    T = collections.namedtuple('T', 'a b')\n    BOX = T(1, LOCK)\n", "BOX.a + x", "T(1 => T(2"),
        ("object that copies itself by a method", "    class S:\n        def __init__(self, n):\n            self.n, self.lock = n, LOCK\n\n        def __reduce__(self):\n            return S, (self.n,)\n\n    BOX = S(1)\n", "BOX.n + x", "S(1) => S(2)"),
        ("object that refuses to be pickled", "    class S:\n        def __init__(self, n):\n            self.n = n\n\n        def __reduce__(self):\n            raise TypeError('no')\n\n    BOX = S(1)\n", "BOX.n + x", "S(1) => S(2)"),
        ("thread of the user's", "    class T(threading.Thread):\n        def __init__(self, n):\n            super().__init__()\n            self.n = n\n\n        def go(self, x):\n            return self.n + x\n\n    BOX = T(1)\n", "BOX.go(x)", "T(1) => T(2)"),
        ("private state of a thread of the user's", "    class T(threading.Thread):\n        def __init__(self, n):\n            super().__init__()\n            self._n = n\n\n        def go(self, x):\n            return self._n + x\n\n    BOX = T(1)\n", "BOX.go(x)", "T(1) => T(2)"),
    )
]  # fmt: skip
SEEN = [
    edited("what a queue holds", "import queue\n\nQ = queue.Queue()\nQ.put(1)\n", "Q.queue[0] + x", "Q.put(1) => Q.put(2)"),
    edited("what an event says", "import threading\n\nE = threading.Event()\nE.set()\n", "(E.is_set(), x)", "E.set() => pass"),
    edited("the number of a semaphore", "import threading\n\nS = threading.Semaphore(2)\n", "S._value + x", "Semaphore(2) => Semaphore(3)"),
    edited("what a thread would run", "import threading\n\ndef h():\n    return 1\n\nT = threading.Thread(target=h)\n", "T._target() + x", "return 1 => return 2"),
    edited("code of a generator", "def h():\n    yield 1\n\nG = h()\n", "(next(h()), x)", "yield 1 => yield 2"),
    edited("what a callback closes over", "import weakref\n\ndef h(x):\n    return x + 1\n\nR = weakref.ref(h)\n", "R()(x)", "x + 1 => x + 2"),
    edited("the name of a file", "import os\n\nF = open(os.devnull)\n", "(F.name, x)", "os.devnull => 'm.py'"),
    unaffected("a lock made in another way", "import threading\n\nL = threading.Lock()\n", "(L.locked(), x)", "threading.Lock() => (threading.Lock())"),
]  # fmt: skip

ENUM = """
    import enum, dataclasses

    {more}
    """


def enum(name: str, source: str, returns: str, edit: str) -> Case:
    return edited(f"enum, {name}", ENUM.format(more=source.replace("\n", "\n    ")), returns, edit)


ENUMS = [
    enum(
        "order of members", "class E(enum.Enum):\n    A = 1\n    B = 2\n", "([e.name for e in E], x)",
        "    A = 1\n    B = 2 =>     B = 2\n    A = 1",
    ),
    enum("another alias", "class E(enum.Enum):\n    A = 1\n    B = 2\n    C = 1\n", "(E.C.name, x)", "C = 1 => C = 2"),
    enum("an alias more", "class E(enum.Enum):\n    A = 1\n    C = 1\n", "(list(E.__members__), x)", "    C = 1 =>     C = 1\n    D = 1"),
    enum("which is the alias", "class E(enum.Enum):\n    A = 1\n    B = 1\n", "(E(1).name, x)", "    A = 1\n    B = 1 =>     B = 1\n    A = 1"),
    enum("private name", "class E(enum.Enum):\n    A = 1\n    __K = 5\n    def go(self):\n        return self.__K\n", "E.A.go() + x", "K = 5 => K = 6"),
    enum("private property", "class E(enum.Enum):\n    A = 1\n    @property\n    def _p(self):\n        return self.value + 1\n", "E.A._p + x", "value + 1 => value + 2"),
    enum("property", "class E(enum.Enum):\n    A = 1\n    @property\n    def p(self):\n        return self.value + 1\n", "E.A.p + x", "value + 1 => value + 2"),
    enum("property of enum", "class E(enum.Enum):\n    A = 1\n    @enum.property\n    def p(self):\n        return self._value_ + 1\n", "E.A.p + x", "_value_ + 1 => _value_ + 2"),
    enum("attribute set in __new__", "K = 3\nclass E(enum.Enum):\n    A = 1\n    def __new__(cls, n):\n        self = object.__new__(cls)\n        self._value_ = n\n        self.mass = n * K\n        return self\n", "E.A.mass + x", "K = 3 => K = 4"),
    enum("attribute set in __init__", "SCALE = [3]\nclass E(enum.Enum):\n    A = 1\n    def __init__(self, n):\n        self.mass = SCALE[0]\n", "E.A.mass + x", "[3] => [4]"),
    enum("attribute set later", "class E(enum.Enum):\n    A = 1\nE.A.mass = 3\n", "E.A.mass + x", "mass = 3 => mass = 4"),
    enum("attribute of an alias's member", "class E(enum.Enum):\n    A = 1\n    B = 1\nE.B.mass = 3\n", "E.A.mass + x", "mass = 3 => mass = 4"),
    enum("boundary of a flag", "class E(enum.Flag, boundary=enum.KEEP):\n    A = 1\n    B = 2\n", "(repr(E(1 | 8)), x)", "enum.KEEP => enum.EJECT"),
    enum("values of a flag", "class E(enum.Flag):\n    A = 1\n    B = 2\n", "((E.A | E.B).value, x)", "B = 2 => B = 4"),
    enum("_missing_", "class E(enum.Enum):\n    A = 1\n    B = 2\n    @classmethod\n    def _missing_(cls, v):\n        return cls.A\n", "(E(9).name, x)", "return cls.A => return cls.B"),
    enum("_generate_next_value_", "class E(enum.Enum):\n    @staticmethod\n    def _generate_next_value_(name, start, count, last):\n        return name * 2\n    A = enum.auto()\n", "(E.A.value, x)", "name * 2 => name * 3"),
    enum("_ignore_", "class E(enum.Enum):\n    _ignore_ = ['k']\n    k = 3\n    A = k\n", "(E.A.value, x)", "k = 3 => k = 4"),
    enum("functional API", "E = enum.Enum('E', 'A B')\n", "([e.name for e in E], x)", "'A B' => 'B A'"),
    enum("functional API, start", "E = enum.IntEnum('E', 'A B', start=1)\n", "E.A + x", "start=1 => start=2"),
    enum("StrEnum", "class E(enum.StrEnum):\n    A = 'a'\n", "(str(E.A), x)", "'a' => 'b'"),
    enum("IntEnum", "class E(enum.IntEnum):\n    A = 1\n", "E.A + x", "A = 1 => A = 2"),
    enum("type mixed in", "class E(int, enum.Enum):\n    A = 1\n    def go(self):\n        return self + 1\n", "E.A.go() + x", "self + 1 => self + 2"),
    enum("dataclass as member", "@dataclasses.dataclass(frozen=True)\nclass D:\n    n: int\n    def go(self):\n        return self.n\nclass E(enum.Enum):\n    A = D(1)\n", "E.A.value.go() + x", "return self.n => return -self.n"),
    enum("method", "class E(enum.Enum):\n    A = 1\n    def go(self):\n        return 1\n", "E.A.go() + x", "return 1 => return 2"),
    enum("function as member", "def h(x):\n    return x + 1\nclass E(enum.Enum):\n    A = enum.member(h)\n", "E.A.value(x)", "x + 1 => x + 2"),
    enum("what is no member", "class E(enum.Enum):\n    A = 1\n    k = enum.nonmember(3)\n", "E.k + x", "nonmember(3) => nonmember(4)"),
    enum("what is no member, private", "class E(enum.Enum):\n    A = 1\n    _k = enum.nonmember(3)\n", "E._k + x", "nonmember(3) => nonmember(4)"),
    enum("nested class", "class E(enum.Enum):\n    A = 1\n    @enum.nonmember\n    class In:\n        def go(self):\n            return 1\n", "E.In().go() + x", "return 1 => return 2"),
    enum("base with methods", "class Base(enum.Enum):\n    def go(self):\n        return 1\nclass E(Base):\n    A = 1\n", "E.A.go() + x", "return 1 => return 2"),
    enum("metaclass", "class M(enum.EnumMeta):\n    def __call__(cls, *a, **k):\n        return 1\nclass E(enum.Enum, metaclass=M):\n    A = 1\n", "E(1) + x", "return 1 => return 2"),
    enum("__str__", "class E(enum.Enum):\n    A = 1\n    def __str__(self):\n        return 'one'\n", "(str(E.A), x)", "'one' => 'two'"),
    enum("list hung on the class", "class E(enum.Enum):\n    A = 1\nE._table = [1]\n", "E._table[0] + x", "[1] => [2]"),
    enum("member in a global", "class E(enum.Enum):\n    A = 1\n    B = 2\nE.A.mass = 3\nONE = E.A\n", "ONE.mass + x", "mass = 3 => mass = 4"),
    enum("members as keys", "class E(enum.Enum):\n    A = 1\n    B = 2\nE.A.mass = 3\nT = {E.A: 1}\n", "list(T)[0].mass + x", "mass = 3 => mass = 4"),
    enum("member in a default", "class E(enum.Enum):\n    A = 1\nE.A.mass = 3\ndef h(x, e=E.A):\n    return e.mass + x\n", "h(x)", "mass = 3 => mass = 4"),
    code("enum, attribute of a member that is an argument", "import enum\n\nclass E(enum.Enum):\n    A = 1\n\nE.A.mass = 3\n", "x.mass", "mass = 3 => mass = 4", call="m.f(m.E.A)"),
]  # fmt: skip

INDIRECT = [
    edited(name, source, returns, edit)
    for name, source, returns, edit in (
        ("default of a context variable", "import contextvars\nV = contextvars.ContextVar('V', default=5)\n", "V.get() + x", "default=5 => default=6"),
        ("function as the default of a context variable", "import contextvars\ndef h(x):\n    return x + 1\nV = contextvars.ContextVar('V', default=h)\n", "V.get()(x)", "x + 1 => x + 2"),
        ("default of a context variable in a list", "import contextvars\nV = [contextvars.ContextVar('V', default=5)]\n", "V[0].get() + x", "default=5 => default=6"),
        ("default of a context variable in an object", "import contextvars\nclass C:\n    pass\nV = C()\nV.v = contextvars.ContextVar('V', default=5)\n", "V.v.get() + x", "default=5 => default=6"),
        ("context variable that is set", "import contextvars\nV = contextvars.ContextVar('V', default=5)\nV.set(1)\n", "V.get() + x", "V.set(1) => V.set(2)"),
        ("method made by hand", "import types\nclass C:\n    pass\ndef h(self, x):\n    return x + 1\nc = C()\nc.go = types.MethodType(h, c)\n", "c.go(x)", "x + 1 => x + 2"),
        ("method made by hand, of another object", "import types\nclass C:\n    pass\ndef h(self, x):\n    return x + 1\nc = C()\nc.go = types.MethodType(h, 5)\n", "c.go(x)", "x + 1 => x + 2"),
        ("method made by hand, in a list", "import types\ndef h(self, x):\n    return x + self\nc = [types.MethodType(h, 5)]\n", "c[0](x)", "x + self => x - self"),
        ("bound method in a dict", "class C:\n    def __init__(self, n):\n        self.n = n\n    def go(self, x):\n        return x + self.n\nT = dict(a=C(1).go)\n", "T['a'](x)", "C(1) => C(2)"),
        ("bound method in a dict, its code", "class C:\n    def __init__(self, n):\n        self.n = n\n    def go(self, x):\n        return x + self.n\nT = dict(a=C(1).go)\n", "T['a'](x)", "x + self.n => x - self.n"),
        ("curried function", "import toolz\n@toolz.curry\ndef h(a, x):\n    return a + x\n", "h(1)(x)", "a + x => a - x"),
        ("partial of a curried function", "import toolz, functools\n@toolz.curry\ndef h(a, x):\n    return a + x\np = functools.partial(h, 1)\n", "p(x)", "a + x => a - x"),
        ("curried function in a list", "import toolz\n@toolz.curry\ndef h(a, x):\n    return a + x\nT = [h(1)]\n", "T[0](x)", "a + x => a - x"),
        ("arguments of a curried function", "import toolz\n@toolz.curry\ndef h(a, x):\n    return a + x\nT = [h(1)]\n", "T[0](x)", "h(1) => h(2)"),
        ("composed functions", "import toolz\ndef h(x):\n    return x + 1\nT = toolz.compose(str, h)\n", "T(x)", "x + 1 => x + 2"),
        ("memoized function of toolz", "import toolz\ndef h(x):\n    return x + 1\nT = toolz.memoize(h)\n", "T(x)", "x + 1 => x + 2"),
        ("function of numpy from one of Python", "import numpy as np\ndef h(x):\n    return x + 1\nT = np.frompyfunc(h, 1, 1)\n", "int(T(x))", "x + 1 => x + 2"),
        ("lambda as a function of numpy", "import numpy as np\nT = np.frompyfunc(lambda x: x + 1, 1, 1)\n", "int(T(x))", "x + 1 => x + 2"),
        ("function of numpy in a dict", "import numpy as np\ndef h(x):\n    return x + 1\nT = dict(a=np.frompyfunc(h, 1, 1))\n", "int(T['a'](x))", "x + 1 => x + 2"),
        ("vectorized function", "import numpy as np\ndef h(x):\n    return x + 1\nT = np.vectorize(h)\n", "int(T(x))", "x + 1 => x + 2"),
        ("vectorized lambda", "import numpy as np\nT = np.vectorize(lambda x: x + 1)\n", "int(T(x))", "x + 1 => x + 2"),
        ("type of a vectorized function", "import numpy as np\ndef h(x):\n    return x + 1\nT = np.vectorize(h, otypes='i')\n", "(T([x]).dtype.str, x)", "'i' => 'f'"),
        ("singledispatch in a list", "import functools\n@functools.singledispatch\ndef h(x):\n    return 0\n@h.register\ndef _(x: int):\n    return x + 1\nT = [h]\n", "T[0](x)", "x + 1 => x + 2"),
        ("methodcaller", "import operator\nclass C:\n    def go(self, n):\n        return n + 1\nT = operator.methodcaller('go', 1)\n", "T(C()) + x", "'go', 1 => 'go', 2"),
        ("itemgetter", "import operator\nT = operator.itemgetter(0)\n", "T([x, 7])", "itemgetter(0) => itemgetter(1)"),
        ("attrgetter", "import operator\nT = operator.attrgetter('real')\n", "T(4j + x)", "'real' => 'imag'"),
        ("key from a comparison", "import functools\ndef h(a, b):\n    return a - b\nT = functools.cmp_to_key(h)\n", "(sorted([1, 2], key=T), x)", "a - b => b - a"),
        ("key from a comparison, a lambda", "import functools\nT = functools.cmp_to_key(lambda a, b: a - b)\n", "(sorted([1, 2], key=T), x)", "a - b => b - a"),
        ("maxsize of a memo", "import functools\n@functools.lru_cache(maxsize=1)\ndef h(x):\n    return x\n", "(h.cache_info().maxsize, x)", "maxsize=1 => maxsize=2"),
        ("typed memo", "import functools\n@functools.lru_cache(typed=False)\ndef h(x):\n    return x\n", "(h.cache_parameters()['typed'], x)", "typed=False => typed=True"),
        ("maxsize of a memo in a list", "import functools\n@functools.lru_cache(maxsize=1)\ndef h(x):\n    return x\nT = [h]\n", "(T[0].cache_info().maxsize, x)", "maxsize=1 => maxsize=2"),
        ("cached property", "import functools\nclass C:\n    @functools.cached_property\n    def p(self):\n        return 1\n", "C().p + x", "return 1 => return 2"),
        ("partial method", "import functools\nclass C:\n    def h(self, n, x):\n        return n + x\n    g = functools.partialmethod(h, 1)\n", "C().g(x)", "h, 1 => h, 2"),
        ("weak reference to an object", "import weakref\nclass C:\n    def __init__(self, n):\n        self.n = n\nc = C(1)\nR = weakref.ref(c)\n", "R().n + x", "C(1) => C(2)"),
        ("weak reference to a method", "import weakref\nclass C:\n    def go(self, x):\n        return x + 1\nc = C()\nR = weakref.WeakMethod(c.go)\n", "R()(x)", "x + 1 => x + 2"),
        ("weak proxy", "import weakref\nclass C:\n    def __init__(self, n):\n        self.n = n\nc = C(1)\nR = weakref.proxy(c)\n", "R.n + x", "C(1) => C(2)"),
        ("weak proxy in a list", "import weakref\nclass C:\n    def __init__(self, n):\n        self.n = n\nc = C(1)\nR = [weakref.proxy(c)]\n", "R[0].n + x", "C(1) => C(2)"),
        ("weak proxy, a method", "import weakref\nclass C:\n    def __call__(self, x):\n        return x + 1\nc = C()\nR = weakref.proxy(c)\n", "R(x)", "x + 1 => x + 2"),
        ("weak dictionary of values", "import weakref\nclass C:\n    def __init__(self, n):\n        self.n = n\nc = C(1)\nR = weakref.WeakValueDictionary(a=c)\n", "R['a'].n + x", "C(1) => C(2)"),
        ("weak dictionary of keys", "import weakref\nclass C:\n    pass\nc = C()\nR = weakref.WeakKeyDictionary({c: 1})\n", "R[c] + x", "{c: 1} => {c: 2}"),
        ("weak set", "import weakref\nclass C:\n    def __init__(self, n):\n        self.n = n\nc = C(1)\nR = weakref.WeakSet([c])\n", "sum(i.n for i in R) + x", "C(1) => C(2)"),
        ("weak reference in an object", "import weakref\nclass C:\n    def __init__(self, n):\n        self.n = n\nc, d = C(1), C(0)\nd.r = weakref.ref(c)\n", "d.r().n + x", "C(1) => C(2)"),
        ("finalizer", "import weakref\nclass C:\n    pass\ndef h(x):\n    return x + 1\nc = C()\nR = weakref.finalize(c, h, 1)\n", "R.peek()[1](x)", "x + 1 => x + 2"),
        ("subclasses that are asked for", "class B:\n    pass\nclass C(B):\n    def go(self, x):\n        return x + 1\n", "[c().go(x) for c in B.__subclasses__()]", "x + 1 => x + 2"),
        ("subclasses of subclasses", "class B:\n    pass\nclass C(B):\n    pass\nclass D(C):\n    def go(self, x):\n        return x + 1\ndef below(c):\n    return [c] + [d for s in c.__subclasses__() for d in below(s)]\n", "below(B)[-1]().go(x)", "x + 1 => x + 2"),
        ("a subclass more", "class B:\n    pass\nclass C(B):\n    pass\n", "(len(B.__subclasses__()), x)", "class C(B): => class D(B):\n    pass\nclass C(B):"),
        ("virtual subclass", "import abc\nclass B(abc.ABC):\n    pass\nclass C:\n    pass\nB.register(C)\n", "(isinstance(C(), B), x)", "B.register(C) => pass"),
        ("virtual subclass of collections", "from collections.abc import Sequence\nclass C:\n    pass\nSequence.register(C)\n", "(isinstance(C(), Sequence), x)", "Sequence.register(C) => pass"),
        ("registry of __init_subclass__", "class B:\n    known = []\n    def __init_subclass__(cls):\n        B.known.append(cls)\nclass C(B):\n    def go(self, x):\n        return x + 1\n", "B.known[0]().go(x)", "x + 1 => x + 2"),
        ("original bases", "import typing\nT = typing.TypeVar('T')\nclass B(typing.Generic[T]):\n    pass\nclass C(B[int]):\n    pass\n", "(str(typing.get_args(C.__orig_bases__[0])), x)", "B[int] => B[str]"),
        ("order in a class, by vars", "class C:\n    a = 1\n    b = 2\n", "([n for n in vars(C) if n[:1] != '_'], x)", "    a = 1\n    b = 2 =>     b = 2\n    a = 1"),
        ("order in a class, by __dict__", "class C:\n    a = 1\n    b = 2\ndef h():\n    return [n for n in C.__dict__ if n[:1] != '_']\n", "(h(), x)", "    a = 1\n    b = 2 =>     b = 2\n    a = 1"),
        ("order of descriptors", "class D:\n    def __set_name__(self, cls, name):\n        cls.names = getattr(cls, 'names', ()) + (name,)\nclass C:\n    a = D()\n    b = D()\n", "(C.names, x)", "    a = D()\n    b = D() =>     b = D()\n    a = D()"),
        ("order of fields", "import dataclasses\n@dataclasses.dataclass\nclass C:\n    a: int = 1\n    b: int = 2\n", "(dataclasses.astuple(C()), x)", "    a: int = 1\n    b: int = 2 =>     b: int = 2\n    a: int = 1"),
        ("hash of a field", "import dataclasses\n@dataclasses.dataclass\nclass C:\n    a: int = dataclasses.field(default=1, hash=False)\n", "(dataclasses.fields(C)[0].hash, x)", "hash=False => hash=True"),
        ("repr of a field", "import dataclasses\n@dataclasses.dataclass\nclass C:\n    a: int = dataclasses.field(default=1, repr=False)\n", "(repr(C()), x)", "repr=False => repr=True"),
        ("comparison of a field", "import dataclasses\n@dataclasses.dataclass\nclass C:\n    a: int = dataclasses.field(default=1, compare=False)\n", "(C(1) == C(2), x)", "compare=False => compare=True"),
        ("keyword field", "import dataclasses\n@dataclasses.dataclass\nclass C:\n    a: int = dataclasses.field(default=1, kw_only=False)\n", "(dataclasses.fields(C)[0].kw_only, x)", "kw_only=False => kw_only=True"),
        ("factory of a field", "import dataclasses\ndef h():\n    return 1\n@dataclasses.dataclass\nclass C:\n    a: int = dataclasses.field(default_factory=h)\n", "C().a + x", "return 1 => return 2"),
        ("factory of a field, asked for", "import dataclasses\ndef h():\n    return 1\n@dataclasses.dataclass\nclass C:\n    a: int = dataclasses.field(default_factory=h, init=False)\n", "dataclasses.fields(C)[0].default_factory() + x", "return 1 => return 2"),
        ("metadata of a field", "import dataclasses\n@dataclasses.dataclass\nclass C:\n    a: int = dataclasses.field(default=1, metadata=dict(k=1))\n", "dataclasses.fields(C)[0].metadata['k'] + x", "k=1 => k=2"),
        ("frozen dataclass", "import dataclasses\n@dataclasses.dataclass(frozen=False)\nclass C:\n    a: int = 1\n", "(C.__dataclass_params__.frozen, x)", "frozen=False => frozen=True"),
        ("ordered dataclass", "import dataclasses\n@dataclasses.dataclass(order=False)\nclass C:\n    a: int = 1\n", "('__lt__' in C.__dict__, x)", "order=False => order=True"),
        ("equality of a dataclass", "import dataclasses\n@dataclasses.dataclass(eq=False)\nclass C:\n    a: int = 1\n", "(C() == C(), x)", "eq=False => eq=True"),
        ("class of attrs", "import attrs\n@attrs.define\nclass C:\n    a: int = attrs.field(default=1, metadata=dict(k=1))\n", "attrs.fields(C).a.metadata['k'] + x", "k=1 => k=2"),
        ("converter of attrs", "import attrs\ndef h(v):\n    return v + 1\n@attrs.define\nclass C:\n    a: int = attrs.field(default=1, converter=h)\n", "C().a + x", "v + 1 => v + 2"),
        ("default of a named tuple", "import typing\nclass C(typing.NamedTuple):\n    a: int = 1\n", "C().a + x", "int = 1 => int = 2"),
        ("total typed dict", "import typing\nclass C(typing.TypedDict, total=True):\n    a: int\n", "(C.__total__, x)", "total=True => total=False"),
        ("members of a protocol", "import typing\n@typing.runtime_checkable\nclass P(typing.Protocol):\n    a: int\nclass C:\n    a = 1\n", "(isinstance(C(), P), x)", "    a: int =>     b: int"),
        ("match args", "class C:\n    __match_args__ = ('a',)\n    a, b = 1, 2\n", "(C.__match_args__, x)", "('a',) => ('b',)"),
        ("setter of a property", "class C:\n    v = 0\n    @property\n    def p(self):\n        return self.v\n    @p.setter\n    def p(self, n):\n        self.v = n + 1\ndef h(x):\n    c = C()\n    c.p = x\n    return c.p\n", "h(x)", "n + 1 => n + 2"),
        ("state of a descriptor", "class D:\n    def __init__(self, n):\n        self.n = n\n    def __get__(self, obj, cls):\n        return self.n\nclass C:\n    a = D(1)\n", "C().a + x", "D(1) => D(2)"),
        ("state of a descriptor with a lock", "import threading\nclass D:\n    def __init__(self, n):\n        self.n, self.lock = n, threading.Lock()\n    def __get__(self, obj, cls):\n        return self.n\nclass C:\n    a = D(1)\n", "C().a + x", "D(1) => D(2)"),
        ("attribute of a metaclass", "class M(type):\n    k = 1\nclass C(metaclass=M):\n    pass\n", "C.k + x", "k = 1 => k = 2"),
        ("__prepare__", "class M(type):\n    @classmethod\n    def __prepare__(cls, name, bases):\n        return dict(k=1)\nclass C(metaclass=M):\n    pass\n", "C.k + x", "k=1 => k=2"),
        ("state that __getstate__ drops", "class C:\n    def __init__(self, n):\n        self.n = n\n    def __getstate__(self):\n        return {}\nc = C(1)\n", "c.n + x", "C(1) => C(2)"),
        ("state that __reduce__ drops", "class C:\n    def __init__(self, n=0):\n        self.n = n\n    def __reduce__(self):\n        return C, ()\nc = C(1)\n", "c.n + x", "C(1) => C(2)"),
        ("state that __reduce_ex__ drops", "class C:\n    def __init__(self, n=0):\n        self.n = n\n    def __reduce_ex__(self, protocol):\n        return C, ()\nc = C(1)\n", "c.n + x", "C(1) => C(2)"),
        ("state that copyreg drops", "import copyreg\nclass C:\n    def __init__(self, n=0):\n        self.n = n\ncopyreg.pickle(C, lambda c: (C, ()))\nc = C(1)\n", "c.n + x", "c = C(1) => c = C(2)"),
        ("state that a name stands for", "class C:\n    def __init__(self, n=0):\n        self.n = n\n    def __reduce__(self):\n        return 'c'\nc = C(1)\n", "c.n + x", "c = C(1) => c = C(2)"),
        ("dropped state in a list", "class C:\n    def __init__(self, n):\n        self.n = n\n    def __getstate__(self):\n        return {}\nc = [C(1)]\n", "c[0].n + x", "C(1) => C(2)"),
        ("dropped state in slots", "class C:\n    __slots__ = ('n',)\n    def __init__(self, n):\n        self.n = n\n    def __getstate__(self):\n        return None\nc = C(1)\n", "c.n + x", "C(1) => C(2)"),
        ("attribute of a list of the user's", "class C(list):\n    pass\nc = C([1])\nc.n = 1\n", "c.n + x", "n = 1 => n = 2"),
        ("attribute of a dict of the user's", "class C(dict):\n    pass\nc = C(a=1)\nc.n = 1\n", "c.n + x", "n = 1 => n = 2"),
        ("attribute of a set of the user's", "class C(set):\n    pass\nc = C([1])\nc.n = 1\n", "c.n + x", "n = 1 => n = 2"),
        ("attribute of a text of the user's", "class C(str):\n    pass\nc = C('a')\nc.n = 1\n", "c.n + x", "n = 1 => n = 2"),
        ("attribute of a number of the user's", "class C(int):\n    pass\nc = C(1)\nc.n = 1\n", "c.n + x", "n = 1 => n = 2"),
        ("attribute of a tuple of the user's", "class C(tuple):\n    pass\nc = C([1])\nc.n = 1\n", "c.n + x", "n = 1 => n = 2"),
        ("attribute of an exception", "class C(Exception):\n    pass\nc = C('a')\nc.n = 1\n", "c.n + x", "n = 1 => n = 2"),
        ("attribute of a deque of the user's", "import collections\nclass C(collections.deque):\n    pass\nc = C([1])\nc.n = 1\n", "c.n + x", "n = 1 => n = 2"),
        ("attribute of a counter", "import collections\nclass C(collections.Counter):\n    pass\nc = C('a')\nc.n = 1\n", "c.n + x", "n = 1 => n = 2"),
        ("attribute of an ordered dict", "import collections\nc = collections.OrderedDict(a=1)\nc.n = 1\n", "c.n + x", "n = 1 => n = 2"),
        ("attribute of a default dict", "import collections\nclass C(collections.defaultdict):\n    pass\nc = C(int)\nc.n = 1\n", "c.n + x", "n = 1 => n = 2"),
        ("attribute of an array of the user's", "import array\nclass C(array.array):\n    pass\nc = C('i', [1])\nc.n = 1\n", "c.n + x", "n = 1 => n = 2"),
        ("factory of a default dict", "import collections\nc = collections.defaultdict(lambda: 1)\n", "collections.defaultdict(c.default_factory)[0] + x", "lambda: 1 => lambda: 2"),
        ("lambda in an object", "class C:\n    pass\nc = C()\nc.go = lambda x: x + 1\n", "c.go(x)", "x + 1 => x + 2"),
        ("closure in an object", "def make(n):\n    return lambda x: x + n\nclass C:\n    pass\nc = C()\nc.go = make(1)\n", "c.go(x)", "make(1) => make(2)"),
        ("flags of a pattern", "import re\nP = re.compile('a')\n", "(bool(P.match('A')), x)", "'a' => 'a', re.I"),
        ("struct", "import struct\nS = struct.Struct('<i')\n", "(S.size, x)", "'<i' => '<q'"),
        ("state of a generator of numbers", "import random\nR = random.Random(5)\n", "(R.getstate()[1][1], x)", "Random(5) => Random(6)"),
        ("context of decimals", "import decimal\nC = decimal.Context(prec=3)\n", "(C.prec, x)", "prec=3 => prec=4"),
        ("counter of itertools", "import itertools\nC = itertools.count(1)\n", "(repr(C), x)", "count(1) => count(2)"),
        ("signature", "import inspect\ndef h(a):\n    pass\nS = inspect.signature(h)\n", "(str(S), x)", "h(a) => h(b)"),
        ("code object", "C = compile('1 + 1', 'a', 'eval')\n", "eval(C) + x", "1 + 1 => 1 + 2"),
        ("code object in a list", "C = [compile('1 + 1', 'a', 'eval')]\n", "eval(C[0]) + x", "1 + 1 => 1 + 2"),
        ("code object that names a global", "K = 3\nC = compile('K + 1', 'a', 'eval')\n", "eval(C) + x", "K = 3 => K = 4"),
        ("memory view", "V = memoryview(b'ab')\n", "(bytes(V), x)", "b'ab' => b'ac'"),
        ("time zone of the user's", "import datetime\nclass Z(datetime.tzinfo):\n    def utcoffset(self, d):\n        return datetime.timedelta(hours=1)\nD = datetime.datetime(2020, 1, 1, tzinfo=Z())\n", "(str(D.utcoffset()), x)", "hours=1 => hours=2"),
        ("bound method in a mapping proxy", "import types\nclass C:\n    def go(self, x):\n        return x + 1\nT = types.MappingProxyType(dict(a=C().go))\n", "T['a'](x)", "x + 1 => x + 2"),
    )
]  # fmt: skip

LIVE = [
    live("state of an object with a lock, in place", "import threading\n\nclass C:\n    def __init__(self):\n        self.n, self.lock = 1, threading.Lock()\n\nc = C()\n", "c.n + x", "m.c.n = 2"),
    live("attribute of a member, in place", "import enum\n\nclass E(enum.Enum):\n    A = 1\n\nE.A.mass = 1\n", "E.A.mass + x", "m.E.A.mass = 2"),
    live("behind a weak reference, in place", "import weakref\n\nclass C:\n    n = 1\n\nc = C()\nR = weakref.ref(c)\n", "R().n + x", "m.c.n = 2"),
    live("a subclass more, in place", "class B:\n    pass\n", "(len(B.__subclasses__()), x)", "class C(m.B):\n    pass"),
    live("a virtual subclass more, in place", "import abc\n\nclass B(abc.ABC):\n    pass\n\nclass C:\n    pass\n", "(isinstance(C(), B), x)", "m.B.register(m.C)"),
    live("mere use of a cached property", "import functools\n\nclass C:\n    n = 1\n    @functools.cached_property\n    def p(self):\n        return self.n\n\nc = C()\n", "c.n + x", "m.c.p", ""),
    live("mere use of a vectorized function", "import numpy as np\n\ndef h(x):\n    return x + 1\n\nT = np.vectorize(h, otypes='i')\n", "int(T(x))", "m.T(2)", ""),
]  # fmt: skip

CASES = [*STATE, *METHOD, *PLACES, *KINDS, *SEEN, *ENUMS, *INDIRECT, *LIVE]
