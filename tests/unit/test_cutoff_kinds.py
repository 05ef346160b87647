"""Early cutoff of each kind of function, of files left behind, and of several at once."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cutoffs import Reimported, claims

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reimported]:
    monkeypatch.setenv("CUTDIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CUTLOG", str(tmp_path / "log.txt"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        yield Reimported(tmp_path, stack)
    for name in ("cutmod", "cutlog"):
        sys.modules.pop(name, None)


# -- kinds of functions -------------------------------------------------------------------------------


def test_async_callers(project: Reimported) -> None:
    text = """
    @cache_file(DIR)
    def child(x):
        ran("child")
        return open(track_file("in.txt")).read()[:1] * x

    @cache_file(DIR)
    async def middle(x):
        ran("middle")
        await asyncio.sleep(0)
        return child(x)

    @cache_file(DIR)
    async def top(x):
        ran("top")
        return await middle(x)

    def go():
        return asyncio.run(top(2))
    """
    (project.place / "in.txt").write_text("ab")
    m = project.load(text)
    assert m.go() == "aa"
    project.ran()
    (project.place / "in.txt").write_text("ac")
    assert m.go() == "aa"
    assert project.ran() == ["child"]
    (project.place / "in.txt").write_text("bc")
    assert m.go() == "bb"
    assert sorted(project.ran()) == ["child", "middle", "top"]


def test_methods_and_closures(project: Reimported) -> None:
    text = """
    class Box:
        def __init__(self, n):
            self.n = n

        @cache_file(DIR)
        def child(self, x):
            ran("method")
            return open(track_file("in.txt")).read()[:1] * x * self.n

    def make(n):
        @cache_file(DIR)
        def inner(x):
            ran("inner")
            return open(track_file("in.txt")).read()[:1] * x * n
        return inner

    two, three = make(2), make(3)

    @cache_file(DIR)
    def top(x):
        ran("top")
        return Box(2).child(x) + two(x) + three(x)
    """
    (project.place / "in.txt").write_text("ab")
    m = project.load(text)
    assert m.top(1) == "a" * 7
    project.ran()
    (project.place / "in.txt").write_text("ac")
    assert m.top(1) == "a" * 7
    ran = Counter(project.ran())
    assert ran["method"] == 1
    assert ran["inner"] == 2
    (project.place / "in.txt").write_text("bc")
    assert m.top(1) == "b" * 7


# -- files left behind, and what a caller sets --------------------------------------------------------

WRITER = """
@cache_file(DIR)
def write():
    ran("write")
    text = open(track_file("in.txt")).read()
    Path("out.txt").write_text(text.upper())
    return track_file("out.txt")

@cache_file(DIR)
def middle():
    ran("middle")
    write()
    return 1

@cache_file(DIR)
def top():
    ran("top")
    middle()
    return Path("out.txt").read_text()
