"""The disk refuses: the value is returned, one warning says why, nothing half-made stays, and later it caches again."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prelude import HEARING

from tests.programs import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = """
ran = []


@cache_file(ROOT, ignore_globals=["ran"])
def inner(n):
    ran.append(("inner", n))
    return n % 256


@cache_file(ROOT, ignore_globals=["ran"])
def outer(n):
    ran.append(("outer", n))
    return bytes([inner(n)]) * n


def right(n):
    assert outer(n) == bytes([n % 256]) * n, n


def warm():
    '''Import all that a call needs: another user may not read Python's own files.'''
    import cachepy.preload, ctypes
    with use_session(Session()):
        here = cache_file(os.path.join(HERE, "warm"))(lambda x: b"1" * x)
        here(1), here(1), here.explain(2)


def nobody():
    '''Permissions do not bind root.'''
    warm()
    if os.geteuid() == 0:
        os.seteuid(65534)


def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def endless():
    limit(resource.getrlimit(resource.RLIMIT_FSIZE)[1])


def story(spoil, mend, stored_small=False):
    '''SIZES: a small and a large value.'''
    small, large = 10, 50_000
    spoil()
    for _ in range(2):
        right(small), right(large)
    again = [row for row in (("outer", small), ("outer", large)) if ran.count(row) != 2]
    assert again == ([("outer", small)] if stored_small else []), ran
    mend()
    assert left() == [], left()
    right(small), right(large)
    ran.clear()
    right(small), right(large)
    assert ran == [], ran
    assert len(entries()) == 4
    with use_session(Session()):
        cache_tree_sync(ROOT)
        assert len(cache_tree_nodes()) == 4
    causes = [kind for kind, _ in heard]
    assert causes in (["CacheWriteWarning"], ["CacheReadWarning", "CacheWriteWarning"]), heard
    assert all(HERE in text for _, text in heard), heard
    print(heard[-1][1])
"""

CAUSES = {
    "no file may be written": ("limit(0)", "endless()", "too large"),
    "parent not writable": ("nobody(); os.chmod(HERE, 0o555)", "os.chmod(HERE, 0o777)", "ermission"),
    "directory not writable": (
        "nobody(); os.mkdir(ROOT); os.chmod(ROOT, 0o500)", "os.chmod(ROOT, 0o700)", "ermission",
    ),
    "directory not readable": (
        "nobody(); os.mkdir(ROOT); os.chmod(ROOT, 0)", "os.chmod(ROOT, 0o700)", "ermission",
    ),
    "path is a file": ("open(ROOT, 'w').close()", "os.unlink(ROOT)", "exists"),
    "above is a file": (
        "globals().update(ROOT=ROOT); os.path.isdir(HERE) and open(os.path.join(HERE, 'cache'), 'w').close()",
        "os.unlink(ROOT)", "exists",
    ),
    "entries is a file": (
        "os.mkdir(ROOT); open(ROOT + '/entries', 'w').close()", "os.unlink(ROOT + '/entries')", "exists",
    ),
    "a link to nowhere": ("os.symlink('/proc/nothing/here', ROOT)", "os.unlink(ROOT)", ""),
    "a link to itself": ("os.symlink(ROOT, ROOT)", "os.unlink(ROOT)", ""),
}  # fmt: skip


def open_folder() -> Iterator[Path]:
    """A folder that every user may enter and write to: pytest's own are private."""
    folder = Path(tempfile.mkdtemp(prefix="cachepy-fault-"))
    folder.chmod(0o777)
    yield folder
    for each in folder.rglob("*"):
        if each.is_dir() and not each.is_symlink():
            each.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def project() -> Iterator[Project]:
    for folder in open_folder():
        with Project(folder, HEARING) as made:
            yield made


@pytest.mark.two_users
@pytest.mark.parametrize("cause", CAUSES)
def test_the_value_is_returned_and_one_warning_says_why(project: Project, cause: str) -> None:
    spoil, mend, says = CAUSES[cause]
    if cause.startswith(("directory", "parent")) and os.geteuid() == 0:
        project.folder.chmod(0o777)
        os.chown(project.folder, 65534, 65534)
    out = project.main(f"{PROGRAM}\ndef spoil(): {spoil}\ndef mend(): {mend}\nstory(spoil, mend)").silent()
    assert says in out


def test_only_the_large_value_does_not_fit(project: Project) -> None:
    """By a limit on the size of files; what was begun of it is removed."""
    project.main(f"{PROGRAM}\nstory(lambda: limit(20_000), endless, stored_small=True)").silent()


@pytest.fixture
def small_disk(project: Project) -> Iterator[Path]:
    """A file system of its own, where this user may mount one."""
    disk = project / "cache"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k,nr_inodes=64", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        done = False
    if not done:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


