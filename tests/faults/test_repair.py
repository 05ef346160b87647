"""cache_repair: the graph comes back from the entries, broken files are put aside, and nothing is ever lost."""

from __future__ import annotations

import hashlib
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

from cachepy import (
    CachepyError,
    cache_file,
    cache_info,
    cache_prune,
    cache_repair,
    cache_tree_load,
    cache_tree_nodes,
    cache_tree_reset,
    cache_tree_sync,
    cache_verify,
    store,
)
from cachepy.disk import claims, journal
from cachepy.disk import owner as owners
from cachepy.disk.entryfile import MAGIC, START
from cachepy.disk.handling import OWN_TAG
from cachepy.disk.payload import pack
from cachepy.errors import UsageError
from cachepy.graph import read_events
from cachepy.model import Dep, Event, Trace
from cachepy.session import Session, use_session
from cachepy.store import Store
from cachepy.upkeep import examine, rewrite
from cachepy.upkeep.aside import Aside

REPO = Path(__file__).parents[2]
LATE = {"id": "late:" + "1" * 32, "fname": "late", "hash": "1" * 32, "outfile": None, "run": "9" * 32}


@pytest.fixture(autouse=True)
def _own_session():
    with use_session(Session()):
        yield


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


class Program:
    """A small pipeline: nested calls, a flow edge, and a call with three runs of which an old one holds."""

    def __init__(self, root, folder):
        self.path = folder / "x"
        cf = cache_file(root, ignore_globals=["self", "read", "clean"])

        @cf
        def read(name):
            return Path(name).read_text()

        @cf
        def clean(text):
            return text * 40

        @cf
        def report(name):
            return len(clean(read(name)))

        self.read, self.clean, self.report = read, clean, report

    def run(self):
        for text in ("a" * 99, "b" * 99, "c" * 99, "a" * 99):
            self.path.write_text(text)
            self.report(str(self.path))
        self.clean(self.read(str(self.path)))


@pytest.fixture
def program(root, tmp_path):
    made = Program(root, tmp_path)
    made.run()
    return made


def graph(root):
    """The graph as another process reads it; a warning is an error (see filterwarnings)."""
    with use_session(Session()):
        cache_tree_sync(root)
        return cache_tree_nodes()


def listing(root):
    return {
        str(p): (hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else "", p.stat().st_mtime_ns)
        for p in [root, *root.rglob("*")]
    }


def contents(root):
    return sorted(p.read_bytes() for p in root.rglob("*") if p.is_file())


def only(root, pattern):
    (found,) = (p for p in root.rglob(pattern) if "broken" not in p.parts)
    return found


def first(root, pattern):
    return min(root.rglob(pattern))


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


# ---- the graph


def test_nothing_to_do(program, root):
    before = listing(root)
    done = cache_repair(root)
    assert not done.is_changed and (done.moved, done.mended, done.foreign, done.leftovers) == ((), (), (), ())
    assert done.entries == 5
    assert listing(root) == before
    assert str(done).startswith("5 whole entries; graph of ") and str(done).endswith(" kept")


def test_a_deleted_graph_comes_back(program, root):
    before = graph(root)
    assert len(before) == 5 and sum(len(n["inputs"]) for n in before.values()) > 0
    (root / "graph.pkl").unlink()
    done = cache_repair(root)
    assert done.rebuilt and done.moved == ()
    assert graph(root) == before
    assert done.events == len(read_events(str(root / "graph.pkl"))[0])
    assert not cache_repair(root).is_changed


def test_the_run_that_holds_wins_by_its_note(program, root):
    """Of the three runs of `read` the first holds again; without the note the newest would win."""
    before = graph(root)
    (root / "graph.pkl").unlink()
    for note in root.rglob("*.valid"):
        note.unlink()
    cache_repair(root)
    assert graph(root) != before


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: b"",
        lambda d: d[: len(d) // 2],
        lambda d: d[:-1],
        lambda d: bytes(len(d)),
        lambda d: d[:100] + bytes(300) + d[400:],
        lambda d: os.urandom(1000) + d,
        lambda d: d + journal.frame(("no", "event")),
        lambda d: b"not a graph",
    ],
)
def test_a_damaged_graph(program, root, damage):
    before = graph(root)
    path = root / "graph.pkl"
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    done = cache_repair(root)
    assert graph(root) == before
    if damaged:
        (moved,) = done.moved
        assert moved.path == str(path) and Path(moved.to).read_bytes() == damaged
        assert Path(moved.to).relative_to(root).parts[0::2] == ("broken", "graph.pkl")
    with use_session(Session()):
        cache_tree_load(root)
        assert cache_tree_nodes() == before
    assert cache_verify(root).is_good


