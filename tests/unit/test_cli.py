"""The commands: what they answer, in text and in JSON, and with which exit code. In one process; see also test_cli_shell."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from cachepy.cli import main
from cachepy.disk import journal
from cachepy.disk.entryfile import MAGIC

PROGRAM = """
import os, sys
from pathlib import Path
from cachepy import cache_file, track_file

cached = cache_file(".cachepy", env_vars=["SCALE"])

def level(of):
    return of - of

LEVEL = level(1)

@cached
def load(path):
    assert not LEVEL
    return [float(word) for word in Path(path).read_text().split()]

@cached
def clean(values, least=1):
    return [value for value in values if value > least]

@cached
def report(title):
    return title, sum(sum(clean(load(f"data/{i}.csv"))) for i in range(4))

@cached
def alone(x):
    assert not LEVEL
    return x + 1

if __name__ == "__main__":
    print("hello")
    report("Übersicht")
    alone(3)
"""
UNCLEAR = PROGRAM.replace("level(1)", "level(2)")  # what its import would tell, its text does not
ROOT = Path(__file__).resolve().parents[2]


def build(folder):
    (folder / "data").mkdir(parents=True)
    for i in range(4):
        (folder / f"data/{i}.csv").write_text(f"1 2 {i + 3}")
    (folder / "flows.py").write_text(PROGRAM)
    rerun(folder)
    return folder


def rerun(folder, program="flows.py"):
    env = {k: v for k, v in os.environ.items() if k != "CACHEPY_DIR"} | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-B", program], cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)


CRATE = ("--name", "Rain", "--description", "Daily means", "--license", "https://spdx.org/licenses/CC-BY-4.0")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    return build(tmp_path_factory.mktemp("cli") / "fresh")


@pytest.fixture(scope="module")
def stale(tmp_path_factory):
    """One file changed."""
    folder = build(tmp_path_factory.mktemp("cli") / "stale")
    (folder / "data/3.csv").write_text("9 9")
    return folder


@pytest.fixture
def own(tmp_path):
    """For a test that changes it."""
    return build(tmp_path / "own")


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command in a folder: exit code, lines on stdout, text on stderr."""
    monkeypatch.delenv("CACHEPY_DIR", raising=False)
    before = dict(sys.modules)

    def called(folder, *args):
        monkeypatch.chdir(folder)
        monkeypatch.setenv("HOME", str(folder))  # above it, no folder is looked into
        with pytest.raises(SystemExit) as ended:
            main(args)
        out, err = capsys.readouterr()
        return ended.value.code, out.splitlines(), err

    yield called
    for name in sys.modules.keys() - before.keys() & {"flows", "leaving", "failing"}:
        del sys.modules[name]


@pytest.fixture
def ask(run):
    """Run a command with --json: exit code and document."""

    def called(folder, *args):
        code, lines, _ = run(folder, *args, "--json")
        return code, json.loads("\n".join(lines))

    return called


def tree(folder):
    """All that is below a folder: names, contents and times."""
    paths = sorted(folder.rglob("*"))
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in paths}


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
    rerun(tmp_path)
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
    rerun(tmp_path)
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
    rerun(own, "other.py")
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
    ("status",), ("explain", "load"), ("plan",), ("refresh", "-y"), ("graph",), ("log",), ("ls",), ("show", "load"),
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
    ("refresh", "-n"), ("log",),
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
    monkeypatch.setattr("cachepy.disk.files.YOUNG", -(10**18))  # what is read now is remembered
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    before = tree(aged)
    assert run(aged, *command)[0] in {0, 1}
    assert tree(aged) == before


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
    from cachepy.graph import read_events

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
        rerun(tmp_path / name, f"{name}.py")
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
    rerun(own)
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
    rerun(own)
    next(own.glob(".cachepy/entries/*/alone-*.entry")).unlink()
    assert run(own, "log", "boom")[1][0].split()[1:3] == ["-", "no"]
    states = {each["fname"]: each["state"] for each in ask(own, "log")[1]["runs"]}
    assert (states["boom"], states["alone"], states["load"]) == ("unended", "missing", "stored")


# ---------------------------------------------------------------- graph and export


def test_the_tree_shows_calls_with_states(run, stale):
    code, lines, _ = run(stale, "graph")
    assert code == 0
    assert lines[0] == "✓ alone(3)"
    assert lines[1] == "✗ report('Übersicht')  stale"
    assert lines[2] == "├─ ✓ load('0.csv')"
    assert lines[-1].startswith("└─ ✗ clean(")
    assert len(lines) == 10
    assert run(stale, "graph", "--root", "load")[1][-1] == "✗ load('3.csv')  stale"


