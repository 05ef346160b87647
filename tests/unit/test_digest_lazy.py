"""`dask.delayed` objects by what they would compute; numpy's own random state by its name."""

from __future__ import annotations

import dask
import numpy as np
import pytest

from cachepy import Session

pytest.importorskip("dask._task_spec")


def inc(x, y=1):
    return x + y


def dec(x):
    return x - 1


def digest(value):
    return Session().reader.digester.digest(value)


def tree(first=3, second=4, function=inc, **more):
    low = dask.delayed(inc)(first)
    return dask.delayed(function)([low, {"b": dask.delayed(inc)(second)}, low], **more)


def test_tasks_of_other_names_that_compute_the_same_are_equal():
    assert tree().key != tree().key
    assert digest(tree()) == digest(tree())
    assert digest(dask.delayed([1, tree()])) == digest(dask.delayed([1, tree()]))
    assert digest(tree().real) == digest(tree().real)
    assert digest(dask.delayed(inc)) == digest(dask.delayed(inc))


OTHERS = [
    tree(first=5), tree(second=5), tree(function=dec), tree(y=2), tree(y=dask.delayed(inc)(2)), tree().real, tree().imag,
    tree()[0], dask.delayed(inc)(3), dask.delayed(dec)(3), dask.delayed(3), dask.delayed("3"), dask.delayed(inc),
    dask.delayed(inc, nout=2)(3), dask.delayed([tree()]), dask.delayed((tree(),)), dask.delayed({"a": tree()}),
    dask.delayed(inc)(dask.delayed(inc)(1), dask.delayed(inc)(1)),
]  # fmt: skip


def test_others_differ():
    shared = dask.delayed(inc)(1)
    found = [digest(each) for each in [tree(), *OTHERS, dask.delayed(inc)(shared, shared)]]
    assert len({*found}) == len(found)


def test_a_generator_of_numbers_by_its_state_but_for_numpys_own():
    own, made = np.random.mtrand._rand, np.random.RandomState(1)
    before = digest(own), digest(made)
    own.random_sample(), made.random_sample()
    assert digest(own) == before[0] != digest(made) != before[1]
    made.seed(1)
    assert digest(made) == before[1] == digest(np.random.RandomState(1))


def test_a_frozen_distribution_does_not_go_by_what_was_drawn_since():
    stats = pytest.importorskip("scipy.stats")
    made = stats.norm(1, 2)
    before = digest(made)
    np.random.mtrand._rand.random_sample()
    assert digest(made) == before == digest(stats.norm(1, 2))
    assert before != digest(stats.norm(1, 3)) != digest(stats.uniform(1, 3))


class lazy_property:
    """Computes once, and keeps the value in the object; cannot be set."""

    def __init__(self, fn):
        self.fn = fn

    def __get__(self, obj, owner=None):
        return self if obj is None else obj.__dict__.setdefault(self.fn.__name__, self.fn(obj))


class SettableCachedProperty(lazy_property):
    """What is set is data."""

    def __set__(self, obj, value):
        obj.__dict__[self.fn.__name__] = value


class settable_lazy_property(property):
    """A property with a setter may hold what it was given."""


class Areas:
    def __init__(self, side):
        self.side = side

    @lazy_property
    def area(self):
        return self.side**2

    @SettableCachedProperty
    def given(self):
        return 0

    @settable_lazy_property
    def held(self):
        return self.__dict__.get("held", 0)

    @held.setter
    def held(self, value):
        self.__dict__["held"] = value


def test_lazy_properties_of_any_maker_do_not_count_but_what_can_be_set_does():
    plain, asked = Areas(2), Areas(2)
    assert asked.area == 4
    assert digest(plain) == digest(asked) != digest(Areas(3))
    for name in ("given", "held"):
        changed = Areas(2)
        setattr(changed, name, 5)
        assert digest(changed) != digest(plain), name
