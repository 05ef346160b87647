"""The import rules of design section 10: imports run one way, as listed, and `import cachepy` is light."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.programs import Project

ROOT = Path(__file__).resolve().parents[2]

# module -> what it may import of cachepy; every module may import errors
ALLOWED: dict[str, set[str]] = {
    # on the top level: the design's nouns, and what stands beside them
    "__init__": set(),
    "export": set(),
    "exits": set(),
    "errors": set(),
    "refusal": set(),
    "model": {"notebook", "prompt", "sentences"},
    "world": set(),
    "kinds": {"model"},
    "verify": {"kinds", "model"},
    "digest": {"flat", "found", "modules", "pickler", "registry"},
    "plot": {"captions", "export", "picture", "scene", "themes"},
    "paths": {"digest"},
    "key": {"digest", "flat", "paths"},
    "opened": {"kinds", "model"},
    "program": {"endings", "programs", "trace"},
    "trace": {"kinds", "journal", "mailbox", "model", "opened", "tidy"},
    "store": {
        "entryfile", "extent", "handling", "journal", "meta", "model", "mounts", "moved", "packed", "places", "sizes",
        "trust", "wire",
    },
    "code": {
        "bytecode", "digest", "extensions", "facts", "guard", "imports", "methods", "model", "modules", "pieces", "walk",
    },
    "graph": {"kinds", "guard", "handling", "journal", "packed", "table", "wire", "writers"},
    "probe": {"changes", "code", "digest", "model", "modules", "refusal", "source"},
    "hot": {
        "code", "digest", "files", "flat", "guard", "key", "kinds", "modules", "mounts", "opened", "patterns", "probe",
        "program", "store", "trace",
    },
    "sink": {"compact", "graph", "guard", "lacking", "lazyparts", "packed", "probe"},
    "parts": set(),
    "methods": set(),
    "preload": set(),
    "hooks": {"trace"},
    "lazyparts": set(),
    "functions": set(),
    "namer": {"bytecode", "code", "digest", "found", "members"},
    "session": {
        "claims", "code", "edited", "files", "functions", "graph", "hooks", "kinds", "lazyparts", "model", "modules", "mounts", "namer",
        "opened", "outbox", "parts", "patterns", "places", "probe", "refusal", "sink", "sizes", "slow", "source", "statmemo", "store",
        "stored_code", "trace", "trust", "written",
    },
    "answers": {"tabled"},
    "api": {"answers", "lacking", "programs", "session"},
    "questions": {"kinds", "tabled", "flows", "key", "model", "program", "refusal", "session", "stock"},
    "engine": {
        "bypass", "closures", "code", "guard", "handling", "key", "kin", "model", "namer", "nearest", "options", "request",
        "session", "sizes",
    },
    "decorator": {"engine", "guard", "lazyparts", "methods", "options", "program", "questions", "request", "session"},
    "cli": {"commands", "exits"},
    "__main__": {"cli"},
    # values/
    "amounts": set(),
    "owners": set(),
    "modules": {"methods", "owners"},
    "flat": set(),
    "label": {"methods"},
    "fresh": set(),
    "sentences": set(),
    "prompt": set(),
    "found": {"methods", "modules"},
    "rules": {"found", "methods", "modules"},
    "registry": {"found", "hints", "lazy", "methods", "modules", "recipes", "rules"},
    "arrow": {"found", "rules"},
    "hints": {"found"},
    "sharing": {"found", "rules"},
    "sketch": {"flat", "rules"},
    "pickler": {"flat", "found", "refused", "sharing"},
    "recipes": {"arrow", "found", "labelled", "rules"},
    "labelled": {"found", "rules"},
    "lazy": {"found"},
    "refused": {"found", "modules", "rules"},
    # rows/
    "wire": {"limited"},
    "limited": set(),
    "plain": set(),
    "shape": {"kinds"},
    "packed": {"kinds", "model", "wire"},
    "intake": {"kinds", "model", "moved", "packed", "shape"},
    "moved": {"model", "wire"},
    # disk/
    "trust": set(),
    "sizes": {"amounts"},
    "tidy": {"entryfile", "handling", "journal"},
    "entryfile": {"handling", "mapping", "plain", "trust"},
    "locks": set(),
    "mapping": {"handling", "mounts"},
    "handling": {"trust"},
    "payload": {"modules"},
    "owner": {"entryfile"},
    "extent": {"handling", "locks"},
    "refusals": {"entryfile", "handling", "places", "trust"},
    "places": {"handling"},
    "mounts": set(),
    "statmemo": {"handling"},
    "changed": {"payload"},
    "kept": {"modules", "payload", "wire"},
    "keeper": set(),
    "claims": {"handling", "keeper", "owner"},
    "files": {"handling", "mounts", "statmemo"},
    "patterns": {"handling", "paths"},
    "journal": {"handling", "intake", "packed", "shape", "wire"},
    "mailbox": {"handling", "journal", "shape"},
    "meta": {"intake", "model", "packed", "places", "shape", "wire"},
    # reach/
    "bytecode": set(),
    "guard": set(),
    "members": {"methods", "rules"},
    "facts": {"bytecode"},
    "dynamic": {"facts", "members", "modules"},
    "extensions": {"members", "modules"},
    "asked": {"digest", "members", "rules"},
    "settings": {"modules"},
    "patches": {"guard", "members", "methods", "modules", "found", "settings"},
    "scopes": {"extensions", "guard", "members", "modules", "patches", "pieces"},
    "imports": {"facts", "guard", "modules", "patches", "scopes"},
    "notes": {"bytecode", "digest", "hints", "modules"},
    "pieces": {"digest", "label", "model"},
    "source": {"bytecode", "digest", "edited", "pieces", "wire"},
    "edited": {"kinds", "found", "modules"},
    "atimport": set(),
    "constants": set(),
    "outline": set(),
    "project": {"outline"},
    "bindings": {"atimport", "constants", "digest", "found", "outline", "pieces", "project"},
    "toplevel": {"outline"},
    "written": {"bindings", "constants", "digest", "kinds", "modules", "outline", "owners", "project", "toplevel"},
    "routes": {"facts", "members", "modules"},
    "walk": {
        "asked", "digest", "dynamic", "extensions", "facts", "guard", "imports", "members", "methods", "modules", "notes",
        "patches", "pieces", "refused", "routes", "found", "scopes", "settings",
    },
    "changes": {"model", "pieces", "source"},
    # recording/
    "links": {"kinds", "model", "numbers", "packed", "writers"},
    "writers": {"kinds", "label", "model", "packed"},
    "renewed": {"kinds", "model", "owner", "packed"},
    "numbers": {"packed"},
    "programs": {"handling", "places", "tidy"},
    "leaving": set(),
    "endings": {"handling", "leaving", "owners", "programs", "store"},
    "outbox": {"kinds", "journal", "model", "shape"},
    "table": {"guard", "intake", "journal", "links", "model", "moved", "packed", "shape", "wire"},
    "lacking": {"compact", "entryfile", "handling", "meta", "model", "moved", "packed", "places", "table"},
    "within": {"amounts", "entryfile", "handling", "locks", "meta", "places", "store"},
    "compact": {"kinds", "handling", "journal", "locks", "model", "packed", "places", "store", "table", "tidy"},
    "stored_code": {"compact", "edited", "pieces", "places", "source"},
    # calls/
    "bypass": {"program", "refusal", "session", "trace"},
    "deadlock": set(),
    "loops": set(),
    "options": {"sizes", "trust"},
    "config": {"options"},
    "outputs": {"kinds", "files", "model"},
    "flows": {"label", "paths"},
    "given": {"changed", "digest", "flat", "kept", "rules", "sketch"},
    "nearest": {"digest", "flows", "fresh", "label", "model", "numbers", "places", "renewed"},
    "motion": {"deadlock", "owner"},
    "patience": {"motion", "owner"},
    "waiting": {"deadlock", "patience", "trace"},
    "closures": {"code", "digest", "members", "model", "modules", "namer", "found"},
    "inputs": {
        "kinds", "closures", "code", "flat", "flows", "given", "kept", "model", "namer", "nearest", "numbers", "outputs", "paths", "patterns", "probe",
        "routes", "trace", "verify",
    },
    "kin": {"handling", "journal", "mailbox", "opened", "owner", "session"},
    "unseen": {"functions", "kinds", "kin", "model", "places", "routes", "session"},
    "codes": {"code", "digest", "members", "modules", "probe"},
    "again": {"changed", "kinds", "code", "kept", "model", "refusal", "session", "wire"},
    "carry": {"kin", "lazyparts", "opened", "options", "places", "refusal", "session", "trace"},
    "request": {"code", "label", "model", "nearest", "places", "probe", "program", "session", "store", "tidy", "trace", "verify"},
    "track": {"bypass", "kin", "session", "trace"},
    "revive": {"kinds", "again", "model", "trace", "verify"},
    "run": {
        "kinds", "again", "bypass", "changed", "digest", "entryfile", "flat", "handling", "inputs", "label", "model", "nearest", "opened", "outputs",
        "payload", "program", "session", "trace", "unseen", "within",
    },
    "slow": {"extensions", "hooks", "hot", "imports", "miss", "registry"},
    "miss": {
        "bypass", "changes", "claims", "closures", "graph", "key", "loops", "model", "namer", "opened", "paths", "refusal", "revive", "run",
        "session", "source", "trace",
        "waiting", "pickler",
    },
    # asking/
    "progress": set(),
    "holding": {"kinds", "model", "packed"},
    "unended": {"claims", "owner", "places"},
    "unplaced": {"numbers", "packed"},
    "jobs": {"again", "changed", "code", "model", "session", "trace"},
    "folders": {"kinds", "model", "moved", "packed", "source"},
    "importer": {"code", "probe", "refusal", "session", "wire"},
    "child": {"importer", "refusal", "wire"},
    "imported": {"child", "folders", "importer", "model", "pieces", "refusal"},
    "declared": {"constants", "options", "outline"},
    "sources": {
        "kinds", "probe", "bindings", "changes", "declared", "digest", "facts", "model", "modules", "moved", "outline", "owners", "parts", "pieces",
        "project", "source", "written",
    },
    "stale": {
        "kinds", "answers", "api", "graph", "holding", "imported", "model", "modules", "packed", "probe", "progress", "refusal", "refusals",
        "renewed", "session", "sources", "verify",
    },
    "causes": {"amounts", "model"},
    "plan": {"amounts", "model", "progress", "prompt", "session", "stale", "verify"},
    "refresh": {
        "again", "code", "jobs", "model", "numbers", "plan", "probe", "program", "progress", "prompt", "refusal", "session", "stale",
        "verify",
    },
    # upkeep/
    "stock": {"entryfile", "meta", "moved", "options", "packed", "places", "progress", "store", "tidy"},
    "examine": {
        "entryfile", "files", "graph", "handling", "locks", "meta", "model", "moved", "places", "programs", "source",
        "statmemo", "store", "table", "wire",
    },
    "aside": {"examine", "handling", "model", "places", "trust"},
    "rewrite": {"examine", "graph", "journal", "locks", "packed", "wire"},
    "forget": {"examine", "rewrite", "session"},
    "leftovers": {"kinds", "programs", "claims", "handling", "model", "owner", "packed", "places", "session", "stock", "store"},
    "trial": {"again", "claims", "files", "given", "guard", "model", "payload", "refusal", "session", "statmemo", "store", "trace"},
    "maintain": {
        "programs", "amounts", "compact", "sizes", "within", "forget", "leftovers", "places", "refusal", "session",
        "stock", "store",
    },
    "check": {"amounts", "examine", "model", "places", "stock", "store", "trial"},
    "repair": {
        "amounts", "aside", "check", "claims", "compact", "entryfile", "examine", "handling", "leftovers", "meta", "model",
        "owner", "packed", "payload", "places", "progress", "refusal", "rewrite", "session", "stock", "store",
    },
    # drawing/
    "bands": set(),
    "layers": set(),
    "letters": set(),
    "origins": {"export", "letters"},
    "captions": {"amounts", "export", "letters", "origins"},
    "layout": {"bands", "layers"},
    "scene": {"captions", "export", "letters"},
    "themes": {"captions"},
    "room": {"layout"},
    "canvas": {"captions", "layout", "scene", "themes"},
    "picture": {"bands", "canvas", "captions", "layout", "room", "scene", "themes"},
    # forms/
    "notebook": {"amounts", "export"},
    "grouped": {"amounts", "export"},
    "tabled": {"amounts", "export", "grouped", "handling", "letters", "model", "notebook"},
    "provenance": {"__init__", "export"},
    "crate": {"export", "provenance"},
    "page": {"amounts", "api", "captions", "packing", "stale"},
    "packing": {"captions", "causes", "export", "letters", "model"},
    "show": {"api", "captions", "crate", "export", "notebook", "plot", "provenance", "stale"},
    "view": {"amounts", "api", "captions", "model", "notebook", "scene", "show", "stale"},
    # commands/
    "commands": {
        "kinds", "__init__", "amounts", "api", "causes", "changed", "check", "crate", "exits", "export", "files", "graph", "grouped",
        "handling", "imported", "jobs", "lacking", "maintain", "model", "options", "owner", "page", "plan",
        "progress", "provenance", "refresh", "repair", "session", "show", "stale", "statmemo", "stock", "unended",
        "unplaced",
    },
}  # fmt: skip

# imports inside a function that close a loop on purpose: (importer, imported)
LATE = {
    ("session", "slow"),  # made when a call is no hit
    ("answers", "tabled"),  # reached only when somebody looks at an answer
    ("questions", "tabled"),  # likewise, at a cached function
    ("model", "notebook"),  # reached only when a notebook shows a record
    ("provenance", "__init__"),  # for the version
}

# the parts of cachepy that dask_plugin may use
PUBLIC_TO_DASK = {
    "__init__", "api", "carry", "codes", "engine", "errors", "graph", "guard", "hooks", "jobs", "kinds", "methods", "model", "program", "session", "sink",
    "trace", "wire",
}

HEAVY = {"dask", "distributed", "matplotlib", "networkx", "numpy", "pandas", "pyarrow", "polars"}
NOT_AT_IMPORT = HEAVY | {"dask_plugin", "inspect", "dataclasses", "rich", "click", "yaml", "cloudpickle"}
NOT_AT_A_HIT = {"re", "enum", "json", "_pickle", "functools", "collections", "types", "copyreg"}

Import = tuple[str, bool]  # dotted name, whether it runs when the module is imported


def is_typing_block(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def imports(source: str, package: str, *, typing_too: bool = False) -> set[Import]:
    """All imports of a module of *package*, as absolute names; `from a import b` counts as `a.b`."""
    found: set[Import] = set()

    def visit(node: ast.AST, *, at_import: bool) -> None:
        if isinstance(node, ast.Import):
            found.update((alias.name, at_import) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(filter(None, [package if node.level else "", node.module]))
            found.update((f"{base}.{alias.name}", at_import) for alias in node.names)
        children = ast.iter_child_nodes(node)
        if is_typing_block(node) and not typing_too:
            children = iter(node.orelse)
        inner = at_import and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in children:
            visit(child, at_import=inner)

    visit(ast.parse(source), at_import=True)
    return found


def modules(package: str) -> dict[str, Path]:
    """All modules of a package, dotted; the `__init__` of a folder in it holds a docstring only, as a test says."""
    folder = ROOT / package
    found = {".".join(p.relative_to(folder).with_suffix("").parts): p for p in sorted(folder.rglob("*.py"))}
    return {name: path for name, path in found.items() if not is_folder(name)}


def is_folder(name: str) -> bool:
    return name.endswith(".__init__") and not name.startswith("commands.")


def part_of(name: str) -> str:
    """The commands have one rule for all their modules, every other module has its own, by its name alone."""
    return "commands" if name.startswith("commands.") else name.rpartition(".")[2]


def folder_of(name: str) -> str:
    """The folder of a module; one on the top level stands for itself."""
    return name.partition(".")[0]


def module_of(dotted: str) -> str:
    """Which module an import means; a name that is no module comes from `__init__`."""
    parts = dotted.split(".")[1:]
    ends = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((name for name in ends if name in CACHEPY or name == "commands"), "__init__")


def modules_meant(names: set[Import]) -> set[str]:
    return {module_of(name) for name, _ in names if name.split(".")[0] == "cachepy"}


def parts_of_cachepy(names: set[Import]) -> set[str]:
    return {part_of(name) for name in modules_meant(names)}


def without_late(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    return {name: {other for other in others if (name, other) not in LATE} for name, others in graph.items()}


CACHEPY = modules("cachepy")
DASK_PLUGIN = modules("dask_plugin")


@pytest.mark.parametrize("name", CACHEPY)
def test_cachepy_imports_as_listed(name):
    part = part_of(name)
    assert part in ALLOWED, f"cachepy/{name}.py is new: say in ALLOWED what it may import"
    used = parts_of_cachepy(imports(CACHEPY[name].read_text(encoding="utf-8"), "cachepy"))
    extra = used - ALLOWED[part] - {"errors", part}
    assert not extra, f"cachepy/{name}.py must not import {sorted(extra)}"


def test_imports_run_one_way():
    used: dict[str, set[str]] = {}
    for name, path in CACHEPY.items():
        part = part_of(name)
        found = parts_of_cachepy(imports(path.read_text(encoding="utf-8"), "cachepy"))
        used.setdefault(part, set()).update(found - {part})
    try:
        TopologicalSorter(without_late(used)).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {' -> '.join(error.args[1])}")


def test_imports_between_folders_run_one_way():
    used: dict[str, set[str]] = {}
    for name, path in CACHEPY.items():
        meant = modules_meant(imports(path.read_text(encoding="utf-8"), "cachepy"))
        found = {folder_of(other) for other in meant if (part_of(name), part_of(other)) not in LATE}
        used.setdefault(folder_of(name), set()).update(found - {folder_of(name)})
    try:
        TopologicalSorter(used).prepare()
    except CycleError as error:
        pytest.fail(f"folders import each other: {' -> '.join(error.args[1])}")


def test_the_map_names_every_module():
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE))
    names = {part_of(name) for name in CACHEPY} - {"__init__", "commands"}
    assert names - rows == set()


def test_a_name_is_used_for_one_module():
    names = [part_of(name) for name in CACHEPY if not name.startswith("commands.")]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("path", sorted((ROOT / "cachepy").glob("*/__init__.py")), ids=lambda path: path.parent.name)
def test_a_folder_says_what_it_holds(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    assert path.parent.name == "commands" or len(tree.body) == 1, "importing one module must not load its neighbours"


def test_the_rules_themselves_run_one_way():
    TopologicalSorter(without_late(ALLOWED)).prepare()


@pytest.mark.parametrize("name", CACHEPY)
def test_cachepy_never_imports_dask(name):
    found = imports(CACHEPY[name].read_text(encoding="utf-8"), "cachepy", typing_too=True)
    tops = {dotted.split(".")[0] for dotted, _ in found}
    assert not tops & {"dask", "distributed", "dask_plugin"}


@pytest.mark.parametrize("name", CACHEPY)
def test_heavy_libraries_are_imported_where_they_are_used(name):
    found = imports(CACHEPY[name].read_text(encoding="utf-8"), "cachepy")
    tops = {dotted.split(".")[0] for dotted, at_import in found if at_import}
    assert not tops & HEAVY, "import it inside the function that needs it"


@pytest.mark.parametrize("name", DASK_PLUGIN)
def test_dask_plugin_uses_only_public_parts(name):
    found = imports(DASK_PLUGIN[name].read_text(encoding="utf-8"), "dask_plugin")
    assert not parts_of_cachepy(found) - PUBLIC_TO_DASK


CHANGING = {"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"}


def is_session(node: ast.expr, names: set[str]) -> bool:
    """Whether an expression is a session, as far as its text tells."""
    match node:
        case ast.Name(id=name):
            return name in names
        case ast.Attribute(attr="session"):
            return True
        case ast.Call(func=ast.Name(id="current_session" | "Session")):
            return True
    return False


def is_of_session(node: ast.AST, names: set[str]) -> bool:
    """Whether it is an attribute of a session, or an item of one."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return isinstance(node, ast.Attribute) and is_session(node.value, names)


