"""With a signing key: what is not signed as it is is never unpickled."""

from __future__ import annotations

import os
import pickle
import warnings

import canaries
import pytest
from canaries import (
    KEY,
    OTHER,
    RAN,
    STRANGER,
    Canary,
    asked,
    bomb,
    functions,
    no_seal,
    of_another_key,
    old_seal_other_meta,
    rewritten,
    the,
    unsigned,
)

import cachepy
from cachepy import Session, cache_prune, cache_tree_nodes, cache_tree_stale, cache_verify, use_session
from cachepy.store import safe_pickle
from cachepy.store.entryfile import EntryFile
from cachepy.store.payload import pack
from cachepy.store.trust import SEAL, Trust

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def mark(tmp_path):
    """Where a canary leaves its mark."""
    return tmp_path / "sang"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(canaries, "FILE", tmp_path / "input")
    canaries.FILE.write_text("1")
    RAN.clear()
    return tmp_path / "cache"


# ---- signatures

SMALL, MAPPED = 8_000, 50_000  # numbers of 8 bytes: read, and mapped


def old_seal(path, mark):
    """The pickle is replaced, with good checksums; the seal is that of before."""
    seal = path.read_bytes()[-SEAL:]
    rewritten(path, value=bomb(mark))
    with path.open("ab") as file:
        file.write(seal)


def old_seal_other_call(path, mark):
    """The arguments of the call are replaced."""
    seal = path.read_bytes()[-SEAL:]
    rewritten(path, call=safe_pickle.dumps((False, bomb(mark).pickle)))
    with path.open("ab") as file:
        file.write(seal)


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
    canaries.FILE.write_text("2")
    asked(cache, "leaf", SMALL, signing_key=KEY)
    alter(the(cache, "leaf-*.old"), mark)
    canaries.FILE.write_text("1")
    value, ran, warned = asked(cache, "leaf", SMALL, signing_key=KEY)
    assert (value, ran, len(warned)) == (1, ["leaf"], 1)
    assert not mark.exists()


@pytest.mark.parametrize("alter", [f for f in ALTERED if f is not last_byte_of_seal], ids=lambda f: f.__name__)
def test_a_call_below_that_is_not_signed_vouches_for_nothing(cache, mark, alter):
    """Its value is not needed for a hit of the caller, but what it depended on is: also that has to be signed."""
    asked(cache, "top", signing_key=KEY)
    canaries.FILE.write_text("0")  # the caller gives something else now
    alter(the(cache, "leaf-*.entry"), mark)
    value, ran, warned = asked(cache, "top", signing_key=KEY)
    assert (value, ran) == (False, ["top", "leaf"])
    assert warned
    assert not mark.exists()


def test_arguments_that_are_not_signed_are_not_unpickled(cache, mark):
    """They are what early cutoff calls with; without a key the same arguments do sing."""
    for options in ({"signing_key": KEY}, {}):
        asked(cache, "top", **options)
        canaries.FILE.write_text(str(int(canaries.FILE.read_text()) + 1))
        rewritten(the(cache, "leaf-*.entry"), call=safe_pickle.dumps((False, pickle.dumps(((Canary(mark),), {})))))
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
