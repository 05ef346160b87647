"""Temperatures of some years on a grid: anomalies, trends and warm spells, from netCDF files.

    python examples/climate.py            # needs xarray, netCDF4 and scipy; files are made at the first start
    python examples/climate.py --dask     # the same calls on a local Dask cluster

The second start computes nothing, and neither does the other way of running it: calls have the same keys everywhere.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from cachepy import cache_file, cache_tree_nodes, cache_tree_sync
from dask_plugin import connect, delayed

OUT = Path(os.environ.get("CLIMATE_DIR", Path(__file__).resolve().parent / "out" / "climate")).resolve()
DATA, CACHE = OUT / "data", OUT / "cache"
YEARS = range(2001, 2007)
LATITUDES, LONGITUDES = np.linspace(-87.5, 87.5, 36), np.arange(0, 360, 5.0)

cached = cache_file(CACHE)


@cached
def monthly(path: Path) -> xr.DataArray:
    """The means of the months of one file, in kelvin."""
    with xr.open_dataset(path) as data:
        return data["t2m"].resample(time="MS").mean().load()


@cached
def normal(years: list[xr.DataArray]) -> xr.DataArray:
    """What is usual in each month."""
    return xr.concat(years, "time").groupby("time.month").mean()


@cached
def anomaly(year: xr.DataArray, usual: xr.DataArray) -> xr.DataArray:
    """How much warmer than usual each month was."""
    return (year.groupby("time.month") - usual).drop_vars("month").assign_attrs(units="K")


@cached
def world_mean(field: xr.DataArray) -> xr.DataArray:
    """The mean over the globe, by area."""
    area = xr.DataArray(np.cos(np.deg2rad(field["lat"])))
    return field.weighted(area).mean(("lat", "lon"))


@cached
def trend(means: list[xr.DataArray]) -> float:
    """In kelvin a decade, by least squares."""
    line = xr.concat(means, "time")
    years = (line["time"] - line["time"][0]) / np.timedelta64(1, "D") / 365.25
    return round(float(np.polyfit(years, line, 1)[0]) * 10, 3)


def make_data() -> None:
    """One file a year, of random weather over a climate that warms."""
    DATA.mkdir(parents=True, exist_ok=True)
    for year in YEARS:
        path = DATA / f"{year}.nc"
        if not path.exists():
            make_year(year).to_netcdf(path)


def make_year(year: int) -> xr.Dataset:
    """Daily temperatures of one year."""
    days = xr.date_range(f"{year}-01-01", f"{year}-12-31")
    season = 10 * np.cos(2 * np.pi * np.arange(len(days)) / 365.25)[:, None, None]
    place = 30 * np.cos(np.deg2rad(LATITUDES))[None, :, None]
    noise = np.random.default_rng(year).normal(0, 2, (len(days), len(LATITUDES), len(LONGITUDES)))
    field = (258 + place + season * np.sign(LATITUDES)[None, :, None] + 0.03 * (year - 2001) + noise).astype("f4")
    coords = {"time": days, "lat": LATITUDES, "lon": LONGITUDES}
    return xr.Dataset({"t2m": (("time", "lat", "lon"), field, {"units": "K"})}, coords)


def pipeline(call: Any) -> Any:
    """All calls; `call` is `delayed` on a cluster, and gives a function back as it is without one."""
    years = [call(monthly)(path) for path in sorted(DATA.glob("*.nc"))]
    usual = call(normal)(years)
    return call(trend)([call(world_mean)(call(anomaly)(year, usual)) for year in years])


def on_cluster() -> float:
    """The same on two workers."""
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster) as client:
        connect(client)
        found: float = pipeline(delayed).compute()
    return found


def main() -> None:
    """Compute the trend, and say what that took."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--dask", action="store_true", help="on a local cluster of two workers")
    options = asked.parse_args()
    make_data()
    cache_tree_sync(CACHE)
    before = {call: node["created"] for call, node in cache_tree_nodes().items()}
    found = on_cluster() if options.dask else pipeline(lambda function: function)
    print(f"it warms by {found:.3f} K a decade")
    nodes = cache_tree_nodes()
    ran = sorted(node["fname"] for call, node in nodes.items() if node["created"] != before.get(call))
    print(f"{len(ran)} calls ran: {' '.join(ran)}" if ran else "nothing ran")


if __name__ == "__main__":
    main()