def changes_of_sessions(source: str) -> list[str]:
    """What a module assigns, deletes or changes of what hangs on a session."""
    tree = ast.parse(source)
    named = {"session"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and is_session(node.value, named):
            named |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    found: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
                found += [ast.unparse(node)] if is_of_session(node, named) else []
            case ast.Call(func=ast.Name(id="setattr" | "delattr" | "vars"), args=[first, *_]):
                found += [ast.unparse(node)] if is_session(first, named) else []
            case ast.Call(func=ast.Attribute(value=inside, attr=method)) if method in CHANGING:
                found += [ast.unparse(node)] if is_of_session(inside, named) else []
    return found


@pytest.mark.parametrize("name", DASK_PLUGIN)
def test_dask_plugin_changes_nothing_of_a_session(name):
    """It plugs in hooks (`Session.plug`), and takes them off again."""
    assert changes_of_sessions(DASK_PLUGIN[name].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "session.sink = sink",
        "self.session.sink, self.era = sink, 1",
        "graph.session.couriers[:] = []",
        "current_session().on_wait = wait",
        "graph.session.refreshers.append(refresh)",
        "mine = current_session()\nmine.sent |= sent",
        "del session.owners[call]",
        "setattr(session, 'sink', sink)",
        "vars(session)['sink'] = sink",
    ],
)
def test_a_change_of_a_session_is_seen(line):
    assert changes_of_sessions(line)