"""


@pytest.mark.parametrize("first", ["top", "write", "middle"])
def test_another_content_of_a_file_left_behind_runs_what_is_above(project: Reimported, first: str) -> None:
    (project.place / "in.txt").write_text("a")
    m = project.load(WRITER)
    assert m.top() == "A"
    project.ran()
    (project.place / "in.txt").write_text("b")
    getattr(m, first)()
    assert m.top() == "B"
    ran = project.ran()
    assert ran.count("write") == 1
    assert "top" in ran
    (project.place / "in.txt").write_text("a")
    m.write()
    assert m.top() == "A"


def test_the_same_content_left_behind_spares_what_is_above(project: Reimported) -> None:
    (project.place / "in.txt").write_text("a")
    m = project.load(WRITER)
    m.top()
    project.ran()
    (project.place / "in.txt").write_text("A")
    assert m.top() == "A"
    assert project.ran() == ["write"]


def test_a_caller_that_sets_the_environment(project: Reimported) -> None:
    text = """
    @cache_file(DIR, env_vars=["CUT_MODE"])
    def child():
        ran("child")
        text = open(track_file("in.txt")).read()
        return text[0] if os.environ.get("CUT_MODE") == "inside" else text[1]

    @cache_file(DIR)
    def top():
        ran("top")
        os.environ["CUT_MODE"] = "inside"
        try:
            return child()
        finally:
            del os.environ["CUT_MODE"]
    """
    (project.place / "in.txt").write_text("ab")
    m = project.load(text)
    assert m.top() == "a"
    for content in ("ca", "cx", "ac", "xa", "ax", "ba", "bb"):  # outside of top, some give what was stored
        (project.place / "in.txt").write_text(content)
        assert m.top() == content[0]


def test_a_caller_that_changes_the_folder(project: Reimported) -> None:
    text = """
    @cache_file(DIR)
    def child():
        ran("child")
        return open(track_file("in.txt")).read()

    @cache_file(DIR)
    def top():
        ran("top")
        os.chdir("sub")
        try:
            return child()
        finally:
            os.chdir("..")
    """
    (project.place / "sub").mkdir()
    (project.place / "in.txt").write_text("outside")
    (project.place / "sub" / "in.txt").write_text("a")
    m = project.load(text)
    assert m.top() == "a"
    for outside, inside in (("a", "b"), ("b", "c"), ("c", "a"), ("a", "b")):
        (project.place / "in.txt").write_text(outside)
        (project.place / "sub" / "in.txt").write_text(inside)
        assert m.top() == inside


# -- several at once, and many ------------------------------------------------------------------------

SLOW = """
@cache_file(DIR)
def child():
    ran("child")
    time.sleep(0.3)
    return open(track_file("in.txt")).read()[:1]

@cache_file(DIR)
def top():
    ran("top")
    return child()
"""


def test_two_threads_at_once(project: Reimported) -> None:
    (project.place / "in.txt").write_text("ab")
    m = project.load(SLOW)
    m.top()
    project.ran()
    (project.place / "in.txt").write_text("ac")
    gate = threading.Barrier(4)
    got: list[str] = []

    def ask() -> None:
        gate.wait()
        got.append(m.top())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert got == ["a"] * 4
    assert project.ran() == ["child"]


def test_two_processes_at_once(project: Reimported) -> None:
    (project.place / "in.txt").write_text("ab")
    project.load(SLOW).top()
    project.ran()
    (project.place / "in.txt").write_text("ac")
    both = [project.start("import cutmod; print(cutmod.top())") for _ in range(2)]
    assert [p.communicate(timeout=60)[0].strip() for p in both] == ["a", "a"]
    assert project.ran() == ["child"]
    assert claims(project) == []


def test_a_deep_chain_does_not_recurse(project: Reimported) -> None:
    text = """
    @cache_file(DIR)
    def link(n):
        ran(f"link{n}")
        return link(n - 1) if n else open(track_file("in.txt")).read()[:1]
    """
    (project.place / "in.txt").write_text("ab")
    m = project.load(text)
    for n in range(0, 2001, 20):
        m.link(n)
    project.ran()
    limit = sys.getrecursionlimit()
    (project.place / "in.txt").write_text("ac")
    sys.setrecursionlimit(400)
    try:
        assert m.link(2000) == "a"
    finally:
        sys.setrecursionlimit(limit)
    assert project.ran() == ["link0"]


def test_a_caller_of_a_thousand_stale_children(project: Reimported) -> None:
    text = """
    @cache_file(DIR)
    def child(n):
        ran("child")
        return n {child}

    @cache_file(DIR)
    def top():
        ran("top")
        return sum(child(n) for n in range(1000))
    """
    project.load(text, child="").top()
    project.ran()
    assert project.load(text, child="+ 0").top() == 499500
    assert Counter(project.ran()) == {"child": 1000}
    assert project.load(text, child="+ (n == 7)").top() == 499501
    assert Counter(project.ran()) == {"child": 1000, "top": 1}
