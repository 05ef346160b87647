"""The normal form of code: different after every mutation of the standard library."""

from __future__ import annotations

import ast
import copy
import random
import sys

import pytest
from bytecode_corpus import OPPOSITE, SOURCES, body_bytes, build, in_function

from cachepy.code.bytecode import code_bytes

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
