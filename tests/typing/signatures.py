"""A cached function keeps its signature. Read by mypy and pyright (`make lint`), never run.

Where an error is expected the line says which; both checkers complain about a comment that nothing needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, assert_type

from cachepy import Verdict, cache_file

cached = cache_file("cache")


@cached
def load(path: Path, *, rows: int = 10) -> list[str]:
    return path.read_text().splitlines()[:rows]


@cache_file
def bare(x: int) -> str:
    return str(x)


@cached
async def fetch(name: str) -> bytes:
    return name.encode()


class Model:
    @cached
    def fit(self, steps: int) -> float:
        return float(steps)

    @classmethod
    @cached
    def make(cls, seed: int) -> Model:
        return cls()

    @staticmethod
    @cached
    def score(x: float) -> bool:
        return x > 0

    @cached
    async def send(self, to: str) -> int:
        return len(to)


def a_call_has_the_type_of_the_function() -> None:
    assert_type(load(Path("a")), list[str])
    assert_type(load(Path("a"), rows=3), list[str])
    assert_type(bare(1), str)


def wrong_arguments_are_errors() -> None:
    load("a")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    load(Path("a"), rows="3")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    load(Path("a"), 3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    load()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    bare("1")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


async def a_coroutine_function_is_awaited() -> None:
    assert_type(await fetch("a"), bytes)
    one, two = await asyncio.gather(fetch("a"), fetch("b"))
    assert_type(one, bytes)
    assert_type(two, bytes)
    fetch(1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportUnusedCoroutine]
    len(fetch("a"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def methods_bind_their_object() -> None:
    model = Model()
    assert_type(model.fit(3), float)
    assert_type(Model.fit(model, 3), float)
    assert_type(model.make(1), Model)
    assert_type(Model.score(0.5), bool)
    model.fit("3")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    model.make("1")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    Model.score("x")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    Model.fit(model)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


def what_no_checker_can_tell(model: Model) -> None:
    # Checkers look through @classmethod and @staticmethod, and then take these for methods. Both run as they should.
    Model.make(1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    model.score(0.5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


async def methods_may_be_coroutine_functions() -> None:
    assert_type(await Model().send("a"), int)


def it_goes_where_a_function_goes() -> None:
    plain: Callable[[int], str] = bare
    other: Callable[[int], int] = bare  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    waiting: Callable[[str], Coroutine[Any, Any, bytes]] = fetch
    assert_type(list(map(bare, [1, 2])), list[str])
    with ThreadPoolExecutor() as pool:
        assert_type(pool.submit(bare, 1), Future[str])
    print(plain, other, waiting)


def the_questions_take_the_arguments_of_the_function() -> None:
    assert_type(load.key(Path("a"), rows=3), str)
    assert_type(load.is_cached(Path("a")), bool)
    assert_type(load.explain(Path("a")), Verdict)
    assert_type(load.clear(Path("a")), int)
    assert_type(load.clear(), int)
    assert_type(load.__wrapped__(Path("a")), list[str])
    assert_type(bare.__name__, str)
    load.key("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    load.is_cached()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    load.explain(Path("a"), 3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    load.__wrapped__("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    load.forget  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def the_questions_of_a_method_take_its_object() -> None:
    assert_type(Model.fit.is_cached(Model(), 3), bool)
    assert_type(Model.fit.explain(Model(), steps=3), Verdict)
    Model.fit.is_cached(Model(), "3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def the_questions_of_a_bound_method_do_not(model: Model) -> None:
    assert_type(model.fit.is_cached(3), bool)
    assert_type(model.fit.explain(steps=3), Verdict)
    assert_type(model.fit.key(3), str)
    assert_type(model.fit.clear(), int)
    model.fit.is_cached("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    model.fit.explain(model, 3)  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
