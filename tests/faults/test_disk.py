"""The disk refuses: the value is returned, one warning says why, nothing half-made stays, and later it caches again."""

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


# -- the command line

COMMAND = """
import contextlib, io
from cachepy.cli.main import main
import cachepy.cli.group


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
