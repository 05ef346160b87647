"""The files of a pipeline of eight steps that declares nothing, as a user writes them."""

from __future__ import annotations

from tests.programs import LOG

STEPS = '''
import configparser, glob, json, os, subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cachepy import cache_file
from helpers import numbers, put
from tools import log

step = cache_file("cache", warn_cheap=False)


@step
def settings():
    """Constant paths: one that a library reads, one that may be there, one opened here."""
    log("settings")
    parser = configparser.ConfigParser()
    parser.read(["config/pipeline.ini", "config/local.ini"])
    with open("config/settings.json") as file:
        return {**json.load(file), **parser["pipeline"]}


@step
def station(name):
    """A computed path, read by a helper."""
    log(f"station:{name}")
    return sum(numbers(Path(f"data/stations/{name}.txt")))


@step
def stations():
    """A folder that is listed, and a call for each of its files."""
    log("stations")
    names = [name.removesuffix(".txt") for name in os.listdir("data/stations") if name.endswith(".txt")]
    return {name: station(name) for name in sorted(names)}


@step
def tables():
    """A glob; its files are read in threads."""
    log("tables")
    paths = sorted(glob.glob("data/tables/*.csv"))
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(Path.read_text, map(Path, paths)))


@step
def ordered(out):
    """Two programs: a script of the user's that writes a file, and one of the system that reads it."""
    log("ordered")
    os.makedirs("out", exist_ok=True)
    subprocess.run(["bin/order", "data/words.txt", out], check=True)
    done = subprocess.run(["sort", out], check=True, capture_output=True, text=True)
    return done.stdout.split()


@step
def scaled():
    """A variable of the environment, and calls two levels down."""
    log("scaled")
    factor = 1000 if os.environ.get("UNIT", "km") == "m" else 1
    return {name: length * factor for name, length in stations().items()}


@step
def summary(out):
    """Calls most others, passes a path on that another one writes, and writes a file itself."""
    log("summary")
    parts = {"settings": settings(), "scaled": scaled(), "tables": tables(), "words": ordered("out/words.txt")}
    put(out, json.dumps(parts))
    return len(parts)


@step
def report():
    """Reads what another step wrote, and asks for a file that is mostly not there."""
    log("report")
    parts = json.loads(Path("out/summary.json").read_text())
    if os.path.exists("data/override.txt"):
        parts["words"] = Path("data/override.txt").read_text().split()
    return sorted(parts.items())
'''
HELPERS = '''
import os


def numbers(path):
    with path.open() as file:
        return [int(word) for line in file for word in line.split()]


def put(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def of_no_use(x):
    return x + 1
'''
MAIN = '''
import json, os

import steps


def attempt(call, function, *args):
    try:
        print(function.__name__, json.dumps(call(function, *args)))
    except OSError as error:
        print(function.__name__, "failed:", type(error).__name__, os.path.basename(error.filename))


def program(call):
    attempt(call, steps.station, "north")
    attempt(call, steps.settings)
    attempt(call, steps.summary, "out/summary.json")
    attempt(call, steps.report)


def on_a_cluster():
    from distributed import Client, LocalCluster
    from dask_plugin import connect, with_caller

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster,
        Client(cluster) as client,
        connect(client),
    ):
        program(lambda function, *args: client.submit(with_caller(function), *args).result())


if __name__ == "__main__":
    if os.environ.get("CLUSTER"):
        on_a_cluster()
    else:
        program(lambda function, *args: function(*args))
'''
NO_CACHE = """
def cache_file(*_, **__):
    return lambda function: function
"""
FILES = {
    "tools.py": LOG,
    "helpers.py": HELPERS,
    "steps.py": STEPS,
    "main.py": MAIN,
    "bin/order": '#!/bin/sh\ntr a-z A-Z < "$1" > "$2"\n',
    "config/settings.json": '{"scale": 2}',
    "config/pipeline.ini": "[pipeline]\nname = first\n",
    "config/unused.ini": "[pipeline]\nname = nobody\n",
    "data/stations/north.txt": "1 2 3\n",
    "data/stations/south.txt": "4 5\n",
    "data/stations/README": "Lengths in km.\n",
    "data/tables/a.csv": "1,2\n",
    "data/tables/b.csv": "3,4\n",
    "data/tables/notes.md": "Two tables.\n",
    "data/words.txt": "pear\napple\nfig\n",
}
EXECUTABLE = ("bin/order",)
OUTPUTS = "out"
ALL = "settings station:north station:south stations scaled tables ordered summary report"