def test_what_is_no_change_of_a_session_is_none():
    source = "self.session = session\nsession.plug(hooks)\nsession.graph.apply(event)\nself.sink = session.sink\nrow.append(session)"
    assert changes_of_sessions(source) == []


def imported_by(statement: str) -> set[str]:
    done = Project(ROOT).run("-X", "importtime", "-c", statement)
    return set(re.findall(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", done.stderr, flags=re.MULTILINE))


@pytest.mark.parametrize("statement", ["import cachepy", "from cachepy import cache_file"])
def test_import_cachepy_is_light(statement):
    loaded = imported_by(statement) - imported_by("pass")
    assert "cachepy" in loaded
    assert not sorted(name for name in loaded if name.split(".")[0] in NOT_AT_IMPORT)


FIRST_HIT = """
from cachepy import cache_file

@cache_file("{folder}")
def f(number, text):
    return [number, text, str(number).split()]

f(1, "a")
"""


def test_a_first_hit_is_light(tmp_path):
    """Each module of Python's own costs a short program more than the hit that it waits for."""
    (tmp_path / "program.py").write_text(FIRST_HIT.format(folder=tmp_path / "cache"))
    statement = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import program"
    imported_by(statement)
    loaded = imported_by(statement) - imported_by("pass")
    assert "cachepy.verify" in loaded and "cachepy.calls.miss" not in loaded
    assert not sorted(name for name in loaded if name.split(".")[0] in {*NOT_AT_IMPORT, *NOT_AT_A_HIT})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import cachepy.model", {("cachepy.model", True)}),
        ("from cachepy import model", {("cachepy.model", True)}),
        ("from . import model", {("cachepy.model", True)}),
        ("from .model import Dep", {("cachepy.model.Dep", True)}),
        ("def f():\n    import networkx", {("networkx", False)}),
        ("class C:\n    import networkx", {("networkx", True)}),
        ("try:\n    import numpy\nexcept ImportError:\n    pass", {("numpy", True)}),
        ("if TYPE_CHECKING:\n    import numpy\nelse:\n    import json", {("json", True)}),
    ],
)
def test_the_reader_of_imports(source, expected):
    assert imports(source, "cachepy") == expected
