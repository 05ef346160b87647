"""What was stored and loaded leads to the same keys as what was made: a pipeline is all hits in its second program."""

from __future__ import annotations

import pytest

from tests.programs import Project

MADE = '''
import collections, dataclasses, datetime, decimal, enum, functools, pathlib, sys
from cachepy import cache_file


class Node:
    def __init__(self, name, parent=None):
        self.name, self.parent, self.children = name, parent, []
        if parent is not None:
            parent.children.append(self)


class Slots:
    __slots__ = ("kids", "name", "parent")

    def __init__(self, name, parent=None):
        self.name, self.parent, self.kids = name, parent, []
        if parent is not None:
            parent.kids.append(self)


class Lazy:
    def __init__(self):
        self.v = 3

    @functools.cached_property
    def w(self):
        return self.v * 2


class LazyLoop(Lazy):
    def __init__(self):
        self.v, self.me = 3, self


class LazyState(Lazy):
    def __getstate__(self):
        return dict(self.__dict__)


class LazyReduce(Lazy):
    def __reduce__(self):
        return LazyReduce, (), dict(self.__dict__)


class LazyDict(dict):
    w = functools.cached_property(len)


class LazyList(list):
    w = functools.cached_property(len)


class LazySet(set):
    w = functools.cached_property(len)


class LazyText(str):
    w = functools.cached_property(len)


class LazyError(ValueError):
    w = functools.cached_property(str)


class LazyTuple(collections.namedtuple("LazyTuple", "a b")):
    w = functools.cached_property(len)


class LazyEnum(enum.Enum):
    A = 1

    @functools.cached_property
    def w(self):
        return 5


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: str

    @functools.cached_property
    def w(self):
        return 2 * self.a


class Hashed:
    def __init__(self, a):
        self.a, self._found = a, None

    def __hash__(self):
        if self._found is None:
            self._found = hash(self.a)
        return self._found

    def __eq__(self, other):
        return self.a == other.a


@dataclasses.dataclass(frozen=True)
class FrozenHash:
    a: str

    def __hash__(self):
        if "_hash" not in self.__dict__:
            object.__setattr__(self, "_hash", hash(self.a))
        return self._hash


def text(at):
    return "".join(["te", "xt", str(at)])  # another object each time


def tree(cls):
    root = cls(text(0))
    for at in range(4):
        child = cls(text(at % 2), root)
    return root


def loop(**parts):
    node = Node("a")
    node.__dict__.update(parts, me=node)
    return node


def itself():
    held = [text(0), text(0), {text(1): text(1)}, ("a", text(0))]
    held.append(held)
    return held


DAY = datetime.datetime(2020, 1, 1)
KINDS = {
    "tree": (lambda: tree(Node), repr),
    "child of a tree": (lambda: tree(Node).children[1], repr),
    "tree with slots": (lambda: tree(Slots), repr),
    "list in itself": (itself, len),
    "loop with sets": (lambda: loop(s={text(0), text(1)}, f=frozenset({text(0)})), repr),
    "loop with texts in paths": (lambda: loop(p=[pathlib.Path("a"), pathlib.Path(text(0)), text(0)]), lambda x: x.p[0].name),
    "loop with bytes": (lambda: loop(b=[bytes([1, 2]), bytes([1, 2]), b"", b"a"]), repr),
    "loop with moments": (lambda: loop(d=[DAY, DAY, datetime.datetime(2020, 1, 1), decimal.Decimal("1.1")]), repr),
    "loop with shared parts": (lambda: (lambda t: loop(n=[t, t, [text(0), 5]]))([text(0), 5]), repr),
    "cached_property": (Lazy, lambda x: x.w),
    "in a loop": (LazyLoop, lambda x: x.w),
    "with a state": (LazyState, lambda x: x.w),
    "with a reduce": (LazyReduce, lambda x: x.w),
    "of a dict": (lambda: LazyDict(a=1), lambda x: x.w),
    "of a list": (lambda: LazyList([1]), lambda x: x.w),
    "of a set": (lambda: LazySet({"a", "b"}), lambda x: x.w),
    "of a text": (lambda: LazyText("ab"), lambda x: x.w),
    "of an error": (lambda: LazyError("ab"), lambda x: x.w),
    "of a named tuple": (lambda: LazyTuple(1, 2), lambda x: x.w),
    "of an enum": (lambda: LazyEnum.A, lambda x: x.w),
    "of a frozen dataclass": (lambda: Frozen("a"), lambda x: x.w),
    "hash": (lambda: Hashed("a"), hash),
    "hashes of keys": (lambda: {Hashed("a"): 1, Hashed("b"): 2}, lambda x: [hash(key) for key in x]),
    "hash of a frozen dataclass": (lambda: FrozenHash("a"), hash),
}


def of(library):
    def add(make):
        try:
            module = __import__(library, fromlist=["x"])
        except ImportError:
            return
        KINDS.update({f"{library}: {name}": row for name, row in make(module).items()})
    return add


@of("numpy")
def _(np):
    class LazyArray(np.ndarray):
        w = functools.cached_property(lambda self: float(self.sum()))
    globals()["LazyArray"] = LazyArray
    LazyArray.__qualname__ = "LazyArray"
    return {
        "view": (lambda: np.arange(10.0)[2:8:2], repr),
        "loop with views": (lambda: (lambda a: loop(a=a, b=a[2:5]))(np.arange(10.0)), repr),
        "objects": (lambda: np.array([text(0), text(0), None], dtype=object), repr),
        "masked": (lambda: np.ma.array([1.0, 2, 3]), lambda x: (x.mask, x.mean())),
        "long": (lambda: np.array([1, 2.5], dtype=np.longdouble), lambda x: x.sum()),
        "one long": (lambda: np.longdouble("1.1"), repr),
        "attribute": (lambda: np.arange(3.0).view(LazyArray), lambda x: x.w),
        "gaps": (lambda: np.frombuffer(bytes(range(64)), np.dtype([("a", "i1"), ("b", "f8")], align=True)).copy(), repr),
    }


@of("pandas")
def _(pd):
    class LazyFrame(pd.DataFrame):
        w = functools.cached_property(lambda self: float(self.sum().sum()))
    globals()["LazyFrame"] = LazyFrame
    LazyFrame.__qualname__ = "LazyFrame"
    look = lambda x: (repr(x), x.index.is_unique, x.columns.get_loc(x.columns[0]), x.iloc[0], x.index.get_indexer_for(x.index))
    frame = lambda **more: pd.DataFrame({"a": [1, 2, 3], "s": [text(0), text(0), "b"]}, **more)
    return {
        "frame": (frame, look),
        "slice": (lambda: frame().iloc[1:], look),
        "transposed": (lambda: pd.DataFrame({"a": [1.0, 2], "b": [3.0, 4]}).T, look),
        "many blocks": (lambda: [x := frame(), *(x.insert(0, at, 1.5) for at in range(4))][0], look),
        "levels": (lambda: frame(index=pd.MultiIndex.from_product([["x"], [1, 2, 3]])).iloc[1:], look),
        "categories": (lambda: frame().astype({"s": "category"}), look),
        "moments": (lambda: frame(index=pd.date_range("2020", periods=3, tz="UTC")), look),
        "in a loop": (lambda: loop(f=frame()), repr),
        "attribute": (lambda: LazyFrame({"a": [1, 2]}), lambda x: x.w),
    }


@of("scipy.sparse")
def _(sparse):
    import numpy as np
    parts = np.array([1.0, 2, 3]), np.array([2, 0, 0]), np.array([0, 2, 3])
    look = lambda x: (x.has_sorted_indices, x.has_canonical_format, x @ np.ones(3), x.T)
    return {name: (lambda make=getattr(sparse, name): make(parts, shape=(2, 3)), look) for name in ("csr_matrix", "csr_array")}


@of("networkx")
def _(nx):
    look = lambda g: (g.adj, g.nodes, g.edges, g.degree, list(g.edges))
    return {
        "graph": (lambda: nx.path_graph(4), look),
        "directed": (lambda: nx.DiGraph([(text(0), text(1))]), lambda g: (look(g), g.pred, g.succ, g.in_degree)),
        "view": (lambda: nx.path_graph(5).subgraph([1, 2]), look),
    }


@of("attrs")
def _(attrs):
    made = {}
    for name, options in {"AttrsSlots": {"slots": True}, "AttrsDict": {"slots": False}}.items():
        cls = attrs.define(type(name, (), {"__module__": __name__, "__annotations__": {"a": str}, "__qualname__": name}),
                           unsafe_hash=True, cache_hash=True, **options)
        globals()[name] = cls
        made[name] = (lambda cls=cls: cls("a")), hash
    return made


@of("pydantic")
def _(pydantic):
    class Model(pydantic.BaseModel):
        a: int
        names: set[str] = set()
        _own: dict = pydantic.PrivateAttr(default_factory=dict)
        @functools.cached_property
        def w(self):
            return 2 * self.a
    class Outer(pydantic.BaseModel):
        inner: Model
    globals().update(Model=Model, Outer=Outer)
    Model.__qualname__, Outer.__qualname__ = "Model", "Outer"
    return {
        "model": (lambda: Model(a=1, names={"x", "y", "z"}), lambda x: (x.w, x.model_dump())),
        "inner model": (lambda: Outer(inner=Model(a=1)), lambda x: x.inner.w),
    }
'''
JOB = """
import json, warnings
from cachepy import cache_file

cached = cache_file("cache", warn_cheap=False, ignore_globals=["NOW", "RAN"])
NOW, RAN = [], []


@cached
def a(name):
    RAN.append("a")
    return NOW[0]()


@cached
def b(x, name):
    RAN.append("b")
    return x


@cached
def c(x, name):
    RAN.append("c")
    NOW[1](x)
    return [x]


@cached
def d(x, name):
    RAN.append("d")


if __name__ == "__main__":
    import made

    told = {}
    for name, NOW[:] in made.KINDS.items():
        RAN.clear()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            d(c(b(a(name), name), name), name)
        told[name] = "".join(RAN), [str(w.message) for w in caught if w.category.__module__.startswith("cachepy")]
    print(json.dumps(told))
"""


