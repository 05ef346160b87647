"""What an adversarial review found: stale values, two values with one digest.

Each test is the smallest reproduction of one finding.
"""

from __future__ import annotations

import enum
import glob
import os
import subprocess
import sys
import time
import types
import warnings
from datetime import timedelta, timezone
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from reviewed import module, more, read

from cachepy import cache_file
from cachepy.session import Session, current_session, use_session
from cachepy.store.entryfile import load_value
from cachepy.store.payload import pack

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _own_session() -> Iterator[None]:
    with use_session(Session()):
        yield


@pytest.fixture
def cf(tmp_path: Path) -> Any:
    return cache_file(tmp_path / "cache")


def across_an_edit(cf: Any, source: str, old: str, new: str, call: str) -> tuple[Any, Any]:
    """The value before and after an edit between two runs, each with a session of its own."""
    values = []
    for text in (source, source.replace(old, new)):
        with use_session(Session()):
            made = module(text, cf)
            values.append(eval(call, made.__dict__))
    return values[0], values[1]


# ---- stale values: code


CHILD = """
    @cf
    def g(): return 1
    @cf
    def f(q=None): return (q or g)()
    def helper(): return g()
    @cf
    def through(): return helper()
"""


@pytest.mark.parametrize("call", ["f()", "f(g)", "through()"])
def test_cached_child_redefined_in_a_notebook(cf: Any, call: str) -> None:
    made = module(CHILD, cf)
    assert eval(call, made.__dict__) == 1
    more(made, "@cf\ndef g(): return 2")
    assert eval(call, made.__dict__) == 2


def test_child_module_reloaded(cf: Any) -> None:
    made = module(CHILD, cf)
    other = types.ModuleType("review_parent")
    sys.modules["review_parent"] = other
    other.cf, other.child = cf, made  # type: ignore[attr-defined]
    more(other, "@cf\ndef f(): return child.g()")
    assert other.f() == 1
    more(made, "@cf\ndef g(): return 2")  # what importlib.reload does
    assert other.f() == 2


