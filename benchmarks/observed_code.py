"""What it costs to observe the code that runs (Python 3.12 and later): bodies with and without, in turn.

`python benchmarks/observed_code.py` prints a table: microseconds of processor time, the least of several rounds.
Each of the two runs in processes of its own, since events are on for all of a process.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROUNDS = 5
USERS = "".join(f"def u{i}(x):\n    return x + {i}\n" for i in range(1000))
LIBRARY = """
import numpy as np
import pandas as pd

FRAME = pd.DataFrame({"g": np.arange(20_000) % 50, "v": np.arange(20_000) / 7, "s": ["a", "b", "c", "d"] * 5_000})
"""


def bodies(folder):
    """Name -> (function without a cache, whether it is async, user functions that it runs which nothing names)."""
    sys.path.insert(0, folder)
    import users

    table = [getattr(users, f"u{i}") for i in range(1000)]
    names = [f"u{i}" for i in range(1000)]

    def fixed(n):
        def body(x):
            for fn in table[:n]:
                x = fn(x)
            return x

        return body

    def found(n):
        def body(x):
            module = sys.modules["us" + "ers"]
            for name in names[:n]:
                x = getattr(module, name)(x)
            return x

        return body

    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    def frames(x):
        frame = users.FRAME.assign(w=x)
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
            return sum(pool.map(table[0], range(x, x + 2000)))

    found_all = {f"{n} functions, found by texts": (found(n), False) for n in (10, 100, 1000)}
    return {
        "nothing": (lambda x: x, False),
        **{f"{n} functions, from a table": (fixed(n), False) for n in (10, 100, 1000)},
        **found_all,
        "fib(20)": (lambda x: fib(20) + x, False),
        "pandas": (frames, False),
        "asyncio, 1,000 tasks": (tasks, True),
        "4 threads, 2,000 calls": (threads, False),
    }


def measure(folder, cache, *, observes):
    """Microseconds of a miss, and of a hit, of each body."""
    from cachepy import cache_file

    times = {}
    for name, (fn, is_async) in bodies(folder).items():
        cached = cache_file(cache, warn_cheap=False, observe_code=observes, ignore_globals=["table", "names"])(fn)
        cached(0) if not is_async else asyncio.run(cached(0))
        runs = []
        for i in range(1, 30):
            began = time.process_time()
            cached(i) if not is_async else asyncio.run(cached(i))
            runs.append(time.process_time() - began)
        hits = []
        for _ in range(200):
            began = time.process_time()
            cached(1) if not is_async else None
            hits.append(time.process_time() - began)
        times[name] = min(runs) * 1e6, min(hits) * 1e6
    print(json.dumps(times))


def main():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "users.py").write_text(USERS + LIBRARY)
        found = {True: [], False: []}
        for i in range(ROUNDS):
            for observes, times in found.items():
                command = [sys.executable, __file__, folder, os.path.join(folder, f"cache{i}{observes}"), str(observes)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                times.append(json.loads(done.stdout.splitlines()[-1]))
        print(f"{'body':<34}{'run without':>12}{'with':>10}{'ratio':>8}   {'hit without':>12}{'with':>8}")
        for name in found[True][0]:
            (off, hit), (on, seen) = (
                [min(each[name][i] for each in found[observes]) for i in (0, 1)] for observes in (False, True)
            )
            print(f"{name:<34}{off:>12,.0f}{on:>10,.0f}{on / off:>8.3f}   {hit:>12.1f}{seen:>8.1f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1], sys.argv[2], observes=sys.argv[3] == "True")
    else:
        main()
