"""An entry is written into the file of its claim: whatever goes wrong between the two, entries are whole or not there.

Where a step has to go wrong at one moment, the step is replaced in this process; deaths happen in children of programs
of their own.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
import time
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from prelude import HEARING

import cachepy
from cachepy import CheapCallWarning, cache_file, cache_list, cache_prune, cache_repair, cache_verify
from cachepy.code.recorded_sources import Written
from cachepy.session import Session, current_session, use_session
from cachepy.store import claims, entryfile
from cachepy.store import owner as owners
from cachepy.store.entryfile import EntryFile
from tests.programs import Project

LARGE = 400_000  # bytes: a mapped value


@pytest.fixture
def project(tmp_path):
    with Project(tmp_path, HEARING) as made:
        yield made


class Trial:
    """A cache directory, and a function whose body does what a test wants."""

    def __init__(self, root: Path, **options) -> None:
        self.root = root
        self.ran: list[int] = []
        self.during = lambda: None
        trial = self

        @cache_file(root, ignore_globals=["trial"], warn_cheap=False, **options)
        def call(size):
            trial.ran.append(size)
            trial.during()
            return bytearray(b"x" * size)

        self.call = call

    def files(self, suffix: str) -> list[Path]:
        return sorted(self.root.glob(f"entries/*/*{suffix}"))

    def left(self) -> list[str]:
        return [p.name for p in self.root.rglob("*") if p.name.endswith((".claim", ".tmp", ".break"))]

    def claim(self) -> Path:
        (found,) = self.files(".claim")
        return found

    def entry(self) -> Path:
        (found,) = self.files(".entry")
        return found

    def is_good(self, size: int, *, is_recorded: bool = True) -> None:
        """The call is stored, whole and alone, and a process that knows nothing is served; and it is in the graph."""
        assert self.left() == []
        with use_session(Session()):
            checked = cache_verify(self.root)
            assert checked.problems == () and checked.is_good, str(checked)
            del self.ran[:]
            self.during = lambda: None
            assert self.call(size) == bytearray(b"x" * size) and self.ran == []
            assert len(cache_list(self.root)) == 1
        with use_session(Session()):
            cachepy.cache_tree_sync(self.root)
            assert len(cachepy.cache_tree_nodes()) == 1 or not is_recorded


@pytest.fixture
def trial(tmp_path):
    with use_session(Session()):
        yield Trial(tmp_path / "cache")


@pytest.fixture(params=[10, LARGE], ids=["small", "large"])
def size(request):
    return request.param


def open_files() -> set[str]:
    return {link for fd in os.listdir("/proc/self/fd") if (link := _link(fd)) is not None and "/cache/entries" in link}


def _link(fd: str) -> str | None:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return None


@contextmanager
def heard():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", CheapCallWarning)  # goes by the clock
        yield caught


def test_one_file_is_made(trial, size, monkeypatch):
    """The way that is meant: the entry is the claim's file, and nothing else was made for it."""
    seen, link = [], os.link
    monkeypatch.setattr(os, "link", lambda a, b: (link(a, b), seen.append((Path(a).stat(), Path(b).stat()))))
    trial.call(size)
    ((one, other),) = seen
    assert os.path.samestat(one, other)
    owner = owners.owner_in(trial.entry().read_bytes()[:4096])
    assert owner is not None and owner[:2] == (owners.host_id(), os.getpid())
    assert trial.entry().stat().st_nlink == 1
    trial.is_good(size)
    assert open_files() == set()


