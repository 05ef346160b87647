"""What changes a cache refuses where the program says that nothing is to be written."""

from __future__ import annotations

import os

import pytest

from cachepy import Session, UsageValueError, cache_file, cache_prune, cache_repair, cache_tree_refresh, use_session

MAIN = """
from pathlib import Path
from cachepy import cache_file

@cache_file("cache", warn_cheap=False)
def size(path):
    return len(Path(path).read_text())

if __name__ == "__main__":
    print(size("a.txt"))
"""


@pytest.mark.parametrize("mode", ["off", "readonly", "required"])
@pytest.mark.parametrize("words", [("refresh", "--yes"), ("prune", "--older-than", "0", "--yes"), ("repair", "--yes")], ids=lambda w: w[0])
def test_commands_refuse(project, mode, words):
    project.write("a.txt", "abc")
    project.main(MAIN)
    project.write("a.txt", "abcd")
    (project / "cache" / "graph.pkl").unlink()
    before = {path: path.stat().st_mtime_ns for path in (project / "cache").rglob("*.entry")}
    done = project.cachepy(*words, "--cache-dir", "cache", CACHEPY=mode)
    assert done.returncode == 2 and f"CACHEPY={mode} lets nothing be written" in done.stderr
    assert "nothing was changed" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in (project / "cache").rglob("*.entry")} == before
    dry = [word for word in words if word != "--yes"] + ["--dry-run"]
    assert project.cachepy(*dry, "--cache-dir", "cache", CACHEPY=mode).returncode in (0, 1)


def test_functions_refuse(tmp_path):
    @cache_file(tmp_path / "c")
    def f(x):
        return x

    f(1)
    changes = [f.clear, lambda: f.clear(1), lambda: cache_prune(tmp_path / "c", 0), lambda: cache_repair(tmp_path / "c"), cache_tree_refresh]
    with use_session(Session(mode="readonly")):
        for change in changes:
            with pytest.raises(UsageValueError, match="CACHEPY=readonly lets nothing be written"):
                change()
        assert len(cache_prune(tmp_path / "c", 0, dry_run=True)) == 1
        assert cache_repair(tmp_path / "c", dry_run=True) and f.is_cached(1)
    assert len(os.listdir(tmp_path / "c" / "entries")) == 1
