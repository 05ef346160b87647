"""Files at addresses: `far_files`, `far_reads`, `web_pages`, and what becomes of what cannot be asked for."""

from __future__ import annotations

import itertools
import os
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pandas as pd
import pytest
from upath import UPath

import cachepy
from cachepy import ChangedInputWarning, UnseenInputWarning, cache_file, cache_tree_nodes, cache_tree_stale, track_file
from cachepy.calls.far_reads import address_of
from cachepy.core.kind import UNASKED, is_address
from cachepy.store import far_files
from cachepy.store.far_files import FarFiles, scheme_of, version_in
from tests.observed import again, folder, ran, runs

__all__ = ["folder"]
pytestmark = pytest.mark.usefixtures("folder")
_number = itertools.count()
memory = fsspec.filesystem("memory")


@pytest.fixture
def bucket():
    """The beginning of addresses where nothing is."""
    return f"memory://bucket{next(_number)}"


def put(address, data):
    memory.pipe_file(address, data if isinstance(data, bytes) else data.encode())


def text_at(address):
    with fsspec.open(address, "rt") as file:
        return file.read()


# ---------------------------------------------------------------- what is an address


@pytest.mark.parametrize("text", ["s3://b/k", "gs://b", "https://h/x?y=1", "simplecache::s3://b/k", "memory://x", "git+ssh://h/x"])
def test_an_address_is_one(text):
    assert is_address(text)


@pytest.mark.parametrize("text", ["/a://b", "a/b", "c:\\x", "", "://x", "a b://c", "C://x", "~a://b", "./a://b", "x:/y", "no scheme://x"])
def test_a_path_or_a_text_is_none(text):
    assert not is_address(text)


def test_the_last_of_a_chain_is_where_the_file_is():
    assert scheme_of("simplecache::s3://b/k") == "s3"
    assert scheme_of("s3://b/k::x") == "s3"
    assert scheme_of("HTTPS://h/x") == "https"


@pytest.mark.parametrize(
    ("info", "told"),
    [
        ({"ETag": '"a-2"', "size": 3}, 'ETag "a-2"'),
        ({"generation": "12", "etag": "x"}, "generation 12"),
        ({"VersionId": None, "ETag": "e"}, "ETag e"),
        ({"VersionId": "null", "size": 1}, None),
        ({"checksum": 12, "ukey": "u", "mtime": 5, "LastModified": 5}, None),
    ],
)
def test_only_what_differs_for_each_content_is_a_version(info, told):
    assert version_in(info) == told


# ---------------------------------------------------------------- named by arguments


def reads(address):
    ran()
    return text_at(address)


WAYS = {
    "a text": lambda address: (reads, (address,), {}),
    "in a list": lambda address: (lambda several: (ran(), list(map(text_at, several))), ([address, address],), {}),
    "in a dict": lambda address: (lambda named: (ran(), text_at(named["x"])), ({"x": address},), {}),
    "a UPath": lambda address: (lambda path: (ran(), path.read_text()), (UPath(address),), {}),
    "in a list of UPaths": lambda address: (lambda paths: (ran(), paths[0].read_text()), ([UPath(address)],), {}),
    "a chain": lambda address: (lambda a: (ran(), text_at(a)), (f"simplecache::{address}",), {}),
    "file_args": lambda address: (lambda path: (ran(), 1), (address,), {"file_args": ["path"]}),
    "unread": lambda address: (lambda path: (ran(), 1), (address,), {}),
    "unobserved": lambda address: (reads, (address,), {"observe": False}),
    "depends_on_files": lambda address: (lambda: (ran(), 1), (), {"depends_on_files": [address]}),
    "its folder": lambda address: (lambda path: (ran(), 1), (address.rpartition("/")[0],), {}),
    "a pattern": lambda address: (lambda path: (ran(), 1), (address[:-1] + "*",), {}),
    "track_file": lambda address: (lambda: (ran(), str(track_file("".join([address[:5], address[5:]])))), (), {}),
    "fsspec.open": lambda address: (lambda: (ran(), text_at("".join([address[:5], address[5:]]))), (), {}),
    "fs.cat": lambda address: (lambda: (ran(), memory.cat("".join([address[:5], address[5:]]))), (), {}),
    "a UPath inside": lambda address: (lambda: (ran(), UPath(f"{address[:5]}{address[5:]}").read_bytes()), (), {}),
    "pandas": lambda address: (lambda: (ran(), pd.read_csv(f"{address[:5]}{address[5:]}").columns[0]), (), {}),
    "exists": lambda address: (lambda: (ran(), memory.exists(f"{address[:5]}{address[5:]}")), (), {}),
    "a size": lambda address: (lambda: (ran(), memory.info(f"{address[:5]}{address[5:]}")["size"]), (), {}),
    "a glob inside": lambda address: (lambda: (ran(), memory.glob(f"{address[:5]}{address[5:-1]}*")), (), {}),
    "a copy": lambda address: (lambda: (ran(), memory.get(f"{address[:5]}{address[5:]}", "copy")), (), {}),
    "in a thread": lambda address: (lambda: (ran(), _in_a_thread(f"{address[:5]}{address[5:]}")), (), {}),
}


