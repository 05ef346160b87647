"""cache_verify: every kind of damage is named, what is whole is not, and nothing on disk changes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from checked_files import flip, listing, only

from cachepy import Checked, cache_file, cache_verify
from cachepy.errors import UsageError, UsageValueError
from cachepy.maintain import inspect
from cachepy.session import Session, use_session
from cachepy.store import journal, safe_pickle
from cachepy.store.entries import Store
from cachepy.store.entryfile import MAGIC
from cachepy.store.layout import ENTRY, OLD


@pytest.fixture(autouse=True)
def session():
    with use_session(Session()) as mine:
        yield mine


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def used(root, tmp_path):
    """A cache with a small and a large entry, an older value, a note, a code record and a memo."""
    path = tmp_path / "x"
    cf = cache_file(root, ignore_globals=["path"])

    @cf
    def small(name):
        return Path(name).read_text()

    @cf
    def large(number):
        return np.arange(number, dtype=float)

    for text in ("a", "b", "a"):
        path.write_text(text)
        small(str(path))
    large(60_000)
    big = tmp_path / "big"
    big.write_bytes(bytes(20_000))
    os.utime(big, (1e9, 1e9))
    (root / "stat.memo").write_bytes(b"")
    memo = inspect.files._row((1, 2, 3, 4, 5), "ab" * 16)
    (root / "stat.memo").write_bytes(memo * 3)
    return root


def test_a_whole_cache(used):
    before = listing(used)
    checked = cache_verify(used)
    assert (checked.entries, checked.problems, checked.unrecorded, checked.missing) == (2, (), (), ())
    assert checked.bytes == sum(p.stat().st_size for p in used.rglob("*") if p.suffix in (ENTRY, OLD))
    assert checked.is_good
    assert str(checked).endswith("read: all whole")
    assert listing(used) == before


def test_nothing_there(tmp_path):
    checked = cache_verify(tmp_path)
    assert checked == Checked(0, 0, (), (), (), 0, 0, (), ())
    assert not list(tmp_path.iterdir())
    assert str(checked) == "0 entries, 0 B read: all whole"


def test_not_a_directory(tmp_path):
    (tmp_path / "f").write_text("x")
    with pytest.raises(UsageError, match="is a file"):
        cache_verify(tmp_path / "f")


@pytest.mark.parametrize(
    ("rerun", "error"), [(-1, UsageValueError), (True, UsageError), (1.5, UsageError), ("1", UsageError)]
)
def test_wrong_numbers(root, rerun, error):
    with pytest.raises(error, match="rerun"):
        cache_verify(root, rerun=rerun)


# ---- damage


@pytest.mark.parametrize("name", ["small-*.entry", "large-*.entry", "small-*.old"])
def test_every_flipped_byte_is_found(used, name):
    path = only(used, name)
    data = path.read_bytes()
    places = (
        range(len(data)) if len(data) < 3000 else [*range(0, 1000, 7), *range(1000, len(data), 4999), len(data) - 1]
    )
    store = Store(str(used))
    for at in places:
        flip(path, at)
        found = inspect.look(store, str(path))
        assert found.what, at
        state = "foreign" if at < len(MAGIC) - 1 else "other" if at < len(MAGIC) else "broken"
        assert found.state == state, at
        path.write_bytes(data)
    assert inspect.look(store, str(path)).what == ""


@pytest.mark.parametrize("name", ["small-*.entry", "large-*.entry", "small-*.old"])
@pytest.mark.parametrize("length", [0, 5, 8, 40, 200, -1])
def test_a_torn_file_is_ours_and_broken(used, name, length):
    path = only(used, name)
    path.write_bytes(path.read_bytes()[:length])
    (problem,) = cache_verify(used).problems
    assert problem.path == str(path)
    assert problem.call.startswith(name.partition("-")[0] + ":")
    assert inspect.look(Store(str(used)), str(path)).state == "broken"


def test_zeros_in_the_middle_and_everywhere(used):
    path = only(used, "large-*.entry")
    data = path.read_bytes()
    path.write_bytes(data[:4096] + bytes(4096) + data[8192:])
    assert "fails its checksum" in cache_verify(used).problems[0].what
    path.write_bytes(bytes(len(data)))
    assert "is not a cachepy entry" in cache_verify(used).problems[0].what


def test_the_problem_is_told_in_one_line(used):
    flip(only(used, "large-*.entry"), -1)
    checked = cache_verify(used)
    assert not checked.is_good
    first, second, *rest = str(checked).splitlines()
    assert first.endswith("read: 1 problem")
    assert second.strip() == f"{checked.problems[0]}"
    assert "a buffer of the stored value fails its checksum" in second
    assert rest == []


def test_the_kept_arguments_are_checked_too(used):
    path = only(used, "small-*.entry")
    data = path.read_bytes()
    flip(path, len(data) - 1)  # the last part of a small entry
    assert "arguments" in cache_verify(used).problems[0].what


def test_an_older_value_is_gone(used):
    only(used, "*.old").unlink()
    (problem,) = cache_verify(used).problems
    assert problem.path == str(only(used, "small-*.entry"))
    assert "its older value" in problem.what and "is gone" in problem.what


@pytest.mark.parametrize("name", ["small-*.entry", "small-*.old"])
def test_under_another_name(used, name):
    path = only(used, name)
    other = path.with_name(path.name.replace("small-", "other-"))
    other.write_bytes(path.read_bytes())
    (problem,) = cache_verify(used).problems
    assert problem.path == str(other)
    assert problem.what.startswith("holds small('") and problem.what.endswith("another call than its name says")


def test_an_older_value_that_is_another_run(used):
    path = only(used, "small-*.old")
    path.write_bytes(only(used, "small-*.entry").read_bytes())
    assert [p.path for p in cache_verify(used).problems] == [str(path)]


@pytest.mark.parametrize("kind", ["*.valid", "code"])
@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\x80",
        b"\x80\x05K\x01.",
        safe_pickle.dumps((1, 2)),
        safe_pickle.dumps(("code", b"x")),
        b"text",
        b"\0" * 40,
    ],
)
def test_notes_and_code(used, kind, damage):
    path = min((used / "code").iterdir()) if kind == "code" else only(used, kind)
    path.write_bytes(damage)
    (problem,) = cache_verify(used).problems
    assert (problem.path, "damaged" in problem.what) == (str(path), True)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.98])
def test_a_flipped_byte_in_code_is_found(used, share):
    """In the pieces, and in what is known of the files."""
    path = min((used / "code").iterdir())
    flip(path, int(path.stat().st_size * share))
    assert [p.path for p in cache_verify(used).problems] == [str(path)]


@pytest.mark.parametrize("at", [0, 70, 150])
def test_the_memo(used, at):
    flip(used / "stat.memo", at)
    (problem,) = cache_verify(used).problems
    assert problem.what.startswith("1 of its rows")


def test_a_torn_memo(used):
    path = used / "stat.memo"
    path.write_bytes(path.read_bytes()[:-3])
    assert cache_verify(used).problems[0].what.startswith("1 of its rows")


@pytest.mark.parametrize("damage", [lambda d: d[:-3], lambda d: d[:40] + bytes(60) + d[100:], lambda d: bytes(len(d))])
def test_the_graph(used, damage):
    path = used / "graph.pkl"
    path.write_bytes(damage(path.read_bytes()))
    (problem,) = cache_verify(used).problems
    assert problem.path == str(path) and "is damaged in 1 place" in problem.what


def test_a_record_that_is_no_event(used):
    with (used / "graph.pkl").open("ab") as file:
        file.write(journal.frame(("other", 1)))
    assert "is damaged in 1 place" in cache_verify(used).problems[0].what


def test_unrecorded_and_missing_are_no_damage(used):
    os.unlink(only(used, "large-*.entry"))
    checked = cache_verify(used)
    assert checked.is_good and [c.partition(":")[0] for c in checked.missing] == ["large"]
    (used / "graph.pkl").unlink()
    checked = cache_verify(used)
    assert checked.is_good and [c.partition(":")[0] for c in checked.unrecorded] == ["small"]
    assert "1 stored but not in the graph" in str(checked)


def test_foreign_files(used):
    (used / "entries" / "README.entry").write_text("not in a folder")
    folder = only(used, "small-*.entry").parent
    (folder / "notes.txt").write_text("mine")
    (folder / "mine.entry").write_text("mine")
    (folder / "folder.entry").mkdir()
    os.mkfifo(folder / "pipe.entry")
    found = {Path(p.path).name: p.what for p in cache_verify(used).problems}
    assert found == {
        "mine.entry": "is not a cachepy entry",
        "folder.entry": "is not a regular file",
        "pipe.entry": "is not a regular file",
    }


def test_a_file_that_may_not_be_read(used, monkeypatch):
    path = str(only(used, "large-*.entry"))
    real = inspect.EntryFile

    def refuse(name, *rest):
        if name == path:
            raise PermissionError(13, "Permission denied", name)
        return real(name, *rest)

    monkeypatch.setattr(inspect, "EntryFile", refuse)
    (problem,) = cache_verify(used).problems
    assert (problem.path, problem.what) == (path, "cannot be read: Permission denied")


def test_no_value_is_unpickled(used, monkeypatch):
    def load(*_, **__):
        raise AssertionError("a value was loaded")

    monkeypatch.setattr("cachepy.store.entryfile.load_value", load)
    monkeypatch.setattr("cachepy.store.entries.load_value", load)
    monkeypatch.setattr("cachepy.store.entryfile.short_pickle.loads", load)
    monkeypatch.setattr("_pickle.loads", load)
    assert cache_verify(used).is_good


def test_progress(used):
    seen = []
    cache_verify(used, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
    assert {total for _, total in seen} == {len(seen)}
