"""A body that changes its arguments: a hit does the same to those of its caller, or the call is not stored."""

from __future__ import annotations

import copy
import random
import threading
import time
import warnings
from collections import Counter, OrderedDict, defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from operator import methodcaller

import numpy as np
import pandas as pd
import pytest

from cachepy import (
    ChangedArgumentWarning,
    Session,
    UsageError,
    UsageValueError,
    cache_file,
    cache_tree_nodes,
    cache_verify,
    use_session,
)
from cachepy.calls.given_arguments import difference
from cachepy.values.sketch import sketch


class Plain:
    def __init__(self, n=1):
        self.n, self.parts = n, [1]


class Slots:
    __slots__ = ("gone", "n", "parts")

    def __init__(self, n=1):
        self.n, self.parts, self.gone = n, [1], 0


class Stateful(Plain):
    """Keeps a lock, which pickling drops."""

    def __init__(self, n=1):
        super().__init__(n)
        self.lock = threading.Lock()

    def __getstate__(self):
        return {k: v for k, v in vars(self).items() if k != "lock"}

    def __setstate__(self, state):
        vars(self).update(state, lock=threading.Lock())


class Remembers(Plain):
    def __init__(self):
        super().__init__()
        self._cache = {}
        self.inner = Plain()
        self.inner.memo = None


def grow(x):
    x.n, x.extra = x.n + 1, {"me": x}
    x.parts.append(x.n)


def shrink(x):
    x.n += 1
    del x.gone


def add(x):
    x["new"] = 1


def increase(x):
    x += 1


# how to make an object, how to change it
KINDS = {
    "list": (lambda: [3, 1], lambda x: x.append(2)),
    "list in order": (lambda: [3, 1], lambda x: x.sort()),
    "dict": (lambda: {"b": 1, "a": 2}, add),
    "dict in another order": (lambda: {"b": 1, "a": 2}, lambda x: x.update(b=x.pop("b"))),
    "set": (lambda: {1, 2}, lambda x: x.add(3)),
    "bytearray": (lambda: bytearray(b"abc"), lambda x: x.extend(b"d")),
    "deque": (lambda: deque([1, 2], 2), lambda x: x.append(3)),
    "OrderedDict": (lambda: OrderedDict(a=1, b=2), lambda x: x.move_to_end("a")),
    "defaultdict": (lambda: defaultdict(list, a=[1]), lambda x: x["b"].append(1)),
    "Counter": (lambda: Counter("aab"), lambda x: x.update("ab")),
    "array": (lambda: np.arange(6.0).reshape(2, 3), increase),
    "array of objects": (lambda: np.array([[1], None, "a"], dtype=object), lambda x: x[0].append(2)),
    "large array": (lambda: np.arange(50_000.0), lambda x: x.sort() or increase(x)),
    "Series": (lambda: pd.Series([1, 2], name="a"), lambda x: setattr(x, "name", "b")),
    "frame": (lambda: pd.DataFrame({"a": [1, 2]}), add),
    "frame with attrs": (lambda: pd.DataFrame({"a": [1, 2]}), lambda x: x.attrs.update(unit="m")),
    "frame with another row": (lambda: pd.DataFrame({"a": [1, 2]}), lambda x: x.loc.__setitem__(5, 3)),
    "Random": (lambda: random.Random(1), lambda x: x.gauss(0, 1)),
    "RandomState": (lambda: np.random.RandomState(1), lambda x: x.normal()),
    "Generator": (lambda: np.random.default_rng(1), lambda x: x.normal()),
    "object": (Plain, grow),
    "object with slots": (Slots, shrink),
    "object with a lock": (Stateful, grow),
}
NOT = {
    "tuple": lambda: ([1],),
    "iterator": lambda: iter([1, 2]),
    "read-only array": lambda: np.frombuffer(b"abcd", dtype="i4"),
    "subclass of list": lambda: type("Own", (list,), {"__module__": __name__})([1]),
    "index": lambda: pd.Index([1, 2]),
}


class Sorts(list):
    pass


@pytest.fixture
def cached(tmp_path):
    return cache_file(tmp_path / "cache", warn_cheap=False, ignore_globals=["RAN"])


RAN: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran():
    RAN.clear()
    with use_session(Session()):  # what it said once, it says again
        yield


