"""The public face: what is in it, that it is documented, and that one thing has one name all over it."""

from __future__ import annotations

import ast
import doctest
import functools
import importlib
import inspect
import pydoc
import re
import sys
from collections import Counter
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, get_type_hints

import pytest
from numpydoc.docscrape import ClassDoc
from numpydoc.validate import ERROR_MSGS, validate

import cachepy
import dask_plugin
from cachepy import cache_file
from cachepy.core.model import Record
from cachepy.methods import Questions
from cachepy.values.bound_methods import QUESTIONS
from tests.programs import Project

ROOT = Path(__file__).resolve().parents[2]
NAMES = [f"{module.__name__}.{name}" for module in (cachepy, dask_plugin) for name in module.__all__]

# what functions return: nobody makes one, so their fields are attributes, not parameters
ANSWERS = {
    "Accepted", "CacheInfo", "CallSummary", "Called", "Checked", "ClusterGraph", "Difference", "Differing",
    "GraphView", "Merged", "Moved", "NodeView", "Plan", "PlannedCall", "Problem", "Reason", "Refreshed", "Repaired",
    "RootCause", "StoredResult", "Unable", "Verdict",
}  # fmt: skip
NOT_ASKED = {
    "ES01",  # a summary may say all there is
    "SA01",  # See Also where it helps
    "YD01",  # there are no generators
}
# each word of the API, and what it means wherever it stands
WORDS = {
    "author", "ax", "cache_dir", "cache_errors", "call", "callback", "calls", "changes", "client", "collect",
    "compress", "days_old",
    "depends_on_files", "depends_on_vars", "description", "digest", "direction", "dry_run", "env_vars", "file_args",
    "files", "fn", "forget", "format", "highlight_stale", "history", "ignore_args", "ignore_code", "ignore_files",
    "ignore_globals", "import_code", "keep", "keep_args", "labels", "least_used", "level", "license_url", "max_age",
    "max_bytes", "max_entries", "max_nodes", "mode", "name", "observe", "observe_code", "on_error", "other_call",
    "other_dir", "output", "outputs", "package", "parameter", "path", "progress", "prune", "recorder", "remote",
    "renamed", "rerun", "root", "runs", "seed", "session", "signing_key", "since", "source", "target", "theme",
    "title", "transparent", "trust_remote", "trusted_owners", "type_", "umask", "undo", "unseen", "upload", "valid",
    "values", "verbose", "version",
    "warn_cheap",
}  # fmt: skip
OF_DASK = {"futures", "nout", "obj", "pure", "traverse", "args", "collections", "iterables", "kwargs"}  # as in what they stand for


def found(name: str):
    module, _, attribute = name.partition(".")
    return getattr({"cachepy": cachepy, "dask_plugin": dask_plugin}[module], attribute)


def last(name: str) -> str:
    return name.rpartition(".")[2]


def is_answer(name: str) -> bool:
    return last(name) in ANSWERS


def is_problem(name: str) -> bool:
    return inspect.isclass(found(name)) and issubclass(found(name), BaseException)


def parameters(name: str) -> list[inspect.Parameter]:
    return [] if is_problem(name) or is_answer(name) else list(inspect.signature(found(name)).parameters.values())


@pytest.mark.parametrize("name", NAMES)
def test_docstring_is_whole(name):
    not_asked = NOT_ASKED | ({"PR01"} if is_answer(name) else set())
    assert found(name).__doc__
    assert [(code, text) for code, text in validate(name)["errors"] if code not in not_asked] == []


def test_the_codes_that_are_not_asked_for_exist():
    assert set(ERROR_MSGS) > NOT_ASKED


@pytest.mark.parametrize("name", NAMES)
def test_has_examples_that_import_what_they_use(name):
    examples = doctest.DocTestParser().get_examples(found(name).__doc__)
    assert examples
    tree = ast.parse("".join(example.source for example in examples))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    known = {alias.name for node in imports if node.module in {"cachepy", "dask_plugin"} for alias in node.names}
    private = [node.module for node in imports if (node.module or "").startswith(("cachepy.", "dask_plugin."))]
    assert private == [], "an example for users imports from the package only"
    assert known, "an example shows where a name comes from"


@pytest.mark.parametrize("name", [name for name in NAMES if is_answer(name)])
def test_answers_document_all_that_they_hold(name):
    kind = found(name)
    fields = getattr(kind, "_fields", None)
    if fields is None:
        fields = [p for p in inspect.signature(kind).parameters if p in ast.unparse(ast.parse(inspect.getsource(kind)))]
    properties = [key for key, value in vars(kind).items() if isinstance(value, property) and key[0] != "_"]
    documented = [n.strip() for item in ClassDoc(kind)["Attributes"] for n in item.name.split(",")]
    documented = [n for n in documented if n]
    assert set(fields) | set(properties) == set(documented) - ({"errors"} if last(name) == "ClusterGraph" else set())
    assert [n for n, often in Counter(documented).items() if often > 1] == []


