"""A record that ``graph.pkl`` lacks, and entries that would not be loaded: commands, Python and the next run see them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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
def place(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "ask.py").write_text(ASK)
    (tmp_path / "a.txt").write_text("one")
    assert run(tmp_path, "total", "1") == ["total", "load", "other"]
    return tmp_path


def python(place: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    path = os.environ.get("CACHEPY_UNDER_TEST", str(ROOT))
    whole = {**os.environ, "PYTHONPATH": path, **env}
    return subprocess.run([sys.executable, *args], cwd=place, env=whole, capture_output=True, text=True, check=False)


def run(place: Path, *words: str, **env: str) -> list[str]:
    done = python(place, "program.py", *words, **env)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def status(place: Path, **env: str) -> tuple[int, dict[str, str], str]:
    """The exit code, what is not fresh by the name of the function, and what stood on stderr."""
    done = python(place, "-m", "cachepy", "status", "--json", "--cache-dir", "cache", **env)
    found = {each["id"].partition(":")[0]: each["state"] for each in json.loads(done.stdout)["calls"]}
    return done.returncode, found, done.stderr


def recorded(place: Path) -> bytes:
    return (place / "cache" / "graph.pkl").read_bytes()


def cut(place: Path, end: int) -> None:
    (place / "cache" / "graph.pkl").write_bytes(recorded(place)[:end])


def first_end(place: Path) -> int:
    return recorded(place).index(b"\xc5cpj", 1)


def unwritable(place: Path) -> None:
    """The calls are made again while nothing can be recorded."""
    graph = place / "cache" / "graph.pkl"
    (place / "cache" / "entries").rename(place / "gone")
    graph.unlink()
    graph.mkdir()
    assert run(place, "total", "1") == ["total", "load", "other"]
    graph.rmdir()


def too_late(place: Path) -> None:
    """Likewise, of a graph that is there, and has another call."""
    graph = place / "cache" / "graph.pkl"
    kept = recorded(place)
    unwritable(place)
    graph.write_bytes(kept[kept.rindex(b"\xc5cpj") :])


LOSSES = {
    "lost": lambda place: (place / "cache" / "graph.pkl").unlink(),
    "cut in the middle": lambda place: cut(place, len(recorded(place)) // 2),
    "cut between records": lambda place: cut(place, first_end(place)),
    "emptied": lambda place: cut(place, 0),
    "torn at the end": lambda place: cut(place, len(recorded(place)) - 3),
    "a hole": lambda place: (place / "cache" / "graph.pkl").write_bytes(recorded(place)[first_end(place) :]),
    "could not be written": unwritable,
    "could not be added to": too_late,
}
THEN = {"nothing": [], "a new call": ["2"], "all again": ["total", "1"]}


@pytest.mark.parametrize("then", THEN)
@pytest.mark.parametrize("loss", LOSSES)
def test_an_edit_is_seen_though_its_record_is_lost(place: Path, loss: str, then: str) -> None:
    LOSSES[loss](place)
    if THEN[then]:
        assert set(run(place, *THEN[then])) <= {"other"}
    (place / "a.txt").write_text("changed")
    code, found, err = status(place)
    assert (code, found) == (1, {"load": "stale", "total": "stale"}), err
    assert "cachepy repair" in err or then != "nothing"
    nodes, stale = json.loads(python(place, "ask.py").stdout)
    assert len(nodes) == (4 if then == "a new call" else 3)
    assert {call.partition(":")[0]: state for call, state in stale.items()} == found
    code, found, err = status(place)
    assert code == 1 and ("graph.pkl" not in err or (then == "nothing" and "damaged" in err)), err
    assert sorted(run(place, *THEN[then], "total", "1")) == ["load", "total"]
    assert status(place)[:2] == (0, {})


@pytest.mark.parametrize("loss", LOSSES)
def test_a_plain_rerun_heals(place: Path, loss: str) -> None:
    """All are hits, and the graph on disk has them again."""
    LOSSES[loss](place)
    assert run(place, "total", "1") == []
    known = recorded(place)
    assert all(name in known for name in (b"load\n", b"total\n", b"other\n"))
    assert run(place, "total", "1") == []
    assert recorded(place) == known
    assert "graph.pkl" not in status(place)[2], "no command reads all entries for ever"


def test_python_takes_what_is_lost_and_records_it(place: Path) -> None:
    (place / "cache" / "graph.pkl").unlink()
    nodes, _ = json.loads(python(place, "ask.py").stdout)
    assert len(nodes) == 3
    assert json.loads(python(place, "ask.py").stdout)[0] == nodes
    assert python(place, "-m", "cachepy", "status", "--cache-dir", "cache").stderr.count("graph.pkl") == 0


@pytest.mark.parametrize("command", ["status", "plan", "explain load", "graph --format dot", "export --format json"])
def test_every_command_takes_what_is_lost(place: Path, command: str) -> None:
    whole = python(place, "-m", "cachepy", *command.split(), "--cache-dir", "cache")
    cut(place, first_end(place))
    done = python(place, "-m", "cachepy", *command.split(), "--cache-dir", "cache")
    assert (done.returncode, done.stdout) == (whole.returncode, whole.stdout)
    assert "graph.pkl lacked 2 calls" in done.stderr and "cachepy repair" in done.stderr


# -- owners


def own(place: Path, *names: str) -> None:
    for path in (place / "cache" / "entries").rglob("*.entry"):
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
def test_entries_of_another_user_are_not_fresh(place: Path, names: list[str], missing: object, runs: list[str]) -> None:
    own(place, *names)
    code, found, err = status(place)
    assert (code, found) == (1, missing), err
    done = python(place, "-m", "cachepy", "status", "--cache-dir", "cache")
    assert f"belongs to {STRANGER}" in done.stdout and f"CACHEPY_TRUSTED_OWNERS={STRANGER}" in done.stdout
    assert {s.partition(":")[0]: v for s, v in json.loads(python(place, "ask.py").stdout)[1].items()} == missing
    assert status(place, CACHEPY_TRUSTED_OWNERS=str(STRANGER))[:2] == (0, {})
    assert run(place, "total", "1") == runs
    assert status(place)[:2] == (0, {})


@pytest.mark.root
def test_the_whole_directory_is_of_another_user(place: Path) -> None:
    """Root may read and write all of it, and loads nothing."""
    for path in [place / "cache", *(place / "cache").rglob("*")]:
        os.chown(path, STRANGER, STRANGER)
    code, found, _ = status(place)
    assert code == 1 and set(found.values()) == {"missing"} and len(found) == 3
    assert set(run(place, "total", "1")) == {"total", "load", "other"}
    assert status(place)[:2] == (0, {})


@pytest.mark.root
def test_an_older_value_of_another_user_is_not_fresh(place: Path) -> None:
    """A file that went back makes an older run the valid one, and that is somebody else's."""
    (place / "a.txt").write_text("changed")
    assert sorted(run(place, "total")) == ["load", "total"]
    for path in (place / "cache" / "entries").rglob("load-*.old"):
        os.chown(path, STRANGER, STRANGER)
    (place / "a.txt").write_text("one")
    code, found, _ = status(place)
    assert code == 1 and found["load"] == "stale"
    assert run(place, "load") == ["load"]


