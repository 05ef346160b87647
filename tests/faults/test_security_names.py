"""What a hostile cache directory can bring about by its names and links."""

from __future__ import annotations

import os
import stat
import warnings

import canaries
import pytest
from canaries import (
    RAN,
    asked,
    functions,
    rewritten,
    the,
)

from cachepy import Session, cache_prune, cache_repair, cache_verify, use_session
from cachepy.store import safe_pickle
from cachepy.store.codec import pack as packed
from cachepy.store.entryfile import EntryFile
from cachepy.store.journal import frame
from cachepy.store.layout import code_name
from cachepy.store.meta import meta_of, rows_of


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(canaries, "FILE", tmp_path / "input")
    canaries.FILE.write_text("1")
    RAN.clear()
    return tmp_path / "cache"


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
    from cachepy.store.entries import Store

    store = Store(str(tmp_path / "cache"))
    inside = os.path.join(store.root, "entries", "")
    for path in (store.path_of(call), store.claim_path(call), store.valid_path(call)):
        assert os.path.normpath(path).startswith(inside), path
        assert "\0" not in path
    assert store.look(call) is None
    store.forget(call)


def test_forgetting_a_hostile_id_deletes_nothing_outside(tmp_path):
    from cachepy.store.entries import Store

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
    from cachepy.store.entries import Store

    store = Store(str(tmp_path / "cache"))
    (tmp_path / "secret").write_bytes(safe_pickle.dumps([]))
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
    from cachepy.store.files import StatMemo

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
    from cachepy.store.files import StatMemo

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
