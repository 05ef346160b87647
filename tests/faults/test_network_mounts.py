"""Files on a network mount, whose client remembers sizes, times and names: a hit goes by what is there now."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mounting import mounted

from cachepy import Session, cache_file, track_file, use_session
from cachepy.calls import fast
from cachepy.store import files, mounts
from cachepy.store.files import Files, StatMemo
from cachepy.store.mounts import Mounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = """
import sys
from cachepy import cache_file

@cache_file(sys.argv[1])
def size(path):
    print("runs")
    return len(open(path).read())

print(size(sys.argv[2]))
"""


class Export:
    """there: the folder as another host sees it; here: as this one does."""

    def __init__(self, there: Path, here: Path) -> None:
        self.there, self.here = there, here

    def write(self, name: str, text: str) -> None:
        path = self.there / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def export(tmp_path: Path) -> Iterator[Export]:
    with mounted(tmp_path) as (there, here):
        yield Export(there, here)


def change(export: Export) -> None:
    export.write("data/x", "changed")


def replace(export: Export) -> None:
    export.write("new", "another")
    os.replace(export.there / "new", export.there / "data" / "x")


def replace_the_folder(export: Export) -> None:
    export.write("new/x", "another")
    os.rename(export.there / "data", export.there / "old")
    os.rename(export.there / "new", export.there / "data")


def shrink(export: Export) -> None:
    export.write("data/x", "")


def keep_size_and_mtime(export: Export) -> None:
    st = os.stat(export.there / "data/x")
    export.write("data/x", "FIRST")
    os.utime(export.there / "data/x", ns=(st.st_atime_ns, st.st_mtime_ns))


EDITS = [change, replace, replace_the_folder, shrink, keep_size_and_mtime]


def by_name(path: str) -> str:
    return Path(path).read_text()


def by_path(path: Path) -> str:
    return path.read_text()


def tracked(path: list[str]) -> str:
    return Path(track_file(path[0])).read_text()


def of_a_folder(path: Path) -> str:
    return (path / "x").read_text()


WAYS: list[tuple[Callable[[Any], str], Callable[[Path], Any]]] = [
    (by_name, lambda folder: str(folder / "x")),
    (by_path, lambda folder: folder / "x"),
    (tracked, lambda folder: [str(folder / "x")]),
    (of_a_folder, lambda folder: folder),
]


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Time stands still for this process, but that a test moves it on."""
    now = [10**15]
    monkeypatch.setattr(mounts.time, "monotonic_ns", lambda: now[0])
    return now


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths whose content is read."""
    seen: list[str] = []
    original = files._digest_open
    monkeypatch.setattr(files, "_digest_open", lambda path: (seen.append(path), original(path))[1])
    return seen


@pytest.fixture
def settled(export: Export, still: list[int]) -> Callable[[], None]:
    """Have what was written there stay long enough, by the clock of the server too, for its stat to be believed."""
    export.write(".server/clock", "-3600")

    def settle() -> None:
        for folder, _, names in os.walk(export.there):
            for name in names:
                os.utime(os.path.join(folder, name), (1, 1))
        still[0] += files.YOUNG + 10**9

    return settle


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("calls", [1, 6], ids=["once", "often"])  # often: it is known to be a hit by its stats
@pytest.mark.parametrize("way", WAYS, ids=[fn.__name__ for fn, _ in WAYS])
def test_what_another_host_changed(
    tmp_path: Path, export: Export, settled: Any, reads: list[str], edit: Callable[[Export], None], calls: int, way: Any
) -> None:
    export.write("data/x", "first")
    fn, named = way
    argument = named(export.here / "data")
    with use_session(Session()):
        cached = cache_file(tmp_path / "cache", file_args=None if fn is not tracked else [])(fn)
        settled()
        assert cached(argument) == "first"
        settled()
        assert [cached(argument) for _ in range(calls)] == ["first"] * calls
        seen = len(reads)
        assert cached(argument) == "first"
        assert len(reads) == seen  # it went by the stats
        edit(export)
        assert cached(argument) == (export.there / "data/x").read_text()


def test_a_file_that_another_host_deleted(tmp_path: Path, export: Export, settled: Any) -> None:
    export.write("x", "first")
    path = str(export.here / "x")
    with use_session(Session()):

        @cache_file(tmp_path / "cache", warn_cheap=False)
        def has(path: str) -> bool:
            return os.access(path, os.F_OK)

        assert has(path)
        settled()
        assert [has(path) for _ in range(6)] == [True] * 6
        os.unlink(export.there / "x")
        assert not has.is_cached(path)


def test_a_new_process_asks_too(tmp_path: Path, export: Export) -> None:
    """With a file that is large enough for the memo, and long settled."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    export.write("x", "x" * 50_000)
    export.write(".server/clock", "-100")
    os.utime(export.there / "x", (1, 1))

    def run() -> str:
        command = [sys.executable, str(program), str(tmp_path / "cache"), str(export.here / "x")]
        return subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout

    assert run() == "runs\n50000\n"
    assert run() == "50000\n"
    export.write("x", "y" * 60_000)
    assert run() == "runs\n60000\n"


