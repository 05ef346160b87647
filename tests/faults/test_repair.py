"""cache_repair: the graph comes back from the entries, broken files are put aside, and nothing is ever lost."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from repairs import Program, first, flip, graph, listing, only

from cachepy import cache_info, cache_prune, cache_repair, cache_tree_load, cache_tree_nodes, cache_verify
from cachepy.errors import UsageError
from cachepy.graph.graph import read_events
from cachepy.maintain import inspect
from cachepy.session import Session, use_session
from cachepy.store import claims, entries, journal
from cachepy.store import owner as owners
from cachepy.store.entryfile import MAGIC, START
from cachepy.store.fs import OWN_TAG


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


def contents(root):
    return sorted(p.read_bytes() for p in root.rglob("*") if p.is_file())


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
    before = inspect.EntryFile(str(entry))
    first(root, "read-*.old").unlink()
    cache_repair(root)
    after = inspect.EntryFile(str(entry))
    assert bytes(after.pickle()) == bytes(before.pickle()) and after.call() == before.call() != b""
    rows = [row for row in entries.rows_of(str(entry), before) if (entry.parent / row[1]).exists()]
    assert entries.rows_of(str(entry), after) == rows and len(rows) > 1


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
    rows = [inspect.files._row((i, 2, 3, 4, 5), "ab" * 16) for i in range(3)]
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
