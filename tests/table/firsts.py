"""The first reason that each kind of change must give, before anything runs again: the true cause, as a sentence.

kind of change -> case -> what both `f.explain` and `cache_tree_stale` say first of the call, but for the place of code
and the folder of files; "…" stands for anything.  A cause below the call is named as such, with the call in which it lies.
"""

from __future__ import annotations

FIRST: dict[str, dict[str, str]] = {
    "own code": {
        "own code": "code of m:f changed",
        "caller's code edited, child stays": "code of m:f changed",
        "recursion, its code edited": "code of m:f changed",
    },
    "helper in the module": {
        "helper": "code of m:h changed",
        "helper of a helper": "code of m:hh changed",
        "mutually recursive helpers": "code of m:odd changed",
        "generator helper": "code of m:h changed",
        "context manager": "code of m:h changed",
    },
    "helper in another module": {
        "module.helper": "code of h:h changed",
        "import module as name": "code of h:h changed",
        "from x import y as z": "code of h:h changed",
        "star import": "code of h:h changed",
        "helper's helper in a third module": "code of k:h changed",
    },
    "helper in a package": {
        "helper in a package subpackage": "code of pkg.deep.tools:h changed",
        "helper re-exported by a package, relative import": "code of pkg.tools:h changed",
    },
    "helper imported in the body": {
        "from import in the function's own body": "code of late:h changed",
        "relative import in the body, in a package": "code of pkg.late:h changed",
    },
    "helper found by its name": {
        "helper by getattr(module, name)": "code of h:h changed",
        "helper by eval": "code of m:h changed",
        "imported helper by globals()": "code of h:h changed",
    },
    "constant in a helper": {
        "constant in a helper": "code of m:h changed",
        "constant 1 becomes True": "code of m:h changed",
        "str becomes bytes": "code of m:h changed",
    },
    "operator or name in a helper": {
        "operator": "code of m:h changed",
        "name of an attribute": "code of m:h changed",
        "name of a builtin": "code of m:h changed",
        "exception caught": "code of m:h changed",
    },
    "nested function": {
        "inner function": "code of m:h changed",
    },
    "comprehension": {
        "comprehension in a helper": "code of m:h changed",
    },
    "lambda": {
        "global lambda": "code of m:<lambda> changed",
    },
    "async helper": {
        "async helper": "code of m:h changed",
        "helper of a cached async function": "code of m:h changed",
    },
    "method": {
        "method": "code of m:C.go changed",
        "method called by a method": "code of m:C.step changed",
        "helper called by a method": "code of m:h changed",
        "operator method": "code of m:C.__add__ changed",
        "private method": "code of m:C.__go changed",
        "implementation of an abstract method": "code of m:C.step changed",
    },
    "base class": {
        "base-class method": "code of m:Base.go changed",
        "base class in another module": "code of base:Base.go changed",
        "mixin method": "code of m:Mixin.extra changed",
        "super() call": "code of m:Base.go changed",
    },
    "order of the bases": {
        "order of the bases": "variable m:C.__bases__[0] changed from m:A to m:B",
    },
    "property": {
        "property": "code of m:C.size changed",
        "cached_property": "code of m:C.size changed",
        "descriptor": "code of m:Size.__get__ changed",
        "property of an enum": "code of m:Colour.double changed",
    },
    "static or class method": {
        "staticmethod": "code of m:C.go changed",
        "classmethod": "code of m:C.go changed",
        "helper of a cached staticmethod": "code of m:h changed",
    },
    "metaclass": {
        "metaclass method": "code of m:Meta.make changed",
    },
    "nested class": {
        "nested class": "code of m:C.Inner.go changed",
    },
    "class attribute": {
        "class attribute": "variable m:C.size changed from 1 to 2",
        "class attribute of a base class": "variable m:Base.size changed from 1 to 2",
        "default of a dataclass field": "variable m:C.n changed from 1 to 2",
        "value of an enum member": "variable m:Colour.RED changed from 1 to 2",
    },
    "class of a global object": {
        "__call__ of a global object": "code of m:C.__call__ changed",
        "class in a global object": "code of m:C.go changed",
        "bound method in a list": "code of m:C.go changed",
    },
    "default of a helper": {
        "default argument of a helper": "default of k of m:h changed from 1 to 2",
        "keyword default of a helper": "default of k of m:h changed from 1 to 2",
        "function as a default": "code of m:h changed",
    },
    "closure": {
        "closure value": "variable m:make.<locals>.h.n changed from 1 to 2",
        "closure function": "code of m:inner changed",
        "closure value of a child": "variable m:make.<locals>.f.n changed from 2 to 5",
        "closure values swapped": "global m.one changed",
    },
    "partial": {
        "functools.partial global, its function": "code of m:h changed",
        "functools.partial global, its argument": "global m.p.args changed from (1,) to (2,)",
        "partial of a partial": "code of m:h changed",
    },
    "function in a container": {
        "function in a global dict": "code of m:h changed",
        "function in a global list": "code of m:h changed",
        "function in a nested container": "code of m:h changed",
        "dict of classes": "code of m:B.go changed",
    },
    "decorated helper": {
        "decorated helper: its decorator": "code of m:twice.<locals>.wrapper changed",
        "decorated helper: the function": "code of m:h changed",
        "functools.wraps: the function": "code of m:h changed",
        "decorator with an argument": "variable m:times.<locals>.decorate.<locals>.wrapper.n changed from 2 to 3",
        "lru_cache'd helper": "code of m:h changed",
    },
    "decorator taken away": {
        "decorator taken away": "global m.h changed from m:twice.<locals>.<lambda> to m:h",
    },
    "decorator under cache_file": {
        "decorator under cache_file: the decorator": "code of m:twice.<locals>.wrapper changed",
        "decorator under cache_file: the function": "code of m:f changed",
    },
    "registered implementation": {
        "singledispatch implementation": "code of m:_ changed",
        "registry filled by a decorator": "code of m:h changed",
        "registry filled by __init_subclass__": "code of m:C.go changed",
    },
    "attribute of a function": {
        "attribute of a function": "global m.h.size changed from 1 to 2",
    },
    "global number": {
        "global constant": "global m.N changed from 1 to 2",
        "global constant read by a helper": "global m.N changed from 1 to 2",
        "global 1 becomes True": "global m.N changed from 1 to True",
        "global computed by a function": "global m.N changed from 1 to 2",
    },
    "global in another module": {
        "module.CONSTANT": "global settings.N changed from 1 to 2",
        "from settings import N": "global m.N changed from 1 to 2",
    },
    "global container": {
        "global dict, one value": "global m.N changed",
        "global dict, order": "global m.N changed from {'a': 1, 'b': 2} to {'b': 2, 'a': 1}",
        "global tuple": "global m.N changed from (1, 2) to (1, 3)",
    },
    "global array, object or path": {
        "global array": "global m.N changed from ndarray 4 to ndarray 5",
        "global object of a user class, its state": "global m.c changed",
        "global path, as a value": "global m.N changed from a.txt to b.txt",
    },
    "function passed as an argument": {
        "function passed as argument edited": "code of m:g changed",
        "helper of a function passed as argument": "code of m:h changed",
        "function in a partial edited": "code of script:g changed",
        "global of a function passed as argument": "global script.N changed from 1 to 2",
    },
    "class of an argument": {
        "class passed as argument edited": "code of m:C.go changed",
        "instance whose class's method was edited": "code of m:C.go changed",
        "instance whose class attribute was edited": "variable m:C.n changed from 1 to 2",
        "method of a dataclass argument": "code of m:P.go changed",
    },
    "argument file edited": {
        "Path argument: content edited": "file a.txt changed",
        "str argument: content edited": "file a.txt changed",
        "Path argument: truncated": "file a.txt changed",
        "Path in a list": "file a.txt changed",
        "Path in a dataclass field": "file a.txt changed",
        "Path as a default": "file a.txt changed",
        "one of many in a list": "file b.txt changed",
        "contents of two swapped": "file a.txt changed",
        "edit in the middle of 20 MB": "file a.bin changed",
    },
    "argument file deleted": {
        "Path argument: deleted": "file a.txt is gone",
        "str argument: deleted": "file a.txt is gone",
    },
    "argument file appeared": {
        "absent Path argument appearing": "file new.txt exists now",
        "absent str argument appearing": "file new.txt exists now",
    },
    "same size and mtime": {
        "Path argument: edit of the same size and mtime": "file a.txt changed",
        "tracked: edit of the same size and mtime": "file a.txt changed",
        "same size and mtime, its stat no longer young": "file a.txt changed",
    },
    "symlink": {
        "symlink retargeted to other content": "file l.txt changed",
        "symlink left dangling": "file l.txt is gone",
        "symlink, what it names edited": "file l.txt changed",
        "symlink to a directory, member edited": "directory dl changed",
    },
    "tracked file edited": {
        "tracked: content edited": "file a.txt changed",
        "track_file by a helper": "file a.txt changed",
        "path that is tracked is computed from a tracked file": "file b.txt changed",
    },
    "tracked file deleted": {
        "tracked: deleted": "file a.txt is gone",
    },
    "tracked file appeared": {
        "track_file of a missing path, appearing": "file new.txt exists now",
        "track_file in a missing folder, appearing": "file new/new.txt exists now",
    },
    "directory member edited": {
        "Path argument: directory, member edited": "directory d changed",
        "str argument: directory, nested member edited": "directory d changed",
    },
    "directory member added": {
        "tracked: directory, member added": "directory d changed",
        "Path argument: directory, empty folder added": "directory d changed",
    },
    "directory member removed": {
        "Path argument: directory, member removed": "directory d changed",
        "tracked: directory, member renamed": "directory d changed",
    },
    "declared file": {
        "depends_on_files: edited": "file a.txt changed",
        "depends_on_files: deleted": "file a.txt is gone",
        "depends_on_files: appearing": "file new.txt exists now",
        "depends_on_files: another declared": "declared depends_on_files changed from ['a.txt'] to ['c.txt']",
    },
    "declared version": {
        "version changed": "declared version changed from '1' to '2'",
        "version added": "declared version changed from None to '1'",
    },
    "declared value": {
        "depends_on_vars: value changed": "declared N changed from 1 to 2",
        "depends_on_vars: nested value": "declared N changed",
        "depends_on_vars: a function": "code of m:h changed",
    },
    "environment variable changed": {
        "env_vars: value changed": "environment variable CASE_MODE changed",
        "undeclared variable: value changed": "environment variable CASE_MODE changed",
    },
    "environment variable set": {
        "env_vars: set": "environment variable CASE_MODE is set now",
        "undeclared variable: set": "environment variable CASE_MODE is set now",
    },
    "environment variable unset": {
        "env_vars: unset": "environment variable CASE_MODE is no longer set",
        "undeclared variable: unset": "environment variable CASE_MODE is no longer set",
    },
    "installed package": {
        "installed package, another version": "package casepkg changed from 1.0 to 1.1",
    },
    "code of a child": {
        "child's code edited": "g(3) below it is stale: code of m:g changed",
        "one of two children edited": "b(3) below it is stale: code of m:b changed",
    },
    "helper of a child": {
        "child's helper edited": "g(3) below it is stale: code of m:h changed",
        "child in another module": "g(3) below it is stale: code of c:h changed",
        "child in a global dict": "g(3) below it is stale: code of m:h changed",
        "child through a helper": "g(3) below it is stale: code of m:h changed",
        "shared helper of two children": "a(3) below it is stale: code of m:h changed",
    },
    "default of a child": {
        "child's default edited": "g(3, 1) below it is stale: default of k of m:g changed from 1 to 2",
    },
    "global of a child": {
        "child's global edited": "g(3) below it is stale: global m.N changed from 1 to 2",
    },
    "version of a child": {
        "child's version changed": "g(3) below it is stale: declared version changed from '1' to '2'",
    },
    "environment of a child": {
        "child's env_vars: value changed": "g(3) below it is stale: environment variable CASE_MODE changed",
        "child's env_vars: set": "g(3) below it is stale: environment variable CASE_MODE is set now",
        "child's env_vars: unset": "g(3) below it is stale: environment variable CASE_MODE is no longer set",
        "child's undeclared variable": "g(3) below it is stale: environment variable CASE_MODE changed",
    },
    "file of a child": {
        "child's tracked file edited": "g() below it is stale: file a.txt changed",
        "child's tracked file deleted": "g() below it is stale: file a.txt is gone",
        "file of one of two children": "g(c.txt) below it is stale: file c.txt changed",
        "files of children in threads": "g('b.txt') below it is stale: file b.txt changed",
        "file of an async child": "g('c.txt') below it is stale: file c.txt changed",
        "output that was tracked, damaged": "g('done') below it is stale: file out.txt changed",
    },
    "code of a grandchild": {
        "grandchild's code edited": "g(3) below it is stale: code of m:g changed",
        "grandchild's helper edited": "g(3) below it is stale: code of m:h changed",
    },
    "file of a grandchild": {
        "grandchild's file edited": "h() below it is stale: file a.txt changed",
        "grandchild's file deleted": "h() below it is stale: file a.txt is gone",
        "diamond, the shared child runs once": "load() below it is stale: file a.txt changed",
    },
    "child called by name": {
        "child by importlib": "g(3) below it is stale: code of c:h changed",
        "version of a child called by name": "g(3) below it is stale: declared version changed from '1' to '2'",
        "env_vars of a child called by name": "g(3) below it is stale: environment variable CASE_MODE changed",
    },
    "child passed in": {
        "cached function passed in as argument": "g(4) below it is stale: code of m:h changed",
        "cached function passed in a list": "g(4) below it is stale: code of m:h changed",
    },
    "child that raised": {
        "child that raised and was caught, its helper edited": "code of m:h changed",
        "file of a child that raised and was caught": "file a.txt changed",
        "file of a grandchild below a child that raised": "h() below it is stale: file a.txt changed",
        "absent file of a child that raised, appearing": "file new.txt exists now",
    },
    "equal result of a child": {
        "child edited, equal result": "g(3) below it is stale: code of m:h changed",
        "child's file edited, equal result": "g() below it is stale: file a.txt changed",
    },
    "cache moved, then a file": {
        "cache directory moved, then the file edited": "g(3) below it is stale: file a.txt changed",
    },
    "a name that was not there": {
        "a name that shadows a builtin appears": "global m.abs exists now",
        "a global that was absent appears": "global m.EXTRA exists now",
    },
    "directory removed": {
        "Path argument: directory removed": "directory d is gone",
        "tracked: directory removed": "directory d is gone",
    },
    "child no longer cached": {
        "child no longer cached": "global m.g changed from cached m:g to m:g",
    },
    "several edits": {
        "own code and a file below, both edited": "code of m:f changed",
        "a file and the code below, both edited": "g(3) below it is stale: code of m:g changed",
        "own code and a helper, both edited": "code of m:f changed",
        "a helper and a global, both edited": "code of m:abc changed",
        "own code and what it newly reaches": "code of m:f changed",
        "a closure and its value, both edited": "code of m:maker.<locals>.made changed",
    },
    "entry lost": {
        "entry of a child lost": "g… below it is stale: the stored value of g… is missing",
        "entry of a grandchild lost": "g… below it is stale: the stored value of g… is missing",
        "own entry lost": "no result of f(3) is stored for these arguments",
    },
    "other arguments": {
        "own default": "no result of f(3, 2) is stored for these arguments",
        "lambda argument edited": "no result of f…",
        "state of the object of a cached method": "no result of f…",
    },
}
