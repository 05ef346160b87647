"""cache_repair where it cannot or may not write, beside running calls, and of many entries."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from repairs import Program, first, flip, graph, listing, only

from cachepy import CachepyError, cache_repair, cache_tree_reset, cache_verify
from cachepy.core.model import Dep, Event, Trace
from cachepy.graph.graph import read_events
from cachepy.maintain import inspect, rewrite
from cachepy.maintain.quarantine import Aside
from cachepy.session import Session, use_session
from cachepy.store import journal
from cachepy.store.entries import Store
from cachepy.store.payload import pack
from tests.programs import Project

REPO = Path(__file__).parents[2]
LATE = {"id": "late:" + "1" * 32, "fname": "late", "hash": "1" * 32, "outfile": None, "run": "9" * 32}


@pytest.fixture(autouse=True)
def _own_session():
    with use_session(Session()):
        yield


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def program(root, tmp_path):
    made = Program(root, tmp_path)
    made.run()
    return made


# ---- errors and dry runs


def wreck(root):
    flip(only(root, "report-*.entry"), -1)
    flip(first(root, "read-*.old"), -1)
    first(root, "*.valid").write_bytes(b"\x80")
    flip(root / "graph.pkl", 50)
    (root / "stat.memo").write_bytes(b"torn")


def test_dry_run_changes_nothing_and_tells_the_same(program, root):
    wreck(root)
    before = listing(root)
    told = cache_repair(root, dry_run=True)
    assert listing(root) == before
    assert told.dry_run and "would be put aside" in str(told) and "would be rebuilt" in str(told)
    done = cache_repair(root)
    same = ("entries", "events", "rebuilt", "mended", "foreign")
    assert [getattr(told, f) for f in same] == [getattr(done, f) for f in same]
    assert [(m.path, m.why) for m in told.moved] == [(m.path, m.why) for m in done.moved]
    assert len(told.moved) == 5


READ_ONLY = """
import os, sys
from cachepy import CachepyError, cache_repair, cache_verify
cache_verify(ROOT), cache_repair(ROOT, dry_run=True)  # loads what they need
import cachepy.preload
os.setgid(65534), os.setuid(65534)
print(len(cache_verify(ROOT).problems), cache_repair(ROOT, dry_run=True).rebuilt)
try:
    cache_repair(ROOT)
except CachepyError as error:
    print(error)
"""


@pytest.mark.root  # only root can become somebody else
def test_a_directory_that_may_only_be_read():
    with tempfile.TemporaryDirectory() as name:
        folder, root = Path(name), Path(name, "cache")
        Program(root, folder).run()
        wreck(root)
        (folder / "main.py").write_text(f"ROOT = {str(root)!r}\n{READ_ONLY}")
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        before = listing(root)
        out = Project(folder).run("main.py")
        assert listing(root) == before
    first, second = out.lines
    assert first.endswith("True")
    assert second.startswith(f"cannot repair the cache at {root}: Permission denied")


def test_there_is_no_room_to_put_anything(program, root):
    wreck(root)
    (root / "broken").write_text("a file")
    before = (root / "graph.pkl").read_bytes()
    with pytest.raises(CachepyError, match=r"cannot repair the cache at .*broken"):
        cache_repair(root)
    assert (root / "graph.pkl").read_bytes() == before
    assert not list(root.rglob("*.tmp"))


# ---- beside running calls


def test_what_was_replaced_meanwhile_is_not_moved(program, root):
    path = only(root, "report-*.entry")
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    stamp = inspect.look(Store(str(root)), str(path)).stamp
    new = path.with_name("new")
    new.write_bytes(good)
    new.replace(path)
    aside = Aside(str(root), dry_run=False)
    aside.move(str(path), stamp, "torn")
    assert aside.moved == [] and path.read_bytes() == good
    assert not (root / "broken").exists()


def test_what_was_replaced_at_the_last_moment_is_given_back(program, root, monkeypatch):
    path = only(root, "report-*.entry")
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    real = os.rename

    def late(src, dst):
        new = path.with_name("new")
        new.write_bytes(good)
        new.replace(path)
        real(src, dst)

    monkeypatch.setattr(os, "rename", late)
    done = cache_repair(root)
    assert done.moved == () and path.read_bytes() == good


def test_it_is_given_back_where_there_are_no_links(program, root, monkeypatch):
    monkeypatch.delattr(os, "link")
    test_what_was_replaced_at_the_last_moment_is_given_back(program, root, monkeypatch)


def test_a_newer_one_than_what_was_moved_by_mistake_stays(program, root, monkeypatch):
    path = only(root, "report-*.entry")
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    real = os.rename

    def late(src, dst):
        path.unlink()
        path.write_bytes(b"another")
        real(src, dst)
        path.write_bytes(good)

    monkeypatch.setattr(os, "rename", late)
    (moved,) = cache_repair(root).moved
    assert path.read_bytes() == good and Path(moved.to).read_bytes() == b"another"


def test_a_record_that_waits_for_the_lock_is_not_lost(program, root):
    """The writer has the old file open and waits for its lock while the file is replaced."""
    fcntl = pytest.importorskip("fcntl")
    path = root / "graph.pkl"
    store = Store(str(root))
    event = read_events(str(path))[0][0]
    store.journal.append(event.wire())  # open from now on
    script = f"""
    import sys
    from cachepy.store.journal import Journal
    mine = Journal({str(path)!r})
    mine._open()
    print("open", flush=True)
    sys.stdin.readline()
    mine.append({event.replace(**LATE).wire()!r})
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(REPO)},
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "open\n"
        with path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            process.stdin.write("\n")
            process.stdin.flush()
            wait_until_blocked(process.pid)
            journal.write(str(path), [e.wire() for e in read_events(str(path))[0]])
        assert process.wait(30) == 0
    assert LATE["id"] in {e.id for e in read_events(str(path))[0]}