FILL = """
BALLAST = os.path.join(ROOT, "ballast")


def fill(but=0):
    with open(BALLAST, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
        file.truncate(os.path.getsize(BALLAST) - but)


def inodes():
    os.mkdir(BALLAST)
    try:
        for i in range(100):
            open(os.path.join(BALLAST, str(i)), "w").close()
    except OSError:
        pass


def empty():
    os.unlink(BALLAST) if os.path.isfile(BALLAST) else shutil.rmtree(BALLAST)
"""


@pytest.mark.root
@pytest.mark.parametrize("how", ["story(fill, empty)", "story(inodes, empty)"])
@pytest.mark.usefixtures("small_disk")
def test_the_disk_is_full(project: Project, how: str) -> None:
    assert "No space left" in project.main(PROGRAM + FILL + how).silent()


@pytest.mark.root
@pytest.mark.usefixtures("small_disk")
def test_the_disk_has_no_room_for_the_large_value(project: Project) -> None:
    out = project.main(PROGRAM + FILL + "story(lambda: fill(but=40_000), empty, stored_small=True)").silent()
    assert "No space left" in out


ABOVE = """
@cache_file(ROOT, ignore_globals=["ran"])
def large(n):
    ran.append("large")
    return bytes(n)


@cache_file(ROOT, ignore_globals=["ran"])
def middle(n):
    ran.append("middle")
    return len(large(n))


@cache_file(ROOT, ignore_globals=["ran"])
def top(n):
    ran.append("top")
    return middle(n) + 1


def above(spoil, mend):
    spoil()
    assert top(50_000) == 50_001
    mend()
    for rerun in ["top", "middle", "large"], []:
        ran.clear()
        with use_session(Session()):
            assert top(50_000) == 50_001 and ran == rerun, ran
    with use_session(Session()):
        cache_tree_sync(ROOT)
        edges = {(node["fname"], *(c.partition(":")[0] for c in node["children"])) for node in cache_tree_nodes().values()}
        assert edges == {("top", "middle"), ("middle", "large"), ("large",)}, edges
    print([kind for kind, _ in heard])
"""


def test_no_caller_is_stored_above_a_value_that_does_not_fit(project: Project) -> None:
    """As a hit it would lack the node of that call for ever."""
    out = project.main(f"{PROGRAM}{ABOVE}\nabove(lambda: limit(20_000), endless)").silent()
    assert out.strip() == "['CacheWriteWarning']"


@pytest.mark.root
@pytest.mark.usefixtures("small_disk")
def test_no_caller_is_stored_above_a_value_for_which_there_is_no_room(project: Project) -> None:
    out = project.main(f"{PROGRAM}{FILL}{ABOVE}\nabove(lambda: fill(but=40_000), empty)").silent()
    assert out.strip() == "['CacheWriteWarning']"


@pytest.mark.root
def test_the_disk_becomes_read_only(project: Project, small_disk: Path) -> None:
    """What is stored is still loaded, without a word; what is new is computed."""
    project.main(PROGRAM + "right(10)").silent()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    project.main(PROGRAM + "right(10); right(10); assert ran == [] and heard == [], (ran, heard)").silent()
    project.main(PROGRAM + "right(11); right(12); right(11); assert len(heard) == 1 and 'ead-only' in heard[0][1], heard").silent()


# -- what process pools tell their caller

POOLS = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from cachepy import with_caller

FORK = get_context("fork")
SPOIL = ["", lambda: exec(SPOIL[0], globals())]  # ignored: by `exec` in a body all globals of the program would count


def run(fn, n):
    with ProcessPoolExecutor(2, mp_context=FORK) as pool:
        return list(pool.map(with_caller(fn), range(n)))


@cache_file(ROOT, ignore_globals=["SPOIL"], warn_cheap=False)
def one(x):
    SPOIL[1]()
    return 2 * x


@cache_file(ROOT, warn_cheap=False)
def two(x):
    return 3 * x


@cache_file(ROOT, ignore_globals=["SPOIL"])
def many(n):
    return run(one, n)


@cache_file(ROOT, ignore_globals=["SPOIL"])
def above(n):
    return many(n)


def told(mend):
    assert above(3) == [0, 2, 4]
    assert [kind for kind, _ in heard] == ["CacheWriteWarning"], heard
    mend()
    assert not many.is_cached(3) and not above.is_cached(3), "stored without what the pool called"
    SPOIL[0] = ""
    assert above(3) == [0, 2, 4] and above.is_cached(3) and many.is_cached(3)
    assert not os.listdir(ROOT + "/runs") and left() == []
    print(heard[0][1])


@cache_file(os.path.join(HERE, "warm"), warn_cheap=False)
def warmed(n):
    return run(abs, n)


with use_session(Session()):
    warmed(1)


import tempfile
tempfile.tempdir = os.path.join(HERE, "temporary")  # other programs leave signs among the files of all
os.mkdir(tempfile.tempdir)
os.chmod(tempfile.tempdir, 0o777)


def signs():
    return glob.glob(os.path.join(tempfile.gettempdir(), "cachepy-*.lost"))
