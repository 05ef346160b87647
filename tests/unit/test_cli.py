"""The commands: what they answer, in text and in JSON, and with which exit code. In one process; see also test_cli_shell."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pytest
from cli_project import PROGRAM, build, build_stale, commands, in_json, tree

from cachepy.store import journal
from tests.programs import Project

UNCLEAR = PROGRAM.replace("level(1)", "level(2)")  # what its import would tell, its text does not


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


# ---------------------------------------------------------------- status


def test_status_of_what_is_fresh(run, fresh):
    code, lines, err = run(fresh, "status")
    assert (code, lines, err) == (0, ["all 10 calls are fresh"], "")


def test_status_names_the_cause_first(run, stale):
    code, lines, _ = run(stale, "status")
    assert code == 1
    assert lines[0] == "10 calls: 3 stale, 7 fresh"
    assert lines[1] == "cause  file data/3.csv changed: 1 call and 2 above"
    assert re.fullmatch(r"stale  load:[0-9a-f]{32} +load\('3.csv'\) +file data/3.csv changed", lines[2])
    assert len(lines) == 5
    assert all(line.startswith("stale  ") for line in lines[2:])


def test_status_limits_the_list(run, stale):
    _, lines, err = run(stale, "status", "--limit", "1")
    assert [line.split()[0] for line in lines] == ["10", "cause", "stale"]
    assert "and 2 more calls: --all lists them" in err
    _, lines, err = run(stale, "status", "--limit", "1", "--all")
    assert len(lines) == 5
    assert "more call" not in err


@pytest.mark.parametrize("kind", ["fresh", "stale"])
def test_quiet_status_says_nothing(run, kind, request):
    code, lines, err = run(request.getfixturevalue(kind), "status", "-q")
    assert (code, lines, err) == (kind == "stale", [], "")


def test_status_of_some_roots(run, stale):
    assert run(stale, "status", "--root", "alone")[:2] == (0, ["the only call is fresh"])
    assert run(stale, "status", "--root", "alone", "--root", "report", "-q")[0] == 1
    assert run(stale, "status", "--root", "lod")[:2] == (1, ["no call 'lod' is recorded yet; did you mean load?"])


def test_a_root_goes_by_what_it_takes(run, tmp_path):
    (tmp_path / "flows.py").write_text(PROGRAM.partition("if __name__")[0] + "clean(load('data/0.csv'))\nalone(1)\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/0.csv").write_text("1 2")
    Project(tmp_path).run("flows.py")
    (tmp_path / "data/0.csv").write_text("3 4")
    code, lines, _ = run(tmp_path, "status", "--root", "clean")
    assert code == 1
    assert lines[:2] == ["2 calls: 2 stale", "cause  file data/0.csv changed: 1 call and 1 above"]


def test_status_of_missing_values(run, ask, own):
    for path in own.glob(".cachepy/entries/*/load-*.entry"):
        path.unlink()
    code, lines, _ = run(own, "status")
    assert code == 1
    assert lines[0] == "10 calls: 5 stale, 4 missing, 1 fresh"
    assert lines[1].startswith("cause  stored values of load are missing: 4 calls and ")
    assert ask(own, "status")[1]["counts"] == {"calls": 10, "fresh": 1, "stale": 5, "missing": 4, "unknown": 0}


def test_many_files_of_a_folder_are_one_cause(run, own):
    for path in own.glob("data/*"):
        path.write_text("7")
    _, lines, _ = run(own, "status", "--limit", "3")
    assert lines[1] == "cause  4 files in data changed: 4 calls and 5 above"
    _, lines, _ = run(own, "status", "--all")
    assert sum(line.startswith("cause") for line in lines) == 4


def test_a_call_counts_once_for_a_cause(run, tmp_path):
    program = (
        "from pathlib import Path\nfrom cachepy import cache_file\ncached = cache_file('.cachepy')\n"
        "@cached\ndef load(path):\n    return Path(path).read_text()\n"
        "@cached\ndef outer(path):\n    return load(path)\n"
        "@cached\ndef top():\n    return outer('x')\ntop()\n"
    )
    (tmp_path / "flows.py").write_text(program)
    (tmp_path / "x").write_text("1")
    Project(tmp_path).run("flows.py")
    (tmp_path / "x").write_text("2")
    assert run(tmp_path, "status")[1][1] == "cause  file x changed: 2 calls and 1 above"


NOT_LOOKED_AT = "code was not checked (--no-code), and counts as unchanged\n"


def test_code_is_seen_without_an_import(run, ask, own):
    path = own / "flows.py"
    path.write_text(path.read_text().replace("value > least", "value >= least") + "raise SystemExit('imported')\n")
    assert run(own, "status", "-q")[0] == 1
    assert ask(own, "status")[1]["unseen"] == []
    for option in ((), ("--import",)):
        code, lines, err = run(own, "status", *option)
        assert (code, err) == (1, "")
        assert lines[1].startswith("cause  code of flows:clean changed (flows.py:")
        assert "hello" not in "".join(lines)
    assert run(own, "status", "--no-code") == (0, ["all 10 calls are fresh"], NOT_LOOKED_AT)
    assert run(own, "status", "--no-code", "-q") == (0, [], "")


def test_code_that_its_text_does_not_tell_is_unknown(run, ask, own):
    (own / "flows.py").write_text(UNCLEAR)
    code, lines, err = run(own, "status")
    assert (code, lines[0]) == (3, "10 calls: 10 unknown")
    assert lines[1].startswith("cause  global flows.LEVEL could not be checked: it is computed when the module is")
    assert "source files do not tell all: --import looks at the rest" in err
    assert run(own, "status", "-q")[:2] == (3, [])
    code, doc = ask(own, "status")
    assert (code, doc["state"], doc["unseen"], doc["counts"]["unknown"]) == (3, "unknown", ["flows"], 10)
    assert run(own, "status", "--import") == (0, ["all 10 calls are fresh"], "")
    assert ask(own, "status", "--import")[1]["unseen"] == []
    assert run(own, "status", "--no-code") == (0, ["all 10 calls are fresh"], NOT_LOOKED_AT)
    (own / "flows.py").write_text(PROGRAM.replace("of - of", "of"))
    code, lines, _ = run(own, "status", "--import")
    assert (code, lines[0]) == (1, "10 calls: 10 stale")
    assert lines[1].startswith("cause  global flows.LEVEL changed")


def test_what_an_import_prints_is_no_data(ask, own):
    (own / "flows.py").write_text("print('noise')\n" + UNCLEAR)
    assert ask(own, "status", "--import")[1]["state"] == "fresh"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("import sys; sys.exit(0)", "it calls sys.exit(0)"),
        ("raise ValueError('boo')", "ValueError: boo"),
        ("import no_such_thing", "No module named 'no_such_thing'"),
        ("def f(:", "SyntaxError"),
    ],
)
@pytest.mark.parametrize(
    "command", [("status",), ("explain", "load"), ("plan",), ("graph",), ("show", "alone")], ids=str
)
def test_code_that_cannot_be_looked_at_does_not_pass_for_fresh(run, own, body, why, command):
    (own / "flows.py").write_text(f"{UNCLEAR}{body}\nmore = 1\n")
    code, _, err = run(own, *command, "--import", "-q")
    assert code == 3
    assert "code of flows could not be checked" in err
    assert "are fresh" not in "".join(run(own, *command, "--import")[1])
    assert why in err


def test_what_is_stale_anyway_is_stale(run, ask, own):
    (own / "flows.py").write_text(UNCLEAR + "import no_such_thing")
    (own / "data/3.csv").write_text("9")
    assert run(own, "status", "--import", "-q")[0] == 1
    assert list(ask(own, "status", "--import")[1]["unimported"]) == ["flows"]


@pytest.mark.parametrize(
    "command", [("status", "--root"), ("explain",), ("plan",), ("graph", "--root"), ("show",)], ids=str
)
def test_only_what_is_asked_for_is_imported(run, own, command):
    (own / "other.py").write_text(
        "from cachepy import cache_file\n@cache_file('.cachepy')\ndef far(x):\n    return x\nfar(1)\n"
    )
    Project(own).run("other.py")
    (own / "other.py").unlink()
    assert run(own, *command, "alone", "--import")[0] == 0
    code, _, err = run(own, *command, "far", "--import")
    assert code == 3
    assert "No module named 'other'" in err
    assert "ask only about the rest" in err


def test_functions_that_are_gone_are_told(run, own):
    (own / "flows.py").write_text("x = 1")
    code, lines, _ = run(own, "status", "--import")
    assert code == 1
    assert "cause  flows:alone no longer exists: 1 call" in lines


# ---------------------------------------------------------------- which directory

EVERY = [
    ("status",), ("explain", "load"), ("plan",), ("refresh", "-y"), ("accept", "-y"), ("graph",), ("log",), ("ls",), ("show", "load"),
    ("stats",), ("prune", "--older-than", "0", "--yes"), ("verify",), ("verify", "--rerun", "1"), ("repair", "--yes"),
    ("export", "--format", "json"),
]  # fmt: skip


def test_nothing_is_recorded_yet(run, tmp_path):
    """``cachepy status -q --import || sbatch job.sh`` has to submit the first job too, but not in silence."""
    folder = tmp_path / ".cachepy"
    text = (
        f"cachepy: error: there is no cache directory {folder}, and none in the folders above; "
        f"name one with --cache-dir DIR, or set CACHEPY_DIR\n"
    )
    for options in ((), ("-q",), ("--json",)):
        assert run(tmp_path, "status", *options) == (2, [], text)
    assert not list(tmp_path.iterdir())


def test_a_directory_that_is_not_there(run, tmp_path):
    code, _, err = run(tmp_path, "plan")
    assert code == 2
    assert f"there is no cache directory {tmp_path / '.cachepy'}" in err
    assert "--cache-dir DIR" in err
    assert "CACHEPY_DIR" in err
    assert not list(tmp_path.iterdir())


def test_a_file_is_no_directory(run, fresh):
    code, _, err = run(fresh, "ls", "--cache-dir", "flows.py")
    assert code == 2
    assert "flows.py is a file, not a cache directory" in err


def test_an_empty_directory(run, ask, tmp_path):
    (tmp_path / "c").mkdir()
    assert run(tmp_path, "status", "--cache-dir", "c") == (1, ["no calls recorded in c"], "")
    assert ask(tmp_path, "status", "--cache-dir", "c")[1]["counts"]["calls"] == 0
    assert ask(tmp_path, "status", "--cache-dir", "c")[1]["state"] == "empty"
    for command in ("ls", "stats", "plan", "graph", "verify"):
        assert run(tmp_path, command, "--cache-dir", "c")[0] == 0
    assert not list((tmp_path / "c").iterdir())


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
@pytest.mark.parametrize("name", ["data", "runs", "other"])
def test_a_directory_of_other_things(run, own, command, name):
    """Also one that is marked as a cache, by others, or has folders of such names."""
    (own / "runs/code/runs").mkdir(parents=True)
    (own / "other").mkdir()
    (own / "other/CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n# of pytest\n")
    before = tree(own)
    for options in ((), ("-q",)):
        code, lines, err = run(own, *command, *options, "--cache-dir", name)
        assert (code, lines) == (2, [])
        assert f"{own / name} is not a cache directory: cachepy wrote nothing there; name one with --cache-dir DIR" in err
        assert err.count("\n") == 1
    assert tree(own) == before


def test_the_environment_names_the_directory(run, fresh, tmp_path, monkeypatch):
    monkeypatch.setenv("CACHEPY_DIR", str(fresh / ".cachepy"))
    assert run(tmp_path, "status")[1] == ["all 10 calls are fresh"]


@pytest.mark.two_users
def test_a_directory_that_may_not_be_read(run, own):
    """Root may read everything, and becomes somebody else for it, in a folder that anybody may enter."""
    import cachepy.preload  # noqa: F401 - nobody else may read the files of root's Python

    run(own, "status")
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "own")
        shutil.copytree(own, place)
        os.chmod(folder, 0o755), place.chmod(0o755), (place / ".cachepy").chmod(0)
        try:
            os.seteuid(65534) if is_root else None
            code, _, err = run(place, "status")
        finally:
            os.seteuid(0) if is_root else None
            os.chdir("/")
            (place / ".cachepy").chmod(0o700)
    assert code == 3
    assert f"{place / '.cachepy'} belongs to " in err and "is closed to you (mode 0000)" in err


def test_an_unreadable_graph_is_an_error(run, own):
    path = own / ".cachepy/graph.pkl"
    path.unlink()
    path.mkdir()
    code, _, err = run(own, "status", "-q")
    assert code == 3
    assert "graph.pkl" in err


@pytest.mark.parametrize("damage", ["cut", "middle", "gone"])
def test_a_damaged_graph_is_made_up_for_by_the_entries(run, own, damage):
    path = own / ".cachepy/graph.pkl"
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-9] if damage == "cut" else data[:300] + b"x" * 40 + data[340:])
    (own / "data/3.csv").write_text("9")
    code, lines, err = run(own, "status")
    assert (code, lines[0]) == (1, "10 calls: 3 stale, 7 fresh")
    assert "cachepy repair" in err
    code, again, err = run(own, "status")
    assert (code, again) == (1, lines)
    assert ("cachepy repair" in err) == (damage != "gone")  # what was lost is recorded again; damage stays to be mended


def test_a_foreign_graph_is_no_traceback(run, own):
    journal.write(str(own / ".cachepy/graph.pkl"), [("no", "event")])
    assert run(own, "status")[:2] == (0, ["all 10 calls are fresh"])


READING = [
    ("status",), ("explain", "load"), ("plan",), ("plan", "--import"), ("graph",), ("ls",), ("show", "alone", "--value"),
    ("refresh", "-n"), ("accept", "-n"), ("accept", "--undo", "-n"), ("log",),
    ("stats",), ("prune", "--older-than", "0", "--dry-run"), ("verify", "--rerun", "2"), ("repair", "--dry-run"),
    ("export", "--format", "graphml"), ("status", "--import"),
]  # fmt: skip


@pytest.fixture(scope="module")
def aged(tmp_path_factory):
    """Files large and old enough to be remembered when they have been read."""
    folder = build(tmp_path_factory.mktemp("cli") / "aged")
    past = time.time() - 100
    for path in folder.glob("data/*"):
        path.write_text("3 " * 30_000)
        os.utime(path, (past, past))
    return folder


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_asking_changes_nothing(run, aged, command, monkeypatch):
    monkeypatch.setattr("cachepy.store.files.YOUNG", -(10**18))  # what is read now is remembered
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    before = tree(aged)
    assert run(aged, *command)[0] in {0, 1}
    assert tree(aged) == before


# ---------------------------------------------------------------- JSON

REASON = "cue name old new call link where diff text"
SCHEMAS = {
    ("status",): "cache_dir state counts causes calls history unended unknown plain sources accepted unseen unimported",
    ("explain", "load"): "cache_dir calls history unseen unimported",
    ("plan",): "cache_dir calls counts certain possible seconds saved text history plain unseen unimported",
    ("graph",): "cache_dir nodes history unseen unimported",
    ("refresh", "--dry-run"): "cache_dir planned ran cut failed left remaining dry_run unimported",
    ("accept", "--dry-run"): "cache_dir planned accepted left renamed undo dry_run unimported",
    ("log",): "cache_dir runs",
    ("ls",): "cache_dir entries",
    ("stats",): "cache_dir functions total oldest newest dropped",
    (
        "show",
        "alone",
        "--value",
    ): "cache_dir id label module function arguments created elapsed cwd origin path size value_file runs "
    "result files parents children inputs env packages sources accepted history state reasons value unseen unimported",
    ("prune", "--dry-run"): "cache_dir entries size deleted forgotten dry_run",
    ("verify",): "cache_dir is_good entries bytes problems unrecorded missing reran stale unable differing others",
    ("repair", "--dry-run"): "cache_dir is_changed entries events rebuilt moved mended foreign leftovers dry_run",
    ("export", "--format", "dot"): "cache_dir format nodes content",
}
PARTS = {
    ("status", "causes"): "cue name where text calls above",
    ("status", "calls"): "id label state reasons",
    ("explain load", "calls"): "id label state reasons",
    ("plan", "calls"): "id label fname state reasons elapsed own doubt certain runs",
    ("graph", "nodes"): "id label fname module state parents children inputs files created elapsed",
    ("refresh --dry-run", "planned"): "id label fname state reasons elapsed own doubt certain runs",
    ("log", "runs"): "id label fname module run created elapsed size state host pid cwd",
    ("ls", "entries"): "id label fname module path size created elapsed runs outputs",
    ("prune --older-than 0 --dry-run", "entries"): "id label path size created",
}


@pytest.mark.parametrize("command", SCHEMAS, ids=" ".join)
def test_json_schemas(ask, run, stale, command):
    doc = ask(stale, *command)[1]
    assert doc.pop("schema") == f"cachepy.{command[0]}/1"
    assert set(doc) == set(SCHEMAS[command].split())
    assert doc["cache_dir"] == str(stale / ".cachepy")
    documented = "\n".join(run(stale, command[0], "--help")[1]).partition("Keys of the JSON document:")[2]
    assert set(doc) <= set(re.findall(r"\w+", documented))


@pytest.mark.parametrize(("command", "part"), PARTS, ids=str)
def test_json_schemas_of_parts(ask, stale, command, part):
    items = ask(stale, *command.split())[1][part]
    assert items
    assert all(set(item) == set(PARTS[command, part].split()) for item in items)
    reasons = [reason for item in items for reason in item.get("reasons", ())]
    assert all(set(reason) == set(REASON.split()) for reason in reasons)


@pytest.mark.parametrize(
    "before", [["--cache-dir", ".cachepy"], ["--cache-dir=.cachepy", "--json"], ["-q"], []], ids=str
)
def test_common_options_may_stand_first(run, stale, before):
    code, lines, _ = run(stale, *before, "status", "--root", "load")
    assert code == 1
    assert bool(lines) == (before != ["-q"])
    assert (lines[:1] == ["{"]) == ("--json" in before)
    assert run(stale, "--cache-dir", "/nope", "plan")[0] == 2
    assert run(stale, "--cache-dir")[0] == 2
    assert run(stale, *before)[0] == 2
    assert "Commands:" in run(stale, *before)[2]


def test_quiet_json_is_json(run, stale):
    code, lines, err = run(stale, "status", "--json", "-q")
    assert (code, err) == (1, "")
    assert json.loads("\n".join(lines))["counts"]["stale"] == 3


# ---------------------------------------------------------------- help


def test_every_command_has_a_help_with_an_example(run, fresh):
    from cachepy.cli.group import cachepy

    assert list(cachepy.commands) == [
        "status", "explain", "diff", "plan", "refresh", "accept", "graph", "log", "ls", "show", "stats", "prune", "verify",
        "repair", "export", "watch",
        "push", "pull", "merge", "config",
    ]  # fmt: skip
    for name in cachepy.commands:
        code, lines, _ = run(fresh, name, "--help")
        assert code == 0
        text = "\n".join(lines)
        assert f"Example:\n    cachepy {name}" in text or f"Example:\n  cachepy {name}" in text
        for option in ("--cache-dir DIR", "--json", "-q, --quiet"):
            assert option in text
        assert "\b" not in text  # click's mark, where it stands in the wrong place
    listing = run(fresh, "--help")[1]
    assert "\b" not in "\n".join(listing)
    assert not [line for line in listing[1:] if line.endswith("...")]
