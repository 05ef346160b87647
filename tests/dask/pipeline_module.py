"""The workload of the tests in this folder: cached functions in a module that every process can import.

`PIPE_CACHE` is the cache directory, `PIPE_LOG` a file that takes one line for each body that runs,
`PIPE_MODE=serial` has callers call their children directly where they would send them to workers.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cachepy import cache_file, track_file
from dask_plugin import delayed

cached = cache_file(os.environ["PIPE_CACHE"])


def say(name):
    out = os.open(os.environ["PIPE_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(out, f"{name} {os.getpid()}\n".encode())
    os.close(out)


# -- the tutorial


@cached
def load_counts(path):
    say("load_counts")
    text = track_file(path).read_text()
    return {word: text.split().count(word) for word in sorted(set(text.split()))}


@cached
def normalize(counts):
    say("normalize")
    total = sum(counts.values())
    return {word: count / total for word, count in counts.items()}


@cached
def pipeline(path):
    say("pipeline")
    return normalize(load_counts(path))


# -- files that are handed on


@cached(file_args=[])
def write_counts(path):
    say("write_counts")
    out = Path(f"{path}.counts")
    out.write_text(str(len(track_file(path).read_text())))
    return str(track_file(out))


@cached
def read_counts(path, scale):
    say("read_counts")
    return int(Path(path).read_text()) * scale


# -- numbers


@cached
def size(path):
    say("size")
    return len(track_file(path).read_text()) * 1000 + int(path.stem[-1])


@cached
def add(values, tag):
    say("add")
    return [sum(values), tag]


# -- a diamond, a fan


@cached
def left(counts):
    say("left")
    return {"left": sorted(counts)}


@cached
def right(counts):
    say("right")
    return {"right": sorted(counts.values())}


@cached
def join(one, other):
    say("join")
    return {**one, **other}


@cached
def diamond(path):
    say("diamond")
    top = load_counts(path)
    return join(left(top), right(top))


@cached
def leaf(tag, number):
    say("leaf")
    return [tag, number]


@cached
def leaf_of_file(path, number):
    say("leaf_of_file")
    return [track_file(path).read_text(), number]


@cached
def merge(parts):
    say("merge")
    return {"merged": parts}


@cached
def merge_all(*parts):
    say("merge_all")
    return {"merged": list(parts)}


# -- callers that send their children to other workers


def fan(how, fn, items):
    """The children of a caller, in the way that is named; one after the other in a serial run."""
    if os.environ.get("PIPE_MODE") == "serial":
        return [fn(item) for item in items]
    import dask
    import distributed

    from dask_plugin import delayed, with_caller

    if how == "get_client":
        client = distributed.get_client()
        futures = client.map(with_caller(fn), items)
        distributed.secede()
        found = client.gather(futures)
        distributed.rejoin()
        return found
    with distributed.worker_client() as client:
        if how == "map":
            return client.gather(client.map(with_caller(fn), items))
        if how == "submit":
            return client.gather([client.submit(with_caller(fn), item) for item in items])
        if how == "impure":
            return client.gather([client.submit(with_caller(fn), item, pure=False) for item in items])
        if how == "delayed":
            return list(dask.compute(*[delayed(fn)(item) for item in items]))
        raise ValueError(how)


@cached
def orchestrate(how, paths):
    say("orchestrate")
    return fan(how, pipeline, paths)


@cached
def orchestrate_locally(scheduler, paths):
    """A caller that uses one of dask's local schedulers."""
    say("orchestrate_locally")
    if os.environ.get("PIPE_MODE") == "serial":
        return [pipeline(path) for path in paths]
    import dask

    from dask_plugin import delayed

    return list(dask.compute(*[delayed(pipeline)(path) for path in paths], scheduler=scheduler))


@cached
async def orchestrate_async(paths):
    """A caller in a coroutine, on the worker's event loop."""
    say("orchestrate_async")
    if os.environ.get("PIPE_MODE") == "serial":
        return [pipeline(path) for path in paths]
    import distributed

    from dask_plugin import with_caller

    client = distributed.get_client()
    return await client.gather(client.map(with_caller(pipeline), paths))