def again(make):
    """What `make` does in two sessions; what ran in the second, and all that was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with use_session(Session()):
            make()
        RAN.clear()
        with use_session(Session()):
            make()
    return list(RAN), [str(w.message) for w in caught]


def same(one, two):
    key = lambda x: cache_file("unused", warn_cheap=False)(key_of).key(x)
    return type(one) is type(two) and key(one) == key(two)


def key_of(x):
    return x


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("is_returned", [False, True])
def test_a_hit_changes_what_the_body_changed(name, is_returned, cached):
    make, change = KINDS[name]

    def body(x):
        RAN.append("body")
        change(x)
        return x if is_returned else 5

    f = cached(body) if is_returned else cached(changes=["x"])(body)

    def run():
        given, whole = make(), make()
        change(whole)
        result = f(given)
        assert result is given if is_returned else result == 5
        assert same(given, whole)
        if hasattr(given, "extra"):
            assert given.extra["me"] is given

    assert again(run) == ([], [])


@pytest.mark.parametrize("name", NOT)
def test_what_cannot_be_changed_in_place_is_an_error_at_the_call(name, cached):
    f = cached(changes=["x"])(lambda x: 1)
    with pytest.raises(UsageError, match="changes=\\['x'\\], but its argument 'x' is of type"):
        f(NOT[name]())


@pytest.mark.parametrize("value", [None, 3, "text", b"bytes", len])
def test_what_nothing_can_change_is_no_error(value, cached):
    assert cached(changes=["x"])(lambda x: 1)(value) == 1


def test_names_are_checked_where_they_are_written(cached):
    with pytest.raises(UsageValueError, match="names no parameter"):
        cached(changes=["y"])(lambda x: x)
    with pytest.raises(UsageValueError, match="is in ignore_args too"):
        cached(changes=["x"], ignore_args=["x"])(lambda x: x)
    with pytest.raises(UsageError, match="must be a list"):
        cached(changes="x")


@pytest.mark.parametrize("name", ["list", "dict", "array", "frame", "object", "Generator"])
def test_a_change_that_is_lost_at_a_hit_is_said_and_not_stored(name, cached):
    make, change = KINDS[name]

    @cached
    def f(x, i):
        RAN.append("f")
        change(x)

    ran, said = again(lambda: [f(make(), i) for i in range(2)])
    assert ran == ["f", "f"] and len(said) == 2  # once in each session
    assert said[0].startswith("f changed its argument 'x'") and "changes=['x']" in said[0]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda x: setattr(x, "n", 5), " (at x.n)"),
        (lambda x: setattr(x.inner, "n", 5), " (at x.inner.n)"),
        (lambda x: setattr(x, "other", 5), " (at x.other)"),
        (lambda x: delattr(x, "n"), " (at x.n)"),
    ],
)
def test_it_says_where(change, where, cached):
    @cached
    def f(x):
        change(x)

    with pytest.warns(ChangedArgumentWarning) as heard:
        f(Remembers())
    assert f"changed its argument 'x'{where}, so" in str(heard[0].message)


def test_an_iterator_is_told_another_way_out(cached):
    with pytest.warns(ChangedArgumentWarning, match="Pass a list"):
        cached(lambda x: list(x))(iter([1, 2]))


@pytest.mark.parametrize("change", [lambda x: x._cache.update(a=1), lambda x: setattr(x.inner, "memo", 4)])
def test_what_is_called_a_cache_may_be_filled(change, cached):
    @cached
    def f(x):
        RAN.append("f")
        change(x)

    assert again(lambda: f(Remembers())) == ([], [])


CLEAR = methodcaller("clear")


@pytest.mark.parametrize(
    ("change", "is_told"), [(lambda x: x["a"], False), (lambda x: x["a"].append(1), True), (CLEAR, True)]
)
@pytest.mark.parametrize("known", [{}, {"c": [1]}], ids=["empty", "not empty"])
def test_a_default_that_is_looked_up_is_no_change(known, change, is_told, cached):
    @cached
    def f(x):
        RAN.append("f")
        change(x)
        return len(x["a"])

    is_told = is_told and (bool(known) or change is not CLEAR)
    ran, said = again(lambda: f(defaultdict(list, known)))
    assert (len(ran), len(said)) == ((1, 2) if is_told else (0, 0))


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize("depth", range(2))
def test_large_ones_are_sketched(is_large, depth, cached):
    """An object that holds 80 MB is not digested again after a short body; a new attribute or column shows all the same."""
    x = Plain()
    x.data = np.zeros(10_000_000 if is_large else 10)
    x.frame = pd.DataFrame({"a": x.data})

    @cached
    def f(x):
        if depth:
            x.frame["b"] = 1.0
        else:
            x.coef_ = 1

    with pytest.warns(ChangedArgumentWarning, match="changed its argument 'x'"):
        f(x)


def test_many_small_ones_are_each_digested_again(cached, monkeypatch):
    """Together they may cost more than all is to cost; of none there is a sketch."""
    monkeypatch.setattr("cachepy.calls.given_arguments._SHARE", 0)
    monkeypatch.setattr("cachepy.calls.given_arguments._SMALL", 0.5)
    monkeypatch.setattr("cachepy.calls.given_arguments.thread_time", iter([0.0, 0.4] * 6).__next__)

    @cached
    def f(x, y, z):
        RAN.append("f")
        return len(x) + len(y) + len(z)

    assert again(lambda: f([1], [2], [3])) == ([], [])


def test_sketches_tell_of_changes_in_place():
    digest = Session().digester.digest
    for value, change in (
        (np.zeros(10_000_000), increase),
        (np.zeros((3000, 3000)), increase),
        (pd.DataFrame(np.zeros((100_000, 3))), lambda x: x.insert(0, "new", 1)),
        (pd.Series(np.zeros(100_000)), lambda x: x.__setitem__(slice(None), 1.0)),
        (["a"] * 100_000, lambda x: x.append("b")),
        ({"a": {"b": ["text" * 10_000]}}, lambda x: x["a"]["b"].append(1)),
        (Sorts([2, 1]), lambda x: x.append(1)),
    ):
        before = sketch(value, digest)
        assert sketch(copy.deepcopy(value), digest) == before
        change(value)
        assert sketch(value, digest) != before


def test_nothing_is_said_of_a_body_that_looks_only(cached):
    def look(x):
        RAN.append("look")
        return repr(x.sum()) + str(x.describe())

    f = cached(look)
    assert again(lambda: f(pd.DataFrame({"a": [1, 2]}))) == ([], [])


def test_the_same_object_twice(cached):
    @cached(changes=["a"])
    def f(a, b):
        RAN.append("f")
        a.append(len(b))

    one = [1]
    f(one, one)
    assert one == [1, 1]
    two, three = [1], [1]
    f(two, three)  # is another call, though its arguments are equal
    assert (two, three, RAN) == ([1, 1], [1], ["f", "f"])
    f(two := [1], [1])
    assert (two, RAN) == ([1, 1], ["f", "f"])
    one = [1]
    f(one, one)
    assert (one, RAN) == ([1, 1], ["f", "f", "f"])


def test_one_that_is_part_of_another(cached):
    """The part changes too, which is not said."""

    @cached(changes=["whole"])
    def f(whole, part):
        whole["part"].append(1)

    part = []
    with pytest.warns(ChangedArgumentWarning, match="changed its argument 'part'"):
        f({"part": part}, part)


def test_a_result_that_holds_the_argument(cached):
    @cached(changes=["self"])
    def fit(self, factor):
        RAN.append("fit")
        self.n *= factor
        return {"model": self, "n": self.n}

    def run():
        model = Plain(2)
        found = fit(model, 3)
        assert found["model"] is model and model.n == found["n"] == 6

    assert again(run) == ([], [])


def test_rest_and_keywords(cached):
    @cached(changes=["rest", "named"])
    def f(*rest, **named):
        RAN.append("f")
        for each in (*rest, *named.values()):
            each.append(1)

    def run():
        lists = [], [], []
        f(lists[0], lists[1], a=lists[2])
        assert lists == ([1], [1], [1])

    assert again(run) == ([], [])


def test_calls_below_change_what_the_caller_holds(cached):
    @cached(changes=["model"])
    def fit(model):
        RAN.append("fit")
        model.n += 1

    @cached
    def outer(model):
        RAN.append("outer")
        fit(model)
        return model.n

    @cached
    def own(n):
        RAN.append("own")
        model = Plain(n)
        fit(model)
        return model.n

    fit(Plain(5))
    RAN.clear()
    with pytest.warns(ChangedArgumentWarning, match="outer changed its argument 'model'"):
        assert outer(Plain(5)) == 6
    assert own(5) == 6 and RAN == ["outer", "own"]
    assert again(lambda: own(5)) == ([], [])


def test_the_next_call_goes_by_the_new_state(cached):
    @cached(changes=["model"])
    def fit(model, x):
        RAN.append("fit")
        model.coef = x.mean()

    @cached
    def predict(model, x):
        RAN.append("predict")
        return model.coef * x

    def run():
        model, x = Plain(), np.arange(200_000.0)
        fit(model, x)
        assert predict(model, x)[1] == x.mean()
        nodes = cache_tree_nodes()
        (predicted,) = (node for node in nodes.values() if node["fname"] == "predict")
        assert predicted["inputs"]["model"].startswith("fit:")

    assert again(run) == ([], [])


def test_running_again_gives_the_same(cached, tmp_path):
    @cached(changes=["x"])
    def f(x):
        x.append(1)

    @cached
    def g(x):
        x.append(1)
        return x

    f([])
    g([])
    checked = cache_verify(tmp_path / "cache", rerun=2)
    assert (checked.reran, checked.differing) == (2, ())


def test_a_hit_that_fails_changes_nothing(cached, monkeypatch):
    """The body runs then, and finds the argument as it was given."""

    @cached(changes=["x"])
    def f(x):
        x.append(1)

    f([])
    session = Session()
    with use_session(session), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        monkeypatch.setattr(session.recorder, "hit", lambda *_: 1 / 0)
        f(x := [])
    assert x == [1]


def test_async(cached):
    import asyncio

    @cached(changes=["x"])
    async def f(x):
        RAN.append("f")
        x.append(1)

    def run():
        asyncio.run(f(x := []))
        assert x == [1]

    assert again(run) == ([], [])


def test_threads(cached):
    """One runs it, and each has its own object changed."""

    @cached(changes=["x"])
    def f(x):
        RAN.append("f")
        time.sleep(0.05)
        x.append(1)

    lists = [[] for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(f, lists))
    assert lists == [[1]] * 8 and RAN == ["f"]


def test_an_argument_without_a_digest_runs_as_ever(cached):
    f = cached(changes=["x"])(lambda x, lock: x.append(1))
    with pytest.warns(match="runs without the cache: argument 'lock'"):
        f(x := [], threading.Lock())
    assert x == [1]


def test_a_difference_is_found_part_by_part():
    digest = Session().digester.digest
    one, two = Remembers(), Remembers()
    two._cache["a"] = two.inner.memo = 1
    assert difference(one, two, digest, "x") is None
    two.parts.append(1)
    assert difference(one, two, digest, "x") == "x.parts"
    assert difference([1], [2], digest, "x") == "x"


PROGRAM = """
import numpy as np
from cachepy import cache_file

