"""Other versions of cachepy: released formats are read, newer ones said once and left alone, in each kind of file.

A newer format is faked by the number that a file has.
"""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import warnings
from pathlib import Path

import pytest

import cachepy
from cachepy.code.source import loaded
from cachepy.errors import CacheReadWarning, GraphFileError
from cachepy.graph.graph import load_events
from cachepy.graph.table import HEADER
from cachepy.session import Session, use_session
from cachepy.store import journal, safe_pickle
from cachepy.store.entryfile import MAGIC, EntryFile
from cachepy.store.fs import PROGRAMS
from cachepy.store.meta import rows_of
from cachepy.store.owner import Owner, owner_in
from cachepy.store.stat_cache import OTHER_MEMO, StatMemo
from tests.programs import ROOT, Project

FORMATS = Path(__file__).parents[1] / "data" / "formats"
RELEASED = sorted(each.name for each in FORMATS.iterdir() if each.is_dir())
NEWER = MAGIC[-1] + 1


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project with a cache of today's format."""
    place = tmp_path / "project"
    shutil.copytree(FORMATS / str(MAGIC[-1]), place)
    shutil.rmtree(place / "cache")
    monkeypatch.chdir(place)
    run(place)
    return place


def run(place):
    """Run the program; what it warned of."""
    done = Project(place).run("flow.py")
    return [line for line in done.stderr.splitlines() if "Warning: " in line]


def ask(place, *words):
    """A command; its exit code and its document."""
    done = Project(ROOT).cachepy(*words, "--json", "--cache-dir", place / "cache")
    return done.returncode, done.json()


def only(place, pattern):
    (found,) = (place / "cache").glob(pattern)
    return found


def state(place):
    return {path: path.read_bytes() for path in (place / "cache").rglob("*") if path.is_file()}


# ---- formats that were released


def test_there_is_a_cache_of_todays_format():
    assert str(MAGIC[-1]) in RELEASED


@pytest.mark.parametrize("name", RELEASED)
def test_all_files_of_a_released_format_are_read(name, tmp_path):
    place = tmp_path / "project"
    shutil.copytree(FORMATS / name, place)
    cache = place / "cache"
    checked = cachepy.cache_verify(cache)
    assert (checked.entries, checked.problems, checked.unrecorded, checked.others) == (2, (), (), ())
    values = {}
    for path in sorted(cache.glob("entries/*/*")):
        if path.suffix in (".entry", ".old"):
            opened = EntryFile(str(path))
            values.setdefault(rows_of(str(path), opened)[0][0].fname, []).append(opened.value())
    assert sorted(values["load"]) == ["one\n", "two\n"]
    assert [each["rows"] for each in values["table"]] == [[0, 1, 2], [0, 1, 2]]
    assert {event.fname for event in load_events(str(cache / "graph.pkl"))} == {"load", "table"}
    assert all(loaded(path.read_bytes()) for path in (cache / "code").iterdir())
    assert cachepy.cache_repair(cache, dry_run=True).is_changed is False


@pytest.mark.parametrize("name", RELEASED)
def test_a_program_of_a_released_format_goes_on(name, tmp_path, monkeypatch):
    """Where the minor version of Python is another, its calls run again and keep the older results."""
    place = tmp_path / "project"
    shutil.copytree(FORMATS / name, place)
    same = (place / "python.txt").read_text().strip() == "{}.{}".format(*sys.version_info)
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.delitem(sys.modules, "flow", raising=False)
    with use_session(Session()):
        flow = importlib.import_module("flow")
        assert flow.table.is_cached("a.txt", 3) is same
        assert flow.table("a.txt", 3) == {"text": "two\n", "rows": [0, 1, 2]}
    del sys.modules["flow"]


# ---- entries of a newer one


def make_newer(path, number=NEWER):
    data = bytearray(path.read_bytes())
    data[len(MAGIC) - 1] = number
    path.write_bytes(data)


@pytest.fixture
def newer(folder):
    for path in (folder / "cache").glob("entries/*/*.entry"):
        make_newer(path)
    return folder


def test_calls_run_and_nothing_takes_the_place_of_newer_entries(newer):
    before = state(newer)
    (said,) = run(newer)
    assert f"has format {NEWER} of a newer cachepy; this one reads format {MAGIC[-1]}" in said
    assert "CacheReadWarning" in said and "upgrade cachepy here, or name another directory" in said
    after = state(newer)
    assert {path: after[path] for path in before if path.suffix == ".entry"} == {
        path: data for path, data in before.items() if path.suffix == ".entry"
    }
    assert {path for path in after if path.suffix in (".entry", ".old")} == {
        path for path in before if path.suffix in (".entry", ".old")
    }


def test_an_older_entry_gives_its_place_to_the_new_result(folder):
    for path in (folder / "cache").glob("entries/*/*.entry"):
        make_newer(path, 2)
    (said,) = run(folder)
    assert "has format 2 of an older cachepy" in said and "the new result takes its place" in said
    assert run(folder) == []


def test_newer_entries_are_no_damage(newer):
    before = state(newer)
    code, told = ask(newer, "verify")
    assert (code, told["problems"], told["is_good"]) == (0, [], True)
    assert {Path(each["path"]).suffix for each in told["others"]} == {".entry"}
    done = cachepy.cache_repair(newer / "cache")
    assert (done.moved, done.mended, done.rebuilt, len(done.foreign)) == ((), (), False, 2)
    assert state(newer) == before