@cached
def orchestrate_twice(how, groups):
    """Two levels: each group's caller runs on a worker and sends its children to workers."""
    say("orchestrate_twice")
    return fan(how, partial(orchestrate, how), groups)


# -- async


@cached
async def load_async(path):
    say("load_async")
    await asyncio.sleep(0)
    return track_file(path).read_text()


@cached
async def pipeline_async(path):
    say("pipeline_async")
    texts = await asyncio.gather(load_async(path), load_async(Path(f"{path}.copy")))
    return [*texts, leaf_of_file(path, 0)]


# -- faults and waiting


@cached
def fails(path):
    say("fails")
    load_counts(path)
    raise ValueError("as it should")


@cached
def fails_once(path, marker):
    say("fails_once")
    found = load_counts(path)
    if not os.path.exists(marker):
        Path(marker).touch()
        raise OSError("the first time")
    return found


@cached
def slow(tag):
    say("slow")
    time.sleep(0.5)
    return f"slow {tag}"


# -- arguments of all kinds


@dataclass
class Setting:
    factor: int
    names: tuple[str, ...] = ("a",)

    def scaled(self, value):
        return self.factor * value


class Fresh:
    """No instance of it is pickled but in one test."""

    def __init__(self, size):
        self.size = size


def double(value):
    return 2 * value


@cached
def apply(fn, value):
    say("apply")
    return fn(value)


@cached
def frame_sum(frame):
    say("frame_sum")
    return int(frame["x"].sum())


@cached
def part(items):
    say("part")
    return [sum(items)]


# -- a caller on the client

CLIENT = None


def on_cluster(how, paths):
    if os.environ.get("PIPE_MODE") == "serial":
        return [pipeline(path) for path in paths]
    import dask

    from dask_plugin import delayed, with_caller

    client = CLIENT
    if how == "map":
        return client.gather(client.map(with_caller(pipeline), paths))
    if how == "submit":
        return [client.submit(with_caller(pipeline), path).result() for path in paths]
    return list(dask.compute(*[delayed(pipeline)(path) for path in paths], scheduler=client))


@cache_file(os.environ["PIPE_CACHE"], ignore_globals=["CLIENT"])
def orchestrate_here(hows, paths):
    say("orchestrate_here")
    return [on_cluster(how, paths) for how in hows]


@cache_file(os.environ["PIPE_CACHE"], unseen="ok")
def asked(port, number):
    """Of a host, the clock and a generator without a seed."""
    import random
    import urllib.request

    say("asked")
    answer = urllib.request.urlopen(f"http://localhost:{port}/").read()
    return number, answer, time.time(), random.random()


@cached
def measured(number):
    """Dask's own connections are busy meanwhile."""
    say("measured")
    begin = time.perf_counter()
    time.sleep(0.05)
    return number, time.perf_counter() - begin


# -- long results


@cached
def grid(path):
    say("grid")
    return np.full((200, 200), float(len(Path(path).read_text())))


@cached
def scaled(array, by):
    say("scaled")
    return array * by


@cached
def stacked(arrays):
    say("stacked")
    return {"arrays": np.stack(list(arrays.values())), "names": list(arrays)}


@cached
def mean(value):
    say("mean")
    return float(value["arrays"].mean())


@cached
def pruned_inside(paths):
    say("pruned_inside")
    return delayed(merge)([delayed(leaf_of_file)(path, 1) for path in paths]).compute(prune=True)


class Scale:
    def __init__(self, by):
        self.by = by

    @cached
    def times(self, number):
        say("times")
        return self.by * number


@cached
def digit(path):
    """A number that says nothing of where it is from."""
    say("digit")
    return len(Path(path).read_text()) % 3


@cached
def digits(values, tag):
    say("digits")
    return values


def rounded(values):
    """Not cached."""
    return values * 10 if isinstance(values, int) else [value * 10 + 5 for value in values]