def test_calls_that_went_stay_as_history(program, root):
    before = graph(root)
    for path in root.rglob("read-*"):
        path.unlink()
    data = (root / "graph.pkl").read_bytes()
    (root / "graph.pkl").write_bytes(data + b"torn")
    cache_repair(root)
    assert graph(root) == before
    assert [c.partition(":")[0] for c in cache_verify(root).missing] == ["read"]


def test_nothing_stored_and_a_damaged_graph(root):
    root.mkdir()
    (root / "CACHEDIR.TAG").write_bytes(OWN_TAG)
    (root / "graph.pkl").write_bytes(b"\0" * 50)
    done = cache_repair(root)
    assert done.rebuilt and done.events == 0
    cache_tree_load(root)
    assert cache_tree_nodes() == {}
    assert not cache_repair(root).is_changed


def test_the_rights_of_the_graph_stay(program, root):
    path = root / "graph.pkl"
    path.write_bytes(path.read_bytes() + b"x")
    path.chmod(0o664)
    cache_repair(root)
    assert path.stat().st_mode & 0o777 == 0o664


def test_a_moved_directory(program, root, tmp_path):
    before = {(i, *n["children"]) for i, n in graph(root).items()}
    root.rename(tmp_path / "other")
    (tmp_path / "other" / "graph.pkl").unlink()
    cache_repair(tmp_path / "other")
    nodes = graph(tmp_path / "other")
    assert {(i, *n["children"]) for i, n in nodes.items()} == before
    assert all(n["outfile"].exists() for n in nodes.values())


# ---- broken files


@pytest.mark.parametrize("name", ["report-*.entry", "read-*.entry", "clean-*.entry", "read-*.old", "report-*.old"])
@pytest.mark.parametrize("damage", ["value", "meta", "cut", "empty"])
def test_a_broken_file_is_put_aside(program, root, name, damage):
    before = graph(root)
    path = first(root, name)
    data = path.read_bytes()
    if damage in ("value", "meta"):
        flip(path, -1 if damage == "value" else 120)
    else:
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else b"")
    damaged = path.read_bytes()
    done = cache_repair(root)
    assert [m.path for m in done.moved] == [str(path)]
    assert Path(done.moved[0].to).read_bytes() == damaged
    assert Path(done.moved[0].to).parts[-3:] == path.parts[-3:]
    assert done.moved[0].why in str(done)
    assert graph(root) == before
    assert cache_verify(root).problems == ()
    assert not cache_repair(root).is_changed
    program.run()
    assert graph(root).keys() == before.keys()


def test_a_value_is_broken_and_the_graph_is_gone(program, root):
    """What the head of a broken file still tells stays known."""
    before = graph(root)
    flip(only(root, "report-*.entry"), -1)
    (root / "graph.pkl").unlink()
    cache_repair(root)
    assert graph(root).keys() == before.keys()


def test_an_older_value_is_gone(program, root):
    gone = first(root, "read-*.old")
    entry = only(root, "read-*.entry")
    gone.unlink()
    done = cache_repair(root)
    assert done.mended == (str(entry),) and done.moved == ()
    assert str(entry) in str(done)
    assert cache_verify(root).is_good
    assert not cache_repair(root).is_changed
    assert program.read(str(program.path)) == "a" * 99
    assert [p.name for p in root.rglob("*.claim")] == []


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("damage", ["gone", "broken"])
def test_other_older_values_stay_as_they_are(program, root, which, damage):
    olds = sorted(root.rglob("read-*.old"))
    other = olds.pop(1 - which)
    before = other.read_bytes()
    olds[0].unlink() if damage == "gone" else flip(olds[0], -1)
    assert cache_repair(root).mended == (str(only(root, "read-*.entry")),)
    assert other.read_bytes() == before


def test_a_mended_entry_keeps_all_else(program, root):
    entry = only(root, "read-*.entry")
    before = examine.EntryFile(str(entry))
    first(root, "read-*.old").unlink()
    cache_repair(root)
    after = examine.EntryFile(str(entry))
    assert bytes(after.pickle()) == bytes(before.pickle()) and after.call() == before.call() != b""
    rows = [row for row in store.rows_of(str(entry), before) if (entry.parent / row[1]).exists()]
    assert store.rows_of(str(entry), after) == rows and len(rows) > 1


