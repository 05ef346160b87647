"""Edits of what is declared: versions, variables, packages; values that calls pass on; and a cache that moves."""

from __future__ import annotations

from tests.table.call_edits import EDIT, PAIR
from tests.table.harness import (
    Case,
    CaseFolder,
    Edit,
    env,
    function,
    module,
    moved_cache,
    nothing,
    run,
    sub,
    then,
    write,
)


def declared(
    name: str,
    options: str,
    edit: Edit | str,
    runs: str | None = "f",
    returns: str = "x",
    source: str = "",
    environment: dict[str, str] | None = None,
    same: bool = False,
) -> Case:
    """What f itself declares."""
    return Case(
        name,
        {"m.py": module("import sys\n" + source, function(returns, options=options))},
        edit,
        runs,
        env=environment or {},
        same=same,
    )


def child(
    name: str,
    options: str,
    edit: Edit | str,
    runs: str | None = "f g",
    returns: str = "x",
    environment: dict[str, str] | None = None,
    same: bool = False,
    top: str = "[g(x)]",
) -> Case:
    """What the child g of f declares."""
    source = "import os\n" + function(returns, options=options, name="g") + function(top)
    return Case(name, {"m.py": source}, edit, runs, env=environment or {}, same=same)


LOOKED_UP = "sys.modules['m'].__dict__['N']"  # no analysis of code finds it
MODE = "os.environ.get('CASE_MODE')"
VARS = "env_vars=['CASE_MODE']"
A = {"CASE_MODE": "a"}
DECLARED = [
    declared("version changed", "version='1'", "'1' => '2'", same=True),
    declared("version added", "version=None", "version=None => version='1'", same=True),
    declared("version changed then reverted", "version='1'", then(sub("'1' => '2'"), run, sub("'2' => '1'")), ""),
    declared("version 1 and '1'", "version=1", "version=1 => version='1'", None),
    declared("env_vars: value changed", VARS, env(CASE_MODE="b"), "f", MODE, "import os", A),
    declared("env_vars: set", VARS, env(CASE_MODE="b"), "f", MODE, "import os"),
    declared("env_vars: unset", VARS, env(CASE_MODE=None), "f", MODE, "import os", A),
    declared("env_vars: empty and unset", VARS, env(CASE_MODE=None), "f", MODE, "import os", {"CASE_MODE": ""}),
    declared("env_vars: another variable", VARS, env(CASE_OTHER="b"), "", MODE, "import os", A),
    declared(
        "env_vars: changed back",
        VARS,
        then(env(CASE_MODE="b"), run, env(CASE_MODE="a")),
        "",
        MODE,
        "import os",
        A,
    ),
    declared(
        "env_vars: unset and set back",
        VARS,
        then(env(CASE_MODE=None), run, env(CASE_MODE="a")),
        "",
        MODE,
        "import os",
        A,
    ),
    declared(
        "depends_on_vars: value changed",
        "depends_on_vars=['N']",
        "N = 1 => N = 2",
        "f",
        LOOKED_UP + "+ x",
        "N = 1",
    ),
    declared(
        "depends_on_vars: nested value",
        "depends_on_vars=['N']",
        "[1] => [2]",
        "f",
        LOOKED_UP,
        "N = {'a': [1]}",
    ),
    declared(
        "depends_on_vars: another variable",
        "depends_on_vars=['N']",
        "M = 1 => M = 2",
        "",
        LOOKED_UP + "+ x",
        "N = 1\nM = 1",
    ),
    declared(
        "depends_on_vars: a function",
        "depends_on_vars=['h']",
        EDIT,
        "f",
        LOOKED_UP.replace("'N'", "'h'") + "(x)",
        "def h(x):\n    return x + 1\n",
    ),
    declared(
        "depends_on_vars: changed then reverted",
        "depends_on_vars=['N']",
        then(sub("N = 1 => N = 2"), run, sub("N = 2 => N = 1")),
        "",
        LOOKED_UP + "+ x",
        "N = 1",
    ),
    child("child's version changed", "version='1'", "'1' => '2'", "g", same=True),
    child("version of a child called by name", "version='1'", "'1' => '2'", "g", same=True, top="[globals()['g'](x)]"),
    child(
        "child's version changed then reverted",
        "version='1'",
        then(sub("'1' => '2'"), run, sub("'2' => '1'")),
        "",
    ),
    child("child's env_vars: value changed", VARS, env(CASE_MODE="b"), "f g", MODE, A),
    child("child's env_vars: set", VARS, env(CASE_MODE="b"), "f g", MODE),
    child("child's env_vars: unset", VARS, env(CASE_MODE=None), "f g", MODE, A),
    child("child's env_vars: changed back", VARS, then(env(CASE_MODE="b"), run, env(CASE_MODE="a")), "", MODE, A),
    child(
        "env_vars of a child called by name",
        VARS,
        env(CASE_MODE="b"),
        "f g",
        MODE,
        A,
        top="[globals()['g'](x)]",
    ),
    child("child's undeclared variable", "version='1'", env(CASE_MODE="b"), "g", f"({MODE}, x)[1]", A, same=True),
    child("child's undeclared variable, another", "version='1'", env(CASE_OTHER="b"), "", MODE, A),
    child(
        "child's undeclared variable, under a computed name",
        "version='1'",
        env(CASE_MODE="b"),
        "",
        "(os.environ.get('_'.join(['CASE', 'MODE'])), x)[1]",
        A,
    ),
    *(
        Case(name, {"m.py": "import os\n" + function(MODE)}, edit, "f", env=given, fresh=True)
        for name, edit, given in (
            ("undeclared variable: value changed", env(CASE_MODE="b"), A),
            ("undeclared variable: set", env(CASE_MODE="b"), {}),
            ("undeclared variable: unset", env(CASE_MODE=None), A),
        )
    ),
    Case(
        "depends_on_vars, changed in place",
        {"m.py": "import sys\nN = [1]\n" + function(f"sum({LOOKED_UP})", options="depends_on_vars=['N']")},
        "",
        "f",
        live="m.N.append(2)",
    ),
    Case(
        "env_vars, set within the process",
        {"m.py": "import os\n" + function(MODE, options=VARS)},
        "",
        "f",
        env=A,
        live="import os\nos.environ['CASE_MODE'] = 'b'",
    ),
    Case(
        "child's env_vars, set within the process",
        {"m.py": "import os\n" + function(MODE, options=VARS, name="g") + function("[g(x)]")},
        "",
        "f g",
        env=A,
        live="import os\nos.environ['CASE_MODE'] = 'b'",
    ),
    Case("child replaced within the process", {"m.py": PAIR}, "", "f", live="m.g = lambda x: x"),
    Case("child's helper replaced within the process", {"m.py": PAIR}, "", "f g", live="m.h = lambda x: x"),
    Case(
        "file edited within the process",
        {"m.py": function("open(x).read()"), "a.txt": "one"},
        "",
        "f",
        "m.f('a.txt')",
        live="from pathlib import Path\nPath('a.txt').write_text('two')",
    ),
    Case(
        "file edited and reverted within the process",
        {"m.py": function("open(x).read()"), "a.txt": "one"},
        "",
        "",
        "m.f('a.txt')",
        live="""
from pathlib import Path
Path('a.txt').write_text('two')
m.f('a.txt')
Path('a.txt').write_text('one')
""",
    ),
]


