"""The normal form of code: equal under every reformatting of the standard library, different after every mutation."""

from __future__ import annotations

import ast
import copy
import hashlib
import io
import random
import subprocess
import sys
import sysconfig
import time
import tokenize
from pathlib import Path
from types import CodeType, FunctionType

import cloudpickle
import pytest

from cachepy.reach import bytecode
from cachepy.reach.bytecode import code_bytes
from cachepy.reach.facts import scan

try:
    from _ast_unparse import Unparser  # 3.14
except ImportError:
    Unparser = ast._Unparser

STDLIB = Path(sysconfig.get_path("stdlib"))
CORPUS = [
    "abc",
    "argparse",
    "ast",
    "base64",
    "bisect",
    "bz2",
    "calendar",
    "cmd",
    "codecs",
    "collections/__init__",
    "colorsys",
    "configparser",
    "contextlib",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "difflib",
    "dis",
    "enum",
    "fileinput",
    "fnmatch",
    "fractions",
    "ftplib",
    "functools",
    "getopt",
    "glob",
    "gzip",
    "heapq",
    "hmac",
    "inspect",
    "ipaddress",
    "keyword",
    "linecache",
    "locale",
    "logging/__init__",
    "mimetypes",
    "numbers",
    "optparse",
    "os",
    "pathlib",
    "pickle",
    "platform",
    "plistlib",
    "posixpath",
    "pprint",
    "queue",
    "random",
    "reprlib",
    "sched",
    "secrets",
    "selectors",
    "shelve",
    "shlex",
    "shutil",
    "statistics",
    "string",
    "tempfile",
    "textwrap",
    "threading",
    "timeit",
    "tokenize",
    "traceback",
    "types",
    "uuid",
    "weakref",
    "zipfile",
    "asyncio/tasks",
    "asyncio/streams",
    "asyncio/base_events",
    "asyncio/taskgroups",
]
FILES = [f for f in (STDLIB / f"{name}.py" for name in CORPUS) if f.exists()]
SOURCES = {f.relative_to(STDLIB).as_posix(): f.read_text("utf-8") for f in FILES}


def build(source):
    return compile(source, "<corpus>", "exec", dont_inherit=True)


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


def body_bytes(source):
    """The bytes of the first function in `source`."""
    return code_bytes(next(c for c in build(source).co_consts if isinstance(c, CodeType)))


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


SAME = {
    "docstring by assignment": ("def f():\n class A:\n  __doc__ = 'a'", "def f():\n class A:\n  'b'"),
    "comment": ("def f(x): return x", "# one\n\n\ndef f(x):\n    # two\n    return x"),
    "docstring": ("def f(x): return x", 'def f(x):\n    "doc"\n    return x'),
    "docstring only": ("def f(): pass", 'def f():\n    "doc"'),
    "bare string": ("def f(x):\n  x()\n  return x", 'def f(x):\n  x()\n  "note"\n  return x'),
    "class docstring": ("def f():\n class A:\n  x = 1", 'def f():\n class A:\n  "doc"\n  x = 1'),
    "annotated class": ("def f():\n class A:\n  x: int = 1", 'def f():\n class A:\n  "doc"\n  x: int = 1'),
    "class within another": ("def f():\n class A:\n  x = 1", "\n\ndef g():\n class A:\n  x = 1"),
    "swap": ("def f(a, b):\n a, b = b, a\n return a", "def f(a, b):\n (a,\n b) = (b,\n a)\n return a"),
    "three": (
        "def f(a, b, c): a, b, c = c, a, b; return a",
        "def f(a, b, c):\n (a\n,b\n,c) = c,a,b\n return a",
    ),
    "boolean": ("def f(a, b, c): return (a and b) or c", "def f(a, b, c):\n return ((a\n and b)\n or c)"),
    "boolean, not": (
        "def f(a, b, c): return not (a and b) or c",
        "def f(a, b, c):\n return (not (a\n and b)\n or\n c)",
    ),
    "none": (
        "def f(a, b): return (a is None and b) or a",
        "def f(a, b):\n return ((a is\n None\n and b)\n or a)",
    ),
    "return in loop": (
        "def f(a):\n for x in a:\n  if x: return x",
        "def f(a):\n for x in a:\n\n  if x:\n\n   return x",
    ),
    "endless": ("def f():\n while True: pass", "def f():\n while True:\n\n  pass"),
}


# ---- mutations change the bytes

