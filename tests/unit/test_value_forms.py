"""`format=`: values that lie beside their entries in forms that others read, with the checks that an entry has."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import time
import warnings
from pathlib import Path

import pytest

from cachepy import (
    CacheReadWarning,
    CacheWriteWarning,
    Session,
    cache_file,
    cache_list,
    cache_prune,
    cache_repair,
    cache_stats,
    cache_tree_diff,
    cache_tree_load,
    cache_tree_nodes,
    cache_tree_stale,
    cache_verify,
    use_session,
)
from cachepy.calls.glance import glance
from cachepy.errors import UsageError, UsageValueError
from cachepy.graph.eviction import dropped
from cachepy.store import value_files, value_formats
from cachepy.store.entries import Store

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
RAN = []
VALUES = {}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CACHEPY_DIR", "cache")
    RAN.clear()
    with use_session(Session()):
        yield tmp_path


def made(**options):
    """A function that gives ``VALUES[x]``."""

    @cache_file("cache", warn_cheap=False, ignore_globals=["RAN", "VALUES"], **options)
    def load(x):
        RAN.append(x)
        return VALUES[x]

    return load


def in_another_program():
    return use_session(Session())


def values():
    return sorted(str(path.relative_to("cache")) for path in Path("cache/values").rglob("*") if path.is_file())


def value_path():
    (path,) = [path for path in Path("cache/values").rglob("*") if path.is_file()]
    return path


FRAME = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"], "c": [1.5, float("nan"), 2.0]})
GOOD = [
    ("json", {"a": [1, 2.5, None, True, "é"]}, ".json"),
    ("text", "a\r\nb é", ".txt"),
    ("npy", np.arange(12.0).reshape(3, 4), ".npy"),
    ("npy", np.asfortranarray(np.ones((3, 4), "int16")), ".npy"),
    ("parquet", FRAME, ".parquet"),
    ("parquet", FRAME.set_index("a"), ".parquet"),
    ("feather", FRAME.set_index("a"), ".feather"),
]


@pytest.mark.parametrize(("form", "value", "suffix"), GOOD)
def test_a_value_lies_beside_its_entry_and_comes_back_equal(form, value, suffix):
    VALUES["m/2026-03.csv"] = value
    load = made(format=form)
    first = load("m/2026-03.csv")
    with in_another_program():
        second = load("m/2026-03.csv")
        assert RAN == ["m/2026-03.csv"]
        other = made(ignore_args=[])
        assert other.key(first) == other.key(second)
        assert type(first) is type(second)
    (name,) = values()
    assert name.startswith("values/")
    assert Path(name).name.startswith("2026-03.csv-")
    assert name.endswith(suffix)


@pytest.mark.parametrize("maker", ["polars", "pyarrow"])
@pytest.mark.parametrize("form", ["parquet", "feather"])
def test_tables_of_other_libraries(maker, form):
    library = pytest.importorskip(maker)
    columns = {"a": [1, 2], "b": ["x", None]}
    VALUES[1] = library.table(columns) if maker == "pyarrow" else library.DataFrame(columns)
    load = made(format=form)
    load(1)
    with in_another_program():
        assert type(load(1)) is type(VALUES[1])
        assert load(1).equals(VALUES[1])
    assert RAN == [1]
    assert len(values()) == 1


def test_a_zarr_array_is_a_folder():
    pytest.importorskip("zarr")
    VALUES[1] = np.arange(1000.0)
    load = made(format="zarr")
    load(1)
    with in_another_program():
        assert np.array_equal(load(1), VALUES[1])
    assert RAN == [1]
    (folder,) = Path("cache/values").glob("*/*.zarr")
    assert cache_list("cache")[0]["size"] > value_files.size_of(str(folder)) > 0
    next(path for path in folder.rglob("*") if path.is_file()).unlink()
    with in_another_program(), pytest.warns(CacheReadWarning, match="not as it was written"):
        load(1)
    assert RAN == [1, 1]
    cache_prune("cache", 0)
    assert not Path("cache/values").exists()


REFUSED = [
    ("json", {"a": (1, 2)}, "does not come back equal"),
    ("json", {1: 2}, "does not come back equal"),
    ("json", float("nan"), "ValueError"),
    ("json", {1, 2}, "TypeError"),
    ("text", b"x", "TypeError: it is a bytes"),
    ("npy", np.float64(3), "numpy.float64 comes back as a numpy.ndarray"),
    ("npy", np.array([{}], dtype=object), "Object arrays"),
    ("parquet", [1], "TypeError: it is a list"),
    ("feather", FRAME["a"], "TypeError: it is a Series"),
]


@pytest.mark.parametrize(("form", "value", "why"), REFUSED)
def test_what_a_form_cannot_hold_is_pickled_with_one_warning(form, value, why):
    VALUES.update({1: value, 2: value})
    load = made(format=form)
    with pytest.warns(CacheWriteWarning) as caught:
        assert [load(x) is value for x in (1, 2)] == [True, True]
    (warning,) = [each for each in caught if each.category is CacheWriteWarning]
    assert "load" in str(warning.message)
    assert f"format={form!r}" in str(warning.message)
    assert why in str(warning.message)
    with in_another_program():
        assert pickle.dumps(load(1)) == pickle.dumps(value)
    assert RAN == [1, 2]
    assert not Path("cache/values").exists()


class Lossy:
    suffix = "lossy"

    def write(self, value, path):
        Path(path).write_text(repr(value))

    def read(self, path):
        return eval(Path(path).read_text())


class Rounding(Lossy):
    def read(self, path):
        return round(super().read(path))


def test_an_object_that_writes_and_reads():
    VALUES[1] = {"a": (1, 2)}
    load = made(format=Lossy())
    load(1)
    with in_another_program():
        assert load(1) == VALUES[1]
    assert RAN == [1]
    assert value_path().read_text() == "{'a': (1, 2)}"
    assert value_path().suffix == ".lossy"


def test_an_object_that_rounds_is_seen_to_do_so():
    VALUES[1] = 1.5
    with pytest.warns(CacheWriteWarning, match="comes back as a builtins.int"):
        made(format=Rounding())(1)
    assert not Path("cache/values").exists()


def test_an_object_that_reads_otherwise_now_gives_nothing_false(monkeypatch):
    VALUES[1] = 1.5
    load = made(format=Lossy())
    load(1)
    monkeypatch.setattr(Lossy, "read", lambda self, path: 2.5)
    with in_another_program(), pytest.warns(CacheReadWarning, match="read otherwise"):
        assert load(1) == 1.5
    assert RAN == [1, 1]


def test_another_version_of_a_library_is_compared(monkeypatch):
    VALUES[1] = np.arange(3)
    load = made(format="npy")
    load(1)
    monkeypatch.setattr(value_formats, "versions", lambda *_: "9.9")
    with in_another_program():
        assert list(load(1)) == [0, 1, 2]
        assert RAN == [1]
        monkeypatch.setattr(value_formats.FORMS["npy"], "read", lambda *_: np.arange(4))
        with pytest.warns(CacheReadWarning, match="read otherwise"):
            load(1)
    assert RAN == [1, 1]


@pytest.mark.parametrize("harm", ["edited", "lost", "cut"])
def test_a_harmed_file_makes_its_call_run_again(harm):
    VALUES[1] = {"a": 1}
    load = made(format="json")
    top = cache_file("cache", warn_cheap=False, ignore_globals=["RAN"])(lambda x: load(x)["a"])
    assert top(1) == 1
    path, good = value_path(), value_path().read_bytes()
    if harm == "lost":
        path.unlink()
        assert "missing" in {found["state"] for found in cache_tree_stale().values()}
        with in_another_program():
            assert not load.is_cached(1)
            assert top.explain(1).state == "stale"
    else:
        path.write_bytes(good.replace(b"1", b"2") if harm == "edited" else good[:-1])
    assert not cache_verify("cache").is_good
    with in_another_program(), warnings.catch_warnings():
        warnings.simplefilter("ignore" if harm == "lost" else "always")
        assert load(1) == {"a": 1}
        assert RAN == [1, 1]
        assert top(1) == 1
    with in_another_program():
        assert load(1) == {"a": 1}
        assert RAN == [1, 1]
    assert path.read_bytes() == good
    assert cache_verify("cache").is_good


def test_a_file_that_goes_while_the_program_runs():
    VALUES[1] = {"a": 1}
    load = made(format="json")
    load(1), load(1), load(1)
    value_path().unlink()
    load(1)
    assert RAN == [1, 1]
    value_path().write_text('{"a": 2}')
    with pytest.warns(CacheReadWarning, match="not as it was written"):
        assert load(1) == {"a": 1}


def test_repair_puts_both_aside():
    VALUES[1] = {"a": 1}
    load = made(format="json")
    load(1)
    value_path().write_text('{"a": 2}')
    moved = cache_repair("cache").moved
    assert sorted(Path(each.path).suffix for each in moved) == [".entry", ".json"]
    assert not any(Path(each.path).exists() for each in moved)
    assert cache_verify("cache").is_good
    with in_another_program():
        load(1)
    assert RAN == [1, 1]


def test_each_run_has_its_own_file_and_what_goes_takes_it_along(place):
    source = place / "in.txt"
    load = cache_file("cache", format="json", keep=2, warn_cheap=False)(lambda path: {"text": Path(path).read_text()})
    for text in "abca":
        source.write_text(text)
        assert load(str(source)) == {"text": text}
    assert sorted(json.loads(Path("cache", name).read_text())["text"] for name in values()) == ["a", "c"]
    assert cache_verify("cache").is_good
    load.clear(str(source))
    assert not Path("cache/values").exists()


def test_a_run_takes_the_place_of_one_that_depends_alike():
    load = cache_file("cache", format="json", unseen="ok", warn_cheap=False)(lambda x: os.urandom(8).hex())
    assert load(1) != load(1, _force=True)
    assert [row["traces"] for row in cache_list("cache")] == [1]
    assert json.loads(value_path().read_text()) == load(1)


def test_runs_that_gave_equal_bytes_share_a_file(place):
    source = place / "in.txt"
    load = cache_file("cache", format="json", keep=2, warn_cheap=False)(lambda path: [len(Path(path).read_text())])
    for text in ["a", "b", "c", "dd", "e"]:
        source.write_text(text)
        assert load(str(source)) == [len(text)]
    assert len(values()) == 2
    assert cache_verify("cache").is_good


def test_sizes_and_names_are_told():
    VALUES.update({1: "x" * 50_000})
    load = made(format="text")
    load(1)
    (row,) = cache_list("cache")
    assert row["size"] > 50_000
    assert row["file"].read_text() == VALUES[1]
    assert row["path"].suffix == ".entry"
    assert cache_stats("cache")["total_size_mb"] > 0.05
    (node,) = cache_tree_nodes().values()
    assert node["outfile"] == row["file"]
    with in_another_program():
        cache_tree_load("cache/graph.pkl")
        assert [node["outfile"] for node in cache_tree_nodes().values()] == [row["file"]]


def test_prune_deletes_the_file_and_what_is_left_of_dead_writers():
    VALUES.update({1: "a", 2: "b"})
    load = made(format="text")
    load(1), load(2)
    home = value_path_of(1).parent
    (home / "note.txt").write_text("mine")
    orphan = value_path_of(1)
    entry = next(row["path"] for row in cache_list("cache") if row["file"] == orphan.resolve())
    entry.unlink()
    old = time.time() - 7200
    os.utime(orphan, (old, old))
    draft = home / ".999999999.abc.0.tmp"
    draft.mkdir()
    shutil.copy("cache/CACHEDIR.TAG", draft)
    (draft / "value.txt").write_text("half")
    os.utime(draft, (old, old))
    assert len(cache_repair("cache", dry_run=True).leftovers) == 2
    cache_prune("cache")
    assert sorted(path.name for path in home.iterdir()) == sorted([value_path_of(2).name, "note.txt"])
    cache_prune("cache", 0)
    assert [path.name for path in home.iterdir()] == ["note.txt"]


def value_path_of(x):
    return next(Path("cache", name) for name in values() if Path(name).name.startswith(f"{x}-"))


def test_a_kill_between_file_and_entry_leaves_nothing_false(monkeypatch):
    VALUES[1] = "a"
    load = made(format="text")

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            load(1)
    assert len(values()) == 1
    with in_another_program():
        assert not load.is_cached(1)
        assert load(1) == "a"
    assert len(values()) == 1


def test_an_interrupt_while_it_is_written_leaves_no_file(monkeypatch):
    VALUES[1] = "a"

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(value_formats.FORMS["text"], "write", killed)
    with pytest.raises(KeyboardInterrupt):
        made(format="text")(1)
    assert not list(Path("cache/values").rglob("*.txt"))


def test_max_bytes_counts_the_files():
    VALUES.update({x: os.urandom(40_000).hex() for x in range(8)})
    load = made(format="text", max_bytes=300_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for x in range(8):
            load(x)
    assert dropped(Store(os.path.abspath("cache")))
    assert 0 < len(values()) <= 4
    assert len(values()) == len(cache_list("cache"))


def test_the_form_is_no_part_of_key_or_trace_and_may_change():
    VALUES[1] = {"a": 1}

    def with_options(**options):
        def load(x):
            RAN.append(x)
            return VALUES[x]

        return cache_file("cache", warn_cheap=False, ignore_globals=["RAN", "VALUES"], **options)(load)

    keys = set()
    for options in ({"format": "json"}, {}, {"format": Lossy()}, {"compress": "zlib"}):
        with in_another_program():
            load = with_options(**options)
            assert load(1) == {"a": 1}
            keys.add(load.key(1))
    assert RAN == [1]
    assert len(keys) == 1


def test_a_copied_cache_directory_is_valid(place):
    VALUES[1] = {"a": 1}
    made(format="json")(1)
    shutil.move("cache", "moved")

    @cache_file("moved", warn_cheap=False)
    def other(x):
        return x

    store = Store(str(place / "moved"))
    (call,) = [row["id"] for row in cache_list("moved")]
    assert store.value(call, store.look(call), 0) == {"a": 1}
    assert cache_verify("moved").is_good


KEY = "0123456789abcdef"


def test_a_signature_covers_the_file():
    VALUES[1] = {"a": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load = made(format="json", signing_key=KEY)
        load(1)
        with in_another_program():
            made(format="json", signing_key=KEY)
            assert load(1) == {"a": 1}
    assert RAN == [1]
    (node,) = cache_tree_nodes().values()
    text = node["outfile"].read_text()
    node["outfile"].write_text(text.replace("1", "7"))
    with in_another_program(), pytest.warns(CacheReadWarning, match="checksum"):
        assert load(1) == {"a": 1}


def test_a_file_whose_checksum_can_be_forged_is_not_used_where_entries_are_signed(monkeypatch):
    VALUES[1] = {"a": 1}
    monkeypatch.setattr(value_files, "said_of", lambda path, *, is_signed: value_files._said("xxh3", [b'{"a": 1}']))
    load = made(format="json", signing_key=KEY)
    load(1)
    with in_another_program(), pytest.warns(CacheReadWarning, match="without the signing key"):
        load(1)
    assert RAN == [1, 1]


def test_a_name_leads_nowhere_else(place):
    VALUES[1] = {"a": 1}
    load = made(format="json")
    load(1)
    (event,) = Store(str(place / "cache")).look(cache_list("cache")[0]["id"]).events
    for name in ("values/../x", "entries/a/b", "/etc/passwd", "values/a", "values//x", "values/a/b/c"):
        (dep,) = [dep for dep in event.trace.deps if dep.kind == "value file"]
        bad = event.replace(trace=event.trace.replace(deps=(dep.replace(name=name),)))
        assert value_files.files_of("cache", bad) == []
        with pytest.raises(Exception, match="cannot be the file"):
            value_files.settled("cache", bad, value_files.Beside("json", "", None), Store("cache").trust)


def test_all_files_of_a_run_can_be_listed(place):
    VALUES[1] = {"a": 1}
    made(format="json")(1)
    store = Store(str(place / "cache"))
    (row,) = cache_list("cache")
    (event,) = store.look(row["id"]).events
    found = value_files.all_files_of(store.root, event, str(row["path"]))
    assert list(map(Path, found)) == [row["path"], row["file"]]


@pytest.mark.parametrize("codec", ["gzip", "lzma", "zlib"])
@pytest.mark.parametrize("form", ["json", "text", "npy"])
def test_a_whole_file_is_compressed_if_asked(form, codec):
    VALUES[1] = {"json": [1] * 5000, "text": "x" * 5000, "npy": np.zeros(5000)}[form]
    load = made(format=form, compress=codec)
    load(1)
    with in_another_program():
        assert pickle.dumps(load(1)) == pickle.dumps(VALUES[1])
    assert RAN == [1]
    assert value_path().stat().st_size < 2000
    assert value_path().suffixes[-2] == f".{value_formats.FORMS[form].suffix}"


def test_several_ways_of_asking_never_load(place):
    VALUES.update({x: {"a": x} for x in range(3)})
    load = made(format="json")
    for x in range(3):
        load(x)
    assert cache_tree_stale() == {}
    value_path_of(2).unlink()
    assert [found["node"]["id"].partition(":")[2] for found in cache_tree_stale().values()] == [load.key(2)]


def test_a_look_that_loads_nothing_knows_that_it_is_long():
    VALUES[1] = {"a": 1}
    load = made(format="json")
    load(1)
    hit = glance(load.__cachepy__, (1,), {})
    assert hit.value.load() == {"a": 1}
    value_path().unlink()
    assert glance(load.__cachepy__, (1,), {}) is None


def test_two_runs_are_compared(place):
    source = place / "in.txt"
    load = cache_file("cache", format="json", warn_cheap=False)(lambda path: {"text": Path(path).read_text()})
    for text in "ab":
        source.write_text(text)
        load(str(source))
    difference = cache_tree_diff(load.key(str(source)), values=True)
    assert "in.txt" in str(difference)
    assert "value file" not in str(difference)
    assert "cannot" not in str(difference)


def test_files_of_calls_below_are_no_files_of_the_caller():
    VALUES[1] = {"a": 1}
    load = made(format="json")

    @cache_file("cache", warn_cheap=False, format="npy")
    def top(x):
        return np.arange(load(x)["a"])

    top(1)
    assert all(node["files"] == [] for node in cache_tree_nodes().values())


class Looking(Lossy):
    def write(self, value, path):
        super().write(value, path)
        Path("in.txt").read_text()

    def read(self, path):
        Path("in.txt").read_text()
        return super().read(path)


def test_what_an_object_reads_is_no_matter_of_the_caller(place):
    (place / "in.txt").write_text("1")
    VALUES[1] = (1,)
    load = made(format=Looking())
    top = cache_file("cache", warn_cheap=False, ignore_globals=["RAN"])(lambda x, y: load(x))
    for y in range(2):
        with in_another_program():
            top(1, y)
            assert all(node["files"] == [] for node in cache_tree_nodes().values())
    assert RAN == [1]


def test_wrong_options_are_told():
    for wrong in ("csv", "JSON"):
        with pytest.raises(UsageValueError, match="format must be 'parquet'"):
            cache_file("cache", format=wrong)
    for wrong in (3, Lossy, object()):
        with pytest.raises(UsageError, match="write"):
            cache_file("cache", format=wrong)
    with pytest.raises(UsageValueError, match="compresses by itself"):
        cache_file("cache", format=Lossy(), compress="gzip")
    with pytest.raises(UsageValueError, match="takes 'zstd'"):
        cache_file("cache", format="parquet", compress="lzma")


def test_a_library_that_is_not_here_is_told_at_decoration(monkeypatch):
    monkeypatch.setattr(value_formats, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs pyarrow.*pip install pyarrow"):
        cache_file("cache", format="parquet")


def test_a_library_that_is_gone_makes_the_call_run(monkeypatch):
    VALUES[1] = np.arange(3)
    load = made(format="npy")
    load(1)

    def gone(*_):
        raise ImportError("No module named 'numpy'", name="numpy")

    monkeypatch.setattr(value_formats.FORMS["npy"], "read", gone)
    with in_another_program(), pytest.warns() as caught:
        load(1)
    assert any("pip install numpy" in str(each.message) for each in caught)
    assert RAN == [1, 1]
