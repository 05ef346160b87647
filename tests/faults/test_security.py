"""Whose pickles are loaded, who may read what is stored, and what a hostile cache directory can bring about.

A canary is a pickle that leaves a mark when it is loaded.  Where the promise is that nothing happens, a twin of
the test without the protection shows that the canary sings.
"""

from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
import tempfile
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest

import cachepy
from cachepy import (
    CacheWarning,
    Session,
    cache_file,
    cache_prune,
    cache_repair,
    cache_tree_nodes,
    cache_tree_stale,
    cache_tree_sync,
    cache_verify,
    use_session,
)
from cachepy.disk.entryfile import EntryFile, assemble
from cachepy.disk.journal import MARK, frame
from cachepy.disk.meta import meta_of, rows_of
from cachepy.disk.payload import Payload, pack
from cachepy.disk.places import code_name
from cachepy.disk.trust import SEAL, Trust
from cachepy.errors import UntrustedEntryError
from cachepy.rows import wire
from cachepy.rows.packed import pack as packed

ROOT = Path(cachepy.__file__).parents[1]
KEY, OTHER = "a key that nobody guesses", "a key of somebody else"
STRANGER = 54321  # no user here
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
as_root = pytest.mark.root  # to give files to others one has to be root

RAN: list[str] = []
FILE = Path("set by the fixture")


class Canary:
    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


@pytest.fixture
def mark(tmp_path):
    """Where a canary leaves its mark."""
    return tmp_path / "sang"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "FILE", tmp_path / "input")
    FILE.write_text("1")
    RAN.clear()
    return tmp_path / "cache"


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


# ---- canaries in files of plain data


def test_the_canary_sings(cache, mark):
    """In an entry of one's own, without a key, a pickle is loaded: that is what the others are about."""
    asked(cache, "leaf")
    rewritten(the(cache, "leaf-*.entry"), value=bomb(mark))
    with pytest.raises(TypeError):  # the value is what os.mkdir returns
        asked(cache, "leaf")
    assert mark.exists()


def records(data):
    return [MARK + len(data).to_bytes(4, "little") + b"\0\0\0\0" + data, frame(1)[:4] + _head(data) + data]


def _head(data):
    from xxhash import xxh32_intdigest

    return len(data).to_bytes(4, "little") + xxh32_intdigest(data).to_bytes(4, "little")


def test_no_file_of_plain_data_runs_code(cache, mark, monkeypatch):
    """The graph, the memo, notes, descriptions of code, mailboxes, claims, the meta of entries."""
    asked(cache, "top")
    FILE.write_text("2")
    asked(cache, "leaf")
    raw = pickle.dumps(Canary(mark))
    import zlib

    for each in (raw, *records(raw), zlib.compress(raw), raw.ljust(64 * 3, b"\0")):
        for path in (cache / "graph.pkl", cache / "stat.memo", *(cache / "code").iterdir()):
            path.write_bytes(each)
        for path in (cache / "entries").glob("*/*.entry"):
            path.with_suffix(".valid").write_bytes(each)
        (cache / "runs").mkdir(exist_ok=True)
        (cache / "runs" / "outbox-1-x").write_bytes(each)
        FILE.write_text("1")
        with use_session(Session()), warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheWarning)
            leaf, top = functions(cache)
            cache_tree_sync(cache)
            assert top(3) is True
            assert leaf(3)[0] == 1
            top.explain(3)
            cache_tree_stale()
            cache_verify(cache)
            cache_repair(cache, dry_run=True)
            cachepy.cache_tree_nodes()
            with pytest.raises(cachepy.GraphFileError):
                cachepy.cache_tree_load(cache / "code" / next((cache / "code").iterdir()).name)
        assert not mark.exists()


def test_a_mailbox_runs_no_code_and_is_judged(tmp_path, mark):
    from cachepy.core.frame import Frame
    from cachepy.disk.posting import RemoteFrame, read_mailbox
    from cachepy.model import Dep

    box = tmp_path / "runs" / "x"
    RemoteFrame("x", str(box)).add(Dep("file", "a", "1"))
    assert stat.S_IMODE(box.parent.stat().st_mode) == 0o700
    with box.open("ab") as file:
        for record in records(pickle.dumps(Canary(mark))):
            file.write(record)
        file.write(frame(("file", "a")) + frame("text") + frame(("file", 1, 2)) + frame(("file", "b", "2")))
    frame_of = Frame("f:1", "x", None, str(box), "/")
    assert [d.name for d in read_mailbox(frame_of)] == ["a", "b"]
    assert not mark.exists()


def test_a_claim_runs_no_code(cache, mark):
    asked(cache, "leaf")
    path = the(cache, "leaf-*.entry")
    claim = path.with_suffix(".claim")
    claim.write_bytes(pickle.dumps(Canary(mark)))
    os.utime(claim, (1, 1))
    FILE.write_text("2")
    assert asked(cache, "leaf")[:2] == (2, ["leaf"])
    assert not mark.exists()


