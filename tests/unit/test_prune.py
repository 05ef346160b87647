"""Looking after a cache directory: what goes, what stays, and that nothing foreign is touched."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cachepy import (
    cache_file,
    cache_info,
    cache_list,
    cache_prune,
    cache_repair,
    cache_stats,
    cache_tree_nodes,
    cache_tree_sync,
    cache_verify,
)
from cachepy.core.model import CODE, Dep, Event, Trace
from cachepy.errors import CacheReadWarning, CacheWriteWarning, UsageError, UsageValueError
from cachepy.maintain import prune
from cachepy.session import Session, use_session
from cachepy.store import claims, journal, safe_pickle
from cachepy.store.codec import pack as packed
from cachepy.store.entries import Store
from cachepy.store.entryfile import MAGIC, assemble
from cachepy.store.layout import code_name
from cachepy.store.owner import Owner
from cachepy.store.payload import pack
from tests.programs import Project

DAY = 86400


@pytest.fixture(autouse=True)
def _own_session():
    with use_session(Session()):
        yield


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


def put(root, number, *, days=0, run=0, code="c" * 32, size=10):
    key, created = f"{number:032x}"[::-1], time.time() - days * DAY
    store = Store(str(root))
    trace = Trace((Dep(CODE, "m:f", code), Dep("file", "x", str(run))), (), "r")
    store.put_code(code_name(code, ["m:f"]), safe_pickle.dumps([]))
    return store.put(
        Event(
            f"f:{key}", "f", "m", "f", key, f"{run:016x}" * 2, trace, {}, {}, "", None, "/", created, 0.1, created, "o",
        ),
        pack("x" * size),
    )  # fmt: skip


def old(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


def files(root):
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


def test_all_of_a_used_cache_goes_but_the_record(root, tmp_path):
    path = tmp_path / "x"
    cf = cache_file(root, ignore_globals=["path"])

    @cf
    def child(name):
        return Path(name).read_text()

    @cf
    def parent(name):
        return child(name)

    for text in ("a", "b", "a"):
        path.write_text(text)
        parent(str(path))
    assert len(cache_prune(root, days_old=0, dry_run=True)) == 2
    assert len(cache_list(root)) == 2
    assert len(cache_prune(root, days_old=0)) == 2
    assert set(files(root)) <= {"CACHEDIR.TAG", "graph.pkl", "graph.size", "stat.memo"}
    assert not any((root / "entries").iterdir())
    assert parent(str(path)) == "a"
    assert len(cache_list(root)) == 2
    assert list((root / "code").iterdir())  # kept anew, though this session had kept it before


def test_by_age(root):
    for number, days in enumerate([40, 31, 29, 0]):
        put(root, number, days=days)
    assert len(cache_prune(root)) == 2
    assert len(cache_list(root)) == 2


def test_by_size_the_oldest_first(root):
    for number in range(6):
        put(root, number, days=10 - number, size=5000)
    size = cache_list(root)[0]["size"]
    gone = cache_prune(root, max_bytes=2 * size + 10)
    assert len(gone) == 4
    assert [round((time.time() - r["created"]) / DAY) for r in cache_list(root)] == [6, 5]
    assert len(cache_prune(root, max_bytes=0)) == 2


def test_many_entries_take_no_square_time(root, monkeypatch):
    class Fake:
        def __init__(self, number):
            self.path, self.written, self.size, self.files = str(number), number, 1, ["value"]

        def slim(self):
            return self

    monkeypatch.setattr(prune, "stock", lambda _: map(Fake, range(50_000)))
    root.mkdir()
    began = time.process_time()  # a busy machine is none of its fault
    assert len(cache_prune(root, max_bytes=10, dry_run=True)) == 50_000
    assert len(cache_prune(root, days_old=1e-9 + 3, max_bytes=10, dry_run=True)) == 50_000
    assert time.process_time() - began < 5


@pytest.mark.parametrize("value", [-1, float("nan"), -0.5])
def test_bad_ages(root, value):
    with pytest.raises(UsageValueError):
        cache_prune(root, days_old=value)
    with pytest.raises(UsageValueError):
        cache_prune(root, max_bytes=value)


@pytest.mark.parametrize("value", ["3", None, True])
def test_ages_that_are_none(root, value):
    with pytest.raises(UsageError):
        cache_prune(root, days_old=value)


def test_code_that_an_entry_needs_stays(root):
    for number, code in enumerate("abc"):
        put(root, number, code=code * 32, days=40 * (code == "b"))
    cache_prune(root)
    assert sorted(p.name[0] for p in (root / "code").iterdir()) == ["a", "c"]


def test_notes_go_with_their_entries(root):
    store = Store(str(root))
    events = [put(root, number, days=40 * number) for number in range(2)]
    for event in events:
        store.set_valid(event.id, 1.0, "r")
    cache_prune(root)
    assert store.valid(events[0].id) == (1.0, "r")
    assert store.valid(events[1].id) is None


def test_a_damaged_entry_goes_by_its_own_age(root):
    for number in range(3):
        with open(root / put(root, number).outfile, "r+b") as file:
            file.truncate(100)
    new, *others = (root / "entries").glob("*/*.entry")
    for path in others:
        old(path, 40 * DAY)
    assert cache_list(root) == []
    assert sorted(cache_prune(root)) == sorted(others)
    assert new.exists()
    assert cache_prune(root, days_old=0) == [new]


def test_an_older_value_that_no_entry_lists(root):
    for run in range(3):
        put(root, 1, run=run)
    folder = next((root / "entries").iterdir())
    stray = folder / next(folder.glob("*.old")).name.replace(".0000", ".ffff")
    stray.write_bytes(next(folder.glob("*.entry")).read_bytes())
    before = files(root)
    claim = Path(str(next(folder.glob("*.entry")))[:-6] + ".claim")
    mine = claims.Claims()
    held = mine.acquire(str(claim))
    prune.remove_leftovers(str(root))
    assert stray.exists()  # a run may be about to list it
    mine.release(held)
    assert prune.remove_leftovers(str(root)) == 1
    assert files(root) == [f for f in before if f != str(stray.relative_to(root))]


def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("start", [b"cachepy\1", MAGIC], ids=["of an older version", "of this version"])
def test_what_dead_writers_left(root, start):
    put(root, 1)
    folder = next((root / "entries").iterdir())
    dead, alive = dead_pid(), os.getpid()
    ages = {
        f"f-1.{dead}.ab.1.tmp": 100, f"f-2.{dead}.ab.2.tmp": 10, f"f-3.{alive}.ab.1.tmp": 100,
        f"f-4.{alive}.ab.1.tmp": 4000, "f-5.claim.break": 4000, "f-6.claim.break": 100, "f-7.claim.break": 1,
    }  # fmt: skip
    for name, age in ages.items():
        (folder / name).write_bytes(start + b"rest" if name.endswith("tmp") else safe_pickle.dumps(("h", 1, "1", "t")))
        old(folder / name, age)
    prune.remove_leftovers(str(root))
    left = {p.name[:3] for p in folder.iterdir() if not p.name.endswith(".entry")}
    assert left == {"f-2", "f-3", "f-7"}


def test_claims_of_the_dead(root):
    put(root, 1)
    folder = next((root / "entries").iterdir())
    me, other = Owner(), Owner()
    mine = claims.Claims()
    held = mine.acquire(str(folder / "a.claim"))
    other._text = other._text.replace(other.host.encode(), b"elsewhere")
    gone = Owner()
    gone._text = gone._text.replace(f"\n{gone.start}\n".encode(), b"\n1\n")
    for name, owner, age in [("b", other, 10), ("c", other, 4000), ("d", gone, 0), ("e", me, 0)]:
        path = folder / f"{name}.claim"
        path.write_bytes(owner.sign("t")[1])
        old(path, min(age, time.time()))
    old(folder / "a.claim", time.time())
    prune.remove_leftovers(str(root))
    # all but "b" are of this process; "e" was given back by it, and could not be removed
    assert sorted(p.stem for p in folder.glob("*.claim")) == ["a", "b"]
    mine.release(held)


@pytest.mark.parametrize("of_dead", [False, True])
def test_a_claim_with_its_entry_behind_it(root, of_dead, request):
    """Its writer died, or is, between giving the file the entry's name and giving up the claim."""
    event = put(root, 1)
    entry = root / event.outfile
    claim = entry.with_suffix(".claim")
    owner = Owner()
    if of_dead:
        owner._text = owner._text.replace(f"\n{owner.start}\n".encode(), b"\n1\n")
        _, block = owner.sign("t")
    else:
        request.addfinalizer(lambda: mine.release(held))
        mine = claims.Claims()
        held = mine.acquire(str(claim))
        block = held.block
        claim.unlink()
    entry.unlink()
    entry.write_bytes(b"".join(map(bytes, assemble(packed(event), pack("x"), b"", start=block))))
    os.link(entry, claim)
    (root / "graph.pkl").unlink(missing_ok=True)
    prune.remove_leftovers(str(root))
    assert claim.exists() != of_dead
    assert [e["id"] for e in cache_list(root)] == [event.id]
    assert (root / "graph.pkl").exists() == of_dead  # the record that its writer did not come to write
    assert len(cache_prune(root, days_old=0)) == of_dead


