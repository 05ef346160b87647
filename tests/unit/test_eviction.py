"""`max_bytes` and `keep`: a cache stays below a size by itself, and says what went."""

from __future__ import annotations

import os
import time
import warnings
from pathlib import Path

import pytest

from cachepy import (
    Session,
    cache_file,
    cache_list,
    cache_prune,
    cache_stats,
    cache_tree_nodes,
    cache_verify,
    current_session,
    load_config,
    use_session,
)
from cachepy.core.current import NOBODY, enter, leave
from cachepy.errors import CacheWriteWarning, UsageError, UsageValueError
from cachepy.graph import eviction
from cachepy.store.entries import USED, Store
from tests.programs import Project

KB = 1000
HOUR = 3600.0
RAN: list[object] = []


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(eviction, "_LEAST", 0)
    RAN.clear()
    with use_session(Session()):
        yield tmp_path


def cached(most=None, keep=16, **options):
    return cache_file("cache", max_bytes=most, keep=keep, warn_cheap=False, ignore_globals=["RAN"], **options)


def blobs(most=None, keep=16):
    @cached(most, keep)
    def blob(name, size=20 * KB):
        RAN.append(name)
        return name * (size // len(name))

    return blob


def entries() -> int:
    return sum(p.stat().st_size for p in Path("cache/entries").rglob("*") if p.suffix in (".entry", ".old"))


def the_store() -> Store:
    return current_session().store(os.path.abspath("cache"))


def entry(blob, name) -> Path:
    return Path(the_store().path_of(f"blob:{blob.key(name)}"))


def age(blob, name, hours):
    """As if it had been stored and used so long ago."""
    when = time.time_ns() - int(hours * HOUR * 1e9)
    os.utime(entry(blob, name), ns=(when, when))


def quietly(function, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWriteWarning)
        return function(*args)


def test_a_cache_stays_below_its_size():
    blob = blobs("100 KB")
    for number in range(40):
        quietly(blob, f"n{number:02}")
        assert entries() <= 100 * KB
    assert blob.is_cached("n39")
    assert len(cache_list("cache")) in (4, 5)
    assert not cache_verify("cache").problems


def test_without_a_size_nothing_is_looked_at():
    blob = blobs()
    for number in range(40):
        blob(f"n{number:02}")
    assert not list(Path("cache").glob("size.*"))


def test_least_recently_used_first():
    blob = blobs("100 KB")
    for number, name in enumerate("abcd"):
        blob(name)
        age(blob, name, 20 - number)
    with use_session(Session()):
        again = blobs("100 KB")
        again("a")  # a hit: used now
        again("e")
        assert [again.is_cached(name) for name in "abcde"] == [True, False, True, True, True]


@pytest.mark.parametrize("turns", [1, 2, 3, 4])
def test_a_hit_marks_use_once_an_hour_whether_hot_or_not(monkeypatch, turns):
    blob = blobs("100 KB")
    blob("a")
    age(blob, "a", 5)
    path, = Path("cache/entries").rglob("*.entry")
    before = path.stat().st_mtime_ns
    for turn in range(turns):
        blob("a")
        assert time.time() - path.stat().st_atime < 60, turn
    os.utime(path, ns=(before, before))  # as if that were long ago
    now = time.time() + 2 * USED
    monkeypatch.setattr("cachepy.calls.fast.time", lambda: now)
    monkeypatch.setattr("cachepy.store.entries.time", type("clock", (), {"time": staticmethod(lambda: now)}))
    blob("a")
    used = path.stat().st_atime
    assert abs(used - now) < 1
    assert path.stat().st_mtime_ns == before, "a hit must find the file as it was"
    now += USED / 2
    blob("a")
    assert path.stat().st_atime == used
    assert RAN == ["a"]


def test_a_hit_marks_the_calls_below():
    blob = blobs("100 KB")

    @cached("100 KB")
    def top(name):
        return len(blob(name))

    top("a")
    age(blob, "a", 5)
    with use_session(Session()):
        top("a")
        assert time.time() - entry(blob, "a").stat().st_atime < 60


def test_looking_at_a_cache_is_no_use():
    blob = blobs("100 KB")
    blob("a")
    age(blob, "a", 50)
    cache_list("cache")
    cache_verify("cache")
    path, = Path("cache/entries").rglob("*.entry")
    assert time.time() - path.stat().st_atime > 49 * HOUR


def test_big_and_cheap_goes_before_small_and_dear(monkeypatch, place):
    def item(name, size, hour, is_old=False):
        path = place / f"{name}-{'0' * 32}{'.' + 'f' * 16 + '.old' if is_old else '.entry'}"
        path.write_bytes(b"x" * size)
        os.utime(path, (hour * HOUR + 7, hour * HOUR + 7))
        return eviction.Item(str(path), os.stat(path))

    seconds = {"dear": 300.0, "cheap": 1.0, "small": 5.0, "late": 0.1, "older": 1e6, "oldest": 1e9}
    monkeypatch.setattr(eviction, "_seconds", lambda item: seconds[Path(item.path).name.partition("-")[0]])
    items = [
        item("late", 900, 101), item("dear", 900, 100), item("small", 10, 100), item("cheap", 900, 100),
        item("older", 5, 99, is_old=True), item("oldest", 5, 50, is_old=True),
    ]  # fmt: skip
    order = [Path(each.path).name.partition("-")[0] for each, _ in eviction._in_order(items)]
    assert order == ["oldest", "older", "cheap", "dear", "small", "late"]


def test_older_results_go_before_newest_ones():
    @cached("100 KB")
    def blob(path):
        return path.read_text()[:1] * 20 * KB

    other, source = blobs("100 KB"), Path("in")
    other("a")
    age(other, "a", 1000)
    for text in "uvwxyz":
        source.write_text(text)
        os.utime(source, (1, 1))
        quietly(blob, source)
        assert entries() <= 100 * KB
    assert other.is_cached("a")
    assert blob.is_cached(source)
    assert 0 < len(list(Path("cache/entries").rglob("*.old"))) < 4
    assert not cache_verify("cache").problems


def test_an_older_result_that_went_is_not_said_to_be_there():
    @cached("100 KB")
    def blob(path):
        RAN.append(path)
        return path.read_text()[:1] * 45 * KB

    source = Path("in")
    for text in "xyz":
        source.write_text(text)
        quietly(blob, source)
    source.write_text("x")
    assert not blob.is_cached(source)
    assert blob.explain(source).state != "fresh"
    assert blob(source) == "x" * 45 * KB
    assert len(RAN) == 4


def test_who_knows_the_entry_sees_that_an_older_result_went():
    @cached("1 MB")
    def blob(path):
        return path.read_text()

    source = Path("in")
    for text in "xy":
        source.write_text(text)
        blob(source)
    source.write_text("x")
    assert blob.is_cached(source)
    old, = Path("cache/entries").rglob("*.old")
    assert eviction._remove(eviction.Item(str(old), os.stat(old)), is_mine=False)
    assert not blob.is_cached(source)
    assert blob.explain(source).state != "fresh"


def test_what_a_running_call_needs_stays():
    blob = blobs("100 KB")

    @cached("100 KB")
    def middle(name):
        return len(blob(name))

    @cached("100 KB")
    def top():
        middle("first")
        age(blob, "first", 40)
        for number in range(20):
            with Alone():  # as another thread of the program would
                quietly(blob, f"n{number}")
        assert blob.is_cached("first")
        RAN.append("top")

    blob("old")
    age(blob, "old", 30)
    top()
    assert RAN[-1] == "top"
    assert not blob.is_cached("old")


class Alone:
    """Calls that are made meanwhile, but not by the one that runs."""

    def __enter__(self):
        self.token = enter(NOBODY)

    def __exit__(self, *_):
        leave(self.token)


def test_the_directory_is_not_listed_each_time(monkeypatch):
    looks, real = [], eviction._items
    monkeypatch.setattr(eviction, "_items", lambda store: looks.append(1) or real(store))
    blob = blobs("1 MB")
    for number in range(45):
        blob(f"n{number:02}")
    assert len(looks) == 1, "the first time, and when it is full"
    for number in range(45, 60):
        quietly(blob, f"n{number:02}")
    assert len(looks) <= 5


def test_small_results_are_summed_up_before_somebody_looks(monkeypatch):
    monkeypatch.setattr(eviction, "_LEAST", 1 << 16)
    looks, real = [], eviction.hold_below
    monkeypatch.setattr(eviction, "hold_below", lambda *args: looks.append(1) or real(*args))
    blob = blobs("1 GB")
    for number in range(100):
        blob(f"n{number:02}", 1 * KB)
    assert len(looks) < 6


def test_what_went_is_told():
    blob = blobs("100 KB")
    for number in range(20):
        quietly(blob, f"n{number:02}")
    told = eviction.dropped(Store(os.path.abspath("cache")))
    assert sum(each["entries"] for each in told) == 20 - len(cache_list("cache"))
    assert all(each["max_bytes"] == 100 * KB and each["size"] > 0 and each["older"] == 0 for each in told)
    item = eviction.Item(str(next(Path("cache/entries").rglob("*.entry"))), os.stat("cache"))
    for _ in range(2000):
        eviction._tell(the_store(), current_session(), [item], 100)
    assert os.path.getsize("cache/size.dropped") < 10 * KB


def test_what_was_just_used_is_said_once():
    blob = blobs("100 KB")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(30):
            blob(f"n{number:02}")
    texts = [str(each.message) for each in caught if each.category is CacheWriteWarning]
    assert len(texts) == 1
    assert "max_bytes" in texts[0]
    assert "Give it more" in texts[0]


def test_foreign_and_damaged_files_stay():
    blob = blobs("100 KB")
    blob("a")
    folder = next(Path("cache/entries").iterdir())
    foreign = folder / f"mine-{'0' * 32}.entry"
    foreign.write_bytes(b"x" * 90 * KB)
    os.utime(foreign, (1, 1))
    quietly(blob, "b")
    quietly(blob, "c")
    assert foreign.read_bytes() == b"x" * 90 * KB


# -- prune, stats


def test_prune_by_use_and_by_number():
    blob = blobs()
    for number, name in enumerate("abcd"):
        blob(name)
        age(blob, name, 20 - number)
    path = entry(blob, "a")
    os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))  # it was used
    gone = cache_prune("cache", days_old=1000, max_entries=2, least_used=True, dry_run=True)
    assert [path.name for path in gone] == [f"blob-{blob.key(name)}.entry" for name in "bc"]
    assert len(cache_prune("cache", days_old=18.5 / 24, least_used=True)) == 1
    assert [blob.is_cached(name) for name in "abcd"] == [True, False, True, True]
    assert len(cache_prune("cache", days_old=1000, max_bytes="45 KB")) == 1
    assert [blob.is_cached(name) for name in "abcd"] == [False, False, True, True]
    assert len(cache_prune("cache", days_old=1000, max_entries=0)) == 2


