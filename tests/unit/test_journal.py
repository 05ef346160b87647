"""The journal: whatever happens to the file, whole records are read and no code runs."""

from __future__ import annotations

import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from opened import opened_below

from cachepy.core.model import CALL, FILE, Dep, Event, Trace
from cachepy.errors import GraphFileError
from cachepy.graph import graph
from cachepy.store import journal
from cachepy.store.journal import MARK, Journal, frame, is_dep, is_event, read
from tests.programs import Project

RECORDS = [("a", 1), {"b": (None, 2.5)}, "c" * 1000, ["d"], MARK * 3]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "graph.pkl")


def fill(path, records=RECORDS):
    mine = Journal(path)
    for record in records:
        mine.append(record)
    mine.close()
    with open(path, "rb") as file:
        return file.read()


def test_round_trip(path):
    fill(path)
    assert read(path) == (RECORDS, False)
    journal.write(path, RECORDS[:2])
    assert read(path) == (RECORDS[:2], False)


def test_nothing_there(path):
    with pytest.raises(FileNotFoundError):
        read(path)
    open(path, "wb").close()
    assert read(path) == ([], False)


def test_torn_tail(path):
    data = fill(path)
    ends = [0]
    for record in RECORDS:
        ends.append(ends[-1] + len(frame(record)))
    for length in range(len(data)):
        with open(path, "wb") as file:
            file.write(data[:length])
        whole = sum(end <= length for end in ends[1:])
        assert read(path) == (RECORDS[:whole], length not in ends)


def test_appending_behind_a_torn_tail(path):
    data = fill(path)
    for length in range(len(data) - len(frame(RECORDS[-1])), len(data)):
        with open(path, "wb") as file:
            file.write(data[:length])
        fill(path, ["new"])
        found, _ = read(path)
        assert found == [*RECORDS[:-1], "new"]


def test_damage_in_the_middle(path):
    data = bytearray(fill(path))
    second = len(frame(RECORDS[0]))
    for at in range(second, second + len(frame(RECORDS[1]))):
        for mask in (0x01, 0xFF):
            data[at] ^= mask
            with open(path, "wb") as file:
                file.write(data)
            assert read(path) == ([RECORDS[0], *RECORDS[2:]], True)
            data[at] ^= mask


@pytest.mark.parametrize("noise", [b"\0" * 4096, b"noise", MARK, MARK + b"\xff" * 20, MARK + b"\0" * 3])
def test_noise_between_records(path, noise):
    with open(path, "wb") as file:
        file.write(noise + frame(1) + noise + frame(2) + noise)
    assert read(path) == ([1, 2], True)


WRITER = """
import sys
from cachepy.store.journal import Journal
mine = Journal(sys.argv[1])
for i in range(300):
    mine.append((sys.argv[2], i, "x" * (i * 37 % 9000)))
"""


def test_processes_lose_nothing_of_each_other(path):
    project = Project(Path(path).parent)
    for writer in [project.start("-c", WRITER, path, name) for name in "abc"]:
        project.finish(writer)
    found, damaged = read(path)
    assert not damaged
    for name in "abc":
        assert [i for who, i, _ in found if who == name] == list(range(300))


