"""What did not run does not count, with `observe_code="exact"`: programs of one construct each, and edits of them."""

import importlib
import os
import sys
import time

import pytest
from exact_cases import CASES

from cachepy import Session, UsageError, UsageValueError, cache_file, use_session

only_told = pytest.mark.skipif(sys.version_info < (3, 12), reason="the interpreter tells which code runs from 3.12 on")
HEAD = "from exact_of_tests import cached, ignoring\n"
_WHEN = [time.time() - 100_000]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Loads a text as a module, as a new program would, and calls f; gives the value, and what became of the call."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    name = f"exact_{os.path.basename(tmp_path)}".replace("-", "_")

    def load(text, decorators):
        given = type(sys)("exact_of_tests")
        vars(given).update(decorators)
        monkeypatch.setitem(sys.modules, "exact_of_tests", given)
        (tmp_path / f"{name}.py").write_text(HEAD + text)
        _WHEN[0] += 10
        os.utime(tmp_path / f"{name}.py", (_WHEN[0], _WHEN[0]))
        sys.modules.pop(name, None)
        vars(sys.modules.get("json", sys)).pop("cp_v", None)  # what one of the programs leaves there
        importlib.invalidate_caches()
        return importlib.import_module(name)

    def call(text, k=0, before="", **options):
        options = {"warn_cheap": False, "observe_code": "exact"} | options
        with use_session(Session()):
            cached = cache_file(tmp_path / "cache", **options)
            module = load(text, {"cached": cached, "ignoring": cache_file(tmp_path / "cache", ignore_globals=["M"], **options)})
            if before:
                eval(before, vars(module))
            value = module.f(k)
            return value, module.f.last.outcome

    def plain(text, k=0, before=""):
        module = load(text, {"cached": lambda fn: fn, "ignoring": lambda fn: fn})
        if before:
            eval(before, vars(module))
        return module.f(k)

    call.plain = plain
    yield call
    sys.modules.pop(name, None)


@only_told
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_an_edit_counts_if_it_may_matter(run, case):
    assert case.old in case.text
    edited = case.text.replace(case.old, case.new, 1)
    assert edited != case.text
    run(case.text, case.k, case.before)
    first, _ = run(case.text, case.k, case.before)
    assert repr(first) == repr(run.plain(case.text, case.k, case.before)) or "object at" in repr(first)
    value, outcome = run(edited, case.k, case.before)
    right = run.plain(edited, case.k, case.before)
    assert repr(value) == repr(right) or "object at" in repr(right)
    assert outcome == ("run" if case.runs else "hit")


# -- programs of several processes

PROGRAM = (
    "from cachepy import cache_file\n"
    "cached = cache_file('cache', warn_cheap=False, observe_code='exact')\n"
    "from tools import a, b\n"
    "class K:\n"
    "    def go(self, x):\n"
    "        return x * 3\n"
    "    def other(self, x):\n"
    "        return x * 4\n"
    "TABLE = {'a': a, 'b': b, 'k': K}\n"
    "@cached\n"
    "def f(k):\n"
    "    print('ran', k, end=' ')\n"
    "    return TABLE[k](1) if k != 'k' else TABLE[k]().go(1)\n"
    "@cached\n"
    "def above(k):\n"
    "    return f(k) + 1\n"
    "if __name__ == '__main__':\n"
    "    print(*[above(k) for k in 'abk'])\n"
)
TOOLS = "N = 2\ndef a(x):\n    return x + 1\ndef b(x):\n    return x + N\n"


@pytest.fixture
def program(project):
    project.head = ""
    project.write("main.py", PROGRAM)
    project.write("tools.py", TOOLS)
    assert project.run("main.py").silent() == "ran a ran b ran k 3 4 4\n"
    assert project.run("main.py").silent() == "3 4 4\n"
    return project


@only_told
@pytest.mark.parametrize(
    ("file", "old", "new", "stale", "printed"),
    [
        ("tools.py", "x + N", "x + N + 10", ["b"], "ran b 3 14 4\n"),
        ("tools.py", "N = 2", "N = 5", ["b"], "ran b 3 7 4\n"),
        ("tools.py", "x + 1", "x + 9", ["a"], "ran a 11 4 4\n"),
        ("main.py", "x * 4", "x * 5", [], "3 4 4\n"),
        ("main.py", "x * 3", "x * 6", ["k"], "ran k 3 4 7\n"),
        ("tools.py", "def b(x)", "def b(x, y=1)", ["a", "b", "k"], "ran a ran b ran k 3 4 4\n"),
        ("main.py", "def other(self, x)", "def more(self, x)", ["a", "b", "k"], "ran a ran b ran k 3 4 4\n"),
        ("main.py", "'b': b,", "'b': a,", ["a", "b", "k"], "ran a ran b ran k 3 3 4\n"),
    ],
)
def test_status_says_what_will_run(program, file, old, new, stale, printed):
    program.edit(file, old, new)
    with_import = program.cachepy("status", "--import", "--json", "--cache-dir", "cache")
    by_files = program.cachepy("status", "--json", "--cache-dir", "cache")
    told = {k for k in "abk" if f"f('{k}')" in with_import.stdout}
    assert told == set(stale)
    assert {k for k in "abk" if f"f('{k}')" in by_files.stdout} == set(stale)  # stale, or that it is not known
    assert (with_import.returncode, by_files.returncode == 0) == (bool(stale), not stale)
    assert program.run("main.py").silent() == printed
    assert program.run("main.py").silent() == printed.rpartition("ran ")[2][2 * bool(stale):]


