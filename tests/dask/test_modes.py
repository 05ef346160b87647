"""`CACHEPY=...` and `Session(mode=...)` of a client hold for its tasks too, on workers that know nothing of it."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.dask

LIB = """
import asyncio
from cachepy import cache_file
from log import log

cached = cache_file("cache", warn_cheap=False)

@cached
def part(n):
    log("part", n)
    return n * 10

@cached
def total(count):
    log("total")
    return sum(part(n) for n in range(count))

@cached
async def later(n):
    log("later")
    return n + 1
"""
MAIN = """
import sys
from distributed import Client, LocalCluster
from cachepy import Session, use_session, MissingResultError
from dask_plugin import connect, delayed, with_caller
from lib import total, part, later

def all_of(client):
    try:
        one = delayed(total)(2).compute()
        two = client.gather(client.map(with_caller(part), [0, 1, 5], pure=False))
        return one, two, client.submit(with_caller(later), 1, pure=False).result()
    except MissingResultError as error:
        return str(error).partition(" in ")[0]

if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            connect(client)
            for mode in sys.argv[1:]:
                with use_session(Session(mode=mode.strip("-"))):
                    connect(client)
                    print(mode, all_of(client), flush=True)
                    log = open("log").read() if __import__("os").path.exists("log") else ""
                    print(sorted(log.split(chr(10))[:-1]), flush=True)
                    open("log", "w").close()
"""


def test_a_mode_travels_with_tasks(project):
    project.write("log.py", __import__("tests.programs", fromlist=["LOG"]).LOG)
    project.write("lib.py", LIB)
    project.write("main.py", MAIN)
    modes = ["required", "off", "readonly", "-", "-", "refresh", "off", "required"]
    ran = project.run("main.py", *modes, DASK_LOGGING__DISTRIBUTED="critical")
    lines = ran.stdout.splitlines()
    said = dict(zip(enumerate(modes), zip(lines[::2], lines[1::2], strict=True), strict=True))
    whole = "(10, [0, 10, 50], 2)"
    all_bodies = "['later', 'part 0', 'part 0', 'part 1', 'part 1', 'part 5', 'total']"
    once = "['later', 'part 0', 'part 1', 'part 5', 'total']"
    assert said[0, "required"] == ("required total(2) is not stored", "[]")
    assert said[1, "off"] == (f"off {whole}", all_bodies)
    assert said[2, "readonly"] == (f"readonly {whole}", all_bodies)
    assert said[3, "-"] == (f"- {whole}", once)
    assert said[4, "-"] == (f"- {whole}", "[]")
    assert said[5, "refresh"] == (f"refresh {whole}", all_bodies)
    assert said[6, "off"] == (f"off {whole}", all_bodies)
    assert said[7, "required"] == (f"required {whole}", "[]")
