"""Who may read what is stored: no file of plain data runs code, and no secret is stored.

A canary is a pickle that leaves a mark when it is loaded.  Where the promise is that nothing happens, a twin of
the test without the protection shows that the canary sings.
"""

from __future__ import annotations

import os
import pickle
import stat
import textwrap
import warnings

import canaries
import pytest
from canaries import (
    RAN,
    Canary,
    asked,
    bomb,
    functions,
    rewritten,
    the,
)

import cachepy
from cachepy import (
    CacheWarning,
    Session,
    cache_file,
    cache_repair,
    cache_tree_stale,
    cache_tree_sync,
    cache_verify,
    use_session,
)
from cachepy.errors import UntrustedEntryError
from cachepy.store import safe_pickle
from cachepy.store.entryfile import EntryFile
from cachepy.store.journal import MARK, frame


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
    canaries.FILE.write_text("2")
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
        canaries.FILE.write_text("1")
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
    from cachepy.core.model import Dep
    from cachepy.store.posting import RemoteFrame, read_mailbox

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
    canaries.FILE.write_text("2")
    assert asked(cache, "leaf")[:2] == (2, ["leaf"])
    assert not mark.exists()


@pytest.mark.parametrize("where", ["the meta", "an event", "the name of a file"])
def test_the_meta_of_an_entry_runs_no_code(cache, mark, where):
    asked(cache, "leaf")
    hostile, path = pickle.dumps([Canary(mark)], 5), the(cache, "leaf-*.entry")
    meta = EntryFile(str(path)).meta
    rewritten(path, meta={
        "the meta": hostile,
        "an event": safe_pickle.dumps([(hostile, None), (hostile, f"leaf.{'0' * 16}.old")]),
        "the name of a file": pickle.dumps([(meta, None), (meta, Canary(mark))], 5),
    }[where])  # fmt: skip
    value, ran, warned = asked(cache, "leaf")
    assert (value, ran, len(warned)) == (1, ["leaf"], 1)
    assert not mark.exists()


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
    from cachepy.code.source import loaded

    files = [p for p in top.rglob("*") if p.is_file()]
    assert files
    packed = [p for p in files if p.parent.name == "code" and SECRET in repr(loaded(p.read_bytes()))]
    return packed + [p for p in files if SECRET.encode() in p.read_bytes()]


def test_untrusted_is_an_entry_error():
    assert issubclass(UntrustedEntryError, cachepy.CachepyError)
