"""One process that makes very many calls, as a program: what it holds at its beginning, after a tenth, at its end.

`python long_run.py KIND NUMBER [MODULE.BOUND=VALUE ...]` prints a line of JSON. Kinds: ``again`` makes hits, and runs the same calls again;
``new`` makes hits of ever new calls; ``defined`` defines a function anew, as a notebook does.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import threading

from cachepy import Session, cache_file, cache_tree_nodes, use_session

KEYS = 500
AGAIN = 10  # hits for each miss


@cache_file("cache", warn_cheap=False)
def work(x, size=10):
    return [x] * size


def again(number):
    """A run of one of some calls, and hits of others."""
    work(number % KEYS, _force=True)
    for i in range(AGAIN):
        work((number * AGAIN + i) % KEYS)


def new(number):
    """A call that is new, twice a hit, and older ones."""
    for _ in range(3):
        work(number)
    for i in range(AGAIN - 2):
        work(number * i // AGAIN)


DEFINED = """
@cache_file("cache", warn_cheap=False)
def cell(x):
    return x * {number}
"""


def defined(number):
    """A function that was edited, and a hit of it."""
    exec(DEFINED.format(number=number), globals())
    for _ in range(4):
        assert cell(1) == number  # noqa: F821 - it was just made


def state():
    gc.collect()
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return {
        "memory": pages * os.sysconf("SC_PAGE_SIZE"),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "objects": len(gc.get_objects()),
        "blocks": sys.getallocatedblocks(),
        "nodes": len(cache_tree_nodes()),
    }


def main():
    step, number = globals()[sys.argv[1]], int(sys.argv[2])
    for bound in sys.argv[3:]:  # cachepy.code.fingerprint._REMEMBER=100: so that a short run comes to it
        name, _, value = bound.partition("=")
        module, _, name = name.rpartition(".")
        assert hasattr(importlib.import_module(module), name), bound
        setattr(importlib.import_module(module), name, int(value))
    with use_session(Session()):
        states = []
        for i in range(number + 1):
            if i * 10 % number == 0:
                states.append(state())
            step(i)
    print(json.dumps(states))


if __name__ == "__main__":
    main()
