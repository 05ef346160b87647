"""Which functions of libraries open files where no wrapper of Python's own ``open`` sees it: they are written in C.

`TABLE` has one row for each: what it is called, which of its arguments are paths, and whether it reads or writes.
`install` has their calls noted: of libraries that are loaded at once, of others right after they are imported.  To
add a library, add a row, and a cell in `tests/unit/test_library_files.py`.
"""

from __future__ import annotations

import glob
import os
import re
import sys

from cachepy.calls.entry_points import Pick, Wrapped
from cachepy.calls.unseen_network import of_url
from cachepy.core.bodies import bodies
from cachepy.core.current import caller, here
from cachepy.values.paths import MAGIC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Protocol

    from cachepy.calls.entry_points import Picks

    class Events(Protocol):
        """Who is told of a path; none of it ever raises."""

        def read(self, path: Any) -> None:
            """It is opened for reading: a file or a folder."""

        def write(self, path: Any) -> None:
            """It is opened to be written anew."""

        def rewrite(self, path: Any) -> None:
            """It is opened for both: the end of the body tells whether it was changed."""

        # match(pattern): what it matches is read, and what it will match too; not every Events has it
        # ask(source): a host is asked for something; likewise


READ, WRITE, REWRITE, MODE, SQL, NAMES = "read", "write", "rewrite", "mode", "sql", "names"
_TRUE_READS = {True: READ, False: REWRITE}
_TRUE_ADDS = {True: REWRITE, False: WRITE}


class Row:
    """Functions or classes of one module that treat one of their parameters alike.

    names: dotted, separated by spaces; of a class the call that makes an instance is meant.
    does: READ, WRITE, REWRITE (both), MODE (as another parameter says), SQL (a query, whose texts may name files),
    NAMES (values, of which some may name files).
    parameter, place: its name and its position, counted without ``self``; the name goes first.
    mode: name, position and default of the parameter that says how it is opened; `modes` is what its values mean, if
    they are not those of `open`.
    """

    __slots__ = ("does", "mode", "modes", "module", "names", "parameter", "place")

    def __init__(
        self,
        module: str,
        names: str,
        does: str,
        parameter: str,
        place: int = 0,
        mode: tuple[str, int, Any] | None = None,
        modes: dict[Any, str] | None = None,
    ) -> None:
        self.module, self.names, self.does = module, names.split(), does
        self.parameter, self.place = parameter, place
        self.mode, self.modes = mode, modes


_DUCKDB = "read_csv read_parquet read_json from_csv_auto from_parquet from_json"
_CONNECTION = " ".join(f"DuckDBPyConnection.{name}" for name in _DUCKDB.split())
_QUERIES = "sql query execute executemany from_query"
_ON_CONNECTION = " ".join(f"DuckDBPyConnection.{name}" for name in _QUERIES.split())
_OPENED = ("mode", 1, "r")