def test_a_running_call_is_left_alone(root):
    event = put(root, 1, days=40)
    mailbox = root / "runs" / "r"
    mailbox.parent.mkdir()
    mailbox.write_bytes(journal.frame(("file", "x", None)))
    old(mailbox, 3 * DAY)
    mine = claims.Claims()
    claim = mine.acquire(Store(str(root)).claim_path(event.id))
    assert cache_prune(root, days_old=0) == []
    assert mailbox.exists() and list((root / "code").iterdir())
    mine.release(claim)
    assert len(cache_prune(root, days_old=0)) == 1
    assert not mailbox.exists() and not (root / "code").exists()


def test_files_of_others_stay(root):
    put(root, 1)
    foreign = ["mine.csv", "entries/mine.csv", "entries/ab/mine.entry", "entries/ab/x.tmp", "entries/ab/x.y.old",
               "entries/ab/x.valid", "code/mine.py", "runs/mine.log"]  # fmt: skip
    for name in foreign:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("precious data")
        old(root / name, 90 * DAY)
    cache_prune(root, days_old=0)
    assert set(foreign) <= set(files(root))


def test_size_is_all_of_ours(root):
    root.mkdir()
    assert cache_info(root)["size"] == 0
    cf = cache_file(root)

    @cf
    def f(x):
        return x

    f(1)
    everything = sum((root / name).stat().st_size for name in files(root))
    (root / "mine.csv").write_text("x" * 1000)
    assert cache_info(root)["size"] == everything > cache_list(root)[0]["size"]