@pytest.mark.parametrize("name", sorted(ANSWERS - {"ClusterGraph", "GraphView", "NodeView"}))
def test_help_shows_the_fields_of_a_record(name):
    record = getattr(cachepy, name)
    assert list(inspect.signature(record).parameters) == list(record._fields)


@pytest.mark.parametrize("name", [name for name in NAMES if last(name) != "delayed"])
def test_options_are_keywords(name):
    """At most two arguments by position: `cache_prune(cache_dir, days_old)`, `plot_cache_graph(output, True)`."""
    positional = [p.name for p in parameters(name) if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    assert len(positional) <= 2
    pairs = (["cache_dir", "days_old"], ["output", "highlight_stale"], ["client", "fn"], ["source", "target"])
    assert len(positional) < 2 or positional in pairs


def test_one_word_for_one_thing():
    used = {p.name for name in NAMES for p in parameters(name)}
    assert used - OF_DASK - {"unknown"} == WORDS


def test_a_parameter_is_annotated_alike_everywhere():
    kinds: dict[str, set[str]] = {}
    for name in NAMES:
        for parameter in parameters(name):
            text = str(parameter.annotation).strip("'").removesuffix(" | None")
            kinds.setdefault(parameter.name, set()).add(text)
    several = {name: kinds for name, kinds in kinds.items() if len(kinds) > 1}
    path = "str | os.PathLike[str]"
    assert several == {
        "root": {"str | Iterable[str]", "str"},  # a picture has one, a plan may have several
        "cache_dir": {path, f"{path} | Callable[..., object]"},  # `@cache_file` without parentheses gets the function
        "fn": {"Callable[P, R]", "Callable[..., R]"},  # with_caller gives one with the same parameters
        "client": {"Client", "object"},  # cachepy knows no client by its type, `connect` does
    }


# what takes any value, and why
TAKES_ANY = {
    "cachepy.cache_file(unknown)": "an option that does not exist is told by its name",
    "cachepy.cache_tree_refresh(client)": "cachepy does not know the clients of its plugins: they say which are theirs",
    "dask_plugin.delayed(obj)": "what dask.delayed takes",
    "dask_plugin.prune(collections)": "what dask.optimize takes",
    "dask_plugin.progress(futures)": "what distributed.progress takes",
    **{f"dask_plugin.submit({n})": "what the function and the method of the client take" for n in ("args", "kwargs")},
    "dask_plugin.map(kwargs)": "likewise",
    "cachepy.cache_file.key(args)": "what the function takes, and so are the next ones: type checkers see its own",
    "cachepy.cache_file.key(kwargs)": "likewise",
    **{f"cachepy.cache_file.{q}({n})": "likewise" for q in ("is_cached", "explain", "accept", "clear") for n in ("args", "kwargs")},
}


def typed() -> dict[str, Any]:
    """What users call: the public functions and classes, the methods that the docs show, and the questions."""
    shown = {name: found(name) for name in NAMES if not is_problem(name)}
    shown |= {f"dask_plugin.ClusterGraph.{n}": getattr(dask_plugin.ClusterGraph, n) for n in ("nodes", "sync", "close")}
    shown["cachepy.with_caller.__call__"] = cachepy.with_caller.__call__
    return shown | {f"cachepy.cache_file.{name}": getattr(Questions, name) for name in QUESTIONS}


def names_for_checkers(module: ModuleType) -> dict[str, Any]:
    """What a module has for type checkers only; of what exists for them alone a class of that name."""
    tree = ast.parse(inspect.getsource(module))
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    seen: dict[str, Any] = {}
    for node in (each for block in blocks for each in block.body):
        if isinstance(node, ast.ImportFrom):
            home = importlib.import_module(node.module)
            seen |= {a.name: getattr(home, a.name, None) or type(a.name, (), {}) for a in node.names}
        elif isinstance(node, ast.Assign):
            exec(compile(ast.Module([node], []), module.__name__, "exec"), vars(module) | seen, seen)
        elif isinstance(node, ast.ClassDef):
            seen[node.name] = type(node.name, (), {})
    return seen


@pytest.mark.parametrize("name", typed())
def test_every_parameter_has_a_type_that_says_what_it_takes(name):
    """What `help`, editors and `typing.get_type_hints` show."""
    thing = typed()[name]
    given = [p for p in inspect.signature(thing).parameters.values() if p.name != "self"]
    where = thing.__init__ if inspect.isclass(thing) and not issubclass(thing, Record) else thing
    hints = get_type_hints(where, localns=names_for_checkers(sys.modules[thing.__module__]))
    for parameter in given:
        assert "Any" not in re.findall(r"\w+", str(parameter.annotation)), parameter
        is_any = hints[parameter.name] is object
        assert is_any == (f"{name}({parameter.name})" in TAKES_ANY), parameter


def test_what_takes_any_value_exists():
    assert {place.partition("(")[0] for place in TAKES_ANY} <= set(typed())


def groups() -> dict[str, list[str]]:
    """The names of `cachepy.__all__` under their headings."""
    text = (ROOT / "cachepy" / "__init__.py").read_text(encoding="utf-8")
    body = re.search(r"^__all__ = \[.*?\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)[1]
    found = re.split(r"^    # (.+)\n", body, flags=re.MULTILINE)
    assert found[0] == ""
    return {title: re.findall(r'"(\w+)"', names) for title, names in zip(found[1::2], found[2::2], strict=True)}


def test_public_names_stand_in_six_groups_in_the_words_and_the_order_of_the_docs():
    grouped = groups()
    assert list(grouped) == ["Cache", "Graph", "Staleness", "Export and views", "Maintain", "Results and warnings"]
    assert [name for names in grouped.values() for name in names] == cachepy.__all__
    api = ROOT / "docs" / "reference" / "api"
    index = (api / "index.md").read_text(encoding="utf-8")
    pages = re.findall(r"^- \[(.+?)\]\((\w+\.md)\): (.*)$", index, re.MULTILINE)
    shown = {title: re.findall(r"\]\[cachepy\.(\w+)\]", names) for title, _, names in pages[:-1]}
    assert (shown, list(shown)) == (grouped, list(grouped))
    for title, page, _ in pages[:-1]:
        text = (api / page).read_text(encoding="utf-8")
        assert text.startswith(f"# {title}\n")
        assert re.findall(r"^::: cachepy\.(\w+)$", text, re.MULTILINE) == grouped[title]
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert re.findall(r"- (.+): reference/api/(\w+\.md)", menu) == [(title, page) for title, page, _ in pages]


def test_names_and_homes_agree():
    tree = ast.parse((ROOT / "cachepy" / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.name: node.module for node in block.body for alias in node.names}
    assert {name: f"cachepy.{home}" for name, home in cachepy._HOME_OF.items()} == typed
    assert sorted(typed) == sorted(cachepy.__all__)
    assert len(cachepy.__all__) == len(set(cachepy.__all__))
    assert all(found(name).__name__ == last(name) for name in NAMES)
    assert all(found(f"cachepy.{name}").__module__ == home for name, home in typed.items())


def run(program: str) -> str:
    return Project(ROOT).run("-c", program).stdout


def test_dir_shows_the_names_and_nothing_else():
    shown = run("import cachepy; print(*(n for n in dir(cachepy) if not n.startswith('__')))").split()
    assert shown == sorted(cachepy.__all__)
    assert "__version__" in dir(cachepy)


@pytest.mark.parametrize("module", [cachepy, dask_plugin], ids=lambda module: module.__name__)
def test_star_import(module):
    program = f"from {module.__name__} import *; print(*(n for n in dir() if not n.startswith('__')))"
    assert run(program).split() == sorted(module.__all__)


def test_help_of_the_decorator_answers_what_users_ask():
    text = pydoc.render_doc(cachepy.cache_file, renderer=pydoc.plaintext)
    for word in ("CACHEPY_DIR", "ignore_args", "track_file", "_force=True", "async def", "Dask", "*Cost.*", "picklable"):
        assert word in text, word
    from cachepy.calls.options import NAMES as OPTIONS

    assert [p.name for p in parameters("cachepy.cache_file")] == [*OPTIONS, "unknown"]


def test_a_decorator_can_be_changed_by_all_options_and_their_types_are_the_same():
    """What `@cached(version="2")` takes, for type checkers, is what `cache_file` takes."""
    tree = ast.parse((ROOT / "cachepy" / "decorator.py").read_text(encoding="utf-8"))
    [given] = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == "Given"]
    fields = {ast.unparse(n.target): ast.unparse(n.annotation) for n in given.body if isinstance(n, ast.AnnAssign)}
    options = [f.args for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == "cache_file"][1]
    assert fields == {arg.arg: ast.unparse(arg.annotation) for arg in [*options.args, *options.kwonlyargs]}
    assert list(fields) == [p.name for p in parameters("cachepy.cache_file")][:-1]


def test_defaults_in_the_signature_are_those_of_the_options():
    from cachepy.calls.options import Options

    named = {p.name: p.default for p in parameters("cachepy.cache_file") if p.name != "unknown"}
    assert Options(**named).given() == Options().given()


def test_help_of_a_decorated_function_is_its_own(tmp_path):
    @cache_file(tmp_path)
    def scaled(values: list[float], by: float = 2.0) -> list[float]:
        """Multiply each value."""
        return [by * value for value in values]

    text = pydoc.render_doc(scaled, renderer=pydoc.plaintext)
    assert "scaled(values: 'list[float]', by: 'float' = 2.0) -> 'list[float]'" in text
    assert "Multiply each value." in text


def test_a_cached_function_is_a_function_to_everybody_who_looks(tmp_path):
    """Its `repr` is that of functions: no class of ours could be one for pickle, Dask, `inspect`, pytest and methods."""

    def scaled(values: list[float], by: float = 2.0) -> list[float]:
        return [by * value for value in values]

    cached = cache_file(tmp_path)(scaled)
    assert type(cached) is FunctionType and inspect.isfunction(cached)
    assert str(cached) == repr(cached) == f"<function {scaled.__qualname__} at {id(cached):#x}>"
    assert inspect.signature(cached) == inspect.signature(scaled)
    assert get_type_hints(cached) == get_type_hints(scaled)
    assert inspect.getsource(cached) == inspect.getsource(scaled)
    around = functools.wraps(cached)(lambda *values: cached(*values))
    assert (around.__name__, inspect.unwrap(around), around.key([1.0])) == ("scaled", scaled, cached.key([1.0]))
    assert repr(cached.key) == f"<bound method Questions.key of cached function {__name__}:{scaled.__qualname__}>"


@pytest.mark.parametrize("question", ["explain", "is_cached", "key", "accept", "clear"])
def test_help_of_a_question_says_what_it_does(question, tmp_path):
    asked = getattr(cache_file(tmp_path)(lambda x: x), question)
    text = pydoc.render_doc(asked, renderer=pydoc.plaintext)
    assert "with these arguments" in text
    assert "Raises" in text


# ---------------------------------------------------------------- errors


def wrong(name: str):
    """A wrong use of each kind, with what its message has to name."""
    from cachepy import cache_verify, load_config

    uses = {
        "connect": lambda: dask_plugin.connect(3),
        "use_session": lambda: cachepy.use_session(3),
        "labels": lambda: cachepy.plot_cache_graph(labels=3),
        "max_nodes": lambda: cachepy.plot_cache_graph(max_nodes="many"),
        "output": lambda: cachepy.plot_cache_graph(3),
        "root": lambda: cachepy.cache_tree_plan(3),
        "seed": lambda: cache_verify("cache", seed=[1]),
        "progress": lambda: cache_verify("cache", progress=3),
        "path": lambda: load_config(3.5),
    }
    return uses[name]


@pytest.mark.parametrize(
    "name", ["connect", "use_session", "labels", "max_nodes", "output", "root", "seed", "progress", "path"]
)
def test_a_wrong_type_is_named(name):
    with pytest.raises(cachepy.UsageError, match=f"(?s){name}.*(3|many)|seed.*1"):
        wrong(name)()


@pytest.mark.parametrize(
    "write",
    [cachepy.cache_tree_save, cachepy.cache_tree_to_json, cachepy.cache_tree_to_html, cachepy.cache_tree_to_prov,
     lambda path: cachepy.plot_cache_graph(f"{path}.png")],
)  # fmt: skip
def test_a_folder_that_is_not_there_is_named(write, tmp_path):
    with pytest.raises(cachepy.UsageValueError, match=f"there is no folder {tmp_path / 'no'}; make it first"):
        write(tmp_path / "no" / "graph")


@pytest.mark.parametrize("write", [cachepy.cache_tree_save, cachepy.cache_tree_to_html])
def test_a_folder_is_no_file(write, tmp_path):
    with pytest.raises(cachepy.UsageValueError, match="is a folder; name a file in it"):
        write(tmp_path)


def test_a_root_that_is_not_there_tells_what_is():
    with cachepy.use_session(cachepy.Session()):
        for ask in (cachepy.cache_tree_plan, cachepy.cache_tree_view, lambda root: cachepy.plot_cache_graph(root=root)):
            with pytest.raises(cachepy.UsageValueError, match="root='report' is no call of this graph: give an id or a"):
                ask("report")


@pytest.mark.parametrize("question", ["key", "explain"])
def test_a_question_names_the_argument_that_has_no_digest(question, tmp_path):
    @cache_file(tmp_path)
    def double(x, lock):
        return 2 * x

    asked = getattr(double, question)
    with pytest.raises(cachepy.UsageError, match=r"double has no key .* argument 'lock' .*ignore_args"):
        asked(1, __import__("threading").Lock())
    assert not double.is_cached(1, __import__("threading").Lock())
    assert double.clear(1, __import__("threading").Lock()) == 0
