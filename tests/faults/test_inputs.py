"""Inputs that change while a call runs, and files that are edited behind the clock's back: never a stale value."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prelude import HEARING

from tests.programs import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY = Path("/dev/shm")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project(tmp_path, HEARING) as made:
        yield made


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder on the disk, and one on a file system in memory: they keep time in different ways."""
    if request.param == "disk":
        yield tmp_path
    elif not os.access(MEMORY, os.W_OK):
        pytest.skip("no file system in memory")
    else:
        with tempfile.TemporaryDirectory(dir=MEMORY) as name:
            yield Path(name)


# -- changes during the run

PREPARE = """
        os.makedirs("folder")
        for name in ("arg", "tracked", "folder/member", "declared", "below"):
            open(name, "w").write("old")
        os.environ["SETTING"] = "old"
        THING = ["old"]
        meddle = []

        def read(name):
            with open(name) as file:
                return file.read()

        @cache_file(ROOT)
        def child(name):
            return read(track_file(name))

        @cache_file(ROOT, depends_on_files=["declared"], env_vars=["SETTING"], ignore_globals=["meddle"])
        def f(path):
            track_file("tracked")
            track_file("folder")
            first = child("below")
            for change in meddle:
                thread = threading.Thread(target=change)
                thread.start()
                thread.join()
            got = [read(path), read("declared"), os.environ["SETTING"], THING[0], first, os.path.exists("tracked")]
            return got + [read("folder/" + n) for n in sorted(os.listdir("folder"))]

        def write(name, text):
            with open(name, "w") as file:
                file.write(text)

        def elsewhere(code):
            import subprocess
            subprocess.run([sys.executable, "-c", code], check=True)
"""

CHANGES = {
    # what a thread of the body writes is an output of the body
    "argument": "elsewhere('open(\"arg\", \"w\").write(\"new\")')",
    "argument deleted": "elsewhere('import os; open(\"arg\", \"w\").write(\"new\"); os.rename(\"arg\", \"x\"); open(\"arg\", \"w\").write(\"mew\")')",
    "tracked": "write('tracked', 'new')",
    "tracked deleted": "os.unlink('tracked')",
    "member": "write('folder/member', 'new')",
    "member added": "write('folder/more', 'new')",
    "member deleted": "os.unlink('folder/member')",
    "declared": "write('declared', 'new')",
    "environment": "os.environ['SETTING'] = 'new'",
    "global in place": "THING[0] = 'new'",
    "global rebound": "globals().update(THING=['new'])",
}


@pytest.mark.parametrize("what", CHANGES)
def test_changed_by_another_thread(project: Project, what: str) -> None:
    """A warning that names it, nothing stored; the next call runs again and is kept."""
    project.main(
        PREPARE
        + f"""
        from pathlib import Path
        meddle.append(lambda: exec({CHANGES[what]!r}, globals()))
        f(Path("arg"))
        assert len(heard) == 1 and heard[0][0] in ("ChangedInputWarning", "ChangedGlobalWarning"), heard
        assert any(w in heard[0][1] for w in ("arg", "tracked", "folder", "declared", "SETTING", "THING")), heard
        assert not any("f-" in os.path.basename(e) for e in entries()), entries()
        assert not f.is_cached(Path("arg")) and left() == []
        meddle.clear()
        now = f(Path("arg"))
        assert f.is_cached(Path("arg")) and f(Path("arg")) == now == f.__wrapped__(Path("arg")), now
        assert len(heard) == 1, heard
        """
    ).silent()


@pytest.mark.parametrize(
    "back",
    ["os.environ['SETTING'] = 'old'", "write('arg', 'old')", "write('tracked', 'old')", "THING[0] = 'old'"],
)
def test_changed_and_put_back_by_hand_afterwards(project: Project, back: str) -> None:
    """What was made of the new input is never given for the old one."""
    there = back.replace("'old'", "'new'")
    project.main(
        PREPARE
        + f"""
        meddle.append(lambda: exec({there!r}, globals()))
        seen = f("arg")
        meddle.clear()
        {back}
        assert f("arg") == f.__wrapped__("arg")
        """
    ).silent()


def test_the_file_of_a_child_changes_while_the_caller_runs(project: Project) -> None:
    """The child's result is of the old file: the caller's is right for it, and stale at once."""
    project.main(
        PREPARE
        + """
        meddle.append(lambda: write("below", "new"))
        assert f("arg")[4] == "old"
        meddle.clear()
        assert not f.is_cached("arg")
        assert f("arg")[4] == "new" and f.is_cached("arg")
        """
    ).silent()


# -- clocks


