"""Files that libraries open in C are seen by way of `library_files`, and nobody sees that."""

from __future__ import annotations

import importlib
import inspect
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cachepy.calls import file_watch, library_files
from cachepy.session import Session
from tests.unit.library_cells import CELLS, modules, page_table


class Recorder:
    """What is told of files."""

    def __init__(self):
        self.seen = []

    def read(self, path):
        self.seen.append(("read", str(path)))

    def write(self, path):
        self.seen.append(("write", str(path)))

    def rewrite(self, path):
        self.seen.append(("rewrite", str(path)))


def wanted(name):
    """A library, or a reason why there is nothing to try."""
    return pytest.importorskip(name, reason=f"{name} is not installed", exc_type=ImportError)


@pytest.fixture(scope="module", autouse=True)
def nobody_watches():
    """Bodies of other tests may have begun to."""
    file_watch.stop()
    yield
    file_watch.stop()


@pytest.fixture(scope="module")
def recorder():
    """Tells of every call, as if all of this were a body."""
    told = Recorder()
    library_files.install(told, lambda: True)
    yield told
    library_files.remove()


@pytest.fixture
def seen(recorder):
    library_files.install(recorder, lambda: True)
    recorder.seen.clear()
    return recorder.seen


@pytest.mark.parametrize(("library", "cell"), CELLS, ids=[f"{library}: {cell.id}" for library, cell in CELLS])
def test_a_file_that_a_library_opens_is_seen(seen, tmp_path, library, cell):
    m, path = modules(wanted, cell.modules), tmp_path / cell.file
    cell.write(m, path)
    assert not cell.made or (cell.made, str(path)) in seen
    seen.clear()
    cell.read(m, path)
    assert (cell.seen, str(path)) in seen


# ---------------------------------------------------------------- nobody sees that

OFFERED = [(each.module, name) for each in library_files.TABLE for name in each.names]


def offered(module, name):
    """What a library offers under a name, as the class or the module has it."""
    at = importlib.import_module(module)
    for part in name.split("."):
        at = getattr(at, part, None)
    return at


def how_it_looks():
    """What can be asked of all that the table names, of libraries that are loaded."""
    found = {}
    for module, name in OFFERED:
        obj = offered(module, name) if module in sys.modules else None
        if obj is None:
            continue
        look = [obj.__name__, obj.__doc__, getattr(obj, "__qualname__", None)]
        call = obj.__init__ if isinstance(obj, type) else obj
        if inspect.isfunction(call) and not hasattr(call, "__wrapped__"):
            look += [inspect.signature(obj), inspect.getsource(call), call.__module__, call.__code__.co_filename]
        found[module, name] = look
    return found


@pytest.fixture
def plain(recorder):
    """Begins without anything that watches; `recorder` is taken again by whoever wants it."""
    for name in ("pyarrow.parquet", "pyarrow.csv"):
        wanted(name)
    library_files.remove()
    yield recorder
    library_files.install(recorder, lambda: True)


def test_names_texts_and_signatures_stay(plain):
    before = how_it_looks()
    library_files.install(plain, lambda: True)
    after = how_it_looks()
    assert {key: (look, after[key]) for key, look in before.items() if look != after[key]} == {}


def test_what_is_wrapped_pickles_by_its_name(seen):
    for module, name in OFFERED:
        obj = offered(module, name) if module in sys.modules else None
        if obj is not None and "." not in name:
            assert pickle.loads(pickle.dumps(obj)) is obj, f"{module}.{name}"


def test_nothing_stays_when_it_is_removed(plain):
    def held():
        found = {}
        for module, name in OFFERED:
            if module in sys.modules:
                home = offered(module, name.rpartition(".")[0]) if "." in name else sys.modules[module]
                obj = vars(home).get(name.rpartition(".")[2])
                found[module, name] = obj, getattr(obj, "__code__", None), getattr(obj, "__init__", None)
        return found

    before, finders = held(), list(sys.meta_path)
    library_files.install(plain, lambda: True)
    assert held() != before
    library_files.remove()
    assert held() == before
    assert sys.meta_path == finders


def test_a_wrong_call_says_what_it_said(plain):
    import pyarrow.parquet as pq

    def message():
        with pytest.raises(TypeError) as caught:
            pq.read_table(columns=["a"])
        return str(caught.value)

    before = message()
    library_files.install(plain, lambda: True)
    assert message() == before