def _in_a_thread(address):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(text_at, address).result()


@pytest.mark.parametrize("way", WAYS)
def test_a_change_is_seen(way, bucket):
    address = f"{bucket}/x"
    fn, args, options = WAYS[way](address)
    put(address, "1")
    edit = (lambda: put(f"{bucket}/y", "2")) if way == "a glob inside" else (lambda: put(address, "22"))
    assert again(fn, edit, *args, ignore_globals=["address"], **options) == 1


@pytest.mark.parametrize("way", WAYS)
def test_the_same_again_is_no_change(way, bucket):
    address = f"{bucket}/x"
    fn, args, options = WAYS[way](address)
    put(address, "1")
    put(f"{bucket}/beside/z", "3")
    assert again(fn, lambda: put(address, "1"), *args, ignore_globals=["address"], **options) == 0


@pytest.mark.parametrize("way", ["a text", "file_args", "unread", "its folder", "a pattern", "track_file", "depends_on_files", "exists"])
def test_what_is_gone_or_comes_is_a_change(way, bucket):
    address = f"{bucket}/x"
    fn, args, options = WAYS[way](address)
    fn = fn if fn is not reads else (lambda path: (ran(), memory.exists(path)))
    put(address, "1")
    assert again(fn, lambda: memory.rm(address), *args, ignore_globals=["address"], **options) == 1
    assert again(fn, lambda: put(address, "1"), *args, ignore_globals=["address"], **options) == 1


def test_a_change_back_is_a_hit(bucket):
    address = f"{bucket}/x"
    cached = cache_file("cache", warn_cheap=False)(reads)
    for text, expected in (("1", 1), ("2", 2), ("1", 2)):
        put(address, text)
        assert cached(address) == text
        assert runs() == expected


def test_callers_the_graph_and_status_know_it(bucket):
    cached = cache_file("cache", warn_cheap=False)
    address = f"{bucket}/x"
    read = cached(lambda path: text_at(path))
    top = cached(lambda path: (ran(), read(path)) and read(path))
    put(address, "1")
    assert top(address) == "1"
    assert [node["files"] for node in cache_tree_nodes().values()] == [[address], [address]]
    assert cachepy.cache_tree_for_file(address)
    assert not cache_tree_stale()
    put(address, "2")
    assert str(top.explain(address)).startswith(f"stale: file {address} changed")
    assert {each["state"] for each in cache_tree_stale().values()} == {"stale"}
    assert next(iter(cachepy.cache_tree_changed_files().values()))["changed_files"] == [address]
    assert top(address) == "2"
    assert runs() == 2