def test_older_results_count_as_files():
    @cached()
    def read(path):
        return path.read_text()

    source = Path("in")
    for number in range(4):
        source.write_text(f"text {number}")
        read(source)
    assert cache_prune("cache", max_entries=4) == []
    assert len(cache_prune("cache", max_entries=3)) == 1


@pytest.mark.parametrize(("option", "value", "error"), [
    ("max_entries", "3", UsageError), ("max_entries", -1, UsageValueError), ("max_bytes", "much", UsageValueError),
    ("max_bytes", [], UsageError), ("max_bytes", -1, UsageValueError),
])  # fmt: skip
def test_prune_says_what_is_wrong(option, value, error):
    blobs()("a")
    with pytest.raises(error, match=option):
        cache_prune("cache", **{option: value})


def shell(*args):
    done = Project(Path()).cachepy(*args, "--cache-dir", "cache", code=0)
    return done.stdout + done.stderr


def test_the_commands_say_it_too():
    blob = blobs("100 KB")
    for number in range(20):
        quietly(blob, f"n{number:02}")
    assert cache_stats("cache")["dropped"] == eviction.dropped(Store(os.path.abspath("cache")))
    assert "max_bytes is 100 kB" in shell("stats")
    assert '"max_bytes": 100000' in shell("stats", "--json")
    left = len(cache_list("cache"))
    assert f"would delete {left - 2} entries" in shell("prune", "--max-entries", "2", "--least-used", "-n")
    assert "no more than 50 files: nothing to delete" in shell("prune", "--max-entries", "50", "-n")