def test_what_was_added_to_the_old_file_is_carried_over(program, root, monkeypatch):
    """A file system without locks: a writer is between its look at the file and its write."""
    path = root / "graph.pkl"
    event = read_events(str(path))[0][0].replace(**LATE)
    path.write_bytes(path.read_bytes() + b"torn")
    real = rewrite._put

    with path.open("ab", buffering=0) as old:

        def write(*args):
            real(*args)
            old.write(journal.frame(event.wire()))

        monkeypatch.setattr(rewrite, "_put", write)
        done = cache_repair(root)
    events, damaged = read_events(str(path))
    assert LATE["id"] in {e.id for e in events} and not damaged
    assert done.events == len(events)


def test_a_writer_that_does_not_look_after_waiting_is_carried_over(program, root, monkeypatch):
    """As cachepy was before there was a repair: it has the lock of the old file and writes there."""
    fcntl = pytest.importorskip("fcntl")
    path = root / "graph.pkl"
    event = read_events(str(path))[0][0].replace(**LATE)
    path.write_bytes(path.read_bytes() + b"torn")
    with path.open("ab", buffering=0) as old:

        def wait_and_write():
            fcntl.flock(old, fcntl.LOCK_EX)
            old.write(journal.frame(event.wire()))

        thread = threading.Thread(target=wait_and_write, daemon=True)
        real = rewrite._put
        monkeypatch.setattr(rewrite, "_put", lambda *args: (thread.start(), real(*args)))
        monkeypatch.setattr(rewrite, "time", SimpleNamespace(sleep=lambda _: thread.join(10)))
        cache_repair(root)
    assert LATE["id"] in {e.id for e in read_events(str(path))[0]}


def test_a_repair_at_once_with_another(program, root, monkeypatch):
    """The file that was opened is not the one that lies there when the lock is had: open it anew."""
    path = root / "graph.pkl"
    before = graph(root)
    path.write_bytes(path.read_bytes() + b"torn")
    event = read_events(str(path))[0][0].replace(**LATE)
    real, seen = rewrite.lock, []

    def lock(fd, patience):
        if not seen:
            seen.append(fd)
            journal.write(str(path), [*(e.wire() for e in read_events(str(path))[0]), event.wire()])
        return real(fd, patience)

    monkeypatch.setattr(rewrite, "lock", lock)
    cache_repair(root)
    assert seen and graph(root).keys() == {*before, LATE["id"]}