TABLE = (
    # pyarrow
    Row("pyarrow", "memory_map", MODE, "path", 0, _OPENED, {"r": READ, "w": REWRITE, "r+": REWRITE}),
    Row("pyarrow", "create_memory_map", WRITE, "path"),
    Row("pyarrow", "OSFile", MODE, "path", 0, _OPENED),
    Row("pyarrow", "input_stream", READ, "source"),
    Row("pyarrow", "output_stream", WRITE, "source"),
    Row("pyarrow.parquet", "read_table read_pandas ParquetFile", READ, "source"),
    Row("pyarrow.parquet", "ParquetDataset", READ, "path_or_paths"),
    Row("pyarrow.parquet", "read_schema read_metadata", READ, "where"),
    Row("pyarrow.parquet", "write_table write_metadata", WRITE, "where", 1),
    Row("pyarrow.parquet", "ParquetWriter", WRITE, "where"),
    Row("pyarrow.parquet", "write_to_dataset", REWRITE, "root_path", 1),
    Row("pyarrow.csv", "read_csv open_csv", READ, "input_file"),
    Row("pyarrow.csv", "write_csv", WRITE, "output_file", 1),
    Row("pyarrow.csv", "CSVWriter", WRITE, "sink"),
    Row("pyarrow.json", "read_json open_json", READ, "input_file"),
    Row("pyarrow.feather", "read_table read_feather", READ, "source"),
    Row("pyarrow.feather", "write_feather", WRITE, "dest", 1),
    Row("pyarrow.dataset", "dataset", READ, "source"),
    Row("pyarrow.dataset", "parquet_dataset", READ, "metadata_path"),
    Row("pyarrow.dataset", "write_dataset", REWRITE, "base_dir", 1),
    Row("pyarrow.ipc", "open_file open_stream RecordBatchFileReader RecordBatchStreamReader", READ, "source"),
    Row("pyarrow.ipc", "new_file new_stream RecordBatchFileWriter RecordBatchStreamWriter", WRITE, "sink"),
    Row("pyarrow.orc", "ORCFile read_table", READ, "source"),
    Row("pyarrow.orc", "ORCWriter", WRITE, "where"),
    Row("pyarrow.orc", "write_table", WRITE, "where", 1),
    Row("pyarrow.fs", "LocalFileSystem.open_input_file LocalFileSystem.open_input_stream", READ, "path"),
    Row("pyarrow.fs", "LocalFileSystem.open_output_stream", WRITE, "path"),
    Row("pyarrow.fs", "LocalFileSystem.open_append_stream", REWRITE, "path"),
    # polars: what is lazy is noted when it is named, not when it is collected
    Row(
        "polars",
        "read_avro read_csv read_csv_batched read_delta read_excel read_ipc read_ipc_schema read_ipc_stream read_json"
        " read_lines read_ndjson read_ods read_parquet read_parquet_metadata read_parquet_schema scan_csv scan_delta"
        " scan_ipc scan_lines scan_ndjson scan_parquet DataFrame.deserialize LazyFrame.deserialize",
        READ,
        "source",
    ),
    Row(
        "polars",
        "DataFrame.write_avro DataFrame.write_csv DataFrame.write_ipc DataFrame.write_ipc_stream DataFrame.write_json"
        " DataFrame.write_ndjson DataFrame.write_parquet DataFrame.serialize",
        WRITE,
        "file",
    ),
    Row("polars", "DataFrame.write_excel", WRITE, "workbook"),
    Row("polars", "DataFrame.write_delta LazyFrame.sink_delta", REWRITE, "target"),
    Row("polars", "LazyFrame.sink_csv LazyFrame.sink_ipc LazyFrame.sink_ndjson LazyFrame.sink_parquet", WRITE, "path"),
    Row("polars", "sql SQLContext.execute", SQL, "query"),
    # HDF5, netCDF, zarr
    Row("h5py", "File", MODE, "name", 0, _OPENED),
    Row("tables", "File", MODE, "filename", 0, _OPENED),
    Row("tables", "copy_file", READ, "srcfilename"),
    Row("tables", "copy_file", WRITE, "dstfilename", 1),
    Row("netCDF4", "Dataset", MODE, "filename", 0, _OPENED),
    Row("netCDF4", "MFDataset", READ, "files"),
    Row(
        "xarray",
        "open_dataset open_dataarray open_datatree open_groups load_dataset load_dataarray load_datatree",
        READ,
        "filename_or_obj",
    ),
    Row("xarray", "open_mfdataset", READ, "paths"),
    Row("xarray", "open_zarr", READ, "store"),
    Row("xarray", "Dataset.to_netcdf DataArray.to_netcdf", MODE, "path", 0, ("mode", 1, "w")),
    Row("xarray", "DataTree.to_netcdf", MODE, "filepath", 0, ("mode", 1, "w")),
    Row("xarray", "Dataset.to_zarr DataArray.to_zarr DataTree.to_zarr", MODE, "store", 0, ("mode", 1, "a")),
    Row("xarray", "save_mfdataset", MODE, "paths", 1, ("mode", 2, "w")),
    Row("zarr", "open open_group", MODE, "store", 0, ("mode", -1, "a")),
    Row("zarr", "open_array open_consolidated", MODE, "store", 0, ("mode", -1, "a")),
    Row("zarr", "load", READ, "store"),
    Row("zarr", "save save_array save_group", REWRITE, "store"),
    Row("zarr", "create_array create_group group consolidate_metadata", REWRITE, "store"),
    Row("zarr", "create array", REWRITE, "store", -1),
    # duckdb
    Row("duckdb", "connect", MODE, "database", 0, ("read_only", 1, False), _TRUE_READS),
    Row("duckdb", _DUCKDB, READ, "path_or_buffer"),
    Row("duckdb", _CONNECTION, READ, "path_or_buffer"),
    Row("duckdb", f"{_QUERIES} {_ON_CONNECTION}", SQL, "query"),
    Row("duckdb", "execute DuckDBPyConnection.execute", NAMES, "parameters", 1),
    Row("duckdb", "sql DuckDBPyConnection.sql", NAMES, "params", -1),
    Row(
        "duckdb",
        "DuckDBPyRelation.write_parquet DuckDBPyRelation.to_parquet DuckDBPyRelation.write_csv DuckDBPyRelation.to_csv",
        WRITE,
        "file_name",
    ),
    # maps
    Row("rasterio", "open", MODE, "fp", 0, _OPENED),
    Row("pyogrio", "read_dataframe read_arrow open_arrow read_info read_bounds list_layers", READ, "path_or_buffer"),
    Row("pyogrio.raw", "read", READ, "path_or_buffer"),
    Row("pyogrio", "write_dataframe write_arrow", MODE, "path", 1, ("append", -1, False), _TRUE_ADDS),
    Row("pyogrio.raw", "write", MODE, "path", 0, ("append", -1, False), _TRUE_ADDS),
    Row("geopandas", "read_file list_layers", READ, "filename"),
    Row("geopandas", "read_parquet read_feather", READ, "path"),
    Row("geopandas", "GeoDataFrame.to_file GeoSeries.to_file", MODE, "filename", 0, ("mode", -1, "w")),
    Row("geopandas", "GeoDataFrame.to_parquet GeoDataFrame.to_feather", WRITE, "path"),
    # genomes
    Row("pysam", "AlignmentFile VariantFile BGZFile", MODE, "filename", 0, _OPENED),
    Row("pysam", "FastaFile FastxFile TabixFile", READ, "filename"),
    Row("pysam", "tabix_index", REWRITE, "filename"),
    Row("pysam", "tabix_compress", READ, "filename_in"),
    Row("pysam", "tabix_compress", WRITE, "filename_out", 1),
    # what Python itself has in C
    Row("sqlite3", "connect", REWRITE, "database"),
    # numpy remembers `io.open` of before; its `fromfile`, `memmap` and `load` ask for it anew
    Row("numpy", "loadtxt genfromtxt", READ, "fname"),
)


