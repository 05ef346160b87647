"""Errors that are stored for a time, and old results where a body raises: `cache_errors=` and `on_error=`."""

from __future__ import annotations

import asyncio
import pickle
import time

import pytest

from cachepy import StaleResultWarning, UsageError, UsageValueError, cache_file, cache_tree_nodes
from cachepy.calls.raised import Raised
from cachepy.core.kinds import KINDS
from cachepy.core.model import UNTIL
from tests.programs import Project

HEAD = """
import sys
import urllib.error
from pathlib import Path
from cachepy import cache_file
from running import log

"""
PROGRAM = """
    cached = cache_file(".cachepy", warn_cheap=False)

    class Odd(Exception):
        def __init__(self, number, *, unit):
            super().__init__(f"{number} {unit}")
            self.number, self.unit = number, unit

    @cached(cache_errors={LookupError: 600, Odd: 600, urllib.error.HTTPError: 600})
    def load(path):
        log("load", path)
        text = Path(path).read_text()
        if text == "odd":
            raise Odd(3, unit="m")
        if text == "http":
            raise urllib.error.HTTPError("http://x", 404, "Not Found", {}, None)
        if not text.isdigit():
            raise KeyError(text)
        return int(text)

    @cached
    def total(paths):
        log("total")
        found = []
        for path in paths:
            try:
                found.append(load(path))
            except Exception as error:
                found.append(f"{type(error).__name__} {error}")
        return found

    if __name__ == "__main__":
        if sys.argv[1] == "total":
            print(total(sys.argv[2:]))
        else:
            try:
                print(load(sys.argv[2]))
            except Exception as error:
                print(type(error).__name__, error, error.args, vars(error).get("unit"))
                print(*getattr(error, "__notes__", []))
"""


@pytest.fixture
def project(tmp_path):
    made = Project(tmp_path, HEAD)
    (tmp_path / "running.py").write_text(
        "import os\ndef log(*words):\n    with open(os.environ['RUNNING'], 'a') as file:\n        print(*words, file=file)\n"
    )
    made.env["RUNNING"] = str(tmp_path.parent / f"{tmp_path.name}.log")
    made.env["CACHEPY_IGNORE_ENV"] = "RUNNING"
    made.write("a.txt", "none")
    made.write("prog.py", PROGRAM)
    return made


def ran(project):
    from pathlib import Path

    path = Path(project.env["RUNNING"])
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("none", "KeyError 'none' ('none',) None"),
        ("odd", "Odd 3 m ('3 m',) m"),
        ("http", "HTTPError HTTP Error 404: Not Found () None"),
    ],
)
def test_an_error_is_raised_again_with_type_arguments_and_a_note(project, text, first):
    project.write("a.txt", text)
    before = project.run("prog.py", "load", "a.txt").lines
    assert ran(project) == ["load a.txt"] and before[1:] == [""]
    again = project.run("prog.py", "load", "a.txt").lines
    assert ran(project) == []
    assert again[0] == before[0] and before[0].startswith(first.partition(" (")[0])
    assert "cachepy stored this error on " in again[1]


def test_an_edit_of_the_file_or_the_code_runs_it_again(project):
    project.run("prog.py", "load", "a.txt")
    project.write("a.txt", "7")
    assert project.run("prog.py", "load", "a.txt").lines == ["7"]
    project.write("a.txt", "none")
    ran(project)
    assert project.run("prog.py", "load", "a.txt").lines[0].startswith("KeyError")
    assert ran(project) == [], "the stored error of before holds again"
    project.edit("prog.py", "raise KeyError(text)", "raise KeyError(text, 1)")
    project.run("prog.py", "load", "a.txt")
    assert ran(project) == ["load a.txt"]


def test_for_a_caller_a_stored_error_is_what_the_raised_one_was(project):
    project.write("b.txt", "4")
    expected = ["[\"KeyError 'none'\", 4]"]
    assert project.run("prog.py", "total", "a.txt", "b.txt").lines == expected
    assert ran(project) == ["total", "load a.txt", "load b.txt"]
    assert project.run("prog.py", "total", "a.txt", "b.txt").lines == expected
    assert ran(project) == []
    project.edit("prog.py", 'log("total")', 'log("total"); found = None')
    assert project.run("prog.py", "total", "a.txt", "b.txt").lines == expected
    assert ran(project) == ["total"], "both calls below are hits, one of which raises"
    project.write("a.txt", "5")
    assert project.run("prog.py", "total", "a.txt", "b.txt").lines == ["[5, 4]"]
    status = project.cachepy("status", code=0)
    assert status.lines == ["all 3 calls are fresh"]


