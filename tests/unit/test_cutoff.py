"""Early cutoff: a stale call below is made again first; its callers stay if it gives what it gave.

Each `project.load` is a new process in small: a fresh session, and the modules imported anew from the text given.
"""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cutoffs import Reimported, claims

if TYPE_CHECKING:
    from collections.abc import Iterator

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


# -- chains -------------------------------------------------------------------------------------------


def test_a_chain_at_top_level_runs_clean_alone(project: Reimported) -> None:
    m = project.load(CHAIN, clean="[]")
    assert m.report(m.model(m.clean(m.load(2)))) == "total 10"
    assert project.ran() == ["load", "clean", "model", "report"]
    m = project.load(CHAIN, clean=SAME)
    assert m.report(m.model(m.clean(m.load(2)))) == "total 10"
    assert project.ran() == ["clean"]
    assert m.report(m.model(m.clean(m.load(2)))) == "total 10"
    assert project.ran() == []


def test_a_chain_in_a_pipeline_runs_clean_alone(project: Reimported) -> None:
    m = project.load(CHAIN, clean="[]")
    assert m.pipeline(2) == "total 10"
    assert project.ran() == ["pipeline", "load", "clean", "model", "report"]
    m = project.load(CHAIN, clean=SAME)
    assert m.pipeline(2) == "total 10"
    assert project.ran() == ["clean"]
    assert m.pipeline.is_cached(2)
    project.load(CHAIN, clean=SAME).pipeline(2)
    assert project.ran() == []


def test_a_chain_of_nested_calls_runs_clean_alone(project: Reimported) -> None:
    assert project.load(DEEP, clean="[]", model="").report(2) == "total 10"
    assert project.ran() == ["report", "model", "clean", "load"]
    assert project.load(DEEP, clean=SAME, model="").report(2) == "total 10"
    assert project.ran() == ["clean"]


def test_another_result_runs_what_is_above(project: Reimported) -> None:
    project.load(DEEP, clean="[]", model="").report(2)
    project.ran()
    assert project.load(DEEP, clean="[1]", model="").report(2) == "total 11"
    assert sorted(project.ran()) == ["clean", "model", "report"]
    assert project.load(DEEP, clean="[1, 1]", model="- sum(clean(x)) + 11").report(2) == "total 11"
    assert sorted(project.ran()) == ["clean", "model"]


def test_pipeline_runs_with_another_result_in_the_middle(project: Reimported) -> None:
    project.load(CHAIN, clean="[]").pipeline(2)
    project.ran()
    assert project.load(CHAIN, clean="[0]").pipeline(2) == "total 10"
    assert sorted(project.ran()) == ["clean", "model", "pipeline"]


def test_a_caller_that_changed_itself_decides_what_is_called(project: Reimported) -> None:
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


def test_nothing_is_made_behind_a_call_that_gives_something_else(project: Reimported) -> None:
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
    project: Reimported, options: str, argument: str, expected: list[str]
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
def test_a_child_that_raises_goes_through_untouched(project: Reimported, error: str) -> None:
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


def test_a_child_that_raises_and_is_caught(project: Reimported) -> None:
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


def test_a_child_that_is_cached_no_more(project: Reimported) -> None:
    project.load(DEEP, clean="[]", model="").report(2)
    project.ran()
    plain = DEEP.replace("@cache_file(DIR)\ndef clean", "def clean")
    assert project.load(plain, clean=SAME, model="").report(2) == "total 10"
    assert set(project.ran()) >= {"clean", "model"}, "another thing stands under that name, as a caller may arrange it"
    assert project.load(plain, clean=SAME, model="").report(2) == "total 10"
    assert project.ran() == []


def test_a_child_that_was_renamed(project: Reimported) -> None:
    project.load(DEEP, clean="[]", model="").report(2)
    project.ran()
    renamed = DEEP.replace("clean(", "tidy(")
    assert project.load(renamed, clean=SAME, model="").report(2) == "total 10"
    assert set(project.ran()) >= {"clean", "model"}, "the one with a new name still logs the old one"
    assert project.load(renamed, clean=SAME, model="").report(2) == "total 10"
    assert project.ran() == []
