"""Generator functions with `collect=True`: their items are stored as a list, and each call gives an iterator."""

from __future__ import annotations

import asyncio
import inspect

import cloudpickle
import pytest

from cachepy import StaleResultWarning, UsageError, cache_file, cache_tree_nodes
from cachepy.calls.glance import glance
from tests.programs import Project

PROGRAM = """
    from pathlib import Path
    from cachepy import cache_file

    cached = cache_file(".cachepy", warn_cheap=False)

    @cached(collect=True)
    def numbers(path):
        print("reads", path)
        for word in Path(path).read_text().split():
            yield int(word)

    @cached
    def total(path):
        return sum(numbers(path))

    if __name__ == "__main__":
        found = numbers("a.txt")
        print(next(found), list(found), list(found), total("a.txt"), list(numbers("a.txt")))
"""


def test_a_generator_is_stored_and_each_call_has_an_iterator_of_its_own(tmp_path):
    project = Project(tmp_path)
    project.write("a.txt", "1 2 3")
    assert project.main(PROGRAM).lines == ["reads a.txt", "1 [2, 3] [] 6 [1, 2, 3]"]
    assert project.run("main.py").lines == ["1 [2, 3] [] 6 [1, 2, 3]"]
    project.write("a.txt", "1 2 5")
    assert project.run("main.py").lines == ["reads a.txt", "1 [2, 5] [] 8 [1, 2, 5]"]
    assert project.cachepy("status", code=0).lines == ["all 2 calls are fresh"]
    assert "list: 1 of 3 items differs" in project.cachepy("diff", "numbers", "--values").stdout
    done = project.cachepy("verify", "--rerun", "2", code=0)
    assert done.stdout.rstrip().endswith("0 differ")


def test_async_generators(tmp_path):
    runs = []

    @cache_file(tmp_path, collect=True, ignore_globals=["runs"], warn_cheap=False)
    async def numbers(n):
        runs.append(n)
        for i in range(n):
            yield i

    async def all_of(n):
        return [i async for i in numbers(n)]

    assert [asyncio.run(all_of(3)) for _ in range(3)] == [[0, 1, 2]] * 3
    assert runs == [3]
    assert inspect.isasyncgen(numbers(1))


def test_the_body_runs_when_the_function_is_called(tmp_path):
    @cache_file(tmp_path, collect=True, warn_cheap=False)
    def numbers(n):
        yield 1 // n

    with pytest.raises(ZeroDivisionError):
        numbers(0)
    assert not numbers.is_cached(0)
    assert next(numbers(1)) == 1 and numbers.is_cached(1)


def test_a_method_that_is_a_generator(tmp_path):
    class Counter:
        def __init__(self, n):
            self.n = n

        @cache_file(tmp_path, collect=True, warn_cheap=False)
        def up(self):
            yield from range(self.n)

    assert list(Counter(3).up()) == list(Counter(3).up()) == [0, 1, 2]


def test_hot_calls_have_iterators_too(tmp_path):
    runs = []

    @cache_file(tmp_path, collect=True, ignore_globals=["runs"], warn_cheap=False)
    def numbers(n):
        runs.append(n)
        yield from range(n)

    for _ in range(6):
        found = numbers(3)
        assert iter(found) is found and list(found) == [0, 1, 2]
    assert runs == [3]


@pytest.mark.parametrize("way", ["off", "uncached", "skip", "finalizing"])
def test_without_the_cache_it_is_the_same(way, tmp_path, monkeypatch):
    @cache_file(tmp_path, collect=True, warn_cheap=False)
    def numbers(n, lock=None):
        yield from range(n)

    if way == "off":
        from cachepy import Session, use_session

        with use_session(Session(mode="off")):
            assert list(numbers(2)) == [0, 1]
        assert not numbers.is_cached(2)
    elif way == "uncached":
        with pytest.warns(UserWarning, match="runs without the cache"):
            assert list(numbers(2, __import__("threading").Lock())) == [0, 1]
    elif way == "skip":
        assert list(numbers(2, _skip_save=True)) == [0, 1] and not numbers.is_cached(2)
    else:
        monkeypatch.setattr("cachepy.decorator.is_making", lambda: True)
        again = cache_file(tmp_path, collect=True)(numbers.__wrapped__)
        assert list(again(2)) == [0, 1]


def test_it_travels_by_value(tmp_path):
    @cache_file(tmp_path, collect=True, cache_errors=(ZeroDivisionError,), warn_cheap=False)
    def parts(n):
        yield 1 // n

    there = cloudpickle.loads(cloudpickle.dumps(parts))
    assert list(there(1)) == [1] and parts.is_cached(1)
    with pytest.raises(ZeroDivisionError):
        there(0)
    assert parts.is_cached(0)


def test_who_only_looks_gets_no_list(tmp_path):
    """Dask's graphs are pruned by such looks: what stands in a task's place must be what the task gives."""

    @cache_file(tmp_path, collect=True, warn_cheap=False)
    def numbers(n):
        yield from range(n)

    list(numbers(3))
    assert glance(numbers.__cachepy__, (3,), {}) is None


def test_with_an_old_result(tmp_path):
    state = [2]

    @cache_file(tmp_path, collect=True, on_error="stale", ignore_globals=["state"], warn_cheap=False)
    def numbers(n):
        yield n // state[0]

    assert list(numbers(4)) == [2]
    state[0] = 0
    with pytest.warns(StaleResultWarning, match=r"numbers\(4\) raised ZeroDivisionError"):
        assert list(numbers(4, _force=True)) == [2]
    assert len(cache_tree_nodes()) >= 1


def test_the_refusal_names_the_option(tmp_path):
    def numbers():
        yield 1

    async def later():
        yield 1

    for fn in (numbers, later):
        with pytest.raises(UsageError, match=r"is a generator function: .* Say collect=True"):
            cache_file(tmp_path)(fn)
    with pytest.raises(UsageError, match=r"collect=True is for generator functions, and .*<lambda> is none"):
        cache_file(tmp_path, collect=True)(lambda: 1)
    with pytest.raises(UsageError, match="collect must be True or False"):
        cache_file(tmp_path, collect=1)
