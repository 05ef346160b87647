"""A hot hit serves only what the long way would serve: files and other things outside are changed behind its back."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hot_module import FILES, HotModule, check

import cachepy
from cachepy.core.verify import Verifier
from cachepy.session import Session, use_session
from cachepy.store import files

pytestmark = pytest.mark.filterwarnings("ignore:.*caching makes it slower")


@pytest.fixture
def world(tmp_path, monkeypatch):
    verified, holds = [], Verifier.holds

    def noted(self, trace):
        verified.append(self.own)
        return holds(self, trace)

    monkeypatch.setattr(Verifier, "holds", noted)
    monkeypatch.setattr(files, "YOUNG", 0)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    made = HotModule(tmp_path, verified)
    with use_session(Session()):
        yield made
    sys.modules.pop(made.name, None)


def _in_place(name, text, *, keep_time=True):
    """Other content of the same size and with the old time."""

    def change(w):
        path = w.folder / name
        before = path.stat()
        w.write(name, text)
        if keep_time:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return change


def _replace(name, text):
    def change(w):
        before = (w.folder / name).stat()
        w.write(name + ".new", text)
        os.utime(w.folder / (name + ".new"), ns=(before.st_atime_ns, before.st_mtime_ns))
        os.replace(w.folder / (name + ".new"), w.folder / name)

    return change


OF_FILES = {
    "touched": (lambda w: os.utime(w.folder / "a.txt"), "hit"),
    "written with the same": (lambda w: w.write("a.txt", "1"), "hit"),
    "written with another": (lambda w: w.write("a.txt", "22"), "run"),
    "the same size and time": (_in_place("a.txt", "2"), "run"),
    "replaced, same size and time": (_replace("a.txt", "2"), "run"),
    "replaced by an equal one": (_replace("a.txt", "1"), "hit"),
    "to another mode": (lambda w: os.chmod(w.folder / "a.txt", 0o600), "hit"),
    "a link to an equal one": (
        lambda w: (os.rename(w.folder / "a.txt", w.folder / "b.txt"), os.symlink("b.txt", w.folder / "a.txt")), "hit",
    ),
    "a link to another": (
        lambda w: (w.write("b.txt", "3"), os.unlink(w.folder / "a.txt"), os.symlink("b.txt", w.folder / "a.txt")), "run",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", [str, Path], ids=["str", "Path"])
@pytest.mark.parametrize("name", OF_FILES)
def test_a_file_that_an_argument_names(world, name, kind):
    change, expected = OF_FILES[name]
    path = kind(world.write("a.txt", "1"))
    check(world, world.define(FILES).reads, change, expected, path)


def test_a_file_that_is_gone_and_comes_back(world):
    m = world.define(FILES)
    path = world.write("a.txt", "1")
    world.warm(m.exists, path)
    os.unlink(path)
    assert m.exists(path) is False and m.RAN == ["exists"]
    world.warm(m.exists, path)  # hot by the name that must not exist
    world.write("a.txt", "1")
    assert m.exists(path) is True and m.RAN == []  # the older run holds again
    world.write("a.txt", "2")
    assert m.exists(path) is True and m.RAN == ["exists"]


@pytest.mark.parametrize("kind", ["file", "directory", "link", "dangling link"])
def test_a_name_that_appears(world, kind):
    m = world.define(FILES)
    target = str(world.folder / "new.txt")
    world.warm(m.exists, target)
    if kind == "directory":
        os.mkdir(target)
    elif kind == "file":
        world.write("new.txt")
    else:
        os.symlink(world.write("there.txt") if kind == "link" else "nowhere", target)
    is_there = kind != "dangling link"
    assert [m.exists(target) for _ in range(4)] == [is_there] * 4
    assert ["exists"] * is_there == m.RAN


def test_other_things_outside(world, monkeypatch):
    m = world.define(FILES)
    monkeypatch.setenv("HOT_TEST", "1")
    world.write("t.txt"), world.write("declared.txt")
    for fn, change in [
        (m.tracks, lambda w: w.write("t.txt", "2")),
        (m.declares, lambda w: w.write("declared.txt", "2")),
        (m.env, lambda w: monkeypatch.setenv("HOT_TEST", "2")),
        (m.env, lambda w: monkeypatch.delenv("HOT_TEST")),
        (m.env, lambda w: monkeypatch.setenv("HOT_TEST", "")),
        (m.var, lambda w: setattr(m, "VAR", 2)),
    ]:
        check(world, fn, change, "run", 1)


def test_what_cannot_be_hot_is_right(world):
    """Directories, and files that are tracked though they are not there."""
    m = world.define(FILES)
    os.mkdir("d")
    for _ in range(4):
        assert m.lists("d") == [] and m.tracks_nothing(1) is False
    world.write("d/x")
    world.write("n.txt")
    for _ in range(4):
        assert m.lists("d") == ["x"] and m.tracks_nothing(1) is True
    os.unlink("d/x"), os.unlink("n.txt")
    for _ in range(4):
        assert m.lists("d") == [] and m.tracks_nothing(1) is False


def test_a_tracked_file_that_appears_just_now(world, monkeypatch):
    """Between the verification and the look for what it rested on."""
    m = world.define(FILES)
    for _ in range(2):
        m.tracks_nothing(1)
    remember = sys.modules["cachepy.calls.fast"].remember

    def late(*args):
        Path("n.txt").write_text("1")
        return remember(*args)

    monkeypatch.setattr("cachepy.calls.slow.Slow.remember", staticmethod(late))
    m.tracks_nothing(1)
    monkeypatch.undo()
    os.chdir(world.folder)
    assert m.tracks_nothing(1) is True


def test_one_of_many_files(world):
    m = world.define(FILES)
    names = [world.write(f"{i}.txt", str(i)) for i in range(30)]
    check(world, m.all_of, lambda w: w.write("17.txt", "x"), "run", names)
    check(world, m.all_of, lambda w: w.write("0.txt", "x"), "run", names)


def test_the_working_directory(world):
    """Relative names mean the files that they lead to now."""
    m = world.define(FILES)
    os.mkdir("other")
    (
        world.write("a.txt", "1"),
        world.write("other/a.txt", "2"),
        world.write("t.txt", "1"),
        world.write("other/t.txt", "2"),
    )
    world.warm(m.reads, "a.txt"), world.warm(m.tracks, 1), world.warm(m.exists, "b.txt")
    world.write("other/b.txt")
    os.chdir("other")
    assert (m.reads("a.txt"), m.tracks(1), m.exists("b.txt")) == ("2", "2", True)
    os.chdir("..")
    assert (m.reads("a.txt"), m.tracks(1), m.exists("b.txt")) == ("1", "1", False)


@pytest.mark.parametrize("back", [False, True])
def test_changed_back(world, back):
    """Several runs are stored; the older one holds again."""
    m = world.define(FILES)
    path = world.write("a.txt", "1")
    world.warm(m.reads, path)
    world.write("a.txt", "2")
    world.warm(m.reads, path)
    world.write("a.txt", "1" if back else "3")
    for _ in range(5):
        assert m.reads(path) == ("1" if back else "3")
    assert ([] if back else ["reads"]) == m.RAN
    world.write("a.txt", "2")
    for _ in range(5):
        assert m.reads(path) == "2"


def test_changed_back_and_forth_by_the_environment(world, monkeypatch):
    """The graph shows the run that holds, also if it is hot."""
    m = world.define(FILES)
    shown = []
    for value in "121212":
        monkeypatch.setenv("HOT_TEST", value)
        for _ in range(4):
            assert m.env(1) == value
        (node,) = cachepy.cache_tree_nodes().values()
        shown.append(node["created"])
    assert shown == shown[:2] * 3 and m.RAN == ["env"] * 2
