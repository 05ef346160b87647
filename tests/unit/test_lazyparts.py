"""Parts that are made when somebody asks for them: once, under one lock, which a fork waits for."""

from __future__ import annotations

import ast
import os
import threading
from pathlib import Path

import pytest

from cachepy import Session
from cachepy.core import lazyparts
from cachepy.core.lazyparts import is_made, is_making, part

PARTS = [name for name, value in vars(Session).items() if isinstance(value, part)]


class Whole:
    def __init__(self):
        self.made = []
        self.go = threading.Event()
        self.go.set()

    @part
    def one(self):
        """The one."""
        self.made.append("one")
        self.go.wait(10)
        return [1]

    @part
    def two(self):
        assert is_making()
        return [*self.one, 2]

    @part
    def broken(self):
        self.made.append("broken")
        if len(self.made) == 1:
            raise OSError("not now")
        return "whole"


def test_a_part_is_made_once_when_it_is_asked_for():
    whole = Whole()
    assert not is_made(whole, "one") and whole.made == []
    assert whole.two == [1, 2] and whole.one is whole.one
    assert whole.made == ["one"] and is_made(whole, "one") and is_made(whole, "two")
    assert Whole.one.__doc__ == "The one."


def test_what_could_not_be_made_is_tried_again():
    whole = Whole()
    with pytest.raises(OSError, match="not now"):
        whole.broken  # noqa: B018 - asking makes it
    assert not is_made(whole, "broken") and not is_making()
    assert whole.broken == "whole"


def test_threads_get_the_same():
    whole, got = Whole(), []
    whole.go.clear()
    threads = [threading.Thread(target=lambda: got.append(whole.one)) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert not is_making(), "it is others that make it"
    whole.go.set()
    for thread in threads:
        thread.join()
    assert whole.made == ["one"] and len({id(each) for each in got}) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_waits_until_no_part_is_being_made():
    whole = Whole()
    whole.go.clear()
    thread = threading.Thread(target=lambda: whole.one)
    thread.start()
    while not whole.made:
        pass
    threading.Timer(0.05, whole.go.set).start()
    child = os.fork()
    if child == 0:
        os._exit(0 if whole.go.is_set() and lazyparts.making.acquire(blocking=False) and whole.one == [1] else 1)
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_session_has_parts_and_nothing_else_is_made_late():
    assert PARTS == ["slow", "hooks", "files", "mounts", "claims", "outbox", "namer", "sources", "texts", "written"]
    assert not hasattr(Session, "__getattr__")
    assert [name for name in PARTS if is_made(Session(), name)] == []


@pytest.mark.parametrize("name", PARTS)
def test_a_part_of_a_session_is_no_module(name):
    """It says what it is, and is what its annotation says."""
    made = getattr(Session(), name)
    [method] = [
        node for node in ast.walk(ast.parse(Path(lazyparts.__file__).parents[1].joinpath("session.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]  # fmt: skip
    assert ast.get_docstring(method)
    assert ast.unparse(method.returns) in [kind.__name__ for kind in type(made).__mro__]


def test_no_attribute_of_a_session_is_a_module():
    session = Session()
    for name in PARTS:
        getattr(session, name)
    assert [name for name, value in vars(session).items() if type(value) is type(os)] == []