# ---- the clock of the server


@pytest.mark.parametrize("ahead", [-10**6, -3600, -10, 0, 10, 3600], ids="server{:+}s".format)
def test_a_file_that_changes_within_the_tick_of_its_server(export: Export, ahead: int, still: list[int]) -> None:
    """Its stat stays the same: who trusts it by a clock of its own is wrong for ever."""
    assert still
    export.write(".server/clock", str(ahead))
    export.write(".server/tick", "100000")
    export.write("x", "first")
    mine, path = Files(StatMemo()), str(export.here / "x")
    before = mine.digest(path)
    export.write("x", "other")
    assert mine.digest(path) != before


def test_a_digest_is_remembered_once_the_server_is_past_its_time(
    export: Export, still: list[int], reads: list[str]
) -> None:
    export.write(".server/clock", "-3600")
    export.write("x", "first")
    os.utime(export.there / "x", (1, 1))  # its ctime is another than its mtime: the server keeps one
    mine, path = Files(StatMemo()), str(export.here / "x")
    mine.digest(path)
    mine.digest(path)
    assert len(reads) == 2
    still[0] += files.YOUNG + 10**9
    mine.digest(path)
    mine.digest(path)
    assert len(reads) == 3


def test_a_server_without_ctime_is_read_each_time(export: Export, still: list[int]) -> None:
    """There a copy that keeps the mtime looks like no change at all."""
    export.write(".server/tick", "100000")  # both times are the same
    export.write("x", "first")
    mine, path = Files(StatMemo()), str(export.here / "x")
    before = mine.digest(path)
    still[0] += 10**12
    mine.digest(path)
    export.write("x", "other")
    assert mine.digest(path) != before