def test_it_is_asked_for_once_in_a_verification(bucket, monkeypatch):
    address, asked, session = f"{bucket}/x", [], cachepy.current_session()
    cached = cache_file("cache", warn_cheap=False)
    leaf = cached(lambda path, n: (n, text_at(path)))
    top = cached(lambda path: [leaf(path, n) for n in range(5)])
    put(address, "1")
    top(address)
    plain = FarFiles.digest
    monkeypatch.setattr(FarFiles, "digest", lambda self, each: asked.append(each) or plain(self, each))
    top(address)
    assert asked == [address]
    assert session.files.far.requests


def test_a_path_or_a_text_asks_nobody(bucket):
    session = cachepy.current_session()
    cached = cache_file("cache", warn_cheap=False)(lambda path: (ran(), path))
    for each in ("x", "nothing://at/all", "s4://b/x", "a sentence with :// in it"):
        cached(each)
        cached(each)
    assert runs() == 4
    assert not session.files.far.requests


# ---------------------------------------------------------------- written


def writes(address, text="made"):
    ran()
    with fsspec.open(address, "wt") as file:
        file.write(text)
    return 1


def test_what_was_written_is_an_output_and_no_input(bucket):
    address = f"{bucket}/out"
    assert again(writes, lambda: None, address) == 0
    assert again(writes, lambda: put(address, "damaged"), address) == 1
    assert text_at(address) == "made"
    assert again(writes, lambda: memory.rm(address), address) == 1


def test_who_reads_what_a_call_wrote_depends_on_that_call(bucket, recwarn):
    cached, address = cache_file("cache", warn_cheap=False), f"{bucket}/out"
    write, read = cached(writes), cached(reads)

    @cached
    def top(text):
        write(address, text)
        return read(address)

    for text in ("1", "1", "2", "2"):
        assert top(text) == text
    assert [str(each.message) for each in recwarn] == []


def test_what_was_read_and_then_written_is_neither(bucket):
    address = f"{bucket}/count"

    def count():
        ran()
        with fsspec.open(f"{address[:5]}{address[5:]}", "rt") as file:
            number = int(file.read())
        with fsspec.open(f"{address[:5]}{address[5:]}", "wt") as file:
            file.write(str(number + 1))
        return 1

    put(address, "1")
    with pytest.warns(cachepy.RewrittenFileWarning, match="count"):
        assert again(count, lambda: None, ignore_globals=["address"]) == 0


def test_an_output_that_nobody_sees_is_declared(bucket):
    address = f"{bucket}/out"

    def body(path):
        ran()
        memory.store.pop("nothing", None)
        _past_fsspec(path)
        return 1

    with pytest.warns(ChangedInputWarning, match=r"say outputs=\['path'\]"):
        assert cache_file("other", warn_cheap=False)(body)(address) == 1
    Path("log").unlink()
    memory.rm(address)
    assert again(body, lambda: put(address, "damaged"), address, outputs=["path"]) == 1


def _past_fsspec(path):
    """As a library of its own does it."""
    with cachepy.calls.file_events.events.aside():
        put(path, "made")


def test_names_that_a_run_adds_itself_are_no_change(bucket):
    def body():
        ran()
        before = memory.ls(bucket)
        put(f"{bucket}/new", "1")
        return len(before)

    put(f"{bucket}/x", "1")
    assert again(body, lambda: None, ignore_globals=["bucket"]) == 0
    assert again(body, lambda: put(f"{bucket}/y", "1"), ignore_globals=["bucket"]) == 1


def test_what_a_run_looks_for_and_makes_is_its_own(bucket):
    def body():
        ran()
        if not memory.exists(f"{bucket}/made"):
            put(f"{bucket}/made", "1")
        return 1

    assert again(body, lambda: None, ignore_globals=["bucket"]) == 0
    assert again(body, lambda: memory.rm(f"{bucket}/made"), ignore_globals=["bucket"]) == 1


def test_names_that_others_add_meanwhile_are_a_change(bucket):
    def body():
        before = memory.ls(bucket)
        put(f"{bucket}/new", "1")
        _past_fsspec(f"{bucket}/of-others")
        return len(before)

    put(f"{bucket}/x", "1")
    cached = cache_file("cache", warn_cheap=False, ignore_globals=["bucket"])(body)
    with pytest.warns(ChangedInputWarning, match="changed while body ran"):
        cached()


