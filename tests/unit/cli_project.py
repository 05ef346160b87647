"""A project for the commands to tell of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, sys
from pathlib import Path
from cachepy import cache_file, track_file

cached = cache_file(".cachepy", env_vars=["SCALE"])

def level(of):
    return of - of

LEVEL = level(1)

@cached
def load(path):
    assert not LEVEL
    return [float(word) for word in Path(path).read_text().split()]

@cached
def clean(values, least=1):
    return [value for value in values if value > least]

@cached
def report(title):
    return title, sum(sum(clean(load(f"data/{i}.csv"))) for i in range(4))

@cached
def alone(x):
    assert not LEVEL
    return x + 1

if __name__ == "__main__":
    print("hello")
    report("Übersicht")
    alone(3)
"""
ROOT = Path(__file__).resolve().parents[2]


def build(folder):
    (folder / "data").mkdir(parents=True)
    for i in range(4):
        (folder / f"data/{i}.csv").write_text(f"1 2 {i + 3}")
    (folder / "flows.py").write_text(PROGRAM)
    rerun(folder)
    return folder


def rerun(folder, program="flows.py"):
    env = {k: v for k, v in os.environ.items() if k != "CACHEPY_DIR"} | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-B", program], cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)


def tree(folder):
    """All that is below a folder: names, contents and times."""
    paths = sorted(folder.rglob("*"))
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in paths}
