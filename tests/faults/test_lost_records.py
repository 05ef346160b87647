"""A record that ``graph.pkl`` lacks, and entries that would not be loaded: commands, Python and the next run see them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.programs import Project

ROOT = Path(__file__).parents[2]
STRANGER = 54_321

PROGRAM = """
import sys
from pathlib import Path
from cachepy import cache_file

cached = cache_file("cache", warn_cheap=False)

@cached
def load(path: Path):
    print("load")
    return path.read_text()

@cached
def total(n):
    print("total")
    return len(load(Path("a.txt"))) + n

@cached
def other(n):
    print("other")
    return [n]

if __name__ == "__main__":
    for word in sys.argv[1:]:
        load(Path("a.txt")) if word == "load" else total(3) if word == "total" else other(int(word))
"""
ASK = """
import json
from cachepy import cache_tree_nodes, cache_tree_stale, cache_tree_sync
cache_tree_sync("cache")
found = cache_tree_stale()
print(json.dumps([sorted(cache_tree_nodes()), {call: each["state"] for call, each in found.items()}]))
"""


@pytest.fixture
def project(project: Project) -> Project:
    project.write("program.py", PROGRAM)
    project.write("ask.py", ASK)
    project.write("a.txt", "one")
    assert run(project, "total", "1") == ["total", "load", "other"]
    return project


def run(project: Project, *words: str, **env: str) -> list[str]:
    return project.run("program.py", *words, **env).stdout.split()


def status(project: Project, **env: str) -> tuple[int, dict[str, str], str]:
    """The exit code, what is not fresh by the name of the function, and what stood on stderr."""
    done = project.cachepy("status", "--json", "--cache-dir", "cache", **env)
    found = {each["id"].partition(":")[0]: each["state"] for each in done.json()["calls"]}
    return done.returncode, found, done.stderr


def recorded(project: Project) -> bytes:
    return (project / "cache" / "graph.pkl").read_bytes()


def cut(project: Project, end: int) -> None:
    (project / "cache" / "graph.pkl").write_bytes(recorded(project)[:end])


def first_end(project: Project) -> int:
    return recorded(project).index(b"\xc5cpj", 1)


def unwritable(project: Project) -> None:
    """The calls are made again while nothing can be recorded."""
    graph = project / "cache" / "graph.pkl"
    (project / "cache" / "entries").rename(project / "gone")
    graph.unlink()
    graph.mkdir()
    assert run(project, "total", "1") == ["total", "load", "other"]
    graph.rmdir()


def too_late(project: Project) -> None:
    """Likewise, of a graph that is there, and has another call."""
    graph = project / "cache" / "graph.pkl"
    kept = recorded(project)
    unwritable(project)
    graph.write_bytes(kept[kept.rindex(b"\xc5cpj") :])


LOSSES = {
    "lost": lambda project: (project / "cache" / "graph.pkl").unlink(),
    "cut in the middle": lambda project: cut(project, len(recorded(project)) // 2),
    "cut between records": lambda project: cut(project, first_end(project)),
    "emptied": lambda project: cut(project, 0),
    "torn at the end": lambda project: cut(project, len(recorded(project)) - 3),
    "a hole": lambda project: (project / "cache" / "graph.pkl").write_bytes(recorded(project)[first_end(project) :]),
    "could not be written": unwritable,
    "could not be added to": too_late,
}
THEN = {"nothing": [], "a new call": ["2"], "all again": ["total", "1"]}


@pytest.mark.parametrize("then", THEN)
@pytest.mark.parametrize("loss", LOSSES)
def test_an_edit_is_seen_though_its_record_is_lost(project: Project, loss: str, then: str) -> None:
    LOSSES[loss](project)
    if THEN[then]:
        assert set(run(project, *THEN[then])) <= {"other"}
    (project / "a.txt").write_text("changed")
    code, found, err = status(project)
    assert (code, found) == (1, {"load": "stale", "total": "stale"}), err
    assert "cachepy repair" in err or then != "nothing"
    nodes, stale = project.run("ask.py").json()
    assert len(nodes) == (4 if then == "a new call" else 3)
    assert {call.partition(":")[0]: state for call, state in stale.items()} == found
    code, found, err = status(project)
    assert code == 1 and ("graph.pkl" not in err or (then == "nothing" and "damaged" in err)), err
    assert sorted(run(project, *THEN[then], "total", "1")) == ["load", "total"]
    assert status(project)[:2] == (0, {})


@pytest.mark.parametrize("loss", LOSSES)
def test_a_plain_rerun_heals(project: Project, loss: str) -> None:
    """All are hits, and the graph on disk has them again."""
    LOSSES[loss](project)
    assert run(project, "total", "1") == []
    known = recorded(project)
    assert all(name in known for name in (b"load\n", b"total\n", b"other\n"))
    assert run(project, "total", "1") == []
    assert recorded(project) == known
    assert "graph.pkl" not in status(project)[2], "no command reads all entries for ever"


def test_python_takes_what_is_lost_and_records_it(project: Project) -> None:
    (project / "cache" / "graph.pkl").unlink()
    nodes, _ = project.run("ask.py").json()
    assert len(nodes) == 3
    assert project.run("ask.py").json()[0] == nodes
    assert project.cachepy("status", "--cache-dir", "cache").stderr.count("graph.pkl") == 0


@pytest.mark.parametrize("command", ["status", "plan", "explain load", "graph --format dot", "export --format json"])
def test_every_command_takes_what_is_lost(project: Project, command: str) -> None:
    whole = project.cachepy(*command.split(), "--cache-dir", "cache")
    cut(project, first_end(project))
    done = project.cachepy(*command.split(), "--cache-dir", "cache")
    assert (done.returncode, done.stdout) == (whole.returncode, whole.stdout)
    assert "graph.pkl lacked 2 calls" in done.stderr and "cachepy repair" in done.stderr


# -- owners


def own(project: Project, *names: str) -> None:
    for path in (project / "cache" / "entries").rglob("*.entry"):
        if path.name.partition("-")[0] in names:
            os.chown(path, STRANGER, STRANGER)


@pytest.mark.root
@pytest.mark.parametrize(
    ("names", "missing", "runs"),
    [
        (["load", "total", "other"], {"load": "missing", "total": "missing", "other": "missing"}, ["total", "load", "other"]),
        (["other"], {"other": "missing"}, ["other"]),
        (["load"], {"load": "missing", "total": "stale"}, ["total", "load"]),
        (["total"], {"total": "missing"}, ["total"]),
    ],
)  # fmt: skip
def test_entries_of_another_user_are_not_fresh(project: Project, names: list[str], missing: object, runs: list[str]) -> None:
    own(project, *names)
    code, found, err = status(project)
    assert (code, found) == (1, missing), err
    done = project.cachepy("status", "--cache-dir", "cache")
    assert f"belongs to {STRANGER}" in done.stdout and f"CACHEPY_TRUSTED_OWNERS={STRANGER}" in done.stdout
    assert {s.partition(":")[0]: v for s, v in project.run("ask.py").json()[1].items()} == missing
    assert status(project, CACHEPY_TRUSTED_OWNERS=str(STRANGER))[:2] == (0, {})
    assert run(project, "total", "1") == runs
    assert status(project)[:2] == (0, {})


@pytest.mark.root
def test_the_whole_directory_is_of_another_user(project: Project) -> None:
    """Root may read and write all of it, and loads nothing."""
    for path in [project / "cache", *(project / "cache").rglob("*")]:
        os.chown(path, STRANGER, STRANGER)
    code, found, _ = status(project)
    assert code == 1 and set(found.values()) == {"missing"} and len(found) == 3
    assert set(run(project, "total", "1")) == {"total", "load", "other"}
    assert status(project)[:2] == (0, {})


@pytest.mark.root
def test_an_older_value_of_another_user_is_not_fresh(project: Project) -> None:
    """A file that went back makes an older run the valid one, and that is somebody else's."""
    (project / "a.txt").write_text("changed")
    assert sorted(run(project, "total")) == ["load", "total"]
    for path in (project / "cache" / "entries").rglob("load-*.old"):
        os.chown(path, STRANGER, STRANGER)
    (project / "a.txt").write_text("one")
    code, found, _ = status(project)
    assert code == 1 and found["load"] == "stale"
    assert run(project, "load") == ["load"]


