"""The same work in many ways: by plain calls, through Dask; and what has to be equal afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import dask
import dask.bag as db
import pipeline_module as pm

from cachepy import cache_tree_nodes
from cachepy.core.model import ROOT, WRITTEN
from cachepy.session import Session, current_session, use_session
from dask_plugin import delayed, prune, with_caller

_PARTS = (
    "id", "fname", "module", "hash", "parents", "children", "files", "file_hashes", "inputs", "qualname", "label", "unseen",
)  # fmt: skip


def shape(nodes):
    """What has to be equal in every run: all of a node but its times and its place on disk."""
    return {call: {part: node[part] for part in _PARTS} for call, node in nodes.items()}


def traces(graph):
    """What each call depended on.

    But for marks of who wrote a file, which within a tick of its clock nobody can tell; edges do not go by one alone.
    """
    return {
        event.id: {
            "deps": sorted(repr(dep.astuple()) for dep in event.trace.deps if dep.kind not in (ROOT, WRITTEN)),
            "calls": sorted(c.astuple() for c in event.trace.calls),
            "result": event.trace.result,
        }
        for event in graph.events()
    }


def picture():
    """The graph in memory as it is, without the barrier that `cache_tree_nodes` adds."""
    graph = current_session().graph
    return shape(graph.nodes()), traces(graph)


def assert_same(found, expected):
    """Node by node, so that a failure says which one and what."""
    for kind, mine, serial in zip(("nodes", "traces"), found, expected, strict=True):
        more, less = sorted(set(mine) - set(serial)), sorted(set(serial) - set(mine))
        assert (more, less) == ([], []), f"{kind}: too many {more}, too few {less}"
        for call in serial:
            differs = {part: (mine[call][part], want) for part, want in serial[call].items() if mine[call][part] != want}
            assert not differs, f"{kind}: {call}: found, expected: {differs}"


def assert_graph(expected):
    """Right after the result is there."""
    assert expected[0], "the serial run recorded nothing"
    assert_same(picture(), expected)
    assert shape(cache_tree_nodes()) == expected[0], "reading the graph changed it"


class Data:
    """Files and a tag of one test, so that its calls have keys of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tag = folder.name
        self.paths = [folder / f"words{n}.txt" for n in range(3)]
        for number, path in enumerate(self.paths):
            path.write_text(f"a b b {'c ' * number}{folder.name}")
            Path(f"{path}.copy").write_text(f"copy of {number} in {folder.name}")


# -- ways


class Direct:
    """Plain calls. `many` and `call` make handles, `get` turns them into values."""

    def many(self, fn, items, *more):
        return [fn(item, *more) for item in items]

    def call(self, fn, *args):
        return fn(*args)

    def pick(self, handles, number):
        return handles[number]

    def get(self, handles):
        return handles


class ByDelayed(Direct):
    def __init__(self, wrap=delayed, **options):
        self.wrap = wrap
        self.options = options

    def many(self, fn, items, *more):
        return [self.wrap(fn)(item, *more) for item in items]

    def call(self, fn, *args):
        return self.wrap(fn)(*args)

    def get(self, handles):
        return list(dask.compute(*handles, **self.options))


class ByPruned(ByDelayed):
    def get(self, handles):
        return super().get(prune(*handles))


class BySubmit(Direct):
    def __init__(self, client, wrap=with_caller):
        self.client = client
        self.wrap = wrap

    def many(self, fn, items, *more):
        return [self.client.submit(self.wrap(fn), item, *more) for item in items]

    def call(self, fn, *args):
        return self.client.submit(self.wrap(fn), *args)

    def get(self, handles):
        return self.client.gather(handles)


class ByMap(BySubmit):
    def many(self, fn, items, *more):
        items = list(items)
        return self.client.map(self.wrap(fn), items, *[[each] * len(items) for each in more])


class ByBag(Direct):
    def __init__(self, wrap=with_caller):
        self.wrap = wrap

    def many(self, fn, items, *more):
        bag = items if isinstance(items, db.Bag) else db.from_sequence(items, npartitions=2)
        return bag.map(self.wrap(fn), *more)

    def call(self, fn, *args):
        args = tuple(arg.compute() if isinstance(arg, db.Bag) else arg for arg in args)
        return db.from_sequence([args], npartitions=1).starmap(self.wrap(fn)).compute()[0]

    def pick(self, handles, number):
        return handles.compute()[number]

    def get(self, handles):
        return [list(each) if isinstance(each, (list, tuple)) else each for each in dask.compute(*handles)]


def bare(fn):
    """The function as it is: nothing carries its caller."""
    return fn


# -- work


def tutorial(way, data):
    counts = way.many(pm.load_counts, data.paths)
    return way.get([way.many(pm.normalize, counts), way.many(pm.pipeline, data.paths)])


def diamonds(way, data):
    """Built at top level from one file, by a cached caller from the others."""
    tops = way.many(pm.load_counts, data.paths[:1])
    lefts, rights = way.many(pm.left, tops), way.many(pm.right, tops)
    joined = way.call(pm.join, way.pick(lefts, 0), way.pick(rights, 0))
    return way.get([joined, way.many(pm.diamond, data.paths[1:])])


def files(way, data):
    return way.get([way.many(pm.read_counts, way.many(pm.write_counts, data.paths), 2)])


def numbers(way, data):
    return way.get([way.call(pm.add, way.many(pm.size, data.paths), data.tag)])


def fan_out(way, data):
    return way.get([way.call(pm.merge, way.many(pm.leaf, [f"{data.tag}-{n}" for n in range(100)], 7))])


def nested(way, data):
    return way.get([way.many(pm.orchestrate, ["map", "submit", "delayed", "get_client", "impure"], data.paths)])


def nested_twice(way, data):
    groups = [data.paths[:1], data.paths[1:]]
    return way.get([way.many(pm.orchestrate_twice, ["map", "delayed"], groups)])


WORK = {each.__name__: each for each in (tutorial, diamonds, files, numbers, fan_out, nested, nested_twice)}


# -- serial runs, in a process of their own


def serial_run(work, data):
    """The values and the graph of a workload, or of a list of (name of a function, arguments)."""
    assert os.environ["PIPE_MODE"] == "serial"
    with use_session(Session()):
        if isinstance(work, str):
            values = WORK[work](Direct(), data)
        else:
            import asyncio
            import inspect

            values = [getattr(pm, name)(*args) for name, *args in work]
            values = [asyncio.run(v) if inspect.iscoroutine(v) else v for v in values]
        return values, picture()