@only_told
def test_reasons_name_only_what_ran(program):
    program.edit("tools.py", "x + N", "x + N + 10")
    program.edit("tools.py", "x + 1", "x + 9")
    told = program.run("-c", "import main; print(main.f.explain('a')); print(main.f.explain('k'))").silent()
    assert "code of tools:a changed" in told
    assert "tools:b" not in told
    assert "is a hit" in told or "fresh" in told


@only_told
def test_an_accepted_edit_and_one_that_is_undone(program):
    program.edit("tools.py", "x + 1", "1 + x")
    assert program.cachepy("accept", "--yes", "--cache-dir", "cache").returncode == 0
    assert program.cachepy("status", "--import", "--cache-dir", "cache").returncode == 0
    assert program.run("main.py").silent() == "3 4 4\n"
    program.edit("tools.py", "1 + x", "x + 1")
    assert program.run("main.py").silent() == "3 4 4\n"
    program.edit("tools.py", "x + N", "x + N + 10")
    assert program.run("main.py").silent() == "ran b 3 14 4\n"


@only_told
def test_where_it_is_taken_off_what_was_told_still_holds(program):
    program.edit("main.py", ", observe_code='exact'", "")
    program.edit("tools.py", "x + N", "x + N + 10")
    assert program.run("main.py").silent() == "ran b 3 14 4\n"
    program.edit("tools.py", "x + N + 10", "x + N")
    assert program.run("main.py").silent() == "3 4 4\n"
    program.edit("tools.py", "x + N", "x + N + 20")
    assert "ran b" in program.run("main.py").silent()


@only_told
def test_without_the_record_of_what_ran_all_code_counts(program):
    for path in (program.folder / "cache" / "code").iterdir():
        path.unlink()
    assert program.run("main.py").silent() == "3 4 4\n"
    program.edit("tools.py", "x + N", "x + N + 10")
    assert program.run("main.py").silent() == "ran a ran b ran k 3 14 4\n"


@only_told
def test_diff_says_nothing_of_code_that_ran_in_neither(program):
    program.edit("tools.py", "x + 1", "x + 9")
    program.edit("tools.py", "x + N", "x + N + 10")
    program.run("main.py")
    told = program.cachepy("diff", "f('a')", "--cache-dir", "cache").stdout
    assert "tools:a" in told


@only_told
def test_where_other_tools_have_all_numbers_all_code_counts(program):
    program.edit("main.py", "from tools", "import sys\nfor i in range(6):\n    sys.monitoring.use_tool_id(i, 'mine')\nfrom tools")
    program.run("main.py")
    program.edit("tools.py", "N = 2", "N = 5")
    assert "7" in program.run("main.py").stdout


def test_another_word_is_an_error(tmp_path):
    with pytest.raises(UsageValueError, match="observe_code must be 'exact'"):
        cache_file(tmp_path, observe_code="all")
    with pytest.raises(UsageError, match="observe_code must be True or False"):
        cache_file(tmp_path, observe_code=1)


def test_it_changes_no_key_and_no_digest(tmp_path):
    def f(x):
        return x

    plain, exact = (cache_file(tmp_path, observe_code=word)(f) for word in (True, "exact"))
    assert plain.key(1) == exact.key(1)
    assert plain.__cachepy__.options.declared() == exact.__cachepy__.options.declared()


@only_told
def test_an_older_run_that_cannot_be_looked_at_is_not_fresh(project):
    """The newest run is of another table, and the older one of code that its source files do not tell."""
    project.head = ""
    text = (
        "from cachepy import cache_file\n"
        "def a(x):\n    return x + 1\ndef b(x):\n    return x + 2\ndef c(x):\n    return x + 3\n"
        "def maker(fn, n):\n    def made(x):\n        return fn(x) + n\n    return made\n"
        "A, B = maker(a, 1), maker(c, 2)\n"
        "@cache_file('cache', warn_cheap=False, observe_code='exact')\n"
        "def f(k):\n    return (A, B)[k](1)\n"
        "if __name__ == '__main__':\n    print(f(0))\n"
    )
    project.write("main.py", text)
    assert project.run("main.py").silent() == "3\n"
    project.edit("main.py", "maker(a, 1)", "maker(b, 1)")
    assert project.run("main.py").silent() == "4\n"
    project.edit("main.py", "x + 2", "x + 9")
    assert project.cachepy("status", "--cache-dir", "cache").returncode != 0
    assert project.run("main.py").silent() == "11\n"