# ---------------------------------------------------------------- which paths are meant

_QUOTED = re.compile(
    r"""(\bTO\s+|\bATTACH\s+(?:DATABASE\s+)?(?:IF\s+NOT\s+EXISTS\s+)?)?(?:'((?:[^']|'')*)'|"([^"]*)")""",
    re.IGNORECASE,
)
_ARCHIVE = re.compile(r"(?:zip|tar|gzip|file)(?:\+(?:zip|tar|gzip|file))*://")
_VIRTUAL = re.compile(r"(?:/vsi(?!mem|curl|s3|gs|az|stdin)\w+/)+")
_SHAPE = (".shx", ".dbf", ".prj", ".cpg", ".sbn", ".sbx", ".qix")
_RASTER = ("+.aux.xml", "+.ovr", "+.msk")
# files that a library looks for beside one, which it opens without being told: by another ending, or by one more (+)
BESIDE: dict[str, tuple[str, ...]] = {
    ".shp": _SHAPE,
    ".tif": (".tfw", *_RASTER), ".tiff": (".tfw", *_RASTER), ".jpg": (".jgw", *_RASTER), ".png": (".pgw", *_RASTER),
    ".bam": ("+.bai", "+.csi", ".bai"), ".cram": ("+.crai", ".crai"), ".bcf": ("+.csi",),
    ".gz": ("+.tbi", "+.csi", "+.fai", "+.gzi"), ".bgz": ("+.tbi", "+.csi"),
    ".fa": ("+.fai",), ".fasta": ("+.fai",), ".fna": ("+.fai",),
}  # fmt: skip
_WRITTEN_BESIDE: dict[str, tuple[str, ...]] = {".shp": (".shx", ".dbf", ".cpg")}  # always; others only in some cases


def paths_in(value: Any, match: Callable[[str], object] = len) -> Iterator[str]:
    """The paths that an argument stands for: one, several, those of a pattern; match: is told of a pattern."""
    if isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from paths_in(each, match)
    elif isinstance(value, bytes):  # a name for some libraries, content for others
        if len(value) < 4096 and b"\0" not in value and os.path.exists(value):
            yield os.fsdecode(value)
    elif isinstance(value, str) or hasattr(type(value), "__fspath__"):
        text = os.fsdecode(value)
        if text and "\0" not in text:
            yield from _of_text(text, match)