DIFFERENT = {
    "int": ("return x + 1", "return x + 2"),
    "int and float": ("return x + 1", "return x + 1.0"),
    "int and bool": ("return [x, 1]", "return [x, True]"),
    "zeros": ("return x + 0.0", "return x + -0.0"),
    "bytes and str": ("return x + b'a'", "return x + 'a'"),
    "str": ("return x + 'a'", "return x + 'b'"),
    "none and ellipsis": ("return [x, None]", "return [x, ...]"),
    "complex": ("return x + 1j", "return x + -1j"),
    "nested tuple": ("return x, ((1, 2), 3)", "return x, (1, (2, 3))"),
    "tuple of bool": ("return x in (1, 0)", "return x in (True, False)"),
    "frozenset": ("return x in {1, 2}", "return x in {1, 3}"),
    "set and tuple": ("return x in {1, 2}", "return x in (1, 2)"),
    "long int": ("return x + 10**5000", "return x + (10**5000 + 1)"),
    "strings that join": ("return ['ab', 'c', x]", "return ['a', 'bc', x]"),
    "operator": ("return x + y", "return x - y"),
    "in place": ("x = x + y; return x", "x += y; return x"),
    "operand order": ("return x - y", "return y - x"),
    "unary": ("return -x", "return +x"),
    "global name": ("return g(x)", "return h(x)"),
    "local name": ("a = x; return locals()", "b = x; return locals()"),
    "attribute": ("return x.a", "return x.b"),
    "method": ("return x.a()", "return x.b()"),
    "attribute called": ("return x.a", "return x.a()"),
    "comparison": ("return x < y", "return x <= y"),
    "equality": ("return x == y", "return x != y"),
    "identity": ("return x is y", "return x is not y"),
    "membership": ("return x in y", "return x not in y"),
    "chain": ("return x < y < z", "return x < y and x < z"),
    "branches": ("return y if x else z", "return z if x else y"),
    "negated test": ("if x: y()\nreturn z", "if not x: y()\nreturn z"),
    "none test": ("if x is None: y()\nreturn z", "if x is not None: y()\nreturn z"),
    "none or false": ("if x is None: y()\nreturn z", "if not x: y()\nreturn z"),
    "and, or": ("return x and y", "return x or y"),
    "and, or in a test": ("if x and y: z()\nreturn 1", "if x or y: z()\nreturn 1"),
    "brackets": ("return (x and y) or z", "return x and (y or z)"),
    "else": ("for a in x:\n y()\nelse:\n z()", "for a in x:\n y()\nz(1)"),
    "break, continue": ("for a in x:\n if a: break\n y(a)", "for a in x:\n if a: continue\n y(a)"),
    "while, if": ("while x(): y()", "if x(): y()"),
    "loop again": ("for a in x: y(a)", "for a in x:\n y(a)\n break"),
    "range of a loop": ("for a in x:\n y()\n z()", "for a in x:\n y()\nz()"),
    "except type": ("try: x()\nexcept ValueError: y()", "try: x()\nexcept KeyError: y()"),
    "handler removed": (
        "try: x()\nexcept ValueError: y()\nexcept KeyError: z()",
        "try: x()\nexcept ValueError: y()",
    ),
    "handler order": (
        "try: x()\nexcept ValueError: y()\nexcept KeyError: z()",
        "try: x()\nexcept KeyError: z()\nexcept ValueError: y()",
    ),
    "guarded": ("try:\n x()\n y()\nexcept E: z()", "x()\ntry:\n y()\nexcept E: z()"),
    "except star": ("try: x()\nexcept ValueError: y()", "try: x()\nexcept* ValueError: y()"),
    "finally": ("try: x()\nfinally: y()", "try: x()\nexcept: y()"),
    "raise": ("try: x()\nexcept E as e: raise", "try: x()\nexcept E as e: raise e"),
    "raise from": ("raise x from y", "raise x"),
    "with": ("with x: y()", "with x as a: y()"),
    "with order": ("with x, y: z()", "with y, x: z()"),
    "star args": ("return g(x)", "return g(*x)"),
    "keyword": ("return g(x, a=y)", "return g(x, b=y)"),
    "keyword order": ("return g(a=x, b=y)", "return g(b=y, a=x)"),
    "argument order": ("return g(x, y)", "return g(y, x)"),
    "default order": ("def g(a=1, b=2): return a\nreturn g", "def g(a=2, b=1): return a\nreturn g"),
    "inner parameter": ("return lambda a, b: a", "return lambda b, a: a"),
    "inner positional": ("return lambda a, b: a", "return lambda a, /, b: a"),
    "inner keyword-only": ("return lambda a, b: a", "return lambda a, *, b: a"),
    "inner star": ("return lambda a: a", "return lambda *a: a"),
    "inner constant": ("return lambda: 1", "return lambda: 2"),
    "decorator": ("@x\ndef g(): pass\nreturn g", "@y\ndef g(): pass\nreturn g"),
    "decorated": ("@x\ndef g(): pass\nreturn g", "def g(): pass\nreturn g"),
    "inner generator": ("def g(): return 1\nreturn g", "def g(): yield 1\nreturn g"),
    "inner coroutine": ("def g(): return 1\nreturn g", "async def g(): return 1\nreturn g"),
    "cell or global": (
        "a = x\ndef g(): return a\nreturn g",
        "a = x\ndef g():\n global a\n return a\nreturn g",
    ),
    "nonlocal": ("a = x\ndef g():\n nonlocal a\n a = 1\nreturn g", "a = x\ndef g():\n a = 1\nreturn g"),
    "class name": ("class A: pass\nreturn 1", "class B: pass\nreturn 1"),
    "class base": ("class A(x): pass\nreturn A", "class A(y): pass\nreturn A"),
    "class member": ("class A: a = 1\nreturn A", "class A: a = 2\nreturn A"),
    "class text twice": ("class A:\n 'c'\n __doc__ = 'a'", "class A:\n 'c'\n __doc__ = 'b'"),
    "class module": ("class A:\n __module__ = 'a'", "class A:\n __module__ = 'b'"),
    "class qualified name": ("class A:\n __qualname__ = 'a'", "class A:\n __qualname__ = 'b'"),
    "comprehension": ("return [a for a in x if a]", "return [a for a in x if not a]"),
    "comprehension kind": ("return [a for a in x]", "return {a for a in x}"),
    "slice": ("return x[1:2]", "return x[1:3]"),
    "subscript": ("return x[y]", "x[y] = z"),
    "deletion": ("del x[y]", "x[y]"),
    "unpacking": ("a, *b = x; return b", "*a, b = x; return b"),
    "swap": ("x, y = y, x; return x, y", "return x, y"),
    "rotation": ("x, y, z = y, z, x; return x, y, z", "x, y, z = z, x, y; return x, y, z"),
    "targets": ("a, b = x; return a", "b, a = x; return a"),
    "walrus": ("return (a := x)", "return x"),
    "import": ("import a.b", "import a.c"),
    "import from": ("from a import b", "from a import c as b"),
    "import level": ("from .a import b", "from ..a import b"),
    "import as": ("import a.b as c", "import a as c"),
    "f-string": ("return f'{x!r}'", "return f'{x!s}'"),
    "f-string format": ("return f'{x:2}'", "return f'{x:3}'"),
    "yield": ("yield x", "yield from x"),
    "match": ("match x:\n case {'a': y}: pass\nreturn y", "match x:\n case {'b': y}: pass\nreturn y"),
    "match class": ("match x:\n case A(a=1): return y", "match x:\n case A(b=1): return y"),
    "assert": ("assert x\nreturn y", "return y"),
    "statement order": ("x()\ny()", "y()\nx()"),
    "statement twice": ("x()\ny()", "x()\nx()\ny()"),
    "many statements": ("x()\n" * 20, "x()\n" * 21),
    "global statement": ("global a\na = x", "a = x"),
}


