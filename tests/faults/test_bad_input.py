"""Bad input: a typed error, where it was given, that names the argument and says what is taken instead."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import cachepy
from cachepy import (
    CacheReadWarning,
    GraphFileError,
    Session,
    UsageError,
    UsageValueError,
    cache_file,
    cache_prune,
    cache_tree_for_file,
    cache_tree_load,
    cache_tree_nodes,
    cache_tree_save,
    cache_tree_sync,
    track_file,
    use_session,
    with_caller,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _own_session() -> Iterator[None]:
    with use_session(Session()):
        yield


class Thing:
    def __repr__(self) -> str:
        return "<a thing>"


THING = Thing()

# option, value, kind of error, what the message says besides the option
OPTIONS: list[tuple[str, Any, type[Exception], str]] = [
    *[(name, "x", UsageError, f"{name}=['x']") for name in (
        "env_vars", "depends_on_files", "depends_on_vars", "file_args", "ignore_args", "ignore_globals",
    )],
    *[(name, b"x", UsageError, "list") for name in (
        "env_vars", "depends_on_files", "depends_on_vars", "file_args", "ignore_args", "ignore_globals",
    )],
    *[(name, [1], UsageError, "not 1") for name in (
        "env_vars", "depends_on_files", "depends_on_vars", "file_args", "ignore_args", "ignore_globals",
    )],
    *[(name, 7, UsageError, "list") for name in (
        "env_vars", "depends_on_files", "depends_on_vars", "file_args", "ignore_args", "ignore_globals",
        "trusted_owners",
    ) if name != "trusted_owners"],
    *[(name, THING, UsageError, "<a thing>") for name in (
        "env_vars", "depends_on_files", "depends_on_vars", "file_args", "ignore_args", "ignore_globals",
        "trusted_owners",
    )],
    *[(name, [""], UsageError, "name") for name in ("env_vars", "depends_on_vars", "ignore_globals")],
    *[(name, [None], UsageError, "None") for name in ("env_vars", "depends_on_files", "file_args", "trusted_owners")],
    ("depends_on_files", [""], UsageValueError, "empty"),
    ("cache_dir", 7, UsageError, "path"),
    ("cache_dir", ["x"], UsageError, "path"),
    ("cache_dir", "", UsageValueError, "empty"),
    ("cache_dir", THING, UsageError, "path"),
    ("cache_dir", "nul\0byte", UsageValueError, "path"),
    ("version", ["2"], UsageError, "str or a number"),
    ("version", THING, UsageError, "<a thing>"),
    ("version", {"a": 1}, UsageError, "str or a number"),
    ("keep_args", 1, UsageError, "True or False"),
    ("keep_args", "no", UsageError, "True or False"),
    ("keep_args", None, UsageError, "True or False"),
    ("verbose", "no", UsageError, "True or False"),
    ("verbose", THING, UsageError, "True or False"),
    ("trusted_owners", "root", UsageError, "trusted_owners=['root']"),
    ("trusted_owners", 0, UsageError, "trusted_owners=[0]"),
    ("trusted_owners", [1.5], UsageError, "1.5"),
    ("trusted_owners", [True], UsageError, "True"),
    ("trusted_owners", ["no such user here"], UsageValueError, "no such user"),
    ("signing_key", "short", UsageValueError, "16"),
    ("signing_key", b"", UsageValueError, "16"),
    ("signing_key", 12345678901234567890, UsageError, "bytes"),
    ("signing_key", ["k" * 20], UsageError, "bytes"),
    ("signing_key", "@/no/such/file", UsageError, "cannot be read"),
    ("umask", "rw", UsageValueError, "octal"),
    ("umask", -1, UsageValueError, "octal"),
    ("umask", 0o1000, UsageValueError, "octal"),
    ("umask", "999", UsageValueError, "octal"),
    ("umask", True, UsageValueError, "octal"),
    ("umask", 0o700, UsageValueError, "yourself"),
    ("umask", 2.5, UsageValueError, "octal"),
    ("umask", [], UsageValueError, "octal"),
    ("cache_dirs", "x", UsageError, "cache_dir"),
    ("ignore", ["x"], UsageError, "ignore_args"),
    ("Version", "1", UsageError, "version"),
    ("fn", 1, UsageError, "version"),
]  # fmt: skip


@pytest.mark.parametrize(("option", "value", "kind", "says"), OPTIONS, ids=lambda v: str(v)[:20])
def test_options(option: str, value: Any, kind: type[Exception], says: str) -> None:
    """By the decorator at once, with options given in one step or in two."""
    for give in (lambda: cache_file(**{option: value}), lambda: cache_file("x")(**{option: value})):
        with pytest.raises(kind) as caught:
            give()
        text = str(caught.value)
        assert option in text and says in text, text
        assert type(caught.value) is kind
        assert "k" * 16 not in text, "a key is never shown"


def plain(data: int, path: str = "", *rest: int, flag: bool = False) -> int:
    return data


PARAMETERS = [
    ("file_args", ["pth"], "path"),
    ("file_args", ["path", "nothing"], "nothing"),
    ("ignore_args", ["Data"], "data"),
    ("ignore_args", ("self",), "data"),
    ("ignore_args", {"dat"}, "data"),
    ("file_args", ["*rest"], "rest"),
]


@pytest.mark.parametrize(("option", "names", "says"), PARAMETERS)
def test_names_of_no_parameter(tmp_path: Path, option: str, names: Any, says: str) -> None:
    with pytest.raises(UsageValueError, match=option) as caught:
        cache_file(tmp_path, **{option: names})(plain)
    assert says in str(caught.value) and "data, path, rest, flag" in str(caught.value)


def generator() -> Any:
    yield 1


async def async_generator() -> Any:
    yield 1


DECORATED = [
    (7, "7"), ("text", "text"), (Thing, "methods"), (len, "def"), (generator, "list"), (async_generator, "list"),
    (THING, "<a thing>"), (property(lambda s: 1), "def"), (__import__("functools").partial(print, 1), "def"),
]  # fmt: skip


@pytest.mark.parametrize(("fn", "says"), DECORATED, ids=lambda v: str(v)[:20])
def test_what_cannot_be_decorated(tmp_path: Path, fn: Any, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        cache_file(tmp_path)(fn)
    assert says in str(caught.value), caught.value


def test_arguments_that_do_not_fit_are_the_functions_own_error(tmp_path: Path) -> None:
    f = cache_file(tmp_path)(plain)
    for call in (f, f.key, f.is_cached, f.explain, f.clear):
        for args, kwargs in (((), {}), ((1,), {"nothing": 2}), ((1,), {"data": 1})):
            if call is f.clear and not args and not kwargs:
                continue
            with pytest.raises(TypeError, match="plain"):
                call(*args, **kwargs)
    assert cache_tree_nodes() == {}


AGES = [-1, -0.001, math.nan, -math.inf, "30", None, [], True, 10**400, b"1", 1j]


@pytest.mark.parametrize("name", ["days_old", "max_bytes"])
@pytest.mark.parametrize("value", AGES, ids=lambda v: repr(v)[:10])
def test_ages_and_sizes(tmp_path: Path, name: str, value: Any) -> None:
    if name == "max_bytes" and value in (None, "30"):  # no limit, and a size
        return
    f = cache_file(tmp_path)(plain)
    f(1)
    with pytest.raises((UsageError, UsageValueError), match=name):
        cache_prune(tmp_path, **{name: value})
    assert f.is_cached(1)


PATHS = {
    "track_file": track_file,
    "cache_tree_load": cache_tree_load,
    "cache_tree_save": cache_tree_save,
    "cache_tree_sync": cache_tree_sync,
    "cache_tree_for_file": cache_tree_for_file,
    "cache_prune": cache_prune,
}


@pytest.mark.parametrize("value", [7, THING, ["x"], 1.5], ids=repr)
@pytest.mark.parametrize("name", PATHS)
def test_what_is_no_path(name: str, value: Any) -> None:
    with pytest.raises(TypeError) as caught:
        PATHS[name](value)
    assert isinstance(caught.value, UsageError), repr(caught.value)
    assert "path" in str(caught.value) and repr(value) in str(caught.value), caught.value


@pytest.mark.parametrize("value", [7, None, "f", THING], ids=repr)
def test_with_caller_takes_functions(value: Any) -> None:
    with pytest.raises(TypeError, match="with_caller"):
        with_caller(value)


@pytest.mark.parametrize("path", ["", "nul\0byte"])
@pytest.mark.parametrize("name", [n for n in PATHS if n != "track_file"])
def test_paths_that_name_nothing(name: str, path: str) -> None:
    with pytest.raises(UsageValueError):
        PATHS[name](path)


# -- graph files


def graph(tmp_path: Path) -> dict[str, Any]:
    f = cache_file(tmp_path / "mine")(plain)
    f(1)
    return cache_tree_nodes()


FOUND = {
    "nothing": lambda p: None,
    "a folder": lambda p: p.mkdir(),
    "an empty file": lambda p: p.write_bytes(b""),
    "text": lambda p: p.write_text("hello"),
    "a pickle": lambda p: p.write_bytes(b"\x80\x05K\x01."),
    "zeros": lambda p: p.write_bytes(bytes(10_000)),
    "a link to itself": lambda p: p.symlink_to(p),
    "a fifo": lambda p: __import__("os").mkfifo(p),
    "a device": lambda p: p.symlink_to("/dev/null"),
    "a cache whose graph is a folder": lambda p: (p / "graph.pkl").mkdir(parents=True),
    "a cache whose graph is text": lambda p: (p.mkdir(), (p / "graph.pkl").write_text("x" * 100)),
    "below a file": lambda p: p.parent.joinpath("x").write_text(""),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", [n for n in FOUND if n != "a fifo"])
def test_sync_never_raises_on_what_it_finds(tmp_path: Path, name: str, recwarn: pytest.WarningsRecorder) -> None:
    before = graph(tmp_path)
    FOUND[name](tmp_path / "found")
    cache_tree_sync(tmp_path / "found" if name != "below a file" else tmp_path / "x" / "graph")
    assert cache_tree_nodes() == before
    assert all(w.category is CacheReadWarning and str(tmp_path) in str(w.message) for w in recwarn), recwarn.list


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", [n for n in FOUND if n not in ("a fifo", "a device", "an empty file")])
def test_load_names_the_file_and_leaves_the_graph(tmp_path: Path, name: str) -> None:
    before = graph(tmp_path)
    FOUND[name](tmp_path / "found")
    path = tmp_path / "found" if name != "below a file" else tmp_path / "x" / "graph"
    with pytest.raises(GraphFileError) as caught:
        cache_tree_load(path)
    assert str(path) in str(caught.value)
    assert cache_tree_nodes() == before


@pytest.mark.filterwarnings("ignore::cachepy.CacheReadWarning")  # a page long with the longest path
@pytest.mark.parametrize("path", ["x" * 5000, "no/such/folder/at/all"])
def test_odd_paths(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sync` says nothing or warns, `load` and `save` raise an error that can be caught as one of ours or of the system."""
    monkeypatch.chdir(tmp_path)
    before = graph(tmp_path)
    cache_tree_sync(path)
    with pytest.raises((GraphFileError, UsageValueError)):
        cache_tree_load(path)
    with pytest.raises((cachepy.CachepyError, OSError)):
        cache_tree_save(path)
    assert cache_tree_nodes() == before


def test_there_are_enough_rows() -> None:
    assert len(OPTIONS) + len(PARAMETERS) + len(DECORATED) + 2 * len(AGES) + 4 * len(PATHS) + 2 * len(FOUND) >= 80
