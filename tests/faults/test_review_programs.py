"""What an adversarial review found: programs that the cache breaks, wrong graphs, leaks.

Each test is the smallest reproduction of one finding.
"""

from __future__ import annotations

import functools
import gc
import multiprocessing
import resource
import threading
import time
import warnings
import weakref
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from reviewed import module, read

import cachepy
from cachepy import cache_file, cache_tree_changed_files, cache_tree_nodes, cache_tree_sync, track_file
from cachepy.session import Session, current_session, use_session
from cachepy.store import files, journal
from cachepy.store.claims import Claims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def _own_session() -> Iterator[None]:
    with use_session(Session()):
        yield


@pytest.fixture
def cf(tmp_path: Path) -> Any:
    return cache_file(tmp_path / "cache")


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
