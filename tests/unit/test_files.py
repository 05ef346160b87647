"""Digests of files and directories, and when the memo may be believed."""

from __future__ import annotations

import os
import threading
import time

import pytest

from cachepy.store import files
from cachepy.store.files import Files, StatMemo
from cachepy.store.fs import OWN_NAMES, OWN_TAG

BIG = b"x" * 20_000  # large enough for the memo on disk


@pytest.fixture
def reads(monkeypatch):
    """The paths whose content is read."""
    seen, original = [], files._digest_open
    monkeypatch.setattr(files, "_digest_open", lambda path: (seen.append(path), original(path))[1])
    return seen


@pytest.fixture
def later(monkeypatch):
    """As if all files were written long ago."""
    now = time.time_ns
    monkeypatch.setattr(files.time, "time_ns", lambda: now() + 10 * files.YOUNG)


def fresh():
    return Files(StatMemo())


def digest(path):
    return fresh().digest(str(path))


def write(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(path)


# ---- files


@pytest.mark.parametrize("size", [0, 1, files._CHUNK - 1, files._CHUNK, files._CHUNK + 1, 3 * files._CHUNK])
def test_all_of_the_content_counts(tmp_path, size):
    path = tmp_path / "x"
    seen = set()
    for content in (b"a" * size, b"a" * (size - 1) + b"b" if size else b"b"):
        seen.add(digest(write(path, content)))
    assert len(seen) == 2
    assert digest(write(tmp_path / "y", b"a" * size)) in seen


def test_an_old_file_is_read_once(tmp_path, reads, later):
    path, mine = write(tmp_path / "x"), fresh()
    assert mine.digest(path) == mine.digest(path)
    assert reads == [path]


def test_a_young_file_is_read_each_time(tmp_path, reads):
    path, mine = write(tmp_path / "x"), fresh()
    mine.digest(path)
    mine.digest(path)
    assert reads == [path, path]


def test_a_file_from_the_future_is_young(tmp_path, reads):
    path, mine = write(tmp_path / "x"), fresh()
    os.utime(path, (time.time() + 1000,) * 2)
    mine.digest(path)
    mine.digest(path)
    assert len(reads) == 2


def test_young_until_it_is_not(tmp_path, reads, monkeypatch):
    path, mine = write(tmp_path / "x"), fresh()
    born = max(os.stat(path).st_mtime_ns, os.stat(path).st_ctime_ns)
    for age, read in [(0, 1), (files.YOUNG, 2), (files.YOUNG + 1, 3), (files.YOUNG + 2, 3)]:
        monkeypatch.setattr(files.time, "time_ns", lambda age=age: born + age)
        mine.digest(path)
        assert len(reads) == read


def test_same_size_and_time_but_other_content(tmp_path, later):
    path, mine = write(tmp_path / "x", b"one"), fresh()
    before, st = mine.digest(path), os.stat(path)
    write(tmp_path / "x", b"two")
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))
    assert mine.digest(path) != before


def test_replaced_by_a_file_of_the_same_times(tmp_path, later):
    path, mine = write(tmp_path / "x", b"one"), fresh()
    before, st = mine.digest(path), os.stat(path)
    other = write(tmp_path / "y", b"two")
    os.utime(other, ns=(st.st_atime_ns, st.st_mtime_ns))
    os.replace(other, path)
    assert mine.digest(path) != before


def test_a_file_that_changes_while_it_is_read_is_not_remembered(tmp_path, monkeypatch, later):
    path, mine = write(tmp_path / "x"), fresh()
    original = files._digest_open

    def busy(name):
        before, found, after = original(name)
        return before, found, (*after[:3], after[3] + 1, after[4])

    monkeypatch.setattr(files, "_digest_open", busy)
    mine.digest(path)
    monkeypatch.setattr(files, "_digest_open", original)
    assert mine.memo.get(files.identity_of(os.stat(path))) is None


def test_nothing_there(tmp_path):
    assert digest(tmp_path / "x") is None
    assert digest("nul\0byte") is None
    write(tmp_path / "file")
    assert digest(tmp_path / "file" / "below") is None


def test_a_link_counts_by_its_target(tmp_path):
    write(tmp_path / "x")
    (tmp_path / "link").symlink_to("x")
    (tmp_path / "dangling").symlink_to("nothing")
    assert digest(tmp_path / "link") == digest(tmp_path / "x")
    assert digest(tmp_path / "dangling") is None


@pytest.mark.timeout(10)
def test_a_fifo_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert digest(tmp_path / "fifo").startswith("special:")
    assert digest(tmp_path) == digest(tmp_path)
    assert files._digest_open(str(tmp_path / "fifo"))  # it was a file when it was looked at


def test_devices_are_not_read():
    assert digest("/dev/zero") != digest("/dev/null")


