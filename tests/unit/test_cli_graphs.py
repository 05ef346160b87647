"""The commands that show and write the graph: graph and export."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli_project import build, build_stale, commands, in_json

from tests.programs import Project

CRATE = ("--name", "Rain", "--description", "Daily means", "--license", "https://spdx.org/licenses/CC-BY-4.0")


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
    Project(tmp_path).run("flows.py")
    assert run(tmp_path, "graph")[1] == ["✓ a()", "└─ ✓ two(1)", "   └─ ✓ one(1)", "✓ b()", "└─ ✓ two(1)  (above)"]


def test_a_deep_tree_is_a_tree(run, tmp_path):
    (tmp_path / "flows.py").write_text(
        "from cachepy import cache_file\n@cache_file('.cachepy')\ndef down(n):\n    return n and down(n - 1)\ndown(60)\n"
    )
    Project(tmp_path).run("flows.py")
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
    Project(tmp_path).run("flows.py")
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
    Project(own).run("more.py")
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
    Project(tmp_path).run("flows.py")
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
        (("xyz",), "there are status, explain, diff, plan"),
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