def passed_on(name: str, value: str, returns: str) -> Case:
    """A value that was stored and loaded is, as an argument, equal to the fresh one."""
    source = "import numpy as np\nimport pandas as pd\n" + function(value, "", name="load") + function(returns)
    return Case(f"passed on: {name}", {"m.py": source}, nothing, "", "m.f(m.load())")


PASSED_ON = [
    passed_on("shared list", "[[1, 2]] * 2", "x"),
    passed_on("equal strings that are not shared", "['word!', ''.join(['word', '!'])]", "x"),
    passed_on("strided view", "np.arange(100_000)[::7]", "int(x.sum())"),
    passed_on("slice of a large array", "np.arange(100_000)[5:9]", "x.tolist()"),
    passed_on("transposed array", "np.arange(10_000.0).reshape(50, 200).T", "float(x[3, 4])"),
    passed_on("read-only array", "np.broadcast_to(np.arange(3), (4, 3))", "x.tolist()"),
    passed_on("array of objects", "np.array([1, 'a', None, (2, 3)], dtype=object)", "x.tolist()"),
    passed_on("unconsolidated frame", "pd.DataFrame({'a': [1, 2]}).assign(b=[3, 4]).assign(c=['u', 'v'])", "repr(x)"),
    passed_on("slice of a frame", "pd.DataFrame({'a': range(1000), 'b': ['u', 'v'] * 500}).iloc[3:900:2]", "x.shape"),
    passed_on("grouped frame", "pd.DataFrame({'a': [1, 1, 2], 'b': [1, 2, 3]}).groupby('a').sum()", "repr(x)"),
    passed_on("categorical", "pd.Series(['u', 'v', 'u'], dtype='category')", "x.tolist()"),
    passed_on("frame with times", "pd.DataFrame({'t': pd.date_range('2024', periods=3, tz='UTC')})", "repr(x)"),
    passed_on("sets in a dict", "{'a': {'u', 'v', 'w'}, 'b': frozenset({1, 2})}", "sorted(x['a'])"),
    passed_on("generator's list of arrays", "[np.full(3, i) for i in range(3)] * 2", "len(x)"),
]
WITH_FILE = {"m.py": PAIR.replace("h(x) * 1", "open(track_file('a.txt')).read()"), "a.txt": "one"}
MOVED = [
    Case("cache directory moved", WITH_FILE, moved_cache(copied=False), ""),
    Case("cache directory copied", WITH_FILE, moved_cache(copied=True), ""),
    Case(
        "cache directory moved, then the file edited",
        WITH_FILE,
        then(moved_cache(copied=False), write("a.txt", "2")),
        "f g",
    ),
]

