"""Dies at chosen or random moments of a write, again and again, and looks at what is left.

A program of its own, which forks: each child is a fresh process as far as cachepy is concerned, without the time to
import it.  Prints what it found as JSON; the tests judge.

    crash_program.py steps FOLDER            the number of moments of one run
    crash_program.py each FOLDER [FIRST]     dies at each moment; with FIRST: of the run that comes after a death there
    crash_program.py random FOLDER COUNT SEED
"""

from __future__ import annotations

import builtins
import json
import os
import random
import shutil
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np

import cachepy
from cachepy import cache_file, cache_prune, cache_tree_nodes, cache_tree_reset, cache_tree_sync, track_file

SIZE = int(os.environ.get("CRASH_SIZE", "300000"))  # numbers of 8 bytes
CHANGES = ("link", "mkdir", "open", "rename", "replace", "rmdir", "unlink", "utime", "write")
TWICE = os.environ.get("CRASH_TWICE") == "1"
OLD_ENOUGH = 3600 * 25
_sleep = time.sleep
RAN: list[str] = []


class Moments:
    """Counts the steps by which this process changes files, and kills it before, or in the midst of, one of them."""

    def __init__(self, last: int = -1, torn: bool = False) -> None:
        self.count = 0
        self.last = last
        self.torn = torn
        for name in CHANGES:
            setattr(os, name, self.wrapped(name, getattr(os, name)))
        self.real_open, builtins.open = builtins.open, self.open

    def step(self, tear=None) -> None:
        if self.torn and tear is None:
            return
        self.count += 1
        if self.count == self.last:
            if self.torn:
                tear()
            os.kill(os.getpid(), signal.SIGKILL)

    def wrapped(self, name, real):
        def change(*args, **kwargs):
            if name == "write":
                self.step(lambda: real(args[0], bytes(args[1])[: len(args[1]) // 2]))
            elif name != "open" or args[1] & os.O_CREAT:
                self.step()
            return real(*args, **kwargs)

        return change

    def open(self, path, mode="r", *args, **kwargs):
        if not set(mode) & set("wxa+"):
            return self.real_open(path, mode, *args, **kwargs)
        self.step()
        return Writer(self.real_open(path, mode, *args, **kwargs), self)


class Writer:
    """A file that is open for writing."""

    def __init__(self, file, moments) -> None:
        self.file = file
        self.moments = moments

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, data):
        self.moments.step(lambda: self.file.write(bytes(data)[: memoryview(data).nbytes // 2]))
        return self.file.write(data)


# -- the program that dies


def functions(folder: str):
    cached = cache_file(os.path.join(folder, "cache"), ignore_globals=["RAN"])

    @cached
    def big(part, seed):
        RAN.append(f"big({part})")
        return np.arange(SIZE) + part * seed

    @cached
    def small(path, part):
        RAN.append(f"small({part})")
        return {"text": track_file(path).read_text(), "part": part}

    @cached
    def total(path, parts, seed):
        RAN.append("total")
        return sum(int(big(part, seed).sum()) + small(path, part)["part"] for part in range(parts))

    @cached
    def scaled(array, by):
        RAN.append("scaled")
        return array * by

    return big, small, total, scaled


def program(folder: str, seed: int) -> list[str]:
    """Nested calls, large and small results, a flow from one call to another, an older value kept; returns what ran."""
    RAN.clear()
    path = os.path.join(folder, "input")
    big, _, total, scaled = functions(folder)
    got = total(path, 2, seed)
    want = sum(SIZE * (SIZE - 1) // 2 + SIZE * part * seed + part for part in range(2))
    assert got == want, f"total is {got}, not {want}"
    scaled_now = scaled(big(1, seed), 3)
    assert (scaled_now == (np.arange(SIZE) + seed) * 3).all(), "scaled is wrong"
    return RAN[:]


def runs(folder: str, seed: int) -> list[str]:
    """Twice, with another file between: the older values stay."""
    write_input(folder, "one")
    ran = program(folder, seed)
    if not TWICE:
        return ran
    write_input(folder, "two, which is longer")
    return ran + program(folder, seed)


def write_input(folder: str, text: str) -> None:
    Path(folder, "input.new").write_text(text)
    os.replace(os.path.join(folder, "input.new"), os.path.join(folder, "input"))


# -- what is looked at


def in_child(job, *args):
    """What a job returns in a forked child; the signal's number if it was killed."""
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(out)
        try:
            answer = {"value": job(*args)}
        except BaseException as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        with os.fdopen(into, "w") as file:  # not by the open that counts
            json.dump(answer, file)
        os._exit(0)
    os.close(into)
    with open(out) as file:
        text = file.read()
    _, status = os.waitpid(pid, 0)
    return json.loads(text) if text else {"killed": os.WTERMSIG(status)}


def observed(job, *args):
    """What a job returns, with its warnings and the seconds that it meant to sleep."""
    slept: list[float] = []
    main = threading.main_thread()
    time.sleep = lambda seconds: (
        slept.append(seconds if threading.current_thread() is main else 0.0),
        _sleep(seconds),
    )[1]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", cachepy.CheapCallWarning)  # goes by the clock
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)  # Python's own
        value = job(*args)
    return {"value": value, "warnings": [str(w.message) for w in caught], "slept": sum(slept)}


def graph(folder: str) -> dict[str, object]:
    """The graph as a process that only reads it sees it, without times; and what is not whole in it."""
    cache_tree_reset()
    cache_tree_sync(os.path.join(folder, "cache"))
    nodes = cache_tree_nodes()
    broken = []
    for call, node in nodes.items():
        missing = [c for c in node["children"] if call not in nodes.get(c, {"parents": ()})["parents"]]
        broken += [f"{call}: {missing}"] * bool(missing)
        broken += [f"{call}: no value"] * (node["outfile"] is None or not node["outfile"].exists())
    kept = ("fname", "children", "inputs", "module", "hash", "label", "file_hashes")
    plain = {
        call: {name: node[name] for name in kept} | {"parents": sorted(node["parents"])} for call, node in nodes.items()
    }
    return {"nodes": json.loads(json.dumps(plain, default=str).replace(folder, "")), "broken": broken}


def listing(folder: str) -> list[str]:
    top = os.path.join(folder, "cache")
    found = [os.path.relpath(os.path.join(d, n), top) for d, _, names in os.walk(top) for n in names]
    return sorted(f for f in found if not f.endswith(".old"))


def leftovers(names: list[str]) -> list[str]:
    return [name for name in names if name.endswith((".tmp", ".claim", ".break")) or name.startswith("runs")]


def pruned(folder: str) -> list[str]:
    """What stays after a prune, when all that is left has been lying there for a day."""
    long_ago = time.time() - OLD_ENOUGH
    for name in listing(folder):
        os.utime(os.path.join(folder, "cache", name), (long_ago, long_ago))
    cache_prune(os.path.join(folder, "cache"))
    return listing(folder)


def aftermath(folder: str, seed: int, *, prunes: bool) -> dict[str, object]:
    """All that is asked after a death: a look, a clean run, a look and a run that must be all hits, a prune."""
    first = in_child(observed, graph, folder)
    rerun = in_child(observed, runs, folder, seed)
    second = in_child(observed, graph, folder)
    third = in_child(observed, program, folder, seed) if prunes else None
    left = leftovers(listing(folder))
    gone = leftovers(in_child(pruned, folder)["value"]) if prunes else []
    return {"first": first, "rerun": rerun, "second": second, "third": third, "left": left, "pruned": gone}


def dying(folder: str, seed: int, last: int, torn: bool):
    Moments(last, torn)
    runs(folder, seed)


def fresh(folder: str) -> str:
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def counted(folder: str, seed: int) -> int:
    moments = Moments()
    runs(folder, seed)
    return moments.count


def each(folder: str, after: int | None) -> list[object]:
    """Dies at each moment of a run."""
    found: list[object] = []
    for torn in (False, True):
        last = 0
        while True:
            last += 1
            place = fresh(os.path.join(folder, "place"))
            if after is not None:
                in_child(dying, place, 7, after, False)
            end = in_child(dying, place, 7, last, torn)
            if "killed" not in end:
                assert "error" not in end, end
                break
            found.append({"moment": last, "torn": torn, **aftermath(place, 7, prunes=last % 4 == 0)})
    return found


def at_random(folder: str, count: int, seed: int) -> dict[str, object]:
    """Is killed from outside at random moments, always with new calls in one cache; looks after each."""
    dice = random.Random(seed)
    place = fresh(os.path.join(folder, "place"))
    span = min(timed(runs, place, 10**6 + turn) for turn in range(3))  # the first may wait for the disk, or for others
    found = []
    for turn in range(count):
        end = killed_after(dice.random() * span, place, turn)
        first, rerun = in_child(observed, graph, place), in_child(observed, runs, place, turn)
        second = in_child(observed, graph, place)
        for look in (first, second):
            look["value"]["value"]["nodes"] = len(look["value"]["value"]["nodes"])
        found.append({"end": end, "first": first, "rerun": rerun, "second": second, "left": leftovers(listing(place))})
    again = in_child(observed, lambda: [program(place, turn) for turn in range(count)])
    return {"turns": found, "again": again, "gone": leftovers(in_child(pruned, place)["value"])}


def timed(run: object, *args: object) -> float:
    began = time.perf_counter()
    in_child(run, *args)
    return time.perf_counter() - began


def killed_after(delay: float, place: str, seed: int) -> str:
    pid = os.fork()
    if pid == 0:
        runs(place, seed)
        os._exit(0)
    _sleep(delay)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return "killed" if os.WIFSIGNALED(status) else "ended"


def main() -> None:
    what, folder = sys.argv[1], os.path.realpath(sys.argv[2])
    reference = {}
    place = fresh(os.path.join(folder, "place"))
    if what != "random":
        steps = in_child(counted, place, 7)["value"]
        reference = {"steps": steps, "graph": in_child(graph, place)["value"], "listing": listing(place)}
    if what == "each":
        reference["found"] = each(folder, int(sys.argv[3]) if len(sys.argv) > 3 else None)
    elif what == "random":
        reference = at_random(folder, int(sys.argv[3]), int(sys.argv[4]))
    print(json.dumps(reference))


if __name__ == "__main__":
    assert cachepy
    main()