# -- keep


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_keep_says_how_many_results_stay(keep):
    @cached(keep=keep)
    def read(path):
        RAN.append(path)
        return path.read_text()

    source = Path("in")
    for number in range(8):
        source.write_text(f"text {number}")
        read(source)
    assert cache_list("cache")[0]["traces"] == keep
    assert len(list(Path("cache/entries").rglob("*.old"))) == keep - 1


# -- options


@pytest.mark.parametrize(("given", "means"), [
    ("50 GB", 50 * 10**9), ("1.5KiB", 1536), (1000, 1000), (2.5e3, 2500), ("12", 12), (" 3 mb ", 3 * 10**6),
])  # fmt: skip
def test_sizes(given, means):
    @cache_file("cache", max_bytes=given)
    def function(x):
        return x

    function(1)
    assert the_store().most == means


@pytest.mark.parametrize(("given", "error"), [
    ("much", UsageValueError), ("-3", UsageValueError), ("", UsageValueError), (0, UsageValueError), ([], UsageError),
    (True, UsageError), (float("nan"), UsageValueError), (-1, UsageValueError), ("1 XB", UsageValueError),
    (float("inf"), UsageValueError), (1 << 70, UsageValueError), ("1e5", UsageValueError), ("iB", UsageValueError),
])  # fmt: skip
def test_what_is_no_size(given, error):
    with pytest.raises(error, match="max_bytes must be"):
        cache_file("cache", max_bytes=given)


