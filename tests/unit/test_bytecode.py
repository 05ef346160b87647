"""The normal form of code: equal under every reformatting of the standard library, and in every process."""

from __future__ import annotations

import ast
import hashlib
import io
import random
import subprocess
import sys
import time
import tokenize
from pathlib import Path
from types import CodeType, FunctionType

import cloudpickle
import pytest
from bytecode_corpus import SOURCES, STDLIB, body_bytes, build, in_function

from cachepy.code import bytecode
from cachepy.code.bytecode import code_bytes
from cachepy.code.names_used import scan

try:
    from _ast_unparse import Unparser  # 3.14
except ImportError:
    Unparser = ast._Unparser


def functions(code, path=""):
    """(path, code object) of `code` and those inside it, each without those inside it, so that one fault shows once."""
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    yield (
        path,
        code.replace(co_consts=tuple("code" if isinstance(c, CodeType) else c for c in code.co_consts)),
    )
    for number, each in enumerate(inner):
        yield from functions(each, f"{path}/{number}:{each.co_name}")


def differing(before, after):
    """The paths of the functions whose bytes differ, and how many were compared."""
    old, new = list(functions(build(before))), list(functions(build(after)))
    assert [p for p, _ in old] == [p for p, _ in new]
    return [p for (p, a), (_, b) in zip(old, new, strict=True) if code_bytes(a) != code_bytes(b)], len(old)


def check_corpus(change, names, at_least):
    compared, wrong = 0, []
    for name in names:
        paths, count = differing(SOURCES[name], change(SOURCES[name]))
        compared += count
        wrong += [name + path for path in paths]
    assert wrong == []
    assert compared > at_least


# ---- reformatting changes nothing


class Exploded(Unparser):
    """Puts a share of all sub-expressions in brackets, on lines of their own, with comments and blank lines."""

    def __init__(self, share=0.0, seed=0, **options):
        super().__init__(**options)
        self.share, self.random, self.fixed, self.parents = share, random.Random(seed), 0, [None]

    def wraps(self, node):
        if self.fixed or not isinstance(node, ast.expr) or isinstance(node, ast.Starred | ast.Slice):
            return False
        if isinstance(node, ast.Tuple) and any(isinstance(e, ast.Starred | ast.Slice) for e in node.elts):
            return False  # of a subscript: a[b:c, *d] takes no brackets
        loads = isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
        in_targets = isinstance(self.parents[-1], ast.Tuple | ast.List | ast.Assign | ast.For)
        return (loads or in_targets) and self.random.random() < self.share

    def traverse(self, node):
        # an f-string takes no line ends before 3.12; a pattern's and an annotated target's brackets mean something
        fixed = isinstance(node, ast.JoinedStr | ast.pattern) or type(node).__name__ in (
            "TypeVar",
            "TemplateStr",
        )
        wraps = self.wraps(node)
        self.fixed += fixed
        self.parents.append(node)
        self.write("(  # why\n\n" if wraps else "")
        super().traverse(node)
        self.write("\n)" if wraps else "")
        self.parents.pop()
        self.fixed -= fixed

    def visit_AnnAssign(self, node):
        self.fixed += 1
        super().visit_AnnAssign(node)
        self.fixed -= 1


def exploded(source, share, seed):
    return Exploded(share, seed).visit(ast.parse(source))


def one_token_per_line(source):
    """A line end and a comment after each token inside brackets."""
    lines = source.splitlines(keepends=True)
    out, depth, quoted, row, column = [], 0, 0, 1, 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        (start_row, start), (end_row, end) = token.start, token.end
        while row < start_row:
            out.append(lines[row - 1][column:] if row <= len(lines) else "")
            row, column = row + 1, 0
        between = lines[row - 1][column:start] if row <= len(lines) else ""
        out += [between, token.string]
        row, column = end_row, end
        kind = tokenize.tok_name[token.type]
        quoted += kind.endswith("STRING_START") - kind.endswith("STRING_END")
        if token.type == tokenize.OP and not quoted:
            depth += (token.string in "([{") - (token.string in ")]}")
        if depth and not quoted and kind not in ("NL", "COMMENT"):
            out.append("  # \n")
    return "".join(out)


def without_docstrings(source):
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:] or [ast.copy_location(ast.Pass(), node)]
    return tree