def test_an_entry_whose_call_is_running_is_not_mended(program, root):
    first(root, "read-*.old").unlink()
    entry = only(root, "read-*.entry")
    before = entry.read_bytes()
    owner = claims.Claims()
    claim = owner.acquire(str(entry.with_suffix(".claim")))
    assert cache_repair(root).mended == ()
    assert entry.read_bytes() == before
    owner.release(claim)
    assert cache_repair(root).mended == (str(entry),)


def test_an_entry_that_is_replaced_meanwhile_is_not_mended(program, root, monkeypatch):
    first(root, "read-*.old").unlink()
    entry = only(root, "read-*.entry")
    real = claims.Claims.acquire

    def late(self, path):
        new = entry.with_name("new")
        new.write_bytes(entry.read_bytes())
        new.replace(entry)
        os.utime(entry, (1e9, 1e9))
        return real(self, path)

    monkeypatch.setattr(claims.Claims, "acquire", late)
    assert cache_repair(root).mended == ()
    assert entry.stat().st_mtime == 1e9


def test_a_directory_that_lost_its_mark(program, root):
    before = graph(root)
    (root / "CACHEDIR.TAG").unlink()
    (root / "graph.pkl").write_bytes(b"no record in it")
    cache_repair(root)
    assert graph(root) == before


def test_under_another_name(program, root):
    before = graph(root)
    path = only(root, "report-*.entry")
    wrong = path.with_name("other" + path.name)
    path.rename(wrong)
    (root / "graph.pkl").unlink()
    done = cache_repair(root)
    assert [m.path for m in done.moved] == [str(wrong)]
    assert graph(root).keys() == before.keys()
    assert program.report(str(program.path)) == 99 * 40


@pytest.mark.parametrize("pattern", ["*.valid", "code/*"])
def test_notes_and_code(program, root, pattern):
    path = first(root, pattern)
    path.write_bytes(b"\x80\x05broken")
    assert [m.path for m in cache_repair(root).moved] == [str(path)]
    assert cache_verify(root).is_good


def test_the_memo(program, root):
    rows = [examine.files._row((i, 2, 3, 4, 5), "ab" * 16) for i in range(3)]
    path = root / "stat.memo"
    path.write_bytes(rows[0] + os.urandom(64) + rows[2] + b"torn")
    damaged = path.read_bytes()
    done = cache_repair(root)
    assert path.read_bytes() == rows[0] + rows[2]
    assert [Path(m.to).read_bytes() for m in done.moved] == [damaged]
    assert cache_verify(root).is_good


def test_nothing_is_deleted(program, root):
    flip(only(root, "report-*.entry"), -1)
    flip(first(root, "read-*.old"), -1)
    first(root, "*.valid").write_bytes(b"\x80")
    flip(root / "graph.pkl", 50)
    (root / "stat.memo").write_bytes(b"torn")
    (root / "graph.size").unlink()  # that of the graph which is torn
    before = contents(root)
    mended = only(root, "read-*.entry").read_bytes()
    cache_repair(root)
    after = contents(root)
    assert [c for c in before if c not in after and c != mended] == []


def test_two_repairs_do_not_share_a_folder(program, root, monkeypatch):
    monkeypatch.setattr(time, "strftime", lambda _: "now")
    for _ in range(3):
        path = only(root, "report-*.entry")
        path.write_bytes(b"")
        cache_repair(root)
        program.run()
    assert sorted(p.name for p in (root / "broken").iterdir()) == ["now", "now-1", "now-2"]


def test_what_is_aside_is_known_to_the_rest(program, root, tmp_path):
    with use_session(Session()) as session:
        digest = session.files.digest(str(tmp_path))
    size = cache_info(root)["size"]
    path = only(root, "report-*.entry")
    path.write_bytes(path.read_bytes() + b"x")
    cache_repair(root)
    assert cache_info(root)["size"] == size + 1 + len(OWN_TAG)
    cache_prune(root, days_old=30)
    assert len([p for p in (root / "broken").rglob("*") if p.is_file() and p.name != "CACHEDIR.TAG"]) == 1
    cache_prune(root, days_old=0)
    assert not (root / "broken").exists()
    with use_session(Session()) as session:
        assert session.files.digest(str(tmp_path)) == digest


# ---- what is not ours


