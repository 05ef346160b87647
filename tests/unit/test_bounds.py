"""What grows in a cache directory besides results, and how far: the table in ARCHITECTURE.md."""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path

import pytest

from cachepy import (
    Session,
    cache_file,
    cache_prune,
    cache_repair,
    cache_tree_stale,
    current_session,
    track_file,
    use_session,
    with_caller,
)
from cachepy.graph import compact
from cachepy.graph.program_files import Programs
from cachepy.store import stat_cache, tidy
from cachepy.store.entries import Store

HOUR, DAY = 3600.0, 86400.0
FAILS = [True]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FAILS[:] = [True]
    with use_session(Session()):
        yield tmp_path


def make(**options):
    return cache_file("cache", warn_cheap=False, ignore_globals=["FAILS"], **options)


def the_store() -> Store:
    return current_session().store(os.path.abspath("cache"))


def signs() -> list[Path]:
    return list(Path("cache/entries").rglob("*.unended"))


# -- signs


def failing():
    @make()
    def fails(x):
        if FAILS[0]:
            raise ValueError(x)
        return x

    return fails


def test_a_sign_goes_when_the_call_is_stored():
    fails = failing()
    with pytest.raises(ValueError, match="1"):
        fails(1)
    assert len(signs()) == 1
    FAILS[0] = False
    fails(1)
    assert signs() == []


def test_calls_that_fail_with_ever_new_arguments_leave_a_bounded_number_of_signs(monkeypatch):
    monkeypatch.setattr(tidy, "MOST_SIGNS", 0)
    fails = failing()
    for number in range(3000):
        with pytest.raises(ValueError, match=str(number)):
            fails(number)
    most = max(len(list(folder.glob("*.unended"))) for folder in Path("cache/entries").iterdir())
    assert len(signs()) < 3000 * 0.85, "those before each sixteenth went"
    assert most < 3000 / 256 * 4


def test_the_newest_signs_stay():
    folder = Path("folder")
    folder.mkdir()
    for number in range(20):
        path = folder / f"{number:02}.unended"
        path.write_bytes(tidy.MAGIC)
        os.utime(path, (number, number))
    (folder / "00.entry").write_bytes(tidy.MAGIC)
    (folder / "mine.unended").write_bytes(b"of somebody else")
    os.utime(folder / "mine.unended", (0, 0))
    assert tidy.tidy(str(folder), 8, ending=".unended") == 12
    assert sorted(p.name for p in folder.iterdir()) == [
        "00.entry", *(f"{n:02}.unended" for n in range(12, 20)), "mine.unended",
    ]  # fmt: skip


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for number in range(5):
        (tmp_path / "elsewhere" / str(number)).write_bytes(tidy.MAGIC)
    os.symlink(tmp_path / "elsewhere", tmp_path / "runs")
    assert tidy.tidy(str(tmp_path / "runs") + os.sep, 1) == 0


# -- older results


def test_older_results_have_a_bound():
    @make()
    def read(path):
        return path.read_text()

    source = Path("in")
    for number in range(30):
        source.write_text(f"text {number}")
        read(source)
    assert len(list(Path("cache/entries").rglob("*.old"))) == 15


# -- stat.memo


def test_the_memo_of_files_has_a_bound(monkeypatch):
    monkeypatch.setattr(stat_cache, "MOST_BYTES", 64 * 100)
    memo = stat_cache.StatMemo()
    for number in range(1000):
        memo.put((1, number, 1 << 20, 1, 1), f"{number:032x}", 1 << 20)
        memo.flush("stat.memo")
        assert os.path.getsize("stat.memo") <= 64 * 101
    again = stat_cache.StatMemo()
    again.attach("stat.memo")
    assert again.get((1, 999, 1 << 20, 1, 1)) == f"{999:032x}"
    assert again.get((1, 1, 1 << 20, 1, 1)) is None
    assert not list(Path().glob("*.tmp"))


def test_what_a_process_knows_of_files_has_a_bound(monkeypatch):
    monkeypatch.setattr(stat_cache, "_MOST_KNOWN", 100)
    memo = stat_cache.StatMemo()
    for number in range(1000):
        memo.put((1, number, 1, 1, 1), f"{number:032x}", 1)
        assert len(memo.known) <= 100
    assert memo.get((1, 999, 1, 1, 1)) == f"{999:032x}"


# -- code


