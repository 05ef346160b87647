"""Small projects with one edit each, for test_sources: the edit changes what runs, or it does not.

A row is the text of its files, what is replaced by what, and what that means.  ``mod.py`` comes first; the others begin
after a line ``### name``.  ``ROW`` stands for the package that the files are in.
"""

from __future__ import annotations

from source_code_rows import BOUND, CHANGED, CODE, OPEN, SAME, UNTOLD, F, G, N

_VALUES = {
    "a number": (f"N = 1\n{N}", "N = 1", "N = 2", CHANGED),
    "a number in other words": (f"N = 4\n{N}", "N = 4", "N = 2 + 2", SAME),
    "a number of another type": (f"N = 4\n{N}", "N = 4", "N = 4.0", CHANGED),
    "a text": ("N = 'a'\n@cached\ndef f(x):\n    return N\n", "'a'", "'b'", CHANGED),
    "a text in other quotes": ("N = 'a'\n@cached\ndef f(x):\n    return N\n", "'a'", '"a"', SAME),
    "a list": ("N = [1, 2]\n@cached\ndef f(x):\n    return N\n", "[1, 2]", "[1, 3]", CHANGED),
    "a dict over several lines": ("N = {'a': 1}\n@cached\ndef f(x):\n    return N\n", "{'a': 1}", "{\n    'a': 1,\n}", SAME),
    "an item of a dict": ("N = {'a': 1}\n@cached\ndef f(x):\n    return N['a']\n", "'a': 1", "'a': 2", CHANGED),
    "another constant in a sum": (f"M = 1\nN = M + 1\n{N}", "M = 1", "M = 2", CHANGED),
    "an f-string": ("M = 1\nN = f'a{M}'\n@cached\ndef f(x):\n    return N\n", "M = 1", "M = 2", CHANGED),
    "a comprehension": ("N = [i * i for i in range(3)]\n@cached\ndef f(x):\n    return N\n", "i * i", "i * 2", CHANGED),
    "a comprehension in other words": (
        "N = [i * i for i in range(3)]\n@cached\ndef f(x):\n    return N\n", "[i * i for i in range(3)]", "[j * j for j in range(3)]", SAME,
    ),
    "a conditional value": ("M = 1\nN = 2 if M else 3\n" + N, "M = 1", "M = 0", CHANGED),
    "a walrus at the top": ("print(M := 1, end='')\nN = M\n" + N, "M := 1", "M := 2", OPEN),
    "two names at once": (f"N, M = 1, 2\n{N}", "1, 2", "3, 2", CHANGED),
    "the other of two names": (f"N, M = 1, 2\n{N}", "1, 2", "1, 3", SAME),
    "unpacking with a star": (f"N, *M = [1, 2, 3]\n{N}", "[1,", "[4,", OPEN),
    "names in a chain": (f"N = M = 1\n{N}", "M = 1", "M = 2", CHANGED),
    "an annotated constant": (f"N: int = 1\n{N}", "int = 1", "int = 2", CHANGED),
    "the annotation of a constant": (f"N: int = 1\n{N}", "N: int", "N: 'int'", UNTOLD),
    "an augmented assignment": (f"N = 1\nN += 1\n{N}", "+= 1", "+= 2", OPEN),
    "a second assignment": (f"N = 1\n{N}PUT = 1\n", "PUT = 1", "N = 2", OPEN),
    "append at the top": ("N = [1]\nN.append(2)\n@cached\ndef f(x):\n    return N\n", "append(2)", "append(3)", OPEN),
    "append is added": ("N = [1]\nPUT = 1\n@cached\ndef f(x):\n    return N\n", "PUT = 1", "N.append(3)", OPEN),
    "an item is set at the top": ("N = {}\nN['a'] = 1\n@cached\ndef f(x):\n    return N\n", "= 1", "= 2", OPEN),
    "a loop at the top": ("N = 0\nfor i in range(3):\n    N += i\n" + N, "range(3)", "range(4)", OPEN),
    "a loop that fills a list": (
        "N = []\nfor i in range(3):\n    N.append(i)\n@cached\ndef f(x):\n    return N\n", "range(3)", "range(4)", OPEN,
    ),
    "a while at the top": ("N = 0\nwhile N < 3:\n    N += 1\n" + N, "N < 3", "N < 4", OPEN),
    "with at the top": (
        "import contextlib\nwith contextlib.nullcontext(1) as M:\n    N = M\n" + N, "context(1)", "context(2)", OPEN,
    ),
    "a value that a function makes": ("def make():\n    return 1\nN = make()\n" + N, "return 1", "return 2", OPEN),
    "a value that a function makes of another": (
        "M = 1\ndef make():\n    return M\nN = make()\n" + N, "M = 1", "M = 2", OPEN,
    ),
    "a value that a function elsewhere makes": (
        "from .lib import make\nN = make()\n" + N + "### lib.py\ndef make():\n    return 1\n", "return 1", "return 2", OPEN,
    ),
    "a value that a function elsewhere makes of a constant": (
        "from .lib import make\nN = make()\n" + N + "### lib.py\nfrom .low import M\ndef make():\n    return M\n### low.py\nM = 1\n",
        "M = 1", "M = 2", OPEN,
    ),
    "a comment where a value is made": ("def make():\n    return 1\nN = make()\n" + N, "return 1", "return 1  # one", SAME),
    "a function that made nothing": (
        "def make():\n    return 1\ndef other():\n    return 1\nN = make()\n" + N, "def other():\n    return 1", "def other():\n    return 2",
        SAME,
    ),
    "a constant through two modules": (
        "from .a import N\n" + N + "### a.py\nfrom .b import N\n### b.py\nN = 1\n", "N = 1", "N = 2", CHANGED,
    ),
    "a constant through two modules as a sum": (
        "from .a import N\n" + N + "### a.py\nfrom .b import M\nN = M + 1\n### b.py\nM = 1\n", "M = 1", "M = 2", CHANGED,
    ),
    "a constant by another name": ("from .a import M as N\n" + N + "### a.py\nM = 1\n", "M = 1", "M = 2", CHANGED),
    "a constant as a module's attribute": (
        "from . import a\n" + F.format("a.b.N") + "### a.py\nfrom . import b\n### b.py\nN = 1\n", "N = 1", "N = 2", CHANGED,
    ),
    "a constant in a package": (
        "from .sub import N\n" + N + "### sub/__init__.py\nN = 1\n", "N = 1", "N = 2", CHANGED,
    ),
    "a constant of its own package": ("from . import N\n" + N + "### __init__.py\nN = 1\n", "N = 1", "N = 2", CHANGED),
    "a path": (
        "from pathlib import Path\nN = Path('a') / 'b'\n@cached\ndef f(x):\n    return N.name\n", "/ 'b'", "/ 'c'", CHANGED,
    ),
    "the folder of the file": (
        "from pathlib import Path\nN = Path(__file__).parent / 'b'\n@cached\ndef f(x):\n    return N.name\n", "/ 'b'", "/ 'c'", CHANGED,
    ),
    "a pattern": ("import re\nN = re.compile('a')\n@cached\ndef f(x):\n    return bool(N.match('a'))\n", "'a')\n@", "'b')\n@", CHANGED),
    "a date": ("import datetime as dt\nN = dt.date(2020, 1, 1)\n@cached\ndef f(x):\n    return N\n", "2020", "2021", CHANGED),
    "a numpy array": ("import numpy as np\nN = np.array([1, 2])\n@cached\ndef f(x):\n    return int(N.sum())\n", "1, 2", "1, 3", CHANGED),
    "numpy in other words": (
        "import numpy as np\nN = np.array([1, 2])\n@cached\ndef f(x):\n    return int(N.sum())\n", "[1, 2]", "[1,2]", SAME,
    ),
    "a numpy range": ("import numpy as np\nN = np.linspace(0, 1, 5)\n@cached\ndef f(x):\n    return float(N[1])\n", "1, 5", "1, 6", CHANGED),
    "a numpy array by a method": (
        "import numpy as np\nN = np.arange(4).reshape(2, 2)\n@cached\ndef f(x):\n    return N.shape\n", "2, 2", "4, 1", OPEN,
    ),
    "a random generator with a seed": (
        "import random\nN = random.Random(1).random()\n" + N, "Random(1)", "Random(2)", OPEN,
    ),
    "a variable of the environment": (
        "import os\nN = os.environ.get('SRC_NONE', 'a')\n@cached\ndef f(x):\n    return N\n", "'a')", "'b')", CHANGED,
    ),
    "another variable of the environment": (
        "import os\nN = os.environ.get('SRC_NONE', 'a')\n@cached\ndef f(x):\n    return N\n", "SRC_NONE", "HOME", CHANGED,
    ),
    "a variable is set at the top": (
        "import os\nos.environ['SRC_SET'] = 'a'\nN = os.environ['SRC_SET']\n@cached\ndef f(x):\n    return N\n", "= 'a'", "= 'b'", OPEN,
    ),
    "a logger": (
        "import logging\nlog = logging.getLogger(__name__)\n@cached\ndef f(x):\n    log.debug('a')\n    return x\n",
        "log = ", "# the log\nlog = ", SAME,
    ),
    "another logger": (
        "import logging\nlog = logging.getLogger(__name__)\n@cached\ndef f(x):\n    log.debug('a')\n    return x\n",
        "(__name__)", "('other')", OPEN,
    ),
    "logging is set up": (
        ("import logging\nlogging.basicConfig(level='INFO')\nlog = logging.getLogger(__name__)\n@cached\ndef f(x):\n"
        "    log.debug('a')\n    return x\n"), "INFO", "ERROR", UNTOLD,
    ),
    "imports for types": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import json\n" + F.format(1), "import json", "import csv", SAME,
    ),
    "a module for types": (
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .lib import T\n@cached\ndef f(x: 'T'):\n    return x\n"
        "### lib.py\nclass T:\n    n = 1\n"), "n = 1", "n = 2", SAME,
    ),
    "try an import": (
        "try:\n    import no_such_thing\nexcept ImportError:\n    no_such_thing = None\n@cached\ndef f(x):\n    return no_such_thing\n",
        "= None", "= 1", OPEN,
    ),
    "try an import, unchanged": (
        "try:\n    import no_such_thing\nexcept ImportError:\n    no_such_thing = None\n@cached\ndef f(x):\n    return no_such_thing\n",
        "try:", "# why\ntry:", SAME,
    ),
    "a fallback function": (
        "try:\n    from no_such_thing import g\nexcept ImportError:\n    def g(x):\n        return x\n" + G, "return x\n",
        "return -x\n", CHANGED,
    ),
    "a try that can be met": (
        "try:\n    from no_such_thing import g\nexcept ImportError:\n    def g(x):\n        return x\n" + G + "### two.py\ndef g(x):\n"
        "    return -x\n", "from no_such_thing", "from .two", OPEN,
    ),
    "a condition on the version": (
        "import sys\nif sys.version_info >= (3, 8):\n    N = 1\nelse:\n    N = 2\n" + N, "(3, 8)", "(9, 8)", OPEN,
    ),
    "a global statement": (
        "N = 1\ndef put():\n    global N\n    N = 2\nput()\n" + N, "N = 2", "N = 3", OPEN,
    ),
    "a global statement that is not run": (
        "N = 1\ndef put():\n    global N\n    N = 2\nPUT = 1\n" + N, "PUT = 1", "put()", OPEN,
    ),
    "a function changes its argument": (
        "N = [1]\ndef put(to):\n    to.append(2)\nput(N)\n@cached\ndef f(x):\n    return N\n", "append(2)", "append(3)", OPEN,
    ),
    "a function changes another module's": (
        "from . import lib\nlib.put(2)\n" + F.format("lib.N[-1]") + "### lib.py\nN = [1]\ndef put(n):\n    N.append(n)\n",
        "put(2)", "put(3)", OPEN,
    ),
    "another module is patched": (
        "from . import lib\nlib.N = 2\n" + F.format("lib.g()") + "### lib.py\nN = 1\ndef g():\n    return N\n", "lib.N = 2", "lib.N = 3", OPEN,
    ),
    "another module is patched newly": (
        "from . import lib\nPUT = 2\n" + F.format("lib.g()") + "### lib.py\nN = 1\ndef g():\n    return N\n", "PUT = 2", "lib.N = 3", OPEN,
    ),
    "a class is patched": (
        "class C:\n    n = 1\nC.n = 2\n" + F.format("C.n"), "C.n = 2", "C.n = 3", OPEN,
    ),
    "a class is patched newly": ("class C:\n    n = 1\nPUT = 2\n" + F.format("C.n"), "PUT = 2", "C.n = 3", OPEN),
    "a method is patched": (
        "class C:\n    def m(self):\n        return 1\ndef m(self):\n    return 2\nPUT = 1\n" + F.format("C().m()"), "PUT = 1", "C.m = m",
        OPEN,
    ),
    "a patch by a third module": (
        "from . import lib, low\n" + F.format("lib.N") + "### lib.py\nN = 1\n### low.py\nfrom . import lib\nlib.N = 2\n",
        "lib.N = 2", "lib.N = 3", OPEN,
    ),
    "a type alias": ("from typing import Union\nA = Union[int, str]\n" + F.format("isinstance(x, A)"), "int, str", "int, float", OPEN),
    "a new type": ("from typing import NewType\nA = NewType('A', int)\n" + F.format("A(x)"), "A = ", "# a\nA = ", SAME),
    "simple namespace": (
        "from types import SimpleNamespace\nN = SimpleNamespace(a=1)\n@cached\ndef f(x):\n    return N.a\n", "a=1", "a=2", CHANGED,
    ),
    "a slice of a constant": ("M = [1, 2, 3]\nN = M[:2]\n@cached\ndef f(x):\n    return N\n", "[1, 2, 3]", "[1, 4, 3]", CHANGED),
    "sorted": ("M = {3, 1}\nN = sorted(M)\n@cached\ndef f(x):\n    return N\n", "{3, 1}", "{3, 2}", CHANGED),
    "a text that is formatted": ("N = '{}'.format(1)\n@cached\ndef f(x):\n    return N\n", "(1)", "(2)", CHANGED),
    "map and a lambda": ("N = list(map(lambda i: i + 1, [1]))\n@cached\ndef f(x):\n    return N\n", "i + 1", "i + 2", OPEN),
    "a class's constant of a constant": (f"M = 1\nclass C:\n    n = M + 1\n{F.format('C.n')}", "M = 1", "M = 2", CHANGED),
    "a class body that computes": (
        f"def make(n):\n    return n\nclass C:\n    n = make(1)\n{F.format('C.n')}", "return n\n", "return -n\n", OPEN,
    ),
    "a loop in a class": (
        f"class C:\n    n = 0\n    for i in range(3):\n        n += i\n{F.format('C.n')}", "range(3)", "range(4)", OPEN,
    ),
    "a name is deleted and made anew": (f"N = 1\ndel N\nN = 2\n{N}", "N = 2", "N = 3", OPEN),
    "__getattr__ of a module": (
        "from . import lib\n" + F.format("lib.N") + "### lib.py\ndef __getattr__(name):\n    return 1\n", "return 1", "return 2", OPEN,
    ),
    "nothing but the place of a constant": (f"N = 1\nM = 2\n{N}", "N = 1\nM = 2\n", "M = 2\nN = 1\n", SAME),
    "a constant moves to another module": (
        "from .a import N\n" + N + "### a.py\nN = 1\n### b.py\nX = 1\n", "### a.py\nN = 1\n### b.py\n", "### a.py\nfrom .b import N\n### b.py\nN = 1\n",
        SAME,
    ),
}  # fmt: skip