def test_an_argument_that_is_odd_makes_no_error_of_ours(seen):
    pl = wanted("polars")

    class Odd:
        def __fspath__(self):
            raise RuntimeError("odd")

    for odd in (Odd(), None, 3, b"a,b\n1,2\n" * 1000, "x\0y", [[["no such file"]]]):
        with pytest.raises(Exception, match=r".") as caught:
            pl.read_csv(odd, n_rows="none")
        assert "cachepy" not in str(caught.value)


# -- where names were taken before

USERS = """
import pyarrow.csv
from pyarrow.csv import read_csv
from pyarrow.parquet import read_table

READERS = {"csv": read_csv, "parquet": read_table}
ORDER = [read_csv]

def by_name(path):
    return read_csv(path)

def of_table(path):
    return READERS["csv"](path)

def in_order(path):
    return ORDER[0](path)

def parquet(path):
    return READERS["parquet"](path)

def closed(read=read_table):
    return lambda path: read(path)

closed = closed()
"""


@pytest.fixture
def users(tmp_path, monkeypatch, plain):
    (tmp_path / "users_module.py").write_text(USERS)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("users_module")
    yield module
    del sys.modules["users_module"]


@pytest.mark.parametrize("name", ["by_name", "of_table", "in_order", "parquet", "closed"])
def test_names_that_were_taken_before_are_seen(users, plain, tmp_path, name):
    import pyarrow.parquet as pq

    path = tmp_path / "t.csv"
    path.write_text("a\n1\n")
    if name in ("parquet", "closed"):
        pq.write_table(users.pyarrow.table({"a": [1]}), path)
    library_files.install(plain, lambda: True)
    plain.seen.clear()
    getattr(users, name)(path)
    assert ("read", str(path)) in plain.seen
    library_files.remove()
    assert (users.READERS["csv"], users.READERS["parquet"]) == (users.pyarrow.csv.read_csv, pq.read_table)


# -- code and values count the same

CODE = """
import netCDF4
import pyarrow as pa
import pyarrow.csv
import pyarrow.fs
import pyarrow.parquet as pq
from functools import partial
from pyarrow.csv import read_csv
from pyarrow.parquet import ParquetFile, read_table

READERS = {"csv": read_csv, "parquet": read_table}
ASKS = [pyarrow.fs.LocalFileSystem, pa.OSFile, netCDF4.Dataset]
fixed = partial(pq.read_table, memory_map=True)

class Mine(pa.OSFile):
    kind = "mine"

class Table(ParquetFile):
    def all(self):
        return self.read()

def attribute(path):
    return pq.read_table(path)

def name(path):
    return read_table(path)

def compiled(path):
    return read_csv(path), pyarrow.csv.write_csv, pa.memory_map(path)

def of_table(path, kind):
    return READERS[kind](path)

def classes(path):
    return pa.OSFile(path), netCDF4.Dataset(path), Table(path), ParquetFile(path), pyarrow.fs.LocalFileSystem(), ASKS

def derived(path):
    return Mine(path)

def part(path):
    return fixed(path)

def default(path, read=read_csv, other=read_table):
    return read(path)

def whole():
    return READERS, ASKS, pq, pyarrow.csv
"""
FUNCTIONS = ("attribute", "name", "compiled", "of_table", "classes", "derived", "part", "default", "whole")