def test_code_that_the_graph_does_not_name_has_a_bound(monkeypatch):
    monkeypatch.setattr(compact, "MOST_CODE", 20)
    source = "@cached\ndef f(x):\n    return x + {}\n"
    for number in range(60):
        names = {"cached": make()}
        exec(compile(source.format(number), f"cell {number}", "exec"), names)
        assert names["f"](1) == 1 + number
    needed = {Path(p).name for p in the_store().others("code")}
    for each in Path("cache/code").iterdir():
        when = time.time() - 2 * HOUR
        os.utime(each, (when, when))
    compact.tidy_code(the_store())
    left = {Path(p).name for p in the_store().others("code")}
    assert left < needed
    assert len(left) <= 20
    reach = current_session().reader.reach(names["f"].__cachepy__.target)
    assert the_store().codes(reach.digest), "what the graph names stays"


def test_code_of_the_last_hour_stays(monkeypatch):
    monkeypatch.setattr(compact, "MOST_CODE", 2)
    for number in range(10):
        names = {"cached": make()}
        exec(compile(f"@cached\ndef f(x):\n    return x + {number}\n", f"cell {number}", "exec"), names)
        names["f"](1)
    before = set(os.listdir("cache/code"))
    compact.tidy_code(the_store())
    assert set(os.listdir("cache/code")) == before


# -- runs


def test_mailboxes_of_the_dead_have_a_bound(monkeypatch):
    monkeypatch.setattr(tidy, "MOST_RUNS", 10)

    @make()
    def shares(x):
        pickle.dumps(with_caller(len))
        return x

    shares(0)
    runs = Path("cache/runs")
    runs.mkdir(exist_ok=True)
    for number in range(50):
        path = runs / f"{number:032x}"
        path.write_bytes(tidy.MARK)
        when = time.time() - (8 if number < 45 else 1) * DAY
        os.utime(path, (when, when))
    for number in range(1, 100):
        shares(number)
    left = list(runs.iterdir())
    assert len(left) <= 11
    assert {f"{n:032x}" for n in range(45, 50)} <= {p.name for p in left}


# -- programs


def test_programs_have_a_bound(monkeypatch):
    monkeypatch.setattr(tidy, "MOST_PROGRAMS", 10)
    make()(lambda: 1)()
    folder = Programs(the_store())
    folder.drop(["f:1"])
    for number in range(30):
        folder.keep(f"program-{number:02}", ("x",), {"": {"f:1"}}, {})
        if number < 25:
            os.utime(folder.folder + f"program-{number:02}", (number + 1, number + 1))
    assert len(folder.names()) == 10
    assert folder.past() == {"f:1"}
    assert "program-29" in folder.names()


# -- broken


def test_what_was_put_aside_goes_by_age():
    make()(lambda: 1)()
    entry, = Path("cache/entries").rglob("*.entry")
    entry.write_bytes(entry.read_bytes()[:-3])
    assert cache_repair("cache").moved
    mine = Path("cache/broken/mine")
    mine.mkdir()
    cache_prune("cache", days_old=1)
    folder, = Path("cache/broken").glob("2*")
    os.utime(folder, (1, 1))
    cache_prune("cache", days_old=1, dry_run=True)
    assert folder.exists()
    cache_prune("cache", days_old=1)
    assert not folder.exists()
    assert mine.exists()


# -- the table


def test_the_table_names_all_that_is_in_a_cache_directory():
    from cachepy.store.fs import OWN_NAMES

    page = (Path(__file__).parents[2] / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = page[page.index("## What grows") : page.index("## Glossary")]
    for name in OWN_NAMES - {"CACHEDIR.TAG"}:
        assert f"`{name}" in table, name
    assert f"{tidy.MOST_CODE:,}" in table
    assert f"{tidy.MOST_RUNS:,}, and those of the last 7 days" in table
    assert f"{tidy.MOST_PROGRAMS:,}, and those of the last 30 days" in table
    assert f"{stat_cache.MOST_BYTES // 64:,} files" in table


def test_a_failing_call_is_still_told_of_as_one_that_did_not_end():
    fails = failing()
    with pytest.raises(ValueError, match="1"):
        fails(1)
    track_file("nothing")
    assert cache_tree_stale() == {}
    assert len(signs()) == 1


def test_results_of_long_ago_are_forgotten_but_for_those_that_a_call_took(tmp_path, monkeypatch):
    """What took an old result is history, however long ago that was made."""
    from cachepy.graph import table

    monkeypatch.setattr(table, "_PAST", 10)
    numbers = iter(range(100_000, 200_000))
    with use_session(Session()) as session:
        cached = cache_file(tmp_path, warn_cheap=False, ignore_globals=["numbers"])

        @cached
        def make(n):
            return [next(numbers)] * 50

        @cached
        def use(values):
            return len(values)

        first = make(1)
        use(first)
        for _ in range(200):
            make(1, _force=True)
        past = session.nodes.graph._table.past
        assert len(past) <= 25
        assert session.digester.digest(first) in past