def test_a_call_is_unfolded_once(run, stale):
    _, lines, _ = run(stale, "graph", "--root", "report", "--root", "load")
    assert lines[0].startswith("✗ report")
    assert len(lines) == 13
    assert {line[:2] for line in lines[9:]} == {"✓ ", "✗ "}


def test_a_shared_subtree_is_unfolded_once(run, tmp_path):
    (tmp_path / "flows.py").write_text(
        "from cachepy import cache_file\ncached = cache_file('.cachepy')\n"
        "@cached\ndef one(i):\n    return i\n@cached\ndef two(i):\n    return one(i)\n"
        "@cached\ndef a():\n    return two(1)\n@cached\ndef b():\n    return two(1)\na(), b()\n"
    )
    rerun(tmp_path)
    assert run(tmp_path, "graph")[1] == ["✓ a()", "└─ ✓ two(1)", "   └─ ✓ one(1)", "✓ b()", "└─ ✓ two(1)  (above)"]


def test_a_deep_tree_is_a_tree(run, tmp_path):
    (tmp_path / "flows.py").write_text(
        "from cachepy import cache_file\n@cache_file('.cachepy')\ndef down(n):\n    return n and down(n - 1)\ndown(60)\n"
    )
    rerun(tmp_path)
    assert run(tmp_path, "graph", "--by", "function")[1] == ["✓ flows.down  61 calls"]
    _, lines, _ = run(tmp_path, "graph")
    assert len(lines) == 61
    assert lines[-1].split() == ["[60]", "✓", "down(0)"]


def test_the_tree_folds_many_calls(run, ask, tmp_path):
    (tmp_path / "flows.py").write_text(
        "from cachepy import cache_file\ncached = cache_file('.cachepy')\n"
        "@cached\ndef one(i):\n    return i\n"
        "@cached\ndef many(n):\n    return [one(i) for i in range(n)]\nmany(30)\n"
    )
    rerun(tmp_path)
    _, lines, _ = run(tmp_path, "graph")
    assert len(lines) == 12
    assert lines[-1] == "└─ … 20 more: 20 fresh (--all shows them)"
    assert len(run(tmp_path, "graph", "--all")[1]) == 31
    assert len(ask(tmp_path, "graph")[1]["nodes"]) == 31


def test_the_tree_by_function(run, ask, stale):
    assert run(stale, "graph", "--by", "function")[1] == [
        "✓ flows.alone  1 call",
        "✗ flows.report  1 call  stale",
        "├─ ✗ flows.load  4 calls, 1 stale",
        "└─ ✗ flows.clean  4 calls, 1 stale",
    ]
    found = {each["fname"]: each for each in ask(stale, "graph", "--by", "function")[1]["functions"]}
    assert found["load"]["counts"] == {"stale": 1, "fresh": 3}
    assert found["load"]["parents"] == ["flows.report"]
    assert {each["state"] for each in found.values()} == {"fresh", "stale", "partly stale"}


@pytest.mark.parametrize(
    ("form", "partly", "whole"),
    [
        ("dot", r'"flows.load" \[label="load\\n4 calls, 1 stale", .*fillcolor="#1D3557", color="#FBBC04", penwidth=4',
         r'"flows.report" \[label="report\\n1 call\\nstale", .*fillcolor="#FBBC04"'),
        ("mermaid", r'\["load<br/>4 calls, 1 stale"\]:::partlyStale', r'\["report<br/>1 call<br/>stale"\]:::staleCall'),
    ],
)  # fmt: skip
def test_the_graph_by_function_for_other_tools(run, stale, form, partly, whole):
    text = "\n".join(run(stale, "graph", "--by", "function", "--format", form)[1])
    assert re.search(partly, text)
    assert re.search(whole, text)


def test_the_tree_by_file(run, ask, own):
    (own / "more.py").write_text(
        "from pathlib import Path\nfrom cachepy import cache_file, track_file\ncached = cache_file('.cachepy')\n"
        "@cached\ndef write(data):\n    Path('o.csv').write_text(data.read_text())\n    track_file(Path('o.csv'))\n"
        "write(Path('data/1.csv'))\n"
    )
    rerun(own, "more.py")
    (own / "data/1.csv").write_text("7")
    (own / "data/2.csv").unlink()
    lines = run(own, "graph", "--by", "file")[1]
    at = lines.index("✗ data/1.csv  changed")
    assert sorted(lines[at + 1 : at + 3]) == ["└─ ✗ write(1.csv)  stale", "├─ ✗ load('1.csv')  stale"]
    assert lines[at + 3 : at + 5] == ["✗ data/2.csv  gone", "└─ ✗ load('2.csv')  stale"]
    assert lines[-2:] == ["✓ o.csv", "└─ ✗ wrote: write(1.csv)  stale"]
    found = {Path(each["path"]).name: each for each in ask(own, "graph", "--by", "file")[1]["files"]}
    assert [found[name]["state"] for name in ("0.csv", "1.csv", "2.csv", "o.csv")] == [
        "unchanged", "changed", "gone", "unchanged",
    ]  # fmt: skip
    assert (len(found["1.csv"]["readers"]), len(found["o.csv"]["writers"])) == (2, 1)
    text = "\n".join(run(own, "graph", "--by", "file", "--format", "dot")[1])
    assert "report" not in text and "o.csv" in text