@pytest.fixture
def digests(tmp_path, monkeypatch, plain):
    """Digests of the code of functions, and of values that hold what is wrapped, in a session of their own each time."""
    for each in ("netCDF4", "pyarrow.fs"):
        wanted(each)
    (tmp_path / "users_code.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)

    def found():
        from cachepy.code.fingerprint import Target

        sys.modules.pop("users_code", None)
        m, session = importlib.import_module("users_code"), Session()
        code = {each: session.reader.reach(Target(getattr(m, each))) for each in FUNCTIONS}
        values = [m.READERS, m.ASKS, m.fixed, m.pyarrow.csv.read_csv, m.pa.OSFile, m.pyarrow.fs.LocalFileSystem()]
        assert all(reach.guard() for reach in code.values())
        rows = {each: (reach.digest, [str(piece) for piece in reach.pieces]) for each, reach in code.items()}
        return rows, [session.reader.digester.digest(value) for value in values]

    yield found
    sys.modules.pop("users_code", None)


def test_digests_are_the_same_before_and_after(digests, plain):
    before = digests()
    library_files.install(plain, lambda: True)
    assert digests() == before
    library_files.remove()
    assert digests() == before


PARTS = """
import sys
sys.path.insert(0, {folder!r})
from functools import partial
from cachepy.session import Session
from cachepy.calls import file_watch, library_files
from tests.unit.test_library_files import Recorder
if {watched}:
    library_files.install(Recorder(), lambda: True)
import pyarrow.csv
import pyarrow.parquet
values = [pyarrow.csv.read_csv, partial(pyarrow.csv.read_csv, memory_pool=None), {{pyarrow.csv.read_csv, pyarrow.csv.open_csv}}]
print([Session().reader.digester.digest(each) for each in (*values, pyarrow.parquet.read_table, pyarrow.OSFile)])
"""


def told_by(program, *args, **kwargs):
    done = subprocess.run([sys.executable, "-c", program, *args], capture_output=True, text=True, check=False, cwd=library_root(), **kwargs)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def library_root():
    return str(Path(__file__).resolve().parents[2])


def test_arguments_have_one_digest_in_processes_that_watch_and_in_others(plain):
    """The key of a call must not depend on whether a body ran in this process before."""
    one, other = (told_by(PARTS.format(folder=library_root(), watched=watched)) for watched in (False, True))
    assert one == other


def test_who_holds_the_function_itself_can_pickle_it(plain):
    import pyarrow.csv as csv

    first = csv.read_csv
    library_files.install(plain, lambda: True)
    assert csv.read_csv is not first
    assert pickle.loads(pickle.dumps(first)) is first
    assert Session().reader.digester.digest([first]) == Session().reader.digester.digest([csv.read_csv])


# -- classes


def test_a_class_can_be_derived_from(seen, tmp_path):
    import pyarrow as pa

    class Mine(pa.OSFile):
        def name(self):
            return "mine"

    path = tmp_path / "t.bin"
    path.write_bytes(b"abc")
    seen.clear()
    with Mine(str(path)) as file:
        assert (file.read(), file.name()) == (b"abc", "mine")
        assert isinstance(file, pa.OSFile) and isinstance(file, pa.NativeFile) and issubclass(Mine, pa.OSFile)
    with pa.OSFile(str(path)) as file:
        assert not isinstance(file, Mine) and type(file) is pa.OSFile
    assert seen == [("read", str(path))] * 2


def test_a_class_can_be_derived_from_together_with_others(seen):
    from abc import ABC, abstractmethod
    from typing import Generic, TypeVar

    import pyarrow as pa

    class Named(ABC):
        @abstractmethod
        def name(self): ...

    class Mine(pa.OSFile, Named):
        pass

    class Typed(pa.OSFile, Generic[TypeVar("T")]):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Mine("x")
    assert issubclass(Typed, pa.OSFile)


def test_what_was_made_before_is_an_instance(plain, tmp_path):
    pysam = wanted("pysam")
    (tmp_path / "t.fa").write_text(">one\nACGT\n")

    class Mine(pysam.FastaFile):
        pass

    before = pysam.FastaFile(str(tmp_path / "t.fa"))
    library_files.install(plain, lambda: True)
    assert isinstance(before, pysam.FastaFile) and issubclass(Mine, pysam.FastaFile)
    assert isinstance(pysam.FastaFile(str(tmp_path / "t.fa")), pysam.FastaFile)
    assert isinstance(Mine(str(tmp_path / "t.fa")), pysam.FastaFile)
    assert not isinstance(3, pysam.FastaFile)


def test_groups_are_datasets(seen, tmp_path):
    nc = wanted("netCDF4")
    with nc.Dataset(tmp_path / "t.nc", "w") as file:
        assert isinstance(file.createGroup("inner"), nc.Dataset)


@pytest.mark.parametrize("kind", ["h5py:File", "netCDF4:Dataset", "tables:File", "pyarrow.parquet:ParquetFile", "pysam:AlignmentFile"])
def test_a_derived_class_is_seen(seen, tmp_path, kind):
    module, name = kind.split(":")
    wanted(module)

    class Mine(offered(module, name)):
        pass

    path = str(tmp_path / "none")
    with pytest.raises(Exception, match=r"."):
        Mine(path)
    assert ("read", path) in seen


def test_a_file_system_pickles(seen):
    from pyarrow import fs

    here = fs.LocalFileSystem()
    assert pickle.loads(pickle.dumps(here)) == here
    assert isinstance(fs.FileSystem.from_uri("file:///")[0], fs.LocalFileSystem)


# -- imports

LATE = """
import sys
from cachepy.calls import file_watch, library_files
from tests.unit.test_library_files import Recorder
told = Recorder()
library_files.install(told, lambda: True)
import importlib
import pyarrow as pa
from pyarrow.csv import read_csv
from pyarrow.parquet import read_table, write_table
path = sys.argv[1] + "/t"
write_table(pa.table({"a": [1]}), path + ".parquet")
read_table(path + ".parquet")
open(path + ".csv", "w").write("a\\n1\\n")
read_csv(path + ".csv")
assert told.seen[-1] == ("read", path + ".csv")
told.seen.pop()
import pyarrow.feather
for module in (pyarrow.feather, pyarrow.csv):
    assert type(module.__spec__.loader) is type(module.__loader__) and "exec_module" not in vars(module.__loader__)
    assert importlib.reload(module) is module
pyarrow.csv.read_csv(path + ".csv")
pyarrow.feather.write_feather(pa.table({"a": [1]}), path + ".feather")
print([(what, file.rpartition("/")[2]) for what, file in dict.fromkeys(told.seen)])
assert not library_files.missing(), library_files.missing()
"""


def test_what_is_imported_later_is_seen(plain, tmp_path):
    told = told_by(LATE, str(tmp_path))
    assert told == str([("write", "t.parquet"), ("read", "t.parquet"), ("read", "t.csv"), ("write", "t.feather")])


def test_an_import_that_fails_fails_as_ever(plain, tmp_path):
    program = """
import sys
sys.path.insert(0, sys.argv[1])
from cachepy.calls import file_watch, library_files
from tests.unit.test_library_files import Recorder
library_files.install(Recorder(), lambda: True)
for name in ("tables", "h5py", "netCDF4"):
    try:
        __import__(name)
    except Exception as error:
        print(type(error).__name__, error)
    else:
        print(name, sys.modules[name].File)
open(sys.argv[1] + "/tables.py", "w").write("File = 3")
import importlib
importlib.invalidate_caches()
import tables
print(tables.File)
"""
    (tmp_path / "tables.py").write_text("raise ValueError('broken')")
    (tmp_path / "h5py").mkdir()  # a folder without code
    (tmp_path / "h5py" / "__init__.py").write_text("File = 'no class'")
    (tmp_path / "netCDF4.py").write_text("import no_such_module")
    told = told_by(program, str(tmp_path)).splitlines()
    assert told == ["ValueError broken", "h5py no class", "ModuleNotFoundError No module named 'no_such_module'", "3"]


# -- which paths are meant


def test_frames_of_callers_are_found_by_duckdb(seen):
    duckdb, pd = wanted("duckdb"), wanted("pandas")
    mine = pd.DataFrame({"a": [1, 2]})
    for ask in (duckdb.sql, duckdb.execute, duckdb.query, duckdb.connect().sql, duckdb.connect().execute):
        assert ask("select sum(a) from mine").fetchall() == [(3,)]
    assert len(mine) == 2


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select * from '{0}/a.csv' where x = 'EUR'", [("read", "a.csv")]),
        ("select 'it''s' from \"{0}/a.csv\"", [("read", "a.csv")]),
        ("copy t to '{0}/out.csv'", [("write", "out.csv")]),
        ("COPY t FROM '{0}/a.csv'", [("read", "a.csv")]),
        ("attach '{0}/new.db' as n", [("rewrite", "new.db")]),
        ("ATTACH IF NOT EXISTS '{0}/a.csv' (READ_ONLY)", [("read", "a.csv")]),
        ("attach ':memory:' as n", []),
        ("select * from read_csv(['{0}/a.csv', '{0}/b.csv'])", [("read", "a.csv"), ("read", "b.csv")]),
        ("select * from '{0}/*.csv'", [("read", "a.csv"), ("read", "b.csv")]),
        ("select 1", []),
    ],
)
def test_files_in_a_query(tmp_path, query, expected):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("x\n1\n")
    told = Recorder()
    row = library_files.Row("any", "any", library_files.SQL, "query")
    library_files.Notes(told, lambda: True).pick(row).see(query.format(tmp_path))
    assert [(what, path.rpartition("/")[2]) for what, path in told.seen] == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{0}/a.csv", ["a.csv"]),
        (b"{0}/a.csv", ["a.csv"]),
        (b"no such file", []),
        (["{0}/a.csv", ("{0}/b.csv",)], ["a.csv", "b.csv"]),
        ("{0}/[ab].csv", ["a.csv", "b.csv"]),
        ("{0}/**/*.csv", ["a.csv", "b.csv"]),
        ("file://{0}/a.csv", ["a.csv"]),
        ("~/a.csv", ["a.csv"]),
        ("zip://{0}/z.zip!a.shp", ["z.zip"]),
        ("/vsizip/{0}/z.zip/a.shp", ["z.zip"]),
        ('NETCDF:"{0}/a.csv":v', ["a.csv"]),
        ("{0}/none", ["none"]),
        ("", []),
        (None, []),
        (7, []),
        (object, []),
    ],
)
def test_paths_in_an_argument(tmp_path, monkeypatch, value, expected):
    for name in ("a.csv", "b.csv", "z.zip"):
        (tmp_path / name).write_text("x")
    monkeypatch.setenv("HOME", str(tmp_path))

    def filled(value):
        if isinstance(value, (list, tuple)):
            return [*map(filled, value)]
        if isinstance(value, bytes):
            return value.replace(b"{0}", str(tmp_path).encode())
        return value.replace("{0}", str(tmp_path)) if isinstance(value, str) else value

    found = [path.rpartition("/")[2] for path in library_files.paths_in(filled(value))]
    assert found == expected


