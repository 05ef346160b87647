"""Directories that go, and something else that stands where an entry was; odd names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from full_disks import PROGRAM, open_folder
from prelude import HEARING

from tests.programs import Project

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def project() -> Iterator[Project]:
    for folder in open_folder():
        with Project(folder, HEARING) as made:
            yield made


# -- directories that go


GONE = {
    "below a running call": "shutil.rmtree(ROOT)",
    "the folders of the entries": "shutil.rmtree(ROOT + '/entries')",
    "moved away": "os.rename(ROOT, ROOT + '.away')",
    "replaced by a new one": "shutil.rmtree(ROOT); os.mkdir(ROOT)",
}


@pytest.mark.parametrize("how", GONE)
def test_the_directory_goes_while_a_call_runs(project: Project, how: str) -> None:
    """The call makes it anew: its value and its graph are there for the next process."""
    project.main(
        f"""
        @cache_file(ROOT)
        def below(n):
            return n

        @cache_file(ROOT, ignore_globals=["HERE", "ROOT"])
        def f(n):
            got = below(n)
            {GONE[how]}
            return got

        assert f(1) == 1
        assert heard == [] and left() == [], (heard, left())
        assert f.is_cached(1) == below.is_cached(1), "the caller is stale, since the call below is not stored"
        assert below(1) == 1
        with use_session(Session()):
            cache_tree_sync(ROOT)
            assert "f" in {{n["fname"] for n in cache_tree_nodes().values()}}
        """
    ).silent()


def test_the_directory_goes_between_two_calls(project: Project) -> None:
    project.main(
        PROGRAM
        + """
for _ in range(3):
    right(10)
    right(10)
    shutil.rmtree(ROOT)
assert ran == [("outer", 10), ("inner", 10)] * 3, ran
right(10)
with use_session(Session()):
    cache_tree_sync(ROOT)
    assert len(cache_tree_nodes()) == 2
assert heard == []
"""
    ).silent()


# -- something else stands where an entry was


ODD = {
    "a folder": "os.mkdir(path)",
    "a folder with something in it": "os.mkdir(path); open(path + '/x', 'w').close()",
    "a fifo": "os.mkfifo(path)",
    "a link to itself": "os.symlink(path, path)",
    "a link to nowhere": "os.symlink(path + '.not', path)",
    "a device": "os.symlink('/dev/zero', path)",
    "an empty file": "open(path, 'w').close()",
}

PLACES = ["entry", "graph.pkl", "stat.memo", "code", "CACHEDIR.TAG"]
QUICK = {("entry", "a folder"), ("entry", "a fifo"), ("stat.memo", "a fifo"), ("graph.pkl", "a folder")}


@pytest.mark.parametrize(
    ("place", "kind"),
    [pytest.param(p, k, marks=[] if (p, k) in QUICK else pytest.mark.stress) for p in PLACES for k in ODD],
)
def test_something_else_stands_there(project: Project, place: str, kind: str) -> None:
    """At most one warning for reading and one for writing; never a hang, an error or a wrong value."""
    project.main(
        f"""
        open("data", "wb").write(b"d" * 40_000)

        @cache_file(ROOT)
        def f(n, path="data"):
            return bytes([n]) * len(open(path).read())

        assert f(1) == bytes([1]) * 40_000
        path = entries()[0] if {place!r} == "entry" else os.path.join(ROOT, {place!r})
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif os.path.exists(path):
            os.unlink(path)
        {ODD[kind]}
        for _ in range(2):
            with use_session(Session()):
                assert f(1) == bytes([1]) * 40_000 and f(2) == bytes([2]) * 40_000
                cache_tree_sync(ROOT)
        told = set(heard)
        assert len(told) <= (3 if {place!r} in ("entry", "graph.pkl") else 1), told
        assert all(HERE in text for _, text in told), told
        assert left() == []
        """,
        limit=20,
    ).silent()


# -- names


NAMES = [
    "ünïcödé", "f" * 300, "ф" * 300, "a/b", "../../../up", "<lambda>", "f:g", "f\0g", "f\ng", "CON", ".", "..", "", " ", "*",
    "😀" * 80,
]  # fmt: skip


def test_odd_names_of_functions(project: Project) -> None:
    """Each is cached, in a file inside the cache directory, apart from the others."""
    project.main(
        f"""
        names = {NAMES!r}

        def made(i, name):
            scope = {{"__name__": "program"}}
            exec(f"def f(x): return [x, {{i}}]", scope)
            scope["f"].__name__ = scope["f"].__qualname__ = name
            return cache_file(ROOT)(scope["f"])

        functions = [made(i, name) for i, name in enumerate(names)]
        for _ in range(2):
            for i, f in enumerate(functions):
                assert f(7) == [7, i]
        assert all(f.is_cached(7) for f in functions)
        assert len(entries()) == len(names)
        assert all(len(os.path.basename(e).encode()) < 200 for e in entries())
        assert sorted(os.listdir(HERE)) == ["cache", "main.py"]
        assert heard == [], heard
        with use_session(Session()):
            cache_tree_sync(ROOT)
            assert len(cache_tree_nodes()) == len(names)
            assert heard == [], heard
        """
    ).silent()


def test_local_functions_and_lambdas_on_one_line(project: Project) -> None:
    project.main(
        """
        def make(k):
            @cache_file(ROOT)
            def local(x):
                return x * k
            return local

        pair = [cache_file(ROOT)(lambda x: x + 1), cache_file(ROOT)(lambda x: x + 2)]
        for _ in range(2):
            assert [make(2)(5), make(3)(5), pair[0](1), pair[1](1)] == [10, 15, 2, 3]
        assert len(entries()) == 4 and heard == []
        """
    ).silent()
