"""The commands that say why and what next: explain, plan, refresh, log."""

from __future__ import annotations

import os
import re

import pytest
from cli_project import build, build_stale, commands, in_json, tree

from cachepy.store import journal
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


# ---------------------------------------------------------------- explain


def test_explain_by_function_id_and_digest(run, ask, stale):
    code, doc = ask(stale, "explain", "load")
    assert code == 1
    assert [c["state"] for c in doc["calls"]].count("stale") == 1
    found = next(c for c in doc["calls"] if c["state"] == "stale")
    assert found["reasons"][0]["cue"] == "file"
    for name in (found["id"], found["id"].split(":")[1][:9], found["id"][:12], found["label"]):
        _, lines, _ = run(stale, "explain", name)
        assert lines == [f"✗ stale  load('3.csv')  {found['id']}", "    file data/3.csv changed"]
    fresh_one = next(c for c in doc["calls"] if c["state"] == "fresh")
    assert run(stale, "explain", fresh_one["id"])[0] == 0


def test_explain_shows_changed_lines(run, own):
    path = own / "flows.py"
    path.write_text(path.read_text().replace("x + 1", "x + 2"))
    code, lines, _ = run(own, "explain", "alone", "--import")
    text = "\n".join(lines)
    assert code == 1
    assert re.search(r"code of flows:alone changed \(flows\.py:\d+\)", text)
    assert re.search(r"^ +- +return x \+ 1$", text, re.MULTILINE)
    assert re.search(r"^ +\+ +return x \+ 2$", text, re.MULTILINE)


def test_explain_names_what_it_does_not_know(run, fresh):
    code, lines, err = run(fresh, "explain", "nothing")
    assert (code, lines) == (2, [])
    assert "no call 'nothing'" in err
    assert "Usage:" not in err


def ambiguous(folder):
    """A digit with which several digests start would need many calls: so all have the same key here."""
    from cachepy.graph.graph import read_events

    name = str(folder / ".cachepy/graph.pkl")
    events, _ = read_events(name)
    digits = "abcd" + events[0].hash[4:]
    twins = [e.replace(id=f"{e.fname}:{digits[:-1]}{i}", hash=f"{digits[:-1]}{i}", outfile=None)
             for i, e in enumerate(events[:3])]  # fmt: skip
    journal.write(name, [e.wire() for e in [*events, *twins]])


def test_an_ambiguous_digest_lists_the_calls(run, own):
    ambiguous(own)
    code, _, err = run(own, "explain", "abcd")
    assert code == 2
    assert "'abcd' is ambiguous: 3 calls start with it:" in err
    assert len(re.findall(r"^  \w+:abcd", err, re.MULTILINE)) == 3


# ---------------------------------------------------------------- plan


def test_plan(run, ask, stale, fresh):
    code, lines, _ = run(stale, "plan")
    assert code == 1
    assert "would run" in lines[-1]
    assert all(line.split()[0] in {"stale", "unknown"} for line in lines[:-1])
    assert len(run(stale, "plan", "--all")[1]) == 11
    code, lines, _ = run(fresh, "plan")
    assert (code, len(lines)) == (0, 1)
    assert run(stale, "plan", "alone")[0] == 0
    assert run(stale, "plan", "-q")[:2] == (1, [])
    assert run(stale, "plan", "lod")[0] == 2
    doc = ask(stale, "plan", "load")[1]
    assert doc["counts"]["hit"] == 3
    assert doc["text"].startswith("1 of 4 calls would run")


# ---------------------------------------------------------------- refresh


def test_refresh_shows_the_plan_and_wants_a_yes(run, own):
    (own / "data/3.csv").write_text("9 9")
    before = tree(own)
    code, lines, err = run(own, "refresh")
    assert (code, lines) == (2, run(own, "plan")[1])
    assert "add --yes" in err
    assert run(own, "refresh", "--dry-run")[:2] == (0, lines)
    assert run(own, "refresh", "--json")[0] == 2
    assert tree(own) == before


def test_refresh_runs_what_is_stale(run, ask, own):
    (own / "data/3.csv").write_text("9 9")
    code, doc = ask(own, "refresh", "--yes")
    assert (code, doc["remaining"], doc["failed"], doc["left"], doc["dry_run"]) == (0, {}, {}, {}, False)
    assert [call.partition(":")[0] for call in doc["ran"]] == ["load", "clean", "report"]
    assert len(doc["planned"]) == 3
    assert run(own, "status")[:2] == (0, ["all 10 calls are fresh"])
    code, lines, _ = run(own, "refresh", "--yes")
    assert code == 0
    assert lines[-1].startswith("0 of ")
    assert run(own, "show", "report", "--value")[1][-1] == "('Übersicht', 36.0)"


@pytest.mark.parametrize("way", [("-C", ".."), (), ("--cache-dir", "../.cachepy")], ids=str)
def test_refresh_runs_calls_where_they_ran(run, own, way):
    """Also from a folder below: relative paths mean what they meant, and results go into the same cache."""
    (own / "below").mkdir()
    (own / "data/3.csv").write_text("9 9")
    code, lines, err = run(own / "below", *way, "refresh", "-y")
    assert (code, lines[-1]) == (0, "3 ran; all are fresh now")
    assert ("the cache is ../.cachepy" in err) == (not way)
    assert run(own, "status")[0] == 0
    assert sorted(os.listdir(own / "below")) == []


