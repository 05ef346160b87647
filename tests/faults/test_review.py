"""What an adversarial review found: stale values, programs that the cache breaks, wrong graphs, leaks.

Each test is the smallest reproduction of one finding.
"""

from __future__ import annotations

import enum
import functools
import gc
import glob
import multiprocessing
import os
import resource
import subprocess
import sys
import textwrap
import threading
import time
import types
import warnings
import weakref
from contextvars import copy_context
from datetime import timedelta, timezone
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import cachepy
from cachepy import cache_file, cache_tree_changed_files, cache_tree_nodes, cache_tree_sync, track_file
from cachepy.disk import files, journal
from cachepy.disk.claims import Claims
from cachepy.disk.entryfile import load_value
from cachepy.disk.payload import pack
from cachepy.session import Session, current_session, use_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODULE = "review_module"


@pytest.fixture(autouse=True)
def _own_session() -> Iterator[None]:
    with use_session(Session()):
        yield


@pytest.fixture
def cf(tmp_path: Path) -> Any:
    return cache_file(tmp_path / "cache")


def module(source: str, cf: Any) -> Any:
    """A module of user code, as a notebook or an import makes it."""
    made = types.ModuleType(MODULE)
    sys.modules[MODULE] = made
    made.cf = cf  # type: ignore[attr-defined]
    more(made, source)
    return made


def more(made: Any, source: str) -> None:
    """Another cell of the notebook."""
    exec(compile(textwrap.dedent(source), made.__name__, "exec", dont_inherit=True), made.__dict__)


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


# ---- stale values: files


def read(path: Any) -> str:
    return Path(path).read_text()


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


# ---- the program broken by the cache


class Raises:
    def __reduce__(self) -> Any:
        raise KeyError("no pickle")


class AttrDict(dict):  # type: ignore[type-arg]
    __getattr__ = dict.__getitem__


class Closed:
    @property
    def shape(self) -> Any:
        raise RuntimeError("closed")


class Proxy:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no context for {name}")


class Token:
    def __dask_tokenize__(self) -> Any:
        raise RuntimeError("no token")


ODD: dict[str, Callable[[], Any]] = {
    "lock": multiprocessing.Lock,
    "reduce": Raises,
    "attribute dict": lambda: AttrDict(x=1),
    "huge int": lambda: 10**5000,
    "huge int in a list": lambda: [10**5000],
    "shape": Closed,
    "proxy": Proxy,
    "token": Token,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ODD)
def test_odd_arguments(cf: Any, name: str) -> None:
    @cf
    def f(value: object) -> int:
        return 1

    assert f(ODD[name]()) == 1


LOCK = multiprocessing.Lock()


@pytest.mark.filterwarnings("ignore")
def test_lock_as_global_and_as_result(cf: Any) -> None:
    @cf
    def f() -> int:
        with LOCK:
            return 1

    @cf
    def g() -> Any:
        return multiprocessing.Lock()

    assert f() == 1
    assert g() is not None


