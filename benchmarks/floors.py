"""Floors: what no cache on disk can leave out that verifies its hits, written by hand and as tight as Python allows.

The definition is that of the issue: xxh3 of the arguments, `os.stat` of each file, read and unpickle. Each is a little
cache of its own: it does run the function the first time, it does notice another argument, a changed
file and a vanished entry, and it gives the caller a value of its own (`tests/unit/test_benchmarks.py` checks that).
What it lacks is everything else: signatures, other traces, code, claims, damage, other processes.
Imports xxhash; numpy and pandas values are used by their attributes only.
"""

from __future__ import annotations

import os
from _pickle import Pickler, dumps, loads
from operator import attrgetter
from pathlib import Path

from xxhash import xxh3_128, xxh3_128_digest, xxh3_128_hexdigest

HERE = Path(__file__).parent
_READ = os.O_RDONLY | os.O_CLOEXEC
_NAME = attrgetter("name")
_SMALL = 1 << 16  # bytes; entries of `small` are smaller


# -- keys


def pickled(*args):
    """Small arguments: xxh3 of their pickle."""
    return xxh3_128_hexdigest(dumps(args, 5))


class _Into:
    """A file for a pickler that is a digest: nothing of a large pickle is kept."""

    def __init__(self):
        self.digest = xxh3_128()
        self.write = self.digest.update


def streamed(value):
    """Large lists and dicts: the C pickler straight into xxh3. `fast`: equal values must give equal bytes."""
    into = _Into()
    pickler = Pickler(into, 5)
    pickler.fast = True
    pickler.dump(value)
    return into.digest.hexdigest()


def sorted_sets(value):
    """A dict of sets: a set has no order, so each is sorted; without that, equal sets get different digests."""
    return streamed({key: sorted(each) for key, each in value.items()})


def in_place(array):
    """An array: its buffer where it lies, dtype and shape."""
    return pickled(array.dtype.str, array.shape, xxh3_128_digest(array))


def frame(value):
    """A frame of numbers: the buffers of its blocks where they lie, columns, and the index as a range."""
    index, parts = value.index, []
    for block in value._mgr.blocks:
        values = block.values.T if block.values.flags.f_contiguous else block.values
        parts.append((block.dtype.str, block.shape, tuple(block.mgr_locs), xxh3_128_digest(values)))
    return pickled(list(value.columns), index.start, index.stop, index.step, parts)


# -- hits


def small(fn, folder, key=pickled):
    """Key, the function's own code by identity, the entry read from disk, loads."""
    code = fn.__code__

    def call(*args):
        path = folder + key(*args)
        return fetch(path, fn, args) if fn.__code__ is code else run(path, fn, args)

    return call


def remembered(fn, folder, key=pickled):
    """The same with the value's bytes kept in memory: a stat tells whether the entry is still the same file."""
    known, stat, code = {}, os.stat, fn.__code__

    def call(*args):
        path = folder + key(*args)
        try:
            st = stat(path)
            ino, mtime, size, data = known[path]
            if st.st_ino == ino and st.st_mtime_ns == mtime and st.st_size == size and fn.__code__ is code:
                return loads(data)
        except (OSError, KeyError):
            pass
        value = fetch(path, fn, args) if fn.__code__ is code else run(path, fn, args)
        st = stat(path)
        known[path] = st.st_ino, st.st_mtime_ns, st.st_size, dumps(value, 5)
        return value

    return call


def with_files(fn, folder, paths, key=pickled):
    """The same with one stat of each file that the call depends on; `paths` gives them for the arguments.

    Of a call with calls below it, their entries are among these files: they must be there and be the same.
    """
    seen, stat, code = {}, os.stat, fn.__code__

    def call(*args):
        name, states = key(*args), []
        for path in paths(*args):
            st = stat(path)
            states.append((st.st_size, st.st_mtime_ns, st.st_ino, st.st_ctime_ns, st.st_dev))
        if seen.get(name) == states and fn.__code__ is code:
            return fetch(folder + name, fn, args)
        seen[name] = states
        return run(folder + name, fn, args)

    return call


def by_path(path):
    """The key of a call whose one argument is a Path."""
    return pickled(str(path))


def with_code(fn, folder, module, functions, variables):
    """The same with one expression that compares each helper's code and each global by identity.

    The names are looked up in the module of the function, as its body does.
    """
    names = [f"helper_{i}.__code__" for i in range(functions)] + [f"LIMIT_{i}" for i in range(variables)]
    scope = vars(module)
    scope["_found"] = [eval(name, scope) for name in names]
    fixed = ", ".join(f"found_{i}=_found[{i}]" for i in range(len(names)))
    exec(f"def _is_same({fixed}): return {' and '.join(f'{n} is found_{i}' for i, n in enumerate(names))}", scope)
    is_same, code = scope["_is_same"], fn.__code__

    def call(*args):
        path = folder + pickled(*args)
        return fetch(path, fn, args) if fn.__code__ is code and is_same() else run(path, fn, args)

    return call


def with_tree(fn, folder):
    """The same for a directory: a scan of all below it in the order of the names, with a stat of each file."""
    seen, code = {}, fn.__code__

    def call(path):
        name, found = by_path(path), []
        scan(path, found)
        if seen.get(name) == found and fn.__code__ is code:
            return fetch(folder + name, fn, (path,))
        seen[name] = found
        return run(folder + name, fn, (path,))

    return call


def scan(path, found):
    """Append path and state of each file below a directory, in the order of the names."""
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=_NAME):
            if entry.is_dir():
                scan(entry.path, found)
            else:
                st = entry.stat()
                found.append((entry.path, st.st_size, st.st_mtime_ns, st.st_ino, st.st_ctime_ns, st.st_dev))


# -- what the floors share


def fetch(path, fn, args):
    """The value of an entry, which is made if it is not there."""
    try:
        fd = os.open(path, _READ)
    except FileNotFoundError:
        return run(path, fn, args)
    data = os.read(fd, _SMALL)
    os.close(fd)
    return loads(data)


def run(path, fn, args):
    """Run the function and store what it returns."""
    value = fn(*args)
    put(path, dumps(value, 5))
    return value


def put(path, *parts):
    """A file that is whole or not there."""
    fd = os.open(path + ".tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        for part in parts:
            os.write(fd, part)
    finally:
        os.close(fd)
    os.rename(path + ".tmp", path)