# sources that only newer versions compile; what they stand for has to be told apart there too
if sys.version_info >= (3, 12):
    DIFFERENT |= {
        "alias": ("type A = int\nreturn A", "type A = str\nreturn A"),
        "inner bound": ("def g[T: int](a: T): pass\nreturn g", "def g[T: str](a: T): pass\nreturn g"),
        "inner type parameter": ("def g[T](a): pass\nreturn g", "def g[*T](a): pass\nreturn g"),
        "class parameter": ("class A[T: int]: pass\nreturn A", "class A[T: str]: pass\nreturn A"),
        "inlined comprehension": ("return [[b for b in a] for a in x]", "return [[a for b in a] for a in x]"),
        "quotes in an f-string": ("return f'{x['a']}'", "return f'{x['b']}'"),
    }
    SAME |= {
        "generic": ("def f(x):\n def g[T: int](a: T): pass\n return g", "def f(x):\n def g[\nT:\n int\n](a: T):\n  'doc'\n return g"),
        "alias": ("def f():\n type A = list[int]\n return A", "def f():\n type A = list[\nint\n]\n return A"),
        "comprehensions": (
            "def f(x): return [b for a in x if a for b in a]",
            "def f(x):\n return [\nb\nfor a in x\nif a\nfor b in a\n]",
        ),
    }
