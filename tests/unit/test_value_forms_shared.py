"""A value in a file of its own that two runs share, and a disk that is full."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from cachepy import CacheWriteWarning, Session, cache_file, use_session
from cachepy.graph import eviction
from cachepy.store import value_formats
from cachepy.store.entries import Store
from tests.programs import Project


def test_an_accepted_run_shares_the_file_until_it_is_taken_back(tmp_path):
    with Project(tmp_path / "p") as project:
        text = """
from cachepy import cache_file

@cache_file("cache", format="json", warn_cheap=False)
def load(x):
    return {"a": x + 0}

if __name__ == "__main__":
    load(1)
"""
        project.write("prog.py", text)
        project.run("prog.py")
        project.write("prog.py", text.replace("+ 0", "- 0"))
        project.cachepy("accept", "--cache-dir", "cache", "--yes", code=0)
        project.cachepy("status", "--cache-dir", "cache", code=0)
        (path,) = (tmp_path / "p/cache/values").rglob("*.json")
        project.cachepy("accept", "--cache-dir", "cache", "--undo", "--yes", code=0)
        assert path.exists()
        project.cachepy("status", "--cache-dir", "cache", code=1)
        project.write("prog.py", text)
        project.cachepy("status", "--cache-dir", "cache", code=0)
        project.cachepy("prune", "--cache-dir", "cache", "--older-than", "0", "--yes", code=0)
        assert not path.exists()


def test_what_makes_room_leaves_a_file_that_another_run_needs(tmp_path):
    source, cache = tmp_path / "in.txt", tmp_path / "cache"
    load = cache_file(cache, format="json", warn_cheap=False)(lambda path: [len(Path(path).read_text())])
    with use_session(Session()):
        for text in ("a", "b", "cc"):
            source.write_text(text)
            load(str(source))
    items, _ = eviction._items(Store(str(cache)))
    assert all(eviction._seconds(item) is not None for item in items)
    found = {item.path: len(item.beside) for item in items}
    assert sorted(found.values()) == [0, 0, 1]  # those of "a" and "b" share one; "cc", the newest, has its own
    assert [number for path, number in found.items() if path.endswith(".entry")] == [1]


def test_a_full_disk_is_no_fault_of_the_form(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(value_formats.FORMS["text"], "write", full)
    load = cache_file(tmp_path / "cache", format="text", warn_cheap=False)(lambda x: "a")
    with use_session(Session()), pytest.warns(CacheWriteWarning) as caught:
        assert load(1) == "a"
    assert ["No space left" in str(each.message) and "form" not in str(each.message) for each in caught] == [True]
    assert not list((tmp_path / "cache").rglob("*.txt"))
