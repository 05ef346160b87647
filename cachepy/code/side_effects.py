"""Whether a source file may change what stands in other modules when it is imported, told by its text alone.

To parse a module takes milliseconds, a program has hundreds of them, and nearly none changes another.  This looks at
the lines of the top level only, and says yes whenever it is not sure.
"""

from __future__ import annotations

import re

from cachepy.code.outline import ANYTHING, CHANGE_ARGUMENTS, CHANGERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_QUIET = re.compile(  # texts and comments; at each character there is one way on: a quote may stay open
    r'"""(?:[^"\\]|\\.|"(?!""))*"""'
    r"|'''(?:[^'\\]|\\.|'(?!''))*'''"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'(?:[^'\\\n]|\\.)*'"
    r"|#[^\n]*",
    re.DOTALL,
)
_JOINED = re.compile(r"\\\r?\n")
_NEXT = re.compile(r";[ \t]*")  # a statement in the same line
_IMPORT = re.compile(r"^[ \t]*(?:from\s+([.\w]+)\s+import\s*(\([^()]*\)|[^\n;]*)|import\s+([^\n;]*))", re.MULTILINE)
_DEF = re.compile(r"[ \t]*(?:async[ \t]+)?def[ \t]+(\w+)[ \t]*\(?")
_OWN = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
_CLASS = re.compile(r"^[ \t]*class[ \t]+(\w+)")
_NOTE = re.compile(r"^[ \t]*(?!(?:else|try|finally)\b)\w+[ \t]*:[^=\n]*")  # of a variable
_GIVEN = re.compile(r"[ \t]*(\w+)[ \t]*(?::[^=\n]*)?=(?!=)")
_STORES = re.compile(r"(?:\.[ \t]*\w+|\])[ \t]*(?:[-+*/%@&|^]|//|\*\*|<<|>>)?=(?!=)|\bdel\b")
_STATEMENT = re.compile(r"[ \t]*(?:await[ \t]+)?[\w.]+[ \t]*\(")
_CALLS = re.compile(r"[\w\])][ \t]*\(")
_DOES = re.compile(rf"\b(?:{'|'.join(sorted((CHANGERS | CHANGE_ARGUMENTS) - ANYTHING))})\b")
_ANYTHING = re.compile(rf"\b(?:{'|'.join(sorted(ANYTHING | {'modules', 'import'}))})\b")
_NAMES = re.compile(r"(?<![\w.])[^\W\d]\w*")


class Reached:
    """What the top level of a text may change: of the user's modules in these packages, of all, of libraries.

    packages: the first parts of the names of the user's modules that it imports, empty text for its own package.
    """

    __slots__ = ("all", "libraries", "own", "packages", "user")

    def __init__(self) -> None:
        self.own = set[str]()  # names that stand for something of the user's
        self.packages = set[str]()
        self.libraries = set[str]()  # names likewise of libraries
        self.user = self.all = False

    def add(self, line: str) -> None:
        """A line that runs."""
        given = _GIVEN.match(line)
        line = _CLASS.sub("", _NOTE.sub("", line), count=1)
        names = set(_NAMES.findall(line))
        does = bool(_DOES.search(line) or _STORES.search(line) or _STATEMENT.match(line))
        self.user |= "*" in self.own or not self.own.isdisjoint(names)
        self.all |= _ANYTHING.search(line) is not None or (does and not self.libraries.isdisjoint(names))
        if given is not None and not self.libraries.isdisjoint(names):
            self.libraries.add(given[1])  # another name for what is theirs


def reached_by(text: str, is_user: Callable[[str], bool]) -> Reached:
    r"""What the top level of a text may change in other modules, or of libraries.

    is_user: whether a package or module without dots is the user's.

    Examples
    --------
    >>> reached_by("import lib\ndef f():\n    lib.N = 1\n", bool).user
    False
    >>> reached_by("import lib\nlib.N = 1\n", bool).user
    True
    """
    found = Reached()
    text = _NEXT.sub("\n", _JOINED.sub(" ", _QUIET.sub('""', text)))
    text = _without_imports(text, found, is_user)
    found.own.update(_OWN.findall(text))
    for line, is_header in _top_lines(text):
        if not is_header or _CALLS.search(line):  # what a parameter is noted to be does nothing
            found.add(line)
    return found


def _without_imports(text: str, reached: Reached, is_user: Callable[[str], bool]) -> str:
    """The text without its imports, whose names are noted."""

    def note(found: re.Match[str]) -> str:
        module, names, plain = found.groups()
        for each in (plain or names or "").strip("()").split(","):
            name, _, alias = each.strip().partition(" as ")
            package = (module or name).partition(".")[0].strip()  # empty if it is relative
            is_own = not package or is_user(package)
            reached.packages |= {package} if is_own else set()
            (reached.own if is_own else reached.libraries).add((alias or name).strip().partition(".")[0])
        return "\n"

    return _IMPORT.sub(note, text)


def _top_lines(text: str) -> Iterator[tuple[str, bool]]:
    """The lines that run at import, each with whether it is of the header of a function: of its body there is none."""
    inside, depth = -1, 0  # the indent of the function that we are in; brackets open in its header
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip())
        if indent == len(line) or (not depth and indent > inside >= 0):
            continue
        named = None if depth else _DEF.match(line)
        if named is None and not depth:
            inside = -1
            yield line, False
            continue
        inside = inside if named is None else indent
        depth = max(0, depth + _opened(line))
        yield line if named is None else line[named.end() :], True


def _opened(line: str) -> int:
    return sum(map(line.count, "([{")) - sum(map(line.count, ")]}"))