def test_entries_with_another_seal_are_not_fresh(place: Path) -> None:
    mine, other = "0123456789abcdef", "fedcba9876543210"
    code, found, _ = status(place, CACHEPY_SIGNING_KEY=mine)
    assert code == 1 and set(found.values()) == {"missing"}
    assert run(place, "total", "1", CACHEPY_SIGNING_KEY=mine) == ["total", "load", "other"]
    assert status(place, CACHEPY_SIGNING_KEY=mine)[:2] == (0, {})
    code, found, _ = status(place, CACHEPY_SIGNING_KEY=other)
    assert code == 1 and set(found.values()) == {"missing"}


def test_closed_entries_are_not_fresh(place: Path) -> None:
    for path in (place / "cache" / "entries").rglob("other-*.entry"):
        path.chmod(0)
    expected = (0, {}) if os.geteuid() == 0 else (1, {"other": "missing"})  # root may read everything
    assert status(place)[:2] == expected
    assert run(place, "total", "1") == (["other"] if expected[0] else [])


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
def test_a_program_that_goes_on_does_not_hide_what_was_cut(place: Path, how: str, known: str) -> None:
    (place / "goes_on.py").write_text(GOES_ON)
    done = python(place, "goes_on.py", how, known)
    assert done.returncode == 0, done.stderr
    assert run(place, "total", "1") == []
    assert all(name in recorded(place) for name in (b"load\n", b"total\n"))


@pytest.mark.parametrize("command", ["repair", "prune --older-than 9000d --forget --yes"])
def test_a_graph_that_was_made_anew_is_known_to_be_whole(place: Path, command: str) -> None:
    before = len(recorded(place))
    assert run(place, "5", "6") == ["other", "other"]
    for path in (place / "cache" / "entries").rglob("other-*.entry"):
        path.unlink()
    done = python(place, "-m", "cachepy", *command.split(), "--cache-dir", "cache")
    assert done.returncode == 0, done.stderr
    assert len(recorded(place)) < before or command == "repair"
    assert int((place / "cache" / "graph.size").read_bytes()) == len(recorded(place))
