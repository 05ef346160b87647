"""Draws docs/img/front.png, the picture of the front page: ``python -m tests.docs.front``.

A small pipeline, so that it is legible where the page is 700 pixels wide; one of its files has changed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.docs.pages import ROOT

PICTURE = ROOT / "docs" / "img" / "front.png"
MODULE = """
from pathlib import Path
from cachepy import cache_file

cached = cache_file(".cachepy", warn_cheap=False)

@cached
def mean(path):
    return sum(map(float, path.read_text().split())) / 2

@cached
def report(stations):
    return {name: mean(Path(f"{name}.txt")) for name in stations}
"""
DRAW = """
from pathlib import Path
import stations
from cachepy import plot_cache_graph

for name in ("oslo", "rome", "lima"):
    Path(f"{name}.txt").write_text("1 2")
stations.report(["oslo", "rome", "lima"])
Path("rome.txt").write_text("1 3")
plot_cache_graph("front.png")
"""


def draw() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "stations.py").write_text(MODULE, encoding="utf-8")
        settings = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}", "MPLBACKEND": "agg"}
        subprocess.run([sys.executable, "-c", DRAW], cwd=folder, env=settings, check=True)
        PICTURE.write_bytes(Path(folder, "front.png").read_bytes())


if __name__ == "__main__":
    draw()