def test_threads_share_a_journal(path):
    mine = Journal(path)
    threads = [threading.Thread(target=lambda k=k: [mine.append((k, i)) for i in range(200)]) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found, damaged = read(path)
    assert not damaged and sorted(found) == [(k, i) for k in range(4) for i in range(200)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_opens_its_own(path):
    mine = Journal(path)
    mine.append("parent")
    child = os.fork()
    if child == 0:
        mine.append("child")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    mine.append("again")
    assert read(path) == (["parent", "child", "again"], False)


def test_a_file_that_was_deleted_is_made_again(path):
    mine = Journal(path)
    mine.append(1)
    os.unlink(path)
    mine.append(2)
    assert read(path) == ([2], False)


def test_a_file_that_was_replaced(path):
    mine = Journal(path)
    mine.append(1)
    journal.write(path, [1, 2])
    mine.append(3)
    assert read(path) == ([1, 2, 3], False)


def test_a_file_that_was_moved_is_noticed_soon(path, monkeypatch):
    mine = Journal(path)
    mine.append(1)
    os.rename(path, path + ".bak")
    monkeypatch.setattr(journal, "_LOOK_AGAIN", 0.0)
    mine.append(2)
    assert read(path) == ([2], False)
    assert read(path + ".bak") == ([1], False)


def test_no_room_for_the_file(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        Journal(str(tmp_path / "no" / "graph.pkl")).append(1)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("bomb",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_code_runs(path, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for value in (Bomb(), os.getcwd, [Bomb()]):
        with monkeypatch.context() as patch:
            patch.setattr(journal.safe_pickle, "dumps", lambda value: pickle.dumps(value, protocol))
            data = frame(value)
        with open(path, "wb") as file:
            file.write(frame(1) + data + frame(2))
        assert read(path) == ([1, 2], True)
        assert not os.path.exists("bomb")


def test_write_keeps_the_old_file_when_it_fails(path):
    fill(path)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        journal.write(path, [1, lambda: 0])
    assert read(path) == (RECORDS, False)
    assert os.listdir(os.path.dirname(path)) == ["graph.pkl"]


# ---- which records are events


KEY = "0" * 32
EVENT = Event(
    "f:" + KEY, "f", "m", "f", KEY, "r", Trace((Dep(FILE, "x", None),), (Dep(CALL, "g:" + KEY, "d"),), "res"), {"a": "d"},
    {"a": "3"}, "/root", f"entries/00/f-{KEY}.entry", "/", 1.0, 2.0, 3.0, "host:1:2",
)  # fmt: skip
WRONG = [None, 3, 2.5, "text", b"bytes", (), (1,), ("a", "b", "c"), [], {}, {"a": 1}, {1: "a"}, {"a": ()}, True]


def test_events_and_deps():
    assert is_event(EVENT.wire())
    assert is_event(EVENT.replace(outfile=None, created=1, args={}).wire())
    assert is_dep(("file", "x", None)) and not is_dep(("file", "x")) and not is_dep(["file", "x", None])


@pytest.mark.parametrize("field", range(len(EVENT.wire())))
def test_an_odd_field_breaks_no_query(path, field):
    for wrong in WRONG:
        record = list(EVENT.wire())
        record[field] = wrong
        journal.write(path, [tuple(record)])
        events, damaged = graph.read_events(path)
        assert damaged == (not events)
        found = graph.Graph()
        found.replace(events)
        found.apply(EVENT)
        found.nodes(), found.files(), found.for_file("x"), found.run_of("f:1")


@pytest.mark.parametrize("record", [*WRONG, EVENT.wire()[:-1], (*EVENT.wire(), 1), list(EVENT.wire())], ids=repr)
def test_other_records_are_no_graph(path, record):
    assert not is_event(record)
    journal.write(path, [EVENT.wire(), record])
    assert graph.read_events(path) == ([EVENT], True)
    with pytest.raises(GraphFileError, match=r"graph\.pkl"):
        graph.load_events(path)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files in /proc")
def test_few_of_many_journals_are_open(tmp_path):
    made = [journal.Journal(str(tmp_path / str(i))) for i in range(100)]
    for _ in range(3):
        for each in made:
            each.append(1)
    assert opened_below(tmp_path) == journal._MOST_OPEN
    assert all(journal.read(each.path) == ([1, 1, 1], False) for each in made)


def test_a_journal_that_is_closed_by_others_loses_nothing(tmp_path):
    """Threads add to more journals than are open, so that each closes what another one is about to write to."""
    made = [journal.Journal(str(tmp_path / str(i))) for i in range(3 * journal._MOST_OPEN)]

    def add(number: int) -> None:
        for each in made:
            each.append(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))
    for each in made:
        values, is_damaged = journal.read(each.path)
        assert (sorted(values), is_damaged) == (list(range(40)), False)
