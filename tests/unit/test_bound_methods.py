"""Questions about bound methods: they know their object; all else is as with Python's own."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import textwrap
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.programs import Project

ENDING = """
def answers(asked, *args):
    key = asked.key(*args)
    before = str(asked.explain(*args)), asked.is_cached(*args)
    asked(*args)
    after = str(asked.explain(*args)), asked.is_cached(*args), asked.clear(*args), asked.is_cached(*args)
    asked(*args)
    return before[1], after, len(key), hasattr(asked, "forget")
"""
RIGHT = (False, ("fresh", True, 1, False), 32, False)
PLAIN = """
class A:
    @cached
    def f(self, x): return x
"""
OF_CLASS = """
class A:
    @classmethod
    @cached
    def f(cls, x): return x
"""
STATIC = """
class A:
    @staticmethod
    @cached
    def f(x): return x
"""
PROGRAMS = {
    "instance": (
        PLAIN,
        "A().f",
    ),
    "class": (
        OF_CLASS,
        "A.f",
    ),
    "class, through an instance": (
        OF_CLASS,
        "A().f",
    ),
    "class, the other order": (
        """
        class A:
            @cached
            @classmethod
            def f(cls, x): return x
        """,
        "A.f",
    ),
    "static": (
        STATIC,
        "A.f",
    ),
    "static, through an instance": (
        STATIC,
        "A().f",
    ),
    "static, the other order": (
        """
        class A:
            @cached
            @staticmethod
            def f(x): return x
        """,
        "A().f",
    ),
    "subclass": (
        """
        class A:
            @cached
            def f(self, x): return x
        class B(A): pass
        """,
        "B().f",
    ),
    "class of a subclass": (
        """
        class A:
            @classmethod
            @cached
            def f(cls, x): return x
        class B(A): pass
        """,
        "B.f",
    ),
    "super": (
        """
        class A:
            @cached
            def f(self, x): return x
        class B(A):
            def f(self, x): return 0
            def up(self): return super().f
        """,
        "B().up()",
    ),
    "slots": (
        """
        class A:
            __slots__ = ('n',)
            def __init__(self): self.n = 1
            @cached
            def f(self, x): return x
        """,
        "A().f",
    ),
    "dataclass": (
        """
        from dataclasses import dataclass
        @dataclass
        class A:
            n: int = 1
            @cached
            def f(self, x): return x
        """,
        "A().f",
    ),
    "dataclass with slots": (
        """
        from dataclasses import dataclass
        @dataclass(frozen=True, slots=True)
        class A:
            n: int = 1
            @cached
            def f(self, x): return x
        """,
        "A().f",
    ),
    "abstract": (
        """
        from abc import ABC, abstractmethod
        class B(ABC):
            @abstractmethod
            @cached
            def f(self, x): return x
        class A(B):
            def f(self, x): return 1
            def up(self): return super().f
        """,
        "A().up()",
    ),
    "enum": (
        """
        from enum import Enum
        class A(Enum):
            ONE = 1
            @cached
            def f(self, x): return x
        """,
        "A.ONE.f",
    ),
    "generic": (
        """
        from typing import Generic, TypeVar
        T = TypeVar('T')
        class A(Generic[T]):
            @cached
            def f(self, x): return x
        """,
        "A[int]().f",
    ),
    "local class": (
        """
        def make():
            class A:
                @cached
                def f(self, x): return x
            return A
        """,
        "make()().f",
    ),
    "nested class": (
        """
        class O:
            class A:
                @cached
                def f(self, x): return x
        """,
        "O.A().f",
    ),
    "metaclass": (
        """
        class M(type):
            @cached
            def f(cls, x): return x
        class A(metaclass=M): pass
        """,
        "A.f",
    ),
    "private": (
        """
        class A:
            @cached
            def __f(self, x): return x
            def own(self): return self.__f
        """,
        "A().own()",
    ),
    "another name": (
        """
        class A:
            @cached
            def g(self, x): return x
            f = g
        """,
        "A().f",
    ),
    "a decorator above": (
        """
        from functools import wraps
        def loud(fn):
            @wraps(fn)
            def outer(*args): return fn(*args)
            return outer
        class A:
            @loud
            @cached
            def f(self, x): return x
        """,
        "A().f",
    ),
    "a decorator of one's own": (
        """
        def mine(fn): return cached(fn)
        class A:
            @mine
            def f(self, x): return x
        """,
        "A().f",
    ),
    "a method of an object, decorated": (
        """
        class A:
            def f(self, x): return x
        """,
        "cached(A().f)",
    ),
    "called like its object": (
        """
        class A:
            @cached
            def __call__(self, x): return x
        """,
        "A().__call__",
    ),
    "held": (
        """
        class A:
            @cached
            def f(self, x): return x
        held = {'f': A().f}
        """,
        "held['f']",
    ),
    "inside a partial": (
        """
        from functools import partial
        class A:
            @cached
            def f(self, x): return x
        """,
        "partial(A().f, 1).func",
    ),
    "unbound": (
        PLAIN,
        "A.f", "A()",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_questions_of_a_bound_method_are_about_its_object(name: str, tmp_path: Path) -> None:
    text, asked, *first = PROGRAMS[name]
    program = textwrap.dedent(text).strip()
    head = "from cachepy import cache_file\ncached = cache_file('c', warn_cheap=False)\n"
    arguments = ", ".join([*first, "5"])
    ending = f"{ENDING}\nprint(answers({asked}, {arguments}) == {RIGHT!r}, {asked}.is_cached({arguments}))"
    (tmp_path / "job.py").write_text(head + program + ending)
    again = f"{head}{program}\nprint({asked}.is_cached({arguments}), {asked}.explain({arguments}))"
    for said in ("True True\n", "True fresh\n"):
        assert Project(tmp_path).run("job.py").silent() == said
        (tmp_path / "job.py").write_text(again)


@pytest.fixture
def jobs(cache: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from cachepy import cache_file

    cached = cache_file(tmp_path / "c", warn_cheap=False)

    class Job:
        def __init__(self, factor: int) -> None:
            self.factor = factor

        @cached
        def times(self, x: int = 1) -> int:
            """So much."""
            return x * self.factor

        @cached
        async def later(self, x: int) -> int:
            return x

        @classmethod
        @cached
        def of(cls, x: int) -> int:
            return x

        @property
        @cached
        def half(self) -> float:
            return self.factor / 2

    Job.__qualname__ = "Job"
    monkeypatch.setitem(globals(), "Job", Job)  # so that it is found by its name
    return Job


def test_a_bound_method_is_one_to_whoever_looks(jobs: Any) -> None:
    job = jobs(3)
    bound = job.times
    assert inspect.ismethod(bound)
    assert inspect.ismethod(jobs.of)
    assert inspect.isfunction(jobs.times)
    assert inspect.iscoroutinefunction(job.later)
    assert (bound.__self__, bound.__func__) == (job, jobs.times)
    assert (bound.__doc__, bound.__name__, bound.__module__) == ("So much.", "times", __name__)
    assert str(inspect.signature(bound)) == "(x: 'int' = 1) -> 'int'"
    assert repr(bound).startswith("<bound method ")
    assert "times" in repr(bound)
    assert bound == job.times
    assert hash(bound) == hash(job.times)
    assert bound != jobs(3).times
    assert {attribute.kind for attribute in inspect.classify_class_attrs(jobs) if attribute.name == "times"} == {"method"}
    assert isinstance(vars(jobs)["of"], classmethod)
    with pytest.raises(AttributeError):
        bound.more = 1


def test_a_bound_method_is_called_copied_and_patched(jobs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    job = jobs(3)
    assert (job.times(x=2), jobs.times(job, 2), partial(job.times, 2)()) == (6, 6, 6)
    assert asyncio.run(job.later(4)) == 4
    assert (job.half, jobs.half.fget.is_cached(job)) == (1.5, True)
    assert copy.deepcopy(job.times)(2) == 6
    job.times = lambda: "its own"
    assert job.times() == "its own"
    monkeypatch.setattr(jobs, "times", lambda _: "patched")
    assert jobs(1).times() == "patched"


def test_a_bound_method_travels_with_its_object(jobs: Any) -> None:
    for bound in (jobs(3).times, jobs.of):
        made = pickle.loads(pickle.dumps(bound))
        assert made.__func__ is bound.__func__
        assert made.key(2) == bound.key(2)


def test_without_arguments_the_calls_with_this_object_are_cleared(jobs: Any) -> None:
    one, two = jobs(1), jobs(2)
    assert [job.times(x) for job in (one, two) for x in (1, 2)] == [1, 2, 2, 4]
    assert one.times.clear() == 2
    assert (one.times.is_cached(1), two.times.is_cached(1), two.times.is_cached(2)) == (False, True, True)
    assert jobs.times.clear() == 2


def test_classes_with_cached_methods_count_as_they_did(jobs: Any) -> None:
    from cachepy.code.members import members_of

    kinds = {name: type(member).__name__ for name, member in members_of(jobs).items()}
    assert kinds == {"__init__": "function", "times": "function", "later": "function", "of": "classmethod", "half": "property"}
