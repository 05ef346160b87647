"""Kinds of deps: each is one class and one line in a table, and nothing else compares kinds by name."""

from __future__ import annotations

import ast
import importlib
import json
import sys
from pathlib import Path

import pytest

import cachepy
from cachepy.cli import exit_codes
from cachepy.cli.main import main
from cachepy.core import model
from cachepy.core.kinds import CALLS, FILES, KINDS, PATHS, Kind
from cachepy.core.model import Dep
from cachepy.core.reasons import Reason
from cachepy.core.verify import Verifier
from cachepy.errors import ChangedInputWarning
from cachepy.session import Session, current_session, use_session
from cachepy.store import files
from cachepy.values.digest import digest_bytes

ROOT = Path(__file__).resolve().parents[2]
WORDS = {name: word for name, word in vars(model).items() if name.isupper() and type(word) is str}
HOME = {"cachepy/core/kinds.py", "cachepy/core/model.py"}  # the classes; the words, and what an effect is made of
PICTURES = {
    "bands", "canvas", "captions", "label_room", "layers", "letters", "origins", "picture", "picture_layout", "scene",
    "themes",
}  # fmt: skip
MODULES = {
    path.relative_to(ROOT).as_posix(): path
    for package in ("cachepy", "dask_plugin")
    for path in sorted((ROOT / package).rglob("*.py"))
    if path.stem not in PICTURES  # they have kinds of boxes and lines, and import nothing that knows a dep
}
_SETS = {"frozenset", "set", "tuple", "list"}


def comparisons(source: str) -> list[str]:
    """Where code compares kinds of deps by name, or gathers some of them to do so."""
    tree = ast.parse(source)
    words = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in ("cachepy.core.model", "cachepy.core.kinds")
        for alias in node.names
        if alias.name in WORDS
    }

    def is_word(node: ast.AST) -> bool:
        of_model = isinstance(node, ast.Attribute) and node.attr in WORDS and ast.unparse(node.value).endswith("model")
        return of_model or (isinstance(node, ast.Name) and node.id in words)

    def mentions(node: ast.AST) -> bool:
        """Whether it is a word or holds one; a dep that is made of one is none."""
        if isinstance(node, ast.Call) and ast.unparse(node.func) not in _SETS:
            return False
        return is_word(node) or any(map(mentions, ast.iter_child_nodes(node)))

    def is_kind(node: ast.AST) -> bool:
        return isinstance(node, (ast.Name, ast.Attribute)) and ast.unparse(node).rpartition(".")[2] in ("kind", "word")

    def is_text(node: ast.AST) -> bool:
        inner = node.elts if isinstance(node, (ast.Tuple, ast.List, ast.Set)) else [node]
        return any(isinstance(each, ast.Constant) and each.value in WORDS.values() for each in inner)

    def compares(node: ast.AST) -> bool:
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            return any(map(mentions, sides)) or (any(map(is_kind, sides)) and any(map(is_text, sides)))
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            return bool(node.elts) and all(map(is_word, node.elts))
        if isinstance(node, ast.Dict):
            return any(key is not None and is_word(key) for key in node.keys)
        return isinstance(node, ast.Match) and is_kind(node.subject)

    return [f"{node.lineno}: {ast.unparse(node)}" for node in ast.walk(tree) if compares(node)]


IMPORT = "from cachepy.core.model import CODE, FILE, ABSENT_PATH, Dep\n"


@pytest.mark.parametrize(
    "text",
    [
        "dep.kind == FILE",
        "kind != FILE",
        "kind in (FILE, ABSENT_PATH)",
        "any((FILE, path) in deps for path in paths)",
        "PATHS = FILE, ABSENT_PATH",
        "PATHS = frozenset({FILE})",
        "digest_of = {FILE: 1, CODE: 2}",
        "kind == 'file'",
        "dep.kind in ('file', 'name')",
        "match dep.kind:\n    case 'file': pass",
        "from cachepy.core import model\ndep.kind == model.FILE",
    ],
)
def test_a_comparison_of_kinds_is_found(text):
    assert comparisons(IMPORT + text) != []


@pytest.mark.parametrize(
    "text",
    [
        "dep.kind in FILES",
        "KINDS[dep.kind].holds(dep, trace, world)",
        "Dep(FILE, path, digest) in written",
        "frame.deps[CODE, name] = digest",
        "note(((CODE, name, digest),))",
        "record.kind == 'event'",
        "cue == 'file'",
    ],
)
def test_what_compares_no_kinds_is_left_alone(text):
    assert comparisons(IMPORT + text) == []


@pytest.mark.parametrize("name", sorted(MODULES.keys() - HOME))
def test_nothing_but_the_kinds_compares_kinds_by_name(name):
    found = comparisons(MODULES[name].read_text(encoding="utf-8"))
    assert found == [], "ask the kind: KINDS[dep.kind], or a set of kinds that have a trait (see core/kinds)"


def test_every_word_has_its_kind():
    assert {word: kind.word for word, kind in KINDS.items()} == {word: word for word in WORDS.values()}


PROGRAM = """
from cachepy import cache_file
from cachepy.core.model import Dep
from cachepy.core.current import caller

RAN = []

@cache_file("cache", ignore_globals=["RAN", "SEEN"], observe=False)
def shape(x):
    RAN.append(x)
    caller().add(Dep("tool", "bin/mesher", SEEN()))
    return x + 1

@cache_file("cache", ignore_globals=["RAN"], observe=False)
def report(x):
    return shape(x) * 2
"""


class Tool(Kind):
    """A program that a call starts. name: its path; digest: of what it is made of."""

    word = "tool"
    traits = "content", "path"

    def now(self, name, world):
        path = Path(name)
        return digest_bytes(path.read_bytes()) if path.exists() else None

    def located(self, cwd, name):
        return str(Path(cwd, name))

    def watch(self, dep, watch):
        return watch.check(lambda: self.now(dep.name, None) == dep.digest)