def test_a_pattern_is_told_as_such_to_whoever_listens(tmp_path):
    told, matched = Recorder(), []
    told.match = matched.append
    row = library_files.Row("any", "any", library_files.READ, "source")
    library_files.Notes(told, lambda: True).pick(row).see(f"{tmp_path}/*.none")
    assert (told.seen, matched) == ([], [f"{tmp_path}/*.none"])


def test_what_lies_beside_a_file_is_read_with_it(seen, tmp_path):
    gpd = wanted("geopandas")
    wanted("pyogrio")
    shape = gpd.GeoDataFrame({"n": [1]}, geometry=gpd.points_from_xy([0], [0]), crs="EPSG:4326")
    shape.to_file(tmp_path / "t.shp")
    assert {("write", str(tmp_path / f"t.{end}")) for end in ("shp", "shx", "dbf")} <= {*seen}
    seen.clear()
    gpd.read_file(tmp_path / "t.shp")
    assert {("read", str(tmp_path / f"t.{end}")) for end in ("shp", "shx", "dbf", "prj", "cpg")} == {*seen}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("r", "read"), ("rb", "read"), ("r+", "rewrite"), ("a", "rewrite"), ("w", "write"), ("w-", "write"), ("x", "write"),
     ("w+", "rewrite"), ("wb", "write"), (None, "read"), ("rs", "read"), ("as", "rewrite")],
)  # fmt: skip
def test_modes(mode, expected):
    row = library_files.Row("any", "any", library_files.MODE, "name", 0, ("mode", 1, "r"))
    assert library_files.action_of(row, mode) == expected


