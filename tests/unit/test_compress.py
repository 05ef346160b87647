"""`compress=`: smaller entries, read without any option."""

from __future__ import annotations

import os
import pickle
import sys

import pytest

from cachepy import CacheReadWarning, Session, cache_file, cache_list, cache_prune, cache_verify, use_session
from cachepy.calls.glance import glance
from cachepy.errors import UsageError, UsageValueError
from cachepy.store import compression
from cachepy.store.payload import pack

np = pytest.importorskip("numpy")
RAN = []
HERE = ["gzip", "lzma", "zlib"]


def is_here(codec):
    try:
        compression._codec(codec)
    except ImportError:
        return False
    return True


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    RAN.clear()
    with use_session(Session()):
        yield


def made(**options):
    @cache_file("cache", warn_cheap=False, ignore_globals=["RAN"], **options)
    def load(x):
        RAN.append(x)
        return {"large": np.zeros(x), "text": "ab" * x, "f": np.asfortranarray(np.eye(40))}

    return load


def size():
    return cache_list("cache")[0]["size"]


@pytest.mark.parametrize("codec", compression.CODECS)
@pytest.mark.parametrize("x", [3000, 200_000])
def test_a_value_comes_back_equal_and_may_be_changed(codec, x):
    if not is_here(codec):
        pytest.skip("not installed")
    made()(x)
    plain = size()
    cache_prune("cache", 0)
    load = made(compress=codec)
    first = load(x)
    assert size() < plain / 2
    with use_session(Session()):
        second = made()(x)
        assert second["text"] == first["text"]
        assert np.array_equal(second["f"], first["f"])
        second["large"][0] = 7
        assert second["large"].flags.writeable
        assert made()(x)["large"][0] == 0
    assert [x, x] == RAN
    assert cache_verify("cache").is_good


def test_what_gets_no_smaller_is_stored_as_it_was():
    noise, short = os.urandom(100_000), "a" * 2000
    for value in (noise, short):
        payload = pack(value)
        assert compression.compressed(payload, "zlib") is payload


def test_the_option_changes_no_key_and_old_results_load():
    made()(5000)
    with use_session(Session()):
        load = made(compress="gzip")
        load(5000)
        assert RAN == [5000]
        assert load.key(5000) == made().key(5000)
        load(5000, _force=True)
    with use_session(Session()):
        made()(5000)
    assert RAN == [5000, 5000]


def test_a_short_pickle_of_a_long_value_is_known_to_be_long():
    load = made(compress="zlib")
    load(5000)
    hit = glance(load.__cachepy__, (5000,), {})
    assert not isinstance(hit.value, dict)
    assert hit.value.load()["text"] == "ab" * 5000


def test_a_damaged_entry_is_seen():
    load = made(compress="zlib")
    load(5000)
    path = cache_list("cache")[0]["path"]
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)
    assert not cache_verify("cache").is_good
    with use_session(Session()), pytest.warns(CacheReadWarning, match="checksum"):
        load(5000)
    assert RAN == [5000, 5000]


def test_a_codec_that_is_not_here_is_told(monkeypatch):
    for name in ("zstandard", "compression.zstd", "lz4.frame"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match=r"Python 3.14 or the package zstandard.*pip install zstandard"):
        cache_file("cache", compress="zstd")
    with pytest.raises(UsageError, match="pip install lz4"):
        cache_file("cache", compress="lz4")
    with pytest.raises(UsageValueError, match="'zstd' or 'lz4' or 'gzip'"):
        cache_file("cache", compress="zip")
    with pytest.raises(UsageError, match="compress must be"):
        cache_file("cache", compress=3)


def test_an_entry_whose_codec_is_gone_runs_again(monkeypatch):
    load = made(compress="zlib")
    load(5000)

    def gone():
        raise ImportError

    monkeypatch.setitem(compression._MAKERS, "zlib", gone)
    with use_session(Session()), pytest.warns(CacheReadWarning, match="compressed by zlib: this Python was built"):
        made()(5000)
    assert RAN == [5000, 5000]


def test_broken_data_is_an_entry_error():
    packed = compression.compressed(pack("a" * 10_000), "zlib")
    with pytest.raises(Exception, match="cannot be decompressed"):
        pickle.loads(packed.pickle, buffers=[b"nonsense"])
