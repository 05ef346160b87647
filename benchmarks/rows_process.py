"""Rows: imports, fresh processes, many processes at once."""

from __future__ import annotations

import subprocess
import sys
from itertools import count

import floors
import floors_disk
import modules
from rows import Contest, Line, Row
from rows_disk import fresh
from timing import Child, Reading

PROCESSES, KEYS, BODY = 8, 100, 0.005


def imports(_):
    programs = {
        "floor": "pass",
        "cachepy": "import cachepy",
        "decorator": "from cachepy import cache_file",
        "joblib": "import joblib",
        "diskcache": "import diskcache",
    }
    yield Contest({name: Child(sys.executable, "-c", text) for name, text in programs.items()})


def first_hit(place):
    """A user's script with a handful of helpers, run again: its one call is a hit."""
    programs = {"floor": floors_disk.FRESH.format(folder=place.folder("floor"))}
    for tool in ("cachepy", "joblib", "diskcache"):
        written = place.written(tool, modules.SCRIPT, "fresh")
        programs[tool] = written.read_text()
    yield Contest(fresh(place, programs))


CROWD = """
import sys, time
sys.path.insert(0, {benchmarks!r})
{setup}
print("ready", flush=True)
sys.stdin.readline()
began = time.monotonic()
for number in range({keys}):
    assert call(number)["number"] == number
print(began, time.monotonic(), flush=True)
"""


def crowd(place):
    """Processes that ask for the same keys in the same order, started together.

    Wall time from the first start to the last end, since waiting takes no processor time; a body sleeps for 5 ms.
    Counts the runs.
    """
    processes, keys = (3, 10) if place.is_quick else (PROCESSES, KEYS)
    numbers, wrong = count(), []

    def reading(tool):
        def read():
            at = next(numbers)
            log = place.root / f"runs{at}.log"
            path = place.written(tool, modules.CROWD, f"crowd{at}", log=str(log), seconds=BODY)
            floor = f"import floors_disk; call = floors_disk.claimed(call, {place.folder(f'claims{at}')!r})"
            setup = path.read_text() + ("\ncall = f\n" + floor if tool == "plain" else "\ncall = f\n")
            script = place.root / f"crowd_script{at}.py"
            script.write_text(CROWD.format(benchmarks=str(floors.HERE), setup=setup, keys=keys))
            spent = _together(script, processes)
            if (runs := log.stat().st_size) != keys:
                wrong.append(f"{tool}: {runs} runs instead of {keys}")
            return spent

        return Reading(read)

    contest = Contest({"floor": reading("plain"), "cachepy": reading("cachepy")}, wrong)
    yield contest
    wrong[:] = sorted(set(wrong)) or [f"exactly {keys} runs each time"]


def _together(script, processes):
    """Seconds from the first start to the last end of processes that begin when all are ready."""
    running = [
        subprocess.Popen([sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    for each in running:
        assert each.stdout.readline() == "ready\n"
    for each in running:
        each.stdin.write("go\n")
        each.stdin.flush()
    times = [[float(word) for word in each.communicate()[0].split()] for each in running]
    return max(end for _, end in times) - min(began for began, _ in times)


ROWS = (
    Row(
        "import",
        imports,
        (
            Line("import cachepy, against bare Python", 1.6, 7),
            Line("  from cachepy import cache_file", ours="decorator"),
        ),
        stat="median",
        seconds=5,
    ),
    Row("first hit", first_hit, (Line("first hit in a fresh process, end to end", 1.35, 7),), stat="median", seconds=6),
    Row("crowd", crowd, (Line("8 processes, the same 100 keys (wall time)", 1.3),), seconds=10),
)