def _of_text(text: str, match: Callable[[str], object]) -> Iterator[str]:
    text = text.removeprefix("file://")
    if text[:5] == "file:":  # as sqlite has them
        text = text[5:].partition("?")[0]
    if text[:1] == "~" and not os.path.exists(text):
        text = os.path.expanduser(text)
    if MAGIC.isdisjoint(text) or os.path.exists(text):
        yield _inner(text)
    elif "://" not in text:
        match(text)
        yield from sorted(glob.glob(text, recursive=True))


def _inner(text: str) -> str:
    """The file that GDAL's and netCDF's longer names mean: archives, parts of a file."""
    found = _VIRTUAL.match(text)
    if found is not None:
        return _longest_that_exists(text[found.end() :])
    found = _ARCHIVE.match(text)
    if found is not None:
        return text[found.end() :].partition("!")[0]
    if ":" in text and "://" not in text and not os.path.exists(text):
        parts = [part.strip("\"'") for part in text.split(":")]
        return next((part for part in parts if part and os.path.exists(part)), text)
    return text


def _longest_that_exists(path: str) -> str:
    """What is named inside an archive is no file: the archive is."""
    at = path
    while at.strip(os.sep):
        if os.path.exists(at):
            return at
        at = os.path.dirname(at)
    return path