_ELSEWHERE = {
    "setattr on another module": (
        "from . import lib\nsetattr(lib, 'N', 2)\n" + F.format("lib.N") + "### lib.py\nN = 1\n", "'N', 2", "'N', 3", OPEN,
    ),
    "the names of another module": (
        "from . import lib\nvars(lib)['N'] = 2\n" + F.format("lib.N") + "### lib.py\nN = 1\n", "= 2", "= 3", OPEN,
    ),
    "the dict of another module": (
        "from . import lib\nlib.__dict__['N'] = 2\n" + F.format("lib.N") + "### lib.py\nN = 1\n", "= 2", "= 3", OPEN,
    ),
    "a module that is called is no patch": (
        "from . import lib\nlib.run(2)\n" + F.format("lib.N") + "### lib.py\nN = 1\ndef run(n):\n    return n\n", "run(2)", "run(3)",
        SAME,
    ),
    "globals in a function that is called": (
        "N = 1\ndef put():\n    globals()['N'] = 2\nput()\n" + N, "] = 2", "] = 3", OPEN,
    ),
    "globals in a function of another module": (
        "from . import lib\nlib.put()\n" + F.format("lib.N") + "### lib.py\nN = 1\ndef put():\n    globals()['N'] = 2\n", "] = 2",
        "] = 3", OPEN,
    ),
    "a later import * hides a function": (
        "from .a import *\nfrom .b import *\n" + G + "### a.py\ndef g(x):\n    return x\n### b.py\nM = 2\n", "M = 2",
        "def g(x):\n    return -x", OPEN,
    ),
    "import * through two modules": (
        "from .a import *\n" + N + "### a.py\nfrom .b import *\n### b.py\nN = 1\n", "N = 1", "N = 2", CHANGED,
    ),
    "import * of modules that do so with each other": (
        "from .a import *\n" + N + "### a.py\nfrom .b import *\nM = 1\n### b.py\nfrom .a import *\nN = 1\n", "N = 1", "N = 2", OPEN,
    ),
    "the seed of numpy": (
        "import numpy as np\nnp.random.seed(1)\nN = float(np.random.rand())\n" + N, "seed(1)", "seed(2)", OPEN,
    ),
    "a third module patches newly": (
        "from . import lib, low\n" + F.format("lib.N") + "### lib.py\nN = 1\n### low.py\nfrom . import lib\nPUT = 2\n", "PUT = 2",
        "lib.N = 3", OPEN,
    ),
    "a third module patches a function": (
        "from . import lib, low\n" + F.format("lib.g(x)") + "### lib.py\ndef g(x):\n    return x\n### low.py\nfrom . import lib\n"
        "def g(x):\n    return -x\nPUT = 2\n", "PUT = 2", "lib.g = g", OPEN,
    ),
    "a third module patches a class": (
        "from . import lib, low\n" + F.format("lib.C.n") + "### lib.py\nclass C:\n    n = 1\n### low.py\nfrom . import lib\nPUT = 2\n",
        "PUT = 2", "lib.C.n = 3", OPEN,
    ),
    "a third module appends": (
        "from . import lib, low\n@cached\ndef f(x):\n    return lib.N\n### lib.py\nN = [1]\n### low.py\nfrom .lib import N\nPUT = 2\n",
        "PUT = 2", "N.append(3)", OPEN,
    ),
    "a third module does something else": (
        "from . import lib, low\n" + F.format("lib.N") + "### lib.py\nN = 1\n### low.py\nfrom . import lib\nPUT = lib.N\n", "PUT = lib.N",
        "PUT = [lib.N, 1]", SAME,
    ),
    "an alias of an annotation elsewhere": (
        "from .lib import A\ndef g(x: A):\n    return x\n" + G + "### lib.py\nA = int\n", "A = int", "A = float", OPEN,
    ),
    "a class in an annotation": (
        "class C:\n    n = 1\ndef g(x: C):\n    return x\n" + G, "n = 1", "n = 2", SAME,
    ),
    "a class deep in an annotation": (
        "class C:\n    n = 1\ndef g(x: 'list[C]'):\n    return x\n" + G, "n = 1", "n = 2", SAME,
    ),
    "equal code elsewhere": (
        ("from .lib import k\n@cached\ndef f(x):\n    return x + 1\ndef main():\n    f(1), k(1)\n### lib.py\n"
        "from cachepy import cache_file\n@cache_file('cache', warn_cheap=False)\ndef k(x):\n    return x + 1\n"),
        "x + 1\ndef main", "x + 1  # one\ndef main", SAME,
    ),
    "one of two equal functions": (
        "@cached\ndef f(x):\n    return x + 1\n@cached\ndef k(x):\n    y = x\n    return x + 1\ndef main():\n    f(1), k(1)\n",
        "y = x", "y = -x", CHANGED,
    ),
    "a function moves to another module": (
        "from .a import g\n" + G + "### a.py\ndef g(x):\n    return x\n### b.py\nX = 1\n",
        "### a.py\ndef g(x):\n    return x\n### b.py\n", "### a.py\nfrom .b import g\n### b.py\ndef g(x):\n    return x\n", UNTOLD,
    ),
    "a helper is renamed": (
        "def g(x):\n    return x\n@cached\ndef f(x):\n    return g(x)\n", "def g(x):\n    return x\n@cached\ndef f(x):\n    return g(x)",
        "def h(x):\n    return x\n@cached\ndef f(x):\n    return h(x)", CHANGED,
    ),
    "a module that nobody imports": ("N = 1\n" + N + "### low.py\nX = 1\n", "X = 1", "X = 2", SAME),
    "a module goes that nobody needs": ("N = 1\n" + N + "### low.py\nX = 1\n", "### low.py\nX = 1\n", "", SAME),
    "a file that is read at import": (
        "from pathlib import Path\nN = len((Path(__file__).parent / 'n.txt').read_text())\n" + N + "### n.txt\nab\n", "ab\n", "abc\n", OPEN,
    ),
    "a json that is read at import": (
        "import json, os\nwith open(os.path.join(os.path.dirname(__file__), 'n.json')) as file:\n    N = json.load(file)\n" + N
        + "### n.json\n12\n", "12", "13", OPEN,
    ),
    "a data file of the package": (
        ("from importlib import resources\n@cached\ndef f(x):\n    return resources.files('ROW').joinpath('n.txt').read_text()\n"
        "### n.txt\nab\n"), "ab\n", "abc\n", CHANGED,
    ),
}  # fmt: skip

