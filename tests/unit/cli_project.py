"""A project for the commands to tell of."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from cachepy.cli.main import main
from tests.programs import Project

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
    Project(folder).run("flows.py")
    return folder


def build_stale(folder):
    """One file changed."""
    build(folder)
    (folder / "data/3.csv").write_text("9 9")
    return folder


def commands(monkeypatch, capsys):
    """Run a command in a folder: exit code, lines on stdout, text on stderr."""
    monkeypatch.delenv("CACHEPY_DIR", raising=False)
    before = dict(sys.modules)

    def called(folder, *args):
        monkeypatch.chdir(folder)
        monkeypatch.setenv("HOME", str(folder))  # above it, no folder is looked into
        with pytest.raises(SystemExit) as ended:
            main(args)
        out, err = capsys.readouterr()
        return ended.value.code, out.splitlines(), err

    yield called
    for name in sys.modules.keys() - before.keys() & {"flows", "leaving", "failing"}:
        del sys.modules[name]


def in_json(run):
    """Run a command with --json: exit code and document."""

    def called(folder, *args):
        code, lines, _ = run(folder, *args, "--json")
        return code, json.loads("\n".join(lines))

    return called


def tree(folder):
    """All that is below a folder: names, contents and times."""
    paths = sorted(folder.rglob("*"))
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in paths}