def wait_until_blocked(pid):
    end = time.monotonic() + 20
    while f"FLOCK  ADVISORY  WRITE {pid} " not in Path("/proc/locks").read_text():
        if not Path("/proc/locks").exists():
            pytest.skip("no /proc/locks")
        assert time.monotonic() < end
        time.sleep(0.01)


WRITER = """
import os, sys, time
from cachepy.store.journal import Journal
number = int(sys.argv[1])
mine = Journal(PATH)
event = EVENT
at = 0
while not os.path.exists(STOP):
    key = f"{number:016x}{at:016x}"
    mine.append((f"f:{key}", "f", *event[2:4], key, key, *event[6:10], None, event[11], event[12] + 9, *event[13:]))
    at += 1
    time.sleep(0.001)
print(at)
"""


def test_writers_lose_nothing(program, root, tmp_path):
    path = root / "graph.pkl"
    before = graph(root)
    event = read_events(str(path))[0][0]
    text = WRITER.replace("PATH", repr(str(path))).replace("STOP", repr(str(tmp_path / "stop")))
    text = text.replace("EVENT", repr(event.wire()))
    project = Project(tmp_path)
    writers = [project.start("-c", text, n) for n in range(3)]
    try:
        for _ in range(12):
            with path.open("r+b") as file:  # the first record is the oldest, and comes back from its entry
                file.seek(20)
                file.write(os.urandom(4))
            assert cache_repair(root).rebuilt
            time.sleep(0.02)
    finally:
        (tmp_path / "stop").write_text("")
        counts = [int(project.finish(w, limit=60).stdout) for w in writers]
    assert min(counts) > 0
    cache_repair(root)
    ids = {e.id for e in read_events(str(path))[0]}
    assert {f"f:{n:016x}{i:016x}" for n, count in enumerate(counts) for i in range(count)} <= ids
    assert before.keys() <= ids


def test_beside_running_calls(program, root, tmp_path):
    """Calls go on, and afterwards the graph knows every one of them."""
    script = f"""
    import sys
    from pathlib import Path
    from cachepy import cache_file, cache_tree_nodes
    @cache_file({str(root)!r})
    def work(n, x):
        return n + x
    n = 0
    while not Path({str(tmp_path / "stop")!r}).exists():
        work(n, int(sys.argv[1]))
        n += 1
    print(n)
    """
    project = Project(tmp_path)
    project.write("work.py", script)
    workers = [project.start("-W", "error", "work.py", i) for i in range(2)]
    try:
        for _ in range(8):
            with (root / "graph.pkl").open("ab") as file:
                file.write(b"torn")
            done = cache_repair(root)
            assert done.rebuilt and len(done.moved) == 1, str(done)
    finally:
        (tmp_path / "stop").write_text("")
        outcomes = [project.finish(w, limit=60) for w in workers]
    total = sum(int(outcome.silent()) for outcome in outcomes)
    nodes = [n for n in graph(root).values() if n["fname"] == "work"]
    assert len(nodes) == total
    assert cache_verify(root).is_good


# ---- many


def test_the_graph_of_many_events_comes_back(root):
    """Made-up events of several runs, with notes: the graph file and the entries tell the same."""
    store = Store(str(root))
    now = time.time()
    for number in range(60):
        key = f"{number:032x}"[::-1]
        for run in range(number % 4 + 1):
            stamp = now + number + run
            event = Event(
                f"f:{key}", "f", "m", "f", key, f"{run:016x}{number:016x}",
                Trace((Dep("file", "x", str(run)),), (), f"r{number}-{run}"),
                {"x": f"r{number - 1}-0"}, {}, "", None, "/", stamp, 0.1, stamp, "o",
            )  # fmt: skip
            store.journal.append(store.put(event, pack(number)).wire())
        if number % 3 == 0:
            again = store.look(f"f:{key}").events[-1].replace(seen=now + 1000)
            store.set_valid(again.id, again.seen, again.run)
            store.journal.append(again.wire())
    before = graph(root)
    assert sum(len(n["inputs"]) for n in before.values()) > 20
    (root / "graph.pkl").unlink()
    cache_tree_reset()
    cache_repair(root)
    assert graph(root) == before
