"""Floors of the graph: plain tuples in dicts, and pickles of them on disk. See `floors` and `graph_data.rows`.

A graph here is two dicts: id -> row, and id -> ids of the callers.
"""

from __future__ import annotations

import os
from _pickle import Unpickler, dump, dumps
from _pickle import load as load_pickle

ID, BELOW, CREATED = 0, 2, 6  # places in a row


def record(rows, path):
    """Each ended call: into the dicts, and one write of its pickle at the end of the journal."""
    nodes, parents = graph = {}, {}
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o666)
    for row in rows:
        _add(row, nodes, parents)
        os.write(fd, dumps(row, 5))
    os.close(fd)
    return graph


def _add(row, nodes, parents):
    nodes[row[ID]] = row
    for below in row[BELOW]:
        if below in parents:
            parents[below].append(row[ID])
        else:
            parents[below] = [row[ID]]


def save(graph, path):
    """One pickle of all rows, renamed into place."""
    with open(path + ".tmp", "wb") as file:
        dump(list(graph[0].values()), file, 5)
    os.rename(path + ".tmp", path)


def load(path):
    """The rows of a saved graph by id, and the callers of each."""
    with open(path, "rb") as file:
        rows = load_pickle(file)
    nodes, parents = graph = {}, {}
    for row in rows:
        _add(row, nodes, parents)
    return graph


def sync(path, graph):
    """Merge a journal into a graph: one pickle after the other, the newer run of a node wins."""
    nodes, parents = graph
    with open(path, "rb") as file:
        try:
            while True:
                row = Unpickler(file).load()
                old = nodes.get(row[ID])
                if old is None:
                    _add(row, nodes, parents)
                elif old[CREATED] < row[CREATED]:
                    for below in old[BELOW]:
                        parents[below].remove(row[ID])
                    _add(row, nodes, parents)
        except EOFError:
            return graph


def states(paths):
    """What is known of files from the last time."""
    return {path: _state(os.stat(path)) for path in paths}


def _state(st):
    return st.st_size, st.st_mtime_ns, st.st_ino, st.st_ctime_ns, st.st_dev


def changed(known):
    """The files that are not what they were: one stat of each."""
    stat, found = os.stat, []
    for path, state in known.items():
        st = stat(path)
        if (st.st_size, st.st_mtime_ns, st.st_ino, st.st_ctime_ns, st.st_dev) != state:
            found.append(path)
    return found
