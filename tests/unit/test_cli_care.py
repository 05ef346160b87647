"""The commands that look after a cache: ls, stats, show, prune, verify, repair."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from cli_project import build, build_stale, commands, in_json

from cachepy.store.entryfile import MAGIC
from tests.programs import Project


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    return build(tmp_path_factory.mktemp("cli") / "fresh")


@pytest.fixture(scope="module")
def stale(tmp_path_factory):
    return build_stale(tmp_path_factory.mktemp("cli") / "stale")


@pytest.fixture
def own(tmp_path):
    """For a test that changes it."""
    return build(tmp_path / "own")


@pytest.fixture
def run(monkeypatch, capsys):
    yield from commands(monkeypatch, capsys)


@pytest.fixture
def ask(run):
    return in_json(run)


# ---------------------------------------------------------------- ls, stats, show


def test_ls(run, ask, fresh):
    _, lines, _ = run(fresh, "ls")
    assert len(lines) == 10
    first = lines[0].split()
    assert re.fullmatch(r"\w+:[0-9a-f]{32}", first[0])
    assert first[1].isdigit()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", first[2])
    assert [line.split()[-1] for line in run(fresh, "ls", "load", "--sort", "name")[1]] == [
        f"load('{i}.csv')" for i in range(4)
    ]
    assert len(run(fresh, "ls", "lo*")[1]) == 4
    sizes = [e["size"] for e in ask(fresh, "ls", "--sort", "size", "--reverse")[1]["entries"]]
    assert sizes == sorted(sizes)
    assert sizes != sorted(sizes, reverse=True)


def test_ls_without_a_match_says_so(run, fresh):
    assert run(fresh, "ls", "zzz") == (0, [], "none of the 10 stored calls matches 'zzz'\n")
    assert run(fresh, "ls", "laod(") == (0, [], "none of the 10 stored calls matches 'laod('; did you mean load?\n")


def test_ls_names_the_call_that_wrote_a_file(run, ask, own):
    (own / "flows.py").write_text(
        "from pathlib import Path\nfrom cachepy import cache_file, track_file\ncached = cache_file('.cachepy')\n"
        "@cached\ndef write(x, data):\n    out = Path(f'out/{x}.csv')\n    out.parent.mkdir(exist_ok=True)\n"
        "    out.write_text(data.read_text())\n    track_file(out)\n"
        "write(1, Path('data/1.csv'))\nwrite(2, Path('data/2.csv'))\n"
    )
    Project(own).run("flows.py")
    for args in (("out/1.csv",), ("--output", "out/1.csv"), ("write", "--output", str(own / "out/1.csv"))):
        assert [line.split("  ")[-1] for line in run(own, "ls", *args)[1]] == ["write(1, 1.csv)"]
    assert len(run(own, "ls", "--output", "out")[1]) == 2
    assert ask(own, "ls", "out/1.csv")[1]["entries"][0]["outputs"] == [str(own / "out/1.csv")]
    (own / "below").mkdir()
    assert len(run(own / "below", "ls", "../out/1.csv")[1]) == 1
    assert run(own, "ls", "--output", "data/1.csv")[2] == "no stored call wrote data/1.csv; 2 calls read it\n"
    assert run(own, "ls", "--output", "nothing")[2] == "no stored call wrote nothing\n"


def test_ls_tells_of_damaged_entries(run, own):
    path = next(iter(own.glob(".cachepy/entries/*/alone-*.entry")))
    path.write_bytes(path.read_bytes()[:60])
    _, lines, err = run(own, "ls")
    assert len(lines) == 9
    assert "1 entry cannot be read; `cachepy verify` says why" in err


def test_stats(run, ask, fresh):
    _, lines, _ = run(fresh, "stats")
    assert [line.split()[0] + line.split()[-1] for line in lines[-1:]] == ["10total"]
    assert {line.split()[-1]: line.split()[0] for line in lines[:-1]} == {
        "load": "4", "clean": "4", "report": "1", "alone": "1",
    }  # fmt: skip
    assert ask(fresh, "stats")[1]["functions"]["load"]["entries"] == 4


def test_show(run, ask, stale):
    found = next(c for c in ask(stale, "explain", "load")[1]["calls"] if c["state"] == "stale")
    code, doc = ask(stale, "show", found["id"])
    assert code == 0
    assert (doc["module"], doc["function"], doc["state"]) == ("flows", "load", "stale")
    assert [(Path(f["path"]).name, f["changed"]) for f in doc["files"]] == [("3.csv", True)]
    assert doc["env"] == ["SCALE"]
    assert [p.partition(":")[0] for p in doc["parents"]] == ["report"]
    _, lines, _ = run(stale, "show", found["id"])
    text = "\n".join(lines)
    for part in (
        "file data/3.csv changed",
        "flows.load",
        "caller    report('Übersicht')",
        "variable  SCALE",
        "3.csv  ",
    ):
        assert part in text


def test_show_the_value(run, ask, fresh):
    assert run(fresh, "show", "alone", "--value")[1][-1] == "4"
    assert ask(fresh, "show", "alone", "--value")[1]["value"] == "4"
    assert "value" not in ask(fresh, "show", "alone")[1]


def test_a_long_value_is_cut(run, tmp_path):
    (tmp_path / "flows.py").write_text(
        "from cachepy import cache_file\n@cache_file('.cachepy')\ndef big(x):\n    return ['y' * x] * 9999\nbig(999)\n"
    )
    Project(tmp_path).run("flows.py")
    code, lines, _ = run(tmp_path, "show", "big", "--value")
    assert code == 0
    assert 1000 < len(lines[-1]) < 10_000


def test_a_value_that_cannot_be_loaded_is_an_error(run, own):
    path = next(iter(own.glob(".cachepy/entries/*/alone-*.entry")))
    path.unlink()
    code, _, err = run(own, "show", "alone", "--value")
    assert code == 3
    assert "is not on disk" in err


# ---------------------------------------------------------------- prune, verify, repair


def entries(folder):
    return len(list(folder.glob(".cachepy/entries/*/*.entry")))


def test_prune_asks_or_refuses(run, own):
    code, lines, err = run(own, "prune", "--older-than", "0")
    assert code == 2
    assert "--yes" in err
    assert len(lines) == 10
    assert entries(own) == 10


def test_prune_shows_and_deletes(run, ask, own):
    assert "would delete 10 entries" in run(own, "prune", "--older-than", "0", "--dry-run")[2]
    assert entries(own) == 10
    assert "nothing is old enough" in run(own, "prune", "--older-than", "1", "--yes")[2]
    assert entries(own) == 10
    doc = ask(own, "prune", "--max-size", "2kB", "--yes")[1]
    assert 0 < len(doc["deleted"]) < 10
    assert sorted(doc["deleted"]) == sorted(e["path"] for e in doc["entries"])
    code, _, err = run(own, "prune", "--older-than", "0", "--yes")
    assert code == 0
    assert "deleted" in err
    assert entries(own) == 0


def test_max_size_alone_does_not_delete_the_old(run, own, monkeypatch):
    later = time.time() + 90 * 86400
    monkeypatch.setattr("time.time", lambda: later)
    assert run(own, "prune", "--max-size", "1GB", "--yes")[2] == "the entries have no more than 1.0 GB: nothing to delete\n"
    both = run(own, "prune", "--max-size", "1GB", "--older-than", "999", "--yes")[2]
    assert both.startswith("nothing is old enough, and the entries have no more than 1.0 GB")
    assert entries(own) == 10
    assert "would delete 10 entries" in run(own, "prune", "--dry-run")[2]


def test_leftovers_go_only_when_told(run, own):
    folder = next(own.glob(".cachepy/entries/*"))
    leftover = folder / "load-00.99999999.0.0.tmp"
    leftover.write_bytes(MAGIC)
    past = time.time() - 90_000
    os.utime(leftover, (past, past))
    assert run(own, "prune")[0] == 0
    assert leftover.exists()
    assert run(own, "prune", "--yes")[0] == 0
    assert not leftover.exists()


def test_quiet_lists_nothing_unless_it_asks(run, own):
    assert run(own, "prune", "-q", "--older-than", "0", "--dry-run") == (0, [], "")
    assert len(run(own, "prune", "-q", "--older-than", "0")[1]) == 10, "who is asked sees what for"
    (own / ".cachepy" / "graph.pkl").unlink()
    assert run(own, "repair", "-q", "--dry-run") == (0, [], "")
    assert run(own, "repair", "-q", "-y") == (0, [], "")
    assert run(own, "prune", "-q", "-y", "--older-than", "0") == (0, [], "")
    assert entries(own) == 0


@pytest.mark.parametrize("quiet", [[], ["-q"]], ids=str)
def test_what_cannot_be_deleted_is_an_error(run, ask, own, monkeypatch, quiet):
    real = os.unlink

    def refuse(path, **options):
        if "load-" in str(path):
            raise PermissionError(13, "Permission denied", path)
        real(path, **options)

    monkeypatch.setattr(os, "unlink", refuse)
    code, _, err = run(own, "prune", "--older-than", "0", "--yes", *quiet)
    assert code == 3
    assert "cachepy: error: could not delete 4 entries: Permission denied\n" in err
    assert ("deleted 6 entries" in err) == (not quiet)
    assert entries(own) == 4
    code, doc = ask(own, "prune", "--older-than", "0", "--yes")
    assert (code, doc["deleted"], len(doc["entries"])) == (3, [], 4)


def test_forget(run, ask, own):
    assert run(own, "prune", "--older-than", "0", "--yes")[0] == 0
    assert ask(own, "status")[1]["counts"]["missing"] == 10
    before = (own / ".cachepy" / "graph.pkl").read_bytes()
    assert "10 calls would be forgotten" in run(own, "prune", "--forget", "--dry-run")[2]
    assert (own / ".cachepy" / "graph.pkl").read_bytes() == before
    assert run(own, "prune", "--forget")[0] == 2, "it asks"
    assert "10 calls forgotten" in run(own, "prune", "--forget", "--yes")[2]
    assert len((own / ".cachepy" / "graph.pkl").read_bytes()) < len(before)
    assert "no calls recorded" in run(own, "status")[1][0]
    assert "forgotten" not in run(own, "prune", "--forget", "--yes")[2]
    Project(own).run("flows.py")
    code, doc = ask(own, "prune", "--forget", "--older-than", "0", "--yes")
    assert (code, len(doc["deleted"]), len(doc["forgotten"])) == (0, 10, 10)
    assert ask(own, "status")[1]["counts"]["calls"] == 0


def test_an_empty_name_of_a_directory_is_wrong_usage(run, own):
    for command in ("status", "prune", "ls"):
        code, _, err = run(own, command, "--cache-dir", "")
        assert code == 2
        assert "--cache-dir is empty" in err


def test_json_does_not_ask(run, own):
    code, lines, _ = run(own, "prune", "--older-than", "0", "--json")
    assert (code, lines) == (2, [])
    assert entries(own) == 10


def test_verify_and_repair(run, ask, own):
    assert run(own, "verify")[0] == 0
    path = next(iter(own.glob(".cachepy/entries/*/report-*.entry")))
    data = path.read_bytes()
    path.write_bytes(data[:-3] + bytes(255 - b for b in data[-3:]))
    code, lines, err = run(own, "verify")
    assert code == 1
    assert lines[0].startswith("problem  .cachepy/entries/")
    assert lines[-1].endswith(": 1 problem")
    assert "cachepy repair" in err
    code, doc = ask(own, "verify")
    assert (code, doc["is_good"], len(doc["problems"])) == (1, False, 1)
    code, lines, err = run(own, "repair")
    assert code == 2
    assert "--yes" in err
    assert any(line.startswith("move") for line in lines)
    assert path.exists()
    assert run(own, "repair", "--dry-run")[0] == 0
    assert path.exists()
    assert run(own, "repair", "--yes")[0] == 0
    assert not path.exists()
    assert run(own, "verify", "-q") == (0, [], "")


def test_verify_runs_again(ask, own):
    path = own / "flows.py"
    path.write_text(
        "from cachepy import cache_file\nimport itertools, os\n"
        "@cache_file('.cachepy')\ndef chance(x):\n    return os.urandom(8)\n"
        "if __name__ == '__main__':\n    chance(1)\n"
    )
    Project(own).run("flows.py")
    code, doc = ask(own, "verify", "--rerun", "50")
    assert code == 1
    assert [d["label"] for d in doc["differing"]] == ["chance(1)"]