def test_ignored_files_do_not_count(bucket):
    put(f"{bucket}/x.lock", "1")
    fn = lambda: (ran(), text_at(f"{bucket[:5]}{bucket[5:]}/x.lock"))
    assert again(fn, lambda: put(f"{bucket}/x.lock", "2"), ignore_files=["*.lock"], ignore_globals=["bucket"]) == 0


# ---------------------------------------------------------------- what cannot be asked for


class Failing:
    """In the place of a file system that cannot be reached."""

    def __init__(self, error):
        self.error = error

    def __call__(self, place):
        raise self.error


@pytest.fixture
def failing(monkeypatch):
    plain = FarFiles._digest

    def fail(error):
        monkeypatch.setattr(FarFiles, "_digest", (lambda self, place: Failing(error)(place)) if error else plain)

    return fail


def test_what_cannot_be_asked_for_is_not_stored(bucket, failing):
    address = f"{bucket}/x"
    put(address, "1")
    cached = cache_file("cache", warn_cheap=False)(reads)
    failing(PermissionError("403 Forbidden"))
    with pytest.warns(ChangedInputWarning, match=r"could not be asked for \(PermissionError: 403 Forbidden\).*file_args=\["):
        assert [cached(address) for _ in range(2)] == ["1", "1"]
    assert runs() == 2
    failing(None)
    assert [cached(address) for _ in range(2)] == ["1", "1"]
    assert runs() == 3


def test_what_cannot_be_asked_for_is_no_hit_and_unknown(bucket, failing):
    address = f"{bucket}/x"
    put(address, "1")
    cached = cache_file("cache", warn_cheap=False)(reads)
    cached(address)
    failing(PermissionError("403 Forbidden"))
    assert str(cached.explain(address)) == f"stale: file {address} could not be checked: PermissionError: 403 Forbidden"
    (found,) = cache_tree_stale().values()
    assert found["state"] == "unknown"
    with pytest.warns(ChangedInputWarning):
        cached(address)
    assert runs() == 2
    failing(None)
    assert cached(address) == "1"
    assert runs() == 2  # the stored one holds
    assert str(cached.explain(address)) == "fresh"


def test_no_answer_ends_and_is_not_waited_for_again(bucket, monkeypatch):
    monkeypatch.setenv("CACHEPY_REMOTE_TIMEOUT", "0.2")
    far, stop = FarFiles(), threading.Event()
    monkeypatch.setattr(far, "_digest", lambda place: stop.wait(20))
    began = time.monotonic()
    told = [far.digest(f"{bucket}/{n}") for n in range(5)]
    stop.set()
    assert all(each.startswith(f"{UNASKED}{bucket} gave no answer") for each in told)
    assert time.monotonic() - began < 2
    assert far.requests == 1


def test_one_that_is_refused_says_nothing_of_those_beside_it(bucket):
    far = FarFiles()
    put(f"{bucket}/x", "1")
    plain = far._digest

    def some(place):
        if place.endswith("closed"):
            raise PermissionError(place)
        return plain(place)

    far._digest = some
    assert far.digest(f"{bucket}/closed").startswith(UNASKED)
    assert len(far.digest(f"{bucket}/x")) == 32


def test_a_text_of_a_store_that_cannot_be_asked_at_all_is_a_text(folder, monkeypatch):
    monkeypatch.setattr(far_files, "_lacks", lambda scheme: "s3fs")
    cached = cache_file("cache", warn_cheap=False)(lambda path: (ran(), 1))
    with pytest.warns(UnseenInputWarning, match=r"'s3://b/k', and a change of that file goes unseen.*needs s3fs"):
        cached("s3://b/k")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cached("s3://b/k")
    assert runs() == 1