def test_nobody_sees_it_before_it_is_whole(trial, size, monkeypatch):
    write, seen = os.write, []

    def slow(fd, data):
        if os.readlink(f"/proc/self/fd/{fd}").endswith("stat.memo"):  # a row that is cut in two is passed over
            return write(fd, data)
        with use_session(Session()):
            seen.append((trial.files(".entry"), cache_list(trial.root), trial.call.is_cached(size)))
        return write(fd, bytes(data)[: max(1, len(data) // 2)])

    trial.during = lambda: monkeypatch.setattr(os, "write", slow)
    trial.call(size)
    monkeypatch.undo()
    is_there = [bool(entries) for entries, _, _ in seen]
    assert len(seen) > 3 and is_there == sorted(is_there)
    assert all(bool(entries) == bool(rows) == cached for entries, rows, cached in seen)
    trial.is_good(size)


# ---- somebody else has the claim by then


def elsewhere(path: Path) -> bytes:
    """The claim of another host, in place of ours."""
    text = b"elsewhere\n1\n1\ntoken"
    block = entryfile.START.pack(entryfile.MAGIC, len(text)) + text
    path.unlink()
    path.write_bytes(block)
    return block


@pytest.mark.parametrize("age", [0, claims.LEASE], ids=["young", "old"])
def test_taken_over_by_another_host(trial, size, age):
    def taken_over():
        current_session().claims._held[str(trial.claim())].since -= age
        elsewhere(trial.claim())

    trial.during = taken_over
    assert len(trial.call(size)) == size
    assert owners.owner_in(trial.entry().read_bytes()[:4096]) is None  # no entry of the other's file
    EntryFile(str(trial.entry())).check()
    if age:
        assert trial.claim().read_bytes().startswith(entryfile.MAGIC)  # the other's claim stays
        trial.claim().unlink()
    trial.is_good(size)


@pytest.mark.parametrize("age", [0, claims.LEASE], ids=["young", "old"])
@pytest.mark.parametrize("what", ["claim", "folder", "cache"])
def test_the_claim_is_gone(trial, size, what, age):
    def gone():
        current_session().claims._held[str(trial.claim())].since -= age
        path = {"claim": trial.claim(), "folder": trial.claim().parent, "cache": trial.root}[what]
        path.unlink() if what == "claim" else shutil.rmtree(path)

    trial.during = gone
    assert len(trial.call(size)) == size
    trial.is_good(size)


def test_somebody_stored_it_meanwhile(trial, size):
    """One whose claim was taken over, and who did not notice."""
    trial.call(size)
    path, data = trial.entry(), trial.entry().read_bytes()
    trial.call.clear(size)
    trial.during = lambda: path.write_bytes(data)
    trial.call(size)
    assert trial.ran == [size, size]
    assert open_files() == set()
    trial.is_good(size)


def test_a_damaged_entry_is_in_the_way(trial, size):
    trial.call(size)
    os.truncate(trial.entry(), 100)
    with use_session(Session()), pytest.warns(cachepy.CacheReadWarning, match="is cut off"):
        trial.call(size)
    trial.is_good(size)


# ---- the file system refuses


@pytest.mark.parametrize("error", ["EPERM", "EACCES", "ENOTSUP", "EMLINK", "EXDEV", "ENOSYS", "EINVAL"])
def test_no_links_here(trial, size, monkeypatch, error):
    asked = []

    def refuse(*_):
        asked.append(1)
        raise OSError(getattr(errno, error), "no links")

    monkeypatch.setattr(os, "link", refuse)
    for _ in range(3):
        trial.call(size)
        trial.call.clear(size)
    assert len(asked) == 1  # not again in this process
    trial.call(size)
    assert open_files() == set()
    trial.is_good(size)


def test_a_system_that_knows_no_links(trial, size, monkeypatch):
    monkeypatch.delattr(os, "link")
    for _ in range(3):
        trial.call(size)
        trial.call.clear(size)
    trial.call(size)
    trial.call(size, _force=True)
    assert open_files() == set()
    trial.is_good(size)


@pytest.mark.parametrize("moment", ["write", "second write", "short write", "close", "link"])
def test_the_disk_is_full(trial, size, monkeypatch, moment):
    """As it was before; and the call is stored when there is room again."""
    name, real, count = moment.rpartition(" ")[2], getattr(os, moment.rpartition(" ")[2]), [0]
    inode = []

    def full(first, *more):
        if name != "link" and (not inode or os.fstat(first).st_ino != inode[0]):
            return real(first, *more)
        count[0] += 1
        if moment == "second write" and count[0] == 1:
            return real(first, bytes(more[0])[:30])
        if moment == "short write" and count[0] == 1:
            return real(first, bytes(more[0])[:5])
        if name == "close":
            real(first)
        raise OSError(errno.ENOSPC, "No space left on device")

    def during():
        inode.append(trial.claim().stat().st_ino)
        monkeypatch.setattr(os, name, full)

    trial.during = during
    with heard() as caught:
        assert len(trial.call(size)) == size
    monkeypatch.undo()
    assert [w.category.__name__ for w in caught] == ["CacheWriteWarning"] and count[0]
    assert trial.left() == [] and trial.files(".entry") == [] and open_files() == set()
    trial.during = lambda: None
    trial.call(size)
    trial.is_good(size)


# ---- forks, descriptors, interrupts


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_goes_on_in_the_body(project):
    """Both return; at no moment there is a torn entry."""
    project.main("""
        from cachepy import cache_verify
        from cachepy.store import entries as store
        ME = os.getpid()

        @cache_file(ROOT, warn_cheap=False)
        def forks(size):
            pid = os.fork()
            if pid:
                os.waitpid(pid, 0)
            return bytes(size)

        real, bad = os.write, []

        def write(fd, data):
            if os.getpid() == ME:
                bad.extend(cache_verify(ROOT).problems)
            return real(fd, data)

        os.write = write
        for size in (10, 100_000, 1_000_000):
            assert forks(size) == bytes(size)
            if os.getpid() != ME:
                os._exit(0)
        assert not bad, bad
        assert left() == [] and cache_verify(ROOT).is_good
        ran = []
        for size in (10, 100_000, 1_000_000):
            with use_session(Session()):
                assert forks.is_cached(size)
    """).silent()


def test_deep_calls_and_few_descriptors(project):
    project.main("""
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
        sys.setrecursionlimit(100_000)

        @cache_file(ROOT, warn_cheap=False)
        def deep(n):
            return 0 if n == 0 else 1 + deep(n - 1)

        def go():
            for _ in range(2):
                assert deep(700) == 700
            assert len(entries()) == 701 and left() == [] and not heard, heard
            assert len(os.listdir("/proc/self/fd")) < 20

        threading.stack_size(512 << 20)
        thread = threading.Thread(target=go)
        thread.start()
        thread.join()
        assert len(entries()) == 701
    """).silent()


OPEN, CLOSE = os.open, os.close
STEPS = ("open", "write", "close", "link", "unlink", "rename", "replace", "fstat", "stat")


class Stepping:
    """A function of the system, and an interrupt before or after one of these steps.

    Other threads, as that of the heartbeat, get no interrupts.
    """

    left = 0

    def __init__(self, real, when) -> None:
        self.real = real
        self.when = when

    def __call__(self, *args, **kwargs):
        if threading.current_thread() is not threading.main_thread():
            return self.real(*args, **kwargs)
        is_now = Stepping.left == 1
        Stepping.left -= Stepping.left > 0
        if is_now and self.when == "before" and self.real is not CLOSE:
            raise KeyboardInterrupt
        value = None
        try:
            value = self.real(*args, **kwargs)
        finally:
            if is_now:
                if value is not None and self.real is OPEN:
                    CLOSE(value)  # it is lost in the interpreter
                raise KeyboardInterrupt
        return value


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupt_at_each_step(tmp_path, monkeypatch, when):
    """The claim is given back, no descriptor stays, and the call goes well when it is made again."""
    # each module that is loaded is looked at once: here hundreds of tests, by as many steps of one kind
    monkeypatch.setattr(Written, "_loaded_here", lambda self: {})
    number, interrupted = 0, True
    while interrupted:
        number += 1
        trial = Trial(tmp_path / f"{number}" / "cache")
        with use_session(Session()), monkeypatch.context() as patch:
            trial.call.is_cached(0)
            for name in STEPS:
                patch.setattr(os, name, Stepping(getattr(os, name), when))
            Stepping.left = number
            with suppress(KeyboardInterrupt):
                trial.call(10)
            interrupted, Stepping.left = Stepping.left == 0, 0
            patch.undo()
            assert trial.left() == [], number
            assert not [path for path in open_files() if path.startswith(str(trial.root))], number
            assert len(trial.call(10)) == 10
        trial.is_good(10, is_recorded=True)
    assert number > 15


# ---- others look after the cache at the worst moment


def care_of(root: Path) -> dict[str, object]:
    """Everything that looks at, or cleans up, a cache directory."""
    return {
        "verify": lambda: cache_verify(root),
        "repair": lambda: cache_repair(root),
        "dry repair": lambda: cache_repair(root, dry_run=True),
        "prune by age": lambda: cache_prune(root),
        "prune all": lambda: cache_prune(root, days_old=0),
        "list": lambda: cache_list(root),
        "touch": lambda: [claims._touch(c) for c in list(current_session().claims._held.values())],
    }


@pytest.mark.parametrize("moment", ["in the body", "once it is linked", "once it is recorded"])
@pytest.mark.parametrize("what", care_of(Path()))
def test_care_beside_a_running_call(trial, size, monkeypatch, what, moment):
    mine, link, unlink, done = current_session(), os.link, os.unlink, []

    def care():
        if not done:
            done.append(1)
            with use_session(mine if what == "touch" else Session()):
                care_of(trial.root)[what]()

    def linked(a, b):
        link(a, b)
        care() if moment == "once it is linked" else None

    def unlinked(path):
        if str(path).endswith(".claim") and moment == "once it is recorded":
            care()
        unlink(path)

    monkeypatch.setattr(os, "link", linked)
    monkeypatch.setattr(os, "unlink", unlinked)
    if moment == "in the body":
        trial.during = care
    with heard() as caught:
        trial.call(size)
    monkeypatch.undo()
    assert done and not caught, [str(w.message) for w in caught]
    trial.is_good(size)


def test_a_touched_entry_is_served_all_the_same(trial, size):
    """The heartbeat may touch the file when it is the entry already: for readers it is another state of the same."""
    trial.call(size)
    reader = Session()
    with use_session(reader):
        for _ in range(5):
            assert len(trial.call(size)) == size
            time.sleep(0.02)
            os.utime(trial.entry())
    assert trial.ran == [size]


# ---- what a dead owner left


DIES = """
    from cachepy.store import entries as store
    MOMENT = sys.argv[1]

    @cache_file(ROOT, warn_cheap=False)
    def call(size):
        return b"x" * size

    def dying(real, name):
        def step(*args):
            is_it = name != "unlink" or str(args[0]).endswith(".claim")
            if MOMENT == f"before {name}" and is_it:
                os.kill(os.getpid(), 9)
            value = real(*args)
            if MOMENT == f"after {name}" and is_it:
                os.kill(os.getpid(), 9)
            return value
        return step

    for size in (10, 400_000):
        if os.fork() == 0:
            os.link, os.unlink = dying(os.link, "link"), dying(os.unlink, "unlink")
            call(size)
            os._exit(0)
        os.wait()
    claims = [n for n in left() if n.endswith(".claim")]
    print(len(claims), len(entries()))
    began = time.monotonic()
    ran = []
    for size in (10, 400_000):
        with use_session(Session()):
            is_stored = call.is_cached(size)
            assert call(size) == b"x" * size
            print(is_stored)
    assert time.monotonic() - began < 2, "a dead owner of this host is noticed at once"
    assert left() == [] and not heard, (left(), heard)
    assert cachepy.cache_verify(ROOT).is_good
    with use_session(Session()):
        cache_tree_sync(ROOT)
        print(len(cache_tree_nodes()))
"""


@pytest.mark.parametrize(
    ("moment", "claims_left", "stored"),
    [("before link", 2, False), ("after link", 2, True), ("before unlink", 2, True), ("after unlink", 0, True)],
)
def test_death_around_the_link(project, moment, claims_left, stored):
    out = project.main(DIES, moment).silent().split()
    assert out == [str(claims_left), str(2 * stored), str(stored), str(stored), "2"]


def left_behind(trial: Trial, size: int, text: str) -> Path:
    """A claim with its whole entry behind it, which did not get the name of the entry."""
    trial.call(size)
    entry = trial.entry()
    data = entry.read_bytes()
    owner = owners.owner_in(data[:4096])
    was = "\n".join((owner[0], str(owner[1]), owner[2], owner[3])).encode()
    assert len(was) == entryfile.START.unpack_from(data)[1]
    now = text.format(*owner).encode()
    claim = entry.with_suffix(".claim")
    claim.write_bytes(entryfile.START.pack(entryfile.MAGIC, len(now)) + now + data[entryfile.START.size + len(was) :])
    entry.unlink()
    del trial.ran[:]
    return claim


def test_a_whole_claim_of_a_dead_process(trial, size):
    left_behind(trial, size, "{0}\n{1}\nanother start\n{3}")
    with use_session(Session()):
        assert len(trial.call(size)) == size
    assert trial.ran == [size]
    trial.is_good(size)


@pytest.mark.parametrize("clean", [cache_verify, cache_repair, cache_prune, cache_list])
def test_a_whole_claim_is_no_entry_for_anybody(trial, size, clean):
    claim = left_behind(trial, size, "elsewhere\n1\n1\ntoken")
    with use_session(Session()):
        clean(trial.root)
        assert claim.exists() and cache_list(trial.root) == []
        assert not trial.call.is_cached(size)
    os.unlink(claim)
    trial.call(size)
    trial.is_good(size)


def test_a_claim_that_is_entry_and_claim_at_once(trial, size):
    """Its owner died, or gave it back and could not remove it: it is a hit, nobody waits, and the entry outlives it."""
    trial.call(size)
    os.link(trial.entry(), trial.entry().with_suffix(".claim"))
    del trial.ran[:]
    with use_session(Session()):
        began = time.monotonic()
        assert len(trial.call(size)) == size and trial.ran == []
        assert time.monotonic() - began < 1
        cache_repair(trial.root)
        assert trial.entry().exists()
    assert not trial.entry().with_suffix(".claim").exists()
    trial.is_good(size)


# ---- who may read it


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o007, 0o000])
@pytest.mark.parametrize("shared", [None, "007", "022"])
def test_the_mode_of_an_entry(tmp_path, mask, shared):
    """The same as that of an entry that was written beside its place."""
    before = os.umask(mask)
    try:
        with use_session(Session()):
            trial = Trial(tmp_path / "cache", **({} if shared is None else {"umask": shared}))
            trial.call(10)
            first = trial.entry().stat()
            trial.call(10, _force=True)
            second = trial.entry().stat()
    finally:
        os.umask(before)
    assert first.st_ino != second.st_ino
    assert oct(first.st_mode) == oct(second.st_mode) and first.st_gid == second.st_gid
    want = 0o644 & ~mask if shared is None else 0o644 & ~int(shared, 8)
    assert oct(stat.S_IMODE(first.st_mode)) == oct(want)
    assert not first.st_mode & 0o022  # nobody else may write what speaks for its owner


def test_a_signed_entry_behind_a_claim(tmp_path, size):
    with use_session(Session()):
        trial = Trial(tmp_path / "cache", signing_key="0123456789abcdef" * 2)
        trial.call(size)
        path = trial.entry()
        assert EntryFile(str(path)).is_signed
        data = bytearray(path.read_bytes())
        data[entryfile.START.size] ^= 1  # in the owner
        path.unlink()
        path.write_bytes(data)
        with suppress(UserWarning), pytest.warns(cachepy.CacheReadWarning):
            trial.call(size)
    assert trial.ran == [size, size]
