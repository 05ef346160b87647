"""The disk refuses what process pools tell their caller."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from full_disks import FILL, PROGRAM, open_folder
from prelude import HEARING

from tests.programs import Project

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def project() -> Iterator[Project]:
    for folder in open_folder():
        with Project(folder, HEARING) as made:
            yield made


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