@pytest.mark.parametrize("error", [PermissionError, OSError])
def test_unreadable(tmp_path, monkeypatch, error):
    path = write(tmp_path / "x")

    def refuse(*args):
        raise error

    monkeypatch.setattr(files.os, "open", refuse)
    assert digest(path) == "unreadable"


def test_gone_between_two_looks(tmp_path):
    path = write(tmp_path / "x")
    st = os.stat(path)
    os.unlink(path)
    assert fresh().content(path, st) == "gone"


# ---- the memo on disk


def memo(tmp_path):
    mine = fresh()
    mine.memo_file = str(tmp_path / "stat.memo")
    return mine


def learn(tmp_path, *paths):
    mine = memo(tmp_path)
    found = [mine.digest(path) for path in paths]
    mine.memo.flush(mine.memo_file)
    return found


def test_another_process_knows_it(tmp_path, reads, later):
    path = write(tmp_path / "x", BIG)
    assert learn(tmp_path, path) == learn(tmp_path, path)
    assert len(reads) == 1
    assert (tmp_path / "stat.memo").stat().st_size == files._ROW.size


def test_small_and_young_files_are_not_kept(tmp_path, later, monkeypatch):
    learn(tmp_path, write(tmp_path / "small"))
    monkeypatch.undo()
    learn(tmp_path, write(tmp_path / "young", BIG))
    assert not (tmp_path / "stat.memo").exists()


@pytest.mark.parametrize("cut", [1, 7, 30, files._ROW.size - 1])
def test_a_torn_end_costs_one_row(tmp_path, reads, later, cut):
    paths = [write(tmp_path / name, BIG) for name in "abc"]
    learn(tmp_path, *paths[:2])
    os.truncate(tmp_path / "stat.memo", 2 * files._ROW.size - cut)
    learn(tmp_path, paths[0], paths[2])
    del reads[:]
    learn(tmp_path, *paths)
    assert reads == [paths[1]]


@pytest.mark.parametrize("at", range(files._ROW.size))
def test_a_damaged_row_is_passed_over(tmp_path, later, at):
    path = write(tmp_path / "x", BIG)
    right = learn(tmp_path, path)
    data = bytearray((tmp_path / "stat.memo").read_bytes())
    data[at] ^= 1
    (tmp_path / "stat.memo").write_bytes(data)
    assert learn(tmp_path, path) == right


def test_a_memo_that_is_something_else(tmp_path, later):
    (tmp_path / "stat.memo").mkdir()
    path = write(tmp_path / "x", BIG)
    assert learn(tmp_path, path) == [digest(path)]


def test_flush_without_news_touches_nothing(tmp_path, later, monkeypatch):
    mine = memo(tmp_path)
    mine.digest(write(tmp_path / "x", BIG))
    mine.memo.flush(mine.memo_file)
    monkeypatch.setattr(files.os, "open", None)
    mine.memo.flush(mine.memo_file)


