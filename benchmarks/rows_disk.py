"""Rows: misses, large files and directories.

joblib and diskcache have no part where files are large or many, since they do not look at files.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

import floors
import floors_disk
import modules
from rows import Contest, Line, Row
from rows_hits import compared
from timing import Child, Contestant, Forked, child_time

FULL = 50_000  # entries
WARM = 1_000  # misses before the first sample: by then the folders of a new cache are there
GIGABYTE = 1 << 30


def _misses(call):
    """Calls with a new argument each."""
    numbers = count()

    def work():
        value = next(numbers)
        assert call(value)["number"] == value

    return work


def miss(place):
    """Each tool runs in a process of its own, since what it remembers of its misses makes its process larger."""
    makers = {"floor": lambda: floors_disk.miss(place.program("plain", modules.TRIVIAL).f, place.folder("floor"))}
    for tool in ("cachepy", "joblib", "diskcache"):
        makers[tool] = lambda tool=tool: place.program(tool, modules.TRIVIAL).f
    found = {tool: Forked(lambda make=make: _warm(make(), WARM)) for tool, make in makers.items()}
    yield Contest(found)
    for each in found.values():
        each.close()


def miss_full(place):
    """With many entries in the cache, made by the same process; and the same in a cache with few."""
    many = 1_000 if place.is_quick else FULL
    makers = {
        "few": lambda: _warm(place.program("cachepy", modules.TRIVIAL, "few").f, WARM),
        "cachepy": lambda: _warm(place.program("cachepy", modules.TRIVIAL).f, many),
        "floor": lambda: _warm(floors_disk.miss(place.program("plain", modules.TRIVIAL).f, place.folder("f")), many),
    }
    found = {tool: Forked(make) for tool, make in makers.items()}
    yield Contest(found)
    for each in found.values():
        each.close()


def _warm(call, times):
    work = _misses(call)
    for _ in range(times):
        work()
    return Contestant(work)


def _large_file(path, is_quick):
    left = 10_000_000 if is_quick else GIGABYTE
    block = bytes(range(256)) * 4096
    with path.open("wb") as file:
        while left:
            left -= file.write(block[:left])


def _tree(top, is_quick):
    for i in range(10 if is_quick else 100):
        Path(top, f"{i:02}").mkdir(parents=True)
        for j in range(100):
            Path(top, f"{i:02}", f"{j:02}.txt").write_text(f"{i} {j}")


def file_same(place):
    """The same process has digested the file before."""
    path = place.shared("large.dat", _large_file)
    yield compared(
        place,
        modules.LARGE_FILE,
        lambda it: floors.with_files(it.f, place.folder("floor"), lambda path: (path,), floors.by_path),
        [(path,)],
        peers=("cachepy",),
    )


def file_fresh(place):
    """A process of its own, which finds the digest in the memo on disk."""
    path = str(place.shared("large.dat", _large_file))
    folder = place.folder("floor")
    floors_disk.prepare_fresh_file(folder, path)
    program = place.written("cachepy", modules.LARGE_FILE_BY_NAME, "fresh").read_text()
    programs = {
        "floor": floors_disk.FRESH_FILE.format(folder=folder, path=path),
        "cachepy": f"{program}\nassert f({path!r})\n",  # a text: pathlib costs each program 10 ms
    }
    yield Contest(fresh(place, programs))


def fresh(place, programs):
    """Programs run as scripts by a new interpreter; the first runs fill their caches."""
    found = {}
    for tool, text in programs.items():
        path = place.root / f"script_{tool.replace(' ', '_')}.py"
        path.write_text(text)
        child_time([sys.executable, str(path)], None)
        found[tool] = Child(sys.executable, str(path))
    return found


def file_first(place):
    """Nobody has read the file before: each sample is the first call of a new session with an empty cache."""
    from cachepy import Session, cache_file, use_session

    path, numbers = place.shared("large.dat", _large_file), count()
    plain = place.program("plain", modules.LARGE_FILE).f

    def ours():
        with use_session(Session()):
            cache_file(str(place.root / f"new{next(numbers)}"))(plain)(path)

    def floor():
        floors_disk.with_first_digest(plain, place.folder(f"floor{next(numbers)}"))(path)

    yield Contest({"floor": Contestant(floor), "cachepy": Contestant(ours)})


def directory(place):
    """A directory of 10,000 small files in 100 folders, as an argument."""
    top = place.shared("tree", _tree)
    folder = place.folder("floor")
    yield compared(place, modules.TREE, lambda it: floors.with_tree(it.f, folder), [(top,)], ("cachepy",))


ROWS = (
    Row("miss", miss, (Line("miss of a trivial function, few entries", 2.6, 2.5),), stat="median", seconds=5),
    Row(
        "miss 50,000",
        miss_full,
        (
            Line("miss of a trivial function, 50,000 entries", 2.6),
            Line("miss, 50,000 entries against few (as floor)", 1.6, base="few"),
        ),
        stat="median",
    ),
    Row("file same", file_same, (Line("hit, 1 GB file unchanged, same process", 1.8),)),
    Row("file fresh", file_fresh, (Line("hit, 1 GB file unchanged, fresh process", 1.35),), stat="median"),
    Row("file first", file_first, (Line("first call with a 1 GB file", 2.7),)),
    Row("directory", directory, (Line("hit, unchanged directory of 10,000 files", 2),)),
)