def test_secrets_in_an_address_are_asked_for_by_nobody(folder):
    cached = cache_file("cache", warn_cheap=False)(lambda url: (ran(), 1))
    url = "https://127.0.0.1:1/x?X-Amz-Signature=0123456789abcdef0123456789abcdef0123456789"
    with warnings.catch_warnings():
        warnings.simplefilter("error", ChangedInputWarning)
        cached(url)
        cached(url)
    assert runs() == 1


# ---------------------------------------------------------------- file systems around one another


def test_where_a_file_is_that_other_file_systems_stand_around():
    plain = fsspec.filesystem("memory")
    around = fsspec.filesystem("dir", path="/top", fs=plain)
    copies = fsspec.filesystem("simplecache", fs=plain)
    assert address_of(around, "x") == (plain, "memory://top/x")
    assert address_of(copies, "memory://top/x") == (plain, "memory://top/x")
    assert address_of(fsspec.filesystem("file"), "/x")[1] == "file:///x"


def test_a_forked_child_asks_by_a_file_system_of_its_own(bucket):
    far = FarFiles()
    put(f"{bucket}/x", "1")
    before = far.digest(f"{bucket}/x")
    made = far._made[bucket]
    far._made[bucket] = os.getpid() + 1, object()  # as it is after a fork
    assert far.digest(f"{bucket}/x") == before
    assert far._made[bucket][0] == made[0]


# ---------------------------------------------------------------- side by side


@pytest.fixture
def slow(monkeypatch):
    """Each answer takes a while; how many were asked for at once is noted."""
    plain, going, most = FarFiles._digest, [], [0]

    def wait(self, place):
        going.append(place)
        most[0] = max(most[0], len(going))
        time.sleep(0.1)
        going.remove(place)
        return plain(self, place)

    monkeypatch.setattr(FarFiles, "_digest", wait)
    return most


def test_the_addresses_of_one_call_are_asked_for_side_by_side(bucket, slow):
    addresses = [f"{bucket}/{n}" for n in range(6)]
    for each in addresses:
        put(each, "1")
    cached = cache_file("cache", warn_cheap=False)(lambda paths: (ran(), len(paths)))
    cached(addresses)
    assert slow[0] > 1
    slow[0] = 0
    cached(addresses)
    assert slow[0] > 1
    assert runs() == 1


def test_the_addresses_of_a_tree_are_asked_for_side_by_side(bucket, slow):
    cached = cache_file("cache", warn_cheap=False)
    leaf = cached(lambda path: (ran(), 1))
    middle = cached(lambda path: leaf(path))
    top = cached(lambda: [middle(f"{bucket}/{n}") for n in range(6)])
    top()
    slow[0] = 0
    with cachepy.use_session(cachepy.Session()):
        top()
    assert slow[0] > 1
    slow[0] = 0
    assert not cache_tree_stale()
    assert slow[0] > 1
    assert runs() == 6


# ---------------------------------------------------------------- by whose file system


class Keyed(type(memory)):
    """A store that needs a key, which only the body knows."""

    protocol = "memory"
    cachable = False

    def __init__(self, key=None, **options):
        super().__init__(key=key, **options)
        self.key = key

    def info(self, path, **options):
        if self.key != "right":
            raise PermissionError("403 Forbidden")
        return super().info(path, **options)


def test_what_only_the_body_can_reach_is_asked_for_as_the_body_does(bucket, monkeypatch):
    fsspec.register_implementation("memory", Keyed, clobber=True)
    monkeypatch.setitem(fsspec.registry.target, "memory", Keyed) if hasattr(fsspec.registry, "target") else None
    address = f"{bucket}/x"
    put(address, "1")

    def body(path):
        ran()
        with Keyed(key="right").open(path) as file:
            return file.read()

    try:
        assert again(body, lambda: put(address, "2"), address) == 1
        with cachepy.use_session(cachepy.Session()):  # as in the next program
            assert "could not be checked: PermissionError: 403" in str(cache_file("cache", warn_cheap=False)(body).explain(address))
    finally:
        fsspec.register_implementation("memory", type(memory), clobber=True)
