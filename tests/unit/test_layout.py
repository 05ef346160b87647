"""The import rules of design section 10: imports run one way, as listed, and `import cachepy` is light."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.programs import Project

ROOT = Path(__file__).resolve().parents[2]

LAYERS = "errors < core, values < store < code, graph < calls < session < decorator < staleness, maintain < views < __init__ < cli"
ROOMS = {  # of folders, and of modules that stand by themselves
    "core": "core", "values": "values", "store": "store", "code": "code", "graph": "graph", "calls": "calls",
    "staleness": "staleness", "maintain": "maintain", "views": "views", "cli": "cli", "errors": "errors",
    "session": "session", "preload": "session", "decorator": "decorator", "methods": "decorator",
    "answers": "decorator", "__init__": "__init__", "__main__": "cli",
}  # fmt: skip
LEVEL = {room: level for level, rooms in enumerate(LAYERS.split(" < ")) for room in rooms.split(", ")}

# the parts of cachepy that dask_plugin may use
PUBLIC_TO_DASK = {
    "__init__", "api", "bound_methods", "carried_code", "composed", "context", "current", "engine", "errors", "frame",
    "glance", "graph", "guard", "hooks", "humanize", "job", "kinds", "model", "ports", "posting", "program", "progress_line", "reasons", "recorder", "revision",
    "safe_pickle", "session", "state", "taken",
}  # fmt: skip

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
    return name.endswith(".__init__") and not name.startswith("cli.")


def part_of(name: str) -> str:
    """The commands have one rule for all their modules, every other module has its own, by its name alone."""
    return "cli" if name.startswith("cli.") else name.rpartition(".")[2]


def room_of(name: str) -> str:
    """The room that a module is in."""
    return ROOMS[name.partition(".")[0]]


def module_of(dotted: str) -> str:
    """Which module an import means; a name that is no module comes from `__init__`."""
    parts = dotted.split(".")[1:]
    ends = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((name for name in ends if name in CACHEPY or name == "cli"), "__init__")


def modules_meant(names: set[Import]) -> set[str]:
    return {module_of(name) for name, _ in names if name.split(".")[0] == "cachepy"}


def parts_of_cachepy(names: set[Import]) -> set[str]:
    return {part_of(name) for name in modules_meant(names)}


CACHEPY = modules("cachepy")
DASK_PLUGIN = modules("dask_plugin")


def used_by(name: str) -> set[str]:
    """The modules that one imports, wherever it does so, and for types too."""
    found = modules_meant(imports(CACHEPY[name].read_text(encoding="utf-8"), "cachepy", typing_too=True))
    return found - {name}


@pytest.mark.parametrize("name", CACHEPY)
def test_a_room_imports_itself_and_what_stands_to_its_left(name):
    mine = room_of(name)
    assert all(room == mine or LEVEL[room] < LEVEL[mine] for room in map(room_of, used_by(name)))


def test_no_modules_import_each_other():
    try:
        TopologicalSorter({name: used_by(name) for name in CACHEPY if room_of(name) != "cli"}).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {' -> '.join(error.args[1])}")


def test_the_map_names_every_module():
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE))
    names = {part_of(name) for name in CACHEPY} - {"__init__", "cli"}
    assert names - rows == set()


def test_a_name_is_used_for_one_module():
    names = [part_of(name) for name in CACHEPY if not name.startswith("cli.")]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("path", sorted((ROOT / "cachepy").glob("*/__init__.py")), ids=lambda path: path.parent.name)
def test_a_folder_says_what_it_holds(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    assert path.parent.name == "cli" or len(tree.body) == 1, "importing one module must not load its neighbours"


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
        "session.recorder = sink",
        "self.session.recorder, self.era = sink, 1",
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
    source = "self.session = session\nsession.plug(hooks)\nsession.graph.apply(event)\nself.sink = session.recorder\nrow.append(session)"
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
    assert "cachepy.core.verify" in loaded and "cachepy.calls.miss" not in loaded
    assert not sorted(name for name in loaded if name.split(".")[0] in {*NOT_AT_IMPORT, *NOT_AT_A_HIT})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import cachepy.core.model", {("cachepy.core.model", True)}),
        ("from cachepy.core import model", {("cachepy.core.model", True)}),
        ("from .core import model", {("cachepy.core.model", True)}),
        ("from .core.model import Dep", {("cachepy.core.model.Dep", True)}),
        ("def f():\n    import networkx", {("networkx", False)}),
        ("class C:\n    import networkx", {("networkx", True)}),
        ("try:\n    import numpy\nexcept ImportError:\n    pass", {("numpy", True)}),
        ("if TYPE_CHECKING:\n    import numpy\nelse:\n    import json", {("json", True)}),
    ],
)
def test_the_reader_of_imports(source, expected):
    assert imports(source, "cachepy") == expected
