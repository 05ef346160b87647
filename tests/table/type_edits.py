"""Edits of types: annotations, aliases and type variables, which Python evaluates when, depends on its version.

Sources that only a newer Python compiles are cases from that version on.
"""

from __future__ import annotations

import sys

from tests.table.code_edits import code, edited, unaffected
from tests.table.harness import Case

HINTS = "typing.get_type_hints(h, include_extras=True)['x']"
ANNOTATED = """
    import typing

    {more}

    def h(x: {note}):
        return x
    """


def hinted(name: str, note: str, edit: str, more: str = "") -> Case:
    """The body reads the annotation of a helper."""
    return edited(name, ANNOTATED.format(note=note, more=more), f"(str({HINTS}), h(x))", edit)


ANNOTATIONS = [
    hinted("annotation of a helper, read", "int", "x: int => x: str"),
    hinted("inside an annotation", "list[int]", "x: list[int] => x: list[str]"),
    hinted("what Annotated carries", "typing.Annotated[int, LIMIT]", "LIMIT = 1 => LIMIT = 2", "LIMIT = 1"),
    hinted("Annotated by another name", "Small", "int, 1 => int, 2", "Small = typing.Annotated[int, 1]"),
    edited(
        "annotation of a class, read",
        "class C:\n    a: int\n",
        "(str(C.__annotations__), x)",
        "a: int => a: str",
    ),
    edited(
        "field of a dataclass",
        "import dataclasses\n\n@dataclasses.dataclass\nclass C:\n    a: int\n",
        "(str(C.__annotations__), C(x).a)",
        "a: int => a: str",
    ),
    code("annotation of a helper, not read", "def h(x: int):\n    return x\n", "h(x)", "x: int => x: str", None),
    unaffected(
        "name that only mypy knows, comment",
        "import typing\n\nif typing.TYPE_CHECKING:\n    import nothing_at_all\n\ndef h(x: 'nothing_at_all.T'):\n    return x\n",
        "h(x)",
        "    return x\n\n => \n    # comment\n    return x\n\n",
    ),
]

VARIABLES = [
    edited(
        "bound of a type variable",
        "import typing\n\nT = typing.TypeVar('T', bound=int)\n",
        "(str(T.__bound__), x)",
        "bound=int => bound=str",
    ),
    edited(
        "new type",
        "import typing\n\nN = typing.NewType('N', int)\n",
        "(str(N.__supertype__), x)",
        "'N', int => 'N', str",
    ),
    edited(
        "forward bound of a type variable",
        "import typing\n\nT = typing.TypeVar('T', bound='int')\n",
        "(T.__bound__.__forward_arg__, x)",
        "'int' => 'str'",
    ),
]

ALIASES = [
    edited("alias", "type X = list[int]\n", "(str(X.__value__), x)", "list[int] => list[str]"),
    edited(
        "alias of a class, by another name",
        "class C:\n    n = 1\n\ntype X = C\n",
        "X.__value__.n + x",
        "n = 1 => n = 2",
    ),
    edited("alias that refers to itself", "type X = list[X] | int\n", "(str(X.__value__), x)", "| int => | str"),
    edited(
        "alias in an annotation",
        "import typing\n\ntype X = typing.Annotated[int, 1]\n\ndef h(x: X):\n    return x\n",
        "(str(typing.get_type_hints(h)['x'].__value__), h(x))",
        "int, 1 => int, 2",
    ),
    edited(
        "generic helper",
        "def h[T](x: T) -> T:\n    return x + 1\n",
        "h(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "bound in a generic helper",
        "def h[T: int](x: T) -> T:\n    return (str(T.__bound__), x)\n",
        "h(x)",
        "T: int => T: str",
    ),
    edited(
        "method of a generic class",
        "class C[T]:\n    def go(self, x: T) -> T:\n        return x + 1\n",
        "C[int]().go(x)",
        "x + 1 => x + 2",
    ),
    edited(
        "bound of a generic class",
        "class C[T: int]:\n    pass\n",
        "(str(C.__type_params__[0].__bound__), x)",
        "T: int => T: str",
    ),
    edited(
        "alias inside a helper",
        "def h(x):\n    type Y = int\n    return (str(Y.__value__), x)\n",
        "h(x)",
        "Y = int => Y = str",
    ),
    unaffected(
        "comment in a generic helper",
        "def h[T: int](x: T) -> T:\n    return (str(T.__bound__), x)\n",
        "h(x)",
        "T:\n    return => T:\n    # comment\n\n    return",
    ),
]

LATE = [
    unaffected(
        "name that is not there in an annotation, comment",
        "def h(x: nothing_at_all.T) -> Nor[this]:\n    return x\n",
        "h(x)",
        "this]:\n => this]:\n    # comment\n",
    ),
    edited(
        "helper whose annotation names what is not there",
        "def h(x: nothing_at_all.T) -> Nor[this]:\n    return x\n",
        "h(x)",
        "return x\n\n => return -x\n\n",
    ),
    code(
        "annotation that names what is not there",
        "def h(x: nothing_at_all.T):\n    return x\n",
        "h(x)",
        "all.T => all.S",
        "f",
        same=True,
    ),
    edited(
        "class whose annotation names what is not there",
        "import annotationlib\n\nclass C:\n    a: Missing\n",
        "(str(annotationlib.get_annotations(C, format=annotationlib.Format.STRING)), x)",
        "Missing => Absent",
    ),
    edited("t-string", "", "(t'{x}a'.strings, x)", "}a' => }b'"),
    edited("t-string's expression", "", "(t'{x!r}a'.interpolations[0].conversion, x)", "x!r => x!s"),
]

CASES: list[Case] = ANNOTATIONS + VARIABLES
if sys.version_info >= (3, 12):
    CASES += ALIASES
if sys.version_info >= (3, 14):
    CASES += LATE