@pytest.mark.parametrize(("given", "error"), [(0, UsageValueError), ("3", UsageError), (2.0, UsageError), (True, UsageError)])
def test_what_is_no_number_of_results(given, error):
    with pytest.raises(error, match="keep must be"):
        cache_file("cache", keep=given)


def test_the_environment_names_a_size(monkeypatch):
    monkeypatch.setenv("CACHEPY_MAX_BYTES", "100 KB")
    with use_session(Session()):
        blob = blobs()
        for number in range(20):
            quietly(blob, f"n{number:02}")
    assert entries() <= 100 * KB
    monkeypatch.setenv("CACHEPY_MAX_BYTES", "lots")
    with pytest.raises(UsageValueError, match="CACHEPY_MAX_BYTES must be a size such as '50 GB'"):
        Session()


def test_the_smallest_of_several_sizes_counts(monkeypatch):
    monkeypatch.setenv("CACHEPY_MAX_BYTES", "1 MB")
    with use_session(Session()):
        blobs("3 MB")("a")
        assert the_store().most == 10**6
        blobs("100 KB")("a")
        assert the_store().most == 10**5


def test_a_configuration_names_both():
    Path("cachepy.toml").write_text('max_bytes = "2 MB"\nkeep = 3\n')
    cf = cache_file(**load_config())
    assert "max_bytes='2 MB'" in repr(cf)


def test_a_size_is_no_part_of_the_function():
    """Another size makes nothing stale."""
    blobs()("a")
    with use_session(Session()):
        again = blobs("1 MB", 3)
        assert again.is_cached("a")
        assert list(cache_tree_nodes()) == []


STORING = """
import sys, warnings
from cachepy import cache_file
warnings.simplefilter("error")
warnings.filterwarnings("ignore", "(?s).*max_bytes")

@cache_file("cache", max_bytes="300 KB", warn_cheap=False)
def blob(name):
    return name * 3000

for number in range(60):
    assert blob(f"{sys.argv[1]}{number % 40:04}") == f"{sys.argv[1]}{number % 40:04}" * 3000
"""


def test_several_processes_hold_it_together(place, project):
    (place / "storing.py").write_text(STORING)
    started = [project.start("storing.py", name) for name in "abc"]
    for each in started:
        assert project.finish(each).stderr == ""
    # what was stored just now stays while another process runs calls: the last look may have been such
    project.run("storing.py", "d")
    assert entries() <= 300 * KB + (1 << 16) * 3, "each tells what it stored when that is 64 KB"
    checked = cache_verify("cache")
    assert not checked.problems
    assert not checked.unrecorded
