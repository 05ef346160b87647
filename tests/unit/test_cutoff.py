"""Early cutoff: a stale call below is made again first; its callers stay if it gives what it gave.

Each `project.load` is a new process in small: a fresh session, and the modules imported anew from the text given.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cachepy.session import Session, use_session

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """
import asyncio, os, threading, time
from pathlib import Path
from cachepy import cache_file, track_file
from cutlog import DIR, ran
"""
LOG = """
import os
DIR = os.environ["CUTDIR"]

def ran(name):
    with open(os.environ["CUTLOG"], "a") as log:
        log.write(name + "\\n")
"""
CHAIN = """
@cache_file(DIR)
def load(x):
    ran("load")
    return [x] * 5

@cache_file(DIR)
def clean(rows):
    ran("clean")
    return sorted(rows) + {clean}

@cache_file(DIR)
def model(rows):
    ran("model")
    return sum(rows)

@cache_file(DIR)
def report(total):
    ran("report")
    return f"total {total}"

@cache_file(DIR)
def pipeline(x):
    ran("pipeline")
    return report(model(clean(load(x))))
"""
DEEP = """
@cache_file(DIR)
def load(x):
    ran("load")
    return [x] * 5

@cache_file(DIR)
def clean(x):
    ran("clean")
    return sorted(load(x)) + {clean}

@cache_file(DIR)
def model(x):
    ran("model")
    return sum(clean(x)) {model}

@cache_file(DIR)
def report(x):
    ran("report")
    return f"total {model(x)}"
