"""Results for machines that share no disk: a job in CI fills a store, a laptop reads it, a cluster computes the rest.

    python examples/remote.py                     # the store is a folder
    python examples/remote.py s3://bucket/demo    # or any address, such as a bucket

Each part is a process of its own with a cache directory of its own, and so is each worker.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from cachepy import cache_file, cache_tree_nodes

OUT = Path(os.environ.get("REMOTE_DIR", Path(__file__).resolve().parent / "out" / "remote")).resolve()
STATIONS = 6

cached = cache_file(remote=os.environ.get("STORE", str(OUT / "store")), trust_remote=True, warn_cheap=False)


@cached
def load(station: int) -> list[float]:
    """The measurements of one station."""
    print(f"  loads station {station}", flush=True)
    return [station + (7 * i * station % 11) / 10 for i in range(1, 100)]


@cached
def summary(station: int) -> tuple[float, float]:
    """Mean and largest value."""
    values = load(station)
    return round(sum(values) / len(values), 2), max(values)


@cached
def report(rows: list[tuple[float, float]]) -> str:
    """The table of all stations."""
    return "\n".join(f"  station {i}: mean {mean:.2f}, highest {high:.1f}" for i, (mean, high) in enumerate(rows, 1))


def nightly() -> None:
    """A job in CI: the first half."""
    for station in range(1, STATIONS // 2 + 1):
        summary(station)


def laptop() -> None:
    """A colleague: what the job computed is there."""
    print(report([summary(station) for station in range(1, STATIONS // 2 + 1)]))


def cluster() -> None:
    """Two workers, each with a disk of its own: they compute the other half."""
    from distributed import Client, Nanny, Scheduler, SpecCluster

    from dask_plugin import connect, delayed

    quiet = {"DASK_LOGGING__DISTRIBUTED": "error"}
    here = quiet | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])}
    workers = {
        name: {"cls": Nanny, "options": {"nthreads": 1, "env": here | {"CACHEPY_DIR": str(OUT / f"disk of {name}")}}}
        for name in ("worker 1", "worker 2")
    }
    scheduler = {"cls": Scheduler, "options": {"port": 0, "dashboard_address": ":0"}}
    with SpecCluster(workers=workers, scheduler=scheduler, silence_logs=40) as both, Client(both) as client:
        connect(client)
        rows = [delayed(summary)(station) for station in range(1, STATIONS + 1)]
        print(delayed(report)(rows).compute())
        print(f"  the graph has {len(cache_tree_nodes())} calls")


PARTS = {"nightly": nightly, "laptop": laptop, "cluster": cluster}


def main() -> None:
    """All three parts, or one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", nargs="?", default=str(OUT / "store"))
    parser.add_argument("--part", choices=PARTS, help="only one of the three")
    options = parser.parse_args()
    if options.part:
        PARTS[options.part]()
        return
    for part in PARTS:
        print(f"{part}:", flush=True)
        env = os.environ | {"STORE": options.address, "CACHEPY_DIR": str(OUT / f"disk of {part}")}
        subprocess.run([sys.executable, __file__, options.address, "--part", part], env=env, check=True)


if __name__ == "__main__":
    main()