def test_refresh_of_some_calls(run, own):
    path = own / "flows.py"
    path.write_text(path.read_text().replace("x + 1", "x + 2"))
    (own / "data/3.csv").write_text("9 9")
    assert run(own, "refresh", "alone", "-y")[1][-1] == "1 ran; all are fresh now"
    assert run(own, "refresh", "laod", "-y")[0] == 2
    assert run(own, "status")[1][0] == "10 calls: 3 stale, 7 fresh"


def test_refresh_names_what_failed_and_what_did_not_run(run, ask, own):
    (own / "data/3.csv").write_text("9 x")
    code, lines, _ = run(own, "refresh", "-y")
    assert code == 1
    text = "\n".join(lines)
    assert re.search(r"^failed +load:[0-9a-f]{32} +load\('3.csv'\) +ValueError: could not convert", text, re.MULTILINE)
    assert re.search(r"^not run +report:[0-9a-f]{32} +report\('Übersicht'\) +load\('3.csv'\)", text, re.MULTILINE)
    assert lines[-1] == "1 failed, 2 could not be run; 3 calls are not fresh"
    assert run(own, "refresh", "-y", "-q")[:2] == (1, [])
    code, doc = ask(own, "refresh", "-y")
    assert (code, len(doc["left"]), set(doc["remaining"].values())) == (1, 2, {"stale"})
    assert next(iter(doc["failed"].values())).startswith("ValueError: ")


def test_refresh_says_where_a_call_of_another_folder_runs(run, tmp_path):
    source = f"from cachepy import cache_file\n@cache_file({str(tmp_path / 'cache')!r})\ndef f(x):\n    return x + 1\n"
    for name in "one", "two":
        (tmp_path / name).mkdir()
        (tmp_path / name / "flows.py").write_text(source)
        (tmp_path / name / f"{name}.py").write_text(f"import flows\nflows.f({ord(name[0])})\n")
        Project(tmp_path / name).run(f"{name}.py")
        (tmp_path / name / "flows.py").write_text(source.replace("x + 1", "x + 2"))
    code, lines, _ = run(tmp_path / "one", "refresh", "--cache-dir", "../cache", "-y")
    assert code == 1
    assert lines[-1] == "1 ran, 1 could not be run; 1 call is not fresh"
    there = tmp_path / "two"
    assert lines[-2].endswith(f"it ran in {there}: `cachepy -C {there} refresh --cache-dir {tmp_path / 'cache'}` runs it there")
    assert run(tmp_path / "one", "-C", "../two", "refresh", "--cache-dir", "../cache", "-y")[0] == 0


def test_what_a_refresh_prints_is_no_data(ask, own):
    path = own / "flows.py"
    path.write_text(path.read_text().replace("return x + 1", "print('loud'); return x + 2"))
    code, doc = ask(own, "refresh", "-y")
    assert (code, len(doc["ran"])) == (0, 1)


# ---------------------------------------------------------------- log


def test_the_log_has_every_run_the_newest_first(run, ask, own):
    (own / "data/3.csv").write_text("9 9")
    Project(own).run("flows.py")
    code, doc = ask(own, "log")
    times = [each["created"] for each in doc["runs"]]
    assert (code, len(times), times) == (0, 13, sorted(times, reverse=True))
    assert [each["label"] for each in doc["runs"]].count("report('Übersicht')") == 2
    assert len({each["pid"] for each in doc["runs"]}) == 2
    _, lines, err = run(own, "log", "-n", "2")
    assert len(lines) == 2
    when, took, size, name, pid, *label = lines[0].split()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", when)
    assert (float(took) < 100, int(size) > 100, name.partition(":")[0], int(pid) > 0) == (True, True, "report", True)
    assert label == ["report('Übersicht')"]
    assert "and 11 older runs: --all lists them" in err


@pytest.mark.parametrize(
    ("args", "number", "said"),
    [
        (("load",), 4, ""),
        (("l*d",), 4, ""),
        (("laod",), 0, "none of the 10 runs matches 'laod'; did you mean load?"),
        (("--since", "1d"), 10, ""),
        (("--since", "2001-01-01"), 10, ""),
        (("--since", "2901-01-01T12:00"), 0, "nothing ran since then; the last run ended "),
        (("-n", "0"), 0, "and 10 older runs"),
    ],
    ids=str,
)
def test_some_of_the_log(run, fresh, args, number, said):
    code, lines, err = run(fresh, "log", *args)
    assert (code, len(lines)) == (0, number)
    assert err.startswith(said) and bool(err) == bool(said)


def test_the_log_tells_what_left_no_result(run, ask, own):
    (own / "flows.py").write_text(
        "from cachepy import cache_file\n@cache_file('.cachepy')\ndef boom(x):\n    raise ValueError(x)\n"
        "try:\n    boom(2)\nexcept ValueError:\n    pass\n"
    )
    Project(own).run("flows.py")
    next(own.glob(".cachepy/entries/*/alone-*.entry")).unlink()
    assert run(own, "log", "boom")[1][0].split()[1:3] == ["-", "no"]
    states = {each["fname"]: each["state"] for each in ask(own, "log")[1]["runs"]}
    assert (states["boom"], states["alone"], states["load"]) == ("unended", "missing", "stored")