def test_deleted_working_directory(cf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    @cf
    def f(x: int) -> int:
        return x

    assert f(1) == 1


def test_import_that_the_body_does_not_reach_may_exit(cf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "review_script.py").write_text("import sys\nsys.exit(3)\n")
    made = module("@cf\ndef f(gui=False):\n    if gui:\n        import review_script\n    return 1", cf)
    assert made.f() == 1


def test_thread_that_tracks_a_file_when_the_body_has_ended(
    cf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, ended, checking = current_session().files.digest, threading.Event(), threading.Event()

    def slow(path: str) -> str | None:
        if path.endswith("late"):
            checking.wait(1)
        elif ended.is_set():  # the files are looked at once more
            checking.set()
            time.sleep(0.02)
        return digest(path)

    monkeypatch.setattr(current_session().files, "digest", slow)

    @cf(ignore_globals=["ended", "tmp_path"])
    def f() -> int:
        for i in range(10):
            track_file(tmp_path / str(i))
        threading.Thread(target=copy_context().run, args=(track_file, tmp_path / "late")).start()
        time.sleep(0.05)
        ended.set()
        return 1

    assert f() == 1


def test_full_disk_leaves_no_claim(tmp_path: Path) -> None:
    path = tmp_path / "x.claim"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(OSError, match="large"):
            Claims().acquire(str(path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not path.exists()  # or the next call waits for seconds until it counts as dead


@pytest.mark.parametrize("how", ["track_file", "keyword"])
def test_names_that_are_subclasses_of_str(cf: Any, tmp_path: Path, how: str) -> None:
    ran = []
    path = np.str_(tmp_path / "x.csv")

    @cf(ignore_globals=["ran", "path", "how"])
    def f(**more: int) -> None:
        ran.append(1)
        if how == "track_file":
            track_file(path)

    for _ in range(2):
        f(**({} if how == "track_file" else {np.str_("a"): 1}))
    assert len(ran) == 1


def test_parameter_that_has_the_name_of_a_flag(cf: Any) -> None:
    def f(_load: int = 3) -> int:
        return _load

    try:
        cached = cf(f)
    except cachepy.UsageError:
        return
    assert cached(_load=5) == 5


def test_parameter_called_sorted(cf: Any) -> None:
    ran = []

    @cf(ignore_globals=["ran"])
    def f(_sorted: int, **more: int) -> int:
        ran.append(1)
        return _sorted

    assert [f(1, a=2), f(1, a=2)] == [1, 1]
    assert len(ran) == 1


def test_decorator_that_gives_an_argument_is_cached_or_warned_about(cf: Any) -> None:
    ran = []

    def inject(fn: Any) -> Any:
        @functools.wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return fn("connection", *args, **kwargs)

        return wrapper

    @cf(ignore_globals=["ran"])
    @inject
    def f(connection: str, x: int) -> int:
        ran.append(1)
        return x

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert [f(1), f(1)] == [1, 1]
    assert len(ran) == 1 or seen


def refuse() -> None:
    raise RuntimeError("cannot be loaded")


class Unloadable:
    """Not an exception: distributed teaches those to be loaded."""

    def __reduce__(self) -> Any:
        return refuse, ()


def test_value_that_cannot_be_loaded_gives_one_warning(cf: Any) -> None:
    @cf
    def f() -> Any:
        return Unloadable()

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for _ in range(4):
            f()
    assert len(seen) == 1


# ---- the graph


def test_file_changed_back_and_forth(cf: Any, tmp_path: Path) -> None:
    path = tmp_path / "x"
    load = cf(read)
    for text in ("a", "bb", "a", "bb"):
        path.write_text(text)
        assert load(path) == text
        assert not cache_tree_changed_files()


def test_child_that_held_an_older_trace(cf: Any, tmp_path: Path) -> None:
    path = tmp_path / "x"

    @cf
    def length(path: Path) -> int:
        return len(path.read_text())

    @cf(file_args=[])
    def total(name: str) -> int:
        return length(Path(name))

    for text in ("a", "b", "a"):
        path.write_text(text)
        total(str(path))
        assert not cache_tree_changed_files()


def test_hit_brings_its_subtree_after_a_sync(tmp_path: Path) -> None:
    @cache_file(tmp_path / "b")
    def child(x: int) -> int:
        return x

    @cache_file(tmp_path / "a")
    def parent(x: int) -> int:
        return child(x)

    parent(1)
    want = set(cache_tree_nodes())
    with use_session(Session()):
        cache_tree_sync(tmp_path / "a")
        parent(1)
        assert set(cache_tree_nodes()) == want


def test_file_of_other_records_is_no_graph(tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    journal.write(path, [("file", "x", "digest")])
    with pytest.raises(cachepy.GraphFileError):
        cachepy.cache_tree_load(path)
    with pytest.warns(cachepy.CacheReadWarning):
        cache_tree_sync(path)


# ---- leaks and waste


class Big:
    pass


@pytest.mark.parametrize("how", ["argument", "cached"])
def test_a_local_function_is_let_go(cf: Any, how: str) -> None:
    def call() -> Any:
        big = Big()
        if how == "argument":
            cf(run)(lambda: big)
        else:
            cf(lambda x: type(big).__name__)(1)
        return weakref.ref(big)

    def run(fn: Any) -> str:
        return type(fn()).__name__

    seen = [call() for _ in range(8)]
    gc.collect()
    assert sum(one() is not None for one in seen) <= 1


def test_the_memo_is_kept_by_hits_too(cf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "YOUNG", 50_000_000)
    path = tmp_path / "big"
    path.write_bytes(b"x" * 100_000)
    load = cf(read)
    with use_session(Session()):
        load(path)
    time.sleep(0.1)
    session = Session()
    monkeypatch.setattr(session, "close", lambda: None)  # a process that just ends
    with use_session(session):
        load(path)
    assert (tmp_path / "cache" / "stat.memo").exists()