def test_a_stored_error_is_over_after_its_time_also_for_callers(project):
    project.edit("prog.py", "LookupError: 600", "LookupError: 3")
    project.run("prog.py", "total", "a.txt")
    ran(project)
    deadline = time.time() + 30
    while time.time() < deadline:
        done = project.cachepy("status", "--json").json()
        if done["state"] == "stale":
            break
        time.sleep(0.3)
    texts = [reason["text"] for call in done["calls"] for reason in call["reasons"]]
    assert "the error KeyError that it raised was stored for a time, which is over" in texts
    assert {call["label"].partition("(")[0] for call in done["calls"]} == {"load", "total"}
    project.run("prog.py", "total", "a.txt")
    assert ran(project) == ["load a.txt"], "it raised the same error: its caller holds"


HOT = """
    import time
    cached = cache_file(".cachepy", warn_cheap=False)

    @cached(cache_errors={ValueError: 1.0})
    def below(x):
        log("below")
        raise ValueError("no")

    @cached
    def above(x):
        try:
            return below(x)
        except ValueError as error:
            return str(error)

    if __name__ == "__main__":
        end = time.time() + 4
        while time.time() < end:
            assert above(1) == "no"
        print(above.__cachepy__.hit_cache is not None)
"""


def test_a_caller_that_is_hot_hears_of_the_end(project):
    project.write("hot.py", HOT)
    assert project.run("hot.py").lines == ["True"]
    assert len(ran(project)) > 1


def test_a_moment_that_is_none_has_passed():
    assert not KINDS[UNTIL].same("KeyError", "never", None)
    assert not KINDS[UNTIL].same("KeyError", None, None)


def test_an_error_is_no_result_when_the_option_is_gone_or_names_other_types(project):
    project.run("prog.py", "load", "a.txt")
    ran(project)
    project.edit("prog.py", "{LookupError: 600, Odd: 600, ", "{Odd: 600, ")
    assert project.run("prog.py", "load", "a.txt").lines == ["KeyError 'none' ('none',) None", ""]
    assert ran(project) == ["load a.txt"]
    project.edit("prog.py", "(cache_errors={Odd: 600, urllib.error.HTTPError: 600})", "")
    assert project.run("prog.py", "load", "a.txt").lines == ["KeyError 'none' ('none',) None", ""]
    assert ran(project) == ["load a.txt"]


def test_errors_do_not_push_results_out(tmp_path):
    fails = []

    @cache_file(tmp_path, keep=3, cache_errors={ValueError: 0.001}, ignore_globals=["fails"], warn_cheap=False)
    def f(x):
        if fails:
            raise ValueError("down")
        return x

    f(1)
    fails.append(1)
    for _ in range(5):
        with pytest.raises(ValueError, match="down"):
            f(1, _force=True)
        time.sleep(0.002)
    assert len(list(tmp_path.glob("entries/*/*.old"))) == 1
    assert f(1) == 1, "the result of before, whose inputs are as they were"


def test_one_that_is_stored_again_and_again_stays_one_node(tmp_path):
    @cache_file(tmp_path, cache_errors=[ZeroDivisionError], warn_cheap=False)
    def inverse(x):
        return 1 / x

    errors = []
    for _ in range(4):
        with pytest.raises(ZeroDivisionError) as raised:
            inverse(0)
        errors.append(raised.value)
    assert len({id(error) for error in errors}) == 4, "each is the caller's own"
    assert [len(getattr(error, "__notes__", [])) for error in errors] == [0, 1, 1, 1]
    assert inverse.is_cached(0) and len([n for n in cache_tree_nodes().values() if n["outfile"]]) >= 1
    with pytest.raises(TypeError):
        inverse()