# ---------------------------------------------------------------- what cannot be deleted


def test_only_what_is_gone_is_told(root, monkeypatch):
    stays, goes = put(root, 1), put(root, 2)
    real = os.unlink

    def refuse(path, **options):
        if stays.hash in str(path):
            raise PermissionError(13, "Permission denied", path)
        real(path, **options)

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.warns(CacheWriteWarning, match="could not delete 1 entry: Permission denied") as seen:
        gone = cache_prune(root, days_old=0)
    assert len(seen) == 1
    assert [goes.hash in path.name for path in gone] == [True]
    assert [call["id"] for call in cache_list(root)] == [stays.id]


# ---------------------------------------------------------------- forget


def recorded(root, *events):
    store = Store(str(root))
    for event in events:
        store.journal.append_packed(packed(event))
    store.journal.close()
    return store


def known(root):
    with use_session(Session()):
        cache_tree_sync(root)
        return cache_tree_nodes()


def test_forgotten_calls_go_from_the_graph(root, tmp_path):
    cf = cache_file(root)

    @cf
    def read(name):
        return name * 99

    @cf
    def size(text):
        return len(text)

    @cf
    def report(name):
        return size(read(name))

    report("new")
    before, length = known(root), (root / "graph.pkl").stat().st_size
    recorded(root, *(put(root, number, days=60) for number in range(20)))
    assert len(known(root)) == 23
    assert len(cache_prune(root, forget=True, dry_run=True)) == 20
    assert len(known(root)) == 23
    assert len(cache_prune(root, forget=True)) == 20
    assert known(root) == before, "nodes, edges and flows of the others"
    assert (root / "graph.pkl").stat().st_size <= length
    assert report.is_cached("new")
    cache_prune(root, days_old=0)
    assert known(root).keys() == before.keys()
    assert cache_prune(root, forget=True) == []
    assert known(root) == {}


def test_of_each_run_the_newest_record_stays(root):
    event = put(root, 1)
    later = [event.replace(seen=event.seen + number) for number in range(50)]
    store = recorded(root, *later, event.replace(run="e" * 32))
    before = (root / "graph.pkl").stat().st_size
    assert cache_prune(root, forget=True) == []
    assert (root / "graph.pkl").stat().st_size * 20 < before
    events = [Event.unwire(record) for record in journal.read(store.journal.path)[0]]
    assert sorted((e.run, e.seen) for e in events) == [(event.run, event.seen + 49), ("e" * 32, event.seen)]
    whole = (root / "graph.pkl").read_bytes()
    cache_prune(root, forget=True)
    assert (root / "graph.pkl").read_bytes() == whole


@pytest.mark.parametrize("content", [b"data of somebody", None], ids=["foreign", "torn"])
def test_nothing_is_forgotten_in_a_file_that_is_not_whole(root, content):
    event = put(root, 1)
    path = Path(recorded(root, event, event.replace(id="f:" + "9" * 32)).journal.path)
    path.write_bytes(content or path.read_bytes()[:-3])
    before = path.read_bytes()
    with pytest.warns(CacheReadWarning, match="damaged, so nothing was forgotten"):
        cache_prune(root, forget=True)
    assert path.read_bytes() == before


