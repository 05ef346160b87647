"""What does not count, options, and what stands in the way of `open`: `file_watch`, `file_events`."""

from __future__ import annotations

import builtins
import gzip
import importlib.metadata
import io
import os
import pickle
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import cachepy
from cachepy import cache_file, cache_tree_nodes
from cachepy.calls import file_watch, library_files
from cachepy.calls.file_events import events
from cachepy.core.kinds import PATHS
from cachepy.values.stand_ins import Watched, original
from tests.observed import again, folder, ran, write

__all__ = ["folder"]
pytestmark = pytest.mark.usefixtures("folder")


def test_what_packages_and_the_system_have_does_not_count():
    def body():
        Path(os.__file__).read_text()
        Path(np.__file__).read_text()
        Path("/proc/self/status").read_text()
        return 1

    cached = cache_file("cache", warn_cheap=False)(body)
    cached()
    (node,) = cache_tree_nodes().values()
    assert node["files"] == []


def test_what_is_asked_of_packages_does_not_count():
    def body():
        return importlib.metadata.version("numpy"), len(importlib.metadata.entry_points(group="none"))

    sys.path.insert(0, os.getcwd())
    try:
        cache_file("cache", warn_cheap=False)(body)()
    finally:
        sys.path.remove(os.getcwd())
    (event,) = cachepy.current_session().graph.events()
    assert [dep for dep in event.trace.deps if dep.kind in PATHS] == []


def test_what_a_cluster_opens_for_its_own_ends_does_not_count(folder):
    distributed = pytest.importorskip("distributed.diskutils")

    def body():
        return distributed.WorkSpace("scratch").new_work_dir(prefix="worker-").dir_path[:0]

    cache_file("cache", warn_cheap=False)(body)()
    (event,) = cachepy.current_session().graph.events()
    assert [dep for dep in event.trace.deps if dep.kind in PATHS] == []


def test_the_cache_itself_does_not_count():
    inner = cache_file("cache", warn_cheap=False)(lambda x: x + 1)

    def body():
        ran()
        return inner(1), sorted(os.listdir(".")), sorted(map(str, Path().rglob("*.entry")))[:0]

    Path("log").touch()
    assert again(body, lambda: inner(2)) == 0


def test_options():
    write("in.txt", "1")
    write("my.status", "1")

    def body():
        ran()
        return Path("in.txt").read_text()

    def other():
        ran()
        return Path("my.status").read_text()

    assert again(body, lambda: write("in.txt", "2"), observe=False) == 0
    assert again(other, lambda: write("my.status", "2"), ignore_files=["*.status"]) == 0


def test_it_is_called_as_before_where_nobody_runs(folder):
    @cache_file("cache", warn_cheap=False)
    def body():
        return 1

    body()
    assert events.is_on
    assert pickle.loads(pickle.dumps(open)) is open
    assert pickle.loads(pickle.dumps(os.stat)) is os.stat
    assert repr(os.stat) == "<built-in function stat>"

    assert pickle.loads(pickle.dumps(original(open))) is open
    assert pickle.loads(pickle.dumps(original(os.stat)))(".")

    class Holder:
        lists = os.listdir

    write("data/a", "1")
    assert Holder().lists("data") == ["a"]
    with pytest.raises(FileNotFoundError):
        open("nothing")  # noqa: SIM115 - it is not there


@pytest.mark.parametrize("name", ["listdir", "stat", "scandir"])
def test_the_code_of_who_names_it_is_what_it_was(name, folder):
    scope = {}
    exec(f"from os import {name}\ndef body(x):\n    return {name} is not None, open is not None, os_name(x)\ndef os_name(x):\n    return x", scope)
    body = cache_file("cache", warn_cheap=False)(scope["body"])
    file_watch.stop()
    before = body.key(open), cachepy.current_session().reader.reach(body.__cachepy__.target).digest
    body(1)
    assert type(open) is not type(len)
    scope[name] = getattr(os, name)
    assert before == (body.key(open), cachepy.current_session().reader.reach(body.__cachepy__.target).digest)


def test_a_table_of_functions_counts_as_before(folder):
    openers = {".gz": gzip.open, "": original(open), "list": original(os.listdir)}
    file_watch.stop()
    before = cachepy.Session().digester.digest([openers, open])
    file_watch.start()
    assert cachepy.Session().digester.digest([openers, open]) == before


PLACES = [(builtins, "open"), (io, "open"), (os, "open"), (os, "stat"), (os, "listdir"), (os, "link"), (os, "system")]


@pytest.mark.parametrize(("module", "name"), PLACES, ids=lambda each: getattr(each, "__name__", each))
@pytest.mark.parametrize("how", ["stood", "was gone"])
def test_who_stood_there_when_the_watch_began_hides_nothing_later(module, name, how, folder, monkeypatch):
    file_watch.stop()
    plain = getattr(module, name)
    if (module, how) == (builtins, "was gone"):
        pytest.skip("nothing works without it")
    with monkeypatch.context() as patch:
        if how == "stood":
            patch.setattr(module, name, lambda *args, **kwargs: plain(*args, **kwargs))
        else:
            patch.delattr(module, name)
        file_watch.start()
        assert type(vars(module).get(name)) is not Watched
    file_watch.start()
    assert type(getattr(module, name)) is Watched
    file_watch.stop()
    assert getattr(module, name) is plain


def test_a_file_is_seen_after_a_mock_of_open_has_gone(folder, monkeypatch):
    def body():
        ran()
        with open(chr(100)) as file:  # no text of the code names it
            return file.read()

    file_watch.stop()
    write("d", "1")
    plain = builtins.open
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "open", lambda *args, **kwargs: plain(*args, **kwargs))
        cache_file("cache", warn_cheap=False)(lambda x: x + 1)(1)
    assert again(body, lambda: write("d", "22")) == 1


def test_bodies_that_begin_at_once_put_up_one_watch(folder):
    file_watch.stop()
    before, barrier = sys.getswitchinterval(), threading.Barrier(8)
    cached = cache_file("cache", warn_cheap=False)(lambda x: x + 1)

    def call(number):
        barrier.wait()
        cached(number)

    sys.setswitchinterval(1e-6)
    try:
        each = [threading.Thread(target=call, args=(number,)) for number in range(8)]
        for thread in each:
            thread.start()
        for thread in each:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert sum(isinstance(finder, library_files.Watch) for finder in sys.meta_path) == 1
