"""A job that is resubmitted: it sees what is stale, and computes only that, on a local Dask cluster.

    python examples/resubmit.py              # the first time everything runs, the next time nothing
    python examples/resubmit.py --plan       # only say what would run, and why

Change a file in the data folder, or a line of a function below, and start it again.
`resubmit.sh` is the same as a batch script. The input, a file of temperatures for each day, is made at the first start.
"""

from __future__ import annotations

import argparse
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

from cachepy import cache_file, cache_tree_nodes, cache_tree_plan, cache_tree_refresh, cache_tree_sync

OUT = Path(os.environ.get("RESUBMIT_DIR", Path(__file__).resolve().parent / "out" / "resubmit")).resolve()
DATA, CACHE = OUT / "data", OUT / "cache"
DAYS = 12

cached = cache_file(CACHE)


@cached
def load(path: Path) -> list[float]:
    """The temperatures of one day, in degrees Celsius."""
    return [float(line) for line in path.read_text().split()]


@cached
def clean(values: list[float]) -> list[float]:
    """Without what no thermometer there can have shown."""
    return [value for value in values if -40 <= value <= 50]


@cached
def day(path: Path) -> dict[str, Any]:
    """Mean and highest temperature of one day."""
    values = clean(load(path))
    return {"day": path.stem, "mean": round(sum(values) / len(values), 2), "high": max(values)}


@cached
def report(days: list[dict[str, Any]]) -> str:
    """The table of all days."""
    return "\n".join("{day}  mean {mean:6.2f}  high {high:6.2f}".format(**row) for row in days)


def make_data() -> None:
    """The same numbers in every run; a few of them nonsense."""
    DATA.mkdir(parents=True, exist_ok=True)
    for number in range(1, DAYS + 1):
        path = DATA / f"{number:02}.txt"
        if not path.exists():
            draw = random.Random(number)
            lines = [f"{999 if draw.random() < 0.02 else draw.gauss(15, 5):.1f}" for _ in range(200)]
            path.write_text("\n".join(lines))


def refresh() -> None:
    """Make stale calls again, two at a time."""
    from distributed import Client, LocalCluster

    from dask_plugin import connect

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster) as client:
        connect(client)
        done = cache_tree_refresh(client)
    print(f"refreshed: {done}")
    for call, error in done.failed.items():
        print(f"  {call} failed: {error!r}")
    for call, why in done.left.items():
        print(f"  {call} is stale still: {why}")


def main() -> None:
    """Look, refresh, and print the report."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--plan", action="store_true", help="only say what would run, and why")
    options = asked.parse_args()
    make_data()
    cache_tree_sync(CACHE)
    plan = cache_tree_plan()
    print(f"plan: {plan}")
    for (name, why), count in Counter((call.fname, str(call.reasons[0])) for call in plan.running).items():
        print(f"  {count} x {name}: {why}")
    if options.plan:
        return
    if plan.running:
        refresh()
    known = len(cache_tree_nodes())
    print(report([day(path) for path in sorted(DATA.glob("*.txt"))]))
    print(f"{len(cache_tree_nodes()) - known} new calls")


if __name__ == "__main__":
    main()