def test_a_directory_without_a_graph_gets_none(root):
    root.mkdir()
    cache_prune(root, forget=True)
    assert not list(root.iterdir())
    put(root, 1)
    cache_prune(root, days_old=0, forget=True)
    assert not (root / "graph.pkl").exists()


def test_a_graph_that_cannot_be_replaced(root, monkeypatch):
    recorded(root, put(root, 1))

    def refuse(*_):
        raise PermissionError(13, "Permission denied", "graph.pkl")

    monkeypatch.setattr(journal, "write_packed", refuse)
    with pytest.warns(CacheWriteWarning, match="could not forget any call: Permission denied"):
        assert len(cache_prune(root, days_old=0, forget=True)) == 1


def test_calls_beside_a_prune_that_forgets(root, tmp_path):
    """Two processes store and record meanwhile: what has a value stays known."""
    script = tmp_path / "work.py"
    script.write_text(
        "import sys, time\nfrom pathlib import Path\nfrom cachepy import cache_file\n"
        f"@cache_file({str(root)!r}, warn_cheap=False)\ndef work(n, who):\n    return n\n"
        f"n = 0\nwhile not Path({str(tmp_path / 'stop')!r}).exists():\n    work(n, sys.argv[1])\n    n += 1\n    time.sleep(0.01)\n"
        "print(n)\n"
    )
    project = Project(tmp_path)
    workers = [project.start("-W", "error", script, who) for who in "ab"]
    try:
        for number in range(8):
            lost = put(root, 900 + number)
            recorded(root, lost)
            os.unlink(Store(str(root)).path_of(lost.id))
            cache_prune(root, forget=True)
            time.sleep(0.05)
    finally:
        (tmp_path / "stop").write_text("")
        outcomes = [project.finish(worker, limit=60) for worker in workers]
    counts = [int(outcome.silent()) for outcome in outcomes]
    assert min(counts) > 0
    nodes = [node["fname"] for node in known(root).values()]
    assert nodes == ["work"] * sum(counts)


LOOKS = [cache_info, cache_list, cache_stats, cache_prune, cache_verify, cache_repair]


@pytest.mark.parametrize("look", LOOKS, ids=lambda f: f.__name__)
def test_a_directory_that_does_not_exist_is_an_error_that_names_it(look, tmp_path, monkeypatch):
    missing = tmp_path / "no" / "cache"
    with pytest.raises(FileNotFoundError) as caught:
        look(missing)
    assert caught.value.filename == str(missing)
    assert str(missing) in str(caught.value)
    monkeypatch.setenv("CACHEPY_DIR", str(missing))
    with pytest.raises(FileNotFoundError):
        look()
    assert not missing.exists()


@pytest.mark.parametrize("look", LOOKS, ids=lambda f: f.__name__)
def test_a_file_in_place_of_a_directory_is_an_error_that_names_it(look, tmp_path):
    (tmp_path / "cache").write_text("")
    with pytest.raises(UsageError, match="cache is a file"):
        look(tmp_path / "cache")


def test_an_empty_directory_has_nothing_in_it(tmp_path):
    assert (cache_list(tmp_path), cache_prune(tmp_path)) == ([], [])
    assert cache_stats(tmp_path) == {
        "n_entries": 0, "total_size_mb": 0, "oldest": None, "newest": None, "by_function": {}, "dropped": [],
    }  # fmt: skip


def test_stats_and_rows_have_the_names_that_others_use_too(tmp_path):
    with use_session(Session()):

        @cache_file(tmp_path, warn_cheap=False)
        def oldest(x):
            return x

        @cache_file(tmp_path, warn_cheap=False)
        def size(x):
            return bytes(x)

        results = oldest(1), oldest(2), size(500_000)
    rows, stats, info = cache_list(tmp_path), cache_stats(tmp_path), cache_info(tmp_path)
    assert len(results) == stats["n_entries"] == info["entries"]
    assert all(row["file"] == row["path"] and row["file"].is_file() for row in rows)
    assert all(row["size_bytes"] == row["size"] for row in rows)
    assert stats["total_size_mb"] == sum(row["size_bytes"] for row in rows) / 1e6 > 0.5
    assert (stats["oldest"], stats["newest"]) == (info["oldest"], info["newest"])
    assert {name: row["entries"] for name, row in stats["by_function"].items()} == {"oldest": 2, "size": 1}
    assert stats["size"] == stats["by_function"]["size"]
