"""Random pipelines against an oracle without a cache; laws of digests and of the graph.

CACHEPY_STRESS=1 runs many more examples, newly drawn each time.
"""

from __future__ import annotations

import copy
import math
import os
import pickle
import random
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from budgets import STRESS, budget
from dag_story import ROOT, Server, Story, plans

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.timeout(3600 if STRESS else 900)  # making a failing example small takes up to five minutes
@given(plans())
@budget(25, 3000)
def test_random_pipelines(servers: tuple[Server, Server], plan: dict[str, Any]) -> None:
    """Never a wrong value; nothing runs whose dependencies have not changed; the graph is whole."""
    with tempfile.TemporaryDirectory() as place:
        Story(plan, Path(place), servers).run()


@pytest.mark.timeout(3600 if STRESS else 900)
@given(plans(fuzzy=True))
@budget(18, 3000)
def test_random_pipelines_with_threads_and_memos(servers: tuple[Server, Server], plan: dict[str, Any]) -> None:
    """Calls in threads and pools, and behind memos: never a wrong value, and nothing runs when nothing changed."""
    with tempfile.TemporaryDirectory() as place:
        Story(plan, Path(place), servers).run()


@pytest.mark.stress
@given(plans(fuzzy=True))
@budget(60, 300, long=True)
def test_threads_and_memos_for_long(servers: tuple[Server, Server], plan: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as place:
        Story(plan, Path(place), servers).run()


@pytest.mark.stress
@given(plans())
@budget(80, 300, long=True)
def test_random_pipelines_for_long(servers: tuple[Server, Server], plan: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as place:
        Story(plan, Path(place), servers).run()


# -- laws of digests ------------------------------------------------------------------------------


@contextmanager
def fresh_session() -> Iterator[None]:
    try:
        from cachepy import Session, use_session
    except ImportError:
        import cachepy

        cachepy.cache_tree_reset()
        yield
    else:
        with use_session(Session()):
            yield


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The digest text of a call with one argument."""
    from cachepy import cache_file

    with fresh_session():

        @cache_file(tmp_path_factory.mktemp("keys"))
        def f(x: Any) -> Any:
            return x

        yield f.key


floats = st.floats() | st.sampled_from([0.0, -0.0, math.nan, math.inf])
texts = st.text(max_size=8)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    floats,
    st.complex_numbers(),
    texts,
    st.binary(max_size=8),
)
dtypes = ["?", "i1", "i4", "i8", "u2", "f4", "f8", "c16", "U3", "S2", "M8[ns]"]


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    values = draw(st.lists(st.integers(0, 2), min_size=math.prod(shape), max_size=math.prod(shape)))
    array = np.array(values, dtype="i8").astype(dtype).reshape(shape)
    if draw(st.booleans()):
        array = np.asfortranarray(array) if array.ndim else array
    if array.dtype.kind == "f" and array.size and draw(st.booleans()):
        array.flat[0] = draw(st.sampled_from([np.nan, -0.0]))
    return array


hashable = st.recursive(scalars, lambda x: st.tuples(x) | st.tuples(x, x) | st.frozensets(x, max_size=4), max_leaves=5)
nested = st.recursive(
    scalars | arrays() | hashable,
    lambda x: st.one_of(
        st.lists(x, max_size=4),
        st.lists(x, max_size=4).map(tuple),
        st.dictionaries(hashable, x, max_size=4),
        st.sets(hashable, max_size=4),
        st.frozensets(hashable, max_size=4),
    ),
    max_leaves=10,
)


def canon(x: Any) -> Any:
    """A description of a value that is equal for the values that count as equal, and no others."""
    if isinstance(x, np.ndarray):
        if x.dtype.kind == "f":
            return ("array", x.dtype.str, x.shape, [canon(v) for v in x.ravel().tolist()])
        return ("array", x.dtype.str, x.shape, x.tobytes())
    if isinstance(x, float):
        return ("float", "nan" if math.isnan(x) else x.hex())
    if isinstance(x, complex):
        return ("complex", canon(x.real), canon(x.imag))
    if isinstance(x, (list, tuple)):
        return (type(x).__name__, [canon(v) for v in x])
    if isinstance(x, (set, frozenset)):
        return (type(x).__name__, sorted((canon(v) for v in x), key=repr))
    if isinstance(x, dict):
        return ("dict", [(canon(k), canon(v)) for k, v in x.items()])
    return (type(x).__name__, x)


def twin(x: Any, rng: random.Random) -> Any:
    """An equal value, built anew: nothing shared that was, and maybe shared what was not."""
    if isinstance(x, np.ndarray):
        how = rng.choice(["copy", "fortran", "strided", "readonly"])
        if how == "fortran" and x.ndim:
            return np.asfortranarray(x)
        if how == "strided" and x.ndim and x.shape[0]:
            return np.repeat(x, 2, axis=0)[::2]
        y = x.copy()
        y.flags.writeable = how != "readonly"
        return y
    if isinstance(x, (list, tuple)):
        made: dict[str, Any] = {}
        share = rng.random() < 0.5
        out = []
        for v in x:
            name = repr(canon(v))
            out.append(made[name] if share and name in made else made.setdefault(name, twin(v, rng)))
        return type(x)(out)
    if isinstance(x, (set, frozenset)):
        return type(x)(rng.sample([twin(v, rng) for v in x], len(x)))
    if isinstance(x, dict):
        return {twin(k, rng): twin(v, rng) for k, v in x.items()}
    if isinstance(x, str):
        return "".join(list(x))
    return pickle.loads(pickle.dumps(x))


@given(nested, st.integers(0, 2**32))
@budget(200, 5000)
def test_equal_values_have_equal_digests(key: Any, x: Any, seed: int) -> None:
    same = twin(x, random.Random(seed))
    # a set of several nans is a matter of identity in Python: such values are no twins
    assume(repr(canon(same)) == repr(canon(x)))
    assert key(same) == key(x)
    assert key(copy.deepcopy(x)) == key(x)
    assert key(pickle.loads(pickle.dumps(x))) == key(x)
    assert key(x) == key(x), "asking again"


@given(nested, nested)
@budget(200, 5000)
def test_digests_are_equal_only_for_equal_values(key: Any, x: Any, y: Any) -> None:
    for a, b in ((x, y), (x, [x]), ([x, y], [y, x]), ((x, y), [x, y]), ({"k": x}, {"k": y}), ([x], [x, x])):
        assert (key(a) == key(b)) == (repr(canon(a)) == repr(canon(b))), (a, b)


@given(st.lists(hashable, max_size=12), st.integers(0, 2**32))
@budget(100, 2000)
def test_order_of_sets_does_not_matter(key: Any, values: list[Any], seed: int) -> None:
    shuffled = random.Random(seed).sample(values, len(values))
    one, two = set(values), set(shuffled)
    # 0 and False are one member, and the first comes in: only equal members make equal sets
    assume(repr(canon(one)) == repr(canon(two)))
    grown = set(range(1000)) | one
    grown -= set(range(1000)) - one
    assert key(one) == key(two)
    assert key(frozenset(one)) == key(frozenset(two))
    assert key({"k": [one]}) == key({"k": [two]})
    if repr(canon(grown)) == repr(canon(one)):
        assert key(grown) == key(one)


@given(nested)
@budget(100, 2000)
def test_sharing_does_not_matter(key: Any, x: Any) -> None:
    assert key([x, x]) == key([x, copy.deepcopy(x)])
    assert key({"a": x, "b": (x, [x])}) == key({"a": copy.deepcopy(x), "b": (x, [copy.deepcopy(x)])})


def test_one_value_many_types(key: Any) -> None:
    """Values that Python compares as equal, or prints alike, are still different."""
    values: list[Any] = [
        *(0, 0.0, -0.0, False, 0j, complex(0, -0.0), complex(-0.0, 0), "0", b"0", bytearray(b"0")),
        *(None, "None", "", b"", (), [], {}, set(), frozenset(), ..., int, "int"),
        *(np.int8(0), np.int32(0), np.int64(0), np.float32(0), np.float64(0), np.bool_(False)),
        *(np.array(0), np.array([0]), np.array([[0]]), np.array([0.0]), np.array([-0.0]), np.array([False])),
        *(np.array([], "i8"), np.array([], "f8"), np.zeros((0, 2)), np.zeros((2, 0)), np.array([0], ">i8")),
        *(np.array(["0"]), np.array([b"0"]), np.array(["0"], "U2"), np.array([0], "O"), np.array(["0"], "O")),
        *(1, 1.0, True, "1", [1], (1,), {1}, frozenset({1}), {1: 1}, {1: True}, {True: 1}),
        *([1, 2], [2, 1], [[1], 2], [[1, 2]], [1, [2]], "ab", ["a", "b"], ("ab",), ["ab"]),
        *({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2, "b": 1}, {("a", 1)}, range(2), [0, 1], slice(0, 1)),
        *("\ud800", "\udc80", "\0", "a\0", "é", "e\u0301"),
        *(2**63, 2**64, -(2**63), 2**200, float(2**63), math.nan, math.inf, -math.inf, [math.nan], "nan"),
        *(np.ma.masked_array([1, 2], [True, False]), np.ma.masked_array([1, 2], [False, True])),
        *(np.array([1, 2]), np.array([[1, 2]]), np.array([[1], [2]]), np.array([1, 2], "m8[s]")),
    ]
    digests: dict[str, Any] = {}
    for value in values:
        digest = key(value)
        assert digest not in digests, f"{value!r} and {digests[digest]!r} have one digest"
        digests[digest] = value


CORPUS = """
import random, sys
import numpy as np
from cachepy import cache_file

@cache_file(sys.argv[1])
def f(x):
    return x

rng = random.Random(7)

def value(depth):
    pick = rng.randrange(12 if depth else 7)
    if pick < 7:
        return [None, rng.randrange(9), rng.random(), str(rng.random()), rng.randbytes(3), True, 2j][pick]
    some = [value(depth - 1) for _ in range(rng.randrange(5))]
    words = {str(rng.random()) for _ in range(rng.randrange(30))}
    named = {str(k): v for k, v in enumerate(some)}
    return [some, tuple(some), named, words, {frozenset(words): some, "a": np.arange(len(some))}][pick - 7]

for _ in range(300):
    print(f.key(value(3)))
"""


def test_digests_are_the_same_in_every_process(tmp_path: Path) -> None:
    (tmp_path / "corpus.py").write_text(CORPUS)
    seen = set()
    for seed in ("0", "1", "2", "random"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": ROOT}
        command = [sys.executable, "corpus.py", str(tmp_path / "cache")]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.split()) == 300
        seen.add(done.stdout)
    assert len(seen) == 1


# -- laws of the graph ----------------------------------------------------------------------------

POOL = [f"f{i}:{i:032x}" for i in range(6)]
RESULTS = [f"{i:032x}" for i in range(100, 104)]


@st.composite
def events(draw: st.DrawFn) -> list[Any]:
    """Ends of runs as several processes would report them: runs of one call, hits that date them anew."""
    from cachepy.core.model import CALL, CODE, ENV, FILE, INDIRECT_CALL, Dep, Event, Trace

    out = []
    for run in range(draw(st.integers(0, 8))):
        at = draw(st.integers(0, 5))
        name = POOL[at]
        deps = [Dep(CODE, f"m:f{at}", draw(st.sampled_from(RESULTS)))]
        paths = draw(st.lists(st.sampled_from(["/d/a.txt", "b.txt"]), max_size=2, unique=True))
        deps += [Dep(FILE, path, draw(st.none() | st.sampled_from(RESULTS))) for path in paths]
        if draw(st.booleans()):
            deps.append(Dep(ENV, "E", draw(st.none() | st.sampled_from(RESULTS))))
        below = [
            Dep(draw(st.sampled_from([CALL, CALL, INDIRECT_CALL])), POOL[c], draw(st.sampled_from(RESULTS)))
            for c in draw(st.lists(st.integers(at + 1, 5), max_size=3, unique=True) if at < 5 else st.just([]))
        ]
        created = float(draw(st.integers(1, 3)))
        event = Event(
            id=name,
            fname=name.partition(":")[0],
            module="m",
            qualname=name.partition(":")[0],
            hash=name.partition(":")[2],
            run=f"{run:032x}",
            trace=Trace(tuple(deps), tuple(below), draw(st.sampled_from(RESULTS))),
            args=draw(st.dictionaries(st.sampled_from("xy"), st.sampled_from(RESULTS), max_size=2)),
            label={"x": "1"},
            root=draw(st.sampled_from(["/c1", "/c1", "/c2"])),
            outfile=draw(st.none() | st.just(f"{run}.out")),
            cwd="/d",
            created=created,
            elapsed=0.5,
            seen=created,
            origin=draw(st.sampled_from(["p1", "p2"])),
        )
        out.append(event)
        later = draw(st.lists(st.integers(1, 3), max_size=2))
        out += [event.replace(seen=created + more) for more in later]
    return out


def folded(some: list[Any]) -> dict[str, Any]:
    from cachepy.graph.graph import Graph

    graph = Graph()
    for event in some:
        graph.apply(event)
    nodes: dict[str, Any] = graph.nodes()
    return nodes


@given(events(), st.data())
@budget(200, 5000)
def test_the_graph_is_the_same_in_any_order_and_repeated(some: list[Any], data: st.DataObject) -> None:
    expected = folded(some)
    again = data.draw(st.lists(st.sampled_from(some), max_size=6)) if some else []
    shuffled = data.draw(st.permutations(some + again))
    assert folded(shuffled) == expected
    assert folded(some + some) == expected
    assert set(expected) == {event.id for event in some}


@given(events())
@budget(100, 2000)
def test_edges_are_on_both_sides(some: list[Any]) -> None:
    nodes = folded(some)
    for name, node in nodes.items():
        assert node["id"] == name
        assert len(set(node["children"])) == len(list(node["children"]))
        for child in node["children"]:
            assert name in nodes[child]["parents"]
        for parent in node["parents"]:
            assert name in nodes[parent]["children"]
        for source in node["inputs"].values():
            assert source in nodes


@given(events())
@budget(100, 2000)
def test_events_survive_every_carrier(some: list[Any]) -> None:
    from cachepy.core.model import Event

    for event in some:
        assert Event.unwire(event.wire()) == event
        assert pickle.loads(pickle.dumps(event)) == event
    assert folded([Event.unwire(pickle.loads(pickle.dumps(e.wire()))) for e in some]) == folded(some)