def test_foreign_files_stay(program, root):
    folder = only(root, "report-*.entry").parent
    foreign = {folder / "mine.entry": b"mine", folder / "zeros.entry": bytes(500), folder / "mine.valid": b"{}"}
    newer = bytearray(only(root, "report-*.entry").read_bytes())
    newer[len(MAGIC) - 1] += 1
    foreign[folder / "newer.entry"] = bytes(newer)
    for path, data in foreign.items():
        path.write_bytes(data)
    (folder / "notes.txt").write_text("mine")
    done = cache_repair(root)
    assert {Path(p.path) for p in done.foreign} == set(foreign)
    assert done.moved == () and not done.is_changed
    assert all(path.read_bytes() == data for path, data in foreign.items())
    assert "left alone" in str(done) and "mine.entry" in str(done)


@pytest.mark.parametrize("name", ["graph.pkl", "stat.memo"])
def test_a_folder_that_is_no_cache(tmp_path, name):
    (tmp_path / name).write_bytes(b"the user's own")
    before = listing(tmp_path)
    done = cache_repair(tmp_path)
    assert [p.path for p in done.foreign] == [str(tmp_path / name)]
    assert listing(tmp_path) == before


def test_nothing_there(tmp_path):
    done = cache_repair(tmp_path)
    assert not done.is_changed and (done.entries, done.events) == (0, 0)
    assert not list(tmp_path.iterdir())


def test_not_a_directory(tmp_path):
    (tmp_path / "f").write_text("x")
    with pytest.raises(UsageError, match="is a file"):
        cache_repair(tmp_path / "f")


def test_leftovers_are_named_only(program, root):
    folder = only(root, "report-*.entry").parent
    claim = folder / "report-x.claim"
    text = f"{owners.host_id()}\n{2**22 + 1}\n1\nt".encode()
    claim.write_bytes(START.pack(MAGIC, len(text)) + text)
    orphan = folder / f"gone-{'0' * 32}.{'1' * 16}.old"
    orphan.write_bytes(first(root, "*.old").read_bytes())
    os.utime(orphan, (1e9, 1e9))
    temporary = folder / "report-x.1.a.0.tmp"
    temporary.write_bytes(b"\x80\x05")
    os.utime(temporary, (1e9, 1e9))
    before = {p: d for p, d in listing(root).items() if p.endswith((".claim", ".tmp"))}
    done = cache_repair(root)
    assert set(map(str, (claim, temporary))) <= set(done.leftovers)
    assert "cache_prune() removes them" in str(done)
    assert {p: d for p, d in listing(root).items() if p.endswith((".claim", ".tmp"))} == before


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
        command = [sys.executable, str(folder / "main.py")]
        env = {**os.environ, "PYTHONPATH": str(REPO)}
        out = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert listing(root) == before
    assert out.returncode == 0, out.stderr
    first, second = out.stdout.splitlines()
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
    stamp = examine.look(Store(str(root)), str(path)).stamp
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
    from cachepy.disk.journal import Journal
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
from cachepy.disk.journal import Journal
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
    env = {**os.environ, "PYTHONPATH": str(REPO)}
    writers = [
        subprocess.Popen([sys.executable, "-c", text, str(n)], env=env, stdout=subprocess.PIPE, text=True)
        for n in range(3)
    ]
    try:
        for _ in range(12):
            with path.open("r+b") as file:  # the first record is the oldest, and comes back from its entry
                file.seek(20)
                file.write(os.urandom(4))
            assert cache_repair(root).rebuilt
            time.sleep(0.02)
    finally:
        (tmp_path / "stop").write_text("")
        counts = [int(w.communicate(timeout=60)[0]) for w in writers]
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
    (tmp_path / "work.py").write_text(textwrap.dedent(script))
    env = {**os.environ, "PYTHONPATH": str(REPO)}
    command = [sys.executable, "-W", "error", str(tmp_path / "work.py")]
    pipe = subprocess.PIPE
    workers = [subprocess.Popen([*command, str(i)], env=env, stdout=pipe, stderr=pipe, text=True) for i in range(2)]
    try:
        for _ in range(8):
            with (root / "graph.pkl").open("ab") as file:
                file.write(b"torn")
            done = cache_repair(root)
            assert done.rebuilt and len(done.moved) == 1, str(done)
    finally:
        (tmp_path / "stop").write_text("")
        outcomes = [w.communicate(timeout=60) for w in workers]
    assert [err for _, err in outcomes] == ["", ""]
    total = sum(int(out) for out, _ in outcomes)
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