cached = cache_file("cache", warn_cheap=False)


class Model:
    @cached
    def fit(self, x):
        print("fit")
        self.coef_, self.names, self.me = x.mean(0), {"a", "b", "c"}, self
        return self

    @cached
    def predict(self, x):
        print("predict")
        return x @ self.coef_


if __name__ == "__main__":
    x = np.arange(12.0).reshape(4, 3)
    model = Model()
    model.fit(x)
    print(model.predict(x), model.me is model)
"""


def test_a_model_in_two_programs(project):
    project.write("job.py", PROGRAM)
    first, second = (project.run("job.py", PYTHONHASHSEED=seed) for seed in "12")
    assert first.stdout == "fit\npredict\n[ 18.5  68.  117.5 167. ] True\n" and first.stderr == second.stderr == ""
    assert second.stdout == "[ 18.5  68.  117.5 167. ] True\n"
    assert project.cachepy("status", "-q", "--cache-dir", "cache").returncode == 0


def test_a_cache_inside_a_large_argument_is_no_change_of_it(cached, monkeypatch):
    """A sketch shows the flags that a sparse matrix of scipy sets when it is used; the digest leaves them out."""
    sparse = pytest.importorskip("scipy.sparse")
    monkeypatch.setattr("cachepy.calls.given_arguments._SMALL", -1.0)
    monkeypatch.setattr("cachepy.calls.given_arguments._SHARE", 0.0)
    matrix = copy.deepcopy(sparse.csr_matrix([[0, 1.0], [2, 0]]))
    vars(matrix).pop("_has_canonical_format", None)

    @cached
    def total(m):
        return float(m.sum()), m.has_canonical_format

    with warnings.catch_warnings():
        warnings.simplefilter("error", ChangedArgumentWarning)
        total(matrix)
    assert total.is_cached(matrix)
