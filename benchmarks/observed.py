"""What it costs to observe the code that runs (Python 3.12 and later), or the files: bodies with and without, in turn.

`python benchmarks/observed.py code`, or `files`, prints a table: microseconds of processor time of a run and of a hit,
the least of several rounds.  Each of the two runs in processes of its own, since events are on for all of a process.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS, RUNS, HITS = 5, 40, 200
STEPS = "".join(f"def u{i}(x):\n    return x + {i}\n" for i in range(1000))
BODIES = """
import asyncio, copy, glob, importlib, logging, os
from concurrent.futures import ThreadPoolExecutor
import numpy as np, pandas as pd
import steps

FRAME = pd.DataFrame({"g": np.arange(20_000) % 50, "v": np.arange(20_000) / 7, "s": ["a", "b", "c", "d"] * 5_000})
TABLE = [steps.u0]
for i in range(10):
    TABLE += TABLE[: 1000 - len(TABLE)]

def nothing(x):
    return x

def named_10(x):
    for fn in (steps.u0, steps.u1, steps.u2, steps.u3, steps.u4, steps.u5, steps.u6, steps.u7, steps.u8, steps.u9):
        x = fn(x)
    return x

def found(x, n):
    module = vars(importlib.import_module("steps"))
    for i in range(n):
        x = module["u" + str(i)](x)
    return x

def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def recursion(x):
    return fib(20) + x

def frames(x):
    frame = FRAME.assign(w=x)
    means = frame.groupby("g").v.agg(["mean", "std", "max"])
    both = frame.merge(means.reset_index(), on="g")
    return float(both.pivot_table(index="g", columns="s", values="v").fillna(0).sum().sum())

async def one(x):
    await asyncio.sleep(0)
    return x

async def tasks(x):
    return sum(await asyncio.gather(*[one(x + i) for i in range(1000)]))

def threads(x):
    with ThreadPoolExecutor(4) as pool:
        return sum(pool.map(steps.u0, range(x, x + 2000)))

NESTED = [{"a": [i, str(i), (i, [i])]} for i in range(300)]
LOG = logging.getLogger("bodies")
LOG.addHandler(logging.NullHandler())
LOG.propagate = False

def copies(x):
    return len(copy.deepcopy(NESTED)) + x

def logs(x):
    for i in range(1000):
        LOG.warning("%s of %s", i, x)
    return x

def opens(x, n):
    total = x
    for i in range(n):
        with open(f"many/{i}") as file:
            total += len(file.read())
    return total

def opens_one(x):
    total = x
    for i in range(1000):
        with open("many/1") as file:
            total += len(file.read())
    return total

def looks(x):
    return x + sum(os.path.exists(f"many/{i}") for i in range(1000))

def lists(x):
    return x + sum(len(os.listdir("many")) for i in range(10))

def matches(x):
    return x + sum(len(glob.glob("many/1*")) for i in range(10))

def ids(x):
    return x + sum(id(each) > 0 for each in NESTED * 100)
"""
FILES = {
    "nothing": ("nothing", ()),
    "pandas: group, merge, pivot": ("frames", ()),
    "deepcopy of 300 dicts": ("copies", ()),
    "logging, 1,000 records": ("logs", ()),
    "id(), 30,000 times": ("ids", ()),
    "open, 1 file, 1,000 times": ("opens_one", ()),
    "open, 1,000 files": ("opens", (1000,)),
    "exists, 1,000 paths": ("looks", ()),
    "listdir of 1,000 files, 10 times": ("lists", ()),
    "glob of 1,000 files, 10 times": ("matches", ()),
}
CODE = {
    "nothing": ("nothing", ()),
    "10 functions that it names": ("named_10", ()),
    "10 functions, found by texts": ("found", (10,)),
    "100 functions, found by texts": ("found", (100,)),
    "1,000 functions, found by texts": ("found", (1000,)),
    "fib(20)": ("recursion", ()),
    "pandas: group, merge, pivot": ("frames", ()),
    "asyncio, 1,000 tasks": ("tasks", ()),
    "4 threads, 2,000 calls": ("threads", ()),
}

TABLES = {"code": ("observe_code", CODE), "files": ("observe", FILES)}


def least(call, times):
    """Microseconds of processor time that a call takes at least."""
    found = []
    for i in range(1, times):
        began = time.process_time()
        call(i)
        found.append(time.process_time() - began)
    return min(found) * 1e6


def measure(folder, cache, what, *, observes):
    """A run and a hit of each body."""
    from cachepy import cache_file

    os.chdir(folder)
    sys.path.insert(0, folder)
    bodies, times = importlib.import_module("bodies"), {}
    option, calls = TABLES[what]
    for name, (fname, more) in calls.items():
        fn = getattr(bodies, fname)
        cached = cache_file(cache, warn_cheap=False, **{option: observes})(getattr(fn, "__wrapped__", fn))
        setattr(bodies, fname, cached)
        is_async = asyncio.iscoroutinefunction(fn)
        call = (lambda i, f=cached: asyncio.run(f(i))) if is_async else (lambda i, f=cached, m=more: f(i, *m))
        times[name] = least(call, RUNS), least(lambda _, c=call: c(1), HITS)
    print(json.dumps(times))


def main(what):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "many").mkdir()
        for i in range(1000):
            Path(folder, "many", str(i)).write_text(str(i))
        time.sleep(2.1)  # files that are younger are digested at once
        Path(folder, "steps.py").write_text(STEPS)
        Path(folder, "bodies.py").write_text(BODIES)
        found = {True: [], False: []}
        for i in range(ROUNDS):
            for observes, times in found.items():
                cache = os.path.join(folder, f"cache{i}{observes}")
                command = [sys.executable, __file__, folder, cache, what, str(observes)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                times.append(json.loads(done.stdout.splitlines()[-1]))
        print(f"{'body':<34}{'run without':>12}{'with':>10}{'ratio':>8}   {'hit without':>12}{'with':>8}")
        for name in TABLES[what][1]:
            (off, hit), (on, seen) = (
                [min(each[name][i] for each in found[observes]) for i in (0, 1)] for observes in (False, True)
            )
            print(f"{name:<34}{off:>12,.0f}{on:>10,.0f}{on / off:>8.3f}   {hit:>12.1f}{seen:>8.1f}")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        measure(*sys.argv[1:4], observes=sys.argv[4] == "True")
    else:
        main(sys.argv[1])
