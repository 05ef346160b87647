"""Objects, modules, loops and moments that nobody expects: the program runs as it would without a cache."""

from __future__ import annotations

import functools
import signal
import types
from unittest import mock

import pytest

from cachepy import Session, UsageError, cache_file, use_session
from tests.programs import Project


@pytest.fixture(autouse=True)
def _session():
    with use_session(Session()):
        yield


class Lazy(types.ModuleType):
    def __getattr__(self, name):
        if name[:2] == "__":
            raise AttributeError(name)
        return 3


class Any(type):
    def __getattr__(cls, name):
        return lambda *args: name


class Answers(metaclass=Any):
    n = 4


class Proxy:
    """Of nothing: every look at it raises."""

    def __getattribute__(self, name):
        if name in ("__class__", "__reduce_ex__"):
            return object.__getattribute__(self, name)
        raise RuntimeError("nothing bound")

    def __call__(self):
        return 5


LAZY = Lazy("lazy_module_of_test")
PROXY = Proxy()
MOCK = mock.MagicMock(return_value=1)


def reads_lazy(x):
    return x + LAZY.number


def passes_lazy(x):
    return [x, LAZY][0]


def reads_class(x):
    return x + Answers.n


def reads_proxy(x):
    return x + PROXY()


def reads_mock(x):
    return x + int(MOCK.number or 0) * 0


@pytest.mark.parametrize("fn", [reads_lazy, passes_lazy, reads_class, reads_proxy, reads_mock], ids=lambda f: f.__name__)
@pytest.mark.filterwarnings("ignore::cachepy.CacheWarning")
def test_odd_globals(tmp_path, fn):
    f = cache_file(tmp_path)(fn)
    assert (f(1), f(1)) == (fn(1), fn(1))


@pytest.mark.parametrize("value", [Answers(), Answers, LAZY, mock.MagicMock(), mock.sentinel.a, Proxy()], ids=lambda v: type(v).__name__)
@pytest.mark.filterwarnings("ignore::cachepy.CacheWarning")
def test_odd_arguments(tmp_path, value):
    @cache_file(tmp_path)
    def f(x):
        return 1

    assert (f(value), f([value]), f({"k": value}), f(value)) == (1, 1, 1, 1)


class Compiled:
    def __init__(self, fn):
        self.py_func = fn
        self.calls = 0
        functools.update_wrapper(self, fn)
        self.__code__ = fn.__code__

    def __call__(self, *args, **kwargs):
        self.calls += 1
        return self.py_func(*args, **kwargs)

    def __reduce__(self):
        raise TypeError("no pickle")


def test_a_compiled_function_counts_by_its_source(tmp_path):
    def add(x, y=2):
        return x + y

    made = Compiled(add)
    f = cache_file(tmp_path)(made)
    assert (f(1), f(1), f(1, y=2), made.calls, f.__name__) == (3, 3, 3, 1, "add")
    assert f.key(1) == cache_file(tmp_path)(Compiled(add)).key(1, 2)


class Everything:
    def __getattr__(self, name):
        return self

    def __call__(self, *args):
        return 1


@pytest.mark.parametrize(
    "fn",
    [functools.partial(print), len, Compiled, Everything(), mock.MagicMock(), str.join, functools.lru_cache(print)],
    ids=lambda f: type(f).__name__,
)
def test_what_is_no_function_is_an_error_at_decoration(tmp_path, fn):
    with pytest.raises(UsageError, match="decorates functions"):
        cache_file(tmp_path)(fn)


HANDLER = """
import signal, sys, cachepy
c = cachepy.cache_file(sys.argv[1], warn_cheap=False)
@c
def inner(x):
    return x + 1
@c
def outer(x):
    return inner(x) + 1
seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append(inner(1)))
def trace(frame, event, arg):
    if event == "call" and "cachepy" in frame.f_code.co_filename or "importlib" in frame.f_code.co_filename:
        trace.n += 1
        if trace.n % int(sys.argv[2]) == 0:
            sys.setprofile(None)
            seen.append(inner(trace.n % 3))
            sys.setprofile(trace)
trace.n = 0
sys.setprofile(trace)
value = outer(5)
sys.setprofile(None)
assert value == 7 and seen and set(seen) <= {1, 2, 3}, (value, seen)
"""


@pytest.mark.parametrize("every", [7, 41, 301])
def test_a_cached_call_in_the_midst_of_the_first_miss(tmp_path, every):
    Project(tmp_path).run("-c", HANDLER, tmp_path, every).silent()


def test_two_calls_of_one_key_under_trio(tmp_path):
    trio = pytest.importorskip("trio")
    runs = []

    @cache_file(tmp_path, ignore_globals=["runs"])
    async def f(x):
        runs.append(x)
        await trio.sleep(0.05)
        return x + 1

    async def main():
        found = []

        async def one():
            found.append(await f(1))

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(one)
        return found

    assert (trio.run(main), runs) == ([2, 2, 2], [1])


def test_two_calls_of_one_key_in_an_unknown_loop(tmp_path):
    @types.coroutine
    def turn():
        yield

    @cache_file(tmp_path)
    async def f(x):
        await turn()
        return x + 1

    todo, found = [f(1), f(1)], []
    while todo:
        each = todo.pop(0)
        try:
            each.send(None)
            todo.append(each)
        except StopIteration as ended:
            found.append(ended.value)
    assert found == [2, 2]


def test_a_signal_handler_that_calls_a_cached_function(tmp_path):
    @cache_file(tmp_path)
    def inner(x):
        return x

    seen = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(inner(1)))
    try:

        @cache_file(tmp_path)
        def outer(x):
            signal.raise_signal(signal.SIGUSR1)
            return x

        assert (outer(1), seen) == (1, [1])
    finally:
        signal.signal(signal.SIGUSR1, before)
