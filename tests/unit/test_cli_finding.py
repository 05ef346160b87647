"""Which cache directory a command means."""

from __future__ import annotations

import pytest

from cachepy.cli.main import main
from cachepy.store.fs import OWN_TAG


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with a project in it."""
    monkeypatch.delenv("CACHEPY_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "project/a/b").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def asked(home, monkeypatch, capsys):
    """Ask in a folder of the home: exit code, what was said of the cache."""

    def called(folder, *args):
        monkeypatch.chdir(home / folder)
        with pytest.raises(SystemExit) as ended:
            main(args)
        return ended.value.code, capsys.readouterr().err

    return called


def cache(folder):
    folder.mkdir(parents=True)
    (folder / "CACHEDIR.TAG").write_bytes(OWN_TAG)
    return folder


FOUND = [  # caches, where one is asked, which is meant
    ([".cachepy"], "project", "../.cachepy"),
    (["project/.cachepy"], "project", ""),
    (["project/.cachepy"], "project/a/b", "../../.cachepy"),
    (["project/.cachepy", ".cachepy"], "project/a", "../.cachepy"),
    (["project/.cachepy", "project/a/.cachepy"], "project/a", ""),
    (["project/results"], "project", "results"),
    (["project/results"], "project/a/b", "../../results"),
    (["project/results", "project/.cachepy"], "project/a", "../.cachepy"),
    (["project/results"], "project/results", "."),
    (["results"], "", "results"),  # in this very folder
]


@pytest.mark.parametrize(("caches", "folder", "meant"), FOUND, ids=str)
def test_the_nearest_cache_upwards_is_meant(home, asked, caches, folder, meant):
    for name in caches:
        cache(home / name)
    assert asked(folder, "stats")[0] == 0
    said = asked(folder, "stats")[1]
    assert said.startswith(f"the cache is {meant}\n" if meant else "nothing is stored in ")


@pytest.mark.parametrize("name", ["results", "elsewhere/results"])
def test_what_lies_in_a_home_is_not_of_the_project(home, asked, name):
    cache(home / name)
    code, said = asked("project", "status")
    assert code == 2
    assert "there is no cache directory" in said and "and none in the folders above" in said


def test_what_everybody_shares_is_no_project(home, asked):
    cache(home / "project/results")
    (home / "project").chmod(0o1777)
    assert asked("project/a", "status")[0] == 2


def test_several_caches_are_named(home, asked):
    for i in range(9):
        cache(home / f"project/c{i}")
    code, said = asked("project/a", "status")
    assert code == 2
    assert "there are several caches: ../c0, ../c1," in said
    assert "c7, ..." in said
    assert "Choose one with --cache-dir ../c0, or set CACHEPY_DIR" in said
    assert asked("project/a", "status", "--cache-dir", "../c3")[0] == 1


def test_what_is_named_goes_before_what_is_found(home, asked, monkeypatch):
    for name in (".cachepy", "one", "two"):
        cache(home / name)
    monkeypatch.setenv("CACHEPY_DIR", str(home / "one"))
    assert f"nothing is stored in {home / 'one'}\n" == asked("", "stats")[1]
    assert f"nothing is stored in {home / 'two'}\n" == asked("", "stats", "--cache-dir", "two")[1]
    monkeypatch.setenv("CACHEPY_DIR", "no")
    assert asked("", "stats")[0] == 2


@pytest.mark.parametrize(
    "args",
    [("-C", "project/a", "stats"), ("-C", "project", "-C", "a", "-q", "stats"), ("stats", "-C", "project/a"),
     ("-C=project/a", "stats")],
)  # fmt: skip
def test_a_command_runs_as_if_started_elsewhere(home, asked, args):
    cache(home / "project/a/.cachepy")
    code, said = asked("", *args)
    assert code == (2 if "=" in args[0] else 0)
    assert "the cache is" not in said


def test_a_folder_that_is_not_there_is_named(asked):
    assert asked("", "-C", "nowhere", "status") == (2, "cachepy: error: -C nowhere: No such file or directory\n")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_has_the_name_of_a_cache_and_is_none_stops_the_search(home, asked, kind):
    cache(home / ".cachepy")
    path = home / "project/.cachepy"
    if kind == "file":
        path.write_text("x")
    else:
        path.mkdir()
        (path / "x").write_text("x")
    code, said = asked("project/a", "status")
    assert code == 2
    assert str(path) in said