"""


@pytest.mark.root
@pytest.mark.usefixtures("small_disk")
def test_a_pool_on_a_full_disk(project: Project) -> None:
    assert "No space left" in project.main(POOLS + FILL + "fill(); told(empty)").silent()


@pytest.mark.root
def test_a_pool_on_a_read_only_disk(project: Project, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    project.main(POOLS + "assert above(3) == [0, 2, 4] and len(heard) == 1 and 'ead-only' in heard[0][1], heard").silent()


@pytest.mark.two_users
@pytest.mark.parametrize("mode", [0o500, 0])
def test_a_pool_in_a_directory_that_is_closed(project: Project, mode: int) -> None:
    """One warning that it cannot be written, whatever else there is to say of it."""
    if os.geteuid() == 0:
        project.folder.chmod(0o777)
        os.chown(project.folder, 65534, 65534)
    project.main(
        PROGRAM
        + POOLS
        + f"""
nobody(); os.mkdir(ROOT); os.chmod(ROOT, {mode})
assert above(3) == [0, 2, 4]
assert [kind for kind, _ in heard if kind == "CacheWriteWarning"] == ["CacheWriteWarning"], heard
os.chmod(ROOT, 0o700)
assert not above.is_cached(3) and not many.is_cached(3)
assert above(3) == [0, 2, 4] and above.is_cached(3) and signs() == []
"""
    ).silent()


def test_only_the_worker_cannot_write(project: Project) -> None:
    """The caller, which can, stores nothing: it was not told all that it depends on."""
    spoil = "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"
    out = project.main(POOLS + f"SPOIL[0] = {spoil!r}\ntold(lambda: None)").silent()
    assert "a process that it started could not write there" in out


@pytest.mark.two_users
def test_the_worker_cannot_even_take_the_mailbox_away(project: Project) -> None:
    if os.geteuid() == 0:
        project.folder.chmod(0o777)
        os.chown(project.folder, 65534, 65534)
    spoil = "runs = ROOT + '/runs'; [os.chmod(os.path.join(runs, n), 0) for n in os.listdir(runs)]; os.chmod(runs, 0o500)"
    out = project.main(
        PROGRAM
        + POOLS
        + f"""
def mend():
    os.chmod(ROOT + "/runs", 0o700)
    for path in glob.glob(ROOT + "/runs/*"):
        os.unlink(path)
    assert signs() == [], "the sign is taken away"

nobody(); SPOIL[0] = {spoil!r}
told(mend)
"""
    ).silent()
    assert "a process that it started could not write there" in out


def test_a_second_pool_that_is_forked_in_the_same_call(project: Project) -> None:
    """Its processes have a copy of the running call, which may not take the place of its mailbox."""
    project.main(
        POOLS
        + """
@cache_file(ROOT)
def both(n):
    return run(one, n) + run(two, n)

assert both(2) == [0, 2, 0, 3]
calls = [node["fname"] for node in cache_tree_nodes().values()]
assert sorted(calls) == ["both", "one", "one", "two", "two"], calls
assert [len(node["children"]) for node in cache_tree_nodes().values() if node["fname"] == "both"] == [4]
"""
    ).silent()


# -- the command line

COMMAND = """
import contextlib, io
from cachepy.cli import main
import cachepy.commands


def command(*args):
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            main(args)
    except SystemExit as end:
        return end.code, said.getvalue()
"""


@pytest.mark.root
def test_prune_on_a_read_only_disk(project: Project, small_disk: Path) -> None:
    project.main(PROGRAM + "right(10)").silent()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    project.main(
        COMMAND
        + """
assert cachepy.cache_prune(ROOT, 0) == [] and len(heard) == 1 and "could not delete 2 entries" in heard[0][1], heard
code, said = command("prune", "--older-than", "0", "--yes", "--forget", "--cache-dir", ROOT)
assert code == 3 and "could not delete 2 entries: Read-only file system" in said and "deleted 2" not in said, said
assert "could not forget any call: Read-only file system" in said, said
"""
    ).silent()


@pytest.mark.two_users
@pytest.mark.parametrize("closed", ["", "/.."])
def test_a_directory_that_is_closed_to_this_user(project: Project, closed: str) -> None:
    """An error that says whose it is, and no usage error: the name was right."""
    if os.geteuid() == 0:
        project.folder.chmod(0o777)
    project.main(
        PROGRAM
        + COMMAND
        + f"""
above = os.path.join(HERE, "above")
os.makedirs(above + "/cache")
folder = os.path.normpath(above + "/cache" + {closed!r})
os.chmod(folder, 0o700 if os.geteuid() == 0 else 0)
commands = ("status", "ls", "verify", "prune")
warm()
for name in commands:
    command(name, "--cache-dir", os.path.join(HERE, "warm"))
nobody()
for name in commands:
    code, said = command(name, "--cache-dir", above + "/cache")
    assert code == 3, (code, said)
    assert folder + " belongs to " in said and "is closed to you (mode 0" in said, said
"""
    ).silent()


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