@pytest.fixture
def tools():
    KINDS.add(Tool())
    yield KINDS
    KINDS.drop("tool")


@pytest.fixture
def flow(tmp_path, monkeypatch, tools):
    """A program whose calls depend on a tool."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/mesher").write_text("version 1")
    (tmp_path / "with_tool.py").write_text(PROGRAM)
    sys.modules.pop("with_tool", None)
    importlib.invalidate_caches()
    with use_session(Session()):
        module = importlib.import_module("with_tool")
        module.SEEN = lambda: tools["tool"].now("bin/mesher", None)
        yield module
    sys.modules.pop("with_tool", None)


def edit(tmp_path):
    (tmp_path / "bin/mesher").write_text("version 2, which is longer")


def ran(flow, x=1):
    """Which calls ran, as `report` is called."""
    del flow.RAN[:]
    assert flow.report(x) == (x + 1) * 2
    return flow.RAN


def test_a_new_kind_is_in_the_sets_of_its_traits_and_goes_again(tools):
    assert "tool" in FILES and "tool" in PATHS and "tool" not in CALLS
    tools.drop("tool")
    assert "tool" not in FILES | PATHS
    tools.add(Tool())


def test_a_new_kind_stands_in_the_trace_and_decides_on_hits(flow, tmp_path):
    assert ran(flow) == [1]
    deps = [dep for event in current_session().graph.events() for dep in event.trace.deps if dep.kind == Tool.word]
    assert deps == [Dep("tool", "bin/mesher", Tool().now("bin/mesher", None))]
    with use_session(Session()):
        assert ran(flow) == []
    edit(tmp_path)
    with use_session(Session()):
        assert ran(flow) == [1]
        assert ran(flow) == []


def test_a_run_in_which_it_changed_is_not_stored(flow, tmp_path):
    before = flow.SEEN()
    flow.SEEN = lambda: edit(tmp_path) or before
    with pytest.warns(ChangedInputWarning, match="bin/mesher changed while shape ran"):
        assert flow.shape(1) == 2
    assert flow.shape.explain(1).state == "missing"


def test_it_is_looked_at_by_its_own_name_from_another_folder(flow, tmp_path, monkeypatch):
    ran(flow)
    (tmp_path / "other/bin").mkdir(parents=True)
    (tmp_path / "other/bin/mesher").write_text("version 1")
    monkeypatch.chdir(tmp_path / "other")
    assert ran(flow) == []
    (tmp_path / "other/bin/mesher").write_text("another one")
    assert ran(flow) == [1], "a relative name means another file here"


@pytest.mark.filterwarnings("ignore:.*caching makes it slower")
def test_a_check_that_fails_leaves_the_call_to_the_long_way(flow, monkeypatch):
    def fail(self, dep, watch):
        return watch.check(lambda: 1 / 0)

    monkeypatch.setattr(Tool, "watch", fail)
    monkeypatch.setattr(files, "YOUNG", 0)
    for _ in range(4):
        ran(flow)
    assert ran(flow) == []


@pytest.mark.filterwarnings("ignore:.*caching makes it slower")
def test_the_fast_path_watches_a_new_kind(flow, tmp_path, monkeypatch):
    verified, holds = [], Verifier.holds
    monkeypatch.setattr(Verifier, "holds", lambda self, trace: verified.append(self.own) or holds(self, trace))
    monkeypatch.setattr(files, "YOUNG", 0)
    for _ in range(4):
        ran(flow)
    del verified[:]
    assert ran(flow) == []
    assert verified == [], "it is not hot"
    edit(tmp_path)
    assert ran(flow) == [1]
    assert verified != []


def test_explain_names_what_changed_of_a_new_kind(flow, tmp_path):
    ran(flow)
    assert flow.report.explain(1).state == "fresh"
    before = flow.SEEN()
    edit(tmp_path)
    verdict = flow.report.explain(1)
    assert str(verdict) == "stale: shape(1) below it is stale: tool bin/mesher changed"
    assert verdict.reasons[0] == Reason("tool", "bin/mesher", before, flow.SEEN(), "shape(1)", "below")


def test_status_tells_of_a_new_kind_from_any_folder(flow, tmp_path, monkeypatch, capsys):
    ran(flow)
    edit(tmp_path)
    monkeypatch.chdir(tmp_path / "bin")
    with pytest.raises(SystemExit) as ended:
        main(["status", "--cache-dir", str(tmp_path / "cache"), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert ended.value.code == exit_codes.STALE
    assert {call["label"]: call["state"] for call in told["calls"]} == {"shape(1)": "stale", "report(1)": "stale"}
    assert f"tool {tmp_path}/bin/mesher changed" in json.dumps(told)


def test_an_export_shows_the_file_of_a_new_kind(flow, tmp_path):
    ran(flow)
    path = str(tmp_path / "bin/mesher")
    (node,) = [node for node in cachepy.cache_tree_nodes().values() if node["fname"] == "shape"]
    assert node["file_hashes"] == {path: flow.SEEN()}
    assert path in cachepy.cache_tree_to_json()
    graph = cachepy.cache_tree_to_networkx()
    assert [data["path"] for _, data in graph.nodes(data=True) if data["kind"] == "file"] == [path]


def test_a_kind_of_another_version_never_holds_and_says_so(flow, tools):
    ran(flow)
    tools.drop("tool")
    try:
        verdict = flow.shape.explain(1)
        assert str(verdict) == "stale: tool bin/mesher cannot be found in this process"
    finally:
        tools.add(Tool())