# -- outside of bodies, and with cachepy's own uses


def test_outside_of_bodies_nothing_is_told(plain, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    library_files.install(plain)
    plain.seen.clear()
    pq.write_table(pa.table({"a": [1]}), tmp_path / "t.parquet")
    assert plain.seen == []
    library_files.remove()


def test_a_body_tells_and_its_values_are_stored_without_a_word(plain, tmp_path):
    pl = wanted("polars")
    import pyarrow as pa
    import pyarrow.parquet as pq

    from cachepy import cache_file

    library_files.install(plain)
    plain.seen.clear()
    pq_file, pl_file = tmp_path / "t.parquet", tmp_path / "t.csv"
    pl_file.write_text("a\n1\n")

    @cache_file(tmp_path / "cache", warn_cheap=False, observe=False)
    def both(given, frame):
        pq.write_table(given, pq_file)
        return pq.read_table(pq_file), pl.read_csv(pl_file)

    given = pa.table({"a": [1, 2]}), pl.DataFrame({"b": [1]})
    first = both(*given)
    assert [*dict.fromkeys(plain.seen)] == [("write", str(pq_file)), ("read", str(pq_file)), ("read", str(pl_file))]
    plain.seen.clear()
    second = both(*given)
    assert second[0].equals(first[0]) and second[1].equals(first[1])
    assert plain.seen == []
    library_files.remove()


def test_the_page_says_what_is_seen():
    page = Path(library_root(), "docs", "explanation", "invalidates.md").read_text(encoding="utf-8")
    made = re.findall(r"<!-- table -->\n(.*?)\n<!-- /table -->", page, flags=re.DOTALL)
    assert [block for block in made if block.endswith(f"\n\n{page_table()}")]