def test_functions_that_call_each_other_are_shown(run, tmp_path):
    (tmp_path / "flows.py").write_text(
        "from cachepy import cache_file\ncached = cache_file('.cachepy')\n"
        "@cached\ndef even(n):\n    return n == 0 or odd(n - 1)\n@cached\ndef odd(n):\n    return n != 0 and even(n - 1)\n"
        "even(4)\n"
    )
    rerun(tmp_path)
    assert run(tmp_path, "graph", "--by", "function")[1] == [
        "✓ flows.even  3 calls", "└─ ✓ flows.odd  2 calls", "   └─ ✓ flows.even  3 calls  (above)",
        "✓ flows.odd  2 calls  (above)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("by", "names"),
    [("call", ["load", "load", "load", "load", "report"]), ("function", ["load ×4", "report"]), ("file", ["load"] * 4)],
)
def test_a_picture_by_what_was_asked(run, stale, tmp_path, by, names):
    assert run(stale, "graph", "--by", by, "-o", str(tmp_path / "g.svg"))[0] == 0
    text = (tmp_path / "g.svg").read_text(encoding="utf-8")
    assert sorted(re.findall(r">((?:load|report)(?: ×.+)?)<", text)) == names


@pytest.mark.parametrize(
    ("name", "start"),
    [("g.svg", b"<?xml"), ("g.png", b"\x89PNG"), ("g.dot", b"digraph"), ("g.mmd", b"flowchart"), ("g.json", b"{")],
)
def test_the_graph_as_a_file(run, stale, tmp_path, name, start):
    code, lines, err = run(stale, "graph", "-o", str(tmp_path / name))
    assert (code, lines) == (0, [])
    assert f"wrote {tmp_path / name}" in err
    assert (tmp_path / name).read_bytes().startswith(start)


def test_a_picture_takes_a_direction_and_a_theme(run, stale, tmp_path):
    found = {}
    for options in ((), ("--direction", "calls"), ("--direction", "data"), ("--theme", "dark"), ("--theme", "light")):
        assert run(stale, "graph", "-o", str(tmp_path / "g.svg"), *options)[0] == 0
        found[options[-1:]] = (tmp_path / "g.svg").read_text("utf-8")
    assert found["calls",] == found["light",] == found[()]
    assert len(set(found.values())) == 3
    assert "called by" in found["data",]
    assert "fill: #12181f" in found["dark",]


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("graph", "--theme", "dark"), "--theme is for pictures: name a file, as in -o graph.svg"),
        (("graph", "-o", "g.dot", "--direction", "data"), "--direction is for pictures"),
        (("graph", "-o", "g.png", "--theme", "drk"), "'drk' is not one of"),
        (("graph", "-o", "x.foo"), "what to write to x.foo"),
        (("graph", "--format", "dot", "-o", "x.png"), "do not go together"),
        (("graph", "-o", "no/x.dot"), "there is no folder"),
        (("export",), "say --format"),
        (("export", "-o", "x.png"), "`cachepy graph -o x.png` draws it"),
        (("export", "-o", "no/x.html"), "there is no folder"),
        (("export", "--format", "pdf"), "'rocrate'"),
        (("export", "--format", "rocrate", "--name", "Rain"), "cannot do without --description, --license"),
        (("export", "--format", "rocrate", "--name", "R", "--description", "d", "--license", "CC"), "the URL of a licence"),
        (("export", "-o", "x.dot", "--author", "Ann"), "--author is for --format rocrate"),
        (("export", "-o", "x.json", "--format", "rocrate", *CRATE), "is called ro-crate-metadata.json, not x.json"),
        (("prune", "--older-than", "old"), "'old' is not an age"),
        (("prune", "--max-size", "10 horses"), "'10 horses' is not a size"),
        (("verify", "--rerun", "-1"), "--rerun"),
        (("show", "load"), "'load' has 4 calls; name one of them"),
        (("stat",), "did you mean stats or status?"),
        (("xyz",), "there are status, explain, plan"),
        (("status", "--nope"), "there is no option --nope here; `cachepy status --help` says more"),
        (("status", "--roots", "x"), "there is no option --roots here; did you mean --root? `cachepy status --help`"),
        (("status", "--output", "x"), "there is no option --output here: it is one of graph, ls, export; `"),
        (("--verison",), "did you mean --version? `cachepy --help` says more"),
        (("ls", "--sort", "siez"), "--sort: 'siez' is not one of 'age', 'size', 'time', 'name'; did you mean size? `"),
        (("explain",), "CALL is missing; `cachepy explain --help` says more"),
        (("ls", "a", "b"), "got unexpected extra argument (b); `cachepy ls --help` says more"),
        (("status", "--root"), "option '--root' requires an argument"),
        (("log", "--since", "soon"), "--since: 'soon' is no time: write 30min, 2h, 7d, or a date like"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else None,
)
def test_wrong_usage(run, fresh, args, text):
    code, lines, err = run(fresh, *args)
    assert (code, lines) == (2, [])
    assert text in err
    assert err.startswith("cachepy: error: ")
    assert "Traceback" not in err


