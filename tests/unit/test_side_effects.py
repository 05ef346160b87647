"""Which modules may change others, told by their text: whatever does has to be among them."""

from __future__ import annotations

import pytest

from cachepy.code.side_effects import reached_by

OWN = {"lib", "pkg"}
CHANGES = [
    "import lib\nlib.N = 1",
    "import lib\nlib.N += 1",
    "import lib\nlib.TABLE['a'] = 1",
    "import lib\ndel lib.N",
    "import lib\nsetattr(lib, 'N', 1)",
    "import lib as other\nother.sub.N: int = 3",
    "import os\nos.environ['A'] = 'b'",
    "import os\nos.environ.update(A='b')",
    "import numpy as np\nnp.seterr(all='ignore')",
    "import numpy\nnumpy.load = None",
    "from lib import ITEMS\nITEMS.append(3)",
    "from lib import ITEMS as x\nfor each in x:\n    print(each)",
    "from lib import register\n@register\ndef f():\n    pass",
    "from .lib import (\n    register,  # of all\n    other as ours,\n)\n@ours\ndef f():\n    pass",
    "from . import lib\nif True:\n    @lib.register\n    class A:\n        pass",
    "from lib import *\n@whatever\ndef f():\n    pass",
    "from lib import Base\nclass A(Base):\n    pass",
    "from lib import Meta\nclass A(metaclass=Meta):\n    pass",
    "from lib import set_it\nX = set_it()",
    "from lib import set_it\ndef f(x=set_it()):\n    pass",
    "from lib import set_it\ndef f(\n    x,\n    y=set_it(),\n):\n    pass",
    "def set_it():\n    import lib\n    lib.N = 1\nset_it()",
    "def set_it():\n    import lib\n    lib.N = 1\nX = set_it()",
    "def set_it():\n    import lib\n    lib.N = 1\nif True: set_it()",
    "def one(): return 1\nimport lib; lib.N = 2",
    "def one(): return 1\ndef two(): return 2\nimport lib\nlib.N = 2",
    "def f():\n    '''\nlib = 1\n    '''\nimport lib\nlib.N = 2",
    "X = '#'\nimport lib\nlib.N = 2",
    "X = 'it\\'s'\nimport lib\nlib.N = 2  # it's",
    "try:\n    import lib\nexcept ImportError:\n    pass\nelse: lib.f()",
    "import lib\nwith open('x') as lib.FILE:\n    pass\nlib.N = \\\n    3",
    "import sys\nsys.modules['lib'].N = 3",
    "exec('import lib; lib.N = 3')",
    "import importlib\nX = importlib.import_module('lib')",
    "import numpy as np\nopts = np.seterr\nopts(all='ignore')",
    "import pandas as pd\nopts: object = pd.options\nopts.mode = 3",
    "import random, lib\nX = random.shuffle(lib.ITEMS)",
    "class A:\n    from lib import ITEMS\n    X = [each for each in ITEMS]",
]
DOES_NOT = [
    "ITEMS = []\nITEMS.append(3)\nITEMS[0] = 2",
    "from lib import f\nX = []\nX.append(3)",
    "",
    "import os, sys\nfrom math import sqrt\nN = 3\nTABLE = {'a': [1, 2]}\nX: dict[str, int] = {}",
    "import logging\nlog = logging.getLogger(__name__)",
    "from pathlib import Path\nHERE = Path(__file__).parent / 'data'",
    "from cachepy import cache_file\n@cache_file('cache', warn_cheap=False)\ndef f(x):\n    return x",
    "import lib\ndef f(x):\n    lib.N = x\n    lib.f()\n\ndef g(x: int = 3) -> int:\n    return f(x)",
    "import lib\nclass A:\n    x: int = 3\n    def f(self):\n        lib.N = self.x\n",
    "from lib import Table\ndef f(x: Table, *, y: list[Table]) -> Table:\n    return x",
    "from lib import Table\nclass A:\n    table: Table\n    size: int = 3",
    "'''A text.\n\nimport lib\nlib.N = 1\n'''\n# lib.N = 1",
    "def f():\n    return '''\nlib.N = 1\n'''",
    "import lib\ndef f(\n    x,\n    y,\n):\n    lib.N = 3\n",
    "import lib\nasync def f():\n    lib.N = 3\n",
]


@pytest.mark.parametrize("text", CHANGES)
def test_what_may_change_others(text):
    for each in (text, text.replace("\n", "\r\n")):
        found = reached_by(each, OWN.__contains__)
        assert found.all or found.user
        assert found.all or not found.packages.isdisjoint({"", *OWN}) or "lib" not in text


@pytest.mark.parametrize("text", DOES_NOT)
def test_what_does_not(text):
    found = reached_by(text, OWN.__contains__)
    assert not found.all and not found.user


ODD = ['"""' + "\\a" * 5000, "'" + "\\'" * 5000, '"""' * 2001, "x" * 100_000 + "(", "]" + " " * 50_000, "(" * 50_000,
       "X = [" + ".a" * 50_000, "def f(" + "a: b, " * 20_000, " " * 100_000 + "x", "from a import (" + "b, " * 50_000,
       "\\\n" * 20_000, "#" * 100_000, "a.b" * 30_000 + " =", "f'{" * 20_000]  # fmt: skip


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_texts_are_looked_through_at_once(text):
    """A pattern that goes back and forth would take longer than the time that a test has."""
    for each in (text, f"x = 1\n{text}\ny = 2", "\n".join([text] * 5)):
        reached_by(each, OWN.__contains__)
