"""Reasons of code: which function changed, where, and its changed lines; never lines of other code."""

from __future__ import annotations

import importlib
import linecache
import os
import random
import sys
import textwrap
import zlib
from pathlib import Path

import pytest

from cachepy.calls.live_world import LiveWorld
from cachepy.code import source
from cachepy.code.changes import LINES, difference, reasons_of, where_of
from cachepy.code.pieces import Piece
from cachepy.code.source import CUT, FUNCTION_LIMIT, RECORD_LIMIT, Sources, code_record, loaded
from cachepy.core.model import Dep
from cachepy.session import Session, use_session
from cachepy.store import safe_pickle
from cachepy.store.layout import code_name
from cachepy.values.label import label_of, text_of
from tests.programs import Project

ROOT = Path(__file__).resolve().parents[2]


class Modules:
    """Modules in a folder, imported anew as another process would."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.root / f"{name}.py").write_text(textwrap.dedent(text).lstrip("\n"))

    def load(self, name: str = "m"):
        for path in self.root.glob("*.py"):
            sys.modules.pop(path.stem, None)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    def pieces(self, name: str = "f"):
        return Session().reader.reach(getattr(self.load(), name)).pieces

    def sources(self, name: str = "f") -> dict[str, str]:
        return {p.name: text for p, text in loaded(code_record(self.pieces(name))) if p.cue == "code"}

    def reasons(self, before: str, after: str, **others: str):
        """Of an edit of m; `others` are edits of other modules, as "before => after" of the whole file."""
        self.write(m=before, **{name: text.split(" => ")[0] for name, text in others.items()})
        rows = loaded(code_record(self.pieces()))
        self.write(m=after, **{name: text.split(" => ")[-1] for name, text in others.items()})
        return reasons_of("m:f", rows, self.pieces())


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    known = set(sys.modules)
    yield Modules(tmp_path)
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def texts(reasons) -> list[str]:
    return [str(reason) for reason in reasons]


# -- edits


def test_helper_in_another_module(project):
    helper = "def h(x):\n    y = x * 2\n    {}\n    return y\n"
    found = project.reasons(
        "import k\ndef f(x):\n    return k.h(x)\n",
        "import k\ndef f(x):\n    return k.h(x)\n",
        k=helper.format("y += 1") + " => # new\n" + helper.format("y += 2"),
    )
    assert texts(found) == ["code of k:h changed (k.py:2)"]
    assert found[0].diff.splitlines() == ["     y = x * 2", "-    y += 1", "+    y += 2", "     return y"]
    assert found[0].old != found[0].new
    assert found[0].old and found[0].new


def test_docstring_comment_and_format_are_no_reason(project):
    before = 'def f(x):\n    "one"\n    return (x + 1)\n'
    after = '# moved\n\ndef f(x):\n    "two"\n    # why\n    return x+1\n'
    assert project.reasons(before, after) == []
    assert project.sources() == {"m:f": "def f(x):\n    return x + 1"}


def test_docstring_is_not_in_the_diff(project):
    before = 'def f(x):\n    """Adds."""\n    def g():\n        """Inner."""\n    return x + 1\n'
    (found,) = project.reasons(before, before.replace("Adds", "Takes").replace("Inner", "?").replace("+ 1", "- 1"))
    assert found.diff.splitlines() == ["         pass", "-    return x + 1", "+    return x - 1"]


def test_decorated_function(project):
    code = """
        import functools
        def deco(function):
            @functools.wraps(function)
            def wrapper(x):
                return function(x) * 2
            return wrapper

        @deco
        @deco
        def h(x):
            return x + 1

        def f(x):
            return h(x)
        """
    (found,) = project.reasons(code, code.replace("x + 1", "x + 2"))
    assert str(found) == "code of m:h changed (m.py:8)"
    assert found.diff.splitlines() == [" def h(x):", "-    return x + 1", "+    return x + 2"]
    (found,) = project.reasons(code, code.replace("* 2", "* 3"))
    assert str(found) == "code of m:deco.<locals>.wrapper changed (m.py:3)"
    assert "+    return function(x) * 3" in found.diff


def test_decorator_taken_away(project):
    code = "def d(g):\n    return lambda x: -g(x)\n{}\ndef h(x):\n    return x\ndef f(x):\n    return h(x)\n"
    found = project.reasons(code.format("@d"), code.format(""))
    assert str(found[0]) == "global m.h changed from m:d.<locals>.<lambda> to m:h"
    assert texts(found[1:]) == ["code of m:d.<locals>.<lambda> is no longer used"]


def test_decorator_of_the_function_itself(project):
    code = "def d(g):\n    def w(x):\n        return -g(x)\n    return w\n{}\ndef f(x):\n    return x\n"
    found = project.reasons(code.format(""), code.format("@d"))
    assert [(r.cue, r.name) for r in found] == [("code", "m:f"), ("code new", "m:d.<locals>.w")]


def test_nested_function_comes_before_the_one_around_it(project):
    code = """
        def make(n):
            def inner(x):
                return x + n
            return inner
        h = make(1)
        def f(x):
            return h(x) + make(2)(x)
        """
    found = project.reasons(code, code.replace("x + n", "x - n"))
    assert [r.name for r in found] == ["m:make.<locals>.inner", "m:make"]
    assert found[0].diff.splitlines() == [" def inner(x):", "-    return x + n", "+    return x - n"]
    assert "+        return x - n" in found[1].diff


def test_methods_and_class_attributes(project):
    code = """
        class C:
            LIMIT = 3
            def go(self, x):
                return min(x, self.LIMIT)
        def f(x):
            return C().go(x)
        """
    (found,) = project.reasons(code, code.replace("min", "max"))
    assert str(found) == "code of m:C.go changed (m.py:3)"
    assert "+    return max(x, self.LIMIT)" in found.diff
    assert texts(project.reasons(code, code.replace("3", "4"))) == ["variable m:C.LIMIT changed from 3 to 4"]
    found = project.reasons(
        code, code.replace("LIMIT = 3", "LIMIT = 3\n            def new(self):\n                pass")
    )
    assert texts(found) == ["code of m:C changed", "code of m:C.new is used now (m.py:3)"]
    assert found[0].diff.splitlines() == [" go", "+new"]
    assert found[1].diff == ""


def test_field_of_a_class_gets_another_type(project):
    code = "class C:\n    a: int\n    b: int\ndef f(x):\n    return C\n"
    (found,) = project.reasons(code, code.replace("b: int", "b: str"))
    assert str(found) == "code of m:C changed"
    assert found.diff.splitlines() == [" a: builtins.int", "-b: builtins.int", "+b: builtins.str"]


def test_annotation_of_a_helper(project):
    code = "def h(x: int, *a: str) -> int:\n    return x\ndef f(x):\n    return h(x)\n"
    (found,) = project.reasons(code, code.replace("x: int", "x: float"))
    assert str(found) == "code of m:h changed (m.py:1)"
    assert found.diff.splitlines() == [
        "-def h(x: builtins.int, *a: builtins.str) -> builtins.int:",
        "+def h(x: builtins.float, *a: builtins.str) -> builtins.int:",
        "     return x",
    ]


def test_lambdas_on_one_line_are_told_apart(project):
    code = "a, b, c = lambda x: x + 1, lambda x, k=3: x * (2), lambda: lambda z: 5\ndef f(x):\n    return a(x) + b(x) + c()(0)\n"
    project.write(m=code)
    found = sorted(text for p, text in loaded(code_record(project.pieces())) if p.name == "m:<lambda>")
    assert found == ["lambda x, k=...: x * 2", "lambda x: x + 1", "lambda: lambda z: 5"]
    (changed,) = project.reasons(code, code.replace("* (2)", "* (7)"))
    assert changed.diff.splitlines() == ["-lambda x, k=...: x * 2", "+lambda x, k=...: x * 7"]


def test_async_function(project):
    code = "async def h(x):\n    return x + 1\nasync def f(x):\n    return await h(x)\n"
    (found,) = project.reasons(code, code.replace("+ 1", "+ 2"))
    assert found.diff.splitlines() == [" async def h(x):", "-    return x + 1", "+    return x + 2"]


def test_two_functions_of_one_name(project):
    code = "FLAG = {}\nif FLAG:\n    def h(x):\n        return x + 1\nelse:\n    def h(x):\n        return x - 1\ndef f(x):\n    return h(x)\n"
    project.write(m=code.format(1))
    assert project.sources()["m:h"] == "def h(x):\n    return x + 1"
    project.write(m=code.format(0))
    assert project.sources()["m:h"] == "def h(x):\n    return x - 1"
    (found,) = project.reasons(code.format(1), code.format(0))
    assert str(found) == "code of m:h changed (m.py:6)"
    project.write(m=code.format(0).replace("x + 1", "x - (3 - 2)"))  # which compiles to the same
    assert project.sources()["m:h"] == "def h(x):\n    return x - 1"


def test_new_helper_comes_after_the_function_that_calls_it(project):
    code = "A = 1\nB = 2\ndef a(x):\n    return x\ndef f(x):\n    return x\n"
    found = project.reasons(code, code.replace("def f(x):\n    return x", "def f(x):\n    return a(x) + B"))
    assert texts(found) == ["code of m:f changed (m.py:5)", "code of m:a is used now (m.py:3)"]
    back = project.reasons(code.replace("def f(x):\n    return x", "def f(x):\n    return a(x) + B"), code)
    assert texts(back) == ["code of m:f changed (m.py:5)", "code of m:a is no longer used"]


def test_package_that_came_with_an_edit_is_not_named(project):
    code = "import pytest\ndef f(x):\n    return x\n"
    found = project.reasons(code, code.replace("return x", "return pytest.approx(x)"))
    assert texts(found) == ["code of m:f changed (m.py:2)"]


def test_function_changed_elsewhere_comes_after_the_own(project):
    code = "def a(x):\n    return x + 1\ndef f(x):\n    return a(x) + 1\n"
    assert [r.name for r in project.reasons(code, code.replace("+ 1", "+ 2"))] == ["m:f", "m:a"]


def test_text_of_less_indentation_inside_a_function(project):
    code = 'def f(x):\n    def g():\n        return """\nabc\n"""\n    y = (\n1\n)\n    return x, g(), y\n\nz = 1\n'
    project.write(m=code)
    assert project.sources()["m:f"].splitlines()[-1] == "    return (x, g(), y)"
    project.write(m='def f(x):\n    def g():\n        return """\nabc\n"""\n\nz = 1\n')
    assert project.sources()["m:f"] == "def f(x):\n\n    def g():\n        return '\\nabc\\n'"


# -- values


def test_values_read_as_the_user_wrote_them(project):
    code = "THRESHOLD = {}\ndef f(x, *, k={}):\n    return x > THRESHOLD\n"
    assert texts(project.reasons(code.format(0.5, 1), code.format(0.7, 1))) == [
        "global m.THRESHOLD changed from 0.5 to 0.7"
    ]
    assert texts(project.reasons(code.format(0.5, 1), code.format(0.5, 2))) == [
        "default of k of m:f changed from 1 to 2"
    ]


def test_equal_texts_and_digests_are_not_shown(project):
    code = "TABLE = [{}] * 400\ndef f(x):\n    return TABLE[x]\n"
    (found,) = project.reasons(code.format(1), code.format(2))
    assert (str(found), found.old, found.new) == ("global m.TABLE changed", "", "")


@pytest.mark.parametrize("name", ["API_KEY", "my_Token", "SECRET", "db_password", "Passwd", "credentials"])
def test_secret_globals_are_not_written(project, name):
    code = f"{name} = 'hunter{{}}'\ndef f(x, password='hunter{{}}'):\n    return {name}\n"
    project.write(m=code.format(2, 2))
    pieces = project.pieces()
    assert b"hunter" not in safe_pickle.dumps([row[0].astuple() + row[1:] for row in loaded(code_record(pieces))])
    found = project.reasons(code.format(2, 2), code.format(3, 3))
    assert texts(found) == [f"global m.{name} changed", "default of password of m:f changed"]


def test_texts_of_values():
    assert text_of("monkey.LIMIT", 3) == "3"
    assert text_of("m.CONFIG", {"api_key": "hunter2"}) == ""
    assert text_of("m.URL", "db://me:hunter2@host/") == ""
    assert text_of("m.MODE", "keys") == "'keys'"
    assert label_of({"api_key": 1}) == "{'api_key': ***}"


def test_declared_values_are_shown(project):
    old = [(Piece("declared", "version", "'1'", "", "'1'"), "")]
    found = reasons_of("m:f", old, [Piece("declared", "version", "'2'", "", "'2'")])
    assert texts(found) == ["declared version changed from '1' to '2'"]


def test_name_bound_to_another_thing(project):
    code = "import math\ng = math.{}\ndef f(x):\n    return g(x)\n"
    assert texts(project.reasons(code.format("floor"), code.format("ceil"))) == [
        "global m.g changed from math.floor to math.ceil"
    ]
    code = "import {} as g\ndef f(x):\n    return g.dumps(x)\n"
    assert texts(project.reasons(code.format("json"), code.format("marshal")))[0] == (
        "global m.g changed from json to marshal"
    )


def test_name_that_came_without_a_change_of_code(project):
    code = "def f(x):\n    return abs(x)\n"
    found = project.reasons(code, "def abs(x):\n    return 7\n" + code)
    assert texts(found) == ["global m.abs exists now", "code of m:abs is used now (m.py:1)"]


# -- proof


def test_file_edited_after_the_import_gives_no_source(project):
    project.write(m="def h(x):\n    return x + 1\ndef f(x):\n    return h(x)\n")
    module = project.load()
    project.write(m="def h(x):\n    return x + 2\ndef f(x):\n    return h(x)\n")
    found = {p.name: Sources().of(p) for p in Session().reader.reach(module.f).pieces if p.cue == "code"}
    assert found == {"m:h": "", "m:f": "def f(x):\n    return h(x)"}


def test_what_no_digest_proves_is_not_shown(project):
    project.write(m="def f(x, y=1):\n    return x\n")
    module = project.load()
    project.write(m="@print\ndef f(x: str, y=2):\n    return x\n")
    found = {p.name: Sources().of(p) for p in Session().reader.reach(module.f).pieces if p.cue == "code"}
    assert found == {"m:f": "def f(x, y=...):\n    return x"}


@pytest.mark.parametrize("content", ["def f(x:\n", "\0", "", None])
def test_file_that_broke_or_went(project, content):
    project.write(m="def f(x):\n    return x\n")
    module = project.load()
    path = project.root / "m.py"
    path.unlink() if content is None else path.write_text(content)
    linecache.clearcache()
    pieces = Session().reader.reach(module.f).pieces
    assert [text for p, text in loaded(code_record(pieces))] == ["" for _ in pieces]


def test_exec_has_no_source_and_no_diff(project):
    code = "scope = {{'__name__': 'm'}}\nexec('def h(x):\\n    return x + {}', scope)\nh = scope['h']\ndef f(x):\n    return h(x)\n"
    (found,) = project.reasons(code.format(1), code.format(2))
    assert (found.cue, found.name, found.diff) == ("code", "m:h", "")


def test_source_of_notebooks_and_doctests(monkeypatch):
    name = "<doctest m[0]>"
    text = "def h(x):\n    return x + 1\n"
    monkeypatch.setitem(linecache.cache, name, (len(text), None, text.splitlines(keepends=True), name))
    scope = {"__name__": "nowhere"}
    exec(compile(text, name, "exec", dont_inherit=True), scope)
    (piece,) = Session().reader.reach(scope["h"]).pieces
    assert Sources().of(piece) == "def h(x):\n    return x + 1"
    assert where_of(piece) == f"{name}:1"


def test_large_files_are_left_alone(project):
    project.write(m="def f(x):\n    return x\n#" + "." * source.FILE_LIMIT)
    assert project.sources() == {"m:f": ""}


def test_no_warning_of_the_compiler_is_shown_twice(project, recwarn):
    project.write(m="def f(x):\n    return x, '\\d', 1 is 1\n")
    pieces = project.pieces()
    recwarn.clear()
    assert Sources().of(next(p for p in pieces if p.cue == "code"))
    assert len(recwarn) == 0


def test_each_file_is_compiled_once(project, monkeypatch):
    project.write(m="def h(x):\n    return x\ndef g(x):\n    return h(x)\ndef f(x):\n    return g(x)\n")
    pieces = project.pieces()
    compiled, sources = [], Sources()
    real = source._compiled
    monkeypatch.setattr(source, "_compiled", lambda *given: compiled.append(given[1]) or real(*given))
    assert sum(bool(text) for _, text in loaded(code_record(pieces, sources))) == 3
    project.root.joinpath("m.py").write_text("def f(x:\n")
    sources._texts.clear()
    assert code_record(pieces, sources)
    sources._texts.clear()
    assert code_record(pieces, sources)
    assert [name for name in compiled if name != "?"] == [str(project.root / "m.py")] * 2


# -- bounds and damage


def test_huge_functions_and_records_are_bounded(project):
    body = "".join(f"    x += {i}\n" for i in range(4000))
    count = RECORD_LIMIT // FUNCTION_LIMIT + 4
    helpers = "".join(f"def h{i}(x):\n{body}" for i in range(2))
    project.write(m=helpers + "def f(x):\n    return h0(x) + h1(x)\n")
    huge = project.sources()["m:h0"]
    assert huge.endswith("\n" + CUT) and len(huge) <= FUNCTION_LIMIT + len(CUT) + 1
    piece = next(p for p in project.pieces() if p.name == "m:h0")
    rows = loaded(code_record([piece] * count))
    assert len(rows) == count
    assert RECORD_LIMIT - FUNCTION_LIMIT < sum(len(text) for _, text in rows) <= RECORD_LIMIT


def test_long_diffs_are_bounded():
    old = [f"a{i}" for i in range(100)]
    new = [f"b{i}" for i in range(100)]
    lines = difference(old, new).splitlines()
    assert len(lines) == LINES
    assert lines[-1] == f"… {200 - LINES + 1} more lines"
    assert max(map(len, difference(["x" * 1000], ["y" * 1000]).splitlines())) < 200
    apart = difference(list("abcdefg"), list("AbcdefG"))
    assert apart.splitlines() == ["-a", "+A", " b", " …", " f", "-g", "+G"]


def damaged(data: bytes) -> list[bytes]:
    chance = random.Random(1)
    flips = []
    for _ in range(300):
        flipped = bytearray(data)
        flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        flips.append(bytes(flipped))
    return [*flips, *(data[:cut] for cut in range(0, len(data), 7))]


def test_damaged_records_never_raise_and_never_lie(project):
    project.write(m="LIMIT = 3\ndef f(x):\n    return x + LIMIT\n")
    data = code_record(project.pieces())
    whole = loaded(data)
    assert whole
    assert all(loaded(each) in ([], whole) for each in damaged(data))
    assert sum(loaded(each) == [] for each in damaged(data)) > 300


@pytest.mark.parametrize(
    "content",
    [
        None, [], {}, "text", 3, ("code",), ("code", b""), ("code", b"junk"), ("code", 7),
        [("code", "m:f", "d", "m.py:1")],
        ("code", zlib.compress(safe_pickle.dumps([(("code", "m:f"), "")]))),
        ("code", zlib.compress(safe_pickle.dumps([(("code", "m:f", "d", None, ""), "")]))),
        ("code", zlib.compress(safe_pickle.dumps([(("code", "m:f", "d", "", ""), None)]))),
        ("code", zlib.compress(b"\0" * (1 << 25))),
        ("code", zlib.compress(safe_pickle.dumps([(("code", "m:f", "d", "", ""), "")]))[:-2]),
    ],
)  # fmt: skip
def test_other_objects_in_the_place_of_a_record(content):
    assert loaded(safe_pickle.dumps(content)) == []


# -- end to end


def test_record_is_made_once_and_never_breaks_a_call(project, monkeypatch):
    session = Session()
    store = session.store(str(project.root / "cache"))
    project.write(m="def f(x):\n    return x\n")
    pieces = project.pieces()
    made = []
    monkeypatch.setattr("cachepy.code.source.code_record", lambda *given: made.append(given) or code_record(*given))
    session.stored_code.keep(store, "d" * 32, pieces)
    Session().stored_code.keep(store, "d" * 32, pieces)
    assert len(made) == 1
    assert [p for p, _ in loaded(store.codes("d" * 32)[0])] == list(pieces)
    monkeypatch.setattr(source.Sources, "_find", lambda *_: 1 / 0)
    session.sources._texts.clear()
    session.stored_code.keep(store, "e" * 32, pieces)
    assert [text for _, text in loaded(store.codes("e" * 32)[0])] == [""] * len(pieces)


def test_damaged_file_gives_a_reason_without_a_diff(project):
    project.write(m="def f(x):\n    return x\n")
    with use_session(Session()) as session:
        store = session.store(str(project.root / "cache"))
        module = project.load()
        store.put_code(code_name("d" * 32, ["m:f"]), b"\x80\x05junk")
        (found,) = LiveWorld(session).code_reasons(Dep("code", "m:f", "d" * 32))
        assert (found.cue, found.name, found.where, found.diff) == ("code", "m:f", "m.py:1", "")
        assert module.f(1) == 1


def test_explain_names_function_line_and_change(project):
    main = """
        import os, sys
        sys.path[:0] = [{root!r}, os.getcwd()]
        sys.dont_write_bytecode = True
        from cachepy import cache_file
        import k

        @cache_file("cache")
        def f(x):
            return k.h(x)

        f(1) if len(sys.argv) > 1 else print(*((str(r), r.diff) for r in f.explain(1).reasons), sep=os.linesep)
        """
    project.write(main=main.format(root=str(ROOT)), k="def h(x):\n    return x + 1\n")
    Project(project.root).run("main.py", "run")
    project.write(k="# new\ndef h(x):\n    return x + 2\n")
    assert Project(project.root).run("main.py").lines == [
        repr(("code of k:h changed (k.py:2)", " def h(x):\n-    return x + 1\n+    return x + 2"))
    ]


def test_hit_does_not_import_what_only_reasons_need(project):
    code = """
        import os, sys
        sys.path[:0] = [{root!r}, os.getcwd()]
        from cachepy import cache_file

        @cache_file("cache")
        def f(x):
            return x

        f(1)
        print(*sorted({{"ast", "zlib", "difflib", "linecache"}} & set(sys.modules)))
        """
    project.write(main=code.format(root=str(ROOT)))
    command = ["-c", "import sys; print(*{'ast', 'zlib', 'difflib', 'linecache'} & set(sys.modules))"]
    before = Project(project.root).run(*command).stdout.split()
    Project(project.root).run("main.py")
    hit = Project(project.root).run("main.py")
    assert set(hit.stdout.split()) - set(before) <= {"zlib"}  # which reading an entry may need


def test_where_is_relative_only_below_the_working_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    here = os.getcwd()
    assert where_of(Piece("code", "m:f", "d", f"{here}/a/m.py:3")) == "a/m.py:3"
    assert where_of(Piece("code", "m:f", "d", f"{here}x/m.py:3")) == f"{here}x/m.py:3"