def test_declared(tmp_path: Path, export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Mounts().is_far(str(export.here / "x"))
    assert not Mounts().is_far(str(tmp_path / "x"))
    monkeypatch.setenv("CACHEPY_LOCAL_DIRS", str(export.here))
    assert not Mounts.of_environment().is_far(str(export.here / "x"))
    monkeypatch.setenv("CACHEPY_NETWORK_DIRS", os.pathsep.join([str(tmp_path), "/no/such/folder"]))
    assert Mounts.of_environment().is_far(str(tmp_path / "x"))


# ---- a client of NFS, as its kernel behaves: what is missing is remembered until the folder is opened


class Client:
    """Remembers the stat of each path below a folder, or that it is missing, until it is opened, or its folder is."""

    def __init__(self, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.top = str(top)
        self.known: dict[str, os.stat_result | OSError] = {}
        self.real_stat, self.real_open = os.stat, os.open
        for name in ("stat", "access", "open"):
            monkeypatch.setattr(os, name, getattr(self, name))
        for name in ("link", "mkdir", "rename", "replace", "rmdir", "unlink"):
            monkeypatch.setattr(os, name, self.told(getattr(os, name)))
        monkeypatch.setattr(fast, "stat", self.stat)
        monkeypatch.setattr(fast, "access", self.access)

    def is_mine(self, path: Any) -> bool:
        return isinstance(path, str) and (path + "/").startswith(self.top + "/")

    def stat(self, path: Any, **how: Any) -> os.stat_result:
        if not self.is_mine(path) or how:
            return self.real_stat(path, **how)
        if path not in self.known:
            try:
                self.known[path] = self.real_stat(path)
            except FileNotFoundError as error:
                self.known[path] = error
        found = self.known[path]
        if isinstance(found, OSError):
            raise found
        return found

    def access(self, path: Any, mode: int) -> bool:
        assert mode == os.F_OK
        try:
            self.stat(path)
        except (OSError, ValueError):
            return False
        return True

    def open(self, path: Any, flags: int, mode: int = 0o777, **how: Any) -> int:
        if self.is_mine(path):
            self.forget(path)
            for each in [p for p in self.known if os.path.dirname(p) == path]:  # its names are looked up again
                self.forget(each)
        return self.real_open(path, flags, mode, **how)

    def forget(self, path: Any) -> None:
        self.known.pop(path, None)

    def told(self, change: Callable[..., Any]) -> Callable[..., Any]:
        """What this client does itself it knows."""

        def changed(*paths: Any, **how: Any) -> Any:
            try:
                return change(*paths, **how)
            finally:
                for each in paths:
                    self.forget(each)

        return changed

    def elsewhere(self, do: Callable[[], object]) -> None:
        """Done on another host: this one is not told."""
        known = dict(self.known)
        do()
        self.known.clear()
        self.known.update(known)


@pytest.fixture
def nfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("CACHEPY_NETWORK_DIRS", str(tmp_path))
    client = Client(tmp_path / "nfs", monkeypatch)
    (tmp_path / "nfs").mkdir()
    return client


def found(path: Path | str) -> str:
    return Path(path).read_text() if Path(path).exists() else "nothing"


@pytest.mark.parametrize("calls", [1, 6])
@pytest.mark.parametrize("named", [str, Path, lambda path: [path]], ids=["name", "path", "inside"])
def test_a_file_that_another_host_made(tmp_path: Path, nfs: Client, named: Any, calls: int) -> None:
    path = tmp_path / "nfs" / "x"
    with use_session(Session()):

        @cache_file(tmp_path / "cache", warn_cheap=False)
        def looks(path: Any) -> str:
            return found(path[0] if isinstance(path, list) else path)

        assert [looks(named(path)) for _ in range(calls)] == ["nothing"] * calls
        assert str(path) in nfs.known
        nfs.elsewhere(lambda: path.write_text("new"))
        assert looks(named(path)) == "new"


@pytest.mark.parametrize("calls", [1, 6])
@pytest.mark.parametrize("depth", [0, 1], ids=["the call", "a call below it"])
def test_an_entry_that_another_host_replaced(
    tmp_path: Path, nfs: Client, calls: int, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ran the call again on purpose, for a reason that no digest sees."""

    def make() -> list[Callable[[int], int]]:
        cached = cache_file(tmp_path / "nfs" / "cache", ignore_globals=["UNSEEN"], warn_cheap=False)
        inner = cached(unseen)

        @cached
        def above(x: int) -> int:
            return inner(x) * 10

        return [inner, above]

    def force() -> None:
        with use_session(Session()):
            make()[0](0, _force=True)  # type: ignore[call-arg]  # an option of cachepy

    with use_session(Session()), warnings.catch_warnings():
        warnings.simplefilter("error")
        top = make()[depth]
        before = [top(0) for _ in range(calls)][-1]
        monkeypatch.setattr(sys.modules[__name__], "UNSEEN", 2)
        assert top(0) == before
        nfs.elsewhere(force)
        assert top(0) != before


UNSEEN = 1


def unseen(x: int) -> int:
    return UNSEEN + x