@pytest.mark.parametrize("where", ["the meta", "an event", "the name of a file"])
def test_the_meta_of_an_entry_runs_no_code(cache, mark, where):
    asked(cache, "leaf")
    hostile, path = pickle.dumps([Canary(mark)], 5), the(cache, "leaf-*.entry")
    meta = EntryFile(str(path)).meta
    rewritten(path, meta={
        "the meta": hostile,
        "an event": wire.dumps([(hostile, None), (hostile, f"leaf.{'0' * 16}.old")]),
        "the name of a file": pickle.dumps([(meta, None), (meta, Canary(mark))], 5),
    }[where])  # fmt: skip
    value, ran, warned = asked(cache, "leaf")
    assert (value, ran, len(warned)) == (1, ["leaf"], 1)
    assert not mark.exists()


# ---- signatures

SMALL, MAPPED = 8_000, 50_000  # numbers of 8 bytes: read, and mapped


def unsigned(path, mark):
    rewritten(path, value=bomb(mark))


def of_another_key(path, mark):
    rewritten(path, value=bomb(mark), trust=Trust(key=OTHER.encode()))


def old_seal(path, mark):
    """The pickle is replaced, with good checksums; the seal is that of before."""
    seal = path.read_bytes()[-SEAL:]
    rewritten(path, value=bomb(mark))
    with path.open("ab") as file:
        file.write(seal)


def old_seal_other_call(path, mark):
    """The arguments of the call are replaced."""
    seal = path.read_bytes()[-SEAL:]
    rewritten(path, call=wire.dumps((False, bomb(mark).pickle)))
    with path.open("ab") as file:
        file.write(seal)


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