_LIB = "### lib.py\nN = 1\n"
_LOG = "import logging\nlog = logging.getLogger(__name__)\n"
_FROM = "from . import lib\n" + F.format("lib.N")
_MAKE = "def make(k):\n    {}\n    def f({}):\n        return x\n    return f\nk = 1\nf = make(k)\n"
_WITH = "deco = cached(warn_cheap=False)\n"
_SIBLINGS = {
    # annotations are texts in a module, or are not
    "annotations are no texts any more": (
        "from .lib import f\n### lib.py\nfrom __future__ import annotations\nfrom .mod import cached\n@cached\ndef f(x: int):\n    return x\n",
        "from __future__ import annotations\n", "", OPEN,
    ),
    "annotations of a helper are no texts any more": (
        "from .lib import g\n" + G + "### lib.py\nfrom __future__ import annotations\ndef g(x: int) -> list[int]:\n    return x\n",
        "from __future__ import annotations\n", "", OPEN,
    ),
    "annotations of a class are no texts any more": (
        "from .lib import C\n" + F.format("C().n") + "### lib.py\nfrom __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass C:\n    n: int = 1\n", "from __future__ import annotations\n", "", OPEN,
    ),
    # a package that takes its own parts
    "a package sets what its part has": (_FROM + _LIB + "### __init__.py\nX = 1\n", "X = 1", "from . import lib\nlib.N = 2", OPEN),
    "a package sets it by its name": (_FROM + _LIB + "### __init__.py\nX = 1\n", "X = 1", "from ROW import lib\nlib.N = 2", OPEN),
    "a part that the package has taken": (
        "import ROW\n" + F.format("ROW.lib.N") + _LIB + "### __init__.py\nfrom . import lib\n", "N = 1", "N = 2", CHANGED,
    ),
    "another name of a part that the package has taken": (
        "import ROW\n" + F.format("ROW.lib.N") + _LIB + "M = 1\n### __init__.py\nfrom . import lib\n", "M = 1", "M = 2", SAME,
    ),
    # who tells a logger something does not change it
    "a call at the top whose body logs": (
        _LOG + "M = 1\ndef g():\n    log.info(M)\ng()\n@cached\ndef f(x):\n    log.debug('a')\n    return x\n", "M = 1", "M = 2", SAME,
    ),
    "a logger that is told something at the top": (
        _LOG + "M = 1\nlog.warning('now %s', M)\n@cached\ndef f(x):\n    log.debug('a')\n    return x\n", "M = 1", "M = 2", SAME,
    ),
    # functions that functions make
    "a local function's decorator is given a version": (
        _MAKE.format("@cached", "x"), "@cached", "@cached(version=2)", CHANGED,
    ),
    "a version of a local function": (
        _MAKE.format("@cached(version=1)", "x"), "version=1", "version=2", CHANGED,
    ),
    "a local function's decorator, for what does not count": (
        _MAKE.format("@cached", "x"), "@cached", "@cached(verbose=False)", SAME,
    ),
    "a default of a local function": (_MAKE.format("@cached", "x, by=1"), "by=1", "by=2", CHANGED),
    "an annotation of a local function": (_MAKE.format("@cached", "x: int"), "x: int", "x: float", CHANGED),
    "what makes a local function": (_MAKE.format("@cached", "x"), "k = 1", "k = 1 + 0", SAME),
    "a comment in what makes a local function": (_MAKE.format("@cached", "x"), "k = 1", "k = 1  # one", SAME),
    "a decorator by a call": (
        "def f(x):\n    return x\nf2 = cached(f)\ndef main():\n    f2(1)\n", "cached(f)", "cached(version=2)(f)", OPEN,
    ),
    "a version by a call": (
        "def f(x):\n    return x\nf2 = cached(version=1)(f)\ndef main():\n    f2(1)\n", "version=1", "version=2", OPEN,
    ),
    "a version by a call in a dict": (
        "def f(x):\n    return x\nT = {'a': cached(version=1)(f)}\ndef main():\n    T['a'](1)\n", "version=1", "version=2", OPEN,
    ),
    "a version by a call elsewhere": (
        "from .lib import f\nf2 = cached(version=1)(f)\ndef main():\n    f2(1)\n### lib.py\ndef f(x):\n    return x\n", "version=1",
        "version=2", OPEN,
    ),
    "a version by a call in what makes it": (
        "def make():\n    def f(x):\n        return x\n    return cached(version=1)(f)\nf = make()\n", "version=1", "version=2", OPEN,
    ),
    "a version of a cached lambda": (
        "f = cached(version=1)(lambda x: x)\ndef main():\n    f(1)\n", "version=1", "version=2", OPEN,
    ),
    "what is cached by a call is given to another call too": (
        "def f(x):\n    return x\nf2 = cached(f)\nM = list(map(f, [1]))\ndef main():\n    f2(1)\n", "[1]", "[2]", UNTOLD,
    ),
    "another call of what is cached by a call": (
        "def f(x):\n    return x\nf2 = cached(f)\nM = 1\ndef main():\n    f2(1)\n", "M = 1", "M = 2", SAME,
    ),
    "a version of a cached method": (
        "class C:\n    @cached(version=1)\n    def f(self, x):\n        return x\ndef main():\n    C().f(1)\n", "version=1",
        "version=2", CHANGED,
    ),
    # what a library made is new
    "a path that is written at the top": (
        ("from pathlib import Path\nM = 'a'\ndef put():\n    Path('out.txt').write_text(M)\nput()\n@cached\ndef f(x):\n"
        "    return Path('x').name\n"), "M = 'a'", "M = 'b'", SAME,
    ),
    # a decorator that is given more
    "a decorator is given a version": ("@cached\ndef f(x):\n    return x\n", "@cached\n", "@cached(version='2')\n", CHANGED),
    "a version in a decorator that is given more": (
        _WITH + "@deco(version='1')\ndef f(x):\n    return x\n", "version='1'", "version='2'", CHANGED,
    ),
    "a version where the first is given": (
        "deco = cached(version='1')\n@deco\ndef f(x):\n    return x\n", "version='1'", "version='2'", CHANGED,
    ),
    "a version that the last says": (
        "deco = cached(version='1')\n@deco(version='3')\ndef f(x):\n    return x\n", "version='1'", "version='2'", SAME,
    ),
    "a decorator is given what does not count": ("@cached\ndef f(x):\n    return x\n", "@cached\n", "@cached(verbose=False)\n", SAME),
    "a decorator is given a variable": (
        "@cached\ndef f(x):\n    return x\n", "@cached\n", "@cached(env_vars=['NO_SUCH_VARIABLE'])\n", CHANGED,
    ),
}  # fmt: skip

ROWS = {**CODE, **BOUND, **_VALUES, **_ELSEWHERE, **_SIBLINGS}