if sys.version_info >= (3, 13):
    DIFFERENT["default of a type parameter"] = ("def g[T = int](): pass\nreturn g", "def g[T = str](): pass\nreturn g")
if sys.version_info >= (3, 14):
    DIFFERENT |= {
        "t-string": ("return t'{x}a'", "return t'{x}b'"),
        "t-string or f-string": ("return t'{x}a'", "return f'{x}a'"),
        "t-string conversion": ("return t'{x!r}'", "return t'{x!s}'"),
        "t-string expression": ("return t'{x+1}'", "return t'{x + 1}'"),  # its text is there to be read
        "inner annotation": ("def g(a: b): pass\nreturn g", "def g(a: c): pass\nreturn g"),
        "class annotation": ("class A:\n a: b\nreturn A", "class A:\n a: c\nreturn A"),
    }
    SAME["annotations"] = (
        "def f(x):\n def g(a: b, c: d) -> e: pass\n return g",
        "def f(x):\n def g(a:\n b,\n  c: d\n) -> (\ne\n):\n  'doc'\n return g",
    )


def in_function(body):
    return "def f(x, y, z):\n" + "\n".join(f"    {line}" for line in body.split("\n"))


@pytest.mark.parametrize("name", SAME)
def test_same(name):
    before, after = SAME[name]
    assert body_bytes(before) == body_bytes(after)


@pytest.mark.parametrize("name", DIFFERENT)
def test_different(name):
    before, after = DIFFERENT[name]
    assert body_bytes(in_function(before)) != body_bytes(in_function(after))


@pytest.mark.parametrize(
    "signature", ["x, y, *, z", "x, y, /, z", "x, y, *z", "x, y, **z", "y, x, z", "x, y", "a, y, z"]
)
def test_signature_counts(signature):
    assert body_bytes(f"def f({signature}): pass") != body_bytes("def f(x, y, z): pass")


OPPOSITE = {
    ast.Add: ast.Sub,
    ast.Lt: ast.GtE,
    ast.Eq: ast.NotEq,
    ast.Is: ast.IsNot,
    ast.In: ast.NotIn,
    ast.And: ast.Or,
}
OPPOSITE |= {new: old for old, new in OPPOSITE.items()}


def sites(function):
    """The nodes to mutate: int and str constants and operators, but what the compiler throws away."""
    ignored = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            ignored.add(node.value)
        test = getattr(node, "test", None)
        if isinstance(node, ast.While | ast.If) and any(
            isinstance(n, ast.Constant) for n in (test, *getattr(test, "values", ()))
        ):
            ignored |= {node.test, *(n for part in node.body + node.orelse for n in ast.walk(part))}
    for node in ast.walk(function):
        if node in ignored:
            continue
        if isinstance(node, ast.Constant) and type(node.value) in (int, str):
            yield node
        if type(getattr(node, "op", None)) in OPPOSITE or (
            isinstance(node, ast.Compare) and type(node.ops[0]) in OPPOSITE
        ):
            yield node


def mutate(node):
    if isinstance(node, ast.Constant):
        node.value = node.value + 1 if isinstance(node.value, int) else node.value + "!"
    elif isinstance(node, ast.Compare):
        node.ops = [OPPOSITE[type(node.ops[0])](), *node.ops[1:]]
    else:
        node.op = OPPOSITE[type(node.op)]()


def test_every_mutation_in_the_corpus_changes_the_bytes():
    chance, tried, unseen = random.Random(5), 0, []
    for name, source in SOURCES.items():
        tree = ast.parse(source)
        bodies = [tree.body, *(n.body for n in tree.body if isinstance(n, ast.ClassDef))]
        inner = [n for body in bodies for n in body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        for function in chance.sample(inner, min(len(inner), 12)):
            alone = ast.Module([function], [])
            before = code_bytes(build(alone))
            found = list(sites(function))
            for node in chance.sample(found, min(len(found), 8)):
                kept = copy.copy(node.__dict__)
                mutate(node)
                tried += 1
                if code_bytes(build(alone)) == before:
                    unseen.append((name, function.name, node.lineno, ast.unparse(node)))
                node.__dict__.update(kept)
    assert unseen == []
    assert tried > 1500


# ---- processes, hash seeds, pickles

SEEDED = """
import hashlib, sys
from cachepy.reach.bytecode import code_bytes
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
