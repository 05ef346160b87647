"""A canary is a pickle that leaves a mark when it is loaded; functions whose entries hold one."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np

import cachepy
from cachepy import CacheWarning, Session, cache_file, use_session
from cachepy.store.codec import pack as packed
from cachepy.store.entryfile import EntryFile, assemble
from cachepy.store.meta import meta_of, rows_of
from cachepy.store.payload import Payload, pack
from cachepy.store.trust import SEAL, Trust

KEY, OTHER = "a key that nobody guesses", "a key of somebody else"
STRANGER = 54321  # no user here

RAN: list[str] = []
FILE = Path("set by the fixture")


class Canary:
    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def functions(cache, **options):
    """A caller, and a call below it with an input file: as a new process has them."""

    @cache_file(cache, ignore_globals=["RAN", "FILE"], depends_on_files=[FILE], **options)
    def leaf(size, more=None):
        RAN.append("leaf")
        return np.full(size, int(FILE.read_text()))

    @cache_file(cache, ignore_globals=["RAN"], **options)
    def top(size):
        RAN.append("top")
        return int(leaf(size)[0]) > 0

    return leaf, top


def asked(cache, which, size=3, **options):
    """Ask as a new process would: the value, what ran, what was warned of."""
    RAN.clear()
    with use_session(Session()), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", cachepy.CheapCallWarning)  # goes by the clock
        leaf, top = functions(cache, **options)
        value = top(size) if which == "top" else leaf(size)
    if which == "leaf":
        assert len(value) == size
        value = int(value[0])
        assert value == int(FILE.read_text())
    return value, list(RAN), [str(w.message) for w in caught if issubclass(w.category, CacheWarning)]


def the(cache, pattern):
    (path,) = (cache / "entries").glob(f"*/{pattern}")
    return path


def rewritten(path, *, trust=None, meta=None, value=None, call=None):
    """A whole entry, checksums and all, with something else in it."""
    opened = EntryFile(str(path))
    payload = Payload(bytes(opened.pickle()), opened._buffers(verify=True)) if value is None else value
    parts = assemble(
        opened.meta if meta is None else meta, payload, opened.call() if call is None else call, trust or Trust()
    )
    data = b"".join(bytes(part) for part in parts)
    path.unlink()
    path.write_bytes(data)


def bomb(mark):
    return pack(Canary(mark))


def unsigned(path, mark):
    rewritten(path, value=bomb(mark))


def of_another_key(path, mark):
    rewritten(path, value=bomb(mark), trust=Trust(key=OTHER.encode()))


def _without_files(event):
    trace = event.trace
    return event.replace(trace=trace.replace(deps=tuple(d for d in trace.deps if d.kind != "file")))


def old_seal_other_meta(path, mark):
    """What the result depended on is left out: it would hold for ever."""
    seal = path.read_bytes()[-SEAL:]
    (event, _), *older = rows_of(str(path), EntryFile(str(path)))
    lean = [(_without_files(e), n) for e, n in older]
    rewritten(path, meta=meta_of(_without_files(event), [(packed(e), n) for e, n in lean]))
    with path.open("ab") as file:
        file.write(seal)


def no_seal(path, mark):
    data = path.read_bytes()
    path.write_bytes(data[:-SEAL])