def test_entries_with_another_seal_are_not_fresh(project: Project) -> None:
    mine, other = "0123456789abcdef", "fedcba9876543210"
    code, found, _ = status(project, CACHEPY_SIGNING_KEY=mine)
    assert code == 1 and set(found.values()) == {"missing"}
    assert run(project, "total", "1", CACHEPY_SIGNING_KEY=mine) == ["total", "load", "other"]
    assert status(project, CACHEPY_SIGNING_KEY=mine)[:2] == (0, {})
    code, found, _ = status(project, CACHEPY_SIGNING_KEY=other)
    assert code == 1 and set(found.values()) == {"missing"}


def test_closed_entries_are_not_fresh(project: Project) -> None:
    for path in (project / "cache" / "entries").rglob("other-*.entry"):
        path.chmod(0)
    expected = (0, {}) if os.geteuid() == 0 else (1, {"other": "missing"})  # root may read everything
    assert status(project)[:2] == expected
    assert run(project, "total", "1") == (["other"] if expected[0] else [])


# -- the size that tells whether there is anything to do

GOES_ON = """
import os, sys
from program import other, total
total(3)
def cut(end):
    data = open("cache/graph.pkl", "rb").read()[:end]
    if sys.argv[1] == "replaced":
        os.unlink("cache/graph.pkl")
    with open("cache/graph.pkl", "r+b" if os.path.exists("cache/graph.pkl") else "wb") as file:
        file.write(data)
        file.truncate()
if sys.argv[2] == "known":
    other(7)
cut(open("cache/graph.pkl", "rb").read().index(b"\\xc5cpj", 1))
other(8)
other(9)
"""


@pytest.mark.parametrize("known", ["known", "new"])
@pytest.mark.parametrize("how", ["replaced", "in place"])
def test_a_program_that_goes_on_does_not_hide_what_was_cut(project: Project, how: str, known: str) -> None:
    (project / "goes_on.py").write_text(GOES_ON)
    done = project.run("goes_on.py", how, known)
    assert done.returncode == 0, done.stderr
    assert run(project, "total", "1") == []
    assert all(name in recorded(project) for name in (b"load\n", b"total\n"))


@pytest.mark.parametrize("command", ["repair", "prune --older-than 9000d --forget --yes"])
def test_a_graph_that_was_made_anew_is_known_to_be_whole(project: Project, command: str) -> None:
    before = len(recorded(project))
    assert run(project, "5", "6") == ["other", "other"]
    for path in (project / "cache" / "entries").rglob("other-*.entry"):
        path.unlink()
    done = project.cachepy(*command.split(), "--cache-dir", "cache")
    assert done.returncode == 0, done.stderr
    assert len(recorded(project)) < before or command == "repair"
    assert int((project / "cache" / "graph.size").read_bytes()) == len(recorded(project))
