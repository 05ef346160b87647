"""Whether a source file may change what stands in other modules when it is imported, told by its text alone.

To parse a module takes milliseconds, a program has hundreds of them, and nearly none changes another.  This looks at
the lines of the top level only, and says yes whenever it is not sure.
Imports nothing.
"""

from __future__ import annotations

import re

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
_STORES = re.compile(r"(?:\.[ \t]*\w+|\])[ \t]*(?:[-+*/%@&|^]|//|\*\*|<<|>>)?=(?!=)|\bdel\b")
_STATEMENT = re.compile(r"[ \t]*(?:await[ \t]+)?[\w.]+[ \t]*\(")
_CALLS = re.compile(r"[\w\])][ \t]*\(")
_DOES = re.compile(
    r"\b(?:append|extend|insert|add|update|setdefault|pop|popitem|remove|discard|clear|sort|reverse|appendleft"
    r"|extendleft|popleft|write|put|fill|register|setattr|delattr|vars|shuffle|heapify|heappush|heappop|insort|exec"
    r"|globals|locals|reload|__import__|import_module|modules|import)\b"
)
_NAMES = re.compile(r"(?<![\w.])[^\W\d]\w*")


def may_change_others(text: str, is_user: Callable[[str], bool]) -> bool:
    r"""Whether the top level of this text may change something in another module, or of a library.

    is_user: whether a module, named without the dots of a relative import, is the user's.

    Examples
    --------
    >>> may_change_others("import lib\ndef f():\n    lib.N = 1\n", bool)
    False
    >>> may_change_others("import lib\nlib.N = 1\n", bool)
    True
    """
    text = _NEXT.sub("\n", _JOINED.sub(" ", _QUIET.sub('""', text)))
    own = set[str]()
    text = _without_imports(text, own, is_user)
    own.update(_OWN.findall(text))
    return any(_may_change(line, own, is_header) for line, is_header in _top_lines(text))


def _without_imports(text: str, own: set[str], is_user: Callable[[str], bool]) -> str:
    """The text without its imports; `own` takes the names that stand for something of the user's."""

    def note(found: re.Match[str]) -> str:
        module, names, plain = found.groups()
        for each in (plain or names or "").strip("()").split(","):
            name, _, alias = each.strip().partition(" as ")
            if (module or "")[:1] == "." or is_user((module or name).partition(".")[0]):
                own.add((alias or name).strip().partition(".")[0])
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


def _may_change(line: str, own: set[str], is_header: bool) -> bool:
    if _DOES.search(line):
        return True
    if is_header:  # what a parameter is noted to be does nothing
        return _CALLS.search(line) is not None and not own.isdisjoint(_NAMES.findall(line))
    line = _CLASS.sub("", _NOTE.sub("", line), count=1)
    if _STORES.search(line) or _STATEMENT.match(line):
        return True
    return "*" in own or not own.isdisjoint(_NAMES.findall(line))