def test_a_newer_entry_is_never_fresh(newer):
    code, told = ask(newer, "status")
    assert (code, told["state"], told["counts"]["fresh"]) == (1, "stale", 0)
    assert all(each["state"] == "missing" for each in told["calls"])
    assert f"format {NEWER}" in json.dumps(told["causes"])


def test_prune_removes_newer_entries_and_nothing_of_others(newer):
    strange = newer / "cache" / "entries" / "00" / "mine-0.entry"
    strange.parent.mkdir(exist_ok=True)
    strange.write_bytes(b"mine")
    assert len(cachepy.cache_prune(newer / "cache")) == 0
    assert any((newer / "cache" / "code").iterdir())  # what newer entries need is not known here
    assert len(cachepy.cache_prune(newer / "cache", days_old=0)) == 2
    assert strange.read_bytes() == b"mine"


# ---- the graph


@pytest.fixture
def graph(folder):
    """With a header of a newer format, and a record that this one does not know."""
    path = folder / "cache" / "graph.pkl"
    head, unknown = journal.frame((HEADER[0], 2)), journal.framed(b"?new")
    path.write_bytes(head + unknown + path.read_bytes())
    return path


def test_a_newer_graph_is_read_as_far_as_it_can_be(folder, graph):
    before = graph.read_bytes()
    with use_session(Session()):
        with pytest.warns(CacheReadWarning, match="has format 2 of a newer.* reads format 1"):
            cachepy.cache_tree_sync("cache")
        assert {node["fname"] for node in cachepy.cache_tree_nodes().values()} == {"load", "table"}
    code, told = ask(folder, "verify")
    assert (code, told["problems"], [each["path"] for each in told["others"]]) == (0, [], [str(graph)])
    done = cachepy.cache_repair(folder / "cache")
    assert (done.rebuilt, done.moved, [each.path for each in done.foreign]) == (False, (), [str(graph)])
    with pytest.warns(CacheReadWarning, match="has format 2 .* left alone"):
        cachepy.cache_prune(folder / "cache", days_old=0, forget=True)
    assert graph.read_bytes() == before
    with pytest.raises(GraphFileError, match="format 2"):
        cachepy.cache_tree_load(graph)


def test_a_newer_graph_is_added_to_by_calls_and_not_by_questions(folder, graph):
    only(folder, "entries/*/load-*.entry").touch()
    data = graph.read_bytes()
    graph.write_bytes(journal.frame((HEADER[0], 2)))
    with warnings.catch_warnings(), use_session(Session()):
        warnings.simplefilter("ignore")
        cachepy.cache_tree_sync("cache")
        assert len(cachepy.cache_tree_nodes()) == 2  # from the entries
    assert graph.read_bytes() == journal.frame((HEADER[0], 2))
    graph.write_bytes(data)
    (folder / "a.txt").write_text("three\n")
    assert run(folder) == []
    assert graph.read_bytes().startswith(data)


# ---- code, programs, memo, claims, notes


def test_newer_descriptions_of_code(folder):
    path = min((folder / "cache" / "code").iterdir())
    path.write_bytes(safe_pickle.dumps(("code 2", b"new")))
    assert ask(folder, "verify")[1]["problems"] == []
    assert cachepy.cache_repair(folder / "cache").moved == ()
    (folder / "a.txt").write_text("three\n")
    run(folder)
    assert path.read_bytes() == safe_pickle.dumps(("code 2", b"new"))


@pytest.mark.parametrize("name", ["past", "flow.py-*"])
def test_newer_records_of_programs(folder, name):
    data = PROGRAMS + b"2\nnew"
    found = list((folder / "cache" / "programs").glob(name)) or [folder / "cache" / "programs" / name]
    found[0].write_bytes(data)
    code, told = ask(folder, "verify")
    assert (code, told["problems"], [each["path"] for each in told["others"]]) == (0, [], [str(found[0])])
    assert cachepy.cache_repair(folder / "cache").moved == ()
    program = folder / "flow.py"
    program.write_text(program.read_text().replace('table("a.txt", 3)', 'table("a.txt", 4)'))
    assert len([line for line in run(folder) if "has format 2 of a newer cachepy" in line]) == 1
    assert found[0].read_bytes() == data


def test_a_newer_memo(folder):
    path = folder / "cache" / "stat.memo"
    path.write_bytes(OTHER_MEMO + b"2\nnew")
    memo = StatMemo()
    memo.attach(str(path))
    identity = 1, 2, 1 << 20, 4, 5
    assert memo.get(identity) is None
    memo.put(identity, "ab" * 16, 1 << 20)
    memo.flush(str(path))
    assert ask(folder, "verify")[1]["problems"] == []
    assert cachepy.cache_repair(folder / "cache").moved == ()
    assert path.read_bytes() == OTHER_MEMO + b"2\nnew"


def test_the_owner_of_a_newer_claim_is_known():
    owner = Owner()
    _, block = owner.sign("1")
    text = block[10:] + b"\nmore"
    newer = MAGIC[:-1] + bytes([NEWER]) + len(text).to_bytes(2, "little") + text
    found = owner_in(newer)
    assert found == owner_in(block) and owner.lives(found)


def test_a_note_may_say_more(folder):
    entry = only(folder, "entries/*/load-*.entry")
    entry.with_suffix(".valid").write_bytes(safe_pickle.dumps((1.0, "run", "more")))
    assert ask(folder, "verify")[1]["problems"] == []
