"""What code asks about code: names, docstrings, source text, lines, the order of attributes.

All this counts only where code that is reached asks for it: else comments may be written.
"""

from __future__ import annotations

import sys

from cachepy.code.members import members_of
from cachepy.values.digest import digest_bytes, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.code.walking import Walk

_NAMES = frozenset({"__name__", "__qualname__"})
_DOCS = frozenset({"__doc__", "getdoc"})
_SOURCES = frozenset({"getsource", "getsourcelines", "getcomments"})
_LINES = frozenset({"co_firstlineno", "f_lineno", "tb_lineno", "__firstlineno__", "co_lines", "co_positions", "lineno"})


class Asked:
    """What one walk visits, in case some of the code asks for more than it says."""

    def __init__(self) -> None:
        self.asks: set[str] = set()
        self.functions: list[Any] = []
        self.classes: list[type] = []
        self.instances: list[Any] = []

    def follow(self, walk: Walk) -> None:
        """Count what is asked for."""
        asks = self.asks
        if "vars" in asks or "__dict__" in asks:
            self._orders(walk)
        for names, tell in ((_NAMES, _name), (_DOCS, _doc), (_SOURCES, _source), (_LINES, _line)):
            if not asks.isdisjoint(names):
                for each in (*self.functions, *self.classes):
                    _count(walk, each, tell)

    def _orders(self, walk: Walk) -> None:
        from cachepy.values.builtin_normalizers import lazy_names  # few programs ask

        for cls in self.classes:
            walk.lines.append(f"order of {':'.join(name_of(cls))} {list(members_of(cls))}")
        for obj in self.instances:
            walk.guard.names(vars(obj))
            lazy = lazy_names(type(obj))
            walk.lines.append(f"order of attributes {[name for name in vars(obj) if name not in lazy]}")


def _count(walk: Walk, obj: Any, tell: Callable[[Any], str]) -> None:
    text = tell(obj)
    if tell is not _source:  # a file that is edited meanwhile is another thing than the code that was loaded
        walk.guard.true(lambda: tell(obj) == text)
    walk.lines.append(text)


def _name(obj: Any) -> str:
    return f"named {obj.__name__} {obj.__qualname__}"


def _doc(obj: Any) -> str:
    return f"doc {_digest(obj.__doc__)}"


def _source(obj: Any) -> str:
    inspect = sys.modules.get("inspect")
    try:
        return f"source {'' if inspect is None else _digest(inspect.getsource(obj))}"
    except (OSError, TypeError, IndexError, SyntaxError):
        return "source none"


def _line(obj: Any) -> str:
    code = getattr(obj, "__code__", None)
    return "" if code is None else f"line {code.co_firstlineno} {_digest(list(code.co_lines()))}"


def _digest(value: object) -> str:
    return digest_bytes(repr(value).encode("utf-8", "surrogatepass"))
