"""Cells of `test_library_files`: how a file is written and read with a library.

Each has the modules that it needs, the name of the file, a function that makes the file, and one that reads it again.
`made` is what the first is seen to do: nothing, where Python's own `open` makes the file.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple


class Cell(NamedTuple):
    id: str
    modules: str
    file: str
    write: Callable[[Any, Any], Any]
    read: Callable[[Any, Any], Any]
    made: str = "write"
    seen: str = "read"


def row(name, modules, file, write, read, made="write", seen="read"):
    return Cell(name, modules, file, write, read, made, seen)


def table(m):
    return m.pyarrow.table({"a": [1, 2, 3], "b": ["x", "y", "z"]})


def frame(m):
    return m.polars.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})


def text(path, content="a,b\n1,x\n2,y\n"):
    path.write_text(content)


def filled(path, content):
    path.write_bytes(content)


def h5(m, p):
    with m.h5py.File(p, "w") as file:
        file["x"] = [1, 2, 3]


def h5_values(m, p, **how):
    with m.h5py.File(p, **how) as file:
        return list(file["x"])


def nc(m, p, **how):
    with m.netCDF4.Dataset(p, "w", **how) as file:
        file.createDimension("x", None)
        file.createVariable("v", "f8", ("x",))[:] = [1, 2, 3]


def array(m):
    return m.xarray.Dataset({"v": ("x", [1.0, 2.0, 3.0])})


def arrow_file(m, p, new):
    with new(p, table(m).schema) as writer:
        writer.write_table(table(m))


def in_map(m, p):
    return m.rasterio.open(p, "w", driver="GTiff", width=2, height=2, count=1, dtype="uint8", transform=m.rasterio.transform.from_origin(0, 2, 1, 1))


def raster(m, p):
    with in_map(m, p) as file:
        file.write(m.numpy.ones((2, 2), "uint8"), 1)


def points(m):
    return m.geopandas.GeoDataFrame({"n": [1, 2]}, geometry=m.geopandas.points_from_xy([0, 1], [0, 1]), crs="EPSG:4326")


def bam(m, p):
    head = m.pysam.AlignmentHeader.from_dict({"HD": {"VN": "1.6"}, "SQ": [{"SN": "one", "LN": 100}]})
    with m.pysam.AlignmentFile(p, "wb", header=head) as file:
        read = m.pysam.AlignedSegment(head)
        read.query_name, read.query_sequence, read.flag, read.reference_id = "r", "ACGT", 0, 0
        read.reference_start, read.cigarstring = 10, "4M"
        file.write(read)


def vcf(p):
    text(p, '##fileformat=VCFv4.2\n##contig=<ID=one,length=100>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\none\t5\t.\tA\tC\t.\tPASS\t.\n')


def copy_to(m, p):
    m.duckdb.sql(f"copy (select 1 as a) to '{p}' (format parquet)")


def db(m, p):
    with m.duckdb.connect(str(p)) as base:
        base.execute("create table t as select 1 as a")


def hdf(m, p):
    with m.tables.open_file(str(p), "w") as file:
        file.create_array("/", "x", [1, 2, 3])


PARQUET = "pyarrow pyarrow.parquet"
IPC = "pyarrow pyarrow.ipc"
ARROW = (
    row("read_table", PARQUET, "t.parquet", lambda m, p: m.parquet.write_table(table(m), p), lambda m, p: m.parquet.read_table(p)),
    row("read_table of a folder", PARQUET, "t", lambda m, p: m.parquet.write_to_dataset(table(m), p), lambda m, p: m.parquet.read_table(str(p)), made="rewrite"),
    row("read_pandas", PARQUET, "t.parquet", lambda m, p: m.parquet.write_table(table(m), where=p), lambda m, p: m.parquet.read_pandas(source=p)),
    row("ParquetFile", PARQUET, "t.parquet", lambda m, p: m.parquet.write_table(table(m), p), lambda m, p: m.parquet.ParquetFile(p).read()),
    row("ParquetDataset", PARQUET, "t.parquet", lambda m, p: m.parquet.write_table(table(m), p), lambda m, p: m.parquet.ParquetDataset([p]).read()),
    row("read_schema", PARQUET, "t.parquet", lambda m, p: m.parquet.write_table(table(m), p), lambda m, p: m.parquet.read_schema(p)),
    row("read_metadata", PARQUET, "t.parquet", lambda m, p: m.parquet.write_table(table(m), p), lambda m, p: m.parquet.read_metadata(p)),
    row("ParquetWriter", PARQUET, "t.parquet", lambda m, p: arrow_file(m, p, m.parquet.ParquetWriter), lambda m, p: m.parquet.read_table(p)),
    row("csv.read_csv", "pyarrow pyarrow.csv", "t.csv", lambda m, p: m.csv.write_csv(table(m), p), lambda m, p: m.csv.read_csv(p)),
    row("csv.open_csv", "pyarrow pyarrow.csv", "t.csv", lambda m, p: m.csv.write_csv(table(m), output_file=p), lambda m, p: m.csv.open_csv(input_file=p).read_all()),
    row("csv.CSVWriter", "pyarrow pyarrow.csv", "t.csv", lambda m, p: arrow_file(m, p, m.csv.CSVWriter), lambda m, p: m.csv.read_csv(p)),
    row("json.read_json", "pyarrow pyarrow.json", "t.json", lambda m, p: text(p, '{"a": 1}\n'), lambda m, p: m.json.read_json(p), made=""),
    row("feather.read_table", "pyarrow pyarrow.feather", "t.feather", lambda m, p: m.feather.write_feather(table(m), str(p)), lambda m, p: m.feather.read_table(p)),
    row("feather.read_feather", "pandas pyarrow pyarrow.feather", "t.feather", lambda m, p: m.feather.write_feather(table(m), str(p)), lambda m, p: m.feather.read_feather(p)),
    row("dataset.dataset", "pyarrow pyarrow.dataset", "t", lambda m, p: m.dataset.write_dataset(table(m), p, format="parquet"), lambda m, p: m.dataset.dataset(p, format="parquet").to_table(), made="rewrite"),
    row("ipc.open_file of a map", IPC, "t.arrow", lambda m, p: arrow_file(m, str(p), m.ipc.new_file), lambda m, p: m.ipc.open_file(m.pyarrow.memory_map(str(p))).read_all()),
    row("ipc.open_stream of OSFile", IPC, "t.arrow", lambda m, p: arrow_file(m, str(p), m.ipc.new_stream), lambda m, p: m.ipc.open_stream(m.pyarrow.OSFile(str(p))).read_all()),
    row("input_stream", "pyarrow", "t.bin", lambda m, p: m.pyarrow.output_stream(p).close(), lambda m, p: m.pyarrow.input_stream(p).read()),
    row("OSFile", "pyarrow", "t.bin", lambda m, p: m.pyarrow.OSFile(str(p), mode="wb").close(), lambda m, p: m.pyarrow.OSFile(str(p), "rb").read()),
    row("memory_map for both", "pyarrow", "t.bin", lambda m, p: m.pyarrow.create_memory_map(str(p), 9).close(), lambda m, p: m.pyarrow.memory_map(str(p), "r+").read(), seen="rewrite"),
    row("orc.read_table", "pyarrow pyarrow.orc", "t.orc", lambda m, p: m.orc.write_table(table(m), str(p)), lambda m, p: m.orc.read_table(str(p))),
    row("orc.ORCFile", "pyarrow pyarrow.orc", "t.orc", lambda m, p: m.orc.write_table(table(m), str(p)), lambda m, p: m.orc.ORCFile(str(p)).read()),
    row("fs.LocalFileSystem", "pyarrow pyarrow.fs", "t.bin", lambda m, p: m.fs.LocalFileSystem().open_output_stream(str(p)).close(), lambda m, p: m.fs.LocalFileSystem().open_input_file(str(p)).read()),
)  # fmt: skip
POLARS = (
    row("read_csv", "polars", "t.csv", lambda m, p: frame(m).write_csv(p), lambda m, p: m.polars.read_csv(p)),
    row("read_csv of a pattern", "polars", "t.csv", lambda m, p: frame(m).write_csv(p), lambda m, p: m.polars.read_csv(f"{p.parent}/*.csv")),
    row("scan_csv", "polars", "t.csv", lambda m, p: frame(m).lazy().sink_csv(p), lambda m, p: m.polars.scan_csv(p).collect()),
    row("read_parquet", "polars", "t.parquet", lambda m, p: frame(m).write_parquet(p), lambda m, p: m.polars.read_parquet(str(p))),
    row("scan_parquet", "polars", "t.parquet", lambda m, p: frame(m).lazy().sink_parquet(p), lambda m, p: m.polars.scan_parquet([p]).collect()),
    row("read_parquet_schema", "polars", "t.parquet", lambda m, p: frame(m).write_parquet(file=p), lambda m, p: m.polars.read_parquet_schema(source=p)),
    row("read_ipc", "polars", "t.arrow", lambda m, p: frame(m).write_ipc(p), lambda m, p: m.polars.read_ipc(p)),
    row("scan_ipc", "polars", "t.arrow", lambda m, p: frame(m).lazy().sink_ipc(p), lambda m, p: m.polars.scan_ipc(p).collect()),
    row("read_ipc_stream", "polars", "t.arrow", lambda m, p: frame(m).write_ipc_stream(p), lambda m, p: m.polars.read_ipc_stream(p)),
    row("read_json", "polars", "t.json", lambda m, p: frame(m).write_json(p), lambda m, p: m.polars.read_json(p)),
    row("read_ndjson", "polars", "t.json", lambda m, p: frame(m).write_ndjson(p), lambda m, p: m.polars.read_ndjson(p)),
    row("scan_ndjson", "polars", "t.json", lambda m, p: frame(m).lazy().sink_ndjson(p), lambda m, p: m.polars.scan_ndjson(p).collect()),
    row("read_avro", "polars", "t.avro", lambda m, p: frame(m).write_avro(p), lambda m, p: m.polars.read_avro(p)),
    row("read_lines", "polars", "t.txt", lambda m, p: text(p), lambda m, p: m.polars.read_lines(p), made=""),
    row("deserialize", "polars", "t.bin", lambda m, p: frame(m).serialize(p), lambda m, p: m.polars.DataFrame.deserialize(p)),
    row("sql", "polars", "t.csv", lambda m, p: frame(m).write_csv(p), lambda m, p: m.polars.sql(f"select * from read_csv('{p}')").collect()),
)  # fmt: skip
STORES = (
    row("File", "h5py", "t.h5", h5, h5_values),
    row("File for both", "h5py", "t.h5", h5, lambda m, p: h5_values(m, p, mode="a"), seen="rewrite"),
    row("File by bytes", "h5py", "t.h5", h5, lambda m, p: h5_values(m, str(p).encode())),
    row("open_file", "tables", "t.h5", hdf, lambda m, p: m.tables.open_file(str(p)).close()),
    row("read_hdf", "tables pandas", "t.h5", lambda m, p: m.pandas.DataFrame({"a": [1]}).to_hdf(p, key="k", mode="w"), lambda m, p: m.pandas.read_hdf(p)),
    row("Dataset", "netCDF4", "t.nc", nc, lambda m, p: m.netCDF4.Dataset(p)["v"][:]),
    row("Dataset for both", "netCDF4", "t.nc", nc, lambda m, p: m.netCDF4.Dataset(p, mode="r+").close(), seen="rewrite"),
    row("MFDataset", "netCDF4", "t.nc", lambda m, p: nc(m, p, format="NETCDF4_CLASSIC"), lambda m, p: m.netCDF4.MFDataset([p], aggdim="x").close()),
    row("open_dataset", "xarray netCDF4", "t.nc", lambda m, p: array(m).to_netcdf(p), lambda m, p: m.xarray.open_dataset(p)),
    row("load_dataset", "xarray netCDF4", "t.nc", lambda m, p: array(m).to_netcdf(str(p), "w"), lambda m, p: m.xarray.load_dataset(p)),
    row("open_dataarray", "xarray netCDF4", "t.nc", lambda m, p: array(m)["v"].to_netcdf(p), lambda m, p: m.xarray.open_dataarray(p)),
    row("open_mfdataset", "xarray netCDF4 dask", "t.nc", lambda m, p: array(m).to_netcdf(p), lambda m, p: m.xarray.open_mfdataset(f"{p.parent}/*.nc")),
    row("open_zarr", "xarray zarr dask", "t.zarr", lambda m, p: array(m).to_zarr(p), lambda m, p: m.xarray.open_zarr(p), made="rewrite"),
    row("open", "zarr", "t.zarr", lambda m, p: m.zarr.create_array(p, shape=3, dtype="f8"), lambda m, p: m.zarr.open(p, mode="r"), made="rewrite"),
    row("open_group", "zarr", "t.zarr", lambda m, p: m.zarr.create_group(p), lambda m, p: m.zarr.open_group(p), made="rewrite", seen="rewrite"),
    row("load", "zarr numpy", "t.zarr", lambda m, p: m.zarr.save(p, m.numpy.ones(3)), lambda m, p: m.zarr.load(p), made="rewrite"),
    row("open_array", "zarr", "t.zarr", lambda m, p: m.zarr.create(shape=3, store=p), lambda m, p: m.zarr.open_array(p, mode="r"), made="rewrite"),
    row("loadtxt", "numpy", "t.txt", lambda m, p: text(p, "1 2\n"), lambda m, p: m.numpy.loadtxt(p), made=""),
    row("genfromtxt", "numpy", "t.txt", lambda m, p: text(p, "1 2\n"), lambda m, p: m.numpy.genfromtxt(p), made=""),
)  # fmt: skip
DUCKDB = (
    row("from a name", "duckdb", "t.parquet", copy_to, lambda m, p: m.duckdb.sql(f"select * from '{p}'").fetchall()),
    row("read_csv", "duckdb", "t.csv", lambda m, p: text(p), lambda m, p: m.duckdb.read_csv(str(p)).fetchall(), made=""),
    row("read_csv in a query", "duckdb", "t.csv", lambda m, p: text(p), lambda m, p: m.duckdb.query(f"select * from read_csv(['{p}'])").fetchall(), made=""),
    row("a pattern", "duckdb", "t.csv", lambda m, p: text(p), lambda m, p: m.duckdb.execute(f"select * from '{p.parent}/*.csv'").fetchall(), made=""),
    row("a parameter", "duckdb", "t.csv", lambda m, p: text(p), lambda m, p: m.duckdb.execute("select * from read_csv(?)", [str(p)]).fetchall(), made=""),
    row("read_parquet of a connection", "duckdb", "t.parquet", copy_to, lambda m, p: m.duckdb.connect().read_parquet(str(p)).fetchall()),
    row("execute of a connection", "duckdb", "t.parquet", lambda m, p: m.duckdb.sql("select 1 as a").write_parquet(str(p)), lambda m, p: m.duckdb.connect().execute(f"from '{p}'").fetchall()),
    row("connect to read", "duckdb", "t.db", db, lambda m, p: m.duckdb.connect(str(p), read_only=True), made="rewrite"),
    row("connect", "duckdb", "t.db", db, lambda m, p: m.duckdb.connect(database=str(p)), made="rewrite", seen="rewrite"),
    row("attach", "duckdb", "t.db", db, lambda m, p: m.duckdb.connect().execute(f"attach '{p}' as other (read_only)"), made="rewrite"),
)  # fmt: skip
MAPS = (
    row("open", "rasterio rasterio.transform numpy", "t.tif", raster, lambda m, p: m.rasterio.open(p).read()),
    row("open for both", "rasterio rasterio.transform numpy", "t.tif", raster, lambda m, p: m.rasterio.open(fp=p, mode="r+").close(), seen="rewrite"),
    row("read_file", "geopandas pyogrio", "t.gpkg", lambda m, p: points(m).to_file(p), lambda m, p: m.geopandas.read_file(p)),
    row("read_file of a shape", "geopandas pyogrio", "t.shp", lambda m, p: points(m).to_file(p), lambda m, p: m.geopandas.read_file(p)),
    row("read_parquet", "geopandas pyarrow", "t.parquet", lambda m, p: points(m).to_parquet(p), lambda m, p: m.geopandas.read_parquet(p)),
    row("read_feather", "geopandas pyarrow", "t.feather", lambda m, p: points(m).to_feather(p), lambda m, p: m.geopandas.read_feather(p)),
    row("read_dataframe", "pyogrio geopandas", "t.geojson", lambda m, p: m.pyogrio.write_dataframe(points(m), p), lambda m, p: m.pyogrio.read_dataframe(p)),
    row("read_info", "pyogrio geopandas", "t.gpkg", lambda m, p: m.pyogrio.write_dataframe(points(m), p), lambda m, p: m.pyogrio.read_info(p)),
    row("raw.read", "pyogrio pyogrio.raw geopandas", "t.gpkg", lambda m, p: m.pyogrio.write_dataframe(points(m), p), lambda m, p: m.raw.read(p)),
)  # fmt: skip
GENOMES = (
    row("AlignmentFile", "pysam", "t.bam", bam, lambda m, p: list(m.pysam.AlignmentFile(p, "rb", check_sq=False))),
    row("VariantFile", "pysam", "t.vcf", lambda m, p: vcf(p), lambda m, p: list(m.pysam.VariantFile(p)), made=""),
    row("FastaFile", "pysam", "t.fa", lambda m, p: text(p, ">one\nACGT\n"), lambda m, p: m.pysam.FastaFile(str(p)).fetch("one"), made=""),
    row("FastxFile", "pysam", "t.fa", lambda m, p: text(p, ">one\nACGT\n"), lambda m, p: list(m.pysam.FastxFile(str(p))), made=""),
    row("TabixFile", "pysam", "t.vcf.gz", lambda m, p: (vcf(p.with_suffix("")), m.pysam.tabix_compress(str(p.with_suffix("")), str(p)), m.pysam.tabix_index(str(p), preset="vcf")), lambda m, p: list(m.pysam.TabixFile(str(p)).fetch("one"))),
)  # fmt: skip
CELLS = [(name, cell) for name, cells in {"pyarrow": ARROW, "polars": POLARS, "stores": STORES, "duckdb": DUCKDB, "maps": MAPS, "genomes": GENOMES}.items() for cell in cells]


def page_table():
    """What is seen of which library, for docs/explanation/invalidates.md: `python -m tests.unit.library_cells`."""
    from cachepy.calls.library_files import MODE, NAMES, READ, SQL, TABLE

    found = {}
    for each in TABLE:
        columns = found.setdefault(each.module, ([], [], []))
        kind = 0 if each.does in (READ, SQL, NAMES) else 2 if each.does == MODE else 1
        columns[kind].extend(name for name in each.names if name not in columns[kind])
    rows = [(module, *(" ".join(f"`{name}`" for name in column) for column in columns)) for module, columns in found.items()]
    lines = [f"| `{module}` | {reads} | {writes} | {both} |" for module, reads, writes, both in rows]
    last = "| others that read or write in C | not seen: `track_file(path)` | not seen: `track_file(path)`, `outputs` | |"
    return "\n".join(["| library | reads | writes | as its mode says |", "|---|---|---|---|", *lines, last])


def modules(get, names):
    """The modules of a cell, under the last part of their names."""
    return SimpleNamespace(**{name.rpartition(".")[2]: get(name) for name in names.split()})


if __name__ == "__main__":
    print(page_table())
