"""What the commands take for caches of many entries: processor time and peak memory, each in a process of its own.

`python benchmarks/scale.py --size 10000 --size 100000 --dir DIR` makes the caches (4.4 KB on disk for each entry),
measures, and draws. A straight line of slope one is a constant cost for each entry.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import big_cache

SIZES = 10_000, 30_000, 100_000
SYNC = "import sys, cachepy; cachepy.cache_tree_sync(sys.argv[-1])"
COMMANDS = {
    "ls --json": ("ls", "--json"),
    "ls": ("ls",),
    "stats": ("stats",),
    "status": ("status",),
    "status --import": ("status", "--import"),
    "graph --root": ("graph", "--format", "mermaid", "--root"),
    "prune -n": ("prune", "--dry-run", "--older-than", "0"),
    "verify": ("verify",),
    "repair --dry-run": ("repair", "--dry-run"),
    "sync": (),
}


def measure(cache, name):
    """Processor seconds and bytes of the largest extent."""
    args = [sys.executable, "-m", "cachepy", *COMMANDS[name]] if COMMANDS[name] else [sys.executable, "-c", SYNC]
    if name == "graph --root":
        args.append(next(cache.glob("entries/00/merge-*")).stem.replace("-", ":"))
    args += ["--cache-dir", str(cache)] if COMMANDS[name] else [str(cache)]
    seconds, most, _, code = big_cache.used_by(args, cache.parent)
    if code:
        raise SystemExit(f"{name} ended with {code}")
    return seconds, most


def curves(folder, sizes, say=print):
    """Command -> [[entries, seconds, bytes], ...]."""
    found = {name: [] for name in COMMANDS}
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            cache = big_cache.make(Path(place) / "project", size)
            for name, each in found.items():
                seconds, most = measure(cache, name)
                each.append([size, seconds, most])
                say(f"{size:>9,}  {name:<17} {seconds:8.2f} s {most / 1e6:8.0f} MB")
    return found


@click.command()
@click.option("--size", "sizes", type=int, multiple=True, default=SIZES, show_default=True, help="Numbers of entries.")
@click.option("--dir", "folder", type=click.Path(exists=True), help="Where the caches go.")
def main(sizes, folder):
    """Measure and draw what commands take for many entries."""
    import plots
    from run import RESULTS, environment, place_for_data

    with tempfile.TemporaryDirectory(prefix="cachepy-bench-", dir=place_for_data(folder)) as place:
        found = {"curves": curves(place, sizes), "environment": environment()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "scale.json").write_text(json.dumps(found, indent=1))
    plots.scale(found["curves"], RESULTS / "scale.png", Path(__file__).parents[1] / "docs" / "img" / "scale.png")


if __name__ == "__main__":
    main()
