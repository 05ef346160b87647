"""How a name gets its value: globals, scopes, imports."""

from __future__ import annotations

from tests.catalogue.program import Program, counts

PROGRAMS: list[Program] = [
    counts("global", "X = «1→2»", "X"),
    counts("global annotated", "X: int = «1→2»", "X"),
    counts("global by augmented assignment", "X = 1\nX += «1→2»", "X"),
    counts("global by walrus", "print(end='') if (X := «1→2») else None", "X"),
    counts("global by unpacking", "A, (X, *B) = 0, («1→2», 3)", "X"),
    counts("global by star unpacking", "A, *X = 0, «1→2»", "X"),
    counts("global by for", "for X in range(«2→3»):\n    pass", "X"),
    counts("global by with", "import contextlib\nwith contextlib.nullcontext(«1→2») as X:\n    pass", "X"),
    counts("global by match", "match [«1→2»]:\n    case [X]:\n        pass", "X"),
    counts("global by globals()", "globals()['X'] = «1→2»", "X"),
    counts("global by vars(module)", "import sys\nvars(sys.modules[__name__])['X'] = «1→2»", "X"),
    counts("global by setattr of module", "import sys\nsetattr(sys.modules[__name__], 'X', «1→2»)", "X"),
    counts("global by exec", "exec('X = «1→2»')", "X"),
    counts("global by global statement", "def init():\n    global X\n    X = «1→2»\ninit()", "X"),
    counts("global defined after f", """
        @cached
        def f():
            return X

        X = «1→2»
        """),
    counts("global of two assignments", "X = 1\nif «False→True»:\n    X = 2", "X"),
    counts("global deleted", "X = 1\n«pass→del X»", "globals().get('X')"),
    counts("global that may be missing", """
        «→X = 1»

        @cached
        def f():
            try:
                return X
            except NameError:
                return None
        """),
    counts("constant of the body", "", "«1→2»"),
    counts("text of the body", "", "'«a→b»'"),
    counts("f-string of the body", "X = 5", "f'«a→b»{X}'"),
    counts("format spec of an f-string", "X = 5", "f'{X:«03→04»d}'"),
    counts("conversion of an f-string", "X = 'ä'", "f'{X!«r→a»}'"),
    counts("nested f-string", "W = «3→4»", "f'{5:{W}d}'"),
    counts("f-string with =", "X = «5→6»", "f'{X=}'"),
    counts("bytes of the body", "", "b'«a→b»'"),
    counts("int and float of the body", "", "«1→1.0»"),
    counts("sign of zero of the body", "", "«0.0→-0.0»"),
    counts("bool and int of the body", "", "«1→True»"),
    counts("tuple of the body", "", "(1, («2→2.0»,))"),
    counts("frozenset of the body", "", "3 in {1, 2, «3→4»}"),
    counts("complex of the body", "", "«1j→2j»"),
    counts("ellipsis of the body", "", "«...→None»"),
    counts("operator of the body", "X = 5", "X «+→-» 2"),
    counts("comparison of the body", "X = 5", "X «<→<=» 5"),
    counts("attribute name of the body", "", "(1+2j).«real→imag»"),
    counts("method name of the body", "", "'aB'.«upper→lower»()"),
    counts("keyword of a call", "", "dict(«a→b»=1)"),
    counts("order of evaluation", "", "[«1, 2→2, 1»]"),
    counts("slice of the body", "X = 'abcdef'", "X[1:«3→4»]"),
    counts("builtin of the body", "X = [3, 1]", "«min→max»(X)"),
    counts("global used only in a branch", "X = «1→2»\nC = True", "X if C else 0"),
    counts("global used only in a lambda", "X = «1→2»", "(lambda: X)()"),
    counts("global used only in a comprehension", "X = «1→2»", "[X for _ in range(2)]"),
    counts("global used only in a generator", "X = «1→2»", "list(X for _ in range(2))"),
    counts("global used only in a dict comprehension", "X = «1→2»", "{k: X for k in 'a'}"),
    counts("global used only in a condition of a comprehension", "X = «1→2»", "[k for k in range(4) if k > X]"),
    counts("global used only in a nested function", "X = «1→2»", """(lambda g: g())(lambda: (lambda: X)())"""),
    counts("global used only in a class body in the body", """
        X = «1→2»

        @cached
        def f():
            class C:
                a = X
            return C.a
        """),
    counts("global used only in a default in the body", """
        X = «1→2»

        @cached
        def f():
            def g(a=X):
                return a
            return g()
        """),
    counts("global used only in an annotation of the body", """
        X = «int→str»

        @cached
        def f():
            def g(a: X):
                pass
            return g.__annotations__['a'].__name__
        """),
    counts("global used only in a decorator in the body", """
        X = «1→2»

        def deco(n):
            return lambda fn: lambda: fn() + n

        @cached
        def f():
            @deco(X)
            def g():
                return 0
            return g()
        """),
    counts("global stored with the same name as an attribute", "class C:\n    X = 5\nX = «1→2»", "C.X + X"),
    counts("global in a subscript chain", "X = {'a': {'b': [«1→2»]}}", "X['a']['b'][0]"),
    counts("global starting with underscores", "__x = «1→2»", "__x"),
    counts("global with one underscore", "_x = «1→2»", "_x"),
    counts("global with a unicode name", "größe = «1→2»", "größe"),
    counts("global through globals()", "X = «1→2»", "globals()['X']"),
    counts("global through vars()", "import sys\nX = «1→2»", "vars(sys.modules[__name__])['X']"),
    counts("global through eval", "X = «1→2»", "eval('X')"),
    counts("global through exec", """
        X = «1→2»

        @cached
        def f():
            space = {}
            exec('y = X', globals(), space)
            return space['y']
        """),
    counts("global through compile", "X = «1→2»", "eval(compile('X', '', 'eval'))"),
    counts("global through eval in a helper", "X = «1→2»\ndef h(text):\n    return eval(text)", "h('X')"),
    counts("global through eval with globals()", "X = «1→2»\ndef h(text):\n    return eval(text, globals())", "h('X')"),
    counts("global through getattr of the module", "import sys\nX = «1→2»", "getattr(sys.modules[__name__], 'X')"),
    counts("global through sys.modules['__main__']", "import sys\nX = «1→2»", "sys.modules['__main__'].X"),
    counts("global through import __main__", "X = «1→2»", """__import__('__main__').X"""),
    counts("global through __globals__", "X = «1→2»\ndef h():\n    return None", "h.__globals__['X']"),
    counts("global through sys._getframe", "import sys\nX = «1→2»", "sys._getframe().f_globals['X']"),
    counts("global through operator.attrgetter", "import sys, operator\nX = «1→2»", "operator.attrgetter('X')(sys.modules[__name__])"),
    counts("global through inspect.getmodule", "import inspect\nX = «1→2»\ndef h():\n    pass", "inspect.getmodule(h).X"),
    counts("text in eval", "X = 5", "eval('X «+→-» 1')"),
    counts("text in a global for eval", "T = '1 «+→-» 1'", "eval(T)"),
    counts("code object in a global", "C = compile('1 «+→-» 1', '', 'eval')", "eval(C)"),
    counts("function made by exec", "exec('def h():\\n    return «1→2»')", "h()"),
    counts("function made by exec in a dict", "S = {}\nexec('def h():\\n    return «1→2»', S)", "S['h']()"),
    counts("function made by exec in the body", """
        @cached
        def f():
            space = {}
            exec('def h():\\n    return «1→2»', space)
            return space['h']()
        """),
    counts("function made by eval of a lambda", "h = eval('lambda: «1→2»')", "h()"),
    counts("builtin shadowed by a global", "«→def len(x):\n    return -1»", "len('abc')"),
    counts("builtin replaced", "import builtins\nreal = len\nbuiltins.len = lambda x: «1→2» if x == 'abc' else real(x)", "len('abc')"),
    counts("builtin replaced by a class", "import builtins\nclass Mine:\n    def __new__(cls, x):\n        return «1→2»\nbuiltins.abs = Mine", "abs(-3)"),
    counts("builtin added", "import builtins\nbuiltins.MINE = «1→2»", "MINE"),
    counts("builtin through builtins module", "import builtins\nbuiltins.MINE = «1→2»", "builtins.MINE"),
    counts("builtin through __builtins__", "__builtins__.MINE = «1→2»", "MINE"),
    counts("builtin sorted replaced, used in a helper", "import builtins\nreal = sorted\ndef mine(x, **more):\n    return «1→2» if x == [7] else real(x, **more)\nbuiltins.sorted = mine\ndef h():\n    return sorted([7])", "h()"),
    counts("__doc__ of the own module", "import a\nf = a.f", a="__doc__ = '«a→b»'\n@cached\ndef f():\n    return __doc__"),
    counts("__name__ of the own module", "import a\nf = a.f", a="__name__ = '«a→b»'\n@cached\ndef f():\n    return __name__"),
    counts("__doc__ of a function", "def h():\n    '''«a→b»'''", "h.__doc__"),
    counts("__doc__ of a class", "class C:\n    '''«a→b»'''", "C.__doc__"),
    counts("__doc__ of a module", "import a", "a.__doc__", a="'''«a→b»'''"),
    counts("__name__ of a function", "def «g→h»():\n    pass\nX = «g→h»", "X.__name__"),
    counts("__qualname__ of a function", "class «A→B»:\n    def m(self):\n        pass\nX = «A→B».m", "X.__qualname__"),
    counts("__name__ of a class", "class «A→B»:\n    pass\nX = «A→B»", "X.__name__"),
    counts("__module__ of a class", "import a", "a.C.__module__", a="class C:\n    __module__ = '«a→b»'"),
    counts("__version__ of a local module", "import a", "a.__version__", a="__version__ = '«1→2»'"),
    counts("__all__ of a local module", "import a", "a.__all__", a="__all__ = ['«x→y»']"),
    counts("nonlocal", """
        @cached
        def f():
            n = 0
            def g():
                nonlocal n
                n += «1→2»
            g()
            return n
        """),
    counts("del in the body", """
        @cached
        def f():
            d = {1: 1, 2: 2}
            del d[«1→2»]
            return d
        """),
    counts("walrus in a comprehension", "", "[(y := x * «1→2») for x in range(3)]"),
    counts("lambda default in a loop", "FS = [lambda a=i: a * «1→2» for i in range(3)]", "[g() for g in FS]"),
    counts("__annotations__ of the module", "X: «int→str» = 1", "__annotations__['X'].__name__"),
    counts("name imported and shadowed", "from a import X\n«→X = 5»", "X", a="X = 1"),
    counts("__debug__ and assert message", """
        @cached
        def f():
            try:
                assert False, '«a→b»'
            except AssertionError as error:
                return str(error)
        """),
    counts("assert condition", """
        X = 1

        @cached
        def f():
            try:
                assert X == «1→2»
            except AssertionError:
                return 'failed'
            return 'held'
        """),
]
