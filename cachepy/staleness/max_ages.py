"""What a decorator says of how long results hold, read from the source file: `max_age` and `valid` are in no digest."""

from __future__ import annotations

import ast
import os

from cachepy.calls.ages import limit_of
from cachepy.code.constants import NotConstant
from cachepy.core.model import Record
from cachepy.errors import CachepyError
from cachepy.staleness.declared import decorated_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.code.bindings import Bindings

_OPTION, _TEST = "max_age", "valid"


class Told(Record, defaults=(False,)):
    """What the texts tell: the limit, None for none; is_clear: whether they tell it; tests: whether there is a test."""

    __slots__ = ("limit", "is_clear", "tests")
    limit: str | None
    is_clear: bool
    if TYPE_CHECKING:
        tests: bool = False
    else:
        tests: bool


UNCLEAR = Told(None, is_clear=False)
NONE = Told(None, is_clear=True)


class Mentions:
    """Which folders have a source file that names the option: all others need no look at their decorators."""

    def __init__(self) -> None:
        self._known: dict[str, bool] = {}

    def near(self, path: str) -> bool:
        """Whether a source file beside this one does."""
        folder = os.path.dirname(path)
        if folder not in self._known:
            self._known[folder] = any(map(_mentions, _sources_in(folder)))
        return self._known[folder]


def _sources_in(folder: str) -> list[str]:
    try:
        return [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith((".py", ".pyw"))]
    except OSError:
        return []


def _mentions(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError:
        return False
    return _OPTION.encode() in text or (_TEST.encode() in text and _gives_test(text))


def _gives_test(text: bytes) -> bool:
    """Whether a source text may give that option: to others the word is one of everyday."""
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError):  # nothing can be imported from it
        return False
    may_hold_options = b"cachepy" in text
    return any(
        (isinstance(node, ast.keyword) and node.arg == _TEST)
        or (may_hold_options and isinstance(node, ast.Constant) and node.value == _TEST)
        for node in nodes
    )


def told_now(bindings: Bindings, module: str, qualname: str) -> Told:
    """What the decorator of a function says now."""
    limit: Any = None
    tests = False
    calls = decorated_by(bindings, module, qualname)
    if not calls:
        return UNCLEAR
    try:
        for where, call in calls:
            for each in call.keywords:
                if each.arg is None:  # more options, which no text names
                    return UNCLEAR
                if each.arg == _OPTION:
                    limit = _value(bindings, where, each.value)
                if each.arg == _TEST:
                    tests = not (isinstance(each.value, ast.Constant) and each.value.value is None)
        return Told(limit_of(_OPTION, limit), is_clear=True, tests=tests)
    except (NotConstant, CachepyError):
        return UNCLEAR


def _value(bindings: Bindings, module: str, node: ast.expr) -> Any:
    """A constant, or a `timedelta` of constants."""
    if isinstance(node, ast.Call) and bindings.library_of(module, node.func) == "datetime.timedelta":
        from datetime import timedelta

        given = {each.arg or "": bindings.evaluated(module, each.value) for each in node.keywords}
        return timedelta(*[bindings.evaluated(module, each) for each in node.args], **given)
    return bindings.evaluated(module, node)