GLOBALS = """
import json, warnings
import globals_, made

TEXT = '''import made, globals_
OBJ, LOOK = made.KINDS[{name!r}]
OBJ, RAN = OBJ(), []

@globals_.cached
def f(x):
    RAN.append(x)
    LOOK(OBJ)
'''

if __name__ == "__main__":
    told = {}
    for at, name in enumerate(made.KINDS):
        with open(f"global{at}.py", "w") as file:
            file.write(TEXT.format(name=name))
    for at, name in enumerate(made.KINDS):
        module = __import__(f"global{at}")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for x in (1, 1, 2):
                module.f(x)
        told[name] = module.RAN, [str(w.message) for w in caught if w.category.__module__.startswith("cachepy")]
    print(json.dumps(told))
"""


SHARED = 'from cachepy import cache_file\ncached = cache_file("cache", warn_cheap=False, ignore_globals=["LOOK", "RAN"])\n'


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What ran in two programs, for each kind of value, and what was warned of."""
    project = Project(tmp_path_factory.mktemp("chains"))
    project.write("made.py", MADE)
    project.write("job.py", JOB)
    return [project.run("job.py", PYTHONHASHSEED=seed).json() for seed in "123"]


def test_the_second_program_runs_nothing(told):
    first, *more = told
    assert {name: row for name, row in first.items() if row != ["abcd", []]} == {}
    assert [{name: row for name, row in each.items() if row != ["", []]} for each in more] == [{}, {}]
    assert len(first) > 24


def test_a_global_that_is_looked_at_is_no_change(project):
    project.write("made.py", MADE)
    project.write("globals_.py", SHARED)
    project.write("job.py", GLOBALS)
    first, second = [project.run("job.py", PYTHONHASHSEED=seed).json() for seed in "12"]
    assert {name: row for name, row in first.items() if row != [[1, 2], []]} == {}
    assert {name: row for name, row in second.items() if row != [[], []]} == {}
