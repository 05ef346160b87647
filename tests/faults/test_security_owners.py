"""Whose pickles are loaded: entries of strangers, modes, and two users of one directory."""

from __future__ import annotations

import os
import pickle
import stat
import tempfile
import textwrap
import warnings
from pathlib import Path

import canaries
import pytest
from canaries import (
    KEY,
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
from cachepy import Session, cache_file, cache_repair, cache_verify, use_session
from cachepy.store import safe_pickle
from cachepy.store.entryfile import EntryFile
from cachepy.store.meta import rows_of
from cachepy.store.trust import SEAL
from tests.programs import Project

ROOT = Path(cachepy.__file__).parents[1]
as_root = pytest.mark.root  # to give files to others one has to be root


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
    canaries.FILE.write_text("2")
    asked(cache, "leaf")
    old = the(cache, "leaf-*.old")
    rewritten(old, value=bomb(mark))
    os.chown(old, STRANGER, STRANGER)
    canaries.FILE.write_text("1")
    value, ran, warned = asked(cache, "leaf")
    assert (value, ran, len(warned)) == (1, ["leaf"], 1)
    assert not mark.exists()


@as_root
def test_a_strangers_entry_of_a_call_below_vouches_for_nothing(cache, mark):
    asked(cache, "top")
    canaries.FILE.write_text("0")
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
    from cachepy.store.files import StatMemo, identity_of

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
    import cachepy.store.entries

    asked(cache, "leaf")
    path = the(cache, "leaf-*.entry")

    def swapped(source, aside):
        rewritten(path, value=bomb(mark))
        os.chown(path, STRANGER, STRANGER)
        raise OSError(1, "no links here")

    canaries.FILE.write_text("2")
    monkeypatch.setattr(cachepy.store.entries.os, "link", swapped)
    asked(cache, "leaf")
    monkeypatch.undo()
    monkeypatch.setattr(canaries, "FILE", cache.parent / "input")
    canaries.FILE.write_text("1")
    assert asked(cache, "leaf")[:2] == (1, ["leaf"])
    assert not mark.exists()


@as_root
def test_repair_does_not_make_a_strangers_value_ours(cache, mark):
    """An entry that lists a lost older value is written anew: not one of a stranger."""
    asked(cache, "leaf")
    canaries.FILE.write_text("2")
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
    canaries.FILE.write_text("2")
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
        rewritten(the(cache, "leaf-*.entry"), call=safe_pickle.dumps((False, pickle.dumps(((Canary(mark),), {})))))
        cache_verify(cache, rerun=5)
    assert not mark.exists()


# ---- modes


@pytest.fixture(params=[0o000, 0o022], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


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
        with Project(Path(folder)) as project:
            project.run(program, limit=limit)


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
            from cachepy.store.claims import Claims
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
            from cachepy.store.claims import Claims
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
