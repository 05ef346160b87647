"""The cached functions of test_faults.py and test_stress.py, importable on workers, and their serial graph.

The cache directory is fixed when the first process imports this; workers inherit it.  As a program it
plays workloads serially in a cache directory of its own: the graph that a cluster has to give.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from cachepy import cache_file, cache_tree_nodes, cache_tree_reset, track_file

if "CACHEPY_FAULTS" not in os.environ:
    os.environ["CACHEPY_FAULTS"] = tempfile.mkdtemp(prefix="cachepy-faults-")
    atexit.register(shutil.rmtree, os.environ["CACHEPY_FAULTS"], ignore_errors=True)
HERE = os.environ["CACHEPY_FAULTS"]
MARKS = os.path.join(HERE, "marks")
cached = cache_file(os.environ.get("CACHEPY_FAULTS_SERIAL") or os.path.join(HERE, "cache"))


# -- signs that bodies give, outside of the cache


def mark(name):
    """Leave a sign; how many there are of this name now."""
    os.makedirs(MARKS, exist_ok=True)
    with open(os.path.join(MARKS, name), "ab") as file:
        file.write(b".")
        return file.tell()


def marks(name):
    try:
        return os.path.getsize(os.path.join(MARKS, name))
    except FileNotFoundError:
        return 0


def await_mark(name, count=1, limit=60.0):
    """Wait until there are so many signs of this name."""
    began = time.monotonic()
    while marks(name) < count:
        assert time.monotonic() - began < limit, f"no sign of {name}"
        time.sleep(0.005)


# -- the workload of the stress test: files, nested calls, shared leaves, flow inputs


@cached
def leaf(tag, i):
    return f"leaf {tag} {i}"


@cached
def middle(tag, i):
    return leaf(tag, i % 7), track_file(os.path.join(HERE, "data", f"{i % 5}.txt")).read_text()


@cached
def outer(tag, i):
    return [middle(tag, i), leaf(tag, i % 3), i]


@cached
def load(path, tag):
    return [tag, Path(path).name, Path(path).read_text()]


@cached
def clean(rows, i):
    return [*rows, leaf(rows[0], 10 + i % 4), i]


def data_files():
    folder = os.path.join(HERE, "data")
    os.makedirs(folder, exist_ok=True)
    paths = [os.path.join(folder, f"{i}.txt") for i in range(10)]
    for i, path in enumerate(paths):
        if not os.path.exists(path):
            Path(path).write_text(f"content {i}")
    return paths


def play_round(tag, tasks):
    """Serially what `submit_round` has a cluster do."""
    paths = data_files()
    for i in range(tasks // 3):
        clean(load(paths[i % 10], f"{tag}.{i}"), i)
        outer(tag, i)


def submit_round(client, tag, tasks, kind):
    """Futures of `tasks` tasks."""
    paths = data_files()
    wave = range(tasks // 3)
    loads = [client.submit(load, paths[i % 10], f"{tag}.{i}", key=f"load-{kind}-{tag}-{i}") for i in wave]
    cleans = [client.submit(clean, f, i, key=f"clean-{kind}-{tag}-{i}") for i, f in enumerate(loads)]
    return loads + cleans + [client.submit(outer, tag, i, key=f"outer-{kind}-{tag}-{i}") for i in wave]


def call_of(name, tag, i):
    """The id of the call that one task of a round is."""
    rows = [f"{tag}.{i}", f"{i % 10}.txt", f"content {i % 10}"]
    arguments = {"load": (data_files()[i % 10], rows[0]), "clean": (rows, i), "outer": (tag, i)}[name]
    return f"{name}:{globals()[name].key(*arguments)}"


# -- the workload of the faults: slow trees


@cached
def twig(tag, i):
    time.sleep(0.02)
    mark(f"twig-{tag}")
    return i


@cached
def branch(tag, i):
    found = [twig(tag, i), twig(tag, i + 1)]
    time.sleep(0.02)
    return found


@cached
def tree(tag, i):
    track_file(data_files()[i % 10])
    found = [branch(tag, i), branch(tag, i + 1)]
    time.sleep(0.02)
    return found


def play_trees(tag, count):
    data_files()  # else the first of the trees would write them
    return [tree(tag, i) for i in range(count)]


@cached
def halting(tag, i):
    """On a cluster the first that comes so far goes no further, until its worker is killed."""
    found = tree(tag, i)
    if not is_serial() and mark(f"halting-{tag}") == 1:
        time.sleep(60)
    return found


def is_serial():
    return "CACHEPY_FAULTS_SERIAL" in os.environ


def play_halting(tag, count):
    return [halting(tag, i) for i in range(count)]


@cached
def held(tag):
    """Slow for the first one that runs it only."""
    if mark(f"held-{tag}") == 1 and tag != "serial":
        time.sleep(60)
    return leaf(tag, 1)


@cached
def needs_held(tag):
    mark(f"needs-{tag}")
    return [held(tag)]


@cached
def raising(tag):
    leaf(tag, 2)
    raise ValueError(f"on purpose {tag}")


@cached
def over_raising(tag):
    """Catches, as a user may."""
    try:
        raising(tag)
    except ValueError:
        return leaf(tag, 3)


def play_raising(tag):
    over_raising(tag)
    with suppress(ValueError):
        raising(f"{tag} alone")


@cached
def slow_parent(tag):
    found = leaf(tag, 4)
    mark(f"slow-{tag}")
    time.sleep(1.5)
    mark(f"slow-end-{tag}")
    return found


@cached
def counted(tag):
    mark(f"counted-{tag}")
    time.sleep(0.03)
    return leaf(tag, 5)


def ping(tag):
    return f"pong {tag}"


@cached
def sends_out(tag, where):
    """Holds its claim while a task on another worker has to run for it."""
    from dask.distributed import worker_client

    mark(f"out-{tag}")
    await_mark(f"wants-{tag}")
    time.sleep(0.3)
    with worker_client() as client:
        return client.submit(ping, tag, workers=[where], pure=False).result()


def wants(tag, where):
    """Waits for the claim of `sends_out` in the only slot of its worker."""
    await_mark(f"out-{tag}")
    mark(f"wants-{tag}")
    return sends_out(tag, where)


def leaves_a_thread_behind(tag):
    def work():
        time.sleep(0.2)
        leaf(tag, 8)
        mark(f"behind-{tag}")

    threading.Thread(target=work).start()


def many_children(tag, count):
    """Records an event with many children, as a caller of so many calls would."""
    from cachepy.core.model import CALL, Dep, Trace
    from cachepy.session import current_session

    leaf(tag, 6)
    session = current_session()
    one = next(e for e in session.graph.events() if e.fname == "leaf" and e.label["tag"].strip("'") == tag)
    calls = tuple(Dep(CALL, f"child:{i:032x}", f"{i:032x}") for i in range(count))
    event = one.replace(id=f"many:{tag}", fname="many", run=f"run {tag}", trace=Trace((), calls, "0" * 32))
    session.recorder.apply(event)
    return event.id


# -- graphs


def projection(nodes):
    """What has to be equal between a serial run and a cluster: id -> edges, files, digests, inputs."""
    return {
        call: [
            node["fname"],
            sorted(node["parents"]),
            sorted(node["children"]),
            sorted(map(str, node["files"])),
            sorted(map(list, node["file_hashes"].items())),
            sorted(map(list, node["inputs"].items())),
        ]
        for call, node in nodes.items()
    }


def difference(found, expected):
    """Empty if two projections are equal; else a short text."""
    if found == expected:
        return ""
    missing, more = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    other = [(k, found[k], expected[k]) for k in found.keys() & expected.keys() if found[k] != expected[k]]
    return f"missing {len(missing)} {missing[:3]}, too many {len(more)} {more[:3]}, different {len(other)} {other[:2]}"


def whole(nodes):
    """Names of what is half-made: an edge without its other side, a value that is not on disk."""
    wrong = []
    for call, node in nodes.items():
        wrong += [f"{call}: child {c} unknown" for c in node["children"] if call not in nodes[c]["parents"]]
        wrong += [f"{call}: parent {p} unknown" for p in node["parents"] if p not in nodes]
        if node["outfile"] is None or not node["outfile"].exists():
            wrong.append(f"{call}: no value")
    return wrong


def serial(*programs):
    """The projections of serial runs, each ``(name of a play function, *arguments)``, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="cachepy-serial-") as folder:
        env = {**os.environ, "CACHEPY_FAULTS_SERIAL": os.path.join(folder, "cache")}
        done = subprocess.run(
            [sys.executable, __file__, json.dumps(programs)], env=env, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _play(programs):
    from cachepy.session import current_session

    found = []
    for name, *arguments in programs:
        cache_tree_reset()
        globals()[name](*arguments)
        found.append(projection(cache_tree_nodes()))
    current_session().close()
    return found


@contextmanager
def cluster(**options):
    """Two worker processes with one thread each, and the session that is fresh for them."""
    import dask
    from distributed import LocalCluster

    config = {
        "distributed.scheduler.allowed-failures": 100,
        "distributed.deploy.lost-worker-timeout": "120s",
        "distributed.admin.tick.limit": "60s",
    }
    given = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None, **options}
    folder = tempfile.mkdtemp(prefix="cachepy-dask-")
    with dask.config.set(config):
        try:
            with LocalCluster(**given, local_directory=folder) as found:
                yield found
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    import faulty_module  # so that the functions have the module's name, not __main__'s

    print(json.dumps(faulty_module._play(json.loads(sys.argv[1]))))