def with_docstrings(source):
    tree = without_docstrings(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            text = ast.Expr(ast.Constant(f"About {node.name}."))
            node.body.insert(0, ast.fix_missing_locations(ast.copy_location(text, node.body[0])))
    return tree


def test_unparsed_source_gives_the_same_bytes():
    check_corpus(lambda s: ast.unparse(ast.parse(s)), SOURCES, at_least=3000)


@pytest.mark.parametrize(("share", "seed"), [(0.9, 1), (0.4, 2)])
def test_expressions_on_lines_of_their_own_give_the_same_bytes(share, seed):
    check_corpus(lambda s: exploded(s, share, seed), list(SOURCES)[seed::3], at_least=800)


def test_one_token_per_line_gives_the_same_bytes():
    check_corpus(one_token_per_line, list(SOURCES)[::3], at_least=800)


@pytest.mark.parametrize("change", [without_docstrings, with_docstrings])
def test_docstrings_do_not_count(change):
    check_corpus(change, list(SOURCES)[::4], at_least=600)


def test_the_reformatting_is_seen_by_the_compiler():
    """Else the tests above would prove nothing."""
    plain = [c.co_code for _, c in functions(build(SOURCES["argparse.py"]))]
    spread = [c.co_code for _, c in functions(build(exploded(SOURCES["argparse.py"], 0.9, 1)))]
    assert sum(a != b for a, b in zip(plain, spread, strict=True)) > 10


# ---- processes, hash seeds, pickles

SEEDED = """
import hashlib, sys
from cachepy.code.bytecode import code_bytes
source = open(sys.argv[1], encoding="utf-8").read() + "\\nx in {'a', 'b', 'c', 'd', ('e', 'f'), None, 1.5}\\n"
print(hashlib.sha256(code_bytes(compile(source, "x", "exec"))).hexdigest())
"""


def test_hash_seed_does_not_matter():
    file = STDLIB / "tokenize.py"
    command = [sys.executable, "-c", SEEDED, str(file)]
    root = Path(bytecode.__file__).parents[1]
    seen = set()
    for seed in ("0", "1", "2", "4000"):
        run = subprocess.run(
            command,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        )
        seen.add(run.stdout)
    assert len(seen) == 1
    assert len(seen.pop()) == len(hashlib.sha256().hexdigest()) + 1


def make(offset):
    total = 0

    def counted(x, *rest, key="a"):
        nonlocal total
        total += sum(r for r in rest if r in {"a", "b", 1})
        try:
            return [key, offset, x] if x else print(total)
        except (ValueError, KeyError) as error:
            raise RuntimeError(key) from error

    return counted


def test_cloudpickle_round_trip():
    function = make(3)
    by_value = FunctionType(function.__code__, {"__name__": "__main__"}, "f", None, function.__closure__)
    again = cloudpickle.loads(cloudpickle.dumps(by_value))
    assert again.__code__ is not function.__code__
    assert code_bytes(again.__code__) == code_bytes(function.__code__)


def test_running_does_not_matter():
    """A function that ran has specialised instructions."""
    space = {}
    exec("def f(n):\n    t = 0\n    for i in range(n):\n        t += i\n    return str(t).strip()", space)
    before = code_bytes(space["f"].__code__)
    for _ in range(50):
        space["f"](1000)
    assert code_bytes(space["f"].__code__) == before


def test_imports_stay_few():
    script = (
        "import importlib.util as u, sys; before = set(sys.modules)\n"
        f"s = u.spec_from_file_location('b', {bytecode.__file__!r}); m = u.module_from_spec(s); s.loader.exec_module(m)\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True
    )
    assert not set(run.stdout.split()) & {
        "dis",
        "inspect",
        "re",
        "typing",
        "dataclasses",
        "enum",
        "collections",
        "cachepy",
    }


def test_long_functions_take_time_in_proportion():
    for line in ("x(1)\n", "if x: y()\n", "x = y and z\n"):
        start = time.process_time()
        body_bytes(in_function(line * 2000))
        assert time.process_time() - start < 4


def test_foreign_constants_are_refused():
    code = build("x = 'text'")
    with pytest.raises(TypeError, match="object"):
        code_bytes(code.replace(co_consts=(object(), *code.co_consts[1:])))


# ---- facts


def facts(source):
    return scan(build(source))


def test_names_are_those_looked_up_as_globals():
    found = facts("def f(a):\n    b = g(a)\n    def h(): return k + b\n    return mod.x\n").names
    assert found == ("g", "k", "mod")


def test_class_bookkeeping_is_not_a_use():
    assert facts("class A:\n    'doc'\n").names == ()
    assert facts("class A:\n    x = __name__\n").names == ("__name__",)


def test_attribute_chains():
    source = "def f(a):\n    mod.sub.helper(a, mod.other)\n    g(mod2)\n    mod3.x.y = 1\n    return (a or mod2).z\n"
    assert facts(source).global_chains == {
        "mod": {("other",), ("sub", "helper")},
        "g": {()},
        "mod2": {(), ("z",)},
        "mod3": {("x",)},
    }


def test_attribute_chains_over_lines_and_many_names():
    names = "".join(f"    n{i}.a{i}\n" for i in range(600))
    found = facts(f"def f():\n{names}    return (mod\n    .sub\n\n    .helper\n    (1))\n").global_chains
    assert found["n599"] == {("a599",)}
    assert found["mod"] == {("sub", "helper")}


def test_chains_of_closure_variables_are_apart():
    found = facts("def f(mod):\n    def g(): return mod.a.b(lib.c)\n    return g\n")
    assert found.cell_chains == {"mod": {("a", "b")}}
    assert found.global_chains == {"lib": {("c",)}}


def test_imports():
    source = "def f():\n    import a.b\n    from c import d, e\n    def g():\n        from ..p import q\n        from . import r\n"
    imports = [(each.name, each.level, each.wanted) for each in facts(source).imports]
    assert imports == [("a.b", 0, ()), ("a", 0, ()), ("c", 0, ("d", "e")), ("p", 2, ("q",)), ("", 1, ("r",))]


def test_stores():
    source = "def f():\n    global a, b\n    a = 1\n    c = 2\n    def g():\n        nonlocal c\n        global b\n        c = 3\n        del b\n"
    assert facts(source).stored_globals == {"a", "b"}
    assert facts(source).stored_cells == {"c"}


def test_copies_in_the_graph_are_merged():
    """An exit block that the compiler copied, also within a loop, gives the bytes of the one that it shared."""
    shared = [b"test", b"a", b"b", b"end"], [[1, 2], [3], [3], []]
    copied = [b"test", b"a", b"b", b"end", b"end"], [[1, 2], [3], [4], [], []]
    loop = [b"head", b"x"], [[1, 1], [0]]
    unrolled = [b"head", b"x", b"x", b"head"], [[1, 2], [0], [3], [2, 1]]
    for one, other in ((shared, copied), (loop, unrolled)):
        first, second = (list(bytecode._emit(*g, bytecode._minimise(*g))) for g in (one, other))
        assert first == second
    assert len(set(bytecode._minimise([b"a", b"a", b"b"], [[1], [2], []]))) == 3