"""
SAME = "[0, 0][:0]"  # gives what "[]" gives


class Project:
    """Modules that are written and imported again and again, and a log of the bodies that ran."""

    def __init__(self, place: Path, stack: ExitStack) -> None:
        self.place, self.stack = place, stack
        self.log = place / "log.txt"
        (place / "cutlog.py").write_text(LOG)

    def write(self, text: str, **parts: str) -> None:
        for name, part in parts.items():
            text = text.replace("{" + name + "}", part)
        (self.place / "cutmod.py").write_text(HEAD + textwrap.dedent(text))

    def load(self, text: str, **parts: str) -> Any:
        self.write(text, **parts)
        self.stack.enter_context(use_session(Session()))
        for name in ("cutmod", "cutlog"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module("cutmod")

    def ran(self) -> list[str]:
        """The bodies that ran since this was asked last."""
        lines = self.log.read_text().split() if self.log.exists() else []
        self.log.write_text("")
        return lines

    def start(self, code: str) -> subprocess.Popen[str]:
        """A process of its own."""
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(self.place), *sys.path])}
        return subprocess.Popen(
            [sys.executable, "-c", code], cwd=self.place, env=env, stdout=subprocess.PIPE, text=True
        )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("CUTDIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CUTLOG", str(tmp_path / "log.txt"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        yield Project(tmp_path, stack)
    for name in ("cutmod", "cutlog"):
        sys.modules.pop(name, None)


def claims(project: Project) -> list[Path]:
    return [p for p in (project.place / "cache").rglob("*") if "claim" in p.name or p.suffix in (".tmp", ".lock")]


# -- chains -------------------------------------------------------------------------------------------


def test_a_chain_at_top_level_runs_clean_alone(project: Project) -> None:
    m = project.load(CHAIN, clean="[]")
    assert m.report(m.model(m.clean(m.load(2)))) == "total 10"
    assert project.ran() == ["load", "clean", "model", "report"]
    m = project.load(CHAIN, clean=SAME)
    assert m.report(m.model(m.clean(m.load(2)))) == "total 10"
    assert project.ran() == ["clean"]
    assert m.report(m.model(m.clean(m.load(2)))) == "total 10"
    assert project.ran() == []


def test_a_chain_in_a_pipeline_runs_clean_alone(project: Project) -> None:
    m = project.load(CHAIN, clean="[]")
    assert m.pipeline(2) == "total 10"
    assert project.ran() == ["pipeline", "load", "clean", "model", "report"]
    m = project.load(CHAIN, clean=SAME)
    assert m.pipeline(2) == "total 10"
    assert project.ran() == ["clean"]
    assert m.pipeline.is_cached(2)
    project.load(CHAIN, clean=SAME).pipeline(2)
    assert project.ran() == []


def test_a_chain_of_nested_calls_runs_clean_alone(project: Project) -> None:
    assert project.load(DEEP, clean="[]", model="").report(2) == "total 10"
    assert project.ran() == ["report", "model", "clean", "load"]
    assert project.load(DEEP, clean=SAME, model="").report(2) == "total 10"
    assert project.ran() == ["clean"]


def test_another_result_runs_what_is_above(project: Project) -> None:
    project.load(DEEP, clean="[]", model="").report(2)
    project.ran()
    assert project.load(DEEP, clean="[1]", model="").report(2) == "total 11"
    assert sorted(project.ran()) == ["clean", "model", "report"]
    assert project.load(DEEP, clean="[1, 1]", model="- sum(clean(x)) + 11").report(2) == "total 11"
    assert sorted(project.ran()) == ["clean", "model"]


def test_pipeline_runs_with_another_result_in_the_middle(project: Project) -> None:
    project.load(CHAIN, clean="[]").pipeline(2)
    project.ran()
    assert project.load(CHAIN, clean="[0]").pipeline(2) == "total 10"
    assert sorted(project.ran()) == ["clean", "model", "pipeline"]


def test_a_caller_that_changed_itself_decides_what_is_called(project: Project) -> None:
    text = """
    @cache_file(DIR)
    def a():
        ran("a")
        return 1 {a}

    @cache_file(DIR)
    def b():
        ran("b")
        return 2

    @cache_file(DIR)
    def top():
        ran("top")
        return {top}()
    """
    project.load(text, a="", top="a").top()
    project.ran()
    assert project.load(text, a="+ 1", top="b").top() == 2
    assert project.ran() == ["top", "b"], "a is stale, but nobody wants it"


def test_nothing_is_made_behind_a_call_that_gives_something_else(project: Project) -> None:
    text = """
    @cache_file(DIR)
    def first():
        ran("first")
        return open(track_file("first.txt")).read()

    @cache_file(DIR)
    def second():
        ran("second")
        return open(track_file("second.txt")).read()

    @cache_file(DIR)
    def top():
        ran("top")
        return second() if first() == "yes" else "none"
    """
    (project.place / "first.txt").write_text("yes")
    (project.place / "second.txt").write_text("2")
    m = project.load(text)
    assert m.top() == "2"
    project.ran()
    (project.place / "first.txt").write_text("no")
    (project.place / "second.txt").write_text("3")
    assert m.top() == "none"
    assert project.ran() == ["first", "top"]


# -- what cannot be run again ------------------------------------------------------------------------

ARGUMENTS = """
class Odd:
    def __reduce__(self):
        raise TypeError("not this one")

    def __dask_tokenize__(self):
        return "odd"

@cache_file(DIR{options})
def child(x):
    ran("child")
    return open(track_file("in.txt")).read()[:1]

@cache_file(DIR)
def top():
    ran("top")
    return child({argument})
"""


@pytest.mark.parametrize(
    ("options", "argument", "expected"),
    [
        ("", "5", ["child"]),
        (", keep_args=False", "5", ["top", "child"]),
        ("", "b'x' * 300_000", ["top", "child"]),
        ("", "Odd()", ["top", "child"]),
    ],
    ids=["kept", "keep_args", "large", "unpicklable"],
)
def test_arguments_that_are_not_kept_make_the_caller_run(
    project: Project, options: str, argument: str, expected: list[str]
) -> None:
    (project.place / "in.txt").write_text("ab")
    m = project.load(ARGUMENTS, options=options, argument=argument)
    assert m.top() == "a"
    project.ran()
    (project.place / "in.txt").write_text("ac")
    assert m.top() == "a"
    assert project.ran() == expected
    assert m.top() == "a"
    assert project.ran() == []


RAISES = """
@cache_file(DIR)
def child():
    ran("child")
    text = open(track_file("in.txt")).read()
    if text == "bad":
        raise {error}("the body's own")
    return 1

