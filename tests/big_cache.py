"""A cache of many entries, made fast: a few real calls, and copies of their entries under other keys.

`python tests/big_cache.py FOLDER NUMBER` makes a project with the cache ``FOLDER/cache``. Four of five calls read a
file, each of the others makes four of those; the code, the files and the format are real, only the keys are made up.
"""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

from xxhash import xxh3_128_hexdigest

from cachepy.store.codec import pack
from cachepy.store.entries import Store
from cachepy.store.entryfile import EntryFile, assemble
from cachepy.store.journal import framed
from cachepy.store.meta import meta_of
from cachepy.store.payload import Payload

BELOW = 4  # calls that each caller makes
FILES = 100
PROGRAM = """
from cachepy import cache_file

@cache_file("cache")
def load(path, part):
    with open(path) as file:
        return [len(file.read()), part]

@cache_file("cache")
def merge(first):
    return [load(f"data/{(first + i) % 100}.txt", first + i) for i in range(4)]
"""


def make(folder: Path, number: int) -> Path:
    """A project in a folder; returns its cache."""
    data = folder / "data"
    data.mkdir(parents=True)
    for i in range(FILES):
        (data / f"{i}.txt").write_text(f"{i}\n")
    (folder / "flow.py").write_text(PROGRAM)
    loads, merge = _templates(folder)
    _fill(Store(str(folder / "cache")), loads, merge, number - FILES - BELOW - 1)
    return folder / "cache"


def _templates(folder):
    """An event of `load` for each file, and one of `merge`, of calls that a program really made."""
    code = f"import flow\nfor i in range({FILES}): flow.load(f'data/{{i}}.txt', -1)\nflow.merge(0)"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    store = Store(str(folder / "cache"))
    found = [store.look(_call_of(path)).events[0] for path in store.calls()]
    loads = sorted((e for e in found if e.fname == "load" and e.label["part"] == "-1"), key=lambda e: e.label["path"])
    return loads, next(e for e in found if e.fname == "merge")


def _call_of(path):
    fname, _, key = Path(path).stem.rpartition("-")
    return f"{fname}:{key}"


def _fill(store, loads, merge, number):
    payload = {e.fname: _payload(store, e) for e in (loads[0], merge)}
    for i in range(256):
        os.makedirs(f"{store.entries}{i:02x}", exist_ok=True)
    with open(store.journal.path, "ab", buffering=1 << 20) as graph:
        for event in islice(_events(loads, merge, number), number):
            path = store.path_of(event.id)
            with open(path, "xb", buffering=0) as file:
                file.write(b"".join(assemble(meta_of(event, []), *payload[event.fname])))
            graph.write(framed(pack(event)))
    store.extent.note(os.path.getsize(store.journal.path))
    store.extent.close()
    store.close()


def _payload(store, event):
    opened = EntryFile(store.path_of(event.id))
    return Payload(bytes(opened.pickle()), []), opened.call()


def _events(loads, merge, number):
    made = []
    for i in range(number * BELOW // (BELOW + 1) + 1):
        made.append(_copy(loads[i % len(loads)], i, {"part": str(i)}))
        yield made[-1]
        if i % BELOW == BELOW - 1:
            below = tuple(
                old.replace(name=e.id, digest=e.trace.effect)
                for old, e in zip(merge.trace.calls, made, strict=True)
            )
            event = _copy(merge, i, {"first": str(i)})
            yield event.replace(trace=event.trace.replace(calls=below))
            made.clear()


def _copy(event, number, label):
    key = xxh3_128_hexdigest(f"{event.fname} {number}".encode())
    created = event.created + number * 1e-3
    run, result = xxh3_128_hexdigest(key.encode()), xxh3_128_hexdigest(f"{key} result".encode())
    return event.replace(
        id=f"{event.fname}:{key}", hash=key, run=run, label={**event.label, **label}, created=created, seen=created,
        outfile=f"entries/{key[:2]}/{event.fname}-{key}.entry", trace=event.trace.replace(result=result),
    )  # fmt: skip


_STARTER = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def used_by(args, folder):
    """Processor seconds, bytes of the largest extent, what was said and the exit code of a program.

    A small process starts it: what a large one starts counts as large as that.
    """
    args = [sys.executable, "-S", "-c", _STARTER, *args]
    done = subprocess.run(args, cwd=folder, capture_output=True, text=True, check=False)
    seconds, most = done.stderr.split()[-2:]
    return float(seconds), int(most) * 1024, done.stdout, done.returncode


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), int(sys.argv[2])))