PACKAGE = "def h(x):\n    return x + 1\n\ndef unused():\n    return 1\n"
DIST_INFO = "lib/site-packages/casepkg-1.0.dist-info/"
META = "Metadata-Version: 2.1\nName: casepkg\nVersion: {}\n"
INSTALLED = {
    "m.py": "import casepkg" + function("casepkg.h(x)"),
    "lib/site-packages/casepkg/__init__.py": PACKAGE,
    DIST_INFO + "METADATA": META.format("1.0"),
    DIST_INFO + "RECORD": "casepkg/__init__.py,,\n",
    DIST_INFO + "top_level.txt": "casepkg\n",
}
ON_PATH = "import sys, pathlib\nsys.path.insert(1, str(pathlib.Path('lib/site-packages').resolve()))\nimport m"


def upgraded(project: CaseFolder) -> None:
    for name in ("METADATA", "RECORD", "top_level.txt"):
        text = (project.root / DIST_INFO / name).read_text()
        project.write(DIST_INFO.replace("1.0", "1.1") + name, text.replace("1.0", "1.1"))
    project.remove(DIST_INFO.rstrip("/"))


PACKAGES = [
    Case(
        "installed package, another version",
        INSTALLED,
        upgraded,
        "f",
        setup=ON_PATH,
        same=True,
    ),
    Case(
        "installed package, same version",
        INSTALLED,
        sub("return 1\n => return 2\n", "lib/site-packages/casepkg/__init__.py"),
        "",
        setup=ON_PATH,
    ),
    Case("nothing, with an installed package", INSTALLED, nothing, "", setup=ON_PATH),
]

CASES: list[Case] = DECLARED + PASSED_ON + MOVED + PACKAGES