def test_an_error_that_cannot_be_pickled_goes_through_with_a_warning(tmp_path):
    class Local(Exception):
        pass

    @cache_file(tmp_path, cache_errors=[Local], warn_cheap=False)
    def f(x):
        raise Local("here")

    with pytest.warns(UserWarning, match="cannot be pickled, so this error was not stored"), pytest.raises(Local):
        f(1)
    assert not f.is_cached(1)


def test_async_functions(tmp_path):
    runs = []

    @cache_file(tmp_path, cache_errors=(ValueError,), on_error="stale", ignore_globals=["runs"], warn_cheap=False)
    async def f(x):
        runs.append(x)
        raise ValueError(x)

    for _ in range(2):
        with pytest.raises(ValueError, match="3"):
            asyncio.run(f(3))
    assert runs == [3]


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (ValueError, UsageError, r"write cache_errors=\(ValueError,\)"),
        ([KeyboardInterrupt], UsageError, "types of exceptions"),
        (["ValueError"], UsageError, "types of exceptions"),
        ({ValueError: 0}, UsageValueError, "more than 0 seconds"),
        ({ValueError: float("inf")}, UsageValueError, "an end"),
        ({ValueError: "1h"}, UsageError, "must say seconds"),
    ],
)
def test_wrong_uses(given, error, text):
    with pytest.raises(error, match=text):
        cache_file("cache", cache_errors=given)
    with pytest.raises(UsageValueError, match="'raise' or 'stale'"):
        cache_file("cache", on_error="old")


def test_what_is_pickled_of_an_error():
    class_error = UnicodeDecodeError("utf-8", b"x", 0, 1, "bad")
    for error in (OSError(2, "no", "file"), class_error, KeyError("a"), StopIteration(3)):
        made = Raised.of(error)
        read = pickle.loads(pickle.dumps(made))
        assert (type(read.error), str(read.error), read.error.args) == (type(error), str(error), error.args)


# ---------------------------------------------------------------- on_error="stale"


OLD = """
    cached = cache_file(".cachepy", warn_cheap=False)

    @cached(on_error="stale")
    def price(path):
        log("price")
        return 12 / int(Path(path).read_text())

    @cached
    def bill(path):
        log("bill")
        return round(price(path), 2)

    @cached
    def report(path):
        log("report")
        return f"bill {bill(path)}"

    if __name__ == "__main__":
        print(report("n.txt"))
"""


def test_the_old_result_is_given_and_nothing_above_is_stored(project):
    project.write("old.py", OLD)
    project.write("n.txt", "5")
    assert project.run("old.py").lines == ["bill 2.4"]
    project.write("n.txt", "0")
    ran(project)
    for _ in range(2):
        done = project.run("old.py")
        assert done.lines == ["bill 2.4"]
        assert "StaleResultWarning: price('n.txt') raised ZeroDivisionError: division by zero. Its result of" in done.stderr
        assert {"report", "bill", "price"} <= set(ran(project)), "none of them is stored, so each runs again"
    assert project.cachepy("status", code=1).lines[0].startswith("3 calls: 3 stale")
    project.write("n.txt", "6")
    done = project.run("old.py")
    assert (done.lines, done.stderr) == (["bill 2.0"], "")
    assert project.cachepy("status", code=0)


def test_without_an_old_result_the_error_goes_through(tmp_path):
    @cache_file(tmp_path, on_error="stale", warn_cheap=False)
    def f(x):
        return 1 / x

    with pytest.raises(ZeroDivisionError):
        f(0)
    with pytest.raises(TypeError):
        f()


def test_a_stored_error_is_no_old_result(tmp_path, recwarn):
    state = ["ok"]

    @cache_file(tmp_path, on_error="stale", cache_errors=(ValueError,), ignore_globals=["state"], warn_cheap=False)
    def f(x):
        if state[0] != "ok":
            raise ValueError(state[0])
        return [x]

    assert f(1) == [1]
    state[0] = "down"
    assert f(1, _force=True) == [1]
    assert f(1) == [1], "the newest stored run is the error"
    assert [w.category for w in recwarn] == [StaleResultWarning]


def test_interrupts_and_the_words_of_the_cache_go_through(tmp_path, monkeypatch):
    state = [None]

    @cache_file(tmp_path, on_error="stale", ignore_globals=["state"], warn_cheap=False)
    def f(x):
        if state[0] is not None:
            raise state[0]
        return x

    f(1)
    state[0] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        f(1, _force=True)
