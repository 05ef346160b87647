"""A cache directory: what is put is found, whatever the function is called and the file system can."""

from __future__ import annotations

import errno
import os
import threading

import numpy as np
import pytest

from cachepy.core.model import CODE, FILE, Dep, Event, Trace
from cachepy.errors import EntryError
from cachepy.maintain import prune
from cachepy.store import entries, safe_pickle
from cachepy.store.codec import PACKED
from cachepy.store.codec import pack as packed
from cachepy.store.entries import Store
from cachepy.store.entryfile import EntryFile, assemble
from cachepy.store.fs import OWN_TAG
from cachepy.store.meta import meta_of, rows_of
from cachepy.store.payload import pack
from cachepy.store.sizes import KEEP

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def mine(tmp_path):
    return Store(str(tmp_path / "cache"))


def run_id(run):
    return f"{run:016x}" * 2


def event(run=0, *, fname="f", key=KEY, deps=None, created=1.0):
    deps = (Dep(FILE, "x", str(run)),) if deps is None else deps
    return Event(
        f"{fname}:{key}", fname, "m", fname, key, run_id(run), Trace(deps, (), str(run)), {}, {"x": str(run)},
        "/not/yet", None, "/", created, 0.5, created, "host:1:2",
    )  # fmt: skip


def put(mine, value, run=0, **more):
    return mine.put(event(run, **more), pack(value))


def values(mine, call="f:" + KEY):
    """All stored values, newest first."""
    stored = mine.look(call)
    return [mine.value(call, stored, i) for i in range(len(stored.events))]


def names(mine):
    return sorted(os.path.basename(p) for p in mine.files(""))


def test_nothing_there(mine):
    assert mine.look("f:" + KEY) is None
    assert not os.path.exists(mine.root)
    mine.forget("f:" + KEY)


def test_put_look_value(mine):
    kept = put(mine, {"a": [1]})
    assert kept.root == mine.root
    assert kept.outfile == f"entries/01/f-{KEY}.entry"
    assert os.path.exists(os.path.join(mine.root, kept.outfile))
    for reader in (mine, Store(mine.root)):
        stored = reader.look("f:" + KEY)
        assert stored.events == [kept]
        assert reader.look("f:" + KEY) is stored  # parsed once
        one, other = (reader.value("f:" + KEY, stored, 0) for _ in "ab")
        assert one == other == {"a": [1]} and one is not other
    assert names(mine) == [f"f-{KEY}.entry"]


def test_a_root_with_an_odd_name(tmp_path):
    for name in ("a b", "..x", "ü", "entries"):
        kept = put(Store(str(tmp_path / name)), 1)
        assert kept.outfile == f"entries/01/f-{KEY}.entry"


def test_older_traces_stay(mine):
    for run in range(4):
        put(mine, run, run)
        assert values(mine) == values(Store(mine.root)) == list(range(run, -1, -1))
    assert [e.run for e in mine.look("f:" + KEY).events] == [run_id(r) for r in (3, 2, 1, 0)]


def test_an_equal_trace_replaces_its_predecessor(mine):
    deps = (Dep(CODE, "m:f", "d"),)
    for run in range(3):
        put(mine, run, run, deps=deps)
        put(mine, "other", 9)
        put(mine, run, run, deps=deps)
        assert values(mine) == [run, "other"]
    assert len(names(mine)) == 2


def test_the_oldest_go(mine):
    for run in range(KEEP + 5):
        put(mine, run, run)
    assert values(mine) == list(range(KEEP + 4, 4, -1))
    assert len(names(mine)) == KEEP


def test_another_process_replaced_it(mine):
    other, old = Store(mine.root), "old" * 5000  # a smaller one is kept as soon as the entry is read
    put(mine, old)
    stored = mine.look("f:" + KEY)
    put(other, "new", 1)
    with pytest.raises(EntryError, match="replaced"):
        mine.value("f:" + KEY, stored, 0)
    assert values(mine) == ["new", old]


