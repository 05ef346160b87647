"""What a decorator says of how old results may be, read from the source file: `max_age` is in no digest of code."""

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

_OPTION = "max_age"


class Told(Record):
    """What the texts tell: the limit, None for none; is_clear: whether they tell it."""

    __slots__ = ("limit", "is_clear")
    limit: str | None
    is_clear: bool


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
            return _OPTION.encode() in file.read()
    except OSError:
        return False


def told_now(bindings: Bindings, module: str, qualname: str) -> Told:
    """What the decorator of a function says now."""
    limit: Any = None
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
        return Told(limit_of(_OPTION, limit), is_clear=True)
    except (NotConstant, CachepyError):
        return UNCLEAR


def _value(bindings: Bindings, module: str, node: ast.expr) -> Any:
    """A constant, or a `timedelta` of constants."""
    if isinstance(node, ast.Call) and bindings.library_of(module, node.func) == "datetime.timedelta":
        from datetime import timedelta

        given = {each.arg or "": bindings.evaluated(module, each.value) for each in node.keywords}
        return timedelta(*[bindings.evaluated(module, each) for each in node.args], **given)
    return bindings.evaluated(module, node)