@pytest.mark.parametrize("seconds", [-10**9, -3600, -3, 3, 3600, 10**9])
@pytest.mark.parametrize("size", [100, 40_000])
def test_the_clock_steps(folder: Path, seconds: int, size: int) -> None:
    """The program's clock jumps between two edits, and so do the times of the file."""
    Project(folder, HEARING).main(
        f"""
        real, step = time.time_ns, [0]
        time.time_ns = lambda: real() + step[0]
        time.time = lambda: time.time_ns() / 1e9

        @cache_file(ROOT)
        def load(path):
            return open(path).read()[0]

        for k in range(6):
            letter = "abcdef"[k]
            open("data", "w").write(letter * {size})
            os.utime("data", ns=(0, real() + step[0]))
            assert load("data") == load("data") == letter
            step[0] += {seconds} * 10**9
            assert load("data") == letter
            with use_session(Session()):
                assert load("data") == letter
        """
    ).silent()


@pytest.mark.parametrize("rounds", [300, pytest.param(5000, marks=pytest.mark.stress)])
@pytest.mark.parametrize("size", [3, 20_000])
def test_two_edits_in_one_tick(folder: Path, rounds: int, size: int) -> None:
    """Of one size, at once after each other, each read in between; some from the future, some in another process."""
    Project(folder, HEARING).main(
        f"""
        @cache_file(ROOT)
        def load(path):
            return open(path).read()[:3]

        for k in range({rounds}):
            text = "%03d" % (k % 1000)
            open("data", "w").write(text.ljust({size}))
            if k % 7 == 0:
                os.utime("data", ns=(0, time.time_ns() + 10**12 * (k % 3)))
            if k % 50 == 0:
                with use_session(Session()):
                    assert load("data") == text
            assert load("data") == text, k
        """,
        limit=600,
    ).silent()


# -- behind the clock's back

LATER = """
        real = time.time_ns
        time.time_ns = lambda: real() + 20 * 10**9  # as if each file were written long ago: its digest is remembered

        @cache_file(ROOT)
        def load(path):
            with open(path, "rb") as file:
                return file.read(1).decode()

        @cache_file(ROOT)
        def names(path):
            return {n: open(os.path.join(path, n)).read(1) for n in sorted(os.listdir(path))}

        SIZE = int(sys.argv[1])

        def write(name, letter):
            with open(name, "w") as file:
                file.write(letter * SIZE)

        def fresh(call, *args):
            '''What this session says, a new one with the memo on disk, and a new process.'''
            import subprocess
            with use_session(Session()):
                new = call(*args)
            pid = os.fork()
            if pid == 0:
                with use_session(Session()):
                    os._exit(0 if call(*args) == call.__wrapped__(*args) else 1)
            assert os.waitpid(pid, 0)[1] == 0
            assert call(*args) == new
            return new
"""

EDITS = {
    "same size and mtime": "st = os.stat('data'); write('data', 'b'); os.utime('data', ns=(st.st_atime_ns, st.st_mtime_ns))",
    "mtime set back": "write('data', 'b'); os.utime('data', ns=(0, 0))",
    "mtime in the future": "write('data', 'b'); os.utime('data', ns=(0, 2**62))",
    "rsync -t": "write('new', 'b'); shutil.copystat('data', 'new'); os.replace('new', 'data')",
    "cp -p over it": "write('new', 'b'); shutil.copystat('data', 'new'); shutil.copy2('new', 'data')",
    "inode used again": (
        "st = os.stat('data'); os.unlink('data'); write('data', 'b'); os.utime('data', ns=(st.st_atime_ns, st.st_mtime_ns))"
    ),
    "through a hard link": "os.link('data', 'other'); write('other', 'b'); os.utime('other', ns=(0, 0))",
    "truncated and grown": "os.truncate('data', 0); write('data', 'b')",
    "a symlink switched": "write('b', 'b'); shutil.copystat('data', 'b'); os.rename('data', 'a'); os.symlink('b', 'data')",
    "swapped with another": "write('o', 'b'); shutil.copystat('data', 'o'); os.rename('data', 't'); os.rename('o', 'data')",
    "written in place": "fd = os.open('data', os.O_WRONLY); os.pwrite(fd, b'b', 0); os.close(fd); os.utime('data', ns=(0, 0))",
}


@pytest.mark.parametrize("size", [10, 40_000], ids=["small", "in the memo on disk"])
def test_edits_that_hide(folder: Path, size: int) -> None:
    """Each kind of edit in a folder of its own; the value is that of the file as it is."""
    rows = "".join(f"\n        def edit_{i}(): {code}" for i, code in enumerate(EDITS.values()))
    Project(folder, HEARING).main(
        f"""{LATER}
        {rows}

        for i, name in enumerate({list(EDITS)!r}):
            os.makedirs(f"case{{i}}")
            os.chdir(f"case{{i}}")
            write("data", "a")
            os.utime("data", ns=(0, 10**18))
            assert fresh(load, os.path.abspath("data")) == "a", name
            globals()[f"edit_{{i}}"]()
            assert fresh(load, os.path.abspath("data")) == "b", name
            os.chdir("..")
        """,
        size,
    ).silent()