@cache_file(DIR)
def middle():
    ran("middle")
    return child()

@cache_file(DIR)
def top():
    ran("top")
    return middle()
"""


@pytest.mark.parametrize("error", ["ValueError", "KeyboardInterrupt", "SystemExit"])
def test_a_child_that_raises_goes_through_untouched(project: Project, error: str) -> None:
    (project.place / "in.txt").write_text("good")
    m = project.load(RAISES, error=error)
    m.top()
    project.ran()
    (project.place / "in.txt").write_text("bad")
    kind = {"ValueError": ValueError, "KeyboardInterrupt": KeyboardInterrupt, "SystemExit": SystemExit}[error]
    with pytest.raises(kind, match="the body's own") as caught:
        m.top()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    ran = Counter(project.ran())
    expected = {"child": 2, "middle": 1, "top": 1} if error == "ValueError" else {"child": 1}
    assert ran == expected, "tried once, then met by its caller; an interrupt ends all at once"
    assert claims(project) == []
    assert not m.child.is_cached()
    (project.place / "in.txt").write_text("fine")
    assert m.top() == 1
    assert project.ran() == ["child"]


def test_a_child_that_raises_and_is_caught(project: Project) -> None:
    text = RAISES.replace(
        "    return child()", "    try:\n        return child()\n    except ValueError:\n        return 1"
    )
    (project.place / "in.txt").write_text("good")
    m = project.load(text, error="ValueError")
    m.top()
    project.ran()
    (project.place / "in.txt").write_text("bad")
    assert m.top() == 1
    ran = Counter(project.ran())
    assert ran["child"] == 2
    assert ran["middle"] == 1
    assert m.top() == 1
    assert project.ran() == []


def test_a_child_that_is_cached_no_more(project: Project) -> None:
    project.load(DEEP, clean="[]", model="").report(2)
    project.ran()
    plain = DEEP.replace("@cache_file(DIR)\ndef clean", "def clean")
    assert project.load(plain, clean=SAME, model="").report(2) == "total 10"
    assert set(project.ran()) >= {"clean", "model"}, "another thing stands under that name, as a caller may arrange it"
    assert project.load(plain, clean=SAME, model="").report(2) == "total 10"
    assert project.ran() == []


def test_a_child_that_was_renamed(project: Project) -> None:
    project.load(DEEP, clean="[]", model="").report(2)
    project.ran()
    renamed = DEEP.replace("clean(", "tidy(")
    assert project.load(renamed, clean=SAME, model="").report(2) == "total 10"
    assert set(project.ran()) >= {"clean", "model"}, "the one with a new name still logs the old one"
    assert project.load(renamed, clean=SAME, model="").report(2) == "total 10"
    assert project.ran() == []


# -- kinds of functions -------------------------------------------------------------------------------


def test_async_callers(project: Project) -> None:
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


def test_methods_and_closures(project: Project) -> None:
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
def test_another_content_of_a_file_left_behind_runs_what_is_above(project: Project, first: str) -> None:
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


def test_the_same_content_left_behind_spares_what_is_above(project: Project) -> None:
    (project.place / "in.txt").write_text("a")
    m = project.load(WRITER)
    m.top()
    project.ran()
    (project.place / "in.txt").write_text("A")
    assert m.top() == "A"
    assert project.ran() == ["write"]


def test_a_caller_that_sets_the_environment(project: Project) -> None:
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


def test_a_caller_that_changes_the_folder(project: Project) -> None:
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


def test_two_threads_at_once(project: Project) -> None:
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


def test_two_processes_at_once(project: Project) -> None:
    (project.place / "in.txt").write_text("ab")
    project.load(SLOW).top()
    project.ran()
    (project.place / "in.txt").write_text("ac")
    both = [project.start("import cutmod; print(cutmod.top())") for _ in range(2)]
    assert [p.communicate(timeout=60)[0].strip() for p in both] == ["a", "a"]
    assert project.ran() == ["child"]
    assert claims(project) == []


def test_a_deep_chain_does_not_recurse(project: Project) -> None:
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


def test_a_caller_of_a_thousand_stale_children(project: Project) -> None:
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