def beside(path: str, table: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """The files that belong to one by their names."""
    stem, end = os.path.splitext(path)
    for each in table.get(end.lower(), ()):
        yield path + each[1:] if each[0] == "+" else stem + each


def action_of(row: Row, mode: Any) -> str:
    """What is done to a file that is opened in a mode."""
    assert row.mode is not None
    if mode is None:
        mode = row.mode[2]
    if row.modes is not None:
        return row.modes.get(mode, REWRITE)
    letters = str(mode)
    if "+" in letters or "a" in letters:
        return REWRITE
    return WRITE if letters[:1] in ("w", "x") else READ


# ---------------------------------------------------------------- what is noted of a call


class Notes:
    """Tells of the paths in the arguments of a call, if it is made in a body that is watched."""

    def __init__(self, events: Events, is_watched: Callable[[], bool]) -> None:
        self.events = events
        self.is_watched = is_watched
        self._match: Callable[[str], object] = getattr(events, "match", len)
        self._ask: Callable[[str], object] = getattr(events, "ask", len)
        self._tells = {READ: self._read, WRITE: self._write, REWRITE: events.rewrite}

    def pick(self, row: Row) -> Pick:
        """What is to be done at the calls of a row."""
        tell = self._by_mode if row.does == MODE else self._plain

        def told(value: Any, mode: Any = None) -> None:
            try:
                tell(row, value, mode)
            except Exception:  # an argument may be anything; the call itself says so
                return

        parameters = ((row.parameter, row.place), *((row.mode[:2],) if row.mode is not None else ()))
        return Pick(told, parameters, self.is_watched)

    def _by_mode(self, row: Row, value: Any, mode: Any) -> None:
        tell = self._tells[action_of(row, mode)]
        for path in paths_in(value, self._match):
            if path not in _IN_MEMORY:
                tell(path)

    def _plain(self, row: Row, value: Any, _: Any) -> None:
        if row.does == SQL:
            self._query(value)
        elif row.does == NAMES:
            self._names(value)
        else:
            tell = self._tells[row.does]
            for path in paths_in(value, self._match):
                tell(path)

    def _read(self, path: str) -> None:
        if "://" in path:
            host = of_url(path)
            if host is not None:
                self._ask(host)
            return
        self.events.read(path)
        for each in beside(path, BESIDE):
            if os.path.exists(each):
                self.events.read(each)

    def _write(self, path: str) -> None:
        self.events.write(path)
        for each in beside(path, _WRITTEN_BESIDE):
            self.events.write(each)

    def _query(self, text: Any) -> None:
        """Of the quoted texts those that are written to, and those that name files."""
        for found in _QUOTED.finditer(text) if isinstance(text, str) else ():
            word = (found[1] or "").strip().upper()
            name = found[3] if found[2] is None else found[2].replace("''", "'")
            if word == "TO":
                self._write(name)
            elif word and name not in _IN_MEMORY:
                is_read = "READ_ONLY" in text.upper()
                (self._read if is_read else self.events.rewrite)(name)
            elif not word:
                self._names(name)

    def _names(self, value: Any) -> None:
        values = [*value.values()] if isinstance(value, dict) else value
        for path in paths_in(values, self._match):
            if os.path.exists(path):
                self._read(path)


_IN_MEMORY = frozenset({"", ":memory:", ":default:"})


# ---------------------------------------------------------------- libraries, when they are there


class Watch:
    """The entry points of all libraries of the table, in this process."""

    def __init__(self, events: Events, is_watched: Callable[[], bool], others: Picks) -> None:
        self.notes = Notes(events, is_watched)
        self.wrapped = Wrapped()
        self.rows = _by_module(self.notes) | others
        self.waiting = set(self.rows)
        self.missing: list[str] = []  # what this version of a library does not offer

    def begin(self) -> None:
        """Whatever is loaded at once, all others when they are."""
        self.catch_up()
        sys.meta_path.insert(0, self)

    def end(self) -> None:
        """As if nothing had been."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        self.wrapped.undo()

    def catch_up(self) -> None:
        """Libraries that came by a way on which nobody asked us."""
        loaded = [name for name in self.waiting if _is_whole(sys.modules.get(name))]
        if loaded:
            for name in loaded:
                self._wrap(sys.modules[name])
            self.wrapped.exchange_in([*sys.modules.values()])

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Python asks where a module is: what the others say, with a word for us when it has been loaded."""
        if name not in self.rows:
            return None
        for finder in list(sys.meta_path):
            find = None if isinstance(finder, Watch) else getattr(finder, "find_spec", None)
            spec = None if find is None else find(name, path, target)
            if spec is not None:
                self._follow(spec.loader)
                return spec
        return None

    def _follow(self, loader: Any) -> None:
        """Have a loader tell when the module has run; it is its own again before it does."""
        run = getattr(loader, "exec_module", None)
        if run is None or "exec_module" in getattr(loader, "__dict__", {"exec_module": None}):
            return

        def exec_module(module: Any) -> None:
            vars(loader).pop("exec_module", None)
            run(module)
            try:
                self._wrap(module)
                self._exchange_in_library(module.__name__)
            except Exception:  # the import is the user's
                return

        loader.exec_module = exec_module

    def _exchange_in_library(self, name: str) -> None:
        """Nobody else can have taken a name of what was just loaded."""
        top = name.partition(".")[0]
        own = [key for key in list(sys.modules) if key == top or key.startswith((f"{top}.", f"_{top}"))]
        self.wrapped.exchange_in([sys.modules[key] for key in own])

    def _wrap(self, module: Any) -> None:
        name = module.__name__
        self.waiting.discard(name)
        for dotted, picks in self.rows[name]:
            try:
                is_done = self.wrapped.wrap(module, dotted, picks)
            except Exception:  # a library of another time: what it offers there is not what the table says
                is_done = False
            if not is_done:
                self.missing.append(f"{name}.{dotted}")


def _is_whole(module: Any) -> bool:
    """Whether a module is there and has been loaded to its end."""
    return module is not None and not getattr(getattr(module, "__spec__", None), "_initializing", False)


def _by_module(notes: Notes) -> Picks:
    """The picks of each entry point: some have several paths."""
    found: dict[str, dict[str, list[Pick]]] = {}
    for row in TABLE:
        for name in row.names:
            found.setdefault(row.module, {}).setdefault(name, []).append(notes.pick(row))
    return {module: list(names.items()) for module, names in found.items()}


def _runs_here() -> bool:
    """Whether the body of a cached function runs here."""
    return (here() is not None or bool(bodies)) and caller() is not None


_watch: Watch | None = None


def install(events: Events, is_watched: Callable[[], bool] = _runs_here, others: Picks | None = None) -> None:
    """Have the files noted that libraries open; called again, it only looks for libraries that came meanwhile.

    others: what else is to be seen of a module, by its name.
    """
    global _watch
    if _watch is not None and _watch.notes.events is events:
        if _watch.waiting:
            _watch.catch_up()
        return
    remove()
    _watch = Watch(events, is_watched, others or {})
    _watch.begin()


def remove() -> None:
    """Take away all that `install` did."""
    global _watch
    if _watch is not None:
        _watch.end()
        _watch = None


def missing() -> list[str]:
    """What the table names and the libraries that are loaded do not offer: they are of another time."""
    return [] if _watch is None else [*_watch.missing]