def test_flush_in_threads_loses_and_repeats_nothing(tmp_path):
    mine, path, count = StatMemo(), str(tmp_path / "stat.memo"), 400

    def learn_and_flush(part):
        for i in range(count):
            mine.put((part, i, 1 << 20, 0, 0), f"{i:032x}", 1 << 20)
            mine.flush(path)

    threads = [threading.Thread(target=learn_and_flush, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    mine.flush(path)
    rows = list(files._rows((tmp_path / "stat.memo").read_bytes()))
    assert len(rows) == len(dict(rows)) == 4 * count


def attached(tmp_path, data):
    path = tmp_path / "stat.memo"
    path.write_bytes(data)
    mine = StatMemo()
    mine.attach(str(path))
    return mine


def test_few_and_many_questions_find_the_same(tmp_path):
    known = {(1, i, 1 << 20, -i, i * i): f"{i:032x}" for i in range(50)}
    data = b"".join(files._row(*row) for row in known.items())
    mine = attached(tmp_path, data)
    for identity, digest in [*known.items(), *known.items()]:
        assert mine.get(identity) == digest == attached(tmp_path, data).get(identity)
        assert mine.get((2, *identity[1:])) is None is attached(tmp_path, data).get((2, *identity[1:]))


def test_a_row_is_found_behind_what_looks_like_it(tmp_path):
    wanted = (1, 2, 3, 4, 5)
    row, other = files._row(wanted, "ab" * 16), files._row((9, 2, 3, 4, 5), "cd" * 16)
    broken = row[:-1] + bytes([row[-1] ^ 1])
    shifted = b"\0" * 8 + row[:-8]
    for before in (b"", other, broken, shifted, shifted + other + broken):
        assert attached(tmp_path, before + row + row[:10]).get(wanted) == "ab" * 16
    assert attached(tmp_path, shifted + broken).get(wanted) is None


def test_numbers_of_strange_file_systems(tmp_path):
    """An inode of 64 bits has no place in a row; it is remembered in the process."""
    mine, path, identity = StatMemo(), str(tmp_path / "stat.memo"), (1, 1 << 63, 1 << 20, -5, 0)
    mine.put(identity, "ab" * 16, 1 << 20)
    mine.put((1, 2, 1 << 20, -5, 0), "cd" * 16, 1 << 20)
    mine.flush(path)
    assert mine.get(identity) == "ab" * 16
    again = StatMemo()
    again.attach(path)
    assert again.get(identity) is None and again.get((1, 2, 1 << 20, -5, 0)) == "cd" * 16


# ---- directories


@pytest.fixture
def tree(tmp_path):
    write(tmp_path / "t" / "a")
    write(tmp_path / "t" / "sub" / "b")
    return tmp_path / "t"


CHANGES = {
    "content": lambda t: write(t / "sub" / "b", b"other"),
    "new file": lambda t: write(t / "sub" / "c"),
    "new folder": lambda t: (t / "new").mkdir(),
    "renamed": lambda t: (t / "a").rename(t / "z"),
    "moved": lambda t: (t / "a").rename(t / "sub" / "a"),
    "gone": lambda t: (t / "a").unlink(),
    "file to folder": lambda t: ((t / "a").unlink(), (t / "a").mkdir()),
    "dangling link": lambda t: (t / "link").symlink_to("nothing"),
    "odd name": lambda t: open(os.fsencode(t) + b"/\xff\n1:x=", "wb").close(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_directory_counts_by_names_and_contents(tree, name):
    before = digest(tree)
    assert before == digest(tree) and before.startswith("dir:")
    CHANGES[name](tree)
    assert digest(tree) != before


@pytest.mark.parametrize("name", CHANGES)
def test_changes_below_show_in_the_same_process(tree, later, name):
    mine = fresh()
    before = mine.digest(str(tree))
    assert mine.digest(str(tree)) == before == digest(tree)
    CHANGES[name](tree)
    assert mine.digest(str(tree)) == digest(tree) != before


def test_each_member_is_looked_at_each_time(tree, later, reads):
    mine = fresh()
    before = mine.digest(str(tree))
    st = os.stat(tree / "a")
    write(tree / "a", b"y")
    os.utime(tree / "a", ns=(st.st_atime_ns, st.st_mtime_ns))
    del reads[:]
    assert mine.digest(str(tree)) != before
    assert reads == [str(tree / "a")]


def test_a_directory_does_not_count_by_its_place_or_times(tree, tmp_path):
    before = digest(tree)
    os.utime(tree / "a", (1, 1))
    tree.rename(tmp_path / "elsewhere")
    assert digest(tmp_path / "elsewhere") == before


@pytest.mark.timeout(10)
def test_links_back_up_end(tree):
    (tree / "sub" / "up").symlink_to(tree)
    (tree / "self").symlink_to("self")
    assert digest(tree) == digest(tree)


def test_a_folder_met_twice_is_no_loop(tree):
    (tree / "again").symlink_to("sub")
    before = digest(tree)
    write(tree / "sub" / "b", b"other")
    assert digest(tree) != before


def test_a_folder_that_cannot_be_listed(tree, monkeypatch):
    before, listed = digest(tree), os.scandir

    def refuse(path):
        if path.endswith("sub"):
            raise PermissionError
        return listed(path)

    monkeypatch.setattr(files.os, "scandir", refuse)
    assert digest(tree) != before


# ---- cache directories inside


def make_cache(path, tag=OWN_TAG):
    for name in OWN_NAMES:
        if name in {"code", "entries", "runs"}:
            write(path / name / "ab" / "x", os.urandom(4))
        else:
            write(path / name, os.urandom(4))
    write(path / "CACHEDIR.TAG", tag)


@pytest.mark.parametrize("below", ["cache", "sub/cache"])
def test_our_files_do_not_count(tree, below):
    before = digest(tree)
    make_cache(tree / below)
    assert digest(tree) == before
    make_cache(tree / below)
    assert digest(tree) == before


@pytest.mark.parametrize("below", ["", "cache"])
def test_files_beside_ours_count(tree, below):
    make_cache(tree / below)
    seen = {digest(tree)}
    for content in (b"1", b"2"):
        write(tree / below / "x.csv", content)
        seen.add(digest(tree))
    assert len(seen) == 3
    write(tree / below / "entries" / "ab" / "new")
    assert digest(tree) in seen


@pytest.mark.parametrize("tag", [b"", OWN_TAG.partition(b"\n")[0], b"something else"])
def test_the_cache_of_another_program_counts(tree, tag):
    make_cache(tree / "cache", tag)
    before = digest(tree)
    write(tree / "cache" / "graph.pkl", b"new")
    assert digest(tree) != before