REDEFINED = {
    "registry": ("def a(): return 1\nG = {'a': a}", "G['a']()", "def a(): return 2\nG['a'] = a"),
    "instance": (
        "class A:\n    def m(self): return 1\nG = [A()]", "G[0].m()",
        "class A:\n    def m(self): return 2\nG[0] = A()",
    ),
    "partial": (
        "from functools import partial\ndef a(k): return 1\nG = [partial(a, 1)]", "G[0]()",
        "def a(k): return 2\nG[0] = partial(a, 1)",
    ),
    "bound method": (
        "class A:\n    def m(self): return 1\nG = [A().m]", "G[0]()",
        "class A:\n    def m(self): return 2\nG[0] = A().m",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REDEFINED)
def test_function_redefined_inside_a_container(cf: Any, name: str) -> None:
    source, expression, cell = REDEFINED[name]
    made = module(f"{source}\n@cf\ndef f(): return {expression}", cf)
    assert made.f() == 1
    more(made, cell)
    assert made.f() == 2


class Scale:
    def __init__(self, k: int) -> None:
        self.k = k

    def by(self, x: int = 1) -> int:
        return self.k * x


def test_bound_methods_of_two_objects_are_two_functions(cf: Any) -> None:
    assert [cf(Scale(1).by)(5), cf(Scale(2).by)(5)] == [5, 10]


AS_VALUES = {
    "module argument": ("def go(): return 1\n@cf\ndef f(m): return m.go()", "f(__import__('sys').modules[__name__])"),
    "module in a global": (
        "import sys\ndef go(): return 1\nG = [sys.modules[__name__]]\n@cf\ndef f(): return [m.go() for m in G][0]",
        "f()",
    ),
    "lru_cache argument": (
        "import functools\n@functools.lru_cache\ndef h(): return 1\n@cf\ndef f(g): return g()",
        "f(h)",
    ),
    "lru_cache in a dict": (
        "import functools\n@functools.lru_cache\ndef h(): return 1\nG = {1: h}\n@cf\ndef f(): return G[1]()",
        "f()",
    ),
    "singledispatch argument": (
        """
        import functools
        @functools.singledispatch
        def h(x): return 0
        @h.register
        def _(x: int): return 1
        @cf
        def f(g): return g(3)
        """,
        "f(h)",
    ),
    "path subclass": (
        "import pathlib\nclass P(type(pathlib.Path())):\n    def go(self): return 1\n@cf\ndef f(p): return p.go()",
        "f(P('zz'))",
    ),
    "field metadata": (
        """
        import dataclasses as dc
        @dc.dataclass
        class C:
            x: int = dc.field(default=0, metadata={"u": "return 1"})
        @cf
        def f(): return int(dc.fields(C)[0].metadata["u"][-1])
        """,
        "f()",
    ),
    "annotated": (
        """
        from typing import Annotated, get_type_hints as hints
        class U:
            def __init__(self, v): self.v = v
        class C:
            x: Annotated[int, U("return 1")]
        @cf
        def f(): return int(hints(C, include_extras=True)["x"].__metadata__[0].v[-1])
        """,
        "f()",
    ),
}


@pytest.mark.parametrize("name", AS_VALUES)
def test_edited_code_of_a_value(cf: Any, name: str) -> None:
    source, call = AS_VALUES[name]
    assert across_an_edit(cf, source, "return 1", "return 2", call) == (1, 2)


LIVE = {
    "attribute named key": ("def h(): return h.key\nh.key = 1", "h()", "h.key = 2"),
    "attribute added": ("def h(): return getattr(h, 'mode', 1)", "h()", "h.mode = 2"),
    "attribute of a cached function": ("@cf\ndef g(): return 0\ng.k = 1", "g.k", "g.k = 2"),
    "keyword default": ("def h(*, k=1): return k", "h()", "h.__kwdefaults__['k'] = 2"),
    "bases": (
        "class A:\n    m = 1\nclass B:\n    m = 2\nclass C(A): pass", "C.m",
        "C.__bases__ = (B,)",
    ),
    "builtins": ("import builtins\nbuiltins.review_name = 1", "review_name", "builtins.review_name = 2"),
    "global added": ("", "globals().get('review_late', 1)", "review_late = 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIVE)
def test_changed_while_the_process_lives(cf: Any, name: str) -> None:
    source, expression, cell = LIVE[name]
    made = module(f"{source}\n@cf\ndef f(): return {expression}", cf)
    assert made.f() == 1
    more(made, cell)
    assert made.f() == 2


def test_declared_variable_bound_later(cf: Any) -> None:
    source = "import sys\ndef look(): return vars(sys.modules['review_module']).get('LATER')\n"
    made = module(source + "@cf(depends_on_vars=['LATER'])\ndef f(): return look()", cf)
    assert made.f() is None
    made.LATER = 3
    assert made.f() == 3


def test_module_imported_in_the_body_is_imported_anew(cf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    plugin = tmp_path / "review_plugin.py"
    plugin.write_text("def go(): return 1\n")
    made = module("@cf\ndef f():\n    import review_plugin\n    return review_plugin.go()", cf)
    assert made.f() == 1
    plugin.write_text("def go(): return 22\n")
    del sys.modules["review_plugin"]
    assert made.f() == 22


class Name(enum.StrEnum):
    FILE = "review_input.csv"


@pytest.mark.parametrize("path", [np.str_("review_input.csv"), Name.FILE], ids=["numpy", "StrEnum"])
def test_str_subclass_that_names_a_file(cf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    load = cf(read)
    Path(path).write_text("1")
    assert load(path) == "1"
    Path(path).write_text("2")
    assert load(path) == "2"


def test_child_called_in_another_folder(cf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for name in ("data.csv", "sub/data.csv"):
        Path(name).write_text("1")

    @cf
    def child(path: str) -> str:
        return Path(path).read_text()

    @cf
    def parent() -> str:
        os.chdir("sub")
        try:
            return child("data.csv")
        finally:
            os.chdir("..")

    assert parent() == "1"
    Path("sub/data.csv").write_text("2")
    assert parent() == "2"


def test_data_inside_the_cache_directory(tmp_path: Path) -> None:
    cf = cache_file(tmp_path / "work")
    cf(Scale.by)(Scale(1))  # makes the directory
    (tmp_path / "work" / "x.csv").write_text("1")

    @cf
    def load(folder: Path) -> str:
        return (folder / "x.csv").read_text()

    assert load(tmp_path / "work") == "1"
    (tmp_path / "work" / "x.csv").write_text("2")
    assert load(tmp_path / "work") == "2"


def test_cache_directory_that_the_user_made_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    ran = []

    @cache_file(tmp_path / "cache", ignore_globals=["ran"])
    def load(folder: Path) -> str:
        ran.append(1)
        return folder.name

    for _ in range(3):
        load(tmp_path)
    assert len(ran) == 1


@pytest.mark.parametrize("size", [40_000, 1_000_000], ids=["read", "mapped"])
def test_damaged_array_is_computed_again(tmp_path: Path, size: int) -> None:
    @cache_file(tmp_path)
    def zeros(n: int) -> Any:
        return np.zeros(n, np.uint8)

    zeros(size)
    (entry,) = glob.glob(f"{tmp_path}/entries/*/*.entry")
    with open(entry, "r+b") as file:
        file.seek(-3, os.SEEK_END)
        file.write(b"\7\7")
    with use_session(Session()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert zeros(size).sum() == 0


# ---- two values with one digest; equal values with two


class Metres(np.ndarray):
    unit = ""


def _array(unit: str) -> Any:
    array = np.zeros(3).view(Metres)
    array.unit = unit
    return array


def _moment(hours: int) -> Any:
    zone = timezone(timedelta(hours=hours), "X")
    return pd.Series(pd.to_datetime([0]).tz_localize("UTC").tz_convert(zone))


PAIRS = {
    "complex nan": (np.complex128(complex(np.nan, 1)), np.complex128(complex(np.nan, 2))),
    "time zones of one name": (_moment(1), _moment(2)),
    "subarray dtypes": (np.dtype(("i4", (2, 3))), np.dtype(("f4", (2, 3)))),
    "attribute of an array": (_array("m"), _array("km")),
    "kinds of paths": (PurePosixPath("a"), PureWindowsPath("a")),
}


@pytest.mark.parametrize("name", PAIRS)
def test_different_values_have_different_digests(name: str) -> None:
    digest = current_session().digester.digest
    one, other = PAIRS[name]
    assert digest(one) != digest(other)


def test_a_stored_masked_array_is_equal_to_the_fresh_one() -> None:
    digest = current_session().digester.digest
    value = np.ma.array([1, 2], mask=[0, 1])
    before = digest(value)
    payload = pack(value)
    assert digest(load_value(payload.pickle, payload.buffers)) == before


def test_subclass_of_set_has_one_digest_in_every_process() -> None:
    code = (
        "from cachepy.session import current_session\n"
        "class S(set): pass\n"
        "print(current_session().digester.digest(S('abcdef')))"
    )
    found = {
        subprocess.check_output([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed})
        for seed in "123"
    }
    assert len(found) == 1


def test_a_value_that_shares_parts_is_not_unfolded() -> None:
    value: list[Any] = [0]
    for _ in range(23):  # with 40, a program hangs
        value = [value, value]
    began = time.perf_counter()
    current_session().digester.digest(value)
    assert time.perf_counter() - began < 0.1
