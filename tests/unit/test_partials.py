"""Partial objects and objects that can be called as cached functions: by what they hold, as their functions are."""

from __future__ import annotations

import functools
import inspect

import cloudpickle
import pytest

from cachepy import Session, UsageError, cache_file, use_session

ran = []


def added(a, b, *, c=0):
    ran.append((a, b, c))
    return a + b + c


class Scale:
    """Made with a factor, called with a number."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, number, plus=0):
        print("ran")
        return self.factor * number + plus


@pytest.fixture
def cached(tmp_path):
    ran.clear()
    with use_session(Session()):
        yield cache_file(tmp_path, warn_cheap=False, ignore_globals=["ran"])


def test_a_partial_object_is_cached(cached):
    one = cached(functools.partial(added, 1, c=5))
    assert [one(2), one(2), one(3), one(2, c=6)] == [8, 8, 9, 9]
    assert ran == [(1, 2, 5), (1, 3, 5), (1, 2, 6)]


def test_it_shares_its_results_with_its_function(cached):
    assert cached(functools.partial(added, 1, c=5))(2) == 8
    assert cached(added)(1, 2, c=5) == 8
    assert len(ran) == 1


def test_another_value_in_it_is_another_call(cached):
    assert [cached(functools.partial(added, 1, c=c))(2) for c in (0, 1, 0)] == [3, 4, 3]
    assert len(ran) == 2


def test_a_partial_of_a_partial(cached):
    assert cached(functools.partial(functools.partial(added, 1), c=2))(3) == 6
    inner = cached(functools.partial(added, 1))
    assert functools.partial(inner, 4)() == 5
    assert inner.is_cached(4)


def test_its_questions_are_about_its_arguments(cached):
    one = cached(functools.partial(added, 1, c=5))
    assert not one.is_cached(2)
    one(2)
    assert one.is_cached(2)
    assert one.key(2) == cached(added).key(1, 2, c=5)
    assert one.explain(2).state == "fresh"
    one.clear(2)
    assert not one.is_cached(2)
    with pytest.raises(AttributeError, match="no_such"):
        _ = one.no_such


def test_it_looks_like_a_partial_object(cached):
    one = cached(functools.partial(added, 1, c=5))
    assert isinstance(one, functools.partial)
    assert one.args == (1,)
    assert one.keywords == {"c": 5}
    assert [*inspect.signature(one).parameters] == ["b", "c"]


def test_an_object_that_can_be_called_counts_by_its_state(cached, capsys):
    double = Scale(2)
    twice = cached(double)
    assert [twice(4), twice(4), cached(Scale(2))(4), cached(Scale(3))(4)] == [8, 8, 8, 12]
    assert capsys.readouterr().out == "ran\nran\n"
    double.factor = 10
    assert twice(4) == 40
    assert twice.is_cached(4)
    assert not twice.is_cached(5)


def test_both_travel(cached, capsys):
    for made, argument in ((cached(functools.partial(added, 1)), 2), (cached(Scale(2)), 4)):
        value = made(argument)
        ran.clear(), capsys.readouterr()
        assert cloudpickle.loads(cloudpickle.dumps(made))(argument) == value
        assert not ran
        assert not capsys.readouterr().out


def test_async_functions_in_a_partial(cached):
    import asyncio

    async def later(a, b):
        ran.append((a, b))
        return a + b

    one = cached(functools.partial(later, 1))
    assert [asyncio.run(one(2)), asyncio.run(one(2))] == [3, 3]
    assert ran == [(1, 2)]


@pytest.mark.parametrize("made", [functools.partial(print, 1), print, int, Scale, [].append, functools.partial(int, "3")])
def test_what_no_python_function_is_called_by_is_refused(cached, made):
    with pytest.raises(UsageError, match="decorates functions"):
        cached(made)


def test_a_task_of_dask_is_refused(cached):
    import dask

    with pytest.raises(UsageError, match="decorates functions"):
        cached(dask.delayed(added)(1, 2))


def test_an_edit_of_the_function_is_seen(project):
    text = """
    import functools
    from cachepy import cache_file
    cached = cache_file("cache", warn_cheap=False)

    def added(a, b):
        print("ran")
        return a + b

    class Scale:
        def __init__(self, n): self.n = n
        def __call__(self, x):
            print("ran")
            return self.n * x

    print(cached(functools.partial(added, 1))(2), cached(Scale(3))(4))
    """
    project.write("program.py", text)
    assert project.run("program.py").stdout.split() == ["ran", "ran", "3", "12"]
    assert project.run("program.py").stdout.split() == ["3", "12"]
    project.write("program.py", text.replace("a + b", "a - b"))
    assert project.run("program.py").stdout.split() == ["ran", "-1", "12"]
    project.write("program.py", text.replace("self.n * x", "self.n + x"))
    assert project.run("program.py").stdout.split() == ["ran", "3", "7"], "the first one is as it was"
