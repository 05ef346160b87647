"""Large results: what is held stays whole, whatever becomes of its file and its disk, and costs a bounded share."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from mounting import mounted

from cachepy import cache_file, cache_verify
from cachepy.store import entries, fs, mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys, warnings
import numpy as np
from cachepy import cache_file
from cachepy.store import entryfile

warnings.simplefilter("ignore")
entryfile._CHECKED = 0  # as of an array that is too large to be read before it is mapped

@cache_file(sys.argv[1])
def table(n):
    return np.full(n, 1.0)

held = table(100_000)
view = held if held.base is None else held.base.base  # an array of an array of the bytes
print("held", "" if view is held else type(view.obj).__name__, flush=True)
sys.stdin.readline()
print(held.sum(), flush=True)
"""


class Holder:
    """A process that holds a large result of a cache."""

    def __init__(self, program: Path, cache: Path, **env: str) -> None:
        whole = {**os.environ, "PYTHONPATH": str(ROOT), **env}
        command = [sys.executable, str(program), str(cache)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=whole, cwd=program.parent
        )
        assert self.process.stdout is not None
        word, *self.how = self.process.stdout.readline().split()
        assert word == "held"

    def ends(self) -> tuple[int, str]:
        """How it ends, and what it printed, once it uses the result."""
        out, _ = self.process.communicate("\n", timeout=60)
        return self.process.returncode, out


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "table.py"
    path.write_text(HOLDER)
    return path


@pytest.fixture
def network(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    with mounted(tmp_path) as folders:
        yield folders


def fill(program: Path, cache: Path) -> Path:
    """Store the result; its entry."""
    assert Holder(program, cache).ends() == (0, "100000.0\n")
    [entry] = cache.rglob("*.entry")
    return entry


def fail(there: Path, number: int) -> None:
    (there / ".server").mkdir(exist_ok=True)
    (there / ".server" / "broken").write_text(str(number))


def drop_pages(entry: Path) -> None:
    """Of a mount, as under a shortage of memory."""
    fd = os.open(entry, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


# ---- disks that fail


@pytest.mark.root
@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
@pytest.mark.parametrize(("how", "end"), [("", (0, "100000.0\n")), ("always", (-signal.SIGBUS, ""))])
def test_a_network_mount_that_fails(program, network, number, how, end):
    """What is held was read. Whoever wants it mapped all the same is killed: so the test can fail."""
    there, here = network
    entry = fill(program, there / "cache")
    holder = Holder(program, here / "cache", CACHEPY_MAP=how)
    fail(there, number)
    drop_pages(here / entry.relative_to(there))
    assert holder.ends() == end


@pytest.mark.root
def test_verify_says_so_of_a_disk_that_fails(program, network):
    there, here = network
    entry = here / fill(program, there / "cache").relative_to(there)
    assert cache_verify(here / "cache").is_good
    drop_pages(entry)
    fail(there, errno.EIO)
    [problem] = [p for p in cache_verify(here / "cache").problems if p.path.endswith(".entry")]
    assert "Input/output error" in problem.what


# ---- files that go, or change


def remove(entry: Path) -> None:
    entry.unlink()


def replace(entry: Path) -> None:
    entry.with_name("new").write_bytes(b"\0" * entry.stat().st_size)
    os.replace(entry.with_name("new"), entry)


def copy_over(entry: Path) -> None:
    """``cp backup entry``: not into a file that may be mapped, unless by root."""
    backup = entry.with_name("backup")
    backup.write_bytes(b"\0" * entry.stat().st_size)
    with pytest.raises(PermissionError):
        shutil.copyfile(backup, entry)


@pytest.mark.parametrize("act", [remove, replace, copy_over])
def test_what_is_held_outlives_its_file(program, tmp_path, act: Callable[[Path], None]):
    if act is copy_over and os.geteuid() == 0:
        pytest.skip("root may write into any file")
    entry = fill(program, tmp_path / "cache")
    holder = Holder(program, tmp_path / "cache")
    assert holder.how == ["mmap"]
    act(entry)
    assert holder.ends() == (0, "100000.0\n")


@pytest.mark.parametrize(("n", "may_write"), [(10, True), (100_000, False)])
def test_large_entries_are_read_only(tmp_path, monkeypatch, n, may_write):
    monkeypatch.setattr(entries, "protect", fs.protect)
    table = cache_file(tmp_path / "cache", warn_cheap=False)(_table)
    table(n)
    [entry] = (tmp_path / "cache").rglob("*.entry")
    assert bool(entry.stat().st_mode & 0o200) == may_write


def _table(n: int) -> np.ndarray:
    return np.full(n, 1.0)


# ---- what a process may hold


@pytest.fixture
def few_descriptors() -> Iterator[int]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = len(os.listdir("/proc/self/fd")) + 60
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    yield limit
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files in /proc")
@pytest.mark.filterwarnings("error")
def test_many_results_are_held_with_few_descriptors(tmp_path, few_descriptors):
    table = cache_file(tmp_path / "cache", warn_cheap=False)(_table)
    for n in range(40_000, 40_100):
        table(n)
    before, held = len(mapping._live), [table(n) for n in range(40_000, 40_100)]
    assert [len(each) for each in held] == list(range(40_000, 40_100))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]  # the user's own
    assert 0 < len(mapping._live) - before < 100 or not mapping._HOLDS_FILE
    del held
    assert len(mapping._live) == before
    for file in files:
        os.close(file)


@pytest.mark.parametrize(("wish", "names"), [("never", {"bytearray"}), ("always", {"mmap"}), ("", {"mmap"})])
def test_a_user_may_know_better(program, tmp_path, wish, names):
    fill(program, tmp_path / "cache")
    holder = Holder(program, tmp_path / "cache", CACHEPY_MAP=wish)
    assert (set(holder.how), holder.ends()) == (names, (0, "100000.0\n"))