def test_a_small_value_is_that_of_the_trace_it_was_read_with(mine):
    put(mine, "old")
    stored = mine.look("f:" + KEY)
    put(Store(mine.root), "new", 1)
    assert mine.value("f:" + KEY, stored, 0) == "old"
    assert values(mine) == ["new", "old"]


NAMES = {
    "unicode": "größe",
    "lambda": "<lambda>",
    "long": "f" * 5000,
    "long unicode": "ü" * 5000,
    "path": "../../etc/passwd",
    "dots": "..",
    "colon": "a:b",
    "newline": "a\nb",
    "surrogate": "\udcff",
    "empty": "",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_functions(mine, name):
    fname = NAMES[name]
    put(mine, name, fname=fname)
    assert values(Store(mine.root), f"{fname}:{KEY}") == [name]
    (path,) = mine.files("")
    assert os.path.dirname(path) == os.path.join(mine.root, "entries", "01")
    assert os.path.basename(path).isascii() and len(os.path.basename(path)) < 110


def test_long_names_that_begin_alike(mine):
    for k in "ab":
        put(mine, k, fname="f" * 200 + k)
    assert [values(mine, "f" * 200 + f"{k}:{KEY}") for k in "ab"] == [["a"], ["b"]]


def test_names_that_only_differ_in_odd_characters(mine):
    put(mine, 1, fname="ä")
    with pytest.raises(EntryError, match="another call"):  # cannot happen: the key holds the name too
        mine.look("ö:" + KEY)


@pytest.mark.parametrize("error", [errno.EPERM, errno.EMLINK, errno.ENOTSUP])
def test_no_links_here(mine, monkeypatch, error):
    def refuse(*args):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(entries.os, "link", refuse)
    for run in range(3):
        put(mine, run, run)
    assert values(mine) == [2, 1, 0]


def test_neither_links_nor_room(mine, monkeypatch):
    def refuse(*args):
        raise OSError(errno.ENOSPC, "full")

    put(mine, 1, 1)
    monkeypatch.setattr(entries.os, "link", refuse)
    monkeypatch.setattr("shutil.copyfileobj", refuse)
    put(mine, 2, 2)
    assert values(mine) == [2]
    assert names(mine) == [f"f-{KEY}.entry"]


def test_full_disk_leaves_what_was_there(mine, monkeypatch):
    put(mine, 1, 1)

    def refuse(*args):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(entries.os, "replace", refuse)
    with pytest.raises(OSError, match="full"):
        put(mine, 2, 2)
    assert values(mine) == [1]
    prune.remove_leftovers(mine.root)
    assert names(mine) == [f"f-{KEY}.entry"]


def test_forget(mine):
    for run in range(3):
        put(mine, run, run)
    put(mine, 1, key="1" + KEY[1:])
    mine.set_valid("f:" + KEY, 1.0, "r")
    mine.forget("f:" + KEY)
    assert mine.look("f:" + KEY) is None
    assert names(mine) == [f"f-1{KEY[1:]}.entry"]


def test_forget_what_is_damaged(mine):
    path = os.path.join(mine.root, put(mine, 1).outfile)
    with open(path, "r+b") as file:
        file.truncate(30)
    mine.forget("f:" + KEY)
    assert not names(mine)


def row(run=0, **more):
    return packed(event(run, **more)), None


PICKLED = safe_pickle.dumps(event().wire())  # as an event is written that cannot be packed
FOREIGN = {
    "nothing": b"",
    "an empty list": safe_pickle.dumps([]),
    "no list": safe_pickle.dumps(3),
    "no rows": safe_pickle.dumps([3]),
    "no event": safe_pickle.dumps([(safe_pickle.dumps(("file", "x", "d")), None)]),
    "an event that is not packed": safe_pickle.dumps([(event().wire(), None)]),
    "text for a packed event": safe_pickle.dumps([(packed(event()).decode("latin-1"), None)]),
    "a packed event that is cut off": packed(event())[:-1],
    "a packed event with more behind it": packed(event()) + b"x",
    "a field too many": packed(event()).replace(b"\n", b"\n\n", 1),
    "a packed event of nothing": b"e",
    "a field of another type": safe_pickle.dumps(
        [(safe_pickle.dumps((*event().wire()[:5], 3, *event().wire()[6:])), None)]
    ),
    "a trace of another type": safe_pickle.dumps(
        [(safe_pickle.dumps((*event().wire()[:6], ((1,), (), ""), *event().wire()[7:])), None)]
    ),
    "a name of another type": safe_pickle.dumps([row(), (row()[0], 3)]),
    "an older value without a name": safe_pickle.dumps([row(), row(1)]),
    "an older value in another kind of file": safe_pickle.dumps([row(), (row(1)[0], "x.entry")]),
    "another call": packed(event(key="f" * 32)),
    "another call among the older": safe_pickle.dumps([row(), (row(1, key="f" * 32)[0], "x.old")]),
}
OF_ANOTHER_CALL = {"another call", "another call among the older"}


@pytest.mark.parametrize("name", FOREIGN)
def test_meta_that_is_not_that_of_this_call(mine, name):
    path = os.path.join(mine.root, put(mine, 1).outfile)
    with open(path, "wb") as file:
        file.writelines(assemble(FOREIGN[name], pack(1)))
    with pytest.raises(EntryError):
        mine.look("f:" + KEY)
    assert len(prune.cache_list(mine.root)) == (name in OF_ANOTHER_CALL)


ODD = event().replace(label={"x": "a\x1fb", "y\n": "\0"}, cwd="/a\nb")


@pytest.mark.parametrize("first", [event(), ODD], ids=["packed", "pickled"])
@pytest.mark.parametrize("second", [None, event(1), ODD.replace(run=run_id(1))], ids=["alone", "packed", "pickled"])
def test_meta_is_read_as_it_was_written(mine, first, second):
    """An event is packed if it can be, also among several, and reads the same."""
    older = [] if second is None else [(packed(second), "x.old")]
    path = str(mine.root) + "-x"
    with open(path, "wb") as file:
        file.writelines(assemble(meta_of(first, older), pack(1)))
    rows = rows_of(path, EntryFile(path))
    assert [(e, name) for e, name in rows[1:]] == [(second, "x.old")][: len(older)]
    assert rows[0] == (first, os.path.basename(path))
    assert (packed(first)[:1] == PACKED) == (first is not ODD)


def test_names_in_an_entry_stay_in_its_folder(mine, tmp_path):
    path = os.path.join(mine.root, put(mine, 1).outfile)
    for name in ("../../../secret", "../../../secret.old"):
        (tmp_path / name.rpartition("/")[2]).write_text("")
        with open(path, "wb") as file:
            file.writelines(assemble(safe_pickle.dumps([row(1), (row(2)[0], name)]), pack(1)))
        mine.forget("f:" + KEY)
        assert (tmp_path / name.rpartition("/")[2]).exists()
        put(mine, 1)


# ---- the directory


def test_the_tag_is_always_there(mine):
    os.makedirs(mine.root)
    tag = os.path.join(mine.root, "CACHEDIR.TAG")
    for _ in range(2):
        put(Store(mine.root), 1)
        with open(tag, "rb") as file:
            assert file.read() == OWN_TAG
        os.unlink(tag)


def test_the_tag_of_another_program_stays(mine):
    os.makedirs(mine.root)
    tag = os.path.join(mine.root, "CACHEDIR.TAG")
    with open(tag, "wb") as file:
        file.write(b"other")
    put(mine, 1)
    with open(tag, "rb") as file:
        assert file.read() == b"other"


def test_a_directory_that_was_removed_is_made_again(mine):
    import shutil

    put(mine, 1)
    shutil.rmtree(mine.root)
    assert mine.look("f:" + KEY) is None
    put(mine, 2)
    assert values(mine) == [2]
    assert os.path.exists(os.path.join(mine.root, "CACHEDIR.TAG"))


def test_a_prune_removes_the_folder_between_two_steps(mine, monkeypatch):
    prepare, left = Store.prepare, [1]

    def prepare_and_lose(self, call):
        prepare(self, call)
        if left and left.pop():
            os.rmdir(os.path.dirname(self.path_of(call)))

    monkeypatch.setattr(Store, "prepare", prepare_and_lose)
    put(mine, 1)
    assert values(mine) == [1]


def test_threads_that_write_one_entry(mine):
    errors = []

    def write(part):
        try:
            for run in range(20):
                put(mine, "x" * 100, part * 100 + run, deps=())
                mine.set_valid("f:" + KEY, 1.0, "r")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert values(mine) == ["x" * 100]
    assert not [name for name in names(mine) if name.endswith(".tmp")]


# ---- notes and code


def test_notes(mine):
    assert mine.valid("f:" + KEY) is None
    put(mine, 1)
    mine.set_valid("f:" + KEY, 2.5, "r")
    assert Store(mine.root).valid("f:" + KEY) == (2.5, "r")
    for data in (b"", b"x", safe_pickle.dumps(3), safe_pickle.dumps(("x", "y"))):
        with open(mine.valid_path("f:" + KEY), "wb") as file:
            file.write(data)
        assert mine.valid("f:" + KEY) is None


def test_code(mine):
    mine.put_code("d" * 32, b"one")
    mine.put_code("d" * 32, b"two")
    assert mine.get_code("d" * 32) == b"one"
    assert mine.get_code("e" * 32) is None


# ---- what is kept in memory, what is checked


def test_pickles_in_memory_are_bounded(mine, monkeypatch):
    monkeypatch.setattr(entries, "_PICKLES_TOTAL", 10_000)
    for i in range(40):
        put(mine, "x" * 1000, key=f"{i:032x}")
        for _ in range(2):
            assert values(mine, f"f:{i:032x}") == ["x" * 1000]
    assert sum(len(p) for s in mine._parsed.values() for p in s.pickles.values()) <= 10_000


def test_entries_in_memory_are_bounded(mine, monkeypatch):
    monkeypatch.setattr(entries, "_PARSED", 5)
    for i in range(12):
        put(mine, i, key=f"{i:032x}")
        assert values(mine, f"f:{i:032x}") == [i]
    assert len(mine._parsed) <= 5


@pytest.fixture
def checks(monkeypatch):
    """How often buffers were checked in full."""
    seen, original = [], entries.EntryFile._buffers

    def buffers(self, verify):
        seen.append(verify)
        return original(self, verify)

    monkeypatch.setattr(entries.EntryFile, "_buffers", buffers)
    return seen


def test_a_mapped_file_is_checked_once_in_each_state(mine, checks):
    put(mine, np.zeros(100_000))
    for reader in (mine, Store(mine.root)):
        for _ in range(3):
            values(reader)
    assert checks == [True] * 2  # and after that the places of the buffers are known
    put(mine, np.ones(100_000), 1)
    del checks[:]
    for _ in range(2):
        assert [v[0] for v in values(mine)] == [1, 0]
    assert checks == [True, True]


def test_a_mapped_value_is_the_callers_own_each_time(mine):
    put(mine, np.zeros(100_000))
    for _ in range(4):
        (value,) = values(mine)
        assert not value.any()
        value[:] = 7


def test_a_small_file_is_checked_each_time(mine, checks):
    put(mine, np.zeros(10_000))
    for _ in range(3):
        values(mine)
    assert checks == [True] * 3


def test_a_large_file_is_checked_on_demand(mine, checks, monkeypatch):
    monkeypatch.setattr("cachepy.store.entryfile._CHECKED", 1 << 19)
    put(mine, np.zeros(100_000))
    values(mine)
    monkeypatch.setenv("CACHEPY_VERIFY", "1")
    values(mine)
    values(mine)
    assert checks == [False, True, True]


def test_damage_after_the_first_load_is_seen_by_the_time(mine):
    path = os.path.join(mine.root, put(mine, np.zeros(100_000)).outfile)
    values(mine)
    with open(path, "r+b") as file:
        file.seek(-3, os.SEEK_END)
        file.write(b"\7")
    os.utime(path, (1, 1))
    with pytest.raises(EntryError, match="fails its checksum"):
        values(mine)