@pytest.mark.parametrize("form", ["graphml", "dot", "mermaid", "json", "prov"])
def test_export(run, ask, fresh, tmp_path, form):
    _, lines, _ = run(fresh, "export", "--format", form)
    path = tmp_path / "out"
    assert run(fresh, "export", "--format", form, "-o", str(path))[0] == 0
    assert path.read_text().splitlines() == lines
    doc = ask(fresh, "export", "--format", form)[1]
    assert doc["content"].splitlines() == lines
    assert doc["nodes"] == 10


@pytest.mark.parametrize(
    ("name", "start"),
    [("g.graphml", "<graphml"), ("g.dot", "digraph"), ("g.gv", "digraph"), ("g.mmd", "flowchart"), ("g.json", '{\n  "'),
     ("g.html", "<!doctype html>"), ("g.prov.json", '{\n  "activity"')],
)  # fmt: skip
def test_the_end_of_the_file_says_the_form(run, fresh, tmp_path, name, start):
    assert run(fresh, "export", "-o", str(tmp_path / name))[0] == 0
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)


def test_a_crate_is_described_in_a_file_of_its_own_name(run, fresh, tmp_path):
    path = tmp_path / "ro-crate-metadata.json"
    assert run(fresh, "export", "-o", str(path), *CRATE, "--author", "Ann")[0] == 0
    names = {thing.get("name") for thing in json.loads(path.read_text())["@graph"]}
    assert {"Rain", "Ann"} <= names


def test_the_page_has_the_states(run, stale, tmp_path):
    code, _, err = run(stale, "export", "-o", str(tmp_path / "g.html"))
    assert (code, "--import" in err) == (0, False)
    assert "file 3.csv changed" in (tmp_path / "g.html").read_text(encoding="utf-8")


def test_an_export_of_nothing_says_so(run, tmp_path):
    (tmp_path / "c").mkdir()
    code, lines, err = run(tmp_path, "--cache-dir", "c", "export", "--format", "json")
    assert (code, json.loads("\n".join(lines))["nodes"]) == (0, [])
    assert "no calls recorded" in err


def test_graphml_is_read_back(run, fresh, tmp_path):
    import networkx as nx

    run(fresh, "export", "-o", str(tmp_path / "g.graphml"))
    assert len(nx.read_graphml(tmp_path / "g.graphml")) == 14


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
    rerun(own)
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
    rerun(tmp_path)
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
    rerun(own)
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
    rerun(own)
    code, doc = ask(own, "verify", "--rerun", "50")
    assert code == 1
    assert [d["label"] for d in doc["differing"]] == ["chance(1)"]


# ---------------------------------------------------------------- JSON

REASON = "cue name old new call link where diff text"
SCHEMAS = {
    ("status",): "cache_dir state counts causes calls history unended unknown plain unseen unimported",
    ("explain", "load"): "cache_dir calls history unseen unimported",
    ("plan",): "cache_dir calls counts certain possible seconds saved text history plain unseen unimported",
    ("graph",): "cache_dir nodes history unseen unimported",
    ("refresh", "--dry-run"): "cache_dir planned ran cut failed left remaining dry_run unimported",
    ("log",): "cache_dir runs",
    ("ls",): "cache_dir entries",
    ("stats",): "cache_dir functions total oldest newest dropped",
    (
        "show",
        "alone",
        "--value",
    ): "cache_dir id label module function arguments created elapsed cwd origin path size runs "
    "result files parents children inputs env packages history state reasons value unseen unimported",
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
    from cachepy.commands import cachepy

    assert list(cachepy.commands) == [
        "status", "explain", "plan", "refresh", "graph", "log", "ls", "show", "stats", "prune", "verify", "repair",
        "export",
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