def cut_seal(path, mark):
    data = path.read_bytes()
    path.write_bytes(data[: -SEAL // 2])


def zero_seal(path, mark):
    data = path.read_bytes()
    path.write_bytes(data[:-SEAL] + bytes(SEAL))


def first_byte_of_seal(path, mark):
    data = bytearray(path.read_bytes())
    data[-SEAL] ^= 1
    path.write_bytes(data)


def last_byte_of_seal(path, mark):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def an_array(path, mark):
    """Another array with a good checksum: the table is altered too."""
    seal = path.read_bytes()[-SEAL:]
    opened = EntryFile(str(path))
    meta, call, value = opened.meta, opened.call(), opened.value().copy()
    value[0] = 99
    rewritten(path, meta=meta, call=call, value=pack(value))
    with path.open("ab") as file:
        file.write(seal)


ALTERED = [
    unsigned, of_another_key, old_seal, old_seal_other_call, old_seal_other_meta, no_seal, cut_seal, zero_seal,
    first_byte_of_seal, last_byte_of_seal, an_array,
]  # fmt: skip


@pytest.mark.parametrize("size", [SMALL, MAPPED])
@pytest.mark.parametrize("alter", ALTERED, ids=lambda f: f.__name__)
def test_what_is_not_signed_as_it_is_is_never_unpickled(cache, mark, alter, size):
    asked(cache, "leaf", size, signing_key=KEY)
    assert asked(cache, "leaf", size, signing_key=KEY) == (1, [], [])
    path = the(cache, "leaf-*.entry")
    path.chmod(0o644)  # a large one is read-only
    alter(path, mark)
    value, ran, warned = asked(cache, "leaf", size, signing_key=KEY)
    assert (value, ran) == (1, ["leaf"])
    assert len(warned) == 1 and str(path) in warned[0], warned
    assert "runs again" in warned[0]
    assert not mark.exists()
    assert asked(cache, "leaf", size, signing_key=KEY) == (1, [], []), "the new one is signed"


@pytest.mark.parametrize("alter", ALTERED, ids=lambda f: f.__name__)
def test_an_older_value_that_is_not_signed(cache, mark, alter):
    asked(cache, "leaf", SMALL, signing_key=KEY)
    FILE.write_text("2")
    asked(cache, "leaf", SMALL, signing_key=KEY)
    alter(the(cache, "leaf-*.old"), mark)
    FILE.write_text("1")
    value, ran, warned = asked(cache, "leaf", SMALL, signing_key=KEY)
    assert (value, ran, len(warned)) == (1, ["leaf"], 1)
    assert not mark.exists()


@pytest.mark.parametrize("alter", [f for f in ALTERED if f is not last_byte_of_seal], ids=lambda f: f.__name__)
def test_a_call_below_that_is_not_signed_vouches_for_nothing(cache, mark, alter):
    """Its value is not needed for a hit of the caller, but what it depended on is: also that has to be signed."""
    asked(cache, "top", signing_key=KEY)
    FILE.write_text("0")  # the caller gives something else now
    alter(the(cache, "leaf-*.entry"), mark)
    value, ran, warned = asked(cache, "top", signing_key=KEY)
    assert (value, ran) == (False, ["top", "leaf"])
    assert warned
    assert not mark.exists()


def test_arguments_that_are_not_signed_are_not_unpickled(cache, mark):
    """They are what early cutoff calls with; without a key the same arguments do sing."""
    for options in ({"signing_key": KEY}, {}):
        asked(cache, "top", **options)
        FILE.write_text(str(int(FILE.read_text()) + 1))
        rewritten(the(cache, "leaf-*.entry"), call=wire.dumps((False, pickle.dumps(((Canary(mark),), {})))))
        value, _, warned = asked(cache, "top", **options)
        assert value is True
        assert mark.exists() is not bool(options)
        assert bool(warned) is bool(options)
        cache_prune(cache, 0)


def test_one_key_for_all_of_a_directory(cache):
    asked(cache, "leaf", signing_key=KEY)
    _, ran, warned = asked(cache, "leaf", signing_key=OTHER)
    assert ran == ["leaf"] and "signed with another key" in warned[0]
    with use_session(Session()):
        functions(cache, signing_key=KEY)[0](1)
        with pytest.raises(cachepy.CachepyError, match="signing_key differs"):
            functions(cache, signing_key=OTHER)[0](1)


def test_what_was_read_before_there_was_a_key_is_read_again(cache):
    """One function of the directory is called before the one that brings the key."""
    with use_session(Session()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        leaf, _ = functions(cache)
        leaf(3)
        leaf(3)
        functions(cache, signing_key=KEY)[0](4)
        RAN.clear()
        leaf(3)
        assert RAN == ["leaf"]


def test_a_strangers_file_is_not_mapped(cache, monkeypatch):
    """Who owns a file may change it between the look at its seal and the loading: what was looked at is loaded."""
    asked(cache, "leaf", MAPPED, signing_key=KEY)
    path = the(cache, "leaf-*.entry")
    trust = Trust("*", KEY.encode())
    mine = EntryFile(str(path), trust)
    assert mine.value()[0] == 1
    assert not isinstance(mine._data.obj, bytearray)
    if IS_ROOT:
        os.chown(path, STRANGER, -1)
        opened = EntryFile(str(path), trust)
        assert opened.value(verify=False)[0] == 1
        assert isinstance(opened._data.obj, bytearray)


def test_two_seals_that_change_places(cache, mark):
    with use_session(Session()):
        leaf, _ = functions(cache, signing_key=KEY)
        leaf(SMALL), leaf(SMALL + 1)
    one, other = (cache / "entries").glob("*/*.entry")
    a, b = one.read_bytes(), other.read_bytes()
    one.write_bytes(a[:-SEAL] + b[-SEAL:])
    other.write_bytes(b[:-32] + a[-32:])
    for size in (SMALL, SMALL + 1):
        value, ran, warned = asked(cache, "leaf", size, signing_key=KEY)
        assert (value, ran, len(warned)) == (1, ["leaf"], 1)


def test_the_key_is_written_nowhere(cache, monkeypatch, capfd, caplog, tmp_path):
    """Not in any file, nor in a repr, a warning, a log or an export; given as an option, in the environment, in a file."""
    caplog.set_level("DEBUG")
    secret = tmp_path / "secret"
    secret.write_text(KEY)
    said = []
    for given in (KEY, KEY.encode(), f"@{secret}", None):
        if given is None:
            monkeypatch.setenv("CACHEPY_SIGNING_KEY", KEY)
        said += asked(cache, "top", signing_key=given, verbose=True)[2]
        with use_session(Session()) as session, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            leaf, top = functions(cache, signing_key=given, verbose=True)
            no_seal(the(cache, "leaf-*.entry"), None)
            assert top(3)
            said += [repr(leaf), repr(top), repr(session), repr(session.store(str(cache)).trust), str(top.explain(3))]
            said += [cachepy.cache_tree_to_json(), cachepy.cache_tree_to_dot(), cachepy.cache_tree_to_mermaid()]
            said += [repr(cache_tree_nodes()), repr(cache_tree_stale()), str(cache_verify(cache))]
            said += [str(w.message) for w in caught]
    everything = b"".join(p.read_bytes() for p in cache.rglob("*") if p.is_file())
    assert len(everything) > 1000 and any("not signed" in each for each in said)
    assert KEY.encode() not in everything
    assert not [each for each in said if KEY in each]
    out, err = capfd.readouterr()
    assert KEY not in out + err + caplog.text


# ---- owners


@as_root
@pytest.mark.parametrize("kind", ["entry", "link to an entry"])
def test_an_entry_of_a_stranger(cache, mark, tmp_path, kind):
    """It is refused, said so once, replaced; and taken if its owner is trusted."""
    asked(cache, "leaf")
    path = the(cache, "leaf-*.entry")
    rewritten(path, value=bomb(mark))
    if kind != "entry":
        path = path.rename(tmp_path / "elsewhere")
        (cache / "entries" / "x").parent.joinpath(path.name)
        os.symlink(path, _place_of(cache, path))
    os.chown(path, STRANGER, STRANGER)
    value, ran, warned = asked(cache, "leaf")
    assert (value, ran) == (1, ["leaf"])
    assert len(warned) == 1 and f"belongs to {STRANGER}" in warned[0] and "trusted_owners=" in warned[0]
    assert not mark.exists()
    assert asked(cache, "leaf") == (1, [], []), "the new one is one's own"
    assert the(cache, "leaf-*.entry").stat().st_uid == os.geteuid()

    rewritten(the(cache, "leaf-*.entry"), value=bomb(mark))
    os.chown(the(cache, "leaf-*.entry"), STRANGER, STRANGER)
    with pytest.raises(TypeError):
        asked(cache, "leaf", trusted_owners=[STRANGER])
    assert mark.exists()


def _place_of(cache, path):
    event = rows_of(str(path), EntryFile(str(path)))[0][0]
    return cache / (event.outfile or f"entries/{event.hash[:2]}/leaf-{event.hash}.entry")


@as_root
def test_an_older_value_of_a_stranger(cache, mark):
    asked(cache, "leaf")
    FILE.write_text("2")
    asked(cache, "leaf")
    old = the(cache, "leaf-*.old")
    rewritten(old, value=bomb(mark))
    os.chown(old, STRANGER, STRANGER)
    FILE.write_text("1")
    value, ran, warned = asked(cache, "leaf")
    assert (value, ran, len(warned)) == (1, ["leaf"], 1)
    assert not mark.exists()


@as_root
def test_a_strangers_entry_of_a_call_below_vouches_for_nothing(cache, mark):
    asked(cache, "top")
    FILE.write_text("0")
    path = the(cache, "leaf-*.entry")
    old_seal_other_meta(path, mark)
    path.write_bytes(path.read_bytes()[:-SEAL])
    stranger = path.read_bytes()
    assert asked(cache, "top")[0] is True, "one's own is believed: it is wrong, and says so about the twin below"
    path.write_bytes(stranger)
    os.chown(path, STRANGER, STRANGER)
    value, ran, warned = asked(cache, "top")
    assert (value, ran) == (False, ["top", "leaf"])
    assert len(warned) == 1 and "belongs to" in warned[0]


@as_root
def test_one_explanation_for_each_stranger(cache):
    with use_session(Session()):
        leaf, _ = functions(cache)
        for size in range(1, 7):
            leaf(size)
    for number, path in enumerate(sorted((cache / "entries").glob("*/*.entry"))):
        os.chown(path, STRANGER + number % 2, -1)
    with use_session(Session()), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", cachepy.CheapCallWarning)  # goes by the clock
        leaf, _ = functions(cache)
        assert [int(leaf(size)[0]) for size in range(1, 7)] == [1] * 6
    assert len(caught) == 2


@as_root
def test_a_strangers_memo_is_not_believed(cache, tmp_path):
    """A false row would hide that a file changed."""
    from cachepy.disk.files import StatMemo, identity_of

    big = tmp_path / "big"
    big.write_bytes(b"1" * 20_000)
    os.utime(big, (1, 1))
    false = StatMemo()
    false.put(identity_of(big.stat()), "0" * 32, 20_000)
    (tmp_path / "memo").touch()
    false.flush(str(tmp_path / "memo"))
    for owner, believed in ((os.geteuid(), True), (STRANGER, False)):
        os.chown(tmp_path / "memo", owner, -1)
        session = Session()
        session.files.memo_file = str(tmp_path / "memo")
        assert (session.files.digest(str(big)) == "0" * 32) is believed


@as_root
def test_a_copy_does_not_make_a_strangers_value_ours(cache, mark, monkeypatch):
    """Where there are no hard links the newest value is copied aside: it may be another file by then."""
    import cachepy.store

    asked(cache, "leaf")
    path = the(cache, "leaf-*.entry")

    def swapped(source, aside):
        rewritten(path, value=bomb(mark))
        os.chown(path, STRANGER, STRANGER)
        raise OSError(1, "no links here")

    FILE.write_text("2")
    monkeypatch.setattr(cachepy.store.os, "link", swapped)
    asked(cache, "leaf")
    monkeypatch.undo()
    monkeypatch.setattr(sys.modules[__name__], "FILE", cache.parent / "input")
    FILE.write_text("1")
    assert asked(cache, "leaf")[:2] == (1, ["leaf"])
    assert not mark.exists()


@as_root
def test_repair_does_not_make_a_strangers_value_ours(cache, mark):
    """An entry that lists a lost older value is written anew: not one of a stranger."""
    asked(cache, "leaf")
    FILE.write_text("2")
    asked(cache, "leaf")
    the(cache, "leaf-*.old").unlink()
    path = the(cache, "leaf-*.entry")
    rewritten(path, value=bomb(mark))
    os.chown(path, STRANGER, STRANGER)
    cache_repair(cache)
    assert asked(cache, "leaf")[:2] == (2, ["leaf"])
    assert not mark.exists()


def test_repair_does_not_sign_what_was_not_signed(cache, mark, monkeypatch):
    monkeypatch.setenv("CACHEPY_SIGNING_KEY", KEY)
    asked(cache, "leaf")
    FILE.write_text("2")
    asked(cache, "leaf")
    the(cache, "leaf-*.old").unlink()
    signed = the(cache, "leaf-*.entry").read_bytes()
    cache_repair(cache)
    assert the(cache, "leaf-*.entry").read_bytes() != signed
    assert asked(cache, "leaf") == (2, [], []), "what was signed still is"
    the(cache, "leaf-*.entry").write_bytes(signed)
    unsigned(the(cache, "leaf-*.entry"), mark)
    cache_repair(cache)
    assert asked(cache, "leaf")[:2] == (2, ["leaf"])
    assert not mark.exists()


def test_verify_says_what_is_not_signed(cache, mark, monkeypatch):
    monkeypatch.setenv("CACHEPY_SIGNING_KEY", KEY)
    asked(cache, "top")
    assert cache_verify(cache).is_good
    unsigned(the(cache, "leaf-*.entry"), mark)
    of_another_key(the(cache, "top-*.entry"), mark)
    problems = [p.what for p in cache_verify(cache).problems]
    assert len(problems) == 2
    assert any("not signed" in p for p in problems) and any("another key" in p for p in problems)
    before = {p: p.read_bytes() for p in (cache / "entries").glob("*/*")}
    cache_repair(cache)
    assert before == {p: p.read_bytes() for p in (cache / "entries").glob("*/*")}, "not damage: nothing to put aside"
    assert not mark.exists()


@as_root
def test_verify_says_whose_an_entry_is(cache):
    asked(cache, "leaf")
    os.chown(the(cache, "leaf-*.entry"), STRANGER, -1)
    (problem,) = cache_verify(cache).problems
    assert f"belongs to {STRANGER}" in problem.what


def test_a_rerun_unpickles_no_unsigned_arguments(cache, mark):
    with use_session(Session()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        leaf, _ = functions(cache, signing_key=KEY)
        leaf(3)
        rewritten(the(cache, "leaf-*.entry"), call=wire.dumps((False, pickle.dumps(((Canary(mark),), {})))))
        cache_verify(cache, rerun=5)
    assert not mark.exists()


# ---- modes


@pytest.fixture(params=[0o000, 0o022], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(top):
    return {
        p.relative_to(top).parts[0] if p != top else ".": stat.S_IMODE(p.stat().st_mode)
        for p in (top, *top.rglob("*"))
        if p.is_dir()
    }


def test_cache_directories_are_private(cache, umask):
    inside = cache / "a" / "b"
    asked(inside, "top")
    with use_session(Session()):

        @cache_file(inside)
        def caller(n):
            cachepy.with_caller(len).__reduce__()
            return n

        caller(1)
    no_seal(the(inside, "leaf-*.entry"), None)  # its end is missing
    cache_repair(inside)
    found = {
        str(p.relative_to(cache.parent)): stat.S_IMODE(p.stat().st_mode)
        for p in (cache, *cache.rglob("*"))
        if p.is_dir()
    }
    assert {"cache", "cache/a/b/code", "cache/a/b/runs", "cache/a/b/broken"} < set(found)
    assert set(found.values()) == {0o700}, found
    loose = [p for p in (inside / "entries").rglob("*") if p.is_file() and p.stat().st_mode & 0o022]
    assert not loose, "who can write into a file of mine can put a pickle there that I load"


# ---- two users, one directory

USERS = """
    import importlib, json, os, pkgutil, signal, sys, traceback, warnings
    import fcntl, hmac, hashlib, mmap, pwd, shutil, linecache, ast, zlib, threading
    import numpy as np
    import cachepy
    for each in pkgutil.walk_packages(cachepy.__path__, "cachepy."):  # who is not root cannot read where Python is
        if "__main__" not in each.name and "commands" not in each.name:
            importlib.import_module(each.name)
    from cachepy import Session, use_session, cache_file, cache_tree_sync, cache_tree_nodes, track_file
    from pathlib import Path

    HERE = Path(__file__).parent
    CACHE = HERE / "shared" / "cache"
    RAN = []

    @cache_file(CACHE, ignore_globals=["RAN"])
    def load(n):
        RAN.append(n)
        return [n] * len(track_file(HERE / "input").read_text())

    @cache_file(CACHE, ignore_globals=["RAN"])
    def total(n):
        RAN.append("total")
        return sum(load(n))

    def as_user(uid, fn, limit=40, **env):
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            code = 1
            try:
                os.setgroups([GROUP])
                os.setgid(uid)
                os.setuid(uid)
                os.umask(0o022)
                os.environ.update(env)
                signal.alarm(limit)
                with warnings.catch_warnings(record=True) as caught, use_session(Session()):
                    warnings.simplefilter("always")
                    warnings.simplefilter("ignore", cachepy.CheapCallWarning)  # goes by the clock
                    value = fn()
                said = [str(w.message) for w in caught]
                os.write(write, json.dumps([value, RAN, said]).encode())
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(write)
        with open(read) as file:
            text = file.read()
        status = os.waitpid(pid, 0)[1]
        assert status == 0, status
        return json.loads(text)

    A, B, C, GROUP = 54301, 54302, 54303, 54400
    os.chmod(HERE, 0o755)
    (HERE / "input").write_text("x" * 20_000)
    os.utime(HERE / "input", (1e9, 1e9))
    (HERE / "shared").mkdir()
    os.chown(HERE / "shared", 0, GROUP)
    os.chmod(HERE / "shared", 0o2770)
"""


def users(text, limit=120):
    """Run a program in a folder that others can enter, as root, who becomes them."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "users.py")
        program.write_text(textwrap.dedent(USERS) + textwrap.dedent(text))
        env = {k: v for k, v in os.environ.items() if not k.startswith("CACHEPY")} | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, program], env=env, cwd=folder, capture_output=True, text=True, timeout=limit
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@as_root
def test_a_directory_shared_by_a_group():
    """Both write; each other's values are loaded only by who trusts the other; the graph is everybody's."""
    users(
        """
        def go():
            return total(1)

        def graph():
            cache_tree_sync(CACHE)
            return sorted(n["fname"] for n in cache_tree_nodes().values())

        shared = {"CACHEPY_UMASK": "007"}
        assert as_user(A, go, **shared) == [20_000, ["total", 1], []]
        for path in (CACHE, *CACHE.rglob("*")):
            st = path.stat()
            assert st.st_gid == GROUP, path
            mode = oct(st.st_mode & 0o7777)
            if path.is_dir():
                assert mode == "0o2770", (path, mode)
            elif path.name in ("graph.pkl", "graph.size"):
                assert mode == "0o660", mode
            elif path.name != "stat.memo":
                assert mode == "0o640", (path, mode)

        value, ran, said = as_user(B, go, **shared)
        assert (value, ran) == (20_000, ["total", 1]), ran
        assert len(said) == 1 and f"belongs to {A}" in said[0], said
        assert {p.stat().st_uid for p in CACHE.glob("entries/*/*.entry")} == {B}, "replaced by their own"
        value, ran, said = as_user(A, go, CACHEPY_TRUSTED_OWNERS=str(B), **shared)
        assert (value, ran, said) == (20_000, [], []), (ran, said)
        assert as_user(A, graph, **shared)[0] == as_user(B, graph, **shared)[0] == ["load", "total"]

        (HERE / "input").write_text("y" * 30_000)  # A makes new ones beside the values of B, and B again
        trusting = {**shared, "CACHEPY_TRUSTED_OWNERS": f"{A},{B}"}
        assert as_user(A, go, **trusting)[0] == 30_000
        assert as_user(B, go, **trusting)[:2] == [30_000, []]
        (HERE / "input").write_text("x" * 20_000)
        assert as_user(B, go, **trusting)[:2] == [20_000, []], "the older value"
        (HERE / "input").write_text("z" * 10)
        assert as_user(B, go, **trusting)[0] == 10
        assert not [p for p in CACHE.rglob("*") if p.name.endswith((".claim", ".tmp", ".break"))]

        # somebody who is not of the group
        GROUP = 54401
        value, ran, said = as_user(C, go, **shared)
        assert (value, ran) == (10, ["total", 1]) and len(said) >= 1, said
        """
    )


@as_root
def test_a_member_of_the_group_cannot_write_into_what_is_mine():
    users(
        """
        def go():
            return total(1)

        def write():
            done = []
            for path in CACHE.rglob("*"):
                if path.is_file() and path.name not in ("graph.pkl", "graph.size"):
                    try:
                        path.open("ab").close()
                        done.append(str(path))
                    except PermissionError:
                        pass
            return done

        as_user(A, go, CACHEPY_UMASK="007")
        assert as_user(B, write)[0] == []
        """
    )


@as_root
def test_the_claim_of_a_dead_stranger():
    """Removed where that is allowed; where not, nobody waits for ever."""
    users(
        """
        import time

        def die():
            from cachepy.disk.claims import Claims
            store = cachepy.current_session().store(str(CACHE))
            call = "load:" + load.key(1)
            store.prepare(call)
            assert Claims(store.trust.open_up).acquire(store.claim_path(call))

        def go():
            return len(load(1))

        shared = {"CACHEPY_UMASK": "007"}
        as_user(A, die, **shared)
        assert len(list(CACHE.rglob("*.claim"))) == 1
        assert as_user(B, go, **shared) == [20_000, [1], []]
        assert not list(CACHE.rglob("*.claim"))
        """
    )


@as_root
@pytest.mark.parametrize("mode", ["0o755", "0o1777"])
def test_a_claim_that_cannot_be_removed_is_not_waited_for(mode):
    users(
        f"""
        def die():
            from cachepy.disk.claims import Claims
            store = cachepy.current_session().store(str(CACHE))
            call = "load:" + load.key(1)
            store.prepare(call)
            assert Claims(store.trust.open_up).acquire(store.claim_path(call))

        def go():
            return len(load(1))

        as_user(A, die, CACHEPY_UMASK="000")
        os.chmod(HERE / "shared", 0o755)
        for path in (CACHE, *CACHE.rglob("*")):
            if path.is_dir():
                os.chmod(path, {mode})
        value, ran, said = as_user(B, go, limit=15)
        assert (value, ran) == (20_000, [1])
        assert len(said) == 1 and "cannot be written" in said[0], said
        """
    )


# ---- hostile names


@pytest.mark.parametrize(
    "call",
    [
        "f:../../../outside",
        "f:/tmp/outside",
        "f:",
        "",
        "..:..",
        "f:a/b",
        "f:..",
        "../x:../y",
        "f:a\0b",
        "f:" + "x/" * 9,
    ],
)
def test_no_id_leads_outside(tmp_path, call):
    from cachepy.store import Store

    store = Store(str(tmp_path / "cache"))
    inside = os.path.join(store.root, "entries", "")
    for path in (store.path_of(call), store.claim_path(call), store.valid_path(call)):
        assert os.path.normpath(path).startswith(inside), path
        assert "\0" not in path
    assert store.look(call) is None
    store.forget(call)


def test_forgetting_a_hostile_id_deletes_nothing_outside(tmp_path):
    from cachepy.store import Store

    store = Store(str(tmp_path / "cache"))
    (tmp_path / "cache" / "entries").mkdir(parents=True)
    victim = tmp_path / "f-x.entry"
    for name in ("f-x.entry", "f-x.valid"):
        (tmp_path / name).write_text("mine")
    for call in ("f:../../x", f"f:{tmp_path}/x", "f:..", "f:../../f-x"):
        store.forget(call)
    hostile = f"{store.root}/entries/../../f-../../x.entry"
    assert store.path_of("f:../../x") != hostile
    assert victim.read_text() == "mine"


def test_a_code_digest_leads_nowhere(tmp_path):
    from cachepy.store import Store

    store = Store(str(tmp_path / "cache"))
    (tmp_path / "secret").write_bytes(wire.dumps([]))
    (tmp_path / "cache" / "code").mkdir(parents=True)
    for digest in ("../../secret", str(tmp_path / "secret"), "", ".", "a\0b"):
        assert store.get_code(digest) is None
        assert store.codes(digest) == []
        store.put_code(digest, b"x")
        store.put_code(code_name(digest, ["m:f"]), b"x")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["cache", "code", "secret"]


def test_an_entry_that_lists_files_of_others(cache, tmp_path):
    """Older values are files beside the entry, with our suffix: anything else is damage, and nothing of it is deleted."""
    for hostile in ("../../../victim", "victim", "/etc/passwd", "..", "", "victim.entry"):
        asked(cache, "leaf")
        path = the(cache, "leaf-*.entry")
        victims = [cache.parent / "victim", path.parent / "victim", path.parent / "victim.entry"]
        for victim in victims:
            victim.write_text("mine")
        event = rows_of(str(path), EntryFile(str(path)))[0][0]
        rewritten(path, meta=meta_of(event, [(packed(event.replace(run="another run")), hostile)]))
        with use_session(Session()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            leaf, _ = functions(cache)
            leaf.clear(3)
            cache_repair(cache)
            cache_prune(cache, 0)
        assert [v.read_text() for v in victims] == ["mine"] * 3
        for victim in victims:
            victim.unlink()


FOREIGN_NAMES = [
    "entries/ab/f-1.entry", "entries/ab/f-1.0123.old", "entries/ab/f-1.valid", "entries/ab/f-1.claim", "entries/ab/f-1.claim.break",
    "entries/ab/f-1.7.ab.0.tmp", "entries/ab/notes.txt", "entries/README", "code/0123456789abcdef0123456789abcdef", "code/x.tmp",
    "runs/0123456789abcdef0123456789abcdef", "runs/outbox-1-a", "graph.pkl", "stat.memo", "broken/20200101T000000/x", "data.csv",
]  # fmt: skip


@pytest.mark.parametrize("content", [b"PK\3\4 something of the user's", b"\x80\x04K\x01.", b"\0" * 5000, b"cachepies"])
def test_files_of_others_survive(cache, content):
    """A folder full of files with our names and suffixes, old ones, beside entries of ours."""
    asked(cache, "top")
    for number, name in enumerate(FOREIGN_NAMES):
        path = cache / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content + b"%d" % number)
        os.utime(path, (1, 1))
    ours = the(cache, "leaf-*.entry")
    beside = ours.with_suffix(".valid")
    beside.write_bytes(content)
    for path in (cache, *cache.rglob("*")):
        os.utime(path, (1, 1))
    for look in (cache_prune, cache_repair, cache_prune):
        look(cache, **({"days_old": 0} if look is cache_prune else {}))
    kept = {name for name in FOREIGN_NAMES if (cache / name).exists()}
    moved = {"graph.pkl", "stat.memo"}  # in a cache directory of ours these are damaged files of ours
    assert kept | moved == set(FOREIGN_NAMES) | moved
    for number, name in enumerate(FOREIGN_NAMES):
        if name not in moved:
            assert (cache / name).read_bytes() == content + b"%d" % number
    assert beside.read_bytes() == content
    assert not list(cache.rglob("leaf-*.entry"))


def test_a_folder_that_is_no_cache_survives(tmp_path):
    for number, name in enumerate(FOREIGN_NAMES):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"something else %d" % number)
        os.utime(path, (1, 1))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    cache_prune(tmp_path, 0)
    cache_repair(tmp_path)
    assert before == {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}


@pytest.mark.parametrize("link", ["entries", "entries/ab", "code", "runs"])
def test_links_are_not_followed_when_deleting(cache, tmp_path, link):
    outside = tmp_path / "outside"
    asked(outside, "top")
    if link == "runs":
        (outside / "runs").mkdir()
        (outside / "runs" / "0").write_bytes(frame(("file", "x", "y")))
    source = outside / link.replace("/ab", "")
    source = next(source.iterdir()) if link == "entries/ab" else source
    (cache / link).parent.mkdir(parents=True, exist_ok=True)
    os.symlink(source, cache / link)
    for path in (outside, *outside.rglob("*")):
        os.utime(path, (1, 1))
    before = sorted(outside.rglob("*"))
    cache_prune(cache, 0)
    cache_repair(cache)
    cache_prune(cache, 0)
    assert sorted(outside.rglob("*")) == before


def test_a_link_goes_but_not_what_it_names(cache, tmp_path):
    asked(cache, "leaf")
    path = the(cache, "leaf-*.entry")
    real = path.rename(tmp_path / "real.entry")
    os.symlink(real, path)
    stray = path.with_name("f-1.0123.old")
    os.symlink(real, stray)
    cache_prune(cache, 0)
    assert real.exists()


def test_a_link_to_a_file_of_mine_is_not_written_through(cache, tmp_path):
    """In a shared directory somebody else may have put it there."""
    from cachepy.disk.files import StatMemo

    victim = tmp_path / "victim"
    victim.write_text("mine")
    cache.mkdir()
    for name in ("graph.pkl", "stat.memo"):
        os.symlink(victim, cache / name)
    value, ran, warned = asked(cache, "leaf")
    assert (value, ran) == (1, ["leaf"])
    assert len(warned) == 1 and "graph.pkl" in warned[0]
    memo = StatMemo()
    memo.put((1, 2, 3, 4, 5), "0" * 32, 20_000)
    memo.flush(str(cache / "stat.memo"))
    assert victim.read_text() == "mine"


def test_the_memo_is_writable_by_its_owner_alone(tmp_path):
    """Its rows speak for its owner: who else can write one can hide a change."""
    from cachepy.disk.files import StatMemo

    before = os.umask(0)
    try:
        memo = StatMemo()
        memo.put((1, 2, 3, 4, 5), "0" * 32, 20_000)
        memo.flush(str(tmp_path / "memo"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "memo").stat().st_mode) == 0o644


def test_a_temporary_name_that_can_be_guessed(cache, tmp_path):
    """A link under the name that repair used to write to."""
    asked(cache, "leaf")
    victim = tmp_path / "victim"
    victim.write_text("mine")
    os.symlink(victim, cache / f"graph.pkl.{os.getpid()}.tmp")
    (cache / "graph.pkl").write_bytes(b"damaged")
    cache_repair(cache)
    assert victim.read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no fifos here")
@pytest.mark.timeout(5)
def test_a_fifo_is_not_waited_for(cache):
    asked(cache, "leaf")
    path = the(cache, "leaf-*.entry")
    for name in ("f-1.entry", "f-1.0123.old", "f-1.valid", "f-1.tmp"):
        os.mkfifo(path.with_name(name))
        os.utime(path.with_name(name), (1, 1))
    cache_prune(cache, 0)
    cache_verify(cache)
    cache_repair(cache)


# ---- secrets

SECRET = "hunter2-hunter2"


def test_where_values_of_arguments_and_globals_are_stored(cache):
    """Labels hold short arguments, and the arguments are kept with keep_args; SECURITY.md says so."""
    with use_session(Session()):

        @cache_file(cache)
        def kept(user):
            return len(user)

        @cache_file(cache / "less", keep_args=False, file_args=[])
        def less(user):
            return len(user)

        @cache_file(cache / "name", keep_args=False)
        def name(user):
            return len(user)

        kept(SECRET)
        less("x" * 100 + SECRET)
        name("x" * 100 + SECRET)
    entry = the(cache, "kept-*.entry")
    assert SECRET.encode() in EntryFile(str(entry)).meta and SECRET.encode() in EntryFile(str(entry)).call()
    assert SECRET.encode() in (cache / "graph.pkl").read_bytes()
    assert not _found(cache / "less"), "neither the label, which is cut off, nor the arguments"
    assert _found(cache / "name"), "a text that may name a file, which is not there yet"


def test_ignored_arguments_with_keep_args_off(cache):
    """The way to keep a secret argument out of the cache directory."""
    with use_session(Session()):

        @cache_file(cache, keep_args=False, ignore_args=["password"])
        def query(table, password):
            return table

        query("t", SECRET)
    assert not _found(cache)


def test_secret_globals_and_variables_are_kept_as_digests(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("APP_LOGIN", SECRET)
    module = tmp_path / "reads_secrets.py"
    module.write_text(
        textwrap.dedent(f"""
        import os
        API_TOKEN = {SECRET!r}
        CONFIG = {{"password": {SECRET!r}}}
        URL = "https://me:{SECRET}@host/"

        def body(x):
            return x, len(API_TOKEN), len(CONFIG), len(URL), len(os.environ["APP_LOGIN"])
        """)
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import reads_secrets

    with use_session(Session()):
        f = cache_file(cache, env_vars=["APP_LOGIN"])(reads_secrets.body)
        assert f(1)[0] == 1
    assert not _found(cache)


def _found(top):
    """Files below that hold the secret, packed ones too."""
    from cachepy.reach.source import loaded

    files = [p for p in top.rglob("*") if p.is_file()]
    assert files
    packed = [p for p in files if p.parent.name == "code" and SECRET in repr(loaded(p.read_bytes()))]
    return packed + [p for p in files if SECRET.encode() in p.read_bytes()]


def test_untrusted_is_an_entry_error():
    assert issubclass(UntrustedEntryError, cachepy.CachepyError)
