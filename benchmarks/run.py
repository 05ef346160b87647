"""Measures every row of the table and prints it; `make bench` calls this.

Each row is measured in a process of its own, so that rows do not disturb each other. Exits with 0 whatever is
reached, with 1 if a row could not be measured.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import growth
import report
import rows_dask
import rows_disk
import rows_graph
import rows_hits
import rows_process
import timing
from rows import Place

HERE = Path(__file__).parent
RESULTS = HERE / "results"
ROOMY = 6 << 30  # bytes that the largest row may need
ROWS = (*rows_hits.ROWS, *rows_disk.ROWS, *rows_graph.ROWS, *rows_process.ROWS, *rows_dask.ROWS)


def measure(row, folder, *, is_quick, rounds):
    """Run one row here: what is kept of it."""
    made = row.make(Place(folder, is_quick=is_quick))
    contest = next(made)
    seconds = 0.3 if is_quick else row.seconds
    samples = timing.turns(contest.contestants, seconds, min(rounds, contest.rounds))
    for _ in made:  # what the row has to close
        pass
    found = {name: timing.summary(each) for name, each in samples.items()}
    return {"row": row.name, "unit": row.unit, "stat": row.stat, "contestants": found, "notes": contest.notes}


def place_for_data(wanted):
    """The folder for caches and data: memory if there is enough of it, since the disk is not what is measured."""
    if wanted is None and Path("/dev/shm").is_dir() and shutil.disk_usage("/dev/shm").free > ROOMY:
        return "/dev/shm"
    return wanted


def in_own_process(row, folder, options):
    """Run one row in a child process: what is kept of it, or the end of its error message."""
    place = Path(tempfile.mkdtemp(dir=folder))
    command = [sys.executable, __file__, "--here", row.name, "--dir", str(place), *options]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if ran.returncode:
        last = (ran.stderr.strip().splitlines() or ["no message"])[-1]
        return {"row": row.name, "error": last, "details": ran.stderr}
    return json.loads(ran.stdout.splitlines()[-1])


def environment():
    """Nobody's settings, neither of the tools nor of Python: PYTHONDONTWRITEBYTECODE makes each start compile all anew.

    PYTHONPATH stays, so that another checkout can be measured.
    """
    ours = ("CACHEPY_", "JOBLIB_", "PYTHON")
    return {name: value for name, value in os.environ.items() if name == "PYTHONPATH" or not name.startswith(ours)}


@click.command()
@click.option("--only", default="", metavar="SUBSTR", help="Only rows whose name holds this; several with commas.")
@click.option("--rounds", default=10_000, show_default=True, help="At most so many samples of each contestant.")
@click.option("--quick", is_flag=True, help="Small data and few samples: to see whether it works.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Where the figures go.")
@click.option("--dir", "folder", type=click.Path(exists=True), help="Where caches and data go; removed at the end.")
@click.option("--docs", is_flag=True, help="Also put table and plots into the docs.")
@click.option("--no-growth", is_flag=True, help="Leave out the curves of growth.")
@click.option("--here", hidden=True, help="Measure this row in this process and print it as JSON.")
def main(only, rounds, quick, json_path, folder, docs, no_growth, here):
    """Measure cachepy against floors, joblib and diskcache."""
    if here:
        row = next(row for row in ROWS if row.name == here)
        print(json.dumps(measure(row, folder, is_quick=quick, rounds=rounds)))
        return
    rows = [row for row in ROWS if any(part in row.name for part in only.split(","))]
    options = ["--rounds", str(rounds), *(["--quick"] if quick else [])]
    is_whole = not (only or quick)
    path = json_path or RESULTS / ("bench.json" if is_whole else "part.json")
    path.parent.mkdir(exist_ok=True, parents=True)
    place = tempfile.mkdtemp(prefix="cachepy-bench-", dir=place_for_data(folder))
    try:
        found = report.measured(rows, lambda row: in_own_process(row, place, options))
        path.write_text(json.dumps(found, indent=1))
        if quick:
            print("With --quick the data is small: the ratios mean little.")
        if not (only or no_growth):
            found["growth"] = growth.curves(place, is_quick=quick, environment=environment())
            path.write_text(json.dumps(found, indent=1))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if is_whole:
        draw(found, [path.parent, *([HERE.parent / "docs" / "img"] if docs else [])])
    if is_whole and docs:
        report.into_page(found["lines"], HERE.parent / "docs" / "explanation" / "performance.md")
    if any("error" in row for row in found["rows"]):
        sys.exit("some rows could not be measured, see above")


def draw(found, folders):
    """The plots, in each of the folders."""
    import plots

    plots.table(found["lines"], *[folder / "bench.png" for folder in folders])
    if "growth" in found:
        plots.growth(found["growth"], *[folder / "growth.png" for folder in folders])


def _stop(*_):
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    main()
