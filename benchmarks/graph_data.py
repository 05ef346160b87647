"""A graph of many calls over many files, as events of cachepy and as the rows of the floors.

Four of five calls read a part of one file; each of the others makes four of those. As a program, `python graph_data.py
KIND FILES NODES PATH` says how much memory the graph takes.
"""

from __future__ import annotations

import gc
import os
import sys
import tracemalloc

import floors_graph
from xxhash import xxh3_128_hexdigest

BELOW = 4  # calls that each caller makes
STARTED = 1.7e9  # seconds since the epoch


def write_files(folder, number):
    folder.mkdir()
    for i in range(number):
        (folder / f"{i}.dat").write_bytes(_content(i))


def _content(i):
    return b"%d\n" % i * 50


class Calls:
    """What the calls of the graph are, in the order in which they end."""

    def __init__(self, folder, files, nodes):
        self.paths = [f"{folder}/{i}.dat" for i in range(files)]
        self.digests = [xxh3_128_hexdigest(_content(i)) for i in range(files)]
        self.codes = {name: xxh3_128_hexdigest(name.encode()) for name in ("load", "merge")}
        self.loads = nodes * 4 // 5
        self.nodes = nodes

    def __iter__(self):
        """(id, name, file's number or None, ids of the calls below, result digest, time) of each."""
        ids = []
        for i in range(self.loads):
            key = xxh3_128_hexdigest(b"load %d" % i)
            ids.append(f"load:{key}")
            yield ids[-1], "load", i % len(self.paths), (), xxh3_128_hexdigest(key.encode()), STARTED + i
        for i in range(self.loads, self.nodes):
            key = xxh3_128_hexdigest(b"merge %d" % i)
            below = tuple(ids[(i * BELOW + k) % self.loads] for k in range(BELOW))
            yield f"merge:{key}", "merge", None, below, xxh3_128_hexdigest(key.encode()), STARTED + i


def rows(calls):
    """The least that a node needs: id, module, calls below, files with digests, digests of code and result, times."""
    for call, name, file, below, result, created in calls:
        files = () if file is None else ((calls.paths[file], calls.digests[file]),)
        yield call, "flow", below, files, calls.codes[name], result, created, 0.25


def events(calls, root):
    """The same as events of cachepy."""
    from cachepy.core.model import CALL, CODE, FILE, Dep, Event, Trace

    codes = {name: Dep(CODE, f"flow:{name}", digest) for name, digest in calls.codes.items()}
    results = {}
    for call, name, file, below, result, created in calls:
        results[call] = result
        deps = (codes[name],) if file is None else (codes[name], Dep(FILE, calls.paths[file], calls.digests[file]))
        key = call.partition(":")[2]
        label = {"at": str(file)} if file is None else {"path": f"'{file}.dat'", "part": "1"}
        yield Event(
            id=call, fname=name, module="flow", qualname=name, hash=key, run=result,
            trace=Trace(deps, tuple(Dep(CALL, each, results[each]) for each in below), result),
            args={}, label=label, root=root, outfile=f"entries/{key[:2]}/{name}-{key}.entry", cwd=root,
            created=created, elapsed=0.25, seen=created, origin="host:1:1",
        )  # fmt: skip


def record(events):
    """All events into a new session; it is the one that is asked later."""
    from cachepy import current_session

    recorder = current_session().recorder
    for event in events:
        recorder.record(event)


def main(kind, folder, files, nodes, path):
    """Print the bytes that the graph takes: recorded or loaded, ours or the floor's."""
    calls = Calls(folder, int(files), int(nodes))
    gc.collect()
    tracemalloc.start()
    kept = None
    if kind == "floor recorded":
        kept = floors_graph.record(rows(calls), path)
    elif kind == "floor loaded":
        kept = floors_graph.load(path)
    elif kind == "cachepy recorded":
        record(events(calls, path))
    else:
        from cachepy import cache_tree_load

        cache_tree_load(path)
    gc.collect()
    print(tracemalloc.get_traced_memory()[0] / calls.nodes)
    assert kept is None or len(kept[0]) == calls.nodes


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    main(*sys.argv[1:])
