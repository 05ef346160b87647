"""Floors of work that is mostly the disk's: large results, misses, digests of large files. See `floors`."""

from __future__ import annotations

import mmap
import os
from _pickle import PickleBuffer, dumps, loads
from time import sleep, time

import floors
from xxhash import xxh3_128, xxh3_128_hexdigest

ALIGN = 4096
CHUNK = 1 << 20


def mapped(fn, folder):
    """A large result: one stat, open, mmap copy-on-write, and loads of a pickle 5 whose buffers are the mapping.

    The pickle without its buffers is small and kept in memory, as `floors.small` does. Nothing is read here: the
    pages come in when the caller looks at them.
    """
    known, stat, access = {}, os.stat, mmap.ACCESS_COPY

    def call(*args):
        path = folder + floors.pickled(*args)
        st = stat(path) if path in known else _make(path, fn, args)
        ino, mtime, size, data, places = known.get(path) or known.setdefault(path, _head(path, st))
        if (st.st_ino, st.st_mtime_ns, st.st_size) != (ino, mtime, size):
            known.clear()
            return call(*args)
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        whole = memoryview(mmap.mmap(fd, size, access=access))
        os.close(fd)
        return loads(data, buffers=[whole[a:b] for a, b in places])

    return call


def _make(path, fn, args):
    """Write the entry if it is not there: the buffers on pages of their own, then the pickle that refers to them."""
    if not os.path.exists(path):
        buffers: list[PickleBuffer] = []
        data = dumps(fn(*args), 5, buffer_callback=buffers.append)
        parts, places, at = [], [], 0
        for buffer in buffers:
            raw = buffer.raw()
            parts += [raw, bytes(-len(raw) % ALIGN)]
            places.append((at, at + len(raw)))
            at += len(raw) + len(parts[-1])
        head = dumps((data, places), 5)
        with open(path + ".tmp", "xb", buffering=0) as file:
            for part in (*parts, head, len(head).to_bytes(8, "little")):
                left = memoryview(part)
                while left:
                    left = left[file.write(left) :]
        os.rename(path + ".tmp", path)
    return os.stat(path)


def _head(path, st):
    with open(path, "rb") as file:
        file.seek(-8, os.SEEK_END)
        length = int.from_bytes(file.read(8), "little")
        file.seek(-8 - length, os.SEEK_END)
        data, places = loads(file.read(length))
    return st.st_ino, st.st_mtime_ns, st.st_size, data, places


def miss(fn, folder):
    """Key, a look whether the entry is there, the body, a temporary file renamed into place, one append of a record."""
    journal = os.open(folder + "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)

    def call(*args):
        name = floors.pickled(*args)
        path = folder + name
        if not os.access(path, os.F_OK):
            value = fn(*args)
            data = dumps(value, 5)
            floors.put(path, data)
            os.write(journal, dumps((name, xxh3_128_hexdigest(data), time()), 5))
            return value
        with open(path, "rb") as file:
            return loads(file.read())

    return call


def claimed(fn, folder, pause=0.001):
    """Many processes, one run: who creates the claim runs and renames the entry into place, the others look each ms."""

    def call(*args):
        path = folder + floors.pickled(*args)
        while True:
            try:
                with open(path, "rb") as file:
                    return loads(file.read())
            except FileNotFoundError:
                pass
            try:
                os.close(os.open(path + ".claim", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
            except FileExistsError:
                sleep(pause)
                continue
            value = fn(*args)
            floors.put(path, dumps(value, 5))
            return value

    return call


def digest_file(path):
    """The content of a file: readinto one buffer of 1 MB, and xxh3."""
    digest, buffer = xxh3_128(), memoryview(bytearray(CHUNK))
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()


def with_first_digest(fn, folder):
    """A call whose file nobody has read yet: its digest is in the key of what is stored."""

    def call(path):
        return floors.small(fn, folder, key=lambda it: floors.pickled(str(it), digest_file(it)))(path)

    return call


# -- programs: what a process of its own does at least

FRESH = """
import os
from _pickle import dumps, loads
from xxhash import xxh3_128_hexdigest

def f(number, text):
    return {{"number": number, "text": text, "sum": number + len(text)}}

def call(*args):
    path = {folder!r} + xxh3_128_hexdigest(dumps(args, 5))
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        value = f(*args)
        with open(path, "xb") as file:
            file.write(dumps(value, 5))
        return value
    data = os.read(fd, os.fstat(fd).st_size)
    os.close(fd)
    return loads(data)

assert call(3, "abc") == {{"number": 3, "text": "abc", "sum": 6}}
"""  # start, the imports that this needs, key, one entry read from disk

FRESH_FILE = """
import os
from _pickle import dumps, loads
from xxhash import xxh3_128_hexdigest

def read(path):
    fd = os.open(path, os.O_RDONLY)
    data = os.read(fd, os.fstat(fd).st_size)
    os.close(fd)
    return loads(data)

st = os.stat({path!r})
memo = read({folder!r} + "memo")
digest = memo[st.st_size, st.st_mtime_ns, st.st_ino, st.st_ctime_ns, st.st_dev]
expected, value = read({folder!r} + xxh3_128_hexdigest(dumps({path!r}, 5)))
assert expected == digest and value["letters"] == st.st_size
"""  # the same with a memo of digests by stat, read from disk


def prepare_fresh_file(folder, path):
    """What FRESH_FILE reads."""
    st, digest = os.stat(path), digest_file(path)
    memo = {(st.st_size, st.st_mtime_ns, st.st_ino, st.st_ctime_ns, st.st_dev): digest}
    floors.put(folder + "memo", dumps(memo, 5))
    value = {"name": os.path.basename(path), "letters": st.st_size}
    floors.put(folder + xxh3_128_hexdigest(dumps(path, 5)), dumps((digest, value), 5))