@pytest.mark.parametrize("size", [10, 40_000], ids=["small", "in the memo on disk"])
def test_members_of_a_directory_are_swapped(folder: Path, size: int) -> None:
    Project(folder, HEARING).main(
        f"""{LATER}
        os.makedirs("d/sub")
        for name in ("x", "y", "sub/x"):
            write("d/" + name, name[0])
            os.utime("d/" + name, ns=(0, 10**18))

        @cache_file(ROOT)
        def look(path):
            return [open(os.path.join(track_file(path), n)).read(1) for n in ("x", "y", "sub/x")]

        def swap(a, b):
            os.rename(a, "t"); os.rename(b, a); os.rename("t", b)
            for name in ("d", "d/sub"):
                os.utime(name, ns=(0, 10**18))

        assert fresh(look, "d") == ["x", "y", "s"]
        swap("d/x", "d/y")
        assert fresh(look, "d") == ["y", "x", "s"]
        swap("d/x", "d/sub/x")
        assert fresh(look, "d") == ["s", "x", "y"]
        """,
        size,
    ).silent()


MAPPED = """
        import mmap

        def mapped(name):
            fd = os.open(name, os.O_RDWR)
            made = mmap.mmap(fd, 0)
            os.close(fd)
            return made

        write("data", "a")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who may write a file")
@pytest.mark.parametrize("size", [10, 40_000], ids=["small", "in the memo on disk"])
def test_edits_through_a_mapping_leave_no_trace_in_the_times(folder: Path, size: int) -> None:
    """A page that is dirty already may be written without any change of mtime or ctime."""
    Project(folder, HEARING).main(
        f"""{LATER}{MAPPED}
        view = mapped("data")
        view[0:1] = b"b"
        assert fresh(load, "data") == "b"
        before = os.stat("data")
        for letter in (b"c", b"d", b"e"):
            view[0:1] = letter
            assert fresh(load, "data") == letter.decode()
        after = os.stat("data")
        print((before.st_mtime_ns, before.st_ctime_ns) == (after.st_mtime_ns, after.st_ctime_ns))
        view.close()
        assert fresh(load, "data") == "e"
        view = mapped("data")  # from now on the digest is remembered; the first write of a new mapping shows
        time.sleep(0.02)
        view[0:1] = b"f"
        assert fresh(load, "data") == "f"
        view[0:1] = b"g"
        assert fresh(load, "data") == "g"
        """,
        size,
    ).silent()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who may write a file")
def test_a_mapping_of_another_process(folder: Path) -> None:
    Project(folder, HEARING).main(
        f"""{LATER}{MAPPED}
        asks, go = os.pipe()
        answers, done = os.pipe()
        pid = os.fork()
        if pid == 0:
            view = mapped("data")
            for letter in (b"b", b"c", b"d"):
                view[0:1] = letter
                os.write(done, b".")
                os.read(asks, 1)
            os._exit(0)
        for letter in "bcd":
            os.read(answers, 1)
            assert load("data") == letter == fresh(load, "data")
            os.write(go, b".")
        os.waitpid(pid, 0)
        """,
        40_000,
    ).silent()


@pytest.mark.root
@pytest.mark.skipif(sys.platform != "linux", reason="leases")
def test_a_mapping_of_ones_own_on_a_file_of_another_user(folder: Path) -> None:
    """No lease is granted on it; the mappings of this process are looked at."""
    Project(folder, HEARING).main(
        f"""{LATER}{MAPPED}
        os.chmod("data", 0o666)
        os.chmod(HERE, 0o777)
        load("data")
        for above in pathlib.Path(HERE).parents:
            if above.stat().st_mode & 1 == 0:
                sys.exit()  # that user may not come here
        view = mapped("data")
        shutil.rmtree(ROOT)
        os.seteuid(65534)
        files = Session().files
        view[0:1] = b"b"
        first = files.digest("data")
        view[0:1] = b"c"
        assert files.digest("data") != first
        """,
        40_000,
    ).silent()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has leases")
def test_asking_who_writes_disturbs_no_writer(folder: Path) -> None:
    """Somebody opens the file for writing all the time: neither side is stopped, killed or refused."""
    Project(folder, HEARING).main(
        f"""{LATER}
        write("data", "a")
        pid = os.fork()
        if pid == 0:
            try:
                for _ in range(20_000):
                    os.close(os.open("data", os.O_RDWR))
            except BaseException:
                os._exit(1)
            os._exit(0)
        from cachepy.store.files import Files, StatMemo
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            Files(StatMemo()).digest("data")
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            pass
        """,
        40_000,
    ).silent()
